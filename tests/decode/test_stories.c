/* test_stories.c - a real trained model says what its card says, word for word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "decode/engine.h"
#include "model/llama2c.h"

#include <check.h>       /* last: it has a macro named fail */

#define DATA "../shared/data/stories260K/"

static token_text bytes_of(const void *arg, int32_t id)
{
    return tokenizer_text(arg, id);
}

static void hear(void *arg, const session_event *e)
{
    bytes_add(arg, e->text, e->len);
}

/* The text between the command of the greedy run and the closing fence. */
static char *greedy_text(void)
{
    bytes card = { 0 };
    char *start, *end, *out;

    ck_assert_int_eq(file_read(&card, DATA "stories260K.md", 1 << 20, NULL), OK);
    start = strstr(card.data, "-t 0.0\n");
    ck_assert_ptr_nonnull(start);
    start += strlen("-t 0.0\n");
    end = strstr(start, "\n```");
    ck_assert_ptr_nonnull(end);
    *end = 0;
    out = mem_string(start);
    bytes_fini(&card);
    return out;
}

START_TEST(greedy_text_of_stories260k_is_that_of_its_card)
{
    pool *threads = pool_new(2);
    weights *w;
    model *m;
    tokenizer *t;
    engine *e;
    phase_style *style;
    session *s;
    errtext err;
    bytes text = { 0 };
    int32_t bos = 1;
    const int32_t end[1] = { 1 };
    char *want;
    engine_options o = { 0 };
    phase_spec spec = { .n_vocab = 512, .bytes = bytes_of, .end = { end, 1 } };
    session_request q = { .prompt = &bos, .n_prompt = 1, .sampler = sampler_defaults(),
                          .phase = phase_defaults(256), .on_event = hear, .arg = &text };

    if (!file_exists(DATA "stories260K.bin")) {
        printf("skipped: %s is not here\n", DATA);
        return;
    }
    want = greedy_text();
    ck_assert_msg(llama2c_open(&w, DATA "stories260K.bin", DATA "tok512.bin", &err) == OK,
                  "%s", err.text);
    ck_assert_msg(weights_tokenizer(w, &t, &err) == OK, "%s", err.text);
    ck_assert_msg(model_new(&m, w, MODEL_KEEP_TYPES, threads, &err) == OK,
                  "%s", err.text);
    ck_assert_msg(engine_new(&e, m, t, threads, &o, &err) == OK, "%s", err.text);
    spec.bytes_arg = t;
    spec.think_open.id = spec.think_close.id = spec.tool_open.id = spec.tool_close.id = -1;
    ck_assert_msg(phase_style_new(&style, &spec, &err) == OK, "%s", err.text);
    q.style = style;
    q.sampler.temperature = 0;
    q.phase.loop_answer = 0;
    ck_assert_msg(session_start(&s, e, &q, &err) == OK, "%s", err.text);
    while (engine_step(e)) continue;
    while (text.len && text.data[text.len - 1] == '\n') text.data[--text.len] = 0;
    ck_assert_str_eq(text.data[0] == ' ' ? text.data + 1 : text.data, want);
    mem_free(want);
    bytes_fini(&text);
    engine_free(e);
    phase_style_free(style);
    model_free(m);
    tokenizer_free(t);
    weights_close(w);
    pool_free(threads);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stories");
    TCase *t = tcase_create("stories");
    SRunner *sr;
    int failed;

    tcase_set_timeout(t, 300);
    tcase_add_test(t, greedy_text_of_stories260k_is_that_of_its_card);
    suite_add_tcase(s, t);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
