/* SPDX-License-Identifier: MIT */
/*
 * One decoder per quantised type: a block of the file to a unit (unit.h). A template: every tier
 * includes it with its own name, and so does types.c. A decoder takes `n` weights, whole
 * blocks and at most 256; types with blocks of 256 take one. No bit pattern of the file is
 * refused: table indices are masked to the table's size, scales may be zero, infinite or NaN.
 *
 * The layouts are those of the reference, section 3 (field lists are repeated above each decoder).
 * `lo` and `hi` mean the nibbles of a byte. Bits that a layout scatters are brought to one byte per
 * weight by shifts on whole arrays or on 64-bit words, which compilers vectorise.
 */
#include "base/portable.h"

#include "tensor/decode.h"
#include "base/bytes.h"
#include "base/dtype.h"
#include "tensor/half.h"
#include "tensor/iq.h"

#include <string.h>

const int8_t sk_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};
const int8_t sk_fp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

SK_INLINE float half_at(const uint8_t *p)
{
    return sk_f16_to_f32(sk_le16(p));
}

/* Takes `offset` from n codes. */
SK_INLINE void recentre(int8_t *q, int n, int offset)
{
    for (int j = 0; j < n; j++)
        q[j] = (int8_t)(q[j] - offset);
}

/* Turns n codes of 4 bits into the table's values. */
SK_INLINE void look_up(int8_t *q, int n, const int8_t *table)
{
    for (int j = 0; j < n; j++)
        q[j] = table[q[j] & 15];
}

/* 8 bytes to 16 codes: the low nibbles to q, the high ones to q + high. */
SK_INLINE void nibbles_8(int8_t *q, int high, const uint8_t *qs)
{
    const uint64_t x = sk_le64(qs);
    sk_put_le64(q, x & SK_BYTES(15));
    sk_put_le64(q + high, x >> 4 & SK_BYTES(15));
}

SK_INLINE void nibbles_16(int8_t *q, const uint8_t *qs)
{
    nibbles_8(q, 16, qs);
    nibbles_8(q + 8, 16, qs + 8);
}

SK_INLINE void nibbles_32(int8_t *restrict q, const uint8_t *restrict qs)
{
    for (int j = 0; j < 32; j++)
        q[j] = (int8_t)(qs[j] & 15);
    for (int j = 0; j < 32; j++)
        q[32 + j] = (int8_t)(qs[j] >> 4);
}

/* 16 bytes and 32 more bits to codes of 5 bits. */
SK_INLINE void fives_16(int8_t *q, const uint8_t *high, const uint8_t *qs)
{
    for (int k = 0; k < 2; k++) {
        const uint64_t x = sk_le64(qs + 8 * k);
        sk_put_le64(q + 8 * k, (x & SK_BYTES(15)) | sk_spread1(high[k]) << 4);
        sk_put_le64(q + 16 + 8 * k, (x >> 4 & SK_BYTES(15)) | sk_spread1(high[2 + k]) << 4);
    }
}

/* Q4_0 {f16 d; u8 qs[16]} */
static void decode_q4_0(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int b = 0; b < n / 32; b++, src += 18) {
        u->d[b] = half_at(src);
        nibbles_16(u->q + 32 * b, src + 2);
    }
    recentre(u->q, n, 8);
}

/* Q4_1 {f16 d; f16 m; u8 qs[16]} */
static void decode_q4_1(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int b = 0; b < n / 32; b++, src += 20) {
        u->d[b] = half_at(src);
        u->m[b] = half_at(src + 2);
        nibbles_16(u->q + 32 * b, src + 4);
    }
}

/* Q5_0 {f16 d; u32 qh; u8 qs[16]}: qh has the fifth bit of each weight */
static void decode_q5_0(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int b = 0; b < n / 32; b++, src += 22) {
        u->d[b] = half_at(src);
        fives_16(u->q + 32 * b, src + 2, src + 6);
    }
    recentre(u->q, n, 16);
}

