/* SPDX-License-Identifier: MIT */
/*
 * Our exp, log, pow, sin, cos and tanh against libm's in the next wider type: errors in units in
 * the last place against the bounds that math.h states, and the special values of C's Annex F.
 */
#include "base/portable.h"

#include "tensor/math.h"
#include "test.h"

#include <float.h>
#include <math.h>

/* libm's long double functions are themselves off by up to an ulp of theirs: nothing where long
 * double has 64 bits, and where it is double the comparison is between equals. */
static const double slack = LDBL_MANT_DIG > 60 ? 0.01 : 1.0;

static double ulps(long double got, long double want, int digits, int least)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : HUGE_VAL;
    int exponent;
    frexpl(want, &exponent);
    if (exponent < least)
        exponent = least;
    return (double)(fabsl(got - want) / ldexpl(1, exponent - digits));
}

static double ulps_float(float got, double want)
{
    if (fabs(want) >= 0x1.ffffffp127 || isinf(got)) /* rounds to infinity */
        return got == (float)want ? 0 : fabs(want) > 0x1.fffffcp127 ? 0.5 : HUGE_VAL;
    return ulps((long double)got, (long double)want, 24, -125);
}

static double ulps_double(double got, long double want)
{
    if (isinf(got) || isinf((double)want))
        return got == (double)want ? 0 : HUGE_VAL;
    return ulps((long double)got, want, 53, -1021);
}

typedef struct worst {
    double error, at;
} worst;

static void note(worst *w, double error, double at)
{
    if (error > w->error) {
        w->error = error;
        w->at = at;
    }
}

static void report(const char *name, const worst *w, double bound)
{
    printf("%-16s worst %.4f ulp at %a\n", name, w->error, w->at);
    CHECKF(w->error < bound, "%s is off by %g ulp at %a, allowed %g", name, w->error, w->at, bound);
}

/* Every 509th float, all signs, exponents, infinities and NaN. */
static void check_floats(void)
{
    worst normal = {0}, small = {0}, log_w = {0}, tanh_w = {0};
    for (uint64_t bits = 0; bits < 1ull << 32; bits += 509) {
        const float x = sk_f32_from_bits((uint32_t)bits);
        const double e = exp((double)x);
        note(e < 0x1p-126 ? &small : &normal, ulps_float(sk_expf(x), e), (double)x);
        note(&log_w, ulps_float(sk_logf(x), log((double)x)), (double)x);
        note(&tanh_w, ulps_float(sk_tanhf(x), tanh((double)x)), (double)x);
    }
    report("expf", &normal, 1.0);
    report("expf, subnormal", &small, 1.0);
    report("logf", &log_w, 0.51);
    report("tanhf", &tanh_w, 0.51);
}

/* A double of either sign, uniform in its exponent between two powers of two. */
static double draw(uint64_t *seed, int least, int most)
{
    const double m = 1 + (double)(test_random(seed) >> 12) * 0x1p-52;
    const int e = least + (int)(test_random(seed) % (uint64_t)(most - least + 1));
    return test_random(seed) >> 63 ? -ldexp(m, e) : ldexp(m, e);
}

static void check_doubles(void)
{
    uint64_t seed = 1;
    worst exp_w = {0}, log_w = {0}, near_w = {0}, sin_w = {0}, cos_w = {0}, pow_w = {0};
    for (int i = 0; i < 300000; i++) {
        double x = draw(&seed, -60, 9);
        if (x > -707 && x < 709.7)
            note(&exp_w, ulps_double(sk_exp(x), expl((long double)x)), x);
        x = fabs(draw(&seed, -1074, 1023));
        note(&log_w, ulps_double(sk_log(x), logl((long double)x)), x);
        x = 1 + draw(&seed, -52, -2);
        note(&near_w, ulps_double(sk_log(x), logl((long double)x)), x);
        x = draw(&seed, -40, 49);
        note(&sin_w, ulps_double(sk_sin(x), sinl((long double)x)), x);
        note(&cos_w, ulps_double(sk_cos(x), cosl((long double)x)), x);
        x = fabs(draw(&seed, -100, 100));
        const double y = draw(&seed, -30, 3);
        note(&pow_w, ulps_double(sk_pow(x, y), powl((long double)x, (long double)y)), x);
    }
    report("exp", &exp_w, 1.0 + slack);
    report("log", &log_w, 0.51 + slack);
    report("log near 1", &near_w, 0.51 + slack);
    report("sin", &sin_w, 1.0 + slack);
    report("cos", &cos_w, 1.0 + slack);
    report("pow", &pow_w, 1.0 + slack);
}

