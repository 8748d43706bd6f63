/* test_template.c - filling in {{ item.x }} and {{ sample.output_text }}. */
#include "tasks/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

static const char item_text[] =
    "{\"answer\":\"Paris\",\"n\":1,\"x\":1.0,\"f\":0.1,\"big\":1e22,\"tiny\":1e-7,\"none\":null,\"yes\":true,"
    "\"messages\":[{\"role\":\"user\",\"content\":\"Why?\"}],\"list\":[1,\"a\\\"b\",[]],\"a-b\":\"dash\","
    "\"two words\":\"quoted\",\"empty\":\"\",\"\\u00e4\":\"umlaut\",\"nul\":\"a\\u0000b\",\"item\":\"inner\"}";
static const char sample_text[] = "{\"output_text\":\"It is Paris\",\"output_json\":{\"a\":[{\"b\":7}]},"
                                  "\"output_tools\":[{\"function\":{\"name\":\"f\"}}]}";

static status render(const char *text, bytes *out, int *missing, errtext *err)
{
    json_t *item = json_loads(item_text, JSON_ALLOW_NUL, NULL), *sample = json_loads(sample_text, 0, NULL);
    template *t;
    status st;

    ck_assert(item && sample);
    st = template_new(&t, text, strlen(text), err);
    if (st == OK) st = template_render(out, t, item, sample, missing, err);
    template_free(t);
    json_decref(item);
    json_decref(sample);
    return st;
}

static void gives(const char *text, const char *want, size_t len)
{
    bytes out = { 0 };
    errtext err = { "" };

    ck_assert_msg(render(text, &out, NULL, &err) == OK, "%s: %s", text, err.text);
    ck_assert_msg(out.len == len && (!len || !memcmp(out.data, want, len)), "%s: %s", text, out.data);
    bytes_fini(&out);
}

#define GIVES(text, want) gives(text, want, sizeof want - 1)

START_TEST(paths_are_filled_in_with_or_without_spaces)
{
    GIVES("{{item.answer}}", "Paris");
    GIVES("{{ item.answer }}", "Paris");
    GIVES("a {{\n item.answer\t}} b", "a Paris b");
    GIVES("{{sample.output_text}}: {{item.answer}}", "It is Paris: Paris");
    GIVES("{{item.messages[0].content}}", "Why?");
    GIVES("{{item.messages.0.content}}", "Why?");
    GIVES("{{ sample.output_json.a[0].b }}", "7");
    GIVES("{{item[\"two words\"]}}{{item['a-b']}}{{item.a-b}}", "quoteddashdash");
    GIVES("{{item.\u00e4}}", "umlaut");
    GIVES("{{item.item}}", "inner");
    GIVES("[{{item.empty}}]", "[]");
    GIVES("{{item.nul}}", "a\0b");
    GIVES("", "");
}
END_TEST

START_TEST(what_is_no_string_is_written_as_json)
{
    GIVES("{{item.n}}", "1");
    GIVES("{{item.x}}", "1.0");
    GIVES("{{item.f}}", "0.1");
    GIVES("{{item.big}}", "1e+22");
    GIVES("{{item.tiny}}", "1e-07");
    GIVES("{{item.none}}", "null");
    GIVES("{{item.yes}}", "true");
    GIVES("{{item.messages}}", "[{\"role\": \"user\", \"content\": \"Why?\"}]");
    GIVES("{{item.list}}", "[1, \"a\\\"b\", []]");
    GIVES("{{sample.output_json}}", "{\"a\": [{\"b\": 7}]}");
}
END_TEST

