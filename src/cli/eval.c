/* eval.c - ponder eval: what a model can do, with intervals. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/process.h"
#include "cli/terminal.h"
#include "model/hub.h"
#include "model/jsonfile.h"
#include "train/metrics.h"
#include "train/share.h"
#include "train/suite.h"

#define MAX_FILE ((size_t)4 << 20)
#define LIVE 512                 /* sessions that decode at once */

static const char command[] = "ponder eval";

static const char help[] =
    "usage: ponder eval SUITE.json [options]\n"
    "       ponder eval --task FAMILY --depth LIST [options]\n"
    "       ponder eval --data ROWS.jsonl --grader GRADER.json [options]\n"
    "\n"
    "Measures a model: a table on standard output, every share with its 95 % interval.\n"
    "Options win over the suite's own settings.\n"
    "\n"
    "  -m, --model M        name or path (default: as for ask)\n"
    "  -o, --output DIR     write results.json, curves as SVG and report.html there\n"
    "      --task FAMILY    chain, perm, arith, countdown ...; with\n"
    "      --depth LIST     its depths: 5,6 or 1-4\n"
    "      --data FILE      rows with messages, one JSON object a line; with\n"
    "      --grader FILE    a grader of the fine-tuning API\n"
    "      --measures LIST  direct, greedy, t1 (with pass, cons and rerank), attempts,\n"
    "                       budget, effort, early, edit; or all\n"
    "  -n, --problems N     problems a seed and cell\n"
    "      --seeds N        independent draws of problems (1 to 16)\n"
    "      --seed N         the first of them\n"
    "      --split S        valid (default), train, or test: once, for what you publish\n"
    "      --group N        answers a problem for t1\n"
    "      --budgets LIST   tokens of thought for budget: 16,32,64\n"
    "      --effort E       of all measures but effort and budget\n"
    "      --max-think N    most tokens of a thought\n"
    "      --max-answer N   most tokens of an answer\n"
    "      --run DIR        beside it the curves of that run of ponder train\n"
    "      --rows FILE      write the problems as rows with messages, task, key and answer,\n"
    "                       and ask no model\n"
    "      --json           the results as JSON on standard output, instead of a table\n"
    "      --threads N      (default: all processors)\n";

typedef struct evaluation {
    const char *model, *output, *task, *depth, *data, *grader, *measures, *split, *budgets;
    const char *effort, *run, *rows;
    int problems, seeds, seed, group, max_think, max_answer, threads;
    struct { bool problems, seeds, seed, group, max_think, max_answer; } given;
    bool json;
    text_list suites;
    terminal out, live;
    char cell[64];               /* whose figures are being printed */
    double told_s;
} evaluation;

static int trouble(const char *text)
{
    fprintf(stderr, "%s: %s\n", command, text);
    return EXIT_TROUBLE;
}

static int misuse(const char *text)
{
    fprintf(stderr, "%s: %s (see %s --help)\n", command, text, command);
    return EXIT_USAGE;
}

/* ----------------------------------------------------------------- the suite */

/* "5,6" or "1-4" as numbers; false when it is neither. */
static bool number_list(const char *text, json_t *out)
{
    for (;;) {
        char *end;
        long low = strtol(text, &end, 10), high = low;

        if (end == text || low < 0 || low > 1 << 24) return false;
        if (*end == '-') {
            text = end + 1;
            high = strtol(text, &end, 10);
            if (end == text || high < low || high - low > 1000) return false;
        }
        for (; low <= high; low++) json_array_append_new(out, json_integer(low));
        if (!*end) return true;
        if (*end != ',') return false;
        text = end + 1;
    }
}

static void word_list(const char *text, json_t *out)
{
    while (*text) {
        const size_t n = strcspn(text, ",");

        if (n) json_array_append_new(out, json_stringn(text, n));
        text += n + (text[n] == ',');
    }
}

