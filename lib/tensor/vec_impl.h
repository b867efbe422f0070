/* SPDX-License-Identifier: MIT */
/*
 * Sixteen lanes: the few operations in which the float kernels are written, once for each tier
 * (tier_impl.h says how; no include guard). In C a vector is an array and each operation a loop; a
 * tier with AVX2 holds it in two registers, with AVX-512 in one. All give the same bits: lane by
 * lane the same IEEE operation, and v16_sum is the one reduction tree of the contract, lane l +
 * lane l+8, then l+4, l+2, l+1.
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
#define v16_sums TIER(v16_sums)
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

/* The sums of sixteen vectors, each by its tree, whose every step halves two vectors at once: lanes
 * l + 8 first, then l + 4, after which a[i] has vectors i, i + 4, i + 8, i + 12; l + 2, l + 1. */
static inline v16 v16_sums(const float (*x)[16])
{
    __m512 a[4];
    SK_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m512 p = _mm512_loadu_ps(x[i]), q = _mm512_loadu_ps(x[i + 4]);
        const __m512 r = _mm512_loadu_ps(x[i + 8]), s = _mm512_loadu_ps(x[i + 12]);
        const __m512 b =
            _mm512_add_ps(_mm512_shuffle_f32x4(p, q, 0x44), _mm512_shuffle_f32x4(p, q, 0xee));
        const __m512 c =
            _mm512_add_ps(_mm512_shuffle_f32x4(r, s, 0x44), _mm512_shuffle_f32x4(r, s, 0xee));
        a[i] = _mm512_add_ps(_mm512_shuffle_f32x4(b, c, 0x88), _mm512_shuffle_f32x4(b, c, 0xdd));
    }
    SK_UNROLL
    for (int i = 0; i < 4; i += 2)
        a[i] = _mm512_add_ps(_mm512_shuffle_ps(a[i], a[i + 1], 0x44),
                             _mm512_shuffle_ps(a[i], a[i + 1], 0xee));
    return _mm512_add_ps(_mm512_shuffle_ps(a[0], a[2], 0x88), _mm512_shuffle_ps(a[0], a[2], 0xdd));
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

/* The sums of eight vectors, each by its tree, whose every step halves two vectors at once: lanes
 * l + 8 first, then l + 4, after which a[i] has vectors i and i + 4; l + 2, l + 1. */
SK_INLINE __m256 TIER(v8_sums)(const float (*x)[16])
{
    __m256 a[8];
    SK_UNROLL
    for (int i = 0; i < 8; i++)
        a[i] = _mm256_add_ps(_mm256_loadu_ps(x[i]), _mm256_loadu_ps(x[i] + 8));
    SK_UNROLL
    for (int i = 0; i < 4; i++)
        a[i] = _mm256_add_ps(_mm256_permute2f128_ps(a[i], a[i + 4], 0x20),
                             _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    SK_UNROLL
    for (int i = 0; i < 4; i += 2)
        a[i] = _mm256_add_ps(_mm256_shuffle_ps(a[i], a[i + 1], 0x44),
                             _mm256_shuffle_ps(a[i], a[i + 1], 0xee));
    return _mm256_add_ps(_mm256_shuffle_ps(a[0], a[2], 0x88), _mm256_shuffle_ps(a[0], a[2], 0xdd));
}

static inline v16 v16_sums(const float (*x)[16])
{
    return (v16){TIER(v8_sums)(x), TIER(v8_sums)(x + 8)};
}

#else

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
static inline v16 v16_fma(v16 x, v16 y, v16 z)
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

/* The sums of sixteen vectors. */
static inline v16 v16_sums(const float (*x)[16])
{
    v16 r;
    for (int i = 0; i < 16; i++)
        r.lane[i] = v16_sum(v16_load(x[i]));
    return r;
}

#endif

static inline v16 v16_zero(void)
{
    return v16_splat(0);
}

static inline v16 v16_exp(v16 x)
{
    float lane[16];
    v16_store(lane, x);
    for (int i = 0; i < 16; i++)
        lane[i] = sk_expf(lane[i]);
    return v16_load(lane);
}

/* Sixteen numbers of a file: little-endian, at any address. */
#if TIER_AVX2

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
