/* SPDX-License-Identifier: MIT */
/*
 * The product of quantised weights for a tier with registers of LANES 32-bit lanes (lanes_impl.h).
 * A template like the others.
 *
 * LANES rows are taken together, a row in each lane, so that no sum ever crosses lanes and every
 * step of the contract is one instruction for all of them. A unit (256 weights) of the rows is
 * unpacked into a panel: for each four weights one register, four bytes a row. The codes of a
 * column, four at a time, are broadcast to all lanes and multiplied with it. The panel is met by
 * all columns of a chunk before the next unit is unpacked; the columns' accumulators, a register
 * each, wait on the stack.
 *
 * The bytes of a panel are value + bias. Sums of the columns' codes take the bias back:
 * sum (q + bias) * code - bias * sum code is exact in integers. With sub-scales that is a sum of
 * products of int16, one for every 16 weights, which is also the form of the minimums: `pair`.
 *
 * Bounds: a panel's byte times a code is below 2^15, a sub-block's sum below 2^19, times the
 * sub-scale below 2^26, and sixteen of them below 2^30.
 *
 * Memory: panel 7 KiB, accumulators and columns 7 KiB, on the stack, for sixteen lanes.
 */
#include "tensor/lanes_impl.h"

#define PANEL_COLS 96 /* columns that share an unpacked panel */

/* A unit of LANES rows. What there is besides q depends on the group (unit.h). */
typedef struct TIER(panel) {
    _Alignas(64) uint8_t q[SK_UNIT / 4][4 * LANES]; /* weights 4i to 4i + 3 of row r: q[i][4r] */
    int32_t scale[SK_UNIT / 16][LANES];             /* group 256: [sub-block][row], as factors */
    int16_t pair[SK_UNIT / 32][2 * LANES]; /* group 256: [sub-block / 2][row][2], see end_256 */
    float d[SK_UNIT / 16][LANES];          /* [group][row] */
    float m[SK_UNIT / 32][LANES];
    int bias, room; /* see lanes_impl.h; room 1: q has signs where no bias takes them */
} TIER(panel);

/* What the tiles of a unit have in common. Columns are rows of activations, `code`, `d` and `sum`
 * the bytes from a row's beginning to the numbers that meet the unit. */
typedef struct TIER(panel_kind) {
    size_t code, d, sum;
    int group, sub, n_group; /* sub: weights that share a factor; n_group: groups of this unit */
    bool min;
} TIER(panel_kind);

/* ---- Tiles: a panel times n columns (a constant), group by group --------------------------------
 */

/* t[c] += register i of weights, times codes; `at` is where the columns' codes of the unit are. */
SK_INLINE void TIER(tile_dot)(vi w, const uint8_t *const *x, size_t at, size_t i, vs *t, bool heavy,
                              int n)
{
    SK_UNROLL
    for (int c = 0; c < n; c++)
        t[c] = vs_dot(t[c], w, vx_load(x[c] + at + i / 4 * 16), (int)(i % 4), heavy);
}

/* s[c] += n4 registers of weights at q, times codes; 2^room registers at a time as `room` says. */
SK_INLINE void TIER(tile_dots)(const uint8_t (*q)[4 * LANES], size_t n4, size_t room,
                               const uint8_t *const *x, size_t at, vi *s, bool heavy, int n)
{
    vs t[PANEL_TILE];
    SK_UNROLL
    for (size_t i = 0; i < n4; i++) {
        if (i % room == 0) {
            SK_UNROLL
            for (int c = 0; c < n; c++)
                t[c] = vs_from(s[c]);
        }
        TIER(tile_dot)(vi_load(q[i]), x, at, i, t, heavy, n);
        if (i % room < room - 1)
            continue;
        SK_UNROLL
        for (int c = 0; c < n; c++)
            s[c] = vi_join(s[c], t[c]);
    }
}

/* The same with a factor: s[c] += factor * sum. */
SK_INLINE void TIER(tile_macs)(const uint8_t (*q)[4 * LANES], size_t n4, size_t room, vi factor,
                               const uint8_t *const *x, size_t at, vi *s, bool heavy, int n)
{
    vs t[PANEL_TILE];
    SK_UNROLL
    for (size_t i = 0; i < n4; i++) {
        if (i % room == 0) {
            SK_UNROLL
            for (int c = 0; c < n; c++)
                t[c] = vs_from((vi){0});
        }
        TIER(tile_dot)(vi_load(q[i]), x, at, i, t, heavy, n);
        if (i % room < room - 1)
            continue;
        SK_UNROLL
        for (int c = 0; c < n; c++)
            s[c] = vi_mac(s[c], t[c], factor);
    }
}

