/* SPDX-License-Identifier: MIT */
/*
 * Time mixing of RWKV 7 (arXiv:2503.14456), in attention's place: a matrix from which each token
 * erases in one direction and to which it writes in another. With x_c = x + sx * w_c:
 *
 *   r, k, v = W x_c;  w = exp(-exp(-1/2) sigmoid(w0 + W tanh(W x_w)));  a = sigmoid(a0 + W W x_a)
 *   v += (v of the first layer - v) * sigmoid(v0 + W W x_v);  kk = k * k_k, each head of length 1
 *   k *= 1 + (a - 1) * k_a;  s_ij = s_ij w_i + k_i v_j - (kk_i a_i) (sum of kk s)_j;  o = s^T r
 *   o = norm(o) + v * (sum of r * k * r_k), per head;  W (o * g), g = W sigmoid(W x_g), if there is
 */
#include "base/portable.h"

#include "model/plan.h"

#include "tensor/kernels.h"

enum { RWKV7_R, RWKV7_W, RWKV7_K, RWKV7_V, RWKV7_A, RWKV7_G };

/* What the parts of a layer's plan need. */
typedef struct rwkv7 {
    sk_builder *b;
    const float *lerp; /* a row for each use */
    int lerp_slot, src;
    int64_t n;
} rwkv7;

static void rwkv7_mix(const rwkv7 *m, int c)
{
    const float *row = m->lerp ? m->lerp + c * m->n : NULL;
    sk_plan_lerp(m->b, m->src, row, m->lerp_slot, false)->to = c;
}

static void rwkv7_project(const rwkv7 *m, int c, int slot, int reg)
{
    sk_linear weight = sk_plan_weight(m->b, slot);
    rwkv7_mix(m, c);
    sk_plan_linear(m->b, SK_R_XC, &weight, (int[]){reg}, 1);
}

/* reg = sigmoid(base + up fn(down xc)) */
static void rwkv7_low_rank(const rwkv7 *m, int reg, int base, int down, int up, int fn)
{
    sk_builder *b = m->b;
    sk_linear w1 = sk_plan_weight(b, down), w2 = sk_plan_weight(b, up);
    sk_plan_linear(b, SK_R_XC, &w1, (int[]){SK_R_LOW}, 1);
    if (fn != SK_FN_NONE)
        sk_plan_glu(b, SK_R_LOW, -1, (sk_fn){.kind = fn}, w1.n_out);
    sk_plan_linear(b, SK_R_LOW, &w2, (int[]){reg}, 1);
    if (base < 0)
        return;
    sk_plan_add_vector(b, reg, base, m->n);
    sk_plan_glu(b, reg, -1, (sk_fn){.kind = SK_FN_SIGMOID}, m->n);
}

/* The first layer's values go on to all others. */
static void rwkv7_values(const rwkv7 *m)
{
    sk_builder *b = m->b;
    rwkv7_project(m, RWKV7_V, SK_T_TM_VALUE, SK_R_V);
    if (b->layer == 0) {
        sk_plan_take(b, SK_R_V_FIRST, 0, SK_R_V, 0, 1, m->n, 0);
        return;
    }
    rwkv7_low_rank(m, SK_R_T, SK_T_TM_V0, SK_T_TM_V1, SK_T_TM_V2, SK_FN_NONE);
    sk_step *step = sk_plan_step(b, SK_OP_BLEND, SK_SET_ROWS);
    step->dst = SK_R_V;
    step->src = SK_R_V_FIRST;
    step->n = m->n;
}

/* u = kk, c = -kk * a, t = the key that is written. */
static void rwkv7_keys(const rwkv7 *m)
{
    sk_builder *b = m->b;
    int64_t size = b->hp->n_head_size;
    sk_plan_take(b, SK_R_U, 0, SK_R_K, 0, 1, m->n, 0);
    sk_plan_times(b, SK_R_U, SK_T_TM_K_K, m->n);
    sk_plan_l2(b, SK_R_U, 0, m->n / size, size, 1)->eps = 1e-12f;
    sk_plan_take(b, SK_R_C, 0, SK_R_U, 0, 1, m->n, 0);
    sk_plan_glu(b, SK_R_C, SK_R_BETA, (sk_fn){.kind = SK_FN_NONE}, m->n);
    sk_plan_scale(b, SK_R_C, -1, m->n);
    sk_plan_take(b, SK_R_T, 0, SK_R_BETA, 0, 1, m->n, 0);
    sk_plan_glu(b, SK_R_T, -1, (sk_fn){.kind = SK_FN_COMPLEMENT}, m->n);
    sk_plan_times(b, SK_R_T, SK_T_TM_K_A, m->n);
    sk_plan_glu(b, SK_R_T, SK_R_K, (sk_fn){.kind = SK_FN_COMPLEMENT}, m->n);
}

void sk_plan_rwkv7(sk_builder *b, int src, int dst)
{
    bool gated = sk_plan_has(b, SK_T_TM_G1);
    rwkv7 m = {b, NULL, gated ? SK_T_TM_LERP_6 : SK_T_TM_LERP_5, src, b->hp->n_embd};
    m.lerp = sk_plan_vector(b, m.lerp_slot);
    sk_plan_shift(b, src);
    rwkv7_project(&m, RWKV7_R, SK_T_TM_RECEPTANCE, SK_R_Q);
    rwkv7_mix(&m, RWKV7_W);
    rwkv7_low_rank(&m, SK_R_DT, SK_T_TM_W0, SK_T_TM_W1, SK_T_TM_W2, SK_FN_TANH);
    sk_plan_exp(b, SK_R_DT, -0.606531, m.n);
    rwkv7_project(&m, RWKV7_K, SK_T_TM_KEY, SK_R_K);
    rwkv7_values(&m);
    rwkv7_mix(&m, RWKV7_A);
    rwkv7_low_rank(&m, SK_R_BETA, SK_T_TM_A0, SK_T_TM_A1, SK_T_TM_A2, SK_FN_NONE);
    if (gated) {
        rwkv7_mix(&m, RWKV7_G);
        rwkv7_low_rank(&m, SK_R_Z, -1, SK_T_TM_G1, SK_T_TM_G2, SK_FN_SIGMOID);
    }
    rwkv7_keys(&m);

    sk_mixer mixer = sk_plan_wkv(b, SK_RULE_REPLACE);
    mixer.k.reg = SK_R_T;
    mixer.erase = (sk_operand){SK_R_U, 0, mixer.n_key};
    mixer.write = (sk_operand){SK_R_C, 0, mixer.n_key};
    sk_plan_recur(b, SK_R_A, &mixer);
    sk_plan_head_norm(b, SK_R_A);
    sk_plan_bonus(b, SK_R_A, SK_R_T, sk_plan_vector(b, SK_T_TM_R_K), SK_T_TM_R_K);
    if (gated)
        sk_plan_glu(b, SK_R_A, SK_R_Z, (sk_fn){.kind = SK_FN_NONE}, m.n);
    sk_linear out = sk_plan_weight(b, SK_T_TM_OUTPUT);
    sk_plan_linear(b, SK_R_A, &out, (int[]){dst}, 1);
}
