/* chat_request.h - the body of POST /v1/chat/completions. */
#ifndef SERVE_CHAT_REQUEST_H
#define SERVE_CHAT_REQUEST_H

#include "serve/inquiry.h"

typedef struct chat_request {
    inquiry q;
    int n;                   /* choices */
    int samples;             /* of each choice, put to a vote */
    bool stream;
    bool include_usage;
    bool log_probs;
} chat_request;

/* Read the body; every field is honoured or refused. False has filled e, or has
 * answered, with e->status 0. Either way chat_request_fini releases it. */
bool chat_request_read(chat_request *r, const api *a, exchange *x, json_t *body, api_error *e);
void chat_request_fini(chat_request *r);         /* accepts a zeroed one */

#endif
