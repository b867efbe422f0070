/* SPDX-License-Identifier: MIT */
/*
 * From a quantised type's bytes to a unit (unit.h), the form in which all types are alike. It is
 * what a type means; what is faster than this (unpack_impl.h) must give the same.
 */
#ifndef SK_TENSOR_DECODE_H
#define SK_TENSOR_DECODE_H

#include "tensor/unit.h"

/* The values of IQ4_NL and IQ4_XS, and twice those of FP4 (E2M1; its code 8 is +0). */
extern const int8_t sk_iq4_values[16], sk_fp4_values[16];

/* `n` weights, whole blocks, at most SK_UNIT, of a type whose group in the table of formats
 * (types.c) is not 0. */
void sk_decode(int dtype, const uint8_t *restrict src, int n, sk_unit *restrict u);

#endif
