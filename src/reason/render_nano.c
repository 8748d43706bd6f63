/* render_nano.c - the models this program trains from nothing.
 *
 * A turn is a mark, the text and an end, without a byte between them, since in
 * a model this small every token counts:
 *
 *   <|user|>TEXT<|end|><|assistant|><|medium|><think>TRACE</think>ANSWER<|end|>
 *
 * The effort mark is what the model was taught to scale its trace by; without
 * thinking the thought is written closed and empty. Past thinking is dropped.
 * The model knows no system turn and no tools: both stand, in words, at the
 * head of the first user's text. */
#include "reason/render_internal.h"

const char nano_template[] =
    "{%- for m in messages -%}"
    "{{ '<|assistant|>' if m.role == 'assistant' else '<|user|>' }}{{ m.content }}<|end|>"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>"
    "{%- if enable_thinking is defined and not enable_thinking -%}<think></think>"
    "{%- else -%}{{ '<|low|>' if reasoning_effort == 'low' else "
    "'<|high|>' if reasoning_effort == 'high' else '<|medium|>' }}<think>"
    "{%- endif -%}{%- endif -%}";

static const char *effort_mark(effort e)
{
    switch (e) {
    case EFFORT_MINIMAL: case EFFORT_LOW: return "<|low|>";
    case EFFORT_HIGH: case EFFORT_XHIGH: return "<|high|>";
    default: return "<|medium|>";
    }
}

/* System texts and tools, once, before what the first user says. */
static status put_preface(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    pieces p = { 0 };
    bool any = false;

    for (int i = 0; i < c->n; i++) {
        if (!is_system(&c->items[i])) continue;
        if (any) pieces_plain(&p, "\n", 1);
        pieces_content(&p, &c->items[i]);
        any = true;
    }
    const status st = pieces_tools(&p, c, call_form_tags, err);
    if (st == OK && !pieces_empty(&p)) {
        pieces_emit(&p, job->out);
        segments_plain(job->out, "\n", 1);
    }
    pieces_fini(&p);
    return st;
}

static void open_turn(render_job *job)
{
    const render_options *o = job->options;

    segments_trusted(job->out, "<|assistant|>");
    if (o->thinking) {
        segments_trusted(job->out, effort_mark(o->effort));
        segments_trusted(job->out, "<think>");
    } else {
        segments_trusted(job->out, "<think></think>");
    }
    job->info->think_open = o->thinking;
}

status render_nano(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    const render_options *o = job->options;
    segments *out = job->out;
    bool prefaced = false;

    for (int i = 0; i < c->n; i++) {
        const chat_message *m = &c->items[i];

        if (is_system(m)) continue;
        if (m->role != CHAT_ASSISTANT) {
            segments_trusted(out, "<|user|>");
            if (!prefaced) {
                const status st = put_preface(job, err);

                if (st != OK) return st;
                prefaced = true;
            }
            put_content(out, m);
        } else if (o->continue_last && i == c->n - 1) {
            open_turn(job);
            if (m->reasoning_len) segments_plain(out, m->reasoning, m->reasoning_len);
            if (content_empty(m)) return OK;
            if (o->thinking) segments_trusted(out, "</think>");
            job->info->think_open = false;
            put_content(out, m);
            return OK;
        } else {
            segments_trusted(out, "<|assistant|>");
            put_content(out, m);
            put_tagged_calls(out, m, !content_empty(m), false);
        }
        segments_trusted(out, "<|end|>");
    }
    if (o->add_generation_prompt && !o->continue_last) open_turn(job);
    return OK;
}
