/* responses_request.c - the body of POST /v1/responses. */
#include "serve/responses_request.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serve/fields.h"
#include "store/object.h"

#define MAX_ITEMS 65536

static const char *const known_fields[] = {
    "model", "input", "instructions", "reasoning", "max_output_tokens", "max_tool_calls",
    "parallel_tool_calls", "store", "background", "stream", "stream_options", "truncation",
    "temperature", "top_p", "top_logprobs", "metadata", "service_tier", "previous_response_id",
    "conversation", "prompt", "context_management", "prompt_cache_key",
    "prompt_cache_retention", "prompt_cache_options", "safety_identifier", "user", "include",
    "text", "tools", "tool_choice", NULL,
};

/* ------------------------------------------------------------------- sealing */

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES

static bool seal_key(const api *a, uint8_t key[32])
{
    return a->store && store_secret(a->store, "reasoning", key, NULL) == OK;
}

static void seal_bound(const inquiry *q, bytes *out)
{
    bytes_add_format(out, "%s\n%s", q->as->model->fingerprint, q->tenant);
}

char *reasoning_seal(const api *a, const inquiry *q, const char *text, size_t len)
{
    size_t n = NONCE + len + TAG, n_text = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);
    unsigned char key[32], *box;
    bytes bound = { 0 };
    char *out;

    if (!seal_key(a, key)) return NULL;
    box = mem_new(n);
    out = mem_new(n_text);
    randombytes_buf(box, NONCE);
    seal_bound(q, &bound);
    crypto_aead_xchacha20poly1305_ietf_encrypt(box + NONCE, NULL, (const unsigned char *)text, len,
                                               (const unsigned char *)bound.data, bound.len, NULL,
                                               box, key);
    sodium_bin2base64(out, n_text, box, n, sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(key, sizeof key);
    bytes_fini(&bound);
    mem_free(box);
    return out;
}

/* NULL: not ours, or changed. */
static char *unseal(const api *a, const inquiry *q, const char *sealed, size_t *len)
{
    size_t n = 0, max = strlen(sealed) / 4 * 3 + 4;
    unsigned char key[32], *box = mem_new(max), *text = NULL;
    bytes bound = { 0 };
    bool ok = seal_key(a, key) &&
              !sodium_base642bin(box, max, sealed, strlen(sealed), NULL, &n, NULL,
                                 sodium_base64_VARIANT_ORIGINAL) && n >= NONCE + TAG;

    if (ok) {
        text = mem_new(n - NONCE - TAG + 1);
        seal_bound(q, &bound);
        ok = !crypto_aead_xchacha20poly1305_ietf_decrypt(
            text, NULL, NULL, box + NONCE, n - NONCE, (const unsigned char *)bound.data,
            bound.len, box, key);
        *len = n - NONCE - TAG;
    }
    sodium_memzero(key, sizeof key);
    bytes_fini(&bound);
    mem_free(box);
    if (ok) return (char *)text;
    mem_free(text);
    return NULL;
}

/* --------------------------------------------------------------------- items */

/* Items become messages; a thought waits for the message or call that it led to. */
typedef struct reader {
    responses_request *r;
    const api *api;
    char *thought;
    size_t thought_len;
} reader;

static chat_message *assistant(reader *rd, bool may_join)
{
    chat *c = &rd->r->q.chat;
    chat_message *m = c->n ? &c->items[c->n - 1] : NULL;

    if (!may_join || !m || m->role != CHAT_ASSISTANT || rd->thought)
        m = chat_add(c, CHAT_ASSISTANT);
    if (rd->thought) {
        chat_message_reasoning(m, rd->thought, rd->thought_len);
        mem_free(rd->thought);
        rd->thought = NULL;
    }
    return m;
}

