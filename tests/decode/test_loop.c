/* test_loop.c - loops are caught soon, ordinary text is left alone. */
#include "decode/loop.h"

#include <check.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"

#define LIMIT 256

/* A stand-in for a tokenizer: up to five letters with the space before them,
 * single digits, single other characters. One id per distinct piece. */
static int next_piece(const char *text)
{
    int n = 0;

    if (text[0] == ' ' && isalpha((unsigned char)text[1])) n = 1;
    if (!isalpha((unsigned char)text[n])) return 1;
    while (n < 6 && isalpha((unsigned char)text[n])) n++;
    return n;
}

static int32_t piece_id(const char *text, int n)
{
    uint32_t h = 2166136261u;

    for (int i = 0; i < n; i++) h = (h ^ (uint8_t)text[i]) * 16777619u;
    return (int32_t)(h >> 1);
}

/* Tokens until the detector fires, -1 when it never does. */
static int fires(const char *text, bool characters, int limit)
{
    loop *l = loop_new(characters ? loop_gram(1) : LOOP_GRAM);
    int n_tok = 0, at = -1;

    while (*text) {
        int n = characters ? 1 : next_piece(text);

        n_tok++;
        if (loop_add(l, piece_id(text, n), limit) && at < 0) at = n_tok;
        text += n;
    }
    loop_free(l);
    return at;
}

/* Neither as word pieces nor as characters; as characters a limit still counts
 * word pieces. */
static void never_fires(const char *what, const char *text)
{
    ck_assert_msg(fires(text, false, LIMIT) < 0, "%s fires at token %d", what,
                  fires(text, false, LIMIT));
    ck_assert_msg(fires(text, true, LIMIT) < 0, "%s fires at character %d", what,
                  fires(text, true, LIMIT));
}

static int32_t token(uint64_t seed, int i, int n_vocab)
{
    return (int32_t)(rng_u64(seed, 1, (uint64_t)i) % (uint64_t)n_vocab);
}

START_TEST(exact_cycles_fire_soon_after_the_third_time)
{
    static const int periods[] = { 1, 2, 3, 5, 6, 7, 20, 50, 137, 400, 1000, 2000 };

    for (int k = 0; k < 12; k++)
        for (int lead = 0; lead <= 3000; lead += 1500) {
            int p = periods[k], at = -1;
            loop *l = loop_new(LOOP_GRAM);

            for (int i = 0; i < lead; i++)
                ck_assert(!loop_add(l, token(1, i, 50000), LIMIT));
            for (int i = 0; at < 0 && i < 20000; i++)
                if (loop_add(l, token(2, i % p, 50000), LIMIT)) at = i + 1;
            ck_assert_msg(at > 0 && at <= 2 * p + LIMIT + 30, "period %d: %d", p, at);
            loop_free(l);
        }
}
END_TEST

/* A cycle that says the same phrase twice, so that the last occurrence of a run
 * is not one period back. */
START_TEST(a_cycle_with_repeats_inside_is_still_found)
{
    bytes text = { 0 };

    for (int i = 0; i < 60; i++)
        bytes_add_string(&text, "so the sum is nine and therefore we check again whether "
                         "the sum is nine and since the sum is nine we look once more. ");
    ck_assert_int_gt(fires(text.data, false, LIMIT), 0);
    ck_assert_int_lt(fires(text.data, false, LIMIT), 500);
    ck_assert_int_gt(fires(text.data, true, LIMIT), 0);
    bytes_fini(&text);
}
END_TEST

START_TEST(a_cycle_with_a_counter_is_found)
{
    bytes text = { 0 };

    for (int i = 100; i < 400; i++)
        bytes_add_format(&text, "Attempt number %d did not work either, so let me try "
                         "to think about the problem again from the very start. ", i);
    ck_assert_int_gt(fires(text.data, false, LIMIT), 0);
    ck_assert_int_lt(fires(text.data, false, LIMIT), 2000);
    bytes_fini(&text);
}
END_TEST

START_TEST(a_thought_rephrased_for_ever_is_found)
{
    static const char *const parts[] = {
        "Wait, let me reconsider the problem from the start. ",
        "Hmm, but that is not consistent with the first equation. ",
        "So x must be equal to the value we computed before. ",
        "Let me check this again to be sure that it is right. ",
        "Actually, that gives a contradiction with the second line. ",
    };
    bytes text = { 0 };
    int at;

    for (int i = 0; i < 600; i++)
        bytes_add_string(&text, parts[rng_u64(3, 3, (uint64_t)i) % 5]);
    at = fires(text.data, false, LIMIT);
    ck_assert_msg(at > 0 && at < 2500, "fires at %d", at);
    bytes_fini(&text);
}
END_TEST

