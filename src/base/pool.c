/* pool.c - a loop shared by persistent threads.
 *
 * One 64-bit word holds (generation, items left). Between loops nothing is
 * left, so a worker that wakes late finds nothing to take, whatever it reads
 * of fn, arg and n_item; once it has taken an item the loop cannot end before
 * that item is done, so what it reads then holds still. */
#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/status.h"

/* About 100 us of spinning: longer than the serial gaps inside a forward pass,
 * shorter than anyone would notice as load. */
#define SPIN_ROUNDS 4000

struct worker {
    pool *pool;
    int index;
    pthread_t thread;
};

struct pool {
    int n_thread;
    struct worker *workers;          /* n_thread - 1 of them, index 1 up */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int n_asleep;                    /* under lock */

    pool_fn *fn;                     /* written while nothing is left to take */
    void *arg;
    int n_item;
    _Atomic bool stop;
    _Alignas(64) _Atomic uint64_t ticket;   /* generation << 32 | items left */
    _Alignas(64) _Atomic int n_done;        /* items finished in this loop */
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Take items until none is left. */
static void work(pool *p, int index)
{
    uint64_t t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    int n = 0;

    while ((uint32_t)t) {
        if (!atomic_compare_exchange_weak(&p->ticket, &t, t - 1)) continue;
        p->fn(p->arg, p->n_item - (int)(uint32_t)t, index);
        n++;
        t = atomic_load_explicit(&p->ticket, memory_order_acquire);
    }
    if (n) atomic_fetch_add(&p->n_done, n);
}

static uint32_t generation(const pool *p)
{
    return (uint32_t)(atomic_load_explicit(&p->ticket, memory_order_acquire) >> 32);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    pool *p = w->pool;
    uint32_t seen = 0;

    for (;;) {
        for (int i = 0; i < SPIN_ROUNDS && generation(p) == seen; i++) relax();
        if (generation(p) == seen) {
            pthread_mutex_lock(&p->lock);
            p->n_asleep++;
            while (generation(p) == seen) pthread_cond_wait(&p->wake, &p->lock);
            p->n_asleep--;
            pthread_mutex_unlock(&p->lock);
        }
        seen = generation(p);
        if (p->stop) return NULL;
        work(p, w->index);
    }
}

/* Open a new generation of n items. The lock is taken only to see sleepers:
 * a worker checks the generation under it before it sleeps. */
static void publish(pool *p, int n)
{
    uint64_t next = (uint64_t)generation(p) + 1;

    atomic_store(&p->ticket, next << 32 | (uint32_t)n);
    pthread_mutex_lock(&p->lock);
    if (p->n_asleep) pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

pool *pool_new(int n_thread)
{
    pool *p = mem_aligned(sizeof *p);

    CHECK(n_thread >= 1);
    *p = (pool){ .n_thread = n_thread };
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->workers = mem_array((size_t)n_thread, sizeof *p->workers);
    for (int i = 1; i < n_thread; i++) {
        struct worker *w = &p->workers[i];

        w->pool = p;
        w->index = i;
        CHECK(pthread_create(&w->thread, NULL, worker_main, w) == 0);
    }
    return p;
}

void pool_free(pool *p)
{
    if (!p) return;
    p->stop = true;
    publish(p, 0);
    for (int i = 1; i < p->n_thread; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    mem_free(p->workers);
    mem_free(p);
}

int pool_threads(const pool *p)
{
    return p->n_thread;
}

void pool_run(pool *p, pool_fn *fn, void *arg, int n_item)
{
    if (n_item <= 0) return;
    if (p->n_thread == 1 || n_item == 1) {
        for (int i = 0; i < n_item; i++) fn(arg, i, 0);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->n_item = n_item;
    atomic_store(&p->n_done, 0);
    publish(p, n_item);
    work(p, 0);
    while (atomic_load_explicit(&p->n_done, memory_order_acquire) < n_item) relax();
}
