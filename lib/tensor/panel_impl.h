/* SPDX-License-Identifier: MIT */
/*
 * The product of quantised weights for a tier with 64-byte registers and an integer dot product of
 * bytes. A template like the others.
 *
 * Sixteen rows are taken together, a row in each 32-bit lane, so that no sum ever crosses lanes and
 * every step of the contract is one instruction for sixteen outputs. A unit (256 weights) of the
 * sixteen is unpacked into a panel: for each four weights one register, four bytes a row. The codes
 * of a column, four at a time, are broadcast to all lanes and multiplied with it (vpdpbusd). The
 * panel is met by all columns of a chunk before the next unit is unpacked; the columns'
 * accumulators, sixteen floats each, wait on the stack.
 *
 * The bytes of a panel are unsigned: value + bias. Sums of the columns' codes take the bias back:
 * sum (q + bias) * code - bias * sum code is exact in integers. With sub-scales that is a sum of
 * products of int16, one for every 16 weights, which is also the form of the minimums: `pair`.
 *
 * Bounds: a panel's byte times a code is below 2^15, a sub-block's sum below 2^19, times the
 * sub-scale below 2^26, and sixteen of them below 2^30.
 *
 * Memory: panel 7 KiB, accumulators and columns 7 KiB, on the stack.
 */

#define PANEL_COLS 96 /* columns that share an unpacked panel */
#define PANEL_TILE 8  /* columns at once: as many sums and results as there are registers */

/* Sixteen rows' unit. What there is besides q depends on the group (unit.h). */
typedef struct TIER(panel) {
    _Alignas(64) uint8_t q[SK_UNIT / 4][64]; /* weights 4i to 4i + 3 of row r: q[i][4r] */
    int32_t scale[SK_UNIT / 16][16];         /* group 256: [sub-block][row] */
    int16_t pair[SK_UNIT / 32][32];          /* group 256: [sub-block / 2][row][2], see `fix` */
    float d[SK_UNIT / 16][16];               /* [group][row] */
    float m[SK_UNIT / 32][16];
    int bias;
} TIER(panel);

/* A column: the rows of activations, and where in them a unit's numbers begin. */
typedef struct TIER(panel_col) {
    const int8_t *code;
    const float *d;
    const int16_t *sum;
} TIER(panel_col);

SK_INLINE __m512i TIER(load_i)(const void *p)
{
    return _mm512_loadu_si512(p);
}

SK_INLINE void TIER(store_i)(void *p, __m512i x)
{
    _mm512_storeu_si512(p, x);
}

/* Four bytes to all lanes. */
SK_INLINE __m512i TIER(spread)(const void *p)
{
    int32_t x;
    memcpy(&x, p, sizeof x);
    return _mm512_set1_epi32(x);
}

/* ---- Tiles: a panel times n columns (a constant), group by group --------------------------------
 */

/* t[c] += four times `n4` weights from q[first] on. */
SK_INLINE void TIER(tile_dots)(const TIER(panel) * p, int first, int n4,
                               const TIER(panel_col) * x, __m512i *t, int n)
{
    for (int i = 0; i < n4; i++) {
        const __m512i w = TIER(load_i)(p->q[first + i]);
        for (int c = 0; c < n; c++)
            t[c] = _mm512_dpbusd_epi32(t[c], w, TIER(spread)(x[c].code + 4 * (first + i)));
    }
}

/* Group 256. `sub` weights share a sub-scale: 16 or 32. */
SK_INLINE void TIER(tile_256)(const TIER(panel) * p, const TIER(panel_col) * x, float (*acc)[16],
                              int sub, bool min, int n)
{
    __m512i dot[PANEL_TILE], t[PANEL_TILE];
    for (int c = 0; c < n; c++)
        dot[c] = _mm512_setzero_si512();
    for (int k = 0; k < SK_UNIT / sub; k++) {
        for (int c = 0; c < n; c++)
            t[c] = _mm512_setzero_si512();
        TIER(tile_dots)(p, k * sub / 4, sub / 4, x, t, n);
        const __m512i scale = TIER(load_i)(p->scale[k * sub / 16]);
        for (int c = 0; c < n; c++)
            dot[c] = _mm512_add_epi32(dot[c], _mm512_mullo_epi32(t[c], scale));
    }
    for (int c = 0; c < n; c++)
        t[c] = _mm512_setzero_si512();
    if (min || p->bias)
        for (int k = 0; k < SK_UNIT / 32; k++) {
            const __m512i pair = TIER(load_i)(p->pair[k]);
            for (int c = 0; c < n; c++)
                t[c] = _mm512_dpwssd_epi32(t[c], pair, TIER(spread)(x[c].sum + 2 * k));
        }
    for (int c = 0; c < n; c++) {
        const __m512 d = _mm512_set1_ps(x[c].d[0]);
        __m512 a = _mm512_loadu_ps(acc[c]);
        if (!min)
            dot[c] = _mm512_sub_epi32(dot[c], t[c]);
        a = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[c]),
                            _mm512_mul_ps(_mm512_loadu_ps(p->d[0]), d), a);
        if (min) /* -(a * b) + c */
            a = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(t[c]),
                                 _mm512_mul_ps(_mm512_loadu_ps(p->m[0]), d), a);
        _mm512_storeu_ps(acc[c], a);
    }
}

