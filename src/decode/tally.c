/* tally.c - token counts in a dense list behind a hash of ids.
 *
 * Entries are never removed: one whose counts fell to zero costs a skip, and
 * there are at most as many as distinct tokens in the sequence. */
#include "decode/tally.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"

void tally_init(tally *t, int window)
{
    CHECK(window >= -1);
    *t = (tally){ .window = window };
    if (window > 0) t->ring = mem_array((size_t)window, sizeof *t->ring);
}

void tally_fini(tally *t)
{
    mem_free(t->entries);
    mem_free(t->index);
    mem_free(t->ring);
    *t = (tally){ 0 };
}

void tally_copy(tally *out, const tally *t)
{
    *out = *t;
    if (t->entries)
        out->entries = mem_copy(t->entries, (size_t)t->cap_entry * sizeof *t->entries);
    if (t->index) out->index = mem_copy(t->index, (size_t)t->n_index * sizeof *t->index);
    if (t->ring) out->ring = mem_copy(t->ring, (size_t)t->window * sizeof *t->ring);
}

static unsigned slot_start(const tally *t, int32_t id)
{
    return (uint32_t)id * 0x9E3779B1u & (unsigned)(t->n_index - 1);
}

static void index_put(tally *t, int i_entry)
{
    unsigned slot = slot_start(t, t->entries[i_entry].id);

    while (t->index[slot]) slot = (slot + 1) & (unsigned)(t->n_index - 1);
    t->index[slot] = i_entry + 1;
}

static tally_entry *entry_of(tally *t, int32_t id)
{
    if (t->n_index) {
        unsigned slot = slot_start(t, id);

        for (; t->index[slot]; slot = (slot + 1) & (unsigned)(t->n_index - 1)) {
            tally_entry *e = &t->entries[t->index[slot] - 1];

            if (e->id == id) return e;
        }
    }
    if (t->n_entry == t->cap_entry) {
        t->cap_entry = t->cap_entry ? 2 * t->cap_entry : 64;
        t->entries = mem_resize(t->entries, (size_t)t->cap_entry, sizeof *t->entries);
        t->n_index = 2 * t->cap_entry;
        mem_free(t->index);
        t->index = mem_array((size_t)t->n_index, sizeof *t->index);
        for (int i = 0; i < t->n_entry; i++) index_put(t, i);
    }
    t->entries[t->n_entry] = (tally_entry){ id, 0, 0 };
    index_put(t, t->n_entry);
    return &t->entries[t->n_entry++];
}

/* Count id into the window and let the oldest of a full window go. */
static tally_entry *window_add(tally *t, int32_t id)
{
    tally_entry *e;

    if (t->ring) {
        if (t->n_ring == t->window) entry_of(t, t->ring[t->at_ring])->n_window--;
        else t->n_ring++;
        t->ring[t->at_ring] = id;
        t->at_ring = t->at_ring + 1 == t->window ? 0 : t->at_ring + 1;
    }
    e = entry_of(t, id);
    if (t->window) e->n_window++;
    return e;
}

void tally_prompt(tally *t, const int32_t *ids, int n_id)
{
    /* Tokens that leave the window again before the first draw are skipped. */
    int start = t->window >= 0 && n_id > t->window ? n_id - t->window : 0;

    for (int i = start; i < n_id; i++) window_add(t, ids[i]);
}

void tally_add(tally *t, int32_t id)
{
    window_add(t, id)->n_output++;
}
