/* SPDX-License-Identifier: MIT */
/*
 * Unpacking sixteen rows at once, a row in each 32-bit lane: for the types that models are mostly
 * made of, in place of decoding row by row. A template like the others, for 64-byte registers.
 *
 * Sixteen bytes of each of the rows (`lines`) become four registers that hold four bytes of every
 * row, which is the layout that the dot product wants, only not unpacked yet. Everything after it
 * is the same for all rows: masks and shifts for codes, scales and minimums alike. So a type is
 *
 *   head   its scales: float scales, and for group 256 the integer ones, of a panel (panel_impl.h)
 *   part   64 of its 256 weights, part i of 4, as unsigned bytes: value + bias. out[4 s] to
 *          out[4 s + 3] are the sub-block of 16 weights that part_at names
 *
 * `dtype` is a constant wherever these are inlined. Layouts: see the decoders (decode_impl.h). No
 * byte past a row's unit is read.
 */

/* The types that are unpacked here. */
#define UNPACK_TYPES(X) \
    X(SK_Q4_0, q4_0) \
    X(SK_Q4_1, q4_1) \
    X(SK_Q5_0, q5_0) \
    X(SK_Q5_1, q5_1) \
    X(SK_Q8_0, q8_0) \
    X(SK_IQ4_NL, iq4_nl) \
    X(SK_MXFP4, mxfp4) \
    X(SK_Q2_K, q2_k) \
    X(SK_Q3_K, q3_k) \
    X(SK_Q4_K, q4_k) \
    X(SK_Q5_K, q5_k) \
    X(SK_Q6_K, q6_k) \
    X(SK_IQ4_XS, iq4_xs)

SK_INLINE bool TIER(is_256)(int dtype)
{
    return dtype == SK_Q2_K || dtype == SK_Q3_K || dtype == SK_Q4_K || dtype == SK_Q5_K ||
           dtype == SK_Q6_K || dtype == SK_IQ4_XS;
}

/* What is added to a value to make it an unsigned byte. */
SK_INLINE int TIER(unpack_bias)(int dtype)
{
    switch (dtype) {
    case SK_Q4_0:
        return 8;
    case SK_Q5_0:
    case SK_MXFP4:
        return 16;
    case SK_Q3_K:
        return 4;
    case SK_Q6_K:
        return 32;
    case SK_Q8_0:
    case SK_IQ4_NL:
    case SK_IQ4_XS:
        return 128;
    default:
        return 0;
    }
}

/* ---- Bytes of sixteen rows ---------------------------------------------------------------------
 */

/* w[j], lane r: bytes 4j to 4j + 3 at p of row r. */
SK_INLINE void TIER(lines)(const uint8_t *p, size_t row_size, __m512i *w)
{
    const uint8_t *p4 = p + 4 * row_size, *p8 = p + 8 * row_size, *p12 = p8 + 4 * row_size;
    __m512i x[4];
    PANEL_UNROLL
    for (size_t i = 0; i < 4; i++) { /* rows i, 4 + i, 8 + i, 12 + i */
        const size_t at = i * row_size;
#define ROW(q) _mm_loadu_si128((const __m128i *)(const void *)((q) + at))
        x[i] = _mm512_broadcast_i32x4(ROW(p));
        x[i] = _mm512_mask_broadcast_i32x4(x[i], 0x00f0, ROW(p4));
        x[i] = _mm512_mask_broadcast_i32x4(x[i], 0x0f00, ROW(p8));
        x[i] = _mm512_mask_broadcast_i32x4(x[i], 0xf000, ROW(p12));
#undef ROW
    }
    const __m512i a = _mm512_unpacklo_epi32(x[0], x[1]), b = _mm512_unpacklo_epi32(x[2], x[3]);
    const __m512i c = _mm512_unpackhi_epi32(x[0], x[1]), d = _mm512_unpackhi_epi32(x[2], x[3]);
    w[0] = _mm512_unpacklo_epi64(a, b);
    w[1] = _mm512_unpackhi_epi64(a, b);
    w[2] = _mm512_unpacklo_epi64(c, d);
    w[3] = _mm512_unpackhi_epi64(c, d);
}

