/* SPDX-License-Identifier: MIT */
/*
 * The tier "avx512": the same source with sixteen lanes in one register, and a matrix product of
 * its own (panel_impl.h), compiled for x86-64 with AVX-512 F, BW, VL, DQ and VNNI. kernels.c
 * chooses it only on a CPU that has them all and an operating system that saves their registers.
 */
#include "base/portable.h"

#if defined(__x86_64__)

#include "tensor/tier_common.h"

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")
#endif

#define TIER(name) name##_avx512
#define TIER_NAME "avx512"
#define TIER_AVX2 1
#define TIER_AVX512 1
#define TIER_FLOATS 1
#define FLOATS TIER
#define LANES 16
#define LANES_NARROW 0
#define LANES_BIAS 128
#define PANEL_PAIR 2 /* panels at once */
#define PANEL_TILE 6 /* columns at once: twelve sums and twelve results in registers */
#define PANEL_FUSED 1
#include "tensor/tier_impl.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
