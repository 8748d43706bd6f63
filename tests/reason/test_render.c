/* Renderers against reference templates, and the promise that nobody's text
 * ever stands in a trusted segment.
 *
 * The expected prompts come from Jinja templates run by transformers
 * (tools/make_chat_fixtures.py says where each is from). Two are not the
 * published files: plain ChatML has none, and the template of Qwen3's 2507
 * thinking release could not be had, so it is stood in for by Qwen3's with an
 * opened thought in the generation prompt. */
#include "reason/render.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "reason/render_json.h"

#define FIXTURES "tests/fixtures/chat/"

static json_t *fixture(const char *name)
{
    char path[128];
    json_error_t where;

    snprintf(path, sizeof path, FIXTURES "%s.json", name);
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &where);
    ck_assert_msg(root != NULL, "%s: %s", path, where.text);
    return root;
}

static const char *text_of(const json_t *object, const char *key, size_t *len)
{
    const json_t *value = json_object_get(object, key);

    ck_assert_msg(json_is_string(value), "%s", key);
    if (len) *len = json_string_length(value);
    return json_string_value(value);
}

static void joined(const segments *s, bytes *out, bool trusted_only)
{
    bytes_reserve(out, 0);
    for (int i = 0; i < s->n; i++)
        if (!trusted_only || s->items[i].trusted)
            bytes_add(out, s->items[i].text, s->items[i].len);
}

/* Render a chat given as text: one line of setup for tests by hand. */
static void render_text(render_family f, const char *json, render_options o, bytes *out)
{
    errtext err = { "" };
    chat c = { 0 };
    segments s = { 0 };

    ck_assert_msg(chat_read(&c, json, strlen(json), &err) == OK, "%s", err.text);
    ck_assert_msg(render_chat(f, &c, &o, &s, NULL, &err) == OK, "%s", err.text);
    joined(&s, out, false);
    segments_fini(&s);
    chat_fini(&c);
}

/* References. */

static void check_case(render_family f, const json_t *chats, const json_t *one,
                       render_date day)
{
    const char *name = text_of(one, "chat", NULL);
    const json_t *source = NULL;
    errtext err = { "" };
    size_t i, len;
    chat c = { 0 };
    segments s = { 0 };
    bytes got = { 0 };

    for (i = 0; i < json_array_size(chats) && !source; i++)
        if (!strcmp(text_of(json_array_get(chats, i), "name", NULL), name))
            source = json_array_get(chats, i);
    ck_assert_msg(source != NULL, "no chat \"%s\"", name);
    char *json = json_dumps(source, JSON_COMPACT | JSON_REAL_PRECISION(17));
    ck_assert_msg(chat_read(&c, json, strlen(json), &err) == OK, "%s: %s", name, err.text);
    free(json);

    const render_options o = {
        .thinking = json_is_true(json_object_get(one, "thinking")),
        .add_generation_prompt = json_is_true(json_object_get(source, "generate")),
        .continue_last = json_is_true(json_object_get(source, "continue")),
        .date = day,
    };
    render_info info;
    ck_assert_msg(render_chat(f, &c, &o, &s, &info, &err) == OK, "%s: %s", name, err.text);
    joined(&s, &got, false);
    const char *expect = text_of(one, "expect", &len);
    for (i = 0; i < len && i < got.len && got.data[i] == expect[i]; ) i++;
    ck_assert_msg(got.len == len && i == len,
                  "%s, %s, thinking %d: differs at %zu\n--- got\n%.600s\n--- expected\n%.600s",
                  render_family_name(f), name, o.thinking, i,
                  got.data + (i > 100 ? i - 100 : 0), expect + (i > 100 ? i - 100 : 0));

    /* What info says about the end of the prompt is there to be seen. */
    const char *open = NULL, *at = got.data;
    while ((at = memmem(at, got.len - (size_t)(at - got.data), "<think>", 7))) open = at++;
    const bool ends_open = open && !memmem(open, got.len - (size_t)(open - got.data),
                                           "</think>", 8)
                        && !memmem(open, got.len - (size_t)(open - got.data), "<|im_end|>", 10)
                        && !memmem(open, got.len - (size_t)(open - got.data), "<|eot_id|>", 10)
                        && !strstr(open, "<｜");
    ck_assert_msg(info.think_open == ends_open, "%s, %s, thinking %d: think_open %d",
                  render_family_name(f), name, o.thinking, info.think_open);
    for (int k = 1; k < s.n; k++) ck_assert(s.items[k].trusted != s.items[k - 1].trusted);
    bytes_fini(&got);
    segments_fini(&s);
    chat_fini(&c);
}

