/* SPDX-License-Identifier: MIT */
/*
 * The list of tiers, worst first, and the choice among them. The CPU is asked each time: the
 * library keeps no mutable state, and a model asks once. Code outside of the tiers is compiled as
 * "c" is; where that is not exact, nothing is.
 */
#include "base/portable.h"

#include "base/cpu.h"
#include "tensor/kernels.h"

#include <string.h>

extern const sk_kernels sk_kernels_c;
#if defined(__x86_64__)
extern const sk_kernels sk_kernels_sse2;
extern const sk_kernels sk_kernels_avx2;
extern const sk_kernels sk_kernels_avxvnni;
extern const sk_kernels sk_kernels_avx512;
#endif
#if SK_TIER_NEON
extern const sk_kernels sk_kernels_neon;
#endif
#if SK_TIER_DOTPROD
extern const sk_kernels sk_kernels_neon_dotprod;
#endif

typedef struct kernel_tier {
    const sk_kernels *kernels;
    uint32_t features; /* that the CPU must have */
} kernel_tier;

#define EIGHT_LANES (SK_CPU_AVX2 | SK_CPU_FMA | SK_CPU_F16C)

static const kernel_tier kernel_tiers[] = {
    {&sk_kernels_c, 0},
#if defined(__x86_64__)
    {&sk_kernels_sse2, 0},
    {&sk_kernels_avx2, EIGHT_LANES},
    {&sk_kernels_avxvnni, EIGHT_LANES | SK_CPU_AVXVNNI},
    {&sk_kernels_avx512, EIGHT_LANES | SK_CPU_AVX512 | SK_CPU_VNNI512},
#endif
#if SK_TIER_NEON
    {&sk_kernels_neon, 0},
#endif
#if SK_TIER_DOTPROD
    {&sk_kernels_neon_dotprod, SK_CPU_DOTPROD},
#endif
};

enum { KERNEL_TIERS = sizeof kernel_tiers / sizeof kernel_tiers[0] };

const sk_kernels *sk_kernels_at(int index, bool *runs)
{
    if (index < 0 || index >= KERNEL_TIERS)
        return NULL;
    const kernel_tier *tier = &kernel_tiers[index];
    *runs = (sk_cpu_features() & tier->features) == tier->features && sk_kernels_c.is_exact() &&
            tier->kernels->is_exact();
    return tier->kernels;
}

const sk_kernels *sk_kernels_get(const char *name)
{
    const bool best = strcmp(name, "auto") == 0;
    for (int i = KERNEL_TIERS - 1; i >= 0; i--) {
        bool runs;
        const sk_kernels *kernels = sk_kernels_at(i, &runs);
        if (runs && (best || strcmp(name, kernels->name) == 0))
            return kernels;
    }
    return NULL;
}
