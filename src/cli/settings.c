/* settings.c - what ask and chat let a user choose. */
#include "cli/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "model/hub.h"
#include "model/model.h"
#include "reason/scope.h"

const char settings_help[] =
    "  -m, --model M        path, or name of a model on disk (default: PONDER_MODEL,\n"
    "                       else the newest one, else ponder-nano, which comes with the\n"
    "                       program; ponder models lists them)\n"
    "  -e, --effort E       none, minimal, low, medium, high or xhigh: at most 0, 64,\n"
    "                       256, 1024, 4096 or 16384 tokens of thinking (medium)\n"
    "  -b, --budget N       tokens of thinking, instead of an effort; 0: none\n"
    "      --min-think N    tokens of thinking before it may end (0)\n"
    "      --wait N         times to say \"Wait\" when thinking would end early (0)\n"
    "      --max-tokens N   thinking and answer together (the budget and 4096)\n"
    "      --temperature T  0 to 100; 0 takes the most probable token always\n"
    "      --top-p P, --top-k K, --min-p P\n"
    "                       leave out improbable tokens (1, 0 and 0: none); the\n"
    "                       defaults of these and T are those of the model's makers\n"
    "      --seed S         repeats an answer to the letter (default: random)\n"
    "      --stop S         end the answer before S; may be given more than once\n"
    "  -s, --system TEXT    system prompt\n"
    "      --show-thinking, --fold, --hide-thinking\n"
    "                       thinking as it comes (default), as one line, or not at all\n"
    "      --anyway         let ponder-nano answer what it was not made for, too\n"
    "      --threads N      processors to use (all)\n"
    "  -h, --help           this text\n";

/* 53 bits, which every reader of JSON keeps exactly. */
static uint64_t random_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)(clock_s() * 1e9) * 0x9e3779b97f4a7c15u;
    return seed >> 11;
}

void settings_init(settings *s)
{
    *s = (settings){ .effort = EFFORT_MEDIUM, .budget = ASK_BUDGET_BY_EFFORT, .samples = 1,
                     .sampler = sampler_defaults() };
    s->sampler.seed = random_seed();
}

void settings_fini(settings *s)
{
    text_list_fini(&s->stop);
}

static bool parse_effort(const char *text, void *to)
{
    return effort_parse(text, to);
}

int settings_options(settings *s, option_spec table[SETTINGS_MAX_OPTION])
{
    sampler_options *o = &s->sampler;
    const option_spec all[] = {
        { .name = "model", .letter = 'm', .kind = OPTION_TEXT, .to = &s->model },
        { .name = "effort", .letter = 'e', .kind = OPTION_WORD, .to = &s->effort,
          .given = &s->effort_given, .parse = parse_effort,
          .expected = "one of none, minimal, low, medium, high, xhigh" },
        { .name = "budget", .letter = 'b', .kind = OPTION_INT, .to = &s->budget,
          .high = ASK_MAX_TOKENS, .given = &s->budget_given },
        { .name = "min-think", .kind = OPTION_INT, .to = &s->min_think, .high = ASK_MAX_TOKENS },
        { .name = "wait", .kind = OPTION_INT, .to = &s->wait, .high = ASK_MAX_WAIT },
        { .name = "max-tokens", .kind = OPTION_INT, .to = &s->max_tokens, .low = 1,
          .high = ASK_MAX_TOKENS },
        { .name = "temperature", .letter = 't', .kind = OPTION_REAL, .to = &o->temperature,
          .high = SAMPLER_MAX_TEMPERATURE, .given = &s->given.temperature },
        { .name = "top-p", .kind = OPTION_REAL, .to = &o->top_p, .high = 1,
          .given = &s->given.top_p },
        { .name = "top-k", .kind = OPTION_INT, .to = &o->top_k, .high = 1 << 24,
          .given = &s->given.top_k },
        { .name = "min-p", .kind = OPTION_REAL, .to = &o->min_p, .high = 1,
          .given = &s->given.min_p },
        { .name = "seed", .kind = OPTION_SEED, .to = &o->seed, .given = &s->given.seed },
        { .name = "stop", .kind = OPTION_TEXTS, .to = &s->stop },
        { .name = "system", .letter = 's', .kind = OPTION_TEXT, .to = &s->system },
        { .name = "threads", .kind = OPTION_INT, .to = &s->threads, .low = 1, .high = 1024 },
        { .name = "anyway", .kind = OPTION_FLAG, .to = &s->anyway },
        { .name = "show-thinking", .kind = OPTION_FLAG, .to = &s->show },
        { .name = "fold", .kind = OPTION_FLAG, .to = &s->fold },
        { .name = "hide-thinking", .kind = OPTION_FLAG, .to = &s->hide },
    };

    _Static_assert(sizeof all / sizeof *all <= SETTINGS_MAX_OPTION, "room in the table");
    memcpy(table, all, sizeof all);
    return (int)(sizeof all / sizeof *all);
}

