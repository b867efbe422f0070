/* SPDX-License-Identifier: MIT */
/*
 * The short convolution of LFM 2 (arXiv:2511.23404), in attention's place:
 *
 *   b, c, x = W x;  y = c * conv(b * x);  W y
 *
 * conv is causal, of each channel by itself, over its last few inputs, which are all that the layer
 * remembers.
 */
#include "base/portable.h"

#include "model/plan.h"

#include "tensor/kernels.h"

void sk_plan_shortconv(sk_builder *b, int src, int dst)
{
    static const sk_fn none = {.kind = SK_FN_NONE};
    int64_t n = b->hp->n_embd;
    sk_linear in = sk_plan_weight(b, SK_T_CONV_IN), parts[3];
    for (int i = 0; i < 3; i++)
        parts[i] = sk_plan_rows(b, &in, i * n, n);
    sk_plan_linear(b, src, parts, (int[]){SK_R_K, SK_R_Z, SK_R_U}, 3);
    sk_plan_glu(b, SK_R_U, SK_R_K, none, n);
    sk_plan_conv(b, SK_R_C, SK_R_U, SK_T_CONV_TAPS, -1, n);
    sk_plan_glu(b, SK_R_Z, SK_R_C, none, n);
    sk_linear out = sk_plan_weight(b, SK_T_CONV_OUT);
    sk_plan_linear(b, SK_R_Z, &out, (int[]){dst}, 1);
}