/* The four bytes at p of each row, and the half-precision number there. */
SK_INLINE __m512i TIER(row_words)(const uint8_t *p, size_t row_size)
{
    _Alignas(64) uint32_t x[16];
    for (size_t r = 0; r < 16; r++)
        memcpy(&x[r], p + r * row_size, sizeof x[r]);
    return TIER(load_i)(x);
}

SK_INLINE __m512 TIER(row_halves)(const uint8_t *p, size_t row_size)
{
    _Alignas(32) uint16_t x[16];
    for (size_t r = 0; r < 16; r++)
        memcpy(&x[r], p + r * row_size, sizeof x[r]);
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)x));
}

/* The half in the low 16 bits of each lane. */
SK_INLINE __m512 TIER(low_half)(__m512i x)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(x));
}

/* (x >> n) & mask in each byte; no bit that the mask keeps may come from a neighbour. */
SK_INLINE __m512i TIER(bits)(__m512i x, unsigned n, int mask)
{
    return _mm512_and_si512(_mm512_srli_epi32(x, n), _mm512_set1_epi8((char)mask));
}

/* (x >> n & mask) << up, in each byte. */
SK_INLINE __m512i TIER(bits_up)(__m512i x, unsigned n, int mask, unsigned up)
{
    return n >= up ? TIER(bits)(x, n - up, mask << up)
                   : _mm512_and_si512(_mm512_slli_epi32(x, up - n), _mm512_set1_epi8((char)(mask << up)));
}

/* Codes of 4 bits to the bytes of a table, with the bias added. */
SK_INLINE __m512i TIER(look_up_16)(const int8_t *table, int bias, __m512i code)
{
    const __m128i t = _mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)table),
                                   _mm_set1_epi8((char)bias));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), code);
}

/* ---- Heads -------------------------------------------------------------------------------------
 */

/* Sub-scale k of each row, and what the bias adds to the sum: times `pair`. */
SK_INLINE void TIER(head_scale)(TIER(panel) * p, int k, __m512i scale)
{
    TIER(store_i)(p->scale[k], scale);
}

/* Two int16 that meet the sums of sub-blocks 2k and 2k + 1. */
SK_INLINE void TIER(head_pair)(TIER(panel) * p, int k, __m512i even, __m512i odd)
{
    TIER(store_i)(p->pair[k], _mm512_mask_mov_epi16(_mm512_slli_epi32(odd, 16), 0x55555555, even));
}

SK_INLINE __m512i TIER(byte_of)(__m512i x, unsigned k)
{
    return _mm512_and_si512(_mm512_srli_epi32(x, 8 * k), _mm512_set1_epi32(255));
}

/* Q4_K and Q5_K: d, dmin, 12 bytes of 6-bit scales and minimums, first four and last four. */
SK_INLINE void TIER(head_k4)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    __m512i x[4];
    TIER(lines)(w, row_size, x);
    _mm512_storeu_ps(p->d[0], TIER(low_half)(x[0]));
    _mm512_storeu_ps(p->m[0], TIER(low_half)(_mm512_srli_epi32(x[0], 16)));
    const __m512i scale[2] = {TIER(bits)(x[1], 0, 63),
                              _mm512_or_si512(TIER(bits)(x[3], 0, 15), TIER(bits)(x[1], 2, 48))};
    const __m512i min[2] = {TIER(bits)(x[2], 0, 63),
                            _mm512_or_si512(TIER(bits)(x[3], 4, 15), TIER(bits)(x[2], 2, 48))};
    PANEL_UNROLL
    for (unsigned k = 0; k < 8; k++) {
        const __m512i m = TIER(byte_of)(min[k / 4], k % 4);
        TIER(head_scale)(p, (int)(2 * k), TIER(byte_of)(scale[k / 4], k % 4));
        TIER(head_pair)(p, (int)k, m, m);
    }
}

