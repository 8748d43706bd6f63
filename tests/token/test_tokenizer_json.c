/* test_tokenizer_json.c - tokenizer.json files good, strange and broken. */
#include "token/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "token/json_cut.h"

#include <check.h>       /* last: it has a macro named fail */

#define BYTE_LEVEL(regex) "{\"type\":\"ByteLevel\",\"add_prefix_space\":false," \
                          "\"trim_offsets\":true,\"use_regex\":" regex "}"
#define SPLIT(regex) "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"}," \
                     "\"behavior\":\"Isolated\",\"invert\":false}"
#define SEQUENCE(a, b) "{\"type\":\"Sequence\",\"pretokenizers\":[" a "," b "]}"
#define LLAMA3(number) "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" \
                       number "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+" \
                       "|\\\\s+(?!\\\\S)|\\\\s+"
#define PRE_GPT2 BYTE_LEVEL("true")
#define PRE_QWEN2 SEQUENCE(SPLIT(LLAMA3("\\\\p{N}")), BYTE_LEVEL("false"))
#define PRE_LLAMA3 SEQUENCE(SPLIT(LLAMA3("\\\\p{N}{1,3}")), BYTE_LEVEL("false"))
#define PRE_SMOLLM SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}", \
                            BYTE_LEVEL("true"))
#define NFC "{\"type\":\"NFC\"}"
#define MARK "\xE2\x96\x81"

/* A file, part by part; NULL parts are those of a small GPT-2. */
typedef struct parts {
    const char *added, *normalizer, *pre, *post, *model, *vocab, *merges;
    const char *config, *special_map, *generation;
    const char *raw;             /* instead of all before config */
} parts;

static const char *or(const char *a, const char *b)
{
    return a ? a : b;
}

static token_text text_of(const char *s)
{
    return (token_text){ s, s ? strlen(s) : 0 };
}

static status parse(tokenizer **out, parts p, errtext *err)
{
    tokenizer_files f = { .path = "t.json", .config = text_of(p.config),
                          .special_map = text_of(p.special_map),
                          .generation = text_of(p.generation) };
    bytes b = { 0 };
    status st;

    if (p.raw)
        bytes_add_string(&b, p.raw);
    else
        bytes_add_format(&b, "{\"version\":\"1.0\",\"truncation\":null,\n"
                         "\"added_tokens\":[%s],\"normalizer\":%s,\"pre_tokenizer\":%s,"
                         "\"post_processor\":%s,\"decoder\":null,\"model\":{%s"
                         "\"vocab\":%s,\"merges\":%s}}\n",
                         or(p.added, ""), or(p.normalizer, "null"), or(p.pre, PRE_GPT2),
                         or(p.post, "null"), or(p.model, "\"type\":\"BPE\","),
                         or(p.vocab, "{\"a\":0,\"b\":1,\"ab\":2}"), or(p.merges, "[\"a b\"]"));
    f.json = (token_text){ b.data, b.len };
    *out = NULL;
    st = tokenizer_parse(out, &f, err);
    ck_assert((st == OK) == (*out != NULL));
    bytes_fini(&b);
    return st;
}

static tokenizer *good(parts p)
{
    tokenizer *t;
    errtext err;
    status st = parse(&t, p, &err);

    ck_assert_msg(st == OK, "%s", err.text);
    return t;
}

static void bad(parts p, status want, const char *text)
{
    tokenizer *t;
    errtext err = { { 0 } };
    status st = parse(&t, p, &err);

    ck_assert_msg(st == want, "status %d instead of %d: %s", st, want, err.text);
    ck_assert_msg(strncmp(err.text, "t.json: ", 8) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" lacks \"%s\"", err.text, text);
}

#define GOOD(...) good((parts){ __VA_ARGS__ })
#define BAD(st, text, ...) bad((parts){ __VA_ARGS__ }, st, text)

#define ADDED(id, text, special) "{\"id\":" #id ",\"content\":\"" text "\"," \
    "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false," \
    "\"special\":" #special "}"

