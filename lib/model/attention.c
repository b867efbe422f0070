/* SPDX-License-Identifier: MIT */
/*
 * Attention over the cache: grouped query heads, rotary positions, optional norms of queries and
 * keys.
 *
 *   x = norm(h);  q, k, v = W x (+ b);  q, k = norm(q), norm(k) per head;  q, k = rope(q), rope(k)
 *   cache <- k, v;  a = softmax(scale * q K) V;  h += W a (+ b)
 *
 * Keys and values are read back from the cache, in its type, also by the rows of the batch that
 * stored them: a row sees the same bits however the text was cut into batches.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include <math.h>
#include <string.h>

/* ---- The plan -------------------------------------------------------------------------------- */

/* Three matrices, or three views of the rows of one. */
static void plan_qkv(sk_builder *b, const sk_attn *attn)
{
    int64_t n_q = attn->n_head * attn->dk, n_k = attn->n_head_kv * attn->dk;
    sk_linear parts[3];
    if (sk_plan_has(b, SK_T_ATTN_QKV)) {
        sk_linear whole = sk_plan_weight(b, SK_T_ATTN_QKV);
        parts[0] = sk_plan_rows(b, &whole, 0, n_q);
        parts[1] = sk_plan_rows(b, &whole, n_q, n_k);
        parts[2] = sk_plan_rows(b, &whole, n_q + n_k, attn->n_head_kv * attn->dv);
    } else {
        parts[0] = sk_plan_weight(b, SK_T_ATTN_Q);
        parts[1] = sk_plan_weight(b, SK_T_ATTN_K);
        parts[2] = sk_plan_weight(b, SK_T_ATTN_V);
    }
    sk_plan_linear(b, SK_R_X, parts, (int[]){SK_R_Q, SK_R_K, SK_R_V}, 3);
}

static void plan_turn(sk_builder *b, int reg, int rope, int64_t n_head, int64_t dk)
{
    if (rope < 0)
        return;
    sk_step *step = sk_plan_step(b, SK_OP_ROPE, SK_SET_ROWS);
    step->dst = reg;
    step->src = reg;
    step->rope = rope;
    step->n_vec = n_head;
    step->n = dk;
}

static const sk_attn *plan_attn(sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    if (b->status != SKALD_OK)
        return NULL;
    sk_attn *attn = sk_weights_keep(b->weights, 1, sizeof *attn, b->error);
    if (!attn) {
        b->status = SKALD_E_MEMORY;
        return NULL;
    }
    attn->n_head = hp->n_head[b->layer];
    attn->n_head_kv = hp->n_head_kv[b->layer];
    attn->dk = hp->dk;
    attn->dv = hp->dv;
    attn->scale = 1.0f / sqrtf((float)hp->dk);
    attn->kv = sk_plan_kv(b, attn->n_head_kv, attn->dk, attn->dv);
    return attn;
}

void sk_plan_attention(sk_builder *b)
{
    const sk_attn *attn = plan_attn(b);
    if (!attn)
        return;
    int rope = sk_plan_rope(b);
    sk_plan_norm(b, SK_R_X, SK_R_H, SK_T_ATTN_NORM, 1, b->hp->n_embd);
    plan_qkv(b, attn);
    if (b->arch->qk_norm == SK_QK_NORM_HEAD) {
        sk_plan_norm(b, SK_R_Q, SK_R_Q, SK_T_ATTN_Q_NORM, attn->n_head, attn->dk);
        sk_plan_norm(b, SK_R_K, SK_R_K, SK_T_ATTN_K_NORM, attn->n_head_kv, attn->dk);
    }
    plan_turn(b, SK_R_Q, rope, attn->n_head, attn->dk);
    plan_turn(b, SK_R_K, rope, attn->n_head_kv, attn->dk);

    sk_step *step = sk_plan_step(b, SK_OP_STORE, SK_SET_ROWS);
    step->attn = attn;
    step->n = attn->n_head_kv * (attn->dk + attn->dv);
    step = sk_plan_step(b, SK_OP_ATTEND, SK_SET_ROWS);
    step->attn = attn;
    step->dst = SK_R_A;
    step->src = SK_R_Q;
    sk_plan_width(b, SK_R_A, attn->n_head * attn->dv);

    sk_linear output = sk_plan_weight(b, SK_T_ATTN_OUTPUT);
    sk_plan_linear(b, SK_R_A, &output, (int[]){SK_R_X}, 1);
    sk_plan_add(b, SK_R_H, SK_R_X, b->hp->n_embd);
}

