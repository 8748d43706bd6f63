/* loop.c - repetition scores over a ring of recent tokens.
 *
 * A rolling hash of the last `gram` tokens is looked up in a small two-way
 * table that holds, for each run, its last place and how often it came. That
 * lookup gives the gram score and proposes the distance at which the period
 * score compares tokens directly; a proposal stands until a token breaks it. */
#include "decode/loop.h"

#include <string.h>

#include "base/mem.h"
#include "base/status.h"

#define N_SET 2048               /* two slots each: about LOOP_RING runs */
#define HASH_BASE 0x9E3779B97F4A7C15ull
#define PERIOD_MISS 8
#define GRAM_MISS 3
#define GRAM_FACTOR 4            /* how much more the gram score needs */

typedef struct slot {
    uint32_t tag;
    uint32_t place;              /* of the run's last token, + 1; 0: empty */
    uint32_t count;
} slot;

struct loop {
    int gram;
    uint64_t oldest_power;       /* HASH_BASE ^ gram, to take out the oldest token */
    uint64_t hash;
    uint32_t n;                  /* tokens so far */
    uint32_t distance;           /* period under test; 0: none */
    int64_t period_score;
    int64_t gram_score;
    int32_t ring[LOOP_RING];
    slot table[N_SET][2];
};

loop *loop_new(int gram)
{
    loop *l = mem_new(sizeof *l);

    CHECK(gram >= 1 && gram <= LOOP_MAX_GRAM);
    l->gram = gram;
    l->oldest_power = 1;
    for (int i = 0; i < gram; i++) l->oldest_power *= HASH_BASE;
    return l;
}

loop *loop_copy(const loop *l)
{
    return mem_copy(l, sizeof *l);
}

void loop_free(loop *l)
{
    mem_free(l);
}

void loop_reset(loop *l)
{
    int gram = l->gram;
    uint64_t power = l->oldest_power;

    memset(l, 0, sizeof *l);
    l->gram = gram;
    l->oldest_power = power;
}

int loop_gram(double mean_bytes)
{
    double gram = mean_bytes > 0 ? LOOP_MAX_GRAM / mean_bytes : LOOP_GRAM;

    if (gram < LOOP_GRAM) return LOOP_GRAM;
    return gram < LOOP_MAX_GRAM ? (int)gram : LOOP_MAX_GRAM;
}

static int32_t token_back(const loop *l, uint32_t back)
{
    return l->ring[(l->n - 1 - back) % LOOP_RING];
}

/* Count the run that ends at the newest token. Returns how often it has come,
 * this time included, and the distance to the time before (0 at the first). */
static uint32_t count_run(loop *l, uint32_t *distance)
{
    uint64_t mixed = (l->hash ^ l->hash >> 29) * HASH_BASE;
    slot *set = l->table[mixed >> 32 & (N_SET - 1)];
    uint32_t tag = (uint32_t)mixed;
    slot *s = &set[0];

    if (set[1].place && set[1].tag == tag) s = &set[1];
    if (!s->place || s->tag != tag) {
        s = set[0].place <= set[1].place ? &set[0] : &set[1];   /* the older one goes */
        *s = (slot){ tag, l->n, 1 };
        *distance = 0;
        return 1;
    }
    *distance = l->n - s->place;
    s->place = l->n;
    return ++s->count;
}

static void climb(int64_t *score, bool up, int down)
{
    *score += up ? 1 : -down;
    if (*score < 0) *score = 0;
}

bool loop_add(loop *l, int32_t id, int limit)
{
    uint32_t gram = (uint32_t)l->gram, seen = 0, distance = 0, d = l->distance;
    int64_t enough = (int64_t)limit * l->gram / LOOP_GRAM;
    bool repeats;

    l->ring[l->n++ % LOOP_RING] = id;
    l->hash = l->hash * HASH_BASE + ((uint64_t)(uint32_t)id + 1);
    if (l->n > gram)
        l->hash -= ((uint64_t)(uint32_t)token_back(l, gram) + 1) * l->oldest_power;
    if (l->n >= gram) seen = count_run(l, &distance);
    climb(&l->gram_score, seen >= 3, GRAM_MISS);

    if (d && (d >= l->n || token_back(l, d) != id)) d = 0;
    repeats = d && 2 * d < l->n && token_back(l, 2 * d) == id;
    if (!d && distance > 0 && distance < LOOP_RING / 2) l->distance = distance;
    climb(&l->period_score, repeats, PERIOD_MISS * l->gram / LOOP_GRAM);
    return l->period_score >= enough || l->gram_score >= GRAM_FACTOR * enough;
}
