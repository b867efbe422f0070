/* SPDX-License-Identifier: MIT */
/* What the tests of the float kernels share: the tiers that run here, and numbers to feed them. */
#ifndef SK_TENSOR_TEST_H
#define SK_TENSOR_TEST_H

#include "base/bytes.h"
#include "tensor/kernels.h"
#include "test.h"

#include <math.h>

/* Tier `index` if this CPU runs it, else NULL; tells once which it does not run. */
static inline const sk_kernels *tier_at(int index, bool *more)
{
    bool runs = false;
    const sk_kernels *k = sk_kernels_at(index, &runs);
    *more = k != NULL;
    if (k && !runs)
        printf("tier %s: this CPU cannot run it, skipped\n", k->name);
    return runs ? k : NULL;
}

/* Uniform in [-1, 1). */
static inline float random_unit(uint64_t *seed)
{
    return (float)((double)(test_random(seed) >> 40) * 0x1p-23 - 1);
}

static inline void random_units(float *x, int64_t n, uint64_t *seed)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = random_unit(seed);
}

/* Any float: special values, huge, tiny, and of like size. */
static inline float random_adversary(uint64_t *seed, bool finite)
{
    static const float special[] = {
        0.0f,     -0.0f,   0x1p-149f, -0x1p-149f, 0x1p-126f, 0x1.fffffep127f, -0x1.fffffep127f,
        1.0f,     -1.0f,   65504.0f,  65520.0f,   0x1p-24f,  0x1p-25f,        0x1.8p-24f,
        88.7228f, -103.9f, HUGE_VALF, -HUGE_VALF, NAN};
    const uint64_t r = test_random(seed);
    float x = random_unit(seed);
    if (r % 4 == 0)
        x = special[(r >> 8) % (sizeof special / sizeof special[0])];
    else if (r % 4 == 1)
        x = sk_f32_from_bits((uint32_t)(r >> 32));
    return finite && !isfinite(x) ? 1.5f : x;
}

static inline void random_adversaries(float *x, int64_t n, uint64_t *seed, bool finite)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = random_adversary(seed, finite);
}

/* The same bits, except that any NaN equals any NaN. Returns the first index that differs, or n. */
static inline int64_t first_difference(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (sk_f32_bits(a[i]) != sk_f32_bits(b[i]) && !(isnan(a[i]) && isnan(b[i])))
            return i;
    return n;
}

#endif
