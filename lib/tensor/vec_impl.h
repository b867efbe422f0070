/* SPDX-License-Identifier: MIT */
/*
 * Sixteen lanes: the few operations in which the float kernels are written, once for each tier
 * (tier_impl.h says how; no include guard). In C a vector is an array and each operation a loop; a
 * tier with NEON or SSE2 holds it in four registers, with AVX2 in two, with AVX-512 in one. All
 * give the same bits: lane by lane the same IEEE operation, and v16_sum is the one reduction tree
 * of the contract, lane l + lane l+8, then l+4, l+2, l+1.
 */
#define v16 TIER(v16)
#define v16_zero TIER(v16_zero)
#define v16_splat TIER(v16_splat)
#define v16_load TIER(v16_load)
#define v16_load_f16 TIER(v16_load_f16)
#define v16_store TIER(v16_store)
#define v16_store_f16 TIER(v16_store_f16)
#define v16_add TIER(v16_add)
#define v16_sub TIER(v16_sub)
#define v16_mul TIER(v16_mul)
#define v16_div TIER(v16_div)
#define v16_fma TIER(v16_fma)
#define v16_max TIER(v16_max)
#define v16_exp TIER(v16_exp)
#define v16_keep TIER(v16_keep)
#define v16_fetch TIER(v16_fetch)
#define v16_sum TIER(v16_sum)
#define v16_min TIER(v16_min)
#define v16_ldexp TIER(v16_ldexp)
#define v16_abs_max TIER(v16_abs_max)
#define v16_most TIER(v16_most)
#define v16_store_codes TIER(v16_store_codes)
#define v16_load_pairs TIER(v16_load_pairs)
#define v16_store_pairs TIER(v16_store_pairs)
#define v16_load_bf16 TIER(v16_load_bf16)
#define v16_le_f32 TIER(v16_le_f32)
#define v16_le_f16 TIER(v16_le_f16)
#define v16_le_bf16 TIER(v16_le_bf16)

#if TIER_AVX512

typedef __m512 v16;

static inline v16 v16_splat(float x)
{
    return _mm512_set1_ps(x);
}

static inline v16 v16_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline v16 v16_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

static inline v16 v16_load_bf16(const uint16_t *p)
{
    const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
}

static inline void v16_store(float *p, v16 x)
{
    _mm512_storeu_ps(p, x);
}

static inline void v16_store_f16(uint16_t *p, v16 x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

static inline v16 v16_add(v16 x, v16 y)
{
    return _mm512_add_ps(x, y);
}

static inline v16 v16_sub(v16 x, v16 y)
{
    return _mm512_sub_ps(x, y);
}

static inline v16 v16_mul(v16 x, v16 y)
{
    return _mm512_mul_ps(x, y);
}

static inline v16 v16_div(v16 x, v16 y)
{
    return _mm512_div_ps(x, y);
}

/* x * y + z */
static inline v16 v16_fma(v16 x, v16 y, v16 z)
{
    return _mm512_fmadd_ps(x, y, z);
}

/* x > y ? x : y, which is what the instruction does. */
static inline v16 v16_max(v16 x, v16 y)
{
    return _mm512_max_ps(x, y);
}

static inline float v16_sum(v16 x)
{
    const __m256 s = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

/* x < y ? x : y */
static inline v16 v16_min(v16 x, v16 y)
{
    return _mm512_min_ps(x, y);
}

/* x * 2^n, rounded once, n whole numbers within +-151 */
static inline v16 v16_ldexp(v16 x, v16 n)
{
    return _mm512_scalef_ps(x, n);
}

/* The bits of m or of |x|, whichever are more; m is not negative. */
static inline v16 v16_abs_max(v16 m, v16 x)
{
    const __m512i bits = _mm512_castps_si512(_mm512_abs_ps(x));
    return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(m), bits));
}

/* The most bits of a lane, none of which is negative. */
static inline uint32_t v16_most(v16 m)
{
    return (uint32_t)_mm512_reduce_max_epi32(_mm512_castps_si512(m));
}

