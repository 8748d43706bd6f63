/* mixture.h - which problems a run draws, and how often.
 *
 * A mixture is a list of parts, each a family with depths and a share; a cell
 * is one depth of one part. Example number i of a seed is a pure function of
 * (mixture, shares, split, seed, i), so a data cursor is one number. */
#ifndef TRAIN_MIXTURE_H
#define TRAIN_MIXTURE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "tasks/problem.h"

#define MIXTURE_MAX_CELL 256

typedef struct mixture mixture;

/* From a JSON list of objects:
 *
 *   task       family name
 *   depth      number or list of numbers
 *   share      weight among the parts, by default 1; its depths share it evenly
 *   direct     part of the examples answered without thinking, by default 0
 *   effort     {"low": w, "medium": w, "high": w}, by default medium alone
 *   name       of its cells, by default the family: "NAME DEPTH"
 *   functions  strings only: numbers of the functions that may occur
 *
 * `where` (a path into the job) opens every message; E_FORMAT, E_LIMIT and E_ARG
 * name the entry and key. On OK *out is the caller's. */
status mixture_parse(mixture **out, const json_t *list, const char *where, errtext *err);
void mixture_free(mixture *m);                   /* accepts NULL */

int mixture_cells(const mixture *m);
const char *mixture_cell_name(const mixture *m, int cell);       /* "chain 5" */
double mixture_cell_share(const mixture *m, int cell);           /* they sum to 1 */

typedef struct drawn {
    const task *task;
    problem problem;         /* the caller frees it with problem_fini */
    int cell;
    bool direct;
    trace_effort effort;
} drawn;

/* shares [n_cell] or NULL for the mixture's own; they need not sum to 1. */
void mixture_draw(const mixture *m, const double *shares, split s, uint64_t seed,
                  uint64_t index, drawn *out);

/* The same from one cell. */
void mixture_draw_cell(const mixture *m, int cell, split s, uint64_t seed, uint64_t index,
                       drawn *out);

#endif
