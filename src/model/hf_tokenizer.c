/* hf_tokenizer.c - a vocabulary written as tokenizer.json.
 *
 * A GGUF file names its splitter; here the name becomes the pipeline that
 * transformers runs (tokenizers: components "Split", "Digits", "ByteLevel",
 * ...). token/tokenizer_json.c reads all that is written here. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/hf.h"
#include "model/internal.h"

#define MARK "\xE2\x96\x81"      /* U+2581, a space in SentencePiece */
#define MAX_PIECE 1024           /* bytes of a SentencePiece token */

#define SPLIT_EXPRESSION(number) \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" number \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

typedef enum pipeline { BYTES_ONLY, DIGITS, SPLIT_ONE, SPLIT_THREE } pipeline;

static const struct pre {
    const char *name;
    pipeline pipeline;
    bool nfc;
} pres[] = {
    { "gpt-2", BYTES_ONLY, false },     { "phi-2", BYTES_ONLY, false },
    { "default", BYTES_ONLY, false },   { "smollm", DIGITS, false },
    { "starcoder", DIGITS, false },     { "refact", DIGITS, false },
    { "qwen2", SPLIT_ONE, true },       { "deepseek-r1-qwen", SPLIT_ONE, true },
    { "megrez", SPLIT_ONE, true },      { "stablelm2", SPLIT_ONE, false },
    { "llama-bpe", SPLIT_THREE, false }, { "llama3", SPLIT_THREE, false },
    { "llama-v3", SPLIT_THREE, false }, { "smaug-bpe", SPLIT_THREE, false },
    { "dbrx", SPLIT_THREE, false },
};

typedef struct writer {
    const vocab_spec *v;
    bool spm;
    const char *where;
    errtext *err;
    json_t *vocab;               /* text to id; borrowed */
} writer;

static token_kind kind_of(const writer *w, int id)
{
    return w->v->kinds ? (token_kind)w->v->kinds[id] : TOKEN_NORMAL;
}

static json_t *text_json(token_text t)
{
    return json_stringn(t.data, t.len);
}

static json_t *byte_level(bool use_regex)
{
    return json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0,
                     "trim_offsets", 0, "use_regex", use_regex);
}

/* ---- tokens ---- */

/* The vocabulary proper. Byte-level files keep control and added tokens out of
 * it; SentencePiece ones repeat them. */
