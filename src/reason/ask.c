/* ask.c - a request on its way: rendered, encoded, decoded, gathered, voted on.
 *
 * What is kept of a sample is exactly what its events said, so a client that
 * streamed and one that waited read the same text. */
#include "reason/ask.h"

#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "reason/ask_internal.h"
#include "token/segment.h"

#define MAX_CALLS 64             /* calls in one span */
#define MAX_RESERVE 1024         /* most tokens kept for the answer */
#define MAX_PROMPT_IDS (1 << 24) /* counted before a prompt is called too long */

/* One sample as it grows. */
typedef struct voice {
    ask_job *job;
    int i;
    session *session;
    bytes reasoning, text;
    bytes held;                  /* an answer that may turn out to be a bare call */
    bool holding;
    chat_call *calls;
    int n_call;
    bool ended;
} voice;

struct ask_job {
    reasoner *r;
    ask_fn *on_event;
    void *arg;
    const volatile sig_atomic_t *cancel;
    bool cancelled;
    bool bare;                   /* an answer that is a JSON object is a call */
    stops *stop;
    voice *voices;
    int n;
    double started_s;
};

/* ------------------------------------------------------------------ request */

ask_request ask_defaults(const reasoner *r, const chat *c)
{
    return (ask_request){
        .chat = c, .effort = EFFORT_MEDIUM, .budget = ASK_BUDGET_BY_EFFORT, .samples = 1,
        .sampler = ask_sampler(r->family, true, 1),
    };
}

static status check_range(const char *field, int value, int low, int high, errtext *err)
{
    if (value >= low && value <= high) return OK;
    return fail(err, E_ARG, "%s: %d is not in %d to %d", field, value, low, high);
}

static status check_request(const ask_request *q, errtext *err)
{
    status st;

    if ((st = check_range("effort", (int)q->effort, 0, EFFORT_N - 1, err)) != OK ||
        (st = check_range("budget", q->budget, ASK_BUDGET_BY_EFFORT, ASK_MAX_TOKENS, err)) != OK ||
        (st = check_range("min_think", q->min_think, 0, ASK_MAX_TOKENS, err)) != OK ||
        (st = check_range("max_wait", q->max_wait, 0, ASK_MAX_WAIT, err)) != OK ||
        (st = check_range("max_tokens", q->max_tokens, 0, ASK_MAX_TOKENS, err)) != OK ||
        (st = check_range("samples", q->samples, 1, ASK_MAX_SAMPLES, err)) != OK)
        return st;
    if (q->answer_grammar && q->continue_last)
        return fail(err, E_ARG, "answer_grammar: an answer begun by the caller cannot be given a "
                    "form");
    if (q->budget >= 0 && q->min_think > q->budget)
        return fail(err, E_ARG, "min_think: %d is above the budget of %d", q->min_think,
                    q->budget);
    return OK;
}

static int budget_of(const ask_request *q)
{
    int budget = q->budget >= 0 ? q->budget : effort_budget(q->effort);

    return budget > q->min_think ? budget : q->min_think;
}

/* The prompt's ids, and whether it ends inside a thought. A hybrid model whose
 * template leaves it the choice is given the opener: it would write the same,
 * and a budget means nothing to a model that may decide not to think. */
static bool goes_on_thinking(const ask_request *q)
{
    return q->continue_last && q->chat->n && q->chat->items[q->chat->n - 1].reasoning_len &&
           !q->chat->items[q->chat->n - 1].n_part;
}

