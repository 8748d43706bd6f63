/* test_nano.c - the model that comes with the program: when it answers, by which
 * names it goes, and what it says to questions that it was not made for.
 *
 * Its stand-in has first weights and no training: what it says is noise, that it
 * says something is what is tested. */
#include "model/hub.h"
#include "support/program.h"
#include "train/scratch.h"

#define OURS "'What is 12+7*3?'"
#define THEIRS "'Who wrote Hamlet?'"
#define SHORT "--budget 8 --max-tokens 16 --seed 1"

/* A program in home/build/any with its model in home/models, and an own folder
 * of models, empty, in home/state/models. */
static void setup_nano(void)
{
    static const char *const sample[] = { "What is the sum? Take it, then add one." };
    static const scratch_shape shape = { .name = "ponder-nano", .n_layer = 1, .d_model = 32,
        .n_head = 1, .n_head_kv = 1, .d_head = 32, .d_ff = 32, .n_ctx = 512, .n_vocab = 300 };
    errtext err = { "" };

    setup();
    ck_assert_int_eq(sh("mkdir -p %s %s %s && cp $P %s", in_home("build/any"), in_home("models"),
                        in_home("state/models"), in_home("build/any/ponder")), 0);
    ck_assert_msg(scratch_write(&shape, 1, sample, 1, in_home("models/ponder-nano.gguf"), &err)
                  == OK, "%s", err.text);
    setenv("PONDER_BIN", in_home("build/any/ponder"), 1);
    setenv("PONDER_HOME", in_home("state"), 1);
    setenv("OWN", in_home("state/models"), 1);
    setenv("SHIPPED", in_home("models"), 1);
}

/* Noise may hold what json_of_out refuses, a NUL. */
static void check_model(const char *name)
{
    char text[64];

    snprintf(text, sizeof text, "\"model\": \"%s\",", name);
    CHECK_SAYS(&out, text);
    CHECK_SAYS(&out, "\"completion_tokens\": ");
}

START_TEST(with_nothing_else_here_it_answers_at_once)
{
    ck_assert_int_eq(sh("$P ask " SHORT " --json " OURS), EXIT_FINE);
    check_model("ponder-nano");
    ck_assert_int_eq(sh("cd / && $P ask " SHORT " --json " OURS), EXIT_FINE);
    check_model("ponder-nano");
    /* Called through a link, as build/ponder is. */
    ck_assert_int_eq(sh("ln -s $P %s && %s ask " SHORT " --json " OURS, in_home("link"),
                        in_home("link")), EXIT_FINE);
    check_model("ponder-nano");
    /* Installed: PREFIX/bin and PREFIX/share/ponder/models. */
    ck_assert_int_eq(sh("mkdir -p %s %s && cp $P %s && cp $SHIPPED/* %s && rm $SHIPPED/*",
                        in_home("usr/bin"), in_home("usr/share/ponder/models"),
                        in_home("usr/bin"), in_home("usr/share/ponder/models")), 0);
    ck_assert_int_eq(sh("%s ask " SHORT " --json " OURS, in_home("usr/bin/ponder")), EXIT_FINE);
    check_model("ponder-nano");
    ck_assert_int_eq(sh("$P ask " OURS), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "no model is here yet");
}
END_TEST

START_TEST(it_needs_no_home)
{
    ck_assert_int_eq(sh("unset HOME PONDER_HOME; $P ask " SHORT " --json " OURS), EXIT_FINE);
    check_model("ponder-nano");
    ck_assert_int_eq(sh("unset HOME PONDER_HOME; $P ask " SHORT " --json -m nano " OURS),
                     EXIT_FINE);
    ck_assert_int_eq(sh("unset HOME PONDER_HOME; $P ask -m other " OURS), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "PONDER_HOME");
}
END_TEST

START_TEST(a_real_model_wins)
{
    ck_assert_int_eq(sh("PONDER_MODEL=$MODEL $P ask --json q"), EXIT_FINE);
    check_model("parrot");
    ck_assert_int_eq(sh("cp $MODEL $OWN/polly.gguf && cp $SHIPPED/ponder-nano.gguf $OWN && "
                        "touch $OWN/ponder-nano.gguf && $P ask --json q"), EXIT_FINE);
    check_model("polly");
    /* And in the models folder the nano is one, too. */
    ck_assert_int_eq(sh("rm $OWN/polly.gguf $SHIPPED/*; $P ask " SHORT " --json " OURS),
                     EXIT_FINE);
    check_model("ponder-nano");
    CHECK_SAYS(&out, "state/models");
}
END_TEST

