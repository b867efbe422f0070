/* SPDX-License-Identifier: MIT */
/*
 * One column, AVX-512: rows are multiplied as they lie in the file, one after another, so that
 * memory is read as one stream, which is the fastest that a CPU reads. Included by fused_impl.h.
 *
 * To transpose sixteen rows' bytes, as unpack_impl.h does, takes longer than the products of one
 * column. Here a row's weights, 64 at a time, meet the column's codes; what is transposed is the
 * sums, one for each group of weights that has a float scale. They are laid down by rows, with the
 * rows' scales beside them; then sixteen rows at once take the contract's float steps, group by
 * group, a row in each lane. Integer sums are exact, so their order is free.
 *
 * Groups of 32: a step is a unit, eight groups. Groups of 256: a step is four units.
 *
 * What is asked for lies BYROW_AHEAD bytes ahead, and a little more in the first rows: a step asks
 * for whole lines only, and the float steps, which read nothing from memory, ask for the rest, so
 * that memory never waits for them. Rows longer than BYROW_GROUPS are taken in parts; shorter parts
 * were slower, since every jump from row to row breaks the stream.
 *
 * Memory: 27 KiB, on the stack.
 */

#define BYROW_GROUPS 288 /* groups of 32; half as many of 256 */
#define BYROW_AHEAD 8192

/* Sums and scales of sixteen rows. Groups of 256: sums of minimums lie in the second half of `sum`,
 * and d has two halves for each, that of the minimum being the second. */
typedef struct TIER(byrow) {
    _Alignas(64) uint32_t sum[LANES][BYROW_GROUPS];
    uint16_t d[LANES][BYROW_GROUPS];
} TIER(byrow);

/* Where a column's numbers for the step's first unit are. */
typedef struct TIER(byrow_column) {
    const uint8_t *code, *sum, *d;
} TIER(byrow_column);

#define Z_LOAD(p) _mm512_loadu_si512((const void *)(p))
#define Y_LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define X_LOAD(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define Z_WORDS(low, high) \
    _mm512_setr_epi32(low, low, low, low, low, low, low, low, high, high, high, high, high, high, \
                      high, high)

SK_INLINE bool TIER(is_byrow)(int dtype)
{
    return dtype == SK_Q8_0 || dtype == SK_Q4_0 || dtype == SK_IQ4_NL || dtype == SK_Q4_K ||
           dtype == SK_Q5_K || dtype == SK_Q6_K;
}

/* Four registers' sums, 128-bit lane by lane: that of register j to dword j of the lane. */
SK_INLINE __m512i TIER(byrow_sums)(const __m512i *x)
{
    const __m512i a =
        _mm512_add_epi32(_mm512_unpacklo_epi32(x[0], x[1]), _mm512_unpackhi_epi32(x[0], x[1]));
    const __m512i b =
        _mm512_add_epi32(_mm512_unpacklo_epi32(x[2], x[3]), _mm512_unpackhi_epi32(x[2], x[3]));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}

/* The halves of a register, and of those. */
SK_INLINE __m128i TIER(byrow_fold)(__m512i x)
{
    const __m256i y = _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
}

/* ---- Groups of 32: a unit ----------------------------------------------------------------------
 */

/* The bytes of blocks 2k and 2k + 1, in the order of codes. Of Q4_0 the second half of each block
 * is not shifted down: sixteen times too much. */
SK_INLINE __m512i TIER(byrow_pair)(int dtype, const uint8_t *p)
{
#define FOUR(a, b) _mm512_setr_epi32(a, a, a, a, b, b, b, b, a, a, a, a, b, b, b, b)
    if (dtype == SK_Q8_0)
        return _mm512_xor_si512(_mm512_mask_broadcast_i64x4(_mm512_castsi256_si512(Y_LOAD(p + 2)),
                                                            0xf0, Y_LOAD(p + 36)),
                                _mm512_set1_epi8(-128));
    __m512i w = _mm512_broadcast_i32x4(X_LOAD(p + 2));
    w = _mm512_mask_broadcast_i32x4(w, 0xff00, X_LOAD(p + 20));
    if (dtype == SK_Q4_0)
        return _mm512_and_si512(w, FOUR(0x0f0f0f0f, (int)0xf0f0f0f0));
    w = _mm512_and_si512(_mm512_srlv_epi32(w, FOUR(0, 4)), _mm512_set1_epi8(15));
    return (__m512i)vi_look_up(vi_table(sk_iq4_values, LANES_BIAS), (vi)w);
#undef FOUR
}

