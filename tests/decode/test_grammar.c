/* test_grammar.c - answers under a grammar: random tokens come to a valid end,
 * the engine masks answers and calls and nothing else. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "decode/engine.h"
#include "support/json_check.h"

#include <check.h>       /* last: it has a macro named fail */

/* ------------------------------------------------------------------ models */

typedef struct rig {
    pool *threads;
    weights *w;
    model *m;
    tokenizer *t;
    engine *e;
    phase_style *style;
    int32_t *close;
    int n_close;
} rig;

static token_text bytes_of(const void *arg, int32_t id)
{
    const tokenizer *t = arg;

    if (tokenizer_kind(t, id) == TOKEN_CONTROL) return (token_text){ "", 0 };
    return tokenizer_text(t, id);
}

static void open_weights(rig *r)
{
    errtext err;

    ck_assert_msg(weights_open(&r->w, "tests/fixtures/model/llama", &err) == OK, "%s", err.text);
    ck_assert_msg(weights_tokenizer(r->w, &r->t, &err) == OK, "%s", err.text);
}

static rig rig_new(int n_thread)
{
    rig r = { .threads = pool_new(n_thread) };
    engine_options o = { .n_ctx = 512, .max_row = 64, .max_live = 64 };
    phase_spec spec = { .bytes = bytes_of };
    int32_t end[1];
    segments s = { 0 };
    errtext err;

    open_weights(&r);
    ck_assert_msg(model_new(&r.m, r.w, DTYPE_Q8_0, r.threads, &err) == OK, "%s", err.text);
    ck_assert_msg(engine_new(&r.e, r.m, r.t, r.threads, &o, &err) == OK, "%s", err.text);
    spec.n_vocab = tokenizer_size(r.t);
    spec.bytes_arg = r.t;
    spec.think_open = (marker_spec){ "<think>", -1 };
    spec.think_close = (marker_spec){ "</think>", -1 };
    spec.tool_open = (marker_spec){ NULL, -1 };
    spec.tool_close = (marker_spec){ NULL, -1 };
    segments_trusted(&s, "</think>\n");
    ck_assert_int_eq(tokenizer_encode(r.t, &s, 64, &r.close, &r.n_close, &err), OK);
    spec.force_close = (id_list){ r.close, r.n_close };
    end[0] = tokenizer_eos(r.t);
    ck_assert_int_ge(end[0], 0);
    spec.end = (id_list){ end, 1 };
    segments_fini(&s);
    ck_assert_msg(phase_style_new(&r.style, &spec, &err) == OK, "%s", err.text);
    return r;
}

static void rig_fini(rig *r)
{
    engine_free(r->e);
    phase_style_free(r->style);
    mem_free(r->close);
    model_free(r->m);
    tokenizer_free(r->t);
    weights_close(r->w);
    pool_free(r->threads);
}

typedef struct heard {
    bytes text[3];
} heard;

static void hear(void *arg, const session_event *e)
{
    bytes_add(&((heard *)arg)->text[e->channel], e->text, e->len);
}

static void heard_fini(heard *h)
{
    for (int i = 0; i < 3; i++) bytes_fini(&h->text[i]);
}

static session *ask(rig *r, const grammar *g, bool think, int max, int which, heard *h)
{
    static const int32_t prompt[4] = { 20, 21, 22, 23 };
    session_request q = { .prompt = prompt, .n_prompt = 4, .style = r->style, .answer_grammar = g,
                          .sampler = sampler_defaults(), .phase = phase_defaults(max),
                          .stream = (uint64_t)which, .on_event = h ? hear : NULL, .arg = h };
    session *s;
    errtext err;

    q.sampler.seed = 7;
    q.phase.loop_answer = q.phase.loop_think = 0;
    if (think) {
        q.phase.start = PHASE_THINK;
        q.phase.think_budget = 20;
    }
    ck_assert_msg(session_start(&s, r->e, &q, &err) == OK, "%s", err.text);
    return s;
}

static void run(rig *r)
{
    for (int i = 0; engine_step(r->e); i++) ck_assert_int_lt(i, 100000);
}

