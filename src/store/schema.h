/* schema.h - the tables, and how older ones become newer. Internal. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/db.h"

/* Refuse, before anything is written, a file that is another program's
 * (E_FORMAT) or a newer version's (E_UNSUPPORTED). */
status schema_check(conn *c, const char *path, errtext *err);

/* Apply the steps that are missing, each in a transaction of its own. */
status schema_upgrade(conn *c, const char *path, errtext *err);

int schema_version(void);        /* that this program writes */

#endif
