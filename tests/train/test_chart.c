/* test_chart.c - what is drawn, where, and that no label breaks out. */
#include "train/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "train/axis.h"
#include "train/markup.h"
#include "wellformed.h"

#include <check.h>

#define NO_BAR NAN, NAN

static bytes drawn(const chart *c)
{
    bytes b = { 0 };

    chart_svg(c, &b);
    ck_assert_well_formed(&b);
    ck_assert(!strstr(b.data, "nan") && !strstr(b.data, "inf"));
    return b;
}

START_TEST(text_is_escaped_whatever_it_holds)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "a < b & c > \"d\" 'e'", "a &lt; b &amp; c &gt; &quot;d&quot; &#39;e&#39;" },
        { "</svg><script>x</script>", "&lt;/svg&gt;&lt;script&gt;x&lt;/script&gt;" },
        { "\x01\x08\x1f\t\n\r", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\t\n&#13;" },
        { "\xff\xc0\x80 \xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd"
                                       "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xef\xbf\xbe\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\xc3\xa9\xf0\x9f\x98\x80]]>", "\xc3\xa9\xf0\x9f\x98\x80]]&gt;" },
        { "", "" },
    };
    bytes b = { 0 };

    bytes_add_string(&b, "");
    markup_add(&b, cases[_i].in);
    ck_assert_str_eq(b.data ? b.data : "", cases[_i].out);
    bytes_fini(&b);
}
END_TEST

START_TEST(a_cut_text_keeps_whole_characters)
{
    bytes b = { 0 };

    markup_add_cut(&b, "&\xc3\xa9<>", 4);
    ck_assert_str_eq(b.data, "&amp;\xc3\xa9&lt;&gt;");
    bytes_clear(&b);
    markup_add_cut(&b, "&\xc3\xa9<>x", 4);
    ck_assert_str_eq(b.data, "&amp;\xc3\xa9&lt;\xe2\x80\xa6");
    bytes_clear(&b);
    markup_add_cut(&b, "ab", 1);
    ck_assert_str_eq(b.data, "\xe2\x80\xa6");
    bytes_clear(&b);
    markup_add(&b, NULL);
    ck_assert_uint_eq(b.len, 0);
    bytes_fini(&b);
}
END_TEST

START_TEST(numbers_are_written_as_a_person_would)
{
    static const struct {
        double x;
        const char *text;
    } cases[] = {
        { 0, "0" }, { -0.0, "0" }, { 4096, "4096" }, { 1048576, "1048576" }, { 0.25, "0.25" },
        { 2e7, "2e7" }, { 1.5e-7, "1.5e-7" }, { -3, "\xe2\x88\x92" "3" }, { 1e100, "1e100" },
        { 0.123456, "0.1235" }, { -1.5e-12, "\xe2\x88\x92" "1.5e-12" }, { 1e-300, "1e-300" },
    };
    char text[24];

    axis_number(text, cases[_i].x, 4);
    ck_assert_str_eq(text, cases[_i].text);
}
END_TEST

/* At least two and not too many, ascending, in range, no text twice. */
static void check_axis(const axis *a)
{
    ck_assert_int_ge(a->n_tick, 2);
    ck_assert_int_le(a->n_tick, 14);
    for (int i = 0; i < a->n_tick; i++) {
        ck_assert(a->ticks[i].pixel > -0.001 && a->ticks[i].pixel < 1000.001);
        ck_assert(a->ticks[i].text[0]);
        if (!i) continue;
        ck_assert_double_gt(a->ticks[i].pixel, a->ticks[i - 1].pixel + 10);
        ck_assert_str_ne(a->ticks[i].text, a->ticks[i - 1].text);
    }
}

START_TEST(every_range_has_ticks_that_can_be_told_apart)
{
    rng r = { .seed = 5, .stream = (uint64_t)_i };

    for (int k = 0; k < 4000; k++) {
        double size = pow(10, rng_between(&r, -290, 290));
        double low, high;
        axis a;

        if (k % 2) size = pow(10, rng_between(&r, -6, 9));
        low = size * (rng_uniform(5, 100, (uint64_t)k) - (_i ? 0 : 0.5));
        high = low + size * pow(10, -7 * rng_uniform(5, 101, (uint64_t)k)) *
                         rng_uniform(5, 102, (uint64_t)k);
        if (_i && !(low > 0)) continue;
        if (k % 17 == 0) high = low;
        axis_init(&a, (chart_scale)_i, low, high, k % 3 > 0, _i == 0 && k % 5 == 0, 0, 1000);
        check_axis(&a);
        ck_assert(a.low <= a.high);
        ck_assert_double_ge(axis_pixel(&a, low), -0.01);
        ck_assert_double_le(axis_pixel(&a, high), 1000.01);
    }
}
END_TEST

