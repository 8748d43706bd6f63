/* test_adapter.c - adapter files on and off a loaded model. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "model/adapter.h"
#include "model/gguf.h"
#include "model/learner.h"

static const char *temp_path(const char *name)
{
    static char path[4][96];
    static int next;
    char *p = path[next++ & 3];

    snprintf(p, sizeof path[0], "/tmp/adapter-%ld-%s.gguf", (long)getpid(), name);
    return p;
}

/* A model that does not train. */
static rig plain(int i_family, int type)
{
    rig r = rig_new(i_family, type, 2, (trainable_options){ .lora_rank = 1, .lora_alpha = 1 });

    tape_free(r.p);
    trainable_free(r.t);
    r.p = NULL;
    r.t = NULL;
    return r;
}

/* Write an adapter of random numbers; log_prob gets what the model says with it
 * while its trainer is there. */
static void make_adapter(int i_family, int type, int rank, dtype stored, const char *path,
                         float *log_prob)
{
    rig r = rig_new(i_family, type, 2, (trainable_options){ .lora_rank = rank, .lora_alpha = 8 });
    sample_batch s;
    errtext err;

    for (int i = 0; i < trainable_count(r.t); i++) {
        param *p = trainable_param(r.t, i);

        for (int k = 0; k < p->n_out * p->n_in; k++)
            p->value[k] = bf16_to_f32(f32_to_bf16(
                (float)(0.05 * rng_normal((uint64_t)rank, (uint64_t)i, (uint64_t)k))));
    }
    trainable_publish(r.t, r.threads);
    ck_assert_msg(trainable_write(r.t, r.w, stored, path, &err) == OK, "%s", err.text);
    sample_make(&s, r.m, true);
    sampled(&r, &s, 1, log_prob);
    rig_free(&r);
}

static void check_bits(const rig *r, const float *want, bool equal)
{
    sample_batch s;
    float got[256];

    sample_make(&s, r->m, true);
    sampled(r, &s, 1, got);
    ck_assert_int_eq(memcmp(want, got, (size_t)s.n_target * sizeof *got) == 0, equal);
}

START_TEST(a_loaded_adapter_says_what_the_trainer_said)
{
    int type = types[_i / N_FAMILY], i_family = _i % N_FAMILY;
    const char *narrow = temp_path("narrow"), *wide = temp_path("wide");
    float with_narrow[256], with_wide[256], base[256];
    sample_batch s;
    errtext err;
    rig r;

    make_adapter(i_family, type, 3, DTYPE_F32, narrow, with_narrow);
    make_adapter(i_family, type, 40, DTYPE_BF16, wide, with_wide);
    r = plain(i_family, type);
    sample_make(&s, r.m, true);
    sampled(&r, &s, 1, base);
    check_bits(&r, with_narrow, false);
    ck_assert_int_eq(adapter_rank(r.m), 0);
    for (int round = 0; round < 2; round++) {            /* one in the other's place */
        ck_assert_msg(adapter_load(r.m, narrow, r.threads, &err) == OK, "%s", err.text);
        ck_assert_int_eq(adapter_rank(r.m), 3);
        check_bits(&r, with_narrow, true);
        ck_assert_msg(adapter_load(r.m, wide, r.threads, &err) == OK, "%s", err.text);
        ck_assert_int_eq(adapter_rank(r.m), 40);
        check_bits(&r, with_wide, true);
    }
    adapter_unload(r.m);
    check_bits(&r, base, true);
    adapter_unload(r.m);
    check_bits(&r, base, true);
    unlink(narrow);
    unlink(wide);
    rig_free(&r);
}
END_TEST

/* A workspace made before an adapter came, then a wider one; and neighbours of
 * other lengths. */