static status encode_prompt(reasoner *r, const ask_request *q, int32_t **ids, int *n,
                            bool *think_open, errtext *err)
{
    const render_options o = {
        .thinking = budget_of(q) > 0 || goes_on_thinking(q), .effort = q->effort, .add_generation_prompt = !q->continue_last,
        .continue_last = q->continue_last, .date = q->date,
    };
    segments s = { 0 };
    render_info info = { 0 };
    status st = render_chat(r->family, q->chat, &o, &s, &info, err);

    if (st == OK) {
        if (info.thinking && !info.think_open && !q->continue_last) {
            segments_trusted(&s, render_think_style(r->family)->open_forced);
            info.think_open = true;
        }
        st = tokenizer_encode(r->tokenizer, &s, MAX_PROMPT_IDS, ids, n, err);
    }
    *think_open = info.think_open;
    segments_fini(&s);
    if (st == OK && *n >= engine_ctx(r->engine))
        return fail(err, E_LIMIT, "the prompt has %d tokens; the context of this model holds %d, "
                    "the answer included", *n, engine_ctx(r->engine));
    return st;
}

/* ------------------------------------------------------------------- events */

void ask_cancel(ask_job *j)
{
    if (j->cancelled) return;
    j->cancelled = true;
    for (int i = 0; i < j->n; i++)
        if (j->voices[i].session) session_cancel(j->voices[i].session);
}

static void tell(voice *v, ask_kind kind, const char *text, size_t len, const chat_call *call,
                 const sample *token)
{
    phase_report r;
    ask_event event = { kind, v->i, 0, 0, text, len, call, token };

    if (!v->job->on_event) return;
    r = session_get_usage(v->session).report;
    event.n_token = r.n_total;
    event.n_reasoning = r.n_think + r.n_marker;
    if (!v->job->on_event(v->job->arg, &event)) ask_cancel(v->job);
}

static void add_answer(voice *v, const char *text, size_t len, const sample *token)
{
    bytes_add(&v->text, text, len);
    tell(v, ASK_ANSWER, text, len, NULL, token);
}

/* The calls of a span; false when it is none. */
static bool add_calls(voice *v, const char *text, size_t len)
{
    chat_call calls[MAX_CALLS] = { { 0 } };
    int n = render_parse_calls(text, len, calls, MAX_CALLS);

    if (n == 0) return false;
    v->calls = mem_resize(v->calls, (size_t)(v->n_call + n), sizeof *v->calls);
    memcpy(v->calls + v->n_call, calls, (size_t)n * sizeof *calls);
    v->n_call += n;
    for (int i = v->n_call - n; i < v->n_call; i++)
        tell(v, ASK_CALL, "", 0, &v->calls[i], NULL);
    return true;
}

/* A span that holds no call a program could make is shown as it was written. */
static void add_span(voice *v, const session_event *e)
{
    const call_style *style = render_call_style(v->job->r->family);
    bytes raw = { 0 };

    if (e->complete && add_calls(v, e->text, e->len)) return;
    bytes_add_string(&raw, style->open);
    bytes_add(&raw, e->text, e->len);
    if (e->complete && style->close) bytes_add_string(&raw, style->close);
    add_answer(v, raw.data, raw.len, NULL);
    bytes_fini(&raw);
}

/* Whether this piece belongs to an answer that begins like a bare call. */
static bool hold(voice *v, const session_event *e)
{
    size_t i = 0;

    if (!v->job->bare || (v->text.len && !v->holding)) return false;
    if (!v->holding) {
        while (i < e->len && strchr(" \t\r\n", e->text[i]) && e->text[i]) i++;
        v->holding = i < e->len && e->text[i] == '{';
    }
    if (v->holding) bytes_add(&v->held, e->text, e->len);
    return v->holding;
}

static void hear(void *arg, const session_event *e)
{
    voice *v = arg;

    switch (e->channel) {
    case CHANNEL_REASONING:
        bytes_add(&v->reasoning, e->text, e->len);
        tell(v, ASK_REASONING, e->text, e->len, NULL, e->sample);
        break;
    case CHANNEL_ANSWER:
        if (hold(v, e)) tell(v, ASK_ANSWER, "", 0, NULL, e->sample);
        else add_answer(v, e->text, e->len, e->sample);
        break;
    case CHANNEL_TOOL:
        /* A token after a call, with nothing to show yet, still bears its name. */
        if (e->len || e->complete) add_span(v, e);
        else tell(v, ASK_ANSWER, "", 0, NULL, e->sample);
        break;
    }
}

