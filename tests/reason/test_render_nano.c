/* The chat form of models made here: literal prompts for every shape, the
 * template they carry run by jinja2, and text of others that never counts.
 *
 * tests/fixtures/chat/ponder-plain.json is by tools/make_nano_chat_fixture.py. */
#include "reason/ask.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "reason/render.h"

#include <check.h>       /* after ours: it has a macro named fail */

#define FIXTURE "tests/fixtures/chat/ponder-plain.json"

/* Trusted text in brackets of its own, so that a literal shows what is whose. */
static void shown(const segments *s, bool marked, bytes *out)
{
    bytes_reserve(out, 0);
    for (int i = 0; i < s->n; i++) {
        if (marked && s->items[i].trusted) bytes_add_string(out, "{");
        bytes_add(out, s->items[i].text, s->items[i].len);
        if (marked && s->items[i].trusted) bytes_add_string(out, "}");
    }
}

static void render(const char *json, render_options o, bool marked, bytes *out, render_info *info)
{
    errtext err = { "" };
    segments s = { 0 };
    chat c = { 0 };

    ck_assert_msg(chat_read(&c, json, strlen(json), &err) == OK, "%s: %s", json, err.text);
    ck_assert_msg(render_chat(RENDER_NANO, &c, &o, &s, info, &err) == OK, "%s", err.text);
    bytes_clear(out);
    shown(&s, marked, out);
    segments_fini(&s);
    chat_fini(&c);
}

/* {} holds what is trusted; ' stands for " in the JSON. */
static void expect(const char *messages, render_options o, const char *want, bool think_open)
{
    bytes json = { 0 }, got = { 0 };
    render_info info = { 0 };

    bytes_add_format(&json, "{\"messages\":[%s]}", messages);
    for (size_t i = 0; i < json.len; i++)
        if (json.data[i] == '\'') json.data[i] = '"';
    render(json.data, o, true, &got, &info);
    ck_assert_msg(!strcmp(got.data, want), "%s\n--- got\n%s\n--- expected\n%s", messages, got.data,
                  want);
    ck_assert_msg(info.think_open == think_open, "%s: think_open %d", messages, info.think_open);
    bytes_fini(&json);
    bytes_fini(&got);
}

#define ASK(e) (render_options){ .thinking = (e) != EFFORT_NONE, .effort = (e), \
                                 .add_generation_prompt = true }
#define GO_ON(e) (render_options){ .thinking = (e) != EFFORT_NONE, .effort = (e), \
                                   .continue_last = true }
#define QUESTION "{'role':'user','content':'3+4?'}"
#define ANSWER "{'role':'assistant','content':'7'}"
#define SYSTEM "{'role':'system','content':'Be brief.'}"

START_TEST(every_effort_has_its_mark_and_none_has_a_closed_thought)
{
    static const char *const ends[EFFORT_N] = {
        "{<think></think>}", "{<|low|><think>}", "{<|low|><think>}", "{<|medium|><think>}",
        "{<|high|><think>}", "{<|high|><think>}",
    };

    for (int e = 0; e < EFFORT_N; e++) {
        char want[128];

        /* One trusted piece runs into the next. */
        snprintf(want, sizeof want, "{<|user|>}3+4?{<|end|><|assistant|>%s", ends[e] + 1);
        expect(QUESTION, ASK((effort)e), want, e != EFFORT_NONE);
    }
    /* Thinking without a word about how long. */
    expect(QUESTION, (render_options){ .thinking = true, .add_generation_prompt = true },
           "{<|user|>}3+4?{<|end|><|assistant|><|medium|><think>}", true);
}
END_TEST

START_TEST(turns_follow_each_other_without_a_byte_between)
{
    expect(QUESTION "," ANSWER ",{'role':'user','content':' And 5?\\n'}", ASK(EFFORT_LOW),
           "{<|user|>}3+4?{<|end|><|assistant|>}7{<|end|><|user|>} And 5?\n"
           "{<|end|><|assistant|><|low|><think>}", true);
    expect(QUESTION "," ANSWER, (render_options){ .thinking = true },
           "{<|user|>}3+4?{<|end|><|assistant|>}7{<|end|>}", false);
    expect("{'role':'user','content':''}", ASK(EFFORT_NONE),
           "{<|user|><|end|><|assistant|><think></think>}", false);
}
END_TEST

START_TEST(past_thinking_is_dropped)
{
    expect(QUESTION ",{'role':'assistant','content':'7','reasoning':'3+4=7'}," QUESTION,
           ASK(EFFORT_HIGH),
           "{<|user|>}3+4?{<|end|><|assistant|>}7{<|end|><|user|>}3+4?"
           "{<|end|><|assistant|><|high|><think>}", true);
}
END_TEST

