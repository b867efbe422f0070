/* SPDX-License-Identifier: MIT */
/*
 * Mixture of experts: a router chooses n_used of n_expert feed-forward blocks for each row.
 *
 *   p = softmax(W_r x (+ b)), sigmoid, or the root of softplus;  S = the n_used largest of p (+
 * bias), ties to the lower index;  w_e = p_e, or that / max(sum over S of p, 2^-14), or softmax
 * over S of W_r x;  * scale y = sum over S, in the order of choice, of w_e * down_e(f(gate_e x) *
 * up_e x)
 *     + the block that all tokens use, where there is one
 *
 * Or, in the first layers of some models, the experts are those of the token, from a table.
 * With groups, only experts of the best n_group_used groups are chosen from; a group counts as much
 * as its two best experts together.
 *
 * Grove MoE has a second choice behind that, among adjugate experts that stand for groups of the
 * first: y += scale * (sum of w_e' down'(f(gate' y) * up' y)), e' = e / group, w the probability of
 * the expert that has that number, and these divided by their sum.
 *
 * Rows are gathered by expert, so that each expert's weights are read once per batch and those of
 * experts that no row chose never. A row's outputs are kept apart by expert and added at the end,
 * in its own order: who shares the batch changes nothing.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

#define MOE_LEAST_SUM 6.103515625e-5f /* 2^-14: what the sum of weights counts at least */

/* ---- The plan -------------------------------------------------------------------------------- */

static sk_linear moe_experts(sk_builder *b, int slot)
{
    sk_linear weight = {0};
    if (b->status == SKALD_OK)
        b->status = sk_slot_experts(b->weights, slot, b->layer, &weight, b->error);
    return weight;
}

/* One tensor for all experts, or one tensor each. */
static sk_linear moe_experts_or_list(sk_builder *b, int slot, int list_slot)
{
    sk_linear weight = {0};
    if (b->status != SKALD_OK || sk_plan_has(b, slot) || !sk_plan_has(b, list_slot))
        return moe_experts(b, slot);
    b->status = sk_slot_expert_list(b->weights, list_slot, b->layer, &weight, b->error);
    return weight;
}

/* The matrices of gate and up: two tensors, or two halves of one; or up alone. How many. */
static int moe_gate_up(sk_builder *b, sk_linear parts[2])
{
    if (!sk_plan_ffn_gated(b)) {
        parts[0] = moe_experts(b, SK_T_FFN_UP_EXPS);
        return 1;
    }
    if (sk_plan_has(b, SK_T_FFN_GATE_UP_EXPS)) {
        sk_linear whole = moe_experts(b, SK_T_FFN_GATE_UP_EXPS);
        parts[0] = sk_plan_rows(b, &whole, 0, b->hp->n_ff_exp);
        parts[1] = sk_plan_rows(b, &whole, b->hp->n_ff_exp, b->hp->n_ff_exp);
        return 2;
    }
    parts[0] = moe_experts_or_list(b, SK_T_FFN_GATE_EXPS, SK_T_FFN_GATE_EXP);
    parts[1] = moe_experts_or_list(b, SK_T_FFN_UP_EXPS, SK_T_FFN_UP_EXP);
    return 2;
}

static const sk_moe *moe_rules(sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    sk_moe *moe = sk_plan_keep_of(b, 1, sizeof *moe);
    if (!moe)
        return NULL;
    *moe = (sk_moe){.n_expert = hp->n_expert,
                    .n_used = hp->n_expert_used,
                    .n_group = hp->n_group,
                    .n_group_used = hp->n_group_used,
                    .gating = (int)hp->moe_gating,
                    .normed = hp->weights_norm != 0,
                    .weigh_before = b->arch->moe_weigh == SK_WEIGH_BEFORE,
                    .scale = hp->weights_scale != 0 ? (float)hp->weights_scale : 1};
    if (sk_plan_has(b, SK_T_EXP_PROBS_B))
        b->status = sk_slot_vector(b->weights, SK_T_EXP_PROBS_B, b->layer, &moe->bias, b->error);
    if (b->status == SKALD_OK && b->layer < hp->n_hash)
        b->status = sk_slot_ids(b->weights, SK_T_EXPERT_TABLE, b->layer, &moe->table, b->error);
    b->plan->n_expert = moe->n_expert;
    b->plan->n_used = moe->n_used;
    return moe;
}

