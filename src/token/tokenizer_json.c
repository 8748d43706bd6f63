/* tokenizer_json.c - read a Hugging Face tokenizer.json.
 *
 * The file describes a pipeline: normalizer, pre_tokenizer, model,
 * post_processor. The pipelines of the families we run are recognised as a
 * whole; anything else is refused by name, because a tokenizer that is nearly
 * right gives a model that is nearly right. */
#include "token/internal.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "token/json_cut.h"

#define MAX_FILE ((size_t)1 << 28)
#define MAX_ID ((1 << 24) - 1)
#define MAX_STAGE 8
#define SPACE_MARK "\xE2\x96\x81"

typedef struct reader {
    const char *path;
    errtext *err;
    json_parts parts;
    json_t *root;            /* without vocabulary and merges */
    json_t *config, *special_map, *generation;   /* or NULL */
    bytes pool, merge_pool;  /* text of tokens and of merges */
    json_pieces vocab, merges;
    token_text *tokens;      /* [n_token] */
    int32_t *kinds;
    token_text *merge_texts;
    bytes holes;             /* text of ids that the file skips */
    int32_t ends[TOKENIZER_MAX_END];
    bool bytes_fall_back;    /* SentencePiece pieces with byte fallback */
    vocab_spec spec;
    vocab_extra extra;
} reader;

/* ---- small readings ---- */

static const char *text_of(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : "";
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static bool type_is(const json_t *object, const char *type)
{
    return strcmp(text_of(object, "type"), type) == 0;
}

/* The written form of a token named by a configuration: a string, or an object
 * with content. NULL when it is absent or null. */
static const char *token_name(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_object(v)) v = json_object_get(v, "content");
    return json_string_value(v);
}

/* Put a number of items into an array: the item itself, or the members of a
 * "Sequence" of them. -1 when there are too many. */
static int flatten(const json_t *item, const char *members, const json_t *out[MAX_STAGE])
{
    const json_t *list = json_object_get(item, members);
    size_t n = json_array_size(list);

    if (!item || json_is_null(item)) return 0;
    if (!type_is(item, "Sequence")) {
        out[0] = item;
        return 1;
    }
    if (n > MAX_STAGE) return -1;
    for (size_t i = 0; i < n; i++) out[i] = json_array_get(list, i);
    return (int)n;
}

/* ---- tokens ---- */

static int32_t id_of(const reader *r, const char *name)
{
    size_t len = strlen(name);

    for (int i = 0; i < r->spec.n_token; i++)
        if (r->tokens[i].len == len && memcmp(r->tokens[i].data, name, len) == 0) return i;
    return -1;
}

/* Give id a text and a kind. The same token twice is fine, as added tokens
 * often repeat the vocabulary's; another text is not. */
static status place(reader *r, int64_t id, token_text text, token_kind kind)
{
    token_text *at = &r->tokens[id];

    if (at->data && (at->len != text.len || memcmp(at->data, text.data, text.len)))
        return fail(r->err, E_FORMAT, "%s: id %d is given to two tokens", r->path, (int)id);
    *at = text;
    r->kinds[id] = kind;
    return OK;
}

static bool looks_like_byte(token_text t)
{
    return t.len == 6 && memcmp(t.data, "<0x", 3) == 0 && t.data[5] == '>';
}

/* One of added_tokens. Flags that make the token eat the space beside it, or
 * match whole words only, are not in a GGUF file either: refused, so that a
 * model is never run with ids that differ from its training. */
static status place_added(reader *r, const json_t *item, size_t i)
{
    static const char *const flags[] = { "single_word", "lstrip", "rstrip" };
    const char *content = text_of(item, "content");
    json_int_t id = json_integer_value(json_object_get(item, "id"));

    if (!*content || !json_is_integer(json_object_get(item, "id")) || id < 0
        || id >= r->spec.n_token)
        return fail(r->err, E_FORMAT, "%s: added_tokens[%zu] has no content, or no id from 0 "
                    "to %d", r->path, i, r->spec.n_token - 1);
    for (size_t f = 0; f < sizeof flags / sizeof *flags; f++)
        if (is_true(item, flags[f]))
            return fail(r->err, E_UNSUPPORTED, "%s: added_tokens[%zu] (%.60s) has %s",
                        r->path, i, content, flags[f]);
    return place(r, id, (token_text){ content, strlen(content) },
                 is_true(item, "special") ? TOKEN_CONTROL : TOKEN_USER_DEFINED);
}

