/* test_textout.c - hold-back against a naive search of the whole text. */
#include "decode/textout.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"

#define FFFD "\xEF\xBF\xBD"

static stops *make_stops(const char *const *texts, int n)
{
    size_t lens[STOPS_MAX];
    errtext err;
    stops *s;

    for (int i = 0; i < n; i++) lens[i] = strlen(texts[i]);
    ck_assert_msg(stops_new(&s, texts, lens, n, &err) == OK, "%s", err.text);
    return s;
}

static const char *text_of(const bytes *b)
{
    return b->data ? b->data : "";
}

/* Feed one byte at a time; the text after each byte must be `want[i]`. */
static void check_steps(const stops *s, const char *text, const char *const *want,
                        const char *at_end)
{
    bytes out = { 0 };
    textout t;

    textout_init(&t, s);
    for (size_t i = 0; text[i]; i++) {
        textout_add(&t, text + i, 1, &out);
        ck_assert_str_eq(text_of(&out), want[i]);
    }
    textout_end(&t, &out);
    ck_assert_str_eq(text_of(&out), at_end);
    bytes_fini(&out);
}

START_TEST(a_character_goes_out_when_it_is_whole)
{
    check_steps(NULL, "a\xC3\xA9z", (const char *[]){ "a", "a", "aé", "aéz" }, "aéz");
    check_steps(NULL, "\xE2\x82\xAC", (const char *[]){ "", "", "€" }, "€");
    check_steps(NULL, "\xF0\x9F\x98\x80", (const char *[]){ "", "", "", "😀" }, "😀");
}
END_TEST

START_TEST(invalid_bytes_become_one_replacement_each)
{
    check_steps(NULL, "\xFFz", (const char *[]){ FFFD, FFFD "z" }, FFFD "z");
    check_steps(NULL, "\x80\x80", (const char *[]){ FFFD, FFFD FFFD }, FFFD FFFD);
    check_steps(NULL, "\xC3z", (const char *[]){ "", FFFD "z" }, FFFD "z");
    check_steps(NULL, "\xE2\x82z", (const char *[]){ "", "", FFFD "z" }, FFFD "z");
    check_steps(NULL, "\xE2\xC3\xA9", (const char *[]){ "", FFFD, FFFD "é" }, FFFD "é");
    check_steps(NULL, "\xE0\x80", (const char *[]){ "", FFFD FFFD }, FFFD FFFD);
    check_steps(NULL, "\xED\xA0", (const char *[]){ "", FFFD FFFD }, FFFD FFFD);
    check_steps(NULL, "\xC0\xAF", (const char *[]){ FFFD, FFFD FFFD }, FFFD FFFD);
}
END_TEST

START_TEST(half_a_character_at_the_end_is_replaced)
{
    check_steps(NULL, "a\xF0\x9F\x98", (const char *[]){ "a", "a", "a", "a" }, "a" FFFD);
    check_steps(NULL, "\xC3", (const char *[]){ "" }, FFFD);
}
END_TEST

START_TEST(a_stop_string_never_shows)
{
    stops *s = make_stops((const char *[]){ "END" }, 1);

    check_steps(s, "aEND", (const char *[]){ "a", "a", "a", "a" }, "a");
    check_steps(s, "aENx", (const char *[]){ "a", "a", "a", "aENx" }, "aENx");
    check_steps(s, "aEEND", (const char *[]){ "a", "a", "aE", "aE", "aE" }, "aE");
    check_steps(s, "aEN", (const char *[]){ "a", "a", "a" }, "aEN");
    check_steps(s, "ENDEND", (const char *[]){ "", "", "", "", "", "" }, "");
    stops_free(s);
}
END_TEST

START_TEST(bytes_are_released_as_soon_as_no_stop_can_hold_them)
{
    stops *s = make_stops((const char *[]){ "aabaaa", "baab" }, 2);

    check_steps(s, "aabaab",
                (const char *[]){ "", "", "", "", "", "aa" }, "aa");
    check_steps(s, "aabac", (const char *[]){ "", "", "", "", "aabac" }, "aabac");
    stops_free(s);
}
END_TEST

START_TEST(the_stop_that_ends_first_wins_and_the_longest_of_equals)
{
    stops *s = make_stops((const char *[]){ "abcde", "bcd", "d", "xd" }, 4);
    bytes out = { 0 };
    textout t;

    textout_init(&t, s);
    ck_assert(textout_add(&t, "zabcdefg", 8, &out));
    ck_assert_str_eq(text_of(&out), "za");
    ck_assert_int_eq(t.stopped_by, 1);
    ck_assert(textout_add(&t, "more", 4, &out));
    textout_end(&t, &out);
    ck_assert_str_eq(text_of(&out), "za");
    bytes_clear(&out);
    textout_init(&t, s);
    ck_assert(textout_add(&t, "xxd", 3, &out));
    ck_assert_str_eq(text_of(&out), "x");
    ck_assert_int_eq(t.stopped_by, 3);
    bytes_fini(&out);
    stops_free(s);
}
END_TEST

