/* render.c - which family a model speaks, and its marks. */
#include "reason/render.h"

#include <string.h>

#include "reason/render_internal.h"

static const char *const names[RENDER_N_FAMILY] = {
    [RENDER_CHATML] = "chatml", [RENDER_SMOLLM2] = "smollm2", [RENDER_QWEN25] = "qwen2.5",
    [RENDER_QWEN3] = "qwen3", [RENDER_QWEN3_INSTRUCT] = "qwen3-instruct",
    [RENDER_QWEN3_THINKING] = "qwen3-thinking", [RENDER_SMOLLM3] = "smollm3",
    [RENDER_SMOLLM3_EDIT] = "smollm3-edit", [RENDER_LLAMA3] = "llama3",
    [RENDER_LLAMA31] = "llama3.1", [RENDER_R1] = "r1",
    [RENDER_NANO] = "ponder",
};

const char *render_family_name(render_family f)
{
    return names[f];
}

status render_chat(render_family f, const chat *c, const render_options *options,
                   segments *out, render_info *info, errtext *err)
{
    render_info state = { .thinking = options->thinking };
    render_job job = { f, c, options, out, &state };
    const render_date d = options->date;
    status st;

    if (c->n == 0) return fail(err, E_ARG, "messages: there are none");
    if (d.year && (d.year < 1 || d.year > 9999 || d.month < 1 || d.month > 12 || d.day < 1
                   || d.day > 31))
        return fail(err, E_ARG, "date: %d-%d-%d is not a day", d.year, d.month, d.day);
    if (options->continue_last) {
        const chat_message *last = &c->items[c->n - 1];
        if (last->role != CHAT_ASSISTANT || last->n_call)
            return fail(err, E_ARG, "messages[%d]: only an assistant's text can be continued",
                        c->n - 1);
    }
    switch (f) {
    case RENDER_CHATML: case RENDER_SMOLLM2:
        st = render_chatml(&job, err);
        break;
    case RENDER_QWEN25: case RENDER_QWEN3: case RENDER_QWEN3_INSTRUCT:
    case RENDER_QWEN3_THINKING:
        st = render_qwen(&job, err);
        break;
    case RENDER_SMOLLM3: case RENDER_SMOLLM3_EDIT:
        st = render_smollm3(&job, err);
        break;
    case RENDER_LLAMA3: case RENDER_LLAMA31:
        st = render_llama(&job, err);
        break;
    case RENDER_R1:
        st = render_r1(&job, err);
        break;
    case RENDER_NANO:
        st = render_nano(&job, err);
        break;
    default:
        CHECK(!"a family of render.h");
        return E_ARG;
    }
    if (info) *info = state;
    return st;
}

/* Thinking. A closer that is ordinary text merges with the punctuation before
 * it and, in the splitters of Llama 3 and Qwen, with the line ends after it;
 * native closers are tokens of their own. */

static const char *const forms_native[] = { "</think>", NULL };
static const char *const forms_text[] = {
    "</think>", "</think>\n", "</think>\n\n",
    ".</think>", ".</think>\n", ".</think>\n\n", NULL,
};

static const think_style style_native = {
    true, false, "<think>", "</think>", THINK_OPEN, THINK_CLOSE, forms_native,
};
static const think_style style_smollm3 = {       /* its template ends a thought so */
    true, false, "<think>", "</think>", THINK_OPEN, "\n</think>\n", forms_native,
};
static const think_style style_preopened = {
    true, true, "<think>", "</think>", THINK_OPEN, THINK_CLOSE, forms_native,
};
static const think_style style_nano = {
    true, true, "<think>", "</think>", "<think>", "</think>", forms_native,
};
static const think_style style_taught = {
    false, true, "<think>", "</think>", THINK_OPEN, THINK_CLOSE, forms_text,
};

const think_style *render_think_style(render_family f)
{
    switch (f) {
    case RENDER_QWEN3:
        return &style_native;
    case RENDER_SMOLLM3: case RENDER_SMOLLM3_EDIT:
        return &style_smollm3;
    case RENDER_QWEN3_THINKING: case RENDER_R1:
        return &style_preopened;
    case RENDER_NANO:
        return &style_nano;
    default:
        return &style_taught;
    }
}

const call_style *render_call_style(render_family f)
{
    static const call_style tags = { "<tool_call>", "</tool_call>", false, "arguments" };
    static const call_style llama31 = { "<|python_tag|>", NULL, true, "parameters" };
    static const call_style r1 = {
        "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", false, "arguments",
    };

    return f == RENDER_LLAMA31 ? &llama31 : f == RENDER_R1 ? &r1 : &tags;
}

