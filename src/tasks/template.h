/* template.h - "Answer: {{ sample.output_text }}" filled in from a data row and
 * a model's output, as graders of the fine-tuning API use it.
 *
 * A place is {{ path }}, spaces optional. A path starts at item or sample and
 * goes on with .name, [3], ["name"] or .3 for an element of an array. Text in
 * braces that is no path is left as it is; so {"a": {{item.x}}} works. Strings
 * are filled in as they are, everything else as JSON. */
#ifndef TASKS_TEMPLATE_H
#define TASKS_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/status.h"

/* More than this is not rendered. */
#define TEMPLATE_MAX_BYTES ((size_t)16 << 20)

typedef struct template template;

/* Parse len bytes of UTF-8, which may hold NUL. The caller owns *out. E_FORMAT
 * gives the offset of a place that starts like a path and does not end like
 * one, E_LIMIT when it is too long. */
status template_new(template **out, const char *text, size_t len, errtext *err);
void template_free(template *t);                 /* accepts NULL */

/* Append the filled-in text. item and sample are borrowed; NULL counts as empty.
 * E_ARG names the path that leads nowhere, whose number goes to *missing (may be
 * NULL); E_LIMIT above TEMPLATE_MAX_BYTES. */
status template_render(bytes *out, const template *t, const json_t *item,
                       const json_t *sample, int *missing, errtext *err);

/* The paths in order, as text ("item.messages[0].content"), borrowed from t. */
int template_paths(const template *t);
const char *template_path(const template *t, int i);

/* Does path i start with these segments: "sample", "sample.output_json"? */
bool template_path_under(const template *t, int i, const char *prefix);

/* The value of path i, borrowed; NULL where it leads nowhere. */
const json_t *template_value(const template *t, int i, const json_t *item,
                             const json_t *sample);

/* Append a value as templates show it. The JSON is that of Python's json.dumps
 * with ensure_ascii off: ", " and ": " between, 1.0 as "1.0", shortest digits
 * that read back the same. Depth is cut off at 2048 by the reader already. */
void template_value_text(bytes *out, const json_t *value);

/* The JSON alone: strings quoted too. */
void template_value_json(bytes *out, const json_t *value);

#endif
