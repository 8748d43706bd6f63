/* story.h - the sentences of word problems.
 *
 * Patterns hold %p (who it is about), %o (the other person), %n and %k (numbers)
 * and %i (what is counted); "|" parts phrasings that say the same, of which one at
 * least names the person, for stories where the other one has come up. */
#ifndef TASKS_STORY_H
#define TASKS_STORY_H

/* What a sentence does to the quantity v. */
typedef enum event {
    EVENT_HAS,               /* v = k */
    EVENT_GROUPS,            /* v = n * k */
    EVENT_GAIN,              /* v = v + k */
    EVENT_LOSE,              /* v = v - k */
    EVENT_GAIN_GROUPS,       /* x = n * k, v = v + x */
    EVENT_LOSE_GROUPS,       /* x = n * k, v = v - x */
    EVENT_HALF,              /* v = v / 2 */
    EVENT_TIMES,             /* the other has k times as many: v = v * k */
    EVENT_MORE,              /* the other has k more: v = v + k */
    EVENT_FEWER,             /* the other has k fewer: v = v - k */
    EVENT_ASK,               /* how many */
    EVENT_ASK_BOTH,          /* after TIMES, MORE, FEWER: how many have both */
    EVENT_ASK_GAP,           /* after TIMES: how many more has the other */
    EVENT_ASK_EACH,          /* shared among k: v = v / k */
    EVENT_ASK_WORTH,         /* at k dollars each: v = v * k */
    EVENT_ASK_CHANGE,        /* the same, paid with n dollars: x = v * k, v = n - x */
    N_EVENT,
} event;

enum { N_NAME = 12, N_THEME = 9, MAX_ITEM = 4, N_ASIDE = 7 };

typedef struct theme {
    const char *item[MAX_ITEM];      /* in the plural; NULL where there are fewer */
    const char *say[N_EVENT];        /* NULL where the event does not fit the theme */
    const char *aux;                 /* label of x for GAIN_GROUPS and LOSE_GROUPS */
    int max;                         /* v stays at most this */
} theme;

extern const theme story_theme[N_THEME];
extern const char *const story_name[N_NAME];
extern const char *const story_aside[N_ASIDE];   /* facts that do not matter */

#endif
