/* tokenizer.c - build a tokenizer from what a file says about its vocabulary.
 *
 * Everything a file claims is checked here, once: encoding trusts the tables.
 * Invariant 2 rests on `words`: it holds the only tokens that plain text can
 * become, and no special token is in it. */
#include "token/internal.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"

#define MAX_TOKEN (1 << 24)          /* tokens, and merges */
#define MAX_TOKEN_BYTES (1 << 16)

/* With U+FF5C as published, and with the bar that it looks like. */
#define DEEPSEEK_END(bar) ("<" bar "end\xE2\x96\x81of\xE2\x96\x81sentence" bar ">")

/* Control tokens by which the known families end a turn or a text, whatever
 * the file names as its end token. */
static const char *const end_names[] = {
    "<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<|end_of_text|>", "<|eom_id|>",
    DEEPSEEK_END("\xEF\xBD\x9C"), DEEPSEEK_END("|"), "</s>",
};

/* A token for a message: printable, at most 40 bytes of it. */
static const char *show(char out[64], token_text t)
{
    size_t n = 0, at = 0;

    while (at < t.len && n < 40) {
        uint32_t code;
        int step = utf8_decode(t.data + at, t.len - at, &code);

        if (step == 0 || code < 0x20 || code == 0x7F) {
            out[n++] = '?';
            at++;
            continue;
        }
        memcpy(out + n, t.data + at, (size_t)step);
        n += (size_t)step;
        at += (size_t)step;
    }
    snprintf(out + n, 64 - n, "%s", at < t.len ? "..." : "");
    return out;
}

/* ---- the byte alphabet of byte-level BPE (GPT-2) ---- */

/* A byte is written as a printable character: as itself where Latin-1 has one,
 * else as the next of U+0100 and up. */
static bool byte_is_printable(int b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

static void alphabet_init(byte_alphabet *a)
{
    int next = 0x100;

    memset(a->byte, -1, sizeof a->byte);
    for (int b = 0; b < 256; b++) {
        a->code[b] = (uint16_t)(byte_is_printable(b) ? b : next++);
        a->byte[a->code[b]] = (int16_t)b;
    }
}

size_t alphabet_encode(const byte_alphabet *a, const char *text, size_t len, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        uint16_t code = a->code[(unsigned char)text[i]];

        if (code >= 0x80) {
            out[n++] = (char)(0xC0 | code >> 6);
            code = 0x80 | (code & 0x3F);
        }
        out[n++] = (char)code;
    }
    return n;
}

/* Decode a token; false when it holds a character outside the alphabet. */
static bool alphabet_decode(const byte_alphabet *a, token_text in, char *out, size_t *len)
{
    const unsigned char *s = (const unsigned char *)in.data;
    size_t n = 0;

    for (size_t i = 0; i < in.len;) {
        unsigned code = s[i];
        size_t step = 1;

        if (code >= 0x80) {
            if (i + 1 >= in.len || (code & 0xE0) != 0xC0 || (s[i + 1] & 0xC0) != 0x80)
                return false;
            code = (code & 0x1F) << 6 | (s[i + 1] & 0x3F);
            step = 2;
        }
        if (code >= ALPHABET_END || a->byte[code] < 0) return false;
        out[n++] = (char)a->byte[code];
        i += step;
    }
    *len = n;
    return true;
}

/* ---- checks ---- */

static status check_id(const vocab_spec *s, const char *field, int32_t id, errtext *err)
{
    if (id >= -1 && id < s->n_token) return OK;
    return fail(err, E_FORMAT, "%s: id %d is out of range, the vocabulary has %d tokens",
                field, id, s->n_token);
}

