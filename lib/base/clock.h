/* SPDX-License-Identifier: MIT */
/* A clock that never goes back, in microseconds. */
#ifndef SK_BASE_CLOCK_H
#define SK_BASE_CLOCK_H

#include <stdint.h>

int64_t sk_clock_us(void);

/* Seconds since 1970, UTC. */
int64_t sk_clock_now(void);

#endif
