/* SPDX-License-Identifier: MIT */
/*
 * The dense feed-forward block: h += down(silu(gate x) * up x), x = norm(h).
 */
#include "base/portable.h"

#include "model/pass_int.h"

void sk_plan_ffn(sk_builder *b)
{
    int64_t n_embd = b->hp->n_embd, n_ff = b->hp->n_ff[b->layer];
    sk_plan_norm(b, SK_R_X, SK_R_H, SK_T_FFN_NORM, 1, n_embd);
    sk_linear up[2] = {sk_plan_weight(b, SK_T_FFN_GATE), sk_plan_weight(b, SK_T_FFN_UP)};
    sk_plan_linear(b, SK_R_X, up, (int[]){SK_R_GATE, SK_R_UP}, 2);
    sk_step *step = sk_plan_step(b, SK_OP_GLU, SK_SET_ROWS);
    step->dst = SK_R_GATE;
    step->src = SK_R_UP;
    step->n = n_ff;
    sk_linear down = sk_plan_weight(b, SK_T_FFN_DOWN);
    sk_plan_linear(b, SK_R_GATE, &down, (int[]){SK_R_X}, 1);
    sk_plan_add(b, SK_R_H, SK_R_X, n_embd);
}

/* ---- glu: dst = silu(dst) * src ---------------------------------------------------------------
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
        p->k->silu_mul(gate, gate, sk_pass_reg(p, step->src, i), step->n);
    }
}

const sk_op sk_op_glu = {glu_begin, glu_run};
