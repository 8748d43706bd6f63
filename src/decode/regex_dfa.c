/* regex_dfa.c - building automata and asking them.
 *
 * Construction names each state by a row of words (a set of states, a vector of
 * states), kept in a hash table; what is reached is expanded in the order of
 * discovery, so numbering is deterministic. */
#include "decode/regex_dfa.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

#define SURROGATE_LOW 0xD800u
#define SURROGATE_HIGH 0xDFFFu
#define LAST_CODE 0x10FFFFu

void dfa_free(dfa *d)
{
    if (!d) return;
    mem_free(d->first);
    mem_free(d->edges);
    mem_free(d->accept);
    mem_free(d->near);
    mem_free(d->n_string);
    mem_free(d->every);
    mem_free(d->ascii);
    mem_free(d);
}

static int32_t find_edge(const dfa *d, int32_t state, uint32_t code)
{
    int32_t low = d->first[state], high = d->first[state + 1];

    /* The first edge that ends at code or later. */
    while (low < high) {
        int32_t mid = low + (high - low) / 2;

        if (d->edges[mid].high < code) low = mid + 1;
        else high = mid;
    }
    return low;
}

int32_t dfa_next(const dfa *d, int32_t state, uint32_t code)
{
    int32_t at;

    if (code < 128) return d->ascii[state][code];
    at = find_edge(d, state, code);
    return at < d->first[state + 1] && d->edges[at].low <= code ? d->edges[at].to : -1;
}

bool dfa_meets(const dfa *d, int32_t state, uint32_t low, uint32_t high)
{
    int32_t at = find_edge(d, state, low);

    return at < d->first[state + 1] && d->edges[at].low <= high;
}

uint32_t dfa_match(const dfa *d, const char *s, size_t len)
{
    int32_t state = d->n_state ? 0 : -1;

    for (size_t i = 0; i < len && state >= 0;) {
        uint32_t code;
        int n = utf8_decode(s + i, len - i, &code);

        if (!n) return 0;
        state = dfa_next(d, state, code);
        i += (size_t)n;
    }
    return state >= 0 ? d->accept[state] : 0;
}

/* ---------------------------------------------------------------- builder */

struct dfa_builder {
    int32_t *words;              /* of all states, one after the other */
    size_t n_word, cap_word;
    size_t *from;                /* [n_state + 1] */
    int n_state, cap_state, max_states;
    int32_t *slots;              /* hash table of state + 1 */
    uint32_t mask;
    dfa_edge *edges;
    size_t n_edge, cap_edge;
    size_t *first;               /* [n_state + 1] */
    bool over;
};

static uint32_t hash_words(const int32_t *w, int n)
{
    uint64_t h = 0x9E3779B97F4A7C15u + (uint64_t)n;

    for (int i = 0; i < n; i++) {
        h = (h ^ (uint32_t)w[i]) * 0xBF58476D1CE4E5B9u;
        h ^= h >> 29;
    }
    return (uint32_t)(h ^ h >> 32);
}

static bool same_words(const dfa_builder *b, int state, const int32_t *w, int n)
{
    size_t len = b->from[state + 1] - b->from[state];

    return len == (size_t)n &&
           (n == 0 || !memcmp(b->words + b->from[state], w, (size_t)n * sizeof *w));
}

static void grow_slots(dfa_builder *b)
{
    uint32_t size = b->mask ? (b->mask + 1) * 2 : 64;

    mem_free(b->slots);
    b->slots = mem_array(size, sizeof *b->slots);
    b->mask = size - 1;
    for (int s = 0; s < b->n_state; s++) {
        uint32_t at = hash_words(b->words + b->from[s],
                                 (int)(b->from[s + 1] - b->from[s])) & b->mask;

        while (b->slots[at]) at = (at + 1) & b->mask;
        b->slots[at] = s + 1;
    }
}

