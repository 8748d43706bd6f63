/* tools.c - the tools of a request. */
#include "serve/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serve/fields.h"

static const char *const function_fields[] = {
    "name", "description", "parameters", "strict", NULL,
};
static const char *const flat_function_fields[] = {
    "type", "name", "description", "parameters", "strict", NULL,
};
static const char *const custom_fields[] = { "name", "description", "format", NULL };
static const char *const flat_custom_fields[] = {
    "type", "name", "description", "format", NULL,
};

/* ------------------------------------------------------------------ reading */

static bool read_name(const tool_set *set, tool *t, const json_t *o, api_error *e)
{
    char path[200];

    if (!field_needed(o, t->path, "name", e) ||
        !field_text_max(o, t->path, "name", 64, &t->name, e))
        return false;
    field_path(path, t->path, "name");
    if (!field_is_name(t->name, path, e)) return false;
    for (const tool *other = set->items; other < t; other++)
        if (other->name && !strcmp(other->name, t->name))
            return refuse_value(e, path, "Invalid '%s': two tools are called '%s'.", path,
                                t->name);
    return true;
}

/* What the masks keep to: the schema; or, where strictness was not asked for and the
 * schema is more than a mask can do, that the arguments are an object. */
static bool take_mask(tool *t, api_error *e)
{
    char path[200];
    grammar *g;
    errtext err;
    status st;

    t->mask = json_copy(t->schema);
    if (!json_object_get(t->mask, "type"))
        json_object_set_new(t->mask, "type", json_string("object"));
    st = grammar_new_schema(&g, t->mask, NULL, &err);
    if (st == OK) {
        grammar_free(g);
        return true;
    }
    if (t->strict) {
        field_path(path, t->path, "parameters");
        return error_bad_code(e, "invalid_function_parameters", path,
                              "Invalid schema for function '%s': %s", t->name, err.text);
    }
    json_decref(t->mask);
    t->mask = json_pack("{s:s}", "type", "object");
    return true;
}

static bool read_function(const tool_set *set, tool *t, const json_t *o, bool flat, api_error *e)
{
    const json_t *schema = NULL;

    if (!fields_known(o, t->path, flat ? flat_function_fields : function_fields, e) ||
        !read_name(set, t, o, e) || !field_text(o, t->path, "description", &t->description, e) ||
        !field_object(o, t->path, "parameters", &schema, e) ||
        !field_bool(o, t->path, "strict", &t->strict, e))
        return false;
    t->schema = schema ? json_incref((json_t *)schema)
                       : json_pack("{s:s, s:{}}", "type", "object", "properties");
    return take_mask(t, e);
}

/* A custom tool's text, perhaps of a form; as a function of one argument. */
static bool read_custom(const tool_set *set, tool *t, const json_t *o, bool flat, api_error *e)
{
    static const char *const kinds[] = { "text", "grammar", NULL };
    static const char *const syntaxes[] = { "lark", "regex", NULL };
    const json_t *format = NULL, *rules;
    const char *definition = NULL;
    char at[200], path[200];
    json_t *input = json_pack("{s:s}", "type", "string");
    int kind = 0, syntax = 0;

    t->custom = t->strict = true;
    t->schema = json_pack("{s:s, s:{s:o}, s:[s], s:b}", "type", "object", "properties", "input",
                          input, "required", "input", "additionalProperties", 0);
    if (!fields_known(o, t->path, flat ? flat_custom_fields : custom_fields, e) ||
        !read_name(set, t, o, e) || !field_text(o, t->path, "description", &t->description, e) ||
        !field_object(o, t->path, "format", &format, e))
        return false;
    field_path(at, t->path, "format");
    if (format && (!field_needed(format, at, "type", e) ||
                   !field_word(format, at, "type", kinds, &kind, e)))
        return false;
    if (kind == 1) {
        rules = format;
        if (!flat) {
            if (!field_needed(format, at, "grammar", e) ||
                !field_object(format, at, "grammar", &rules, e))
                return false;
            snprintf(path, sizeof path, "%.180s.grammar", at);
            snprintf(at, sizeof at, "%s", path);
        }
        if (!field_needed(rules, at, "syntax", e) ||
            !field_word(rules, at, "syntax", syntaxes, &syntax, e) ||
            !field_needed(rules, at, "definition", e) ||
            !field_text(rules, at, "definition", &definition, e))
            return false;
        if (syntax == 0) {
            field_path(path, at, "syntax");
            return error_bad_code(e, "unsupported_value", path,
                                  "Unsupported value: '%s' does not support 'lark' with this "
                                  "model. Supported values are: 'regex'.", path);
        }
        bytes pattern = { 0 };
        bytes_add_format(&pattern, "^(?:%s)$", definition);
        json_object_set_new(input, "pattern", json_string(pattern.data));
        bytes_fini(&pattern);
    }
    if (take_mask(t, e)) return true;
    if (e->code) snprintf(e->param, sizeof e->param, "%s", at);
    return false;
}