static status write_vocab(writer *w, json_t *vocab, json_t *added)
{
    for (int id = 0; id < w->v->n_token; id++) {
        token_text t = w->v->tokens[id];
        token_kind kind = kind_of(w, id);
        bool special = kind == TOKEN_CONTROL || kind == TOKEN_UNKNOWN;
        bool apart = special || kind == TOKEN_USER_DEFINED;
        json_t *text = text_json(t);

        if (!text)
            return fail(w->err, E_FORMAT, "%s: token %d is not UTF-8", w->where, id);
        if (apart)
            json_array_append_new(added, json_pack(
                "{s:i, s:O, s:b, s:b, s:b, s:b, s:b}", "id", id, "content", text, "single_word",
                0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", special));
        json_decref(text);
        if (kind == TOKEN_UNUSED || (apart && !w->spm)) continue;
        if (json_object_getn(vocab, t.data, t.len))
            return fail(w->err, E_FORMAT, "%s: token %d has the text of token %lld", w->where, id,
                        (long long)json_integer_value(json_object_getn(vocab, t.data, t.len)));
        json_object_setn_new(vocab, t.data, t.len, json_integer(id));
    }
    return OK;
}

static status write_merges(const writer *w, json_t *merges)
{
    for (int i = 0; i < w->v->n_merge; i++) {
        token_text m = w->v->merges[i];
        const char *space = memchr(m.data, ' ', m.len);
        json_t *left, *right;

        if (!space) return fail(w->err, E_FORMAT, "%s: merge %d has no space", w->where, i);
        left = json_stringn(m.data, (size_t)(space - m.data));
        right = json_stringn(space + 1, m.len - (size_t)(space - m.data) - 1);
        if (!left || !right) {
            json_decref(left);
            json_decref(right);
            return fail(w->err, E_FORMAT, "%s: merge %d is not UTF-8", w->where, i);
        }
        json_array_append_new(merges, json_pack("[o, o]", left, right));
    }
    return OK;
}

/* ---- merges from scores ---- */

typedef struct made {            /* one way to make a token from two */
    float score;
    int32_t left, right;
} made;

static int best_first(const void *a, const void *b)
{
    const made *x = a, *y = b;

    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->left != y->left) return x->left < y->left ? -1 : 1;
    return (x->right > y->right) - (x->right < y->right);
}

static int id_of(const writer *w, const char *text, size_t len)
{
    const json_t *id = json_object_getn(w->vocab, text, len);

    return id ? (int)json_integer_value(id) : -1;
}

/* SentencePiece merges the pair whose result scores best; a list of merges
 * says the same when every split of every token into two tokens is in it, best
 * score first. */
static status merges_of_scores(const writer *w, json_t *merges)
{
    made *list = NULL;
    size_t n = 0, cap = 0;

    for (int id = 0; id < w->v->n_token; id++) {
        token_text t = w->v->tokens[id];

        if (kind_of(w, id) != TOKEN_NORMAL) continue;
        if (t.len > MAX_PIECE) {
            mem_free(list);
            return fail(w->err, E_LIMIT, "%s: token %d is longer than %d bytes", w->where, id,
                        MAX_PIECE);
        }
        for (size_t at = 1; at < t.len; at++) {
            int left, right;

            if (((unsigned char)t.data[at] & 0xC0) == 0x80) continue;
            left = id_of(w, t.data, at);
            right = left < 0 ? -1 : id_of(w, t.data + at, t.len - at);
            if (left < 0 || right < 0) continue;
            if (n == cap) {
                cap = cap ? 2 * cap : 1024;
                list = mem_resize(list, cap, sizeof *list);
            }
            list[n++] = (made){ w->v->scores[id], left, right };
        }
    }
    if (n) qsort(list, n, sizeof *list, best_first);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(merges, json_pack("[o, o]", text_json(w->v->tokens[list[i].left]),
                                                text_json(w->v->tokens[list[i].right])));
    mem_free(list);
    return OK;
}

/* ---- the pipeline ---- */

static const struct pre *find_pre(const char *name)
{
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++)
        if (name && !strcmp(pres[i].name, name)) return &pres[i];
    return NULL;
}

static json_t *pre_tokenizer(pipeline p)
{
    if (p == BYTES_ONLY) return byte_level(true);
    if (p == DIGITS)
        return json_pack("{s:s, s:[{s:s, s:b}, o]}", "type", "Sequence", "pretokenizers",
                         "type", "Digits", "individual_digits", 1, byte_level(true));
    return json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, o]}", "type", "Sequence",
                     "pretokenizers", "type", "Split", "pattern", "Regex",
                     p == SPLIT_ONE ? SPLIT_EXPRESSION("\\p{N}")
                                    : SPLIT_EXPRESSION("\\p{N}{1,3}"),
                     "behavior", "Isolated", "invert", 0, byte_level(false));
}

/* Spaces become marks, one more in front where the vocabulary wants it. */
static json_t *mark_spaces(bool prefix)
{
    json_t *replace = json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String",
                                " ", "content", MARK);

    if (!prefix) return replace;
    return json_pack("{s:s, s:[{s:s, s:s}, o]}", "type", "Sequence", "normalizers", "type",
                     "Prepend", "prepend", MARK, replace);
}

static json_t *unmark_spaces(bool prefix)
{
    json_t *steps = json_pack("[{s:s, s:{s:s}, s:s}, {s:s}, {s:s}]", "type", "Replace",
                              "pattern", "String", MARK, "content", " ", "type", "ByteFallback",
                              "type", "Fuse");

    if (prefix)
        json_array_append_new(steps, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip",
                                               "content", " ", "start", 1, "stop", 0));
    return json_pack("{s:s, s:o}", "type", "Sequence", "decoders", steps);
}

