/* test_checkpoint.c - whatever happens to the writer or to the disk, the newest
 * sound checkpoint is found and what is wrong with the others is said. */
#include "train/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"

#include <check.h>

static char root[64];        /* a folder of this test's own */
static char dir[96];         /* where checkpoints go: not made yet */

static int unlink_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void setup(void)
{
    strcpy(root, "/tmp/ponder-checkpoint-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(dir, sizeof dir, "%s/runs/one", root);
}

static void teardown(void)
{
    nftw(root, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Three arrays in two files; values tell the step they belong to. */
typedef struct run {
    checkpoint_list list;
    float *data[3];
} run;

static const int shapes[3][2] = { { 33, 50 }, { 1, 7 }, { 33, 50 } };
static const char *const names[3] = { "w", "norm", "w.m" };
static const char *const files[3] = { "weights.f32", "weights.f32", "moments.f32" };

static size_t size_of(int i)
{
    return (size_t)shapes[i][0] * (size_t)shapes[i][1];
}

static void run_init(run *r)
{
    *r = (run){ 0 };
    for (int i = 0; i < 3; i++) {
        r->data[i] = mem_array(size_of(i), sizeof(float));
        checkpoint_list_add(&r->list, files[i], names[i], shapes[i][0], shapes[i][1],
                            r->data[i]);
    }
}

static void run_fini(run *r)
{
    checkpoint_list_fini(&r->list);
    for (int i = 0; i < 3; i++) mem_free(r->data[i]);
}

static float value_of(int64_t step, int i, size_t k)
{
    return (float)step * 3 + (float)i * 0.25f + (float)k * 0.001f;
}

static void run_fill(run *r, int64_t step)
{
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < size_of(i); k++) r->data[i][k] = value_of(step, i, k);
}

static void check_values(const run *r, int64_t step)
{
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < size_of(i); k++)
            ck_assert_msg(r->data[i][k] == value_of(step, i, k), "array %d element %zu: %g", i,
                          k, (double)r->data[i][k]);
}

#define CONFIG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static status save_step(run *r, int64_t step, errtext *err)
{
    json_t *state = json_pack("{s:I, s:f, s:[s, n, b]}", "optimizer_steps", (json_int_t)step,
                              "best", 0.1 + (double)step, "queue", "a \"quoted\" \u00e9", 1);
    checkpoint_head head = { .step = step, .cursor = 7 * step, .seed = UINT64_MAX - 5,
                             .config = CONFIG, .state = state };
    status st;

    run_fill(r, step);
    st = checkpoint_save(dir, &head, &r->list, err);
    json_decref(state);
    return st;
}

static void save_all(run *r, const int64_t *steps, int n)
{
    errtext err = { "" };

    for (int i = 0; i < n; i++)
        ck_assert_msg(save_step(r, steps[i], &err) == OK, "%s", err.text);
}

static char *path_of(int64_t step, const char *file)
{
    bytes b = { 0 };

    bytes_add_format(&b, "%s/step-%08" PRId64 "/%s", dir, step, file);
    return bytes_take(&b);
}

/* Warnings, one after another. */
static void keep_warning(void *arg, const char *text)
{
    bytes_add_string(arg, text);
    bytes_add_char(arg, '\n');
}

static int count_names(const char *part)
{
    DIR *d = opendir(dir);
    int n = 0;

    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));) n += strstr(e->d_name, part) != NULL;
    closedir(d);
    return n;
}

START_TEST(what_is_saved_comes_back)
{
    checkpoint_head head;
    errtext err;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 41 }, 1);
    run_fill(&r, 0);
    ck_assert_int_eq(checkpoint_load(dir, 41, CONFIG, &r.list, &head, &err), OK);
    check_values(&r, 41);
    ck_assert_int_eq(head.step, 41);
    ck_assert_int_eq(head.cursor, 7 * 41);
    ck_assert(head.seed == UINT64_MAX - 5);
    ck_assert_str_eq(head.config, CONFIG);
    ck_assert_int_eq(json_integer_value(json_object_get(head.state, "optimizer_steps")), 41);
    ck_assert(json_real_value(json_object_get(head.state, "best")) == 0.1 + 41.0);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(head.state, "queue"), 0)),
                     "a \"quoted\" \u00e9");
    json_decref(head.state);
    run_fini(&r);
}
END_TEST

