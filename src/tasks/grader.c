/* grader.c - the life of a grader and of one run of it. */
#include "tasks/grader.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tasks/grader_internal.h"
#include "tasks/runes.h"

void grader_free(grader *g)
{
    if (!g) return;
    template_free(g->input);
    template_free(g->reference);
    template_free(g->task);
    template_free(g->key);
    similarity_free(g->metric);
    for (int i = 0; i < g->n_message; i++) {
        for (int k = 0; k < g->messages[i].n_text; k++) template_free(g->messages[i].texts[k]);
        mem_free(g->messages[i].texts);
        mem_free(g->messages[i].role);
    }
    mem_free(g->messages);
    mem_free(g->model);
    json_decref(g->sampling);
    json_decref(g->schema);
    json_decref(g->labels);
    json_decref(g->passing);
    for (int i = 0; i < g->n_part; i++) {
        mem_free(g->keys[i]);
        grader_free(g->parts[i]);
    }
    mem_free(g->keys);
    mem_free(g->parts);
    formula_free(g->output);
    for (int i = 0; i < g->n_warning; i++) mem_free(g->warnings[i]);
    mem_free(g->warnings);
    json_decref(g->spec);
    mem_free(g->name);
    mem_free(g);
}

json_t *grader_json(const grader *g)
{
    return json_deep_copy(g->spec);
}

const char *grader_name(const grader *g)
{
    return g->name;
}

grader_type grader_type_of(const grader *g)
{
    return g->type;
}

const char *grader_type_name(const grader *g)
{
    return json_string_value(json_object_get(g->spec, "type"));
}

int grader_parts(const grader *g)
{
    return g->n_part;
}

const char *grader_part_key(const grader *g, int i)
{
    return g->keys[i];
}

const grader *grader_part(const grader *g, int i)
{
    return g->parts[i];
}

int grader_warnings(const grader *g)
{
    return g->n_warning;
}

const char *grader_warning(const grader *g, int i)
{
    return g->warnings[i];
}

bool grader_passes(const grader *g, double reward)
{
    if (g->has_threshold) return reward >= g->threshold;
    return reward >= (g->type == GRADER_SCORE_MODEL ? g->high : 1);
}

void grader_each_template(const grader *g, template_fn *fn, void *arg)
{
    const template *const own[] = { g->input, g->reference, g->task, g->key };

    for (int i = 0; i < 4; i++)
        if (own[i]) fn(arg, own[i]);
    for (int i = 0; i < g->n_message; i++)
        for (int k = 0; k < g->messages[i].n_text; k++) fn(arg, g->messages[i].texts[k]);
}

/* ---- does a row fit? ---- */

typedef struct row_check {
    const json_t *item;
    const char *missing;
} row_check;

static void check_template(void *arg, const template *t)
{
    row_check *r = arg;

    for (int i = 0; i < template_paths(t); i++)
        if (!r->missing && template_path_under(t, i, "item") &&
            !template_value(t, i, r->item, NULL))
            r->missing = template_path(t, i);
}

status grader_check_item(const grader *g, const json_t *item, errtext *err)
{
    row_check r = { item, NULL };
    status st;

    for (int i = 0; i < g->n_part; i++)
        if ((st = grader_check_item(g->parts[i], item, err)) != OK) return st;
    grader_each_template(g, check_template, &r);
    if (r.missing)
        return fail(err, E_ARG, "grader \"%.80s\" reads {{%.120s}}, which the row does not have",
                    g->name, r.missing);
    return OK;
}

/* ---- samples ---- */

/* UTF-8 whatever comes: JSON strings hold nothing else. */
static json_t *text_json(const char *text, size_t len)
{
    bytes clean = { 0 };
    json_t *v;

    if (utf8_valid_prefix(text, len) == len) return json_stringn(text, len);
    for (size_t i = 0; i < len;) {
        size_t n = utf8_valid_prefix(text + i, len - i);

        bytes_add(&clean, text + i, n);
        i += n;
        if (i < len) {
            bytes_add_string(&clean, "\xef\xbf\xbd");
            i++;
        }
    }
    v = json_stringn(clean.data, clean.len);
    bytes_fini(&clean);
    return v;
}

