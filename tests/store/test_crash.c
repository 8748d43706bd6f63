/* test_crash.c - what was acknowledged is there after kill -9 at any instant.
 *
 * A child works on a store and writes a line to a pipe after each call that
 * returned OK; the parent kills it at a random instant, opens the store and
 * compares. A line in the pipe is a promise given. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/rng.h"
#include "store_case.h"

#define ROUNDS 40
#define MAX_LINE 4096

typedef struct promise {
    char what;               /* C created, E events up to, F finished, L line, U file */
    char id[STORE_MAX_ID];
    int64_t n;
} promise;

typedef struct promises {
    promise *at;
    int n;
} promises;

static void promised(int fd, char what, const char *id, int64_t n)
{
    char line[128];
    int len = snprintf(line, sizeof line, "%c %s %lld\n", what, id, (long long)n);

    if (write(fd, line, (size_t)len) != len) _exit(3);
}

/* One response from its creation to its end, as a worker does it. */
static void child_response(store *s, int fd, int round, int i)
{
    char id[STORE_MAX_ID], body[64];
    store_claim claim;
    bool found, ended;
    store_end end = { .status = "completed", .expires_at = -1, .first_event = 6 };
    store_event last = { .type = "response.completed", .body = "{}" };
    store_item item = { .id = "msg", .body = "{\"text\":\"x\"}" };

    snprintf(id, sizeof id, "resp_%d_%d", round, i);
    create(s, STORE_RESPONSE, "a", id, "responses");
    promised(fd, 'C', id, 0);
    if (store_claim_next(s, "responses", &claim, &found, &err) != OK || !found) _exit(4);
    for (int k = 0; k < 3; k++) {
        int64_t first = 0;
        store_object o;

        if (store_get(s, STORE_RESPONSE, "a", claim.id, &o, &err) != OK) _exit(5);
        first = o.n_event < 2 * k ? o.n_event : 2 * k;
        store_object_fini(&o);
        append(s, &claim, "a", claim.id, first, 2 * k + 2 - (int)first);
        promised(fd, 'E', claim.id, 2 * k + 2);
    }
    snprintf(body, sizeof body, "{\"by\":%d}", claim.attempt);
    end.body = body;
    end.items = &item;
    end.n_item = 1;
    end.events = &last;
    end.n_event = 1;
    if (store_finish(s, &claim, "a", claim.id, &end, &ended, &err) != OK || !ended) _exit(6);
    promised(fd, 'F', claim.id, claim.attempt);
}

static void child_lines(store *s, int fd)
{
    store_lines waiting;
    bool changed;

    if (store_lines_list(s, "a", "batch_1", STORE_LINE_WAITING, 0, 2, &waiting, &err) != OK)
        _exit(7);
    for (int i = 0; i < waiting.n; i++) {
        char result[64];

        snprintf(result, sizeof result, "{\"line\":%lld}", (long long)waiting.at[i].line);
        if (store_line_finish(s, NULL, "a", "batch_1", waiting.at[i].line,
                              waiting.at[i].line % 3 ? STORE_LINE_DONE : STORE_LINE_FAILED,
                              result, &changed, &err) != OK || !changed) _exit(8);
        promised(fd, 'L', "batch_1", waiting.at[i].line);
    }
    store_lines_fini(&waiting);
}

static void child_file(store *s, int fd, int round, int i)
{
    char id[STORE_MAX_ID], data[3000];

    snprintf(id, sizeof id, "file-%d-%d", round, i);
    memset(data, 'a' + i % 26, sizeof data);
    put_file(s, "a", id, data, sizeof data);
    promised(fd, 'U', id, sizeof data);
}

static void child_run(int fd, int round)
{
    store *s;

    if (store_open(&s, test_dir, &(store_options){ .exclusive = true }, &err) != OK) _exit(1);
    for (int i = 0;; i++) {
        child_response(s, fd, round, i);
        child_lines(s, fd);
        child_file(s, fd, round, i);
    }
}

static void read_promises(int fd, promises *out)
{
    FILE *in = fdopen(fd, "r");
    char line[MAX_LINE];

    while (fgets(line, sizeof line, in)) {
        promise p;
        long long n;

        if (!strchr(line, '\n')) break;
        ck_assert_int_eq(sscanf(line, "%c %63s %lld", &p.what, p.id, &n), 3);
        p.n = n;
        out->at = mem_resize(out->at, (size_t)out->n + 1, sizeof *out->at);
        out->at[out->n++] = p;
    }
    fclose(in);
}

static void check_promise(store *s, const promise *p)
{
    store_object o;
    store_lines lines;
    bool there = false;

    switch (p->what) {
    case 'L':
        OKAY(store_lines_list(s, "a", p->id, p->n % 3 ? STORE_LINE_DONE : STORE_LINE_FAILED,
                              p->n - 1, 1, &lines, &err));
        there = lines.n == 1 && lines.at[0].line == p->n && lines.at[0].result;
        store_lines_fini(&lines);
        ck_assert_msg(there, "line %lld is lost", (long long)p->n);
        return;
    case 'U':
        OKAY(store_content_verify(s, "a", p->id, &err));
        return;
    default:
        OKAY(store_get(s, STORE_RESPONSE, "a", p->id, &o, &err));
        ck_assert_msg(o.id != NULL, "%s is lost", p->id);
        if (p->what == 'E') ck_assert_int_ge(o.n_event, p->n);
        if (p->what == 'F') {
            ck_assert(o.final);
            ck_assert_str_eq(o.status, "completed");
        }
        store_object_fini(&o);
    }
}

/* Every response is whole: its events count from 0 without a gap, and it has a
 * result if and only if it is at its end, and then one. */
