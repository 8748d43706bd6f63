/* test_queue.c - claims, dead owners, and two processes on one folder. */
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store_case.h"

static store *s;

static void setup(void)
{
    dir_make();
    s = open_store(false);
}

static void teardown(void)
{
    store_close(s);
    dir_remove();
}

static store_claim claim_next(store *from, const char *queue)
{
    store_claim c;
    bool found;

    OKAY(store_claim_next(from, queue, &c, &found, &err));
    if (!found) *c.id = 0;
    return c;
}

static bool holds(store *of, const store_claim *c)
{
    bool yes;

    OKAY(store_claim_holds(of, c, &yes, &err));
    return yes;
}

static int recover(store *of)
{
    int n;

    OKAY(store_recover(of, &n, &err));
    return n;
}

START_TEST(claims_go_by_priority_then_tenant_then_age)
{
    store_object o = { .kind = STORE_RESPONSE, .tenant = "a", .id = "urgent" };

    create(s, STORE_RESPONSE, "a", "a1", "q");
    create(s, STORE_RESPONSE, "a", "a2", "q");
    create(s, STORE_RESPONSE, "a", "a3", "q");
    create(s, STORE_RESPONSE, "b", "b1", "q");
    create(s, STORE_RESPONSE, "b", "other", "r");
    OKAY(store_create(s, &o, &(store_start){ .queue = "q", .priority = 1 }, &err));
    ck_assert_str_eq(claim_next(s, "q").id, "urgent");
    ck_assert_str_eq(claim_next(s, "q").id, "b1");       /* a has one already */
    ck_assert_str_eq(claim_next(s, "q").id, "a1");
    ck_assert_str_eq(claim_next(s, "q").id, "a2");
    ck_assert_str_eq(claim_next(s, "q").id, "a3");
    ck_assert_str_eq(claim_next(s, "q").id, "");
}
END_TEST

START_TEST(two_processes_never_claim_the_same_work)
{
    store *other = open_store(false);
    char id[STORE_MAX_ID];
    int n = 0, waiting, claimed;

    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "r_%d", i);
        create(s, STORE_RESPONSE, "a", id, "q");
    }
    for (;; n++) {
        store_claim c = claim_next(n % 2 ? other : s, "q");

        if (!*c.id) break;
        snprintf(id, sizeof id, "r_%d", n);
        ck_assert_str_eq(c.id, id);
        ck_assert_int_eq(c.attempt, 1);
        ck_assert(!holds(n % 2 ? s : other, &c));
    }
    ck_assert_int_eq(n, 20);
    OKAY(store_queue_length(s, "q", &waiting, &claimed, &err));
    ck_assert_int_eq(waiting, 0);
    ck_assert_int_eq(claimed, 20);
    store_close(other);
    OKAY(store_queue_length(s, "q", &waiting, &claimed, &err));
    ck_assert_int_eq(waiting, 10);       /* closing gives back */
}
END_TEST

