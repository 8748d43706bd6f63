/* engine.c - the scheduler: which rows go into the next pass, and what becomes
 * of the tokens drawn from it. */
#include "decode/engine.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "decode/calculator.h"
#include "decode/pages.h"

#define DEFAULT_CTX 32768
#define DEFAULT_ROWS 512
#define DEFAULT_LIVE 256
#define DEFAULT_KV_BYTES ((size_t)2 << 30)

typedef enum session_state { SESSION_WAITING, SESSION_LIVE, SESSION_DONE } session_state;

struct session {
    engine *engine;
    session_state state;
    bool cancelled;
    uint64_t tenant;
    uint64_t stream;
    sampler_options options;
    token_bias *bias;        /* owned copy */
    phase *phase;
    phase_step step;         /* what holds for the next draw */
    const grammar *call_grammar;
    grammar_state *answer_state;     /* where the answer stands in its grammar, or NULL */
    grammar_state *call_state;       /* where the call under way stands, or NULL */
    uint64_t *mask;          /* of the next draw; NULL without grammars */
    bool masked;
    bool calculates;
    calculator calculator;   /* fed with this span's text */
    tally tally;
    bool tallied;
    textout reasoning, answer;
    phase_channel channel;   /* of the last text */
    session_fn *on_event;
    void *arg;

    int32_t *tokens;         /* [n_token] prompt and generated */
    int n_token, cap_token;
    int n_prompt;
    int n_kv;                /* tokens whose keys and values are in pages */
    int n_row;               /* of these, in the pass under way */
    int32_t *pages;          /* [n_page] held */
    int n_page, cap_page;

    int cached;
    double started_s, first_row_s, first_token_s, ended_s;
    finish_reason finish;
    errtext error;
};

struct engine {
    const model *model;
    const tokenizer *tokenizer;
    pool *threads;
    kv_cache *kv;
    pages *pages;
    workspace *ws;
    sampler **samplers;      /* one a thread */
    uint64_t *allowed;       /* ids that are tokens; NULL when all rows are: some
                              * vocabularies are padded to a round number */
    int n_ctx, max_row, max_live, n_vocab;
    trie *trie;              /* of the vocabulary, once a grammar needs it */

    session **items;         /* by arrival; done ones stay until freed */
    int n, cap;
    int n_live;

    /* The pass under way. */
    int32_t *ids, *out;
    attend_run *runs;
    session **run_session;   /* [n_run] */
    session **drawing;       /* [n_out] */
    sample *drawn;           /* [n_out] */
    int n_row, n_run, n_out;
    const float *logits;
    bytes text;              /* scratch of emit */
};

status engine_new(engine **out, const model *m, const tokenizer *t, pool *threads,
                  const engine_options *o, errtext *err)
{
    const config *c = model_config(m);
    engine *e = mem_new(sizeof *e);
    int n_session_page, n_page;
    size_t page_bytes, kv_bytes = o->kv_bytes;
    kv_cache *one = model_kv_new(m, 1);

    page_bytes = kv_page_bytes(one);
    kv_free(one);
    *out = NULL;
    e->model = m;
    e->tokenizer = t;
    e->threads = threads;
    e->n_vocab = c->n_vocab;
    e->n_ctx = o->n_ctx ? o->n_ctx : c->n_ctx < DEFAULT_CTX ? c->n_ctx : DEFAULT_CTX;
    e->max_row = o->max_row ? o->max_row : DEFAULT_ROWS;
    e->max_live = o->max_live ? o->max_live : DEFAULT_LIVE;
    if (e->max_live > e->max_row) e->max_live = e->max_row;
    n_session_page = (e->n_ctx + KV_PAGE - 1) / KV_PAGE;
    if (!kv_bytes) {
        kv_bytes = DEFAULT_KV_BYTES;
        if (kv_bytes / page_bytes < (size_t)n_session_page)
            kv_bytes = (size_t)n_session_page * page_bytes;
    }
    if (e->n_ctx < 1 || e->max_row < 1 || e->max_live < 1 ||
        kv_bytes / page_bytes < (size_t)n_session_page) {
        status st = fail(err, E_LIMIT, "a context of %d tokens needs %.1f MB of pages, "
                         "%.1f MB are allowed", e->n_ctx,
                         (double)n_session_page * (double)page_bytes / 1e6,
                         (double)kv_bytes / 1e6);

        mem_free(e);
        return st;
    }
    n_page = kv_bytes / page_bytes < (1 << 24) ? (int)(kv_bytes / page_bytes) : 1 << 24;
    e->kv = model_kv_new(m, n_page);
    e->pages = pages_new(n_page);
    e->ws = workspace_new(m, e->max_row, e->max_live);
    e->samplers = mem_array((size_t)pool_threads(threads), sizeof *e->samplers);
    for (int i = 0; i < pool_threads(threads); i++) e->samplers[i] = sampler_new(c->n_vocab);
    if (tokenizer_size(t) < c->n_vocab) {
        e->allowed = mem_array(((size_t)c->n_vocab + 63) / 64, sizeof *e->allowed);
        for (int i = 0; i < tokenizer_size(t); i++) e->allowed[i / 64] |= 1ull << (i % 64);
    }
    e->ids = mem_array((size_t)e->max_row, sizeof *e->ids);
    e->out = mem_array((size_t)e->max_row, sizeof *e->out);
    e->runs = mem_array((size_t)e->max_row, sizeof *e->runs);
    e->run_session = mem_array((size_t)e->max_row, sizeof *e->run_session);
    e->drawing = mem_array((size_t)e->max_live, sizeof *e->drawing);
    e->drawn = mem_array((size_t)e->max_live, sizeof *e->drawn);
    *out = e;
    return OK;
}

