/* SPDX-License-Identifier: MIT */
/*
 * Cost: a token takes the sum over the layers of n_head_kv * (dk + dv) elements, of latent
 * attention, whose values lie in its keys, of dk. Growing is one allocation per 64 tokens; the
 * table of blocks is 8 bytes per 64 tokens of n_ctx. Fresh blocks are not cleared: a row is written
 * before it is read, also in its own batch. A fork takes its table, and one block when it writes
 * into the last block that it shares. A layer with a window takes at most four times its span and a
 * batch, however many tokens there are.
 */
#include "base/portable.h"

#include "model/cache.h"

#include "base/checked.h"
#include "base/hash.h"
#include "model/state_int.h"

#include <string.h>

/* A block begins with SK_ALIGN bytes of its own. */
typedef struct cache_block {
    _Atomic int64_t n_users;
} cache_block;

#define CACHE_BACK 256 /* tokens that a span has beyond the window */

int64_t sk_cache_span(const sk_plan *plan, int64_t n_ctx)
{
    int64_t window = 0;
    for (uint64_t i = 0; i < plan->n_kv; i++)
        if (plan->kvs[i].window > window)
            window = plan->kvs[i].window;
    for (uint64_t i = 0; i < plan->n_step; i++) /* keys are chosen from all, or pooled */
        if (plan->steps[i].op == SK_OP_INDEX || plan->steps[i].op == SK_OP_POOL)
            return 0;
    return window > 0 && n_ctx / 2 > window + CACHE_BACK ? window + CACHE_BACK : 0;
}

static void *block_new(const sk_cache *cache, sk_error *error)
{
    cache_block *block = sk_alloc(cache->heap, cache->block_size, "a block of the cache", error);
    if (block)
        atomic_init(&block->n_users, 1);
    return block;
}

static void block_retain(void *data)
{
    cache_block *block = data;
    atomic_fetch_add(&block->n_users, 1);
}

static void block_release(const sk_cache *cache, void *data)
{
    cache_block *block = data;
    if (block && atomic_fetch_sub(&block->n_users, 1) == 1)
        sk_free(cache->heap, block);
}

/* Adds the space of `n_rows` rows of `n` elements; false when it does not fit. */
static bool cache_place(uint64_t *size, int dtype, int64_t n_rows, int64_t n, size_t *offset,
                        size_t *row)
{
    uint64_t row_size, all;
    if (!sk_dtype_row_size((uint64_t)dtype, (uint64_t)n, &row_size) ||
        !sk_mul(row_size, (uint64_t)n_rows, &all) || !sk_align_up(*size, SK_ALIGN, size))
        return false;
    *offset = (size_t)*size;
    *row = (size_t)row_size;
    return sk_add(*size, all, size) && *size <= SIZE_MAX / 2;
}

/* A type of blocks holds whole blocks. */
static int32_t cache_check(int dtype, int64_t n, const char *what, sk_error *error)
{
    const sk_dtype *type = sk_dtype_get((uint64_t)dtype);
    if (n % type->n_elem == 0)
        return SKALD_OK;
    return sk_fail(error, SKALD_E_ARGUMENT,
                   "the model's cached %s have %lld elements a head, %s wants a multiple of %d",
                   what, (long long)n, type->name, (int)type->n_elem);
}

static int32_t cache_layout(sk_cache *cache, const sk_plan *plan, sk_error *error)
{
    uint64_t size = SK_ALIGN;
    for (uint64_t i = 0; i < plan->n_kv; i++) {
        const sk_kv *kv = &plan->kvs[i];
        sk_cache_layer *l = &cache->layers[i];
        if (!sk_cache_has(cache, i))
            continue;
        l->n_row = kv->each < SK_KEY_BLOCK ? SK_KEY_BLOCK / kv->each : 1;
        int64_t n_rows = kv->n_head * l->n_row;
        l->v_dtype = kv->joint ? cache->k_dtype : cache->v_dtype;
        if (cache_check(cache->k_dtype, kv->dk, "keys", error) != SKALD_OK ||
            cache_check(l->v_dtype, kv->dv, "values", error) != SKALD_OK)
            return SKALD_E_ARGUMENT;
        if (!cache_place(&size, cache->k_dtype, n_rows, kv->dk, &l->k_offset, &l->k_row))
            return sk_fail(error, SKALD_E_MEMORY, "a block of the cache does not fit memory");
        l->v_offset = l->k_offset;
        l->v_row = l->k_row;
        if (!kv->joint &&
            !cache_place(&size, cache->v_dtype, n_rows, kv->dv, &l->v_offset, &l->v_row))
            return sk_fail(error, SKALD_E_MEMORY, "a block of the cache does not fit memory");
    }
    cache->block_size = (size_t)size;
    return SKALD_OK;
}

