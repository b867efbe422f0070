/* SPDX-License-Identifier: MIT */
/*
 * A layer: where attention, feed-forward and norms stand between one state of the residual stream h
 * and the next.
 *
 *   before       h += attn(norm(h));              h += ffn(norm(h))
 *   after        h += norm(attn(h));              h += norm(ffn(h))
 *   sandwich     h += norm(attn(norm(h)));        h += norm(ffn(norm(h)))
 *   sum          h = norm(h + attn(h));           h = norm(h + ffn(h))
 *   parallel     h += attn(norm(h)) + ffn(norm(h)), with one norm or two
 *
 * A branch may be scaled before it is added.
 */
#include "base/portable.h"

#include "model/plan.h"

#include <math.h>

static bool layer_is_parallel(const sk_builder *b)
{
    switch (b->arch->norm_place) {
    case SK_PLACE_PARALLEL:
        return true;
    case SK_PLACE_PARALLEL_KEY:
        return b->hp->parallel != 0;
    case SK_PLACE_PARALLEL_IF_ONE:
        return !sk_plan_has(b, SK_T_FFN_NORM);
    default:
        return false;
    }
}

static bool layer_has_experts(const sk_builder *b)
{
    const sk_hparam *hp = b->hp;
    if (hp->n_expert == 0)
        return false;
    if (b->arch->moe_layers == SK_MOE_BY_TENSOR)
        return sk_plan_has(b, SK_T_FFN_ROUTER);
    if (b->arch->moe_layers == SK_MOE_SECOND)
        return hp->moe_every > 0 && b->layer % hp->moe_every == 1;
    return b->layer >= hp->n_dense_lead &&
           (hp->moe_step == 0 || (b->layer + 1) % hp->moe_step == 0);
}

/* The register that holds the normed input of a block; slot -1: h as it is. */
static int layer_input(sk_builder *b, int slot)
{
    if (slot < 0)
        return SK_R_H;
    sk_plan_norm(b, SK_R_X, SK_R_H, slot, 1, b->hp->n_embd);
    return SK_R_X;
}

static int layer_attn_norm(const sk_builder *b, bool parallel)
{
    if (b->arch->norm_place == SK_PLACE_POST)
        return -1;
    if (b->layer == 0 && b->arch->embd_norm && b->arch->norm != SK_NORM_RMS_PLAIN &&
        !sk_plan_has(b, SK_T_ATTN_NORM))
        return -1; /* what follows the embedding is norm enough */
    return parallel && sk_plan_has(b, SK_T_ATTN_NORM_2) ? SK_T_ATTN_NORM_2 : SK_T_ATTN_NORM;
}

static int layer_ffn_norm(const sk_builder *b, bool parallel)
{
    if (b->arch->norm_place == SK_PLACE_POST)
        return -1;
    if (parallel && b->arch->norm_place != SK_PLACE_PARALLEL_KEY)
        return SK_T_ATTN_NORM;
    if (b->arch->feeds == SK_FEEDS_ALONE)
        return SK_T_ATTN_NORM;
    return b->arch->ffn_norm == SK_FFN_NORM_POST_ATTN     ? SK_T_POST_ATTN_NORM
           : b->arch->ffn_norm == SK_FFN_NORM_ATTN_OUTPUT ? SK_T_ATTN_OUTPUT_NORM
                                                          : SK_T_FFN_NORM;
}

static bool layer_is_normed_after(const sk_builder *b)
{
    return b->arch->norm_place == SK_PLACE_POST || b->arch->norm_place == SK_PLACE_SANDWICH;
}

/* The norms behind attention and feed-forward, by either of their names; -1: none. */
static int layer_post_attn(const sk_builder *b)
{
    if (!layer_is_normed_after(b))
        return -1;
    return sk_plan_has(b, SK_T_ATTN_OUTPUT_NORM) ? SK_T_ATTN_OUTPUT_NORM : SK_T_POST_ATTN_NORM;
}

static int layer_post_ffn(const sk_builder *b)
{
    if (!layer_is_normed_after(b))
        return -1;
    return sk_plan_has(b, SK_T_LAYER_OUTPUT_NORM) ? SK_T_LAYER_OUTPUT_NORM : SK_T_POST_FFW_NORM;
}

/* h += norm(reg) * residual_scale */
static void layer_add(sk_builder *b, int reg, int norm)
{
    if (norm >= 0)
        sk_plan_norm(b, reg, reg, norm, 1, b->hp->n_embd);
    sk_plan_scale(b, reg, b->hp->scale_residual, b->hp->n_embd);
    sk_plan_add(b, SK_R_H, reg, b->hp->n_embd);
}