static grammar *compile(const char *text, json_t **keep)
{
    json_error_t e;
    json_t *v = json_loads(text, JSON_DECODE_ANY, &e);
    grammar *g;
    errtext err;

    ck_assert_msg(v != NULL, "%s: %s", text, e.text);
    ck_assert_msg(grammar_new_schema(&g, v, NULL, &err) == OK, "%s: %s", text, err.text);
    if (keep) *keep = v;
    else json_decref(v);
    return g;
}

static void check_value(const json_t *schema, const char *text, size_t len)
{
    json_error_t e;
    json_t *v = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);

    ck_assert_msg(v != NULL, "%.*s: %s", (int)len, text, e.text);
    ck_assert_msg(json_valid(schema, schema, v), "not valid: %.*s", (int)len, text);
    json_decref(v);
}

static const char small[] =
    "{\"type\":\"object\",\"properties\":{\"valid\":{\"type\":\"boolean\"},\"kind\":{\"enum\":[\"a\",\"bc\"]},"
    "\"n\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":999},\"tags\":{\"type\":\"array\",\"items\":"
    "{\"type\":\"string\",\"maxLength\":3},\"maxItems\":3}},\"required\":[\"valid\",\"kind\",\"n\",\"tags\"],"
    "\"additionalProperties\":false}";

START_TEST(an_answer_that_stopped_is_valid_and_one_cut_off_says_so)
{
    rig r = rig_new(2);
    json_t *schema;
    grammar *g = compile(small, &schema);
    int n_stop = 0;

    for (int i = 0; i < 12; i++) {
        heard h = { { { 0 } } };
        session *s = ask(&r, g, false, i % 3 ? 200 : 6, i, &h);
        const bytes *text = &h.text[CHANNEL_ANSWER];

        run(&r);
        ck_assert_str_eq(session_error(s), "");
        if (session_finish(s) == FINISH_STOP) {
            check_value(schema, text->data, text->len);
            n_stop++;
        } else {
            ck_assert_int_eq(session_finish(s), FINISH_LENGTH);
            ck_assert_int_eq(session_get_usage(s).report.n_total, i % 3 ? 200 : 6);
        }
        session_free(s);
        heard_fini(&h);
    }
    ck_assert_int_ge(n_stop, 6);
    grammar_free(g);
    json_decref(schema);
    rig_fini(&r);
}
END_TEST

START_TEST(a_thought_is_the_same_with_and_without_a_grammar)
{
    rig r = rig_new(1);
    json_t *schema;
    grammar *g = compile(small, &schema);

    for (int i = 0; i < 4; i++) {
        heard with = { { { 0 } } }, without = { { { 0 } } };
        session *a = ask(&r, g, true, 300, i, &with), *b = ask(&r, NULL, true, 300, i, &without);
        const bytes *thought = &with.text[CHANNEL_REASONING], *free_one = &without.text[CHANNEL_REASONING];

        run(&r);
        ck_assert_int_gt(session_get_usage(a).report.n_think, 0);
        ck_assert_uint_eq(thought->len, free_one->len);
        ck_assert(!memcmp(thought->data, free_one->data, thought->len));
        if (session_finish(a) == FINISH_STOP)
            check_value(schema, with.text[CHANNEL_ANSWER].data, with.text[CHANNEL_ANSWER].len);
        else ck_assert_int_eq(session_finish(a), FINISH_LENGTH);
        session_free(a);
        session_free(b);
        heard_fini(&with);
        heard_fini(&without);
    }
    grammar_free(g);
    json_decref(schema);
    rig_fini(&r);
}
END_TEST

