/* SPDX-License-Identifier: MIT */
/*
 * Each sampler is one function over the candidates. What they compute is written in sampler.h;
 * here is how it is done without sorting a vocabulary. Candidates that are removed are gone: a
 * step never sees a logit of -inf.
 */
#include "base/portable.h"

#include "sample/chain.h"

#include <math.h>

/* Both lists ascend by id: one walk. */
void sk_chain_bias(const sk_pick *pick, sk_candidates *set)
{
    if (pick->params->n_bias == 0)
        return;
    const sk_bias *bias = pick->params->bias, *end = bias + pick->params->n_bias;
    uint64_t kept = 0;
    for (uint64_t i = 0; i < set->n; i++) {
        sk_candidate c = set->items[i];
        while (bias < end && bias->id < c.id)
            bias++;
        if (bias < end && bias->id == c.id)
            c.logit += (double)bias->bias;
        if (c.logit > -INFINITY)
            set->items[kept++] = c;
    }
    set->n = kept;
}

void sk_chain_penalties(const sk_pick *pick, sk_candidates *set)
{
    const sk_sampler_params *p = pick->params;
    if (p->repeat_penalty == 1 && p->presence_penalty == 0 && p->frequency_penalty == 0)
        return;
    uint64_t n = p->penalty_last_n > 0 ? (uint64_t)p->penalty_last_n : 0;
    n = pick->n_history < n ? pick->n_history : n;
    const int32_t *recent = n ? pick->history + (pick->n_history - n) : NULL;
    for (uint64_t i = 0; i < n; i++)
        if (recent[i] >= 0 && (uint64_t)recent[i] < pick->n_vocab)
            pick->count[recent[i]]++;
    for (uint64_t i = 0; i < set->n; i++) {
        sk_candidate *c = &set->items[i];
        double count = (double)pick->count[c->id];
        if (count == 0)
            continue;
        c->logit = c->logit <= 0 ? c->logit * p->repeat_penalty : c->logit / p->repeat_penalty;
        c->logit -= count * p->frequency_penalty + p->presence_penalty;
    }
    for (uint64_t i = 0; i < n; i++)
        if (recent[i] >= 0 && (uint64_t)recent[i] < pick->n_vocab)
            pick->count[recent[i]] = 0;
    if (set->ranked)
        sk_candidates_rank(set);
}

static const sk_chain_step chain_steps[SK_STEPS] = {
    [SK_STEP_PENALTIES] = {"penalties", sk_chain_penalties},
    [SK_STEP_DRY] = {"dry", sk_chain_dry},
    [SK_STEP_TOP_N_SIGMA] = {"top_n_sigma", sk_chain_top_n_sigma},
    [SK_STEP_TOP_K] = {"top_k", sk_chain_top_k},
    [SK_STEP_TYPICAL] = {"typ_p", sk_chain_typical},
    [SK_STEP_TOP_P] = {"top_p", sk_chain_top_p},
    [SK_STEP_MIN_P] = {"min_p", sk_chain_min_p},
    [SK_STEP_XTC] = {"xtc", sk_chain_xtc},
    [SK_STEP_TEMPERATURE] = {"temperature", sk_chain_temperature},
    [SK_STEP_INFILL] = {"infill", sk_chain_infill},
};

const sk_chain_step *sk_chain_step_of(uint8_t step)
{
    return &chain_steps[step];
}
