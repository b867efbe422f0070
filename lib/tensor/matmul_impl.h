/* SPDX-License-Identifier: MIT */
/*
 * The matrix product of the numeric contract, a template for the tiers: SK_FMA(a, b, c) is the
 * tier's fused multiply-add. Every output is one sum with one order (CONTRACT.md), whatever the
 * call's rows and columns, so a call may be cut anywhere.
 *
 * A unit of up to 256 weights is decoded once and then met by the columns of a chunk, so that a
 * prompt does not pay for decoding again at every token. Sub-scales are multiplied into the weights
 * as int16 (|scale * q| <= 4096), after which a group is one plain dot product, the kind of loop
 * that compilers turn into multiply-add instructions. It cannot overflow, whatever a file holds:
 * |dot| <= 256 * 4096 * 127 < 2^27.
 */
#include "base/bytes.h"
#include "tensor/act.h"
#include "tensor/decode_impl.h"
#include "tensor/unit.h"

#define SK_CHUNK 16 /* columns that share a decoded unit */

/* The weights of a unit as int16, sub-scales applied. n is a multiple of 16. */
SK_INLINE void TIER(widen)(int16_t *restrict w, const sk_unit *restrict u, int n, bool scaled)
{
    for (int k = 0; k < n / 16; k++)
        for (int i = 16 * k; i < 16 * k + 16; i++)
            w[i] = scaled ? (int16_t)(u->q[i] * u->scale[k]) : u->q[i];
}

SK_INLINE int32_t TIER(dot)(const int16_t *restrict w, const int8_t *restrict code, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i] * code[i];
    return sum;
}

/* dot[g] is group g's dot product, for the n / group groups (of 16 or 32) of a unit. */
SK_INLINE void TIER(dots_each)(const int16_t *restrict w, const int8_t *restrict code, int n,
                               int group, int32_t *restrict dot)
{
    for (int g = 0; g < n / group; g++)
        dot[g] = TIER(dot)(w + group * g, code + group * g, group);
}

#if TIER_AVX2

/* Sixteen products, added in pairs. */
SK_INLINE __m256i TIER(pairs)(const int16_t *w, const int8_t *code)
{
    const __m128i c = _mm_loadu_si128((const __m128i *)(const void *)code);
    return _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)(const void *)w),
                             _mm256_cvtepi8_epi16(c));
}

/* Eight groups at once, added up across the lanes by a tree that serves them all. */
SK_INLINE void TIER(dots_8)(const int16_t *w, const int8_t *code, int group, int32_t *dot)
{
    __m256i p[8];
    for (int g = 0; g < 8; g++) {
        p[g] = TIER(pairs)(w + group * g, code + group * g);
        if (group == 32)
            p[g] = _mm256_add_epi32(p[g], TIER(pairs)(w + 32 * g + 16, code + 32 * g + 16));
    }
    const __m256i a =
        _mm256_hadd_epi32(_mm256_hadd_epi32(p[0], p[1]), _mm256_hadd_epi32(p[2], p[3]));
    const __m256i b =
        _mm256_hadd_epi32(_mm256_hadd_epi32(p[4], p[5]), _mm256_hadd_epi32(p[6], p[7]));
    const __m256i sum = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                         _mm256_permute2x128_si256(a, b, 0x31));
    _mm256_storeu_si256((__m256i *)(void *)dot, sum);
}

SK_INLINE void TIER(dots)(const int16_t *restrict w, const int8_t *restrict code, int n, int group,
                          int32_t *restrict dot)
{
    if (n < SK_UNIT) {
        TIER(dots_each)(w, code, n, group, dot);
        return;
    }
    TIER(dots_8)(w, code, group, dot);
    if (group == 16)
        TIER(dots_8)(w + 128, code + 128, 16, dot + 8);
}

#else

SK_INLINE void TIER(dots)(const int16_t *restrict w, const int8_t *restrict code, int n, int group,
                          int32_t *restrict dot)
{
    if (n < SK_UNIT)
        TIER(dots_each)(w, code, n, group, dot);
    else /* a constant n makes the loops longer ones */
        TIER(dots_each)(w, code, SK_UNIT, group, dot);
}

#endif