static void cache_free(void *part)
{
    sk_cache *cache = part;
    if (!cache)
        return;
    for (int64_t i = 0; i < cache->n_block; i++)
        block_release(cache, cache->blocks[i]);
    sk_free(cache->heap, cache->blocks);
    sk_free(cache->heap, cache->layers);
    sk_free(cache->heap, cache);
}

/* A cache without blocks. */
static sk_cache *cache_empty(sk_heap *heap, const sk_plan *plan, int64_t max_block, sk_error *error)
{
    sk_cache *cache = sk_alloc_zero(heap, sizeof *cache, "a cache", error);
    if (!cache)
        return NULL;
    cache->heap = heap;
    cache->plan = plan;
    cache->max_block = max_block;
    cache->layers = sk_alloc_array(heap, plan->n_kv, sizeof *cache->layers, "a cache", error);
    cache->blocks =
        sk_alloc_array(heap, (uint64_t)max_block, sizeof *cache->blocks, "a cache's table", error);
    if (cache->layers && cache->blocks)
        return cache;
    cache_free(cache);
    return NULL;
}

int32_t sk_cache_new(sk_cache **out, sk_heap *heap, const sk_plan *plan, int of, int64_t n_ctx,
                     int k_dtype, int v_dtype, sk_error *error)
{
    *out = NULL;
    sk_cache *cache = cache_empty(heap, plan, (n_ctx + SK_KEY_BLOCK - 1) / SK_KEY_BLOCK, error);
    if (!cache)
        return SKALD_E_MEMORY;
    cache->of = of;
    cache->span = of == SK_CACHE_WINDOWS ? sk_cache_span(plan, n_ctx) : 0;
    cache->k_dtype = k_dtype;
    cache->v_dtype = v_dtype;
    int32_t status = cache_layout(cache, plan, error);
    if (status != SKALD_OK) {
        cache_free(cache);
        return status;
    }
    *out = cache;
    return SKALD_OK;
}

static int32_t cache_fork(void **out, const void *part, int64_t n_tokens, sk_error *error)
{
    const sk_cache *cache = part;
    sk_cache *fork = cache_empty(cache->heap, cache->plan, cache->max_block, error);
    *out = fork;
    if (!fork)
        return SKALD_E_MEMORY;
    void **blocks = fork->blocks;
    sk_cache_layer *layers = fork->layers;
    *fork = *cache;
    fork->blocks = blocks;
    fork->layers = layers;
    fork->n_block = fork->n_live = 0;
    memcpy(fork->layers, cache->layers, (size_t)cache->plan->n_kv * sizeof *fork->layers);
    for (; fork->n_block * SK_KEY_BLOCK < n_tokens; fork->n_block++) {
        void *block = cache->blocks[fork->n_block];
        fork->blocks[fork->n_block] = block;
        fork->n_live += block != NULL;
        if (block)
            block_retain(block);
    }
    return SKALD_OK;
}

/* Makes block `i` this cache's alone, so that it may be written; `keep`: with what it holds. */
static int32_t cache_own(sk_cache *cache, int64_t i, bool keep, sk_error *error)
{
    cache_block *shared = cache->blocks[i];
    if (shared && atomic_load(&shared->n_users) == 1)
        return SKALD_OK;
    char *block = block_new(cache, error);
    if (!block)
        return SKALD_E_MEMORY;
    if (keep && shared)
        memcpy(block + SK_ALIGN, (char *)shared + SK_ALIGN, cache->block_size - SK_ALIGN);
    cache->blocks[i] = block;
    cache->n_live += !shared;
    block_release(cache, shared);
    return SKALD_OK;
}

/* Blocks for rows [first, n_tokens), of which the first n_held keep what they hold. */
static int32_t cache_make_room(sk_cache *cache, int64_t first, int64_t n_held, int64_t n_tokens,
                               sk_error *error)
{
    int64_t n_block = (n_tokens + SK_KEY_BLOCK - 1) / SK_KEY_BLOCK;
    for (int64_t i = first / SK_KEY_BLOCK; i < n_block; i++) {
        if (cache_own(cache, i, n_held > i * SK_KEY_BLOCK, error) != SKALD_OK)
            return SKALD_E_MEMORY;
        cache->n_block = i < cache->n_block ? cache->n_block : i + 1;
    }
    return SKALD_OK;
}

