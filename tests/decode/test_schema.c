/* test_schema.c - JSON Schema: what is accepted decides as the draft does, the
 * rest is refused by its place. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "decode/grammar.h"
#include "support/json_text.h"

#include <check.h>       /* last: it has a macro named fail */

#define SUITE "../shared/data/JSON-Schema-Test-Suite/"

static token_text byte_text(const void *arg, int32_t id)
{
    static char all[256];

    (void)arg;
    all[id] = (char)id;
    return (token_text){ &all[id], 1 };
}

static trie *bytes_trie;

static void open_trie(void) { bytes_trie = trie_new(256, byte_text, NULL); }

static bool takes(const grammar *g, const char *text, size_t len)
{
    grammar_state *s = grammar_state_new(g, bytes_trie);
    bool taken = grammar_accept_bytes(s, text, len) && grammar_complete(s);

    grammar_state_free(s);
    return taken;
}

static json_t *parse(const char *text)
{
    json_error_t e;
    json_t *v = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);

    ck_assert_msg(v != NULL, "%s: %s", text, e.text);
    return v;
}

static grammar *compile(const char *schema)
{
    json_t *v = parse(schema);
    grammar *g;
    errtext err;
    status st = grammar_new_schema(&g, v, NULL, &err);

    ck_assert_msg(st == OK, "%s: %s", schema, err.text);
    json_decref(v);
    return g;
}

/* Whether some order of names is one that the grammar writes. */
static bool takes_value(const grammar *g, const json_t *v)
{
    bytes text = { 0 };
    bool taken = false;

    for (unsigned order = 0; order < 5040 && !taken; order++) {
        unsigned left = order;

        bytes_clear(&text);
        json_text(&text, v, &left);
        if (left) break;
        taken = takes(g, text.data, text.len);
    }
    bytes_fini(&text);
    return taken;
}

/* ------------------------------------------------------------------- suite */

typedef struct tally_of {
    int accepted, refused, empty, tests, skipped;
} tally_of;

static void check_refusal(const char *group, status st, const errtext *err)
{
    ck_assert_msg(st == E_UNSUPPORTED || st == E_LIMIT || st == E_FORMAT, "%s: %s", group,
                  status_name(st));
    ck_assert_msg(err->text[0] == '#' && strchr(err->text, ':'), "%s: no pointer in \"%s\"", group,
                  err->text);
}

static void run_group(const json_t *group, const schema_options *o, tally_of *n)
{
    const char *name = json_string_value(json_object_get(group, "description"));
    const json_t *tests = json_object_get(group, "tests");
    grammar *g;
    errtext err;
    status st = grammar_new_schema(&g, json_object_get(group, "schema"), o, &err);
    bool empty = st == E_FORMAT && strstr(err.text, "no value satisfies");

    if (st != OK && !empty) {
        check_refusal(name, st, &err);
        printf("refused: %s: %s\n", name, err.text);
        n->refused++;
        return;
    }
    n->accepted++;
    n->empty += empty;
    for (size_t i = 0; i < json_array_size(tests); i++) {
        const json_t *t = json_array_get(tests, i);
        bool valid = json_is_true(json_object_get(t, "valid"));
        bool taken = !empty && takes_value(g, json_object_get(t, "data"));

        n->tests++;
        ck_assert_msg(taken == valid, "%s: %s: %s", name,
                      json_string_value(json_object_get(t, "description")),
                      taken ? "taken" : "not taken");
    }
    if (!empty) grammar_free(g);
}

static json_t *remotes;

static const json_t *remote(void *arg, const char *uri)
{
    static const char base[] = "http://localhost:1234/";
    char path[512];
    json_t *v = json_object_get(remotes, uri);

    (void)arg;
    if (v || strncmp(uri, base, sizeof base - 1)) return v;
    snprintf(path, sizeof path, SUITE "remotes/%s", uri + sizeof base - 1);
    if ((v = json_load_file(path, 0, NULL))) json_object_set_new(remotes, uri, v);
    return v;
}

