/* SPDX-License-Identifier: MIT */
/*
 * The element-wise kernels of each tier against double precision, with stated bounds, at every
 * tail length; their order of sums bit for bit against the contract's words (README.md of
 * lib/tensor), written here the slow way; in-place calls; nothing written past the end.
 */
#include "base/portable.h"

#include "tensor_test.h"
#include "tensor/math.h"

enum { MOST = 5000, GUARD = 20 };

static const sk_kernels *k;
static uint64_t seed = 11;
static float x[MOST + GUARD], y[MOST + GUARD], z[MOST + GUARD], out[MOST + GUARD];
static float x_was[MOST + GUARD], y_was[MOST + GUARD];

static void fill(void)
{
    random_units(x, MOST + GUARD, &seed);
    random_units(y, MOST + GUARD, &seed);
    random_units(z, MOST + GUARD, &seed);
    for (int i = 0; i < MOST + GUARD; i++)
        x[i] *= 10;
    memcpy(x_was, x, sizeof x);
    memcpy(y_was, y, sizeof y);
    memcpy(out, z, sizeof z);
}

/* |got - want| <= relative * |want| + absolute, and the guard is untouched. */
static void close_to(const char *what, double got, double want, double relative, double absolute,
                     int64_t n, int64_t i)
{
    if (fabs(got - want) <= relative * fabs(want) + absolute)
        CHECK(true);
    else
        CHECKF(false, "%s, tier %s, n %d: [%d] is %a, wanted %a", what, k->name, (int)n, (int)i,
               got, want);
}

static void untouched(const char *what, const float *a, const float *was, int64_t n)
{
    CHECKF(memcmp(a + n, was + n, GUARD * sizeof *a) == 0, "%s wrote past %d", what, (int)n);
}

static void check_rms_norm(int64_t n)
{
    const float eps = n % 2 ? 1e-5f : 0.5f;
    fill();
    double square = 0;
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++) {
        square += (double)x[i] * (double)x[i];
        lane[i % 16] = fmaf(x[i], x[i], lane[i % 16]);
    }
    for (int step = 8; step; step /= 2)
        for (int l = 0; l < step; l++)
            lane[l] = lane[l] + lane[l + step];
    const float r = 1.0f / sqrtf(lane[0] / (float)n + eps);
    const double exact = 1 / sqrt(square / (double)n + (double)eps);
    k->rms_norm(out, x, y, n, eps);
    untouched("rms_norm", out, z, n);
    for (int64_t i = 0; i < n; i++) {
        const float want = x[i] * r * y[i];
        CHECKF(first_difference(&want, &out[i], 1) == 1, "rms_norm, tier %s, n %d, [%d]", k->name,
               (int)n, (int)i);
        close_to("rms_norm", (double)out[i], (double)x[i] * exact * (double)y[i], 2e-6, 1e-40, n,
                 i);
    }
    k->rms_norm(x, x, NULL, n, eps);
    untouched("rms_norm", x, x_was, n);
    for (int64_t i = 0; i < n; i++)
        CHECK(x[i] == x_was[i] * r);
}

static float sum_by_lanes(const float *v, int64_t n, bool squares)
{
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i % 16] = squares ? fmaf(v[i], v[i], lane[i % 16]) : lane[i % 16] + v[i];
    for (int step = 8; step; step /= 2)
        for (int l = 0; l < step; l++)
            lane[l] = lane[l] + lane[l + step];
    return lane[0];
}

static void check_layer_norm(int64_t n)
{
    static float c[MOST];
    const float eps = n % 2 ? 1e-5f : 0.5f;
    double sum = 0, square = 0;
    fill();
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    for (int64_t i = 0; i < n; i++)
        square += ((double)x[i] - sum / (double)n) * ((double)x[i] - sum / (double)n);
    const float mean = sum_by_lanes(x, n, false) / (float)n;
    for (int64_t i = 0; i < n; i++)
        c[i] = x[i] - mean;
    const float r = 1.0f / sqrtf(sum_by_lanes(c, n, true) / (float)n + eps);
    k->layer_norm(out, x, y, z + 3, n, eps);
    untouched("layer_norm", out, z, n);
    for (int64_t i = 0; i < n; i++) {
        const float scaled = c[i] * r * y[i], want = scaled + z[i + 3];
        const double exact =
            ((double)x[i] - sum / (double)n) / sqrt(square / (double)n + (double)eps);
        CHECKF(out[i] == want, "layer_norm, tier %s, n %d, [%d]", k->name, (int)n, (int)i);
        close_to("layer_norm", (double)out[i], exact * (double)y[i] + (double)z[i + 3], 1e-5,
                 n > 1 ? 1e-5 : 1e-2, n, i);
    }
    k->layer_norm(x, x, NULL, NULL, n, eps);
    untouched("layer_norm", x, x_was, n);
    for (int64_t i = 0; i < n; i++)
        CHECK(x[i] == c[i] * r);
}