/* The end of a group of 256: what the bias added is taken off, or the minimums are applied. */
SK_INLINE void TIER(end_256)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, vi *dot, vf *a, bool min, int n)
{
    vi t[PANEL_TILE];
    SK_UNROLL
    for (int c = 0; c < n; c++)
        t[c] = (vi){0};
    if (min || p->bias)
        for (size_t k = 0; k < SK_UNIT / 32; k++) {
            const vi pair = vi_load(p->pair[k]);
            SK_UNROLL
            for (int c = 0; c < n; c++)
                t[c] = vi_pairs(t[c], pair, vi_four(x[c] + kind->sum + 4 * k));
        }
    SK_UNROLL
    for (int c = 0; c < n; c++) {
        const vf d = vf_four(x[c] + kind->d);
        dot[c] = min ? dot[c] : dot[c] - t[c];
        a[c] = vf_fma(vf_of(dot[c]), vf_load(p->d[0]) * d, a[c]);
        if (min)
            a[c] = vf_fma(vf_of(t[c]), -(vf_load(p->m[0]) * d), a[c]);
    }
}

/* Group 256. `sub` weights share a factor: 16 or 32. */
SK_INLINE void TIER(tile_256)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                              const uint8_t *const *x, vf *a, size_t sub, size_t room, bool heavy,
                              int n)
{
    vi dot[PANEL_TILE];
    size_t at = kind->code;
    SK_UNROLL
    for (int c = 0; c < n; c++)
        dot[c] = (vi){0};
    SK_ROLL
    for (size_t k = 0; k < SK_UNIT / 16; k += sub / 16, at += sub)
        TIER(tile_macs)(p->q + 4 * k, sub / 4, room, vi_load(p->scale[k]), x, at, dot, heavy, n);
    TIER(end_256)(p, kind, x, dot, a, kind->min, n);
}

/* A factor for one of two neighbouring int16 in each lane, 0 for the other. */
SK_INLINE vi TIER(one_of_two)(int factor, size_t which)
{
    return vi_splat((uint32_t)(factor & 0xffff) << 16 * which);
}

/* Two sums, that of group g among them. */
SK_INLINE vi TIER(sums_of)(const TIER(panel_kind) * kind, const uint8_t *x, size_t g)
{
    return vi_four(x + kind->sum + 2 * (g & ~(size_t)1));
}

/* What a sum of 32 products begins with: less the bias. */
SK_INLINE void TIER(begin_32)(const TIER(panel) * p, const TIER(panel_kind) * kind, size_t g,
                              const uint8_t *const *x, vi *s, bool biased, int n)
{
    const vi bias = TIER(one_of_two)(-p->bias, g & 1);
    SK_UNROLL
    for (int c = 0; c < n; c++)
        s[c] = biased ? vi_madd(TIER(sums_of)(kind, x[c], g), bias) : (vi){0};
}

SK_INLINE void TIER(end_32)(const TIER(panel) * p, const TIER(panel_kind) * kind, size_t g,
                            const uint8_t *const *x, const vi *s, vf *a, bool min, int n)
{
    const vi one = TIER(one_of_two)(1, g & 1);
    const vf d = vf_load(p->d[g]), m = vf_load(p->m[g % 8]);
    SK_UNROLL
    for (int c = 0; c < n; c++) {
        const vf x_d = vf_four(x[c] + kind->d + 4 * g);
        a[c] = vf_fma(vf_of(s[c]), d * x_d, a[c]);
        if (min)
            a[c] = vf_fma(vf_of(vi_madd(TIER(sums_of)(kind, x[c], g), one)), m * x_d, a[c]);
    }
}

/* Group 32. A unit begins at an even group of the row. */
SK_INLINE void TIER(tile_32)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, vf *a, bool min, size_t room, bool heavy,
                             int n)
{
    const bool biased = !min && (LANES_BIAS || !heavy);
    const size_t n_group = (size_t)kind->n_group;
    SK_ROLL
    for (size_t g = 0; g < n_group; g++) {
        vi s[PANEL_TILE];
        TIER(begin_32)(p, kind, g, x, s, biased, n);
        TIER(tile_dots)(p->q + 8 * g, 8, room, x, kind->code + 32 * g, s, heavy, n);
        TIER(end_32)(p, kind, g, x, s, a, min, n);
    }
}