/* ---- vocabulary and merges ---- */

START_TEST(merges_are_read_as_strings_and_as_pairs)
{
    tokenizer *a = GOOD(.merges = "[\"a b\"]");
    tokenizer *b = GOOD(.merges = " [ [ \"a\" , \"b\" ] ] ");

    ck_assert_int_eq(tokenizer_spec(a)->n_merge, 1);
    ck_assert_int_eq(tokenizer_spec(b)->n_merge, 1);
    ck_assert_uint_eq(tokenizer_spec(b)->merges[0].len, 3);
    ck_assert(memcmp(tokenizer_spec(b)->merges[0].data, "a b", 3) == 0);
    ck_assert_str_eq(tokenizer_spec(a)->model, "gpt2");
    ck_assert_str_eq(tokenizer_spec(a)->pre, "gpt-2");
    tokenizer_free(a);
    tokenizer_free(b);
}
END_TEST

START_TEST(strings_are_unescaped)
{
    tokenizer *t = GOOD(.vocab = "{\"\\u0120the\":0,\"\\\"\":1,\"\\\\\":2,\"\\/\":3,"
                                 "\"\xC4\x8A\":4, \"\\u00C3\\u00a9\" : 5}", .merges = "[]");
    static const char *const want[] = { " the", "\"", "\\", "/", "\n", "\xC3\xA9" };

    for (int i = 0; i < 6; i++) {
        token_text s = tokenizer_text(t, i);

        ck_assert_uint_eq(s.len, strlen(want[i]));
        ck_assert(memcmp(s.data, want[i], s.len) == 0);
    }
    tokenizer_free(t);
    t = GOOD(.vocab = "{\"\\ud83d\\ude00\":0,\"\xF0\x9F\x98\x81\":1}", .merges = "[]");
    ck_assert(memcmp(tokenizer_text(t, 0).data, "\xF0\x9F\x98\x80", 4) == 0);
    ck_assert(memcmp(tokenizer_text(t, 1).data, "\xF0\x9F\x98\x81", 4) == 0);
    tokenizer_free(t);
}
END_TEST

START_TEST(broken_strings_are_refused_with_their_offset)
{
    static const char *const broken[] = {
        "\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\u0041", "\\u12", "\\uZZZZ", "\\x", "\\",
        "\xFF", "\xC0\x80", "\xED\xA0\x80", "\n", "\t", "\\u0000", "\xE4\xB8",
    };

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char vocab[64], merges[64];

        snprintf(vocab, sizeof vocab, "{\"a\":0,\"%s\":1}", broken[i]);
        BAD(E_FORMAT, "offset", .vocab = vocab);
        snprintf(merges, sizeof merges, "[\"a b\",\"%s\"]", broken[i]);
        BAD(E_FORMAT, "offset", .merges = merges);
    }
}
END_TEST

START_TEST(ids_that_are_none_are_refused)
{
    static const char *const ids[] = { "-1", "1.0", "1e2", "\"1\"", "null", "true", "", "01",
                                       "16777216", "99999999999999999999", "[1]" };

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char vocab[64];

        snprintf(vocab, sizeof vocab, "{\"a\":0,\"b\":%s}", ids[i]);
        bad((parts){ .vocab = vocab, .merges = "[]" }, E_FORMAT, "model.vocab");
    }
    BAD(E_FORMAT, "entry 1 has no id", .vocab = "{\"a\":0,\"b\":-1}");
    BAD(E_FORMAT, "id 0 is given to two", .vocab = "{\"a\":0,\"b\":0}", .merges = "[]");
    BAD(E_FORMAT, "id 9000000 is out of range", .vocab = "{\"a\":0,\"b\":9000000}",
        .merges = "[]");
    BAD(E_FORMAT, "tokens: 0", .vocab = "{}", .merges = "[]");
    BAD(E_FORMAT, "token 1 is empty", .vocab = "{\"a\":0,\"\":1}", .merges = "[]");
}
END_TEST

