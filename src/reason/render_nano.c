/* render_nano.c - the models this program trains from nothing.
 *
 * A turn is a mark, the text and an end, without a byte between them, since in
 * a model this small every token counts:
 *
 *   <|user|>TEXT<|end|><|assistant|><|medium|><think>TRACE</think>ANSWER<|end|>
 *
 * The effort mark is what the model was taught to scale its trace by; an answer
 * without a thought has no mark, and the thought is written closed and empty.
 * Past thinking is dropped. The model knows no system turn and no tools: both
 * stand, in words, at the head of the first user's text, or are that user's text
 * where no user has spoken. */
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

/* Does a user, or a tool, speak at all? */
static bool has_user(const chat *c)
{
    for (int i = 0; i < c->n; i++)
        if (!is_system(&c->items[i]) && c->items[i].role != CHAT_ASSISTANT) return true;
    return false;
}

/* System texts and tools, once, before what the first user says. */
static status put_preface(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    const bool before_user = has_user(c);
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
        if (!before_user) segments_trusted(job->out, "<|user|>");
        pieces_emit(&p, job->out);
        if (before_user) segments_plain(job->out, "\n", 1);
        else segments_trusted(job->out, "<|end|>");
    }
    pieces_fini(&p);
    return st;
}

static void open_thought(render_job *job)
{
    segments_trusted(job->out, effort_mark(job->options->effort));
    segments_trusted(job->out, "<think>");
    job->info->think_open = true;
}

/* An assistant's turn up to where the model goes on; m is the turn that was cut
 * off, or NULL for a new one. */
static void open_turn(render_job *job, const chat_message *m)
{
    const bool text = m && !content_empty(m);
    const bool thought = m && (text ? m->reasoning_len > 0 : m->reasoning != NULL);

    segments_trusted(job->out, "<|assistant|>");
    if (thought || (job->options->thinking && !text)) open_thought(job);
    else segments_trusted(job->out, "<think></think>");
    if (thought) segments_plain(job->out, m->reasoning, m->reasoning_len);
    if (!text) return;
    if (thought) segments_trusted(job->out, "</think>");
    job->info->think_open = false;
    put_content(job->out, m);
}

status render_nano(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    const render_options *o = job->options;
    segments *out = job->out;
    bool prefaced = false;
    status st;

    if (!has_user(c)) {
        if ((st = put_preface(job, err)) != OK) return st;
        prefaced = true;
    }
    for (int i = 0; i < c->n; i++) {
        const chat_message *m = &c->items[i];

        if (is_system(m)) continue;
        if (o->continue_last && i == c->n - 1) {
            open_turn(job, m);
            return OK;
        }
        if (m->role == CHAT_ASSISTANT) {
            segments_trusted(out, "<|assistant|>");
            put_content(out, m);
            put_tagged_calls(out, m, !content_empty(m), false);
        } else {
            segments_trusted(out, "<|user|>");
            if (!prefaced && (st = put_preface(job, err)) != OK) return st;
            prefaced = true;
            put_content(out, m);
        }
        segments_trusted(out, "<|end|>");
    }
    if (o->add_generation_prompt && !o->continue_last) open_turn(job, NULL);
    return OK;
}
