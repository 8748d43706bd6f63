/* test_convert.c - models from one file format into another.
 *
 * The fixtures (tools/make_model_fixtures.py) go from folder to GGUF and back
 * and must come out with the same bits. That transformers and llama.cpp read
 * the results alike was checked by hand: log-probabilities of all six fixtures
 * within 2e-5 of logits.bin. */
#include "model/convert.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/gguf.h"
#include "model/hf.h"
#include "model/internal.h"
#include "model/llama2c.h"
#include "model/recode.h"

#define FIXTURES "tests/fixtures/model/"
#define STORIES "../shared/data/stories260K/"

static const char *const families[] = { "llama", "llama3", "qwen2", "qwen3", "qwen3moe",
                                        "smollm3" };
#define N_FAMILY ((int)(sizeof families / sizeof *families))

/* ---- a folder for every test ---- */

static char dir[] = "/tmp/ponder_convert_XXXXXX";

static void setup(void)
{
    ck_assert(mkdtemp(dir));
}

static void teardown(void)
{
    char line[128];

    snprintf(line, sizeof line, "rm -rf %s", dir);
    ck_assert_int_eq(system(line), 0);
}

static char *at(const char *name)
{
    static char path[8][256];
    static int i;

    i = (i + 1) % 8;
    snprintf(path[i], sizeof path[i], "%s/%s", dir, name);
    return path[i];
}

static char *fixture(const char *name)
{
    static char path[4][128];
    static int i;

    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], FIXTURES "%s", name);
    return path[i];
}

static bool stories_there(void)
{
    if (file_exists(STORIES "stories260K.bin")) return true;
    printf("skipped: " STORIES " is not there\n");
    return false;
}

static bytes read_file(const char *path)
{
    bytes b = { 0 };
    errtext err;

    ck_assert_msg(file_read(&b, path, 1 << 28, &err) == OK, "%s", err.text);
    return b;
}

static void write_file(const char *path, const bytes *b)
{
    errtext err;

    ck_assert_msg(file_replace(path, b->data, b->len, &err) == OK, "%s", err.text);
}

static weights *opened(const char *path)
{
    weights *w;
    errtext err;

    ck_assert_msg(weights_open(&w, path, &err) == OK, "%s", err.text);
    return w;
}

/* Notes of the last conversion, one a line. */
static bytes notes;

static void keep_note(void *arg, const char *line)
{
    (void)arg;
    bytes_add_format(&notes, "%s\n", line);
}

static void convert(const char *src, const char *dst, const convert_options *o)
{
    convert_options with = *o;
    errtext err;

    bytes_clear(&notes);
    with.note = keep_note;
    ck_assert_msg(convert_model(src, dst, &with, &err) == OK, "%s", err.text);
}

static void refuses(const char *src, const char *dst, const convert_options *o, status want,
                    const char *part)
{
    errtext err = { "" };
    status st = convert_model(src, dst, o, &err);

    ck_assert_msg(st == want && strstr(err.text, part), "expected %s, \"%s\"; got %s: %s",
                  status_name(want), part, status_name(st), err.text);
}

static const convert_options as_is = { .n_thread = 2 };

static convert_options to(dtype t)
{
    return (convert_options){ .retype = true, .type = t, .n_thread = 2 };
}

/* ---- same model? ---- */

static void same_config(const weights *a, const weights *b)
{
    config x = *weights_config(a), y = *weights_config(b);

    memset(x.name, 0, sizeof x.name);
    memset(y.name, 0, sizeof y.name);
    ck_assert(!memcmp(&x, &y, sizeof x));
}

static void same_tensors(const weights *a, const weights *b)
{
    ck_assert_int_eq(weights_count(a), weights_count(b));
    for (int i = 0; i < weights_count(a); i++) {
        const weight *x = weights_at(a, i), *y = weights_find(b, x->name);

        ck_assert_msg(y != NULL, "%s", x->name);
        ck_assert_msg(x->type == y->type, "%s: %s, %s", x->name, dtype_name(x->type),
                      dtype_name(y->type));
        ck_assert(!memcmp(x->dim, y->dim, sizeof x->dim));
        ck_assert_msg(!memcmp(x->data, y->data, x->n_bytes), "%s", x->name);
    }
}

static const char *const texts[] = {
    "", " ", "Hello world", "It's 12345, isn't it?  Yes.\n\n\tok",
    "Gr\xC3\xBC\xC3\x9F" "e e\xCC\x81",
    "\xE2\x98\x83 snow \xF0\x9F\x8E\x84", "a    b\r\n c", "<|im_start|>user<think>no</think>",
    "Once upon a time, there was a little girl named Lily.", "\xff\xfe raw",
};

static void same_ids(const tokenizer *a, const tokenizer *b)
{
    for (size_t i = 0; i < 2 * (sizeof texts / sizeof *texts); i++) {
        segments in = { 0 };
        int32_t *x = NULL, *y = NULL;
        int n = 0, m = 0;
        errtext err;

        if (i % 2) segments_trusted(&in, texts[i / 2]);
        else segments_plain(&in, texts[i / 2], strlen(texts[i / 2]));
        ck_assert_int_eq(tokenizer_encode(a, &in, 1000, &x, &n, &err), OK);
        ck_assert_int_eq(tokenizer_encode(b, &in, 1000, &y, &m, &err), OK);
        ck_assert_msg(n == m && (!n || !memcmp(x, y, (size_t)n * sizeof *x)), "%s", texts[i / 2]);
        mem_free(x);
        mem_free(y);
        segments_fini(&in);
    }
    ck_assert_int_eq(tokenizer_bos(a), tokenizer_bos(b));
    ck_assert_int_eq(tokenizer_eos(a), tokenizer_eos(b));
    for (int i = 0; i < tokenizer_size(a) && i < tokenizer_size(b); i++) {
        ck_assert_int_eq(tokenizer_kind(a, i), tokenizer_kind(b, i));
        ck_assert_int_eq(tokenizer_is_end(a, i), tokenizer_is_end(b, i));
    }
}

