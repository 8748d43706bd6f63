/* reference.c - a frozen model reading packed rows. */
#include "train/reference.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "tensor/logits.h"

#define PIECE_ROWS 256           /* rows of one pass, whose logits are held */

struct reference {
    model *model;
    workspace *ws;
    kv_cache *kv;
    int32_t **lists;             /* [cap_run] pages of each run's past and rows */
    int cap_run, n_page;
};

status reference_open(reference **out, const weights *w, int type, pool *threads, int max_row,
                      errtext *err)
{
    reference *x = mem_new(sizeof *x);
    status st = model_new(&x->model, w, type, threads, err);

    *out = NULL;
    if (st != OK) {
        reference_close(x);
        return st;
    }
    x->ws = workspace_new(x->model, PIECE_ROWS, PIECE_ROWS);
    /* A run begins a page of its own and may leave its last one part empty; a
     * row a run is the worst. */
    x->n_page = max_row;
    x->kv = model_kv_new(x->model, x->n_page);
    *out = x;
    return OK;
}

void reference_close(reference *r)
{
    if (!r) return;
    for (int i = 0; i < r->cap_run; i++) mem_free(r->lists[i]);
    mem_free(r->lists);
    workspace_free(r->ws);
    kv_free(r->kv);
    model_free(r->model);
    mem_free(r);
}

/* Page lists of all runs: the parents' pages, then new ones. */
static void place_runs(reference *x, const pack *p)
{
    int next = 0;

    if (p->n_run > x->cap_run) {
        x->lists = mem_resize(x->lists, (size_t)p->n_run, sizeof *x->lists);
        for (int i = x->cap_run; i < p->n_run; i++) x->lists[i] = NULL;
        x->cap_run = p->n_run;
    }
    for (int i = 0; i < p->n_run; i++) {
        const gradient_run *run = &p->runs[i];
        const int shared = run->first_pos / KV_PAGE;
        const int n = (run->first_pos + run->n_row + KV_PAGE - 1) / KV_PAGE;

        x->lists[i] = mem_resize(x->lists[i], (size_t)n, sizeof **x->lists);
        for (int k = 0; k < n; k++)
            x->lists[i][k] = k < shared ? x->lists[run->parent][k] : next++;
        CHECK(next <= x->n_page);
    }
}

void reference_log_probs(reference *x, pool *threads, const pack *p, float temperature,
                         float *out)
{
    const int n_vocab = model_config(x->model)->n_vocab;
    const cpu_level level = cpu_detect();
    int target = 0;

    place_runs(x, p);
    for (int i = 0; i < p->n_run; i++) {
        const gradient_run *run = &p->runs[i];

        for (int from = 0; from < run->n_row; from += PIECE_ROWS) {
            const int n = run->n_row - from < PIECE_ROWS ? run->n_row - from : PIECE_ROWS;
            const attend_run one = { x->lists[i], run->first_pos + from, n, 0 };
            forward_batch b = { .n_row = n, .ids = p->ids + run->row + from, .n_run = 1,
                                .runs = &one };
            const int first = target, row = run->row + from;
            int32_t rows[PIECE_ROWS];
            const float *logits;

            /* Targets come in the order of their rows. */
            for (; target < p->n_target && p->targets[target].row < row + n; target++)
                rows[b.n_out++] = p->targets[target].row - row;
            b.out = rows;
            logits = model_forward(x->model, x->ws, x->kv, threads, &b);
            for (int k = 0; k < b.n_out; k++, logits += n_vocab) {
                const logits_norm norm = logits_normalise(level, logits, n_vocab, temperature);

                out[first + k] = logits_log_prob(&norm, logits[p->targets[first + k].id]);
            }
        }
    }
    CHECK(target == p->n_target);
}