static bool read_tool(tool_set *set, const json_t *o, size_t i, tool_dialect dialect,
                      api_error *e)
{
    static const char *const types[] = { "function", "custom", NULL };
    static const char *const nested[2][3] = {
        { "type", "function", NULL }, { "type", "custom", NULL },
    };
    tool *t = &set->items[set->n];
    const json_t *inner = NULL;
    char at[200];
    int type = 0;

    *t = (tool){ .allowed = true };
    field_item(at, "", "tools", i);
    snprintf(t->path, sizeof t->path, "%.50s", at);
    if (!json_is_object(o)) return refuse_type(e, at, "an object", o);
    if (!field_needed(o, at, "type", e) || !field_word(o, at, "type", types, &type, e))
        return false;
    if (dialect == TOOLS_NESTED) {
        if (!fields_known(o, at, nested[type], e) || !field_needed(o, at, types[type], e) ||
            !field_object(o, at, types[type], &inner, e))
            return false;
        snprintf(t->path, sizeof t->path, "%.40s.%s", at, types[type]);
        o = inner;
    }
    set->n++;
    return type ? read_custom(set, t, o, dialect == TOOLS_FLAT, e)
                : read_function(set, t, o, dialect == TOOLS_FLAT, e);
}

/* ------------------------------------------------------------------- choice */

static bool only(tool_set *set, const char *name, const char *path, api_error *e)
{
    tool *found = (tool *)tools_find(set, name);

    if (!found)
        return refuse_value(e, path, "Invalid value for '%s': tool '%.100s' not found in 'tools' "
                            "parameter.", path, name);
    found->allowed = true;
    return true;
}

static void allow_none(tool_set *set)
{
    for (int i = 0; i < set->n; i++) set->items[i].allowed = false;
}

/* The tool that {"type": "function", ...} names; in both dialects. */
static bool allow_named(tool_set *set, const json_t *o, const char *at, tool_dialect dialect,
                        api_error *e)
{
    static const char *const types[] = { "function", "custom", NULL };
    const char *name = NULL;
    const json_t *in = o;
    char path[200];
    int type = 0;

    if (!json_is_object(o)) return refuse_type(e, at, "an object", o);
    if (!field_needed(o, at, "type", e) || !field_word(o, at, "type", types, &type, e))
        return false;
    snprintf(path, sizeof path, "%.150s", at);
    if (dialect == TOOLS_NESTED) {
        if (!field_needed(o, at, types[type], e) || !field_object(o, at, types[type], &in, e))
            return false;
        snprintf(path, sizeof path, "%.150s.%s", at, types[type]);
    }
    if (!field_needed(in, path, "name", e) || !field_text(in, path, "name", &name, e))
        return false;
    return only(set, name, at, e);
}

static bool allow_listed(tool_set *set, const json_t *o, tool_dialect dialect, api_error *e)
{
    static const char *const modes[] = { "auto", "required", NULL };
    const char *at = dialect == TOOLS_NESTED ? "tool_choice.allowed_tools" : "tool_choice";
    const json_t *list = NULL;
    int mode = 0;

    if (dialect == TOOLS_NESTED) {
        if (!field_needed(o, "tool_choice", "allowed_tools", e) ||
            !field_object(o, "tool_choice", "allowed_tools", &o, e))
            return false;
    }
    if (!field_needed(o, at, "mode", e) || !field_word(o, at, "mode", modes, &mode, e) ||
        !field_needed(o, at, "tools", e) || !field_array(o, at, "tools", &list, e))
        return false;
    set->choice = mode ? CHOICE_REQUIRED : CHOICE_AUTO;
    allow_none(set);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char path[200];

        field_item(path, at, "tools", i);
        if (!allow_named(set, json_array_get(list, i), path, dialect, e)) return false;
    }
    return true;
}