START_TEST(one_copy_of_a_long_passage_is_not_a_loop)
{
    loop *l = loop_new(LOOP_GRAM);

    for (int copy = 0; copy < 2; copy++)
        for (int i = 0; i < 1500; i++)
            ck_assert(!loop_add(l, token(4, i, 50000), LIMIT));
    loop_free(l);
}
END_TEST

START_TEST(random_tokens_are_not_a_loop)
{
    for (int n_vocab = 50; n_vocab <= 50000; n_vocab *= 10) {
        loop *l = loop_new(LOOP_GRAM);

        for (int i = 0; i < 30000; i++)
            ck_assert(!loop_add(l, token(5, i, n_vocab), LIMIT));
        loop_free(l);
    }
}
END_TEST

START_TEST(lists_are_not_loops)
{
    bytes text = { 0 };

    for (int i = 1; i <= 300; i++) bytes_add_format(&text, "%d. Item %d\n", i, i);
    never_fires("a numbered list", text.data);
    bytes_clear(&text);
    for (int i = 1; i <= 200; i++) bytes_add_format(&text, "- [ ] Task %d: to do\n", i);
    ck_assert_int_lt(fires(text.data, false, LIMIT), 0);
    bytes_clear(&text);
    for (int i = 0; i < 1000; i++) bytes_add_format(&text, "%d, ", i);
    never_fires("counting", text.data);
    bytes_clear(&text);
    for (int i = 0; i < 1000; i++) bytes_add_format(&text, "%d, ", 7 * i);
    never_fires("multiples", text.data);
    bytes_clear(&text);
    for (int i = 0; i < 2000; i++)
        bytes_add_format(&text, "%d", (int)(rng_u64(6, 1, (uint64_t)i) % 10));
    never_fires("digits", text.data);
    bytes_fini(&text);
}
END_TEST

START_TEST(tables_are_not_loops)
{
    bytes text = { 0 };

    for (int a = 1; a <= 12; a++) {
        for (int b = 1; b <= 12; b++)
            bytes_add_format(&text, "%d x %d = %d\n", a, b, a * b);
        bytes_add_string(&text, "\n");
    }
    never_fires("a multiplication table", text.data);
    bytes_clear(&text);
    bytes_add_string(&text, "| A | B | C | D | E | out |\n|---|---|---|---|---|---|\n");
    for (int i = 0; i < 32; i++) {
        for (int b = 4; b >= 0; b--)
            bytes_add_format(&text, "| %c ", i >> b & 1 ? 'T' : 'F');
        bytes_add_format(&text, "| %c |\n", (i ^ i >> 2) & 1 ? 'T' : 'F');
    }
    never_fires("a truth table", text.data);
    bytes_clear(&text);
    for (int i = 0; i < 60; i++)
        bytes_add_format(&text, "| %s | %d | %d.%02d |\n",
                         i % 3 ? "north" : "south", 2000 + i,
                         (int)(rng_u64(7, 1, (uint64_t)i) % 100),
                         (int)(rng_u64(7, 2, (uint64_t)i) % 100));
    never_fires("a table of numbers", text.data);
    bytes_clear(&text);
    for (int i = 0; i < 9; i++) {
        for (int j = 0; j < 9; j++)
            bytes_add_format(&text, "%d ", (i * 3 + i / 3 + j) % 9 + 1);
        bytes_add_string(&text, "\n");
    }
    never_fires("a number grid", text.data);
    bytes_fini(&text);
}
END_TEST

START_TEST(records_and_code_are_not_loops)
{
    bytes text = { 0 };

    for (int i = 0; i < 100; i++)
        bytes_add_format(&text, "{\"id\": %d, \"name\": \"user%d\", \"age\": %d, "
                         "\"city\": \"%s\"},\n", i, i * 31 % 97, 20 + i * 7 % 50,
                         i % 2 ? "Paris" : "Rome");
    never_fires("records", text.data);
    bytes_clear(&text);
    for (int i = 0; i < 60; i++)
        bytes_add_format(&text, "    if (c == '%c') return TOKEN_%d;\n", 'a' + i % 26, i);
    never_fires("a chain of conditions", text.data);
    bytes_clear(&text);
    for (int i = 0; i < 40; i++)
        bytes_add_format(&text, "def get_%c%d(self):\n    return self._%c%d\n\n",
                         'a' + i % 26, i, 'a' + i % 26, i);
    never_fires("accessors", text.data);
    bytes_clear(&text);
    for (int i = 0; i < 64; i++) {
        for (int j = 0; j < 16; j++)
            bytes_add_format(&text, "0x%02x, ",
                             (unsigned)(rng_u64(8, (uint64_t)i, (uint64_t)j) & 255));
        bytes_add_string(&text, "\n");
    }
    never_fires("a hex dump", text.data);
    bytes_fini(&text);
}
END_TEST

