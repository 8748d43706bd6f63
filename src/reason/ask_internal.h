/* ask_internal.h - what reasoner.c, ask.c and final.c share. */
#ifndef REASON_ASK_INTERNAL_H
#define REASON_ASK_INTERNAL_H

#include "reason/ask.h"

struct reasoner {
    pool *threads;
    model *model;
    tokenizer *tokenizer;
    engine *engine;
    render_family family;
    phase_style *style;
    char *warning;
};

/* Fill votes, n_vote and chosen from the samples' finals. */
void ask_count_votes(ask_answer *a);

#endif