START_TEST(files_are_bare_f32_at_aligned_offsets)
{
    bytes got = { 0 };
    char *path;
    errtext err;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 3 }, 1);
    path = path_of(3, "weights.f32");
    ck_assert_int_eq(file_read(&got, path, 1 << 20, &err), OK);
    /* 33 * 50 * 4 = 6600 bytes, the next multiple of 64 is 6656 */
    ck_assert_uint_eq(got.len, 6656 + 7 * 4);
    ck_assert_mem_eq(got.data, r.data[0], 6600);
    ck_assert_mem_eq(got.data + 6656, r.data[1], 28);
    for (int i = 6600; i < 6656; i++) ck_assert_int_eq(got.data[i], 0);
    bytes_fini(&got);
    mem_free(path);
    run_fini(&r);
}
END_TEST

START_TEST(values_that_are_no_numbers_keep_their_bits)
{
    static const uint32_t odd[] = { 0x7fc00001, 0xff800000, 0x00000001, 0x80000000 };
    checkpoint_head head = { .step = 0 };
    errtext err;
    run r;

    run_init(&r);
    memcpy(r.data[1], odd, sizeof odd);
    ck_assert_int_eq(checkpoint_save(dir, &head, &r.list, &err), OK);
    memset(r.data[1], 0, sizeof odd);
    ck_assert_int_eq(checkpoint_load(dir, 0, NULL, &r.list, &head, &err), OK);
    ck_assert_mem_eq(r.data[1], odd, sizeof odd);
    json_decref(head.state);
    run_fini(&r);
}
END_TEST

START_TEST(an_empty_place_has_no_checkpoint)
{
    checkpoint_head head;
    int64_t step, *steps;
    errtext err;
    int n;
    run r;

    run_init(&r);
    run_fill(&r, 5);
    for (int there = 0; there < 2; there++) {
        if (there) ck_assert_int_eq(file_make_dir(dir, &err), OK);
        ck_assert_int_eq(checkpoint_resume(dir, CONFIG, &r.list, &head, NULL, NULL, &err), OK);
        ck_assert_int_eq(head.step, -1);
        ck_assert_ptr_null(head.state);
        check_values(&r, 5);
        ck_assert_int_eq(checkpoint_latest(dir, &step, NULL, NULL, &err), OK);
        ck_assert_int_eq(step, -1);
        ck_assert_int_eq(checkpoint_steps(dir, &steps, &n, &err), OK);
        ck_assert(n == 0 && !steps);
        ck_assert_int_eq(checkpoint_prune(dir, 3, &err), OK);
    }
    run_fini(&r);
}
END_TEST

START_TEST(only_folders_that_a_save_names_are_steps)
{
    static const char *const strange[] = { "step-1", "step-00000009.tmp", "step-000000010",
                                           "step-", "step--0000001", "step-00000009.aside",
                                           "best", "step-0000000x" };
    int64_t *steps;
    errtext err;
    int n;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 123456789012, 5, 70 }, 3);
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        char path[200];

        snprintf(path, sizeof path, "%s/%s", dir, strange[i]);
        ck_assert_int_eq(mkdir(path, 0777), 0);
    }
    ck_assert_int_eq(checkpoint_steps(dir, &steps, &n, &err), OK);
    ck_assert_int_eq(n, 3);
    ck_assert(steps[0] == 5 && steps[1] == 70 && steps[2] == 123456789012);
    mem_free(steps);
    run_fini(&r);
}
END_TEST

START_TEST(the_newest_and_the_marked_are_kept)
{
    int64_t *steps;
    char left[200];
    errtext err;
    int n;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 10, 20, 30, 40, 50, 60 }, 6);
    ck_assert_int_eq(checkpoint_mark(dir, 20, &err), OK);
    ck_assert_int_eq(checkpoint_mark(dir, 25, &err), E_IO);
    snprintf(left, sizeof left, "%s/step-00000035.tmp", dir);
    ck_assert_int_eq(mkdir(left, 0777), 0);
    ck_assert_int_eq(checkpoint_prune(dir, 3, &err), OK);
    ck_assert_int_eq(checkpoint_steps(dir, &steps, &n, &err), OK);
    ck_assert_int_eq(n, 4);
    ck_assert(steps[0] == 20 && steps[1] == 40 && steps[2] == 50 && steps[3] == 60);
    ck_assert(!file_exists(left));
    mem_free(steps);
    /* never fewer than two */
    ck_assert_int_eq(checkpoint_prune(dir, 0, &err), OK);
    ck_assert_int_eq(checkpoint_steps(dir, &steps, &n, &err), OK);
    ck_assert_int_eq(n, 3);
    ck_assert(steps[0] == 20 && steps[1] == 50 && steps[2] == 60);
    mem_free(steps);
    run_fini(&r);
}
END_TEST

