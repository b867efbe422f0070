/* SPDX-License-Identifier: MIT */
/*
 * The table of formats, and weights as floats. Dequantisation is one loop per group size on top of
 * the decoders; it gives the reference's bits because every product is exact (unit.h), so that only
 * the last subtraction or addition of the types with a minimum rounds, and the order is the
 * reference's: (d * scale) * q - dmin * min, which also settles the sign of a zero.
 */
#include "base/portable.h"
#include "tensor/types.h"
#include "base/bytes.h"
#include "tensor/act.h"
#include "tensor/decode.h"
#include "tensor/half.h"

const sk_coding *sk_coding_get(int dtype)
{
    static const sk_coding none = {0, 0, false, false},
                           table[SK_DTYPE_END] = {
                               [SK_F32] = {SK_ACT_F32, 0, false, true},
                               [SK_F16] = {SK_ACT_F32, 0, false, true},
                               [SK_BF16] = {SK_ACT_F32, 0, false, true},
                               [SK_Q4_0] = {SK_ACT_Q32, 32, false, true},
                               [SK_Q4_1] = {SK_ACT_Q32, 32, true, true},
                               [SK_Q5_0] = {SK_ACT_Q32, 32, false, true},
                               [SK_Q5_1] = {SK_ACT_Q32, 32, true, true},
                               [SK_Q8_0] = {SK_ACT_Q32, 32, false, true},
                               [SK_Q1_0] = {SK_ACT_Q32, 32, false, true},
                               [SK_Q2_0] = {SK_ACT_Q32, 32, false, true},
                               [SK_IQ4_NL] = {SK_ACT_Q32, 32, false, true},
                               [SK_MXFP4] = {SK_ACT_Q32, 32, false, true},
                               [SK_NVFP4] = {SK_ACT_Q32, 16, false, true},
                               [SK_Q2_K] = {SK_ACT_Q256, 256, true, true},
                               [SK_Q3_K] = {SK_ACT_Q256, 256, false, true},
                               [SK_Q4_K] = {SK_ACT_Q256, 256, true, true},
                               [SK_Q5_K] = {SK_ACT_Q256, 256, true, true},
                               [SK_Q6_K] = {SK_ACT_Q256, 256, false, true},
                               [SK_IQ2_XXS] = {SK_ACT_Q256, 256, false, true},
                               [SK_IQ2_XS] = {SK_ACT_Q256, 256, false, true},
                               [SK_IQ2_S] = {SK_ACT_Q256, 256, false, true},
                               [SK_IQ3_XXS] = {SK_ACT_Q256, 256, false, true},
                               [SK_IQ3_S] = {SK_ACT_Q256, 256, false, true},
                               [SK_IQ1_S] = {SK_ACT_Q256, 256, false, true},
                               [SK_IQ1_M] = {SK_ACT_Q256, 256, false, true},
                               [SK_IQ4_XS] = {SK_ACT_Q256, 256, false, true},
                               [SK_TQ1_0] = {SK_ACT_Q256, 256, false, true},
                               [SK_TQ2_0] = {SK_ACT_Q256, 256, false, true},
                           };
    return dtype >= 0 && dtype < SK_DTYPE_END ? &table[dtype] : &none;
}

int sk_act_kind(int dtype)
{
    return sk_coding_get(dtype)->act;
}

size_t sk_act_row_size(int kind, int64_t n)
{
    if (kind == SK_ACT_F32)
        return sk_act_align((size_t)n * sizeof(float));
    return sk_act_places_of(kind, n).end;
}

static void unit_to_float(const sk_unit *u, const sk_coding *f, int n, float *dst)
{
    for (int k = 0; k < n / 16; k++) {
        const float d = f->group == 256  ? u->d[0] * (float)u->scale[k]
                        : f->group == 32 ? u->d[k / 2]
                                         : u->d[k];
        for (int i = 16 * k; i < 16 * k + 16; i++)
            dst[i] = d * (float)u->q[i];
        if (!f->min)
            continue;
        const float m = f->group == 256 ? -(u->m[0] * (float)u->min[k]) : u->m[k / 2];
        for (int i = 16 * k; i < 16 * k + 16; i++)
            dst[i] += m;
    }
}

static void floats_of(int dtype, const uint8_t *p, float *dst, int64_t n)
{
    if (dtype == SK_F32)
        for (int64_t i = 0; i < n; i++)
            dst[i] = sk_f32_from_bits(sk_le32(p + 4 * i));
    else if (dtype == SK_F16)
        for (int64_t i = 0; i < n; i++)
            dst[i] = sk_f16_to_f32(sk_le16(p + 2 * i));
    else if (dtype == SK_BF16)
        for (int64_t i = 0; i < n; i++)
            dst[i] = sk_bf16_to_f32(sk_le16(p + 2 * i));
    else
        for (int64_t i = 0; i < n; i++)
            dst[i] = (float)sk_f64_from_bits(sk_le64(p + 8 * i));
}

bool sk_dequantise(int dtype, const void *src, float *dst, int64_t n)
{
    const sk_coding *f = sk_coding_get(dtype);
    const sk_dtype *t = f->group ? sk_dtype_get((uint64_t)dtype) : NULL;
    const uint8_t *p = src;
    if (f->known && !f->group)
        floats_of(dtype, p, dst, n);
    else if (dtype == SK_F64)
        floats_of(dtype, p, dst, n);
    else if (!t)
        return false;
    else
        for (int64_t i = 0; i < n; i += SK_UNIT) {
            const int left = n - i < SK_UNIT ? (int)(n - i) : SK_UNIT;
            sk_unit u;
            sk_decode(dtype, p, left, &u);
            unit_to_float(&u, f, left, dst + i);
            p += (size_t)left / t->n_elem * t->n_byte;
        }
    return true;
}
