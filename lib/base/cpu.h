/* SPDX-License-Identifier: MIT */
/*
 * What this CPU can run, as far as the kernels ask. A feature counts only when the operating
 * system saves the registers that it needs.
 */
#ifndef SK_BASE_CPU_H
#define SK_BASE_CPU_H

#include <stdint.h>

/* SK_CPU_AVX512 stands for F, BW, VL and DQ together: no CPU has VNNI without them. */
enum {
    SK_CPU_AVX2 = 1,
    SK_CPU_FMA = 2,
    SK_CPU_F16C = 4,
    SK_CPU_AVX512 = 8,
    SK_CPU_VNNI512 = 16,
    SK_CPU_AVXVNNI = 32,
    SK_CPU_DOTPROD = 64 /* of AArch64 */
};

/* The features, or'd. Asks the CPU each time (some hundred cycles; more under a hypervisor), so
 * that no mutable state is kept: call it when a model is opened, not in a loop. */
uint32_t sk_cpu_features(void);

#endif
