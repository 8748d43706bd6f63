/* chat_request.c - the body of POST /v1/chat/completions. */
#include "serve/chat_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serve/fields.h"

#define MAX_MESSAGES 65536
#define MAX_N 128
#define MAX_SAMPLES 64
#define MAX_BIAS 1024

static const char *const known_fields[] = {
    "model", "messages", "reasoning_effort", "verbosity", "max_completion_tokens", "max_tokens",
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "n", "seed", "logit_bias",
    "logprobs", "top_logprobs", "stop", "stream", "stream_options", "response_format", "tools",
    "tool_choice", "parallel_tool_calls", "functions", "function_call", "prediction", "store",
    "metadata", "service_tier", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "prompt_cache_options", "user", "modalities", "audio",
    "web_search_options", "moderation", "samples", "include_reasoning", NULL,
};

/* ----------------------------------------------------------------- messages */

/* Parts that hold what no model here can see or hear. */
static bool refuse_part(const char *path, const char *type, api_error *e)
{
    return error_bad(e, path, "Invalid content type. %s is only supported by certain models.",
                     type);
}

static bool read_file_part(chat_request *r, chat_message *m, const json_t *part, const char *at,
                           api_error *e)
{
    static const char *const fields[] = { "file_data", "file_id", "filename", NULL };
    const char *data = NULL, *name = NULL, *id = NULL;
    const json_t *file = NULL;
    char path[200], inner[200];

    if (!field_needed(part, at, "file", e) || !field_object(part, at, "file", &file, e))
        return false;
    field_path(inner, at, "file");
    if (!fields_known(file, inner, fields, e) ||
        !field_text(file, inner, "file_data", &data, e) ||
        !field_text(file, inner, "filename", &name, e) ||
        !field_text(file, inner, "file_id", &id, e))
        return false;
    field_path(path, inner, "file_id");
    if (id)
        return error_bad_code(e, "unsupported_value", path, "Unsupported value: '%s': send the "
                              "file's contents as file_data.", path);
    if (!field_needed(file, inner, "file_data", e)) return false;
    field_path(path, inner, "file_data");
    return inquiry_file(&r->q, m, name, data, path, e);
}

static bool read_part(chat_request *r, chat_message *m, const json_t *part, const char *at,
                      api_error *e)
{
    static const char *const text_fields[] = { "type", "text", "prompt_cache_breakpoint", NULL };
    static const char *const refusal_fields[] = { "type", "refusal", NULL };
    static const char *const file_fields[] = { "type", "file", NULL };
    bool user = m->role == CHAT_USER, assistant = m->role == CHAT_ASSISTANT;
    const char *type = NULL, *text = NULL;
    char path[200];

    if (!json_is_object(part)) return refuse_type(e, at, "an object", part);
    if (!field_needed(part, at, "type", e) || !field_text(part, at, "type", &type, e))
        return false;
    field_path(path, at, "type");
    if (!strcmp(type, "text") || (assistant && !strcmp(type, "refusal"))) {
        if (!fields_known(part, at, *type == 't' ? text_fields : refusal_fields, e) ||
            !field_needed(part, at, type, e) || !field_text(part, at, type, &text, e))
            return false;
        /* Two blocks of text are two lines, as the servers this API comes from join
         * them. */
        if (m->n_part && !m->parts[m->n_part - 1].name) chat_message_text(m, "\n", 1);
        chat_message_text(m, text, strlen(text));
        return true;
    }
    if (user && !strcmp(type, "file"))
        return fields_known(part, at, file_fields, e) && read_file_part(r, m, part, at, e);
    if (user && (!strcmp(type, "image_url") || !strcmp(type, "input_audio")))
        return refuse_part(path, type, e);
    return refuse_value(e, path, "Invalid value: '%.100s'. Supported values are: %s.", type,
                        user ? "'text', 'image_url', 'input_audio', and 'file'"
                             : assistant ? "'text' and 'refusal'" : "'text'");
}

