/* test_grader.c - grader JSON in, reward and error fields out. */
#include "tasks/grader.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "tasks/problem.h"

#include <check.h>      /* last: it defines a macro fail */
#undef fail

#define CASES "../shared/data/rft"

/* A judge that says what the test has written down. */
typedef struct fake_judge {
    const char *reply;
    bool refused, cut_off, down;
    int n_asked;
    char *seen;          /* the messages of the last question */
} fake_judge;

static status fake_ask(void *arg, const judge_request *r, judge_reply *reply, errtext *err)
{
    fake_judge *j = arg;

    j->n_asked++;
    free(j->seen);
    j->seen = json_dumps(r->messages, JSON_COMPACT);
    ck_assert(json_is_object(r->schema));
    if (j->down) return fail(err, E_IO, "nobody there");
    bytes_add_string(&reply->text, j->reply ? j->reply : "");
    reply->refused = j->refused;
    reply->cut_off = j->cut_off;
    reply->model = mem_string("local-judge");
    reply->prompt_tokens = 190;
    reply->completion_tokens = 134;
    return OK;
}

static status fake_embed(void *arg, const char *text, size_t len, float **out, int *n,
                         errtext *err)
{
    (void)arg;
    (void)err;
    *n = 26;
    *out = mem_array(26, sizeof **out);
    for (size_t i = 0; i < len; i++)
        if (text[i] >= 'a' && text[i] <= 'z') (*out)[text[i] - 'a']++;
    return OK;
}

static fake_judge judge;

static const grader_host host = { fake_ask, fake_embed, &judge };

static json_t *parse(const char *text)
{
    json_error_t e;
    json_t *v = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);

    ck_assert_msg(v != NULL, "%s: %s", text, e.text);
    return v;
}

static grader *make(const char *text)
{
    json_t *spec = parse(text);
    errtext err = { "" };
    grader *g;

    ck_assert_msg(grader_new(&g, spec, &host, &err) == OK, "%s", err.text);
    json_decref(spec);
    return g;
}

/* The message of a grader that must not be accepted. */
static errtext refuse(const char *text, status want)
{
    json_t *spec = parse(text);
    errtext err = { "" };
    grader *g;
    status st = grader_new(&g, spec, &host, &err);

    ck_assert_msg(st == want, "%s: %s", status_name(st), err.text);
    ck_assert(g == NULL && err.text[0]);
    json_decref(spec);
    return err;
}

static grade run(const char *spec, const char *item, const char *sample)
{
    grader *g = make(spec);
    json_t *i = item ? parse(item) : NULL, *s = sample ? parse(sample) : NULL;
    grade r;

    grader_run(g, i, s, &r);
    json_decref(i);
    json_decref(s);
    grader_free(g);
    return r;
}

static double reward(const char *spec, const char *item, const char *sample)
{
    grade r = run(spec, item, sample);
    double v = r.reward;

    ck_assert_msg(r.verdict == GRADE_SCORED, "%s", r.errors.other_details
                                                       ? r.errors.other_details
                                                       : "an error is flagged");
    grade_fini(&r);
    return v;
}

#define CHECK_SPEC(op)                                                                      \
    "{\"type\":\"string_check\",\"name\":\"c\",\"operation\":\"" op "\","                    \
    "\"input\":\"{{ sample.output_text }}\",\"reference\":\"{{ item.answer }}\"}"

