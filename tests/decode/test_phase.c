/* test_phase.c - the rules of the phase machine, one by one. */
#include "decode/phase.h"

#include <check.h>
#include <string.h>

#include "decode/phase_run.h"

/* ------------------------------------------------------------ native style */

START_TEST(native_thinking_and_answer_are_told_apart)
{
    phase_options o = thinking(100);
    run r = start(true, &o);
    phase_report now;

    say_text(&r, "\n so x=1\n");
    SAY(&r, T_CLOSE, '\n', '\n', 'O', 'K');
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "so x=1\n", "OK", "");
    now = phase_report_now(r.p);
    ck_assert_int_eq(now.n_think, 9);
    ck_assert_int_eq(now.n_marker, 1);
    ck_assert_int_eq(now.n_answer, 4);
    ck_assert_int_eq(now.n_end, 1);
    ck_assert_int_eq(now.closed_by, CLOSE_MODEL);
    ck_assert(!now.starved);
    stop(&r);
}
END_TEST

START_TEST(a_native_opener_starts_thinking_at_the_start_and_again_later)
{
    phase_options o = phase_defaults(100);
    run r = start(true, &o);

    SAY(&r, '\n', T_OPEN, '\n', 'a', T_CLOSE, ' ', 'b', T_OPEN, 'c', T_CLOSE, 'd');
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "ac", "bd", "");
    ck_assert_int_eq(phase_report_now(r.p).n_span, 2);
    ck_assert_int_eq(phase_report_now(r.p).n_marker, 4);
    stop(&r);
}
END_TEST

START_TEST(native_markers_spelt_out_are_prose)
{
    phase_options o = thinking(200);
    run r = start(true, &o);

    o.tools = true;
    say_text(&r, "say </think> or <tool_call>");
    SAY(&r, T_CLOSE_TEXT, T_CLOSE);
    say_text(&r, "<think>x</think>");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "say </think> or <tool_call></think>", "<think>x</think>", "");
    stop(&r);
}
END_TEST

START_TEST(repeated_native_markers_never_show)
{
    phase_options o = thinking(100);
    run r = start(true, &o);

    SAY(&r, T_OPEN, 'a', T_OPEN, 'b', T_CLOSE, T_CLOSE, 'c', T_CLOSE, 'd');
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "ab", "cd", "");
    ck_assert_int_eq(phase_report_now(r.p).n_marker, 5);
    stop(&r);
}
END_TEST

START_TEST(a_budget_is_exact)
{
    for (int native = 0; native < 2; native++) {
        phase_options o = thinking(1000);
        run r;
        phase_report now;

        o.think_budget = 200;
        r = start(native, &o);
        for (int i = 0; i < 200; i++) ck_assert(say(&r, T_WORD + i % 2));
        ck_assert_int_eq(phase_current(r.p), PHASE_THINK);
        settle(&r);
        now = phase_report_now(r.p);
        ck_assert_int_eq(now.phase, PHASE_ANSWER);
        ck_assert_int_eq(now.n_think, 200);
        ck_assert_int_eq(now.n_marker, native ? 1 : 3);
        ck_assert_int_eq(now.n_forced, native ? 1 : 3);
        ck_assert_int_eq(now.closed_by, CLOSE_BUDGET);
        say_text(&r, "yes");
        end_turn(&r, FINISH_STOP);
        ck_assert_str_eq(r.answer.data, "yes");
        ck_assert_ptr_null(strstr(r.reasoning.data, "think"));
        stop(&r);
    }
}
END_TEST

START_TEST(a_budget_of_nothing_closes_before_the_first_token)
{
    phase_options o = thinking(10);
    run r;
    phase_step step;

    o.think_budget = 0;
    r = start(true, &o);
    step = phase_before(r.p);
    ck_assert_int_eq(step.n_forced, 1);
    ck_assert_int_eq(step.forced[0], T_CLOSE);
    step = settle(&r);
    ck_assert(is_banned(&step, T_OPEN));     /* it could only be closed at once */
    say_text(&r, "a");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "", "a", "");
    stop(&r);
}
END_TEST

START_TEST(a_closing_sentence_is_written_and_not_shown)
{
    const phase_spec spec = {
        .n_vocab = N_VOCAB, .bytes = text_of,
        .think_open = { "<think>", T_OPEN }, .think_close = { "</think>", T_CLOSE },
        .force_close = { close_sentence, 2 }, .end = { eos, 1 },
    };
    phase_options o = thinking(100);
    run r = { 0 };

    o.think_budget = 2;
    ck_assert_int_eq(phase_style_new(&r.style, &spec, NULL), OK);
    ck_assert_int_eq(phase_style_close_len(r.style), 2);
    r.p = phase_new(r.style, &o);
    say_text(&r, "abx");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "ab", "x", "");
    ck_assert_str_eq(r.raw.data, "abOut of time.</think>x");
    ck_assert_int_eq(phase_report_now(r.p).n_marker, 2);
    stop(&r);
}
END_TEST