START_TEST(prompt_equals_the_reference_template)
{
    const render_family f = (render_family)_i;
    json_t *chats = fixture("chats"), *root = fixture(render_family_name(f));
    const json_t *cases = json_object_get(root, "cases"), *day = json_object_get(root, "day");
    const render_date date = {
        (int)json_integer_value(json_array_get(day, 0)),
        (int)json_integer_value(json_array_get(day, 1)),
        (int)json_integer_value(json_array_get(day, 2)),
    };

    ck_assert_uint_ge(json_array_size(cases), 40);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(f, chats, json_array_get(cases, i), date);
    json_decref(chats);
    json_decref(root);
}
END_TEST

START_TEST(r1_writes_text_before_its_calls)
{
    bytes got = { 0 };

    render_text(RENDER_R1,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Warm?\"},"
        "{\"role\":\"assistant\",\"content\":\"Let me look.\",\"tool_calls\":[{\"function\":"
        "{\"name\":\"look\",\"arguments\":{\"at\":1.50}}}]},"
        "{\"role\":\"tool\",\"content\":\"21\"}]}",
        (render_options){ .thinking = true, .add_generation_prompt = true }, &got);
    ck_assert_str_eq(got.data,
        "<｜begin▁of▁sentence｜><｜User｜>Warm?<｜Assistant｜>Let me look.<｜tool▁calls▁begin｜>"
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n{\"at\": 1.5}\n```"
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
        "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>21<｜tool▁output▁end｜>"
        "<｜tool▁outputs▁end｜>");
    bytes_fini(&got);
}
END_TEST

START_TEST(llama_keeps_a_taught_thought_with_its_first_call)
{
    bytes got = { 0 };

    render_text(RENDER_LLAMA31,
        "{\"messages\":[{\"role\":\"system\",\"content\":\"Be kind.\"},"
        "{\"role\":\"user\",\"content\":\"Warm?\"},{\"role\":\"assistant\",\"content\":\"\","
        "\"reasoning\":\"\\nBoth.\\n\",\"tool_calls\":["
        "{\"function\":{\"name\":\"a\",\"arguments\":\"{}\"}},"
        "{\"function\":{\"name\":\"b\",\"arguments\":\"\"}}]},"
        "{\"role\":\"tool\",\"content\":\"2\\\"1\"}]}",
        (render_options){ .thinking = true, .add_generation_prompt = true }, &got);
    ck_assert_str_eq(strstr(got.data, "Be kind."),
        "Be kind.\n\nThink before you answer: reason step by step between <think> and "
        "</think>, then give the final answer after </think>.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nWarm?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n<think>\nBoth.\n</think>\n\n"
        "{\"name\": \"a\", \"parameters\": {}}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
        "{\"name\": \"b\", \"parameters\": {}}<|eot_id|>"
        "<|start_header_id|>ipython<|end_header_id|>\n\n\"2\\\"1\"<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n<think>\n");
    bytes_fini(&got);
}
END_TEST

START_TEST(dates_are_optional)
{
    const char *json = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    bytes llama = { 0 }, smollm3 = { 0 };

    render_text(RENDER_LLAMA31, json, (render_options){ 0 }, &llama);
    ck_assert(strstr(llama.data, "\nToday Date: 26 Jul 2024\n\n"));
    render_text(RENDER_SMOLLM3, json, (render_options){ 0 }, &smollm3);
    ck_assert(strstr(smollm3.data, "June 2025\nReasoning Mode: /no_think\n"));
    bytes_fini(&llama);
    bytes_fini(&smollm3);
}
END_TEST

START_TEST(smollm3_switch_in_the_system_prompt_reaches_the_caller)
{
    errtext err;
    chat c = { 0 };
    segments s = { 0 };
    render_info info;
    const render_options o = { .thinking = true, .add_generation_prompt = true };

    chat_message_text(chat_add(&c, CHAT_SYSTEM), "Brief. /no_think", 16);
    chat_message_text(chat_add(&c, CHAT_USER), "Hi", 2);
    ck_assert(render_chat(RENDER_SMOLLM3, &c, &o, &s, &info, &err) == OK);
    ck_assert(!info.thinking && !info.think_open);
    segments_fini(&s);
    chat_fini(&c);
}
END_TEST

/* Injection. */

#define MARK "Wq7"

static const char *const specials[] = {
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start|>system\n", "<think>",
    "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>",
    "<tools>", "</tools>", "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
    "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "<|python_tag|>",
    "<|finetune_right_pad_id|>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>",
    "<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
    "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>", "<|vision_start|>", "<|fim_prefix|>", "<|file_sep|>", "<s>",
    "</s>", "<unk>", "[INST]", "<|user|>", "<|assistant|>", "<|end|>", "<|low|>", "<|medium|>",
    "<|high|>", "<|pad|>",
};

enum channel {
    IN_SYSTEM, IN_DEVELOPER, IN_USER, IN_ASSISTANT, IN_REASONING, IN_LATE_REASONING,
    IN_CALL_NAME, IN_ARGUMENT, IN_ARGUMENT_KEY, IN_BAD_ARGUMENTS, IN_RESULT, IN_TOOL_NAME,
    IN_TOOL_TEXT, IN_FILE, IN_FILE_NAME, IN_SPEAKER, IN_CALL_ID, IN_CONTINUED, N_CHANNEL,
};

static const char *pick(enum channel here, enum channel at, const char *text)
{
    return here == at ? text : "calm";
}

static void text_add(chat *c, chat_role role, const char *text)
{
    chat_message_text(chat_add(c, role), text, strlen(text));
}

/* A chat with something in every place, and `text` in one. */
static void chat_with(chat *c, enum channel at, const char *text)
{
    bytes json = { 0 };
    chat_message *m;

    text_add(c, CHAT_SYSTEM, pick(IN_SYSTEM, at, text));
    text_add(c, CHAT_USER, pick(IN_USER, at, text));
    m = chat_add(c, CHAT_ASSISTANT);
    chat_message_text(m, pick(IN_ASSISTANT, at, text), strlen(pick(IN_ASSISTANT, at, text)));
    if (at != IN_ASSISTANT)
        chat_message_reasoning(m, pick(IN_REASONING, at, text),
                               strlen(pick(IN_REASONING, at, text)));
    text_add(c, CHAT_DEVELOPER, pick(IN_DEVELOPER, at, text));
    m = chat_add(c, CHAT_USER);
    m->name = mem_string(pick(IN_SPEAKER, at, text));
    chat_message_file(m, pick(IN_FILE_NAME, at, text), pick(IN_FILE, at, text),
                      strlen(pick(IN_FILE, at, text)));
    chat_message_text(m, "What of it?", 11);

    m = chat_add(c, CHAT_ASSISTANT);
    chat_message_reasoning(m, pick(IN_LATE_REASONING, at, text),
                           strlen(pick(IN_LATE_REASONING, at, text)));
    bytes_add_string(&json, "{");
    json_quote(&json, pick(IN_ARGUMENT_KEY, at, text), strlen(pick(IN_ARGUMENT_KEY, at, text)));
    bytes_add_string(&json, ":");
    json_quote(&json, pick(IN_ARGUMENT, at, text), strlen(pick(IN_ARGUMENT, at, text)));
    bytes_add_string(&json, "}");
    chat_message_call(m, pick(IN_CALL_ID, at, text), pick(IN_CALL_NAME, at, text), json.data);
    chat_message_call(m, NULL, "other", pick(IN_BAD_ARGUMENTS, at, text));
    text_add(c, CHAT_TOOL, pick(IN_RESULT, at, text));
    text_add(c, CHAT_TOOL, "done");
    if (at == IN_CONTINUED) text_add(c, CHAT_ASSISTANT, text);

    bytes_clear(&json);
    bytes_add_string(&json, "{\"type\":\"function\",\"function\":{\"name\":");
    json_quote(&json, pick(IN_TOOL_NAME, at, text), strlen(pick(IN_TOOL_NAME, at, text)));
    bytes_add_string(&json, ",\"description\":");
    json_quote(&json, pick(IN_TOOL_TEXT, at, text), strlen(pick(IN_TOOL_TEXT, at, text)));
    bytes_add_string(&json, "}}");
    chat_add_tool(c, json.data);
    bytes_fini(&json);
}

static void trusted_text(render_family f, enum channel at, const char *text, bool thinking,
                         bytes *trusted, bytes *all)
{
    errtext err = { "" };
    chat c = { 0 };
    segments s = { 0 };
    const render_options o = { .thinking = thinking, .add_generation_prompt = true,
                               .continue_last = at == IN_CONTINUED };

    chat_with(&c, at, text);
    ck_assert_msg(render_chat(f, &c, &o, &s, NULL, &err) == OK, "%s", err.text);
    joined(&s, trusted, true);
    joined(&s, all, false);
    segments_fini(&s);
    chat_fini(&c);
}

static void inject(render_family f, enum channel at, const char *special, bool thinking)
{
    bytes calm = { 0 }, hurt = { 0 }, ignored = { 0 };
    char text[128];

    snprintf(text, sizeof text, MARK "%s" MARK, special);
    trusted_text(f, at, MARK "calm" MARK, thinking, &calm, &ignored);
    trusted_text(f, at, text, thinking, &hurt, &ignored);
    ck_assert_msg(!strstr(hurt.data, MARK), "%s, channel %d, %s: user's bytes are trusted",
                  render_family_name(f), at, special);
    /* Templates look for "</think>" in past answers, and SmolLM3 for "/think"
     * in its system prompt; there the marks that stand may change. */
    const bool read_by_template = !strcmp(special, "</think>")
        && (at == IN_ASSISTANT || at == IN_CONTINUED || at == IN_SYSTEM || at == IN_DEVELOPER);
    if (!read_by_template)
        ck_assert_msg(!strcmp(calm.data, hurt.data),
                      "%s, channel %d, %s: the marks changed", render_family_name(f), at, special);
    bytes_fini(&calm);
    bytes_fini(&hurt);
    bytes_fini(&ignored);
}

START_TEST(no_text_of_others_is_ever_trusted)
{
    const render_family f = (render_family)_i;

    for (int at = 0; at < N_CHANNEL; at++)
        for (size_t k = 0; k < sizeof specials / sizeof *specials; k++) {
            inject(f, (enum channel)at, specials[k], false);
            inject(f, (enum channel)at, specials[k], true);
        }
}
END_TEST

/* Without this, the test above would also pass for a renderer that drops all. */
START_TEST(every_channel_that_a_family_renders_is_seen)
{
    const render_family f = (render_family)_i;

    for (int at = 0; at < N_CHANNEL; at++) {
        bytes trusted = { 0 }, all = { 0 };
        trusted_text(f, (enum channel)at, MARK "<s>" MARK, true, &trusted, &all);
        const bool native = render_think_style(f)->native;
        const bool qwen3 = f == RENDER_QWEN3 || f == RENDER_QWEN3_THINKING;
        const bool never = at == IN_SPEAKER || at == IN_CALL_ID || at == IN_REASONING
                        || (at == IN_LATE_REASONING && native && !qwen3);
        ck_assert_msg(never == !strstr(all.data, MARK), "%s, channel %d",
                      render_family_name(f), at);
        bytes_fini(&trusted);
        bytes_fini(&all);
    }
}
END_TEST

START_TEST(a_long_file_stands_apart_from_the_question)
{
    const render_options o = { .add_generation_prompt = true };
    errtext err;
    chat c = { 0 };
    segments s = { 0 };
    int i_file = -1, i_question = -1;

    chat_message *m = chat_add(&c, CHAT_USER);
    chat_message_file(m, "notes.md", "All is well.", 12);
    chat_message_text(m, "Is it?", 6);
    ck_assert(render_chat(RENDER_QWEN3, &c, &o, &s, NULL, &err) == OK);
    for (int i = 0; i < s.n; i++) {
        if (s.items[i].trusted) continue;
        if (!strcmp(s.items[i].text, "All is well.")) i_file = i;
        if (!strcmp(s.items[i].text, "Is it?")) i_question = i;
    }
    ck_assert_int_ge(i_file, 0);
    ck_assert_int_gt(i_question, i_file);
    segments_fini(&s);
    chat_fini(&c);
}
END_TEST

/* JSON. */

START_TEST(json_is_written_as_python_writes_it)
{
    json_t *cases = fixture("json");
    static const char *const keys[] = { "line", "indent", "python" };

    for (size_t i = 0; i < json_array_size(cases); i++)
        for (int style = JSON_LINE; style <= JSON_PYTHON; style++) {
            const json_t *one = json_array_get(cases, i);
            size_t len, want_len;
            const char *text = text_of(one, "text", &len);
            const char *want = text_of(one, keys[style], &want_len);
            errtext err = { "" };
            bytes got = { 0 };
            ck_assert_msg(json_rewrite(&got, text, len, style, &err) == OK, "%s", err.text);
            size_t same = 0;
            while (same < got.len && got.data[same] == want[same]) same++;
            ck_assert_msg(got.len == want_len && same == got.len,
                          "case %zu, %s, at %zu: \"%.60s\" instead of \"%.60s\"", i, keys[style],
                          same, got.data + (same > 20 ? same - 20 : 0),
                          want + (same > 20 ? same - 20 : 0));
            if (style != JSON_PYTHON && !strstr(want, "Infinity"))
                ck_assert_uint_eq(json_value_length(want, want_len), want_len);
            bytes_fini(&got);
        }
    json_decref(cases);
}
END_TEST

START_TEST(what_is_not_json_is_refused_with_its_place)
{
    static const struct {
        const char *text;
        size_t at;
    } bad[] = {
        { "", 0 }, { "{", 1 }, { "[1,]", 3 }, { "{\"a\":1,}", 7 }, { "{\"a\" 1}", 5 },
        { "[1 2]", 3 }, { "01", 2 }, { "1.", 2 }, { "-", 1 }, { "1e", 2 }, { "tru", 0 },
        { "nan", 0 }, { "\"a", 2 }, { "\"\\x\"", 2 }, { "\"\\u12g4\"", 5 },
        { "\"\\ud800\"", 7 }, { "\"\\udc00\"", 7 }, { "\"\n\"", 1 }, { "\"\xff\"", 1 },
        { "{} x", 3 }, { "{1:2}", 1 }, { "'a'", 0 },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int style = JSON_LINE; style <= JSON_PYTHON; style++) {
            bytes out = { 0 };
            errtext err = { "" };
            char want[32];
            bytes_add_string(&out, "kept");
            ck_assert_msg(json_rewrite(&out, bad[i].text, strlen(bad[i].text), style, &err)
                          == E_FORMAT, "%s", bad[i].text);
            snprintf(want, sizeof want, "offset %zu: ", bad[i].at);
            ck_assert_msg(!strncmp(err.text, want, strlen(want)), "%s: %s", bad[i].text,
                          err.text);
            ck_assert_str_eq(out.data, "kept");
            bytes_fini(&out);
        }
}
END_TEST

START_TEST(deep_json_is_refused_before_the_stack_ends)
{
    bytes deep = { 0 }, out = { 0 };
    errtext err = { "" };

    for (int i = 0; i < 1000000; i++) bytes_add_char(&deep, '[');
    ck_assert(json_rewrite(&out, deep.data, deep.len, JSON_LINE, &err) == E_LIMIT);
    ck_assert_uint_eq(json_value_length(deep.data, deep.len), 0);
    bytes_clear(&deep);
    for (int i = 0; i < JSON_MAX_DEPTH; i++) bytes_add_char(&deep, '[');
    for (int i = 0; i < JSON_MAX_DEPTH; i++) bytes_add_char(&deep, ']');
    ck_assert(json_rewrite(&out, deep.data, deep.len, JSON_LINE, &err) == OK);
    ck_assert_str_eq(out.data, deep.data);
    bytes_fini(&deep);
    bytes_fini(&out);
}
END_TEST

/* Families. */

static render_family recognise(const char *text, const char **warning)
{
    return render_recognise(text, NULL, warning);
}

START_TEST(families_are_known_by_their_marks)
{
    static const struct {
        const char *text;
        render_family family;
        bool warns;
    } known[] = {
        { "{{'<|im_start|>' + m.role}}", RENDER_CHATML, false },
        { "{{'<|im_start|>system\nYou are a helpful AI assistant named SmolLM'}}",
          RENDER_SMOLLM2, false },
        { "<|im_start|> You are Qwen, created by Alibaba <args-json-object> <tool_response>",
          RENDER_QWEN25, false },
        { "<|im_start|> <args-json-object> <tool_response> enable_thinking", RENDER_QWEN3,
          false },
        { "<|im_start|> <args-json-object> <tool_response>", RENDER_QWEN3_INSTRUCT, false },
        { "<args-json-object> <tool_response> '<|im_start|>assistant\\n<think>\\n'",
          RENDER_QWEN3_THINKING, true },
        { "<args-json-object> <tool_response> last_query_index "
          "'<|im_start|>assistant\\n<think>\\n'", RENDER_QWEN3_THINKING, false },
        { "<|im_start|> Reasoning Mode: strftime_now", RENDER_SMOLLM3, false },
        { "<|im_start|> Reasoning Mode: strftime_now ### XML Tools", RENDER_SMOLLM3, true },
        { "<|im_start|> Reasoning Mode: ", RENDER_SMOLLM3_EDIT, false },
        { "<|start_header_id|>", RENDER_LLAMA3, false },
        { "<|start_header_id|> Cutting Knowledge Date: December 2023", RENDER_LLAMA31, false },
        { "<|start_header_id|> <function=", RENDER_LLAMA3, true },
        { "{{'<｜User｜>' + x}}{{'<｜Assistant｜>'}}", RENDER_R1, true },
        { "is_output_first '</think>' '<｜User｜>' '<｜Assistant｜>'", RENDER_R1, false },
        { "{{'<|im_start|>'}} {%- for tool in tools %}<function=x>", RENDER_CHATML, true },
        { "[INST] {{x}} [/INST]", RENDER_CHATML, true },
        { NULL, RENDER_CHATML, true },
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *warning;
        ck_assert_msg(recognise(known[i].text, &warning) == known[i].family, "%s",
                      known[i].text);
        ck_assert_msg((warning != NULL) == known[i].warns, "%s: %s", known[i].text, warning);
    }
}
END_TEST

START_TEST(without_a_template_the_tokens_decide)
{
    static const struct {
        const char *mark;
        render_family family;
    } known[] = {
        { "<|im_start|>", RENDER_CHATML }, { "<|start_header_id|>", RENDER_LLAMA31 },
        { "<｜User｜>", RENDER_R1 },
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        token_text tokens[258];
        int32_t kinds[258];
        static char one[256][4];
        for (int b = 0; b < 256; b++) {         /* the byte alphabet of gpt2 */
            static const unsigned extra = 256;
            const bool shown = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            unsigned code = (unsigned)b;
            if (!shown) {
                int before = 0;
                for (int k = 0; k < b; k++)
                    before += !((k >= 33 && k <= 126) || (k >= 161 && k <= 172) || k >= 174);
                code = extra + (unsigned)before;
            }
            tokens[b].data = one[b];
            tokens[b].len = code < 0x80 ? 1 : 2;
            if (code < 0x80) {
                one[b][0] = (char)code;
            } else {
                one[b][0] = (char)(0xc0 | code >> 6);
                one[b][1] = (char)(0x80 | (code & 0x3f));
            }
            kinds[b] = TOKEN_NORMAL;
        }
        tokens[256] = (token_text){ known[i].mark, strlen(known[i].mark) };
        tokens[257] = (token_text){ "<|end|>", 7 };
        kinds[256] = kinds[257] = TOKEN_CONTROL;
        const vocab_spec spec = {
            .model = "gpt2", .pre = "gpt-2", .n_token = 258, .tokens = tokens, .kinds = kinds,
            .bos = -1, .eos = 257, .eot = -1, .unk = -1, .pad = -1,
        };
        tokenizer *t;
        errtext err = { "" };
        const char *warning;
        ck_assert_msg(tokenizer_new(&t, &spec, &err) == OK, "%s", err.text);
        ck_assert_int_eq(render_recognise(NULL, t, &warning), known[i].family);
        ck_assert_ptr_nonnull(warning);
        ck_assert_int_eq(render_recognise("[INST]", t, &warning), known[i].family);
        render_recognise("<|start_header_id|>", t, &warning);
        ck_assert((warning == NULL) == (known[i].family == RENDER_LLAMA31));
        tokenizer_free(t);
    }
}
END_TEST

START_TEST(the_closing_forms_start_with_the_closer)
{
    for (int f = 0; f < RENDER_N_FAMILY; f++) {
        const think_style *style = render_think_style((render_family)f);
        ck_assert_str_eq(style->close_forms[0], style->close);
        ck_assert(strstr(style->close_forced, style->close));
        ck_assert(strstr(style->open_forced, style->open) == style->open_forced);
        for (int i = 0; style->close_forms[i]; i++)
            ck_assert(strstr(style->close_forms[i], style->close));
    }
}
END_TEST

/* Tool calls. */

static int parse(const char *text, chat_call *calls, int max)
{
    return render_parse_calls(text, strlen(text), calls, max);
}

START_TEST(calls_of_every_family_are_read)
{
    static const char *const good[] = {
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1.50}}\n</tool_call>",
        "{\"name\": \"f\", \"arguments\": {\"x\": 1.50}}",
        "\n{\"name\": \"f\", \"arguments\": {\"x\": 1.50}}\n",
        "{\"arguments\": \"{\\\"x\\\": 1.50}\", \"name\": \"f\"}",
        "{\"name\": \"f\", \"parameters\": {\"x\": 1.50}}",
        "<|python_tag|>{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"x\": 1.50}}",
        "{\"id\":\"1\",\"function\":{\"name\":\"f\",\"arguments\":{\"x\": 1.50}}}",
        "[{\"name\": \"f\", \"arguments\": {\"x\": 1.50}}]",
        "<tool_call>[{\"name\": \"f\", \"arguments\": {\"x\": 1.50}}]</tool_call>",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n"
        "{\"x\": 1.50}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"x\": 1.50}\n```",
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        chat_call call = { 0 };
        ck_assert_msg(parse(good[i], &call, 1) == 1, "%s", good[i]);
        ck_assert_str_eq(call.name, "f");
        ck_assert_str_eq(call.arguments, "{\"x\": 1.50}");
        ck_assert_ptr_null(call.id);
        chat_call_fini(&call);
    }
}
END_TEST