/* Group 16. The columns have no sums of 16 codes; they are made here, times the bias. */
SK_INLINE void TIER(tile_16)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, vf *a, size_t room, bool heavy, int n)
{
    _Alignas(64) uint8_t bias[4][4 * LANES];
    memset(bias, p->bias, sizeof bias);
    SK_ROLL
    for (size_t g = 0; g < (size_t)kind->n_group; g++) {
        const size_t at = kind->code + 16 * g, d_at = kind->d + g / 2 * 4;
        vi s[PANEL_TILE], u[PANEL_TILE];
        SK_UNROLL
        for (int c = 0; c < n; c++)
            s[c] = u[c] = (vi){0};
        TIER(tile_dots)(p->q + 4 * g, 4, room, x, at, s, heavy, n);
        if (LANES_BIAS || !heavy)
            TIER(tile_dots)(bias, 4, room, x, at, u, heavy, n);
        SK_UNROLL
        for (int c = 0; c < n; c++)
            a[c] = vf_fma(vf_of(s[c] - u[c]), vf_load(p->d[g]) * vf_four(x[c] + d_at), a[c]);
    }
}

SK_INLINE void TIER(tile_n)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                            const uint8_t *const *columns, float (*acc)[LANES], int n)
{
    const int room = LANES_NARROW ? p->room : 8;
    const uint8_t *x[PANEL_TILE];
    vf a[PANEL_TILE];
    SK_UNROLL
    for (int c = 0; c < n; c++) {
        x[c] = columns[c];
        a[c] = vf_load(acc[c]);
    }
    if (kind->group == 256 && room == 1)
        TIER(tile_256)(p, kind, x, a, 16, 1, true, n);
    else if (kind->group == 256 && room == 2)
        TIER(tile_256)(p, kind, x, a, 16, 2, false, n);
    else if (kind->group == 256 && kind->sub == 32)
        TIER(tile_256)(p, kind, x, a, 32, LANES_NARROW ? 4 : 8, false, n);
    else if (kind->group == 256)
        TIER(tile_256)(p, kind, x, a, 16, 4, false, n);
    else if (kind->group == 16)
        TIER(tile_16)(p, kind, x, a, LANES_NARROW ? 1 : 4, LANES_NARROW, n);
    else if (room == 1)
        TIER(tile_32)(p, kind, x, a, false, 1, true, n);
    else if (kind->min)
        TIER(tile_32)(p, kind, x, a, true, LANES_NARROW ? 4 : 8, false, n);
    else
        TIER(tile_32)(p, kind, x, a, false, LANES_NARROW ? 4 : 8, false, n);
    SK_UNROLL
    for (int c = 0; c < n; c++)
        vf_store(acc[c], a[c]);
}

static void TIER(tile_most)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                            const uint8_t *const *x, float (*acc)[LANES])
{
    TIER(tile_n)(p, kind, x, acc, PANEL_TILE);
}

#if PANEL_TILE > 4
static void TIER(tile_four)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                            const uint8_t *const *x, float (*acc)[LANES])
{
    TIER(tile_n)(p, kind, x, acc, 4);
}
#endif

static void TIER(tile_one)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                           const uint8_t *const *x, float (*acc)[LANES])
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
        const int s = u->scale[k];
        p->scale[k][r] = LANES_NARROW ? s * 65536 + (s & 0xffff) : s; /* as vi_factor has it */
        p->pair[k / 2][2 * r + k % 2] = f->min ? u->min[k] : (int16_t)(s * p->bias);
    }
    const int n_group = f->group == 256 ? 1 : n / f->group;
    for (int g = 0; g < n_group; g++) {
        p->d[g][r] = u->d[g];
        if (f->min)
            p->m[g][r] = u->m[g];
    }
}

