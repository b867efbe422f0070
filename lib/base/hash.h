/* SPDX-License-Identifier: MIT */
/*
 * A hash of 64 bits for checksums and fingerprints: the same on every machine, and no secret, so it
 * guards against accidents, not against people. Each word of 8 bytes is taken in by a step that is
 * one to one, for the word and for the hash so far: any change that is confined to one word changes
 * the result.
 */
#ifndef SK_BASE_HASH_H
#define SK_BASE_HASH_H

#include "bytes.h"

#define SK_HASH_START UINT64_C(0x9E3779B97F4A7C15)

static inline uint64_t sk_hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 32;
}

/* The bytes as little-endian words, the last one filled up with zeros, then their number. */
static inline uint64_t sk_hash_bytes(uint64_t hash, const void *data, uint64_t n)
{
    const uint8_t *bytes = data;
    uint64_t i = 0;
    uint8_t last[8] = {0};
    for (; n - i >= 8; i += 8)
        hash = sk_hash_word(hash, sk_le64(bytes + i));
    if (n > i)
        memcpy(last, bytes + i, (size_t)(n - i));
    return sk_hash_word(sk_hash_word(hash, sk_le64(last)), n);
}

#endif
