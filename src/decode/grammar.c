/* grammar.c - a grammar's life, and that of the states that follow it. */
#include "decode/grammar.h"

#include <string.h>

#include "base/mem.h"
#include "decode/grammar_internal.h"
#include "decode/mask_internal.h"
#include "decode/regex.h"

#define RESET_FRAMES (1u << 17)  /* between two uses a larger machine starts anew */

grammar *grammar_alloc(void)
{
    grammar *g = mem_new(sizeof *g);

    pthread_mutex_init(&g->lock, NULL);
    g->n_frame = 1;
    g->cap_frame = 64;
    g->frames = mem_array(g->cap_frame, sizeof *g->frames);
    g->cache = mask_cache_new();
    GRAMMAR_GROW(g, string);
    g->free_string = g->n_string++;
    g->strings[g->free_string] = (string_spec){ NULL, 0, -1, false };
    return g;
}

void grammar_free(grammar *g)
{
    if (!g) return;
    CHECK(g->n_live == 0);
    for (int i = 0; i < g->n_goal; i++) mem_free(g->goals[i].shapes);
    for (int i = 0; i < g->n_array; i++) {
        mem_free(g->arrays[i].prefix);
        mem_free(g->arrays[i].first);
        mem_free(g->arrays[i].edges);
        mem_free(g->arrays[i].final);
        mem_free(g->arrays[i].need);
    }
    for (int i = 0; i < g->n_object; i++) {
        object_spec *o = &g->objects[i];

        mem_free(o->names);
        mem_free(o->sorted);
        mem_free(o->next_required);
        mem_free(o->left_required);
        mem_free(o->left_optional);
        for (int s = 0; o->extras && s < 1 << o->n_demand; s++) mem_free(o->extras[s].goals);
        mem_free(o->extras);
    }
    for (int i = 0; i < g->n_rule; i++) mem_free(g->rules[i].starts);
    for (int i = 0; i < g->n_lex; i++) dfa_free(g->lexes[i]);
    mem_free(g->goals);
    mem_free(g->literals);
    mem_free(g->numbers);
    mem_free(g->strings);
    mem_free(g->arrays);
    mem_free(g->objects);
    mem_free(g->symbols);
    mem_free(g->rules);
    mem_free(g->lexes);
    bytes_fini(&g->text);
    mem_free(g->frames);
    mem_free(g->slots);
    mask_cache_free(g->cache);
    pthread_mutex_destroy(&g->lock);
    mem_free(g);
}

int32_t grammar_add_literal(grammar *g, const char *text, size_t len)
{
    GRAMMAR_GROW(g, literal);
    g->literals[g->n_literal] = (literal_spec){ (uint32_t)g->text.len, (uint32_t)len };
    bytes_add(&g->text, text, len);
    return g->n_literal++;
}

int32_t grammar_add_symbol(grammar *g, symbol_kind kind, int32_t spec)
{
    GRAMMAR_GROW(g, symbol);
    g->symbols[g->n_symbol] = (symbol){ kind, spec };
    return g->n_symbol++;
}

int32_t grammar_add_lex(grammar *g, dfa *lex)
{
    if (g->n_lex == g->cap_lex) {
        g->cap_lex = g->cap_lex * 2 + 8;
        g->lexes = mem_resize(g->lexes, (size_t)g->cap_lex, sizeof *g->lexes);
    }
    g->lexes[g->n_lex] = lex;
    return g->n_lex++;
}

void grammar_spell(bytes *out, const char *text, size_t len)
{
    static const char escapes[] = "btnvfr";

    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];

        if (c == '"' || c == '\\') {
            bytes_add_char(out, '\\');
            bytes_add_char(out, (char)c);
        } else if (c >= 8 && c <= 13 && c != 11) {
            bytes_add_char(out, '\\');
            bytes_add_char(out, escapes[c - 8]);
        } else if (c < 32) {
            bytes_add_format(out, "\\u%04x", c);
        } else {
            bytes_add_char(out, (char)c);
        }
    }
}

status grammar_new_regex(grammar **out, const char *pattern, size_t len, errtext *err)
{
    grammar *g;
    dfa *lex;
    status st = regex_compile(&lex, pattern, len, REGEX_RUST, err);

    *out = NULL;
    if (st != OK) return st;
    if (lex->n_state == 0) {
        dfa_free(lex);
        return fail(err, E_FORMAT, "pattern: no text matches it");
    }
    g = grammar_alloc();
    g->root_symbol = grammar_add_symbol(g, SYMBOL_LEX, grammar_add_lex(g, lex));
    grammar_add_symbol(g, SYMBOL_END, 0);
    *out = g;
    return OK;
}

/* ------------------------------------------------------------------ states */

static void restart_machine(grammar *g)
{
    mask_cache_clear(g->cache);
    frame_rewind(g, 1);
}

