/* Countdown and the game of 24: drawing, searching, grading, checking. */
#include <math.h>
#include <stdlib.h>

#include "tasks/search.h"
#include "family.h"

static double grade(const char *key, const char *answer)
{
    return search_grade(key, answer, strlen(answer));
}

/* ---- an expression by brute force, apart from the code under test ---- */

typedef struct term {
    double value;
    char text[96];
} term;

/* Any expression that hits, written to out; whole admits whole numbers >= 0 only. */
static bool brute(const term *x, int n, double target, bool whole, char out[96])
{
    if (n == 1) {
        if (fabs(x[0].value - target) > 1e-6) return false;
        strcpy(out, x[0].text);
        return true;
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            if (i == j) continue;
            term rest[6];
            int m = 0;
            for (int k = 0; k < n; k++)
                if (k != i && k != j) rest[m++] = x[k];
            for (int s = 0; s < 4; s++) {
                double a = x[i].value, b = x[j].value, v;
                if (s == 3 && fabs(b) < 1e-9) continue;
                v = s == 0 ? a + b : s == 1 ? a - b : s == 2 ? a * b : a / b;
                if (whole && (v < 0 || v != floor(v))) continue;
                rest[m].value = v;
                char text[256];
                snprintf(text, sizeof text, "(%s%c%s)", x[i].text, "+-*/"[s], x[j].text);
                text[95] = 0;
                strcpy(rest[m].text, text);
                if (brute(rest, m + 1, target, whole, out)) return true;
            }
        }
    return false;
}

static bool brute_force(const int *x, int n, int target, bool whole, char out[96])
{
    term t[6];

    for (int i = 0; i < n; i++) {
        t[i].value = x[i];
        snprintf(t[i].text, sizeof t[i].text, "%d", x[i]);
    }
    return brute(t, n, target, whole, out);
}

/* ---- both families ---- */

START_TEST(traces_are_true_and_solved_answers_right)
{
    family_holds(&task_countdown, 2000);
    family_holds(&task_game24, 2000);
}
END_TEST

START_TEST(no_points_without_work)
{
    static const char *const extra[] = { "24=24", "24", "8/(3-8/3)=24=24", "(())", "=", "1=1",
                                         "1 2 3 4", "+", NULL };
    family_no_free_points(&task_countdown, 100, extra);
    family_no_free_points(&task_game24, 100, extra);
}
END_TEST

START_TEST(same_stream_same_bytes)
{
    family_repeats(&task_countdown);
}
END_TEST

START_TEST(a_changed_digit_shows)
{
    family_slips_show(&task_countdown, 200, "0123456789");
    family_slips_show(&task_game24, 200, "0123456789");
}
END_TEST

START_TEST(a_cut_trace_shows)
{
    family_cuts_show(&task_countdown, 60);
}
END_TEST

START_TEST(most_problems_are_solved_at_high_effort)
{
    for (int d = 3; d <= 6; d++) {
        int n_solved[3] = { 0 };
        for (int i = 0; i < 200; i++)
            for (int e = 0; e < 3; e++) {
                problem p;
                family_draw(&task_countdown, 21, (uint64_t)i, d, (trace_effort)e, &p);
                n_solved[e] += p.solved;
                family_drop(&p);
            }
        ck_assert_int_ge(n_solved[2], 160);
        ck_assert_int_ge(n_solved[1], n_solved[0]);
        ck_assert_int_ge(n_solved[2], n_solved[1]);
    }
}
END_TEST

START_TEST(effort_bounds_the_attempts)
{
    static const int allowed[3] = { 4, 12, 32 };

    for (int i = 0; i < 300; i++)
        for (int e = 0; e < 3; e++) {
            problem p;
            family_draw(&task_countdown, 22, (uint64_t)i, 5, (trace_effort)e, &p);
            trace_check c = family_check(&task_countdown, p.key, p.think);
            ck_assert_int_le(c.n_attempt, allowed[e]);
            ck_assert(p.solved || c.n_attempt == allowed[e]);
            family_drop(&p);
        }
}
END_TEST