/* The rules of a second choice, among fewer experts: each stands for some of those that the router
 * knows, and may be chosen for several of them. */
static const sk_moe *moe_adjugate_rules(sk_builder *b, const sk_moe *first)
{
    sk_moe *moe = sk_plan_keep_of(b, 1, sizeof *moe);
    if (!moe)
        return NULL;
    *moe = *first;
    moe->fold = b->hp->n_per_group;
    if (moe->n_used > moe->n_expert / moe->fold)
        moe->n_used = moe->n_expert / moe->fold;
    return moe;
}

static void moe_step(sk_builder *b, int op, int src, const sk_linear *parts, const int *dsts,
                     int n_part)
{
    sk_step *step = sk_plan_step(b, op, SK_SET_PAIRS);
    step->src = src;
    step->n_part = n_part;
    for (int i = 0; i < n_part; i++) {
        step->part[i] = parts[i];
        step->part_dst[i] = dsts[i];
        sk_plan_width(b, dsts[i], parts[i].n_out);
    }
}

static void moe_route(sk_builder *b, const sk_moe *moe)
{
    sk_step *step = sk_plan_step(b, SK_OP_ROUTE, SK_SET_ROWS);
    step->src = SK_R_ROUTER;
    step->n = moe->n_expert;
    step->moe = moe;
    step = sk_plan_step(b, SK_OP_GATHER, SK_SET_PAIRS);
    step->moe = moe;
}

static void moe_weigh(sk_builder *b, int reg, const sk_moe *moe)
{
    sk_step *step = sk_plan_step(b, SK_OP_WEIGH, SK_SET_PAIRS);
    step->dst = step->src = reg;
    step->n = b->hp->n_ff_exp;
    step->moe = moe;
}

void sk_plan_router(sk_builder *b, int src)
{
    bool normed = b->arch->moe_router == SK_ROUTER_NORMED;
    int64_t n_embd = b->hp->n_embd;
    if (normed) {
        sk_plan_norm(b, SK_R_X, src, SK_T_ROUTER_NORM, 1, n_embd);
        sk_plan_scale(b, SK_R_X, 1 / sqrt((double)n_embd), n_embd);
    }
    sk_linear router = sk_plan_weight(b, normed ? SK_T_ROUTER_NORMED : SK_T_FFN_ROUTER);
    sk_plan_linear(b, normed ? SK_R_X : src, &router, (int[]){SK_R_ROUTER}, 1);
}

/* A narrower input of the experts; the router reads the whole. */
static void moe_latent(sk_builder *b, int src, const sk_linear *parts, int n_part)
{
    sk_linear both[2] = {sk_plan_weight(b, SK_T_FFN_LATENT_DOWN), parts[n_part]};
    sk_plan_linear(b, src, both, (int[]){SK_R_LATENT, SK_R_ROUTER}, 2);
    sk_plan_act(b, SK_R_LATENT, parts, n_part);
}

/* The matrices that read the block's input: gate and up of the experts and, behind them, the
 * router, with the one activation that serves them all. How many those of the experts are. */
static int moe_inputs(sk_builder *b, int src, sk_linear parts[3])
{
    bool routes = b->arch->moe_router == SK_ROUTER_FFN;
    int n_part = moe_gate_up(b, parts);
    if (routes)
        parts[n_part] = sk_plan_weight(b, SK_T_FFN_ROUTER);
    if (b->status != SKALD_OK)
        return n_part;
    if (b->hp->n_latent > 0) {
        moe_latent(b, src, parts, n_part);
        return n_part;
    }
    sk_plan_act(b, src, parts, n_part + routes);
    if (!routes)
        return n_part;
    sk_step *step = sk_plan_step(b, SK_OP_LINEAR, SK_SET_ROWS);
    step->src = src;
    step->n_part = 1;
    step->part[0] = parts[n_part];
    step->part_dst[0] = SK_R_ROUTER;
    sk_plan_width(b, SK_R_ROUTER, parts[n_part].n_out);
    return n_part;
}

