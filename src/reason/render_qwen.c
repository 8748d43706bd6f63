/* render_qwen.c - Qwen2.5 and Qwen3: tools in the system turn, calls in
 * <tool_call> tags, results gathered in one user turn.
 *
 * Qwen3 keeps past thinking only after the last question of a user, so that a
 * chain of tool calls sees its own thoughts and a new question starts afresh. */
#include <string.h>

#include "reason/render_internal.h"

static const char qwen25_system[] =
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
static const char tools_open[] =
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>";
static const char tools_close[] =
    "\n</tools>\n\nFor each function call, return a json object with function name and "
    "arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>";

static bool is_native(render_family f)
{
    return f == RENDER_QWEN3 || f == RENDER_QWEN3_THINKING;
}

static status put_system(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    segments *out = job->out;
    const bool instruct = job->options->thinking && !is_native(job->family);
    const bool given = is_system(&c->items[0]);
    pieces p = { 0 };

    if (given) pieces_content(&p, &c->items[0]);
    else if (job->family == RENDER_QWEN25) pieces_trusted(&p, qwen25_system);
    if (instruct) {
        if (!pieces_empty(&p)) pieces_trusted(&p, "\n\n");
        pieces_trusted(&p, think_instruction);
    }
    const bool any = given || instruct || job->family == RENDER_QWEN25;
    if (any || c->n_tool) segments_trusted(out, "<|im_start|>system\n");
    pieces_emit(&p, out);
    if (c->n_tool) {
        if (any) segments_trusted(out, "\n\n");
        segments_trusted(out, tools_open);
        for (int i = 0; i < c->n_tool; i++) {
            segments_trusted(out, "\n");
            const status st = put_tool(out, c, i, JSON_LINE, err);
            if (st != OK) return st;
        }
        segments_trusted(out, tools_close);
    }
    if (any || c->n_tool) segments_trusted(out, "<|im_end|>\n");
    return OK;
}

/* A user's turn that is a tool result in the clothes of older clients. */
static bool is_tool_response(const chat_message *m)
{
    static const char open[] = "<tool_response>", close[] = "</tool_response>";
    const size_t n_open = sizeof open - 1, n_close = sizeof close - 1;
    bytes text = { 0 };

    content_flat(m, &text);
    const bool is = text.len >= n_close && !memcmp(text.data, open, n_open)
                 && !memcmp(text.data + text.len - n_close, close, n_close);
    bytes_fini(&text);
    return is;
}

static int last_query(const chat *c)
{
    for (int i = c->n - 1; i >= 0; i--)
        if (c->items[i].role == CHAT_USER && !is_tool_response(&c->items[i])) return i;
    return c->n - 1;
}

/* Where `what` last (or first) starts in text, or NULL. */
static const char *find(const char *text, size_t len, const char *what, bool last)
{
    const char *found = NULL, *at = text;
    const size_t n = strlen(what);

    while ((at = memmem(at, len - (size_t)(at - text), what, n))) {
        found = at;
        if (!last) break;
        at += n;
    }
    return found;
}

/* Past thinking that a client left in the content: what stands before the
 * first closer, behind the last opener there. The rest is the content. */
static void thought_split(const bytes *text, pieces *content, pieces *thought)
{
    static const char open[] = "<think>", close[] = "</think>";
    const char *first = find(text->data, text->len, close, false);

    if (!first) {
        pieces_plain(content, text->data, text->len);
        return;
    }
    const char *rest = find(text->data, text->len, close, true) + sizeof close - 1;
    pieces_plain(content, rest, text->len - (size_t)(rest - text->data));
    pieces_trim(content, TRIM_LEFT, true);

    pieces before = { 0 };
    pieces_plain(&before, text->data, (size_t)(first - text->data));
    pieces_trim(&before, TRIM_RIGHT, true);
    if (!pieces_empty(&before)) {
        const piece *t = before.items;
        const char *from = find(t->data, t->len, open, true);
        from = from ? from + sizeof open - 1 : t->data;
        pieces_plain(thought, from, t->len - (size_t)(from - t->data));
    }
    pieces_fini(&before);
}

