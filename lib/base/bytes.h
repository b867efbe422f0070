/* SPDX-License-Identifier: MIT */
/*
 * Little-endian numbers at any address, on any host. Where the host's own order is little-endian,
 * which compilers know, an access is a copy: sums of shifted bytes, which mean the same, are often
 * left as bytes when they stand in a larger loop.
 */
#ifndef SK_BASE_BYTES_H
#define SK_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline int sk_host_is_little(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first;
}

static inline uint16_t sk_le16(const void *p)
{
    const uint8_t *b = p;
    uint16_t v;
    memcpy(&v, p, 2);
    if (sk_host_is_little())
        return v;
    return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t sk_le32(const void *p)
{
    const uint8_t *b = p;
    uint32_t v;
    memcpy(&v, p, 4);
    return sk_host_is_little() ? v : (uint32_t)sk_le16(b) | (uint32_t)sk_le16(b + 2) << 16;
}

static inline uint64_t sk_le64(const void *p)
{
    const uint8_t *b = p;
    uint64_t v;
    memcpy(&v, p, 8);
    return sk_host_is_little() ? v : (uint64_t)sk_le32(b) | (uint64_t)sk_le32(b + 4) << 32;
}

static inline float sk_f32_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint32_t sk_f32_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}

static inline double sk_f64_from_bits(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, 8);
    return d;
}

static inline uint64_t sk_f64_bits(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, 8);
    return bits;
}

static inline void sk_put_le16(void *p, uint16_t v)
{
    uint8_t *b = p;
    if (sk_host_is_little()) {
        memcpy(p, &v, 2);
        return;
    }
    b[0] = (uint8_t)v;
    b[1] = (uint8_t)(v >> 8);
}

static inline void sk_put_le32(void *p, uint32_t v)
{
    uint8_t *b = p;
    if (sk_host_is_little()) {
        memcpy(p, &v, 4);
        return;
    }
    for (int i = 0; i < 4; i++)
        b[i] = (uint8_t)(v >> 8 * i);
}

static inline void sk_put_le64(void *p, uint64_t v)
{
    uint8_t *b = p;
    if (sk_host_is_little()) {
        memcpy(p, &v, 8);
        return;
    }
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)(v >> 8 * i);
}

#endif