/* Sums of blocks 0, 2, 4, 6, 1, 3, 5, 7. */
SK_INLINE void TIER(byrow_32)(int dtype, const uint8_t *p, const uint8_t *code, uint32_t *sum)
{
    const size_t size = TIER(layout_of)(dtype).size / 4;
    __m512i s[4];
    SK_UNROLL
    for (size_t k = 0; k < 4; k++)
        s[k] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), TIER(byrow_pair)(dtype, p + k * size),
                                   Z_LOAD(code + 64 * k));
    const __m512i t = TIER(byrow_sums)(s);
    const __m256i first = _mm512_castsi512_si256(_mm512_shuffle_i32x4(t, t, 0x88));
    __m256i second = _mm512_castsi512_si256(_mm512_shuffle_i32x4(t, t, 0xdd));
    if (dtype == SK_Q4_0)
        second = _mm256_srai_epi32(second, 4);
    _mm256_storeu_si256((__m256i *)(void *)sum, _mm256_add_epi32(first, second));
}

/* ---- Groups of 256: four units -----------------------------------------------------------------
 */

/* Adds 64 products of bytes and codes, each times its factor. */
SK_INLINE __m512i TIER(byrow_mac)(__m512i sum, __m512i w, const uint8_t *code, __m512i factor)
{
    return _mm512_dpwssd_epi32(sum, _mm512_maddubs_epi16(w, Z_LOAD(code)), factor);
}

/* Sixteen bytes of each of four units. */
SK_INLINE __m512i TIER(byrow_four)(const uint8_t *const *p)
{
    __m512i x = _mm512_broadcast_i32x4(X_LOAD(p[0]));
    x = _mm512_mask_broadcast_i32x4(x, 0x00f0, X_LOAD(p[1]));
    x = _mm512_mask_broadcast_i32x4(x, 0x0f00, X_LOAD(p[2]));
    return _mm512_mask_broadcast_i32x4(x, 0xf000, X_LOAD(p[3]));
}

/* Q4_K, Q5_K: of each unit's head, eight scales and eight minimums, as bytes. */
SK_INLINE __m512i TIER(byrow_k4_scales)(__m512i head)
{
#define FOUR(a, b, c, d) _mm512_setr_epi32(a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d)
    const __m512i a = _mm512_shuffle_epi32(head, 0xa5), b = _mm512_shuffle_epi32(head, 0xff);
    const __m512i low = _mm512_and_si512(_mm512_srlv_epi32(a, FOUR(0, 2, 0, 2)),
                                         FOUR(0x3f3f3f3f, 0x30303030, 0x3f3f3f3f, 0x30303030));
    return _mm512_ternarylogic_epi32(low, _mm512_srlv_epi32(b, FOUR(0, 0, 0, 4)),
                                     FOUR(0, 0x0f0f0f0f, 0, 0x0f0f0f0f), 0xf8);
#undef FOUR
}

/* The minimums, times the sums of their 32 codes, of each unit. */
SK_INLINE __m128i TIER(byrow_k4_low)(__m512i scales, const uint8_t *const *sum)
{
    const __m512i min = _mm512_unpackhi_epi8(scales, _mm512_setzero_si512());
    __m512i t = _mm512_madd_epi16(min, TIER(byrow_four)(sum));
    t = _mm512_add_epi32(t, _mm512_shuffle_epi32(t, 0xb1));
    t = _mm512_add_epi32(t, _mm512_shuffle_epi32(t, 0x4e));
    return _mm512_castsi512_si128(_mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), t));
}