/* x = the dense block's output for `src` and the experts' for h, each normed on its own. */
static void layer_ffn_normed(sk_builder *b, int src)
{
    int64_t n_embd = b->hp->n_embd;
    sk_plan_ffn(b, src, SK_R_B);
    sk_plan_norm(b, SK_R_B, SK_R_B, SK_T_POST_FFW_NORM_1, 1, n_embd);
    sk_plan_router(b, SK_R_H);
    sk_plan_norm(b, SK_R_X, SK_R_H, SK_T_PRE_FFW_NORM_2, 1, n_embd);
    sk_plan_moe(b, SK_R_X, SK_R_X);
    sk_plan_norm(b, SK_R_X, SK_R_X, SK_T_POST_FFW_NORM_2, 1, n_embd);
    sk_plan_add(b, SK_R_X, SK_R_B, n_embd);
}

/* x = the experts' output for `src`, or the dense block's, or both. */
static void layer_ffn(sk_builder *b, int src, bool experts)
{
    if (experts && b->arch->moe_dense == SK_DENSE_NORMED) {
        layer_ffn_normed(b, src);
        return;
    }
    bool dense_too = experts && b->arch->moe_dense == SK_DENSE_MEAN && sk_plan_has(b, SK_T_FFN_UP);
    if (!experts) {
        sk_plan_ffn(b, src, SK_R_X);
        return;
    }
    if (dense_too)
        sk_plan_ffn(b, src, SK_R_B);
    sk_plan_moe(b, src, SK_R_X);
    if (!dense_too)
        return;
    sk_plan_add(b, SK_R_X, SK_R_B, b->hp->n_embd);
    sk_plan_scale(b, SK_R_X, sqrt(0.5), b->hp->n_embd);
}

/* What a recurrent layer has in attention's place. */
static void layer_mixer(sk_builder *b, int src, int dst)
{
    switch (b->arch->mixer) {
    case SK_MIXER_CONV:
        sk_plan_shortconv(b, src, dst);
        break;
    case SK_MIXER_DELTA:
        sk_plan_delta(b, src, dst);
        break;
    case SK_MIXER_MAMBA:
        sk_plan_mamba(b, src, dst);
        break;
    case SK_MIXER_MAMBA2:
        sk_plan_mamba2(b, src, dst);
        break;
    case SK_MIXER_PLAMO:
        sk_plan_plamo(b, src, dst);
        break;
    case SK_MIXER_RWKV6:
        sk_plan_rwkv6(b, src, dst);
        break;
    case SK_MIXER_RWKV7:
        sk_plan_rwkv7(b, src, dst);
        break;
    case SK_MIXER_KDA:
        sk_plan_kda(b, src, dst);
        break;
    default:
        break;
    }
}

/* With heads of queries but none of keys, attention is its output's matrix alone; without heads it
 * is not there. */
static void layer_attention(sk_builder *b, bool parallel)
{
    bool recurrent = b->hp->recurrent[b->layer];
    bool alone = !recurrent && !b->arch->latent && b->hp->n_head_kv[b->layer] == 0;
    int dst = parallel || alone ? SK_R_B : SK_R_X; /* no product may overwrite what it reads */
    if (!recurrent && b->hp->n_head[b->layer] == 0)
        return;
    int src = layer_input(b, layer_attn_norm(b, parallel));
    bool around = b->arch->streams == SK_STREAMS_ALTUP;
    if (around)
        sk_plan_laurel(b, src);
    if (recurrent && b->arch->mixes == SK_MIXES_BESIDE) {
        sk_plan_attention(b, src, SK_R_B);
        layer_mixer(b, src, dst);
        sk_plan_add(b, dst, SK_R_B, b->hp->n_embd);
    } else if (recurrent)
        layer_mixer(b, src, dst);
    else if (b->arch->latent)
        sk_plan_mla(b, src, dst);
    else if (alone)
        sk_plan_attention_output(b, src, dst);
    else
        sk_plan_attention(b, src, dst);
    if (!parallel)
        layer_add(b, dst, layer_post_attn(b));
    if (around)
        sk_plan_laurel_add(b);
}

