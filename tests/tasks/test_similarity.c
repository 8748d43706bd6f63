/* test_similarity.c - every metric against values of the original programs. */
#include "tasks/similarity.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/rng.h"
#include "tasks/similarity_internal.h"

#include <check.h>

#define VECTORS "../shared/data/rft/vectors.jsonl"

static double score(const char *metric, const char *a, const char *b)
{
    similarity *s;
    errtext err;
    double r;

    ck_assert_msg(similarity_new(&s, metric, &err) == OK, "%s", err.text);
    ck_assert_msg(similarity_score(&r, s, a, strlen(a), b, strlen(b), &err) == OK, "%s", err.text);
    similarity_free(s);
    return r;
}

/* Compare one line of the vectors; counts what it compares. */
static int compare_line(json_t *row, bool has_wordnet)
{
    const char *a = json_string_value(json_object_get(row, "input"));
    const char *b = json_string_value(json_object_get(row, "reference"));
    const char *name;
    json_t *want;
    int n = 0;

    json_object_foreach(json_object_get(row, "scores"), name, want) {
        double got, off;

        if (!json_is_number(want) || (!has_wordnet && !strncmp(name, "meteor", 6))) continue;
        got = score(name, a, b);
        off = fabs(got - json_number_value(want));
        ck_assert_msg(off <= 1e-12, "%s of row %lld: %.17g, expected %.17g", name,
                      json_integer_value(json_object_get(row, "id")), got,
                      json_number_value(want));
        n++;
    }
    return n;
}

