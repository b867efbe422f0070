/* SPDX-License-Identifier: MIT */
/*
 * Mamba 2 (arXiv:2405.21060), in attention's place or beside it: per head a matrix s of states by
 * values that fades at a rate of the input's own; keys B and queries C are shared by groups of
 * heads.
 *
 *   z, u, dt = W x;  x, B, C = silu(conv(u));  dt = softplus(dt + bias)
 *   s = s * exp(dt * a) + B (dt * x)^T;  y = s^T C + d * x
 *   W rms(y * silu(z)), the norm being of each group by itself, where there is one
 *
 * PLaMo 2 has the same recurrence with one group, and gets B, C and dt from x: each normed, dt by
 * way of a small matrix; z and x lie head by head.
 */
#include "base/portable.h"

#include "model/plan.h"

#include "tensor/kernels.h"

/* dt, and how much of a head's matrix stays. */
static void mamba2_steps(sk_builder *b)
{
    int64_t n = b->hp->n_rank;
    sk_plan_add_vector(b, SK_R_DT, SK_T_SSM_DT_BIAS, n);
    sk_plan_glu(b, SK_R_DT, -1, (sk_fn){.kind = SK_FN_SOFTPLUS}, n);
    sk_plan_decay(b, SK_R_FADE, SK_R_DT,
                  b->arch->mixer == SK_MIXER_PLAMO ? SK_T_PLAMO_A : SK_T_SSM_A, n, 1);
}

static sk_mixer mamba2_mixer(sk_builder *b, int skip)
{
    const sk_hparam *hp = b->hp;
    return (sk_mixer){.rule = SK_RULE_LINEAR,
                      .n_head = hp->n_rank,
                      .n_group = 1,
                      .n_key = hp->n_state,
                      .n_value = hp->head_inner,
                      .v = {SK_R_C, 0, hp->head_inner},
                      .decay = {SK_R_FADE, 0, 1},
                      .beta = {SK_R_DT, 0, 1},
                      .skip = sk_plan_vector(b, skip)};
}

/* z = y * silu(z) */
static void mamba2_gate(sk_builder *b)
{
    sk_plan_glu(b, SK_R_Z, SK_R_A, (sk_fn){.kind = SK_FN_SILU}, b->hp->n_inner);
}

void sk_plan_mamba2(sk_builder *b, int src, int dst)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_inner, keys = hp->n_key_group * hp->n_state, wide = n + 2 * keys;
    sk_linear in = sk_plan_weight(b, SK_T_MAMBA2_IN), parts[3];
    parts[0] = sk_plan_rows(b, &in, 0, n);
    parts[1] = sk_plan_rows(b, &in, n, wide);
    parts[2] = sk_plan_rows(b, &in, n + wide, hp->n_rank);
    sk_plan_linear(b, src, parts, (int[]){SK_R_Z, SK_R_U, SK_R_DT}, 3);
    mamba2_steps(b);
    sk_plan_conv(b, SK_R_C, SK_R_U, SK_T_MAMBA2_TAPS, SK_T_MAMBA2_TAPS_BIAS, wide);
    sk_plan_glu(b, SK_R_C, -1, (sk_fn){.kind = SK_FN_SILU}, wide);

    sk_mixer mixer = mamba2_mixer(b, SK_T_SSM_D);
    mixer.n_group = hp->n_key_group;
    mixer.k = (sk_operand){SK_R_C, n, hp->n_state};
    mixer.q = (sk_operand){SK_R_C, n + keys, hp->n_state};
    sk_plan_recur(b, SK_R_A, &mixer);
    mamba2_gate(b);
    if (sk_plan_has(b, SK_T_MAMBA2_NORM))
        sk_plan_norm_as(b, SK_R_Z, SK_R_Z, SK_T_MAMBA2_NORM, hp->n_key_group, n / hp->n_key_group,
                        false, n / hp->n_key_group);
    sk_linear out = sk_plan_weight(b, SK_T_SSM_OUT);
    sk_plan_linear(b, SK_R_Z, &out, (int[]){dst}, 1);
}

/* k = B, q = C, dt: of what the convolution gave. */
static void plamo_inputs(sk_builder *b)
{
    int64_t n = b->hp->n_state, n_dt = b->hp->n_dt_plamo;
    sk_linear x = sk_plan_weight(b, SK_T_PLAMO_X), parts[3];
    parts[0] = sk_plan_rows(b, &x, 0, n);
    parts[1] = sk_plan_rows(b, &x, n, n);
    parts[2] = sk_plan_rows(b, &x, 2 * n, n_dt);
    sk_plan_linear(b, SK_R_C, parts, (int[]){SK_R_K, SK_R_Q, SK_R_T}, 3);
    sk_plan_norm_as(b, SK_R_K, SK_R_K, SK_T_SSM_B_NORM, 1, n, false, 0);
    sk_plan_norm_as(b, SK_R_Q, SK_R_Q, SK_T_SSM_C_NORM, 1, n, false, 0);
    sk_plan_norm_as(b, SK_R_T, SK_R_T, SK_T_PLAMO_DT_NORM, 1, n_dt, false, 0);
    sk_linear dt = sk_plan_weight(b, SK_T_PLAMO_DT);
    dt.bias = NULL; /* added below, as Mamba 2's is */
    sk_plan_linear(b, SK_R_T, &dt, (int[]){SK_R_DT}, 1);
}

void sk_plan_plamo(sk_builder *b, int src, int dst)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_inner, each = hp->head_inner;
    sk_linear in = sk_plan_weight(b, SK_T_MAMBA_IN);
    sk_plan_linear(b, src, &in, (int[]){SK_R_T}, 1);
    sk_plan_take(b, SK_R_Z, 0, SK_R_T, 0, hp->n_rank, each, 2 * each);
    sk_plan_take(b, SK_R_U, 0, SK_R_T, each, hp->n_rank, each, 2 * each);
    sk_plan_conv(b, SK_R_C, SK_R_U, SK_T_MAMBA_TAPS, SK_T_MAMBA_TAPS_BIAS, n);
    sk_plan_glu(b, SK_R_C, -1, (sk_fn){.kind = SK_FN_SILU}, n);
    plamo_inputs(b);
    mamba2_steps(b);

    sk_mixer mixer = mamba2_mixer(b, SK_T_PLAMO_D);
    mixer.k = (sk_operand){SK_R_K, 0, 0};
    mixer.q = (sk_operand){SK_R_Q, 0, 0};
    sk_plan_recur(b, SK_R_A, &mixer);
    mamba2_gate(b);
    sk_linear out = sk_plan_weight(b, SK_T_SSM_OUT);
    sk_plan_linear(b, SK_R_Z, &out, (int[]){dst}, 1);
}
