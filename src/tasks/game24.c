/* game24.c - four numbers of 1 to 13 that make 24.
 *
 * Depth is 4. Drawn hands have a solution among whole numbers, so that the worked
 * trace can find it; the grader takes fractions on the way, as in 8/(3-8/3). */
#include "tasks/families.h"
#include "tasks/search.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/status.h"

static char *game24_draw(rng *r, int depth)
{
    CHECK(depth == 4);
    for (;;) {
        numbers x = { .n = 4, .target = 24 };
        bool reach[SEARCH_TARGET_MAX + 1];
        for (int i = 0; i < 4; i++) x.x[i] = rng_between(r, 1, 13);
        search_reach(x.x, x.n, reach);
        if (reach[24]) return numbers_key(&x);
    }
}

static void game24_tell(problem *p, const char *key, rng *r, trace_effort effort)
{
    numbers x;

    CHECK(numbers_parse(&x, key));
    rng_shuffle(r, x.x, x.n);
    char *and_text = numbers_text(x.x, x.n, "and"), *list = numbers_text(x.x, x.n, NULL);
    bytes b = { 0 };
    switch (rng_below(r, 4)) {
    case 0: bytes_add_format(&b, "Game of 24: %s.", list); break;
    case 1: bytes_add_format(&b, "Make 24 from the cards %s.", and_text); break;
    case 2: bytes_add_format(&b, "Play the game of 24 with %s, each used once.", and_text); break;
    default: bytes_add_format(&b, "Use %s once each, with + - * /, to make 24.", and_text); break;
    }
    p->prompt = bytes_take(&b);
    mem_free(and_text);
    mem_free(list);
    search_tell(p, &x, r, effort);
}

const task task_game24 = {
    .name = "game24",
    .about = "make 24 from four numbers",
    .min_depth = 4,
    .max_depth = 4,
    .search = true,
    .draw = game24_draw,
    .tell = game24_tell,
    .grade = search_grade,
    .check = search_check,
};
