/* SPDX-License-Identifier: MIT */
/*
 * Operations on the rows of a register, a tile per row: norm and add.
 */
#include "base/portable.h"

#include "model/pass_int.h"

void sk_begin_rows(sk_pass *pass, const sk_step *step, sk_work *work)
{
    int64_t n_vec = step->n_vec > 0 ? step->n_vec : 1;
    work->n_tiles = sk_pass_count(pass, step->set);
    work->unit = 1;
    work->cost = (double)step->n * (double)n_vec;
}

/* dst = x / sqrt(mean(x^2) + eps) * weight, for each vector of the source */
static void norm_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *y = sk_pass_reg(p, step->dst, i);
        const float *x = sk_pass_reg(p, step->src, i);
        for (int64_t v = 0; v < step->n_vec; v++)
            p->k->rms_norm(y + v * step->n, x + v * step->n, step->weight, step->n, step->eps);
    }
}

const sk_op sk_op_norm = {sk_begin_rows, norm_run};

/* dst += src */
static void add_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        p->k->add(sk_pass_reg(p, step->dst, i), sk_pass_reg(p, step->src, i), step->n);
}

const sk_op sk_op_add = {sk_begin_rows, add_run};
