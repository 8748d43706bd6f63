/* options.h - command lines by table.
 *
 * Options and arguments mix freely; "--" ends the options, "--name=value" and
 * "--name value" are the same. Trouble is told in one line on standard error
 * that names the option and what it takes. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct text_list {
    const char **items;      /* borrowed texts */
    int n, cap;
} text_list;

void text_list_add(text_list *l, const char *text);
void text_list_fini(text_list *l);

typedef enum option_kind {
    OPTION_FLAG,             /* bool: set to true */
    OPTION_TEXT,             /* const char * */
    OPTION_TEXTS,            /* text_list: may come more than once */
    OPTION_INT,              /* int in low to high */
    OPTION_REAL,             /* float in low to high */
    OPTION_SEED,             /* uint64_t in 0 to 2^63 - 1 */
    OPTION_WORD,             /* whatever `parse` makes of it */
} option_kind;

typedef struct option_spec {
    const char *name;        /* without the dashes */
    char letter;             /* of its short form, or 0 */
    option_kind kind;
    void *to;                /* where the value goes, by kind */
    double low, high;
    bool *given;             /* set to true when it is there; or NULL */
    bool (*parse)(const char *text, void *to);
    const char *expected;    /* OPTION_WORD: what parse accepts, for people */
} option_spec;

typedef enum options_end {
    OPTIONS_OK,
    OPTIONS_HELP,            /* --help or -h was among them */
    OPTIONS_BAD,             /* told on standard error: exit with EXIT_USAGE */
} options_end;

/* Read argv[1] onwards by a table of n options. Arguments that are no options
 * go to rest; with rest NULL there may be none. `command` ("ponder ask") begins
 * every message. */
options_end options_parse(const char *command, const option_spec *table, int n, int argc,
                          char **argv, text_list *rest);

/* The same for one value that did not come from a command line: true, or the
 * line that says why not in why[256]. */
bool option_set(const option_spec *o, const char *value, char *why);

/* The candidate that `word` is probably a misspelling of, or NULL. */
const char *nearest_word(const char *word, const char *const *candidates, int n);

#endif