START_TEST(drawn_targets_can_be_reached)
{
    for (int d = 3; d <= 4; d++)
        for (int i = 0; i < 300; i++) {
            rng r = { 23, (uint64_t)i, 0 };
            char *key = task_countdown.draw(&r, d), out[96];
            numbers x;
            ck_assert(numbers_parse(&x, key));
            ck_assert(x.n == d && x.target >= 10 && x.target <= 99);
            for (int k = 0; k < d; k++) ck_assert(x.x[k] >= 1 && x.x[k] <= (d == 3 ? 9 : 12));
            ck_assert_msg(brute_force(x.x, x.n, x.target, true, out), "%s", key);
            ck_assert_msg(grade(key, out) == 1, "%s: %s", key, out);
            mem_free(key);
        }
}
END_TEST

START_TEST(reach_agrees_with_brute_force)
{
    rng r = { 24, 0, 0 };

    for (int i = 0; i < 30; i++) {
        int x[4], n = 2 + i % 3;
        bool reach[SEARCH_TARGET_MAX + 1];
        char out[96];
        for (int k = 0; k < n; k++) x[k] = rng_between(&r, 1, 12);
        search_reach(x, n, reach);
        for (int t = 0; t <= SEARCH_TARGET_MAX; t++)
            ck_assert_int_eq(reach[t], brute_force(x, n, t, true, out));
    }
}
END_TEST

START_TEST(teacher_finds_several_times_what_chance_finds)
{
    int teacher[2] = { 0 }, chance[2] = { 0 };

    for (int d = 3; d <= 4; d++)
        for (int i = 0; i < 1000; i++) {
            rng r = { 25, (uint64_t)i, 0 };
            char *key = task_countdown.draw(&r, d);
            teacher[d - 3] += countdown_teacher_search(key, &r, 1) > 0;
            chance[d - 3] += countdown_random_search(key, &r, 1) > 0;
            mem_free(key);
        }
    ck_assert_int_ge(teacher[0], 4 * chance[0]);
    ck_assert_int_ge(teacher[1], 4 * chance[1]);
    ck_assert_int_gt(chance[0], 30);
}
END_TEST

START_TEST(chance_finds_more_in_more_attempts)
{
    int found[2] = { 0 };

    for (int i = 0; i < 500; i++) {
        rng r = { 26, (uint64_t)i, 0 };
        found[0] += countdown_random_search("2 3 7 8=24", &r, 1) > 0;
        found[1] += countdown_random_search("2 3 7 8=24", &r, 64) > 0;
    }
    ck_assert_int_ge(found[1], 4 * found[0] + 10);
}
END_TEST

/* ---- answers ---- */

START_TEST(right_answers_in_many_forms)
{
    static const char *const right[] = {
        "(8-2)*(7-3)", "(8 - 2) * (7 - 3)", "((8-2))*(7-3)=24", " (7-3)*(8-2) . ",
        "(8\xe2\x88\x92" "2)\xc3\x97(7-3)", "8-2=6,7-3=4,6*4=24", "8-2=6, 7-3=4, 6*4=24",
        "7-3=4;8-2=6;4*6=24", "The answer is (8-2)*(7-3).",
        "\\boxed{(8-2)*(7-3)}", NULL,
    };
    for (const char *const *a = right; *a; a++)
        ck_assert_msg(grade("2 3 7 8=24", *a) == 1, "%s", *a);
    ck_assert(grade("3 3 8 8=24", "8/(3-8/3)") == 1);
    ck_assert(grade("1 5 5 5=24", "5*(5-1/5)") == 1);
    ck_assert(grade("2 5=10", "2*5=10") == 1);
}
END_TEST