void engine_free(engine *e)
{
    if (!e) return;
    while (e->n) session_free(e->items[e->n - 1]);
    trie_free(e->trie);
    for (int i = 0; i < pool_threads(e->threads); i++) sampler_free(e->samplers[i]);
    mem_free(e->samplers);
    mem_free(e->allowed);
    workspace_free(e->ws);
    pages_free(e->pages);
    kv_free(e->kv);
    mem_free(e->ids);
    mem_free(e->out);
    mem_free(e->runs);
    mem_free(e->run_session);
    mem_free(e->drawing);
    mem_free(e->drawn);
    mem_free(e->items);
    bytes_fini(&e->text);
    mem_free(e);
}

int engine_ctx(const engine *e)
{
    return e->n_ctx;
}

/* Tokens and their text. */

static void emit(session *s, phase_channel ch, const char *text, size_t len, bool complete,
                 int32_t id, bool forced, const sample *drawn)
{
    session_event event = { s, ch, text ? text : "", len, complete, id, forced, drawn };

    if (s->on_event) s->on_event(s->arg, &event);
}

/* Hand on what a step of the phase machine made visible. The first event of a
 * token carries its id. Returns true when a stop string was met. */
static bool show(session *s, const phase_output *o, int32_t id, bool forced,
                 const sample *drawn)
{
    bytes *text = &s->engine->text;
    bool stopped = false;

    for (int i = 0; i < o->n && !stopped; i++) {
        const phase_piece *piece = &o->pieces[i];

        bytes_clear(text);
        if (piece->channel != s->channel && s->channel == CHANNEL_REASONING) {
            textout_end(&s->reasoning, text);
            if (text->len) emit(s, CHANNEL_REASONING, text->data, text->len, false, -1,
                                false, NULL);
            bytes_clear(text);
        }
        s->channel = piece->channel;
        if (piece->channel == CHANNEL_TOOL) {
            textout whole;

            textout_init(&whole, NULL);
            textout_add(&whole, piece->data, piece->len, text);
            textout_end(&whole, text);
        } else if (piece->channel == CHANNEL_REASONING) {
            textout_add(&s->reasoning, piece->data, piece->len, text);
        } else {
            stopped = textout_add(&s->answer, piece->data, piece->len, text);
        }
        emit(s, piece->channel, text->data, text->len, piece->complete, id, forced,
             id >= 0 ? drawn : NULL);
        id = -1;
    }
    if (id >= 0) emit(s, s->channel, "", 0, false, id, forced, drawn);
    return stopped;
}

static void drop_pages(session *s)
{
    for (int i = 0; i < s->n_page; i++) pages_release(s->engine->pages, s->pages[i]);
    s->n_page = 0;
    s->n_kv = 0;
}

static void finish_session(session *s, finish_reason reason)
{
    bytes *text = &s->engine->text;

    if (s->state == SESSION_DONE) return;
    bytes_clear(text);
    if (s->channel == CHANNEL_REASONING) textout_end(&s->reasoning, text);
    else if (s->answer.stopped_by < 0) textout_end(&s->answer, text);
    if (text->len) emit(s, s->channel, text->data, text->len, false, -1, false, NULL);
    if (s->state == SESSION_LIVE) s->engine->n_live--;
    s->state = SESSION_DONE;
    s->finish = reason;
    s->ended_s = clock_s();
    drop_pages(s);
}

