/* The GGUF container: what the writer writes the reader reads, and no header
 * of any shape gets further than one clear error. Numbers in the test names'
 * comments are the rows of the reliability page's table of bad inputs. */
#include "model/gguf.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "support/tiny_model.h"

#include <check.h>       /* last: it has a macro named fail */

static char dir[] = "/tmp/test_gguf_XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[4][256];
    static int next;
    char *p = path[next++ & 3];

    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static void make_dir(void)
{
    ck_assert(mkdtemp(dir) != NULL);
}

static void remove_dir(void)
{
    char command[256];

    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert(system(command) == 0);
}

/* ---- raw files, byte by byte ---- */

static void put(bytes *b, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) bytes_add_char(b, (char)(v >> 8 * i));
}

static void put_text(bytes *b, const char *s)
{
    put(b, strlen(s), 8);
    bytes_add_string(b, s);
}

static void put_header(bytes *b, uint64_t n_tensor, uint64_t n_value)
{
    bytes_add(b, "GGUF", 4);
    put(b, 3, 4);
    put(b, n_tensor, 8);
    put(b, n_value, 8);
}

static void put_u32_value(bytes *b, const char *key, uint32_t v)
{
    put_text(b, key);
    put(b, GGUF_U32, 4);
    put(b, v, 4);
}

static void put_tensor(bytes *b, const char *name, int n_dim, const uint64_t *dim, uint32_t type,
                       uint64_t offset)
{
    put_text(b, name);
    put(b, (uint64_t)n_dim, 4);
    for (int i = 0; i < n_dim; i++) put(b, dim[i], 8);
    put(b, type, 4);
    put(b, offset, 8);
}

static void put_data(bytes *b, size_t len)
{
    while (b->len % 32) bytes_add_char(b, 0);
    while (len--) bytes_add_char(b, 0);
}

/* Read a file held in memory of exactly its size, so that a sanitizer sees
 * every byte read too far; it must be refused with all the words. */
static void refused(bytes *b, status want, const char *word, const char *word2)
{
    uint8_t *exact = malloc(b->len ? b->len : 1);
    gguf g;
    errtext err = { { 0 } };
    status st;

    memcpy(exact, b->data ? b->data : "", b->len);
    st = gguf_init(&g, "FILE", exact, b->len, &err);
    ck_assert_msg(st == want, "status %s, expected %s: %s", status_name(st), status_name(want),
                  err.text);
    ck_assert_msg(strstr(err.text, word) && strstr(err.text, word2) && !strncmp(err.text, "FILE: ", 6),
                  "'%s' holds no '%s' or no '%s'", err.text, word, word2);
    ck_assert(!g.values && !g.tensors && !g.index);
    free(exact);
    bytes_fini(b);
}

/* 1 */
START_TEST(another_magic_is_not_gguf)
{
    bytes b = { 0 }, c = { 0 };

    bytes_add_string(&b, "GGML and so on, long enough for a header");
    refused(&b, E_FORMAT, "not a GGUF file", "FILE");
    bytes_add_string(&c, "X");
    refused(&c, E_FORMAT, "not a GGUF file", "FILE");
}
END_TEST

START_TEST(versions_other_than_2_and_3_are_unsupported)
{
    const uint32_t versions[] = { 0, 1, 4, 0xFFFFFFFF };

    for (int i = 0; i < 4; i++) {
        bytes b = { 0 };

        put_header(&b, 0, 0);
        memcpy(b.data + 4, &versions[i], 4);
        refused(&b, E_UNSUPPORTED, "unsupported GGUF version", i == 1 ? "version 1" : "");
    }
}
END_TEST

START_TEST(a_swapped_version_is_called_big_endian)
{
    bytes b = { 0 };

    put_header(&b, 0, 0);
    memcpy(b.data + 4, "\0\0\0\3", 4);
    refused(&b, E_UNSUPPORTED, "big-endian", "");
}
END_TEST

START_TEST(version_2_reads_as_version_3)
{
    bytes b = { 0 };
    gguf g;
    errtext err;

    put_header(&b, 0, 0);
    b.data[4] = 2;
    ck_assert(gguf_init(&g, "FILE", (uint8_t *)b.data, b.len, &err) == OK);
    ck_assert_int_eq(g.version, 2);
    gguf_fini(&g);
    bytes_fini(&b);
}
END_TEST

/* 2 */
START_TEST(counts_beyond_the_file_are_refused_before_allocating)
{
    const uint64_t counts[] = { 1, 1ull << 32, 1ull << 62, 1ull << 63, UINT64_MAX };

    for (int i = 0; i < 5; i++) {
        bytes b = { 0 }, c = { 0 };

        put_header(&b, 0, counts[i]);
        refused(&b, E_FORMAT, "metadata entries", "byte 16");
        put_header(&c, counts[i], 0);
        refused(&c, E_FORMAT, "tensors", "byte 8");
    }
}
END_TEST