START_TEST(a_pass_meets_an_adapter_that_came_after_its_workspace)
{
    const char *narrow = temp_path("narrow"), *path = temp_path("late");
    float unused[256];
    rig r;
    workspace *early;
    int32_t pages[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, ids[40], out[40];
    float *want;
    size_t n_vocab;
    errtext err;

    make_adapter(_i, DTYPE_Q8_0, 2, DTYPE_F32, narrow, unused);
    make_adapter(_i, DTYPE_Q8_0, 70, DTYPE_F32, path, unused);
    r = plain(_i, DTYPE_Q8_0);
    n_vocab = (size_t)model_config(r.m)->n_vocab;
    early = workspace_new(r.m, 40, 40);
    for (int i = 0; i < 40; i++) {
        ids[i] = id_at(r.m, 1, i);
        out[i] = i;
    }
    for (int wide = 0; wide < 2; wide++) {
        kv_cache *kv = model_kv_new(r.m, 16);
        attend_run run = { pages, 0, 40, 0 };
        forward_batch b = { 40, ids, 1, &run, 40, out };

        model_forward(r.m, early, kv, r.threads, &b);
        ck_assert_int_eq(adapter_load(r.m, wide ? path : narrow, r.threads, &err), OK);
        model_forward(r.m, early, kv, r.threads, &b);
        kv_free(kv);
    }
    for (int way = 0; way < 2; way++) {
        workspace *ws = way ? workspace_new(r.m, 40, 40) : early;
        kv_cache *kv = model_kv_new(r.m, 16);
        attend_run runs[2] = { { pages, 0, 1, 0 }, { pages + 4, 0, 39, 1 } };
        forward_batch b = { 40, ids, 2, runs, 40, out };
        const float *got = model_forward(r.m, ws, kv, r.threads, &b);

        if (!way) want = mem_copy(got, 40 * n_vocab * sizeof *got);
        else ck_assert_int_eq(memcmp(want, got, 40 * n_vocab * sizeof *got), 0);
        if (!way) {                          /* one row by itself */
            attend_run run = { pages, 0, 1, 0 };
            forward_batch one = { 1, ids, 1, &run, 1, out };

            got = model_forward(r.m, ws, kv, r.threads, &one);
            ck_assert_int_eq(memcmp(want, got, n_vocab * sizeof *got), 0);
        }
        kv_free(kv);
        workspace_free(ws);
    }
    mem_free(want);
    unlink(narrow);
    unlink(path);
    rig_free(&r);
}
END_TEST

/* W + alpha / rank * B A, multiplied out into the weights of a second model. */
START_TEST(an_adapter_is_a_change_of_the_weights)
{
    rig r = rig_new(_i, DTYPE_F32, 2, (trainable_options){ .lora_rank = 6, .lora_alpha = 9 });
    rig merged = rig_new(_i, DTYPE_F32, 2, (trainable_options){ 0 });
    sample_batch s;
    float want[256], got[256], base[256];
    double off = 0, moved = 0;

    sample_make(&s, r.m, true);
    sampled(&r, &s, 1, base);
    for (int i = 0; i < trainable_count(r.t); i += 2) {
        param *a = trainable_param(r.t, i), *b = trainable_param(r.t, i + 1), *w = NULL;
        size_t len = strlen(a->name) - strlen(".lora_a");

        for (int k = 0; k < 6 * a->n_in; k++)
            a->value[k] = (float)(0.05 * rng_normal(1, (uint64_t)i, (uint64_t)k));
        for (int k = 0; k < 6 * b->n_out; k++)
            b->value[k] = (float)(0.05 * rng_normal(2, (uint64_t)i, (uint64_t)k));
        for (int k = 0; k < trainable_count(merged.t) && !w; k++) {
            w = trainable_param(merged.t, k);
            if (strlen(w->name) != len || memcmp(w->name, a->name, len)) w = NULL;
        }
        ck_assert_msg(w != NULL, "%s", a->name);
        for (int o = 0; o < w->n_out; o++)
            for (int k = 0; k < w->n_in; k++)
                for (int j = 0; j < 6; j++)
                    w->value[o * w->n_in + k] +=
                        1.5f * b->value[o * 6 + j] * a->value[j * w->n_in + k];
    }
    trainable_publish(r.t, r.threads);
    trainable_publish(merged.t, merged.threads);
    sampled(&r, &s, 1, got);
    sampled(&merged, &s, 1, want);
    for (int i = 0; i < s.n_target; i++) {
        off = fmax(off, fabs((double)got[i] - (double)want[i]));
        moved = fmax(moved, fabs((double)got[i] - (double)base[i]));
    }
    ck_assert_msg(off < 1e-3 && moved > 0.1, "off by %g, moved by %g", off, moved);
    rig_free(&merged);
    rig_free(&r);
}
END_TEST

static const gguf_tensor *tensor_named(const gguf *g, const char *name)
{
    for (int i = 0; i < g->n_tensor; i++)
        if (g->tensors[i].name.len == strlen(name) &&
            !memcmp(g->tensors[i].name.data, name, strlen(name)))
            return &g->tensors[i];
    ck_abort_msg("no tensor %s", name);
    return NULL;
}

/* Names, shapes and row order that other programs read. */
START_TEST(the_file_is_in_the_form_of_llama_cpp)
{
    static const int which[] = { 0, 3, 4 };      /* llama, qwen3, qwen3moe */
    int i_family = which[_i];
    rig r = rig_new(i_family, DTYPE_F32, 1, (trainable_options){ .lora_rank = 4,
                                                                 .lora_alpha = 12 });
    const char *path = temp_path("form");
    const config *c = model_config(r.m);
    const param *b = trainable_param(r.t, 1);
    const gguf_tensor *t;
    filemap map;
    char *text = NULL;
    float alpha = 0;
    errtext err;
    gguf g;

    for (int k = 0; k < b->n_out * b->n_in; k++) b->value[k] = (float)k;
    ck_assert_int_eq(trainable_write(r.t, r.w, DTYPE_F32, path, &err), OK);
    ck_assert_int_eq(filemap_open(&map, path, &err), OK);
    ck_assert_int_eq(gguf_init(&g, path, map.data, map.len, &err), OK);
    ck_assert_int_eq(gguf_read_string(&g, "general.type", 64, &text, &err), OK);
    ck_assert_str_eq(text, "adapter");
    mem_free(text);
    ck_assert_int_eq(gguf_read_string(&g, "general.architecture", 64, &text, &err), OK);
    ck_assert_str_eq(text, family_name(c->family));
    mem_free(text);
    ck_assert_int_eq(gguf_read_float(&g, "adapter.lora.alpha", &alpha, &err), OK);
    ck_assert(alpha == 12);
    t = tensor_named(&g, "blk.0.attn_q.weight.lora_a");
    ck_assert(t->n_dim == 2 && t->dim[0] == c->d_model && t->dim[1] == 4);
    t = tensor_named(&g, "blk.0.attn_q.weight.lora_b");
    ck_assert(t->n_dim == 2 && t->dim[0] == 4 && t->dim[1] == c->n_head * c->d_head);
    for (int row = 0; row < b->n_out; row++) {
        int half = c->d_head / 2, head = row / c->d_head * c->d_head, i = row % c->d_head;
        int from = i_family ? row : head + i % 2 * half + i / 2;     /* pairs side by side */
        float got;

        memcpy(&got, t->data + (size_t)row * 16, 4);
        ck_assert(got == (float)(4 * from));
    }
    if (c->n_expert) {
        t = tensor_named(&g, "blk.1.ffn_down_exps.weight.lora_b");
        ck_assert(t->n_dim == 3 && t->dim[0] == 4 && t->dim[1] == c->d_model &&
                  t->dim[2] == c->n_expert);
        ck_assert_int_eq(g.n_tensor, c->n_layer * 7 * 2);
    }
    gguf_fini(&g);
    filemap_close(&map);
    unlink(path);
    rig_free(&r);
}
END_TEST

/* ---- files at fault ---- */

/* What to spoil in a good adapter for blk.0.attn_q of the llama model. */
typedef struct spoil {
    const char *general, *adapter, *architecture;    /* NULL: as it should be, "": left out */
    float alpha;             /* 0: left out */
    const char *a, *b;       /* names, "": left out */
    int64_t n_in, rank, rank_b, n_out, n_extra;
    float value;
    status want;
    const char *says;
} spoil;

#define GOOD_A "blk.0.attn_q.weight.lora_a"
#define GOOD_B "blk.0.attn_q.weight.lora_b"

static void write_tensor(gguf_writer *w, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++)
        ck_assert_int_eq(gguf_writer_write(w, i ? &(float){ 0.5f } : &value, 4, NULL), OK);
}

