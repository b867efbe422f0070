/* SPDX-License-Identifier: MIT */
/*
 * Keys and values into the cache, and attention over it.
 *
 * The rows of a pass are cut into runs: neighbouring rows of one conversation, as many as a kernel
 * takes at once. A tile is a run and a head of keys, for some blocks of keys: a fraction of a
 * millisecond of work, however long the context is. Blocks must be merged in their order, so there
 * are rounds, in each of which every run goes on by so many blocks; between rounds a query's sums
 * are kept in its output and beside it.
 *
 * Where that gives too few tiles for the threads (a token decoded with few heads of keys), a
 * round's blocks are divided among tiles too: each block's part is put down by itself, and a second
 * half of the round merges them in order. The bits are the same, since a block is always summed by
 * itself; it costs writing the parts, one to sixty-four keys.
 *
 * Rows whose keys an indexer has chosen (index.c), or that see summaries (pooled.c), go alone. The
 * keys, by their order in the row's list, are blocks of 64 as others are, and are copied together,
 * block by block, for the kernel.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "base/checked.h"

#include <string.h>

#define ATTEND_COST 4e6           /* multiply-adds of a tile, if it has more than one block */
#define ATTEND_PARTS (256 * 1024) /* floats of parts, at least */
#define ATTEND_PARTS_BLOCKS 16    /* blocks of one row that they are enough for, at least */
#define ATTEND_TILES_PER_THREAD 4 /* fewer are divided, unless they come out even */

/* ---- Memory ---------------------------------------------------------------------------------- */

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static size_t attend_align(size_t size)
{
    return (size + SK_ALIGN - 1) / SK_ALIGN * SK_ALIGN;
}

/* What the kernel needs, and a block of keys and values of any type. */
static size_t attend_scratch(const sk_attn *attn)
{
    return attend_align(sk_attend_scratch(attn->dk, attn->dv));
}

static size_t attend_gathered(const sk_attn *attn)
{
    return attend_align((size_t)(attn->dk + attn->dv) * SK_KEY_BLOCK * sizeof(float));
}

int32_t sk_attending_init(sk_pass *pass, sk_error *error)
{
    sk_attending *t = &pass->attending;
    const sk_plan *plan = pass->plan;
    int64_t n_head = 0;
    t->n_parts = ATTEND_PARTS;
    for (uint64_t i = 0; i < plan->n_step; i++) {
        const sk_attn *attn = plan->steps[i].op == SK_OP_ATTEND ? plan->steps[i].attn : NULL;
        if (!attn)
            continue;
        bool gathers = attn->index || attn->pooled >= 0;
        size_t size = attend_scratch(attn) + (gathers ? attend_gathered(attn) : 0);
        pass->scratch.size = size > pass->scratch.size ? size : pass->scratch.size;
        t->n_parts = most(t->n_parts, ATTEND_PARTS_BLOCKS * attn->n_head * (attn->dv + 2));
        n_head = most(n_head, attn->n_head);
    }
    if (n_head == 0)
        return SKALD_OK;
    uint64_t n_rows = (uint64_t)pass->max_rows;
    t->run = sk_alloc_array(pass->heap, n_rows + 1, sizeof *t->run, "a pass's workspace", error);
    t->max = sk_alloc_array(pass->heap, n_rows, (uint64_t)n_head * 4, "a pass's workspace", error);
    t->sum = sk_alloc_array(pass->heap, n_rows, (uint64_t)n_head * 4, "a pass's workspace", error);
    t->parts = pass->scratch.n == 1
                   ? NULL
                   : sk_alloc(pass->heap, (uint64_t)t->n_parts * 4, "a pass's workspace", error);
    bool all = t->run && t->max && t->sum;
    return all && (t->parts || pass->scratch.n == 1) ? SKALD_OK : SKALD_E_MEMORY;
}

void sk_attending_free(sk_pass *pass)
{
    sk_attending *t = &pass->attending;
    void *blocks[] = {t->run, t->max, t->sum, t->parts};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        sk_free(pass->heap, blocks[i]);
}

