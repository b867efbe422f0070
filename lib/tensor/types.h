/* SPDX-License-Identifier: MIT */
/*
 * What the tensor types mean. Each quantised type has one decoder (decode.c), which turns a
 * block of the file into int8 values, integer sub-scales, and float scales; dequantisation and the
 * dot kernels of all tiers are built on it.
 */
#ifndef SK_TENSOR_TYPES_H
#define SK_TENSOR_TYPES_H

#include "base/dtype.h"

/* `n` weights (whole blocks) of any type that can be converted to float: every one but Q8_1, Q8_K
 * and the integer types. Exactly the reference's values. `src` at any alignment. Returns false for
 * a type that cannot. */
bool sk_dequantise(int dtype, const void *src, float *dst, int64_t n);

#endif
