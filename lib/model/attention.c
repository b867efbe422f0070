/* SPDX-License-Identifier: MIT */
/*
 * Attention over the cache: grouped query heads, rotary positions, optional norms of queries and
 * keys, windows, sinks, slopes and gates.
 *
 *   q, k, v = W x (+ b);  q, k = norm(q), norm(k) per head;  q, k = rope(q), rope(k)
 *   cache <- k, v;  a = softmax(scale * q K) V;  W (a * gate(W x)) (+ b)
 *
 * A window bounds what is seen, and what is kept (cache.h).
 *
 * Keys and values are read back from the cache, in its type, also by the rows of the batch that
 * stored them: a row sees the same bits however the text was cut into batches.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "tensor/math.h"

#include <math.h>
#include <string.h>

/* ---- The plan -------------------------------------------------------------------------------- */

/* Views of the rows of a matrix that has room for n_embd elements of each. */
static void plan_qkv_wide(sk_builder *b, const sk_attn *attn, sk_linear parts[3])
{
    int64_t n_embd = b->hp->n_embd,
            n[] = {attn->n_head * attn->dk, attn->n_head_kv * attn->dk, attn->n_head_kv * attn->dv};
    sk_linear whole = sk_plan_weight(b, SK_T_ATTN_QKV_WIDE);
    for (int64_t i = 0, at = 0; i < 3 && b->status == SKALD_OK; i++) {
        if (n[i] > n_embd)
            b->status = sk_fail(b->error, SKALD_E_CORRUPT,
                                "the heads of block %d have %lld elements, wanted at most %lld",
                                (int)b->layer, (long long)n[i], (long long)n_embd);
        parts[i] = sk_plan_rows(b, &whole, at, n[i]);
        at += b->arch->qkv == SK_QKV_THIRDS ? n_embd : n[i];
    }
}

/* Three matrices, the first with the rows of a gate beside those of each head, or three views of
 * the rows of one. */
static void plan_qkv(sk_builder *b, const sk_attn *attn, int src)
{
    int64_t n_q = attn->n_head * attn->dk, n_k = attn->n_head_kv * attn->dk;
    sk_linear parts[3];
    if (b->arch->attn_gate == SK_ATTN_GATE_BESIDE_Q) {
        parts[0] = sk_plan_weight(b, SK_T_ATTN_Q_GATE);
        parts[1] = sk_plan_weight(b, SK_T_ATTN_K);
        parts[2] = sk_plan_weight(b, SK_T_ATTN_V);
        sk_plan_linear(b, src, parts, (int[]){SK_R_T, SK_R_K, SK_R_V}, 3);
        sk_plan_take(b, SK_R_Q, 0, SK_R_T, 0, attn->n_head, attn->dk, 2 * attn->dk);
        sk_plan_take(b, SK_R_A_GATE, 0, SK_R_T, attn->dk, attn->n_head, attn->dk, 2 * attn->dk);
        return;
    }
    if (attn->shared) { /* some files have keys and values of such layers all the same */
        static const int spare[] = {SK_T_ATTN_K, SK_T_ATTN_V, SK_T_ATTN_K_NORM};
        for (int i = 0; i < 3; i++)
            sk_slot_pass_over(b->weights, spare[i], b->layer);
        parts[0] = sk_plan_weight(b, SK_T_ATTN_Q);
        sk_plan_linear(b, src, parts, (int[]){SK_R_Q}, 1);
        return;
    }
    if (b->arch->v_of_k && attn->dk == attn->dv && !sk_plan_has(b, SK_T_ATTN_V)) {
        parts[0] = sk_plan_weight(b, SK_T_ATTN_Q);
        parts[1] = sk_plan_weight(b, SK_T_ATTN_K);
        sk_plan_linear(b, src, parts, (int[]){SK_R_Q, SK_R_K}, 2);
        sk_plan_take(b, SK_R_V, 0, SK_R_K, 0, 1, n_k, 0);
        return;
    }
    if (b->arch->qkv != SK_QKV_TIGHT) {
        plan_qkv_wide(b, attn, parts);
    } else if (sk_plan_has(b, SK_T_ATTN_QKV)) {
        sk_linear whole = sk_plan_weight(b, SK_T_ATTN_QKV);
        parts[0] = sk_plan_rows(b, &whole, 0, n_q);
        parts[1] = sk_plan_rows(b, &whole, n_q, n_k);
        parts[2] = sk_plan_rows(b, &whole, n_q + n_k, attn->n_head_kv * attn->dv);
    } else {
        parts[0] = sk_plan_weight(b, SK_T_ATTN_Q);
        parts[1] = sk_plan_weight(b, SK_T_ATTN_K);
        parts[2] = sk_plan_weight(b, SK_T_ATTN_V);
    }
    sk_plan_linear(b, src, parts, (int[]){SK_R_Q, SK_R_K, SK_R_V}, 3);
}