START_TEST(the_budget_counts_all_spans_together)
{
    phase_options o = phase_defaults(100);
    run r;
    phase_step step;

    o.think_budget = 5;
    r = start(true, &o);
    SAY(&r, T_OPEN, 'a', 'b', 'c', T_CLOSE, 'x', T_OPEN, 'd', 'e', 'y');
    check_shown(&r, "abcde", "xy", "");
    step = settle(&r);
    ck_assert(is_banned(&step, T_OPEN));
    ck_assert_int_eq(phase_report_now(r.p).n_think, 5);
    stop(&r);
}
END_TEST

START_TEST(the_answer_keeps_its_reserve)
{
    for (int native = 0; native < 2; native++) {
        phase_options o = thinking(50);
        run r;
        phase_report now;

        o.think_budget = 1000;
        o.answer_reserve = 20;
        r = start(native, &o);
        while (phase_current(r.p) != PHASE_DONE) say(&r, T_WORD);
        now = phase_report_now(r.p);
        ck_assert_int_eq(now.n_answer, 20);
        ck_assert_int_eq(now.n_think, native ? 29 : 27);
        ck_assert_int_eq(now.closed_by, CLOSE_LIMIT);
        ck_assert_int_eq(now.finish, FINISH_LENGTH);
        ck_assert(!now.starved);
        stop(&r);
    }
}
END_TEST

START_TEST(an_answer_without_its_reserve_is_called_starved)
{
    phase_options o = thinking(10);
    run r;

    o.answer_reserve = 0;
    r = start(true, &o);
    for (int i = 0; i < 9; i++) SAY(&r, T_WORD);
    settle(&r);
    ck_assert(phase_report_now(r.p).starved);
    ck_assert_int_eq(phase_report_now(r.p).finish, FINISH_LENGTH);
    ck_assert_int_eq(phase_report_now(r.p).n_think, 9);
    stop(&r);

    /* A call inside thinking runs into the reserve: nothing is cut inside it. */
    o = thinking(20);
    o.answer_reserve = 5;
    o.tools = true;
    r = start(true, &o);
    SAY(&r, 'a', T_TOOL);
    for (int i = 0; i < 15; i++) SAY(&r, 'x');
    SAY(&r, T_TOOL_END, 'y');
    ck_assert_int_eq(phase_current(r.p), PHASE_DONE);
    check_shown(&r, "a", "y", "[xxxxxxxxxxxxxxx]");
    ck_assert(!phase_report_now(r.p).starved);       /* a call was the outcome */
    stop(&r);
}
END_TEST

START_TEST(a_reserve_of_everything_leaves_no_thought)
{
    phase_options o = thinking(5);
    run r;

    o.answer_reserve = 100;
    r = start(true, &o);
    while (phase_current(r.p) != PHASE_DONE) say(&r, 'x');
    check_shown(&r, "", "xxxx", "");
    stop(&r);
}
END_TEST

START_TEST(a_character_is_finished_before_closing)
{
    for (int native = 0; native < 2; native++) {
        phase_options o = thinking(100);
        run r;

        o.think_budget = 3;
        r = start(native, &o);
        SAY(&r, 'a', 'b', T_HALF, T_REST);           /* the euro sign in two tokens */
        settle(&r);
        ck_assert_int_eq(phase_current(r.p), PHASE_ANSWER);
        check_shown(&r, "ab€", "", "");
        ck_assert_int_eq(phase_report_now(r.p).n_think, 4);
        stop(&r);
    }
}
END_TEST

START_TEST(a_character_that_never_ends_is_cut_after_three_tokens)
{
    phase_options o = thinking(100);
    run r;
    phase_step step;

    o.think_budget = 2;
    r = start(true, &o);
    SAY(&r, 'a', 0xF0);
    step = phase_before(r.p);
    ck_assert_int_eq(step.n_forced, 0);
    ck_assert(is_banned(&step, T_EOS) && is_banned(&step, T_CLOSE));
    SAY(&r, T_PAD, T_PAD, T_PAD);                    /* tokens that print nothing */
    step = phase_before(r.p);
    ck_assert_int_eq(step.n_forced, 1);
    ck_assert_int_eq(phase_report_now(r.p).n_think, 5);
    stop(&r);
}
END_TEST

