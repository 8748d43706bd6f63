/* critic.c - the value head. */
#include "train/critic.h"

#include <string.h>

#include "base/mem.h"
#include "train/advantage.h"
#include "train/optimizer.h"

struct critic {
    const job *job;
    int d;
    float *value, *grad;         /* [d + 1] weights, then the bias */
    param param;
    optimizer *opt;
    pool *alone;                 /* the head is too small to share */
    double *reward;              /* [groups * group_size] */

    /* Of the pack at work. */
    const pack *pack;
    const float *hidden;         /* [n_row, d] borrowed from the tape */
    double *v, *ret;             /* [max_rows] of targets */
    float *hidden_grad;          /* [max_rows, d] */
};

critic *critic_new(const job *j, int d_model, checkpoint_list *arrays)
{
    critic *c = mem_new(sizeof *c);
    const optimizer_options o = { .beta1 = 0.9f, .beta2 = 0.99f };
    param *p = &c->param;

    c->job = j;
    c->d = d_model;
    c->value = mem_array((size_t)d_model + 1, sizeof *c->value);
    c->grad = mem_array((size_t)d_model + 1, sizeof *c->grad);
    *p = (param){ .name = "value_head", .n_out = 1, .n_in = d_model + 1, .value = c->value,
                  .grad = c->grad };
    c->opt = optimizer_new(&o, &p, 1);
    optimizer_list(c->opt, arrays);
    c->alone = pool_new(1);
    c->reward = mem_array((size_t)j->rl.groups * (size_t)j->rl.group_size, sizeof *c->reward);
    c->v = mem_array((size_t)j->max_rows, sizeof *c->v);
    c->ret = mem_array((size_t)j->max_rows, sizeof *c->ret);
    c->hidden_grad = mem_array((size_t)j->max_rows * (size_t)d_model, sizeof *c->hidden_grad);
    return c;
}

void critic_free(critic *c)
{
    if (!c) return;
    optimizer_free(c->opt);
    pool_free(c->alone);
    mem_free(c->value);
    mem_free(c->grad);
    mem_free(c->reward);
    mem_free(c->v);
    mem_free(c->ret);
    mem_free(c->hidden_grad);
    mem_free(c);
}

void critic_resumed(critic *c, int64_t steps) { optimizer_set_steps(c->opt, steps); }

void critic_reward(critic *c, int origin, double reward) { c->reward[origin] = reward; }

void critic_advantages(critic *c, tape *t, pool *threads, const pack *p, double *advantage)
{
    const job_rl *rl = &c->job->rl;

    c->pack = p;
    c->hidden = tape_hidden(t, threads);
    for (int i = 0; i < p->n_target; i++) {
        const float *h = c->hidden + (size_t)p->targets[i].row * (size_t)c->d;
        double v = c->value[c->d];

        for (int k = 0; k < c->d; k++) v += (double)c->value[k] * h[k];
        c->v[i] = v;
    }
    /* Targets of a sequence stand together. */
    for (int from = 0, to; from < p->n_target; from = to) {
        for (to = from + 1; to < p->n_target && p->origin[to] == p->origin[from]; to++) continue;
        advantage_gae(c->v + from, to - from, c->reward[p->origin[from]], rl->gamma, rl->lambda,
                      advantage + from, c->ret + from);
    }
}

const float *critic_gradient(critic *c, double scale)
{
    const pack *p = c->pack;

    memset(c->hidden_grad, 0, (size_t)p->n_row * (size_t)c->d * sizeof *c->hidden_grad);
    for (int i = 0; i < p->n_target; i++) {
        const double e = scale * (c->v[i] - c->ret[i]);
        const float *h = c->hidden + (size_t)p->targets[i].row * (size_t)c->d;
        float *g = c->hidden_grad + (size_t)p->targets[i].row * (size_t)c->d;

        for (int k = 0; k < c->d; k++) {
            g[k] += (float)(e * c->value[k]);
            c->grad[k] += (float)(e * h[k]);
        }
        c->grad[c->d] += (float)e;
    }
    return c->hidden_grad;
}

void critic_update(critic *c)
{
    optimizer_step(c->opt, c->alone, c->job->rl.value_rate, 1, NULL);
    memset(c->grad, 0, ((size_t)c->d + 1) * sizeof *c->grad);
}