static void push(session *s, int32_t id)
{
    if (s->n_token == s->cap_token) {
        s->cap_token = s->cap_token * 2 + 64;
        s->tokens = mem_resize(s->tokens, (size_t)s->cap_token, sizeof *s->tokens);
    }
    s->tokens[s->n_token++] = id;
}

/* Bytes that a token prints: none for a control token. */
static token_text printed(const engine *e, int32_t id)
{
    if (tokenizer_kind(e->tokenizer, id) == TOKEN_CONTROL) return (token_text){ "", 0 };
    return tokenizer_text(e->tokenizer, id);
}

/* What a grammar may be written with: neither control tokens nor ids that stand
 * for no text. */
static token_text written(const void *arg, int32_t id)
{
    const engine *e = arg;

    if (id >= tokenizer_size(e->tokenizer)) return (token_text){ "", 0 };
    switch (tokenizer_kind(e->tokenizer, id)) {
    case TOKEN_NORMAL: case TOKEN_USER_DEFINED: case TOKEN_BYTE:
        return tokenizer_text(e->tokenizer, id);
    default:
        return (token_text){ "", 0 };
    }
}

/* The grammar that governs the next token, or NULL. */
static grammar_state *governing(session *s)
{
    phase_kind kind = phase_current(s->phase);

    if (kind == PHASE_TOOL && s->call_grammar && !s->call_state)
        s->call_state = grammar_state_new(s->call_grammar, s->engine->trie);
    if (kind != PHASE_TOOL && s->call_state) {
        grammar_state_free(s->call_state);
        s->call_state = NULL;
    }
    return kind == PHASE_TOOL ? s->call_state : kind == PHASE_ANSWER ? s->answer_state : NULL;
}

static bool follow(session *s, grammar_state *state, const char *text, size_t len)
{
    if (grammar_accept_bytes(state, text, len)) return true;
    fail(&s->error, E_ARG, "the text left its grammar at \"%.*s\"", len < 40 ? (int)len : 40, text);
    return false;
}

/* Move the grammar by a token that was taken in phase `was`; of one that closed
 * a thought, what it brought for the answer. */
static bool follow_grammar(session *s, phase_kind was, grammar_state *governs, bool acts,
                           token_text text, const phase_output *shown)
{
    if (was != PHASE_THINK) return !governs || acts || follow(s, governs, text.data, text.len);
    for (int i = 0; s->answer_state && i < shown->n; i++)
        if (shown->pieces[i].channel == CHANNEL_ANSWER &&
            !follow(s, s->answer_state, shown->pieces[i].data, shown->pieces[i].len))
            return false;
    return true;
}

/* A token was taken in phase `was`: where it ended a mark's expression, the
 * result comes next. A mark does not reach from one span into another. */
static void calculate(session *s, phase_kind was, bool acts, token_text text)
{
    char rest[CALCULATOR_MAX_RESULT];

    if (acts || phase_current(s->phase) != was) {
        s->calculator = (calculator){ 0 };
        return;
    }
    calculator_add(&s->calculator, text.data, text.len);
    if (calculator_rest(&s->calculator, rest)) {
        int32_t ids[CALCULATOR_MAX_IDS];

        phase_force(s->phase, ids, calculator_ids(s->engine->tokenizer, rest, ids));
    }
}

/* Offer one token to the phase machine; take it unless it is refused. */
static void accept(session *s, int32_t id, bool forced, const sample *drawn)
{
    phase_output shown;
    token_text text = printed(s->engine, id);
    phase_kind was = phase_current(s->phase);
    grammar_state *governs = governing(s);
    bool acts = phase_acts(s->phase, id);

    if (!phase_accept(s->phase, id, text, &shown)) return;
    if (!follow_grammar(s, was, governs, acts, text, &shown)) {
        phase_end(s->phase, FINISH_ERROR, &shown);
        finish_session(s, FINISH_ERROR);
        return;
    }
    push(s, id);
    if (s->calculates) calculate(s, was, acts, text);
    if (s->tallied) tally_add(&s->tally, id);
    if (!s->first_token_s) s->first_token_s = clock_s();
    if (show(s, &shown, id, forced, drawn)) {
        phase_end(s->phase, FINISH_STOP, &shown);
        finish_session(s, FINISH_STOP);
    }
}

