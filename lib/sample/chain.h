/* SPDX-License-Identifier: MIT */
/*
 * The steps of the sampler chain. To add one: write the function and give it a row in chain.c.
 */
#ifndef SK_SAMPLE_CHAIN_H
#define SK_SAMPLE_CHAIN_H

#include "sample/candidates.h"
#include "sample/sampler.h"

/* What a step may look at, besides the candidates. */
typedef struct sk_pick {
    const sk_sampler_params *params;
    const int32_t *recent; /* [n_recent] the last penalty_last_n tokens, or fewer */
    uint64_t n_recent;
    uint64_t position; /* of the token to choose */
    uint64_t n_vocab;
    int32_t *count; /* [n_vocab] scratch: all 0 before and after each step */
} sk_pick;

typedef struct sk_chain_step {
    const char *name;
    /* Changes or removes candidates. At least one comes in; only the logit bias may leave none. */
    void (*apply)(const sk_pick *pick, sk_candidates *set);
} sk_chain_step;

/* Step `index` of the chain, in the order in which they run; NULL past the last. */
const sk_chain_step *sk_chain_at(uint64_t index);

/* The candidate that the random number of this position falls on. n >= 1. */
int32_t sk_chain_draw(const sk_pick *pick, sk_candidates *set);

#endif