static void write_spoiled(const spoil *s, const char *path)
{
    gguf_writer *w = gguf_writer_new();
    const char *keys[] = { "general.type", "adapter.type", "general.architecture" };
    const char *good[] = { "adapter", "lora", "llama" };
    const char *given[] = { s->general, s->adapter, s->architecture };
    int64_t a[3] = { s->n_in ? s->n_in : 64, s->rank ? s->rank : 2, s->n_extra };
    int64_t b[3] = { s->rank_b ? s->rank_b : a[1], s->n_out ? s->n_out : 64, s->n_extra };
    bool has_a = !s->a || *s->a, has_b = !s->b || *s->b;
    errtext err;

    for (int i = 0; i < 3; i++)
        if (!given[i] || *given[i])
            gguf_writer_set_string(w, keys[i], given[i] ? given[i] : good[i]);
    if (s->alpha != 0) gguf_writer_set_f32(w, "adapter.lora.alpha", s->alpha);
    if (has_a) gguf_writer_add_tensor(w, s->a ? s->a : GOOD_A, DTYPE_F32, s->n_extra ? 3 : 2, a);
    if (has_b) gguf_writer_add_tensor(w, s->b ? s->b : GOOD_B, DTYPE_F32, s->n_extra ? 3 : 2, b);
    ck_assert_msg(gguf_writer_begin(w, path, &err) == OK, "%s", err.text);
    if (has_a) write_tensor(w, a[0] * a[1] * (s->n_extra ? s->n_extra : 1), 0.5f);
    if (has_b) write_tensor(w, b[0] * b[1] * (s->n_extra ? s->n_extra : 1),
                            s->value != 0 ? s->value : 0.5f);
    ck_assert_msg(gguf_writer_finish(w, &err) == OK, "%s", err.text);
    gguf_writer_free(w);
}

