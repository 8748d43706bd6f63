/* process.c - this process: how old it is, and whether Ctrl-C was pressed. */
#include "cli/process.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define MAX_BEFORE_MAIN_S 5.0    /* more is a clock that does not fit ours */

static double began_s;               /* clock_s at process_begin */
static double before_s;              /* seconds of life before that */

/* Field 22 of /proc/self/stat: ticks from boot to our start (proc(5)). */
static bool start_ticks(unsigned long long *ticks)
{
    char line[1024];
    FILE *f = fopen("/proc/self/stat", "r");
    size_t n;
    const char *at;

    if (!f) return false;
    n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = 0;
    at = strrchr(line, ')');         /* the name in field 2 may hold anything */
    if (!at) return false;
    return sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                  "%*d %*d %*d %llu", ticks) == 1;
}

void process_begin(void)
{
    struct timespec now;
    unsigned long long ticks;
    long per_s = sysconf(_SC_CLK_TCK);
    double age;

    began_s = clock_s();
    if (per_s <= 0 || clock_gettime(CLOCK_BOOTTIME, &now) || !start_ticks(&ticks)) return;
    age = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)ticks / (double)per_s;
    if (age > 0 && age < MAX_BEFORE_MAIN_S) before_s = age;
}

double process_age_s(void)
{
    return before_s + (clock_s() - began_s);
}

volatile sig_atomic_t process_interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    process_interrupted = 1;
}

void process_catch_interrupt(void)
{
    /* Restart: a write to a slow terminal is not to lose its text. */
    struct sigaction action = { .sa_handler = on_interrupt,
                                .sa_flags = (int)SA_RESETHAND | SA_RESTART };

    process_interrupted = 0;
    sigaction(SIGINT, &action, NULL);
}

void process_ignore_interrupt(void)
{
    signal(SIGINT, SIG_IGN);
}

void process_release_interrupt(void)
{
    signal(SIGINT, SIG_DFL);
}
