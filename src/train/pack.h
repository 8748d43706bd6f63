/* pack.h - sequences side by side as rows of one taped pass.
 *
 * Row t of a sequence holds token t and predicts token t + 1, so the last token
 * needs no row. Completions of one prompt share its rows: whole pages of the
 * prompt are a run of their own, and each completion a run that reads them. */
#ifndef TRAIN_PACK_H
#define TRAIN_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "model/backward.h"

typedef struct pack {
    int max_row;
    int32_t *ids;            /* [max_row] */
    int n_row;
    gradient_run *runs;
    int n_run, cap_run;
    tape_target *targets;    /* [max_row] */
    int32_t *origin;         /* [max_row] of a target: number given by the caller */
    int32_t *place;          /* [max_row] of a target: which token of its sequence */
    int n_target;
    int shared;              /* run of the prompt that the next completions share, -1 */
    int shared_rows;
} pack;

void pack_init(pack *p, int max_row);
void pack_fini(pack *p);
void pack_clear(pack *p);

/* A sequence of its own: tokens from first_target on are targets. False, and
 * nothing is added, when it does not fit any more. */
bool pack_add(pack *p, const int32_t *ids, int n, int first_target, int origin);

/* The same, less the tokens that given [n] marks (NULL: none). */
bool pack_add_less(pack *p, const int32_t *ids, int n, int first_target, const uint8_t *given,
                   int origin);

/* Begin a group on a prompt; false when not even the prompt fits. */
bool pack_prompt(pack *p, const int32_t *ids, int n_prompt);

/* A completion of the group begun last: ids hold the prompt, too. wanted [n] or
 * NULL says which tokens are targets. */
bool pack_completion(pack *p, const int32_t *ids, int n_prompt, int n, const uint8_t *wanted,
                     int origin);

tape_batch pack_batch(const pack *p);

#endif
