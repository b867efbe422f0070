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
 * sum (q + bias) * code - bias * sum code is exact in integers. Where a sum of the columns' codes
 * is at hand for each sum of products, that begins with it (tile_begin): a scalar product, made
 * while the vector units multiply. Else, with sub-scales, it is a sum of products of int16, which
 * is also the form of the minimums: `pair`.
 *
 * Bounds: a panel's byte times a code is below 2^15, a sub-block's sum below 2^19, times the
 * sub-scale below 2^26, and sixteen of them below 2^30.
 *
 * Memory: two panels 14 KiB, accumulators and columns 26 KiB, on the stack, for sixteen lanes.
 */
#include "tensor/lanes_impl.h"

#define PANEL_COLS 192 /* columns that share an unpacked panel */
#define PANEL_ROWS (PANEL_PAIR * LANES)
#define PANEL_OUT (PANEL_PAIR * PANEL_TILE) /* sums and results of a tile */
#define TILE_ROOM (LANES_NARROW ? 4 : 8)

/* A unit of LANES rows. What there is besides q depends on the group (unit.h). */
typedef struct TIER(panel) {
    _Alignas(64) uint8_t q[SK_UNIT / 4][4 * LANES]; /* weights 4i to 4i + 3 of row r: q[i][4r] */
    int32_t scale[SK_UNIT / 16][LANES];             /* group 256: [sub-block][row], as factors */
    int16_t pair[SK_UNIT / 32][2 * LANES]; /* group 256: [sub-block / 2][row][2], a sub-block as
                                              long as the type's; see end_256 */
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

/* ---- Tiles: np panels times n columns (constants), group by group -------------------------------
 *
 * A broadcast of codes meets two panels where registers allow it, so that loads do not bound the
 * tile. Output o is that of panel o / n and column o % n.
 */

/* t[o] += register i of each panel's weights at q, times codes; `at` is where the columns' codes
 * are. */
SK_INLINE void TIER(tile_dot)(const vi *w, const uint8_t *const *x, size_t at, size_t i, vs *t,
                              bool heavy, int np, int n)
{
    SK_UNROLL
    for (int c = 0; c < n; c++) {
        const vx code = vx_load(x[c] + at + i / 4 * 16);
        SK_UNROLL
        for (int k = 0; k < np; k++)
            t[k * n + c] = vs_dot(t[k * n + c], w[k], code, (int)(i % 4), heavy);
    }
}

/* Register i of each panel. */
SK_INLINE void TIER(tile_weights)(const TIER(panel) * p, size_t i, vi *w, int np)
{
    SK_UNROLL
    for (int k = 0; k < np; k++)
        w[k] = vi_load(p[k].q[i]);
}

/* What sums of products begin with, the same for all panels: less the bias times sum `i` of codes.
 */
SK_INLINE void TIER(tile_begin)(const TIER(panel) * p, const TIER(panel_kind) * kind, size_t i,
                                const uint8_t *const *x, vi *s, bool biased, int np, int n)
{
    SK_UNROLL
    for (int c = 0; c < n; c++) {
        int16_t sum = 0;
        if (biased)
            memcpy(&sum, x[c] + kind->sum + sizeof sum * i, sizeof sum);
        s[c] = biased ? vi_splat((uint32_t)(-p->bias * sum)) : (vi){0};
    }
    SK_UNROLL
    for (int o = n; o < np * n; o++)
        s[o] = s[o - n];
}

/* s[o] += n4 registers of weights, the first being `first`, times codes; `room` registers at a time
 * before sums are widened. */
SK_INLINE void TIER(tile_dots)(const TIER(panel) * p, size_t first, size_t n4, size_t room,
                               const uint8_t *const *x, size_t at, vi *s, bool heavy, int np, int n)
{
    vs t[PANEL_OUT];
    SK_UNROLL
    for (size_t i = 0; i < n4; i++) {
        if (i % room == 0) {
            SK_UNROLL
            for (int o = 0; o < np * n; o++)
                t[o] = vs_from(s[o]);
        }
        vi w[PANEL_PAIR];
        TIER(tile_weights)(p, first + i, w, np);
        TIER(tile_dot)(w, x, at, i, t, heavy, np, n);
        if (i % room < room - 1)
            continue;
        SK_UNROLL
        for (int o = 0; o < np * n; o++)
            s[o] = vi_join(s[o], t[o]);
    }
}

/* The same with the panels' factor `at_scale`: s[o] += factor * (sum beginning with begin[o]). */
SK_INLINE void TIER(tile_macs)(const TIER(panel) * p, size_t first, size_t n4, size_t room,
                               size_t at_scale, const uint8_t *const *x, size_t at, const vi *begin,
                               vi *s, bool heavy, int np, int n)
{
    vs t[PANEL_OUT];
    SK_UNROLL
    for (size_t i = 0; i < n4; i++) {
        if (i % room == 0) {
            SK_UNROLL
            for (int o = 0; o < np * n; o++)
                t[o] = vs_from(begin[o]);
        }
        vi w[PANEL_PAIR];
        TIER(tile_weights)(p, first + i, w, np);
        TIER(tile_dot)(w, x, at, i, t, heavy, np, n);
        if (i % room < room - 1)
            continue;
        SK_UNROLL
        for (int k = 0; k < np; k++) {
            const vi factor = vi_load(p[k].scale[at_scale]);
            SK_UNROLL
            for (int o = k * n; o < k * n + n; o++)
                s[o] = vi_mac(s[o], t[o], factor);
        }
    }
}

/* What takes off the bias of a group of 256, or its minimums: sums of codes times `pair`. */
SK_INLINE void TIER(tile_pairs)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                                const uint8_t *const *x, vi *t, int np, int n)
{
    for (int i = 0; i < SK_UNIT / 2 / kind->sub; i++) {
        SK_UNROLL
        for (int k = 0; k < np; k++) {
            const vi pair = vi_load(p[k].pair[i]);
            SK_UNROLL
            for (int c = 0; c < n; c++)
                t[k * n + c] =
                    vi_pairs(t[k * n + c], pair, vi_four(x[c] + kind->sum + 4 * (size_t)i));
        }
    }
}