/* Group 256: one float scale; minimums, 6 bits for each 16 weights, as integers too. */
static void TIER(dot_256)(const sk_unit *u, const int16_t *restrict w, const sk_act_row *x,
                          int64_t start, bool min, int n_col, float *acc)
{
    for (int c = 0; c < n_col; c++) {
        const float d = x[c].d[start / 256];
        const int16_t *sum = x[c].sum + start / 16;
        const int32_t dot = TIER(dot)(w, x[c].code + start, 256);
        acc[c] = SK_FMA((float)dot, u->d[0] * d, acc[c]);
        if (!min)
            continue;
        int32_t low = 0;
        for (int k = 0; k < 16; k++)
            low += u->min[k] * sum[k];
        acc[c] = SK_FMA((float)low, -(u->m[0] * d), acc[c]);
    }
}

/* Group 32: each block of activations has its weights' float scale. */
static void TIER(dot_32)(const sk_unit *u, const int16_t *restrict w, const sk_act_row *x,
                         int64_t start, int n, bool min, int n_col, float *acc)
{
    for (int c = 0; c < n_col; c++) {
        const float *d = x[c].d + start / 32;
        const int16_t *sum = x[c].sum + start / 32;
        int32_t dot[SK_UNIT / 32];
        float a = acc[c];
        TIER(dots)(w, x[c].code + start, n, 32, dot);
        for (int g = 0; g < n / 32; g++) {
            a = SK_FMA((float)dot[g], u->d[g] * d[g], a);
            if (min)
                a = SK_FMA((float)sum[g], u->m[g] * d[g], a);
        }
        acc[c] = a;
    }
}

/* Group 16: two float scales for a block of activations. */
static void TIER(dot_16)(const sk_unit *u, const int16_t *restrict w, const sk_act_row *x,
                         int64_t start, int n, int n_col, float *acc)
{
    for (int c = 0; c < n_col; c++) {
        const float *d = x[c].d + start / 32;
        int32_t dot[SK_UNIT / 16];
        float a = acc[c];
        TIER(dots)(w, x[c].code + start, n, 16, dot);
        for (int g = 0; g < n / 16; g++)
            a = SK_FMA((float)dot[g], u->d[g] * d[g / 2], a);
        acc[c] = a;
    }
}

/* One row of quantised weights times the columns of a chunk. */
static void TIER(row_quants)(const sk_matmul *m, const uint8_t *row, const sk_act_row *x, int n_col,
                             float *acc)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    const sk_dtype *t = sk_dtype_get((uint64_t)m->dtype);
    const size_t unit_size = SK_UNIT / t->n_elem * t->n_byte;
    sk_unit u;
    _Alignas(64) int16_t w[SK_UNIT];
    for (int c = 0; c < n_col; c++)
        acc[c] = 0;
    for (int64_t i = 0; i < m->n; i += SK_UNIT, row += unit_size) {
        const int n = m->n - i < SK_UNIT ? (int)(m->n - i) : SK_UNIT;
        TIER(decode)(m->dtype, row, n, &u);
        if (f->group == 256) {
            TIER(widen)(w, &u, SK_UNIT, true);
            TIER(dot_256)(&u, w, x, i, f->min, n_col, acc);
        } else {
            TIER(widen)(w, &u, n, false);
            if (f->group == 32)
                TIER(dot_32)(&u, w, x, i, n, f->min, n_col, acc);
            else
                TIER(dot_16)(&u, w, x, i, n, n_col, acc);
        }
    }
}

static void TIER(matmul)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0, int64_t col1)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    if (!f->known)
        return;
    if (!f->group) {
        TIER(matmul_floats)(m, row0, row1, col0, col1);
        return;
    }
    for (int64_t first = col0; first < col1; first += SK_CHUNK) {
        const int n_col = col1 - first < SK_CHUNK ? (int)(col1 - first) : SK_CHUNK;
        sk_act_row x[SK_CHUNK];
        float *out[SK_CHUNK], acc[SK_CHUNK];
        for (int c = 0; c < n_col; c++) {
            const int64_t ic = m->in_col ? m->in_col[first + c] : first + c;
            const int64_t oc = m->out_col ? m->out_col[first + c] : first + c;
            x[c] = sk_act_view(f->act, (const char *)m->act + (size_t)ic * m->act_size, m->n);
            out[c] = m->out + oc * m->out_stride;
        }
        for (int64_t r = row0; r < row1; r++) {
            const uint8_t *row = (const uint8_t *)m->w + (size_t)r * m->row_size;
            TIER(row_quants)(m, row, x, n_col, acc);
            for (int c = 0; c < n_col; c++)
                out[c][r] = acc[c];
        }
    }
}

#undef SK_CHUNK
