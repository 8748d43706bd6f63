/* work.h - from connection threads to the one engine thread.
 *
 * A handler takes a reference to its reply (http.h), puts it into a task with
 * what the engine needs to know, posts it and returns. The engine thread takes
 * tasks between two passes and answers through the reply:
 *
 *   while (!work_closed(q)) {
 *       task t;
 *       while (work_take(q, &t, busy ? 0 : 0.1)) { t.run(t.arg); busy = true; }
 *       busy = engine_step(e);
 *   }
 *
 * Two lanes: WORK_BATCH is taken only while WORK_NOW is empty, so that batch
 * lines fill idle places and delay nobody. The queue is bounded; a full one
 * means 503 with retry-after. */
#ifndef SERVE_WORK_H
#define SERVE_WORK_H

#include <stdbool.h>

typedef enum work_lane { WORK_NOW, WORK_BATCH } work_lane;

#define WORK_LANES (WORK_BATCH + 1)

/* Each task is run once or, when the queue is freed before, dropped once; one of
 * the two releases arg. */
typedef struct task {
    void (*run)(void *arg);
    void (*drop)(void *arg);     /* or NULL */
    void *arg;
} task;

typedef struct work_queue work_queue;

/* max_task: most tasks waiting in each lane. */
work_queue *work_new(int max_task);
void work_free(work_queue *q);                   /* accepts NULL; drops what waits */

/* From any thread. False when the lane is full or the queue closed; the task is
 * then still the caller's. */
bool work_post(work_queue *q, work_lane lane, const task *t);

/* The same past the bound, for what makes work less: a cancel. False only when
 * closed. */
bool work_post_urgent(work_queue *q, const task *t);

/* The next task, waiting up to wait_s for one (0: not at all; below 0: until one
 * comes). False when there is none, or the queue is closed and empty, or
 * work_wake was called meanwhile. */
bool work_take(work_queue *q, task *out, double wait_s);

void work_wake(work_queue *q);                   /* end a wait of work_take */
void work_close(work_queue *q);                  /* refuse new tasks */
bool work_closed(const work_queue *q);           /* closed and empty */
int work_length(const work_queue *q, work_lane lane);

#endif