/* Ids from 0 to the highest one named, so that a row of the embedding has its
 * token; ids nobody names get a text of their own and are never produced. */
static status count_tokens(reader *r, const json_t *added)
{
    int64_t top = -1, named = r->vocab.n + (int64_t)json_array_size(added);

    for (int i = 0; i < r->vocab.n; i++)
        if (r->vocab.items[i].id > top) top = r->vocab.items[i].id;
    for (size_t i = 0; i < json_array_size(added); i++) {
        json_int_t id = json_integer_value(json_object_get(json_array_get(added, i), "id"));

        if (id > top) top = id;
    }
    if (top > MAX_ID || top >= 2 * named + 4096)
        return fail(r->err, E_FORMAT, "%s: id %lld is out of range, only %lld tokens "
                    "are named", r->path, (long long)top, (long long)named);
    r->spec.n_token = (int)top + 1;
    return OK;
}

static status read_tokens(reader *r, const char *json)
{
    const json_t *added = json_object_get(r->root, "added_tokens");
    const char *unk = token_name(json_object_get(r->root, "model"), "unk_token");
    size_t n;
    errtext e;
    status st;

    if (!r->parts.vocab.end)
        return fail(r->err, E_FORMAT, "%s: model.vocab is missing", r->path);
    st = json_read_vocab(&r->vocab, &r->pool, json, r->parts.vocab, MAX_ID, &e);
    if (st != OK) return fail(r->err, st, "%s: %s", r->path, e.text);
    if ((st = count_tokens(r, added)) != OK) return st;
    n = (size_t)r->spec.n_token;
    r->tokens = mem_array(n, sizeof *r->tokens);
    r->kinds = mem_array(n, sizeof *r->kinds);
    for (int i = 0; i < r->vocab.n; i++) {
        const json_piece *p = &r->vocab.items[i];
        token_text text = { r->pool.data + p->start, p->len };
        bool is_byte = r->bytes_fall_back && looks_like_byte(text);

        st = place(r, p->id, text, is_byte ? TOKEN_BYTE : TOKEN_NORMAL);
        if (st != OK) return st;
    }
    for (size_t i = 0; i < json_array_size(added); i++)
        if ((st = place_added(r, json_array_get(added, i), i)) != OK) return st;
    r->spec.unk = unk ? id_of(r, unk) : -1;
    if (r->spec.unk >= 0 && r->bytes_fall_back) r->kinds[r->spec.unk] = TOKEN_UNKNOWN;
    bytes_reserve(&r->holes, 16 * n);
    for (size_t i = 0; i < n; i++) {
        size_t start = r->holes.len;

        if (r->tokens[i].data) continue;
        bytes_add_format(&r->holes, "[PAD%zu]", i);
        r->tokens[i] = (token_text){ r->holes.data + start, r->holes.len - start };
        r->kinds[i] = TOKEN_UNUSED;
    }
    r->spec.tokens = r->tokens;
    r->spec.kinds = r->kinds;
    return OK;
}

static status read_merges(reader *r, const char *json)
{
    errtext e;
    status st;

    if (!r->parts.merges.end)
        return fail(r->err, E_FORMAT, "%s: model.merges is missing", r->path);
    st = json_read_merges(&r->merges, &r->merge_pool, json, r->parts.merges, &e);
    if (st != OK) return fail(r->err, st, "%s: %s", r->path, e.text);
    r->merge_texts = mem_array((size_t)r->merges.n, sizeof *r->merge_texts);
    for (int i = 0; i < r->merges.n; i++) {
        const json_piece *p = &r->merges.items[i];

        r->merge_texts[i] = (token_text){ r->merge_pool.data + p->start, p->len };
    }
    r->spec.n_merge = r->merges.n;
    r->spec.merges = r->merge_texts;
    return OK;
}

