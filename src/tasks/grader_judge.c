/* grader_judge.c - graders that ask a model: score_model and label_model.
 *
 * The judge has to reply with JSON of a fixed shape. What does not have that
 * shape is a parse error and scores 0; text that merely looks like approval
 * earns nothing. An empty answer is never shown to a judge. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/grader_internal.h"

/* ---- parsing a spec ---- */

static bool parse_part(message *m, const json_t *part, const char *prefix, complaints *c)
{
    template *t;

    if (json_is_string(part)) {
        json_t *wrapped = json_pack("{s:O}", "text", part);

        t = parse_template(wrapped, "text", prefix, c);
        json_decref(wrapped);
    } else if (json_is_object(part)) {
        const char *type = json_string_value(json_object_get(part, "type"));

        if (type && (strstr(type, "image") || strstr(type, "audio"))) {
            complain(c, E_UNSUPPORTED, "'%stype': a judge here reads text, not '%.40s'.", prefix,
                     type);
            return false;
        }
        t = parse_template(part, "text", prefix, c);
    } else {
        complain(c, E_ARG, "Invalid type for '%scontent': expected text, but got %s instead.",
                 prefix, json_kind(part));
        return false;
    }
    if (!t) return false;
    m->texts = mem_resize(m->texts, (size_t)m->n_text + 1, sizeof *m->texts);
    m->texts[m->n_text++] = t;
    return true;
}

static void parse_message(message *m, const json_t *v, const char *prefix, complaints *c)
{
    const char *role = json_string_value(json_object_get(v, "role")), *key;
    const json_t *content = json_object_get(v, "content");
    json_t *value;

    if (!json_is_object(v)) {
        complain(c, E_ARG, "Invalid type for '%.*s': expected an object, but got %s instead.",
                 (int)strlen(prefix) - 1, prefix, json_kind(v));
        return;
    }
    json_object_foreach((json_t *)v, key, value)
        if (strcmp(key, "role") && strcmp(key, "content") && strcmp(key, "type"))
            complain(c, E_ARG, "Unknown parameter: '%s%.60s'.", prefix, key);
    if (!role || (strcmp(role, "user") && strcmp(role, "system") && strcmp(role, "developer") &&
                  strcmp(role, "assistant")))
        complain(c, E_ARG,
                 "Invalid value for '%srole'. Supported values are: 'user', 'system', 'developer', "
                 "and 'assistant'.", prefix);
    m->role = mem_string(role);
    if (json_is_array(content)) {
        if (!json_array_size(content))
            complain(c, E_ARG, "Invalid '%scontent': the array is empty.", prefix);
        for (size_t i = 0; i < json_array_size(content); i++) {
            char inner[160];

            snprintf(inner, sizeof inner, "%scontent[%zu].", prefix, i);
            if (!parse_part(m, json_array_get(content, i), inner, c)) return;
        }
    } else {
        parse_part(m, content, prefix, c);
    }
}

static void parse_messages(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    const json_t *input = json_object_get(spec, "input");

    if (!input) {
        complain(c, E_ARG, "Missing required parameter: '%sinput'.", prefix);
        return;
    }
    if (!json_is_array(input) || !json_array_size(input)) {
        complain(c, E_ARG, "Invalid type for '%sinput': expected an array of messages, but got %s "
                           "instead.", prefix,
                 json_is_array(input) ? "an empty one" : json_kind(input));
        return;
    }
    g->messages = mem_array(json_array_size(input), sizeof *g->messages);
    for (size_t i = 0; i < json_array_size(input) && c->text.len < 400; i++) {
        char inner[128];

        snprintf(inner, sizeof inner, "%sinput[%zu].", prefix, i);
        parse_message(&g->messages[g->n_message++], json_array_get(input, i), inner, c);
    }
}

static void parse_sampling(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    json_t *v = json_object_get(spec, "sampling_params");

    if (!v) v = json_object_get(spec, "sampling_parameters");
    if (!v || json_is_null(v)) return;
    if (json_is_object(v)) g->sampling = json_incref(v);
    else complain(c, E_ARG, "Invalid type for '%ssampling_params': expected an object, but got %s "
                            "instead.", prefix, json_kind(v));
}