static const spoil spoils[] = {
    { .alpha = 1, .want = OK },
    { .general = "model", .alpha = 1, .want = E_UNSUPPORTED, .says = "general.type is 'model'" },
    { .general = "", .alpha = 1, .want = E_FORMAT, .says = "general.type is missing" },
    { .adapter = "ia3", .alpha = 1, .want = E_UNSUPPORTED, .says = "adapter.type is 'ia3'" },
    { .adapter = "", .alpha = 1, .want = E_FORMAT, .says = "adapter.type is missing" },
    { .architecture = "qwen2", .alpha = 1, .want = E_UNSUPPORTED,
      .says = "general.architecture is 'qwen2', not 'llama'" },
    { .alpha = 0, .want = E_FORMAT, .says = "adapter.lora.alpha is missing" },
    { .alpha = -1, .want = E_FORMAT, .says = "adapter.lora.alpha" },
    { .alpha = NAN, .want = E_FORMAT, .says = "adapter.lora.alpha" },
    { .alpha = 1, .b = "", .want = E_FORMAT, .says = GOOD_A " has no partner" },
    { .alpha = 1, .a = "", .want = E_FORMAT, .says = GOOD_B " has no partner" },
    { .alpha = 1, .a = "", .b = "", .want = E_FORMAT, .says = "no tensors" },
    { .alpha = 1, .n_in = 32, .want = E_FORMAT, .says = GOOD_A " has shape [32, 2, 1]" },
    { .alpha = 1, .n_out = 96, .want = E_FORMAT, .says = GOOD_B " has shape [2, 96, 1]" },
    { .alpha = 1, .rank_b = 3, .want = E_FORMAT, .says = GOOD_B " has shape [3, 64, 1]" },
    { .alpha = 1, .n_extra = 2, .want = E_FORMAT, .says = GOOD_A " has shape [64, 2, 2]" },
    { .alpha = 1, .rank = ADAPTER_MAX_RANK + 1, .want = E_LIMIT, .says = "rank 4097" },
    { .alpha = 1, .a = "blk.3.attn_q.weight.lora_a", .b = "", .want = E_FORMAT,
      .says = "'blk.3.attn_q.weight.lora_a' belongs to no" },
    { .alpha = 1, .a = "token_embd.weight.lora_a", .b = "", .want = E_FORMAT,
      .says = "'token_embd.weight.lora_a' belongs to no" },
    { .alpha = 1, .a = "blk.0.attn_q.weight", .want = E_FORMAT, .says = "has no partner" },
    { .alpha = 1, .value = NAN, .want = E_FORMAT, .says = "blk.0.attn_q.weight.lora_a" },
    { .alpha = 1, .value = INFINITY, .want = E_FORMAT, .says = "not finite" },
};

