/* SPDX-License-Identifier: MIT */
/*
 * The tier's register of LANES 32-bit lanes, and the operations in which the product of quantised
 * weights is written once for all tiers (panel_impl.h, unpack_impl.h): a row of weights in each
 * lane, four bytes of it at a time.
 *
 * What the compilers' vectors can say is said with their operators (& | ^ + - * << >>), which mean
 * the same everywhere; what is left are the operations below, for each tier:
 *
 *   vi_lines   sixteen bytes of each row, as four registers
 *   vi_look_up, vi_bits   bytes from a table of sixteen; bytes from bits
 *   vi_madd    two int16 of a lane times two others, added up
 *   vs_...     sums of products of bytes, in the form that the tier makes them in
 *   vf_half, vf_fma       half precision to float; the fused multiply-add
 *
 * Sums of bytes' products (`vs`) are int32 where the CPU has an instruction for it, or else int16
 * in pairs (LANES_NARROW), in which `room` registers of products are added before they are widened,
 * by the multiplication with a factor (vi_mac) or without (vi_join). Four codes of a column meet
 * all rows: `vx` is sixteen codes, of which vs_dot takes four, the j-th.
 *
 * LANES_BIAS is what makes an unsigned byte of any weight: 128 where the instruction wants unsigned
 * bytes; 0 where it takes signed ones, or where a sign is moved from weight to code.
 */

#define vi TIER(vi)
#define vi_signed TIER(vi_signed)
#define vi_any TIER(vi_any)
#define vf TIER(vf)
#define vf_any TIER(vf_any)
#define vs TIER(vs)
#define vx TIER(vx)
#define vi_load TIER(vi_load)
#define vi_store TIER(vi_store)
#define vi_splat TIER(vi_splat)
#define vi_bytes TIER(vi_bytes)
#define vi_four TIER(vi_four)
#define vi_shl TIER(vi_shl)
#define vi_shr TIER(vi_shr)
#define vi_sar TIER(vi_sar)
#define vi_pair TIER(vi_pair)
#define vi_lines TIER(vi_lines)
#define vi_table TIER(vi_table)
#define vi_look_up TIER(vi_look_up)
#define vi_bits TIER(vi_bits)
#define vi_madd TIER(vi_madd)
#define vi_dot TIER(vi_dot)
#define vi_pairs TIER(vi_pairs)
#define vi_factor TIER(vi_factor)
#define vi_join TIER(vi_join)
#define vi_mac TIER(vi_mac)
#define vs_from TIER(vs_from)
#define vs_dot TIER(vs_dot)
#define vx_load TIER(vx_load)
#define vf_load TIER(vf_load)
#define vf_store TIER(vf_store)
#define vf_four TIER(vf_four)
#define vf_of TIER(vf_of)
#define vf_half TIER(vf_half)
#define vf_fma TIER(vf_fma)

/* ---- What is the same for all ------------------------------------------------------------------
 */

typedef uint32_t vi __attribute__((vector_size(4 * LANES)));
typedef int32_t vi_signed __attribute__((vector_size(4 * LANES)));
typedef float vf __attribute__((vector_size(4 * LANES)));
typedef vi vi_any __attribute__((aligned(1), may_alias)); /* in memory */
typedef vf vf_any __attribute__((aligned(1), may_alias));

SK_INLINE vi vi_load(const void *p)
{
    return *(const vi_any *)p;
}

SK_INLINE void vi_store(void *p, vi x)
{
    *(vi_any *)p = x;
}

SK_INLINE vi vi_splat(uint32_t x)
{
    return (vi){0} + x;
}

/* A byte to all bytes. */
SK_INLINE vi vi_bytes(int x)
{
    return vi_splat((uint8_t)x * 0x01010101u);
}

/* Four bytes to all lanes. */
SK_INLINE vi vi_four(const void *p)
{
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return vi_splat(x);
}

SK_INLINE vi vi_shl(vi x, unsigned n)
{
    return x << vi_splat(n);
}

SK_INLINE vi vi_shr(vi x, unsigned n)
{
    return x >> vi_splat(n);
}

/* With the sign. */
SK_INLINE vi vi_sar(vi x, unsigned n)
{
    return (vi)((vi_signed)x >> (vi_signed)vi_splat(n));
}

