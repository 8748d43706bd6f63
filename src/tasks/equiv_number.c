/* equiv_number.c - numbers that know whether they are exact. */
#include <math.h>
#include <string.h>
#include <stdlib.h>

#include "tasks/equiv_internal.h"

#define PRIME (((uint64_t)1 << 61) - 1)
#define NEAR 1e-9        /* relative, for what is not rational */
#define NEAR_ZERO 1e-14  /* what rounding leaves of sin(pi) */

static uint64_t times(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b % PRIME);
}

static uint64_t raise(uint64_t a, uint64_t n)
{
    uint64_t r = 1;

    for (; n; n >>= 1, a = times(a, a))
        if (n & 1) r = times(r, a);
    return r;
}

static uint64_t inverse(uint64_t a)
{
    return raise(a, PRIME - 2);
}

static uint64_t residue_of(int64_t n)
{
    if (n >= 0) return (uint64_t)n % PRIME;
    /* -(n + 1) is there even for the lowest of all. */
    return (PRIME - (uint64_t)(-(n + 1)) % PRIME + PRIME - 1) % PRIME;
}

static number undefined(void)
{
    return (number){ .v = NAN, .undefined = true };
}

/* Keep the fraction when it fits after cancelling. */
static void set_small(number *x, __int128 n, __int128 d)
{
    __int128 a, b;

    x->small = false;
    if (d < 0) {
        n = -n;
        d = -d;
    }
    a = n < 0 ? -n : n;
    b = d;
    while (b) {
        __int128 t = a % b;

        a = b;
        b = t;
    }
    if (a == 0) return;
    n /= a;
    d /= a;
    if (n > INT64_MAX || n < -INT64_MAX || d > INT64_MAX) return;
    x->small = true;
    x->n = (int64_t)n;
    x->d = (int64_t)d;
}

number number_int(int64_t n)
{
    return (number){ .v = (double)n, .rational = true, .residue = residue_of(n),
                     .small = n != INT64_MIN, .n = n, .d = 1 };
}

number number_real(double v)
{
    return isnan(v) ? undefined() : (number){ .v = v };
}

number number_infinity(void)
{
    return (number){ .v = INFINITY, .infinite = true };
}

number number_decimal(const char *s, size_t len)
{
    number x = { .rational = true, .small = true, .n = 0, .d = 1 };
    char text[64];
    int scale = 0, exponent = 0, n_digit = 0;
    bool point = false;
    size_t i = 0;
    number p;

    for (; i < len && s[i] != 'e' && s[i] != 'E'; i++) {
        if (s[i] == '.') {
            point = true;
            continue;
        }
        if (s[i] < '0' || s[i] > '9') continue;          /* separators */
        if (n_digit || s[i] != '0') n_digit++;
        x.residue = (times(x.residue, 10) + (uint64_t)(s[i] - '0')) % PRIME;
        x.v = x.v * 10 + (s[i] - '0');
        if (n_digit <= 18) x.n = x.n * 10 + (s[i] - '0');
        if (point) scale++;
    }
    x.small = n_digit <= 18;
    if (i < len) {
        size_t n = len - i - 1 < sizeof text - 1 ? len - i - 1 : sizeof text - 1;

        memcpy(text, s + i + 1, n);
        text[n] = 0;
        exponent = atoi(text);
    }
    if (exponent > 100000 || exponent < -100000) return undefined();
    exponent -= scale;
    if (!exponent) return x;
    p = number_power(number_int(10), number_int(abs(exponent)));
    return exponent > 0 ? number_multiply(x, p) : number_divide(x, p);
}

number number_negate(number a)
{
    a.v = -a.v;
    if (a.rational) a.residue = a.residue ? PRIME - a.residue : 0;
    if (a.small) a.n = -a.n;
    return a;
}

number number_add(number a, number b)
{
    number x = { .v = a.v + b.v };

    if (a.undefined || b.undefined || a.infinite || b.infinite) return undefined();
    x.rational = a.rational && b.rational;
    x.residue = x.rational ? (a.residue + b.residue) % PRIME : 0;
    if (a.small && b.small) {
        /* Both products are below 2^126. */
        set_small(&x, (__int128)a.n * b.d + (__int128)b.n * a.d, (__int128)a.d * b.d);
        if (x.small) x.v = (double)x.n / (double)x.d;
    }
    return !x.rational && isnan(x.v) ? undefined() : x;
}

