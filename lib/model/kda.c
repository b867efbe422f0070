/* SPDX-License-Identifier: MIT */
/*
 * Kimi delta attention (arXiv:2510.26692): a gated delta net in which each key fades at a rate of
 * its own. Queries, keys and values have a matrix and a convolution each.
 *
 *   q, k, v = silu(conv(W x)), q and k of unit length, q / sqrt(n_key);  beta = sigmoid(W x)
 *   s_ij *= exp(softplus(W W x + dt)_i * a);  s += k (beta * (v - s^T k))^T;  o = s^T q
 *   W (rms(o) * sigmoid(W W x))
 */
#include "base/portable.h"

#include "model/plan.h"

#include "tensor/kernels.h"

#include <math.h>

static void kda_low_rank(sk_builder *b, int src, int down, int up, int dst)
{
    sk_linear w1 = sk_plan_weight(b, down), w2 = sk_plan_weight(b, up);
    sk_plan_linear(b, src, &w1, (int[]){SK_R_LOW}, 1);
    sk_plan_linear(b, SK_R_LOW, &w2, (int[]){dst}, 1);
}

static void kda_gates(sk_builder *b, int src)
{
    const sk_hparam *hp = b->hp;
    kda_low_rank(b, src, SK_T_KDA_F_A, SK_T_KDA_F_B, SK_R_DT);
    sk_plan_add_vector(b, SK_R_DT, SK_T_KDA_DT_BIAS, hp->n_kda);
    sk_plan_glu(b, SK_R_DT, -1, (sk_fn){.kind = SK_FN_SOFTPLUS}, hp->n_kda);
    sk_plan_decay(b, SK_R_DT, SK_R_DT, SK_T_KDA_A, hp->n_kda / hp->kda_size, hp->kda_size);
    sk_plan_glu(b, SK_R_BETA, -1, (sk_fn){.kind = SK_FN_SIGMOID}, hp->n_kda / hp->kda_size);
    kda_low_rank(b, src, SK_T_KDA_G_A, SK_T_KDA_G_B, SK_R_Z);
}

static void kda_conv(sk_builder *b, int dst, int src, int slot)
{
    sk_plan_conv(b, dst, src, slot, -1, b->hp->n_kda);
    sk_plan_glu(b, dst, -1, (sk_fn){.kind = SK_FN_SILU}, b->hp->n_kda);
}

void sk_plan_kda(sk_builder *b, int src, int dst)
{
    int64_t size = b->hp->kda_size, n = b->hp->n_kda, n_head = n / size;
    const sk_mixer mixer = {.rule = SK_RULE_DELTA,
                            .n_head = n_head,
                            .n_group = n_head,
                            .n_key = size,
                            .n_value = size,
                            .q = {SK_R_U, 0, size},
                            .k = {SK_R_C, 0, size},
                            .v = {SK_R_T, 0, size},
                            .decay = {SK_R_DT, 0, size},
                            .decay_step = 1,
                            .beta = {SK_R_BETA, 0, 1}};
    static const int slots[4] = {SK_T_KDA_Q, SK_T_KDA_K, SK_T_KDA_V, SK_T_KDA_BETA};
    sk_linear parts[4];
    for (int i = 0; i < 4; i++)
        parts[i] = sk_plan_weight(b, slots[i]);
    sk_plan_linear(b, src, parts, (int[]){SK_R_Q, SK_R_K, SK_R_V, SK_R_BETA}, 4);
    kda_gates(b, src);
    kda_conv(b, SK_R_U, SK_R_Q, SK_T_KDA_TAPS_Q);
    kda_conv(b, SK_R_C, SK_R_K, SK_T_KDA_TAPS_K);
    kda_conv(b, SK_R_T, SK_R_V, SK_T_KDA_TAPS_V);
    sk_plan_l2(b, SK_R_U, 0, n_head, size, 1 / sqrt((double)size));
    sk_plan_l2(b, SK_R_C, 0, n_head, size, 1);
    sk_plan_recur(b, SK_R_A, &mixer);
    sk_plan_norm_as(b, SK_R_A, SK_R_A, SK_T_KDA_NORM, n_head, size, false, 0);
    sk_plan_glu(b, SK_R_Z, SK_R_A, (sk_fn){.kind = SK_FN_SIGMOID}, n);
    sk_linear out = sk_plan_weight(b, SK_T_KDA_OUT);
    sk_plan_linear(b, SK_R_Z, &out, (int[]){dst}, 1);
}
