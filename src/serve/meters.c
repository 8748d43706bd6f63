/* meters.c - families and series. */
#include "serve/meters.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/status.h"

#define MAX_BOUND 24
#define N_BUCKET 1024                /* of the hash table */

typedef struct family family;

typedef struct series {
    struct series *next_hashed, *next_in_family;
    family *of;
    char *labels;
    double value;                    /* or the sum */
    double count;
    double buckets[];
} series;

struct family {
    const char *name, *help;
    meter_type type;
    const double *bounds;
    int n_bound;
    series *first;
    series **last;
};

struct meters {
    pthread_mutex_t lock;
    family *families;
    int n_family;
    series *hashed[N_BUCKET];
    int n_series;
    double n_dropped;
};

meters *meters_new(void)
{
    meters *m = mem_new(sizeof *m);

    pthread_mutex_init(&m->lock, NULL);
    m->families = mem_array(128, sizeof *m->families);
    return m;
}

void meters_free(meters *m)
{
    if (!m) return;
    for (int i = 0; i < m->n_family; i++) {
        for (series *s = m->families[i].first, *next; s; s = next) {
            next = s->next_in_family;
            mem_free(s->labels);
            mem_free(s);
        }
    }
    pthread_mutex_destroy(&m->lock);
    mem_free(m->families);
    mem_free(m);
}

void meters_declare(meters *m, const char *name, const char *help, meter_type type,
                     const double *bounds, int n_bound)
{
    family *f;

    CHECK(n_bound <= MAX_BOUND);
    pthread_mutex_lock(&m->lock);
    CHECK(m->n_family < 128);        /* fixed: series point at their family */
    f = &m->families[m->n_family++];
    *f = (family){ .name = name, .help = help, .type = type, .bounds = bounds,
                   .n_bound = n_bound };
    f->last = &f->first;
    pthread_mutex_unlock(&m->lock);
}

static unsigned hash(const char *a, const char *b)
{
    unsigned h = 2166136261u;

    for (; *a; a++) h = (h ^ (unsigned char)*a) * 16777619u;
    for (; *b; b++) h = (h ^ (unsigned char)*b) * 16777619u;
    return h % N_BUCKET;
}

/* NULL when there are too many series. */
static series *series_of(meters *m, const char *name, const char *labels)
{
    unsigned h = hash(name, labels);
    family *f = NULL;
    series *s;

    for (s = m->hashed[h]; s; s = s->next_hashed)
        if (!strcmp(s->of->name, name) && !strcmp(s->labels, labels)) return s;
    for (int i = 0; i < m->n_family && !f; i++)
        if (!strcmp(m->families[i].name, name)) f = &m->families[i];
    CHECK(f != NULL);
    if (m->n_series == METERS_MAX_SERIES) {
        m->n_dropped++;
        return NULL;
    }
    m->n_series++;
    s = mem_new(sizeof *s + (size_t)f->n_bound * sizeof *s->buckets);
    s->of = f;
    s->labels = mem_string(labels);
    s->next_hashed = m->hashed[h];
    m->hashed[h] = s;
    *f->last = s;
    f->last = &s->next_in_family;
    return s;
}

void meters_add(meters *m, const char *name, const char *labels, double x)
{
    series *s;

    pthread_mutex_lock(&m->lock);
    if ((s = series_of(m, name, labels))) s->value += x;
    pthread_mutex_unlock(&m->lock);
}

void meters_set(meters *m, const char *name, const char *labels, double x)
{
    series *s;

    pthread_mutex_lock(&m->lock);
    if ((s = series_of(m, name, labels))) s->value = x;
    pthread_mutex_unlock(&m->lock);
}

void meters_observe(meters *m, const char *name, const char *labels, double x)
{
    series *s;

    pthread_mutex_lock(&m->lock);
    if ((s = series_of(m, name, labels))) {
        s->value += x;
        s->count++;
        for (int i = 0; i < s->of->n_bound; i++)
            if (x <= s->of->bounds[i]) s->buckets[i]++;
    }
    pthread_mutex_unlock(&m->lock);
}

void meters_labels(char out[METERS_MAX_LABELS], const char *name, ...)
{
    size_t n = 0;
    va_list args;

    va_start(args, name);
    for (; name; name = va_arg(args, const char *)) {
        const char *value = va_arg(args, const char *);
        size_t start = n;
        bool fits = n + strlen(name) + 8 < METERS_MAX_LABELS;

        if (fits) n += (size_t)sprintf(out + n, "%s%s=\"", n ? "," : "", name);
        for (; fits && *value; value++) {
            char escape = *value == '\n' ? 'n' : *value == '"' || *value == '\\' ? *value : 0;

            fits = n + 4 < METERS_MAX_LABELS;
            if (!fits) break;
            if (escape) out[n++] = '\\';
            out[n++] = escape ? escape : *value;
        }
        if (fits) out[n++] = '"';
        else n = start;              /* too long: left out whole */
    }
    va_end(args);
    out[n] = 0;
}

static void add_number(bytes *out, double x)
{
    if (isinf(x)) bytes_add_string(out, x > 0 ? "+Inf\n" : "-Inf\n");
    else if (isnan(x)) bytes_add_string(out, "NaN\n");
    else if (x == floor(x) && fabs(x) < 1e15) bytes_add_format(out, "%.0f\n", x);
    else bytes_add_format(out, "%.9g\n", x);
}

static void add_line(bytes *out, const char *name, const char *suffix, const char *labels,
                     const char *more, double x)
{
    bytes_add_format(out, "%s%s", name, suffix);
    if (*labels || *more)
        bytes_add_format(out, "{%s%s%s}", labels, *labels && *more ? "," : "", more);
    bytes_add_char(out, ' ');
    add_number(out, x);
}

static void add_series(bytes *out, const family *f, const series *s)
{
    if (f->type != METER_HISTOGRAM) {
        add_line(out, f->name, "", s->labels, "", s->value);
        return;
    }
    for (int i = 0; i < f->n_bound; i++) {
        char le[40];

        snprintf(le, sizeof le, "le=\"%.9g\"", f->bounds[i]);
        add_line(out, f->name, "_bucket", s->labels, le, s->buckets[i]);
    }
    add_line(out, f->name, "_bucket", s->labels, "le=\"+Inf\"", s->count);
    add_line(out, f->name, "_sum", s->labels, "", s->value);
    add_line(out, f->name, "_count", s->labels, "", s->count);
}

void meters_write(meters *m, bytes *out)
{
    static const char *const types[] = { "counter", "gauge", "histogram" };

    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < m->n_family; i++) {
        const family *f = &m->families[i];

        bytes_add_format(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
                         types[f->type]);
        for (const series *s = f->first; s; s = s->next_in_family) add_series(out, f, s);
    }
    if (m->n_dropped > 0) {
        bytes_add_string(out, "# TYPE ponder_metrics_dropped_total counter\n");
        add_line(out, "ponder_metrics_dropped_total", "", "", "", m->n_dropped);
    }
    pthread_mutex_unlock(&m->lock);
}
