/* test_tokenizer.c - vocabularies good and bad, and what their tokens are. */
#include "token/tokenizer.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "support/vocab_maker.h"

#include <check.h>       /* last: it has a macro named fail */

static void check_refused(status want, const char *text)
{
    tokenizer *t = (tokenizer *)&vocab;
    errtext err = { { 0 } };
    status st = tokenizer_new(&t, &vocab.spec, &err);

    ck_assert_msg(st == want, "status %d (%s) instead of %d", st, err.text, want);
    ck_assert_ptr_null(t);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" lacks \"%s\"", err.text, text);
}

/* ---- bad vocabularies ---- */

START_TEST(ids_out_of_range_are_refused)
{
    const struct { int32_t *id; const char *name; } fields[] = {
        { &vocab.spec.bos, "bos" }, { &vocab.spec.eos, "eos" }, { &vocab.spec.eot, "eot" },
        { &vocab.spec.unk, "unk" }, { &vocab.spec.pad, "pad" },
    };
    static const int32_t bad[] = { 256, -2, INT_MAX, INT_MIN };

    for (size_t f = 0; f < 5; f++)
        for (size_t i = 0; i < 4; i++) {
            vocab_begin_bytes("gpt-2");
            *fields[f].id = bad[i];
            check_refused(E_FORMAT, fields[f].name);
        }
}
END_TEST

START_TEST(an_empty_vocabulary_is_refused)
{
    vocab_begin("gpt2", "gpt-2");
    check_refused(E_FORMAT, "tokens: 0");
    vocab.spec.n_token = -5;
    check_refused(E_FORMAT, "tokens: -5");
    vocab_begin_bytes("gpt-2");
    vocab.spec.n_merge = -1;
    check_refused(E_FORMAT, "merges: -1");
}
END_TEST

START_TEST(empty_and_giant_tokens_are_refused)
{
    vocab_begin_bytes("gpt-2");
    vocab_add("");
    check_refused(E_FORMAT, "token 256 is empty");
    vocab_begin_bytes("gpt-2");
    vocab_add("x");
    vocab.tokens[256].len = (size_t)1 << 30;     /* nothing behind it is read */
    check_refused(E_FORMAT, "token 256 has 1073741824 bytes");
    vocab_begin_bytes("gpt-2");
    vocab_add_merge("a b");
    vocab.merges[0].len = SIZE_MAX;
    check_refused(E_FORMAT, "merge 0 has");
}
END_TEST

START_TEST(byte_tokens_that_name_no_byte_are_refused)
{
    static const char *const bad[] = { "<0x-1>", "<0xZZ>", "<0x1>", "<0x100>", "<0x 1>",
                                       "<0X41>", "0x41", "<0x4>>", "<0x+1>", "a" };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vocab_begin_spm();
        vocab.tokens[7] = (token_text){ bad[i], strlen(bad[i]) };
        check_refused(E_FORMAT, "token 7 (");
    }
}
END_TEST

START_TEST(kinds_and_scores_out_of_range_are_refused)
{
    vocab_begin_bytes("gpt-2");
    vocab.kinds['*'] = 7;
    check_refused(E_FORMAT, "token 42 (*) has unknown kind 7");
    vocab.kinds['*'] = 0;
    check_refused(E_FORMAT, "unknown kind 0");
    vocab_begin_spm();
    vocab.scores[3] = NAN;
    check_refused(E_FORMAT, "token 3 (<0x03>): its score");
}
END_TEST

START_TEST(spm_needs_scores_and_a_way_out)
{
    vocab_begin_spm();
    vocab.spec.scores = NULL;
    check_refused(E_FORMAT, "scores");
    vocab_begin_spm();
    vocab.kinds[0x41] = TOKEN_NORMAL;
    check_refused(E_FORMAT, "<0x41> is missing");
    vocab.spec.unk = vocab_add_kind("<unk>", TOKEN_UNKNOWN);
    tokenizer_free(vocab_build());
}
END_TEST

START_TEST(merges_that_name_unknown_pieces_are_refused)
{
    static const struct { const char *merge, *message; } bad[] = {
        { "zz b", "zz is not a token" }, { "a zz", "zz is not a token" },
        { "a c", "what it makes is not a token" }, { "ab", "is not two pieces" },
        { " a", "is not two pieces" }, { "a ", "is not two pieces" },
        { "a b c", "is not two pieces" }, { "", "is not two pieces" },
        { "a  b", "is not two pieces" },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        vocab_begin_bytes("gpt-2");
        vocab_add("ab");
        vocab_add_merge("a b");
        vocab_add_merge(bad[i].merge);
        check_refused(E_FORMAT, "merge 1 (");
        check_refused(E_FORMAT, bad[i].message);
    }
}
END_TEST