static void check_ticks(const axis *a, const char *want)
{
    bytes b = { 0 };

    for (int i = 0; i < a->n_tick; i++)
        bytes_add_format(&b, "%s%s", i ? " " : "", a->ticks[i].text);
    ck_assert_str_eq(b.data, want);
    bytes_fini(&b);
}

START_TEST(ticks_are_round_numbers_and_powers)
{
    axis a;

    axis_init(&a, CHART_LINEAR, 0, 5000, false, false, 0, 500);
    check_ticks(&a, "0 1000 2000 3000 4000 5000");
    ck_assert(a.ticks[1].pixel == 100);
    axis_init(&a, CHART_LINEAR, -0.25, 0.5, false, false, 0, 100);
    check_ticks(&a, "\xe2\x88\x92" "0.2 \xe2\x88\x92" "0.1 0 0.1 0.2 0.3 0.4 0.5");
    axis_init(&a, CHART_LINEAR, 0, 1, false, true, 0, 100);
    check_ticks(&a, "0% 20% 40% 60% 80% 100%");
    axis_init(&a, CHART_LOG2, 1, 1024, false, false, 0, 100);
    check_ticks(&a, "1 4 16 64 256 1024");
    ck_assert_double_eq_tol(a.ticks[2].pixel, 40, 1e-9);
    axis_init(&a, CHART_LOG2, 0.25, 16, false, false, 0, 100);
    check_ticks(&a, "0.25 0.5 1 2 4 8 16");
    axis_init(&a, CHART_LOG2, 5, 7, true, false, 0, 100);
    check_ticks(&a, "4 8");
    axis_init(&a, CHART_LOG10, 1, 100, false, false, 0, 100);
    check_ticks(&a, "1 2 5 10 20 50 100");
    axis_init(&a, CHART_LOG10, 1, 1e6, false, false, 0, 100);
    check_ticks(&a, "1 10 100 1000 10000 100000 1000000");
}
END_TEST

START_TEST(a_log_axis_spaces_powers_evenly)
{
    const chart_point p[] = { { 1, 0, NO_BAR }, { 2, 1, NO_BAR }, { 4, 0, NO_BAR },
                              { 8, 1, NO_BAR } };
    chart_series s = { .name = "s", .points = p, .n = 4 };
    chart c = { .title = "t", .x_label = "budget", .x_unit = "tokens", .y_label = "score",
                .x_scale = CHART_LOG2, .series = &s, .n_series = 1 };
    bytes b = drawn(&c);
    double x[5];
    int n = 0;

    for (const char *at = b.data; n < 5 && (at = strstr(at, " cx=\"")); at++)
        x[n++] = atof(at + 5);
    ck_assert_int_eq(n, 5);                                  /* the legend's too */
    ck_assert_double_eq_tol(x[1] - x[0], x[2] - x[1], 0.11);
    ck_assert_double_eq_tol(x[2] - x[1], x[3] - x[2], 0.11);
    ck_assert_double_gt(x[1] - x[0], 150);
    ck_assert_ptr_nonnull(strstr(b.data, ">budget (tokens)<"));
    ck_assert_ptr_nonnull(strstr(b.data, ">score<"));
    bytes_fini(&b);
}
END_TEST

