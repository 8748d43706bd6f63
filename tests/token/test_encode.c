/* test_encode.c - text to ids: merging, segments, limits, and long text. */
#include "token/internal.h"

#include <stdio.h>

#include "base/mem.h"
#include "support/random_text.h"
#include "support/vocab_maker.h"

#include <check.h>       /* last: it has a macro named fail */

#define FIXTURES "tests/fixtures/token/"

static tokenizer *open_fixture(const char *name)
{
    char path[128];
    tokenizer *t;
    errtext err;
    status st;

    snprintf(path, sizeof path, FIXTURES "%s.json", name);
    st = tokenizer_open(&t, path, &err);
    ck_assert_msg(st == OK, "%s", err.text);
    return t;
}

static const char *const families[] = { "gpt2", "llama3", "qwen2", "smollm", "spm" };
#define N_FAMILY 5

/* ---- merging ---- */

START_TEST(the_best_merge_goes_first_and_the_leftmost_of_equals)
{
    tokenizer *t;

    vocab_begin_bytes("gpt-2");
    vocab_add("bc");
    vocab_add("ab");
    vocab_add("aa");
    vocab_add_merge("b c");
    vocab_add_merge("a b");
    vocab_add_merge("a a");
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "abc"), 'a', 256);
    CHECK_IDS(encode_plain(t, "aaa"), 258, 'a');
    CHECK_IDS(encode_plain(t, "aaaaa"), 258, 258, 'a');
    tokenizer_free(t);
}
END_TEST

START_TEST(ignore_merges_takes_a_whole_piece_that_is_a_token)
{
    tokenizer *t;

    /* "xyz" is a token that no merge makes. */
    vocab_begin_bytes("smaug-bpe");
    vocab_add("xyz");
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "xyz"), 'x', 'y', 'z');
    tokenizer_free(t);
    vocab.spec.ignore_merges = true;
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "xyz"), 256);
    CHECK_IDS(encode_plain(t, "xyzx"), 'x', 'y', 'z', 'x');
    tokenizer_free(t);
    vocab.spec.ignore_merges = false;
    vocab.spec.pre = "llama-bpe";
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "xyz"), 256);
    ck_assert(tokenizer_spec(t)->ignore_merges);
    tokenizer_free(t);
}
END_TEST

START_TEST(bytes_without_a_token_are_left_out_before_merging)
{
    tokenizer *t;

    vocab_begin_bytes("gpt-2");
    vocab.tokens[4] = (token_text){ "spare", 5 };    /* SmolLM2 has no token for 4 */
    vocab_add("!?");
    vocab_add_merge("! ?");
    t = vocab_build();
    ck_assert_int_eq(encode_plain(t, "\x04"), 0);
    CHECK_IDS(encode_plain(t, "!\x04\x04?"), 256);
    tokenizer_free(t);
}
END_TEST

/* Merging by its definition, one pair at a time over the whole word. */
static size_t merge_slowly(const tokenizer *t, int32_t *word, size_t n)
{
    for (;;) {
        uint32_t best = RANK_NONE;
        size_t at = 0;
        int32_t made = -1, into = -1;

        for (size_t i = 0; i + 1 < n; i++) {
            uint32_t rank = pairs_find(&t->pairs, word[i], word[i + 1], &made);

            if (rank < best) {
                best = rank;
                at = i;
                into = made;
            }
        }
        if (best == RANK_NONE) return n;
        word[at] = into;
        memmove(word + at + 1, word + at + 2, (n - at - 2) * sizeof *word);
        n--;
    }
}

START_TEST(long_words_merge_as_the_definition_says)
{
    tokenizer *t = open_fixture("gpt2");
    static const char *const parts[] = { "the", "a", "aaaa", "an", "er", "in", "qu", "z",
                                         "tion", "th", "\xE4\xBD\xA0", "unhapp" };

    for (int i = 0; i < 200; i++) {
        random_state r = { (uint64_t)i };
        bytes b = { 0 };
        static int32_t want[4096];
        size_t n, length = 2 + random_pick(&r, 900);

        while (b.len < length) bytes_add_string(&b, parts[random_pick(&r, 12)]);
        for (n = 0; n < b.len; n++) want[n] = t->byte_id[(unsigned char)b.data[n]];
        n = merge_slowly(t, want, n);
        check_ids(encode_text(t, b.data, b.len, false), (int)n, want);
        bytes_fini(&b);
    }
    tokenizer_free(t);
}
END_TEST

