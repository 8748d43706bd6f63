/* test_hub.c - pulling from a hub that misbehaves, and finding what is here.
 *
 * tests/support/hub_server.py is the hub: repositories under t/ each go wrong
 * in their own way. */
#include "model/hub.h"

#include <check.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "model/fetch.h"
#include "support/hub_server.h"

static bool no_server;
static char home[64];                /* PONDER_HOME of one test */
static bytes path;
static errtext err;
static volatile sig_atomic_t stop;

/* What the events said. */
static struct {
    int n_start, n_retry, n_done, n_here;
    uint64_t resumed_at;
    uint64_t stop_after;             /* ask to stop once so much is here */
    char chosen[256];
} seen;

static void report(void *arg, const hub_event *e)
{
    (void)arg;
    if (e->kind == HUB_START) {
        seen.n_start++;
        if (e->done) seen.resumed_at = e->done;
    }
    if (e->kind == HUB_RETRY) seen.n_retry++;
    if (e->kind == HUB_DONE) seen.n_done++;
    if (e->kind == HUB_HERE) seen.n_here++;
    if (e->kind == HUB_CHOSEN) snprintf(seen.chosen, sizeof seen.chosen, "%s", e->text);
    if (e->kind == HUB_BYTES && seen.stop_after && e->done >= seen.stop_after) stop = 1;
}

static hub_options options(void)
{
    return (hub_options){ .hub = hub_server_url(), .n_retry = 3, .wait_ms = 1, .stop = &stop,
                          .report = report };
}

static status pull(const char *what)
{
    hub_options o = options();

    memset(&seen, 0, sizeof seen);
    stop = 0;
    bytes_clear(&path);
    err.text[0] = 0;
    return hub_pull(what, &o, &path, &err);
}

static void expect(const char *what, status want, const char *text)
{
    status st = pull(what);

    ck_assert_msg(st == want, "%s: %s (%s)", what, status_name(st), err.text);
    ck_assert_msg(strstr(err.text, text) != NULL, "%s: said: %s", what, err.text);
    ck_assert(!strchr(err.text, '\n') && !strchr(err.text, '\033'));
    ck_assert_uint_eq(path.len, 0);
}

static void expect_ok(const char *what)
{
    status st = pull(what);

    ck_assert_msg(st == OK, "%s: %s", what, err.text);
}

/* The contents that the server makes from the same formula. */
static void expect_content(const char *file, int seed, size_t size)
{
    bytes data = { 0 };

    ck_assert_int_eq(file_read(&data, file, 10000000, &err), OK);
    ck_assert_uint_eq(data.len, size);
    for (size_t i = 0; i < size; i++)
        ck_assert_uint_eq((uint8_t)data.data[i], (uint8_t)(31 * i + 7 * (size_t)seed + i / 251));
    bytes_fini(&data);
}

/* PONDER_HOME/models/NAME; a few results stay valid at once. */
static const char *in_models(const char *name)
{
    static char out[4][256];
    static int next;
    char *at = out[next++ & 3];

    snprintf(at, sizeof out[0], "%s/models/%s", home, name);
    return at;
}

static int64_t size_of(const char *file)
{
    struct stat info;

    return stat(file, &info) ? -1 : info.st_size;
}

static void put_file(const char *file, const char *text)
{
    ck_assert_int_eq(file_replace(file, text, strlen(text), &err), OK);
}

