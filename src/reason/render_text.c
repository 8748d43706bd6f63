/* render_text.c - texts in the making, and what all templates write alike. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "reason/render_internal.h"

/* Files stand between lines of ours, so that a question beside a long file is
 * still seen as the question. The name is the user's, on a line it cannot end. */
static const char file_open[] = "--- file: ", file_named[] = " ---\n";
static const char file_close[] = "\n--- end of file ---\n\n";

static void piece_add(pieces *p, const char *data, size_t len, bool trusted)
{
    if (!len) return;
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->items = mem_resize(p->items, (size_t)p->cap, sizeof *p->items);
    }
    p->items[p->n++] = (piece){ data, len, trusted };
}

void pieces_trusted(pieces *p, const char *text)
{
    piece_add(p, text, strlen(text), true);
}

void pieces_plain(pieces *p, const char *data, size_t len)
{
    piece_add(p, data, len, false);
}

void pieces_plain_take(pieces *p, bytes *b)
{
    const size_t len = b->len;

    p->owned = mem_resize(p->owned, (size_t)p->n_owned + 1, sizeof *p->owned);
    p->owned[p->n_owned] = bytes_take(b);
    piece_add(p, p->owned[p->n_owned++], len, false);
}

void pieces_content(pieces *p, const chat_message *m)
{
    for (int i = 0; i < m->n_part; i++) {
        const chat_part *part = &m->parts[i];
        if (part->name) {
            bytes name = { 0 };
            bytes_add_string(&name, part->name);
            for (size_t k = 0; k < name.len; k++)
                if ((unsigned char)name.data[k] < 0x20) name.data[k] = ' ';
            pieces_trusted(p, file_open);
            pieces_plain_take(p, &name);
            pieces_trusted(p, file_named);
        }
        pieces_plain(p, part->data, part->len);
        if (part->name) pieces_trusted(p, file_close);
    }
}

/* str.isspace() of one code point. */
static bool is_space(uint32_t u)
{
    return (u >= 0x09 && u <= 0x0d) || (u >= 0x1c && u <= 0x20) || u == 0x85 || u == 0xa0
        || u == 0x1680 || (u >= 0x2000 && u <= 0x200a) || u == 0x2028 || u == 0x2029
        || u == 0x202f || u == 0x205f || u == 0x3000;
}

static size_t space_at_start(const piece *t, bool newlines)
{
    size_t at = 0;

    while (at < t->len) {
        uint32_t u;
        const int n = utf8_decode(t->data + at, t->len - at, &u);
        if (!n || (newlines ? u != '\n' : !is_space(u))) break;
        at += (size_t)n;
    }
    return at;
}

/* Length of what is left without the white space at the end. */
static size_t space_at_end(const piece *t, bool newlines)
{
    size_t len = t->len;

    while (len > 0) {
        size_t start = len - 1;
        uint32_t u;
        while (start > 0 && len - start < 4 && ((unsigned char)t->data[start] & 0xc0) == 0x80)
            start--;
        const int n = utf8_decode(t->data + start, len - start, &u);
        if (!n || (size_t)n != len - start || (newlines ? u != '\n' : !is_space(u))) break;
        len = start;
    }
    return len;
}

void pieces_trim(pieces *p, trim_side side, bool newlines)
{
    int first = 0;

    while ((side & TRIM_LEFT) && first < p->n) {
        piece *t = &p->items[first];
        const size_t cut = space_at_start(t, newlines);
        t->data += cut;
        t->len -= cut;
        if (t->len) break;
        first++;
    }
    if (first) memmove(p->items, p->items + first, (size_t)(p->n - first) * sizeof *p->items);
    p->n -= first;
    while ((side & TRIM_RIGHT) && p->n > 0) {
        piece *t = &p->items[p->n - 1];
        t->len = space_at_end(t, newlines);
        if (t->len) break;
        p->n--;
    }
}

bool pieces_empty(const pieces *p)
{
    return p->n == 0;
}

void pieces_flat(const pieces *p, bytes *out)
{
    for (int i = 0; i < p->n; i++) bytes_add(out, p->items[i].data, p->items[i].len);
}

void pieces_emit(pieces *p, segments *out)
{
    for (int i = 0; i < p->n; i++) {
        const piece *t = &p->items[i];
        if (t->trusted) segments_trusted_bytes(out, t->data, t->len);
        else segments_plain(out, t->data, t->len);
    }
    pieces_fini(p);
}

void pieces_fini(pieces *p)
{
    for (int i = 0; i < p->n_owned; i++) mem_free(p->owned[i]);
    mem_free(p->owned);
    mem_free(p->items);
    memset(p, 0, sizeof *p);
}

