/* The measures: known answers from models that say what they are told to. */
#include <math.h>

#include "base/file.h"
#include "support/asker.h"
#include "train/evaluate_internal.h"
#include "train/rise.h"
#include "train/scratch.h"

#include <check.h>       /* last: it has a macro named fail */

/* ------------------------------------------------------------------- shares */

static share share_of(const double *values, int n, int group)
{
    share s = { .group = group };

    for (int i = 0; i < n; i++) share_add(&s, i % 2, values[i]);
    return s;
}

START_TEST(interval_of_single_answers_is_wilsons)
{
    const double values[10] = { 1, 1, 1, 0, 1, 0, 1, 1, 0, 1 };
    const share s = share_of(values, 10, 1);
    const stats_interval got = share_interval(&s), want = stats_wilson(7, 10, 1.959964);

    ck_assert_double_eq_tol(share_value(&s), 0.7, 1e-12);
    ck_assert_double_eq_tol(got.low, want.low, 1e-9);
    ck_assert_double_eq_tol(got.high, want.high, 1e-9);
}
END_TEST

/* Answers that agree within a problem are worth one; answers that do not depend on
 * the problem are each worth as much as a problem. */
START_TEST(interval_counts_problems_as_their_spread_says)
{
    double alike[100], mixed[100];
    stats_interval i;
    share s;

    for (int k = 0; k < 100; k++) alike[k] = k % 2;
    s = share_of(alike, 100, 8);
    i = share_interval(&s);
    ck_assert_double_eq_tol(i.low, stats_wilson(50, 100, 1.959964).low, 1e-9);
    for (int k = 0; k < 100; k++) mixed[k] = 0.5;
    s = share_of(mixed, 100, 8);
    i = share_interval(&s);
    ck_assert_double_eq_tol(i.low, stats_wilson(400, 800, 1.959964).low, 1e-9);
    /* Between: variance of the mean 0.01 * 100 / 99 / 100, so p q / v = 2475 > 800. */
    for (int k = 0; k < 100; k++) mixed[k] = k % 2 ? 0.4 : 0.6;
    s = share_of(mixed, 100, 80);
    i = share_interval(&s);
    ck_assert_double_eq_tol(i.low, stats_wilson(0.5 * 2475, 2475, 1.959964).low, 1e-9);
}
END_TEST

START_TEST(seeds_keep_their_own_shares)
{
    const double values[4] = { 1, 0, 1, 0 };
    const share s = share_of(values, 4, 1);
    json_t *j = share_json(&s), *seeds = json_object_get(j, "seeds");

    ck_assert_uint_eq(json_array_size(seeds), 2);
    ck_assert_double_eq(json_real_value(json_array_get(seeds, 0)), 1);
    ck_assert_double_eq(json_real_value(json_array_get(seeds, 1)), 0);
    json_decref(j);
}
END_TEST

START_TEST(majority_counts_votes_and_the_earlier_wins_a_tie)
{
    char *votes[5] = { "a", "b", "b", "a", NULL };
    const bool right[5] = { true, false, false, true, false };
    char *none[2] = { NULL, NULL };

    ck_assert(share_majority(votes, right, 1));
    ck_assert(share_majority(votes, right, 2));
    ck_assert(!share_majority(votes, right, 3));
    ck_assert(share_majority(votes, right, 4));
    ck_assert(share_majority(votes, right, 5));
    ck_assert(!share_majority(votes + 1, right + 1, 2));
    ck_assert(!share_majority(none, right, 2));
}
END_TEST