/* The chosen experts' work: of `in`, whose activations are there, to e_out. */
static void moe_experts_steps(sk_builder *b, const sk_moe *moe, int in, const sk_linear *parts,
                              int n_part, const sk_linear *down, int64_t n_ff)
{
    moe_route(b, moe);
    moe_step(b, SK_OP_EXPERTS, in, parts, (int[]){SK_R_E_GATE, SK_R_E_UP}, n_part);
    if (moe->weigh_before) {
        moe_weigh(b, SK_R_E_GATE, moe);
        moe_weigh(b, SK_R_E_UP, moe);
    }
    sk_plan_glu(b, SK_R_E_GATE, n_part == 2 ? SK_R_E_UP : -1,
                sk_plan_ffn_fn(b, b->hp->clamp_exp[b->layer]), n_ff);
    sk_plan_act(b, SK_R_E_GATE, down, 1);
    moe_step(b, SK_OP_EXPERTS, SK_R_E_GATE, down, (int[]){SK_R_E_OUT}, 1);
}

static void moe_combine(sk_builder *b, const sk_moe *moe, int dst, int64_t n)
{
    sk_step *step = sk_plan_step(b, SK_OP_COMBINE, SK_SET_ROWS);
    step->dst = dst;
    step->src = SK_R_E_OUT;
    step->n = n;
    step->moe = moe;
    sk_plan_width(b, dst, n);
}

/* dst += what adjugate experts make of it, times the model's scale. */
static void moe_adjugate(sk_builder *b, const sk_moe *first, int dst)
{
    const sk_moe *moe = moe_adjugate_rules(b, first);
    sk_linear parts[] = {moe_experts(b, SK_T_FFN_GATE_CHEXPS), moe_experts(b, SK_T_FFN_UP_CHEXPS)};
    sk_linear down = moe_experts(b, SK_T_FFN_DOWN_CHEXPS);
    if (b->status != SKALD_OK)
        return;
    sk_plan_act(b, dst, parts, 2);
    moe_experts_steps(b, moe, dst, parts, 2, &down, b->hp->n_ff_chunk);
    moe_combine(b, moe, SK_R_S, b->hp->n_embd);
    sk_plan_scale(b, SK_R_S, b->hp->scale_group, b->hp->n_embd);
    sk_plan_add(b, dst, SK_R_S, b->hp->n_embd);
}

void sk_plan_moe(sk_builder *b, int src, int dst)
{
    int64_t n_embd = b->hp->n_embd;
    int in = b->hp->n_latent > 0 ? SK_R_LATENT : src, out = b->hp->n_latent > 0 ? in : dst;
    const sk_moe *moe = moe_rules(b);
    bool shared = b->arch->shared != SK_SHARED_NONE && sk_plan_has(b, SK_T_FFN_UP_SHEXP);
    sk_linear parts[3];
    int n_part = moe_inputs(b, src, parts);
    sk_linear down = moe_experts_or_list(b, SK_T_FFN_DOWN_EXPS, SK_T_FFN_DOWN_EXP);
    if (b->status != SKALD_OK)
        return;
    moe_experts_steps(b, moe, in, parts, n_part, &down, b->hp->n_ff_exp);
    if (shared)
        sk_plan_shared(b, src, SK_R_S);
    moe_combine(b, moe, out, b->hp->n_expert_in);
    if (out != dst) {
        sk_linear up = sk_plan_weight(b, SK_T_FFN_LATENT_UP);
        sk_plan_linear(b, out, &up, (int[]){dst}, 1);
    }
    if (shared)
        sk_plan_add(b, dst, SK_R_S, n_embd);
    if (b->arch->moe_half)
        sk_plan_scale(b, dst, 0.5, n_embd);
    if (b->arch->moe_adjugate)
        moe_adjugate(b, moe, dst);
}

