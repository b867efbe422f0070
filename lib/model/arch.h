/* SPDX-License-Identifier: MIT */
/*
 * What is particular to an architecture: a row of traits. All-zero is plain Llama. Traits are small
 * enums, read once, while the plan is made (plan.c and the block files); no other code knows that
 * architectures differ, and none knows their names.
 *
 * What a file says by itself is no trait: numbers come from its metadata (hparam.h), and a tensor
 * that is there is applied (slot.h): biases, fused projections, rope factors, a tied output.
 */
#ifndef SK_MODEL_ARCH_H
#define SK_MODEL_ARCH_H

#include <stddef.h>
#include <stdint.h>

/* The norm of layers and output: RMS, layer norm, layer norm without weights; RMS where the file
 * has its epsilon, else layer norm; RMS without weights. */
enum {
    SK_NORM_RMS = 0,
    SK_NORM_LAYER = 1,
    SK_NORM_LAYER_PLAIN = 2,
    SK_NORM_KEY = 3,
    SK_NORM_RMS_PLAIN = 4
};

/* Where norms stand: before attention and feed-forward; after them, before they are added; both.
 * Parallel: attention and feed-forward read the same h and are added together; always, where the
 * key says so, where there is no second norm. Sum: behind the addition, of h itself. */
enum {
    SK_PLACE_PRE = 0,
    SK_PLACE_POST = 1,
    SK_PLACE_SANDWICH = 2,
    SK_PLACE_PARALLEL = 3,
    SK_PLACE_PARALLEL_KEY = 4,
    SK_PLACE_PARALLEL_IF_ONE = 5,
    SK_PLACE_SUM = 6
};

/* The tensor of the norm before the feed-forward: ffn_norm, post_attention_norm, attn_output_norm.
 */
enum { SK_FFN_NORM_OWN = 0, SK_FFN_NORM_POST_ATTN = 1, SK_FFN_NORM_ATTN_OUTPUT = 2 };

/* Queries, keys and values in one tensor: one after another; so, in one of 3 n_embd rows, also
 * where they are fewer; each from a multiple of n_embd on. */
enum { SK_QKV_TIGHT = 0, SK_QKV_WIDE = 1, SK_QKV_THIRDS = 2 };

/* Norms of queries and keys: none; of each head; the same where the file has them; of all heads as
 * one vector; layer norm of each head with weights of its own, where the file has them; layer norm
 * of all heads as one vector, where the file has it; of each head without weights; of each head
 * with weights of its own; of each head without weights, of queries with a factor. */
enum {
    SK_QK_NORM_NONE = 0,
    SK_QK_NORM_HEAD = 1,
    SK_QK_NORM_HEAD_IF = 2,
    SK_QK_NORM_WHOLE = 3,
    SK_QK_NORM_HEAD_LAYER_IF = 4,
    SK_QK_NORM_WHOLE_LAYER_IF = 5,
    SK_QK_NORM_PLAIN = 6,
    SK_QK_NORM_ROWS = 7,
    SK_QK_NORM_FACTORS = 8
};

/* Whether they come before the rotation or after it. */
enum { SK_QK_BEFORE = 0, SK_QK_AFTER = 1 };

/* Which elements rope turns together: 2i and 2i + 1 (NORM), i and i + n_rot / 2 (NEOX), none. The
 * axes of multi-axis rope have one position in a text: NEOX, and so where the file has sections. */
enum { SK_TURN_NORM = 0, SK_TURN_NEOX = 1, SK_TURN_NONE = 2 };

/* Which layers rotate: all; those with (i + 1) % 4 != 0; windowed ones, all when there are none;
 * windowed ones and dense leading ones; all unless rope.scaling.finetuned is false; all if there
 * are 32; those with i % 4 != 0, all without a window. */
enum {
    SK_TURNS_ALL = 0,
    SK_TURNS_NOT_FOURTH = 1,
    SK_TURNS_WINDOWED = 2,
    SK_TURNS_WINDOWED_OR_LEAD = 3,
    SK_TURNS_FINETUNED = 4,
    SK_TURNS_IF_32 = 5,
    SK_TURNS_NOT_FIRST = 6
};

/* Which layers' attention is windowed: none; all but the last of each period; all but the first;
 * those with a flag of their own. */
enum { SK_WINDOW_NONE = 0, SK_WINDOW_PERIOD = 1, SK_WINDOW_DENSE_FIRST = 2, SK_WINDOW_FLAGS = 3 };

/* What a windowed layer's rope has of its own: nothing; the base, if its key is there; that, and no
 * scaling at all; no scaling at all; the base, 10000 without its key, and no scale. */
