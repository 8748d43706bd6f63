/* work.h - families whose trace is one right line after another.
 *
 * A family tells how to start, what the next line is given what stands before it,
 * and how to read a line back. Writing a trace, checking one and following an
 * edited one are then the same walk: a line is true when it is, byte by byte, the
 * line that follows from the lines *as they stand*, so one slip makes one false
 * step and what is rightly worked from it stays true. A trace is
 *
 *   [header]  line  ...  line  [check  line ... line]  =answer
 *
 * with the second pass at high effort. The end line must repeat the last result. */
#ifndef TASKS_WORK_H
#define TASKS_WORK_H

#include "base/bytes.h"
#include "tasks/lines.h"
#include "tasks/problem.h"

typedef struct work {
    size_t state_bytes;
    /* The first line, which restates the problem; NULL when there is none. */
    void (*header)(const void *state, const char *key, bytes *out);

    /* Read a key into a zeroed state; false when it is none of this family. */
    bool (*open)(void *state, const char *key);
    int (*depth)(const void *state);
    int (*lines)(const void *state);            /* of one pass, at least 1 */
    void (*start)(void *state);                 /* back to before line 0 */
    /* The right line i from what was taken so far. */
    void (*line)(const void *state, int i, bytes *out);
    /* Take line i as it stands, right or wrong. False when its label is not that
     * of line i or it cannot be read; the state is then as before. */
    bool (*take)(void *state, int i, cursor line);
    void (*answer)(const void *state, bytes *out);
    /* Write line i with another result that could be; returns where the changed
     * value ends in it, or 0 when this line has no such place. */
    size_t (*twist)(const void *state, int i, rng *r, bytes *out);
} work;

/* A header that is the key. */
void work_header_key(const void *state, const char *key, bytes *out);

/* What task.tell has to fill in beside the prompt, which it takes. */
void work_tell(const work *w, problem *p, const char *key, char *prompt, trace_effort effort);

/* The answer, or NULL for a key that is none; the caller's. */
char *work_answer(const work *w, const char *key);

void work_check(const work *w, const char *key, const char *think, size_t len,
                trace_check *out);

bool work_edit(const work *w, const char *key, const char *think, size_t len, rng *r,
               char **prefix, char **follows);

/* 1 when the answer is the integer, or the word, that work_answer gives. */
double work_grade_integer(const work *w, const char *key, const char *answer, size_t len);
double work_grade_word(const work *w, const char *key, const char *answer, size_t len);

/* A number with its sign; at most six digits. */
bool cursor_signed(cursor *c, int *out);

/* Lowercase letters, at least one and at most max, with a NUL behind; the length, or
 * 0 when there is none or too many. */
int cursor_letters(cursor *c, char *out, int max);

#endif