number number_multiply(number a, number b)
{
    number x = { .v = a.v * b.v };

    if (a.undefined || b.undefined || a.infinite || b.infinite) return undefined();
    x.rational = a.rational && b.rational;
    x.residue = x.rational ? times(a.residue, b.residue) : 0;
    if (a.small && b.small) {
        set_small(&x, (__int128)a.n * b.n, (__int128)a.d * b.d);
        if (x.small) x.v = (double)x.n / (double)x.d;
    }
    return !x.rational && isnan(x.v) ? undefined() : x;
}

number number_divide(number a, number b)
{
    number inverted = b;

    if (a.undefined || b.undefined || a.infinite || b.infinite) return undefined();
    if (b.small ? b.n == 0 : b.v == 0) return undefined();
    if (b.rational && b.residue == 0) inverted.rational = false;
    if (inverted.rational) inverted.residue = inverse(b.residue);
    inverted.v = 1 / b.v;
    if (b.small) {
        inverted.n = b.n < 0 ? -b.d : b.d;
        inverted.d = b.n < 0 ? -b.n : b.n;
    }
    inverted = number_multiply(a, inverted);
    if (!inverted.small && isfinite(a.v) && isfinite(b.v)) inverted.v = a.v / b.v;
    return inverted;
}

number number_power(number a, number b)
{
    number x = { .v = pow(a.v, b.v) };
    uint64_t n;

    if (a.undefined || b.undefined || a.infinite || b.infinite) return undefined();
    if (!b.small || b.d != 1) {
        if (b.small && b.d == 2 && b.n == 1) return number_sqrt(a);
        return number_real(x.v);
    }
    if (b.n < 0 && (a.small ? a.n == 0 : a.v == 0)) return undefined();
    n = (uint64_t)(b.n < 0 ? -b.n : b.n);
    if (a.rational && !(b.n < 0 && a.residue == 0)) {
        x.rational = true;
        x.residue = raise(b.n < 0 ? inverse(a.residue) : a.residue, n);
    }
    if (a.small && n <= 64) {
        number y = number_int(1);

        for (uint64_t i = 0; i < n && y.small; i++)
            set_small(&y, (__int128)y.n * a.n, (__int128)y.d * a.d);
        if (y.small) {
            set_small(&x, b.n < 0 ? y.d : y.n, b.n < 0 ? y.n : y.d);
            if (x.small) x.v = (double)x.n / (double)x.d;
        }
    }
    return !x.rational && isnan(x.v) ? undefined() : x;
}

/* The whole root of a square, or -1. */
static int64_t whole_root(int64_t n)
{
    int64_t r = (int64_t)sqrt((double)n);

    while (r > 0 && (__int128)r * r > n) r--;
    while ((__int128)(r + 1) * (r + 1) <= n) r++;
    return (__int128)r * r == n ? r : -1;
}

number number_sqrt(number a)
{
    if (a.undefined || a.infinite || a.v < 0) return undefined();
    if (a.small) {
        int64_t n = whole_root(a.n), d = whole_root(a.d);

        if (n >= 0 && d >= 0) return number_divide(number_int(n), number_int(d));
    }
    return number_real(sqrt(a.v));
}

number number_abs(number a)
{
    return a.v < 0 ? number_negate(a) : a;
}

number number_factorial(number a)
{
    number x = number_int(1);

    if (!a.small || a.d != 1 || a.n < 0 || a.n > 1000) return undefined();
    for (int64_t i = 2; i <= a.n; i++) x = number_multiply(x, number_int(i));
    return x;
}

static bool near(double a, double b, double relative)
{
    double larger = fabs(a) > fabs(b) ? fabs(a) : fabs(b);

    return fabs(a - b) <= relative * larger;
}

static bool is_zero(number a)
{
    return a.small && a.n == 0;
}

bool number_equal(number a, number b, double tolerance)
{
    if (a.undefined || b.undefined) return false;
    if (a.infinite || b.infinite) return a.infinite && b.infinite && a.v == b.v;
    if (a.rational && b.rational) {
        if (isfinite(a.v) && isfinite(b.v) && tolerance > 0 && near(a.v, b.v, tolerance))
            return true;
        if (a.residue != b.residue) return false;
        if (a.small && b.small) return a.n == b.n && a.d == b.d;
        /* Both beyond a double: the residue alone decides. */
        if (!isfinite(a.v) || !isfinite(b.v)) return isfinite(a.v) == isfinite(b.v);
        return near(a.v, b.v, NEAR);
    }
    if (!isfinite(a.v) || !isfinite(b.v)) return false;
    if (is_zero(a) || is_zero(b)) return fabs(a.v - b.v) <= NEAR_ZERO;
    return near(a.v, b.v, tolerance > NEAR ? tolerance : NEAR);
}
