/* render_smollm3.c - SmolLM3: a metadata block before every conversation.
 *
 * As in the template, "/think" and "/no_think" in the system prompt overrule
 * the option, and the released form leaves the system turn without its end mark
 * when there are no tools: the model answers to that form every day.
 *
 * Ours: all system messages go into the one block (the template drops those
 * that are not first), past tool calls are written in the tags the tools text
 * asks for (the template drops them), and the copied edit gets a tools block. */
#include <string.h>

#include "reason/render_internal.h"

static const char think_system[] =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face. Your role as an "
    "assistant involves thoroughly exploring questions through a systematic thinking process "
    "before providing the final precise and accurate solutions. This requires engaging in a "
    "comprehensive cycle of analysis, summarizing, exploration, reassessment, reflection, "
    "backtracking, and iteration to develop well-considered thinking process. Please "
    "structure your response into two main sections: Thought and Solution using the "
    "specified format: <think> Thought section </think> Solution section. In the Thought "
    "section, detail your reasoning process in steps. Each step should include detailed "
    "considerations such as analysing questions, summarizing relevant findings, "
    "brainstorming new ideas, verifying the accuracy of the current steps, refining any "
    "errors, and revisiting previous steps. In the Solution section, based on various "
    "attempts, explorations, and reflections from the Thought section, systematically "
    "present the final solution that you deem correct. The Solution section should be "
    "logical, accurate, and concise and detail necessary steps needed to reach the "
    "conclusion.";
static const char plain_system[] =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face.";
static const char tools_open[] =
    "### Tools\n\nYou may call one or more functions to assist with the user query.\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n\n"
    "<tools>\n";
static const char tools_close[] =
    "</tools>\n\nFor each function call, return a json object with function name and "
    "arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>\n\n";

static bool contains(const bytes *text, const char *what)
{
    return text->len && memmem(text->data, text->len, what, strlen(what));
}

static void remove_all(bytes *text, const char *what)
{
    const size_t n = strlen(what);
    size_t to = 0;

    for (size_t from = 0; from < text->len; ) {
        if (text->len - from >= n && !memcmp(text->data + from, what, n)) from += n;
        else text->data[to++] = text->data[from++];
    }
    if (text->data) text->data[to] = 0;
    text->len = to;
}

/* The system messages' text without its switches, as a plain piece. */
static void custom_read(render_job *job, bytes *text, bool *override)
{
    const chat *c = job->chat;
    bool any = false;

    for (int i = 0; i < c->n; i++) {
        if (!is_system(&c->items[i])) continue;
        if (any) bytes_add_string(text, "\n\n");
        content_flat(&c->items[i], text);
        any = true;
    }
    if (contains(text, "/no_think")) job->info->thinking = false;
    else if (contains(text, "/think")) job->info->thinking = true;
    *override = job->family == RENDER_SMOLLM3 && contains(text, "/system_override");
    remove_all(text, "/no_think");
    remove_all(text, "/think");
    if (!*override) return;

    pieces p = { 0 };
    bytes trimmed = { 0 };
    pieces_plain(&p, text->data, text->len);
    pieces_trim(&p, TRIM_RIGHT, false);
    pieces_flat(&p, &trimmed);
    pieces_fini(&p);
    bytes_fini(text);
    *text = trimmed;
    remove_all(text, "/system_override");
}

static void put_metadata(render_job *job)
{
    static const char *const months[] = {
        "January", "February", "March", "April", "May", "June", "July", "August",
        "September", "October", "November", "December",
    };
    const render_date d = job->options->date;

    segments_trusted(job->out, "## Metadata\n\nKnowledge Cutoff Date: June 2025\n");
    if (job->family == RENDER_SMOLLM3 && d.year) {
        bytes line = { 0 };
        bytes_add_format(&line, "Today Date: %02d %s %d\n", d.day, months[d.month - 1], d.year);
        segments_trusted(job->out, line.data);
        bytes_fini(&line);
    }
    segments_trusted(job->out, job->info->thinking ? "Reasoning Mode: /think\n\n"
                                                   : "Reasoning Mode: /no_think\n\n");
    segments_trusted(job->out, "## Custom Instructions\n\n");
}

static status put_tools(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    segments *out = job->out;
    pieces p = { 0 };
    status st;

    if (!c->n_tool) return OK;
    if (job->family == RENDER_SMOLLM3_EDIT) {
        st = pieces_tools(&p, c, call_form_tags, err);
        if (st == OK) {
            pieces_emit(&p, out);
            segments_trusted(out, "\n\n");
        }
        pieces_fini(&p);
        return st;
    }
    segments_trusted(out, tools_open);
    for (int i = 0; i < c->n_tool; i++) {
        if ((st = put_tool(out, c, i, JSON_PYTHON, err)) != OK) return st;
        segments_trusted(out, "\n");
    }
    segments_trusted(out, tools_close);
    return OK;
}

static status put_system(render_job *job, errtext *err)
{
    segments *out = job->out;
    bytes text = { 0 };
    pieces custom = { 0 };
    bool override;
    status st = OK;

    custom_read(job, &text, &override);
    pieces_plain(&custom, text.data, text.len);
    pieces_trim(&custom, TRIM_RIGHT, false);
    segments_trusted(out, "<|im_start|>system\n");
    if (override) {
        pieces_emit(&custom, out);
        segments_trusted(out, "<|im_end|>\n");
    } else {
        put_metadata(job);
        if (pieces_empty(&custom))
            pieces_trusted(&custom, job->info->thinking ? think_system : plain_system);
        pieces_emit(&custom, out);
        segments_trusted(out, "\n\n");
        st = put_tools(job, err);
        if (job->family == RENDER_SMOLLM3_EDIT || job->chat->n_tool)
            segments_trusted(out, "<|im_end|>\n");
    }
    pieces_fini(&custom);
    bytes_fini(&text);
    return st;
}

static void put_assistant(render_job *job, int i)
{
    const chat_message *m = &job->chat->items[i];
    segments *out = job->out;
    pieces p = { 0 };

    segments_trusted(out, "<|im_start|>assistant\n");
    if (job->info->thinking && thought_left_open(job->chat, i, job->options)) {
        put_open_thought(out, m);
        job->info->think_open = true;
        return;
    }
    if (!job->info->thinking) segments_trusted(out, "<think>\n\n</think>\n");
    pieces_content(&p, m);
    pieces_trim(&p, TRIM_LEFT, true);
    const bool after_text = !pieces_empty(&p);
    pieces_emit(&p, out);
    put_tagged_calls(out, m, after_text, false);
    if (i < job->chat->n - 1 || !job->options->continue_last)
        segments_trusted(out, "<|im_end|>\n");
}

status render_smollm3(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    const status st = put_system(job, err);

    if (st != OK) return st;
    for (int i = 0; i < c->n; i++) {
        const chat_message *m = &c->items[i];
        if (is_system(m)) continue;
        if (m->role == CHAT_ASSISTANT) {
            put_assistant(job, i);
            continue;
        }
        segments_trusted(job->out, "<|im_start|>user\n");    /* tool results too */
        put_content(job->out, m);
        segments_trusted(job->out, "<|im_end|>\n");
    }
    if (job->options->add_generation_prompt && !job->options->continue_last) {
        segments_trusted(job->out, "<|im_start|>assistant\n");
        if (!job->info->thinking) segments_trusted(job->out, "<think>\n\n</think>\n");
    }
    return OK;
}
