/* SPDX-License-Identifier: MIT */
/*
 * Operations on several vectors at once, for one tier (tier_impl.h; no include guard): sums of
 * sixteen, transposition, exponentials side by side. In C they go through arrays, which is what a
 * tier without a form of its own runs.
 *
 * Sixteen sums take fifteen additions and twice as many shuffles, where one after another takes
 * four of each; every sum is the tree of v16_sum, lane l + lane l+8, then l+4, l+2, l+1, because a
 * step halves all vectors alike and lays two of them side by side.
 */

/* Before a loop over vectors, where they are registers: it must not be a loop, or they are memory.
 * As arrays they are memory anyway, and a loop is shorter. */
#if TIER_AVX2 || TIER_NEON
#define VECS_UNROLL SK_UNROLL
#else
#define VECS_UNROLL
#endif

#if TIER_AVX512

/* A half to all lanes. */
SK_INLINE v16 TIER(splat_f16)(uint16_t x)
{
    return _mm512_cvtph_ps(_mm256_set1_epi16((short)x));
}

/* Sixteen signed bytes. */
SK_INLINE v16 TIER(from_i8)(const int8_t *p)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}

/* The halves, quarters, ... of x and y added: those of x before those of y. Where that can be, one
 * summand is a mixture, which takes no shuffle. */
SK_INLINE v16 TIER(fold8)(v16 x, v16 y)
{
    return v16_add(_mm512_mask_mov_ps(x, 0xff00, y), _mm512_shuffle_f32x4(x, y, 0x4e));
}

SK_INLINE v16 TIER(fold4)(v16 x, v16 y)
{
    return v16_add(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
}

SK_INLINE v16 TIER(fold2)(v16 x, v16 y)
{
    return v16_add(_mm512_mask_mov_ps(x, 0xcccc, y), _mm512_shuffle_ps(x, y, 0x4e));
}

SK_INLINE v16 TIER(fold1)(v16 x, v16 y)
{
    return v16_add(_mm512_shuffle_ps(x, y, 0x88), _mm512_shuffle_ps(x, y, 0xdd));
}

/* Sixteen sums in two steps: of four vectors each, s[k], s[k + 4], s[k + 8] and s[k + 12], quarters
 * in which four lanes are left to be added; and of the four results the sums. */
#define SUM_PART 4

SK_INLINE v16 TIER(sum_part)(const v16 *s)
{
    return TIER(fold4)(TIER(fold8)(s[0], s[1]), TIER(fold8)(s[2], s[3]));
}

SK_INLINE v16 TIER(sum_parts)(const v16 *t)
{
    return TIER(fold1)(TIER(fold2)(t[0], t[1]), TIER(fold2)(t[2], t[3]));
}

/* Lane j is the sum of s[j]. */
SK_INLINE v16 TIER(sum16)(const v16 *s)
{
    v16 t[4];
    VECS_UNROLL
    for (int k = 0; k < 4; k++) {
        const v16 part[4] = {s[k], s[k + 4], s[k + 8], s[k + 12]};
        t[k] = TIER(sum_part)(part);
    }
    return TIER(sum_parts)(t);
}

/* e * 2^n for an integral n from -151 to 1; t is n + 1.5 * 2^23, a NaN where n is one. The
 * instruction rounds once, and so does multiplying in two halves (below), since the first product
 * is exact. */
SK_INLINE v16 TIER(scale_by_power)(v16 e, v16 n, v16 t)
{
    (void)t;
    return _mm512_scalef_ps(e, n);
}

/* The largest lane, by a > b ? a : b; none may be a NaN. */
SK_INLINE float TIER(max_lane)(v16 x)
{
    const __m256 s = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 t = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    const __m128 u = _mm_max_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_max_ss(u, _mm_movehdup_ps(u)));
}

#elif TIER_AVX2

/* A half to all lanes. */
SK_INLINE v16 TIER(splat_f16)(uint16_t x)
{
    const __m256 r = _mm256_cvtph_ps(_mm_set1_epi16((short)x));
    return (v16){r, r};
}

/* Sixteen signed bytes. */
SK_INLINE v16 TIER(from_i8)(const int8_t *p)
{
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i upper = _mm_unpackhi_epi64(bytes, bytes);
    return (v16){_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
                 _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(upper))};
}

