/* SPDX-License-Identifier: MIT */
/*
 * What the blocks of recurrent layers share: convolutions and recurrences over the rows of a state,
 * one after another, and the small operations around them.
 *
 * A tile is all rows of one state for a part of the channels, or for some panels of a head: outputs
 * are disjoint, and whoever runs a tile finds what it needs in the state's memory, where the pass
 * reads one array and writes others (memory.h). A row costs the same wherever in a text it stands.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "tensor/math.h"

#include <string.h>

enum {
    RECUR_CHANNELS = 256,   /* of a convolution, in a tile */
    RECUR_FLOATS = 8 * 1024 /* of a matrix, in a tile: what the first-level cache holds */
};

/* ---- The plan -------------------------------------------------------------------------------- */

sk_step *sk_plan_take(sk_builder *b, int dst, int64_t to, int src, int64_t at, int64_t n_vec,
                      int64_t n, int64_t stride)
{
    sk_step *step = sk_plan_step(b, SK_OP_TAKE, SK_SET_ROWS);
    step->dst = dst;
    step->src = src;
    step->at = at;
    step->to = to;
    step->n_vec = n_vec;
    step->n = n;
    step->stride = stride;
    sk_plan_width(b, dst, sk_reg_set(dst) == SK_SET_HEADS ? n : to + n_vec * n);
    return step;
}

sk_step *sk_plan_l2(sk_builder *b, int reg, int64_t at, int64_t n_vec, int64_t n, double factor)
{
    sk_step *step = sk_plan_step(b, SK_OP_L2, SK_SET_ROWS);
    step->dst = step->src = reg;
    step->at = at;
    step->n_vec = n_vec;
    step->n = n;
    step->factor = (float)factor;
    step->eps = (float)b->hp->rms_eps;
    return step;
}

void sk_plan_decay(sk_builder *b, int dst, int src, int slot, int64_t n_vec, int64_t n)
{
    const float *weight = sk_plan_vector(b, slot);
    sk_step *step = sk_plan_step(b, SK_OP_DECAY, SK_SET_ROWS);
    step->dst = dst;
    step->src = src;
    step->weight = weight;
    step->weight_slot = slot;
    step->n_vec = n_vec;
    step->n = n;
    sk_plan_width(b, dst, n_vec * n);
}

void sk_plan_exp(sk_builder *b, int reg, double factor, int64_t n)
{
    sk_step *step = sk_plan_step(b, SK_OP_DECAY, SK_SET_ROWS);
    step->dst = step->src = reg;
    step->factor = (float)factor;
    step->n_vec = 1;
    step->n = n;
}

/* Taps as rows of channels: a row for each step back in time. */
static const float *plan_taps(sk_builder *b, int slot, int64_t n_tap, int64_t n)
{
    const float *file = sk_plan_vector_now(b, slot);
    float *taps = sk_plan_keep(b, n_tap * n);
    for (int64_t i = 0; taps && i < n_tap * n; i++)
        taps[i % n_tap * n + i / n_tap] = file[i];
    return taps;
}

void sk_plan_conv(sk_builder *b, int dst, int src, int slot, int bias, int64_t n)
{
    int64_t n_tap = b->hp->n_tap;
    const float *rows = plan_taps(b, slot, n_tap, n), *biases = NULL;
    if (bias >= 0 && sk_plan_has(b, bias))
        biases = sk_plan_vector(b, bias);
    sk_taps *taps = sk_plan_keep_of(b, 1, sizeof *taps);
    if (!taps)
        return;
    *taps = (sk_taps){sk_plan_memory(b, (n_tap - 1) * n), n_tap, rows, biases};
    sk_step *step = sk_plan_step(b, SK_OP_CONV, SK_SET_ROWS);
    step->dst = dst;
    step->src = src;
    step->n = n;
    step->taps = taps;
    step->weight_slot = slot;
    sk_plan_width(b, dst, n);
}

static int64_t mixer_panels(const sk_mixer *m)
{
    return (m->n_value + 15) / 16;
}