/* The end of a group of 256: `t` is what the bias has added, or the sum of the minimums. */
SK_INLINE void TIER(add_256)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, const vi *dot, const vi *t,
                             float (*acc)[PANEL_ROWS], bool min, int np, int n)
{
    SK_UNROLL
    for (int o = 0; o < np * n; o++) {
        const int k = o / n, c = o % n;
        const vf d = vf_four(x[c] + kind->d);
        const vi sum = min ? dot[o] : dot[o] - t[o];
        vf a = vf_fma(vf_of(sum), vf_load(p[k].d[0]) * d, vf_load(acc[c] + k * LANES));
        if (min)
            a = vf_fma(vf_of(t[o]), -(vf_load(p[k].m[0]) * d), a);
        vf_store(acc[c] + k * LANES, a);
    }
}

SK_INLINE void TIER(tile_zero)(vi *t, int np, int n)
{
    SK_UNROLL
    for (int o = 0; o < np * n; o++)
        t[o] = (vi){0};
}

SK_INLINE void TIER(end_256)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, const vi *dot, float (*acc)[PANEL_ROWS],
                             bool min, int np, int n)
{
    vi t[PANEL_OUT];
    TIER(tile_zero)(t, np, n);
    if (min || p->bias)
        TIER(tile_pairs)(p, kind, x, t, np, n);
    TIER(add_256)(p, kind, x, dot, t, acc, min, np, n);
}

/* Group 256. `sub` weights share a factor: 16 or 32. `biased`: sums of products begin with what
 * takes the bias off, which sums of int16 have no room for. */
