/* test_normalize.c - normalisation form C. */
#include "token/internal.h"

#include "support/random_text.h"

#include <check.h>       /* last: it has a macro named fail */

static void check(const char *in, const char *want)
{
    bytes out = { 0 };
    bool changed = normalize_nfc(&out, in, strlen(in));

    if (changed) ck_assert_str_eq(out.data, want);
    else ck_assert_str_eq(in, want);
    bytes_fini(&out);
}

START_TEST(marks_join_their_letters)
{
    check("e\xCC\x81", "\xC3\xA9");                              /* e + acute */
    check("caf\xC3\xA9", "caf\xC3\xA9");
    check("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C");   /* jamo: han */
    check("\xED\x95\x98\xE1\x86\xAB", "\xED\x95\x9C");           /* ha + n */
}
END_TEST

START_TEST(singletons_become_their_equal)
{
    check("\xE2\x84\xAB", "\xC3\x85");                           /* angstrom sign */
    check("\xEF\xA4\x80", "\xE8\xB1\x88");                       /* U+F900 */
    check("\xE2\x84\xA6", "\xCE\xA9");                           /* ohm sign */
}
END_TEST

START_TEST(compatibility_forms_stay)
{
    check("\xEF\xAC\x81\xC2\xB2\xEF\xBC\xA1", "\xEF\xAC\x81\xC2\xB2\xEF\xBC\xA1");
}
END_TEST

START_TEST(marks_are_put_in_canonical_order)
{
    /* q, dot above (230), dot below (220): the lower class first. */
    check("q\xCC\x87\xCC\xA3", "q\xCC\xA3\xCC\x87");
    /* s, dot above, dot below: composes through both. */
    check("s\xCC\x87\xCC\xA3", "\xE1\xB9\xA9");
    /* A mark of the same class blocks the one behind it. */
    check("a\xCC\x80\xCC\x81", "\xC3\xA0\xCC\x81");
}
END_TEST

START_TEST(text_in_the_form_is_left_alone)
{
    bytes out = { 0 };

    ck_assert(!normalize_nfc(&out, "plain \xE4\xB8\x96\xED\x95\x9C\xC3\xA9", 13));
    ck_assert(!normalize_nfc(&out, "", 0));
    ck_assert(!normalize_nfc(&out, "\xFF\xCC", 2));
    ck_assert_uint_eq(out.len, 0);
    bytes_fini(&out);
}
END_TEST

START_TEST(broken_bytes_are_kept_and_part_the_text)
{
    check("e\xFF\xCC\x81", "e\xFF\xCC\x81");
    check("\xC3" "e\xCC\x81\xE4\xB8", "\xC3\xC3\xA9\xE4\xB8");
}
END_TEST

START_TEST(normalising_twice_changes_nothing)
{
    bytes text = { 0 }, once = { 0 }, twice = { 0 };
    int changed = 0;

    for (int i = 0; i < 2000; i++) {
        random_text(&text, 11, (uint64_t)i);
        bytes_clear(&once);
        bytes_clear(&twice);
        if (!normalize_nfc(&once, text.data, text.len)) continue;
        changed += once.len != text.len || memcmp(once.data, text.data, text.len);
        if (!normalize_nfc(&twice, once.data, once.len)) continue;
        ck_assert_uint_eq(twice.len, once.len);
        ck_assert(memcmp(twice.data, once.data, once.len) == 0);
    }
    ck_assert_int_gt(changed, 100);
    bytes_fini(&text);
    bytes_fini(&once);
    bytes_fini(&twice);
}
END_TEST

START_TEST(a_megabyte_of_marks_in_the_wrong_order_is_sorted_in_linear_time)
{
    bytes in = { 0 }, out = { 0 };

    /* With a sort of neighbours this is 6e10 swaps, and the test times out. */
    bytes_add_char(&in, 'q');
    for (int i = 0; i < 250000; i++) bytes_add(&in, "\xCC\x87\xCC\xA3", 4);
    ck_assert(normalize_nfc(&out, in.data, in.len));
    ck_assert_uint_eq(out.len, in.len);
    ck_assert(memcmp(out.data + 1, "\xCC\xA3\xCC\xA3", 4) == 0);
    ck_assert(memcmp(out.data + out.len - 4, "\xCC\x87\xCC\x87", 4) == 0);
    bytes_fini(&in);
    bytes_fini(&out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("normalize");
    TCase *c = tcase_create("normalize");
    SRunner *r;
    int failed;

    tcase_set_timeout(c, 60);
    tcase_add_test(c, marks_join_their_letters);
    tcase_add_test(c, singletons_become_their_equal);
    tcase_add_test(c, compatibility_forms_stay);
    tcase_add_test(c, marks_are_put_in_canonical_order);
    tcase_add_test(c, text_in_the_form_is_left_alone);
    tcase_add_test(c, broken_bytes_are_kept_and_part_the_text);
    tcase_add_test(c, normalising_twice_changes_nothing);
    tcase_add_test(c, a_megabyte_of_marks_in_the_wrong_order_is_sorted_in_linear_time);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
