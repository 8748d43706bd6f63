/* chat.h - a conversation as data: messages, attached files, tool calls.
 *
 * Everything here is somebody else's text (a user's, a tool's, the model's own
 * past), so none of it is ever trusted (invariant 2); render.h decides what
 * stands around it. Texts are bytes with a length and may hold anything; names,
 * ids and JSON texts are C strings. A chat owns copies of all it is given. */
#ifndef REASON_CHAT_H
#define REASON_CHAT_H

#include <stddef.h>

#include "base/status.h"

typedef enum chat_role {
    CHAT_SYSTEM,
    CHAT_DEVELOPER,      /* renders as system */
    CHAT_USER,
    CHAT_ASSISTANT,
    CHAT_TOOL,           /* one tool's result */
} chat_role;

/* A piece of a message: text, or with a name a file that stands apart. */
typedef struct chat_part {
    char *name;          /* file name, or NULL for text */
    char *data;
    size_t len;
} chat_part;

typedef struct chat_call {
    char *id;            /* or NULL */
    char *name;
    char *arguments;     /* JSON text, normally of an object */
} chat_call;

typedef struct chat_message {
    chat_role role;
    chat_part *parts;    /* none: the content is empty */
    int n_part;
    char *reasoning;     /* past thinking, or NULL; may be empty */
    size_t reasoning_len;
    chat_call *calls;    /* of an assistant */
    int n_call;
    char *tool_call_id;  /* of a tool result, or NULL */
    char *name;          /* speaker or tool, or NULL; no template writes it */
} chat_message;

typedef struct chat {
    chat_message *items;
    int n;
    int cap;
    char **tools;        /* JSON text of one definition each */
    int n_tool;
} chat;

const char *chat_role_name(chat_role role);

/* Append an empty message; the pointer holds until the next chat_add. */
chat_message *chat_add(chat *c, chat_role role);

void chat_message_text(chat_message *m, const char *data, size_t len);
void chat_message_file(chat_message *m, const char *name, const char *data, size_t len);
void chat_message_reasoning(chat_message *m, const char *data, size_t len);
void chat_message_call(chat_message *m, const char *id, const char *name,
                       const char *arguments);

/* A tool definition as the API writes it: {"type": "function", "function":
 * {...}}. Kept as text, so that key order and numbers survive. */
void chat_add_tool(chat *c, const char *json);

void chat_truncate(chat *c, int n);              /* keep the first n messages */
void chat_fini(chat *c);                         /* accepts a zeroed chat */
void chat_call_fini(chat_call *call);

/* Append the messages and tools of a JSON object {"messages": [...], "tools":
 * [...]} in the form of the chat API: content is a string, null, or a list of
 * parts ("text", "input_text", "output_text", "refusal", and "file" with a
 * name and text); past thinking is taken from "reasoning_content" or
 * "reasoning"; arguments are JSON text or an object.
 *
 * E_FORMAT names the message and the field. On failure c holds what it held
 * before and nothing else. */
status chat_read(chat *c, const char *json, size_t len, errtext *err);

#endif
