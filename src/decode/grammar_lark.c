/* grammar_lark.c - Lark's notation to rules and terminals.
 *
 * A terminal, whatever it is made of, is one regular expression. Rules become
 * productions; what is repeated or grouped gets a rule of its own. The text is
 * split into terminals in every way that fits, so nothing depends on a lexer's
 * preferences. Rules that begin with themselves are turned round,
 *
 *     a: a x | b     becomes     a: b rest     rest: | x rest
 *
 * which keeps the text, and the tree is nobody's concern here. */
#include <string.h>

#include "base/mem.h"
#include "decode/grammar_lark_internal.h"
#include "decode/regex.h"

typedef struct builder {
    lark *p;
    grammar *g;
    int32_t ignore;              /* lex that may stand before a terminal, or -1 */
} builder;

/* --------------------------------------------------------------- terminals */

static void add_escaped(bytes *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr("\\^$.|?*+()[]{}/-", text[i]) && text[i]) bytes_add_char(out, '\\');
        bytes_add_char(out, text[i]);
    }
}

/* The regular expression of a terminal's node. */
static bool write_regex(lark *p, bytes *out, int at, int depth)
{
    const lark_node *x = &p->nodes[at];
    int d;

    if (p->st != OK) return false;
    if (depth > 2 * LARK_MAX_DEPTH || out->len > REGEX_MAX_BYTES)
        return lark_fail(p, E_LIMIT, x->line, "a terminal is too large");
    switch (x->kind) {
    case LARK_EMPTY: return true;
    case LARK_TEXT:
        bytes_add_string(out, x->any_case ? "(?i:" : "(?:");
        add_escaped(out, x->text, x->len);
        bytes_add_char(out, ')');
        return true;
    case LARK_REGEX:
        bytes_add_string(out, x->any_case ? x->dot_all ? "(?is:" : "(?i:" : x->dot_all ? "(?s:" : "(?:");
        bytes_add(out, x->text, x->len);
        bytes_add_char(out, ')');
        return true;
    case LARK_RANGE:
        bytes_add_char(out, '[');
        add_escaped(out, p->nodes[x->a].text, p->nodes[x->a].len);
        bytes_add_char(out, '-');
        add_escaped(out, p->nodes[x->b].text, p->nodes[x->b].len);
        bytes_add_char(out, ']');
        return true;
    case LARK_NAME:
        if ((d = lark_find(p, x->text)) < 0)
            return lark_fail(p, E_FORMAT, x->line, "%s is not defined", x->text);
        if (!p->definitions[d].terminal)
            return lark_fail(p, E_FORMAT, x->line, "a terminal cannot use the rule %s", x->text);
        if (p->definitions[d].busy)
            return lark_fail(p, E_FORMAT, x->line, "the terminal %s uses itself", x->text);
        p->definitions[d].busy = 1;
        bytes_add_string(out, "(?:");
        write_regex(p, out, p->definitions[d].node, depth + 1);
        bytes_add_char(out, ')');
        p->definitions[d].busy = 0;
        return p->st == OK;
    case LARK_SEQUENCE:
        for (; p->nodes[at].kind == LARK_SEQUENCE; at = p->nodes[at].b)
            if (!write_regex(p, out, p->nodes[at].a, depth + 1)) return false;
        return write_regex(p, out, at, depth + 1);
    case LARK_CHOICE:
        bytes_add_string(out, "(?:");
        for (; p->nodes[at].kind == LARK_CHOICE; at = p->nodes[at].b) {
            if (!write_regex(p, out, p->nodes[at].a, depth + 1)) return false;
            bytes_add_char(out, '|');
        }
        write_regex(p, out, at, depth + 1);
        bytes_add_char(out, ')');
        return p->st == OK;
    case LARK_REPEAT:
        bytes_add_string(out, "(?:");
        write_regex(p, out, x->a, depth + 1);
        bytes_add_char(out, ')');
        if (x->max < 0) bytes_add_format(out, "{%d,}", x->min);
        else bytes_add_format(out, "{%d,%d}", x->min, x->max);
        return p->st == OK;
    }
    return true;
}

