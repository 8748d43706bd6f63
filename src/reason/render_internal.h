/* render_internal.h - what the renderers of all families share. */
#ifndef REASON_RENDER_INTERNAL_H
#define REASON_RENDER_INTERNAL_H

#include "base/bytes.h"
#include "reason/render.h"
#include "reason/render_json.h"

#define THINK_OPEN "<think>\n"
#define THINK_CLOSE "\n</think>\n\n"

/* A text in the making: borrowed pieces, trusted or plain, with a store for
 * those that had to be made. Templates trim whole texts, so pieces wait here
 * until their ends are known. */
typedef struct piece {
    const char *data;
    size_t len;
    bool trusted;
} piece;

typedef struct pieces {
    piece *items;
    int n, cap;
    char **owned;
    int n_owned;
} pieces;

void pieces_trusted(pieces *p, const char *text);            /* borrowed */
void pieces_plain(pieces *p, const char *data, size_t len);  /* borrowed */
void pieces_plain_take(pieces *p, bytes *b);                 /* b is emptied */

/* A message's content: texts as they are, files between lines that name them. */
void pieces_content(pieces *p, const chat_message *m);

/* Python's strip, lstrip and rstrip: white space as Unicode counts it, or with
 * `newlines` only "\n". */
typedef enum trim_side { TRIM_LEFT = 1, TRIM_RIGHT = 2, TRIM_BOTH = 3 } trim_side;
void pieces_trim(pieces *p, trim_side side, bool newlines);

bool pieces_empty(const pieces *p);
void pieces_flat(const pieces *p, bytes *out);
void pieces_emit(pieces *p, segments *out);                  /* empties p */
void pieces_fini(pieces *p);

/* Content as one byte string, for templates that look into it. */
void content_flat(const chat_message *m, bytes *out);
bool content_empty(const chat_message *m);

bool is_system(const chat_message *m);
void put_plain_string(segments *out, const char *s);
void put_content(segments *out, const chat_message *m);

/* Arguments as the template's tojson writes them: an object as JSON, any other
 * text as a JSON string, or as it is when `raw`. */
void put_arguments(segments *out, const char *arguments, bool raw);

/* A tool definition in a style; E_FORMAT names its number. */
status put_tool(segments *out, const chat *c, int i, json_style style, errtext *err);

/* Tool definitions in words of ours, for templates that know none: appended to
 * a system text that stands or not. */
status pieces_tools(pieces *p, const chat *c, const char *call_form, errtext *err);
extern const char call_form_tags[], call_form_r1[];

/* How to think, for models that never learned it. */
extern const char think_instruction[];

/* Calls in <tool_call> tags, one after another, on a line of their own after a
 * text; `raw` as for put_arguments. */
void put_tagged_calls(segments *out, const chat_message *m, bool after_text, bool raw);

/* Index of the last message of a user, or -1. */
int last_user(const chat *c);

/* The whole of a thought that is left in history. */
void put_thought(segments *out, const chat_message *m);

/* Leave a cut-off last message's thinking open? */
bool thought_left_open(const chat *c, int i, const render_options *o);
void put_open_thought(segments *out, const chat_message *m);

/* The families. */
typedef struct render_job {
    render_family family;
    const chat *chat;
    const render_options *options;
    segments *out;
    render_info *info;
} render_job;

status render_chatml(render_job *job, errtext *err);
status render_qwen(render_job *job, errtext *err);
status render_smollm3(render_job *job, errtext *err);
status render_llama(render_job *job, errtext *err);
status render_r1(render_job *job, errtext *err);
status render_nano(render_job *job, errtext *err);

#endif