START_TEST(rise_is_the_longest_stretch_on_a_line)
{
    const double x[8] = { 1, 2, 4, 8, 16, 32, 64, 128 };
    const double y[8] = { 0.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.1 };
    const double flat[8] = { 0.5, 0.4, 0.3, 0.3, 0.2, 0.1, 0.1, 0 };
    rise r = rise_of(x, y, 8, 0.99);

    ck_assert(r.found && r.from == 1 && r.to == 5);
    ck_assert_double_eq_tol(r.doublings, 4, 1e-12);
    ck_assert_double_eq_tol(r.fit.b, 0.1, 1e-9);
    ck_assert_double_eq_tol(r.fit.r2, 1, 1e-9);
    r = rise_of(x, y, 8, 0.9);
    ck_assert(r.found && r.from == 1 && r.to == 6);
    ck_assert(!rise_of(x, flat, 8, 0.9).found);
    ck_assert(!rise_of(x, y + 1, 3, 0.9).found);
    rise_of(x, y, 0, 0.9);
}
END_TEST

/* ------------------------------------------------------------ rows of a file */

#define N_ROW 12

static grader *seven(void)
{
    json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "string_check", "name", "is it",
                          "input", "{{sample.output_text}}", "reference", "{{item.answer}}",
                          "operation", "eq");
    grader *g;
    errtext err;

    ck_assert_msg(grader_new(&g, j, NULL, &err) == OK, "%s", err.text);
    json_decref(j);
    return g;
}

/* Rows whose answer is 7, but for every third, whose answer is 9. */
static dataset *rows(int n)
{
    bytes b = { 0 };
    dataset *d;
    errtext err;

    for (int i = 0; i < n; i++)
        bytes_add_format(&b, "{\"messages\":[{\"role\":\"user\",\"content\":\"Q%d?\"}],"
                         "\"answer\":\"%d\"}\n", i, i % 3 ? 7 : 9);
    ck_assert_msg(dataset_parse(&d, b.data, b.len, "rows", DATASET_RFT, 0, &err) == OK, "%s",
                  err.text);
    bytes_fini(&b);
    return d;
}

static eval_options row_options(dataset *d, const grader *g, unsigned measures)
{
    return (eval_options){ .data = d, .grader = g, .data_name = "rows", .measures = measures,
                           .seeds = 1, .seed = 1, .group = 16, .effort = EFFORT_LOW,
                           .max_think = 40, .max_answer = 8 };
}

static json_t *measured(reasoner *r, const eval_options *o, const char *cell)
{
    json_t *all, *of;
    errtext err;

    ck_assert_msg(evaluate(r, o, &all, &err) == OK, "%s", err.text);
    of = json_incref(json_object_get(all, cell));
    ck_assert_ptr_nonnull(of);
    json_decref(all);
    return of;
}

static double at(const json_t *o, const char *a, const char *b, const char *c)
{
    const json_t *v = json_object_get(o, a);

    if (b) v = json_object_get(v, b);
    if (c) v = json_object_get(v, c);
    ck_assert_msg(json_is_number(v), "%s %s %s", a, b ? b : "", c ? c : "");
    return json_number_value(v);
}

static const parrot_word says_seven[] = {
    { "So.", 0 }, { "</think>", 0 }, { "7", 0 }, { "<|im_end|>", 0 },
};

/* 7 or 8, each half of the time. */
static const parrot_word says_seven_or_eight[] = {
    { "So.", 0 }, { "</think>", 4 }, { "7", 0 }, { "<|im_end|>", 0 }, { "8", 3 },
    { "<|im_end|>", 0 },
};

START_TEST(a_model_that_says_seven_is_right_where_seven_is)
{
    reasoner *r = open_parrot(NULL, says_seven, 4);
    grader *g = seven();
    dataset *d = rows(N_ROW);
    eval_options o = row_options(d, g, EVAL_DIRECT | EVAL_GREEDY | EVAL_T1);
    json_t *of = measured(r, &o, "rows");

    ck_assert_double_eq_tol(at(of, "greedy", "right", NULL), 8.0 / 12, 1e-12);
    ck_assert_int_eq((int)at(of, "greedy", "n", NULL), N_ROW);
    ck_assert_double_eq_tol(at(of, "t1", "right", NULL), 8.0 / 12, 1e-12);
    ck_assert_double_eq_tol(at(of, "cons", "16", "right"), 8.0 / 12, 1e-12);
    ck_assert_double_eq_tol(at(of, "rerank", "16", "right"), 8.0 / 12, 1e-12);
    ck_assert_double_eq_tol(at(of, "greedy", "reward", NULL), 8.0 / 12, 1e-12);
    json_decref(of);
    dataset_close(d);
    grader_free(g);
    reasoner_close(r);
}
END_TEST