/* ---- store: keys and values to the cache ------------------------------------------------------
 */

static void store_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_kv *kv = &p->plan->kvs[step->kv];
    for (int64_t i = first; i < last; i++) {
        const sk_cache *cache = sk_state_cache(p->rows[i].state, step->kv);
        const sk_cache_layer *layer = &cache->layers[step->kv];
        if ((p->rows[i].position + 1) % kv->each != 0)
            continue;
        sk_cache_place at = sk_cache_find(cache, step->kv, p->rows[i].position / kv->each);
        uint8_t *block = cache->blocks[at.block];
        size_t row = (size_t)at.row;
        const float *k = sk_pass_reg(p, step->src, i);
        for (int64_t h = 0; h < kv->n_head; h++) {
            uint8_t *k_to = block + sk_cache_k_offset(cache, step->kv, h) + row * layer->k_row;
            uint8_t *v_to = block + sk_cache_v_offset(cache, step->kv, h) + row * layer->v_row;
            p->k->kv_store(cache->k_dtype, k_to, k + h * kv->dk, kv->dk);
            if (!kv->joint && kv->dv > 0)
                p->k->kv_store(cache->v_dtype, v_to, sk_pass_reg(p, SK_R_V, i) + h * kv->dv,
                               kv->dv);
        }
    }
}

const sk_op sk_op_store = {sk_begin_rows, store_run};

/* ---- attend ---------------------------------------------------------------------------------- */

/* Whether an indexer has chosen among the keys that a row sees. */
static bool attend_chosen(const sk_pass *p, const sk_attn *attn, int64_t row)
{
    return attn->index && sk_index_lists(attn->index, &p->rows[row]);
}

/* Whether the keys of a row of the pass do not lie together in the cache: they are chosen, or there
 * are summaries. */
static bool attend_lists(const sk_pass *p, const sk_attn *attn, int64_t row)
{
    if (attn->pooled >= 0)
        return p->rows[row].position + 1 >= attn->ratio;
    return attend_chosen(p, attn, row);
}

/* Keys of a window that a row sees. */
static int64_t attend_near(const sk_attn *attn, const sk_row *row)
{
    int64_t n = row->position + 1;
    return attn->window > 0 && attn->window < n ? attn->window : n;
}

/* How many keys a row's list has for a head of keys. */
static int64_t attend_list_count(const sk_pass *p, const sk_attn *attn, int64_t row, int64_t head)
{
    bool chosen = attend_chosen(p, attn, row);
    if (attn->pooled < 0)
        return sk_index_count(p, attn->index, row, head);
    return attend_near(attn, &p->rows[row]) + (chosen ? sk_index_count(p, attn->index, row, head)
                                                      : (p->rows[row].position + 1) / attn->ratio);
}

/* Of key j of the list: which cached layer has it, in which row. The window comes first. */
static int64_t attend_list_key(const sk_pass *p, const sk_attn *attn, int64_t row, int64_t head,
                               int64_t j, int32_t *layer)
{
    int64_t n_near = attn->pooled >= 0 ? attend_near(attn, &p->rows[row]) : 0;
    *layer = attn->kv;
    if (attn->pooled < 0)
        return sk_index_key(p, attn->index, row, head, j);
    if (j < n_near)
        return p->rows[row].position + 1 - n_near + j;
    *layer = attn->pooled;
    j -= n_near;
    return attend_chosen(p, attn, row) ? sk_index_key(p, attn->index, row, head, j) : j;
}

