/* test_regex.c - regular expressions and Lark-style grammars. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "decode/grammar.h"
#include "decode/regex.h"

#include <check.h>       /* last: it has a macro named fail */

typedef struct fixed {
    const char *pattern;
    unsigned flags;
    const char *yes[6], *no[6];
} fixed;

static const fixed cases[] = {
    { "", 0, { "" }, { "a" } },
    { "a|b*", 0, { "", "a", "bbb" }, { "ab", "aa", "c" } },
    { "(ab){2,3}", 0, { "abab", "ababab" }, { "ab", "abababab", "aba" } },
    { "a{0}", 0, { "" }, { "a" } },
    { "a{2,}?", 0, { "aa", "aaaa" }, { "a", "" } },
    { "x{,3}", 0, { "x{,3}" }, { "x", "xxx" } },
    { "[^a-c]", 0, { "d", "é", "\n" }, { "a", "", "dd" } },
    { "[]]", 0, { NULL }, { "]", "" } },
    { "[\\]\\-a]", 0, { "]", "-", "a" }, { "\\", "b" } },
    { "\\d\\w\\s", 0, { "1_ ", "9z\n" }, { "a_ ", "1- ", "1_x" } },
    { "\\D\\W\\S", 0, { "a-x" }, { "1-x", "aax", "a- " } },
    { ".", 0, { "a", "€" }, { "\n", "\r", "\xE2\x80\xA8" } },
    { ".", REGEX_RUST, { "a", "\r" }, { "\n" } },
    { "(?s).", REGEX_RUST, { "a", "\n" }, { "" } },
    { "(?i)ab(?i:c)", REGEX_RUST, { "ABC", "aBc" }, { "abd" } },
    { "(?i:a)b", REGEX_RUST, { "Ab", "ab" }, { "aB" } },
    { "b", REGEX_SEARCH, { "b", "abc", "bb" }, { "", "a" } },
    { "^b", REGEX_SEARCH, { "b", "ba" }, { "ab" } },
    { "b$", REGEX_SEARCH, { "b", "ab" }, { "ba" } },
    { "^a|b$", REGEX_SEARCH, { "ax", "xb" }, { "xa", "bx" } },
    { "(^a|b)c", REGEX_SEARCH, { "ac", "xbc" }, { "xac" } },
    { "^$", REGEX_SEARCH, { "" }, { "a" } },
    { "a$b", REGEX_SEARCH, { NULL }, { "ab", "a", "a$b" } },
    { "\\u00e9\\x41\\u{1F600}\\ud83d\\ude00", 0, { "éA😀😀" }, { "éA😀" } },
    { "\\t\\n\\cA\\0", 0, { NULL }, { "tn" } },
    { "\\p{Lu}\\p{L}*", 0, { "Éa", "Ω" }, { "a", "1" } },
    { "\\P{L}", 0, { "1" }, { "a" } },
    { "(?<year>\\d{4})", 0, { "2024" }, { "24" } },
    { "\\$\\.\\*\\/\\[", 0, { "$.*/[" }, { "" } },
};

static bool matches(const dfa *d, const char *text) { return dfa_match(d, text, strlen(text)) != 0; }

START_TEST(a_pattern_matches_as_its_syntax_says)
{
    const fixed *f = &cases[_i];
    dfa *d;
    errtext err;

    ck_assert_msg(regex_compile(&d, f->pattern, strlen(f->pattern), f->flags, &err) == OK, "%s: %s",
                  f->pattern, err.text);
    for (int i = 0; i < 6; i++) {
        if (f->yes[i]) ck_assert_msg(matches(d, f->yes[i]), "%s: not %s", f->pattern, f->yes[i]);
        if (f->no[i]) ck_assert_msg(!matches(d, f->no[i]), "%s: %s", f->pattern, f->no[i]);
    }
    for (int s = 0; s < d->n_state; s++) ck_assert_uint_lt(d->near[s], (unsigned)d->n_state);
    dfa_free(d);
}
END_TEST

