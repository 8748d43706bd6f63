/* chat_reply.c - the objects of Chat Completions. */
#include "serve/chat_reply.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "serve/http_text.h"
#include "serve/wire.h"

json_t *chat_usage(const ask_usage *u)
{
    return json_pack("{s:i, s:i, s:i, s:{s:i, s:i, s:i}, s:{s:i, s:i, s:i, s:i}}",
                     "prompt_tokens", u->prompt, "completion_tokens", u->completion,
                     "total_tokens", u->prompt + u->completion,
                     "prompt_tokens_details", "cached_tokens", u->cached, "audio_tokens", 0,
                     "cache_write_tokens", 0,
                     "completion_tokens_details", "reasoning_tokens", u->reasoning,
                     "audio_tokens", 0, "accepted_prediction_tokens", 0,
                     "rejected_prediction_tokens", 0);
}

/* ---------------------------------------------------------------- log-probs */

static json_t *token_json(const tokenizer *t, int32_t id, float log_prob)
{
    token_text text = tokenizer_text(t, id);
    json_t *list = json_array();
    double p = isfinite(log_prob) && log_prob > -9999 ? log_prob : -9999;

    for (size_t i = 0; i < text.len; i++)
        json_array_append_new(list, json_integer((unsigned char)text.data[i]));
    return json_pack("{s:o, s:f, s:o}", "token", wire_text(text.data, text.len), "logprob", p,
                     "bytes", list);
}

json_t *chat_log_prob(const tokenizer *t, const sample *drawn)
{
    json_t *item, *top;

    if (tokenizer_kind(t, drawn->id) == TOKEN_CONTROL) return NULL;
    item = token_json(t, drawn->id, drawn->log_prob);
    top = json_array();
    for (int i = 0; i < drawn->n_top; i++)
        json_array_append_new(top, token_json(t, drawn->top[i].id, drawn->top[i].log_prob));
    json_object_set_new(item, "top_logprobs", top);
    return item;
}

json_t *chat_log_probs(json_t *list)
{
    if (!list) return json_null();
    return json_pack("{s:o, s:n}", "content", list, "refusal");
}

/* -------------------------------------------------------------------- calls */

chat_calls chat_calls_of(const chat_request *r, const ask_sample *s)
{
    chat_calls c = { .items = s->calls, .n = s->n_call };

    if (!c.n && r->q.tools.choice == CHOICE_REQUIRED) {
        c.from_text = true;
        c.n = render_parse_calls(s->text, s->text_len, &c.parsed, 1);
    }
    if (c.n > 1 && !r->q.tools.parallel) c.n = 1;
    return c;
}

void chat_calls_fini(chat_calls *c)
{
    if (c->from_text && c->n) chat_call_fini(&c->parsed);
}

static const chat_call *call_at(const chat_calls *c, int i)
{
    return c->from_text ? &c->parsed : &c->items[i];
}

json_t *chat_call_json(const tool_set *tools, const chat_call *call, int index)
{
    const tool *t = tools_find(tools, call->name);
    json_t *o = json_object();
    char id[STORE_MAX_ID];

    store_new_id(id, "call_");
    if (index >= 0) json_object_set_new(o, "index", json_integer(index));
    json_object_set_new(o, "id", json_string(id));
    if (t && t->custom) {
        char *input = tool_input(call->arguments);

        json_object_set_new(o, "type", json_string("custom"));
        json_object_set_new(o, "custom", json_pack("{s:o, s:o}", "name", wire_string(call->name),
                                                   "input", wire_string(input)));
        mem_free(input);
    } else {
        json_object_set_new(o, "type", json_string("function"));
        json_object_set_new(o, "function",
                            json_pack("{s:o, s:o}", "name", wire_string(call->name), "arguments",
                                      wire_string(call->arguments)));
    }
    return o;
}

