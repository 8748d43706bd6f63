/* hub_server.h - starts tests/support/hub_server.py for a test program. */
#ifndef SUPPORT_HUB_SERVER_H
#define SUPPORT_HUB_SERVER_H

#include <stdbool.h>

/* Start the server; it ends with this process at the latest. False when
 * python3 is not there. After this hub_server_url is the hub's address and
 * hub_server_folder holds its log. */
bool hub_server_start(void);
void hub_server_stop(void);

const char *hub_server_url(void);
const char *hub_server_folder(void);

/* How many requests so far hold `part` in their line of the log. */
int hub_server_asked(const char *part);

/* A line of the log holds both. */
bool hub_server_logged(const char *one, const char *two);

#endif
