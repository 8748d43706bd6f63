/* equiv_unit.c - units of measure that have a size. */
#include <string.h>

#include "tasks/equiv_internal.h"
#include "tasks/equiv_lex.h"

static const struct {
    const char *names;   /* each between spaces; the first is the canonical one */
    const char *base;    /* "" has no other size */
    int64_t n, d;
} units[] = {
    { " m meter metre ", "m", 1, 1 }, { " km kilometer kilometre ", "m", 1000, 1 },
    { " cm centimeter centimetre ", "m", 1, 100 }, { " mm millimeter millimetre ", "m", 1, 1000 },
    { " g gram ", "g", 1, 1 }, { " kg kilogram ", "g", 1000, 1 },
    { " mg milligram ", "g", 1, 1000 },
    { " s sec second ", "s", 1, 1 }, { " min minute ", "s", 60, 1 },
    { " h hr hour ", "s", 3600, 1 },
    { " day ", "s", 86400, 1 }, { " l liter litre ", "l", 1, 1 },
    { " ml milliliter millilitre ", "l", 1, 1000 }, { " ft foot feet ", "ft", 1, 1 },
    { " inch inches ", "ft", 1, 12 }, { " yd yard ", "ft", 3, 1 },
    { " dollar usd ", "dollar", 1, 1 },
    { " cent ", "dollar", 1, 100 }, { " deg degree ", "deg", 1, 1 },
};

#define N_UNIT ((int)(sizeof units / sizeof units[0]))

/* Index of a lower-case word, singular or plural, or -1. */
static int find_unit(const char *word, size_t len)
{
    char padded[32];

    for (int plural = 0; plural < 2; plural++) {
        size_t n = plural ? len - 1 : len;

        if (len < 1 || n + 3 > sizeof padded || (plural && (len < 3 || word[n] != 's'))) continue;
        padded[0] = ' ';
        memcpy(padded + 1, word, n);
        strcpy(padded + 1 + n, " ");
        for (int i = 0; i < N_UNIT; i++)
            if (strstr(units[i].names, padded)) return i;
    }
    return -1;
}

bool equiv_is_unit(const char *word, size_t len)
{
    char lower[24];

    if (len >= sizeof lower) return false;
    for (size_t i = 0; i < len; i++)
        lower[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] + 32) : word[i];
    return find_unit(lower, len) >= 0;
}

void unit_canonical(const char *word, int power, char *out, size_t cap, number *scale)
{
    size_t len = strlen(word);
    int i = find_unit(word, len);

    if (i >= 0) {
        *scale = number_power(number_divide(number_int(units[i].n), number_int(units[i].d)),
                              number_int(power));
        strncat(out, units[i].base, cap - strlen(out) - 1);
        return;
    }
    /* A plural equals its singular. */
    if (len > 2 && word[len - 1] == 's') len--;
    if (len > cap - strlen(out) - 1) len = cap - strlen(out) - 1;
    strncat(out, word, len);
}