/* Q5_1 {f16 d; f16 m; u32 qh; u8 qs[16]} */
static void decode_q5_1(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int b = 0; b < n / 32; b++, src += 24) {
        u->d[b] = half_at(src);
        u->m[b] = half_at(src + 2);
        fives_16(u->q + 32 * b, src + 4, src + 8);
    }
}

/* Q8_0 {f16 d; i8 qs[32]} */
static void decode_q8_0(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int b = 0; b < n / 32; b++, src += 34) {
        u->d[b] = half_at(src);
        memcpy(u->q + 32 * b, src + 2, 32);
    }
}

/* Q1_0, 128 weights {f16 d; u8 qs[16]}: a set bit is +d, a clear one -d */
static void decode_q1_0(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int b = 0; b < n / 128; b++, src += 18) {
        for (int k = 0; k < 4; k++)
            u->d[4 * b + k] = half_at(src);
        for (int k = 0; k < 16; k++) {
            const uint64_t minus = sk_spread1(src[2 + k] ^ 255u);
            sk_put_le64(u->q + 128 * b + 8 * k, ((minus << 8) - minus) | (minus ^ SK_BYTES(1)));
        }
    }
}

/* Q2_0, 64 weights {f16 d; u8 qs[16]}: codes 0 to 3 in order, meaning -1 to 2 */
static void decode_q2_0(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int b = 0; b < n / 64; b++, src += 18) {
        u->d[2 * b] = u->d[2 * b + 1] = half_at(src);
        for (int k = 0; k < 8; k++)
            sk_put_le64(u->q + 64 * b + 8 * k, sk_spread2(sk_le16(src + 2 + 2 * k)));
    }
    recentre(u->q, n, 1);
}

/* IQ4_NL {f16 d; u8 qs[16]} */
static void decode_iq4_nl(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int b = 0; b < n / 32; b++, src += 18) {
        u->d[b] = half_at(src);
        nibbles_16(u->q + 32 * b, src + 2);
    }
    look_up(u->q, n, sk_iq4_values);
}

/* MXFP4 {u8 e; u8 qs[16]}: the scale is 2^(e - 128), with the doubled values */
static void decode_mxfp4(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int b = 0; b < n / 32; b++, src += 17) {
        const uint32_t e = src[0];
        u->d[b] = sk_f32_from_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
        nibbles_16(u->q + 32 * b, src + 1);
    }
    look_up(u->q, n, sk_fp4_values);
}

/* Half the value of an unsigned E4M3 byte; bit 7 is ignored, 0x7f means 0. */
SK_INLINE float half_ue4m3(uint32_t x)
{
    const uint32_t e = x >> 3 & 15, m = x & 7;
    const uint32_t digits = x == 0x7f ? 0 : e ? m + 8 : m;
    return (float)(int32_t)digits * sk_f32_from_bits(((e ? e : 1) + 127 - 11) << 23);
}

/* NVFP4, 64 weights {u8 d[4]; u8 qs[32]}: a float scale for each 16 */
static void decode_nvfp4(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    for (int k = 0; k < n / 16; k++) {
        const uint8_t *block = src + 36 * (k / 4);
        u->d[k] = half_ue4m3(block[k % 4]);
        nibbles_8(u->q + 16 * k, 8, block + 4 + 8 * (k % 4));
    }
    look_up(u->q, n, sk_fp4_values);
}

/* Q2_K {u8 scales[16]; u8 qs[64]; f16 d; f16 dmin} */
static void decode_q2_k(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    (void)n;
    u->d[0] = half_at(src + 80);
    u->m[0] = half_at(src + 82);
    for (int k = 0; k < 16; k++) {
        u->scale[k] = src[k] & 15;
        u->min[k] = src[k] >> 4;
    }
    for (int h = 0; h < 2; h++)
        for (int s = 0; s < 4; s++)
            for (int l = 0; l < 32; l++)
                u->q[128 * h + 32 * s + l] = (int8_t)(src[16 + 32 * h + l] >> 2 * s & 3);
}

