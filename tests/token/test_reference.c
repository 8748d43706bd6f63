/* test_reference.c - the ids are those of the reference tokenizers.
 *
 * tests/fixtures/token holds what `tokenizers` and `sentencepiece` made of the
 * strings that random_text makes (tools/make_tokenizer_fixtures.py); the
 * vectors of ../shared/data are llama.cpp's. */
#include "token/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/internal.h"
#include "support/random_text.h"

#include <check.h>       /* last: it has a macro named fail */

#define FIXTURES "tests/fixtures/token/"
#define SHARED "../shared/data/tokenizer/"

static tokenizer *open_any(const char *path)
{
    size_t len = strlen(path);
    bool is_gguf = len > 5 && strcmp(path + len - 5, ".gguf") == 0;
    tokenizer *t;
    errtext err;
    status st = is_gguf ? gguf_tokenizer_only(path, &t, &err) : tokenizer_open(&t, path, &err);

    ck_assert_msg(st == OK, "%s", err.text);
    return t;
}

/* Ids without bos, which the reference leaves out. */
static int encode(const tokenizer *t, const char *text, size_t len, bool trusted,
                  int32_t **ids)
{
    segments s = { 0 };
    errtext err;
    int n = 0;
    status st;

    *ids = NULL;
    if (trusted) segments_trusted_bytes(&s, text, len);
    else segments_plain(&s, text, len);
    st = tokenizer_encode(t, &s, 1 << 20, ids, &n, &err);
    ck_assert_msg(st == OK, "%s", err.text);
    segments_fini(&s);
    /* bos stays where the text itself begins with it. */
    if (tokenizer_spec(t)->add_bos && !(trusted && strncmp(text, "<s>", 3) == 0)) {
        ck_assert_int_eq((*ids)[0], tokenizer_bos(t));
        memmove(*ids, *ids + 1, (size_t)--n * sizeof **ids);
    }
    return n;
}

static uint32_t hash_ids(const int32_t *ids, int n)
{
    uint32_t h = 0x811C9DC5;

    for (int i = 0; i < n; i++)
        for (int b = 0; b < 4; b++)
            h = (h ^ ((uint32_t)ids[i] >> 8 * b & 255)) * 0x01000193;
    return h;
}

static void print_ids(const char *what, const int32_t *ids, int n)
{
    fprintf(stderr, "%s:", what);
    for (int i = 0; i < n; i++) fprintf(stderr, " %d", ids[i]);
    fprintf(stderr, "\n");
}

/* Every string of an .ids file, as a trusted and as a plain segment. */
static void check_ids(const char *ids_path, const char *vocabulary)
{
    FILE *f = fopen(ids_path, "r");
    tokenizer *t = open_any(vocabulary);
    char *line = NULL;
    size_t cap = 0;
    bytes text = { 0 };
    unsigned long seed;
    int count, wrong = 0;

    ck_assert_msg(f != NULL, "%s is missing", ids_path);
    ck_assert_int_eq(fscanf(f, "%lu %d\n", &seed, &count), 2);
    ck_assert_int_ge(count, 2000);
    for (int i = 0; i < count; i++) {
        ck_assert(getline(&line, &cap, f) > 0);
        random_text(&text, seed, (uint64_t)i);
        for (int plain = 0; plain < 2; plain++) {
            uint32_t want = (uint32_t)strtoul(line + 9 * plain, NULL, 16);
            int32_t *ids;
            int n = encode(t, text.data, text.len, !plain, &ids);

            if (hash_ids(ids, n) != want && wrong++ < 5) {
                fprintf(stderr, "%s, string %d, %s: %s\n", ids_path, i,
                        plain ? "plain" : "trusted", text.data);
                print_ids("got", ids, n);
                if (strlen(line) > 19) fprintf(stderr, "want %s\n", line + 18);
            }
            mem_free(ids);
        }
    }
    ck_assert_int_eq(wrong, 0);
    free(line);
    fclose(f);
    bytes_fini(&text);
    tokenizer_free(t);
}

START_TEST(gpt2_ids_are_the_reference_s)
{
    check_ids(FIXTURES "gpt2.ids", FIXTURES "gpt2.json");
}
END_TEST

START_TEST(llama3_ids_are_the_reference_s)
{
    check_ids(FIXTURES "llama3.ids", FIXTURES "llama3.json");
}
END_TEST

START_TEST(qwen2_ids_are_the_reference_s)
{
    check_ids(FIXTURES "qwen2.ids", FIXTURES "qwen2.json");
}
END_TEST

