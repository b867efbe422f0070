/* SPDX-License-Identifier: MIT */
/*
 * Attention to the last tokens and to summaries of all before (DeepSeek 4). Keys are values, of one
 * head; the last elements of both are rotated, and of what comes out rotated back:
 *
 *   q_h, c = rms(W rms(W x)), rms(W x);  q_h, c = rope(q_h), rope(c)
 *   a_h = attention of q_h over c of the window, and over the summaries, in one softmax
 *   W (W_g (rope back(a_h) of each group g of heads))
 *
 * A summary takes the place of a block of r tokens, as many as the layer says; each channel is
 * pooled by itself, by a softmax of scores that come from the tokens and their place in the block:
 *
 *   c = rope(rms(sum over j of softmax(W_s x_j + p_(j mod r)) * W_v x_j)), at the block's beginning
 *
 * Where r is 4, blocks overlap: each has two sets of scores and values, the one for its own
 * summary, the other for that of the block behind it, whose softmax goes over both. Such layers
 * have an indexer (index.c), whose keys are pooled in the same way, and see the summaries that it
 * chooses; the others see all of complete blocks.
 *
 * What a block has come to is kept in a state's memory, per channel: the greatest score, the sum of
 * exponentials, the sum of values; of blocks that overlap, those of either set, and those that the
 * block before has left. Summaries are cached layers that have one row for r tokens.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "tensor/math.h"

#include <math.h>
#include <string.h>

enum { POOL_CHANNELS = 64 }; /* of a tile */

/* ---- The plan -------------------------------------------------------------------------------- */

/* What one pooling is made of. */
typedef struct pool_slots {
    int values, scores, places, norm;
} pool_slots;

void sk_plan_pooled_ropes(sk_builder *b)
{
    int rope = sk_plan_rope(b);
    if (rope < 0)
        return;
    sk_plan_rope_at(b, rope, true, 0);
    if (b->hp->ratio[b->layer] > 0)
        sk_plan_rope_at(b, rope, false, 1 - b->hp->ratio[b->layer]);
}

/* A cached layer of summaries of n elements, made of src. Returns which. */
static int32_t plan_pool(sk_builder *b, int src, const pool_slots *s, int64_t n)
{
    const sk_hparam *hp = b->hp;
    int64_t ratio = hp->ratio[b->layer], n_set = ratio == 4 ? 2 : 1, n_turn = hp->n_rot[b->layer];
    sk_linear parts[] = {sk_plan_weight(b, s->values), sk_plan_weight(b, s->scores)};
    const float *places = sk_plan_vector(b, s->places);
    int rope = sk_plan_rope(b);
    sk_plan_linear(b, src, parts, (int[]){SK_R_C, SK_R_DT}, 2);
    sk_pool *pool = sk_plan_keep_of(b, 1, sizeof *pool);
    int32_t kv = sk_plan_kv(b, 1, n, n);
    if (b->status != SKALD_OK)
        return -1;
    b->plan->kvs[kv].joint = true;
    b->plan->kvs[kv].each = ratio;
    *pool = (sk_pool){.ratio = ratio, .n_set = n_set, .places = places};
    pool->memory = sk_plan_memory(b, (n_set == 2 ? 9 : 3) * n);
    sk_step *step = sk_plan_step(b, SK_OP_POOL, SK_SET_ROWS);
    step->dst = SK_R_U;
    step->src = SK_R_C;
    step->n = n;
    step->pool = pool;
    step->weight_slot = s->places;
    sk_plan_width(b, SK_R_U, n);
    sk_plan_norm_as(b, SK_R_U, SK_R_U, s->norm, 1, n, false, 0);
    if (rope >= 0)
        sk_plan_turn(b, SK_R_U, sk_plan_rope_at(b, rope, false, 1 - ratio), 1, n, n - n_turn);
    sk_plan_store(b, kv, SK_R_U);
    return kv;
}

