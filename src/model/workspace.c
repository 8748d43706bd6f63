/* workspace.c - the memory of a pass.
 *
 * Two shapes of one thing: sampling overwrites its rows layer by layer, a
 * trainer's workspace keeps them all. Memory is resident once touched, so a
 * generous max_row costs address space only. */
#include "base/mem.h"
#include "base/status.h"
#include "model/pass.h"

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

/* The buffers of one layer. */
static kept_layer layer_rows(const model *m, int max_row, bool dense, bool sparse, bool raw)
{
    const config *c = &m->config;
    int n_q = c->n_head * c->d_head, n_kv = c->n_head_kv * c->d_head;
    size_t slots = (size_t)max_row * (size_t)c->n_expert_used;
    kept_layer k = { 0 };

    k.x = rows_of(max_row, c->d_model);
    k.mid = rows_of(max_row, c->d_model);
    k.q_raw = raw ? rows_of(max_row, n_q) : NULL;
    k.k_raw = raw ? rows_of(max_row, n_kv) : NULL;
    k.q = rows_of(max_row, n_q);
    k.k = rows_of(max_row, n_kv);
    k.v = rows_of(max_row, n_kv);
    k.att = rows_of(max_row, n_q);
    if (dense) {
        k.gate = rows_of(max_row, c->d_ff);
        k.up = rows_of(max_row, c->d_ff);
    }
    if (sparse) {
        k.scores = rows_of(max_row, c->n_expert);
        k.chosen = mem_array(slots, sizeof *k.chosen);
        k.share = mem_array(slots, sizeof *k.share);
        k.rows = mem_array(slots, sizeof *k.rows);
        k.first = mem_array((size_t)c->n_expert + 1, sizeof *k.first);
        k.place = mem_array(slots, sizeof *k.place);
        k.expert_gate = rows_of(max_row * c->n_expert_used, c->d_ff_expert);
        k.expert_up = rows_of(max_row * c->n_expert_used, c->d_ff_expert);
    }
    return k;
}

static void layer_rows_free(kept_layer *k)
{
    float *floats[] = { k->x, k->mid, k->q_raw, k->k_raw, k->q, k->k, k->v, k->att, k->gate, k->up,
                        k->scores, k->share, k->expert_gate, k->expert_up };
    int32_t *ints[] = { k->chosen, k->rows, k->first, k->place };

    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) mem_free(floats[i]);
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) mem_free(ints[i]);
    for (int i = 0; i < N_LINEAR; i++) mem_free(k->low[i]);
    for (int i = 0; i < N_EXPERT_SLOT; i++) mem_free(k->expert_low[i]);
}

/* What both shapes have: all but the rows of layers. */
static workspace *workspace_base(const model *m, int max_row, int max_out)
{
    const config *c = &m->config;
    workspace *w = mem_new(sizeof *w);
    int widest = most(most(c->d_model, c->n_head * c->d_head), c->d_ff);

    CHECK(max_row > 0 && max_out >= 0 && max_out <= max_row);
    w->max_row = max_row;
    w->max_out = max_out;
    w->pos = mem_array((size_t)max_row, sizeof *w->pos);
    w->page = mem_array((size_t)max_row, sizeof *w->page);
    w->logits = rows_of(most(max_out, 1), c->n_vocab);
    for (int i = 0; i < N_KIND; i++)
        w->in[i] = matrix_input_new((input_kind)i, max_row, widest);
    if (c->n_expert) {
        w->expert_out = rows_of(max_row * c->n_expert_used, c->d_model);
        for (int e = 0; e < EXPERT_WAVE; e++)
            for (int i = 0; i < N_KIND; i++)
                w->expert_in[e][i] = matrix_input_new((input_kind)i, max_row,
                                                      most(c->d_model, c->d_ff_expert));
    }
    return w;
}