static double apply_exact(const sk_fn *f, double g, double u)
{
    const double sigmoid = 1 / (1 + exp(-g)), silu = g * sigmoid, c = (double)f->limit;
    switch (f->kind) {
    case SK_FN_GELU:
        return 0.5 * g * (1 + tanh(sqrt(2 / acos(-1.0)) * (g + 0.044715 * g * g * g))) * u;
    case SK_FN_RELU:
        return fmax(g, 0) * u;
    case SK_FN_RELU2:
        return fmax(g, 0) * fmax(g, 0) * u;
    case SK_FN_SIGMOID:
        return sigmoid * u;
    case SK_FN_SOFTPLUS:
        return log1p(exp(g)) * u;
    case SK_FN_SWIGLU_OAI:
        g = fmin(g, 7);
        return g / (1 + exp(-1.702 * g)) * (fmin(fmax(u, -7), 7) + 1);
    case SK_FN_SWIGLU_CLAMPED:
        return fmin(silu, c) * fmin(fmax(u, -c), c);
    case SK_FN_SWIGLU_INSIDE:
        g = fmin(g, c);
        return g / (1 + exp(-g)) * fmin(fmax(u, -c), c);
    case SK_FN_TANH:
        return tanh(g) * u;
    case SK_FN_NONE:
        return g * u;
    case SK_FN_COMPLEMENT:
        return (1 - g) * u;
    case SK_FN_XIELU:
        return (g > 0 ? f->alpha_p * g * g + f->beta * g
                      : (expm1(fmin(g, f->eps)) - g) * f->alpha_n + f->beta * g) *
               u;
    default:
        return silu * u;
    }
}

static void check_apply(int64_t n)
{
    for (int kind = SK_FN_SILU; kind <= SK_FN_SWIGLU_INSIDE; kind++) {
        const sk_fn f = {kind, 0.75f, 0.8, 1.3, 0.5, -1e-6};
        fill();
        k->apply(&f, out, x, y, n);
        untouched("apply", out, z, n);
        for (int64_t i = 0; i < n; i++) {
            const double want = apply_exact(&f, (double)x[i], (double)y[i]);
            close_to("apply", (double)out[i], want, 2e-6, 1e-7, n, i);
        }
        if (kind == SK_FN_SWIGLU_OAI)
            continue;
        k->apply(&f, x, x, NULL, n);
        untouched("apply in place", x, x_was, n);
        for (int64_t i = 0; i < n; i++)
            close_to("apply in place", (double)x[i], apply_exact(&f, (double)x_was[i], 1), 2e-6,
                     1e-7, n, i);
    }
}

static void check_sums(int64_t n)
{
    fill();
    k->add(x, y, n);
    untouched("add", x, x_was, n);
    for (int64_t i = 0; i < n; i++)
        CHECK(x[i] == x_was[i] + y[i]);
    fill();
    k->scale(x, 0.3f, n);
    untouched("scale", x, x_was, n);
    for (int64_t i = 0; i < n; i++)
        CHECK(x[i] == x_was[i] * 0.3f);
    fill();
    k->fma(y, x, 0.7f, n);
    untouched("fma", y, y_was, n);
    for (int64_t i = 0; i < n; i++)
        CHECK(y[i] == fmaf(x[i], 0.7f, y_was[i]));
}

static void check_silu_mul(int64_t n)
{
    fill();
    k->silu_mul(out, x, y, n);
    untouched("silu_mul", out, z, n);
    for (int64_t i = 0; i < n; i++) {
        const double g = (double)x[i], want = g / (1 + exp(-g)) * (double)y[i];
        close_to("silu_mul", (double)out[i], want, 4e-7, 1e-40, n, i);
        const float spec = x[i] / (1.0f + sk_expf(-x[i])) * y[i];
        CHECK(spec == out[i]);
    }
    k->silu_mul(x, x, y, n);
    untouched("silu_mul", x, x_was, n);
    CHECK(first_difference(x, out, n) == n);
}

