/* grammar_internal.h - the compiled form of a grammar, and the machine on it.
 *
 * A text is followed by threads, one for each way to read it so far. A thread
 * is a place inside the piece being written (a lexer state) and a stack of what
 * encloses it; stacks are interned, so two threads with one future are equal
 * and merge. Whoever builds the tables sees to it that every goal and every
 * place they name can be completed: a thread never stands in a dead end, and a
 * byte is allowed exactly when some thread takes it. */
#ifndef DECODE_GRAMMAR_INTERNAL_H
#define DECODE_GRAMMAR_INTERNAL_H

#include <pthread.h>

#include "base/bytes.h"
#include "decode/grammar.h"
#include "decode/regex_dfa.h"

/* ----------------------------------------------------------------- tables */

typedef enum shape_kind {
    SHAPE_LITERAL,               /* spec: literals */
    SHAPE_NUMBER,                /* numbers */
    SHAPE_STRING,                /* strings */
    SHAPE_ARRAY,                 /* arrays */
    SHAPE_OBJECT,                /* objects */
} shape_kind;

typedef struct shape {
    shape_kind kind;
    int32_t spec;
} shape;

/* A value: any of these shapes. */
typedef struct goal {
    shape *shapes;
    int n;
    int height;                  /* containers within containers at least; -1: none */
} goal;

typedef struct literal_spec {
    uint32_t from, len;          /* in the pool of text */
} literal_spec;

typedef struct number_spec {
    const dfa *lex;
    int max_char;
} number_spec;

typedef struct string_spec {
    const dfa *lex;              /* NULL: any characters */
    int low, high;               /* characters, with lex NULL; high -1: no bound */
    bool plain;                  /* each character in its one canonical spelling */
} string_spec;

/* Where an array stands: a count of items up to a clamp, or a node of its own
 * automaton where items have to be told apart. */
typedef struct array_edge {
    int32_t goal, to;
} array_edge;

typedef struct array_spec {
    int32_t *prefix;             /* [n_prefix] goals */
    int n_prefix;
    int32_t rest;                /* goal of the others */
    int low, high;               /* items; high -1: no bound */
    int height;                  /* containers within containers at least */
    int clamp;                   /* counts above it are the same */
    int32_t *first;              /* [n_node + 1] edges, or NULL: counts */
    array_edge *edges;
    bool *final;                 /* [n_node] */
    int32_t *need;               /* [n_node] height of what must still come; -1: no end */
    int n_node;
} array_spec;

typedef struct object_name {
    uint32_t from, len;          /* in the pool: JSON spelling, closing quote included */
    int32_t goal;                /* -1: must not be there */
    bool required;
} object_name;

/* Names beyond the known ones, when `settles` (a set of demands) is met by it. */
typedef struct object_extra {
    const dfa *lex;              /* labels index goals; NULL: there are none */
    int32_t *goals;              /* [label], 0 unused */
    int n_goal;
} object_extra;

typedef struct object_spec {
    object_name *names;          /* [n_name] in the order they are written */
    int n_name;
    int32_t *sorted;             /* [n_name] by their bytes */
    int32_t *next_required;      /* [n_name + 1] first required one from here */
    int32_t *left_required;      /* [n_name + 1] how many from here */
    int32_t *left_optional;
    object_extra *extras;        /* [1 << n_demand] */
    int n_demand;                /* things some extra name must show */
    int demand_cost[16];         /* [1 << n_demand] fewest extra names for a set */
    int low, high;               /* properties */
    int height;
} object_spec;

/* Rules of a context-free grammar. A production is a row of symbols closed by
 * SYMBOL_END; its places are indices into `symbols`. */
typedef enum symbol_kind {
    SYMBOL_END, SYMBOL_LEX, SYMBOL_RULE, SYMBOL_GOAL, SYMBOL_TEXT,
} symbol_kind;

typedef struct symbol {
    symbol_kind kind;
    int32_t spec;
} symbol;

typedef struct rule {
    int32_t *starts;             /* [n] first symbols of its productions */
    int n;
} rule;

/* ---------------------------------------------------------------- machine */

typedef enum frame_kind {
    FRAME_ROOT,
    FRAME_ARRAY,                 /* at: count or node */
    FRAME_OBJECT,                /* at: next name; count, demands, used */
    FRAME_RULE,                  /* spec: the symbol to go on with */
    FRAME_USED,                  /* not of a stack: a used name (spec), and the others */
    FRAME_TEXT,                  /* not of a stack: a character (spec) after a text */
} frame_kind;

typedef struct frame {           /* no padding: compared as bytes */
    uint32_t kind;
    int32_t spec;
    uint32_t parent;
    uint32_t depth;              /* JSON containers */
    int32_t at;
    int32_t count;
    uint32_t demands;            /* still to be met */
    uint32_t used;               /* FRAME_USED, or 0 */
} frame;