/* Sixteen sub-scales, bytes of x less `offset`, and the bias times them. */
SK_INLINE void TIER(head_16)(TIER(panel) * p, const __m512i *x, int offset, unsigned bias_bits)
{
    PANEL_UNROLL
    for (int k = 0; k < 8; k++) {
        __m512i s[2];
        PANEL_UNROLL
        for (int i = 0; i < 2; i++) {
            const unsigned left = 24 - 8 * (unsigned)(2 * k % 4 + i);
            s[i] = _mm512_srai_epi32(_mm512_slli_epi32(x[k / 2], left), 24);
            s[i] = _mm512_sub_epi32(s[i], _mm512_set1_epi32(offset));
            TIER(head_scale)(p, 2 * k + i, s[i]);
        }
        TIER(head_pair)
        (p, k, _mm512_slli_epi32(s[0], bias_bits), _mm512_slli_epi32(s[1], bias_bits));
    }
}

SK_INLINE void TIER(head_q6_k)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    __m512i x[4];
    TIER(lines)(w + 192, row_size, x);
    TIER(head_16)(p, x, 0, 5);
    _mm512_storeu_ps(p->d[0], TIER(row_halves)(w + 208, row_size));
}

/* 12 bytes of scales and d are the last 14 of the block. */
SK_INLINE void TIER(head_q3_k)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    __m512i x[4], s[4], b[3];
    TIER(lines)(w + 94, row_size, x);
    _mm512_storeu_ps(p->d[0], TIER(low_half)(_mm512_srli_epi32(x[3], 16)));
    PANEL_UNROLL
    for (int i = 0; i < 3; i++)
        b[i] = _mm512_or_si512(_mm512_srli_epi32(x[i], 16), _mm512_slli_epi32(x[i + 1], 16));
    PANEL_UNROLL
    for (unsigned i = 0; i < 4; i++)
        s[i] = _mm512_or_si512(TIER(bits)(b[i % 2], i / 2 * 4, 15), TIER(bits_up)(b[2], 2 * i, 3, 4));
    TIER(head_16)(p, s, 32, 2);
}

SK_INLINE void TIER(head_q2_k)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    __m512i x[4];
    TIER(lines)(w, row_size, x);
    PANEL_UNROLL
    for (unsigned k = 0; k < 8; k++) {
        const __m512i s = TIER(bits)(x[k / 2], 0, 15), m = TIER(bits)(x[k / 2], 4, 15);
        const unsigned at = 2 * k % 4;
        TIER(head_scale)(p, (int)(2 * k), TIER(byte_of)(s, at));
        TIER(head_scale)(p, (int)(2 * k + 1), TIER(byte_of)(s, at + 1));
        TIER(head_pair)(p, (int)k, TIER(byte_of)(m, at), TIER(byte_of)(m, at + 1));
    }
    const __m512i d = TIER(row_words)(w + 80, row_size);
    _mm512_storeu_ps(p->d[0], TIER(low_half)(d));
    _mm512_storeu_ps(p->m[0], TIER(low_half)(_mm512_srli_epi32(d, 16)));
}

SK_INLINE void TIER(head_iq4_xs)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    __m512i x[4];
    TIER(lines)(w, row_size, x);
    _mm512_storeu_ps(p->d[0], TIER(low_half)(x[0]));
    PANEL_UNROLL
    for (unsigned k = 0; k < 8; k++) {
        const __m512i low = _mm512_and_si512(_mm512_srli_epi32(x[1], 4 * k), _mm512_set1_epi32(15));
        const __m512i high =
            _mm512_and_si512(_mm512_srli_epi32(x[0], 16 + 2 * k), _mm512_set1_epi32(3));
        const __m512i s = _mm512_sub_epi32(_mm512_or_si512(low, _mm512_slli_epi32(high, 4)),
                                           _mm512_set1_epi32(32));
        const __m512i fix = _mm512_slli_epi32(s, 7);
        TIER(head_scale)(p, (int)(2 * k), s);
        TIER(head_pair)(p, (int)k, fix, fix);
    }
}