static void check_whole(store *s)
{
    store_page page = { .limit = 100000 };
    store_objects all;

    OKAY(store_list(s, STORE_RESPONSE, "a", NULL, &page, &all, &err));
    for (int i = 0; i < all.n; i++) {
        const store_object *o = &all.at[i];
        store_events events;
        store_items items;

        OKAY(store_events_list(s, "a", o->id, -1, 1000, &events, &err));
        ck_assert_int_eq(events.n, o->n_event);
        for (int k = 0; k < events.n; k++) {
            char want[32];

            ck_assert_int_eq(events.at[k].sequence, k);
            snprintf(want, sizeof want, "{\"n\":%d}", k);
            if (k < 6) ck_assert_str_eq(events.at[k].body, want);
        }
        ck_assert_int_eq(events.final, o->final);
        OKAY(store_items_list(s, "a", o->id, "output", &page, &items, &err));
        ck_assert_int_eq(items.n, o->final ? 1 : 0);
        if (o->final) {
            ck_assert_int_eq(events.n, 7);
            ck_assert_str_eq(events.at[6].type, "response.completed");
        }
        store_items_fini(&items);
        store_events_fini(&events);
    }
    store_objects_fini(&all);
}

static void check_lines(store *s)
{
    store_line_counts counts;
    int64_t n[3];

    OKAY(store_lines_count(s, "a", "batch_1", &counts, &err));
    for (int state = 0; state < 3; state++) {
        store_lines lines;

        OKAY(store_lines_list(s, "a", "batch_1", state, 0, 100000, &lines, &err));
        n[state] = lines.n;
        store_lines_fini(&lines);
    }
    ck_assert_int_eq(counts.total, 5000);
    ck_assert_int_eq(counts.done, n[STORE_LINE_DONE]);
    ck_assert_int_eq(counts.failed, n[STORE_LINE_FAILED]);
    ck_assert_int_eq(n[0] + n[1] + n[2], 5000);
}

static void check_files(store *s)
{
    store_page page = { .limit = 100000 };
    store_objects all;

    OKAY(store_list(s, STORE_FILE, "a", NULL, &page, &all, &err));
    for (int i = 0; i < all.n; i++) OKAY(store_content_verify(s, "a", all.at[i].id, &err));
    store_objects_fini(&all);
}

static void make_batch(void)
{
    store *s = open_store(true);
    store_line *lines = mem_array(5000, sizeof *lines);
    char (*names)[16] = mem_array(5000, sizeof *names);

    create(s, STORE_BATCH, "a", "batch_1", NULL);
    for (int i = 0; i < 5000; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        lines[i] = (store_line){ .line = i + 1, .custom_id = names[i], .offset = i, .bytes = 1 };
    }
    OKAY(store_lines_add(s, NULL, "a", "batch_1", lines, 5000, &err));
    mem_free(lines);
    mem_free(names);
    store_close(s);
}

static void run_and_kill(int round, double run_ms, promises *out)
{
    struct timespec wait = { .tv_nsec = (long)(run_ms * 1e6) };
    int pipe_fd[2], code;
    pid_t child;

    ck_assert_int_eq(pipe(pipe_fd), 0);
    fcntl(pipe_fd[1], F_SETPIPE_SZ, 1 << 20);
    child = fork();
    if (child == 0) {
        close(pipe_fd[0]);
        child_run(pipe_fd[1], round);
        _exit(0);
    }
    close(pipe_fd[1]);
    /* The first rounds die while opening, the others once at work. */
    if (round >= 8) poll(&(struct pollfd){ .fd = pipe_fd[0], .events = POLLIN }, 1, 10000);
    nanosleep(&wait, NULL);
    ck_assert_int_eq(waitpid(child, &code, WNOHANG), 0);
    kill(child, SIGKILL);
    waitpid(child, &code, 0);
    read_promises(pipe_fd[0], out);
}

START_TEST(no_acknowledged_write_is_lost_torn_or_doubled_by_kill_9)
{
    promises given = { 0 };
    rng r = { .seed = 20261120 };
    int n_requeued = 0, n_finished = 0;

    dir_make();
    make_batch();
    /* More on a machine so busy that nothing came to its end. */
    for (int round = 0; round < ROUNDS || (!n_finished && round < 10 * ROUNDS); round++) {
        int before = given.n, n_back, n_waiting, n_claimed;
        store *s;

        run_and_kill(round, rng_between(&r, 0, 60000) / 1000.0, &given);
        s = open_store(true);
        /* What the dead process held is put back, and once. */
        OKAY(store_recover(s, &n_back, &err));
        n_requeued += n_back;
        ck_assert_int_le(n_back, 1);
        OKAY(store_recover(s, &n_back, &err));
        ck_assert_int_eq(n_back, 0);
        OKAY(store_queue_length(s, "responses", &n_waiting, &n_claimed, &err));
        ck_assert_int_eq(n_claimed, 0);
        for (int i = before; i < given.n; i++) {
            check_promise(s, &given.at[i]);
            n_finished += given.at[i].what == 'F';
        }
        check_whole(s);
        store_close(s);
    }
    {
        store *s = open_store(true);

        for (int i = 0; i < given.n; i++) check_promise(s, &given.at[i]);
        check_whole(s);
        check_lines(s);
        check_files(s);
        store_close(s);
    }
    ck_assert_int_gt(n_finished, 0);
    printf("%d rounds, %d promises, %d finished, %d put back\n", ROUNDS, given.n, n_finished,
           n_requeued);
    mem_free(given.at);
    dir_remove();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("crash");
    TCase *tc = tcase_create("crash");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 180);
    tcase_add_test(tc, no_acknowledged_write_is_lost_torn_or_doubled_by_kill_9);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
