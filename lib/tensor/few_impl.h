/* SPDX-License-Identifier: MIT */
/*
 * Two to FEW_COLS columns: part by part, a unit is unpacked into registers, which stay there while
 * the columns pass by. A column's integer sums wait in memory between parts; that is one load and
 * one store for some sixteen products, far enough apart to cost no waiting. So the number of
 * columns is no constant, and a type has one such function for all of them. For the tiers of
 * fused_impl.h, the types and the numbers of columns that were measured to gain: tiles do better
 * with more columns of Q4_K, and always with Q4_0. Included by panel_impl.h.
 */

#define FEW_COLS 8
#define FEW_TYPES(X) \
    X(SK_Q8_0, q8_0, FEW_COLS) \
    X(SK_Q6_K, q6_k, FEW_COLS) \
    X(SK_Q4_K, q4_k, 4)

/* One unit of LANES rows times n columns; `dtype` is a constant. */
SK_INLINE void TIER(few_256)(int dtype, TIER(panel) * p, const TIER(panel_kind) * kind,
                             const uint8_t *w, size_t row_size, const uint8_t *const *x,
                             uintptr_t ahead, float (*acc)[PANEL_ROWS], int n)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    const unsigned step = (unsigned)layout.sub / 16;
    const size_t size = LANES * layout.size / 4;
    vi dot[FEW_COLS] = {{0}};
    SK_ROLL
    for (unsigned i = 0; i < 4; i++) {
        TIER(fetch)(ahead + i * size, size);
        vi out[16];
        TIER(unpack_part)(dtype, w, row_size, i, out);
        SK_ROLL
        for (int c = 0; c < n; c++) {
            vi sum = dot[c];
            SK_UNROLL
            for (unsigned s = 0; s < 4; s += step) {
                const unsigned at = TIER(part_at)(dtype, i, s);
                vs t = vs_from((vi){0});
                SK_UNROLL
                for (size_t j = 0; j < 4 * step; j++)
                    TIER(tile_dot)
                (&out[4 * s + j], x + c, kind->code + 16 * (size_t)at, j, &t, false, 1, 1);
                sum = vi_mac(sum, t, vi_load(p->scale[at]));
            }
            dot[c] = sum;
        }
    }
    SK_ROLL
    for (int c = 0; c < n; c++)
        TIER(end_256)(p, kind, x + c, dot + c, acc + c, layout.min, 1, 1);
}

SK_INLINE void TIER(few_32)(int dtype, TIER(panel) * p, const TIER(panel_kind) * kind,
                            const uint8_t *w, size_t row_size, const uint8_t *const *x,
                            uintptr_t ahead, float (*acc)[PANEL_ROWS], int n)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    const size_t size = LANES * layout.size / 8;
    SK_ROLL
    for (size_t g = 0; g < 8; g++) {
        TIER(fetch)(ahead + g * size, size);
        vi out[8];
        TIER(part_32)(dtype, w, row_size, g, out);
        SK_ROLL
        for (int c = 0; c < n; c++) {
            vi s;
            vf a;
            TIER(tile_load)(&a, acc + c, 1, 1);
            TIER(tile_begin)(p, kind, g, x + c, &s, !layout.min, 1, 1);
            vs t = vs_from(s);
            SK_UNROLL
            for (size_t j = 0; j < 8; j++)
                TIER(tile_dot)(&out[j], x + c, kind->code + 32 * g, j, &t, false, 1, 1);
            s = vi_join(s, t);
            TIER(end_32)(p, kind, g, x + c, &s, &a, layout.min, 1, 1);
            TIER(tile_store)(&a, acc + c, 1, 1);
        }
    }
}

/* Rows [r, r + LANES) times columns [first, first + n). */
SK_INLINE void TIER(few_rows)(int dtype, const sk_matmul *m, int64_t r, int64_t first, int n)
{
    const TIER(layout) layout = TIER(layout_of)(dtype);
    const size_t row_size = m->row_size;
    const uint8_t *w = (const uint8_t *)m->w + (size_t)r * row_size, *x[FEW_COLS];
    uintptr_t ahead = (uintptr_t)w + LANES * row_size;
    TIER(panel_kind) kind = TIER(panel_first)(m);
    TIER(panel) panel;
    _Alignas(64) float acc[FEW_COLS][PANEL_ROWS] = {{0}};
    int64_t i = 0;
    for (int c = 0; c < n; c++)
        x[c] = TIER(column)(m, first + c);
    panel.bias = layout.bias;
    for (; i + SK_UNIT <= m->n; i += SK_UNIT, w += layout.size, ahead += LANES * layout.size) {
        TIER(unpack_head)(dtype, &panel, w, row_size);
        if (layout.group == 256)
            TIER(few_256)(dtype, &panel, &kind, w, row_size, x, ahead, acc, n);
        else
            TIER(few_32)(dtype, &panel, &kind, w, row_size, x, ahead, acc, n);
        TIER(panel_next)(&kind);
    }
    if (i < m->n)
        TIER(fused_tail)(&kind, dtype, w, row_size, x, acc, (int)(m->n - i), n);
    for (int c = 0; c < n; c++)
        memcpy(TIER(outputs)(m, first + c) + r, acc[c], LANES * sizeof(float));
}

#define X(type, name, most) \
    static SK_APART void TIER(few_##name)(const sk_matmul *m, int64_t r, int64_t c, int n) \
    { \
        TIER(few_rows)(type, m, r, c, n); \
    }
FEW_TYPES(X)
#undef X

/* Rows [r, r + n_row), a multiple of LANES, times columns [c, c + n); false where these are not
 * for it. */
static bool TIER(few)(const sk_matmul *m, int64_t r, int n_row, int64_t c, int64_t n)
{
    switch (m->dtype) {
#define X(type, name, most) \
    case type: \
        for (int64_t i = r; n <= most && i < r + n_row; i += LANES) \
            TIER(few_##name)(m, i, c, (int)n); \
        return n <= most;
        FEW_TYPES(X)
#undef X
    default:
        return false;
    }
}

#undef FEW_TYPES
