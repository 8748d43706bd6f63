/* responses.c - a response on its way.
 *
 * The model's events build the list of output items, one after another: a thought,
 * a message, calls. The same steps send the stream's events where one is wanted, so
 * what a stream said and what the finished object holds cannot differ. */
#include "serve/responses.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serve/chat_reply.h"
#include "serve/fields.h"
#include "serve/responses_request.h"
#include "serve/sse.h"
#include "serve/wire.h"
#include "store/object.h"

#define MAX_BODY (96u << 20)

typedef enum open_item { OPEN_NONE, OPEN_REASONING, OPEN_MESSAGE } open_item;

typedef struct response {
    const api *api;
    responses_request r;
    reply *to;
    sse stream;
    atomic_bool cancelled;
    char id[STORE_MAX_ID];
    int64_t created;
    json_t *output;          /* items that are complete */
    json_t *replay;          /* the same with the thoughts themselves, kept for the
                              * next turn and shown to nobody else */
    open_item open;
    char item[STORE_MAX_ID]; /* id of the open one */
    bytes text;              /* of the open one */
    json_t *log_probs;
    int n_call;
} response;

static void response_free(response *p)
{
    reply_on_gone(p->to, NULL, NULL);
    reply_unref(p->to);
    json_decref(p->output);
    json_decref(p->replay);
    json_decref(p->log_probs);
    bytes_fini(&p->text);
    responses_request_fini(&p->r);
    mem_free(p);
}

/* -------------------------------------------------------------------- object */

static json_t *echo(const response *p, const char *name, json_t *otherwise)
{
    const json_t *v = field(p->r.q.body, name);

    if (!v) return otherwise;
    json_decref(otherwise);
    return json_incref((json_t *)v);
}

static json_t *text_json(const response *p)
{
    json_t *o = json_pack("{s:{s:s}, s:s}", "format", "type", "text", "verbosity", "medium");
    const json_t *asked = field(p->r.q.body, "text");

    if (asked) json_object_update(o, (json_t *)asked);
    return o;
}

static json_t *reasoning_json(const response *p)
{
    json_t *o = json_pack("{s:s, s:n}", "effort", effort_name(p->r.q.ask.effort), "summary");
    const json_t *asked = field(p->r.q.body, "reasoning");

    if (asked) json_object_update(o, (json_t *)asked);
    return o;
}

static json_t *usage_json(const ask_usage *u)
{
    return json_pack("{s:i, s:{s:i, s:i}, s:i, s:{s:i}, s:i}", "input_tokens", u->prompt,
                     "input_tokens_details", "cached_tokens", u->cached, "cache_write_tokens", 0,
                     "output_tokens", u->completion, "output_tokens_details", "reasoning_tokens",
                     u->reasoning, "total_tokens", u->prompt + u->completion);
}

/* usage NULL: not known yet. */
static json_t *response_json(const response *p, const char *state, const ask_usage *usage,
                             const char *incomplete)
{
    const sampler_options *s = &p->r.q.ask.sampler;
    json_t *o = json_pack("{s:s, s:s, s:I, s:s, s:b, s:n}", "id", p->id, "object", "response",
                          "created_at", (json_int_t)p->created, "status", state, "background", 0,
                          "error");

    if (!strcmp(state, "completed"))
        json_object_set_new(o, "completed_at", json_integer(store_now()));
    json_object_set_new(o, "incomplete_details",
                        incomplete ? json_pack("{s:s}", "reason", incomplete) : json_null());
    json_object_set_new(o, "instructions", echo(p, "instructions", json_null()));
    json_object_set_new(o, "max_output_tokens", echo(p, "max_output_tokens", json_null()));
    json_object_set_new(o, "max_tool_calls", echo(p, "max_tool_calls", json_null()));
    json_object_set_new(o, "model", json_string(p->r.q.as->shown));
    json_object_set(o, "output", p->output);
    json_object_set_new(o, "parallel_tool_calls", json_boolean(p->r.q.tools.parallel));
    json_object_set_new(o, "previous_response_id", echo(p, "previous_response_id", json_null()));
    json_object_set_new(o, "reasoning", reasoning_json(p));
    json_object_set_new(o, "safety_identifier", echo(p, "safety_identifier", json_null()));
    json_object_set_new(o, "service_tier", json_string("default"));
    json_object_set_new(o, "store", json_boolean(p->r.keep));
    json_object_set_new(o, "temperature", echo(p, "temperature", json_real(s->temperature)));
    json_object_set_new(o, "text", text_json(p));
    json_object_set_new(o, "tool_choice", echo(p, "tool_choice", json_string("auto")));
    json_object_set_new(o, "tools", echo(p, "tools", json_array()));
    json_object_set_new(o, "top_logprobs", echo(p, "top_logprobs", json_integer(0)));
    json_object_set_new(o, "top_p", echo(p, "top_p", json_real(s->top_p)));
    json_object_set_new(o, "truncation", json_string("disabled"));
    json_object_set_new(o, "usage", usage ? usage_json(usage) : json_null());
    json_object_set_new(o, "user", echo(p, "user", json_null()));
    json_object_set_new(o, "metadata", echo(p, "metadata", json_object()));
    return o;
}

