/* SPDX-License-Identifier: MIT */
/*
 * A row of activations in memory. F32: the floats. Q32 and Q256: arrays one after another, each
 * beginning at a multiple of 64 bytes; nothing depends on the padding:
 *
 *   int8_t  code[n]          -127 to 127
 *   float   d[n / block]     block is 32 or 256; element i is code[i] * d[i / block]
 *   int16_t sum[n / part]    sums of codes, a part being 32 elements (Q32) or 16 (Q256)
 *   int16_t sum32[n / 32]    Q256 only: sums of 32, for weights whose minimums are for as many
 *
 * Codes come first and together because the integer dot products stream through them; a sum, at
 * most 32 * 127, is what a minimum of the weights is multiplied with, and what takes back an offset
 * that an unsigned byte product needs.
 */
#ifndef SK_TENSOR_ACT_H
#define SK_TENSOR_ACT_H

#include "tensor/kernels.h"

typedef struct sk_act_row {
    const float *x; /* F32 only; the others have the rest */
    const int8_t *code;
    const float *d;
    const int16_t *sum, *sum32;
} sk_act_row;

static inline size_t sk_act_align(size_t size)
{
    return (size + 63) / 64 * 64;
}

static inline int sk_act_block(int kind)
{
    return kind == SK_ACT_Q32 ? 32 : 256;
}

static inline int sk_act_part(int kind)
{
    return kind == SK_ACT_Q32 ? 32 : 16;
}

/* Where the arrays of a row of codes begin, in bytes; for Q32 the sums of 32 are its `sum`. */
typedef struct sk_act_places {
    size_t d, sum, sum32, end;
} sk_act_places;

static inline sk_act_places sk_act_places_of(int kind, int64_t n)
{
    sk_act_places p;
    p.d = sk_act_align((size_t)n);
    p.sum = p.d + sk_act_align((size_t)(n / sk_act_block(kind)) * sizeof(float));
    p.end = p.sum + sk_act_align((size_t)(n / sk_act_part(kind)) * sizeof(int16_t));
    p.sum32 = kind == SK_ACT_Q32 ? p.sum : p.end;
    if (kind == SK_ACT_Q256)
        p.end += sk_act_align((size_t)(n / 32) * sizeof(int16_t));
    return p;
}

static inline sk_act_row sk_act_view(int kind, const void *row, int64_t n)
{
    const char *p = row;
    sk_act_row r = {row, NULL, NULL, NULL, NULL};
    if (kind == SK_ACT_F32)
        return r;
    const sk_act_places at = sk_act_places_of(kind, n);
    r.code = row;
    r.d = (const float *)(const void *)(p + at.d);
    r.sum = (const int16_t *)(const void *)(p + at.sum);
    r.sum32 = (const int16_t *)(const void *)(p + at.sum32);
    return r;
}

#endif
