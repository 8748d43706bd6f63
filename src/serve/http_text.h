/* http_text.h - the small text forms of HTTP and its neighbours. */
#ifndef SERVE_HTTP_TEXT_H
#define SERVE_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* Add a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so
 * whatever a client sent can be quoted back to it or written to a log. */
void text_add_json(bytes *out, const char *s, size_t len);

/* Undo percent escapes; with plus, '+' is a space (queries, not paths). The
 * caller frees *out. False when an escape is cut short, is not hexadecimal or
 * stands for NUL. */
bool text_percent_decode(char **out, const char *s, size_t len, bool plus);

/* A duration as Go writes it, the form of x-ratelimit-reset-*: "120ms", "1.5s",
 * "6m0s", "1h2m3s". Rounded up to a millisecond. */
void text_duration(char out[32], double seconds);

/* The reason phrase of a status, "" when unknown. */
const char *text_reason(int status);

/* Copy s without what looks like a key: "sk-..." and what follows "Bearer ". */
void text_add_redacted(bytes *out, const char *s, size_t len);

#endif
