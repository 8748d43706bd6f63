/* Models through the door of weights.h: every family opens, and every
 * contradiction between config, tensors, vocabulary and files is named. */
#include "model/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "model/internal.h"
#include "support/tiny_model.h"

#include <check.h>       /* last: it has a macro named fail */

#define GPT2_VOCAB "../shared/data/tokenizer/ggml-vocab-gpt-2.gguf"

static char dir[] = "/tmp/test_weights_XXXXXX";
static tiny_model m;
static errtext err;

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

/* Write the tiny model and open it. */
static weights *opened(void)
{
    weights *w;

    ck_assert_msg(tiny_write(&m, in_dir("m.gguf"), &err) == OK, "%s", err.text);
    ck_assert_msg(weights_open(&w, in_dir("m.gguf"), &err) == OK, "%s", err.text);
    return w;
}

/* Write it and see it refused with all the words. */
static void refused(status want, const char *word, const char *word2)
{
    weights *w = (weights *)&m;
    status st;

    ck_assert_msg(tiny_write(&m, in_dir("m.gguf"), &err) == OK, "%s", err.text);
    st = weights_open(&w, in_dir("m.gguf"), &err);
    ck_assert_msg(st == want, "status %s, expected %s: %s", status_name(st), status_name(want),
                  err.text);
    ck_assert_msg(strstr(err.text, word) && strstr(err.text, word2) && strstr(err.text, "m.gguf"),
                  "'%s' holds no '%s' or no '%s'", err.text, word, word2);
    ck_assert(!w);
}

/* ---- what opens ---- */

START_TEST(every_family_opens_with_the_config_it_was_written_with)
{
    weights *w;
    const config *c;

    tiny_init(&m, (family)_i);
    w = opened();
    c = weights_config(w);
    ck_assert_int_eq(c->family, m.c.family);
    ck_assert_str_eq(c->name, "tiny");
    ck_assert(c->n_layer == m.c.n_layer && c->d_model == m.c.d_model && c->n_head == m.c.n_head &&
              c->n_head_kv == m.c.n_head_kv && c->d_head == m.c.d_head && c->d_ff == m.c.d_ff &&
              c->n_vocab == m.c.n_vocab && c->n_ctx == m.c.n_ctx);
    ck_assert(c->norm_eps == m.c.norm_eps && c->rope_base == m.c.rope_base && c->tied);
    ck_assert(c->rope_interleaved == (_i == FAMILY_LLAMA || _i == FAMILY_SMOLLM3));
    ck_assert(!memcmp(c->no_rope, m.c.no_rope, sizeof c->no_rope));
    ck_assert(!memcmp(c->rope_factors, m.c.rope_factors, sizeof c->rope_factors));
    ck_assert(c->n_expert == m.c.n_expert && c->n_expert_used == m.c.n_expert_used &&
              c->d_ff_expert == m.c.d_ff_expert && c->expert_norm == m.c.expert_norm);
    ck_assert_int_eq(weights_count(w), m.n_tensor);
    ck_assert(weights_intact(w, &err) == OK);
    ck_assert_msg(weights_check_finite(w, &err) == OK, "%s", err.text);
    weights_close(w);
}
END_TEST

START_TEST(tensors_are_found_by_name_and_in_file_order)
{
    weights *w;
    const weight *t;

    tiny_init(&m, FAMILY_LLAMA);
    w = opened();
    t = weights_find(w, "blk.0.ffn_down.weight");
    ck_assert(t && t->type == DTYPE_F32 && t->n_dim == 2 && t->dim[0] == 6 && t->dim[1] == 4 &&
              t->dim[2] == 1 && t->n_bytes == 96);
    ck_assert(((const float *)t->data)[0] == 1 && ((const float *)t->data)[1] == 0.02f);
    ck_assert(!weights_find(w, "blk.0.ffn_down") && !weights_find(w, ""));
    for (int i = 0; i < weights_count(w); i++) {
        ck_assert_str_eq(weights_at(w, i)->name, m.tensors[i].name);
        ck_assert(weights_find(w, m.tensors[i].name) == weights_at(w, i));
    }
    weights_release(w, t);
    ck_assert(((const float *)t->data)[0] == 1);
    weights_close(w);
}
END_TEST

START_TEST(smollm3_leaves_every_fourth_layer_without_positions)
{
    weights *w;

    tiny_init(&m, FAMILY_SMOLLM3);
    w = opened();
    for (int i = 0; i < 5; i++) ck_assert_int_eq(weights_config(w)->no_rope[i], i == 3);
    weights_close(w);
}
END_TEST

START_TEST(our_own_key_sets_layers_without_positions)
{
    const uint8_t flags[5] = { 1, 0, 0, 0, 1 };
    weights *w;

    tiny_init(&m, FAMILY_SMOLLM3);
    gguf_writer_set_array_u8(m.w, "ponder.no_rope", flags, 5);
    w = opened();
    ck_assert(!memcmp(weights_config(w)->no_rope, flags, 5));
    weights_close(w);
}
END_TEST

START_TEST(a_config_with_its_own_pattern_is_written_with_the_key)
{
    weights *w;

    tiny_init(&m, FAMILY_LLAMA);
    m.c.no_rope[0] = 1;
    gguf_writer_set_config(m.w, &m.c);
    w = opened();
    ck_assert_int_eq(weights_config(w)->no_rope[0], 1);
    weights_close(w);
}
END_TEST

START_TEST(an_output_matrix_of_its_own_unties)
{
    weights *w;

    tiny_init(&m, FAMILY_LLAMA);
    tiny_add(&m, "output.weight", 2, 4, 12, 1);
    w = opened();
    ck_assert(!weights_config(w)->tied);
    weights_close(w);
}
END_TEST

START_TEST(rope_factors_come_from_their_tensor)
{
    weights *w;

    tiny_init(&m, FAMILY_LLAMA);
    tiny_add(&m, "rope_freqs.weight", 1, 2, 1, 1)->first = 8;
    w = opened();
    ck_assert(weights_config(w)->rope_factors[0] == 8);
    ck_assert(weights_config(w)->rope_factors[1] == 0.02f);
    ck_assert(weights_config(w)->rope_factors[2] == 1);
    weights_close(w);
}
END_TEST

