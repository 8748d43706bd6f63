/* view.h - a person watches a model think and answer.
 *
 * The answer goes to standard output, plain and alone, so that it can be piped
 * on; thinking, votes and the closing line go to standard error, dimmed where
 * that is a terminal. Thinking is shown, folded into a live line that counts
 * its tokens and leaves one line behind, or hidden (the live line leaves
 * nothing). Several samples at once are a live line, too. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include "cli/terminal.h"
#include "reason/ask.h"

typedef enum view_thinking { VIEW_SHOW, VIEW_FOLD, VIEW_HIDE } view_thinking;

typedef struct view {
    terminal out, err;
    view_thinking thinking;
    bool silent;             /* shows nothing while it runs (--json) */
    int n_sample;
    int n_done;              /* samples that have ended */
    int *n_token;            /* [n_sample] generated so far */
    int n_thought;           /* tokens of thinking so far */
    enum { VIEW_NOTHING, VIEW_THOUGHT, VIEW_ANSWER } at;
    double drawn_s;          /* when the live line was last drawn */
} view;

void view_init(view *v, view_thinking thinking, bool silent);
void view_fini(view *v);

/* Before each request. */
void view_begin(view *v, int n_sample);

/* An ask_fn's body: show one event. */
void view_event(view *v, const ask_event *e);

/* After the request: what was not streamed, and all lines closed. */
void view_end(view *v, const ask_answer *a);

/* The votes, most first: answer, count, bar. */
void view_votes(view *v, const ask_answer *a);

/* The closing line. first_s and total_s count from where the caller likes. */
void view_usage(view *v, const ask_answer *a, double first_s, double total_s);

/* A paragraph for the user on standard error, broken into lines. */
void view_note(view *v, const char *text);

/* Tokens per second once the first was there. */
double view_rate(const ask_answer *a);

#endif
