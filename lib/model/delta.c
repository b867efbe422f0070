/* SPDX-License-Identifier: MIT */
/*
 * The gated delta net (arXiv:2412.06464) as Qwen 3 Next has it: per head of values a matrix s of
 * keys by values, which fades, and in which what a key gave is replaced, in part, by its new value.
 *
 *   q, k, v = silu(conv(W x)), q and k of unit length, q / sqrt(n_key);  beta = sigmoid(W x)
 *   s *= exp(softplus(W x + dt) * a);  s += k (beta * (v - s^T k))^T;  o = s^T q
 *   W (rms(o) * silu(W x))
 *
 * Heads of values are a multiple of those of keys. The matrices of x come in several layouts.
 */
#include "base/portable.h"

#include "model/plan.h"

#include "tensor/kernels.h"

#include <math.h>

/* beta and dt of one matrix, for each head of keys those of its heads of values. */
static void delta_beta_alpha(sk_builder *b)
{
    int64_t n_group = b->hp->n_key_group, each = b->hp->n_rank / n_group;
    sk_plan_take(b, SK_R_BETA, 0, SK_R_T, 0, n_group, each, 2 * each);
    sk_plan_take(b, SK_R_DT, 0, SK_R_T, each, n_group, each, 2 * each);
}

/* u = q, k, v; z: of one matrix, for each head of keys its rows of all four. */
static void delta_qkvz(sk_builder *b, int src)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_state, groups = hp->n_key_group, values = hp->n_inner / groups;
    int64_t stride = 2 * n + 2 * values;
    sk_linear whole = sk_plan_weight(b, SK_T_DELTA_QKVZ);
    sk_plan_linear(b, src, &whole, (int[]){SK_R_T}, 1);
    sk_plan_take(b, SK_R_U, 0, SK_R_T, 0, groups, n, stride);
    sk_plan_take(b, SK_R_U, groups * n, SK_R_T, n, groups, n, stride);
    sk_plan_take(b, SK_R_U, 2 * groups * n, SK_R_T, 2 * n, groups, values, stride);
    sk_plan_take(b, SK_R_Z, 0, SK_R_T, 2 * n + values, groups, values, stride);
}

static void delta_inputs(sk_builder *b, int src)
{
    bool apart = sk_plan_has(b, SK_T_DELTA_QKV) || !sk_plan_has(b, SK_T_DELTA_QKVZ);
    bool both = sk_plan_has(b, SK_T_DELTA_BA);
    sk_linear parts[4];
    int dsts[4] = {SK_R_U, SK_R_Z}, n = 0;
    if (apart) {
        parts[n++] = sk_plan_weight(b, SK_T_DELTA_QKV);
        parts[n++] = sk_plan_weight(b, SK_T_DELTA_Z);
    } else {
        delta_qkvz(b, src);
    }
    dsts[n] = both ? SK_R_T : SK_R_BETA;
    parts[n++] = sk_plan_weight(b, both ? SK_T_DELTA_BA : SK_T_DELTA_BETA);
    if (!both) {
        dsts[n] = SK_R_DT;
        parts[n++] = sk_plan_weight(b, SK_T_DELTA_ALPHA);
    }
    sk_plan_linear(b, src, parts, dsts, n);
    if (both)
        delta_beta_alpha(b);
}

/* beta, and dt become the factor by which a head's matrix fades. */
static void delta_gates(sk_builder *b)
{
    int64_t n = b->hp->n_rank;
    sk_plan_glu(b, SK_R_BETA, -1, (sk_fn){.kind = SK_FN_SIGMOID}, n);
    sk_plan_add_vector(b, SK_R_DT, SK_T_SSM_DT_BIAS, n);
    sk_plan_glu(b, SK_R_DT, -1, (sk_fn){.kind = SK_FN_SOFTPLUS}, n);
    sk_plan_decay(b, SK_R_DT, SK_R_DT, SK_T_DELTA_A, n, 1);
}

void sk_plan_delta(sk_builder *b, int src, int dst)
{
    const sk_hparam *hp = b->hp;
    int64_t n_key = hp->n_state, n_value = hp->head_inner, keys = hp->n_key_group * n_key;
    const sk_mixer mixer = {.rule = SK_RULE_DELTA,
                            .n_head = hp->n_rank,
                            .n_group = hp->n_key_group,
                            .cyclic = b->arch->groups == SK_GROUPS_CYCLIC,
                            .n_key = n_key,
                            .n_value = n_value,
                            .q = {SK_R_C, 0, n_key},
                            .k = {SK_R_C, keys, n_key},
                            .v = {SK_R_C, 2 * keys, n_value},
                            .decay = {SK_R_DT, 0, 1},
                            .beta = {SK_R_BETA, 0, 1}};
    delta_inputs(b, src);
    delta_gates(b);
    sk_plan_conv(b, SK_R_C, SK_R_U, SK_T_DELTA_TAPS, -1, 2 * keys + hp->n_inner);
    sk_plan_glu(b, SK_R_C, -1, (sk_fn){.kind = SK_FN_SILU}, 2 * keys + hp->n_inner);
    sk_plan_l2(b, SK_R_C, 0, hp->n_key_group, n_key, 1 / sqrt((double)n_key));
    sk_plan_l2(b, SK_R_C, keys, hp->n_key_group, n_key, 1);
    sk_plan_recur(b, SK_R_A, &mixer);
    sk_plan_norm_as(b, SK_R_A, SK_R_A, SK_T_DELTA_NORM, hp->n_rank, n_value, false, 0);
    sk_plan_glu(b, SK_R_Z, SK_R_A, (sk_fn){.kind = SK_FN_SILU}, hp->n_inner);
    sk_linear out = sk_plan_weight(b, SK_T_SSM_OUT);
    sk_plan_linear(b, SK_R_Z, &out, (int[]){dst}, 1);
}
