/* SPDX-License-Identifier: MIT */
/*
 * Alternating updates (arXiv:2301.13310) and LAuReL (arXiv:2411.07501), as Gemma 3n has them: the
 * residual stream is four streams, of which a layer computes the first and guesses the others.
 *
 *   begin    X_0 = h;  X_j = A_j h, of h's length
 *   before   m = tanh(R (rms(X_0) / n_embd));  P_j = X_j + sum_i (C m)_(4j+i) X_i;  h = P_0
 *   beside   attention of x: l = x + rms(W_r W_l x);  h = (h + l) / sqrt(2) behind it
 *   after    m of h;  X_j = P_j + (h - P_0) * (1 + (C' m)_j);  all but X_0 += the layer's input
 *            (layer_input.c) of X_0 * s
 *   end      h = (X_0 + sum_j B_j X_j, of X_0's length) / 4
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include <math.h>
#include <string.h>

enum { ALTUP_STREAMS = 4 };

/* ---- The plan -------------------------------------------------------------------------------- */

/* One of the matrices of the other streams, or all of them, one below another. */
static sk_linear altup_matrices(sk_builder *b, int slot)
{
    sk_linear all = sk_plan_weight(b, slot);
    all.n_out *= ALTUP_STREAMS - 1;
    return all;
}

static void altup_resize(sk_builder *b, int dst, int src, int64_t n_vec)
{
    sk_step *step = sk_plan_step(b, SK_OP_RESIZE, SK_SET_ROWS);
    step->dst = dst;
    step->src = src;
    step->n = b->hp->n_embd;
    step->n_vec = n_vec;
}

void sk_plan_altup_begin(sk_builder *b)
{
    int64_t n = b->hp->n_embd;
    sk_linear others = altup_matrices(b, SK_T_ALTUP_PROJ);
    sk_plan_linear(b, SK_R_H, &others, (int[]){SK_R_T}, 1);
    altup_resize(b, SK_R_T, SK_R_H, ALTUP_STREAMS - 1);
    sk_plan_take(b, SK_R_STREAMS, 0, SK_R_H, 0, 1, n, 0);
    sk_plan_take(b, SK_R_STREAMS, n, SK_R_T, 0, ALTUP_STREAMS - 1, n, n);
}

void sk_plan_altup_end(sk_builder *b)
{
    int64_t n = b->hp->n_embd;
    sk_linear whole = altup_matrices(b, SK_T_ALTUP_UNPROJ);
    sk_plan_take(b, SK_R_H, 0, SK_R_STREAMS, 0, 1, n, 0);
    for (int64_t j = 1; j < ALTUP_STREAMS; j++) {
        sk_linear one = sk_plan_rows(b, &whole, (j - 1) * n, n);
        sk_plan_take(b, SK_R_X, 0, SK_R_STREAMS, j * n, 1, n, 0);
        sk_plan_linear(b, SK_R_X, &one, (int[]){SK_R_T}, 1);
        altup_resize(b, SK_R_T, SK_R_STREAMS, 1);
        sk_plan_add(b, SK_R_H, SK_R_T, n);
    }
    sk_plan_scale(b, SK_R_H, 1.0 / ALTUP_STREAMS, n);
}

/* mix = coefficients of the modes that a router sees in `src`. */
static void altup_mix(sk_builder *b, int src, int slot)
{
    int64_t n = b->hp->n_embd;
    sk_plan_norm(b, SK_R_X, src, SK_T_ALTUP_ROUTER_NORM, 1, n);
    sk_plan_scale(b, SK_R_X, 1 / (double)n, n);
    sk_linear router = sk_plan_weight(b, SK_T_ALTUP_ROUTER);
    sk_plan_linear(b, SK_R_X, &router, (int[]){SK_R_LOW}, 1);
    sk_plan_glu(b, SK_R_LOW, -1, (sk_fn){.kind = SK_FN_TANH}, ALTUP_STREAMS);
    sk_linear mix = sk_plan_weight(b, slot);
    sk_plan_linear(b, SK_R_LOW, &mix, (int[]){SK_R_MIX}, 1);
}

