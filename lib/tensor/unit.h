/* SPDX-License-Identifier: MIT */
/*
 * The form in which all quantised types are alike: a unit of up to 256 weights, decoded into int8
 * values, integer sub-scales and float scales. Decoders (decode.c) write it, dequantisation
 * and the matrix product read it, so a type needs one decoder and nothing else.
 *
 * Types differ in how many weights share a float scale, the group:
 *
 *   group 256  weight i = d[0] * scale[i / 16] * q[i] - m[0] * min[i / 16]
 *   group 32   weight i = d[i / 32] * q[i] + m[i / 32]
 *   group 16   weight i = d[i / 16] * q[i]
 *
 * The terms with m are there only for types with a minimum. All products are exact in float: d has
 * at most 11 significant bits, and |scale * q| <= 4096 (CONTRACT.md has each type's bound). A field
 * that a type has no use for is not written.
 */
#ifndef SK_TENSOR_UNIT_H
#define SK_TENSOR_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#define SK_UNIT 256 /* weights; the last unit of a row of a smaller block may have fewer */

typedef struct sk_unit {
    _Alignas(64) int8_t q[SK_UNIT];
    int16_t scale[SK_UNIT / 16]; /* -128 to 127 */
    int16_t min[SK_UNIT / 16];   /* 0 to 63 */
    float d[SK_UNIT / 16];
    float m[SK_UNIT / 32];
} sk_unit;

typedef struct sk_coding {
    uint8_t act;    /* SK_ACT_...: what its rows are multiplied with */
    uint16_t group; /* weights that share a float scale: 16, 32, 256; 0 for the float types */
    bool min;       /* has a minimum */
    bool known;     /* may be the matrix of a product */
} sk_coding;

/* Of any id; not known for one that no product takes. */
const sk_coding *sk_coding_get(int dtype);

/* Inlined into the tier's functions, so that the compiler sees constants and the tier's
 * instruction set. */
#if defined(__GNUC__)
#define SK_INLINE static inline __attribute__((always_inline))
#define SK_APART __attribute__((noinline))
#else
#define SK_INLINE static inline
#define SK_APART
#endif

/* Before a small loop over registers, which must not become memory; before one that should stay. */
#if defined(__clang__)
#define SK_LOOP_0 _Pragma("clang loop unroll(full)")
#define SK_ROLL _Pragma("clang loop unroll(disable)")
#else
#define SK_LOOP_0 _Pragma("GCC unroll 16")
#define SK_ROLL _Pragma("GCC unroll 1")
#endif
#define SK_LOOP_1 SK_ROLL
#define SK_LOOP_OF(rolled) SK_LOOP_##rolled
#define SK_LOOP(rolled) SK_LOOP_OF(rolled)
#define SK_UNROLL SK_LOOP(TIER_ROLLED) /* 1 where a tier gains nothing by it (tier_impl.h) */

#endif
