/* SPDX-License-Identifier: MIT */
/*
 * Keys and values as the cache holds them, for one tier (tier_impl.h; no include guard): sixteen
 * elements of a row as floats, a whole block unpacked, and a row stored.
 *
 * What a type means is exact: a half or bfloat16 is a float, and so is a scale of 11 bits times a
 * code of 8, so that no order of operations can change it. Storing rounds, by the formulas of
 * README.md. A block of 32 that holds a value that is not finite gets a scale that is not, and
 * reads back as no number.
 */

/* Sixteen codes of 4 bits, as they are less 8: the lower ones of the bytes, or the upper. */
SK_INLINE v16 TIER(kv_nibbles)(const unsigned char *p, int shift)
{
    int8_t code[16];
    for (int j = 0; j < 16; j++)
        code[j] = (int8_t)((p[j] >> shift & 15) - 8);
    return TIER(from_i8)(code);
}

/* Elements [i, i + 16) of a row; i is a multiple of 16, and `dtype` a constant where this is
 * inlined. */
SK_INLINE v16 TIER(kv_load)(const unsigned char *row, int64_t i, int dtype)
{
    if (dtype == SK_F16)
        return v16_load_f16((const uint16_t *)(const void *)row + i);
    if (dtype == SK_F32)
        return v16_load((const float *)(const void *)row + i);
    if (dtype == SK_BF16) {
        float lane[16];
        for (int j = 0; j < 16; j++)
            lane[j] = sk_bf16_to_f32(((const uint16_t *)(const void *)row)[i + j]);
        return v16_load(lane);
    }
    const unsigned char *block = row + i / 32 * (dtype == SK_Q8_0 ? 34 : 18);
    const v16 d = TIER(splat_f16)(sk_le16(block));
    if (dtype == SK_Q8_0)
        return v16_mul(d, TIER(from_i8)((const int8_t *)block + 2 + i % 32));
    return v16_mul(d, TIER(kv_nibbles)(block + 2, i % 32 ? 4 : 0));
}

/* The last n < 16 elements of a row, zeros behind them. Types of blocks have no such rows. */
SK_INLINE v16 TIER(kv_load_part)(const unsigned char *row, int64_t i, int64_t n, int dtype)
{
    const uint16_t *half = (const uint16_t *)(const void *)row + i;
    float lane[16] = {0};
    for (int64_t j = 0; j < n; j++)
        lane[j] = dtype == SK_F16    ? sk_f16_to_f32(half[j])
                  : dtype == SK_BF16 ? sk_bf16_to_f32(half[j])
                                     : ((const float *)(const void *)row)[i + j];
    return v16_load(lane);
}

SK_INLINE v16 TIER(kv_load_some)(const unsigned char *row, int64_t i, int64_t n, int dtype)
{
    return i + 16 <= n ? TIER(kv_load)(row, i, dtype) : TIER(kv_load_part)(row, i, n - i, dtype);
}

/* Rows [lo, hi) as floats, n a row and zeros up to a multiple of 16: to[row][n]. */
SK_INLINE void TIER(kv_rows_as)(const unsigned char *from, size_t size, int lo, int hi, int64_t n,
                                float *to, int dtype)
{
    const int64_t width = (n + 15) / 16 * 16;
    for (int j = lo; j < hi; j++)
        for (int64_t i = 0; i < n; i += 16)
            v16_store(to + j * width + i, TIER(kv_load_some)(from + (size_t)j * size, i, n, dtype));
}

#if !TIER_AVX512 /* which does not turn them (attend_impl.h) */

/* The same turned: to[element][row], 64 rows, zeros for rows that are not in [lo, hi). */
SK_INLINE void TIER(kv_columns_as)(const unsigned char *from, size_t size, int lo, int hi,
                                   int64_t n, float *to, int dtype)
{
    for (int j = 0; j < SK_KEY_BLOCK; j += 16)
        for (int64_t i = 0; i < n; i += 16) {
            v16 x[16];
            SK_ROLL /* five types */
                for (int r = 0; r < 16; r++) x[r] =
                    j + r < lo || j + r >= hi
                        ? v16_zero()
                        : TIER(kv_load_some)(from + (size_t)(j + r) * size, i, n, dtype);
            TIER(transpose)(x);
            SK_ROLL
            for (int r = 0; r < 16; r++)
                v16_store(to + (r * ((n + 15) / 16) + i / 16) * SK_KEY_BLOCK + j, x[r]);
        }
}

