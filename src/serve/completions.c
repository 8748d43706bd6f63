/* completions.c - a chat completion on its way.
 *
 * Read on the connection's thread, run on the model's: there it is started,
 * its events become chunks, and at its end it is answered and released. When
 * the client goes away, its thread sets a flag that the model's sees before its
 * next step. */
#include "serve/completions.h"

#include <string.h>

#include "base/mem.h"
#include "serve/chat_reply.h"
#include "serve/sse.h"
#include "serve/wire.h"
#include "store/object.h"

#define MAX_BODY (32u << 20)

/* One sample of a stream as it grows. */
typedef struct choice {
    json_t *log_probs;       /* of tokens not yet sent, or of all; NULL: none asked */
    int n_call;
} choice;

typedef struct completion {
    const api *api;
    chat_request r;
    reply *to;
    sse stream;
    atomic_bool cancelled;
    char id[STORE_MAX_ID];
    chat_head head;
    choice *choices;
} completion;

static void completion_free(completion *c)
{
    reply_on_gone(c->to, NULL, NULL);
    reply_unref(c->to);
    for (int i = 0; c->choices && i < c->r.q.ask.samples; i++)
        json_decref(c->choices[i].log_probs);
    mem_free(c->choices);
    chat_request_fini(&c->r);
    mem_free(c);
}

/* ------------------------------------------------------------------ streaming */

static bool send_delta(completion *c, int i, json_t *delta, json_t *log_probs)
{
    return sse_send(&c->stream, NULL, chat_chunk(&c->head, &c->r, i, delta, log_probs, NULL));
}

static json_t *take_log_probs(completion *c, int i)
{
    json_t *list = c->choices[i].log_probs;

    if (list) c->choices[i].log_probs = json_array();
    return list;
}

static bool send_text(completion *c, int i, const char *text, size_t len)
{
    return send_delta(c, i, json_pack("{s:o}", "content", wire_text(text, len)),
                      take_log_probs(c, i));
}

static bool send_reasoning(completion *c, int i, const char *text, size_t len)
{
    json_t *piece = wire_text(text, len), *delta = json_pack("{s:O}", "reasoning_content", piece);

    json_object_set_new(delta, "reasoning", piece);
    return send_delta(c, i, delta, NULL);
}

/* Name and id first, then the arguments, as the hosted API sends them. */
static bool send_call(completion *c, int i, const chat_call *call)
{
    choice *at = &c->choices[i];
    bool custom, sent;
    const char *kind, *text;
    json_t *o, *rest;

    if (c->r.q.tools.legacy) {
        at->n_call++;
        return send_delta(c, i, json_pack("{s:{s:o, s:o}}", "function_call", "name",
                                          wire_string(call->name), "arguments",
                                          wire_string(call->arguments)), NULL);
    }
    o = chat_call_json(&c->r.q.tools, call, at->n_call);
    custom = json_object_get(o, "custom") != NULL;
    kind = custom ? "custom" : "function";
    text = custom ? "input" : "arguments";
    rest = json_pack("{s:i, s:{s:O}}", "index", at->n_call, kind, text,
                     json_object_get(json_object_get(o, kind), text));
    json_object_set_new(json_object_get(o, kind), text, json_string(""));
    at->n_call++;
    sent = send_delta(c, i, json_pack("{s:[o]}", "tool_calls", o), NULL);
    return send_delta(c, i, json_pack("{s:[o]}", "tool_calls", rest), NULL) && sent;
}

/* Whether text of the answer may be sent as it comes: not when a vote or a parse
 * of the whole decides about it. */
static bool flows(const completion *c)
{
    return c->r.stream && c->r.samples == 1;
}

static bool hear(void *arg, const ask_event *ev)
{
    completion *c = arg;
    choice *at = &c->choices[ev->sample];
    bool answer = ev->kind == ASK_ANSWER;

    if (ev->token && at->log_probs && answer) {
        json_t *item = chat_log_prob(reasoner_tokenizer(c->r.q.as->model->reasoner), ev->token);

        if (item) json_array_append_new(at->log_probs, item);
    }
    if (ev->kind == ASK_CALL && !c->r.q.tools.parallel) {
        if (at->n_call) return true;
        if (!flows(c)) at->n_call = 1;
        else if (!send_call(c, ev->sample, ev->call)) return false;
        return c->r.q.ask.samples > 1;       /* what follows would be thrown away */
    }
    if (!flows(c)) return true;
    if (ev->kind == ASK_CALL) return send_call(c, ev->sample, ev->call);
    if (answer && ev->len && c->r.q.tools.choice != CHOICE_REQUIRED)
        return send_text(c, ev->sample, ev->text, ev->len);
    if (ev->kind == ASK_REASONING && ev->len && c->r.q.show_reasoning)
        return send_reasoning(c, ev->sample, ev->text, ev->len);
    return true;
}