/* ---- the pipeline ---- */

static status unsupported(const reader *r, const char *part, const json_t *what)
{
    char *text = what ? json_dumps(what, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII)
                      : NULL;
    status st = fail(r->err, E_UNSUPPORTED, "%s: %s is none that this program knows: %.300s",
                     r->path, part, text ? text : "null");

    free(text);
    return st;
}

/* The text that a Split or Replace looks for, by kind of pattern. */
static const char *pattern_of(const json_t *item, const char *kind)
{
    return text_of(json_object_get(item, "pattern"), kind);
}

/* Whether a Split cuts its matches out as pieces: "Isolated", or dropping what
 * does not match, which is nothing for expressions that match everything. */
static bool split_keeps_matches(const json_t *item)
{
    const char *behavior = text_of(item, "behavior");

    if (strcmp(behavior, "Isolated") == 0) return !is_true(item, "invert");
    return strcmp(behavior, "Removed") == 0 && is_true(item, "invert");
}

#define GPT2_REGEX "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+" \
                   "|\\s+(?!\\S)|\\s+"
#define LLAMA3_REGEX(number) "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" \
                   number "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* Byte-level: [Split] ByteLevel, Digits ByteLevel, or ByteLevel alone, which
 * brings GPT-2's expression with it. */
static status read_byte_level(reader *r, const json_t *pre)
{
    static const struct {
        const char *regex;
        splitter kind;
    } known[] = {
        { GPT2_REGEX, SPLIT_GPT2 },
        { LLAMA3_REGEX("\\p{N}{1,3}"), SPLIT_LLAMA3 },
        { LLAMA3_REGEX("\\p{N}"), SPLIT_QWEN2 },
    };
    const json_t *stage[MAX_STAGE], *last, *first, *own;
    int n = flatten(pre, "pretokenizers", stage);

    if (n < 1 || n > 2) return unsupported(r, "pre_tokenizer", pre);
    first = stage[0];
    last = stage[n - 1];
    if (!type_is(last, "ByteLevel") || is_true(last, "add_prefix_space"))
        return unsupported(r, "pre_tokenizer", pre);
    own = json_object_get(last, "use_regex");
    if (n == 1) {
        r->extra.kind = SPLIT_GPT2;
        return json_is_false(own) ? unsupported(r, "pre_tokenizer", pre) : OK;
    }
    if (!json_is_false(own)) {
        bool digits = (type_is(first, "Digits") && is_true(first, "individual_digits"))
                      || (type_is(first, "Split") && split_keeps_matches(first)
                          && !is_true(first, "invert")
                          && strcmp(pattern_of(first, "Regex"), "\\p{N}") == 0);

        r->extra.kind = SPLIT_SMOLLM;
        return digits ? OK : unsupported(r, "pre_tokenizer", pre);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!type_is(first, "Split") || !split_keeps_matches(first)
            || strcmp(pattern_of(first, "Regex"), known[i].regex)) continue;
        r->extra.kind = known[i].kind;
        return OK;
    }
    return unsupported(r, "pre_tokenizer", pre);
}

/* Normalizer of a byte-level pipeline: nothing, or NFC. */
static status read_nfc(reader *r, const json_t *normalizer)
{
    const json_t *stage[MAX_STAGE];
    int n = flatten(normalizer, "normalizers", stage);

    if (n == 0) return OK;
    if (n != 1 || !type_is(stage[0], "NFC")) return unsupported(r, "normalizer", normalizer);
    r->extra.nfc = true;
    return OK;
}

/* SentencePiece, in the two ways it is written: a normalizer that puts a mark
 * in front and turns spaces into marks, or the Metaspace pre_tokenizer. */
