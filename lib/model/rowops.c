/* SPDX-License-Identifier: MIT */
/*
 * Operations on the rows of a register, a tile per row: norms, sums, factors, gates.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "tensor/math.h"

#include <math.h>

void sk_begin_rows(sk_pass *pass, const sk_step *step, sk_work *work)
{
    int64_t n_vec = step->n_vec > 0 ? step->n_vec : 1;
    work->n_tiles = sk_pass_count(pass, step->set);
    work->unit = 1;
    work->cost = (double)step->n * (double)n_vec;
}

/* dst = norm of each vector of the source: x / sqrt(mean(x^2) + eps) * weight + bias, of x less its
 * mean for a layer norm */
static void norm_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *y = sk_pass_reg(p, step->dst, i);
        const float *x = sk_pass_reg(p, step->src, i);
        for (int64_t v = 0; v < step->n_vec; v++, x += step->n, y += step->n) {
            int64_t at = v * step->weight_step;
            const float *w = step->weight ? step->weight + at : NULL;
            const float *b = step->bias ? step->bias + at : NULL;
            if (step->layer_norm) {
                p->k->layer_norm(y, x, w, b, step->n, step->eps);
                continue;
            }
            p->k->rms_norm(y, x, w, step->n, step->eps);
            if (b)
                p->k->add(y, b, step->n);
        }
    }
}

const sk_op sk_op_norm = {sk_begin_rows, norm_run};

/* dst += src, or a vector of the model's, times a factor where there is one */
static void add_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *y = sk_pass_reg(p, step->dst, i);
        const float *x = step->weight ? step->weight : sk_pass_reg(p, step->src, i);
        if (step->factor != 0)
            p->k->fma(y, x, step->factor, step->n);
        else
            p->k->add(y, x, step->n);
    }
}

const sk_op sk_op_add = {sk_begin_rows, add_run};

/* dst *= factor */
static void factor_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        p->k->scale(sk_pass_reg(p, step->dst, i), step->factor, step->n);
}

const sk_op sk_op_scale = {sk_begin_rows, factor_run};

/* dst = max(-factor, min(dst, factor)); a NaN stays one */
static void clamp_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *x = sk_pass_reg(p, step->dst, i), c = step->factor;
        for (int64_t j = 0; j < step->n; j++) {
            x[j] = x[j] > c ? c : x[j];
            x[j] = x[j] < -c ? -c : x[j];
        }
    }
}

const sk_op sk_op_clamp = {sk_begin_rows, clamp_run};

/* dst /= weight */
static void divide_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *x = sk_pass_reg(p, step->dst, i);
        for (int64_t j = 0; j < step->n; j++)
            x[j] = x[j] / step->weight[j];
    }
}

const sk_op sk_op_divide = {sk_begin_rows, divide_run};

/* dst = factor * tanh(dst / factor) */
static void cap_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *x = sk_pass_reg(p, step->dst, i), c = step->factor;
        for (int64_t j = 0; j < step->n; j++)
            x[j] = c * sk_tanhf(x[j] / c);
    }
}

static void cap_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost *= 64;
}

const sk_op sk_op_cap = {cap_begin, cap_run};

/* Vector i of dst *= fn(element i of src), the source being used up. */
static void gate_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *x = sk_pass_reg(p, step->dst, i), *gate = sk_pass_reg(p, step->src, i);
        p->k->apply(&step->fn, gate, gate, NULL, step->n_vec);
        for (int64_t v = 0; v < step->n_vec; v++)
            p->k->scale(x + v * step->n, gate[v], step->n);
    }
}

const sk_op sk_op_gate = {sk_begin_rows, gate_run};

/* Sums as the contract has them: element i in lane i mod 16, then the lanes in pairs. */
static float lanes_sum(const float lanes[16])
{
    float s[16];
    for (int i = 0; i < 16; i++)
        s[i] = lanes[i];
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            s[i] += s[i + half];
    return s[0];
}

/* The sum of elements of x, of squares of (x - mean). */
static float row_sum(const float *x, int64_t n)
{
    float lanes[16] = {0};
    for (int64_t i = 0; i < n; i++)
        lanes[i % 16] += x[i];
    return lanes_sum(lanes);
}

static float row_squares(const float *x, float mean, int64_t n)
{
    float lanes[16] = {0};
    for (int64_t i = 0; i < n; i++)
        lanes[i % 16] += (x[i] - mean) * (x[i] - mean);
    return lanes_sum(lanes);
}

/* dst = relu(dst - (mean + factor * deviation)) */
static void sparse_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    float n = (float)step->n, rest = step->n > 1 ? n - 1 : 1;
    for (int64_t i = first; i < last; i++) {
        float *x = sk_pass_reg(p, step->dst, i), mean = row_sum(x, step->n) / n;
        float cut = mean + sqrtf(row_squares(x, mean, step->n) / rest) * step->factor;
        for (int64_t j = 0; j < step->n; j++)
            x[j] = x[j] > cut ? x[j] - cut : x[j] <= cut ? 0 : x[j];
    }
}

const sk_op sk_op_sparse = {sk_begin_rows, sparse_run};

/* Vectors of dst get the length of the source's first n elements; one of zeros stays. */
static void resize_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float wanted = sqrtf(row_squares(sk_pass_reg(p, step->src, i), 0, step->n));
        for (int64_t v = 0; v < step->n_vec; v++) {
            float *x = sk_pass_reg(p, step->dst, i) + v * step->n;
            float length = sqrtf(row_squares(x, 0, step->n));
            p->k->scale(x, length > 0 ? wanted / length : 1, step->n);
        }
    }
}

const sk_op sk_op_resize = {sk_begin_rows, resize_run};