static void same_tokenizer(const weights *a, const weights *b)
{
    tokenizer *x, *y;
    errtext err;

    ck_assert_msg(weights_tokenizer(a, &x, &err) == OK, "%s", err.text);
    ck_assert_msg(weights_tokenizer(b, &y, &err) == OK, "%s", err.text);
    same_ids(x, y);
    tokenizer_free(x);
    tokenizer_free(y);
}

static float *decoded(const weight *t)
{
    int64_t n = t->dim[0], rows = t->dim[1] * t->dim[2] * t->dim[3];
    float *x = mem_array((size_t)(n * rows), sizeof *x);

    for (int64_t r = 0; r < rows; r++)
        dtype_decode_row(t->type, (const uint8_t *)t->data +
                         (size_t)r * dtype_row_bytes(t->type, n), x + r * n, n);
    return x;
}

/* ---- round trips ---- */

START_TEST(folder_to_gguf_to_folder_keeps_every_bit)
{
    const char *name = families[_i];
    weights *first, *mid, *back;

    convert(fixture(name), at("m.gguf"), &as_is);
    convert(at("m.gguf"), at("back"), &as_is);
    first = opened(fixture(name));
    mid = opened(at("m.gguf"));
    back = opened(at("back"));
    same_config(first, back);
    same_tensors(first, back);
    same_tokenizer(first, mid);
    same_tokenizer(first, back);
    if (weights_chat_template(first)) {
        ck_assert_str_eq(weights_chat_template(first), weights_chat_template(mid));
        ck_assert_str_eq(weights_chat_template(first), weights_chat_template(back));
    } else {
        ck_assert(!weights_chat_template(mid) && !weights_chat_template(back));
    }
    ck_assert_str_eq(weights_config(mid)->name, name);
    weights_close(first);
    weights_close(mid);
    weights_close(back);
}
END_TEST

START_TEST(gguf_to_folder_to_gguf_keeps_every_byte)
{
    bytes a, b;

    convert(fixture(families[_i]), at("m.gguf"), &as_is);
    convert(at("m.gguf"), at(families[_i]), &as_is);
    convert(at(families[_i]), at("again.gguf"), &as_is);
    a = read_file(at("m.gguf"));
    b = read_file(at("again.gguf"));
    ck_assert(a.len == b.len && !memcmp(a.data, b.data, a.len));
    bytes_fini(&a);
    bytes_fini(&b);
}
END_TEST

START_TEST(folder_to_folder_changes_types_only)
{
    weights *a, *b;
    convert_options o = to(DTYPE_F16);

    convert(fixture("qwen3moe"), at("f16"), &o);
    a = opened(fixture("qwen3moe"));
    b = opened(at("f16"));
    same_config(a, b);
    same_tokenizer(a, b);
    for (int i = 0; i < weights_count(b); i++) {
        const weight *t = weights_at(b, i);
        float *x = decoded(weights_find(a, t->name)), *y = decoded(t);

        ck_assert_int_eq(t->type, DTYPE_F16);
        for (int64_t k = 0; k < t->dim[0] * t->dim[1]; k++)
            ck_assert(fabsf(x[k] - y[k]) <= fabsf(x[k]) * 0x1p-11f + 0x1p-25f);
        mem_free(x);
        mem_free(y);
    }
    weights_close(a);
    weights_close(b);
}
END_TEST

/* ---- what llama.cpp expects ---- */

START_TEST(rows_of_q_and_k_are_interleaved)
{
    weights *hf, *mid;
    const weight *a, *b;
    size_t row = 64 * 2;

    convert(fixture("llama3"), at("m.gguf"), &as_is);
    hf = opened(fixture("llama3"));
    mid = opened(at("m.gguf"));
    ck_assert(weights_config(mid)->rope_interleaved);
    for (int k = 0; k < 2; k++) {
        const char *name = k ? "blk.1.attn_k.weight" : "blk.1.attn_q.weight";

        a = weights_find(hf, name);
        b = weights_find(mid, name);
        for (int h = 0; h < (k ? 2 : 4); h++)
            for (int i = 0; i < 16; i++)
                for (int j = 0; j < 2; j++)
                    ck_assert(!memcmp((const char *)b->data + row * (size_t)(32 * h + 2 * i + j),
                                      (const char *)a->data + row * (size_t)(32 * h + 16 * j + i),
                                      row));
    }
    a = weights_find(hf, "blk.1.attn_v.weight");
    b = weights_find(mid, "blk.1.attn_v.weight");
    ck_assert(!memcmp(a->data, b->data, a->n_bytes));
    weights_close(hf);
    weights_close(mid);
    convert(fixture("qwen3"), at("q.gguf"), &as_is);
    hf = opened(fixture("qwen3"));
    mid = opened(at("q.gguf"));
    ck_assert(!weights_config(mid)->rope_interleaved);
    a = weights_find(hf, "blk.1.attn_q.weight");
    b = weights_find(mid, "blk.1.attn_q.weight");
    ck_assert(!memcmp(a->data, b->data, a->n_bytes));
    weights_close(hf);
    weights_close(mid);
}
END_TEST

