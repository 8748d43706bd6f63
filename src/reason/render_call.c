/* render_call.c - tool calls in a model's text.
 *
 * All or nothing: half a list of calls is worse than text a person can read. */
#include <string.h>

#include "base/mem.h"
#include "reason/render_internal.h"

#define MAX_SPAN (8u << 20)
#define MAX_NAME 256

typedef struct reader {
    const char *at;
    size_t len;
    chat_call *calls;
    int n, max;
} reader;

static bool starts(const reader *r, const char *mark)
{
    const size_t n = strlen(mark);

    return r->len >= n && !memcmp(r->at, mark, n);
}

static void advance(reader *r, size_t n)
{
    r->at += n;
    r->len -= n;
}

static void skip_space(reader *r)
{
    while (r->len && strchr(" \t\r\n", *r->at) && *r->at) advance(r, 1);
}

static bool take(reader *r, const char *mark)
{
    if (!starts(r, mark)) return false;
    advance(r, strlen(mark));
    return true;
}

/* Store a call; the argument text is a JSON object, or a string that holds one. */
static bool call_store(reader *r, const char *name, size_t name_len, const char *arguments,
                       size_t len)
{
    bytes text = { 0 };
    bool ok = false;

    if (r->n == r->max || name_len == 0 || name_len > MAX_NAME) return false;
    for (size_t i = 0; i < name_len; i++)
        if ((unsigned char)name[i] < 0x20) return false;
    if (len && *arguments == '"') {
        if (!json_unquote(&text, arguments, len)) goto done;
    } else {
        bytes_add(&text, arguments, len);
    }
    ok = text.len && text.data[0] == '{' && json_value_length(text.data, text.len) == text.len;
    if (!ok) goto done;
    bytes copy = { 0 };
    bytes_add(&copy, name, name_len);
    r->calls[r->n++] = (chat_call){ .name = bytes_take(&copy), .arguments = bytes_take(&text) };

done:
    bytes_fini(&text);
    return ok;
}

static bool key_is(const bytes *key, const char *name)
{
    return key->len == strlen(name) && !memcmp(key->data, name, key->len);
}

/* One object, or a list of them; the text is valid JSON. */
static bool value_read(reader *r, const char *text, size_t len, int depth)
{
    const char *value, *arguments = "{}", *inner = NULL;
    size_t at = 0, value_len, arguments_len = 2, inner_len = 0;
    bytes key = { 0 }, name = { 0 };
    bool ok = false, named = false;

    if (text[0] == '[' && depth == 0) {
        const int before = r->n;
        while (json_next(text, len, &at, NULL, &value, &value_len))
            if (!value_read(r, value, value_len, depth + 1)) return false;
        return r->n > before;
    }
    if (text[0] != '{') return false;
    while (json_next(text, len, &at, &key, &value, &value_len)) {
        if (key_is(&key, "name")) {
            bytes_clear(&name);
            named = json_unquote(&name, value, value_len);
        } else if (key_is(&key, "arguments") || key_is(&key, "parameters")) {
            arguments = value;
            arguments_len = value_len;
        } else if (key_is(&key, "function") && *value == '{') {
            inner = value;
            inner_len = value_len;
        }
    }
    if (inner && !named && depth < 2) ok = value_read(r, inner, inner_len, 2);
    else ok = named && call_store(r, name.data ? name.data : "", name.len, arguments,
                                  arguments_len);
    bytes_fini(&key);
    bytes_fini(&name);
    return ok;
}

/* JSON values with tags, commas or semicolons between them. */
static bool tagged_read(reader *r)
{
    for (;;) {
        skip_space(r);
        if (take(r, "<tool_call>") || take(r, "</tool_call>") || take(r, "<|python_tag|>"))
            continue;
        if (r->n && (take(r, ";") || take(r, ","))) continue;
        if (!r->len) return r->n > 0;
        const size_t n = json_value_length(r->at, r->len);
        if (!n || !value_read(r, r->at, n, 0)) return false;
        advance(r, n);
    }
}

/* type<sep>NAME\n```json\nARGUMENTS\n``` between the marks of R1. */
static bool fenced_read(reader *r)
{
    take(r, "<｜tool▁calls▁begin｜>");
    for (;;) {
        skip_space(r);
        if (take(r, "<｜tool▁calls▁end｜>")) skip_space(r);
        if (!r->len) return r->n > 0;
        if (!take(r, "<｜tool▁call▁begin｜>")) return false;
        static const char sep[] = "<｜tool▁sep｜>";
        const char *name = memmem(r->at, r->len, sep, sizeof sep - 1);
        if (!name) return false;
        advance(r, (size_t)(name - r->at) + sizeof sep - 1);
        const char *line = memchr(r->at, '\n', r->len);
        if (!line) return false;
        name = r->at;
        const size_t name_len = (size_t)(line - name);
        advance(r, name_len + 1);
        take(r, "```json");
        skip_space(r);
        const size_t n = r->len ? json_value_length(r->at, r->len) : 0;
        if (!n || *r->at != '{' || !call_store(r, name, name_len, r->at, n)) return false;
        advance(r, n);
        skip_space(r);
        take(r, "```");
        skip_space(r);
        take(r, "<｜tool▁call▁end｜>");
    }
}

int render_parse_calls(const char *text, size_t len, chat_call *calls, int max_call)
{
    reader r = { .at = text, .len = len, .calls = calls, .max = max_call };
    bool ok = false;

    if (len > MAX_SPAN) return 0;
    skip_space(&r);
    if (starts(&r, "<｜tool▁call")) ok = fenced_read(&r);
    else ok = tagged_read(&r);
    if (ok) return r.n;
    for (int i = 0; i < r.n; i++) chat_call_fini(&calls[i]);
    return 0;
}
