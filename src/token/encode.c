/* encode.c - segments to ids.
 *
 * The segments are laid end to end and cut only at special tokens, which are
 * looked for inside trusted segments and nowhere else (invariant 2). Ordinary
 * text runs on across the edge of a segment, so the ids are those of the whole
 * rendered prompt, as in training, unless a plain segment spells a special
 * token: then its characters stay text. */
#include "token/internal.h"

#include "base/mem.h"
#include "base/utf8.h"

/* The symbols of a word need 32-bit offsets and some 50 bytes each. */
#define MAX_TEXT ((size_t)1 << 26)

typedef struct encoder {
    const tokenizer *t;
    merger merger;
    bytes normal;        /* a fragment after normalisation */
    bytes escaped;       /* SPM: with spaces as U+2581; else a piece in the byte
                          * alphabet */
    bool at_start;       /* no id before this fragment */
    bool after_special;  /* none, or a special one */
    int32_t *ids;
    int n, cap, max;
    errtext *err;
} encoder;

static status emit(encoder *e, int32_t id)
{
    if (e->n >= e->max)
        return fail(e->err, E_LIMIT, "text is longer than %d tokens", e->max);
    if (e->n >= e->cap) {
        e->cap = e->cap < INT32_MAX / 2 ? 2 * e->cap : INT32_MAX;
        if (e->cap < 64) e->cap = 64;
        e->ids = mem_resize(e->ids, (size_t)e->cap, sizeof *e->ids);
    }
    e->ids[e->n++] = id;
    return OK;
}

/* One piece of byte-level text. A byte that the vocabulary has no token for is
 * left out before merging, as the reference does. */
static status encode_piece(encoder *e, const char *text, size_t len)
{
    const tokenizer *t = e->t;
    merger *m = &e->merger;
    size_t n = 0;
    status st;

    if (len == 1) {
        int32_t id = t->byte_id[(unsigned char)*text];

        return id < 0 ? OK : emit(e, id);
    }
    if (t->spec.ignore_merges && len <= t->longest) {
        int32_t id;

        bytes_clear(&e->escaped);
        bytes_reserve(&e->escaped, 2 * len);
        id = words_find(&t->words, e->escaped.data,
                        alphabet_encode(&t->alphabet, text, len, e->escaped.data));
        if (id >= 0) return emit(e, id);
    }
    merger_reserve(m, len);
    m->text = text;
    for (size_t i = 0; i < len; i++) {
        int32_t id = t->byte_id[(unsigned char)text[i]];

        if (id >= 0) m->symbols[n++] = (symbol){ (uint32_t)i, id, 0, 0 };
    }
    m->symbols[n].start = (uint32_t)len;
    n = merger_run(m, n);
    for (size_t i = 0; i < n; i++)
        if ((st = emit(e, m->symbols[i].id)) != OK) return st;
    return OK;
}

static status encode_byte_level(encoder *e, const char *text, size_t len)
{
    split p = { .kind = e->t->kind };
    size_t start, end;
    status st;

    bytes_clear(&e->normal);
    if (e->t->nfc && normalize_nfc(&e->normal, text, len)) {
        text = e->normal.data;
        len = e->normal.len;
    }
    p.text = text;
    p.len = len;
    while (split_next(&p, &start, &end))
        if ((st = encode_piece(e, text + start, end - start)) != OK) return st;
    return OK;
}

/* A symbol no token stands for: its bytes, or the unknown token. */
static status emit_bytes(encoder *e, const char *text, size_t len)
{
    status st;

    for (size_t i = 0; i < len; i++)
        if (e->t->byte_id[(unsigned char)text[i]] < 0) return emit(e, e->t->spec.unk);
    for (size_t i = 0; i < len; i++)
        if ((st = emit(e, e->t->byte_id[(unsigned char)text[i]])) != OK) return st;
    return OK;
}

