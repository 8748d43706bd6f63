/* test_engine.c - sessions side by side: what each says does not depend on the
 * others, pages are shared where the past is equal and nowhere else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "decode/engine.h"

#include <check.h>       /* last: it has a macro named fail */

typedef struct rig {
    pool *threads;
    weights *w;
    model *m;
    tokenizer *t;
    engine *e;
    phase_style *style;
    id_list close;
    int32_t *close_ids;
} rig;

static token_text bytes_of(const void *arg, int32_t id)
{
    const tokenizer *t = arg;

    if (tokenizer_kind(t, id) == TOKEN_CONTROL) return (token_text){ "", 0 };
    return tokenizer_text(t, id);
}

static rig rig_new(int n_thread, size_t kv_bytes, int n_ctx, bool thinks)
{
    rig r = { .threads = pool_new(n_thread) };
    engine_options o = { .kv_bytes = kv_bytes, .n_ctx = n_ctx, .max_row = 64, .max_live = 64 };
    phase_spec spec = { .bytes = bytes_of };
    errtext err;
    segments s = { 0 };

    ck_assert_msg(weights_open(&r.w, "tests/fixtures/model/llama", &err) == OK, "%s", err.text);
    ck_assert_msg(weights_tokenizer(r.w, &r.t, &err) == OK, "%s", err.text);
    ck_assert_msg(model_new(&r.m, r.w, DTYPE_Q8_0, r.threads, &err) == OK, "%s", err.text);
    ck_assert_msg(engine_new(&r.e, r.m, r.t, r.threads, &o, &err) == OK, "%s", err.text);
    spec.n_vocab = tokenizer_size(r.t);
    spec.bytes_arg = r.t;
    spec.think_open.id = spec.think_close.id = spec.tool_open.id = spec.tool_close.id = -1;
    if (thinks) {
        spec.think_open.text = "<think>";
        spec.think_close.text = "</think>";
        segments_trusted(&s, "</think>\n");
        ck_assert_int_eq(tokenizer_encode(r.t, &s, 64, &r.close_ids, &r.close.n, &err), OK);
        r.close.ids = r.close_ids;
        spec.force_close = r.close;
        segments_fini(&s);
    }
    ck_assert_msg(phase_style_new(&r.style, &spec, &err) == OK, "%s", err.text);
    return r;
}

static void rig_fini(rig *r)
{
    engine_free(r->e);
    phase_style_free(r->style);
    mem_free(r->close_ids);
    model_free(r->m);
    tokenizer_free(r->t);
    weights_close(r->w);
    pool_free(r->threads);
}

typedef struct heard {
    bytes text[3];
    int n_token;
} heard;

static void hear(void *arg, const session_event *e)
{
    heard *h = arg;

    bytes_add(&h->text[e->channel], e->text, e->len);
    h->n_token += e->id >= 0;
    ck_assert_uint_eq(utf8_valid_prefix(e->text, e->len), e->len);
}

static session_request request(const rig *r, const int32_t *prompt, int n, int max, heard *h)
{
    session_request q = { .prompt = prompt, .n_prompt = n, .style = r->style,
                          .sampler = sampler_defaults(), .phase = phase_defaults(max) };

    q.sampler.seed = 42;
    q.phase.loop_answer = 0;
    q.on_event = h ? hear : NULL;
    q.arg = h;
    return q;
}

static session *start(rig *r, const session_request *q)
{
    session *s;
    errtext err;

    ck_assert_msg(session_start(&s, r->e, q, &err) == OK, "%s", err.text);
    return s;
}

static void run(rig *r)
{
    for (int i = 0; engine_step(r->e); i++) ck_assert_int_lt(i, 100000);
}

static void fill(int32_t *ids, int n, int which)
{
    for (int i = 0; i < n; i++) ids[i] = 10 + (int32_t)(rng_u64(5, (uint64_t)which,
                                                                (uint64_t)i) % 200);
}

static void same_tokens(const session *a, const session *b)
{
    int n_a, n_b;
    const int32_t *ids_a = session_tokens(a, &n_a), *ids_b = session_tokens(b, &n_b);

    ck_assert_int_eq(n_a, n_b);
    ck_assert(!memcmp(ids_a, ids_b, (size_t)n_a * sizeof *ids_a));
}

START_TEST(a_session_says_the_same_alone_and_among_forty)
{
    rig many = rig_new(2, 0, 256, false), alone = rig_new(1, 0, 256, false);
    int32_t prompt[40][60];
    session *s[40], *one;
    session_request q;

    for (int i = 0; i < 40; i++) {
        fill(prompt[i], 60, i);
        q = request(&many, prompt[i], 5 + i, 20 + i, NULL);
        q.stream = (uint64_t)i;
        s[i] = start(&many, &q);
        if (i % 3 == 0) engine_step(many.e);
    }
    run(&many);
    for (int i = 0; i < 40; i += 13) {
        q = request(&alone, prompt[i], 5 + i, 20 + i, NULL);
        q.stream = (uint64_t)i;
        one = start(&alone, &q);
        run(&alone);
        same_tokens(one, s[i]);
        ck_assert_int_eq(session_get_usage(s[i]).report.n_total, 20 + i);
        ck_assert_int_eq(session_finish(s[i]), FINISH_LENGTH);
    }
    rig_fini(&many);
    rig_fini(&alone);
}
END_TEST

