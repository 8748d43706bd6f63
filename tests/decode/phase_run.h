/* phase_run.h - a small vocabulary and a sequence that records what it shows,
 * for the tests of the phase machine. */
#ifndef TESTS_DECODE_PHASE_RUN_H
#define TESTS_DECODE_PHASE_RUN_H

#include <check.h>
#include <string.h>

#include "base/bytes.h"
#include "decode/phase.h"

/* A vocabulary of all single bytes and these. */
enum {
    T_OPEN = 256, T_CLOSE, T_TOOL, T_TOOL_END, T_EOS, T_PAD,
    T_LT_SLASH, T_THINK, T_GT, T_GT_NL, T_DOT_LT, T_CLOSE_TEXT, T_OPEN_TEXT, T_CLOSE_NL_A,
    T_TOOL_TEXT, T_TOOL_END_TEXT, T_WAIT, T_WORD, T_MORE, T_SENTENCE, T_HALF, T_REST,
    N_VOCAB
};

static const char *const words[N_VOCAB - 256] = {
    "<think>", "</think>", "<tool_call>", "</tool_call>", "", "",
    "</", "think", ">", ">\n", ".</", "</think>", "<think>", "</think>\n\nA",
    "<tool_call>", "</tool_call>", "Wait", " word", " more", "Out of time.",
    "\xE2\x82", "\xAC",
};

static inline token_text text_of(const void *arg, int32_t id)
{
    static char single[256];

    (void)arg;
    if (id >= 256) return (token_text){ words[id - 256], strlen(words[id - 256]) };
    single[id] = (char)id;
    return (token_text){ &single[id], 1 };
}

static const int32_t eos[1] = { T_EOS };
static const int32_t wait_ids[1] = { T_WAIT };
static const int32_t open_text[1] = { T_OPEN_TEXT };
static const int32_t close_pieces[3] = { T_LT_SLASH, T_THINK, T_GT_NL };
static const int32_t close_sentence[2] = { T_SENTENCE, T_CLOSE };

static inline phase_style *make_style(bool native)
{
    const phase_spec spec = {
        .n_vocab = N_VOCAB, .bytes = text_of,
        .think_open = { "<think>", native ? T_OPEN : -1 },
        .think_close = { "</think>", native ? T_CLOSE : -1 },
        .tool_open = { "<tool_call>", native ? T_TOOL : -1 },
        .tool_close = { "</tool_call>", native ? T_TOOL_END : -1 },
        .force_close = { native ? NULL : close_pieces, native ? 0 : 3 },
        .force_open = { native ? NULL : open_text, native ? 0 : 1 },
        .wait = { wait_ids, 1 },
        .end = { eos, 1 },
    };
    phase_style *s;
    errtext err;

    ck_assert_msg(phase_style_new(&s, &spec, &err) == OK, "%s", err.text);
    return s;
}

/* A sequence under test, with all it has shown. */
typedef struct run {
    phase_style *style;
    phase *p;
    bytes reasoning;
    bytes answer;
    bytes calls;             /* each as "[...]", or "[...!" when incomplete */
    bytes raw;               /* every byte of the sequence, markers too */
    int n_accepted;
    int n_forced;
} run;

static inline run start(bool native, const phase_options *o)
{
    run r = { .style = make_style(native) };
    errtext err;

    ck_assert_msg(phase_check(o, r.style, &err) == OK, "%s", err.text);
    r.p = phase_new(r.style, o);
    return r;
}

static inline void stop(run *r)
{
    phase_free(r->p);
    phase_style_free(r->style);
    bytes_fini(&r->reasoning);
    bytes_fini(&r->answer);
    bytes_fini(&r->calls);
    bytes_fini(&r->raw);
}

static inline void collect(run *r, const phase_output *out)
{
    for (int i = 0; i < out->n; i++) {
        const phase_piece *piece = &out->pieces[i];

        if (piece->channel == CHANNEL_REASONING)
            bytes_add(&r->reasoning, piece->data, piece->len);
        if (piece->channel == CHANNEL_ANSWER)
            bytes_add(&r->answer, piece->data, piece->len);
        if (piece->channel == CHANNEL_TOOL) {
            bytes_add_char(&r->calls, '[');
            bytes_add(&r->calls, piece->data, piece->len);
            bytes_add_char(&r->calls, piece->complete ? ']' : '!');
        }
    }
}

static inline void check_sums(const run *r)
{
    phase_report now = phase_report_now(r->p);

    ck_assert_int_eq(now.n_total, r->n_accepted);
    ck_assert_int_eq(now.n_total, now.n_think + now.n_marker + now.n_answer + now.n_tool +
                                      now.n_end);
    ck_assert_int_eq(now.n_forced, r->n_forced);
}

static inline bool accept(run *r, int32_t id, bool forced)
{
    token_text text = text_of(NULL, id);
    phase_output out;
    bool taken = phase_accept(r->p, id, text, &out);

    collect(r, &out);
    if (taken) {
        bytes_add(&r->raw, text.data, text.len);
        r->n_accepted++;
        r->n_forced += forced;
    } else {
        ck_assert_int_eq(out.n, 0);
    }
    check_sums(r);
    return taken;
}

/* Take whatever is forced now; returns the step after it. */
static inline phase_step settle(run *r)
{
    phase_step step = { 0 };

    while (phase_current(r->p) != PHASE_DONE) {
        step = phase_before(r->p);
        if (!step.n_forced) break;
        ck_assert(accept(r, step.forced[0], true));
    }
    return step;
}

static inline bool is_banned(const phase_step *step, int32_t id)
{
    for (int i = 0; i < step->n_banned; i++)
        if (step->banned[i] == id) return true;
    return false;
}

/* The model says id; false when it was refused. */
static inline bool say(run *r, int32_t id)
{
    phase_step step = settle(r);

    ck_assert(phase_current(r->p) != PHASE_DONE);
    ck_assert_msg(!is_banned(&step, id), "token %d is banned", (int)id);
    return accept(r, id, false);
}

static inline void say_all(run *r, const int32_t *ids, int n)
{
    for (int i = 0; i < n; i++) ck_assert(say(r, ids[i]));
}

static inline void say_text(run *r, const char *text)
{
    for (; *text; text++) ck_assert(say(r, (uint8_t)*text));
}

#define SAY(r, ...)                                                                    \
    say_all(r, (const int32_t[]){ __VA_ARGS__ },                                       \
            (int)(sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)))

static inline void check_shown(const run *r, const char *reasoning, const char *answer,
                        const char *calls)
{
    ck_assert_str_eq(r->reasoning.data ? r->reasoning.data : "", reasoning);
    ck_assert_str_eq(r->answer.data ? r->answer.data : "", answer);
    ck_assert_str_eq(r->calls.data ? r->calls.data : "", calls);
}

static inline void end_turn(run *r, finish_reason want)
{
    ck_assert(say(r, T_EOS));
    ck_assert_int_eq(phase_current(r->p), PHASE_DONE);
    ck_assert_int_eq(phase_report_now(r->p).finish, want);
}

static inline phase_options thinking(int max_tokens)
{
    phase_options o = phase_defaults(max_tokens);

    o.start = PHASE_THINK;
    return o;
}

#endif
