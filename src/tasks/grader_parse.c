/* grader_parse.c - from the API's JSON to a grader.
 *
 * People copy grader JSON from guides and SDKs that disagree with each other, so
 * everything wrong is told at once, in the words of the API where they are known. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/grader_internal.h"

#define MAX_PYTHON_SOURCE (256 * 1024)

void complain(complaints *c, status st, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (c->text.len) bytes_add_char(&c->text, ' ');
    bytes_add_string(&c->text, text);
    /* What is wrong comes before what is not supported. */
    if (c->st == OK || (c->st == E_UNSUPPORTED && st != E_UNSUPPORTED)) c->st = st;
}

void grader_warn(grader *g, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    g->warnings = mem_resize(g->warnings, (size_t)g->n_warning + 1, sizeof *g->warnings);
    g->warnings[g->n_warning++] = mem_string(text);
}

const char *json_kind(const json_t *v)
{
    if (!v) return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    }
    return "something";
}

static void wrong_type(complaints *c, const char *prefix, const char *key, const char *expected,
                       const json_t *got)
{
    complain(c, E_ARG, "Invalid type for '%s%.80s': expected %s, but got %s instead.", prefix, key,
             expected, json_kind(got));
}

/* A required string; NULL after a complaint. */
static const char *parse_string(const json_t *spec, const char *key, const char *prefix,
                                complaints *c)
{
    const json_t *v = json_object_get(spec, key);

    if (!v) complain(c, E_ARG, "Missing required parameter: '%s%s'.", prefix, key);
    else if (!json_is_string(v)) wrong_type(c, prefix, key, "a string", v);
    return json_string_value(v);
}

/* An optional number; null counts as absent. */
static bool parse_number(const json_t *spec, const char *key, const char *prefix, double *out,
                         complaints *c)
{
    const json_t *v = json_object_get(spec, key);

    if (!v || json_is_null(v)) return false;
    if (!json_is_number(v)) {
        wrong_type(c, prefix, key, "a number", v);
        return false;
    }
    *out = json_number_value(v);
    return isfinite(*out);
}

template *parse_template(const json_t *spec, const char *key, const char *prefix, complaints *c)
{
    const json_t *v = json_object_get(spec, key);
    template *t = NULL;
    errtext err;
    status st;

    if (!parse_string(spec, key, prefix, c)) return NULL;
    st = template_new(&t, json_string_value(v), json_string_length(v), &err);
    if (st != OK) complain(c, st, "Invalid '%s%s': %s.", prefix, key, err.text);
    return t;
}

/* ---- fields that are not known ---- */

typedef struct type_info {
    const char *name;
    grader_type type;
    const char *fields;          /* beside those all have, each between spaces */
} type_info;

static const type_info types[] = {
    { "string_check", GRADER_STRING_CHECK, " input reference operation " },
    { "text_similarity", GRADER_TEXT_SIMILARITY, " input reference evaluation_metric variant " },
    { "score_model", GRADER_SCORE_MODEL,
      " input model range sampling_params sampling_parameters " },
    { "label_model", GRADER_LABEL_MODEL,
      " input model labels passing_labels sampling_params sampling_parameters " },
    { "multi", GRADER_MULTI, " graders calculate_output " },
    { "equivalence", GRADER_EQUIVALENCE, " input reference extract tolerance " },
    { "ponder_task", GRADER_PONDER_TASK, " task key input " },
};
#define N_TYPE (sizeof types / sizeof types[0])

static bool listed(const char *list, const char *key)
{
    char padded[64];

    return snprintf(padded, sizeof padded, " %s ", key) < (int)sizeof padded &&
           strstr(list, padded) != NULL;
}

static void check_fields(const json_t *spec, const char *fields, const char *prefix, complaints *c)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)spec, key, v)
        if (!listed(" type name pass_threshold invalid_grade image_tag ", key) &&
            !listed(fields, key))
            complain(c, E_ARG, "Unknown parameter: '%s%.60s' (known:%.*s).", prefix, key,
                     (int)strlen(fields) - 1, fields);
}

/* ---- types ---- */