START_TEST(every_value_of_the_shared_vectors_is_reproduced)
{
    bytes text = { 0 };
    bool has_wordnet;
    similarity *meteor;
    int n = 0;

    if (file_read(&text, VECTORS, 1 << 24, NULL) != OK) {
        printf("skipped: no %s\n", VECTORS);
        return;
    }
    ck_assert(similarity_new(&meteor, "meteor", NULL) == OK);
    has_wordnet = !similarity_lacks_synonyms(meteor);
    similarity_free(meteor);
    if (!has_wordnet) printf("skipped: meteor rows, no WordNet here\n");
    for (char *line = strtok(text.data, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *row = json_loads(line, 0, NULL);

        ck_assert(row != NULL);
        if (json_object_get(row, "scores")) n += compare_line(row, has_wordnet);
        json_decref(row);
    }
    ck_assert_int_gt(n, 6000);
    bytes_fini(&text);
}
END_TEST

/* By hand, from the definitions. */
START_TEST(values_worked_out_by_hand_are_met)
{
    static const struct { const char *metric, *a, *b; double want; } rows[] = {
        { "fuzz.ratio", "abcd", "abXcd", 8.0 / 9 },
        { "fuzz.ratio", "", "", 1 },
        { "fuzz.WRatio", "", "", 0 },
        { "fuzz.WRatio", "", "x", 0 },
        { "fuzz.partial_ratio", "bcd", "abcde", 1 },
        { "fuzz.token_sort_ratio", "b a", "a b", 1 },
        { "fuzz.token_set_ratio", "a a b", "a b c", 1 },
        /* Lengths 1 to 8: 0.6 of a full partial match in 3.10.1. */
        { "fuzz.WRatio", "a", "abcdefgh", 0.6 },
        { "fuzz.WRatio", "a", "abcdefg", 0.9 },
        { "fuzzy_match", "  HELLO, world! ", "hello  world", 1 },
        { "bleu.none.ws", "a b c d e", "a b c d e", 1 },
        { "bleu", "x y z", "a b c", 0 },
        /* Three n-grams of two words, all among the 18 of six words. */
        { "gleu", "the cat", "the cat sat on the mat", 3.0 / 18 },
        { "rouge_score.rouge1.f", "the cat", "the cat sat on the mat", 0.5 },
        { "rouge_pkg.rouge-1.p", "the cat", "the cat sat on the mat", 1 },
        { "rouge_pkg.rouge-1.r", "the cat", "the cat sat on the mat", 0.4 },
        { "rouge_1", "the cat", "the cat sat on the mat", 2 * 0.4 / (1.4 + 1e-8) },
        { "rouge_score.rougeL.f", "a b c d", "a x c d", 0.75 },
        { "rouge_pkg.rouge-l.p", "a b c d", "a x c d", 0.75 },
        { "rouge_3", "a b", "a b", 0 },
        /* One chunk of six words: 1 - 0.5 / 6^3. */
        { "meteor", "a b c d e f", "a b c d e f", 1 - 0.5 / 216 },
        /* Two chunks of one word each, swapped. */
        { "meteor.ws", "b a", "a b", 0.5 },
        { "meteor.ws", "running", "runs", 0.5 },
        { "meteor.ws", "x", "y", 0 },
        { "meteor.ws", "", "y", 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double got = score(rows[i].metric, rows[i].a, rows[i].b);

        ck_assert_msg(fabs(got - rows[i].want) <= 1e-12, "%s of \"%s\" and \"%s\": %.17g",
                      rows[i].metric, rows[i].a, rows[i].b, got);
    }
}
END_TEST

START_TEST(names_of_metrics_are_checked)
{
    static const char *const good[] = { "fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_5",
                                        "rouge_l", "fuzz.QRatio+default_process", "bleu.method1.13a" };
    static const char *const bad[] = { "", "cosine", "rouge_6", "ROUGE_1", "fuzz", "fuzz.", "fuzz.ratio+lower",
                                       "bleu.method2.ws", "bleu.none", "gleu.split", "rouge_pkg.rouge-6.f",
                                       "rouge_pkg.rouge-1.x", "rouge_score.rougeLsum.f", "a.b.c" };
    similarity *s;
    errtext err;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(similarity_new(&s, good[i], &err) == OK, "%s", good[i]);
        similarity_free(s);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(similarity_new(&s, bad[i], &err) == E_ARG, "%s", bad[i]);
        ck_assert(s == NULL && strstr(err.text, bad[i]));
    }
    ck_assert_int_eq(similarity_new(&s, "fuzzy_match", NULL), OK);
    ck_assert_str_eq(similarity_name(s), "fuzz.WRatio+default_process");
    similarity_free(s);
}
END_TEST

START_TEST(rouge_of_a_text_without_a_sentence_is_not_defined)
{
    similarity *s;
    errtext err;
    double r = 7;

    ck_assert_int_eq(similarity_new(&s, "rouge_1", &err), OK);
    ck_assert_int_eq(similarity_score(&r, s, "...", 3, "x", 1, &err), E_ARG);
    ck_assert(r == 0);
    similarity_free(s);
}
END_TEST

/* Texts of 200 kB, all different from each other, in every metric. */
START_TEST(long_texts_are_compared_or_refused)
{
    static const char *const metrics[] = { "fuzzy_match", "fuzz.partial_ratio", "bleu", "gleu", "meteor",
                                           "rouge_2", "rouge_l", "rouge_score.rougeL.f" };
    bytes a = { 0 }, b = { 0 };
    rng r = { 3, 0, 0 };

    for (int i = 0; i < 40000; i++) {
        bytes_add_format(&a, "%c%x ", "ab."[rng_below(&r, 3)], (unsigned)rng_below(&r, 5000));
        bytes_add_format(&b, "%c%x ", "ab."[rng_below(&r, 3)], (unsigned)rng_below(&r, 5000));
    }
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        similarity *s;
        errtext err;
        double v;
        status st;

        ck_assert_int_eq(similarity_new(&s, metrics[i], &err), OK);
        st = similarity_score(&v, s, a.data, a.len, b.data, b.len, &err);
        ck_assert_msg(st == OK || st == E_LIMIT, "%s: %s", metrics[i], err.text);
        ck_assert(v >= 0 && v <= 1);
        similarity_free(s);
    }
    bytes_fini(&a);
    bytes_fini(&b);
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_compared_all_the_same)
{
    similarity *s;
    double v;

    ck_assert_int_eq(similarity_new(&s, "fuzz.ratio", NULL), OK);
    ck_assert_int_eq(similarity_score(&v, s, "a\xff\xfe", 3, "a\x80\0", 3, NULL), OK);
    ck_assert_double_eq_tol(v, 2 * 2 / 6.0, 1e-12);
    similarity_free(s);
}
END_TEST