static void put_assistant_qwen3(render_job *job, int i, int i_query)
{
    const chat_message *m = &job->chat->items[i];
    const bool last = i == job->chat->n - 1;
    segments *out = job->out;
    pieces content = { 0 }, thought = { 0 };
    bytes text = { 0 };

    segments_trusted(out, "<|im_start|>assistant\n");
    if (thought_left_open(job->chat, i, job->options)) {
        put_open_thought(out, m);
        job->info->think_open = true;
        return;
    }
    content_flat(m, &text);
    if (m->reasoning) {
        pieces_plain(&thought, m->reasoning, m->reasoning_len);
        pieces_plain(&content, text.data, text.len);
    } else {
        thought_split(&text, &content, &thought);
    }
    const bool after_text = !pieces_empty(&content);
    if (i > i_query && (last || !pieces_empty(&thought))) {
        segments_trusted(out, THINK_OPEN);
        pieces_trim(&thought, TRIM_BOTH, true);
        pieces_emit(&thought, out);
        segments_trusted(out, THINK_CLOSE);
        pieces_trim(&content, TRIM_LEFT, true);
    }
    pieces_emit(&content, out);
    put_tagged_calls(out, m, after_text, true);
    if (!last || !job->options->continue_last) segments_trusted(out, "<|im_end|>\n");
    pieces_fini(&thought);
    bytes_fini(&text);
}

/* Qwen2.5 and the Qwen3 that never thinks. */
static void put_assistant_plain(render_job *job, int i, int i_query)
{
    const chat_message *m = &job->chat->items[i];
    const bool old = job->family == RENDER_QWEN25;
    const bool thought = job->options->thinking && m->reasoning_len && i > i_query;
    segments *out = job->out;
    bool after_text = !content_empty(m);

    segments_trusted(out, "<|im_start|>assistant");
    if (job->options->thinking && thought_left_open(job->chat, i, job->options)) {
        segments_trusted(out, "\n");
        put_open_thought(out, m);
        job->info->think_open = true;
        return;
    }
    /* Qwen2.5 ends the line of the role only where something follows it. */
    if (!old || !m->n_call || after_text || thought) segments_trusted(out, "\n");
    else after_text = true;
    if (thought) put_thought(out, m);
    put_content(out, m);
    put_tagged_calls(out, m, after_text, !old);
    if (i < job->chat->n - 1 || !job->options->continue_last)
        segments_trusted(out, "<|im_end|>\n");
}

static void put_result(render_job *job, int i)
{
    const chat *c = job->chat;

    if (i == 0 || c->items[i - 1].role != CHAT_TOOL)
        segments_trusted(job->out, "<|im_start|>user");
    segments_trusted(job->out, "\n<tool_response>\n");
    put_content(job->out, &c->items[i]);
    segments_trusted(job->out, "\n</tool_response>");
    if (i == c->n - 1 || c->items[i + 1].role != CHAT_TOOL)
        segments_trusted(job->out, "<|im_end|>\n");
}

static void put_generation(render_job *job)
{
    const bool thinking = job->options->thinking;
    segments *out = job->out;

    segments_trusted(out, "<|im_start|>assistant\n");
    if (is_native(job->family) && !thinking) {
        segments_trusted(out, "<think>\n\n</think>\n\n");
    } else if (thinking && job->family != RENDER_QWEN3) {
        segments_trusted(out, THINK_OPEN);
        job->info->think_open = true;
    }
}

status render_qwen(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    const bool native = is_native(job->family);
    const int i_query = native ? last_query(c) : last_user(c);
    const status st = put_system(job, err);

    if (st != OK) return st;
    for (int i = is_system(&c->items[0]) ? 1 : 0; i < c->n; i++) {
        const chat_message *m = &c->items[i];
        if (m->role == CHAT_TOOL) {
            put_result(job, i);
        } else if (m->role == CHAT_ASSISTANT) {
            if (native) put_assistant_qwen3(job, i, i_query);
            else put_assistant_plain(job, i, i_query);
        } else {
            segments_trusted(job->out, is_system(m) ? "<|im_start|>system\n"
                                                    : "<|im_start|>user\n");
            put_content(job->out, m);
            segments_trusted(job->out, "<|im_end|>\n");
        }
    }
    if (job->options->add_generation_prompt && !job->options->continue_last)
        put_generation(job);
    return OK;
}
