/* render_llama.c - Llama 3 and 3.1 to 3.3.
 *
 * 3.1 puts tool definitions into the first user turn and takes one call a turn;
 * several calls of one message become several turns here, where the template
 * gives up. As in the template, the text beside a call is dropped and a tool's
 * result is written as a JSON string. 3.0 knows no tools: ours go into the
 * system part. */
#include "reason/render_internal.h"

static const char header_open[] = "<|start_header_id|>";
static const char header_close[] = "<|end_header_id|>\n\n";
static const char turn_end[] = "<|eot_id|>";
static const char tools_intro[] =
    "Given the following functions, please respond with a JSON for a function call with its "
    "proper arguments that best answers the given prompt.\n\n"
    "Respond in the format {\"name\": function name, \"parameters\": dictionary of argument "
    "name and its value}.Do not use variables.\n\n";

static void put_header(segments *out, const char *role)
{
    segments_trusted(out, header_open);
    segments_trusted(out, role);
    segments_trusted(out, header_close);
}

static void put_trimmed(segments *out, const chat_message *m)
{
    pieces p = { 0 };

    pieces_content(&p, m);
    pieces_trim(&p, TRIM_BOTH, false);
    pieces_emit(&p, out);
}

/* The system text: the first message's, and how to think. */
static void system_text(render_job *job, pieces *p)
{
    const chat_message *first = &job->chat->items[0];

    if (is_system(first)) pieces_content(p, first);
    if (!job->options->thinking) return;
    if (!pieces_empty(p)) pieces_trusted(p, "\n\n");
    pieces_trusted(p, think_instruction);
}

static status put_system_30(render_job *job, errtext *err)
{
    pieces p = { 0 };

    system_text(job, &p);
    const status st = pieces_tools(&p, job->chat, call_form_tags, err);
    if (st == OK && (is_system(&job->chat->items[0]) || !pieces_empty(&p))) {
        put_header(job->out, "system");
        pieces_trim(&p, TRIM_BOTH, false);
        pieces_emit(&p, job->out);
        segments_trusted(job->out, turn_end);
    }
    pieces_fini(&p);
    return st;
}

static void put_system_31(render_job *job)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    const render_date given = job->options->date;
    const render_date d = given.year ? given : (render_date){ 2024, 7, 26 };
    bytes date = { 0 };
    pieces p = { 0 };

    put_header(job->out, "system");
    if (job->chat->n_tool) segments_trusted(job->out, "Environment: ipython\n");
    bytes_add_format(&date, "Cutting Knowledge Date: December 2023\nToday Date: %02d %s %d\n\n",
                     d.day, months[d.month - 1], d.year);
    segments_trusted(job->out, date.data);
    bytes_fini(&date);
    system_text(job, &p);
    pieces_trim(&p, TRIM_BOTH, false);
    pieces_emit(&p, job->out);
    segments_trusted(job->out, turn_end);
}

/* The first turn after the system part, with the tools in front. */
static status put_first_with_tools(render_job *job, int i, errtext *err)
{
    const chat *c = job->chat;

    if (i >= c->n)
        return fail(err, E_ARG, "messages: tools need a user's message to stand in");
    put_header(job->out, "user");
    segments_trusted(job->out, tools_intro);
    for (int t = 0; t < c->n_tool; t++) {
        const status st = put_tool(job->out, c, t, JSON_INDENT, err);
        if (st != OK) return st;
        segments_trusted(job->out, "\n\n");
    }
    put_trimmed(job->out, &c->items[i]);
    segments_trusted(job->out, turn_end);
    return OK;
}

static void put_calls(render_job *job, const chat_message *m, bool with_thought)
{
    for (int k = 0; k < m->n_call; k++) {
        put_header(job->out, "assistant");
        if (with_thought && k == 0) put_thought(job->out, m);
        segments_trusted(job->out, "{\"name\": \"");
        put_plain_string(job->out, m->calls[k].name);
        segments_trusted(job->out, "\", \"parameters\": ");
        put_arguments(job->out, m->calls[k].arguments, false);
        segments_trusted(job->out, "}");
        segments_trusted(job->out, turn_end);
    }
}

static void put_result(segments *out, const chat_message *m)
{
    bytes text = { 0 }, quoted = { 0 };

    put_header(out, "ipython");
    content_flat(m, &text);
    json_quote(&quoted, text.data, text.len);
    segments_plain(out, quoted.data, quoted.len);
    segments_trusted(out, turn_end);
    bytes_fini(&text);
    bytes_fini(&quoted);
}

static void put_assistant(render_job *job, int i, int i_user)
{
    const chat_message *m = &job->chat->items[i];
    const render_options *o = job->options;
    const bool with_thought = o->thinking && m->reasoning_len && i > i_user;
    segments *out = job->out;

    if (m->n_call && job->family == RENDER_LLAMA31) {
        put_calls(job, m, with_thought);
        return;
    }
    put_header(out, "assistant");
    if (o->thinking && thought_left_open(job->chat, i, o)) {
        put_open_thought(out, m);
        job->info->think_open = true;
        return;
    }
    if (with_thought) put_thought(out, m);
    put_trimmed(out, m);
    put_tagged_calls(out, m, !content_empty(m), false);
    if (i < job->chat->n - 1 || !o->continue_last) segments_trusted(out, turn_end);
}

status render_llama(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    const render_options *o = job->options;
    const int i_user = last_user(c);
    int i = is_system(&c->items[0]) ? 1 : 0;
    status st = OK;

    segments_trusted(job->out, "<|begin_of_text|>");
    if (job->family == RENDER_LLAMA3) {
        st = put_system_30(job, err);
    } else {
        put_system_31(job);
        if (c->n_tool) st = put_first_with_tools(job, i++, err);
    }
    if (st != OK) return st;
    for (; i < c->n; i++) {
        const chat_message *m = &c->items[i];
        if (m->role == CHAT_ASSISTANT) {
            put_assistant(job, i, i_user);
        } else if (m->role == CHAT_TOOL && job->family == RENDER_LLAMA31) {
            put_result(job->out, m);
        } else {
            put_header(job->out, is_system(m) ? "system" : chat_role_name(m->role));
            put_trimmed(job->out, m);
            segments_trusted(job->out, turn_end);
        }
    }
    if (o->add_generation_prompt && !o->continue_last) {
        put_header(job->out, "assistant");
        if (o->thinking) segments_trusted(job->out, THINK_OPEN);
        job->info->think_open = o->thinking;
    }
    return OK;
}
