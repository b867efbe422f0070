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
#define FUSED_COLS 1  /* columns for which nothing is stored */
#define PANEL_TILE 8  /* columns at once: as many sums and results as there are registers */

/* Small constant loops over arrays of registers, which must not become memory. */
#if defined(__clang__)
#define PANEL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PANEL_UNROLL _Pragma("GCC unroll 16")
#endif

/* Sixteen rows' unit. What there is besides q depends on the group (unit.h). */
typedef struct TIER(panel) {
    _Alignas(64) uint8_t q[SK_UNIT / 4][64]; /* weights 4i to 4i + 3 of row r: q[i][4r] */
    int32_t scale[SK_UNIT / 16][16];         /* group 256: [sub-block][row] */
    int16_t pair[SK_UNIT / 32][32];          /* group 256: [sub-block / 2][row][2], see `fix` */
    float d[SK_UNIT / 16][16];               /* [group][row] */
    float m[SK_UNIT / 32][16];
    int bias;
} TIER(panel);

/* What the tiles of a unit have in common. Columns are rows of activations, `code`, `d` and `sum` the
 * bytes from a row's beginning to the numbers that meet the unit. */
typedef struct TIER(panel_kind) {
    size_t code, d, sum;
    int group, sub, n_group; /* sub: see tile_256; n_group: groups of this unit */
    bool min;
} TIER(panel_kind);

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

SK_INLINE __m512 TIER(spread_f)(const void *p)
{
    return _mm512_castsi512_ps(TIER(spread)(p));
}

/* ---- Tiles: a panel times n columns (a constant), group by group --------------------------------
 */

/* t[c] += four weights a lane, times codes. */
SK_INLINE void TIER(tile_dot)(__m512i w, const uint8_t *const *x, size_t at, __m512i *t, int n)
{
    PANEL_UNROLL
    for (int c = 0; c < n; c++)
        t[c] = _mm512_dpbusd_epi32(t[c], w, TIER(spread)(x[c] + at));
}

/* The same for 16 or 32 weights (`n4` is a constant), the first four at q. */
SK_INLINE void TIER(tile_dots)(const uint8_t (*q)[64], int n4, const uint8_t *const *x, size_t at,
                               __m512i *t, int n)
{
    PANEL_UNROLL
    for (int i = 0; i < n4; i++)
        TIER(tile_dot)(TIER(load_i)(q[i]), x, at + 4 * (size_t)i, t, n);
}

SK_INLINE void TIER(tile_zero)(__m512i *t, int n)
{
    PANEL_UNROLL
    for (int c = 0; c < n; c++)
        t[c] = _mm512_setzero_si512();
}

/* The end of a group of 256: what the bias added is taken off, or the minimums are applied. */
SK_INLINE void TIER(end_256)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, __m512i *dot, __m512 *a, bool min, int n)
{
    __m512i t[PANEL_TILE];
    TIER(tile_zero)(t, n);
    if (min || p->bias)
        for (size_t k = 0; k < SK_UNIT / 32; k++) {
            const __m512i pair = TIER(load_i)(p->pair[k]);
            PANEL_UNROLL
            for (int c = 0; c < n; c++)
                t[c] = _mm512_dpwssd_epi32(t[c], pair, TIER(spread)(x[c] + kind->sum + 4 * k));
        }
    PANEL_UNROLL
    for (int c = 0; c < n; c++) {
        const __m512 d = TIER(spread_f)(x[c] + kind->d);
        dot[c] = min ? dot[c] : _mm512_sub_epi32(dot[c], t[c]);
        a[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[c]),
                               _mm512_mul_ps(_mm512_loadu_ps(p->d[0]), d), a[c]);
        if (min) /* -(a * b) + c */
            a[c] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(t[c]),
                                    _mm512_mul_ps(_mm512_loadu_ps(p->m[0]), d), a[c]);
    }
}