START_TEST(more_metadata_than_reasonable_is_a_limit)
{
    bytes b = { 0 };
    char key[16];

    put_header(&b, 0, 5000);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "key %d", i);
        put_u32_value(&b, key, 0);
    }
    refused(&b, E_LIMIT, "5000 metadata entries", "limit");
}
END_TEST

/* 3 */
START_TEST(a_file_cut_at_any_byte_is_truncated)
{
    tiny_model m;
    bytes whole = { 0 };
    errtext err;
    gguf g;

    tiny_init(&m, FAMILY_LLAMA);
    /* The last tensor ends with the file: no padding that could be cut off
     * without loss. */
    tiny_add(&m, "last", 1, 8, 1, 1);
    ck_assert_msg(tiny_write(&m, in_dir("whole"), &err) == OK, "%s", err.text);
    ck_assert(file_read(&whole, in_dir("whole"), 1 << 20, &err) == OK);
    ck_assert(gguf_init(&g, "FILE", (uint8_t *)whole.data, whole.len, &err) == OK);
    gguf_fini(&g);
    for (size_t n = 0; n < whole.len; n++) {
        bytes cut = { 0 };
        char where[64];

        bytes_add(&cut, whole.data, n);
        snprintf(where, sizeof where, "truncated at byte %zu:", n);
        refused(&cut, E_FORMAT, where, "");
    }
    bytes_fini(&whole);
}
END_TEST

/* 4 */
START_TEST(lengths_of_keys_and_strings_are_held_against_the_file)
{
    const uint64_t lengths[] = { 1000, 1ull << 63, UINT64_MAX, UINT64_MAX - 23 };

    for (int i = 0; i < 4; i++) {
        bytes b = { 0 }, c = { 0 };

        put_header(&b, 0, 1);
        put(&b, lengths[i], 8);
        put(&b, 0, 8);
        refused(&b, E_FORMAT, "truncated", "byte 32");
        put_header(&c, 0, 1);
        put_text(&c, "some.key");
        put(&c, GGUF_STRING, 4);
        put(&c, lengths[i], 8);
        refused(&c, E_FORMAT, "truncated", "'some.key'");
    }
}
END_TEST

START_TEST(empty_keys_and_keys_with_nul_are_refused)
{
    bytes b = { 0 }, c = { 0 };

    put_header(&b, 0, 1);
    put(&b, 0, 8);
    put(&b, GGUF_U32, 4);
    put(&b, 0, 4);
    refused(&b, E_FORMAT, "empty", "byte 24");
    put_header(&c, 0, 1);
    put_u32_value(&c, "a key", 0);
    c.data[33] = 0;
    refused(&c, E_FORMAT, "NUL", "byte 24");
}
END_TEST

/* 5 */
START_TEST(array_counts_are_held_against_the_file)
{
    const uint64_t counts[] = { 1, 1ull << 32, 1ull << 62, 1ull << 61, UINT64_MAX };
    const uint32_t items[] = { GGUF_U8, GGUF_STRING, GGUF_U64, GGUF_ARRAY };

    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 4; j++) {
            bytes b = { 0 };

            put_header(&b, 0, 1);
            put_text(&b, "k");
            put(&b, GGUF_ARRAY, 4);
            put(&b, items[j], 4);
            put(&b, counts[i], 8);
            refused(&b, E_FORMAT, "array items", "'k'");
        }
}
END_TEST

/* 6 */
START_TEST(arrays_nest_to_a_bound)
{
    bytes b = { 0 };

    put_header(&b, 0, 1);
    put_text(&b, "deep");
    put(&b, GGUF_ARRAY, 4);
    for (int i = 0; i < 10000; i++) {
        put(&b, GGUF_ARRAY, 4);
        put(&b, 1, 8);
    }
    put(&b, GGUF_U8, 4);
    put(&b, 0, 8);
    refused(&b, E_LIMIT, "nested", "'deep'");
}
END_TEST

START_TEST(a_small_nested_array_is_stepped_over)
{
    bytes b = { 0 };
    gguf g;
    errtext err;
    int64_t v = 0;

    put_header(&b, 0, 2);
    put_text(&b, "nested");
    put(&b, GGUF_ARRAY, 4);
    put(&b, GGUF_ARRAY, 4);
    put(&b, 2, 8);
    for (int i = 0; i < 2; i++) {
        put(&b, GGUF_STRING, 4);
        put(&b, 1, 8);
        put_text(&b, "text");
    }
    put_u32_value(&b, "after", 77);
    ck_assert_msg(gguf_init(&g, "FILE", (uint8_t *)b.data, b.len, &err) == OK, "%s", err.text);
    ck_assert(gguf_read_int(&g, "after", 0, 100, &v, &err) == OK && v == 77);
    gguf_fini(&g);
    bytes_fini(&b);
}
END_TEST