/* To the nearest integers, ties to even, within +-127. */
static inline void v16_store_codes(int8_t *p, v16 x)
{
    const __m512i v = _mm512_max_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(-127));
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtsepi32_epi8(v));
}

/* Numbers with even indices and with odd ones, of 32; and back. */
static inline void v16_load_pairs(const float *p, v16 *even, v16 *odd)
{
    const __m512i i = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512 x = _mm512_loadu_ps(p), y = _mm512_loadu_ps(p + 16);
    *even = _mm512_permutex2var_ps(x, i, y);
    *odd = _mm512_permutex2var_ps(x, _mm512_add_epi32(i, _mm512_set1_epi32(1)), y);
}

static inline void v16_store_pairs(float *p, v16 even, v16 odd)
{
    const __m512i i = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i j = _mm512_add_epi32(i, _mm512_set1_epi32(8));
    _mm512_storeu_ps(p, _mm512_permutex2var_ps(even, i, odd));
    _mm512_storeu_ps(p + 16, _mm512_permutex2var_ps(even, j, odd));
}

#elif TIER_AVX2

typedef struct v16 {
    __m256 a, b; /* lanes 0 to 7, 8 to 15 */
} v16;

static inline v16 v16_splat(float x)
{
    return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static inline v16 v16_load(const float *p)
{
    return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

static inline v16 v16_load_f16(const uint16_t *p)
{
    return (v16){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(p + 8)))};
}

static inline v16 v16_load_bf16(const uint16_t *p)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    const __m128i y = _mm_loadu_si128((const __m128i *)(const void *)(p + 8));
    return (v16){_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)),
                 _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(y), 16))};
}

static inline void v16_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

static inline void v16_store_f16(uint16_t *p, v16 x)
{
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(void *)(p + 8), _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}