/* The lex of a node, compiled; -1 on failure. */
static int32_t lex_of(builder *b, int at, bool repeated)
{
    lark *p = b->p;
    bytes text = { 0 };
    dfa *d = NULL;
    errtext why;
    int line = p->nodes[at].line;
    status st = OK;

    if (repeated) bytes_add_string(&text, "(?:");
    if (write_regex(p, &text, at, 0)) {
        if (repeated) bytes_add_string(&text, ")*");
        st = regex_compile(&d, text.data ? text.data : "", text.len, REGEX_RUST, &why);
        if (st != OK) lark_fail(p, st, line, "%s", why.text);
    }
    bytes_fini(&text);
    return d ? grammar_add_lex(b->g, d) : -1;
}

/* ------------------------------------------------------------------- rules */

static int32_t rule_new(builder *b)
{
    GRAMMAR_GROW(b->g, rule);
    b->g->rules[b->g->n_rule] = (rule){ NULL, 0 };
    return b->g->n_rule++;
}

/* A row of symbols as it grows; productions are written when they are whole. */
typedef struct row {
    symbol *items;
    int n, cap;
} row;

static void row_add(row *r, symbol_kind kind, int32_t spec)
{
    if (r->n == r->cap) {
        r->cap = r->cap * 2 + 8;
        r->items = mem_resize(r->items, (size_t)r->cap, sizeof *r->items);
    }
    r->items[r->n++] = (symbol){ kind, spec };
}

static void add_production(builder *b, int32_t rule_at, const row *r)
{
    rule *x = &b->g->rules[rule_at];

    if (b->g->n_symbol + r->n > LARK_MAX_SYMBOLS) {
        lark_fail(b->p, E_LIMIT, b->p->line, "the grammar is too large");
        return;
    }
    x->starts = mem_resize(x->starts, (size_t)x->n + 1, sizeof *x->starts);
    x->starts[x->n++] = b->g->n_symbol;
    for (int i = 0; i < r->n; i++) grammar_add_symbol(b->g, r->items[i].kind, r->items[i].spec);
    grammar_add_symbol(b->g, SYMBOL_END, 0);
}

static int32_t rule_of(builder *b, int definition_at);
static void add_node(builder *b, row *r, int at);

static void add_choices(builder *b, int32_t rule_at, int at)
{
    row r = { 0 };

    while (b->p->nodes[at].kind == LARK_CHOICE && b->p->st == OK) {
        row one = { 0 };

        add_node(b, &one, b->p->nodes[at].a);
        add_production(b, rule_at, &one);
        mem_free(one.items);
        at = b->p->nodes[at].b;
    }
    add_node(b, &r, at);
    add_production(b, rule_at, &r);
    mem_free(r.items);
}

static int32_t group_rule(builder *b, int at)
{
    int32_t made = rule_new(b);

    add_choices(b, made, at);
    return made;
}

/* A lex with what may be ignored in front of it. */
static void add_lex(builder *b, row *r, int at)
{
    int32_t lex = lex_of(b, at, false);

    if (lex < 0) return;
    if (b->ignore >= 0) row_add(r, SYMBOL_LEX, b->ignore);
    row_add(r, SYMBOL_LEX, lex);
}

static void add_repeat(builder *b, row *r, const lark_node *x)
{
    row again = { 0 }, none = { 0 };
    int32_t inner = group_rule(b, x->a), made;

    for (int i = 0; i < x->min && b->p->st == OK; i++) {
        row_add(r, SYMBOL_RULE, inner);
        if (r->n > LARK_MAX_SYMBOLS) lark_fail(b->p, E_LIMIT, x->line, "the grammar is too large");
    }
    if (b->p->st != OK || x->max == x->min) return;
    if (x->max < 0) {
        made = rule_new(b);
        row_add(&again, SYMBOL_RULE, inner);
        row_add(&again, SYMBOL_RULE, made);
        add_production(b, made, &none);
        add_production(b, made, &again);
        row_add(r, SYMBOL_RULE, made);
    } else {
        /* one more and perhaps another: nested from the last */
        made = -1;
        for (int i = x->min; i < x->max && b->p->st == OK; i++) {
            int32_t next = rule_new(b);

            again.n = 0;
            row_add(&again, SYMBOL_RULE, inner);
            if (made >= 0) row_add(&again, SYMBOL_RULE, made);
            add_production(b, next, &none);
            add_production(b, next, &again);
            made = next;
        }
        row_add(r, SYMBOL_RULE, made);
    }
    mem_free(again.items);
}

