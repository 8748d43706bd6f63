/* test_tally.c - incremental counts against counting from scratch. */
#include "decode/tally.h"

#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

static const tally_entry *find(const tally *t, int32_t id)
{
    for (int i = 0; i < t->n_entry; i++)
        if (t->entries[i].id == id) return &t->entries[i];
    return NULL;
}

static void check_counts(const tally *t, const int32_t *ids, int n_prompt, int n,
                         int n_vocab)
{
    for (int32_t id = 0; id < n_vocab; id++) {
        const tally_entry *e = find(t, id);
        int n_window = 0, n_output = 0;

        for (int i = 0; i < n; i++) {
            if (ids[i] != id) continue;
            if (t->window < 0 || i >= n - t->window) n_window++;
            if (i >= n_prompt) n_output++;
        }
        ck_assert_int_eq(e ? e->n_window : 0, n_window);
        ck_assert_int_eq(e ? e->n_output : 0, n_output);
    }
}

START_TEST(counts_equal_those_of_a_full_walk)
{
    static const int windows[] = { -1, 0, 1, 2, 7, 64, 1000 };

    for (int k = 0; k < 7; k++)
        for (int n_prompt = 0; n_prompt <= 200; n_prompt += 67) {
            int32_t ids[500];
            tally t;

            for (int i = 0; i < 500; i++)
                ids[i] = (int32_t)(rng_u64(1, (uint64_t)k, (uint64_t)i) % 90);
            tally_init(&t, windows[k]);
            tally_prompt(&t, ids, n_prompt);
            for (int i = n_prompt; i < 500; i++) {
                if (i % 50 == 0) check_counts(&t, ids, n_prompt, i, 90);
                tally_add(&t, ids[i]);
            }
            check_counts(&t, ids, n_prompt, 500, 90);
            tally_fini(&t);
        }
}
END_TEST

START_TEST(many_distinct_tokens_are_all_found_again)
{
    tally t;

    tally_init(&t, -1);
    for (int round = 0; round < 3; round++)
        for (int32_t id = 0; id < 20000; id++) tally_add(&t, id * 7);
    ck_assert_int_eq(t.n_entry, 20000);
    for (int i = 0; i < t.n_entry; i++) ck_assert_int_eq(t.entries[i].n_output, 3);
    tally_fini(&t);
}
END_TEST

START_TEST(a_copy_goes_its_own_way)
{
    tally a, b;

    tally_init(&a, 3);
    tally_prompt(&a, (const int32_t[]){ 1, 2, 3, 4 }, 4);
    tally_copy(&b, &a);
    tally_add(&b, 9);
    tally_add(&a, 8);
    ck_assert(!find(&a, 9) && find(&a, 8)->n_output == 1);
    ck_assert(!find(&b, 8) && find(&b, 9)->n_output == 1);
    ck_assert_int_eq(find(&b, 2)->n_window, 0);
    ck_assert_int_eq(find(&b, 4)->n_window, 1);
    tally_fini(&a);
    tally_fini(&b);
    tally_fini(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tally");
    TCase *tc = tcase_create("tally");
    SRunner *sr = srunner_create(suite);
    int n_failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, counts_equal_those_of_a_full_walk);
    tcase_add_test(tc, many_distinct_tokens_are_all_found_again);
    tcase_add_test(tc, a_copy_goes_its_own_way);
    suite_add_tcase(suite, tc);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
