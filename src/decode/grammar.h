/* grammar.h - what an answer may look like, token by token.
 *
 * A grammar is built once from a JSON Schema, a regular expression or a
 * grammar in Lark's notation and then follows any number of sequences. For each it says,
 * at any point, which tokens may come next: those after which the text can
 * still be completed. It works on bytes, so it does not matter how a
 * vocabulary cuts the text.
 *
 * A mask is a pure function of the grammar, the vocabulary and the bytes so
 * far: neither other sequences nor what is cached change it. Calls on states of
 * one grammar may come from several threads. */
#ifndef DECODE_GRAMMAR_H
#define DECODE_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "decode/trie.h"

typedef struct grammar grammar;

/* --------------------------------------------------------------- building */

#define GRAMMAR_MAX_BYTES (1 << 20)      /* of a schema's or grammar's text */
#define GRAMMAR_MAX_DEPTH 64             /* JSON values within values */

typedef struct json_t json_t;

/* How to read a schema; all off is the default. */
typedef struct schema_options {
    bool format_is_note;     /* `format` is not checked (the draft's default); else
                              * known formats are kept and unknown ones refused */
    bool compact;            /* no white space at all between JSON's tokens */
    /* A document that $ref names by an absolute URI, borrowed for the call, or
     * NULL. NULL: no document but the schema's own is known. */
    const json_t *(*document)(void *arg, const char *uri);
    void *arg;
} schema_options;

/* A JSON Schema, draft 2020-12. The schema is borrowed for the call, options may
 * be NULL. On OK *out is the caller's, released by grammar_free.
 *
 * What is written satisfies the schema; of what satisfies it, this is written:
 *   names    those the schema mentions first, in its order; others after them;
 *            none twice
 *   space    none, one blank, or before a name, item or closing bracket one line
 *            break and at most 40 blanks
 *   numbers  integers without a point, at most 18 characters; bound numbers of at
 *            most 16, without exponent; others of 24
 *   depth    GRAMMAR_MAX_DEPTH
 * oneOf means exactly one, not and if mean what they say. Whole formats are
 * regular subsets of their RFCs. Refused are uniqueItems where the items are not
 * a few given values, patterns that are not regular, documents elsewhere, and
 * negations of unevaluatedItems, uniqueItems and format.
 *
 *   E_UNSUPPORTED  "#/properties/x/KEYWORD: why", a JSON pointer to what this
 *                  program does not do; nothing is ever ignored
 *   E_FORMAT       the schema contradicts the draft, or no value satisfies it
 *   E_LIMIT        too large, too deep, too complex */
status grammar_new_schema(grammar **out, const json_t *schema, const schema_options *options,
                          errtext *err);

/* Any JSON object. */
status grammar_new_json_object(grammar **out, errtext *err);

/* Texts that match a regular expression (regex.h, REGEX_RUST) as a whole. */
status grammar_new_regex(grammar **out, const char *pattern, size_t len, errtext *err);

/* A grammar in Lark's notation; its text begins at rule `start`. Terminals are
 * regular expressions (regex.h); %import knows `common`, %ignore what may stand
 * before any terminal. Everything about the tree (aliases, ?, !, priorities) is
 * read and makes no difference. Errors name the line: E_FORMAT, E_LIMIT, and
 * E_UNSUPPORTED for templates, other directives and rules that begin with
 * themselves by way of others. */
status grammar_new_lark(grammar **out, const char *text, size_t len, errtext *err);

/* Pieces one after the other: literal text and values of schemas. A tool call is
 * such a sequence; with several alternatives the model chooses the tool. */
typedef struct grammar_piece {
    const char *text;        /* [len] or NULL */
    size_t len;
    const json_t *schema;    /* used when text is NULL */
} grammar_piece;

typedef struct grammar_sequence {
    const grammar_piece *pieces;
    int n;
} grammar_sequence;

/* Errors as grammar_new_schema's. n is at least 1. Everything is borrowed for
 * the call. */
status grammar_new_sequences(grammar **out, const grammar_sequence *alternatives, int n,
                             const schema_options *options, errtext *err);

void grammar_free(grammar *g);               /* accepts NULL; after its states */

/* ---------------------------------------------------------------- walking */

/* Where one sequence stands. The grammar and the trie are borrowed for the
 * state's life. */
typedef struct grammar_state grammar_state;

grammar_state *grammar_state_new(const grammar *g, const trie *t);
grammar_state *grammar_state_copy(const grammar_state *s);   /* for going back */
void grammar_state_free(grammar_state *s);                   /* accepts NULL */

/* Set the bits of the tokens that may come next (trie_words words, bit id % 64
 * of word id / 64) and clear all others. Returns how many are set; 0 only when
 * the text is complete and cannot go on. Ends of turn are not the grammar's:
 * the caller adds them when grammar_complete. */
int grammar_mask(grammar_state *s, uint64_t *allowed);

/* Take one token or some bytes; false leaves the state as it was. */
bool grammar_accept(grammar_state *s, int32_t id);
bool grammar_accept_bytes(grammar_state *s, const char *text, size_t len);

bool grammar_complete(const grammar_state *s);   /* the text may end here */
bool grammar_done(const grammar_state *s);       /* it must */
bool grammar_begun(const grammar_state *s);      /* some byte was taken */

/* The one token that may come next, or -1 when there are none or several. An end
 * that is allowed counts as another possibility. */
int32_t grammar_forced(grammar_state *s);

/* Bytes that must come next, whatever the tokens: at most max, returns how many.
 * For tests and for those who want to write ahead. */
size_t grammar_forced_bytes(const grammar_state *s, char *out, size_t max);

#endif
