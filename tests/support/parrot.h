/* parrot.h - a model that says what it is told to.
 *
 * Real weights of the smallest kind: the embedding is the identity, attention
 * and feed-forward are zero, and the output matrix holds, for every token, the
 * token that follows. Whoever decodes it gets a script word by word, thinking,
 * calls, end of turn and all, through every layer of the program. */
#ifndef TESTS_PARROT_H
#define TESTS_PARROT_H

#define PARROT_ANY (-1)

/* One token of the script. Special forms (<|im_end|>, ...) are the control
 * tokens of that name. Word i is followed by word i + 1, the last by itself;
 * where `other` is not 0, word `other` follows half of the time instead, and
 * with PARROT_ANY any word may follow, each as often. */
typedef struct parrot_word {
    const char *text;
    int other;
} parrot_word;

/* Write a GGUF file. Any byte of a prompt, whatever it is, is followed by word
 * 0. `chat_template` picks the family, NULL for plain ChatML. Ends the test on
 * failure. */
void parrot_write(const char *path, const char *chat_template, int n_ctx,
                  const parrot_word *words, int n_word);

#endif