/* What an option says stands at the top, and in no section. */
static void override(json_t *suite_json, const char *key, json_t *value)
{
    size_t i;
    json_t *section;

    json_array_foreach(json_object_get(suite_json, "sections"), i, section)
        json_object_del(section, key);
    json_object_set_new(suite_json, key, value);
}

static status lists(const evaluation *e, json_t *suite_json, errtext *err)
{
    if (e->measures) {
        json_t *list = json_array();

        word_list(e->measures, list);
        override(suite_json, "measures", list);
    }
    if (e->budgets) {
        json_t *list = json_array();
        const bool good = number_list(e->budgets, list);

        override(suite_json, "budgets", list);
        if (!good) return fail(err, E_ARG, "--budgets %.80s: numbers expected", e->budgets);
    }
    return OK;
}

static status suite_json_of(const evaluation *e, json_t **out, errtext *err)
{
    status st = OK;

    *out = NULL;
    if (e->suites.n) {
        st = jsonfile_read(out, e->suites.items[0], MAX_FILE, false, err);
    } else if (e->task) {
        json_t *depths = json_array();

        if (!number_list(e->depth, depths))
            st = fail(err, E_ARG, "--depth %.80s: numbers such as 5,6 or 1-4 expected", e->depth);
        *out = json_pack("{s:[{s:s, s:o}]}", "cells", "task", e->task,
                         "depth", depths);
    } else {
        json_t *grading;

        st = jsonfile_read(&grading, e->grader, MAX_FILE, false, err);
        if (st == OK) *out = json_pack("{s:s, s:o}", "data", e->data, "grader", grading);
    }
    if (st == OK) st = lists(e, *out, err);
    if (st != OK) return st;
    if (e->given.problems) override(*out, "problems", json_integer(e->problems));
    if (e->given.seeds) override(*out, "seeds", json_integer(e->seeds));
    if (e->given.seed) override(*out, "seed", json_integer(e->seed));
    if (e->given.group) override(*out, "group", json_integer(e->group));
    if (e->given.max_think) override(*out, "max_think", json_integer(e->max_think));
    if (e->given.max_answer) override(*out, "max_answer", json_integer(e->max_answer));
    if (e->split) override(*out, "split", json_string(e->split));
    if (e->effort) override(*out, "effort", json_string(e->effort));
    return OK;
}

static status read_suite(const evaluation *e, suite *out, errtext *err)
{
    json_t *json;
    status st = suite_json_of(e, &json, err);

    *out = (suite){ 0 };
    if (st == OK)
        st = suite_parse(out, json, e->suites.n ? e->suites.items[0] : "options", err);
    json_decref(json);
    return st;
}

/* ------------------------------------------------------------------- telling */

static void tell(void *arg, const eval_figure *f)
{
    evaluation *e = arg;

    terminal_live_end(&e->live);
    if (e->json) return;
    if (strcmp(e->cell, f->cell)) {
        snprintf(e->cell, sizeof e->cell, "%s", f->cell);
        terminal_print(&e->out, "%s\n", f->cell);
    }
    terminal_print(&e->out, "  %-18s %5.1f %%  [%4.1f, %5.1f]", f->name, 100 * f->value,
                   100 * f->low, 100 * f->high);
    if (f->tokens > 0) terminal_print(&e->out, "  %7.1f tokens", f->tokens);
    else terminal_print(&e->out, "                ");
    terminal_print(&e->out, "  %d problems\n", f->n);
    fflush(stdout);
}

