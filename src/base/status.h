/* status.h - how a call reports what the world did to it.
 *
 * Three kinds of trouble, three answers. Our own mistake: CHECK, which aborts.
 * A small host allocation that fails: mem_new aborts. The world (a file, a
 * request, a socket): the call returns a status and explains it in errtext. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stdbool.h>

typedef enum status {
    OK = 0,
    E_IO,          /* cannot be read or written */
    E_FORMAT,      /* contents contradict themselves or the format */
    E_LIMIT,       /* larger than memory, a file or a declared bound allows */
    E_ARG,         /* the caller asked for something out of range */
    E_UNSUPPORTED, /* well formed, but not something this program does */
    E_INTERRUPTED, /* stopped by a signal or by the caller */
} status;

/* One line of explanation: names the file, field, offset or token at fault. */
typedef struct errtext {
    char text[512];
} errtext;

/* Write the explanation and hand the status back, so that a leaf can write
 * `return fail(err, E_FORMAT, "%s: ...", path)`. err may be NULL. */
status fail(errtext *err, status st, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *status_name(status st);

/* Abort with file, line and the broken expectation. Always on. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
void check_failed(const char *cond, const char *file, int line)
    __attribute__((noreturn));

#endif
