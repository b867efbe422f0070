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

/* The sum, and the sum of squares of x - mean, of a lane's elements in their order. */
static float TIER(sum)(const float *x, int64_t n)
{
    v16 s = v16_zero();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        s = v16_add(s, v16_load(x + i));
    if (i < n) /* adding +0 changes no sum that began at +0 */
        s = v16_add(s, TIER(load_part)(x + i, n - i));
    return v16_sum(s);
}

static float TIER(sum_deviations)(const float *x, float mean, int64_t n)
{
    const v16 m = v16_splat(mean);
    v16 s = v16_zero();
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const v16 v = v16_sub(v16_load(x + i), m);
        s = v16_fma(v, v, s);
    }
    if (i < n) {
        float part[16];
        v16_store(part, v16_sub(TIER(load_part)(x + i, n - i), m));
        const v16 v = TIER(load_part)(part, n - i);
        s = v16_fma(v, v, s);
    }
    return v16_sum(s);
}

/* y = ((x - mean) * (1 / sqrt(variance + eps))) * w + b: four operations, none fused. */
static void TIER(layer_norm)(float *y, const float *x, const float *w, const float *b, int64_t n,
                             float eps)
{
    const float mean = TIER(sum)(x, n) / (float)n;
    const float r = 1.0f / sqrtf(TIER(sum_deviations)(x, mean, n) / (float)n + eps);
    const v16 m = v16_splat(mean), factor = v16_splat(r);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        v16 v = v16_mul(v16_sub(v16_load(x + i), m), factor);
        v = w ? v16_mul(v, v16_load(w + i)) : v;
        v16_store(y + i, b ? v16_add(v, v16_load(b + i)) : v);
    }
    for (; i < n; i++) {
        float v = (x[i] - mean) * r;
        v = w ? v * w[i] : v;
        y[i] = b ? v + b[i] : v;
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

/* ---- f(g) * u
 * ------------------------------------------------------------------------------------ 1 / (1 +
 * e^-x) is the one transcendental of the vectorised ones: tanh(x) = 2 sigmoid(2 x) - 1, so that
 * GELU's tanh form, g / 2 * (1 + tanh(t)), is g / (1 + e^(-2 t)). A NaN passes through each.
 */

static inline v16 TIER(div_by_1_plus_exp)(v16 x, v16 minus_t)
{
    return v16_div(x, v16_add(v16_splat(1), v16_exp(minus_t)));
}

/* min(x, limit), max(x, -limit): max(a, b) is a > b ? a : b, and minus is exact. */
static inline v16 TIER(at_most)(v16 x, float limit)
{
    const v16 minus = v16_splat(-1);
    return v16_mul(v16_max(v16_splat(-limit), v16_mul(x, minus)), minus);
}

static inline v16 TIER(clamp)(v16 x, float limit)
{
    return v16_max(v16_splat(-limit), TIER(at_most)(x, limit));
}

/* sqrt(2 / pi) (g + 0.044715 g^3), times -2 */
static inline v16 TIER(gelu)(v16 g)
{
    const v16 cube = v16_mul(v16_mul(v16_mul(g, g), g), v16_splat(0.044715f));
    return TIER(div_by_1_plus_exp)(g, v16_mul(v16_add(g, cube), v16_splat(-1.59576912160573f)));
}

static inline v16 TIER(apply16)(const sk_fn *f, v16 g, v16 u)
{
    const v16 minus_g = v16_mul(g, v16_splat(-1));
    switch (f->kind) {
    case SK_FN_GELU:
        return v16_mul(TIER(gelu)(g), u);
    case SK_FN_RELU:
        return v16_mul(v16_max(v16_zero(), g), u);
    case SK_FN_RELU2:
        g = v16_max(v16_zero(), g);
        return v16_mul(v16_mul(g, g), u);
    case SK_FN_SIGMOID:
        return v16_mul(TIER(div_by_1_plus_exp)(v16_splat(1), minus_g), u);
    case SK_FN_SWIGLU_OAI:
        g = TIER(at_most)(g, 7);
        u = v16_add(TIER(clamp)(u, 7), v16_splat(1));
        return v16_mul(TIER(div_by_1_plus_exp)(g, v16_mul(g, v16_splat(-1.702f))), u);
    case SK_FN_COMPLEMENT:
        return v16_mul(v16_sub(v16_splat(1), g), u);
    case SK_FN_NONE:
        return v16_mul(g, u);
    case SK_FN_SWIGLU_CLAMPED:
        g = TIER(at_most)(TIER(div_by_1_plus_exp)(g, minus_g), f->limit);
        return v16_mul(g, TIER(clamp)(u, f->limit));
    case SK_FN_SWIGLU_INSIDE:
        g = TIER(at_most)(g, f->limit);
        u = TIER(clamp)(u, f->limit);
        return v16_mul(TIER(div_by_1_plus_exp)(g, v16_mul(g, v16_splat(-1))), u);
    default:
        return v16_mul(TIER(div_by_1_plus_exp)(g, minus_g), u);
    }
}

/* Softplus, tanh and xIELU element by element, in double and rounded once. */
static float TIER(apply1)(const sk_fn *f, float g)
{
    const double x = (double)g;
    if (f->kind == SK_FN_SOFTPLUS)
        return x > 20 ? g : (float)sk_log(1 + sk_exp(x));
    if (f->kind == SK_FN_TANH)
        return sk_tanhf(g);
    if (x > 0)
        return (float)(f->alpha_p * x * x + f->beta * x);
    const double low = x < f->eps ? x : f->eps;
    return (float)((sk_exp(low) - 1 - x) * f->alpha_n + f->beta * x);
}

static void TIER(apply_fn)(const sk_fn *f, float *y, const float *gate, const float *up, int64_t n)
{
    const v16 one = v16_splat(1);
    const bool single =
        f->kind == SK_FN_SOFTPLUS || f->kind == SK_FN_XIELU || f->kind == SK_FN_TANH;
    int64_t i = 0;
    for (; single && i < n; i++)
        y[i] = up ? TIER(apply1)(f, gate[i]) * up[i] : TIER(apply1)(f, gate[i]);
    for (; i + 16 <= n; i += 16)
        v16_store(y + i, TIER(apply16)(f, v16_load(gate + i), up ? v16_load(up + i) : one));
    if (i < n) {
        const v16 g = TIER(load_part)(gate + i, n - i);
        const v16 u = up ? TIER(load_part)(up + i, n - i) : one;
        TIER(store_part)(y + i, TIER(apply16)(f, g, u), n - i);
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
SK_INLINE void TIER(turn)(v16 *a, v16 *b, const float (*cs)[2])
{
    v16 c, s;
    v16_load_pairs(&cs[0][0], &c, &s);
    const v16 x = v16_sub(v16_mul(*a, c), v16_mul(*b, s));
    *b = v16_add(v16_mul(*a, s), v16_mul(*b, c));
    *a = x;
}

static void TIER(rope)(int kind, float *x, const float (*cs)[2], int64_t n_rot)
{
    const int64_t n_pair = n_rot / 2;
    const int64_t step = kind == SK_ROPE_NORM ? 2 : 1, apart = kind == SK_ROPE_NORM ? 1 : n_pair;
    int64_t i = 0;
    if (kind == SK_ROPE_NONE)
        return;
    /* Not in C: gcc 12 sees complex products in it and fuses them, whatever it is told. */
    for (; TIER_AVX2 && i + 16 <= n_pair; i += 16) {
        v16 a, b;
        if (kind == SK_ROPE_NORM) {
            v16_load_pairs(x + 2 * i, &a, &b);
            TIER(turn)(&a, &b, cs + i);
            v16_store_pairs(x + 2 * i, a, b);
        } else {
            a = v16_load(x + i);
            b = v16_load(x + i + n_pair);
            TIER(turn)(&a, &b, cs + i);
            v16_store(x + i, a);
            v16_store(x + i + n_pair, b);
        }
    }
    for (; i < n_pair; i++) {
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
