/* checkpoint_internal.h - the layout that saving and loading share. */
#ifndef TRAIN_CHECKPOINT_INTERNAL_H
#define TRAIN_CHECKPOINT_INTERNAL_H

#include <sodium.h>
#include <stddef.h>

#include "train/checkpoint.h"

#define CHECKPOINT_FORMAT "ponder-checkpoint"
#define CHECKPOINT_VERSION 1
#define CHECKPOINT_ALIGN 64                  /* bytes; where an array may begin */
#define CHECKPOINT_CHUNK ((size_t)1 << 20)   /* bytes hashed and moved at once */
#define CHECKPOINT_MAX_MANIFEST ((size_t)256 << 20)
#define CHECKPOINT_MAX_VALUES ((size_t)32 << 20)
#define CHECKPOINT_NAME 64                   /* of a folder: step-N and what follows */

void checkpoint_step_name(char out[CHECKPOINT_NAME], int64_t step, const char *suffix);

/* DIR/NAME/FILE, or DIR/NAME where file is NULL; the caller's. */
char *checkpoint_path(const char *dir, const char *name, const char *file);

status checkpoint_io_error(errtext *err, const char *path);      /* from errno */
void checkpoint_hex(crypto_hash_sha256_state *hash, char out[CHECKPOINT_HASH]);
size_t checkpoint_array_bytes(const checkpoint_array *a);

#endif