/* Group 256. `sub` weights share a sub-scale: 16 or 32. */
SK_INLINE void TIER(tile_256)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                              const uint8_t *const *x, __m512 *a, int sub, bool min, int n)
{
    __m512i dot[PANEL_TILE], t[PANEL_TILE];
    size_t at = kind->code;
    TIER(tile_zero)(dot, n);
    for (int k = 0; k < SK_UNIT / 16; k += sub / 16, at += (size_t)sub) {
        TIER(tile_zero)(t, n);
        TIER(tile_dots)(p->q + 4 * k, sub / 4, x, at, t, n);
        const __m512i scale = TIER(load_i)(p->scale[k]);
        PANEL_UNROLL
        for (int c = 0; c < n; c++)
            dot[c] = _mm512_add_epi32(dot[c], _mm512_mullo_epi32(t[c], scale));
    }
    TIER(end_256)(p, kind, x, dot, a, min, n);
}

/* A factor for one of two neighbouring int16 in each lane, 0 for the other. */
SK_INLINE __m512i TIER(one_of_two)(int factor, size_t which)
{
    return _mm512_set1_epi32((int32_t)((uint32_t)(factor & 0xffff) << 16 * which));
}

/* Two sums, that of group g among them. */
SK_INLINE __m512i TIER(sums_of)(const TIER(panel_kind) * kind, const uint8_t *x, size_t g)
{
    return TIER(spread)(x + kind->sum + 2 * (g & ~(size_t)1));
}

/* What a sum of 32 products begins with: less the bias. */
SK_INLINE void TIER(begin_32)(const TIER(panel) * p, const TIER(panel_kind) * kind, size_t g,
                              const uint8_t *const *x, __m512i *t, bool min, int n)
{
    const __m512i bias = TIER(one_of_two)(-p->bias, g & 1);
    PANEL_UNROLL
    for (int c = 0; c < n; c++)
        t[c] = min ? _mm512_setzero_si512()
                   : _mm512_madd_epi16(TIER(sums_of)(kind, x[c], g), bias);
}

SK_INLINE void TIER(end_32)(const TIER(panel) * p, const TIER(panel_kind) * kind, size_t g,
                            const uint8_t *const *x, const __m512i *t, __m512 *a, bool min, int n)
{
    const __m512i one = TIER(one_of_two)(1, g & 1);
    const __m512 d = _mm512_loadu_ps(p->d[g]), m = _mm512_loadu_ps(p->m[g % 8]);
    PANEL_UNROLL
    for (int c = 0; c < n; c++) {
        const __m512 x_d = TIER(spread_f)(x[c] + kind->d + 4 * g);
        a[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(t[c]), _mm512_mul_ps(d, x_d), a[c]);
        if (!min)
            continue;
        const __m512i sum = _mm512_madd_epi16(TIER(sums_of)(kind, x[c], g), one);
        a[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(m, x_d), a[c]);
    }
}

/* Group 32. A unit begins at an even group of the row. */
SK_INLINE void TIER(tile_32)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, __m512 *a, bool min, int n)
{
    const size_t n_group = (size_t)kind->n_group;
    for (size_t g = 0; g < n_group; g++) {
        __m512i t[PANEL_TILE];
        TIER(begin_32)(p, kind, g, x, t, min, n);
        TIER(tile_dots)(p->q + 8 * g, 8, x, kind->code + 32 * g, t, n);
        TIER(end_32)(p, kind, g, x, t, a, min, n);
    }
}

/* Group 16. The columns have no sums of 16 codes; they are made here, times the bias. */
SK_INLINE void TIER(tile_16)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, __m512 *a, int n)
{
    const __m512i bias = _mm512_set1_epi8((char)p->bias);
    for (int g = 0; g < kind->n_group; g++) {
        const size_t at = kind->code + 16 * (size_t)g, d_at = kind->d + (size_t)(g / 2 * 4);
        PANEL_UNROLL
        for (int c = 0; c < n; c++) {
            __m512i t = _mm512_setzero_si512(), u = t;
            for (int i = 0; i < 4; i++) {
                const __m512i code = TIER(spread)(x[c] + at + 4 * i);
                t = _mm512_dpbusd_epi32(t, TIER(load_i)(p->q[4 * g + i]), code);
                u = _mm512_dpbusd_epi32(u, bias, code);
            }
            const __m512 d = _mm512_mul_ps(_mm512_loadu_ps(p->d[g]), TIER(spread_f)(x[c] + d_at));
            a[c] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(t, u)), d, a[c]);
        }
    }
}

