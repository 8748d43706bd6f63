/* render_r1.c - DeepSeek-R1 and its distills, Qwen and Llama alike.
 *
 * The template drops past thinking and opens the next one itself, except after
 * tool results, where the assistant's turn just goes on.
 *
 * Ours: all system messages count (the template keeps the last), definitions of
 * tools are stated in the system part (the template has no place for them), and
 * each run of calls and of results has its own begin and end marks; the
 * template writes the begin marks once in a conversation and the end marks of
 * calls only from the second call on. */
#include <string.h>

#include "reason/render_internal.h"

static const char assistant[] = "<｜Assistant｜>";
static const char sentence_end[] = "<｜end▁of▁sentence｜>";
static const char outputs_end[] = "<｜tool▁outputs▁end｜>";

static status put_system(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    pieces p = { 0 };
    bool any = false;

    for (int i = 0; i < c->n; i++) {
        if (!is_system(&c->items[i])) continue;
        if (any) pieces_trusted(&p, "\n\n");
        pieces_content(&p, &c->items[i]);
        any = true;
    }
    const status st = pieces_tools(&p, c, call_form_r1, err);
    if (st == OK) pieces_emit(&p, job->out);
    pieces_fini(&p);
    return st;
}

static void put_calls(segments *out, const chat_message *m)
{
    segments_trusted(out, "<｜tool▁calls▁begin｜>");
    for (int k = 0; k < m->n_call; k++) {
        if (k) segments_trusted(out, "\n");
        segments_trusted(out, "<｜tool▁call▁begin｜>function<｜tool▁sep｜>");
        put_plain_string(out, m->calls[k].name);
        segments_trusted(out, "\n```json\n");
        put_arguments(out, m->calls[k].arguments, false);
        segments_trusted(out, "\n```<｜tool▁call▁end｜>");
    }
    segments_trusted(out, "<｜tool▁calls▁end｜>");
}

/* What follows the last "</think>" of a text; all of it when there is none. */
static void put_answer(segments *out, const chat_message *m)
{
    static const char close[] = "</think>";
    const size_t n = sizeof close - 1;
    bytes text = { 0 };
    const char *at, *from;

    content_flat(m, &text);
    from = at = text.data;
    while ((at = memmem(at, text.len - (size_t)(at - text.data), close, n))) from = at += n;
    segments_plain(out, from, text.len - (size_t)(from - text.data));
    bytes_fini(&text);
}

static void put_assistant(render_job *job, int i, bool after_results)
{
    const chat_message *m = &job->chat->items[i];
    segments *out = job->out;

    segments_trusted(out, after_results ? outputs_end : assistant);
    if (thought_left_open(job->chat, i, job->options)) {
        put_open_thought(out, m);
        job->info->think_open = true;
        return;
    }
    if (after_results) put_content(out, m);
    else put_answer(out, m);
    if (m->n_call) put_calls(out, m);
    if (i < job->chat->n - 1 || !job->options->continue_last)
        segments_trusted(out, sentence_end);
}

status render_r1(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    const render_options *o = job->options;
    bool after_results = false;

    segments_trusted(job->out, "<｜begin▁of▁sentence｜>");
    const status st = put_system(job, err);
    if (st != OK) return st;
    for (int i = 0; i < c->n; i++) {
        const chat_message *m = &c->items[i];
        if (is_system(m)) continue;
        if (m->role == CHAT_ASSISTANT) {
            put_assistant(job, i, after_results);
        } else if (m->role == CHAT_TOOL) {
            segments_trusted(job->out, after_results ? "\n" : "<｜tool▁outputs▁begin｜>");
            segments_trusted(job->out, "<｜tool▁output▁begin｜>");
            put_content(job->out, m);
            segments_trusted(job->out, "<｜tool▁output▁end｜>");
        } else {
            if (after_results) segments_trusted(job->out, outputs_end);
            segments_trusted(job->out, "<｜User｜>");
            put_content(job->out, m);
        }
        after_results = m->role == CHAT_TOOL;
    }
    if (after_results) {
        segments_trusted(job->out, outputs_end);
    } else if (o->add_generation_prompt && !o->continue_last) {
        segments_trusted(job->out, assistant);
        segments_trusted(job->out, o->thinking ? "<think>\n" : "<think>\n</think>");
        job->info->think_open = o->thinking;
    }
    return OK;
}