/* The powers of two whose product is 2^n; see sk_expf. */
SK_INLINE __m256 TIER(times_power)(__m256 e, __m256 t)
{
    const __m256i offset = _mm256_set1_epi32(256 - 0x4b400000), one = _mm256_set1_epi32(1);
    const __m256i k = _mm256_add_epi32(_mm256_castps_si256(t), offset);
    const __m256i half = _mm256_srli_epi32(k, 1), rest = _mm256_sub_epi32(k, half);
    const __m256i a = _mm256_slli_epi32(_mm256_sub_epi32(half, one), 23);
    const __m256i b = _mm256_slli_epi32(_mm256_sub_epi32(rest, one), 23);
    return _mm256_mul_ps(_mm256_mul_ps(e, _mm256_castsi256_ps(a)), _mm256_castsi256_ps(b));
}

/* e * 2^n for an integral n from -151 to 1; t is n + 1.5 * 2^23, a NaN where n is one. */
SK_INLINE v16 TIER(scale_by_power)(v16 e, v16 n, v16 t)
{
    (void)n;
    return (v16){TIER(times_power)(e.a, t.a), TIER(times_power)(e.b, t.b)};
}

/* The largest lane, by a > b ? a : b; none may be a NaN. */
SK_INLINE float TIER(max_lane)(v16 x)
{
    const __m256 s = _mm256_max_ps(x.a, x.b);
    const __m128 t = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    const __m128 u = _mm_max_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_max_ss(u, _mm_movehdup_ps(u)));
}

SK_INLINE __m256 TIER(fold4)(__m256 x, __m256 y)
{
    return _mm256_add_ps(_mm256_permute2f128_ps(x, y, 0x20), _mm256_permute2f128_ps(x, y, 0x31));
}

SK_INLINE __m256 TIER(fold2)(__m256 x, __m256 y)
{
    return _mm256_add_ps(_mm256_shuffle_ps(x, y, 0x44), _mm256_shuffle_ps(x, y, 0xee));
}

SK_INLINE __m256 TIER(fold1)(__m256 x, __m256 y)
{
    return _mm256_add_ps(_mm256_shuffle_ps(x, y, 0x88), _mm256_shuffle_ps(x, y, 0xdd));
}

SK_INLINE __m256 TIER(sum8)(const v16 *s)
{
    __m256 t[4];
    VECS_UNROLL
    for (int k = 0; k < 4; k++)
        t[k] = TIER(fold4)(_mm256_add_ps(s[k].a, s[k].b), _mm256_add_ps(s[k + 4].a, s[k + 4].b));
    return TIER(fold1)(TIER(fold2)(t[0], t[1]), TIER(fold2)(t[2], t[3]));
}

/* Lane j is the sum of s[j]. */
SK_INLINE v16 TIER(sum16)(const v16 *s)
{
    return (v16){TIER(sum8)(s), TIER(sum8)(s + 8)};
}

