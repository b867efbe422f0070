/* SPDX-License-Identifier: MIT */
/*
 * The steps that take candidates away. What they compute is written in sampler.h; here is how it is
 * done without sorting a vocabulary.
 */
#include "base/portable.h"

#include "sample/chain.h"
#include "sample/philox.h"
#include "tensor/math.h"

#include <math.h>

void sk_chain_top_k(const sk_pick *pick, sk_candidates *set)
{
    int64_t k = pick->params->top_k;
    if (k <= 0)
        return;
    uint64_t least = (uint64_t)pick->params->min_keep,
             keep = (uint64_t)k > least ? (uint64_t)k : least;
    set->n_hidden =
        keep > set->n ? keep - set->n < set->n_hidden ? keep - set->n : set->n_hidden : 0;
    if (keep < set->n)
        sk_candidates_keep_best(set, keep);
}

/* Keeps the shortest run of the best whose weights come to `wanted` or, if `beyond`, to more, and
 * at least `least`. Where sums round differently, it may end at the last candidate and not reach
 * it. */
static void chain_keep_run(sk_candidates *set, double wanted, bool beyond, uint64_t least)
{
    sk_candidate last;
    double sum = 0;
    uint64_t kept = 0;
    if (!set->ranked && least <= 1 && sk_candidates_reach(set, wanted, &last)) {
        sk_candidates_keep_to(set, &last);
        return;
    }
    sk_candidates_rank_begin(set);
    do
        sum += (double)sk_candidates_rank_next(set)->weight;
    while (++kept < set->n && ((beyond ? sum <= wanted : sum < wanted) || kept < least));
    sk_candidates_rank_end(set);
}

void sk_chain_top_p(const sk_pick *pick, sk_candidates *set)
{
    if (pick->params->top_p >= 1)
        return;
    double wanted = sk_candidates_weigh(set) * pick->params->top_p;
    chain_keep_run(set, wanted, false, (uint64_t)pick->params->min_keep);
    set->n_hidden = 0;
}

void sk_chain_min_p(const sk_pick *pick, sk_candidates *set)
{
    if (pick->params->min_p <= 0)
        return;
    double best = sk_candidates_best(set)->logit;
    double floor = best + sk_log(pick->params->min_p);
    uint64_t above = 0, kept = 0, least = (uint64_t)pick->params->min_keep;
    for (uint64_t i = 0; i < set->n && least > 1; i++)
        above += set->items[i].logit >= floor;
    set->n_hidden = 0;
    if (least > 1 && above < least) {
        if (least < set->n)
            sk_candidates_keep_best(set, least);
        return;
    }
    for (uint64_t i = 0; i < set->n; i++)
        if (set->items[i].logit >= floor)
            set->items[kept++] = set->items[i];
    set->n = kept;
}

/* The reference leaves the number of candidates as it is, at -inf: hidden ones. */
void sk_chain_top_n_sigma(const sk_pick *pick, sk_candidates *set)
{
    double n_sigma = pick->params->top_n_sigma, sum = 0, squares = 0;
    uint64_t kept = 0;
    if (n_sigma <= 0 || set->n < 2)
        return;
    sk_candidates_settle(set);
    for (uint64_t i = 0; i < set->n; i++)
        sum += set->items[i].logit;
    double mean = sum / (double)set->n;
    for (uint64_t i = 0; i < set->n; i++) {
        double d = set->items[i].logit - mean;
        squares += d * d;
    }
    double floor = sk_candidates_best(set)->logit - n_sigma * sqrt(squares / (double)set->n);
    for (uint64_t i = 0; i < set->n; i++)
        if (set->items[i].logit >= floor)
            set->items[kept++] = set->items[i];
    set->n_hidden += set->n - kept;
    set->n = kept;
}

/* Puts -|surprise - entropy| in the logits' place, to rank by it; the logits wait in the scratch.
 */
static void chain_by_distance(const sk_pick *pick, sk_candidates *set, double total)
{
    double entropy = 0;
    for (uint64_t i = 0; i < set->n; i++) {
        sk_candidate *c = &set->items[i];
        double p = (double)c->weight / total, log_p = p > 0 ? sk_log(p) : 0;
        entropy -= p * log_p;
        pick->scratch[c->id] = c->logit;
        c->logit = -log_p;
    }
    for (uint64_t i = 0; i < set->n; i++) {
        sk_candidate *c = &set->items[i];
        c->logit = c->weight > 0 ? -fabs(c->logit - entropy) : -1e300;
    }
}

/* Locally typical sampling (Meister, Pimentel, Wiher, Cotterell; 2022). */
void sk_chain_typical(const sk_pick *pick, sk_candidates *set)
{
    double p = pick->params->typical_p;
    if (p <= 0 || p >= 1)
        return;
    double total = sk_candidates_weigh(set);
    chain_by_distance(pick, set, total);
    set->ranked = false;
    chain_keep_run(set, p * total, true, (uint64_t)pick->params->min_keep);
    for (uint64_t i = 0; i < set->n; i++)
        set->items[i].logit = pick->scratch[set->items[i].id];
    set->n_hidden = 0;
    set->ranked = false;
    set->due = true;
}

/* The last in rank of the candidates that weigh at least so much, of which there are *n. */
static const sk_candidate *chain_last_above(const sk_candidates *set, double weight, uint64_t *n)
{
    const sk_candidate *last = NULL;
    *n = 0;
    for (uint64_t i = 0; i < set->n; i++) {
        const sk_candidate *c = &set->items[i];
        if ((double)c->weight < weight)
            continue;
        ++*n;
        if (!last || c->logit < last->logit || (c->logit == last->logit && c->id > last->id))
            last = c;
    }
    return last;
}

void sk_chain_xtc(const sk_pick *pick, sk_candidates *set)
{
    const sk_sampler_params *p = pick->params;
    uint64_t n, kept = 0, least = p->min_keep > 1 ? (uint64_t)p->min_keep : 1;
    if (p->xtc_probability <= 0 || p->xtc_threshold > 0.5 || set->n < 2 ||
        sk_random_u01((uint64_t)p->seed, pick->position, SK_DRAW_XTC) > p->xtc_probability)
        return;
    double weight = sk_candidates_weigh(set) * p->xtc_threshold;
    const sk_candidate *last = chain_last_above(set, weight, &n);
    if (n < 2 || set->n - (n - 1) < least)
        return;
    sk_candidate spared = *last;
    for (uint64_t i = 0; i < set->n; i++)
        if ((double)set->items[i].weight < weight || set->items[i].id == spared.id)
            set->items[kept++] = set->items[i];
    set->n = kept;
}
