/* Sequences as rows: what predicts what, and what is shared. */
#include <stdlib.h>

#include "train/pack.h"

#include <check.h>

static const int32_t ids[40] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
                                 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34,
                                 35, 36, 37, 38, 39 };

/* Every target's row holds the token before it. */
static void check_targets(const pack *p)
{
    for (int i = 0; i < p->n_target; i++) {
        ck_assert_int_lt(p->targets[i].row, p->n_row);
        ck_assert_int_eq(p->ids[p->targets[i].row], p->targets[i].id - 1);
        ck_assert_int_eq(p->place[i], p->targets[i].id);
    }
}

START_TEST(a_sequence_needs_no_row_for_its_last_token)
{
    pack p;

    pack_init(&p, 64);
    ck_assert(pack_add(&p, ids, 10, 4, 7));
    ck_assert_int_eq(p.n_row, 9);
    ck_assert_int_eq(p.n_target, 6);
    ck_assert_int_eq(p.targets[0].id, 4);
    ck_assert_int_eq(p.origin[5], 7);
    check_targets(&p);
    pack_fini(&p);
}
END_TEST

START_TEST(what_does_not_fit_is_left_out_whole)
{
    pack p;

    pack_init(&p, 16);
    ck_assert(pack_add(&p, ids, 10, 1, 0));
    ck_assert(!pack_add(&p, ids, 9, 1, 1));
    ck_assert_int_eq(p.n_row, 9);
    ck_assert_int_eq(p.n_run, 1);
    ck_assert(pack_add(&p, ids, 8, 1, 1));
    pack_fini(&p);
}
END_TEST

START_TEST(completions_share_whole_pages_of_their_prompt)
{
    pack p;

    pack_init(&p, 128);
    ck_assert(pack_prompt(&p, ids, 20));
    ck_assert(pack_completion(&p, ids, 20, 30, NULL, 0));
    ck_assert(pack_completion(&p, ids, 20, 40, NULL, 1));
    ck_assert_int_eq(p.n_run, 3);
    ck_assert_int_eq(p.runs[0].n_row, 16);
    ck_assert_int_eq(p.runs[1].first_pos, 16);
    ck_assert_int_eq(p.runs[1].parent, 0);
    ck_assert_int_eq(p.runs[1].n_row, 13);
    ck_assert_int_eq(p.runs[2].parent, 0);
    ck_assert_int_eq(p.n_target, 30);
    check_targets(&p);
    pack_fini(&p);
}
END_TEST

START_TEST(a_prompt_that_ends_with_a_page_leaves_its_last_token_to_the_completion)
{
    pack p;

    pack_init(&p, 128);
    ck_assert(pack_prompt(&p, ids, 16));
    ck_assert_int_eq(p.n_run, 0);
    ck_assert(pack_completion(&p, ids, 16, 18, NULL, 0));
    ck_assert_int_eq(p.runs[0].first_pos, 0);
    ck_assert_int_eq(p.runs[0].parent, -1);
    check_targets(&p);
    pack_fini(&p);
}
END_TEST

START_TEST(forced_tokens_are_rows_but_no_targets)
{
    uint8_t wanted[30] = { 0 };
    pack p;

    wanted[21] = wanted[29] = 1;
    pack_init(&p, 128);
    ck_assert(pack_prompt(&p, ids, 20));
    ck_assert(pack_completion(&p, ids, 20, 30, wanted, 3));
    ck_assert_int_eq(p.n_target, 2);
    ck_assert_int_eq(p.targets[0].id, 21);
    ck_assert_int_eq(p.targets[1].id, 29);
    check_targets(&p);
    pack_fini(&p);
}
END_TEST

START_TEST(a_cleared_pack_shares_nothing)
{
    pack p;

    pack_init(&p, 64);
    ck_assert(pack_prompt(&p, ids, 20));
    pack_clear(&p);
    ck_assert(pack_prompt(&p, ids, 10));
    ck_assert(pack_completion(&p, ids, 10, 12, NULL, 0));
    ck_assert_int_eq(p.runs[0].parent, -1);
    check_targets(&p);
    pack_fini(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pack");
    TCase *t = tcase_create("all");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, a_sequence_needs_no_row_for_its_last_token);
    tcase_add_test(t, what_does_not_fit_is_left_out_whole);
    tcase_add_test(t, completions_share_whole_pages_of_their_prompt);
    tcase_add_test(t, a_prompt_that_ends_with_a_page_leaves_its_last_token_to_the_completion);
    tcase_add_test(t, forced_tokens_are_rows_but_no_targets);
    tcase_add_test(t, a_cleared_pack_shares_nothing);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
