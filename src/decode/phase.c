/* phase.c - the phase machine.
 *
 * Bytes that might belong to a marker wait in `held`; the automata's states say
 * how many of them at most. With them waits the knowledge where tokens begin,
 * one bit a byte, so that a token is counted once it is known what it was. */
#include "decode/phase.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "decode/loop.h"

enum { OPEN, CLOSE, TOOL_OPEN, TOOL_CLOSE, N_MARKER };

#define GRACE_TOKENS 3           /* to let a character end before a forced closer */

typedef struct ids {
    int32_t id[PHASE_MAX_IDS];
    int n;
} ids;

struct phase_style {
    marker markers[N_MARKER];
    ids force_close;
    ids force_open;
    ids wait;
    ids end;
    int loop_gram;
};

/* What a forced token is. */
typedef enum role {
    ROLE_CLOSE,
    ROLE_OPEN,
    ROLE_TEXT,
} role;

struct phase {
    const phase_style *style;
    phase_options o;
    phase_kind outer;            /* where TOOL returns to */
    phase_report r;              /* counts without the tokens in `starts` */

    char held[MARKER_MAX_BYTES + 1];
    int n_held;
    uint64_t starts;             /* bit i: a token begins at held[i] */
    int state[N_MARKER];
    bool line_blank;             /* only blanks since the last line break */
    bool seen_text;              /* some character of this span is not white space */
    bool after_close;            /* this answer follows a closer */

    bool trim;                   /* white space is not shown yet */
    bool answer_owed;            /* we closed: an answer has to follow */
    close_reason closing;        /* the closer is to be forced, and why */
    int grace;
    char tail[4];                /* last bytes written, for whole characters */
    int n_tail;

    int32_t queue[3 * PHASE_MAX_IDS];   /* tokens to force */
    uint8_t roles[3 * PHASE_MAX_IDS];
    int n_queue;
    int at_queue;

    loop *loop;                  /* NULL when both limits are off */
    int32_t *banned;
    int n_banned;
    int cap_banned;
    bytes call;                  /* span of the call in progress */
    bytes shown;                 /* bytes of all pieces, one after the other */
    phase_piece *pieces;
    int n_piece;
    int cap_piece;
};

/* ------------------------------------------------------------------- style */

static status copy_ids(ids *out, const id_list *in, const char *field, int n_vocab,
                       errtext *err)
{
    if (in->n < 0 || in->n > PHASE_MAX_IDS)
        return fail(err, E_ARG, "%s has %d tokens; at most %d are allowed", field, in->n,
                    PHASE_MAX_IDS);
    for (int i = 0; i < in->n; i++) {
        if (in->ids[i] < 0 || in->ids[i] >= n_vocab)
            return fail(err, E_ARG, "%s names token %d; ids run from 0 to %d", field,
                        (int)in->ids[i], n_vocab - 1);
        out->id[i] = in->ids[i];
    }
    out->n = in->n;
    return OK;
}

/* A native marker is written by its id unless a list says otherwise. */
static void default_ids(ids *list, const marker *m)
{
    if (list->n || !marker_by_id(m)) return;
    list->id[0] = m->id;
    list->n = 1;
}

static status check_style(const phase_style *s, errtext *err)
{
    const marker *m = s->markers;

    if ((m[OPEN].len > 0) != (m[CLOSE].len > 0))
        return fail(err, E_ARG, "think_open and think_close go together");
    if (m[TOOL_CLOSE].len > 0 && m[TOOL_OPEN].len == 0)
        return fail(err, E_ARG, "tool_close without tool_open");
    if (m[CLOSE].len > 0 && s->force_close.n == 0)
        return fail(err, E_ARG, "force_close is empty, and think_close is not one token");
    if (marker_by_bytes(&m[CLOSE]) && s->wait.n > 0 && s->force_open.n == 0)
        return fail(err, E_ARG, "force_open is empty, but wait has to reopen thinking");
    return OK;
}

