/* main.c - the ponder program: one subcommand a task. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/process.h"

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} subcommands[] = {
    { "ask", cli_ask, "ask a model one question" },
    { "chat", cli_chat, "talk with a model" },
    { "models", cli_models, "list the models here and those known by name" },
    { "pull", cli_pull, "fetch a model" },
    { "inspect", cli_inspect, "show what is in a weight file" },
    { "convert", cli_convert, "convert and quantise weights" },
    { "serve", cli_serve, "serve models over the reasoning API" },
    { "train", cli_train, "teach a model by a job file" },
    { "eval", cli_eval, "measure what a model can do, with intervals" },
    { "bench", cli_bench, "measure speed, beside what the machine allows" },
};
#define N_SUBCOMMAND ((int)(sizeof subcommands / sizeof *subcommands))

static void print_help(FILE *to)
{
    fputs("usage: ponder COMMAND [options]\n\nPonder asks open models questions and watches them "
          "think.\n\n", to);
    for (int i = 0; i < N_SUBCOMMAND; i++)
        fprintf(to, "  %-10s %s\n", subcommands[i].name, subcommands[i].summary);
    fputs("\nponder COMMAND --help says more; ponder --version names the version. Models are\n"
          "kept in ${PONDER_HOME:-$HOME/.cache/ponder}/models. Exit codes: 0 done, 1 it did\n"
          "not work, 2 the command line makes no sense, 130 interrupted.\n", to);
}

static const struct subcommand *find(const char *name)
{
    for (int i = 0; i < N_SUBCOMMAND; i++)
        if (!strcmp(subcommands[i].name, name)) return &subcommands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[N_SUBCOMMAND], *near;

    for (int i = 0; i < N_SUBCOMMAND; i++) names[i] = subcommands[i].name;
    near = nearest_word(name, names, N_SUBCOMMAND);
    fprintf(stderr, "ponder: unknown command %.80s", name);
    if (near) fprintf(stderr, "; did you mean %s?", near);
    fprintf(stderr, " (see ponder --help)\n");
    return EXIT_USAGE;
}

/* ponder help [COMMAND] */
static int help(int argc, char **argv)
{
    const struct subcommand *sub = argc > 1 ? find(argv[1]) : NULL;
    char *ask_it[] = { argc > 1 ? argv[1] : NULL, "--help", NULL };

    if (argc > 1 && !sub) return unknown(argv[1]);
    if (sub) return sub->run(2, ask_it);
    print_help(stdout);
    return EXIT_FINE;
}

int main(int argc, char **argv)
{
    const struct subcommand *sub;

    process_begin();
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        puts("ponder " PONDER_VERSION);
        return EXIT_FINE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return help(argc - 1, argv + 1);
    if (!(sub = find(argv[1]))) return unknown(argv[1]);
    return sub->run(argc - 1, argv + 1);
}
