/* SPDX-License-Identifier: MIT */
/*
 * Half precision: IEEE binary16 and bfloat16 to float (exact) and back (round to nearest, ties to
 * even; what is too large becomes infinity, a NaN stays a NaN and becomes quiet). No branch, no
 * table and no instruction of one machine, so that loops over them vectorise and every CPU gives
 * the same bits. The subnormals are never made by shifting float bits, which a CPU that flushes
 * them would lose: they are counts of 2^-24.
 */
#ifndef SK_TENSOR_HALF_H
#define SK_TENSOR_HALF_H

#include "base/bytes.h"

#include <stdint.h>

static inline float sk_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, mag = h & 0x7fffu;
    const uint32_t normal = (mag << 13) + (112u << 23); /* exponent bias 15 to 127 */
    const uint32_t large = mag << 13 | 0x7f800000u | (mag > 0x7c00u ? 0x00400000u : 0);
    const uint32_t small = sk_f32_bits((float)(int32_t)mag * 0x1p-24f);
    const uint32_t bits = mag >= 0x7c00u ? large : mag >= 0x0400u ? normal : small;
    return sk_f32_from_bits(sign | bits);
}

static inline uint16_t sk_f32_to_f16(float f)
{
    const uint32_t bits = sk_f32_bits(f), mag = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
    const uint32_t odd = mag >> 13 & 1u;
    const uint32_t normal = (mag + 0xfffu + odd - (112u << 23)) >> 13; /* a carry may give 0x7c00 */
    /* A float near 0.5 counts in steps of 2^-24, so the addition does the rounding. */
    const uint32_t small = sk_f32_bits(sk_f32_from_bits(mag) + 0.5f) - 0x3f000000u;
    const uint32_t nan = 0x7e00u | (mag >> 13 & 0x1ffu);
    const uint32_t finite = mag < 0x38800000u ? small : normal;
    const uint32_t large = mag > 0x7f800000u ? nan : 0x7c00u;
    return (uint16_t)(sign | (mag >= 0x47800000u ? large : finite));
}

static inline float sk_bf16_to_f32(uint16_t h)
{
    return sk_f32_from_bits((uint32_t)h << 16);
}

static inline uint16_t sk_f32_to_bf16(float f)
{
    const uint32_t bits = sk_f32_bits(f);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 64u : rounded);
}

#endif