/* The mask of the next draw. */
static void set_mask(session *s)
{
    grammar_state *g = governing(s);

    s->masked = g != NULL;
    if (!g) return;
    if (!s->mask) s->mask = mem_array((size_t)trie_words(s->engine->trie), sizeof *s->mask);
    grammar_mask(g, s->mask);
    phase_mask(s->phase, grammar_begun(g), grammar_complete(g), s->mask);
}

/* Write what must come next, and end the session when its machine has. */
static void settle(session *s)
{
    while (s->state != SESSION_DONE && phase_current(s->phase) != PHASE_DONE) {
        int32_t forced[PHASE_MAX_IDS];
        int n;

        s->step = phase_before(s->phase);
        n = s->step.n_forced < PHASE_MAX_IDS ? s->step.n_forced : PHASE_MAX_IDS;
        if (!n) {
            set_mask(s);
            return;
        }
        memcpy(forced, s->step.forced, (size_t)n * sizeof *forced);
        for (int i = 0; i < n && s->state != SESSION_DONE &&
                        phase_current(s->phase) != PHASE_DONE; i++)
            accept(s, forced[i], true, NULL);
    }
    if (s->state != SESSION_DONE) finish_session(s, phase_report_now(s->phase).finish);
}

/* Sessions. */

status session_start(session **out, engine *e, const session_request *r, errtext *err)
{
    phase_options phase_of = r->phase;
    session *s;
    int room = e->n_ctx - r->n_prompt;
    status st;

    *out = NULL;
    if (r->n_prompt < 1) return fail(err, E_ARG, "the prompt is empty");
    if (room < 1)
        return fail(err, E_LIMIT, "the prompt has %d tokens; the context holds %d, one of "
                    "them for the answer", r->n_prompt, e->n_ctx);
    for (int i = 0; i < r->n_prompt; i++)
        if (r->prompt[i] < 0 || r->prompt[i] >= e->n_vocab)
            return fail(err, E_ARG, "prompt token %d is %d, the vocabulary has %d", i,
                        r->prompt[i], e->n_vocab);
    if ((st = sampler_check(&r->sampler, e->n_vocab, err)) != OK) return st;
    if (phase_of.max_tokens > room) phase_of.max_tokens = room;
    if (r->answer_grammar) phase_of.constrained = true;
    if (r->call_grammar) phase_of.constrained_calls = true;
    if ((st = phase_check(&phase_of, r->style, err)) != OK) return st;

    s = mem_new(sizeof *s);
    s->engine = e;
    s->tenant = r->tenant;
    s->stream = r->stream;
    s->options = r->sampler;
    s->bias = mem_copy(r->sampler.bias, (size_t)r->sampler.n_bias * sizeof *s->bias);
    s->options.bias = s->bias;
    s->phase = phase_new(r->style, &phase_of);
    textout_init(&s->reasoning, NULL);
    textout_init(&s->answer, r->stop);
    s->channel = phase_of.start == PHASE_THINK ? CHANNEL_REASONING : CHANNEL_ANSWER;
    s->on_event = r->on_event;
    s->arg = r->arg;
    for (int i = 0; i < r->n_prompt; i++) push(s, r->prompt[i]);
    s->n_prompt = r->n_prompt;
    if ((s->tallied = sampler_wants_tally(&s->options))) {
        tally_init(&s->tally, s->options.repeat_window);
        tally_prompt(&s->tally, r->prompt, r->n_prompt);
    }
    if ((r->answer_grammar || r->call_grammar) && !e->trie) e->trie = trie_new(e->n_vocab, written, e);
    if (r->answer_grammar) s->answer_state = grammar_state_new(r->answer_grammar, e->trie);
    s->call_grammar = r->call_grammar;
    s->calculates = r->calculator;
    s->started_s = clock_s();
    if (e->n == e->cap) {
        e->cap = e->cap * 2 + 16;
        e->items = mem_resize(e->items, (size_t)e->cap, sizeof *e->items);
    }
    e->items[e->n++] = s;
    *out = s;
    return OK;
}

void session_cancel(session *s)
{
    s->cancelled = true;
}