enum {
    SK_TURN_WINDOW_SAME = 0,
    SK_TURN_WINDOW_BASE = 1,
    SK_TURN_WINDOW_BASE_PLAIN = 2,
    SK_TURN_WINDOW_PLAIN = 3,
    SK_TURN_WINDOW_LOCAL = 4
};

/* How YaRN's log multiplier m counts in the factor (1 + 0.1 ln f) / (1 + 0.1 m ln f) of a rotation:
 * as the key has it; ten times that; so, above the line too, where it cancels. */
enum { SK_YARN_LOG_KEY = 0, SK_YARN_LOG_TEN = 1, SK_YARN_LOG_CANCELS = 2 };

/* What a token sees: itself and those before it; all that were appended with it and nothing else,
 * in windowed layers half a window to each side. The key attention.causal has the last word. */
enum { SK_SEES_BEFORE = 0, SK_SEES_BATCH = 1 };

/* The factor of query times key: 1 / sqrt(dk); attention.scale, if not 0; 1 / sqrt(n_embd / n_head)
 * in models of scale_layers layers; 1 / dk; 1 / sqrt(n_rot); attention.output_scale; 1 / sqrt(dv);
 * 1 / sqrt(dk_mla); that, times the square of the rotation's magnitude and 1 + 0.1 m ln f; 1. */
enum {
    SK_ATTN_RSQRT_DK = 0,
    SK_ATTN_KEY = 1,
    SK_ATTN_RSQRT_SHARE = 2,
    SK_ATTN_INVERSE_DK = 3,
    SK_ATTN_RSQRT_ROT = 4,
    SK_ATTN_OUTPUT_SCALE = 5,
    SK_ATTN_RSQRT_DV = 6,
    SK_ATTN_RSQRT_MLA = 7,
    SK_ATTN_YARN_MLA = 8,
    SK_ATTN_UNSCALED = 9
};

/* Slopes that lower scores with distance: none; from the key; of 8; of 8 in models of 40 layers. */
enum { SK_ALIBI_NONE = 0, SK_ALIBI_KEY = 1, SK_ALIBI_8 = 2, SK_ALIBI_8_IF_40 = 3 };

/* Queries that grow with their position: never; by attention.temperature_scale, a step for each
 * rope.scaling.original_context_length; in layers that do not rotate, by constants (Llama 4); by
 * the key, a step for each attention.temperature_length. */
enum { SK_TEMPER_NONE = 0, SK_TEMPER_KEY = 1, SK_TEMPER_UNTURNED = 2, SK_TEMPER_LENGTH = 3 };

/* What attention's output is multiplied with before its projection: nothing; sigmoid(W x), by
 * element or by head as the tensor's shape has it; softplus(W x); sigmoid(W x) with the rows of W
 * behind those of each head's query. */
enum {
    SK_ATTN_GATE_NONE = 0,
    SK_ATTN_GATE_SIGMOID = 1,
    SK_ATTN_GATE_SOFTPLUS = 2,
    SK_ATTN_GATE_BESIDE_Q = 3
};

/* What recurrent layers have in attention's place: there are none; a short convolution; a gated
 * delta net; Mamba, Mamba 2, PLaMo's Mamba 2; RWKV 6, 7; Kimi's
 * delta attention. */
enum {
    SK_MIXER_NONE = 0,
    SK_MIXER_CONV = 1,
    SK_MIXER_DELTA = 2,
    SK_MIXER_MAMBA = 3,
    SK_MIXER_MAMBA2 = 4,
    SK_MIXER_PLAMO = 5,
    SK_MIXER_RWKV6 = 6,
    SK_MIXER_RWKV7 = 7,
    SK_MIXER_KDA = 8
};

/* Which layers are recurrent: all; those without heads of keys; those that the key names, without
 * it all but the last of each interval; all, beside attention. */
enum { SK_MIXES_ALL = 0, SK_MIXES_KEYLESS = 1, SK_MIXES_INTERVAL = 2, SK_MIXES_BESIDE = 3 };

/* Which layers have a feed-forward: all; none; those with a width, which have nothing else; all,
 * one that mixes channels with those of the token before. */
enum { SK_FEEDS_ALL = 0, SK_FEEDS_NONE = 1, SK_FEEDS_ALONE = 2, SK_FEEDS_CHANNELS = 3 };

/* Which heads of keys a recurrent layer's heads of values take: neighbours the same; in turn. */
enum { SK_GROUPS_ADJACENT = 0, SK_GROUPS_CYCLIC = 1 };

