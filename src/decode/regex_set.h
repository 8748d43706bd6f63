/* regex_set.h - sets of code points, for the inside of [ ] and \p{ }. */
#ifndef DECODE_REGEX_SET_H
#define DECODE_REGEX_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct code_range {
    uint32_t low, high;
} code_range;

typedef struct code_set {
    code_range *ranges;          /* owned; after set_normal ascending and apart */
    int n, cap;
} code_set;

void set_add(code_set *s, uint32_t low, uint32_t high);
void set_add_set(code_set *s, const code_set *other);
void set_normal(code_set *s);
void set_invert(code_set *s);
void set_fold_ascii(code_set *s);        /* both cases of each ASCII letter */
void set_fini(code_set *s);

/* \d, \w, \s and their capitals; false: not one of them. */
bool set_add_class(code_set *s, char letter);

/* \p{name}: a general category, long or short, also as gc=name, or Any, ASCII,
 * White_Space. False: not known here. */
bool set_add_property(code_set *s, const char *name, size_t len);

#endif
