/* pack.c - filling the rows of a pass. */
#include "train/pack.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"

void pack_init(pack *p, int max_row)
{
    *p = (pack){ .max_row = max_row, .shared = -1 };
    p->ids = mem_array((size_t)max_row, sizeof *p->ids);
    p->targets = mem_array((size_t)max_row, sizeof *p->targets);
    p->origin = mem_array((size_t)max_row, sizeof *p->origin);
    p->place = mem_array((size_t)max_row, sizeof *p->place);
}

void pack_fini(pack *p)
{
    mem_free(p->ids);
    mem_free(p->runs);
    mem_free(p->targets);
    mem_free(p->origin);
    mem_free(p->place);
    *p = (pack){ 0 };
}

void pack_clear(pack *p)
{
    p->n_row = p->n_run = p->n_target = p->shared_rows = 0;
    p->shared = -1;
}

static int add_run(pack *p, const int32_t *ids, int first_pos, int n_row, int parent)
{
    if (p->n_run == p->cap_run) {
        p->cap_run = p->cap_run ? 2 * p->cap_run : 64;
        p->runs = mem_resize(p->runs, (size_t)p->cap_run, sizeof *p->runs);
    }
    p->runs[p->n_run] = (gradient_run){ first_pos, n_row, p->n_row, parent };
    memcpy(p->ids + p->n_row, ids, (size_t)n_row * sizeof *ids);
    p->n_row += n_row;
    return p->n_run++;
}

/* Token t of a sequence is predicted by the row of token t - 1. */
static void add_target(pack *p, int row, int32_t id, int origin, int place)
{
    p->targets[p->n_target] = (tape_target){ row, id };
    p->origin[p->n_target] = origin;
    p->place[p->n_target++] = place;
}

bool pack_add(pack *p, const int32_t *ids, int n, int first_target, int origin)
{
    return pack_add_less(p, ids, n, first_target, NULL, origin);
}

bool pack_add_less(pack *p, const int32_t *ids, int n, int first_target, const uint8_t *given,
                   int origin)
{
    int row = p->n_row;

    CHECK(n >= 2 && first_target >= 1);
    if (p->n_row + n - 1 > p->max_row) return false;
    add_run(p, ids, 0, n - 1, -1);
    for (int t = first_target; t < n; t++)
        if (!given || !given[t]) add_target(p, row + t - 1, ids[t], origin, t);
    return true;
}

bool pack_prompt(pack *p, const int32_t *ids, int n_prompt)
{
    int rows = (n_prompt - 1) / KV_PAGE * KV_PAGE;

    if (p->n_row + rows > p->max_row) return false;
    p->shared = rows ? add_run(p, ids, 0, rows, -1) : -1;
    p->shared_rows = rows;
    return true;
}

bool pack_completion(pack *p, const int32_t *ids, int n_prompt, int n, const uint8_t *wanted,
                     int origin)
{
    int first = p->shared_rows, row = p->n_row;

    CHECK(n > n_prompt && n_prompt > first);
    if (p->n_row + n - 1 - first > p->max_row) return false;
    add_run(p, ids + first, first, n - 1 - first, p->shared);
    for (int t = n_prompt; t < n; t++)
        if (!wanted || wanted[t]) add_target(p, row + t - 1 - first, ids[t], origin, t);
    return true;
}

tape_batch pack_batch(const pack *p)
{
    return (tape_batch){ p->n_row, p->ids, p->n_run, p->runs };
}