static void parse_range(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    const json_t *v = json_object_get(spec, "range");

    g->low = 0;
    g->high = 1;
    if (!v || json_is_null(v)) return;
    if (json_array_size(v) == 2 && json_is_number(json_array_get(v, 0)) &&
        json_is_number(json_array_get(v, 1))) {
        g->low = json_number_value(json_array_get(v, 0));
        g->high = json_number_value(json_array_get(v, 1));
        if (isfinite(g->low) && isfinite(g->high) && g->low < g->high) return;
    }
    complain(c, E_ARG, "Invalid value for '%srange': expected two numbers, the lower one first.",
             prefix);
}

static json_t *parse_labels(const json_t *spec, const char *key, const char *prefix, complaints *c)
{
    json_t *v = json_object_get(spec, key);

    if (!v) {
        complain(c, E_ARG, "Missing required parameter: '%s%s'.", prefix, key);
        return NULL;
    }
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_string(json_array_get(v, i)) || !json_string_length(json_array_get(v, i)))
            v = NULL;
    if (json_array_size(v)) return json_incref(v);
    complain(c, E_ARG, "Invalid value for '%s%s': expected an array of labels.", prefix, key);
    return NULL;
}

static bool has_label(const json_t *labels, const json_t *label)
{
    for (size_t i = 0; i < json_array_size(labels); i++)
        if (json_equal(json_array_get(labels, i), label)) return true;
    return false;
}

/* {"steps": [{"description", "conclusion"}], "result": ...}: reasons first, so
 * that the verdict follows from them. */
static json_t *reply_schema(const grader *g)
{
    json_t *result = g->labels ? json_pack("{s:s, s:O}", "type", "string", "enum", g->labels)
                               : json_pack("{s:s}", "type", "number");

    return json_pack(
        "{s:s, s:{s:{s:s, s:{s:s, s:{s:{s:s}, s:{s:s}}, s:[s,s], s:b}}, s:o}, s:[s,s], s:b}",
        "type", "object", "properties", "steps", "type", "array", "items", "type", "object",
        "properties", "description", "type", "string", "conclusion", "type", "string", "required",
        "description", "conclusion", "additionalProperties", 0, "result", result, "required",
        "steps", "result", "additionalProperties", 0);
}

void parse_judge(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    const json_t *model = json_object_get(spec, "model");

    if (!json_is_string(model) || !json_string_length(model))
        complain(c, E_ARG, "Missing required parameter: '%smodel'.", prefix);
    else
        g->model = mem_string(json_string_value(model));
    parse_messages(g, spec, prefix, c);
    parse_sampling(g, spec, prefix, c);
    if (g->type == GRADER_SCORE_MODEL) {
        parse_range(g, spec, prefix, c);
    } else {
        g->labels = parse_labels(spec, "labels", prefix, c);
        g->passing = parse_labels(spec, "passing_labels", prefix, c);
        for (size_t i = 0; g->labels && i < json_array_size(g->passing); i++)
            if (!has_label(g->labels, json_array_get(g->passing, i)))
                complain(c, E_ARG, "Invalid value for '%spassing_labels': '%.60s' is none of the "
                                   "labels.", prefix,
                         json_string_value(json_array_get(g->passing, i)));
    }
    g->schema = reply_schema(g);
    if (!g->host.judge)
        complain(c, E_UNSUPPORTED, "'%smodel': no judge model is set up.", prefix);
}

/* ---- asking ---- */

/* The messages with everything filled in, or NULL after noting why not. */
static json_t *fill_messages(const grader *g, const grading *run, grade *out)
{
    json_t *all = json_array();

    for (int i = 0; i < g->n_message; i++) {
        const message *m = &g->messages[i];
        bytes text = { 0 };

        for (int k = 0; k < m->n_text; k++) {
            if (k) bytes_add_char(&text, '\n');
            if (!grading_fill(run, m->texts[k], &text, out)) {
                bytes_fini(&text);
                json_decref(all);
                return NULL;
            }
        }
        json_array_append_new(all, json_pack("{s:s, s:s%}", "role", m->role, "content",
                                             text.data ? text.data : "", text.len));
        bytes_fini(&text);
    }
    return all;
}

