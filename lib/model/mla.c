/* SPDX-License-Identifier: MIT */
/*
 * Multi-head latent attention (arXiv:2405.04434), without a rotation as Kimi Linear has it: keys
 * and values of all heads come from one short vector c, which is what the cache holds. The matrices
 * that would make them of c are applied to the query and to attention's output instead:
 *
 *   c, p = W x, c = rms(c);  q_h, p_h = W x
 *   a_h = attention of [K_h^T q_h, p_h] over [c, p] and c;  W (V_h a_h, one after another)
 */
#include "base/portable.h"

#include "model/plan.h"

/* hn = a part of each head of a register of rows, ho = its product with the head's own matrix. */
static void mla_heads(sk_builder *b, int src, int64_t stride, int slot)
{
    sk_linear weight = sk_plan_weight(b, slot);
    weight.bias = weight.scale = NULL; /* there are none, and not for each head */
    int64_t n_head = b->hp->n_head[b->layer];
    sk_plan_take(b, SK_R_HN, 0, src, 0, n_head, weight.n_in, stride);
    sk_plan_act(b, SK_R_HN, &weight, 1);
    sk_step *step = sk_plan_step(b, SK_OP_HEADS, SK_SET_HEADS);
    step->src = SK_R_HN;
    step->n_part = 1;
    step->part[0] = weight;
    step->part_dst[0] = SK_R_HO;
    sk_plan_width(b, SK_R_HO, weight.n_out);
    b->plan->n_head = n_head;
}

/* dst = ho of all heads, so many elements apart. */
static void mla_join(sk_builder *b, int dst, int64_t n, int64_t stride)
{
    int64_t n_head = b->hp->n_head[b->layer];
    sk_plan_take(b, dst, 0, SK_R_HO, 0, n_head, n, n)->to_stride = stride;
    sk_plan_width(b, dst, n_head * stride);
}

void sk_plan_mla(sk_builder *b, int src, int dst)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_latent_kv, n_turn = hp->n_rot[b->layer], n_head = hp->n_head[b->layer];
    const sk_attn *attn = sk_plan_attn(b, -1);
    sk_linear parts[2];
    parts[0] = sk_plan_weight(b, SK_T_MLA_Q);
    parts[1] = sk_plan_weight(b, SK_T_MLA_KV);
    sk_plan_linear(b, src, parts, (int[]){SK_R_Q, SK_R_T}, 2);
    sk_plan_norm_as(b, SK_R_V, SK_R_T, SK_T_MLA_KV_NORM, 1, n, false, 0);
    sk_plan_take(b, SK_R_K, 0, SK_R_V, 0, 1, n, 0);
    sk_plan_take(b, SK_R_K, n, SK_R_T, n, 1, n_turn, 0);

    mla_heads(b, SK_R_Q, hp->dk_mla, SK_T_MLA_K_B);
    mla_join(b, SK_R_U, n, n + n_turn);
    sk_plan_take(b, SK_R_U, n, SK_R_Q, hp->dk_mla - n_turn, n_head, n_turn, hp->dk_mla)->to_stride =
        n + n_turn;
    sk_plan_attend(b, attn, SK_R_U);

    mla_heads(b, SK_R_A, n, SK_T_MLA_V_B);
    mla_join(b, SK_R_Z, hp->dv_mla, hp->dv_mla);
    sk_linear out = sk_plan_weight(b, SK_T_MLA_OUTPUT);
    sk_plan_linear(b, SK_R_Z, &out, (int[]){dst}, 1);
}
