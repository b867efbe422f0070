/* SPDX-License-Identifier: MIT */
/*
 * The bits themselves: hashes of what the functions and float kernels give for fixed inputs. The
 * same on every compiler, flag, system and tier. A change here is a change of the numeric version.
 */
#include "base/portable.h"

#include "tensor/math.h"
#include "tensor/rope.h"
#include "tensor_test.h"

static const sk_kernels *k;

/* FNV-1a, with one bit pattern for all NaN. */
static void mix(uint64_t *hash, uint64_t bits, bool is_nan)
{
    bits = is_nan ? UINT64_MAX : bits;
    for (int i = 0; i < 8; i++)
        *hash = (*hash ^ (bits >> 8 * i & 0xff)) * 0x100000001b3u;
}

static void mix_double(uint64_t *hash, double d)
{
    mix(hash, sk_f64_bits(d), isnan(d));
}

static void mix_floats(uint64_t *hash, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        mix(hash, sk_f32_bits(x[i]), isnan(x[i]));
}

static void wanted(const char *what, uint64_t hash, uint64_t want)
{
    CHECKF(hash == want, "%s: 0x%016" PRIx64 ", wanted 0x%016" PRIx64, what, hash, want);
}

static void check_math(void)
{
    uint64_t e = 0, l = 0, p = 0, t = 0, f = 0, seed = 1;
    for (int i = 0; i < 20000; i++) {
        const double x = (double)random_unit(&seed) * 700, y = (double)random_unit(&seed) * 1e4;
        mix_double(&e, sk_exp(x));
        mix_double(&l, sk_log(x > 0 ? x : -x * 1e-30));
        mix_double(&p, sk_pow(y > 0 ? y : -y, x / 80));
        mix_double(&t, sk_sin(x * y));
        mix_double(&t, sk_cos(x * y));
        const float v[4] = {sk_expf((float)x / 6), sk_logf((float)y), sk_tanhf((float)x / 70),
                            sk_powf((float)(x * x), (float)y / 1e4f)};
        mix_floats(&f, v, 4);
    }
    wanted("exp", e, 0x6d2991e2d9d17f99);
    wanted("log", l, 0x61b5b2871dcc2997);
    wanted("pow", p, 0x08672746e0f9d687);
    wanted("sin and cos", t, 0x0e703f95758cde5a);
    wanted("float functions", f, 0x95ba210c2f9753f7);
}

static void check_rope(void)
{
    sk_rope r = {.n_rot = 128,
                 .base = 1e6,
                 .freq_scale = 0.25,
                 .ext_factor = 1,
                 .attn_factor = 1,
                 .beta_fast = 32,
                 .beta_slow = 1,
                 .n_ctx_orig = 32768};
    double freq[64];
    float cs[64][2];
    uint64_t hash = 0;
    CHECK(sk_rope_init(&r, freq));
    for (int64_t pos = 0; pos < 1000000; pos = pos * 3 + 1) {
        sk_rope_angles(&r, pos, cs);
        mix_floats(&hash, cs[0], 128);
    }
    wanted("rope angles", hash, 0x7c402cf402ce1bf9);
}

static void check_kernels(void)
{
    static float x[333], y[333], z[333];
    uint64_t hash[8] = {0}, seed = 2;
    for (int64_t n = 1; n < 333; n++) {
        random_units(x, 333, &seed);
        random_units(y, 333, &seed);
        random_adversaries(z, 333, &seed, n % 2);
        k->rms_norm(z, x, y, n, 1e-6f);
        mix_floats(&hash[0], z, 333);
        k->fma(z, x, y[0], n);
        k->add(z, y, n);
        k->scale(z, x[1], n);
        mix_floats(&hash[1], z, 333);
        k->scale(x, 30, n);
        k->silu_mul(z, x, y, n);
        mix_floats(&hash[2], z, 333);
        k->softmax(x, n);
        mix_floats(&hash[3], x, 333);
        k->rope(n % 2 ? SK_ROPE_NORM : SK_ROPE_NEOX, y, (const float(*)[2])(const void *)z, n & ~1);
        mix_floats(&hash[4], y, 333);
    }
    wanted("rms_norm", hash[0], 0x0beb3dbc212e57e4);
    wanted("fma, add, scale", hash[1], 0x1d83ffe3a9a4137f);
    wanted("silu_mul", hash[2], 0xd6214e0e331b44f8);
    wanted("softmax", hash[3], 0x32eb968d1f883749);
    wanted("rope", hash[4], 0x585da3dd7327bf0d);
}

/* A cache of halves and one of floats, read with every dk from 1 to 150. */
static void check_attend(void)
{
    static float q[5 * 150], kv[192 * 150], out[5 * 150];
    static uint16_t half[192 * 150];
    const void *rows[3], *halves[3];
    uint64_t hash = 0, seed = 3;
    random_units(q, 5 * 150, &seed);
    random_units(kv, 192 * 150, &seed);
    k->to_f16(half, kv, 192 * 150);
    for (int b = 0; b < 3; b++) {
        rows[b] = kv + b * 64 * 150;
        halves[b] = half + b * 64 * 150;
    }
    for (int64_t d = 1; d <= 150; d++) {
        const sk_span seen = {d % 70, d % 70 + 1 + d * 11 % 120};
        sk_attend a = {.q = q,
                       .n_row = 1,
                       .n_head = 1 + d % 5,
                       .seen = &seen,
                       .dk = d,
                       .dv = 151 - d,
                       .k = halves,
                       .v = rows,
                       .k_dtype = SK_F16,
                       .v_dtype = SK_F32,
                       .k_size = 300,
                       .v_size = 600,
                       .scale = 0.3f,
                       .out = out};
        attend_all(k, &a, (int)d % ATTEND_WAYS);
        mix_floats(&hash, out, a.n_head * a.dv);
        a.k_dtype = SK_F32;
        a.k = rows;
        a.k_size = 600;
        a.v_dtype = SK_F16;
        a.v = halves;
        a.v_size = 300;
        attend_all(k, &a, (int)d % ATTEND_WAYS);
        mix_floats(&hash, out, a.n_head * a.dv);
    }
    wanted("attend", hash, 0x34f956f43e6ab72a);
}

int main(void)
{
    check_math();
    check_rope();
    bool more = true;
    for (int i = 0; more; i++)
        if ((k = tier_at(i, &more)) != NULL) {
            check_kernels();
            check_attend();
        }
    return test_end();
}
