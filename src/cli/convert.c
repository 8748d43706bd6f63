/* convert.c - ponder convert: a model from one file format into another. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "model/convert.h"

static const char usage[] =
    "usage: ponder convert SRC DST [--type TYPE] [--tokenizer FILE] [--threads N]\n"
    "\n"
    "Write the model SRC (a GGUF file, the first of a split set, a Hugging Face folder\n"
    "or a llama2.c checkpoint) to DST: a GGUF file when DST ends in .gguf, else a new\n"
    "folder that transformers reads.\n"
    "\n"
    "  --type TYPE       element type of the matrices: F32, F16, BF16 and, for GGUF, Q8_0,\n"
    "                    Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K; without it types stay\n"
    "  --tokenizer FILE  SRC is a llama2.c checkpoint and FILE its tokenizer.bin\n"
    "  --threads N       processors to use, all by default\n";

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
    (void)sig;
    stopped = 1;
}

/* One line that is written over, on a terminal only. */
typedef struct meter {
    bool shown;                  /* there is something to wipe */
    bool terminal;
    double last_s;
    uint64_t total;
} meter;

static void wipe(meter *m)
{
    if (m->shown) fputs("\r\033[K", stderr);
    m->shown = false;
}

static bool on_progress(void *arg, const char *tensor, uint64_t done, uint64_t total)
{
    meter *m = arg;
    double now = clock_s();

    m->total = total;
    if (m->terminal && total && now - m->last_s > 0.1) {
        m->last_s = now;
        m->shown = true;
        fprintf(stderr, "\r\033[K%3.0f %%  %.60s", 100 * (double)done / (double)total, tensor);
        fflush(stderr);
    }
    return !stopped;
}

static void on_note(void *arg, const char *line)
{
    wipe(arg);
    fprintf(stderr, "ponder convert: note: %s\n", line);
}

static int wrong(const char *what, const char *arg)
{
    fprintf(stderr, "ponder convert: %s%s\n%s", what, arg, usage);
    return EXIT_USAGE;
}

static int convert(const char *src, const char *dst, convert_options *o)
{
    struct sigaction stop = { .sa_handler = on_stop, .sa_flags = SA_RESTART }, old_int, old_term;
    meter m = { .terminal = isatty(STDERR_FILENO) };
    double start = clock_s();
    errtext err;
    status st;

    o->progress = on_progress;
    o->note = on_note;
    o->arg = &m;
    stopped = 0;
    sigaction(SIGINT, &stop, &old_int);
    sigaction(SIGTERM, &stop, &old_term);
    st = convert_model(src, dst, o, &err);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    wipe(&m);
    if (st != OK) {
        fprintf(stderr, "ponder convert: %s\n", err.text);
        return EXIT_TROUBLE;
    }
    printf("%s: %.1f MB of tensors in %.1f s\n", dst, (double)m.total / 1e6, clock_s() - start);
    return EXIT_FINE;
}

int cli_convert(int argc, char **argv)
{
    const char *paths[2] = { NULL, NULL };
    convert_options o = { 0 };
    int n_path = 0;

    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        bool valued = !strcmp(arg, "--type") || !strcmp(arg, "--tokenizer") ||
                      !strcmp(arg, "--threads");
        char *end;

        if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            fputs(usage, stdout);
            return EXIT_FINE;
        }
        if (valued && i + 1 == argc) return wrong("a value is missing after ", arg);
        if (!strcmp(arg, "--type")) {
            o.retype = true;
            if (!dtype_parse(argv[++i], &o.type)) return wrong("unknown type ", argv[i]);
        } else if (!strcmp(arg, "--tokenizer")) {
            o.llama2c_tokenizer = argv[++i];
        } else if (!strcmp(arg, "--threads")) {
            long n = strtol(argv[++i], &end, 10);

            if (*end || n < 1 || n > 1024) return wrong("bad number of threads ", argv[i]);
            o.n_thread = (int)n;
        } else if (arg[0] == '-' && arg[1]) {
            return wrong("unknown option ", arg);
        } else if (n_path == 2) {
            return wrong("one argument too many: ", arg);
        } else {
            paths[n_path++] = arg;
        }
    }
    if (n_path < 2) return wrong("a source and a target are needed", "");
    return convert(paths[0], paths[1], &o);
}
