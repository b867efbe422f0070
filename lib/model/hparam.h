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

enum { SK_HP_EVERY = 1 /* read for all architectures */, SK_HP_NEEDED = 2 /* must be there */ };

/* rope.scaling.type, in the order of the table's words. */
enum { SK_SCALING_NONE = 0, SK_SCALING_LINEAR = 1, SK_SCALING_YARN = 2, SK_SCALING_LONGROPE = 3 };

#define SK_HP_BIG 9007199254740992.0 /* 2^53: for what is never used as a size */
#define SK_HP_DIM 1048576.0          /* a width, a number of heads */
#define SK_HP_WIDE 16777216.0        /* a feed-forward width */
#define SK_HP_TINY 1e-30             /* a float that must be above zero */

/*
 * X(type, field, key, flags, default, minimum, maximum, words). Types: INT, BOOL (int64_t field),
 * FLOAT (double), WORD (the index of a string in `words`), LAYERS (int32_t per layer: an array of
 * block_count numbers, or one number for all). A minimum counts for values in the file; a default
 * of 0 outside the range means "not given". block_count comes first: arrays need it.
 */
/* clang-format off */
#define SK_HPARAMS(X) \
    X(INT,    n_layer,          "block_count",                      3, 0,     1, SK_MAX_LAYERS, 0) \
    X(INT,    n_ctx_train,      "context_length",                   3, 0,     1, SK_HP_BIG,     0) \
    X(INT,    n_embd,           "embedding_length",                 3, 0,     1, SK_HP_DIM,     0) \
    X(INT,    vocab_size,       "vocab_size",                       1, 0,     1, 2147483647,    0) \
    X(LAYERS, n_head,           "attention.head_count",             3, 0,     0, SK_HP_DIM,     0) \
    X(LAYERS, n_head_kv,        "attention.head_count_kv",          1, -1,    0, SK_HP_DIM,     0) \
    X(INT,    dk,               "attention.key_length",             1, 0,     1, SK_HP_DIM,     0) \
    X(INT,    dv,               "attention.value_length",           1, 0,     1, SK_HP_DIM,     0) \
    X(LAYERS, n_ff,             "feed_forward_length",              1, 0,     0, SK_HP_WIDE,    0) \
    X(INT,    n_expert,         "expert_count",                     1, 0,     0, SK_MAX_EXPERTS, 0) \
    X(INT,    n_expert_used,    "expert_used_count",                1, 0,     0, SK_MAX_EXPERTS, 0) \
    X(INT,    n_ff_expert,      "expert_feed_forward_length",       0, 0,     0, SK_HP_WIDE,    0) \
    X(INT,    n_group,          "expert_group_count",               1, 0,     0, SK_MAX_EXPERTS, 0) \
    X(INT,    n_group_used,     "expert_group_used_count",          1, 0,     0, SK_MAX_EXPERTS, 0) \
    X(FLOAT,  rms_eps,          "attention.layer_norm_rms_epsilon", 0, 0,     SK_HP_TINY, 1e3,  0) \
    X(LAYERS, n_rot,            "rope.dimension_count",             1, -1,    0, SK_HP_DIM,     0) \
    X(FLOAT,  rope_base,        "rope.freq_base",                   1, 10000, SK_HP_TINY, 1e30, 0) \
    X(WORD,   rope_scaling,     "rope.scaling.type",                1, 1,     0, 3, \
      "none|linear|yarn|longrope") \
    X(FLOAT,  rope_factor,      "rope.scaling.factor",              1, 0,     0, 1e30,          0) \
    X(FLOAT,  rope_factor_old,  "rope.scale_linear",                1, 0,     0, 1e30,          0) \
    X(INT,    n_ctx_orig,       "rope.scaling.original_context_length", 1, 0, 0, SK_HP_BIG,     0) \
    X(FLOAT,  rope_attn_factor, "rope.scaling.attn_factor",         1, 1,     SK_HP_TINY, 1e30, 0)
/* clang-format on */

#define SK_HP_FIELD_INT(field) int64_t field;
#define SK_HP_FIELD_FLOAT(field) double field;
#define SK_HP_FIELD_WORD(field) int64_t field;
#define SK_HP_FIELD_LAYERS(field) int32_t field[SK_MAX_LAYERS];

typedef struct sk_hparam {
#define X(type, field, key, flags, def, min, max, words) SK_HP_FIELD_##type(field)
    SK_HPARAMS(X)
#undef X
    int64_t n_vocab;    /* tokens: rows of the embedding that are used, logits per row */
    int64_t n_ff_exp;   /* width of an expert */
    double rope_scale;  /* 1 / factor; 1: none */
    int32_t max_n_head; /* over the layers */
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

/* Whether the table has a key of this name (without the architecture's prefix), of `n` bytes. */
bool sk_hparam_known(const char *key, size_t n);

#endif