int32_t dfa_builder_state(dfa_builder *b, const int32_t *words, int n)
{
    uint32_t at;

    if ((uint32_t)b->n_state * 2 >= b->mask) grow_slots(b);
    for (at = hash_words(words, n) & b->mask; b->slots[at]; at = (at + 1) & b->mask)
        if (same_words(b, b->slots[at] - 1, words, n)) return b->slots[at] - 1;
    if (b->n_state >= b->max_states || b->n_word + (size_t)n > ((size_t)1 << 24)) {
        b->over = true;
        return -1;
    }
    if (b->n_word + (size_t)n > b->cap_word) {
        b->cap_word = (b->n_word + (size_t)n) * 2 + 64;
        b->words = mem_resize(b->words, b->cap_word, sizeof *b->words);
    }
    if (b->n_state + 2 > b->cap_state) {
        b->cap_state = b->cap_state * 2 + 32;
        b->from = mem_resize(b->from, (size_t)b->cap_state, sizeof *b->from);
        b->first = mem_resize(b->first, (size_t)b->cap_state, sizeof *b->first);
        b->from[0] = 0;
    }
    if (n) memcpy(b->words + b->n_word, words, (size_t)n * sizeof *words);
    b->n_word += (size_t)n;
    b->slots[at] = b->n_state + 1;
    b->from[++b->n_state] = b->n_word;
    return b->n_state - 1;
}

static void put_edge(dfa_builder *b, uint32_t low, uint32_t high, int32_t to)
{
    if (low > high || to < 0) return;
    if (b->n_edge >= DFA_MAX_EDGES) {
        b->over = true;
        return;
    }
    if (b->n_edge == b->cap_edge) {
        b->cap_edge = b->cap_edge * 2 + 64;
        b->edges = mem_resize(b->edges, b->cap_edge, sizeof *b->edges);
    }
    b->edges[b->n_edge++] = (dfa_edge){ low, high, to };
}

/* No text holds a surrogate, so no edge does: a state that only they lead out
 * of would look alive. */
void dfa_builder_edge(dfa_builder *b, uint32_t low, uint32_t high, int32_t to)
{
    if (high > LAST_CODE) high = LAST_CODE;
    put_edge(b, low, high < SURROGATE_LOW ? high : SURROGATE_LOW - 1, to);
    put_edge(b, low > SURROGATE_HIGH ? low : SURROGATE_HIGH + 1, high, to);
}

static int by_low(const void *a, const void *b)
{
    const dfa_edge *x = a, *y = b;

    return x->low < y->low ? -1 : x->low > y->low;
}

/* Edges of the state just expanded: in order, neighbours joined. */
static void settle_edges(dfa_builder *b, size_t from)
{
    size_t n = b->n_edge - from, kept = 0;
    dfa_edge *e = b->edges + from;

    if (n == 0) return;
    qsort(e, n, sizeof *e, by_low);
    for (size_t i = 1; i < n; i++) {
        if (e[i].to == e[kept].to && e[i].low == e[kept].high + 1) e[kept].high = e[i].high;
        else e[++kept] = e[i];
    }
    b->n_edge = from + kept + 1;
}

static void builder_fini(dfa_builder *b)
{
    mem_free(b->words);
    mem_free(b->from);
    mem_free(b->slots);
    mem_free(b->edges);
    mem_free(b->first);
}

/* --------------------------------------------------------------- trimming */

/* Characters to acceptance, by rounds over reversed edges. */
static uint32_t *distances(const dfa_builder *b, const uint32_t *label)
{
    size_t n = (size_t)b->n_state;
    uint32_t *near = mem_array(n, sizeof *near);
    int32_t *queue = mem_array(n, sizeof *queue);
    size_t *from = mem_array(n + 1, sizeof *from), head = 0, tail = 0;
    int32_t *back = mem_array(b->n_edge + 1, sizeof *back);

    for (size_t i = 0; i < b->n_edge; i++) from[b->edges[i].to]++;
    for (size_t s = 0, sum = 0; s <= n; s++) {
        size_t k = s < n ? from[s] : 0;

        from[s] = sum;
        sum += k;
    }
    for (size_t s = 0; s < n; s++)
        for (size_t i = b->first[s]; i < b->first[s + 1]; i++)
            back[from[b->edges[i].to]++] = (int32_t)s;
    for (size_t s = n; s > 0; s--) from[s] = from[s - 1];
    from[0] = 0;
    for (size_t s = 0; s < n; s++) {
        near[s] = label[s] ? 0 : UINT32_MAX;
        if (label[s]) queue[tail++] = (int32_t)s;
    }
    while (head < tail) {
        int32_t s = queue[head++];

        for (size_t i = from[s]; i < from[s + 1]; i++) {
            if (near[back[i]] != UINT32_MAX) continue;
            near[back[i]] = near[s] + 1;
            queue[tail++] = back[i];
        }
    }
    mem_free(queue);
    mem_free(from);
    mem_free(back);
    return near;
}