static status check_spec(const vocab_spec *s, errtext *err)
{
    char name[64];
    status st;
    uint64_t total = 0;

    if (s->n_token < 1 || s->n_token > MAX_TOKEN)
        return fail(err, E_FORMAT, "tokens: %d of them, expected 1 to %d", s->n_token,
                    MAX_TOKEN);
    if (s->n_merge < 0 || s->n_merge > MAX_TOKEN)
        return fail(err, E_FORMAT, "merges: %d of them, expected 0 to %d", s->n_merge,
                    MAX_TOKEN);
    for (int i = 0; i < s->n_token; i++) {
        const token_text *t = &s->tokens[i];

        if (t->len == 0) return fail(err, E_FORMAT, "token %d is empty", i);
        if (t->len > MAX_TOKEN_BYTES)
            return fail(err, E_FORMAT, "token %d has %zu bytes, the limit is %d", i,
                        t->len, MAX_TOKEN_BYTES);
        if (s->kinds && (s->kinds[i] < TOKEN_NORMAL || s->kinds[i] > TOKEN_BYTE))
            return fail(err, E_FORMAT, "token %d (%s) has unknown kind %d", i,
                        show(name, *t), s->kinds[i]);
        if (s->scores && isnan(s->scores[i]))
            return fail(err, E_FORMAT, "token %d (%s): its score is not a number", i,
                        show(name, *t));
        total += t->len;
    }
    for (int i = 0; i < s->n_merge; i++) {
        if (s->merges[i].len > 2 * MAX_TOKEN_BYTES + 1)
            return fail(err, E_FORMAT, "merge %d has %zu bytes, the limit is %d", i,
                        s->merges[i].len, 2 * MAX_TOKEN_BYTES + 1);
        total += s->merges[i].len;
    }
    if (total > INT32_MAX)
        return fail(err, E_LIMIT, "tokens and merges together have more than 2 GiB");
    if ((st = check_id(s, "bos", s->bos, err)) != OK) return st;
    if ((st = check_id(s, "eos", s->eos, err)) != OK) return st;
    if ((st = check_id(s, "eot", s->eot, err)) != OK) return st;
    if ((st = check_id(s, "unk", s->unk, err)) != OK) return st;
    if ((st = check_id(s, "pad", s->pad, err)) != OK) return st;
    return OK;
}

/* ---- copies ---- */

static token_text *copy_texts(const token_text *in, int n, char **at)
{
    token_text *out = mem_array((size_t)n, sizeof *out);

    for (int i = 0; i < n; i++) {
        if (in[i].len) memcpy(*at, in[i].data, in[i].len);
        out[i] = (token_text){ *at, in[i].len };
        *at += in[i].len;
    }
    return out;
}

static void copy_spec(tokenizer *t, const vocab_spec *s)
{
    size_t total = 0, n = (size_t)s->n_token;
    char *at;

    for (int i = 0; i < s->n_token; i++) total += s->tokens[i].len;
    for (int i = 0; i < s->n_merge; i++) total += s->merges[i].len;
    t->spec = *s;
    t->spec.add_bos = s->add_bos && s->bos >= 0;
    t->spec.model = mem_string(s->model);
    t->spec.pre = mem_string(s->pre);
    at = t->spec_text = mem_resize(NULL, total + 1, 1);
    t->spec.tokens = copy_texts(s->tokens, s->n_token, &at);
    t->spec.merges = s->n_merge ? copy_texts(s->merges, s->n_merge, &at) : NULL;
    if (s->scores) t->spec.scores = mem_copy(s->scores, n * sizeof *s->scores);
    if (s->kinds) t->spec.kinds = mem_copy(s->kinds, n * sizeof *s->kinds);
}

token_kind tokenizer_kind(const tokenizer *t, int32_t id)
{
    CHECK(id >= 0 && id < t->spec.n_token);
    return t->spec.kinds ? (token_kind)t->spec.kinds[id] : TOKEN_NORMAL;
}

/* ---- what the tokens stand for ---- */

/* "<0x0A>" and nothing else: two hexadecimal digits, no sign, no space. */
static bool parse_byte(token_text t, int *byte)
{
    if (t.len != 6 || memcmp(t.data, "<0x", 3) || t.data[5] != '>'
        || !isxdigit((unsigned char)t.data[3]) || !isxdigit((unsigned char)t.data[4]))
        return false;
    *byte = 0;
    for (int i = 3; i < 5; i++) {
        char c = t.data[i];

        *byte = *byte << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return true;
}

/* Copy a piece, U+2581 as a space. */
static size_t decode_spaces(token_text in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len;) {
        if (in.len - i >= 3 && memcmp(in.data + i, "\xE2\x96\x81", 3) == 0) {
            out[n++] = ' ';
            i += 3;
        } else {
            out[n++] = in.data[i++];
        }
    }
    return n;
}

/* The bytes of token id at out; *is_word says whether plain text can become
 * it. Tokens of byte-level vocabularies with characters outside the alphabet
 * (added ones, in files that do not mark them) stand for their written form. */