START_TEST(ids_nobody_names_are_unused_tokens)
{
    tokenizer *t = GOOD(.vocab = "{\"a\":0,\"b\":1,\"ab\":5}", .added = ADDED(8, "<x>", true));

    ck_assert_int_eq(tokenizer_size(t), 9);
    ck_assert_int_eq(tokenizer_kind(t, 3), TOKEN_UNUSED);
    ck_assert(memcmp(tokenizer_text(t, 3).data, "[PAD3]", 6) == 0);
    ck_assert_int_eq(tokenizer_special(t, "[PAD3]"), -1);
    ck_assert_int_eq(tokenizer_special(t, "<x>"), 8);
    tokenizer_free(t);
}
END_TEST

START_TEST(broken_merges_are_refused_by_number)
{
    static const char *const broken[] = { "[]", "[\"a\"]", "[\"a\",\"b\",\"ab\"]", "{}", "1",
                                          "null", "[\"a b\",\"b\"]", "[\"a\",1]" };

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char merges[64];

        snprintf(merges, sizeof merges, "[\"a b\",%s]", broken[i]);
        BAD(E_FORMAT, "merge 1", .merges = merges);
    }
    BAD(E_FORMAT, "merge 1 (a z): z is not a token", .merges = "[\"a b\",\"a z\"]");
    BAD(E_FORMAT, "merge 0 (b a): what it makes", .merges = "[[\"b\",\"a\"]]");
    BAD(E_FORMAT, "merge 0", .merges = "[[\"a\",\"b c\"]]");
    BAD(E_FORMAT, "merge 0", .merges = "[[\"\",\"a\"]]");
}
END_TEST

START_TEST(parts_that_are_missing_are_named)
{
    BAD(E_FORMAT, "model is missing", .raw = "{}");
    BAD(E_FORMAT, "model is missing", .raw = "{\"model\":7}");
    BAD(E_FORMAT, "model.vocab is missing", .vocab = "7");
    BAD(E_FORMAT, "model.vocab is missing", .vocab = "null");
    BAD(E_FORMAT, "model.merges is missing", .merges = "null");
    BAD(E_FORMAT, "model.vocab at offset", .vocab = "[]");
    BAD(E_FORMAT, "model.merges at offset", .merges = "{}");
}
END_TEST

/* ---- JSON as such ---- */

static const char whole[] = "{\"added_tokens\":[" ADDED(3, "<x>", true) "],"
    "\"pre_tokenizer\":" PRE_GPT2 ",\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,"
    "\"ab\":2},\"merges\":[\"a b\"]}}";

START_TEST(a_file_cut_anywhere_is_refused)
{
    tokenizer *t = GOOD(.raw = whole);

    tokenizer_free(t);
    for (size_t n = 0; n + 1 < sizeof whole; n++) {
        char *part = mem_copy(whole, n + 1);

        part[n] = 0;
        BAD(E_FORMAT, "", .raw = part);
        mem_free(part);
    }
}
END_TEST

START_TEST(one_changed_byte_never_breaks_the_reader)
{
    static const char put[] = "\"\\{}[],:x0\n\xFF";

    for (size_t n = 0; n + 1 < sizeof whole; n++)
        for (size_t i = 0; i + 1 < sizeof put; i++) {
            char *part = mem_copy(whole, sizeof whole);
            tokenizer *t;
            errtext err;

            part[n] = put[i];
            if (parse(&t, (parts){ .raw = part }, &err) == OK) tokenizer_free(t);
            mem_free(part);
        }
}
END_TEST

