/* SPDX-License-Identifier: MIT */
/*
 * Both ends of a model: tokens to the residual stream, and the residual stream to what is wanted of
 * a row: its vector, which is the last layer's output, normed, and logits. Without an output matrix
 * the embedding serves (tied weights). Encoders end with the vector.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "base/bytes.h"
#include "tensor/types.h"

#include <string.h>

/* Adds to each row one vector of a table, which the operation chooses. */
static void add_from_table(sk_builder *b, int op, int slot)
{
    sk_linear table = sk_plan_weight(b, slot);
    sk_step *step = sk_plan_step(b, op, SK_SET_ROWS);
    step->dst = SK_R_H;
    step->src = SK_R_X;
    step->n = b->hp->n_embd;
    step->n_part = 1;
    step->part[0] = table;
    sk_plan_width(b, SK_R_X, b->hp->n_embd);
}

/* Learned positions are added, where there are any; there are none beyond the last. */
static void embed_positions(sk_builder *b)
{
    int rule = b->arch->positions;
    if (rule == SK_POSITIONS_NONE ||
        (rule == SK_POSITIONS_IF && !sk_plan_has(b, SK_T_POSITION_EMBD)))
        return;
    add_from_table(b, SK_OP_POSITION, SK_T_POSITION_EMBD);
    b->plan->max_position = b->hp->n_pos;
}

/* The vector of the token's type is added, where the file has types. */
static void embed_types(sk_builder *b)
{
    if (!b->arch->types || !sk_plan_has(b, SK_T_TOKEN_TYPES))
        return;
    add_from_table(b, SK_OP_TYPE, SK_T_TOKEN_TYPES);
    b->plan->n_type = b->hp->n_type;
}

void sk_plan_embed(sk_builder *b)
{
    sk_linear table = sk_plan_weight(b, SK_T_TOKEN_EMBD);
    sk_step *step = sk_plan_step(b, SK_OP_EMBED, SK_SET_ROWS);
    step->dst = SK_R_H;
    step->n = b->hp->n_embd;
    step->n_part = 1;
    step->part[0] = table;
    sk_plan_width(b, SK_R_H, b->hp->n_embd);
    sk_plan_scale(b, SK_R_H, b->hp->scale_embd, b->hp->n_embd);
    embed_types(b);
    embed_positions(b);
    if (b->arch->embd_norm)
        sk_plan_norm(b, SK_R_H, SK_R_H, SK_T_TOKEN_EMBD_NORM, 1, b->hp->n_embd);
    if (b->arch->embd_again)
        sk_plan_copy(b, SK_R_INPUTS, SK_R_H, b->hp->n_embd);
    if (b->arch->layer_inputs && b->hp->n_layer_in > 0)
        sk_plan_layer_inputs(b);
    if (b->arch->streams == SK_STREAMS_ALTUP)
        sk_plan_altup_begin(b);
    if (b->arch->streams == SK_STREAMS_HYPER)
        sk_plan_hyper_begin(b);
}

/* LFM 2 calls its last norm by the name that others give to the one behind the embedding. */
static int head_norm(const sk_builder *b)
{
    if (sk_plan_has(b, SK_T_ENC_OUTPUT_NORM))
        return SK_T_ENC_OUTPUT_NORM;
    bool other = !b->arch->embd_norm && !sk_plan_has(b, SK_T_OUTPUT_NORM) &&
                 sk_plan_has(b, SK_T_TOKEN_EMBD_NORM);
    return other ? SK_T_TOKEN_EMBD_NORM : SK_T_OUTPUT_NORM;
}

static void head_check(sk_builder *b, int set, int reg, int64_t n)
{
    sk_step *step = sk_plan_step(b, SK_OP_CHECK, set);
    step->src = reg;
    step->n = n;
}