START_TEST(a_step_is_replaced_in_one_piece_and_stays_marked)
{
    checkpoint_head head = { .step = 8, .cursor = 99 };
    char *mark = path_of(8, "marked");
    errtext err;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 8 }, 1);
    ck_assert_int_eq(checkpoint_mark(dir, 8, &err), OK);
    run_fill(&r, 1000);
    ck_assert_int_eq(checkpoint_save(dir, &head, &r.list, &err), OK);
    run_fill(&r, 0);
    ck_assert_int_eq(checkpoint_load(dir, 8, NULL, &r.list, &head, &err), OK);
    check_values(&r, 1000);
    ck_assert_int_eq(head.cursor, 99);
    ck_assert(file_exists(mark));
    ck_assert_int_eq(count_names("step-"), 1);
    json_decref(head.state);
    mem_free(mark);
    run_fini(&r);
}
END_TEST

START_TEST(a_step_that_is_replaced_is_never_missing)
{
    char *manifest = path_of(8, "manifest.json");
    int result;
    long n_seen = 0;
    pid_t child;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 8 }, 1);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (!child) {
        for (int i = 0; i < 30; i++)
            if (save_step(&r, 8, NULL)) _exit(1);
        _exit(0);
    }
    while (!waitpid(child, &result, WNOHANG)) {
        ck_assert_msg(file_exists(manifest), "after %ld looks", n_seen);
        n_seen++;
    }
    ck_assert_int_eq(result, 0);
    mem_free(manifest);
    run_fini(&r);
}
END_TEST

/* Change one bit of a file. */
static void flip(const char *path, off_t at)
{
    int fd = open(path, O_RDWR);
    char c;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &c, 1, at), 1);
    c ^= 0x10;
    ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

START_TEST(a_damaged_checkpoint_is_passed_over_and_named)
{
    static const struct {
        const char *file;
        int what;            /* 0 flip a byte, 1 cut off the end, 2 remove, 3 empty */
        off_t at;
    } cases[] = {
        { "weights.f32", 0, 0 },       { "weights.f32", 0, 6620 }, /* padding */
        { "weights.f32", 0, 6683 },    { "weights.f32", 1, 1 },
        { "weights.f32", 2, 0 },       { "weights.f32", 3, 0 },
        { "moments.f32", 0, 3000 },    { "moments.f32", 1, 6599 },
        { "moments.f32", 2, 0 },       { "manifest.json", 1, 1 },
        { "manifest.json", 1, 300 },   { "manifest.json", 2, 0 },
        { "manifest.json", 3, 0 },
    };
    char *path = path_of(20, cases[_i].file);
    bytes warnings = { 0 };
    checkpoint_head head;
    struct stat info;
    errtext err = { "" };
    int64_t step;
    status st;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 10, 20 }, 2);
    ck_assert_int_eq(stat(path, &info), 0);
    if (cases[_i].what == 0) flip(path, cases[_i].at);
    else if (cases[_i].what == 1)
        ck_assert_int_eq(truncate(path, info.st_size - cases[_i].at), 0);
    else if (cases[_i].what == 2) ck_assert_int_eq(unlink(path), 0);
    else ck_assert_int_eq(truncate(path, 0), 0);

    st = checkpoint_verify(dir, 20, NULL, &err);
    ck_assert(st == E_FORMAT || st == E_IO);
    ck_assert_msg(strstr(err.text, cases[_i].file) != NULL, "%s", err.text);
    ck_assert_int_eq(checkpoint_latest(dir, &step, keep_warning, &warnings, &err), OK);
    ck_assert_int_eq(step, 10);
    ck_assert_msg(strstr(warnings.data, "step 20") && strstr(warnings.data, cases[_i].file),
                  "%s", warnings.data);
    bytes_clear(&warnings);
    ck_assert_int_eq(checkpoint_resume(dir, CONFIG, &r.list, &head, keep_warning, &warnings,
                                       &err), OK);
    ck_assert_int_eq(head.step, 10);
    check_values(&r, 10);
    ck_assert_ptr_nonnull(strstr(warnings.data, cases[_i].file));
    json_decref(head.state);

    /* It no longer counts: what the run writes next is newer than it. */
    ck_assert_int_eq(count_names("step-00000020.aside"), 1);
    save_all(&r, (int64_t[]){ 12, 14 }, 2);
    ck_assert_int_eq(checkpoint_prune(dir, 2, &err), OK);
    ck_assert_int_eq(checkpoint_latest(dir, &step, NULL, NULL, &err), OK);
    ck_assert_int_eq(step, 14);
    bytes_fini(&warnings);
    mem_free(path);
    run_fini(&r);
}
END_TEST

