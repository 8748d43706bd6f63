/* regex_set.c - sets of code points. */
#include "decode/regex_set.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"

#define LAST_CODE 0x10FFFFu

void set_add(code_set *s, uint32_t low, uint32_t high)
{
    if (low > high) return;
    if (s->n == s->cap) {
        s->cap = s->cap * 2 + 4;
        s->ranges = mem_resize(s->ranges, (size_t)s->cap, sizeof *s->ranges);
    }
    s->ranges[s->n++] = (code_range){ low, high };
}

void set_add_set(code_set *s, const code_set *other)
{
    for (int i = 0; i < other->n; i++) set_add(s, other->ranges[i].low, other->ranges[i].high);
}

static int by_low(const void *a, const void *b)
{
    const code_range *x = a, *y = b;

    return x->low < y->low ? -1 : x->low > y->low;
}

void set_normal(code_set *s)
{
    int kept = 0;

    if (s->n == 0) return;
    qsort(s->ranges, (size_t)s->n, sizeof *s->ranges, by_low);
    for (int i = 1; i < s->n; i++) {
        code_range *last = &s->ranges[kept];

        if (s->ranges[i].low > last->high + 1) s->ranges[++kept] = s->ranges[i];
        else if (s->ranges[i].high > last->high) last->high = s->ranges[i].high;
    }
    s->n = kept + 1;
}

void set_invert(code_set *s)
{
    code_set out = { 0 };
    uint32_t from = 0;

    set_normal(s);
    for (int i = 0; i < s->n; i++) {
        if (s->ranges[i].low > from) set_add(&out, from, s->ranges[i].low - 1);
        from = s->ranges[i].high + 1;
    }
    set_add(&out, from, LAST_CODE);
    set_fini(s);
    *s = out;
}

void set_fold_ascii(code_set *s)
{
    int n = s->n;

    for (int i = 0; i < n; i++) {
        code_range r = s->ranges[i];

        for (uint32_t c = r.low; c <= r.high && c < 128; c++) {
            if (c >= 'a' && c <= 'z') set_add(s, c - 32, c - 32);
            if (c >= 'A' && c <= 'Z') set_add(s, c + 32, c + 32);
        }
    }
    set_normal(s);
}

void set_fini(code_set *s)
{
    mem_free(s->ranges);
    *s = (code_set){ 0 };
}

bool set_add_class(code_set *s, char letter)
{
    code_set one = { 0 };

    switch (letter) {
    case 'd': case 'D':
        set_add(&one, '0', '9');
        break;
    case 'w': case 'W':
        set_add(&one, '0', '9');
        set_add(&one, 'A', 'Z');
        set_add(&one, '_', '_');
        set_add(&one, 'a', 'z');
        break;
    case 's': case 'S':          /* ECMA-262: WhiteSpace and LineTerminator */
        set_add(&one, 9, 13);
        set_add(&one, ' ', ' ');
        set_add(&one, 0xA0, 0xA0);
        set_add(&one, 0x1680, 0x1680);
        set_add(&one, 0x2000, 0x200A);
        set_add(&one, 0x2028, 0x2029);
        set_add(&one, 0x202F, 0x202F);
        set_add(&one, 0x205F, 0x205F);
        set_add(&one, 0x3000, 0x3000);
        set_add(&one, 0xFEFF, 0xFEFF);
        break;
    default:
        return false;
    }
    if (letter < 'a') set_invert(&one);
    set_add_set(s, &one);
    set_fini(&one);
    return true;
}

/* Bits of utf8proc's categories, by the names Unicode gives them. */
typedef struct category {
    const char *brief, *name;
    uint32_t bits;
} category;

#define BIT(c) (1u << UTF8PROC_CATEGORY_##c)