static bool read_choice(tool_set *set, const json_t *v, tool_dialect dialect, api_error *e)
{
    static const char *const words[] = { "none", "auto", "required", NULL };
    const char *type;

    set->choice = set->n ? CHOICE_AUTO : CHOICE_NONE;
    if (!v) return true;
    if (json_is_string(v)) {
        for (int i = 0; words[i]; i++)
            if (!strcmp(words[i], json_string_value(v))) set->choice = (tool_choice)i;
        if (strcmp(words[set->choice], json_string_value(v)))
            return refuse_value(e, "tool_choice", "Invalid value: '%.100s'. Supported values are: "
                                "'none', 'auto', and 'required'.", json_string_value(v));
    } else if (!json_is_object(v)) {
        return refuse_type(e, "tool_choice", "one of a string or an object", v);
    }
    if (!set->n && !(json_is_string(v) && set->choice == CHOICE_NONE))
        return refuse_value(e, "tool_choice", "Invalid value for 'tool_choice': 'tool_choice' is "
                            "only allowed when 'tools' are specified.");
    if (json_is_string(v)) return true;
    type = json_string_value(json_object_get(v, "type"));
    if (type && !strcmp(type, "allowed_tools")) return allow_listed(set, v, dialect, e);
    allow_none(set);
    set->choice = CHOICE_REQUIRED;
    return allow_named(set, v, "tool_choice", dialect, e);
}

/* ------------------------------------------------------------------- legacy */

static bool read_legacy(tool_set *set, const json_t *request, const json_t *list, api_error *e)
{
    const json_t *call = field(request, "function_call");

    set->legacy = true;
    set->parallel = false;
    if (json_array_size(list) > TOOLS_MAX)
        return refuse_value(e, "functions", "Invalid 'functions': array too long.");
    set->items = mem_array(json_array_size(list), sizeof *set->items);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *o = json_array_get(list, i);
        tool *t = &set->items[set->n];
        char at[200];

        *t = (tool){ .allowed = true };
        field_item(at, "", "functions", i);
        snprintf(t->path, sizeof t->path, "%.60s", at);
        if (!json_is_object(o)) return refuse_type(e, at, "an object", o);
        set->n++;
        if (!read_function(set, t, o, false, e)) return false;
    }
    set->choice = set->n ? CHOICE_AUTO : CHOICE_NONE;
    if (json_is_object(call)) {
        const char *name = NULL;

        allow_none(set);
        set->choice = CHOICE_REQUIRED;
        return field_needed(call, "function_call", "name", e) &&
               field_text(call, "function_call", "name", &name, e) &&
               only(set, name, "function_call", e);
    }
    if (call && json_is_string(call) && !strcmp(json_string_value(call), "none"))
        set->choice = CHOICE_NONE;
    else if (call && !(json_is_string(call) && !strcmp(json_string_value(call), "auto")))
        return refuse_value(e, "function_call", "Invalid value for 'function_call'. Supported "
                            "values are: 'none', 'auto', and an object with a name.");
    return true;
}

bool tools_read(tool_set *set, const json_t *request, tool_dialect dialect, api_error *e)
{
    const json_t *list = NULL, *functions = NULL;

    set->parallel = true;
    if (!field_array(request, "", "tools", &list, e) ||
        !field_bool(request, "", "parallel_tool_calls", &set->parallel, e) ||
        (dialect == TOOLS_NESTED && !field_array(request, "", "functions", &functions, e)))
        return false;
    if (dialect == TOOLS_NESTED && !functions && field(request, "function_call"))
        return refuse_value(e, "function_call", "Invalid value for 'function_call': "
                            "'function_call' is only allowed when 'functions' are specified.");
    if (functions && list)
        return refuse_value(e, "functions", "'functions' and 'tools' do not go together: use "
                            "'tools'.");
    if (functions) return read_legacy(set, request, functions, e);
    if (json_array_size(list) > TOOLS_MAX)
        return error_bad_code(e, "array_above_max_length", "tools",
                              "Invalid 'tools': array too long. Expected an array with maximum "
                              "length %d, but got an array with length %zu instead.", TOOLS_MAX,
                              json_array_size(list));
    if (json_array_size(list)) set->items = mem_array(json_array_size(list), sizeof *set->items);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!read_tool(set, json_array_get(list, i), i, dialect, e)) return false;
    return read_choice(set, field(request, "tool_choice"), dialect, e);
}