static void parse_string_check(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    static const struct { const char *name; check_op op; } ops[] = {
        { "eq", CHECK_EQ }, { "ne", CHECK_NE }, { "neq", CHECK_NE },
        { "like", CHECK_LIKE }, { "ilike", CHECK_ILIKE },
    };
    const char *op;

    g->input = parse_template(spec, "input", prefix, c);
    g->reference = parse_template(spec, "reference", prefix, c);
    if (!(op = parse_string(spec, "operation", prefix, c))) return;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (!strcmp(op, ops[i].name)) {
            g->op = ops[i].op;
            return;
        }
    complain(c, E_ARG,
             "Invalid value for '%soperation': '%.40s'. Supported values are: 'eq', 'ne', 'like', "
             "and 'ilike'.", prefix, op);
}

static void parse_similarity(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    const char *metric, *variant = NULL;
    errtext err;

    g->input = parse_template(spec, "input", prefix, c);
    g->reference = parse_template(spec, "reference", prefix, c);
    metric = parse_string(spec, "evaluation_metric", prefix, c);
    if (json_object_get(spec, "variant")) variant = parse_string(spec, "variant", prefix, c);
    if (!metric) return;
    if (!strcmp(metric, "cosine")) {
        g->cosine = true;
        if (!g->host.embed)
            complain(c, E_UNSUPPORTED,
                     "'%sevaluation_metric': cosine needs an embedding model and none is set up.",
                     prefix);
        return;
    }
    if (similarity_new(&g->metric, metric, &err) != OK) {
        complain(c, E_ARG, "Invalid value for '%sevaluation_metric': %s.", prefix, err.text);
        return;
    }
    if (variant) {
        similarity_free(g->metric);
        if (similarity_new(&g->metric, variant, &err) != OK)
            complain(c, E_ARG, "Invalid value for '%svariant': %s.", prefix, err.text);
    }
    if (g->metric && similarity_lacks_synonyms(g->metric))
        grader_warn(g, "meteor has no WordNet here (Debian: wordnet-base), so synonyms do not "
                       "match");
}

static void parse_equivalence(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    const json_t *how = json_object_get(spec, "extract");
    const char *name = json_string_value(how);

    g->input = parse_template(spec, "input", prefix, c);
    g->reference = parse_template(spec, "reference", prefix, c);
    parse_number(spec, "tolerance", prefix, &g->tolerance, c);
    if (g->tolerance < 0 || g->tolerance >= 1)
        complain(c, E_ARG, "Invalid value for '%stolerance': it is at least 0 and below 1.",
                 prefix);
    if (!how || (name && !strcmp(name, "auto"))) g->how = EXTRACT_AUTO;
    else if (name && !strcmp(name, "boxed")) g->how = EXTRACT_BOXED;
    else if (name && !strcmp(name, "none")) g->how = EXTRACT_NONE;
    else complain(c, E_ARG, "Invalid value for '%sextract'. Supported values are: 'auto', 'boxed', "
                            "and 'none'.", prefix);
}

static void parse_ponder_task(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    const char *name = json_string_value(json_object_get(spec, "task"));

    g->task = parse_template(spec, "task", prefix, c);
    g->key = parse_template(spec, "key", prefix, c);
    g->input = parse_template(spec, "input", prefix, c);
    if (g->task && !template_paths(g->task) && !task_find(name))
        complain(c, E_ARG, "Invalid value for '%stask': there is no task '%.40s'.", prefix, name);
}

static void parse_python(const json_t *spec, const char *prefix, complaints *c)
{
    const char *source = parse_string(spec, "source", prefix, c);

    check_fields(spec, " source ", prefix, c);
    if (source && strlen(source) > MAX_PYTHON_SOURCE)
        complain(c, E_ARG, "Invalid '%ssource': longer than 256 kB.", prefix);
    complain(c, E_UNSUPPORTED,
             "'%stype': python graders are not run by this version; string_check, "
             "text_similarity, equivalence and score_model are.", prefix);
}

/* ---- multi ---- */

static status part_new(grader **out, const json_t *spec, const grader_host *host,
                       const char *prefix, bool inside_multi, complaints *c);

static int variable_index(void *arg, const char *name, size_t len)
{
    const grader *g = arg;

    for (int i = 0; i < g->n_part; i++)
        if (strlen(g->keys[i]) == len && !memcmp(g->keys[i], name, len)) return i;
    return -1;
}