static inline v16 v16_add(v16 x, v16 y)
{
    return (v16){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

static inline v16 v16_sub(v16 x, v16 y)
{
    return (v16){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}

static inline v16 v16_mul(v16 x, v16 y)
{
    return (v16){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}

static inline v16 v16_div(v16 x, v16 y)
{
    return (v16){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}

/* x * y + z */
static inline v16 v16_fma(v16 x, v16 y, v16 z)
{
    return (v16){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

/* x > y ? x : y, which is what the instruction does. */
static inline v16 v16_max(v16 x, v16 y)
{
    return (v16){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}

static inline float v16_sum(v16 x)
{
    const __m256 s = _mm256_add_ps(x.a, x.b);
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

/* x < y ? x : y */
static inline v16 v16_min(v16 x, v16 y)
{
    return (v16){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}

/* x * 2^n, in two exact halves of which the second rounds; n whole numbers within +-151 */
SK_INLINE __m256 TIER(v8_ldexp)(__m256 x, __m256 n)
{
    const __m256i k = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(2 * 127));
    const __m256i half = _mm256_srli_epi32(k, 1), rest = _mm256_sub_epi32(k, half);
    const __m256 a = _mm256_castsi256_ps(_mm256_slli_epi32(half, 23));
    const __m256 b = _mm256_castsi256_ps(_mm256_slli_epi32(rest, 23));
    return _mm256_mul_ps(_mm256_mul_ps(x, a), b);
}

static inline v16 v16_ldexp(v16 x, v16 n)
{
    return (v16){TIER(v8_ldexp)(x.a, n.a), TIER(v8_ldexp)(x.b, n.b)};
}

SK_INLINE __m256 TIER(v8_abs_max)(__m256 m, __m256 x)
{
    const __m256i bits = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
    return _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(m), bits));
}

/* The bits of m or of |x|, whichever are more; m is not negative. */
static inline v16 v16_abs_max(v16 m, v16 x)
{
    return (v16){TIER(v8_abs_max)(m.a, x.a), TIER(v8_abs_max)(m.b, x.b)};
}

/* The most bits of a lane, none of which is negative. */
static inline uint32_t v16_most(v16 m)
{
    const __m256i x = _mm256_max_epi32(_mm256_castps_si256(m.a), _mm256_castps_si256(m.b));
    __m128i y = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    y = _mm_max_epi32(y, _mm_shuffle_epi32(y, 0x4e));
    return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(y, _mm_shuffle_epi32(y, 0xb1)));
}

/* To the nearest integers, ties to even, within +-127. */
static inline void v16_store_codes(int8_t *p, v16 x)
{
    __m256i v = _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
    v = _mm256_permute4x64_epi64(_mm256_max_epi16(v, _mm256_set1_epi16(-127)), 0xd8);
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm_packs_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}

SK_INLINE __m256 TIER(v8_every_other)(__m256 x, __m256 y, bool odd)
{
    const __m256 z = odd ? _mm256_shuffle_ps(x, y, 0xdd) : _mm256_shuffle_ps(x, y, 0x88);
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(z), 0xd8));
}

/* Numbers with even indices and with odd ones, of 32; and back. */
static inline void v16_load_pairs(const float *p, v16 *even, v16 *odd)
{
    const v16 x = v16_load(p), y = v16_load(p + 16);
    *even = (v16){TIER(v8_every_other)(x.a, x.b, false), TIER(v8_every_other)(y.a, y.b, false)};
    *odd = (v16){TIER(v8_every_other)(x.a, x.b, true), TIER(v8_every_other)(y.a, y.b, true)};
}

SK_INLINE void TIER(v8_store_pairs)(float *p, __m256 even, __m256 odd)
{
    const __m256 x = _mm256_unpacklo_ps(even, odd), y = _mm256_unpackhi_ps(even, odd);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(x, y, 0x20));
    _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(x, y, 0x31));
}

static inline void v16_store_pairs(float *p, v16 even, v16 odd)
{
    TIER(v8_store_pairs)(p, even.a, odd.a);
    TIER(v8_store_pairs)(p + 16, even.b, odd.b);
}

#elif TIER_NEON || TIER_SSE2

#define v4 TIER(v4)
#define v4_any TIER(v4_any)
#define v4_bits TIER(v4_bits)
#define v4_int TIER(v4_int)
#define v4_fma TIER(v4_fma)
#define v4_half TIER(v4_half)
#define v4_halves TIER(v4_halves)
#define v4_tops TIER(v4_tops)

/* Four registers of four lanes; what needs no more than +, -, * and / is left to the compiler. */
typedef float v4 __attribute__((vector_size(16)));
typedef uint32_t v4_bits __attribute__((vector_size(16)));
typedef int32_t v4_int __attribute__((vector_size(16)));
typedef v4 v4_any __attribute__((aligned(1), may_alias)); /* in memory */

typedef struct v16 {
    v4 a, b, c, d;
} v16;

#if TIER_NEON

static inline v4 v4_fma(v4 x, v4 y, v4 z)
{
    return vfmaq_f32(z, x, y);
}

/* Four halves in memory; four upper halves of floats. */
static inline v4 v4_halves(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

static inline v4 v4_tops(const uint16_t *p)
{
    return (v4)vshll_n_u16(vld1_u16(p), 16);
}

#else

/* Two lanes of sk_fma_odd (fma.h): the double s moved towards what its sum lost, if that is needed
 * to make it odd. s is not 0 when something was lost, so signs tell which way that is. */
SK_INLINE __m128d TIER(v2_odd)(__m128d p, __m128d z, __m128d s)
{
    const __m128d z_part = _mm_sub_pd(s, p), zero = _mm_setzero_pd();
    const __m128d e = _mm_add_pd(_mm_sub_pd(p, _mm_sub_pd(s, z_part)), _mm_sub_pd(z, z_part));
    const __m128d lost = _mm_or_pd(_mm_cmplt_pd(e, zero), _mm_cmpgt_pd(e, zero));
    const __m128i bits = _mm_castpd_si128(s), one = _mm_set1_epi64x(1);
    const __m128i even = _mm_sub_epi64(_mm_and_si128(bits, one), one);
    const __m128i back = _mm_srli_epi64(_mm_castpd_si128(_mm_xor_pd(e, s)), 63);
    const __m128i step = _mm_sub_epi64(one, _mm_add_epi64(back, back));
    const __m128i take = _mm_and_si128(_mm_castpd_si128(lost), even);
    return _mm_castsi128_pd(_mm_add_epi64(bits, _mm_and_si128(step, take)));
}

/* All bits of the lanes whose rounding to float may not be that of the sum (sk_fma_doubtful). */
SK_INLINE __m128i TIER(v2_doubtful)(__m128d s)
{
    const __m128d size = _mm_andnot_pd(_mm_set1_pd(-0.0), s);
    const __m128i low = _mm_and_si128(_mm_castpd_si128(s), _mm_set1_epi64x(0x1fffffff));
    const __m128i half = _mm_cmpeq_epi32(low, _mm_set1_epi32(0x10000000));
    return _mm_or_si128(half, _mm_castpd_si128(_mm_cmplt_pd(size, _mm_set1_pd(0x1p-126))));
}

/* sk_fma_soft for four lanes. */
static SK_APART v4 v4_fma(v4 x, v4 y, v4 z)
{
    const __m128 a = (__m128)x, b = (__m128)y, c = (__m128)z;
    const __m128d p0 = _mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b)), z0 = _mm_cvtps_pd(c);
    const __m128d p1 =
        _mm_mul_pd(_mm_cvtps_pd(_mm_movehl_ps(a, a)), _mm_cvtps_pd(_mm_movehl_ps(b, b)));
    const __m128d z1 = _mm_cvtps_pd(_mm_movehl_ps(c, c));
    __m128d s0 = _mm_add_pd(p0, z0), s1 = _mm_add_pd(p1, z1);
    if (_mm_movemask_epi8(_mm_or_si128(TIER(v2_doubtful)(s0), TIER(v2_doubtful)(s1)))) {
        s0 = TIER(v2_odd)(p0, z0, s0);
        s1 = TIER(v2_odd)(p1, z1, s1);
    }
    return (v4)_mm_movelh_ps(_mm_cvtpd_ps(s0), _mm_cvtpd_ps(s1));
}

/* The half in the low 16 bits of each lane, the others being 0. The exponent is moved by a
 * multiplication, which subnormals need; infinity and NaN are beyond. */
static inline v4 v4_half(v4_bits x)
{
    const v4_bits size = (x & 0x7fff) << 13, sign = (x & 0x8000) << 16;
    const v4_bits beyond = (v4_bits)((x & 0x7fff) > 0x7bff) & 0x7f800000;
    return (v4)((v4_bits)((v4)size * 0x1p112f) | beyond | sign);
}

static inline v4 v4_halves(const uint16_t *p)
{
    const __m128i x = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return v4_half((v4_bits)_mm_unpacklo_epi16(x, _mm_setzero_si128()));
}

static inline v4 v4_tops(const uint16_t *p)
{
    const __m128i x = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return (v4)_mm_unpacklo_epi16(_mm_setzero_si128(), x);
}

#endif

static inline v16 v16_splat(float x)
{
    const v4 r = {x, x, x, x};
    return (v16){r, r, r, r};
}

static inline v16 v16_load(const float *p)
{
    const v4_any *q = (const v4_any *)p;
    return (v16){q[0], q[1], q[2], q[3]};
}

static inline v16 v16_load_f16(const uint16_t *p)
{
    return (v16){v4_halves(p), v4_halves(p + 4), v4_halves(p + 8), v4_halves(p + 12)};
}

static inline v16 v16_load_bf16(const uint16_t *p)
{
    return (v16){v4_tops(p), v4_tops(p + 4), v4_tops(p + 8), v4_tops(p + 12)};
}

static inline void v16_store(float *p, v16 x)
{
    v4_any *q = (v4_any *)p;
    q[0] = x.a;
    q[1] = x.b;
    q[2] = x.c;
    q[3] = x.d;
}

static inline void v16_store_f16(uint16_t *p, v16 x)
{
#if TIER_NEON
    const v4 q[4] = {x.a, x.b, x.c, x.d};
    for (int i = 0; i < 4; i++)
        vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(q[i])));