static void altup_step(sk_builder *b, int op, int dst, int src)
{
    sk_step *step = sk_plan_step(b, op, SK_SET_ROWS);
    step->dst = dst;
    step->src = src;
    step->n = b->hp->n_embd;
    step->n_vec = ALTUP_STREAMS;
    sk_plan_width(b, dst, ALTUP_STREAMS * b->hp->n_embd);
}

void sk_plan_altup_predict(sk_builder *b)
{
    altup_mix(b, SK_R_STREAMS, SK_T_ALTUP_PREDICT);
    altup_step(b, SK_OP_PREDICT, SK_R_GUESS, SK_R_STREAMS);
    sk_plan_take(b, SK_R_H, 0, SK_R_GUESS, 0, 1, b->hp->n_embd, 0);
}

void sk_plan_altup_correct(sk_builder *b)
{
    int64_t n = b->hp->n_embd;
    altup_mix(b, SK_R_H, SK_T_ALTUP_CORRECT);
    altup_step(b, SK_OP_CORRECT, SK_R_STREAMS, SK_R_GUESS);
    sk_plan_take(b, SK_R_X, 0, SK_R_STREAMS, 0, 1, n, 0);
    sk_plan_times(b, SK_R_X, SK_T_ALTUP_SCALE, n);
    sk_plan_layer_input(b, SK_R_X);
    altup_step(b, SK_OP_SPREAD, SK_R_STREAMS, SK_R_X);
}

void sk_plan_laurel(sk_builder *b, int src)
{
    int64_t n = b->hp->n_embd;
    sk_linear left = sk_plan_weight(b, SK_T_LAUREL_L), right = sk_plan_weight(b, SK_T_LAUREL_R);
    sk_plan_linear(b, src, &left, (int[]){SK_R_LOW}, 1);
    sk_plan_linear(b, SK_R_LOW, &right, (int[]){SK_R_LAUREL}, 1);
    sk_plan_norm(b, SK_R_LAUREL, SK_R_LAUREL, SK_T_LAUREL_NORM, 1, n);
    sk_plan_add(b, SK_R_LAUREL, src, n);
}

void sk_plan_laurel_add(sk_builder *b)
{
    sk_plan_add(b, SK_R_H, SK_R_LAUREL, b->hp->n_embd);
    sk_plan_scale(b, SK_R_H, sqrt(0.5), b->hp->n_embd);
}

/* ---- predict: vector j of dst = that of src + all of src, mixed ---------------------------------
 */

static void predict_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n = step->n, n_vec = step->n_vec;
    for (int64_t i = first; i < last; i++) {
        const float *x = sk_pass_reg(p, step->src, i), *mix = sk_pass_reg(p, SK_R_MIX, i);
        float *y = sk_pass_reg(p, step->dst, i);
        memcpy(y, x, (size_t)(n_vec * n) * sizeof *y);
        for (int64_t j = 0; j < n_vec; j++)
            for (int64_t k = 0; k < n_vec; k++)
                p->k->fma(y + j * n, x + k * n, mix[j * n_vec + k], n);
    }
}

static void predict_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost *= (double)step->n_vec;
}

const sk_op sk_op_predict = {predict_begin, predict_run};

/* ---- correct: vector j of dst = that of src + (h - vector 0 of src) * (1 + mix j) ---------------
 */

static void correct_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n = step->n, n_vec = step->n_vec;
    for (int64_t i = first; i < last; i++) {
        const float *x = sk_pass_reg(p, step->src, i), *mix = sk_pass_reg(p, SK_R_MIX, i);
        float *y = sk_pass_reg(p, step->dst, i), *h = sk_pass_reg(p, SK_R_H, i);
        p->k->fma(h, x, -1, n); /* what the guess was wrong by */
        memcpy(y, x, (size_t)(n_vec * n) * sizeof *y);
        for (int64_t j = 0; j < n_vec; j++)
            p->k->fma(y + j * n, h, 1 + mix[j], n);
    }
}

const sk_op sk_op_correct = {sk_begin_rows, correct_run};

/* ---- spread: all vectors of dst but the first += the source ------------------------------------
 */

static void spread_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        for (int64_t j = 1; j < step->n_vec; j++)
            p->k->add(sk_pass_reg(p, step->dst, i) + j * step->n, sk_pass_reg(p, step->src, i),
                      step->n);
}

const sk_op sk_op_spread = {sk_begin_rows, spread_run};
