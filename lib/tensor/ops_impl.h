/* SPDX-License-Identifier: MIT */
/*
 * The element-wise kernels and the short reductions, for one tier (tier_impl.h; no include guard).
 *
 * A reduction over n elements keeps 16 sums: element i goes to lane i mod 16, in order of i; the
 * lanes are then added by the one tree (v16_sum). Lanes that have no element stay +0, an element
 * of a tail is added to its lane alone. Everything else is element by element, so that its bits
 * cannot depend on n. In-place calls (y is x) are whole: a group of 16 is read before it is
 * written.
 */

/* A tail of n < 16 elements as sixteen lanes, zeros behind it; and back, without what is behind. */
static inline v16 TIER(load_part)(const float *p, int64_t n)
{
    float lane[16] = {0};
    memcpy(lane, p, (size_t)n * sizeof *p);
    return v16_load(lane);
}

static inline void TIER(store_part)(float *p, v16 x, int64_t n)
{
    float lane[16];
    v16_store(lane, x);
    memcpy(p, lane, (size_t)n * sizeof *p);
}

/* Sum of squares, fused. */
static float TIER(sum_squares)(const float *x, int64_t n)
{
    v16 s = v16_zero();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const v16 v = v16_load(x + i);
        s = v16_fma(v, v, s);
    }
    if (i < n) { /* zeros beyond the tail: a sum of squares is never -0, so they change nothing */
        const v16 v = TIER(load_part)(x + i, n - i);
        s = v16_fma(v, v, s);
    }
    return v16_sum(s);
}

/* y = (x * (1 / sqrt(mean + eps))) * w: the reciprocal is rounded to float once. */
static void TIER(rms_norm)(float *y, const float *x, const float *w, int64_t n, float eps)
{
    const float mean = TIER(sum_squares)(x, n) / (float)n;
    const v16 r = v16_splat(1.0f / sqrtf(mean + eps));
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const v16 v = v16_mul(v16_load(x + i), r);
        v16_store(y + i, w ? v16_mul(v, v16_load(w + i)) : v);
    }
    if (i < n) {
        const v16 v = v16_mul(TIER(load_part)(x + i, n - i), r);
        TIER(store_part)(y + i, w ? v16_mul(v, TIER(load_part)(w + i, n - i)) : v, n - i);
    }
}

static void TIER(add)(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16_store(y + i, v16_add(v16_load(y + i), v16_load(x + i)));
    for (; i < n; i++)
        y[i] = y[i] + x[i];
}

static void TIER(scale)(float *y, float s, int64_t n)
{
    const v16 factor = v16_splat(s);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16_store(y + i, v16_mul(v16_load(y + i), factor));
    for (; i < n; i++)
        y[i] = y[i] * s;
}

static void TIER(fma)(float *y, const float *x, float s, int64_t n)
{
    const v16 factor = v16_splat(s);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16_store(y + i, v16_fma(v16_load(x + i), factor, v16_load(y + i)));
    for (; i < n; i++)
        y[i] = SK_FMA(x[i], s, y[i]);
}

/* silu(g) = g / (1 + e^-g) */
static inline v16 TIER(silu_mul16)(v16 g, v16 up)
{
    const v16 e = v16_exp(v16_mul(g, v16_splat(-1)));
    return v16_mul(v16_div(g, v16_add(v16_splat(1), e)), up);
}

static void TIER(silu_mul)(float *y, const float *gate, const float *up, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16_store(y + i, TIER(silu_mul16)(v16_load(gate + i), v16_load(up + i)));
    if (i < n) {
        const v16 g = TIER(load_part)(gate + i, n - i), u = TIER(load_part)(up + i, n - i);
        TIER(store_part)(y + i, TIER(silu_mul16)(g, u), n - i);
    }
}

/* The largest, by a > b ? a : b: a NaN is passed over (it reappears in the sum). */
static float TIER(maximum)(const float *x, int64_t n)
{
    v16 m = v16_splat(-INFINITY);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        m = v16_max(v16_load(x + i), m);
    float lane[16];
    v16_store(lane, m);
    float best = lane[0];
    for (int j = 1; j < 16; j++)
        best = lane[j] > best ? lane[j] : best;
    for (; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

/* e^(x - max) / sum. The tail's missing elements count as e^-inf = 0 in the sum, which adds +0. */
static void TIER(softmax)(float *x, int64_t n)
{
    const v16 max = v16_splat(TIER(maximum)(x, n));
    v16 s = v16_zero();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const v16 e = v16_exp(v16_sub(v16_load(x + i), max));
        v16_store(x + i, e);
        s = v16_add(s, e);
    }
    if (i < n) {
        const v16 e = v16_exp(v16_sub(TIER(load_part)(x + i, n - i), max));
        TIER(store_part)(x + i, e, n - i);
        s = v16_add(s, TIER(load_part)(x + i, n - i));
    }
    const float sum = v16_sum(s);
    const v16 total = v16_splat(sum);
    for (i = 0; i + 16 <= n; i += 16)
        v16_store(x + i, v16_div(v16_load(x + i), total));
    for (; i < n; i++)
        x[i] = x[i] / sum;
}

/* (a, b) -> (a cos - b sin, a sin + b cos): four products, a difference, a sum, none fused. */
static void TIER(rope)(int kind, float *x, const float (*cs)[2], int64_t n_rot)
{
    const int64_t n_pair = n_rot / 2;
    const int64_t step = kind == SK_ROPE_NORM ? 2 : 1, apart = kind == SK_ROPE_NORM ? 1 : n_pair;
    if (kind == SK_ROPE_NONE)
        return;
    for (int64_t i = 0; i < n_pair; i++) {
        float *pair = x + i * step;
        const float a = pair[0], b = pair[apart], c = cs[i][0], s = cs[i][1];
        pair[0] = a * c - b * s;
        pair[apart] = a * s + b * c;
    }
}

static void TIER(to_f16)(uint16_t *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16_store_f16(y + i, v16_load(x + i));
    for (; i < n; i++)
        y[i] = sk_f32_to_f16(x[i]);
}

static void TIER(from_f16)(float *y, const uint16_t *x, int64_t n)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        v16_store(y + i, v16_load_f16(x + i));
    for (; i < n; i++)
        y[i] = sk_f16_to_f32(x[i]);
}
