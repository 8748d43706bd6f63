/* mask_internal.h - the inside of a trie, for the walk. */
#ifndef DECODE_MASK_INTERNAL_H
#define DECODE_MASK_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "decode/trie.h"

typedef struct trie_node {
    uint8_t byte;
    uint8_t depth;           /* 1 for children of the root; deeper than 255 is cut */
    uint32_t end;            /* the node after this subtree */
    int32_t token;           /* the last token that ends here, or -1 */
} trie_node;

/* Tokens that a JSON string of any characters ends in: their bytes after the
 * closing quote, as a tree of its own. Node 0 is the quote itself. */
typedef struct tail_token {
    int32_t id;
    uint16_t n_char;         /* characters of the string before the quote */
    int32_t next;            /* another one with the same tail, or -1 */
} tail_token;

typedef struct tail_node {
    uint8_t byte;
    uint8_t depth;
    uint32_t end;
    int32_t first;           /* in `tails`, or -1 */
    bool quotes;             /* the path holds a quote */
} tail_node;

struct trie {
    int n_vocab, n_word;
    trie_bytes_fn *bytes;
    const void *arg;
    trie_node *nodes;        /* [n_node], the root left out */
    uint32_t n_node;
    int32_t *same;           /* [n_vocab] another token of the same bytes, or -1 */

    uint64_t *inside;        /* [n_word] tokens that stay inside a string */
    uint16_t *n_char;        /* [n_vocab] of these, characters begun; a character that
                              * the token only begins counts */
    int32_t *by_chars;       /* [n_inside] of these, most characters first */
    int n_inside;
    int max_char;
    tail_node *tails;
    uint32_t n_tail;
    tail_token *tail_tokens;
    int n_tail_token;
};

#endif