/* The types with groups of 32: eight blocks of `size` bytes that begin with d, and then m. */
SK_INLINE void TIER(head_32)(TIER(panel) * p, int dtype, const uint8_t *w, size_t row_size, size_t size)
{
    for (size_t g = 0; g < 8; g++) {
        if (dtype == SK_Q4_1 || dtype == SK_Q5_1) {
            const __m512i x = TIER(row_words)(w + g * size, row_size);
            _mm512_storeu_ps(p->d[g], TIER(low_half)(x));
            _mm512_storeu_ps(p->m[g], TIER(low_half)(_mm512_srli_epi32(x, 16)));
        } else {
            _mm512_storeu_ps(p->d[g], TIER(row_halves)(w + g * size, row_size));
        }
    }
}

/* 2^(e - 128): subnormal for e below 2. */
SK_INLINE void TIER(head_mxfp4)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    for (size_t g = 0; g < 8; g++)
        for (size_t r = 0; r < 16; r++) {
            const uint32_t e = w[17 * g + r * row_size];
            p->d[g][r] = sk_f32_from_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
        }
}

SK_INLINE void TIER(unpack_head)(int dtype, TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    switch (dtype) {
    case SK_Q4_K:
    case SK_Q5_K:
        TIER(head_k4)(p, w, row_size);
        break;
    case SK_Q6_K:
        TIER(head_q6_k)(p, w, row_size);
        break;
    case SK_Q3_K:
        TIER(head_q3_k)(p, w, row_size);
        break;
    case SK_Q2_K:
        TIER(head_q2_k)(p, w, row_size);
        break;
    case SK_IQ4_XS:
        TIER(head_iq4_xs)(p, w, row_size);
        break;
    case SK_MXFP4:
        TIER(head_mxfp4)(p, w, row_size);
        break;
    case SK_Q8_0:
        TIER(head_32)(p, dtype, w, row_size, 34);
        break;
    case SK_Q4_1:
        TIER(head_32)(p, dtype, w, row_size, 20);
        break;
    case SK_Q5_0:
        TIER(head_32)(p, dtype, w, row_size, 22);
        break;
    case SK_Q5_1:
        TIER(head_32)(p, dtype, w, row_size, 24);
        break;
    default: /* Q4_0, IQ4_NL */
        TIER(head_32)(p, dtype, w, row_size, 18);
    }
}

/* ---- Parts -------------------------------------------------------------------------------------
 */

/* The sub-block, of 16 weights, whose four registers are s of part i. */
SK_INLINE int TIER(part_at)(int dtype, int i, int s)
{
    const bool strided = dtype == SK_Q6_K || dtype == SK_Q3_K || dtype == SK_Q2_K;
    return strided ? i / 2 * 8 + 2 * s + i % 2 : 4 * i + s;
}

/* 32 weights of 16 bytes: the low nibbles come first. */
SK_INLINE void TIER(part_nibbles)(const uint8_t *p, size_t row_size, __m512i *out)
{
    __m512i x[4];
    TIER(lines)(p, row_size, x);
    PANEL_UNROLL
    for (int j = 0; j < 4; j++) {
        out[j] = TIER(bits)(x[j], 0, 15);
        out[4 + j] = TIER(bits)(x[j], 4, 15);
    }
}

SK_INLINE void TIER(part_table)(const uint8_t *p, size_t row_size, const int8_t *table, int bias,
                                __m512i *out)
{
    TIER(part_nibbles)(p, row_size, out);
    PANEL_UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = TIER(look_up_16)(table, bias, out[j]);
}

