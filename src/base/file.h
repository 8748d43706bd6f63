/* file.h - files read whole, mapped, or replaced in one step. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

/* A read-only map of a whole regular file. */
typedef struct filemap {
    const uint8_t *data;     /* NULL for an empty file */
    size_t len;
} filemap;

/* E_IO when the file cannot be opened, is not a regular file or cannot be
 * mapped. While mapped, a read past an end that another process has cut off
 * gives zeros instead of SIGBUS ending the program; filemap_damaged then
 * says so. */
status filemap_open(filemap *m, const char *path, errtext *err);
void filemap_close(filemap *m);                 /* accepts a zeroed map */
bool filemap_damaged(const filemap *m);

/* Let go of the resident pages of a range; later reads fetch them again. */
void filemap_release(const filemap *m, const void *start, size_t len);

/* Whole contents appended to out; E_LIMIT above max_len. "-" is standard input. */
status file_read(bytes *out, const char *path, size_t max_len, errtext *err);

/* Write to PATH.tmp, fsync, rename over PATH, fsync the folder: a reader sees
 * the old file or the new one, never a part. */
status file_replace(const char *path, const void *data, size_t len, errtext *err);

/* Put the folder entry of PATH on disk, after a rename. */
status file_sync_parent(const char *path, errtext *err);

/* Create a folder and its parents; fine when it is there already. */
status file_make_dir(const char *path, errtext *err);

bool file_exists(const char *path);

#endif
