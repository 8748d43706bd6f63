/* json_cut.c - read vocabulary and merges of a tokenizer.json in one pass.
 *
 * No function here recurses: nesting is counted, and its depth is the
 * library's to judge when it parses the rest. */
#include "token/json_cut.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define MAX_PIECES (1 << 24)

typedef struct cursor {
    const char *text;
    size_t at, end;
} cursor;

static char peek(cursor *c)
{
    while (c->at < c->end) {
        char x = c->text[c->at];

        if (x != ' ' && x != '\n' && x != '\r' && x != '\t') return x;
        c->at++;
    }
    return 0;                                /* end, or a NUL no one expects */
}

static bool take(cursor *c, char want)
{
    if (c->at >= c->end || peek(c) != want) return false;
    c->at++;
    return true;
}

/* Past the closing quote of the string at the cursor. */
static bool skip_string(cursor *c)
{
    if (!take(c, '"')) return false;
    while (c->at < c->end) {
        char x = c->text[c->at++];

        if (x == '"') return true;
        if (x == '\\') c->at++;
    }
    return false;
}

/* Past any value. Brackets are counted without regard to their kind: a file
 * that mixes them is refused by the library, or by the reader of the part. */
static bool skip_value(cursor *c)
{
    size_t depth = 0;

    do {
        char x = peek(c);

        if (c->at >= c->end) return false;
        if (x == '"') {
            if (!skip_string(c)) return false;
        } else if (x == '{' || x == '[') {
            depth++;
            c->at++;
        } else if (x == '}' || x == ']') {
            if (depth == 0) return false;
            depth--;
            c->at++;
        } else if (depth == 0) {
            while (c->at < c->end && !strchr(",]} \n\r\t", c->text[c->at])) c->at++;
        } else {
            c->at++;
        }
    } while (depth);
    return true;
}

/* Step to the next member of an object whose opening brace is behind the
 * cursor: its key (as written) in *key, the cursor before its value. False
 * after the last, with *ok telling whether that was the closing brace. */
static bool next_member(cursor *c, json_range *key, bool first, bool *ok)
{
    *ok = true;
    if (take(c, '}')) return false;
    *ok = false;
    if (!first && !take(c, ',')) return false;
    peek(c);
    key->begin = c->at + 1;
    if (!skip_string(c)) return false;
    key->end = c->at - 1;
    *ok = true;
    if (take(c, ':')) return true;
    return *ok = false;
}

static bool key_is(const cursor *c, json_range key, const char *name)
{
    size_t len = strlen(name);

    return key.end - key.begin == len && memcmp(c->text + key.begin, name, len) == 0;
}

static bool find_in_model(cursor *c, json_parts *out)
{
    json_range key;
    bool ok;

    take(c, '{');
    for (bool first = true; next_member(c, &key, first, &ok); first = false) {
        json_range *part = key_is(c, key, "vocab") ? &out->vocab
                         : key_is(c, key, "merges") ? &out->merges : NULL;
        size_t begin;

        peek(c);
        begin = c->at;
        if (!skip_value(c)) return false;
        if (!part || (c->text[begin] != '{' && c->text[begin] != '[')) continue;
        if (part->end) return false;         /* twice */
        *part = (json_range){ begin, c->at };
    }
    return ok;
}

static bool find_parts(cursor *c, json_parts *out)
{
    json_range key;
    bool ok;

    if (!take(c, '{')) return false;
    for (bool first = true; next_member(c, &key, first, &ok); first = false) {
        if (key_is(c, key, "model") && peek(c) == '{') {
            if (!find_in_model(c, out)) return false;
        } else if (!skip_value(c)) {
            return false;
        }
    }
    return ok;
}

status json_cut(json_parts *out, const char *text, size_t len, errtext *err)
{
    cursor c = { text, 0, len };
    json_range a, b;

    *out = (json_parts){ 0 };
    if (!find_parts(&c, out))
        return fail(err, E_FORMAT, "broken JSON at offset %zu", c.at < len ? c.at : len);
    a = out->vocab;
    b = out->merges;
    if (a.begin > b.begin) {
        a = out->merges;
        b = out->vocab;
    }
    bytes_add(&out->rest, text, a.begin);
    if (a.end) bytes_add_string(&out->rest, "null");
    bytes_add(&out->rest, text + a.end, b.begin - a.end);
    if (b.end) bytes_add_string(&out->rest, "null");
    bytes_add(&out->rest, text + b.end, len - b.end);
    return OK;
}

size_t json_offset(const json_parts *p, size_t rest_offset)
{
    const json_range *first = &p->vocab, *second = &p->merges;
    size_t at = rest_offset;

    if (first->begin > second->begin) {
        first = &p->merges;
        second = &p->vocab;
    }
    if (first->end && at > first->begin) at += first->end - first->begin - 4;
    if (second->end && at > second->begin) at += second->end - second->begin - 4;
    return at;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Four hexadecimal digits. */
static bool read_unit(cursor *c, uint32_t *unit)
{
    if (c->end - c->at < 4) return false;
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(c->text[c->at++]);

        if (d < 0) return false;
        *unit = *unit << 4 | (uint32_t)d;
    }
    return true;
}

