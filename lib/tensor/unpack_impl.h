/* SPDX-License-Identifier: MIT */
/*
 * Unpacking a panel of rows at once, a row in each 32-bit lane: for the types that models are
 * mostly made of, in place of decoding row by row. A template like the others, in the vocabulary of
 * lanes_impl.h.
 *
 * Sixteen bytes of each of the rows (`vi_lines`) become four registers that hold four bytes of
 * every row, which is the layout that the dot product wants, only not unpacked yet. Everything
 * after it is the same for all rows: masks and shifts for codes, scales and minimums alike. So a
 * type is
 *
 *   layout its size and the range of its bytes
 *   head   its scales: float scales, and for group 256 the integer ones, of a panel (panel_impl.h)
 *   part   64 of its 256 weights, part i of 4, as bytes: value + bias. out[4 s] to out[4 s + 3] are
 *          the sub-block of 16 weights that part_at names
 *
 * `dtype` is a constant wherever these are inlined. Layouts in the file: see the decoders
 * (decode.c). No byte past a row's unit is read.
 */

/* The types that are unpacked here; the first of them in registers too (fused_impl.h). */
#define FUSED_TYPES(X) \
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

#define UNPACK_TYPES(X) \
    FUSED_TYPES(X) \
    X(SK_Q1_0, q1_0) \
    X(SK_Q2_0, q2_0) \
    X(SK_NVFP4, nvfp4) \
    X(SK_TQ1_0, tq1_0) \
    X(SK_TQ2_0, tq2_0)

typedef struct TIER(layout) {
    size_t size;    /* bytes of 256 weights */
    int group, sub; /* weights that share a float scale, an integer scale */
    bool min;
    int bias, most; /* what is added to a value to make it a byte, and the largest byte */
} TIER(layout);

SK_INLINE TIER(layout) TIER(layout_of)(int dtype)
{
    switch (dtype) {
    case SK_Q4_0:
        return (TIER(layout)){144, 32, 32, false, 8, 15};
    case SK_Q4_1:
        return (TIER(layout)){160, 32, 32, true, 0, 15};
    case SK_Q5_0:
        return (TIER(layout)){176, 32, 32, false, 16, 31};
    case SK_Q5_1:
        return (TIER(layout)){192, 32, 32, true, 0, 31};
    case SK_Q8_0:
        return (TIER(layout)){272, 32, 32, false, LANES_BIAS, 255};
    case SK_IQ4_NL:
        return (TIER(layout)){144, 32, 32, false, LANES_BIAS, 255};
    case SK_MXFP4:
        return (TIER(layout)){136, 32, 32, false, 16, 28};
    case SK_Q1_0:
        return (TIER(layout)){36, 32, 32, false, 1, 2};
    case SK_Q2_0:
        return (TIER(layout)){72, 32, 32, false, 1, 3};
    case SK_NVFP4:
        return (TIER(layout)){144, 16, 16, false, LANES_BIAS, 255};
    case SK_TQ1_0:
        return (TIER(layout)){54, 256, 32, false, 1, 2};
    case SK_TQ2_0:
        return (TIER(layout)){66, 256, 32, false, 1, 3};
    case SK_Q2_K:
        return (TIER(layout)){84, 256, 16, true, 0, 3};
    case SK_Q3_K:
        return (TIER(layout)){110, 256, 16, false, 4, 7};
    case SK_Q4_K:
        return (TIER(layout)){144, 256, 32, true, 0, 15};
    case SK_Q5_K:
        return (TIER(layout)){176, 256, 32, true, 0, 31};
    case SK_Q6_K:
        return (TIER(layout)){210, 256, 16, false, 32, 63};
    default: /* SK_IQ4_XS */
        return (TIER(layout)){136, 256, 32, false, LANES_BIAS, 255};
    }
}