START_TEST(min_thinking_bans_closer_and_end)
{
    phase_options o = thinking(100);
    run r;

    o.think_min = 4;
    r = start(true, &o);
    for (int i = 0; i < 4; i++) {
        phase_step step = settle(&r);

        ck_assert(is_banned(&step, T_CLOSE) && is_banned(&step, T_EOS));
        SAY(&r, 'a');
    }
    ck_assert_int_eq(settle(&r).n_banned, 0);
    SAY(&r, T_CLOSE);
    stop(&r);
}
END_TEST

START_TEST(a_budget_below_the_minimum_wins)
{
    phase_options o = thinking(100);
    run r;

    o.think_min = 50;
    o.think_budget = 2;
    r = start(true, &o);
    say_text(&r, "abc");
    check_shown(&r, "ab", "c", "");
    stop(&r);
}
END_TEST

START_TEST(closing_is_answered_with_wait)
{
    phase_options o = thinking(100);
    run r;
    phase_report now;

    o.max_wait = 2;
    r = start(true, &o);
    SAY(&r, 'a');
    ck_assert(!say(&r, T_CLOSE));                    /* refused, Wait comes instead */
    SAY(&r, 'b');
    ck_assert(!say(&r, T_EOS));                      /* the same for an end of turn */
    SAY(&r, 'c', T_CLOSE, 'd');
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "aWaitbWaitc", "d", "");
    now = phase_report_now(r.p);
    ck_assert_int_eq(now.n_wait, 2);
    ck_assert_int_eq(now.n_refused, 2);
    ck_assert_int_eq(now.n_think, 5);
    ck_assert_int_eq(now.n_forced, 2);
    stop(&r);
}
END_TEST

START_TEST(wait_needs_room_in_the_budget)
{
    phase_options o = thinking(100);
    run r;

    o.max_wait = 5;
    o.think_budget = 4;
    r = start(true, &o);
    SAY(&r, 'a', 'b');
    ck_assert(!say(&r, T_CLOSE));
    SAY(&r, T_CLOSE);                                /* 3 thoughts, a Wait would be 4 */
    check_shown(&r, "abWait", "", "");
    stop(&r);
}
END_TEST

START_TEST(an_end_of_turn_in_thinking_closes_it_and_an_answer_follows)
{
    phase_options o = thinking(100);
    run r = start(true, &o);
    phase_step step;

    SAY(&r, 'a');
    ck_assert(!say(&r, T_EOS));
    step = settle(&r);
    ck_assert_int_eq(phase_current(r.p), PHASE_ANSWER);
    ck_assert(is_banned(&step, T_EOS));              /* the answer is owed */
    SAY(&r, '\n');
    step = settle(&r);
    ck_assert(is_banned(&step, T_EOS));
    SAY(&r, 'b');
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "a", "b", "");
    ck_assert_int_eq(phase_report_now(r.p).closed_by, CLOSE_END);
    ck_assert_int_eq(phase_report_now(r.p).n_refused, 1);
    stop(&r);

    o.end_closes = false;
    r = start(true, &o);
    SAY(&r, 'a');
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "a", "", "");
    stop(&r);
}
END_TEST

START_TEST(thinking_can_be_closed_from_outside)
{
    phase_options o = thinking(100);
    run r;

    o.tools = true;
    o.max_wait = 3;
    r = start(true, &o);
    SAY(&r, 'a', T_TOOL, 'x');
    phase_close_thinking(r.p);
    ck_assert_int_eq(phase_before(r.p).n_forced, 0); /* never inside a call */
    SAY(&r, T_TOOL_END);
    settle(&r);
    ck_assert_int_eq(phase_current(r.p), PHASE_ANSWER);
    ck_assert_int_eq(phase_report_now(r.p).closed_by, CLOSE_CALLER);
    phase_close_thinking(r.p);
    SAY(&r, 'b');
    end_turn(&r, FINISH_TOOL_CALLS);
    check_shown(&r, "a", "b", "[x]");
    stop(&r);
}
END_TEST

/* ------------------------------------------------------------------- tools */

START_TEST(calls_are_handed_over_whole)
{
    for (int native = 0; native < 2; native++) {
        phase_options o = phase_defaults(300);
        run r;
        phase_report now;
        int32_t open = native ? T_TOOL : T_TOOL_TEXT;
        int32_t close = native ? T_TOOL_END : T_TOOL_END_TEXT;

        o.tools = true;
        r = start(native, &o);
        say_text(&r, "hi ");
        SAY(&r, open);
        say_text(&r, "{\"a<b\"}\n");
        ck_assert_str_eq(r.answer.data, "hi ");
        ck_assert_int_eq(r.calls.len, 0);
        SAY(&r, close, '\n', open, '1', close);
        end_turn(&r, FINISH_TOOL_CALLS);
        check_shown(&r, "", "hi ", "[{\"a<b\"}\n][1]");
        now = phase_report_now(r.p);
        ck_assert_int_eq(now.n_call, 2);
        ck_assert_int_eq(now.n_tool, 8 + 1 + 4);
        ck_assert_int_eq(now.n_answer, 4);
        stop(&r);
    }
}
END_TEST

