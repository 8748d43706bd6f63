/* test_metrics.c - a resumed run's file holds each step once, whatever tore it. */
#include "train/metrics.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"

#include <check.h>

static char path[64];

static void setup(void)
{
    int fd;

    strcpy(path, "/tmp/ponder-metrics-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    unlink(path);
}

static void teardown(void)
{
    unlink(path);
}

static void write_text(const char *text)
{
    errtext err;

    ck_assert_int_eq(file_replace(path, text, strlen(text), &err), OK);
}

static void check_text(const char *want)
{
    bytes b = { 0 };
    errtext err;

    ck_assert_int_eq(file_read(&b, path, 1 << 20, &err), OK);
    ck_assert_str_eq(b.data, want);
    bytes_fini(&b);
}

static metrics *opened(int64_t last_step)
{
    metrics *m;
    errtext err = { "" };

    ck_assert_msg(metrics_open(&m, path, last_step, false, &err) == OK, "%s", err.text);
    return m;
}

static status add_step(metrics *m, int64_t step, errtext *err)
{
    json_t *row = json_pack("{s:I, s:f}", "step", (json_int_t)step, "loss", 0.5);
    status st = metrics_add(m, row, err);

    json_decref(row);
    return st;
}

#define ROW(n) "{\"step\":" #n ",\"loss\":0.5}\n"

START_TEST(rows_are_lines_in_their_order)
{
    metrics *m = opened(-1);
    json_t *rows;
    errtext err;

    for (int i = 0; i < 3; i++) ck_assert_int_eq(add_step(m, i, &err), OK);
    ck_assert_int_eq(metrics_sync(m, &err), OK);
    metrics_close(m);
    metrics_close(NULL);
    check_text(ROW(0) ROW(1) ROW(2));
    ck_assert_int_eq(metrics_read(&rows, path, &err), OK);
    ck_assert_uint_eq(json_array_size(rows), 3);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(rows, 2), "step")), 2);
    json_decref(rows);
}
END_TEST

START_TEST(opening_cuts_what_the_resumed_run_will_repeat)
{
    static const struct {
        const char *before;
        int64_t last_step;
        const char *after;
    } cases[] = {
        { ROW(0) ROW(1) ROW(2) ROW(3), 1, ROW(0) ROW(1) },
        { ROW(0) ROW(1), -1, "" },
        { ROW(0) ROW(1), 9, ROW(0) ROW(1) },
        { "", 5, "" },
        /* a torn last line, with and without rows to cut */
        { ROW(0) ROW(1) "{\"step\":2,\"lo", 5, ROW(0) ROW(1) },
        { ROW(0) ROW(1) "{\"step\":2,\"loss\":0.5}", 5, ROW(0) ROW(1) },
        { ROW(0) ROW(1) ROW(2) "{", 0, ROW(0) },
        { "{", 5, "" },
        /* more than one row a step */
        { ROW(0) ROW(1) ROW(1) ROW(2) ROW(2), 1, ROW(0) ROW(1) ROW(1) },
        /* rows to cut between rows that stay */
        { ROW(0) ROW(7) ROW(1) ROW(8) "{\"st", 1, ROW(0) ROW(1) },
        { ROW(7) ROW(8) ROW(1), 1, ROW(1) },
        /* damage behind the last row that stays */
        { ROW(0) "\n#\n" ROW(2) ROW(3), 1, ROW(0) },
    };
    metrics *m;
    errtext err;
    char want[400];

    write_text(cases[_i].before);
    m = opened(cases[_i].last_step);
    check_text(cases[_i].after);
    ck_assert_int_eq(add_step(m, 100, &err), OK);
    metrics_close(m);
    snprintf(want, sizeof want, "%s%s", cases[_i].after, ROW(100));
    check_text(want);
}
END_TEST

