/* SPDX-License-Identifier: MIT */
/*
 * Rotary positions: from a model's keys and factor tensors to the parameters of tensor/rope.h. The
 * frequencies are worked out when the plan is made; a pass computes each position's angles once,
 * for all layers that rotate in the same way (attention.c).
 *
 * Linear scaling multiplies angles by s = 1 / rope.scaling.factor. YaRN (arXiv:2309.00071) does so
 * for slow pairs only, and multiplies cosines and sines by 1 + 0.1 ln(1 / s). LongRoPE
 * (arXiv:2402.13753) divides by one of two lists of factors, the long one for contexts beyond the
 * original one: it is the context's size that counts, so that a token's angles do not depend on
 * how far a text has come. The factors of Llama 3's scaling (rope_freqs) win over both lists.
 */
#include "base/portable.h"

#include "model/plan.h"

#include "tensor/math.h"

/* A list of factors, in memory now: frequencies are worked out before weights are copied. */
static const float *rotary_factors(sk_builder *b, int slot)
{
    const float *factors = NULL;
    if (b->status == SKALD_OK && sk_plan_has(b, slot))
        b->status = sk_slot_vector_now(b->weights, slot, b->layer, &factors, b->error);
    return factors;
}

/*
 * What multiplies cosine and sine, beside what sk_rope_init puts in for YaRN. The reference cancels
 * that by 1 / (1 + 0.1 ln f) and puts in a factor of its own, which is the same for f > 1 (f = 1/s)
 * and 1 below.
 */
static double rotary_attn_factor(const sk_hparam *hp)
{
    double factor = hp->rope_attn_factor;
    if (hp->rope_scaling == SK_SCALING_YARN && hp->rope_scale > 1)
        factor /= 1 + 0.1 * sk_log(1 / hp->rope_scale);
    return factor;
}

static void rotary_init(sk_builder *b, sk_rope *rope, int32_t n_rot, const float *factors)
{
    const sk_hparam *hp = b->hp;
    *rope = (sk_rope){.kind = b->arch->turn == SK_TURN_NEOX ? SK_ROPE_NEOX : SK_ROPE_NORM,
                      .n_rot = n_rot,
                      .base = hp->rope_base,
                      .freq_scale = hp->rope_scale,
                      .ext_factor = hp->rope_scaling == SK_SCALING_YARN ? 1 : 0,
                      .attn_factor = rotary_attn_factor(hp),
                      .beta_fast = 32,
                      .beta_slow = 1,
                      .n_ctx_orig = hp->n_ctx_orig,
                      .factors = factors};
    if (b->status != SKALD_OK)
        return;
    double *freq = sk_weights_keep(b->weights, (uint64_t)n_rot / 2, sizeof *freq, b->error);
    if (!freq)
        b->status = SKALD_E_MEMORY;
    else if (!sk_rope_init(rope, freq))
        b->status = sk_fail(b->error, SKALD_E_CORRUPT,
                            "the rope of block %d has angles that are "
                            "no numbers: base %g, factor %g",
                            (int)b->layer, hp->rope_base, 1 / hp->rope_scale);
}

static void rotary_resolve(sk_builder *b, sk_rotary *rotary, int32_t n_rot)
{
    const float *freqs = rotary_factors(b, SK_T_ROPE_FREQS);
    const float *longs = freqs ? NULL : rotary_factors(b, SK_T_ROPE_LONG);
    const float *shorts = freqs ? NULL : rotary_factors(b, SK_T_ROPE_SHORT);
    *rotary = (sk_rotary){.factors = freqs ? SK_T_ROPE_FREQS : longs ? SK_T_ROPE_LONG : -1};
    rotary_init(b, &rotary->rope, n_rot, freqs ? freqs : shorts);
    if (longs)
        rotary_init(b, &rotary->longer, n_rot, longs);
}

int sk_plan_rope(sk_builder *b)
{
    sk_plan *plan = b->plan;
    int32_t n_rot = b->hp->n_rot[b->layer];
    if (b->status != SKALD_OK || b->arch->turn == SK_TURN_NONE || n_rot == 0)
        return -1;
    for (uint64_t i = 0; i < plan->n_rope; i++) {
        if (plan->ropes[i].rope.n_rot == n_rot)
            return (int)i;
    }
    void *array = plan->ropes;
    b->status = sk_grow(plan->heap, &array, &plan->rope_capacity, plan->n_rope + 1,
                        sizeof *plan->ropes, "a model's plan", b->error);
    plan->ropes = array;
    if (b->status != SKALD_OK)
        return -1;
    rotary_resolve(b, &plan->ropes[plan->n_rope], n_rot);
    return (int)plan->n_rope++;
}