START_TEST(string_check_knows_its_operations)
{
    static const struct { const char *spec, *item, *sample; double want; } rows[] = {
        { CHECK_SPEC("eq"), "{\"answer\":\"Paris\"}", "{\"output_text\":\"Paris\"}", 1 },
        { CHECK_SPEC("eq"), "{\"answer\":\"Paris\"}", "{\"output_text\":\"paris\"}", 0 },
        { CHECK_SPEC("eq"), "{\"answer\":\"Paris\"}", "{\"output_text\":\"Paris \"}", 0 },
        { CHECK_SPEC("eq"), "{\"answer\":2}", "{\"output_text\":\"2\"}", 1 },
        { CHECK_SPEC("eq"), "{\"answer\":1.0}", "{\"output_text\":\"1.0\"}", 1 },
        { CHECK_SPEC("ne"), "{\"answer\":\"Paris\"}", "{\"output_text\":\"Rome\"}", 1 },
        { CHECK_SPEC("neq"), "{\"answer\":\"Paris\"}", "{\"output_text\":\"Paris\"}", 0 },
        { CHECK_SPEC("like"), "{\"answer\":\"aris\"}", "{\"output_text\":\"It is Paris.\"}", 1 },
        { CHECK_SPEC("like"), "{\"answer\":\"paris\"}", "{\"output_text\":\"It is Paris.\"}", 0 },
        { CHECK_SPEC("like"), "{\"answer\":\"It is Paris.\"}", "{\"output_text\":\"Paris\"}", 0 },
        { CHECK_SPEC("ilike"), "{\"answer\":\"PARIS\"}", "{\"output_text\":\"It is Paris.\"}", 1 },
        { CHECK_SPEC("ilike"), "{\"answer\":\"\\u00c4PFEL\"}", "{\"output_text\":\"zwei \\u00e4pfel\"}", 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(reward(rows[i].spec, rows[i].item, rows[i].sample) == rows[i].want,
                      "row %zu", i);
}
END_TEST

START_TEST(an_empty_answer_is_contained_in_nothing)
{
    /* The two sides swapped, as in a published job. */
    const char *spec = "{\"type\":\"string_check\",\"operation\":\"like\","
                       "\"input\":\"{{item.answer}}\",\"reference\":\"{{sample.output_text}}\"}";

    ck_assert(reward(spec, "{\"answer\":\"C\"}", "{\"output_text\":\"\"}") == 0);
    ck_assert(reward(spec, "{\"answer\":\"C\"}", "{\"output_text\":\"C\"}") == 1);
    ck_assert(reward(CHECK_SPEC("ilike"), "{\"answer\":\"x\"}", "{\"output_text\":\"\"}") == 0);
}
END_TEST

START_TEST(text_similarity_gives_the_published_reward)
{
    const char *spec = "{\"type\":\"text_similarity\",\"evaluation_metric\":\"fuzzy_match\","
                       "\"input\":\"{{sample.output_text}}\",\"reference\":\"{{item.r}}\"}";

    ck_assert_double_eq_tol(reward(spec, "{\"r\":\"fuzzy wuzzy had no hair\"}",
                                   "\"fuzzy wuzzy was a bear\""),
                            0.7555555555555555, 1e-12);
}
END_TEST

START_TEST(cosine_asks_for_embeddings_or_is_unsupported)
{
    const char *spec = "{\"type\":\"text_similarity\",\"evaluation_metric\":\"cosine\","
                       "\"input\":\"{{sample.output_text}}\",\"reference\":\"{{item.r}}\"}";
    json_t *v = parse(spec);
    errtext err;
    grader *g;

    ck_assert_double_eq_tol(reward(spec, "{\"r\":\"ab\"}", "\"ab\""), 1, 1e-12);
    ck_assert_double_eq_tol(reward(spec, "{\"r\":\"ab\"}", "\"a\""), sqrt(0.5), 1e-12);
    ck_assert_int_eq(grader_new(&g, v, NULL, &err), E_UNSUPPORTED);
    ck_assert(strstr(err.text, "evaluation_metric") && strstr(err.text, "embedding"));
    json_decref(v);
}
END_TEST

static const char name_and_email[] =
    "{\"type\":\"multi\",\"graders\":{\"name\":{\"name\":\"name_grader\",\"type\":"
    "\"text_similarity\",\"input\":\"{{sample.output_json.name}}\",\"reference\":\"{{item.name}}\","
    "\"evaluation_metric\":\"fuzzy_match\",\"pass_threshold\":0.9},\"email\":{\"name\":"
    "\"email_grader\",\"type\":\"string_check\",\"input\":\"{{sample.output_json.email}}\","
    "\"reference\":\"{{item.email}}\",\"operation\":\"eq\"}},\"calculate_output\":"
    "\"(name + email) / 2\"}";
static const char jane[] = "{\"name\":\"Jane Doe\",\"email\":\"jane@example.org\"}";

START_TEST(multi_adds_up_its_parts_and_reads_json_out_of_the_text)
{
    grade r = run(name_and_email, jane,
                  "{\"output_text\":\"{\\\"name\\\":\\\"Jane\\\",\\\"email\\\":\\\"jane@example.org\\\"}\"}");

    ck_assert_int_eq(r.n_part, 2);
    ck_assert(r.parts[0].reward > 0.5 && r.parts[0].reward < 1);
    ck_assert(r.parts[1].reward == 1);
    ck_assert_double_eq_tol(r.reward, (r.parts[0].reward + 1) / 2, 1e-12);
    grade_fini(&r);
}
END_TEST

START_TEST(text_that_is_not_json_is_a_sample_parse_error)
{
    grade r = run(name_and_email, jane, "\"Jane Doe\"");

    ck_assert(r.reward == 0 && r.errors.sample_parse && !r.errors.invalid_variable);
    ck_assert_int_eq(r.verdict, GRADE_BAD_SAMPLE);
    ck_assert(strstr(r.errors.sample_parse_details, "not JSON"));
    grade_fini(&r);
}
END_TEST

START_TEST(a_path_that_leads_nowhere_is_an_invalid_variable)
{
    grade r = run(name_and_email, jane, "{\"output_json\":{\"name\":\"Jane Doe\"}}");

    ck_assert(r.errors.invalid_variable && !r.errors.sample_parse);
    ck_assert_int_eq(r.verdict, GRADE_BAD_SAMPLE);
    ck_assert(strstr(r.errors.invalid_variable_details, "email"));
    ck_assert_double_eq_tol(r.reward, 0.5, 1e-12);      /* the other part counts */
    grade_fini(&r);
    r = run(CHECK_SPEC("eq"), "{}", "\"x\"");
    ck_assert(r.reward == 0 && r.errors.invalid_variable);
    ck_assert_int_eq(r.verdict, GRADE_BROKEN);          /* the row's fault */
    grade_fini(&r);
}
END_TEST

START_TEST(invalid_grade_takes_the_place_of_a_reward_that_failed)
{
    const char *spec =
        "{\"type\":\"multi\",\"invalid_grade\":-1.5,\"graders\":{\"a\":" CHECK_SPEC("eq") "},"
        "\"calculate_output\":\"2 * a\"}";
    grade r = run(spec, "{}", "\"x\"");

    ck_assert(r.reward == -1.5);
    grade_fini(&r);
    ck_assert(reward(spec, "{\"answer\":\"x\"}", "\"x\"") == 2);    /* above 1 */
}
END_TEST

static double formula(const char *text)
{
    char spec[1024];

    snprintf(spec, sizeof spec, "{\"type\":\"multi\",\"graders\":{\"a\":" CHECK_SPEC("eq")
             ",\"b\":" CHECK_SPEC("ne") "},\"calculate_output\":\"%s\"}", text);
    return reward(spec, "{\"answer\":\"x\"}", "\"x\"");     /* a = 1, b = 0 */
}

START_TEST(formulas_have_the_documented_operators)
{
    static const struct { const char *text; double want; } rows[] = {
        { "0.85 * a + 0.15 * b", 0.85 }, { "a - 2 * b", 1 },        { "2 ^ 3 ^ 2", 512 },
        { "-2 ^ 2", -4 },                { "2 ^ -1", 0.5 },         { "(a + 1) / 4", 0.5 },
        { "max(a, b, 3)", 3 },           { "min(a, b)", 0 },        { "abs(b - 3)", 3 },
        { "floor(2.7) + ceil(2.2)", 5 }, { "exp(0)", 1 },           { "sqrt(16)", 4 },
        { "log(exp(2))", 2 },            { "b / max(a, 1e-9)", 0 }, { "100 * a / 100", 1 },
        { "1 - -1", 2 },                 { "8 / 4 / 2", 1 },        { "+a", 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        ck_assert_msg(fabs(formula(rows[i].text) - rows[i].want) < 1e-12, "%s = %g", rows[i].text,
                      formula(rows[i].text));
}
END_TEST

START_TEST(formulas_that_cannot_be_read_are_refused)
{
    static const char *const texts[] = {
        "", "a +", "a b", "(a", "a)", "c", "sin(a)", "max()", "sqrt(a, b)", "a ** 2", "1.2.3",
        "a; b", "abs a", "1e999", "import os", "a[0]", "\\u0000",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char spec[1024];

        snprintf(spec, sizeof spec, "{\"type\":\"multi\",\"graders\":{\"a\":" CHECK_SPEC("eq")
                 ",\"b\":" CHECK_SPEC("ne") "},\"calculate_output\":\"%s\"}", texts[i]);
        if (strcmp(texts[i], "\\u0000"))
            ck_assert(strstr(refuse(spec, E_ARG).text, "calculate_output"));
    }
}
END_TEST

START_TEST(a_deep_or_long_formula_is_refused)
{
    bytes b = { 0 };

    for (int kind = 0; kind < 3; kind++) {
        bytes_clear(&b);
        bytes_add_string(&b, "{\"type\":\"multi\",\"graders\":{\"a\":" CHECK_SPEC("eq")
                             "},\"calculate_output\":\"");
        for (int i = 0; i < (kind == 2 ? 5000 : 1000); i++)
            bytes_add_string(&b, kind == 0 ? "(" : kind == 1 ? "-" : "1+");
        bytes_add_string(&b, "a");
        for (int i = 0; i < 1000 && kind == 0; i++) bytes_add_char(&b, ')');
        bytes_add_string(&b, "\"}");
        ck_assert(strstr(refuse(b.data, E_ARG).text, "calculate_output"));
    }
    bytes_fini(&b);
}
END_TEST

START_TEST(a_formula_without_a_finite_value_is_an_error_and_no_reward)
{
    char spec[512];
    grade r;

    snprintf(spec, sizeof spec, "{\"type\":\"multi\",\"graders\":{\"a\":" CHECK_SPEC("eq")
             "},\"calculate_output\":\"1 / a + log(a)\"}");
    r = run(spec, "{\"answer\":\"x\"}", "\"y\"");
    ck_assert(r.reward == 0 && r.errors.formula_parse);
    ck_assert_int_eq(r.verdict, GRADE_BROKEN);
    grade_fini(&r);
}
END_TEST

static const char score_model[] =
    "{\"type\":\"score_model\",\"name\":\"s\",\"model\":\"gpt-4.1\",\"range\":[0,10],\"input\":["
    "{\"role\":\"system\",\"content\":\"Grade.\"},{\"role\":\"user\",\"type\":\"message\","
    "\"content\":{\"type\":\"input_text\",\"text\":\"Ref {{ item.r }}, got {{ sample.output_text }}\"}}],"
    "\"sampling_params\":{\"seed\":42,\"temperature\":0,\"max_completions_tokens\":32768}}";

START_TEST(a_score_is_taken_from_the_result_and_kept_in_range)
{
    static const struct { const char *reply; double want; bool error; } rows[] = {
        { "{\"steps\":[],\"result\":7.5}", 7.5, false },
        { " {\"result\": 3 } \n", 3, false },
        { "```json\n{\"result\": 4}\n```", 4, false },
        { "6", 6, false },
        { "{\"result\":12}", 10, false },
        { "{\"result\":-1e300}", 0, false },
        { "{\"result\":\"10\"}", 0, true },
        { "{\"result\":null}", 0, true },
        { "{\"result\":true}", 0, true },
        { "{\"score\":9}", 0, true },
        { ":", 0, true },
        { "Thought process:", 0, true },
        { "", 0, true },
        { "{\"result\":1e999}", 0, true },
        { "{\"result\":9} {\"result\":9}", 0, true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        grade r;

        judge = (fake_judge){ .reply = rows[i].reply };
        r = run(score_model, "{\"r\":1.0}", "\"0.9\"");
        ck_assert_msg(r.reward == rows[i].want && r.errors.model_parse == rows[i].error, "%s: %g",
                      rows[i].reply, r.reward);
        ck_assert(strstr(judge.seen, "Ref 1.0, got 0.9"));
        ck_assert_int_eq(r.verdict, rows[i].error ? GRADE_BROKEN : GRADE_SCORED);
        grade_fini(&r);
        free(judge.seen);
    }
}
END_TEST

START_TEST(a_judge_is_not_asked_about_an_empty_answer)
{
    grade r;

    judge = (fake_judge){ .reply = "{\"result\":10}" };
    r = run(score_model, "{\"r\":1}", "\" \\n\\u00a0\"");
    ck_assert(r.reward == 0 && judge.n_asked == 0 && r.errors.unresponsive_reward);
    ck_assert_int_eq(r.verdict, GRADE_BAD_SAMPLE);
    grade_fini(&r);
}
END_TEST

START_TEST(a_judge_that_fails_is_told_apart_by_how)
{
    grade r;

    judge = (fake_judge){ .down = true };
    r = run(score_model, "{\"r\":1}", "\"x\"");
    ck_assert(r.errors.model_server && r.verdict == GRADE_BROKEN);
    ck_assert_str_eq(r.errors.model_server_details, "nobody there");
    grade_fini(&r);
    judge = (fake_judge){ .refused = true, .reply = "no", .seen = judge.seen };
    r = run(score_model, "{\"r\":1}", "\"x\"");
    ck_assert(r.errors.model_refusal && r.verdict == GRADE_BROKEN && r.reward == 0);
    grade_fini(&r);
    judge = (fake_judge){ .cut_off = true, .reply = "{\"result\":9}", .seen = judge.seen };
    r = run(score_model, "{\"r\":1}", "\"x\"");
    ck_assert(r.errors.model_exceeded_max_tokens && r.reward == 0);
    grade_fini(&r);
    free(judge.seen);
}
END_TEST

static const char label_model[] =
    "{\"type\":\"label_model\",\"name\":\"l\",\"model\":\"o3-mini\",\"input\":[{\"role\":\"user\","
    "\"content\":[\"Good?\",{\"type\":\"input_text\",\"text\":\"{{ sample.output_text }}\"}]}],"
    "\"labels\":[\"good\",\"fine\",\"bad\"],\"passing_labels\":[\"good\",\"fine\"]}";

START_TEST(a_label_passes_when_it_is_listed)
{
    static const struct { const char *reply; double want; bool error; } rows[] = {
        { "{\"steps\":[],\"result\":\"good\"}", 1, false }, { "{\"result\":\"fine\"}", 1, false },
        { "{\"result\":\"bad\"}", 0, false },  { "{\"result\":\"Good\"}", 0, true },
        { "good", 0, true },                   { "\"good\"", 1, false },
        { "{\"result\":1}", 0, true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        grade r;

        judge = (fake_judge){ .reply = rows[i].reply };
        r = run(label_model, "{}", "\"0.9\"");
        ck_assert_msg(r.reward == rows[i].want && r.errors.model_parse == rows[i].error, "%s",
                      rows[i].reply);
        ck_assert(strstr(judge.seen, "Good?\\n0.9"));
        grade_fini(&r);
        free(judge.seen);
    }
}
END_TEST

#define EQUIVALENCE                                                                           \
    "{\"type\":\"equivalence\",\"name\":\"e\",\"input\":\"{{sample.output_text}}\","           \
    "\"reference\":\"{{item.answer}}\"}"

START_TEST(equivalence_compares_numbers_however_written)
{
    ck_assert(reward(EQUIVALENCE, "{\"answer\":0.5}", "\"so \\\\boxed{\\\\frac{1}{2}}\"") == 1);
    ck_assert(reward(EQUIVALENCE, "{\"answer\":\"18\"}", "\"The answer is 18.\"") == 1);
    ck_assert(reward(EQUIVALENCE, "{\"answer\":\"18\"}", "\"#### 18\"") == 1);
    ck_assert(reward(EQUIVALENCE, "{\"answer\":\"#### 1,800\"}", "\"1800\"") == 1);
    ck_assert(reward(EQUIVALENCE, "{\"answer\":\"18\"}", "\"17\"") == 0);
}
END_TEST

#define TASK                                                                                  \
    "{\"type\":\"ponder_task\",\"name\":\"t\",\"task\":\"{{item.task}}\",\"key\":\"{{item.key}}\","  \
    "\"input\":\"{{sample.output_text}}\"}"

START_TEST(every_procedural_task_is_graded_by_its_own_verifier)
{
    ck_assert_int_gt(tasks_count(), 0);
    for (int i = 0; i < tasks_count(); i++) {
        const task *t = task_at(i);
        problem p = { 0 };
        json_t *item, *good;
        grader *g = make(TASK);
        grade r;

        problem_make(t, SPLIT_TRAIN, 1, 2, t->min_depth, TRACE_HIGH, &p);
        item = json_pack("{s:s, s:s}", "task", t->name, "key", p.key);
        good = grader_sample(p.answer, strlen(p.answer), NULL);
        grader_run(g, item, good, &r);
        ck_assert_msg(r.verdict == GRADE_SCORED && (r.reward == 1 || !p.solved), "%s: \"%s\" gives %g",
                      t->name, p.answer, r.reward);
        grade_fini(&r);
        json_decref(good);
        good = grader_sample("", 0, NULL);
        grader_run(g, item, good, &r);
        ck_assert_msg(r.reward == 0, "%s rewards nothing", t->name);
        grade_fini(&r);
        json_decref(good);
        json_decref(item);
        problem_fini(&p);
        grader_free(g);
    }
}
END_TEST

START_TEST(a_task_that_does_not_exist_is_the_rows_fault_or_the_specs)
{
    grade r = run(TASK, "{\"task\":\"telepathy\",\"key\":\"x\"}", "\"1\"");

    ck_assert(r.reward == 0 && r.errors.other && r.verdict == GRADE_BROKEN);
    grade_fini(&r);
    ck_assert(strstr(refuse("{\"type\":\"ponder_task\",\"task\":\"telepathy\",\"key\":\"k\",\"input\":\"i\"}",
                            E_ARG).text, "'telepathy'"));
}
END_TEST

START_TEST(policies_that_do_nothing_score_nothing)
{
    static const char *const answers[] = {
        "\"\"", "\" \"", "\"0\"", "\"1\"", "\"{{item.answer}}\"", "\"item.answer\"", "\"\\\\boxed{}\"",
        "\"\\\\boxed{\"", "\"1 2 3 4 5 6 7 8 9 10\"", "\"1, 2, 3, 42\"", "\"41 or 42\"", "\"What is 6*9?\"",
        "\"nan\"", "\"inf\"", "\"x\"", "\"42 43\"", "\"pass\"", "null", "{}", "{\"output_text\":null}",
        "{\"output_text\":42}", "[]", "\"\\u0000\"",
    };
    static const char *const specs[] = { CHECK_SPEC("eq"), CHECK_SPEC("like"), CHECK_SPEC("ilike"),
                                         EQUIVALENCE };

    for (size_t s = 0; s < 4; s++)
        for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
            grade r;

            /* "contains" is no defence against a list of everything. */
            if (s > 0 && s < 3 && strstr(answers[i], "42")) continue;
            if (!strcmp(answers[i], "{\"output_text\":42}")) continue;
            r = run(specs[s], "{\"answer\":\"42\"}", answers[i]);
            ck_assert_msg(r.reward == 0, "%s for %s", specs[s], answers[i]);
            grade_fini(&r);
        }
}
END_TEST

START_TEST(a_missing_name_is_made_up_and_stays_the_same)
{
    const char *spec = "{\"type\":\"string_check\",\"operation\":\"eq\",\"input\":\"a\",\"reference\":\"b\"}";
    grader *a = make(spec), *b = make(spec);
    json_t *echo = grader_json(a);

    ck_assert_int_eq((int)strlen(grader_name(a)), 7 + 12);
    ck_assert(!strncmp(grader_name(a), "grader-", 7));
    ck_assert_str_eq(grader_name(a), grader_name(b));
    ck_assert_str_eq(json_string_value(json_object_get(echo, "name")), grader_name(a));
    ck_assert_str_eq(json_string_value(json_object_get(echo, "operation")), "eq");
    json_decref(echo);
    grader_free(a);
    grader_free(b);
}
END_TEST

START_TEST(a_reward_that_cannot_depend_on_the_answer_is_warned_of)
{
    grader *g = make("{\"type\":\"score_model\",\"name\":\"o3\",\"model\":\"o3\",\"input\":[{\"role\":"
                     "\"user\",\"content\":\"Rate the reply from 0 to 10.\"}],\"range\":[0,10]}");

    ck_assert_int_eq(grader_warnings(g), 1);
    ck_assert(strstr(grader_warning(g, 0), "cannot depend"));
    grader_free(g);
    g = make("{\"type\":\"string_check\",\"operation\":\"eq\",\"input\":\"{{sample.text}}\","
             "\"reference\":\"{{reference}}\"}");
    ck_assert_int_eq(grader_warnings(g), 2);
    grader_free(g);
    g = make(CHECK_SPEC("eq"));
    ck_assert_int_eq(grader_warnings(g), 0);
    grader_free(g);
}
END_TEST

START_TEST(a_row_that_lacks_what_a_grader_reads_is_found)
{
    grader *g = make(name_and_email);
    json_t *good = parse(jane), *bad = parse("{\"name\":\"x\",\"messages\":[]}");
    errtext err;

    ck_assert_int_eq(grader_check_item(g, good, &err), OK);
    ck_assert_int_eq(grader_check_item(g, bad, &err), E_ARG);
    ck_assert(strstr(err.text, "item.email") && strstr(err.text, "email_grader"));
    json_decref(good);
    json_decref(bad);
    grader_free(g);
}
END_TEST

START_TEST(everything_wrong_is_told_with_its_field)
{
    errtext e = refuse("{\"type\":\"multi\",\"name\":\"m\",\"graders\":[{}],"
                       "\"calculate_output\":\"0.5 * a + 0.5 * b)\"}", E_ARG);

    ck_assert(strstr(e.text, "'graders': expected an object, but got an array"));
    ck_assert(strstr(e.text, "\"a\"") && strstr(e.text, "\"b\"") && strstr(e.text, "\")\" at offset 17"));
    e = refuse("{\"type\":\"multi\",\"graders\":{\"type\":\"string_check\",\"name\":\"c\",\"input\":\"x\","
               "\"reference\":\"y\",\"operation\":\"eq\"},\"calculate_output\":\"c\"}", E_ARG);
    ck_assert(strstr(e.text, "Invalid type for 'graders.input': expected an object, but got a "
                             "string instead."));
    e = refuse("{\"type\":\"string_check\",\"operation\":\"starts_with\",\"reference\":\"x\"}", E_ARG);
    ck_assert(strstr(e.text, "'operation': 'starts_with'") && strstr(e.text, "'input'"));
    e = refuse("{\"type\":\"score_model\",\"model\":\"m\",\"prompt\":\"Right?\"}", E_ARG);
    ck_assert(strstr(e.text, "'prompt'") && strstr(e.text, "'input'"));
    e = refuse("{\"type\":\"multi\",\"graders\":{\"m\":{\"type\":\"multi\",\"graders\":{},"
               "\"calculate_output\":\"1\"}},\"calculate_output\":\"m\"}", E_ARG);
    ck_assert(strstr(e.text, "'graders.m.type'"));
    e = refuse("{\"type\":\"vibes\"}", E_ARG);
    ck_assert(strstr(e.text, "'vibes'"));
    e = refuse("{}", E_ARG);
    ck_assert(strstr(e.text, "'type'"));
    e = refuse("[]", E_ARG);
    e = refuse("{\"type\":\"score_model\",\"model\":\"m\",\"range\":[1,1],\"input\":[{\"role\":\"user\","
               "\"content\":\"x\"}]}", E_ARG);
    ck_assert(strstr(e.text, "'range'"));
    e = refuse("{\"type\":\"label_model\",\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"x\"}],"
               "\"labels\":[\"a\"],\"passing_labels\":[\"b\"]}", E_ARG);
    ck_assert(strstr(e.text, "'passing_labels'"));
    e = refuse("{\"type\":\"string_check\",\"operation\":\"eq\",\"input\":\"{{ item.x | upper }}\","
               "\"reference\":\"x\"}", E_FORMAT);
    ck_assert(strstr(e.text, "'input'") && strstr(e.text, "offset 0"));
}
END_TEST

START_TEST(python_and_endpoint_graders_are_recognised_and_not_run)
{
    errtext e = refuse("{\"type\":\"python\",\"source\":\"def grade(s, i): return 1\"}", E_UNSUPPORTED);

    ck_assert(strstr(e.text, "'type'") && strstr(e.text, "python"));
    e = refuse("{\"type\":\"multi\",\"graders\":{\"p\":{\"type\":\"python\",\"source\":\"x\"}},"
               "\"calculate_output\":\"p\"}", E_UNSUPPORTED);
    ck_assert(strstr(e.text, "'graders.p.type'"));
    refuse("{\"type\":\"python\"}", E_ARG);
    refuse("{\"type\":\"endpoint\",\"url\":\"https://example.org\"}", E_UNSUPPORTED);
}
END_TEST

/* Field by field, and in the order of a live reply. */
START_TEST(the_reply_has_the_fields_of_a_live_one)
{
    json_t *file = json_load_file(CASES "/08-openai-grader-run-live.json", 0, NULL);
    json_t *want = json_object_get(json_object_get(file, "response_shape"), "metadata");
    grader *g = make(score_model);
    json_t *item = parse("{\"r\":1}"), *sample = parse("\"0.9\""), *got, *meta;
    const char *key;
    json_t *v;
    grade r;

    judge = (fake_judge){ .reply = "{\"result\":5}" };
    grader_run(g, item, sample, &r);
    got = grade_json(g, &r);
    meta = json_object_get(got, "metadata");
    ck_assert(json_number_value(json_object_get(got, "reward")) == 5);
    ck_assert_str_eq(json_string_value(json_object_get(meta, "sampled_model_name")), "local-judge");
    v = json_object_get(json_object_get(got, "model_grader_token_usage_per_model"), "local-judge");
    ck_assert_int_eq((int)json_integer_value(json_object_get(v, "total_tokens")), 324);
    if (file) {
        json_object_foreach(want, key, v)
            ck_assert_msg(json_object_get(meta, key) != NULL, "no %s", key);
        json_object_foreach(json_object_get(want, "errors"), key, v)
            ck_assert_msg(json_object_get(json_object_get(meta, "errors"), key) != NULL, "no %s", key);
        ck_assert_int_eq((int)json_object_size(json_object_get(meta, "errors")), 24);
    } else {
        printf("skipped: no %s\n", CASES);
    }
    free(judge.seen);
    grade_fini(&r);
    json_decref(got);
    json_decref(item);
    json_decref(sample);
    json_decref(file);
    grader_free(g);
}
END_TEST

/* Every grader anywhere in a case file. */
static void visit(const json_t *v, const char *file, bool accept, int *n_ok, int *n_python, int *n_bad)
{
    const char *type = json_string_value(json_object_get(v, "type")), *key;
    json_t *child;
    size_t i;

    if (type && (json_object_get(v, "operation") || json_is_string(json_object_get(v, "source")) ||
                 json_object_get(v, "evaluation_metric") || json_object_get(v, "calculate_output") ||
                 !strcmp(type, "score_model") || !strcmp(type, "label_model"))) {
        errtext err = { "" };
        grader *g;
        status st = grader_new(&g, v, &host, &err);

        if (st == OK) ++*n_ok;
        else if (st == E_UNSUPPORTED && strstr(err.text, "python")) ++*n_python;
        else ++*n_bad;
        ck_assert_msg(!accept || st == OK || st == E_UNSUPPORTED, "%s: %s", file, err.text);
        ck_assert_msg(accept || st == E_ARG, "%s is accepted", file);
        grader_free(g);
        return;
    }
    json_object_foreach((json_t *)v, key, child) visit(child, file, accept, n_ok, n_python, n_bad);
    json_array_foreach((json_t *)v, i, child) visit(child, file, accept, n_ok, n_python, n_bad);
}

START_TEST(graders_of_published_jobs_are_read_and_broken_ones_refused)
{
    DIR *d = opendir(CASES);
    struct dirent *e;
    int n_ok = 0, n_python = 0, n_bad = 0;

    if (!d) {
        printf("skipped: no %s\n", CASES);
        return;
    }
    while ((e = readdir(d))) {
        char path[512];
        json_t *file;

        if (!strstr(e->d_name, ".json") || strstr(e->d_name, ".jsonl")) continue;
        /* Its fault is outside the grader. */
        if (!strncmp(e->d_name, "14-", 3)) continue;
        snprintf(path, sizeof path, "%s/%s", CASES, e->d_name);
        file = json_load_file(path, 0, NULL);
        ck_assert(file != NULL);
        visit(file, e->d_name, !strstr(e->d_name, "NEGATIVE"), &n_ok, &n_python, &n_bad);
        json_decref(file);
    }
    closedir(d);
    ck_assert_int_ge(n_ok, 15);
    ck_assert_int_ge(n_python, 8);
    ck_assert_int_eq(n_bad, 3);
}
END_TEST

START_TEST(samples_of_any_shape_are_graded)
{
    static const char *const samples[] = { "null", "1", "[]", "{}", "true", "\"\"",
                                           "{\"output_text\":[]}", "{\"output_json\":null}",
                                           "{\"output_text\":\"[[[[\"}", "{\"output_text\":\"1e999\"}",
                                           "{\"output_text\":\"123456789012345678901234567890\"}" };
    static const char *const items[] = { "null", "[]", "{}", "\"x\"", "{\"name\":{},\"email\":[1]}" };

    for (size_t s = 0; s < sizeof samples / sizeof samples[0]; s++)
        for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
            grade r = run(name_and_email, items[i], samples[s]);

            ck_assert(isfinite(r.reward));
            grade_fini(&r);
        }
    {
        grade r = run(name_and_email, NULL, NULL);

        ck_assert(r.reward == 0);
        grade_fini(&r);
    }
}
END_TEST

START_TEST(a_sample_made_of_broken_bytes_is_valid_json)
{
    json_t *s = grader_sample("a\xff\xc3", 3, NULL);

    ck_assert_str_eq(json_string_value(json_object_get(s, "output_text")), "a\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grader");
    TCase *t = tcase_create("grader");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, string_check_knows_its_operations);
    tcase_add_test(t, an_empty_answer_is_contained_in_nothing);
    tcase_add_test(t, text_similarity_gives_the_published_reward);
    tcase_add_test(t, cosine_asks_for_embeddings_or_is_unsupported);
    tcase_add_test(t, multi_adds_up_its_parts_and_reads_json_out_of_the_text);
    tcase_add_test(t, text_that_is_not_json_is_a_sample_parse_error);
    tcase_add_test(t, a_path_that_leads_nowhere_is_an_invalid_variable);
    tcase_add_test(t, invalid_grade_takes_the_place_of_a_reward_that_failed);
    tcase_add_test(t, formulas_have_the_documented_operators);
    tcase_add_test(t, formulas_that_cannot_be_read_are_refused);
    tcase_add_test(t, a_deep_or_long_formula_is_refused);
    tcase_add_test(t, a_formula_without_a_finite_value_is_an_error_and_no_reward);
    tcase_add_test(t, a_score_is_taken_from_the_result_and_kept_in_range);
    tcase_add_test(t, a_judge_is_not_asked_about_an_empty_answer);
    tcase_add_test(t, a_judge_that_fails_is_told_apart_by_how);
    tcase_add_test(t, a_label_passes_when_it_is_listed);
    tcase_add_test(t, equivalence_compares_numbers_however_written);
    tcase_add_test(t, every_procedural_task_is_graded_by_its_own_verifier);
    tcase_add_test(t, a_task_that_does_not_exist_is_the_rows_fault_or_the_specs);
    tcase_add_test(t, policies_that_do_nothing_score_nothing);
    tcase_add_test(t, a_missing_name_is_made_up_and_stays_the_same);
    tcase_add_test(t, a_reward_that_cannot_depend_on_the_answer_is_warned_of);
    tcase_add_test(t, a_row_that_lacks_what_a_grader_reads_is_found);
    tcase_add_test(t, everything_wrong_is_told_with_its_field);
    tcase_add_test(t, python_and_endpoint_graders_are_recognised_and_not_run);
    tcase_add_test(t, the_reply_has_the_fields_of_a_live_one);
    tcase_add_test(t, graders_of_published_jobs_are_read_and_broken_ones_refused);
    tcase_add_test(t, samples_of_any_shape_are_graded);
    tcase_add_test(t, a_sample_made_of_broken_bytes_is_valid_json);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