static void add_node(builder *b, row *r, int at)
{
    lark *p = b->p;
    const lark_node x = p->nodes[at];
    int d;

    if (p->st != OK) return;
    switch (x.kind) {
    case LARK_EMPTY: break;
    case LARK_TEXT:
        if (x.len) add_lex(b, r, at);
        break;
    case LARK_REGEX: case LARK_RANGE:
        add_lex(b, r, at);
        break;
    case LARK_NAME:
        if ((d = lark_find(p, x.text)) < 0)
            lark_fail(p, E_FORMAT, x.line, "%s is not defined", x.text);
        else row_add(r, SYMBOL_RULE, rule_of(b, d));
        break;
    case LARK_SEQUENCE:
        for (; p->nodes[at].kind == LARK_SEQUENCE && p->st == OK; at = p->nodes[at].b)
            add_node(b, r, p->nodes[at].a);
        add_node(b, r, at);
        break;
    case LARK_CHOICE:
        row_add(r, SYMBOL_RULE, group_rule(b, at));
        break;
    case LARK_REPEAT:
        add_repeat(b, r, &x);
        break;
    }
}

/* The rule of a definition, made on first use; a terminal's is its lex. */
static int32_t rule_of(builder *b, int at)
{
    lark_definition *d = &b->p->definitions[at];

    if (d->rule >= 0) return d->rule;
    d->rule = rule_new(b);
    if (d->terminal) {
        row r = { 0 };

        add_lex(b, &r, d->node);
        add_production(b, d->rule, &r);
        mem_free(r.items);
    }
    return d->rule;
}

/* ------------------------------------------------------------- left recursion */

/* Whether each rule can be empty, and whether it has a text at all. */
static void find_empty(const grammar *g, bool *empty, bool *possible)
{
    bool changed = true;

    /* Up and down in turn: chains of rules run mostly one way. */
    for (int round = 0; changed; round++) {
        changed = false;
        for (int at = 0; at < g->n_rule; at++) {
            int i = round % 2 ? at : g->n_rule - 1 - at;

            for (int k = 0; k < g->rules[i].n; k++) {
                bool e = true, some = true;

                for (const symbol *s = &g->symbols[g->rules[i].starts[k]]; s->kind != SYMBOL_END; s++) {
                    if (s->kind == SYMBOL_RULE) {
                        e &= empty[s->spec];
                        some &= possible[s->spec];
                    } else {
                        e &= g->lexes[s->spec]->n_state && g->lexes[s->spec]->accept[0];
                        some &= g->lexes[s->spec]->n_state > 0;
                    }
                }
                if (some && !possible[i]) possible[i] = changed = true;
                if (e && !empty[i]) empty[i] = changed = true;
            }
        }
    }
}

/* a: a x | b, where it says so in as many words. */
static void turn_round(builder *b, int32_t at)
{
    grammar *g = b->g;
    int32_t *starts = g->rules[at].starts, rest = -1;
    int n = g->rules[at].n;
    row r = { 0 };

    for (int k = 0; k < n; k++) {
        const symbol *s = &g->symbols[starts[k]];

        if (s->kind == SYMBOL_RULE && s->spec == at) rest = 0;
    }
    if (rest < 0) return;
    rest = rule_new(b);
    add_production(b, rest, &r);
    g->rules[at].starts = NULL;
    g->rules[at].n = 0;
    for (int k = 0; k < n && b->p->st == OK; k++) {
        int32_t i = starts[k];
        bool left = g->symbols[i].kind == SYMBOL_RULE && g->symbols[i].spec == at;

        r.n = 0;
        for (i += left; g->symbols[i].kind != SYMBOL_END; i++)
            row_add(&r, g->symbols[i].kind, g->symbols[i].spec);
        if (left && r.n == 0) continue;          /* a: a says nothing */
        row_add(&r, SYMBOL_RULE, rest);
        add_production(b, left ? rest : at, &r);
    }
    mem_free(starts);
    mem_free(r.items);
}

/* Productions that no text fits go. */
static void drop_impossible(grammar *g, const bool *possible)
{
    for (int i = 0; i < g->n_rule; i++) {
        int kept = 0;

        for (int k = 0; k < g->rules[i].n; k++) {
            bool some = true;

            for (const symbol *s = &g->symbols[g->rules[i].starts[k]]; s->kind != SYMBOL_END; s++)
                some &= s->kind == SYMBOL_RULE ? possible[s->spec] : g->lexes[s->spec]->n_state > 0;
            if (some) g->rules[i].starts[kept++] = g->rules[i].starts[k];
        }
        g->rules[i].n = kept;
    }
}

