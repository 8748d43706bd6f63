/* models.c - ponder models: what is here and what can be fetched by name. */
#include "cli/cli.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "model/hub.h"
#include "model/weights.h"

static const char help[] =
    "usage: ponder models [--json]\n"
    "\n"
    "List the models on disk, those that came with the program, and the known ones that\n"
    "ponder pull fetches by name.\n"
    "\n"
    "  --json       one JSON object on stdout\n"
    "  -h, --help   this text\n";

/* Family and size of a model, or why it cannot be opened. */
typedef struct facts {
    bool ok;
    config config;
    errtext err;
} facts;

static void facts_read(facts *f, const char *path)
{
    weights *w;

    memset(f, 0, sizeof *f);
    f->ok = weights_open(&w, path, &f->err) == OK;
    if (!f->ok) return;
    f->config = *weights_config(w);
    weights_close(w);
}

static const hub_local *local_named(const hub_local *list, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(list[i].name, name)) return &list[i];
    return NULL;
}

/* JSON holds UTF-8 only, file names hold anything. */
static json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    bytes plain = { 0 };

    if (value) return value;
    for (; *text; text++) bytes_add_char(&plain, *text >= 0x20 && *text < 0x7F ? *text : '?');
    value = json_string(plain.data);
    bytes_fini(&plain);
    return value;
}

static json_t *json_local(const hub_local *m)
{
    facts f;
    json_t *o = json_object();

    facts_read(&f, m->path);
    json_object_set_new(o, "name", json_text(m->name));
    json_object_set_new(o, "path", json_text(m->path));
    json_object_set_new(o, "bytes", json_integer((json_int_t)m->bytes));
    if (f.ok) {
        json_object_set_new(o, "family", json_string(family_name(f.config.family)));
        json_object_set_new(o, "n_layer", json_integer(f.config.n_layer));
        json_object_set_new(o, "n_ctx", json_integer(f.config.n_ctx));
    } else {
        json_object_set_new(o, "error", json_text(f.err.text));
    }
    return o;
}

static int print_json(const char *dir, const hub_local *list, int n, const hub_local *shipped,
                      int n_shipped)
{
    json_t *root = json_object(), *here = json_array(), *known = json_array();
    json_t *came = json_array();
    int n_known;
    const hub_model *models = hub_known(&n_known);
    int code;

    for (int i = 0; i < n; i++) json_array_append_new(here, json_local(&list[i]));
    for (int i = 0; i < n_shipped; i++) json_array_append_new(came, json_local(&shipped[i]));
    for (int i = 0; i < n_known; i++) {
        const hub_model *m = &models[i];
        json_t *o = json_object();

        json_object_set_new(o, "name", json_string(m->name));
        json_object_set_new(o, "repo", json_string(m->repo));
        json_object_set_new(o, "file", m->file ? json_string(m->file) : json_null());
        json_object_set_new(o, "about_mb", json_integer(m->about_mb));
        json_object_set_new(o, "present", json_boolean(local_named(list, n, m->name)));
        json_array_append_new(known, o);
    }
    json_object_set_new(root, "dir", json_text(dir));
    json_object_set_new(root, "models", here);
    json_object_set_new(root, "shipped", came);
    json_object_set_new(root, "known", known);
    code = json_dumpf(root, stdout, JSON_INDENT(2)) ? EXIT_TROUBLE : EXIT_FINE;
    putchar('\n');
    json_decref(root);
    return code;
}

static void print_models(const char *head, int wide, const hub_local *list, int n)
{
    printf("%-*s  %10s  %-9s  %s\n", wide, head, "size", "family", "path");
    for (int i = 0; i < n; i++) {
        char size[16];
        facts f;

        facts_read(&f, list[i].path);
        hub_size_text(list[i].bytes, size);
        printf("%-*s  %10s  %-9s  %s\n", wide, list[i].name, size,
               f.ok ? family_name(f.config.family) : "?", list[i].path);
        if (!f.ok) printf("%-*s  %s\n", wide, "", f.err.text);
    }
}

static int widest(const hub_local *list, int n, int wide)
{
    for (int i = 0; i < n; i++)
        if ((int)strlen(list[i].name) > wide) wide = (int)strlen(list[i].name);
    return wide;
}

static int print_table(const char *dir, const hub_local *list, int n, const hub_local *shipped,
                       int n_shipped)
{
    const int wide = widest(list, n, widest(shipped, n_shipped, 12));
    int n_known;
    const hub_model *models = hub_known(&n_known);

    if (n) print_models("here", wide, list, n);
    else printf("no model in %s yet\n", dir);
    if (n_shipped) {
        printf("\n");
        print_models("shipped", wide, shipped, n_shipped);
    }
    printf("\n%-*s  %10s  %s\n", wide, "known", "about", "fetch with: ponder pull NAME");
    for (int i = 0; i < n_known; i++) {
        char size[16];

        hub_size_text((uint64_t)models[i].about_mb * 1000000, size);
        printf("%-*s  %10s  %s%s%s%s\n", wide, models[i].name, size, models[i].repo,
               models[i].file ? ":" : "", models[i].file ? models[i].file : "",
               local_named(list, n, models[i].name) ? "  (here)" : "");
    }
    return EXIT_FINE;
}

int cli_models(int argc, char **argv)
{
    static const struct option long_options[] = {
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool json = false;
    bytes dir = { 0 };
    hub_local *list = NULL, *shipped;
    errtext err;
    int n = 0, n_shipped, c, code = EXIT_TROUBLE;

    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (c == 'h') {
            fputs(help, stdout);
            return EXIT_FINE;
        }
        if (c != 'j') {
            fprintf(stderr, "ponder models: takes only --json and --help\n");
            return EXIT_USAGE;
        }
        json = true;
    }
    if (optind != argc) {
        fprintf(stderr, "ponder models: takes no argument (see ponder models --help)\n");
        return EXIT_USAGE;
    }
    hub_shipped(&shipped, &n_shipped);
    if (hub_dir(&dir, &err) != OK || hub_list(&list, &n, &err) != OK)
        fprintf(stderr, "ponder models: %s\n", err.text);
    else
        code = json ? print_json(dir.data, list, n, shipped, n_shipped)
                    : print_table(dir.data, list, n, shipped, n_shipped);
    hub_list_free(list, n);
    hub_list_free(shipped, n_shipped);
    bytes_fini(&dir);
    return code;
}