static void setup(void)
{
    snprintf(home, sizeof home, "/tmp/test_hub.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(home));
    setenv("PONDER_HOME", home, 1);
    unsetenv("PONDER_MODEL");
    unsetenv("PONDER_HUB");
    unsetenv("HF_TOKEN");
    unsetenv("http_proxy");
}

static void teardown(void)
{
    char command[96];

    snprintf(command, sizeof command, "rm -rf %s", home);
    ck_assert_int_eq(system(command), 0);
    bytes_fini(&path);
}

/* ---- fetching ---- */

START_TEST(a_file_arrives_whole_and_leaves_nothing_else)
{
    expect_ok("t/plain:m-Q8_0.gguf");
    ck_assert_str_eq(path.data, in_models("m-Q8_0.gguf"));
    expect_content(path.data, 1, 300000);
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf.part")), -1);
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf.part.id")), -1);
    ck_assert_int_eq(size_of(in_models(".m-Q8_0.lock")), -1);
    ck_assert_str_eq(seen.chosen, "t/plain: m-Q8_0.gguf (300.0 kB) as m-Q8_0");
    ck_assert_int_eq(seen.n_done, 1);
}
END_TEST

START_TEST(a_second_pull_checks_and_fetches_nothing)
{
    expect_ok("t/plain");
    expect_ok("t/plain");
    ck_assert_int_eq(seen.n_start, 0);
    ck_assert_int_eq(seen.n_here, 1);
    ck_assert_str_eq(path.data, in_models("m-Q8_0.gguf"));
}
END_TEST

START_TEST(other_contents_of_the_name_are_kept_unless_told)
{
    hub_options o = options();

    expect_ok("t/plain");
    put_file(in_models("m-Q8_0.gguf"), "mine");
    expect("t/plain", E_ARG, "--force");
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf")), 4);
    o.name = "other";
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), OK);
    expect_content(in_models("other.gguf"), 1, 300000);
    o.name = NULL;
    o.replace = true;
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), OK);
    expect_content(in_models("m-Q8_0.gguf"), 1, 300000);
}
END_TEST

START_TEST(equal_size_with_other_bytes_is_not_taken_for_the_same)
{
    FILE *f;

    expect_ok("t/plain");
    f = fopen(in_models("m-Q8_0.gguf"), "r+");
    fseek(f, 150000, SEEK_SET);
    fputc('x', f);
    fclose(f);
    expect("t/plain", E_ARG, "differs");
}
END_TEST

START_TEST(a_cut_connection_is_resumed_where_it_broke)
{
    expect_ok("t/cut");
    expect_content(path.data, 1, 300000);
    ck_assert_int_eq(seen.n_retry, 1);
    ck_assert_uint_eq(seen.resumed_at, 100000);
    ck_assert(hub_server_logged("/t/cut/resolve", "range=bytes=100000- if-range=\""));
}
END_TEST

START_TEST(a_stopped_pull_keeps_its_part_and_goes_on_later)
{
    int64_t part;

    hub_options o = options();

    memset(&seen, 0, sizeof seen);
    stop = 0;
    seen.stop_after = 20000;
    ck_assert_int_eq(hub_pull("t/slow", &o, &path, &err), E_INTERRUPTED);
    ck_assert_ptr_nonnull(strstr(err.text, "are kept in"));
    part = size_of(in_models("m-Q8_0.gguf.part"));
    ck_assert(part >= 20000 && part < 200000);
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf")), -1);

    expect_ok("t/slow");
    ck_assert_uint_eq(seen.resumed_at, (uint64_t)part);
    expect_content(path.data, 3, 200000);
}
END_TEST

START_TEST(a_killed_pull_leaves_no_lock_and_a_part_to_go_on_from)
{
    pid_t child = fork();
    int code;

    if (child == 0) _exit(pull("t/slower") != OK);
    for (int i = 0; i < 1000 && size_of(in_models("m-Q8_0.gguf.part")) < 5000; i++)
        usleep(10000);
    expect("t/slower", E_IO, "another pull of m-Q8_0 is running");
    kill(child, SIGKILL);
    waitpid(child, &code, 0);
    ck_assert(WIFSIGNALED(code));
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf")), -1);
    expect_ok("t/slower");
    ck_assert_uint_ge(seen.resumed_at, 5000);
    expect_content(path.data, 3, 200000);
}
END_TEST

START_TEST(a_part_of_an_older_file_is_not_continued)
{
    char file[128];

    snprintf(file, sizeof file, "%s/version", hub_server_folder());
    put_file(file, "1");
    memset(&seen, 0, sizeof seen);
    expect_ok("t/update");
    ck_assert_int_eq(rename(in_models("m-Q8_0.gguf"), in_models("m-Q8_0.gguf.part")), 0);
    ck_assert_int_eq(truncate(in_models("m-Q8_0.gguf.part"), 90000), 0);
    put_file(in_models("m-Q8_0.gguf.part.id"), "an older identity\n\"tag\"\n");
    put_file(file, "2");
    expect_ok("t/update");
    ck_assert_uint_eq(seen.resumed_at, 0);
    expect_content(path.data, 12, 300000);
}
END_TEST