START_TEST(experts_are_stacked)
{
    weights *hf, *mid;
    const weight *stack;

    convert(fixture("qwen3moe"), at("m.gguf"), &as_is);
    hf = opened(fixture("qwen3moe"));
    mid = opened(at("m.gguf"));
    ck_assert_int_eq(weights_count(mid), 27);
    stack = weights_find(mid, "blk.1.ffn_down_exps.weight");
    ck_assert(stack && stack->dim[0] == 32 && stack->dim[1] == 64 && stack->dim[2] == 8);
    for (int e = 0; e < 8; e++) {
        char name[64];
        const weight *one;

        snprintf(name, sizeof name, "blk.1.ffn_down.%d.weight", e);
        one = weights_find(hf, name);
        ck_assert(!memcmp((const char *)stack->data + (size_t)e * one->n_bytes, one->data,
                          one->n_bytes));
    }
    ck_assert_int_eq(weights_find(mid, "blk.0.ffn_gate_inp.weight")->type, DTYPE_F32);
    weights_close(hf);
    weights_close(mid);
}
END_TEST

START_TEST(scalings_of_positions_survive)
{
    weights *a, *b;
    bytes json = read_file(FIXTURES "qwen3/config.json");
    char *spot, line[256];
    const char *tail;

    convert(fixture("llama3"), at("m.gguf"), &as_is);
    a = opened(at("m.gguf"));
    ck_assert_int_eq(weights_find(a, "rope_freqs.weight")->dim[0], 16);
    ck_assert(weights_config(a)->rope_factors[3] == 8);
    weights_close(a);

    snprintf(line, sizeof line, "cp -r " FIXTURES "qwen3 %s", at("linear"));
    ck_assert_int_eq(system(line), 0);
    spot = strstr(json.data, "\"rope_type\": \"default\"");
    ck_assert(spot != NULL);
    tail = spot + strlen("\"rope_type\": \"default\"");
    *spot = 0;
    snprintf(line, sizeof line, "%s", "\"rope_type\": \"linear\", \"factor\": 2.5");
    {
        bytes changed = { 0 };

        bytes_add_format(&changed, "%s%s%s", json.data, line, tail);
        write_file(at("linear/config.json"), &changed);
        bytes_fini(&changed);
    }
    convert(at("linear"), at("linear.gguf"), &as_is);
    convert(at("linear.gguf"), at("back"), &as_is);
    a = opened(at("linear.gguf"));
    b = opened(at("back"));
    ck_assert(!weights_find(a, "rope_freqs.weight"));
    ck_assert(weights_config(a)->rope_factors[0] == 2.5f);
    ck_assert(weights_config(b)->rope_factors[15] == 2.5f);
    weights_close(a);
    weights_close(b);
    bytes_fini(&json);
}
END_TEST

START_TEST(vocabulary_is_padded_to_the_embedding)
{
    tokenizer *t;
    weights *w;
    errtext err;

    convert(fixture("qwen2"), at("m.gguf"), &as_is);
    w = opened(at("m.gguf"));
    ck_assert_int_eq(weights_tokenizer(w, &t, &err), OK);
    ck_assert_int_eq(tokenizer_size(t), 320);
    ck_assert_int_eq(tokenizer_kind(t, 282), TOKEN_USER_DEFINED);
    ck_assert_int_eq(tokenizer_kind(t, 283), TOKEN_UNUSED);
    ck_assert_int_eq(tokenizer_kind(t, 319), TOKEN_UNUSED);
    tokenizer_free(t);
    weights_close(w);
    convert(at("m.gguf"), at("back"), &as_is);
    w = opened(at("back"));
    ck_assert_int_eq(weights_tokenizer(w, &t, &err), OK);
    ck_assert_int_eq(tokenizer_size(t), 283);
    tokenizer_free(t);
    weights_close(w);
}
END_TEST

/* The reader of the PyPI package gguf, where python3 (or $PYTHON) has it. */
START_TEST(pypi_gguf_reads_the_file)
{
    const char *python = getenv("PYTHON") ? getenv("PYTHON") : "python3";
    char line[1024];
    int n_tensor = 0, n_key = 0, type = -1;
    FILE *out;

    snprintf(line, sizeof line, "%s -c 'import gguf' 2>/dev/null", python);
    if (system(line)) {
        printf("skipped: %s cannot import gguf\n", python);
        return;
    }
    for (int i = 0; i < N_FAMILY; i++) {
        convert_options o = to(DTYPE_Q8_0);
        weights *w;

        convert(fixture(families[i]), at("m.gguf"), &o);
        w = opened(at("m.gguf"));
        snprintf(line, sizeof line, "%s -c 'import gguf, sys\n"
                 "r = gguf.GGUFReader(sys.argv[1])\n"
                 "t = r.fields[\"general.file_type\"].contents()\n"
                 "print(len(r.tensors), len(r.fields), t)\n"
                 "assert r.fields[\"general.architecture\"].contents() == \"%s\"\n' %s",
                 python, family_name(weights_config(w)->family), at("m.gguf"));
        out = popen(line, "r");
        ck_assert_int_eq(fscanf(out, "%d %d %d", &n_tensor, &n_key, &type), 3);
        ck_assert_int_eq(pclose(out), 0);
        ck_assert_int_eq(n_tensor, weights_count(w));
        ck_assert_int_gt(n_key, 20);
        ck_assert_int_eq(type, 7);
        weights_close(w);
    }
}
END_TEST

/* ---- types ---- */

