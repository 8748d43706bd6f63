/* grader.h - graders of the fine-tuning and evals API: JSON in, reward out.
 *
 * Types: string_check, text_similarity, score_model, label_model, multi, and two
 * of our own, equivalence (equal numbers and expressions, see equiv.h) and
 * ponder_task (the verifier of a procedural problem, see problem.h). python and
 * endpoint graders are recognised and answered with E_UNSUPPORTED.
 *
 * No model is known here: judges and embeddings are asked through callbacks.
 * A grader is not changed by running it; several threads may share one when the
 * callbacks allow it. */
#ifndef TASKS_GRADER_H
#define TASKS_GRADER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"

#define GRADER_MAX_PARTS 64

typedef enum grader_type {
    GRADER_STRING_CHECK,
    GRADER_TEXT_SIMILARITY,
    GRADER_SCORE_MODEL,
    GRADER_LABEL_MODEL,
    GRADER_MULTI,
    GRADER_EQUIVALENCE,
    GRADER_PONDER_TASK,
} grader_type;

/* ---- what the caller lends ---- */

/* One question to a judge; everything is borrowed for the call. */
typedef struct judge_request {
    const char *grader;          /* its name */
    const char *model;           /* as the grader names it */
    const json_t *messages;      /* [{"role", "content": text}], templates filled in */
    const json_t *sampling;      /* sampling_params, or NULL */
    const json_t *schema;        /* JSON schema the reply has to follow */
} judge_request;

/* Filled by the callback; starts zeroed, text and model are released here. */
typedef struct judge_reply {
    bytes text;
    char *model;                 /* mem_string; NULL: as asked for */
    bool refused;
    bool cut_off;                /* ended by its token limit */
    long prompt_tokens, completion_tokens, cached_tokens;
} judge_reply;

/* Not OK: the judge cannot be asked now (model_grader_server_error). */
typedef status judge_fn(void *arg, const judge_request *request, judge_reply *reply,
                        errtext *err);

/* Embed a text: *out is mem_array of *n floats, taken over. */
typedef status embed_fn(void *arg, const char *text, size_t len, float **out, int *n,
                        errtext *err);

typedef struct grader_host {
    judge_fn *judge;             /* NULL: no judge, model graders are E_UNSUPPORTED */
    embed_fn *embed;             /* NULL: no cosine */
    void *arg;
} grader_host;

/* ---- building ---- */

typedef struct grader grader;

/* Build from the API's JSON (borrowed). host is copied, may be NULL. The caller
 * owns *out. E_ARG lists what is wrong, naming each field; E_UNSUPPORTED names
 * the field and the reason; E_FORMAT a template that cannot be read. */
status grader_new(grader **out, const json_t *spec, const grader_host *host, errtext *err);
void grader_free(grader *g);                     /* accepts NULL */

/* The grader as given, with the name it got if it had none: what the validate
 * endpoint echoes. The caller owns it. */
json_t *grader_json(const grader *g);

const char *grader_name(const grader *g);
const char *grader_type_name(const grader *g);   /* "string_check" */
grader_type grader_type_of(const grader *g);

/* The parts of a multi grader, in the order of the JSON. */
int grader_parts(const grader *g);
const char *grader_part_key(const grader *g, int i);
const grader *grader_part(const grader *g, int i);

/* What is allowed but looks wrong: a reward that cannot depend on the sample, a
 * misspelt member of sample. Borrowed. */
int grader_warnings(const grader *g);
const char *grader_warning(const grader *g, int i);

/* Does every item path lead somewhere in this row? E_ARG names grader and path. */
status grader_check_item(const grader *g, const json_t *item, errtext *err);

/* Does a reward count as a pass? pass_threshold, or the best possible score. */
bool grader_passes(const grader *g, double reward);

/* ---- running ---- */

/* Whose fault a missing score is. */
typedef enum grade_verdict {
    GRADE_SCORED,        /* the reward says how good the sample is */
    GRADE_BAD_SAMPLE,    /* the sample could not be graded: reward 0, use it */
    GRADE_BROKEN,        /* grader, judge or data row failed: do not learn from it */
} grade_verdict;

/* The error fields of the API; the flags are written as they are named there. */
typedef struct grade_errors {
    bool formula_parse, sample_parse, truncated_observation, unresponsive_reward;
    bool invalid_variable, other;
    bool model_server, model_refusal, model_parse, model_exceeded_max_tokens;
    char *sample_parse_details, *invalid_variable_details;
    char *model_server_details, *model_refusal_details, *model_parse_details;
    char *other_details;         /* not a field of the API: for our own log */
} grade_errors;

typedef struct grade {
    double reward;               /* finite; never clamped to 1 */
    grade_verdict verdict;
    grade_errors errors;         /* of a multi: what any part has */
    double seconds;
    bool asked;                  /* a judge was asked */
    char *judge_model;           /* who answered; NULL when nobody */
    char *judge_text;            /* what it said, for the sample log */
    long prompt_tokens, completion_tokens, cached_tokens;
    struct grade *parts;         /* of a multi, as grader_part numbers them */
    int n_part;
} grade;

/* Grade one sample. item is the data row without its messages being special;
 * sample has output_text and may have output_json, output_tools, choices. Where
 * output_json is missing and output_text is JSON, it is filled in. NULL counts
 * as empty. Never fails: trouble is told in *out, to be released by grade_fini. */
void grader_run(const grader *g, const json_t *item, const json_t *sample, grade *out);
void grade_fini(grade *r);                       /* accepts a zeroed grade */

/* The reply of graders/run: reward, metadata, sub_rewards and token usage. The
 * caller owns it. */
json_t *grade_json(const grader *g, const grade *r);

/* A sample for a model's answer: output_text, choices, and output_tools from
 * tool_calls (borrowed, may be NULL). The caller owns it. Text that is not UTF-8
 * has U+FFFD for each bad byte. */
json_t *grader_sample(const char *text, size_t len, json_t *tool_calls);

#endif
