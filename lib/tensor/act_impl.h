/* SPDX-License-Identifier: MIT */
/*
 * The activation quantiser of the numeric contract, a template for the tiers. Per block:
 *
 *   d = max|x| / 127, and 0 when that is subnormal;  id = d ? 1 / d : 0
 *   code = round to nearest even(x * id), clamped to +-127
 *
 * Rounding: adding 1.5 * 2^23 to a float below 2^22 leaves the rounded integer in the low bits of
 * the sum, by the very rules of float addition. |x * id| is hardly above 127, since id is at most
 * two roundings away from 127 / max|x|; the clamp is there for that last bit. The largest |x| is
 * found among the bits, whose order is that of the numbers, and which tell what is not finite.
 */
#include "base/bytes.h"
#include "tensor/act.h"
#include "tensor/unit.h"

#include <float.h>

/* The bits of the largest |x|. n is a multiple of 16. */
SK_INLINE uint32_t TIER(largest_bits)(const float *restrict x, int n)
{
    int32_t most = 0;
    for (int i = 0; i < n; i++) {
        const int32_t bits = (int32_t)(sk_f32_bits(x[i]) & 0x7fffffffu);
        most = bits > most ? bits : most;
    }
    return (uint32_t)most;
}

/* One block; false when an element is not finite. */
SK_INLINE bool TIER(quantise_block)(const float *restrict x, int n, int8_t *restrict code,
                                    float *restrict scale)
{
    const uint32_t most = TIER(largest_bits)(x, n);
    const float ratio = sk_f32_from_bits(most) / 127.0f;
    const float d = ratio < FLT_MIN ? 0.0f : ratio, id = d > 0 ? 1.0f / d : 0.0f;
    *scale = d;
    if (most >= 0x7f800000u)
        return false;
    for (int i = 0; i < n; i++) {
        const int32_t v = (int32_t)(sk_f32_bits(x[i] * id + 12582912.0f) - 0x4b400000u);
        code[i] = (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
    }
    return true;
}

SK_INLINE void TIER(sum_codes)(const int8_t *restrict code, int n_part, int part,
                               int16_t *restrict sum)
{
    for (int k = 0; k < n_part; k++) {
        int32_t s = 0;
        for (int i = 0; i < part; i++)
            s += code[part * k + i];
        sum[k] = (int16_t)s;
    }
}

/* All of a row; `block` and `part` are constants where this is inlined. */
SK_INLINE bool TIER(quantise_blocks)(const float *restrict x, int64_t n, int block, int part,
                                     int8_t *restrict code, float *restrict d,
                                     int16_t *restrict sum)
{
    for (int64_t b = 0; b < n / block; b++) {
        if (!TIER(quantise_block)(x + b * block, block, code + b * block, d + b))
            return false;
        TIER(sum_codes)(code + b * block, block / part, part, sum + b * (block / part));
    }
    return true;
}

static int TIER(quantise_floats)(const float *x, int64_t n, float *row)
{
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        const uint32_t bits = sk_f32_bits(x[i]) & 0x7fffffffu;
        most = bits > most ? bits : most;
        row[i] = x[i];
    }
    return most < 0x7f800000u ? 0 : -1;
}

static int TIER(quantise)(int kind, const float *x, int64_t n, void *row)
{
    if (kind == SK_ACT_F32)
        return TIER(quantise_floats)(x, n, row);
    const sk_act_row r = sk_act_view(kind, row, n);
    int8_t *code = row;
    float *d = (float *)(void *)(code + ((const char *)r.d - (const char *)row));
    int16_t *sum = (int16_t *)(void *)(code + ((const char *)r.sum - (const char *)row));
    const bool finite = kind == SK_ACT_Q32 ? TIER(quantise_blocks)(x, n, 32, 32, code, d, sum)
                                           : TIER(quantise_blocks)(x, n, 256, 16, code, d, sum);
    return finite ? 0 : -1;
}