/* What chooses the keys that are seen: nothing; a lightning indexer, whose first elements rotate as
 * the layer's do, or in halves; one that chooses blocks, behind the dense leading layers; one for
 * summaries of four tokens. */
enum {
    SK_INDEX_NONE = 0,
    SK_INDEX_LIGHTNING = 1,
    SK_INDEX_LIGHTNING_HALVES = 2,
    SK_INDEX_BLOCKS = 3,
    SK_INDEX_POOLED = 4
};

/* The feed-forward: down(f(gate x) * up x), f being silu, gelu, relu; as gpt-oss has it; clamped;
 * down(f(up x)), f being gelu, relu squared, xIELU. GeGLU where the file has a gate, else gelu, or
 * relu. SwiGLU whose gate is clamped before silu. */
enum {
    SK_FFN_SWIGLU = 0,
    SK_FFN_GEGLU = 1,
    SK_FFN_REGLU = 2,
    SK_FFN_SWIGLU_OAI = 3,
    SK_FFN_SWIGLU_CLAMPED = 4,
    SK_FFN_GELU = 5,
    SK_FFN_RELU2 = 6,
    SK_FFN_XIELU = 7,
    SK_FFN_GEGLU_OR_GELU = 8,
    SK_FFN_GEGLU_OR_RELU = 9,
    SK_FFN_SWIGLU_INSIDE = 10
};

/* How a router turns logits into weights: softmax over all experts, sigmoid, softmax over those
 * chosen, the root of softplus; as the key says; that, and sigmoid without it; that, and softmax
 * without it, but sigmoid in models of the size of GLM 4.7 Flash. */
enum {
    SK_GATING_SOFTMAX = 0,
    SK_GATING_SIGMOID = 1,
    SK_GATING_SELECTED = 2,
    SK_GATING_ROOT = 3,
    SK_GATING_KEY = 4,
    SK_GATING_KEY_OR_SIGMOID = 5,
    SK_GATING_KEY_OR_SIZE = 6
};

/* Whether the weights of the chosen experts are divided by their sum. */
enum { SK_WEIGHTS_NORMED = 0, SK_WEIGHTS_PLAIN = 1, SK_WEIGHTS_KEY = 2 };

/* The width of an expert: feed_forward_length; its own key, else that over the experts used. */
enum { SK_EXPERT_FF = 0, SK_EXPERT_KEY_OR_SHARE = 1 };

/* Which layers have experts: all behind the dense leading ones that are last of a step, when
 * expert_count is above 0; those with a router; none; the second of every moe_every_n_layers. */
enum { SK_MOE_IF_EXPERTS = 0, SK_MOE_BY_TENSOR = 1, SK_MOE_NEVER = 2, SK_MOE_SECOND = 3 };

/* What the router reads: what the experts read; the layer's input; the residual stream, with a norm
 * of its own. */
enum { SK_ROUTER_FFN = 0, SK_ROUTER_LAYER = 1, SK_ROUTER_NORMED = 2 };

/* Where an expert's weight goes: to its output; to its input. */
enum { SK_WEIGH_AFTER = 0, SK_WEIGH_BEFORE = 1 };

/* A feed-forward beside the experts: none; one whose norm is ffn_norm, the experts reading the
 * layer's input (Arctic); one on the same input, the sum divided by sqrt(2) (Grok); one with norms
 * of its own before and after it, as the experts have them (Gemma 4). */
enum { SK_DENSE_NONE = 0, SK_DENSE_AFTER = 1, SK_DENSE_MEAN = 2, SK_DENSE_NORMED = 3 };

/* The width of the expert that all tokens use, where the file has one: its key, an expert's width
 * times expert_shared_count, the first of these that is given, the key times the count,
 * the key or feed_forward_length, an expert's, the key or that. A gate, where the file has one, is
 * applied. */
enum {
    SK_SHARED_NONE = 0,
    SK_SHARED_KEY = 1,
    SK_SHARED_COUNT = 2,
    SK_SHARED_KEY_OR_COUNT = 3,
    SK_SHARED_KEY_TIMES_COUNT = 4,
    SK_SHARED_KEY_OR_FF = 5,
    SK_SHARED_EXPERT = 6,
    SK_SHARED_KEY_OR_EXPERT = 7
};

/* Learned positions: none, those that the file has, needed. */
enum { SK_POSITIONS_NONE = 0, SK_POSITIONS_IF = 1, SK_POSITIONS_NEEDED = 2 };

/* What the last layer's output becomes: logits; nothing more, it is the model's answer; that,
 * behind dense matrices where the file has them. */
