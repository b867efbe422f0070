/* SPDX-License-Identifier: MIT */
/*
 * Hyper-parameters: the numbers of a model file's metadata that shape its computation. Every key is
 * listed once, in the table below, with its type, default and range; nothing else in the library
 * asks the file for one of them.
 *
 * A key has an effect only for the architectures that read it: those marked EVERY are read for all,
 * the others where the architecture's row (arch.h) names them. Whatever is read is checked here, so
 * that later code may multiply and divide by it; a key that an architecture does not read is not
 * even looked at. Shapes of tensors are checked against these numbers, never the other way round.
 */
#ifndef SK_MODEL_HPARAM_H
#define SK_MODEL_HPARAM_H

#include "format/gguf.h"

#define SK_MAX_LAYERS 512
#define SK_MAX_EXPERTS 512

struct sk_arch;

/* EVERY: read for all architectures; NEEDED: must be there; BARE: without the architecture's name
 * before it; MORE: an array may have more numbers than there are blocks. */
enum { SK_HP_EVERY = 1, SK_HP_NEEDED = 2, SK_HP_BARE = 4, SK_HP_MORE = 8 };

/* rope.scaling.type, in the order of the table's words. */
enum { SK_SCALING_NONE = 0, SK_SCALING_LINEAR = 1, SK_SCALING_YARN = 2, SK_SCALING_LONGROPE = 3 };

#define SK_HP_BIG 9007199254740992.0 /* 2^53: for what is never used as a size */
#define SK_HP_DIM 1048576.0          /* a width, a number of heads */
#define SK_HP_WIDE 16777216.0        /* a feed-forward width */
#define SK_HP_INDEXED 1048576   /* keys that an indexer chooses at most */
#define SK_HP_TINY 1e-30             /* a float that must be above zero */

/*
 * X(type, field, key, flags, default, minimum, maximum, words). Types: INT (int64_t field),
 * FLOAT (double), WORD (the index of a string in `words`), LAYERS (int32_t per layer: an array of
 * block_count numbers, or one number for all), REALS (the same of double), BOOL (a number
 * that is not 0, or the first of an array). A minimum counts for
 * values in the file; a default of 0 outside the range means "not given". block_count comes first:
 * arrays need it. `recurrent` is completed for all layers of architectures that have such.
 */