/* One unit. Nibbles, 32 low ones and then 32 high ones, and a fifth bit at `high`. */
SK_INLINE __m512i TIER(byrow_k4_unit)(const uint8_t *q, const uint8_t *high, const uint8_t *code,
                                      const uint8_t *scales)
{
    const __m512i nibble = Z_WORDS(0, 0x00040004), mask = _mm512_set1_epi8(15);
    const __m512i scale = _mm512_broadcast_i32x4(X_LOAD(scales));
    const __m512i h = high ? _mm512_broadcast_i64x4(Y_LOAD(high)) : mask;
    __m512i sum = _mm512_setzero_si512();
    SK_UNROLL
    for (int k = 0; k < 4; k++) {
        __m512i w = _mm512_broadcast_i64x4(Y_LOAD(q + 32 * k));
        w = _mm512_and_si512(_mm512_srlv_epi16(w, nibble), mask);
        if (high) {
            const __m512i bit = _mm512_rorv_epi32(h, Z_WORDS((28 + 2 * k) % 32, (29 + 2 * k) % 32));
            w = _mm512_ternarylogic_epi32(w, bit, _mm512_set1_epi8(16), 0xf8);
        }
        const __m512i at =
            Z_WORDS((int)0x80008000 | (2 * k * 0x10001), (int)0x80008000 | ((2 * k + 1) * 0x10001));
        sum = TIER(byrow_mac)(sum, w, code + 64 * k, _mm512_shuffle_epi8(scale, at));
    }
    return sum;
}

SK_INLINE __m512i TIER(byrow_q6_k_unit)(const uint8_t *p, const uint8_t *code, const uint8_t *sums)
{
    const __m512i mask = _mm512_set1_epi8(15), two = _mm512_set1_epi8(48);
    const __m256i scale = _mm256_cvtepi8_epi16(X_LOAD(p + 192));
    const __m512i scales = _mm512_castsi256_si512(scale);
    const __m256i bias = _mm256_slli_epi32(_mm256_madd_epi16(scale, Y_LOAD(sums)), 5);
    __m512i sum = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_zextsi256_si512(bias));
    SK_UNROLL
    for (int k = 0; k < 2; k++, p += 64, code += 128) {
        const __m512i q = Z_LOAD(p);
        const __m512i h = _mm512_broadcast_i64x4(Y_LOAD(p + 128 - 32 * k));
        const __m512i low = _mm512_ternarylogic_epi32(
            _mm512_and_si512(q, mask), _mm512_sllv_epi16(h, Z_WORDS(0x40004, 0x20002)), two, 0xf8);
        const __m512i high =
            _mm512_ternarylogic_epi32(_mm512_and_si512(_mm512_srli_epi16(q, 4), mask),
                                      _mm512_srlv_epi16(h, Z_WORDS(0, 0x20002)), two, 0xf8);
#define LANE(i) (8 * k + (i)) * 0x10001
#define LANES_FROM(i) \
    _mm512_setr_epi32(LANE(i), LANE(i), LANE(i), LANE(i), LANE(i + 1), LANE(i + 1), LANE(i + 1), \
                      LANE(i + 1), LANE(i + 2), LANE(i + 2), LANE(i + 2), LANE(i + 2), \
                      LANE(i + 3), LANE(i + 3), LANE(i + 3), LANE(i + 3))
        sum = TIER(byrow_mac)(sum, low, code, _mm512_permutexvar_epi16(LANES_FROM(0), scales));
        sum =
            TIER(byrow_mac)(sum, high, code + 64, _mm512_permutexvar_epi16(LANES_FROM(4), scales));
#undef LANES_FROM
#undef LANE
    }
    return sum;
}

