/* test_marker.c - the byte automaton and the tokens that complete a marker. */
#include "decode/marker.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

static const char *const vocab[] = { "<", "/", "think", ">", ">\n", "</", "</think>",
                                     ".</think>\n\n", "nk>", "x>", "></think>", "", "thi" };
#define N_VOCAB ((int)(sizeof vocab / sizeof vocab[0]))

static token_text bytes_of(const void *arg, int32_t id)
{
    (void)arg;
    return (token_text){ vocab[id], strlen(vocab[id]) };
}

static marker make(const char *text)
{
    marker m;
    const marker_spec spec = { text, -1 };
    errtext err;

    ck_assert_msg(marker_init(&m, &spec, "marker", N_VOCAB, bytes_of, NULL, &err) == OK,
                  "%s", err.text);
    return m;
}

START_TEST(completers_are_the_tokens_that_would_finish_it)
{
    marker m = make("</think>");

    for (int32_t id = 0; id < N_VOCAB; id++)
        for (int state = 0; state < m.len; state++) {
            char text[64];
            bool want, got = false;

            memcpy(text, m.text, (size_t)state);
            strcpy(text + state, vocab[id]);
            want = strstr(text, "</think>") != NULL;
            for (int i = 0; i < m.n_completer; i++)
                if (m.completers[i].id == id) got = m.completers[i].from >> state & 1;
            ck_assert_msg(got == want, "token \"%s\" after %d bytes", vocab[id], state);
        }
    marker_fini(&m);
}
END_TEST

START_TEST(the_automaton_finds_every_occurrence_a_search_finds)
{
    static const char *const texts[] = { "a", "aa", "aab", "abab", "aabaaa", "abcabd" };

    for (int k = 0; k < 6; k++)
        for (uint64_t round = 0; round < 500; round++) {
            marker m = make(texts[k]);
            char text[65] = "";
            int state = 0;
            bool found = false;

            for (uint64_t i = 0; i < 64; i++) {
                text[i] = (char)('a' + rng_u64(round, (uint64_t)k, i) % 3);
                text[i + 1] = 0;
                if (found) break;
                state = marker_step(&m, state, text[i]);
                found = state == m.len;
                ck_assert_int_eq(found, strstr(text, texts[k]) != NULL);
            }
            marker_fini(&m);
        }
}
END_TEST

START_TEST(a_marker_that_is_one_token_walks_no_vocabulary)
{
    marker m;
    const marker_spec spec = { "</think>", 6 }, none = { NULL, -1 };

    ck_assert_int_eq(marker_init(&m, &spec, "m", N_VOCAB, bytes_of, NULL, NULL), OK);
    ck_assert(marker_by_id(&m) && !marker_by_bytes(&m));
    ck_assert_int_eq(m.n_completer, 0);
    marker_fini(&m);
    ck_assert_int_eq(marker_init(&m, &none, "m", N_VOCAB, bytes_of, NULL, NULL), OK);
    ck_assert(!marker_by_id(&m) && !marker_by_bytes(&m));
    marker_fini(&m);
}
END_TEST

START_TEST(bad_markers_are_refused_by_name)
{
    static char big[MARKER_MAX_BYTES + 2];
    const marker_spec empty = { "", -1 }, long_one = { big, -1 }, high = { "x", N_VOCAB };
    const marker_spec low = { "x", -2 };
    marker m;
    errtext err;

    memset(big, 'x', sizeof big - 1);
    ck_assert_int_eq(marker_init(&m, &empty, "think_close", N_VOCAB, bytes_of, NULL, &err),
                     E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "think_close has 0 bytes"));
    ck_assert_int_eq(marker_init(&m, &long_one, "f", N_VOCAB, bytes_of, NULL, &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "64 bytes"));
    ck_assert_int_eq(marker_init(&m, &high, "f", N_VOCAB, bytes_of, NULL, &err), E_ARG);
    ck_assert_int_eq(marker_init(&m, &low, "f", N_VOCAB, bytes_of, NULL, &err), E_ARG);
    marker_fini(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("marker");
    TCase *tc = tcase_create("marker");
    SRunner *sr = srunner_create(suite);
    int n_failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, completers_are_the_tokens_that_would_finish_it);
    tcase_add_test(tc, the_automaton_finds_every_occurrence_a_search_finds);
    tcase_add_test(tc, a_marker_that_is_one_token_walks_no_vocabulary);
    tcase_add_test(tc, bad_markers_are_refused_by_name);
    suite_add_tcase(suite, tc);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