#else
    float lane[16];
    v16_store(lane, x);
    for (int i = 0; i < 16; i++)
        p[i] = sk_f32_to_f16(lane[i]);
#endif
}

static inline v16 v16_add(v16 x, v16 y)
{
    return (v16){x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d};
}

static inline v16 v16_sub(v16 x, v16 y)
{
    return (v16){x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d};
}

static inline v16 v16_mul(v16 x, v16 y)
{
    return (v16){x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d};
}

static inline v16 v16_div(v16 x, v16 y)
{
    return (v16){x.a / y.a, x.b / y.b, x.c / y.c, x.d / y.d};
}

/* x * y + z */
static inline v16 v16_fma(v16 x, v16 y, v16 z)
{
    return (v16){v4_fma(x.a, y.a, z.a), v4_fma(x.b, y.b, z.b), v4_fma(x.c, y.c, z.c),
                 v4_fma(x.d, y.d, z.d)};
}

/* x > y ? x : y */
SK_INLINE v4 TIER(v4_max)(v4 x, v4 y)
{
    const v4_bits more = (v4_bits)(x > y);
    return (v4)(((v4_bits)x & more) | ((v4_bits)y & ~more));
}

static inline v16 v16_max(v16 x, v16 y)
{
    return (v16){TIER(v4_max)(x.a, y.a), TIER(v4_max)(x.b, y.b), TIER(v4_max)(x.c, y.c),
                 TIER(v4_max)(x.d, y.d)};
}

