/* models.h - the models of a server, and the names clients know them by.
 *
 * A name is a model's own, or an alias. Programs written for the hosted reasoning
 * models ask for o1 and its kin, so these names are aliases of the first model
 * unless another is given them. A profile says what a hosted model refuses: under
 * PROFILE_STRICT the same requests get the same error here; under
 * PROFILE_PERMISSIVE everything this program can do is allowed. */
#ifndef SERVE_MODELS_H
#define SERVE_MODELS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "reason/ask.h"
#include "serve/engine_thread.h"
#include "serve/errors.h"

typedef struct served_model {
    char *name;
    char *path;
    reasoner *reasoner;
    engine_thread *thread;
    int64_t created;         /* Unix time of the weight file */
    char fingerprint[20];    /* "fp_..." of file and program: the system_fingerprint */
} served_model;

/* What a hosted model refuses. */
typedef struct profile {
    bool no_instructions;    /* system and developer messages */
    bool no_tools;
    bool no_formats;         /* response_format other than text */
    bool no_effort;
    bool one_choice;         /* n is 1 */
    bool value_refused;      /* a sampler's field is wrong by its value, not by being
                              * there: "Only the default (1) value is supported." */
} profile;

typedef struct served_name {
    char *name;              /* as clients write it */
    char *shown;             /* as replies say it: the dated name of a hosted one */
    const profile *strict;   /* NULL: permissive */
    served_model *model;
} served_name;

typedef enum profile_kind { PROFILE_PERMISSIVE, PROFILE_STRICT } profile_kind;

typedef struct models models;

models *models_new(void);

/* End the models' threads after what they still run; work posted later is refused.
 * Names and models stay readable until models_free, so the order of an end is
 * server_wait, models_stop, server_free, models_free. */
void models_stop(models *m);
void models_free(models *m);                     /* accepts NULL */

/* Load a model and start its thread. E_ARG when the name is taken or is none; else
 * the errors of reasoner_open. *warning as there. */
status models_add(models *m, const char *name, const char *path, const reasoner_options *o,
                  const char **warning, errtext *err);

/* Give a model another name. A known name of a hosted model is shown by its date
 * and has that model's profile; another name that is PROFILE_STRICT has the one of
 * o1. E_ARG when there is no such model or the alias is taken. */
status models_alias(models *m, const char *alias, const char *target, profile_kind kind,
                    errtext *err);

/* Make all known names of hosted models that are still free aliases of the first
 * model. */
void models_alias_known(models *m, profile_kind kind);

/* Names do not change once the server runs; borrowed. NULL: there is none. */
const served_name *models_find(const models *m, const char *name);
const served_name *models_at(const models *m, int i);    /* NULL past the last */

json_t *model_json(const served_name *n);

/* The 404 for a name that is none. */
bool refuse_model(api_error *e, const char *name);

#endif