/* Two int16 of a lane, the low halves of two lanes. */
SK_INLINE vi vi_pair(vi even, vi odd)
{
    return (even & vi_splat(0xffff)) | vi_shl(odd, 16);
}

SK_INLINE vf vf_load(const void *p)
{
    return *(const vf_any *)p;
}

SK_INLINE void vf_store(void *p, vf x)
{
    *(vf_any *)p = x;
}

/* A float to all lanes. */
SK_INLINE vf vf_four(const void *p)
{
    return (vf)vi_four(p);
}

/* Integers with a sign to floats. */
SK_INLINE vf vf_of(vi x)
{
    return __builtin_convertvector((vi_signed)x, vf);
}

/* ---- AVX-512 with VNNI -------------------------------------------------------------------------
 */
#if TIER_AVX512

/* The half in the low 16 bits of each lane. */
SK_INLINE vf vf_half(vi x)
{
    return (vf)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)x));
}

/* a * b + c */
SK_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

/* w[j], lane r: bytes 4j to 4j + 3 at p of row r. */
SK_INLINE void vi_lines(const uint8_t *p, size_t row_size, vi *w)
{
    const uint8_t *p4 = p + 4 * row_size, *p8 = p + 8 * row_size, *p12 = p8 + 4 * row_size;
    __m512i x[4];
    SK_UNROLL
    for (size_t i = 0; i < 4; i++) { /* rows i, 4 + i, 8 + i, 12 + i */
        const size_t at = i * row_size;
#define ROW(q) _mm_loadu_si128((const __m128i *)(const void *)((q) + at))
        x[i] = _mm512_broadcast_i32x4(ROW(p));
        x[i] = _mm512_mask_broadcast_i32x4(x[i], 0x00f0, ROW(p4));
        x[i] = _mm512_mask_broadcast_i32x4(x[i], 0x0f00, ROW(p8));
        x[i] = _mm512_mask_broadcast_i32x4(x[i], 0xf000, ROW(p12));
#undef ROW
    }
    const __m512i a = _mm512_unpacklo_epi32(x[0], x[1]), b = _mm512_unpacklo_epi32(x[2], x[3]);
    const __m512i c = _mm512_unpackhi_epi32(x[0], x[1]), d = _mm512_unpackhi_epi32(x[2], x[3]);
    w[0] = (vi)_mm512_unpacklo_epi64(a, b);
    w[1] = (vi)_mm512_unpackhi_epi64(a, b);
    w[2] = (vi)_mm512_unpacklo_epi64(c, d);
    w[3] = (vi)_mm512_unpackhi_epi64(c, d);
}

/* A table of 16 bytes, `bias` added to each. */
SK_INLINE vi vi_table(const int8_t *table, int bias)
{
    const __m128i t = _mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)table),
                                   _mm_set1_epi8((char)bias));
    return (vi)_mm512_broadcast_i32x4(t);
}

/* Its bytes at the places that the bytes of `at` say, which are below 16. */
SK_INLINE vi vi_look_up(vi table, vi at)
{
    return (vi)_mm512_shuffle_epi8((__m512i)table, (__m512i)at);
}

/* The bytes of `set` where bits 4j to 4j + 3 of a lane are set, else 0. */
SK_INLINE vi vi_bits(vi x, int j, vi set)
{
    const __m512i lane =
        _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    const __m512i at = _mm512_add_epi8(lane, _mm512_set1_epi8((char)(j / 2)));
    const __m512i bit = _mm512_set1_epi32(j % 2 ? (int)0x80402010u : 0x08040201);
    const __mmask64 is = _mm512_test_epi8_mask(_mm512_shuffle_epi8((__m512i)x, at), bit);
    return (vi)_mm512_maskz_mov_epi8(is, (__m512i)set);
}

SK_INLINE vi vi_madd(vi a, vi b)
{
    return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
}

SK_INLINE vi vi_pairs(vi sum, vi a, vi b)
{
    return (vi)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
}

/* Adds four products of bytes a lane: of w, unsigned, times the four at `code`. */
SK_INLINE vi vi_dot(vi sum, vi w, const uint8_t *code)
{
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, (__m512i)vi_four(code));
}

