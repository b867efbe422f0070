/* SPDX-License-Identifier: MIT */
/*
 * Keys and values as the cache holds them, for one tier (tier_impl.h; no include guard): sixteen
 * elements of a row as floats, and a whole block unpacked.
 *
 * What a type means is exact: a half or bfloat16 is a float. README.md has the formulas.
 */

/* Elements [i, i + 16) of a row; i is a multiple of 16, and `dtype` a constant where this is
 * inlined. */
SK_INLINE v16 TIER(kv_load)(const unsigned char *row, int64_t i, int dtype)
{
    if (dtype == SK_F16)
        return v16_load_f16((const uint16_t *)(const void *)row + i);
    return v16_load((const float *)(const void *)row + i);
}

/* The last n < 16 elements of a row, zeros behind them. */
SK_INLINE v16 TIER(kv_load_part)(const unsigned char *row, int64_t i, int64_t n, int dtype)
{
    float lane[16] = {0};
    for (int64_t j = 0; j < n; j++)
        lane[j] = dtype == SK_F16 ? sk_f16_to_f32(((const uint16_t *)(const void *)row)[i + j])
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

/* The same turned: to[element][row], 64 rows, zeros for rows that are not in [lo, hi). */
SK_INLINE void TIER(kv_columns_as)(const unsigned char *from, size_t size, int lo, int hi,
                                   int64_t n, float *to, int dtype)
{
    for (int j = 0; j < SK_KEY_BLOCK; j += 16)
        for (int64_t i = 0; i < n; i += 16) {
            v16 x[16];
            SK_UNROLL
            for (int r = 0; r < 16; r++)
                x[r] = j + r < lo || j + r >= hi
                           ? v16_zero()
                           : TIER(kv_load_some)(from + (size_t)(j + r) * size, i, n, dtype);
            TIER(transpose)(x);
            SK_UNROLL
            for (int r = 0; r < 16; r++)
                v16_store(to + (r * ((n + 15) / 16) + i / 16) * SK_KEY_BLOCK + j, x[r]);
        }
}

static void TIER(kv_rows)(int dtype, const unsigned char *from, size_t size, int lo, int hi,
                          int64_t n, float *to)
{
    if (dtype == SK_F16)
        TIER(kv_rows_as)(from, size, lo, hi, n, to, SK_F16);
    else
        TIER(kv_rows_as)(from, size, lo, hi, n, to, SK_F32);
}

static void TIER(kv_columns)(int dtype, const unsigned char *from, size_t size, int lo, int hi,
                             int64_t n, float *to)
{
    if (dtype == SK_F16)
        TIER(kv_columns_as)(from, size, lo, hi, n, to, SK_F16);
    else
        TIER(kv_columns_as)(from, size, lo, hi, n, to, SK_F32);
}