json_t *grader_sample(const char *text, size_t len, json_t *tool_calls)
{
    json_t *s = json_object(), *said = json_object(), *choices = json_array(),
           *choice = json_object(), *content = text_json(len ? text : "", len);

    json_object_set_new(said, "role", json_string("assistant"));
    json_object_set(said, "content", content);
    if (json_array_size(tool_calls)) {
        json_object_set(said, "tool_calls", tool_calls);
        json_object_set(s, "output_tools", tool_calls);
    }
    json_object_set_new(choice, "index", json_integer(0));
    json_object_set_new(choice, "message", said);
    json_array_append_new(choices, choice);
    json_object_set_new(s, "choices", choices);
    json_object_set_new(s, "output_text", content);
    return s;
}

static bool is_blank(const json_t *text)
{
    runes r = { 0 };
    bool blank = true;

    runes_from_utf8(&r, json_string_value(text), json_string_length(text));
    for (size_t i = 0; i < r.n && blank; i++) blank = rune_is_space(r.at[i]);
    runes_fini(&r);
    return blank;
}

static void note_use(void *arg, const template *t)
{
    bool *uses = arg;

    for (int i = 0; i < template_paths(t); i++)
        *uses |= template_path_under(t, i, "sample.output_json");
}

static bool uses_output_json(const grader *g)
{
    bool uses = false;

    grader_each_template(g, note_use, &uses);
    for (int i = 0; i < g->n_part; i++) uses |= uses_output_json(g->parts[i]);
    return uses;
}

/* Numbers that do not fit an integer are read as reals. */
static json_t *parse_output(const json_t *text, json_error_t *e)
{
    const char *s = json_string_value(text);
    size_t n = json_string_length(text);
    json_t *v = json_loadb(s, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, e);

    if (!v && json_error_code(e) == json_error_numeric_overflow)
        v = json_loadb(s, n, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, e);
    return v;
}

/* The sample as graders see it: with output_json where its text is JSON. The
 * caller releases it. */
static json_t *complete_sample(const grader *g, const json_t *sample, grading *run)
{
    const json_t *text;
    json_error_t e;
    json_t *all, *value;

    all = json_is_object(sample) ? json_copy((json_t *)sample)
          : json_is_string(sample)
              ? grader_sample(json_string_value(sample), json_string_length(sample), NULL)
              : json_object();
    text = json_object_get(all, "output_text");
    run->blank = json_is_string(text) && is_blank(text) &&
                 !json_array_size(json_object_get(all, "output_tools")) &&
                 !json_object_get(all, "output_audio");
    if (json_object_get(all, "output_json") || !uses_output_json(g)) return all;
    if (!json_is_string(text)) {
        snprintf(run->parse_error, sizeof run->parse_error, "the sample has no output_text");
    } else if ((value = parse_output(text, &e))) {
        json_object_set_new(all, "output_json", value);
    } else {
        snprintf(run->parse_error, sizeof run->parse_error,
                 "output_text is not JSON: line %d, column %d: %.100s", e.line, e.column, e.text);
    }
    return all;
}

/* ---- running ---- */

void grade_flag(grade *r, bool *flag, char **details, grade_verdict verdict, const char *text)
{
    *flag = true;
    if (details && !*details) *details = mem_string(text);
    if (verdict > r->verdict) r->verdict = verdict;
}

bool grading_fill(const grading *run, const template *t, bytes *text, grade *out)
{
    grade_errors *e = &out->errors;
    int missing = 0;
    errtext err;
    status st = template_render(text, t, run->item, run->sample, &missing, &err);

    if (st == OK) {
        /* Templates give strings of any bytes that JSON allows; never NULL here. */
        bytes_reserve(text, 1);
        return true;
    }
    if (st == E_LIMIT)
        grade_flag(out, &e->truncated_observation, &e->other_details, GRADE_BAD_SAMPLE, err.text);
    else if (run->parse_error[0] && template_path_under(t, missing, "sample.output_json"))
        grade_flag(out, &e->sample_parse, &e->sample_parse_details, GRADE_BAD_SAMPLE,
                   run->parse_error);
    else
        grade_flag(out, &e->invalid_variable, &e->invalid_variable_details,
                   template_path_under(t, missing, "sample") ? GRADE_BAD_SAMPLE : GRADE_BROKEN,
                   err.text);
    return false;
}