/* -------------------------------------------------------------------- events */

static void say(response *p, const char *type, json_t *data)
{
    if (p->r.stream) sse_send(&p->stream, type, data);
    else json_decref(data);
}

static void say_response(response *p, const char *type, json_t *whole)
{
    say(p, type, json_pack("{s:o}", "response", whole));
}

static int output_index(const response *p)
{
    return (int)json_array_size(p->output);
}

static void say_item(response *p, const char *type, json_t *item)
{
    say(p, type, json_pack("{s:i, s:o}", "output_index", output_index(p), "item", item));
}

static json_t *part_json(const response *p, bool whole)
{
    return json_pack("{s:s, s:o, s:[], s:o}", "type", "output_text", "text",
                     whole ? wire_text(p->text.data ? p->text.data : "", p->text.len)
                           : json_string(""), "annotations", "logprobs",
                     whole && p->log_probs ? json_incref(p->log_probs) : json_array());
}

static json_t *message_item(const response *p, const char *state, bool whole)
{
    json_t *content = json_array();

    if (whole) json_array_append_new(content, part_json(p, true));
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", p->item, "type", "message", "status",
                     state, "role", "assistant", "content", content);
}

/* shown: as clients see it; else with the thought, for the next turn. */
static json_t *reasoning_item(const response *p, bool whole, bool shown)
{
    const char *text = p->text.data ? p->text.data : "";
    json_t *o = json_pack("{s:s, s:s, s:[]}", "id", p->item, "type", "reasoning", "summary");

    if (whole && (!shown || p->r.q.show_reasoning))
        json_object_set_new(o, "content", json_pack("[{s:s, s:o}]", "type", "reasoning_text",
                                                    "text", wire_text(text, p->text.len)));
    if (whole && shown && p->r.sealed) {
        char *sealed = reasoning_seal(p->api, &p->r.q, text, p->text.len);

        json_object_set_new(o, "encrypted_content", sealed ? json_string(sealed) : json_null());
        mem_free(sealed);
    }
    return o;
}

static json_t *place(const response *p, const char *index)
{
    return json_pack("{s:s, s:i, s:i}", "item_id", p->item, "output_index", output_index(p),
                     index, 0);
}

static void open_new(response *p, open_item kind)
{
    p->open = kind;
    bytes_clear(&p->text);
    store_new_id(p->item, kind == OPEN_MESSAGE ? "msg_" : "rs_");
    if (kind == OPEN_REASONING) {
        say_item(p, "response.output_item.added", reasoning_item(p, false, true));
    } else {
        json_t *data = place(p, "content_index");

        say_item(p, "response.output_item.added", message_item(p, "in_progress", false));
        json_object_set_new(data, "part", part_json(p, false));
        say(p, "response.content_part.added", data);
    }
}

static void add(response *p, json_t *item, json_t *replay)
{
    say_item(p, "response.output_item.done", json_incref(item));
    json_array_append_new(p->replay, replay ? replay : json_incref(item));
    json_array_append_new(p->output, item);
}

static void close_item(response *p, bool cut)
{
    json_t *data;

    switch (p->open) {
    case OPEN_NONE:
        return;
    case OPEN_REASONING:
        if (p->r.q.show_reasoning) {
            data = place(p, "content_index");
            json_object_set_new(data, "text", wire_text(p->text.data ? p->text.data : "",
                                                        p->text.len));
            say(p, "response.reasoning_text.done", data);
        }
        add(p, reasoning_item(p, true, true), reasoning_item(p, true, false));
        break;
    case OPEN_MESSAGE:
        data = place(p, "content_index");
        json_object_set_new(data, "text", wire_text(p->text.data ? p->text.data : "", p->text.len));
        json_object_set_new(data, "logprobs", p->log_probs ? json_incref(p->log_probs)
                                                           : json_array());
        say(p, "response.output_text.done", data);
        data = place(p, "content_index");
        json_object_set_new(data, "part", part_json(p, true));
        say(p, "response.content_part.done", data);
        add(p, message_item(p, cut ? "incomplete" : "completed", true), NULL);
        break;
    }
    p->open = OPEN_NONE;
}