static int32_t cache_reserve(void *part, int64_t first, int64_t n_held, int64_t n_tokens,
                             sk_error *error)
{
    return cache_make_room(part, first, n_held, n_tokens, error);
}

static int32_t cache_prepare(void *part, int64_t n_held, int64_t n_tokens, sk_error *error)
{
    return cache_make_room(part, 0, n_held, n_tokens, error);
}

static void cache_drop(sk_cache *cache, int64_t i)
{
    cache->n_live -= cache->blocks[i] != NULL;
    block_release(cache, cache->blocks[i]);
    cache->blocks[i] = NULL;
}

/* One block more than needed stays, so that going back and forth over an edge costs nothing. */
static void cache_truncate(void *part, int64_t n_tokens)
{
    sk_cache *cache = part;
    int64_t keep = n_tokens > 0 ? (n_tokens + SK_KEY_BLOCK - 1) / SK_KEY_BLOCK + 1 : 0;
    while (cache->n_block > keep)
        cache_drop(cache, --cache->n_block);
}

static uint64_t cache_bytes(const void *part)
{
    const sk_cache *cache = part;
    return (uint64_t)cache->n_live * cache->block_size;
}

static uint64_t cache_cost(const void *part, int64_t n_tokens, int64_t n_rows)
{
    const sk_cache *cache = part;
    uint64_t n_block = ((uint64_t)n_tokens + SK_KEY_BLOCK - 1) / SK_KEY_BLOCK;
    (void)n_rows;
    return n_block * sk_alloc_cost(cache->block_size);
}

/* ---- Windows --------------------------------------------------------------------------------- */

/* The first row that a pass behind `n` tokens may read: what is kept and saved begins there. */
static int64_t cache_from(const sk_cache *cache, int64_t n)
{
    return cache->span > 0 && n > cache->span ? n - cache->span : 0;
}

/* Whether block `i` is of the span behind `n` tokens, or of the block before that. */
static bool window_needs(const sk_cache *cache, int64_t i, int64_t n)
{
    return i * SK_KEY_BLOCK < n && (i + 2) * SK_KEY_BLOCK > cache_from(cache, n);
}

/* Gives up the blocks that nothing needs any more. */
static void window_sweep(sk_cache *cache, int64_t n_held)
{
    if (n_held / SK_KEY_BLOCK == cache->swept)
        return;
    cache->swept = n_held / SK_KEY_BLOCK;
    for (int64_t i = 0; i < cache->n_block && i < cache->swept; i++) {
        bool needed = window_needs(cache, i, n_held) || window_needs(cache, i, cache->settled);
        for (int k = 0; k < SK_CACHE_TURNS; k++)
            needed = needed || window_needs(cache, i, cache->turn[k]);
        if (!needed && cache->blocks[i])
            cache_drop(cache, i);
    }
}

static int32_t window_reserve(void *part, int64_t first, int64_t n_held, int64_t n_tokens,
                              sk_error *error)
{
    sk_cache *cache = part;
    int64_t n_row = n_tokens - n_held;
    bool prompt = n_row > 1 && !cache->guessing;
    if (n_row > 0 && !prompt && cache->prompt && n_held > 0) {
        cache->turn[1] = cache->turn[0];
        cache->turn[0] = n_held;
    }
    if (n_row > 0)
        cache->prompt = prompt;
    window_sweep(cache, n_held);
    return cache_make_room(cache, first, n_held, n_tokens, error);
}

static int32_t window_prepare(void *part, int64_t n_held, int64_t n_tokens, sk_error *error)
{
    return cache_make_room(part, cache_from(part, n_tokens), n_held, n_tokens, error);
}

static int64_t window_reach(const void *part, int64_t n_tokens)
{
    const sk_cache *cache = part;
    for (int64_t n = n_tokens;;) {
        int64_t from = cache_from(cache, n), i = (n - 1) / SK_KEY_BLOCK;
        if (n <= 0)
            return 0;
        if (from < cache->hole_last && n > cache->hole_first) {
            n = cache->hole_first;
            continue;
        }
        while (i >= from / SK_KEY_BLOCK && i < cache->n_block && cache->blocks[i])
            i--;
        if (i < from / SK_KEY_BLOCK)
            return n;
        n = i * SK_KEY_BLOCK;
    }
}