static inline float v16_sum(v16 x)
{
    const v4 t = (x.a + x.c) + (x.b + x.d);
    const float even = t[0] + t[2], odd = t[1] + t[3];
    return even + odd;
}

SK_INLINE v4 TIER(v4_abs_max)(v4 m, v4 x)
{
    const v4_bits bits = (v4_bits)x & 0x7fffffff, more = (v4_bits)((v4_int)bits > (v4_int)m);
    return (v4)((bits & more) | ((v4_bits)m & ~more));
}

/* The bits of m or of |x|, whichever are more; m is not negative. */
static inline v16 v16_abs_max(v16 m, v16 x)
{
    return (v16){TIER(v4_abs_max)(m.a, x.a), TIER(v4_abs_max)(m.b, x.b), TIER(v4_abs_max)(m.c, x.c),
                 TIER(v4_abs_max)(m.d, x.d)};
}

/* The most bits of a lane, none of which is negative. */
static inline uint32_t v16_most(v16 m)
{
    const v4 most = TIER(v4_abs_max)(TIER(v4_abs_max)(m.a, m.b), TIER(v4_abs_max)(m.c, m.d));
    const v4_bits bits = (v4_bits)most;
    const uint32_t even = bits[0] > bits[2] ? bits[0] : bits[2];
    const uint32_t odd = bits[1] > bits[3] ? bits[1] : bits[3];
    return even > odd ? even : odd;
}

/* To the nearest integers, ties to even, within +-127: adding 1.5 * 2^23 to a float below 2^22
 * leaves the rounded integer in the low bits of the sum. */
static inline void v16_store_codes(int8_t *p, v16 x)
{
    const v4 part[4] = {x.a, x.b, x.c, x.d};
    for (int i = 0; i < 16; i += 4) {
        const v4_int v = (v4_int)(part[i / 4] + 12582912.0f) - 0x4b400000;
        for (int l = 0; l < 4; l++)
            p[i + l] = (int8_t)(v[l] > 127 ? 127 : v[l] < -127 ? -127 : v[l]);
    }
}

/* Numbers with even indices and with odd ones, of 32; and back. */
static inline void v16_load_pairs(const float *p, v16 *even, v16 *odd)
{
    float e[16], o[16];
    for (int i = 0; i < 16; i++) {
        e[i] = p[2 * i];
        o[i] = p[2 * i + 1];
    }
    *even = v16_load(e);
    *odd = v16_load(o);
}

