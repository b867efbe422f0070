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

/* Attention over all blocks that are seen, in each of three ways: at once, block by block, and by
 * parts that are merged later in two calls. */
enum { ATTEND_AT_ONCE, ATTEND_BY_BLOCK, ATTEND_APART, ATTEND_WAYS };

static inline void attend_all(const sk_kernels *k, const sk_attend *call, int way)
{
    enum { MOST_DIM = 640, MOST_QUERIES = 400, MOST_PARTS = 1 << 21 };
    static _Alignas(64) float scratch[(2 * MOST_DIM + SK_ATTEND_QUERIES) * SK_KEY_BLOCK];
    static float parts[MOST_PARTS], sums[2][MOST_QUERIES];
    sk_attend a = *call;
    int64_t first = INT64_MAX, last = 0;
    for (int64_t r = 0; r < a.n_row; r++) {
        first = a.seen[r].first < first ? a.seen[r].first : first;
        last = a.seen[r].last > last ? a.seen[r].last : last;
    }
    const int64_t block0 = first / SK_KEY_BLOCK, block1 = (last + SK_KEY_BLOCK - 1) / SK_KEY_BLOCK;
    const int64_t n = a.n_row * a.n_head, middle = (block0 + block1 + 1) / 2;
    a.max = sums[0];
    a.sum = sums[1];
    a.scratch = scratch;
    CHECK(sk_attend_scratch(a.dk, a.dv) <= sizeof scratch && n <= MOST_QUERIES);
    CHECK((block1 - block0) * n * (a.dv + 2) <= MOST_PARTS);
    if (way == ATTEND_AT_ONCE)
        k->attend(&a, block0, block1);
    for (int64_t b = block0; way == ATTEND_BY_BLOCK && b < block1; b++)
        k->attend(&a, b, b + 1);
    if (way == ATTEND_APART) {
        for (int64_t b = block1; b-- > block0;) {
            a.parts = parts + (b - block0) * n * (a.dv + 2);
            k->attend(&a, b, b + 1);
        }
        a.parts = parts;
        k->attend_merge(&a, block0, middle);
        a.parts = parts + (middle - block0) * n * (a.dv + 2);
        k->attend_merge(&a, middle, block1);
    }
    k->attend_end(&a);
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
