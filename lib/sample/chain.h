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
    const int32_t *history; /* [n_history] */
    uint64_t n_history;
    uint64_t position; /* of the token to choose */
    uint64_t n_vocab;
    int32_t *count;  /* [n_vocab] scratch: all 0 before and after each step */
    double *scratch; /* [n_vocab], if params want typical_p; by token id */
    const uint32_t *banned,
        *barred;             /* a bit per token that may not be chosen; banned may be NULL */
    sk_sampler_state *state; /* as it is before the token; drawing makes it what it is behind it */
} sk_pick;

typedef struct sk_chain_step {
    const char *name;
    /* Changes or removes candidates. At least one comes in; only the logit bias may leave none. */
    void (*apply)(const sk_pick *pick, sk_candidates *set);
} sk_chain_step;

/* The step of an SK_STEP_.... */
const sk_chain_step *sk_chain_step_of(uint8_t step);

/* The steps themselves: chain.c, cut.c, heat.c, dry.c, gap.c. */
void sk_chain_bias(const sk_pick *pick, sk_candidates *set);
void sk_chain_penalties(const sk_pick *pick, sk_candidates *set);
void sk_chain_dry(const sk_pick *pick, sk_candidates *set);
void sk_chain_top_n_sigma(const sk_pick *pick, sk_candidates *set);
void sk_chain_top_k(const sk_pick *pick, sk_candidates *set);
void sk_chain_typical(const sk_pick *pick, sk_candidates *set);
void sk_chain_top_p(const sk_pick *pick, sk_candidates *set);
void sk_chain_min_p(const sk_pick *pick, sk_candidates *set);
void sk_chain_xtc(const sk_pick *pick, sk_candidates *set);
void sk_chain_temperature(const sk_pick *pick, sk_candidates *set);
void sk_chain_infill(const sk_pick *pick, sk_candidates *set);

/* The candidate that the random number of this position falls on (draw.c): of what is left, or as
 * Mirostat or adaptive-p choose. n >= 1. */
int32_t sk_chain_draw(const sk_pick *pick, sk_candidates *set);

/* The state behind a token that was the only candidate. */
sk_sampler_state sk_sampler_state_after(const sk_sampler_params *params, sk_sampler_state state);

#endif