/* A factor for one of two neighbouring int16 in each lane, 0 for the other. */
SK_INLINE __m512i TIER(one_of_two)(int factor, int which)
{
    return _mm512_set1_epi32((int32_t)((uint32_t)(factor & 0xffff) << 16 * which));
}

/* Group 32: `n_group` groups, from an even one of the row on. */
SK_INLINE void TIER(tile_32)(const TIER(panel) * p, const TIER(panel_col) * x, float (*acc)[16],
                             int n_group, bool min, int n)
{
    __m512 a[PANEL_TILE];
    __m512i t[PANEL_TILE];
    for (int c = 0; c < n; c++)
        a[c] = _mm512_loadu_ps(acc[c]);
    for (int g = 0; g < n_group; g++) {
        const __m512i bias = TIER(one_of_two)(-p->bias, g & 1), one = TIER(one_of_two)(1, g & 1);
        for (int c = 0; c < n; c++)
            t[c] = min ? _mm512_setzero_si512()
                       : _mm512_madd_epi16(TIER(spread)(x[c].sum + (g & ~1)), bias);
        TIER(tile_dots)(p, 8 * g, 8, x, t, n);
        const __m512 d = _mm512_loadu_ps(p->d[g]);
        for (int c = 0; c < n; c++)
            a[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(t[c]),
                                   _mm512_mul_ps(d, _mm512_set1_ps(x[c].d[g])), a[c]);
        for (int c = 0; min && c < n; c++) {
            const __m512i sum = _mm512_madd_epi16(TIER(spread)(x[c].sum + (g & ~1)), one);
            const __m512 m = _mm512_loadu_ps(p->m[g]);
            a[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum),
                                   _mm512_mul_ps(m, _mm512_set1_ps(x[c].d[g])), a[c]);
        }
    }
    for (int c = 0; c < n; c++)
        _mm512_storeu_ps(acc[c], a[c]);
}

/* Group 16. The columns have no sums of 16 codes; they are made here, times the bias. */
SK_INLINE void TIER(tile_16)(const TIER(panel) * p, const TIER(panel_col) * x, float (*acc)[16],
                             int n_group, int n)
{
    const __m512i bias = _mm512_set1_epi8((char)p->bias);
    for (int g = 0; g < n_group; g++)
        for (int c = 0; c < n; c++) {
            __m512i t = _mm512_setzero_si512(), u = t;
            for (int i = 4 * g; i < 4 * g + 4; i++) {
                const __m512i code = TIER(spread)(x[c].code + 4 * i);
                t = _mm512_dpbusd_epi32(t, TIER(load_i)(p->q[i]), code);
                u = _mm512_dpbusd_epi32(u, bias, code);
            }
            const __m512 d =
                _mm512_mul_ps(_mm512_loadu_ps(p->d[g]), _mm512_set1_ps(x[c].d[g / 2]));
            _mm512_storeu_ps(acc[c], _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(t, u)), d,
                                                     _mm512_loadu_ps(acc[c])));
        }
}

/* What a panel's tiles have in common. */
typedef struct TIER(panel_kind) {
    int group, sub, n_group; /* sub: see tile_256; n_group: groups of this unit */
    bool min;
} TIER(panel_kind);

SK_INLINE void TIER(tile_n)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                            const TIER(panel_col) * x, float (*acc)[16], int n)
{
    if (kind->group == 256 && kind->sub == 32)
        TIER(tile_256)(p, x, acc, 32, kind->min, n);
    else if (kind->group == 256)
        TIER(tile_256)(p, x, acc, 16, kind->min, n);
    else if (kind->group == 32 && kind->min)
        TIER(tile_32)(p, x, acc, kind->n_group, true, n);
    else if (kind->group == 32)
        TIER(tile_32)(p, x, acc, kind->n_group, false, n);
    else
        TIER(tile_16)(p, x, acc, kind->n_group, n);
}

static void TIER(tile_8)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                         const TIER(panel_col) * x, float (*acc)[16])
{
    TIER(tile_n)(p, kind, x, acc, PANEL_TILE);
}

static void TIER(tile_4)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                         const TIER(panel_col) * x, float (*acc)[16])
{
    TIER(tile_n)(p, kind, x, acc, 4);
}

static void TIER(tile_1)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                         const TIER(panel_col) * x, float (*acc)[16])
{
    TIER(tile_n)(p, kind, x, acc, 1);
}

#include "tensor/unpack_impl.h"

/* ---- Unpacking ---------------------------------------------------------------------------------
 */

