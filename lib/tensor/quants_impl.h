/* SPDX-License-Identifier: MIT */
/*
 * The product of quantised weights as CONTRACT.md has it, for tiers without registers of their own
 * for it: row by row, a unit of up to 256 weights decoded once and then met by the columns of a
 * chunk. It is the specification of panel_impl.h. Nothing can overflow, whatever a file holds:
 * |dot| <= 256 * 4096 * 127 < 2^27.
 */

#define QUANT_COLS 16 /* columns that share a decoded unit */

SK_INLINE int32_t TIER(dot_16)(const int8_t *restrict q, const int8_t *restrict code)
{
    int32_t sum = 0;
    for (int i = 0; i < 16; i++)
        sum += q[i] * code[i];
    return sum;
}

/* Group 256: one float scale; minimums, 6 bits for each 16 weights, as integers too. `x` has the
 * numbers that meet the unit. */
static float TIER(unit_256)(const sk_unit *u, const sk_act_row *x, bool min, float acc)
{
    int32_t dot = 0, low = 0;
    for (int k = 0; k < 16; k++)
        dot += u->scale[k] * TIER(dot_16)(u->q + 16 * k, x->code + 16 * k);
    acc = SK_FMA((float)dot, u->d[0] * x->d[0], acc);
    if (!min)
        return acc;
    for (int k = 0; k < 16; k++)
        low += u->min[k] * x->sum[k];
    return SK_FMA((float)low, -(u->m[0] * x->d[0]), acc);
}

/* Group 32, of n_group groups: each block of activations has its weights' float scale. */
static float TIER(unit_32)(const sk_unit *u, const sk_act_row *x, int n_group, bool min, float acc)
{
    for (int g = 0; g < n_group; g++) {
        const int32_t dot = TIER(dot_16)(u->q + 32 * g, x->code + 32 * g) +
                            TIER(dot_16)(u->q + 32 * g + 16, x->code + 32 * g + 16);
        acc = SK_FMA((float)dot, u->d[g] * x->d[g], acc);
        if (min)
            acc = SK_FMA((float)x->sum[g], u->m[g] * x->d[g], acc);
    }
    return acc;
}

/* Group 16: two float scales for a block of activations. */
static float TIER(unit_16)(const sk_unit *u, const sk_act_row *x, int n_group, float acc)
{
    for (int g = 0; g < n_group; g++) {
        const int32_t dot = TIER(dot_16)(u->q + 16 * g, x->code + 16 * g);
        acc = SK_FMA((float)dot, u->d[g] * x->d[g / 2], acc);
    }
    return acc;
}

/* n decoded weights times the columns, whose rows `x` move on. */
static void TIER(unit_times)(const sk_unit *u, const sk_coding *f, int n, sk_act_row *x, int n_col,
                             float *acc)
{
    for (int c = 0; c < n_col; c++) {
        acc[c] = f->group == 256  ? TIER(unit_256)(u, x + c, f->min, acc[c])
                 : f->group == 32 ? TIER(unit_32)(u, x + c, n / 32, f->min, acc[c])
                                  : TIER(unit_16)(u, x + c, n / 16, acc[c]);
        x[c].code += n;
        x[c].d += n / sk_act_block(f->act);
        x[c].sum += n / sk_act_part(f->act);
    }
}

/* One row times columns [first, first + n_col), at most QUANT_COLS. */
static void TIER(row_quants)(const sk_matmul *m, const sk_coding *f, int64_t r, int64_t first,
                             int n_col)
{
    const sk_dtype *t = sk_dtype_get((uint64_t)m->dtype);
    const uint8_t *row = (const uint8_t *)m->w + (size_t)r * m->row_size;
    sk_act_row x[QUANT_COLS];
    float acc[QUANT_COLS] = {0};
    sk_unit u;
    for (int c = 0; c < n_col; c++) {
        const int64_t ic = m->in_col ? m->in_col[first + c] : first + c;
        x[c] = sk_act_view(f->act, (const char *)m->act + (size_t)ic * m->act_size, m->n);
    }
    for (int64_t i = 0; i < m->n; i += SK_UNIT, row += SK_UNIT / t->n_elem * t->n_byte) {
        const int n = m->n - i < SK_UNIT ? (int)(m->n - i) : SK_UNIT;
        sk_decode(m->dtype, row, n, &u);
        TIER(unit_times)(&u, f, n, x, n_col, acc);
    }
    for (int c = 0; c < n_col; c++)
        m->out[(m->out_col ? m->out_col[first + c] : first + c) * m->out_stride + r] = acc[c];
}

static void TIER(matmul_quants)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0,
                                int64_t col1)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    for (int64_t c = col0; c < col1; c += QUANT_COLS)
        for (int64_t r = row0; r < row1; r++)
            TIER(row_quants)(m, f, r, c, col1 - c < QUANT_COLS ? (int)(col1 - c) : QUANT_COLS);
}

#undef QUANT_COLS
