/* log.c - JSON lines. */
#include "serve/log.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "serve/http_text.h"

struct logger {
    int fd;
    log_level level;
    pthread_mutex_t lock;            /* a long line to a pipe may take several writes */
};

logger *log_new(int fd, log_level level)
{
    logger *l = mem_new(sizeof *l);

    l->fd = fd;
    l->level = level;
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void log_free(logger *l)
{
    if (!l) return;
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

static void add_time(bytes *out)
{
    struct timespec now;
    struct tm parts;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    bytes_add_format(out, "{\"time\":\"%s.%03ldZ\"", text, now.tv_nsec / 1000000);
}

static void add_text(bytes *out, const char *text)
{
    bytes clean = { 0 };

    text_add_redacted(&clean, text, strlen(text));
    text_add_json(out, clean.data ? clean.data : "", clean.len);
    bytes_fini(&clean);
}

static void add_field(bytes *out, const log_field *f)
{
    if (f->type == 't' && !f->text) return;
    bytes_add_char(out, ',');
    text_add_json(out, f->key, strlen(f->key));
    bytes_add_char(out, ':');
    if (f->type == 't') add_text(out, f->text);
    else if (f->type == 'b') bytes_add_string(out, f->number ? "true" : "false");
    else if (f->type == 'i') bytes_add_format(out, "%lld", (long long)f->number);
    else if (isfinite(f->real)) bytes_add_format(out, "%.6g", f->real);
    else bytes_add_string(out, "null");
}

void log_write(logger *l, log_level level, const char *event, const log_field *fields)
{
    static const char *const names[] = { "debug", "info", "warning", "error" };
    bytes line = { 0 };
    size_t done = 0;

    if (!l || level < l->level || level >= LOG_OFF) return;
    add_time(&line);
    bytes_add_format(&line, ",\"level\":\"%s\",\"event\":", names[level]);
    add_text(&line, event);
    for (const log_field *f = fields; f->key; f++) add_field(&line, f);
    bytes_add_string(&line, "}\n");
    pthread_mutex_lock(&l->lock);
    while (done < line.len) {
        ssize_t n = write(l->fd, line.data + done, line.len - done);

        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;           /* a log that cannot be written stops nobody */
        done += (size_t)n;
    }
    pthread_mutex_unlock(&l->lock);
    bytes_fini(&line);
}