/* The rows that something is wanted of: their vectors. */
static void head_vectors(sk_builder *b)
{
    int64_t n_embd = b->hp->n_embd;
    if (b->arch->streams == SK_STREAMS_ALTUP)
        sk_plan_altup_end(b);
    if (b->arch->streams == SK_STREAMS_HYPER)
        sk_plan_hyper_end(b);
    sk_step *step = sk_plan_step(b, SK_OP_SELECT, SK_SET_OUTPUTS);
    step->dst = SK_R_LAST;
    step->src = SK_R_H;
    step->n = n_embd;
    sk_plan_width(b, SK_R_LAST, n_embd);
    if (b->arch->norm_place != SK_PLACE_SUM)
        sk_plan_norm(b, SK_R_LAST, SK_R_LAST, head_norm(b), 1, n_embd);
    b->plan->n_vector = n_embd;
    if (b->arch->gives != SK_GIVES_DENSE || !sk_plan_has(b, SK_T_DENSE_2))
        return;
    sk_linear two = sk_plan_weight(b, SK_T_DENSE_2), three = sk_plan_weight(b, SK_T_DENSE_3);
    sk_plan_linear(b, SK_R_LAST, &two, (int[]){SK_R_WIDE}, 1);
    sk_plan_linear(b, SK_R_WIDE, &three, (int[]){SK_R_LAST}, 1);
    b->plan->n_vector = b->hp->n_dense_3;
}

void sk_plan_head(sk_builder *b)
{
    head_vectors(b);
    b->plan->has_logits = b->arch->gives == SK_GIVES_LOGITS;
    if (!b->plan->has_logits) {
        head_check(b, SK_SET_OUTPUTS, SK_R_LAST, b->plan->n_vector);
        return;
    }
    bool tied = !sk_plan_has(b, SK_T_OUTPUT);
    sk_linear output = sk_plan_weight(b, tied ? SK_T_TOKEN_EMBD : SK_T_OUTPUT);
    sk_plan_linear_in(b, SK_SET_LOGITS, SK_R_LAST, &output, (int[]){SK_R_LOGITS}, 1);
    double scale = b->hp->scale_logits;
    if (b->arch->logit_scale == SK_LOGIT_SCALE_OVER && scale != 0)
        scale = 1 / scale;
    sk_plan_scale(b, SK_R_LOGITS, scale, b->hp->n_vocab);
    if (b->hp->cap_logits != 0) {
        sk_step *step = sk_plan_step(b, SK_OP_CAP, SK_SET_LOGITS);
        step->dst = step->src = SK_R_LOGITS;
        step->factor = (float)b->hp->cap_logits;
        step->n = b->hp->n_vocab;
    }
    head_check(b, SK_SET_LOGITS, SK_R_LOGITS, b->hp->n_vocab);
}

/* ---- embed: dst = the token's row of the table ------------------------------------------------
 */

static void embed_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_linear *table = &step->part[0];
    for (int64_t i = first; i < last; i++) {
        const uint8_t *row = (const uint8_t *)table->w + (size_t)p->rows[i].token * table->row_size;
        sk_dequantise(table->dtype, row, sk_pass_reg(p, step->dst, i), step->n);
        sk_lowrank_embed(p, step, i);
    }
}

const sk_op sk_op_embed = {sk_begin_rows, embed_run};

/* ---- position, type: dst += the position's or type's row of the table, by way of src -----------
 */

static void position_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_linear *table = &step->part[0];
    for (int64_t i = first; i < last; i++) {
        const sk_row *which = &p->rows[i];
        size_t index = step->op == SK_OP_TYPE ? which->type : (size_t)which->position;
        float *row = sk_pass_reg(p, step->src, i);
        sk_dequantise(table->dtype, (const uint8_t *)table->w + index * table->row_size, row,
                      step->n);
        p->k->add(sk_pass_reg(p, step->dst, i), row, step->n);
    }
}

const sk_op sk_op_position = {sk_begin_rows, position_run};

/* ---- select: the rows that something is wanted of, close together, those with logits first -----
 */

static void select_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        memcpy(sk_pass_reg(p, step->dst, i), sk_pass_reg(p, step->src, p->output_row[i]),
               (size_t)step->n * sizeof(float));
}

const sk_op sk_op_select = {sk_begin_rows, select_run};

/* ---- check: that all values are finite --------------------------------------------------------
 */

static void check_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        const float *x = sk_pass_reg(p, step->src, i);
        uint32_t most = 0;
        for (int64_t j = 0; j < step->n; j++) {
            uint32_t bits = sk_f32_bits(x[j]) & 0x7fffffffu;
            most = bits > most ? bits : most;
        }
        if (most >= 0x7f800000u)
            sk_pass_fail(p, step->set, i, step->layer);
    }
}

const sk_op sk_op_check = {sk_begin_rows, check_run};