static bool read_part(reader *rd, chat_message *m, const json_t *part, const char *at,
                      api_error *e)
{
    const char *type = NULL, *text = NULL, *name = NULL;
    char path[200];

    if (!json_is_object(part)) return refuse_type(e, at, "an object", part);
    if (!field_needed(part, at, "type", e) || !field_text(part, at, "type", &type, e))
        return false;
    field_path(path, at, "type");
    if (!strcmp(type, "input_text") || !strcmp(type, "output_text") || !strcmp(type, "refusal")) {
        const char *key = *type == 'r' ? "refusal" : "text";

        if (!field_needed(part, at, key, e) || !field_text(part, at, key, &text, e)) return false;
        if (m->n_part && !m->parts[m->n_part - 1].name) chat_message_text(m, "\n", 1);
        chat_message_text(m, text, strlen(text));
        return true;
    }
    if (!strcmp(type, "input_file")) {
        static const char *const others[] = { "file_id", "file_url", NULL };

        for (int i = 0; others[i]; i++)
            if (field(part, others[i])) {
                field_path(path, at, others[i]);
                return error_bad_code(e, "unsupported_value", path, "Unsupported value: '%s': send "
                                      "the file's contents as file_data.", path);
            }
        if (!field_needed(part, at, "file_data", e) ||
            !field_text(part, at, "file_data", &text, e) ||
            !field_text(part, at, "filename", &name, e))
            return false;
        field_path(path, at, "file_data");
        return inquiry_file(&rd->r->q, m, name, text, path, e);
    }
    if (!strcmp(type, "input_image") || !strcmp(type, "input_audio"))
        return error_bad(e, path, "Invalid content type. %s is only supported by certain models.",
                         type);
    return refuse_value(e, path, "Invalid value: '%.100s'. Supported values are: 'input_text', "
                        "'input_file', 'output_text', and 'refusal'.", type);
}

static bool read_content(reader *rd, chat_message *m, const json_t *o, const char *at,
                         const char *key, api_error *e)
{
    const json_t *v = field(o, key);
    char path[200];

    if (!field_needed(o, at, key, e)) return false;
    field_path(path, at, key);
    if (json_is_string(v)) {
        chat_message_text(m, json_string_value(v), json_string_length(v));
        return true;
    }
    if (!json_is_array(v)) return refuse_type(e, path, "one of a string or array of objects", v);
    for (size_t i = 0; i < json_array_size(v); i++) {
        field_item(path, at, key, i);
        if (!read_part(rd, m, json_array_get(v, i), path, e)) return false;
    }
    return true;
}

static bool read_message(reader *rd, const json_t *o, const char *at, api_error *e)
{
    static const char *const roles[] = { "system", "developer", "user", "assistant", NULL };
    const profile *strict = rd->r->q.as->strict;
    char path[200];
    int role = 0;

    if (!field_needed(o, at, "role", e) || !field_word(o, at, "role", roles, &role, e))
        return false;
    field_path(path, at, "role");
    if (role < 2 && strict && strict->no_instructions)
        return error_bad_code(e, "unsupported_value", path, "Unsupported value: '%s' does not "
                              "support '%s' with this model.", path, roles[role]);
    return read_content(rd, role == 3 ? assistant(rd, false)
                                      : chat_add(&rd->r->q.chat, (chat_role)role), o, at,
                        "content", e);
}

static bool read_reasoning(reader *rd, const json_t *o, const char *at, api_error *e)
{
    const char *sealed = NULL;
    const json_t *content = field(o, "content");
    const char *text = json_string_value(json_object_get(json_array_get(content, 0), "text"));
    char path[200];

    if (!field_text(o, at, "encrypted_content", &sealed, e)) return false;
    mem_free(rd->thought);
    rd->thought = NULL;
    if (sealed) {
        field_path(path, at, "encrypted_content");
        rd->thought = unseal(rd->api, &rd->r->q, sealed, &rd->thought_len);
        if (!rd->thought)
            return error_bad_code(e, "invalid_encrypted_content", path, "The encrypted content of "
                                  "this reasoning item could not be verified.");
    } else if (text) {
        rd->thought = mem_string(text);
        rd->thought_len = strlen(text);
    }
    return true;
}