START_TEST(samples_share_their_prompt_even_when_they_start_together)
{
    rig r = rig_new(2, 0, 256, false);
    int32_t prompt[40];
    session *s[4], *again, *stranger;
    session_request q;

    fill(prompt, 40, 1);
    q = request(&r, prompt, 40, 10, NULL);
    for (int i = 0; i < 4; i++) {
        q.stream = (uint64_t)i;
        s[i] = start(&r, &q);
    }
    run(&r);
    ck_assert_int_eq(session_get_usage(s[0]).cached, 0);
    for (int i = 1; i < 4; i++) ck_assert_int_eq(session_get_usage(s[i]).cached, 32);
    q.stream = 0;
    again = start(&r, &q);
    q.tenant = 9;
    stranger = start(&r, &q);
    run(&r);
    ck_assert_int_eq(session_get_usage(again).cached, 32);
    ck_assert_int_eq(session_get_usage(stranger).cached, 0);
    same_tokens(again, s[0]);
    same_tokens(stranger, s[0]);
    rig_fini(&r);
}
END_TEST

START_TEST(a_conversation_finds_its_past_answers)
{
    rig r = rig_new(1, 0, 256, false);
    int32_t prompt[128];
    session *s;
    session_request q;
    int n;
    const int32_t *ids;

    fill(prompt, 20, 1);
    q = request(&r, prompt, 20, 30, NULL);
    s = start(&r, &q);
    run(&r);
    ids = session_tokens(s, &n);
    ck_assert_int_eq(n, 50);
    memcpy(prompt, ids, (size_t)n * sizeof *ids);
    q = request(&r, prompt, 60, 4, NULL);
    fill(prompt + 50, 10, 2);
    s = start(&r, &q);
    run(&r);
    ck_assert_int_eq(session_get_usage(s).cached, 48);
    rig_fini(&r);
}
END_TEST

START_TEST(running_out_of_pages_changes_no_text)
{
    rig r = rig_new(2, 0, 128, false), tight;
    int32_t prompt[8][30];
    session *a[8], *b[8];
    kv_cache *one = model_kv_new(r.m, 1);

    tight = rig_new(2, 20 * kv_page_bytes(one), 128, false);
    kv_free(one);
    for (int i = 0; i < 8; i++) {
        session_request q;

        fill(prompt[i], 30, i);
        q = request(&r, prompt[i], 30, 90, NULL);
        q.stream = (uint64_t)i;
        a[i] = start(&r, &q);
        q.style = tight.style;
        b[i] = start(&tight, &q);
    }
    run(&r);
    run(&tight);
    for (int i = 0; i < 8; i++) same_tokens(a[i], b[i]);
    rig_fini(&r);
    rig_fini(&tight);
}
END_TEST

START_TEST(same_seed_same_text_other_seed_other_text)
{
    rig r = rig_new(2, 0, 256, false);
    int32_t prompt[10];
    session *s[3];
    int n[3];
    session_request q;

    fill(prompt, 10, 3);
    q = request(&r, prompt, 10, 40, NULL);
    s[0] = start(&r, &q);
    s[1] = start(&r, &q);
    q.sampler.seed = 43;
    s[2] = start(&r, &q);
    run(&r);
    same_tokens(s[0], s[1]);
    ck_assert(memcmp(session_tokens(s[0], &n[0]), session_tokens(s[2], &n[2]),
                     50 * sizeof(int32_t)));
    rig_fini(&r);
}
END_TEST

START_TEST(a_budget_of_200_ends_endless_thinking_and_an_answer_follows)
{
    rig r = rig_new(2, 0, 512, true);
    int32_t prompt[10];
    heard h = { 0 };
    session_request q;
    session_usage u;
    session *s;

    fill(prompt, 10, 4);
    q = request(&r, prompt, 10, 300, &h);
    q.phase.start = PHASE_THINK;
    q.phase.think_budget = 200;
    q.phase.loop_think = 0;
    s = start(&r, &q);
    run(&r);
    u = session_get_usage(s);
    ck_assert_int_eq(u.report.n_think, 200);
    ck_assert_int_eq(u.report.n_marker, r.close.n);
    ck_assert_int_eq(u.report.closed_by, CLOSE_BUDGET);
    ck_assert_int_eq(u.report.n_total, 300);
    ck_assert_int_eq(h.n_token, 300);
    ck_assert_uint_gt(h.text[CHANNEL_ANSWER].len, 0);
    ck_assert(!strstr(h.text[CHANNEL_ANSWER].data, "</think>"));
    for (int i = 0; i < 3; i++) bytes_fini(&h.text[i]);
    rig_fini(&r);
}
END_TEST