static double mean_bytes(const phase_spec *spec)
{
    double sum = 0;
    int n = 0;

    for (int32_t id = 0; id < spec->n_vocab; id++) {
        size_t len = spec->bytes(spec->bytes_arg, id).len;

        sum += (double)len;
        n += len > 0;
    }
    return n ? sum / n : 0;
}

static status fill_style(phase_style *s, const phase_spec *spec, errtext *err)
{
    const struct { const marker_spec *spec; const char *field; } m[N_MARKER] = {
        [OPEN] = { &spec->think_open, "think_open" },
        [CLOSE] = { &spec->think_close, "think_close" },
        [TOOL_OPEN] = { &spec->tool_open, "tool_open" },
        [TOOL_CLOSE] = { &spec->tool_close, "tool_close" },
    };
    int n = spec->n_vocab;
    status st;

    if (n < 1) return fail(err, E_ARG, "n_vocab is %d", n);
    for (int i = 0; i < N_MARKER; i++)
        if ((st = marker_init(&s->markers[i], m[i].spec, m[i].field, n, spec->bytes,
                              spec->bytes_arg, err)) != OK)
            return st;
    if ((st = copy_ids(&s->force_close, &spec->force_close, "force_close", n,
                       err)) != OK ||
        (st = copy_ids(&s->force_open, &spec->force_open, "force_open", n, err)) != OK ||
        (st = copy_ids(&s->wait, &spec->wait, "wait", n, err)) != OK ||
        (st = copy_ids(&s->end, &spec->end, "end", n, err)) != OK)
        return st;
    default_ids(&s->force_close, &s->markers[CLOSE]);
    default_ids(&s->force_open, &s->markers[OPEN]);
    s->loop_gram = loop_gram(mean_bytes(spec));
    return check_style(s, err);
}

status phase_style_new(phase_style **out, const phase_spec *spec, errtext *err)
{
    phase_style *s = mem_new(sizeof *s);
    status st = fill_style(s, spec, err);

    *out = NULL;
    if (st == OK) *out = s;
    else phase_style_free(s);
    return st;
}

void phase_style_free(phase_style *s)
{
    if (!s) return;
    for (int i = 0; i < N_MARKER; i++) marker_fini(&s->markers[i]);
    mem_free(s);
}

bool phase_style_thinks(const phase_style *s)
{
    return s->markers[CLOSE].len > 0;
}

int phase_style_close_len(const phase_style *s)
{
    return s->force_close.n;
}

static bool is_end(const phase_style *s, int32_t id)
{
    for (int i = 0; i < s->end.n; i++)
        if (s->end.id[i] == id) return true;
    return false;
}

phase_kind phase_from_prompt(const phase_style *s, const int32_t *prompt, int n_id)
{
    for (int i = n_id - 1; i >= 0; i--) {
        if (marker_by_id(&s->markers[OPEN]) && prompt[i] == s->markers[OPEN].id)
            return PHASE_THINK;
        if (marker_by_id(&s->markers[CLOSE]) && prompt[i] == s->markers[CLOSE].id) break;
        if (is_end(s, prompt[i])) break;
    }
    return PHASE_ANSWER;
}

/* ----------------------------------------------------------------- options */

phase_options phase_defaults(int max_tokens)
{
    return (phase_options){
        .start = PHASE_ANSWER, .max_tokens = max_tokens, .think_budget = -1,
        .end_closes = true, .loop_think = PHASE_LOOP_THINK,
        .loop_answer = PHASE_LOOP_ANSWER,
    };
}

static status check_least(const char *field, int value, int least, errtext *err)
{
    if (value >= least) return OK;
    return fail(err, E_ARG, "%s is %d; it must be at least %d", field, value, least);
}

