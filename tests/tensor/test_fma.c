/* SPDX-License-Identifier: MIT */
/* The software fused multiply-add against libm's, in double where that is exact, and in float. */
#include "base/portable.h"

#include "tensor/fma.h"
#include "tensor_test.h"

static void check_one(float a, float b, float c)
{
    const float got = sk_fma_soft(a, b, c), want = fmaf(a, b, c), hard = SK_FMA_DEFAULT(a, b, c);
    if (first_difference(&got, &want, 1) == 1 && first_difference(&hard, &want, 1) == 1)
        CHECK(true);
    else
        CHECKF(false, "fma(%a, %a, %a) is %a (default %a), wanted %a", (double)a, (double)b,
               (double)c, (double)got, (double)hard, (double)want);
}

static void check(float a, float b, float c)
{
    check_one(a, b, c);
    check_one(-a, b, -c);
}

static void check_special_values(void)
{
    static const float v[] = {0.0f,
                              -0.0f,
                              1.0f,
                              -1.0f,
                              0x1p-149f,
                              -0x1p-149f,
                              0x1.fffffcp-127f,
                              0x1p-126f,
                              -0x1p-126f,
                              0x1.fffffep127f,
                              -0x1.fffffep127f,
                              0x1p-75f,
                              0x1.000002p0f,
                              0x1.fffffep-1f,
                              0x1p64f,
                              -0x1p64f,
                              0x1p-24f,
                              0x1p-25f,
                              0x1.8p-75f,
                              HUGE_VALF,
                              -HUGE_VALF,
                              NAN};
    const int n = (int)(sizeof v / sizeof v[0]);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int k = 0; k < n; k++)
                check(v[i], v[j], v[k]);
}

static void check_random_bits(uint64_t *seed)
{
    for (int i = 0; i < 1000000; i++)
        check(sk_f32_from_bits((uint32_t)test_random(seed)),
              sk_f32_from_bits((uint32_t)test_random(seed)),
              sk_f32_from_bits((uint32_t)test_random(seed)));
}

/* c near -a * b, or a half-way case of the product away: where two roundings would be wrong. */
static void check_cancellation(uint64_t *seed)
{
    for (int i = 0; i < 1000000; i++) {
        const float a = ldexpf(random_unit(seed), (int)(test_random(seed) % 40) - 20);
        const float b = ldexpf(random_unit(seed), (int)(test_random(seed) % 40) - 20);
        const float p = -(a * b);
        const uint32_t off = (uint32_t)(test_random(seed) % 5) - 2;
        check(a, b, sk_f32_from_bits(sk_f32_bits(p) + off));
        check(a, b, ldexpf(p, (int)(test_random(seed) % 60) - 30));
    }
}

/* Sums that lie beside the middle of two floats by less than a double can show: the product is a
 * power of two (half an ulp of c), plus or minus the smallest that two factors can add. */
static void check_double_rounding(uint64_t *seed)
{
    for (int i = 0; i < 500000; i++) {
        const float c = 1 + (float)(test_random(seed) % (1u << 23)) * 0x1p-23f;
        const float near =
            sk_f32_from_bits(sk_f32_bits(0x1p-12f) + (uint32_t)(test_random(seed) % 5) - 2);
        const float far =
            sk_f32_from_bits(sk_f32_bits(0x1p-12f) + (uint32_t)(test_random(seed) % 5) - 2);
        check(near, far, c);
        check(-near, far, c);
        const float tiny = ldexpf(1, -(int)(test_random(seed) % 80) - 24);
        check(tiny, 1.0f + 0x1p-23f, c);
        check(tiny, tiny, c);
        check(0x1p-75f, ldexpf(near, 0), sk_f32_from_bits((uint32_t)(test_random(seed) % 64)));
        /* the same among subnormals, whose middles are at other bits */
        const uint32_t small = (uint32_t)(test_random(seed) % (1u << 23));
        check(ldexpf(near, -63), ldexpf(far, -63), sk_f32_from_bits(small));
        check(ldexpf(near, -63), -ldexpf(far, -63), sk_f32_from_bits(small));
        /* a product of half an ulp less m^2 / 2^46 of it: some steps of a double from the middle */
        const float m = (float)(test_random(seed) % 1200) * 0x1p-23f;
        check((1 - m) * 0x1p-75f, (1 + m) * 0x1p-75f, sk_f32_from_bits(small));
        check((1 - m) * 0x1p-12f, (1 + m) * 0x1p-12f, c);
    }
}

int main(void)
{
    uint64_t seed = 7;
    check_special_values();
    check_random_bits(&seed);
    check_cancellation(&seed);
    check_double_rounding(&seed);
    return test_end();
}
