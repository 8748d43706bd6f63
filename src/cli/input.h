/* input.h - what a user hands over beside the question. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "base/bytes.h"
#include "base/status.h"

#define INPUT_MAX_BYTES ((size_t)16 << 20)   /* of one file; contexts hold less */
#define INPUT_WAIT_S 2           /* for a pipe that says nothing */

/* Standard input to its end, appended to out; nothing when it is a terminal or
 * closed. A program that was started with a pipe nobody writes to would wait
 * for ever: unless `needed`, one that stays silent for INPUT_WAIT_S seconds is
 * left alone, and standard error says so after `command`. */
status input_stdin(const char *command, bool needed, bytes *out, errtext *err);

#endif
