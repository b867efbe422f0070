/* SPDX-License-Identifier: MIT */
/*
 * One tier: all kernels compiled once more, under other names and compiler settings. The file that
 * includes this one (tier_c.c, tier_avx2.c, tier_avx512.c) defines first
 *
 *   TIER(name)   name##_<tier>; every function and type of the *_impl.h files is named through it
 *   TIER_NAME    "<tier>", what the option calls it
 *   TIER_AVX2    1 where functions are compiled for AVX2, FMA and F16C, with <immintrin.h> included
 *   TIER_AVX512  1 where they are also compiled for AVX-512 F, BW, VL, DQ and VNNI
 *   TIER_SSE2, TIER_NEON  1 where functions are compiled for those, with their header included
 *   LANES, ...   of the register that quantised weights are multiplied in, and what goes with it
 *                (lanes_impl.h); 0: none, they are multiplied row by row
 *   FLOATS(name) TIER(name), or the name's function of another tier in the same file, whose float
 *                kernels are this one's too; TIER_FLOATS is 0 then
 *
 * and includes what all tiers use (tier_common.h) outside of its target region. The *_impl.h files
 * have no include guards: a tier is a second inclusion. All macros are undefined at the end, so
 * that tiers can follow one another in one file.
 */
#ifndef TIER_SSE2
#define TIER_SSE2 0
#endif
#ifndef TIER_NEON
#define TIER_NEON 0
#endif
#if TIER_AVX2
#define SK_FMA(a, b, c) __builtin_fmaf((a), (b), (c))
#else
#define SK_FMA(a, b, c) SK_FMA_DEFAULT(a, b, c)
#endif

/* Without registers for its sums, or a multiply-add of one instruction, a tile gains nothing by
 * having its loops unrolled, and takes ten times the room. */
#if !TIER_AVX2 && !TIER_NEON
#define TIER_ROLLED 1
#else
#define TIER_ROLLED 0
#endif
#if TIER_FLOATS
#include "tensor/vec_impl.h"
#include "tensor/vecs_impl.h"
#include "tensor/ops_impl.h"
#include "tensor/kv_impl.h"
#include "tensor/attend_impl.h"
#include "tensor/recur_impl.h"
#include "tensor/act_impl.h"
#include "tensor/floats_impl.h"
#endif
#undef TIER_ROLLED
#define TIER_ROLLED 0
#if LANES
#include "tensor/panel_impl.h"
#else
#include "tensor/quants_impl.h"
#endif

/* Every output is one sum with one order (CONTRACT.md), whatever the call's rows and columns, so a
 * call may be cut anywhere. */
static void TIER(matmul)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0, int64_t col1)
{
    const sk_coding *f = sk_coding_get(m->dtype);
    if (!f->known)
        return;
    if (!f->group)
        FLOATS(matmul_floats)(m, row0, row1, col0, col1);
    else
#if LANES
        TIER(matmul_panels)(m, row0, row1, col0, col1);
#else
        TIER(matmul_quants)(m, row0, row1, col0, col1);
#endif
}

/* Whether a product and a sum were compiled as the two roundings that they are. The inputs are
 * volatile, so that it is computed here; (1 + 2^-12)^2 - (1 + 2^-11) is 0 then, else 2^-24. */
static bool TIER(is_exact)(void)
{
    const volatile float a = 0x1.001p0f, c = -0x1.002p0f;
    const float x = a, y = a, z = c;
    return x * y + z == 0.0f;
}

extern const sk_kernels TIER(sk_kernels);

const sk_kernels TIER(sk_kernels) = {
    .name = TIER_NAME,
    .is_exact = TIER(is_exact),
    .quantise = FLOATS(quantise),
    .matmul = TIER(matmul),
    .rms_norm = FLOATS(rms_norm),
    .layer_norm = FLOATS(layer_norm),
    .add = FLOATS(add),
    .scale = FLOATS(scale),
    .fma = FLOATS(fma),
    .silu_mul = FLOATS(silu_mul),
    .apply = FLOATS(apply_fn),
    .softmax = FLOATS(softmax),
    .rope = FLOATS(rope),
    .attend = FLOATS(attend),
    .recur = FLOATS(recur),
    .conv = FLOATS(conv),
    .l2_norm = FLOATS(l2_norm),
    .bonus = FLOATS(bonus),
    .kv_store = FLOATS(kv_store),
    .to_f16 = FLOATS(to_f16),
    .from_f16 = FLOATS(from_f16),
    .attend_merge = FLOATS(attend_merge),
    .attend_end = FLOATS(attend_end),
};

#undef SK_FMA
#undef TIER
#undef TIER_NAME
#undef TIER_AVX2
#undef TIER_AVX512
#undef TIER_SSE2
#undef TIER_NEON
#undef TIER_ROLLED
#undef TIER_FLOATS
#undef FLOATS
#undef LANES
#undef LANES_NARROW
#undef LANES_BIAS
#undef LANES_FACTOR
#undef PANEL_PAIR
#undef PANEL_TILE
#undef PANEL_FUSED
#undef VECS_UNROLL
#undef SUM_PART
#undef ATTEND_TILES
#undef ATTEND_TURNED
#undef V16_FMA
#undef v16
#undef v16_zero
#undef v16_splat
#undef v16_load
#undef v16_load_f16
#undef v16_store
#undef v16_store_f16
#undef v16_add
#undef v16_sub
#undef v16_mul
#undef v16_div
#undef v16_fma
#undef v16_max
#undef v16_exp
#undef v16_keep
#undef v16_fetch
#undef v16_sum
#undef v16_min
#undef v16_ldexp
#undef v16_abs_max
#undef v16_most
#undef v16_store_codes
#undef v16_load_pairs
#undef v16_store_pairs
#undef v16_load_bf16
#undef v16_le_f32
#undef v16_le_f16
#undef v16_le_bf16
