/* reasoner.c - loading a model with all that speaks for it.
 *
 * The tokenizer is built on a thread of its own while the weights are packed:
 * both read the mapped files, neither needs the other, and a first answer
 * waits for both. */
#include <pthread.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "reason/ask_internal.h"
#include "token/segment.h"

#define MAX_THREAD 1024

/* ------------------------------------------------------------------- effort */

static const struct { const char *name; int budget; } efforts[EFFORT_N] = {
    [EFFORT_NONE] = { "none", 0 }, [EFFORT_MINIMAL] = { "minimal", 64 },
    [EFFORT_LOW] = { "low", 256 }, [EFFORT_MEDIUM] = { "medium", 1024 },
    [EFFORT_HIGH] = { "high", 4096 }, [EFFORT_XHIGH] = { "xhigh", 16384 },
};

const char *effort_name(effort e)
{
    return efforts[e].name;
}

int effort_budget(effort e)
{
    return efforts[e].budget;
}

bool effort_parse(const char *name, effort *out)
{
    for (int e = 0; e < EFFORT_N; e++)
        if (!strcmp(efforts[e].name, name)) {
            *out = (effort)e;
            return true;
        }
    return false;
}

/* ----------------------------------------------------------------- sampling */

/* The makers' own settings: generation_config.json and model cards of Qwen3
 * and its 2507 releases, Qwen2.5-Instruct, SmolLM2-Instruct, SmolLM3,
 * Llama-3.x-Instruct and DeepSeek-R1. A ChatML model of unknown make gets what
 * most of them agree on. Our own was measured at 0, 0.3, 0.6 and 1: greedy repeats
 * failed attempts of a search (Countdown of 3 and 4 numbers, 64 problems each: 61
 * and 12 % right at 0, 72 and 22 % at 0.3, 73 and 27 % at 0.6), and heat costs
 * steps (chains of 4: 88, 86 and 81 %). */
sampler_options ask_sampler(render_family f, bool thinking, int samples)
{
    sampler_options o = sampler_defaults();

    o.temperature = 0.6f;
    o.top_p = 0.95f;
    switch (f) {
    case RENDER_SMOLLM2:
        o.temperature = 0.2f;
        o.top_p = 0.9f;
        break;
    case RENDER_QWEN3_INSTRUCT:
        o.temperature = 0.7f;
        o.top_p = 0.8f;
        o.top_k = 20;
        break;
    case RENDER_QWEN3:
    case RENDER_QWEN3_THINKING:
        o.top_k = 20;
        if (thinking) break;
        o.temperature = 0.7f;
        o.top_p = 0.8f;
        break;
    case RENDER_QWEN25:
        o.temperature = 0.7f;
        o.top_p = 0.8f;
        o.top_k = 20;
        o.repeat_penalty = 1.05f;
        break;
    case RENDER_LLAMA3:
    case RENDER_LLAMA31:
        o.top_p = 0.9f;
        break;
    case RENDER_NANO:
        o.temperature = 0.3f;
        o.top_p = 1;
        break;
    default:
        break;
    }
    if (samples > 1 && o.temperature < 0.6f) o.temperature = 0.6f;
    return o;
}

/* -------------------------------------------------------------------- style */

static token_text printed(const void *arg, int32_t id)
{
    const tokenizer *t = arg;

    if (tokenizer_kind(t, id) == TOKEN_CONTROL) return (token_text){ "", 0 };
    return tokenizer_text(t, id);
}

/* The ids of a text of ours that will stand in the middle of others: a first
 * id, dropped again, keeps a beginning-of-text token away. */
static status encode_inner(const tokenizer *t, const char *text, int32_t **ids, id_list *out,
                           errtext *err)
{
    segments s = { 0 };
    int n = 1;
    status st;

    *ids = mem_new(sizeof **ids);
    segments_trusted(&s, text);
    st = tokenizer_encode(t, &s, 1 + PHASE_MAX_IDS, ids, &n, err);
    *out = (id_list){ *ids + 1, n - 1 };
    segments_fini(&s);
    return st;
}

static marker_spec mark(const tokenizer *t, const char *text)
{
    return (marker_spec){ text, text ? tokenizer_special(t, text) : -1 };
}

