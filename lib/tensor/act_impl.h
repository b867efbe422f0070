/* SPDX-License-Identifier: MIT */
/*
 * The activation quantiser of the numeric contract, a template for the tiers. Per block:
 *
 *   d = max|x| / 127, and 0 when that is subnormal;  id = d ? 1 / d : 0
 *   code = round to nearest even(x * id), clamped to +-127
 *
 * |x * id| is hardly above 127, since id is at most two roundings away from 127 / max|x|; the clamp
 * is there for that last bit. The largest |x| is found among the bits, whose order is that of the
 * numbers, and which tell what is not finite.
 */
#include "base/bytes.h"
#include "tensor/act.h"
#include "tensor/unit.h"

#include <float.h>

/* One block, n a multiple of 16; false when an element is not finite. */
SK_INLINE bool TIER(quantise_block)(const float *restrict x, int n, int8_t *restrict code,
                                    float *restrict scale)
{
    v16 m = v16_zero();
    for (int i = 0; i < n; i += 16)
        m = v16_abs_max(m, v16_load(x + i));
    const uint32_t most = v16_most(m);
    const float ratio = sk_f32_from_bits(most) / 127.0f;
    const float d = ratio < FLT_MIN ? 0.0f : ratio, id = d > 0 ? 1.0f / d : 0.0f;
    *scale = d;
    if (most >= 0x7f800000u)
        return false;
    for (int i = 0; i < n; i += 16)
        v16_store_codes(code + i, v16_mul(v16_load(x + i), v16_splat(id)));
    return true;
}

SK_INLINE void TIER(sum_codes)(const int8_t *restrict code, int64_t n_part, int part,
                               int16_t *restrict sum)
{
    for (int64_t k = 0; k < n_part; k++) {
        int32_t s = 0;
        for (int i = 0; i < part; i++)
            s += code[part * k + i];
        sum[k] = (int16_t)s;
    }
}

#if TIER_AVX2

/* The sums of 128 codes: of each sixteen, the even ones below the odd ones. */
SK_INLINE __m256i TIER(sum_128)(const int8_t *code)
{
    const __m256i bytes = _mm256_set1_epi8(1), words = _mm256_set1_epi16(1);
    __m256i s[4]; /* sums of four */
    for (int i = 0; i < 4; i++) {
        const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(code + 32 * i));
        s[i] = _mm256_madd_epi16(_mm256_maddubs_epi16(bytes, x), words);
    }
    return _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3]));
}

/* The sums of a row's codes, 256 at a time. */
SK_INLINE void TIER(sum_row)(const int8_t *code, int64_t n, int part, int16_t *sum)
{
    int64_t i = 0;
    for (; i + 256 <= n; i += 256) {
        const __m256i s =
            _mm256_packs_epi32(TIER(sum_128)(code + i), TIER(sum_128)(code + i + 128));
        const __m128i even = _mm256_castsi256_si128(s), odd = _mm256_extracti128_si256(s, 1);
        __m128i *to = (__m128i *)(void *)(sum + i / part);
        if (part == 32) {
            _mm_storeu_si128(to, _mm_add_epi16(even, odd));
            continue;
        }
        _mm_storeu_si128(to, _mm_unpacklo_epi16(even, odd));
        _mm_storeu_si128(to + 1, _mm_unpackhi_epi16(even, odd));
    }
    TIER(sum_codes)(code + i, (n - i) / part, part, sum + i / part);
}

#else

SK_INLINE void TIER(sum_row)(const int8_t *code, int64_t n, int part, int16_t *sum)
{
    TIER(sum_codes)(code, n / part, part, sum);
}

#endif

/* All of a row; `block` and `part` are constants where this is inlined. */
SK_INLINE bool TIER(quantise_blocks)(const float *restrict x, int64_t n, int block, int part,
                                     int8_t *restrict code, float *restrict d,
                                     int16_t *restrict sum)
{
    for (int64_t b = 0; b < n / block; b++)
        if (!TIER(quantise_block)(x + b * block, block, code + b * block, d + b))
            return false;
    TIER(sum_row)(code, n, part, sum);
    return true;
}

static int TIER(quantise_floats)(const float *x, int64_t n, float *row)
{
    v16 m = v16_zero();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const v16 v = v16_load(x + i);
        m = v16_abs_max(m, v);
        v16_store(row + i, v);
    }
    if (i < n) {
        const v16 v = TIER(load_part)(x + i, n - i);
        m = v16_abs_max(m, v);
        TIER(store_part)(row + i, v, n - i);
    }
    return v16_most(m) < 0x7f800000u ? 0 : -1;
}

static int TIER(quantise)(int kind, const float *x, int64_t n, void *row)
{
    if (kind == SK_ACT_F32)
        return TIER(quantise_floats)(x, n, row);
    const sk_act_places at = sk_act_places_of(kind, n);
    int8_t *code = row;
    float *d = (float *)(void *)(code + at.d);
    int16_t *sum = (int16_t *)(void *)(code + at.sum);
    int16_t *sum32 = (int16_t *)(void *)(code + at.sum32);
    if (kind == SK_ACT_Q32)
        return TIER(quantise_blocks)(x, n, 32, 32, code, d, sum) ? 0 : -1;
    if (!TIER(quantise_blocks)(x, n, 256, 16, code, d, sum))
        return -1;
    for (int64_t b = 0; b < n / 32; b += 8) /* a constant count, which compilers make vectors of */
        for (int64_t k = b; k < b + 8; k++)
            sum32[k] = (int16_t)(sum[2 * k] + sum[2 * k + 1]);
    return 0;
}
