/* sse.h - server-sent events, in the two dialects of the API.
 *
 * Chat Completions: "data: {json}", and "data: [DONE]" at the end. Responses:
 * "event: TYPE" before the data, which holds the same type and a sequence_number
 * that counts from 0, and no [DONE]. Format: html.spec.whatwg.org, 9.2. */
#ifndef SERVE_SSE_H
#define SERVE_SSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "serve/http.h"

typedef enum sse_dialect { SSE_CHAT, SSE_RESPONSES } sse_dialect;

typedef struct sse {
    reply *to;               /* borrowed */
    sse_dialect dialect;
    int64_t sequence;        /* of the next event */
} sse;

/* Begin the stream. False when the reply has been answered or the client is gone;
 * the other calls then do nothing, too. */
bool sse_begin(sse *s, reply *to, sse_dialect dialect, int64_t first_sequence);

/* Send an event; takes the object's reference. In SSE_RESPONSES its "type" and
 * "sequence_number" are set here. False when the client is gone. */
bool sse_send(sse *s, const char *type, json_t *data);

/* The same for JSON text that holds type and number already, from a log of
 * events; its number is `sequence`, and the next one follows it. */
bool sse_send_stored(sse *s, const char *type, int64_t sequence, const char *data);

/* An error in mid-stream. */
bool sse_error(sse *s, const api_error *e);

bool sse_end(sse *s);        /* with [DONE] in SSE_CHAT */

/* One event as bytes. A line break in data starts another data line, so nothing
 * in it can end the event. type may be NULL. */
void sse_format(bytes *out, const char *type, const char *data, size_t len);

#endif