static json_t *post_processor(const writer *w)
{
    json_t *bos, *fact, *json;

    if (!w->v->add_bos || w->v->bos < 0) return w->spm ? json_null() : byte_level(true);
    bos = text_json(w->v->tokens[w->v->bos]);
    fact = json_pack("{s:O, s:[i], s:[O]}", "id", bos, "ids", w->v->bos, "tokens", bos);
    json = json_pack("{s:s, s:[{s:{s:O, s:i}}, {s:{s:s, s:i}}],"
                     " s:[{s:{s:s, s:i}}, {s:{s:s, s:i}}], s:{s:o}}",
                     "type", "TemplateProcessing",
                     "single", "SpecialToken", "id", bos, "type_id", 0,
                     "Sequence", "id", "A", "type_id", 0,
                     "pair", "Sequence", "id", "A", "type_id", 0,
                     "Sequence", "id", "B", "type_id", 1,
                     "special_tokens", json_string_value(bos), fact);
    json_decref(bos);
    return json;
}

static json_t *model_json(const writer *w, json_t *vocab, json_t *merges)
{
    json_t *unk = w->spm && w->v->unk >= 0 ? text_json(w->v->tokens[w->v->unk]) : json_null();

    return json_pack("{s:s, s:n, s:o, s:n, s:n, s:b, s:b, s:b, s:O, s:O}", "type", "BPE",
                     "dropout", "unk_token", unk, "continuing_subword_prefix",
                     "end_of_word_suffix", "fuse_unk", w->spm, "byte_fallback", w->spm,
                     "ignore_merges", w->v->ignore_merges, "vocab", vocab, "merges", merges);
}

status hf_tokenizer_write(json_t **out, const vocab_spec *v, const char *where, errtext *err)
{
    writer w = { .v = v, .spm = !strcmp(v->model, "llama"), .where = where, .err = err };
    const struct pre *pre = w.spm ? NULL : find_pre(v->pre);
    json_t *vocab = json_object(), *added = json_array(), *merges = json_array();
    status st;

    *out = NULL;
    w.vocab = vocab;
    if (!w.spm && !pre)
        st = fail(err, E_UNSUPPORTED, "%s: tokenizer splitter %.60s is not one that a "
                  "tokenizer.json can be written for", where, v->pre ? v->pre : "(none)");
    else if ((st = write_vocab(&w, vocab, added)) == OK)
        st = w.spm && !v->n_merge ? merges_of_scores(&w, merges) : write_merges(&w, merges);
    if (st == OK) {
        json_t *normalizer = w.spm ? mark_spaces(v->add_space_prefix)
                           : pre->nfc ? json_pack("{s:s}", "type", "NFC") : json_null();

        *out = json_pack("{s:s, s:n, s:n, s:O, s:o, s:o, s:o, s:o, s:o}", "version", "1.0",
                         "truncation", "padding", "added_tokens", added,
                         "normalizer", normalizer,
                         "pre_tokenizer", w.spm ? json_null() : pre_tokenizer(pre->pipeline),
                         "post_processor", post_processor(&w),
                         "decoder", w.spm ? unmark_spaces(v->add_space_prefix) : byte_level(true),
                         "model", model_json(&w, vocab, merges));
        CHECK(*out);
    }
    json_decref(vocab);
    json_decref(added);
    json_decref(merges);
    return st;
}

json_t *hf_tokenizer_config(const vocab_spec *v, int n_ctx, const char *chat_template)
{
    const struct { const char *key; int id; } named[] = {
        { "bos_token", v->bos }, { "eos_token", v->eos }, { "unk_token", v->unk },
        { "pad_token", v->pad },
    };
    json_t *json = json_pack("{s:s, s:b, s:b, s:i}", "tokenizer_class",
                             "PreTrainedTokenizerFast", "add_bos_token", v->add_bos,
                             "clean_up_tokenization_spaces", 0, "model_max_length", n_ctx);

    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        json_object_set_new(json, named[i].key, named[i].id < 0 ? json_null()
                            : text_json(v->tokens[named[i].id]));
    if (chat_template) json_object_set_new(json, "chat_template", json_string(chat_template));
    return json;
}