static status read_marks(reader *r, const json_t *normalizer, const json_t *pre)
{
    const json_t *stage[MAX_STAGE];
    int n = flatten(normalizer, "normalizers", stage);
    const char *scheme;

    if (n > 0 && (!pre || json_is_null(pre))) {
        const json_t *replace = stage[n - 1];

        if (n > 2 || !type_is(replace, "Replace")
            || strcmp(pattern_of(replace, "String"), " ")
            || strcmp(text_of(replace, "content"), SPACE_MARK)
            || (n == 2 && (!type_is(stage[0], "Prepend")
                           || strcmp(text_of(stage[0], "prepend"), SPACE_MARK))))
            return unsupported(r, "normalizer", normalizer);
        r->extra.prefix = n == 2 ? PREFIX_EACH : PREFIX_NEVER;
        return OK;
    }
    if (n != 0) return unsupported(r, "normalizer", normalizer);
    if (!type_is(pre, "Metaspace") || strcmp(text_of(pre, "replacement"), SPACE_MARK)
        || !json_is_false(json_object_get(pre, "split")))
        return unsupported(r, "pre_tokenizer", pre);
    scheme = text_of(pre, "prepend_scheme");
    if (strcmp(scheme, "always") == 0) r->extra.prefix = PREFIX_EACH;
    else if (strcmp(scheme, "first") == 0) r->extra.prefix = PREFIX_FIRST;
    else if (strcmp(scheme, "never") == 0) r->extra.prefix = PREFIX_NEVER;
    else return unsupported(r, "pre_tokenizer", pre);
    return OK;
}

static status read_model(reader *r)
{
    static const char *const empty[] = { "dropout", "continuing_subword_prefix",
                                         "end_of_word_suffix" };
    const json_t *m = json_object_get(r->root, "model");
    const json_t *normalizer = json_object_get(r->root, "normalizer");
    const json_t *pre = json_object_get(r->root, "pre_tokenizer");
    const split_rule *rule;
    status st;

    if (!json_is_object(m)) return fail(r->err, E_FORMAT, "%s: model is missing", r->path);
    if (json_object_get(m, "type") && !type_is(m, "BPE"))
        return unsupported(r, "model.type", json_object_get(m, "type"));
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        const json_t *v = json_object_get(m, empty[i]);

        if (v && !json_is_null(v) && json_string_length(v) == 0 && json_is_string(v)) continue;
        if (v && !json_is_null(v) && json_number_value(v) == 0 && json_is_number(v)) continue;
        if (v && !json_is_null(v)) return unsupported(r, empty[i], v);
    }
    r->spec.ignore_merges = is_true(m, "ignore_merges");
    r->bytes_fall_back = is_true(m, "byte_fallback");
    if (r->bytes_fall_back) {
        r->spec.model = "llama";
        r->spec.pre = "default";
        st = read_marks(r, normalizer, pre);
        r->spec.add_space_prefix = r->extra.prefix != PREFIX_NEVER;
        return st;
    }
    r->spec.model = "gpt2";
    if ((st = read_byte_level(r, pre)) != OK) return st;
    if ((st = read_nfc(r, normalizer)) != OK) return st;
    rule = split_rule_for(r->extra.kind, r->extra.nfc, r->spec.ignore_merges);
    if (!rule) rule = split_rule_for(r->extra.kind, r->extra.nfc, false);
    if (!rule) return unsupported(r, "normalizer, with this pre_tokenizer,", normalizer);
    r->spec.pre = rule->pre;
    return OK;
}

/* ---- beginning and end ---- */

/* The token a configuration file names, or -1 when it names none. One that is
 * no token is refused, but for padding, which nothing here ever writes. */
static status named_id(reader *r, const char *key, int32_t *id)
{
    const char *name = token_name(r->config, key);

    if (!name) name = token_name(r->special_map, key);
    *id = name ? id_of(r, name) : -1;
    if (name && *id < 0)
        return fail(r->err, E_FORMAT, "%s: %s \"%.60s\" of the files beside it is not a token",
                    r->path, key, name);
    return OK;
}

