/* errors.h - the one shape of every answer that is not a success:
 *
 *   {"error":{"message":"...","type":"...","param":null,"code":null}}
 *
 * with all four keys, always. */
#ifndef SERVE_ERRORS_H
#define SERVE_ERRORS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"

typedef struct api_error {
    int status;              /* of HTTP; 0: no error */
    const char *type;        /* literals of static life: "invalid_request_error", */
    const char *code;        /* "model_not_found"; NULL is null */
    char param[200];         /* name of the field at fault; "" is null */
    char message[1200];
    double retry_after_s;    /* above 0: sent as retry-after */
    bool never_retry;        /* sends x-should-retry: false */
} api_error;

#define ERROR_INVALID "invalid_request_error"
#define ERROR_SERVER "server_error"

/* Fill an error. param and code may be NULL. Returns false, so that a check can
 * be written `return error_set(...)`. */
bool error_set(api_error *e, int http, const char *type, const char *code,
               const char *param, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* 400 invalid_request_error about a field. */
bool error_bad(api_error *e, const char *param, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 400 with a code: "unsupported_parameter", "unsupported_value", ... */
bool error_bad_code(api_error *e, const char *code, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

bool error_not_found(api_error *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* From the world's: E_ARG, E_FORMAT and E_LIMIT are the request's fault (400),
 * E_UNSUPPORTED too, all others the server's (500). A server's fault is told in
 * the log; its client reads only that there was one. */
bool error_from_status(api_error *e, status st, const errtext *err);

/* The body; valid JSON whatever the message holds. */
void error_body(const api_error *e, bytes *out);

#endif