void session_free(session *s)
{
    engine *e;
    int at = 0;

    if (!s) return;
    e = s->engine;
    while (e->items[at] != s) at++;
    memmove(e->items + at, e->items + at + 1, (size_t)(e->n - at - 1) * sizeof *e->items);
    e->n--;
    if (s->state == SESSION_LIVE) e->n_live--;
    drop_pages(s);
    phase_free(s->phase);
    grammar_state_free(s->answer_state);
    grammar_state_free(s->call_state);
    mem_free(s->mask);
    if (s->tallied) tally_fini(&s->tally);
    mem_free(s->bias);
    mem_free(s->tokens);
    mem_free(s->pages);
    mem_free(s);
}

bool session_done(const session *s) { return s->state == SESSION_DONE; }
finish_reason session_finish(const session *s) { return s->finish; }
const char *session_error(const session *s) { return s->error.text; }

const int32_t *session_tokens(const session *s, int *n)
{
    *n = s->n_token;
    return s->tokens;
}

session_usage session_get_usage(const session *s)
{
    double end = s->state == SESSION_DONE ? s->ended_s : clock_s();
    session_usage u = { .prompt = s->n_prompt, .cached = s->cached };

    u.report = phase_report_now(s->phase);
    u.queued_s = (s->first_row_s ? s->first_row_s : end) - s->started_s;
    u.first_token_s = (s->first_token_s ? s->first_token_s : end) - s->started_s;
    u.total_s = end - s->started_s;
    return u;
}

/* Pages. */

static void hold(session *s, int32_t page)
{
    if (s->n_page == s->cap_page) {
        s->cap_page = s->cap_page * 2 + 16;
        s->pages = mem_resize(s->pages, (size_t)s->cap_page, sizeof *s->pages);
    }
    s->pages[s->n_page++] = page;
}

static page_parent parent_of(const session *s, int i_page)
{
    return i_page ? pages_parent(s->engine->pages, s->pages[i_page - 1])
                  : pages_root(s->tenant);
}

/* Give a waiting session its pages: those computed before, and new ones for the
 * rest of its tokens. False when it has to wait, for pages or for another
 * session that is computing what it needs. */
static bool admit(session *s)
{
    engine *e = s->engine;
    int want = (s->n_token + KV_PAGE - 1) / KV_PAGE;
    bool pending = false;

    /* At least one token is left to compute: its logits are needed. */
    while ((s->n_page + 1) * KV_PAGE < s->n_token) {
        int32_t page = pages_find(e->pages, parent_of(s, s->n_page),
                                  s->tokens + s->n_page * KV_PAGE, &pending);

        if (page < 0) break;
        hold(s, page);
    }
    /* A page more for each live session keeps the newcomer from being sent away
     * at once. */
    if (pending || pages_available(e->pages) < want - s->n_page + e->n_live) {
        drop_pages(s);
        return false;
    }
    s->n_kv = s->n_page * KV_PAGE;
    if (!s->first_row_s) {
        s->cached = s->n_kv < s->n_prompt ? s->n_kv : s->n_prompt;
        s->first_row_s = clock_s();
    }
    while (s->n_page < want) {
        int i = s->n_page;

        hold(s, pages_take(e->pages));
        if ((i + 1) * KV_PAGE <= s->n_token)
            pages_name(e->pages, s->pages[i], parent_of(s, i), s->tokens + i * KV_PAGE);
    }
    s->state = SESSION_LIVE;
    e->n_live++;
    return true;
}

static void admit_waiting(engine *e)
{
    for (int i = 0; i < e->n && e->n_live < e->max_live; i++)
        if (e->items[i]->state == SESSION_WAITING) admit(e->items[i]);
}

/* The youngest live session gives its pages back and waits again. */
static session *preempt_youngest(engine *e)
{
    for (int i = e->n - 1; i >= 0; i--) {
        session *s = e->items[i];

        if (s->state != SESSION_LIVE || s->n_row) continue;
        drop_pages(s);
        s->state = SESSION_WAITING;
        e->n_live--;
        return s;
    }
    return NULL;
}

/* Pages for the session's tokens; false when it was preempted itself. */
static bool have_pages(session *s)
{
    engine *e = s->engine;

    while (s->n_page * KV_PAGE < s->n_token) {
        int32_t page = pages_take(e->pages);

        if (page >= 0) hold(s, page);
        else if (preempt_youngest(e) == s) return false;
    }
    return true;
}

/* The pass. */