/* What follows a backslash. NUL is refused, as the library does. */
static bool read_escape(cursor *c, bytes *pool)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t code, low;
    char x, out[4];
    const char *p;

    if (c->at >= c->end) return false;
    x = c->text[c->at++];
    if (x != 'u') {
        if (!x || !(p = strchr(from, x))) return false;
        bytes_add_char(pool, to[p - from]);
        return true;
    }
    if (!read_unit(c, &code) || code == 0) return false;
    if (code >= 0xDC00 && code <= 0xDFFF) return false;
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (c->end - c->at < 6 || c->text[c->at] != '\\' || c->text[c->at + 1] != 'u')
            return false;
        c->at += 2;
        if (!read_unit(c, &low) || low < 0xDC00 || low > 0xDFFF) return false;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    bytes_add(pool, out, (size_t)utf8_encode(code, out));
    return true;
}

static bool read_string(cursor *c, bytes *pool)
{
    if (!take(c, '"')) return false;
    while (c->at < c->end) {
        size_t begin = c->at;
        uint32_t code;

        while (c->at < c->end) {
            unsigned char x = (unsigned char)c->text[c->at];
            int n;

            if (x == '"' || x == '\\' || x < 0x20) break;
            if (x < 0x80) {
                c->at++;
                continue;
            }
            n = utf8_decode(c->text + c->at, c->end - c->at, &code);
            if (n == 0) return false;
            c->at += (size_t)n;
        }
        bytes_add(pool, c->text + begin, c->at - begin);
        if (c->at >= c->end) return false;
        switch (c->text[c->at++]) {
        case '"': return true;
        case '\\':
            if (!read_escape(c, pool)) return false;
            break;
        default: return false;
        }
    }
    return false;
}

/* A whole number without sign, fraction or exponent. */
static bool read_id(cursor *c, int32_t max, int32_t *id)
{
    int64_t value = 0;
    size_t begin;

    peek(c);
    begin = c->at;
    while (c->at < c->end && c->text[c->at] >= '0' && c->text[c->at] <= '9') {
        value = value * 10 + (c->text[c->at++] - '0');
        if (value > max) return false;
    }
    if (c->at == begin || (c->text[begin] == '0' && c->at - begin > 1)) return false;
    *id = (int32_t)value;
    return true;
}

static void add_piece(json_pieces *p, size_t start, size_t end, int32_t id)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 4096;
        p->items = mem_resize(p->items, (size_t)p->cap, sizeof *p->items);
    }
    p->items[p->n++] = (json_piece){ (uint32_t)start, (uint32_t)(end - start), id };
}

status json_read_vocab(json_pieces *out, bytes *pool, const char *text, json_range r,
                       int32_t max_id, errtext *err)
{
    cursor c = { text, r.begin, r.end };

    if (!take(&c, '{'))
        return fail(err, E_FORMAT, "model.vocab at offset %zu is not an object", r.begin);
    bytes_reserve(pool, r.end - r.begin);
    while (!take(&c, '}')) {
        size_t start = pool->len, end;
        int32_t id;

        if ((out->n && !take(&c, ',')) || !read_string(&c, pool))
            return fail(err, E_FORMAT, "model.vocab: broken string at offset %zu (entry %d)",
                        c.at, out->n);
        end = pool->len;
        if (!take(&c, ':') || !read_id(&c, max_id, &id))
            return fail(err, E_FORMAT, "model.vocab: entry %d has no id from 0 to %d (offset "
                        "%zu)", out->n, max_id, c.at);
        if (out->n == MAX_PIECES || end > INT32_MAX)
            return fail(err, E_LIMIT, "model.vocab is larger than %d entries or 2 GiB",
                        MAX_PIECES);
        add_piece(out, start, end, id);
    }
    return OK;
}

/* The first string of a pair holds no space: "left right" must say where the
 * pair parts. */
static bool read_merge(cursor *c, bytes *pool)
{
    size_t start = pool->len;

    if (peek(c) == '"') return read_string(c, pool);
    if (!take(c, '[') || !read_string(c, pool)) return false;
    if (memchr(pool->data + start, ' ', pool->len - start)) return false;
    bytes_add_char(pool, ' ');
    return take(c, ',') && read_string(c, pool) && take(c, ']');
}

status json_read_merges(json_pieces *out, bytes *pool, const char *text, json_range r,
                        errtext *err)
{
    cursor c = { text, r.begin, r.end };

    if (!take(&c, '['))
        return fail(err, E_FORMAT, "model.merges at offset %zu is not an array", r.begin);
    bytes_reserve(pool, r.end - r.begin);
    while (!take(&c, ']')) {
        size_t start = pool->len;

        if ((out->n && !take(&c, ',')) || !read_merge(&c, pool))
            return fail(err, E_FORMAT, "model.merges: merge %d is not \"left right\" or "
                        "[\"left\", \"right\"] (offset %zu)", out->n, c.at);
        if (out->n == MAX_PIECES || pool->len > INT32_MAX)
            return fail(err, E_LIMIT, "model.merges is larger than %d entries or 2 GiB",
                        MAX_PIECES);
        add_piece(out, start, pool->len, out->n);
    }
    return OK;
}