SK_INLINE void TIER(tile_n)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                            const uint8_t *const *columns, float (*acc)[16], int n)
{
    const uint8_t *x[PANEL_TILE];
    __m512 a[PANEL_TILE];
    PANEL_UNROLL
    for (int c = 0; c < n; c++) {
        x[c] = columns[c];
        a[c] = _mm512_loadu_ps(acc[c]);
    }
    if (kind->group == 256 && kind->sub == 32 && kind->min)
        TIER(tile_256)(p, kind, x, a, 32, true, n);
    else if (kind->group == 256 && kind->sub == 32)
        TIER(tile_256)(p, kind, x, a, 32, false, n);
    else if (kind->group == 256 && kind->min)
        TIER(tile_256)(p, kind, x, a, 16, true, n);
    else if (kind->group == 256)
        TIER(tile_256)(p, kind, x, a, 16, false, n);
    else if (kind->group == 32 && kind->min)
        TIER(tile_32)(p, kind, x, a, true, n);
    else if (kind->group == 32)
        TIER(tile_32)(p, kind, x, a, false, n);
    else
        TIER(tile_16)(p, kind, x, a, n);
    PANEL_UNROLL
    for (int c = 0; c < n; c++)
        _mm512_storeu_ps(acc[c], a[c]);
}

static void TIER(tile_8)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                         const uint8_t *const *x, float (*acc)[16])
{
    TIER(tile_n)(p, kind, x, acc, PANEL_TILE);
}

static void TIER(tile_4)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                         const uint8_t *const *x, float (*acc)[16])
{
    TIER(tile_n)(p, kind, x, acc, 4);
}

static void TIER(tile_1)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                         const uint8_t *const *x, float (*acc)[16])
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

/* One unit of sixteen rows times all columns of a chunk. */
static void TIER(panel_times)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                              const uint8_t *const *x, float (*acc)[16], int n_col)
{
    int c = 0;
    for (; c + PANEL_TILE <= n_col; c += PANEL_TILE)
        TIER(tile_8)(p, kind, x + c, acc + c);
    for (; c + 4 <= n_col; c += 4)
        TIER(tile_4)(p, kind, x + c, acc + c);
    for (; c < n_col; c++)
        TIER(tile_1)(p, kind, x + c, acc + c);
}

/* The next unit's numbers. */
SK_INLINE void TIER(panel_next)(TIER(panel_kind) * kind)
{
    kind->code += SK_UNIT;
    kind->d += kind->group == 256 ? 4 : 32;
    kind->sum += kind->group == 256 ? 32 : 16;
}

/* For the first unit of a product. */
static TIER(panel_kind) TIER(panel_first)(const sk_matmul *m)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    const sk_act_row x = sk_act_view(f->act, m->act, m->n);
    return (TIER(panel_kind)){.d = (size_t)((const char *)x.d - (const char *)x.code),
                              .sum = (size_t)((const char *)x.sum - (const char *)x.code),
                              .group = f->group,
                              .sub = TIER(panel_sub)(m->dtype),
                              .min = f->min};
}

SK_INLINE const uint8_t *TIER(column)(const sk_matmul *m, int64_t c)
{
    return (const uint8_t *)m->act + (size_t)(m->in_col ? m->in_col[c] : c) * m->act_size;
}

SK_INLINE float *TIER(outputs)(const sk_matmul *m, int64_t c)
{
    return m->out + (m->out_col ? m->out_col[c] : c) * m->out_stride;
}

