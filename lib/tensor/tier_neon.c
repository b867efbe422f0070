/* SPDX-License-Identifier: MIT */
/*
 * The tiers of AArch64, four lanes in a register: "neon", which every such CPU runs, and
 * "neon_dotprod", for a CPU that has the dot product of bytes (sdot), where the product of
 * quantised weights uses it and the rest is neon's. clang before 16 knows the instruction only
 * where it may assume it.
 */
#include "base/portable.h"

#include "tensor/tier_common.h"

#if SK_TIER_NEON

#include <arm_neon.h>

#define TIER(name) name##_neon
#define TIER_NAME "neon"
#define TIER_AVX2 0
#define TIER_AVX512 0
#define TIER_NEON 1
#define TIER_FLOATS 1
#define FLOATS TIER
#define LANES 4
#define LANES_NARROW 1
#define LANES_BIAS 0
#define PANEL_PAIR 1
#define PANEL_TILE 4
#define PANEL_FUSED 0
#include "tensor/tier_impl.h"

#if SK_TIER_DOTPROD

#if defined(__clang__) && !defined(__ARM_FEATURE_DOTPROD)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#elif !defined(__clang__)
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

#define TIER(name) name##_neon_dotprod
#define TIER_NAME "neon_dotprod"
#define TIER_AVX2 0
#define TIER_AVX512 0
#define TIER_NEON 1
#define TIER_FLOATS 0
#define FLOATS(name) name##_neon
#define LANES 4
#define LANES_NARROW 0
#define LANES_BIAS 0
#define PANEL_PAIR 1
#define PANEL_TILE 4
#define PANEL_FUSED 0
#include "tensor/tier_impl.h"

#if defined(__clang__) && !defined(__ARM_FEATURE_DOTPROD)
#pragma clang attribute pop
#elif !defined(__clang__)
#pragma GCC pop_options
#endif

#endif
#endif