SK_INLINE void TIER(tile_256)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                              const uint8_t *const *x, float (*acc)[PANEL_ROWS], size_t sub,
                              size_t room, bool heavy, bool biased, int np, int n)
{
    vi dot[PANEL_OUT], zero[PANEL_OUT], begin[PANEL_OUT];
    size_t at = kind->code;
    TIER(tile_zero)(dot, np, n);
    TIER(tile_zero)(zero, np, n);
    SK_ROLL
    for (size_t k = 0; k < SK_UNIT / 16; k += sub / 16, at += sub) {
        TIER(tile_begin)(p, kind, k, x, begin, biased, np, n);
        TIER(tile_macs)(p, 4 * k, sub / 4, room, k, x, at, begin, dot, heavy, np, n);
    }
    if (biased)
        TIER(add_256)(p, kind, x, dot, zero, acc, false, np, n);
    else
        TIER(end_256)(p, kind, x, dot, acc, kind->min, np, n);
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

SK_INLINE void TIER(end_32)(const TIER(panel) * p, const TIER(panel_kind) * kind, size_t g,
                            const uint8_t *const *x, const vi *s, vf *a, bool min, int np, int n)
{
    const vi one = TIER(one_of_two)(1, g & 1);
    SK_UNROLL
    for (int o = 0; o < np * n; o++) {
        const int k = o / n, c = o % n;
        const vf x_d = vf_four(x[c] + kind->d + 4 * g);
        a[o] = vf_fma(vf_of(s[o]), vf_load(p[k].d[g]) * x_d, a[o]);
        if (!min)
            continue;
        const vi sum = vi_madd(TIER(sums_of)(kind, x[c], g), one);
        a[o] = vf_fma(vf_of(sum), vf_load(p[k].m[g % 8]) * x_d, a[o]);
    }
}

SK_INLINE void TIER(tile_load)(vf *a, float (*acc)[PANEL_ROWS], int np, int n)
{
    SK_UNROLL
    for (int o = 0; o < np * n; o++)
        a[o] = vf_load(acc[o % n] + o / n * LANES);
}

SK_INLINE void TIER(tile_store)(const vf *a, float (*acc)[PANEL_ROWS], int np, int n)
{
    SK_UNROLL
    for (int o = 0; o < np * n; o++)
        vf_store(acc[o % n] + o / n * LANES, a[o]);
}

/* Group 32. A unit begins at an even group of the row. */
SK_INLINE void TIER(tile_32)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, float (*acc)[PANEL_ROWS], bool min,
                             size_t room, bool heavy, int np, int n)
{
    const bool biased = !min && (LANES_BIAS || !heavy);
    const size_t n_group = (size_t)kind->n_group;
    vf a[PANEL_OUT];
    TIER(tile_load)(a, acc, np, n);
    SK_ROLL
    for (size_t g = 0; g < n_group; g++) {
        vi s[PANEL_OUT];
        TIER(tile_begin)(p, kind, g, x, s, biased, np, n);
        TIER(tile_dots)(p, 8 * g, 8, room, x, kind->code + 32 * g, s, heavy, np, n);
        TIER(end_32)(p, kind, g, x, s, a, min, np, n);
    }
    TIER(tile_store)(a, acc, np, n);
}

/* The sums of 16 codes, which the columns do not have for group 16, times the bias. */
SK_INLINE void TIER(tile_bias)(int bias, const uint8_t *const *x, size_t at, size_t room, vi *u,
                               bool heavy, int n)
{
    SK_UNROLL
    for (int c = 0; c < n; c++) {
        vs t = vs_from((vi){0});
        u[c] = (vi){0};
        SK_UNROLL
        for (size_t i = 0; i < 4; i++) {
            t = vs_dot(t, vi_bytes(bias), vx_load(x[c] + at), (int)i, heavy);
            if (i % room < room - 1)
                continue;
            u[c] = vi_join(u[c], t);
            t = vs_from(u[c]);
        }
    }
}