static bool run_folder(const char *folder, const schema_options *o, tally_of *n)
{
    DIR *d = opendir(folder);
    struct dirent **names;
    int n_name;

    if (!d) {
        printf("skipped: %s is not there\n", folder);
        return false;
    }
    closedir(d);
    n_name = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < n_name; i++) {
        char path[512];
        json_t *groups;

        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (strstr(path, ".json") && (groups = json_load_file(path, JSON_ALLOW_NUL, NULL))) {
            for (size_t k = 0; k < json_array_size(groups); k++)
                run_group(json_array_get(groups, k), o, n);
            json_decref(groups);
        }
        free(names[i]);
    }
    free(names);
    return true;
}

START_TEST(the_suite_of_the_draft_is_decided_without_an_error)
{
    const schema_options o = { .format_is_note = true };
    tally_of n = { 0 };

    open_trie();
    if (!run_folder(SUITE "tests/draft2020-12", &o, &n)) return;
    printf("draft 2020-12: %d schemas accepted (%d of them allow no value), %d refused, "
           "%d instances right\n", n.accepted, n.empty, n.refused, n.tests);
    ck_assert_int_ge(n.accepted * 100, (n.accepted + n.refused) * 90);
    trie_free(bytes_trie);
}
END_TEST

START_TEST(documents_that_the_caller_has_are_found_by_their_uri)
{
    const schema_options o = { .format_is_note = true, .document = remote };
    tally_of n = { 0 };

    open_trie();
    remotes = json_object();
    if (!run_folder(SUITE "tests/draft2020-12", &o, &n)) return;
    printf("draft 2020-12 with its remote documents: %d schemas accepted, %d refused\n",
           n.accepted, n.refused);
    ck_assert_int_ge(n.accepted * 100, (n.accepted + n.refused) * 97);
    json_decref(remotes);
    trie_free(bytes_trie);
}
END_TEST

/* ----------------------------------------------------------------- own cases */

typedef struct fixed {
    const char *schema, *yes[6], *no[6];
} fixed;

static const fixed cases[] = {
    { "{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"string\"},\"a\":{\"type\":\"integer\"}},"
      "\"required\":[\"b\",\"a\"],\"additionalProperties\":false}",
      { "{\"b\":\"x\",\"a\":1}", "{ \"b\": \"x\", \"a\": 1 }", "{\n  \"b\": \"x\",\n  \"a\": -10\n}" },
      { "{\"a\":1,\"b\":\"x\"}", "{\"b\":\"x\"}", "{\"b\":\"x\",\"a\":1,}", "{\"b\":\"x\",\"a\":01}",
        "{\"b\":\"x\",\"a\":1,\"c\":2}", "{\"b\":\"x\",\"a\":1.0}" } },
    { "{\"enum\":[\"red\",\"re\",1,null,{\"a\":[true]}]}",
      { "\"red\"", "\"re\"", "1", "null", "{\"a\":[true]}" },
      { "\"r\"", "\"redd\"", "11", "{\"a\":[false]}", "{}", "true" } },
    { "{\"type\":\"integer\",\"minimum\":-5,\"exclusiveMaximum\":12,\"multipleOf\":3}",
      { "-3", "0", "9", "3" }, { "-6", "12", "1", "15", "3.0", "" } },
    { "{\"type\":\"number\",\"minimum\":0.01,\"maximum\":1.5}",
      { "0.01", "1.5", "1.50", "0.0100", "1" }, { "0.009", "1.51", "0", "2", "-1", "15" } },
    { "{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
      { "\"ab\"", "\"äöü\"", "\"\\u00e4\\n\"", "\"\\ud83d\\ude00a\"" },
      { "\"a\"", "\"abcd\"", "\"\\ud83d\"", "\"\\ude00a\"", "\"a\\x\"" } },
    { "{\"type\":\"string\",\"pattern\":\"^[a-c]+$\",\"maxLength\":3}",
      { "\"a\"", "\"abc\"", "\"\\u0061\"" }, { "\"\"", "\"abcd\"", "\"d\"", "\"ad\"" } },
    { "{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"minItems\":1,\"maxItems\":2}",
      { "[true]", "[true,false]", "[ true, false ]" }, { "[]", "[true,]", "[true,true,true]", "[1]" } },
    { "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"},\"minProperties\":2}",
      { "{\"a\":1,\"b\":2}", "{\"a\":1,\"aa\":2}" },
      { "{\"a\":1}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{}", "{\"a\":1,\"b\":\"\"}" } },
    { "{\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"next\":{\"anyOf\":[{\"$ref\":\"#/$defs/n\"},"
      "{\"type\":\"null\"}]}},\"required\":[\"next\"],\"additionalProperties\":false}},\"$ref\":\"#/$defs/n\"}",
      { "{\"next\":null}", "{\"next\":{\"next\":null}}" }, { "{}", "{\"next\":1}", "{\"next\":{}}" } },
    { "{\"oneOf\":[{\"type\":\"integer\",\"multipleOf\":2},{\"type\":\"integer\",\"multipleOf\":3}]}",
      { "2", "3", "4", "9" }, { "6", "12", "1", "0" } },
    { "{\"type\":\"array\",\"contains\":{\"const\":1},\"maxContains\":1,\"items\":{\"enum\":[1,2]}}",
      { "[1]", "[2,1,2]" }, { "[]", "[2]", "[1,1]", "[3]" } },
    { "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"b\"]},\"uniqueItems\":true}",
      { "[]", "[\"b\",\"a\"]", "[\"a\"]" }, { "[\"a\",\"a\"]", "[\"a\",\"b\",\"a\"]", "[\"a\",]" } },
    { "{\"type\":\"string\",\"format\":\"date\"}", { "\"2024-02-29\"", "\"1999-12-31\"" },
      { "\"2023-02-29\"", "\"1999-13-01\"", "\"1999-1-1\"", "\"\"" } },
    { "{\"type\":\"object\",\"properties\":{\"é\\\"\\n\":{\"const\":1}},\"additionalProperties\":false}",
      { "{\"é\\\"\\n\":1}", "{}" }, { "{\"e\":1}", "{\"é\\\"\\n\":2}" } },
};