/* generation_config.json: eos_token_id is an id or a list of them. */
static status read_ends(reader *r)
{
    const json_t *v = json_object_get(r->generation, "eos_token_id");
    size_t n = json_is_array(v) ? json_array_size(v) : v && !json_is_null(v) ? 1 : 0;

    if (n > TOKENIZER_MAX_END)
        return fail(r->err, E_LIMIT, "%s: eos_token_id of generation_config.json has %zu ids, "
                    "the limit is %d", r->path, n, TOKENIZER_MAX_END);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(v) ? json_array_get(v, i) : v;
        json_int_t id = json_integer_value(item);

        if (!json_is_integer(item) || id < 0 || id >= r->spec.n_token)
            return fail(r->err, E_FORMAT, "%s: eos_token_id of generation_config.json is not "
                        "an id from 0 to %d", r->path, r->spec.n_token - 1);
        r->ends[i] = (int32_t)id;
    }
    r->extra.ends = r->ends;
    r->extra.n_end = (int)n;
    if (r->spec.eos < 0 && n) r->spec.eos = r->ends[0];
    return OK;
}

/* The token that the post_processor puts before a text. After the text none
 * may come: a prompt that is closed at once cannot be continued. */
static status read_template(reader *r)
{
    const json_t *stage[MAX_STAGE], *post = json_object_get(r->root, "post_processor");
    const json_t *single = NULL, *add = json_object_get(r->config, "add_bos_token");
    const char *before = NULL;
    int n = flatten(post, "processors", stage);

    if (n < 0) return unsupported(r, "post_processor", post);
    for (int i = 0; i < n; i++) {
        if (type_is(stage[i], "TemplateProcessing"))
            single = json_object_get(stage[i], "single");
        else if (!type_is(stage[i], "ByteLevel"))
            return unsupported(r, "post_processor", stage[i]);
    }
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *item = json_array_get(single, i);
        const json_t *token = json_object_get(item, "SpecialToken");

        if (token && i == 0) before = text_of(token, "id");
        else if (token || !json_object_get(item, "Sequence"))
            return unsupported(r, "post_processor", single);
    }
    r->spec.add_bos = json_is_boolean(add) ? json_is_true(add) : before != NULL;
    if (before && r->spec.add_bos) {
        r->spec.bos = id_of(r, before);
        if (r->spec.bos < 0)
            return fail(r->err, E_FORMAT, "%s: post_processor adds \"%.60s\", which is not a "
                        "token", r->path, before);
    }
    if (r->spec.bos < 0) r->spec.add_bos = false;
    return OK;
}

static status read_special_ids(reader *r)
{
    static const char *const turn_ends[] = { "<|eot_id|>", "<|im_end|>" };
    status st;

    if ((st = named_id(r, "bos_token", &r->spec.bos)) != OK) return st;
    if ((st = named_id(r, "eos_token", &r->spec.eos)) != OK) return st;
    named_id(r, "pad_token", &r->spec.pad);
    if ((st = read_ends(r)) != OK) return st;
    for (size_t i = 0; i < 2 && r->spec.eot < 0; i++) {
        int32_t id = id_of(r, turn_ends[i]);

        if (id >= 0 && r->kinds[id] == TOKEN_CONTROL) r->spec.eot = id;
    }
    return read_template(r);
}

/* ---- the whole ---- */

/* Parse one of the small files; *out stays NULL for one that is not there. */
static status parse(const reader *r, json_t **out, token_text text, size_t flags,
                    const char *name)
{
    json_error_t e;

    if (!text.data) return OK;
    *out = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES | flags, &e);
    if (*out && json_is_object(*out)) return OK;
    return fail(r->err, E_FORMAT, "%s: %s beside it is no JSON object: %s (line %d)", r->path,
                name, *out ? "it is something else" : e.text, *out ? 1 : e.line);
}