START_TEST(a_native_call_inside_thinking_is_a_call_and_thinking_goes_on)
{
    phase_options o = thinking(100);
    run r;

    o.tools = true;
    r = start(true, &o);
    SAY(&r, 'a', T_TOOL, 'x', T_TOOL_END, 'b', T_CLOSE, 'c');
    end_turn(&r, FINISH_TOOL_CALLS);
    check_shown(&r, "ab", "c", "[x]");
    stop(&r);

    r = start(true, &o);
    SAY(&r, 'a', T_TOOL, 'x', T_TOOL_END);
    end_turn(&r, FINISH_TOOL_CALLS);                 /* no closer is forced */
    check_shown(&r, "a", "", "[x]");
    ck_assert_int_eq(phase_report_now(r.p).n_forced, 0);
    stop(&r);
}
END_TEST

START_TEST(a_spelt_tool_opener_in_thinking_is_prose)
{
    phase_options o = thinking(200);
    run r;

    o.tools = true;
    r = start(false, &o);
    say_text(&r, "I could <tool_call>{}</tool_call> here</think>ok");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "I could <tool_call>{}</tool_call> here", "ok", "");
    stop(&r);
}
END_TEST

START_TEST(the_budget_does_not_cut_a_call)
{
    phase_options o = thinking(100);
    run r;

    o.tools = true;
    o.think_budget = 2;
    r = start(true, &o);
    SAY(&r, 'a', T_TOOL, 'x', 'y', 'z', 'z', T_TOOL_END, 'b');
    settle(&r);
    ck_assert_int_eq(phase_current(r.p), PHASE_ANSWER);
    check_shown(&r, "ab", "", "[xyzz]");
    stop(&r);
}
END_TEST

START_TEST(without_tools_the_markers_are_text)
{
    for (int native = 0; native < 2; native++) {
        phase_options o = phase_defaults(100);
        run r = start(native, &o);

        SAY(&r, native ? T_TOOL : T_TOOL_TEXT, 'x', native ? T_TOOL_END : T_TOOL_END_TEXT);
        end_turn(&r, FINISH_STOP);
        check_shown(&r, "", "<tool_call>x</tool_call>", "");
        stop(&r);
    }
}
END_TEST

START_TEST(a_call_ends_with_the_turn_and_is_cut_by_the_limit)
{
    phase_options o = phase_defaults(5);
    run r;

    o.tools = true;
    r = start(true, &o);
    SAY(&r, T_TOOL, 'x');
    end_turn(&r, FINISH_TOOL_CALLS);
    check_shown(&r, "", "", "[x]");
    stop(&r);

    r = start(true, &o);
    SAY(&r, T_TOOL, 'x', 'x', 'x', 'x');
    ck_assert_int_eq(phase_report_now(r.p).finish, FINISH_LENGTH);
    ck_assert_int_eq(phase_report_now(r.p).n_call, 0);
    check_shown(&r, "", "", "[xxxx!");
    stop(&r);
}
END_TEST

START_TEST(enough_calls_end_the_turn)
{
    for (int native = 0; native < 2; native++) {
        phase_options o = phase_defaults(100);
        run r;

        o.tools = true;
        o.max_calls = 1;
        r = start(native, &o);
        SAY(&r, native ? T_TOOL : T_TOOL_TEXT, 'x', native ? T_TOOL_END : T_TOOL_END_TEXT);
        ck_assert_int_eq(phase_current(r.p), PHASE_DONE);
        ck_assert_int_eq(phase_report_now(r.p).finish, FINISH_TOOL_CALLS);
        check_shown(&r, "", "", "[x]");
        stop(&r);
    }
}
END_TEST

/* -------------------------------------------------------------- byte style */

