/* SPDX-License-Identifier: MIT */
/*
 * The tier "c": the kernels in portable C, for any CPU. It is the specification of the numeric
 * contract. Its fused multiply-add is the hardware's where the compiler may assume one.
 */
#include "base/portable.h"

#include "tensor/tier_common.h"

#define TIER(name) name##_c
#define TIER_NAME "c"
#define TIER_AVX2 0
#define TIER_AVX512 0
#define TIER_FLOATS 1
#define FLOATS TIER
#define LANES 0
#include "tensor/tier_impl.h"
