/* SPDX-License-Identifier: MIT */
/*
 * Fused multiply-add: a * b + c with one rounding, the same bits everywhere. Where the compiler may
 * assume the instruction it is the instruction; elsewhere sk_fma_soft computes it exactly. libm's
 * fmaf is never called: it is slow where it is emulated, and not always right.
 *
 * The kernels write SK_FMA, which a tier that is compiled for a CPU with the instruction defines
 * as that instruction before its sources are included (tier_impl.h).
 */
#ifndef SK_TENSOR_FMA_H
#define SK_TENSOR_FMA_H

#include "base/bytes.h"

/*
 * The product of two floats is exact in double (48 bits of 53; exponents far from the ends). The sum
 * with c is rounded once to double, s, and TwoSum (Knuth, TAOCP 2, 4.2.2) gives its error e exactly.
 * "Round to odd" (Boldo and Melquiond, 2008) then makes the rounding to float right: when the sum
 * was inexact, s must be the odd one of the two doubles around the exact value. An s that is even
 * is therefore moved one step towards e. Infinities and NaN make e NaN, which moves nothing. No
 * branch, so loops over it vectorise.
 */
static inline float sk_fma_soft(float a, float b, float c)
{
    const double p = (double)a * (double)b, z = (double)c;
    const double s = p + z;
    const double z_part = s - p;
    const double e = (p - (s - z_part)) + (z - z_part);
    uint64_t bits = sk_f64_bits(s);
    const uint64_t away = (uint64_t)((e > 0) == (s > 0));   /* e enlarges the magnitude */
    const uint64_t inexact = (uint64_t)((e > 0) | (e < 0)); /* false for NaN */
    const uint64_t move = inexact & ~bits & 1u;
    bits += move * (2 * away - 1); /* one step up or, modulo 2^64, down */
    return (float)sk_f64_from_bits(bits);
}

#if defined(__FMA__) || defined(__aarch64__) || defined(__ARM_FEATURE_FMA) || \
    defined(__FP_FAST_FMAF)
#define SK_FMA_DEFAULT(a, b, c) __builtin_fmaf((a), (b), (c))
#else
#define SK_FMA_DEFAULT(a, b, c) sk_fma_soft((a), (b), (c))
#endif

#endif