static bool read_content(chat_request *r, chat_message *m, const json_t *o, const char *at,
                         bool needed, api_error *e)
{
    const json_t *v = field(o, "content");
    char path[200];

    field_path(path, at, "content");
    if (!v && !needed) return true;
    if (!v)
        return error_bad_code(e, "invalid_type", path, "Invalid value for 'content': expected a "
                              "string, got null.");
    if (json_is_string(v)) {
        chat_message_text(m, json_string_value(v), json_string_length(v));
        return true;
    }
    if (!json_is_array(v)) return refuse_type(e, path, "one of a string or array of objects", v);
    if (!json_array_size(v))
        return error_bad_code(e, "empty_array", path, "Invalid '%s': empty array. Expected an "
                              "array with minimum length 1, but got an empty array instead.", path);
    for (size_t i = 0; i < json_array_size(v); i++) {
        char item[200];

        field_item(item, at, "content", i);
        if (!read_part(r, m, json_array_get(v, i), item, e)) return false;
    }
    return true;
}

/* One call of an assistant's past: of a function or of a custom tool, whose text is
 * shown as the one argument it was asked for by. */
static bool read_call(chat_message *m, const json_t *o, const char *at, api_error *e)
{
    static const char *const types[] = { "function", "custom", NULL };
    const char *id = NULL, *name = NULL, *text = NULL;
    const json_t *call = NULL;
    char path[200];
    int type = 0;

    if (!json_is_object(o)) return refuse_type(e, at, "an object", o);
    if (!field_needed(o, at, "id", e) || !field_text(o, at, "id", &id, e) ||
        !field_needed(o, at, "type", e) || !field_word(o, at, "type", types, &type, e) ||
        !field_needed(o, at, types[type], e) || !field_object(o, at, types[type], &call, e))
        return false;
    field_path(path, at, types[type]);
    if (!field_needed(call, path, "name", e) || !field_text(call, path, "name", &name, e) ||
        !field_needed(call, path, type ? "input" : "arguments", e) ||
        !field_text(call, path, type ? "input" : "arguments", &text, e))
        return false;
    if (type) {
        json_t *input = json_pack("{s:s}", "input", text);
        char *arguments = json_dumps(input, JSON_COMPACT);

        chat_message_call(m, id, name, arguments);
        free(arguments);
        json_decref(input);
    } else {
        chat_message_call(m, id, name, text);
    }
    return true;
}

static bool read_assistant(chat_request *r, chat_message *m, const json_t *o, const char *at,
                           api_error *e)
{
    static const char *const fields[] = {
        "role", "content", "refusal", "name", "tool_calls", "function_call", "audio",
        "reasoning_content", "reasoning", "annotations", NULL,
    };
    const json_t *calls = NULL, *legacy = NULL;
    const char *thought = NULL, *refusal = NULL;
    char path[200];

    if (!fields_known(o, at, fields, e) || !field_array(o, at, "tool_calls", &calls, e) ||
        !field_object(o, at, "function_call", &legacy, e) ||
        !field_text(o, at, "refusal", &refusal, e) ||
        !field_text(o, at, "reasoning", &thought, e) ||
        !field_text(o, at, "reasoning_content", &thought, e))
        return false;
    field_path(path, at, "audio");
    if (field(o, "audio")) return refuse_parameter(e, path, NULL);
    if (!read_content(r, m, o, at, !json_array_size(calls) && !legacy && !refusal, e))
        return false;
    if (refusal) chat_message_text(m, refusal, strlen(refusal));
    if (thought) chat_message_reasoning(m, thought, strlen(thought));
    for (size_t i = 0; i < json_array_size(calls); i++) {
        field_item(path, at, "tool_calls", i);
        if (!read_call(m, json_array_get(calls, i), path, e)) return false;
    }
    if (legacy) {
        const char *name = NULL, *arguments = NULL;

        field_path(path, at, "function_call");
        if (!field_needed(legacy, path, "name", e) || !field_text(legacy, path, "name", &name, e) ||
            !field_needed(legacy, path, "arguments", e) ||
            !field_text(legacy, path, "arguments", &arguments, e))
            return false;
        chat_message_call(m, name, name, arguments);
    }
    return true;
}