static void add_rows(engine *e, session *s, int n)
{
    int r = e->n_row;

    memcpy(e->ids + r, s->tokens + s->n_kv, (size_t)n * sizeof *e->ids);
    e->runs[e->n_run] = (attend_run){ s->pages, s->n_kv, n, r };
    e->run_session[e->n_run++] = s;
    s->n_row = n;
    e->n_row += n;
    if (s->n_kv + n < s->n_token) return;
    e->out[e->n_out] = e->n_row - 1;
    e->drawing[e->n_out++] = s;
}

/* Sessions that need one row go first, prompts share what room is left. */
static void fill_pass(engine *e)
{
    e->n_row = e->n_run = e->n_out = 0;
    for (int one = 1; one >= 0; one--)
        for (int i = 0; i < e->n && e->n_row < e->max_row; i++) {
            session *s = e->items[i];
            int left = s->n_token - s->n_kv, room = e->max_row - e->n_row;

            if (s->state != SESSION_LIVE || s->n_row || (left == 1) != one) continue;
            if (!have_pages(s)) continue;
            add_rows(e, s, left < room ? left : room);
        }
}

/* Pages that the pass has filled can be found from now on. */
static void publish_pages(session *s, int from)
{
    for (int i = from / KV_PAGE; (i + 1) * KV_PAGE <= s->n_kv; i++) {
        pages_name(s->engine->pages, s->pages[i], parent_of(s, i), s->tokens + i * KV_PAGE);
        pages_set_ready(s->engine->pages, s->pages[i]);
    }
}

static void draw_item(void *arg, int item, int thread)
{
    engine *e = arg;
    session *s = e->drawing[item];
    sampler_input in = {
        .logits = e->logits + (size_t)item * (size_t)e->n_vocab,
        .options = &s->options,
        .tally = s->tallied ? &s->tally : NULL,
        .allowed = s->masked ? s->mask : e->allowed,
        .banned = s->step.banned,
        .n_banned = s->step.n_banned,
        .forced = -1,
        .stream = s->stream,
        .counter = (uint64_t)(s->n_token - s->n_prompt),
    };

    e->drawn[item].id = -1;
    if (sampler_draw(e->samplers[thread], &in, &e->drawn[item], &s->error) != OK)
        e->drawn[item].id = -1;
}

static void end_cancelled(engine *e)
{
    for (int i = 0; i < e->n; i++) {
        session *s = e->items[i];
        phase_output shown;

        if (!s->cancelled || s->state == SESSION_DONE) continue;
        if (phase_current(s->phase) != PHASE_DONE) {
            phase_end(s->phase, FINISH_CANCELLED, &shown);
            show(s, &shown, -1, false, NULL);
        }
        finish_session(s, FINISH_CANCELLED);
    }
}

/* Give a drawn token to its session. One that the phase machine refuses is
 * drawn again from the same logits, under the bans it asks for. */
static void take_draw(engine *e, int item)
{
    session *s = e->drawing[item];

    do {
        phase_output shown;

        if (e->drawn[item].id < 0) {
            phase_end(s->phase, FINISH_ERROR, &shown);
            show(s, &shown, -1, false, NULL);
            finish_session(s, FINISH_ERROR);
            return;
        }
        accept(s, e->drawn[item].id, false, &e->drawn[item]);
        settle(s);
        if (s->state == SESSION_DONE || s->n_token > s->n_kv) return;
        draw_item(e, item, 0);
    } while (true);
}

bool engine_step(engine *e)
{
    forward_batch batch;

    end_cancelled(e);
    /* Tokens that a fresh session must begin with join its prompt's pass. */
    for (int i = 0; i < e->n; i++)
        if (e->items[i]->state == SESSION_WAITING && !e->items[i]->first_row_s)
            settle(e->items[i]);
    admit_waiting(e);
    fill_pass(e);
    if (!e->n_row) {
        bool waiting = false;

        for (int i = 0; i < e->n; i++) waiting |= e->items[i]->state != SESSION_DONE;
        return waiting;
    }
    batch = (forward_batch){ e->n_row, e->ids, e->n_run, e->runs, e->n_out, e->out };
    e->logits = model_forward(e->model, e->ws, e->kv, e->threads, &batch);
    for (int i = 0; i < e->n_run; i++) {
        session *s = e->run_session[i];
        int from = s->n_kv;

        s->n_kv += s->n_row;
        s->n_row = 0;
        publish_pages(s, from);
    }
    pool_run(e->threads, draw_item, e, e->n_out);
    for (int i = 0; i < e->n_out; i++) take_draw(e, i);
    for (int i = 0; i < e->n; i++)
        if (e->items[i]->state != SESSION_DONE) return true;
    return false;
}