START_TEST(texts_are_taken_or_not_as_the_schema_says)
{
    const fixed *f = &cases[_i];
    grammar *g;

    open_trie();
    g = compile(f->schema);
    for (int i = 0; i < 6; i++) {
        if (f->yes[i])
            ck_assert_msg(takes(g, f->yes[i], strlen(f->yes[i])), "%s: not %s", f->schema, f->yes[i]);
        if (f->no[i])
            ck_assert_msg(!takes(g, f->no[i], strlen(f->no[i])), "%s: %s", f->schema, f->no[i]);
    }
    grammar_free(g);
    trie_free(bytes_trie);
}
END_TEST

static const struct {
    const char *schema, *error;
    status st;
} refusals[] = {
    { "{\"properties\":{\"x\":{\"nullable\":true}}}", "#/properties/x/nullable: unknown keyword",
      E_UNSUPPORTED },
    { "{\"properties\":{\"a/b\":{\"$ref\":\"http://example.com/x\"}}}", "#/properties/a~1b/$ref: ",
      E_UNSUPPORTED },
    { "{\"$ref\":\"#/$defs/none\"}", "#/$ref: \"/$defs/none\" leads nowhere", E_FORMAT },
    { "{\"type\":\"strnig\"}", "#/type: must name a type", E_FORMAT },
    { "{\"minLength\":-1}", "#/minLength: must be a whole number", E_FORMAT },
    { "{\"items\":[true]}", "#/items: must be a schema", E_FORMAT },
    { "{\"anyOf\":[]}", "#/anyOf: must be a list", E_FORMAT },
    { "{\"required\":\"a\"}", "#/required: must be a list of strings", E_FORMAT },
    { "false", "#: no value satisfies this schema", E_FORMAT },
    { "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
      "#: no value satisfies", E_FORMAT },
    { "{\"type\":\"integer\",\"minimum\":2,\"maximum\":1}", "#: no value satisfies", E_FORMAT },
    { "{\"type\":\"string\",\"pattern\":\"a**\"}", "#/pattern: pattern, offset 2", E_FORMAT },
    { "{\"type\":\"string\",\"pattern\":\"^+a\"}", "#/pattern: pattern, offset 1", E_FORMAT },
    { "{\"type\":\"string\",\"pattern\":\"(((((\"}", "#/pattern: pattern, offset 5", E_FORMAT },
    { "{\"type\":\"string\",\"pattern\":\"a{1,999999999}\"}", "#/pattern: pattern, offset", E_LIMIT },
    { "{\"type\":\"string\",\"pattern\":\"(a|b)*a(a|b){20}\"}", "#/pattern: too complex", E_LIMIT },
    { "{\"type\":\"string\",\"pattern\":\"(?=a)b\"}", "#/pattern: pattern, offset 2", E_UNSUPPORTED },
    { "{\"type\":\"string\",\"pattern\":\"(a)\\\\1\"}", "#/pattern: pattern, offset 5", E_UNSUPPORTED },
    { "{\"type\":\"string\",\"format\":\"colour\"}", "#/format: the format \"colour\"", E_UNSUPPORTED },
    { "{\"type\":\"array\",\"uniqueItems\":true}", "#/uniqueItems: only where", E_UNSUPPORTED },
    { "{\"type\":\"number\",\"multipleOf\":0.00001234567}", "#/multipleOf: too complex", E_LIMIT },
    { "{\"$schema\":\"http://json-schema.org/draft-03/schema#\"}", "#/$schema: ", E_UNSUPPORTED },
    { "{\"type\":\"string\",\"maxLength\":100000,\"pattern\":\"x\"}", "#/pattern: too complex", E_LIMIT },
};