START_TEST(a_part_without_its_id_or_longer_than_the_file_is_begun_anew)
{
    bytes junk = { 0 };

    for (int i = 0; i < 310000; i++) bytes_add_char(&junk, 'j');
    ck_assert_int_eq(file_make_dir(in_models(""), &err), OK);
    ck_assert_int_eq(file_replace(in_models("m-Q8_0.gguf.part"), junk.data, 1000, &err), OK);
    expect_ok("t/plain");
    expect_content(path.data, 1, 300000);
    ck_assert_int_eq(unlink(path.data), 0);
    ck_assert_int_eq(file_replace(in_models("m-Q8_0.gguf.part"), junk.data, junk.len, &err), OK);
    expect_ok("t/plain");
    expect_content(path.data, 1, 300000);
    bytes_fini(&junk);
}
END_TEST

START_TEST(a_damaged_part_fails_its_checksum_and_the_next_pull_is_clean)
{
    FILE *f;
    hub_options o = options();

    memset(&seen, 0, sizeof seen);
    seen.stop_after = 20000;
    stop = 0;
    ck_assert_int_eq(hub_pull("t/slow3", &o, &path, &err), E_INTERRUPTED);
    f = fopen(in_models("m-Q8_0.gguf.part"), "r+");
    fputc('x', f);
    fclose(f);
    expect("t/slow3", E_FORMAT, "SHA-256");
    expect_ok("t/slow3");
    ck_assert_uint_eq(seen.resumed_at, 0);
    expect_content(path.data, 3, 200000);
}
END_TEST

START_TEST(a_server_without_ranges_starts_over)
{
    expect_ok("t/norange");
    expect_content(path.data, 1, 300000);
    ck_assert_int_eq(seen.n_retry, 1);
    ck_assert_uint_eq(seen.resumed_at, 0);
}
END_TEST

/* Neither has a checksum, so only the ETag keeps two contents apart. */
START_TEST(a_file_that_changes_under_way_is_never_a_mixture)
{
    expect_ok("t/changed");
    expect_content(path.data, 2, 300000);
    ck_assert_int_eq(unlink(path.data), 0);
    expect_ok("t/changed-rude");
    expect_content(path.data, 2, 300000);
}
END_TEST

START_TEST(a_range_that_was_not_asked_for_is_not_appended)
{
    expect("t/wrongrange", E_IO, "bytes");
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf")), -1);
}
END_TEST

START_TEST(a_redirect_is_followed_without_the_token)
{
    setenv("HF_TOKEN", "hf_secret", 1);
    expect_ok("t/cdn");
    expect_content(path.data, 1, 300000);
    ck_assert(hub_server_logged("hub /api/models/t/cdn/", "auth=Bearer_hf_secret"));
    ck_assert(hub_server_logged("hub /t/cdn/resolve", "auth=Bearer_hf_secret"));
    ck_assert(hub_server_logged("other /blob/t/cdn/resolve", "auth=- "));
    ck_assert(!hub_server_logged("other ", "hf_secret"));
}
END_TEST

START_TEST(private_models_need_the_token)
{
    expect("t/private", E_IO, "HF_TOKEN opens");
    setenv("HF_TOKEN", "hf_wrong", 1);
    expect("t/private", E_IO, "may not read it");
    ck_assert_ptr_null(strstr(err.text, "hf_wrong"));
    setenv("HF_TOKEN", "hf_secret", 1);
    expect_ok("t/private");
    setenv("HF_TOKEN", "hf_secret\r\nX: y", 1);
    expect("t/private", E_ARG, "HF_TOKEN");
}
END_TEST

START_TEST(retries_are_bounded)
{
    expect("t/cutalways", E_IO, "m-Q8_0.gguf");
    ck_assert_int_eq(seen.n_retry, 3);
    ck_assert_int_eq(hub_server_asked("/t/cutalways/resolve"), 4);
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf.part")), 4000);
    expect("t/down", E_IO, "503: try later");
    ck_assert_int_eq(hub_server_asked("/t/down/resolve"), 4);
    expect_ok("t/flaky");
    ck_assert_int_eq(seen.n_retry, 1);
}
END_TEST

