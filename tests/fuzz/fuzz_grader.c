/* A grader, a data row and a sample, parted by lines of "---": whatever the
 * grader accepts is run, twice, and has to give the same finite reward. What is
 * not JSON in place of the sample is the text of an answer. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/grader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A judge that answers with what it is asked, so that its reply is fuzzed too. */
static status ask(void *arg, const judge_request *r, judge_reply *reply, errtext *err)
{
    const json_t *last = json_array_get(r->messages, json_array_size(r->messages) - 1);
    const json_t *text = json_object_get(last, "content");

    (void)arg;
    if (json_string_length(text) % 13 == 12) return fail(err, E_IO, "busy");
    bytes_add(&reply->text, json_string_value(text), json_string_length(text));
    return OK;
}

static status embed(void *arg, const char *text, size_t len, float **out, int *n, errtext *err)
{
    (void)arg;
    (void)err;
    *n = 4;
    *out = mem_array(4, sizeof **out);
    for (size_t i = 0; i < len; i++) (*out)[i % 4] += (float)(signed char)text[i];
    return OK;
}

/* Cut off the first part. */
static const char *cut(const char **at, size_t *left, size_t *len)
{
    const char *start = *at, *end = memmem(*at, *left, "\n---\n", 5);

    *len = end ? (size_t)(end - start) : *left;
    *at += *len + (end ? 5 : 0);
    *left -= *len + (end ? 5 : 0);
    return start;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const grader_host host = { ask, embed, NULL };
    const char *at = (const char *)data, *part[3];
    size_t left = size, len[3];
    json_t *spec, *item, *sample, *report;
    errtext err = { { 0 } };
    grader *g;
    grade a, b;

    if (size > 1 << 16) return 0;
    for (int i = 0; i < 3; i++) part[i] = cut(&at, &left, &len[i]);
    spec = json_loadb(part[0], len[0], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!spec) return 0;
    if (grader_new(&g, spec, &host, &err) == OK) {
        item = json_loadb(part[1], len[1], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        sample = json_loadb(part[2], len[2], JSON_ALLOW_NUL, NULL);
        if (!sample) sample = grader_sample(part[2], len[2], NULL);
        grader_check_item(g, item, &err);
        grader_run(g, item, sample, &a);
        grader_run(g, item, sample, &b);
        if (!isfinite(a.reward) || a.reward != b.reward || a.verdict != b.verdict) abort();
        report = grade_json(g, &a);
        if (!json_is_number(json_object_get(report, "reward"))) abort();
        json_decref(report);
        report = grader_json(g);
        json_decref(report);
        grade_fini(&a);
        grade_fini(&b);
        json_decref(item);
        json_decref(sample);
        grader_free(g);
    } else if (g || !err.text[0]) {
        abort();
    }
    json_decref(spec);
    return 0;
}
