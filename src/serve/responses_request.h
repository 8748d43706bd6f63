/* responses_request.h - the body of POST /v1/responses. */
#ifndef SERVE_RESPONSES_REQUEST_H
#define SERVE_RESPONSES_REQUEST_H

#include "serve/inquiry.h"

typedef struct responses_request {
    inquiry q;
    bool stream;
    bool keep;               /* store: true unless said otherwise, where there is one */
    bool log_probs;
    bool sealed;             /* include: reasoning.encrypted_content */
    const char *previous;    /* previous_response_id, or NULL */
    const json_t *metadata;  /* borrowed, or NULL */
    json_t *input;           /* owned: this request's items, each with an id */
    json_t *context;         /* owned: the items of the responses before it */
} responses_request;

/* Read the body; every field is honoured or refused. False has filled e, or has
 * answered, with e->status 0. count_only: for input_tokens, nothing is taken from
 * the key's minute. Either way responses_request_fini releases it. */
bool responses_request_read(responses_request *r, const api *a, exchange *x, json_t *body,
                            bool count_only, api_error *e);
void responses_request_fini(responses_request *r);

/* A thought sealed for its client to hand back: base64 of a nonce and the text under
 * XChaCha20-Poly1305 with a key of this store, bound to model and tenant. Made by
 * mem_new; NULL without a store. */
char *reasoning_seal(const api *a, const inquiry *q, const char *text, size_t len);

#endif
