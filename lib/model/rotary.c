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

/* Of one layer: what its rope is made of. */
typedef struct rotary_layer {
    int32_t n_rot;
    double base, scale, ext, attn_factor;
} rotary_layer;

static double rotary_yarn_log(const sk_builder *b)
{
    return b->arch->yarn_log == SK_YARN_LOG_KEY ? b->hp->yarn_log : b->hp->yarn_log / 0.1;
}

/*
 * What multiplies cosine and sine, beside what sk_rope_init puts in for YaRN. The reference cancels
 * that by 1 / (1 + 0.1 ln f) and puts in a factor of its own, g(1) or g(1) / g(m) with
 * g(m) = 1 + 0.1 m ln f for f = 1 / s > 1, else 1.
 */
static double rotary_attn_factor(const sk_builder *b, double ext)
{
    const sk_hparam *hp = b->hp;
    if (ext == 0)
        return hp->yarn_attn * hp->rope_attn_factor;
    double log_f = sk_log(1 / hp->rope_scale), grown = log_f > 0 ? 1 + 0.1 * log_f : 1;
    double more = log_f > 0 ? 1 + 0.1 * rotary_yarn_log(b) * log_f : 1;
    double factor = hp->yarn_log != 0 ? grown / more : grown;
    if (hp->yarn_log != 0 && b->arch->yarn_log == SK_YARN_LOG_CANCELS)
        factor = 1;
    return factor / (1 + 0.1 * log_f) * hp->rope_attn_factor;
}

double sk_plan_rope_growth(const sk_builder *b)
{
    double log_f = sk_log(1 / b->hp->rope_scale);
    double ext = b->hp->rope_scaling == SK_SCALING_YARN ? b->hp->yarn_ext : 0;
    double magnitude = rotary_attn_factor(b, ext) * (1 + 0.1 * log_f);
    return magnitude * (1 + 0.1 * rotary_yarn_log(b) * log_f);
}

/* HunYuan's way to longer contexts: a larger base. */
static double rotary_base(const sk_hparam *hp)
{
    double dk = (double)hp->dk;
    if (hp->rope_alpha <= 0 || dk <= 2)
        return hp->rope_base;
    return hp->rope_base * sk_pow(hp->rope_alpha, dk / (dk - 2));
}

/* Layers with summaries rotate by a base of their own, scaled, but without a magnitude. */
static rotary_layer rotary_pooled(const sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    double ext = hp->rope_scaling == SK_SCALING_YARN ? hp->yarn_ext : 0;
    double factor = ext != 0 ? 1 / (1 + 0.1 * sk_log(1 / hp->rope_scale)) : 1;
    return (rotary_layer){hp->n_rot[b->layer], hp->pool_base, hp->rope_scale, ext, factor};
}

static rotary_layer rotary_of(const sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    int rule = hp->span[b->layer] > 0 ? b->arch->turn_window : SK_TURN_WINDOW_SAME;
    rotary_layer r = {hp->n_rot[b->layer], rotary_base(hp), hp->rope_scale, 0, 1};
    if (b->arch->pooled && hp->ratio[b->layer] > 0)
        return rotary_pooled(b);
    if (b->arch->turn_plain)
        return (rotary_layer){hp->n_rot[b->layer], 10000, 1, 0, 1};
    r.ext = hp->rope_scaling == SK_SCALING_YARN ? hp->yarn_ext : 0;
    r.attn_factor = rotary_attn_factor(b, r.ext);
    if (rule == SK_TURN_WINDOW_LOCAL)
        r.base = hp->rope_base_window > 0 ? hp->rope_base_window : 10000;
    else if ((rule == SK_TURN_WINDOW_BASE || rule == SK_TURN_WINDOW_BASE_PLAIN) &&
             hp->rope_base_window > 0)
        r.base = hp->rope_base_window;
    if (rule >= SK_TURN_WINDOW_BASE_PLAIN)
        r.scale = 1;
    if (rule == SK_TURN_WINDOW_BASE_PLAIN || rule == SK_TURN_WINDOW_PLAIN) {
        r.ext = 0;
        r.attn_factor = 1;
    }
    return r;
}

static bool rotary_has_windows(const sk_hparam *hp)
{
    for (int64_t i = 0; i < hp->n_layer; i++) {
        if (hp->span[i] > 0)
            return true;
    }
    return false;
}

/* Whether the layer rotates at all. */
static bool rotary_turns(const sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    int64_t i = b->layer;
    bool windowed = hp->span[i] > 0;
    switch (b->arch->turns) {
    case SK_TURNS_NOT_FOURTH:
        return (i + 1) % 4 != 0;
    case SK_TURNS_NOT_FIRST:
        return i % 4 != 0 || hp->window == 0;
    case SK_TURNS_WINDOWED:
        return windowed || !rotary_has_windows(hp);
    case SK_TURNS_WINDOWED_OR_LEAD:
        return windowed || i < hp->n_dense_lead;
    case SK_TURNS_FINETUNED:
        return hp->rope_finetuned != 0;
    case SK_TURNS_IF_32:
        return hp->n_layer == 32;
    default:
        return true;
    }
}