/* Group 16. */
SK_INLINE void TIER(tile_16)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *const *x, float (*acc)[PANEL_ROWS], size_t room,
                             bool heavy, int np, int n)
{
    vf a[PANEL_OUT];
    TIER(tile_load)(a, acc, np, n);
    SK_ROLL
    for (size_t g = 0; g < (size_t)kind->n_group; g++) {
        const size_t at = kind->code + 16 * g, d_at = kind->d + g / 2 * 4;
        vi s[PANEL_OUT], u[PANEL_TILE];
        SK_UNROLL
        for (int o = 0; o < np * n; o++)
            s[o] = (vi){0};
        TIER(tile_dots)(p, 4 * g, 4, room, x, at, s, heavy, np, n);
        if (LANES_BIAS || !heavy)
            TIER(tile_bias)(p->bias, x, at, room, u, heavy, n);
        SK_UNROLL
        for (int o = 0; o < np * n; o++) {
            const vi sum = LANES_BIAS || !heavy ? s[o] - u[o % n] : s[o];
            a[o] = vf_fma(vf_of(sum), vf_load(p[o / n].d[g]) * vf_four(x[o % n] + d_at), a[o]);
        }
    }
    TIER(tile_store)(a, acc, np, n);
}

/* Each kind of tile is a function of its own: a compiler that sees them all in one, gcc at least,
 * no longer keeps their sums in registers. */
#define TILE(kind_name, n, call) \
    static SK_APART void TIER(tile_##kind_name##_##n)( \
        const TIER(panel) * p, const TIER(panel_kind) * kind, const uint8_t *const *columns, \
        float(*acc)[PANEL_ROWS]) \
    { \
        const uint8_t *x[n]; \
        SK_UNROLL \
        for (int c = 0; c < n; c++) \
            x[c] = columns[c]; \
        call; \
    }

