/* trie.h - a vocabulary as a tree of bytes, laid out for walking.
 *
 * Nodes stand in the order of a depth-first walk, and each knows where its
 * subtree ends: a walk that a grammar stops at a byte jumps over everything
 * below. Beside the tree stands what the tokens do inside a JSON string, the
 * one place where almost all of them may come. Immutable; shared by threads. */
#ifndef DECODE_TRIE_H
#define DECODE_TRIE_H

#include <stdint.h>

#include "token/tokenizer.h"

typedef struct trie trie;

/* What each id prints; ids of no bytes are left out, control tokens print none.
 * Borrowed for the trie's life. */
typedef token_text trie_bytes_fn(const void *arg, int32_t id);

trie *trie_new(int n_vocab, trie_bytes_fn *print, const void *arg);
void trie_free(trie *t);                 /* accepts NULL */

int trie_vocab(const trie *t);
int trie_words(const trie *t);           /* of a mask: (n_vocab + 63) / 64 */

#endif