START_TEST(smollm_ids_are_the_reference_s)
{
    check_ids(FIXTURES "smollm.ids", FIXTURES "smollm.json");
}
END_TEST

START_TEST(sentencepiece_ids_by_scores_are_the_reference_s)
{
    check_ids(FIXTURES "spm.ids", FIXTURES "spm.gguf");
}
END_TEST

START_TEST(sentencepiece_ids_by_merges_are_the_reference_s)
{
    check_ids(FIXTURES "spm_json.ids", FIXTURES "spm.json");
}
END_TEST

static bool absent(const char *path)
{
    if (file_exists(path)) return false;
    printf("skipped: %s is not here\n", path);
    fflush(stdout);
    return true;
}

START_TEST(qwen3_ids_are_the_reference_s)
{
    if (absent(SHARED "qwen3/tokenizer.json")) return;
    check_ids(FIXTURES "qwen3.ids", SHARED "qwen3/tokenizer.json");
}
END_TEST

START_TEST(gpt2_ids_of_its_own_vocabulary_are_the_reference_s)
{
    if (absent(SHARED "ggml-vocab-gpt-2.gguf")) return;
    check_ids(FIXTURES "gpt2_real.ids", SHARED "ggml-vocab-gpt-2.gguf");
}
END_TEST

/* ---- llama.cpp's vectors: texts between marker lines, ids a line a text ---- */

static void check_vectors(const char *base, const char *vocabulary)
{
    static const char marker[] = "\n__ggml_vocab_test__\n";
    char path[256];
    bytes in = { 0 }, out = { 0 };
    tokenizer *t;
    errtext err;
    const char *text, *line;
    int n_text = 0;

    snprintf(path, sizeof path, SHARED "%s.inp", base);
    if (absent(path) || absent(vocabulary)) return;
    ck_assert(file_read(&in, path, 1 << 20, &err) == OK);
    snprintf(path, sizeof path, SHARED "%s.out", base);
    ck_assert(file_read(&out, path, 1 << 20, &err) == OK);
    t = open_any(vocabulary);
    text = in.data;
    line = out.data;
    for (const char *next; (next = strstr(text, marker)); text = next + strlen(marker)) {
        int32_t *ids;
        int n = encode(t, text, (size_t)(next - text), false, &ids), i = 0;
        char *end;

        for (; *line && *line != '\n'; line = end) {
            long want = strtol(line, &end, 10);

            if (end == line) break;
            ck_assert_msg(i < n && ids[i] == want, "text %d, id %d: %d instead of %ld: %.*s",
                          n_text, i, i < n ? ids[i] : -1, want, (int)(next - text), text);
            i++;
        }
        while (*line == ' ') line++;
        ck_assert_msg(i == n, "text %d: %d ids instead of %d", n_text, n, i);
        ck_assert(*line == '\n');
        line++;
        mem_free(ids);
        n_text++;
    }
    ck_assert_int_ge(n_text, 40);
    ck_assert(*line == 0);
    tokenizer_free(t);
    bytes_fini(&in);
    bytes_fini(&out);
}

START_TEST(gpt2_vectors_pass)
{
    check_vectors("ggml-vocab-gpt-2.gguf", SHARED "ggml-vocab-gpt-2.gguf");
}
END_TEST

START_TEST(qwen2_vectors_pass)
{
    check_vectors("ggml-vocab-qwen2.gguf", SHARED "qwen3/tokenizer.json");
}
END_TEST

START_TEST(llama3_vectors_pass)
{
    /* Their vocabulary has a licence of its own and is not kept here. */
    check_vectors("ggml-vocab-llama-bpe.gguf", SHARED "llama3/tokenizer.json");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reference");
    TCase *c = tcase_create("ids");
    SRunner *r;
    int failed;

    tcase_set_timeout(c, 300);
    tcase_add_test(c, gpt2_ids_are_the_reference_s);
    tcase_add_test(c, llama3_ids_are_the_reference_s);
    tcase_add_test(c, qwen2_ids_are_the_reference_s);
    tcase_add_test(c, smollm_ids_are_the_reference_s);
    tcase_add_test(c, sentencepiece_ids_by_scores_are_the_reference_s);
    tcase_add_test(c, sentencepiece_ids_by_merges_are_the_reference_s);
    tcase_add_test(c, qwen3_ids_are_the_reference_s);
    tcase_add_test(c, gpt2_ids_of_its_own_vocabulary_are_the_reference_s);
    tcase_add_test(c, gpt2_vectors_pass);
    tcase_add_test(c, qwen2_vectors_pass);
    tcase_add_test(c, llama3_vectors_pass);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