static status parse_all(reader *r, const tokenizer_files *f)
{
    json_error_t e;
    errtext inner;
    status st = json_cut(&r->parts, f->json.data, f->json.len, &inner);

    if (st != OK) return fail(r->err, st, "%s: %s", r->path, inner.text);
    r->root = json_loadb(r->parts.rest.data, r->parts.rest.len, JSON_REJECT_DUPLICATES, &e);
    if (!r->root)
        return fail(r->err, E_FORMAT, "%s: %s (offset %zu)", r->path, e.text,
                    json_offset(&r->parts, (size_t)e.position));
    /* "model_max_length" without a limit is written as 10^30. */
    st = parse(r, &r->config, f->config, JSON_DECODE_INT_AS_REAL, "tokenizer_config.json");
    if (st != OK) return st;
    if ((st = parse(r, &r->special_map, f->special_map, 0, "special_tokens_map.json")) != OK)
        return st;
    return parse(r, &r->generation, f->generation, 0, "generation_config.json");
}

static status read_all(tokenizer **out, reader *r, const tokenizer_files *f)
{
    errtext inner;
    status st;

    if ((st = parse_all(r, f)) != OK) return st;
    if ((st = read_model(r)) != OK) return st;
    if ((st = read_tokens(r, f->json.data)) != OK) return st;
    if ((st = read_merges(r, f->json.data)) != OK) return st;
    if ((st = read_special_ids(r)) != OK) return st;
    st = tokenizer_build(out, &r->spec, &r->extra, &inner);
    return st == OK ? OK : fail(r->err, st, "%s: %s", r->path, inner.text);
}

status tokenizer_parse(tokenizer **out, const tokenizer_files *f, errtext *err)
{
    reader r = { .path = f->path, .err = err,
                 .spec = { .bos = -1, .eos = -1, .eot = -1, .unk = -1, .pad = -1 } };
    status st;

    *out = NULL;
    st = read_all(out, &r, f);
    json_decref(r.root);
    json_decref(r.config);
    json_decref(r.special_map);
    json_decref(r.generation);
    bytes_fini(&r.parts.rest);
    bytes_fini(&r.pool);
    bytes_fini(&r.merge_pool);
    bytes_fini(&r.holes);
    mem_free(r.vocab.items);
    mem_free(r.merges.items);
    mem_free(r.tokens);
    mem_free(r.kinds);
    mem_free(r.merge_texts);
    return st;
}

/* Read NAME from the folder that path is in, if it is there. */
static status read_beside(bytes *out, token_text *text, const char *path, const char *name,
                          errtext *err)
{
    const char *slash = strrchr(path, '/');
    bytes full = { 0 };
    status st = OK;

    bytes_add(&full, path, slash ? (size_t)(slash - path) + 1 : 0);
    bytes_add_string(&full, name);
    if (file_exists(full.data)) {
        st = file_read(out, full.data, MAX_FILE, err);
        bytes_reserve(out, 0);               /* an empty file is there, too */
        *text = (token_text){ out->data, out->len };
    }
    bytes_fini(&full);
    return st;
}

status tokenizer_open(tokenizer **out, const char *path, errtext *err)
{
    tokenizer_files f = { .path = path };
    bytes config = { 0 }, special_map = { 0 }, generation = { 0 };
    filemap map = { 0 };
    status st;

    *out = NULL;
    if ((st = filemap_open(&map, path, err)) != OK) return st;
    f.json = (token_text){ (const char *)map.data, map.len };
    if (map.len > MAX_FILE)
        st = fail(err, E_LIMIT, "%s has %zu bytes, the limit is %zu", path, map.len, MAX_FILE);
    if (st == OK)
        st = read_beside(&config, &f.config, path, "tokenizer_config.json", err);
    if (st == OK)
        st = read_beside(&special_map, &f.special_map, path, "special_tokens_map.json", err);
    if (st == OK)
        st = read_beside(&generation, &f.generation, path, "generation_config.json", err);
    if (st == OK) st = tokenizer_parse(out, &f, err);
    if (st == OK && filemap_damaged(&map)) {
        tokenizer_free(*out);
        *out = NULL;
        st = fail(err, E_IO, "%s shrank while it was read", path);
    }
    filemap_close(&map);
    bytes_fini(&config);
    bytes_fini(&special_map);
    bytes_fini(&generation);
    return st;
}