/* ---- segments ---- */

START_TEST(special_tokens_come_from_trusted_segments_only)
{
    tokenizer *t;
    int32_t control, user;
    int n;

    vocab_begin_bytes("qwen2");
    control = vocab_add_kind("<|im_end|>", TOKEN_CONTROL);
    user = vocab_add_kind("<think>", TOKEN_USER_DEFINED);
    t = vocab_build();
    CHECK_IDS(encode_trusted(t, "a<|im_end|><think>b"), 'a', control, user, 'b');
    n = encode_plain(t, "a<|im_end|><think>b");
    ck_assert_int_eq(n, 19);
    for (int i = 0; i < n; i++) ck_assert(ids[i] < 256);
    tokenizer_free(t);
}
END_TEST

START_TEST(the_longest_special_token_wins)
{
    tokenizer *t;
    int32_t a, ab, abc;

    vocab_begin_bytes("gpt-2");
    ab = vocab_add_kind("<a><b>", TOKEN_CONTROL);
    a = vocab_add_kind("<a>", TOKEN_CONTROL);
    abc = vocab_add_kind("<a><b><c>", TOKEN_USER_DEFINED);
    t = vocab_build();
    CHECK_IDS(encode_trusted(t, "<a>"), a);
    CHECK_IDS(encode_trusted(t, "<a><b>"), ab);
    CHECK_IDS(encode_trusted(t, "<a><b><c><a><b><"), abc, ab, '<');
    CHECK_IDS(encode_trusted(t, "<<a>"), '<', a);
    tokenizer_free(t);
}
END_TEST

START_TEST(a_special_token_is_not_pieced_together_across_trust)
{
    static const char *const whole = "<|im_end|>";
    tokenizer *t;
    int32_t end;

    vocab_begin_bytes("gpt-2");
    end = vocab_add_kind(whole, TOKEN_CONTROL);
    t = vocab_build();
    for (size_t cut = 1; cut < strlen(whole); cut++) {
        for (int way = 0; way < 3; way++) {
            segments s = { 0 };
            int n;

            if (way == 0) segments_plain(&s, whole, cut);
            else segments_trusted_bytes(&s, whole, cut);
            if (way == 1) segments_plain(&s, whole + cut, strlen(whole) - cut);
            else segments_trusted(&s, whole + cut);
            n = encode(t, &s);
            if (way == 2) CHECK_IDS(n, end);
            else ck_assert_int_eq(n, 10);
            segments_fini(&s);
        }
    }
    tokenizer_free(t);
}
END_TEST

START_TEST(text_runs_on_across_the_edge_of_a_segment)
{
    tokenizer *t;
    int32_t lines;
    segments s = { 0 };

    vocab_begin_bytes("qwen2");
    lines = vocab_add("\xC4\x8A\xC4\x8A");         /* two newlines */
    vocab_add_merge("\xC4\x8A \xC4\x8A");
    t = vocab_build();
    segments_trusted(&s, "user\n");
    segments_plain(&s, "\nx", 2);
    CHECK_IDS(encode(t, &s), 'u', 's', 'e', 'r', lines, 'x');
    segments_fini(&s);
    tokenizer_free(t);
}
END_TEST

START_TEST(cutting_text_into_segments_does_not_change_its_ids)
{
    bytes text = { 0 };

    for (int f = 0; f < N_FAMILY; f++) {
        tokenizer *t = open_fixture(families[f]);

        for (int i = 0; i < 200; i++) {
            random_state r = { (uint64_t)i };
            static int32_t want[1 << 14];
            segments s = { 0 };
            size_t at = 0;
            int n;

            random_text(&text, 21, (uint64_t)i);
            if (strchr(text.data, '<')) continue;    /* no special tokens here */
            n = encode_text(t, text.data, text.len, false);
            memcpy(want, ids, (size_t)n * sizeof *ids);
            for (bool trust = false; at < text.len; trust = !trust) {
                size_t len = 1 + random_pick(&r, 20);

                if (len > text.len - at) len = text.len - at;
                if (trust) segments_trusted_bytes(&s, text.data + at, len);
                else segments_plain(&s, text.data + at, len);
                at += len;
            }
            check_ids(encode(t, &s), n, want);
            segments_fini(&s);
        }
        tokenizer_free(t);
    }
    bytes_fini(&text);
}
END_TEST

/* Invariant 2, over whole vocabularies: no special string, alone, doubled, in
 * words or split by others, yields a special id from a plain segment. */