/* Right half of the time on two rows of three: pass@k is 2/3 (1 - 2^-k), which at
 * k = 1 and group are known exactly from t1 and from rerank. */
START_TEST(pass_and_votes_agree_with_their_definitions)
{
    reasoner *r = open_parrot(NULL, says_seven_or_eight, 6);
    grader *g = seven();
    dataset *d = rows(240);
    eval_options o = row_options(d, g, EVAL_T1);
    json_t *of = measured(r, &o, "rows");

    ck_assert_double_eq_tol(at(of, "t1", "right", NULL), 1.0 / 3, 0.03);
    ck_assert_double_eq_tol(at(of, "pass", "1", "right"), at(of, "t1", "right", NULL), 1e-9);
    ck_assert_double_eq_tol(at(of, "rerank", "1", "right"), at(of, "t1", "right", NULL), 1e-9);
    ck_assert_double_eq_tol(at(of, "cons", "1", "right"), at(of, "t1", "right", NULL), 1e-9);
    ck_assert_double_eq_tol(at(of, "pass", "2", "right"), 2.0 / 3 * 0.75, 0.03);
    ck_assert_double_eq_tol(at(of, "rerank", "2", "right"), 2.0 / 3 * 0.75, 0.03);
    ck_assert_double_eq_tol(at(of, "pass", "16", "right"),
                            at(of, "rerank", "16", "right"), 1e-9);
    ck_assert_double_eq_tol(at(of, "pass", "16", "right"), 2.0 / 3, 0.01);
    ck_assert_double_eq_tol(at(of, "cons", "16", "right"), 1.0 / 3, 0.1);
    /* 2,560 answers about 160 problems, and 80 that have none: the interval lies
     * between that of as many problems and that of as many answers. */
    ck_assert_double_gt(at(of, "t1", "high", NULL) - at(of, "t1", "low", NULL), 0.03);
    ck_assert_double_lt(at(of, "t1", "high", NULL) - at(of, "t1", "low", NULL), 0.12);
    json_decref(of);
    dataset_close(d);
    grader_free(g);
    reasoner_close(r);
}
END_TEST

START_TEST(seeds_of_a_file_are_disjoint_parts)
{
    reasoner *r = open_parrot(NULL, says_seven, 4);
    grader *g = seven();
    dataset *d = rows(N_ROW);
    eval_options o = row_options(d, g, EVAL_GREEDY);
    json_t *of;

    o.seeds = 3;
    of = measured(r, &o, "rows");
    /* Parts of four rows each: all rows, so again exactly 8 of 12. */
    ck_assert_int_eq((int)at(of, "greedy", "n", NULL), N_ROW);
    ck_assert_double_eq_tol(at(of, "greedy", "right", NULL), 8.0 / 12, 1e-12);
    ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(of, "greedy"), "seeds")),
                      3);
    json_decref(of);
    dataset_close(d);
    grader_free(g);
    reasoner_close(r);
}
END_TEST

