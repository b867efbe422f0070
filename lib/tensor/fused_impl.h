/* SPDX-License-Identifier: MIT */
/*
 * Few columns: a unit is unpacked and multiplied at once, its bytes never leave the registers. For
 * the types that are unpacked there (unpack_impl.h), and a tier with registers enough; included by
 * panel_impl.h.
 */

#define FUSED_COLS 1 /* columns for which nothing is stored */

#include "tensor/byrow_impl.h"

/* One unit of LANES rows times n columns; `dtype` and n are constants. */
SK_INLINE void TIER(fused_256)(int dtype, TIER(panel) * p, const TIER(panel_kind) * kind,
                               const uint8_t *w, size_t row_size, const uint8_t *const *x,
                               uintptr_t ahead, float (*acc)[PANEL_ROWS], int n)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    const unsigned step = (unsigned)layout.sub / 16;
    const size_t size = LANES * layout.size / 4;
    vi dot[FUSED_COLS];
    SK_UNROLL
    for (int c = 0; c < n; c++)
        dot[c] = (vi){0};
    SK_ROLL
    for (unsigned i = 0; i < 4; i++) {
        TIER(fetch)(ahead + i * size, size);
        vi out[16];
        TIER(unpack_part)(dtype, w, row_size, i, out);
        SK_UNROLL
        for (unsigned s = 0; s < 4; s += step) {
            const unsigned at = TIER(part_at)(dtype, i, s);
            const vi factor = vi_load(p->scale[at]);
            vs t[FUSED_COLS];
            SK_UNROLL
            for (int c = 0; c < n; c++)
                t[c] = vs_from((vi){0});
            SK_UNROLL
            for (size_t j = 0; j < 4 * step; j++)
                TIER(tile_dot)
            (&out[4 * s + j], x, kind->code + 16 * (size_t)at, j, t, false, 1, n);
            SK_UNROLL
            for (int c = 0; c < n; c++)
                dot[c] = vi_mac(dot[c], t[c], factor);
        }
    }
    TIER(end_256)(p, kind, x, dot, acc, layout.min, 1, n);
}

SK_INLINE void TIER(fused_32)(int dtype, TIER(panel) * p, const TIER(panel_kind) * kind,
                              const uint8_t *w, size_t row_size, const uint8_t *const *x,
                              uintptr_t ahead, float (*acc)[PANEL_ROWS], int n)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    const size_t size = LANES * layout.size / 8;
    vf a[FUSED_COLS];
    TIER(tile_load)(a, acc, 1, n);
    SK_ROLL
    for (size_t g = 0; g < 8; g++) {
        TIER(fetch)(ahead + g * size, size);
        vi out[8], s[FUSED_COLS];
        vs t[FUSED_COLS];
        TIER(part_32)(dtype, w, row_size, g, out);
        TIER(tile_begin)(p, kind, g, x, s, !layout.min, 1, n);
        SK_UNROLL
        for (int c = 0; c < n; c++)
            t[c] = vs_from(s[c]);
        SK_UNROLL
        for (size_t j = 0; j < 8; j++)
            TIER(tile_dot)(&out[j], x, kind->code + 32 * g, j, t, false, 1, n);
        SK_UNROLL
        for (int c = 0; c < n; c++)
            s[c] = vi_join(s[c], t[c]);
        TIER(end_32)(p, kind, g, x, s, a, layout.min, 1, n);
    }
    TIER(tile_store)(a, acc, 1, n);
}

/* A row's last n weights, fewer than a unit, of a type with groups of 32, times n_col columns. */
static SK_APART void TIER(fused_tail)(TIER(panel_kind) * kind, int dtype, const uint8_t *w,
                                      size_t row_size, const uint8_t *const *x,
                                      float (*acc)[PANEL_ROWS], int n, int n_col)
{
    const sk_coding *f = sk_coding_get(dtype);
    TIER(panel) panel;
    kind->n_group = n / f->group;
    TIER(panel_fill)(&panel, dtype, f, w, row_size, LANES, n);
    for (int c = 0; c < n_col; c++)
        if (f->min)
            TIER(tile_32)(&panel, kind, x + c, acc + c, true, 8, false, 1, 1);
        else
            TIER(tile_32)(&panel, kind, x + c, acc + c, false, 8, false, 1, 1);
}

/* Whole units of LANES rows times a column, `kind` moving on with them. */
SK_INLINE void TIER(fused_units)(int dtype, TIER(panel_kind) * kind, const uint8_t *w,
                                 size_t row_size, const uint8_t *const *x, int64_t n_unit,
                                 float (*acc)[PANEL_ROWS])
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    uintptr_t ahead = (uintptr_t)w + LANES * row_size;
    TIER(panel) panel;
    panel.bias = layout.bias;
    for (; n_unit > 0; n_unit--, w += layout.size, ahead += LANES * layout.size) {
        TIER(unpack_head)(dtype, &panel, w, row_size);
        if (layout.group == 256)
            TIER(fused_256)(dtype, &panel, kind, w, row_size, x, ahead, acc, 1);
        else
            TIER(fused_32)(dtype, &panel, kind, w, row_size, x, ahead, acc, 1);
        TIER(panel_next)(kind);
    }
}

/* Rows [r, r + LANES) times a column. */
SK_INLINE void TIER(fused_rows)(int dtype, const sk_matmul *m, int64_t r, int64_t c)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    const uint8_t *w = (const uint8_t *)m->w + (size_t)r * m->row_size, *x = TIER(column)(m, c);
    const int64_t n_unit = m->n / SK_UNIT, left = m->n % SK_UNIT;
    TIER(panel_kind) kind = TIER(panel_first)(m);
    _Alignas(64) float acc[1][PANEL_ROWS] = {{0}};
    if (TIER(is_byrow)(dtype))
        TIER(byrow_rows)(dtype, &kind, w, m->row_size, x, n_unit, acc[0]);
    else
        TIER(fused_units)(dtype, &kind, w, m->row_size, &x, n_unit, acc);
    if (left)
        TIER(fused_tail)
    (&kind, dtype, w + (size_t)n_unit * layout.size, m->row_size, &x, acc, (int)left, 1);
    memcpy(TIER(outputs)(m, c) + r, acc[0], LANES * sizeof(float));
}

#define X(type, name) \
    static SK_APART void TIER(fused_##name)(const sk_matmul *m, int64_t r, int64_t c) \
    { \
        TIER(fused_rows)(type, m, r, c); \
    }
FUSED_TYPES(X)
#undef X

/* Rows [r, r + n_row), a multiple of LANES, times column c; false where the type is not unpacked in
 * registers. */
static bool TIER(fused)(const sk_matmul *m, int64_t r, int n_row, int64_t c)
{
    switch (m->dtype) {
#define X(type, name) \
    case type: \
        for (int64_t i = r; i < r + n_row; i += LANES) \
            TIER(fused_##name)(m, i, c); \
        return true;
        FUSED_TYPES(X)
#undef X
    default:
        return false;
    }
}

#undef FUSED_COLS
