/* SPDX-License-Identifier: MIT */
/*
 * Our own transcendental functions: libm's differ between systems in the last bits, and results are
 * promised bit for bit. Only + - * / and comparisons, in one order, without fused operations; they
 * assume round to nearest (base/fpenv.h). Errors are in units in the last place, measured by
 * tests/tensor/test_math.c. Special values are those of C's Annex F; no errno, no flags promised.
 */
#ifndef SK_TENSOR_MATH_H
#define SK_TENSOR_MATH_H

#include "base/bytes.h"

/* Below 1 ulp. */
double sk_exp(double x);
double sk_log(double x);
double sk_pow(double x, double y);

/* Below 1 ulp for |x| <= 2^50; NaN for larger |x|, where neighbouring doubles are so far apart that
 * an angle means nothing. sk_sincos gives both for one reduction. */
double sk_sin(double x);
double sk_cos(double x);
void sk_sincos(double x, double *sin_x, double *cos_x);

/* Computed in double and rounded once: below 0.51 ulp. */
float sk_logf(float x);
float sk_powf(float x, float y);
float sk_tanhf(float x);

/*
 * e^x, below 1 ulp (measured over all floats), branch-free, so that loops over it vectorise.
 *
 * x = n ln 2 + r with |r| <= ln(2) / 2; n is rounded by adding and taking off 1.5 * 2^23, and stands
 * in the low bits of that sum. ln 2 is cut after 15 bits, so that n times its upper part is exact.
 * e^r = 1 + r + r^2 q(r), q the minimax polynomial of degree 4 (relative error of e^r 3e-9).
 * 2^n is multiplied in two halves, so that it need not be a normal float: the ends come out as
 * infinity, subnormals and 0 without a test. |x| is clamped only to keep n in range, e^104 being
 * infinite and e^-104 zero all the same; a NaN passes (the comparison is false) and stays one. One
 * comparison and not two, since gcc turns two into branches and then does not vectorise.
 */
static inline float sk_expf(float x)
{
    const float round = 0x1.8p23f;
    const uint32_t sign = sk_f32_bits(x) & 0x80000000u;
    float z = sk_f32_from_bits(sk_f32_bits(x) & 0x7fffffffu);
    z = z > 104.0f ? 104.0f : z;
    x = sk_f32_from_bits(sk_f32_bits(z) | sign);
    const float t = x * 0x1.715476p0f + round; /* 1 / ln 2 */
    const float n = t - round;
    const float r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
    float q = 0.00138143174419f;
    q = q * r + 0.00836885103642f;
    q = q * r + 0.041668401134f;
    q = q * r + 0.166665195245f;
    q = q * r + 0.499999933729f;
    const float e = 1.0f + (r + r * r * q);
    const uint32_t k = sk_f32_bits(t) - sk_f32_bits(round) + 256u; /* n + 256 > 0 */
    const uint32_t half = k >> 1;                                 /* n / 2 + 128 */
    const float a = sk_f32_from_bits((half - 1u) << 23);          /* exponent bias 127 */
    const float b = sk_f32_from_bits((k - half - 1u) << 23);
    return e * a * b;
}

#endif