static void keep_details(char **to, const char *from, const char *key)
{
    char text[700];

    if (!from || *to) return;
    snprintf(text, sizeof text, "%.80s: %s", key, from);
    *to = mem_string(text);
}

/* A multi has the errors of its parts. */
static void gather_errors(const grader *g, grade *out)
{
    grade_errors *e = &out->errors;

    for (int i = 0; i < out->n_part; i++) {
        const grade *p = &out->parts[i];
        const grade_errors *f = &p->errors;

        if (p->verdict > out->verdict) out->verdict = p->verdict;
        e->formula_parse |= f->formula_parse;
        e->sample_parse |= f->sample_parse;
        e->truncated_observation |= f->truncated_observation;
        e->unresponsive_reward |= f->unresponsive_reward;
        e->invalid_variable |= f->invalid_variable;
        e->other |= f->other;
        e->model_server |= f->model_server;
        e->model_refusal |= f->model_refusal;
        e->model_parse |= f->model_parse;
        e->model_exceeded_max_tokens |= f->model_exceeded_max_tokens;
        keep_details(&e->sample_parse_details, f->sample_parse_details, g->keys[i]);
        keep_details(&e->invalid_variable_details, f->invalid_variable_details, g->keys[i]);
        keep_details(&e->model_server_details, f->model_server_details, g->keys[i]);
        keep_details(&e->model_refusal_details, f->model_refusal_details, g->keys[i]);
        keep_details(&e->model_parse_details, f->model_parse_details, g->keys[i]);
        keep_details(&e->other_details, f->other_details, g->keys[i]);
    }
}

static void run_one(const grader *g, const grading *run, grade *out);

/* A part without a score counts as 0, unless invalid_grade says what the whole
 * is worth then. */
static void run_multi(const grader *g, const grading *run, grade *out)
{
    double values[GRADER_MAX_PARTS];

    out->parts = mem_array((size_t)g->n_part, sizeof *out->parts);
    out->n_part = g->n_part;
    for (int i = 0; i < g->n_part; i++) {
        run_one(g->parts[i], run, &out->parts[i]);
        values[i] = out->parts[i].reward;
    }
    gather_errors(g, out);
    out->reward = formula_value(g->output, values);
    if (out->verdict != GRADE_SCORED && g->has_invalid_grade) out->reward = g->invalid_grade;
    if (!isfinite(out->reward)) {
        grade_flag(out, &out->errors.formula_parse, &out->errors.other_details, GRADE_BROKEN,
                   "calculate_output has no finite value");
        out->reward = g->has_invalid_grade ? g->invalid_grade : 0;
    }
}

static void run_one(const grader *g, const grading *run, grade *out)
{
    double start = clock_s();

    switch (g->type) {
    case GRADER_STRING_CHECK: run_string_check(g, run, out); break;
    case GRADER_TEXT_SIMILARITY: run_similarity(g, run, out); break;
    case GRADER_SCORE_MODEL:
    case GRADER_LABEL_MODEL: run_judge(g, run, out); break;
    case GRADER_EQUIVALENCE: run_equivalence(g, run, out); break;
    case GRADER_PONDER_TASK: run_ponder_task(g, run, out); break;
    case GRADER_MULTI: run_multi(g, run, out); break;
    }
    if (!isfinite(out->reward)) {
        grade_flag(out, &out->errors.other, &out->errors.other_details, GRADE_BROKEN,
                   "the reward is not a finite number");
        out->reward = 0;
    }
    out->seconds = clock_s() - start;
}

void grader_run(const grader *g, const json_t *item, const json_t *sample, grade *out)
{
    grading run = { item, NULL, false, "" };
    json_t *all = complete_sample(g, sample, &run);

    *out = (grade){ 0 };
    run.sample = all;
    run_one(g, &run, out);
    json_decref(all);
}

void grade_fini(grade *r)
{
    grade_errors *e = &r->errors;

    for (int i = 0; i < r->n_part; i++) grade_fini(&r->parts[i]);
    mem_free(r->parts);
    mem_free(r->judge_model);
    mem_free(r->judge_text);
    mem_free(e->sample_parse_details);
    mem_free(e->invalid_variable_details);
    mem_free(e->model_server_details);
    mem_free(e->model_refusal_details);
    mem_free(e->model_parse_details);
    mem_free(e->other_details);
    *r = (grade){ 0 };
}
