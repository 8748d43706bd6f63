/* test_cli.c - the door to all subcommands, and ponder ask: what goes in, what
 * comes out on which stream, with which exit code. */
#include "support/program.h"

/* ------------------------------------------------------------------ the door */

START_TEST(help_is_everywhere)
{
    static const char *const subs[] = { "ask", "chat", "models", "pull", "inspect", "convert",
                                        "bench" };

    ck_assert_int_eq(sh("$P --help"), EXIT_FINE);
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) CHECK_SAYS(&out, subs[i]);
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) {
        char want[64];

        snprintf(want, sizeof want, "usage: ponder %s", subs[i]);
        ck_assert_int_eq(sh("$P %s --help", subs[i]), EXIT_FINE);
        ck_assert_ptr_eq(strstr(out.data, want), out.data);
        ck_assert_uint_eq(err_out.len, 0);
        ck_assert_int_eq(sh("$P help %s", subs[i]), EXIT_FINE);
        ck_assert_ptr_eq(strstr(out.data, want), out.data);
    }
    ck_assert_int_eq(sh("$P --version"), EXIT_FINE);
    ck_assert_str_eq(out.data, "ponder " PONDER_VERSION "\n");
}
END_TEST

START_TEST(an_unknown_command_gets_a_suggestion)
{
    ck_assert_int_eq(sh("$P aks what"), EXIT_USAGE);
    ck_assert_str_eq(err_out.data,
                     "ponder: unknown command aks; did you mean ask? (see ponder --help)\n");
    ck_assert_int_eq(sh("$P xyzzy"), EXIT_USAGE);
    ck_assert(!says(&err_out, "did you mean"));
    ck_assert_int_eq(n_lines(&err_out), 1);
    ck_assert_int_eq(sh("$P help aks"), EXIT_USAGE);
    ck_assert_int_eq(sh("$P"), EXIT_USAGE);
    CHECK_SAYS(&err_out, "usage:");
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* ---------------------------------------------------------------------- ask */

START_TEST(the_answer_stands_alone_on_stdout)
{
    ck_assert_int_eq(sh("$P ask -m $MODEL What is it?"), EXIT_FINE);
    ck_assert_str_eq(out.data, "The answer is 7.\n");
    CHECK_SAYS(&err_out, "Let me see.");
    CHECK_SAYS(&err_out, "tokens/s");
    CHECK_SAYS(&err_out, "prompt (0 cached)");
    ck_assert(!says(&err_out, "The answer"));
    ck_assert(!strchr(err_out.data, '\033') && !strchr(err_out.data, '\r'));
}
END_TEST

START_TEST(thinking_is_shown_folded_or_hidden)
{
    ck_assert_int_eq(sh("$P ask -m $MODEL --show-thinking q"), EXIT_FINE);
    CHECK_SAYS(&err_out, "--- thinking ---\nLet me see.\n--- answer ---\n");
    ck_assert_int_eq(sh("$P ask -m $MODEL --fold q"), EXIT_FINE);
    ck_assert(!says(&err_out, "Let me see."));
    CHECK_SAYS(&err_out, "thought for 2 tokens\n");
    ck_assert_int_eq(sh("$P ask -m $MODEL --hide-thinking q"), EXIT_FINE);
    ck_assert(!says(&err_out, "Let me see.") && !says(&err_out, "thought"));
    ck_assert_str_eq(out.data, "The answer is 7.\n");
}
END_TEST

START_TEST(json_is_one_object_with_all_figures)
{
    static const char *const reals[] = { "load_s", "first_token_s", "total_s", "tokens_per_s" };
    json_t *o;

    ck_assert_int_eq(sh("$P ask -m $MODEL --json --seed 77 What is it?"), EXIT_FINE);
    ck_assert_uint_eq(err_out.len, 0);
    o = json_of_out();
    ck_assert_str_eq(string(o, "model"), "parrot");
    ck_assert_str_eq(string(o, "path"), getenv("MODEL"));
    ck_assert_str_eq(string(o, "answer"), "The answer is 7.");
    ck_assert_str_eq(string(o, "reasoning"), "Let me see.");
    ck_assert_str_eq(string(o, "final"), "7");
    ck_assert_str_eq(string(o, "finish"), "stop");
    ck_assert_int_eq(number(o, "reasoning_tokens"), 2);
    ck_assert_int_eq(number(o, "answer_tokens"), 3);
    ck_assert_int_eq(number(o, "completion_tokens"), 5);
    ck_assert_int_eq(number(o, "cached_tokens"), 0);
    ck_assert_int_gt(number(o, "prompt_tokens"), 50);
    ck_assert_int_eq(json_integer_value(json_object_get(o, "seed")), 77);
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        const json_t *v = json_object_get(o, reals[i]);

        ck_assert_msg(json_is_real(v) && json_real_value(v) >= 0, "%s", reals[i]);
    }
    ck_assert(json_real_value(json_object_get(o, "first_token_s")) >=
              json_real_value(json_object_get(o, "load_s")));
    ck_assert(json_real_value(json_object_get(o, "total_s")) >=
              json_real_value(json_object_get(o, "first_token_s")));
    ck_assert_uint_eq(json_array_size(json_object_get(o, "samples")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "votes")), 1);
    json_decref(o);
}
END_TEST

