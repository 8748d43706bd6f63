/* sequence.h - one example as token ids: a prompt, and what is to be learnt.
 *
 * The prompt is exactly what reason/ would hand the decoder for the same
 * conversation, and the completion exactly what the decoder would have drawn,
 * so that a policy learns what it will be asked to do. */
#ifndef TRAIN_SEQUENCE_H
#define TRAIN_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "reason/ask.h"

typedef struct sequence {
    int32_t *ids;            /* prompt, then completion */
    uint8_t *given;          /* [n] 1: written by the calculator, no target; or NULL */
    int n_prompt;
    int n;
} sequence;

void sequence_fini(sequence *s);                 /* accepts a zeroed one */

/* Encode chat c, whose last message may not be the assistant's, followed by an
 * answer. With thinking the completion is think, the closer and answer; without,
 * the answer alone; then the end of the turn. think may be NULL or empty.
 * E_LIMIT when it is longer than max_ids. */
status sequence_encode(reasoner *r, const chat *c, bool thinking, effort e, const char *think,
                       const char *answer, int max_ids, sequence *out, errtext *err);

/* The same, with calculator marks as the decoder writes them: between = and >>
 * stands what calculator.h says, encoded on its own, and given marks it. A mark
 * whose expression has no value, or that has no >>, is text like any other. */
status sequence_encode_marks(reasoner *r, const chat *c, bool thinking, effort e,
                             const char *think, const char *answer, int max_ids, sequence *out,
                             errtext *err);

/* How many of the tokens from `first` on are to be learnt. */
int sequence_targets(const sequence *s, int first);

/* A chat of one user's message. */
void chat_of_prompt(chat *c, const char *prompt);

#endif