/* Rows [r, r + 16) times columns [first, first + n_col), at most PANEL_COLS. */
static void TIER(panel_chunk)(const sk_matmul *m, int64_t r, int64_t first, int n_col)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    const sk_dtype *type = sk_dtype_get((uint64_t)m->dtype);
    const size_t unit_size = SK_UNIT / type->n_elem * type->n_byte;
    const uint8_t *w = (const uint8_t *)m->w + (size_t)r * m->row_size;
    TIER(panel_kind) kind = TIER(panel_first)(m);
    TIER(panel) panel;
    const uint8_t *x[PANEL_COLS];
    _Alignas(64) float acc[PANEL_COLS][16];
    memset(acc, 0, (size_t)n_col * sizeof acc[0]);
    for (int c = 0; c < n_col; c++)
        x[c] = TIER(column)(m, first + c);
    for (int64_t i = 0; i < m->n; i += SK_UNIT, w += unit_size) {
        const int n = m->n - i < SK_UNIT ? (int)(m->n - i) : SK_UNIT;
        kind.n_group = n / f->group;
        TIER(panel_fill)(&panel, m->dtype, f, w, m->row_size, n);
        TIER(panel_times)(&panel, &kind, x, acc, n_col);
        TIER(panel_next)(&kind);
    }
    for (int c = 0; c < n_col; c++)
        memcpy(TIER(outputs)(m, first + c) + r, acc[c], sizeof acc[c]);
}

/* ---- Few columns: a unit is unpacked and multiplied at once, its bytes never leave the registers
 */

/* One unit of sixteen rows times n columns; `dtype` and n are constants. */
SK_INLINE void TIER(fused_256)(int dtype, TIER(panel) * p, const TIER(panel_kind) * kind,
                               const uint8_t *w, size_t row_size, const uint8_t *const *x,
                               __m512 *a, bool min, int n)
{
    const bool wide = dtype == SK_Q4_K || dtype == SK_Q5_K || dtype == SK_IQ4_XS;
    const int step = wide ? 2 : 1; /* sub-blocks of 16 that share a sub-scale */
    __m512i dot[FUSED_COLS];
    TIER(tile_zero)(dot, n);
    for (unsigned i = 0; i < 4; i++) {
        __m512i out[16];
        TIER(unpack_part)(dtype, w, row_size, i, out);
        PANEL_UNROLL
        for (int s = 0; s < 4; s += step) {
            const int at = TIER(part_at)(dtype, (int)i, s);
            const __m512i scale = TIER(load_i)(p->scale[at]);
            __m512i t[FUSED_COLS];
            TIER(tile_zero)(t, n);
            PANEL_UNROLL
            for (int j = 0; j < 4 * step; j++)
                TIER(tile_dot)(out[4 * s + j], x, kind->code + 16 * (size_t)at + 4 * (size_t)j, t, n);
            PANEL_UNROLL
            for (int c = 0; c < n; c++)
                dot[c] = _mm512_add_epi32(dot[c], _mm512_mullo_epi32(t[c], scale));
        }
    }
    TIER(end_256)(p, kind, x, dot, a, min, n);
}

SK_INLINE void TIER(fused_32)(int dtype, TIER(panel) * p, const TIER(panel_kind) * kind,
                              const uint8_t *w, size_t row_size, const uint8_t *const *x, __m512 *a,
                              bool min, int n)
{
    for (size_t g = 0; g < 8; g++) {
        __m512i out[8], t[FUSED_COLS];
        TIER(part_32)(dtype, w, row_size, g, out);
        TIER(begin_32)(p, kind, g, x, t, min, n);
        PANEL_UNROLL
        for (size_t j = 0; j < 8; j++)
            TIER(tile_dot)(out[j], x, kind->code + 32 * g + 4 * j, t, n);
        TIER(end_32)(p, kind, g, x, t, a, min, n);
    }
}

/* Asks for the bytes that the panel after this one has in the place of `n` bytes from p on. */
SK_INLINE void TIER(fetch_ahead)(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += 64)
        _mm_prefetch((const char *)p + i, _MM_HINT_T0);
}

