/* SPDX-License-Identifier: MIT */
/*
 * The dense feed-forward block: down(f(gate x) * up x), the rows of gate and up in two matrices or
 * in one; or down(f(up x)). And the functions f.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "tensor/math.h"

/* ---- The plan -------------------------------------------------------------------------------- */

typedef struct ffn_slots {
    int gate, up, down;
    int both;     /* the role of `up` when it has gate's rows as well; -1: none */
    int64_t n_ff; /* the width */
} ffn_slots;

bool sk_plan_ffn_gated(const sk_builder *b)
{
    if (b->arch->ffn == SK_FFN_GEGLU_OR_GELU || b->arch->ffn == SK_FFN_GEGLU_OR_RELU)
        return sk_plan_has(b, SK_T_FFN_GATE) || sk_plan_fits(b, SK_T_FFN_GATE_UP);
    return b->arch->ffn < SK_FFN_GELU || b->arch->ffn == SK_FFN_SWIGLU_INSIDE;
}

static double ffn_softplus(double x)
{
    return x > 20 ? x : sk_log(1 + sk_exp(x));
}

static sk_fn ffn_xielu(const sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    double beta = hp->xielu_beta[b->layer];
    return (sk_fn){.kind = SK_FN_XIELU,
                   .alpha_p = ffn_softplus(hp->xielu_p[b->layer]),
                   .alpha_n = beta + ffn_softplus(hp->xielu_n[b->layer]),
                   .beta = beta,
                   .eps = hp->xielu_eps[b->layer]};
}

sk_fn sk_plan_ffn_fn(const sk_builder *b, double limit)
{
    static const int kinds[] = {
        [SK_FFN_SWIGLU] = SK_FN_SILU,         [SK_FFN_GEGLU] = SK_FN_GELU,
        [SK_FFN_REGLU] = SK_FN_RELU,          [SK_FFN_SWIGLU_OAI] = SK_FN_SWIGLU_OAI,
        [SK_FFN_SWIGLU_CLAMPED] = SK_FN_SILU, [SK_FFN_GELU] = SK_FN_GELU,
        [SK_FFN_RELU2] = SK_FN_RELU2,         [SK_FFN_XIELU] = SK_FN_XIELU,
        [SK_FFN_GEGLU_OR_GELU] = SK_FN_GELU,  [SK_FFN_GEGLU_OR_RELU] = SK_FN_GELU,
        [SK_FFN_SWIGLU_INSIDE] = SK_FN_SILU};
    if (b->arch->ffn == SK_FFN_XIELU)
        return ffn_xielu(b);
    if (b->arch->ffn == SK_FFN_SWIGLU_CLAMPED && limit > 1e-6)
        return (sk_fn){.kind = SK_FN_SWIGLU_CLAMPED, .limit = (float)limit};
    if (b->arch->ffn == SK_FFN_SWIGLU_INSIDE && limit > 1e-6)
        return (sk_fn){.kind = SK_FN_SWIGLU_INSIDE, .limit = (float)limit};
    if (b->arch->ffn == SK_FFN_GEGLU_OR_RELU && !sk_plan_ffn_gated(b))
        return (sk_fn){.kind = SK_FN_RELU};
    return (sk_fn){.kind = kinds[b->arch->ffn]};
}

/* The matrices of gate and up. */
static void ffn_gate_up(sk_builder *b, const ffn_slots *s, sk_linear parts[2])
{
    if (s->both < 0 || sk_plan_has(b, s->gate) || !sk_plan_fits(b, s->both)) {
        parts[0] = sk_plan_weight(b, s->gate);
        parts[1] = sk_plan_weight(b, s->up);
        return;
    }
    sk_linear whole = sk_plan_weight(b, s->both);
    parts[0] = sk_plan_rows(b, &whole, 0, s->n_ff);
    parts[1] = sk_plan_rows(b, &whole, s->n_ff, s->n_ff);
}