START_TEST(what_is_not_there_is_asked_for_once)
{
    expect("t/nosuch", E_IO, "t/nosuch: not found on the hub (404)");
    ck_assert_int_eq(hub_server_asked("models/t/nosuch/"), 1);
    expect("t/gone", E_IO, "404");
    ck_assert_int_eq(hub_server_asked("/t/gone/resolve"), 1);
}
END_TEST

START_TEST(a_hub_that_is_not_there_is_an_error)
{
    hub_options o = options();

    o.hub = "http://127.0.0.1:1";
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "127.0.0.1"));
}
END_TEST

/* ---- contents that are not what was promised ---- */

START_TEST(a_wrong_checksum_removes_the_file)
{
    expect("t/badsum", E_FORMAT, "the hub lists abababab");
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf")), -1);
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf.part")), -1);
}
END_TEST

START_TEST(a_wrong_size_is_an_error)
{
    expect("t/announce", E_FORMAT, "the server has 300000 bytes, the hub lists 299999");
    expect("t/more", E_FORMAT, "more than the 300000 bytes");
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf.part")), -1);
}
END_TEST

START_TEST(a_file_that_changed_since_the_listing_is_noticed_at_once)
{
    expect("t/changed-linked", E_FORMAT, "changed on the hub");
    ck_assert_int_eq(seen.n_start, 0);
}
END_TEST

START_TEST(an_empty_file_needs_no_request)
{
    expect_ok("t/empty-file");
    ck_assert_int_eq(size_of(path.data), 0);
}
END_TEST

START_TEST(redirects_lead_only_to_http)
{
    expect("t/tofile", E_FORMAT, "not http or https");
    expect("t/nowhere", E_FORMAT, "leads nowhere");
    expect("t/loop", E_FORMAT, "more than 8 redirects");
    ck_assert_int_eq(hub_server_asked("/t/loop/resolve"), 9);
}
END_TEST

START_TEST(listings_with_hostile_paths_are_refused)
{
    expect("t/traversal", E_FORMAT, "../evil.gguf");
    expect("t/absolute", E_FORMAT, "/tmp/evil.gguf");
    expect("t/backslash", E_FORMAT, "no path inside");
    expect("t/control", E_FORMAT, "a?[2J.gguf");
    ck_assert_int_eq(size_of("/tmp/evil.gguf"), -1);
}
END_TEST

START_TEST(files_with_odd_names_are_passed_over)
{
    expect_ok("t/odd");
    ck_assert_str_eq(path.data, in_models("m-Q8_0.gguf"));
    expect("t/odd:$(id).gguf", E_ARG, "not a plain file name");
    expect("t/odd:../x.gguf", E_ARG, "not a plain file name");
    expect("t/odd:-x.gguf", E_ARG, "not a plain file name");
}
END_TEST

START_TEST(listings_are_bounded)
{
    expect("t/huge", E_LIMIT, "larger than 4194304 bytes");
    expect("t/endless", E_LIMIT, "more than 20 pages");
    expect("t/bighead", E_LIMIT, "65536 bytes of headers");
    expect("t/deep", E_LIMIT, "nested deeper");
}
END_TEST

START_TEST(listings_that_make_no_sense_are_refused)
{
    expect("t/notlist", E_FORMAT, "not a list");
    expect("t/badjson", E_FORMAT, "listing");
    expect("t/badsize", E_FORMAT, "no sensible size");
    expect("t/nohash", E_FORMAT, "no hash");
    expect("t/badoid", E_FORMAT, "no SHA-256");
    expect("t/twice", E_FORMAT, "twice");
    expect("t/nextaway", E_FORMAT, "not on the hub");
    ck_assert(!hub_server_logged("other ", "/x"));
    expect("t/empty", E_UNSUPPORTED, "no .gguf");
    expect("t/pytorch", E_UNSUPPORTED, "neither");
}
END_TEST

START_TEST(all_pages_of_a_listing_count)
{
    expect_ok("t/pages:f2");
    ck_assert_str_eq(path.data, in_models("f2-Q8_0.gguf"));
    expect("t/pages:f", E_ARG, "several files match");
}
END_TEST