static void window_truncate(void *part, int64_t n_tokens)
{
    sk_cache *cache = part;
    cache_truncate(cache, n_tokens);
    cache->swept = -1;
    if (n_tokens <= cache->hole_first)
        cache->hole_first = cache->hole_last = 0;
    if (cache->settled > n_tokens)
        cache->settled = n_tokens;
    for (int k = 0; k < SK_CACHE_TURNS; k++)
        if (cache->turn[k] > n_tokens)
            cache->turn[k] = 0;
}

static uint64_t window_cost(const void *part, int64_t n_tokens, int64_t n_rows)
{
    const sk_cache *cache = part;
    uint64_t n_block = ((uint64_t)n_tokens + SK_KEY_BLOCK - 1) / SK_KEY_BLOCK;
    uint64_t span = (uint64_t)cache->span / SK_KEY_BLOCK + 3;
    uint64_t most = span * (2 + SK_CACHE_TURNS) + (uint64_t)n_rows / SK_KEY_BLOCK + 2;
    return (n_block < most ? n_block : most) * sk_alloc_cost(cache->block_size);
}

void sk_cache_moved(sk_cache *cache, int64_t first, int64_t n, int64_t from)
{
    bool had = cache->hole_last > 0;
    cache->hole_first = had && cache->hole_first < first ? cache->hole_first : first;
    cache->hole_last = from;
    cache->swept = -1;
    cache->settled = cache->settled > first + n ? cache->settled - n : 0;
    for (int k = 0; k < SK_CACHE_TURNS; k++)
        cache->turn[k] = cache->turn[k] > first ? 0 : cache->turn[k];
}

size_t sk_cache_k_offset(const sk_cache *cache, int32_t layer, int64_t head)
{
    const sk_cache_layer *l = &cache->layers[layer];
    return l->k_offset + (size_t)(head * l->n_row) * l->k_row;
}

size_t sk_cache_v_offset(const sk_cache *cache, int32_t layer, int64_t head)
{
    const sk_cache_layer *l = &cache->layers[layer];
    return l->v_offset + (size_t)(head * l->n_row) * l->v_row;
}

sk_cache_place sk_cache_find(const sk_cache *cache, int32_t layer, int64_t row)
{
    int64_t each = cache->plan->kvs[layer].each, last = row * each + each - 1;
    return (sk_cache_place){last / SK_KEY_BLOCK, last % SK_KEY_BLOCK / each};
}

/* ---- Saving ---------------------------------------------------------------------------------- */

static uint64_t cache_layout_hash(const void *part, uint64_t hash)
{
    const sk_cache *cache = part;
    hash = sk_hash_word(hash, (uint64_t)cache->k_dtype);
    hash = sk_hash_word(hash, (uint64_t)cache->v_dtype);
    hash = sk_hash_word(hash, SK_KEY_BLOCK);
    if (cache->span > 0)
        hash = sk_hash_word(hash, (uint64_t)cache->span);
    for (uint64_t i = 0; i < cache->plan->n_kv; i++) {
        const sk_kv *kv = &cache->plan->kvs[i];
        if (!sk_cache_has(cache, i))
            continue;
        hash = sk_hash_word(hash, (uint64_t)kv->n_head);
        hash = sk_hash_word(hash, (uint64_t)kv->dk);
        hash = sk_hash_word(hash, (uint64_t)(kv->joint ? 0 : kv->dv));
        if (kv->each > 1)
            hash = sk_hash_word(hash, (uint64_t)kv->each);
    }
    return hash;
}

static uint64_t cache_save_size(const void *part, int64_t n_tokens)
{
    const sk_cache *cache = part;
    uint64_t size = 0;
    int64_t first = cache_from(cache, n_tokens);
    for (uint64_t i = 0; i < cache->plan->n_kv; i++) {
        const sk_kv *kv = &cache->plan->kvs[i];
        if (sk_cache_has(cache, i))
            size += (uint64_t)(kv->n_head * (n_tokens / kv->each - first / kv->each)) *
                    (cache->layers[i].k_row + (kv->joint ? 0 : cache->layers[i].v_row));
    }
    return size;
}

