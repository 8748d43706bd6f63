/* chat_reply.h - the objects of Chat Completions: a completion, its chunks, usage. */
#ifndef SERVE_CHAT_REPLY_H
#define SERVE_CHAT_REPLY_H

#include <jansson.h>

#include "serve/chat_request.h"

/* What every object of one completion begins with. */
typedef struct chat_head {
    const char *id;          /* "chatcmpl-..." */
    int64_t created;
    const served_name *as;
} chat_head;

/* All counts of the API, zeros for what there is none of. */
json_t *chat_usage(const ask_usage *u);

/* {"content": [...], "refusal": null} around a list (taken), or null for NULL. */
json_t *chat_log_probs(json_t *list);

/* A drawn token as an item of such a list; NULL for one that prints nothing. */
json_t *chat_log_prob(const tokenizer *t, const sample *drawn);

/* The calls of a sample: those it made, or the one its text had to be. The caller
 * frees what was parsed with chat_call_fini, n of them, and mem_free. */
typedef struct chat_calls {
    const chat_call *items;
    int n;
    chat_call parsed;
    bool from_text;          /* the text is the call and is not shown */
} chat_calls;

chat_calls chat_calls_of(const chat_request *r, const ask_sample *s);
void chat_calls_fini(chat_calls *c);

/* One entry of tool_calls; index below 0 leaves it out. */
json_t *chat_call_json(const tool_set *tools, const chat_call *call, int index);

const char *chat_finish(const chat_request *r, const ask_sample *s, const chat_calls *calls);

/* A whole completion. log_probs: [n_choice] lists, each taken, or NULL. */
json_t *chat_completion(const chat_head *h, const chat_request *r, const ask_answer *a,
                        json_t **log_probs);

/* A chunk with one choice; takes delta and log_probs (NULL: null). finish may be
 * NULL. */
json_t *chat_chunk(const chat_head *h, const chat_request *r, int index, json_t *delta,
                   json_t *log_probs, const char *finish);

/* The chunk of include_usage: no choice, all counts. */
json_t *chat_usage_chunk(const chat_head *h, const ask_usage *u);

#endif
