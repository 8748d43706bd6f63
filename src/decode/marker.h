/* marker.h - the strings that open and close a phase: <think>, </tool_call>.
 *
 * A model that was trained with a marker as one token is recognised by that
 * token's id and by nothing else. A model that only learned to write the
 * characters cuts them into tokens as it likes (".</", "think", ">\n"), so its
 * bytes run through a Knuth-Morris-Pratt automaton: one number of state, no
 * text read twice. */
#ifndef DECODE_MARKER_H
#define DECODE_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "token/tokenizer.h"

#define MARKER_MAX_BYTES 63      /* so that a mask of states fits 64 bits */

/* How a style describes one marker. Pointers are borrowed for marker_init. */
typedef struct marker_spec {
    const char *text;            /* NULL: the style has no such marker */
    int32_t id;                  /* its token where it is one, else -1 */
} marker_spec;

/* A token that completes the marker, and from which states: bit s is set when
 * the token's bytes complete it after s matched bytes. */
typedef struct completer {
    int32_t id;
    uint64_t from;
    uint64_t trails;             /* of these, when more than white space follows it */
} completer;

typedef struct marker {
    int len;                     /* bytes of text; 0: absent */
    char text[MARKER_MAX_BYTES + 1];
    uint8_t border[MARKER_MAX_BYTES];   /* longest proper border of each prefix */
    int32_t id;                  /* -1: recognised by its bytes */
    completer *completers;       /* only when recognised by bytes; by id */
    int n_completer;
} marker;

/* The bytes a token prints, none for a control token. */
typedef token_text token_bytes_fn(const void *arg, int32_t id);

/* Walks the vocabulary once when the marker is recognised by its bytes. E_ARG
 * names `field` when the text is empty or too long or the id is not in
 * [-1, n_vocab). Released by marker_fini; on failure *m is zeroed. */
status marker_init(marker *m, const marker_spec *spec, const char *field, int n_vocab,
                   token_bytes_fn *bytes, const void *arg, errtext *err);
void marker_fini(marker *m);     /* accepts a zeroed marker */

/* Matched bytes after one more: len when that completes the marker. state is
 * below len, len is not 0. */
int marker_step(const marker *m, int state, char c);

static inline bool marker_by_id(const marker *m)
{
    return m->len > 0 && m->id >= 0;
}

static inline bool marker_by_bytes(const marker *m)
{
    return m->len > 0 && m->id < 0;
}

#endif
