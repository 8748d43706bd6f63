/* store_case.h - a store in a folder of its own, and short calls on it.
 *
 * Definitions, for the files that include it. */
#ifndef TESTS_STORE_CASE_H
#define TESTS_STORE_CASE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/content.h"
#include "store/batch_lines.h"
#include "store/object.h"
#include "store/queue.h"
#include "store/store.h"

#include <check.h>       /* last: it has a macro named fail */

static char test_dir[64];
static errtext err;

#define OKAY(call) ck_assert_msg((call) == OK, "%s: %s", #call, err.text)

static inline void dir_make(void)
{
    snprintf(test_dir, sizeof test_dir, "/tmp/test-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(test_dir));
}

static inline void dir_remove(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf '%s'", test_dir);
    ck_assert_int_eq(system(command), 0);
}

static inline store *open_store(bool exclusive)
{
    store_options o = { .exclusive = exclusive };
    store *s;

    OKAY(store_open(&s, test_dir, &o, &err));
    return s;
}

static inline void create(store *s, store_kind kind, const char *tenant, const char *id,
                          const char *queue)
{
    store_object o = { .kind = kind, .id = id, .tenant = tenant, .status = "queued",
                       .body = "{}" };
    store_start start = { .queue = queue };

    OKAY(store_create(s, &o, &start, &err));
}

static inline void append(store *s, const store_claim *claim, const char *tenant,
                          const char *id, int64_t first, int n)
{
    store_event events[64];
    char bodies[64][32];

    ck_assert_int_le(n, 64);
    for (int i = 0; i < n; i++) {
        snprintf(bodies[i], sizeof bodies[i], "{\"n\":%lld}", (long long)first + i);
        events[i] = (store_event){ .type = "delta", .body = bodies[i] };
    }
    OKAY(store_events_append(s, claim, tenant, id, first, events, n, &err));
}

static inline bool finish(store *s, const store_claim *claim, const char *tenant,
                          const char *id, const char *body)
{
    store_end end = { .status = "completed", .body = body, .expires_at = -1 };
    bool ended;

    OKAY(store_finish(s, claim, tenant, id, &end, &ended, &err));
    return ended;
}

static inline bool exists(store *s, store_kind kind, const char *tenant, const char *id)
{
    store_object o;
    bool there;

    OKAY(store_get(s, kind, tenant, id, &o, &err));
    there = o.id != NULL;
    store_object_fini(&o);
    return there;
}

static inline void put_file(store *s, const char *tenant, const char *id, const void *data,
                            size_t len)
{
    store_object o = { .kind = STORE_FILE, .id = id, .tenant = tenant, .status = "processed",
                       .label = "batch" };
    store_upload *u;

    OKAY(store_upload_begin(&u, s, 1 << 20, &err));
    OKAY(store_upload_write(u, data, len, &err));
    OKAY(store_upload_commit(u, &o, &err));
}

#endif