START_TEST(damage_before_a_row_that_stays_is_named_and_left)
{
    static const char *const cases[] = {
        ROW(0) "{\"step\":1,\"loss\":\n" ROW(1), ROW(0) "\n" ROW(1),
        ROW(0) "{\"loss\":1}\n" ROW(1),          ROW(0) "{\"step\":-1}\n" ROW(1),
        ROW(0) "{\"step\":\"1\"}\n" ROW(1),      ROW(0) "[1]\n" ROW(1),
        ROW(0) "{\"step\":1.5}\n" ROW(9) ROW(1),
    };
    json_t *rows;
    metrics *m;
    errtext err;

    write_text(cases[_i]);
    ck_assert_int_eq(metrics_open(&m, path, 5, false, &err), E_FORMAT);
    ck_assert_ptr_null(m);
    ck_assert_msg(strstr(err.text, "line 2") != NULL, "%s", err.text);
    check_text(cases[_i]);
    ck_assert_int_eq(metrics_read(&rows, path, &err), E_FORMAT);
    ck_assert_msg(strstr(err.text, "line 2") != NULL, "%s", err.text);
    ck_assert_ptr_null(rows);
}
END_TEST

START_TEST(reading_leaves_out_a_torn_last_line)
{
    json_t *rows;
    errtext err;

    write_text(ROW(0) ROW(1) "{\"step\":2");
    ck_assert_int_eq(metrics_read(&rows, path, &err), OK);
    ck_assert_uint_eq(json_array_size(rows), 2);
    json_decref(rows);
    unlink(path);
    ck_assert_int_eq(metrics_read(&rows, path, &err), E_IO);
    ck_assert_ptr_null(rows);
}
END_TEST

START_TEST(what_is_no_row_is_refused)
{
    static const char *const bad[] = { "{}", "[1]", "{\"step\":-1}", "{\"step\":1.0}",
                                       "{\"step\":null}" };
    json_t *row = json_loads(bad[_i], 0, NULL);
    metrics *m = opened(-1);
    errtext err;

    ck_assert_int_eq(metrics_add(m, row, &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "step"));
    metrics_close(m);
    check_text("");
    json_decref(row);
}
END_TEST

START_TEST(a_full_disk_leaves_whole_rows)
{
    struct rlimit limit, old;
    metrics *m = opened(-1);
    errtext err;

    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(add_step(m, i, &err), OK);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 3 * (sizeof ROW(0) - 1) + 7;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(add_step(m, 3, &err), E_IO);
    check_text(ROW(0) ROW(1) ROW(2));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(add_step(m, 4, &err), OK);
    metrics_close(m);
    check_text(ROW(0) ROW(1) ROW(2) ROW(4));
}
END_TEST

START_TEST(killed_again_and_again_each_step_is_there_once)
{
    int64_t next = 0;
    json_t *rows;
    errtext err;

    for (int round = 0; round < 20; round++) {
        int ends[2];
        int64_t got;
        pid_t child;

        ck_assert_int_eq(pipe(ends), 0);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (!child) {
            metrics *m;

            if (metrics_open(&m, path, next - 1, round % 2, &err)) _exit(1);
            for (int64_t step = next;; step++) {
                if (add_step(m, step, &err)) _exit(2);
                if (write(ends[1], &step, sizeof step) != sizeof step) _exit(3);
            }
        }
        close(ends[1]);
        if (read(ends[0], &got, sizeof got) == sizeof got) next = got + 1;
        usleep((useconds_t)(3000 * rng_uniform(4, 0, (uint64_t)round)));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        /* as if the last checkpoint were some steps back */
        for (int i = 0; i < 40 && read(ends[0], &got, sizeof got) == sizeof got; i++)
            next = got + 1;
        close(ends[0]);
    }
    metrics_close(opened(next - 1));
    ck_assert_int_ge(next, 20);
    ck_assert_int_eq(metrics_read(&rows, path, &err), OK);
    ck_assert_uint_eq(json_array_size(rows), (size_t)next);
    for (size_t i = 0; i < json_array_size(rows); i++)
        ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(rows, i), "step")),
                         (int64_t)i);
    json_decref(rows);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, rows_are_lines_in_their_order);
    tcase_add_loop_test(t, opening_cuts_what_the_resumed_run_will_repeat, 0, 12);
    tcase_add_loop_test(t, damage_before_a_row_that_stays_is_named_and_left, 0, 7);
    tcase_add_test(t, reading_leaves_out_a_torn_last_line);
    tcase_add_loop_test(t, what_is_no_row_is_refused, 0, 5);
    tcase_add_test(t, a_full_disk_leaves_whole_rows);
    tcase_add_test(t, killed_again_and_again_each_step_is_there_once);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
