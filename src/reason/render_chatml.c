/* render_chatml.c - ChatML and SmolLM2: one turn a message, nothing else.
 *
 * The templates know neither tools nor thinking. Both go into the system part
 * in words of ours, calls into <tool_call> tags behind the content. */
#include "reason/render_internal.h"

static const char smollm2_system[] =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

static status put_system(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    const bool given = is_system(&c->items[0]);
    pieces p = { 0 };

    if (given) pieces_content(&p, &c->items[0]);
    else if (job->family == RENDER_SMOLLM2) pieces_trusted(&p, smollm2_system);
    if (job->options->thinking) {
        if (!pieces_empty(&p)) pieces_trusted(&p, "\n\n");
        pieces_trusted(&p, think_instruction);
    }
    const status st = pieces_tools(&p, c, call_form_tags, err);
    if (st == OK && (given || !pieces_empty(&p))) {
        segments_trusted(job->out, "<|im_start|>system\n");
        pieces_emit(&p, job->out);
        segments_trusted(job->out, "<|im_end|>\n");
    }
    pieces_fini(&p);
    return st;
}

static void put_turn(render_job *job, int i, int i_user)
{
    const chat_message *m = &job->chat->items[i];
    const render_options *o = job->options;
    segments *out = job->out;

    segments_trusted(out, "<|im_start|>");
    segments_trusted(out, is_system(m) ? "system" : chat_role_name(m->role));
    segments_trusted(out, "\n");
    if (m->role == CHAT_ASSISTANT && o->thinking) {
        if (thought_left_open(job->chat, i, o)) {
            put_open_thought(out, m);
            job->info->think_open = true;
            return;
        }
        if (m->reasoning_len && i > i_user) put_thought(out, m);
    }
    put_content(out, m);
    if (m->role == CHAT_ASSISTANT) put_tagged_calls(out, m, !content_empty(m), false);
    if (o->continue_last && i == job->chat->n - 1) return;
    segments_trusted(out, "<|im_end|>\n");
}

status render_chatml(render_job *job, errtext *err)
{
    const chat *c = job->chat;
    const render_options *o = job->options;
    const int i_user = last_user(c);
    const status st = put_system(job, err);

    if (st != OK) return st;
    for (int i = is_system(&c->items[0]) ? 1 : 0; i < c->n; i++) put_turn(job, i, i_user);
    if (o->add_generation_prompt && !o->continue_last) {
        segments_trusted(job->out, "<|im_start|>assistant\n");
        if (o->thinking) segments_trusted(job->out, THINK_OPEN);
        job->info->think_open = o->thinking;
    }
    return OK;
}
