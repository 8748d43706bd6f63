/* status.c - error texts and failed expectations. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

status fail(errtext *err, status st, const char *format, ...)
{
    if (err) {
        va_list args;

        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return st;
}

const char *status_name(status st)
{
    switch (st) {
    case OK: return "ok";
    case E_IO: return "input/output error";
    case E_FORMAT: return "bad format";
    case E_LIMIT: return "limit exceeded";
    case E_ARG: return "bad argument";
    case E_UNSUPPORTED: return "not supported";
    case E_INTERRUPTED: return "interrupted";
    }
    return "unknown status";
}

void check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "ponder: %s:%d: expected %s\n", file, line, cond);
    abort();
}