/* One row of a panel from a decoded unit of n weights: any type. */
static void TIER(panel_row)(TIER(panel) * p, const sk_unit *u, const sk_coding *f, int r, int n)
{
    const uint32_t flip = p->bias ? 0x80808080u : 0; /* adds 128 to each byte */
    for (int i = 0; i < n / 4; i++) {
        uint32_t four;
        memcpy(&four, u->q + 4 * i, 4);
        four ^= flip;
        memcpy(p->q[i] + 4 * r, &four, 4);
    }
    for (int k = 0; f->group == 256 && k < SK_UNIT / 16; k++) {
        p->scale[k][r] = u->scale[k];
        p->pair[k / 2][2 * r + k % 2] = f->min ? u->min[k] : (int16_t)(u->scale[k] * p->bias);
    }
    const int n_group = f->group == 256 ? 1 : n / f->group;
    for (int g = 0; g < n_group; g++) {
        p->d[g][r] = u->d[g];
        if (f->min)
            p->m[g][r] = u->m[g];
    }
}

/* n weights of sixteen rows, from `w` on. */
static void TIER(panel_fill)(TIER(panel) * p, int dtype, const sk_coding *f, const uint8_t *w,
                            size_t row_size, int n)
{
    sk_unit u;
    if (n == SK_UNIT && TIER(unpack)(dtype, p, w, row_size))
        return;
    p->bias = f->min ? 0 : 128;
    for (int r = 0; r < 16; r++) {
        TIER(decode)(dtype, w + (size_t)r * row_size, n, &u);
        TIER(panel_row)(p, &u, f, r, n);
    }
}

/* ---- The product -------------------------------------------------------------------------------
 */

/* How many weights share a sub-scale. */
static int TIER(panel_sub)(int dtype)
{
    switch (dtype) {
    case SK_Q4_K:
    case SK_Q5_K:
    case SK_IQ4_XS:
    case SK_IQ2_XXS:
    case SK_IQ3_XXS:
    case SK_IQ3_S:
    case SK_IQ1_S:
    case SK_TQ1_0:
    case SK_TQ2_0:
        return 32;
    default:
        return 16;
    }
}

/* One unit of sixteen rows times all columns of a chunk; `x` is moved on to the next unit. */
static void TIER(panel_times)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                              TIER(panel_col) * x, float (*acc)[16], int n_col)
{
    int c = 0;
    for (; c + PANEL_TILE <= n_col; c += PANEL_TILE)
        TIER(tile_8)(p, kind, x + c, acc + c);
    for (; c + 4 <= n_col; c += 4)
        TIER(tile_4)(p, kind, x + c, acc + c);
    for (; c < n_col; c++)
        TIER(tile_1)(p, kind, x + c, acc + c);
    const int n_d = kind->group == 256 ? 1 : 8;
    const int n_sum = kind->group == 256 ? 16 : 8;
    for (c = 0; c < n_col; c++) {
        x[c].code += SK_UNIT;
        x[c].d += n_d;
        x[c].sum += n_sum;
    }
}

/* Rows [r, r + 16) times columns [first, first + n_col), at most PANEL_COLS. */
static void TIER(panel_chunk)(const sk_matmul *m, int64_t r, int64_t first, int n_col)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    const sk_dtype *type = sk_dtype_get((uint64_t)m->dtype);
    const size_t unit_size = SK_UNIT / type->n_elem * type->n_byte;
    const uint8_t *w = (const uint8_t *)m->w + (size_t)r * m->row_size;
    TIER(panel_kind) kind = {f->group, TIER(panel_sub)(m->dtype), 0, f->min};
    TIER(panel) panel;
    TIER(panel_col) x[PANEL_COLS];
    _Alignas(64) float acc[PANEL_COLS][16];
    memset(acc, 0, (size_t)n_col * sizeof acc[0]);
    for (int c = 0; c < n_col; c++) {
        const int64_t ic = m->in_col ? m->in_col[first + c] : first + c;
        const sk_act_row a =
            sk_act_view(f->act, (const char *)m->act + (size_t)ic * m->act_size, m->n);
        x[c] = (TIER(panel_col)){a.code, a.d, a.sum};
    }
    for (int64_t i = 0; i < m->n; i += SK_UNIT, w += unit_size) {
        const int n = m->n - i < SK_UNIT ? (int)(m->n - i) : SK_UNIT;
        kind.n_group = n / f->group;
        TIER(panel_fill)(&panel, m->dtype, f, w, m->row_size, n);
        TIER(panel_times)(&panel, &kind, x, acc, n_col);
    }
    for (int c = 0; c < n_col; c++) {
        const int64_t oc = m->out_col ? m->out_col[first + c] : first + c;
        memcpy(m->out + oc * m->out_stride + r, acc[c], sizeof acc[c]);
    }
}

/* The last panel of a call may overlap the one before: the same sums are then made twice. */
static void TIER(matmul_wide)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0,
                              int64_t col1)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    if (!f->known || !f->group || row1 - row0 < 16) {
        TIER(matmul)(m, row0, row1, col0, col1);
        return;
    }
    for (int64_t r = row0; r < row1; r += 16)
        for (int64_t c = col0; c < col1; c += PANEL_COLS) {
            const int64_t left = col1 - c;
            TIER(panel_chunk)
            (m, r + 16 <= row1 ? r : row1 - 16, c, left < PANEL_COLS ? (int)left : PANEL_COLS);
        }
}

#undef PANEL_COLS
#undef PANEL_TILE
#undef UNPACK_TYPES
