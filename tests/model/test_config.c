/* The bounds of a config, each broken once. */
#include "model/config.h"

#include <math.h>
#include <string.h>

#include "support/tiny_model.h"

#include <check.h>       /* last: it has a macro named fail */

static errtext err;

static void refused(const config *c, status want, const char *word)
{
    status st = config_check(c, "FILE", &err);

    ck_assert_msg(st == want && strstr(err.text, word) && !strncmp(err.text, "FILE: ", 6),
                  "%s: '%s' holds no '%s'", status_name(st), err.text, word);
}

START_TEST(configs_of_all_families_pass)
{
    config c = tiny_config((family)_i);

    ck_assert_msg(config_check(&c, "FILE", &err) == OK, "%s", err.text);
}
END_TEST

START_TEST(numbers_out_of_bounds_are_named)
{
    /* A model of experts may do without d_ff, so the dense one is spoilt. */
    const struct { size_t at; int value; status st; const char *word; } cases[] = {
#define FIELD(name, value, st) { offsetof(config, name), value, st, #name " is " }
        FIELD(n_layer, 0, E_FORMAT), FIELD(n_layer, -1, E_FORMAT), FIELD(n_layer, 1025, E_LIMIT),
        FIELD(d_model, 0, E_FORMAT), FIELD(d_model, 1 << 21, E_LIMIT),
        FIELD(n_head, 0, E_FORMAT), FIELD(n_head, 1 << 17, E_LIMIT),
        FIELD(n_head_kv, 0, E_FORMAT), FIELD(n_head_kv, -2, E_FORMAT),
        FIELD(d_head, 0, E_FORMAT), FIELD(d_head, 258, E_LIMIT),
        FIELD(d_ff, 0, E_FORMAT), FIELD(d_ff, 1 << 25, E_LIMIT),
        FIELD(n_vocab, 0, E_FORMAT), FIELD(n_vocab, 1 << 25, E_LIMIT),
        FIELD(n_ctx, 0, E_FORMAT), FIELD(n_ctx, CONFIG_MAX_CTX + 1, E_LIMIT),
        FIELD(n_expert, -1, E_FORMAT), FIELD(n_expert, 1 << 17, E_LIMIT),
#undef FIELD
        { offsetof(config, n_head_kv), 3, E_FORMAT, "multiple" },
        { offsetof(config, d_head), 3, E_FORMAT, "odd" },
        { offsetof(config, n_expert_used), 1, E_FORMAT, "n_expert_used" },
        { offsetof(config, n_expert), 2, E_FORMAT, "n_expert_used" },
        { offsetof(config, family), 5, E_FORMAT, "family" },
        { offsetof(config, n_head), 1 << 16, E_LIMIT, "times" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        config c = tiny_config(FAMILY_LLAMA);

        if (strstr(cases[i].word, "times")) c.d_head = 64;
        memcpy((char *)&c + cases[i].at, &cases[i].value, sizeof(int));
        refused(&c, cases[i].st, cases[i].word);
    }
}
END_TEST

START_TEST(floats_out_of_bounds_are_named)
{
    const float bad[] = { NAN, INFINITY, -1 };

    for (int i = 0; i < 3; i++) {
        config c = tiny_config(FAMILY_QWEN3);

        c.norm_eps = bad[i];
        refused(&c, E_FORMAT, "norm_eps");
        c = tiny_config(FAMILY_QWEN3);
        c.rope_base = bad[i];
        refused(&c, E_FORMAT, "rope_base");
        c = tiny_config(FAMILY_QWEN3);
        c.rope_factors[1] = bad[i];
        refused(&c, E_FORMAT, "rope_factors[1]");
        c = tiny_config(FAMILY_QWEN3);
        c.rope_factors[2] = bad[i];      /* beyond d_head / 2: not looked at */
        ck_assert(config_check(&c, "FILE", &err) == OK);
    }
}
END_TEST

START_TEST(experts_must_be_consistent)
{
    config c = tiny_config(FAMILY_QWEN3_MOE);

    c.n_expert_used = 4;
    refused(&c, E_FORMAT, "n_expert_used is 4 of n_expert 3");
    c = tiny_config(FAMILY_QWEN3_MOE);
    c.d_ff_expert = 0;
    refused(&c, E_FORMAT, "d_ff_expert");
    c = tiny_config(FAMILY_QWEN3_MOE);
    c.d_ff = 0;
    ck_assert(config_check(&c, "FILE", &err) == OK);
}
END_TEST

START_TEST(flags_and_names_are_checked)
{
    config c = tiny_config(FAMILY_LLAMA);

    c.no_rope[0] = 2;
    refused(&c, E_FORMAT, "no_rope[0]");
    c = tiny_config(FAMILY_LLAMA);
    memset(c.name, 'x', sizeof c.name);
    refused(&c, E_FORMAT, "name");
}
END_TEST

START_TEST(family_names_parse_back)
{
    family f;

    for (int i = 0; i < 5; i++)
        ck_assert(family_parse(family_name((family)i), &f) && (int)f == i);
    ck_assert_str_eq(family_name(FAMILY_QWEN3_MOE), "qwen3moe");
    ck_assert(!family_parse("gpt2", &f) && !family_parse("", &f) && !family_parse("Llama", &f));
}
END_TEST

START_TEST(only_smollm3_has_layers_without_positions_of_its_own)
{
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(config_no_rope(FAMILY_SMOLLM3, i), i == 3 || i == 7);
        ck_assert_int_eq(config_no_rope(FAMILY_LLAMA, i), 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *c = tcase_create("config");
    SRunner *sr;
    int failed;

    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, configs_of_all_families_pass, 0, 5);
    tcase_add_test(c, numbers_out_of_bounds_are_named);
    tcase_add_test(c, floats_out_of_bounds_are_named);
    tcase_add_test(c, experts_must_be_consistent);
    tcase_add_test(c, flags_and_names_are_checked);
    tcase_add_test(c, family_names_parse_back);
    tcase_add_test(c, only_smollm3_has_layers_without_positions_of_its_own);
    suite_add_tcase(s, c);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