/* How many registers of bytes up to `most`, times codes, are added up in pairs of int16:
 * 2 * room * most * 127 < 2^15. Bytes with a sign, at most 128 without it, only by themselves. */
SK_INLINE int TIER(room_of)(int most)
{
    return most <= 15 ? 8 : most <= 31 ? 4 : most <= 63 ? 2 : 1;
}

/* ---- Bytes of all rows -------------------------------------------------------------------------
 */

/* Of each row: the four bytes at p, the half-precision number there, the byte there. */
SK_INLINE vi TIER(row_words)(const uint8_t *p, size_t row_size)
{
    _Alignas(4 * LANES) uint32_t x[LANES];
    SK_UNROLL
    for (size_t r = 0; r < LANES; r++)
        memcpy(&x[r], p + r * row_size, sizeof x[r]);
    return vi_load(x);
}

SK_INLINE vf TIER(row_halves)(const uint8_t *p, size_t row_size)
{
    _Alignas(4 * LANES) uint32_t x[LANES];
    SK_UNROLL
    for (size_t r = 0; r < LANES; r++)
        x[r] = sk_le16(p + r * row_size);
    return vf_half(vi_load(x));
}

SK_INLINE vi TIER(row_bytes)(const uint8_t *p, size_t row_size)
{
    _Alignas(4 * LANES) uint32_t x[LANES];
    SK_UNROLL
    for (size_t r = 0; r < LANES; r++)
        x[r] = p[r * row_size];
    return vi_load(x);
}

/* The same as functions, for the types without a fused product, whose unpacking a call does not
 * hold up: inlined they would take some ten kilobytes. */
static SK_APART vi TIER(far_words)(const uint8_t *p, size_t row_size)
{
    return TIER(row_words)(p, row_size);
}

static SK_APART vi TIER(far_bytes)(const uint8_t *p, size_t row_size)
{
    return TIER(row_bytes)(p, row_size);
}

static SK_APART vf TIER(far_halves)(const uint8_t *p, size_t row_size)
{
    return TIER(row_halves)(p, row_size);
}

static SK_APART void TIER(far_lines)(const uint8_t *p, size_t row_size, vi *w)
{
    vi_lines(p, row_size, w);
}

/* (x >> n) & mask in each byte; no bit that the mask keeps may come from a neighbour. */
SK_INLINE vi TIER(bits)(vi x, unsigned n, int mask)
{
    return vi_shr(x, n) & vi_bytes(mask);
}

/* (x >> n & mask) << up, in each byte. */
SK_INLINE vi TIER(bits_up)(vi x, unsigned n, int mask, unsigned up)
{
    return (n >= up ? vi_shr(x, n - up) : vi_shl(x, up - n)) & vi_bytes(mask << up);
}

SK_INLINE vi TIER(byte_of)(vi x, unsigned k)
{
    return vi_shr(x, 8 * k) & vi_splat(255);
}

/* ---- Heads -------------------------------------------------------------------------------------
 *
 * Functions, called once for a unit of all rows, where a panel and a fused product share them.
 */

/* The factor of sub-block k of each row; of k and k + 1 where 32 weights share one. */
SK_INLINE void TIER(head_scale)(TIER(panel) * p, unsigned k, vi scale, bool both)
{
    vi_store(p->scale[k], vi_factor(scale));
    if (LANES_NARROW && both) /* sums are shorter there */
        vi_store(p->scale[k + 1], vi_factor(scale));
}

/* Two int16 that meet the sums of sub-blocks 2k and 2k + 1, of 16 weights or 32. */
SK_INLINE void TIER(head_pair)(TIER(panel) * p, unsigned k, vi even, vi odd)
{
    vi_store(p->pair[k], vi_pair(even, odd));
}