/* The doubles beside multiples of pi/2 lose most of their digits in the reduction. */
static void check_multiples_of_half_pi(void)
{
    worst w = {0};
    for (int i = 1; i < 200000; i++) {
        const double x = (double)i * 1.5707963267948966;
        note(&w, ulps_double(sk_sin(x), sinl((long double)x)), x);
        note(&w, ulps_double(sk_cos(x), cosl((long double)x)), x);
    }
    report("at i * pi/2", &w, 1.0 + slack);
    /* pi/2 to 53 bits; what is missing to pi/2 is its cosine (53 more bits of pi/2). */
    CHECKF(ulps_double(sk_cos(0x1.921fb54442d18p+0), 0x1.1a62633145c06e0ep-54L) < 1,
           "cos of the double next to pi/2");
}

/* What rope asks for: b^(-2i/n) for the usual bases. */
static void check_rope_powers(void)
{
    static const double bases[] = {10000, 1e6, 5e5, 1e7, 5e8, 160000, 2, 8e5};
    worst w = {0};
    for (size_t b = 0; b < sizeof bases / sizeof bases[0]; b++)
        for (int n = 8; n <= 512; n += 8)
            for (int i = 0; i < n / 2; i++) {
                const double y = -2.0 * i / n;
                note(&w, ulps_double(sk_pow(bases[b], y), powl((long double)bases[b], y)), y);
            }
    report("rope powers", &w, 1.0 + slack);
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static void check_special(void)
{
    const double inf = HUGE_VAL, nan = (double)NAN;
    CHECK(same(sk_exp(inf), inf) && same(sk_exp(-inf), 0) && isnan(sk_exp(nan)));
    CHECK(sk_exp(0) == 1 && sk_exp(-0.0) == 1 && sk_exp(1e308) == inf && sk_exp(-1e308) == 0);
    CHECK(sk_exp(-745) == 0x1p-1074 && sk_exp(-745.2) == 0 && sk_exp(709.8) == inf);
    CHECK(same(sk_log(0), -inf) && same(sk_log(-0.0), -inf) && same(sk_log(1), 0));
    CHECK(isnan(sk_log(-1)) && isnan(sk_log(-inf)) && isnan(sk_log(nan)) && sk_log(inf) == inf);
    CHECK(same(sk_sin(0), 0) && same(sk_sin(-0.0), -0.0) && sk_cos(0) == 1 && sk_cos(-0.0) == 1);
    CHECK(isnan(sk_sin(inf)) && isnan(sk_cos(-inf)) && isnan(sk_sin(nan)) && isnan(sk_cos(0x1.8p50)));
    CHECK(sk_expf(HUGE_VALF) == HUGE_VALF && same((double)sk_expf(-HUGE_VALF), 0));
    CHECK(isnan(sk_expf(NAN)) && sk_expf(0) == 1 && sk_expf(-0.0f) == 1);
    CHECK(sk_expf(88.7228f) < HUGE_VALF && sk_expf(88.7229f) == HUGE_VALF);
    CHECK(sk_expf(-103.9f) == 0x1p-149f && sk_expf(-103.98f) == 0);
    CHECK(same((double)sk_tanhf(-0.0f), -0.0) && sk_tanhf(HUGE_VALF) == 1);
    CHECK(sk_tanhf(-HUGE_VALF) == -1 && isnan(sk_tanhf(NAN)));
    CHECK(isnan(sk_logf(-1)) && sk_logf(0) == -HUGE_VALF && sk_powf(2, 10) == 1024);
}

/* pow has so many special cases that libm's own are asked for each pair. */
static void check_pow_special(void)
{
    static const double v[] = {0.0,  -0.0,  1,   -1,      2,     -2,    0.5,     -0.5,     3,  -3,
                               2.5,  -2.5,  1e300, -1e300, 1e-300, -1e-300, 0x1p53, 0x1p-1074,
                               HUGE_VAL, -HUGE_VAL, (double)NAN, 0x1.fffffffffffffp-1, 1e9, 1e9 + 1};
    const size_t n = sizeof v / sizeof v[0];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double got = sk_pow(v[i], v[j]), want = pow(v[i], v[j]);
            const bool exact = want == 0 || !isfinite(want) || fabs(want) == 1;
            CHECKF(exact ? same(got, want) : ulps_double(got, (long double)want) <= 1.1,
                   "pow(%a, %a) is %a, wanted %a", v[i], v[j], got, want);
        }
}

int main(void)
{
    check_floats();
    check_doubles();
    check_multiples_of_half_pi();
    check_rope_powers();
    check_special();
    check_pow_special();
    return test_end();
}