START_TEST(a_row_that_the_grader_cannot_use_is_named)
{
    static const char text[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"answer\":\"7\"}\n"
        "{\"messages\":[{\"role\":\"user\",\"content\":\"b\"}],\"reply\":\"7\"}\n";
    reasoner *r = open_parrot(NULL, says_seven, 4);
    grader *g = seven();
    dataset *d;
    eval_options o;
    json_t *all;
    errtext err;

    ck_assert_int_eq(dataset_parse(&d, text, sizeof text - 1, "rows", DATASET_RFT, 0, &err), OK);
    o = row_options(d, g, EVAL_GREEDY);
    ck_assert_int_ne(evaluate(r, &o, &all, &err), OK);
    ck_assert_ptr_null(all);
    ck_assert_msg(strstr(err.text, "line 2") && strstr(err.text, "answer"), "%s", err.text);
    dataset_close(d);
    grader_free(g);
    reasoner_close(r);
}
END_TEST

/* --------------------------------------------------------------- families */

static mixture *cells(const char *text)
{
    json_t *j = json_loads(text, 0, NULL);
    mixture *m;
    errtext err;

    ck_assert_ptr_nonnull(j);
    ck_assert_msg(mixture_parse(&m, j, "cells", &err) == OK, "%s", err.text);
    json_decref(j);
    return m;
}

static eval_options cell_options(const mixture *m, unsigned measures)
{
    return (eval_options){ .mixture = m, .measures = measures, .split = SPLIT_VALID,
                           .problems = 4, .seeds = 2, .seed = 5, .group = 4,
                           .effort = EFFORT_MEDIUM, .max_think = 24, .max_answer = 8 };
}

/* Thinks without an end: only a budget closes the thought. */
static const parrot_word thinks_for_ever[] = {
    { "one", 0 }, { " two", 0 }, { " three", 0 }, { " four", 0 }, { " five", 0 }, { " six", 0 },
    { " seven", PARROT_ANY }, { " eight", 0 }, { " nine", PARROT_ANY }, { " ten", 1 },
};

START_TEST(a_budget_is_what_is_spent)
{
    reasoner *r = open_parrot(NULL, thinks_for_ever, 10);
    mixture *m = cells("[{\"task\":\"chain\",\"depth\":2}]");
    eval_options o = cell_options(m, EVAL_BUDGET);
    const int budgets[4] = { 4, 8, 16, 32 };
    json_t *of;

    o.budgets = budgets;
    o.n_budget = 4;
    of = measured(r, &o, "chain 2");
    for (int i = 0; i < 4; i++) {
        char key[8];

        snprintf(key, sizeof key, "%d", budgets[i]);
        ck_assert_double_eq(at(of, "budget", key, "cut"), 1);
        ck_assert_double_ge(at(of, "budget", key, "think_tokens"), budgets[i]);
        /* The closer is eight tokens to a parrot, and a blank line. */
        ck_assert_double_le(at(of, "budget", key, "think_tokens"), budgets[i] + 10);
    }
    /* Never right: nothing rises. */
    ck_assert(json_is_false(json_object_get(json_object_get(of, "budget_fit"), "found")));
    json_decref(of);
    mixture_free(m);
    reasoner_close(r);
}
END_TEST

START_TEST(effort_words_bring_their_budgets)
{
    reasoner *r = open_parrot(NULL, thinks_for_ever, 10);
    mixture *m = cells("[{\"task\":\"chain\",\"depth\":2}]");
    eval_options o = cell_options(m, EVAL_EFFORT);
    json_t *of;

    o.problems = o.seeds = 1;
    of = measured(r, &o, "chain 2");
    ck_assert_double_le(fabs(at(of, "effort", "low", "think_tokens") -
                             effort_budget(EFFORT_LOW)), 10);
    ck_assert_double_ge(at(of, "effort", "medium", "think_tokens"),
                        2 * at(of, "effort", "low", "think_tokens"));
    ck_assert_double_ge(at(of, "effort", "high", "think_tokens"),
                        at(of, "effort", "medium", "think_tokens"));
    json_decref(of);
    mixture_free(m);
    reasoner_close(r);
}
END_TEST

START_TEST(an_answer_that_no_thought_changes_has_no_area_over_the_curve)
{
    static const parrot_word only_seven[] = { { "7", 0 }, { "<|im_end|>", 0 } };
    reasoner *r = open_parrot(NULL, only_seven, 2);
    mixture *m = cells("[{\"task\":\"chain\",\"depth\":2}]");
    eval_options o = cell_options(m, EVAL_EARLY | EVAL_EDIT);
    json_t *of = measured(r, &o, "chain 2");

    ck_assert_double_eq(at(of, "early", "0", "right"), 1);
    ck_assert_double_eq(at(of, "early", "50", "right"), 1);
    ck_assert_double_eq_tol(at(of, "early", "aoc", NULL), 0, 1e-12);
    /* Its thought has no value that could be changed. */
    ck_assert_int_eq((int)at(of, "edit", "follow", "n"), 0);
    json_decref(of);
    mixture_free(m);
    reasoner_close(r);
}
END_TEST

START_TEST(attempts_are_the_lines_with_an_equation)
{
    static const char think[] = "3 8 2:24\n8*3=24 2,24-2=22:24-\n8*2=16 3,16+3=19:24-\nnone";
    static const char cut[] = "3 8 2:24\n8*3=24 2,24-2=22:24-\n8*2=1";

    ck_assert_int_eq(eval_attempts(think, strlen(think)), 2);
    ck_assert_int_eq(eval_attempts(cut, strlen(cut)), 2);
    ck_assert_int_eq(eval_attempts("", 0), 0);
    ck_assert_int_eq(eval_attempts("none\n\n", 6), 0);
}
END_TEST

START_TEST(blind_search_finds_more_with_more_attempts)
{
    eval_item it = { .number = 3, .problem.key = "2 3 4=24" };
    double last = 0;

    ck_assert_double_eq(eval_blind(&it, 1, 0), 0);
    for (int n = 1; n <= 1024; n *= 2) {
        const double now = eval_blind(&it, 1, n);

        ck_assert_double_ge(now, last);
        ck_assert_double_eq(now, eval_blind(&it, 1, n));
        last = now;
    }
    ck_assert_double_gt(last, 0.9);
}
END_TEST

/* Countdown by a model that only ever says "none". */
static const parrot_word says_none[] = {
    { "none", 0 }, { "</think>", 0 }, { "nothing", 0 }, { "<|im_end|>", 0 },
};

START_TEST(search_stands_beside_blind_search)
{
    reasoner *r = open_parrot(NULL, says_none, 4);
    mixture *m = cells("[{\"task\":\"countdown\",\"depth\":3}]");
    eval_options o = cell_options(m, EVAL_ATTEMPTS | EVAL_T1);
    json_t *of;

    o.problems = 20;
    of = measured(r, &o, "countdown 3");
    ck_assert_double_eq(at(json_object_get(of, "attempts"), "model", "16", "right"), 0);
    ck_assert_double_gt(at(json_object_get(of, "attempts"), "random", "16", "right"), 0.3);
    ck_assert_double_gt(at(json_object_get(of, "attempts"), "random", "16", "right"),
                        at(json_object_get(of, "attempts"), "random", "2", "right"));
    ck_assert_double_eq(at(of, "attempts", "mean", NULL), 0);
    /* As many attempts as the model made: none. */
    ck_assert_double_eq(at(of, "rerank_random", "4", "right"), 0);
    ck_assert_ptr_null(json_object_get(of, "cons"));
    json_decref(of);
    mixture_free(m);
    reasoner_close(r);
}
END_TEST

/* ------------------------------------------------- pure in seed and number */

static reasoner *open_scratch(void)
{
    const char *words[] = { "Start with 5, add 3 and take the result modulo 100." };
    scratch_shape shape = { .name = "s", .n_layer = 1, .d_model = 32, .n_head = 2, .n_head_kv = 2,
                            .d_head = 16, .d_ff = 32, .n_ctx = 256, .n_vocab = 300 };
    char path[64];
    reasoner *r;
    errtext err;

    snprintf(path, sizeof path, "/tmp/evaluate-%ld.gguf", (long)getpid());
    ck_assert_msg(scratch_write(&shape, 1, words, 1, path, &err) == OK, "%s", err.text);
    r = open_at(path, 2);
    unlink(path);
    return r;
}

typedef struct answers {
    bytes text;              /* of the first 8 items: key, tokens */
} answers;

static status gather(void *arg, const eval_chunk *k, errtext *err)
{
    answers *a = arg;

    (void)err;
    for (int i = 0; i < k->n; i++) {
        const rollout *o = &k->answers[(size_t)i * (size_t)k->group];

        if (k->items[i].number >= 8) continue;
        bytes_add_format(&a->text, "%d %d %s:", k->items[i].number, k->items[i].i_seed,
                         k->items[i].problem.key);
        for (int t = o->n_prompt; t < o->n; t++) bytes_add_format(&a->text, " %d", (int)o->ids[t]);
        bytes_add_char(&a->text, '\n');
    }
    return OK;
}

static bytes drawn_with(reasoner *r, const mixture *m, int problems)
{
    eval_options o = cell_options(m, EVAL_T1);
    eval_cell c = { .r = r, .o = &o, .problems = problems, .name = "chain 2" };
    eval_how how = eval_usual(&c, "T=1");
    answers a = { { 0 } };
    errtext err;

    o.problems = problems;
    how.temperature = 1;
    ck_assert_int_eq(eval_ask(&c, &how, gather, &a, &err), OK);
    return a.text;
}

START_TEST(problems_and_draws_do_not_depend_on_how_many_there_are)
{
    reasoner *r = open_scratch();
    mixture *m = cells("[{\"task\":\"chain\",\"depth\":2}]");
    bytes four = drawn_with(r, m, 4), forty = drawn_with(r, m, 40);

    ck_assert_str_eq(four.data, forty.data);
    /* Eight different problems, drawn from two seeds. */
    for (const char *s = four.data, *end; *s; s = end + 1) {
        end = strchr(s, '\n');
        const char *key = strchr(s, ' ') + 3, *stop = strchr(key, ':');

        for (const char *t = end + 1; *t; t = strchr(t, '\n') + 1)
            ck_assert(strncmp(strchr(t, ' ') + 3, key, (size_t)(stop - key) + 1) != 0);
    }
    bytes_fini(&four);
    bytes_fini(&forty);
    mixture_free(m);
    reasoner_close(r);
}
END_TEST

START_TEST(figures_do_not_depend_on_what_else_is_measured)
{
    reasoner *r = open_scratch();
    mixture *m = cells("[{\"task\":\"perm\",\"depth\":2},{\"task\":\"chain\",\"depth\":1}]");
    eval_options all = cell_options(m, EVAL_ALL), one = cell_options(m, EVAL_T1);
    json_t *a = measured(r, &all, "chain 1"), *b = measured(r, &one, "chain 1");

    ck_assert(json_equal(json_object_get(a, "t1"), json_object_get(b, "t1")));
    ck_assert(json_equal(json_object_get(a, "cons"), json_object_get(b, "cons")));
    ck_assert_ptr_null(json_object_get(b, "greedy"));
    json_decref(a);
    json_decref(b);
    mixture_free(m);
    reasoner_close(r);
}
END_TEST

START_TEST(ctrl_c_ends_an_evaluation)
{
    static const volatile sig_atomic_t pressed = 1;
    reasoner *r = open_parrot(NULL, thinks_for_ever, 10);
    mixture *m = cells("[{\"task\":\"chain\",\"depth\":2}]");
    eval_options o = cell_options(m, EVAL_GREEDY);
    json_t *out;
    errtext err;

    o.cancel = &pressed;
    ck_assert_int_eq(evaluate(r, &o, &out, &err), E_INTERRUPTED);
    ck_assert_ptr_null(out);
    mixture_free(m);
    reasoner_close(r);
}
END_TEST

START_TEST(options_out_of_range_are_named)
{
    mixture *m = cells("[{\"task\":\"chain\",\"depth\":2}]");
    const int falling[2] = { 8, 4 };
    const struct { const char *name; eval_options o; } bad[] = {
        { "seeds", { .mixture = m, .measures = 1, .problems = 1, .group = 1, .max_think = 1,
                     .max_answer = 1, .seeds = 17 } },
        { "problems", { .mixture = m, .measures = 1, .problems = 0, .group = 1, .max_think = 1,
                        .max_answer = 1, .seeds = 1 } },
        { "group", { .mixture = m, .measures = 1, .problems = 1, .group = 1025, .max_think = 1,
                     .max_answer = 1, .seeds = 1 } },
        { "budgets[1]", { .mixture = m, .measures = 1, .problems = 1, .group = 1, .max_think = 1,
                          .max_answer = 1, .seeds = 1, .budgets = falling, .n_budget = 2 } },
        { "measures", { .mixture = m, .problems = 1, .group = 1, .max_think = 1, .max_answer = 1,
                        .seeds = 1 } },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *out;
        errtext err;

        ck_assert_int_eq(evaluate(NULL, &bad[i].o, &out, &err), E_ARG);
        ck_assert_msg(strstr(err.text, bad[i].name) != NULL, "%s", err.text);
    }
    mixture_free(m);
}
END_TEST

/* ------------------------------------------------------------------- shipped */

START_TEST(the_shipped_model_answers_from_its_thoughts)
{
    static const char path[] = "models/ponder-nano.gguf";
    mixture *m;
    reasoner *r;
    eval_options o;
    json_t *of;

    if (!file_exists(path)) {
        printf("skipped: %s is not there\n", path);
        return;
    }
    r = open_at(path, 2);
    m = cells("[{\"task\":\"chain\",\"depth\":3}]");
    o = cell_options(m, EVAL_DIRECT | EVAL_GREEDY | EVAL_EARLY | EVAL_EDIT);
    o.problems = 20;
    o.max_think = 256;
    o.max_answer = 16;
    of = measured(r, &o, "chain 3");
    ck_assert_double_gt(at(of, "greedy", "right", NULL), 0.8);
    ck_assert_double_lt(at(of, "direct", "right", NULL), 0.5);
    ck_assert_double_gt(at(of, "greedy", "step_true", NULL), 0.9);
    ck_assert_double_gt(at(of, "early", "aoc", NULL), 0.3);
    ck_assert_int_gt((int)at(of, "edit", "follow", "n"), 20);
    ck_assert_double_gt(at(of, "edit", "follow", "right"), 0.7);
    ck_assert_double_lt(at(of, "edit", "ignore", "right"), 0.2);
    json_decref(of);
    mixture_free(m);
    reasoner_close(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("evaluate");
    TCase *t = tcase_create("all");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_test(t, interval_of_single_answers_is_wilsons);
    tcase_add_test(t, interval_counts_problems_as_their_spread_says);
    tcase_add_test(t, seeds_keep_their_own_shares);
    tcase_add_test(t, majority_counts_votes_and_the_earlier_wins_a_tie);
    tcase_add_test(t, rise_is_the_longest_stretch_on_a_line);
    tcase_add_test(t, a_model_that_says_seven_is_right_where_seven_is);
    tcase_add_test(t, pass_and_votes_agree_with_their_definitions);
    tcase_add_test(t, seeds_of_a_file_are_disjoint_parts);
    tcase_add_test(t, a_row_that_the_grader_cannot_use_is_named);
    tcase_add_test(t, a_budget_is_what_is_spent);
    tcase_add_test(t, effort_words_bring_their_budgets);
    tcase_add_test(t, an_answer_that_no_thought_changes_has_no_area_over_the_curve);
    tcase_add_test(t, attempts_are_the_lines_with_an_equation);
    tcase_add_test(t, blind_search_finds_more_with_more_attempts);
    tcase_add_test(t, search_stands_beside_blind_search);
    tcase_add_test(t, problems_and_draws_do_not_depend_on_how_many_there_are);
    tcase_add_test(t, figures_do_not_depend_on_what_else_is_measured);
    tcase_add_test(t, ctrl_c_ends_an_evaluation);
    tcase_add_test(t, options_out_of_range_are_named);
    tcase_add_test(t, the_shipped_model_answers_from_its_thoughts);
    sr = srunner_create(s);
    suite_add_tcase(s, t);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
