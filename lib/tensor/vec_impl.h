/* SPDX-License-Identifier: MIT */
/*
 * Sixteen lanes: the few operations in which the float kernels are written, once for each tier
 * (tier_impl.h says how; no include guard). In C a vector is an array and each operation a loop; a
 * tier with AVX2 holds it in two registers, with AVX-512 in one. All give the same bits: lane by lane the same
 * IEEE operation, and v16_sum is the one reduction tree of the contract,
 * lane l + lane l+8, then l+4, l+2, l+1.
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
#define v16_sum TIER(v16_sum)

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