/* Q3_K {u8 hmask[32]; u8 qs[64]; u8 scales[12]; f16 d}: a set bit of hmask adds 4 to a code, and
 * the value is the sum less 4; the 16 scales have 4 bits in the first 8 bytes, 2 in the last 4 */
static void decode_q3_k(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    const uint8_t *sc = src + 96;
    (void)n;
    u->d[0] = half_at(src + 108);
    for (int k = 0; k < 16; k++) {
        const int low = k < 8 ? sc[k] & 15 : sc[k - 8] >> 4;
        u->scale[k] = (int16_t)((low | (sc[8 + (k & 3)] >> 2 * (k >> 2) & 3) << 4) - 32);
    }
    for (int h = 0; h < 2; h++)
        for (int s = 0; s < 4; s++)
            for (int l = 0; l < 32; l++)
                u->q[128 * h + 32 * s + l] = (int8_t)((src[32 + 32 * h + l] >> 2 * s & 3) +
                                                      (src[l] >> (4 * h + s) & 1) * 4 - 4);
}

/* The eight 6-bit scales and minimums of Q4_K and Q5_K in 12 bytes. */
SK_INLINE void k4_scales(const uint8_t *restrict s, sk_unit *restrict u)
{
    for (int j = 0; j < 8; j++) {
        const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        const int min = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | s[j] >> 6 << 4;
        u->scale[2 * j] = u->scale[2 * j + 1] = (int16_t)scale;
        u->min[2 * j] = u->min[2 * j + 1] = (int16_t)min;
    }
}

/* Q4_K {f16 d; f16 dmin; u8 scales[12]; u8 qs[128]} */
static void decode_q4_k(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    (void)n;
    u->d[0] = half_at(src);
    u->m[0] = half_at(src + 2);
    k4_scales(src + 4, u);
    for (int c = 0; c < 4; c++)
        nibbles_32(u->q + 64 * c, src + 16 + 32 * c);
}

/* Q5_K {f16 d; f16 dmin; u8 scales[12]; u8 qh[32]; u8 qs[128]}: bit k of qh[l] is the fifth bit of
 * weight 32k + l */
static void decode_q5_k(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    (void)n;
    u->d[0] = half_at(src);
    u->m[0] = half_at(src + 2);
    k4_scales(src + 4, u);
    for (int c = 0; c < 4; c++)
        nibbles_32(u->q + 64 * c, src + 48 + 32 * c);
    for (int k = 0; k < 8; k++)
        for (int l = 0; l < 32; l++)
            u->q[32 * k + l] = (int8_t)(u->q[32 * k + l] | (src[16 + l] >> k & 1) << 4);
}

/* Q6_K {u8 ql[128]; u8 qh[64]; i8 scales[16]; f16 d}: of each 128 weights, quarter k has its low
 * bits in a nibble of ql and its high two bits in bits 2k of qh */
static void decode_q6_k(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    (void)n;
    u->d[0] = half_at(src + 208);
    for (int k = 0; k < 16; k++)
        u->scale[k] = (int8_t)src[192 + k];
    for (int h = 0; h < 2; h++) {
        const uint8_t *ql = src + 64 * h, *qh = src + 128 + 32 * h;
        int8_t *q = u->q + 128 * h;
        for (int l = 0; l < 32; l++)
            q[l] = (int8_t)(((ql[l] & 15) | (qh[l] & 3) << 4) - 32);
        for (int l = 0; l < 32; l++)
            q[32 + l] = (int8_t)(((ql[32 + l] & 15) | (qh[l] >> 2 & 3) << 4) - 32);
        for (int l = 0; l < 32; l++)
            q[64 + l] = (int8_t)((ql[l] >> 4 | (qh[l] >> 4 & 3) << 4) - 32);
        for (int l = 0; l < 32; l++)
            q[96 + l] = (int8_t)((ql[32 + l] >> 4 | qh[l] >> 6 << 4) - 32);
    }
}