/* How many strings each state accepts: in the order in which all successors are
 * known; what never comes to that is on a cycle or leads to one. */
static void count_strings(dfa *d)
{
    size_t n = (size_t)d->n_state, n_edge = (size_t)d->first[n], head = 0, tail = 0;
    int32_t *left = mem_array(n, sizeof *left), *queue = mem_array(n, sizeof *queue);
    size_t *from = mem_array(n + 2, sizeof *from);
    int32_t *back = mem_array(n_edge + 1, sizeof *back);

    for (size_t i = 0; i < n_edge; i++) from[d->edges[i].to + 1]++;
    for (size_t s = 0; s < n; s++) from[s + 1] += from[s];
    for (size_t s = 0; s < n; s++) {
        left[s] = d->first[s + 1] - d->first[s];
        d->n_string[s] = DFA_INFINITE;
        for (int32_t i = d->first[s]; i < d->first[s + 1]; i++)
            back[from[d->edges[i].to]++] = (int32_t)s;
        if (!left[s]) queue[tail++] = (int32_t)s;
    }
    for (size_t s = n; s > 0; s--) from[s] = from[s - 1];
    from[0] = 0;
    while (head < tail) {
        int32_t s = queue[head++];
        uint64_t sum = d->accept[s] != 0;

        for (int32_t i = d->first[s]; i < d->first[s + 1]; i++)
            sum += (uint64_t)(d->edges[i].high - d->edges[i].low + 1) *
                   d->n_string[d->edges[i].to];
        d->n_string[s] = sum < DFA_INFINITE ? (uint32_t)sum : DFA_INFINITE - 1;
        for (size_t i = from[s]; i < from[s + 1]; i++)
            if (--left[back[i]] == 0) queue[tail++] = back[i];
    }
    mem_free(left);
    mem_free(queue);
    mem_free(from);
    mem_free(back);
}

/* The largest set of accepting states with all characters leading inside it. */
static void find_every(dfa *d)
{
    bool changed = true;

    for (int s = 0; s < d->n_state; s++) d->every[s] = d->accept[s] != 0;
    while (changed) {
        changed = false;
        for (int s = 0; s < d->n_state; s++) {
            uint64_t covered = 0;

            if (!d->every[s]) continue;
            for (int32_t i = d->first[s]; i < d->first[s + 1]; i++) {
                if (!d->every[d->edges[i].to] ||
                    d->accept[d->edges[i].to] != d->accept[s]) break;
                covered += d->edges[i].high - d->edges[i].low + 1;
            }
            if (covered == LAST_CODE + 1 - 0x800) continue;
            d->every[s] = false;
            changed = true;
        }
    }
}

static dfa *finish(const dfa_builder *b, const uint32_t *label)
{
    uint32_t *near = distances(b, label);
    int32_t *name = mem_array((size_t)b->n_state, sizeof *name);
    dfa *d = mem_new(sizeof *d);
    int32_t n_edge = 0;
    size_t n;

    for (int s = 0; s < b->n_state; s++) {
        name[s] = near[0] != UINT32_MAX && near[s] != UINT32_MAX ? d->n_state : -1;
        d->n_state += name[s] >= 0;
    }
    n = (size_t)d->n_state;
    d->first = mem_array(n + 1, sizeof *d->first);
    d->edges = mem_array(b->n_edge + 1, sizeof *d->edges);
    d->accept = mem_array(n + 1, sizeof *d->accept);
    d->near = mem_array(n + 1, sizeof *d->near);
    d->n_string = mem_array(n + 1, sizeof *d->n_string);
    d->every = mem_array(n + 1, sizeof *d->every);
    d->ascii = mem_array(n + 1, sizeof *d->ascii);
    for (int s = 0; s < b->n_state; s++) {
        int32_t at = name[s];

        if (at < 0) continue;
        d->first[at] = n_edge;
        d->accept[at] = label[s];
        d->near[at] = near[s];
        memset(d->ascii[at], 0xFF, sizeof d->ascii[at]);
        for (size_t i = b->first[s]; i < b->first[s + 1]; i++) {
            dfa_edge e = b->edges[i];

            if ((e.to = name[e.to]) < 0) continue;
            for (uint32_t c = e.low; c <= e.high && c < 128; c++) d->ascii[at][c] = e.to;
            d->edges[n_edge++] = e;
        }
    }
    d->first[n] = n_edge;
    mem_free(near);
    mem_free(name);
    count_strings(d);
    find_every(d);
    return d;
}