/* The keys that a row sees; of its list, by their order in it, whatever is cut off its units. */
static sk_span attend_seen(const sk_pass *p, const sk_attn *attn, int64_t i)
{
    const sk_row *row = &p->rows[i];
    int64_t first = 0, position = row->position, last = position + 1;
    if (attend_lists(p, attn, i))
        return (sk_span){0, attn->pooled >= 0 ? attend_list_count(p, attn, i, 0)
                                              : attn->index->n_unit * attn->index->unit};
    if (attn->whole) {
        int64_t side = attn->window > 0 ? attn->window / 2 : INT32_MAX;
        first = most(row->state->n_held, position - side);
        last = row->state->n_next - 1 - position > side ? position + side + 1 : row->state->n_next;
    } else if (attn->window > 0 && attn->chunked)
        first = position / attn->window * attn->window;
    else if (attn->window > 0 && position >= attn->window)
        first = position - attn->window + 1;
    return (sk_span){first, last};
}

/* The blocks that the rows of a run see. */
static sk_span run_blocks(const sk_pass *p, const sk_attn *attn, int64_t run)
{
    const sk_attending *t = &p->attending;
    int64_t first = attend_seen(p, attn, t->run[run]).first;
    int64_t last = attend_seen(p, attn, t->run[run + 1] - 1).last;
    return (sk_span){first / SK_KEY_BLOCK, (last - 1) / SK_KEY_BLOCK + 1};
}

/* Cuts the rows into runs of at most `most_rows`; rows with lists are alone. */
static void attend_runs(sk_pass *p, const sk_attn *attn, int64_t most_rows)
{
    sk_attending *t = &p->attending;
    t->n_run = 0;
    for (int64_t i = 0, n = 0; i < p->n_rows; i++) {
        if (n > 0 && n < most_rows && p->rows[i].state == p->rows[i - 1].state &&
            !attend_lists(p, attn, i)) {
            n++;
            continue;
        }
        t->run[t->n_run++] = (int32_t)i;
        n = 1;
    }
    t->run[t->n_run] = (int32_t)p->n_rows;
}

/* The most rows of a run, and the most blocks. */
static void attend_extent(const sk_pass *p, const sk_attn *attn, int64_t *n_row, int64_t *n_block)
{
    const sk_attending *t = &p->attending;
    *n_row = *n_block = 0;
    for (int64_t i = 0; i < t->n_run; i++) {
        sk_span blocks = run_blocks(p, attn, i);
        *n_row = most(*n_row, t->run[i + 1] - t->run[i]);
        *n_block = most(*n_block, blocks.last - blocks.first);
    }
}

/* How many blocks a round has, and a tile of it. */
static void attend_cut(sk_pass *p, const sk_attn *attn, double block_cost)
{
    sk_attending *t = &p->attending;
    int64_t n_pair = t->n_run * attn->n_head_kv, want = ATTEND_TILES_PER_THREAD * p->scratch.n;
    int64_t room = t->n_parts / (p->n_rows * attn->n_head * (attn->dv + 2));
    double fit = ATTEND_COST / block_cost;
    t->tile_blocks = fit < 1 ? 1 : fit < (double)t->n_block ? (int64_t)fit : t->n_block;
    t->round_blocks = t->tile_blocks;
    t->apart = n_pair < want && n_pair % p->scratch.n != 0 && t->n_block > 1 && room > 1;
    if (t->apart) {
        t->round_blocks = room < t->n_block ? room : t->n_block;
        int64_t share = t->round_blocks * n_pair / want;
        t->tile_blocks = share < 1 ? 1 : share < t->tile_blocks ? share : t->tile_blocks;
    }
    t->n_split = (t->round_blocks + t->tile_blocks - 1) / t->tile_blocks;
}

static void attend_first_round(sk_pass *p, const sk_attn *attn)
{
    sk_attending *t = &p->attending;
    int64_t group = attn->n_head / attn->n_head_kv, n_row;
    int64_t rows = SK_ATTEND_QUERIES / group;
    int64_t share = p->n_rows * attn->n_head_kv / (ATTEND_TILES_PER_THREAD * p->scratch.n);
    rows = rows < share ? rows : share;
    attend_runs(p, attn, rows > 1 ? rows : 1);
    attend_extent(p, attn, &n_row, &t->n_block);
    t->query_cost = (double)(n_row * group);
    t->first_block = 0;
    t->merging = false;
    attend_cut(p, attn, t->query_cost * (double)((attn->dk + attn->dv) * SK_KEY_BLOCK));
}