static void add_call(response *p, const chat_call *call)
{
    const tool *t = tools_find(&p->r.q.tools, call->name);
    bool custom = t && t->custom;
    const char *key = custom ? "input" : "arguments";
    char *text = custom ? tool_input(call->arguments) : mem_string(call->arguments);
    char call_id[STORE_MAX_ID];
    json_t *item, *data;

    close_item(p, false);
    if (p->n_call && !p->r.q.tools.parallel) {
        mem_free(text);
        return;
    }
    p->n_call++;
    store_new_id(p->item, custom ? "ctc_" : "fc_");
    store_new_id(call_id, "call_");
    item = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s}", "id", p->item, "type",
                     custom ? "custom_tool_call" : "function_call", "status", "in_progress",
                     "call_id", call_id, "name", wire_string(call->name), key, "");
    say_item(p, "response.output_item.added", json_deep_copy(item));
    data = json_pack("{s:s, s:i, s:o}", "item_id", p->item, "output_index", output_index(p),
                     "delta", wire_string(text));
    say(p, custom ? "response.custom_tool_call_input.delta"
                  : "response.function_call_arguments.delta", data);
    data = json_pack("{s:s, s:i, s:o, s:o}", "item_id", p->item, "output_index", output_index(p),
                     key, wire_string(text), "name", wire_string(call->name));
    say(p, custom ? "response.custom_tool_call_input.done"
                  : "response.function_call_arguments.done", data);
    json_object_set_new(item, "status", json_string("completed"));
    json_object_set_new(item, key, wire_string(text));
    add(p, item, NULL);
    mem_free(text);
}

static void add_text(response *p, open_item kind, const char *type, const char *text, size_t len,
                     bool shown)
{
    json_t *data;

    if (p->open != kind) {
        close_item(p, false);
        open_new(p, kind);
    }
    bytes_add(&p->text, text, len);
    if (!shown) return;
    data = place(p, "content_index");
    json_object_set_new(data, "delta", wire_text(text, len));
    if (kind == OPEN_MESSAGE) json_object_set_new(data, "logprobs", json_array());
    say(p, type, data);
}

static bool hear(void *arg, const ask_event *ev)
{
    response *p = arg;

    if (ev->kind == ASK_ANSWER && ev->token && p->log_probs) {
        json_t *item = chat_log_prob(reasoner_tokenizer(p->r.q.as->model->reasoner), ev->token);

        if (item) json_array_append_new(p->log_probs, item);
    }
    if (ev->kind == ASK_CALL) {
        add_call(p, ev->call);
        return p->r.q.tools.parallel;        /* what follows would be thrown away */
    }
    if (!ev->len) return true;
    if (ev->kind == ASK_REASONING)
        add_text(p, OPEN_REASONING, "response.reasoning_text.delta", ev->text, ev->len,
                 p->r.q.show_reasoning);
    else if (ev->kind == ASK_ANSWER && p->r.q.tools.choice != CHOICE_REQUIRED)
        add_text(p, OPEN_MESSAGE, "response.output_text.delta", ev->text, ev->len, true);
    return true;
}

/* ---------------------------------------------------------------------- ends */

/* On disk before the client reads that it is done. */
static status keep(const response *p, const json_t *whole, errtext *err)
{
    char *body = json_dumps(whole, JSON_COMPACT), *metadata = NULL, *hidden_text;
    size_t n = json_array_size(p->r.input);
    json_t *context = json_copy(p->r.context), *hidden;
    store_item *items = mem_array(n + 1, sizeof *items);
    store_object o = { .kind = STORE_RESPONSE, .id = p->id, .tenant = p->r.q.tenant,
                       .status = json_string_value(json_object_get(whole, "status")),
                       .body = body, .model = p->r.q.as->shown, .created_at = p->created };
    store_start start = { .list = "input", .items = items, .n_item = (int)n };
    status st;

    json_array_extend(context, p->r.input);
    json_array_extend(context, p->replay);
    hidden = json_pack("{s:o}", "context", context);
    hidden_text = json_dumps(hidden, JSON_COMPACT);
    if (p->r.metadata) metadata = json_dumps(p->r.metadata, JSON_COMPACT);
    o.hidden = hidden_text;
    o.metadata = metadata;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(p->r.input, i);

        items[i].id = json_string_value(json_object_get(item, "id"));
        items[i].body = json_dumps(item, JSON_COMPACT);
    }
    st = store_create(p->api->store, &o, &start, err);
    for (size_t i = 0; i < n; i++) free((char *)items[i].body);
    mem_free(items);
    json_decref(hidden);
    free(hidden_text);
    free(metadata);
    free(body);
    return st;
}