START_TEST(what_json_forbids_is_refused)
{
    BAD(E_FORMAT, "offset", .raw = "");
    BAD(E_FORMAT, "offset", .raw = "[1]");
    BAD(E_FORMAT, "offset", .raw = "{\"a\":1,\"a\":2}");
    BAD(E_FORMAT, "offset", .raw = "{\"a\":1}x");
    BAD(E_FORMAT, "offset", .raw = "{\"a\":\"\\ud800\"}");
    BAD(E_FORMAT, "offset", .raw = "{\"a\":\"\xFF\"}");
    BAD(E_FORMAT, "offset", .raw = "{\"a\":1e999}");
    BAD(E_FORMAT, "offset", .raw = "{\"model\":{\"vocab\":{},\"vocab\":{}}}");
    BAD(E_FORMAT, "offset", .raw = "{\"model\":{\"merges\":[]},\"model\":{\"merges\":[]}}");
    BAD(E_FORMAT, "not \"left right\"", .merges = "[}");
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    for (int where = 0; where < 3; where++) {
        bytes b = { 0 };

        for (int i = 0; i < 100000; i++) bytes_add_char(&b, '[');
        for (int i = 0; i < 100000; i++) bytes_add_char(&b, ']');
        if (where == 0) BAD(E_FORMAT, "", .normalizer = b.data);
        else if (where == 1) BAD(E_FORMAT, "merge 0", .merges = b.data);
        else BAD(E_FORMAT, "", .vocab = b.data);
        bytes_fini(&b);
    }
}
END_TEST

START_TEST(offsets_of_what_is_left_point_into_the_file)
{
    static const char text[] = "{\"x\":1,\"model\":{\"merges\":[1,2,3,4,5,6],\"y\":2,"
                               "\"vocab\":{\"a\":1},\"z\":3},\"end\":4}";
    json_parts p;

    ck_assert(json_cut(&p, text, sizeof text - 1, NULL) == OK);
    ck_assert_str_eq(p.rest.data, "{\"x\":1,\"model\":{\"merges\":null,\"y\":2,"
                                  "\"vocab\":null,\"z\":3},\"end\":4}");
    for (const char *name = "xyz"; *name; name++) {
        const char *in = strchr(strchr(text, *name) - 1, *name);
        const char *out = strchr(p.rest.data, *name);

        ck_assert_uint_eq(json_offset(&p, (size_t)(out - p.rest.data)), (size_t)(in - text));
    }
    bytes_fini(&p.rest);
}
END_TEST

/* ---- pipelines ---- */

START_TEST(pipelines_of_the_families_are_recognised)
{
    static const struct { const char *pre, *normalizer, *model, *want; } known[] = {
        { PRE_GPT2, "null", NULL, "gpt-2" },
        { PRE_QWEN2, NFC, NULL, "qwen2" },
        { PRE_QWEN2, "null", NULL, "stablelm2" },
        { PRE_QWEN2, "{\"type\":\"Sequence\",\"normalizers\":[" NFC "]}", NULL, "qwen2" },
        { PRE_QWEN2, "{\"type\":\"Sequence\",\"normalizers\":[]}", NULL, "stablelm2" },
        { PRE_SMOLLM, "null", NULL, "smollm" },
        { PRE_LLAMA3, "null", "\"ignore_merges\":true,", "llama-bpe" },
        { PRE_LLAMA3, "null", "\"type\":\"BPE\",\"ignore_merges\":false,", "smaug-bpe" },
        { SEQUENCE(SPLIT("\\\\p{N}"), BYTE_LEVEL("true")), "null", NULL, "smollm" },
        { SEQUENCE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" LLAMA3("\\\\p{N}") "\"},"
                   "\"behavior\":\"Removed\",\"invert\":true}", BYTE_LEVEL("false")),
          NFC, "\"continuing_subword_prefix\":\"\",\"dropout\":null,", "qwen2" },
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        tokenizer *t = GOOD(.pre = known[i].pre, .normalizer = known[i].normalizer,
                            .model = known[i].model);

        ck_assert_str_eq(tokenizer_spec(t)->pre, known[i].want);
        ck_assert(t->nfc == (strcmp(known[i].want, "qwen2") == 0));
        ck_assert_ptr_null(tokenizer_warning(t));
        tokenizer_free(t);
    }
}
END_TEST