/* What of a choice is only known at its end. */
static void send_rest(completion *c, int i, const ask_answer *a)
{
    int k = c->r.samples > 1 ? a->chosen : i;
    const ask_sample *s = &a->samples[k];
    chat_calls calls = chat_calls_of(&c->r, s);

    if (c->r.samples > 1) {
        if (c->r.q.show_reasoning && s->reasoning_len)
            send_reasoning(c, 0, s->reasoning, s->reasoning_len);
        if (s->text_len && !calls.from_text) send_text(c, 0, s->text, s->text_len);
        for (int j = 0; j < calls.n && !calls.from_text; j++) send_call(c, 0, &calls.items[j]);
    } else if (c->choices[i].log_probs && json_array_size(c->choices[i].log_probs) &&
               !calls.from_text) {
        send_text(c, i, "", 0);
    }
    if (calls.from_text && calls.n) send_call(c, i, &calls.parsed);
    sse_send(&c->stream, NULL, chat_chunk(&c->head, &c->r, i, json_object(), NULL,
                                          chat_finish(&c->r, s, &calls)));
    chat_calls_fini(&calls);
}

/* ---------------------------------------------------------------------- ends */

static bool has_failed(const ask_answer *a, api_error *e)
{
    for (int i = 0; i < a->n_sample; i++)
        if (a->samples[i].finish == FINISH_ERROR)
            return !error_set(e, 500, ERROR_SERVER, "model_error", NULL, "The model failed: %s",
                              a->samples[i].error ? a->samples[i].error : "");
    return false;
}

static void finish_stream(completion *c, const ask_answer *a)
{
    api_error e;

    if (has_failed(a, &e)) {
        sse_error(&c->stream, &e);
        sse_end(&c->stream);
        return;
    }
    for (int i = 0; i < c->r.n; i++) send_rest(c, i, a);
    if (c->r.include_usage) sse_send(&c->stream, NULL, chat_usage_chunk(&c->head, &a->usage));
    sse_end(&c->stream);
}

static void finish_whole(completion *c, const ask_answer *a)
{
    json_t **lists = NULL;
    api_error e;

    if (has_failed(a, &e)) {
        reply_error(c->to, &e);
        return;
    }
    if (c->r.log_probs) {
        lists = mem_array((size_t)a->n_sample, sizeof *lists);
        for (int i = 0; i < a->n_sample; i++) lists[i] = c->choices[i].log_probs;
    }
    reply_json(c->to, 200, chat_completion(&c->head, &c->r, a, lists));
    mem_free(lists);
}

static void completion_end(void *arg, ask_job *job, status st, const errtext *err)
{
    completion *c = arg;
    ask_answer a;
    api_error e;

    if (!job) {
        inquiry_error(&c->r.q, st, err, "messages", &e);
        reply_charge(c->to, -c->r.q.taken);
        reply_error(c->to, &e);
        completion_free(c);
        return;
    }
    ask_take(job, &a);
    ask_free(job);
    inquiry_settle(&c->r.q, c->api, c->to, &a.usage);
    if (c->r.stream) finish_stream(c, &a);
    else finish_whole(c, &a);
    ask_answer_fini(&a);
    completion_free(c);
}

static status completion_start(void *arg, reasoner *r, ask_job **out, errtext *err)
{
    completion *c = arg;
    status st = ask_start(out, r, &c->r.q.ask, hear, c, err);

    if (st != OK || !c->r.stream) return st;
    sse_begin(&c->stream, c->to, SSE_CHAT, 0);
    for (int i = 0; i < c->r.n; i++)
        send_delta(c, i, json_pack("{s:s, s:s, s:n}", "role", "assistant", "content", "",
                                   "refusal"), NULL);
    return OK;
}

static void completion_drop(void *arg)
{
    completion *c = arg;
    api_error e;

    error_set(&e, 503, ERROR_SERVER, NULL, NULL, "The server is shutting down.");
    reply_error(c->to, &e);
    completion_free(c);
}

static void completion_gone(void *arg)
{
    completion *c = arg;

    atomic_store(&c->cancelled, true);
    engine_thread_wake(c->head.as->model->thread);
}