/* Q4_K and Q5_K: d, dmin, 12 bytes of 6-bit scales and minimums, first four and last four. */
static SK_APART void TIER(head_k4)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    vi x[4];
    vi_lines(w, row_size, x);
    vf_store(p->d[0], vf_half(x[0]));
    vf_store(p->m[0], vf_half(vi_shr(x[0], 16)));
    const vi scale[2] = {TIER(bits)(x[1], 0, 63),
                         TIER(bits)(x[3], 0, 15) | TIER(bits)(x[1], 2, 48)};
    const vi min[2] = {TIER(bits)(x[2], 0, 63), TIER(bits)(x[3], 4, 15) | TIER(bits)(x[2], 2, 48)};
    SK_UNROLL
    for (unsigned k = 0; k < 8; k++) {
        TIER(head_scale)(p, 2 * k, TIER(byte_of)(scale[k / 4], k % 4), true);
        if (k % 2 == 0)
            TIER(head_pair)
        (p, k / 2, TIER(byte_of)(min[k / 4], k % 4), TIER(byte_of)(min[k / 4], k % 4 + 1));
    }
}

/* Sixteen sub-scales, bytes of x less `offset`, and the bias times them. */
SK_INLINE void TIER(head_16)(TIER(panel) * p, const vi *x, uint32_t offset, unsigned bias_bits)
{
    SK_UNROLL
    for (unsigned k = 0; k < 8; k++) {
        vi s[2];
        SK_UNROLL
        for (unsigned i = 0; i < 2; i++) {
            s[i] = vi_sar(vi_shl(x[k / 2], 24 - 8 * (2 * k % 4 + i)), 24) - vi_splat(offset);
            TIER(head_scale)(p, 2 * k + i, s[i], false);
        }
        TIER(head_pair)(p, k, vi_shl(s[0], bias_bits), vi_shl(s[1], bias_bits));
    }
}

static SK_APART void TIER(head_q6_k)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    vi x[4];
    vi_lines(w + 192, row_size, x);
    TIER(head_16)(p, x, 0, 5);
    vf_store(p->d[0], TIER(row_halves)(w + 208, row_size));
}

/* 12 bytes of scales and d are the last 14 of the block. */
static SK_APART void TIER(head_q3_k)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    vi x[4], s[4], b[3];
    vi_lines(w + 94, row_size, x);
    vf_store(p->d[0], vf_half(vi_shr(x[3], 16)));
    SK_UNROLL
    for (int i = 0; i < 3; i++)
        b[i] = vi_shr(x[i], 16) | vi_shl(x[i + 1], 16);
    SK_UNROLL
    for (unsigned i = 0; i < 4; i++)
        s[i] = TIER(bits)(b[i % 2], i / 2 * 4, 15) | TIER(bits_up)(b[2], 2 * i, 3, 4);
    TIER(head_16)(p, s, 32, 2);
}

static SK_APART void TIER(head_q2_k)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    vi x[4];
    vi_lines(w, row_size, x);
    SK_UNROLL
    for (unsigned k = 0; k < 8; k++) {
        const vi s = TIER(bits)(x[k / 2], 0, 15), m = TIER(bits)(x[k / 2], 4, 15);
        const unsigned at = 2 * k % 4;
        TIER(head_scale)(p, 2 * k, TIER(byte_of)(s, at), false);
        TIER(head_scale)(p, 2 * k + 1, TIER(byte_of)(s, at + 1), false);
        TIER(head_pair)(p, k, TIER(byte_of)(m, at), TIER(byte_of)(m, at + 1));
    }
    const vi d = TIER(row_words)(w + 80, row_size);
    vf_store(p->d[0], vf_half(d));
    vf_store(p->m[0], vf_half(vi_shr(d, 16)));
}

