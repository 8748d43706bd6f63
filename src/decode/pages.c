/* pages.c - the page table: free list, index of contents, least recent use. */
#include "decode/pages.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"

typedef struct page {
    int32_t held;            /* by how many sequences */
    bool named;              /* in the index */
    bool ready;
    uint64_t serial;         /* of these contents; never given twice */
    page_parent parent;
    int32_t ids[KV_PAGE];
    int32_t next;            /* in its bucket */
    int32_t older, newer;    /* among pages that nobody holds */
} page;

struct pages {
    int n_page;
    page *items;
    int32_t *buckets;        /* heads of chains, -1 when empty */
    int n_bucket;            /* a power of two */
    int32_t oldest, newest;  /* of the unheld */
    int n_unheld;
    uint64_t next_serial;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static int32_t *bucket_of(const pages *p, page_parent parent, const int32_t *ids)
{
    uint64_t h = mix(mix(1, (uint64_t)parent.page), parent.serial);

    for (int i = 0; i < KV_PAGE; i++) h = mix(h, (uint64_t)ids[i]);
    return &p->buckets[h & (uint64_t)(p->n_bucket - 1)];
}

/* A page with findable contents is kept longest; one without goes first, so
 * that memory already touched is used again before any new. */
static void unheld_add(pages *p, int32_t i)
{
    page *g = &p->items[i];

    g->older = g->named ? p->newest : -1;
    g->newer = g->named ? -1 : p->oldest;
    if (g->older >= 0) p->items[g->older].newer = i;
    else p->oldest = i;
    if (g->newer >= 0) p->items[g->newer].older = i;
    else p->newest = i;
    p->n_unheld++;
}

static void unheld_remove(pages *p, int32_t i)
{
    page *g = &p->items[i];

    if (g->older >= 0) p->items[g->older].newer = g->newer;
    else p->oldest = g->newer;
    if (g->newer >= 0) p->items[g->newer].older = g->older;
    else p->newest = g->older;
    p->n_unheld--;
}

pages *pages_new(int n_page)
{
    pages *p = mem_new(sizeof *p);

    CHECK(n_page > 0);
    p->n_page = n_page;
    p->items = mem_array((size_t)n_page, sizeof *p->items);
    for (p->n_bucket = 16; p->n_bucket < 2 * n_page;) p->n_bucket *= 2;
    p->buckets = mem_array((size_t)p->n_bucket, sizeof *p->buckets);
    memset(p->buckets, 0xFF, (size_t)p->n_bucket * sizeof *p->buckets);
    p->oldest = p->newest = -1;
    for (int i = n_page - 1; i >= 0; i--) unheld_add(p, i);
    return p;
}

void pages_free(pages *p)
{
    if (!p) return;
    mem_free(p->items);
    mem_free(p->buckets);
    mem_free(p);
}

int pages_available(const pages *p)
{
    return p->n_unheld;
}

static void forget(pages *p, int32_t i)
{
    page *g = &p->items[i];
    int32_t *at;

    if (!g->named) return;
    for (at = bucket_of(p, g->parent, g->ids); *at != i; at = &p->items[*at].next)
        CHECK(*at >= 0);
    *at = g->next;
    g->named = false;
}

int32_t pages_take(pages *p)
{
    int32_t i = p->oldest;

    if (i < 0) return -1;
    unheld_remove(p, i);
    forget(p, i);
    p->items[i].held = 1;
    p->items[i].ready = false;
    p->items[i].serial = ++p->next_serial;
    return i;
}

page_parent pages_root(uint64_t tenant)
{
    return (page_parent){ -1, tenant };
}

page_parent pages_parent(const pages *p, int32_t i)
{
    return (page_parent){ i, p->items[i].serial };
}

static int32_t look_up(const pages *p, page_parent parent, const int32_t *ids)
{
    for (int32_t i = *bucket_of(p, parent, ids); i >= 0; i = p->items[i].next) {
        const page *g = &p->items[i];

        if (g->parent.page == parent.page && g->parent.serial == parent.serial &&
            !memcmp(g->ids, ids, sizeof g->ids))
            return i;
    }
    return -1;
}

int32_t pages_find(pages *p, page_parent parent, const int32_t *ids, bool *pending)
{
    int32_t i = look_up(p, parent, ids);

    *pending = i >= 0 && !p->items[i].ready;
    if (i < 0 || *pending) return -1;
    if (p->items[i].held++ == 0) unheld_remove(p, i);
    return i;
}

void pages_name(pages *p, int32_t i, page_parent parent, const int32_t *ids)
{
    page *g = &p->items[i];
    int32_t *head;

    CHECK(g->held > 0);
    if (g->named || look_up(p, parent, ids) >= 0) return;
    g->parent = parent;
    memcpy(g->ids, ids, sizeof g->ids);
    head = bucket_of(p, parent, ids);
    g->next = *head;
    *head = i;
    g->named = true;
}

void pages_set_ready(pages *p, int32_t i)
{
    p->items[i].ready = true;
}

void pages_release(pages *p, int32_t i)
{
    page *g = &p->items[i];

    CHECK(g->held > 0);
    if (--g->held) return;
    if (!g->ready) forget(p, i);
    unheld_add(p, i);
}