/* ---- route: the source's logits to chosen experts and their weights ----------------------------
 */

static bool route_is_finite(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if ((sk_f32_bits(x[i]) & 0x7fffffffu) >= 0x7f800000u)
            return false;
    }
    return true;
}

/* The sum of the two largest of a group. */
static float route_group_score(const float *p, int64_t n)
{
    float best = p[0], second = -INFINITY;
    for (int64_t i = 1; i < n; i++) {
        if (p[i] > best) {
            second = best;
            best = p[i];
        } else if (p[i] > second) {
            second = p[i];
        }
    }
    return n > 1 ? best + second : best;
}

/* Marks the groups that may be chosen from. */
static void route_groups(const sk_moe *moe, const float *p, bool *open)
{
    float score[SK_MAX_EXPERTS];
    int64_t size = moe->n_expert / moe->n_group;
    for (int64_t g = 0; g < moe->n_group; g++) {
        score[g] = route_group_score(p + g * size, size);
        open[g] = false;
    }
    for (int64_t k = 0; k < moe->n_group_used; k++) {
        int64_t best = -1;
        for (int64_t g = 0; g < moe->n_group; g++) {
            if (!open[g] && (best < 0 || score[g] > score[best]))
                best = g;
        }
        open[best] = true;
    }
}

/* The n_used largest of p in descending order, ties to the lower index. */
static void route_choose(const sk_moe *moe, const float *p, int32_t *expert)
{
    bool open[SK_MAX_EXPERTS], taken[SK_MAX_EXPERTS] = {false};
    int64_t n_group = moe->n_group > 1 ? moe->n_group : 1, size = moe->n_expert / n_group;
    if (n_group > 1)
        route_groups(moe, p, open);
    for (int64_t k = 0; k < moe->n_used; k++) {
        int64_t best = -1;
        for (int64_t e = 0; e < moe->n_expert; e++) {
            if (taken[e] || (n_group > 1 && !open[e / size]))
                continue;
            if (best < 0 || p[e] > p[best])
                best = e;
        }
        taken[best] = true;
        expert[k] = (int32_t)best;
    }
}

/* The experts of the row's token; one that there is not fails the row. */
static void route_look_up(sk_pass *p, const sk_step *step, int64_t i, int32_t *expert)
{
    const sk_moe *moe = step->moe;
    const uint8_t *ids = (const uint8_t *)moe->table + p->rows[i].token * moe->n_used * 4;
    for (int64_t k = 0; k < moe->n_used; k++) {
        uint32_t id = sk_le32(ids + 4 * k);
        if (id >= (uint64_t)moe->n_expert)
            sk_pass_fail(p, SK_SET_ROWS, i, step->layer);
        expert[k] = id < (uint64_t)moe->n_expert ? (int32_t)id : 0;
    }
}

/* Logits become what weights are taken from. */
static void route_gate(const sk_pass *p, const sk_moe *moe, float *probs)
{
    static const sk_fn sigmoid = {.kind = SK_FN_SIGMOID}, softplus = {.kind = SK_FN_SOFTPLUS};
    if (moe->gating == SK_GATING_SOFTMAX)
        p->k->softmax(probs, moe->n_expert);
    else if (moe->gating == SK_GATING_SIGMOID)
        p->k->apply(&sigmoid, probs, probs, NULL, moe->n_expert);
    if (moe->gating != SK_GATING_ROOT)
        return;
    p->k->apply(&softplus, probs, probs, NULL, moe->n_expert);
    for (int64_t e = 0; e < moe->n_expert; e++)
        probs[e] = sqrtf(probs[e]);
}

/* The weights of the experts chosen. */
static void route_weights(const sk_pass *p, const sk_moe *moe, const float *probs,
                          const int32_t *expert, float *weight)
{
    float sum = 0;
    for (int64_t k = 0; k < moe->n_used; k++)
        weight[k] = probs[expert[k]];
    if (moe->gating == SK_GATING_SELECTED)
        p->k->softmax(weight, moe->n_used);
    for (int64_t k = 0; k < moe->n_used; k++)
        sum += weight[k];
    sum = sum > MOE_LEAST_SUM ? sum : MOE_LEAST_SUM;
    for (int64_t k = 0; moe->normed && k < moe->n_used; k++)
        weight[k] /= sum;
    for (int64_t k = 0; moe->scale != 1 && k < moe->n_used; k++)
        weight[k] *= moe->scale;
}

