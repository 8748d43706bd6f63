/* metrics.c - rows appended one write at a time. */
#include "train/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/jsonfile.h"

#define MAX_ROW ((size_t)64 << 20)       /* bytes of a line */
#define MAX_VALUES ((size_t)4 << 20)     /* of a row */

struct metrics {
    int fd;
    char *path;
    bool sync;
    off_t len;               /* whole rows */
};

/* One line after the other. */
typedef struct lines {
    FILE *file;
    const char *path;
    char *text;
    size_t cap;
    ssize_t len;             /* without the newline */
    bool whole;              /* the newline was there */
    long number;             /* from 1 */
    off_t end;               /* offset behind the line */
} lines;

static status lines_open(lines *l, const char *path, errtext *err)
{
    *l = (lines){ .path = path, .file = fopen(path, "re") };
    return l->file ? OK : fail(err, E_IO, "%s: %s", path, strerror(errno));
}

static void lines_close(lines *l)
{
    if (l->file) fclose(l->file);
    free(l->text);
}

static bool lines_next(lines *l)
{
    l->len = getline(&l->text, &l->cap, l->file);
    if (l->len < 0) return false;
    l->end += l->len;
    l->number++;
    l->whole = l->text[l->len - 1] == '\n';
    if (l->whole) l->text[--l->len] = 0;
    return true;
}

/* The row on the line, or NULL with why it is none. */
static json_t *line_row(const lines *l, errtext *why)
{
    char where[32];
    const json_t *step;
    json_t *row;

    snprintf(where, sizeof where, "line %ld", l->number);
    if (!l->whole || (size_t)l->len > MAX_ROW) {
        fail(why, E_FORMAT, "%s: %s", where, l->whole ? "too long" : "cut off");
        return NULL;
    }
    if (jsonfile_parse(&row, l->text, (size_t)l->len, MAX_VALUES, where, why)) return NULL;
    step = json_object_get(row, "step");
    if (json_is_integer(step) && json_integer_value(step) >= 0) return row;
    fail(why, E_FORMAT, "%s: field \"step\" is missing or no integer from 0 on", where);
    json_decref(row);
    return NULL;
}

/* Go through the file as a resume would see it: *keep is the offset behind the
 * rows that stay when these are one piece at the start, or -1 when rows to be
 * cut lie between them; then the rows that stay are appended to kept (NULL: only
 * look). */
static status survey(const char *path, int64_t last_step, off_t *keep, FILE *kept,
                     errtext *err)
{
    errtext bad = { "" };
    bool cut = false;        /* a line that does not stay was passed */
    lines l;
    status st = lines_open(&l, path, err);

    *keep = 0;
    while (st == OK && lines_next(&l)) {
        errtext why;
        json_t *row = line_row(&l, &why);
        bool stays = row && json_integer_value(json_object_get(row, "step")) <= last_step;

        json_decref(row);
        if (!row && !*bad.text) bad = why;
        if (!stays) {
            cut = true;
            continue;
        }
        if (*bad.text) st = fail(err, E_FORMAT, "%s: %.400s", path, bad.text);
        if (cut) *keep = -1;
        if (*keep >= 0) *keep = l.end;
        if (kept && (fwrite(l.text, 1, (size_t)l.len, kept) != (size_t)l.len ||
                     fputc('\n', kept) == EOF))
            st = fail(err, E_IO, "%s: cannot copy its rows: %s", path, strerror(errno));
    }
    if (st == OK && ferror(l.file)) st = fail(err, E_IO, "%s: %s", path, strerror(errno));
    lines_close(&l);
    return st;
}

/* Rows of an overtaken stretch lie between those that stay: write the latter to
 * PATH.tmp and let it take the place. */