START_TEST(effort_and_budget_reach_the_model)
{
    json_t *o;

    /* With thinking off nothing opens a thought, and a closer is just text. */
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --effort none q"), EXIT_FINE);
    o = json_of_out();
    ck_assert_int_eq(number(o, "reasoning_tokens"), 0);
    CHECK_SAYS(&out, "Let me see.");
    json_decref(o);
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --budget 0 q"), EXIT_FINE);
    o = json_of_out();
    ck_assert_int_eq(number(o, "reasoning_tokens"), 0);
    json_decref(o);
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --wait 2 --effort low q"), EXIT_FINE);
    o = json_of_out();
    ck_assert_str_eq(string(o, "reasoning"), "Let me see.WaitLet me see.WaitLet me see.");
    ck_assert_str_eq(string(o, "answer"), "The answer is 7.");
    json_decref(o);
}
END_TEST

START_TEST(endless_thinking_ends_at_the_budget)
{
    enum { N = 200 };
    static char text[N][8];
    static parrot_word words[N];
    json_t *o;
    int n;

    for (int i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "w%d ", i);
        words[i] = (parrot_word){ text[i], PARROT_ANY };
    }
    parrot_write(in_home("parrot.gguf"), CHATML, 2048, words, N);
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --budget 200 --max-tokens 400 q"), EXIT_FINE);
    o = json_of_out();
    n = number(o, "reasoning_tokens");
    ck_assert_int_ge(n, 201);                /* and the tokens of the closer */
    ck_assert_int_le(n, 200 + (int)strlen("\n</think>\n\n"));
    ck_assert_int_eq(number(o, "completion_tokens"), 400);
    ck_assert_int_gt(strlen(string(o, "answer")), 100);
    ck_assert_str_eq(string(o, "finish"), "length");
    ck_assert(json_is_null(json_object_get(o, "final")));
    json_decref(o);
    ck_assert_int_eq(sh("$P ask -m $MODEL --budget 200 --max-tokens 400 q"), EXIT_FINE);
    CHECK_SAYS(&err_out, "; cut off at the limit\n");
}
END_TEST

START_TEST(files_stand_apart_in_the_prompt)
{
    const int frame = (int)strlen("--- file:  ---\n") + (int)strlen("\n--- end of file ---\n\n");
    int bare = prompt_tokens("$P ask -m $MODEL --json q"), more;
    char line[256];

    write_file("notes.txt", "0123456789");
    snprintf(line, sizeof line, "$P ask -m $MODEL --json -f %s q", in_home("notes.txt"));
    more = bare + frame + (int)strlen(in_home("notes.txt")) + 10;
    ck_assert_int_eq(prompt_tokens(line), more);
    snprintf(line, sizeof line, "$P ask q -m $MODEL --json --file=%s -f%s", in_home("notes.txt"),
             in_home("notes.txt"));
    ck_assert_int_eq(prompt_tokens(line), 2 * more - bare);

    more = bare + frame + (int)strlen("standard input") + 10;
    ck_assert_int_eq(prompt_tokens("printf 0123456789 | $P ask -m $MODEL --json q"), more);
    ck_assert_int_eq(prompt_tokens("printf 0123456789 | $P ask -m $MODEL --json -f - q"), more);
    snprintf(line, sizeof line, "$P ask -m $MODEL --json q <%s", in_home("notes.txt"));
    ck_assert_int_eq(prompt_tokens(line), more);
    /* Whole, and with whatever bytes it holds. */
    ck_assert_int_eq(prompt_tokens("printf '\\0\\377<|im_end|>' | $P ask -m $MODEL --json q"),
                     more - 10 + 12);
}
END_TEST