SK_INLINE void TIER(transpose8)(__m256 *x)
{
    VECS_UNROLL
    for (int g = 0; g < 8; g += 4) {
        const __m256 a = _mm256_unpacklo_ps(x[g], x[g + 1]);
        const __m256 b = _mm256_unpackhi_ps(x[g], x[g + 1]);
        const __m256 c = _mm256_unpacklo_ps(x[g + 2], x[g + 3]);
        const __m256 d = _mm256_unpackhi_ps(x[g + 2], x[g + 3]);
        x[g] = _mm256_shuffle_ps(a, c, 0x44);
        x[g + 1] = _mm256_shuffle_ps(a, c, 0xee);
        x[g + 2] = _mm256_shuffle_ps(b, d, 0x44);
        x[g + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    VECS_UNROLL
    for (int k = 0; k < 4; k++) {
        const __m256 a = x[k], b = x[k + 4];
        x[k] = _mm256_permute2f128_ps(a, b, 0x20);
        x[k + 4] = _mm256_permute2f128_ps(a, b, 0x31);
    }
}

/* Lane i of x[j] and lane j of x[i] change places: in quarters of eight by eight. */
static void TIER(transpose)(v16 *x)
{
    __m256 q[4][8];
    VECS_UNROLL
    for (int i = 0; i < 8; i++) {
        q[0][i] = x[i].a;
        q[1][i] = x[i + 8].a;
        q[2][i] = x[i].b;
        q[3][i] = x[i + 8].b;
    }
    VECS_UNROLL
    for (int i = 0; i < 4; i++)
        TIER(transpose8)(q[i]);
    VECS_UNROLL
    for (int i = 0; i < 8; i++) {
        x[i] = (v16){q[0][i], q[1][i]};
        x[i + 8] = (v16){q[2][i], q[3][i]};
    }
}

#else

/* A half to all lanes. */
SK_INLINE v16 TIER(splat_f16)(uint16_t x)
{
    return v16_splat(sk_f16_to_f32(x));
}

/* Sixteen signed bytes. */
SK_INLINE v16 TIER(from_i8)(const int8_t *p)
{
    float lane[16];
    for (int i = 0; i < 16; i++)
        lane[i] = (float)p[i];
    return v16_load(lane);
}

/* e * 2^n for an integral n from -151 to 1; t is n + 1.5 * 2^23, a NaN where n is one. */
SK_INLINE v16 TIER(scale_by_power)(v16 e, v16 n, v16 t)
{
    float lane[2][16];
    (void)n;
    v16_store(lane[0], e);
    v16_store(lane[1], t);
    for (int i = 0; i < 16; i++) {
        const uint32_t k = sk_f32_bits(lane[1][i]) - 0x4b400000u + 256u, half = k >> 1;
        lane[0][i] *= sk_f32_from_bits((half - 1u) << 23);
        lane[0][i] *= sk_f32_from_bits((k - half - 1u) << 23);
    }
    return v16_load(lane[0]);
}

/* The largest lane, by a > b ? a : b; none may be a NaN. */
SK_INLINE float TIER(max_lane)(v16 x)
{
    float lane[16], most;
    v16_store(lane, x);
    most = lane[0];
    VECS_UNROLL
    for (int i = 1; i < 16; i++)
        most = lane[i] > most ? lane[i] : most;
    return most;
}

/* Lane j is the sum of s[j]. */
SK_INLINE v16 TIER(sum16)(const v16 *s)
{
    float sum[16];
    VECS_UNROLL
    for (int j = 0; j < 16; j++)
        sum[j] = v16_sum(s[j]);
    return v16_load(sum);
}

/* Lane i of x[j] and lane j of x[i] change places. */
static void TIER(transpose)(v16 *x)
{
    float from[16][16], to[16][16];
    VECS_UNROLL
    for (int j = 0; j < 16; j++)
        v16_store(from[j], x[j]);
    VECS_UNROLL
    for (int j = 0; j < 16; j++)
        VECS_UNROLL
    for (int i = 0; i < 16; i++)
        to[i][j] = from[j][i];
    VECS_UNROLL
    for (int j = 0; j < 16; j++)
        x[j] = v16_load(to[j]);
}

#endif

#ifndef SUM_PART
#define SUM_PART 1

SK_INLINE v16 TIER(sum_part)(const v16 *s)
{
    return s[0];
}

SK_INLINE v16 TIER(sum_parts)(const v16 *t)
{
    return TIER(sum16)(t);
}

#endif

/*
 * x[i] = e^x[i], the bits of sk_expf, for x <= 0, -infinity or NaN: `n` vectors (a constant) step
 * by step together, because one alone is a long chain of operations that wait for one another. Of
 * its limits only the lower one is needed.
 */
SK_INLINE void TIER(exp_together)(v16 *x, int n)
{
    const v16 round = v16_splat(0x1.8p23f), one = v16_splat(1);
    v16 t[8], r[8], q[8];
    VECS_UNROLL
    for (int i = 0; i < n; i++) {
        x[i] = v16_max(v16_splat(-104), x[i]);
        t[i] = v16_add(v16_mul(x[i], v16_splat(0x1.715476p0f)), round);
    }
    VECS_UNROLL
    for (int i = 0; i < n; i++) {
        q[i] = v16_sub(t[i], round);
        r[i] = v16_sub(x[i], v16_mul(q[i], v16_splat(0x1.62e4p-1f)));
        x[i] = q[i];
    }
    VECS_UNROLL
    for (int i = 0; i < n; i++) {
        r[i] = v16_sub(r[i], v16_mul(x[i], v16_splat(0x1.7f7d1cp-20f)));
        q[i] = v16_mul(v16_splat(0.00138143174419f), r[i]);
    }
    VECS_UNROLL
    for (int i = 0; i < n; i++)
        q[i] = v16_mul(v16_add(q[i], v16_splat(0.00836885103642f)), r[i]);
    VECS_UNROLL
    for (int i = 0; i < n; i++)
        q[i] = v16_mul(v16_add(q[i], v16_splat(0.041668401134f)), r[i]);
    VECS_UNROLL
    for (int i = 0; i < n; i++)
        q[i] = v16_mul(v16_add(q[i], v16_splat(0.166665195245f)), r[i]);
    VECS_UNROLL
    for (int i = 0; i < n; i++)
        q[i] = v16_mul(v16_mul(r[i], r[i]), v16_add(q[i], v16_splat(0.499999933729f)));
    VECS_UNROLL
    for (int i = 0; i < n; i++)
        x[i] = TIER(scale_by_power)(v16_add(one, v16_add(r[i], q[i])), x[i], t[i]);
}
