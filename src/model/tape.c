/* tape.c - the forward of a trainer, and log-probs from its rows. */
#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "model/learn.h"
#include "tensor/rows.h"

#define HEAD_BYTES (32 << 20)        /* of the logits made at a time */

static int most(int a, int b)
{
    return a > b ? a : b;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static float *rows_of(int n_row, int n)
{
    return mem_aligned((size_t)n_row * (size_t)most(n, 1) * sizeof(float));
}

tape *tape_new(trainable *t, int max_row)
{
    const config *c = &t->m->config;
    tape *p = mem_new(sizeof *p);
    int n_q = c->n_head * c->d_head, n_kv = c->n_head_kv * c->d_head;
    int rank = t->options.lora_rank, slots = max_row * most(c->n_expert_used, 1);

    CHECK(max_row > 0);
    p->t = t;
    p->max_row = max_row;
    p->head_rows = least(most(HEAD_BYTES / 4 / c->n_vocab / 16 * 16, 64), ROW_BLOCK);
    p->head_rows = least(p->head_rows, max_row);
    p->ws = workspace_new_kept(t->m, max_row, p->head_rows);
    /* Layers run one after the other and each reads its own keys alone. */
    p->kv = kv_new(t->m->kv, 1, c->n_head_kv, c->d_head, max_row);
    p->g = gradient_new(t->bf16);
    p->ids = mem_array((size_t)max_row, sizeof *p->ids);
    p->hidden = rows_of(max_row, c->d_model);
    p->dx = rows_of(max_row, c->d_model);
    p->dnormed = rows_of(max_row, c->d_model);
    p->normed = rows_of(max_row, c->d_model);
    p->dhidden = rows_of(least(max_row, ROW_BLOCK), c->d_ff);
    p->dq = rows_of(max_row, n_q);
    p->datt = rows_of(max_row, n_q);
    p->dk = rows_of(max_row, n_kv);
    p->dv = rows_of(max_row, n_kv);
    if (rank) {
        p->low = rows_of(slots, rank);
        p->dlow = rows_of(slots, rank);
    }
    for (int i = 0; i < N_LINEAR; i++) p->frozen_of[i] = -1;
    p->by_id = mem_array((size_t)max_row, sizeof *p->by_id);
    p->first_of_id = mem_array((size_t)c->n_vocab + 1, sizeof *p->first_of_id);
    p->head_rows_in = rows_of(p->head_rows, c->d_model);
    p->head_rows_out = rows_of(p->head_rows, c->d_model);
    if (c->n_expert) {
        p->slot_rows = rows_of(slots, c->d_model);
        p->slot_out = rows_of(slots, c->d_model);
        p->slot_hidden = rows_of(slots, c->d_ff_expert);
        p->slot_dhidden = rows_of(slots, c->d_ff_expert);
        p->dshare = rows_of(slots, 1);
        p->dscores = rows_of(max_row, c->n_expert);
    }
    return p;
}

size_t tape_row_bytes(const trainable *t)
{
    const config *c = &t->m->config;
    size_t d = (size_t)c->d_model, used = (size_t)c->n_expert_used;
    size_t qkv = (size_t)((c->n_head + 2 * c->n_head_kv) * c->d_head);
    size_t att = (size_t)(c->n_head * c->d_head), rank = (size_t)t->options.lora_rank;
    size_t n = 4 * d + 2 * qkv + used * (3 * d + 3 * (size_t)c->d_ff_expert);

    for (int i = 0; i < c->n_layer; i++) {
        const layer *y = &t->m->layers[i];

        n += 2 * d + qkv + att + (y->q_norm ? qkv : 0);
        n += y->router ? (size_t)c->n_expert + used * (2 * (size_t)c->d_ff_expert + 4)
                       : 2 * (size_t)c->d_ff;
        n += rank * (y->router ? 4 + N_EXPERT_SLOT * used : N_LINEAR);
    }
    return n * sizeof(float);
}

void tape_free(tape *p)
{
    if (!p) return;
    float *floats[] = { p->hidden, p->dx, p->dnormed, p->normed, p->dhidden, p->dq, p->datt, p->dk,
                        p->dv, p->low, p->dlow, p->frozen_output, p->frozen_expert, p->head_rows_in,
                        p->head_rows_out, p->slot_rows, p->slot_out, p->slot_hidden, p->slot_dhidden,
                        p->dshare, p->dscores };

    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) mem_free(floats[i]);
    for (int i = 0; i < N_LINEAR; i++) mem_free(p->frozen[i]);
    workspace_free(p->ws);
    kv_free(p->kv);
    gradient_free(p->g);
    mem_free(p->ids);
    mem_free(p->runs);
    mem_free(p->attend);
    mem_free(p->pages);
    mem_free(p->by_id);
    mem_free(p->first_of_id);
    mem_free(p);
}