static void live(void *arg, const char *cell, const char *what, int done, int total)
{
    evaluation *e = arg;
    const double now = clock_s();

    if (now - e->told_s < 0.1) return;
    e->told_s = now;
    terminal_live(&e->live, "%s, %s: %d of %d answers", cell, what, done, total);
}

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void print_fit(evaluation *e, const char *cell, const char *what, const json_t *fit)
{
    if (!fit) return;
    if (!json_is_true(json_object_get(fit, "found"))) {
        terminal_print(&e->out, "%s: no line over log2(%s) fits four points\n", cell, what);
        return;
    }
    terminal_print(&e->out, "%s: right = %.3f + %.4f log2(%s), R2 %.3f, from %.0f to %.0f: %.1f "
                   "doublings\n", cell, number_of(fit, "a"), number_of(fit, "b"), what,
                   number_of(fit, "r2"), number_of(fit, "from"), number_of(fit, "to"),
                   number_of(fit, "doublings"));
}

static void print_fits(evaluation *e, const json_t *results)
{
    size_t i;
    json_t *section, *cell;
    const char *name;

    json_array_foreach(json_object_get(results, "sections"), i, section) {
        json_object_foreach(json_object_get(section, "cells"), name, cell) {
            print_fit(e, name, "thinking tokens", json_object_get(cell, "budget_fit"));
            print_fit(e, name, "attempts", json_object_get(cell, "attempts_fit"));
        }
    }
}

/* ------------------------------------------------------------------- running */

static status open_model(const evaluation *e, reasoner **out, bytes *path, errtext *err)
{
    reasoner_options o = reasoner_defaults();
    const char *warning;
    status st = hub_find(e->model, path, err);

    *out = NULL;
    o.n_thread = e->threads;
    o.engine.max_live = LIVE;
    o.engine.max_row = 2 * LIVE;
    if (st == OK) st = reasoner_open(out, path->data, &o, &warning, err);
    if (st == OK && warning) fprintf(stderr, "warning: %s\n", warning);
    return st;
}

static status read_run(const evaluation *e, json_t **rows, errtext *err)
{
    bytes path = { 0 };
    status st;

    *rows = NULL;
    if (!e->run) return OK;
    bytes_add_format(&path, "%s/metrics.jsonl", e->run);
    st = metrics_read(rows, path.data, err);
    bytes_fini(&path);
    return st;
}

/* What was measured, with what, on what. */
static void add_facts(const evaluation *e, const reasoner *r, const char *path, double from_s,
                      json_t *results)
{
    (void)e;
    json_object_set_new(results, "model", json_string(path));
    json_object_set_new(results, "machine", json_string(cpu_model()));
    json_object_set_new(results, "threads", json_integer(reasoner_threads(r)));
    json_object_set_new(results, "seconds", json_real(clock_s() - from_s));
    json_object_set_new(results, "version", json_string(PONDER_VERSION));
}