status dfa_build(dfa **out, const dfa_source *source, const int32_t *start, int n_start,
                 int max_states, errtext *err)
{
    dfa_builder b = { .max_states = max_states < DFA_MAX_STATES ? max_states : DFA_MAX_STATES };
    uint32_t *label = NULL;
    status st = OK;
    int done = 0;

    *out = NULL;
    b.cap_word = b.cap_edge = 64;
    b.words = mem_array(b.cap_word, sizeof *b.words);
    b.edges = mem_array(b.cap_edge, sizeof *b.edges);
    dfa_builder_state(&b, start, n_start);
    for (; done < b.n_state && !b.over; done++) {
        int n = (int)(b.from[done + 1] - b.from[done]);
        int32_t *words = mem_copy(b.words + b.from[done], (size_t)n * sizeof *words);
        bool going;

        b.first[done] = b.n_edge;
        going = source->expand(source->arg, &b, words, n);
        mem_free(words);
        if (!going) b.over = true;
        else settle_edges(&b, b.first[done]);
    }
    if (b.over) {
        st = fail(err, E_LIMIT, "too complex: needs more than %d states or %d edges",
                  b.max_states, DFA_MAX_EDGES);
    } else {
        b.first[b.n_state] = b.n_edge;
        label = mem_array((size_t)b.n_state, sizeof *label);
        for (int s = 0; s < b.n_state; s++)
            label[s] = source->label(source->arg, b.words + b.from[s],
                                     (int)(b.from[s + 1] - b.from[s]));
        *out = finish(&b, label);
    }
    mem_free(label);
    builder_fini(&b);
    return st;
}

/* --------------------------------------------------------------- products */

typedef struct product {
    const dfa *const *in;
    int n;
    dfa_decide_fn *decide;
    void *arg;
    int32_t *next;               /* [n] */
    int32_t *at;                 /* [n] edge under the cursor */
    uint32_t *labels;            /* [n] */
} product;

static bool expand_product(void *arg, dfa_builder *b, const int32_t *words, int n)
{
    product *p = arg;
    uint32_t low = 0;

    for (int i = 0; i < n; i++) p->at[i] = words[i] >= 0 ? p->in[i]->first[words[i]] : 0;
    while (low <= LAST_CODE) {
        uint32_t high = LAST_CODE;
        int32_t to;

        for (int i = 0; i < n; i++) {
            const dfa *d = p->in[i];
            int32_t s = words[i], end = s >= 0 ? d->first[s + 1] : 0;

            p->next[i] = -1;
            if (s < 0) continue;
            while (p->at[i] < end && d->edges[p->at[i]].high < low) p->at[i]++;
            if (p->at[i] == end) continue;
            if (d->edges[p->at[i]].low > low) {
                if (d->edges[p->at[i]].low - 1 < high) high = d->edges[p->at[i]].low - 1;
            } else {
                if (d->edges[p->at[i]].high < high) high = d->edges[p->at[i]].high;
                p->next[i] = d->edges[p->at[i]].to;
            }
        }
        if ((to = dfa_builder_state(b, p->next, n)) < 0) return false;
        dfa_builder_edge(b, low, high, to);
        low = high + 1;
    }
    return true;
}

static uint32_t label_product(void *arg, const int32_t *words, int n)
{
    product *p = arg;

    for (int i = 0; i < n; i++) p->labels[i] = words[i] >= 0 ? p->in[i]->accept[words[i]] : 0;
    return p->decide(p->arg, p->labels);
}