static const struct {
    const char *pattern;
    status st;
} bad[] = {
    { "(", E_FORMAT }, { ")", E_FORMAT }, { "a)", E_FORMAT }, { "[a", E_FORMAT }, { "*", E_FORMAT },
    { "a**", E_FORMAT }, { "^*", E_FORMAT }, { "\\", E_FORMAT }, { "\\q", E_FORMAT },
    { "[b-a]", E_FORMAT }, { "a{3,2}", E_FORMAT }, { "\\u12", E_FORMAT }, { "\\xZZ", E_FORMAT },
    { "\\p{Nope}", E_UNSUPPORTED }, { "\\bword", E_UNSUPPORTED }, { "(?!a)", E_UNSUPPORTED },
    { "(?<=a)b", E_UNSUPPORTED }, { "(a)\\1", E_UNSUPPORTED }, { "\\k<a>", E_UNSUPPORTED },
    { "\xFF", E_FORMAT }, { "[\\d-z]", E_FORMAT },
    { "a{1,999999999}", E_LIMIT }, { "((a{1000}){1000}){1000}", E_LIMIT },
    { "((((){99999}){99999}){99999}){99999}", E_LIMIT }, { "(a|b)*a(a|b){30}", E_LIMIT },
    { "(.*a){40}b.{30}c", E_LIMIT },
};

START_TEST(what_is_no_regular_expression_is_refused)
{
    dfa *d = (dfa *)1;
    errtext err;
    status st = regex_compile(&d, bad[_i].pattern, strlen(bad[_i].pattern), 0, &err);

    ck_assert_msg(st == bad[_i].st, "%s: %s", bad[_i].pattern, st == OK ? "ok" : err.text);
    ck_assert_ptr_null(d);
    if (st != E_LIMIT) ck_assert_ptr_nonnull(strstr(err.text, "offset"));
}
END_TEST

START_TEST(what_is_nested_too_deeply_is_refused)
{
    bytes text = { 0 };
    dfa *d;
    errtext err;

    for (int i = 0; i < 15000; i++) bytes_add_char(&text, '(');
    for (int i = 0; i < 15000; i++) bytes_add_char(&text, ')');
    ck_assert_int_eq(regex_compile(&d, text.data, text.len, 0, &err), E_LIMIT);
    bytes_fini(&text);
}
END_TEST

static uint32_t both_but_not_third(void *arg, const uint32_t *labels)
{
    (void)arg;
    return labels[0] && labels[1] && !labels[2];
}

START_TEST(languages_are_combined_exactly)
{
    static const char *const patterns[] = { "[ab]*", ".{2,3}", "a.*" };
    dfa *in[3], *out;
    errtext err;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(regex_compile(&in[i], patterns[i], strlen(patterns[i]), 0, &err), OK);
    ck_assert_int_eq(dfa_product(&out, (const dfa *const *)in, 3, both_but_not_third, NULL, 100, &err), OK);
    ck_assert(matches(out, "ba") && matches(out, "bbb") && matches(out, "bab"));
    ck_assert(!matches(out, "b") && !matches(out, "ab") && !matches(out, "bc") && !matches(out, "bbbb"));
    ck_assert_uint_eq(out->n_string[0], 2 + 4);
    ck_assert_uint_eq(out->near[0], 2);
    for (int i = 0; i < 3; i++) dfa_free(in[i]);
    dfa_free(out);
    ck_assert_int_eq(dfa_of_lengths(&out, 0, -1, &err), OK);
    ck_assert(out->every[0] && out->n_string[0] == DFA_INFINITE);
    dfa_free(out);
}
END_TEST

/* ---------------------------------------------------------------- grammars */

static token_text byte_text(const void *arg, int32_t id)
{
    static char all[256];

    (void)arg;
    all[id] = (char)id;
    return (token_text){ &all[id], 1 };
}

static bool takes(const grammar *g, const trie *t, const char *text)
{
    grammar_state *s = grammar_state_new(g, t);
    bool taken = grammar_accept_bytes(s, text, strlen(text)) && grammar_complete(s);

    grammar_state_free(s);
    return taken;
}

