/* models.c - the models of a server and their names. */
#include "serve/models.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/rng.h"

#define MAX_WAITING 1024         /* requests in a model's queue */

static const profile o1_preview = {
    .no_instructions = true, .no_tools = true, .no_formats = true, .no_effort = true,
    .one_choice = true, .value_refused = true,
};
static const profile o1 = { .value_refused = true };
static const profile o3_mini = { 0 };

/* The names of the hosted models and the release each stands for. */
static const struct known {
    const char *name, *dated;
    const profile *rules;
} known[] = {
    { "o1", "o1-2024-12-17", &o1 },
    { "o1-2024-12-17", "o1-2024-12-17", &o1 },
    { "o1-preview", "o1-preview-2024-09-12", &o1_preview },
    { "o1-preview-2024-09-12", "o1-preview-2024-09-12", &o1_preview },
    { "o1-mini", "o1-mini-2024-09-12", &o1_preview },
    { "o1-mini-2024-09-12", "o1-mini-2024-09-12", &o1_preview },
    { "o3-mini", "o3-mini-2025-01-31", &o3_mini },
    { "o3-mini-2025-01-31", "o3-mini-2025-01-31", &o3_mini },
};
#define N_KNOWN (sizeof known / sizeof *known)

struct models {
    served_model **items;
    int n;
    served_name **names;
    int n_name;
};

models *models_new(void)
{
    return mem_new(sizeof(models));
}

void models_stop(models *m)
{
    for (int i = 0; i < m->n; i++) engine_thread_stop(m->items[i]->thread);
}

void models_free(models *m)
{
    if (!m) return;
    for (int i = 0; i < m->n; i++) {
        engine_thread_free(m->items[i]->thread);
        reasoner_close(m->items[i]->reasoner);
        mem_free(m->items[i]->name);
        mem_free(m->items[i]->path);
        mem_free(m->items[i]);
    }
    for (int i = 0; i < m->n_name; i++) {
        mem_free(m->names[i]->name);
        mem_free(m->names[i]->shown);
        mem_free(m->names[i]);
    }
    mem_free(m->items);
    mem_free(m->names);
    mem_free(m);
}

const served_name *models_find(const models *m, const char *name)
{
    for (int i = 0; i < m->n_name; i++)
        if (!strcmp(m->names[i]->name, name)) return m->names[i];
    return NULL;
}

const served_name *models_at(const models *m, int i)
{
    return i < m->n_name ? m->names[i] : NULL;
}

static void name_add(models *m, const char *name, const char *shown, const profile *strict,
                     served_model *of)
{
    served_name *n = mem_new(sizeof *n);

    *n = (served_name){ mem_string(name), mem_string(shown), strict, of };
    m->names = mem_resize(m->names, (size_t)m->n_name + 1, sizeof *m->names);
    m->names[m->n_name++] = n;
}

static bool is_name(const char *name)
{
    size_t len = strlen(name);

    if (!len || len > 200) return false;
    for (; *name; name++)
        if ((unsigned char)*name <= 0x20 || *name == 0x7F) return false;
    return true;
}

/* The same file gives the same fingerprint, also after a restart. */
static void take_facts(served_model *s)
{
    struct stat facts = { 0 };
    uint64_t mix = 0;

    stat(s->path, &facts);
    for (const char *p = s->path; *p; p++) mix = rng_u64(mix, (unsigned char)*p, 0);
    mix = rng_u64(mix, (uint64_t)facts.st_size, (uint64_t)facts.st_mtime);
    s->created = facts.st_mtime;
    snprintf(s->fingerprint, sizeof s->fingerprint, "fp_%010llx",
             (unsigned long long)(mix >> 24));
}

status models_add(models *m, const char *name, const char *path, const reasoner_options *o,
                  const char **warning, errtext *err)
{
    served_model *s;
    reasoner *r;
    status st;

    if (!is_name(name)) return fail(err, E_ARG, "\"%.100s\" is no name for a model", name);
    if (models_find(m, name)) return fail(err, E_ARG, "two models are called %.200s", name);
    if ((st = reasoner_open(&r, path, o, warning, err)) != OK) return st;
    s = mem_new(sizeof *s);
    s->name = mem_string(name);
    s->path = mem_string(path);
    s->reasoner = r;
    s->thread = engine_thread_new(r, MAX_WAITING);
    take_facts(s);
    m->items = mem_resize(m->items, (size_t)m->n + 1, sizeof *m->items);
    m->items[m->n++] = s;
    name_add(m, name, name, NULL, s);
    return OK;
}

static const struct known *find_known(const char *name)
{
    for (size_t i = 0; i < N_KNOWN; i++)
        if (!strcmp(known[i].name, name)) return &known[i];
    return NULL;
}

status models_alias(models *m, const char *alias, const char *target, profile_kind kind,
                    errtext *err)
{
    const struct known *k = find_known(alias);
    const served_name *to = models_find(m, target);

    if (!to) return fail(err, E_ARG, "alias %.100s: no model is called %.200s", alias, target);
    if (!is_name(alias)) return fail(err, E_ARG, "\"%.100s\" is no name for a model", alias);
    if (models_find(m, alias)) return fail(err, E_ARG, "two models are called %.200s", alias);
    name_add(m, alias, k ? k->dated : alias,
             kind == PROFILE_STRICT ? k ? k->rules : &o1 : NULL, to->model);
    return OK;
}

void models_alias_known(models *m, profile_kind kind)
{
    for (size_t i = 0; i < N_KNOWN && m->n; i++)
        if (!models_find(m, known[i].name))
            name_add(m, known[i].name, known[i].dated,
                     kind == PROFILE_STRICT ? known[i].rules : NULL, m->items[0]);
}

json_t *model_json(const served_name *n)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:n}", "id", n->name, "object", "model", "created",
                     (json_int_t)n->model->created, "owned_by", "ponder", "shutdown_date");
}

bool refuse_model(api_error *e, const char *name)
{
    return error_set(e, 404, ERROR_INVALID, "model_not_found", NULL,
                     "The model `%.200s` does not exist or you do not have access to it.", name);
}