static void finish(response *p, const ask_answer *a)
{
    const ask_sample *s = &a->samples[0];
    bool cut = s->finish == FINISH_LENGTH || s->finish == FINISH_REPETITION;
    json_t *whole;
    api_error e;
    errtext err;

    if (p->r.q.tools.choice == CHOICE_REQUIRED && !p->n_call) {
        chat_call parsed = { 0 };

        if (render_parse_calls(s->text, s->text_len, &parsed, 1)) {
            add_call(p, &parsed);
            chat_call_fini(&parsed);
        }
    }
    close_item(p, cut);
    whole = response_json(p, s->finish == FINISH_ERROR ? "failed" : cut ? "incomplete" : "completed",
                          &a->usage, cut ? "max_output_tokens" : NULL);
    if (s->finish == FINISH_ERROR)
        json_object_set_new(whole, "error", json_pack("{s:s, s:s}", "code", "server_error",
                                                      "message", s->error ? s->error : ""));
    if (p->r.keep && !atomic_load(&p->cancelled) && keep(p, whole, &err) != OK) {
        json_decref(whole);
        error_from_status(&e, E_IO, &err);
        if (p->r.stream) {
            sse_error(&p->stream, &e);
            sse_end(&p->stream);
        } else {
            reply_error(p->to, &e);
        }
        return;
    }
    if (!p->r.stream) {
        reply_json(p->to, 200, whole);
        return;
    }
    say_response(p, s->finish == FINISH_ERROR ? "response.failed"
                    : cut ? "response.incomplete" : "response.completed", whole);
    sse_end(&p->stream);
}

static void response_end(void *arg, ask_job *job, status st, const errtext *err)
{
    response *p = arg;
    ask_answer a;
    api_error e;

    if (!job) {
        inquiry_error(&p->r.q, st, err, "input", &e);
        reply_charge(p->to, -p->r.q.taken);
        reply_error(p->to, &e);
    } else {
        ask_take(job, &a);
        ask_free(job);
        inquiry_settle(&p->r.q, p->api, p->to, &a.usage);
        finish(p, &a);
        ask_answer_fini(&a);
    }
    response_free(p);
}

static status response_start(void *arg, reasoner *r, ask_job **out, errtext *err)
{
    response *p = arg;
    status st = ask_start(out, r, &p->r.q.ask, hear, p, err);

    if (st != OK || !p->r.stream) return st;
    sse_begin(&p->stream, p->to, SSE_RESPONSES, 0);
    say_response(p, "response.created", response_json(p, "in_progress", NULL, NULL));
    say_response(p, "response.in_progress", response_json(p, "in_progress", NULL, NULL));
    return OK;
}

static void response_drop(void *arg)
{
    response *p = arg;
    api_error e;

    error_set(&e, 503, ERROR_SERVER, NULL, NULL, "The server is shutting down.");
    reply_error(p->to, &e);
    response_free(p);
}

static void response_gone(void *arg)
{
    response *p = arg;

    atomic_store(&p->cancelled, true);
    engine_thread_wake(p->r.q.as->model->thread);
}

static void create(exchange *x, void *arg)
{
    const api *a = arg;
    json_t *body = exchange_json(x);
    engine_work work;
    response *p;
    api_error e;

    if (!body) return;
    p = mem_new(sizeof *p);
    if (!responses_request_read(&p->r, a, x, body, false, &e)) {
        if (e.status) exchange_refuse(x, &e);
        responses_request_fini(&p->r);
        mem_free(p);
        return;
    }
    p->api = a;
    p->to = reply_ref(exchange_reply(x));
    p->created = store_now();
    p->output = json_array();
    p->replay = json_array();
    if (p->r.log_probs) p->log_probs = json_array();
    store_new_id(p->id, "resp_");
    reply_on_gone(p->to, response_gone, p);
    work = (engine_work){ response_start, response_end, response_drop, &p->cancelled, 1, p };
    if (engine_thread_post(p->r.q.as->model->thread, WORK_NOW, &work)) return;
    error_set(&e, 503, ERROR_SERVER, NULL, NULL,
              "The server is overloaded: too many requests wait for this model.");
    e.retry_after_s = 1;
    reply_charge(p->to, -p->r.q.taken);
    reply_error(p->to, &e);
    response_free(p);
}

/* --------------------------------------------------------------------- others */