typedef enum place {
    PLACE_END,                   /* the text is complete */
    PLACE_VALUE,                 /* a value (spec: goal) begins; white space `ws` */
    PLACE_TEXT,                  /* literal: low bytes of it are written */
    PLACE_NUMBER,                /* q, high characters left */
    PLACE_STRING,                /* q or low, high; the character under way in dec, part */
    PLACE_LEX,                   /* a terminal of a rule: q, dec, part */
    PLACE_ITEM,                  /* after [ or a comma; part: just after [ */
    PLACE_NAME,                  /* after { or a comma; part: just after { */
    PLACE_KNOWN,                 /* a known name: sorted low to high, part bytes */
    PLACE_EXTRA,                 /* another one: q, dec, part; low: its text, high: settles */
    PLACE_COLON,                 /* spec: goal */
    PLACE_NEXT,                  /* after a value: , or the end of what encloses it */
} place;

typedef struct thread {          /* no padding: compared as bytes */
    uint32_t stack;              /* frame */
    uint8_t place, dec;
    uint16_t ws;
    int32_t spec, q;
    uint32_t part;
    int32_t low, high;
    uint32_t zero;
} thread;

typedef struct threads {
    thread *items;
    int n, cap;
} threads;

struct grammar {
    goal *goals;
    int n_goal, cap_goal;
    literal_spec *literals;
    int n_literal, cap_literal;
    number_spec *numbers;
    int n_number, cap_number;
    string_spec *strings;
    int n_string, cap_string;
    array_spec *arrays;
    int n_array, cap_array;
    object_spec *objects;
    int n_object, cap_object;
    symbol *symbols;
    int n_symbol, cap_symbol;
    rule *rules;
    int n_rule, cap_rule;
    dfa **lexes;                 /* owned; SYMBOL_LEX names them */
    int n_lex, cap_lex;
    bytes text;                  /* pool */
    int32_t free_string;         /* the spec of any characters */
    int32_t root_symbol;         /* where a text begins */
    bool compact;

    /* The machine: grows while texts are followed, under the lock. */
    pthread_mutex_t lock;
    frame *frames;               /* 1.. ; 0 is none */
    uint32_t n_frame, cap_frame;
    uint32_t *slots;
    uint32_t slot_mask;
    int n_live;                  /* states */
    struct mask_cache *cache;
};

#define GRAMMAR_GROW(g, field)                                                            \
    do {                                                                                  \
        if ((g)->n_##field == (g)->cap_##field) {                                         \
            (g)->cap_##field = (g)->cap_##field * 2 + 8;                                  \
            (g)->field##s = mem_resize((g)->field##s, (size_t)(g)->cap_##field,           \
                                       sizeof *(g)->field##s);                            \
        }                                                                                 \
    } while (0)

grammar *grammar_alloc(void);
int32_t grammar_add_literal(grammar *g, const char *text, size_t len);
int32_t grammar_add_symbol(grammar *g, symbol_kind kind, int32_t spec);
int32_t grammar_add_lex(grammar *g, dfa *lex);           /* takes it */
void grammar_finish_object(grammar *g, object_spec *o);  /* fills the derived tables */

/* A JSON string's canonical inside: no quotes around it. */
void grammar_spell(bytes *out, const char *text, size_t len);

/* The machine (grammar_step.c); the lock is held. */
uint32_t frame_intern(grammar *g, const frame *f);
void frame_rewind(grammar *g, uint32_t n_frame);         /* forget the later ones */
void threads_add(threads *out, const thread *t);
void threads_settle(threads *t);                         /* in order, each once */
void threads_fini(threads *t);
void thread_step(grammar *g, const thread *t, uint8_t byte, threads *out);
void threads_step(grammar *g, const thread *in, int n, uint8_t byte, threads *out);
void threads_start(grammar *g, threads *out);
bool threads_complete(grammar *g, const threads *t);

/* What follows when a thread inside a string or a name is given its closing
 * quote, whether or not that may come now. */
void thread_closed(grammar *g, const thread *t, threads *out);

/* What follows when the text a thread is in the middle of were complete. */
void thread_ended(grammar *g, const thread *t, threads *out);

/* Whether text `of` is `text` followed by these spelt characters. */
bool text_follows(const grammar *g, uint32_t of, uint32_t text, const char *s, size_t len);

struct grammar_state {
    grammar *g;
    const trie *t;
    threads at;
    bool begun;
};

/* mask.c */
struct mask_cache *mask_cache_new(void);
void mask_cache_free(struct mask_cache *c);
void mask_cache_clear(struct mask_cache *c);
int mask_compute(grammar_state *s, uint64_t *allowed);

#endif
