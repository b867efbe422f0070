/* SPDX-License-Identifier: MIT */
/*
 * CPU features on x86: leaf 1 and leaf 7 of cpuid (Intel SDM volume 2, "CPUID"), and xgetbv, which
 * tells whether the operating system saves the upper halves of the vector registers. Elsewhere
 * there is nothing to ask yet: the portable tier is compiled for what the compiler may assume.
 */
#include "base/portable.h"

#include "base/cpu.h"

#if defined(__x86_64__) || defined(__i386__)

#include <cpuid.h>

#define CPU_XMM_YMM 6u /* XCR0 bits 1 and 2: SSE and AVX state */

/* The low word of XCR0; only where cpuid says that xgetbv may be used. */
static uint32_t cpu_saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

uint32_t sk_cpu_features(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
        return 0;
    if ((cpu_saved_state() & CPU_XMM_YMM) != CPU_XMM_YMM)
        return 0;
    uint32_t features = 0;
    if (c & bit_FMA)
        features |= SK_CPU_FMA;
    if (c & bit_F16C)
        features |= SK_CPU_F16C;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2))
        features |= SK_CPU_AVX2;
    return features;
}

#else

uint32_t sk_cpu_features(void)
{
    return 0;
}

#endif
