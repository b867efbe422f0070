/* SPDX-License-Identifier: MIT */
/*
 * Few columns: a unit is unpacked and multiplied at once, its bytes never leave the registers. For
 * the types that are unpacked there (unpack_impl.h), and a tier with registers enough; included by
 * panel_impl.h.
 */

#define FUSED_COLS 1 /* columns for which nothing is stored */

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

/* All whole units of rows [r, r + LANES) times n columns. */
SK_INLINE void TIER(fused_rows)(int dtype, const sk_matmul *m, int64_t r, int64_t first, int n)
{
    const sk_coding *f = sk_coding_get(dtype);
    const TIER(layout) layout = TIER(layout_of)(dtype);
    const size_t row_size = m->row_size;
    const uint8_t *w = (const uint8_t *)m->w + (size_t)r * row_size, *x[FUSED_COLS];
    uintptr_t ahead = (uintptr_t)w + LANES * row_size;
    TIER(panel_kind) kind = TIER(panel_first)(m);
    TIER(panel) panel;
    _Alignas(64) float acc[FUSED_COLS][PANEL_ROWS] = {{0}};
    int64_t i = 0;
    SK_UNROLL
    for (int c = 0; c < n; c++)
        x[c] = TIER(column)(m, first + c);
    panel.bias = layout.bias;
    for (; i + SK_UNIT <= m->n; i += SK_UNIT, w += layout.size, ahead += LANES * layout.size) {
        TIER(unpack_head)(dtype, &panel, w, row_size);
        if (layout.group == 256)
            TIER(fused_256)(dtype, &panel, &kind, w, row_size, x, ahead, acc, n);
        else
            TIER(fused_32)(dtype, &panel, &kind, w, row_size, x, ahead, acc, n);
        TIER(panel_next)(&kind);
    }
    if (i < m->n) { /* of a group of 32 */
        kind.n_group = (int)(m->n - i) / f->group;
        TIER(panel_fill)(&panel, dtype, f, w, row_size, LANES, (int)(m->n - i));
        TIER(tile_32)(&panel, &kind, x, acc, layout.min, 8, false, 1, n);
    }
    for (int c = 0; c < n; c++)
        memcpy(TIER(outputs)(m, first + c) + r, acc[c], LANES * sizeof(float));
}

#define X(type, name) \
    static void TIER(fused_##name)(const sk_matmul *m, int64_t r, int64_t c) \
    { \
        TIER(fused_rows)(type, m, r, c, 1); \
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
