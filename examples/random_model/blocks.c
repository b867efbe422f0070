/* SPDX-License-Identifier: MIT */
#include "blocks.h"

#include <math.h>
#include <string.h>

/*
 * Deviations follow from uniform codes: of Q4_0, codes -8 to 7, sqrt(21.5) = 4.64; of Q4_K, a
 * 6-bit scale times a 4-bit code less a 6-bit minimum, 258; and so on. Codebook types are rough.
 */
static const block_type types[] = {
    {"F32", 0, 1, 4, -1, -1, 1, 0},           {"F16", 1, 1, 2, -1, -1, 1, 0},
    {"BF16", 30, 1, 2, -1, -1, 1, 0},         {"Q4_0", 2, 32, 18, 0, -1, 4.64, 0},
    {"Q4_1", 3, 32, 20, 0, 2, 4.61, -7.5},    {"Q5_0", 6, 32, 22, 0, -1, 9.25, 0},
    {"Q5_1", 7, 32, 24, 0, 2, 9.23, -15.5},   {"Q8_0", 8, 32, 34, 0, -1, 73.9, 0},
    {"Q2_K", 10, 256, 84, 80, 82, 13.9, 1.5}, {"Q3_K", 11, 256, 110, 108, -1, 43.3, 0},
    {"Q4_K", 12, 256, 144, 0, 2, 258, 7.5},   {"Q5_K", 13, 256, 176, 0, 2, 527, 15.5},
    {"Q6_K", 14, 256, 210, 208, -1, 1366, 0}, {"IQ2_XXS", 16, 256, 66, 0, -1, 50, 0},
    {"IQ2_XS", 17, 256, 74, 0, -1, 50, 0},    {"IQ2_S", 22, 256, 82, 0, -1, 50, 0},
    {"IQ3_XXS", 18, 256, 98, 0, -1, 150, 0},  {"IQ3_S", 21, 256, 110, 0, -1, 160, 0},
    {"IQ1_S", 19, 256, 50, 0, -1, 7, 0},      {"IQ4_NL", 20, 32, 18, 0, -1, 67.4, 0},
    {"IQ4_XS", 23, 256, 136, 0, -1, 1246, 0}, {"TQ1_0", 34, 256, 54, 52, -1, 0.82, 0},
    {"TQ2_0", 35, 256, 66, 64, -1, 1.22, 0},  {"MXFP4", 39, 32, 17, -1, -1, 5.85, 0},
};
#define N_TYPES ((int)(sizeof types / sizeof *types))

const block_type *block_at(int i)
{
    return i >= 0 && i < N_TYPES ? &types[i] : NULL;
}

const block_type *block_find(const char *name)
{
    for (int i = 0; i < N_TYPES; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Nearly normal, mean 0, deviation 1: the sum of four uniform numbers. */
static double random_normal(uint64_t *state)
{
    uint64_t z = random_next(state);
    double sum = 0;
    for (int i = 0; i < 64; i += 16)
        sum += (double)(z >> i & 0xFFFF);
    return (sum - 131070) / 37837;
}

static void put_u16(unsigned char *out, uint32_t value)
{
    out[0] = (unsigned char)(value & 255);
    out[1] = (unsigned char)(value >> 8 & 255);
}

/* The nearest half-precision number, for finite values below 65504. */
static uint32_t half(double value)
{
    uint32_t sign = value < 0 ? 0x8000 : 0;
    double size = fabs(value);
    if (size == 0)
        return sign;
    int exponent;
    frexp(size, &exponent);
    if (exponent < -13)
        exponent = -13; /* subnormal: the same step as the smallest normal numbers */
    uint32_t code = (uint32_t)lrint(ldexp(size, 11 - exponent)); /* 1024 to 2048 if normal */
    return sign + code + ((uint32_t)(exponent + 13) << 10);
}

static void fill_float(const block_type *type, unsigned char *out, double value)
{
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, 4);
    if (type->n_byte == 4) {
        put_u16(out, bits & 0xFFFF);
        put_u16(out + 2, bits >> 16);
    } else if (type->id == 30) { /* BF16 */
        put_u16(out, (bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    } else {
        put_u16(out, half(value));
    }
}

static void fill_bytes(unsigned char *out, uint64_t n, uint64_t *state)
{
    for (; n >= 8; n -= 8, out += 8) {
        uint64_t z = random_next(state);
        memcpy(out, &z, 8);
    }
    for (uint64_t z = random_next(state); n > 0; n--, z >>= 8)
        *out++ = (unsigned char)(z & 255);
}

static void fill_quantised(const block_type *type, unsigned char *out, uint64_t n_block,
                           double deviation)
{
    uint32_t scale = half(deviation / type->deviation);
    uint32_t min = half(type->min_ratio * deviation / type->deviation);
    int exponent = 128 + (int)lrint(log2(deviation / type->deviation));
    for (uint64_t i = 0; i < n_block; i++, out += type->n_byte) {
        if (type->scale_at >= 0)
            put_u16(out + type->scale_at, scale);
        else
            out[0] = (unsigned char)exponent; /* MXFP4: a power of two */
        if (type->min_at >= 0)
            put_u16(out + type->min_at, min);
    }
}

void block_fill(const block_type *type, unsigned char *out, uint64_t n_block, double mean,
                double deviation, uint64_t *state)
{
    if (type->n_elem == 1) {
        for (uint64_t i = 0; i < n_block; i++)
            fill_float(type, out + i * type->n_byte, mean + deviation * random_normal(state));
        return;
    }
    fill_bytes(out, n_block * type->n_byte, state);
    fill_quantised(type, out, n_block, deviation);
}
