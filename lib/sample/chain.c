/* SPDX-License-Identifier: MIT */
/*
 * Each sampler is one function over the candidates. What they compute is written in sampler.h;
 * here is how it is done without sorting a vocabulary. Candidates that are removed are gone: a
 * step never sees a logit of -inf.
 */
#include "base/portable.h"

#include "sample/chain.h"
#include "sample/philox.h"
#include "tensor/math.h"

#include <math.h>

/* Both lists ascend by id: one walk. */
static void chain_bias(const sk_pick *pick, sk_candidates *set)
{
    const sk_bias *bias = pick->params->bias, *end = bias + pick->params->n_bias;
    if (bias == end)
        return;
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

/* Later steps see new logits in an old order, so this one has to come before any that ranks. */
static void chain_penalties(const sk_pick *pick, sk_candidates *set)
{
    const sk_sampler_params *p = pick->params;
    if (p->repeat_penalty == 1 && p->presence_penalty == 0 && p->frequency_penalty == 0)
        return;
    for (uint64_t i = 0; i < pick->n_recent; i++)
        if (pick->recent[i] >= 0 && (uint64_t)pick->recent[i] < pick->n_vocab)
            pick->count[pick->recent[i]]++;
    for (uint64_t i = 0; i < set->n; i++) {
        sk_candidate *c = &set->items[i];
        double count = (double)pick->count[c->id];
        if (count == 0)
            continue;
        c->logit = c->logit <= 0 ? c->logit * p->repeat_penalty : c->logit / p->repeat_penalty;
        c->logit -= count * p->frequency_penalty + p->presence_penalty;
    }
    for (uint64_t i = 0; i < pick->n_recent; i++)
        if (pick->recent[i] >= 0 && (uint64_t)pick->recent[i] < pick->n_vocab)
            pick->count[pick->recent[i]] = 0;
}

static void chain_top_k(const sk_pick *pick, sk_candidates *set)
{
    int64_t k = pick->params->top_k;
    if (k > 0 && (uint64_t)k < set->n)
        sk_candidates_keep_best(set, (uint64_t)k);
}

/* Removes, before anything is ranked, what cannot be in the run: candidates which together weigh
 * less than half of what the run leaves. (Only half: roundings of the sums are far smaller, as p
 * is not closer to 1 than 1e-6 here.) Most of a vocabulary goes this way. */
static void chain_drop_tail(sk_candidates *set, double total, double p)
{
    if (p > 1 - 1e-6)
        return;
    float light = (float)(0.5 * (1 - p) * total / (double)set->n);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < set->n; i++) {
        set->items[kept] = set->items[i];
        kept += set->items[i].weight >= light;
    }
    set->n = kept;
}

/* Where the sums round differently, the run may end at the last candidate without reaching p. */
static void chain_top_p(const sk_pick *pick, sk_candidates *set)
{
    if (pick->params->top_p >= 1)
        return;
    double total = sk_candidates_weigh(set), wanted = total * pick->params->top_p;
    double sum = 0;
    uint64_t kept = 0;
    chain_drop_tail(set, total, pick->params->top_p);
    sk_candidates_rank_begin(set);
    do
        sum += (double)sk_candidates_rank_next(set)->weight;
    while (++kept < set->n && sum < wanted);
    sk_candidates_rank_end(set);
}

static void chain_min_p(const sk_pick *pick, sk_candidates *set)
{
    if (pick->params->min_p <= 0)
        return;
    double best = sk_candidates_best(set)->logit;
    double floor = best + sk_log(pick->params->min_p);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < set->n; i++)
        if (set->items[i].logit >= floor)
            set->items[kept++] = set->items[i];
    set->n = kept;
}

static void chain_temperature(const sk_pick *pick, sk_candidates *set)
{
    double t = pick->params->temperature;
    if (t == 0) {
        set->items[0] = *sk_candidates_best(set);
        set->n = 1;
        return;
    }
    for (uint64_t i = 0; i < set->n; i++)
        set->items[i].logit /= t;
}

static const sk_chain_step chain_steps[] = {
    {"logit_bias", chain_bias}, {"penalties", chain_penalties}, {"top_k", chain_top_k},
    {"top_p", chain_top_p},     {"min_p", chain_min_p},         {"temperature", chain_temperature},
};

const sk_chain_step *sk_chain_at(uint64_t index)
{
    return index < sizeof chain_steps / sizeof *chain_steps ? &chain_steps[index] : NULL;
}

/* The sum must exceed, not reach: with u = 0 a candidate of weight 0 would be chosen. It always
 * does at last: u < 1, the product of u and the total rounds below the total, and the sum is the
 * total, added up in the same order. */
int32_t sk_chain_draw(const sk_pick *pick, sk_candidates *set)
{
    if (set->n == 1)
        return set->items[0].id;
    double u = sk_random_u01((uint64_t)pick->params->seed, pick->position, SK_DRAW_DIST);
    double wanted = sk_candidates_weigh(set) * u;
    double sum = 0;
    uint64_t i = 0;
    for (; i + 1 < set->n; i++) {
        sum += (double)set->items[i].weight;
        if (sum > wanted)
            break;
    }
    return set->items[i].id;
}
