/* SPDX-License-Identifier: MIT */
/*
 * The double functions. Logarithm and power work in double-double (a pair hi + lo of some 106 bits;
 * Dekker, Numerische Mathematik 18, 1971), since an error of the logarithm is multiplied by the
 * exponent. Series are Taylor's, whose coefficients are their own derivation; they are as long as
 * it takes to leave less than 2^-57 of the result. Nothing here is in an inner loop: rope's tables,
 * samplers, and the small activations.
 */
#include "base/portable.h"

#include "tensor/math.h"

#include <math.h>
#include <stdbool.h>

typedef struct dd {
    double hi, lo;
} dd;

/* a + b exactly, |a| >= |b|. */
static dd dd_fast_sum(double a, double b)
{
    const double s = a + b;
    return (dd){s, b - (s - a)};
}

static dd dd_sum(double a, double b)
{
    const double s = a + b, b_part = s - a;
    return (dd){s, (a - (s - b_part)) + (b - b_part)};
}

/* The upper 26 bits of a (Veltkamp); |a| below 2^996. */
static double dd_upper(double a)
{
    const double c = a * 0x1.0000002p27;
    return c - (c - a);
}

/* a * b exactly, where nothing over- or underflows. */
static dd dd_product(double a, double b)
{
    const double p = a * b, ah = dd_upper(a), bh = dd_upper(b), al = a - ah, bl = b - bh;
    return (dd){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

static dd dd_mul(dd a, dd b)
{
    const dd p = dd_product(a.hi, b.hi);
    return dd_fast_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static dd dd_add(dd a, dd b)
{
    const dd s = dd_sum(a.hi, b.hi);
    return dd_fast_sum(s.hi, s.lo + (a.lo + b.lo));
}

/* Round to an integer, |x| <= 2^51. */
static double dd_round(double x)
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

/* 2^n, -1022 <= n <= 1023. */
static double dd_exp2(int n)
{
    return sk_f64_from_bits((uint64_t)(n + 1023) << 52);
}

#define MATH_LOG2E 0x1.71547652b82fep+0
#define MATH_LN2_HI 0x1.62e42fee00000p-1 /* 32 bits: times an exponent it is exact */
#define MATH_LN2_LO 0x1.a39ef35793c76p-33
#define MATH_LN2_LOW 0x1.cc01f97b57a08p-87 /* the rest */

/* e^(x.hi + x.lo), as sk_expf in its frame; x.lo is below an ulp of x.hi. */
static double exp_dd(dd x)
{
    if (x.hi != x.hi)
        return x.hi;
    if (x.hi > 710 || x.hi < -746)
        x = (dd){x.hi > 0 ? 710 : -746, 0};
    const double n = dd_round(x.hi * MATH_LOG2E);
    const dd r = dd_fast_sum(x.hi - n * MATH_LN2_HI, x.lo - n * MATH_LN2_LO);
    double q = 1.0 / 6227020800; /* 1/13! */
    q = q * r.hi + 1.0 / 479001600;
    q = q * r.hi + 1.0 / 39916800;
    q = q * r.hi + 1.0 / 3628800;
    q = q * r.hi + 1.0 / 362880;
    q = q * r.hi + 1.0 / 40320;
    q = q * r.hi + 1.0 / 5040;
    q = q * r.hi + 1.0 / 720;
    q = q * r.hi + 1.0 / 120;
    q = q * r.hi + 1.0 / 24;
    q = q * r.hi + 1.0 / 6;
    q = q * r.hi + 0.5;
    const double tail = r.lo + r.hi * r.lo + r.hi * r.hi * q;
    const dd one = dd_fast_sum(1, r.hi);
    const double e = one.hi + (one.lo + tail);
    const int k = (int)n, half = k / 2;
    return e * dd_exp2(half) * dd_exp2(k - half);
}

double sk_exp(double x)
{
    return exp_dd((dd){x, 0});
}

/*
 * ln x for a positive finite x. x = 2^k m with m in [sqrt(1/2), sqrt(2)); with s = (m-1)/(m+1),
 * ln m = 2 s (1 + s^2 (1/3 + s^2 (1/5 + ...))), s^2 <= 0.0295. The quotient s, and the series up to
 * the term 1/3, are kept in double-double; the rest, below 0.006 of the whole, is not.
 */
static dd log_dd(double x)
{
    int k = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        k = -54;
    }
    const uint64_t bits = sk_f64_bits(x);
    k += (int)(bits >> 52) - 1023;
    double m = sk_f64_from_bits((bits & 0xfffffffffffffu) | 1023ull << 52);
    if (m > 0x1.6a09e667f3bcdp0) {
        m *= 0.5;
        k++;
    }
    const double f = m - 1; /* exact */
    const dd d = dd_sum(2, f);
    const double s_hi = f / d.hi;
    const dd back = dd_product(s_hi, d.hi);
    const dd s = {s_hi, ((f - back.hi) - back.lo - s_hi * d.lo) / d.hi};
    const dd z = dd_mul(s, s);
    double q = 1.0 / 25;
    for (int i = 23; i >= 5; i -= 2)
        q = q * z.hi + 1.0 / i;
    const dd third = {0x1.5555555555555p-2, 0x1.5555555555555p-56};
    const dd series = dd_mul(z, dd_add(third, (dd){z.hi * q, 0}));
    const dd twice = {2 * s.hi, 2 * s.lo};
    const dd ln_m = dd_add(twice, dd_mul(twice, series));
    const dd ln_2k = dd_fast_sum(k * MATH_LN2_HI, k * MATH_LN2_LO);
    return dd_add(dd_add(ln_2k, (dd){0, k * MATH_LN2_LOW}), ln_m);
}

double sk_log(double x)
{
    if (x != x || x == HUGE_VAL)
        return x;
    if (x <= 0)
        return x < 0 ? (double)NAN : -HUGE_VAL;
    const dd l = log_dd(x);
    return l.hi + l.lo;
}

/* x^y for a finite x > 0. Beyond these exponents the result is 0, 1 or infinity whatever x is. */
static double pow_positive(double x, double y)
{
    const double bound = 0x1p64;
    if (x == 1)
        return 1;
    y = y > bound ? bound : y < -bound ? -bound : y;
    const dd l = log_dd(x);
    return exp_dd(dd_mul(l, (dd){y, 0}));
}

/* 0: y is not an integer; 1: odd; 2: even. */
static int pow_parity(double y)
{
    const double a = y < 0 ? -y : y;
    if (a >= 0x1p53)
        return 2;
    const uint64_t n = (uint64_t)a;
    return (double)n != a ? 0 : n & 1 ? 1 : 2;
}

double sk_pow(double x, double y)
{
    if (y == 0 || x == 1)
        return 1;
    if (x != x || y != y)
        return x + y;
    const double a = x < 0 ? -x : x;
    const int parity = pow_parity(y);
    double p;
    if (y == HUGE_VAL || y == -HUGE_VAL)
        return a == 1 ? 1 : (a > 1) == (y > 0) ? HUGE_VAL : 0;
    if (a == 0 || a == HUGE_VAL)
        p = (a > 0) == (y > 0) ? HUGE_VAL : 0;
    else if (x < 0 && parity == 0)
        return (double)NAN;
    else
        p = pow_positive(a, y);
    const bool negative = sk_f64_bits(x) >> 63 && parity == 1;
    return negative ? -p : p;
}

/*
 * x = n pi/2 + r, |r| a little over pi/4 at most. pi/2 is three doubles, the products with n are
 * exact pairs, so that r is good to its last bit even beside a multiple of pi/2 (no double below
 * 2^50 is nearer to one than 2^-61 or so).
 */
static dd trig_reduce(double x, unsigned *quadrant)
{
    const double n = dd_round(x * 0x1.45f306dc9c883p-1); /* 2 / pi */
    const dd a = dd_product(n, 0x1.921fb54442d18p+0);
    const dd b = dd_product(n, 0x1.1a62633145c07p-54);
    const dd s = dd_sum(x - a.hi, -a.lo);
    const dd t = dd_sum(s.hi, -b.hi);
    *quadrant = (unsigned)((int64_t)n & 3);
    return dd_fast_sum(t.hi, t.lo + s.lo - (b.lo + n * -0x1.f1976b7ed8fbcp-110));
}

/* sin(r) = r - r^3/6 + ..., and r.lo enters by the derivative, 1 - r^2/2. */
static double trig_sin(dd r)
{
    const double z = r.hi * r.hi;
    double q = 1.0 / 355687428096000; /* 1/17! */
    q = q * z - 1.0 / 1307674368000;
    q = q * z + 1.0 / 6227020800;
    q = q * z - 1.0 / 39916800;
    q = q * z + 1.0 / 362880;
    q = q * z - 1.0 / 5040;
    q = q * z + 1.0 / 120;
    q = q * z - 1.0 / 6;
    return r.hi + (r.hi * z * q + r.lo * (1 - 0.5 * z));
}

/* cos(r) = 1 - r^2/2 + r^4/24 - ..., derivative -r. 1 - r^2/2 is a pair, not rounded. */
static double trig_cos(dd r)
{
    const double z = r.hi * r.hi;
    double q = 1.0 / 20922789888000; /* 1/16! */
    q = q * z - 1.0 / 87178291200;
    q = q * z + 1.0 / 479001600;
    q = q * z - 1.0 / 3628800;
    q = q * z + 1.0 / 40320;
    q = q * z - 1.0 / 720;
    q = q * z + 1.0 / 24;
    const dd w = dd_fast_sum(1, -0.5 * z);
    return w.hi + (w.lo + (z * z * q - r.hi * r.lo));
}

void sk_sincos(double x, double *sin_x, double *cos_x)
{
    if (!(x <= 0x1p50 && x >= -0x1p50)) {
        *sin_x = *cos_x = (double)NAN;
        return;
    }
    if (x == 0) {
        *sin_x = x; /* keeps the sign */
        *cos_x = 1;
        return;
    }
    unsigned quadrant;
    const dd r = trig_reduce(x, &quadrant);
    const double s = trig_sin(r), c = trig_cos(r);
    *sin_x = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
    *cos_x = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
}

double sk_sin(double x)
{
    double s, c;
    sk_sincos(x, &s, &c);
    return s;
}

double sk_cos(double x)
{
    double s, c;
    sk_sincos(x, &s, &c);
    return c;
}

float sk_logf(float x)
{
    return (float)sk_log((double)x);
}

float sk_powf(float x, float y)
{
    return (float)sk_pow((double)x, (double)y);
}

/* tanh x = (e^2x - 1) / (e^2x + 1); the subtraction leaves 40 bits down to 2^-12, below which the
 * series x - x^3/3 has them all. From 10 on the result rounds to 1. */
float sk_tanhf(float x)
{
    const double z = (double)x;
    if (z != z)
        return x;
    if (z < 0x1p-12 && z > -0x1p-12)
        return (float)(z * (1 - z * z / 3));
    if (z > 10 || z < -10)
        return z > 0 ? 1.0f : -1.0f;
    const double e = sk_exp(2 * z);
    return (float)((e - 1) / (e + 1));
}

#undef MATH_LOG2E
#undef MATH_LN2_HI
#undef MATH_LN2_LO
#undef MATH_LN2_LOW