/* Rounds come to an end with the blocks of the run that sees the most; where blocks are apart, each
 * has a second half that merges. */
static void attend_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    const sk_attn *attn = step->attn;
    sk_attending *t = &p->attending;
    if (p->round == 0)
        attend_first_round(p, attn);
    else if (t->apart)
        t->merging = !t->merging;
    if (p->round > 0 && !t->merging)
        t->first_block += t->round_blocks;
    bool last = t->first_block + t->round_blocks >= t->n_block;
    double merge_cost = (double)(t->round_blocks * attn->dv);
    double cost = (double)((attn->dk + attn->dv) * SK_KEY_BLOCK * t->tile_blocks);
    *work = (sk_work){.n_tiles = t->n_run * attn->n_head_kv * (t->merging ? 1 : t->n_split),
                      .unit = 1,
                      .cost = t->query_cost * (t->merging ? merge_cost : cost),
                      .again = !last || (t->apart && !t->merging)};
}

/* What a kernel is told of a run and a head; `seen` has room for a run's rows. */
static sk_attend attend_make(const sk_pass *p, const sk_step *step, int64_t run, int64_t head,
                             sk_span *seen)
{
    const sk_attn *attn = step->attn;
    const sk_attending *t = &p->attending;
    int64_t group = attn->n_head / attn->n_head_kv, row = t->run[run];
    int64_t n_row = t->run[run + 1] - row, sums = row * attn->n_head + head * n_row * group;
    const sk_cache *cache = sk_state_cache(p->rows[row].state, attn->kv);
    for (int64_t i = 0; i < n_row; i++)
        seen[i] = attend_seen(p, attn, row + i);
    if (attend_lists(p, attn, row))
        seen[0].last = attend_list_count(p, attn, row, head);
    return (sk_attend){.q = sk_pass_reg(p, step->src, row) + head * group * attn->dk,
                       .q_stride = p->stride[step->src],
                       .n_row = n_row,
                       .n_head = group,
                       .dk = attn->dk,
                       .dv = attn->dv,
                       .seen = seen,
                       .k = (const void *const *)cache->blocks,
                       .v = (const void *const *)cache->blocks,
                       .k_offset = sk_cache_k_offset(cache, attn->kv, head),
                       .v_offset = sk_cache_v_offset(cache, attn->kv, head),
                       .k_dtype = cache->k_dtype,
                       .v_dtype = cache->layers[attn->kv].v_dtype,
                       .k_size = cache->layers[attn->kv].k_row,
                       .v_size = cache->layers[attn->kv].v_row,
                       .scale = attn->scale,
                       .cap = attn->cap,
                       .slope = attn->slope ? attn->slope + head * group : NULL,
                       .placed = true,
                       .at = p->rows[row].position,
                       .near = attn->near ? attn->near + head * group * (2 * SK_NEAR + 1) : NULL,
                       .sink = attn->sink ? attn->sink + head * group : NULL,
                       .out = sk_pass_reg(p, step->dst, row) + head * group * attn->dv,
                       .out_stride = p->stride[step->dst],
                       .max = t->max + sums,
                       .sum = t->sum + sums};
}

/* Where the parts of a run and head begin: blocks of all rows before it come first. */
static float *attend_parts(const sk_pass *p, const sk_attn *attn, int64_t run, int64_t head)
{
    const sk_attending *t = &p->attending;
    int64_t group = attn->n_head / attn->n_head_kv, row = t->run[run];
    int64_t n_row = t->run[run + 1] - row;
    return t->parts +
           (row * attn->n_head + head * n_row * group) * t->round_blocks * (attn->dv + 2);
}

