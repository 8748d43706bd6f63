/* engine_thread.h - the thread that runs one model.
 *
 * All of a reasoner's calls come from this thread. Others hand it work; it starts
 * each, alternates engine_step with ask_poll, and tells each when it has ended.
 * Interactive work goes first: work of the batch lane is started only when none
 * of the other waits. No more samples run at once than the engine has places
 * for; the rest waits in a queue of bounded length. */
#ifndef SERVE_ENGINE_THREAD_H
#define SERVE_ENGINE_THREAD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "reason/ask.h"
#include "serve/work.h"

typedef struct engine_thread engine_thread;

/* What a piece of work is. Its functions are called on the engine thread; one of
 * end and drop is called, once, and releases arg. */
typedef struct engine_work {
    /* Start it: ask_start with whatever it wants to hear. On a failure, and when
     * it was cancelled before, end is called with no job. */
    status (*start)(void *arg, reasoner *r, ask_job **out, errtext *err);
    /* The samples have ended: ask_take, then ask_free, which comes before what the
     * job borrows goes. Without a job: st and err say why. */
    void (*end)(void *arg, ask_job *job, status st, const errtext *err);
    /* The thread ended before it was started; from any thread. */
    void (*drop)(void *arg);
    atomic_bool *cancel;     /* set from any thread, with engine_thread_wake after
                              * it; borrowed until end or drop */
    int n_sample;
    void *arg;
} engine_work;

/* The reasoner is borrowed for the thread's life. */
engine_thread *engine_thread_new(reasoner *r, int max_waiting);

/* Refuse new work, run what there is to its end, end the thread. */
void engine_thread_stop(engine_thread *t);
void engine_thread_free(engine_thread *t);       /* stops it first; accepts NULL */

/* False when the queue is full or closed: the work is then still the caller's. */
bool engine_thread_post(engine_thread *t, work_lane lane, const engine_work *w);
void engine_thread_wake(engine_thread *t);

/* Samples that run, and pieces of work that wait; from any thread. */
int engine_thread_running(const engine_thread *t);
int engine_thread_waiting(const engine_thread *t);

#endif
