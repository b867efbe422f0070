/* SPDX-License-Identifier: MIT */
/*
 * Rotary positions: from a model's keys and factor tensors to one frequency per pair, in double,
 * when the plan is made; a pass then multiplies by the position (attention.c).
 *
 * Pair i of n_rot / 2 has the frequency base^(-2 i / n_rot) / factor[i]. Linear scaling multiplies
 * it by s = 1 / rope.scaling.factor. YaRN (arXiv:2309.00071) does so only to the slow pairs, with a
 * ramp between the pairs that turn beta_fast = 32 and beta_slow = 1 times in the original context,
 * and multiplies cosines and sines by 1 + 0.1 ln(1 / s). LongRoPE (arXiv:2402.13753) has two lists
 * of factors, the long one for contexts beyond the original one. Factors that Llama 3's scaling
 * stores as a tensor (rope_freqs) win over both.
 */
#include "base/portable.h"

#include "model/plan.h"

#include "tensor/math.h"

#include <math.h>

#define ROPE_PI 3.14159265358979323846

/* Which pair turns `beta` times in the original context; a fraction. */
static double rope_pair_of(const sk_hparam *hp, double n_rot, double beta)
{
    double turns = (double)hp->n_ctx_orig / (beta * 2 * ROPE_PI);
    return n_rot * sk_log(turns) / (2 * sk_log(hp->rope_base));
}

/* How much of pair i's own frequency YaRN keeps: 1 for fast pairs, 0 for slow ones. */
static double rope_ramp(const sk_hparam *hp, double n_rot, double i)
{
    double low = floor(rope_pair_of(hp, n_rot, 32)), high = ceil(rope_pair_of(hp, n_rot, 1));
    low = low > 0 ? low : 0;
    high = high < n_rot - 1 ? high : n_rot - 1;
    double span = high - low > 0.001 ? high - low : 0.001;
    double at = (i - low) / span;
    at = at > 0 ? at : 0;
    return 1 - (at < 1 ? at : 1);
}

/* One frequency per pair, each divided by its factor; `factors` may be NULL. */
static const double *rope_frequencies(sk_builder *b, int64_t n_rot, const float *factors)
{
    const sk_hparam *hp = b->hp;
    if (b->status != SKALD_OK || n_rot == 0)
        return NULL;
    double *freq = sk_weights_keep(b->weights, (uint64_t)n_rot / 2, sizeof *freq, b->error);
    if (!freq) {
        b->status = SKALD_E_MEMORY;
        return NULL;
    }
    for (int64_t i = 0; i < n_rot / 2; i++) {
        double own = sk_pow(hp->rope_base, -2.0 * (double)i / (double)n_rot);
        double keep = hp->rope_scaling == SK_SCALING_YARN
                          ? rope_ramp(hp, (double)n_rot, (double)i)
                          : 0;
        own /= factors ? (double)factors[i] : 1;
        freq[i] = own * hp->rope_scale * (1 - keep) + own * keep;
    }
    return freq;
}

/* The tensor's floats, in memory now: the frequencies are worked out before weights are copied. */
static const float *rope_factors(sk_builder *b, int slot)
{
    const float *factors = NULL;
    if (b->status == SKALD_OK && sk_plan_has(b, slot))
        b->status = sk_slot_vector_now(b->weights, slot, b->layer, &factors, b->error);
    return factors;
}

static double rope_magnitude(const sk_hparam *hp)
{
    double mag = 1;
    if (hp->rope_scaling == SK_SCALING_YARN && hp->rope_scale < 1)
        mag = 1 - 0.1 * sk_log(hp->rope_scale);
    return mag * hp->rope_attn_factor;
}

static void rope_resolve(sk_builder *b, sk_rope *rope)
{
    const float *freqs = rope_factors(b, SK_T_ROPE_FREQS);
    const float *longs = freqs ? NULL : rope_factors(b, SK_T_ROPE_LONG);
    const float *shorts = freqs ? NULL : rope_factors(b, SK_T_ROPE_SHORT);
    rope->factors = freqs ? SK_T_ROPE_FREQS : longs || shorts ? SK_T_ROPE_LONG : -1;
    rope->freq = rope_frequencies(b, rope->n_rot, freqs ? freqs : shorts);
    if (longs)
        rope->freq_long = rope_frequencies(b, rope->n_rot, longs);
}

int sk_plan_rope(sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    sk_plan *plan = b->plan;
    int32_t n_rot = hp->n_rot[b->layer];
    if (b->arch->turn == SK_TURN_NONE || n_rot == 0)
        return -1;
    for (uint64_t i = 0; i < plan->n_rope; i++) {
        if (plan->ropes[i].n_rot == n_rot)
            return (int)i;
    }
    void *array = plan->ropes;
    b->status = sk_grow(plan->heap, &array, &plan->rope_capacity, plan->n_rope + 1,
                        sizeof *plan->ropes, "a model's plan", b->error);
    plan->ropes = array;
    if (b->status != SKALD_OK)
        return -1;
    sk_rope *rope = &plan->ropes[plan->n_rope++];
    *rope = (sk_rope){.n_rot = n_rot,
                      .turn = b->arch->turn == SK_TURN_NEOX ? SK_ROPE_NEOX : SK_ROPE_NORM,
                      .n_ctx_orig = hp->n_ctx_orig,
                      .mag = rope_magnitude(hp),
                      .base = hp->rope_base,
                      .scale = hp->rope_scale,
                      .scaling = (int)hp->rope_scaling};
    rope_resolve(b, rope);
    return (int)(plan->n_rope - 1);
}