/* Split and joined again by "|". */
static void splits(splitter how, const char *text, const char *want)
{
    interner *t = interner_new();
    runes r = { 0 };
    wordlist w = { 0 };
    bytes out = { 0 };

    runes_from_utf8(&r, text, strlen(text));
    split_words(&w, t, how, false, &r);
    for (size_t i = 0; i < w.n; i++) {
        size_t n;
        const uint32_t *at = interned(t, w.ids[i], &n);

        if (i) bytes_add_char(&out, '|');
        runes_to_utf8(&out, at, n);
    }
    ck_assert_str_eq(out.data, want);
    bytes_fini(&out);
    wordlist_fini(&w);
    runes_fini(&r);
    interner_free(t);
}

START_TEST(words_are_cut_where_the_originals_cut_them)
{
    splits(SPLIT_NLTK_WORD, "a--b", "a|--|b");
    splits(SPLIT_NLTK_WORD, "He said, \"can't\" (twice).", "He|said|,|``|ca|n't|''|(|twice|)|.");
    splits(SPLIT_NLTK_WORD, "I'll pay $3.50; you're 50% off...", "I|'ll|pay|$|3.50|;|you|'re|50|%|off|...");
    splits(SPLIT_NLTK_WORD, "cannot gonna 'tis dogs' X", "can|not|gon|na|'t|is|dogs|'|X");
    splits(SPLIT_NLTK_WORD, "\u201cHi\u201d 'quoted' \u00aboui\u00bb", "\u201c|Hi|\u201d|'quoted|'|\u00ab|oui|\u00bb");
    splits(SPLIT_NLTK_WORD, "U.S. at 10:30, no.", "U.S.|at|10:30|,|no|.");
    splits(SPLIT_13A, "a &amp; b-2.5, 3-4.", "a|&|b-2.5|,|3|-|4|.");
    splits(SPLIT_13A, "x<skipped>y-\nz", "xyz");
    splits(SPLIT_13A, "(a/b) 1,000.5", "(|a|/|b|)|1,000.5");
    splits(SPLIT_ROUGE_SCORE, "Can't; \u00c9t\u00e9 9!", "can|t|t|9");
    splits(SPLIT_SPACES, " a\u00a0b\tc ", "a|b|c");
}
END_TEST

START_TEST(stems_are_those_of_nltk)
{
    static const char *const words[][2] = {
        { "caresses", "caress" }, { "ponies", "poni" }, { "dies", "die" }, { "flies", "fli" }, { "spied", "spi" },
        { "died", "die" }, { "agreed", "agre" }, { "feed", "feed" }, { "plastered", "plaster" }, { "bled", "bled" },
        { "motoring", "motor" }, { "sing", "sing" }, { "sized", "size" }, { "hopping", "hop" }, { "falling", "fall" },
        { "filing", "file" }, { "happy", "happi" }, { "enjoy", "enjoy" }, { "relational", "relat" }, { "skies", "sky" },
        { "vietnamization", "vietnam" }, { "radically", "radic" }, { "hopefulness", "hope" }, { "geology", "geolog" },
        { "formative", "form" }, { "adoption", "adopt" }, { "replacement", "replac" }, { "probate", "probat" },
        { "controll", "control" }, { "automobile", "automobil" }, { "news", "news" }, { "is", "is" }, { "yyyy", "yyyi" },
        { "syzygy", "syzygi" },
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        runes w = { 0 };
        bytes out = { 0 };

        runes_add_ascii(&w, words[i][0]);
        porter_stem(&w);
        runes_to_utf8(&out, w.at, w.n);
        ck_assert_msg(!strcmp(out.data, words[i][1]), "%s: %s", words[i][0], out.data);
        runes_fini(&w);
        bytes_fini(&out);
    }
}
END_TEST