/* Floats of a head's matrix. */
static int64_t mixer_floats(const sk_mixer *m)
{
    return mixer_panels(m) * m->n_key * 16;
}

void sk_plan_recur(sk_builder *b, int dst, const sk_mixer *mixer)
{
    sk_mixer *m = sk_plan_keep_of(b, 1, sizeof *m);
    if (!m)
        return;
    *m = *mixer;
    m->memory = sk_plan_memory(b, m->n_head * mixer_floats(m));
    sk_step *step = sk_plan_step(b, SK_OP_RECUR, SK_SET_ROWS);
    step->dst = dst;
    step->src = m->v.reg;
    step->mixer = m;
    sk_plan_width(b, dst, m->n_head * m->n_value);
}

/* ---- take, l2, decay --------------------------------------------------------------------------
 */

/* Where vector v of row i of a register begins, `at` elements into a row of rows; of a register of
 * heads each vector is a row. */
static float *take_place(const sk_pass *p, int reg, int64_t i, int64_t n_vec, int64_t v, int64_t at,
                         int64_t stride)
{
    if (sk_reg_set(reg) == SK_SET_HEADS)
        return sk_pass_reg(p, reg, i * n_vec + v);
    return sk_pass_reg(p, reg, i) + at + v * stride;
}

static void take_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t each = step->each > 0 ? step->each : 1, n_vec = step->n_vec;
    int64_t apart = step->to_stride > 0 ? step->to_stride : step->n;
    for (int64_t i = first; i < last; i++)
        for (int64_t v = 0; v < n_vec; v++)
            memcpy(take_place(p, step->dst, i, n_vec, v, step->to, apart),
                   take_place(p, step->src, i, n_vec, v / each, step->at, step->stride),
                   (size_t)step->n * sizeof(float));
}

const sk_op sk_op_take = {sk_begin_rows, take_run};

static void l2_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *x = sk_pass_reg(p, step->dst, i) + step->at;
        for (int64_t v = 0; v < step->n_vec; v++)
            p->k->l2_norm(x + v * step->n, x + v * step->n, step->n, step->eps, step->factor);
    }
}

const sk_op sk_op_l2 = {sk_begin_rows, l2_run};

static void decay_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *y = sk_pass_reg(p, step->dst, i);
        const float *x = sk_pass_reg(p, step->src, i);
        for (int64_t v = 0; v < step->n_vec; v++) {
            float factor = step->weight ? step->weight[v] : step->factor;
            for (int64_t j = v * step->n; j < (v + 1) * step->n; j++)
                y[j] = sk_expf(x[j] * factor);
        }
    }
}

static void decay_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost *= 8;
}

const sk_op sk_op_decay = {decay_begin, decay_run};

/* ---- conv: dst = a causal convolution of the source --------------------------------------------
 */

void sk_begin_runs(sk_pass *pass, int64_t n, double cost, sk_work *work)
{
    work->n_tiles = pass->n_runs * n;
    work->unit = 1;
    work->cost = cost * (double)pass->longest_run;
}

static int64_t conv_tiles(const sk_step *step)
{
    return (step->n + RECUR_CHANNELS - 1) / RECUR_CHANNELS;
}

static void conv_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    double channels = (double)(step->n < RECUR_CHANNELS ? step->n : RECUR_CHANNELS);
    sk_begin_runs(p, conv_tiles(step), channels * (double)(2 * step->taps->n_tap), work);
}

static void conv_tile(sk_pass *p, const sk_step *step, int64_t run, int64_t at)
{
    const sk_taps *taps = step->taps;
    int64_t left = step->n - at;
    sk_conv c = {.n = left < RECUR_CHANNELS ? left : RECUR_CHANNELS,
                 .n_tap = taps->n_tap,
                 .stride = step->n,
                 .taps = taps->taps + at,
                 .bias = taps->bias ? taps->bias + at : NULL};
    for (sk_walk w = sk_walk_begin(p, run); w.row >= 0; w = sk_walk_next(p, w)) {
        c.x = sk_pass_reg(p, step->src, w.row) + at;
        c.y = sk_pass_reg(p, step->dst, w.row) + at;
        c.from = w.from + taps->memory + at;
        c.to = w.to + taps->memory + at;
        p->k->conv(&c);
    }
}