static SK_APART void TIER(head_iq4_xs)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    vi x[4];
    vi_lines(w, row_size, x);
    vf_store(p->d[0], vf_half(x[0]));
    vi s[8];
    SK_UNROLL
    for (unsigned k = 0; k < 8; k++) {
        const vi low = vi_shr(x[1], 4 * k) & vi_splat(15);
        const vi high = vi_shr(x[0], 16 + 2 * k) & vi_splat(3);
        s[k] = (low | vi_shl(high, 4)) - vi_splat(32);
        TIER(head_scale)(p, 2 * k, s[k], true);
        if (LANES_BIAS && k % 2)
            TIER(head_pair)(p, k / 2, vi_shl(s[k - 1], 7), vi_shl(s[k], 7));
    }
}

/* The types with groups of 32: eight blocks of `size` bytes that begin with d, and then m. */
static SK_APART void TIER(head_32)(TIER(panel) * p, bool min, const uint8_t *w, size_t row_size,
                                   size_t size)
{
    SK_ROLL
    for (size_t g = 0; g < 8; g++) {
        if (min) {
            const vi x = TIER(row_words)(w + g * size, row_size);
            vf_store(p->d[g], vf_half(x));
            vf_store(p->m[g], vf_half(vi_shr(x, 16)));
        } else {
            vf_store(p->d[g], TIER(row_halves)(w + g * size, row_size));
        }
    }
}

/* 2^(e - 128): subnormal for e below 2. */
static SK_APART void TIER(head_mxfp4)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    SK_ROLL
    for (size_t g = 0; g < 8; g++) {
        const vi e = TIER(row_bytes)(w + 17 * g, row_size);
        const vi tiny = (vi)(e < vi_splat(2));
        vi_store(p->d[g],
                 (vi_shl(e + vi_splat(1), 21) & tiny) | (vi_shl(e - vi_splat(1), 23) & ~tiny));
    }
}

/* Q1_0 and Q2_0: blocks of `size` bytes with one d for n groups of 32. */
SK_INLINE void TIER(head_shared)(TIER(panel) * p, const uint8_t *w, size_t row_size, size_t size,
                                 size_t n)
{
    SK_ROLL
    for (size_t g = 0; g < 8; g += n, w += size) {
        const vf d = TIER(far_halves)(w, row_size);
        SK_UNROLL
        for (size_t k = 0; k < n; k++)
            vf_store(p->d[g + k], d);
    }
}

/* The ternary types: d alone, `w` being where it is. */
SK_INLINE void TIER(head_ternary)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    const vi one = vi_splat(1);
    vf_store(p->d[0], TIER(far_halves)(w, row_size));
    SK_ROLL
    for (unsigned k = 0; k < 8; k++) {
        TIER(head_scale)(p, 2 * k, one, true);
        TIER(head_pair)(p, k / 2, one, one);
    }
}

/* Halves of unsigned E4M3 bytes: digits * 2^(e - 11), e being at least 1; 0x7f means 0. */
SK_INLINE void TIER(head_nvfp4)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    SK_ROLL
    for (unsigned k = 0; k < 16; k++) {
        const vi x = TIER(far_bytes)(w + 36 * (k / 4) + k % 4, row_size);
        const vi e = vi_shr(x, 3) & vi_splat(15), tiny = (vi)(e == vi_splat(0));
        const vi digits = (x & vi_splat(7)) + (vi_splat(8) & ~tiny);
        const vi power = vi_shl(e - tiny + vi_splat(127 - 11), 23);
        vf_store(p->d[k], vf_of(digits & ~(vi)(x == vi_splat(0x7f))) * (vf)power);
    }
}

SK_INLINE void TIER(unpack_head)(int dtype, TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
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
    case SK_Q1_0:
        TIER(head_shared)(p, w, row_size, 18, 4);
        break;
    case SK_Q2_0:
        TIER(head_shared)(p, w, row_size, 18, 2);
        break;
    case SK_NVFP4:
        TIER(head_nvfp4)(p, w, row_size);
        break;
    case SK_TQ1_0:
        TIER(head_ternary)(p, w + 52, row_size);
        break;
    case SK_TQ2_0:
        TIER(head_ternary)(p, w + 64, row_size);
        break;
    default:
        TIER(head_32)(p, layout.min, w, row_size, layout.size / 8);
    }
}

