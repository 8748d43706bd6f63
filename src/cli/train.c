/* train.c - ponder train: run a job to its end, or go on with it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/process.h"
#include "train/run.h"

static const char usage[] =
    "usage: ponder train JOB.json [options]\n\n"
    "Trains as the job file says: pretraining, fine-tuning on examples, preferences, or\n"
    "reinforcement. The same command goes on where an earlier run was interrupted. Ctrl-C\n"
    "writes a checkpoint first.\n\n"
    "  --output DIR   where the run's files go, instead of ponder.output\n"
    "  --check        read and check the job only\n";

/* Live lines replace each other on a terminal; elsewhere one comes every few
 * seconds. */
typedef struct teller {
    bool terminal;
    bool open;                   /* a live line stands unfinished */
    double last_s;
} teller;

static void tell(void *arg, bool live, const char *line)
{
    teller *t = arg;
    const double now = clock_s();

    if (live && !t->terminal && now - t->last_s < 10) return;
    if (live) t->last_s = now;
    if (t->terminal) fprintf(stderr, "\r\033[K%s%s", line, live ? "" : "\n");
    else fprintf(stderr, "%s\n", line);
    t->open = live && t->terminal;
}

static status run_job(const job *j, const volatile sig_atomic_t *stop, teller *t, errtext *err)
{
    switch (j->stage) {
    case STAGE_DPO: return train_preference(j, stop, tell, t, err);
    case STAGE_RL: return train_reinforce(j, stop, tell, t, err);
    default: return train_supervised(j, stop, tell, t, err);
    }
}

int cli_train(int argc, char **argv)
{
    const char *output = NULL;
    bool check = false;
    const option_spec table[] = {
        { .name = "output", .letter = 'o', .kind = OPTION_TEXT, .to = &output },
        { .name = "check", .kind = OPTION_FLAG, .to = &check },
    };
    text_list rest = { 0 };
    teller t = { .terminal = isatty(2) };
    job j = { 0 };
    errtext err = { "" };
    status st;

    switch (options_parse("ponder train", table, 2, argc, argv, &rest)) {
    case OPTIONS_HELP:
        fputs(usage, stdout);
        return EXIT_FINE;
    case OPTIONS_BAD:
        return EXIT_USAGE;
    case OPTIONS_OK:
        break;
    }
    if (rest.n != 1) {
        fprintf(stderr, "ponder train: one job file expected (see ponder train --help)\n");
        text_list_fini(&rest);
        return EXIT_USAGE;
    }
    process_catch_interrupt();
    st = job_read(&j, rest.items[0], &err);
    if (st == OK && output) {
        mem_free(j.output);
        j.output = mem_string(output);
    }
    if (st == OK && check) printf("%s: the job can be run\n", rest.items[0]);
    else if (st == OK) st = run_job(&j, &process_interrupted, &t, &err);
    if (t.open) fputc('\n', stderr);
    if (st != OK) fprintf(stderr, "ponder train: %s\n", err.text);
    job_fini(&j);
    text_list_fini(&rest);
    return st == OK ? EXIT_FINE : st == E_INTERRUPTED ? EXIT_INTERRUPTED : EXIT_TROUBLE;
}