START_TEST(matrices_take_the_type_and_stay_close)
{
    /* Of the largest magnitude in the block: half a step of the coarsest. */
    static const struct { dtype type; float error; } cases[] = {
        { DTYPE_F32, 0 }, { DTYPE_F16, 1e-3f }, { DTYPE_BF16, 0 }, { DTYPE_Q8_0, 0.005f },
        { DTYPE_Q4_0, 0.13f }, { DTYPE_Q4_1, 0.08f }, { DTYPE_Q5_0, 0.07f },
        { DTYPE_Q5_1, 0.04f },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        convert_options o = to(cases[i].type);
        weights *a, *b;

        convert(fixture("qwen3moe"), at("m.gguf"), &o);
        ck_assert_msg(!notes.len, "%s", notes.data);
        a = opened(fixture("qwen3moe"));
        b = opened(at("m.gguf"));
        for (int k = 0; k < weights_count(b); k++) {
            const weight *t = weights_at(b, k), *s = weights_find(a, t->name);
            bool small = t->n_dim == 1 || strstr(t->name, "ffn_gate_inp");
            float *x, *y, most = 0;

            ck_assert_int_eq(t->type, small ? DTYPE_F32 : cases[i].type);
            if (!s) continue;
            x = decoded(s);
            y = decoded(t);
            for (int64_t e = 0; e < t->dim[0] * t->dim[1]; e++) most = fmaxf(most, fabsf(x[e]));
            for (int64_t e = 0; e < t->dim[0] * t->dim[1]; e++)
                ck_assert(fabsf(x[e] - y[e]) <= (small ? 0 : cases[i].error * most));
            mem_free(x);
            mem_free(y);
        }
        weights_close(a);
        weights_close(b);
    }
}
END_TEST

START_TEST(rows_that_do_not_fit_fall_back_aloud)
{
    static const struct { dtype want, got; } cases[] = {
        { DTYPE_Q4_K, DTYPE_Q5_0 }, { DTYPE_Q5_K, DTYPE_Q5_1 }, { DTYPE_Q6_K, DTYPE_Q8_0 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        convert_options o = to(cases[i].want);
        weights *w;

        convert(fixture("llama"), at("m.gguf"), &o);
        ck_assert(strstr(notes.data, "22 tensors (first token_embd.weight)"));
        ck_assert(strstr(notes.data, dtype_name(cases[i].want)));
        ck_assert(strstr(notes.data, dtype_name(cases[i].got)));
        w = opened(at("m.gguf"));
        ck_assert_int_eq(weights_find(w, "token_embd.weight")->type, cases[i].got);
        weights_close(w);
        ck_assert_int_eq(recode_fitting(cases[i].want, 512), cases[i].want);
        ck_assert_int_eq(recode_fitting(cases[i].want, 500), DTYPE_F16);
    }
    ck_assert_int_eq(recode_fitting(DTYPE_Q4_0, 172), DTYPE_F16);
    ck_assert_int_eq(recode_fitting(DTYPE_Q4_0, 96), DTYPE_Q4_0);
    ck_assert_int_eq(recode_fitting(DTYPE_BF16, 7), DTYPE_BF16);
}
END_TEST

START_TEST(quantised_goes_to_a_folder_as_f32)
{
    convert_options q = to(DTYPE_Q4_0), q5 = to(DTYPE_Q5_1);
    weights *a, *b;

    convert(fixture("llama"), at("q.gguf"), &q);
    convert(at("q.gguf"), at("f32"), &as_is);
    ck_assert(strstr(notes.data, "become F32"));
    convert(at("q.gguf"), at("q5.gguf"), &q5);
    ck_assert(strstr(notes.data, "quantised already"));
    a = opened(at("q.gguf"));
    b = opened(at("f32"));
    for (int i = 0; i < weights_count(a); i++) {
        const weight *t = weights_at(a, i), *u = weights_find(b, t->name);
        float *x, *y;

        ck_assert_int_eq(u->type, DTYPE_F32);
        if (strstr(t->name, "attn_q") || strstr(t->name, "attn_k")) continue;
        x = decoded(t);
        y = decoded(u);
        ck_assert(!memcmp(x, y, (size_t)(t->dim[0] * t->dim[1]) * sizeof *x));
        mem_free(x);
        mem_free(y);
    }
    weights_close(a);
    weights_close(b);
}
END_TEST

START_TEST(stacked_experts_are_taken_apart)
{
    convert_options o = to(DTYPE_Q8_0);
    weights *a, *b;
    float *x;

    convert(fixture("qwen3moe"), at("q.gguf"), &o);
    convert(at("q.gguf"), at("f32/"), &as_is);
    a = opened(at("q.gguf"));
    b = opened(at("f32"));
    x = decoded(weights_find(a, "blk.1.ffn_gate_exps.weight"));
    for (int e = 0; e < 8; e++) {
        char name[64];
        const weight *one;

        snprintf(name, sizeof name, "blk.1.ffn_gate.%d.weight", e);
        one = weights_find(b, name);
        ck_assert(one && one->type == DTYPE_F32 && one->n_bytes == 64 * 32 * 4);
        ck_assert(!memcmp(one->data, x + e * 64 * 32, one->n_bytes));
    }
    mem_free(x);
    weights_close(a);
    weights_close(b);
}
END_TEST

START_TEST(folder_refuses_quantised_types)
{
    convert_options o = to(DTYPE_Q8_0);

    refuses(fixture("llama"), at("out"), &o, E_ARG, "Q8_0");
    ck_assert(!file_exists(at("out")) && !file_exists(at("out.tmp")));
}
END_TEST

/* ---- the engine by itself ---- */

static status gather(void *arg, const void *data, size_t len, errtext *err)
{
    (void)err;
    bytes_add(arg, data, len);
    return OK;
}

START_TEST(row_orders_are_inverse)
{
    enum { HEADS = 3, D = 8, COLS = 4 };
    float x[HEADS * D * COLS];
    weight t = { .name = "x", .type = DTYPE_F32, .n_dim = 2, .dim = { COLS, HEADS * D, 1, 1 },
                 .data = x, .n_bytes = sizeof x }, u = t;
    const weight *from = &t, *mid = &u;
    recode r = { .name = "x", .type = DTYPE_F32, .n_dim = 2, .dim = { COLS, HEADS * D, 1, 1 },
                 .parts = &from, .n_part = 1, .n_row = HEADS * D, .order = ROWS_INTERLEAVE,
                 .d_head = D };
    bytes once = { 0 }, twice = { 0 };
    pool *p = pool_new(2);
    errtext err;

    for (int i = 0; i < HEADS * D * COLS; i++) x[i] = (float)i;
    ck_assert_int_eq(recode_run(&r, p, gather, &once, &err), OK);
    ck_assert(((float *)once.data)[COLS] == (float)(D / 2 * COLS));     /* row 1 is row d/2 */
    u.data = once.data;
    r.parts = &mid;
    r.order = ROWS_DEINTERLEAVE;
    ck_assert_int_eq(recode_run(&r, p, gather, &twice, &err), OK);
    ck_assert(twice.len == sizeof x && !memcmp(twice.data, x, sizeof x));
    bytes_fini(&once);
    bytes_fini(&twice);
    pool_free(p);
}
END_TEST

START_TEST(bits_do_not_depend_on_threads)
{
    enum { ROWS = 3000, COLS = 512 };
    float *x = mem_array(ROWS * COLS, sizeof *x);
    weight t = { .name = "x", .type = DTYPE_F32, .n_dim = 2, .dim = { COLS, ROWS, 1, 1 },
                 .data = x, .n_bytes = ROWS * COLS * sizeof *x };
    const weight *from = &t;
    static const dtype types[] = { DTYPE_Q4_0, DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_Q8_0 };

    for (int i = 0; i < ROWS * COLS; i++) x[i] = sinf((float)i * 0.37f) * 0.1f;
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        recode r = { .name = "x", .type = types[k], .n_dim = 2, .dim = { COLS, ROWS, 1, 1 },
                     .parts = &from, .n_part = 1, .n_row = ROWS };
        bytes a = { 0 }, b = { 0 };
        pool *one = pool_new(1), *three = pool_new(3);
        float y[COLS];
        errtext err;

        ck_assert_int_eq(recode_run(&r, one, gather, &a, &err), OK);
        ck_assert_int_eq(recode_run(&r, three, gather, &b, &err), OK);
        ck_assert_uint_eq(a.len, recode_bytes(&r));
        ck_assert(a.len == b.len && !memcmp(a.data, b.data, a.len));
        dtype_decode_row(types[k], a.data + a.len - dtype_row_bytes(types[k], COLS), y, COLS);
        for (int i = 0; i < COLS; i++)
            ck_assert(fabsf(y[i] - x[(ROWS - 1) * COLS + i]) < 0.02f);
        pool_free(one);
        pool_free(three);
        bytes_fini(&a);
        bytes_fini(&b);
    }
    mem_free(x);
}
END_TEST