static void route_row(sk_pass *p, const sk_step *step, int64_t i)
{
    const sk_moe *moe = step->moe;
    float *probs = sk_pass_reg(p, step->src, i), biased[SK_MAX_EXPERTS];
    int32_t *expert = p->choice.expert + i * moe->n_used;
    float *weight = p->choice.weight + i * moe->n_used;
    if (!route_is_finite(probs, moe->n_expert)) {
        sk_pass_fail(p, SK_SET_ROWS, i, step->layer);
        memset(probs, 0, (size_t)moe->n_expert * sizeof *probs);
    }
    if (moe->fold == 0) /* else they are there from the first choice */
        route_gate(p, moe, probs);
    for (int64_t e = 0; moe->bias && e < moe->n_expert; e++)
        biased[e] = probs[e] + moe->bias[e];
    if (moe->table)
        route_look_up(p, step, i, expert);
    else
        route_choose(moe, moe->bias ? biased : probs, expert);
    for (int64_t k = 0; moe->fold > 1 && k < moe->n_used; k++)
        expert[k] /= (int32_t)moe->fold;
    route_weights(p, moe, probs, expert, weight);
}

static void route_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost *= (double)(8 + step->moe->n_used);
    p->choice.n_used = step->moe->n_used;
}

static void route_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        route_row(p, step, i);
}

const sk_op sk_op_route = {route_begin, route_run};

/* ---- gather: pairs in the order of their experts (counting sort, one tile) ---------------------
 */

static void gather_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    (void)step;
    *work = (sk_work){.n_tiles = 1, .unit = 1};
    work->cost = 4.0 * (double)(sk_pass_count(p, SK_SET_PAIRS) + p->plan->n_expert);
}

static void gather_run(sk_pass *p, const sk_step *step, int64_t tile, int64_t end)
{
    sk_choice *choice = &p->choice;
    int64_t n_pair = sk_pass_count(p, SK_SET_PAIRS), n_expert = step->moe->n_expert;
    (void)tile;
    (void)end;
    memset(choice->first, 0, (size_t)(n_expert + 1) * sizeof *choice->first);
    for (int64_t i = 0; i < n_pair; i++)
        choice->first[choice->expert[i] + 1]++;
    for (int64_t e = 0; e < n_expert; e++) {
        choice->first[e + 1] += choice->first[e];
        choice->first_tile[e] = choice->first[e]; /* here: where the next one of e goes */
    }
    for (int64_t i = 0; i < n_pair; i++) {
        int64_t at = choice->first_tile[choice->expert[i]]++;
        choice->pair_of[at] = (int32_t)i;
        choice->row_of[at] = (int32_t)(i / step->moe->n_used);
    }
}

const sk_op sk_op_gather = {gather_begin, gather_run};

/* ---- combine: dst = the weighted sum of a row's pairs in the source ----------------------------
 */

static void combine_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost *= (double)step->moe->n_used;
}

static void combine_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n_used = step->moe->n_used;
    for (int64_t i = first; i < last; i++) {
        float *sum = sk_pass_reg(p, step->dst, i);
        memset(sum, 0, (size_t)step->n * sizeof *sum);
        for (int64_t k = i * n_used; k < (i + 1) * n_used; k++)
            p->k->fma(sum, sk_pass_reg(p, step->src, k),
                      step->moe->weigh_before ? 1.0f : p->choice.weight[k], step->n);
    }
}

const sk_op sk_op_combine = {combine_begin, combine_run};

/* ---- weigh: dst *= the pair's weight -----------------------------------------------------------
 */

static void weigh_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        p->k->scale(sk_pass_reg(p, step->dst, i), p->choice.weight[i], step->n);
}

const sk_op sk_op_weigh = {sk_begin_rows, weigh_run};
