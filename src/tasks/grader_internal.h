/* grader_internal.h - what the files behind grader.h share. */
#ifndef TASKS_GRADER_INTERNAL_H
#define TASKS_GRADER_INTERNAL_H

#include "base/bytes.h"
#include "tasks/grader.h"
#include "tasks/grader_formula.h"
#include "tasks/problem.h"
#include "tasks/similarity.h"
#include "tasks/template.h"

typedef enum check_op { CHECK_EQ, CHECK_NE, CHECK_LIKE, CHECK_ILIKE } check_op;

typedef enum extract { EXTRACT_AUTO, EXTRACT_BOXED, EXTRACT_NONE } extract;

/* One message to a judge: texts are joined by line feeds. */
typedef struct message {
    char *role;
    template **texts;
    int n_text;
} message;

struct grader {
    grader_type type;
    char *name;
    json_t *spec;                /* with the name */
    bool has_threshold;
    double threshold;
    grader_host host;

    /* string_check, text_similarity, equivalence, ponder_task; those a type does
     * not have are NULL. task and key are ponder_task's. */
    template *input, *reference, *task, *key;
    check_op op;
    bool cosine;
    similarity *metric;          /* NULL: cosine */
    extract how;
    double tolerance;

    /* score_model, label_model */
    char *model;
    message *messages;
    int n_message;
    json_t *sampling, *schema;
    double low, high;
    json_t *labels, *passing;

    /* multi */
    char **keys;
    grader **parts;
    int n_part;
    formula *output;
    bool has_invalid_grade;
    double invalid_grade;

    char **warnings;
    int n_warning;
};

/* ---- building (grader_parse.c, grader_judge_parse.c) ---- */

/* What is wrong with a spec, all of it: one message tells as much as fits. */
typedef struct complaints {
    bytes text;
    status st;                   /* of the worst */
} complaints;

void complain(complaints *c, status st, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void grader_warn(grader *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A required string that is a template; NULL after a complaint. prefix is the
 * field path so far, "" or "graders.name.". */
template *parse_template(const json_t *spec, const char *key, const char *prefix,
                         complaints *c);
const char *json_kind(const json_t *v);          /* "an object" */

void parse_judge(grader *g, const json_t *spec, const char *prefix, complaints *c);

/* Call fn with every template of a grader that is not multi. */
typedef void template_fn(void *arg, const template *t);
void grader_each_template(const grader *g, template_fn *fn, void *arg);

/* ---- running ---- */

/* One run: what templates are filled from. */
typedef struct grading {
    const json_t *item, *sample;
    bool blank;                  /* the sample has no answer at all */
    char parse_error[160];       /* why output_text is not JSON; "" when it is */
} grading;

/* Fill in a template; false after noting in *out what is wrong. */
bool grading_fill(const grading *run, const template *t, bytes *text, grade *out);

void run_string_check(const grader *g, const grading *run, grade *out);
void run_similarity(const grader *g, const grading *run, grade *out);
void run_equivalence(const grader *g, const grading *run, grade *out);
void run_ponder_task(const grader *g, const grading *run, grade *out);
void run_judge(const grader *g, const grading *run, grade *out);

/* Set a flag with details (the first ones stay) and a verdict that is at least
 * this bad. details of NULL: no such field. */
void grade_flag(grade *r, bool *flag, char **details, grade_verdict verdict, const char *text);

#endif
