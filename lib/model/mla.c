/* SPDX-License-Identifier: MIT */
/*
 * Multi-head latent attention (arXiv:2405.04434): keys and values of all heads come from one short
 * vector c, and what is rotated of the keys, p, is the same for all heads.
 *
 *   c, p = W x;  c = rms(c);  q_h, r_h = W x, or W rms(W x);  p, r_h = rope(p), rope(r_h)
 *
 * Files have the matrices that make keys and values in one of two forms, and each is computed as it
 * is, for prompts and single tokens alike, since the two differ in rounding. Folded, they are
 * applied to the query and to attention's output, and the cache holds c and p only:
 *
 *   a_h = attention of [K_h^T q_h, r_h] over [c, p] and c;  W (V_h a_h, one after another)
 *
 * In some, an indexer chooses which tokens are seen (index.c).
 *
 * Unfolded (older files, MiniCPM 3), the cache holds keys and values of all heads:
 *
 *   k_h, v_h = W c;  a_h = attention of [q_h, r_h] over [k_h, p] and v_h;  W a
 */
#include "base/portable.h"

#include "model/plan.h"

void sk_plan_heads(sk_builder *b, int src, int64_t stride, int slot, int64_t n_head)
{
    sk_linear weight = sk_plan_weight(b, slot);
    weight.bias = weight.scale = NULL; /* there are none, and not for each head */
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

void sk_plan_join(sk_builder *b, int dst, int64_t n, int64_t stride, int64_t n_head)
{
    sk_plan_take(b, dst, 0, SK_R_HO, 0, n_head, n, n)->to_stride = stride;
    sk_plan_width(b, dst, n_head * stride);
}

/* q = the queries of all heads, by way of a shorter vector where the file says so; t = c and p. */
static void mla_inputs(sk_builder *b, int src)
{
    const sk_hparam *hp = b->hp;
    bool low = hp->n_latent_q > 0;
    sk_linear parts[2];
    parts[0] = sk_plan_weight(b, low ? SK_T_MLA_Q_A : SK_T_MLA_Q);
    parts[1] = sk_plan_weight(b, SK_T_MLA_KV);
    sk_plan_linear(b, src, parts, (int[]){low ? SK_R_LOW : SK_R_Q, SK_R_T}, 2);
    if (!low)
        return;
    sk_plan_norm_as(b, SK_R_LOW, SK_R_LOW, SK_T_MLA_Q_A_NORM, 1, hp->n_latent_q, false, 0);
    sk_linear query = sk_plan_weight(b, SK_T_MLA_Q_B);
    sk_plan_linear(b, SK_R_LOW, &query, (int[]){SK_R_Q}, 1);
}

/* a = attention over the latent vectors, of all heads; z = the values that it stands for. */
static void mla_folded(sk_builder *b, const sk_attn *attn)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_latent_kv, n_turn = hp->n_rot[b->layer], n_head = hp->n_head[b->layer];
    sk_plan_take(b, SK_R_K, 0, SK_R_V, 0, 1, n, 0);
    sk_plan_take(b, SK_R_K, n, SK_R_T, n, 1, n_turn, 0);

    sk_plan_heads(b, SK_R_Q, hp->dk_mla, SK_T_MLA_K_B, n_head);
    sk_plan_join(b, SK_R_U, n, n + n_turn, n_head);
    sk_plan_take(b, SK_R_U, n, SK_R_Q, hp->dk_mla - n_turn, n_head, n_turn, hp->dk_mla)->to_stride =
        n + n_turn;
    sk_plan_attend(b, attn, SK_R_U);

    sk_plan_heads(b, SK_R_A, n, SK_T_MLA_V_B, n_head);
    sk_plan_join(b, SK_R_Z, hp->dv_mla, hp->dv_mla, n_head);
}

/* a = attention over keys and values of all heads. */
static void mla_unfolded(sk_builder *b, const sk_attn *attn)
{
    const sk_hparam *hp = b->hp;
    int64_t n_turn = hp->n_rot[b->layer], n_head = hp->n_head[b->layer];
    int64_t dk = hp->dk_mla, dv = hp->dv_mla, still = dk - n_turn;
    sk_linear both = sk_plan_weight(b, SK_T_MLA_KV_B);
    sk_plan_linear(b, SK_R_V, &both, (int[]){SK_R_U}, 1);
    sk_plan_width(b, SK_R_K, n_head * dk);
    if (still > 0)
        sk_plan_take(b, SK_R_K, 0, SK_R_U, 0, n_head, still, still + dv)->to_stride = dk;
    if (n_turn > 0) {
        sk_step *step = sk_plan_take(b, SK_R_K, still, SK_R_T, hp->n_latent_kv, n_head, n_turn, 0);
        step->each = n_head;
        step->to_stride = dk;
    }
    sk_plan_take(b, SK_R_V, 0, SK_R_U, still, n_head, dv, still + dv);
    sk_plan_attend(b, attn, SK_R_Q);
}

void sk_plan_mla(sk_builder *b, int src, int dst)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_latent_kv, n_turn = hp->n_rot[b->layer], n_head = hp->n_head[b->layer];
    int rope = sk_plan_rope(b);
    sk_attn *attn = sk_plan_attn(b, rope);
    if (!attn)
        return;
    b->plan->kvs[attn->kv].turn = hp->unfolded ? hp->dk_mla - n_turn : n;
    b->plan->kvs[attn->kv].joint = !hp->unfolded;
    mla_inputs(b, src);
    attn->index = sk_plan_index_lightning(b, src, SK_R_LOW, rope);
    sk_plan_norm_as(b, SK_R_V, SK_R_T, SK_T_MLA_KV_NORM, 1, n, false, 0);
    sk_plan_turn(b, SK_R_Q, rope, n_head, hp->dk_mla, hp->dk_mla - n_turn);
    sk_plan_turn(b, SK_R_T, rope, 1, n + n_turn, n);
    sk_plan_temper(b, attn, n_head * hp->dk_mla);
    if (hp->unfolded)
        mla_unfolded(b, attn);
    else
        mla_folded(b, attn);
    sk_linear out = sk_plan_weight(b, SK_T_MLA_OUTPUT);
    sk_plan_linear(b, hp->unfolded ? SK_R_A : SK_R_Z, &out, (int[]){dst}, 1);
}
