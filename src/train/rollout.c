/* rollout.c - prompts in, sampled answers out. */
#include "train/rollout.h"

#include <string.h>

#include "base/mem.h"

typedef struct record {
    float *log_prob;         /* by generated token */
    uint8_t *drawn;
    int cap;
} record;

typedef struct listener {
    record *records;         /* [group] of one prompt */
} listener;

static bool hear(void *arg, const ask_event *e)
{
    record *r = &((listener *)arg)->records[e->sample];
    int at = e->n_token - 1;

    if (!e->token || e->kind == ASK_END) return true;
    if (at >= r->cap) {
        int cap = r->cap ? 2 * r->cap : 256;

        while (cap <= at) cap *= 2;
        r->log_prob = mem_resize(r->log_prob, (size_t)cap, sizeof *r->log_prob);
        r->drawn = mem_resize(r->drawn, (size_t)cap, 1);
        memset(r->drawn + r->cap, 0, (size_t)(cap - r->cap));
        r->cap = cap;
    }
    r->log_prob[at] = e->token->log_prob;
    r->drawn[at] = 1;
    return true;
}

static void take(rollout *out, const ask_job *job, int i, ask_sample *s, const record *rec)
{
    const session *one = ask_session(job, i);
    const session_usage u = session_get_usage(one);
    const int32_t *ids = session_tokens(one, &out->n);

    out->n_prompt = u.prompt;
    out->ids = mem_copy(ids, (size_t)out->n * sizeof *ids);
    out->log_prob = mem_array((size_t)out->n, sizeof *out->log_prob);
    out->drawn = mem_array((size_t)out->n, 1);
    for (int t = out->n_prompt; t < out->n && t - out->n_prompt < rec->cap; t++) {
        out->drawn[t] = rec->drawn[t - out->n_prompt];
        if (out->drawn[t]) out->log_prob[t] = rec->log_prob[t - out->n_prompt];
    }
    out->think = s->reasoning ? s->reasoning : mem_string("");
    out->think_len = s->reasoning_len;
    out->answer = s->text ? s->text : mem_string("");
    out->answer_len = s->text_len;
    s->reasoning = s->text = NULL;
    out->n_think = s->usage.reasoning;
    out->finish = s->finish;
    out->closed_by = s->report.closed_by;
}

static status start(ask_job **job, reasoner *r, const rollout_options *o,
                    const rollout_prompt *p, int i, listener *l, errtext *err)
{
    ask_request q = ask_defaults(r, p->chat);

    q.sampler = sampler_defaults();
    q.sampler.temperature = o->temperature;
    q.sampler.log_prob = true;
    q.sampler.seed = o->seed;
    q.effort = p->effort;
    q.continue_last = p->go_on;
    q.calculator = o->calculator;
    q.budget = p->thinking ? o->max_think : 0;
    q.max_tokens = q.budget + o->max_answer + 1;
    /* ask keeps a quarter of max_tokens for the answer; this much leaves the
     * budget whole. */
    if (q.max_tokens / 4 > o->max_answer) q.max_tokens = (4 * q.budget + 2) / 3 + 1;
    q.samples = o->group;
    q.stream = o->stream + (uint64_t)i * (uint64_t)o->group;
    q.tenant = o->tenant;
    return ask_start(job, r, &q, hear, l, err);
}

static void harvest(ask_job *job, const rollout_options *o, const listener *l, rollout *out)
{
    ask_answer a;

    ask_take(job, &a);
    for (int g = 0; g < o->group; g++) take(&out[g], job, g, &a.samples[g], &l->records[g]);
    ask_answer_fini(&a);
}

status rollout_run(reasoner *r, const rollout_options *o, const rollout_prompt *prompts,
                   int n, rollout *out, errtext *err)
{
    ask_job **jobs = mem_array((size_t)n, sizeof *jobs);
    listener *l = mem_array((size_t)n, sizeof *l);
    int left = n, done = 0;
    status st = OK;

    memset(out, 0, (size_t)(n * o->group) * sizeof *out);
    for (int i = 0; i < n && st == OK; i++) {
        l[i].records = mem_array((size_t)o->group, sizeof *l[i].records);
        st = start(&jobs[i], r, o, &prompts[i], i, &l[i], err);
    }
    while (st == OK && left) {
        engine_step(reasoner_engine(r));
        for (int i = 0; i < n; i++) {
            if (!jobs[i] || !ask_poll(jobs[i])) continue;
            harvest(jobs[i], o, &l[i], out + (size_t)i * (size_t)o->group);
            ask_free(jobs[i]);
            jobs[i] = NULL;
            left--;
            done += o->group;
            if (o->progress) o->progress(o->arg, done, n * o->group);
        }
        if (o->cancel && *o->cancel) st = fail(err, E_INTERRUPTED, "interrupted");
    }
    for (int i = 0; i < n; i++) {
        ask_free(jobs[i]);
        for (int g = 0; l[i].records && g < o->group; g++) {
            mem_free(l[i].records[g].log_prob);
            mem_free(l[i].records[g].drawn);
        }
        mem_free(l[i].records);
    }
    for (int i = 0; st != OK && i < n * o->group; i++) rollout_fini(&out[i]);
    mem_free(jobs);
    mem_free(l);
    return st;
}

void rollout_fini(rollout *o)
{
    mem_free(o->ids);
    mem_free(o->log_prob);
    mem_free(o->drawn);
    mem_free(o->think);
    mem_free(o->answer);
    *o = (rollout){ 0 };
}

bool rollout_whole(const rollout *o)
{
    return o->finish == FINISH_STOP && (o->closed_by == CLOSE_MODEL || o->closed_by == CLOSE_NONE);
}