START_TEST(experts_of_mixed_types_are_stacked)
{
    const float a[2] = { 1, 2 };
    const uint16_t b[2] = { 0x4040, 0x4080 };            /* 3, 4 */
    weight t = { .name = "a", .type = DTYPE_F32, .n_dim = 2, .dim = { 2, 1, 1, 1 }, .data = a,
                 .n_bytes = 8 };
    weight u = { .name = "b", .type = DTYPE_BF16, .n_dim = 2, .dim = { 2, 1, 1, 1 }, .data = b,
                 .n_bytes = 4 };
    const weight *parts[2] = { &t, &u };
    recode r = { .name = "x", .type = DTYPE_F32, .n_dim = 3, .dim = { 2, 1, 2, 1 },
                 .parts = parts, .n_part = 2, .n_row = 1 };
    const float want[4] = { 1, 2, 3, 4 };
    bytes out = { 0 };
    pool *p = pool_new(1);
    errtext err;

    ck_assert_int_eq(recode_run(&r, p, gather, &out, &err), OK);
    ck_assert(out.len == sizeof want && !memcmp(out.data, want, sizeof want));
    bytes_fini(&out);
    pool_free(p);
}
END_TEST

START_TEST(numbers_that_do_not_fit_are_named)
{
    static const struct { float value; dtype type; status want; } cases[] = {
        { NAN, DTYPE_Q8_0, E_FORMAT }, { INFINITY, DTYPE_BF16, E_FORMAT },
        { -INFINITY, DTYPE_F16, E_FORMAT }, { 7e4f, DTYPE_F16, E_FORMAT },
        { 7e4f, DTYPE_BF16, OK }, { -7e4f, DTYPE_Q4_0, E_FORMAT },
        { 3.4e38f, DTYPE_BF16, E_FORMAT }, { 6e4f, DTYPE_F16, OK },
        { NAN, DTYPE_F32, OK },                              /* copied as it is */
    };
    pool *p = pool_new(2);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float x[256] = { 0 };
        weight t = { .name = "x", .type = DTYPE_F32, .n_dim = 2, .dim = { 32, 8, 1, 1 },
                     .data = x, .n_bytes = sizeof x };
        const weight *from = &t;
        recode r = { .name = "blk.3.x", .type = cases[i].type, .n_dim = 2,
                     .dim = { 32, 8, 1, 1 }, .parts = &from, .n_part = 1, .n_row = 8 };
        bytes out = { 0 };
        errtext err = { "" };

        x[100] = x[200] = cases[i].value;
        ck_assert_int_eq(recode_run(&r, p, gather, &out, &err), cases[i].want);
        if (cases[i].want != OK)
            ck_assert_msg(strstr(err.text, "blk.3.x: element 100 "), "%s", err.text);
        bytes_fini(&out);
    }
    pool_free(p);
}
END_TEST

/* ---- whole or not at all ---- */

static int calls_left;

static bool stop_later(void *arg, const char *tensor, uint64_t done, uint64_t total)
{
    (void)arg;
    (void)tensor;
    ck_assert(done <= total);
    return calls_left-- > 0;
}