START_TEST(a_closer_is_found_however_it_is_cut)
{
    static const int32_t cuts[][5] = {
        { T_LT_SLASH, T_THINK, T_GT, '\n', 'A' },
        { T_LT_SLASH, T_THINK, T_GT_NL, '\n', 'A' },
        { T_DOT_LT, T_THINK, T_GT_NL, 'A', 0 },
        { T_CLOSE_TEXT, 'A', 0, 0, 0 },
        { T_CLOSE_NL_A, 0, 0, 0, 0 },
        { '<', T_LT_SLASH, T_THINK, T_GT, 'A' },
    };
    static const char *const thoughts[] = { "x", "x", "x.", "x", "x", "x<" };

    for (int k = 0; k < 6; k++) {
        phase_options o = thinking(100);
        run r = start(false, &o);

        SAY(&r, 'x');
        for (int i = 0; i < 5 && cuts[k][i]; i++) SAY(&r, cuts[k][i]);
        end_turn(&r, FINISH_STOP);
        check_shown(&r, thoughts[k], "A", "");
        stop(&r);
    }
}
END_TEST

START_TEST(a_token_is_counted_where_its_first_byte_stands)
{
    phase_options o = thinking(100);
    run r = start(false, &o);
    phase_report now;

    /* "x", ".</", "think", ">\n", "A": the dot is a thought's. */
    SAY(&r, 'x', T_DOT_LT, T_THINK, T_GT_NL, 'A');
    now = phase_report_now(r.p);
    ck_assert_int_eq(now.n_think, 2);
    ck_assert_int_eq(now.n_marker, 2);
    ck_assert_int_eq(now.n_answer, 1);
    stop(&r);
}
END_TEST

START_TEST(bytes_that_are_no_closer_after_all_come_out)
{
    phase_options o = thinking(100);
    run r = start(false, &o);

    say_text(&r, "a </thi");
    ck_assert_str_eq(r.reasoning.data, "a ");
    say_text(&r, "s");
    ck_assert_str_eq(r.reasoning.data, "a </this");
    say_text(&r, "<");
    ck_assert_str_eq(r.reasoning.data, "a </this");
    say_text(&r, "<");
    ck_assert_str_eq(r.reasoning.data, "a </this<");
    stop(&r);
}
END_TEST

START_TEST(a_spelt_opener_counts_only_at_the_start_of_a_line)
{
    phase_options o = phase_defaults(200);
    run r = start(false, &o);

    say_text(&r, "<think>a</think>use <think> tags\n  <think>b</think>\nc");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "ab", "use <think> tags\n  c", "");
    ck_assert_int_eq(phase_report_now(r.p).n_span, 2);
    stop(&r);
}
END_TEST

START_TEST(a_spelt_closer_is_stripped_only_right_after_another)
{
    phase_options o = thinking(200);
    run r;

    o.think_budget = 1;
    r = start(false, &o);
    say_text(&r, "a\n</think>\n</think>b </think> c");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "a", "b </think> c", "");
    ck_assert_int_eq(phase_report_now(r.p).n_marker, 3 + 8 + 8);
    stop(&r);
}
END_TEST

START_TEST(an_opener_repeated_at_the_start_of_a_thought_is_dropped)
{
    phase_options o = thinking(200);
    run r = start(false, &o);

    say_text(&r, "\n<think>\na <think> b</think>c");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "a <think> b", "c", "");
    stop(&r);
}
END_TEST

START_TEST(a_closer_half_spelt_is_swallowed_by_a_forced_one)
{
    phase_options o = thinking(100);
    run r;

    o.think_budget = 3;
    r = start(false, &o);
    SAY(&r, 'a', T_LT_SLASH, T_THINK);
    say_text(&r, "b");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "a", "b", "");
    ck_assert_int_eq(phase_report_now(r.p).n_think, 3);
    stop(&r);
}
END_TEST

START_TEST(min_thinking_bans_the_tokens_that_would_complete_a_closer)
{
    phase_options o = thinking(100);
    run r;
    phase_step step;

    o.think_min = 20;
    r = start(false, &o);
    step = settle(&r);
    ck_assert(is_banned(&step, T_CLOSE_TEXT) && is_banned(&step, T_CLOSE_NL_A));
    ck_assert(!is_banned(&step, T_GT) && !is_banned(&step, T_THINK));
    SAY(&r, T_LT_SLASH, T_THINK);
    step = settle(&r);
    ck_assert(is_banned(&step, T_GT) && is_banned(&step, T_GT_NL) && is_banned(&step, '>'));
    ck_assert(is_banned(&step, T_EOS));
    SAY(&r, 'x');
    step = settle(&r);
    ck_assert(!is_banned(&step, T_GT));
    check_shown(&r, "</thinkx", "", "");
    stop(&r);
}
END_TEST