/* ---- AVX2 ---------------------------------------------------------------------------------------
 */
#elif TIER_AVX2

SK_INLINE vf vf_half(vi x)
{
    const __m256i low = _mm256_and_si256((__m256i)x, _mm256_set1_epi32(0xffff));
    return (vf)_mm256_cvtph_ps(
        _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
}

SK_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

SK_INLINE void vi_lines(const uint8_t *p, size_t row_size, vi *w)
{
    const uint8_t *p4 = p + 4 * row_size;
    __m256i x[4];
    SK_UNROLL
    for (size_t i = 0; i < 4; i++) { /* rows i, 4 + i */
        const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)(p + i * row_size));
        const __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(p4 + i * row_size));
        x[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
    const __m256i a = _mm256_unpacklo_epi32(x[0], x[1]), b = _mm256_unpacklo_epi32(x[2], x[3]);
    const __m256i c = _mm256_unpackhi_epi32(x[0], x[1]), d = _mm256_unpackhi_epi32(x[2], x[3]);
    w[0] = (vi)_mm256_unpacklo_epi64(a, b);
    w[1] = (vi)_mm256_unpackhi_epi64(a, b);
    w[2] = (vi)_mm256_unpacklo_epi64(c, d);
    w[3] = (vi)_mm256_unpackhi_epi64(c, d);
}

SK_INLINE vi vi_table(const int8_t *table, int bias)
{
    const __m128i t = _mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)table),
                                   _mm_set1_epi8((char)bias));
    return (vi)_mm256_broadcastsi128_si256(t);
}

SK_INLINE vi vi_look_up(vi table, vi at)
{
    return (vi)_mm256_shuffle_epi8((__m256i)table, (__m256i)at);
}

SK_INLINE vi vi_bits(vi x, int j, vi set)
{
    const __m256i lane =
        _mm256_broadcastsi128_si256(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    const __m256i at = _mm256_add_epi8(lane, _mm256_set1_epi8((char)(j / 2)));
    const __m256i bit = _mm256_set1_epi32(j % 2 ? (int)0x80402010u : 0x08040201);
    const __m256i is = _mm256_and_si256(_mm256_shuffle_epi8((__m256i)x, at), bit);
    return (vi)_mm256_and_si256(_mm256_cmpeq_epi8(is, bit), (__m256i)set);
}

SK_INLINE vi vi_madd(vi a, vi b)
{
    return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}

#if LANES_NARROW

SK_INLINE vi vi_pairs(vi sum, vi a, vi b)
{
    return sum + vi_madd(a, b);
}

typedef __m256i vs; /* sixteen int16 */
typedef const uint8_t *vx;

SK_INLINE vx vx_load(const uint8_t *p)
{
    return p;
}

SK_INLINE vs vs_from(vi start)
{
    (void)start;
    return _mm256_setzero_si256();
}

/* Bytes with a sign give it to the codes, which are never -128. */
SK_INLINE vs vs_dot(vs sum, vi w, vx x, int j, bool heavy)
{
    const __m256i y = (__m256i)w, code = (__m256i)vi_four(x + 4 * j);
    return _mm256_add_epi16(
        sum, heavy ? _mm256_maddubs_epi16(_mm256_abs_epi8(y), _mm256_sign_epi8(code, y))
                   : _mm256_maddubs_epi16(y, code));
}

SK_INLINE vi vi_join(vi start, vs sum)
{
    return start + vi_madd((vi)sum, vi_splat(0x00010001));
}

SK_INLINE vi vi_factor(vi x)
{
    return vi_pair(x, x);
}

#define LANES_FACTOR(x) ((x)*65536 + ((x)&0xffff))

SK_INLINE vi vi_mac(vi start, vs sum, vi factor)
{
    return start + vi_madd((vi)sum, factor);
}

#else /* with VNNI */

SK_INLINE vi vi_pairs(vi sum, vi a, vi b)
{
    return (vi)_mm256_dpwssd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
}

SK_INLINE vi vi_dot(vi sum, vi w, const uint8_t *code)
{
    return (vi)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)w, (__m256i)vi_four(code));
}

