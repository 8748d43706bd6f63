/* schema_value.c - branches about numbers and strings. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "decode/regex.h"
#include "decode/schema_internal.h"

#define MAX_NUMBER_CHARS 24      /* of any number */
#define MAX_EXACT_CHARS 16       /* of one that is bound: 15 digits are the same to
                                  * whoever reads them as a double */
#define MAX_INTEGER_CHARS 18     /* fits 64 bits */
#define MAX_INPUTS 64            /* of one product */

void goal_add_shape(schema_context *c, int32_t at, shape s)
{
    goal *v = &c->g->goals[at];

    for (int i = 0; i < v->n; i++)
        if (v->shapes[i].kind == s.kind && v->shapes[i].spec == s.spec) return;
    v->shapes = mem_resize(v->shapes, (size_t)v->n + 1, sizeof *v->shapes);
    v->shapes[v->n++] = s;
}

bool schema_take(schema_context *c, status st, int32_t path, const errtext *why)
{
    return st == OK || schema_fail(c, st, path, "%s", why->text);
}

const dfa *schema_keep(schema_context *c, dfa *d)
{
    if (d) grammar_add_lex(c->g, d);
    return d;
}

const dfa *schema_pattern(schema_context *c, const json_t *pattern, int32_t path)
{
    const char *text = json_string_value(pattern);
    errtext why;
    dfa *d = NULL;

    for (int i = 0; i < c->n_pattern; i++)
        if (!strcmp(c->patterns[i].text, text)) return c->patterns[i].lex;
    if (!schema_take(c, regex_compile(&d, text, json_string_length(pattern), REGEX_SEARCH, &why),
                     path, &why))
        return NULL;
    CONTEXT_GROW(c, pattern);
    c->patterns[c->n_pattern++] = (pattern_entry){ mem_string(text), d };
    return schema_keep(c, d);
}

/* What a product has cost, in steps of expansion. */
void schema_work(schema_context *c, const dfa *d, int n)
{
    if (d && (c->work += 500 + (int64_t)d->first[d->n_state] * (n + 4)) > SCHEMA_MAX_WORK)
        schema_fail(c, E_LIMIT, 0, "too complex: more than %d steps", SCHEMA_MAX_WORK);
}

static uint32_t decide_all(void *arg, const uint32_t *labels)
{
    const bool *denied = arg;    /* the first is the count */
    int n = *(const int *)(const void *)denied;
    const bool *flags = denied + sizeof(int);

    for (int i = 0; i < n; i++)
        if ((labels[i] != 0) == flags[i]) return 0;
    return 1;
}

/* All of n languages, some negated. */
static dfa *meet_all(schema_context *c, const dfa **in, const bool *denied, int n, int32_t path)
{
    bool arg[sizeof(int) + MAX_INPUTS];
    errtext why;
    dfa *out = NULL;

    memcpy(arg, &n, sizeof n);
    memcpy(arg + sizeof n, denied, (size_t)n * sizeof *denied);
    schema_take(c, dfa_product(&out, in, n, decide_all, arg, DFA_MAX_STATES, &why), path, &why);
    schema_work(c, out, n);
    return out;
}

/* Automata of a branch, to be multiplied. */
typedef struct inputs {
    const dfa *in[MAX_INPUTS];
    bool denied[MAX_INPUTS];
    dfa *own[MAX_INPUTS];
    int n, n_own;
} inputs;

static bool add_input(schema_context *c, inputs *x, const dfa *d, bool denied, int32_t path)
{
    if (!d) return false;
    for (int i = 0; i < x->n; i++)
        if (x->in[i] == d && x->denied[i] == denied) return true;
    if (x->n == MAX_INPUTS)
        return schema_fail(c, E_LIMIT, path, "too complex: more than %d conditions on one value",
                           MAX_INPUTS);
    x->in[x->n] = d;
    x->denied[x->n++] = denied;
    return true;
}