START_TEST(lower_case_is_that_of_python)
{
    static const char *const rows[][2] = {
        { "ABC", "abc" }, { "\u00c4\u00df", "\u00e4\u00df" }, { "\u0130", "i\u0307" }, { "\u039f\u03a3", "\u03bf\u03c2" },
        { "\u03a3", "\u03c3" }, { "\u039f\u03a3\u039f", "\u03bf\u03c3\u03bf" }, { "\u039f\u03a3.", "\u03bf\u03c2." },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bytes out = { 0 };

        text_lower(&out, rows[i][0], strlen(rows[i][0]));
        ck_assert_str_eq(out.data, rows[i][1]);
        bytes_fini(&out);
    }
}
END_TEST

/* A dictionary of a few lines in the form of wndb(5WN), with our own words. */
static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(file_replace(path, text, strlen(text), NULL), OK);
}

START_TEST(synonyms_come_out_of_a_dictionary)
{
    static const char *const empty[] = { "index.verb", "index.adv", "data.verb", "data.adv", "noun.exc",
                                         "adj.exc", "adv.exc" };
    char folder[] = "/tmp/test_similarity_XXXXXX", command[64];
    similarity *s;

    ck_assert(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) write_file(folder, empty[i], "");
    /* The head of each file is two spaces deep. */
    write_file(folder, "index.noun", "  1 head\ncab n 1 1 @ 1 0 00000007  \ncabman n 1 1 @ 1 0 00000072  \n"
                                        "taxi n 1 1 @ 1 0 00000007  \n");
    write_file(folder, "data.noun", "  head\n00000007 06 n 03 cab 0 taxi 0 taxi_cab 0 000 | a car for hire  \n"
                                       "\n00000072 18 n 02 cabman 0 cabby 0 000 | who drives it  \n");
    write_file(folder, "index.adj", "big a 1 0 1 0 00000000  \nlarge a 1 0 1 0 00000000  \n");
    write_file(folder, "data.adj", "00000000 00 a 02 big 0 large(p) 0 000 | of size  \n");
    write_file(folder, "verb.exc", "drove drive\n");
    write_file(folder, "index.verb", "drive v 1 0 1 0 00000000  \n");
    write_file(folder, "data.verb", "00000000 38 v 02 drive 0 motor 0 000 | go by car  \n");
    setenv("PONDER_WORDNET", folder, 1);
    ck_assert_int_eq(similarity_new(&s, "meteor.ws", NULL), OK);
    ck_assert(!similarity_lacks_synonyms(s));
    similarity_free(s);
    ck_assert_double_eq_tol(score("meteor.ws", "cab", "taxi"), 0.5, 1e-12);
    ck_assert_double_eq_tol(score("meteor.ws", "big", "large"), 0, 1e-12);     /* "larg" is no word */
    ck_assert_double_eq_tol(score("meteor.ws", "large", "big"), 0, 1e-12);
    ck_assert_double_eq_tol(score("meteor.ws", "biger", "big"), 0.5, 1e-12);   /* -er falls */
    ck_assert_double_eq_tol(score("meteor.ws", "drove", "motor"), 0.5, 1e-12); /* irregular */
    ck_assert_double_eq_tol(score("meteor.ws", "cabmen", "cabby"), 0, 1e-12);  /* stem "cabbi" */
    ck_assert_double_eq_tol(score("meteor.ws", "cabmen", "cabman"), 0.5, 1e-12);
    ck_assert_double_eq_tol(score("meteor.ws", "taxi", "bus"), 0, 1e-12);
    setenv("PONDER_WORDNET", "/nonexistent", 1);
    ck_assert_double_eq_tol(score("meteor.ws", "cab", "taxi"), 0, 1e-12);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("similarity");
    TCase *t = tcase_create("similarity");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_value_of_the_shared_vectors_is_reproduced);
    tcase_add_test(t, values_worked_out_by_hand_are_met);
    tcase_add_test(t, names_of_metrics_are_checked);
    tcase_add_test(t, rouge_of_a_text_without_a_sentence_is_not_defined);
    tcase_add_test(t, long_texts_are_compared_or_refused);
    tcase_add_test(t, bytes_that_are_not_utf8_are_compared_all_the_same);
    tcase_add_test(t, words_are_cut_where_the_originals_cut_them);
    tcase_add_test(t, stems_are_those_of_nltk);
    tcase_add_test(t, lower_case_is_that_of_python);
    tcase_add_test(t, synonyms_come_out_of_a_dictionary);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