/* ---- angles, rope: cosines and sines per row, once per pass; turning heads in place -----------
 */

static void angles_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    work->n_tiles = p->n_rows;
    work->unit = 1;
    work->cost = 16.0 * (double)p->plan->ropes[step->rope].rope.n_rot;
}

static void angles_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_rotary *rotary = &p->plan->ropes[step->rope];
    for (int64_t i = first; i < last; i++) {
        const sk_row *row = &p->rows[i];
        bool is_long = rotary->longer.n_rot > 0 && row->state->n_ctx > rotary->longer.n_ctx_orig;
        float(*cs)[2] = p->angles[step->rope] + i * (rotary->rope.n_rot / 2);
        sk_rope_angles(is_long ? &rotary->longer : &rotary->rope, row->position, cs);
    }
}

const sk_op sk_op_angles = {angles_begin, angles_run};

static void turn_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_rope *rope = &p->plan->ropes[step->rope].rope;
    for (int64_t i = first; i < last; i++) {
        const float(*cs)[2] = (const float(*)[2])(p->angles[step->rope] + i * (rope->n_rot / 2));
        float *x = sk_pass_reg(p, step->dst, i);
        for (int64_t h = 0; h < step->n_vec; h++)
            p->k->rope(rope->kind, x + h * step->n, cs, rope->n_rot);
    }
}

const sk_op sk_op_rope = {sk_begin_rows, turn_run};

/* ---- store: keys and values to the cache ------------------------------------------------------
 */

static void store_vector(const sk_pass *p, int dtype, void *to, const float *x, int64_t n)
{
    if (dtype == SK_F16)
        p->k->to_f16(to, x, n);
    else
        memcpy(to, x, (size_t)n * sizeof *x);
}

static void store_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_attn *attn = step->attn;
    for (int64_t i = first; i < last; i++) {
        const sk_cache *cache = p->rows[i].state->cache;
        const sk_cache_layer *layer = &cache->layers[attn->kv];
        uint8_t *block = cache->blocks[p->rows[i].position / SK_KEY_BLOCK];
        size_t row = (size_t)(p->rows[i].position % SK_KEY_BLOCK);
        const float *k = sk_pass_reg(p, SK_R_K, i), *v = sk_pass_reg(p, SK_R_V, i);
        for (int64_t h = 0; h < attn->n_head_kv; h++) {
            uint8_t *k_to = block + sk_cache_k_offset(cache, attn->kv, h) + row * layer->k_row;
            uint8_t *v_to = block + sk_cache_v_offset(cache, attn->kv, h) + row * layer->v_row;
            store_vector(p, cache->k_dtype, k_to, k + h * attn->dk, attn->dk);
            store_vector(p, cache->v_dtype, v_to, v + h * attn->dv, attn->dv);
        }
    }
}

const sk_op sk_op_store = {sk_begin_rows, store_run};

/* ---- attend: a tile is a row and a head of keys, so that neighbouring tiles read the same keys --
 */

static void attend_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    const sk_attn *attn = step->attn;
    work->n_tiles = p->n_rows * attn->n_head_kv;
    work->unit = 1;
    work->cost = (double)(p->last_position + 1) * (double)(attn->dk + attn->dv) *
                 (double)(attn->n_head / attn->n_head_kv);
}

static void attend_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_attn *attn = step->attn;
    int64_t group = attn->n_head / attn->n_head_kv;
    for (int64_t tile = first; tile < last; tile++) {
        int64_t head = tile / p->n_rows, i = tile % p->n_rows;
        const sk_cache *cache = p->rows[i].state->cache;
        const sk_cache_layer *layer = &cache->layers[attn->kv];
        sk_attend a = {.q = sk_pass_reg(p, step->src, i) + head * group * attn->dk,
                       .n_head = group,
                       .dk = attn->dk,
                       .dv = attn->dv,
                       .k = (const void *const *)cache->blocks,
                       .v = (const void *const *)cache->blocks,
                       .k_offset = sk_cache_k_offset(cache, attn->kv, head),
                       .v_offset = sk_cache_v_offset(cache, attn->kv, head),
                       .k_dtype = cache->k_dtype,
                       .v_dtype = cache->v_dtype,
                       .k_size = layer->k_row,
                       .v_size = layer->v_row,
                       .first = 0,
                       .last = p->rows[i].position + 1,
                       .scale = attn->scale,
                       .out = sk_pass_reg(p, step->dst, i) + head * group * attn->dv};
        p->k->attend(&a);
    }
}

const sk_op sk_op_attend = {attend_begin, attend_run};
