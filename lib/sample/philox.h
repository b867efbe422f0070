/* SPDX-License-Identifier: MIT */
/*
 * Random numbers that are a function of where they are used, not of how many were drawn before:
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3; 2011).
 *
 * A draw is keyed by the seed, the position of the token that it chooses, and the sampler that
 * draws. There is no state: going back in a context, guessing ahead and throwing guesses away, or
 * loading a saved state cannot make draws drift.
 */
#ifndef SK_SAMPLE_PHILOX_H
#define SK_SAMPLE_PHILOX_H

#include <stdint.h>

/* Who draws. These numbers are part of what a seed means: they are never reused or changed. */
enum { SK_DRAW_DIST = 0, SK_DRAW_XTC = 1, SK_DRAW_MIROSTAT = 2, SK_DRAW_ADAPTIVE = 3 };

/* Ten rounds on a counter with a key, word 0 first as in the published vectors. */
void sk_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* A number in [0, 1) with 53 random bits, for the token at index `position` of its context.
 *     key      seed, low word; seed, high word
 *     counter  position, low word; position, high word; sampler; 0 (further draws of a sampler
 *              for the same token would count here)
 *     result   ((out[1] * 2^32 + out[0]) >> 11) / 2^53 */
double sk_random_u01(uint64_t seed, uint64_t position, uint32_t sampler);

#endif
