/* SPDX-License-Identifier: MIT */
/* Temperature: fixed, or by how even the probabilities are (dynamic temperature). */
#include "base/portable.h"

#include "sample/chain.h"
#include "tensor/math.h"

/* The entropy of the candidates, of what it would be if all were equal; n >= 2. */
static double heat_evenness(sk_candidates *set)
{
    double total = sk_candidates_weigh(set), entropy = 0;
    for (uint64_t i = 0; i < set->n; i++) {
        double p = (double)set->items[i].weight / total;
        entropy -= p > 0 ? p * sk_log(p) : 0;
    }
    return entropy / sk_log((double)(set->n + set->n_hidden));
}

static double heat_of(const sk_sampler_params *p, sk_candidates *set)
{
    double low = p->temperature - p->dynatemp_range, high = p->temperature + p->dynatemp_range;
    if (p->dynatemp_range <= 0)
        return p->temperature;
    double evenness = heat_evenness(set);
    evenness = evenness > 0 ? evenness : 0;
    low = low > 0 ? low : 0;
    return low + (high - low) * sk_pow(evenness, p->dynatemp_exponent);
}

void sk_chain_temperature(const sk_pick *pick, sk_candidates *set)
{
    if (pick->params->dynatemp_range > 0 && set->n + set->n_hidden < 2)
        return;
    double t = heat_of(pick->params, set);
    if (t < 1e-30) { /* any two floats are then too far apart to both be drawn */
        set->items[0] = *sk_candidates_best(set);
        set->n = 1;
        return;
    }
    for (uint64_t i = 0; i < set->n; i++)
        set->items[i].logit /= t;
}
