/* inquiry.c - what both APIs ask of the model. */
#include "serve/inquiry.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "serve/fields.h"

/* ------------------------------------------------------------------- begin */

static uint64_t random_seed(void)
{
    uint64_t seed = 0;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) seed = (uint64_t)time(NULL);
    return seed;
}

static render_date today(void)
{
    time_t now = time(NULL);
    struct tm day;

    if (!gmtime_r(&now, &day)) return (render_date){ 0 };
    return (render_date){ day.tm_year + 1900, day.tm_mon + 1, day.tm_mday };
}

bool inquiry_begin(inquiry *q, const api *a, exchange *x, json_t *body, api_error *e)
{
    const identity *who = exchange_identity(x);
    const char *name = NULL;

    *q = (inquiry){ .body = json_incref(body) };
    if (!field_needed(body, "", "model", e) || !field_text(body, "", "model", &name, e))
        return false;
    if (!(q->as = models_find(a->models, name))) return refuse_model(e, name);
    q->ask = ask_defaults(q->as->model->reasoner, &q->chat);
    q->ask.sampler.seed = random_seed();
    q->ask.date = today();
    q->ask.tenant = who->tenant_id;
    snprintf(q->tenant, sizeof q->tenant, "%s", who->tenant);
    q->show_reasoning = a->show_reasoning || who->reasoning;
    return true;
}

void inquiry_fini(inquiry *q)
{
    chat_fini(&q->chat);
    tools_fini(&q->tools);
    grammar_free(q->answer_grammar);
    grammar_free(q->call_grammar);
    mem_free(q->bias);
    mem_free(q->stop);
    json_decref(q->body);
    *q = (inquiry){ 0 };
}

/* ------------------------------------------------------------------- fields */

/* Of a sampler's field under a strict profile, only the default passes. */
static bool strict_default(const inquiry *q, const char *name, double value, double normal,
                           api_error *e)
{
    if (!q->as->strict || value == normal) return true;
    if (!q->as->strict->value_refused) return refuse_parameter(e, name, NULL);
    return error_bad_code(e, "unsupported_value", name,
                          "Unsupported value: '%s' does not support %g with this model. Only the "
                          "default (%g) value is supported.", name, value, normal);
}

bool inquiry_sampling(inquiry *q, api_error *e)
{
    double temperature = -1, top_p = -1;

    if (!field_real(q->body, "", "temperature", 0, 2, &temperature, e) ||
        !field_real(q->body, "", "top_p", 0, 1, &top_p, e) ||
        (temperature >= 0 && !strict_default(q, "temperature", temperature, 1, e)) ||
        (top_p >= 0 && !strict_default(q, "top_p", top_p, 1, e)))
        return false;
    if (q->as->strict) return true;
    if (temperature >= 0) q->ask.sampler.temperature = (float)temperature;
    if (top_p >= 0) q->ask.sampler.top_p = (float)top_p;
    return true;
}

bool inquiry_effort(inquiry *q, const json_t *o, const char *at, const char *name, api_error *e)
{
    static const char *const words[] = {
        "none", "minimal", "low", "medium", "high", "xhigh", "max", NULL,
    };
    char path[200];
    int i = -1;

    if (!field_word(o, at, name, words, &i, e)) return false;
    if (i < 0) return true;
    field_path(path, at, name);
    if (q->as->strict && q->as->strict->no_effort) return refuse_parameter(e, path, NULL);
    if (q->as->strict && (i < EFFORT_LOW || i > EFFORT_HIGH))
        return error_bad_code(e, "unsupported_value", path,
                              "Unsupported value: '%s' does not support '%s' with this model. "
                              "Supported values are: 'low', 'medium', and 'high'.", path, words[i]);
    if (!strcmp(words[i], "max")) {
        q->ask.effort = EFFORT_XHIGH;
        q->ask.budget = engine_ctx(reasoner_engine(q->as->model->reasoner));
    } else {
        q->ask.effort = (effort)i;
    }
    return true;
}

