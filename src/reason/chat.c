/* chat.c - building conversations, and reading them from JSON. */
#include "reason/chat.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *chat_role_name(chat_role role)
{
    static const char *const names[] = {
        [CHAT_SYSTEM] = "system", [CHAT_DEVELOPER] = "developer", [CHAT_USER] = "user",
        [CHAT_ASSISTANT] = "assistant", [CHAT_TOOL] = "tool",
    };
    return names[role];
}

static char *text_copy(const char *data, size_t len)
{
    char *copy = mem_new(len + 1);

    if (len) memcpy(copy, data, len);
    return copy;
}

chat_message *chat_add(chat *c, chat_role role)
{
    if (c->n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 8;
        c->items = mem_resize(c->items, (size_t)c->cap, sizeof *c->items);
    }
    chat_message *m = &c->items[c->n++];
    memset(m, 0, sizeof *m);
    m->role = role;
    return m;
}

static void part_add(chat_message *m, const char *name, const char *data, size_t len)
{
    m->parts = mem_resize(m->parts, (size_t)m->n_part + 1, sizeof *m->parts);
    m->parts[m->n_part++] = (chat_part){
        .name = mem_string(name), .data = text_copy(data, len), .len = len,
    };
}

void chat_message_text(chat_message *m, const char *data, size_t len)
{
    part_add(m, NULL, data, len);
}

void chat_message_file(chat_message *m, const char *name, const char *data, size_t len)
{
    CHECK(name != NULL);
    part_add(m, name, data, len);
}

void chat_message_reasoning(chat_message *m, const char *data, size_t len)
{
    mem_free(m->reasoning);
    m->reasoning = text_copy(data, len);
    m->reasoning_len = len;
}

void chat_message_call(chat_message *m, const char *id, const char *name,
                       const char *arguments)
{
    m->calls = mem_resize(m->calls, (size_t)m->n_call + 1, sizeof *m->calls);
    m->calls[m->n_call++] = (chat_call){
        .id = mem_string(id), .name = mem_string(name),
        .arguments = mem_string(arguments ? arguments : "{}"),
    };
}

void chat_add_tool(chat *c, const char *json)
{
    c->tools = mem_resize(c->tools, (size_t)c->n_tool + 1, sizeof *c->tools);
    c->tools[c->n_tool++] = mem_string(json);
}

void chat_call_fini(chat_call *call)
{
    mem_free(call->id);
    mem_free(call->name);
    mem_free(call->arguments);
    memset(call, 0, sizeof *call);
}

static void message_fini(chat_message *m)
{
    for (int i = 0; i < m->n_part; i++) {
        mem_free(m->parts[i].name);
        mem_free(m->parts[i].data);
    }
    for (int i = 0; i < m->n_call; i++) chat_call_fini(&m->calls[i]);
    mem_free(m->parts);
    mem_free(m->calls);
    mem_free(m->reasoning);
    mem_free(m->tool_call_id);
    mem_free(m->name);
}

void chat_truncate(chat *c, int n)
{
    while (c->n > n) message_fini(&c->items[--c->n]);
}

static void tools_truncate(chat *c, int n)
{
    while (c->n_tool > n) mem_free(c->tools[--c->n_tool]);
}

void chat_fini(chat *c)
{
    chat_truncate(c, 0);
    tools_truncate(c, 0);
    mem_free(c->items);
    mem_free(c->tools);
    memset(c, 0, sizeof *c);
}

/* Reading. Every reader gets `where` ("messages[3]") for its errors. */

static status read_role(chat_role *out, const json_t *item, const char *where, errtext *err)
{
    const char *name = json_string_value(json_object_get(item, "role"));

    if (!name) return fail(err, E_FORMAT, "%s.role: expected a string", where);
    for (int r = CHAT_SYSTEM; r <= CHAT_TOOL; r++)
        if (!strcmp(name, chat_role_name(r))) {
            *out = r;
            return OK;
        }
    return fail(err, E_FORMAT, "%s.role: \"%.40s\" is not a role", where, name);
}

static status read_part(chat_message *m, const json_t *part, const char *where, errtext *err)
{
    const char *type = json_string_value(json_object_get(part, "type"));

    if (!type) return fail(err, E_FORMAT, "%s.content: a part without a type", where);
    if (!strcmp(type, "file") || !strcmp(type, "input_file")) {
        const json_t *file = json_object_get(part, "file");
        if (!json_is_object(file)) file = part;
        const char *name = json_string_value(json_object_get(file, "filename"));
        const json_t *text = json_object_get(file, "text");
        if (!name || !json_is_string(text))
            return fail(err, E_FORMAT, "%s.content: a file needs filename and text", where);
        chat_message_file(m, name, json_string_value(text), json_string_length(text));
        return OK;
    }
    const json_t *text = NULL;
    if (!strcmp(type, "text") || !strcmp(type, "input_text") || !strcmp(type, "output_text"))
        text = json_object_get(part, "text");
    else if (!strcmp(type, "refusal"))
        text = json_object_get(part, "refusal");
    else
        return fail(err, E_UNSUPPORTED, "%s.content: part type \"%.40s\"", where, type);
    if (!json_is_string(text))
        return fail(err, E_FORMAT, "%s.content: a %s part without text", where, type);
    /* Two blocks of text are two lines, as the servers this API comes from
     * join them; without this the last word of one runs into the next. */
    if (m->n_part && !m->parts[m->n_part - 1].name) chat_message_text(m, "\n", 1);
    chat_message_text(m, json_string_value(text), json_string_length(text));
    return OK;
}