START_TEST(interruption_leaves_nothing)
{
    convert_options o = { .progress = stop_later, .n_thread = 1 };

    for (int n = 0; n < 30; n += 5) {
        calls_left = n;
        refuses(fixture("llama"), at("m.gguf"), &o, E_INTERRUPTED, "stopped");
        calls_left = n;
        refuses(fixture("llama"), at("folder"), &o, E_INTERRUPTED, "stopped");
        ck_assert(!file_exists(at("m.gguf")) && !file_exists(at("m.gguf.tmp")));
        ck_assert(!file_exists(at("folder")) && !file_exists(at("folder.tmp")));
    }
    calls_left = 1000;
    convert(fixture("llama"), at("m.gguf"), &o);
    ck_assert(calls_left < 1000);
}
END_TEST

START_TEST(old_target_survives_a_failure)
{
    convert_options o = { .progress = stop_later, .n_thread = 1 };
    bytes a, b;

    convert(fixture("llama"), at("m.gguf"), &as_is);
    a = read_file(at("m.gguf"));
    calls_left = 3;
    refuses(fixture("qwen3"), at("m.gguf"), &o, E_INTERRUPTED, "stopped");
    b = read_file(at("m.gguf"));
    ck_assert(a.len == b.len && !memcmp(a.data, b.data, a.len));
    bytes_fini(&a);
    bytes_fini(&b);
    convert(at("m.gguf"), at("folder"), &as_is);
    refuses(at("m.gguf"), at("folder"), &as_is, E_ARG, "is there already");
    refuses(at("m.gguf"), at("folder/"), &as_is, E_ARG, "is there already");
}
END_TEST

START_TEST(source_may_be_the_target)
{
    convert_options o = to(DTYPE_Q8_0);
    weights *w;

    convert(fixture("llama"), at("m.gguf"), &as_is);
    convert(at("m.gguf"), at("m.gguf"), &o);
    w = opened(at("m.gguf"));
    ck_assert_int_eq(weights_find(w, "token_embd.weight")->type, DTYPE_Q8_0);
    weights_close(w);
}
END_TEST

START_TEST(folder_of_a_killed_run_is_replaced)
{
    bytes junk = { 0 };

    bytes_add_string(&junk, "junk");
    ck_assert_int_eq(mkdir(at("out.tmp"), 0755), 0);
    write_file(at("out.tmp/config.json"), &junk);
    write_file(at("out.tmp/model.safetensors.tmp"), &junk);
    convert(fixture("llama"), at("out"), &as_is);
    ck_assert(!file_exists(at("out.tmp")) && !file_exists(at("out/model.safetensors.tmp")));
    bytes_fini(&junk);
}
END_TEST

START_TEST(full_disk_is_an_error_and_leaves_nothing)
{
    struct rlimit limit;

    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = 100000;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    refuses(fixture("llama"), at("m.gguf"), &as_is, E_IO, "m.gguf.tmp");
    refuses(fixture("llama"), at("folder"), &as_is, E_IO, "model.safetensors.tmp");
    ck_assert(!file_exists(at("m.gguf")) && !file_exists(at("m.gguf.tmp")));
    ck_assert(!file_exists(at("folder")) && !file_exists(at("folder.tmp")));
    refuses(fixture("llama"), at("none/m.gguf"), &as_is, E_IO, "none/m.gguf");
    refuses(fixture("llama"), at("none/folder"), &as_is, E_IO, "none/folder");
}
END_TEST

/* ---- GGUF to GGUF ---- */

/* The file's tensors with index i % n_part == part, and its metadata. */
static void write_part(const char *from, const char *path, int part, int n_part)
{
    gguf_writer *w = gguf_writer_new();
    filemap m;
    gguf g;
    errtext err;

    ck_assert_int_eq(filemap_open(&m, from, &err), OK);
    ck_assert_int_eq(gguf_init(&g, from, m.data, m.len, &err), OK);
    for (int i = 0; i < g.n_value && part == 0; i++) gguf_writer_set_value(w, &g.values[i]);
    gguf_writer_set_string(w, "custom.key", "kept");
    gguf_writer_set_u32(w, "general.alignment", 32);
    if (n_part > 1) {
        gguf_writer_set_u16(w, "split.no", (uint16_t)part);
        gguf_writer_set_u16(w, "split.count", (uint16_t)n_part);
        gguf_writer_set_i32(w, "split.tensors.count", g.n_tensor);
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int i = part; i < g.n_tensor; i += n_part) {
            char name[128];

            snprintf(name, sizeof name, "%.*s", (int)g.tensors[i].name.len,
                     g.tensors[i].name.data);
            if (!pass)
                gguf_writer_add_tensor(w, name, g.tensors[i].type, g.tensors[i].n_dim,
                                       g.tensors[i].dim);
            else
                ck_assert_int_eq(gguf_writer_write(w, g.tensors[i].data, g.tensors[i].n_bytes,
                                                   &err), OK);
        }
        if (!pass) ck_assert_int_eq(gguf_writer_begin(w, path, &err), OK);
    }
    ck_assert_int_eq(gguf_writer_finish(w, &err), OK);
    gguf_writer_free(w);
    gguf_fini(&g);
    filemap_close(&m);
}