START_TEST(the_fit_is_drawn_and_printed)
{
    chart_point p[5];
    chart_series s = { .name = "rl", .points = p, .n = 5, .fit = true };
    chart c = { .title = "t", .x_scale = CHART_LOG2, .percent = true, .series = &s,
                .n_series = 1 };
    stats_fit f;
    bytes b;

    for (int i = 0; i < 5; i++)
        p[i] = (chart_point){ ldexp(1, i), 0.02 + 0.1 * i + (i == 4 ? 0.2 : 0), NO_BAR };
    s.fit_low = 1;
    s.fit_high = 8;
    f = chart_fit(&c, &s);
    ck_assert_int_eq(f.n, 4);
    ck_assert_double_eq_tol(f.b, 0.1, 1e-12);
    b = drawn(&c);
    ck_assert_ptr_nonnull(
        strstr(b.data, "y = 2% + 10% log\xe2\x82\x82(x), R\xc2\xb2 = 1.000, n = 4"));
    ck_assert_ptr_nonnull(strstr(b.data, "stroke-dasharray"));
    bytes_fini(&b);

    s.fit_low = s.fit_high = 0;
    c.percent = false;
    for (int i = 0; i < 5; i++) p[i].y = 3 - 0.5 * i;
    b = drawn(&c);
    ck_assert_ptr_nonnull(strstr(b.data, "y = 3 \xe2\x88\x92 0.5 log\xe2\x82\x82(x), "));
    bytes_fini(&b);

    c.x_scale = CHART_LINEAR;
    for (int i = 0; i < 5; i++) p[i].y = 3 - 0.5 * p[i].x;
    b = drawn(&c);
    ck_assert_ptr_nonnull(strstr(b.data, "y = 3 \xe2\x88\x92 0.5 x, "));
    bytes_fini(&b);

    s.n = 1;
    b = drawn(&c);
    ck_assert_ptr_nonnull(strstr(b.data, "no line"));
    ck_assert_ptr_null(strstr(b.data, "stroke-dasharray"));
    bytes_fini(&b);
}
END_TEST

START_TEST(intervals_reach_from_low_to_high)
{
    const chart_point p[] = { { 0, 0.5, 0.25, 0.75 }, { 1, 0.5, 0.5, 0.5 }, { 2, 0.5, 0, 1 } };
    chart_series s = { .name = "s", .points = p, .n = 3, .band = _i };
    chart c = { .title = "t", .percent = true, .series = &s, .n_series = 1 };
    bytes b = drawn(&c);

    /* 0 .. 1 fills the plot, pixels 364 up to 44; one point has no interval */
    if (_i) {
        ck_assert_int_eq(count_of(b.data, "fill-opacity"), 1);
        ck_assert_ptr_nonnull(strstr(b.data, " 124.0L"));
        ck_assert_ptr_nonnull(strstr(b.data, " 284.0z"));
    } else {
        ck_assert_int_eq(count_of(b.data, "fill-opacity"), 0);
        ck_assert_ptr_nonnull(strstr(b.data, " 284.0V124.0M"));
        ck_assert_ptr_nonnull(strstr(b.data, " 364.0V44.0M"));
        ck_assert_int_eq(count_of(b.data, "h7M"), 3);
    }
    ck_assert_ptr_nonnull(strstr(b.data, "s, 0: 50% [25% to 75%]"));
    ck_assert_ptr_nonnull(strstr(b.data, ">100%<"));
    ck_assert_ptr_null(strstr(b.data, ">120%<"));
    bytes_fini(&b);
}
END_TEST

START_TEST(points_that_have_no_place_are_left_out)
{
    const chart_point p[] = { { NAN, 1, NO_BAR },      { 1, NAN, NO_BAR },
                              { INFINITY, 1, NO_BAR }, { 2, -INFINITY, NO_BAR },
                              { 0, 1, NO_BAR },        { -5, 1, NO_BAR },
                              { 4, 2, -INFINITY, 3 },  { 8, 3, 1, INFINITY },
                              { 16, 1e308, NO_BAR },   { 32, 4, 5, 3 } };
    chart_series s = { .name = "s", .points = p, .n = 10, .fit = true, .band = _i };
    chart c = { .title = "t", .x_scale = CHART_LOG10, .series = &s, .n_series = 1 };
    bytes b = drawn(&c);

    ck_assert_int_eq(count_of(b.data, "<circle"), 3 + 1);
    ck_assert_int_eq(chart_fit(&c, &s).n, 3);
    bytes_fini(&b);
}
END_TEST

START_TEST(nothing_to_draw_says_so)
{
    chart_series s = { .name = "s" };
    chart c = { .title = "t", .x_scale = (chart_scale)_i };
    bytes b = drawn(&c);

    ck_assert_ptr_nonnull(strstr(b.data, ">no data<"));
    bytes_fini(&b);
    c.series = &s;
    c.n_series = 1;
    b = drawn(&c);
    ck_assert_ptr_nonnull(strstr(b.data, ">no data<"));
    bytes_fini(&b);
}
END_TEST