/* Queries of low, and c of src: normed, rotated, c stored. */
static void plan_pooled_inputs(sk_builder *b, const sk_attn *attn, int src, int rope)
{
    const sk_hparam *hp = b->hp;
    int64_t still = attn->dk - hp->n_rot[b->layer];
    sk_linear parts[] = {sk_plan_weight(b, SK_T_MLA_Q_A), sk_plan_weight(b, SK_T_POOL_KV)};
    sk_plan_linear(b, src, parts, (int[]){SK_R_LOW, SK_R_K}, 2);
    sk_plan_norm_as(b, SK_R_LOW, SK_R_LOW, SK_T_MLA_Q_A_NORM, 1, hp->n_latent_q, false, 0);
    sk_plan_norm_as(b, SK_R_K, SK_R_K, SK_T_POOL_KV_NORM, 1, attn->dk, false, 0);
    sk_linear query = sk_plan_weight(b, SK_T_POOL_Q);
    sk_plan_linear(b, SK_R_LOW, &query, (int[]){SK_R_Q}, 1);
    sk_plan_norm_as(b, SK_R_Q, SK_R_Q, -1, attn->n_head, attn->dk, false, 0);
    sk_plan_turn(b, SK_R_Q, rope, attn->n_head, attn->dk, still);
    sk_plan_turn(b, SK_R_K, rope, 1, attn->dk, still);
}

/* The summaries, and what chooses among them. */
static void plan_pooled_parts(sk_builder *b, sk_attn *attn, int src, int rope)
{
    static const pool_slots main = {SK_T_POOL_VALUES, SK_T_POOL_SCORES, SK_T_POOL_PLACES,
                                    SK_T_POOL_NORM};
    static const pool_slots index = {SK_T_INDEX_POOL_VALUES, SK_T_INDEX_POOL_SCORES,
                                     SK_T_INDEX_POOL_PLACES, SK_T_INDEX_POOL_NORM};
    int64_t ratio = b->hp->ratio[b->layer];
    if (ratio == 0)
        return;
    attn->pooled = plan_pool(b, src, &main, attn->dk);
    attn->ratio = ratio;
    if (ratio == 4)
        attn->index =
            sk_plan_index_pooled(b, src, SK_R_LOW, rope, plan_pool(b, src, &index, b->hp->n_index));
}

void sk_plan_pooled(sk_builder *b, int src, int dst)
{
    const sk_hparam *hp = b->hp;
    int64_t n_turn = hp->n_rot[b->layer], n_group = hp->n_out_group;
    int rope = sk_plan_rope(b);
    sk_attn *attn = sk_plan_attn(b, rope);
    if (!attn)
        return;
    b->plan->kvs[attn->kv].joint = true;
    b->plan->kvs[attn->kv].turn = attn->dk - n_turn;
    plan_pooled_inputs(b, attn, src, rope);
    plan_pooled_parts(b, attn, src, rope);
    sk_plan_attend(b, attn, SK_R_Q);
    if (rope >= 0)
        sk_plan_turn(b, SK_R_A, sk_plan_rope_at(b, rope, true, 0), attn->n_head, attn->dk,
                     attn->dk - n_turn);
    sk_plan_heads(b, SK_R_A, attn->n_head * attn->dv / n_group, SK_T_POOL_OUT_A, n_group);
    sk_plan_join(b, SK_R_Z, hp->n_out_rank, hp->n_out_rank, n_group);
    sk_linear out = sk_plan_weight(b, SK_T_POOL_OUT_B);
    sk_plan_linear(b, SK_R_Z, &out, (int[]){dst}, 1);
}

/* ---- pool: dst = what a block has come to, in the row that completes it; else zeros -------------
 */

/* Sums of a part of the channels, each `stride` floats from the next: greatest score, exponentials,
 * values. */
typedef struct pooled_sums {
    const float *from;
    float *to;
    int64_t stride;
} pooled_sums;

