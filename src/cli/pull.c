/* pull.c - ponder pull: fetch a model from the hub. */
#include "cli/cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "model/hub.h"

#define DRAW_S 0.1                   /* between two drawings of the bar */
#define RATE_S 5.0                   /* the rate is that of the last seconds */

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static const char help[] =
    "usage: ponder pull NAME | ORG/REPO[:FILE]\n"
    "\n"
    "Fetch a model from the hub and print its path. NAME is one of the known models\n"
    "(ponder models lists them). FILE is a .gguf of the repository or a part of its\n"
    "name, such as Q8_0. An interrupted pull goes on where it stopped.\n"
    "\n"
    "  --name NAME      call it NAME here\n"
    "  --revision REV   branch, tag or commit (main)\n"
    "  --force          replace other contents of that name\n"
    "  --hub URL        hub to ask (PONDER_HUB, or " HUB_DEFAULT_URL ")\n"
    "  -q, --quiet      no progress\n"
    "  -h, --help       this text\n"
    "\n"
    "HF_TOKEN holds the access token for private and gated models. Models are kept\n"
    "in ${PONDER_HOME:-$HOME/.cache/ponder}/models.\n";

/* What is on the screen and how fast it grows. */
typedef struct bar {
    bool terminal;
    bool quiet;
    bool drawn;                      /* a line without its newline */
    double drawn_s;
    double since_s;                  /* start of the rate's window */
    uint64_t since;
    double rate;                     /* bytes a second */
    int tenth;                       /* last tenth told in plain lines */
} bar;

static void bar_clear(bar *b)
{
    if (b->drawn) fputs("\r\033[K", stderr);
    b->drawn = false;
}

/* A window that is halved when full follows changes and does not flicker. */
static void bar_rate(bar *b, uint64_t done)
{
    double span = clock_s() - b->since_s;

    if (done < b->since) {
        b->since = done;
        b->since_s = clock_s();
        b->rate = 0;
        return;
    }
    if (span < 0.5) return;
    b->rate = (double)(done - b->since) / span;
    if (span > 2 * RATE_S) {
        b->since += (uint64_t)((double)(done - b->since) * (1 - RATE_S / span));
        b->since_s += span - RATE_S;
    }
}

