/* countdown.c - reach a target with every number once.
 *
 * Depth counts the numbers, 3 to 6: of 1 to 9 for three, of 1 to 12 for more. The
 * target is drawn evenly from the values of 10 to 99 that whole numbers reach
 * (exact division, nothing negative on the way). */
#include "tasks/families.h"
#include "tasks/search.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"

static char *countdown_draw(rng *r, int depth)
{
    CHECK(depth >= 3 && depth <= SEARCH_MAX);
    for (;;) {
        numbers x = { .n = depth };
        bool reach[SEARCH_TARGET_MAX + 1];
        int target[SEARCH_TARGET_MAX], n_target = 0;
        for (int i = 0; i < depth; i++) x.x[i] = rng_between(r, 1, depth == 3 ? 9 : 12);
        search_reach(x.x, x.n, reach);
        for (int t = 10; t <= SEARCH_TARGET_MAX; t++)
            if (reach[t]) target[n_target++] = t;
        if (n_target == 0) continue;
        x.target = target[rng_below(r, (uint64_t)n_target)];
        return numbers_key(&x);
    }
}

static void countdown_tell(problem *p, const char *key, rng *r, trace_effort effort)
{
    numbers x;

    CHECK(numbers_parse(&x, key));
    rng_shuffle(r, x.x, x.n);
    char *and_text = numbers_text(x.x, x.n, "and"), *list = numbers_text(x.x, x.n, NULL);
    bytes b = { 0 };
    switch (rng_below(r, 6)) {
    case 0: bytes_add_format(&b, "Use %s once each to make %d.", and_text, x.target); break;
    case 1: bytes_add_format(&b, "Make %d from %s. Use every number exactly once.", x.target,
                             and_text); break;
    case 2: bytes_add_format(&b, "Countdown: reach %d with the numbers %s, each used once, "
                             "and the signs + - * /.", x.target, list); break;
    case 3: bytes_add_format(&b, "How can %s be combined to give %d? Each number is used once.",
                             and_text, x.target); break;
    case 4: bytes_add_format(&b, "Numbers: %s. Target: %d.", list, x.target); break;
    default: bytes_add_format(&b, "With + - * / and %s, each exactly once, get %d.", and_text,
                              x.target); break;
    }
    p->prompt = bytes_take(&b);
    mem_free(and_text);
    mem_free(list);
    search_tell(p, &x, r, effort);
}

const task task_countdown = {
    .name = "countdown",
    .about = "reach a target with every number once",
    .min_depth = 3,
    .max_depth = SEARCH_MAX,
    .search = true,
    .draw = countdown_draw,
    .tell = countdown_tell,
    .grade = search_grade,
    .check = search_check,
};
