/* SPDX-License-Identifier: MIT */
/*
 * The floating-point environment of the numeric contract: round to nearest, no flush to zero, no
 * traps. Entered at the boundary and in every worker; the host's own is put back.
 */
#ifndef SK_BASE_FPENV_H
#define SK_BASE_FPENV_H

#include <stdint.h>

typedef struct sk_fpenv {
    uint64_t state;
} sk_fpenv;

void sk_fpenv_enter(sk_fpenv *saved);
void sk_fpenv_leave(const sk_fpenv *saved);

#endif
