/* sse.c - server-sent events. */
#include "serve/sse.h"

#include <stdlib.h>
#include <string.h>

void sse_format(bytes *out, const char *type, const char *data, size_t len)
{
    if (type) bytes_add_format(out, "event: %s\n", type);
    for (size_t i = 0;;) {
        size_t n = 0;

        while (i + n < len && data[i + n] != '\n' && data[i + n] != '\r') n++;
        bytes_add_string(out, "data: ");
        bytes_add(out, data + i, n);
        bytes_add_char(out, '\n');
        i += n;
        if (i == len) break;
        i += data[i] == '\r' && i + 1 < len && data[i + 1] == '\n' ? 2 : 1;
    }
    bytes_add_char(out, '\n');
}

static bool send_text(sse *s, const char *type, const char *data, size_t len)
{
    bytes event = { 0 };
    bool sent;

    sse_format(&event, type, data, len);
    sent = reply_write(s->to, event.data, event.len);
    bytes_fini(&event);
    return sent;
}

bool sse_begin(sse *s, reply *to, sse_dialect dialect, int64_t first_sequence)
{
    *s = (sse){ .to = to, .dialect = dialect, .sequence = first_sequence };
    return reply_stream(to);
}

bool sse_send(sse *s, const char *type, json_t *data)
{
    bool named = s->dialect == SSE_RESPONSES;
    char *text;
    bool sent;

    if (named) {
        json_object_set_new(data, "type", json_string(type));
        json_object_set_new(data, "sequence_number", json_integer(s->sequence));
    }
    s->sequence++;
    text = json_dumps(data, JSON_COMPACT);
    json_decref(data);
    CHECK(text != NULL);
    sent = send_text(s, named ? type : NULL, text, strlen(text));
    free(text);
    return sent;
}

bool sse_send_stored(sse *s, const char *type, int64_t sequence, const char *data)
{
    s->sequence = sequence + 1;
    return send_text(s, s->dialect == SSE_RESPONSES ? type : NULL, data, strlen(data));
}

/* By way of the body, which makes UTF-8 of whatever the message holds. */
bool sse_error(sse *s, const api_error *e)
{
    bytes body = { 0 };
    bool sent;

    error_body(e, &body);
    if (s->dialect == SSE_RESPONSES) {
        json_t *root = json_loadb(body.data, body.len, 0, NULL);
        json_t *error = json_incref(json_object_get(root, "error"));

        json_decref(root);
        sent = sse_send(s, "error", error);      /* over the error's own type */
    } else {
        sent = send_text(s, NULL, body.data, body.len);
    }
    bytes_fini(&body);
    return sent;
}

bool sse_end(sse *s)
{
    if (s->dialect == SSE_CHAT) send_text(s, NULL, "[DONE]", 6);
    return reply_end(s->to);
}