START_TEST(a_stop_may_hold_characters_of_many_bytes)
{
    stops *s = make_stops((const char *[]){ "é€", "\n\nUser:" }, 2);

    check_steps(s, "aé€", (const char *[]){ "a", "a", "a", "a", "a", "a" }, "a");
    check_steps(s, "éx", (const char *[]){ "", "", "éx" }, "éx");
    check_steps(s, "\xC3\xA8", (const char *[]){ "", "è" }, "è");
    stops_free(s);
}
END_TEST

START_TEST(an_unfinished_character_before_a_stop_is_replaced)
{
    stops *s = make_stops((const char *[]){ "." }, 1);

    check_steps(s, "a\xE2\x82.", (const char *[]){ "a", "a", "a", "a" FFFD }, "a" FFFD);
    stops_free(s);
}
END_TEST

START_TEST(nul_bytes_are_text)
{
    static const char text[] = { 'a', 0, 'b', 0, 'c' };
    static const char stop[] = { 0, 'c' };
    const char *texts[1] = { stop };
    const size_t lens[1] = { 2 };
    bytes out = { 0 };
    textout t;
    stops *s;

    ck_assert_int_eq(stops_new(&s, texts, lens, 1, NULL), OK);
    textout_init(&t, s);
    ck_assert(textout_add(&t, text, 5, &out));
    ck_assert_int_eq(out.len, 3);
    ck_assert_mem_eq(out.data, "a\0b", 3);
    bytes_fini(&out);
    stops_free(s);
}
END_TEST

/* ---------------------------------------------------------------- property */

/* Where the first stop string to end begins, or len when none occurs. */
static size_t naive_stop(const char *text, size_t len, const char *const *texts, int n,
                         int *which)
{
    *which = -1;
    for (size_t end = 1; end <= len; end++) {
        size_t longest = 0;

        for (int i = 0; i < n; i++) {
            size_t l = strlen(texts[i]);

            if (l <= end && l > longest && !memcmp(text + end - l, texts[i], l)) {
                longest = l;
                *which = i;
            }
        }
        if (longest) return end - longest;
    }
    return len;
}

/* Whole characters as they are, each maximal invalid part as U+FFFD. */
static void naive_utf8(const char *text, size_t len, bytes *out)
{
    size_t at = 0;
    uint32_t code;

    while (at < len) {
        size_t n = (size_t)utf8_decode(text + at, len - at, &code);

        if (n) {
            bytes_add(out, text + at, n);
        } else {
            n = len - at < 3 ? len - at : 3;
            while (n > 1 && utf8_incomplete_tail(text + at, n) != n) n--;
            bytes_add_string(out, FFFD);
        }
        at += n;
    }
}

static uint64_t random_at;

static unsigned pick(unsigned n)
{
    return (unsigned)(rng_u64(77, 1, random_at++) % n);
}

static size_t random_text(char *out, size_t max, const char *const *atoms, int n_atom)
{
    size_t len = 0, n = pick((unsigned)max);

    while (len < n) {
        const char *atom = atoms[pick((unsigned)n_atom)];
        size_t l = strlen(atom);

        if (len + l > max) break;
        memcpy(out + len, atom, l);
        len += l;
    }
    return len;
}

/* Random texts over few symbols (so that stops overlap and almost match), cut
 * at random: the sum of what goes out is what a search of the whole text gives,
 * and at every moment it is whole characters and as long as it may be. */
static void check_random(const char *const *atoms, int n_atom, int n_round)
{
    for (int round = 0; round < n_round; round++) {
        char text[64], stop_text[4][8];
        const char *texts[4];
        int n_stop = (int)pick(5), which, used = 0;
        size_t len = random_text(text, sizeof text, atoms, n_atom), at = 0, cut;
        bytes want = { 0 }, out = { 0 };
        stops *s;
        textout t;

        for (int i = 0; i < n_stop; i++) {
            size_t l = random_text(stop_text[used], 7, atoms, n_atom);

            stop_text[used][l] = 0;
            texts[used] = stop_text[used];
            used += l > 0;
        }
        s = make_stops(texts, used);
        cut = naive_stop(text, len, texts, used, &which);
        naive_utf8(text, cut, &want);
        textout_init(&t, s);
        while (at < len) {
            size_t n = 1 + pick(5), settled;
            bytes soon = { 0 };

            if (n > len - at) n = len - at;
            ck_assert(textout_add(&t, text + at, n, &out) == (t.stopped_by >= 0));
            at += n;
            ck_assert_int_eq(utf8_valid_prefix(text_of(&out), out.len), out.len);
            ck_assert(out.len <= want.len);
            ck_assert_mem_eq(text_of(&out), text_of(&want), out.len);
            if (t.stopped_by >= 0) break;
            /* Nothing more than a stop's prefix and a part of a character is
             * held: the rest of the text so far has gone out. */
            settled = at;
            for (int i = 0; i < used; i++)
                for (size_t l = strlen(texts[i]) - 1; l > at - settled; l--)
                    if (l <= at && !memcmp(text + at - l, texts[i], l)) settled = at - l;
            naive_utf8(text, settled - utf8_incomplete_tail(text, settled), &soon);
            ck_assert_int_eq(out.len, soon.len);
            bytes_fini(&soon);
        }
        textout_end(&t, &out);
        ck_assert_int_eq(t.stopped_by, which);
        ck_assert_int_eq(out.len, want.len);
        ck_assert_mem_eq(text_of(&out), text_of(&want), want.len);
        bytes_fini(&out);
        bytes_fini(&want);
        stops_free(s);
    }
}