/* Whether a call with this id stands in the assistant's message that the results
 * before m[i] belong to. */
static bool answers_call(const chat *c, int i, const char *id)
{
    while (i > 0 && c->items[i - 1].role == CHAT_TOOL) i--;
    if (i == 0 || c->items[i - 1].role != CHAT_ASSISTANT) return false;
    for (int k = 0; k < c->items[i - 1].n_call; k++)
        if (c->items[i - 1].calls[k].id && !strcmp(c->items[i - 1].calls[k].id, id)) return true;
    return false;
}

static bool read_result(chat_request *r, chat_message *m, const json_t *o, const char *at,
                        bool legacy, api_error *e)
{
    static const char *const fields[] = { "role", "content", "tool_call_id", "name", NULL };
    const char *id = NULL, *key = legacy ? "name" : "tool_call_id";
    char path[200];

    if (!fields_known(o, at, fields, e) || !field_needed(o, at, key, e) ||
        !field_text(o, at, key, &id, e))
        return false;
    field_path(path, at, "role");
    if (!answers_call(&r->q.chat, r->q.chat.n - 1, id))
        return error_bad(e, path, "Invalid parameter: messages with role 'tool' must be a response "
                         "to a preceeding message with 'tool_calls'.");
    m->tool_call_id = mem_string(id);
    return read_content(r, m, o, at, true, e);
}

static bool read_message(chat_request *r, const json_t *o, size_t i, api_error *e)
{
    static const char *const roles[] = {
        "system", "developer", "user", "assistant", "tool", "function", NULL,
    };
    static const char *const fields[] = { "role", "content", "name", NULL };
    const char *name = NULL;
    char at[200], path[200];
    chat_message *m;
    int role = 0;

    field_item(at, "", "messages", i);
    if (!json_is_object(o)) return refuse_type(e, at, "an object", o);
    if (!field_needed(o, at, "role", e) || !field_word(o, at, "role", roles, &role, e) ||
        !field_text(o, at, "name", &name, e))
        return false;
    field_path(path, at, "role");
    if (role < 2 && r->q.as->strict && r->q.as->strict->no_instructions)
        return error_bad_code(e, "unsupported_value", path, "Unsupported value: '%s' does not "
                              "support '%s' with this model.", path, roles[role]);
    m = chat_add(&r->q.chat, role == 5 ? CHAT_TOOL : (chat_role)role);
    m->name = mem_string(name);
    if (role >= 4) return read_result(r, m, o, at, role == 5, e);
    if (role == 3) return read_assistant(r, m, o, at, e);
    return fields_known(o, at, fields, e) && read_content(r, m, o, at, true, e);
}

/* Every call has its result before anybody else speaks. */
static bool all_answered(const chat *c, api_error *e)
{
    for (int i = 0; i < c->n; i++) {
        const chat_message *m = &c->items[i];

        for (int k = 0; k < m->n_call; k++) {
            bool found = false;

            for (int j = i + 1; j < c->n && c->items[j].role == CHAT_TOOL; j++)
                found |= m->calls[k].id && c->items[j].tool_call_id &&
                         !strcmp(m->calls[k].id, c->items[j].tool_call_id);
            if (!found)
                return error_bad(e, "messages", "An assistant message with 'tool_calls' must be "
                                 "followed by tool messages responding to each 'tool_call_id'. The "
                                 "following tool_call_ids did not have response messages: %.100s",
                                 m->calls[k].id);
        }
    }
    return true;
}

static bool read_messages(chat_request *r, api_error *e)
{
    const json_t *list = NULL;

    if (!field_needed(r->q.body, "", "messages", e) ||
        !field_array(r->q.body, "", "messages", &list, e))
        return false;
    if (!json_array_size(list))
        return error_bad_code(e, "empty_array", "messages", "Invalid 'messages': empty array. "
                              "Expected an array with minimum length 1, but got an empty array "
                              "instead.");
    if (json_array_size(list) > MAX_MESSAGES)
        return error_bad_code(e, "array_above_max_length", "messages", "Invalid 'messages': array "
                              "too long. Expected an array with maximum length %d, but got an "
                              "array with length %zu instead.", MAX_MESSAGES,
                              json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!read_message(r, json_array_get(list, i), i, e)) return false;
    return all_answered(&r->q.chat, e);
}

