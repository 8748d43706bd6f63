/* log.h - one JSON object a line.
 *
 *   {"time":"2026-11-20T10:00:00.123Z","level":"info","event":"request",...}
 *
 * Each line is one write, so lines of many threads never mix. Headers are never
 * logged, and what looks like a key is taken out of every value. */
#ifndef SERVE_LOG_H
#define SERVE_LOG_H

#include <stdint.h>

typedef enum log_level { LOG_DEBUGGING, LOG_NOTE, LOG_WARN, LOG_ERROR, LOG_OFF } log_level;

typedef struct logger logger;

/* Write lines of at least this level to fd, which is borrowed. */
logger *log_new(int fd, log_level level);
void log_free(logger *l);                        /* accepts NULL */

typedef struct log_field {
    const char *key;         /* NULL ends the fields */
    char type;
    const char *text;
    int64_t number;
    double real;
} log_field;

static inline log_field log_text(const char *key, const char *text)
{
    return (log_field){ .key = key, .type = 't', .text = text };
}

static inline log_field log_int(const char *key, int64_t number)
{
    return (log_field){ .key = key, .type = 'i', .number = number };
}

static inline log_field log_real(const char *key, double real)
{
    return (log_field){ .key = key, .type = 'r', .real = real };
}

static inline log_field log_bool(const char *key, int yes)
{
    return (log_field){ .key = key, .type = 'b', .number = yes };
}

/* LOG(l, LOG_NOTE, "request", log_text("id", id), log_int("status", 200));
 * l may be NULL. A text that is NULL is left out. */
#define LOG(l, level, event, ...) \
    log_write((l), (level), (event), (const log_field[]){ __VA_ARGS__, { 0 } })

void log_write(logger *l, log_level level, const char *event, const log_field *fields);

#endif