/* Copies keys [first, first + n) of a row's list, and their values, to neighbouring rows. */
static void attend_gather(const sk_pass *p, const sk_attn *attn, int64_t row, int64_t head,
                          int64_t first, int64_t n, uint8_t *k_to, uint8_t *v_to)
{
    const sk_cache *cache = p->rows[row].state->cache;
    const sk_cache_layer *l = &cache->layers[attn->kv]; /* rows of summaries are as long */
    for (int64_t j = 0; j < n; j++) {
        int32_t layer;
        int64_t key = attend_list_key(p, attn, row, head, first + j, &layer);
        sk_cache_place at = sk_cache_find(cache, layer, key);
        const uint8_t *block = cache->blocks[at.block];
        const uint8_t *k = block + sk_cache_k_offset(cache, layer, head);
        const uint8_t *v = block + sk_cache_v_offset(cache, layer, head);
        memcpy(k_to + (size_t)j * l->k_row, k + (size_t)at.row * l->k_row, l->k_row);
        if (v_to)
            memcpy(v_to + (size_t)j * l->v_row, v + (size_t)at.row * l->v_row, l->v_row);
    }
}

/* A block of a row's list. The kernel is told that it is the first, or else the second. */
static void attend_listed(const sk_pass *p, const sk_attn *attn, sk_attend a, int64_t row,
                          int64_t head, int64_t block)
{
    uint8_t *k = (uint8_t *)a.scratch + attend_scratch(attn);
    bool joint = p->plan->kvs[attn->kv].joint, later = block > 0;
    int64_t left = a.seen[0].last - block * SK_KEY_BLOCK;
    int64_t n = left < SK_KEY_BLOCK ? left : SK_KEY_BLOCK;
    const void *at[2] = {k, k};
    sk_span seen = {0, n + later * SK_KEY_BLOCK};
    if (n <= 0)
        return;
    a.k = a.v = at;
    a.k_offset = 0;
    a.v_offset = joint ? 0 : SK_KEY_BLOCK * a.k_size;
    a.seen = &seen;
    attend_gather(p, attn, row, head, block * SK_KEY_BLOCK, n, k, joint ? NULL : k + a.v_offset);
    p->k->attend(&a, later, later + 1);
}

/* A tile: a run and a head, and which share of the round's blocks. */
static void attend_tile(const sk_pass *p, const sk_step *step, int64_t tile, void *scratch)
{
    const sk_attn *attn = step->attn;
    const sk_attending *t = &p->attending;
    int64_t n_split = t->merging ? 1 : t->n_split, split = tile % n_split;
    int64_t run = tile / n_split % t->n_run, head = tile / n_split / t->n_run;
    sk_span seen[SK_ATTEND_QUERIES], blocks = run_blocks(p, attn, run);
    sk_attend a = attend_make(p, step, run, head, seen);
    int64_t round = blocks.first + t->first_block, round_end = round + t->round_blocks;
    int64_t first = round + split * t->tile_blocks, end = first + t->tile_blocks;
    round_end = round_end < blocks.last ? round_end : blocks.last;
    if (round >= blocks.last)
        return;
    a.scratch = scratch;
    a.parts = t->apart ? attend_parts(p, attn, run, head) : NULL;
    if (t->merging) {
        p->k->attend_merge(&a, round, round_end);
    } else {
        int64_t part = a.n_row * a.n_head * (a.dv + 2);
        bool lists = attend_lists(p, attn, t->run[run]);
        end = end < round_end ? end : round_end;
        if (t->apart)
            a.parts += (first - round) * part;
        if (!lists)
            p->k->attend(&a, first, end);
        for (int64_t b = first; lists && b < end; b++, a.parts += t->apart ? part : 0)
            attend_listed(p, attn, a, t->run[run], head, b);
    }
    if (round_end == blocks.last && (t->merging || !t->apart))
        p->k->attend_end(&a);
}

static void attend_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int32_t slot;
    void *scratch = sk_scratch_take(p, &slot);
    for (int64_t tile = first; tile < last; tile++)
        attend_tile(p, step, tile, scratch);
    sk_scratch_give(p, slot);
}

const sk_op sk_op_attend = {attend_begin, attend_run};
