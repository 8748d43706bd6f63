/* pool.h - threads that share one loop.
 *
 * pool_run splits n independent items; which thread takes which item is open,
 * so an item must write only what belongs to it and its result must not depend
 * on the split (invariant 1). Threads spin briefly between loops and sleep
 * when nothing comes. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

typedef struct pool pool;

/* n_thread counts the calling thread; 1 starts none. */
pool *pool_new(int n_thread);
void pool_free(pool *p);
int pool_threads(const pool *p);

/* Call fn(arg, i_item, i_thread) for every i_item in [0, n_item) and return
 * when all are done. Called from one thread at a time; fn must not call it. */
typedef void pool_fn(void *arg, int i_item, int i_thread);
void pool_run(pool *p, pool_fn *fn, void *arg, int n_item);

#endif
