/* sequence.c - rendering and encoding an example. */
#include "train/sequence.h"

#include <string.h>

#include "base/mem.h"
#include "decode/calculator.h"
#include "reason/render.h"

void sequence_fini(sequence *s)
{
    mem_free(s->ids);
    mem_free(s->given);
    *s = (sequence){ 0 };
}

void chat_of_prompt(chat *c, const char *prompt)
{
    chat_message_text(chat_add(c, CHAT_USER), prompt, strlen(prompt));
}

/* Append the ids of texts that stand in the middle: a first id keeps a
 * beginning-of-text token away, and is dropped again. */
static status encode_inner(reasoner *r, segments *s, int max_ids, sequence *out, errtext *err)
{
    int32_t *ids = mem_new(sizeof *ids);
    int n = 1;
    status st = tokenizer_encode(reasoner_tokenizer(r), s, max_ids - out->n + 1, &ids, &n, err);

    if (st == OK) {
        out->ids = mem_resize(out->ids, (size_t)(out->n + n), sizeof *out->ids);
        memcpy(out->ids + out->n, ids + 1, (size_t)(n - 1) * sizeof *ids);
        out->n += n - 1;
    }
    mem_free(ids);
    segments_fini(s);
    return st;
}

static status append_given(sequence *out, const int32_t *ids, int n, int max_ids, errtext *err)
{
    if (out->n + n > max_ids)
        return fail(err, E_LIMIT, "the example has more than %d tokens", max_ids);
    if (!out->given) out->given = mem_array((size_t)max_ids + 1, 1);
    out->ids = mem_resize(out->ids, (size_t)(out->n + n), sizeof *out->ids);
    memcpy(out->ids + out->n, ids, (size_t)n * sizeof *ids);
    memset(out->given + out->n, 1, (size_t)n);
    out->n += n;
    return OK;
}

/* Where the mark ends whose result begins at text, behind its >>; NULL: nowhere. */
static const char *end_of_mark(const char *text)
{
    const char *end = text + strcspn(text, "<>\n");

    return end[0] == '>' && end[1] == '>' ? end + 2 : NULL;
}

/* A thought or an answer, parted behind the = of every mark with a value: there
 * the decoder ends a token, too. What stands in `rest` has not been encoded yet. */
static status add_text(reasoner *r, const char *text, bool marks, segments *rest, int max_ids,
                       sequence *out, errtext *err)
{
    calculator calc = { 0 };
    const char *from = text;
    status st = OK;

    for (const char *at = text; marks && *at && st == OK; at++) {
        char result[CALCULATOR_MAX_RESULT];
        int32_t ids[CALCULATOR_MAX_IDS];
        const char *end;
        int n;

        calculator_add(&calc, at, 1);
        if (!calculator_rest(&calc, result) || !(end = end_of_mark(at + 1)) ||
            !(n = calculator_ids(reasoner_tokenizer(r), result, ids)))
            continue;
        segments_plain(rest, from, (size_t)(at + 1 - from));
        st = encode_inner(r, rest, max_ids, out, err);
        if (st == OK) st = append_given(out, ids, n, max_ids, err);
        calculator_add(&calc, result, strlen(result));
        from = end;
        at = end - 1;
    }
    segments_plain(rest, from, strlen(from));
    return st;
}

static status encode(reasoner *r, const chat *c, bool thinking, effort e, const char *think,
                     const char *answer, bool marks, int max_ids, sequence *out, errtext *err)
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
    if (st == OK && info.thinking) {
        if (think) st = add_text(r, think, marks, &rest, max_ids, out, err);
        segments_trusted(&rest, style->close_forced);
    }
    if (st == OK) st = add_text(r, answer, marks, &rest, max_ids, out, err);
    if (st == OK) st = encode_inner(r, &rest, max_ids, out, err);
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

status sequence_encode(reasoner *r, const chat *c, bool thinking, effort e, const char *think,
                       const char *answer, int max_ids, sequence *out, errtext *err)
{
    return encode(r, c, thinking, e, think, answer, false, max_ids, out, err);
}

status sequence_encode_marks(reasoner *r, const chat *c, bool thinking, effort e,
                             const char *think, const char *answer, int max_ids, sequence *out,
                             errtext *err)
{
    return encode(r, c, thinking, e, think, answer, true, max_ids, out, err);
}

int sequence_targets(const sequence *s, int first)
{
    int n = 0;

    for (int t = first; t < s->n; t++) n += !s->given || !s->given[t];
    return n;
}
