/* grader_report.c - a grade as the reply of graders/run, field by field as a
 * live one had it. */
#include <string.h>

#include "tasks/grader_internal.h"

static json_t *text_or_null(const char *s)
{
    json_t *v = s ? json_string(s) : NULL;

    /* Details may be cut in the middle of a character. */
    if (s && !v) v = json_string("(not UTF-8)");
    return v ? v : json_null();
}

static json_t *errors_json(const grade_errors *e)
{
    json_t *o = json_object();
    const struct { const char *name; bool flag; } first[] = {
        { "formula_parse_error", e->formula_parse },
        { "sample_parse_error", e->sample_parse },
    };

    for (int i = 0; i < 2; i++) json_object_set_new(o, first[i].name, json_boolean(first[i].flag));
    json_object_set_new(o, "sample_parse_error_details", text_or_null(e->sample_parse_details));
    json_object_set_new(o, "truncated_observation_error", json_boolean(e->truncated_observation));
    json_object_set_new(o, "unresponsive_reward_error", json_boolean(e->unresponsive_reward));
    json_object_set_new(o, "invalid_variable_error", json_boolean(e->invalid_variable));
    json_object_set_new(o, "invalid_variable_error_details",
                        text_or_null(e->invalid_variable_details));
    json_object_set_new(o, "other_error", json_boolean(e->other));
    json_object_set_new(o, "python_grader_server_error", json_false());
    json_object_set_new(o, "python_grader_server_error_type", json_null());
    json_object_set_new(o, "python_grader_runtime_error", json_false());
    json_object_set_new(o, "python_grader_runtime_error_details", json_null());
    json_object_set_new(o, "model_grader_server_error", json_boolean(e->model_server));
    json_object_set_new(o, "model_grader_refusal_error", json_boolean(e->model_refusal));
    json_object_set_new(o, "model_grader_refusal_error_details",
                        text_or_null(e->model_refusal_details));
    json_object_set_new(o, "model_grader_parse_error", json_boolean(e->model_parse));
    json_object_set_new(o, "model_grader_parse_error_details",
                        text_or_null(e->model_parse_details));
    json_object_set_new(o, "model_grader_exceeded_max_tokens_error",
                        json_boolean(e->model_exceeded_max_tokens));
    json_object_set_new(o, "model_grader_server_error_details",
                        text_or_null(e->model_server_details));
    json_object_set_new(o, "endpoint_grader_internal_error", json_false());
    json_object_set_new(o, "endpoint_grader_internal_error_details", json_null());
    json_object_set_new(o, "endpoint_grader_server_error", json_false());
    json_object_set_new(o, "endpoint_grader_server_error_details", json_null());
    json_object_set_new(o, "endpoint_grader_safety_check_error", json_false());
    return o;
}

static json_t *usage_json(long prompt, long completion, long cached)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "prompt_tokens", (json_int_t)prompt, "total_tokens",
                     (json_int_t)(prompt + completion), "completion_tokens",
                     (json_int_t)completion, "cached_tokens", (json_int_t)cached);
}

static long add_usage(json_t *usage, const char *key, long n)
{
    long sum = (long)json_integer_value(json_object_get(usage, key)) + n;

    json_object_set_new(usage, key, json_integer(sum));
    return sum;
}

static void collect_usage(json_t *per_model, const grade *r)
{
    for (int i = 0; i < r->n_part; i++) collect_usage(per_model, &r->parts[i]);
    if (!r->asked || !r->judge_model) return;
    if (!json_object_get(per_model, r->judge_model))
        json_object_set_new(per_model, r->judge_model, usage_json(0, 0, 0));
    {
        json_t *u = json_object_get(per_model, r->judge_model);

        if (!u) return;      /* a name that is not UTF-8 */
        add_usage(u, "prompt_tokens", r->prompt_tokens);
        add_usage(u, "completion_tokens", r->completion_tokens);
        add_usage(u, "cached_tokens", r->cached_tokens);
        add_usage(u, "total_tokens", r->prompt_tokens + r->completion_tokens);
    }
}

json_t *grade_json(const grader *g, const grade *r)
{
    json_t *o = json_object(), *meta = json_object(), *sub = json_object(), *usage = json_object();

    for (int i = 0; i < r->n_part; i++)
        json_object_set_new(sub, g->keys[i], json_real(r->parts[i].reward));
    collect_usage(usage, r);
    json_object_set_new(meta, "name", text_or_null(g->name));
    json_object_set_new(meta, "type", text_or_null(grader_type_name(g)));
    json_object_set_new(meta, "errors", errors_json(&r->errors));
    json_object_set_new(meta, "execution_time", json_real(r->seconds));
    json_object_set_new(meta, "scores", json_copy(sub));
    json_object_set_new(meta, "token_usage",
                        r->asked ? usage_json(r->prompt_tokens, r->completion_tokens,
                                              r->cached_tokens)
                                 : json_null());
    json_object_set_new(meta, "sampled_model_name", text_or_null(r->judge_model));
    json_object_set_new(o, "reward", json_real(r->reward));
    json_object_set_new(o, "metadata", meta);
    json_object_set_new(o, "sub_rewards", sub);
    json_object_set_new(o, "model_grader_token_usage_per_model", usage);
    return o;
}