static void end_voice(voice *v)
{
    v->ended = true;
    if (v->holding && !add_calls(v, v->held.data, v->held.len))
        add_answer(v, v->held.data, v->held.len, NULL);
    tell(v, ASK_END, "", 0, NULL, NULL);
}

bool ask_poll(ask_job *j)
{
    bool all = true;

    if (j->cancel && *j->cancel) ask_cancel(j);
    for (int i = 0; i < j->n; i++) {
        voice *v = &j->voices[i];

        if (!v->ended && session_done(v->session)) end_voice(v);
        all &= v->ended;
    }
    return all;
}

/* ------------------------------------------------------------------ running */

static phase_options phases_of(const ask_request *q, bool think_open, int room, bool tools)
{
    int budget = budget_of(q);
    int limit = q->max_tokens ? q->max_tokens : budget + ASK_ANSWER_TOKENS;
    phase_options o;

    if (limit > room) limit = room;
    o = phase_defaults(limit);
    o.start = think_open ? PHASE_THINK : PHASE_ANSWER;
    o.think_budget = budget;
    o.think_min = q->min_think;
    o.answer_reserve = limit / 4 < MAX_RESERVE ? limit / 4 : MAX_RESERVE;
    o.max_wait = q->max_wait;
    o.tools = tools;
    return o;
}

static status start_voices(ask_job *j, const ask_request *q, const session_request *s,
                           errtext *err)
{
    session_request one = *s;

    j->voices = mem_array((size_t)q->samples, sizeof *j->voices);
    j->n = q->samples;
    for (int i = 0; i < j->n; i++) {
        voice *v = &j->voices[i];
        status st;

        v->job = j;
        v->i = i;
        one.stream = q->stream + (uint64_t)i;
        one.arg = v;
        if ((st = session_start(&v->session, j->r->engine, &one, err)) != OK) return st;
    }
    return OK;
}

static status stops_of(const ask_request *q, stops **out, errtext *err)
{
    size_t *lens;
    status st;

    if (!q->n_stop) return OK;
    lens = mem_array((size_t)q->n_stop, sizeof *lens);
    for (int i = 0; i < q->n_stop; i++) lens[i] = strlen(q->stop[i]);
    st = stops_new(out, q->stop, lens, q->n_stop, err);
    mem_free(lens);
    return st;
}

status ask_start(ask_job **out, reasoner *r, const ask_request *q, ask_fn *on_event, void *arg,
                 errtext *err)
{
    ask_job *j = mem_new(sizeof *j);
    int32_t *ids = NULL;
    int n_id = 0;
    bool think_open = false, tools = q->chat->n_tool > 0;
    status st = check_request(q, err);

    *out = NULL;
    j->r = r;
    j->on_event = on_event;
    j->arg = arg;
    j->cancel = q->cancel;
    j->bare = tools && render_call_style(r->family)->bare;
    j->started_s = clock_s();
    if (st == OK) st = stops_of(q, &j->stop, err);
    if (st == OK) st = encode_prompt(r, q, &ids, &n_id, &think_open, err);
    if (st == OK) {
        session_request s = {
            .prompt = ids, .n_prompt = n_id, .tenant = q->tenant, .sampler = q->sampler,
            .style = r->style, .stop = j->stop, .on_event = hear,
            .answer_grammar = q->answer_grammar, .call_grammar = q->call_grammar,
            .calculator = q->calculator,
            .phase = phases_of(q, think_open, engine_ctx(r->engine) - n_id, tools),
        };

        st = start_voices(j, q, &s, err);
    }
    mem_free(ids);
    if (st != OK) {
        ask_free(j);
        return st;
    }
    *out = j;
    return OK;
}