static bool add_own(schema_context *c, inputs *x, dfa *d, status st, bool denied, int32_t path,
                    const errtext *why)
{
    if (!schema_take(c, st, path, why)) return false;
    if (!add_input(c, x, d, denied, path)) {
        dfa_free(d);
        return false;
    }
    x->own[x->n_own++] = d;
    schema_work(c, d, 1);
    return c->st == OK;
}

static void inputs_fini(inputs *x)
{
    for (int i = 0; i < x->n_own; i++) dfa_free(x->own[i]);
}

/* ------------------------------------------------------------------ numbers */

static int32_t add_number(schema_context *c, const dfa *lex, int max_char)
{
    GRAMMAR_GROW(c->g, number);
    c->g->numbers[c->g->n_number] = (number_spec){ lex, max_char };
    return c->g->n_number++;
}

/* The values that enum and const leave, each once; false: there are none. */
static bool number_listed(const branch *b, const decimal *d)
{
    for (int i = 0; i < b->n_fact; i++) {
        const fact *f = &b->facts[i];
        decimal other;
        bool found = false;

        if (f->kind == FACT_IN)
            for (size_t k = 0; k < json_array_size(f->json) && !found; k++) {
                const json_t *v = json_array_get(f->json, k);

                if (!json_is_number(v)) continue;
                decimal_of(&other, v);
                found = decimal_compare(&other, d) == 0;
            }
        if (f->kind == FACT_IN && found == f->negative) return false;
        if (f->kind == FACT_INTEGER && decimal_whole(d) == f->negative) return false;
        if (f->kind == FACT_MULTIPLE) {
            decimal_of(&other, f->json);
            if (decimal_divides(&other, d) == f->negative) return false;
        }
        if (f->kind == FACT_BOUND) {
            int order;

            decimal_of(&other, f->json);
            order = decimal_compare(d, &other);
            if (!(f->n & (order < 0 ? NUMBER_LESS : order > 0 ? NUMBER_MORE : NUMBER_EQUAL)))
                return false;
        }
    }
    return true;
}

static bool build_listed(schema_context *c, int32_t at, const branch *b, const json_t *list,
                         int32_t path)
{
    dfa_text *texts = mem_array(json_array_size(list) + 1, sizeof *texts);
    int n = 0;
    errtext why;
    dfa *lex = NULL;
    status st;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        decimal d;
        char text[2 * DECIMAL_MAX + 64];

        if (!json_is_number(v)) continue;
        decimal_of(&d, v);
        if (!number_listed(b, &d)) continue;
        decimal_spell(&d, text);
        texts[n].data = mem_string(text);
        texts[n++].len = strlen(text);
    }
    st = n ? dfa_of_texts(&lex, texts, n, &why) : OK;
    for (int i = 0; i < n; i++) mem_free((char *)texts[i].data);
    mem_free(texts);
    if (!schema_take(c, st, path, &why)) return false;
    if (lex) {
        schema_keep(c, lex);
        goal_add_shape(c, at, (shape){ SHAPE_NUMBER, add_number(c, lex, 2 * DECIMAL_MAX) });
    }
    return true;
}

