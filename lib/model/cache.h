/* SPDX-License-Identifier: MIT */
/*
 * The cache of keys and values, in blocks of SK_KEY_BLOCK tokens. A block is one allocation that
 * holds the keys and values of all cached layers; within it a layer's heads lie one after another,
 * and within a head the rows of its tokens, so that attention reads a head's keys in one stream.
 * The table of blocks has a fixed size, so that a pointer into it stays good. Memory is committed
 * as tokens begin.
 *
 * Forks share blocks, which count their users. A block with several users is only read; who wants
 * to write to one takes a copy first (when the rows are reserved). Forks may live in different
 * threads, so the count is atomic; all of them take their blocks from one heap, which outlives
 * them.
 */
#ifndef SK_MODEL_CACHE_H
#define SK_MODEL_CACHE_H

#include "model/plan.h"

typedef struct sk_cache_layer {
    size_t k_offset, v_offset; /* bytes from a block's beginning to head 0, row 0 */
    size_t k_row, v_row;       /* bytes of a row */
    int v_dtype;               /* of values that lie in keys, that of keys */
} sk_cache_layer;

typedef struct sk_cache {
    sk_heap *heap;       /* borrowed */
    const sk_plan *plan; /* borrowed */
    int k_dtype, v_dtype;
    sk_cache_layer *layers; /* [the plan's n_kv], owned */
    size_t block_size;      /* bytes */
    void **blocks;          /* [max_block], owned, each counted; NULL beyond n_block */
    int64_t n_block, max_block;
} sk_cache;

struct sk_part_kind;
extern const struct sk_part_kind sk_cache_kind;

/* Whether a cache may have this type: SK_F32, SK_F16, SK_BF16, SK_Q8_0, SK_Q4_0. */
static inline bool sk_cache_holds(int dtype)
{
    return dtype == SK_F32 || dtype == SK_F16 || dtype == SK_BF16 || dtype == SK_Q8_0 ||
           dtype == SK_Q4_0;
}

/* Errors: ARGUMENT (heads that are no whole blocks of a type), MEMORY. */
int32_t sk_cache_new(sk_cache **out, sk_heap *heap, const sk_plan *plan, int64_t n_ctx, int k_dtype,
                     int v_dtype, sk_error *error);

/* Where head `head` of layer `layer` begins in every block: bytes. */
size_t sk_cache_k_offset(const sk_cache *cache, int32_t layer, int64_t head);
size_t sk_cache_v_offset(const sk_cache *cache, int32_t layer, int64_t head);

#endif