/* A process that claims one and waits to be killed. */
static pid_t start_worker(const char *queue)
{
    int ready[2];
    char byte;
    pid_t child;

    ck_assert_int_eq(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        store *own = open_store(false);

        claim_next(own, queue);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

START_TEST(work_of_a_killed_process_is_put_back_once_and_a_living_ones_not)
{
    pid_t dead, living;
    store *other = open_store(false);
    store_claim c;

    create(s, STORE_RESPONSE, "a", "r_1", "q");
    create(s, STORE_RESPONSE, "a", "r_2", "q");
    dead = start_worker("q");
    living = start_worker("q");
    ck_assert_int_eq(recover(s), 0);
    kill(dead, SIGKILL);
    waitpid(dead, NULL, 0);
    ck_assert_int_eq(recover(s), 1);
    ck_assert_int_eq(recover(other), 0);
    c = claim_next(s, "q");
    ck_assert_str_eq(c.id, "r_1");
    ck_assert_int_eq(c.attempt, 2);
    kill(living, SIGKILL);
    waitpid(living, NULL, 0);
    ck_assert_int_eq(recover(other), 1);
    store_close(other);
}
END_TEST

START_TEST(owner_that_stops_beating_loses_its_claim_and_changes_nothing_more)
{
    store_options o = { .lease_ms = 30 };
    store_event one = { .type = "t", .body = "{}" };
    store_end end = { .status = "completed", .body = "{\"by\":1}", .expires_at = -1 };
    store_claim mine, theirs;
    store_object got;
    store *slow;
    bool ended;

    OKAY(store_open(&slow, test_dir, &o, &err));
    create(s, STORE_RESPONSE, "a", "r_1", "q");
    mine = claim_next(slow, "q");
    OKAY(store_beat(slow, &err));
    ck_assert(holds(slow, &mine));
    usleep(60000);
    ck_assert_int_eq(recover(s), 1);
    theirs = claim_next(s, "q");
    ck_assert_int_eq(theirs.attempt, 2);

    ck_assert(!holds(slow, &mine));
    ck_assert_int_eq(store_events_append(slow, &mine, "a", "r_1", 0, &one, 1, &err),
                     E_INTERRUPTED);
    OKAY(store_finish(slow, &mine, "a", "r_1", &end, &ended, &err));
    ck_assert(!ended);
    end.body = "{\"by\":2}";
    OKAY(store_finish(s, &theirs, "a", "r_1", &end, &ended, &err));
    ck_assert(ended);
    OKAY(store_get(s, STORE_RESPONSE, "a", "r_1", &got, &err));
    ck_assert_str_eq(got.body, "{\"by\":2}");
    store_object_fini(&got);
    OKAY(store_beat(slow, &err));        /* it is an owner again */
    create(s, STORE_RESPONSE, "a", "r_2", "q");
    mine = claim_next(slow, "q");
    ck_assert(holds(slow, &mine));
    store_close(slow);
}
END_TEST

START_TEST(cancel_takes_the_work_from_its_worker)
{
    store_end end = { .status = "cancelled", .expires_at = -1 };
    store_event one = { .type = "t", .body = "{}" };
    store_claim c;
    bool ended, queued;

    create(s, STORE_RESPONSE, "a", "r_1", "q");
    c = claim_next(s, "q");
    append(s, &c, "a", "r_1", 0, 3);
    OKAY(store_finish(s, NULL, "a", "r_1", &end, &ended, &err));
    ck_assert(ended);
    OKAY(store_finish(s, NULL, "a", "r_1", &end, &ended, &err));
    ck_assert(!ended);
    ck_assert_int_eq(store_events_append(s, &c, "a", "r_1", 3, &one, 1, &err), E_INTERRUPTED);
    ck_assert(!finish(s, &c, "a", "r_1", "{}"));
    OKAY(store_enqueue(s, "a", "r_1", "q", 0, &queued, &err));
    ck_assert(!queued);                  /* what is at its end is not queued again */
    ck_assert_str_eq(claim_next(s, "q").id, "");
}
END_TEST

START_TEST(released_work_is_claimed_again)
{
    store_claim c, again;

    create(s, STORE_RESPONSE, "a", "r_1", "q");
    c = claim_next(s, "q");
    OKAY(store_claim_release(s, &c, &err));
    ck_assert(!holds(s, &c));
    again = claim_next(s, "q");
    ck_assert_int_eq(again.attempt, 2);
    OKAY(store_claim_release(s, &c, &err));      /* the old claim releases nothing */
    ck_assert(holds(s, &again));
}
END_TEST

START_TEST(deleted_work_leaves_its_queue)
{
    bool found;

    create(s, STORE_RESPONSE, "a", "r_1", "q");
    OKAY(store_delete(s, STORE_RESPONSE, "a", "r_1", &found, &err));
    ck_assert_str_eq(claim_next(s, "q").id, "");
}
END_TEST

/* ---------------------------------------------------------------- the folder */

START_TEST(second_server_on_a_folder_is_refused)
{
    store_options o = { .exclusive = true };
    store *first, *second;
    char want[256];

    OKAY(store_open(&first, test_dir, &o, &err));
    ck_assert_int_eq(store_open(&second, test_dir, &o, &err), E_IO);
    ck_assert_ptr_null(second);
    snprintf(want, sizeof want, "%s: another server has this folder open (process %ld)",
             test_dir, (long)getpid());
    ck_assert_str_eq(err.text, want);
    store_close(first);
    OKAY(store_open(&second, test_dir, &o, &err));
    store_close(second);
}
END_TEST

static void sql(const char *file, const char *text)
{
    char path[128];
    sqlite3 *db;

    snprintf(path, sizeof path, "%s/%s", test_dir, file);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

START_TEST(newer_and_foreign_databases_are_refused_untouched)
{
    store *other;

    store_close(s);
    sql("store.db", "PRAGMA user_version=99");
    ck_assert_int_eq(store_open(&s, test_dir, NULL, &err), E_UNSUPPORTED);
    sql("store.db", "PRAGMA user_version=1; PRAGMA application_id=7");
    ck_assert_int_eq(store_open(&other, test_dir, NULL, &err), E_FORMAT);
    sql("store.db", "PRAGMA application_id=1349480036");
    OKAY(store_open(&s, test_dir, NULL, &err));
}
END_TEST

START_TEST(file_that_is_no_database_is_refused)
{
    char path[128];
    FILE *f;

    store_close(s);
    snprintf(path, sizeof path, "%s/store.db", test_dir);
    f = fopen(path, "w");
    for (int i = 0; i < 5000; i++) fputs("no database ", f);
    fclose(f);
    ck_assert_int_eq(store_open(&s, test_dir, NULL, &err), E_FORMAT);
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(folder_that_cannot_be_made_is_refused)
{
    store *other;

    ck_assert_int_eq(store_open(&other, "/proc/nowhere", NULL, &err), E_IO);
    ck_assert_ptr_null(other);
}
END_TEST

/* ------------------------------------------------------------------ bad disks */

START_TEST(full_disk_is_reported_and_what_was_there_stays)
{
    struct rlimit limit, small;
    char *big = mem_new(3 << 20);
    store_object o = { .kind = STORE_RESPONSE, .id = "big", .tenant = "a", .body = big };
    store_upload *u;
    int n_failed = 0;

    memset(big, 'x', (3 << 20) - 1);
    create(s, STORE_RESPONSE, "a", "r_1", "q");
    put_file(s, "a", "file-1", "abc", 3);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 2 << 20;
    setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 2; i++) n_failed += store_create(s, &o, NULL, &err) == E_IO;
    ck_assert_int_eq(n_failed, 2);
    OKAY(store_upload_begin(&u, s, 10 << 20, &err));
    ck_assert_int_eq(store_upload_write(u, big, 3 << 20, &err), E_IO);
    store_upload_abort(u);
    /* In a group the whole of it is undone, and its end says so. */
    OKAY(store_begin(s, STORE_SYNCED, &err));
    create(s, STORE_RESPONSE, "a", "r_2", NULL);
    if (store_create(s, &o, NULL, &err) == OK) ck_assert_int_ne(store_commit(s, &err), OK);
    else store_rollback(s);
    setrlimit(RLIMIT_FSIZE, &limit);

    ck_assert(!exists(s, STORE_RESPONSE, "a", "big"));
    ck_assert(!exists(s, STORE_RESPONSE, "a", "r_2"));
    ck_assert(exists(s, STORE_RESPONSE, "a", "r_1"));
    OKAY(store_content_verify(s, "a", "file-1", &err));
    OKAY(store_create(s, &o, NULL, &err));
    store_close(s);
    s = open_store(false);
    ck_assert(exists(s, STORE_RESPONSE, "a", "big"));
    mem_free(big);
}
END_TEST

/* A file layer whose syncs of the WAL fail when told to. */
static sqlite3_vfs bad_vfs;
static sqlite3_vfs *real_vfs;
static sqlite3_io_methods bad_methods;
static const sqlite3_io_methods *real_methods;
static bool sync_fails;

static int bad_sync(sqlite3_file *file, int flags)
{
    return sync_fails ? SQLITE_IOERR_FSYNC : real_methods->xSync(file, flags);
}

static int bad_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    int code = real_vfs->xOpen(vfs, name, file, flags, out);

    if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL)) {
        real_methods = file->pMethods;
        bad_methods = *real_methods;
        bad_methods.xSync = bad_sync;
        file->pMethods = &bad_methods;
    }
    return code;
}

