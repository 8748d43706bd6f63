/* tokenizer.h - text to ids and back.
 *
 * Byte-level BPE with the splitters of gpt2, llama3, qwen2 and smollm, and
 * SentencePiece-style BPE with scores and byte fallback ("llama"). The
 * splitters walk Unicode tables by hand; no regular expression engine runs. A
 * tokenizer is immutable once built and may be shared by threads. */
#ifndef TOKEN_TOKENIZER_H
#define TOKEN_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "token/segment.h"

typedef struct tokenizer tokenizer;

typedef enum token_kind {        /* values of tokenizer.ggml.token_type */
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 3,           /* never comes from plain text, prints as nothing */
    TOKEN_USER_DEFINED = 4,      /* added token, not a control token */
    TOKEN_UNUSED = 5,
    TOKEN_BYTE = 6,
} token_kind;

typedef struct token_text {      /* borrowed bytes, not NUL-terminated */
    const char *data;
    size_t len;
} token_text;

/* What a weight file says about its vocabulary. All pointers are borrowed for
 * the length of tokenizer_new only. Absent ids are -1, absent arrays NULL. */
typedef struct vocab_spec {
    const char *model;           /* "gpt2" (byte-level BPE) or "llama" (SPM) */
    const char *pre;             /* splitter: "gpt-2", "llama-bpe", "qwen2", "smollm"
                                  * and names that mean the same (split.c) */
    int n_token;
    const token_text *tokens;    /* [n_token] as in the file (gpt2: mapped bytes) */
    const float *scores;         /* [n_token] or NULL; needed by "llama" */
    const int32_t *kinds;        /* [n_token] token_kind or NULL for all normal */
    int n_merge;
    const token_text *merges;    /* [n_merge] "left right", best first; "llama" goes
                                  * by scores where it has none */
    int32_t bos, eos, eot, unk, pad;
    bool add_bos;                /* put bos, if there is one, before the first segment */
    bool add_space_prefix;       /* SPM: a space before the first text, and before
                                  * text that follows a special token */
    bool ignore_merges;          /* a whole split that is a token stays whole; the
                                  * name "llama-bpe" implies it */
} vocab_spec;

/* On OK *out is the caller's, released by tokenizer_free. E_FORMAT names the
 * token, merge or id at fault; E_UNSUPPORTED names an unknown model or pre. */
status tokenizer_new(tokenizer **out, const vocab_spec *spec, errtext *err);

/* Read a Hugging Face tokenizer.json, and what is there beside it of
 * tokenizer_config.json and special_tokens_map.json (bos, eos) and
 * generation_config.json (more ends). E_IO, E_FORMAT with file and offset or
 * number, E_UNSUPPORTED naming a pipeline that is none of the known ones. */
status tokenizer_open(tokenizer **out, const char *path, errtext *err);
void tokenizer_free(tokenizer *t);              /* accepts NULL */

/* Ids of a prompt, appended to *ids (grown by mem_resize, owned by the caller;
 * start with NULL and 0). Only special tokens part the text: the edge of a
 * segment does not. Bytes that are not UTF-8 are encoded as they are; a byte
 * that a byte-level vocabulary has no token for is left out. Qwen's text is
 * brought to NFC first, as in training. bos is put first when the spec asks for
 * it, *n_id is 0 and the first segment does not start with it already. E_LIMIT
 * above max_ids in all; *n_id is then as it was. */
status tokenizer_encode(const tokenizer *t, const segments *in, int max_ids,
                        int32_t **ids, int *n_id, errtext *err);

int tokenizer_size(const tokenizer *t);

/* The bytes an id stands for, decoded (no byte mapping, no U+2581); borrowed
 * for the tokenizer's life. Control tokens give their written form, so callers
 * ask tokenizer_kind before printing. id is in range. The space that
 * add_space_prefix put before a text is part of its first token. */
token_text tokenizer_text(const tokenizer *t, int32_t id);
token_kind tokenizer_kind(const tokenizer *t, int32_t id);

/* Id of an added or control token by its written form, -1 when there is none. */
int32_t tokenizer_special(const tokenizer *t, const char *text);

int32_t tokenizer_bos(const tokenizer *t);      /* -1 when there is none */
int32_t tokenizer_eos(const tokenizer *t);
bool tokenizer_is_end(const tokenizer *t, int32_t id);  /* any end of turn or text */

/* The facts a vocab_spec was built from, for writing a weight file. Borrowed
 * for the tokenizer's life. */
const vocab_spec *tokenizer_spec(const tokenizer *t);

/* One line that a front end shows once (a vocabulary that does not say how its
 * text is split), or NULL. Borrowed for the tokenizer's life. */
const char *tokenizer_warning(const tokenizer *t);

#endif