enum { SK_GIVES_LOGITS = 0, SK_GIVES_VECTORS = 1, SK_GIVES_DENSE = 2 };

/* Whose blocks there are: the model's; an encoder's, named so. */
enum { SK_SIDES_NONE = 0, SK_SIDES_ENCODER = 1 };

/* A reranking model's score: of the first token by tanh (of the last one in models of text, by a
 * softmax of the labels); of the mean by gelu. */
enum { SK_RANKS_TOKEN = 0, SK_RANKS_MEAN = 1 };

/* The embedding is multiplied by embedding_scale, or by sqrt(n_embd). */
enum { SK_EMBD_SCALE_KEY = 0, SK_EMBD_SCALE_SQRT = 1 };

/* Logits are multiplied by logit_scale, or divided by it. */
enum { SK_LOGIT_SCALE_TIMES = 0, SK_LOGIT_SCALE_OVER = 1 };

/* Defaults of scales that are functions of other numbers; of that of the embedding too. */
enum { SK_DEFAULTS_NONE = 0, SK_DEFAULTS_MINICPM = 1, SK_DEFAULTS_MINICPM3 = 2 };

/* The residual stream: one; several, of which a layer works on the first and a router says how
 * (AltUp); several, of which each block works on a mix (hyper-connections). */
enum { SK_STREAMS_ONE = 0, SK_STREAMS_ALTUP = 1, SK_STREAMS_HYPER = 2 };

typedef struct sk_arch {
    const char *name; /* general.architecture, and the prefix of the keys */
    /* Optional keys that this architecture reads, beyond those that all read: names as in
     * hparam.h, separated by spaces; "!" behind one: it must be there; "=3": its default. The
     * epsilon of the norm goes without saying. */
    const char *keys;
    uint8_t norm, norm_place, ffn_norm, embd_norm; /* embd_norm: a norm follows the embedding */
    uint8_t qk_norm, qk_order, turn, turns, turn_window, attn_scale, scale_layers;
    uint8_t turn_half;    /* layers without a window rotate half of rope.dimension_count */
    uint8_t factors_full; /* rope_freqs are of layers without a window */
    uint8_t window, window_period;
    uint8_t window_layers;  /* only models of so many layers have windows; 0: all */
    uint8_t window_chunked; /* a window begins at a multiple of its size */
    uint16_t window_fixed;  /* the window, whatever the key says */
    uint8_t alibi, temper, yarn_log, attn_gate;
    uint8_t qkv;          /* SK_QKV_... */
    uint8_t turn_plain;   /* the rotation's base is 10000 and not scaled, whatever the keys say */
    uint8_t ff_half;      /* feed_forward_length is twice the width */
    uint8_t v_norm;       /* values are normed, without weights */
    uint8_t v_of_k;       /* without a matrix of values, keys before their norm are the values */
    uint8_t kv_layers;    /* layers from this one on read the cache of an earlier one; 0: the key */
    uint8_t streams;      /* SK_STREAMS_... */
    uint8_t embd_again;   /* each layer adds the embedding, times a factor */
    uint8_t layer_inputs; /* each token has an embedding of its own for each layer */
    uint8_t sparse;       /* so many first layers' gates are cut off well above their mean */
    uint8_t pooled;       /* attention is to a window and to summaries of what is before */
    uint8_t latent;       /* attention is latent: keys and values come from one short vector */
    uint8_t index;        /* SK_INDEX_... */
    uint8_t mixer, mixes, groups, feeds;
    uint8_t ffn, moe_layers, moe_gating, moe_weights, moe_size, moe_router, moe_weigh, moe_dense;
    uint8_t gaps;         /* layers may lack heads, heads of keys or a feed-forward */
    uint8_t moe_adjugate; /* fewer experts work on what the experts give */
    uint8_t moe_half;     /* the sum of experts and shared expert is halved */
    uint8_t shared;
    uint8_t positions, embd_scale, logit_scale, defaults;
    uint8_t sees, gives, ranks, sides;
    uint8_t types;   /* a vector of the token's type is added to the embedding, where the file has
                        types */
    uint8_t buckets; /* scores are biased by distance, in buckets that grow with it */
} sk_arch;

/* The row of a name of `n` bytes, or NULL. */
const sk_arch *sk_arch_find(const char *name, size_t n);

/* Row `index`, from 0 on; NULL past the last. */
const sk_arch *sk_arch_at(size_t index);

/* The names that are nearest to `name`, the nearest first: at most `most` of them, in `near`.
 * Returns how many; 0: none is near. */
int sk_arch_near(const char *name, const char **near, int most);

#endif