START_TEST(several_calls_are_read_in_order)
{
    static const char *const good[] = {
        "<tool_call>\n{\"name\": \"a\"}\n</tool_call>\n<tool_call>\n{\"name\": \"b\"}\n"
        "</tool_call>",
        "{\"name\": \"a\"}; {\"name\": \"b\"}", "[{\"name\": \"a\"}, {\"name\": \"b\"}]",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>a\n```json\n{}\n```"
        "<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>b\n```json\n{}\n```"
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        chat_call calls[3] = { 0 };
        ck_assert_msg(parse(good[i], calls, 3) == 2, "%s", good[i]);
        ck_assert_str_eq(calls[0].name, "a");
        ck_assert_str_eq(calls[1].name, "b");
        ck_assert_str_eq(calls[1].arguments, "{}");
        chat_call_fini(&calls[0]);
        chat_call_fini(&calls[1]);
        ck_assert_msg(parse(good[i], calls, 1) == 0, "%s", good[i]);
    }
}
END_TEST

START_TEST(a_span_that_is_not_a_call_is_left_as_text)
{
    static const char *const bad[] = {
        "", " ", "Hello", "{", "{}", "[]", "null", "{\"name\": 1}", "{\"name\": \"\"}",
        "{\"name\": \"a\\u0000b\"}", "{\"name\": \"a\\nb\"}",
        "{\"name\": \"f\", \"arguments\": [1]}", "{\"name\": \"f\", \"arguments\": \"x\"}",
        "{\"name\": \"f\", \"arguments\": {\"x\": }}", "{\"name\": \"f\"} and then",
        "{\"name\": \"f\"}{\"name\": 2}", "<tool_call>{\"name\": \"f\"", "[[{\"name\": \"f\"}]]",
        "<tool_call></tool_call>", "{\"function\": {\"function\": {\"name\": \"f\"}}}",
        "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>function",
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f",
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n[]\n```",
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n",
    };
    chat_call calls[2] = { 0 };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(parse(bad[i], calls, 2) == 0, "%s", bad[i]);
}
END_TEST

START_TEST(every_prefix_of_a_call_is_harmless)
{
    static const char whole[] =
        "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": [1, \"\\ud83d\\ude00\"]}}\n"
        "</tool_call><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n```";
    chat_call calls[2] = { 0 };

    for (size_t from = 0; from < sizeof whole; from++)
        for (size_t len = 0; len < sizeof whole - from; len++) {
            char *copy = mem_copy(whole + from, len ? len : 1);     /* ends where it ends */
            const int n = render_parse_calls(copy, len, calls, 2);
            for (int i = 0; i < n; i++) chat_call_fini(&calls[i]);
            mem_free(copy);
        }
}
END_TEST

/* Errors. */

static status refuse(render_family f, const char *json, render_options o, errtext *err)
{
    chat c = { 0 };
    segments s = { 0 };

    ck_assert(chat_read(&c, json, strlen(json), err) == OK);
    const status st = render_chat(f, &c, &o, &s, NULL, err);
    segments_fini(&s);
    chat_fini(&c);
    return st;
}

START_TEST(what_cannot_be_rendered_is_refused)
{
    const render_options plain = { .add_generation_prompt = true };
    const render_options more = { .continue_last = true };
    const render_options day = { .date = { 2026, 13, 1 } };
    errtext err = { "" };
    chat c = { 0 };
    segments s = { 0 };

    for (int k = 0; k < RENDER_N_FAMILY; k++) {
        const render_family f = (render_family)k;
        ck_assert(refuse(f, "{\"messages\":[]}", plain, &err) == E_ARG);
        ck_assert(refuse(f, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", more, &err)
                  == E_ARG);
        ck_assert_str_eq(err.text, "messages[0]: only an assistant's text can be continued");
        ck_assert(refuse(f, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", day, &err)
                  == E_ARG);
        chat_message_text(chat_add(&c, CHAT_USER), "x", 1);
        chat_add_tool(&c, "{}");
        chat_add_tool(&c, "{\"name\": }");
        ck_assert_msg(render_chat(f, &c, &plain, &s, NULL, &err) == E_FORMAT, "%s",
                      render_family_name(f));
        ck_assert_str_eq(err.text, "tools[1]: offset 9: expected a value");
        segments_fini(&s);
        chat_fini(&c);
    }
    ck_assert(refuse(RENDER_LLAMA31, "{\"messages\":[{\"role\":\"system\",\"content\":\"x\"}],"
                     "\"tools\":[{}]}", plain, &err) == E_ARG);
}
END_TEST

START_TEST(a_bad_conversation_is_refused_by_name)
{
    static const struct {
        const char *json, *error;
    } bad[] = {
        { "[", "line 1: " }, { "{}", "messages: " }, { "{\"messages\":{}}", "messages: " },
        { "{\"messages\":[1]}", "messages[0].role: expected a string" },
        { "{\"messages\":[{\"role\":\"king\"}]}", "messages[0].role: \"king\"" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":1}]}", "messages[0].content: " },
        { "{\"messages\":[{\"role\":\"user\",\"content\":[{}]}]}", "messages[0].content: " },
        { "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]}",
          "messages[0].content: a text part" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
          "messages[0].content: part type \"image_url\"" },
        { "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\"}]}]}",
          "messages[0].content: a file" },
        { "{\"messages\":[{\"role\":\"user\"},{\"role\":\"assistant\",\"tool_calls\":1}]}",
          "messages[1].tool_calls: expected a list" },
        { "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{}]}]}",
          "messages[0].tool_calls: a call without a name" },
        { "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"name\":\"f\","
          "\"arguments\":[]}]}]}", "messages[0].tool_calls: arguments of f" },
        { "{\"messages\":[],\"tools\":1}", "tools: " },
        { "{\"messages\":[{\"role\":\"user\"}],\"tools\":[{},2]}", "tools[1]: " },
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        chat c = { 0 };
        errtext err = { "" };
        chat_message_text(chat_add(&c, CHAT_USER), "before", 6);
        chat_add_tool(&c, "{}");
        ck_assert_msg(chat_read(&c, bad[i].json, strlen(bad[i].json), &err) != OK, "%s",
                      bad[i].json);
        ck_assert_msg(!strncmp(err.text, bad[i].error, strlen(bad[i].error)), "%s: %s",
                      bad[i].json, err.text);
        ck_assert_int_eq(c.n, 1);
        ck_assert_int_eq(c.n_tool, 1);
        chat_fini(&c);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("render");
    TCase *t = tcase_create("render");

    tcase_set_timeout(t, 300);
    /* That of the nano, which is our own, is in test_render_nano.c. */
    tcase_add_loop_test(t, prompt_equals_the_reference_template, 0, RENDER_NANO);
    tcase_add_test(t, r1_writes_text_before_its_calls);
    tcase_add_test(t, llama_keeps_a_taught_thought_with_its_first_call);
    tcase_add_test(t, dates_are_optional);
    tcase_add_test(t, smollm3_switch_in_the_system_prompt_reaches_the_caller);
    tcase_add_loop_test(t, no_text_of_others_is_ever_trusted, 0, RENDER_N_FAMILY);
    tcase_add_loop_test(t, every_channel_that_a_family_renders_is_seen, 0, RENDER_N_FAMILY);
    tcase_add_test(t, a_long_file_stands_apart_from_the_question);
    tcase_add_test(t, json_is_written_as_python_writes_it);
    tcase_add_test(t, what_is_not_json_is_refused_with_its_place);
    tcase_add_test(t, deep_json_is_refused_before_the_stack_ends);
    tcase_add_test(t, families_are_known_by_their_marks);
    tcase_add_test(t, without_a_template_the_tokens_decide);
    tcase_add_test(t, the_closing_forms_start_with_the_closer);
    tcase_add_test(t, calls_of_every_family_are_read);
    tcase_add_test(t, several_calls_are_read_in_order);
    tcase_add_test(t, a_span_that_is_not_a_call_is_left_as_text);
    tcase_add_test(t, every_prefix_of_a_call_is_harmless);
    tcase_add_test(t, what_cannot_be_rendered_is_refused);
    tcase_add_test(t, a_bad_conversation_is_refused_by_name);
    suite_add_tcase(suite, t);
    SRunner *sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    const int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