bool settings_check(const settings *s, const char *command)
{
    const char *text = NULL;

    if (s->budget_given && s->effort_given)
        text = "--effort and --budget both say how long to think: give one";
    else if (s->budget_given && s->min_think > s->budget)
        text = "--min-think is above --budget";
    else if (s->effort_given && s->effort == EFFORT_NONE && s->min_think)
        text = "--min-think does not go with --effort none";
    else if (s->show + s->fold + s->hide > 1)
        text = "--show-thinking, --fold and --hide-thinking: give one";
    if (text) fprintf(stderr, "%s: %s (see %s --help)\n", command, text, command);
    return !text;
}

view_thinking settings_thinking(const settings *s)
{
    return s->fold ? VIEW_FOLD : s->hide ? VIEW_HIDE : VIEW_SHOW;
}

static render_date today(void)
{
    time_t now = time(NULL);
    struct tm day;

    if (!localtime_r(&now, &day)) return (render_date){ 0 };
    return (render_date){ day.tm_year + 1900, day.tm_mon + 1, day.tm_mday };
}

ask_request settings_request(const settings *s, const reasoner *r, const chat *c)
{
    ask_request q = ask_defaults(r, c);
    bool thinking = s->budget_given ? s->budget > 0 : s->effort != EFFORT_NONE;

    q.effort = s->effort;
    q.budget = s->budget;
    q.min_think = s->min_think;
    q.max_wait = s->wait;
    q.max_tokens = s->max_tokens;
    q.samples = s->samples;
    q.sampler = ask_sampler(reasoner_family(r), thinking, s->samples);
    if (s->given.temperature) q.sampler.temperature = s->sampler.temperature;
    if (s->given.top_p) q.sampler.top_p = s->sampler.top_p;
    if (s->given.top_k) q.sampler.top_k = s->sampler.top_k;
    if (s->given.min_p) q.sampler.min_p = s->sampler.min_p;
    q.sampler.seed = s->sampler.seed;
    q.stop = s->stop.items;
    q.n_stop = s->stop.n;
    q.date = today();
    return q;
}

/* Where nothing was named and nothing is there, the demo's model is the one
 * that comes without the hub. */
static status find_model(const char *name, bytes *path, errtext *err)
{
    const char *env = getenv("PONDER_MODEL");
    errtext why;
    status st = hub_find(name, path, &why);

    if (st == OK) return OK;
    if (st == E_IO && !name && !(env && *env))
        return fail(err, st, "%s, or run make demo for a small one", why.text);
    return fail(err, st, "%s", why.text);
}

status settings_open(const settings *s, const char *name, reasoner **out, bytes *path,
                     errtext *err)
{
    reasoner_options o = reasoner_defaults();
    const char *warning;
    status st;

    *out = NULL;
    bytes_clear(path);
    if ((st = find_model(name, path, err)) != OK) return st;
    o.n_thread = s->threads;
    if ((st = reasoner_open(out, path->data, &o, &warning, err)) != OK) return st;
    if (warning) fprintf(stderr, "warning: %s\n", warning);
    return OK;
}

/* Whoever trains a model of their own with these turns gives it a name of its own. */
bool settings_is_nano(const reasoner *r)
{
    return reasoner_family(r) == RENDER_NANO &&
           hub_is_nano(model_config(reasoner_model(r))->name);
}

bool settings_in_scope(const settings *s, const reasoner *r, const chat *c, bytes *why)
{
    scope *known;
    bool in;

    if (s->anyway || !settings_is_nano(r)) return true;
    known = scope_new();
    in = scope_of_chat(known, c) != NULL;
    scope_free(known);
    if (in) return true;
    scope_explain(why, "ponder-nano");
    bytes_add_string(why, " Anything else is for a larger model: make demo fetches a small one, "
                     "ponder pull others. With --anyway it answers all the same.");
    return false;
}

void model_short_name(const char *path, bytes *out)
{
    size_t len = strlen(path), start;

    while (len > 1 && path[len - 1] == '/') len--;
    for (start = len; start > 0 && path[start - 1] != '/';) start--;
    if (len - start > 5 && !memcmp(path + len - 5, ".gguf", 5)) len -= 5;
    bytes_add(out, path + start, len - start);
}