/* 7 */
START_TEST(unknown_value_types_are_named)
{
    const uint32_t types[] = { 13, 255, UINT32_MAX };

    for (int i = 0; i < 3; i++) {
        bytes b = { 0 }, c = { 0 };

        put_header(&b, 0, 1);
        put_text(&b, "odd");
        put(&b, types[i], 4);
        put(&b, 0, 8);
        refused(&b, E_FORMAT, "unknown type", "'odd'");
        put_header(&c, 0, 1);
        put_text(&c, "odd");
        put(&c, GGUF_ARRAY, 4);
        put(&c, types[i], 4);
        put(&c, 0, 8);
        refused(&c, E_FORMAT, "unknown type", "'odd'");
    }
}
END_TEST

START_TEST(unknown_tensor_types_are_named)
{
    const struct { uint32_t type; const char *word; } types[] = {
        { UINT32_MAX, "type -1" }, { 255, "type 255" }, { 4, "unknown" }, { 10, "Q2_K" },
        { 23, "IQ4_XS" }, { 39, "MXFP4" },
    };

    for (int i = 0; i < 6; i++) {
        bytes b = { 0 };

        put_header(&b, 1, 0);
        put_tensor(&b, "odd", 1, (uint64_t[]){ 256 }, types[i].type, 0);
        put_data(&b, 2048);
        refused(&b, E_UNSUPPORTED, types[i].word, "'odd'");
    }
}
END_TEST

/* 8 */
START_TEST(duplicate_keys_are_refused)
{
    bytes b = { 0 };

    put_header(&b, 0, 3);
    put_u32_value(&b, "one", 1);
    put_u32_value(&b, "two", 2);
    put_u32_value(&b, "one", 1);
    refused(&b, E_FORMAT, "duplicate key 'one'", "byte 62");
}
END_TEST

/* 9 */
START_TEST(sizes_that_wrap_are_an_overflow)
{
    const struct { int n; uint64_t dim[4]; const char *word; } cases[] = {
        { 2, { 1ull << 32, 1ull << 32 }, "overflow" },
        { 3, { 4, 1ull << 33, 1ull << 33 }, "overflow" },
        { 4, { 1ull << 16, 1ull << 16, 1ull << 16, 1ull << 16 }, "overflow" },
        { 2, { 1ull << 62, 4 }, "overflow" },
        { 1, { 0 }, "dimension 0 is 0" },
        { 2, { 4, 0 }, "dimension 1 is 0" },
        { 1, { UINT64_MAX }, "dimension 0 is -1" },
        { 2, { 4, 1ull << 63 }, "dimension 1 is -" },
        { 1, { 1ull << 61 }, "truncated" },
    };

    for (int i = 0; i < 9; i++) {
        bytes b = { 0 };

        put_header(&b, 1, 0);
        put_tensor(&b, "wide", cases[i].n, cases[i].dim, DTYPE_F32, 0);
        put_data(&b, 64);
        refused(&b, E_FORMAT, cases[i].word, "'wide'");
    }
}
END_TEST