START_TEST(linear_scaling_divides_all_frequencies)
{
    weights *w;

    tiny_init(&m, FAMILY_QWEN2);
    gguf_writer_set_string(m.w, "qwen2.rope.scaling.type", "linear");
    gguf_writer_set_f32(m.w, "qwen2.rope.scaling.factor", 4);
    w = opened();
    ck_assert(weights_config(w)->rope_factors[0] == 4 && weights_config(w)->rope_factors[1] == 4);
    weights_close(w);
}
END_TEST

START_TEST(scaling_of_other_kinds_is_unsupported_above_factor_1)
{
    weights *w;

    tiny_init(&m, FAMILY_QWEN2);
    gguf_writer_set_string(m.w, "qwen2.rope.scaling.type", "yarn");
    gguf_writer_set_f32(m.w, "qwen2.rope.scaling.factor", 4);
    refused(E_UNSUPPORTED, "qwen2.rope.scaling.type", "yarn");
    tiny_init(&m, FAMILY_QWEN2);
    gguf_writer_set_string(m.w, "qwen2.rope.scaling.type", "yarn");
    gguf_writer_set_f32(m.w, "qwen2.rope.scaling.factor", 1);
    w = opened();
    ck_assert(weights_config(w)->rope_factors[0] == 1);
    weights_close(w);
}
END_TEST

START_TEST(heads_default_to_the_embedding_divided)
{
    gguf_writer *w = gguf_writer_new();
    weights *opened_w;

    /* As old files have it: no key_length, no head_count_kv, no base. */
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_free(m.w);
    m.w = w;
    m.n_tensor = 0;
    m.c.n_head = m.c.n_head_kv = 2;
    m.c.d_head = 2;
    gguf_writer_set_string(w, "general.architecture", "llama");
    gguf_writer_set_u32(w, "llama.block_count", 1);
    gguf_writer_set_u32(w, "llama.context_length", 64);
    gguf_writer_set_u32(w, "llama.embedding_length", 4);
    gguf_writer_set_u32(w, "llama.feed_forward_length", 6);
    gguf_writer_set_u32(w, "llama.attention.head_count", 2);
    gguf_writer_set_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-6f);
    tiny_add(&m, "token_embd.weight", 2, 4, 12, 1);
    tiny_add(&m, "output_norm.weight", 1, 4, 1, 1);
    tiny_layer(&m, 0);
    opened_w = opened();
    ck_assert(weights_config(opened_w)->d_head == 2 && weights_config(opened_w)->n_head_kv == 2);
    ck_assert(weights_config(opened_w)->rope_base == 10000);
    ck_assert_str_eq(weights_config(opened_w)->name, "m");
    weights_close(opened_w);
}
END_TEST

START_TEST(experts_may_be_single_tensors)
{
    static const char *const parts[] = { "gate", "up", "down" };
    weights *w;

    tiny_init(&m, FAMILY_QWEN3_MOE);
    for (int p = 0; p < 3; p++) {
        char name[64];

        snprintf(name, sizeof name, "blk.0.ffn_%s_exps.weight", parts[p]);
        tiny_remove(&m, name);
        for (int e = 0; e < 3; e++) {
            snprintf(name, sizeof name, "blk.0.ffn_%s.%d.weight", parts[p], e);
            tiny_add(&m, name, 2, p == 2 ? 2 : 4, p == 2 ? 4 : 2, 1);
        }
    }
    w = opened();
    ck_assert(weights_find(w, "blk.0.ffn_down.2.weight"));
    weights_close(w);
}
END_TEST

START_TEST(a_layer_without_a_router_is_dense)
{
    weights *w;

    tiny_init(&m, FAMILY_QWEN3_MOE);
    m.c.n_layer = 2;
    gguf_writer_set_config(m.w, &m.c);
    m.c.n_expert = 0;
    tiny_layer(&m, 1);
    w = opened();
    ck_assert(weights_find(w, "blk.1.ffn_gate.weight"));
    weights_close(w);
}
END_TEST

START_TEST(norms_may_be_halves_and_matrices_quantised)
{
    weights *w;

    tiny_init(&m, FAMILY_LLAMA);
    m.c.d_model = 32;
    m.n_tensor = 0;
    gguf_writer_set_config(m.w, &m.c);
    tiny_add(&m, "token_embd.weight", 2, 32, 12, 1)->type = DTYPE_Q4_0;
    tiny_add(&m, "output_norm.weight", 1, 32, 1, 1)->type = DTYPE_BF16;
    tiny_layer(&m, 0);
    tiny_find(&m, "blk.0.attn_norm.weight")->type = DTYPE_F16;
    tiny_find(&m, "blk.0.attn_q.weight")->type = DTYPE_Q8_0;
    w = opened();
    ck_assert_int_eq(weights_find(w, "blk.0.attn_q.weight")->type, DTYPE_Q8_0);
    weights_close(w);
}
END_TEST

START_TEST(the_chat_template_is_kept)
{
    weights *w;

    tiny_init(&m, FAMILY_LLAMA);
    w = opened();
    ck_assert(!weights_chat_template(w));
    weights_close(w);
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_string(m.w, "tokenizer.chat_template", "{{ messages }}");
    w = opened();
    ck_assert_str_eq(weights_chat_template(w), "{{ messages }}");
    weights_close(w);
}
END_TEST

START_TEST(long_names_are_cut_at_a_character)
{
    char name[256];
    weights *w;

    memset(name, 'x', 126);
    memcpy(name + 126, "\xC3\xA9 and more", 12);
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_string(m.w, "general.name", name);
    w = opened();
    ck_assert_uint_eq(strlen(weights_config(w)->name), 126);
    weights_close(w);
}
END_TEST

/* ---- tokenizer ---- */

