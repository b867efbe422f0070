/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic on sizes that come from outside. Each returns false, and leaves *out alone, when the
 * result does not fit. No other code adds or multiplies a number read from a file.
 */
#ifndef SK_BASE_CHECKED_H
#define SK_BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool sk_add(uint64_t a, uint64_t b, uint64_t *out)
{
    if (a > UINT64_MAX - b)
        return false;
    *out = a + b;
    return true;
}

static inline bool sk_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    if (b != 0 && a > UINT64_MAX / b)
        return false;
    *out = a * b;
    return true;
}

/* Rounds up to a multiple of `align`, a power of two. */
static inline bool sk_align_up(uint64_t a, uint64_t align, uint64_t *out)
{
    if (!sk_add(a, align - 1, &a))
        return false;
    *out = a & ~(align - 1);
    return true;
}

/* Whether [offset, offset + n) lies inside [0, size). */
static inline bool sk_in_range(uint64_t offset, uint64_t n, uint64_t size)
{
    return offset <= size && n <= size - offset;
}

#endif