START_TEST(a_spelt_closer_is_followed_by_opener_and_wait)
{
    phase_options o = thinking(100);
    run r;

    o.max_wait = 1;
    r = start(false, &o);
    SAY(&r, 'a', T_LT_SLASH, T_THINK, T_GT_NL);
    settle(&r);
    SAY(&r, 'b', T_CLOSE_TEXT, 'c');
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "aWaitb", "c", "");
    ck_assert_str_eq(r.raw.data, "a</think>\n<think>Waitb</think>c");
    stop(&r);
}
END_TEST

START_TEST(in_a_constrained_answer_bytes_are_not_searched)
{
    phase_options o = thinking(100);
    run r;

    o.constrained = o.tools = true;
    r = start(false, &o);
    SAY(&r, 'a', T_CLOSE_TEXT);
    say_text(&r, "\"<");
    ck_assert_str_eq(r.answer.data, "\"<");          /* nothing is held back */
    say_text(&r, "tool_call>\"");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "a", "\"<tool_call>\"", "");
    stop(&r);
}
END_TEST

START_TEST(a_closer_that_brings_text_along_is_banned_before_a_governed_answer)
{
    for (int governed = 0; governed < 2; governed++) {
        phase_options o = thinking(100);
        phase_step step;
        bool banned = false, plain = false;
        run r;

        o.constrained = governed;
        r = start(false, &o);
        say_text(&r, "so");
        step = phase_before(r.p);
        for (int i = 0; i < step.n_banned; i++) {
            banned |= step.banned[i] == T_CLOSE_NL_A;
            plain |= step.banned[i] == T_CLOSE_TEXT || step.banned[i] == T_GT_NL;
        }
        ck_assert_int_eq(banned, governed);
        ck_assert(!plain);
        stop(&r);
    }
}
END_TEST

static bool bit(const uint64_t *mask, int id) { return mask[id / 64] >> (id % 64) & 1; }

START_TEST(of_the_tokens_that_act_a_grammar_is_given_those_that_may)
{
    phase_options o = phase_defaults(100);
    uint64_t mask[(N_VOCAB + 63) / 64];
    run r;

    o.tools = o.constrained = true;
    r = start(true, &o);
    for (int i = 0; i < 4; i++) {
        bool begun = i & 1, complete = i & 2;

        memset(mask, 0xFF, sizeof mask);
        phase_mask(r.p, begun, complete, mask);
        ck_assert(!bit(mask, T_OPEN) && !bit(mask, T_CLOSE) && !bit(mask, T_TOOL_END));
        ck_assert_int_eq(bit(mask, T_EOS), complete);
        ck_assert_int_eq(bit(mask, T_TOOL), !begun);
        ck_assert(bit(mask, 'a') && bit(mask, T_WORD));
    }
    ck_assert(phase_acts(r.p, T_EOS) && phase_acts(r.p, T_TOOL) && !phase_acts(r.p, 'a'));
    SAY(&r, T_TOOL);
    memset(mask, 0xFF, sizeof mask);
    phase_mask(r.p, true, true, mask);
    ck_assert(bit(mask, T_TOOL_END) && !bit(mask, T_EOS) && !bit(mask, T_TOOL));
    stop(&r);
}
END_TEST

START_TEST(what_is_held_at_the_end_comes_out)
{
    phase_options o = phase_defaults(100);
    phase_output out;
    run r;

    o.tools = true;
    r = start(false, &o);
    say_text(&r, "a<tool_");
    ck_assert_str_eq(r.answer.data, "a");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "", "a<tool_", "");
    stop(&r);

    r = start(false, &o);
    say_text(&r, "a<tool_");
    phase_end(r.p, FINISH_CANCELLED, &out);
    collect(&r, &out);
    check_shown(&r, "", "a<tool_", "");
    phase_end(r.p, FINISH_STOP, &out);
    ck_assert_int_eq(out.n, 0);
    ck_assert_int_eq(phase_report_now(r.p).finish, FINISH_CANCELLED);
    check_sums(&r);
    stop(&r);
}
END_TEST

/* ------------------------------------------------------------------- loops */

START_TEST(a_loop_in_thinking_closes_it)
{
    phase_options o = thinking(5000);
    run r;
    int n = 0;

    o.loop_think = 100;
    r = start(true, &o);
    for (; phase_current(r.p) == PHASE_THINK && n < 1000; n++) {
        SAY(&r, 'a' + n % 7);
        settle(&r);
    }
    /* The vocabulary is bytes, so the limit counts four of them as one. */
    ck_assert_int_gt(n, 200);
    ck_assert_int_lt(n, 600);
    ck_assert_int_eq(phase_report_now(r.p).closed_by, CLOSE_LOOP);
    SAY(&r, 'x');
    end_turn(&r, FINISH_STOP);
    stop(&r);
}
END_TEST