/* Adds a token's value to the sums of a channel, which begin with it if it is `fresh`. */
static void pooled_add(const pooled_sums *s, int64_t c, float score, float value, bool fresh)
{
    float m = s->from[c], l = s->from[c + s->stride], o = s->from[c + 2 * s->stride];
    if (fresh) {
        m = score;
        l = 1;
        o = value;
    } else if (score > m) {
        float keep = sk_expf(m - score);
        m = score;
        l = l * keep + 1;
        o = o * keep + value;
    } else {
        float take = sk_expf(score - m);
        l = l + take;
        o = o + value * take;
    }
    s->to[c] = m;
    s->to[c + s->stride] = l;
    s->to[c + 2 * s->stride] = o;
}

/* The pooled value of the sums of two blocks; of the second alone, if there is no first. */
static float pooled_value(const float *first, const float *second, int64_t stride)
{
    if (!first)
        return second[2 * stride] / second[stride];
    float m = first[0] > second[0] ? first[0] : second[0];
    float a = sk_expf(first[0] - m), b = sk_expf(second[0] - m);
    return (first[2 * stride] * a + second[2 * stride] * b) /
           (first[stride] * a + second[stride] * b);
}

/* The sums of set `i` in the arrays that a row reads and writes. */
static pooled_sums pooled_set(const sk_step *step, const sk_walk *w, int64_t i)
{
    int64_t at = step->pool->memory + 3 * i * step->n;
    return (pooled_sums){w->from + at, w->to + at, step->n};
}

static void pooled_row(const sk_pass *p, const sk_step *step, const sk_walk *w, int64_t c0,
                       int64_t c1)
{
    const sk_pool *pool = step->pool;
    int64_t position = p->rows[w->row].position, place = position % pool->ratio, n = step->n;
    bool fresh = place == 0, complete = place == pool->ratio - 1, twice = pool->n_set == 2;
    const float *value = sk_pass_reg(p, step->src, w->row);
    const float *score = sk_pass_reg(p, SK_R_DT, w->row);
    const float *at = pool->places + place * n * pool->n_set;
    float *out = sk_pass_reg(p, step->dst, w->row);
    int64_t own = twice ? 1 : 0;
    for (int64_t i = 0; i < pool->n_set; i++) {
        pooled_sums sums = pooled_set(step, w, i);
        for (int64_t c = c0; c < c1; c++)
            pooled_add(&sums, c, score[i * n + c] + at[i * n + c], value[i * n + c], fresh);
    }
    pooled_sums ended = pooled_set(step, w, own), next = pooled_set(step, w, 0);
    pooled_sums before = twice ? pooled_set(step, w, 2) : ended;
    bool has_before = twice && position >= pool->ratio;
    for (int64_t c = c0; c < c1; c++)
        out[c] = complete ? pooled_value(has_before ? before.from + c : NULL, ended.to + c, n) : 0;
    const float *left = complete ? next.to : before.from;
    for (int64_t i = 0; twice && left != before.to && i < 3; i++)
        memcpy(before.to + i * n + c0, left + i * n + c0, (size_t)(c1 - c0) * sizeof *out);
}

static int64_t pooled_tiles(const sk_step *step)
{
    return (step->n + POOL_CHANNELS - 1) / POOL_CHANNELS;
}

static void pooled_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_runs(p, pooled_tiles(step), (double)(POOL_CHANNELS * 32 * step->pool->n_set), work);
}

static void pooled_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n = pooled_tiles(step);
    for (int64_t tile = first; tile < last; tile++) {
        int64_t c0 = tile % n * POOL_CHANNELS, c1 = c0 + POOL_CHANNELS;
        c1 = c1 < step->n ? c1 : step->n;
        for (sk_walk w = sk_walk_begin(p, tile / n); w.row >= 0; w = sk_walk_next(p, w))
            pooled_row(p, step, &w, c0, c1);
    }
}

const sk_op sk_op_pool = {pooled_begin, pooled_run};