static bool read_call(reader *rd, const json_t *o, const char *at, bool custom, api_error *e)
{
    const char *id = NULL, *name = NULL, *text = NULL, *key = custom ? "input" : "arguments";
    chat_message *m;

    if (!field_needed(o, at, "call_id", e) || !field_text_max(o, at, "call_id", 64, &id, e) ||
        !field_needed(o, at, "name", e) || !field_text(o, at, "name", &name, e) ||
        !field_needed(o, at, key, e) || !field_text(o, at, key, &text, e))
        return false;
    m = assistant(rd, true);
    if (custom) {
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

static bool read_result(reader *rd, const json_t *o, const char *at, api_error *e)
{
    const chat *c = &rd->r->q.chat;
    const char *id = NULL;
    bool found = false;
    chat_message *m;

    if (!field_needed(o, at, "call_id", e) || !field_text_max(o, at, "call_id", 64, &id, e))
        return false;
    for (int i = 0; i < c->n; i++)
        for (int k = 0; k < c->items[i].n_call; k++)
            found |= c->items[i].calls[k].id && !strcmp(c->items[i].calls[k].id, id);
    if (!found)
        return error_bad(e, "input", "No tool call found for function call output with call_id "
                         "%.64s.", id);
    m = chat_add(&rd->r->q.chat, CHAT_TOOL);
    m->tool_call_id = mem_string(id);
    return read_content(rd, m, o, at, "output", e);
}

static bool read_item(reader *rd, const json_t *o, const char *at, api_error *e)
{
    static const char *const types[] = {
        "message", "reasoning", "function_call", "function_call_output", "custom_tool_call",
        "custom_tool_call_output", NULL,
    };
    int type = 0;

    if (!json_is_object(o)) return refuse_type(e, at, "an object", o);
    if (!field_word(o, at, "type", types, &type, e)) return false;
    switch (type) {
    case 0: return read_message(rd, o, at, e);
    case 1: return read_reasoning(rd, o, at, e);
    case 2: case 4: return read_call(rd, o, at, type == 4, e);
    default: return read_result(rd, o, at, e);
    }
}

static bool read_items(reader *rd, const json_t *list, api_error *e)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        char at[200];

        field_item(at, "", "input", i);
        if (!read_item(rd, json_array_get(list, i), at, e)) return false;
    }
    return true;
}

/* --------------------------------------------------------------------- input */

/* The request's items as they will be listed: messages in full, each with an id. */
static bool take_input(responses_request *r, api_error *e)
{
    const json_t *v = field(r->q.body, "input");

    r->input = json_array();
    if (!v) return true;
    if (json_is_string(v)) {
        json_array_append_new(r->input, json_pack("{s:s, s:s, s:[{s:s, s:O}]}", "type", "message",
                                                  "role", "user", "content", "type", "input_text",
                                                  "text", v));
    } else if (!json_is_array(v)) {
        return refuse_type(e, "input", "one of a string or array of objects", v);
    } else if (json_array_size(v) > MAX_ITEMS) {
        return refuse_value(e, "input", "Invalid 'input': array too long.");
    }
    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
        json_array_append_new(r->input, json_copy(json_array_get(v, i)));
    for (size_t i = 0; i < json_array_size(r->input); i++) {
        json_t *o = json_array_get(r->input, i);
        char id[STORE_MAX_ID];

        if (!json_is_object(o)) continue;    /* refused when it is read */
        if (!field(o, "type")) json_object_set_new(o, "type", json_string("message"));
        if (field(o, "id")) continue;
        store_new_id(id, strcmp(json_string_value(json_object_get(o, "type")) ?: "", "message")
                         ? "item_" : "msg_");
        json_object_set_new(o, "id", json_string(id));
    }
    return true;
}