/* How this family thinks and calls, in the ids of this tokenizer. */
static status style_new(phase_style **out, const tokenizer *t, render_family f, errtext *err)
{
    const think_style *think = render_think_style(f);
    const call_style *call = render_call_style(f);
    int32_t *close = NULL, *open = NULL, *wait = NULL, end[PHASE_MAX_IDS];
    phase_spec spec = {
        .n_vocab = tokenizer_size(t), .bytes = printed, .bytes_arg = t,
        .think_open = mark(t, think->open), .think_close = mark(t, think->close),
        .tool_open = mark(t, call->open), .tool_close = mark(t, call->close),
        .end = { end, 0 },
    };
    status st;

    for (int32_t id = 0; id < spec.n_vocab && spec.end.n < PHASE_MAX_IDS; id++)
        if (tokenizer_is_end(t, id)) end[spec.end.n++] = id;
    if ((st = encode_inner(t, think->close_forced, &close, &spec.force_close, err)) == OK &&
        (st = encode_inner(t, think->open_forced, &open, &spec.force_open, err)) == OK &&
        (st = encode_inner(t, "Wait", &wait, &spec.wait, err)) == OK)
        st = phase_style_new(out, &spec, err);
    mem_free(close);
    mem_free(open);
    mem_free(wait);
    return st;
}

/* ------------------------------------------------------------------ loading */

/* What is built beside the packing of the weights. */
typedef struct language {
    const weights *w;
    tokenizer *tokenizer;
    render_family family;
    const char *warning;
    phase_style *style;
    status st;
    errtext err;
} language;

static void *language_build(void *arg)
{
    language *l = arg;

    if ((l->st = weights_tokenizer(l->w, &l->tokenizer, &l->err)) != OK) return NULL;
    l->family = render_recognise(weights_chat_template(l->w), l->tokenizer, &l->warning);
    l->st = style_new(&l->style, l->tokenizer, l->family, &l->err);
    return NULL;
}

static status load(reasoner *r, const weights *w, const reasoner_options *o, errtext *err)
{
    language l = { .w = w };
    pthread_t thread;
    bool beside = pthread_create(&thread, NULL, language_build, &l) == 0;
    const char *more;
    bytes warning = { 0 };
    status st;

    r->threads = pool_new(o->n_thread ? o->n_thread : cpu_count());
    st = model_new(&r->model, w, o->type, r->threads, err);
    if (beside) pthread_join(thread, NULL);
    else language_build(&l);
    r->tokenizer = l.tokenizer;
    r->style = l.style;
    r->family = l.family;
    if (st != OK) return st;
    if (l.st != OK) return fail(err, l.st, "%s", l.err.text);
    if (l.warning) bytes_add_string(&warning, l.warning);
    if ((more = tokenizer_warning(l.tokenizer)) != NULL)
        bytes_add_format(&warning, "%s%s", warning.len ? "; " : "", more);
    r->warning = warning.len ? bytes_take(&warning) : NULL;
    return OK;
}

reasoner_options reasoner_defaults(void)
{
    return (reasoner_options){ .type = MODEL_KEEP_TYPES };
}

status reasoner_open(reasoner **out, const char *path, const reasoner_options *options,
                     const char **warning, errtext *err)
{
    reasoner *r = mem_new(sizeof *r);
    weights *w = NULL;
    status st = OK;

    *out = NULL;
    *warning = NULL;
    if (options->n_thread < 0 || options->n_thread > MAX_THREAD)
        st = fail(err, E_ARG, "threads: %d is not in 0 to %d", options->n_thread, MAX_THREAD);
    if (st == OK) st = weights_open(&w, path, err);
    if (st == OK) st = load(r, w, options, err);
    if (st == OK) st = weights_intact(w, err);
    weights_close(w);
    if (st == OK)
        st = engine_new(&r->engine, r->model, r->tokenizer, r->threads, &options->engine, err);
    if (st != OK) {
        reasoner_close(r);
        return st;
    }
    *warning = r->warning;
    *out = r;
    return OK;
}

void reasoner_close(reasoner *r)
{
    if (!r) return;
    engine_free(r->engine);
    phase_style_free(r->style);
    tokenizer_free(r->tokenizer);
    model_free(r->model);
    pool_free(r->threads);
    mem_free(r->warning);
    mem_free(r);
}

engine *reasoner_engine(reasoner *r) { return r->engine; }
const tokenizer *reasoner_tokenizer(const reasoner *r) { return r->tokenizer; }
const model *reasoner_model(const reasoner *r) { return r->model; }
model *reasoner_model_mutable(reasoner *r) { return r->model; }
pool *reasoner_pool(reasoner *r) { return r->threads; }
render_family reasoner_family(const reasoner *r) { return r->family; }
int reasoner_threads(const reasoner *r) { return pool_threads(r->threads); }