/* And a fifth bit each, of the 32 at `high`. */
SK_INLINE void TIER(part_fives)(const uint8_t *p, const uint8_t *high, size_t row_size, __m512i *out)
{
    const __m512i h = TIER(row_words)(high, row_size);
    const __m512i bit[2] = {_mm512_set1_epi32(0x08040201), _mm512_set1_epi32((int)0x80402010u)};
    const __m512i lane = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    TIER(part_nibbles)(p, row_size, out);
    PANEL_UNROLL
    for (int j = 0; j < 8; j++) {
        const __m512i at = _mm512_add_epi8(lane, _mm512_set1_epi8((char)(j / 2)));
        const __mmask64 set = _mm512_test_epi8_mask(_mm512_shuffle_epi8(h, at), bit[j % 2]);
        out[j] = _mm512_mask_add_epi8(out[j], set, out[j], _mm512_set1_epi8(16));
    }
}

/* Q4_K and, with a fifth bit, Q5_K: the low nibbles of 32 bytes, then the high ones. */
SK_INLINE void TIER(part_k4)(const uint8_t *qs, const uint8_t *qh, size_t row_size, unsigned i,
                             __m512i *out)
{
    PANEL_UNROLL
    for (unsigned v = 0; v < 2; v++) {
        __m512i x[4], h[4];
        TIER(lines)(qs + 32 * i + 16 * v, row_size, x);
        PANEL_UNROLL
        for (int j = 0; j < 4; j++) {
            out[4 * v + (unsigned)j] = TIER(bits)(x[j], 0, 15);
            out[8 + 4 * v + (unsigned)j] = TIER(bits)(x[j], 4, 15);
        }
        if (!qh)
            continue;
        TIER(lines)(qh + 16 * v, row_size, h);
        PANEL_UNROLL
        for (unsigned j = 0; j < 4; j++)
            PANEL_UNROLL
            for (unsigned half = 0; half < 2; half++) {
                __m512i *o = &out[8 * half + 4 * v + j];
                *o = _mm512_or_si512(*o, TIER(bits_up)(h[j], 2 * i + half, 1, 4));
            }
    }
}

SK_INLINE void TIER(part_q6_k)(const uint8_t *w, size_t row_size, unsigned i, __m512i *out)
{
    const uint8_t *ql = w + 64 * (i / 2) + 16 * (i % 2);
    __m512i a[4], b[4], h[4];
    TIER(lines)(ql, row_size, a);
    TIER(lines)(ql + 32, row_size, b);
    TIER(lines)(w + 128 + 16 * i, row_size, h);
    PANEL_UNROLL
    for (unsigned j = 0; j < 4; j++) {
        out[j] = _mm512_or_si512(TIER(bits)(a[j], 0, 15), TIER(bits_up)(h[j], 0, 3, 4));
        out[4 + j] = _mm512_or_si512(TIER(bits)(b[j], 0, 15), TIER(bits_up)(h[j], 2, 3, 4));
        out[8 + j] = _mm512_or_si512(TIER(bits)(a[j], 4, 15), TIER(bits_up)(h[j], 4, 3, 4));
        out[12 + j] = _mm512_or_si512(TIER(bits)(b[j], 4, 15), TIER(bits_up)(h[j], 6, 3, 4));
    }
}

/* Q2_K and, with a third bit, Q3_K. */
SK_INLINE void TIER(part_crumbs)(const uint8_t *qs, const uint8_t *high, size_t row_size, unsigned i,
                                 __m512i *out)
{
    __m512i x[4], h[4];
    TIER(lines)(qs + 16 * i, row_size, x);
    if (high)
        TIER(lines)(high + 16 * (i % 2), row_size, h);
    PANEL_UNROLL
    for (unsigned s = 0; s < 4; s++)
        PANEL_UNROLL
        for (unsigned j = 0; j < 4; j++) {
            out[4 * s + j] = TIER(bits)(x[j], 2 * s, 3);
            if (high)
                out[4 * s + j] =
                    _mm512_or_si512(out[4 * s + j], TIER(bits_up)(h[j], i / 2 * 4 + s, 1, 2));
        }
}

