/* test_phase_random.c - the phase machine over random sequences. */
#include "decode/phase.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "decode/phase_run.h"

static uint64_t random_seed, random_at;

static int pick(int n)
{
    return (int)(rng_u64(random_seed, 1, random_at++) % (uint64_t)n);
}

/* Tokens that make markers, halves of markers and halves of characters likely. */
static int32_t random_token(bool native)
{
    static const int32_t spelt[] = { T_LT_SLASH, T_THINK, T_GT, T_GT_NL, T_DOT_LT,
                                     T_CLOSE_TEXT, T_OPEN_TEXT, T_CLOSE_NL_A, T_TOOL_TEXT,
                                     T_TOOL_END_TEXT, '<', '/', '>', '\n', ' ' };
    static const int32_t special[] = { T_OPEN, T_CLOSE, T_TOOL, T_TOOL_END };
    static const int32_t plain[] = { 'a', 'b', T_WORD, T_MORE, T_HALF, T_REST, 0xF0, 0x9F,
                                     0xC3, 0xA9, T_PAD };
    int kind = pick(100);

    if (random_seed % 5 == 0 && kind >= 2) return 'a';          /* a loop */
    if (kind < 3) return T_EOS;
    if (kind < 20 && native) return special[pick(4)];
    if (kind < 50) return spelt[pick(15)];
    return plain[pick(11)];
}

static phase_options random_options(void)
{
    phase_options o = phase_defaults(1 + pick(120));

    if (pick(2)) o.start = PHASE_THINK;
    if (pick(2)) o.think_budget = pick(40);
    if (pick(3) == 0) o.think_min = pick(30);
    if (pick(2)) o.answer_reserve = pick(30);
    if (pick(3) == 0) o.max_wait = pick(4);
    o.end_closes = pick(4) != 0;
    o.tools = pick(2);
    if (pick(4) == 0) o.max_calls = 1 + pick(3);
    o.constrained = pick(4) == 0;
    if (pick(3) == 0) o.loop_think = 2 + pick(10);
    if (pick(3) == 0) o.loop_answer = 2 + pick(20);
    return o;
}

/* One random sequence under the rules that hold for every one of them. */
static void check_sequence(bool native)
{
    phase_options o = random_options();
    run r = start(native, &o);
    int n_refused_in_row = 0, n_inside = 0;
    phase_report now;

    while (phase_current(r.p) != PHASE_DONE) {
        phase_step step = phase_before(r.p), again = phase_before(r.p);
        size_t tail = utf8_incomplete_tail(r.raw.data ? r.raw.data : "", r.raw.len);
        phase_kind was = phase_current(r.p);
        int32_t id = random_token(native);

        ck_assert_int_eq(step.n_forced, again.n_forced);
        ck_assert_int_eq(step.n_banned, again.n_banned);
        if (step.n_forced) {
            ck_assert_int_eq(was, PHASE_THINK);      /* never inside a call */
            id = step.forced[0];
            if (!phase_report_now(r.p).n_forced || id != T_WAIT)
                ck_assert(tail == 0 || n_inside >= 3 || r.n_forced > 0);
            ck_assert(accept(&r, id, true));
            n_refused_in_row = 0;
            continue;
        }
        n_inside = tail && was == PHASE_THINK ? n_inside + 1 : 0;
        if (is_banned(&step, id)) continue;
        if (accept(&r, id, false)) {
            n_refused_in_row = 0;
        } else {
            ck_assert(id == T_EOS || id == T_CLOSE);
            ck_assert_int_le(++n_refused_in_row, 4);
        }
        if (was == PHASE_THINK && phase_current(r.p) == PHASE_ANSWER)
            ck_assert_int_ge(phase_report_now(r.p).n_think, o.think_min);
    }
    now = phase_report_now(r.p);
    ck_assert_int_le(now.n_total, o.max_tokens);
    if (o.think_budget >= 0) ck_assert_int_le(now.n_think, o.think_budget + 3 * now.n_span);
    if (now.finish == FINISH_LENGTH) ck_assert_int_eq(now.n_total, o.max_tokens);
    ck_assert(now.finish != FINISH_NONE);
    ck_assert(o.tools || (r.calls.len == 0 && now.n_tool == 0));
    if (!native && r.reasoning.data && now.n_span == 1)
        ck_assert_ptr_null(strstr(r.reasoning.data, "</think>"));
    if (!native && r.answer.data && o.start == PHASE_THINK && !o.tools && !o.constrained)
        ck_assert(strncmp(r.answer.data, "</think>", 8) != 0);
    stop(&r);
}

START_TEST(random_native_sequences_keep_every_rule)
{
    for (random_seed = 1; random_seed <= 12000; random_seed++) {
        random_at = 0;
        check_sequence(true);
    }
}
END_TEST

START_TEST(random_spelt_sequences_keep_every_rule)
{
    for (random_seed = 1; random_seed <= 12000; random_seed++) {
        random_at = 0;
        check_sequence(false);
    }
}
END_TEST

/* The byte style's rules over a whole text, position by position. */
typedef struct parse {
    bytes reasoning;
    bytes answer;
    bytes calls;
} parse;

static bool blank(const char *from, const char *to)
{
    for (; from < to; from++)
        if (!strchr(" \n\t\r", *from)) return false;
    return true;
}