START_TEST(unknown_pipelines_are_refused_by_name)
{
    BAD(E_UNSUPPORTED, "(a+)+", .pre = SEQUENCE(SPLIT("(a+)+"), BYTE_LEVEL("false")));
    BAD(E_UNSUPPORTED, "pre_tokenizer", .pre = "null");
    BAD(E_UNSUPPORTED, "Whitespace", .pre = "{\"type\":\"Whitespace\"}");
    BAD(E_UNSUPPORTED, "pre_tokenizer", .pre = SPLIT(LLAMA3("\\\\p{N}")));
    BAD(E_UNSUPPORTED, "pre_tokenizer", .pre = BYTE_LEVEL("false"));
    BAD(E_UNSUPPORTED, "add_prefix_space",
        .pre = "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}");
    BAD(E_UNSUPPORTED, "individual_digits",
        .pre = SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":false}",
                        BYTE_LEVEL("true")));
    BAD(E_UNSUPPORTED, "Removed",
        .pre = SEQUENCE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" LLAMA3("\\\\p{N}")
                        "\"},\"behavior\":\"Removed\",\"invert\":false}", BYTE_LEVEL("false")));
    BAD(E_UNSUPPORTED, "normalizer", .normalizer = "{\"type\":\"NFKC\"}");
    BAD(E_UNSUPPORTED, "normalizer", .normalizer = NFC);     /* with gpt2 */
    BAD(E_UNSUPPORTED, "WordPiece", .model = "\"type\":\"WordPiece\",");
    BAD(E_UNSUPPORTED, "dropout", .model = "\"dropout\":0.1,");
    BAD(E_UNSUPPORTED, "end_of_word_suffix", .model = "\"end_of_word_suffix\":\"</w>\",");
    BAD(E_UNSUPPORTED, "post_processor", .post = "{\"type\":\"BertProcessing\"}");
}
END_TEST

#define FALLBACK "\"byte_fallback\":true,\"unk_token\":\"<unk>\","
#define PREPEND "{\"type\":\"Prepend\",\"prepend\":\"" MARK "\"}"
#define REPLACE "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"}"
#define METASPACE(scheme) "{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\"," \
                          "\"prepend_scheme\":\"" scheme "\",\"split\":false}"
#define MARKS_VOCAB "{\"<unk>\":0,\"a\":1,\"b\":2,\"ab\":3,\"<0x41>\":4}"

START_TEST(sentencepiece_pipelines_are_recognised)
{
    static const struct { const char *normalizer, *pre; space_prefix want; } known[] = {
        { "{\"type\":\"Sequence\",\"normalizers\":[" PREPEND "," REPLACE "]}", "null",
          PREFIX_EACH },
        { REPLACE, "null", PREFIX_NEVER },
        { "null", METASPACE("always"), PREFIX_EACH },
        { "null", METASPACE("first"), PREFIX_FIRST },
        { "null", METASPACE("never"), PREFIX_NEVER },
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        tokenizer *t = GOOD(.normalizer = known[i].normalizer, .pre = known[i].pre,
                            .model = FALLBACK, .vocab = MARKS_VOCAB);

        ck_assert_int_eq(t->prefix, known[i].want);
        ck_assert_str_eq(tokenizer_spec(t)->model, "llama");
        ck_assert_int_eq(tokenizer_kind(t, 0), TOKEN_UNKNOWN);
        ck_assert_int_eq(tokenizer_kind(t, 4), TOKEN_BYTE);
        ck_assert_ptr_nonnull(tokenizer_spec(t)->scores);
        ck_assert(tokenizer_spec(t)->scores[3] > tokenizer_spec(t)->scores[1]);
        tokenizer_free(t);
    }
    BAD(E_UNSUPPORTED, "sideways", .pre = METASPACE("sideways"), .model = FALLBACK,
        .vocab = MARKS_VOCAB);
    BAD(E_UNSUPPORTED, "normalizer", .normalizer = PREPEND, .pre = "null", .model = FALLBACK,
        .vocab = MARKS_VOCAB);
    BAD(E_UNSUPPORTED, "normalizer", .normalizer = REPLACE, .pre = METASPACE("first"),
        .model = FALLBACK, .vocab = MARKS_VOCAB);
    BAD(E_UNSUPPORTED, "ByteLevel", .model = FALLBACK, .vocab = MARKS_VOCAB);
    BAD(E_FORMAT, "<0xZZ>", .normalizer = REPLACE, .pre = "null", .model = FALLBACK,
        .vocab = "{\"<unk>\":0,\"<0xZZ>\":1}", .merges = "[]");
}
END_TEST