START_TEST(the_tokenizer_is_the_one_described)
{
    weights *w;
    tokenizer *t;
    const vocab_spec *v;

    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_u32(m.w, "tokenizer.ggml.padding_token_id", 3);
    w = opened();
    ck_assert_msg(weights_tokenizer(w, &t, &err) == OK, "%s", err.text);
    v = tokenizer_spec(t);
    ck_assert_int_eq(tokenizer_size(t), 12);
    ck_assert_str_eq(v->pre, "gpt-2");
    ck_assert_int_eq(tokenizer_bos(t), -1);      /* absent, and not 11 */
    ck_assert_int_eq(tokenizer_eos(t), 11);
    ck_assert(v->pad == 3 && v->eot == -1 && v->unk == -1 && !v->add_bos);
    ck_assert_int_eq(tokenizer_special(t, "<|end|>"), 11);
    ck_assert_int_eq(v->n_merge, 1);
    tokenizer_free(t);
    weights_close(w);
}
END_TEST

START_TEST(a_model_without_vocabulary_opens_and_says_so)
{
    weights *w;
    tokenizer *t;

    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_free(m.w);
    m.w = gguf_writer_new();
    gguf_writer_set_config(m.w, &m.c);
    w = opened();
    ck_assert(weights_tokenizer(w, &t, &err) == E_FORMAT && !t);
    ck_assert(strstr(err.text, "tokenizer.ggml.tokens") && strstr(err.text, "m.gguf"));
    weights_close(w);
}
END_TEST

START_TEST(a_vocabulary_alone_gives_a_tokenizer)
{
    tokenizer *t;
    weights *w;

    if (access(GPT2_VOCAB, R_OK)) {
        printf("skipped: %s is not there\n", GPT2_VOCAB);
        return;
    }
    ck_assert(weights_open(&w, GPT2_VOCAB, &err) == E_UNSUPPORTED && !w);
    ck_assert(strstr(err.text, "'gpt2'"));
    ck_assert_msg(weights_tokenizer_only(GPT2_VOCAB, &t, &err) == OK, "%s", err.text);
    ck_assert_int_eq(tokenizer_size(t), 50257);
    ck_assert_int_eq(tokenizer_bos(t), 50256);
    ck_assert_int_eq(tokenizer_eos(t), 50256);
    ck_assert_int_eq(tokenizer_spec(t)->n_merge, 50000);
    ck_assert_str_eq(tokenizer_spec(t)->pre, "gpt-2");
    tokenizer_free(t);
}
END_TEST

START_TEST(a_vocabulary_alone_is_checked_like_any)
{
    tokenizer *t;

    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_u32(m.w, "tokenizer.ggml.eos_token_id", 12);
    ck_assert(tiny_write(&m, in_dir("v.gguf"), &err) == OK);
    ck_assert(weights_tokenizer_only(in_dir("v.gguf"), &t, &err) == E_FORMAT && !t);
    ck_assert(strstr(err.text, "eos_token_id"));
    ck_assert(weights_tokenizer_only(in_dir("absent"), &t, &err) == E_IO && !t);
}
END_TEST

/* 19 */
START_TEST(a_broken_merge_is_named_with_the_file)
{
    const token_text merges[1] = { { "a zz", 4 } };
    weights *w;
    tokenizer *t;

    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_array_string(m.w, "tokenizer.ggml.merges", merges, 1);
    w = opened();
    ck_assert(weights_tokenizer(w, &t, &err) == E_FORMAT && !t);
    ck_assert_msg(strstr(err.text, "m.gguf") && strstr(err.text, "merge"), "%s", err.text);
    weights_close(w);
}
END_TEST

/* 16 */
START_TEST(token_arrays_of_different_lengths_are_a_mismatch)
{
    const float scores[11] = { 0 };
    const int32_t kinds[13] = { 0 };

    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_array_f32(m.w, "tokenizer.ggml.scores", scores, 11);
    refused(E_FORMAT, "tokenizer.ggml.scores", "12 f32");
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_array_i32(m.w, "tokenizer.ggml.token_type", kinds, 13);
    refused(E_FORMAT, "tokenizer.ggml.token_type", "12 i32");
}
END_TEST

START_TEST(token_arrays_of_another_type_are_a_mismatch)
{
    const int32_t ints[12] = { 0 };
    const float floats[12] = { 0 };

    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_array_i32(m.w, "tokenizer.ggml.scores", ints, 12);
    refused(E_FORMAT, "tokenizer.ggml.scores", "i32");
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_array_f32(m.w, "tokenizer.ggml.token_type", floats, 12);
    refused(E_FORMAT, "tokenizer.ggml.token_type", "f32");
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_array_i32(m.w, "tokenizer.ggml.tokens", ints, 12);
    refused(E_FORMAT, "tokenizer.ggml.tokens", "strings");
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_string(m.w, "tokenizer.ggml.merges", "a b");
    refused(E_FORMAT, "tokenizer.ggml.merges", "strings");
}
END_TEST

START_TEST(more_tokens_than_rows_are_a_mismatch)
{
    tiny_init(&m, FAMILY_LLAMA);
    tiny_find(&m, "token_embd.weight")->dim[1] = 11;
    refused(E_FORMAT, "tokenizer.ggml.tokens", "11 rows");
}
END_TEST

/* 17 */
START_TEST(special_ids_lie_in_the_vocabulary)
{
    static const char *const names[] = { "bos", "eos", "eot", "unknown", "padding" };

    for (int i = 0; i < 5; i++) {
        char key[64];

        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", names[i]);
        tiny_init(&m, FAMILY_LLAMA);
        gguf_writer_set_u32(m.w, key, i % 2 ? 12 : UINT32_MAX);
        refused(E_FORMAT, key, "out of range");
    }
}
END_TEST

START_TEST(flags_of_another_type_are_refused)
{
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_u32(m.w, "tokenizer.ggml.add_bos_token", 1);
    refused(E_FORMAT, "tokenizer.ggml.add_bos_token", "bool");
}
END_TEST

/* ---- config ---- */