START_TEST(reals_have_the_digits_python_gives_them)
{
    static const struct { double v; const char *want; } rows[] = {
        { 0, "0.0" }, { -0.0, "-0.0" }, { 100, "100.0" }, { 0.5, "0.5" }, { 123456789.125, "123456789.125" },
        { 1e15, "1000000000000000.0" }, { 1e16, "1e+16" }, { 123456789012345680, "1.2345678901234568e+17" },
        { 0.0001, "0.0001" }, { 0.00001, "1e-05" }, { 0.00012345, "0.00012345" }, { 1.0 / 3, "0.3333333333333333" },
        { 2.5e-300, "2.5e-300" }, { -1.5, "-1.5" }, { 5e-324, "5e-324" }, { 1.7976931348623157e308, "1.7976931348623157e+308" },
        { 9007199254740993.0, "9007199254740992.0" }, { 12, "12.0" }, { 0.1 + 0.2, "0.30000000000000004" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *v = json_real(rows[i].v);
        bytes out = { 0 };

        template_value_text(&out, v);
        ck_assert_str_eq(out.data, rows[i].want);
        bytes_fini(&out);
        json_decref(v);
    }
}
END_TEST

START_TEST(braces_that_hold_no_path_are_left_alone)
{
    GIVES("{\"a\": \"{{item.answer}}\"}", "{\"a\": \"Paris\"}");
    GIVES("{{{item.answer}}}", "{Paris}");
    GIVES("{{\"result\": 1}}", "{{\"result\": 1}}");
    GIVES("{{}}{{ }}{}", "{{}}{{ }}{}");
    GIVES("{ {item.answer} }", "{ {item.answer} }");
    GIVES("}} {{", "}} {{");
    GIVES("{{1}} {{2+3}} {{a b}}", "{{1}} {{2+3}} {{a b}}");
}
END_TEST

START_TEST(a_path_that_leads_nowhere_is_named)
{
    static const struct { const char *text, *why; int missing; } rows[] = {
        { "{{item.answer}} {{item.nothing}}", "nothing", 1 }, { "{{item.messages[1]}}", "element 1", 0 },
        { "{{item.messages.role}}", "role", 0 }, { "{{item.answer.x}}", "\"x\"", 0 },
        { "{{sample.output_tools[0].function.arguments}}", "arguments", 0 }, { "{{reference.x}}", "item or sample", 0 },
        { "{{item.answer[0]}}", "element 0", 0 }, { "{{item['messages']['0']}}", "\"0\"", 0 },
        { "{{item.messages[999999999]}}", "999999999", 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes out = { 0 };
        errtext err = { "" };
        int missing = -1;

        ck_assert_int_eq(render(rows[i].text, &out, &missing, &err), E_ARG);
        ck_assert_msg(strstr(err.text, rows[i].why) && missing == rows[i].missing, "%s: %s", rows[i].text, err.text);
        bytes_fini(&out);
    }
}
END_TEST

START_TEST(a_place_that_only_starts_like_a_path_is_refused_with_its_offset)
{
    static const char *const texts[] = { "abc {{ item.x | upper }}", "abc {{item.x}", "abc {{item.}}", "abc {{item..x}}",
                                         "abc {{item[x]}}", "abc {{item[0}}", "abc {{item['x}}", "abc {{sample.x y}}",
                                         "abc {{item", "abc {{item[-1]}}", "abc {{item[9999999999]}}" };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bytes out = { 0 };
        errtext err = { "" };

        ck_assert_msg(render(texts[i], &out, NULL, &err) == E_FORMAT, "%s", texts[i]);
        ck_assert_msg(strstr(err.text, "offset 4") != NULL, "%s", err.text);
        bytes_fini(&out);
    }
}
END_TEST

START_TEST(the_paths_of_a_template_can_be_asked_for)
{
    const char *text = "{{ item.a[0].b }} {{sample.output_json.c}} {{sample}}";
    template *t;

    ck_assert_int_eq(template_new(&t, text, strlen(text), NULL), OK);
    ck_assert_int_eq(template_paths(t), 3);
    ck_assert_str_eq(template_path(t, 0), "item.a[0].b");
    ck_assert(template_path_under(t, 0, "item") && template_path_under(t, 0, "item.a"));
    ck_assert(!template_path_under(t, 0, "item.b") && !template_path_under(t, 0, "sample"));
    ck_assert(template_path_under(t, 1, "sample.output_json") && !template_path_under(t, 1, "sample.output"));
    ck_assert(template_path_under(t, 2, "sample") && !template_path_under(t, 2, "sample.output_json"));
    template_free(t);
}
END_TEST

START_TEST(a_filled_in_text_has_a_largest_size)
{
    json_t *item = json_object();
    bytes text = { 0 }, out = { 0 };
    char *large = malloc(1 << 20);
    errtext err;
    template *t;

    memset(large, 'x', 1 << 20);
    json_object_set_new(item, "x", json_stringn(large, 1 << 20));
    for (int i = 0; i < 40; i++) bytes_add_string(&text, "{{item.x}}");
    ck_assert_int_eq(template_new(&t, text.data, text.len, &err), OK);
    ck_assert_int_eq(template_render(&out, t, item, NULL, NULL, &err), E_LIMIT);
    ck_assert(out.len <= TEMPLATE_MAX_BYTES + (1 << 20));
    template_free(t);
    bytes_fini(&text);
    bytes_fini(&out);
    free(large);
    json_decref(item);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("template");
    TCase *t = tcase_create("template");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, paths_are_filled_in_with_or_without_spaces);
    tcase_add_test(t, what_is_no_string_is_written_as_json);
    tcase_add_test(t, reals_have_the_digits_python_gives_them);
    tcase_add_test(t, braces_that_hold_no_path_are_left_alone);
    tcase_add_test(t, a_path_that_leads_nowhere_is_named);
    tcase_add_test(t, a_place_that_only_starts_like_a_path_is_refused_with_its_offset);
    tcase_add_test(t, the_paths_of_a_template_can_be_asked_for);
    tcase_add_test(t, a_filled_in_text_has_a_largest_size);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
