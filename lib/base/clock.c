/* SPDX-License-Identifier: MIT */
/* The clocks of POSIX. */
#include "base/portable.h"

#include "base/clock.h"

#include <time.h>

int64_t sk_clock_now(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_REALTIME, &now) == 0 ? (int64_t)now.tv_sec : 0;
}

int64_t sk_clock_us(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