static const fixed larks[] = {
    { "start: \"a\" b? \"c\"i\nb: \"b\"+\n", 0, { "ac", "abbC" }, { "a", "bc", "aBc" } },
    { "start: expr\nexpr: expr \"+\" term | term\nterm: term \"*\" atom | atom\n"
      "atom: NUMBER | \"(\" expr \")\"\nNUMBER: /[0-9]+/\n", 0,
      { "1", "1+2*3", "(1+2)*30", "((4))" }, { "", "1+", "(1", "1 + 2", "1**2" } },
    { "// a comment\n%import common.WS_INLINE\n%import common (INT, CNAME)\n%ignore WS_INLINE\n"
      "start: statement (\";\" statement)*\n?statement: CNAME \"=\" INT -> assign\n  | \"print\" CNAME\n", 0,
      { "x=1", "x = 12 ; print y", "  print  x;y=2  " }, { "x=", "x=1;", "=1" } },
    { "start: WORD~2..3\nWORD: LETTER+ \"!\"\nLETTER: \"a\"..\"c\" | /[x-z]/\n", 0,
      { "ab!c!", "a!b!xyz!" }, { "a!", "d!a!", "a!b!c!a!" } },
    { "start: [\"-\"] DIGITS [\".\" DIGITS]\nDIGITS.2: (\"0\"..\"9\")+\n", 0,
      { "1", "-12.5", "0.0" }, { "-", "1.", ".5" } },
    { "start: list\nlist: \"[\" [list (\",\" list)*] \"]\"\n", 0,
      { "[]", "[[],[[]]]" }, { "[", "[,]", "[][]" } },
    { "start: a\na: \"x\" a | \"y\" dead | \"z\"\ndead: \"d\" dead\n", 0, { "z", "xxz" }, { "yd", "x" } },
    { "start: /a\\/[\\/b]+/s \"\\n\\u00e9\"\n", 0, { "a///b\né" }, { "a/\né" } },
};

START_TEST(a_lark_grammar_takes_its_texts)
{
    const fixed *f = &larks[_i];
    trie *t = trie_new(256, byte_text, NULL);
    grammar *g;
    errtext err;

    ck_assert_msg(grammar_new_lark(&g, f->pattern, strlen(f->pattern), &err) == OK, "%s: %s",
                  f->pattern, err.text);
    for (int i = 0; i < 6; i++) {
        if (f->yes[i]) ck_assert_msg(takes(g, t, f->yes[i]), "%s: not %s", f->pattern, f->yes[i]);
        if (f->no[i]) ck_assert_msg(!takes(g, t, f->no[i]), "%s: %s", f->pattern, f->no[i]);
    }
    grammar_free(g);
    trie_free(t);
}
END_TEST

START_TEST(a_dead_rule_is_never_entered)
{
    static const char text[] = "start: \"y\" dead | \"z\"\ndead: \"d\" dead\n";
    trie *t = trie_new(256, byte_text, NULL);
    grammar *g;
    grammar_state *s;
    errtext err;

    ck_assert_int_eq(grammar_new_lark(&g, text, sizeof text - 1, &err), OK);
    s = grammar_state_new(g, t);
    ck_assert(!grammar_accept_bytes(s, "y", 1));
    ck_assert_int_eq(grammar_forced(s), 'z');
    grammar_state_free(s);
    grammar_free(g);
    trie_free(t);
}
END_TEST