START_TEST(tricks_earn_nothing)
{
    static const char *const wrong[] = {
        "24", "8*3", "8*3=24", "(8-2)*(7-3)*1", "(8-2)*(7-3)+2-2", "(8-2)*4", "38-7-2", "38-7-2=24",
        "-(2-8)*(7-3)", "+(8-2)*(7-3)", "(8-2)(7-3)", "(8-2)*(7-3)=25", "(8-2)*(7-3)=24=24",
        "(8-2)*(7-3) or 24", "2^999999999", "2**9", "2e3", "8!/3", "8/(7-7)", "8/(3+2-5)",
        "(8-2)*(7-3", "8-2)*(7-3)", "08-2*7-3", "(8-2)*(7-3.0)", "0x8", "8 2 7 3", "()",
        "8-2=6,7-3=4,6*4=25", "8-2=6,7-3=4,6*4=24,24*1=24", "8-2=6,6*4=24", "8-2=6,7-3=4",
        "8-2=6,8-2=6,6*6=36", "8-2=5,7-3=4,6*4=24", "8-2=6,,7-3=4,6*4=24", ",", "8-2=6,7-3=4,6*4=24,",
        "6*4=24,8-2=6,7-3=4", "3-7=4,8-2=6,6*4=24", "99999999999999999999999", "8/3/0*2*7", NULL,
    };
    for (const char *const *a = wrong; *a; a++)
        ck_assert_msg(grade("2 3 7 8=24", *a) == 0, "%s", *a);
    ck_assert(grade("2 5 5 8=24", "8/(5-5)+2") == 0);
    ck_assert(grade("1 1 2 8=8", "8*2/(1-1)") == 0);
    ck_assert(grade("5 5 5 5=10", "(5-5)/(5-5)") == 0);
    ck_assert(search_grade("2 3 7 8=24", "(8-2)*(7-3)\0junk", 16) == 0);
}
END_TEST

START_TEST(huge_answers_end_soon)
{
    bytes b = { 0 };

    for (int i = 0; i < 10000; i++) bytes_add_char(&b, '(');
    ck_assert(search_grade("2 3 7 8=24", b.data, b.len) == 0);
    ck_assert(search_grade("2 3 7 8=24", b.data, 500) == 0);
    bytes_add_string(&b, "8-2");
    for (int i = 0; i < 10000; i++) bytes_add_char(&b, ')');
    ck_assert(search_grade("2 3 7 8=24", b.data, b.len) == 0);
    bytes_clear(&b);
    for (int i = 0; i < 100000; i++) bytes_add_string(&b, "8-2=6,");
    ck_assert(search_grade("2 3 7 8=24", b.data, b.len) == 0);
    trace_check c;
    search_check("2 3 7 8=24", b.data, b.len, &c);
    ck_assert(!c.well_formed);
    bytes_fini(&b);
}
END_TEST

START_TEST(broken_keys_earn_nothing)
{
    static const char *const key[] = { "", "=", "24", "1 2", "1 2=", "1 2 3 4 5 6 7=9", "a=1",
                                       "1 2=x", "1  2=3", "1 2=3x", "0 2=2", "100 2=50", "1 2=1000",
                                       "99999999999999999999 1=1", NULL };
    for (const char *const *k = key; *k; k++) {
        trace_check c;
        ck_assert_msg(grade(*k, "1+2=3") == 0, "%s", *k);
        search_check(*k, "1 2:3", 5, &c);
        ck_assert(!c.well_formed);
    }
}
END_TEST

/* ---- traces ---- */

static trace_check check(const char *think)
{
    trace_check c;

    search_check("2 3 7 8=24", think, strlen(think), &c);
    return c;
}

START_TEST(a_good_trace_counts_fully)
{
    trace_check c = check("3 8 2 7:24\n8+3=11 2 7,11+7=18 2,18+2=20:24-\n8-2=6 3 7,7-3=4 6,6*4=24:24=");

    ck_assert(c.well_formed);
    ck_assert_int_eq(c.n_step, 7);
    ck_assert_int_eq(c.n_true, 7);
    ck_assert_int_eq(c.n_attempt, 2);
    ck_assert_int_eq(c.n_repeat, 0);
    c = check("3 8 2 7:24\nnone");
    ck_assert(c.well_formed && c.n_attempt == 0);
}
END_TEST