#endif

/* By type, which is a constant inside. */
#define KV_BY_TYPE(name) \
    static void TIER(name)(int dtype, const unsigned char *from, size_t size, int lo, int hi, \
                           int64_t n, float *to) \
    { \
        switch (dtype) { \
        case SK_F32: \
            TIER(name##_as)(from, size, lo, hi, n, to, SK_F32); \
            break; \
        case SK_F16: \
            TIER(name##_as)(from, size, lo, hi, n, to, SK_F16); \
            break; \
        case SK_BF16: \
            TIER(name##_as)(from, size, lo, hi, n, to, SK_BF16); \
            break; \
        case SK_Q8_0: \
            TIER(name##_as)(from, size, lo, hi, n, to, SK_Q8_0); \
            break; \
        default: \
            TIER(name##_as)(from, size, lo, hi, n, to, SK_Q4_0); \
            break; \
        } \
    }
KV_BY_TYPE(kv_rows)
#if !TIER_AVX512
KV_BY_TYPE(kv_columns)
#endif
#undef KV_BY_TYPE

/* ---- Storing --------------------------------------------------------------------------------- */

/* The first of the elements whose magnitude is the greatest by its bits, where infinity and NaN are
 * greater than all numbers. */
SK_INLINE float TIER(kv_greatest)(const float *x)
{
    uint32_t most = 0;
    int at = 0;
    for (int j = 0; j < 32; j++) {
        const uint32_t bits = sk_f32_bits(x[j]) & 0x7fffffffu;
        at = bits > most ? j : at;
        most = bits > most ? bits : most;
    }
    return x[at];
}

/* d = max |x| / 127, id = 1 / d, code = x * id to nearest, halves away from zero; the scale of the
 * codes is d in float, what is kept of it is a half. */
static void TIER(kv_store_q8_0)(unsigned char *to, const float *x)
{
    const float v = TIER(kv_greatest)(x), d = (v < 0 ? -v : v) / 127.0f;
    const float id = d != 0 ? 1.0f / d : 0.0f;
    sk_put_le16(to, sk_f32_to_f16(d));
    for (int j = 0; j < 32; j++) {
        const float y = x[j] * id, size = y < 0 ? -y : y;
        const float a = size < 127.0f ? size : size >= 127.0f ? 127.0f : 0.0f; /* a NaN is 0 */
        const int whole = (int)a, code = whole + (a - (float)whole >= 0.5f);
        to[2 + j] = (unsigned char)(y < 0 ? -code : code);
    }
}

/* d = v / -8, v the element of greatest magnitude; code = x * id + 8.5 cut to an integer, at most
 * 15; element j and j + 16 share a byte. */
static void TIER(kv_store_q4_0)(unsigned char *to, const float *x)
{
    const float d = TIER(kv_greatest)(x) / -8.0f, id = d != 0 ? 1.0f / d : 0.0f;
    int code[32];
    sk_put_le16(to, sk_f32_to_f16(d));
    for (int j = 0; j < 32; j++) {
        const float y = x[j] * id + 8.5f;
        code[j] = y > 0 && y < 16.0f ? (int)y : y >= 16.0f ? 15 : 0;
    }
    for (int j = 0; j < 16; j++)
        to[2 + j] = (unsigned char)(code[j] | code[j + 16] << 4);
}

static void TIER(kv_store)(int dtype, void *to, const float *x, int64_t n)
{
    unsigned char *block = to;
    switch (dtype) {
    case SK_F32:
        memcpy(to, x, (size_t)n * sizeof *x);
        break;
    case SK_F16:
        TIER(to_f16)(to, x, n);
        break;
    case SK_BF16:
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)to)[i] = sk_f32_to_bf16(x[i]);
        break;
    case SK_Q8_0:
        for (int64_t i = 0; i < n; i += 32, block += 34)
            TIER(kv_store_q8_0)(block, x + i);
        break;
    default:
        for (int64_t i = 0; i < n; i += 32, block += 18)
            TIER(kv_store_q4_0)(block, x + i);
        break;
    }
}