START_TEST(a_first_space_is_put_at_the_start_only)
{
    tokenizer *t = GOOD(.pre = METASPACE("first"), .model = FALLBACK,
                        .added = ADDED(5, "<x>", true), .vocab = "{\"<unk>\":0,\"a\":1,"
                        "\"" MARK "\":2,\"b\":3,\"ab\":4}");
    static const int32_t want[] = { 2, 1, 5, 1 };
    segments s = { 0 };
    int32_t *ids = NULL;
    int n = 0;

    segments_trusted(&s, "a<x>a");
    ck_assert(tokenizer_encode(t, &s, 9, &ids, &n, NULL) == OK);
    ck_assert_int_eq(n, 4);
    ck_assert(memcmp(ids, want, sizeof want) == 0);
    mem_free(ids);
    segments_fini(&s);
    tokenizer_free(t);
}
END_TEST

/* ---- special tokens ---- */

START_TEST(added_tokens_are_control_or_user_defined)
{
    tokenizer *t = GOOD(.added = ADDED(3, "<|im_end|>", true) "," ADDED(4, "<think>", false)
                                 "," ADDED(2, "ab", true), .merges = "[]");

    ck_assert_int_eq(tokenizer_kind(t, 3), TOKEN_CONTROL);
    ck_assert_int_eq(tokenizer_kind(t, 4), TOKEN_USER_DEFINED);
    ck_assert_int_eq(tokenizer_kind(t, 2), TOKEN_CONTROL);   /* one of the vocabulary */
    ck_assert(tokenizer_is_end(t, 3));
    ck_assert_int_eq(tokenizer_spec(t)->eot, 3);
    tokenizer_free(t);
    BAD(E_FORMAT, "id 2 is given to two", .added = ADDED(2, "<x>", true));
    BAD(E_FORMAT, "added_tokens[0]", .added = ADDED(-4, "<x>", true));
    BAD(E_FORMAT, "added_tokens[0]", .added = "{\"id\":4}");
    BAD(E_FORMAT, "added_tokens[0]", .added = "{\"content\":\"x\"}");
    BAD(E_FORMAT, "added_tokens[0]", .added = "7");
}
END_TEST

START_TEST(flags_that_eat_space_are_refused_by_token)
{
    BAD(E_UNSUPPORTED, "added_tokens[0] (<mask>) has lstrip",
        .added = "{\"id\":3,\"content\":\"<mask>\",\"lstrip\":true,\"special\":true}");
    BAD(E_UNSUPPORTED, "has rstrip",
        .added = "{\"id\":3,\"content\":\"<mask>\",\"rstrip\":true,\"special\":true}");
    BAD(E_UNSUPPORTED, "has single_word",
        .added = "{\"id\":3,\"content\":\"<mask>\",\"single_word\":true,\"special\":true}");
}
END_TEST

