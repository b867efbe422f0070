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

#include <stdbool.h>

/*
 * The product of two floats is exact in double (48 bits of 53; exponents far from the ends), so the
 * only error before the last rounding is that of s = p + c. Rounding s to float is right unless s
 * lies exactly in the middle of two floats, since the exact sum is on the same side of every middle
 * as s, or on it: the middle being a double too, rounding to double cannot step over it. Of normal
 * floats the middles are told by the lower 29 bits; results below 2^-126 are all sent the long way.
 */
static inline bool sk_fma_doubtful(uint64_t bits)
{
    return (bits & 0x1fffffffu) == 0x10000000u || bits << 1 < (uint64_t)(1023 - 126) << 53;
}

/*
 * The long way: TwoSum (Knuth, TAOCP 2, 4.2.2) gives the error e of s exactly, and rounding to odd
 * (Boldo and Melquiond, 2008) makes the rounding to float right: when the sum was inexact, s must
 * be the odd one of the two doubles around the exact value; an even s is moved one step towards e.
 */
static inline float sk_fma_odd(double p, double z, double s)
{
    const double z_part = s - p;
    const double e = (p - (s - z_part)) + (z - z_part);
    uint64_t bits = sk_f64_bits(s);
    if ((e > 0 || e < 0) && !(bits & 1)) /* not for NaN */
        bits = (e > 0) == (s > 0) ? bits + 1 : bits - 1;
    return (float)sk_f64_from_bits(bits);
}

static inline float sk_fma_soft(float a, float b, float c)
{
    const double p = (double)a * (double)b, z = (double)c, s = p + z;
    return sk_fma_doubtful(sk_f64_bits(s)) ? sk_fma_odd(p, z, s) : (float)s;
}

#if defined(__FMA__) || defined(__aarch64__) || defined(__ARM_FEATURE_FMA) || \
    defined(__FP_FAST_FMAF)
#define SK_FMA_DEFAULT(a, b, c) __builtin_fmaf((a), (b), (c))
#define SK_FMA_IS_SOFT 0
#else
#define SK_FMA_IS_SOFT 1
#define SK_FMA_DEFAULT(a, b, c) sk_fma_soft((a), (b), (c))
#endif

#endif
