/* merge.c - sums of base values and products of adapters.
 *
 * Both sets of parameters keep the rows of a matrix in the same order (param in
 * backward.h), so they add up row by row whatever order the file has. */
#include "train/merge.h"

#include <string.h>

#include "base/mem.h"

typedef struct merging {
    const param *a, *b;
    param *sum;
    float scale;
} merging;

static param *find(trainable *t, const char *name, size_t len, const char *suffix)
{
    for (int i = 0; i < trainable_count(t); i++) {
        param *p = trainable_param(t, i);

        if (!strncmp(p->name, name, len) && !strcmp(p->name + len, suffix)) return p;
    }
    return NULL;
}

static void add_row(void *arg, int row, int thread)
{
    const merging *m = arg;
    const int rank = m->a->n_out, n = m->a->n_in;
    float *out = m->sum->value + (size_t)row * (size_t)n;

    (void)thread;
    for (int k = 0; k < rank; k++) {
        const float factor = m->scale * m->b->value[(size_t)row * (size_t)rank + (size_t)k];
        const float *a = m->a->value + (size_t)k * (size_t)n;

        for (int c = 0; c < n; c++) out[c] += factor * a[c];
    }
}

static void add_all(trainable *full, trainable *adapters, const trainable_options *o,
                    pool *threads)
{
    for (int i = 0; i < trainable_count(adapters); i++) {
        merging m = { .a = trainable_param(adapters, i),
                      .scale = o->lora_alpha / (float)o->lora_rank };
        const char *end = strstr(m.a->name, ".lora_a");

        if (!end) continue;
        m.b = find(adapters, m.a->name, (size_t)(end - m.a->name), ".lora_b");
        m.sum = find(full, m.a->name, (size_t)(end - m.a->name), "");
        CHECK(m.b && m.sum && m.sum->n_in == m.a->n_in && m.sum->n_out == m.b->n_out);
        pool_run(threads, add_row, &m, m.sum->n_out);
    }
}

status merge_write(trainable *adapters, const trainable_options *o, const weights *w,
                   dtype type, const char *path, pool *threads, errtext *err)
{
    const trainable_options all = { 0 };
    model *m = NULL;
    trainable *full = NULL;
    status st = model_new(&m, w, DTYPE_F32, threads, err);

    if (st == OK) st = trainable_new(&full, m, w, &all, err);
    if (st == OK) {
        add_all(full, adapters, o, threads);
        st = trainable_write(full, w, type, path, err);
    }
    trainable_free(full);
    model_free(m);
    return st;
}
