/* test_mask.c - masks against the plain definition: a token may come exactly
 * when its bytes can be taken one after the other. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"
#include "decode/grammar.h"

#include <check.h>       /* last: it has a macro named fail */

/* A vocabulary with all that is awkward: bytes, parts of characters, quotes in
 * every place, escapes, whole members, long blanks, doubles, tokens of nothing. */
static const char *const words[] = {
    "", "\"", "\"\"", "\":", "\":\"", "\",\"", "\"},{\"", "{\"", "\"}", "\"]", "[\"", "],[", "}]",
    "a", "b", "ab", "abc", "name", "\"name\"", "\"name\":", "{\"name\":\"", "na", "me\":", "e\":1,\"e\":",
    "a\":1,\"a\":", "a\":", "b\":2}", "true", "tr", "ue", "false", "null", "nul", "1", "12", "123",
    "-", "-1", "0.5", ".5", "5e", "e1", "1,", "1]", "1}", "00", " ", "  ", "\n", "\n  ", "\n    ",
    "\n\n", "\t", ", ", ": ", ",\n", " {", " [", " \"", "\\", "\\\"", "\\n", "\\u", "\\u00", "\\u00e9",
    "u00e9", "00e9", "\\ud83d", "\\ude00", "\\u0000", "\\/", "\xC3", "\xA9", "\xC3\xA9", "\xE2\x82",
    "\xAC", "\xF0\x9F\x98\x80", "\xF0\x9F", "\x98\x80", "\xED\xA0\x80", "\xC0\x80", "\xFF", "é\"", "ä\":",
    "red", "green", "re", "d\"", "x\",", "2024-", "-01-", "31", "hello world", "hello \"", "abcdefgh",
    "ab", "\"", "{}", "[]", "{}}", "[[", "]]", "[{", "}}", ",{", "a\",\"b\",\"c\"]", "(", ")", "+", "if",
};
#define N_WORD ((int)(sizeof words / sizeof *words))
#define N_TOKEN (256 + N_WORD)

static token_text text_of(const void *arg, int32_t id)
{
    static char all[256];

    (void)arg;
    if (id >= 256) return (token_text){ words[id - 256], strlen(words[id - 256]) };
    all[id] = (char)id;
    return (token_text){ &all[id], 1 };
}

static const char *const schemas[] = {
    "{}",
    "{\"type\":\"object\"}",
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"e\":{\"type\":\"integer\"}},"
    "\"required\":[\"name\"],\"additionalProperties\":false}",
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"e\":{\"type\":\"integer\"}}}",
    "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"},\"minProperties\":2}",
    "{\"type\":\"object\",\"patternProperties\":{\"^a\":{\"type\":\"integer\"},\"b$\":{\"minimum\":2}},"
    "\"additionalProperties\":false,\"maxProperties\":3}",
    "{\"type\":\"object\",\"propertyNames\":{\"enum\":[\"a\",\"b\",\"ab\"]},\"minProperties\":3}",
    "{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[ab]$\"},\"additionalProperties\":{\"type\":"
    "\"boolean\"},\"minProperties\":1}",
    "{\"type\":\"string\"}",
    "{\"type\":\"string\",\"minLength\":2,\"maxLength\":4}",
    "{\"type\":\"string\",\"maxLength\":12}",
    "{\"type\":\"string\",\"pattern\":\"^a.*b$\"}",
    "{\"type\":\"string\",\"pattern\":\"é\"}",
    "{\"type\":\"string\",\"format\":\"date\"}",
    "{\"enum\":[\"red\",\"green\",1,null,[true],\"é\\n\"]}",
    "{\"type\":\"integer\",\"minimum\":-12,\"maximum\":123}",
    "{\"type\":\"number\",\"minimum\":0.5}",
    "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":2,\"maxItems\":3}",
    "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"b\",\"c\"]},\"uniqueItems\":true}",
    "{\"type\":\"array\",\"contains\":{\"const\":1},\"maxContains\":2,\"items\":{\"type\":\"integer\"}}",
    "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"boolean\"}],\"items\":false}",
    "{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},"
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{}},\"required\":[\"b\"]}]}",
    "{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{\"type\":\"array\",\"items\":{\"anyOf\":[{\"$ref\":"
    "\"#/$defs/t\"},{\"type\":\"integer\"}]}}}}",
    "{\"not\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},\"type\":\"object\"}",
    "{\"if\":{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]},"
    "\"type\":\"object\",\"unevaluatedProperties\":{\"type\":\"boolean\"}}",
    "re:(red|green)+, [a-c]{2,}é?", "re:.*b.*", "re:[^a]*\\s?", "re:(?s:.{0,3})x|",
    "lark:start: expr\nexpr: expr \"+\" t | t\nt: /[0-9]+/ | \"(\" expr \")\"\n%ignore \" \"\n",
    "lark:start: /[a-z]*/ \"if\"? /.*/ \n",
};
#define N_SCHEMA ((int)(sizeof schemas / sizeof *schemas))