START_TEST(malformed_requests_are_refused_before_any_traffic)
{
    static const char *const bad[] = {
        "nosuchname", "a/b/c", "/a", "a/", "../a", "a/..", "a b/c", "a/b:", "a/b:c/../d",
        "a/b?x", "a/b#x", "a/b%2e", "", ":x", "-a/b", "a/.b",
    };
    hub_options o = options();

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        err.text[0] = 0;
        ck_assert_msg(hub_pull(bad[i], &o, &path, &err) == E_ARG, "%s", bad[i]);
        ck_assert(err.text[0]);
    }
    o.name = "../x";
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), E_ARG);
    o.name = "x.part";
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), E_ARG);
    o.name = NULL;
    o.revision = "../../x";
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), E_ARG);
    o.revision = NULL;
    o.hub = "ftp://127.0.0.1";
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), E_ARG);
    o.hub = "http://user:word@127.0.0.1";
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), E_ARG);
    ck_assert_ptr_null(strstr(err.text, "word"));
}
END_TEST

START_TEST(a_revision_goes_escaped_into_the_addresses)
{
    hub_options o = options();

    o.revision = "refs/pr/7";
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), OK);
    ck_assert(hub_server_logged("/api/models/t/plain/tree/refs%2Fpr%2F7?recursive=true", ""));
    ck_assert(hub_server_logged("/t/plain/resolve/refs%2Fpr%2F7/m-Q8_0.gguf", ""));
}
END_TEST

/* ---- which file ---- */

START_TEST(the_file_is_chosen_by_path_by_tag_or_by_itself)
{
    expect_ok("t/many");
    ck_assert_str_eq(path.data, in_models("x-Q8_0.gguf"));
    expect_ok("t/many:q4_k_m");
    ck_assert_str_eq(path.data, in_models("x-Q4_K_M.gguf"));
    expect_ok("t/many:deep/y-F16.gguf");
    ck_assert_str_eq(path.data, in_models("y-F16.gguf"));
    expect("t/many:Q4_K", E_ARG, "x-Q4_K_M.gguf, x-Q4_K_S.gguf");
    expect("t/many:Q5_1", E_ARG, "holds no Q5_1");
    expect("t/folder:config.json", E_ARG, "only a .gguf");
}
END_TEST

START_TEST(a_split_gguf_becomes_a_folder_found_by_its_first_part)
{
    bytes found = { 0 };

    expect_ok("t/split");
    ck_assert_str_eq(path.data, in_models("s/s-00001-of-00002.gguf"));
    expect_content(in_models("s/s-00002-of-00002.gguf"), 2, 300000);
    ck_assert_int_eq(hub_find("S", &found, &err), OK);
    ck_assert_str_eq(found.data, path.data);
    expect("t/torn", E_FORMAT, "s-00002-of-00002.gguf is missing");
    bytes_fini(&found);
}
END_TEST

START_TEST(a_safetensors_repository_becomes_a_folder)
{
    expect_ok("t/folder");
    ck_assert_str_eq(path.data, in_models("folder"));
    expect_content(in_models("folder/config.json"), 4, 700);
    expect_content(in_models("folder/model-00002-of-00002.safetensors"), 2, 300000);
    ck_assert_int_eq(size_of(in_models("folder/README.md")), -1);
    ck_assert_int_eq(size_of(in_models("folder/pytorch_model.bin")), -1);
    ck_assert_int_eq(size_of(in_models("folder.part")), -1);
    expect_ok("t/folder");
    ck_assert_int_eq(seen.n_start, 0);
}
END_TEST

START_TEST(an_interrupted_folder_goes_on_and_shows_only_when_whole)
{
    hub_options o = options();
    hub_local *list;
    int n;

    memset(&seen, 0, sizeof seen);
    stop = 0;
    seen.stop_after = 250000;        /* in the third file, the first of that size */
    ck_assert_int_eq(hub_pull("t/folder", &o, &path, &err), E_INTERRUPTED);
    ck_assert_int_eq(hub_list(&list, &n, &err), OK);
    ck_assert_int_eq(n, 0);
    hub_list_free(list, n);
    put_file(in_models("folder.part/left-over.safetensors"), "x");
    expect_ok("t/folder");
    ck_assert_int_ge(seen.n_here, 1);        /* tokenizer.json, checked again */
    ck_assert_int_eq(size_of(in_models("folder/left-over.safetensors")), -1);
    expect_content(in_models("folder/model-00001-of-00002.safetensors"), 1, 300000);
}
END_TEST

