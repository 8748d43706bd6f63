/* regex.c - parse, write out as a nondeterministic automaton, make that
 * deterministic by subsets.
 *
 * Anchors are edges that take no character: ^ may be passed only before the
 * first one, $ only after the last. So `^a|b$` and `(^a|b)c` mean what they say
 * and a search is nothing but loops on both sides. */
#include "decode/regex.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "decode/regex_set.h"

#define LAST_CODE 0x10FFFFu
#define MAX_COUNT 100000
#define MAX_WORK 20000000        /* steps of subset construction */

/* ------------------------------------------------------------------ syntax */

typedef enum node_kind {
    NODE_EMPTY, NODE_SET, NODE_CAT, NODE_ALT, NODE_REPEAT, NODE_BEGIN, NODE_END,
} node_kind;

typedef struct node {
    node_kind kind;
    int a, b;                    /* children; of SET: index of its set */
    int min, max;                /* of REPEAT; max -1: no bound */
} node;

typedef struct parser {
    const char *s;
    size_t len, at;
    unsigned flags;
    int depth;
    node *nodes;
    int n_node, cap_node;
    code_set *sets;
    int n_set, cap_set;
    errtext *err;
    status st;                   /* the first failure */
} parser;

static int bad(parser *p, status st, const char *why)
{
    if (p->st == OK) {
        size_t show = p->len - p->at < 12 ? p->len - p->at : 12;

        if (p->at > p->len) show = 0;
        p->st = fail(p->err, st, "pattern, offset %zu (\"%.*s\"): %s", p->at, (int)show,
                     p->s + (show ? p->at : 0), why);
    }
    return 0;
}

static int node_new(parser *p, node_kind kind, int a, int b)
{
    if (p->n_node >= REGEX_MAX_NODES) return bad(p, E_LIMIT, "too large");
    if (p->n_node == p->cap_node) {
        p->cap_node = p->cap_node * 2 + 64;
        p->nodes = mem_resize(p->nodes, (size_t)p->cap_node, sizeof *p->nodes);
    }
    p->nodes[p->n_node] = (node){ kind, a, b, 0, 0 };
    return p->n_node++;
}

static int set_new(parser *p, code_set *set)
{
    if (p->n_set == p->cap_set) {
        p->cap_set = p->cap_set * 2 + 16;
        p->sets = mem_resize(p->sets, (size_t)p->cap_set, sizeof *p->sets);
    }
    if (p->flags & REGEX_IGNORE_CASE) set_fold_ascii(set);
    set_normal(set);
    p->sets[p->n_set++] = *set;
    return node_new(p, NODE_SET, p->n_set - 1, 0);
}

static bool more(const parser *p) { return p->at < p->len && p->st == OK; }
static char peek(const parser *p) { return p->s[p->at]; }

static bool eat(parser *p, const char *text)
{
    size_t n = strlen(text);

    if (p->len - p->at < n || memcmp(p->s + p->at, text, n)) return false;
    p->at += n;
    return true;
}