/* ------------------------------------------------------------------- lengths */

static bool read_lengths(chat_request *r, api_error *e)
{
    int64_t most = 0, old = 0;

    if (!field_int(r->q.body, "", "max_completion_tokens", 1, ASK_MAX_TOKENS, &most, e) ||
        !field_int(r->q.body, "", "max_tokens", 1, ASK_MAX_TOKENS, &old, e))
        return false;
    if (old && r->q.as->strict)
        return refuse_parameter(e, "max_tokens", "Use 'max_completion_tokens' instead.");
    if (old && most)
        return refuse_value(e, "max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at "
                            "the same time is not supported.");
    r->q.ask.max_tokens = (int)(most ? most : old);
    return true;
}

static bool read_stop(chat_request *r, api_error *e)
{
    const json_t *v = field(r->q.body, "stop");
    size_t n = json_is_array(v) ? json_array_size(v) : 1;

    if (!v) return true;
    if (!json_is_array(v) && !json_is_string(v))
        return refuse_type(e, "stop", "one of a string or an array of strings", v);
    if (n > 4)
        return error_bad_code(e, "array_above_max_length", "stop", "Invalid 'stop': array too long. "
                              "Expected an array with maximum length 4, but got an array with "
                              "length %zu instead.", n);
    r->q.stop = mem_array(n + 1, sizeof *r->q.stop);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        char path[200];

        field_path(path, "stop", NULL);
        if (json_is_array(v)) field_item(path, "", "stop", i);
        if (!json_is_string(one)) return refuse_type(e, path, "a string", one);
        if (!json_string_length(one) || json_string_length(one) > 1000)
            return refuse_value(e, path, "Invalid '%s': a stop text has 1 to 1000 bytes.", path);
        r->q.stop[i] = json_string_value(one);
    }
    r->q.ask.stop = r->q.stop;
    r->q.ask.n_stop = (int)n;
    return true;
}

/* ----------------------------------------------------------------- sampling */

static bool read_bias(chat_request *r, api_error *e)
{
    int n_vocab = tokenizer_size(reasoner_tokenizer(r->q.as->model->reasoner));
    const json_t *map = NULL;
    const char *key;
    json_t *value;
    int n = 0;

    if (!field_object(r->q.body, "", "logit_bias", &map, e)) return false;
    if (!map || !json_object_size(map)) return true;
    if (r->q.as->strict) return refuse_parameter(e, "logit_bias", NULL);
    if (json_object_size(map) > MAX_BIAS)
        return refuse_value(e, "logit_bias", "Invalid 'logit_bias': at most %d tokens, but got %zu.",
                            MAX_BIAS, json_object_size(map));
    r->q.bias = mem_array(json_object_size(map), sizeof *r->q.bias);
    json_object_foreach((json_t *)map, key, value) {
        char *end;
        long id = strtol(key, &end, 10);
        double bias = 0;

        if (*end || end == key || *key < '0' || *key > '9' || id >= n_vocab)
            return refuse_value(e, "logit_bias", "Invalid key in 'logit_bias': %.40s. You should "
                                "only be using keys that are token ids, from 0 to %d.", key,
                                n_vocab - 1);
        if (json_is_null(value)) return refuse_type(e, "logit_bias", "a decimal", value);
        if (!field_real(map, "logit_bias", key, -100, 100, &bias, e)) return false;
        r->q.bias[n++] = (token_bias){ (int32_t)id, (float)bias };
    }
    r->q.ask.sampler.bias = r->q.bias;
    r->q.ask.sampler.n_bias = n;
    return true;
}