bool inquiry_hints(inquiry *q, api_error *e)
{
    static const char *const tiers[] = {
        "auto", "default", "flex", "scale", "priority", "fast", "ultrafast", NULL,
    };
    static const char *const retentions[] = { "in_memory", "in-memory", "24h", NULL };
    const char *text;
    const json_t *o = NULL;
    int i;

    return field_word(q->body, "", "service_tier", tiers, &i, e) &&
           field_text(q->body, "", "user", &text, e) &&
           field_text_max(q->body, "", "safety_identifier", 64, &text, e) &&
           field_text(q->body, "", "prompt_cache_key", &text, e) &&
           field_word(q->body, "", "prompt_cache_retention", retentions, &i, e) &&
           field_object(q->body, "", "prompt_cache_options", &o, e);
}

bool inquiry_verbosity(inquiry *q, const json_t *o, const char *at, api_error *e)
{
    static const char *const words[] = { "low", "medium", "high", NULL };
    static const char *const told[] = {
        "Keep the answer as short as it can be.", NULL,
        "Answer at length and in detail.",
    };
    int i = 1;
    chat_message *first;

    if (!field_word(o, at, "verbosity", words, &i, e)) return false;
    if (!told[i]) return true;
    first = q->chat.n ? &q->chat.items[0] : NULL;
    if (first && (first->role == CHAT_SYSTEM || first->role == CHAT_DEVELOPER)) {
        chat_message_text(first, "\n\n", 2);
        chat_message_text(first, told[i], strlen(told[i]));
        return true;
    }
    chat_message_text(chat_add(&q->chat, CHAT_DEVELOPER), told[i], strlen(told[i]));
    chat_message last = q->chat.items[q->chat.n - 1];
    memmove(q->chat.items + 1, q->chat.items, (size_t)(q->chat.n - 1) * sizeof *q->chat.items);
    q->chat.items[0] = last;
    return true;
}

/* ------------------------------------------------------------------- format */

static bool read_schema(inquiry *q, const json_t *o, const char *at, const char *field_name,
                        api_error *e)
{
    const json_t *schema = NULL;
    const char *name = NULL, *text;
    char path[200];
    bool strict;
    errtext err;

    if (!field_needed(o, at, "name", e) || !field_text_max(o, at, "name", 64, &name, e) ||
        !field_text(o, at, "description", &text, e) || !field_bool(o, at, "strict", &strict, e) ||
        !field_needed(o, at, "schema", e) || !field_object(o, at, "schema", &schema, e))
        return false;
    field_path(path, at, "name");
    if (!field_is_name(name, path, e)) return false;
    if (grammar_new_schema(&q->answer_grammar, schema, NULL, &err) == OK) return true;
    field_path(path, at, "schema");
    return error_bad_code(e, "invalid_json_schema", !strcmp(field_name, "response_format")
                          ? field_name : path, "Invalid schema for response_format '%s': %s", name,
                          err.text);
}

bool inquiry_format(inquiry *q, const json_t *format, const char *at, bool flat, api_error *e)
{
    static const char *const types[] = { "text", "json_object", "json_schema", NULL };
    static const char *const nested_fields[] = { "type", "json_schema", NULL };
    static const char *const schema_fields[] = {
        "name", "description", "schema", "strict", NULL,
    };
    static const char *const flat_fields[] = {
        "type", "name", "description", "schema", "strict", NULL,
    };
    const json_t *o = format;
    char path[200];
    int type = 0;
    errtext err;

    if (!field_needed(format, at, "type", e) || !field_word(format, at, "type", types, &type, e))
        return false;
    if (!fields_known(format, at, type == 2 ? flat ? flat_fields : nested_fields
                                            : (const char *const[]){ "type", NULL }, e))
        return false;
    if (type && q->as->strict && q->as->strict->no_formats)
        return refuse_parameter(e, at, NULL);
    if (type == 0) return true;
    if (type == 1) {
        if (grammar_new_json_object(&q->answer_grammar, &err) == OK) return true;
        return error_from_status(e, E_IO, &err);
    }
    if (flat) return read_schema(q, o, at, at, e);
    if (!field_needed(format, at, "json_schema", e) ||
        !field_object(format, at, "json_schema", &o, e))
        return false;
    field_path(path, at, "json_schema");
    return fields_known(o, path, schema_fields, e) && read_schema(q, o, path, at, e);
}

/* -------------------------------------------------------------------- files */