/* What the judge says is its result, borrowed from *reply; NULL when there is
 * none. Fences around JSON are taken off: models put them there. */
static const json_t *find_result(json_t **reply, const bytes *text, char *why, size_t n_why)
{
    const char *s = text->data ? text->data : "";
    size_t n = text->len;
    const json_t *r;
    json_error_t e;

    while (n && strchr(" \t\r\n", *s) && *s) s++, n--;
    while (n && strchr(" \t\r\n", s[n - 1]) && s[n - 1]) n--;
    if (n >= 6 && !memcmp(s, "```", 3) && !memcmp(s + n - 3, "```", 3)) {
        const char *line = memchr(s, '\n', n);

        if (line && line + 1 < s + n - 3) {
            n = (size_t)(s + n - 3 - (line + 1));
            s = line + 1;
        }
    }
    *reply = json_loadb(s, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (!*reply) {
        snprintf(why, n_why, "the judge's reply is not JSON: %.100s", e.text);
        return NULL;
    }
    r = json_is_object(*reply) ? json_object_get(*reply, "result") : *reply;
    if (!r) snprintf(why, n_why, "the judge's reply has no \"result\"");
    return r;
}

static void score_reply(const grader *g, const judge_reply *reply, grade *out)
{
    char why[160] = "";
    json_t *all;
    const json_t *result = find_result(&all, &reply->text, why, sizeof why);

    if (result && g->type == GRADER_SCORE_MODEL) {
        double v = json_number_value(result);

        if (!json_is_number(result) || !isfinite(v))
            snprintf(why, sizeof why, "the judge's result is %s, not a number", json_kind(result));
        else
            out->reward = v < g->low ? g->low : v > g->high ? g->high : v;
    } else if (result) {
        if (has_label(g->labels, result)) out->reward = has_label(g->passing, result);
        else snprintf(why, sizeof why, "the judge's result is none of the labels");
    }
    if (why[0])
        grade_flag(out, &out->errors.model_parse, &out->errors.model_parse_details, GRADE_BROKEN,
                   why);
    json_decref(all);
}

void run_judge(const grader *g, const grading *run, grade *out)
{
    grade_errors *e = &out->errors;
    judge_request request = { g->name, g->model, NULL, g->sampling, g->schema };
    judge_reply reply = { 0 };
    errtext err = { "the judge did not answer" };
    json_t *messages = fill_messages(g, run, out);

    if (!messages) return;
    if (run->blank) {
        grade_flag(out, &e->unresponsive_reward, &e->other_details, GRADE_BAD_SAMPLE,
                   "the answer is empty");
        out->reward = g->type == GRADER_SCORE_MODEL ? g->low : 0;
        json_decref(messages);
        return;
    }
    request.messages = messages;
    out->asked = true;
    if (g->host.judge(g->host.arg, &request, &reply, &err) != OK) {
        grade_flag(out, &e->model_server, &e->model_server_details, GRADE_BROKEN, err.text);
    } else if (reply.refused) {
        grade_flag(out, &e->model_refusal, &e->model_refusal_details, GRADE_BROKEN,
                   reply.text.len ? reply.text.data : "the judge refused");
    } else if (reply.cut_off) {
        grade_flag(out, &e->model_exceeded_max_tokens, &e->other_details, GRADE_BROKEN,
                   "the judge ran into its token limit");
    } else {
        score_reply(g, &reply, out);
    }
    out->judge_model = reply.model ? reply.model : mem_string(g->model);
    out->judge_text = bytes_take(&reply.text);
    out->prompt_tokens = reply.prompt_tokens;
    out->completion_tokens = reply.completion_tokens;
    out->cached_tokens = reply.cached_tokens;
    bytes_fini(&reply.text);
    json_decref(messages);
}
