/* SPDX-License-Identifier: MIT */
/*
 * Time mixing of RWKV 6 (arXiv:2404.05892), in attention's place. With x_c the input mixed with
 * that of the token before, the share for each of five uses being the input's own:
 *
 *   m_c = W_c tanh(W (x + sx * w_x));  x_c = x + sx * (m_c + w_c)
 *   r, k, v, g = W x_c;  w = exp(-exp(decay + W tanh(W x_w)))
 *   o_j = sum over i of r_i (first_i k_i v_j + s_ij);  s_ij = s_ij w_i + k_i v_j
 *   W (norm(o) * silu(g)), a layer norm of each head
 *
 * Made from Qwen 2 it has no `first`: k is multiplied with 1 - w, o is read after s has changed and
 * divided by the root of the head's size, there is no norm, and the gate is a sigmoid; heads share
 * keys and values.
 */
#include "base/portable.h"

#include "model/plan.h"

#include "tensor/kernels.h"

#include <math.h>

enum { RWKV6_W, RWKV6_K, RWKV6_V, RWKV6_R, RWKV6_G, RWKV6_MIXES };

/* xc = the mix for use c: a slice of the low-rank tanh in t, by its own matrix. */
static void rwkv6_mix(sk_builder *b, int src, const sk_linear *w2, const float *fused, int c)
{
    static const int slots[RWKV6_MIXES] = {SK_T_TM_LERP_W, SK_T_TM_LERP_K, SK_T_TM_LERP_V,
                                           SK_T_TM_LERP_R, SK_T_TM_LERP_G};
    int64_t n = b->hp->n_embd, rank = b->hp->n_mix_rank;
    sk_linear own = sk_plan_rows(b, w2, c * n, n);
    sk_plan_take(b, SK_R_LOW, 0, SK_R_T, c * rank, 1, rank, 0);
    sk_plan_linear(b, SK_R_LOW, &own, (int[]){SK_R_XC}, 1);
    if (fused)
        sk_plan_lerp(b, src, fused + c * n, SK_T_TM_LERP_5, true)->to = c;
    else
        sk_plan_lerp(b, src, sk_plan_vector(b, slots[c]), slots[c], true);
}

static void rwkv6_decay(sk_builder *b)
{
    sk_linear w1 = sk_plan_weight(b, SK_T_TM_DECAY_W1), w2 = sk_plan_weight(b, SK_T_TM_DECAY_W2);
    int64_t n = b->hp->n_embd;
    sk_plan_linear(b, SK_R_XC, &w1, (int[]){SK_R_LOW}, 1);
    sk_plan_glu(b, SK_R_LOW, -1, (sk_fn){.kind = SK_FN_TANH}, w1.n_out);
    sk_plan_linear(b, SK_R_LOW, &w2, (int[]){SK_R_DT}, 1);
    sk_plan_add_vector(b, SK_R_DT, SK_T_TM_DECAY, n);
    sk_plan_exp(b, SK_R_DT, 1, n);
    sk_plan_exp(b, SK_R_DT, -1, n);
}

/* r, k, v, g and the decay, each of its own mix. */
static void rwkv6_inputs(sk_builder *b, int src)
{
    static const struct {
        int slot, reg;
    } uses[RWKV6_MIXES] = {[RWKV6_K] = {SK_T_TM_KEY, SK_R_K},
                           [RWKV6_V] = {SK_T_TM_VALUE, SK_R_V},
                           [RWKV6_R] = {SK_T_TM_RECEPTANCE, SK_R_Q},
                           [RWKV6_G] = {SK_T_TM_GATE, SK_R_Z}};
    sk_linear w1 = sk_plan_weight(b, SK_T_TM_MIX_W1), w2 = sk_plan_weight(b, SK_T_TM_MIX_W2);
    bool has = sk_plan_has(b, SK_T_TM_LERP_5) || !sk_plan_has(b, SK_T_TM_LERP_W);
    const float *fused = has ? sk_plan_vector(b, SK_T_TM_LERP_5) : NULL;
    w2.n_out = RWKV6_MIXES * b->hp->n_embd; /* one matrix below the other, without biases */
    w2.bias = NULL;
    sk_plan_lerp(b, src, sk_plan_vector(b, SK_T_TM_LERP_X), SK_T_TM_LERP_X, false);
    sk_plan_linear(b, SK_R_XC, &w1, (int[]){SK_R_T}, 1);
    sk_plan_glu(b, SK_R_T, -1, (sk_fn){.kind = SK_FN_TANH}, w1.n_out);
    for (int c = 0; c < RWKV6_MIXES; c++) {
        rwkv6_mix(b, src, &w2, fused, c);
        if (c == RWKV6_W) {
            rwkv6_decay(b);
            continue;
        }
        sk_linear weight = sk_plan_weight(b, uses[c].slot);
        sk_plan_linear(b, SK_R_XC, &weight, (int[]){uses[c].reg}, 1);
    }
}

/* a = the recurrence, in the form that was made from Qwen 2. */
static void rwkv6_shared(sk_builder *b, sk_mixer mixer)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_embd, size = hp->n_head_size, n_head = n / size;
    int64_t each = n_head / (hp->n_key_values / size);
    sk_plan_take(b, SK_R_XC, 0, SK_R_DT, 0, 1, n, 0);
    sk_plan_take(b, SK_R_U, 0, SK_R_K, 0, n_head, size, size)->each = each;
    sk_plan_take(b, SK_R_C, 0, SK_R_V, 0, n_head, size, size)->each = each;
    sk_plan_glu(b, SK_R_XC, SK_R_U, (sk_fn){.kind = SK_FN_COMPLEMENT}, n);
    mixer.k.reg = SK_R_XC;
    mixer.v.reg = SK_R_C;
    sk_plan_recur(b, SK_R_A, &mixer);
    sk_plan_scale(b, SK_R_A, 1 / sqrt((double)size), n);
}

void sk_plan_rwkv6(sk_builder *b, int src, int dst)
{
    bool first = sk_plan_has(b, SK_T_TM_FIRST);
    sk_mixer mixer = sk_plan_wkv(b, SK_RULE_LINEAR);
    if (first && b->hp->n_key_values != b->hp->n_embd && b->status == SKALD_OK)
        b->status =
            sk_fail(b->error, SKALD_E_CORRUPT,
                    "block %d has time_mix_first, and heads that share keys", (int)b->layer);
    sk_plan_shift(b, src);
    rwkv6_inputs(b, src);
    if (first) {
        mixer.before = true;
        sk_plan_recur(b, SK_R_A, &mixer);
        sk_plan_bonus(b, SK_R_A, SK_R_K, sk_plan_vector(b, SK_T_TM_FIRST), SK_T_TM_FIRST);
        sk_plan_head_norm(b, SK_R_A);
    } else {
        rwkv6_shared(b, mixer);
    }
    sk_plan_glu(b, SK_R_Z, SK_R_A, (sk_fn){.kind = first ? SK_FN_SILU : SK_FN_SIGMOID},
                b->hp->n_embd);
    sk_linear out = sk_plan_weight(b, SK_T_TM_OUTPUT);
    sk_plan_linear(b, SK_R_Z, &out, (int[]){dst}, 1);
}