/* All whole units of rows [r, r + 16) times n columns. `ahead` is what this CPU will want soon. */
SK_INLINE void TIER(fused_rows)(int dtype, const sk_matmul *m, int64_t r, int64_t first,
                                const uint8_t *ahead, int n)
{
    const sk_coding *f = sk_coding_get(dtype);
    const sk_dtype *type = sk_dtype_get((uint64_t)dtype);
    const size_t unit_size = SK_UNIT / type->n_elem * type->n_byte, row_size = m->row_size;
    const uint8_t *w = (const uint8_t *)m->w + (size_t)r * row_size, *x[FUSED_COLS];
    const bool min = dtype == SK_Q4_K || dtype == SK_Q5_K || dtype == SK_Q2_K ||
                     dtype == SK_Q4_1 || dtype == SK_Q5_1;
    const bool big = TIER(is_256)(dtype);
    TIER(panel_kind) kind = TIER(panel_first)(m);
    TIER(panel) panel;
    _Alignas(64) float acc[FUSED_COLS][16];
    __m512 a[FUSED_COLS];
    int64_t i = 0;
    PANEL_UNROLL
    for (int c = 0; c < n; c++) {
        x[c] = TIER(column)(m, first + c);
        a[c] = _mm512_setzero_ps();
    }
    panel.bias = TIER(unpack_bias)(dtype);
    for (; i + SK_UNIT <= m->n; i += SK_UNIT, w += unit_size, ahead += 16 * unit_size) {
        TIER(fetch_ahead)(ahead, 16 * unit_size);
        TIER(unpack_head)(dtype, &panel, w, row_size);
        if (big)
            TIER(fused_256)(dtype, &panel, &kind, w, row_size, x, a, min, n);
        else
            TIER(fused_32)(dtype, &panel, &kind, w, row_size, x, a, min, n);
        TIER(panel_next)(&kind);
    }
    PANEL_UNROLL
    for (int c = 0; c < n; c++)
        _mm512_store_ps(acc[c], a[c]);
    if (i < m->n) {
        kind.n_group = (int)(m->n - i) / f->group;
        TIER(panel_fill)(&panel, dtype, f, w, row_size, (int)(m->n - i));
        TIER(panel_times)(&panel, &kind, x, acc, n);
    }
    for (int c = 0; c < n; c++)
        memcpy(TIER(outputs)(m, first + c) + r, acc[c], sizeof acc[c]);
}

#define X(type, name) \
    static void TIER(fused_##name)(const sk_matmul *m, int64_t r, int64_t c, const uint8_t *ahead) \
    { \
        TIER(fused_rows)(type, m, r, c, ahead, 1); \
    }
UNPACK_TYPES(X)
#undef X

/* Rows [r, r + 16) times column c; false where the type is not unpacked in registers. */
static bool TIER(fused)(const sk_matmul *m, int64_t r, int64_t c, const uint8_t *ahead)
{
    switch (m->dtype) {
#define X(type, name) \
    case type: \
        TIER(fused_##name)(m, r, c, ahead); \
        return true;
        UNPACK_TYPES(X)
#undef X
    default:
        return false;
    }
}

/* ---- The whole ---------------------------------------------------------------------------------
 */

/* Rows [r, r + 16) times columns [col0, col1). */
static void TIER(panel_rows)(const sk_matmul *m, int64_t r, int64_t last, int64_t col0, int64_t col1)
{
    const int64_t next = r + 32 <= last ? r + 16 : r;
    const uint8_t *ahead = (const uint8_t *)m->w + (size_t)next * m->row_size;
    if (col1 - col0 == 1 && TIER(fused)(m, r, col0, ahead))
        return;
    for (int64_t c = col0; c < col1; c += PANEL_COLS) {
        const int64_t left = col1 - c;
        TIER(panel_chunk)(m, r, c, left < PANEL_COLS ? (int)left : PANEL_COLS);
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
        TIER(panel_rows)(m, r + 16 <= row1 ? r : row1 - 16, row1, col0, col1);
}

#undef PANEL_COLS
#undef PANEL_TILE
#undef FUSED_COLS
#undef PANEL_UNROLL
#undef UNPACK_TYPES