static status decode_token(tokenizer *t, int32_t id, char *out, size_t *len,
                           bool *is_word, errtext *err)
{
    token_text in = t->spec.tokens[id];
    char name[64];
    int byte;

    *len = in.len;
    *is_word = false;
    switch (tokenizer_kind(t, id)) {
    case TOKEN_BYTE:
        if (!parse_byte(in, &byte))
            return fail(err, E_FORMAT, "token %d (%s) is marked as a byte, but is not "
                        "of the form <0x41>", id, show(name, in));
        out[0] = (char)byte;
        *len = 1;
        if (t->spm && t->byte_id[byte] < 0) t->byte_id[byte] = id;
        return OK;
    case TOKEN_CONTROL:
    case TOKEN_UNKNOWN:
        break;
    case TOKEN_USER_DEFINED:
        if (!t->spm) break;
        *len = decode_spaces(in, out);
        return OK;
    case TOKEN_NORMAL:
    case TOKEN_UNUSED:
        *is_word = tokenizer_kind(t, id) == TOKEN_NORMAL;
        if (t->spm) {
            *len = decode_spaces(in, out);
            return OK;
        }
        if (alphabet_decode(&t->alphabet, in, out, len)) {
            byte = (unsigned char)out[0];
            if (*is_word && *len == 1 && t->byte_id[byte] < 0) t->byte_id[byte] = id;
            return OK;
        }
        *len = in.len;
        *is_word = false;
        break;
    }
    memcpy(out, in.data, in.len);
    return OK;
}

static status decode_tokens(tokenizer *t, errtext *err)
{
    int n = t->spec.n_token;
    size_t total = 0, at = 0;

    alphabet_init(&t->alphabet);
    memset(t->byte_id, -1, sizeof t->byte_id);
    for (int i = 0; i < n; i++) total += t->spec.tokens[i].len;
    t->text = mem_resize(NULL, total + 1, 1);
    t->text_at = mem_array((size_t)n + 1, sizeof *t->text_at);
    words_init(&t->words, t->spec.tokens, n);
    for (int i = 0; i < n; i++) {
        size_t len;
        bool is_word;
        status st = decode_token(t, i, t->text + at, &len, &is_word, err);

        if (st != OK) return st;
        if (t->spec.tokens[i].len > t->longest) t->longest = t->spec.tokens[i].len;
        if (is_word && !words_add(&t->words, i))
            return fail(err, E_FORMAT, "token %d: too many tokens with one hash", i);
        at += len;
        t->text_at[i + 1] = (uint32_t)at;
    }
    return OK;
}

token_text tokenizer_text(const tokenizer *t, int32_t id)
{
    CHECK(id >= 0 && id < t->spec.n_token);
    return (token_text){ t->text + t->text_at[id],
                         t->text_at[id + 1] - t->text_at[id] };
}

bool token_is_special(const tokenizer *t, int32_t id)
{
    token_kind k = tokenizer_kind(t, id);

    return k == TOKEN_CONTROL || k == TOKEN_USER_DEFINED || k == TOKEN_UNKNOWN;
}

static void index_specials(tokenizer *t)
{
    int n = 0, n_special = 0;
    int32_t *ids;
    token_text *texts;

    for (int i = 0; i < t->spec.n_token; i++) n_special += token_is_special(t, i);
    ids = mem_array((size_t)n_special, sizeof *ids);
    texts = mem_array((size_t)n_special, sizeof *texts);
    for (int i = 0; i < t->spec.n_token; i++) {
        if (!token_is_special(t, i)) continue;
        ids[n] = i;
        texts[n++] = tokenizer_text(t, i);
    }
    specials_init(&t->specials, ids, texts, n);
}

int32_t tokenizer_special(const tokenizer *t, const char *text)
{
    int32_t id = specials_match(&t->specials, text, strlen(text));

    return id >= 0 && tokenizer_text(t, id).len == strlen(text) ? id : -1;
}

/* ---- merges ---- */

/* A piece named by a merge that plain text cannot become: known to the
 * vocabulary as a special token, or not at all. */
static bool piece_is_special(const tokenizer *t, const char *text, size_t len)
{
    int32_t id = specials_match(&t->specials, text, len);

    return id >= 0 && t->spec.tokens[id].len == len;
}

/* The token that left and right join to. In most files merge i makes the token
 * after the one that merge i - 1 made, which saves the search. */
static int32_t joined(const tokenizer *t, token_text left, token_text right,
                      int32_t guess, bytes *scratch)
{
    if (guess < t->spec.n_token) {
        token_text g = t->spec.tokens[guess];

        if (g.len == left.len + right.len && memcmp(g.data, left.data, left.len) == 0
            && memcmp(g.data + left.len, right.data, right.len) == 0
            && tokenizer_kind(t, guess) == TOKEN_NORMAL) return guess;
    }
    bytes_clear(scratch);
    bytes_add(scratch, left.data, left.len);
    bytes_add(scratch, right.data, right.len);
    return words_find(&t->words, scratch->data, scratch->len);
}