/* 13, 14 */
START_TEST(config_nonsense_is_named)
{
    static const struct { const char *key; uint32_t value; status st; const char *word; } cases[] = {
        { "attention.head_count", 0, E_FORMAT, "head_count" },
        { "attention.head_count_kv", 0, E_FORMAT, "n_head_kv" },
        { "attention.head_count_kv", 3, E_FORMAT, "multiple" },
        { "attention.key_length", 3, E_UNSUPPORTED, "value_length" },
        { "attention.value_length", 8, E_UNSUPPORTED, "value_length" },
        { "rope.dimension_count", 2, E_UNSUPPORTED, "dimension_count" },
        { "block_count", 0, E_FORMAT, "n_layer" },
        { "block_count", 1000000000, E_LIMIT, "block_count" },
        { "block_count", 2, E_FORMAT, "blk.1.attn_norm.weight" },
        { "context_length", 1u << 31, E_LIMIT, "context_length" },
        { "context_length", 0, E_FORMAT, "n_ctx" },
        { "embedding_length", UINT32_MAX, E_LIMIT, "embedding_length" },
        { "embedding_length", 0, E_FORMAT, "d_model" },
        { "embedding_length", 8, E_FORMAT, "token_embd.weight" },
        { "feed_forward_length", 0, E_FORMAT, "d_ff" },
        { "feed_forward_length", 1u << 30, E_LIMIT, "d_ff" },
        { "attention.head_count", 1u << 30, E_LIMIT, "n_head" },
        { "expert_count", 4, E_UNSUPPORTED, "expert_count" },
        { "attention.sliding_window", 63, E_UNSUPPORTED, "sliding window" },
        { "expert_shared_count", 1, E_UNSUPPORTED, "expert_shared_count" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char key[96];

        snprintf(key, sizeof key, "llama.%s", cases[i].key);
        tiny_init(&m, FAMILY_LLAMA);
        gguf_writer_set_u32(m.w, key, cases[i].value);
        refused(cases[i].st, cases[i].word, "");
    }
}
END_TEST

START_TEST(heads_must_divide_the_embedding)
{
    gguf_writer *w = gguf_writer_new();

    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_free(m.w);
    m.w = w;
    gguf_writer_set_string(w, "general.architecture", "llama");
    gguf_writer_set_u32(w, "llama.block_count", 1);
    gguf_writer_set_u32(w, "llama.context_length", 64);
    gguf_writer_set_u32(w, "llama.embedding_length", 4);
    gguf_writer_set_u32(w, "llama.attention.head_count", 3);
    refused(E_FORMAT, "embedding_length", "3 heads");
}
END_TEST

START_TEST(numbers_that_are_not_finite_are_named)
{
    static const struct { const char *key; float value; const char *word; } cases[] = {
        { "rope.freq_base", NAN, "rope_base" },
        { "rope.freq_base", INFINITY, "rope_base" },
        { "rope.freq_base", 0, "rope_base" },
        { "rope.freq_base", -1, "rope_base" },
        { "attention.layer_norm_rms_epsilon", NAN, "norm_eps" },
        { "attention.layer_norm_rms_epsilon", -1, "norm_eps" },
        { "rope.scaling.factor", NAN, "rope.scaling.factor" },
        { "rope.scaling.factor", -2, "rope.scaling.factor" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char key[96];

        snprintf(key, sizeof key, "llama.%s", cases[i].key);
        tiny_init(&m, FAMILY_LLAMA);
        gguf_writer_set_f32(m.w, key, cases[i].value);
        refused(E_FORMAT, cases[i].word, "");
    }
}
END_TEST

START_TEST(missing_keys_are_named)
{
    static const char *const keys[] = {
        "block_count", "context_length", "embedding_length", "attention.head_count",
        "feed_forward_length", "attention.layer_norm_rms_epsilon",
    };

    for (int skip = 0; skip < 6; skip++) {
        gguf_writer *w = gguf_writer_new();

        tiny_init(&m, FAMILY_LLAMA);
        gguf_writer_free(m.w);
        m.w = w;
        gguf_writer_set_string(w, "general.architecture", "llama");
        for (int i = 0; i < 6; i++) {
            char key[96];

            snprintf(key, sizeof key, "llama.%s", keys[i]);
            if (i == skip) continue;
            if (i == 5) gguf_writer_set_f32(w, key, 1e-5f);
            else gguf_writer_set_u32(w, key, 4);
        }
        refused(E_FORMAT, keys[skip], "missing");
    }
}
END_TEST

START_TEST(keys_of_another_type_are_named)
{
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_f32(m.w, "llama.block_count", 1);
    refused(E_FORMAT, "llama.block_count", "f32");
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_array_i32(m.w, "llama.feed_forward_length", (int32_t[]){ 6, 6 }, 2);
    refused(E_FORMAT, "llama.feed_forward_length", "array of i32");
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_u32(m.w, "general.architecture", 1);
    refused(E_FORMAT, "general.architecture", "u32");
}
END_TEST

START_TEST(unknown_architectures_are_unsupported)
{
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_string(m.w, "general.architecture", "gemma3");
    refused(E_UNSUPPORTED, "'gemma3'", "architecture");
}
END_TEST

START_TEST(keys_that_change_the_numbers_are_unsupported)
{
    static const char *const keys[] = { "final_logit_softcapping", "logit_scale",
                                        "attention.scale", "attention.clamp_kqv" };

    for (int i = 0; i < 4; i++) {
        char key[96];

        snprintf(key, sizeof key, "llama.%s", keys[i]);
        tiny_init(&m, FAMILY_LLAMA);
        gguf_writer_set_f32(m.w, key, 30);
        refused(E_UNSUPPORTED, key, "");
    }
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_bool(m.w, "llama.attention.causal", false);
    refused(E_UNSUPPORTED, "llama.attention.causal", "");
}
END_TEST

START_TEST(values_that_change_nothing_are_fine)
{
    weights *w;

    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_f32(m.w, "llama.logit_scale", 1);
    gguf_writer_set_f32(m.w, "llama.attention.scale", 0.5f);
    gguf_writer_set_bool(m.w, "llama.attention.causal", true);
    gguf_writer_set_u32(m.w, "llama.attention.sliding_window", 64);
    gguf_writer_set_u32(m.w, "llama.expert_count", 0);
    w = opened();
    weights_close(w);
}
END_TEST

START_TEST(more_experts_used_than_there_are_is_named)
{
    tiny_init(&m, FAMILY_QWEN3_MOE);
    gguf_writer_set_u32(m.w, "qwen3moe.expert_used_count", 4);
    refused(E_FORMAT, "n_expert_used", "n_expert 3");
}
END_TEST

START_TEST(the_no_rope_array_fits_the_layers)
{
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_array_u8(m.w, "ponder.no_rope", (uint8_t[]){ 1, 1 }, 2);
    refused(E_FORMAT, "ponder.no_rope", "2 items");
    tiny_init(&m, FAMILY_LLAMA);
    gguf_writer_set_array_u8(m.w, "ponder.no_rope", (uint8_t[]){ 2 }, 1);
    refused(E_FORMAT, "ponder.no_rope", "item 0 is 2");
}
END_TEST

/* ---- tensors ---- */

/* 15 */
START_TEST(every_missing_tensor_is_named)
{
    for (int f = 0; f < 5; f++) {
        int n;

        tiny_init(&m, (family)f);
        n = m.n_tensor;
        gguf_writer_free(m.w);
        for (int i = 0; i < n; i++) {
            char name[64];

            tiny_init(&m, (family)f);
            snprintf(name, sizeof name, "%s", m.tensors[i].name);
            /* Without a router the layer counts as dense. */
            if (strstr(name, "ffn_gate_inp")) {
                gguf_writer_free(m.w);
                continue;
            }
            tiny_remove(&m, name);
            refused(E_FORMAT, name, "missing");
        }
    }
}
END_TEST

START_TEST(every_wrong_shape_is_named)
{
    for (int f = 0; f < 5; f++) {
        int n;

        tiny_init(&m, (family)f);
        n = m.n_tensor;
        gguf_writer_free(m.w);
        for (int i = 0; i < n; i++) {
            tiny_tensor *t;
            char name[64];

            tiny_init(&m, (family)f);
            t = &m.tensors[i];
            snprintf(name, sizeof name, "%s", t->name);
            t->dim[t->n_dim - 1]++;
            /* More rows of the embedding are a larger vocabulary. */
            if (!strcmp(name, "token_embd.weight")) t->dim[0]++;
            refused(E_FORMAT, name, "expected [");
        }
    }
}
END_TEST

START_TEST(a_vector_stored_as_matrix_is_a_wrong_shape)
{
    tiny_init(&m, FAMILY_LLAMA);
    tiny_find(&m, "output_norm.weight")->n_dim = 2;
    refused(E_FORMAT, "output_norm.weight", "[4, 1]");
}
END_TEST

START_TEST(a_quantised_norm_is_a_wrong_type)
{
    tiny_init(&m, FAMILY_LLAMA);
    m.c.d_model = 32;
    m.n_tensor = 0;
    gguf_writer_set_config(m.w, &m.c);
    tiny_add(&m, "token_embd.weight", 2, 32, 12, 1);
    tiny_add(&m, "output_norm.weight", 1, 32, 1, 1)->type = DTYPE_Q8_0;
    tiny_layer(&m, 0);
    refused(E_FORMAT, "output_norm.weight", "Q8_0");
}
END_TEST

START_TEST(tensors_without_a_place_are_unsupported)
{
    static const char *const names[] = { "blk.0.attn_output.bias", "blk.0.ffn_up.bias",
                                         "blk.1.attn_q.weight", "blk.0.attn_sinks.weight",
                                         "blk.0.ffn_gate_inp.weight", "blk.0.attn_q_norm.weight" };

    for (int i = 0; i < 6; i++) {
        tiny_init(&m, FAMILY_LLAMA);
        tiny_add(&m, names[i], 1, 4, 1, 1);
        refused(E_UNSUPPORTED, names[i], "no place");
    }
}
END_TEST

START_TEST(optional_biases_are_accepted_and_checked)
{
    weights *w;

    tiny_init(&m, FAMILY_LLAMA);
    tiny_add(&m, "blk.0.attn_q.bias", 1, 8, 1, 1);
    w = opened();
    weights_close(w);
    tiny_init(&m, FAMILY_LLAMA);
    tiny_add(&m, "blk.0.attn_q.bias", 1, 7, 1, 1);
    refused(E_FORMAT, "blk.0.attn_q.bias", "[8]");
}
END_TEST

START_TEST(a_missing_expert_is_named)
{
    tiny_init(&m, FAMILY_QWEN3_MOE);
    tiny_remove(&m, "blk.0.ffn_up_exps.weight");
    tiny_add(&m, "blk.0.ffn_up.0.weight", 2, 4, 2, 1);
    tiny_add(&m, "blk.0.ffn_up.2.weight", 2, 4, 2, 1);
    refused(E_FORMAT, "blk.0.ffn_up.1.weight", "missing");
}
END_TEST

/* 8 */
START_TEST(duplicate_tensors_are_named)
{
    tiny_init(&m, FAMILY_LLAMA);
    tiny_add(&m, "output_norm.weight", 1, 4, 1, 1);
    refused(E_FORMAT, "duplicate", "'output_norm.weight'");
}
END_TEST

START_TEST(adding_checks_sizes)
{
    weights w = { .path = (char *)"FILE" };
    float x[64] = { 0 };
    const struct { dtype type; int n_dim; int64_t dim[4]; uint64_t n; const char *word; } cases[] = {
        { DTYPE_F32, 1, { 4 }, 15, "needs 16" },
        { DTYPE_F32, 1, { 4 }, 20, "needs 16" },
        { DTYPE_F32, 0, { 4 }, 16, "dimensions" },
        { DTYPE_F32, 5, { 4 }, 16, "dimensions" },
        { DTYPE_F32, 2, { 4, 0 }, 0, "dimension 1" },
        { DTYPE_F32, 1, { -4 }, 16, "dimension 0" },
        { DTYPE_Q8_0, 1, { 33 }, 34, "bad row size" },
        { DTYPE_F32, 2, { 1ll << 32, 1ll << 32 }, 0, "overflow" },
        { DTYPE_F32, 3, { 4, 1ll << 62, 1ll << 62 }, 0, "overflow" },
        { DTYPE_F32, 1, { INT64_MAX }, 0, "overflow" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        status st = weights_add(&w, "t", cases[i].type, cases[i].n_dim, cases[i].dim, x,
                                cases[i].n, &err);

        ck_assert_msg(st == E_FORMAT && strstr(err.text, cases[i].word), "%zu: %s", i, err.text);
    }
    ck_assert(weights_add(&w, "t", (dtype)4, 1, (int64_t[]){ 4 }, x, 16, &err) == E_UNSUPPORTED);
    ck_assert(weights_add(&w, "", DTYPE_F32, 1, (int64_t[]){ 4 }, x, 16, &err) == E_FORMAT);
    ck_assert_int_eq(w.n_item, 0);
}
END_TEST

START_TEST(many_names_are_found_again)
{
    weights *w = mem_new(sizeof *w);
    float x[1] = { 0 };
    char name[32];

    w->path = mem_string("FILE");
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "tensor.%d", i);
        ck_assert(weights_add(w, name, DTYPE_F32, 1, (int64_t[]){ 1 }, x, 4, &err) == OK);
    }
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "tensor.%d", i);
        ck_assert(weights_find(w, name) == weights_at(w, i));
    }
    ck_assert(weights_add(w, "tensor.0", DTYPE_F32, 1, (int64_t[]){ 1 }, x, 4, &err) == E_FORMAT);
    weights_close(w);
}
END_TEST

