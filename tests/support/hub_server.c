/* hub_server.c - a child process with the fake hub. */
#include "support/hub_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;
static int hold = -1;                /* its standard input; closing ends it */
static char url[64];
static char folder[64];

bool hub_server_start(void)
{
    int in[2], out[2], port = 0, other = 0;
    FILE *f;

    snprintf(folder, sizeof folder, "/tmp/hub_server.XXXXXX");
    if (!mkdtemp(folder) || pipe(in) || pipe(out)) return false;
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execlp("python3", "python3", "tests/support/hub_server.py", folder, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    hold = in[1];
    f = fdopen(out[0], "r");
    if (!f || fscanf(f, "%d %d", &port, &other) != 2) port = 0;
    if (f) fclose(f);
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    if (port == 0) hub_server_stop();
    return port != 0;
}

void hub_server_stop(void)
{
    char command[96];

    if (hold >= 0) close(hold);
    hold = -1;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        child = 0;
    }
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (folder[0] && system(command)) fprintf(stderr, "%s is left over\n", folder);
    folder[0] = 0;
}

const char *hub_server_url(void) { return url; }
const char *hub_server_folder(void) { return folder; }

static int count(const char *one, const char *two)
{
    char path[96], line[2048];
    int n = 0;
    FILE *f;

    snprintf(path, sizeof path, "%s/log", folder);
    f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) n += strstr(line, one) && strstr(line, two);
    if (f) fclose(f);
    return n;
}

int hub_server_asked(const char *part) { return count(part, ""); }
bool hub_server_logged(const char *one, const char *two) { return count(one, two) > 0; }
