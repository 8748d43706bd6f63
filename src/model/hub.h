/* hub.h - where models are kept here, and how they come from the hub.
 *
 * Models live in ${PONDER_HOME:-$HOME/.cache/ponder}/models: NAME.gguf, or a
 * folder NAME/ (config.json with safetensors, or a GGUF split in parts). What
 * carries its final name is complete: downloads grow under NAME.gguf.part or
 * in NAME.part/ and are renamed in one step once every check has passed.
 *
 * The tiny models that come with the program, ponder-nano and its kin, lie in a
 * folder beside it. They answer where nothing else is there.
 *
 * The hub is untrusted input. File names come from its listing, so only plain
 * relative names are taken. A file kept in LFS is checked against the SHA-256
 * that the listing gives (its lfs.oid); smaller files of the repository carry
 * none, only a git hash, and are checked by size alone.
 * Source: the hub's tree API and resolve URLs, and their x-linked-etag and
 * x-linked-size headers (huggingface.co/docs/hub/api). */
#ifndef MODEL_HUB_H
#define MODEL_HUB_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/status.h"

#define HUB_DEFAULT_URL "https://huggingface.co"

/* A model that is known to run here, by its short name. */
typedef struct hub_model {
    const char *name;        /* "qwen3-0.6b"; also its name on disk */
    const char *repo;        /* "Qwen/Qwen3-0.6B-GGUF" */
    const char *file;        /* a file of it, or NULL for a folder of safetensors */
    int about_mb;            /* size in 10^6 bytes, for display only */
} hub_model;

/* The table of known models, smallest first within a family. */
const hub_model *hub_known(int *n);
const hub_model *hub_known_find(const char *name);   /* any letter case; or NULL */

/* A model on disk. */
typedef struct hub_local {
    char *name;
    char *path;              /* what weights_open takes */
    uint64_t bytes;          /* all its files together */
    double mtime_s;          /* when it was last published */
} hub_local;

/* The models folder, appended to path without making it. E_ARG when neither
 * PONDER_HOME nor HOME says where. */
status hub_dir(bytes *path, errtext *err);

/* All models on disk by name; a folder that is not there holds none. The
 * caller releases *out with hub_list_free. */
status hub_list(hub_local **out, int *n, errtext *err);
void hub_list_free(hub_local *list, int n);

/* The models that came with the program, by name: ponder-*.gguf in the first of
 * ../models, ../../models and ../share/ponder/models, seen from the program's
 * own folder, that holds one. None is no error. Released with hub_list_free. */
void hub_shipped(hub_local **out, int *n);

/* Is this the name, with or without "ponder-" and ".gguf", of a model that comes
 * with the program? Such a model knows a few kinds of problems and is never
 * taken for a general one. */
bool hub_is_nano(const char *name);

/* Turn a --model argument into a path for weights_open, appended to path. It
 * is an existing path, or the name of a model in the models folder or of one
 * that came with the program (any letter case; "nano" is "ponder-nano"), or NULL
 * or "" for the first there is of: environment PONDER_MODEL (path or name), the
 * newest model in the models folder that is no nano, the shipped ponder-nano, a
 * nano in the models folder. E_IO when there is no such model; err says what
 * there is and how to pull one. */
status hub_find(const char *name_or_path, bytes *path, errtext *err);

/* What a pull tells while it runs. */
typedef enum hub_event_kind {
    HUB_CHOSEN,              /* text: what will be fetched, as one line */
    HUB_START,               /* a file begins; done > 0 when it is resumed */
    HUB_BYTES,               /* done of total bytes are on disk */
    HUB_CHECK,               /* done of total bytes of an existing file hashed */
    HUB_RETRY,               /* text: what broke and when it goes on */
    HUB_DONE,                /* a file is complete and checked */
    HUB_HERE,                /* it was here already, with the right contents */
} hub_event_kind;

typedef struct hub_event {
    hub_event_kind kind;
    const char *file;        /* name in the repository */
    uint64_t done;
    uint64_t total;
    const char *text;        /* for CHOSEN and RETRY */
} hub_event;

typedef void hub_report(void *arg, const hub_event *event);

typedef struct hub_options {
    const char *hub;         /* base URL; NULL: PONDER_HUB, else HUB_DEFAULT_URL */
    const char *token;       /* NULL: HF_TOKEN, if set and not empty */
    const char *revision;    /* branch, tag or commit; NULL: main */
    const char *name;        /* name on disk; NULL: chosen from what is pulled */
    bool replace;            /* take the place of other contents of that name */
    int n_retry;             /* fruitless attempts in a row after the first; 0: 5 */
    int wait_ms;             /* first pause before one, doubled each time; 0: 500 */
    const volatile sig_atomic_t *stop;   /* non-zero ends the pull; or NULL */
    hub_report *report;      /* or NULL */
    void *report_arg;
} hub_options;

/* Fetch a model: a known short name, or ORG/REPO[:FILE]. FILE is a .gguf of
 * the repository or a part of one such name ("Q8_0"); without it a GGUF of
 * moderate size is chosen, or the safetensors. The path for weights_open is
 * appended to path.
 *
 * Goes on where an interrupted pull stopped, as long as the hub still has the
 * same file. The token is sent to the hub's own scheme, host and port only,
 * and only over https or to this machine; redirects lead to http or https and
 * never from https to http.
 *
 * E_INTERRUPTED when stopped (what came so far is kept), E_IO for the network,
 * the disk, 401, 403 and 404, and when another pull of the same model runs,
 * E_FORMAT for a wrong checksum or size (the file is removed) and for listings
 * that are not what they should be, E_LIMIT for oversized ones, E_ARG for a
 * malformed name or one that is taken, E_UNSUPPORTED when the repository holds
 * nothing that can run here. */
status hub_pull(const char *what, const hub_options *options, bytes *path, errtext *err);

/* "639.4 MB", in powers of ten. */
void hub_size_text(uint64_t size, char out[16]);

#endif
