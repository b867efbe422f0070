/* SPDX-License-Identifier: MIT */
/*
 * The tier "avx2": the same source, compiled for x86-64 with AVX2, FMA and F16C, function by
 * function, so that no file needs flags of its own and one amalgamated file has every tier.
 * kernels.c chooses it only on a CPU that has all three.
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
#define LANES 0
#include "tensor/tier_impl.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
