/* test_dataset.c - JSONL files, good and bad. */
#include "tasks/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

#include <check.h>

#define USER(text) "{\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}],\"answer\":1}"

static dataset *parse(const char *text, dataset_kind kind)
{
    errtext err = { "" };
    dataset *d;

    ck_assert_msg(dataset_parse(&d, text, strlen(text), "rows", kind, 0, &err) == OK, "%s", err.text);
    return d;
}

/* The message for text that must be refused. */
static errtext refuse(const char *text, size_t len, dataset_kind kind, int max_rows, status want)
{
    errtext err = { "" };
    dataset *d;
    status st = dataset_parse(&d, text, len, "rows", kind, max_rows, &err);

    ck_assert_msg(st == want, "%s: %s", status_name(st), err.text);
    ck_assert(d == NULL);
    return err;
}

static void refused_for(const char *text, dataset_kind kind, const char *why)
{
    errtext err = refuse(text, strlen(text), kind, 0, E_FORMAT);

    ck_assert_msg(strstr(err.text, why) != NULL, "%s", err.text);
}

START_TEST(rows_are_found_by_number_in_any_order)
{
    dataset *d = parse(USER("a") "\n" USER("b") "\n" USER("c"), DATASET_RFT);

    ck_assert_int_eq(dataset_rows(d), 3);
    for (int k = 0; k < 6; k++) {
        int i = "201120"[k] - '0';
        const json_t *m = json_array_get(json_object_get(dataset_row(d, i), "messages"), 0);
        char want[2] = { (char)('a' + i), 0 };

        ck_assert_str_eq(json_string_value(json_object_get(m, "content")), want);
        ck_assert_int_eq(dataset_line(d, i), i + 1);
    }
    ck_assert(dataset_item(d, 1) == dataset_row(d, 1));
    dataset_close(d);
}
END_TEST

START_TEST(a_mark_of_order_crlf_and_blank_lines_do_no_harm)
{
    dataset *d = parse("\xef\xbb\xbf" USER("a") "\r\n\r\n  \n" USER("b") "\r\n\n", DATASET_RFT);
    size_t len;
    const char *s = dataset_text(d, 1, &len);

    ck_assert_int_eq(dataset_rows(d), 2);
    ck_assert_int_eq(dataset_line(d, 1), 4);
    ck_assert(len == strlen(USER("b")) && !memcmp(s, USER("b"), len));
    dataset_close(d);
}
END_TEST

START_TEST(faults_name_line_and_byte)
{
    refused_for(USER("a") "\n{\"messages\":", DATASET_RFT, "line 2 (byte");
    refused_for("[]", DATASET_ANY, "line 1 (byte 0): not a JSON object");
    refused_for("{}\n1\n", DATASET_ANY, "line 2");
    refused_for("{\"a\":1,\"a\":2}", DATASET_ANY, "duplicate");
    refused_for("{\"a\":1} x", DATASET_ANY, "line 1 (byte 9)");
    refused_for("{}\n{\"a\":\"\xff\"}", DATASET_ANY, "line 2 (byte 9): not UTF-8");
    refused_for("", DATASET_ANY, "no rows");
    refused_for("\n \r\n", DATASET_ANY, "no rows");
}
END_TEST

START_TEST(rows_for_training_need_a_last_message_of_the_user)
{
    refused_for("{}", DATASET_RFT, "messages is not there");
    refused_for("{\"messages\":[]}", DATASET_RFT, "messages is empty");
    refused_for("{\"messages\":{}}", DATASET_RFT, "messages is not an array");
    refused_for("{\"messages\":[1]}", DATASET_RFT, "messages[0] is not an object");
    refused_for("{\"messages\":[{\"content\":\"x\"}]}", DATASET_RFT, "messages[0].role");
    refused_for("{\"messages\":[{\"role\":\"robot\",\"content\":\"x\"}]}", DATASET_RFT, "\"robot\"");
    refused_for("{\"messages\":[{\"role\":\"user\"}]}", DATASET_RFT, "messages[0].content");
    refused_for("{\"messages\":[{\"role\":\"user\",\"content\":[{}]}]}", DATASET_RFT, "content");
    refused_for("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\","
                "\"content\":\"y\"}]}", DATASET_RFT, "last message");
    refused_for("{\"item\":{\"q\":1}}", DATASET_RFT, "as for evals");
    dataset_close(parse("{\"messages\":[{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"assistant\","
                        "\"content\":null,\"tool_calls\":[]},{\"role\":\"tool\",\"content\":\"t\"},"
                        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}],"
                        "\"tools\":[],\"deep\":{\"a\":[1]}}", DATASET_RFT));
}
END_TEST

