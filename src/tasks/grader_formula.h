/* grader_formula.h - calculate_output of a multi grader: "0.5 * a + 0.5 * b".
 *
 * Numbers, variables (keys of the graders), + - * / ^, brackets, and the
 * functions min max abs floor ceil exp sqrt log. ^ binds tightest, to the right;
 * then the sign, then * and /. Nesting and length are bounded. */
#ifndef TASKS_GRADER_FORMULA_H
#define TASKS_GRADER_FORMULA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

#define FORMULA_MAX_BYTES 4096
#define FORMULA_MAX_DEPTH 64

typedef struct formula formula;

/* Number of a variable, or -1 when there is none of that name. */
typedef int formula_variable(void *arg, const char *name, size_t len);

/* Parse. A name that is no variable does not stop it, so that one message tells
 * all: E_ARG names every such name, or the offset of the first syntax error. */
status formula_new(formula **out, const char *text, size_t len, formula_variable *variable,
                   void *arg, errtext *err);
void formula_free(formula *f);                   /* accepts NULL */

/* May be infinite or NaN: 1/0, log(-1). */
double formula_value(const formula *f, const double *variables);

/* Does the formula read variable i? */
bool formula_reads(const formula *f, int i);

#endif