static bool read_logprobs(chat_request *r, api_error *e)
{
    int64_t top = -1;

    if (!field_bool(r->q.body, "", "logprobs", &r->log_probs, e) ||
        !field_int(r->q.body, "", "top_logprobs", 0, SAMPLER_MAX_TOP, &top, e))
        return false;
    if (r->q.as->strict && r->log_probs) return refuse_parameter(e, "logprobs", NULL);
    if (r->q.as->strict && top >= 0) return refuse_parameter(e, "top_logprobs", NULL);
    if (top >= 0 && !r->log_probs)
        return refuse_value(e, "top_logprobs", "Invalid value for 'top_logprobs': 'logprobs' must "
                            "be set to true if 'top_logprobs' is set.");
    r->q.ask.sampler.log_prob = r->log_probs;
    r->q.ask.sampler.n_top = top > 0 ? (int)top : 0;
    return true;
}

static bool read_penalty(chat_request *r, const char *name, float *to, api_error *e)
{
    double x = 0;

    if (!field_real(r->q.body, "", name, -2, 2, &x, e)) return false;
    if (x != 0 && r->q.as->strict) {
        if (!r->q.as->strict->value_refused) return refuse_parameter(e, name, NULL);
        return error_bad_code(e, "unsupported_value", name, "Unsupported value: '%s' does not "
                              "support %g with this model. Only the default (0) value is "
                              "supported.", name, x);
    }
    *to = (float)x;
    return true;
}

static bool read_sampling(chat_request *r, api_error *e)
{
    sampler_options *s = &r->q.ask.sampler;
    int64_t seed = -1, n = 1, samples = 1;

    if (!inquiry_sampling(&r->q, e) || !read_penalty(r, "presence_penalty", &s->presence_penalty, e) ||
        !read_penalty(r, "frequency_penalty", &s->frequency_penalty, e) || !read_bias(r, e) ||
        !read_logprobs(r, e) || !field_int(r->q.body, "", "n", 1, MAX_N, &n, e) ||
        !field_int(r->q.body, "", "samples", 1, MAX_SAMPLES, &samples, e))
        return false;
    if (field(r->q.body, "seed")) {
        if (!field_int(r->q.body, "", "seed", INT64_MIN, INT64_MAX, &seed, e)) return false;
        s->seed = (uint64_t)seed;
    }
    if (n > 1 && r->q.as->strict && r->q.as->strict->one_choice)
        return error_bad_code(e, "unsupported_value", "n", "Unsupported value: 'n' does not support "
                              "%d with this model. Only the default (1) value is supported.",
                              (int)n);
    if (n > 1 && samples > 1)
        return refuse_value(e, "samples", "'samples' and 'n' do not go together: a vote gives one "
                            "choice.");
    if (r->log_probs && samples > 1)
        return refuse_value(e, "logprobs", "'logprobs' and 'samples' do not go together.");
    r->n = (int)n;
    r->samples = (int)samples;
    r->q.ask.samples = (int)(n > samples ? n : samples);
    if (samples > 1 && !field(r->q.body, "temperature") && s->temperature < 0.6f)
        s->temperature = 0.6f;       /* a vote needs answers that differ */
    return true;
}

/* ------------------------------------------------------------------- others */

static bool read_stream(chat_request *r, api_error *e)
{
    static const char *const fields[] = { "include_usage", "include_obfuscation", NULL };
    const json_t *o = NULL;
    bool obfuscation;

    if (!field_bool(r->q.body, "", "stream", &r->stream, e) ||
        !field_object(r->q.body, "", "stream_options", &o, e))
        return false;
    if (!o) return true;
    if (!r->stream)
        return error_bad(e, "stream_options", "The 'stream_options' parameter is only allowed when "
                         "'stream' is enabled.");
    return fields_known(o, "stream_options", fields, e) &&
           field_bool(o, "stream_options", "include_usage", &r->include_usage, e) &&
           field_bool(o, "stream_options", "include_obfuscation", &obfuscation, e);
}

