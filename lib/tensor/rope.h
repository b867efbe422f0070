/* SPDX-License-Identifier: MIT */
/*
 * The angles of rotary position embedding (Su et al. 2021), with linear scaling, frequency factors
 * (Llama 3, longrope) and YaRN (Peng et al. 2023). A model fills an sk_rope for each kind of its
 * layers, sk_rope_init computes what does not depend on the position, and sk_rope_angles gives the
 * cosines and sines of one position, which the kernel `rope` applies to every head of that token.
 */
#ifndef SK_TENSOR_ROPE_H
#define SK_TENSOR_ROPE_H

#include "tensor/kernels.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct sk_rope {
    int kind;            /* SK_ROPE_NORM or SK_ROPE_NEOX: for the caller, angles do not need it */
    int64_t n_rot;       /* elements of a head that are rotated; even */
    double base;         /* rope.freq_base */
    double freq_scale;   /* 1 / rope.scaling.factor */
    double ext_factor;   /* of YaRN; 0: none */
    double attn_factor;  /* multiplies cosine and sine */
    double beta_fast, beta_slow; /* of YaRN: turns within n_ctx_orig, 32 and 1 */
    int64_t n_ctx_orig;  /* of YaRN: positions that the model was first trained with */
    const float *factors; /* [n_rot / 2], divide the frequencies, or NULL; borrowed by init */

    /* Set by sk_rope_init. */
    const double *freq; /* [n_rot / 2]: radians per position */
    double magnitude;
} sk_rope;

/* Computes the frequencies into `freq` of n_rot / 2, borrowed for as long as `rope` is used. False
 * when the values, which may come from a file, give an angle that is no number. */
bool sk_rope_init(sk_rope *rope, double *freq);

/* cs[i] = {cos, sin} * magnitude of pair i at position `pos`; n_rot / 2 of them. Computed in double
 * and rounded once. */
void sk_rope_angles(const sk_rope *rope, int64_t pos, float (*cs)[2]);

#endif