START_TEST(bos_and_eos_come_from_the_files_beside)
{
    static const char added[] = ADDED(3, "<s>", true) "," ADDED(4, "</e>", true) ","
                                ADDED(5, "<t>", true);
    tokenizer *t = GOOD(.added = added, .config = "{\"bos_token\":\"<s>\",\"eos_token\":"
                        "{\"content\":\"</e>\",\"lstrip\":false},\"pad_token\":null}");

    ck_assert_int_eq(tokenizer_bos(t), 3);
    ck_assert_int_eq(tokenizer_eos(t), 4);
    ck_assert(!tokenizer_spec(t)->add_bos);
    ck_assert(!tokenizer_is_end(t, 5));
    tokenizer_free(t);
    t = GOOD(.added = added, .config = "{\"bos_token\":null,\"add_bos_token\":true}",
             .special_map = "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"<t>\"}",
             .generation = "{\"eos_token_id\":[5,4]}");
    ck_assert_int_eq(tokenizer_bos(t), 3);
    ck_assert_int_eq(tokenizer_eos(t), 5);
    ck_assert(tokenizer_spec(t)->add_bos);
    ck_assert(tokenizer_is_end(t, 4) && tokenizer_is_end(t, 5) && !tokenizer_is_end(t, 3));
    tokenizer_free(t);
    t = GOOD(.added = added, .generation = "{\"eos_token_id\":4}");
    ck_assert_int_eq(tokenizer_eos(t), 4);
    tokenizer_free(t);
    t = GOOD(.config = "{\"pad_token\":\"<nowhere>\"}");
    ck_assert_int_eq(tokenizer_spec(t)->pad, -1);
    tokenizer_free(t);
    BAD(E_FORMAT, "bos_token \"<z>\"", .config = "{\"bos_token\":\"<z>\"}");
    BAD(E_FORMAT, "eos_token_id", .generation = "{\"eos_token_id\":3}");
    BAD(E_FORMAT, "eos_token_id", .generation = "{\"eos_token_id\":[0,-1]}");
    BAD(E_FORMAT, "eos_token_id", .generation = "{\"eos_token_id\":\"a\"}");
    BAD(E_FORMAT, "tokenizer_config.json", .config = "{\"a\":");
    BAD(E_FORMAT, "tokenizer_config.json", .config = "");
    BAD(E_FORMAT, "special_tokens_map.json", .special_map = "[]");
    BAD(E_FORMAT, "generation_config.json", .generation = "nonsense");
}
END_TEST

#define TEMPLATE(items) "{\"type\":\"TemplateProcessing\",\"single\":[" items "],\"pair\":[]}"
#define SPECIAL(name) "{\"SpecialToken\":{\"id\":\"" name "\",\"type_id\":0}}"
#define TEXT "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}"

START_TEST(a_template_says_whether_bos_is_added)
{
    static const char added[] = ADDED(3, "<s>", true) "," ADDED(4, "</s>", true);
    tokenizer *t = GOOD(.added = added, .post = TEMPLATE(SPECIAL("<s>") "," TEXT));

    ck_assert(tokenizer_spec(t)->add_bos);
    ck_assert_int_eq(tokenizer_bos(t), 3);
    tokenizer_free(t);
    t = GOOD(.added = added, .post = TEMPLATE(TEXT));
    ck_assert(!tokenizer_spec(t)->add_bos);
    tokenizer_free(t);
    t = GOOD(.added = added, .config = "{\"add_bos_token\":false,\"bos_token\":\"<s>\"}",
             .post = "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
                     TEMPLATE(SPECIAL("<s>") "," TEXT) "]}");
    ck_assert(!tokenizer_spec(t)->add_bos);
    ck_assert_int_eq(tokenizer_bos(t), 3);
    tokenizer_free(t);
    BAD(E_UNSUPPORTED, "post_processor", .added = added,
        .post = TEMPLATE(SPECIAL("<s>") "," TEXT "," SPECIAL("</s>")));
    BAD(E_FORMAT, "\"<z>\"", .added = added, .post = TEMPLATE(SPECIAL("<z>") "," TEXT));
}
END_TEST

/* ---- files ---- */