/* n units at p, four at most. */
SK_INLINE void TIER(byrow_256)(int dtype, const uint8_t *p, const TIER(byrow_column) * x, size_t n,
                               uint32_t *dot, uint16_t *d)
{
    const size_t size = TIER(layout_of)(dtype).size;
    _Alignas(64) uint8_t scales[64];
    __m512i s[4];
    if (dtype != SK_Q6_K) {
        const uint8_t *w[4], *sum[4];
        SK_UNROLL
        for (size_t j = 0; j < 4; j++) {
            w[j] = p + (j < n ? j : n - 1) * size;
            sum[j] = x->sum + (j < n ? j : n - 1) * 16;
        }
        const __m512i t = TIER(byrow_k4_scales)(TIER(byrow_four)(w));
        _mm512_store_si512((void *)scales, t);
        _mm_storeu_si128((__m128i *)(void *)(dot + BYROW_GROUPS / 2), TIER(byrow_k4_low)(t, sum));
    }
    SK_ROLL
    for (size_t j = 0; j < n; j++, p += size) {
        const uint8_t *code = x->code + j * SK_UNIT;
        if (dtype == SK_Q6_K) {
            s[j] = TIER(byrow_q6_k_unit)(p, code, x->sum + j * 32);
            d[2 * j] = sk_le16(p + 208);
            continue;
        }
        s[j] = dtype == SK_Q5_K ? TIER(byrow_k4_unit)(p + 48, p + 16, code, scales + 16 * j)
                                : TIER(byrow_k4_unit)(p + 16, NULL, code, scales + 16 * j);
        memcpy(d + 2 * j, p, 4);
    }
    _mm_storeu_si128((__m128i *)(void *)dot, TIER(byrow_fold)(TIER(byrow_sums)(s)));
}

/* ---- Rows --------------------------------------------------------------------------------------
 */

/* Bytes of a step of four units or one, and those of them that it asks for. */
SK_INLINE size_t TIER(byrow_step)(const TIER(layout) * layout)
{
    return layout->group == 256 ? 4 * layout->size : layout->size;
}

SK_INLINE size_t TIER(byrow_asked)(const TIER(layout) * layout)
{
    const size_t size = TIER(byrow_step)(layout);
    return layout->group == 256 ? size : size / 64 * 64;
}

/* n groups of a row of groups of 256. */
SK_INLINE void TIER(byrow_row_256)(int dtype, const uint8_t *p, TIER(byrow_column) x, size_t n,
                                   uintptr_t ahead, uint32_t *sum, uint16_t *d)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    SK_ROLL
    for (size_t g = 0; g < n; g += 4) {
        const size_t left = n - g < 4 ? n - g : 4;
        TIER(fetch)(ahead, left * layout.size);
        TIER(byrow_256)(dtype, p, &x, left, sum + g, d + 2 * g);
        p += 4 * layout.size;
        ahead += 4 * layout.size;
        x.code += 4 * SK_UNIT;
        x.sum += 4 * (dtype == SK_Q6_K ? 32 : 16);
    }
}

/* n groups of a row of groups of 32. */
SK_INLINE void TIER(byrow_row_32)(int dtype, const uint8_t *p, TIER(byrow_column) x, size_t n,
                                  uintptr_t ahead, uint32_t *sum, uint16_t *d)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    ahead = (ahead + 63) / 64 * 64;
    SK_ROLL
    for (size_t g = 0; g < n; g += 8) {
        TIER(fetch)(ahead, TIER(byrow_asked)(&layout));
        TIER(byrow_32)(dtype, p, x.code, sum + g);
        SK_UNROLL
        for (size_t k = 0; k < 8; k++) /* one by one: compilers would make vectors of them */
            *(volatile uint16_t *)(d + g + k) = sk_le16(p + k * layout.size / 8);
        p += layout.size;
        ahead += TIER(byrow_asked)(&layout);
        x.code += SK_UNIT;
    }
}

/* The float steps of n groups of sixteen rows. */
SK_INLINE vf TIER(byrow_end_256)(bool min, const TIER(byrow) * b, const uint8_t *x_d, size_t n,
                                 vf a)
{
    const size_t size = sizeof b->sum[0];
    SK_ROLL
    for (size_t g = 0; g < n; g += 4) {
        vi s[4], d[4], low[4];
        vi_lines((const uint8_t *)&b->sum[0][g], size, s);
        vi_lines((const uint8_t *)&b->d[0][2 * g], size / 2, d);
        if (min)
            vi_lines((const uint8_t *)&b->sum[0][BYROW_GROUPS / 2 + g], size, low);
        SK_UNROLL
        for (size_t j = 0; j < 4; j++) {
            if (g + j >= n)
                break;
            const vf x = vf_four(x_d + 4 * (g + j));
            a = vf_fma(vf_of(s[j]), vf_half(d[j]) * x, a);
            if (min)
                a = vf_fma(vf_of(low[j]), -(vf_half(vi_shr(d[j], 16)) * x), a);
        }
    }
    return a;
}