void tools_fini(tool_set *set)
{
    for (int i = 0; i < set->n; i++) {
        json_decref(set->items[i].schema);
        json_decref(set->items[i].mask);
    }
    mem_free(set->items);
    *set = (tool_set){ 0 };
}

const tool *tools_find(const tool_set *set, const char *name)
{
    for (int i = 0; i < set->n; i++)
        if (!strcmp(set->items[i].name, name)) return &set->items[i];
    return NULL;
}

/* ----------------------------------------------------------------- applying */

static void show_tool(const tool *t, chat *c)
{
    json_t *f = json_pack("{s:s}", "name", t->name), *o;
    char *text;

    if (t->description) json_object_set_new(f, "description", json_string(t->description));
    json_object_set(f, "parameters", t->schema);
    o = json_pack("{s:s, s:o}", "type", "function", "function", f);
    text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17));
    chat_add_tool(c, text);
    free(text);
    json_decref(o);
}

/* Calls in the words of a family, or, for the answer, as a bare object. */
static status make_grammar(grammar **out, const tool_set *set, const char *before,
                           const char *key, const char *after, errtext *err)
{
    grammar_piece (*pieces)[3] = mem_array((size_t)set->n, sizeof *pieces);
    grammar_sequence *calls = mem_array((size_t)set->n, sizeof *calls);
    bytes *heads = mem_array((size_t)set->n, sizeof *heads);
    int n = 0;
    status st;

    for (int i = 0; i < set->n; i++) {
        const tool *t = &set->items[i];

        if (!t->allowed) continue;
        bytes_add_format(&heads[n], "%s{\"name\": \"%s\", \"%s\": ", before, t->name, key);
        pieces[n][0] = (grammar_piece){ .text = heads[n].data, .len = heads[n].len };
        pieces[n][1] = (grammar_piece){ .schema = t->mask };
        pieces[n][2] = (grammar_piece){ .text = after, .len = strlen(after) };
        calls[n] = (grammar_sequence){ pieces[n], 3 };
        n++;
    }
    st = grammar_new_sequences(out, calls, n, NULL, err);
    for (int i = 0; i < set->n; i++) bytes_fini(&heads[i]);
    mem_free(heads);
    mem_free(calls);
    mem_free(pieces);
    return st;
}

static bool refuse_grammar(api_error *e, const errtext *err)
{
    return error_bad_code(e, "invalid_function_parameters", "tools",
                          "These tools cannot be kept to: %s", err->text);
}

bool tools_apply(const tool_set *set, const reasoner *r, chat *c, grammar **answer,
                 grammar **call, api_error *e)
{
    const call_style *style = render_call_style(reasoner_family(r));
    bool native = style->close && tokenizer_special(reasoner_tokenizer(r), style->close) >= 0;
    bool fenced = reasoner_family(r) == RENDER_R1;
    bytes after = { 0 };
    errtext err;
    int n = 0;
    status st = OK;

    if (set->choice == CHOICE_NONE) return true;
    for (int i = 0; i < set->n; i++) {
        const tool *t = &set->items[i];
        char path[200];

        if (!t->allowed) continue;
        n++;
        show_tool(t, c);
        if (!t->strict || !fenced || set->choice == CHOICE_REQUIRED) continue;
        field_path(path, t->path, "strict");
        return error_bad_code(e, "unsupported_value", path,
                              "Unsupported value: '%s' does not support true with this model, "
                              "unless a call is required.", path);
    }
    if (!n && set->choice == CHOICE_REQUIRED)
        return refuse_value(e, "tool_choice", "Invalid value for 'tool_choice': a call is "
                            "required and no tool is allowed.");
    if (!n) return true;
    if (set->choice == CHOICE_REQUIRED) {
        grammar_free(*answer);
        *answer = NULL;
        st = make_grammar(answer, set, "", style->arguments, "}", &err);
    }
    if (st == OK && !fenced) {
        bytes_add_string(&after, style->close ? "}\n" : "}");
        if (style->close && !native) bytes_add_string(&after, style->close);
        st = make_grammar(call, set, style->close ? "\n" : "", style->arguments, after.data, &err);
        bytes_fini(&after);
    }
    return st == OK || refuse_grammar(e, &err);
}

char *tool_input(const char *arguments)
{
    json_t *o = json_loads(arguments, 0, NULL);
    const char *text = json_string_value(json_object_get(o, "input"));
    char *copy = mem_string(text ? text : arguments);

    json_decref(o);
    return copy;
}