SK_INLINE void TIER(part_q8_0)(const uint8_t *p, size_t row_size, __m512i *out)
{
    PANEL_UNROLL
    for (int v = 0; v < 2; v++) {
        TIER(lines)(p + 16 * v, row_size, out + 4 * v);
        for (int j = 4 * v; j < 4 * v + 4; j++)
            out[j] = _mm512_xor_si512(out[j], _mm512_set1_epi8((char)128));
    }
}

/* Block g of a unit, of a type with groups of 32: 8 registers. */
SK_INLINE void TIER(part_32)(int dtype, const uint8_t *w, size_t row_size, size_t g, __m512i *out)
{
    const int bias = TIER(unpack_bias)(dtype);
    switch (dtype) {
    case SK_Q8_0:
        TIER(part_q8_0)(w + 34 * g + 2, row_size, out);
        break;
    case SK_Q4_0:
        TIER(part_nibbles)(w + 18 * g + 2, row_size, out);
        break;
    case SK_Q4_1:
        TIER(part_nibbles)(w + 20 * g + 4, row_size, out);
        break;
    case SK_Q5_0:
        TIER(part_fives)(w + 22 * g + 6, w + 22 * g + 2, row_size, out);
        break;
    case SK_Q5_1:
        TIER(part_fives)(w + 24 * g + 8, w + 24 * g + 4, row_size, out);
        break;
    case SK_IQ4_NL:
        TIER(part_table)(w + 18 * g + 2, row_size, TIER(iq4_values), bias, out);
        break;
    case SK_MXFP4:
        TIER(part_table)(w + 17 * g + 1, row_size, TIER(fp4_values), bias, out);
        break;
    default: /* IQ4_XS has blocks of 32 codes too */
        TIER(part_table)(w + 8 + 16 * g, row_size, TIER(iq4_values), bias, out);
    }
}

/* Part i of 4. */
SK_INLINE void TIER(unpack_part)(int dtype, const uint8_t *w, size_t row_size, unsigned i, __m512i *out)
{
    switch (dtype) {
    case SK_Q4_K:
        TIER(part_k4)(w + 16, NULL, row_size, i, out);
        break;
    case SK_Q5_K:
        TIER(part_k4)(w + 48, w + 16, row_size, i, out);
        break;
    case SK_Q6_K:
        TIER(part_q6_k)(w, row_size, i, out);
        break;
    case SK_Q3_K:
        TIER(part_crumbs)(w + 32, w, row_size, i, out);
        break;
    case SK_Q2_K:
        TIER(part_crumbs)(w + 16, NULL, row_size, i, out);
        break;
    default:
        TIER(part_32)(dtype, w, row_size, 2 * i, out);
        TIER(part_32)(dtype, w, row_size, 2 * i + 1, out + 8);
    }
}

/* A unit of sixteen rows. */
SK_INLINE void TIER(unpack_unit)(int dtype, TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    p->bias = TIER(unpack_bias)(dtype);
    TIER(unpack_head)(dtype, p, w, row_size);
    PANEL_UNROLL
    for (unsigned i = 0; i < 4; i++) {
        __m512i out[16];
        TIER(unpack_part)(dtype, w, row_size, i, out);
        PANEL_UNROLL
        for (int s = 0; s < 4; s++)
            PANEL_UNROLL
            for (int j = 0; j < 4; j++)
                TIER(store_i)(p->q[4 * TIER(part_at)(dtype, (int)i, s) + j], out[4 * s + j]);
    }
}

#define X(type, name) \
    static void TIER(unpack_##name)(TIER(panel) * p, const uint8_t *w, size_t row_size) \
    { \
        TIER(unpack_unit)(type, p, w, row_size); \
    }
UNPACK_TYPES(X)
#undef X

/* Unpacks a unit of 256 weights; false where the type has no unpacker. */
static bool TIER(unpack)(int dtype, TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    switch (dtype) {
#define X(type, name) \
    case type: \
        TIER(unpack_##name)(p, w, row_size); \
        return true;
        UNPACK_TYPES(X)
#undef X
    default:
        return false;
    }
}