sk_step *sk_plan_turn(sk_builder *b, int reg, int rope, int64_t n_head, int64_t n, int64_t at)
{
    if (rope < 0)
        return &b->spare;
    sk_step *step = sk_plan_step(b, SK_OP_ROPE, SK_SET_ROWS);
    step->dst = reg;
    step->src = reg;
    step->rope = rope;
    step->n_vec = n_head;
    step->n = n;
    step->at = at;
    return step;
}

void sk_plan_temper(sk_builder *b, const sk_attn *attn, int64_t n)
{
    if (attn->temper == 0)
        return;
    sk_step *step = sk_plan_step(b, SK_OP_TEMPER, SK_SET_ROWS);
    step->dst = step->src = SK_R_Q;
    step->n = n;
    step->attn = attn;
}

static float attn_scale(const sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    float dk = (float)hp->head_k[b->layer];
    switch (b->arch->attn_scale) {
    case SK_ATTN_KEY:
        return hp->scale_attn != 0 ? (float)hp->scale_attn : 1.0f / sqrtf(dk);
    case SK_ATTN_RSQRT_SHARE:
        if (hp->n_layer == b->arch->scale_layers)
            dk = (float)(hp->n_embd / hp->n_head[b->layer]);
        return 1.0f / sqrtf(dk);
    case SK_ATTN_INVERSE_DK:
        return 1.0f / dk;
    case SK_ATTN_RSQRT_ROT:
        return 1.0f / sqrtf((float)(hp->n_rot[b->layer] > 0 ? hp->n_rot[b->layer] : 1));
    case SK_ATTN_OUTPUT_SCALE:
        return (float)hp->scale_attn_out;
    case SK_ATTN_RSQRT_MLA:
        return 1.0f / sqrtf((float)hp->dk_mla);
    case SK_ATTN_YARN_MLA: {
        double growth = sk_plan_rope_growth(b);
        return (float)(growth * growth / sqrt((double)hp->dk_mla));
    }
    case SK_ATTN_UNSCALED:
        return 1;
    case SK_ATTN_RSQRT_DV:
        return 1.0f / sqrtf((float)hp->head_v[b->layer]);
    default:
        return 1.0f / sqrtf(dk);
    }
}

/* Of ALiBi (arXiv:2108.12409): with n2 the largest power of two that is at most n_head, heads up to
 * n2 take powers of 2^(-bias / n2), the others odd powers of its root. */
static void attn_slopes(sk_builder *b, sk_attn *attn)
{
    int rule = b->arch->alibi;
    double bias = rule == SK_ALIBI_KEY ? b->hp->alibi_bias : 8;
    if (rule == SK_ALIBI_NONE || bias == 0 || (rule == SK_ALIBI_8_IF_40 && b->hp->n_layer != 40))
        return;
    float *slope = sk_plan_keep(b, attn->n_head);
    int64_t n2 = 1;
    while (n2 <= attn->n_head / 2)
        n2 *= 2;
    for (int64_t h = 0; slope && h < attn->n_head; h++) {
        double power = h < n2 ? (double)(h + 1) : (double)(2 * (h - n2) + 1) / 2;
        slope[h] = (float)sk_pow(2, -bias / (double)n2 * power);
    }
    attn->slope = slope;
}

/* T5's bucket of a key so far ahead of a row: near ones have one each, then they grow with the
 * logarithm, up to SK_NEAR; to both sides, each has half of them. */
static int64_t near_bucket(int64_t far, int64_t n, bool both)
{
    int64_t base = 0, d = far < 0 ? -far : 0;
    if (both) {
        n /= 2;
        base = far > 0 ? n : 0;
        d = far < 0 ? -far : far;
    }
    int64_t each = n / 2;
    if (d < each)
        return base + d;
    double more = sk_log((double)d / (double)each) / sk_log((double)SK_NEAR / (double)each);
    int64_t bucket = each + (int64_t)floor(more * (double)(n - each));
    return base + (bucket < n - 1 ? bucket : n - 1);
}