START_TEST(tensors_have_1_to_4_dimensions)
{
    for (int n = 0; n < 10; n += 5) {
        bytes b = { 0 };

        put_header(&b, 1, 0);
        put_tensor(&b, "cube", n, (uint64_t[10]){ 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, DTYPE_F32, 0);
        put_data(&b, 64);
        refused(&b, E_FORMAT, "dimensions", "'cube'");
    }
}
END_TEST

/* 10 */
START_TEST(rows_are_whole_blocks)
{
    bytes b = { 0 }, c = { 0 };

    put_header(&b, 1, 0);
    put_tensor(&b, "odd", 2, (uint64_t[]){ 33, 32 }, DTYPE_Q8_0, 0);
    put_data(&b, 4096);
    refused(&b, E_FORMAT, "bad row size 33", "'odd'");
    put_header(&c, 1, 0);
    put_tensor(&c, "odd", 1, (uint64_t[]){ 128 }, DTYPE_Q4_K, 0);
    put_data(&c, 4096);
    refused(&c, E_FORMAT, "bad row size 128", "256");
}
END_TEST

/* 11 */
START_TEST(extents_lie_within_the_file)
{
    const uint64_t offsets[] = { 32, 64, 1ull << 40, 1ull << 63, UINT64_MAX - 31 };

    for (int i = 0; i < 5; i++) {
        bytes b = { 0 };

        put_header(&b, 1, 0);
        put_tensor(&b, "far", 1, (uint64_t[]){ 9 }, DTYPE_F32, offsets[i]);
        put_data(&b, 64);
        refused(&b, E_FORMAT, "truncated", "'far'");
    }
}
END_TEST

START_TEST(extents_start_at_the_alignment)
{
    bytes b = { 0 };

    put_header(&b, 1, 0);
    put_tensor(&b, "askew", 1, (uint64_t[]){ 4 }, DTYPE_F32, 8);
    put_data(&b, 64);
    refused(&b, E_FORMAT, "alignment", "'askew'");
}
END_TEST

START_TEST(extents_do_not_overlap)
{
    for (int order = 0; order < 2; order++) {
        bytes b = { 0 };

        put_header(&b, 3, 0);
        put_tensor(&b, "one", 1, (uint64_t[]){ 8 }, DTYPE_F32, 128);
        put_tensor(&b, "two", 1, (uint64_t[]){ 9 }, DTYPE_F32, order ? 32 : 64);
        put_tensor(&b, "three", 1, (uint64_t[]){ 8 }, DTYPE_F32, order ? 64 : 96);
        put_data(&b, 256);
        refused(&b, E_FORMAT, "overlaps", "'three'");
    }
}
END_TEST

START_TEST(extents_do_not_overlap_out_of_order)
{
    bytes b = { 0 };

    put_header(&b, 3, 0);
    put_tensor(&b, "one", 1, (uint64_t[]){ 9 }, DTYPE_F32, 64);
    put_tensor(&b, "two", 1, (uint64_t[]){ 8 }, DTYPE_F32, 160);
    put_tensor(&b, "three", 1, (uint64_t[]){ 8 }, DTYPE_F32, 96);
    put_data(&b, 256);
    refused(&b, E_FORMAT, "'three' at byte 94 overlaps tensor 'one' at byte 24", "");
}
END_TEST

START_TEST(two_tensors_do_not_share_an_extent)
{
    bytes b = { 0 };

    put_header(&b, 2, 0);
    put_tensor(&b, "one", 1, (uint64_t[]){ 8 }, DTYPE_F32, 0);
    put_tensor(&b, "two", 1, (uint64_t[]){ 8 }, DTYPE_F32, 0);
    put_data(&b, 64);
    refused(&b, E_FORMAT, "overlaps", "'one'");
}
END_TEST

/* 12 */
START_TEST(alignments_are_powers_of_two_in_bounds)
{
    const uint32_t bad[] = { 0, 1, 3, 4, 24, 33, 1u << 21, 1u << 31, UINT32_MAX };

    for (int i = 0; i < 9; i++) {
        bytes b = { 0 };

        put_header(&b, 0, 1);
        put_u32_value(&b, "general.alignment", bad[i]);
        refused(&b, E_FORMAT, "bad alignment", "byte 24");
    }
}
END_TEST

START_TEST(an_alignment_of_another_type_is_refused)
{
    bytes b = { 0 };

    put_header(&b, 0, 1);
    put_text(&b, "general.alignment");
    put(&b, GGUF_U64, 4);
    put(&b, 32, 8);
    refused(&b, E_FORMAT, "bad alignment", "u64");
}
END_TEST

START_TEST(an_alignment_of_64_moves_the_data)
{
    bytes b = { 0 };
    gguf g;
    errtext err;

    put_header(&b, 1, 1);
    put_u32_value(&b, "general.alignment", 64);
    put_tensor(&b, "t", 1, (uint64_t[]){ 4 }, DTYPE_F32, 64);
    while (b.len < 192) bytes_add_char(&b, 0);
    put(&b, 0x3F800000, 4);
    put(&b, 0, 8);
    put(&b, 0, 4);
    ck_assert_msg(gguf_init(&g, "FILE", (uint8_t *)b.data, b.len, &err) == OK, "%s", err.text);
    ck_assert_uint_eq(g.data_start, 128);
    ck_assert_int_eq(g.n_tensor, 1);
    ck_assert(g.tensors[0].data == (uint8_t *)b.data + 192 && g.tensors[0].n_bytes == 16);
    gguf_fini(&g);
    bytes_fini(&b);
}
END_TEST

START_TEST(names_in_messages_are_harmless)
{
    bytes b = { 0 };

    put_header(&b, 0, 2);
    put_u32_value(&b, "\x1b[31m\xff red", 1);
    put_u32_value(&b, "\x1b[31m\xff red", 1);
    refused(&b, E_FORMAT, "'?[31m? red'", "duplicate");
}
END_TEST

START_TEST(long_names_are_cut_in_messages)
{
    bytes b = { 0 };
    char key[1001];

    memset(key, 'k', 1000);
    key[1000] = 0;
    put_header(&b, 0, 1);
    put_text(&b, key);
    put(&b, 99, 4);
    put(&b, 0, 4);
    refused(&b, E_FORMAT, "kkk...'", "unknown type 99");
}
END_TEST

START_TEST(tensor_names_have_a_length_limit)
{
    bytes b = { 0 };
    char name[129];

    memset(name, 'n', 128);
    name[128] = 0;
    put_header(&b, 1, 0);
    put_tensor(&b, name, 1, (uint64_t[]){ 4 }, DTYPE_F32, 0);
    put_data(&b, 64);
    refused(&b, E_FORMAT, "127", "tensor 'nnn");
}
END_TEST

/* ---- lookups ---- */

static gguf sample;
static bytes sample_bytes;

static void open_sample(void)
{
    gguf_writer *w = gguf_writer_new();
    const token_text texts[3] = { { "one", 3 }, { "", 0 }, { "th\0ree", 6 } };
    errtext err;

    gguf_writer_set_u8(w, "u8", 200);
    gguf_writer_set_u16(w, "u16", 60000);
    gguf_writer_set_u32(w, "u32", 4000000000u);
    gguf_writer_set_i32(w, "i32", -5);
    gguf_writer_set_u64(w, "u64", UINT64_MAX);
    gguf_writer_set_f32(w, "f32", 0.1f);
    gguf_writer_set_bool(w, "bool", true);
    gguf_writer_set_string(w, "string", "text");
    gguf_writer_set_array_u8(w, "bytes", (uint8_t[]){ 0, 1, 255 }, 3);
    gguf_writer_set_array_i32(w, "ints", (int32_t[]){ -1, INT32_MIN, INT32_MAX }, 3);
    gguf_writer_set_array_f32(w, "floats", (float[]){ 1.5f, -2 }, 2);
    gguf_writer_set_array_string(w, "texts", texts, 3);
    gguf_writer_set_array_i32(w, "none", NULL, 0);
    gguf_writer_set_u32(w, "replaced", 1);
    gguf_writer_set_u32(w, "last", 9);
    gguf_writer_set_u32(w, "replaced", 2);
    make_dir();
    ck_assert(gguf_writer_begin(w, in_dir("sample"), &err) == OK);
    ck_assert(gguf_writer_finish(w, &err) == OK);
    gguf_writer_free(w);
    ck_assert(file_read(&sample_bytes, in_dir("sample"), 1 << 20, &err) == OK);
    ck_assert(gguf_init(&sample, "FILE", (uint8_t *)sample_bytes.data, sample_bytes.len, &err) == OK);
}

static void close_sample(void)
{
    gguf_fini(&sample);
    bytes_fini(&sample_bytes);
    remove_dir();
}

START_TEST(integers_of_any_type_are_read)
{
    const struct { const char *key; int64_t want; } cases[] = {
        { "u8", 200 }, { "u16", 60000 }, { "u32", 4000000000 }, { "i32", -5 },
        { "u64", INT64_MAX }, { "replaced", 2 }, { "last", 9 },
    };
    errtext err;

    for (int i = 0; i < 7; i++) {
        int64_t v = 0;

        ck_assert(gguf_read_int(&sample, cases[i].key, INT64_MIN, INT64_MAX, &v, &err) == OK);
        ck_assert_msg(v == cases[i].want, "%s is %lld", cases[i].key, (long long)v);
    }
    ck_assert_int_eq(sample.n_value, 15);
}
END_TEST

START_TEST(other_values_are_read)
{
    errtext err;
    float f = 0;
    bool b = false;
    char *s = NULL;

    ck_assert(gguf_read_float(&sample, "f32", &f, &err) == OK && f == 0.1f);
    ck_assert(gguf_read_bool(&sample, "bool", &b, &err) == OK && b);
    ck_assert(gguf_read_string(&sample, "string", 4, &s, &err) == OK);
    ck_assert_str_eq(s, "text");
    mem_free(s);
}
END_TEST

START_TEST(arrays_are_read)
{
    errtext err;
    int32_t *ints = NULL, *small = NULL;
    float *floats = NULL;
    token_text *texts = NULL;
    int n = 0;

    ck_assert(gguf_read_i32s(&sample, "ints", &ints, &n, &err) == OK && n == 3);
    ck_assert(ints[0] == -1 && ints[1] == INT32_MIN && ints[2] == INT32_MAX);
    ck_assert(gguf_read_i32s(&sample, "bytes", &small, &n, &err) == OK && n == 3);
    ck_assert(small[0] == 0 && small[1] == 1 && small[2] == 255);
    ck_assert(gguf_read_f32s(&sample, "floats", &floats, &n, &err) == OK && n == 2);
    ck_assert(floats[0] == 1.5f && floats[1] == -2);
    ck_assert(gguf_read_texts(&sample, "texts", &texts, &n, &err) == OK && n == 3);
    ck_assert(texts[0].len == 3 && !memcmp(texts[0].data, "one", 3) && texts[1].len == 0);
    ck_assert(texts[2].len == 6 && !memcmp(texts[2].data, "th\0ree", 6));
    mem_free(ints);
    mem_free(small);
    mem_free(floats);
    mem_free(texts);
    ints = NULL;
    ck_assert(gguf_read_i32s(&sample, "none", &ints, &n, &err) == OK && n == 0);
    mem_free(ints);
}
END_TEST

START_TEST(absent_keys_leave_the_default)
{
    errtext err;
    int64_t v = 42;
    float f = 42;
    bool b = true;
    char *s = NULL;
    int32_t *ints = NULL;
    int n = 42;

    ck_assert(!gguf_find(&sample, "absent"));
    ck_assert(gguf_read_int(&sample, "absent", 0, 1, &v, &err) == OK && v == 42);
    ck_assert(gguf_read_float(&sample, "absent", &f, &err) == OK && f == 42);
    ck_assert(gguf_read_bool(&sample, "absent", &b, &err) == OK && b);
    ck_assert(gguf_read_string(&sample, "absent", 9, &s, &err) == OK && !s);
    ck_assert(gguf_read_i32s(&sample, "absent", &ints, &n, &err) == OK && !ints && n == 42);
}
END_TEST

static void says(status st, status want, const errtext *err, const char *word)
{
    ck_assert_msg(st == want && strstr(err->text, word), "%s '%s', expected %s with '%s'",
                  status_name(st), err->text, status_name(want), word);
}

START_TEST(values_of_the_wrong_type_are_named)
{
    errtext err;
    int64_t v;
    float f;
    bool b;
    char *s;
    int32_t *ints;
    float *floats;
    token_text *texts;
    int n;

    says(gguf_read_int(&sample, "f32", 0, 9, &v, &err), E_FORMAT, &err, "'f32'");
    says(gguf_read_int(&sample, "bool", 0, 9, &v, &err), E_FORMAT, &err, "'bool'");
    says(gguf_read_int(&sample, "ints", 0, 9, &v, &err), E_FORMAT, &err, "array of i32");
    says(gguf_read_float(&sample, "u32", &f, &err), E_FORMAT, &err, "'u32'");
    says(gguf_read_bool(&sample, "u8", &b, &err), E_FORMAT, &err, "'u8'");
    says(gguf_read_string(&sample, "u8", 9, &s, &err), E_FORMAT, &err, "string expected");
    says(gguf_read_i32s(&sample, "floats", &ints, &n, &err), E_FORMAT, &err, "array of f32");
    says(gguf_read_i32s(&sample, "i32", &ints, &n, &err), E_FORMAT, &err, "array expected");
    says(gguf_read_f32s(&sample, "ints", &floats, &n, &err), E_FORMAT, &err, "array of i32");
    says(gguf_read_texts(&sample, "ints", &texts, &n, &err), E_FORMAT, &err, "strings");
}
END_TEST

START_TEST(numbers_and_texts_beyond_their_bound_are_named)
{
    errtext err;
    int64_t v;
    char *s;

    says(gguf_read_int(&sample, "u16", 0, 59999, &v, &err), E_LIMIT, &err, "60000");
    says(gguf_read_int(&sample, "i32", 0, 9, &v, &err), E_LIMIT, &err, "-5");
    says(gguf_read_string(&sample, "string", 3, &s, &err), E_LIMIT, &err, "4 bytes");
}
END_TEST

START_TEST(a_string_with_nul_is_refused)
{
    bytes b = { 0 };
    gguf g;
    errtext err;
    char *s;

    put_header(&b, 0, 1);
    put_text(&b, "s");
    put(&b, GGUF_STRING, 4);
    put_text(&b, "a.b");
    b.data[b.len - 2] = 0;
    ck_assert(gguf_init(&g, "FILE", (uint8_t *)b.data, b.len, &err) == OK);
    says(gguf_read_string(&g, "s", 9, &s, &err), E_FORMAT, &err, "NUL");
    gguf_fini(&g);
    bytes_fini(&b);
}
END_TEST

START_TEST(a_bool_of_2_is_refused)
{
    bytes b = { 0 };
    gguf g;
    errtext err;
    bool v;

    put_header(&b, 0, 1);
    put_text(&b, "b");
    put(&b, GGUF_BOOL, 4);
    put(&b, 2, 1);
    ck_assert(gguf_init(&g, "FILE", (uint8_t *)b.data, b.len, &err) == OK);
    says(gguf_read_bool(&g, "b", &v, &err), E_FORMAT, &err, "'b'");
    gguf_fini(&g);
    bytes_fini(&b);
}
END_TEST

START_TEST(entries_can_be_copied_to_another_file)
{
    gguf_writer *w = gguf_writer_new();
    bytes b = { 0 };
    errtext err;
    gguf g;

    for (int i = 0; i < sample.n_value; i++) gguf_writer_set_value(w, &sample.values[i]);
    ck_assert(gguf_writer_begin(w, in_dir("copy"), &err) == OK);
    ck_assert(gguf_writer_finish(w, &err) == OK);
    gguf_writer_free(w);
    ck_assert(file_read(&b, in_dir("copy"), 1 << 20, &err) == OK);
    ck_assert(b.len == sample_bytes.len && !memcmp(b.data, sample_bytes.data, b.len));
    ck_assert(gguf_init(&g, "FILE", (uint8_t *)b.data, b.len, &err) == OK);
    gguf_fini(&g);
    bytes_fini(&b);
}
END_TEST

/* ---- writing ---- */

START_TEST(tensors_come_back_as_they_were_written)
{
    gguf_writer *w = gguf_writer_new();
    uint8_t one[36], two[68], three[4] = { 1, 2, 3, 4 };
    bytes b = { 0 };
    errtext err;
    gguf g;

    for (int i = 0; i < 36; i++) one[i] = (uint8_t)(i + 1);
    for (int i = 0; i < 68; i++) two[i] = (uint8_t)(200 - i);
    gguf_writer_add_tensor(w, "one", DTYPE_F32, 2, (int64_t[]){ 3, 3 });
    gguf_writer_add_tensor(w, "two", DTYPE_Q8_0, 3, (int64_t[]){ 32, 1, 2 });
    gguf_writer_add_tensor(w, "three", DTYPE_BF16, 1, (int64_t[]){ 2 });
    ck_assert(gguf_writer_begin(w, in_dir("t"), &err) == OK);
    ck_assert(gguf_writer_write(w, one, 1, &err) == OK);
    ck_assert(gguf_writer_write(w, one + 1, 34, &err) == OK);
    ck_assert(gguf_writer_write(w, one + 35, 1, &err) == OK);
    ck_assert(gguf_writer_write(w, two, 0, &err) == OK);
    ck_assert(gguf_writer_write(w, two, 68, &err) == OK);
    ck_assert(gguf_writer_write(w, three, 4, &err) == OK);
    ck_assert(gguf_writer_finish(w, &err) == OK);
    gguf_writer_free(w);
    ck_assert(file_read(&b, in_dir("t"), 1 << 20, &err) == OK);
    ck_assert(gguf_init(&g, "FILE", (uint8_t *)b.data, b.len, &err) == OK);
    ck_assert_int_eq(g.n_tensor, 3);
    ck_assert(g.tensors[0].n_bytes == 36 && !memcmp(g.tensors[0].data, one, 36));
    ck_assert(g.tensors[1].n_bytes == 68 && !memcmp(g.tensors[1].data, two, 68));
    ck_assert(g.tensors[2].n_bytes == 4 && !memcmp(g.tensors[2].data, three, 4));
    ck_assert(g.tensors[1].type == DTYPE_Q8_0 && g.tensors[1].n_dim == 3);
    ck_assert(g.tensors[1].dim[0] == 32 && g.tensors[1].dim[2] == 2 && g.tensors[1].dim[3] == 1);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq((size_t)(g.tensors[i].data - (uint8_t *)b.data) % 32, 0);
    gguf_fini(&g);
    bytes_fini(&b);
}
END_TEST

START_TEST(a_tensor_larger_than_the_buffer_is_written_whole)
{
    enum { N = 3 << 20 };
    gguf_writer *w = gguf_writer_new();
    uint8_t *data = mem_new(N);
    bytes b = { 0 };
    errtext err;
    gguf g;

    for (int i = 0; i < N; i++) data[i] = (uint8_t)(i * 7 >> 3);
    gguf_writer_add_tensor(w, "big", DTYPE_F32, 1, (int64_t[]){ N / 4 });
    ck_assert(gguf_writer_begin(w, in_dir("big"), &err) == OK);
    for (int at = 0, n = 1; at < N; at += n, n = n * 3 < N - at ? n * 3 : N - at)
        ck_assert(gguf_writer_write(w, data + at, (size_t)n, &err) == OK);
    ck_assert(gguf_writer_finish(w, &err) == OK);
    gguf_writer_free(w);
    ck_assert(file_read(&b, in_dir("big"), 1 << 23, &err) == OK);
    ck_assert(gguf_init(&g, "FILE", (uint8_t *)b.data, b.len, &err) == OK);
    ck_assert(g.tensors[0].n_bytes == N && !memcmp(g.tensors[0].data, data, N));
    gguf_fini(&g);
    bytes_fini(&b);
    mem_free(data);
}
END_TEST

START_TEST(the_old_file_stands_until_the_new_one_is_whole)
{
    gguf_writer *w = gguf_writer_new();
    bytes b = { 0 };
    errtext err;

    ck_assert(file_replace(in_dir("f"), "old", 3, &err) == OK);
    gguf_writer_add_tensor(w, "t", DTYPE_F32, 1, (int64_t[]){ 1 });
    ck_assert(gguf_writer_begin(w, in_dir("f"), &err) == OK);
    ck_assert(file_exists(in_dir("f.tmp")));
    gguf_writer_free(w);
    ck_assert(!file_exists(in_dir("f.tmp")));
    ck_assert(file_read(&b, in_dir("f"), 100, &err) == OK && b.len == 3);
    bytes_fini(&b);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_named)
{
    gguf_writer *w = gguf_writer_new();
    errtext err;

    says(gguf_writer_begin(w, in_dir("no/file.gguf"), &err), E_IO, &err, "no/file.gguf.tmp");
    gguf_writer_free(w);
}
END_TEST

START_TEST(a_full_disk_is_reported_and_leaves_nothing)
{
    const struct rlimit limit = { 1 << 20, 1 << 20 };
    gguf_writer *w = gguf_writer_new();
    uint8_t *data = mem_new(4 << 20);
    errtext err;
    status st;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert(!setrlimit(RLIMIT_FSIZE, &limit));
    gguf_writer_add_tensor(w, "big", DTYPE_F32, 1, (int64_t[]){ 1 << 20 });
    ck_assert(gguf_writer_begin(w, in_dir("full"), &err) == OK);
    st = gguf_writer_write(w, data, 4 << 20, &err);
    says(st, E_IO, &err, "full.tmp");
    gguf_writer_free(w);
    ck_assert(!file_exists(in_dir("full")) && !file_exists(in_dir("full.tmp")));
    mem_free(data);
}
END_TEST

START_TEST(finishing_early_aborts)
{
    gguf_writer *w = gguf_writer_new();
    errtext err;

    gguf_writer_add_tensor(w, "t", DTYPE_F32, 1, (int64_t[]){ 1 });
    ck_assert(gguf_writer_begin(w, in_dir("early"), &err) == OK);
    gguf_writer_finish(w, &err);
}
END_TEST

START_TEST(type_names_are_known)
{
    ck_assert_str_eq(gguf_type_name(GGUF_U8), "u8");
    ck_assert_str_eq(gguf_type_name(GGUF_F64), "f64");
    ck_assert_str_eq(gguf_type_name((gguf_type)13), "?");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gguf");
    TCase *bad = tcase_create("bad"), *read = tcase_create("read"), *write = tcase_create("write");
    SRunner *sr;
    int failed;

    tcase_set_timeout(bad, 120);
    tcase_set_timeout(read, 120);
    tcase_set_timeout(write, 120);
    tcase_add_checked_fixture(bad, make_dir, remove_dir);
    tcase_add_test(bad, another_magic_is_not_gguf);
    tcase_add_test(bad, versions_other_than_2_and_3_are_unsupported);
    tcase_add_test(bad, a_swapped_version_is_called_big_endian);
    tcase_add_test(bad, version_2_reads_as_version_3);
    tcase_add_test(bad, counts_beyond_the_file_are_refused_before_allocating);
    tcase_add_test(bad, more_metadata_than_reasonable_is_a_limit);
    tcase_add_test(bad, a_file_cut_at_any_byte_is_truncated);
    tcase_add_test(bad, lengths_of_keys_and_strings_are_held_against_the_file);
    tcase_add_test(bad, empty_keys_and_keys_with_nul_are_refused);
    tcase_add_test(bad, array_counts_are_held_against_the_file);
    tcase_add_test(bad, arrays_nest_to_a_bound);
    tcase_add_test(bad, a_small_nested_array_is_stepped_over);
    tcase_add_test(bad, unknown_value_types_are_named);
    tcase_add_test(bad, unknown_tensor_types_are_named);
    tcase_add_test(bad, duplicate_keys_are_refused);
    tcase_add_test(bad, sizes_that_wrap_are_an_overflow);
    tcase_add_test(bad, tensors_have_1_to_4_dimensions);
    tcase_add_test(bad, rows_are_whole_blocks);
    tcase_add_test(bad, extents_lie_within_the_file);
    tcase_add_test(bad, extents_start_at_the_alignment);
    tcase_add_test(bad, extents_do_not_overlap);
    tcase_add_test(bad, extents_do_not_overlap_out_of_order);
    tcase_add_test(bad, two_tensors_do_not_share_an_extent);
    tcase_add_test(bad, alignments_are_powers_of_two_in_bounds);
    tcase_add_test(bad, an_alignment_of_another_type_is_refused);
    tcase_add_test(bad, an_alignment_of_64_moves_the_data);
    tcase_add_test(bad, names_in_messages_are_harmless);
    tcase_add_test(bad, long_names_are_cut_in_messages);
    tcase_add_test(bad, tensor_names_have_a_length_limit);
    suite_add_tcase(s, bad);
    tcase_add_checked_fixture(read, open_sample, close_sample);
    tcase_add_test(read, integers_of_any_type_are_read);
    tcase_add_test(read, other_values_are_read);
    tcase_add_test(read, arrays_are_read);
    tcase_add_test(read, absent_keys_leave_the_default);
    tcase_add_test(read, values_of_the_wrong_type_are_named);
    tcase_add_test(read, numbers_and_texts_beyond_their_bound_are_named);
    tcase_add_test(read, a_string_with_nul_is_refused);
    tcase_add_test(read, a_bool_of_2_is_refused);
    tcase_add_test(read, entries_can_be_copied_to_another_file);
    tcase_add_test(read, type_names_are_known);
    suite_add_tcase(s, read);
    tcase_add_checked_fixture(write, make_dir, remove_dir);
    tcase_add_test(write, tensors_come_back_as_they_were_written);
    tcase_add_test(write, a_tensor_larger_than_the_buffer_is_written_whole);
    tcase_add_test(write, the_old_file_stands_until_the_new_one_is_whole);
    tcase_add_test(write, a_folder_that_is_not_there_is_named);
    tcase_add_test(write, a_full_disk_is_reported_and_leaves_nothing);
    tcase_add_test_raise_signal(write, finishing_early_aborts, SIGABRT);
    suite_add_tcase(s, write);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
