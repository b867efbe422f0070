/* SPDX-License-Identifier: MIT */
/*
 * Per-layer embeddings (Gemma 3n, 4): beside the one that enters the residual stream, each token
 * has a short embedding for each layer, which the layer adds behind its feed-forward.
 *
 *   inputs_l = (sqrt(n) e_l + rms(W h / sqrt(n_embd))_l) / sqrt(2), of all layers at once, h being
 *   the token's embedding; in layer l: h += rms(P (gelu(G h) * inputs_l))
 */
#include "base/portable.h"

#include "model/plan.h"

#include <math.h>

void sk_plan_layer_inputs(sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_layer_in, all = hp->n_layer_inputs;
    sk_linear table = sk_plan_weight(b, SK_T_LAYER_EMBD);
    sk_step *step = sk_plan_step(b, SK_OP_EMBED, SK_SET_ROWS);
    step->dst = SK_R_INPUTS;
    step->n = all;
    step->n_part = 1;
    step->part[0] = table;
    sk_plan_width(b, SK_R_INPUTS, all);
    sk_plan_scale(b, SK_R_INPUTS, sqrt((double)n), all);

    sk_linear project = sk_plan_weight(b, SK_T_LAYER_PROJ);
    sk_plan_linear(b, SK_R_H, &project, (int[]){SK_R_T}, 1);
    sk_plan_scale(b, SK_R_T, 1 / sqrt((double)hp->n_embd), all);
    sk_plan_norm(b, SK_R_T, SK_R_T, SK_T_LAYER_PROJ_NORM, hp->n_layer, n);
    sk_plan_add(b, SK_R_INPUTS, SK_R_T, all);
    sk_plan_scale(b, SK_R_INPUTS, sqrt(0.5), all);
}

void sk_plan_layer_input(sk_builder *b, int src)
{
    int64_t n = b->hp->n_layer_in;
    sk_linear gate = sk_plan_weight(b, SK_T_LAYER_IN_GATE);
    sk_plan_linear(b, src, &gate, (int[]){SK_R_GATE}, 1);
    sk_plan_take(b, SK_R_UP, 0, SK_R_INPUTS, b->layer * n, 1, n, 0);
    sk_plan_glu(b, SK_R_GATE, SK_R_UP, (sk_fn){.kind = SK_FN_GELU}, n);
    sk_linear project = sk_plan_weight(b, SK_T_LAYER_IN_PROJ);
    sk_plan_linear(b, SK_R_GATE, &project, (int[]){SK_R_X}, 1);
    sk_plan_norm(b, SK_R_X, SK_R_X, SK_T_LAYER_IN_NORM, 1, b->hp->n_embd);
}