/* What some quantisers multiplied the rows of `down` with is divided out here. */
static void ffn_act_scales(sk_builder *b, const ffn_slots *s)
{
    const float *scales = NULL;
    if (b->status != SKALD_OK || !sk_plan_has(b, SK_T_FFN_ACT_SCALES))
        return;
    b->status = sk_slot_vector(b->weights, SK_T_FFN_ACT_SCALES, b->layer, &scales, b->error);
    sk_step *step = sk_plan_step(b, SK_OP_DIVIDE, SK_SET_ROWS);
    step->dst = step->src = SK_R_GATE;
    step->weight = scales;
    step->weight_slot = SK_T_FFN_ACT_SCALES;
    step->n = s->n_ff;
}

/* Of each row's elements those stay that a normal distribution would have 5% of. */
static void ffn_sparse(sk_builder *b, int reg, int64_t n)
{
    sk_step *step = sk_plan_step(b, SK_OP_SPARSE, SK_SET_ROWS);
    step->dst = step->src = reg;
    step->factor = 1.6448533535f; /* its 95th percentile, in standard deviations */
    step->n = n;
}

static void ffn_plan(sk_builder *b, int src, int dst, const ffn_slots *s)
{
    sk_fn fn = sk_plan_ffn_fn(b, b->hp->clamp_shexp[b->layer]);
    sk_linear parts[2];
    if (sk_plan_ffn_gated(b)) {
        ffn_gate_up(b, s, parts);
        sk_plan_linear(b, src, parts, (int[]){SK_R_GATE, SK_R_UP}, 2);
        if (b->layer < b->arch->sparse)
            ffn_sparse(b, SK_R_GATE, s->n_ff);
        sk_plan_glu(b, SK_R_GATE, SK_R_UP, fn, s->n_ff);
    } else {
        parts[0] = sk_plan_weight(b, s->up);
        sk_plan_linear(b, src, parts, (int[]){SK_R_GATE}, 1);
        sk_plan_glu(b, SK_R_GATE, -1, fn, s->n_ff);
        ffn_act_scales(b, s);
    }
    if (s->down == SK_T_FFN_DOWN && sk_plan_has(b, SK_T_FFN_SUB_NORM))
        sk_plan_norm(b, SK_R_GATE, SK_R_GATE, SK_T_FFN_SUB_NORM, 1, s->n_ff);
    sk_linear down = sk_plan_weight(b, s->down);
    sk_plan_linear(b, SK_R_GATE, &down, (int[]){dst}, 1);
}

void sk_plan_ffn(sk_builder *b, int src, int dst)
{
    ffn_slots slots = {SK_T_FFN_GATE, SK_T_FFN_UP, SK_T_FFN_DOWN, SK_T_FFN_GATE_UP,
                       b->hp->n_ff[b->layer]};
    ffn_plan(b, src, dst, &slots);
}

/* The expert of all tokens, times the sigmoid of a gate where it has one. */
void sk_plan_shared(sk_builder *b, int src, int dst)
{
    ffn_slots slots = {SK_T_FFN_GATE_SHEXP, SK_T_FFN_UP_SHEXP, SK_T_FFN_DOWN_SHEXP, -1,
                       b->hp->n_ff_shared};
    bool gated = sk_plan_has(b, SK_T_FFN_ROUTER_SHEXP);
    if (gated) {
        sk_linear gate = sk_plan_weight(b, SK_T_FFN_ROUTER_SHEXP);
        sk_plan_linear(b, src, &gate, (int[]){SK_R_S_GATE}, 1);
    }
    ffn_plan(b, src, dst, &slots);
    if (gated)
        sk_plan_gate(b, dst, SK_R_S_GATE, (sk_fn){.kind = SK_FN_SIGMOID}, 1, b->hp->n_embd);
}

/* ---- glu: dst = fn(dst) * src, or fn(dst) ------------------------------------------------------
 */

static void glu_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost *= 8;
}

static void glu_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *gate = sk_pass_reg(p, step->dst, i);
        const float *up = step->src < 0 ? NULL : sk_pass_reg(p, step->src, i);
        if (step->fn.kind == SK_FN_SILU && up)
            p->k->silu_mul(gate, gate, up, step->n);
        else
            p->k->apply(&step->fn, gate, gate, up, step->n);
    }
}

const sk_op sk_op_glu = {glu_begin, glu_run};