static status put_results(evaluation *e, const json_t *results, const json_t *rows, errtext *err)
{
    status st = e->output ? suite_write(results, rows, e->output, err) : OK;

    if (e->json) {
        json_dumpf(results, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else {
        print_fits(e, results);
        if (st == OK && e->output)
            terminal_print(&e->out, "wrote %s/report.html and results.json\n", e->output);
    }
    return st;
}

static status write_rows(const suite *s, const char *path, errtext *err)
{
    bytes rows = { 0 };
    status st;

    suite_problems(s, &rows);
    st = file_replace(path, rows.data ? rows.data : "", rows.len, err);
    bytes_fini(&rows);
    return st;
}

static int run(evaluation *e)
{
    const eval_options hooks = { .cancel = &process_interrupted, .tell = tell, .live = live,
                                 .arg = e };
    const double from_s = clock_s();
    suite s;
    reasoner *r = NULL;
    json_t *results = NULL, *rows = NULL;
    bytes path = { 0 };
    errtext err;
    status st = read_suite(e, &s, &err);

    if (st == OK && e->rows) {
        st = write_rows(&s, e->rows, &err);
        suite_fini(&s);
        return st == OK ? EXIT_FINE : trouble(err.text);
    }
    process_catch_interrupt();
    if (st == OK) st = read_run(e, &rows, &err);
    if (st == OK) st = open_model(e, &r, &path, &err);
    if (st == OK) st = suite_run(&s, r, &hooks, &results, &err);
    terminal_live_end(&e->live);
    if (st == OK) {
        add_facts(e, r, path.data, from_s, results);
        st = put_results(e, results, rows, &err);
    }
    json_decref(results);
    json_decref(rows);
    reasoner_close(r);
    bytes_fini(&path);
    suite_fini(&s);
    if (st != OK) trouble(err.text);
    return st == OK ? EXIT_FINE : st == E_INTERRUPTED ? EXIT_INTERRUPTED : EXIT_TROUBLE;
}

/* One way to say what is measured. */
static const char *contradiction(const evaluation *e)
{
    const int ways = (e->suites.n > 0) + (e->task != NULL) + (e->data != NULL);

    if (e->suites.n > 1) return "one suite file expected";
    if (ways != 1) return "one of SUITE.json, --task and --data expected";
    if (!e->task != !e->depth) return "--task and --depth go together";
    if (!e->data != !e->grader) return "--data and --grader go together";
    return NULL;
}

int cli_eval(int argc, char **argv)
{
    evaluation e = { 0 };
    const option_spec table[] = {
        { .name = "model", .letter = 'm', .kind = OPTION_TEXT, .to = &e.model },
        { .name = "output", .letter = 'o', .kind = OPTION_TEXT, .to = &e.output },
        { .name = "task", .kind = OPTION_TEXT, .to = &e.task },
        { .name = "depth", .kind = OPTION_TEXT, .to = &e.depth },
        { .name = "data", .kind = OPTION_TEXT, .to = &e.data },
        { .name = "grader", .kind = OPTION_TEXT, .to = &e.grader },
        { .name = "measures", .kind = OPTION_TEXT, .to = &e.measures },
        { .name = "split", .kind = OPTION_TEXT, .to = &e.split },
        { .name = "budgets", .kind = OPTION_TEXT, .to = &e.budgets },
        { .name = "effort", .kind = OPTION_TEXT, .to = &e.effort },
        { .name = "run", .kind = OPTION_TEXT, .to = &e.run },
        { .name = "rows", .kind = OPTION_TEXT, .to = &e.rows },
        { .name = "problems", .letter = 'n', .kind = OPTION_INT, .to = &e.problems, .low = 1,
          .high = 1000000, .given = &e.given.problems },
        { .name = "seeds", .kind = OPTION_INT, .to = &e.seeds, .low = 1, .high = SHARE_MAX_SEED,
          .given = &e.given.seeds },
        { .name = "seed", .kind = OPTION_INT, .to = &e.seed, .low = 0, .high = 1 << 30,
          .given = &e.given.seed },
        { .name = "group", .kind = OPTION_INT, .to = &e.group, .low = 1, .high = ASK_MAX_SAMPLES,
          .given = &e.given.group },
        { .name = "max-think", .kind = OPTION_INT, .to = &e.max_think, .low = 1, .high = 1 << 20,
          .given = &e.given.max_think },
        { .name = "max-answer", .kind = OPTION_INT, .to = &e.max_answer, .low = 1,
          .high = 1 << 20, .given = &e.given.max_answer },
        { .name = "threads", .kind = OPTION_INT, .to = &e.threads, .low = 1, .high = 1024 },
        { .name = "json", .kind = OPTION_FLAG, .to = &e.json },
    };
    const char *wrong;
    int code = EXIT_USAGE;

    switch (options_parse(command, table, sizeof table / sizeof *table, argc, argv, &e.suites)) {
    case OPTIONS_HELP:
        fputs(help, stdout);
        return EXIT_FINE;
    case OPTIONS_BAD:
        break;
    case OPTIONS_OK:
        wrong = contradiction(&e);
        terminal_init(&e.out, stdout);
        terminal_init(&e.live, stderr);
        code = wrong ? misuse(wrong) : run(&e);
    }
    text_list_fini(&e.suites);
    return code;
}
