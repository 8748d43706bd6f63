/* suite.h - what `ponder eval` measures: a JSON file of cells and measures.
 *
 *   {"name": "nano", "seed": 1, "seeds": 3, "problems": 350, "split": "valid",
 *    "sections": [
 *      {"name": "reach", "cells": [{"task": "chain", "depth": [5, 6]}],
 *       "measures": ["direct", "greedy", "t1"], "group": 4},
 *      {"name": "gsm8k", "data": "test.jsonl", "grader": {...},
 *       "measures": ["greedy"], "max_answer": 512}]}
 *
 *   cells       a mixture (mixture.h); its shares do not matter. Or
 *   data        a file of rows (dataset.h, DATASET_RFT) with
 *   grader      ... a grader (grader.h)
 *   measures    list of names (evaluate.h), by default direct, greedy and t1
 *   split       "valid" (default), "test" or "train"; not for data
 *   problems    a seed, 350; of data by default all rows
 *   seeds       1 to 16, 3 (of data 1); seed: of the first, 1
 *   group       answers a problem for t1, 8
 *   effort      "low", "medium" (default), "high" ...
 *   budgets     rising numbers of tokens, 16 to 512 in doublings
 *   max_think   tokens of thought, 1024; max_answer: 64 (of data 512)
 *   calculator  true: marks <<48/2= are calculated (decode/calculator.h)
 *   about       a sentence for the report
 *
 * A key of the suite holds for all sections that do not have it themselves; with
 * "cells" or "data" beside it the suite is its own only section. */
#ifndef TRAIN_SUITE_H
#define TRAIN_SUITE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"
#include "train/evaluate.h"

#define SUITE_MAX_SECTION 64

typedef struct suite_section {
    char *name;
    char *about;             /* or NULL */
    mixture *mixture;        /* or NULL, with */
    dataset *data;
    grader *grader;
    eval_options options;    /* without the callbacks; its lists are the section's */
    int budgets[EVAL_MAX_BUDGET];
} suite_section;

typedef struct suite {
    char *name;
    suite_section *sections;
    int n;
} suite;

/* E_IO, or E_FORMAT / E_LIMIT / E_ARG with the path of the key at fault; data
 * files are opened and checked. On OK *out is to be released by suite_fini. */
status suite_read(suite *out, const char *path, errtext *err);
status suite_parse(suite *out, const json_t *json, const char *where, errtext *err);
void suite_fini(suite *s);                       /* accepts a zeroed suite */

/* Run all sections; hooks gives cancel, tell, live and arg. On OK *out is the
 * caller's:
 *
 *   {"suite", "sections": [{"name", "about", "settings": {...}, "cells": {...}}]} */
status suite_run(const suite *s, reasoner *r, const eval_options *hooks, json_t **out,
                 errtext *err);

/* The problems that the sections' cells would ask, a JSON object a line: messages,
 * task, key, answer and cell; rows for a ponder_task grader, here or elsewhere.
 * Files of rows are passed over. Appended to out. */
void suite_problems(const suite *s, bytes *out);

/* Results, charts and one HTML page in a folder, made when missing: results.json,
 * SECTION-WHAT.svg, report.html. `rows` are the metrics of a run of reinforcement
 * (metrics_read) whose curve is to stand beside, or NULL. */
status suite_write(const json_t *results, const json_t *rows, const char *dir, errtext *err);

#endif