START_TEST(it_goes_by_its_names)
{
    static const char *const names[] = { "nano", "ponder-nano", "Nano", "PONDER-NANO",
                                         "nano.gguf", "ponder-nano.gguf" };

    ck_assert_int_eq(sh("cp $MODEL $OWN/polly.gguf"), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_int_eq(sh("$P ask " SHORT " --json -m %s " OURS, names[i]), EXIT_FINE);
        check_model("ponder-nano");
        ck_assert_int_eq(sh("PONDER_MODEL=%s $P ask " SHORT " --json " OURS, names[i]),
                         EXIT_FINE);
        check_model("ponder-nano");
    }
    ck_assert_int_eq(sh("$P ask -m nano-sft " OURS), EXIT_TROUBLE);
    CHECK_SAYS(&err_out, "nano-sft");
    ck_assert_int_eq(sh("cp $SHIPPED/ponder-nano.gguf $SHIPPED/ponder-nano-sft.gguf; "
                        "$P ask " SHORT " --json -m nano-sft " OURS), EXIT_FINE);
    check_model("ponder-nano-sft");
    ck_assert_int_eq(sh("$P ask " SHORT " --json -m nano " OURS), EXIT_FINE);
    check_model("ponder-nano");
    ck_assert(hub_is_nano("nano") && hub_is_nano("ponder-nano-sft") && hub_is_nano("nano.gguf"));
    ck_assert(!hub_is_nano("nanobot") && !hub_is_nano("ponder") && !hub_is_nano("ponder-") &&
              !hub_is_nano("") && !hub_is_nano("qwen-nano"));
}
END_TEST

START_TEST(models_lists_it_as_shipped)
{
    json_t *o;

    ck_assert_int_eq(sh("$P models"), EXIT_FINE);
    CHECK_SAYS(&out, "no model in ");
    CHECK_SAYS(&out, "\nshipped ");
    CHECK_SAYS(&out, "\nponder-nano ");
    ck_assert_int_eq(sh("$P models --json"), EXIT_FINE);
    o = json_of_out();
    ck_assert_uint_eq(json_array_size(json_object_get(o, "models")), 0);
    ck_assert_uint_eq(json_array_size(json_object_get(o, "shipped")), 1);
    ck_assert_str_eq(string(json_array_get(json_object_get(o, "shipped"), 0), "name"),
                     "ponder-nano");
    json_decref(o);
    ck_assert_int_eq(sh("rm $SHIPPED/*; $P models"), EXIT_FINE);
    ck_assert(!says(&out, "shipped"));
}
END_TEST

START_TEST(what_it_was_not_made_for_is_told_and_not_answered)
{
    json_t *o;

    ck_assert_int_eq(sh("$P ask " SHORT " " THEIRS), EXIT_FINE);
    ck_assert_uint_eq(out.len, 0);
    CHECK_SAYS(&err_out, "ponder-nano is a tiny model");
    CHECK_SAYS(&err_out, "modulo 100");
    CHECK_SAYS(&err_out, "make demo");
    ck_assert_int_le(n_lines(&err_out), 14);
    for (char *line = err_out.data; *line; line = strchr(line, '\n') + 1)
        ck_assert_uint_le(strcspn(line, "\n"), 80);
    ck_assert_int_eq(sh("echo Hamlet was a prince | $P ask " SHORT " " OURS), EXIT_FINE);
    ck_assert_uint_eq(out.len, 0);

    ck_assert_int_eq(sh("$P ask " SHORT " --json " THEIRS), EXIT_FINE);
    ck_assert_uint_eq(err_out.len, 0);
    o = json_of_out();
    ck_assert_str_eq(string(o, "finish"), "out_of_scope");
    ck_assert_str_eq(string(o, "model"), "ponder-nano");
    ck_assert(json_is_null(json_object_get(o, "answer")));
    ck_assert(strstr(string(o, "note"), "modulo 100") != NULL);
    json_decref(o);
    ck_assert_int_eq(sh("$P ask --json " THEIRS " >/dev/full"), EXIT_TROUBLE);
}
END_TEST

START_TEST(anyway_it_answers_and_so_does_every_other_model)
{
    ck_assert_int_eq(sh("$P ask " SHORT " --json --anyway " THEIRS), EXIT_FINE);
    check_model("ponder-nano");
    ck_assert(!says(&out, "out_of_scope"));
    ck_assert_int_eq(sh("$P ask -m $MODEL " THEIRS), EXIT_FINE);
    ck_assert_str_eq(out.data, "The answer is 7.\n");
    ck_assert(!says(&err_out, "tiny model"));
}
END_TEST

START_TEST(in_a_chat_every_question_stands_alone)
{
    ck_assert_int_eq(sh("printf '%%s\\n' " OURS " " THEIRS " " OURS " '/save %s' | "
                        "$P chat " SHORT, in_home("saved.json")), EXIT_FINE);
    CHECK_SAYS(&err_out, "ponder-nano is a tiny model");
    bytes_clear(&out);
    ck_assert_int_eq(file_read(&out, in_home("saved.json"), 1000000, NULL), OK);
    ck_assert(!says(&out, "Hamlet"));
    CHECK_SAYS(&out, "12+7*3");
    ck_assert_ptr_null(strstr(strstr(out.data, "12+7*3") + 1, "12+7*3"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nano");
    TCase *t = tcase_create("nano");
    SRunner *r = srunner_create(s);
    int failed;

    suite_add_tcase(s, t);
    tcase_set_timeout(t, 600);
    tcase_add_checked_fixture(t, setup_nano, teardown);
    tcase_add_test(t, with_nothing_else_here_it_answers_at_once);
    tcase_add_test(t, it_needs_no_home);
    tcase_add_test(t, a_real_model_wins);
    tcase_add_test(t, it_goes_by_its_names);
    tcase_add_test(t, models_lists_it_as_shipped);
    tcase_add_test(t, what_it_was_not_made_for_is_told_and_not_answered);
    tcase_add_test(t, anyway_it_answers_and_so_does_every_other_model);
    tcase_add_test(t, in_a_chat_every_question_stands_alone);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed;
}