/* Recognising. */

static bool has(const char *text, const char *mark)
{
    return strstr(text, mark) != NULL;
}

/* Does the template write an opened thought into the generation prompt? Jinja
 * source spells line ends as \n or as themselves. */
static bool opens_thinking(const char *text)
{
    return has(text, "assistant\\n<think>\\n'") || has(text, "assistant\\n<think>\\n\"")
        || has(text, "assistant\n<think>\n'");
}

static bool by_template(const char *text, render_family *out, const char **warning)
{
    static const char relative[] =
        "the model's chat template is a relative of a known one, whose turns are used; tools "
        "and thinking may suffer";

    if (has(text, "<｜User｜>") && has(text, "<｜Assistant｜>")) {
        *out = RENDER_R1;        /* V3 and later write other turns with these marks */
        if (!has(text, "is_output_first") || !has(text, "</think>")) *warning = relative;
    } else if (has(text, "<|assistant|>") && has(text, "<|medium|>")) {
        *out = RENDER_NANO;
    } else if (has(text, "<|start_header_id|>")) {
        *out = has(text, "Cutting Knowledge Date") ? RENDER_LLAMA31 : RENDER_LLAMA3;
        if (has(text, "<function=") || (*out == RENDER_LLAMA3 && strlen(text) > 1500))
            *warning = relative;
    } else if (!has(text, "<|im_start|>")) {
        return false;
    } else if (has(text, "Reasoning Mode: ")) {
        *out = has(text, "strftime_now") ? RENDER_SMOLLM3 : RENDER_SMOLLM3_EDIT;
        if (has(text, "### XML Tools"))
            *warning = "this SmolLM3 chat template is of a training stage; the released form "
                       "is used";
    } else if (has(text, "named SmolLM")) {
        *out = RENDER_SMOLLM2;
    } else if (has(text, "<tool_response>") && has(text, "<args-json-object>")) {
        *out = has(text, "You are Qwen, created by") ? RENDER_QWEN25
             : opens_thinking(text) ? RENDER_QWEN3_THINKING
             : has(text, "enable_thinking") ? RENDER_QWEN3 : RENDER_QWEN3_INSTRUCT;
        if (*out == RENDER_QWEN3_THINKING && !has(text, "last_query_index"))
            *warning = relative;             /* QwQ */
    } else {
        *out = RENDER_CHATML;
        /* A template that only loops over turns is ChatML; anything longer
         * does something this program does not know. */
        if (strlen(text) > 1500 || has(text, "tool"))
            *warning = "the model's chat template is unknown; plain ChatML turns are used, "
                       "and answers may suffer";
    }
    return true;
}

static bool by_tokens(const tokenizer *t, render_family *out, const char **warning)
{
    if (tokenizer_special(t, "<｜User｜>") >= 0) {
        *out = RENDER_R1;
        *warning = "the model has no known chat template; its tokens look like DeepSeek-R1's";
    } else if (tokenizer_special(t, "<|start_header_id|>") >= 0) {
        *out = RENDER_LLAMA31;
        *warning = "the model has no known chat template; its tokens look like Llama 3's";
    } else if (tokenizer_special(t, "<|im_start|>") >= 0) {
        *out = RENDER_CHATML;
        *warning = "the model has no known chat template; its tokens fit ChatML";
    } else {
        return false;
    }
    return true;
}

render_family render_recognise(const char *chat_template, const tokenizer *t,
                               const char **warning)
{
    render_family f = RENDER_CHATML;
    const char *mark;

    *warning = NULL;
    if (!(chat_template && by_template(chat_template, &f, warning))
        && !(t && by_tokens(t, &f, warning))) {
        *warning = "the model has no known chat template and no turn marks among its tokens; "
                   "ChatML written as plain text is used, and answers will suffer";
        return RENDER_CHATML;
    }
    mark = f == RENDER_NANO ? "<|assistant|>"
         : f == RENDER_R1 ? "<｜User｜>"
         : f == RENDER_LLAMA3 || f == RENDER_LLAMA31 ? "<|start_header_id|>" : "<|im_start|>";
    if (t && tokenizer_special(t, mark) < 0)
        *warning = "the tokenizer lacks the turn marks of the model's chat template; they are "
                   "written as plain text";
    return f;
}