START_TEST(a_folder_is_replaced_in_one_step_and_only_when_told)
{
    hub_options o = options();

    expect_ok("t/folder");
    put_file(in_models("folder/model-00002-of-00002.safetensors"), "mine");
    expect("t/folder", E_ARG, "--force");
    o.replace = true;
    memset(&seen, 0, sizeof seen);
    ck_assert_int_eq(hub_pull("t/folder", &o, &path, &err), OK);
    expect_content(in_models("folder/model-00002-of-00002.safetensors"), 2, 300000);
    expect_content(in_models("folder/model-00001-of-00002.safetensors"), 1, 300000);
    ck_assert_int_eq(seen.n_here, 2);        /* linked from the old folder */
    ck_assert_int_eq(size_of(in_models("folder.part")), -1);
}
END_TEST

START_TEST(a_file_and_a_folder_do_not_share_a_name)
{
    hub_options o = options();

    o.name = "both";
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), OK);
    ck_assert_int_eq(hub_pull("t/folder", &o, &path, &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "both.gguf"));
}
END_TEST

START_TEST(a_known_name_needs_no_repository)
{
    expect_ok("SmolLM2-135M");
    ck_assert_str_eq(path.data, in_models("smollm2-135m"));
    ck_assert(hub_server_logged("/HuggingFaceTB/SmolLM2-135M-Instruct/resolve/main/", ""));
}
END_TEST

START_TEST(the_hub_comes_from_the_environment)
{
    hub_options o = { 0 };
    char url[96];

    snprintf(url, sizeof url, "%s/", hub_server_url());
    setenv("PONDER_HUB", url, 1);
    ck_assert_int_eq(hub_pull("t/plain", &o, &path, &err), OK);
}
END_TEST

/* ---- the disk ---- */

START_TEST(too_little_room_is_said_before_anything_is_fetched)
{
    expect("t/vast", E_IO, "4.0 TB more are needed");
    ck_assert_int_eq(hub_server_asked("/t/vast/resolve"), 0);
}
END_TEST

START_TEST(a_write_that_fails_keeps_the_part)
{
    struct rlimit limit = { 120000, RLIM_INFINITY };

    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    expect("t/plain", E_IO, "File too large; 120000 bytes are kept");
    ck_assert_int_eq(size_of(in_models("m-Q8_0.gguf.part")), 120000);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    expect_ok("t/plain");
    ck_assert_uint_eq(seen.resumed_at, 120000);
    expect_content(path.data, 1, 300000);
}
END_TEST

START_TEST(a_link_in_place_of_the_part_is_not_followed)
{
    char victim[128];

    snprintf(victim, sizeof victim, "%s/victim", home);
    put_file(victim, "precious");
    ck_assert_int_eq(file_make_dir(in_models(""), &err), OK);
    ck_assert_int_eq(symlink(victim, in_models("m-Q8_0.gguf.part")), 0);
    expect("t/plain", E_IO, "m-Q8_0.gguf.part");
    ck_assert_int_eq(size_of(victim), 8);
}
END_TEST

/* ---- what is here ---- */

static void put_model(const char *name, int age_s)
{
    char file[256];
    struct timespec times[2] = { { 0 } };
    struct stat info;

    ck_assert_int_eq(file_make_dir(in_models(""), &err), OK);
    snprintf(file, sizeof file, "%s", in_models(name));
    put_file(file, "not really a model");
    ck_assert_int_eq(stat(file, &info), 0);
    times[0] = times[1] = (struct timespec){ info.st_mtim.tv_sec - age_s, 0 };
    ck_assert_int_eq(utimensat(AT_FDCWD, file, times, 0), 0);
}

START_TEST(nothing_here_is_an_error_that_says_what_to_do)
{
    ck_assert_int_eq(hub_find(NULL, &path, &err), E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "ponder pull qwen3-0.6b"));
    ck_assert_int_eq(hub_find("nosuch", &path, &err), E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "here: none"));
    ck_assert_int_eq(hub_find("Qwen3-0.6B", &path, &err), E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "ponder pull qwen3-0.6b"));
    ck_assert_uint_eq(path.len, 0);
}
END_TEST

