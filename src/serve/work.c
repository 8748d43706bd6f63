/* work.c - a bounded queue with two lanes. */
#include "serve/work.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "base/mem.h"
#include "base/status.h"

typedef struct node {
    struct node *next;
    task t;
} node;

typedef struct lane {
    node *first, **last;
    int n;
} lane;

struct work_queue {
    pthread_mutex_t lock;
    pthread_cond_t news;
    lane lanes[WORK_LANES];
    int max_task;
    bool closed;
    bool woken;
};

work_queue *work_new(int max_task)
{
    work_queue *q = mem_new(sizeof *q);
    pthread_condattr_t monotonic;

    CHECK(max_task > 0);
    q->max_task = max_task;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (int i = 0; i < WORK_LANES; i++) q->lanes[i].last = &q->lanes[i].first;
    return q;
}

static task pop(lane *l)
{
    node *n = l->first;
    task t = n->t;

    l->first = n->next;
    if (!l->first) l->last = &l->first;
    l->n--;
    mem_free(n);
    return t;
}

void work_free(work_queue *q)
{
    if (!q) return;
    for (int i = 0; i < WORK_LANES; i++) {
        while (q->lanes[i].first) {
            task t = pop(&q->lanes[i]);

            if (t.drop) t.drop(t.arg);
        }
    }
    pthread_cond_destroy(&q->news);
    pthread_mutex_destroy(&q->lock);
    mem_free(q);
}

static bool post(work_queue *q, work_lane to, const task *t, bool bounded)
{
    lane *l = &q->lanes[to];
    bool fits;

    pthread_mutex_lock(&q->lock);
    fits = !q->closed && (!bounded || l->n < q->max_task);
    if (fits) {
        node *n = mem_new(sizeof *n);

        n->t = *t;
        *l->last = n;
        l->last = &n->next;
        l->n++;
        pthread_cond_signal(&q->news);
    }
    pthread_mutex_unlock(&q->lock);
    return fits;
}

bool work_post(work_queue *q, work_lane to, const task *t)
{
    return post(q, to, t, true);
}

bool work_post_urgent(work_queue *q, const task *t)
{
    return post(q, WORK_NOW, t, false);
}

static bool is_empty(const work_queue *q)
{
    return !q->lanes[WORK_NOW].first && !q->lanes[WORK_BATCH].first;
}

bool work_take(work_queue *q, task *out, double wait_s)
{
    struct timespec until;
    bool found;

    clock_gettime(CLOCK_MONOTONIC, &until);
    if (wait_s > 0) {
        int64_t ns = until.tv_nsec + (int64_t)(wait_s * 1e9);

        until.tv_sec += ns / 1000000000;
        until.tv_nsec = ns % 1000000000;
    }
    pthread_mutex_lock(&q->lock);
    while (is_empty(q) && !q->closed && !q->woken && wait_s != 0) {
        if (wait_s < 0) pthread_cond_wait(&q->news, &q->lock);
        else if (pthread_cond_timedwait(&q->news, &q->lock, &until) == ETIMEDOUT) break;
    }
    q->woken = false;
    found = !is_empty(q);
    if (found) *out = pop(&q->lanes[q->lanes[WORK_NOW].first ? WORK_NOW : WORK_BATCH]);
    pthread_mutex_unlock(&q->lock);
    return found;
}

void work_wake(work_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->woken = true;
    pthread_cond_broadcast(&q->news);
    pthread_mutex_unlock(&q->lock);
}

void work_close(work_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->news);
    pthread_mutex_unlock(&q->lock);
}

bool work_closed(const work_queue *q)
{
    work_queue *open = (work_queue *)q;
    bool closed;

    pthread_mutex_lock(&open->lock);
    closed = q->closed && is_empty(q);
    pthread_mutex_unlock(&open->lock);
    return closed;
}

int work_length(const work_queue *q, work_lane of)
{
    work_queue *open = (work_queue *)q;
    int n;

    pthread_mutex_lock(&open->lock);
    n = q->lanes[of].n;
    pthread_mutex_unlock(&open->lock);
    return n;
}