const char *chat_finish(const chat_request *r, const ask_sample *s, const chat_calls *calls)
{
    if (calls->n && (s->finish == FINISH_STOP || s->finish == FINISH_TOOL_CALLS ||
                     s->finish == FINISH_CANCELLED))
        return r->q.tools.legacy ? "function_call" : "tool_calls";
    switch (s->finish) {
    case FINISH_LENGTH:
    case FINISH_REPETITION:          /* cut off, too: an answer in circles has no end */
        return "length";
    default:
        return "stop";
    }
}

/* --------------------------------------------------------------- completion */

static json_t *message_json(const chat_request *r, const ask_sample *s, const chat_calls *calls)
{
    json_t *m = json_pack("{s:s}", "role", "assistant"), *list;
    bool hidden = calls->from_text || (calls->n && !s->text_len);

    json_object_set_new(m, "content", hidden ? calls->n ? json_null() : json_string("")
                                             : wire_text(s->text, s->text_len));
    json_object_set_new(m, "refusal", json_null());
    json_object_set_new(m, "annotations", json_array());
    if (r->q.show_reasoning) {
        json_object_set_new(m, "reasoning_content", wire_text(s->reasoning, s->reasoning_len));
        json_object_set_new(m, "reasoning", wire_text(s->reasoning, s->reasoning_len));
    }
    if (!calls->n) return m;
    if (r->q.tools.legacy) {
        json_t *call = chat_call_json(&r->q.tools, call_at(calls, 0), -1);

        json_object_set(m, "function_call", json_object_get(call, "function"));
        json_decref(call);
        return m;
    }
    list = json_array();
    for (int i = 0; i < calls->n; i++)
        json_array_append_new(list, chat_call_json(&r->q.tools, call_at(calls, i), -1));
    json_object_set_new(m, "tool_calls", list);
    return m;
}

static json_t *head_json(const chat_head *h, const char *object)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "id", h->id, "object", object, "created",
                     (json_int_t)h->created, "model", h->as->shown, "service_tier", "default",
                     "system_fingerprint", h->as->model->fingerprint);
}

static json_t *votes_json(const ask_answer *a)
{
    json_t *list = json_array();

    for (int i = 0; i < a->n_vote; i++)
        json_array_append_new(list, json_pack("{s:o, s:i}", "final", wire_string(a->votes[i].final),
                                              "count", a->votes[i].count));
    return list;
}

json_t *chat_completion(const chat_head *h, const chat_request *r, const ask_answer *a,
                        json_t **log_probs)
{
    json_t *o = head_json(h, "chat.completion"), *choices = json_array();

    for (int i = 0; i < r->n; i++) {
        int k = r->samples > 1 ? a->chosen : i;
        const ask_sample *s = &a->samples[k];
        chat_calls calls = chat_calls_of(r, s);

        json_array_append_new(choices, json_pack(
            "{s:i, s:o, s:o, s:s}", "index", i, "message", message_json(r, s, &calls), "logprobs",
            chat_log_probs(log_probs ? json_incref(log_probs[k]) : NULL), "finish_reason",
            chat_finish(r, s, &calls)));
        chat_calls_fini(&calls);
    }
    json_object_set_new(o, "choices", choices);
    json_object_set_new(o, "usage", chat_usage(&a->usage));
    if (r->samples > 1) json_object_set_new(o, "votes", votes_json(a));
    return o;
}

/* ------------------------------------------------------------------- chunks */

json_t *chat_chunk(const chat_head *h, const chat_request *r, int index, json_t *delta,
                   json_t *log_probs, const char *finish)
{
    json_t *o = head_json(h, "chat.completion.chunk");

    json_object_set_new(o, "choices", json_pack("[{s:i, s:o, s:o, s:o}]", "index", index, "delta",
                                                delta, "logprobs", chat_log_probs(log_probs),
                                                "finish_reason",
                                                finish ? json_string(finish) : json_null()));
    if (r->include_usage) json_object_set_new(o, "usage", json_null());
    return o;
}

json_t *chat_usage_chunk(const chat_head *h, const ask_usage *u)
{
    json_t *o = head_json(h, "chat.completion.chunk");

    json_object_set_new(o, "choices", json_array());
    json_object_set_new(o, "usage", chat_usage(u));
    return o;
}