static void left_text(double seconds, char out[16])
{
    int s = seconds < 359999 ? (int)seconds : 359999;

    if (s >= 3600) snprintf(out, 16, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else snprintf(out, 16, "%d:%02d", s / 60, s % 60);
}

static void bar_draw(bar *b, const hub_event *e)
{
    double part = e->total ? (double)e->done / (double)e->total : 1;
    char done[16], total[16], rate[16], left[16], tail[96], gauge[41];
    struct winsize size;
    int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? 80 : size.ws_col;
    int room, filled;

    if (clock_s() - b->drawn_s < DRAW_S && e->done < e->total) return;
    b->drawn_s = clock_s();
    hub_size_text(e->done, done);
    hub_size_text(e->total, total);
    hub_size_text((uint64_t)b->rate, rate);
    left_text(b->rate > 0 ? (double)(e->total - e->done) / b->rate : 0, left);
    if (e->kind == HUB_CHECK)
        snprintf(tail, sizeof tail, "%3.0f%%  checking what is here", 100 * part);
    else if (b->rate > 0)
        snprintf(tail, sizeof tail, "%3.0f%%  %s of %s  %s/s  %s left", 100 * part, done, total,
                 rate, left);
    else
        snprintf(tail, sizeof tail, "%3.0f%%  %s of %s", 100 * part, done, total);
    room = width - (int)strlen(tail) - 4;
    if (room > 40) room = 40;
    if (room < 8) room = 0;
    filled = (int)(part * room);
    memset(gauge, '-', sizeof gauge);
    memset(gauge, '#', (size_t)filled);
    if (room) fprintf(stderr, "\r\033[K[%.*s] %s", room, gauge, tail);
    else fprintf(stderr, "\r\033[K%.*s", width - 1, tail);
    fflush(stderr);
    b->drawn = true;
}

/* Without a terminal: one line a file and one for each tenth of a large one. */
static void bar_line(bar *b, const hub_event *e)
{
    int tenth = e->total ? (int)(10 * e->done / e->total) : 10;
    char done[16], total[16];

    if (e->total < 50000000 || tenth <= b->tenth || tenth >= 10) return;
    b->tenth = tenth;
    hub_size_text(e->done, done);
    hub_size_text(e->total, total);
    fprintf(stderr, "%s: %s of %s\n", e->file, done, total);
}

static void bar_event(void *arg, const hub_event *e)
{
    bar *b = arg;
    char done[16], total[16];

    if (b->quiet) return;
    if (e->kind == HUB_BYTES || e->kind == HUB_CHECK) {
        if (e->kind == HUB_BYTES) bar_rate(b, e->done);
        if (b->terminal) bar_draw(b, e);
        else if (e->kind == HUB_BYTES) bar_line(b, e);
        return;
    }
    bar_clear(b);
    hub_size_text(e->done, done);
    hub_size_text(e->total, total);
    if (e->kind == HUB_CHOSEN) {
        fprintf(stderr, "%s\n", e->text);
    } else if (e->kind == HUB_RETRY) {
        fprintf(stderr, "%s\n", e->text);
    } else if (e->kind == HUB_HERE) {
        fprintf(stderr, "%s: here already\n", e->file);
    } else if (e->kind == HUB_DONE) {
        fprintf(stderr, "%s: %s, done\n", e->file, total);
    } else if (e->kind == HUB_START) {
        if (e->done) fprintf(stderr, "%s: going on at %s of %s\n", e->file, done, total);
        b->since = e->done;
        b->since_s = clock_s();
        b->rate = 0;
        b->tenth = e->total ? (int)(10 * e->done / e->total) : 0;
    }
}

/* The first Ctrl-C ends the pull in order, the second ends the program. */
static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGXFSZ, SIG_IGN);        /* a file size limit is an error like a full disk */
}

static int pull(const char *what, hub_options *options, bar *b)
{
    bytes path = { 0 };
    errtext err;
    status st;

    options->report = bar_event;
    options->report_arg = b;
    options->stop = &stop;
    catch_signals();
    st = hub_pull(what, options, &path, &err);
    bar_clear(b);
    if (st == OK) printf("%s\n", path.data);
    else fprintf(stderr, "ponder pull: %s%s\n", err.text,
                 st == E_INTERRUPTED ? "; the same command goes on from there" : "");
    bytes_fini(&path);
    return st == OK ? EXIT_FINE : EXIT_TROUBLE;
}

int cli_pull(int argc, char **argv)
{
    enum { OPT_NAME = 256, OPT_REVISION, OPT_FORCE, OPT_HUB };
    static const struct option long_options[] = {
        { "name", required_argument, NULL, OPT_NAME },
        { "revision", required_argument, NULL, OPT_REVISION },
        { "force", no_argument, NULL, OPT_FORCE },
        { "hub", required_argument, NULL, OPT_HUB },
        { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    hub_options options = { 0 };
    bar b = { .terminal = isatty(STDERR_FILENO) };
    int c;

    optind = 0;                      /* begin anew whatever was parsed before */
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":qh", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_NAME: options.name = optarg; break;
        case OPT_REVISION: options.revision = optarg; break;
        case OPT_FORCE: options.replace = true; break;
        case OPT_HUB: options.hub = optarg; break;
        case 'q': b.quiet = true; break;
        case 'h': fputs(help, stdout); return EXIT_FINE;
        case ':':
            fprintf(stderr, "ponder pull: %s needs a value\n", argv[optind - 1]);
            return EXIT_USAGE;
        default:
            if (optopt > 0 && optopt < 256) fprintf(stderr, "ponder pull: -%c", optopt);
            else fprintf(stderr, "ponder pull: %s", argv[optind - 1]);
            fputs(": no such option (see ponder pull --help)\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (argc - optind != 1) {
        fprintf(stderr, "ponder pull: %s (see ponder pull --help)\n",
                argc == optind ? "which model?" : "one model at a time");
        return EXIT_USAGE;
    }
    return pull(argv[optind], &options, &b);
}
