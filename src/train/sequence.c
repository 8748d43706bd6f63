/* sequence.c - rendering and encoding an example. */
#include "train/sequence.h"

#include <string.h>

#include "base/mem.h"
#include "reason/render.h"

void sequence_fini(sequence *s)
{
    mem_free(s->ids);
    *s = (sequence){ 0 };
}

void chat_of_prompt(chat *c, const char *prompt)
{
    chat_message_text(chat_add(c, CHAT_USER), prompt, strlen(prompt));
}

/* Append the ids of texts that stand in the middle: a first id keeps a
 * beginning-of-text token away, and is dropped again. */
static status encode_inner(reasoner *r, const segments *s, int max_ids, sequence *out,
                           errtext *err)
{
    int32_t *ids = mem_new(sizeof *ids);
    int n = 1;
    status st = tokenizer_encode(reasoner_tokenizer(r), s, max_ids + 1, &ids, &n, err);

    if (st == OK) {
        out->ids = mem_resize(out->ids, (size_t)(out->n + n), sizeof *out->ids);
        memcpy(out->ids + out->n, ids + 1, (size_t)(n - 1) * sizeof *ids);
        out->n += n - 1;
    }
    mem_free(ids);
    return st;
}

status sequence_encode(reasoner *r, const chat *c, bool thinking, effort e, const char *think,
                       const char *answer, int max_ids, sequence *out, errtext *err)
{
    const render_family f = reasoner_family(r);
    const render_options o = { .thinking = thinking, .effort = e, .add_generation_prompt = true };
    const think_style *style = render_think_style(f);
    render_info info = { 0 };
    segments prompt = { 0 }, rest = { 0 };
    status st;

    *out = (sequence){ 0 };
    st = render_chat(f, c, &o, &prompt, &info, err);
    if (st == OK && info.thinking && !info.think_open)
        segments_trusted(&prompt, style->open_forced);
    if (st == OK)
        st = tokenizer_encode(reasoner_tokenizer(r), &prompt, max_ids, &out->ids, &out->n, err);
    out->n_prompt = out->n;
    if (st == OK) {
        if (info.thinking) {
            if (think) segments_plain(&rest, think, strlen(think));
            segments_trusted(&rest, style->close_forced);
        }
        segments_plain(&rest, answer, strlen(answer));
        st = encode_inner(r, &rest, max_ids - out->n, out, err);
    }
    if (st == OK && out->n >= max_ids)
        st = fail(err, E_LIMIT, "the example has more than %d tokens", max_ids);
    if (st == OK) {
        out->ids = mem_resize(out->ids, (size_t)out->n + 1, sizeof *out->ids);
        out->ids[out->n++] = tokenizer_eos(reasoner_tokenizer(r));
    }
    segments_fini(&prompt);
    segments_fini(&rest);
    if (st != OK) sequence_fini(out);
    return st;
}