static inline void v16_store_pairs(float *p, v16 even, v16 odd)
{
    float e[16], o[16];
    v16_store(e, even);
    v16_store(o, odd);
    for (int i = 0; i < 16; i++) {
        p[2 * i] = e[i];
        p[2 * i + 1] = o[i];
    }
}

#else

#if SK_FMA_IS_SOFT /* some ten instructions a lane, too many to repeat */
#define V16_FMA SK_APART
#else
#define V16_FMA inline
#endif

typedef struct v16 {
    float lane[16];
} v16;

static inline v16 v16_splat(float x)
{
    v16 r;
    for (int i = 0; i < 16; i++)
        r.lane[i] = x;
    return r;
}

static inline v16 v16_load(const float *p)
{
    v16 r;
    for (int i = 0; i < 16; i++)
        r.lane[i] = p[i];
    return r;
}

static inline v16 v16_load_f16(const uint16_t *p)
{
    v16 r;
    for (int i = 0; i < 16; i++)
        r.lane[i] = sk_f16_to_f32(p[i]);
    return r;
}

static inline v16 v16_load_bf16(const uint16_t *p)
{
    v16 r;
    for (int i = 0; i < 16; i++)
        r.lane[i] = sk_bf16_to_f32(p[i]);
    return r;
}

static inline void v16_store(float *p, v16 x)
{
    for (int i = 0; i < 16; i++)
        p[i] = x.lane[i];
}

static inline void v16_store_f16(uint16_t *p, v16 x)
{
    for (int i = 0; i < 16; i++)
        p[i] = sk_f32_to_f16(x.lane[i]);
}

static inline v16 v16_add(v16 x, v16 y)
{
    for (int i = 0; i < 16; i++)
        x.lane[i] = x.lane[i] + y.lane[i];
    return x;
}

static inline v16 v16_sub(v16 x, v16 y)
{
    for (int i = 0; i < 16; i++)
        x.lane[i] = x.lane[i] - y.lane[i];
    return x;
}

static inline v16 v16_mul(v16 x, v16 y)
{
    for (int i = 0; i < 16; i++)
        x.lane[i] = x.lane[i] * y.lane[i];
    return x;
}

static inline v16 v16_div(v16 x, v16 y)
{
    for (int i = 0; i < 16; i++)
        x.lane[i] = x.lane[i] / y.lane[i];
    return x;
}

/* x * y + z */
static V16_FMA v16 v16_fma(v16 x, v16 y, v16 z)
{
    for (int i = 0; i < 16; i++)
        z.lane[i] = SK_FMA(x.lane[i], y.lane[i], z.lane[i]);
    return z;
}

/* x > y ? x : y */
static inline v16 v16_max(v16 x, v16 y)
{
    for (int i = 0; i < 16; i++)
        x.lane[i] = x.lane[i] > y.lane[i] ? x.lane[i] : y.lane[i];
    return x;
}

static inline float v16_sum(v16 x)
{
    for (int step = 8; step > 0; step /= 2) {
        for (int i = 0; i < step; i++)
            x.lane[i] += x.lane[i + step];
    }
    return x.lane[0];
}

/* The bits of m or of |x|, whichever are more; m is not negative. */
static inline v16 v16_abs_max(v16 m, v16 x)
{
    for (int i = 0; i < 16; i++) {
        const int32_t bits = (int32_t)(sk_f32_bits(x.lane[i]) & 0x7fffffffu);
        m.lane[i] =
            bits > (int32_t)sk_f32_bits(m.lane[i]) ? sk_f32_from_bits((uint32_t)bits) : m.lane[i];
    }
    return m;
}

/* The most bits of a lane, none of which is negative. */
static inline uint32_t v16_most(v16 m)
{
    uint32_t most = 0;
    for (int i = 0; i < 16; i++)
        most = sk_f32_bits(m.lane[i]) > most ? sk_f32_bits(m.lane[i]) : most;
    return most;
}

/* To the nearest integers, ties to even, within +-127: adding 1.5 * 2^23 to a float below 2^22
 * leaves the rounded integer in the low bits of the sum. */