/* 20 */
START_TEST(vectors_with_nan_are_named_at_opening)
{
    static const char *const names[] = { "output_norm.weight", "blk.0.attn_norm.weight",
                                         "blk.0.attn_q.bias" };

    for (int i = 0; i < 3; i++)
        for (int h = 0; h < 3; h++) {
            const dtype types[3] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16 };
            tiny_tensor *t;

            tiny_init(&m, FAMILY_QWEN2);
            t = tiny_find(&m, names[i]);
            t->type = types[h];
            t->first = h ? INFINITY : NAN;
            refused(E_FORMAT, names[i], "not finite at element 0");
        }
}
END_TEST

START_TEST(rope_factors_must_be_positive)
{
    const float bad[] = { 0, -1, NAN, INFINITY };

    for (int i = 0; i < 4; i++) {
        tiny_init(&m, FAMILY_LLAMA);
        tiny_add(&m, "rope_freqs.weight", 1, 2, 1, 1)->first = bad[i];
        refused(E_FORMAT, "rope_factors[0]", "");
    }
    tiny_init(&m, FAMILY_LLAMA);
    tiny_add(&m, "rope_freqs.weight", 1, 3, 1, 1);
    refused(E_FORMAT, "rope_freqs.weight", "2 floats");
}
END_TEST