/* clang-format off */
#define SK_HPARAMS(X) \
    X(INT,    n_layer,          "block_count",                      3, 0,     1, SK_MAX_LAYERS, 0) \
    X(INT,    n_ctx_train,      "context_length",                   3, 0,     1, SK_HP_BIG,     0) \
    X(INT,    n_embd,           "embedding_length",                 3, 0,     1, SK_HP_DIM,     0) \
    X(INT,    vocab_size,       "vocab_size",                       1, 0,     1, 2147483647,    0) \
    X(LAYERS, n_head,           "attention.head_count",             1, 0,     0, SK_HP_DIM,     0) \
    X(LAYERS, n_head_kv,        "attention.head_count_kv",          1, -1,    0, SK_HP_DIM,     0) \
    X(INT,    dk,               "attention.key_length",             1, 0,     1, SK_HP_DIM,     0) \
    X(INT,    dv,               "attention.value_length",           1, 0,     1, SK_HP_DIM,     0) \
    X(LAYERS, n_ff,             "feed_forward_length",              1, 0,     0, SK_HP_WIDE,    0) \
    X(INT,    n_expert,         "expert_count",                     1, 0,     0, SK_MAX_EXPERTS, 0) \
    X(INT,    n_expert_used,    "expert_used_count",                1, 0,     0, SK_MAX_EXPERTS, 0) \
    X(INT,    n_ff_expert,      "expert_feed_forward_length",       0, 0,     0, SK_HP_WIDE,    0) \
    X(INT,    n_group,          "expert_group_count",               1, 0,     0, SK_MAX_EXPERTS, 0) \
    X(INT,    n_group_used,     "expert_group_used_count",          1, 0,     0, SK_MAX_EXPERTS, 0) \
    X(INT,    n_ff_shared,      "expert_shared_feed_forward_length", 0, 0,    0, SK_HP_WIDE,    0) \
    X(INT,    n_shared,         "expert_shared_count",              0, 0,     0, SK_MAX_EXPERTS, 0) \
    X(INT,    n_dense_lead,     "leading_dense_block_count",        0, 0,     0, SK_MAX_LAYERS, 0) \
    X(INT,    moe_step,         "interleave_moe_layer_step",        0, 1,     0, SK_MAX_LAYERS, 0) \
    X(INT,    moe_gating,       "expert_gating_func",               0, 0,     0, 4,             0) \
    X(BOOL,   weights_norm,     "expert_weights_norm",              0, 0,     0, 1,             0) \
    X(FLOAT,  weights_scale,    "expert_weights_scale",             0, 0,     -1e30, 1e30,      0) \
    X(INT,    moe_every,        "moe_every_n_layers",               0, 0,     0, SK_MAX_LAYERS, 0) \
    X(INT,    n_nextn,          "nextn_predict_layers",             0, 0,     0, SK_MAX_LAYERS, 0) \
    X(REALS,  clamp_exp,        "swiglu_clamp_exp",                 0, 0,     0, 1e30,          0) \
    X(REALS,  clamp_shexp,      "swiglu_clamp_shexp",               0, 0,     0, 1e30,          0) \
    X(FLOAT,  rms_eps,          "attention.layer_norm_rms_epsilon", 0, 0,     SK_HP_TINY, 1e3,  0) \
    X(FLOAT,  ln_eps,           "attention.layer_norm_epsilon",     0, 0,     SK_HP_TINY, 1e3,  0) \
    X(BOOL,   causal,           "attention.causal",                 1, 1,     0, 1,             0) \
    X(INT,    pooling,          "pooling_type",                     1, -1,    -1, 4294967295.0, 0) \
    X(INT,    n_dense_2,        "dense_2_feat_out",                 0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_dense_3,        "dense_3_feat_out",                 0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_type,           "tokenizer.ggml.token_type_count",  5, 0,     0, SK_HP_DIM,     0) \
    X(INT,    n_bucket,         "attention.relative_buckets_count", 0, 0,     4, 128,           0) \
    X(BOOL,   parallel,         "use_parallel_residual",            0, 0,     0, 1,             0) \
    X(FLOAT,  scale_embd,       "embedding_scale",                  0, 0,     -1e30, 1e30,      0) \
    X(FLOAT,  scale_residual,   "residual_scale",                   0, 0,     -1e30, 1e30,      0) \
    X(FLOAT,  scale_logits,     "logit_scale",                      0, 0,     -1e30, 1e30,      0) \
    X(FLOAT,  cap_logits,       "final_logit_softcapping",          0, 0,     0, 1e30,          0) \
    X(FLOAT,  scale_attn,       "attention.scale",                  0, 0,     -1e30, 1e30,      0) \
    X(FLOAT,  scale_attn_out,   "attention.output_scale",           0, 0,     -1e30, 1e30,      0) \
    X(FLOAT,  scale_value,      "attention.value_scale",            0, 0,     -1e30, 1e30,      0) \
    X(FLOAT,  cap_attn,         "attn_logit_softcapping",           0, 0,     0, 1e30,          0) \
    X(FLOAT,  clamp_qkv,        "attention.clamp_kqv",              0, 0,     0, 1e30,          0) \
    X(FLOAT,  alibi_bias,       "attention.max_alibi_bias",         0, 0,     0, 1e3,           0) \
    X(FLOAT,  temper,           "attention.temperature_scale",      0, 0,     -1e30, 1e30,      0) \
    X(INT,    temper_length,    "attention.temperature_length",     0, 0,     0, SK_HP_BIG,     0) \
    X(INT,    window,           "attention.sliding_window",         0, 0,     0, SK_HP_BIG,     0) \
    X(LAYERS, pattern,          "attention.sliding_window_pattern", 0, -1,    0, SK_HP_DIM,     0) \
    X(INT,    dk_window,        "attention.key_length_swa",         1, 0,     1, SK_HP_DIM,     0) \
    X(INT,    dv_window,        "attention.value_length_swa",       1, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_rot_window,     "rope.dimension_count_swa",         1, -1,    0, SK_HP_DIM,     0) \
    X(FLOAT,  rope_base_window, "rope.freq_base_swa",               0, 0,     SK_HP_TINY, 1e30, 0) \
    X(BOOL,   rope_finetuned,   "rope.scaling.finetuned",           0, 1,     0, 1,             0) \
    X(FLOAT,  rope_alpha,       "rope.scaling.alpha",               0, 0,     0, 1e30,          0) \
    X(FLOAT,  yarn_fast,        "rope.scaling.yarn_beta_fast",      0, 32,    SK_HP_TINY, 1e30, 0) \
    X(FLOAT,  yarn_slow,        "rope.scaling.yarn_beta_slow",      0, 1,     SK_HP_TINY, 1e30, 0) \
    X(FLOAT,  yarn_log,         "rope.scaling.yarn_log_multiplier", 0, 0,     -1e30, 1e30,      0) \
    X(FLOAT,  yarn_ext,         "rope.scaling.yarn_ext_factor",     0, 1,     -1e30, 1e30,      0) \
    X(FLOAT,  yarn_attn,        "rope.scaling.yarn_attn_factor",    0, 1,     -1e30, 1e30,      0) \
    X(INT,    n_tap,            "ssm.conv_kernel",                  0, 0,     1, 256,           0) \
    X(INT,    n_inner,          "ssm.inner_size",                   0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_state,          "ssm.state_size",                   0, 0,     1, 4096,          0) \
    X(INT,    n_rank,           "ssm.time_step_rank",               0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_key_group,      "ssm.group_count",                  0, 1,     1, SK_HP_DIM,     0) \
    X(LAYERS, recurrent,        "attention.recurrent_layers",       0, -1,    0, 1,             0) \
    X(INT,    full_interval,    "full_attention_interval",          0, 4,     1, SK_MAX_LAYERS, 0) \
    X(BOOL,   dt_b_c_rms,       "ssm.dt_b_c_rms",                   0, 0,     0, 1,             0) \
    X(INT,    n_latent,         "moe_latent_size",                  0, 0,     0, SK_HP_DIM,     0) \
    X(INT,    kda_size,         "kda.head_dim",                     0, 0,     1, 4096,          0) \
    X(INT,    n_latent_kv,      "attention.kv_lora_rank",           0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_latent_q,       "attention.q_lora_rank",            0, 0,     0, SK_HP_DIM,     0) \
    X(INT,    dk_mla,           "attention.key_length_mla",         0, 0,     0, SK_HP_DIM,     0) \
    X(INT,    dv_mla,           "attention.value_length_mla",       0, 0,     0, SK_HP_DIM,     0) \
    X(INT,    n_index_head,     "attention.indexer.head_count",     0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_index,          "attention.indexer.key_length",     0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_index_top,      "attention.indexer.top_k",          0, 0,     1, 65536,         0) \
    X(INT,    index_unit,       "attention.indexer.block_size",     0, 1,     1, 65536,         0) \
    X(INT,    n_index_local,    "attention.indexer.local_blocks",   0, 0,     0, 65536,         0) \
    X(LAYERS, index_types,      "attention.indexer.types",          0, -1,    0, 1,             0) \
    X(LAYERS, ratio,            "attention.compress_ratios",        8, 0,     0, 128,           0) \
    X(FLOAT,  pool_base,        "attention.compress_rope_freq_base", 0, 10000, SK_HP_TINY, 1e30, 0) \
    X(INT,    n_out_group,      "attention.output_group_count",     0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_out_rank,       "attention.output_lora_rank",       0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_stream,         "hyper_connection.count",           0, 0,     1, 16,            0) \
    X(INT,    n_sinkhorn,       "hyper_connection.sinkhorn_iterations", 0, 0, 1, 1000,          0) \
    X(FLOAT,  hyper_eps,        "hyper_connection.epsilon",         0, 0,     0, 1e3,           0) \
    X(INT,    n_hash,           "hash_layer_count",                 0, 0,     0, SK_MAX_LAYERS, 0) \
    X(INT,    n_ff_chunk,       "expert_chunk_feed_forward_length", 0, 0,     0, SK_HP_WIDE,    0) \
    X(INT,    n_per_group,      "experts_per_group",                0, 1,     1, SK_MAX_EXPERTS, 0) \
    X(FLOAT,  scale_group,      "expert_group_scale",               0, 0,     -1e30, 1e30,      0) \
    X(INT,    n_layer_in,       "embedding_length_per_layer_input", 0, 0,     0, 65536,         0) \
    X(INT,    n_kv_shared,      "attention.shared_kv_layers",       0, 0,     0, SK_MAX_LAYERS, 0) \
    X(INT,    n_loop,           "num_loops",                        0, 1,     1, 64,            0) \
    X(BOOL,   loop_plain,       "skip_loop_final_norm",             0, 0,     0, 1,             0) \
    X(INT,    n_head_size,      "wkv.head_size",                    0, 0,     1, 4096,          0) \
    X(INT,    n_mix_rank,       "time_mix_extra_dim",               0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_decay_rank_6,   "time_decay_extra_dim",             0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_decay_rank,     "attention.decay_lora_rank",        0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_erase_rank,     "attention.iclr_lora_rank",         0, 0,     1, SK_HP_DIM,     0) \
    X(INT,    n_value_rank,     "attention.value_residual_mix_lora_rank", 0, 0, 1, SK_HP_DIM,   0) \
    X(INT,    n_gate_rank,      "attention.gate_lora_rank",         0, 0,     0, SK_HP_DIM,     0) \
    X(INT,    rescale_layers,   "rescale_every_n_layers",           0, 0,     0, SK_MAX_LAYERS, 0) \
    X(INT,    n_tap_short,      "shortconv.l_cache",                0, 0,     1, 256,           0) \
    X(REALS,  xielu_p,          "xielu.alpha_p",                    4, 0,     -1e30, 1e30,      0) \
    X(REALS,  xielu_n,          "xielu.alpha_n",                    4, 0,     -1e30, 1e30,      0) \
    X(REALS,  xielu_beta,       "xielu.beta",                       4, 0,     -1e30, 1e30,      0) \
    X(REALS,  xielu_eps,        "xielu.eps",                        4, 0,     -1e30, 1e30,      0) \
    X(LAYERS, n_rot,            "rope.dimension_count",             1, -1,    0, SK_HP_DIM,     0) \
    X(BOOL,   sections,         "rope.dimension_sections",          0, 0,     0, 1,             0) \
    X(FLOAT,  rope_base,        "rope.freq_base",                   1, 10000, SK_HP_TINY, 1e30, 0) \
    X(WORD,   rope_scaling,     "rope.scaling.type",                1, 1,     0, 3, \
      "none|linear|yarn|longrope") \
    X(FLOAT,  rope_factor,      "rope.scaling.factor",              1, 0,     0, 1e30,          0) \
    X(FLOAT,  rope_factor_old,  "rope.scale_linear",                1, 0,     0, 1e30,          0) \
    X(INT,    n_ctx_orig,       "rope.scaling.original_context_length", 1, 0, 0, SK_HP_BIG,     0) \
    X(FLOAT,  rope_attn_factor, "rope.scaling.attn_factor",         1, 1,     SK_HP_TINY, 1e30, 0)