START_TEST(metadata_is_copied_but_for_the_files_own)
{
    convert_options o = to(DTYPE_Q8_0);
    filemap m;
    gguf g;
    char *text = NULL;
    int64_t type = -1;
    weights *a, *b;
    errtext err;

    convert(fixture("llama3"), at("m.gguf"), &as_is);
    write_part(at("m.gguf"), at("c.gguf"), 0, 1);
    convert(at("c.gguf"), at("copy.gguf"), &as_is);
    a = opened(at("m.gguf"));
    b = opened(at("copy.gguf"));
    same_config(a, b);
    same_tensors(a, b);
    same_tokenizer(a, b);
    weights_close(a);
    weights_close(b);
    convert(at("c.gguf"), at("q8.gguf"), &o);
    ck_assert_int_eq(filemap_open(&m, at("q8.gguf"), &err), OK);
    ck_assert_int_eq(gguf_init(&g, "q8", m.data, m.len, &err), OK);
    ck_assert_int_eq(gguf_read_string(&g, "custom.key", 100, &text, &err), OK);
    ck_assert_str_eq(text, "kept");
    ck_assert(!gguf_find(&g, "general.alignment"));
    ck_assert_int_eq(gguf_read_int(&g, "general.file_type", 0, 100, &type, &err), OK);
    ck_assert_int_eq(type, 7);
    type = -1;
    ck_assert_int_eq(gguf_read_int(&g, "general.quantization_version", 0, 9, &type, &err), OK);
    ck_assert_int_eq(type, 2);
    mem_free(text);
    gguf_fini(&g);
    filemap_close(&m);
}
END_TEST

START_TEST(template_that_is_not_utf8_stays_out_of_json)
{
    bytes b;
    char *spot;

    convert(fixture("qwen3"), at("m.gguf"), &as_is);
    b = read_file(at("m.gguf"));
    spot = memmem(b.data, b.len, "{% for m in", 11);
    ck_assert(spot != NULL);
    spot[4] = '\xff';
    write_file(at("m.gguf"), &b);
    refuses(at("m.gguf"), at("out"), &as_is, E_FORMAT, "chat template: byte 4 ");
    ck_assert(!file_exists(at("out")) && !file_exists(at("out.tmp")));
    bytes_fini(&b);
}
END_TEST

START_TEST(split_set_becomes_one_file)
{
    weights *a, *b;

    convert(fixture("qwen3moe"), at("m.gguf"), &as_is);
    for (int i = 0; i < 3; i++) {
        char name[64];

        snprintf(name, sizeof name, "p-%05d-of-00003.gguf", i + 1);
        write_part(at("m.gguf"), at(name), i, 3);
    }
    convert(at("p-00001-of-00003.gguf"), at("joined.gguf"), &as_is);
    a = opened(at("m.gguf"));
    b = opened(at("joined.gguf"));
    same_config(a, b);
    same_tensors(a, b);
    same_tokenizer(a, b);
    weights_close(a);
    weights_close(b);
}
END_TEST

/* ---- llama2.c ---- */

static const convert_options stories = { .llama2c_tokenizer = STORIES "tok512.bin",
                                         .n_thread = 2 };

START_TEST(stories_convert)
{
    weights *w, *folder;
    const config *c;
    bytes b;
    tokenizer *t;
    segments in = { 0 };
    int32_t *ids = NULL;
    const int32_t want[5] = { 1, 403, 407, 261, 378 };
    int n = 0;
    errtext err;

    if (!stories_there()) return;
    convert(STORIES "stories260K.bin", at("s.gguf"), &stories);
    convert(at("s.gguf"), at("s"), &as_is);
    w = opened(at("s.gguf"));
    folder = opened(at("s"));
    c = weights_config(w);
    ck_assert_str_eq(c->name, "stories260K");
    ck_assert_int_eq(c->d_model, 64);
    ck_assert_int_eq(c->d_ff, 172);
    ck_assert_int_eq(c->n_layer, 5);
    ck_assert_int_eq(c->n_head, 8);
    ck_assert_int_eq(c->n_head_kv, 4);
    ck_assert_int_eq(c->n_vocab, 512);
    ck_assert_int_eq(c->n_ctx, 512);
    ck_assert(c->tied && c->rope_interleaved && c->rope_base == 1e4f && c->norm_eps == 1e-5f);

    b = read_file(STORIES "stories260K.bin");
    ck_assert(!memcmp(weights_find(w, "token_embd.weight")->data, b.data + 28, 512 * 64 * 4));
    ck_assert(!memcmp(weights_find(w, "output_norm.weight")->data,
                      b.data + b.len - (512 * 8 + 64) * 4, 64 * 4));
    bytes_fini(&b);

    ck_assert_msg(weights_tokenizer(w, &t, &err) == OK, "%s", err.text);
    ck_assert_int_eq(tokenizer_kind(t, 0), TOKEN_UNKNOWN);
    ck_assert_int_eq(tokenizer_kind(t, 2), TOKEN_CONTROL);
    ck_assert_int_eq(tokenizer_kind(t, 3), TOKEN_BYTE);
    ck_assert_int_eq(tokenizer_kind(t, 258), TOKEN_BYTE);
    ck_assert_int_eq(tokenizer_kind(t, 259), TOKEN_NORMAL);
    ck_assert(tokenizer_text(t, 1).len == 3 && !memcmp(tokenizer_text(t, 1).data, "<s>", 3));
    segments_plain(&in, "Once upon a time", 16);
    ck_assert_int_eq(tokenizer_encode(t, &in, 100, &ids, &n, &err), OK);
    ck_assert(n == 5 && !memcmp(ids, want, sizeof want));
    mem_free(ids);
    segments_fini(&in);
    tokenizer_free(t);
    same_tokenizer(w, folder);
    weights_close(w);
    weights_close(folder);
}
END_TEST

START_TEST(stories_need_their_tokenizer)
{
    if (!stories_there()) return;
    refuses(STORIES "stories260K.bin", at("s.gguf"), &as_is, E_ARG, "tokenizer file");
}
END_TEST

static int32_t *tiny_header(bytes *b, int n_float)
{
    static const int32_t header[7] = { 8, 12, 1, 2, 1, 3, 4 };

    bytes_clear(b);
    bytes_add(b, header, sizeof header);
    for (int i = 0; i < n_float * 4; i++) bytes_add_char(b, 0);
    return (int32_t *)(void *)b->data;
}