START_TEST(no_flipped_bit_of_a_manifest_goes_unseen)
{
    char *path = path_of(6, "manifest.json");
    bytes text = { 0 };
    json_t *before, *after;
    errtext err;
    run r;
    int fd, n_harmless = 0;

    run_init(&r);
    save_all(&r, (int64_t[]){ 6 }, 1);
    ck_assert_int_eq(file_read(&text, path, 1 << 20, &err), OK);
    before = json_loads(text.data, 0, NULL);
    ck_assert_ptr_nonnull(before);
    fd = open(path, O_WRONLY);
    ck_assert_int_ge(fd, 0);
    for (size_t at = 0; at < text.len; at++) {
        checkpoint_head head;
        char old = text.data[at];

        text.data[at] = (char)(old ^ (1 << (at % 7)));
        ck_assert_int_eq(pwrite(fd, text.data + at, 1, (off_t)at), 1);
        if (checkpoint_verify(dir, 6, &head, &err) == OK) {
            /* Only white space may change without a change of meaning. */
            after = json_loads(text.data, 0, NULL);
            ck_assert_msg(json_equal(before, after), "byte %zu", at);
            json_decref(after);
            json_decref(head.state);
            n_harmless++;
        } else {
            ck_assert_ptr_nonnull(strstr(err.text, "manifest.json"));
        }
        text.data[at] = old;
        ck_assert_int_eq(pwrite(fd, text.data + at, 1, (off_t)at), 1);
    }
    ck_assert_int_lt(n_harmless, 100);
    close(fd);
    json_decref(before);
    bytes_fini(&text);
    mem_free(path);
    run_fini(&r);
}
END_TEST

START_TEST(only_damaged_ones_are_an_error_and_not_a_fresh_start)
{
    checkpoint_head head;
    bytes warnings = { 0 };
    errtext err;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 1, 2 }, 2);
    for (int step = 1; step <= 2; step++) {
        char *path = path_of(step, "moments.f32");

        flip(path, 17);
        mem_free(path);
    }
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(checkpoint_resume(dir, CONFIG, &r.list, &head, keep_warning, &warnings,
                                           &err), E_FORMAT);
        ck_assert_int_eq(head.step, -1);
        ck_assert_ptr_nonnull(strstr(err.text, "none of 2"));
    }
    ck_assert_int_eq(count_names("aside"), 0);
    bytes_fini(&warnings);
    run_fini(&r);
}
END_TEST

START_TEST(another_run_s_checkpoint_is_refused_before_an_array_is_touched)
{
    static const char *const words[] = { "configuration", "33 x 50, this run's is 50 x 33",
                                         "norm2 is missing", "w.m is not part" };
    checkpoint_list other = { 0 };
    checkpoint_head head = { .step = -1 };
    errtext err = { "" };
    float extra[7];
    status st;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 10, 20 }, 2);
    run_fill(&r, 5);
    for (int i = 0; i < 3; i++) {
        bool turned = _i == 1 && i == 0;

        if (_i == 3 && i == 2) continue;
        checkpoint_list_add(&other, files[i], names[i], shapes[i][turned], shapes[i][!turned],
                            r.data[i]);
    }
    if (_i == 2) checkpoint_list_add(&other, "weights.f32", "norm2", 1, 7, extra);
    st = checkpoint_resume(dir, _i == 0 ? "another" : CONFIG, &other, &head, NULL, NULL, &err);
    ck_assert_int_eq(st, E_ARG);
    ck_assert_msg(strstr(err.text, words[_i]) != NULL, "%s", err.text);
    ck_assert_int_eq(head.step, -1);
    check_values(&r, 5);
    ck_assert_int_eq(count_names("aside"), 0);
    checkpoint_list_fini(&other);
    run_fini(&r);
}
END_TEST