START_TEST(merges_in_a_circle_cannot_be_written)
{
    /* A circle needs a merge that makes one of its own parts: with nothing on
     * the other side, or with a result that is not what the parts spell. */
    vocab_begin_bytes("gpt-2");
    vocab_add("ab");
    vocab_add("ba");
    vocab_add_merge("a b");
    vocab_add_merge("ab ");
    check_refused(E_FORMAT, "merge 1");
    /* These look like one, and end: each makes the text longer. */
    vocab.spec.n_merge = 1;
    vocab_add_merge("b a");
    vocab_add_merge("ab ab");
    vocab_add("abab");
    tokenizer *t = vocab_build();

    CHECK_IDS(encode_plain(t, "ababab"), 258, 256);
    tokenizer_free(t);
}
END_TEST

START_TEST(unknown_models_and_splitters_are_named)
{
    vocab_begin_bytes("qwen35");
    check_refused(E_UNSUPPORTED, "qwen35");
    vocab_begin_bytes("gpt-2");
    vocab.spec.model = "bert";
    check_refused(E_UNSUPPORTED, "bert");
    vocab.spec.model = NULL;
    check_refused(E_FORMAT, "model");
}
END_TEST

START_TEST(a_missing_splitter_is_gpt2_with_a_warning)
{
    static const char *const vague[] = { NULL, "", "default" };
    tokenizer *t;

    for (int i = 0; i < 3; i++) {
        vocab_begin_bytes(vague[i]);
        t = vocab_build();
        ck_assert_str_eq(tokenizer_spec(t)->pre, "gpt-2");
        ck_assert_ptr_nonnull(tokenizer_warning(t));
        tokenizer_free(t);
    }
    vocab_begin_bytes("gpt-2");
    t = vocab_build();
    ck_assert_ptr_null(tokenizer_warning(t));
    tokenizer_free(t);
    vocab_begin_spm();
    t = vocab_build();
    ck_assert_ptr_null(tokenizer_warning(t));
    tokenizer_free(t);
}
END_TEST

/* ---- what tokens are ---- */

START_TEST(token_text_is_decoded)
{
    tokenizer *t;
    int32_t space, control, wild;

    vocab_begin_bytes("gpt-2");
    space = vocab_add("\xC4\xA0the\xC4\x8A");        /* as space and newline are written */
    control = vocab_add_kind("<|\xC4\xA0|>", TOKEN_CONTROL);
    wild = vocab_add("\xE4\xB8\x96");                      /* outside the alphabet: as it is */
    t = vocab_build();
    ck_assert_uint_eq(tokenizer_text(t, space).len, 5);
    ck_assert(memcmp(tokenizer_text(t, space).data, " the\n", 5) == 0);
    ck_assert(memcmp(tokenizer_text(t, control).data, "<|\xC4\xA0|>", 6) == 0);
    ck_assert(memcmp(tokenizer_text(t, wild).data, "\xE4\xB8\x96", 3) == 0);
    for (int b = 0; b < 256; b++) {
        ck_assert_uint_eq(tokenizer_text(t, b).len, 1);
        ck_assert_int_eq((unsigned char)tokenizer_text(t, b).data[0], b);
    }
    ck_assert_int_eq(tokenizer_size(t), 259);
    ck_assert_int_eq(tokenizer_kind(t, control), TOKEN_CONTROL);
    tokenizer_free(t);

    vocab_begin_spm();
    space = vocab_add_piece("\xE2\x96\x81" "a\xE2\x96\x81", -1);
    t = vocab_build();
    ck_assert_uint_eq(tokenizer_text(t, space).len, 3);
    ck_assert(memcmp(tokenizer_text(t, space).data, " a ", 3) == 0);
    ck_assert_int_eq(tokenizer_text(t, 0xFE).data[0], (char)0xFE);
    ck_assert_int_eq(tokenizer_kind(t, 0), TOKEN_BYTE);
    tokenizer_free(t);
}
END_TEST