status phase_check(const phase_options *o, const phase_style *s, errtext *err)
{
    status st;

    if (o->start != PHASE_ANSWER && o->start != PHASE_THINK)
        return fail(err, E_ARG, "a sequence starts thinking or answering, not in phase "
                    "%d", (int)o->start);
    if (o->start == PHASE_THINK && !phase_style_thinks(s))
        return fail(err, E_ARG, "this model's style has no thinking to start in");
    if (o->tools && s->markers[TOOL_OPEN].len == 0)
        return fail(err, E_UNSUPPORTED, "this model's style has no tool calls");
    if ((st = check_least("max_tokens", o->max_tokens, 1, err)) != OK ||
        (st = check_least("think_budget", o->think_budget, -1, err)) != OK ||
        (st = check_least("think_min", o->think_min, 0, err)) != OK ||
        (st = check_least("answer_reserve", o->answer_reserve, 0, err)) != OK ||
        (st = check_least("max_wait", o->max_wait, 0, err)) != OK ||
        (st = check_least("max_calls", o->max_calls, 0, err)) != OK ||
        (st = check_least("loop_think", o->loop_think, 0, err)) != OK)
        return st;
    return check_least("loop_answer", o->loop_answer, 0, err);
}

/* -------------------------------------------------------------- the object */

phase *phase_new(const phase_style *s, const phase_options *o)
{
    phase *p = mem_new(sizeof *p);

    CHECK(phase_check(o, s, NULL) == OK);
    p->style = s;
    p->o = *o;
    p->r.phase = o->start;
    p->r.n_span = o->start == PHASE_THINK;
    p->line_blank = true;
    p->trim = phase_style_thinks(s);
    p->grace = GRACE_TOKENS;
    if (o->loop_think || o->loop_answer) p->loop = loop_new(s->loop_gram);
    return p;
}

phase *phase_copy(const phase *p)
{
    phase *q = mem_copy(p, sizeof *p);

    if (p->loop) q->loop = loop_copy(p->loop);
    q->call = (bytes){ 0 };
    bytes_add(&q->call, p->call.data, p->call.len);
    /* What was handed out belongs to the original alone. */
    q->shown = (bytes){ 0 };
    q->pieces = NULL;
    q->n_piece = q->cap_piece = 0;
    q->banned = NULL;
    q->n_banned = q->cap_banned = 0;
    return q;
}

void phase_free(phase *p)
{
    if (!p) return;
    loop_free(p->loop);
    mem_free(p->banned);
    mem_free(p->pieces);
    bytes_fini(&p->call);
    bytes_fini(&p->shown);
    mem_free(p);
}

phase_kind phase_current(const phase *p)
{
    return p->r.phase;
}

/* ---------------------------------------------------------------- counting */

static int *count_of(phase_report *r, phase_kind kind)
{
    switch (kind) {
    case PHASE_THINK: return &r->n_think;
    case PHASE_TOOL: return &r->n_tool;
    default: return &r->n_answer;
    }
}

static int starts_held(const phase *p)
{
    return __builtin_popcountll(p->starts);
}

static int n_thought(const phase *p)
{
    return p->r.n_think + (p->r.phase == PHASE_THINK ? starts_held(p) : 0);
}

phase_report phase_report_now(const phase *p)
{
    phase_report r = p->r;

    *count_of(&r, r.phase) += starts_held(p);
    return r;
}

/* ----------------------------------------------------------------- showing */

