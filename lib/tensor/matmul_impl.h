/* SPDX-License-Identifier: MIT */
/*
 * The matrix product of the numeric contract, a template for the tiers: SK_FMA(a, b, c) is the
 * tier's fused multiply-add. Every output is one sum with one order (CONTRACT.md), whatever the
 * call's rows and columns, so a call may be cut anywhere.
 */
#include "base/bytes.h"
#include "tensor/act.h"
#include "tensor/half.h"
#include "tensor/unit.h"

#define SK_CHUNK 16 /* columns that share a decoded unit */
#define SK_LANES 16 /* interleaved sums of a product of floats */

/* Weights [start, start + n) of a row of floats. */
SK_INLINE void TIER(load_floats)(int dtype, const uint8_t *restrict row, int64_t start, int n,
                                 float *restrict w)
{
    uint16_t half[SK_UNIT] = {0};
    if (dtype == SK_F32) {
        for (int i = 0; i < n; i++)
            w[i] = sk_f32_from_bits(sk_le32(row + 4 * (start + i)));
        return;
    }
    for (int i = 0; i < n; i++)
        half[i] = sk_le16(row + 2 * (start + i));
    if (dtype == SK_F16)
        for (int i = 0; i < n; i += SK_LANES)
            v16_store(w + i, v16_load_f16(half + i));
    else
        for (int i = 0; i < n; i++)
            w[i] = sk_bf16_to_f32(half[i]);
}

/* Adds n products to the lanes of each of n_col columns (constants where this is inlined). */
SK_INLINE void TIER(add_lanes)(const float *w, const sk_act_row *x, int64_t start, int n, v16 *lane,
                               int n_col)
{
    v16 t[4];
    int i = 0;
    for (int c = 0; c < n_col; c++)
        t[c] = lane[c];
    for (; i + SK_LANES <= n; i += SK_LANES) {
        const v16 y = v16_load(w + i);
        for (int c = 0; c < n_col; c++)
            t[c] = v16_fma(y, v16_load(x[c].x + start + i), t[c]);
    }
    for (int c = 0; i < n && c < n_col; c++) { /* the row's end: fewer lanes get one more */
        float one[SK_LANES];
        v16_store(one, t[c]);
        for (int l = 0; i + l < n; l++)
            one[l] = SK_FMA(w[i + l], x[c].x[start + i + l], one[l]);
        t[c] = v16_load(one);
    }
    for (int c = 0; c < n_col; c++)
        lane[c] = t[c];
}

/* One row of F32, F16 or BF16 weights times the columns of a chunk. */
static void TIER(row_floats)(const sk_matmul *m, const uint8_t *row, const sk_act_row *x, int n_col,
                             float *acc)
{
    float w[SK_UNIT];
    v16 lane[SK_CHUNK];
    for (int c = 0; c < n_col; c++)
        lane[c] = v16_zero();
    for (int64_t i = 0; i < m->n; i += SK_UNIT) {
        const int n = m->n - i < SK_UNIT ? (int)(m->n - i) : SK_UNIT;
        int c = 0;
        TIER(load_floats)(m->dtype, row, i, n, w);
        for (; c + 4 <= n_col; c += 4)
            TIER(add_lanes)(w, x + c, i, n, lane + c, 4);
        for (; c < n_col; c++)
            TIER(add_lanes)(w, x + c, i, n, lane + c, 1);
    }
    for (int c = 0; c < n_col; c++)
        acc[c] = v16_sum(lane[c]);
}

static void TIER(matmul)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0, int64_t col1)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    if (!f->known)
        return;
    if (f->group) {
#if LANES
        TIER(matmul_panels)(m, row0, row1, col0, col1);
#else
        TIER(matmul_quants)(m, row0, row1, col0, col1);
#endif
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
            TIER(row_floats)(m, row, x, n_col, acc);
            for (int c = 0; c < n_col; c++)
                out[c][r] = acc[c];
        }
    }
}

#undef SK_CHUNK
#undef SK_LANES