START_TEST(matrices_with_nan_are_found_by_the_full_check)
{
    static const dtype types[] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q4_0, DTYPE_Q4_1,
                                   DTYPE_Q5_0, DTYPE_Q5_1, DTYPE_Q8_0, DTYPE_Q4_K, DTYPE_Q5_K,
                                   DTYPE_Q6_K };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int bad = 0; bad < 2; bad++) {
            weights *w;
            tiny_tensor *t;
            status st;

            tiny_init(&m, FAMILY_LLAMA);
            m.c.d_model = 256;
            m.n_tensor = 0;
            gguf_writer_set_config(m.w, &m.c);
            t = tiny_add(&m, "token_embd.weight", 2, 256, 12, 1);
            t->type = types[i];
            t->first = bad ? INFINITY : 1;
            tiny_add(&m, "output_norm.weight", 1, 256, 1, 1);
            tiny_layer(&m, 0);
            w = opened();
            st = weights_check_finite(w, &err);
            ck_assert_msg(st == (bad ? E_FORMAT : OK), "%s: %s", dtype_name(types[i]), err.text);
            ck_assert(!bad || (strstr(err.text, "token_embd.weight") &&
                               strstr(err.text, "not finite at element 0")));
            weights_close(w);
        }
}
END_TEST

/* A minimum, the second half of some blocks, is looked at as well. */
START_TEST(second_scales_are_checked_too)
{
    static const dtype types[] = { DTYPE_Q4_1, DTYPE_Q5_1, DTYPE_Q4_K, DTYPE_Q5_K };

    for (int i = 0; i < 4; i++) {
        weights w = { .path = (char *)"FILE" };
        uint8_t block[256] = { 0 };
        int n = dtype_block(types[i]);

        block[3] = 0x7C;
        ck_assert(weights_add(&w, "t", types[i], 1, (int64_t[]){ n }, block,
                              (uint64_t)dtype_block_bytes(types[i]), &err) == OK);
        ck_assert(weights_check_finite(&w, &err) == E_FORMAT);
        block[3] = 0x7B;
        block[2] = 0xFF;
        ck_assert(weights_check_finite(&w, &err) == OK);
        mem_free((void *)w.items[0].name);
        mem_free(w.items);
        mem_free(w.index);
    }
}
END_TEST

/* ---- files ---- */

START_TEST(files_that_cannot_be_read_are_named)
{
    weights *w;

    ck_assert(weights_open(&w, in_dir("absent.gguf"), &err) == E_IO && !w);
    ck_assert(strstr(err.text, "absent.gguf"));
    ck_assert(weights_open(&w, "/dev/null", &err) == E_IO && !w);
    ck_assert(file_replace(in_dir("empty.gguf"), "", 0, &err) == OK);
    ck_assert(weights_open(&w, in_dir("empty.gguf"), &err) == E_FORMAT && !w);
    ck_assert(strstr(err.text, "truncated at byte 0"));
}
END_TEST

