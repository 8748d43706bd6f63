/* test_segment.c - lists of trusted and plain pieces. */
#include "token/segment.h"

#include <string.h>

#include <check.h>

START_TEST(neighbours_of_one_kind_are_joined)
{
    segments s = { 0 };

    segments_trusted(&s, "<|im_");
    segments_trusted_bytes(&s, "end|>xx", 5);
    segments_plain(&s, "a", 1);
    segments_plain(&s, "bc", 2);
    segments_trusted(&s, "z");
    ck_assert_int_eq(s.n, 3);
    ck_assert(s.items[0].trusted && !s.items[1].trusted && s.items[2].trusted);
    ck_assert_str_eq(s.items[0].text, "<|im_end|>");
    ck_assert_str_eq(s.items[1].text, "abc");
    ck_assert_uint_eq(s.items[1].len, 3);
    segments_fini(&s);
}
END_TEST

START_TEST(empty_pieces_leave_no_segment)
{
    segments s = { 0 };

    segments_trusted(&s, "");
    segments_plain(&s, NULL, 0);
    ck_assert_int_eq(s.n, 0);
    segments_trusted(&s, "a");
    segments_plain(&s, "", 0);
    segments_trusted(&s, "b");
    ck_assert_int_eq(s.n, 1);
    ck_assert_str_eq(s.items[0].text, "ab");
    segments_fini(&s);
}
END_TEST

START_TEST(nul_bytes_are_kept)
{
    segments s = { 0 };

    segments_plain(&s, "a\0b", 3);
    segments_plain(&s, "\0", 1);
    ck_assert_uint_eq(s.items[0].len, 4);
    ck_assert(memcmp(s.items[0].text, "a\0b\0", 4) == 0);
    segments_fini(&s);
}
END_TEST

START_TEST(many_segments_grow_the_list)
{
    segments s = { 0 };

    for (int i = 0; i < 500; i++) {
        segments_trusted(&s, "t");
        segments_plain(&s, "p", 1);
    }
    ck_assert_int_eq(s.n, 1000);
    segments_fini(&s);
    ck_assert(s.items == NULL && s.n == 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("segment");
    TCase *c = tcase_create("segment");
    SRunner *r;
    int failed;

    tcase_set_timeout(c, 60);
    tcase_add_test(c, neighbours_of_one_kind_are_joined);
    tcase_add_test(c, empty_pieces_leave_no_segment);
    tcase_add_test(c, nul_bytes_are_kept);
    tcase_add_test(c, many_segments_grow_the_list);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