START_TEST(a_masked_session_says_the_same_alone_and_among_others)
{
    rig many = rig_new(2), alone = rig_new(1);
    grammar *g = compile(small, NULL), *other = compile("{}", NULL), *own = compile(small, NULL);
    session *s[10];

    for (int i = 0; i < 10; i++) s[i] = ask(&many, i % 3 ? g : other, i % 2, 80, i, NULL);
    run(&many);
    for (int i = 1; i < 10; i += 4) {
        session *one = ask(&alone, i % 3 ? own : other, i % 2, 80, i, NULL);
        int n_a, n_b;
        const int32_t *a, *b;

        run(&alone);
        a = session_tokens(s[i], &n_a);
        b = session_tokens(one, &n_b);
        ck_assert_int_eq(n_a, n_b);
        ck_assert(!memcmp(a, b, (size_t)n_a * sizeof *a));
    }
    rig_fini(&many);
    rig_fini(&alone);
    grammar_free(g);
    grammar_free(other);
    grammar_free(own);
}
END_TEST

START_TEST(a_regex_shapes_a_whole_answer)
{
    static const char pattern[] = "(yes|no), [a-z]{2,5}\\.";
    rig r = rig_new(1);
    heard h = { { { 0 } } };
    grammar *g;
    session *s;
    errtext err;

    ck_assert_int_eq(grammar_new_regex(&g, pattern, sizeof pattern - 1, &err), OK);
    s = ask(&r, g, false, 100, 1, &h);
    run(&r);
    ck_assert_int_eq(session_finish(s), FINISH_STOP);
    ck_assert_msg(check_pattern("^(yes|no), [a-z]{2,5}\\.$", h.text[CHANNEL_ANSWER].data), "%s",
                  h.text[CHANNEL_ANSWER].data);
    session_free(s);
    heard_fini(&h);
    grammar_free(g);
    rig_fini(&r);
}
END_TEST

/* -------------------------------------------------------- random generation */

static const char *const schemas[] = {
    "{}", "true", "{\"type\":\"object\"}", "{\"type\":\"array\"}", "{\"type\":[\"string\",\"null\"]}",
    "{\"type\":\"number\"}", "{\"type\":\"integer\"}", "{\"type\":\"boolean\"}", small,
    "{\"type\":\"number\",\"minimum\":-1.5,\"exclusiveMaximum\":2.25}",
    "{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":100}",
    "{\"type\":\"number\",\"multipleOf\":0.25,\"maximum\":10}",
    "{\"type\":\"string\",\"pattern\":\"^[A-Z][a-z]*( [A-Z][a-z]*)*$\",\"maxLength\":20}",
    "{\"type\":\"string\",\"pattern\":\"^[0-9]{3}-[0-9]{4}\"}",
    "{\"type\":\"string\",\"minLength\":5,\"maxLength\":9}",
    "{\"enum\":[1,\"one\",null,[1,{\"a\":2}],{\"b\":[]}]}",
    "{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"minimum\":0},\"minItems\":2,\"maxItems\":5}",
    "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"integer\"}],\"items\":"
    "{\"type\":\"boolean\"},\"minItems\":2}",
    "{\"type\":\"array\",\"items\":{\"enum\":[1,2,3,4]},\"uniqueItems\":true,\"minItems\":2}",
    "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"contains\":{\"minimum\":100},\"minContains\":2,"
    "\"maxContains\":3}",
    "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"},\"minProperties\":3}",
    "{\"type\":\"object\",\"patternProperties\":{\"^n_\":{\"type\":\"number\"},\"^s[0-9]\":{\"type\":\"string\"}},"
    "\"additionalProperties\":false,\"minProperties\":2}",
    "{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[a-c]{1,2}$\"},\"minProperties\":4}",
    "{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{\"type\":\"null\"},\"c\":{\"type\":\"boolean\"}},"
    "\"dependentRequired\":{\"a\":[\"c\"]},\"minProperties\":1,\"maxProperties\":2}",
    "{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"circle\"},\"r\":{\"type\":\"number\"}},"
    "\"required\":[\"kind\",\"r\"],\"additionalProperties\":false},{\"type\":\"object\",\"properties\":{\"kind\":"
    "{\"const\":\"square\"},\"side\":{\"type\":\"integer\"}},\"required\":[\"kind\",\"side\"],"
    "\"additionalProperties\":false}]}",
    "{\"oneOf\":[{\"type\":\"integer\",\"multipleOf\":4},{\"type\":\"integer\",\"multipleOf\":6},"
    "{\"type\":\"string\",\"maxLength\":4}]}",
    "{\"allOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]},"
    "{\"properties\":{\"a\":{\"minimum\":5},\"b\":{\"type\":\"string\"}},\"required\":[\"b\"]}]}",
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"if\":{\"properties\":{\"n\":"
    "{\"minimum\":10}},\"required\":[\"n\"]},\"then\":{\"required\":[\"big\"]},\"else\":{\"maxProperties\":1}}",
    "{\"type\":\"object\",\"not\":{\"additionalProperties\":{\"type\":\"string\"}}}",
    "{\"not\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\"},{\"type\":\"integer\"}]}}",
    "{\"$ref\":\"#/$defs/tree\",\"$defs\":{\"tree\":{\"type\":\"object\",\"properties\":{\"value\":"
    "{\"type\":\"integer\"},\"kids\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/tree\"}}},"
    "\"required\":[\"value\",\"kids\"],\"additionalProperties\":false}}}",
    "{\"type\":\"array\",\"items\":{\"anyOf\":[{\"$ref\":\"#\"},{\"const\":0}]},\"contains\":{\"const\":0}}",
};
#define N_SCHEMA ((int)(sizeof schemas / sizeof *schemas))