static void check_softmax(int64_t n)
{
    fill();
    double max = -HUGE_VAL, sum = 0, total = 0;
    for (int64_t i = 0; i < n; i++)
        max = fmax(max, (double)x[i]);
    float lane[16] = {0};
    for (int64_t i = 0; i < n; i++) {
        sum += exp((double)x[i] - max);
        lane[i % 16] += sk_expf(x[i] - (float)max);
    }
    for (int step = 8; step; step /= 2)
        for (int l = 0; l < step; l++)
            lane[l] = lane[l] + lane[l + step];
    k->softmax(x, n);
    untouched("softmax", x, x_was, n);
    for (int64_t i = 0; i < n; i++) {
        close_to("softmax", (double)x[i], exp((double)x_was[i] - max) / sum, 3e-6, 0, n, i);
        CHECK(x[i] == sk_expf(x_was[i] - (float)max) / lane[0]);
        total += (double)x[i];
    }
    close_to("softmax's sum", total, 1, 2e-6, 0, n, 0);
}

static void check_rope(int64_t n)
{
    static float cs[MOST][2];
    const int64_t half = n / 2;
    for (int kind = SK_ROPE_NONE; kind <= SK_ROPE_NEOX; kind++) {
        fill();
        for (int64_t i = 0; i < half; i++) {
            cs[i][0] = random_unit(&seed);
            cs[i][1] = random_unit(&seed);
        }
        k->rope(kind, x, (const float(*)[2])cs, 2 * half);
        untouched("rope", x, x_was, 2 * half);
        for (int64_t i = 0; i < half; i++) {
            const int64_t ia = kind == SK_ROPE_NORM ? 2 * i : i;
            const int64_t ib = kind == SK_ROPE_NORM ? 2 * i + 1 : i + half;
            const float a = x_was[ia], b = x_was[ib], c = cs[i][0], s = cs[i][1];
            const float ac = a * c, bs = b * s, as = a * s, bc = b * c;
            CHECK(x[ia] == (kind == SK_ROPE_NONE ? a : ac - bs));
            CHECK(x[ib] == (kind == SK_ROPE_NONE ? b : as + bc));
        }
    }
}

/* The nearest half, ties to even, by steps of the double's own rounding. */
static double nearest_half(double a)
{
    if (fabs(a) >= 65520)
        return a > 0 ? HUGE_VAL : -HUGE_VAL;
    int e;
    frexp(a, &e);
    const int unit = e - 11 < -24 ? -24 : e - 11;
    return ldexp(nearbyint(ldexp(a, -unit)), unit);
}

static void check_half(int64_t n)
{
    static uint16_t h[MOST + GUARD];
    fill();
    for (int64_t i = 0; i < n; i++)
        x[i] = ldexpf(x[i], (int)(test_random(&seed) % 50) - 32);
    memset(h, 0x5a, sizeof h);
    k->to_f16(h, x, n);
    k->from_f16(out, h, n);
    CHECK(h[n] == 0x5a5a);
    untouched("from_f16", out, z, n);
    for (int64_t i = 0; i < n; i++)
        CHECKF((double)out[i] == nearest_half((double)x[i]) && signbit(out[i]) == signbit(x[i]),
               "to_f16(%a) is %a", (double)x[i], (double)out[i]);
}

static void check_special(void)
{
    const float inf = HUGE_VALF;
    float v[20] = {0};
    v[3] = inf;
    k->softmax(v, 20);
    CHECK(isnan(v[3]) && isnan(v[0]) == true);
    for (int i = 0; i < 20; i++)
        v[i] = -inf;
    v[18] = 5;
    k->softmax(v, 20);
    CHECK(v[18] == 1 && v[0] == 0 && v[19] == 0);
    v[17] = NAN;
    k->softmax(v, 20);
    CHECK(isnan(v[0]) && isnan(v[17]));
    float one = -3;
    k->softmax(&one, 1);
    CHECK(one == 1);
    float g[3] = {-200, 200, NAN}, up[3] = {1, 1, 1};
    k->silu_mul(g, g, up, 3);
    CHECK(g[0] == 0 && g[1] == 200 && isnan(g[2]));
}

static void check_tier(void)
{
    for (int64_t n = 1; n <= 70; n++) {
        check_rms_norm(n);
        check_sums(n);
        check_silu_mul(n);
        check_layer_norm(n);
        check_apply(n);
        check_softmax(n);
        check_rope(n);
        check_half(n);
    }
    check_rms_norm(4096);
    check_softmax(4999);
    check_silu_mul(1111);
    check_special();
}

int main(void)
{
    bool more = true;
    for (int i = 0; more; i++)
        if ((k = tier_at(i, &more)) != NULL)
            check_tier();
    return test_end();
}