static grammar *compile(const char *text)
{
    json_error_t e;
    json_t *v;
    grammar *g;
    errtext err;

    if (!strncmp(text, "re:", 3)) {
        ck_assert_msg(grammar_new_regex(&g, text + 3, strlen(text + 3), &err) == OK, "%s", err.text);
        return g;
    }
    if (!strncmp(text, "lark:", 5)) {
        ck_assert_msg(grammar_new_lark(&g, text + 5, strlen(text + 5), &err) == OK, "%s", err.text);
        return g;
    }
    v = json_loads(text, 0, &e);
    ck_assert_msg(v != NULL, "%s: %s", text, e.text);
    ck_assert_msg(grammar_new_schema(&g, v, NULL, &err) == OK, "%s: %s", text, err.text);
    json_decref(v);
    return g;
}

static bool bit(const uint64_t *mask, int id)
{
    return mask[id / 64] >> (id % 64) & 1;
}

/* The mask of a state is what trying every token gives. */
static void check_mask(const char *what, grammar_state *s, const bytes *so_far, uint64_t *mask)
{
    int n = grammar_mask(s, mask), n_set = 0;

    for (int id = 0; id < N_TOKEN; id++) {
        grammar_state *copy = grammar_state_copy(s);
        bool taken = grammar_accept(copy, id);

        ck_assert_msg(taken == bit(mask, id), "%s: after %s token %d (%s) %s", what,
                      so_far->data ? so_far->data : "", id, id < 256 ? "byte" : words[id - 256],
                      taken ? "is missing" : "is too much");
        n_set += taken;
        grammar_state_free(copy);
    }
    ck_assert_int_eq(n, n_set);
    ck_assert_msg(n > 0 || grammar_complete(s), "%s: a dead end after %s", what, so_far->data);
}

static int pick(const uint64_t *mask, int n_set, uint64_t r)
{
    int left = (int)(r % (uint64_t)n_set);

    for (int id = 0;; id++)
        if (bit(mask, id) && left-- == 0) return id;
}

START_TEST(a_mask_is_what_trying_every_token_gives)
{
    trie *t = trie_new(N_TOKEN, text_of, NULL);
    uint64_t mask[(N_TOKEN + 63) / 64];
    grammar *g = compile(schemas[_i]);

    for (int walk = 0; walk < 6; walk++) {
        grammar_state *s = grammar_state_new(g, t);
        bytes so_far = { 0 };

        for (int step = 0; step < 24; step++) {
            token_text text;
            int id, n;

            check_mask(schemas[_i], s, &so_far, mask);
            if ((n = grammar_mask(s, mask)) == 0) break;
            id = pick(mask, n, rng_u64(1, (uint64_t)(walk * 100 + _i), (uint64_t)step));
            ck_assert(grammar_accept(s, id));
            text = text_of(NULL, id);
            bytes_add(&so_far, text.data, text.len);
        }
        bytes_fini(&so_far);
        grammar_state_free(s);
    }
    grammar_free(g);
    trie_free(t);
}
END_TEST

START_TEST(a_mask_does_not_depend_on_what_was_asked_before)
{
    trie *t = trie_new(N_TOKEN, text_of, NULL);
    uint64_t a[(N_TOKEN + 63) / 64], b[(N_TOKEN + 63) / 64];
    grammar *one = compile(schemas[_i]), *other = compile(schemas[_i]);
    grammar_state *s = grammar_state_new(one, t), *busy = grammar_state_new(other, t);
    grammar_state *late;

    /* The second grammar has served somebody else for a while. */
    for (int step = 0; step < 20; step++) {
        int n = grammar_mask(busy, b);

        if (n == 0) break;
        grammar_accept(busy, pick(b, n, rng_u64(2, 3, (uint64_t)step)));
    }
    late = grammar_state_new(other, t);
    for (int step = 0; step < 20; step++) {
        int n = grammar_mask(s, a), id;

        ck_assert_int_eq(n, grammar_mask(late, b));
        ck_assert(!memcmp(a, b, sizeof a));
        if (n == 0) break;
        id = pick(a, n, rng_u64(4, (uint64_t)_i, (uint64_t)step));
        ck_assert(grammar_accept(s, id) && grammar_accept(late, id));
    }
    grammar_state_free(s);
    grammar_state_free(busy);
    grammar_state_free(late);
    grammar_free(one);
    grammar_free(other);
    trie_free(t);
}
END_TEST