START_TEST(arguments_that_cannot_be_kept_are_refused)
{
    static const char *const bad_files[] = { "", "../x", "manifest.json", "marked", ".hidden" };
    json_t *nul = json_pack("{s:s%}", "text", "a\0b", (size_t)3), *deep = json_object();
    checkpoint_head head = { .step = 1 };
    checkpoint_list list = { 0 };
    float x[4] = { 0 };
    errtext err;

    checkpoint_list_add(&list, "x.f32", "x", 2, 2, x);
    head.step = -1;
    ck_assert_int_eq(checkpoint_save(dir, &head, &list, &err), E_ARG);
    head.step = 1;
    head.state = nul;
    ck_assert_int_eq(checkpoint_save(dir, &head, &list, &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "state"));
    for (int i = 0; i < 70; i++) {
        json_t *outer = json_object();

        json_object_set_new(outer, "in", deep);
        deep = outer;
    }
    head.state = deep;
    ck_assert_int_eq(checkpoint_save(dir, &head, &list, &err), E_ARG);
    head.state = json_array();
    ck_assert_int_eq(checkpoint_save(dir, &head, &list, &err), E_ARG);
    json_decref(head.state);
    head.state = NULL;
    checkpoint_list_add(&list, "x.f32", "x", 2, 2, x);
    ck_assert_int_eq(checkpoint_save(dir, &head, &list, &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "two arrays"));
    for (int i = 0; i < 5; i++) {
        list.n = 1;
        list.arrays[0].file = bad_files[i];
        ck_assert_int_eq(checkpoint_save(dir, &head, &list, &err), E_ARG);
    }
    list.arrays[0].file = "x.f32";
    list.arrays[0].n_in = 0;
    ck_assert_int_eq(checkpoint_save(dir, &head, &list, &err), E_ARG);
    list.arrays[0].n_in = 2;
    ck_assert_int_eq(checkpoint_save(dir, &head, &list, &err), OK);
    ck_assert_int_eq(count_names("tmp"), 0);
    checkpoint_list_fini(&list);
    json_decref(nul);
    json_decref(deep);
}
END_TEST

START_TEST(a_full_disk_leaves_what_was_there)
{
    static const rlim_t limits[] = { 0, 100, 6600, 6683 };
    struct rlimit limit, old;
    checkpoint_head head;
    errtext err;
    int64_t step;
    run r;

    run_init(&r);
    save_all(&r, (int64_t[]){ 10 }, 1);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = limits[_i];
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    /* a new step, then the one that is there */
    ck_assert_int_eq(save_step(&r, 20, &err), E_IO);
    ck_assert_msg(strstr(err.text, "step-00000020.tmp/weights.f32") != NULL, "%s", err.text);
    ck_assert_int_eq(save_step(&r, 10, &err), E_IO);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(count_names("step-"), 1);
    ck_assert_int_eq(checkpoint_latest(dir, &step, NULL, NULL, &err), OK);
    ck_assert_int_eq(step, 10);
    ck_assert_int_eq(checkpoint_load(dir, 10, CONFIG, &r.list, &head, &err), OK);
    check_values(&r, 10);
    json_decref(head.state);
    /* and with room again the run goes on */
    ck_assert_int_eq(save_step(&r, 20, &err), OK);
    ck_assert_int_eq(checkpoint_latest(dir, &step, NULL, NULL, &err), OK);
    ck_assert_int_eq(step, 20);
    run_fini(&r);
}
END_TEST

/* The life of a trainer: resume, then a checkpoint a step, without end. Every
 * second step is written twice, so that replacing is killed as well. */
static void train_for_ever(int acknowledge)
{
    checkpoint_head head;
    errtext err;
    run r;

    run_init(&r);
    if (checkpoint_resume(dir, CONFIG, &r.list, &head, NULL, NULL, &err)) _exit(2);
    for (int64_t step = head.step + 1;; step++) {
        if (save_step(&r, step, &err)) _exit(3);
        if (write(acknowledge, &step, sizeof step) != sizeof step) _exit(4);
        if (step % 2 && save_step(&r, step, &err)) _exit(5);
        if (checkpoint_prune(dir, 2, &err)) _exit(6);
    }
}

