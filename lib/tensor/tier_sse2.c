/* SPDX-License-Identifier: MIT */
/*
 * The tier "sse2", for any x86-64: four lanes in a register. There is no fused multiply-add, so it
 * is computed, four at a time (vec_impl.h), and no product of bytes, so they are widened to int16.
 */
#include "base/portable.h"

#if defined(__x86_64__)

#include "tensor/tier_common.h"

#include <emmintrin.h>

#define TIER(name) name##_sse2
#define TIER_NAME "sse2"
#define TIER_AVX2 0
#define TIER_AVX512 0
#define TIER_SSE2 1
#define TIER_FLOATS 1
#define FLOATS TIER
#define LANES 4
#define LANES_NARROW 0
#define LANES_BIAS 0
#define PANEL_PAIR 1
#define PANEL_TILE 2 /* more would be larger, not faster */
#define PANEL_FUSED 0
#include "tensor/tier_impl.h"

#endif
