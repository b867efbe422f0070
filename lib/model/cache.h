/* SPDX-License-Identifier: MIT */
/*
 * The cache of keys and values, in blocks of SK_KEY_BLOCK tokens. A block is one allocation that
 * holds the keys and values of all cached layers; within it a layer's heads lie one after another,
 * and within a head the rows of its tokens, so that attention reads a head's keys in one stream.
 * A layer that has one row for several tokens has fewer rows in a block, one at least.
 * The table of blocks has a fixed size, so that a pointer into it stays good. Memory is committed
 * as tokens begin.
 *
 * Layers that see only a window have a cache of their own where a context can hold much more than
 * that. Of it only blocks are kept that a pass may read: a span behind the last token, which is the
 * window and some more to go back by; behind the token where the context last settled
 * (sk_state_settle); and behind those where the last two prompts ended, so that their replies can
 * be taken back. Going back elsewhere is to where all of the span is still there.
 *
 *     tokens   0 ......[ span ]prompt's end ..... reply ......[ span ]n_held
 *              NULL     blocks                     NULL         blocks
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
    int64_t n_row;             /* rows of a block */
    int v_dtype;               /* of values that lie in keys, that of keys */
} sk_cache_layer;

/* Which layers a cache is of. */
enum { SK_CACHE_ALL, SK_CACHE_FULL, SK_CACHE_WINDOWS };

enum { SK_CACHE_TURNS = 2 };

typedef struct sk_cache {
    sk_heap *heap;       /* borrowed */
    const sk_plan *plan; /* borrowed */
    int of;              /* SK_CACHE_... */
    int k_dtype, v_dtype;
    sk_cache_layer *layers; /* [the plan's n_kv], owned */
    size_t block_size;      /* bytes */
    void **blocks;          /* [max_block], owned, each counted; NULL beyond n_block, and where they
                               are not kept */
    int64_t n_block, max_block, n_live;

    /* Of windows. */
    int64_t span;    /* tokens; 0: all are kept */
    int64_t settled; /* 0: never */
    int64_t turn[SK_CACHE_TURNS];
    bool prompt;                   /* the last rows were several, and no guesses */
    bool guessing;                 /* the next ones are */
    int64_t hole_first, hole_last; /* rows that were left behind when others moved */
    int64_t swept;                 /* block of the last sweep */
} sk_cache;

struct sk_part_kind;
extern const struct sk_part_kind sk_cache_kind, sk_window_kind;

/* The span of a plan's windows in a context of so many tokens; 0: it has none, or they are not
 * worth a cache of their own. */
int64_t sk_cache_span(const sk_plan *plan, int64_t n_ctx);

static inline bool sk_cache_has(const sk_cache *cache, uint64_t kv)
{
    return cache->of == SK_CACHE_ALL ||
           (cache->plan->kvs[kv].window > 0) == (cache->of == SK_CACHE_WINDOWS);
}

/* Of windows: rows from `first` on have taken the place of those from first + n on, of which only
 * those from `from` on were moved. */
void sk_cache_moved(sk_cache *cache, int64_t first, int64_t n, int64_t from);

/* Whether a cache may have this type: SK_F32, SK_F16, SK_BF16, SK_Q8_0, SK_Q4_0. */
static inline bool sk_cache_holds(int dtype)
{
    return dtype == SK_F32 || dtype == SK_F16 || dtype == SK_BF16 || dtype == SK_Q8_0 ||
           dtype == SK_Q4_0;
}

/* A cache of some layers, of which there are any. Errors: ARGUMENT (heads that are no whole blocks
 * of a type), MEMORY. */
int32_t sk_cache_new(sk_cache **out, sk_heap *heap, const sk_plan *plan, int of, int64_t n_ctx,
                     int k_dtype, int v_dtype, sk_error *error);

/* Where head `head` of layer `layer` begins in every block: bytes. */
size_t sk_cache_k_offset(const sk_cache *cache, int32_t layer, int64_t head);
size_t sk_cache_v_offset(const sk_cache *cache, int32_t layer, int64_t head);

/* Where row `row` of a layer lies: which block, and which row of it. */
typedef struct sk_cache_place {
    int64_t block, row;
} sk_cache_place;
sk_cache_place sk_cache_find(const sk_cache *cache, int32_t layer, int64_t row);

#endif