/* ---- Parts -------------------------------------------------------------------------------------
 */

/* Whether a part is unpacked as a whole, not as two blocks of 32 codes. */
SK_INLINE bool TIER(has_parts)(int dtype)
{
    return dtype == SK_Q2_0 || dtype == SK_NVFP4 ||
           (TIER(layout_of)(dtype).group == 256 && dtype != SK_IQ4_XS);
}

/* The sub-block, of 16 weights, whose four registers are s of part i. */
SK_INLINE unsigned TIER(part_at)(int dtype, unsigned i, unsigned s)
{
    const bool strided =
        dtype == SK_Q6_K || dtype == SK_Q3_K || dtype == SK_Q2_K || dtype == SK_TQ2_0;
    return strided ? i / 2 * 8 + 2 * s + i % 2 : 4 * i + s;
}

/* 32 weights of 16 bytes: the low nibbles come first. */
SK_INLINE void TIER(part_nibbles)(const uint8_t *p, size_t row_size, vi *out)
{
    vi x[4];
    vi_lines(p, row_size, x);
    SK_UNROLL
    for (int j = 0; j < 4; j++) {
        out[j] = TIER(bits)(x[j], 0, 15);
        out[4 + j] = TIER(bits)(x[j], 4, 15);
    }
}

SK_INLINE void TIER(part_table)(const uint8_t *p, size_t row_size, const int8_t *values, int bias,
                                vi *out)
{
    const vi table = vi_table(values, bias);
    TIER(part_nibbles)(p, row_size, out);
    SK_UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = vi_look_up(table, out[j]);
}

/* And a fifth bit each, of the 32 at `high`. */
SK_INLINE void TIER(part_fives)(const uint8_t *p, const uint8_t *high, size_t row_size, vi *out)
{
    const vi h = TIER(row_words)(high, row_size);
    TIER(part_nibbles)(p, row_size, out);
    SK_UNROLL
    for (int j = 0; j < 8; j++)
        out[j] |= vi_bits(h, j, vi_bytes(16));
}

/* Q4_K and, with a fifth bit, Q5_K: the low nibbles of 32 bytes, then the high ones. */
SK_INLINE void TIER(part_k4)(const uint8_t *qs, const uint8_t *qh, size_t row_size, unsigned i,
                             vi *out)
{
    SK_UNROLL
    for (unsigned v = 0; v < 8; v += 4) {
        vi x[4], h[4];
        vi_lines(qs + 32 * i + 4 * v, row_size, x);
        if (qh)
            vi_lines(qh + 4 * v, row_size, h);
        SK_UNROLL
        for (unsigned j = 0; j < 4; j++) {
            out[v + j] = TIER(bits)(x[j], 0, 15);
            out[8 + v + j] = TIER(bits)(x[j], 4, 15);
            if (!qh)
                continue;
            const vi two = vi_shr(h[j], 2 * i);
            out[v + j] |= TIER(bits_up)(two, 0, 1, 4);
            out[8 + v + j] |= TIER(bits_up)(two, 1, 1, 4);
        }
    }
}

SK_INLINE void TIER(part_q6_k)(const uint8_t *w, size_t row_size, unsigned i, vi *out)
{
    const uint8_t *ql = w + 64 * (i / 2) + 16 * (i % 2);
    vi a[4], b[4], h[4];
    vi_lines(ql, row_size, a);
    vi_lines(ql + 32, row_size, b);
    vi_lines(w + 128 + 16 * i, row_size, h);
    SK_UNROLL
    for (unsigned j = 0; j < 4; j++) {
        out[j] = TIER(bits)(a[j], 0, 15) | TIER(bits_up)(h[j], 0, 3, 4);
        out[4 + j] = TIER(bits)(b[j], 0, 15) | TIER(bits_up)(h[j], 2, 3, 4);
        out[8 + j] = TIER(bits)(a[j], 4, 15) | TIER(bits_up)(h[j], 4, 3, 4);
        out[12 + j] = TIER(bits)(b[j], 4, 15) | TIER(bits_up)(h[j], 6, 3, 4);
    }
}