status dfa_product(dfa **out, const dfa *const *in, int n, dfa_decide_fn *decide, void *arg,
                   int max_states, errtext *err)
{
    product p = { in, n, decide, arg, NULL, NULL, NULL };
    dfa_source source = { &p, expand_product, label_product };
    int32_t *start = mem_array((size_t)n + 1, sizeof *start);
    status st;

    p.next = mem_array((size_t)n + 1, sizeof *p.next);
    p.at = mem_array((size_t)n + 1, sizeof *p.at);
    p.labels = mem_array((size_t)n + 1, sizeof *p.labels);
    for (int i = 0; i < n; i++) start[i] = in[i]->n_state ? 0 : -1;
    st = dfa_build(out, &source, start, n, max_states, err);
    mem_free(start);
    mem_free(p.next);
    mem_free(p.at);
    mem_free(p.labels);
    return st;
}

/* ---------------------------------------------------------- simple languages */

typedef struct lengths {
    int low, high;
} lengths;

static bool expand_length(void *arg, dfa_builder *b, const int32_t *words, int n)
{
    const lengths *l = arg;
    int32_t next = words[0] + 1, to;

    (void)n;
    if (l->high >= 0 && words[0] >= l->high) return true;
    if (l->high < 0 && next > l->low) next = l->low;
    if ((to = dfa_builder_state(b, &next, 1)) < 0) return false;
    dfa_builder_edge(b, 0, LAST_CODE, to);
    return true;
}

static uint32_t label_length(void *arg, const int32_t *words, int n)
{
    const lengths *l = arg;

    (void)n;
    return words[0] >= l->low && (l->high < 0 || words[0] <= l->high);
}

status dfa_of_lengths(dfa **out, int low, int high, errtext *err)
{
    lengths l = { low, high };
    dfa_source source = { &l, expand_length, label_length };
    int32_t start = 0;

    return dfa_build(out, &source, &start, 1, DFA_MAX_STATES, err);
}

/* A state of the trie of texts: those in [low, high) share their first `depth`
 * bytes; the list is sorted. Words: low, high, depth. */
typedef struct texts {
    const dfa_text *text;
    const int *order;
} texts;

static _Thread_local const dfa_text *sorting;

static int compare_texts(const void *a, const void *b)
{
    const dfa_text *x = &sorting[*(const int *)a], *y = &sorting[*(const int *)b];
    size_t n = x->len < y->len ? x->len : y->len;
    int c = n ? memcmp(x->data, y->data, n) : 0;

    if (c) return c;
    if (x->len != y->len) return x->len < y->len ? -1 : 1;
    return *(const int *)a - *(const int *)b;
}

static bool expand_text(void *arg, dfa_builder *b, const int32_t *words, int n)
{
    const texts *t = arg;
    size_t depth = (size_t)words[2];
    int i = words[0];

    (void)n;
    while (i < words[1] && t->text[t->order[i]].len == depth) i++;
    while (i < words[1]) {
        const dfa_text *x = &t->text[t->order[i]];
        uint32_t code = 0;
        int len = utf8_decode(x->data + depth, x->len - depth, &code), end = i + 1;
        int32_t next[3], to;

        if (!len) return false;
        while (end < words[1] && t->text[t->order[end]].len >= depth + (size_t)len &&
               !memcmp(t->text[t->order[end]].data + depth, x->data + depth, (size_t)len))
            end++;
        next[0] = i;
        next[1] = end;
        next[2] = (int32_t)depth + len;
        if ((to = dfa_builder_state(b, next, 3)) < 0) return false;
        dfa_builder_edge(b, code, code, to);
        i = end;
    }
    return true;
}

static uint32_t label_text(void *arg, const int32_t *words, int n)
{
    const texts *t = arg;
    int first = t->order[words[0]];

    (void)n;
    return words[0] < words[1] && t->text[first].len == (size_t)words[2]
               ? (uint32_t)first + 1 : 0;
}

status dfa_of_texts(dfa **out, const dfa_text *text, int n, errtext *err)
{
    int *order = mem_array((size_t)n + 1, sizeof *order);
    texts t = { text, order };
    dfa_source source = { &t, expand_text, label_text };
    const int32_t start[3] = { 0, n, 0 };
    status st;

    for (int i = 0; i < n; i++) order[i] = i;
    sorting = text;
    qsort(order, (size_t)n, sizeof *order, compare_texts);
    st = dfa_build(out, &source, start, 3, DFA_MAX_STATES, err);
    mem_free(order);
    return st;
}
