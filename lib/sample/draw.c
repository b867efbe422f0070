/* SPDX-License-Identifier: MIT */
/*
 * The draw. Mirostat (Basu, Ramachandran, Keskar, Varshney; 2021) keeps the surprise of what is
 * drawn near tau, by a bound that moves with each token; adaptive-p keeps the probability of what
 * is drawn near a target. Both are described exactly by what they compute here; a single candidate
 * is taken without a random number.
 */
#include "base/portable.h"

#include "sample/chain.h"
#include "sample/philox.h"
#include "tensor/math.h"

#include <math.h>

#define LN2 0.69314718055994530942

enum { MIROSTAT_M = 100 }; /* candidates by which the first version estimates the tail */

/* The sum must exceed, not reach: with u = 0 a candidate of weight 0 would be chosen. It always
 * does at last: u < 1, the product of u and the total rounds below the total, and the sum is the
 * total, added up in the same order. */
static sk_candidate draw_plain(const sk_pick *pick, sk_candidates *set)
{
    if (set->n == 1)
        return set->items[0];
    double u = sk_random_u01((uint64_t)pick->params->seed, pick->position, SK_DRAW_DIST);
    sk_candidate drawn;
    if (set->due && sk_candidates_reach(set, sk_candidates_weigh_roughly(set) * u, &drawn))
        return drawn;
    double wanted = sk_candidates_weigh(set) * u, sum = 0;
    uint64_t i = 0;
    for (; i + 1 < set->n; i++) {
        sum += (double)set->items[i].weight;
        if (sum > wanted)
            break;
    }
    return set->items[i];
}

/* The first candidate, in the order of the set, at which the sum of weights reaches u of all. */
static sk_candidate draw_reaching(const sk_pick *pick, sk_candidates *set, double total,
                                  uint32_t sampler)
{
    if (set->n == 1)
        return set->items[0];
    double wanted = sk_random_u01((uint64_t)pick->params->seed, pick->position, sampler) * total;
    double sum = 0;
    uint64_t i = 0;
    for (; i + 1 < set->n; i++) {
        sum += (double)set->items[i].weight;
        if (sum >= wanted && set->items[i].weight > 0)
            break;
    }
    return set->items[i];
}

/* ---- Mirostat ------------------------------------------------------------------------------- */

/* How many of the best have a surprise below mu, by the slope of the ranked probabilities (Zipf's
 * exponent, estimated). Overflow and what is no number give 1, as a cast does elsewhere. */
static uint64_t mirostat_k(const sk_pick *pick, const sk_candidates *set, double mu)
{
    double products = 0, squares = 0;
    uint64_t n = set->n < MIROSTAT_M ? set->n : MIROSTAT_M;
    for (uint64_t i = 0; i + 1 < n; i++) {
        double t = sk_log((double)(i + 2) / (double)(i + 1));
        /* ln(p_i / p_(i+1)) is a difference of logits. */
        products += t * (set->items[i].logit - set->items[i + 1].logit);
        squares += t * t;
    }
    double s = products / squares, e = s - 1;
    double k = sk_pow(e * sk_pow(2, mu) / (1 - sk_pow((double)pick->n_vocab, -e)), 1 / s);
    if (!(k >= 1) || k > (double)INT32_MAX)
        return 1;
    return k < (double)set->n ? (uint64_t)k : set->n;
}

/* Keeps and ranks those with a surprise of at most mu, and at least one. */
static void mirostat_keep(sk_candidates *set, double mu)
{
    double total = sk_candidates_weigh(set);
    uint64_t kept = 0;
    bool within = true;
    sk_candidates_rank_begin(set);
    while (within && set->n_popped < set->n) {
        double weight = (double)sk_candidates_rank_next(set)->weight;
        within = weight > 0 && -sk_log(weight / total) / LN2 <= mu;
        kept += within;
    }
    sk_candidates_rank_end(set);
    set->n = kept > 0 ? kept : 1;
}

static sk_candidate draw_mirostat(const sk_pick *pick, sk_candidates *set)
{
    const sk_sampler_params *p = pick->params;
    double mu = pick->state->mu > 0 || pick->state->mu < 0 ? pick->state->mu : 2 * p->mirostat_tau;
    if (p->mirostat == 2) {
        mirostat_keep(set, mu);
    } else {
        if (!set->ranked)
            sk_candidates_rank(set);
        set->n = mirostat_k(pick, set, mu);
    }
    double total = sk_candidates_weigh(set);
    const sk_candidate drawn = draw_reaching(pick, set, total, SK_DRAW_MIROSTAT);
    double surprise = -sk_log((double)drawn.weight / total) / LN2;
    pick->state->mu = mu - p->mirostat_eta * (surprise - p->mirostat_tau);
    return drawn;
}

/* ---- Adaptive-p ----------------------------------------------------------------------------- */

static void adaptive_begin(const sk_sampler_params *p, sk_sampler_state *state)
{
    if (state->total > 0)
        return;
    state->weight = p->adaptive_target / (1 - p->adaptive_decay);
    state->total = 1 / (1 - p->adaptive_decay);
}

static void adaptive_count(const sk_sampler_params *p, sk_sampler_state *state, double drawn)
{
    state->weight = drawn + p->adaptive_decay * state->weight;
    state->total = 1 + p->adaptive_decay * state->total;
}

static sk_candidate draw_adaptive(const sk_pick *pick, sk_candidates *set)
{
    const sk_sampler_params *p = pick->params;
    double best = sk_candidates_best(set)->logit, total = sk_candidates_weigh(set);
    adaptive_begin(p, pick->state);
    double aim = 2 * p->adaptive_target - pick->state->weight / pick->state->total;
    aim = aim < 0 ? 0 : aim > 1 ? 1 : aim;
    for (uint64_t i = 0; i < set->n; i++) {
        sk_candidate *c = &set->items[i];
        double d = fabs((double)c->weight / total - aim) / 0.3;
        pick->scratch[c->id] = c->logit;
        c->logit = 5 - 10 * d * d / (1 + d);
    }
    set->ranked = false; /* the order stays what it was; only the best is another */
    double sum = sk_candidates_weigh(set);
    const sk_candidate drawn = draw_reaching(pick, set, sum, SK_DRAW_ADAPTIVE);
    double d = pick->scratch[drawn.id] - best;
    adaptive_count(p, pick->state, d < -64 ? 0 : (double)sk_expf((float)d) / total);
    return drawn;
}

int32_t sk_chain_draw(const sk_pick *pick, sk_candidates *set)
{
    const sk_sampler_params *p = pick->params;
    const sk_candidate drawn = p->mirostat                              ? draw_mirostat(pick, set)
                               : p->adaptive && p->adaptive_target >= 0 ? draw_adaptive(pick, set)
                                                                        : draw_plain(pick, set);
    return drawn.id;
}

sk_sampler_state sk_sampler_state_after(const sk_sampler_params *p, sk_sampler_state state)
{
    double mu = state.mu > 0 || state.mu < 0 ? state.mu : 2 * p->mirostat_tau;
    if (p->mirostat)
        state.mu = mu + p->mirostat_eta * p->mirostat_tau; /* its surprise is 0 */
    if (p->adaptive && p->adaptive_target >= 0) {
        adaptive_begin(p, &state);
        adaptive_count(p, &state, 1);
    }
    return state;
}

#undef LN2
