/* SPDX-License-Identifier: MIT */
/*
 * The codebooks of the IQ types, and how an entry becomes 8 bytes. An entry is one 16-bit word:
 * eight codes of 2 bits, or four of 3 bits. Codes are spread over the bytes of a 64-bit number and
 * become values by arithmetic on all bytes at once; no byte ever carries into the next. 9 KiB of
 * tables in place of the 40 KiB that unpacked ones would take from the cache. Shifts stand for
 * multiplications because vector units multiply no 64-bit numbers.
 */
#ifndef SK_TENSOR_IQ_H
#define SK_TENSOR_IQ_H

#include <stdint.h>

extern const uint16_t sk_iq2xxs_grid[256];
extern const uint16_t sk_iq2xs_grid[512];
extern const uint16_t sk_iq2s_grid[1024];
extern const uint16_t sk_iq3xxs_grid[256];
extern const uint16_t sk_iq3s_grid[512];
extern const uint16_t sk_iq1s_grid[2048];

#define SK_BYTES(b) (0x0101010101010101ull * (b)) /* the byte b eight times */

/* Numbers of a block: number i is at bits shift + bits * (i % per) of the 32-bit word that begins
 * at byte at + step * (i / per). */
typedef struct sk_grid_field {
    uint8_t at, step, shift, per, bits, mask;
} sk_grid_field;

/* A word for each 32 weights: its place in the block, and from one to the next. */
typedef struct sk_grid_word {
    uint8_t at, step;
} sk_grid_word;

enum {
    SK_SIGNS_EIGHT,   /* a byte for each group */
    SK_SIGNS_SEVEN,   /* seven bits for each, and the eighth makes them even */
    SK_SIGNS_WITH,    /* the same, in the upper bits of a 16-bit index */
    SK_SIGNS_ONE,     /* bit 31 for four groups */
    SK_SIGNS_NIBBLES, /* bits 19, 23, 27, 31, for a group each */
};

/* Where a block of a type with a codebook has its fields. The word at `sign` is read for each 32
 * weights, that at `index` too, or two of them, a byte for each entry; `high` adds bits from 8 on.
 */
typedef struct sk_grid_type {
    int dtype, bits, signs;
    const uint16_t *grid;
    const int8_t *values; /* of a code and, above it, the sign's bit */
    float factor;         /* of d */
    sk_grid_word index, sign;
    sk_grid_field high, scale;
} sk_grid_type;

/* NULL for a type without a codebook. */
const sk_grid_type *sk_grid_type_get(int dtype);

/* Eight 2-bit codes to eight bytes, the lowest first. */
static inline uint64_t sk_spread2(uint32_t word)
{
    uint64_t x = word;
    x = (x | x << 24) & 0x000000ff000000ffull;
    x = (x | x << 12) & 0x000f000f000f000full;
    return (x | x << 6) & SK_BYTES(3);
}

/* Eight bits to eight bytes of 0 or 1, the lowest first. */
static inline uint64_t sk_spread1(uint32_t bits)
{
    uint64_t x = bits;
    x = (x | x << 28) & 0x0000000f0000000full;
    x = (x | x << 14) & 0x0003000300030003ull;
    return (x | x << 7) & SK_BYTES(1);
}

/* Two words of four 3-bit codes to eight bytes. */
static inline uint64_t sk_spread3(uint32_t word0, uint32_t word1)
{
    uint64_t x = word0 | (uint64_t)word1 << 32;
    x = (x & 0x0000003f0000003full) | (x & 0x00000fc000000fc0ull) << 10;
    return (x & 0x0007000700070007ull) | (x & 0x0038003800380038ull) << 5;
}

/* Codes of IQ2 to 8, 25, 43. */
static inline uint64_t sk_iq2_values(uint64_t code)
{
    return SK_BYTES(8) + (code << 4) + code + (code >> 1 & SK_BYTES(1));
}

/* Codes of IQ3_XXS to 4, 12, 20, 28, 36, 44, 52, 62. */
static inline uint64_t sk_iq3xxs_values(uint64_t code)
{
    return SK_BYTES(4) + (code << 3) + ((code + SK_BYTES(1)) >> 2 & SK_BYTES(2));
}

/* Negates the bytes whose bit is set in `signs`. No byte may be zero: 256 would carry. */
static inline uint64_t sk_apply_signs(uint64_t values, uint32_t signs)
{
    const uint64_t one = sk_spread1(signs);
    return (values ^ ((one << 8) - one)) + one;
}

/* The eighth sign that makes the number of negative weights even. */
static inline uint32_t sk_even_signs(uint32_t seven)
{
    return seven | (0x6996u >> ((seven ^ seven >> 4) & 15) & 1u) << 7;
}

#endif
