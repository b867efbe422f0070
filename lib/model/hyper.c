/* SPDX-License-Identifier: MIT */
/*
 * Hyper-connections (arXiv:2409.19606, with the doubly stochastic mix of arXiv:2512.24880): the
 * residual stream is several, X_i. Before a block its input is collected from them, after it its
 * output is dealt out among them, and they are mixed:
 *
 *   m = W rms(X, all of it);  pre_i = sigmoid(m_i s_0 + b_i) + eps
 *   post_i = 2 sigmoid(m_(n+i) s_1 + b_(n+i));  C = balance(m_(2n..) s_2 + b_(2n..))
 *   x = sum over i of pre_i X_i;  y = block(x);  X_d = post_d y + sum over s of C_sd X_s
 *
 * C has a row for each source and is balanced by turns: a softmax of each row, + eps; then columns
 * and rows are divided by their sums + eps, columns first and last. At the end there is pre alone.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "tensor/math.h"

#include <string.h>

/* ---- The plan -------------------------------------------------------------------------------- */

/* Of the streams of a row; what else a step needs is in it already. */
static sk_step *hyper_step(sk_builder *b, int op, int dst, int src)
{
    sk_step *step = sk_plan_step(b, op, SK_SET_ROWS);
    step->dst = dst;
    step->src = src;
    step->n = b->hp->n_embd;
    step->n_vec = b->hp->n_stream;
    return step;
}

/* mix = coefficients of the streams; h = the block's input. */
static void hyper_collect(sk_builder *b, int fn, int base, int scale, bool all)
{
    const sk_hparam *hp = b->hp;
    int64_t n = hp->n_stream, n_all = n * hp->n_embd;
    const float *bias = sk_plan_vector(b, base), *factors = sk_plan_vector(b, scale);
    sk_linear mix = sk_plan_weight(b, fn);
    sk_plan_norm_as(b, SK_R_GUESS, SK_R_STREAMS, -1, 1, n_all, false, 0);
    sk_plan_linear(b, SK_R_GUESS, &mix, (int[]){SK_R_MIX}, 1);
    sk_step *step = hyper_step(b, SK_OP_BALANCE, SK_R_MIX, SK_R_MIX);
    step->bias = bias;
    step->weight = factors;
    step->weight_slot = base;
    step->eps = (float)hp->hyper_eps;
    step->each = all ? hp->n_sinkhorn : 0;
    hyper_step(b, SK_OP_COLLECT, SK_R_H, SK_R_STREAMS);
}

void sk_plan_hyper_begin(sk_builder *b)
{
    int64_t n = b->hp->n_stream;
    sk_plan_take(b, SK_R_STREAMS, 0, SK_R_H, 0, n, b->hp->n_embd, 0)->each = n;
}

void sk_plan_hyper_attn(sk_builder *b)
{
    hyper_collect(b, SK_T_HYPER_ATTN, SK_T_HYPER_ATTN_BASE, SK_T_HYPER_ATTN_SCALE, true);
}

void sk_plan_hyper_ffn(sk_builder *b)
{
    hyper_collect(b, SK_T_HYPER_FFN, SK_T_HYPER_FFN_BASE, SK_T_HYPER_FFN_SCALE, true);
}

void sk_plan_hyper_end(sk_builder *b)
{
    hyper_collect(b, SK_T_HYPER_OUT, SK_T_HYPER_OUT_BASE, SK_T_HYPER_OUT_SCALE, false);
}

void sk_plan_hyper_deal(sk_builder *b, int src)
{
    hyper_step(b, SK_OP_DEAL, SK_R_STREAMS, src);
}

/* ---- balance: products to coefficients ---------------------------------------------------------
 */

static float sigmoid1(float x)
{
    return 1 / (1 + sk_expf(-x));
}

/* Divides n numbers, `step` apart, by their sum + eps. */
static void divide_by_sum(float *x, int64_t n, int64_t step, float eps)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i * step];
    sum += eps;
    for (int64_t i = 0; i < n; i++)
        x[i * step] /= sum;
}

/* c [source][destination]; so many divisions of the columns. */
static void balance(const sk_pass *p, float *c, int64_t n, float eps, int64_t n_turn)
{
    for (int64_t s = 0; s < n; s++) {
        p->k->softmax(c + s * n, n);
        for (int64_t d = 0; d < n; d++)
            c[s * n + d] += eps;
    }
    for (int64_t turn = 0; turn < n_turn; turn++) {
        for (int64_t s = 0; turn > 0 && s < n; s++)
            divide_by_sum(c + s * n, n, 1, eps);
        for (int64_t d = 0; d < n; d++)
            divide_by_sum(c + d, n, n, eps);
    }
}

static void balance_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n = step->n_vec, n_mix = step->each > 0 ? n * (n + 2) : n;
    for (int64_t i = first; i < last; i++) {
        float *m = sk_pass_reg(p, step->dst, i);
        for (int64_t j = 0; j < n_mix; j++)
            m[j] = m[j] * step->weight[j < n ? 0 : j < 2 * n ? 1 : 2] + step->bias[j];
        for (int64_t j = 0; j < n; j++)
            m[j] = sigmoid1(m[j]) + step->eps;
        for (int64_t j = n; j < 2 * n && step->each > 0; j++)
            m[j] = 2 * sigmoid1(m[j]);
        if (step->each > 0)
            balance(p, m + 2 * n, n, step->eps, step->each);
    }
}

static void balance_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost = (double)((step->each + 4) * step->n_vec * step->n_vec * 8);
}

const sk_op sk_op_balance = {balance_begin, balance_run};

/* ---- collect: dst = the streams, each times its coefficient ------------------------------------
 */

static void collect_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost = (double)(step->n * step->n_vec);
}

static void collect_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        const float *mix = sk_pass_reg(p, SK_R_MIX, i), *x = sk_pass_reg(p, step->src, i);
        float *y = sk_pass_reg(p, step->dst, i);
        memset(y, 0, (size_t)step->n * sizeof *y);
        for (int64_t s = 0; s < step->n_vec; s++)
            p->k->fma(y, x + s * step->n, mix[s], step->n);
    }
}

const sk_op sk_op_collect = {collect_begin, collect_run};

/* ---- deal: the streams, mixed, + the source times each one's coefficient, by way of `guess` -----
 */

static void deal_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost = (double)(step->n * step->n_vec * (step->n_vec + 2));
}

static void deal_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n = step->n, n_vec = step->n_vec;
    for (int64_t i = first; i < last; i++) {
        const float *mix = sk_pass_reg(p, SK_R_MIX, i), *y = sk_pass_reg(p, step->src, i);
        float *x = sk_pass_reg(p, step->dst, i), *out = sk_pass_reg(p, SK_R_GUESS, i);
        memset(out, 0, (size_t)(n_vec * n) * sizeof *out);
        for (int64_t d = 0; d < n_vec; d++) {
            p->k->fma(out + d * n, y, mix[n_vec + d], n);
            for (int64_t s = 0; s < n_vec; s++)
                p->k->fma(out + d * n, x + s * n, mix[(2 + s) * n_vec + d], n);
        }
        memcpy(x, out, (size_t)(n_vec * n) * sizeof *x);
    }
}

const sk_op sk_op_deal = {deal_begin, deal_run};