START_TEST(a_model_is_found_by_path_by_name_by_environment_or_by_age)
{
    put_model("old.gguf", 100);
    put_model("young.gguf", 10);
    put_model("middle.gguf", 50);
    put_model("newest.gguf.part", 0);
    put_model(".hidden.gguf", 0);
    ck_assert_int_eq(hub_find("/etc/hostname", &path, &err), OK);
    ck_assert_str_eq(path.data, "/etc/hostname");
    bytes_clear(&path);
    ck_assert_int_eq(hub_find("OLD", &path, &err), OK);
    ck_assert_str_eq(path.data, in_models("old.gguf"));
    bytes_clear(&path);
    ck_assert_int_eq(hub_find("middle.gguf", &path, &err), OK);
    ck_assert_str_eq(path.data, in_models("middle.gguf"));
    bytes_clear(&path);
    ck_assert_int_eq(hub_find("", &path, &err), OK);
    ck_assert_str_eq(path.data, in_models("young.gguf"));
    bytes_clear(&path);
    setenv("PONDER_MODEL", "old", 1);
    ck_assert_int_eq(hub_find(NULL, &path, &err), OK);
    ck_assert_str_eq(path.data, in_models("old.gguf"));
    bytes_clear(&path);
    setenv("PONDER_MODEL", "typo", 1);
    ck_assert_int_eq(hub_find(NULL, &path, &err), E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "PONDER_MODEL: typo"));
    ck_assert_ptr_nonnull(strstr(err.text, "middle, old, young"));
}
END_TEST

START_TEST(the_list_holds_models_only)
{
    hub_local *list;
    int n;

    ck_assert_int_eq(hub_list(&list, &n, &err), OK);
    ck_assert_int_eq(n, 0);
    put_model("b.gguf", 1);
    put_model("notes.txt", 1);
    ck_assert_int_eq(mkdir(in_models("empty"), 0777), 0);
    ck_assert_int_eq(mkdir(in_models("a"), 0777), 0);
    put_file(in_models("a/config.json"), "{}");
    put_file(in_models("a/model.safetensors"), "12345");
    ck_assert_int_eq(mkdir(in_models("c.part"), 0777), 0);
    put_file(in_models("c.part/config.json"), "{}");
    ck_assert_int_eq(hub_list(&list, &n, &err), OK);
    ck_assert_int_eq(n, 2);
    ck_assert_str_eq(list[0].name, "a");
    ck_assert_str_eq(list[0].path, in_models("a"));
    ck_assert_uint_eq(list[0].bytes, 7);
    ck_assert_str_eq(list[1].name, "b");
    hub_list_free(list, n);
}
END_TEST

START_TEST(without_a_home_there_is_no_models_folder)
{
    unsetenv("PONDER_HOME");
    setenv("HOME", "/nonexistent-home", 1);
    ck_assert_int_eq(hub_dir(&path, &err), OK);
    ck_assert_str_eq(path.data, "/nonexistent-home/.cache/ponder/models");
    unsetenv("HOME");
    bytes_clear(&path);
    ck_assert_int_eq(hub_dir(&path, &err), E_ARG);
    ck_assert_int_eq(hub_find(NULL, &path, &err), E_ARG);
}
END_TEST

START_TEST(sizes_read_well)
{
    char text[16];

    hub_size_text(0, text);
    ck_assert_str_eq(text, "0 B");
    hub_size_text(999, text);
    ck_assert_str_eq(text, "999 B");
    hub_size_text(639446688, text);
    ck_assert_str_eq(text, "639.4 MB");
    hub_size_text(999999999, text);
    ck_assert_str_eq(text, "1.0 GB");
    hub_size_text(UINT64_MAX, text);
    ck_assert_str_eq(text, "99999.0 TB");
}
END_TEST

START_TEST(known_names_are_unlike_each_other_and_plain)
{
    int n;
    const hub_model *m = hub_known(&n);

    ck_assert_int_ge(n, 12);
    for (int i = 0; i < n; i++) {
        ck_assert_ptr_eq(hub_known_find(m[i].name), &m[i]);
        ck_assert_ptr_nonnull(strchr(m[i].repo, '/'));
        ck_assert(!m[i].file || strstr(m[i].file, ".gguf"));
    }
    ck_assert_ptr_null(hub_known_find("gpt-5"));
}
END_TEST

static void start_server(void)
{
    no_server = !hub_server_start();
}