static status rewrite(const char *path, int64_t last_step, errtext *err)
{
    bytes temp = { 0 };
    off_t keep;
    FILE *out;
    status st;

    bytes_add_format(&temp, "%s.tmp", path);
    out = fopen(temp.data, "we");
    if (!out) {
        st = fail(err, E_IO, "%s: %s", temp.data, strerror(errno));
        bytes_fini(&temp);
        return st;
    }
    st = survey(path, last_step, &keep, out, err);
    if (st == OK && (fflush(out) || fsync(fileno(out))))
        st = fail(err, E_IO, "%s: %s", temp.data, strerror(errno));
    if (fclose(out) && st == OK) st = fail(err, E_IO, "%s: %s", temp.data, strerror(errno));
    if (st == OK && rename(temp.data, path))
        st = fail(err, E_IO, "%s: %s", path, strerror(errno));
    if (st == OK) st = file_sync_parent(path, err);
    else unlink(temp.data);
    bytes_fini(&temp);
    return st;
}

status metrics_open(metrics **out, const char *path, int64_t last_step, bool sync,
                    errtext *err)
{
    metrics *m = mem_new(sizeof *m);
    bool there = file_exists(path);
    off_t keep = 0;
    struct stat info;
    status st = OK;

    *out = NULL;
    *m = (metrics){ .fd = -1, .path = mem_string(path), .sync = sync };
    if (there) st = survey(path, last_step, &keep, NULL, err);
    if (st == OK && keep < 0) st = rewrite(path, last_step, err);
    if (st == OK) {
        m->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (m->fd < 0 || (keep >= 0 && ftruncate(m->fd, keep)) || fstat(m->fd, &info))
            st = fail(err, E_IO, "%s: %s", path, strerror(errno));
        else
            m->len = info.st_size;
    }
    if (st == OK && !there) st = file_sync_parent(path, err);
    if (st == OK) *out = m;
    else metrics_close(m);
    return st;
}

void metrics_close(metrics *m)
{
    if (!m) return;
    if (m->fd >= 0) close(m->fd);
    mem_free(m->path);
    mem_free(m);
}

status metrics_sync(metrics *m, errtext *err)
{
    return fdatasync(m->fd) ? fail(err, E_IO, "%s: %s", m->path, strerror(errno)) : OK;
}

/* Signals aside, a write to a file is whole unless the disk is full; what did
 * get through is taken back, so that the next row begins a line. */
static status add_text(metrics *m, const char *text, size_t len, errtext *err)
{
    size_t done = 0;
    status st = OK;

    while (st == OK && done < len) {
        ssize_t n = write(m->fd, text + done, len - done);

        if (n >= 0) done += (size_t)n;
        else if (errno != EINTR) st = fail(err, E_IO, "%s: %s", m->path, strerror(errno));
    }
    if (st == OK) m->len += (off_t)len;
    else if (ftruncate(m->fd, m->len))
        fail(err, E_IO, "%s: a torn row stays at byte %lld: %s", m->path, (long long)m->len,
             strerror(errno));
    return st;
}

status metrics_add(metrics *m, const json_t *row, errtext *err)
{
    const json_t *step = json_object_get(row, "step");
    bytes line = { 0 };
    char *text;
    status st;

    if (!json_is_integer(step) || json_integer_value(step) < 0)
        return fail(err, E_ARG, "%s: a row needs a \"step\", an integer from 0 on", m->path);
    text = json_dumps(row, JSON_COMPACT);
    if (!text) return fail(err, E_ARG, "%s: a row holds text that is not UTF-8", m->path);
    bytes_add_string(&line, text);
    bytes_add_char(&line, '\n');
    free(text);
    st = line.len > MAX_ROW ? fail(err, E_ARG, "%s: a row of %zu bytes", m->path, line.len)
                            : add_text(m, line.data, line.len, err);
    bytes_fini(&line);
    if (st == OK && m->sync) st = metrics_sync(m, err);
    return st;
}

status metrics_read(json_t **rows, const char *path, errtext *err)
{
    lines l;
    status st = lines_open(&l, path, err);

    *rows = NULL;
    if (st != OK) return st;
    *rows = json_array();
    while (st == OK && lines_next(&l)) {
        errtext why;
        json_t *row = line_row(&l, &why);

        if (row) json_array_append_new(*rows, row);
        else if (l.whole) st = fail(err, E_FORMAT, "%s: %.400s", path, why.text);
    }
    if (st == OK && ferror(l.file)) st = fail(err, E_IO, "%s: %s", path, strerror(errno));
    lines_close(&l);
    if (st != OK) {
        json_decref(*rows);
        *rows = NULL;
    }
    return st;
}