/* ---- forward ---- */

static int pages_for(int n_row)
{
    return (n_row + KV_PAGE - 1) / KV_PAGE;
}

/* A run's page list is its parent's, whole, and pages of its own. */
static void place_runs(tape *p, const tape_batch *b)
{
    size_t n = 0;
    int next = 0;

    if (b->n_run > p->cap_run) {
        p->cap_run = b->n_run;
        p->runs = mem_resize(p->runs, (size_t)b->n_run, sizeof *p->runs);
        p->attend = mem_resize(p->attend, (size_t)b->n_run, sizeof *p->attend);
    }
    for (int i = 0; i < b->n_run; i++) {
        const gradient_run *r = &b->runs[i];

        CHECK(r->n_row > 0 && r->first_pos >= 0 && r->first_pos % KV_PAGE == 0);
        CHECK(r->parent >= -1 && r->parent < i && (r->parent < 0) == (r->first_pos == 0));
        if (r->parent >= 0)
            CHECK(b->runs[r->parent].first_pos + b->runs[r->parent].n_row == r->first_pos);
        n += (size_t)(r->first_pos / KV_PAGE + pages_for(r->n_row));
    }
    if (n > p->cap_pages) {
        p->cap_pages = n;
        p->pages = mem_resize(p->pages, n, sizeof *p->pages);
    }
    n = 0;
    for (int i = 0; i < b->n_run; i++) {
        const gradient_run *r = &b->runs[i];
        int32_t *list = p->pages + n;
        int shared = r->first_pos / KV_PAGE;

        if (shared)
            memcpy(list, p->attend[r->parent].pages, (size_t)shared * sizeof *list);
        for (int k = 0; k < pages_for(r->n_row); k++) list[shared + k] = next++;
        n += (size_t)(shared + pages_for(r->n_row));
        p->runs[i] = *r;
        p->attend[i] = (attend_run){ list, r->first_pos, r->n_row, r->row };
    }
    p->n_run = b->n_run;
}

void tape_forward(tape *p, pool *threads, const tape_batch *b)
{
    forward_batch batch = { .n_row = b->n_row, .ids = p->ids, .n_run = b->n_run };

    CHECK(b->n_row > 0 && b->n_row <= p->max_row);
    place_runs(p, b);
    memcpy(p->ids, b->ids, (size_t)b->n_row * sizeof *p->ids);
    p->n_row = b->n_row;
    p->hidden_made = p->spent = false;
    batch.runs = p->attend;
    model_forward(p->t->m, p->ws, p->kv, threads, &batch);
}

/* ---- normed rows ---- */

typedef struct norm_call {
    const tape *p;
    const float *x, *scale;
    int n_row;
    float *out;
} norm_call;

static void norm_rows(void *arg, int item, int thread)
{
    const norm_call *c = arg;
    const config *g = &c->p->t->m->config;
    size_t d = (size_t)g->d_model;

    (void)thread;
    FOR_ROWS(r, item, c->n_row)
        norm_rms(c->x + (size_t)r * d, c->scale, g->norm_eps, g->d_model, c->out + (size_t)r * d);
}

static void norm_all(tape *p, pool *threads, const float *x, const float *scale,
                     int n_row, float *out)
{
    norm_call c = { p, x, scale, n_row, out };

    pool_run(threads, norm_rows, &c, (n_row + ROW_CHUNK - 1) / ROW_CHUNK);
}

void renorm(tape *p, pool *threads, const float *x, const float *scale, int n_row)
{
    norm_all(p, threads, x, scale, n_row, p->normed);
}

const float *tape_hidden(tape *p, pool *threads)
{
    const model *m = p->t->m;

    CHECK(p->n_row > 0);
    if (!p->hidden_made)
        norm_all(p, threads, p->ws->kept[m->config.n_layer].x, m->output_norm, p->n_row,
                 p->hidden);
    p->hidden_made = true;
    return p->hidden;
}