START_TEST(what_cannot_be_done_is_refused_by_its_place)
{
    json_t *v = parse(refusals[_i].schema);
    grammar *g = (grammar *)1;
    errtext err;
    status st = grammar_new_schema(&g, v, NULL, &err);

    ck_assert_msg(st == refusals[_i].st, "%s: %s", refusals[_i].schema,
                  st == OK ? "accepted" : err.text);
    ck_assert_ptr_null(g);
    ck_assert_msg(!strncmp(err.text, refusals[_i].error, strlen(refusals[_i].error)), "%s: %s",
                  refusals[_i].schema, err.text);
    json_decref(v);
}
END_TEST

/* -------------------------------------------------------------- hostile ones */

static json_t *nested(const char *keyword, int depth)
{
    json_t *s = json_pack("{s:s}", "type", "string");

    while (depth-- > 0) s = json_pack("{s:o}", keyword, s);
    return s;
}

static json_t *branches(int n)
{
    json_t *all = json_array();

    for (int i = 0; i < n; i++) {
        char name[16];

        snprintf(name, sizeof name, "p%d", i);
        json_array_append_new(all, json_pack("{s:{s:{s:i}},s:[s]}", "properties", name, "const", i,
                                             "required", name));
    }
    return json_pack("{s:s,s:o}", "type", "object", "anyOf", all);
}

static json_t *doubling(int n)
{
    json_t *defs = json_pack("{s:{s:s}}", "d0", "type", "integer");
    char from[16], to[16], ref[32];

    for (int i = 0; i < n; i++) {
        snprintf(from, sizeof from, "d%d", i);
        snprintf(to, sizeof to, "d%d", i + 1);
        snprintf(ref, sizeof ref, "#/$defs/%s", from);
        json_object_set_new(defs, to, json_pack("{s:[{s:[{s:s},{s:s}]}],s:{s:i}}", "allOf", "anyOf",
                                                "$ref", ref, "$ref", ref, "not", "const", i));
    }
    snprintf(ref, sizeof ref, "#/$defs/d%d", n);
    return json_pack("{s:s,s:o}", "$ref", ref, "$defs", defs);
}

static json_t *all_ways(int n)
{
    json_t *all = json_array();

    for (int i = 0; i < n; i++) {
        char a[16], b[16];

        snprintf(a, sizeof a, "a%d", i);
        snprintf(b, sizeof b, "b%d", i);
        json_array_append_new(all, json_pack("{s:[{s:[s]},{s:[s]}]}", "anyOf", "required", a,
                                             "required", b));
    }
    return json_pack("{s:s,s:o}", "type", "object", "allOf", all);
}

