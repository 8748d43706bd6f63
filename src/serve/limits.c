/* limits.c - token buckets by key. */
#include "serve/limits.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "serve/http_text.h"

#define N_BUCKET 256

typedef struct account {
    struct account *next;
    char *key;
    limit_rates rates;
    double requests, tokens;         /* in the buckets */
    double at_s;                     /* when they were filled up to */
} account;

struct limits {
    pthread_mutex_t lock;
    atomic_int n_owner;
    account *accounts[N_BUCKET];
};

limits *limits_new(void)
{
    limits *l = mem_new(sizeof *l);

    pthread_mutex_init(&l->lock, NULL);
    atomic_init(&l->n_owner, 1);
    return l;
}

limits *limits_share(limits *l)
{
    atomic_fetch_add(&l->n_owner, 1);
    return l;
}

void limits_free(limits *l)
{
    if (!l || atomic_fetch_sub(&l->n_owner, 1) > 1) return;
    for (int i = 0; i < N_BUCKET; i++) {
        for (account *a = l->accounts[i], *next; a; a = next) {
            next = a->next;
            mem_free(a->key);
            mem_free(a);
        }
    }
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

/* Keys come from the operator's file, so their number is bounded by it. */
static account *account_of(limits *l, const char *key, limit_rates rates, double now_s)
{
    unsigned h = 2166136261u;
    account *a;

    for (const char *p = key; *p; p++) h = (h ^ (unsigned char)*p) * 16777619u;
    for (a = l->accounts[h % N_BUCKET]; a; a = a->next)
        if (!strcmp(a->key, key)) break;
    if (!a) {
        a = mem_new(sizeof *a);
        a->key = mem_string(key);
        a->at_s = now_s;
        a->requests = (double)rates.requests;
        a->tokens = (double)rates.tokens;
        a->rates = rates;
        a->next = l->accounts[h % N_BUCKET];
        l->accounts[h % N_BUCKET] = a;
    }
    /* New limits keep what has been used. */
    a->requests += (double)(rates.requests - a->rates.requests);
    a->tokens += (double)(rates.tokens - a->rates.tokens);
    a->rates = rates;
    if (now_s > a->at_s) {
        double s = now_s - a->at_s;

        a->requests = fmin((double)rates.requests, a->requests + s * (double)rates.requests / 60);
        a->tokens = fmin((double)rates.tokens, a->tokens + s * (double)rates.tokens / 60);
        a->at_s = now_s;
    }
    return a;
}

static double wait_s(double missing, int64_t rate)
{
    return rate > 0 && missing > 0 ? missing * 60 / (double)rate : 0;
}

/* A hair of rounding must not refuse a request whose time has come. */
#define SLACK 1e-6

static int64_t whole(double x)
{
    return x > 0 ? (int64_t)floor(x + SLACK) : 0;
}

static void report(const account *a, limit_state *out)
{
    *out = (limit_state){
        .rates = a->rates,
        .remaining_requests = whole(a->requests),
        .remaining_tokens = whole(a->tokens),
        .reset_requests_s = wait_s((double)a->rates.requests - a->requests, a->rates.requests),
        .reset_tokens_s = wait_s((double)a->rates.tokens - a->tokens, a->rates.tokens),
    };
}

static bool refuse(api_error *e, const char *what, int64_t limit, int64_t asked, double used,
                   double wait)
{
    char text[32];

    text_duration(text, wait);
    error_set(e, 429, what, "rate_limit_exceeded", NULL,
              "Rate limit reached on %s per min: Limit %lld, Used %lld, Requested %lld. "
              "Please try again in %s.", what, (long long)limit, (long long)used,
              (long long)asked, text);
    e->retry_after_s = wait;
    return false;
}

static bool check_tokens(const account *a, int64_t tokens, api_error *e)
{
    double need = tokens > 0 ? (double)tokens : 1;

    if (a->rates.tokens <= 0 || a->tokens + SLACK >= need) return true;
    if (tokens > a->rates.tokens) {
        error_set(e, 429, "tokens", "rate_limit_exceeded", NULL,
                  "Request too large: Limit %lld tokens per min, Requested %lld. The input or "
                  "output tokens must be reduced in order to run successfully.",
                  (long long)a->rates.tokens, (long long)tokens);
        e->never_retry = true;
        return false;
    }
    return refuse(e, "tokens", a->rates.tokens, tokens, (double)a->rates.tokens - a->tokens,
                  wait_s(need - a->tokens, a->rates.tokens));
}

bool limits_take(limits *l, const char *key, limit_rates rates, int64_t tokens, double now_s,
                 limit_state *state, api_error *e)
{
    bool ok = true;
    account *a;

    pthread_mutex_lock(&l->lock);
    a = account_of(l, key, rates, now_s);
    if (rates.requests > 0 && a->requests + SLACK < 1)
        ok = refuse(e, "requests", rates.requests, 1, (double)rates.requests - a->requests,
                    wait_s(1 - a->requests, rates.requests));
    if (ok) ok = check_tokens(a, tokens, e);
    if (ok) {
        a->requests -= 1;
        a->tokens -= (double)tokens;
    }
    report(a, state);
    pthread_mutex_unlock(&l->lock);
    return ok;
}

bool limits_take_tokens(limits *l, const char *key, limit_rates rates, int64_t tokens,
                        double now_s, limit_state *state, api_error *e)
{
    bool ok;
    account *a;

    pthread_mutex_lock(&l->lock);
    a = account_of(l, key, rates, now_s);
    ok = check_tokens(a, tokens, e);
    if (ok) a->tokens -= (double)tokens;
    report(a, state);
    pthread_mutex_unlock(&l->lock);
    return ok;
}

void limits_settle(limits *l, const char *key, limit_rates rates, int64_t tokens, double now_s)
{
    account *a;

    pthread_mutex_lock(&l->lock);
    a = account_of(l, key, rates, now_s);
    a->tokens = fmin((double)rates.tokens, a->tokens - (double)tokens);
    pthread_mutex_unlock(&l->lock);
}
