/* SPDX-License-Identifier: MIT */
/*
 * CPU features on x86: leaf 1 and leaf 7 of cpuid (Intel SDM volume 2, "CPUID"), and xgetbv, which
 * tells whether the operating system saves the upper halves of the vector registers, the mask
 * registers and registers 16 to 31. On AArch64 the C library has what the kernel said when the
 * program began (getauxval, which reads no file and changes nothing); registers with the same
 * knowledge may not be read by programs everywhere. Elsewhere the portable tier is compiled for
 * what the compiler may assume.
 */
#include "base/portable.h"

#include "base/cpu.h"

#if defined(__x86_64__) || defined(__i386__)

#include <cpuid.h>
#include <stdbool.h>

#define CPU_XMM_YMM 6u  /* XCR0 bits 1 and 2: SSE and AVX state */
#define CPU_ZMM 0xe6u   /* and 5 to 7: masks, upper halves of ZMM0 to 15, all of ZMM16 to 31 */
#define CPU_AVXVNNI 16u /* of eax; the compilers' names for it differ */
#define CPU_AVX512 (bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ)

/* The low word of XCR0; only where cpuid says that xgetbv may be used. */
static uint32_t cpu_saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* Whether leaf 7's second page has AVX-VNNI; `last` is the last page. */
static bool cpu_has_avxvnni(unsigned last)
{
    unsigned a, b, c, d;
    return last >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & CPU_AVXVNNI);
}

/* The features of leaf 7, whose registers are saved as `state` says. */
static uint32_t cpu_leaf_7(uint32_t state)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    uint32_t features = b & bit_AVX2 ? SK_CPU_AVX2 : 0;
    if (cpu_has_avxvnni(a))
        features |= SK_CPU_AVXVNNI;
    if ((state & CPU_ZMM) != CPU_ZMM || (b & CPU_AVX512) != CPU_AVX512)
        return features;
    return features | SK_CPU_AVX512 | (c & bit_AVX512VNNI ? SK_CPU_VNNI512 : 0u);
}

uint32_t sk_cpu_features(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
        return 0;
    const uint32_t state = cpu_saved_state();
    if ((state & CPU_XMM_YMM) != CPU_XMM_YMM)
        return 0;
    uint32_t features = cpu_leaf_7(state);
    if (c & bit_FMA)
        features |= SK_CPU_FMA;
    if (c & bit_F16C)
        features |= SK_CPU_F16C;
    return features;
}

#elif defined(__ARM_FEATURE_DOTPROD)

uint32_t sk_cpu_features(void)
{
    return SK_CPU_DOTPROD;
}

#elif defined(__aarch64__) && defined(__linux__)

#include <sys/auxv.h>

#define CPU_ASIMDDP (1u << 20) /* of AT_HWCAP (asm/hwcap.h) */

uint32_t sk_cpu_features(void)
{
    return getauxval(AT_HWCAP) & CPU_ASIMDDP ? SK_CPU_DOTPROD : 0;
}

#else

uint32_t sk_cpu_features(void)
{
    return 0;
}

#endif