bool inquiry_file(inquiry *q, chat_message *m, const char *name, const char *data,
                  const char *path, api_error *e)
{
    const char *comma = !strncasecmp(data, "data:", 5) ? strchr(data, ',') : NULL;
    const char *base = comma ? comma + 1 : data;
    size_t len = strlen(base), n = 0;
    char *raw = mem_new(len / 4 * 3 + 4);
    bool text;

    (void)q;
    if (sodium_base642bin((unsigned char *)raw, len / 4 * 3 + 4, base, len, "\r\n", &n, NULL,
                          sodium_base64_VARIANT_ORIGINAL)) {
        mem_free(raw);
        return refuse_value(e, path, "Invalid '%s': the data is not base64.", path);
    }
    text = utf8_valid_prefix(raw, n) == n && !memchr(raw, 0, n) && strncmp(raw, "%PDF-", 5);
    if (text) chat_message_file(m, name && *name ? name : "file", raw, n);
    mem_free(raw);
    if (text) return true;
    return error_bad_code(e, "unsupported_value", path, "Unsupported value: '%s' is not a text in "
                          "UTF-8. These models read text; convert the file first.", path);
}

/* ------------------------------------------------------------------- finish */

bool inquiry_finish(inquiry *q, exchange *x, api_error *e)
{
    size_t len;

    if (!tools_apply(&q->tools, q->as->model->reasoner, &q->chat, &q->answer_grammar,
                     &q->call_grammar, e))
        return false;
    q->ask.answer_grammar = q->answer_grammar;
    q->ask.call_grammar = q->call_grammar;
    q->ask.chat = &q->chat;
    /* About four bytes a token; what the answer may take is known when it is bounded. */
    exchange_body(x, &len);
    q->taken = (int64_t)(len / 4) + q->ask.max_tokens;
    if (exchange_take_tokens(x, q->taken)) return true;
    q->taken = 0;
    e->status = 0;
    return false;
}

/* As ask.c renders it. */
status inquiry_count(const inquiry *q, int *n, errtext *err)
{
    const reasoner *r = q->as->model->reasoner;
    int budget = q->ask.budget >= 0 ? q->ask.budget : effort_budget(q->ask.effort);
    const render_options o = {
        .thinking = budget > 0 || q->ask.min_think > 0, .effort = q->ask.effort,
        .add_generation_prompt = true, .date = q->ask.date,
    };
    segments s = { 0 };
    render_info info = { 0 };
    int32_t *ids = NULL;
    status st = render_chat(reasoner_family(r), &q->chat, &o, &s, &info, err);

    *n = 0;
    if (st == OK) {
        if (info.thinking && !info.think_open)
            segments_trusted(&s, render_think_style(reasoner_family(r))->open_forced);
        st = tokenizer_encode(reasoner_tokenizer(r), &s, 1 << 24, &ids, n, err);
    }
    segments_fini(&s);
    mem_free(ids);
    return st;
}

void inquiry_error(const inquiry *q, status st, const errtext *err, const char *param,
                   api_error *e)
{
    int n, ctx = engine_ctx(reasoner_engine(q->as->model->reasoner));
    errtext why;

    if (st == E_LIMIT && inquiry_count(q, &n, &why) == OK && n >= ctx) {
        error_bad_code(e, "context_length_exceeded", param,
                       "This model's maximum context length is %d tokens. However, your messages "
                       "resulted in %d tokens. Please reduce the length of the messages.", ctx, n);
    } else {
        error_from_status(e, st, err);
    }
}

void inquiry_settle(const inquiry *q, const api *a, reply *to, const ask_usage *usage)
{
    static const char name[] = "ponder_tokens_total";
    char labels[METERS_MAX_LABELS];
    const struct { const char *kind; int n; } counts[] = {
        { "prompt", usage->prompt }, { "cached", usage->cached },
        { "reasoning", usage->reasoning }, { "answer", usage->answer },
    };

    if (to) reply_charge(to, usage->prompt + usage->completion - q->taken);
    for (size_t i = 0; a->meters && i < sizeof counts / sizeof *counts; i++) {
        meters_labels(labels, "model", q->as->model->name, "kind", counts[i].kind, NULL);
        meters_add(a->meters, name, labels, counts[i].n);
    }
}