/* Biases by distance; a layer without a table has the first one's. */
static void attn_near(sk_builder *b, sk_attn *attn)
{
    if (!b->arch->buckets)
        return;
    int32_t layer = b->layer;
    b->layer = sk_plan_has(b, SK_T_ATTN_REL_B) ? layer : 0;
    const float *table = sk_plan_vector_now(b, SK_T_ATTN_REL_B);
    b->layer = layer;
    float *near = sk_plan_keep(b, attn->n_head * (2 * SK_NEAR + 1));
    for (int64_t h = 0; table && near && h < attn->n_head; h++)
        for (int64_t far = -SK_NEAR; far <= SK_NEAR; far++) {
            int64_t bucket = near_bucket(far, b->hp->n_bucket, attn->whole);
            near[h * (2 * SK_NEAR + 1) + SK_NEAR + far] = table[bucket * attn->n_head + h];
        }
    attn->near = near;
}

static void attn_temper(const sk_builder *b, sk_attn *attn, int rope)
{
    if (b->arch->temper == SK_TEMPER_KEY || b->arch->temper == SK_TEMPER_LENGTH) {
        bool own = b->arch->temper == SK_TEMPER_LENGTH;
        attn->temper = (float)b->hp->temper;
        attn->temper_length = own ? b->hp->temper_length : b->hp->n_ctx_orig;
    } else if (b->arch->temper == SK_TEMPER_UNTURNED && rope < 0 && b->hp->window > 0) {
        attn->temper = 0.1f;
        attn->temper_length = 8192;
        attn->temper_offset = 1;
    }
}

/* Whether nothing but the rotation ties a key to its position: a norm that comes after it has
 * weights of its own for each element, chunks of a context are where they are, and what sees to
 * both sides has seen what is taken out. */
static bool attn_turns(const sk_builder *b, const sk_attn *attn, int rope)
{
    bool after = rope >= 0 && b->arch->qk_order == SK_QK_AFTER;
    return !(after && b->arch->qk_norm != SK_QK_NORM_NONE) && !(attn->window && attn->chunked) &&
           !attn->whole;
}

/* How far back what is cached is seen, by this layer and by those that read it before. */
static void attn_keeps(const sk_attn *attn, sk_kv *kv)
{
    bool all = attn->window == 0 || attn->whole || (attn->shared && kv->window == 0);
    if (all)
        kv->window = 0;
    else if (kv->window < attn->window)
        kv->window = attn->window;
}

sk_attn *sk_plan_attn(sk_builder *b, int rope)
{
    const sk_hparam *hp = b->hp;
    sk_attn *attn = sk_plan_keep_of(b, 1, sizeof *attn);
    if (!attn)
        return NULL;
    attn->n_head = hp->n_head[b->layer];
    attn->n_head_kv = hp->n_head_kv[b->layer];
    attn->dk = hp->head_k[b->layer];
    attn->dv = hp->head_v[b->layer];
    attn->scale = attn_scale(b);
    attn->cap = (float)hp->cap_attn;
    attn->window = hp->span[b->layer];
    attn->chunked = b->arch->window_chunked;
    int64_t from = sk_hparam_kv_layer(hp, b->layer);
    attn->shared = from != b->layer;
    if (!attn->shared)
        b->kv_of[from] = sk_plan_kv(b, attn->n_head_kv, attn->dk, attn->dv);
    attn->kv = b->kv_of[from];
    attn->pooled = -1;
    attn->whole = !hp->causal;
    if (b->status == SKALD_OK) {
        attn_keeps(attn, &b->plan->kvs[attn->kv]);
        b->plan->kvs[attn->kv].turns = attn_turns(b, attn, rope);
        b->plan->kvs[attn->kv].rope = rope;
    }
    attn_slopes(b, attn);
    attn_near(b, attn);
    attn_temper(b, attn, rope);
    if (sk_plan_has(b, SK_T_ATTN_SINKS) && b->status == SKALD_OK)
        b->status = sk_slot_vector(b->weights, SK_T_ATTN_SINKS, b->layer, &attn->sink, b->error);
    return attn;
}

/* Norms of heads that share all weights of a head but for one factor each; slot -1: none. */
static void plan_norm_factors(sk_builder *b, int reg, int slot, int64_t n_head, int64_t dk)
{
    const float *factors = slot < 0 ? NULL : sk_plan_vector_now(b, slot);
    float *weight = slot < 0 ? NULL : sk_plan_keep(b, n_head * dk);
    for (int64_t i = 0; factors && weight && i < n_head * dk; i++)
        weight[i] = factors[i / dk];
    sk_step *step = sk_plan_norm_as(b, reg, reg, -1, n_head, dk, false, dk);
    step->weight = weight;
    step->weight_slot = slot;
}