bool build_number(schema_context *c, int32_t at, const branch *b)
{
    inputs x = { .n = 0 };
    bool integer = false, good = true;
    int32_t path = 0;
    dfa *d = NULL;
    errtext why;

    for (int i = 0; i < b->n_fact; i++) {
        const fact *f = &b->facts[i];

        if (f->kind == FACT_IN && !f->negative) return build_listed(c, at, b, f->json, f->path);
        if (f->kind == FACT_INTEGER && !f->negative) integer = true;
    }
    for (int i = 0; i < b->n_fact && good; i++) {
        const fact *f = &b->facts[i];
        decimal v;
        status st = OK;

        path = f->path;
        switch (f->kind) {
        case FACT_BOUND:
            decimal_of(&v, f->json);
            st = number_compared(&d, &v, (unsigned)f->n, &why);
            break;
        case FACT_MULTIPLE:
            decimal_of(&v, f->json);
            st = number_multiples(&d, &v, f->negative, &why);
            break;
        case FACT_INTEGER:
            if (!f->negative) continue;
            st = number_whole(&d, true, &why);
            break;
        case FACT_IN:
            for (size_t k = 0; k < json_array_size(f->json) && good; k++) {
                const json_t *one = json_array_get(f->json, k);

                if (!json_is_number(one)) continue;
                decimal_of(&v, one);
                st = number_compared(&d, &v, NUMBER_LESS | NUMBER_MORE, &why);
                good = add_own(c, &x, d, st, false, path, &why);
            }
            continue;
        default:
            continue;
        }
        good = add_own(c, &x, d, st, false, path, &why);
    }
    if (good && x.n == 0) {
        int32_t *cached = integer ? &c->number_integer : &c->number_any;

        if (*cached < 0) {
            if (!schema_take(c, integer ? number_integer(&d, &why) : number_any(&d, &why), 0, &why))
                return false;
            *cached = add_number(c, schema_keep(c, d), integer ? MAX_INTEGER_CHARS
                                                               : MAX_NUMBER_CHARS);
        }
        goal_add_shape(c, at, (shape){ SHAPE_NUMBER, *cached });
        return true;
    }
    if (good && integer) {
        status st = number_integer(&d, &why);

        good = add_own(c, &x, d, st, false, path, &why);
    }
    if (good && (d = meet_all(c, x.in, x.denied, x.n, path))) {
        int max = integer ? MAX_INTEGER_CHARS : MAX_EXACT_CHARS;

        schema_keep(c, d);
        if (d->n_state) {
            if ((int)d->near[0] + 8 > max) max = (int)d->near[0] + 8;
            goal_add_shape(c, at, (shape){ SHAPE_NUMBER, add_number(c, d, max) });
        }
    }
    inputs_fini(&x);
    return c->st == OK;
}

/* ------------------------------------------------------------------ strings */

static int32_t add_string(schema_context *c, string_spec s)
{
    for (int i = 0; i < c->g->n_string; i++) {
        const string_spec *o = &c->g->strings[i];

        if (o->lex == s.lex && o->low == s.low && o->high == s.high && o->plain == s.plain)
            return i;
    }
    GRAMMAR_GROW(c->g, string);
    c->g->strings[c->g->n_string] = s;
    return c->g->n_string++;
}

static int n_chars(const char *s, size_t len)
{
    int n = 0;

    for (size_t i = 0; i < len; i++) n += (s[i] & 0xC0) != 0x80;
    return n;
}

static bool in_list(const json_t *list, const json_t *s)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), s)) return true;
    return false;
}

static const dfa *format_lex(schema_context *c, const fact *f)
{
    const char *pattern = format_pattern(json_string_value(f->json));
    json_t *text;
    const dfa *d;

    if (!pattern) {
        schema_fail(c, E_UNSUPPORTED, f->path, "the format \"%.60s\" is not known",
                    json_string_value(f->json));
        return NULL;
    }
    text = json_string(pattern);
    d = schema_pattern(c, text, f->path);
    json_decref(text);
    return d;
}

static const dfa *fact_lex(schema_context *c, const fact *f)
{
    return f->kind == FACT_PATTERN ? schema_pattern(c, f->json, f->path) : format_lex(c, f);
}

/* Whether one string meets every fact. */
static bool string_meets(schema_context *c, const branch *b, const json_t *s)
{
    const char *text = json_string_value(s);
    size_t len = json_string_length(s);

    for (int i = 0; i < b->n_fact; i++) {
        const fact *f = &b->facts[i];
        const dfa *d;

        switch (f->kind) {
        case FACT_LENGTH:
            if (n_chars(text, len) < f->low) return false;
            if (f->high >= 0 && n_chars(text, len) > f->high) return false;
            break;
        case FACT_IN:
            if (in_list(f->json, s) == f->negative) return false;
            break;
        case FACT_PATTERN: case FACT_FORMAT:
            if (!(d = fact_lex(c, f))) return false;
            if ((dfa_match(d, text, len) != 0) == f->negative) return false;
            break;
        default: break;
        }
    }
    return true;
}

