#include "tasks/problem.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"
#include "tasks/families.h"

static const task *const families[] = {
    &task_chain, &task_perm,   &task_arith,   &task_multiply,  &task_linear, &task_strings,
    &task_word,  &task_cipher, &task_knights, &task_countdown, &task_game24,
};
enum { N_FAMILY = sizeof families / sizeof families[0] };

int tasks_count(void)
{
    return N_FAMILY;
}

const task *task_at(int i)
{
    CHECK(i >= 0 && i < N_FAMILY);
    return families[i];
}

const task *task_find(const char *name)
{
    for (int i = 0; i < N_FAMILY; i++)
        if (strcmp(families[i]->name, name) == 0) return families[i];
    return NULL;
}

/* FNV-1a, and the last mixing of splitmix64 so that every bit depends on all. */
static uint64_t hash_strings(const char *a, const char *b)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (const char *s = a; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    h = (h ^ 0xffu) * 0x100000001b3u;      /* a border no ASCII text contains */
    for (const char *s = b; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

split key_split(const task *t, const char *key)
{
    uint64_t h = hash_strings(t->name, key) % 20;

    return h < 16 ? SPLIT_TRAIN : h < 18 ? SPLIT_VALID : SPLIT_TEST;
}

void problem_tell(const task *t, const char *key, int depth, rng *r, trace_effort effort,
                  problem *out)
{
    *out = (problem){ .key = mem_string(key), .depth = depth };
    t->tell(out, out->key, r, effort);
}

void problem_make(const task *t, split s, uint64_t seed, uint64_t index, int depth,
                  trace_effort effort, problem *out)
{
    static const char *const split_name[] = { "train", "valid", "test" };
    /* A split holds at least a tenth of the keys, so this many misses in a row
     * mean that the family has next to no keys at this depth. */
    enum { MAX_DRAWS = 100000 };
    rng r = { seed ^ hash_strings(t->name, split_name[s]), index, 0 };
    char *key = NULL;

    CHECK(depth >= t->min_depth && depth <= t->max_depth);
    for (int i = 0; !key; i++) {
        CHECK(i < MAX_DRAWS);
        key = t->draw(&r, depth);
        if (key_split(t, key) != s) {
            mem_free(key);
            key = NULL;
        }
    }
    problem_tell(t, key, depth, &r, effort, out);
    mem_free(key);
}

void problem_fini(problem *p)
{
    mem_free(p->key);
    mem_free(p->prompt);
    mem_free(p->think);
    mem_free(p->answer);
    *p = (problem){ 0 };
}