START_TEST(each_kind_of_slip_is_one_false_step)
{
    static const char *const slip[] = {
        "3 8 2 9:24\n8-2=6 3 7,7-3=4 6,6*4=24:24=",          /* another number */
        "3 8 2 7:25\n8-2=6 3 7,7-3=4 6,6*4=24:24=",          /* another target above */
        "3 8 2 7:24\n8-2=5 3 7,7-3=4 5,5*4=20:24-\nnone",    /* arithmetic */
        "3 8 2 7:24\n8-2=6 3 8,8-3=5 6,6*5=30:24-\nnone",    /* left over wrongly */
        "3 8 2 7:24\n8-2=6 3 7,9-3=6 6,6*6=36:24-\nnone",    /* not available */
        "3 8 2 7:24\n8-2=6 3 7,7-3=4 6,6*4=24:24-\nnone",    /* verdict: a hit missed */
        "3 8 2 7:24\n8-2=6 3 7,7-3=4 6,6+4=10:24=",          /* verdict: a miss taken */
        "3 8 2 7:24\n8-2=6 3 7,7-3=4 6,6+4=10:34-\nnone",    /* target misremembered */
        "3 8 2 7:24\n8-2=6 3 7,3-7=4 6,6*4=24:24=",          /* negative */
        "3 8 2 7:24\n8-2=6 3 7,7-3=4 6,6/4=1:24-\nnone",     /* not exact */
        "3 8 2 7:24\n8-8=0 3 7,7-3=4 0,4+0=4:24-\nnone",     /* one number twice */
    };
    for (size_t i = 0; i < sizeof slip / sizeof slip[0]; i++) {
        trace_check c = check(slip[i]);
        ck_assert_msg(c.well_formed, "%s", slip[i]);
        ck_assert_msg(c.n_step == 4 && c.n_true == 3, "%s: %d of %d", slip[i], c.n_true, c.n_step);
    }
}
END_TEST

START_TEST(repeats_are_counted_in_any_order)
{
    trace_check c = check("3 8 2 7:24\n8+3=11 2 7,11+7=18 2,18+2=20:24-\n"
                          "8+3=11 2 7,11+7=18 2,18+2=20:24-\n"
                          "3+8=11 2 7,7+11=18 2,18+2=20:24-\n"
                          "8+2=10 3 7,7+3=10 10,10+10=20:24-\n"
                          "7+3=10 8 2,8+2=10 10,10+10=20:24-\nnone");
    ck_assert(c.well_formed);
    ck_assert_int_eq(c.n_attempt, 5);
    ck_assert_int_eq(c.n_repeat, 3);
    ck_assert_int_eq(c.n_true, c.n_step);
}
END_TEST

START_TEST(other_shapes_are_not_well_formed)
{
    static const char *const bad[] = {
        "", "\n", "none", "3 8 2 7:24", "3 8 2 7:24\n8-2=6 3 7,7-3=4 6,6*4=24:24-",
        "3 8 2 7:24\n8-2=6,7-3=4:24=", "8-2=6 3 7,7-3=4 6,6*4=24:24=",
        "3 8 2 7:24\n8-2=6 3 7,7-3=4 6,6*4=24:24=\nnone",
        "3 8 2 7:24\n8-2=6 3 7,7-3=4 6,6*4=24:24=\n8-2=6 3 7,7-3=4 6,6*4=24:24=",
        "3 8 2 7:24\n\n8-2=6 3 7,7-3=4 6,6*4=24:24=", "3 8 2 7:24\n8-2=6 3 7,7-3=4 6,6*4=24:24= ",
        "3 8 2 7:24\n8-2=6 3 7,7-3=4 6,6*4=24,24*1=24:24=", "3 8 2 7 24\nnone", "3 8 2 7:24\nNone",
        "3 8 2 7:24\n8^2=64 3 7,7-3=4 64,64*4=256:24-\nnone", "3 8 2 7:24\n8-2=99999999 3 7\nnone",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!check(bad[i]).well_formed, "%s", bad[i]);
}
END_TEST