START_TEST(a_file_that_is_not_there_is_an_io_error)
{
    tokenizer *t;
    errtext err;

    ck_assert(tokenizer_open(&t, "build/no/such/tokenizer.json", &err) == E_IO);
    ck_assert_ptr_null(t);
    ck_assert(strstr(err.text, "build/no/such") != NULL);
}
END_TEST

START_TEST(files_beside_are_read)
{
    char dir[] = "/tmp/ponder-token-XXXXXX", path[64];
    static const char config[] = "{\"eos_token\":\"<x>\"}";
    tokenizer *t;
    errtext err;
    status st;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
    ck_assert(file_replace(path, config, sizeof config - 1, &err) == OK);
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    ck_assert(file_replace(path, whole, sizeof whole - 1, &err) == OK);
    st = tokenizer_open(&t, path, &err);
    ck_assert_msg(st == OK, "%s", err.text);
    ck_assert_int_eq(tokenizer_eos(t), 3);
    tokenizer_free(t);
    unlink(path);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", dir);
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(the_qwen3_file_is_read)
{
    static const char path[] = "../shared/data/tokenizer/qwen3/tokenizer.json";
    tokenizer *t;
    errtext err;
    status st;

    if (!file_exists(path)) {
        printf("skipped: %s is not here\n", path);
        fflush(stdout);
        return;
    }
    st = tokenizer_open(&t, path, &err);
    ck_assert_msg(st == OK, "%s", err.text);
    ck_assert_int_eq(tokenizer_size(t), 151669);
    ck_assert_int_eq(tokenizer_spec(t)->n_merge, 151387);
    ck_assert_str_eq(tokenizer_spec(t)->pre, "qwen2");
    ck_assert_int_eq(tokenizer_bos(t), -1);
    ck_assert_int_eq(tokenizer_eos(t), 151645);
    ck_assert(tokenizer_is_end(t, 151643) && tokenizer_is_end(t, 151645));
    ck_assert_int_eq(tokenizer_special(t, "<think>"), 151667);
    ck_assert_int_eq(tokenizer_kind(t, 151667), TOKEN_USER_DEFINED);
    ck_assert_int_eq(tokenizer_kind(t, 151644), TOKEN_CONTROL);
    tokenizer_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tokenizer_json");
    TCase *c = tcase_create("tokenizer_json");
    SRunner *r;
    int failed;

    tcase_set_timeout(c, 120);
    tcase_add_test(c, merges_are_read_as_strings_and_as_pairs);
    tcase_add_test(c, strings_are_unescaped);
    tcase_add_test(c, broken_strings_are_refused_with_their_offset);
    tcase_add_test(c, ids_that_are_none_are_refused);
    tcase_add_test(c, ids_nobody_names_are_unused_tokens);
    tcase_add_test(c, broken_merges_are_refused_by_number);
    tcase_add_test(c, parts_that_are_missing_are_named);
    tcase_add_test(c, a_file_cut_anywhere_is_refused);
    tcase_add_test(c, one_changed_byte_never_breaks_the_reader);
    tcase_add_test(c, what_json_forbids_is_refused);
    tcase_add_test(c, deep_nesting_is_refused);
    tcase_add_test(c, offsets_of_what_is_left_point_into_the_file);
    tcase_add_test(c, pipelines_of_the_families_are_recognised);
    tcase_add_test(c, unknown_pipelines_are_refused_by_name);
    tcase_add_test(c, sentencepiece_pipelines_are_recognised);
    tcase_add_test(c, a_first_space_is_put_at_the_start_only);
    tcase_add_test(c, added_tokens_are_control_or_user_defined);
    tcase_add_test(c, flags_that_eat_space_are_refused_by_token);
    tcase_add_test(c, bos_and_eos_come_from_the_files_beside);
    tcase_add_test(c, a_template_says_whether_bos_is_added);
    tcase_add_test(c, a_file_that_is_not_there_is_an_io_error);
    tcase_add_test(c, files_beside_are_read);
    tcase_add_test(c, the_qwen3_file_is_read);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
