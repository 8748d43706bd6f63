/* responses.h - the Responses API: create, stream, read again, delete, count. */
#ifndef SERVE_RESPONSES_H
#define SERVE_RESPONSES_H

#include "serve/inquiry.h"
#include "serve/server.h"

/* Add the routes of /v1/responses. a is borrowed for the server's life. */
void responses_route(server *s, api *a);

#endif