static bool is_white(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static phase_piece *add_piece(phase *p, phase_channel to, const char *data, size_t len)
{
    phase_piece *last = p->n_piece ? &p->pieces[p->n_piece - 1] : NULL;

    bytes_add(&p->shown, data, len);
    if (last && last->channel == to && to != CHANNEL_TOOL) {
        last->len += len;
        return last;
    }
    if (p->n_piece == p->cap_piece) {
        p->cap_piece = 2 * p->cap_piece + 4;
        p->pieces = mem_resize(p->pieces, (size_t)p->cap_piece, sizeof *p->pieces);
    }
    last = &p->pieces[p->n_piece++];
    *last = (phase_piece){ .channel = to, .len = len };
    return last;
}

static phase_output take_output(phase *p)
{
    size_t at = 0;

    for (int i = 0; i < p->n_piece; i++) {
        p->pieces[i].data = p->shown.data + at;
        at += p->pieces[i].len;
    }
    return (phase_output){ p->pieces, p->n_piece };
}

static void clear_output(phase *p)
{
    bytes_clear(&p->shown);
    p->n_piece = 0;
}

/* Bytes that are known to be text of the current phase. */
static void show(phase *p, const char *data, size_t len)
{
    size_t skip = 0;

    if (p->r.phase == PHASE_TOOL) {
        bytes_add(&p->call, data, len);
        return;
    }
    while (p->trim && skip < len && is_white(data[skip])) skip++;
    if (skip == len) return;
    p->trim = false;
    if (p->r.phase == PHASE_THINK) {
        add_piece(p, CHANNEL_REASONING, data + skip, len - skip);
        return;
    }
    for (size_t i = skip; i < len && p->answer_owed; i++)
        if (!is_white(data[i])) p->answer_owed = false;
    add_piece(p, CHANNEL_ANSWER, data + skip, len - skip);
}

/* The first n held bytes are text; their tokens belong to this phase. */
static void release(phase *p, int n)
{
    uint64_t first = n < 64 ? (1ull << n) - 1 : UINT64_MAX;

    if (n == 0) return;
    *count_of(&p->r, p->r.phase) += __builtin_popcountll(p->starts & first);
    p->starts = n < 64 ? p->starts >> n : 0;
    show(p, p->held, (size_t)n);
    p->n_held -= n;
    memmove(p->held, p->held + n, (size_t)p->n_held);
}

static void forget_matches(phase *p)
{
    memset(p->state, 0, sizeof p->state);
}

static void release_all(phase *p)
{
    release(p, p->n_held);
    forget_matches(p);
}

/* ------------------------------------------------------------- transitions */

/* A span begins after a marker. */
static void begin_span(phase *p, phase_kind kind)
{
    p->r.phase = kind;
    p->line_blank = true;
    p->seen_text = false;
    p->trim = true;
    forget_matches(p);
}

static void open_thinking(phase *p)
{
    begin_span(p, PHASE_THINK);
    p->r.n_span++;
    p->closing = CLOSE_NONE;
    p->grace = GRACE_TOKENS;
    if (p->loop) loop_reset(p->loop);
}

static void close_thinking(phase *p, close_reason by)
{
    begin_span(p, PHASE_ANSWER);
    p->after_close = true;
    p->closing = CLOSE_NONE;
    p->r.closed_by = by;
    p->answer_owed = by != CLOSE_MODEL;
    if (p->loop) loop_reset(p->loop);
}

static void open_call(phase *p)
{
    if (p->r.phase == PHASE_ANSWER) p->answer_owed = false;
    p->outer = p->r.phase;
    p->r.phase = PHASE_TOOL;
    bytes_clear(&p->call);
    forget_matches(p);
}

static void finish(phase *p, finish_reason reason);

static void close_call(phase *p, bool complete)
{
    add_piece(p, CHANNEL_TOOL, p->call.data, p->call.len)->complete = complete;
    bytes_clear(&p->call);
    begin_span(p, p->outer);
    p->seen_text = true;
    if (!complete) return;
    p->r.n_call++;
    if (p->o.max_calls && p->r.n_call >= p->o.max_calls) finish(p, FINISH_TOOL_CALLS);
}

static void finish(phase *p, finish_reason reason)
{
    int reserve = p->o.answer_reserve > 1 ? p->o.answer_reserve : 1;

    release_all(p);
    if (p->r.phase == PHASE_TOOL) close_call(p, false);
    p->r.phase = PHASE_DONE;
    p->r.finish = reason;
    p->n_queue = p->at_queue = 0;
    p->r.starved = reason == FINISH_LENGTH && p->r.n_think > 0 &&
                   p->r.n_answer + p->r.n_tool < reserve;
}

/* ----------------------------------------------------------------- forcing */

static void enqueue(phase *p, const ids *list, role is)
{
    if (p->at_queue == p->n_queue) p->at_queue = p->n_queue = 0;
    for (int i = 0; i < list->n; i++) {
        p->queue[p->n_queue] = list->id[i];
        p->roles[p->n_queue++] = (uint8_t)is;
    }
}

static bool forcing(const phase *p)
{
    return p->at_queue < p->n_queue;
}

static bool inside_character(const phase *p)
{
    return utf8_incomplete_tail(p->tail, (size_t)p->n_tail) > 0;
}

static void note_byte(phase *p, char c)
{
    if (p->n_tail == (int)sizeof p->tail)
        memmove(p->tail, p->tail + 1, (size_t)--p->n_tail);
    p->tail[p->n_tail++] = c;
}

/* Whether thinking would have to be closed after so many more tokens, of which
 * n_thought_more are thoughts. */
static close_reason due(const phase *p, int n_more, int n_thought_more)
{
    int64_t used = (int64_t)p->r.n_total + n_more + p->style->force_close.n;

    if (p->o.think_budget >= 0 && n_thought(p) + n_thought_more >= p->o.think_budget)
        return CLOSE_BUDGET;
    if (used + p->o.answer_reserve >= p->o.max_tokens) return CLOSE_LIMIT;
    return CLOSE_NONE;
}

/* Whether the model's wish to close is answered with `wait`. */
static bool may_wait(const phase *p)
{
    int n_wait = p->style->wait.n;

    return p->r.n_wait < p->o.max_wait && n_wait > 0 && !p->closing &&
           !inside_character(p) && !due(p, n_wait + p->style->force_open.n, n_wait);
}

static void wait_instead(phase *p, bool reopen)
{
    if (reopen) enqueue(p, &p->style->force_open, ROLE_OPEN);
    enqueue(p, &p->style->wait, ROLE_TEXT);
    p->r.n_wait++;
}

static void force_close(phase *p)
{
    /* A closer half spelt out is swallowed: the whole one takes its place. */
    p->r.n_think += starts_held(p);
    p->starts = 0;
    p->n_held = 0;
    forget_matches(p);
    enqueue(p, &p->style->force_close, ROLE_CLOSE);
}

bool phase_force(phase *p, const int32_t *text, int n)
{
    ids list = { .n = n };

    CHECK(n >= 0 && n <= PHASE_MAX_IDS);
    if (n == 0 || forcing(p)) return false;
    switch (p->r.phase) {
    case PHASE_THINK:
        if (p->closing || due(p, n, n)) return false;
        break;
    case PHASE_ANSWER:
        if (p->o.constrained || p->r.n_total + n >= p->o.max_tokens) return false;
        break;
    default:
        return false;
    }
    memcpy(list.id, text, (size_t)n * sizeof *text);
    enqueue(p, &list, ROLE_TEXT);
    return true;
}

/* ---------------------------------------------------------------- matching */

/* Whether marker i is looked for, byte by byte, in this phase. */
static bool watched(const phase *p, int i)
{
    if (!marker_by_bytes(&p->style->markers[i])) return false;
    switch (p->r.phase) {
    case PHASE_THINK: return i == OPEN || i == CLOSE;
    case PHASE_TOOL: return i == TOOL_CLOSE;
    case PHASE_ANSWER:
        if (p->o.constrained) return false;
        return i == OPEN || (i == CLOSE && p->after_close) ||
               (i == TOOL_OPEN && p->o.tools);
    default: return false;
    }
}

/* Whether a match of marker i may begin at the next byte. */
static bool may_begin(const phase *p, int i)
{
    if (i == OPEN) return p->r.phase == PHASE_ANSWER ? p->line_blank : !p->seen_text;
    if (i == CLOSE && p->r.phase == PHASE_ANSWER) return !p->seen_text;
    return true;
}

static int match_step(const phase *p, int i, char c)
{
    const marker *m = &p->style->markers[i];
    int state = p->state[i];

    /* Where a marker may begin only in some places, a failed match does not
     * fall back into its own middle. */
    if (state > 0 && m->text[state] == c) return state + 1;
    if (i == OPEN || (i == CLOSE && p->r.phase == PHASE_ANSWER))
        return may_begin(p, i) && m->text[0] == c;
    return marker_step(m, state, c);
}

static void act_on_match(phase *p, int i)
{
    int n = starts_held(p);

    p->starts = 0;
    p->n_held = 0;
    forget_matches(p);
    if (i == TOOL_OPEN || i == TOOL_CLOSE) p->r.n_tool += n;
    else p->r.n_marker += n;
    if (i == TOOL_OPEN) open_call(p);
    else if (i == TOOL_CLOSE) close_call(p, true);
    else if (i == OPEN && p->r.phase == PHASE_ANSWER) open_thinking(p);
    else if (i == CLOSE && p->r.phase == PHASE_THINK && may_wait(p)) {
        begin_span(p, PHASE_THINK);
        wait_instead(p, true);
    } else if (i == CLOSE && p->r.phase == PHASE_THINK) close_thinking(p, CLOSE_MODEL);
    else begin_span(p, p->r.phase);          /* a repeated marker: dropped */
}

static void feed_byte(phase *p, char c, bool first)
{
    int met = -1, keep = 0;

    note_byte(p, c);
    if (first) p->starts |= 1ull << p->n_held;
    p->held[p->n_held++] = c;
    for (int i = 0; i < N_MARKER; i++) {
        const marker *m = &p->style->markers[i];
        int state = watched(p, i) ? match_step(p, i, c) : 0;

        if (state > 0 && state == m->len) {
            if (met < 0 || m->len > p->style->markers[met].len) met = i;
        } else {
            p->state[i] = state;
            if (state > keep) keep = state;
        }
    }
    if (met >= 0) {
        release(p, p->n_held - p->style->markers[met].len);
        act_on_match(p, met);
        return;
    }
    release(p, p->n_held - keep);
    if (c == '\n') p->line_blank = true;
    if (!is_white(c)) p->line_blank = false, p->seen_text = true;
}

static void feed(phase *p, token_text text)
{
    if (text.len == 0) ++*count_of(&p->r, p->r.phase);
    for (size_t i = 0; i < text.len && p->r.phase != PHASE_DONE; i++)
        feed_byte(p, text.data[i], i == 0);
}

/* --------------------------------------------------------------- accepting */

static void accept_forced(phase *p, int32_t id, token_text text)
{
    role is = (role)p->roles[p->at_queue];

    CHECK(id == p->queue[p->at_queue]);
    p->at_queue++;
    p->r.n_forced++;
    if (is == ROLE_TEXT) {
        feed(p, text);
        return;
    }
    p->r.n_marker++;
    p->n_tail = 0;
    if (is == ROLE_CLOSE && !forcing(p)) close_thinking(p, p->closing);
}

/* The end of a turn; false: refused. */
static bool accept_end(phase *p)
{
    finish_reason reason = p->r.n_call ? FINISH_TOOL_CALLS : FINISH_STOP;

    if (p->r.phase == PHASE_THINK && p->r.n_call == 0) {
        if (p->closing) {
            /* It was banned until the character is whole. */
            if (p->grace > 0) p->grace--;
            return false;
        }
        if (may_wait(p)) {
            wait_instead(p, false);
            return false;
        }
        if (p->o.end_closes) {
            p->closing = CLOSE_END;
            return false;
        }
    }
    p->r.n_end++;
    if (p->r.phase == PHASE_TOOL) {
        release_all(p);
        close_call(p, true);
        reason = FINISH_TOOL_CALLS;
    }
    finish(p, reason);
    return true;
}

/* Which native marker acts in this phase; -1: none, the token is text. */
static int native_marker(const phase *p, int32_t id)
{
    const marker *m = p->style->markers;

    if (p->r.phase == PHASE_TOOL)
        return marker_by_id(&m[TOOL_CLOSE]) && id == m[TOOL_CLOSE].id ? TOOL_CLOSE : -1;
    if (marker_by_id(&m[OPEN]) && id == m[OPEN].id) return OPEN;
    if (marker_by_id(&m[CLOSE]) && id == m[CLOSE].id) return CLOSE;
    if (!p->o.tools || !marker_by_id(&m[TOOL_OPEN])) return -1;
    return id == m[TOOL_OPEN].id ? TOOL_OPEN : -1;
}

/* A marker that is one token; false: refused. */
static bool accept_native(phase *p, int i)
{
    if (i == CLOSE && p->r.phase == PHASE_THINK && may_wait(p)) {
        wait_instead(p, false);
        return false;
    }
    release_all(p);
    p->n_tail = 0;
    if (i == TOOL_OPEN || i == TOOL_CLOSE) p->r.n_tool++;
    else p->r.n_marker++;
    if (i == TOOL_OPEN) open_call(p);
    else if (i == TOOL_CLOSE) close_call(p, true);
    else if (i == OPEN && p->r.phase == PHASE_ANSWER) open_thinking(p);
    else if (i == CLOSE && p->r.phase == PHASE_THINK) close_thinking(p, CLOSE_MODEL);
    return true;
}

static void watch_for_loop(phase *p, int32_t id)
{
    int limit = p->r.phase == PHASE_THINK ? p->o.loop_think : p->o.loop_answer;

    if (!p->loop || p->r.phase == PHASE_DONE) return;
    if (!loop_add(p->loop, id, limit ? limit : INT32_MAX)) return;
    if (p->r.phase != PHASE_THINK) finish(p, FINISH_REPETITION);
    else if (!p->closing) p->closing = CLOSE_LOOP;
}

bool phase_accept(phase *p, int32_t id, token_text text, phase_output *out)
{
    bool taken = true, free_choice = !forcing(p);

    CHECK(p->r.phase != PHASE_DONE);
    clear_output(p);
    if (!free_choice) {
        accept_forced(p, id, text);
    } else if (is_end(p->style, id)) {
        taken = accept_end(p);
    } else {
        int native = native_marker(p, id);

        if (p->closing && p->r.phase == PHASE_THINK && p->grace > 0) p->grace--;
        if (native >= 0) taken = accept_native(p, native);
        else feed(p, text);
    }
    if (taken) {
        p->r.n_total++;
        if (free_choice) watch_for_loop(p, id);
        if (p->r.phase != PHASE_DONE && p->r.n_total >= p->o.max_tokens)
            finish(p, FINISH_LENGTH);
    } else {
        p->r.n_refused++;
    }
    *out = take_output(p);
    return taken;
}

void phase_close_thinking(phase *p)
{
    bool thinking = p->r.phase == PHASE_THINK ||
                    (p->r.phase == PHASE_TOOL && p->outer == PHASE_THINK);

    if (thinking && !p->closing) p->closing = CLOSE_CALLER;
}

void phase_end(phase *p, finish_reason reason, phase_output *out)
{
    clear_output(p);
    if (p->r.phase != PHASE_DONE) finish(p, reason);
    *out = take_output(p);
}

const char *finish_name(finish_reason r)
{
    static const char *const names[] = {
        [FINISH_NONE] = "none", [FINISH_STOP] = "stop", [FINISH_LENGTH] = "length",
        [FINISH_TOOL_CALLS] = "tool_calls", [FINISH_REPETITION] = "repetition",
        [FINISH_CANCELLED] = "cancelled", [FINISH_ERROR] = "error",
    };

    return names[r];
}

/* ---------------------------------------------------------------- grammars */

bool phase_acts(const phase *p, int32_t id)
{
    return is_end(p->style, id) || native_marker(p, id) >= 0;
}

static void set_bit(uint64_t *mask, int32_t id, bool on)
{
    if (on) mask[id / 64] |= 1ull << (id % 64);
    else mask[id / 64] &= ~(1ull << (id % 64));
}

void phase_mask(const phase *p, bool begun, bool complete, uint64_t *allowed)
{
    const marker *m = p->style->markers;
    bool call = p->r.phase == PHASE_TOOL;

    for (int i = 0; i < N_MARKER; i++)
        if (marker_by_id(&m[i])) set_bit(allowed, m[i].id, false);
    for (int i = 0; i < p->style->end.n; i++)
        set_bit(allowed, p->style->end.id[i], complete && (!call || m[TOOL_CLOSE].len == 0));
    if (call && complete && marker_by_id(&m[TOOL_CLOSE]))
        set_bit(allowed, m[TOOL_CLOSE].id, true);
    /* A call is made in place of an answer, not in its middle. */
    if (!call && p->o.tools && !begun && marker_by_id(&m[TOOL_OPEN]))
        set_bit(allowed, m[TOOL_OPEN].id, true);
}

/* ------------------------------------------------------------------ before */

static void ban(phase *p, int32_t id)
{
    if (p->n_banned == p->cap_banned) {
        p->cap_banned = 2 * p->cap_banned + 16;
        p->banned = mem_resize(p->banned, (size_t)p->cap_banned, sizeof *p->banned);
    }
    p->banned[p->n_banned++] = id;
}

static void ban_ends(phase *p)
{
    for (int i = 0; i < p->style->end.n; i++) ban(p, p->style->end.id[i]);
}

/* The marker itself, or every token that would complete it now. */
static void ban_marker(phase *p, int i)
{
    const marker *m = &p->style->markers[i];

    if (marker_by_id(m)) {
        ban(p, m->id);
    } else if (watched(p, i)) {
        for (int k = 0; k < m->n_completer; k++)
            if (m->completers[k].from >> p->state[i] & 1) ban(p, m->completers[k].id);
    }
}

/* A grammar has to see the first byte of what it governs: a marker that brings
 * some along in one token is not taken. */
static void ban_trailing(phase *p, int i)
{
    const marker *m = &p->style->markers[i];

    if (!watched(p, i)) return;
    for (int k = 0; k < m->n_completer; k++)
        if (m->completers[k].trails >> p->state[i] & 1) ban(p, m->completers[k].id);
}

phase_step phase_before(phase *p)
{
    bool thinking = p->r.phase == PHASE_THINK;

    CHECK(p->r.phase != PHASE_DONE);
    p->n_banned = 0;
    if (thinking && !forcing(p)) {
        if (!p->closing) p->closing = due(p, 0, 0);
        if (p->closing && (!inside_character(p) || p->grace == 0)) force_close(p);
    }
    if (forcing(p))
        return (phase_step){ p->queue + p->at_queue, p->n_queue - p->at_queue, NULL, 0 };
    /* Tokens held back may become the closer, so they do not fill the minimum. */
    if (thinking && (p->closing || p->r.n_think < p->o.think_min)) {
        ban_marker(p, CLOSE);
        ban_ends(p);
    } else if (thinking && p->o.constrained) {
        ban_trailing(p, CLOSE);
    }
    if (p->r.phase == PHASE_ANSWER) {
        if (p->o.constrained_calls) ban_trailing(p, TOOL_OPEN);
        if (p->answer_owed) ban_ends(p);
        /* Thinking that would have to be closed at once is not begun again. */
        if (phase_style_thinks(p->style) && due(p, 1, 0)) ban_marker(p, OPEN);
    }
    return (phase_step){ NULL, 0, p->banned, p->n_banned };
}
