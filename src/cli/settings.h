/* settings.h - what ask and chat let a user choose, and the model it is for. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/bytes.h"
#include "cli/options.h"
#include "cli/view.h"
#include "reason/ask.h"

typedef struct settings {
    const char *model;       /* path, name or NULL */
    effort effort;
    bool effort_given;
    int budget;              /* ASK_BUDGET_BY_EFFORT unless given */
    bool budget_given;
    int min_think, wait, samples, max_tokens, threads;
    sampler_options sampler; /* only the fields marked given count */
    struct { bool temperature, top_p, top_k, min_p, seed; } given;
    const char *system;
    text_list stop;
    bool show, fold, hide;
    bool anyway;             /* ask ponder-nano what it was not made for, too */
} settings;

#define SETTINGS_MAX_OPTION 20

void settings_init(settings *s);                 /* a random seed */
void settings_fini(settings *s);

/* Put the shared options into table; returns how many. They point into s. */
int settings_options(settings *s, option_spec table[SETTINGS_MAX_OPTION]);
extern const char settings_help[];               /* their part of --help */

/* What cannot be wanted together; false after telling on standard error. */
bool settings_check(const settings *s, const char *command);

view_thinking settings_thinking(const settings *s);

/* A request by these settings; what was not given is the model's own. */
ask_request settings_request(const settings *s, const reasoner *r, const chat *c);

/* Find and load the model; its warning goes to standard error. path is filled
 * in. E_IO when there is none: err says how to get one. */
status settings_open(const settings *s, const char *name, reasoner **out, bytes *path,
                     errtext *err);

/* Is what a chat asks something the model was made for? Always, but of
 * ponder-nano, which knows the problems of src/tasks alone (reason/scope.h) and
 * answers the rest with noise; false then, with what it can do put into why. */
bool settings_in_scope(const settings *s, const reasoner *r, const chat *c, bytes *why);
bool settings_is_nano(const reasoner *r);

/* The last part of a model's path without ".gguf", appended to out. */
void model_short_name(const char *path, bytes *out);

#endif