START_TEST(stdin_is_the_question_where_none_is_given)
{
    int given = prompt_tokens("$P ask -m $MODEL --json What is it?");

    ck_assert_int_eq(prompt_tokens("echo What is it? | $P ask -m $MODEL --json"), given);
    ck_assert_int_eq(prompt_tokens("printf 'What is it?' | $P ask -m $MODEL --json"), given);
    ck_assert_int_eq(prompt_tokens("$P ask -m $MODEL --json -- What is 'it?'"), given);
    ck_assert_int_eq(sh("$P ask -m $MODEL"), EXIT_USAGE);
    CHECK_SAYS(&err_out, "no question");
    ck_assert_int_eq(sh("echo | $P ask -m $MODEL"), EXIT_USAGE);
}
END_TEST

START_TEST(a_pipe_nobody_writes_to_does_not_block_a_question)
{
    int ends[2], code;
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        if (!freopen(in_home("out"), "w", stdout) || !freopen(in_home("err"), "w", stderr) ||
            dup2(ends[0], STDIN_FILENO) < 0)
            _exit(99);
        alarm(60);                           /* kept across exec */
        execl(ponder, "ponder", "ask", "-m", getenv("MODEL"), "q", NULL);
        _exit(99);
    }
    ck_assert_int_eq(waitpid(child, &code, 0), child);
    close(ends[0]);
    close(ends[1]);
    ck_assert(WIFEXITED(code) && WEXITSTATUS(code) == EXIT_FINE);
    read_outputs();
    ck_assert_str_eq(out.data, "The answer is 7.\n");
    CHECK_SAYS(&err_out, "silent");
}
END_TEST

START_TEST(a_system_prompt_and_stop_strings_are_heard)
{
    int bare = prompt_tokens("$P ask -m $MODEL --json --effort none q");
    int more = prompt_tokens("$P ask -m $MODEL --json --effort none --system 0123456789 q");

    ck_assert_int_eq(more - bare, 2 + (int)strlen("system\n" "0123456789" "\n"));
    ck_assert_int_eq(sh("$P ask -m $MODEL --stop ' is' --stop zzz q"), EXIT_FINE);
    ck_assert_str_eq(out.data, "The answer\n");
}
END_TEST

