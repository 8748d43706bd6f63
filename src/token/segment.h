/* segment.h - a prompt as a list of trusted and plain pieces.
 *
 * Invariant 2: text that is not ours never becomes a control token. Only a
 * trusted segment (written by a renderer of ours) may yield special tokens; in
 * a plain one (user, tool result, history, file) the same characters become
 * ordinary text tokens. */
#ifndef TOKEN_SEGMENT_H
#define TOKEN_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct segment {
    char *text;          /* owned by the list; may hold NUL bytes */
    size_t len;
    bool trusted;
} segment;

typedef struct segments {
    segment *items;
    int n;
    int cap;
} segments;

/* Append a copy. A piece that follows one of the same kind is joined to it, so
 * how a renderer cuts its own text does not change the ids. */
void segments_trusted(segments *s, const char *text);
void segments_trusted_bytes(segments *s, const char *text, size_t len);
void segments_plain(segments *s, const char *text, size_t len);
void segments_fini(segments *s);

#endif