/* Norms of the heads of q (which 0) or k (1). */
static void plan_qk_norm(sk_builder *b, int which, int64_t n_head, int64_t dk, int rope)
{
    int reg = which ? SK_R_K : SK_R_Q;
    int head = which ? SK_T_ATTN_K_NORM : SK_T_ATTN_Q_NORM;
    int whole = which ? SK_T_ATTN_K_NORM_ALL : SK_T_ATTN_Q_NORM_ALL;
    int rows = which ? SK_T_ATTN_K_NORM_ROWS : SK_T_ATTN_Q_NORM_ROWS;
    switch (b->arch->qk_norm) {
    case SK_QK_NORM_HEAD_IF:
        if (sk_plan_has(b, head))
            sk_plan_norm_as(b, reg, reg, head, n_head, dk, false, 0);
        break;
    case SK_QK_NORM_HEAD:
        sk_plan_norm_as(b, reg, reg, head, n_head, dk, false, 0);
        break;
    case SK_QK_NORM_WHOLE:
        sk_plan_norm_as(b, reg, reg, whole, 1, n_head * dk, false, 0);
        break;
    case SK_QK_NORM_HEAD_LAYER_IF:
        if (sk_plan_has(b, rows))
            sk_plan_norm_as(b, reg, reg, rows, n_head, dk, true, dk);
        break;
    case SK_QK_NORM_WHOLE_LAYER_IF:
        if (sk_plan_has(b, SK_T_ATTN_Q_NORM_ALL) && sk_plan_has(b, whole))
            sk_plan_norm_as(b, reg, reg, whole, 1, n_head * dk, true, 0);
        break;
    case SK_QK_NORM_ROWS:
        sk_plan_norm_as(b, reg, reg, rows, n_head, dk, false, dk);
        break;
    case SK_QK_NORM_FACTORS:
        plan_norm_factors(b, reg, which ? -1 : SK_T_ATTN_Q_FACTORS, n_head, dk);
        break;
    case SK_QK_NORM_PLAIN:
        if (rope >= 0)
            sk_plan_norm_as(b, reg, reg, -1, n_head, dk, false, 0);
        break;
    default:
        break;
    }
}

static void plan_clamp(sk_builder *b, int reg, int64_t n)
{
    if (b->hp->clamp_qkv == 0)
        return;
    sk_step *step = sk_plan_step(b, SK_OP_CLAMP, SK_SET_ROWS);
    step->dst = step->src = reg;
    step->factor = (float)b->hp->clamp_qkv;
    step->n = n;
}

/* From projections to what is stored and asked for: clamps, norms and the rotation. */
static void plan_qk(sk_builder *b, const sk_attn *attn, int rope)
{
    bool after = b->arch->qk_order == SK_QK_AFTER;
    plan_clamp(b, SK_R_Q, attn->n_head * attn->dk);
    if (!attn->shared) {
        plan_clamp(b, SK_R_K, attn->n_head_kv * attn->dk);
        plan_clamp(b, SK_R_V, attn->n_head_kv * attn->dv);
    }
    if (b->arch->v_norm && !attn->shared)
        sk_plan_norm_as(b, SK_R_V, SK_R_V, -1, attn->n_head_kv, attn->dv, false, 0);
    for (int pass = 0; pass < 2; pass++) {
        if ((pass == 1) == after) {
            plan_qk_norm(b, 0, attn->n_head, attn->dk, rope);
            if (!attn->shared)
                plan_qk_norm(b, 1, attn->n_head_kv, attn->dk, rope);
        } else {
            sk_plan_turn(b, SK_R_Q, rope, attn->n_head, attn->dk, 0);
            if (!attn->shared)
                sk_plan_turn(b, SK_R_K, rope, attn->n_head_kv, attn->dk, 0);
        }
    }
    sk_plan_temper(b, attn, attn->n_head * attn->dk);
}

/* The gate's values, which need the block's input before it is overwritten; whether there is one.
 */
static bool plan_gate_in(sk_builder *b, int src)
{
    if (b->arch->attn_gate == SK_ATTN_GATE_NONE)
        return false;
    if (b->arch->attn_gate == SK_ATTN_GATE_BESIDE_Q)
        return true; /* with the query */
    bool heads = sk_plan_fits(b, SK_T_ATTN_GATE_HEADS);
    sk_linear gate = sk_plan_weight(b, heads ? SK_T_ATTN_GATE_HEADS : SK_T_ATTN_GATE);
    sk_plan_linear(b, src, &gate, (int[]){SK_R_A_GATE}, 1);
    return true;
}