START_TEST(bad_checkpoints_are_refused)
{
    /* embedding, norms, q k v o, gate down up, last norm, rotation tables */
    const int whole = 3 * 8 + 8 + 64 + 32 + 32 + 64 + 8 + 3 * 96 + 8 + 4 * 4;
    static const int32_t bad[] = { 0, INT32_MIN, INT32_MAX };
    weights *w;
    bytes b = { 0 };
    errtext err;

    tiny_header(&b, whole);
    write_file(at("t.bin"), &b);
    ck_assert_msg(llama2c_open(&w, at("t.bin"), "none", &err) == OK, "%s", err.text);
    ck_assert_int_eq(weights_count(w), 11);
    weights_close(w);
    tiny_header(&b, whole + 3 * 8)[5] = -3;
    write_file(at("t.bin"), &b);
    ck_assert_msg(llama2c_open(&w, at("t.bin"), "none", &err) == OK, "%s", err.text);
    ck_assert(!weights_config(w)->tied && weights_find(w, "output.weight"));
    weights_close(w);
    for (size_t cut = 0; cut < b.len; cut++) {
        bytes part = { .data = b.data, .len = cut };

        write_file(at("t.bin"), &part);
        ck_assert_int_eq(llama2c_open(&w, at("t.bin"), "none", &err), E_FORMAT);
        ck_assert(!w);
    }
    bytes_add_char(&b, 0);
    write_file(at("t.bin"), &b);
    ck_assert_int_eq(llama2c_open(&w, at("t.bin"), "none", &err), E_FORMAT);
    ck_assert(strstr(err.text, "1 bytes follow"));
    for (int field = 0; field < 7; field++)
        for (int k = 0; k < 3; k++) {
            tiny_header(&b, whole)[field] = bad[k];
            write_file(at("t.bin"), &b);
            ck_assert_int_ne(llama2c_open(&w, at("t.bin"), "none", &err), OK);
        }
    tiny_header(&b, whole)[0] = 0x616b3432;
    write_file(at("t.bin"), &b);
    ck_assert_int_eq(llama2c_open(&w, at("t.bin"), "none", &err), E_UNSUPPORTED);
    tiny_header(&b, whole)[3] = 3;
    write_file(at("t.bin"), &b);
    ck_assert_int_eq(llama2c_open(&w, at("t.bin"), "none", &err), E_FORMAT);
    ck_assert(strstr(err.text, "multiple of n_heads"));
    bytes_fini(&b);
}
END_TEST

START_TEST(bad_llama2c_tokenizers_are_refused)
{
    bytes b, part = { 0 };

    if (!stories_there()) return;
    b = read_file(STORIES "tok512.bin");
    for (int i = 0; i < 4; i++) {
        convert_options o = stories;
        static const char *const want[] = { "truncated", "has length", "has length", "follow" };

        o.llama2c_tokenizer = at("tok.bin");
        bytes_clear(&part);
        bytes_add(&part, b.data, i == 0 ? b.len - 1 : b.len);
        if (i == 0) part.len -= 8;
        if (i == 1) memset(part.data + 8, 0xFF, 4);
        if (i == 2) memset(part.data + 8, 0x7F, 4);
        if (i == 3) bytes_add_char(&part, 0);
        write_file(at("tok.bin"), &part);
        refuses(STORIES "stories260K.bin", at("s.gguf"), &o, E_FORMAT, want[i]);
        ck_assert(!file_exists(at("s.gguf")) && !file_exists(at("s.gguf.tmp")));
    }
    bytes_fini(&part);
    bytes_fini(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("convert");
    TCase *tc = tcase_create("all");
    SRunner *sr;
    int n_failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, folder_to_gguf_to_folder_keeps_every_bit, 0, N_FAMILY);
    tcase_add_loop_test(tc, gguf_to_folder_to_gguf_keeps_every_byte, 0, N_FAMILY);
    tcase_add_test(tc, folder_to_folder_changes_types_only);
    tcase_add_test(tc, rows_of_q_and_k_are_interleaved);
    tcase_add_test(tc, experts_are_stacked);
    tcase_add_test(tc, scalings_of_positions_survive);
    tcase_add_test(tc, vocabulary_is_padded_to_the_embedding);
    tcase_add_test(tc, pypi_gguf_reads_the_file);
    tcase_add_test(tc, matrices_take_the_type_and_stay_close);
    tcase_add_test(tc, rows_that_do_not_fit_fall_back_aloud);
    tcase_add_test(tc, quantised_goes_to_a_folder_as_f32);
    tcase_add_test(tc, stacked_experts_are_taken_apart);
    tcase_add_test(tc, folder_refuses_quantised_types);
    tcase_add_test(tc, row_orders_are_inverse);
    tcase_add_test(tc, bits_do_not_depend_on_threads);
    tcase_add_test(tc, experts_of_mixed_types_are_stacked);
    tcase_add_test(tc, numbers_that_do_not_fit_are_named);
    tcase_add_test(tc, interruption_leaves_nothing);
    tcase_add_test(tc, old_target_survives_a_failure);
    tcase_add_test(tc, source_may_be_the_target);
    tcase_add_test(tc, folder_of_a_killed_run_is_replaced);
    tcase_add_test(tc, full_disk_is_an_error_and_leaves_nothing);
    tcase_add_test(tc, metadata_is_copied_but_for_the_files_own);
    tcase_add_test(tc, template_that_is_not_utf8_stays_out_of_json);
    tcase_add_test(tc, split_set_becomes_one_file);
    tcase_add_test(tc, stories_convert);
    tcase_add_test(tc, stories_need_their_tokenizer);
    tcase_add_test(tc, bad_checkpoints_are_refused);
    tcase_add_test(tc, bad_llama2c_tokenizers_are_refused);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