static void count(exchange *x, void *arg)
{
    json_t *body = exchange_json(x);
    responses_request r;
    api_error e;
    errtext err;
    int n = 0;
    status st = OK;

    if (!body) return;
    if (responses_request_read(&r, arg, x, body, true, &e)) {
        if ((st = inquiry_count(&r.q, &n, &err)) != OK) error_from_status(&e, st, &err);
        else reply_json(exchange_reply(x), 200, json_pack("{s:s, s:i}", "object",
                                                          "response.input_tokens", "input_tokens",
                                                          n));
    }
    if (e.status) exchange_refuse(x, &e);
    responses_request_fini(&r);
}

/* False has answered. */
static bool find(exchange *x, const api *a, store_object *o)
{
    errtext err = { "" };
    api_error e;
    status st = OK;

    *o = (store_object){ 0 };
    if (a->store)
        st = store_get(a->store, STORE_RESPONSE, exchange_identity(x)->tenant, exchange_arg(x, 0), o,
                       &err);
    if (st == OK && o->id) return true;
    if (st != OK) error_from_status(&e, E_IO, &err);
    else error_not_found(&e, "Response with id '%.100s' not found.", exchange_arg(x, 0));
    exchange_refuse(x, &e);
    return false;
}

static void get(exchange *x, void *arg)
{
    const char *stream = exchange_query(x, "stream");
    store_object o;
    api_error e;

    if (stream && !strcmp(stream, "true")) {
        error_bad_code(&e, "unsupported_value", "stream", "This response cannot be streamed again: "
                       "only those made with background=true can.");
        exchange_refuse(x, &e);
        return;
    }
    if (!find(x, arg, &o)) return;
    reply_body(exchange_reply(x), 200, "application/json", o.body, strlen(o.body));
    store_object_fini(&o);
}

static void cancel(exchange *x, void *arg)
{
    store_object o;
    api_error e;

    if (!find(x, arg, &o)) return;
    store_object_fini(&o);
    error_bad(&e, NULL, "Cannot cancel a synchronous response.");
    exchange_refuse(x, &e);
}

static void delete_it(exchange *x, void *arg)
{
    const api *a = arg;
    store_object o;
    api_error e;
    errtext err;
    bool found;

    if (!find(x, a, &o)) return;
    if (store_delete(a->store, STORE_RESPONSE, o.tenant, o.id, &found, &err) == OK) {
        reply_json(exchange_reply(x), 200, json_pack("{s:s, s:s, s:b}", "id", o.id, "object",
                                                     "response", "deleted", 1));
    } else {
        error_from_status(&e, E_IO, &err);
        exchange_refuse(x, &e);
    }
    store_object_fini(&o);
}

static void input_items(exchange *x, void *arg)
{
    const api *a = arg;
    const char *order = exchange_query(x, "order");
    store_page page = { .after = exchange_query(x, "after"),
                        .descending = !order || strcmp(order, "asc") };
    store_items items = { 0 };
    store_object o;
    int64_t limit;
    json_t *list;
    api_error e;
    errtext err;

    if (!exchange_query_int(x, "limit", 1, 100, 20, &limit) || !find(x, a, &o)) return;
    page.limit = (int)limit;
    if (store_items_list(a->store, o.tenant, o.id, "input", &page, &items, &err) != OK) {
        error_from_status(&e, E_IO, &err);
        exchange_refuse(x, &e);
        store_object_fini(&o);
        return;
    }
    list = json_array();
    for (int i = 0; i < items.n; i++)
        json_array_append_new(list, json_loads(items.at[i].body, 0, NULL));
    reply_json(exchange_reply(x), 200, json_pack(
        "{s:s, s:o, s:b, s:s?, s:s?}", "object", "list", "data", list, "has_more", items.has_more,
        "first_id", items.n ? items.at[0].id : NULL, "last_id",
        items.n ? items.at[items.n - 1].id : NULL));
    store_items_fini(&items);
    store_object_fini(&o);
}

void responses_route(server *s, api *a)
{
    const route routes[] = {
        { .method = "POST", .pattern = "/v1/responses", .fn = create, .flags = ROUTE_COUNTED,
          .max_body = MAX_BODY },
        { .method = "POST", .pattern = "/v1/responses/input_tokens", .fn = count,
          .max_body = MAX_BODY },
        { .method = "GET", .pattern = "/v1/responses/{id}", .fn = get },
        { .method = "DELETE", .pattern = "/v1/responses/{id}", .fn = delete_it },
        { .method = "POST", .pattern = "/v1/responses/{id}/cancel", .fn = cancel },
        { .method = "GET", .pattern = "/v1/responses/{id}/input_items", .fn = input_items },
    };

    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        route one = routes[i];

        one.arg = a;
        server_route(s, &one);
    }
}