static inline void v16_store_codes(int8_t *p, v16 x)
{
    for (int i = 0; i < 16; i++) {
        const int32_t v = (int32_t)(sk_f32_bits(x.lane[i] + 12582912.0f) - 0x4b400000u);
        p[i] = (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v);
    }
}

/* Numbers with even indices and with odd ones, of 32; and back. */
static inline void v16_load_pairs(const float *p, v16 *even, v16 *odd)
{
    for (int i = 0; i < 16; i++) {
        even->lane[i] = p[2 * i];
        odd->lane[i] = p[2 * i + 1];
    }
}

static inline void v16_store_pairs(float *p, v16 even, v16 odd)
{
    for (int i = 0; i < 16; i++) {
        p[2 * i] = even.lane[i];
        p[2 * i + 1] = odd.lane[i];
    }
}

#endif

static inline v16 v16_zero(void)
{
    return v16_splat(0);
}

#if TIER_AVX2

/* sk_expf, operation by operation. */
static inline v16 v16_exp(v16 x)
{
    const v16 round = v16_splat(0x1.8p23f);
    x = v16_max(v16_splat(-104), v16_min(v16_splat(104), x)); /* a NaN passes */
    const v16 n = v16_sub(v16_add(v16_mul(x, v16_splat(0x1.715476p0f)), round), round);
    v16 r = v16_sub(x, v16_mul(n, v16_splat(0x1.62e4p-1f)));
    r = v16_sub(r, v16_mul(n, v16_splat(0x1.7f7d1cp-20f)));
    v16 q = v16_splat(0.00138143174419f);
    q = v16_add(v16_mul(q, r), v16_splat(0.00836885103642f));
    q = v16_add(v16_mul(q, r), v16_splat(0.041668401134f));
    q = v16_add(v16_mul(q, r), v16_splat(0.166665195245f));
    q = v16_add(v16_mul(q, r), v16_splat(0.499999933729f));
    const v16 e = v16_add(v16_splat(1), v16_add(r, v16_mul(v16_mul(r, r), q)));
    return v16_ldexp(e, n);
}

#else

static inline v16 v16_exp(v16 x)
{
    float lane[16]; /* by itself, the loop becomes vectors again */
    v16_store(lane, x);
    for (int i = 0; i < 16; i++)
        lane[i] = sk_expf(lane[i]);
    return v16_load(lane);
}

#endif

/* Sixteen numbers of a file: little-endian, at any address. */
#if TIER_AVX2 || TIER_NEON || TIER_SSE2

static inline v16 v16_le_f32(const void *p)
{
    return v16_load(p);
}

static inline v16 v16_le_f16(const void *p)
{
    return v16_load_f16(p);
}

static inline v16 v16_le_bf16(const void *p)
{
    return v16_load_bf16(p);
}

#else

static inline v16 v16_le_f32(const void *p)
{
    float x[16];
    for (int i = 0; i < 16; i++)
        x[i] = sk_f32_from_bits(sk_le32((const char *)p + 4 * i));
    return v16_load(x);
}

static inline v16 v16_le_f16(const void *p)
{
    uint16_t x[16];
    for (int i = 0; i < 16; i++)
        x[i] = sk_le16((const char *)p + 2 * i);
    return v16_load_f16(x);
}

static inline v16 v16_le_bf16(const void *p)
{
    uint16_t x[16];
    for (int i = 0; i < 16; i++)
        x[i] = sk_le16((const char *)p + 2 * i);
    return v16_load_bf16(x);
}

#endif

/* The same, but in a register: gcc else reads a vector from memory again for each use. */
static inline v16 v16_keep(v16 x)
{
#if TIER_AVX512 && defined(__GNUC__)
    __asm__("" : "+v"(x));
#endif
    return x;
}

/* Asks for the memory at p, which may be anywhere, to come nearer. */
static inline void v16_fetch(uintptr_t p)
{
#if defined(__GNUC__)
    __builtin_prefetch((const void *)p);
#else
    (void)p;
#endif
}
