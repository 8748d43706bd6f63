/* bench.c - ponder bench: tokens per second of the forward pass, beside what
 * the machine allows. With --worker it answers commands line by line, so that
 * a driver can let another engine take turns (bench/peer_llamacpp.py states
 * the protocol). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "model/hub.h"
#include "model/model.h"
#include "tensor/internal.h"
#include "tensor/measure.h"

#define PROMPT 16            /* tokens before the timed steps of a decode */
#define UNTIMED 4

static const char usage[] =
    "usage: ponder bench [--model NAME|PATH] [--threads N] [--worker]\n"
    "\n"
    "Prints tokens per second for a prompt of 512 tokens and for 1, 16 and 64\n"
    "sequences, with the share of this machine's read bandwidth and integer peak.\n"
    "\n"
    "  --model M     a model's name or path (default: as for ask)\n"
    "  --type T      convert the weights to this type first (F32, BF16, Q8_0, ...)\n"
    "  --threads N   threads to use (default: all processors)\n"
    "  --worker      answer commands on standard input, one line each\n";

struct bench {
    pool *threads;
    model *m;
    workspace *ws;
    int ws_rows, ws_out;
    char path[1024];
};

static int32_t token(const struct bench *b, int k)
{
    return (int32_t)((int64_t)k * 7919 % model_config(b->m)->n_vocab);
}

static void want_workspace(struct bench *b, int rows, int out)
{
    if (b->ws && b->ws_rows >= rows && b->ws_out >= out) return;
    workspace_free(b->ws);
    b->ws_rows = rows > b->ws_rows ? rows : b->ws_rows;
    b->ws_out = out > b->ws_out ? out : b->ws_out;
    b->ws = workspace_new(b->m, b->ws_rows, b->ws_out);
}

/* Tokens per second of a prompt of n tokens in passes of at most 512 rows. */
static double prefill(struct bench *b, int n)
{
    int n_page = (n + KV_PAGE - 1) / KV_PAGE;
    kv_cache *kv = model_kv_new(b->m, n_page);
    int32_t *ids = mem_array((size_t)n, sizeof *ids);
    int32_t *pages = mem_array((size_t)n_page, sizeof *pages);
    double start;

    for (int i = 0; i < n; i++) ids[i] = token(b, i);
    for (int i = 0; i < n_page; i++) pages[i] = i;
    want_workspace(b, n < 512 ? n : 512, 1);
    start = clock_s();
    for (int at = 0; at < n; at += 512) {
        int rows = n - at < 512 ? n - at : 512;
        attend_run run = { pages, at, rows, 0 };
        int32_t last = rows - 1;
        forward_batch fb = { rows, ids + at, 1, &run, at + rows == n, &last };

        model_forward(b->m, b->ws, kv, b->threads, &fb);
    }
    start = clock_s() - start;
    mem_free(ids);
    mem_free(pages);
    kv_free(kv);
    return n / start;
}

/* Tokens per second of n_seq sequences over n_step steps. */
static double decode(struct bench *b, int n_seq, int n_step)
{
    int n_page = (PROMPT + UNTIMED + n_step + KV_PAGE - 1) / KV_PAGE;
    kv_cache *kv = model_kv_new(b->m, n_seq * n_page);
    int32_t *pages = mem_array((size_t)(n_seq * n_page), sizeof *pages);
    int32_t *ids = mem_array((size_t)(n_seq * PROMPT), sizeof *ids);
    int32_t *out = mem_array((size_t)n_seq, sizeof *out);
    attend_run *runs = mem_array((size_t)n_seq, sizeof *runs);
    double start = 0;

    for (int i = 0; i < n_seq * n_page; i++) pages[i] = i;
    for (int i = 0; i < n_seq * PROMPT; i++) ids[i] = token(b, i);
    want_workspace(b, n_seq * PROMPT, n_seq);
    for (int s = 0; s < n_seq; s++) {
        runs[s] = (attend_run){ pages + s * n_page, 0, PROMPT, s * PROMPT };
        out[s] = s * PROMPT + PROMPT - 1;
    }
    for (int step = -1; step < UNTIMED + n_step; step++) {
        forward_batch fb = { step < 0 ? n_seq * PROMPT : n_seq, ids, n_seq, runs, n_seq, out };

        if (step == UNTIMED) start = clock_s();
        model_forward(b->m, b->ws, kv, b->threads, &fb);
        for (int s = 0; s < n_seq; s++) {
            ids[s] = token(b, n_seq * PROMPT + (step + 1) * n_seq + s);
            runs[s].first_pos = PROMPT + step + 1;
            runs[s].n_row = 1;
            runs[s].row = s;
            out[s] = s;
        }
    }
    start = clock_s() - start;
    mem_free(pages);
    mem_free(ids);
    mem_free(out);
    mem_free(runs);
    kv_free(kv);
    return n_seq * (double)n_step / start;
}

static double peak_rss_mib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lf", &kib) == 1) break;
    if (f) fclose(f);
    return kib / 1024;
}