START_TEST(no_budget_at_all_closes_before_the_first_thought)
{
    rig r = rig_new(1, 0, 256, true);
    int32_t prompt[10];
    heard h = { 0 };
    session_request q;
    session *s;

    fill(prompt, 10, 4);
    q = request(&r, prompt, 10, 20, &h);
    q.phase.start = PHASE_THINK;
    q.phase.think_budget = 0;
    s = start(&r, &q);
    run(&r);
    ck_assert_int_eq(session_get_usage(s).report.n_think, 0);
    ck_assert_int_eq(session_get_usage(s).report.n_answer, 20 - r.close.n);
    ck_assert_uint_eq(h.text[CHANNEL_REASONING].len, 0);
    for (int i = 0; i < 3; i++) bytes_fini(&h.text[i]);
    rig_fini(&r);
}
END_TEST

START_TEST(a_stop_string_ends_the_answer_and_is_not_shown)
{
    rig r = rig_new(1, 0, 512, false);
    int32_t prompt[10];
    heard free_run = { 0 }, stopped = { 0 };
    char stop_text[3] = { 0 };
    const char *texts[1] = { stop_text };
    size_t lens[1] = { 2 };
    stops *st;
    session_request q;
    session *s;

    fill(prompt, 10, 6);
    q = request(&r, prompt, 10, 100, &free_run);
    start(&r, &q);
    run(&r);
    for (size_t i = 20; i + 2 < free_run.text[CHANNEL_ANSWER].len; i++) {
        memcpy(stop_text, free_run.text[CHANNEL_ANSWER].data + i, 2);
        if (stop_text[0] > 32 && stop_text[1] > 32 && stop_text[0] < 127 && stop_text[1] < 127)
            break;
    }
    ck_assert_int_eq(stops_new(&st, texts, lens, 1, NULL), OK);
    q.stop = st;
    q.arg = &stopped;
    s = start(&r, &q);
    run(&r);
    ck_assert_int_eq(session_finish(s), FINISH_STOP);
    ck_assert(!stopped.text[CHANNEL_ANSWER].data ||
              !strstr(stopped.text[CHANNEL_ANSWER].data, stop_text));
    ck_assert(!stopped.text[CHANNEL_ANSWER].len ||
              !memcmp(stopped.text[CHANNEL_ANSWER].data, free_run.text[CHANNEL_ANSWER].data,
                      stopped.text[CHANNEL_ANSWER].len));
    for (int i = 0; i < 3; i++) {
        bytes_fini(&stopped.text[i]);
        bytes_fini(&free_run.text[i]);
    }
    rig_fini(&r);
    stops_free(st);
}
END_TEST

START_TEST(cancelling_frees_the_pages_for_others)
{
    rig r = rig_new(1, 0, 256, false);
    int32_t prompt[10];
    session_request q;
    session *s, *t;

    fill(prompt, 10, 7);
    q = request(&r, prompt, 10, 200, NULL);
    s = start(&r, &q);
    t = start(&r, &q);
    for (int i = 0; i < 5; i++) engine_step(r.e);
    session_cancel(s);
    run(&r);
    ck_assert_int_eq(session_finish(s), FINISH_CANCELLED);
    ck_assert_int_eq(session_get_usage(s).report.n_total, 5);
    ck_assert_int_eq(session_finish(t), FINISH_LENGTH);
    session_free(s);
    session_free(t);
    ck_assert(!engine_step(r.e));
    rig_fini(&r);
}
END_TEST

START_TEST(what_does_not_fit_is_refused_with_its_numbers)
{
    rig r = rig_new(1, 0, 64, false);
    int32_t prompt[64];
    session_request q;
    session *s;
    errtext err;

    fill(prompt, 64, 8);
    q = request(&r, prompt, 64, 5, NULL);
    ck_assert_int_eq(session_start(&s, r.e, &q, &err), E_LIMIT);
    ck_assert(strstr(err.text, "64"));
    q.n_prompt = 0;
    ck_assert_int_eq(session_start(&s, r.e, &q, &err), E_ARG);
    q.n_prompt = 3;
    prompt[2] = 1 << 20;
    ck_assert_int_eq(session_start(&s, r.e, &q, &err), E_ARG);
    ck_assert(strstr(err.text, "token 2"));
    prompt[2] = 5;
    q.sampler.temperature = -1;
    ck_assert_int_eq(session_start(&s, r.e, &q, &err), E_ARG);
    ck_assert(strstr(err.text, "temperature"));
    rig_fini(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("engine");
    TCase *t = tcase_create("engine");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_session_says_the_same_alone_and_among_forty);
    tcase_add_test(t, samples_share_their_prompt_even_when_they_start_together);
    tcase_add_test(t, a_conversation_finds_its_past_answers);
    tcase_add_test(t, running_out_of_pages_changes_no_text);
    tcase_add_test(t, same_seed_same_text_other_seed_other_text);
    tcase_add_test(t, a_budget_of_200_ends_endless_thinking_and_an_answer_follows);
    tcase_add_test(t, no_budget_at_all_closes_before_the_first_thought);
    tcase_add_test(t, a_stop_string_ends_the_answer_and_is_not_shown);
    tcase_add_test(t, cancelling_frees_the_pages_for_others);
    tcase_add_test(t, what_does_not_fit_is_refused_with_its_numbers);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
