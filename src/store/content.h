/* content.h - the bytes of uploaded files.
 *
 * Contents lie in DIR/files, one file each, named by the object's id. They are
 * written to a temporary file, synced and renamed before the object's row is
 * committed, so an object that is there has its whole content. */
#ifndef STORE_CONTENT_H
#define STORE_CONTENT_H

#include "store/object.h"

typedef struct store_upload store_upload;

/* Start writing a content of at most max_bytes. On OK *out is the caller's and
 * ends with store_upload_commit or store_upload_abort. */
status store_upload_begin(store_upload **out, store *s, int64_t max_bytes, errtext *err);

/* E_LIMIT above max_bytes; E_IO when the disk does not take it. The upload can
 * then only be aborted. */
status store_upload_write(store_upload *u, const void *data, size_t len, errtext *err);

/* What has been written so far. */
int64_t store_upload_bytes(const store_upload *u);

/* Sync the content, create the object (store_create) with it and end the upload,
 * also when it fails. */
status store_upload_commit(store_upload *u, const store_object *o, errtext *err);
void store_upload_abort(store_upload *u);        /* accepts NULL */

/* A content open for reading; it stays whole while open, also when the object
 * is deleted meanwhile. */
typedef struct store_content {
    int fd;                  /* -1 when there is none; the caller closes it */
    int64_t bytes;
    char sha256[65];         /* lower-case hexadecimal */
} store_content;

/* E_FORMAT when the file's size is not the one that was stored. */
status store_content_open(store *s, const char *tenant, const char *id, store_content *out,
                          errtext *err);

/* Read the whole content again and compare its SHA-256: E_FORMAT when it is not
 * what was stored, E_ARG when there is none. */
status store_content_verify(store *s, const char *tenant, const char *id, errtext *err);

#endif
