/* test_report.c - the page is whole, needs nothing else and escapes everything. */
#include "train/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "wellformed.h"

#include <check.h>

#define EVIL "\"'></td></table><script src=\"http://x/\">&amp;\x03\xfe</script>"
#define SAFE "&quot;&#39;&gt;&lt;/td&gt;&lt;/table&gt;&lt;script src=&quot;http://x/&quot;&gt;" \
             "&amp;amp;"

static bytes page_of(const report *r)
{
    bytes b = { 0 };

    report_html(r, &b);
    ck_assert_well_formed(&b);
    ck_assert(!strncmp(b.data, "<!DOCTYPE html>\n<html lang=\"en\">", 32));
    ck_assert_ptr_null(strstr(b.data, "<script"));
    ck_assert_ptr_null(strstr(b.data, "(null)"));
    return b;
}

static json_t *parsed(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);

    ck_assert_ptr_nonnull(value);
    return value;
}

START_TEST(an_empty_report_is_a_page)
{
    report *r = report_new(NULL);
    bytes b = page_of(r);

    ck_assert_ptr_nonnull(strstr(b.data, "<title></title>"));
    bytes_fini(&b);
    report_free(r);
    report_free(NULL);
}
END_TEST

START_TEST(every_text_is_escaped)
{
    const char *columns[] = { EVIL, "n" }, *cells[] = { EVIL, "1", NULL, EVIL };
    report_rollout rollout = { EVIL, EVIL, EVIL, 0.5, EVIL };
    report *r = report_new(EVIL);
    json_t *config = json_object();
    chart_point p[] = { { 1, 1, 0, 2 }, { 2, 1, 0, 2 } };
    chart_series s = { .name = EVIL, .points = p, .n = 2 };
    chart c = { .title = EVIL, .x_label = EVIL, .y_label = EVIL, .series = &s, .n_series = 1 };
    bytes b;

    json_object_set_new(config, "<k>&", json_string("</td><b>"));
    json_object_set_new(config, "list", json_pack("[s, i]", "</td>", 3));
    report_heading(r, EVIL);
    report_paragraph(r, EVIL);
    report_facts(r, config);
    report_table(r, columns, 2, cells, 2);
    report_chart(r, &c);
    report_rollouts(r, &rollout, 1);
    b = page_of(r);
    /* title twice, heading, paragraph, three cells, four of the rollout, chart */
    ck_assert_int_ge(count_of(b.data, SAFE), 12);
    ck_assert_ptr_nonnull(strstr(b.data, "&lt;k&gt;&amp;"));
    ck_assert_ptr_null(strstr(b.data, "<b>"));
    bytes_fini(&b);
    json_decref(config);
    report_free(r);
}
END_TEST

START_TEST(the_page_asks_for_nothing_from_elsewhere)
{
    static const char *const ways[] = { " src=", " href=", "url(", "@import", "<link", "<img",
                                        "<iframe", "xlink" };
    report *r = report_new("t");
    json_t *rows = parsed("[{\"step\":1,\"loss\":2},{\"step\":2,\"loss\":1}]");
    bytes b;

    report_metrics(r, rows);
    b = page_of(r);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        ck_assert_msg(!strstr(b.data, ways[i]), "%s", ways[i]);
    ck_assert_int_eq(count_of(b.data, "http"), 1);           /* the name of SVG */
    bytes_fini(&b);
    json_decref(rows);
    report_free(r);
}
END_TEST

START_TEST(sections_stand_in_the_order_they_were_added)
{
    const char *columns[] = { "name", "score" }, *cells[] = { "one", "12.5%", "two", NULL };
    report *r = report_new("t");
    const char *first, *second, *third;
    bytes b;

    report_heading(r, "Heading one");
    report_table(r, columns, 2, cells, 2);
    report_paragraph(r, "and then");
    b = page_of(r);
    first = strstr(b.data, "<h2>Heading one</h2>");
    second = strstr(b.data, "<td>one</td><td class=\"n\">12.5%</td>");
    third = strstr(b.data, "<p>and then</p>");
    ck_assert(first && second && third && first < second && second < third);
    ck_assert_ptr_nonnull(strstr(b.data, "<td>two</td><td></td>"));
    bytes_fini(&b);
    report_free(r);
}
END_TEST

START_TEST(facts_join_inner_keys_by_dots)
{
    static const char *const lines[] = {
        "<th>method</th><td>rl</td>",
        "<th>rate.peak</th><td>0.0003</td>",
        "<th>rate.kind.deep</th><td>true</td>",
        "<th>tasks</th><td>[&quot;a&quot;, 2]</td>",
        "<th>none</th><td>null</td>",
        "<th>empty</th><td>{}</td>",
    };
    json_t *config = parsed("{\"method\":\"rl\",\"tasks\":[\"a\",2],\"none\":null,\"empty\":{},"
                            "\"rate\":{\"peak\":3e-4,\"kind\":{\"deep\":true}}}");
    report *r = report_new("t");
    bytes b;

    report_facts(r, config);
    b = page_of(r);
    for (int i = 0; i < 6; i++)
        ck_assert_msg(strstr(b.data, lines[i]) != NULL, "%s in %s", lines[i], b.data);
    bytes_fini(&b);
    json_decref(config);
    report_free(r);
}
END_TEST