static void rotary_init(sk_builder *b, sk_rope *rope, const rotary_layer *r, const float *factors)
{
    const sk_hparam *hp = b->hp;
    bool halves = b->arch->turn == SK_TURN_NEOX || hp->sections;
    *rope = (sk_rope){.kind = halves ? SK_ROPE_NEOX : SK_ROPE_NORM,
                      .n_rot = r->n_rot,
                      .base = r->base,
                      .freq_scale = r->scale,
                      .ext_factor = r->ext,
                      .attn_factor = r->attn_factor,
                      .beta_fast = hp->yarn_fast,
                      .beta_slow = hp->yarn_slow,
                      .n_ctx_orig = hp->n_ctx_orig,
                      .factors = factors};
    if (b->status != SKALD_OK)
        return;
    double *freq = sk_weights_keep(b->weights, (uint64_t)r->n_rot / 2, sizeof *freq, b->error);
    if (!freq)
        b->status = SKALD_E_MEMORY;
    else if (!sk_rope_init(rope, freq))
        b->status = sk_fail(b->error, SKALD_E_CORRUPT,
                            "the rope of block %d has angles that are "
                            "no numbers: base %g, factor %g",
                            (int)b->layer, r->base, 1 / r->scale);
}

/* Whether Llama 3's factors are this layer's. */
static bool rotary_has_freqs(const sk_builder *b)
{
    bool windowed = b->hp->span[b->layer] > 0;
    bool none = b->arch->turn_plain || (b->arch->factors_full && windowed);
    return !none && sk_plan_has(b, SK_T_ROPE_FREQS);
}

static void rotary_resolve(sk_builder *b, sk_rotary *rotary, const rotary_layer *r)
{
    bool plain = b->arch->turn_plain;
    const float *freqs = rotary_has_freqs(b) ? rotary_factors(b, SK_T_ROPE_FREQS) : NULL;
    const float *longs = freqs || plain ? NULL : rotary_factors(b, SK_T_ROPE_LONG);
    const float *shorts = freqs || plain ? NULL : rotary_factors(b, SK_T_ROPE_SHORT);
    *rotary = (sk_rotary){.factors = freqs ? SK_T_ROPE_FREQS : longs ? SK_T_ROPE_LONG : -1};
    rotary_init(b, &rotary->rope, r, freqs ? freqs : shorts);
    if (longs)
        rotary_init(b, &rotary->longer, r, longs);
}

/* Whether a way to rotate that is there already is this layer's. */
static bool rotary_is(const sk_builder *b, const sk_rotary *rotary, const rotary_layer *r)
{
    const sk_rope *have = &rotary->rope;
    return !rotary->back && rotary->plus == 0 && have->n_rot == r->n_rot && have->base == r->base &&
           have->freq_scale == r->scale && have->ext_factor == r->ext &&
           have->attn_factor == r->attn_factor &&
           (rotary->factors == SK_T_ROPE_FREQS) == rotary_has_freqs(b);
}

/* Room for one more way to rotate, which does not count yet; NULL after an error. */
static sk_rotary *rotary_add(sk_builder *b)
{
    sk_plan *plan = b->plan;
    void *array = plan->ropes;
    b->status = sk_grow(plan->heap, &array, &plan->rope_capacity, plan->n_rope + 1,
                        sizeof *plan->ropes, "a model's plan", b->error);
    plan->ropes = array;
    return b->status == SKALD_OK ? &plan->ropes[plan->n_rope] : NULL;
}

int sk_plan_rope(sk_builder *b)
{
    sk_plan *plan = b->plan;
    if (b->status != SKALD_OK || b->arch->turn == SK_TURN_NONE || b->hp->n_rot[b->layer] == 0 ||
        !rotary_turns(b))
        return -1;
    rotary_layer r = rotary_of(b);
    for (uint64_t i = 0; i < plan->n_rope; i++) {
        if (rotary_is(b, &plan->ropes[i], &r))
            return (int)i;
    }
    sk_rotary *made = rotary_add(b);
    if (!made)
        return -1;
    rotary_resolve(b, made, &r);
    return (int)plan->n_rope++;
}

int sk_plan_rope_at(sk_builder *b, int rope, bool back, int64_t plus)
{
    sk_plan *plan = b->plan;
    if (b->status != SKALD_OK)
        return -1;
    for (uint64_t i = 0; i < plan->n_rope; i++) {
        const sk_rotary *r = &plan->ropes[i];
        if (r->rope.freq == plan->ropes[rope].rope.freq && r->back == back && r->plus == plus)
            return (int)i;
    }
    sk_rotary *made = rotary_add(b);
    if (!made)
        return -1;
    *made = plan->ropes[rope];
    made->back = back;
    made->plus = plus;
    return (int)plan->n_rope++;
}
