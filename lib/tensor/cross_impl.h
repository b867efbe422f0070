/* SPDX-License-Identifier: MIT */
/*
 * Operations across lanes, for one tier (tier_impl.h; no include guard): sums and maximums of
 * sixteen vectors at once, and transposition. In C they go through arrays, which is what a tier
 * without a form of its own runs.
 *
 * Sixteen sums take fifteen additions and twice as many shuffles, where one after another takes
 * four of each; every sum is the tree of v16_sum, lane l + lane l+8, then l+4, l+2, l+1, because a
 * step halves all vectors alike and lays two of them side by side.
 */

#if TIER_AVX512

/* The halves, quarters, ... of x and y added: those of x before those of y. */
SK_INLINE v16 TIER(fold8)(v16 x, v16 y)
{
    return v16_add(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
}

SK_INLINE v16 TIER(fold4)(v16 x, v16 y)
{
    return v16_add(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
}

SK_INLINE v16 TIER(fold2)(v16 x, v16 y)
{
    return v16_add(_mm512_shuffle_ps(x, y, 0x44), _mm512_shuffle_ps(x, y, 0xee));
}

SK_INLINE v16 TIER(fold1)(v16 x, v16 y)
{
    return v16_add(_mm512_shuffle_ps(x, y, 0x88), _mm512_shuffle_ps(x, y, 0xdd));
}

/* Lane j is the sum of s[j]. */
SK_INLINE v16 TIER(sum16)(const v16 *s)
{
    v16 t[4];
    for (int k = 0; k < 4; k++)
        t[k] = TIER(fold4)(TIER(fold8)(s[k], s[k + 4]), TIER(fold8)(s[k + 8], s[k + 12]));
    return TIER(fold1)(TIER(fold2)(t[0], t[1]), TIER(fold2)(t[2], t[3]));
}

/* Lane i of x[j] and lane j of x[i] change places: first within groups of four lanes, four vectors
 * at a time, then the groups. */
SK_INLINE void TIER(transpose)(v16 *x)
{
    for (int g = 0; g < 16; g += 4) {
        const v16 a = _mm512_unpacklo_ps(x[g], x[g + 1]), b = _mm512_unpackhi_ps(x[g], x[g + 1]);
        const v16 c = _mm512_unpacklo_ps(x[g + 2], x[g + 3]);
        const v16 d = _mm512_unpackhi_ps(x[g + 2], x[g + 3]);
        x[g] = _mm512_shuffle_ps(a, c, 0x44);
        x[g + 1] = _mm512_shuffle_ps(a, c, 0xee);
        x[g + 2] = _mm512_shuffle_ps(b, d, 0x44);
        x[g + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int k = 0; k < 4; k++) {
        const v16 a = _mm512_shuffle_f32x4(x[k], x[k + 4], 0x88);
        const v16 b = _mm512_shuffle_f32x4(x[k], x[k + 4], 0xdd);
        const v16 c = _mm512_shuffle_f32x4(x[k + 8], x[k + 12], 0x88);
        const v16 d = _mm512_shuffle_f32x4(x[k + 8], x[k + 12], 0xdd);
        x[k] = _mm512_shuffle_f32x4(a, c, 0x88);
        x[k + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        x[k + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        x[k + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

#elif TIER_AVX2

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
    for (int k = 0; k < 4; k++) {
        const __m256 a = x[k], b = x[k + 4];
        x[k] = _mm256_permute2f128_ps(a, b, 0x20);
        x[k + 4] = _mm256_permute2f128_ps(a, b, 0x31);
    }
}

/* Lane i of x[j] and lane j of x[i] change places: in quarters of eight by eight. */
SK_INLINE void TIER(transpose)(v16 *x)
{
    __m256 q[4][8];
    for (int i = 0; i < 8; i++) {
        q[0][i] = x[i].a;
        q[1][i] = x[i + 8].a;
        q[2][i] = x[i].b;
        q[3][i] = x[i + 8].b;
    }
    for (int i = 0; i < 4; i++)
        TIER(transpose8)(q[i]);
    for (int i = 0; i < 8; i++) {
        x[i] = (v16){q[0][i], q[1][i]};
        x[i + 8] = (v16){q[2][i], q[3][i]};
    }
}

#else

/* Lane j is the sum of s[j]. */
SK_INLINE v16 TIER(sum16)(const v16 *s)
{
    float sum[16];
    for (int j = 0; j < 16; j++)
        sum[j] = v16_sum(s[j]);
    return v16_load(sum);
}

/* Lane i of x[j] and lane j of x[i] change places. */
SK_INLINE void TIER(transpose)(v16 *x)
{
    float from[16][16], to[16][16];
    for (int j = 0; j < 16; j++)
        v16_store(from[j], x[j]);
    for (int j = 0; j < 16; j++)
        for (int i = 0; i < 16; i++)
            to[i][j] = from[j][i];
    for (int j = 0; j < 16; j++)
        x[j] = v16_load(to[j]);
}

#endif

/* The largest lane, by a > b ? a : b; none may be a NaN. */
SK_INLINE float TIER(max_lane)(v16 x)
{
    float lane[16];
    v16_store(lane, x);
    for (int step = 8; step > 0; step /= 2)
        for (int i = 0; i < step; i++)
            lane[i] = lane[i] > lane[i + step] ? lane[i] : lane[i + step];
    return lane[0];
}