START_TEST(after_a_failed_sync_nothing_is_promised_any_more)
{
    store_object o = { .kind = STORE_RESPONSE, .id = "r_2", .tenant = "a" };
    store *bad;

    real_vfs = sqlite3_vfs_find(NULL);
    bad_vfs = *real_vfs;
    bad_vfs.zName = "bad";
    bad_vfs.xOpen = bad_open;
    sqlite3_vfs_register(&bad_vfs, 1);
    bad = open_store(false);
    create(bad, STORE_RESPONSE, "a", "r_1", NULL);
    sync_fails = true;
    ck_assert_int_eq(store_create(bad, &o, NULL, &err), E_IO);
    sync_fails = false;
    ck_assert_int_eq(store_create(bad, &o, NULL, &err), E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "earlier sync"));
    ck_assert(exists(bad, STORE_RESPONSE, "a", "r_1"));
    store_close(bad);
    ck_assert(exists(s, STORE_RESPONSE, "a", "r_1"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tc = tcase_create("queue");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, claims_go_by_priority_then_tenant_then_age);
    tcase_add_test(tc, two_processes_never_claim_the_same_work);
    tcase_add_test(tc, work_of_a_killed_process_is_put_back_once_and_a_living_ones_not);
    tcase_add_test(tc, owner_that_stops_beating_loses_its_claim_and_changes_nothing_more);
    tcase_add_test(tc, cancel_takes_the_work_from_its_worker);
    tcase_add_test(tc, released_work_is_claimed_again);
    tcase_add_test(tc, deleted_work_leaves_its_queue);
    tcase_add_test(tc, second_server_on_a_folder_is_refused);
    tcase_add_test(tc, newer_and_foreign_databases_are_refused_untouched);
    tcase_add_test(tc, file_that_is_no_database_is_refused);
    tcase_add_test(tc, folder_that_cannot_be_made_is_refused);
    tcase_add_test(tc, full_disk_is_reported_and_what_was_there_stays);
    tcase_add_test(tc, after_a_failed_sync_nothing_is_promised_any_more);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
