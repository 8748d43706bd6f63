/* input.c - what a user hands over beside the question. */
#include "cli/input.h"

#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* Whether something came, be it the end. */
static bool wait_for_input(void)
{
    struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

    return poll(&p, 1, INPUT_WAIT_S * 1000) != 0;
}

status input_stdin(const char *command, bool needed, bytes *out, errtext *err)
{
    struct stat facts;
    errtext why;

    if (isatty(STDIN_FILENO) || fstat(STDIN_FILENO, &facts)) return OK;
    if (!needed && (S_ISFIFO(facts.st_mode) || S_ISSOCK(facts.st_mode)) && !wait_for_input()) {
        fprintf(stderr, "%s: standard input is open but silent; going on without it (-f - waits "
                "for it)\n", command);
        return OK;
    }
    if (file_read(out, "-", INPUT_MAX_BYTES, &why) == OK) return OK;
    return fail(err, E_IO, "standard input: %s", why.text);
}
