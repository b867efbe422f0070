/* SPDX-License-Identifier: MIT */
/*
 * What RWKV 6 and 7 share: the shift to the token before, mixing with it, and the feed-forward that
 * looks back as well.
 *
 *   sx = x of the token before - x;  a mixed x is x + sx * (w + m), m being of the input's own
 * where there is one;  channel mixing: W relu(W x_k)^2, in RWKV 6 times sigmoid(W x_r)
 *
 * A layer remembers the x of its last token, once for each half that shifts. Products and sums here
 * are two roundings.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include <string.h>

/* ---- The plan -------------------------------------------------------------------------------- */

void sk_plan_shift(sk_builder *b, int src)
{
    int64_t n = b->hp->n_embd;
    sk_step *step = sk_plan_step(b, SK_OP_SHIFT, SK_SET_ROWS);
    step->dst = SK_R_SX;
    step->src = src;
    step->n = n;
    step->at = sk_plan_memory(b, n);
    sk_plan_width(b, SK_R_SX, n);
}

sk_step *sk_plan_lerp(sk_builder *b, int src, const float *weight, int slot, bool own)
{
    int64_t n = b->hp->n_embd;
    sk_step *step = sk_plan_step(b, SK_OP_LERP, SK_SET_ROWS);
    step->dst = SK_R_XC;
    step->src = src;
    step->n = n;
    step->weight = weight;
    step->weight_slot = slot;
    step->factor = own;
    sk_plan_width(b, SK_R_XC, n);
    return step;
}

void sk_plan_bonus(sk_builder *b, int dst, int key, const float *weight, int slot)
{
    int64_t n = b->hp->n_head_size;
    sk_step *step = sk_plan_step(b, SK_OP_BONUS, SK_SET_ROWS);
    step->dst = dst;
    step->src = key;
    step->n_vec = b->hp->n_embd / n;
    step->n = n;
    step->weight = weight;
    step->weight_slot = slot;
}

sk_mixer sk_plan_wkv(const sk_builder *b, int rule)
{
    int64_t n = b->hp->n_head_size, n_head = b->hp->n_embd / n;
    return (sk_mixer){.rule = rule,
                      .n_head = n_head,
                      .n_group = n_head,
                      .n_key = n,
                      .n_value = n,
                      .q = {SK_R_Q, 0, n},
                      .k = {SK_R_K, 0, n},
                      .v = {SK_R_V, 0, n},
                      .decay = {SK_R_DT, 0, n},
                      .decay_step = 1};
}

void sk_plan_head_norm(sk_builder *b, int reg)
{
    int64_t n = b->hp->n_head_size;
    if (sk_plan_has(b, SK_T_TM_LN))
        sk_plan_norm_as(b, reg, reg, SK_T_TM_LN, b->hp->n_embd / n, n, true, n)->eps = 64e-5f;
}

void sk_plan_channel_mix(sk_builder *b, int src, int dst)
{
    bool gated = sk_plan_has(b, SK_T_CM_RECEPTANCE);
    sk_plan_shift(b, src);
    if (gated) {
        sk_linear gate = sk_plan_weight(b, SK_T_CM_RECEPTANCE);
        sk_plan_lerp(b, src, sk_plan_vector(b, SK_T_CM_LERP_R), SK_T_CM_LERP_R, false);
        sk_plan_linear(b, SK_R_XC, &gate, (int[]){SK_R_S}, 1);
    }
    sk_linear key = sk_plan_weight(b, SK_T_CM_KEY), value = sk_plan_weight(b, SK_T_CM_VALUE);
    sk_plan_lerp(b, src, sk_plan_vector(b, SK_T_CM_LERP_K), SK_T_CM_LERP_K, false);
    sk_plan_linear(b, SK_R_XC, &key, (int[]){SK_R_GATE}, 1);
    sk_plan_glu(b, SK_R_GATE, -1, (sk_fn){.kind = SK_FN_RELU2}, b->hp->n_ff[b->layer]);
    sk_plan_linear(b, SK_R_GATE, &value, (int[]){dst}, 1);
    if (!gated)
        return;
    sk_plan_glu(b, SK_R_S, dst, (sk_fn){.kind = SK_FN_SIGMOID}, b->hp->n_embd);
    sk_plan_take(b, dst, 0, SK_R_S, 0, 1, b->hp->n_embd, 0);
}

