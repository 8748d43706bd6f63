/* inquiry.h - what both APIs ask of the model: one struct, filled field by field.
 *
 * A handler reads the request into an inquiry on its connection's thread, all of it
 * and with every error, so that the engine's thread only has to run it. What is
 * borrowed is borrowed from the request's JSON, which the inquiry keeps. */
#ifndef SERVE_INQUIRY_H
#define SERVE_INQUIRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "reason/ask.h"
#include "serve/errors.h"
#include "serve/http.h"
#include "serve/meters.h"
#include "serve/models.h"
#include "serve/tools.h"
#include "store/store.h"

/* What handlers share; borrowed for the server's life. */
typedef struct api {
    models *models;
    store *store;            /* NULL: nothing is kept */
    meters *meters;          /* or NULL */
    bool show_reasoning;     /* to every key, not only to those that may */
} api;

typedef struct inquiry {
    json_t *body;            /* owned */
    const served_name *as;
    chat chat;
    ask_request ask;
    tool_set tools;
    grammar *answer_grammar; /* owned; ask borrows them */
    grammar *call_grammar;
    token_bias *bias;
    const char **stop;
    char tenant[64];
    bool show_reasoning;
    int64_t taken;           /* tokens taken from the key's minute beforehand */
} inquiry;

/* Take the body (one more reference), find the model, put in the defaults. */
bool inquiry_begin(inquiry *q, const api *a, exchange *x, json_t *body, api_error *e);
void inquiry_fini(inquiry *q);                   /* accepts a zeroed one */

/* Fields that both APIs have; each is checked against the profile. */
bool inquiry_sampling(inquiry *q, api_error *e); /* temperature, top_p */
bool inquiry_effort(inquiry *q, const json_t *o, const char *at, const char *name,
                    api_error *e);
bool inquiry_hints(inquiry *q, api_error *e);    /* service_tier, user, prompt_cache_*, ... */

/* text.verbosity and verbosity: told to the model in words. */
bool inquiry_verbosity(inquiry *q, const json_t *o, const char *at, api_error *e);

/* A form of the answer: {"type": "text" | "json_object" | "json_schema"}, the
 * schema's name, strict and schema inside json_schema, or, flat, beside it. */
bool inquiry_format(inquiry *q, const json_t *format, const char *at, bool flat, api_error *e);

/* A file that came as base64, with or without "data:TYPE;base64,": text of any
 * kind is put before the model under its name. Others are refused. */
bool inquiry_file(inquiry *q, chat_message *m, const char *name, const char *data,
                  const char *path, api_error *e);

/* After the messages and tools: grammars, and the tokens expected to be used are
 * taken from the key's minute. False has filled e, or, where x has answered, not. */
bool inquiry_finish(inquiry *q, exchange *x, api_error *e);

/* How many tokens the prompt has. */
status inquiry_count(const inquiry *q, int *n, errtext *err);

/* ask_start has failed: why, in the API's words. param: of the messages. */
void inquiry_error(const inquiry *q, status st, const errtext *err, const char *param,
                   api_error *e);

/* The tokens that were used, settled with the key and counted. */
void inquiry_settle(const inquiry *q, const api *a, reply *to, const ask_usage *usage);

#endif