void ask_free(ask_job *j)
{
    if (!j) return;
    for (int i = 0; i < j->n; i++) {
        voice *v = &j->voices[i];

        session_free(v->session);
        bytes_fini(&v->reasoning);
        bytes_fini(&v->text);
        bytes_fini(&v->held);
        for (int k = 0; k < v->n_call; k++) chat_call_fini(&v->calls[k]);
        mem_free(v->calls);
    }
    mem_free(j->voices);
    stops_free(j->stop);
    mem_free(j);
}

const session *ask_session(const ask_job *j, int i_sample)
{
    return j->voices[i_sample].session;
}

/* ------------------------------------------------------------------- answer */

static char *take_text(bytes *b, size_t *len)
{
    *len = b->len;
    return bytes_take(b);
}

static ask_usage usage_of(const session_usage *u)
{
    const phase_report *r = &u->report;
    ask_usage out = { .prompt = u->prompt, .cached = u->cached };

    out.reasoning = r->n_think + r->n_marker;
    out.answer = r->n_answer + r->n_tool + r->n_end;
    out.completion = out.reasoning + out.answer;
    return out;
}

static void take_sample(voice *v, ask_sample *s)
{
    session_usage u = session_get_usage(v->session);

    s->reasoning = take_text(&v->reasoning, &s->reasoning_len);
    s->text = take_text(&v->text, &s->text_len);
    s->calls = v->calls;
    s->n_call = v->n_call;
    v->calls = NULL;
    v->n_call = 0;
    s->finish = session_finish(v->session);
    /* What is cut off in the middle has not come to an answer yet: its last
     * number would be one of a calculation. */
    if (s->finish == FINISH_STOP) s->final = ask_extract_final(s->text, s->text_len);
    /* What the phases took for a call may be none, and the other way round. */
    if (s->finish == FINISH_TOOL_CALLS && !s->n_call) s->finish = FINISH_STOP;
    if (s->finish == FINISH_STOP && s->n_call) s->finish = FINISH_TOOL_CALLS;
    if (s->finish == FINISH_ERROR) s->error = mem_string(session_error(v->session));
    s->usage = usage_of(&u);
    s->report = u.report;
    s->first_token_s = u.first_token_s;
}

void ask_take(ask_job *j, ask_answer *out)
{
    *out = (ask_answer){ .n_sample = j->n };
    out->samples = mem_array((size_t)j->n, sizeof *out->samples);
    for (int i = 0; i < j->n; i++) {
        ask_sample *s = &out->samples[i];

        take_sample(&j->voices[i], s);
        if (i == 0) {
            out->usage = s->usage;
            out->first_token_s = s->first_token_s;
            continue;
        }
        out->usage.reasoning += s->usage.reasoning;
        out->usage.answer += s->usage.answer;
        out->usage.completion += s->usage.completion;
        if (s->first_token_s < out->first_token_s) out->first_token_s = s->first_token_s;
    }
    ask_count_votes(out);
    out->total_s = clock_s() - j->started_s;
}

status ask_run(reasoner *r, const ask_request *request, ask_fn *on_event, void *arg,
               ask_answer *out, errtext *err)
{
    ask_job *j;
    status st = ask_start(&j, r, request, on_event, arg, err);

    *out = (ask_answer){ 0 };
    if (st != OK) return st;
    do engine_step(r->engine);
    while (!ask_poll(j));
    ask_take(j, out);
    ask_free(j);
    return OK;
}

void ask_answer_fini(ask_answer *a)
{
    for (int i = 0; i < a->n_sample; i++) {
        ask_sample *s = &a->samples[i];

        mem_free(s->reasoning);
        mem_free(s->text);
        for (int k = 0; k < s->n_call; k++) chat_call_fini(&s->calls[k]);
        mem_free(s->calls);
        mem_free(s->final);
        mem_free(s->error);
    }
    mem_free(a->samples);
    mem_free(a->votes);
    *a = (ask_answer){ 0 };
}
