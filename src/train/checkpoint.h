/* checkpoint.h - the state of a training run on disk (invariant 4).
 *
 * A checkpoint is a folder DIR/step-N of files of raw f32 and manifest.json,
 * which names every file with its size and SHA-256, every array with its place
 * and shape, and carries a hash of itself. It is written as step-N.tmp, every
 * file and the folder put on disk, then renamed: under its final name it is
 * whole, whenever the program dies. There is no "latest" file to go stale: the
 * newest folder that verifies is the latest. One process at a time writes. */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define CHECKPOINT_HASH 65   /* hex SHA-256 and its NUL */

/* An array to be saved from or loaded into `data`, which is borrowed. */
typedef struct checkpoint_array {
    const char *file;        /* bare file name, such as "weights.f32"; static text */
    char name[96];           /* distinct within a checkpoint */
    int n_out, n_in;
    float *data;             /* [n_out, n_in] */
} checkpoint_array;

typedef struct checkpoint_list {
    checkpoint_array *arrays;
    int n;
    int cap;
} checkpoint_list;

/* file is not copied, name is. Arrays of one file are added one after another. */
void checkpoint_list_add(checkpoint_list *list, const char *file, const char *name,
                         int n_out, int n_in, float *data);
void checkpoint_list_fini(checkpoint_list *list);      /* the data stays */

/* What a run must know beside its arrays. */
typedef struct checkpoint_head {
    int64_t step;                  /* steps done, at least 0; the folder's name */
    int64_t cursor;                /* place in the data */
    uint64_t seed;
    char config[CHECKPOINT_HASH];  /* of the configuration, by checkpoint_hash; "": none */
    json_t *state;                 /* an object, or NULL: whatever the trainer keeps.
                                      Borrowed by save; after load the caller's, or NULL */
} checkpoint_head;

/* Hex SHA-256 of a JSON value with sorted keys and no spaces. */
void checkpoint_hash(const json_t *config, char out[CHECKPOINT_HASH]);

/* Write DIR/step-N (DIR is made when missing), replacing one of that name in
 * one step and keeping its mark. When it returns OK the checkpoint is on disk.
 * Otherwise nothing under a final name has changed: E_IO names the file (a full
 * disk, say), E_ARG the field at fault. */
status checkpoint_save(const char *dir, const checkpoint_head *head,
                       const checkpoint_list *list, errtext *err);

/* Keep this step for good: prune passes it by. */
status checkpoint_mark(const char *dir, int64_t step, errtext *err);

/* Remove unfinished folders and all but the newest `keep` (at least two are
 * kept, so that there is one to fall back to) and the marked. Folders that were
 * set aside stay. */
status checkpoint_prune(const char *dir, int keep, errtext *err);

/* Steps on disk, ascending, verified or not; *steps is the caller's (mem_free).
 * A missing DIR counts as empty. */
status checkpoint_steps(const char *dir, int64_t **steps, int *n, errtext *err);

/* Rename DIR/step-N to DIR/step-N.aside (or .aside2, ...): it no longer counts.
 * For a run that goes back to an earlier step and overtakes this one. */
status checkpoint_set_aside(const char *dir, int64_t step, errtext *err);

/* Told of every checkpoint that is passed over, and why. */
typedef void checkpoint_warn(void *arg, const char *text);

/* The newest step whose manifest and files verify, -1 when there is none.
 * Reads every byte of it. warn may be NULL. */
status checkpoint_latest(const char *dir, int64_t *step, checkpoint_warn *warn, void *arg,
                         errtext *err);

/* Verify one checkpoint without loading it: E_IO or E_FORMAT name what is wrong.
 * *head (NULL: not wanted) is filled on OK, its state the caller's. */
status checkpoint_verify(const char *dir, int64_t step, checkpoint_head *head, errtext *err);

/* Fill every array of the list and *head. E_ARG: it is sound but not this run's
 * (another configuration, a missing or surplus array, another shape), told
 * before an array is touched. E_IO, E_FORMAT: it is damaged, and arrays may hold
 * some of it. config NULL: any configuration will do. */
status checkpoint_load(const char *dir, int64_t step, const char *config,
                       const checkpoint_list *list, checkpoint_head *head, errtext *err);

/* checkpoint_load of the newest one that is not damaged, for the process that
 * will write the next. Damaged ones are told to warn, passed over and, once a
 * sound one is loaded, set aside: prune would otherwise count them before what
 * the run writes. head->step is -1, and no array touched, when there is none at
 * all; E_FORMAT when there are only damaged ones. */
status checkpoint_resume(const char *dir, const char *config, const checkpoint_list *list,
                         checkpoint_head *head, checkpoint_warn *warn, void *arg,
                         errtext *err);

#endif