/* Q2_K and, with a third bit, Q3_K. */
SK_INLINE void TIER(part_crumbs)(const uint8_t *qs, const uint8_t *high, size_t row_size,
                                 unsigned i, vi *out)
{
    vi x[4], h[4];
    vi_lines(qs + 16 * i, row_size, x);
    if (high)
        vi_lines(high + 16 * (i % 2), row_size, h);
    SK_UNROLL
    for (unsigned j = 0; j < 4; j++) {
        if (high)
            h[j] = vi_shr(h[j], i / 2 * 4);
        SK_UNROLL
        for (unsigned s = 0; s < 4; s++) {
            out[4 * s + j] = TIER(bits)(x[j], 2 * s, 3);
            if (high)
                out[4 * s + j] |= TIER(bits_up)(h[j], s, 1, 2);
        }
    }
}

SK_INLINE void TIER(part_q8_0)(const uint8_t *p, size_t row_size, vi *out)
{
    vi_lines(p, row_size, out);
    vi_lines(p + 16, row_size, out + 4);
    SK_UNROLL
    for (int j = 0; j < 8; j++)
        out[j] ^= vi_bytes(LANES_BIAS);
}

/* Four 2-bit codes of the lowest byte of each lane, which has nothing else, to four bytes. */
SK_INLINE vi TIER(spread_2)(vi x)
{
    x = (x | vi_shl(x, 12)) & vi_splat(0x000f000f);
    return (x | vi_shl(x, 6)) & vi_bytes(3);
}

/* Q2_0: 64 codes in order. */
SK_INLINE void TIER(part_q2_0)(const uint8_t *p, size_t row_size, vi *out)
{
    vi x[4];
    TIER(far_lines)(p, row_size, x);
    SK_UNROLL
    for (unsigned j = 0; j < 16; j++)
        out[j] = TIER(spread_2)(TIER(byte_of)(x[j / 4], j % 4));
}

/* Q1_0: 32 bits, meaning -1 and 1. */
SK_INLINE void TIER(part_q1_0)(const uint8_t *p, size_t row_size, vi *out)
{
    const vi x = TIER(far_words)(p, row_size);
    SK_UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = vi_bits(x, j, vi_bytes(2));
}

/* NVFP4: for each 16 weights 8 bytes, the low nibbles first. */
SK_INLINE void TIER(part_nvfp4)(const uint8_t *p, size_t row_size, vi *out)
{
    const vi table = vi_table(sk_fp4_values, LANES_BIAS);
    SK_UNROLL
    for (unsigned h = 0; h < 2; h++) {
        vi x[4];
        TIER(far_lines)(p + 16 * h, row_size, x);
        SK_UNROLL
        for (unsigned j = 0; j < 4; j++) {
            vi *to = out + 8 * h + j / 2 * 4 + j % 2;
            to[0] = vi_look_up(table, TIER(bits)(x[j], 0, 15));
            to[2] = vi_look_up(table, TIER(bits)(x[j], 4, 15));
        }
    }
}

/* Block g of a unit, of a type with blocks of 32 codes: 8 registers. */
SK_INLINE void TIER(part_32)(int dtype, const uint8_t *w, size_t row_size, size_t g, vi *out)
{
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
    case SK_Q1_0:
        TIER(part_q1_0)(w + 18 * (g / 4) + 2 + 4 * (g % 4), row_size, out);
        break;
    case SK_IQ4_NL:
        TIER(part_table)(w + 18 * g + 2, row_size, sk_iq4_values, LANES_BIAS, out);
        break;
    case SK_MXFP4:
        TIER(part_table)(w + 17 * g + 1, row_size, sk_fp4_values, 16, out);
        break;
    default: /* IQ4_XS */
        TIER(part_table)(w + 8 + 16 * g, row_size, sk_iq4_values, LANES_BIAS, out);
    }
}