/* The register of attention's gated output. */
static int plan_gate_out(sk_builder *b, const sk_attn *attn)
{
    int64_t n = attn->n_head * attn->dv;
    bool soft = b->arch->attn_gate == SK_ATTN_GATE_SOFTPLUS;
    sk_fn fn = {.kind = soft ? SK_FN_SOFTPLUS : SK_FN_SIGMOID};
    if (sk_plan_fits(b, SK_T_ATTN_GATE_HEADS)) {
        sk_plan_gate(b, SK_R_A, SK_R_A_GATE, fn, attn->n_head, attn->dv);
        return SK_R_A;
    }
    sk_plan_glu(b, SK_R_A_GATE, SK_R_A, fn, n);
    return SK_R_A_GATE;
}

void sk_plan_store(sk_builder *b, int32_t kv, int keys)
{
    if (b->status != SKALD_OK)
        return;
    const sk_kv *of = &b->plan->kvs[kv];
    sk_step *step = sk_plan_step(b, SK_OP_STORE, SK_SET_ROWS);
    step->src = keys;
    step->kv = kv;
    step->n = of->n_head * (of->dk + (of->joint ? 0 : of->dv));
}

void sk_plan_attend(sk_builder *b, const sk_attn *attn, int src)
{
    if (!attn)
        return;
    if (!attn->shared)
        sk_plan_store(b, attn->kv, SK_R_K);
    sk_step *step = sk_plan_step(b, SK_OP_ATTEND, SK_SET_ROWS);
    step->attn = attn;
    step->dst = SK_R_A;
    step->src = src;
    sk_plan_width(b, SK_R_A, attn->n_head * attn->dv);
}

void sk_plan_attention(sk_builder *b, int src, int dst)
{
    int rope = sk_plan_rope(b);
    sk_attn *attn = sk_plan_attn(b, rope);
    if (!attn)
        return;
    attn->index = sk_plan_index_blocks(b, src, rope);
    bool gated = plan_gate_in(b, src);
    plan_qkv(b, attn, src);
    plan_qk(b, attn, rope);

    sk_plan_attend(b, attn, SK_R_Q);
    sk_plan_scale(b, SK_R_A, b->hp->scale_value, attn->n_head * attn->dv);

    int out = gated ? plan_gate_out(b, attn) : SK_R_A;
    if (sk_plan_has(b, SK_T_ATTN_SUB_NORM))
        sk_plan_norm(b, out, out, SK_T_ATTN_SUB_NORM, 1, attn->n_head * attn->dv);
    sk_plan_attention_output(b, out, dst);
}

void sk_plan_attention_output(sk_builder *b, int src, int dst)
{
    bool brief = !sk_plan_has(b, SK_T_ATTN_OUTPUT) && sk_plan_has(b, SK_T_ATTN_O);
    sk_linear output = sk_plan_weight(b, brief ? SK_T_ATTN_O : SK_T_ATTN_OUTPUT);
    sk_plan_linear(b, src, &output, (int[]){dst}, 1);
}

/* ---- temper: queries grow with their position -------------------------------------------------
 */

static void temper_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_attn *attn = step->attn;
    for (int64_t i = first; i < last; i++) {
        int64_t at = (p->rows[i].position + attn->temper_offset) / attn->temper_length;
        double factor = 1 + (double)attn->temper * sk_log((double)(at + 1));
        p->k->scale(sk_pass_reg(p, step->dst, i), (float)factor, step->n);
    }
}

const sk_op sk_op_temper = {sk_begin_rows, temper_run};

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
        float(*cs)[2] = p->angles[step->rope] + i * (rotary->rope.n_rot / 2);
        int64_t position = row->position + rotary->plus;
        sk_rope_angles(sk_rotary_for(rotary, row->state->n_ctx),
                       rotary->back ? -position : position, cs);
    }
}

const sk_op sk_op_angles = {angles_begin, angles_run};

static void turn_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_rope *rope = &p->plan->ropes[step->rope].rope;
    int kind = step->halves ? SK_ROPE_NEOX : rope->kind;
    for (int64_t i = first; i < last; i++) {
        const float(*cs)[2] = (const float(*)[2])(p->angles[step->rope] + i * (rope->n_rot / 2));
        float *x = sk_pass_reg(p, step->dst, i) + step->at;
        for (int64_t h = 0; h < step->n_vec; h++)
            p->k->rope(kind, x + h * step->n, cs, rope->n_rot);
    }
}

const sk_op sk_op_rope = {sk_begin_rows, turn_run};