START_TEST(hostile_schemas_end_with_a_clear_error_or_work)
{
    json_t *all[] = {
        nested("not", 10000), nested("items", 10000), branches(10000), doubling(24), all_ways(30),
        json_pack("{s:s,s:i,s:{s:i}}", "type", "array", "minItems", 1000000000, "items", "const", 1),
        json_pack("{s:s,s:i,s:b}", "type", "array", "maxItems", 2000000000, "items", true),
        json_pack("{s:s,s:i,s:{s:i},s:i}", "type", "array", "minItems", 1000000, "contains",
                  "const", 1, "maxContains", 1000000),
        json_pack("{s:s}", "$ref", "#"),
        json_pack("{s:[{s:s},{s:s}]}", "anyOf", "$ref", "#", "$ref", "#"),
        json_pack("{s:s,s:i}", "type", "string", "maxLength", 1000000000),
        json_pack("{s:s,s:i,s:i}", "type", "object", "minProperties", 1000000000, "maxProperties",
                  1000000000),
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        grammar *g;
        errtext err;
        status st = grammar_new_schema(&g, all[i], NULL, &err);

        if (st == OK) grammar_free(g);
        else check_refusal("hostile", st, &err);
        json_decref(all[i]);
    }
}
END_TEST

START_TEST(a_thousand_properties_are_written_in_order)
{
    json_t *properties = json_object(), *required = json_array(), *schema;
    bytes text = { 0 };
    grammar *g;
    errtext err;

    open_trie();
    for (int i = 0; i < 1000; i++) {
        char name[16];

        snprintf(name, sizeof name, "p%d", i * 7 % 1000);
        json_object_set_new(properties, name, json_pack("{s:s}", "type", "integer"));
        if (i % 2) json_array_append_new(required, json_string(name));
        bytes_add_format(&text, "%s\"%s\":%d", i ? "," : "{", name, i);
    }
    bytes_add_char(&text, '}');
    schema = json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required",
                       required, "additionalProperties", false);
    ck_assert_msg(grammar_new_schema(&g, schema, NULL, &err) == OK, "%s", err.text);
    ck_assert(takes(g, text.data, text.len));
    grammar_free(g);
    json_decref(schema);
    bytes_fini(&text);
    trie_free(bytes_trie);
}
END_TEST

START_TEST(pieces_follow_one_another_and_alternatives_are_told_apart)
{
    json_t *a = parse("{\"type\":\"integer\"}"), *b = parse("{\"type\":\"array\",\"items\":{}}");
    const grammar_piece first[] = { { "<a>", 3, NULL }, { NULL, 0, a }, { "</a>", 4, NULL } };
    const grammar_piece second[] = { { "<b>", 3, NULL }, { NULL, 0, b } };
    const grammar_sequence ways[] = { { first, 3 }, { second, 2 } };
    grammar *g;
    errtext err;

    open_trie();
    ck_assert_int_eq(grammar_new_sequences(&g, ways, 2, NULL, &err), OK);
    ck_assert(takes(g, "<a>12</a>", 9));
    ck_assert(takes(g, "<b>[{\"x\":[]}]", 13));
    ck_assert(!takes(g, "<a>[]</a>", 9));
    ck_assert(!takes(g, "<b>1", 4));
    ck_assert(!takes(g, "<a>12", 5));
    grammar_free(g);
    json_decref(a);
    json_decref(b);
    trie_free(bytes_trie);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schema");
    TCase *t = tcase_create("schema");
    SRunner *sr = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 300);
    suite_add_tcase(s, t);
    tcase_add_test(t, the_suite_of_the_draft_is_decided_without_an_error);
    tcase_add_test(t, documents_that_the_caller_has_are_found_by_their_uri);
    tcase_add_loop_test(t, texts_are_taken_or_not_as_the_schema_says, 0,
                        (int)(sizeof cases / sizeof *cases));
    tcase_add_loop_test(t, what_cannot_be_done_is_refused_by_its_place, 0,
                        (int)(sizeof refusals / sizeof *refusals));
    tcase_add_test(t, hostile_schemas_end_with_a_clear_error_or_work);
    tcase_add_test(t, a_thousand_properties_are_written_in_order);
    tcase_add_test(t, pieces_follow_one_another_and_alternatives_are_told_apart);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
