/* serve.c - ponder serve: models behind the reasoning API. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/settings.h"
#include "model/hub.h"
#include "serve/completions.h"
#include "serve/responses.h"
#include "serve/server.h"

static const char command[] = "ponder serve";

static const char help[] =
    "usage: ponder serve [options]\n"
    "\n"
    "Serve models over HTTP to programs written for the hosted reasoning models:\n"
    "point their base URL at http://HOST:PORT/v1. SIGTERM and Ctrl-C end it after the\n"
    "requests that run.\n"
    "\n"
    "  -m, --model NAME[=PATH]\n"
    "                       a model, by path or name as ponder ask takes it, and the\n"
    "                       name clients know it by; may be given more than once\n"
    "                       (default: PONDER_MODEL, the newest on disk or the one that\n"
    "                       came with the program)\n"
    "      --alias A=NAME[:strict|:permissive]\n"
    "                       another name for a model; may be given more than once. o1,\n"
    "                       o1-mini, o1-preview and o3-mini are aliases of the first\n"
    "                       model unless given away\n"
    "      --profile P      of aliases: permissive allows what the model can do (default),\n"
    "                       strict refuses what the hosted model of that name refuses\n"
    "      --port N         port (8080); 0: any that is free\n"
    "      --host ADDRESS   address to listen at (127.0.0.1)\n"
    "      --keys FILE      JSON file of API keys; without it, no key is asked for\n"
    "      --open           without keys, listen to more than this machine\n"
    "      --name HOST      another name this server is called by, without keys; may be\n"
    "                       given more than once\n"
    "      --origin URL     a web page's origin that may call; may be given more than\n"
    "                       once, * allows all\n"
    "      --data DIR       where responses, files and batches are kept\n"
    "                       (${PONDER_HOME:-$HOME/.cache/ponder}/serve)\n"
    "      --no-data        keep nothing\n"
    "      --show-reasoning send thoughts to every client, as reasoning_content\n"
    "      --context N      most tokens of a request, thoughts and answer included\n"
    "      --drain S        seconds that requests have to end after a stop (30)\n"
    "      --threads N      processors to use (all)\n"
    "  -h, --help           this text\n";

typedef struct serving {
    text_list model_list, aliases, origins, hosts;
    const char *host, *keys, *data;
    profile_kind profile;
    int port, context, threads;
    float drain_s;
    bool open, no_data, show_reasoning;
    api api;
    server *server;
} serving;

static bool parse_profile(const char *text, void *to)
{
    profile_kind *p = to;

    *p = !strcmp(text, "strict") ? PROFILE_STRICT : PROFILE_PERMISSIVE;
    return *p == PROFILE_STRICT || !strcmp(text, "permissive");
}

static int trouble(const char *text)
{
    fprintf(stderr, "%s: %s\n", command, text);
    return EXIT_TROUBLE;
}

/* ------------------------------------------------------------------- models */

/* "NAME=PATH", where NAME is no path itself; else a path or a name for hub_find. */
static status add_model(serving *v, const char *spec, errtext *err)
{
    const char *equals = spec ? strchr(spec, '=') : NULL;
    reasoner_options o = reasoner_defaults();
    bytes name = { 0 }, path = { 0 };
    const char *warning = NULL;
    status st;

    if (equals && memchr(spec, '/', (size_t)(equals - spec))) equals = NULL;
    st = hub_find(equals ? equals + 1 : spec, &path, err);
    if (st == OK && equals) bytes_add(&name, spec, (size_t)(equals - spec));
    else if (st == OK) model_short_name(path.data, &name);
    o.n_thread = v->threads;
    o.engine.n_ctx = v->context;
    if (st == OK)
        st = models_add(v->api.models, name.data ? name.data : "", path.data, &o, &warning, err);
    if (st == OK && warning) fprintf(stderr, "warning: %s: %s\n", name.data, warning);
    bytes_fini(&name);
    bytes_fini(&path);
    return st;
}

/* "ALIAS=NAME[:PROFILE]"; a name may hold colons itself. */
static status add_alias(serving *v, const char *spec, errtext *err)
{
    const char *equals = strchr(spec, '='), *colon = strrchr(spec, ':');
    profile_kind kind = v->profile;
    char *alias, *target;
    status st;

    if (!equals || equals == spec || !equals[1])
        return fail(err, E_ARG, "--alias %.100s: ALIAS=NAME is expected", spec);
    if (colon && colon > equals && !parse_profile(colon + 1, &kind)) {
        colon = NULL;
        kind = v->profile;
    }
    alias = mem_string(spec);
    alias[equals - spec] = 0;
    target = alias + (equals - spec) + 1;
    if (colon && colon > equals) alias[colon - spec] = 0;
    st = models_alias(v->api.models, alias, target, kind, err);
    mem_free(alias);
    return st;
}

