/* tables.h - the tables, and how older ones become newer. Internal. */
#ifndef STORE_TABLES_H
#define STORE_TABLES_H

#include "store/db.h"

/* Refuse, before anything is written, a file that is another program's
 * (E_FORMAT) or a newer version's (E_UNSUPPORTED). */
status tables_check(conn *c, const char *path, errtext *err);

/* Apply the steps that are missing, each in a transaction of its own. */
status tables_upgrade(conn *c, const char *path, errtext *err);

int tables_version(void);        /* that this program writes */

#endif
