/* vocab.h - finding tokens: by text, by the pair that makes them, by being
 * special. Flat tables that a tokenizer fills once and then only reads. */
#ifndef TOKEN_VOCAB_H
#define TOKEN_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "token/tokenizer.h"

/* Byte strings to ids. Slots hold ids only; the owner keeps the text. */
typedef struct word_slot {
    uint32_t tag;        /* upper half of the hash */
    int32_t id_plus_1;   /* 0: empty */
} word_slot;

typedef struct word_table {
    const token_text *tokens;    /* by id; borrowed */
    word_slot *slots;
    uint32_t mask;
    uint32_t reach;      /* furthest any id sits from its home slot */
} word_table;

void words_init(word_table *w, const token_text *tokens, int n);
void words_fini(word_table *w);

/* Of two ids with one text the first added stays. False when so many texts
 * share a home slot that only malice explains it. */
bool words_add(word_table *w, int32_t id);
int32_t words_find(const word_table *w, const char *text, size_t len);  /* or -1 */

/* Pairs of ids to their rank and what they merge into. */
typedef struct pair_slot {
    int32_t left, right;
    uint32_t rank;
    int32_t made_plus_1; /* 0: empty */
} pair_slot;

typedef struct pair_table {
    pair_slot *slots;
    uint32_t mask;
    uint32_t reach;
} pair_table;

#define RANK_NONE UINT32_MAX

void pairs_init(pair_table *p, int n);
void pairs_fini(pair_table *p);
bool pairs_add(pair_table *p, int32_t left, int32_t right, uint32_t rank, int32_t made);

/* RANK_NONE when the pair does not merge. */
uint32_t pairs_find(const pair_table *p, int32_t left, int32_t right, int32_t *made);

/* Special tokens sorted by written form. */
typedef struct special_list {
    int32_t *ids;
    token_text *texts;
    int n;
    bool starts[256];    /* first bytes of texts */
} special_list;

/* Takes ids (mem_array) over and sorts them; texts[i] belongs to ids[i]. */
void specials_init(special_list *s, int32_t *ids, token_text *texts, int n);
void specials_fini(special_list *s);

/* The longest one that text starts with, or -1; len may be 0. Costs the length
 * of the match times log n. */
int32_t specials_match(const special_list *s, const char *text, size_t len);

#endif