/* What a layer adds of its own inputs, and its scale, where the file has it. */
static void layer_finish(sk_builder *b)
{
    int64_t n_embd = b->hp->n_embd;
    if (b->arch->streams == SK_STREAMS_ALTUP) {
        sk_plan_altup_correct(b);
        return;
    }
    if (b->arch->embd_again) {
        const float *factor = sk_plan_vector_now(b, SK_T_LAYER_SCALE);
        if (factor && factor[0] != 0)
            sk_plan_add(b, SK_R_H, SK_R_INPUTS, n_embd)->factor = factor[0];
    }
    if (b->arch->layer_inputs && b->hp->n_layer_in > 0) {
        sk_plan_layer_input(b, SK_R_H);
        sk_plan_add(b, SK_R_H, SK_R_X, n_embd);
    }
    if (b->arch->layer_inputs && sk_plan_has(b, SK_T_LAYER_SCALE)) {
        const float *scale = sk_plan_vector_now(b, SK_T_LAYER_SCALE);
        sk_plan_scale(b, SK_R_H, scale ? (double)scale[0] : 1, n_embd);
    }
}

/* Norms of sums; a second one, where the file has it, of that and the layer's input. */
static void layer_sums(sk_builder *b)
{
    int64_t n = b->hp->n_embd;
    bool twice = sk_plan_has(b, SK_T_ATTN_NORM_2);
    if (twice) {
        sk_plan_copy(b, SK_R_B, SK_R_H, n);
        sk_plan_width(b, SK_R_B, n);
    }
    sk_plan_attention(b, SK_R_H, SK_R_X);
    sk_plan_add(b, SK_R_H, SK_R_X, n);
    sk_plan_norm(b, SK_R_H, SK_R_H, SK_T_ATTN_OUTPUT_NORM, 1, n);
    if (twice) {
        sk_plan_add(b, SK_R_H, SK_R_B, n);
        sk_plan_norm(b, SK_R_H, SK_R_H, SK_T_ATTN_NORM_2, 1, n);
    }
    layer_ffn(b, SK_R_H, layer_has_experts(b));
    sk_plan_add(b, SK_R_H, SK_R_X, n);
    sk_plan_norm(b, SK_R_H, SK_R_H, SK_T_LAYER_OUTPUT_NORM, 1, n);
}

/* Blocks between streams that are collected and dealt out. */
static void layer_hyper(sk_builder *b)
{
    int64_t n = b->hp->n_embd;
    sk_plan_hyper_attn(b);
    sk_plan_norm(b, SK_R_X, SK_R_H, SK_T_ATTN_NORM, 1, n);
    sk_plan_pooled(b, SK_R_X, SK_R_X);
    sk_plan_hyper_deal(b, SK_R_X);
    sk_plan_hyper_ffn(b);
    sk_plan_norm(b, SK_R_X, SK_R_H, SK_T_FFN_NORM, 1, n);
    layer_ffn(b, SK_R_X, layer_has_experts(b));
    sk_plan_hyper_deal(b, SK_R_X);
}

void sk_plan_layer(sk_builder *b)
{
    if (b->arch->streams == SK_STREAMS_HYPER) {
        layer_hyper(b);
        return;
    }
    if (b->arch->norm_place == SK_PLACE_SUM) {
        layer_sums(b);
        return;
    }
    bool parallel = layer_is_parallel(b), experts = layer_has_experts(b);
    if (b->arch->gaps && b->hp->n_ff[b->layer] == 0)
        return; /* such a layer does nothing at all */
    bool apart = experts && b->arch->moe_dense == SK_DENSE_AFTER;
    bool alone = b->arch->feeds == SK_FEEDS_ALONE && b->hp->n_ff[b->layer] > 0;
    if (experts && b->arch->moe_router == SK_ROUTER_LAYER)
        sk_plan_router(b, SK_R_H);
    if (b->arch->streams == SK_STREAMS_ALTUP)
        sk_plan_altup_predict(b);
    if (apart)
        sk_plan_moe(b, layer_input(b, SK_T_FFN_NORM_EXPS), SK_R_B);

    if (!alone)
        layer_attention(b, parallel);
    if (b->arch->feeds == SK_FEEDS_NONE || (b->arch->feeds == SK_FEEDS_ALONE && !alone))
        return;
    if (b->arch->feeds == SK_FEEDS_CHANNELS)
        sk_plan_channel_mix(b, layer_input(b, SK_T_ATTN_NORM_2), SK_R_X);
    else
        layer_ffn(b, layer_input(b, layer_ffn_norm(b, parallel)), experts && !apart);
    if (parallel || apart)
        layer_add(b, SK_R_B, -1);
    layer_add(b, SK_R_X, layer_post_ffn(b));
    layer_finish(b);
    if (b->hp->rescale_layers > 0 && (b->layer + 1) % b->hp->rescale_layers == 0)
        sk_plan_scale(b, SK_R_H, 0.5, b->hp->n_embd);
}