/* clang-format on */

#define SK_HP_FIELD_INT(field) int64_t field;
#define SK_HP_FIELD_BOOL(field) int64_t field;
#define SK_HP_FIELD_FLOAT(field) double field;
#define SK_HP_FIELD_WORD(field) int64_t field;
#define SK_HP_FIELD_LAYERS(field) int32_t field[SK_MAX_LAYERS];
#define SK_HP_FIELD_REALS(field) double field[SK_MAX_LAYERS];

typedef struct sk_hparam {
#define X(type, field, key, flags, def, min, max, words) SK_HP_FIELD_##type(field)
    SK_HPARAMS(X)
#undef X
    int64_t n_vocab;    /* tokens: rows of the embedding that are used, logits per row */
    int64_t n_ff_exp;   /* width of an expert */
    int64_t n_pos;      /* learned positions; 0: there are none */
    bool pattern_array; /* the pattern was an array */
    bool unfolded; /* latent attention makes keys and values of the latent vector for the cache */
    int64_t span[SK_MAX_LAYERS];   /* the layer's window in tokens; 0: it has none */
    int32_t head_k[SK_MAX_LAYERS]; /* elements of a key, of a value */
    int32_t head_v[SK_MAX_LAYERS];
    int64_t head_inner;   /* elements of a head of a recurrent layer */
    int64_t n_key_values; /* elements of all heads of keys of a layer of RWKV's */
    int64_t n_kda;        /* elements of all heads of a layer of Kimi's */
    int64_t n_dt_plamo;   /* what PLaMo's steps are worked out from */
    int64_t n_label;      /* scores that a reranking model gives */
    int64_t n_expert_in;  /* width of what experts read and give */
    int64_t n_layer_inputs; /* all layers' inputs of a token */
    int64_t n_layer_kv;     /* layers with keys and values of their own */
    double rope_scale;    /* 1 / factor; 1: none */
    int32_t max_n_head;   /* over the layers */
    int32_t max_n_ff;
} sk_hparam;

/*
 * Reads what `arch` reads, completes what was not given, and checks all of it. `n_vocab` comes from
 * the token list, 0 when there is none, `n_embd_rows` from the embedding's shape, 0 when there is
 * no such tensor; the first known of token list, vocab_size and rows is the vocabulary's size.
 * Errors: CORRUPT; the sentence names the key, the value found and what is wanted.
 */
int32_t sk_hparam_read(sk_hparam *hp, const sk_gguf *gguf, const struct sk_arch *arch,
                       int64_t n_vocab, int64_t n_embd_rows, sk_error *error);

/* The layer whose cached keys and values layer `layer` reads: itself or an earlier one. */
int64_t sk_hparam_kv_layer(const sk_hparam *hp, int64_t layer);

/* Whether the table has a key of this name (without the architecture's prefix), of `n` bytes. */
bool sk_hparam_known(const char *key, size_t n);

#endif