/* Numbers of a cache's type from or to little-endian bytes; blocks are such bytes already. */
static void copy_numbers(uint8_t *to, const uint8_t *from, size_t n_bytes, int dtype)
{
    if (sk_host_is_little() || dtype == SK_Q8_0 || dtype == SK_Q4_0) {
        memcpy(to, from, n_bytes);
        return;
    }
    size_t size = dtype == SK_F32 ? 4 : 2;
    for (size_t i = 0; i < n_bytes; i++)
        to[i] = from[i / size * size + (size - 1 - i % size)];
}

/* The rows of some tokens of one head: so many bytes that lie together. */
typedef struct cache_run {
    uint8_t *at;
    size_t n;
    int dtype;
} cache_run;

/* Goes over those of the first `n_tokens` rows of all heads that are kept: block by block, layer by
 * layer, keys then values, head by head. */
static void cache_each(const sk_cache *cache, int64_t n_tokens,
                       void (*visit)(void *user, const cache_run *run), void *user)
{
    for (int64_t row = cache_from(cache, n_tokens), n; row < n_tokens; row += n) {
        size_t skip = (size_t)(row % SK_KEY_BLOCK);
        uint8_t *block = cache->blocks[row / SK_KEY_BLOCK];
        n = SK_KEY_BLOCK - (int64_t)skip;
        n = n < n_tokens - row ? n : n_tokens - row;
        for (uint64_t i = 0; i < 2 * cache->plan->n_kv; i++) {
            const sk_cache_layer *l = &cache->layers[i / 2];
            const sk_kv *kv = &cache->plan->kvs[i / 2];
            if ((i % 2 && kv->joint) || !sk_cache_has(cache, i / 2))
                continue;
            int64_t rows = (row + n) / kv->each - row / kv->each;
            size_t size = i % 2 ? l->v_row : l->k_row;
            uint8_t *at = block + (i % 2 ? l->v_offset : l->k_offset) + skip * size;
            int dtype = i % 2 ? cache->v_dtype : cache->k_dtype;
            for (int64_t h = 0; h < kv->n_head; h++, at += (size_t)l->n_row * size)
                visit(user, &(cache_run){at, (size_t)rows * size, dtype});
        }
    }
}

typedef struct cache_sink {
    sk_put *put;
    void *user;
} cache_sink;

static void save_run(void *user, const cache_run *run)
{
    const cache_sink *sink = user;
    uint8_t piece[256];
    for (size_t i = 0, n; i < run->n; i += n) {
        n = run->n - i < sizeof piece ? run->n - i : sizeof piece;
        copy_numbers(piece, run->at + i, n, run->dtype);
        sink->put(sink->user, piece, n);
    }
}

static void cache_save(const void *part, int64_t n_tokens, sk_put *put, void *user)
{
    cache_each(part, n_tokens, save_run, &(cache_sink){put, user});
}

static void load_run(void *user, const cache_run *run)
{
    const uint8_t **bytes = user;
    copy_numbers(run->at, *bytes, run->n, run->dtype);
    *bytes += run->n;
}

static void cache_restore(void *part, int64_t n_tokens, const uint8_t *data)
{
    cache_each(part, n_tokens, load_run, (void *)&data);
}

/* What the earlier blocks held is of other tokens. */
static void window_restore(void *part, int64_t n_tokens, const uint8_t *data)
{
    sk_cache *cache = part;
    cache_restore(cache, n_tokens, data);
    for (int64_t i = 0; i < cache_from(cache, n_tokens) / SK_KEY_BLOCK; i++)
        cache_drop(cache, i);
    cache->hole_first = 0;
    cache->hole_last = cache_from(cache, n_tokens);
    cache->settled = n_tokens;
    memset(cache->turn, 0, sizeof cache->turn);
    cache->prompt = false;
}

const sk_part_kind sk_cache_kind = {
    .name = "cache",
    .reserve = cache_reserve,
    .prepare = cache_prepare,
    .truncate = cache_truncate,
    .bytes = cache_bytes,
    .cost = cache_cost,
    .fork = cache_fork,
    .layout = cache_layout_hash,
    .save_size = cache_save_size,
    .save = cache_save,
    .load = cache_restore,
    .free = cache_free,
};

const sk_part_kind sk_window_kind = {
    .name = "window",
    .reserve = window_reserve,
    .prepare = window_prepare,
    .reach = window_reach,
    .truncate = window_truncate,
    .bytes = cache_bytes,
    .cost = window_cost,
    .fork = cache_fork,
    .layout = cache_layout_hash,
    .save_size = cache_save_size,
    .save = cache_save,
    .load = window_restore,
    .free = cache_free,
};