START_TEST(special_tokens_are_found_by_their_written_form)
{
    tokenizer *t;
    int32_t a, b;

    vocab_begin_bytes("gpt-2");
    a = vocab_add_kind("<|a|>", TOKEN_CONTROL);
    b = vocab_add_kind("<think>", TOKEN_USER_DEFINED);
    vocab_add("word");
    t = vocab_build();
    ck_assert_int_eq(tokenizer_special(t, "<|a|>"), a);
    ck_assert_int_eq(tokenizer_special(t, "<think>"), b);
    ck_assert_int_eq(tokenizer_special(t, "word"), -1);
    ck_assert_int_eq(tokenizer_special(t, "<|a|>x"), -1);
    ck_assert_int_eq(tokenizer_special(t, "<|a"), -1);
    ck_assert_int_eq(tokenizer_special(t, ""), -1);
    tokenizer_free(t);
}
END_TEST

START_TEST(end_tokens_are_those_named_and_those_known)
{
    tokenizer *t;
    int32_t eos, eot, known, text, other;

    vocab_begin_bytes("gpt-2");
    eos = vocab.spec.eos = vocab_add_kind("[END]", TOKEN_CONTROL);
    eot = vocab.spec.eot = vocab_add_kind("[TURN]", TOKEN_NORMAL);
    known = vocab_add_kind("<|im_end|>", TOKEN_CONTROL);
    vocab_add_kind("<\xEF\xBD\x9C" "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",
                   TOKEN_CONTROL);
    text = vocab_add_kind("</s>", TOKEN_USER_DEFINED);
    other = vocab_add_kind("<|im_start|>", TOKEN_CONTROL);
    t = vocab_build();
    ck_assert(tokenizer_is_end(t, eos) && tokenizer_is_end(t, eot));
    ck_assert(tokenizer_is_end(t, known) && tokenizer_is_end(t, known + 1));
    ck_assert(!tokenizer_is_end(t, text) && !tokenizer_is_end(t, other));
    ck_assert(!tokenizer_is_end(t, -1) && !tokenizer_is_end(t, 0));
    ck_assert_int_eq(tokenizer_eos(t), eos);
    ck_assert_int_eq(tokenizer_bos(t), -1);
    tokenizer_free(t);
}
END_TEST

START_TEST(the_spec_is_a_copy)
{
    const vocab_spec *s;
    tokenizer *t;

    vocab_begin_bytes("smollm");
    vocab_add("ab");
    vocab_add_merge("a b");
    vocab.spec.eos = 3;
    t = vocab_build();
    memset(&vocab, 0xAA, sizeof vocab);
    s = tokenizer_spec(t);
    ck_assert_str_eq(s->model, "gpt2");
    ck_assert_str_eq(s->pre, "smollm");
    ck_assert_int_eq(s->n_token, 257);
    ck_assert(memcmp(s->tokens[256].data, "ab", 2) == 0);
    ck_assert(memcmp(s->merges[0].data, "a b", 3) == 0);
    ck_assert_int_eq(s->eos, 3);
    ck_assert_int_eq(s->kinds[0], TOKEN_NORMAL);
    CHECK_IDS(encode_plain(t, "ab"), 256);
    tokenizer_free(t);
}
END_TEST

START_TEST(of_equal_tokens_the_first_is_used)
{
    tokenizer *t;

    vocab_begin_bytes("gpt-2");
    vocab_add("ab");
    vocab_add("ab");
    vocab_add_merge("a b");
    vocab_add_merge("a b");
    t = vocab_build();
    CHECK_IDS(encode_plain(t, "ab"), 256);
    tokenizer_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tokenizer");
    TCase *c = tcase_create("tokenizer");
    SRunner *r;
    int failed;

    tcase_set_timeout(c, 300);
    tcase_add_test(c, ids_out_of_range_are_refused);
    tcase_add_test(c, an_empty_vocabulary_is_refused);
    tcase_add_test(c, empty_and_giant_tokens_are_refused);
    tcase_add_test(c, byte_tokens_that_name_no_byte_are_refused);
    tcase_add_test(c, kinds_and_scores_out_of_range_are_refused);
    tcase_add_test(c, spm_needs_scores_and_a_way_out);
    tcase_add_test(c, merges_that_name_unknown_pieces_are_refused);
    tcase_add_test(c, merges_in_a_circle_cannot_be_written);
    tcase_add_test(c, unknown_models_and_splitters_are_named);
    tcase_add_test(c, a_missing_splitter_is_gpt2_with_a_warning);
    tcase_add_test(c, token_text_is_decoded);
    tcase_add_test(c, special_tokens_are_found_by_their_written_form);
    tcase_add_test(c, end_tokens_are_those_named_and_those_known);
    tcase_add_test(c, the_spec_is_a_copy);
    tcase_add_test(c, of_equal_tokens_the_first_is_used);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
