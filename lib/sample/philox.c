/* SPDX-License-Identifier: MIT */
/*
 * A round multiplies two of the four words by constants, and mixes the high halves of the products
 * with the other two words and the key; the key steps by the golden ratio and sqrt(3) - 1 between
 * rounds. Integers only, so equal everywhere.
 */
#include "base/portable.h"

#include "sample/philox.h"

void sk_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; /* 2^32 times the golden ratio's fraction */
        k1 += 0xBB67AE85u; /* 2^32 * (sqrt(3) - 1) */
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

double sk_random_u01(uint64_t seed, uint64_t position, uint32_t sampler)
{
    const uint32_t counter[4] = {(uint32_t)position, (uint32_t)(position >> 32), sampler, 0};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t out[4];
    sk_philox(counter, key, out);
    uint64_t bits = (uint64_t)out[1] << 32 | out[0];
    return (double)(bits >> 11) * 0x1p-53;
}