/* ---- shift: dst = the source of the row before - the source ------------------------------------
 */

enum { RWKV_CHANNELS = 1024 }; /* in a tile */

static int64_t shift_tiles(const sk_step *step)
{
    return (step->n + RWKV_CHANNELS - 1) / RWKV_CHANNELS;
}

static void shift_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_runs(p, shift_tiles(step), step->n < RWKV_CHANNELS ? (double)step->n : RWKV_CHANNELS,
                  work);
}

static void shift_tile(sk_pass *p, const sk_step *step, int64_t run, int64_t first)
{
    int64_t last = first + RWKV_CHANNELS < step->n ? first + RWKV_CHANNELS : step->n;
    for (sk_walk w = sk_walk_begin(p, run); w.row >= 0; w = sk_walk_next(p, w)) {
        const float *x = sk_pass_reg(p, step->src, w.row), *before = w.from + step->at;
        float *y = sk_pass_reg(p, step->dst, w.row);
        for (int64_t j = first; j < last; j++)
            y[j] = before[j] - x[j];
        memcpy(w.to + step->at + first, x + first, (size_t)(last - first) * sizeof *x);
    }
}

static void shift_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n = shift_tiles(step);
    for (int64_t tile = first; tile < last; tile++)
        shift_tile(p, step, tile / n, tile % n * RWKV_CHANNELS);
}

const sk_op sk_op_shift = {shift_begin, shift_run};

/* ---- lerp: dst = source + sx * weight, or sx * (dst + weight) ----------------------------------
 */

static void lerp_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    bool own = step->factor != 0;
    for (int64_t i = first; i < last; i++) {
        float *y = sk_pass_reg(p, step->dst, i);
        const float *x = sk_pass_reg(p, step->src, i), *sx = sk_pass_reg(p, SK_R_SX, i);
        for (int64_t j = 0; j < step->n; j++)
            y[j] = x[j] + sx[j] * (own ? y[j] + step->weight[j] : step->weight[j]);
    }
}

const sk_op sk_op_lerp = {sk_begin_rows, lerp_run};

/* ---- bonus: each head of dst += v * (sum of q * the source * weight) ---------------------------
 */

static void bonus_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        for (int64_t at = 0; at < step->n_vec * step->n; at += step->n)
            p->k->bonus(sk_pass_reg(p, step->dst, i) + at, sk_pass_reg(p, SK_R_V, i) + at, step->n,
                        sk_pass_reg(p, SK_R_Q, i) + at, sk_pass_reg(p, step->src, i) + at,
                        step->weight + at, step->n);
    }
}

const sk_op sk_op_bonus = {sk_begin_rows, bonus_run};

/* ---- times, blend: dst *= weight; dst += (source - dst) * t ------------------------------------
 */

static void times_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *y = sk_pass_reg(p, step->dst, i);
        for (int64_t j = 0; j < step->n; j++)
            y[j] = y[j] * step->weight[j];
    }
}

const sk_op sk_op_times = {sk_begin_rows, times_run};

static void blend_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *y = sk_pass_reg(p, step->dst, i);
        const float *x = sk_pass_reg(p, step->src, i), *t = sk_pass_reg(p, SK_R_T, i);
        for (int64_t j = 0; j < step->n; j++)
            y[j] = y[j] + (x[j] - y[j]) * t[j];
    }
}

const sk_op sk_op_blend = {sk_begin_rows, blend_run};