static uint32_t take_code(parser *p)
{
    uint32_t code = 0;
    int n = utf8_decode(p->s + p->at, p->len - p->at, &code);

    if (!n) bad(p, E_FORMAT, "not UTF-8");
    p->at += n ? (size_t)n : 1;
    return code;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static uint32_t take_hex(parser *p, int n)
{
    uint32_t code = 0;

    for (int i = 0; i < n; i++) {
        int d = p->at < p->len ? hex_digit(peek(p)) : -1;

        if (d < 0) return (uint32_t)bad(p, E_FORMAT, "a hexadecimal digit is missing");
        code = code * 16 + (uint32_t)d;
        p->at++;
    }
    return code;
}

/* After \u: four digits, a pair of surrogates, or braces. */
static uint32_t take_unicode(parser *p, int n_digit)
{
    uint32_t code = 0;

    if (eat(p, "{")) {
        size_t from = p->at;

        while (p->at < p->len && hex_digit(peek(p)) >= 0 && code <= LAST_CODE)
            code = code * 16 + (uint32_t)hex_digit(p->s[p->at++]);
        if (p->at == from || code > LAST_CODE || !eat(p, "}"))
            return (uint32_t)bad(p, E_FORMAT, "no such character");
        return code;
    }
    code = take_hex(p, n_digit);
    if (code >= 0xD800 && code < 0xDC00 && eat(p, "\\u")) {
        uint32_t low = take_hex(p, 4);

        if (low < 0xDC00 || low > 0xDFFF)
            return (uint32_t)bad(p, E_FORMAT, "half of a surrogate pair");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return code;
}

/* What follows a backslash, in or outside a class: a set (true), else one
 * character. */
static bool take_escape(parser *p, code_set *set, uint32_t *code)
{
    char c;

    if (p->at >= p->len) return bad(p, E_FORMAT, "ends with a backslash");
    c = p->s[p->at++];
    if (set_add_class(set, c)) return true;
    if (c == 'p' || c == 'P') {
        size_t from, len;

        if (eat(p, "{")) {
            const char *end = memchr(p->s + p->at, '}', p->len - p->at);

            if (!end) return bad(p, E_FORMAT, "\\p{ has no end");
            from = p->at;
            len = (size_t)(end - (p->s + from));
            p->at = from + len + 1;
        } else if (p->flags & REGEX_RUST && p->at < p->len) {
            from = p->at++;
            len = 1;
        } else {
            return bad(p, E_FORMAT, "\\p without {");
        }
        if (!set_add_property(set, p->s + from, len)) {
            p->at = from;
            return bad(p, E_UNSUPPORTED, "this property of characters is not known here");
        }
        if (c == 'P') set_invert(set);
        return true;
    }
    switch (c) {
    case 't': *code = '\t'; return false;
    case 'n': *code = '\n'; return false;
    case 'v': *code = '\v'; return false;
    case 'f': *code = '\f'; return false;
    case 'r': *code = '\r'; return false;
    case '0':
        *code = 0;
        if (p->at < p->len && peek(p) >= '0' && peek(p) <= '9')
            bad(p, E_FORMAT, "octal escapes are not part of the syntax");
        return false;
    case 'x':
        *code = p->flags & REGEX_RUST && p->at < p->len && peek(p) == '{' ? take_unicode(p, 2)
                                                                         : take_hex(p, 2);
        return false;
    case 'u':
        *code = take_unicode(p, 4);
        return false;
    case 'c':
        if (p->at < p->len && ((peek(p) | 32) >= 'a' && (peek(p) | 32) <= 'z')) {
            *code = (uint32_t)(p->s[p->at++] & 31);
            return false;
        }
        return bad(p, E_FORMAT, "\\c needs a letter");
    default:
        break;
    }
    if (c >= '1' && c <= '9') return bad(p, E_UNSUPPORTED, "a backreference is not regular");
    if (c == 'k') return bad(p, E_UNSUPPORTED, "a backreference is not regular");
    if (c == 'b' || c == 'B') return bad(p, E_UNSUPPORTED, "word boundaries are not supported");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return bad(p, E_FORMAT, "no such escape");
    p->at--;
    *code = take_code(p);
    return false;
}

static int parse_class(parser *p)
{
    code_set set = { 0 };
    bool invert = eat(p, "^"), closed = false;

    while (more(p) && !(closed = eat(p, "]"))) {
        code_set one = { 0 };
        uint32_t low = 0, high;
        bool is_set = false;

        if (eat(p, "\\")) {
            if (p->at < p->len && peek(p) == 'b') p->at++, low = '\b';
            else is_set = take_escape(p, &one, &low);
        } else {
            low = take_code(p);
        }
        high = low;
        if (p->st == OK && p->len - p->at >= 2 && peek(p) == '-' && p->s[p->at + 1] != ']') {
            code_set other = { 0 };
            bool other_set = false;

            p->at++;
            if (eat(p, "\\")) {
                if (p->at < p->len && peek(p) == 'b') p->at++, high = '\b';
                else other_set = take_escape(p, &other, &high);
            } else {
                high = take_code(p);
            }
            if (is_set || other_set) bad(p, E_FORMAT, "a range between classes");
            else if (high < low) bad(p, E_FORMAT, "a range is out of order");
            set_fini(&other);
        }
        if (is_set) set_add_set(&set, &one);
        else set_add(&set, low, high);
        set_fini(&one);
    }
    if (!closed) bad(p, E_FORMAT, "[ has no end");
    if (p->st != OK) {
        set_fini(&set);
        return 0;
    }
    if (p->flags & REGEX_IGNORE_CASE) set_fold_ascii(&set);
    if (invert) set_invert(&set);
    return set_new(p, &set);
}

static int parse_alternatives(parser *p);

static int parse_group(parser *p)
{
    int inside;
    unsigned flags = p->flags;

    if (++p->depth > REGEX_MAX_DEPTH) return bad(p, E_LIMIT, "groups are nested too deeply");
    if (eat(p, "?")) {
        if (eat(p, ":")) {
        } else if (p->at < p->len && (peek(p) == '=' || peek(p) == '!')) {
            return bad(p, E_UNSUPPORTED, "look-ahead is not supported");
        } else if (eat(p, "<=") || eat(p, "<!")) {
            return bad(p, E_UNSUPPORTED, "look-behind is not supported");
        } else if (eat(p, "<") || eat(p, "P<")) {
            while (p->at < p->len && peek(p) != '>') p->at++;
            if (!eat(p, ">")) return bad(p, E_FORMAT, "a group's name has no end");
        } else if (p->flags & REGEX_RUST) {
            while (p->at < p->len && peek(p) != ':' && peek(p) != ')') {
                if (peek(p) == 'i') p->flags |= REGEX_IGNORE_CASE;
                else if (peek(p) == 's') p->flags |= REGEX_DOT_ALL;
                else if (peek(p) != 'u')
                    return bad(p, E_UNSUPPORTED, "only the flags i, s and u are supported");
                p->at++;
            }
            /* (?i) alone holds to the end of the group it stands in. */
            if (eat(p, ")")) {
                p->depth--;
                return node_new(p, NODE_EMPTY, 0, 0);
            }
            if (!eat(p, ":")) return bad(p, E_FORMAT, "( has no end");
        } else {
            return bad(p, E_FORMAT, "no such group");
        }
    }
    inside = parse_alternatives(p);
    p->flags = flags;
    p->depth--;
    if (!eat(p, ")")) return bad(p, E_FORMAT, "( has no end");
    return inside;
}

static int parse_atom(parser *p)
{
    code_set set = { 0 };
    uint32_t code = 0;

    switch (peek(p)) {
    case '(':
        p->at++;
        return parse_group(p);
    case '[':
        p->at++;
        return parse_class(p);
    case '^':
        p->at++;
        return node_new(p, NODE_BEGIN, 0, 0);
    case '$':
        p->at++;
        return node_new(p, NODE_END, 0, 0);
    case '.':
        p->at++;
        if (!(p->flags & REGEX_DOT_ALL)) {
            set_add(&set, '\n', '\n');
            if (!(p->flags & REGEX_RUST)) {
                set_add(&set, '\r', '\r');
                set_add(&set, 0x2028, 0x2029);
            }
        }
        set_invert(&set);
        return set_new(p, &set);
    case '*': case '+': case '?':
        return bad(p, E_FORMAT, "nothing to repeat");
    case ')':
        return bad(p, E_FORMAT, ") without (");
    case '\\':
        p->at++;
        if (p->flags & REGEX_RUST && eat(p, "A")) return node_new(p, NODE_BEGIN, 0, 0);
        if (p->flags & REGEX_RUST && eat(p, "z")) return node_new(p, NODE_END, 0, 0);
        if (take_escape(p, &set, &code)) return set_new(p, &set);
        break;
    default:
        code = take_code(p);
    }
    if (p->st != OK) {
        set_fini(&set);
        return 0;
    }
    set_add(&set, code, code);
    return set_new(p, &set);
}

static int take_count(parser *p)
{
    int n = 0;

    if (p->at >= p->len || peek(p) < '0' || peek(p) > '9') return -1;
    while (p->at < p->len && peek(p) >= '0' && peek(p) <= '9') {
        n = n * 10 + (p->s[p->at++] - '0');
        if (n > MAX_COUNT) n = MAX_COUNT + 1;
    }
    return n;
}

/* {n}, {n,} or {n,m}; anything else after { is text. */
static bool take_braces(parser *p, int *min, int *max)
{
    size_t from = p->at;

    p->at++;
    *min = *max = take_count(p);
    if (*min >= 0 && eat(p, ",")) *max = take_count(p);
    if (*min >= 0 && eat(p, "}")) {
        if (*max >= 0 && *max < *min) bad(p, E_FORMAT, "a repetition's bounds are out of order");
        if (*min > MAX_COUNT || *max > MAX_COUNT) bad(p, E_LIMIT, "too many repetitions");
        return true;
    }
    p->at = from;
    return false;
}

static int parse_repeat(parser *p)
{
    int atom = parse_atom(p), min, max, at;
    size_t from = p->at;

    if (!more(p)) return atom;
    if (eat(p, "*")) min = 0, max = -1;
    else if (eat(p, "+")) min = 1, max = -1;
    else if (eat(p, "?")) min = 0, max = 1;
    else if (peek(p) != '{' || !take_braces(p, &min, &max)) return atom;
    if (p->st != OK) return 0;
    if (p->nodes[atom].kind == NODE_BEGIN || p->nodes[atom].kind == NODE_END) {
        p->at = from;
        return bad(p, E_FORMAT, "nothing to repeat");
    }
    eat(p, "?");                             /* lazy: the language is the same */
    if (more(p) && (peek(p) == '*' || peek(p) == '+' || peek(p) == '?'))
        return bad(p, E_FORMAT, "nothing to repeat");
    at = node_new(p, NODE_REPEAT, atom, 0);
    p->nodes[at].min = min;
    p->nodes[at].max = max;
    return at;
}

static int parse_sequence(parser *p)
{
    int all = -1;

    while (more(p) && peek(p) != '|' && peek(p) != ')') {
        int one = parse_repeat(p);

        if (p->st != OK) return 0;
        all = all < 0 ? one : node_new(p, NODE_CAT, all, one);
    }
    return all < 0 ? node_new(p, NODE_EMPTY, 0, 0) : all;
}

static int parse_alternatives(parser *p)
{
    int all = parse_sequence(p);

    while (more(p) && eat(p, "|")) {
        int one = parse_sequence(p);

        all = p->st == OK ? node_new(p, NODE_ALT, all, one) : 0;
    }
    return all;
}

/* ----------------------------------------------------------- nondeterminism */

typedef enum step_kind { STEP_FREE, STEP_SET, STEP_BEGIN, STEP_END, STEP_ACCEPT } step_kind;

typedef struct step {
    step_kind kind;
    int set;
    int32_t to, or_to;           /* or_to: a second free edge, or -1 */
} step;

typedef struct machine {
    parser *p;
    step *steps;
    int n, cap;
    uint32_t *mark;              /* [n] round in which a step was last reached */
    uint32_t round;
    int32_t *stack;
    int64_t work;
    int32_t *now;                /* [n] */
    uint32_t *cuts;
    int cap_cut;
} machine;

static int32_t step_new(machine *m, step_kind kind, int set, int32_t to, int32_t or_to)
{
    if (m->n >= REGEX_MAX_NODES) {
        bad(m->p, E_LIMIT, "too large once its repetitions are written out");
        return 0;
    }
    if (m->n == m->cap) {
        m->cap = m->cap * 2 + 64;
        m->steps = mem_resize(m->steps, (size_t)m->cap, sizeof *m->steps);
    }
    m->steps[m->n] = (step){ kind, set, to, or_to };
    return m->n++;
}

/* Written from the back: the first step of what matches node and goes on with
 * `then`. Left-leaning sequences are walked in a loop, so that depth is that
 * of groups. */
static int32_t write_node(machine *m, int at, int32_t then)
{
    for (;;) {
        const node *x = &m->p->nodes[at];
        int32_t loop;

        if (++m->work > 8 * REGEX_MAX_NODES) bad(m->p, E_LIMIT, "too many repetitions");
        if (m->p->st != OK) return 0;
        switch (x->kind) {
        case NODE_EMPTY: return then;
        case NODE_SET: return step_new(m, STEP_SET, x->a, then, -1);
        case NODE_BEGIN: return step_new(m, STEP_BEGIN, 0, then, -1);
        case NODE_END: return step_new(m, STEP_END, 0, then, -1);
        case NODE_CAT:
            then = write_node(m, x->b, then);
            at = x->a;
            continue;
        case NODE_ALT: {
            int32_t first = -1;

            while (m->p->nodes[at].kind == NODE_ALT && m->p->st == OK) {
                int32_t one = write_node(m, m->p->nodes[at].b, then);

                first = first < 0 ? one : step_new(m, STEP_FREE, 0, one, first);
                at = m->p->nodes[at].a;
            }
            return step_new(m, STEP_FREE, 0, write_node(m, at, then), first);
        }
        case NODE_REPEAT: {
            int min = x->min, max = x->max, a = x->a;

            if (max < 0) {
                loop = step_new(m, STEP_FREE, 0, then, -1);
                if (m->p->st != OK) return 0;
                int32_t inner = write_node(m, a, loop);

                m->steps[loop].or_to = inner;
                then = loop;
            } else {
                int32_t after = then;

                for (int i = min; i < max && m->p->st == OK; i++)
                    then = step_new(m, STEP_FREE, 0, write_node(m, a, then), after);
            }
            for (int i = 0; i < min && m->p->st == OK; i++) then = write_node(m, a, then);
            return then;
        }
        }
    }
}

/* Any characters, then `then`. */
static int32_t write_any(machine *m, int32_t then)
{
    int32_t loop = step_new(m, STEP_FREE, 0, then, -1), any = step_new(m, STEP_SET, 0, loop, -1);

    if (m->p->st == OK) m->steps[loop].or_to = any;
    return loop;
}

/* Add what can be reached without a character. */
static int reach(machine *m, int32_t from, bool begin, bool end, int32_t *out, int n)
{
    int depth = 0;

    m->stack[depth++] = from;
    while (depth) {
        int32_t at = m->stack[--depth];
        const step *s = &m->steps[at];

        if (m->mark[at] == m->round) continue;
        m->mark[at] = m->round;
        m->work++;
        switch (s->kind) {
        case STEP_FREE:
            if (s->or_to >= 0) m->stack[depth++] = s->or_to;
            m->stack[depth++] = s->to;
            break;
        case STEP_BEGIN:
            if (begin) m->stack[depth++] = s->to;
            break;
        case STEP_END:
            out[n++] = at;                   /* kept: passed at the end only */
            if (end) m->stack[depth++] = s->to;
            break;
        case STEP_SET: case STEP_ACCEPT:
            out[n++] = at;
            break;
        }
    }
    return n;
}

static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return x < y ? -1 : x > y;
}

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void cut_at(machine *m, int *n, uint32_t code)
{
    if (*n == m->cap_cut) {
        m->cap_cut = m->cap_cut * 2 + 64;
        m->cuts = mem_resize(m->cuts, (size_t)m->cap_cut, sizeof *m->cuts);
    }
    m->cuts[(*n)++] = code;
}

static bool set_has(const code_set *s, uint32_t code)
{
    int low = 0, high = s->n;

    while (low < high) {
        int mid = (low + high) / 2;

        if (s->ranges[mid].high < code) low = mid + 1;
        else high = mid;
    }
    return low < s->n && s->ranges[low].low <= code;
}

/* The words of a state: 1 if it is the start, then its steps in order. */
static bool expand_subset(void *arg, dfa_builder *b, const int32_t *words, int n)
{
    machine *m = arg;
    int n_cut = 0, kept = 0;

    for (int i = 1; i < n; i++) {
        const step *s = &m->steps[words[i]];

        if (s->kind != STEP_SET) continue;
        for (int k = 0; k < m->p->sets[s->set].n; k++) {
            cut_at(m, &n_cut, m->p->sets[s->set].ranges[k].low);
            cut_at(m, &n_cut, m->p->sets[s->set].ranges[k].high + 1);
        }
    }
    if (n_cut == 0) return true;
    qsort(m->cuts, (size_t)n_cut, sizeof *m->cuts, by_code);
    for (int i = 0; i < n_cut; i++)
        if (kept == 0 || m->cuts[i] != m->cuts[kept - 1]) m->cuts[kept++] = m->cuts[i];
    for (int i = 0; i + 1 < kept; i++) {
        int32_t *next = m->now, to;
        int n_next = 1;

        m->round++;
        next[0] = 0;
        for (int k = 1; k < n; k++) {
            const step *s = &m->steps[words[k]];

            m->work++;
            if (s->kind == STEP_SET && set_has(&m->p->sets[s->set], m->cuts[i]))
                n_next = reach(m, s->to, false, false, next, n_next);
        }
        if (m->work > MAX_WORK) return false;
        if (n_next == 1) continue;
        qsort(next + 1, (size_t)n_next - 1, sizeof *next, by_number);
        if ((to = dfa_builder_state(b, next, n_next)) < 0) return false;
        dfa_builder_edge(b, m->cuts[i], m->cuts[i + 1] - 1, to);
    }
    return true;
}

static uint32_t label_subset(void *arg, const int32_t *words, int n)
{
    machine *m = arg;
    int n_out = 0;

    m->round++;
    for (int i = 1; i < n; i++) n_out = reach(m, words[i], words[0] == 1, true, m->now, n_out);
    for (int i = 0; i < n_out; i++)
        if (m->steps[m->now[i]].kind == STEP_ACCEPT) return 1;
    return 0;
}

static status determine(dfa **out, machine *m, int32_t start, errtext *err)
{
    dfa_source source = { m, expand_subset, label_subset };
    size_t n = (size_t)m->n;
    int n_word;
    status st;

    m->mark = mem_array(n, sizeof *m->mark);
    m->stack = mem_array(2 * n + 2, sizeof *m->stack);
    m->now = mem_array(2 * n + 2, sizeof *m->now);
    m->round = 1;
    m->work = 0;
    m->now[0] = 1;
    n_word = reach(m, start, true, false, m->now, 1);
    qsort(m->now + 1, (size_t)n_word - 1, sizeof *m->now, by_number);
    st = dfa_build(out, &source, m->now, n_word, DFA_MAX_STATES, err);
    mem_free(m->mark);
    mem_free(m->stack);
    mem_free(m->now);
    mem_free(m->cuts);
    return st;
}

status regex_compile(dfa **out, const char *pattern, size_t len, unsigned flags, errtext *err)
{
    parser p = { .s = pattern, .len = len, .flags = flags, .err = err };
    machine m = { .p = &p };
    int root;
    int32_t start;

    *out = NULL;
    if (len > REGEX_MAX_BYTES)
        return fail(err, E_LIMIT, "pattern has %zu bytes; at most %d are allowed", len,
                    REGEX_MAX_BYTES);
    set_new(&p, &(code_set){ 0 });
    set_add(&p.sets[0], 0, LAST_CODE);
    root = parse_alternatives(&p);
    if (more(&p)) bad(&p, E_FORMAT, ") without (");
    if (p.st == OK) {
        start = step_new(&m, STEP_ACCEPT, 0, -1, -1);
        if (flags & REGEX_SEARCH) start = write_any(&m, start);
        start = write_node(&m, root, start);
        if (flags & REGEX_SEARCH && p.st == OK) start = write_any(&m, start);
    }
    if (p.st == OK) p.st = determine(out, &m, start, err);
    for (int i = 0; i < p.n_set; i++) set_fini(&p.sets[i]);
    mem_free(p.sets);
    mem_free(p.nodes);
    mem_free(m.steps);
    return p.st;
}
