/* SPDX-License-Identifier: MIT */
/*
 * The tiers of eight lanes: "avx2", the kernels compiled for x86-64 with AVX2, FMA and F16C, and
 * "avxvnni", for a CPU that has AVX-VNNI too, where the product of quantised weights has its
 * instructions and the rest is avx2's. The target is a matter of functions, so that no file needs
 * flags of its own and one amalgamated file has every tier. kernels.c chooses one only on a CPU
 * that has all that it needs.
 */
#include "base/portable.h"

#if defined(__x86_64__)

#include "tensor/tier_common.h"

#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif

#define TIER(name) name##_avx2
#define TIER_NAME "avx2"
#define TIER_AVX2 1
#define TIER_AVX512 0
#define TIER_FLOATS 1
#define FLOATS TIER
#define LANES 8
#define LANES_NARROW 1
#define LANES_BIAS 0
#define PANEL_PAIR 1
#define PANEL_TILE 4
#define PANEL_FUSED 0
#include "tensor/tier_impl.h"

#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c,avxvnni")
#endif

#define TIER(name) name##_avxvnni
#define TIER_NAME "avxvnni"
#define TIER_AVX2 1
#define TIER_AVX512 0
#define TIER_FLOATS 0
#define FLOATS(name) name##_avx2
#define LANES 8
#define LANES_NARROW 0
#define LANES_BIAS 128
#define PANEL_PAIR 1
#define PANEL_TILE 4
#define PANEL_FUSED 0
#include "tensor/tier_impl.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