/* All kinds of n columns, and the choice among them. */
#define TILES(n) \
    TILE(k1, n, TIER(tile_256)(p, kind, x, acc, 16, 1, true, false, PANEL_PAIR, n)) \
    TILE(k2, n, TIER(tile_256)(p, kind, x, acc, 16, 2, false, false, PANEL_PAIR, n)) \
    TILE(k16, n, TIER(tile_256)(p, kind, x, acc, 16, 4, false, false, PANEL_PAIR, n)) \
    TILE(k16_bias, n, TIER(tile_256)(p, kind, x, acc, 16, 4, false, !LANES_NARROW, PANEL_PAIR, n)) \
    TILE(k32, n, TIER(tile_256)(p, kind, x, acc, 32, TILE_ROOM, false, false, PANEL_PAIR, n)) \
    TILE(g32_1, n, TIER(tile_32)(p, kind, x, acc, false, 1, true, PANEL_PAIR, n)) \
    TILE(g32, n, TIER(tile_32)(p, kind, x, acc, false, TILE_ROOM, false, PANEL_PAIR, n)) \
    TILE(g32_min, n, TIER(tile_32)(p, kind, x, acc, true, TILE_ROOM, false, PANEL_PAIR, n)) \
    TILE(g16, n, \
         TIER(tile_16)(p, kind, x, acc, LANES_NARROW ? 1 : 4, LANES_NARROW, PANEL_PAIR, n)) \
    static void TIER(tile_##n)(const TIER(panel) * p, const TIER(panel_kind) * kind, \
                               const uint8_t *const *x, float(*acc)[PANEL_ROWS]) \
    { \
        const int room = LANES_NARROW ? p->room : 8; \
        if (kind->group == 256 && room == 1) \
            TIER(tile_k1_##n)(p, kind, x, acc); \
        else if (kind->group == 256 && room == 2) \
            TIER(tile_k2_##n)(p, kind, x, acc); \
        else if (kind->group == 256 && kind->sub == 32) \
            TIER(tile_k32_##n)(p, kind, x, acc); \
        else if (kind->group == 256 && !kind->min && !LANES_NARROW) \
            TIER(tile_k16_bias_##n)(p, kind, x, acc); \
        else if (kind->group == 256) \
            TIER(tile_k16_##n)(p, kind, x, acc); \
        else if (kind->group == 16) \
            TIER(tile_g16_##n)(p, kind, x, acc); \
        else if (room == 1) \
            TIER(tile_g32_1_##n)(p, kind, x, acc); \
        else if (kind->min) \
            TIER(tile_g32_min_##n)(p, kind, x, acc); \
        else \
            TIER(tile_g32_##n)(p, kind, x, acc); \
    }

#if PANEL_TILE > 4
TILES(6)
#endif
#if PANEL_TILE > 2
TILES(4)
#endif
TILES(2)
TILES(1)
#undef TILE
#undef TILES

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

#include "tensor/unpack_impl.h"

/* ---- Unpacking ---------------------------------------------------------------------------------
 */

/* One row of a panel from a decoded unit of n weights: any type. */
static void TIER(panel_row)(TIER(panel) * p, const sk_unit *u, const sk_coding *f, int sub, int r,
                            int n)
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
        p->scale[k][r] = LANES_FACTOR(s);
        const int i = 16 * k / sub; /* the last of a sub-block of 32 stays */
        p->pair[i / 2][2 * r + i % 2] = f->min ? u->min[k] : (int16_t)(s * p->bias);
    }
    const int n_group = f->group == 256 ? 1 : n / f->group;
    for (int g = 0; g < n_group; g++) {
        p->d[g][r] = u->d[g];
        if (f->min)
            p->m[g][r] = u->m[g];
    }
}

/* n weights of n_row rows, from `w` on, of any type; fewer than LANES are repeated. */
static void TIER(panel_fill)(TIER(panel) * p, int dtype, const sk_coding *f, const uint8_t *w,
                             size_t row_size, int n_row, int n)
{
    sk_unit u;
    p->bias = f->min ? 0 : LANES_BIAS;
    p->room = f->min ? 4 : 1; /* the types with a minimum have codes up to 31 */
    for (int r = 0; r < LANES; r++) {
        if (r < n_row)
            sk_decode(dtype, w + (size_t)r * row_size, n, &u);
        TIER(panel_row)(p, &u, f, TIER(panel_sub)(dtype), r, n);
    }
}

/* ---- The product -------------------------------------------------------------------------------
 */

/* Asks for `n` bytes at `p`, which lie past the panel's rows, where the next panel is: as many
 * streams are more than the CPU follows by itself. Where the call or the matrix ends, nothing or
 * something of little use is asked for, which never faults. A line is asked for once, by the call
 * in whose bytes it begins: to ask for one that is on its way holds up those behind it. */
SK_INLINE void TIER(fetch)(uintptr_t p, size_t n)
{
    const uintptr_t end = p + n;
    for (p = (p + 63) / 64 * 64; p < end; p += 64)
        __builtin_prefetch((const char *)p, 0, 3);
}

/* Asks for the lines of `n` bytes at `p`, a share at each tile: all at once they would stall it. */
typedef struct TIER(panel_ahead) {
    uintptr_t p;
    size_t n, share;
} TIER(panel_ahead);

SK_INLINE void TIER(fetch_share)(TIER(panel_ahead) * ahead)
{
    const size_t n = ahead->n < ahead->share ? ahead->n : ahead->share;
    TIER(fetch)(ahead->p, n);
    ahead->p += n;
    ahead->n -= n;
}

/* One unit of the panels' rows times all columns of a chunk; `next` is what the next panels' unit
 * lies in. */
static void TIER(panel_times)(const TIER(panel) * p, const TIER(panel_kind) * kind,
                              const uint8_t *const *x, float (*acc)[PANEL_ROWS], int n_col,
                              uintptr_t next, size_t n_next)
{
    const size_t n_tile = (size_t)(n_col / PANEL_TILE + 1);
    TIER(panel_ahead) ahead = {next, n_next, (n_next / n_tile + 64) / 64 * 64};
    int c = 0;
#if PANEL_TILE > 4
    for (; c + 6 <= n_col; c += 6) {
        TIER(fetch_share)(&ahead);
        TIER(tile_6)(p, kind, x + c, acc + c);
    }
#endif
#if PANEL_TILE > 2
    for (; c + 4 <= n_col; c += 4) {
        TIER(fetch_share)(&ahead);
        TIER(tile_4)(p, kind, x + c, acc + c);
    }
#endif
    TIER(fetch)(ahead.p, ahead.n);
    for (; c + 2 <= n_col; c += 2)
        TIER(tile_2)(p, kind, x + c, acc + c);
    if (c < n_col)
        TIER(tile_1)(p, kind, x + c, acc + c);
}

/* The next unit's numbers. */
SK_INLINE void TIER(panel_next)(TIER(panel_kind) * kind)
{
    kind->code += SK_UNIT;
    kind->d += kind->group == 256 ? 4 : 32;
    kind->sum += kind->group == 256 ? 512 / (size_t)kind->sub : 16;
}

/* For the first unit of a product. */
static TIER(panel_kind) TIER(panel_first)(const sk_matmul *m)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    const sk_act_places at = sk_act_places_of(f->act, m->n);
    const int sub = TIER(panel_sub)(m->dtype);
    return (TIER(panel_kind)){.d = at.d,
                              .sum = f->group == 256 && sub == 16 ? at.sum : at.sum32,
                              .group = f->group,
                              .sub = sub,
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

/* n weights of n_row rows, at most PANEL_ROWS, as panels, all with the same bias. */
static void TIER(panels_fill)(TIER(panel) * p, int dtype, const sk_coding *f, const uint8_t *w,
                              size_t row_size, int n_row, int n)
{
    const bool whole = n_row % LANES == 0 && n == SK_UNIT;
    for (int k = 0; k < PANEL_PAIR; k++) {
        const int last = whole ? n_row - LANES : n_row - 1; /* repeated where there are no more */
        const int first = k * LANES < last ? k * LANES : last;
        const uint8_t *rows = w + (size_t)first * row_size;
        if (!whole || !TIER(unpack)(dtype, p + k, rows, row_size))
            TIER(panel_fill)(p + k, dtype, f, rows, row_size, n_row - first, n);
    }
}

/* Rows [r, r + n_row) times columns [first, first + n_col), at most PANEL_ROWS and PANEL_COLS. */
static void TIER(panel_chunk)(const sk_matmul *m, int64_t r, int n_row, int64_t first, int n_col)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    const sk_dtype *type = sk_dtype_get((uint64_t)m->dtype);
    const size_t unit_size = SK_UNIT / type->n_elem * type->n_byte;
    const uint8_t *w = (const uint8_t *)m->w + (size_t)r * m->row_size;
    uintptr_t ahead = (uintptr_t)w + PANEL_ROWS * m->row_size;
    TIER(panel_kind) kind = TIER(panel_first)(m);
    TIER(panel) panels[PANEL_PAIR];
    const uint8_t *x[PANEL_COLS];
    _Alignas(64) float acc[PANEL_COLS][PANEL_ROWS];
    memset(acc, 0, (size_t)n_col * sizeof acc[0]);
    for (int c = 0; c < n_col; c++)
        x[c] = TIER(column)(m, first + c);
    for (int64_t i = 0; i < m->n; i += SK_UNIT, w += unit_size, ahead += PANEL_ROWS * unit_size) {
        const int n = m->n - i < SK_UNIT ? (int)(m->n - i) : SK_UNIT;
        kind.n_group = n / f->group;
        TIER(panels_fill)(panels, m->dtype, f, w, m->row_size, n_row, n);
        TIER(panel_times)(panels, &kind, x, acc, n_col, ahead, PANEL_ROWS * unit_size);
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
    if (col1 - col0 == 1 && n_row % LANES == 0 && TIER(fused)(m, r, n_row, col0))
        return;
#endif
    for (int64_t c = col0; c < col1; c += PANEL_COLS) {
        const int64_t left = col1 - c;
        TIER(panel_chunk)(m, r, n_row, c, left < PANEL_COLS ? (int)left : PANEL_COLS);
    }
}

/* The last panels of a call may overlap the ones before: the same sums are then made twice. */
static void TIER(matmul_panels)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0,
                                int64_t col1)
{
    if (row1 - row0 < PANEL_ROWS)
        TIER(panel_rows)(m, row0, (int)(row1 - row0), col0, col1);
    else
        for (int64_t r = row0; r < row1; r += PANEL_ROWS)
            TIER(panel_rows)
    (m, r + PANEL_ROWS <= row1 ? r : row1 - PANEL_ROWS, PANEL_ROWS, col0, col1);
}

#undef PANEL_ROWS
#undef PANEL_OUT
#undef TILE_ROOM
#undef PANEL_COLS
#undef UNPACK_TYPES
#undef FUSED_TYPES