START_TEST(a_loop_in_an_answer_or_a_call_ends_it)
{
    for (int call = 0; call < 2; call++) {
        phase_options o = phase_defaults(5000);
        run r;

        o.loop_answer = 100;
        o.tools = true;
        r = start(true, &o);
        if (call) SAY(&r, T_TOOL);
        for (int n = 0; phase_current(r.p) != PHASE_DONE; n++) SAY(&r, 'a' + n % 3);
        ck_assert_int_eq(phase_report_now(r.p).finish, FINISH_REPETITION);
        ck_assert_int_lt(phase_report_now(r.p).n_total, 600);
        stop(&r);

        o.loop_answer = 0;
        o.max_tokens = 1000;
        r = start(true, &o);
        if (call) SAY(&r, T_TOOL);
        for (int n = 0; phase_current(r.p) != PHASE_DONE; n++) SAY(&r, 'a' + n % 3);
        ck_assert_int_eq(phase_report_now(r.p).finish, FINISH_LENGTH);
        stop(&r);
    }
}
END_TEST

/* ------------------------------------------------------------------ checks */

START_TEST(a_prompt_says_where_it_leaves_off)
{
    phase_style *s = make_style(true), *b = make_style(false);

#define FROM(...)                                                                      \
    phase_from_prompt(s, (const int32_t[]){ __VA_ARGS__ },                             \
                      (int)(sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)))
    ck_assert_int_eq(FROM('a', T_OPEN, '\n'), PHASE_THINK);
    ck_assert_int_eq(FROM(T_OPEN, 'x', T_CLOSE, 'y', T_EOS, T_OPEN), PHASE_THINK);
    ck_assert_int_eq(FROM(T_OPEN, '\n', T_CLOSE, '\n'), PHASE_ANSWER);
    ck_assert_int_eq(FROM(T_OPEN, 'x', T_EOS, 'y'), PHASE_ANSWER);
    ck_assert_int_eq(FROM('x'), PHASE_ANSWER);
    ck_assert_int_eq(phase_from_prompt(s, NULL, 0), PHASE_ANSWER);
    ck_assert_int_eq(phase_from_prompt(b, open_text, 1), PHASE_ANSWER);
#undef FROM
    phase_style_free(s);
    phase_style_free(b);
}
END_TEST

START_TEST(every_finish_reason_has_a_name)
{
    for (int r = FINISH_NONE; r <= FINISH_ERROR; r++)
        ck_assert_int_gt(strlen(finish_name((finish_reason)r)), 3);
}
END_TEST

START_TEST(a_style_without_thinking_shows_everything)
{
    const phase_spec spec = { .n_vocab = N_VOCAB, .bytes = text_of, .end = { eos, 1 } };
    phase_options o = phase_defaults(100);
    run r = { 0 };
    errtext err;

    ck_assert_int_eq(phase_style_new(&r.style, &spec, NULL), OK);
    ck_assert(!phase_style_thinks(r.style));
    r.p = phase_new(r.style, &o);
    say_text(&r, "\n <think>x</think>");
    end_turn(&r, FINISH_STOP);
    check_shown(&r, "", "\n <think>x</think>", "");
    o.start = PHASE_THINK;
    ck_assert_int_eq(phase_check(&o, r.style, &err), E_ARG);
    o.start = PHASE_ANSWER;
    o.tools = true;
    ck_assert_int_eq(phase_check(&o, r.style, &err), E_UNSUPPORTED);
    stop(&r);
}
END_TEST

START_TEST(options_out_of_range_are_named)
{
    phase_style *s = make_style(true);
    errtext err;

#define REFUSE(field, value, why)                                                      \
    do {                                                                               \
        phase_options o = phase_defaults(10);                                          \
        ck_assert_int_eq(phase_check(&o, s, &err), OK);                                \
        o.field = value;                                                               \
        ck_assert_int_eq(phase_check(&o, s, &err), E_ARG);                             \
        ck_assert_ptr_nonnull(strstr(err.text, why));                                  \
    } while (0)
    REFUSE(max_tokens, 0, "max_tokens is 0; it must be at least 1");
    REFUSE(max_tokens, -1, "max_tokens");
    REFUSE(think_budget, -2, "think_budget");
    REFUSE(think_min, -1, "think_min");
    REFUSE(answer_reserve, -1, "answer_reserve");
    REFUSE(max_wait, -1, "max_wait");
    REFUSE(max_calls, -1, "max_calls");
    REFUSE(loop_think, -1, "loop_think");
    REFUSE(loop_answer, -1, "loop_answer");
    REFUSE(start, PHASE_TOOL, "phase 2");
#undef REFUSE
    phase_style_free(s);
}
END_TEST