static const struct {
    const char *text, *error;
    status st;
} bad_larks[] = {
    { "", "line 1: there is no rule start", E_FORMAT },
    { "start: x\n", "line 1: x is not defined", E_FORMAT },
    { "start: \"a\"\nstart: \"b\"\n", "line 2: start is defined twice", E_FORMAT },
    { "start: \"a\n", "line 1: a string has no end", E_FORMAT },
    { "start: (\"a\"\n", "line 2: ( has no end", E_FORMAT },
    { "start: A\nA: B\nB: A\n", "line 2: the terminal B uses itself", E_FORMAT },
    { "start: A\nA: b\nb: \"x\"\n", "line 2: a terminal cannot use the rule b", E_FORMAT },
    { "start: /(/\n", "line 1: pattern, offset", E_FORMAT },
    { "start: a\na: b \"x\" | \"y\"\nb: a \"z\"\n", "line 1: ", E_UNSUPPORTED },
    { "start: (\"a\"?)*\n", "line 1: ", E_UNSUPPORTED },
    { "start: a{b}\n", "line 1: templates", E_UNSUPPORTED },
    { "%import python.X\nstart: X\n", "line 1: %import", E_UNSUPPORTED },
    { "%declare X\nstart: X\n", "line 1: only", E_UNSUPPORTED },
    { "start: start \"x\"\n", "line 1: no text can be written", E_FORMAT },
    { "start: \"a\"~1..99999\n", "line 1: more than", E_LIMIT },
};

START_TEST(a_bad_lark_grammar_is_refused_by_its_line)
{
    grammar *g = (grammar *)1;
    errtext err;
    status st = grammar_new_lark(&g, bad_larks[_i].text, strlen(bad_larks[_i].text), &err);

    ck_assert_msg(st == bad_larks[_i].st, "%s: %s", bad_larks[_i].text, st == OK ? "ok" : err.text);
    ck_assert_msg(!strncmp(err.text, bad_larks[_i].error, strlen(bad_larks[_i].error)), "%s", err.text);
    ck_assert_ptr_null(g);
}
END_TEST

START_TEST(sixty_thousand_nested_groups_are_refused)
{
    bytes text = { 0 };
    grammar *g;
    errtext err;

    bytes_add_string(&text, "start: ");
    for (int i = 0; i < 60000; i++) bytes_add_char(&text, '(');
    bytes_add_string(&text, "\"a\"");
    for (int i = 0; i < 60000; i++) bytes_add_char(&text, ')');
    ck_assert_int_eq(grammar_new_lark(&g, text.data, text.len, &err), E_LIMIT);
    bytes_fini(&text);
    bytes_add_string(&text, "start: ");
    for (int i = 0; i < 60000; i++) bytes_add_string(&text, "\"a\" ");
    ck_assert_int_ne(grammar_new_lark(&g, text.data, text.len, &err), E_FORMAT);
    grammar_free(g);
    bytes_fini(&text);
}
END_TEST

START_TEST(a_regex_grammar_takes_whole_texts)
{
    static const char pattern[] = "(foo|bar)-[0-9]{2}";
    trie *t = trie_new(256, byte_text, NULL);
    grammar *g;
    errtext err;

    ck_assert_int_eq(grammar_new_regex(&g, pattern, sizeof pattern - 1, &err), OK);
    ck_assert(takes(g, t, "foo-12") && takes(g, t, "bar-00"));
    ck_assert(!takes(g, t, "foo-1") && !takes(g, t, "xfoo-12") && !takes(g, t, "foo-123"));
    grammar_free(g);
    ck_assert_int_eq(grammar_new_regex(&g, "[^\\s\\S]", 8, &err), E_FORMAT);
    trie_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("regex");
    TCase *t = tcase_create("regex");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 300);
    suite_add_tcase(s, t);
    tcase_add_loop_test(t, a_pattern_matches_as_its_syntax_says, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_loop_test(t, what_is_no_regular_expression_is_refused, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_test(t, what_is_nested_too_deeply_is_refused);
    tcase_add_test(t, languages_are_combined_exactly);
    tcase_add_loop_test(t, a_lark_grammar_takes_its_texts, 0, (int)(sizeof larks / sizeof *larks));
    tcase_add_test(t, a_dead_rule_is_never_entered);
    tcase_add_loop_test(t, a_bad_lark_grammar_is_refused_by_its_line, 0,
                        (int)(sizeof bad_larks / sizeof *bad_larks));
    tcase_add_test(t, sixty_thousand_nested_groups_are_refused);
    tcase_add_test(t, a_regex_grammar_takes_whole_texts);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
