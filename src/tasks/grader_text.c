/* grader_text.c - graders that compare two texts. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/equiv.h"
#include "tasks/grader_internal.h"
#include "tasks/runes.h"

/* Both templates of a grader, filled in. */
typedef struct pair {
    bytes input, reference;
} pair;

static bool pair_fill(pair *p, const grader *g, const grading *run, grade *out)
{
    bool input = grading_fill(run, g->input, &p->input, out);

    /* Both are filled in, so that a row's fault shows beside the sample's. */
    return grading_fill(run, g->reference, &p->reference, out) && input;
}

static void pair_fini(pair *p)
{
    bytes_fini(&p->input);
    bytes_fini(&p->reference);
}

/* Nothing is contained in everything, which would make an empty answer right
 * where a grader has its two sides swapped; here it is contained in nothing. */
static bool contains(const bytes *text, const bytes *part)
{
    return part->len && memmem(text->data, text->len, part->data, part->len) != NULL;
}

static bool contains_folded(const bytes *text, const bytes *part)
{
    bytes a = { 0 }, b = { 0 };
    bool has;

    text_lower(&a, text->data, text->len);
    text_lower(&b, part->data, part->len);
    has = a.len && contains(&a, &b);
    bytes_fini(&a);
    bytes_fini(&b);
    return has;
}

void run_string_check(const grader *g, const grading *run, grade *out)
{
    pair p = { { 0 }, { 0 } };
    bool equal;

    if (pair_fill(&p, g, run, out)) {
        equal = p.input.len == p.reference.len &&
                !memcmp(p.input.data, p.reference.data, p.input.len);
        switch (g->op) {
        case CHECK_EQ: out->reward = equal; break;
        case CHECK_NE: out->reward = !equal; break;
        case CHECK_LIKE: out->reward = contains(&p.input, &p.reference); break;
        case CHECK_ILIKE: out->reward = contains_folded(&p.input, &p.reference); break;
        }
    }
    pair_fini(&p);
}

static bool embed(const grader *g, const bytes *text, float **v, int *n, grade *out)
{
    errtext err = { "the embedding model gave no vector" };

    if (g->host.embed(g->host.arg, text->data, text->len, v, n, &err) == OK && *n > 0) return true;
    grade_flag(out, &out->errors.model_server, &out->errors.model_server_details, GRADE_BROKEN,
               err.text);
    return false;
}

static double cosine(const float *a, const float *b, int n)
{
    double ab = 0, aa = 0, bb = 0;

    for (int i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return aa > 0 && bb > 0 ? ab / (sqrt(aa) * sqrt(bb)) : 0;
}

static void run_cosine(const grader *g, const pair *p, grade *out)
{
    float *a = NULL, *b = NULL;
    int n_a = 0, n_b = 0;

    if (embed(g, &p->input, &a, &n_a, out) && embed(g, &p->reference, &b, &n_b, out)) {
        if (n_a == n_b) out->reward = cosine(a, b, n_a);
        else
            grade_flag(out, &out->errors.other, &out->errors.other_details, GRADE_BROKEN,
                       "the two embeddings differ in length");
    }
    mem_free(a);
    mem_free(b);
}

void run_similarity(const grader *g, const grading *run, grade *out)
{
    pair p = { { 0 }, { 0 } };
    errtext err;
    status st;

    if (pair_fill(&p, g, run, out)) {
        if (g->cosine) {
            run_cosine(g, &p, out);
        } else {
            st = similarity_score(&out->reward, g->metric, p.input.data, p.input.len,
                                  p.reference.data, p.reference.len, &err);
            /* Too long to compare: the sample's doing. Not defined: an empty side. */
            if (st != OK)
                grade_flag(out, &out->errors.other, &out->errors.other_details, GRADE_BAD_SAMPLE,
                           err.text);
        }
    }
    pair_fini(&p);
}

void run_equivalence(const grader *g, const grading *run, grade *out)
{
    pair p = { { 0 }, { 0 } };
    const char *answer, *reference;
    size_t n_answer, n_reference;

    if (pair_fill(&p, g, run, out)) {
        answer = p.input.data;
        n_answer = p.input.len;
        reference = p.reference.data;
        n_reference = p.reference.len;
        if (g->how == EXTRACT_AUTO) equiv_answer(&answer, &n_answer, answer, n_answer);
        if (g->how == EXTRACT_BOXED && !equiv_boxed(&answer, &n_answer, answer, n_answer))
            n_answer = 0;
        /* Reference data may be a worked solution as well. */
        if (g->how != EXTRACT_NONE) equiv_answer(&reference, &n_reference, reference, n_reference);
        out->reward = equiv_compare(answer, n_answer, reference, n_reference, g->tolerance) ==
                      EQUIV_EQUAL;
    }
    pair_fini(&p);
}

void run_ponder_task(const grader *g, const grading *run, grade *out)
{
    bytes name = { 0 }, key = { 0 }, answer = { 0 };
    const task *t;

    if (grading_fill(run, g->task, &name, out) && grading_fill(run, g->key, &key, out) &&
        grading_fill(run, g->input, &answer, out)) {
        t = strlen(name.data) == name.len ? task_find(name.data) : NULL;
        if (!t)
            grade_flag(out, &out->errors.other, &out->errors.other_details, GRADE_BROKEN,
                       "there is no task of the name the row gives");
        else if (strlen(key.data) != key.len)
            grade_flag(out, &out->errors.other, &out->errors.other_details, GRADE_BROKEN,
                       "the key of the row holds NUL");
        else
            out->reward = t->grade(key.data, answer.data, answer.len);
    }
    bytes_fini(&name);
    bytes_fini(&key);
    bytes_fini(&answer);
}