void content_flat(const chat_message *m, bytes *out)
{
    pieces p = { 0 };

    bytes_reserve(out, 0);
    pieces_content(&p, m);
    pieces_flat(&p, out);
    pieces_fini(&p);
}

bool content_empty(const chat_message *m)
{
    for (int i = 0; i < m->n_part; i++)
        if (m->parts[i].name || m->parts[i].len) return false;
    return true;
}

bool is_system(const chat_message *m)
{
    return m->role == CHAT_SYSTEM || m->role == CHAT_DEVELOPER;
}

void put_plain_string(segments *out, const char *s)
{
    segments_plain(out, s, strlen(s));
}

void put_content(segments *out, const chat_message *m)
{
    pieces p = { 0 };

    pieces_content(&p, m);
    pieces_emit(&p, out);
}

void put_arguments(segments *out, const char *arguments, bool raw)
{
    bytes text = { 0 };
    const size_t len = strlen(arguments);

    const char first = arguments[strspn(arguments, " \t\r\n")];

    if (!first)
        bytes_add_string(&text, "{}");
    else if (first != '{' || json_rewrite(&text, arguments, len, JSON_LINE, NULL) != OK) {
        if (raw) bytes_add(&text, arguments, len);
        else json_quote(&text, arguments, len);
    }
    segments_plain(out, text.data, text.len);
    bytes_fini(&text);
}

static status tool_text(bytes *text, const chat *c, int i, json_style style, errtext *err)
{
    errtext why = { "" };
    const status st = json_rewrite(text, c->tools[i], strlen(c->tools[i]), style, &why);

    return st == OK ? OK : fail(err, st, "tools[%d]: %s", i, why.text);
}

status put_tool(segments *out, const chat *c, int i, json_style style, errtext *err)
{
    bytes text = { 0 };
    const status st = tool_text(&text, c, i, style, err);

    if (st == OK) segments_plain(out, text.data, text.len);
    bytes_fini(&text);
    return st;
}

const char call_form_tags[] =
    "\n</tools>\n\n"
    "To call one, write its name and arguments as JSON between these tags, once for each "
    "call:\n<tool_call>\n{\"name\": \"...\", \"arguments\": {...}}\n</tool_call>";

const char call_form_r1[] =
    "\n</tools>\n\n"
    "To call one, write its name and arguments in this form:\n"
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME\n"
    "```json\n{...}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

status pieces_tools(pieces *p, const chat *c, const char *call_form, errtext *err)
{
    if (!c->n_tool) return OK;
    if (!pieces_empty(p)) pieces_trusted(p, "\n\n");
    pieces_trusted(p, "# Tools\n\nThese functions can be called, one definition a line:\n<tools>");
    for (int i = 0; i < c->n_tool; i++) {
        bytes text = { 0 };
        const status st = tool_text(&text, c, i, JSON_LINE, err);
        if (st != OK) {
            bytes_fini(&text);
            return st;
        }
        pieces_trusted(p, "\n");
        pieces_plain_take(p, &text);
    }
    pieces_trusted(p, call_form);
    return OK;
}

const char think_instruction[] =
    "Think before you answer: reason step by step between <think> and </think>, then give "
    "the final answer after </think>.";

void put_tagged_calls(segments *out, const chat_message *m, bool after_text, bool raw)
{
    for (int i = 0; i < m->n_call; i++) {
        if (i || after_text) segments_trusted(out, "\n");
        segments_trusted(out, "<tool_call>\n{\"name\": \"");
        put_plain_string(out, m->calls[i].name);
        segments_trusted(out, "\", \"arguments\": ");
        put_arguments(out, m->calls[i].arguments, raw);
        segments_trusted(out, "}\n</tool_call>");
    }
}

int last_user(const chat *c)
{
    for (int i = c->n - 1; i >= 0; i--)
        if (c->items[i].role == CHAT_USER) return i;
    return -1;
}

void put_thought(segments *out, const chat_message *m)
{
    pieces p = { 0 };

    segments_trusted(out, THINK_OPEN);
    pieces_plain(&p, m->reasoning, m->reasoning_len);
    pieces_trim(&p, TRIM_BOTH, true);
    pieces_emit(&p, out);
    segments_trusted(out, THINK_CLOSE);
}

bool thought_left_open(const chat *c, int i, const render_options *o)
{
    const chat_message *m = &c->items[i];

    return o->continue_last && i == c->n - 1 && m->reasoning && content_empty(m);
}

void put_open_thought(segments *out, const chat_message *m)
{
    pieces p = { 0 };

    segments_trusted(out, THINK_OPEN);
    pieces_plain(&p, m->reasoning, m->reasoning_len);
    pieces_trim(&p, TRIM_LEFT, true);
    pieces_emit(&p, out);
}