static void conv_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n = conv_tiles(step);
    for (int64_t tile = first; tile < last; tile++)
        conv_tile(p, step, tile / n, tile % n * RECUR_CHANNELS);
}

const sk_op sk_op_conv = {conv_begin, conv_run};

/* ---- recur: dst = what each head's matrix gives, row by row ------------------------------------
 */

/* Panels of a tile: a head's, or as many as fit, in fours. */
static int64_t mixer_tile_panels(const sk_mixer *m)
{
    int64_t fit = RECUR_FLOATS / (m->n_key * 16);
    fit = fit < 4 ? 4 : fit / 4 * 4;
    return fit < mixer_panels(m) ? fit : mixer_panels(m);
}

static int64_t recur_tiles(const sk_mixer *m)
{
    int64_t n = mixer_tile_panels(m);
    return m->n_head * ((mixer_panels(m) + n - 1) / n);
}

static void recur_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    const sk_mixer *m = step->mixer;
    sk_begin_runs(p, recur_tiles(m), (double)(mixer_tile_panels(m) * m->n_key * 16) * 3, work);
}

static const float *recur_operand(const sk_pass *p, sk_operand o, int64_t row, int64_t head)
{
    return o.reg == SK_R_H ? NULL : sk_pass_reg(p, o.reg, row) + o.at + head * o.step;
}

/* The rows of a run for a head's values from panel `panel` on. */
static void recur_tile(sk_pass *p, const sk_step *step, int64_t run, int64_t head, int64_t panel)
{
    const sk_mixer *m = step->mixer;
    int64_t keys = m->cyclic ? head % m->n_group : head / (m->n_head / m->n_group);
    int64_t n = mixer_tile_panels(m) * 16, left = m->n_value - panel * 16;
    int64_t at = m->memory + head * mixer_floats(m) + panel * m->n_key * 16;
    sk_recur r = {.rule = m->rule, .before = m->before, .decay_step = m->decay_step};
    r.n_key = m->n_key;
    r.a = m->a ? m->a + panel * m->n_key * 16 : NULL;
    r.skip = m->rule == SK_RULE_SCAN ? m->skip + panel * 16 : NULL;
    r.n_value = left < n ? left : n;
    for (sk_walk w = sk_walk_begin(p, run); w.row >= 0; w = sk_walk_next(p, w)) {
        const float *beta = recur_operand(p, m->beta, w.row, head);
        r.from = w.from + at;
        r.to = w.to + at;
        r.q = recur_operand(p, m->q, w.row, keys);
        r.k = recur_operand(p, m->k, w.row, keys);
        r.v = recur_operand(p, m->v, w.row, head) + panel * 16;
        r.decay = recur_operand(p, m->decay, w.row, head);
        if (m->rule == SK_RULE_SCAN)
            r.step = recur_operand(p, m->step, w.row, head) + panel * 16;
        r.erase = recur_operand(p, m->erase, w.row, head);
        r.write = recur_operand(p, m->write, w.row, head);
        r.beta = beta ? *beta : 1;
        r.out = sk_pass_reg(p, step->dst, w.row) + head * m->n_value + panel * 16;
        p->k->recur(&r);
        if (m->skip && m->rule != SK_RULE_SCAN)
            p->k->fma(r.out, r.v, m->skip[head], r.n_value);
    }
}

static void recur_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_mixer *m = step->mixer;
    int64_t n = recur_tiles(m), per_head = n / m->n_head;
    for (int64_t tile = first; tile < last; tile++) {
        int64_t in_run = tile % n;
        recur_tile(p, step, tile / n, in_run / per_head, in_run % per_head * mixer_tile_panels(m));
    }
}

const sk_op sk_op_recur = {recur_begin, recur_run};