static int by_string(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A single grader where the map belongs: the service names the alphabetically
 * first of its fields that is not an object. */
static void complain_bare(const json_t *graders, const char *prefix, complaints *c)
{
    const char **keys = mem_array(json_object_size(graders) + 1, sizeof *keys), *key;
    size_t n = 0;
    json_t *v;

    json_object_foreach((json_t *)graders, key, v) keys[n++] = key;
    qsort(keys, n, sizeof *keys, by_string);
    for (size_t i = 0; i < n; i++)
        if (!json_is_object(v = json_object_get(graders, keys[i]))) {
            complain(c, E_ARG,
                     "Invalid type for '%sgraders.%.60s': expected an object, but got %s instead.",
                     prefix, keys[i], json_kind(v));
            break;
        }
    if (json_is_string(json_object_get(graders, "type")))
        complain(c, E_ARG, "'%sgraders' maps names to graders: put this one under a name.",
                 prefix);
    mem_free(keys);
}

static void parse_formula(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    const json_t *v = json_object_get(spec, "calculate_output");
    errtext err = { { 0 } };

    if (!parse_string(spec, "calculate_output", prefix, c)) return;
    if (formula_new(&g->output, json_string_value(v), json_string_length(v), variable_index, g,
                    &err) != OK)
        complain(c, E_ARG, "Invalid '%scalculate_output': %s.", prefix, err.text);
}

static bool add_part(grader *g, const char *key, const json_t *spec, const char *prefix,
                     complaints *c)
{
    char inner[256];

    snprintf(inner, sizeof inner, "%sgraders.%.80s.", prefix, key);
    g->keys = mem_resize(g->keys, (size_t)g->n_part + 1, sizeof *g->keys);
    g->parts = mem_resize(g->parts, (size_t)g->n_part + 1, sizeof *g->parts);
    g->keys[g->n_part] = mem_string(key);
    g->parts[g->n_part++] = NULL;
    return part_new(&g->parts[g->n_part - 1], spec, &g->host, inner, true, c) == OK;
}

static void parse_multi(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    const json_t *graders = json_object_get(spec, "graders");
    const char *key;
    json_t *v;
    bool bare = false;

    if (!graders) {
        complain(c, E_ARG, "Missing required parameter: '%sgraders'.", prefix);
    } else if (json_is_array(graders)) {
        complain(c, E_ARG,
                 "Invalid type for '%sgraders': expected an object, but got an array instead; give "
                 "each grader a name: {\"a\": {...}, \"b\": {...}}.", prefix);
    } else if (!json_is_object(graders)) {
        wrong_type(c, prefix, "graders", "an object", graders);
    } else if (json_object_size(graders) == 0 || json_object_size(graders) > GRADER_MAX_PARTS) {
        complain(c, E_ARG, "Invalid '%sgraders': holds %zu graders, expected 1 to %d.", prefix,
                 json_object_size(graders), GRADER_MAX_PARTS);
    } else {
        json_object_foreach((json_t *)graders, key, v) bare |= !json_is_object(v);
        if (bare) {
            complain_bare(graders, prefix, c);
            return;
        }
        json_object_foreach((json_t *)graders, key, v) add_part(g, key, v, prefix, c);
    }
    parse_formula(g, spec, prefix, c);
}

/* ---- all ---- */

/* A name for a grader without one: the same for the same grader. */
static char *made_name(const json_t *spec)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char *text = json_dumps(spec, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    uint64_t h = 0xcbf29ce484222325u;
    char name[20] = "grader-";

    for (const char *s = text ? text : ""; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    free(text);
    for (int i = 0; i < 12; i++, h /= 36) name[7 + i] = digits[h % 36];
    return mem_string(name);
}

static void parse_common(grader *g, const json_t *spec, const char *prefix, complaints *c)
{
    const json_t *name = json_object_get(spec, "name");

    if (name && !json_is_null(name) && !json_is_string(name))
        wrong_type(c, prefix, "name", "a string", name);
    g->has_threshold = parse_number(spec, "pass_threshold", prefix, &g->threshold, c);
    g->has_invalid_grade = parse_number(spec, "invalid_grade", prefix, &g->invalid_grade, c);
    g->name = json_is_string(name) && json_string_length(name)
                  ? mem_string(json_string_value(name))
                  : made_name(spec);
    g->spec = json_copy((json_t *)spec);
    json_object_set_new(g->spec, "name", json_string(g->name));
}

/* ---- what looks wrong ---- */

typedef struct looking {
    grader *g;
    bool reads_sample;
} looking;

static void look_at(void *arg, const template *t)
{
    static const char *const members[] = { "output_text", "output_json", "output_tools",
                                           "output_audio", "choices" };
    looking *l = arg;

    for (int i = 0; i < template_paths(t); i++) {
        bool known = false;

        if (!template_path_under(t, i, "sample")) {
            if (!template_path_under(t, i, "item"))
                grader_warn(l->g, "{{%.80s}} cannot be filled in: paths start with item or sample",
                            template_path(t, i));
            continue;
        }
        l->reads_sample = true;
        for (int k = 0; k < 5; k++) {
            char full[32];

            snprintf(full, sizeof full, "sample.%s", members[k]);
            known |= template_path_under(t, i, full);
        }
        if (!known && strcmp(template_path(t, i), "sample"))
            grader_warn(l->g, "{{%.80s}}: a sample has output_text, output_json, output_tools, "
                              "output_audio and choices", template_path(t, i));
    }
}

static void add_warnings(grader *g)
{
    looking l = { g, false };

    if (g->type != GRADER_MULTI) {
        grader_each_template(g, look_at, &l);
        if (!l.reads_sample)
            grader_warn(g, "the reward cannot depend on the answer: no template reads the sample");
        return;
    }
    for (int i = 0; i < g->n_part; i++) {
        if (!formula_reads(g->output, i))
            grader_warn(g, "calculate_output does not use \"%.80s\"", g->keys[i]);
        for (int k = 0; k < g->parts[i]->n_warning; k++)
            grader_warn(g, "%.80s: %s", g->keys[i], g->parts[i]->warnings[k]);
    }
}

static const type_info *find_type(const char *name)
{
    for (size_t i = 0; i < N_TYPE; i++)
        if (!strcmp(types[i].name, name)) return &types[i];
    return NULL;
}

static void parse_type(grader *g, const json_t *spec, const char *name, const char *prefix,
                       bool inside_multi, complaints *c)
{
    const type_info *t = find_type(name);

    if (!strcmp(name, "python")) {
        parse_python(spec, prefix, c);
        return;
    }
    if (!strcmp(name, "endpoint")) {
        complain(c, E_UNSUPPORTED, "'%stype': endpoint graders are not called by this version.",
                 prefix);
        return;
    }
    if (!t) {
        complain(c, E_ARG,
                 "Invalid value for '%stype': '%.40s'. Supported values are: 'string_check', "
                 "'text_similarity', 'score_model', 'label_model', 'python', 'multi', "
                 "'equivalence', and 'ponder_task'.", prefix, name);
        return;
    }
    g->type = t->type;
    check_fields(spec, t->fields, prefix, c);
    switch (t->type) {
    case GRADER_STRING_CHECK: parse_string_check(g, spec, prefix, c); break;
    case GRADER_TEXT_SIMILARITY: parse_similarity(g, spec, prefix, c); break;
    case GRADER_SCORE_MODEL:
    case GRADER_LABEL_MODEL: parse_judge(g, spec, prefix, c); break;
    case GRADER_EQUIVALENCE: parse_equivalence(g, spec, prefix, c); break;
    case GRADER_PONDER_TASK: parse_ponder_task(g, spec, prefix, c); break;
    case GRADER_MULTI:
        if (inside_multi)
            complain(c, E_ARG, "Invalid value for '%stype': a multi grader inside another.",
                     prefix);
        else parse_multi(g, spec, prefix, c);
        break;
    }
}

static status part_new(grader **out, const json_t *spec, const grader_host *host,
                       const char *prefix, bool inside_multi, complaints *c)
{
    size_t before = c->text.len;
    const char *type;
    grader *g;

    *out = NULL;
    if (!json_is_object(spec)) {
        complain(c, E_ARG, "Invalid type for '%s': expected an object, but got %s instead.",
                 *prefix ? prefix : "grader", json_kind(spec));
        return c->st;
    }
    *out = g = mem_new(sizeof *g);
    if (host) g->host = *host;
    parse_common(g, spec, prefix, c);
    type = parse_string(spec, "type", prefix, c);
    if (type) parse_type(g, spec, type, prefix, inside_multi, c);
    if (c->text.len > before) return c->st;
    add_warnings(g);
    return OK;
}

status grader_new(grader **out, const json_t *spec, const grader_host *host, errtext *err)
{
    complaints c = { { 0 }, OK };
    status st = part_new(out, spec, host, "", false, &c);

    if (st != OK) {
        grader_free(*out);
        *out = NULL;
        fail(err, st, "%s", c.text.data);
    }
    bytes_fini(&c.text);
    return st;
}
