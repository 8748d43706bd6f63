/* json_cut.h - the two big flat parts of a tokenizer.json.
 *
 * Of a file of 11 MB all but a few kilobytes are model.vocab (an object of
 * numbers) and model.merges (an array of strings, or of pairs of strings).
 * They are read here in one pass without a node for each value; what is left
 * when they are cut out is small and goes to the JSON library. */
#ifndef TOKEN_JSON_CUT_H
#define TOKEN_JSON_CUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* A part of the text, by offsets; begin == end when it is not there. */
typedef struct json_range {
    size_t begin, end;
} json_range;

typedef struct json_parts {
    json_range vocab, merges;
    bytes rest;          /* the text with null in place of them; bytes_fini */
} json_parts;

/* Find the parts. Only as much is checked as finding them takes: `rest` has
 * still to be parsed. E_FORMAT with the offset. */
status json_cut(json_parts *out, const char *text, size_t len, errtext *err);

/* Where an offset of `rest` is in the text. */
size_t json_offset(const json_parts *p, size_t rest_offset);

/* One entry of the vocabulary, or one merge ("left right"): bytes at `start`
 * of the pool. */
typedef struct json_piece {
    uint32_t start, len;
    int32_t id;          /* of a merge: its number */
} json_piece;

typedef struct json_pieces {
    json_piece *items;   /* released by mem_free */
    int n, cap;
} json_pieces;

/* Strictly parse a part; strings go to pool. Ids are whole numbers from 0 to
 * max_id. E_FORMAT names entry and offset. */
status json_read_vocab(json_pieces *out, bytes *pool, const char *text, json_range r,
                       int32_t max_id, errtext *err);
status json_read_merges(json_pieces *out, bytes *pool, const char *text, json_range r,
                        errtext *err);

#endif