START_TEST(no_special_string_becomes_special_in_plain_text)
{
    for (int f = 0; f < N_FAMILY; f++) {
        tokenizer *t = open_fixture(families[f]);
        int n_special = 0;

        for (int id = 0; id < tokenizer_size(t); id++) {
            token_text s = tokenizer_text(t, id);
            bytes b = { 0 };
            int n;

            if (!token_is_special(t, id)) continue;
            n_special++;
            bytes_add_format(&b, "%.*s%.*s x%.*sx\n%.*s", (int)s.len, s.data, (int)s.len,
                             s.data, (int)s.len, s.data, (int)s.len, s.data);
            n = encode_text(t, b.data, b.len, false);
            for (int i = (t->spec.add_bos ? 1 : 0); i < n; i++)
                ck_assert_msg(!token_is_special(t, ids[i]), "%s: %.*s gives id %d",
                              families[f], (int)s.len, s.data, ids[i]);
            n = encode_text(t, s.data, s.len, true);
            ck_assert_int_eq(ids[n - 1], id);
            bytes_fini(&b);
        }
        ck_assert_int_ge(n_special, 3);
        tokenizer_free(t);
    }
}
END_TEST

START_TEST(merges_do_not_lead_to_special_tokens)
{
    tokenizer *t;
    int32_t ab;

    /* A file whose merges spell a control token, as part and as result. */
    vocab_begin_bytes("llama-bpe");
    ab = vocab_add("ab");
    vocab_add_kind("abc", TOKEN_CONTROL);
    vocab_add("abcd");
    vocab_add_merge("a b");
    vocab_add_merge("ab c");
    vocab_add_merge("abc d");
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "abc"), ab, 'c');
    CHECK_IDS(encode_trusted(t, "abc"), 257);
    tokenizer_free(t);
    /* By scores: the piece table holds no special token either. */
    vocab_begin_spm();
    vocab_add_piece("a", -1);
    vocab_add_piece("b", -2);
    vocab.scores[vocab.spec.n_token] = 9;
    vocab_add_kind("ab", TOKEN_CONTROL);
    vocab.scores[vocab.spec.n_token] = 9;
    vocab_add_kind("ba", TOKEN_USER_DEFINED);
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "ab"), 256, 257);
    CHECK_IDS(encode_plain(t, "ba"), 257, 256);
    CHECK_IDS(encode_trusted(t, "ab"), 258);
    CHECK_IDS(encode_plain(t, "<0x41>"), '<', '0', 'x', '4', '1', '>');
    tokenizer_free(t);
}
END_TEST

START_TEST(unused_tokens_never_come_out)
{
    tokenizer *t;

    vocab_begin_bytes("llama-bpe");
    vocab_add_kind("xyz", TOKEN_UNUSED);
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "xyz"), 'x', 'y', 'z');
    CHECK_IDS(encode_trusted(t, "xyz"), 'x', 'y', 'z');
    tokenizer_free(t);
    vocab_begin_spm();
    vocab_add_kind("a", TOKEN_UNUSED);
    t = vocab_build();
    CHECK_IDS(encode_trusted(t, "a"), 'a');
    tokenizer_free(t);
}
END_TEST

/* ---- bos, limits ---- */

START_TEST(bos_is_put_first_once)
{
    tokenizer *t;
    int32_t bos;
    segments s = { 0 };
    int32_t *out = NULL;
    int n = 0;

    vocab_begin_bytes("gpt-2");
    bos = vocab.spec.bos = vocab_add_kind("<s>", TOKEN_CONTROL);
    vocab.spec.add_bos = true;
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "a"), bos, 'a');
    CHECK_IDS(encode_trusted(t, "<s>a"), bos, 'a');
    CHECK_IDS(encode_plain(t, "<s>"), bos, '<', 's', '>');
    CHECK_IDS(encode(t, &s), bos);
    /* Appending to ids adds none. */
    segments_plain(&s, "b", 1);
    ck_assert(tokenizer_encode(t, &s, 9, &out, &n, NULL) == OK);
    ck_assert(tokenizer_encode(t, &s, 9, &out, &n, NULL) == OK);
    ck_assert_int_eq(n, 3);
    ck_assert(out[0] == bos && out[1] == 'b' && out[2] == 'b');
    mem_free(out);
    segments_fini(&s);
    tokenizer_free(t);
    vocab.spec.bos = -1;
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "a"), 'a');
    tokenizer_free(t);
}
END_TEST