START_TEST(a_refused_token_leaves_the_state_as_it_was)
{
    trie *t = trie_new(N_TOKEN, text_of, NULL);
    uint64_t a[(N_TOKEN + 63) / 64], b[(N_TOKEN + 63) / 64];
    grammar *g = compile(schemas[2]);
    grammar_state *s = grammar_state_new(g, t), *back;

    ck_assert(!grammar_begun(s));
    ck_assert(grammar_accept_bytes(s, "{\"na", 4));
    grammar_mask(s, a);
    ck_assert(!grammar_accept_bytes(s, "me\":1", 5));
    ck_assert(!grammar_accept(s, -1));
    ck_assert(!grammar_accept(s, N_TOKEN));
    ck_assert(!grammar_accept(s, 256));              /* prints nothing */
    grammar_mask(s, b);
    ck_assert(!memcmp(a, b, sizeof a));
    back = grammar_state_copy(s);
    ck_assert(grammar_accept_bytes(s, "me\":\"x\"}", 8));
    ck_assert(grammar_begun(s) && grammar_complete(s) && grammar_done(s));
    ck_assert_int_eq(grammar_mask(s, b), 0);
    grammar_mask(back, b);
    ck_assert(!memcmp(a, b, sizeof a));
    ck_assert(!grammar_complete(back));
    grammar_state_free(s);
    grammar_state_free(back);
    grammar_free(g);
    trie_free(t);
}
END_TEST

START_TEST(what_must_come_is_known)
{
    trie *t = trie_new(256, text_of, NULL);
    grammar *g = compile("{\"type\":\"object\",\"properties\":{\"name\":{\"const\":\"x\"}},\"required\":"
                         "[\"name\"],\"additionalProperties\":false}");
    grammar_state *s = grammar_state_new(g, t);
    char out[64];

    ck_assert_int_eq(grammar_forced(s), '{');
    ck_assert_uint_eq(grammar_forced_bytes(s, out, 64), 1);
    ck_assert(grammar_accept_bytes(s, "{\"", 2));
    ck_assert_int_eq(grammar_forced(s), 'n');
    ck_assert_uint_eq(grammar_forced_bytes(s, out, 64), 6);
    ck_assert(!memcmp(out, "name\":", 6));
    ck_assert(grammar_accept_bytes(s, "name\":", 6));
    ck_assert_int_eq(grammar_forced(s), -1);         /* a blank may come */
    ck_assert(grammar_accept_bytes(s, "\"x\"}", 4));
    ck_assert_int_eq(grammar_forced(s), -1);         /* the end, and nothing else */
    grammar_state_free(s);
    grammar_free(g);
    trie_free(t);
}
END_TEST

START_TEST(values_are_nested_so_deep_and_no_deeper)
{
    trie *t = trie_new(N_TOKEN, text_of, NULL);
    uint64_t mask[(N_TOKEN + 63) / 64];
    grammar *g = compile("{}");
    grammar_state *s = grammar_state_new(g, t);
    bytes so_far = { 0 };

    for (int i = 0; i < GRAMMAR_MAX_DEPTH; i++) ck_assert(grammar_accept_bytes(s, "[", 1));
    bytes_add_string(&so_far, "[...");
    check_mask("{}", s, &so_far, mask);
    ck_assert(!bit(mask, '[') && !bit(mask, '{') && bit(mask, ']'));
    for (int i = 0; i < GRAMMAR_MAX_DEPTH; i++) ck_assert(grammar_accept_bytes(s, "]", 1));
    ck_assert(grammar_done(s));
    bytes_fini(&so_far);
    grammar_state_free(s);
    grammar_free(g);
    trie_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mask");
    TCase *t = tcase_create("mask");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 300);
    suite_add_tcase(s, t);
    tcase_add_loop_test(t, a_mask_is_what_trying_every_token_gives, 0, N_SCHEMA);
    tcase_add_loop_test(t, a_mask_does_not_depend_on_what_was_asked_before, 0, N_SCHEMA);
    tcase_add_test(t, a_refused_token_leaves_the_state_as_it_was);
    tcase_add_test(t, what_must_come_is_known);
    tcase_add_test(t, values_are_nested_so_deep_and_no_deeper);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
