/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4), for comparing with published hashes. */
#ifndef SK_TEST_SHA256_H
#define SK_TEST_SHA256_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first 32 bits of the fraction of a root of the k-th prime. */
static inline uint32_t sha256_constant(int k, double (*root)(double))
{
    int prime = 1;
    for (int found = -1; found < k;) {
        int divisor = 2;
        prime++;
        while (prime % divisor)
            divisor++;
        found += divisor == prime;
    }
    double r = root(prime);
    return (uint32_t)((r - floor(r)) * 4294967296.0);
}

static inline uint32_t sha256_turn(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static inline void sha256_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 64; i++) {
        w[i] = i < 16 ? (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                            (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3]
                      : 0;
        if (i < 16)
            continue;
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (sha256_turn(a, 7) ^ sha256_turn(a, 18) ^ a >> 3) +
               (sha256_turn(b, 17) ^ sha256_turn(b, 19) ^ b >> 10);
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t a = s[0], e = s[4];
        uint32_t one = s[7] + (sha256_turn(e, 6) ^ sha256_turn(e, 11) ^ sha256_turn(e, 25)) +
                       ((e & s[5]) ^ (~e & s[6])) + sha256_constant(i, cbrt) + w[i];
        uint32_t two = (sha256_turn(a, 2) ^ sha256_turn(a, 13) ^ sha256_turn(a, 22)) +
                       ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

/* The hash of `n` bytes in hexadecimal. */
static inline void sha256_hex(const char *bytes, size_t n, char out[65])
{
    size_t size = (n + 9 + 63) / 64 * 64;
    uint8_t *padded = calloc(size, 1);
    uint32_t state[8];
    memcpy(padded, bytes, n);
    padded[n] = 0x80;
    for (size_t i = 0; i < 8; i++)
        padded[size - 1 - i] = (uint8_t)((uint64_t)n * 8 >> 8 * i);
    for (int i = 0; i < 8; i++)
        state[i] = sha256_constant(i, sqrt);
    for (size_t at = 0; at < size; at += 64)
        sha256_block(state, padded + at);
    for (int i = 0; i < 8; i++)
        snprintf(out + 8 * i, 9, "%08x", (unsigned)state[i]);
    free(padded);
}

#endif
