/* errors.c - error bodies. */
#include "serve/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "serve/http_text.h"

static void set(api_error *e, int http, const char *type, const char *code,
                const char *param, const char *format, va_list args)
{
    *e = (api_error){ .status = http, .type = type, .code = code };
    snprintf(e->param, sizeof e->param, "%s", param ? param : "");
    vsnprintf(e->message, sizeof e->message, format, args);
}

bool error_set(api_error *e, int http, const char *type, const char *code,
               const char *param, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(e, http, type, code, param, format, args);
    va_end(args);
    return false;
}

bool error_bad(api_error *e, const char *param, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(e, 400, ERROR_INVALID, NULL, param, format, args);
    va_end(args);
    return false;
}

bool error_bad_code(api_error *e, const char *code, const char *param, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(e, 400, ERROR_INVALID, code, param, format, args);
    va_end(args);
    return false;
}

bool error_not_found(api_error *e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(e, 404, ERROR_INVALID, NULL, NULL, format, args);
    va_end(args);
    return false;
}

bool error_from_status(api_error *e, status st, const errtext *err)
{
    switch (st) {
    case E_ARG:
    case E_FORMAT:
    case E_LIMIT:
    case E_UNSUPPORTED:
        return error_bad(e, NULL, "%s", err->text);
    default:
        return error_set(e, 500, ERROR_SERVER, NULL, NULL,
                         "The server had an error while processing your request.");
    }
}

static void add_or_null(bytes *out, const char *key, const char *text)
{
    bytes_add_format(out, ",\"%s\":", key);
    if (text && *text) text_add_json(out, text, strlen(text));
    else bytes_add_string(out, "null");
}

void error_body(const api_error *e, bytes *out)
{
    bytes_add_string(out, "{\"error\":{\"message\":");
    text_add_json(out, e->message, strlen(e->message));
    add_or_null(out, "type", e->type);
    add_or_null(out, "param", e->param);
    add_or_null(out, "code", e->code);
    bytes_add_string(out, "}}");
}
