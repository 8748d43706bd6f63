/* pages.h - who holds which key and value page, and what is in it.
 *
 * A full page is known by its 16 tokens and the page before it, down to the
 * tenant at the root, so two sequences meet in a page only when their whole
 * past is equal; nothing is compared by hash alone. A page nobody holds stays
 * findable until its memory is needed, least recently used first. */
#ifndef DECODE_PAGES_H
#define DECODE_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/attention.h"

typedef struct pages pages;

pages *pages_new(int n_page);
void pages_free(pages *p);                       /* accepts NULL */

int pages_available(const pages *p);             /* free, or held by nobody */

/* A page for the caller to fill, held once; -1 when every page is held. */
int32_t pages_take(pages *p);

/* Identity of a page's past: the root of a tenant, or a known page. */
typedef struct page_parent {
    int32_t page;            /* -1 at the root */
    uint64_t serial;         /* of that page's contents; the tenant at the root */
} page_parent;

page_parent pages_root(uint64_t tenant);
page_parent pages_parent(const pages *p, int32_t page);

/* The computed page that continues parent with these KV_PAGE tokens, held once
 * more by the caller; -1 when there is none. *pending is set when another
 * sequence is about to compute it. */
int32_t pages_find(pages *p, page_parent parent, const int32_t *ids, bool *pending);

/* Make a held page findable before it is computed, and say when it is. Naming
 * contents that another page has already is fine: it stays unknown. Naming a
 * page again changes nothing. */
void pages_name(pages *p, int32_t page, page_parent parent, const int32_t *ids);
void pages_set_ready(pages *p, int32_t page);

/* Let go. A page that was never ready is forgotten. */
void pages_release(pages *p, int32_t page);

#endif