static bool bit(const uint64_t *mask, int id) { return mask[id / 64] >> (id % 64) & 1; }

/* A random allowed token; late in a walk one that brings it to its end. */
static int choose(const tokenizer *t, const uint64_t *mask, int n_set, int step, uint64_t r)
{
    static const char *const closers[] = { "\"", "]", "}" };
    int left = (int)(r % (uint64_t)n_set), id;

    for (int k = 0; k < 3 && (step > 60 || r >> 60 < 4); k++)
        for (id = 0; id < tokenizer_size(t); id++) {
            token_text text = tokenizer_text(t, id);

            if (bit(mask, id) && text.len == 1 && *text.data == *closers[k]) return id;
        }
    for (id = 0;; id++)
        if (bit(mask, id) && left-- == 0) return id;
}

START_TEST(random_tokens_under_the_mask_come_to_a_valid_value)
{
    rig r = { 0 };
    json_t *schema;
    grammar *g = compile(schemas[_i], &schema);
    trie *t;
    uint64_t *mask;

    open_weights(&r);
    t = trie_new(tokenizer_size(r.t), bytes_of, r.t);
    mask = mem_array((size_t)trie_words(t), sizeof *mask);
    for (int walk = 0; walk < 30; walk++) {
        grammar_state *s = grammar_state_new(g, t);
        bytes text = { 0 };

        for (int step = 0; ; step++) {
            uint64_t x = rng_u64(9, (uint64_t)(_i * 1000 + walk), (uint64_t)step);
            int n = grammar_mask(s, mask), id;
            token_text piece;

            ck_assert_int_lt(step, 3000);
            if (grammar_complete(s) && (n == 0 || step > 60 || x >> 58 < 16)) break;
            ck_assert_msg(n > 0, "%s: a dead end after %s", schemas[_i], text.data);
            id = choose(r.t, mask, n, step, x);
            piece = tokenizer_text(r.t, id);
            ck_assert(grammar_accept(s, id));
            bytes_add(&text, piece.data, piece.len);
        }
        check_value(schema, text.data, text.len);
        bytes_fini(&text);
        grammar_state_free(s);
    }
    mem_free(mask);
    trie_free(t);
    grammar_free(g);
    json_decref(schema);
    tokenizer_free(r.t);
    weights_close(r.w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("grammar");
    TCase *t = tcase_create("grammar");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 300);
    suite_add_tcase(s, t);
    tcase_add_test(t, an_answer_that_stopped_is_valid_and_one_cut_off_says_so);
    tcase_add_test(t, a_thought_is_the_same_with_and_without_a_grammar);
    tcase_add_test(t, a_masked_session_says_the_same_alone_and_among_others);
    tcase_add_test(t, a_regex_shapes_a_whole_answer);
    tcase_add_loop_test(t, random_tokens_under_the_mask_come_to_a_valid_value, 0, N_SCHEMA);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