int main(void)
{
    Suite *s = suite_create("hub");
    TCase *here = tcase_create("here"), *net = tcase_create("net");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(here, setup, teardown);
    tcase_add_test(here, nothing_here_is_an_error_that_says_what_to_do);
    tcase_add_test(here, a_model_is_found_by_path_by_name_by_environment_or_by_age);
    tcase_add_test(here, the_list_holds_models_only);
    tcase_add_test(here, without_a_home_there_is_no_models_folder);
    tcase_add_test(here, sizes_read_well);
    tcase_add_test(here, known_names_are_unlike_each_other_and_plain);
    suite_add_tcase(s, here);

    start_server();
    if (no_server) {
        puts("skipped: pulling, because python3 cannot start tests/support/hub_server.py");
    } else {
        tcase_set_timeout(net, 120);
        tcase_add_checked_fixture(net, setup, teardown);
        tcase_add_test(net, a_file_arrives_whole_and_leaves_nothing_else);
        tcase_add_test(net, a_second_pull_checks_and_fetches_nothing);
        tcase_add_test(net, other_contents_of_the_name_are_kept_unless_told);
        tcase_add_test(net, equal_size_with_other_bytes_is_not_taken_for_the_same);
        tcase_add_test(net, a_cut_connection_is_resumed_where_it_broke);
        tcase_add_test(net, a_stopped_pull_keeps_its_part_and_goes_on_later);
        tcase_add_test(net, a_killed_pull_leaves_no_lock_and_a_part_to_go_on_from);
        tcase_add_test(net, a_part_of_an_older_file_is_not_continued);
        tcase_add_test(net, a_part_without_its_id_or_longer_than_the_file_is_begun_anew);
        tcase_add_test(net, a_damaged_part_fails_its_checksum_and_the_next_pull_is_clean);
        tcase_add_test(net, a_server_without_ranges_starts_over);
        tcase_add_test(net, a_file_that_changes_under_way_is_never_a_mixture);
        tcase_add_test(net, a_range_that_was_not_asked_for_is_not_appended);
        tcase_add_test(net, a_redirect_is_followed_without_the_token);
        tcase_add_test(net, private_models_need_the_token);
        tcase_add_test(net, retries_are_bounded);
        tcase_add_test(net, what_is_not_there_is_asked_for_once);
        tcase_add_test(net, a_hub_that_is_not_there_is_an_error);
        tcase_add_test(net, a_wrong_checksum_removes_the_file);
        tcase_add_test(net, a_wrong_size_is_an_error);
        tcase_add_test(net, a_file_that_changed_since_the_listing_is_noticed_at_once);
        tcase_add_test(net, an_empty_file_needs_no_request);
        tcase_add_test(net, redirects_lead_only_to_http);
        tcase_add_test(net, listings_with_hostile_paths_are_refused);
        tcase_add_test(net, files_with_odd_names_are_passed_over);
        tcase_add_test(net, listings_are_bounded);
        tcase_add_test(net, listings_that_make_no_sense_are_refused);
        tcase_add_test(net, all_pages_of_a_listing_count);
        tcase_add_test(net, malformed_requests_are_refused_before_any_traffic);
        tcase_add_test(net, a_revision_goes_escaped_into_the_addresses);
        tcase_add_test(net, the_file_is_chosen_by_path_by_tag_or_by_itself);
        tcase_add_test(net, a_split_gguf_becomes_a_folder_found_by_its_first_part);
        tcase_add_test(net, a_safetensors_repository_becomes_a_folder);
        tcase_add_test(net, an_interrupted_folder_goes_on_and_shows_only_when_whole);
        tcase_add_test(net, a_folder_is_replaced_in_one_step_and_only_when_told);
        tcase_add_test(net, a_file_and_a_folder_do_not_share_a_name);
        tcase_add_test(net, a_known_name_needs_no_repository);
        tcase_add_test(net, the_hub_comes_from_the_environment);
        tcase_add_test(net, too_little_room_is_said_before_anything_is_fetched);
        tcase_add_test(net, a_write_that_fails_keeps_the_part);
        tcase_add_test(net, a_link_in_place_of_the_part_is_not_followed);
        suite_add_tcase(s, net);
    }
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    if (!no_server) hub_server_stop();
    return failed;
}