#endif

/* ---- NEON ---------------------------------------------------------------------------------------
 */
#elif TIER_NEON

SK_INLINE vf vf_half(vi x)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vmovn_u32((uint32x4_t)x)));
}

SK_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}

SK_INLINE void vi_lines(const uint8_t *p, size_t row_size, vi *w)
{
    uint32x4_t x[4];
    SK_UNROLL
    for (size_t i = 0; i < 4; i++)
        x[i] = vreinterpretq_u32_u8(vld1q_u8(p + i * row_size));
    const uint32x4_t a = vzip1q_u32(x[0], x[1]), b = vzip1q_u32(x[2], x[3]);
    const uint32x4_t c = vzip2q_u32(x[0], x[1]), d = vzip2q_u32(x[2], x[3]);
    w[0] = (vi)vzip1q_u64((uint64x2_t)a, (uint64x2_t)b);
    w[1] = (vi)vzip2q_u64((uint64x2_t)a, (uint64x2_t)b);
    w[2] = (vi)vzip1q_u64((uint64x2_t)c, (uint64x2_t)d);
    w[3] = (vi)vzip2q_u64((uint64x2_t)c, (uint64x2_t)d);
}

SK_INLINE vi vi_table(const int8_t *table, int bias)
{
    return (vi)vaddq_s8(vld1q_s8(table), vdupq_n_s8((int8_t)bias));
}

SK_INLINE vi vi_look_up(vi table, vi at)
{
    return (vi)vqtbl1q_u8((uint8x16_t)table, (uint8x16_t)at);
}

SK_INLINE vi vi_bits(vi x, int j, vi set)
{
    const vi lane = {0, 0x04040404, 0x08080808, 0x0c0c0c0c};
    const vi at = lane + vi_bytes(j / 2), bit = vi_splat(j % 2 ? 0x80402010u : 0x08040201u);
    return (vi)vtstq_u8(vqtbl1q_u8((uint8x16_t)x, (uint8x16_t)at), (uint8x16_t)bit) & set;
}

SK_INLINE vi vi_madd(vi a, vi b)
{
    const int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
    return (vi)vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
}

SK_INLINE vi vi_pairs(vi sum, vi a, vi b)
{
    return sum + vi_madd(a, b);
}

typedef int8x16_t vx;

SK_INLINE vx vx_load(const uint8_t *p)
{
    return vld1q_s8((const int8_t *)p);
}

#if LANES_NARROW

/* Eight int16 of lanes 0 and 1, and of 2 and 3. */
typedef struct vs {
    int16x8_t low, high;
} vs;

SK_INLINE vs vs_from(vi start)
{
    (void)start;
    return (vs){vdupq_n_s16(0), vdupq_n_s16(0)};
}

SK_INLINE vs vs_dot(vs sum, vi w, vx x, int j, bool heavy)
{
    const int8x16_t y = (int8x16_t)w;
    const int8x16_t code = (int8x16_t)vi_splat(((vi)x)[j]);
    (void)heavy;
    return (vs){vmlal_s8(sum.low, vget_low_s8(y), vget_low_s8(code)),
                vmlal_high_s8(sum.high, y, code)};
}

SK_INLINE vi vi_join(vi start, vs sum)
{
    return (vi)vpadalq_s16((int32x4_t)start, vpaddq_s16(sum.low, sum.high));
}

SK_INLINE vi vi_factor(vi x)
{
    return x;
}

SK_INLINE vi vi_mac(vi start, vs sum, vi factor)
{
    return start + (vi)vpaddlq_s16(vpaddq_s16(sum.low, sum.high)) * factor;
}

#else /* with the dot product */

SK_INLINE vi vs_dot(vi sum, vi w, vx x, int j, bool heavy)
{
    const int8x16_t code = (int8x16_t)vi_splat(((vi)x)[j]);
    (void)heavy;
    return (vi)vdotq_s32((int32x4_t)sum, (int8x16_t)w, code);
}

#endif

/* ---- SSE2 ---------------------------------------------------------------------------------------
 */
#elif TIER_SSE2

SK_INLINE vf vf_half(vi x)
{
    return v4_half(x & 0xffff);
}