workspace *workspace_new(const model *m, int max_row, int max_out)
{
    workspace *w = workspace_base(m, max_row, max_out);

    w->at = layer_rows(m, max_row, true, m->config.n_expert > 0, false);
    w->expert_hidden = w->at.expert_gate;
    workspace_grow(w, m);
    return w;
}

workspace *workspace_new_kept(const model *m, int max_row, int max_out)
{
    const config *c = &m->config;
    workspace *w = workspace_base(m, max_row, max_out);

    w->kept = mem_array((size_t)c->n_layer + 1, sizeof *w->kept);
    for (int i = 0; i < c->n_layer; i++) {
        const layer *y = &m->layers[i];

        w->kept[i] = layer_rows(m, max_row, !y->router, y->router != NULL, y->q_norm != NULL);
    }
    w->kept[c->n_layer].x = rows_of(max_row, c->d_model);
    w->hidden = rows_of(least(max_row, ROW_BLOCK), c->d_ff);
    if (c->n_expert) w->expert_hidden = rows_of(max_row * c->n_expert_used, c->d_ff_expert);
    workspace_grow(w, m);
    return w;
}

/* Rows of A x for every matrix with an adapter; rank 0 drops them. */
static void low_rows(kept_layer *k, const model *m, int max_row, int rank, bool dense,
                     bool sparse)
{
    int slots = max_row * m->config.n_expert_used;

    for (int i = 0; i < N_LINEAR; i++) {
        bool wanted = i < SLOT_GATE || dense;

        mem_free(k->low[i]);
        k->low[i] = rank && wanted ? rows_of(max_row, rank) : NULL;
    }
    for (int i = 0; i < N_EXPERT_SLOT; i++) {
        mem_free(k->expert_low[i]);
        k->expert_low[i] = rank && sparse ? rows_of(slots, rank) : NULL;
    }
}

void workspace_grow(workspace *w, const model *m)
{
    const config *c = &m->config;
    int padded = (m->lora_rank + 31) / 32 * 32, widest;

    if (m->lora_rank <= w->max_rank) return;
    w->max_rank = m->lora_rank;
    if (!w->kept) low_rows(&w->at, m, w->max_row, w->max_rank, true, c->n_expert > 0);
    for (int i = 0; w->kept && i < c->n_layer; i++)
        low_rows(&w->kept[i], m, w->max_row, w->max_rank, !m->layers[i].router,
                 m->layers[i].router != NULL);
    widest = most((c->n_head + 2 * c->n_head_kv) * c->d_head, most(c->d_model, 2 * c->d_ff));
    if (c->n_expert)
        widest = most(widest, c->n_expert_used * most(2 * c->d_ff_expert, c->d_model));
    mem_free(w->delta);
    w->delta = rows_of(w->max_row, widest);
    for (int i = 0; i < (c->n_expert ? MAX_LINEAR : 3); i++)
        for (int k = 0; k < N_KIND; k++) {
            matrix_input_free(w->low_in[i][k]);
            w->low_in[i][k] = NULL;
            if (k != INPUT_Q8)
                w->low_in[i][k] = matrix_input_new((input_kind)k, w->max_row, padded);
        }
}

void workspace_free(workspace *w)
{
    if (!w) return;
    if (w->kept) {
        int n = 0;

        mem_free(w->hidden);
        mem_free(w->expert_hidden);
        while (w->kept[n].mid) layer_rows_free(&w->kept[n++]);
        layer_rows_free(&w->kept[n]);
        mem_free(w->kept);
    } else {
        layer_rows_free(&w->at);
    }
    mem_free(w->angles);
    mem_free(w->pos);
    mem_free(w->page);
    mem_free(w->logits);
    mem_free(w->expert_out);
    mem_free(w->delta);
    for (int i = 0; i < N_KIND; i++) {
        matrix_input_free(w->in[i]);
        for (int e = 0; e < EXPERT_WAVE; e++) matrix_input_free(w->expert_in[e][i]);
        for (int l = 0; l < MAX_LINEAR; l++) matrix_input_free(w->low_in[l][i]);
    }
    mem_free(w);
}
