/* engine_thread.c - the thread that runs one model. */
#include "serve/engine_thread.h"

#include <pthread.h>

#include "base/mem.h"

#define MAX_RUNNING 256          /* samples: the engine's own number of places */

typedef struct item {
    engine_thread *of;
    engine_work work;
    ask_job *job;
} item;

struct engine_thread {
    reasoner *reasoner;
    work_queue *queue;
    pthread_t thread;
    item **items;            /* what has been started */
    int n, cap;
    atomic_int n_running;
    bool stopped;
};

static bool is_cancelled(const item *i)
{
    return i->work.cancel && atomic_load(i->work.cancel);
}

static void item_end(item *i, status st, const errtext *err)
{
    i->work.end(i->work.arg, i->job, st, err);
    mem_free(i);
}

static void item_run(void *arg)
{
    item *i = arg;
    engine_thread *t = i->of;
    errtext err = { "cancelled" };
    status st = E_INTERRUPTED;

    if (!is_cancelled(i)) st = i->work.start(i->work.arg, t->reasoner, &i->job, &err);
    if (st != OK) {
        i->job = NULL;
        item_end(i, st, &err);
        return;
    }
    if (t->n == t->cap) {
        t->cap = t->cap * 2 + 16;
        t->items = mem_resize(t->items, (size_t)t->cap, sizeof *t->items);
    }
    t->items[t->n++] = i;
    atomic_fetch_add(&t->n_running, i->work.n_sample);
}

static void item_drop(void *arg)
{
    item *i = arg;

    i->work.drop(i->work.arg);
    mem_free(i);
}

/* Start what waits, as far as there is room; wait for it when nothing runs. */
static void start_waiting(engine_thread *t)
{
    task next;
    int n = atomic_load(&t->n_running);

    while (n < MAX_RUNNING && work_take(t->queue, &next, t->n ? 0 : -1)) {
        next.run(next.arg);
        n = atomic_load(&t->n_running);
    }
}

static void poll_all(engine_thread *t)
{
    int n = 0;

    for (int k = 0; k < t->n; k++)
        if (is_cancelled(t->items[k])) ask_cancel(t->items[k]->job);
    engine_step(reasoner_engine(t->reasoner));
    for (int k = 0; k < t->n; k++) {
        item *i = t->items[k];

        if (!ask_poll(i->job)) {
            t->items[n++] = i;
            continue;
        }
        atomic_fetch_sub(&t->n_running, i->work.n_sample);
        item_end(i, OK, NULL);
    }
    t->n = n;
}

static void *run(void *arg)
{
    engine_thread *t = arg;

    for (;;) {
        start_waiting(t);
        if (t->n) poll_all(t);
        else if (work_closed(t->queue)) return NULL;
    }
}

engine_thread *engine_thread_new(reasoner *r, int max_waiting)
{
    engine_thread *t = mem_new(sizeof *t);

    t->reasoner = r;
    t->queue = work_new(max_waiting);
    CHECK(pthread_create(&t->thread, NULL, run, t) == 0);
    return t;
}

void engine_thread_stop(engine_thread *t)
{
    if (t->stopped) return;
    work_close(t->queue);
    pthread_join(t->thread, NULL);
    t->stopped = true;
}

void engine_thread_free(engine_thread *t)
{
    if (!t) return;
    engine_thread_stop(t);
    work_free(t->queue);
    mem_free(t->items);
    mem_free(t);
}

bool engine_thread_post(engine_thread *t, work_lane lane, const engine_work *w)
{
    item *i = mem_new(sizeof *i);
    task next = { item_run, item_drop, i };

    i->of = t;
    i->work = *w;
    if (work_post(t->queue, lane, &next)) return true;
    mem_free(i);
    return false;
}

void engine_thread_wake(engine_thread *t)
{
    work_wake(t->queue);
}

int engine_thread_running(const engine_thread *t)
{
    return atomic_load(&((engine_thread *)t)->n_running);
}

int engine_thread_waiting(const engine_thread *t)
{
    return work_length(t->queue, WORK_NOW) + work_length(t->queue, WORK_BATCH);
}