START_TEST(a_search_with_few_words_is_not_a_loop)
{
    bytes text = { 0 };

    /* Countdown: every line is another attempt in the same few symbols. */
    for (int i = 0; i < 150; i++) {
        int a = 2 + (int)(rng_u64(9, 1, (uint64_t)i) % 30);
        int b = 1 + (int)(rng_u64(9, 2, (uint64_t)i) % 30);
        int c = 1 + (int)(rng_u64(9, 3, (uint64_t)i) % 12);

        bytes_add_format(&text, "%d*%d=%d, %d-%d=%d: 30-; ", a, b, a * b, a * b, c,
                         a * b - c);
    }
    never_fires("a search", text.data);
    bytes_fini(&text);
}
END_TEST

/* Unescapes just enough JSON to look like the text it stands for. */
static void add_unescaped(bytes *out, const char *line)
{
    for (; *line; line++) {
        if (line[0] == '\\' && line[1] == 'n') bytes_add_char(out, '\n'), line++;
        else if (line[0] == '\\' && line[1]) bytes_add_char(out, *++line);
        else bytes_add_char(out, *line);
    }
}

/* Every solution of a set of school problems, singly, as a thought would be. */
START_TEST(worked_solutions_are_not_loops)
{
    FILE *f = fopen("../shared/data/gsm8k/train.jsonl", "r");
    static char line[1 << 16];
    bytes text = { 0 };
    int n_line = 0, n_pieces = 0, n_chars = 0;

    if (!f) {
        printf("skipped: no ../shared/data/gsm8k/train.jsonl\n");
        return;
    }
    while (fgets(line, sizeof line, f)) {
        bytes_clear(&text);
        add_unescaped(&text, line);
        n_pieces += fires(text.data, false, 64) >= 0;
        n_chars += fires(text.data, true, 64) >= 0;
        n_line++;
    }
    fclose(f);
    bytes_fini(&text);
    /* At a quarter of the usual limit. */
    ck_assert_int_gt(n_line, 1000);
    ck_assert_int_eq(n_pieces, 0);
    ck_assert_int_eq(n_chars, 0);
}
END_TEST

START_TEST(a_copy_and_a_reset_behave_as_they_should)
{
    loop *a = loop_new(LOOP_GRAM), *b;
    int at = 0;

    for (int i = 0; i < 200; i++) ck_assert(!loop_add(a, 7, LIMIT));
    b = loop_copy(a);
    while (!loop_add(a, 7, LIMIT)) at++;
    for (int i = 0; i < at; i++) ck_assert(!loop_add(b, 7, LIMIT));
    ck_assert(loop_add(b, 7, LIMIT));
    loop_reset(b);
    for (int i = 0; i < LIMIT; i++) ck_assert(!loop_add(b, 7, LIMIT));
    loop_free(a);
    loop_free(b);
    loop_free(NULL);
}
END_TEST

START_TEST(the_gram_grows_as_tokens_shrink)
{
    ck_assert_int_eq(loop_gram(6.5), LOOP_GRAM);
    ck_assert_int_eq(loop_gram(4), LOOP_GRAM);
    ck_assert_int_eq(loop_gram(2), 12);
    ck_assert_int_eq(loop_gram(1), LOOP_MAX_GRAM);
    ck_assert_int_eq(loop_gram(0.5), LOOP_MAX_GRAM);
    ck_assert_int_eq(loop_gram(0), LOOP_GRAM);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loop");
    TCase *tc = tcase_create("loop");
    SRunner *sr = srunner_create(suite);
    int n_failed;

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, exact_cycles_fire_soon_after_the_third_time);
    tcase_add_test(tc, a_cycle_with_repeats_inside_is_still_found);
    tcase_add_test(tc, a_cycle_with_a_counter_is_found);
    tcase_add_test(tc, a_thought_rephrased_for_ever_is_found);
    tcase_add_test(tc, one_copy_of_a_long_passage_is_not_a_loop);
    tcase_add_test(tc, random_tokens_are_not_a_loop);
    tcase_add_test(tc, lists_are_not_loops);
    tcase_add_test(tc, tables_are_not_loops);
    tcase_add_test(tc, records_and_code_are_not_loops);
    tcase_add_test(tc, a_search_with_few_words_is_not_a_loop);
    tcase_add_test(tc, worked_solutions_are_not_loops);
    tcase_add_test(tc, a_copy_and_a_reset_behave_as_they_should);
    tcase_add_test(tc, the_gram_grows_as_tokens_shrink);
    suite_add_tcase(suite, tc);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