START_TEST(styles_that_contradict_themselves_are_refused)
{
    static const int32_t many[PHASE_MAX_IDS + 1] = { 0 }, high[1] = { N_VOCAB };
    const phase_spec good = {
        .n_vocab = N_VOCAB, .bytes = text_of, .think_open = { "<think>", T_OPEN },
        .think_close = { "</think>", T_CLOSE }, .end = { eos, 1 },
    };
    phase_style *s;
    errtext err;

#define REFUSE(change, why)                                                            \
    do {                                                                               \
        phase_spec spec = good;                                                        \
        change;                                                                        \
        ck_assert_int_eq(phase_style_new(&s, &spec, &err), E_ARG);                     \
        ck_assert_ptr_null(s);                                                         \
        ck_assert_msg(strstr(err.text, why) != NULL, "%s", err.text);                  \
    } while (0)
    REFUSE(spec.think_open.text = NULL, "think_open and think_close go together");
    REFUSE(spec.think_close.text = NULL, "go together");
    REFUSE(spec.think_close.text = "", "think_close has 0 bytes");
    REFUSE(spec.think_close.id = N_VOCAB, "think_close is token");
    REFUSE(spec.think_close.id = -1, "force_close is empty");
    REFUSE(spec.tool_close.text = "x", "tool_close without tool_open");
    REFUSE((spec.wait = (id_list){ many, PHASE_MAX_IDS + 1 }), "wait has 65 tokens");
    REFUSE((spec.end = (id_list){ high, 1 }), "end names token");
    REFUSE((spec.think_close.id = spec.think_open.id = -1,
            spec.force_close = (id_list){ close_pieces, 3 },
            spec.wait = (id_list){ wait_ids, 1 }), "force_open is empty");
    REFUSE(spec.n_vocab = 0, "n_vocab");
#undef REFUSE
    ck_assert_int_eq(phase_style_new(&s, &good, &err), OK);
    phase_style_free(s);
    phase_style_free(NULL);
    phase_free(NULL);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        native_thinking_and_answer_are_told_apart,
        a_native_opener_starts_thinking_at_the_start_and_again_later,
        native_markers_spelt_out_are_prose, repeated_native_markers_never_show,
        a_budget_is_exact, a_budget_of_nothing_closes_before_the_first_token,
        a_closing_sentence_is_written_and_not_shown, the_budget_counts_all_spans_together,
        the_answer_keeps_its_reserve, an_answer_without_its_reserve_is_called_starved,
        a_reserve_of_everything_leaves_no_thought, a_character_is_finished_before_closing,
        a_character_that_never_ends_is_cut_after_three_tokens,
        min_thinking_bans_closer_and_end, a_budget_below_the_minimum_wins,
        closing_is_answered_with_wait, wait_needs_room_in_the_budget,
        an_end_of_turn_in_thinking_closes_it_and_an_answer_follows,
        thinking_can_be_closed_from_outside, calls_are_handed_over_whole,
        a_native_call_inside_thinking_is_a_call_and_thinking_goes_on,
        a_spelt_tool_opener_in_thinking_is_prose, the_budget_does_not_cut_a_call,
        without_tools_the_markers_are_text,
        a_call_ends_with_the_turn_and_is_cut_by_the_limit, enough_calls_end_the_turn,
        a_closer_is_found_however_it_is_cut,
        a_token_is_counted_where_its_first_byte_stands,
        bytes_that_are_no_closer_after_all_come_out,
        a_spelt_opener_counts_only_at_the_start_of_a_line,
        a_spelt_closer_is_stripped_only_right_after_another,
        an_opener_repeated_at_the_start_of_a_thought_is_dropped,
        a_closer_half_spelt_is_swallowed_by_a_forced_one,
        min_thinking_bans_the_tokens_that_would_complete_a_closer,
        a_spelt_closer_is_followed_by_opener_and_wait,
        in_a_constrained_answer_bytes_are_not_searched,
        a_closer_that_brings_text_along_is_banned_before_a_governed_answer,
        of_the_tokens_that_act_a_grammar_is_given_those_that_may, what_is_held_at_the_end_comes_out,
        a_loop_in_thinking_closes_it, a_loop_in_an_answer_or_a_call_ends_it,
        a_prompt_says_where_it_leaves_off, every_finish_reason_has_a_name,
        a_style_without_thinking_shows_everything,
        options_out_of_range_are_named, styles_that_contradict_themselves_are_refused,
    };
    Suite *suite = suite_create("phase");
    TCase *tc = tcase_create("phase");
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