START_TEST(random_text_over_two_letters_matches_the_oracle)
{
    check_random((const char *[]){ "a", "b" }, 2, 20000);
}
END_TEST

START_TEST(random_unicode_matches_the_oracle)
{
    check_random((const char *[]){ "a", "é", "€", "😀", "è" }, 5, 20000);
}
END_TEST

START_TEST(random_bytes_match_the_oracle)
{
    check_random((const char *[]){ "a", "\xC3", "\xA9", "\xE2", "\x82", "\xF0", "\x9F",
                                   "\xED", "\xFF" }, 9, 30000);
}
END_TEST

START_TEST(a_copy_is_a_fork)
{
    stops *s = make_stops((const char *[]){ "abc" }, 1);
    bytes a = { 0 }, b = { 0 };
    textout t, u;

    textout_init(&t, s);
    textout_add(&t, "ab", 2, &a);
    u = t;
    ck_assert(textout_add(&t, "c", 1, &a));
    ck_assert(!textout_add(&u, "d", 1, &b));
    ck_assert_str_eq(text_of(&a), "");
    ck_assert_str_eq(text_of(&b), "abd");
    bytes_fini(&a);
    bytes_fini(&b);
    stops_free(s);
}
END_TEST

START_TEST(bad_stop_lists_are_refused)
{
    static char big[STOPS_MAX_BYTES + 1];
    const char *texts[STOPS_MAX + 1];
    size_t lens[STOPS_MAX + 1];
    stops *s = (stops *)texts;
    errtext err;

    for (int i = 0; i <= STOPS_MAX; i++) texts[i] = "x", lens[i] = 1;
    ck_assert_int_eq(stops_new(&s, texts, lens, STOPS_MAX + 1, &err), E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "65 strings"));
    ck_assert_ptr_null(s);
    ck_assert_int_eq(stops_new(&s, texts, lens, 100000, &err), E_LIMIT);
    lens[3] = 0;
    ck_assert_int_eq(stops_new(&s, texts, lens, 5, &err), E_ARG);
    ck_assert_ptr_nonnull(strstr(err.text, "stop[3] is empty"));
    texts[3] = big;
    lens[3] = sizeof big;
    ck_assert_int_eq(stops_new(&s, texts, lens, 5, &err), E_LIMIT);
    lens[3] = STOPS_MAX_BYTES;
    ck_assert_int_eq(stops_new(&s, texts, lens, STOPS_MAX, &err), OK);
    stops_free(s);
    ck_assert_int_eq(stops_new(&s, NULL, NULL, 0, &err), OK);
    stops_free(s);
    stops_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("textout");
    TCase *tc = tcase_create("textout");
    SRunner *sr = srunner_create(suite);
    int n_failed;

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_character_goes_out_when_it_is_whole);
    tcase_add_test(tc, invalid_bytes_become_one_replacement_each);
    tcase_add_test(tc, half_a_character_at_the_end_is_replaced);
    tcase_add_test(tc, a_stop_string_never_shows);
    tcase_add_test(tc, bytes_are_released_as_soon_as_no_stop_can_hold_them);
    tcase_add_test(tc, the_stop_that_ends_first_wins_and_the_longest_of_equals);
    tcase_add_test(tc, a_stop_may_hold_characters_of_many_bytes);
    tcase_add_test(tc, an_unfinished_character_before_a_stop_is_replaced);
    tcase_add_test(tc, nul_bytes_are_text);
    tcase_add_test(tc, random_text_over_two_letters_matches_the_oracle);
    tcase_add_test(tc, random_unicode_matches_the_oracle);
    tcase_add_test(tc, random_bytes_match_the_oracle);
    tcase_add_test(tc, a_copy_is_a_fork);
    tcase_add_test(tc, bad_stop_lists_are_refused);
    suite_add_tcase(suite, tc);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
