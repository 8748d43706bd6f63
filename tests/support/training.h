/* training.h - jobs run in processes of their own, in a folder that goes away.
 *
 * Header only; the including test has one folder at a time. */
#ifndef TESTS_TRAINING_H
#define TESTS_TRAINING_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/jsonfile.h"
#include "train/run.h"

#include <check.h>

static char folder[64];

static const char shape[] =
    "\"scratch\":{\"layers\":2,\"d_model\":32,\"heads\":2,\"heads_kv\":2,\"d_head\":16,"
    "\"d_ff\":64,\"context\":256,\"vocabulary\":400},\"context\":256,\"max_rows\":512,"
    "\"checkpoint_every\":4,\"eval_problems\":2,\"eval\":[{\"task\":\"chain\",\"depth\":1}]";

static const char supervised[] =
    "{\"seed\":3,\"ponder\":{\"output\":\"%s/%s\",\"stage\":\"sft\",%s,\"steps\":20,"
    "\"batch_tokens\":300,\"learning_rate\":0.01,\"warmup\":3,"
    "\"mixture\":[{\"task\":\"chain\",\"depth\":[1,2],\"direct\":0.5},"
    "{\"task\":\"perm\",\"depth\":1}]}}";


static inline void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/test_resume_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void remove_folder(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Told of a step's end, before its checkpoint: die there, if that is the step. */
static inline void hear(void *arg, bool live, const char *line)
{
    const int *last = arg;
    int step;

    if (live && sscanf(line, "step %d/", &step) == 1 && step == *last) raise(SIGKILL);
}

/* One start of a job in a process of its own, killed at the end of step `last`
 * (0: not at all); its exit code is the status. */
static inline pid_t start_until(const char *text, int last)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        errtext err = { "" };
        json_t *json;
        job j;
        status st = jsonfile_parse(&json, text, strlen(text), 10000, "job", &err);

        if (st == OK) st = job_parse(&j, json, "job", &err);
        if (st == OK)
            st = j.stage == STAGE_RL    ? train_reinforce(&j, NULL, hear, &last, &err)
                 : j.stage == STAGE_DPO ? train_preference(&j, NULL, hear, &last, &err)
                                        : train_supervised(&j, NULL, hear, &last, &err);
        if (st != OK) fprintf(stderr, "%s\n", err.text);
        _exit((int)st);
    }
    return pid;
}

static inline void finish(pid_t pid)
{
    int how;

    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert(WIFEXITED(how));
    ck_assert_int_eq(WEXITSTATUS(how), OK);
}

static inline pid_t start(const char *text)
{
    return start_until(text, 0);
}

static inline void kill_at(const char *text, int step)
{
    pid_t pid = start_until(text, step);
    int how;

    ck_assert_int_eq(waitpid(pid, &how, 0), pid);
    ck_assert(WIFSIGNALED(how));
}

/* Rows of a run's metrics; the caller's. */
static inline json_t *metrics_of(const char *name)
{
    char path[160];
    json_t *rows;
    errtext err;

    snprintf(path, sizeof path, "%s/%s/metrics.jsonl", folder, name);
    ck_assert_int_eq(metrics_read(&rows, path, &err), OK);
    return rows;
}

/* A model to start from: FOLDER/base/model.gguf. */
static inline void base_model(void)
{
    char text[2000];

    snprintf(text, sizeof text, supervised, folder, "base", shape);
    finish(start(text));
}

#endif