/* A fragment is one word to SentencePiece: pieces may hold inner spaces. */
static status encode_spm(encoder *e, const char *text, size_t len)
{
    const tokenizer *t = e->t;
    merger *m = &e->merger;
    bytes *b = &e->escaped;
    size_t n = 0;
    status st;

    bytes_clear(b);
    bytes_reserve(b, len + 3);
    if (t->prefix == PREFIX_EACH ? e->after_special
                                 : t->prefix == PREFIX_FIRST && e->at_start)
        bytes_add(b, "\xE2\x96\x81", 3);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ') bytes_add(b, "\xE2\x96\x81", 3);
        else bytes_add_char(b, text[i]);
    }
    merger_reserve(m, b->len);
    m->text = b->data;
    for (size_t at = 0; at < b->len;) {
        uint32_t code;
        int step = utf8_decode(b->data + at, b->len - at, &code);

        if (step == 0) step = 1;
        m->symbols[n++] = (symbol){ (uint32_t)at,
                                    words_find(&t->words, b->data + at, (size_t)step),
                                    0, 0 };
        at += (size_t)step;
    }
    m->symbols[n].start = (uint32_t)b->len;
    n = merger_run(m, n);
    for (size_t i = 0; i < n; i++) {
        const symbol *s = &m->symbols[i];

        st = s->id >= 0 ? emit(e, s->id)
                        : emit_bytes(e, b->data + s->start, s[1].start - s->start);
        if (st != OK) return st;
    }
    return OK;
}

/* Text between two special tokens. */
static status encode_fragment(encoder *e, const char *text, size_t len)
{
    status st;

    if (len == 0) return OK;
    st = e->t->spm ? encode_spm(e, text, len) : encode_byte_level(e, text, len);
    e->at_start = e->after_special = false;
    return st;
}

static status encode_all(encoder *e, const segments *in, const char *text, size_t len)
{
    const special_list *specials = &e->t->specials;
    size_t done = 0, end = 0;
    status st;

    for (int i = 0; i < in->n; i++) {
        size_t at = end;

        end += in->items[i].len;
        if (!in->items[i].trusted || specials->n == 0) continue;
        while (at < end) {
            int32_t id = specials_match(specials, text + at, end - at);

            if (id < 0) {
                at++;
                continue;
            }
            if ((st = encode_fragment(e, text + done, at - done)) != OK) return st;
            if ((st = emit(e, id)) != OK) return st;
            e->at_start = false;
            e->after_special = true;
            at += tokenizer_text(e->t, id).len;
            done = at;
        }
    }
    return encode_fragment(e, text + done, len - done);
}

/* Whether the first segment opens with the special token that bos is. */
static bool starts_with(const tokenizer *t, const segments *in, int32_t id)
{
    return in->n > 0 && in->items[0].trusted
           && specials_match(&t->specials, in->items[0].text, in->items[0].len) == id;
}

status tokenizer_encode(const tokenizer *t, const segments *in, int max_ids,
                        int32_t **ids, int *n_id, errtext *err)
{
    encoder e = { .t = t, .merger = { .t = t }, .ids = *ids, .n = *n_id, .cap = *n_id,
                  .max = max_ids, .err = err };
    bytes joined = { 0 };
    const char *text = NULL;
    size_t len = 0;
    int32_t last;
    status st = OK;

    e.at_start = *n_id == 0;
    last = *n_id ? (*ids)[*n_id - 1] : -1;
    e.after_special = *n_id == 0
                      || (last >= 0 && last < t->spec.n_token && token_is_special(t, last));
    for (int i = 0; i < in->n; i++) {
        if (in->items[i].len > MAX_TEXT - len)
            return fail(err, E_LIMIT, "text is longer than %zu bytes", MAX_TEXT);
        len += in->items[i].len;
    }
    /* Normalisation shortens text to a third at most, and no id stands for
     * more bytes than the longest token: hopeless text is refused unread. */
    if (max_ids < 0 || len / 4 / t->longest > (size_t)max_ids)
        return fail(err, E_LIMIT, "text of %zu bytes is longer than %d tokens", len, max_ids);
    if (in->n == 1) {
        text = in->items[0].text;
    } else {
        for (int i = 0; i < in->n; i++)
            bytes_add(&joined, in->items[i].text, in->items[i].len);
        text = joined.data;
    }
    if (t->spec.add_bos && *n_id == 0 && !starts_with(t, in, t->spec.bos))
        st = emit(&e, t->spec.bos);
    if (st == OK && len) st = encode_all(&e, in, text, len);
    *ids = e.ids;
    if (st == OK) *n_id = e.n;
    merger_fini(&e.merger);
    bytes_fini(&e.normal);
    bytes_fini(&e.escaped);
    bytes_fini(&joined);
    return st;
}