/* Part i of 4. */
SK_INLINE void TIER(unpack_part)(int dtype, const uint8_t *w, size_t row_size, unsigned i, vi *out)
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
    case SK_TQ2_0:
        TIER(part_crumbs)(w, NULL, row_size, i, out);
        break;
    case SK_Q2_0:
        TIER(part_q2_0)(w + 18 * i + 2, row_size, out);
        break;
    case SK_NVFP4:
        TIER(part_nvfp4)(w + 36 * i + 4, row_size, out);
        break;
    default:
        TIER(part_32)(dtype, w, row_size, 2 * i, out);
        TIER(part_32)(dtype, w, row_size, 2 * i + 1, out + 8);
    }
}

/* Part i, or block i of a type with blocks of 32 codes, to its place. */
SK_INLINE void TIER(put_part)(int dtype, TIER(panel) * p, const uint8_t *w, size_t row_size,
                              unsigned i)
{
    vi out[16];
    if (TIER(has_parts)(dtype)) {
        TIER(unpack_part)(dtype, w, row_size, i, out);
        SK_UNROLL
        for (unsigned j = 0; j < 16; j++)
            vi_store(p->q[4 * TIER(part_at)(dtype, i, j / 4) + j % 4], out[j]);
    } else {
        TIER(part_32)(dtype, w, row_size, i, out);
        SK_UNROLL
        for (unsigned j = 0; j < 8; j++)
            vi_store(p->q[8 * i + j], out[j]);
    }
}

/* The five digits, the first `n` of them, of base-3 numbers (decode.c) in the bytes at `digits`:
 * digit i to q[step * i]. */
static SK_APART void TIER(put_digits)(const vi *digits, uint8_t (*q)[4 * LANES], unsigned step,
                                      unsigned n)
{
    const vi low = vi_splat(0x00ff00ff);
    vi even = *digits & low, odd = vi_shr(*digits, 8) & low;
    for (unsigned i = 0; i < n; i++) {
        even += vi_shl(even, 1);
        odd += vi_shl(odd, 1);
        vi_store(q[step * i], (vi_shr(even, 8) & low) | (odd & ~low));
        even &= low;
        odd &= low;
    }
}

/* TQ1_0: digits of the first 32 bytes, of 16 more, of the last four. */
SK_INLINE void TIER(put_tq1_0)(TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    SK_ROLL
    for (unsigned i = 0; i < 3; i++) {
        vi x[4];
        TIER(far_lines)(w + 16 * i, row_size, x);
        SK_ROLL
        for (unsigned j = 0; j < 4; j++)
            TIER(put_digits)(x + j, p->q + (i < 2 ? 4 * i : 40) + j, i < 2 ? 8 : 4, 5);
    }
    const vi last = TIER(far_words)(w + 48, row_size);
    TIER(put_digits)(&last, p->q + 60, 1, 4);
}

/* A unit of all rows. Not unrolled, since many columns share it. */
SK_INLINE void TIER(unpack_unit)(int dtype, TIER(panel) * p, const uint8_t *w, size_t row_size)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    p->bias = layout.bias;
    p->room = TIER(room_of)(layout.most);
    TIER(unpack_head)(dtype, p, w, row_size);
    if (dtype == SK_TQ1_0) {
        TIER(put_tq1_0)(p, w, row_size);
        return;
    }
    const unsigned n = TIER(has_parts)(dtype) ? 4 : 8;
    SK_ROLL
    for (unsigned i = 0; i < n; i++)
        TIER(put_part)(dtype, p, w, row_size, i);
}

#include "tensor/grid_impl.h"

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
        return TIER(grid_unpack)(dtype, p, w, row_size);
    }
}