static bool take_context(responses_request *r, const api *a, api_error *e)
{
    store_object o = { 0 };
    json_t *hidden;
    errtext err;

    r->context = json_array();
    if (!field_text(r->q.body, "", "previous_response_id", &r->previous, e)) return false;
    if (!r->previous) return true;
    if (a->store &&
        store_get(a->store, STORE_RESPONSE, r->q.tenant, r->previous, &o, &err) != OK)
        return error_from_status(e, E_IO, &err);
    if (!o.id)
        return error_set(e, 400, ERROR_INVALID, "previous_response_not_found",
                         "previous_response_id", "Previous response with id '%.100s' not found.",
                         r->previous);
    hidden = json_loads(o.hidden ? o.hidden : "{}", 0, NULL);
    json_array_extend(r->context, json_object_get(hidden, "context"));
    json_decref(hidden);
    store_object_fini(&o);
    return true;
}

static bool read_input(responses_request *r, const api *a, api_error *e)
{
    reader rd = { .r = r, .api = a };
    const char *instructions = NULL;
    bool ok;

    if (!field_text(r->q.body, "", "instructions", &instructions, e) || !take_input(r, e) ||
        !take_context(r, a, e))
        return false;
    if (instructions)
        chat_message_text(chat_add(&r->q.chat, CHAT_DEVELOPER), instructions, strlen(instructions));
    ok = read_items(&rd, r->context, e) && read_items(&rd, r->input, e);
    mem_free(rd.thought);
    if (ok && !json_array_size(r->input) && !json_array_size(r->context))
        return error_bad_code(e, "missing_required_parameter", "input",
                              "Missing required parameter: 'input'.");
    return ok;
}

/* -------------------------------------------------------------------- fields */

static bool read_reasoning_field(responses_request *r, api_error *e)
{
    static const char *const fields[] = {
        "effort", "summary", "generate_summary", "context", "mode", NULL,
    };
    static const char *const summaries[] = { "auto", "concise", "detailed", NULL };
    static const char *const contexts[] = { "auto", "current_turn", "all_turns", NULL };
    static const char *const modes[] = { "standard", NULL };
    const json_t *o = NULL;
    int i = 0;

    if (!field_object(r->q.body, "", "reasoning", &o, e)) return false;
    return !o || (fields_known(o, "reasoning", fields, e) &&
                  inquiry_effort(&r->q, o, "reasoning", "effort", e) &&
                  field_word(o, "reasoning", "summary", summaries, &i, e) &&
                  field_word(o, "reasoning", "generate_summary", summaries, &i, e) &&
                  field_word(o, "reasoning", "context", contexts, &i, e) &&
                  field_word(o, "reasoning", "mode", modes, &i, e));
}

static bool read_text_field(responses_request *r, api_error *e)
{
    static const char *const fields[] = { "format", "verbosity", NULL };
    const json_t *o = NULL, *format = NULL;

    if (!field_object(r->q.body, "", "text", &o, e)) return false;
    return !o || (fields_known(o, "text", fields, e) &&
                  field_object(o, "text", "format", &format, e) &&
                  (!format || inquiry_format(&r->q, format, "text.format", true, e)) &&
                  inquiry_verbosity(&r->q, o, "text", e));
}

static bool read_include(responses_request *r, const api *a, api_error *e)
{
    static const char *const words[] = {
        "reasoning.encrypted_content", "message.output_text.logprobs",
        "message.input_image.image_url", "file_search_call.results", "web_search_call.results",
        "web_search_call.action.sources", "code_interpreter_call.outputs",
        "computer_call_output.output.image_url", NULL,
    };
    const json_t *list = NULL;
    int64_t top = 0;

    if (!field_array(r->q.body, "", "include", &list, e) ||
        !field_int(r->q.body, "", "top_logprobs", 0, SAMPLER_MAX_TOP, &top, e))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *one = json_pack("{s:O}", "include", json_array_get(list, i));
        int word = -1;
        bool ok = field_word(one, "", "include", words, &word, e);

        json_decref(one);
        if (!ok) return false;
        r->sealed |= word == 0;
        r->log_probs |= word == 1;
    }
    if (r->sealed && !a->store)
        return error_bad_code(e, "unsupported_value", "include", "Unsupported value: 'include' does "
                              "not support 'reasoning.encrypted_content': this server keeps no key.");
    if (r->log_probs && r->q.as->strict) return refuse_parameter(e, "include", NULL);
    r->q.ask.sampler.log_prob = r->log_probs;
    r->q.ask.sampler.n_top = (int)top;
    return true;
}

