/* cli.h - the subcommands of the ponder program.
 *
 * Each takes what follows "ponder" (argv[0] is its own name), reads its
 * options, prints its result to stdout and its one line of trouble to stderr.
 * `--help` explains the options. Returns the exit code. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#define PONDER_VERSION "0.1.0"

enum {
    EXIT_FINE = 0,
    EXIT_TROUBLE = 1,        /* it was tried and did not work */
    EXIT_USAGE = 2,          /* the command line makes no sense */
    EXIT_INTERRUPTED = 130,  /* ended by Ctrl-C, as shells count it */
};

int cli_ask(int argc, char **argv);
int cli_chat(int argc, char **argv);
int cli_models(int argc, char **argv);
int cli_pull(int argc, char **argv);
int cli_serve(int argc, char **argv);
int cli_train(int argc, char **argv);
int cli_eval(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_inspect(int argc, char **argv);
int cli_convert(int argc, char **argv);

#endif