/* -------------------------------------------------------------------- create */

static void create(exchange *x, void *arg)
{
    const api *a = arg;
    json_t *body = exchange_json(x);
    engine_work work;
    completion *c;
    api_error e;

    if (!body) return;
    c = mem_new(sizeof *c);
    if (!chat_request_read(&c->r, a, x, body, &e)) {
        if (e.status) exchange_refuse(x, &e);
        chat_request_fini(&c->r);
        mem_free(c);
        return;
    }
    c->api = a;
    c->to = reply_ref(exchange_reply(x));
    store_new_id(c->id, "chatcmpl-");
    c->head = (chat_head){ c->id, store_now(), c->r.q.as };
    c->choices = mem_array((size_t)c->r.q.ask.samples, sizeof *c->choices);
    for (int i = 0; c->r.log_probs && i < c->r.q.ask.samples; i++)
        c->choices[i].log_probs = json_array();
    reply_on_gone(c->to, completion_gone, c);
    work = (engine_work){ completion_start, completion_end, completion_drop, &c->cancelled,
                          c->r.q.ask.samples, c };
    if (engine_thread_post(c->head.as->model->thread, WORK_NOW, &work)) return;
    error_set(&e, 503, ERROR_SERVER, NULL, NULL,
              "The server is overloaded: too many requests wait for this model.");
    e.retry_after_s = 1;
    reply_charge(c->to, -c->r.q.taken);
    reply_error(c->to, &e);
    completion_free(c);
}

/* -------------------------------------------------------------------- models */

static void list_models(exchange *x, void *arg)
{
    const api *a = arg;
    json_t *list = json_array();
    const served_name *n;

    for (int i = 0; (n = models_at(a->models, i)); i++)
        json_array_append_new(list, model_json(n));
    reply_json(exchange_reply(x), 200, json_pack("{s:s, s:o}", "object", "list", "data", list));
}

static void get_model(exchange *x, void *arg)
{
    const api *a = arg;
    const served_name *n = models_find(a->models, exchange_arg(x, 0));
    api_error e;

    if (n) {
        reply_json(exchange_reply(x), 200, model_json(n));
        return;
    }
    refuse_model(&e, exchange_arg(x, 0));
    exchange_refuse(x, &e);
}

static void delete_model(exchange *x, void *arg)
{
    const api *a = arg;
    api_error e;

    if (models_find(a->models, exchange_arg(x, 0)))
        error_set(&e, 403, ERROR_INVALID, "model_not_deletable", NULL, "The model `%.200s` belongs "
                  "to this server's operator and cannot be deleted over the API.",
                  exchange_arg(x, 0));
    else
        refuse_model(&e, exchange_arg(x, 0));
    exchange_refuse(x, &e);
}

void api_metrics(void *arg)
{
    static const char running[] = "ponder_samples_running", waiting[] = "ponder_requests_waiting";
    const api *a = arg;
    const served_name *n;

    for (int i = 0; a->meters && (n = models_at(a->models, i)); i++) {
        char labels[METERS_MAX_LABELS];

        if (strcmp(n->name, n->model->name)) continue;
        meters_labels(labels, "model", n->name, NULL);
        meters_set(a->meters, running, labels, engine_thread_running(n->model->thread));
        meters_set(a->meters, waiting, labels, engine_thread_waiting(n->model->thread));
    }
}

void completions_route(server *s, api *a)
{
    a->meters = server_meters(s);
    meters_declare(a->meters, "ponder_tokens_total", "Tokens by model and kind.", METER_COUNTER,
                   NULL, 0);
    meters_declare(a->meters, "ponder_samples_running", "Samples a model works on.", METER_GAUGE,
                   NULL, 0);
    meters_declare(a->meters, "ponder_requests_waiting", "Requests in a model's queue.",
                   METER_GAUGE, NULL, 0);
    server_route(s, &(route){ .method = "GET", .pattern = "/v1/models", .fn = list_models,
                              .arg = a });
    server_route(s, &(route){ .method = "GET", .pattern = "/v1/models/{id*}", .fn = get_model,
                              .arg = a });
    server_route(s, &(route){ .method = "DELETE", .pattern = "/v1/models/{id*}",
                              .fn = delete_model, .arg = a });
    server_route(s, &(route){ .method = "POST", .pattern = "/v1/chat/completions", .fn = create,
                              .arg = a, .flags = ROUTE_COUNTED, .max_body = MAX_BODY });
}