grammar_state *grammar_state_new(const grammar *shared, const trie *t)
{
    grammar *g = (grammar *)shared;      /* the machine grows behind its lock */
    grammar_state *s = mem_new(sizeof *s);

    s->g = g;
    s->t = t;
    pthread_mutex_lock(&g->lock);
    if (g->n_live++ == 0 && g->n_frame > RESET_FRAMES) restart_machine(g);
    threads_start(g, &s->at);
    pthread_mutex_unlock(&g->lock);
    return s;
}

grammar_state *grammar_state_copy(const grammar_state *s)
{
    grammar_state *c = mem_copy(s, sizeof *s);

    c->at.items = mem_copy(s->at.items, (size_t)s->at.n * sizeof *s->at.items);
    c->at.cap = s->at.n;
    pthread_mutex_lock(&s->g->lock);
    s->g->n_live++;
    pthread_mutex_unlock(&s->g->lock);
    return c;
}

void grammar_state_free(grammar_state *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->g->lock);
    s->g->n_live--;
    pthread_mutex_unlock(&s->g->lock);
    threads_fini(&s->at);
    mem_free(s);
}

int grammar_mask(grammar_state *s, uint64_t *allowed)
{
    int n;

    pthread_mutex_lock(&s->g->lock);
    n = mask_compute(s, allowed);
    pthread_mutex_unlock(&s->g->lock);
    return n;
}

/* Bytes into *at; false leaves it as it was. */
static bool take_bytes(grammar *g, threads *at, const char *text, size_t len)
{
    threads now = { 0 }, next = { 0 };
    uint32_t n_frame = g->n_frame;

    for (int i = 0; i < at->n; i++) threads_add(&now, &at->items[i]);
    for (size_t i = 0; i < len && now.n; i++) {
        threads swap = now;

        next.n = 0;
        threads_step(g, now.items, now.n, (uint8_t)text[i], &next);
        now = next;
        next = swap;
    }
    threads_fini(&next);
    if (now.n == 0) {
        threads_fini(&now);
        frame_rewind(g, n_frame);
        return false;
    }
    threads_fini(at);
    *at = now;
    return true;
}

bool grammar_accept_bytes(grammar_state *s, const char *text, size_t len)
{
    bool taken;

    pthread_mutex_lock(&s->g->lock);
    taken = take_bytes(s->g, &s->at, text, len);
    pthread_mutex_unlock(&s->g->lock);
    if (taken && len) s->begun = true;
    return taken;
}

bool grammar_accept(grammar_state *s, int32_t id)
{
    token_text text;

    if (id < 0 || id >= s->t->n_vocab) return false;
    text = s->t->bytes(s->t->arg, id);
    return text.len > 0 && grammar_accept_bytes(s, text.data, text.len);
}

bool grammar_complete(const grammar_state *s)
{
    bool complete;

    pthread_mutex_lock(&s->g->lock);
    complete = threads_complete(s->g, &s->at);
    pthread_mutex_unlock(&s->g->lock);
    return complete;
}

bool grammar_done(const grammar_state *s)
{
    bool more = false;
    threads next = { 0 };
    uint32_t n_frame;

    if (!grammar_complete(s)) return false;
    pthread_mutex_lock(&s->g->lock);
    n_frame = s->g->n_frame;
    for (int b = 0; b < 256 && !more; b++) {
        next.n = 0;
        threads_step(s->g, s->at.items, s->at.n, (uint8_t)b, &next);
        more = next.n > 0;
    }
    frame_rewind(s->g, n_frame);
    pthread_mutex_unlock(&s->g->lock);
    threads_fini(&next);
    return !more;
}

bool grammar_begun(const grammar_state *s)
{
    return s->begun;
}

int32_t grammar_forced(grammar_state *s)
{
    uint64_t *mask;
    int32_t id = -1;

    if (grammar_complete(s)) return -1;
    mask = mem_array((size_t)s->t->n_word, sizeof *mask);
    if (grammar_mask(s, mask) == 1)
        for (int w = 0; w < s->t->n_word; w++)
            if (mask[w]) id = w * 64 + __builtin_ctzll(mask[w]);
    mem_free(mask);
    return id;
}

size_t grammar_forced_bytes(const grammar_state *s, char *out, size_t max)
{
    grammar_state *c = grammar_state_copy(s);
    size_t n = 0;

    pthread_mutex_lock(&s->g->lock);
    while (n < max && !threads_complete(c->g, &c->at)) {
        threads next = { 0 };
        int n_way = 0;

        for (int b = 0; b < 256 && n_way < 2; b++) {
            next.n = 0;
            threads_step(c->g, c->at.items, c->at.n, (uint8_t)b, &next);
            if (next.n == 0) continue;
            n_way++;
            out[n] = (char)b;
        }
        threads_fini(&next);
        if (n_way != 1) break;
        take_bytes(c->g, &c->at, out + n, 1);
        n++;
    }
    pthread_mutex_unlock(&s->g->lock);
    grammar_state_free(c);
    return n;
}
