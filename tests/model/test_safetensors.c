/* test_safetensors.c - the safetensors container, read with suspicion.
 *
 * Hostile files are built here as texts; a well-formed one comes from the
 * fixtures (tools/make_model_fixtures.py). */
#include "model/safetensors.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"

#define ENTRY(dtype, shape, from, to) \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]}"

/* A file with this header text and n_data zero bytes. */
static bytes file_of(const char *header, size_t n_header, size_t n_data)
{
    bytes b = { 0 };

    for (int i = 0; i < 8; i++) bytes_add_char(&b, (char)((uint64_t)n_header >> 8 * i));
    bytes_add(&b, header, n_header);
    for (size_t i = 0; i < n_data; i++) bytes_add_char(&b, 0);
    return b;
}

static status read_bytes(const bytes *b, safetensors *s, errtext *err)
{
    /* A copy of exact size, so that a sanitizer sees every byte too far. */
    uint8_t *data = mem_copy(b->data, b->len ? b->len : 1);
    status st = safetensors_init(s, "t.safetensors", data, b->len, err);

    if (st != OK) ck_assert_int_eq(s->n_item, 0);
    mem_free(data);
    return st;
}

/* The header is refused with this status and a message that holds `part`. */
static void refuse(const char *header, size_t n_data, status want, const char *part)
{
    bytes b = file_of(header, strlen(header), n_data);
    safetensors s;
    errtext err = { "" };
    status st = read_bytes(&b, &s, &err);

    ck_assert_msg(st == want && strstr(err.text, part), "%s: got %s: %s", header,
                  status_name(st), err.text);
    safetensors_fini(&s);
    bytes_fini(&b);
}

static void accept(const char *header, size_t n_data, int n_item)
{
    bytes b = file_of(header, strlen(header), n_data);
    safetensors s;
    errtext err = { "" };
    status st = read_bytes(&b, &s, &err);

    ck_assert_msg(st == OK, "%s: %s", header, err.text);
    ck_assert_int_eq(s.n_item, n_item);
    safetensors_fini(&s);
    bytes_fini(&b);
}