/* ---- the game of 24 ---- */

START_TEST(every_hand_of_the_public_list_and_no_other_is_solvable)
{
    FILE *f = fopen("../shared/data/game24/24.csv", "r");
    static bool listed[14][14][14][14];
    char line[256];
    int n_listed = 0;

    if (!f) {
        printf("skipped: no list of hands\n");
        return;
    }
    while (fgets(line, sizeof line, f)) {
        int rank, a, b, c, d;
        if (sscanf(line, "%d,%d %d %d %d", &rank, &a, &b, &c, &d) != 5) continue;
        ck_assert(a <= b && b <= c && c <= d && d <= 13);
        listed[a][b][c][d] = true;
        n_listed++;
    }
    fclose(f);
    ck_assert_int_eq(n_listed, 1362);
    for (int a = 1; a <= 13; a++)
        for (int b = a; b <= 13; b++)
            for (int c = b; c <= 13; c++)
                for (int d = c; d <= 13; d++) {
                    numbers x = { 4, { a, b, c, d }, 24 };
                    ck_assert(search_solvable(&x) == listed[a][b][c][d]);
                    bool reach[SEARCH_TARGET_MAX + 1];
                    search_reach(x.x, 4, reach);
                    ck_assert(!reach[24] || listed[a][b][c][d]);
                }
}
END_TEST

START_TEST(solutions_of_hands_score_one)
{
    int n = 0;

    for (int i = 0; i < 400; i++) {
        rng r = { 27, (uint64_t)i, 0 };
        numbers x = { .n = 4, .target = 24 };
        char out[96];
        for (int k = 0; k < 4; k++) x.x[k] = rng_between(&r, 1, 13);
        bool can = brute_force(x.x, 4, 24, false, out);
        ck_assert(can == search_solvable(&x));
        if (!can) continue;
        char *key = numbers_key(&x);
        ck_assert_msg(grade(key, out) == 1, "%s: %s", key, out);
        mem_free(key);
        n++;
    }
    ck_assert_int_gt(n, 200);
}
END_TEST

START_TEST(drawn_hands_make_24)
{
    for (int i = 0; i < 500; i++) {
        rng r = { 28, (uint64_t)i, 0 };
        char *key = task_game24.draw(&r, 4), out[96];
        numbers x;
        ck_assert(numbers_parse(&x, key) && x.n == 4 && x.target == 24);
        ck_assert(brute_force(x.x, 4, 24, true, out));
        mem_free(key);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("countdown");
    TCase *c = tcase_create("search");

    tcase_set_timeout(c, 300);
    tcase_add_test(c, traces_are_true_and_solved_answers_right);
    tcase_add_test(c, no_points_without_work);
    tcase_add_test(c, same_stream_same_bytes);
    tcase_add_test(c, a_changed_digit_shows);
    tcase_add_test(c, a_cut_trace_shows);
    tcase_add_test(c, most_problems_are_solved_at_high_effort);
    tcase_add_test(c, effort_bounds_the_attempts);
    tcase_add_test(c, drawn_targets_can_be_reached);
    tcase_add_test(c, reach_agrees_with_brute_force);
    tcase_add_test(c, teacher_finds_several_times_what_chance_finds);
    tcase_add_test(c, chance_finds_more_in_more_attempts);
    tcase_add_test(c, right_answers_in_many_forms);
    tcase_add_test(c, tricks_earn_nothing);
    tcase_add_test(c, huge_answers_end_soon);
    tcase_add_test(c, broken_keys_earn_nothing);
    tcase_add_test(c, a_good_trace_counts_fully);
    tcase_add_test(c, each_kind_of_slip_is_one_false_step);
    tcase_add_test(c, repeats_are_counted_in_any_order);
    tcase_add_test(c, other_shapes_are_not_well_formed);
    tcase_add_test(c, every_hand_of_the_public_list_and_no_other_is_solvable);
    tcase_add_test(c, solutions_of_hands_score_one);
    tcase_add_test(c, drawn_hands_make_24);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int n = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n;
}