SK_INLINE void unit_scales(sk_unit *u)
{
    for (int k = 0; k < SK_UNIT / 16; k++)
        u->scale[k] = 1;
}

/* TQ1_0 {u8 qs[48]; u8 qh[4]; f16 d}: a byte is a number with five base-3 digits (four in qh) as a
 * fraction of 256; digit i is the first after multiplying by 3^i. Digits of the first 32 bytes come
 * first, each for all bytes, then those of the next 16, then qh's. */
static void decode_tq1_0(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    uint8_t byte[64] = {0};
    int8_t digit[64];
    (void)n;
    u->d[0] = half_at(src + 52);
    unit_scales(u);
    memcpy(byte, src, 52);
    for (int i = 0; i < 5; i++) {
        for (int m = 0; m < 64; m++) {
            const uint8_t t = (uint8_t)(byte[m] * power[i]);
            digit[m] = (int8_t)((t * 3 >> 8) - 1);
        }
        memcpy(u->q + 32 * i, digit, 32);
        memcpy(u->q + 160 + 16 * i, digit + 32, 16);
        if (i < 4)
            memcpy(u->q + 240 + 4 * i, digit + 48, 4);
    }
}

/* TQ2_0 {u8 qs[64]; f16 d} */
static void decode_tq2_0(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    (void)n;
    u->d[0] = half_at(src + 64);
    unit_scales(u);
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 4; l++)
            for (int m = 0; m < 32; m++)
                u->q[128 * h + 32 * l + m] = (int8_t)((src[32 * h + m] >> 2 * l & 3) - 1);
}

/* IQ2_XXS {f16 d; u16 qs[32]}: per 32 weights four grid bytes, then four times 7 signs and a 4-bit
 * scale; d * (0.5 + s) * 0.25 = d / 8 * (2 s + 1) */
static void decode_iq2_xxs(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    (void)n;
    u->d[0] = half_at(src) * 0.125f;
    for (int ib = 0; ib < 8; ib++) {
        const uint8_t *p = src + 2 + 8 * ib;
        const uint32_t b = sk_le32(p + 4);
        u->scale[2 * ib] = u->scale[2 * ib + 1] = (int16_t)(2 * (b >> 28) + 1);
        for (int l = 0; l < 4; l++) {
            const uint64_t v = sk_iq2_values(sk_spread2(sk_iq2xxs_grid[p[l]]));
            const uint32_t signs = sk_even_signs(b >> 7 * l & 127);
            sk_put_le64(u->q + 32 * ib + 8 * l, sk_apply_signs(v, signs));
        }
    }
}

/* The scales of IQ2_XS and IQ2_S: a nibble for each 16 weights, d / 8 * (2 s + 1). */
SK_INLINE void iq2_scales(const uint8_t *restrict s, sk_unit *restrict u)
{
    for (int k = 0; k < 8; k++) {
        u->scale[2 * k] = (int16_t)(2 * (s[k] & 15) + 1);
        u->scale[2 * k + 1] = (int16_t)(2 * (s[k] >> 4) + 1);
    }
}

/* IQ2_XS {f16 d; u16 qs[32]; u8 scales[8]}: 9 bits of grid index, 7 signs */
static void decode_iq2_xs(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    (void)n;
    u->d[0] = half_at(src) * 0.125f;
    iq2_scales(src + 66, u);
    for (int k = 0; k < 32; k++) {
        const uint32_t x = sk_le16(src + 2 + 2 * k);
        const uint64_t v = sk_iq2_values(sk_spread2(sk_iq2xs_grid[x & 511]));
        sk_put_le64(u->q + 8 * k, sk_apply_signs(v, sk_even_signs(x >> 9)));
    }
}