static status add_models(serving *v, errtext *err)
{
    status st = OK;

    if (!v->model_list.n) st = add_model(v, NULL, err);
    for (int i = 0; i < v->model_list.n && st == OK; i++)
        st = add_model(v, v->model_list.items[i], err);
    for (int i = 0; i < v->aliases.n && st == OK; i++)
        st = add_alias(v, v->aliases.items[i], err);
    if (st == OK) models_alias_known(v->api.models, v->profile);
    return st;
}

/* --------------------------------------------------------------------- start */

static status default_data(bytes *path, errtext *err)
{
    status st = hub_dir(path, err);          /* .../models */

    while (path->len && path->data[path->len - 1] != '/') path->len--;
    if (path->data) path->data[path->len] = 0;
    bytes_add_string(path, "serve");
    return st;
}

static status open_store(serving *v, errtext *err)
{
    bytes path = { 0 };
    status st = OK;

    if (v->no_data) return OK;
    if (v->data) bytes_add_string(&path, v->data);
    else st = default_data(&path, err);
    if (st == OK)
        st = store_open(&v->api.store, path.data, &(store_options){ .exclusive = true }, err);
    bytes_fini(&path);
    return st;
}

static status start(serving *v, errtext *err)
{
    const server_options o = {
        .host = v->host, .port = v->port, .keys_path = v->keys, .open = v->open,
        .origins = v->origins.items, .n_origin = v->origins.n, .hosts = v->hosts.items,
        .n_host = v->hosts.n, .drain_s = v->drain_s, .on_metrics = api_metrics, .arg = &v->api,
        .log_level = LOG_NOTE,
    };
    status st = server_new(&v->server, &o, err);

    if (st != OK) return st;
    completions_route(v->server, &v->api);
    responses_route(v->server, &v->api);
    return server_start(v->server, err);
}

static void say_where(const serving *v)
{
    const served_name *n;

    printf("Serving");
    for (int i = 0; (n = models_at(v->api.models, i)); i++)
        if (!strcmp(n->name, n->model->name)) printf("%s %s", i ? "," : "", n->name);
    printf(" at http://%s:%d/v1\n", v->host ? v->host : "127.0.0.1", server_port(v->server));
    fflush(stdout);
}

static int run(serving *v)
{
    int code = EXIT_FINE;
    errtext err;

    if (sodium_init() < 0) return trouble("libsodium does not start");
    v->api.models = models_new();
    v->api.show_reasoning = v->show_reasoning;
    if (open_store(v, &err) != OK || add_models(v, &err) != OK || start(v, &err) != OK) {
        code = trouble(err.text);
    } else {
        server_stop_on_signals(v->server);
        say_where(v);
        server_wait(v->server);
    }
    models_stop(v->api.models);
    server_free(v->server);
    models_free(v->api.models);
    store_close(v->api.store);
    return code;
}

int cli_serve(int argc, char **argv)
{
    serving v = { .port = 8080, .drain_s = 30 };
    const option_spec table[] = {
        { .name = "model", .letter = 'm', .kind = OPTION_TEXTS, .to = &v.model_list },
        { .name = "alias", .kind = OPTION_TEXTS, .to = &v.aliases },
        { .name = "profile", .kind = OPTION_WORD, .to = &v.profile, .parse = parse_profile,
          .expected = "strict or permissive" },
        { .name = "port", .letter = 'p', .kind = OPTION_INT, .to = &v.port, .high = 65535 },
        { .name = "host", .kind = OPTION_TEXT, .to = &v.host },
        { .name = "keys", .kind = OPTION_TEXT, .to = &v.keys },
        { .name = "open", .kind = OPTION_FLAG, .to = &v.open },
        { .name = "name", .kind = OPTION_TEXTS, .to = &v.hosts },
        { .name = "origin", .kind = OPTION_TEXTS, .to = &v.origins },
        { .name = "data", .kind = OPTION_TEXT, .to = &v.data },
        { .name = "no-data", .kind = OPTION_FLAG, .to = &v.no_data },
        { .name = "show-reasoning", .kind = OPTION_FLAG, .to = &v.show_reasoning },
        { .name = "context", .kind = OPTION_INT, .to = &v.context, .low = 64, .high = 1 << 24 },
        { .name = "drain", .kind = OPTION_REAL, .to = &v.drain_s, .low = 0.001, .high = 86400 },
        { .name = "threads", .kind = OPTION_INT, .to = &v.threads, .low = 1, .high = 1024 },
    };
    options_end end = options_parse(command, table, (int)(sizeof table / sizeof *table), argc,
                                    argv, NULL);
    int code = EXIT_USAGE;

    if (end == OPTIONS_HELP) {
        fputs(help, stdout);
        code = EXIT_FINE;
    } else if (end == OPTIONS_OK && v.data && v.no_data) {
        fprintf(stderr, "%s: --data and --no-data: give one\n", command);
    } else if (end == OPTIONS_OK) {
        code = run(&v);
    }
    text_list_fini(&v.model_list);
    text_list_fini(&v.aliases);
    text_list_fini(&v.origins);
    text_list_fini(&v.hosts);
    return code;
}