START_TEST(system_texts_stand_before_the_first_users)
{
    expect(SYSTEM "," QUESTION "," ANSWER "," QUESTION, ASK(EFFORT_MEDIUM),
           "{<|user|>}Be brief.\n3+4?{<|end|><|assistant|>}7{<|end|><|user|>}3+4?"
           "{<|end|><|assistant|><|medium|><think>}", true);
    expect(SYSTEM "," QUESTION ",{'role':'developer','content':'Be kind.'}", ASK(EFFORT_NONE),
           "{<|user|>}Be brief.\nBe kind.\n3+4?{<|end|><|assistant|><think></think>}", false);
    expect(ANSWER "," SYSTEM "," QUESTION, ASK(EFFORT_NONE),
           "{<|assistant|>}7{<|end|><|user|>}Be brief.\n3+4?"
           "{<|end|><|assistant|><think></think>}", false);
    expect("{'role':'system','content':''}," QUESTION, ASK(EFFORT_NONE),
           "{<|user|>}3+4?{<|end|><|assistant|><think></think>}", false);
}
END_TEST

START_TEST(system_texts_alone_are_what_a_user_says)
{
    expect(SYSTEM, ASK(EFFORT_LOW),
           "{<|user|>}Be brief.{<|end|><|assistant|><|low|><think>}", true);
    expect(SYSTEM "," ANSWER, GO_ON(EFFORT_NONE),
           "{<|user|>}Be brief.{<|end|><|assistant|><think></think>}7", false);
}
END_TEST

START_TEST(results_of_tools_are_turns_of_a_user)
{
    expect(QUESTION ",{'role':'assistant','content':'Hm.','tool_calls':[{'function':"
           "{'name':'sum','arguments':{'a':3}}}]},{'role':'tool','content':'7'}",
           ASK(EFFORT_NONE),
           "{<|user|>}3+4?{<|end|><|assistant|>}Hm.{\n<tool_call>\n{\"name\": \"}sum"
           "{\", \"arguments\": }{\"a\": 3}{}\n</tool_call><|end|><|user|>}7"
           "{<|end|><|assistant|><think></think>}", false);
}
END_TEST

START_TEST(a_turn_cut_off_is_gone_on_with)
{
    /* In its answer, after no thought, as an answer without thought was taught. */
    for (int e = 0; e < EFFORT_N; e++)
        expect(QUESTION "," ANSWER, GO_ON((effort)e),
               "{<|user|>}3+4?{<|end|><|assistant|><think></think>}7", false);
    /* In its answer, after a thought. */
    expect(QUESTION ",{'role':'assistant','content':'7','reasoning':'3+4=7'}",
           GO_ON(EFFORT_HIGH),
           "{<|user|>}3+4?{<|end|><|assistant|><|high|><think>}3+4=7{</think>}7", false);
    /* In its thought, whatever the effort. */
    expect(QUESTION ",{'role':'assistant','reasoning':'3+'}", GO_ON(EFFORT_LOW),
           "{<|user|>}3+4?{<|end|><|assistant|><|low|><think>}3+", true);
    expect(QUESTION ",{'role':'assistant','reasoning':'3+'}", GO_ON(EFFORT_NONE),
           "{<|user|>}3+4?{<|end|><|assistant|><|medium|><think>}3+", true);
    /* At its very start. */
    expect(QUESTION ",{'role':'assistant','content':''}", GO_ON(EFFORT_LOW),
           "{<|user|>}3+4?{<|end|><|assistant|><|low|><think>}", true);
    expect(QUESTION ",{'role':'assistant','content':''}", GO_ON(EFFORT_NONE),
           "{<|user|>}3+4?{<|end|><|assistant|><think></think>}", false);
    /* continue_last wins. */
    expect(QUESTION "," ANSWER,
           ((render_options){ .continue_last = true, .add_generation_prompt = true }),
           "{<|user|>}3+4?{<|end|><|assistant|><think></think>}7", false);
}
END_TEST

START_TEST(jinja_makes_the_same_of_the_template)
{
    json_error_t why;
    json_t *root = json_load_file(FIXTURE, 0, &why);
    const json_t *cases = json_object_get(root, "cases");

    ck_assert_msg(root != NULL, "%s: %s", FIXTURE, why.text);
    ck_assert_str_eq(json_string_value(json_object_get(root, "template")), nano_template);
    ck_assert_uint_ge(json_array_size(cases), 50);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        char *chat_json = json_dumps(json_object_get(one, "chat"), JSON_COMPACT);
        const char *want = json_string_value(json_object_get(one, "expect"));
        bytes got = { 0 };
        effort e;

        ck_assert(effort_parse(json_string_value(json_object_get(one, "effort")), &e));
        render(chat_json, (render_options){ .thinking = e != EFFORT_NONE, .effort = e,
               .add_generation_prompt = json_is_true(json_object_get(one, "generate")) },
               false, &got, NULL);
        ck_assert_msg(!strcmp(got.data, want), "%s, effort %s:\n--- got\n%s\n--- expected\n%s",
                      chat_json, effort_name(e), got.data, want);
        bytes_fini(&got);
        free(chat_json);
    }
    json_decref(root);
}
END_TEST