START_TEST(hostile_labels_stay_labels)
{
    static const char evil[] = "\"/></text></svg><script>alert('x')</script>&nbsp;\x02\xff";
    const chart_point p[] = { { 1, 1, 0, 2 }, { 2, 2, 1, 3 } };
    chart_series s[2] = { { .name = evil, .points = p, .n = 2, .fit = true },
                          { .name = NULL, .points = p, .n = 2, .dots = true } };
    chart c = { .title = evil, .x_label = evil, .x_unit = evil, .y_label = evil,
                .y_unit = evil, .series = s, .n_series = 2 };
    bytes b = drawn(&c);

    ck_assert_ptr_null(strstr(b.data, "<script"));
    ck_assert_int_ge(count_of(b.data, "&lt;script&gt;"), 5);
    ck_assert_ptr_null(strstr(b.data, "(null)"));
    bytes_fini(&b);
}
END_TEST

START_TEST(series_have_colours_markers_and_names_of_their_own)
{
    const chart_point p[] = { { 1, 1, NO_BAR }, { 2, 2, NO_BAR } };
    char names[9][8];
    chart_series s[9];
    chart c = { .title = "t", .series = s, .n_series = 9 };
    bytes b;

    for (int i = 0; i < 9; i++) {
        snprintf(names[i], sizeof names[i], "name%d", i);
        s[i] = (chart_series){ .name = names[i], .points = p, .n = 2, .plain = i == 8 };
    }
    b = drawn(&c);
    for (int i = 0; i < 9; i++) {
        char legend[16];

        snprintf(legend, sizeof legend, ">name%d<", i);
        ck_assert_ptr_nonnull(strstr(b.data, legend));
    }
    /* two circles and one in the legend for series 0 and 4; series 8 is plain */
    ck_assert_int_eq(count_of(b.data, "<circle"), 6);
    ck_assert_int_eq(count_of(b.data, "<circle class=\"pc-f4\""), 3);
    ck_assert_int_eq(count_of(b.data, "prefers-color-scheme:dark"), 1);
    ck_assert_ptr_null(strstr(b.data, "http://www.w3.org/1999/xlink"));
    bytes_fini(&b);
}
END_TEST

START_TEST(a_chart_is_a_file_of_its_own)
{
    const chart_point p[] = { { 1, 1, NO_BAR }, { 2, 2, NO_BAR } };
    chart_series s = { .name = "s", .points = p, .n = 2 };
    chart c = { .title = "t", .series = &s, .n_series = 1 };
    char path[] = "/tmp/ponder-chart-XXXXXX";
    int fd = mkstemp(path);
    bytes b = { 0 };
    errtext err;

    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(chart_write(&c, path, &err), OK);
    ck_assert_int_eq(file_read(&b, path, 1 << 20, &err), OK);
    ck_assert(!strncmp(b.data, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg ", 44));
    ck_assert_well_formed(&b);
    unlink(path);
    ck_assert_int_eq(chart_write(&c, "/nowhere/at/all.svg", &err), E_IO);
    bytes_fini(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chart");
    TCase *t = tcase_create("chart");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, text_is_escaped_whatever_it_holds, 0, 7);
    tcase_add_test(t, a_cut_text_keeps_whole_characters);
    tcase_add_loop_test(t, numbers_are_written_as_a_person_would, 0, 12);
    tcase_add_loop_test(t, every_range_has_ticks_that_can_be_told_apart, 0, 3);
    tcase_add_test(t, ticks_are_round_numbers_and_powers);
    tcase_add_test(t, a_log_axis_spaces_powers_evenly);
    tcase_add_test(t, the_fit_is_drawn_and_printed);
    tcase_add_loop_test(t, intervals_reach_from_low_to_high, 0, 2);
    tcase_add_loop_test(t, points_that_have_no_place_are_left_out, 0, 2);
    tcase_add_loop_test(t, nothing_to_draw_says_so, 0, 3);
    tcase_add_test(t, hostile_labels_stay_labels);
    tcase_add_test(t, series_have_colours_markers_and_names_of_their_own);
    tcase_add_test(t, a_chart_is_a_file_of_its_own);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
