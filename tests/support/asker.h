/* asker.h - reasoners and requests for tests: random models of every family,
 * and parrots.
 *
 * Definitions, for the files that include it: short names, kept out of all
 * other tests. */
#ifndef TESTS_ASKER_H
#define TESTS_ASKER_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "reason/ask.h"
#include "support/parrot.h"

#include <check.h>       /* last: it has a macro named fail */

#define FIXTURES "tests/fixtures/model/"

static const char *const families[] = {
    "llama", "llama3", "qwen2", "qwen3", "qwen3moe", "smollm3",
};
#define N_FAMILY ((int)(sizeof families / sizeof *families))

/* The random models were made for short contexts; their numbers do not mind a
 * longer one. */
static inline reasoner *open_at(const char *path, int n_thread)
{
    reasoner_options o = reasoner_defaults();
    reasoner *r;
    const char *warning;
    errtext err;

    o.n_thread = n_thread;
    o.engine.n_ctx = 2048;
    o.engine.kv_bytes = 64 << 20;
    ck_assert_msg(reasoner_open(&r, path, &o, &warning, &err) == OK, "%s", err.text);
    return r;
}

static inline reasoner *open_family(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, FIXTURES "%s", name);
    return open_at(path, 2);
}

static inline reasoner *open_parrot(const char *chat_template, const parrot_word *words, int n)
{
    char path[64];
    reasoner *r;

    snprintf(path, sizeof path, "/tmp/parrot-%ld.gguf", (long)getpid());
    parrot_write(path, chat_template, 4096, words, n);
    r = open_at(path, 1);
    unlink(path);
    return r;
}

static inline chat question(const char *text)
{
    chat c = { 0 };

    chat_message_text(chat_add(&c, CHAT_USER), text, strlen(text));
    return c;
}

/* Keep a random model from closing its thoughts and ending its turn. */
static inline void never_end(const reasoner *r, ask_request *q, token_bias bias[16])
{
    const tokenizer *t = reasoner_tokenizer(r);

    for (int32_t id = 0; id < tokenizer_size(t); id++) {
        token_text text = tokenizer_text(t, id);
        bool closer = text.len == 8 && !memcmp(text.data, "</think>", 8);

        if (!closer && !tokenizer_is_end(t, id)) continue;
        ck_assert_int_lt(q->sampler.n_bias, 16);
        bias[q->sampler.n_bias++] = (token_bias){ id, -100 };
    }
    q->sampler.bias = bias;
    q->sampler.temperature = 1;
    q->sampler.top_p = 1;
}

static inline ask_answer run(reasoner *r, const ask_request *q, ask_fn *fn, void *arg)
{
    ask_answer a;
    errtext err;

    ck_assert_msg(ask_run(r, q, fn, arg, &a, &err) == OK, "%s", err.text);
    return a;
}

static inline void check_sums(const ask_answer *a)
{
    int reasoning = 0, answer = 0, completion = 0;

    for (int i = 0; i < a->n_sample; i++) {
        const ask_sample *s = &a->samples[i];

        ck_assert_int_eq(s->usage.completion, s->report.n_total);
        ck_assert_int_eq(s->usage.reasoning + s->usage.answer, s->usage.completion);
        ck_assert_int_eq(s->usage.prompt, a->usage.prompt);
        ck_assert_int_le(s->usage.cached, s->usage.prompt);
        ck_assert_int_eq(s->text[s->text_len], 0);
        reasoning += s->usage.reasoning;
        answer += s->usage.answer;
        completion += s->usage.completion;
    }
    ck_assert_int_eq(a->usage.reasoning, reasoning);
    ck_assert_int_eq(a->usage.answer, answer);
    ck_assert_int_eq(a->usage.completion, completion);
}

static inline void check_same(const ask_sample *a, const ask_sample *b)
{
    ck_assert_uint_eq(a->reasoning_len, b->reasoning_len);
    ck_assert_int_eq(memcmp(a->reasoning, b->reasoning, a->reasoning_len), 0);
    ck_assert_uint_eq(a->text_len, b->text_len);
    ck_assert_int_eq(memcmp(a->text, b->text, a->text_len), 0);
    ck_assert_int_eq(a->finish, b->finish);
    ck_assert_int_eq(a->usage.completion, b->usage.completion);
}

#endif