/* 3, through the files */
START_TEST(a_file_cut_at_any_byte_is_refused)
{
    weights *w;
    filemap map;
    size_t len;

    tiny_init(&m, FAMILY_LLAMA);
    /* Moved to the end: 12 rows of 4 floats, whose end is the file's. */
    tiny_remove(&m, "token_embd.weight");
    tiny_add(&m, "token_embd.weight", 2, 4, 12, 1);
    w = opened();
    len = w->maps[0].len;
    map = w->maps[0];
    ck_assert((const uint8_t *)weights_find(w, "token_embd.weight")->data + 192 == map.data + len);
    weights_close(w);
    for (size_t n = len; n-- > 0;) {
        char where[64];

        ck_assert(!truncate(in_dir("m.gguf"), (off_t)n));
        snprintf(where, sizeof where, "truncated at byte %zu:", n);
        ck_assert(weights_open(&w, in_dir("m.gguf"), &err) == E_FORMAT && !w);
        ck_assert_msg(strstr(err.text, where) != NULL, "%s", err.text);
    }
}
END_TEST

/* A split set of n parts: the tensors dealt out, the metadata in the first. */
static void write_parts(int n, int lie_no, int lie_count, int total)
{
    tiny_model all;

    tiny_init(&all, FAMILY_LLAMA);
    for (int p = 0; p < n; p++) {
        char name[64];

        tiny_init(&m, FAMILY_LLAMA);
        if (p) {
            gguf_writer_free(m.w);
            m.w = gguf_writer_new();
        }
        m.n_tensor = 0;
        for (int i = p; i < all.n_tensor; i += n) m.tensors[m.n_tensor++] = all.tensors[i];
        gguf_writer_set_u16(m.w, "split.no", (uint16_t)(p == lie_no ? 7 : p));
        gguf_writer_set_u16(m.w, "split.count", (uint16_t)(p == lie_count ? n + 1 : n));
        gguf_writer_set_i32(m.w, "split.tensors.count", total ? total : all.n_tensor);
        snprintf(name, sizeof name, "s-%05d-of-%05d.gguf", p + 1, n);
        ck_assert(tiny_write(&m, in_dir(name), &err) == OK);
    }
    gguf_writer_free(all.w);
}

static void parts_refused(const char *first, status want, const char *word, const char *word2)
{
    weights *w;
    status st = weights_open(&w, in_dir(first), &err);

    ck_assert_msg(st == want && !w, "%s: %s", status_name(st), err.text);
    ck_assert_msg(strstr(err.text, word) && strstr(err.text, word2), "'%s' holds no '%s' or no "
                  "'%s'", err.text, word, word2);
}

/* 21 */
START_TEST(a_split_set_opens_by_its_first_part)
{
    weights *w;
    tokenizer *t;

    write_parts(3, -1, -1, 0);
    ck_assert_msg(weights_open(&w, in_dir("s-00001-of-00003.gguf"), &err) == OK, "%s", err.text);
    ck_assert_int_eq(weights_count(w), 11);
    ck_assert_int_eq(w->n_map, 3);
    ck_assert(((const float *)weights_find(w, "blk.0.attn_v.weight")->data)[0] == 1);
    ck_assert(weights_tokenizer(w, &t, &err) == OK);
    weights_release(w, weights_find(w, "blk.0.attn_v.weight"));
    tokenizer_free(t);
    weights_close(w);
}
END_TEST

START_TEST(another_part_than_the_first_is_an_argument_error)
{
    write_parts(3, -1, -1, 0);
    parts_refused("s-00002-of-00003.gguf", E_ARG, "-00001-of-00003.gguf", "s-00002");
}
END_TEST

START_TEST(a_missing_part_is_named)
{
    write_parts(3, -1, -1, 0);
    ck_assert(!unlink(in_dir("s-00003-of-00003.gguf")));
    parts_refused("s-00001-of-00003.gguf", E_IO, "s-00003-of-00003.gguf", "missing");
}
END_TEST

START_TEST(a_repeated_part_is_named)
{
    write_parts(3, -1, -1, 0);
    ck_assert(!unlink(in_dir("s-00003-of-00003.gguf")));
    ck_assert(!link(in_dir("s-00002-of-00003.gguf"), in_dir("s-00003-of-00003.gguf")));
    parts_refused("s-00001-of-00003.gguf", E_FORMAT, "s-00003-of-00003.gguf", "split.no is 1");
}
END_TEST

START_TEST(a_part_with_another_number_is_named)
{
    write_parts(3, 1, -1, 0);
    parts_refused("s-00001-of-00003.gguf", E_FORMAT, "s-00002-of-00003.gguf", "split.no is 7");
}
END_TEST

START_TEST(a_part_of_another_set_is_named)
{
    write_parts(3, -1, 2, 0);
    parts_refused("s-00001-of-00003.gguf", E_FORMAT, "s-00003-of-00003.gguf", "split.count 4");
}
END_TEST

START_TEST(a_part_cut_short_is_named)
{
    write_parts(3, -1, -1, 0);
    ck_assert(!truncate(in_dir("s-00002-of-00003.gguf"), 100));
    parts_refused("s-00001-of-00003.gguf", E_FORMAT, "s-00002-of-00003.gguf",
                  "truncated at byte 100");
}
END_TEST

START_TEST(a_set_with_fewer_tensors_than_announced_is_named)
{
    write_parts(2, -1, -1, 99);
    parts_refused("s-00001-of-00002.gguf", E_FORMAT, "split.tensors.count", "99");
}
END_TEST

START_TEST(more_parts_than_can_be_mapped_are_a_limit)
{
    weights *w;
    status st;

    write_parts(70, -1, -1, 0);
    st = weights_open(&w, in_dir("s-00001-of-00070.gguf"), &err);
    ck_assert_msg(st == E_LIMIT && !w, "%s: %s", status_name(st), err.text);
}
END_TEST

/* 22 */
START_TEST(a_file_cut_while_mapped_is_an_io_error)
{
    weights *w;
    tokenizer *t;
    double sum = 0;

    tiny_init(&m, FAMILY_LLAMA);
    w = opened();
    ck_assert(weights_intact(w, &err) == OK);
    ck_assert(!truncate(in_dir("m.gguf"), 0));
    for (int i = 0; i < weights_count(w); i++) sum += *(const uint8_t *)weights_at(w, i)->data;
    ck_assert(sum == 0);
    ck_assert(weights_intact(w, &err) == E_IO);
    ck_assert(strstr(err.text, "m.gguf") && strstr(err.text, "cut short"));
    ck_assert(weights_tokenizer(w, &t, &err) == E_IO && !t);
    ck_assert(weights_check_finite(w, &err) == E_IO);
    weights_close(w);
}
END_TEST