START_TEST(other_kinds_of_rows_have_their_own_shape)
{
    dataset *d = parse("{\"item\":{\"q\":1}}", DATASET_EVAL);

    ck_assert_int_eq((int)json_integer_value(json_object_get(dataset_item(d, 0), "q")), 1);
    dataset_close(d);
    refused_for("{\"item\":1}", DATASET_EVAL, "item");
    refused_for(USER("a"), DATASET_SFT, "assistant");
    dataset_close(parse("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\","
                        "\"content\":\"y\",\"weight\":1}]}", DATASET_SFT));
#define TURN(role) "[{\"role\":\"" role "\",\"content\":\"x\"}]"
    dataset_close(parse("{\"input\":{\"messages\":" TURN("user") "},\"preferred_output\":" TURN("assistant")
                        ",\"non_preferred_output\":" TURN("assistant") "}", DATASET_DPO));
    dataset_close(parse("{\"input\":{\"messages\":" TURN("user") "},\"preferred_completion\":" TURN("assistant")
                        ",\"non_preferred_completion\":" TURN("assistant") "}", DATASET_DPO));
    refused_for("{\"input\":{\"messages\":" TURN("user") "},\"preferred_output\":" TURN("assistant") "}",
                DATASET_DPO, "non_preferred_output is not there");
}
END_TEST

START_TEST(rows_that_say_the_same_are_duplicates)
{
    dataset *a = parse("{\"x\":1,\"y\":[2]}\n{\"x\":2}\n{ \"y\": [2], \"x\": 1 }\n{\"x\":2}\n{\"x\":1}", DATASET_ANY);
    dataset *b = parse("{\"x\":3}\n{\"x\":2}", DATASET_ANY);
    int example = -1;

    ck_assert_int_eq(dataset_duplicates(a), 2);
    ck_assert_int_eq(dataset_first_equal(a, 2), 0);
    ck_assert_int_eq(dataset_first_equal(a, 3), 1);
    ck_assert_int_eq(dataset_first_equal(a, 4), 4);
    ck_assert_int_eq(dataset_overlap(a, b, &example), 2);
    ck_assert_int_eq(example, 1);
    ck_assert_int_eq(dataset_overlap(b, a, NULL), 1);
    dataset_close(a);
    dataset_close(b);
}
END_TEST

START_TEST(too_much_is_refused)
{
    bytes b = { 0 };
    errtext err = refuse("{}\n{}\n{}\n", 9, DATASET_ANY, 2, E_LIMIT);

    ck_assert(strstr(err.text, "more than 2 rows"));
    bytes_add_string(&b, "{\"a\":\"");
    for (size_t i = 0; i <= DATASET_MAX_ROW_BYTES / 16; i++) bytes_add_string(&b, "0123456789abcdef");
    bytes_add_string(&b, "\"}");
    err = refuse(b.data, b.len, DATASET_ANY, 0, E_LIMIT);
    ck_assert(strstr(err.text, "line 1"));
    bytes_clear(&b);
    for (int i = 0; i < 5000; i++) bytes_add_string(&b, "{\"a\":");
    refuse(b.data, b.len, DATASET_ANY, 0, E_FORMAT);
    bytes_fini(&b);
}
END_TEST

START_TEST(a_file_is_read_from_its_path)
{
    char path[] = "/tmp/test_dataset_XXXXXX";
    int fd = mkstemp(path);
    errtext err;
    dataset *d;

    ck_assert(fd >= 0 && write(fd, USER("a") "\n", strlen(USER("a")) + 1) > 0);
    close(fd);
    ck_assert_int_eq(dataset_open(&d, path, DATASET_RFT, 0, &err), OK);
    ck_assert_int_eq(dataset_rows(d), 1);
    dataset_close(d);
    unlink(path);
    ck_assert_int_eq(dataset_open(&d, path, DATASET_RFT, 0, &err), E_IO);
    ck_assert(d == NULL && strstr(err.text, path));
}
END_TEST

START_TEST(strings_may_hold_nul_and_numbers_their_type)
{
    dataset *d = parse("{\"a\":\"x\\u0000y\",\"b\":1.0,\"c\":1}", DATASET_ANY);

    ck_assert_int_eq((int)json_string_length(json_object_get(dataset_row(d, 0), "a")), 3);
    ck_assert(json_is_real(json_object_get(dataset_row(d, 0), "b")));
    ck_assert(json_is_integer(json_object_get(dataset_row(d, 0), "c")));
    dataset_close(d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dataset");
    TCase *t = tcase_create("dataset");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, rows_are_found_by_number_in_any_order);
    tcase_add_test(t, a_mark_of_order_crlf_and_blank_lines_do_no_harm);
    tcase_add_test(t, faults_name_line_and_byte);
    tcase_add_test(t, rows_for_training_need_a_last_message_of_the_user);
    tcase_add_test(t, other_kinds_of_rows_have_their_own_shape);
    tcase_add_test(t, rows_that_say_the_same_are_duplicates);
    tcase_add_test(t, too_much_is_refused);
    tcase_add_test(t, a_file_is_read_from_its_path);
    tcase_add_test(t, strings_may_hold_nul_and_numbers_their_type);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