START_TEST(a_file_at_fault_is_named_and_changes_nothing)
{
    const spoil *s = &spoils[_i];
    const char *good = temp_path("good"), *bad = temp_path("bad");
    float with[256], log_prob[256];
    sample_batch batch;
    errtext err = { "" };
    rig r;

    make_adapter(0, DTYPE_Q8_0, 2, DTYPE_F32, good, with);
    r = plain(0, DTYPE_Q8_0);
    ck_assert_int_eq(adapter_load(r.m, good, r.threads, &err), OK);
    write_spoiled(s, bad);
    ck_assert_msg(adapter_load(r.m, bad, r.threads, &err) == s->want, "%s", err.text);
    if (s->want != OK) {
        ck_assert_msg(strstr(err.text, s->says) && strstr(err.text, bad), "%s", err.text);
        check_bits(&r, with, true);
    } else {
        check_bits(&r, with, false);
        sample_make(&batch, r.m, true);
        sampled(&r, &batch, 1, log_prob);
        for (int i = 0; i < batch.n_target; i++) ck_assert(isfinite(log_prob[i]));
    }
    unlink(good);
    unlink(bad);
    rig_free(&r);
}
END_TEST

START_TEST(files_that_are_no_gguf_are_errors)
{
    rig r = plain(0, DTYPE_F32);
    errtext err;

    ck_assert_int_eq(adapter_load(r.m, "/nowhere.gguf", r.threads, &err), E_IO);
    ck_assert_msg(strstr(err.text, "/nowhere.gguf") != NULL, "%s", err.text);
    ck_assert_int_eq(adapter_load(r.m, FIXTURES "llama/config.json", r.threads, &err), E_FORMAT);
    ck_assert_msg(strstr(err.text, "config.json") != NULL, "%s", err.text);
    rig_free(&r);
}
END_TEST

/* Every cut of a file is an error, never a crash. */
START_TEST(a_file_cut_short_is_an_error)
{
    const char *path = temp_path("whole"), *cut = temp_path("cut");
    bytes file = { 0 };
    float unused[256];
    errtext err;
    rig r;

    make_adapter(0, DTYPE_F32, 1, DTYPE_F32, path, unused);
    ck_assert_int_eq(file_read(&file, path, 1 << 24, &err), OK);
    r = plain(0, DTYPE_F32);
    for (size_t len = 0; len < file.len; len += len < 4096 ? 61 : 9973) {
        ck_assert_int_eq(file_replace(cut, file.data, len, &err), OK);
        ck_assert_int_ne(adapter_load(r.m, cut, r.threads, &err), OK);
        ck_assert_int_eq(adapter_rank(r.m), 0);
    }
    bytes_fini(&file);
    unlink(path);
    unlink(cut);
    rig_free(&r);
}
END_TEST

START_TEST(training_and_loading_keep_apart)
{
    const char *path = temp_path("apart");
    float unused[256];
    trainable_options o = { .lora_rank = 2, .lora_alpha = 1 };
    trainable *t;
    errtext err;
    rig r;

    make_adapter(0, DTYPE_F32, 2, DTYPE_F32, path, unused);
    r = rig_new(0, DTYPE_F32, 1, o);
    ck_assert_int_eq(adapter_load(r.m, path, r.threads, &err), E_ARG);
    ck_assert_msg(strstr(err.text, "in training") != NULL, "%s", err.text);
    rig_free(&r);
    r = plain(0, DTYPE_F32);
    ck_assert_int_eq(adapter_load(r.m, path, r.threads, &err), OK);
    ck_assert_int_eq(trainable_new(&t, r.m, r.w, &o, &err), E_ARG);
    ck_assert_msg(strstr(err.text, "adapter on it") != NULL, "%s", err.text);
    adapter_unload(r.m);
    ck_assert_int_eq(trainable_new(&t, r.m, r.w, &o, &err), OK);
    trainable_free(t);
    unlink(path);
    rig_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("adapter");
    TCase *tc = tcase_create("adapter");
    SRunner *sr;
    int n_failed;

    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, a_loaded_adapter_says_what_the_trainer_said, 0, N_FAMILY * N_TYPE);
    tcase_add_loop_test(tc, a_pass_meets_an_adapter_that_came_after_its_workspace, 0, N_FAMILY);
    tcase_add_loop_test(tc, an_adapter_is_a_change_of_the_weights, 0, N_FAMILY);
    tcase_add_loop_test(tc, the_file_is_in_the_form_of_llama_cpp, 0, 3);
    tcase_add_loop_test(tc, a_file_at_fault_is_named_and_changes_nothing, 0,
                        (int)(sizeof spoils / sizeof *spoils));
    tcase_add_test(tc, files_that_are_no_gguf_are_errors);
    tcase_add_test(tc, a_file_cut_short_is_an_error);
    tcase_add_test(tc, training_and_loading_keep_apart);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
