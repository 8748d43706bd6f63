/* test_serve.c - ponder serve, as a user starts and ends it. */
#include "support/program.h"

START_TEST(it_serves_the_named_model_and_drains_on_sigterm)
{
    int code = sh("\"$P\" serve -m bird=\"$MODEL\" --port 0 --no-data --drain 5 2>%s/log >%s/where &"
                  " pid=$!; for i in $(seq 600); do grep -q http %s/where && break; sleep 0.1; done;"
                  " cat %s/where; url=$(sed 's/.* //' %s/where);"
                  " python3 -c 'import sys,urllib.request as u;"
                  " print(u.urlopen(sys.argv[1]+\"/models\").read().decode())' \"$url\";"
                  " kill -TERM $pid; wait $pid", home, home, home, home, home);

    ck_assert_msg(code == EXIT_FINE, "%d: %s %s", code, out.data, err_out.data);
    CHECK_SAYS(&out, "Serving bird at http://127.0.0.1:");
    CHECK_SAYS(&out, "\"id\":\"bird\"");
    CHECK_SAYS(&out, "\"id\":\"o1\"");
}
END_TEST

START_TEST(trouble_is_told_in_one_line)
{
    ck_assert_int_eq(sh("\"$P\" serve -m nowhere-at-all --no-data --port 0"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "ponder serve: ");
    ck_assert_int_eq(sh("\"$P\" serve -m \"$MODEL\" --no-data --port 0 --alias o1=zebra"),
                     EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "no model is called zebra");
    ck_assert_int_eq(sh("\"$P\" serve --port 70000"), EXIT_USAGE);
    ck_assert_int_eq(sh("\"$P\" serve --data x --no-data"), EXIT_USAGE);
    ck_assert_int_eq(sh("\"$P\" serve --help"), EXIT_FINE);
    CHECK_SAYS(&out, "usage: ponder serve");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serve");
    TCase *tc = tcase_create("serve");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 180);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, it_serves_the_named_model_and_drains_on_sigterm);
    tcase_add_test(tc, trouble_is_told_in_one_line);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
