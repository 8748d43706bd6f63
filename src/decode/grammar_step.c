/* grammar_step.c - one byte further, on every way to read the text.
 *
 * Frames are hash-consed and only ever appended, so forgetting those that a
 * trial walk made is cutting the array and emptying their slots. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "decode/grammar_internal.h"
#include "decode/grammar_text.h"

#define MAX_INDENT 40            /* blanks after a line break */
#define MAX_THREADS 2048         /* readings followed; more are dropped, which only
                                  * takes choices away */
#define MAX_ENTER 400            /* rules entered without a byte */

enum { WS_NONE, WS_SPACE, WS_FULL };

/* ------------------------------------------------------------------ frames */

static uint32_t hash_frame(const frame *f)
{
    const uint32_t *w = (const uint32_t *)(const void *)f;
    uint64_t h = 0x243F6A8885A308D3u;

    for (size_t i = 0; i < sizeof *f / 4; i++) {
        h = (h ^ w[i]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static void grow_slots(grammar *g)
{
    uint32_t size = g->slot_mask ? (g->slot_mask + 1) * 2 : 256;

    mem_free(g->slots);
    g->slots = mem_array(size, sizeof *g->slots);
    g->slot_mask = size - 1;
    for (uint32_t i = 1; i < g->n_frame; i++) {
        uint32_t at = hash_frame(&g->frames[i]) & g->slot_mask;

        while (g->slots[at]) at = (at + 1) & g->slot_mask;
        g->slots[at] = i;
    }
}

uint32_t frame_intern(grammar *g, const frame *f)
{
    uint32_t at;

    if (g->n_frame * 2 >= g->slot_mask) grow_slots(g);
    for (at = hash_frame(f) & g->slot_mask; g->slots[at]; at = (at + 1) & g->slot_mask)
        if (!memcmp(&g->frames[g->slots[at]], f, sizeof *f)) return g->slots[at];
    if (g->n_frame == g->cap_frame) {
        g->cap_frame = g->cap_frame * 2 + 64;
        g->frames = mem_resize(g->frames, g->cap_frame, sizeof *g->frames);
    }
    g->frames[g->n_frame] = *f;
    g->slots[at] = g->n_frame;
    return g->n_frame++;
}

/* Taken back in the reverse order, a chain of probes is what it was before. */
void frame_rewind(grammar *g, uint32_t n_frame)
{
    while (g->n_frame > n_frame) {
        uint32_t i = --g->n_frame, at = hash_frame(&g->frames[i]) & g->slot_mask;

        while (g->slots[at] != i) at = (at + 1) & g->slot_mask;
        g->slots[at] = 0;
    }
}

/* ----------------------------------------------------------------- threads */

void threads_add(threads *out, const thread *t)
{
    if (out->n == out->cap) {
        out->cap = out->cap * 2 + 8;
        out->items = mem_resize(out->items, (size_t)out->cap, sizeof *out->items);
    }
    out->items[out->n++] = *t;
}

void threads_fini(threads *t)
{
    mem_free(t->items);
    *t = (threads){ 0 };
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(thread));
}

void threads_settle(threads *t)
{
    int kept = 0;

    if (t->n < 2) return;
    qsort(t->items, (size_t)t->n, sizeof *t->items, by_bytes);
    for (int i = 1; i < t->n; i++)
        if (by_bytes(&t->items[i], &t->items[kept])) t->items[++kept] = t->items[i];
    t->n = kept + 1 < MAX_THREADS ? kept + 1 : MAX_THREADS;
}

/* --------------------------------------------------------------- finishing */

static void value_done(grammar *g, uint32_t stack, threads *out, int depth);

static void put(threads *out, thread t)
{
    threads_add(out, &t);
}

/* Begin with symbol `at` of a production. */
static void enter(grammar *g, int32_t at, uint32_t stack, threads *out, int depth)
{
    const symbol *s = &g->symbols[at];
    uint32_t then = stack;

    if (depth > MAX_ENTER) return;
    if (s->kind == SYMBOL_END) {
        value_done(g, stack, out, depth + 1);
        return;
    }
    /* What comes last needs no frame to come back to. */
    if (g->symbols[at + 1].kind != SYMBOL_END)
        then = frame_intern(g, &(frame){ .kind = FRAME_RULE, .spec = at + 1, .parent = stack });
    switch (s->kind) {
    case SYMBOL_LEX:
        if (g->lexes[s->spec]->n_string[0] > (g->lexes[s->spec]->accept[0] != 0))
            put(out, (thread){ .stack = then, .place = PLACE_LEX, .spec = s->spec });
        if (g->lexes[s->spec]->accept[0]) value_done(g, then, out, depth + 1);
        break;
    case SYMBOL_TEXT:
        if (g->literals[s->spec].len == 0) value_done(g, then, out, depth + 1);
        else put(out, (thread){ .stack = then, .place = PLACE_TEXT, .spec = s->spec });
        break;
    case SYMBOL_GOAL:
        put(out, (thread){ .stack = then, .place = PLACE_VALUE, .spec = s->spec });
        break;
    case SYMBOL_RULE: {
        const rule *r = &g->rules[s->spec];

        for (int i = 0; i < r->n; i++) enter(g, r->starts[i], then, out, depth + 1);
        break;
    }
    case SYMBOL_END: break;
    }
}

/* The value or symbol on top of a stack is complete. */
static void value_done(grammar *g, uint32_t stack, threads *out, int depth)
{
    frame f = g->frames[stack];

    switch (f.kind) {
    case FRAME_ROOT:
        put(out, (thread){ .stack = stack, .place = PLACE_END });
        break;
    case FRAME_RULE:
        enter(g, f.spec, f.parent, out, depth);
        break;
    default:
        put(out, (thread){ .stack = stack, .place = PLACE_NEXT });
    }
}

void threads_start(grammar *g, threads *out)
{
    uint32_t root = frame_intern(g, &(frame){ .kind = FRAME_ROOT });

    enter(g, g->root_symbol, root, out, 0);
    threads_settle(out);
}

/* ------------------------------------------------------------------ arrays */

static bool fits(const grammar *g, uint32_t depth, int32_t want)
{
    return want >= 0 && g->goals[want].height >= 0 &&
           depth + (uint32_t)g->goals[want].height <= GRAMMAR_MAX_DEPTH;
}

static int32_t item_goal(const array_spec *a, int32_t at)
{
    if (a->high >= 0 && at >= a->high) return -1;
    return at < a->n_prefix ? a->prefix[at] : a->rest;
}

static bool array_final(const array_spec *a, int32_t at)
{
    return a->first ? a->final[at] : at >= a->low;
}

/* Whether an item of an automaton may be written, and an end reached after it. */
static bool edge_fits(const grammar *g, const array_spec *a, const frame *f, int32_t i)
{
    int32_t need = a->need[a->edges[i].to];

    return need >= 0 && f->depth + (uint32_t)need <= GRAMMAR_MAX_DEPTH &&
           fits(g, f->depth, a->edges[i].goal);
}

static bool array_more(const grammar *g, const frame *f)
{
    const array_spec *a = &g->arrays[f->spec];

    if (!a->first) return fits(g, f->depth, item_goal(a, f->at));
    for (int32_t i = a->first[f->at]; i < a->first[f->at + 1]; i++)
        if (edge_fits(g, a, f, i)) return true;
    return false;
}

static void start_value(grammar *g, int32_t want, uint32_t stack, uint8_t byte, threads *out);

static void start_items(grammar *g, uint32_t stack, uint8_t byte, threads *out)
{
    frame f = g->frames[stack];
    const array_spec *a = &g->arrays[f.spec];

    if (!a->first) {
        int32_t want = item_goal(a, f.at);

        if (!fits(g, f.depth, want)) return;
        if (f.at < a->clamp) f.at++;
        start_value(g, want, frame_intern(g, &f), byte, out);
        return;
    }
    for (int32_t i = a->first[f.at]; i < a->first[f.at + 1]; i++) {
        frame next = f;

        if (!edge_fits(g, a, &f, i)) continue;
        next.at = a->edges[i].to;
        start_value(g, a->edges[i].goal, frame_intern(g, &next), byte, out);
    }
}

/* ----------------------------------------------------------------- objects */

static int n_used(const grammar *g, uint32_t used)
{
    int n = 0;

    for (; used; used = g->frames[used].used) n++;
    return n;
}

/* Whether an object that stands so can be brought to its end. */
static bool can_finish(const grammar *g, const frame *f)
{
    const object_spec *o = &g->objects[f->spec];
    int need = o->left_required[f->at] + o->demand_cost[f->demands];
    const dfa *others = o->extras[0].lex;

    if (o->high >= 0 && f->count + need > o->high) return false;
    if (f->count + need >= o->low) return true;
    if (f->count + need + o->left_optional[f->at] >= o->low) return true;
    if (!others || !others->n_state) return false;
    if (others->n_string[0] == DFA_INFINITE) return true;
    return (int64_t)others->n_string[0] - n_used(g, f->used) + f->count + need +
           o->left_optional[f->at] >= o->low;
}

static frame after_name(const object_spec *o, const frame *f, int32_t i)
{
    frame next = *f;

    next.at = i + 1;
    if (o->high >= 0 || next.count < o->low) next.count++;
    return next;
}

/* Whether known name i may come next. */
static bool name_fits(const grammar *g, const frame *f, int32_t i)
{
    const object_spec *o = &g->objects[f->spec];
    frame next;

    if (i < f->at || i > o->next_required[f->at] || !fits(g, f->depth, o->names[i].goal))
        return false;
    next = after_name(o, f, i);
    return can_finish(g, &next);
}

static bool some_name_fits(const grammar *g, const frame *f, int32_t low, int32_t high)
{
    const object_spec *o = &g->objects[f->spec];

    for (int32_t i = low; i < high; i++)
        if (name_fits(g, f, o->sorted[i])) return true;
    return false;
}

static frame after_extra(const object_spec *o, const frame *f, uint32_t settles)
{
    frame next = *f;

    next.at = o->n_name;
    next.demands &= ~settles;
    if (o->high >= 0 || next.count < o->low) next.count++;
    return next;
}

/* Whether the text `of` begins with `text`; then what follows goes to rest. */
static int text_rest(const grammar *g, uint32_t of, uint32_t text, uint32_t *rest, int max)
{
    int n = 0;

    for (uint32_t at = of; at != text; at = g->frames[at].parent) {
        if (!at) return -1;
        if (n < max) rest[n] = (uint32_t)g->frames[at].spec;
        n++;
    }
    return n;
}

/* Whether an unused name is left among those that go on from q after text. */
static bool name_left(const grammar *g, const dfa *d, int32_t q, uint32_t text, uint32_t used)
{
    int taken = 0;

    if (d->n_string[q] == DFA_INFINITE || !used) return true;
    for (; used; used = g->frames[used].used) {
        uint32_t rest[256];
        int n = text_rest(g, (uint32_t)g->frames[used].spec, text, rest, 256);
        int32_t at = q;

        if (n < 0 || n > 256) continue;
        while (n > 0 && at >= 0) at = dfa_next(d, at, rest[--n]);
        taken += at >= 0 && d->accept[at];
    }
    return d->n_string[q] > (uint32_t)taken;
}

static bool is_used(const grammar *g, uint32_t used, uint32_t text)
{
    for (; used; used = g->frames[used].used)
        if ((uint32_t)g->frames[used].spec == text) return true;
    return false;
}

/* Whether names that settle these demands may be begun. */
static bool extra_fits(const grammar *g, const frame *f, uint32_t settles)
{
    const object_spec *o = &g->objects[f->spec];
    const object_extra *x = &o->extras[settles];
    frame next;

    if (o->left_required[f->at] || (settles & ~f->demands) || !x->lex || !x->lex->n_state)
        return false;
    for (int i = 1; i < x->n_goal; i++)
        if (x->goals[i] >= 0 && !fits(g, f->depth, x->goals[i])) return false;
    next = after_extra(o, f, settles);
    return can_finish(g, &next) && name_left(g, x->lex, 0, 0, f->used);
}

static bool object_more(const grammar *g, const frame *f)
{
    const object_spec *o = &g->objects[f->spec];

    for (uint32_t s = 0; s < 1u << o->n_demand; s++)
        if (extra_fits(g, f, s)) return true;
    return some_name_fits(g, f, 0, o->n_name);
}

static bool object_final(const grammar *g, const frame *f)
{
    const object_spec *o = &g->objects[f->spec];

    return !o->left_required[f->at] && !f->demands && f->count >= o->low;
}

/* The quote that opens a name. */
static void start_names(grammar *g, uint32_t stack, threads *out)
{
    frame f = g->frames[stack];
    const object_spec *o = &g->objects[f.spec];

    if (some_name_fits(g, &f, 0, o->n_name))
        put(out, (thread){ .stack = stack, .place = PLACE_KNOWN, .high = o->n_name });
    for (uint32_t s = 0; s < 1u << o->n_demand; s++)
        if (extra_fits(g, &f, s))
            put(out, (thread){ .stack = stack, .place = PLACE_EXTRA, .high = (int32_t)s });
}

static void step_known(grammar *g, const thread *t, uint8_t byte, threads *out)
{
    frame f = g->frames[t->stack];
    const object_spec *o = &g->objects[f.spec];
    int32_t low = t->low, high = t->high;
    thread next = *t;

#define BYTE_OF(i) ((uint8_t)g->text.data[o->names[o->sorted[i]].from + t->part])
    while (low < high && BYTE_OF(low) < byte) low++;
    for (high = low; high < t->high && BYTE_OF(high) == byte; high++) {}
#undef BYTE_OF
    if (low == high || !some_name_fits(g, &f, low, high)) return;
    next.low = low;
    next.high = high;
    next.part++;
    if (high - low == 1 && next.part == o->names[o->sorted[low]].len) {
        int32_t i = o->sorted[low];
        frame after = after_name(o, &f, i);

        next = (thread){ .stack = frame_intern(g, &after), .place = PLACE_COLON,
                         .spec = o->names[i].goal };
    }
    threads_add(out, &next);
}

static void close_extra(grammar *g, const thread *t, threads *out)
{
    frame f = g->frames[t->stack], after;
    const object_spec *o = &g->objects[f.spec];
    const object_extra *x = &o->extras[t->high];
    uint32_t label = x->lex->accept[t->q];

    if (!label || is_used(g, f.used, (uint32_t)t->low)) return;
    after = after_extra(o, &f, (uint32_t)t->high);
    after.used = frame_intern(g, &(frame){ .kind = FRAME_USED, .spec = t->low, .used = f.used });
    put(out, (thread){ .stack = frame_intern(g, &after), .place = PLACE_COLON,
                       .spec = x->goals[label] });
}

static void step_extra(grammar *g, const thread *t, uint8_t byte, threads *out)
{
    const frame *f = &g->frames[t->stack];
    const object_extra *x = &g->objects[f->spec].extras[t->high];
    bool free = x->lex->every[t->q];
    lexer lex = { .d = free ? NULL : x->lex, .q = t->q, .no_nul = free };
    uint32_t used = f->used;
    thread next = *t;
    took r;

    if (byte == '"' && t->dec == AT_CHAR) {
        close_extra(g, t, out);
        return;
    }
    r = take_json(&lex, &next.dec, &next.part, byte);
    if (r == TOOK_NO) return;
    if (r == TOOK_CHAR) {
        next.q = dfa_next(x->lex, t->q, next.part);
        next.low = (int32_t)frame_intern(g, &(frame){ .kind = FRAME_TEXT,
                                                      .spec = (int32_t)next.part,
                                                      .parent = (uint32_t)t->low });
        next.part = 0;
        if (!name_left(g, x->lex, next.q, (uint32_t)next.low, used)) return;
    }
    threads_add(out, &next);
}

/* ------------------------------------------------------------------- values */

static void open_container(grammar *g, const shape *s, uint32_t stack, threads *out)
{
    frame f = { .parent = stack, .spec = s->spec, .depth = g->frames[stack].depth + 1 };
    thread t = { .part = 1 };

    if (s->kind == SHAPE_ARRAY) {
        f.kind = FRAME_ARRAY;
        t.place = PLACE_ITEM;
    } else {
        f.kind = FRAME_OBJECT;
        f.demands = (1u << g->objects[s->spec].n_demand) - 1;
        t.place = PLACE_NAME;
    }
    t.stack = frame_intern(g, &f);
    threads_add(out, &t);
}

static void start_value(grammar *g, int32_t want, uint32_t stack, uint8_t byte, threads *out)
{
    const goal *v = &g->goals[want];

    for (int i = 0; i < v->n; i++) {
        const shape *s = &v->shapes[i];

        switch (s->kind) {
        case SHAPE_LITERAL:
            thread_step(g, &(thread){ .stack = stack, .place = PLACE_TEXT, .spec = s->spec },
                        byte, out);
            break;
        case SHAPE_NUMBER:
            if (byte != '-' && (byte < '0' || byte > '9')) break;
            thread_step(g, &(thread){ .stack = stack, .place = PLACE_NUMBER, .spec = s->spec,
                                      .high = g->numbers[s->spec].max_char }, byte, out);
            break;
        case SHAPE_STRING:
            if (byte == '"')
                put(out, (thread){ .stack = stack, .place = PLACE_STRING, .spec = s->spec,
                                   .low = g->strings[s->spec].low,
                                   .high = g->strings[s->spec].high });
            break;
        case SHAPE_ARRAY:
            if (byte == '[' &&
                g->frames[stack].depth + (uint32_t)g->arrays[s->spec].height <= GRAMMAR_MAX_DEPTH)
                open_container(g, s, stack, out);
            break;
        case SHAPE_OBJECT:
            if (byte == '{' &&
                g->frames[stack].depth + (uint32_t)g->objects[s->spec].height <= GRAMMAR_MAX_DEPTH)
                open_container(g, s, stack, out);
            break;
        }
    }
}

/* White space before something; true when the byte was white space. */
static bool step_white(const grammar *g, const thread *t, int mode, uint8_t byte, threads *out)
{
    thread next = *t;

    if (byte != ' ' && byte != '\n' && byte != '\t') return false;
    if (g->compact || mode == WS_NONE) return true;
    if (t->ws == 0 && byte == ' ') next.ws = 1;
    else if (t->ws == 0 && byte == '\n' && mode == WS_FULL) next.ws = 2;
    else if (t->ws >= 2 && t->ws < 2 + MAX_INDENT && byte != '\n') next.ws++;
    else return true;
    threads_add(out, &next);
    return true;
}

static void step_next(grammar *g, const thread *t, uint8_t byte, threads *out)
{
    frame f = g->frames[t->stack];
    bool object = f.kind == FRAME_OBJECT;
    bool final = object ? object_final(g, &f) : array_final(&g->arrays[f.spec], f.at);

    if (final && step_white(g, t, WS_FULL, byte, out)) return;
    if (byte == ',' && t->ws == 0) {
        if (object ? object_more(g, &f) : array_more(g, &f))
            put(out, (thread){ .stack = t->stack, .place = object ? PLACE_NAME : PLACE_ITEM });
    } else if (final && byte == (object ? '}' : ']')) {
        value_done(g, f.parent, out, 0);
    }
}

static void step_string(grammar *g, const thread *t, uint8_t byte, threads *out)
{
    const string_spec *s = &g->strings[t->spec];
    lexer lex = { s->lex, t->q, s->plain, !s->lex };
    thread next = *t;

    if (byte == '"' && t->dec == AT_CHAR) {
        if (s->lex ? s->lex->accept[t->q] != 0 : t->low == 0)
            value_done(g, t->stack, out, 0);
        return;
    }
    if (t->high == 0 && t->dec == AT_CHAR) return;
    switch (take_json(&lex, &next.dec, &next.part, byte)) {
    case TOOK_NO: return;
    case TOOK_PART: break;
    case TOOK_CHAR:
        if (s->lex) next.q = dfa_next(s->lex, t->q, next.part);
        if (next.low > 0) next.low--;
        if (next.high > 0) next.high--;
        next.part = 0;
        /* What is left of a pattern may be no restriction any more. */
        if (s->lex && !s->plain && s->lex->every[next.q])
            next = (thread){ .stack = t->stack, .place = PLACE_STRING, .spec = g->free_string,
                             .high = -1 };
        break;
    }
    threads_add(out, &next);
}

static void step_lex(grammar *g, const thread *t, uint8_t byte, threads *out)
{
    const dfa *d = g->lexes[t->spec];
    lexer lex = { .d = d, .q = t->q };
    thread next = *t;
    took r = take_utf8(&lex, &next.dec, &next.part, byte);

    if (r == TOOK_CHAR) {
        next.q = dfa_next(d, t->q, next.part);
        next.part = 0;
    }
    if (r != TOOK_NO) threads_add(out, &next);
}

static void step_number(grammar *g, const thread *t, uint8_t byte, threads *out)
{
    const dfa *d = g->numbers[t->spec].lex;
    int32_t q = byte < 128 ? d->ascii[t->q][byte] : -1;

    if (q >= 0 && d->near[q] < (uint32_t)t->high) {
        thread next = *t;

        next.q = q;
        next.high--;
        threads_add(out, &next);
    }
}

/* What may follow without a byte where a number or a terminal could end. */
static void ends_here(grammar *g, const thread *t, threads *out)
{
    const dfa *d = NULL;

    if (t->place == PLACE_NUMBER) d = g->numbers[t->spec].lex;
    if (t->place == PLACE_LEX && t->dec == AT_CHAR) d = g->lexes[t->spec];
    if (d && d->accept[t->q]) value_done(g, t->stack, out, 0);
}

void thread_ended(grammar *g, const thread *t, threads *out)
{
    value_done(g, t->stack, out, 0);
}

/* Those that the thread becomes with one more byte, appended to out. */
void thread_step(grammar *g, const thread *t, uint8_t byte, threads *out)
{
    switch ((place)t->place) {
    case PLACE_END: break;
    case PLACE_VALUE:
        if (!step_white(g, t, (int)t->part, byte, out))
            start_value(g, t->spec, t->stack, byte, out);
        break;
    case PLACE_TEXT: {
        const literal_spec *l = &g->literals[t->spec];
        thread next = *t;

        if ((uint8_t)g->text.data[l->from + t->part] != byte) break;
        if (++next.part == l->len) value_done(g, t->stack, out, 0);
        else threads_add(out, &next);
        break;
    }
    case PLACE_NUMBER:
    case PLACE_LEX: {
        threads ended = { 0 };

        if (t->place == PLACE_NUMBER) step_number(g, t, byte, out);
        else step_lex(g, t, byte, out);
        ends_here(g, t, &ended);
        for (int i = 0; i < ended.n; i++) {
            /* A terminal that could be empty was passed when it was entered. */
            if (ended.items[i].place == PLACE_LEX) {
                thread fresh = ended.items[i];

                step_lex(g, &fresh, byte, out);
            } else {
                thread_step(g, &ended.items[i], byte, out);
            }
        }
        threads_fini(&ended);
        break;
    }
    case PLACE_STRING: step_string(g, t, byte, out); break;
    case PLACE_ITEM: {
        frame f = g->frames[t->stack];

        if (step_white(g, t, WS_FULL, byte, out)) break;
        if (byte == ']' && t->part) {
            if (array_final(&g->arrays[f.spec], f.at)) value_done(g, f.parent, out, 0);
        } else {
            start_items(g, t->stack, byte, out);
        }
        break;
    }
    case PLACE_NAME: {
        frame f = g->frames[t->stack];

        if (step_white(g, t, WS_FULL, byte, out)) break;
        if (byte == '}' && t->part && object_final(g, &f)) value_done(g, f.parent, out, 0);
        else if (byte == '"') start_names(g, t->stack, out);
        break;
    }
    case PLACE_KNOWN: step_known(g, t, byte, out); break;
    case PLACE_EXTRA: step_extra(g, t, byte, out); break;
    case PLACE_COLON:
        if (byte == ':')
            put(out, (thread){ .stack = t->stack, .place = PLACE_VALUE, .spec = t->spec,
                               .part = WS_SPACE });
        break;
    case PLACE_NEXT: step_next(g, t, byte, out); break;
    }
}

bool text_follows(const grammar *g, uint32_t of, uint32_t text, const char *s, size_t len)
{
    const lexer any = { 0 };
    uint8_t dec = AT_CHAR;
    uint32_t part = 0, rest[256];
    int left = text_rest(g, of, text, rest, 256);

    if (left < 0 || left > 256) return false;
    for (size_t i = 0; i < len; i++) {
        took r = take_json(&any, &dec, &part, (uint8_t)s[i]);

        if (r == TOOK_NO) return false;
        if (r == TOOK_CHAR && (left == 0 || rest[--left] != part)) return false;
        if (r == TOOK_CHAR) part = 0;
    }
    return left == 0 && dec == AT_CHAR;
}

void thread_closed(grammar *g, const thread *t, threads *out)
{
    if (t->place == PLACE_STRING) value_done(g, t->stack, out, 0);
    else close_extra(g, t, out);
}

void threads_step(grammar *g, const thread *in, int n, uint8_t byte, threads *out)
{
    for (int i = 0; i < n; i++) thread_step(g, &in[i], byte, out);
    threads_settle(out);
}

bool threads_complete(grammar *g, const threads *t)
{
    bool complete = false;
    threads ended = { 0 };

    for (int i = 0; i < t->n && !complete; i++) {
        complete = t->items[i].place == PLACE_END;
        ended.n = 0;
        ends_here(g, &t->items[i], &ended);
        for (int k = 0; k < ended.n; k++) complete |= ended.items[k].place == PLACE_END;
    }
    threads_fini(&ended);
    return complete;
}