SK_INLINE vf vf_fma(vf a, vf b, vf c)
{
    return v4_fma(a, b, c);
}

SK_INLINE void vi_lines(const uint8_t *p, size_t row_size, vi *w)
{
    __m128i x[4];
    SK_UNROLL
    for (size_t i = 0; i < 4; i++)
        x[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + i * row_size));
    const __m128i a = _mm_unpacklo_epi32(x[0], x[1]), b = _mm_unpacklo_epi32(x[2], x[3]);
    const __m128i c = _mm_unpackhi_epi32(x[0], x[1]), d = _mm_unpackhi_epi32(x[2], x[3]);
    w[0] = (vi)_mm_unpacklo_epi64(a, b);
    w[1] = (vi)_mm_unpackhi_epi64(a, b);
    w[2] = (vi)_mm_unpacklo_epi64(c, d);
    w[3] = (vi)_mm_unpackhi_epi64(c, d);
}

SK_INLINE vi vi_table(const int8_t *table, int bias)
{
    return (vi)_mm_add_epi8(_mm_loadu_si128((const __m128i *)(const void *)table),
                            _mm_set1_epi8((char)bias));
}

/* There is no instruction for it. */
static SK_APART vi vi_look_up(vi table, vi at)
{
    uint8_t from[16], place[16];
    vi_store(from, table);
    vi_store(place, at);
    for (int i = 0; i < 16; i++)
        place[i] = from[place[i] & 15];
    return vi_load(place);
}

SK_INLINE vi vi_bits(vi x, int j, vi set)
{
    const vi t = vi_shr(x, 4 * (unsigned)j) & vi_splat(15);
    const vi one = (t | vi_shl(t, 7) | vi_shl(t, 14) | vi_shl(t, 21)) & vi_bytes(1);
    return (vi_shl(one, 8) - one) & set;
}

SK_INLINE vi vi_madd(vi a, vi b)
{
    return (vi)_mm_madd_epi16((__m128i)a, (__m128i)b);
}

SK_INLINE vi vi_pairs(vi sum, vi a, vi b)
{
    return sum + vi_madd(a, b);
}

/* Bytes 0, 2, 4, ... and 1, 3, 5, ... as int16. */
typedef struct vx {
    __m128i even, odd;
} vx;

SK_INLINE vx TIER(widen)(__m128i x)
{
    return (vx){_mm_srai_epi16(_mm_slli_epi16(x, 8), 8), _mm_srai_epi16(x, 8)};
}

SK_INLINE vx vx_load(const uint8_t *p)
{
    return TIER(widen)(_mm_loadu_si128((const __m128i *)(const void *)p));
}

SK_INLINE vi vs_dot(vi sum, vi w, vx x, int j, bool heavy)
{
    const vx y = TIER(widen)((__m128i)w);
    (void)heavy;
    sum += vi_madd((vi)y.even, vi_splat(((vi)x.even)[j]));
    return sum + vi_madd((vi)y.odd, vi_splat(((vi)x.odd)[j]));
}

#endif

/* ---- Sums of int32 ------------------------------------------------------------------------------
 */
#if !LANES_NARROW

typedef vi vs;

/* A sum that begins with `start`; vi_join takes what it has become. */
SK_INLINE vs vs_from(vi start)
{
    return start;
}

SK_INLINE vi vi_join(vi start, vs sum)
{
    (void)start;
    return sum;
}

#if TIER_AVX2

typedef const uint8_t *vx;

SK_INLINE vx vx_load(const uint8_t *p)
{
    return p;
}

/* Adds a register of weights times codes 4j to 4j + 3. `heavy`: the bytes have a sign. */
SK_INLINE vs vs_dot(vs sum, vi w, vx x, int j, bool heavy)
{
    (void)heavy;
    return vi_dot(sum, w, x + 4 * j);
}

#endif

/* What vi_mac takes a factor as. */
SK_INLINE vi vi_factor(vi x)
{
    return x;
}

SK_INLINE vi vi_mac(vi start, vs sum, vi factor)
{
    return start + sum * factor;
}

#endif

/* vi_factor of one lane. */
#ifndef LANES_FACTOR
#define LANES_FACTOR(x) (x)
#endif