START_TEST(values_out_of_range_name_the_option_and_exit_2)
{
    static const struct { const char *options, *says; } rows[] = {
        { "--temperature 101", "--temperature 101: a number from 0 to 100" },
        { "--temperature=-1", "--temperature" }, { "--temperature warm", "--temperature warm" },
        { "--temperature nan", "--temperature nan" }, { "--top-p 1.5", "--top-p 1.5" },
        { "--top-k -1", "--top-k -1" }, { "--min-p 2", "--min-p" }, { "--seed -1", "--seed -1" },
        { "--seed 1x", "--seed" }, { "--budget -1", "--budget -1: a whole number from 0" },
        { "--budget 99999999999999999999", "--budget" }, { "--min-think x", "--min-think" },
        { "--wait 1001", "--wait" }, { "--samples 0", "--samples 0: a whole number from 1 to 1024" },
        { "--samples 1025", "--samples" }, { "--max-tokens 0", "--max-tokens" },
        { "--threads 0", "--threads" }, { "--threads 9999", "--threads" },
        { "--effort huge", "none, minimal, low, medium, high, xhigh" },
        { "--effort ''", "--effort" }, { "--budgte 5", "did you mean --budget?" },
        { "--bogus", "unknown option --bogus" }, { "-x", "unknown option -x" },
        { "--json=yes", "--json takes no value" }, { "--budget", "--budget needs a value" },
        { "--budget 5 --effort low", "--effort and --budget" },
        { "--budget 5 --min-think 6", "--min-think is above --budget" },
        { "--effort none --min-think 6", "--min-think" }, { "--fold --hide-thinking", "--fold" },
        { "-f - -f -", "standard input is given more than once" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_msg(sh("$P ask -m $MODEL q %s", rows[i].options) == EXIT_USAGE, "%s: %s",
                      rows[i].options, err_out.data);
        CHECK_SAYS(&err_out, rows[i].says);
        ck_assert_int_eq(n_lines(&err_out), 1);
        ck_assert_uint_eq(out.len, 0);
    }
}
END_TEST

START_TEST(what_cannot_be_done_says_why_and_exits_1)
{
    /* Away from the model that comes with the program. */
    ck_assert_int_eq(sh("mkdir -p %s && cp $P %s && %s ask q", in_home("a/b"), in_home("a/b"),
                        in_home("a/b/ponder")), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "ponder pull");
    CHECK_SAYS(&err_out, "make demo");
    ck_assert_int_eq(sh("$P ask -m nosuch q"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "nosuch");
    ck_assert_int_eq(sh("$P ask -m $MODEL -f /nonexistent q"), EXIT_TROUBLE);
    ck_assert_str_eq(err_out.data, "ponder ask: /nonexistent: No such file or directory\n");
    ck_assert_int_eq(sh("$P ask -m $MODEL -f %s q", home), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, home);
    ck_assert_int_eq(sh("head -c 2000 $P | tr -c a-z x | $P ask -m $MODEL q"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "1024");
    ck_assert_int_eq(n_lines(&err_out), 1);
    ck_assert_int_eq(sh("head -c 17000000 /dev/zero | $P ask -m $MODEL q"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "larger than");
    write_file("bad.gguf", "GGUF but no more");
    ck_assert_int_eq(sh("$P ask -m %s q", in_home("bad.gguf")), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "bad.gguf");
    ck_assert_int_eq(sh("$P ask -m $MODEL q >/dev/full"), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "cannot write");
}
END_TEST

START_TEST(the_default_model_is_found)
{
    ck_assert_int_eq(sh("PONDER_MODEL=$MODEL $P ask q"), EXIT_FINE);
    ck_assert_str_eq(out.data, "The answer is 7.\n");
    ck_assert_int_eq(sh("mkdir %s && mv $MODEL %s/polly.gguf && $P ask q", in_home("models"),
                        in_home("models")), EXIT_FINE);
    ck_assert_int_eq(sh("$P ask --json -m polly q"), EXIT_FINE);
    CHECK_SAYS(&out, "\"model\": \"polly\"");
}
END_TEST

START_TEST(samples_are_put_to_the_vote)
{
    static const parrot_word words[] = {
        { "Hm.", 0 }, { "</think>", 5 }, { "So", 0 }, { " the answer is 4.", 0 },
        { "<|im_end|>", 0 }, { "Clearly 5", 0 }, { " it is.", 4 },
    };
    const json_t *votes;
    json_t *o;
    int n = 0;

    parrot_write(in_home("parrot.gguf"), CHATML, 1024, words, 7);
    ck_assert_int_eq(sh("$P ask -m $MODEL --json --samples 21 --seed 3 q"), EXIT_FINE);
    o = json_of_out();
    votes = json_object_get(o, "votes");
    ck_assert_uint_eq(json_array_size(json_object_get(o, "samples")), 21);
    ck_assert_uint_eq(json_array_size(votes), 2);
    for (size_t i = 0; i < 2; i++)
        n += (int)json_integer_value(json_object_get(json_array_get(votes, i), "count"));
    ck_assert_int_eq(n, 21);
    ck_assert_str_eq(string(json_array_get(votes, 0), "final"), string(o, "final"));
    ck_assert_int_eq(number(o, "reasoning_tokens"), 21 * 2);

    ck_assert_int_eq(sh("$P ask -m $MODEL --samples 21 --seed 3 q"), EXIT_FINE);
    CHECK_SAYS(&err_out, "votes of 21 samples\n");
    CHECK_SAYS(&err_out, "  4     ");
    CHECK_SAYS(&err_out, "  5     ");
    CHECK_SAYS(&err_out, "####");
    ck_assert_int_eq(n_lines(&out), 1);
    CHECK_SAYS(&out, strcmp(string(o, "final"), "4") ? "Clearly 5 it is." : "the answer is 4.");
    json_decref(o);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_bytes)
{
    static const char line[] = "$P ask -m tests/fixtures/model/qwen3 --temperature 1 --seed %d "
                               "--budget 60 --max-tokens 120 q";
    bytes first = { 0 };

    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(sh(line, 5 + round / 2), EXIT_FINE);
        if (round == 0) bytes_add(&first, out.data, out.len);
        if (round == 1) ck_assert_str_eq(first.data, out.data);
        if (round == 2) ck_assert_str_ne(first.data, out.data);
    }
    bytes_fini(&first);
}
END_TEST

/* --------------------------------------------------------------- a real model */

/* The path of SmolLM2-135M-Instruct, fetched or cached; false aloud when it
 * cannot be had. */
static bool real_model(char path[512])
{
    FILE *f;
    bool ok;

    unsetenv("PONDER_HOME");
    f = popen("tools/fetch_smollm2.sh 2>/dev/null", "r");
    setenv("PONDER_HOME", home, 1);
    ok = f && fgets(path, 512, f);
    ok &= f && pclose(f) == 0;
    if (!ok) {
        printf("skipped: SmolLM2-135M-Instruct cannot be fetched here\n");
        fflush(stdout);
        return false;
    }
    path[strcspn(path, "\n")] = 0;
    setenv("MODEL", path, 1);
    return true;
}

START_TEST(a_real_model_answers_a_real_question)
{
    char path[512];
    json_t *o;

    if (!real_model(path)) return;
    ck_assert_int_eq(sh("$P ask -m $MODEL -t 0 -e none --max-tokens 40 "
                        "'What colour is the sky on a clear day?'"), EXIT_FINE);
    CHECK_SAYS(&out, "blue");
    ck_assert_int_eq(sh("$P ask --json -m $MODEL -t 0 --budget 40 --min-think 40 "
                        "--max-tokens 100 'What is the capital of France?'"), EXIT_FINE);
    o = json_of_out();
    ck_assert_int_ge(number(o, "reasoning_tokens"), 41);
    ck_assert_int_le(number(o, "reasoning_tokens"), 55);
    ck_assert_int_gt(strlen(string(o, "reasoning")), 40);
    ck_assert_int_gt(strlen(string(o, "answer")), 0);
    json_decref(o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cli");
    TCase *t = tcase_create("cli");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, help_is_everywhere);
    tcase_add_test(t, an_unknown_command_gets_a_suggestion);
    tcase_add_test(t, the_answer_stands_alone_on_stdout);
    tcase_add_test(t, thinking_is_shown_folded_or_hidden);
    tcase_add_test(t, json_is_one_object_with_all_figures);
    tcase_add_test(t, effort_and_budget_reach_the_model);
    tcase_add_test(t, endless_thinking_ends_at_the_budget);
    tcase_add_test(t, files_stand_apart_in_the_prompt);
    tcase_add_test(t, stdin_is_the_question_where_none_is_given);
    tcase_add_test(t, a_pipe_nobody_writes_to_does_not_block_a_question);
    tcase_add_test(t, a_system_prompt_and_stop_strings_are_heard);
    tcase_add_test(t, values_out_of_range_name_the_option_and_exit_2);
    tcase_add_test(t, what_cannot_be_done_says_why_and_exits_1);
    tcase_add_test(t, the_default_model_is_found);
    tcase_add_test(t, samples_are_put_to_the_vote);
    tcase_add_test(t, the_same_seed_gives_the_same_bytes);
    tcase_add_test(t, a_real_model_answers_a_real_question);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