/* The same, less the bias; asks for `each` bytes at each turn. */
SK_INLINE vf TIER(byrow_end_32)(int bias, const TIER(byrow) * b, TIER(byrow_column) x, size_t n,
                                vf a, uintptr_t ahead, size_t each)
{
    const size_t size = sizeof b->sum[0];
    SK_ROLL
    for (size_t g = 0; g < n; g += 8, ahead += each, x.d += 32, x.sum += 16) {
        vi s[8], d[4];
        TIER(fetch)(ahead, each);
        vi_lines((const uint8_t *)&b->sum[0][g], size, s);
        vi_lines((const uint8_t *)&b->sum[0][g + 4], size, s + 4);
        vi_lines((const uint8_t *)&b->d[0][g], size / 2, d);
        SK_UNROLL
        for (size_t j = 0; j < 8; j++) {
            const vi less = vi_madd(vi_four(x.sum + j / 2 * 4), TIER(one_of_two)(-bias, j % 2));
            const vi half = j % 2 ? vi_shr(d[j / 2], 16) : d[j / 2];
            a = vf_fma(vf_of(s[j % 2 * 4 + j / 2] + less), vf_half(half) * vf_four(x.d + 4 * j), a);
        }
    }
    return a;
}

/* n groups, at most as many as there is room for, of sixteen rows at w. */
SK_INLINE vf TIER(byrow_part)(int dtype, const uint8_t *w, size_t row_size, TIER(byrow_column) x,
                              size_t n, vf a)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    const size_t less = TIER(byrow_step)(&layout) - TIER(byrow_asked)(&layout);
    uintptr_t ahead = (uintptr_t)w + BYROW_AHEAD;
    TIER(byrow) b;
    SK_ROLL
    for (size_t i = 0; i < LANES; i++, w += row_size, ahead += row_size) {
        const uintptr_t more = (LANES - i) * (n / 8) * less;
        if (layout.group == 256)
            TIER(byrow_row_256)(dtype, w, x, n, ahead, b.sum[i], b.d[i]);
        else
            TIER(byrow_row_32)(dtype, w, x, n, ahead + more, b.sum[i], b.d[i]);
    }
    return layout.group == 256 ? TIER(byrow_end_256)(layout.min, &b, x.d, n, a)
                               : TIER(byrow_end_32)(layout.bias, &b, x, n, a, ahead, LANES * less);
}

/* Whole units of sixteen rows at w, `kind` moving on with them. */
SK_INLINE void TIER(byrow_rows)(int dtype, TIER(panel_kind) * kind, const uint8_t *w,
                                size_t row_size, const uint8_t *x, int64_t n_unit, float *acc)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    const int64_t in_unit = SK_UNIT / layout.group;
    const int64_t most = BYROW_GROUPS / (layout.group == 256 ? 2 : 8); /* units */
    vf a = {0};
    SK_ROLL
    for (; n_unit > 0; n_unit -= most) {
        const int64_t n = n_unit < most ? n_unit : most;
        const TIER(byrow_column) y = {x + kind->code, x + kind->sum, x + kind->d};
        a = TIER(byrow_part)(dtype, w, row_size, y, (size_t)(n * in_unit), a);
        w += (size_t)n * layout.size;
        kind->code += (size_t)n * SK_UNIT;
        kind->d += (size_t)(n * in_unit) * 4;
        kind->sum += (size_t)n * (dtype == SK_Q6_K ? 32 : 16);
    }
    vf_store(acc, a);
}

#undef X_LOAD
#undef Y_LOAD
#undef Z_LOAD
#undef Z_WORDS
#undef BYROW_GROUPS
#undef BYROW_AHEAD