typedef struct left_search {
    const grammar *g;
    const bool *empty;
    uint8_t *state;              /* 0: new, 1: on the way, 2: done */
    int depth;
} left_search;

/* A rule that begins with itself before any byte, or -1. */
static int32_t find_left_loop(left_search *l, int32_t at)
{
    const grammar *g = l->g;
    int32_t loop = -1;

    if (l->state[at]) return l->state[at] == 1 ? at : -1;
    if (++l->depth > 300) return at;
    l->state[at] = 1;
    for (int k = 0; k < g->rules[at].n && loop < 0; k++)
        for (const symbol *s = &g->symbols[g->rules[at].starts[k]]; s->kind != SYMBOL_END; s++) {
            if (s->kind == SYMBOL_RULE) {
                if ((loop = find_left_loop(l, s->spec)) >= 0) break;
                if (!l->empty[s->spec]) break;
            } else if (!g->lexes[s->spec]->accept[0]) {
                break;
            }
        }
    l->state[at] = 2;
    l->depth--;
    return loop;
}

static const char *name_of_rule(const lark *p, int32_t rule_at)
{
    for (int i = 0; i < p->n_definition; i++)
        if (p->definitions[i].rule == rule_at) return p->definitions[i].name;
    return "a group or repetition";
}

static void check_rules(builder *b, int32_t start)
{
    grammar *g = b->g;
    size_t n = (size_t)g->n_rule + 1;
    bool *empty = mem_array(n, sizeof *empty), *possible = mem_array(n, sizeof *possible);
    left_search l = { g, empty, mem_array(n, 1), 0 };
    int32_t loop = -1;

    find_empty(g, empty, possible);
    if (!possible[start]) lark_fail(b->p, E_FORMAT, 1, "no text can be written by rule start");
    drop_impossible(g, possible);
    for (int i = 0; i < g->n_rule && loop < 0; i++) loop = find_left_loop(&l, i);
    if (loop >= 0)
        lark_fail(b->p, E_UNSUPPORTED, 1, "%s begins with itself by way of other rules, or repeats "
                  "what may be empty", name_of_rule(b->p, loop));
    mem_free(empty);
    mem_free(possible);
    mem_free(l.state);
}

static void build(builder *b)
{
    lark *p = b->p;
    int start = lark_find(p, "start"), n_rule;
    row r = { 0 };

    if (start < 0 || p->definitions[start].terminal) {
        lark_fail(p, E_FORMAT, 1, "there is no rule start");
        return;
    }
    if (p->ignore >= 0 && (b->ignore = lex_of(b, p->ignore, true)) < 0) return;
    rule_of(b, start);
    for (bool more = true; more && p->st == OK;) {
        more = false;
        for (int i = 0; i < p->n_definition && p->st == OK; i++) {
            lark_definition *d = &p->definitions[i];

            if (d->rule < 0 || d->terminal || d->busy) continue;
            d->busy = 1;
            more = true;
            p->line = d->line;
            add_choices(b, d->rule, d->node);
        }
    }
    n_rule = b->g->n_rule;
    for (int i = 0; i < n_rule && p->st == OK; i++) turn_round(b, i);
    if (p->st == OK) check_rules(b, p->definitions[start].rule);
    if (p->st != OK) return;
    row_add(&r, SYMBOL_RULE, p->definitions[start].rule);
    if (b->ignore >= 0) row_add(&r, SYMBOL_LEX, b->ignore);
    b->g->root_symbol = b->g->n_symbol;
    for (int i = 0; i < r.n; i++) grammar_add_symbol(b->g, r.items[i].kind, r.items[i].spec);
    grammar_add_symbol(b->g, SYMBOL_END, 0);
    mem_free(r.items);
}

status grammar_new_lark(grammar **out, const char *text, size_t len, errtext *err)
{
    lark p = { .s = text, .len = len, .err = err };
    builder b = { &p, NULL, -1 };

    *out = NULL;
    if (len > GRAMMAR_MAX_BYTES)
        return fail(err, E_LIMIT, "the grammar has %zu bytes; at most %d are allowed", len,
                    GRAMMAR_MAX_BYTES);
    if (lark_parse(&p)) {
        b.g = grammar_alloc();
        build(&b);
        if (p.st == OK) *out = b.g;
        else grammar_free(b.g);
    }
    lark_fini(&p);
    return p.st;
}