START_TEST(a_curve_takes_the_rows_that_have_its_field)
{
    json_t *rows = parsed("[{\"step\":0,\"loss\":4},{\"step\":1,\"eval\":{\"score\":0.5}},"
                          "{\"step\":1,\"loss\":3.5},{\"step\":2,\"loss\":\"text\"},"
                          "{\"step\":3,\"loss\":2,\"eval\":{\"score\":0.75}}]");
    report_curve curve = { .title = "Loss", .y_label = "loss", .y_unit = "nats",
                           .fields = { "loss", "absent", "eval.score" } };
    report_curve none = { .title = "None", .fields = { "absent" } };
    report *r = report_new("t");
    bytes b;

    ck_assert(report_metric(r, rows, &curve));
    ck_assert(!report_metric(r, rows, &none));
    b = page_of(r);
    ck_assert_int_eq(count_of(b.data, "<svg"), 1);
    ck_assert_ptr_nonnull(strstr(b.data, ">loss (nats)<"));
    /* three points and the legend; two points and the legend */
    ck_assert_int_eq(count_of(b.data, "<circle"), 4);
    ck_assert_int_eq(count_of(b.data, "class=\"pc-f1\" d"), 3);
    ck_assert_ptr_nonnull(strstr(b.data, "loss, 3: 2<"));
    ck_assert_ptr_nonnull(strstr(b.data, "eval.score, 3: 0.75<"));
    bytes_fini(&b);
    json_decref(rows);
    report_free(r);
}
END_TEST

START_TEST(long_curves_are_averaged_and_keep_their_extremes)
{
    json_t *rows = json_array();
    report_curve curve = { .title = "t", .fields = { "x" } };
    report *r = report_new("t");
    bytes b;

    for (int i = 0; i < 10000; i++)
        json_array_append_new(rows, json_pack("{s:i, s:f}", "step", i, "x",
                                              i == 5000 ? 100.0 : sin(i)));
    report_metric(r, rows, &curve);
    b = page_of(r);
    ck_assert_uint_lt(b.len, 40000);
    ck_assert_int_eq(count_of(b.data, "fill-opacity"), 1);
    ck_assert_ptr_nonnull(strstr(b.data, ">100<"));          /* a tick for the peak */
    ck_assert_int_eq(count_of(b.data, "<circle"), 0);
    bytes_fini(&b);
    json_decref(rows);
    report_free(r);
}
END_TEST

START_TEST(every_numeric_field_gets_a_chart_up_to_a_bound)
{
    json_t *rows = parsed("[{\"step\":0,\"kind\":\"train\",\"loss\":4,\"lr\":0.1},"
                          "{\"step\":1,\"kind\":\"eval\",\"in\":{\"score\":0.5,\"ok\":true}}]");
    report *r = report_new("t");
    json_t *wide = json_object();
    bytes b;

    report_metrics(r, rows);
    b = page_of(r);
    ck_assert_int_eq(count_of(b.data, "<svg"), 3);
    ck_assert_ptr_nonnull(strstr(b.data, "<title>in.score</title>"));
    ck_assert_ptr_null(strstr(b.data, "<title>step</title>"));
    bytes_fini(&b);
    report_free(r);

    r = report_new("t");
    for (int i = 0; i < 300; i++) {
        char key[16];

        snprintf(key, sizeof key, "k%d", i);
        json_object_set_new(wide, key, json_integer(i));
    }
    json_object_set_new(wide, "step", json_integer(1));
    json_array_append_new(rows, wide);
    report_metrics(r, rows);
    b = page_of(r);
    ck_assert_int_eq(count_of(b.data, "<svg"), 64);
    bytes_fini(&b);
    json_decref(rows);
    report_free(r);
}
END_TEST

START_TEST(a_long_thought_is_folded_and_whole)
{
    report *r = report_new("t");
    char thought[3000];
    report_rollout rollouts[2] = { { "2+2?", thought, "4", 1, NULL },
                                   { "3+3?", NULL, "7", -0.5, "6 is right" } };
    bytes b;

    for (int i = 0; i < 2999; i++) thought[i] = (char)('a' + i % 26);
    thought[2999] = 0;
    report_rollouts(r, rollouts, 2);
    b = page_of(r);
    ck_assert_int_eq(count_of(b.data, "<details>"), 1);
    ck_assert_ptr_nonnull(strstr(b.data, thought));
    ck_assert_ptr_nonnull(strstr(b.data, "<td class=\"n\">\xe2\x88\x92" "0.5</td>"));
    ck_assert_ptr_nonnull(strstr(b.data, ">6 is right<"));
    bytes_fini(&b);
    report_free(r);
}
END_TEST

START_TEST(the_page_is_written_in_one_piece)
{
    char path[] = "/tmp/ponder-report-XXXXXX";
    int fd = mkstemp(path);
    report *r = report_new("t");
    bytes b = { 0 }, want = page_of(r);
    errtext err;

    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(report_write(r, path, &err), OK);
    ck_assert_int_eq(file_read(&b, path, 1 << 20, &err), OK);
    ck_assert_str_eq(b.data, want.data);
    unlink(path);
    ck_assert_int_eq(report_write(r, "/nowhere/report.html", &err), E_IO);
    bytes_fini(&b);
    bytes_fini(&want);
    report_free(r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("report");
    TCase *t = tcase_create("report");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, an_empty_report_is_a_page);
    tcase_add_test(t, every_text_is_escaped);
    tcase_add_test(t, the_page_asks_for_nothing_from_elsewhere);
    tcase_add_test(t, sections_stand_in_the_order_they_were_added);
    tcase_add_test(t, facts_join_inner_keys_by_dots);
    tcase_add_test(t, a_curve_takes_the_rows_that_have_its_field);
    tcase_add_test(t, long_curves_are_averaged_and_keep_their_extremes);
    tcase_add_test(t, every_numeric_field_gets_a_chart_up_to_a_bound);
    tcase_add_test(t, a_long_thought_is_folded_and_whole);
    tcase_add_test(t, the_page_is_written_in_one_piece);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
