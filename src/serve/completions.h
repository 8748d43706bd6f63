/* completions.h - POST /v1/chat/completions and the models' routes. */
#ifndef SERVE_COMPLETIONS_H
#define SERVE_COMPLETIONS_H

#include "serve/inquiry.h"
#include "serve/server.h"

/* Add the routes of /v1/models and /v1/chat/completions, and what they count. a is
 * borrowed for the server's life; its meters are set from the server's. */
void completions_route(server *s, api *a);

/* Bring the gauges up to date: the server's on_metrics, arg an api. */
void api_metrics(void *arg);

#endif