static dfa *texts_lex(schema_context *c, const json_t *list, const branch *b, int32_t path)
{
    dfa_text *texts = mem_array(json_array_size(list) + 1, sizeof *texts);
    dfa *d = NULL;
    errtext why;
    int n = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);

        if (!json_is_string(v) || (b && !string_meets(c, b, v))) continue;
        texts[n].data = json_string_value(v);
        texts[n++].len = json_string_length(v);
    }
    if (c->st == OK) schema_take(c, dfa_of_texts(&d, texts, n, &why), path, &why);
    mem_free(texts);
    return d;
}

bool build_string(schema_context *c, int32_t at, const branch *b)
{
    inputs x = { .n = 0 };
    string_spec s = { .high = -1 };
    errtext why;
    dfa *d = NULL;
    int32_t path = 0;
    bool good = true;

    for (int i = 0; i < b->n_fact; i++) {
        const fact *f = &b->facts[i];

        if (f->kind == FACT_LENGTH) {
            if (f->low > s.low) s.low = f->low;
            if (f->high >= 0 && (s.high < 0 || f->high < s.high)) s.high = f->high;
        }
        if (f->kind != FACT_IN || f->negative) continue;
        if (!(d = texts_lex(c, f->json, b, f->path))) return false;
        schema_keep(c, d);
        if (d->n_state)
            goal_add_shape(c, at, (shape){ SHAPE_STRING,
                                           add_string(c, (string_spec){ d, 0, -1, true }) });
        return true;
    }
    if (s.high >= 0 && s.low > s.high) return true;
    for (int i = 0; i < b->n_fact && good; i++) {
        const fact *f = &b->facts[i];

        path = f->path ? f->path : path;
        if (f->kind == FACT_PATTERN || f->kind == FACT_FORMAT)
            good = add_input(c, &x, fact_lex(c, f), f->negative, f->path);
        if (f->kind == FACT_IN && (d = texts_lex(c, f->json, NULL, f->path)))
            good = add_own(c, &x, d, OK, true, f->path, &why);
    }
    if (!good || c->st != OK) {
        inputs_fini(&x);
        return false;
    }
    if (x.n && (s.low > 0 || s.high >= 0)) {
        status st = dfa_of_lengths(&d, s.low, s.high, &why);

        good = add_own(c, &x, d, st, false, path, &why);
    }
    if (good && x.n) {
        s = (string_spec){ .high = -1 };
        s.lex = schema_keep(c, meet_all(c, x.in, x.denied, x.n, path));
        good = s.lex != NULL;
        if (good && s.lex->n_state && s.lex->every[0]) s.lex = NULL;
    }
    inputs_fini(&x);
    if (good && !(s.lex && s.lex->n_state == 0))
        goal_add_shape(c, at, (shape){ SHAPE_STRING, add_string(c, s) });
    return c->st == OK;
}

static uint32_t decide_any(void *arg, const uint32_t *labels)
{
    for (int i = 0; i < *(const int *)arg; i++)
        if (labels[i]) return 1;
    return 0;
}

const dfa *goal_strings(schema_context *c, int32_t at)
{
    const dfa *in[MAX_INPUTS] = { 0 };
    int n = 0;
    errtext why;
    dfa *d = NULL;

    if (!goal_expand(c, at)) return NULL;
    for (int i = 0; i < c->g->goals[at].n; i++) {
        shape s = c->g->goals[at].shapes[i];
        const string_spec *x;

        if (s.kind != SHAPE_STRING) continue;
        if (n == MAX_INPUTS) {
            schema_fail(c, E_LIMIT, 0, "too complex: names in more than %d forms", MAX_INPUTS);
            return NULL;
        }
        x = &c->g->strings[s.spec];
        in[n] = x->lex;
        if (!x->lex) {
            if (!schema_take(c, dfa_of_lengths(&d, x->low, x->high, &why), 0, &why)) return NULL;
            in[n] = schema_keep(c, d);
        }
        n++;
    }
    if (n == 1) return in[0];
    if (!schema_take(c, dfa_product(&d, in, n, decide_any, &n, DFA_MAX_STATES, &why), 0, &why))
        return NULL;
    return schema_keep(c, d);
}