static int worker(struct bench *b)
{
    char line[256], last[256] = "";

    printf("ready ponder level=%s threads=%d\n", cpu_level_name(tensor_level()),
           pool_threads(b->threads));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        int n, m;

        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "prefill %d", &n) == 1 && n > 0 && n <= 1 << 20) {
            if (strcmp(line, last)) prefill(b, n);
            printf("prefill %d %.3f\n", n, prefill(b, n));
        } else if (sscanf(line, "decode %d %d", &n, &m) == 2 && n > 0 && n <= 4096 && m > 0 &&
                   m <= 1 << 20) {
            printf("decode %d %d %.3f\n", n, m, decode(b, n, m));
        } else if (!strcmp(line, "rss")) {
            printf("rss %.1f\n", peak_rss_mib());
        } else if (!strcmp(line, "bandwidth")) {
            size_t size = model_token_bytes(b->m);

            printf("bandwidth %zu %.3f\n", size, measure_read(b->threads, size) / 1e9);
        } else if (!strcmp(line, "quit")) {
            break;
        } else {
            printf("error unknown command: %.100s\n", line);
        }
        snprintf(last, sizeof last, "%s", line);
        fflush(stdout);
    }
    return EXIT_FINE;
}

static double best_of(double (*run)(struct bench *, int, int), struct bench *b, int x, int y)
{
    double best = 0;

    for (int i = 0; i < 3; i++) {
        double v = run(b, x, y);

        best = v > best ? v : best;
    }
    return best;
}

static double prefill_two(struct bench *b, int n, int unused)
{
    (void)unused;
    return prefill(b, n);
}

static void report(struct bench *b)
{
    double read = measure_read(b->threads, model_token_bytes(b->m));
    double peak = measure_int8(b->threads);
    double ops = 2 * model_token_ops(b->m), read_bytes = (double)model_token_bytes(b->m);
    const int batch[] = { 1, 16, 64 };
    double rate;

    printf("%s, %d threads, %s kernels\n", cpu_model(), pool_threads(b->threads),
           cpu_level_name(tensor_level()));
    printf("%s: %.1f MB of weights, %.1f MB a token\n", b->path, (double)model_bytes(b->m) / 1e6,
           read_bytes / 1e6);
    printf("machine: reads %.1f GB/s at that size, %.2f Tops/s 8-bit from registers\n\n",
           read / 1e9, peak / 1e12);
    rate = best_of(prefill_two, b, 512, 0);
    printf("%-22s %10.1f tokens/s   %5.1f %% of the integer peak\n", "prompt of 512", rate,
           100 * rate * ops / peak);
    for (int i = 0; i < 3; i++) {
        char name[32];

        rate = best_of(decode, b, batch[i], 64);
        snprintf(name, sizeof name, "%d sequence%s", batch[i], batch[i] > 1 ? "s" : "");
        printf("%-22s %10.1f tokens/s   %5.1f %% of the peak, %5.1f %% of the bandwidth\n",
               name, rate, 100 * rate * ops / peak, 100 * rate / batch[i] * read_bytes / read);
    }
    printf("\npeak resident memory   %10.1f MiB\n", peak_rss_mib());
}

static int trouble(const char *text)
{
    fprintf(stderr, "ponder bench: %s\n", text);
    return EXIT_TROUBLE;
}

int cli_bench(int argc, char **argv)
{
    struct bench b = { 0 };
    const char *name = NULL;
    int n_thread = cpu_count(), type = MODEL_KEEP_TYPES, as_worker = 0, code = EXIT_TROUBLE;
    bytes path = { 0 };
    weights *w = NULL;
    errtext err;

    for (int i = 1; i < argc; i++) {
        dtype t;

        if (!strcmp(argv[i], "--help")) {
            fputs(usage, stdout);
            return EXIT_FINE;
        }
        if (!strcmp(argv[i], "--worker")) {
            as_worker = 1;
        } else if (!strcmp(argv[i], "--model") && i + 1 < argc) {
            name = argv[++i];
        } else if (!strcmp(argv[i], "--type") && i + 1 < argc && dtype_parse(argv[i + 1], &t)) {
            type = (int)t;
            i++;
        } else if (!strcmp(argv[i], "--threads") && i + 1 < argc && atoi(argv[i + 1]) > 0 &&
                   atoi(argv[i + 1]) <= 1024) {
            n_thread = atoi(argv[++i]);
        } else {
            fprintf(stderr, "ponder bench: bad or incomplete option %s\n%s", argv[i], usage);
            return EXIT_USAGE;
        }
    }
    if (hub_find(name, &path, &err) != OK) return trouble(err.text);
    snprintf(b.path, sizeof b.path, "%s", path.data);
    bytes_fini(&path);
    b.threads = pool_new(n_thread);
    if (weights_open(&w, b.path, &err) == OK &&
        model_new(&b.m, w, type, b.threads, &err) == OK) {
        weights_close(w);
        w = NULL;
        code = EXIT_FINE;
        if (as_worker) worker(&b);
        else report(&b);
    } else if (as_worker) {
        printf("error %s\n", err.text);
    } else {
        trouble(err.text);
    }
    weights_close(w);
    workspace_free(b.ws);
    model_free(b.m);
    pool_free(b.threads);
    return code;
}
