/* SPDX-License-Identifier: MIT */
/*
 * Random tensor data in any type. Quantised blocks are not quantised from anything: their codes
 * are random bits, and their scales are set so that the weights come out with a wanted deviation.
 * That is enough for a model that computes finite nonsense at the speed of a real one.
 */
#ifndef RANDOM_MODEL_BLOCKS_H
#define RANDOM_MODEL_BLOCKS_H

#include <stdint.h>

typedef struct block_type {
    const char *name;
    uint32_t id, n_elem, n_byte;
    int32_t scale_at, min_at; /* where the half-precision scale and minimum stand; -1: none */
    double deviation;         /* of the weights when the scale is 1 */
    double min_ratio;         /* minimum / scale that centres the weights on 0 */
} block_type;

/* A type by its name ("Q4_K"), or NULL. */
const block_type *block_find(const char *name);
const block_type *block_at(int i); /* NULL past the last */

/* Random numbers: splitmix64. */
uint64_t random_next(uint64_t *state);

/* Fills `n_block` blocks of `type` with weights of about this mean and deviation. The mean is for
 * F32, F16 and BF16 only. */
void block_fill(const block_type *type, unsigned char *out, uint64_t n_block, double mean,
                double deviation, uint64_t *state);

#endif