/* Merges can not run in a circle: what one makes is longer than its parts, and
 * no part is empty. One that makes or takes a special token is left out, since
 * plain text must not get there. */
static status index_merge(tokenizer *t, int i, int32_t *made, bytes *scratch, errtext *err)
{
    token_text m = t->spec.merges[i], left, right, *bad;
    const char *space = memchr(m.data, ' ', m.len);
    int32_t a, b, c;
    char name[64], part[64];

    if (space) {
        left = (token_text){ m.data, (size_t)(space - m.data) };
        right = (token_text){ space + 1, m.len - left.len - 1 };
    }
    if (!space || left.len == 0 || right.len == 0 || memchr(right.data, ' ', right.len))
        return fail(err, E_FORMAT, "merge %d (%s) is not two pieces with a space between",
                    i, show(name, m));
    a = words_find(&t->words, left.data, left.len);
    b = words_find(&t->words, right.data, right.len);
    c = joined(t, left, right, *made + 1, scratch);
    if (a >= 0 && b >= 0 && c >= 0) {
        *made = c;
        if (!pairs_add(&t->pairs, a, b, (uint32_t)i, c))
            return fail(err, E_FORMAT, "merge %d: too many merges with one hash", i);
        return OK;
    }
    bad = a < 0 && !piece_is_special(t, left.data, left.len) ? &left
        : b < 0 && !piece_is_special(t, right.data, right.len) ? &right : NULL;
    if (bad)
        return fail(err, E_FORMAT, "merge %d (%s): %s is not a token", i, show(name, m),
                    show(part, *bad));
    if (c < 0) {
        bytes_clear(scratch);
        bytes_add(scratch, left.data, left.len);
        bytes_add(scratch, right.data, right.len);
        if (!piece_is_special(t, scratch->data, scratch->len))
            return fail(err, E_FORMAT, "merge %d (%s): what it makes is not a token", i,
                        show(name, m));
    }
    return OK;
}

/* With SPM pieces and no scores, write scores that order the pieces as the
 * merges do: a weight file for other readers needs them. */
static status index_merges(tokenizer *t, errtext *err)
{
    int n = t->spec.n_merge;
    float *scores = NULL;
    bytes scratch = { 0 };
    int32_t made = -1;
    status st = OK;

    if (t->spm && !t->spec.scores) {
        t->spec.scores = scores = mem_array((size_t)t->spec.n_token, sizeof *scores);
        for (int i = 0; i < t->spec.n_token; i++) scores[i] = (float)-n;
    }
    pairs_init(&t->pairs, n);
    for (int i = 0; i < n && st == OK; i++) {
        st = index_merge(t, i, &made, &scratch, err);
        if (st == OK && scores && made >= 0 && scores[made] == (float)-n)
            scores[made] = (float)-i;
    }
    bytes_fini(&scratch);
    return st;
}

/* Ranks that order as scores do, best first: the bits of a float, seen as an
 * unsigned number, order as the float does once negative ones are turned. */
static void rank_scores(tokenizer *t)
{
    int n = t->spec.n_token;

    t->ranks = mem_array((size_t)n, sizeof *t->ranks);
    for (int i = 0; i < n; i++) {
        float score = t->spec.scores[i] + 0.0f;      /* -0 becomes 0 */
        uint32_t bits;

        memcpy(&bits, &score, sizeof bits);
        t->ranks[i] = ~(bits & 0x80000000u ? ~bits : bits | 0x80000000u);
    }
}

static status check_spm(const tokenizer *t, errtext *err)
{
    if (t->spec.n_merge == 0 && !t->spec.scores)
        return fail(err, E_FORMAT, "scores: missing, and model \"llama\" needs them");
    for (int b = 0; b < 256 && t->spec.unk < 0; b++)
        if (t->byte_id[b] < 0)
            return fail(err, E_FORMAT, "byte token <0x%02X> is missing, and there is no "
                        "unknown token", (unsigned)b);
    return OK;
}

/* ---- the whole ---- */

static void add_end(tokenizer *t, int32_t id)
{
    if (id < 0 || tokenizer_is_end(t, id) || t->n_end == TOKENIZER_MAX_END) return;
    t->ends[t->n_end++] = id;
}