/* n weights of n_row rows, from `w` on; fewer than LANES are repeated. */
static void TIER(panel_fill)(TIER(panel) * p, int dtype, const sk_coding *f, const uint8_t *w,
                             size_t row_size, int n_row, int n)
{
    sk_unit u;
    if (n == SK_UNIT && n_row == LANES && TIER(unpack)(dtype, p, w, row_size))
        return;
    p->bias = f->min ? 0 : LANES_BIAS;
    p->room = f->min ? 4 : 1; /* the types with a minimum have codes up to 31 */
    for (int r = 0; r < LANES; r++) {
        if (r < n_row)
            sk_decode(dtype, w + (size_t)r * row_size, n, &u);
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

/* One unit of a panel's rows times all columns of a chunk. */
static void TIER(panel_times)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                              const uint8_t *const *x, float (*acc)[LANES], int n_col)
{
    int c = 0;
    for (; c + PANEL_TILE <= n_col; c += PANEL_TILE)
        TIER(tile_most)(p, kind, x + c, acc + c);
#if PANEL_TILE > 4
    for (; c + 4 <= n_col; c += 4)
        TIER(tile_four)(p, kind, x + c, acc + c);
#endif
    for (; c < n_col; c++)
        TIER(tile_one)(p, kind, x + c, acc + c);
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

/* Asks for `n` bytes at `p`, which lie past the panel's rows, where the next panel is: as many
 * streams are more than the CPU follows by itself. Where the call or the matrix ends, nothing or
 * something of little use is asked for, which never faults. Each line is asked for once, by the
 * call in whose bytes it begins: to ask for a line that is on its way holds up those behind it. */
SK_INLINE void TIER(fetch)(uintptr_t p, size_t n)
{
    const uintptr_t end = p + n;
    for (p = (p + 63) / 64 * 64; p < end; p += 64)
        __builtin_prefetch((const char *)p, 0, 0);
}

/* Rows [r, r + n_row) times columns [first, first + n_col), at most LANES and PANEL_COLS. */
static void TIER(panel_chunk)(const sk_matmul *m, int64_t r, int n_row, int64_t first, int n_col)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    const sk_dtype *type = sk_dtype_get((uint64_t)m->dtype);
    const size_t unit_size = SK_UNIT / type->n_elem * type->n_byte;
    const uint8_t *w = (const uint8_t *)m->w + (size_t)r * m->row_size;
    uintptr_t ahead = (uintptr_t)w + LANES * m->row_size;
    TIER(panel_kind) kind = TIER(panel_first)(m);
    TIER(panel) panel;
    const uint8_t *x[PANEL_COLS];
    _Alignas(64) float acc[PANEL_COLS][LANES];
    memset(acc, 0, (size_t)n_col * sizeof acc[0]);
    for (int c = 0; c < n_col; c++)
        x[c] = TIER(column)(m, first + c);
    for (int64_t i = 0; i < m->n; i += SK_UNIT, w += unit_size, ahead += LANES * unit_size) {
        const int n = m->n - i < SK_UNIT ? (int)(m->n - i) : SK_UNIT;
        kind.n_group = n / f->group;
        TIER(fetch)(ahead, LANES * unit_size);
        TIER(panel_fill)(&panel, m->dtype, f, w, m->row_size, n_row, n);
        TIER(panel_times)(&panel, &kind, x, acc, n_col);
        TIER(panel_next)(&kind);
    }
    for (int c = 0; c < n_col; c++)
        memcpy(TIER(outputs)(m, first + c) + r, acc[c], (size_t)n_row * sizeof(float));
}

#if PANEL_FUSED
#include "tensor/fused_impl.h"
#endif

/* Rows [r, r + n_row) times columns [col0, col1). */
static void TIER(panel_rows)(const sk_matmul *m, int64_t r, int n_row, int64_t col0, int64_t col1)
{
#if PANEL_FUSED
    if (col1 - col0 == 1 && n_row == LANES && TIER(fused)(m, r, col0))
        return;
#endif
    for (int64_t c = col0; c < col1; c += PANEL_COLS) {
        const int64_t left = col1 - c;
        TIER(panel_chunk)(m, r, n_row, c, left < PANEL_COLS ? (int)left : PANEL_COLS);
    }
}

/* The last panel of a call may overlap the one before: the same sums are then made twice. */
static void TIER(matmul_panels)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0,
                                int64_t col1)
{
    if (row1 - row0 < LANES)
        TIER(panel_rows)(m, row0, (int)(row1 - row0), col0, col1);
    else
        for (int64_t r = row0; r < row1; r += LANES)
            TIER(panel_rows)(m, r + LANES <= row1 ? r : row1 - LANES, LANES, col0, col1);
}

#undef PANEL_COLS
#undef UNPACK_TYPES
