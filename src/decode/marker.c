/* marker.c - markers as automata over bytes. */
#include "decode/marker.h"

#include <string.h>

#include "base/mem.h"

int marker_step(const marker *m, int state, char c)
{
    while (state > 0 && m->text[state] != c) state = m->border[state - 1];
    return m->text[state] == c ? state + 1 : 0;
}

static void fill_borders(marker *m)
{
    int b = 0;

    for (int i = 1; i < m->len; i++) {
        while (b > 0 && m->text[i] != m->text[b]) b = m->border[b - 1];
        if (m->text[i] == m->text[b]) b++;
        m->border[i] = (uint8_t)b;
    }
}

static bool is_blank(token_text t, size_t from)
{
    for (size_t i = from; i < t.len; i++)
        if (!strchr(" \t\r\n", t.data[i]) || !t.data[i]) return false;
    return true;
}

static uint64_t states_completed(const marker *m, token_text t, uint64_t *trails)
{
    uint64_t from = 0;

    *trails = 0;
    /* Completion happens on the last byte, so most tokens drop out here. */
    if (!t.len || !memchr(t.data, m->text[m->len - 1], t.len)) return 0;
    for (int start = 0; start < m->len; start++) {
        int state = start;
        size_t i;

        for (i = 0; i < t.len && state < m->len; i++)
            state = marker_step(m, state, t.data[i]);
        if (state != m->len) continue;
        from |= 1ull << start;
        if (!is_blank(t, i)) *trails |= 1ull << start;
    }
    return from;
}

static void fill_completers(marker *m, int n_vocab, token_bytes_fn *bytes,
                            const void *arg)
{
    int cap = 0;

    for (int32_t id = 0; id < n_vocab; id++) {
        uint64_t trails, from = states_completed(m, bytes(arg, id), &trails);

        if (!from) continue;
        if (m->n_completer == cap) {
            cap = cap ? 2 * cap : 64;
            m->completers = mem_resize(m->completers, (size_t)cap, sizeof *m->completers);
        }
        m->completers[m->n_completer++] = (completer){ id, from, trails };
    }
}

status marker_init(marker *m, const marker_spec *spec, const char *field, int n_vocab,
                   token_bytes_fn *bytes, const void *arg, errtext *err)
{
    size_t len = spec->text ? strlen(spec->text) : 0;

    *m = (marker){ .id = -1 };
    if (!spec->text) return OK;
    if (len == 0 || len > MARKER_MAX_BYTES)
        return fail(err, E_ARG, "%s has %zu bytes; it must have 1 to %d", field, len,
                    MARKER_MAX_BYTES);
    if (spec->id < -1 || spec->id >= n_vocab)
        return fail(err, E_ARG, "%s is token %d; ids run from 0 to %d", field,
                    (int)spec->id, n_vocab - 1);
    memcpy(m->text, spec->text, len);
    m->len = (int)len;
    m->id = spec->id;
    fill_borders(m);
    if (m->id < 0) fill_completers(m, n_vocab, bytes, arg);
    return OK;
}

void marker_fini(marker *m)
{
    mem_free(m->completers);
    *m = (marker){ .id = -1 };
}
