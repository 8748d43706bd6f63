/* test_similarity.c - every metric against values of the original programs. */
#include "tasks/similarity.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"

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

int main(void)
{
    Suite *s = suite_create("similarity");
    TCase *t = tcase_create("similarity");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_value_of_the_shared_vectors_is_reproduced);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