static bool at_line_start(const char *span, const char *at)
{
    while (at > span && strchr(" \t\r", at[-1])) at--;
    return at == span || at[-1] == '\n';
}

static void show(bytes *out, const char *span, const char *from, const char *to, bool trim)
{
    for (; from < to; from++)
        if (!trim || !blank(span, from + 1)) bytes_add_char(out, *from);
}

static const char *parse_call(parse *p, const char *at)
{
    const char *end = strstr(at, "</tool_call>");

    bytes_add_char(&p->calls, '[');
    bytes_add(&p->calls, at, end ? (size_t)(end - at) : strlen(at));
    bytes_add_char(&p->calls, ']');
    return end ? end + 12 : at + strlen(at);
}

static parse parse_text(const char *text, bool thinks, bool tools)
{
    parse p = { 0 };
    const char *at = text, *span = text;
    bool after_close = false, hard = false;

    while (*at) {
        if (thinks) {
            if (!strncmp(at, "</think>", 8)) {
                thinks = false;
                after_close = true;
                hard = false;
                span = at += 8;
            } else if (!strncmp(at, "<think>", 7) && blank(span, at)) {
                span = at += 7;
            } else {
                show(&p.reasoning, span, at, at + 1, true);
                at++;
            }
        } else if (!strncmp(at, "<think>", 7) && at_line_start(span, at)) {
            thinks = true;
            span = at += 7;
        } else if (!strncmp(at, "</think>", 8) && after_close && !hard && blank(span, at)) {
            span = at += 8;
        } else if (tools && !strncmp(at, "<tool_call>", 11)) {
            span = at = parse_call(&p, at + 11);
            hard = true;                             /* a call is text enough */
        } else {
            show(&p.answer, span, at, at + 1, true);
            at++;
        }
    }
    return p;
}

START_TEST(spelt_sequences_show_what_a_parser_of_the_whole_text_finds)
{
    for (random_seed = 1; random_seed <= 12000; random_seed++) {
        phase_options o = phase_defaults(100000);
        run r;
        parse want;
        int n = 0;

        random_at = 0;
        o.loop_think = o.loop_answer = 0;
        o.tools = pick(2);
        o.start = pick(2) ? PHASE_THINK : PHASE_ANSWER;
        r = start(false, &o);
        for (n = pick(60); n > 0; n--) {
            int32_t id = random_token(false);

            if (id != T_EOS) ck_assert(say(&r, id));
        }
        {
            phase_output out;

            phase_end(r.p, FINISH_STOP, &out);
            collect(&r, &out);
        }
        for (size_t i = 0; i < r.calls.len; i++)
            if (r.calls.data[i] == '!') r.calls.data[i] = ']';
        want = parse_text(r.raw.data ? r.raw.data : "", o.start == PHASE_THINK, o.tools);
        check_shown(&r, want.reasoning.data ? want.reasoning.data : "",
                    want.answer.data ? want.answer.data : "",
                    want.calls.data ? want.calls.data : "");
        bytes_fini(&want.reasoning);
        bytes_fini(&want.answer);
        bytes_fini(&want.calls);
        stop(&r);
    }
}
END_TEST

START_TEST(a_copy_goes_on_exactly_as_the_original)
{
    for (random_seed = 1; random_seed <= 1500; random_seed++) {
        phase_options o;
        run a, b;
        bool native;
        int n;

        random_at = 0;
        native = pick(2);
        o = random_options();
        a = start(native, &o);
        for (n = pick(40); n > 0 && phase_current(a.p) != PHASE_DONE; n--) {
            phase_step step = settle(&a);
            int32_t id = random_token(native);

            if (phase_current(a.p) != PHASE_DONE && !is_banned(&step, id))
                accept(&a, id, false);
        }
        b = (run){ .p = phase_copy(a.p), .n_accepted = a.n_accepted,
                   .n_forced = a.n_forced };
        bytes_clear(&a.reasoning);
        bytes_clear(&a.answer);
        bytes_clear(&a.calls);
        while (phase_current(a.p) != PHASE_DONE) {
            phase_step s = phase_before(a.p), t = phase_before(b.p);
            int32_t id = s.n_forced ? s.forced[0] : random_token(native);

            ck_assert_int_eq(s.n_forced, t.n_forced);
            ck_assert_int_eq(s.n_banned, t.n_banned);
            if (!s.n_forced && is_banned(&s, id)) continue;
            ck_assert_int_eq(accept(&a, id, s.n_forced), accept(&b, id, s.n_forced));
        }
        ck_assert_int_eq(phase_current(b.p), PHASE_DONE);
        check_shown(&b, a.reasoning.data ? a.reasoning.data : "",
                    a.answer.data ? a.answer.data : "", a.calls.data ? a.calls.data : "");
        stop(&b);
        stop(&a);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        random_native_sequences_keep_every_rule,
        random_spelt_sequences_keep_every_rule,
        spelt_sequences_show_what_a_parser_of_the_whole_text_finds,
        a_copy_goes_on_exactly_as_the_original,
    };
    Suite *suite = suite_create("phase_random");
    TCase *tc = tcase_create("phase_random");
    SRunner *sr = srunner_create(suite);
    int n_failed;

    tcase_set_timeout(tc, 180);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    srunner_run_all(sr, CK_NORMAL);
    n_failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return n_failed;
}