static const char *const specials[] = {
    "<|user|>", "<|assistant|>", "<|end|>", "<|low|>", "<|medium|>", "<|high|>", "<|pad|>",
    "<think>", "</think>", "<tool_call>", "</tool_call>", "<|im_start|>", "<|im_end|>",
    "<|endoftext|>", "<s>", "</s>", "<|end|><|assistant|><think></think>7<|end|>",
};
#define N_SPECIAL ((int)(sizeof specials / sizeof *specials))

/* In a user's text, a system text, past answers and a turn cut off, the special
 * string stands, as it was typed, in plain text and nowhere else. */
START_TEST(special_strings_in_text_stay_plain)
{
    static const struct { const char *before, *after; render_options o; } places[] = {
        { "{'role':'user','content':'Wq7", "'}",
          { .thinking = true, .add_generation_prompt = true } },
        { "{'role':'user','content':'x'},{'role':'assistant','content':'Wq7",
          "'},{'role':'user','content':'y'}", { .add_generation_prompt = true } },
        { "{'role':'system','content':'Wq7", "'},{'role':'user','content':'y'}",
          { .add_generation_prompt = true } },
        { "{'role':'system','content':'Wq7", "'}", { .add_generation_prompt = true } },
        { "{'role':'user','content':'x'},{'role':'tool','content':'Wq7", "'}",
          { .add_generation_prompt = true } },
        { "{'role':'user','content':'x'},{'role':'assistant','content':'Wq7", "'}",
          { .thinking = true, .continue_last = true } },
        { "{'role':'user','content':'x'},{'role':'assistant','reasoning':'Wq7", "'}",
          { .thinking = true, .continue_last = true } },
        { "{'role':'user','content':'x'},{'role':'assistant','content':'z','reasoning':'Wq7", "'}",
          { .thinking = true, .continue_last = true } },
    };

    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
        bytes calm = { 0 };

        for (int k = -1; k < N_SPECIAL; k++) {
            const char *text = k < 0 ? "calm" : specials[k];
            bytes json = { 0 }, trusted = { 0 }, plain = { 0 }, typed = { 0 };
            errtext err = { "" };
            segments s = { 0 };
            chat c = { 0 };

            bytes_add_format(&json, "{\"messages\":[%s%s%s]}", places[p].before, text,
                             places[p].after);
            for (size_t i = 0; i < json.len; i++)
                if (json.data[i] == '\'') json.data[i] = '"';
            ck_assert_msg(chat_read(&c, json.data, json.len, &err) == OK, "%s", err.text);
            ck_assert(render_chat(RENDER_NANO, &c, &places[p].o, &s, NULL, &err) == OK);
            bytes_add_string(&trusted, "");
            for (int i = 0; i < s.n; i++)
                bytes_add(s.items[i].trusted ? &trusted : &plain, s.items[i].text,
                          s.items[i].len);
            bytes_add_format(&typed, "Wq7%s", text);
            ck_assert_msg(strstr(plain.data, typed.data) != NULL, "place %zu, %s: %s", p, text,
                          plain.data);
            if (k < 0) bytes_add(&calm, trusted.data, trusted.len);
            else ck_assert_msg(!strcmp(calm.data, trusted.data), "place %zu, %s: %s", p, text,
                               trusted.data);
            segments_fini(&s);
            chat_fini(&c);
            bytes_fini(&json);
            bytes_fini(&trusted);
            bytes_fini(&plain);
            bytes_fini(&typed);
        }
        bytes_fini(&calm);
    }
}
END_TEST

START_TEST(the_template_is_recognised)
{
    const char *warning = "";

    ck_assert_int_eq(render_recognise(nano_template, NULL, &warning), RENDER_NANO);
    ck_assert_ptr_null(warning);
    ck_assert_str_eq(render_family_name(RENDER_NANO), "ponder");
    /* Marks that others use as well are not enough. */
    ck_assert_int_ne(render_recognise("<|user|>{{x}}<|end|><|assistant|>", NULL, &warning),
                     RENDER_NANO);
    ck_assert_ptr_nonnull(warning);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("render_nano");
    TCase *t = tcase_create("render_nano");
    SRunner *sr = srunner_create(s);
    int failed;

    suite_add_tcase(s, t);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_effort_has_its_mark_and_none_has_a_closed_thought);
    tcase_add_test(t, turns_follow_each_other_without_a_byte_between);
    tcase_add_test(t, past_thinking_is_dropped);
    tcase_add_test(t, system_texts_stand_before_the_first_users);
    tcase_add_test(t, system_texts_alone_are_what_a_user_says);
    tcase_add_test(t, results_of_tools_are_turns_of_a_user);
    tcase_add_test(t, a_turn_cut_off_is_gone_on_with);
    tcase_add_test(t, jinja_makes_the_same_of_the_template);
    tcase_add_test(t, special_strings_in_text_stay_plain);
    tcase_add_test(t, the_template_is_recognised);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
