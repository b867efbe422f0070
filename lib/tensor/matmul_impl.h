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
#include "tensor/half.h"
#include "tensor/decode_impl.h"
#include "tensor/unit.h"

#define SK_CHUNK 16 /* columns that share a decoded unit */
#define SK_LANES 16 /* interleaved sums of a product of floats */

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
        float a = acc[c];
        for (int g = 0; g < n / 32; g++) {
            const int32_t dot = TIER(dot)(w + 32 * g, x[c].code + start + 32 * g, 32);
            a = SK_FMA((float)dot, u->d[g] * d[g], a);
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
        float a = acc[c];
        for (int g = 0; g < n / 16; g++) {
            const int32_t dot = TIER(dot)(w + 16 * g, x[c].code + start + 16 * g, 16);
            a = SK_FMA((float)dot, u->d[g] * d[g / 2], a);
        }
        acc[c] = a;
    }
}

/* One row of quantised weights times the columns of a chunk. */
static void TIER(row_quants)(const sk_matmul *m, const uint8_t *row, const sk_act_row *x, int n_col,
                             float *acc)
{
    const sk_format *f = sk_format_get(m->dtype);
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

/* Weights `start` to `start + n` of a row of floats. */
SK_INLINE void TIER(load_floats)(int dtype, const uint8_t *restrict row, int64_t start, int n,
                                 float *restrict w)
{
    if (dtype == SK_F32)
        for (int i = 0; i < n; i++)
            w[i] = sk_f32_from_bits(sk_le32(row + 4 * (start + i)));
    else if (dtype == SK_F16)
        for (int i = 0; i < n; i++)
            w[i] = sk_f16_to_f32(sk_le16(row + 2 * (start + i)));
    else
        for (int i = 0; i < n; i++)
            w[i] = sk_bf16_to_f32(sk_le16(row + 2 * (start + i)));
}

/* Element i goes to lane i mod 16. */
SK_INLINE void TIER(dot_lanes)(const float *restrict w, const float *restrict x, int n,
                               float *restrict lane)
{
    int i = 0;
    for (; i + SK_LANES <= n; i += SK_LANES)
        for (int l = 0; l < SK_LANES; l++)
            lane[l] = SK_FMA(w[i + l], x[i + l], lane[l]);
    for (int l = 0; i + l < n; l++)
        lane[l] = SK_FMA(w[i + l], x[i + l], lane[l]);
}

/* One row of F32, F16 or BF16 weights times the columns of a chunk. */
static void TIER(row_floats)(const sk_matmul *m, const uint8_t *row, const sk_act_row *x, int n_col,
                             float *acc)
{
    float w[SK_UNIT], lane[SK_CHUNK][SK_LANES] = {{0}};
    for (int64_t i = 0; i < m->n; i += SK_UNIT) {
        const int n = m->n - i < SK_UNIT ? (int)(m->n - i) : SK_UNIT;
        TIER(load_floats)(m->dtype, row, i, n, w);
        for (int c = 0; c < n_col; c++)
            TIER(dot_lanes)(w, x[c].x + i, n, lane[c]);
    }
    for (int c = 0; c < n_col; c++) {
        for (int half = SK_LANES / 2; half > 0; half /= 2)
            for (int l = 0; l < half; l++)
                lane[c][l] += lane[c][l + half];
        acc[c] = lane[c][0];
    }
}

static void TIER(matmul)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0, int64_t col1)
{
    const sk_format *f = sk_format_get(m->dtype);
    if (!f->known)
        return;
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
            if (f->group)
                TIER(row_quants)(m, row, x, n_col, acc);
            else
                TIER(row_floats)(m, row, x, n_col, acc);
            for (int c = 0; c < n_col; c++)
                out[c][r] = acc[c];
        }
    }
}

#undef SK_CHUNK
#undef SK_LANES