START_TEST(more_than_max_ids_is_a_limit_and_changes_nothing)
{
    tokenizer *t;
    segments s = { 0 };
    int32_t *out = NULL;
    int n = 0;
    errtext err;

    vocab_begin_bytes("gpt-2");
    t = vocab_build();
    segments_plain(&s, "abcdef", 6);
    ck_assert(tokenizer_encode(t, &s, 6, &out, &n, &err) == OK);
    ck_assert_int_eq(n, 6);
    ck_assert(tokenizer_encode(t, &s, 11, &out, &n, &err) == E_LIMIT);
    ck_assert_str_eq(err.text, "text is longer than 11 tokens");
    ck_assert_int_eq(n, 6);
    ck_assert_int_eq(out[5], 'f');
    ck_assert(tokenizer_encode(t, &s, 0, &out, &n, &err) == E_LIMIT);
    ck_assert(tokenizer_encode(t, &s, -1, &out, &n, &err) == E_LIMIT);
    segments_fini(&s);
    /* Far beyond: refused without a look at the text. */
    s = (segments){ 0 };
    for (int i = 0; i < 1000; i++) segments_plain(&s, "abcdefghij", 10);
    ck_assert(tokenizer_encode(t, &s, 100, &out, &n, &err) == E_LIMIT);
    ck_assert(strstr(err.text, "10000 bytes") != NULL);
    segments_fini(&s);
    mem_free(out);
    tokenizer_free(t);
}
END_TEST

/* ---- SentencePiece ---- */

START_TEST(spm_puts_a_space_before_text_and_after_special_tokens)
{
    tokenizer *t;
    int32_t space, a, end;

    vocab_begin_spm();
    space = vocab_add_piece("\xE2\x96\x81", -3);
    a = vocab_add_piece("\xE2\x96\x81" "a", -1);
    end = vocab_add_kind("</s>", TOKEN_CONTROL);
    vocab.spec.add_space_prefix = true;
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "a"), a);
    CHECK_IDS(encode_plain(t, " a"), space, a);
    CHECK_IDS(encode_trusted(t, "a</s>a</s></s>"), a, end, a, end, end);
    tokenizer_free(t);
    vocab.spec.add_space_prefix = false;
    t = vocab_build();
    CHECK_IDS(encode_plain(t, " a"), a);
    CHECK_IDS(encode_trusted(t, "</s> a"), end, a);
    tokenizer_free(t);
}
END_TEST

START_TEST(spm_merges_by_score_and_falls_back_to_bytes)
{
    tokenizer *t;
    int32_t bc, abc, unk;

    vocab_begin_spm();
    vocab_add_piece("a", -10);
    vocab_add_piece("b", -11);
    vocab_add_piece("c", -12);
    vocab_add_piece("ab", -3);
    bc = vocab_add_piece("bc", -2);
    abc = vocab_add_piece("abc", -4);
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "abc"), abc);
    CHECK_IDS(encode_plain(t, "bbc"), 257, bc);
    CHECK_IDS(encode_plain(t, "a\xC3\xA9"), 256, 0xC3, 0xA9);
    CHECK_IDS(encode_plain(t, "\xFFz"), 0xFF, 'z');
    tokenizer_free(t);
    vocab.kinds[0xA9] = TOKEN_UNUSED;
    unk = vocab.spec.unk = vocab_add_kind("<unk>", TOKEN_UNKNOWN);
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "\xC3\xA9" "a"), unk, 256);
    tokenizer_free(t);
}
END_TEST

/* ---- there and back ---- */

static void decode(const tokenizer *t, int n, bytes *out)
{
    bytes_clear(out);
    bytes_reserve(out, 0);
    for (int i = 0; i < n; i++) {
        token_text s = tokenizer_text(t, ids[i]);

        if (i == 0 && t->spec.add_bos) continue;
        bytes_add(out, s.data, s.len);
    }
}

