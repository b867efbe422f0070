/* SPDX-License-Identifier: MIT */
/*
 * Mamba (arXiv:2312.00752), in attention's place: every channel has states of its own, which fade
 * at a rate of the input's own.
 *
 *   x, z = W x;  x = silu(conv(x));  dt, B, C = W x, each normed in some models
 *   dt = softplus(W dt + bias);  s_cn = s_cn * exp(dt_c * a_cn) + B_n (dt_c * x_c)
 *   y_c = sum over n of s_cn C_n + d_c x_c;  W (y * silu(z))
 */
#include "base/portable.h"

#include "model/plan.h"

#include "tensor/kernels.h"

/* The file's [n_state, n_inner] as panels of sixteen channels, zeros behind the last. */
static const float *mamba_decays(sk_builder *b)
{
    int64_t n = b->hp->n_state, n_value = b->hp->n_inner;
    const float *file = sk_plan_vector_now(b, SK_T_MAMBA_A);
    float *a = sk_plan_keep(b, (n_value + 15) / 16 * 16 * n);
    for (int64_t c = 0; a && c < n_value; c++)
        for (int64_t i = 0; i < n; i++)
            a[(c / 16 * n + i) * 16 + c % 16] = file[c * n + i];
    return a;
}

/* A norm where the model has one, or where all models of its kind have one without weights. */
static void mamba_norm(sk_builder *b, int reg, int slot, int64_t n)
{
    bool has = sk_plan_has(b, slot);
    if (has || b->hp->dt_b_c_rms)
        sk_plan_norm_as(b, reg, reg, has ? slot : -1, 1, n, false, 0);
}

/* dt, k = B, q = C: of what the convolution gave. */
static void mamba_inputs(sk_builder *b)
{
    int64_t n = b->hp->n_state, n_dt = b->hp->n_rank;
    sk_linear x = sk_plan_weight(b, SK_T_MAMBA_X), parts[3];
    parts[0] = sk_plan_rows(b, &x, 0, n_dt);
    parts[1] = sk_plan_rows(b, &x, n_dt, n);
    parts[2] = sk_plan_rows(b, &x, n_dt + n, n);
    sk_plan_linear(b, SK_R_C, parts, (int[]){SK_R_T, SK_R_K, SK_R_Q}, 3);
    mamba_norm(b, SK_R_T, SK_T_SSM_DT_NORM, n_dt);
    mamba_norm(b, SK_R_K, SK_T_SSM_B_NORM, n);
    mamba_norm(b, SK_R_Q, SK_T_SSM_C_NORM, n);
    sk_linear dt = sk_plan_weight(b, SK_T_MAMBA_DT);
    sk_plan_linear(b, SK_R_T, &dt, (int[]){SK_R_DT}, 1);
    sk_plan_glu(b, SK_R_DT, -1, (sk_fn){.kind = SK_FN_SOFTPLUS}, b->hp->n_inner);
}

void sk_plan_mamba(sk_builder *b, int src, int dst)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_inner;
    sk_linear in = sk_plan_weight(b, SK_T_MAMBA_IN), parts[2];
    parts[0] = sk_plan_rows(b, &in, 0, n);
    parts[1] = sk_plan_rows(b, &in, n, n);
    sk_plan_linear(b, src, parts, (int[]){SK_R_U, SK_R_Z}, 2);
    sk_plan_conv(b, SK_R_C, SK_R_U, SK_T_MAMBA_TAPS, SK_T_MAMBA_TAPS_BIAS, n);
    sk_plan_glu(b, SK_R_C, -1, (sk_fn){.kind = SK_FN_SILU}, n);
    mamba_inputs(b);
    const sk_mixer mixer = {.rule = SK_RULE_SCAN,
                            .n_head = 1,
                            .n_group = 1,
                            .n_key = hp->n_state,
                            .n_value = n,
                            .q = {SK_R_Q, 0, 0},
                            .k = {SK_R_K, 0, 0},
                            .v = {SK_R_C, 0, 0},
                            .step = {SK_R_DT, 0, 0},
                            .a = mamba_decays(b),
                            .skip = sk_plan_vector(b, SK_T_MAMBA_D)};
    sk_plan_recur(b, SK_R_A, &mixer);
    sk_plan_glu(b, SK_R_Z, SK_R_A, (sk_fn){.kind = SK_FN_SILU}, n);
    sk_linear out = sk_plan_weight(b, SK_T_SSM_OUT);
    sk_plan_linear(b, SK_R_Z, &out, (int[]){dst}, 1);
}
