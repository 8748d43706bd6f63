/* gradient_attention.c - runs sorted into trees, and their backward pass shared
 * among threads.
 *
 * An item is one tree of runs and one key head: it alone writes that head's dk
 * and dv of the tree's rows, in the order of runs, so nothing races and the
 * order of every sum follows from the runs. */
#include "tensor/gradient.h"

#include "base/mem.h"
#include "base/status.h"
#include "tensor/cpu/grad.h"
#include "tensor/gradient_internal.h"
#include "tensor/internal.h"

struct attend_call {
    gradient *g;
    grad_attend it;          /* what all items share */
    bool amx;
    int keys;                /* a key tile */
    int n_tree;
    int *order;              /* runs, tree after tree, ascending within one */
    int *first;              /* [n_tree + 1] place of each tree in order */
    int *tile;               /* of run order[i]: tile[i + i_tree]; one more a tree */
    int *seen;               /* [n_tree] most key tiles a query sees */
};

static int key_tiles(const struct attend_call *c, const gradient_run *run)
{
    return (run->n_row + c->keys - 1) / c->keys;
}

static void attend_tree(void *arg, int item, int thread)
{
    const struct attend_call *c = arg;
    grad_attend it = c->it;
    int tree = item / it.n_head_kv, first = c->first[tree];

    it.head_kv = item % it.n_head_kv;
    it.tree = c->order + first;
    it.n_tree = c->first[tree + 1] - first;
    it.tile = c->tile + first + tree;
    it.n_seen = c->seen[tree];
    it.work = c->g->work[thread].p;
#if defined(__x86_64__)
    if (c->amx) {
        grad_attend_amx(&it);
        return;
    }
#endif
    switch (tensor_level()) {
#if defined(__x86_64__)
    case CPU_AMX:
    case CPU_AVX512: grad_attend_avx512(&it); break;
    case CPU_AVX2: grad_attend_avx2(&it); break;
#endif
    default: grad_attend_scalar(&it);
    }
}

/* Fill first, order, at, tile and seen; gives the bytes of the largest item. */
static size_t sort_trees(struct attend_call *c, int n_run, int n_row, int *at)
{
    const gradient_run *runs = c->it.runs;
    int *count = mem_array((size_t)n_run + 1, sizeof *count);
    int *sees = mem_array((size_t)n_run, sizeof *sees);
    int *root = mem_array((size_t)n_run, sizeof *root);
    size_t most = 0;

    for (int i = 0; i < n_run; i++) {
        const gradient_run *r = &runs[i];

        CHECK(r->n_row >= 0 && r->row >= 0 && r->row + r->n_row <= n_row);
        CHECK(r->parent < i && (r->parent < 0) == (r->first_pos == 0));
        sees[i] = key_tiles(c, r);
        if (r->parent < 0) {
            root[i] = c->n_tree++;
        } else {
            const gradient_run *up = &runs[r->parent];

            CHECK(up->first_pos + up->n_row == r->first_pos);
            root[i] = root[r->parent];
            sees[i] += sees[r->parent];
        }
        count[root[i] + 1]++;
    }
    for (int t = 0; t < c->n_tree; t++) {
        count[t + 1] += count[t];
        c->first[t + 1] = count[t + 1];
    }
    for (int i = 0; i < n_run; i++) {
        int t = root[i], place = count[t]++;

        c->order[place] = i;
        at[i] = place - c->first[t];
        c->tile[place + t + 1] = (at[i] ? c->tile[place + t] : 0) + key_tiles(c, &runs[i]);
        if (sees[i] > c->seen[t]) c->seen[t] = sees[i];
    }
    for (int t = 0; t < c->n_tree; t++) {
        int n_tile = c->tile[c->first[t + 1] + t], d = c->it.d_head;
        size_t bytes = grad_attend_floats(n_tile, c->seen[t], d) * 4;

#if defined(__x86_64__)
        if (c->amx) bytes = grad_attend_amx_bytes(n_tile, c->seen[t], d);
#endif
        most = bytes > most ? bytes : most;
    }
    mem_free(count);
    mem_free(sees);
    mem_free(root);
    return most;
}

void gradient_attention(gradient *g, pool *threads, const gradient_run *runs, int n_run,
                        int n_row, int n_head, int n_head_kv, int d_head, const float *q,
                        const float *k, const float *v, const float *out, const float *dout,
                        float *dq, float *dk, float *dv)
{
    size_t n = (size_t)n_run;
    int *lists = mem_array(6 * n + 1, sizeof *lists);
    struct attend_call c = { .g = g, .order = lists, .first = lists + n,
                             .tile = lists + 2 * n + 1, .seen = lists + 4 * n + 1 };
    int *at = lists + 5 * n + 1;
    size_t bytes;

    CHECK(n_head > 0 && n_head_kv > 0 && d_head > 0 && n_head % n_head_kv == 0);
    c.it = (grad_attend){ .runs = runs, .at = at, .n_head = n_head, .n_head_kv = n_head_kv,
                          .d_head = d_head, .q = q, .k = k, .v = v, .out = out,
                          .dout = dout, .dq = dq, .dk = dk, .dv = dv };
    c.amx = g->bf16 && tensor_level() == CPU_AMX;
    c.keys = c.amx ? GRAD_ATTEND_UNIT : SQUARE;
    bytes = sort_trees(&c, n_run, n_row, at);
    gradient_grow_work(g, pool_threads(threads), bytes);
    pool_run(threads, attend_tree, &c, c.n_tree * n_head_kv);
    mem_free(lists);
}