/* Qwen's text comes back in NFC, SentencePiece's with a space in front. */
START_TEST(any_bytes_come_back)
{
    bytes in = { 0 }, out = { 0 }, want = { 0 };

    for (int f = 0; f < N_FAMILY; f++) {
        tokenizer *t = open_fixture(families[f]);

        for (int i = 0; i < 600; i++) {
            random_state r = { (uint64_t)i << 8 | 5 };

            if (i % 2) {
                random_text(&in, 31, (uint64_t)i);
            } else {
                bytes_clear(&in);
                for (uint32_t n = 1 + random_pick(&r, 300); n > 0; n--)
                    bytes_add_char(&in, (char)random_pick(&r, i % 4 ? 256 : 32));
            }
            decode(t, encode_text(t, in.data, in.len, false), &out);
            bytes_clear(&want);
            if (t->prefix == PREFIX_EACH) bytes_add_char(&want, ' ');
            if (!t->nfc || !normalize_nfc(&want, in.data, in.len))
                bytes_add(&want, in.data, in.len);
            ck_assert_msg(out.len == want.len && memcmp(out.data, want.data, out.len) == 0,
                          "%s, string %d", families[f], i);
        }
        tokenizer_free(t);
    }
    bytes_fini(&in);
    bytes_fini(&out);
    bytes_fini(&want);
}
END_TEST

/* ---- a megabyte of one thing ---- */

START_TEST(a_megabyte_of_one_character_is_encoded)
{
    static const char *const units[] = { "a", " ", "^", "\xE4\xB8\xAD", "\n", "9", "ab",
                                         "\xCC\x81", "\xFF", "'" };

    for (int f = 0; f < N_FAMILY; f++) {
        tokenizer *t = open_fixture(families[f]);

        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            bytes b = { 0 };
            segments s = { 0 };
            int32_t *out = NULL;
            int n = 0;
            size_t len = 0;
            errtext err;
            status st;

            while (b.len < 1 << 20) bytes_add_string(&b, units[u]);
            segments_plain(&s, b.data, b.len);
            st = tokenizer_encode(t, &s, 1 << 21, &out, &n, &err);
            ck_assert_msg(st == OK, "%s", err.text);
            for (int i = t->spec.add_bos; i < n; i++) len += tokenizer_text(t, out[i]).len;
            ck_assert_uint_eq(len, b.len + (t->prefix == PREFIX_EACH));
            mem_free(out);
            segments_fini(&s);
            bytes_fini(&b);
        }
        tokenizer_free(t);
    }
}
END_TEST

START_TEST(many_special_tokens_with_one_beginning_stay_cheap)
{
    static char names[1500][32];
    tokenizer *t;
    segments s = { 0 };
    int32_t *out = NULL;
    int n = 0;

    vocab_begin_bytes("gpt-2");
    for (int i = 0; i < 1500; i++) {
        snprintf(names[i], sizeof names[i], "aaaaaaaaaaaaaaaa%06d", i);
        vocab_add_kind(names[i], TOKEN_CONTROL);
    }
    t = vocab_build();
    for (int i = 0; i < 20000; i++) segments_trusted(&s, "aaaaaaaaaaaaaaaa");
    segments_trusted(&s, names[1234]);
    ck_assert(tokenizer_encode(t, &s, 1 << 20, &out, &n, NULL) == OK);
    ck_assert_int_eq(out[n - 1], 256 + 1234);
    mem_free(out);
    segments_fini(&s);
    tokenizer_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encode");
    TCase *c = tcase_create("encode");
    SRunner *r;
    int failed;

    tcase_set_timeout(c, 300);
    tcase_add_test(c, the_best_merge_goes_first_and_the_leftmost_of_equals);
    tcase_add_test(c, ignore_merges_takes_a_whole_piece_that_is_a_token);
    tcase_add_test(c, bytes_without_a_token_are_left_out_before_merging);
    tcase_add_test(c, long_words_merge_as_the_definition_says);
    tcase_add_test(c, special_tokens_come_from_trusted_segments_only);
    tcase_add_test(c, the_longest_special_token_wins);
    tcase_add_test(c, a_special_token_is_not_pieced_together_across_trust);
    tcase_add_test(c, text_runs_on_across_the_edge_of_a_segment);
    tcase_add_test(c, cutting_text_into_segments_does_not_change_its_ids);
    tcase_add_test(c, no_special_string_becomes_special_in_plain_text);
    tcase_add_test(c, merges_do_not_lead_to_special_tokens);
    tcase_add_test(c, unused_tokens_never_come_out);
    tcase_add_test(c, bos_is_put_first_once);
    tcase_add_test(c, more_than_max_ids_is_a_limit_and_changes_nothing);
    tcase_add_test(c, spm_puts_a_space_before_text_and_after_special_tokens);
    tcase_add_test(c, spm_merges_by_score_and_falls_back_to_bytes);
    tcase_add_test(c, any_bytes_come_back);
    tcase_add_test(c, a_megabyte_of_one_character_is_encoded);
    tcase_add_test(c, many_special_tokens_with_one_beginning_stay_cheap);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