static status read_content(chat_message *m, const json_t *content, const char *where,
                           errtext *err)
{
    if (!content || json_is_null(content)) return OK;
    if (json_is_string(content)) {
        chat_message_text(m, json_string_value(content), json_string_length(content));
        return OK;
    }
    if (!json_is_array(content))
        return fail(err, E_FORMAT, "%s.content: expected a string or a list of parts", where);
    for (size_t i = 0; i < json_array_size(content); i++) {
        status st = read_part(m, json_array_get(content, i), where, err);
        if (st != OK) return st;
    }
    return OK;
}

static status read_call(chat_message *m, const json_t *call, const char *where, errtext *err)
{
    const json_t *function = json_object_get(call, "function");
    const json_t *id = json_object_get(call, "id");

    if (!json_is_object(function)) function = call;
    const char *name = json_string_value(json_object_get(function, "name"));
    const json_t *arguments = json_object_get(function, "arguments");
    if (!name) return fail(err, E_FORMAT, "%s.tool_calls: a call without a name", where);
    if (!arguments || json_is_string(arguments)) {
        chat_message_call(m, json_string_value(id), name, json_string_value(arguments));
        return OK;
    }
    if (!json_is_object(arguments))
        return fail(err, E_FORMAT, "%s.tool_calls: arguments of %.60s are not an object",
                    where, name);
    char *text = json_dumps(arguments, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!text) return fail(err, E_FORMAT, "%s.tool_calls: arguments of %.60s", where, name);
    chat_message_call(m, json_string_value(id), name, text);
    free(text);
    return OK;
}

static status read_message(chat *c, const json_t *item, const char *where, errtext *err)
{
    chat_role role = CHAT_USER;
    status st = read_role(&role, item, where, err);

    if (st != OK) return st;
    chat_message *m = chat_add(c, role);
    if ((st = read_content(m, json_object_get(item, "content"), where, err)) != OK) return st;

    const json_t *thought = json_object_get(item, "reasoning_content");
    if (!json_is_string(thought)) thought = json_object_get(item, "reasoning");
    if (json_is_string(thought))
        chat_message_reasoning(m, json_string_value(thought), json_string_length(thought));

    const json_t *calls = json_object_get(item, "tool_calls");
    if (calls && !json_is_null(calls) && !json_is_array(calls))
        return fail(err, E_FORMAT, "%s.tool_calls: expected a list", where);
    for (size_t i = 0; i < json_array_size(calls); i++)
        if ((st = read_call(m, json_array_get(calls, i), where, err)) != OK) return st;

    m->tool_call_id = mem_string(json_string_value(json_object_get(item, "tool_call_id")));
    m->name = mem_string(json_string_value(json_object_get(item, "name")));
    return OK;
}

static status read_tools(chat *c, const json_t *tools, errtext *err)
{
    if (!tools || json_is_null(tools)) return OK;
    if (!json_is_array(tools)) return fail(err, E_FORMAT, "tools: expected a list");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        if (!json_is_object(tool))
            return fail(err, E_FORMAT, "tools[%zu]: expected an object", i);
        char *text = json_dumps(tool, JSON_COMPACT | JSON_REAL_PRECISION(17));
        if (!text) return fail(err, E_FORMAT, "tools[%zu]: cannot be written", i);
        chat_add_tool(c, text);
        free(text);
    }
    return OK;
}

status chat_read(chat *c, const char *json, size_t len, errtext *err)
{
    const int n = c->n, n_tool = c->n_tool;
    json_error_t where;
    json_t *root = json_loadb(json, len, JSON_ALLOW_NUL, &where);
    status st = OK;

    if (!root) return fail(err, E_FORMAT, "line %d: %s", where.line, where.text);
    const json_t *messages = json_object_get(root, "messages");
    if (!json_is_array(messages)) {
        st = fail(err, E_FORMAT, "messages: expected a list");
        goto done;
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        char name[40];
        snprintf(name, sizeof name, "messages[%zu]", i);
        if ((st = read_message(c, json_array_get(messages, i), name, err)) != OK) goto done;
    }
    st = read_tools(c, json_object_get(root, "tools"), err);

done:
    if (st != OK) {
        chat_truncate(c, n);
        tools_truncate(c, n_tool);
    }
    json_decref(root);
    return st;
}