/* IQ2_S {f16 d; u8 qs[32]; u8 signs[32]; u8 qh[8]; u8 scales[8]}: qh has two more index bits */
static void decode_iq2_s(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    const uint8_t *qs = src + 2, *signs = src + 34, *qh = src + 66;
    (void)n;
    u->d[0] = half_at(src) * 0.125f;
    iq2_scales(src + 74, u);
    for (int k = 0; k < 32; k++) {
        const uint32_t index = qs[k] | ((uint32_t)qh[k / 4] << (8 - 2 * (k % 4)) & 0x300);
        const uint64_t v = sk_iq2_values(sk_spread2(sk_iq2s_grid[index]));
        sk_put_le64(u->q + 8 * k, sk_apply_signs(v, signs[k]));
    }
}

/* IQ3_XXS {f16 d; u8 qs[64]; u32 a[8]}: two grid bytes per 8 weights; a has four times 7 signs and
 * a 4-bit scale per 32; d * (0.5 + s) * 0.5 = d / 4 * (2 s + 1) */
static void decode_iq3_xxs(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    (void)n;
    u->d[0] = half_at(src) * 0.25f;
    for (int ib = 0; ib < 8; ib++) {
        const uint8_t *qs = src + 2 + 8 * ib;
        const uint32_t a = sk_le32(src + 66 + 4 * ib);
        u->scale[2 * ib] = u->scale[2 * ib + 1] = (int16_t)(2 * (a >> 28) + 1);
        for (int l = 0; l < 4; l++) {
            const uint64_t code =
                sk_spread3(sk_iq3xxs_grid[qs[2 * l]], sk_iq3xxs_grid[qs[2 * l + 1]]);
            const uint32_t signs = sk_even_signs(a >> 7 * l & 127);
            sk_put_le64(u->q + 32 * ib + 8 * l, sk_apply_signs(sk_iq3xxs_values(code), signs));
        }
    }
}

/* IQ3_S {f16 d; u8 qs[64]; u8 qh[8]; u8 signs[32]; u8 scales[4]}: qh has the ninth index bits */
static void decode_iq3_s(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    const uint8_t *qs = src + 2, *qh = src + 66, *signs = src + 74, *sc = src + 106;
    (void)n;
    u->d[0] = half_at(src);
    for (int k = 0; k < 16; k++)
        u->scale[k] = (int16_t)(2 * (sc[k / 4] >> (k & 2) * 2 & 15) + 1);
    for (int k = 0; k < 32; k++) {
        const uint32_t high = (uint32_t)qh[k / 4] >> 2 * (k % 4);
        const uint64_t code = sk_spread3(sk_iq3s_grid[qs[2 * k] | (high & 1) << 8],
                                         sk_iq3s_grid[qs[2 * k + 1] | (high & 2) << 7]);
        sk_put_le64(u->q + 8 * k, sk_apply_signs((code << 1) + SK_BYTES(1), signs[k]));
    }
}

/* An IQ1 group of 8: 8 * grid + 1, or - 1 when `minus`; the scale is an eighth. The bytes are made
 * with 128 added, so that none is negative, and turned to two's complement at the end. */
SK_INLINE void iq1_group(int8_t *q, uint32_t index, bool minus)
{
    const uint64_t code = sk_spread2(sk_iq1s_grid[index & 2047]);
    const uint64_t v = (code << 3) + (minus ? SK_BYTES(128 - 8 - 1) : SK_BYTES(128 - 8 + 1));
    sk_put_le64(q, v ^ SK_BYTES(128));
}