static const category categories[] = {
    { "L", "Letter", BIT(LU) | BIT(LL) | BIT(LT) | BIT(LM) | BIT(LO) },
    { "LC", "Cased_Letter", BIT(LU) | BIT(LL) | BIT(LT) },
    { "Lu", "Uppercase_Letter", BIT(LU) }, { "Ll", "Lowercase_Letter", BIT(LL) },
    { "Lt", "Titlecase_Letter", BIT(LT) }, { "Lm", "Modifier_Letter", BIT(LM) },
    { "Lo", "Other_Letter", BIT(LO) },
    { "M", "Mark", BIT(MN) | BIT(MC) | BIT(ME) },
    { "Mn", "Nonspacing_Mark", BIT(MN) }, { "Mc", "Spacing_Mark", BIT(MC) },
    { "Me", "Enclosing_Mark", BIT(ME) },
    { "N", "Number", BIT(ND) | BIT(NL) | BIT(NO) },
    { "Nd", "Decimal_Number", BIT(ND) }, { "Nd", "digit", BIT(ND) },
    { "Nl", "Letter_Number", BIT(NL) }, { "No", "Other_Number", BIT(NO) },
    { "P", "Punctuation",
      BIT(PC) | BIT(PD) | BIT(PS) | BIT(PE) | BIT(PI) | BIT(PF) | BIT(PO) },
    { "Pc", "Connector_Punctuation", BIT(PC) }, { "Pd", "Dash_Punctuation", BIT(PD) },
    { "Ps", "Open_Punctuation", BIT(PS) }, { "Pe", "Close_Punctuation", BIT(PE) },
    { "Pi", "Initial_Punctuation", BIT(PI) }, { "Pf", "Final_Punctuation", BIT(PF) },
    { "Po", "Other_Punctuation", BIT(PO) },
    { "S", "Symbol", BIT(SM) | BIT(SC) | BIT(SK) | BIT(SO) },
    { "Sm", "Math_Symbol", BIT(SM) }, { "Sc", "Currency_Symbol", BIT(SC) },
    { "Sk", "Modifier_Symbol", BIT(SK) }, { "So", "Other_Symbol", BIT(SO) },
    { "Z", "Separator", BIT(ZS) | BIT(ZL) | BIT(ZP) },
    { "Zs", "Space_Separator", BIT(ZS) }, { "Zl", "Line_Separator", BIT(ZL) },
    { "Zp", "Paragraph_Separator", BIT(ZP) },
    { "C", "Other", BIT(CC) | BIT(CF) | BIT(CS) | BIT(CO) | BIT(CN) },
    { "Cc", "Control", BIT(CC) }, { "Cf", "Format", BIT(CF) },
    { "Co", "Private_Use", BIT(CO) }, { "Cn", "Unassigned", BIT(CN) },
};

static bool is_name(const char *name, size_t len, const char *want)
{
    return strlen(want) == len && !memcmp(name, want, len);
}

static void add_categories(code_set *s, uint32_t bits)
{
    uint32_t from = 0;
    bool in = false;

    for (uint32_t c = 0; c <= LAST_CODE + 1; c++) {
        bool now = c <= LAST_CODE && bits >> utf8proc_category((utf8proc_int32_t)c) & 1;

        if (now && !in) from = c;
        if (in && !now) set_add(s, from, c - 1);
        in = now;
    }
}

bool set_add_property(code_set *s, const char *name, size_t len)
{
    static const char *const keys[] = { "General_Category=", "gc=" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (len > strlen(keys[i]) && !memcmp(name, keys[i], strlen(keys[i]))) {
            name += strlen(keys[i]);
            len -= strlen(keys[i]);
        }
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (is_name(name, len, categories[i].brief) || is_name(name, len, categories[i].name)) {
            add_categories(s, categories[i].bits);
            return true;
        }
    if (is_name(name, len, "Any")) {
        set_add(s, 0, LAST_CODE);
    } else if (is_name(name, len, "ASCII")) {
        set_add(s, 0, 127);
    } else if (is_name(name, len, "White_Space")) {
        set_add_class(s, 's');
        set_add(s, 0x85, 0x85);
    } else {
        return false;
    }
    return true;
}