START_TEST(fixture_tensors_have_type_shape_and_bytes)
{
    filemap m;
    safetensors s;
    errtext err;
    bool found = false;

    ck_assert_int_eq(filemap_open(&m, "tests/fixtures/model/llama/model.safetensors", &err), OK);
    ck_assert_msg(safetensors_init(&s, "x", m.data, m.len, &err) == OK, "%s", err.text);
    ck_assert_int_eq(s.n_item, 29);
    for (int i = 0; i < s.n_item; i++) {
        const safetensor *t = &s.items[i];

        if (strcmp(t->name, "model.layers.2.mlp.down_proj.weight")) continue;
        found = true;
        ck_assert(t->usable && t->type == DTYPE_BF16);
        ck_assert_int_eq(t->n_dim, 2);
        ck_assert_int_eq(t->dim[0], 64);
        ck_assert_int_eq(t->dim[1], 128);
        ck_assert_uint_eq(t->n_bytes, 64 * 128 * 2);
        ck_assert(t->data > m.data && t->data + t->n_bytes <= m.data + m.len);
    }
    ck_assert(found);
    safetensors_fini(&s);
    filemap_close(&m);
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    char dir[] = "/tmp/safetensorsXXXXXX", path[64];
    const int64_t matrix[2] = { 2, 3 }, vector[1] = { 5 };
    const float a[6] = { 1, -2, 3, -4, 5, -6 };
    const uint16_t b[5] = { 1, 2, 3, 4, 5 };
    safetensors_writer *w = safetensors_writer_new();
    safetensors s;
    filemap m;
    errtext err;

    ck_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a.safetensors", dir);
    safetensors_writer_add(w, "name with \"quotes\" and é", DTYPE_F32, 2, matrix);
    safetensors_writer_add(w, "b", DTYPE_BF16, 1, vector);
    ck_assert_int_eq(safetensors_writer_begin(w, path, &err), OK);
    ck_assert_int_eq(safetensors_writer_write(w, a, 10, &err), OK);
    ck_assert(!file_exists(path));
    ck_assert_int_eq(safetensors_writer_write(w, (const char *)a + 10, 14, &err), OK);
    ck_assert_int_eq(safetensors_writer_write(w, b, sizeof b, &err), OK);
    ck_assert_int_eq(safetensors_writer_finish(w, &err), OK);
    safetensors_writer_free(w);

    ck_assert_int_eq(filemap_open(&m, path, &err), OK);
    ck_assert_msg(safetensors_init(&s, path, m.data, m.len, &err) == OK, "%s", err.text);
    ck_assert_int_eq(s.n_item, 2);
    ck_assert_str_eq(s.items[0].name, "name with \"quotes\" and é");
    ck_assert_int_eq(s.items[0].dim[1], 3);
    ck_assert(!memcmp(s.items[0].data, a, sizeof a));
    ck_assert_int_eq((int)((uintptr_t)s.items[0].data % 8), 0);
    ck_assert(s.items[1].type == DTYPE_BF16 && !memcmp(s.items[1].data, b, sizeof b));
    safetensors_fini(&s);
    filemap_close(&m);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(abandoned_write_leaves_nothing)
{
    char dir[] = "/tmp/safetensorsXXXXXX", path[64];
    const int64_t dim[1] = { 5 };
    safetensors_writer *w = safetensors_writer_new();
    errtext err;

    ck_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a.safetensors", dir);
    safetensors_writer_add(w, "a", DTYPE_F32, 1, dim);
    ck_assert_int_eq(safetensors_writer_begin(w, path, &err), OK);
    safetensors_writer_free(w);
    ck_assert_msg(rmdir(dir) == 0, "the folder is not empty");
}
END_TEST

START_TEST(full_disk_is_an_error)
{
    const int64_t dim[1] = { 1 << 16 };
    float *zero = mem_array(1 << 16, sizeof *zero);
    safetensors_writer *w = safetensors_writer_new();
    char dir[] = "/tmp/safetensorsXXXXXX", path[64];
    struct rlimit limit = { 1000, 1000 };
    errtext err = { "" };
    status st;

    ck_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a.safetensors", dir);
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    safetensors_writer_add(w, "a", DTYPE_F32, 1, dim);
    st = safetensors_writer_begin(w, path, &err);
    if (st == OK) st = safetensors_writer_write(w, zero, sizeof *zero << 16, &err);
    if (st == OK) st = safetensors_writer_finish(w, &err);
    ck_assert_int_eq(st, E_IO);
    safetensors_writer_free(w);
    mem_free(zero);
    ck_assert_msg(rmdir(dir) == 0, "the folder is not empty");
}
END_TEST

/* Row 23 of the bad inputs. */
START_TEST(header_length_is_held_against_the_file)
{
    static const struct { uint64_t n; status want; const char *part; } cases[] = {
        { 0, E_FORMAT, "header length 0" },
        { 1, E_FORMAT, "header length 1" },
        { UINT64_MAX, E_LIMIT, "above the limit" },
        { INT64_MAX, E_LIMIT, "above the limit" },
        { SAFETENSORS_MAX_HEADER + 1, E_LIMIT, "above the limit" },
        { SAFETENSORS_MAX_HEADER, E_FORMAT, "truncated" },
        { 3, E_FORMAT, "truncated" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = file_of("{}", 2, 0);
        safetensors s;
        errtext err;

        for (int k = 0; k < 8; k++) b.data[k] = (char)(cases[i].n >> 8 * k);
        ck_assert_int_eq(read_bytes(&b, &s, &err), cases[i].want);
        ck_assert_msg(strstr(err.text, cases[i].part), "%s", err.text);
        bytes_fini(&b);
    }
}
END_TEST

START_TEST(file_cut_at_every_byte_is_refused)
{
    const char *header = "{\"a\":" ENTRY("F32", "[2,2]", 0, 16) "}";
    bytes b = file_of(header, strlen(header), 16);

    for (size_t n = 0; n < b.len; n++) {
        bytes part = { .data = b.data, .len = n };
        safetensors s;
        errtext err = { "" };

        ck_assert_int_eq(read_bytes(&part, &s, &err), E_FORMAT);
        ck_assert(err.text[0]);
    }
    bytes_fini(&b);
}
END_TEST

/* Row 24: 100,000 entries fit and are read in one go; the harness's time limit
 * would end a quadratic reader. */
START_TEST(hundred_thousand_tensors_are_read)
{
    bytes header = { 0 }, file;
    const int n = 100000;
    safetensors s;
    errtext err;

    bytes_add_char(&header, '{');
    for (int i = 0; i < n; i++)
        bytes_add_format(&header, "%s\"model.layers.%d.weight\":{\"dtype\":\"F16\",\"shape\":[1,1],"
                         "\"data_offsets\":[%d,%d]}", i ? "," : "", i, 2 * (n - 1 - i),
                         2 * (n - i));
    bytes_add_char(&header, '}');
    file = file_of(header.data, header.len, 2 * (size_t)n);
    ck_assert_msg(safetensors_init(&s, "t", (uint8_t *)file.data, file.len, &err) == OK, "%s",
                  err.text);
    ck_assert_int_eq(s.n_item, n);
    ck_assert_str_eq(s.items[99999].name, "model.layers.99999.weight");
    safetensors_fini(&s);
    bytes_fini(&file);
    bytes_fini(&header);
}
END_TEST

START_TEST(count_of_values_is_limited_before_parsing)
{
    bytes header = { 0 };

    bytes_add_string(&header, "{\"a\":[");
    for (int i = 0; i < 4000000; i++) bytes_add_string(&header, "[],");
    bytes_add_string(&header, "[]]}");
    refuse(header.data, 0, E_LIMIT, "more than");
    bytes_clear(&header);
    bytes_add_string(&header, "{\"a\":");
    for (int i = 0; i < 100000; i++) bytes_add_char(&header, '[');
    refuse(header.data, 0, E_LIMIT, "nested deeper");
    bytes_fini(&header);
}
END_TEST

/* Row 25. */
START_TEST(duplicate_tensor_is_refused)
{
    refuse("{\"a\":" ENTRY("U8", "[1]", 0, 1) ",\"a\":" ENTRY("U8", "[1]", 1, 2) "}", 2,
           E_FORMAT, "duplicate object key");
    refuse("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
           E_FORMAT, "duplicate object key");
}
END_TEST

START_TEST(invalid_utf8_is_refused_with_its_offset)
{
    refuse("{\"a\xff\":" ENTRY("U8", "[1]", 0, 1) "}", 1, E_FORMAT, "byte");
    refuse("{\"a\xed\xa0\x80\":" ENTRY("U8", "[1]", 0, 1) "}", 1, E_FORMAT, "decode");
    refuse("{\"a\\ud800\":" ENTRY("U8", "[1]", 0, 1) "}", 1, E_FORMAT, "byte");
    refuse("{\"a\\u0000b\":" ENTRY("U8", "[1]", 0, 1) "}", 1, E_FORMAT, "byte");
}
END_TEST

START_TEST(header_that_is_no_object_is_refused)
{
    refuse("[]", 0, E_FORMAT, "does not start with {");
    refuse("  {}", 0, E_FORMAT, "does not start with {");
    refuse("{\"a\":[]", 0, E_FORMAT, "byte 7");
    refuse("{} x", 0, E_FORMAT, "byte");
    refuse("{\"a\":7}", 0, E_FORMAT, "tensor a: entry is not an object");
    accept("{}   ", 0, 0);
}
END_TEST

START_TEST(numbers_that_are_not_json_are_refused)
{
    refuse("{\"a\":" ENTRY("U8", "[NaN]", 0, 1) "}", 1, E_FORMAT, "header: byte");
    refuse("{\"a\":" ENTRY("U8", "[Infinity]", 0, 1) "}", 1, E_FORMAT, "header: byte");
    refuse("{\"a\":" ENTRY("U8", "[1e999]", 0, 1) "}", 1, E_FORMAT, "header: byte");
    refuse("{\"a\":" ENTRY("U8", "[99999999999999999999]", 0, 1) "}", 1, E_FORMAT,
           "header: byte");
}
END_TEST

START_TEST(names_with_control_characters_are_refused)
{
    refuse("{\"a\\u001b[2J\":" ENTRY("U8", "[1]", 0, 1) "}", 1, E_FORMAT, "control character");
    refuse("{\"\":" ENTRY("U8", "[1]", 0, 1) "}", 1, E_FORMAT, "empty");
    refuse("{\"a\":" ENTRY("\\u001b", "[1]", 0, 1) "}", 1, E_FORMAT, "unknown dtype");
}
END_TEST

/* Row 26. */
START_TEST(bad_data_offsets_are_refused)
{
#define OFFSETS(o) "{\"w\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" o "}}"
    refuse(OFFSETS("[]"), 4, E_FORMAT, "tensor w: data_offsets is not a list of two");
    refuse(OFFSETS("[0]"), 4, E_FORMAT, "tensor w: data_offsets is not a list of two");
    refuse(OFFSETS("[0,4,4]"), 4, E_FORMAT, "tensor w: data_offsets is not a list of two");
    refuse(OFFSETS("4"), 4, E_FORMAT, "tensor w: data_offsets is not a list of two");
    refuse(OFFSETS("[-4,0]"), 4, E_FORMAT, "tensor w: data_offsets[0]");
    refuse(OFFSETS("[0,1e300]"), 4, E_FORMAT, "tensor w: data_offsets[1]");
    refuse(OFFSETS("[0,4.0]"), 4, E_FORMAT, "tensor w: data_offsets[1]");
    refuse(OFFSETS("[0,\"4\"]"), 4, E_FORMAT, "tensor w: data_offsets[1]");
    refuse(OFFSETS("[0,null]"), 4, E_FORMAT, "tensor w: data_offsets[1]");
    refuse(OFFSETS("[4,0]"), 4, E_FORMAT, "run backwards");
    refuse(OFFSETS("[0,5]"), 4, E_FORMAT, "past the 4 bytes");
    refuse(OFFSETS("[9223372036854775803,9223372036854775807]"), 4, E_FORMAT, "past the 4");
    refuse("{\"w\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4, E_FORMAT, "data_offsets");
    accept(OFFSETS("[0,4]"), 4, 1);
}
END_TEST

/* Row 27. */
START_TEST(shape_products_may_not_overflow)
{
    refuse("{\"w\":" ENTRY("F32", "[4294967296,4294967296]", 0, 0) "}", 0, E_FORMAT, "overflows");
    refuse("{\"w\":" ENTRY("F32", "[4611686018427387904,4]", 0, 0) "}", 0, E_FORMAT,
           "overflows");
    refuse("{\"w\":" ENTRY("F32", "[0,4294967296,4294967296]", 0, 0) "}", 0, E_FORMAT,
           "overflows");
    refuse("{\"w\":" ENTRY("F64", "[2305843009213693952]", 0, 0) "}", 0, E_FORMAT, "overflows");
    refuse("{\"w\":" ENTRY("F32", "[-1]", 0, 4) "}", 4, E_FORMAT, "shape[0]");
    refuse("{\"w\":" ENTRY("F32", "[1.0]", 0, 4) "}", 4, E_FORMAT, "shape[0]");
    refuse("{\"w\":" ENTRY("F32", "7", 0, 4) "}", 4, E_FORMAT, "shape is not a list");
    refuse("{\"w\":" ENTRY("F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, E_LIMIT, "dimensions");
}
END_TEST

START_TEST(extent_must_agree_with_shape_and_type)
{
    refuse("{\"w\":" ENTRY("F32", "[2,2]", 0, 8) "}", 8, E_FORMAT, "needs 16 bytes of F32");
    refuse("{\"w\":" ENTRY("BF16", "[2,2]", 0, 16) "}", 16, E_FORMAT, "needs 8 bytes of BF16");
    refuse("{\"w\":" ENTRY("F4", "[3]", 0, 2) "}", 2, E_FORMAT, "not whole bytes");
    accept("{\"w\":" ENTRY("F4", "[4]", 0, 2) "}", 2, 1);
    accept("{\"w\":" ENTRY("I64", "[]", 0, 8) "}", 8, 1);
}
END_TEST

START_TEST(unknown_dtype_still_runs_all_checks)
{
    bytes b = file_of("{\"w\":" ENTRY("Q9_Z", "[4]", 0, 4) "}",
                      strlen("{\"w\":" ENTRY("Q9_Z", "[4]", 0, 4) "}"), 4);
    safetensors s;
    errtext err;

    ck_assert_int_eq(read_bytes(&b, &s, &err), OK);
    ck_assert(!s.items[0].usable);
    ck_assert_str_eq(s.items[0].dtype, "Q9_Z");
    safetensors_fini(&s);
    bytes_fini(&b);
    refuse("{\"w\":" ENTRY("Q9_Z", "[4]", 0, 5) "}", 4, E_FORMAT, "past the 4 bytes");
    refuse("{\"w\":" ENTRY("Q9_Z", "[4]", 4, 0) "}", 4, E_FORMAT, "run backwards");
    refuse("{\"w\":" ENTRY("Q9_Z", "[4294967296,4294967296]", 0, 4) "}", 4, E_FORMAT,
           "overflows");
    refuse("{\"w\":" ENTRY("Q9_Z", "[4]", 1, 4) "}", 4, E_FORMAT, "hole");
    refuse("{\"w\":" ENTRY("QQQQQQQQQQQQQQQQ", "[4]", 0, 4) "}", 4, E_FORMAT, "unknown dtype");
    refuse("{\"w\":{\"dtype\":7,\"shape\":[4],\"data_offsets\":[0,4]}}", 4, E_FORMAT, "dtype");
}
END_TEST

/* Row 28. */
START_TEST(holes_and_overlaps_are_refused)
{
#define TWO(a0, a1, b0, b1, na, nb) \
    "{\"a\":" ENTRY("U8", na, a0, a1) ",\"b\":" ENTRY("U8", nb, b0, b1) "}"
    accept(TWO(4, 8, 0, 4, "[4]", "[4]"), 8, 2);
    refuse(TWO(0, 4, 5, 8, "[4]", "[3]"), 8, E_FORMAT, "hole of 1 bytes before tensor b");
    refuse(TWO(1, 4, 4, 8, "[3]", "[4]"), 8, E_FORMAT, "hole of 1 bytes before tensor a");
    refuse(TWO(0, 4, 4, 7, "[4]", "[3]"), 8, E_FORMAT, "1 bytes at the end");
    refuse(TWO(0, 4, 3, 8, "[4]", "[5]"), 8, E_FORMAT, "tensor b overlaps a");
    refuse(TWO(0, 8, 2, 4, "[8]", "[2]"), 8, E_FORMAT, "tensor b overlaps a");
    refuse(TWO(0, 8, 0, 8, "[8]", "[8]"), 8, E_FORMAT, "both start at data byte 0");
}
END_TEST

START_TEST(empty_tensor_reusing_an_offset_is_refused)
{
    refuse(TWO(0, 0, 0, 8, "[0]", "[8]"), 8, E_FORMAT, "both start at data byte 0");
    refuse(TWO(0, 8, 4, 4, "[8]", "[0]"), 8, E_FORMAT, "overlaps");
    refuse(TWO(0, 0, 0, 0, "[0]", "[0]"), 0, E_FORMAT, "both start");
    accept(TWO(0, 8, 8, 8, "[8]", "[0]"), 8, 2);
}
END_TEST

START_TEST(metadata_holds_texts_only)
{
    accept("{\"__metadata__\":{\"format\":\"pt\"}}", 0, 0);
    refuse("{\"__metadata__\":{\"format\":1}}", 0, E_FORMAT, "__metadata__");
    refuse("{\"__metadata__\":[]}", 0, E_FORMAT, "__metadata__");
}
END_TEST

/* Row 30. */
START_TEST(pickle_renamed_is_a_wrong_format)
{
    static const struct { const char *data; size_t len; const char *part; } cases[] = {
        { "PK\3\4\0\0\10\10\0\0\0\0\0\0\0\0\0\0\0\0", 20, "PyTorch zip" },
        { "\x80\2}q\0(X\5\0\0\0modelq\1K\1u.", 20, "Python pickle" },
        { "\x80\4\x95\x10\0\0\0\0\0\0\0}\x94.", 14, "Python pickle" },
        { "GGUF\3\0\0\0\0\0\0\0\0\0\0\0", 16, "GGUF" },
        { "version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = { 0 };
        safetensors s;
        errtext err;

        bytes_add(&b, cases[i].data, cases[i].len);
        ck_assert_int_eq(read_bytes(&b, &s, &err), E_FORMAT);
        ck_assert_msg(strstr(err.text, "wrong format") && strstr(err.text, cases[i].part), "%s",
                      err.text);
        bytes_fini(&b);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("safetensors");
    TCase *tc = tcase_create("all");
    SRunner *sr;
    int n_failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, fixture_tensors_have_type_shape_and_bytes);
    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, abandoned_write_leaves_nothing);
    tcase_add_test(tc, full_disk_is_an_error);
    tcase_add_test(tc, header_length_is_held_against_the_file);
    tcase_add_test(tc, file_cut_at_every_byte_is_refused);
    tcase_add_test(tc, hundred_thousand_tensors_are_read);
    tcase_add_test(tc, count_of_values_is_limited_before_parsing);
    tcase_add_test(tc, duplicate_tensor_is_refused);
    tcase_add_test(tc, invalid_utf8_is_refused_with_its_offset);
    tcase_add_test(tc, header_that_is_no_object_is_refused);
    tcase_add_test(tc, numbers_that_are_not_json_are_refused);
    tcase_add_test(tc, names_with_control_characters_are_refused);
    tcase_add_test(tc, bad_data_offsets_are_refused);
    tcase_add_test(tc, shape_products_may_not_overflow);
    tcase_add_test(tc, extent_must_agree_with_shape_and_type);
    tcase_add_test(tc, unknown_dtype_still_runs_all_checks);
    tcase_add_test(tc, holes_and_overlaps_are_refused);
    tcase_add_test(tc, empty_tensor_reusing_an_offset_is_refused);
    tcase_add_test(tc, metadata_holds_texts_only);
    tcase_add_test(tc, pickle_renamed_is_a_wrong_format);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
