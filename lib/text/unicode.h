/* SPDX-License-Identifier: MIT */
/*
 * What Unicode 15.1 says of a code point: its general category and whether it is white space, as
 * one word of bits, so that a set of categories is a mask and membership is one AND.
 *
 * Three tables, 22 KB: the top one is indexed by the highest 11 bits of the code point, the
 * middle one by the next 5, the low one by the last 5 (unicode_data.py writes them).
 */
#ifndef SK_TEXT_UNICODE_H
#define SK_TEXT_UNICODE_H

#include <stdint.h>

#define SK_UNICODE_LAST 0x10FFFFu
#define SK_UNICODE_BAD 0xFFFDu /* stands for what is no code point */

/* Bits of a class: the categories in the order of unicode_data.py, then White_Space. */
#define SK_UC_CN (UINT32_C(1) << 0) /* unassigned */
#define SK_UC_LU (UINT32_C(1) << 1)
#define SK_UC_LL (UINT32_C(1) << 2)
#define SK_UC_LT (UINT32_C(1) << 3)
#define SK_UC_LM (UINT32_C(1) << 4)
#define SK_UC_LO (UINT32_C(1) << 5)
#define SK_UC_M (UINT32_C(7) << 6)
#define SK_UC_MN (UINT32_C(1) << 6)
#define SK_UC_N (UINT32_C(7) << 9)
#define SK_UC_ND (UINT32_C(1) << 9)
#define SK_UC_NL (UINT32_C(1) << 10)
#define SK_UC_PC (UINT32_C(1) << 12)
#define SK_UC_P (UINT32_C(127) << 12)
#define SK_UC_S (UINT32_C(15) << 19)
#define SK_UC_Z (UINT32_C(7) << 23)
#define SK_UC_C ((UINT32_C(15) << 26) | SK_UC_CN)
#define SK_UC_SPACE (UINT32_C(1) << 30)
#define SK_UC_L (SK_UC_LU | SK_UC_LL | SK_UC_LT | SK_UC_LM | SK_UC_LO)

extern const uint8_t sk_unicode_top[1088];
extern const uint16_t sk_unicode_middle[2144];
extern const uint8_t sk_unicode_low[18592];

/* The class of a code point; what lies beyond the last one is unassigned. */
static inline uint32_t sk_unicode_class(uint32_t code)
{
    if (code < 0x80) { /* the first four blocks of the low table */
        uint32_t ascii = sk_unicode_low[code];
        return UINT32_C(1) << (ascii & 31) | (ascii & 32) << 25;
    }
    if (code > SK_UNICODE_LAST)
        return SK_UC_CN;
    uint32_t middle = sk_unicode_middle[sk_unicode_top[code >> 10] * 32u + (code >> 5 & 31)];
    uint32_t low = sk_unicode_low[middle * 32u + (code & 31)];
    return UINT32_C(1) << (low & 31) | (low & 32) << 25;
}

#endif