/* What is asked for and not done here. */
static bool read_refused(const responses_request *r, api_error *e)
{
    static const char *const others[] = {
        "conversation", "prompt", "context_management", NULL,
    };
    static const char *const truncations[] = { "auto", "disabled", NULL };
    bool background = false;
    int truncation = 1;

    for (int i = 0; others[i]; i++)
        if (field(r->q.body, others[i])) return refuse_parameter(e, others[i], NULL);
    if (!field_bool(r->q.body, "", "background", &background, e) ||
        !field_word(r->q.body, "", "truncation", truncations, &truncation, e))
        return false;
    if (background)
        return error_bad_code(e, "unsupported_value", "background", "Unsupported value: "
                              "'background' does not support true on this server.");
    if (truncation == 0)
        return error_bad_code(e, "unsupported_value", "truncation", "Unsupported value: "
                              "'truncation' does not support 'auto' with this model. Supported "
                              "values are: 'disabled'.");
    return true;
}

static bool read_others(responses_request *r, const api *a, api_error *e)
{
    static const char *const stream_fields[] = { "include_obfuscation", NULL };
    const json_t *o = NULL;
    int64_t most = 0, calls;
    bool obfuscation;

    r->keep = a->store != NULL;
    if (!field_bool(r->q.body, "", "stream", &r->stream, e) ||
        !field_object(r->q.body, "", "stream_options", &o, e) ||
        (o && (!fields_known(o, "stream_options", stream_fields, e) ||
               !field_bool(o, "stream_options", "include_obfuscation", &obfuscation, e))) ||
        !field_bool(r->q.body, "", "store", &r->keep, e) ||
        !field_int(r->q.body, "", "max_output_tokens", 16, ASK_MAX_TOKENS, &most, e) ||
        !field_int(r->q.body, "", "max_tool_calls", 0, INT64_MAX, &calls, e) ||
        !field_metadata(r->q.body, &r->metadata, e))
        return false;
    if (r->keep && !a->store)
        return error_bad_code(e, "unsupported_value", "store", "Unsupported value: 'store' does not "
                              "support true: this server keeps nothing.");
    r->q.ask.max_tokens = (int)most;
    return true;
}

static bool read_tools(responses_request *r, api_error *e)
{
    const profile *strict = r->q.as->strict;

    if (strict && strict->no_tools && field(r->q.body, "tools"))
        return refuse_parameter(e, "tools", NULL);
    if (strict && field(r->q.body, "parallel_tool_calls"))
        return refuse_parameter(e, "parallel_tool_calls", NULL);
    return tools_read(&r->q.tools, r->q.body, TOOLS_FLAT, e);
}

bool responses_request_read(responses_request *r, const api *a, exchange *x, json_t *body,
                            bool count_only, api_error *e)
{
    *r = (responses_request){ 0 };
    *e = (api_error){ 0 };
    if (!inquiry_begin(&r->q, a, x, body, e) || !fields_known(body, "", known_fields, e) ||
        !read_input(r, a, e) || !read_others(r, a, e) || !inquiry_sampling(&r->q, e) ||
        !read_reasoning_field(r, e) || !read_text_field(r, e) || !read_tools(r, e) ||
        !read_include(r, a, e) || !read_refused(r, e) || !inquiry_hints(&r->q, e))
        return false;
    if (!count_only) return inquiry_finish(&r->q, x, e);
    return tools_apply(&r->q.tools, r->q.as->model->reasoner, &r->q.chat, &r->q.answer_grammar,
                       &r->q.call_grammar, e);
}

void responses_request_fini(responses_request *r)
{
    json_decref(r->input);
    json_decref(r->context);
    inquiry_fini(&r->q);
}