START_TEST(killed_at_any_instant_the_last_acknowledged_step_is_there)
{
    int64_t last = -1;
    run r;

    run_init(&r);
    for (int round = 0; round < 24; round++) {
        checkpoint_head head;
        bytes warnings = { 0 };
        int64_t said;
        errtext err;
        int ends[2], result;
        pid_t child;

        ck_assert_int_eq(pipe(ends), 0);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (!child) train_for_ever(ends[1]);
        close(ends[1]);
        /* some steps, then any instant of the next one */
        for (int i = 0; i < round % 3; i++)
            if (read(ends[0], &said, sizeof said) == sizeof said) last = said;
        usleep((useconds_t)(20000 * rng_uniform(3, 0, (uint64_t)round)));
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &result, 0), child);
        ck_assert_msg(WIFSIGNALED(result), "the writer left with %d", WEXITSTATUS(result));
        while (read(ends[0], &said, sizeof said) == sizeof said) last = said;
        close(ends[0]);

        ck_assert_int_eq(checkpoint_resume(dir, CONFIG, &r.list, &head, keep_warning, &warnings,
                                           &err), OK);
        ck_assert_msg(!warnings.len, "%s", warnings.data);
        ck_assert_int_ge(head.step, last);
        ck_assert_int_le(head.step, last + 1);
        if (head.step >= 0) {
            check_values(&r, head.step);
            ck_assert_int_eq(head.cursor, 7 * head.step);
        }
        json_decref(head.state);
        bytes_fini(&warnings);
    }
    ck_assert_int_ge(last, 23);
    run_fini(&r);
}
END_TEST

START_TEST(the_hash_of_a_configuration_ignores_the_order_of_keys)
{
    json_t *a = json_pack("{s:i, s:{s:f, s:s}}", "n", 3, "o", "x", 0.5, "y", "z");
    json_t *b = json_pack("{s:{s:s, s:f}, s:i}", "o", "y", "z", "x", 0.5, "n", 3);
    json_t *c = json_pack("{s:{s:s, s:f}, s:i}", "o", "y", "z", "x", 0.5, "n", 4);
    char x[CHECKPOINT_HASH], y[CHECKPOINT_HASH], z[CHECKPOINT_HASH];

    checkpoint_hash(a, x);
    checkpoint_hash(b, y);
    checkpoint_hash(c, z);
    ck_assert_str_eq(x, y);
    ck_assert_str_ne(x, z);
    /* echo -n '{"n":3}' | sha256sum */
    json_object_del(a, "o");
    checkpoint_hash(a, x);
    ck_assert_str_eq(x, "215ddd5567ca2590efd4ea109b4e56cbe591e2676fbf54a9262692c539166da6");
    json_decref(a);
    json_decref(b);
    json_decref(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("checkpoint");
    TCase *t = tcase_create("checkpoint");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 240);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_is_saved_comes_back);
    tcase_add_test(t, files_are_bare_f32_at_aligned_offsets);
    tcase_add_test(t, values_that_are_no_numbers_keep_their_bits);
    tcase_add_test(t, an_empty_place_has_no_checkpoint);
    tcase_add_test(t, only_folders_that_a_save_names_are_steps);
    tcase_add_test(t, the_newest_and_the_marked_are_kept);
    tcase_add_test(t, a_step_is_replaced_in_one_piece_and_stays_marked);
    tcase_add_test(t, a_step_that_is_replaced_is_never_missing);
    tcase_add_loop_test(t, a_damaged_checkpoint_is_passed_over_and_named, 0, 13);
    tcase_add_test(t, no_flipped_bit_of_a_manifest_goes_unseen);
    tcase_add_test(t, only_damaged_ones_are_an_error_and_not_a_fresh_start);
    tcase_add_loop_test(t, another_run_s_checkpoint_is_refused_before_an_array_is_touched, 0, 4);
    tcase_add_test(t, arguments_that_cannot_be_kept_are_refused);
    tcase_add_loop_test(t, a_full_disk_leaves_what_was_there, 0, 4);
    tcase_add_test(t, killed_at_any_instant_the_last_acknowledged_step_is_there);
    tcase_add_test(t, the_hash_of_a_configuration_ignores_the_order_of_keys);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