static bool read_prediction(chat_request *r, api_error *e)
{
    const json_t *o = NULL;
    const char *type = NULL;

    if (!field_object(r->q.body, "", "prediction", &o, e)) return false;
    if (!o) return true;
    if (r->q.as->strict) return refuse_parameter(e, "prediction", NULL);
    if (!field_needed(o, "prediction", "type", e) ||
        !field_word(o, "prediction", "type", (const char *const[]){ "content", NULL },
                    &(int){ 0 }, e) ||
        !field_needed(o, "prediction", "content", e))
        return false;
    (void)type;
    return true;                     /* it may speed the answer up, and changes no token */
}

static bool read_tools(chat_request *r, api_error *e)
{
    static const char *const tooling[] = { "tools", "functions", "tool_choice", "function_call" };
    const profile *strict = r->q.as->strict;

    for (int i = 0; strict && strict->no_tools && i < 4; i++)
        if (field(r->q.body, tooling[i])) return refuse_parameter(e, tooling[i], NULL);
    if (strict && field(r->q.body, "parallel_tool_calls"))
        return refuse_parameter(e, "parallel_tool_calls", NULL);
    return tools_read(&r->q.tools, r->q.body, TOOLS_NESTED, e);
}

/* What only other models have. */
static bool read_senses(chat_request *r, api_error *e)
{
    const json_t *list = NULL, *on = field(r->q.body, "moderation");
    static const char *const others[] = { "audio", "web_search_options", NULL };

    if (!field_array(r->q.body, "", "modalities", &list, e)) return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));

        if (!word || strcmp(word, "text"))
            return error_bad_code(e, "unsupported_value", "modalities", "Unsupported value: "
                                  "'modalities' supports only ['text'] with this model.");
    }
    for (int i = 0; others[i]; i++)
        if (field(r->q.body, others[i])) return refuse_parameter(e, others[i], NULL);
    return !on || refuse_parameter(e, "moderation", NULL);
}

static bool read_keeping(chat_request *r, api_error *e)
{
    bool keep = false;
    const json_t *metadata;      /* only shape matters: nothing is kept with it */

    if (!field_bool(r->q.body, "", "store", &keep, e) ||
        !field_metadata(r->q.body, &metadata, e))
        return false;
    if (keep)
        return error_bad_code(e, "unsupported_value", "store", "Unsupported value: 'store' does "
                              "not support true: chat completions are not kept here; the "
                              "Responses API keeps what it answers.");
    return true;
}

static bool read_reasoning(chat_request *r, api_error *e)
{
    bool include = r->q.show_reasoning;

    if (!field_bool(r->q.body, "", "include_reasoning", &include, e)) return false;
    if (include && !r->q.show_reasoning)
        return error_set(e, 403, ERROR_INVALID, "reasoning_hidden", "include_reasoning",
                         "This server does not show reasoning to this key.");
    r->q.show_reasoning = include;
    return inquiry_effort(&r->q, r->q.body, "", "reasoning_effort", e);
}

static bool read_format(chat_request *r, api_error *e)
{
    const json_t *o = NULL;

    if (!field_object(r->q.body, "", "response_format", &o, e)) return false;
    return !o || inquiry_format(&r->q, o, "response_format", false, e);
}

bool chat_request_read(chat_request *r, const api *a, exchange *x, json_t *body, api_error *e)
{
    *r = (chat_request){ 0 };
    *e = (api_error){ 0 };
    return inquiry_begin(&r->q, a, x, body, e) && fields_known(body, "", known_fields, e) &&
           read_messages(r, e) && read_lengths(r, e) && read_stop(r, e) && read_sampling(r, e) &&
           read_stream(r, e) && read_reasoning(r, e) && read_format(r, e) && read_tools(r, e) &&
           read_prediction(r, e) && read_senses(r, e) && read_keeping(r, e) &&
           inquiry_hints(&r->q, e) && inquiry_verbosity(&r->q, body, "", e) &&
           inquiry_finish(&r->q, x, e);
}

void chat_request_fini(chat_request *r)
{
    inquiry_fini(&r->q);
}
