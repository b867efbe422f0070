/* SPDX-License-Identifier: MIT */
/*
 * Rope's angles against the formulas of the papers in long double, written out for each scaling on
 * its own, and the values that must be refused.
 */
#include "base/portable.h"

#include "tensor/rope.h"
#include "tensor_test.h"

enum { PAIRS = 64 };

static float factors[PAIRS];

static sk_rope plain(void)
{
    return (sk_rope){.kind = SK_ROPE_NEOX,
                     .n_rot = 2 * PAIRS,
                     .base = 10000,
                     .freq_scale = 1,
                     .attn_factor = 1,
                     .beta_fast = 32,
                     .beta_slow = 1,
                     .n_ctx_orig = 4096};
}

/* Blends like the YaRN paper, section 3.2: gamma = 1 - ramp keeps the frequency. */
static long double yarn_angle(const sk_rope *r, long double theta, int i)
{
    const long double pi = 3.14159265358979323846264338327950288L;
    const long double n = (long double)r->n_rot, ctx = (long double)r->n_ctx_orig;
    const long double per_turn = 2 * logl((long double)r->base);
    long double low = floorl(n * logl(ctx / ((long double)r->beta_fast * 2 * pi)) / per_turn);
    long double high = ceill(n * logl(ctx / ((long double)r->beta_slow * 2 * pi)) / per_turn);
    low = fmaxl(0, low);
    high = fminl(n - 1, high);
    const long double t = fmaxl(0, fminl(1, (i - low) / fmaxl(0.001L, high - low)));
    const long double mix = (1 - t) * (long double)r->ext_factor;
    return (long double)r->freq_scale * theta * (1 - mix) + theta * mix;
}

/* Of the float nearest to x. */
static double half_ulp(double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(1.000001, exponent - 25);
}

static void check(const char *what, sk_rope r, long double magnitude)
{
    static const int64_t positions[] = {0, 1, 2, 3, 17, 100, 4095, 4096, 131071, 1048575, 1 << 24};
    double freq[PAIRS];
    float cs[PAIRS + 1][2] = {{0}};
    CHECK(sk_rope_init(&r, freq));
    for (size_t p = 0; p < sizeof positions / sizeof positions[0]; p++) {
        const int64_t pos = positions[p];
        sk_rope_angles(&r, pos, cs);
        CHECK(cs[r.n_rot / 2][0] == 0);
        for (int i = 0; i < r.n_rot / 2; i++) {
            long double theta =
                (long double)pos * powl((long double)r.base, -2.0L * i / (long double)r.n_rot);
            theta /= r.factors ? (long double)r.factors[i] : 1;
            theta =
                r.ext_factor != 0 ? yarn_angle(&r, theta, i) : theta * (long double)r.freq_scale;
            const double c = (double)(cosl(theta) * magnitude),
                         s = (double)(sinl(theta) * magnitude);
            const double angle_error =
                fabs((double)theta) * 0x1p-50; /* some roundings of a double */
            CHECKF(fabs((double)cs[i][0] - c) <= half_ulp(c) + angle_error &&
                       fabs((double)cs[i][1] - s) <= half_ulp(s) + angle_error,
                   "%s, position %d, pair %d: %a %a, wanted %a %a", what, (int)pos, i,
                   (double)cs[i][0], (double)cs[i][1], c, s);
        }
    }
}

static void check_scalings(void)
{
    sk_rope r = plain();
    check("plain", r, 1);
    r.base = 500000;
    r.n_rot = 96;
    check("partial", r, 1);
    r.freq_scale = 0.25;
    check("linear", r, 1);
    for (int i = 0; i < PAIRS; i++)
        factors[i] = 1 + 0.13f * (float)i;
    r.factors = factors;
    r.attn_factor = 1.19f;
    check("longrope", r, (long double)r.attn_factor);
    r = plain();
    r.freq_scale = 1.0 / 40;
    r.ext_factor = 1;
    check("yarn", r, 1 + 0.1L * logl(40));
    r.base = 150000;
    r.freq_scale = 1.0 / 32;
    r.n_rot = 64;
    r.attn_factor = 1 / (1 + 0.1 * log(32));
    check("yarn of gpt-oss", r, 1);
    r.beta_fast = 8;
    r.ext_factor = 0.5;
    r.factors = factors;
    check("yarn and factors", r, 1);
}

/* What a file could say and no angle follows from. */
static void check_refused(void)
{
    double freq[PAIRS];
    factors[3] = 0;
    sk_rope r = plain();
    r.factors = factors;
    CHECK(!sk_rope_init(&r, freq));
    r = plain();
    r.base = 0;
    CHECK(!sk_rope_init(&r, freq));
    r.base = -5;
    CHECK(!sk_rope_init(&r, freq));
    r.base = (double)NAN;
    CHECK(!sk_rope_init(&r, freq));
    r = plain();
    r.freq_scale = HUGE_VAL;
    CHECK(!sk_rope_init(&r, freq));
    r = plain();
    r.freq_scale = 0;
    r.ext_factor = 1;
    CHECK(!sk_rope_init(&r, freq));
    r = plain();
    r.n_rot = 7;
    CHECK(!sk_rope_init(&r, freq));
    r.n_rot = 0;
    CHECK(sk_rope_init(&r, freq));
    r = plain(); /* hostile but harmless */
    r.ext_factor = 1;
    r.n_ctx_orig = 0;
    r.beta_fast = 0;
    (void)sk_rope_init(&r, freq);
    float cs[PAIRS][2];
    sk_rope_angles(&r, INT64_MAX, cs);
    sk_rope_angles(&r, INT64_MIN, cs);
}

int main(void)
{
    check_scalings();
    check_refused();
    return test_end();
}