/* IQ1_S {f16 d; u8 qs[32]; u16 qh[8]}: qh has four times 3 index bits, a 3-bit scale, a sign */
static void decode_iq1_s(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    (void)n;
    u->d[0] = half_at(src) * 0.125f;
    for (int ib = 0; ib < 8; ib++) {
        const uint32_t qh = sk_le16(src + 34 + 2 * ib);
        u->scale[2 * ib] = u->scale[2 * ib + 1] = (int16_t)(2 * (qh >> 12 & 7) + 1);
        for (int l = 0; l < 4; l++)
            iq1_group(u->q + 32 * ib + 8 * l, src[2 + 4 * ib + l] | (qh >> 3 * l & 7) << 8,
                      qh >> 15);
    }
}

/* IQ1_M {u8 qs[32]; u8 qh[16]; u16 sc[4]}: a nibble of qh per 8 weights has 3 index bits and a
 * sign; sc has sixteen 3-bit scales, and in its highest nibbles the bits of d */
static void decode_iq1_m(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    uint32_t sc[4], d = 0;
    (void)n;
    for (int k = 0; k < 4; k++) {
        sc[k] = sk_le16(src + 48 + 2 * k);
        d |= sc[k] >> 12 << 4 * k;
    }
    u->d[0] = sk_f16_to_f32((uint16_t)d) * 0.125f;
    for (int k = 0; k < 16; k++)
        u->scale[k] = (int16_t)(2 * (sc[k / 4] >> 3 * (k % 4) & 7) + 1);
    for (int k = 0; k < 32; k++) {
        const uint32_t qh = (uint32_t)src[32 + k / 2] >> 4 * (k % 2) & 15;
        iq1_group(u->q + 8 * k, src[k] | (qh & 7) << 8, qh >> 3);
    }
}

/* IQ4_XS {f16 d; u16 scales_h; u8 scales_l[4]; u8 qs[128]} */
static void decode_iq4_xs(const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    const uint32_t high = sk_le16(src + 2);
    (void)n;
    u->d[0] = half_at(src);
    for (int ib = 0; ib < 8; ib++) {
        const uint32_t low = (uint32_t)src[4 + ib / 2] >> 4 * (ib % 2) & 15;
        const int scale = (int)(low | (high >> 2 * ib & 3) << 4) - 32;
        u->scale[2 * ib] = u->scale[2 * ib + 1] = (int16_t)scale;
        nibbles_16(u->q + 32 * ib, src + 8 + 16 * ib);
    }
    look_up(u->q, SK_UNIT, sk_iq4_values);
}

void sk_decode(int dtype, const uint8_t *restrict src, int n, sk_unit *restrict u)
{
    switch (dtype) {
#define X(type, function) \
    case type: \
        function(src, n, u); \
        return;
        X(SK_Q4_0, decode_q4_0)
        X(SK_Q4_1, decode_q4_1)
        X(SK_Q5_0, decode_q5_0)
        X(SK_Q5_1, decode_q5_1)
        X(SK_Q8_0, decode_q8_0)
        X(SK_Q2_K, decode_q2_k)
        X(SK_Q3_K, decode_q3_k)
        X(SK_Q4_K, decode_q4_k)
        X(SK_Q5_K, decode_q5_k)
        X(SK_Q6_K, decode_q6_k)
        X(SK_IQ2_XXS, decode_iq2_xxs)
        X(SK_IQ2_XS, decode_iq2_xs)
        X(SK_IQ2_S, decode_iq2_s)
        X(SK_IQ3_XXS, decode_iq3_xxs)
        X(SK_IQ3_S, decode_iq3_s)
        X(SK_IQ1_S, decode_iq1_s)
        X(SK_IQ1_M, decode_iq1_m)
        X(SK_IQ4_NL, decode_iq4_nl)
        X(SK_IQ4_XS, decode_iq4_xs)
        X(SK_TQ1_0, decode_tq1_0)
        X(SK_TQ2_0, decode_tq2_0)
        X(SK_MXFP4, decode_mxfp4)
        X(SK_NVFP4, decode_nvfp4)
        X(SK_Q1_0, decode_q1_0)
        X(SK_Q2_0, decode_q2_0)
#undef X
    }
}