START_TEST(lengths_that_change_under_the_map_are_checked_again)
{
    weights *w;
    tokenizer *t;
    const gguf_value *v;
    uint64_t at, huge = UINT64_MAX / 2;
    gguf g;
    int fd;

    tiny_init(&m, FAMILY_LLAMA);
    w = opened();
    ck_assert(gguf_init(&g, "FILE", w->maps[0].data, w->maps[0].len, &err) == OK);
    v = gguf_find(&g, "tokenizer.ggml.tokens");
    at = (uint64_t)(v->data - w->maps[0].data);
    gguf_fini(&g);
    fd = open(in_dir("m.gguf"), O_WRONLY);
    ck_assert(fd >= 0 && pwrite(fd, &huge, 8, (off_t)at) == 8);
    close(fd);
    ck_assert(weights_tokenizer(w, &t, &err) == E_FORMAT && !t);
    ck_assert_msg(strstr(err.text, "tokenizer.ggml.tokens"), "%s", err.text);
    weights_close(w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("weights");
    TCase *c = tcase_create("weights");
    SRunner *sr;
    int failed;

    tcase_set_timeout(c, 240);
    tcase_add_checked_fixture(c, make_dir, remove_dir);
    tcase_add_loop_test(c, every_family_opens_with_the_config_it_was_written_with, 0, 5);
    tcase_add_test(c, tensors_are_found_by_name_and_in_file_order);
    tcase_add_test(c, smollm3_leaves_every_fourth_layer_without_positions);
    tcase_add_test(c, our_own_key_sets_layers_without_positions);
    tcase_add_test(c, a_config_with_its_own_pattern_is_written_with_the_key);
    tcase_add_test(c, an_output_matrix_of_its_own_unties);
    tcase_add_test(c, rope_factors_come_from_their_tensor);
    tcase_add_test(c, linear_scaling_divides_all_frequencies);
    tcase_add_test(c, scaling_of_other_kinds_is_unsupported_above_factor_1);
    tcase_add_test(c, heads_default_to_the_embedding_divided);
    tcase_add_test(c, experts_may_be_single_tensors);
    tcase_add_test(c, a_layer_without_a_router_is_dense);
    tcase_add_test(c, norms_may_be_halves_and_matrices_quantised);
    tcase_add_test(c, the_chat_template_is_kept);
    tcase_add_test(c, long_names_are_cut_at_a_character);
    tcase_add_test(c, the_tokenizer_is_the_one_described);
    tcase_add_test(c, a_model_without_vocabulary_opens_and_says_so);
    tcase_add_test(c, a_vocabulary_alone_gives_a_tokenizer);
    tcase_add_test(c, a_vocabulary_alone_is_checked_like_any);
    tcase_add_test(c, a_broken_merge_is_named_with_the_file);
    tcase_add_test(c, token_arrays_of_different_lengths_are_a_mismatch);
    tcase_add_test(c, token_arrays_of_another_type_are_a_mismatch);
    tcase_add_test(c, more_tokens_than_rows_are_a_mismatch);
    tcase_add_test(c, special_ids_lie_in_the_vocabulary);
    tcase_add_test(c, flags_of_another_type_are_refused);
    tcase_add_test(c, config_nonsense_is_named);
    tcase_add_test(c, heads_must_divide_the_embedding);
    tcase_add_test(c, numbers_that_are_not_finite_are_named);
    tcase_add_test(c, missing_keys_are_named);
    tcase_add_test(c, keys_of_another_type_are_named);
    tcase_add_test(c, unknown_architectures_are_unsupported);
    tcase_add_test(c, keys_that_change_the_numbers_are_unsupported);
    tcase_add_test(c, values_that_change_nothing_are_fine);
    tcase_add_test(c, more_experts_used_than_there_are_is_named);
    tcase_add_test(c, the_no_rope_array_fits_the_layers);
    tcase_add_test(c, every_missing_tensor_is_named);
    tcase_add_test(c, every_wrong_shape_is_named);
    tcase_add_test(c, a_vector_stored_as_matrix_is_a_wrong_shape);
    tcase_add_test(c, a_quantised_norm_is_a_wrong_type);
    tcase_add_test(c, tensors_without_a_place_are_unsupported);
    tcase_add_test(c, optional_biases_are_accepted_and_checked);
    tcase_add_test(c, a_missing_expert_is_named);
    tcase_add_test(c, duplicate_tensors_are_named);
    tcase_add_test(c, adding_checks_sizes);
    tcase_add_test(c, many_names_are_found_again);
    tcase_add_test(c, vectors_with_nan_are_named_at_opening);
    tcase_add_test(c, rope_factors_must_be_positive);
    tcase_add_test(c, matrices_with_nan_are_found_by_the_full_check);
    tcase_add_test(c, second_scales_are_checked_too);
    tcase_add_test(c, files_that_cannot_be_read_are_named);
    tcase_add_test(c, a_file_cut_at_any_byte_is_refused);
    tcase_add_test(c, a_split_set_opens_by_its_first_part);
    tcase_add_test(c, another_part_than_the_first_is_an_argument_error);
    tcase_add_test(c, a_missing_part_is_named);
    tcase_add_test(c, a_repeated_part_is_named);
    tcase_add_test(c, a_part_with_another_number_is_named);
    tcase_add_test(c, a_part_of_another_set_is_named);
    tcase_add_test(c, a_part_cut_short_is_named);
    tcase_add_test(c, a_set_with_fewer_tensors_than_announced_is_named);
    tcase_add_test(c, more_parts_than_can_be_mapped_are_a_limit);
    tcase_add_test(c, a_file_cut_while_mapped_is_an_io_error);
    tcase_add_test(c, lengths_that_change_under_the_map_are_checked_again);
    suite_add_tcase(s, c);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
