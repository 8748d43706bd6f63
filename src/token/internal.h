/* internal.h - what the files of token/ share. For the room and its tests. */
#ifndef TOKEN_INTERNAL_H
#define TOKEN_INTERNAL_H

#include <string.h>

#include "base/bytes.h"
#include "token/tokenizer.h"
#include "token/vocab.h"

/* ---- split.c ---- */

typedef enum splitter {
    SPLIT_GPT2,
    SPLIT_LLAMA3,        /* numbers up to three, case-folded contractions */
    SPLIT_QWEN2,         /* as llama3, numbers one by one */
    SPLIT_SMOLLM,        /* numbers one by one, the rest as gpt2 */
} splitter;

/* A walk over text; set kind, text and len, the rest zero. */
typedef struct split {
    splitter kind;
    const char *text;
    size_t len;
    size_t at;
    size_t stretch;      /* smollm: end of the stretch without numbers */
} split;

/* The next piece as offsets into text; false at the end. Pieces are not empty
 * and cover the text without gaps. */
bool split_next(split *p, size_t *start, size_t *end);

typedef struct split_rule {
    const char *pre;     /* value of tokenizer.ggml.pre */
    splitter kind;
    bool nfc;            /* text is brought to NFC first */
    bool ignore_merges;  /* as in vocab_spec; implied by the name */
} split_rule;

const split_rule *split_rule_named(const char *pre);     /* or NULL */
const split_rule *split_rule_for(splitter kind, bool nfc, bool ignore_merges);

/* ---- normalize.c ---- */

/* Canonical composition (Unicode normalisation form C) of text appended to
 * out; bytes that are not UTF-8 are kept and part the text. False, with out
 * untouched, when text is in that form already. Time is linear. */
bool normalize_nfc(bytes *out, const char *text, size_t len);

/* ---- tokenizer.c ---- */

typedef enum space_prefix {      /* SPM: where a space is put before text */
    PREFIX_NEVER,
    PREFIX_FIRST,                /* at the start of the prompt only */
    PREFIX_EACH,                 /* and after every special token */
} space_prefix;

/* The printable characters that byte-level vocabularies write bytes as. */
#define ALPHABET_END 0x144

typedef struct byte_alphabet {
    uint16_t code[256];
    int16_t byte[ALPHABET_END];  /* -1: stands for no byte */
} byte_alphabet;

#define TOKENIZER_MAX_END 64

struct tokenizer {
    vocab_spec spec;             /* owns all it points to */
    char *spec_text;             /* bytes of spec.tokens and spec.merges */
    bool spm;
    splitter kind;
    bool nfc;
    space_prefix prefix;
    char *text;                  /* decoded bytes of all tokens */
    uint32_t *text_at;           /* [n_token + 1] offsets into text */
    size_t longest;              /* bytes of the longest token in the spec */
    byte_alphabet alphabet;
    int32_t byte_id[256];        /* -1: the vocabulary has none */
    word_table words;            /* tokens plain text can become, as in spec */
    pair_table pairs;            /* when the spec has merges */
    uint32_t *ranks;             /* SPM without merges: from scores, 0 best */
    special_list specials;       /* control, user-defined and unknown tokens */
    int32_t ends[TOKENIZER_MAX_END];
    int n_end;
    char warning[256];
};

/* What a tokenizer.json says beyond a vocab_spec. */
typedef struct vocab_extra {
    splitter kind;
    bool nfc;
    space_prefix prefix;
    const int32_t *ends;         /* [n_end] more ids that end a turn */
    int n_end;
} vocab_extra;

/* Write text in the byte alphabet; out has room for 2 * len. Returns how long
 * it is. */
size_t alphabet_encode(const byte_alphabet *a, const char *text, size_t len, char *out);

/* Comes from trusted text only: control, user-defined and unknown. */
bool token_is_special(const tokenizer *t, int32_t id);

status tokenizer_build(tokenizer **out, const vocab_spec *spec,
                       const vocab_extra *extra, errtext *err);

/* ---- merge.c ---- */

/* One symbol of a word being merged. Of a symbol that no token stands for, id
 * is -1; it never merges. */
typedef struct symbol {
    uint32_t start;      /* offset in the text; ends where the next starts */
    int32_t id;
    uint32_t rank;       /* of the pair with the next symbol */
    int32_t made;        /* what that pair makes */
} symbol;

/* Scratch of one call to tokenizer_encode. */
typedef struct merger {
    const tokenizer *t;
    const char *text;    /* what symbol.start counts in */
    symbol *symbols;
    size_t cap;          /* symbols[cap] is there too, for a sentinel */
    uint32_t *previous, *next;   /* links of long words, [cap] */
    uint64_t *heap;
    size_t n_heap, cap_heap;
} merger;

void merger_reserve(merger *m, size_t n);        /* room for n symbols */

/* Merge symbols[0..n) until no pair merges, best rank first and leftmost among
 * equals; start and id are given, and symbols[n].start is the end of the text.
 * Returns how many symbols are left, at the front. */
size_t merger_run(merger *m, size_t n);
void merger_fini(merger *m);

/* ---- tokenizer_json.c ---- */

/* The files that make a tokenizer. Only json has to be there; data is NULL for
 * the others. */
typedef struct tokenizer_files {
    const char *path;        /* of the json, for messages */
    token_text json;         /* tokenizer.json */
    token_text config;       /* tokenizer_config.json: bos, eos, add_bos_token */
    token_text special_map;  /* special_tokens_map.json: bos, eos */
    token_text generation;   /* generation_config.json: list of end tokens */
} tokenizer_files;

/* tokenizer_open without the disk. */
status tokenizer_parse(tokenizer **out, const tokenizer_files *files, errtext *err);

#endif
