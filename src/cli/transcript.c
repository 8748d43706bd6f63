/* transcript.c - a conversation as a JSON file. */
#include "cli/transcript.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "cli/input.h"
#include "decode/textout.h"

static json_t *text_json(const char *data, size_t len)
{
    bytes clean = { 0 };
    textout t;
    json_t *out;

    textout_init(&t, NULL);
    textout_add(&t, data, len, &clean);
    textout_end(&t, &clean);
    out = json_stringn(clean.data ? clean.data : "", clean.len);
    bytes_fini(&clean);
    return out;
}

static json_t *part_json(const chat_part *p)
{
    json_t *o = json_object();

    json_object_set_new(o, "type", json_string(p->name ? "file" : "text"));
    if (p->name) json_object_set_new(o, "filename", text_json(p->name, strlen(p->name)));
    json_object_set_new(o, "text", text_json(p->data, p->len));
    return o;
}

static json_t *content_json(const chat_message *m)
{
    json_t *list;

    if (m->n_part == 0) return json_string("");
    if (m->n_part == 1 && !m->parts[0].name) return text_json(m->parts[0].data, m->parts[0].len);
    list = json_array();
    for (int i = 0; i < m->n_part; i++) json_array_append_new(list, part_json(&m->parts[i]));
    return list;
}

status transcript_write(const char *path, const char *model_name, const chat *c, errtext *err)
{
    json_t *root = json_object(), *list = json_array();
    char *text;
    status st;

    for (int i = 0; i < c->n; i++) {
        const chat_message *m = &c->items[i];
        json_t *o = json_object();

        json_object_set_new(o, "role", json_string(chat_role_name(m->role)));
        json_object_set_new(o, "content", content_json(m));
        if (m->reasoning_len)
            json_object_set_new(o, "reasoning_content", text_json(m->reasoning, m->reasoning_len));
        json_array_append_new(list, o);
    }
    json_object_set_new(root, "model", text_json(model_name, strlen(model_name)));
    json_object_set_new(root, "messages", list);
    text = json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    if (!text) return fail(err, E_FORMAT, "%s: the conversation does not fit JSON", path);
    st = file_replace(path, text, strlen(text), err);
    free(text);
    return st;
}

status transcript_read(const char *path, chat *c, errtext *err)
{
    bytes text = { 0 };
    errtext why;
    status st = file_read(&text, path, INPUT_MAX_BYTES, err);

    if (st == OK && (st = chat_read(c, text.data, text.len, &why)) != OK)
        fail(err, st, "%s: %s", path, why.text);
    bytes_fini(&text);
    return st;
}