static void collect_ends(tokenizer *t, const vocab_extra *extra)
{
    add_end(t, t->spec.eos);
    add_end(t, t->spec.eot);
    for (size_t i = 0; i < sizeof end_names / sizeof *end_names; i++) {
        int32_t id = tokenizer_special(t, end_names[i]);

        if (id >= 0 && tokenizer_kind(t, id) == TOKEN_CONTROL) add_end(t, id);
    }
    for (int i = 0; i < extra->n_end; i++) add_end(t, extra->ends[i]);
}

bool tokenizer_is_end(const tokenizer *t, int32_t id)
{
    for (int i = 0; i < t->n_end; i++)
        if (t->ends[i] == id) return true;
    return false;
}

status tokenizer_build(tokenizer **out, const vocab_spec *spec,
                       const vocab_extra *extra, errtext *err)
{
    tokenizer *t;
    status st;

    *out = NULL;
    if ((st = check_spec(spec, err)) != OK) return st;
    t = mem_new(sizeof *t);
    t->spm = strcmp(spec->model, "llama") == 0;
    t->kind = extra->kind;
    t->nfc = extra->nfc;
    t->prefix = extra->prefix;
    copy_spec(t, spec);
    if ((st = decode_tokens(t, err)) != OK) goto undo;
    index_specials(t);
    if (t->spm && (st = check_spm(t, err)) != OK) goto undo;
    if (!t->spm || spec->n_merge) {
        if ((st = index_merges(t, err)) != OK) goto undo;
    } else {
        rank_scores(t);
    }
    collect_ends(t, extra);
    *out = t;
    return OK;

undo:
    tokenizer_free(t);
    return st;
}

status tokenizer_new(tokenizer **out, const vocab_spec *spec, errtext *err)
{
    vocab_spec resolved = *spec;
    vocab_extra extra = { 0 };
    bool vague = false;
    status st;

    *out = NULL;
    if (!spec->model) return fail(err, E_FORMAT, "tokenizer model: missing");
    if (strcmp(spec->model, "llama") == 0) {
        extra.prefix = spec->add_space_prefix ? PREFIX_EACH : PREFIX_NEVER;
    } else if (strcmp(spec->model, "gpt2") == 0) {
        const split_rule *rule;

        /* Files from before the splitter was recorded. GPT-2's is what the
         * model name says; guessing from the vocabulary would be right more
         * often and wrong without a word, so the caller is told instead. */
        vague = !spec->pre || !*spec->pre || strcmp(spec->pre, "default") == 0;
        if (vague) resolved.pre = "gpt-2";
        rule = split_rule_named(resolved.pre);
        if (!rule)
            return fail(err, E_UNSUPPORTED, "tokenizer splitter \"%.100s\" is not known",
                        spec->pre);
        extra.kind = rule->kind;
        extra.nfc = rule->nfc;
        resolved.ignore_merges = spec->ignore_merges || rule->ignore_merges;
    } else {
        return fail(err, E_UNSUPPORTED, "tokenizer model \"%.100s\" is not \"gpt2\" or "
                    "\"llama\"", spec->model);
    }
    st = tokenizer_build(out, &resolved, &extra, err);
    if (st == OK && vague)
        snprintf((*out)->warning, sizeof (*out)->warning,
                 "the vocabulary does not say how its text is split (%s): it is split as "
                 "GPT-2 does, and ids may differ from those of training",
                 spec->pre && *spec->pre ? "pre is \"default\"" : "pre is missing");
    return st;
}

void tokenizer_free(tokenizer *t)
{
    if (!t) return;
    words_fini(&t->words);
    pairs_fini(&t->pairs);
    specials_fini(&t->specials);
    mem_free(t->ranks);
    mem_free(t->text);
    mem_free(t->text_at);
    mem_free((char *)t->spec.model);
    mem_free((char *)t->spec.pre);
    mem_free((token_text *)t->spec.tokens);
    mem_free((token_text *)t->spec.merges);
    mem_free((float *)t->spec.scores);
    mem_free((int32_t *)t->spec.kinds);
    mem_free(t->spec_text);
    mem_free(t);
}

int tokenizer_size(const tokenizer *t)
{
    return t->spec.n_token;
}

int32_t tokenizer_bos(const tokenizer *t)
{
    return t->spec.bos;
}

int32_t tokenizer_eos(const tokenizer *t)
{
    return t->spec.eos;
}

const vocab_spec *tokenizer_spec(const tokenizer *t)
{
    return &t->spec;
}

const char *tokenizer_warning(const tokenizer *t)
{
    return t->warning[0] ? t->warning : NULL;
}
