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
 * Each thread at work holds one piece of scratch memory, of which there are as many as tasks run at
 * once. A host that runs more of them than it said makes some wait for others that are running,
 * never for one that has not begun.
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
        size_t size = (sk_attend_scratch(attn->dk, attn->dv) + SK_ALIGN - 1) / SK_ALIGN * SK_ALIGN;
        t->scratch_size = size > t->scratch_size ? size : t->scratch_size;
        t->n_parts = most(t->n_parts, ATTEND_PARTS_BLOCKS * attn->n_head * (attn->dv + 2));
        n_head = most(n_head, attn->n_head);
    }
    if (n_head == 0)
        return SKALD_OK;
    uint64_t n_rows = (uint64_t)pass->max_rows;
    t->n_scratch = sk_executor_width(pass->executor);
    t->run = sk_alloc_array(pass->heap, n_rows + 1, sizeof *t->run, "a pass's workspace", error);
    t->max = sk_alloc_array(pass->heap, n_rows, (uint64_t)n_head * 4, "a pass's workspace", error);
    t->sum = sk_alloc_array(pass->heap, n_rows, (uint64_t)n_head * 4, "a pass's workspace", error);
    t->parts = t->n_scratch == 1
                   ? NULL
                   : sk_alloc(pass->heap, (uint64_t)t->n_parts * 4, "a pass's workspace", error);
    t->scratch = sk_alloc_array(pass->heap, (uint64_t)t->n_scratch, t->scratch_size,
                                "a pass's workspace", error);
    t->busy = sk_alloc_array(pass->heap, (uint64_t)t->n_scratch, sizeof *t->busy,
                             "a pass's workspace", error);
    bool all = t->run && t->max && t->sum && t->scratch && t->busy;
    return all && (t->parts || t->n_scratch == 1) ? SKALD_OK : SKALD_E_MEMORY;
}

void sk_attending_free(sk_pass *pass)
{
    sk_attending *t = &pass->attending;
    void *blocks[] = {t->run, t->max, t->sum, t->parts, t->scratch, (void *)t->busy};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        sk_free(pass->heap, blocks[i]);
}

static int32_t scratch_take(sk_attending *t)
{
    for (int32_t i = 0;; i = (i + 1) % t->n_scratch)
        if (atomic_exchange_explicit(&t->busy[i], 1, memory_order_acquire) == 0)
            return i;
}

static void scratch_give(sk_attending *t, int32_t i)
{
    atomic_store_explicit(&t->busy[i], 0, memory_order_release);
}

/* ---- store: keys and values to the cache ------------------------------------------------------
 */

static void store_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_kv *kv = &p->plan->kvs[step->kv];
    for (int64_t i = first; i < last; i++) {
        const sk_cache *cache = sk_state_cache(p->rows[i].state, step->kv);
        const sk_cache_layer *layer = &cache->layers[step->kv];
        uint8_t *block = cache->blocks[p->rows[i].position / SK_KEY_BLOCK];
        size_t row = (size_t)(p->rows[i].position % SK_KEY_BLOCK);
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

/* The keys that a row sees. */
static sk_span attend_seen(const sk_attn *attn, const sk_row *row)
{
    int64_t first = 0, position = row->position, last = position + 1;
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
    int64_t first = attend_seen(attn, &p->rows[t->run[run]]).first;
    int64_t last = attend_seen(attn, &p->rows[t->run[run + 1] - 1]).last;
    return (sk_span){first / SK_KEY_BLOCK, (last - 1) / SK_KEY_BLOCK + 1};
}

/* Cuts the rows into runs of at most `most_rows`. */
static void attend_runs(sk_pass *p, int64_t most_rows)
{
    sk_attending *t = &p->attending;
    t->n_run = 0;
    for (int64_t i = 0, n = 0; i < p->n_rows; i++) {
        if (n > 0 && n < most_rows && p->rows[i].state == p->rows[i - 1].state) {
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
    int64_t n_pair = t->n_run * attn->n_head_kv, want = ATTEND_TILES_PER_THREAD * t->n_scratch;
    int64_t room = t->n_parts / (p->n_rows * attn->n_head * (attn->dv + 2));
    double fit = ATTEND_COST / block_cost;
    t->tile_blocks = fit < 1 ? 1 : fit < (double)t->n_block ? (int64_t)fit : t->n_block;
    t->round_blocks = t->tile_blocks;
    t->apart = n_pair < want && n_pair % t->n_scratch != 0 && t->n_block > 1 && room > 1;
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
    int64_t share = p->n_rows * attn->n_head_kv / (ATTEND_TILES_PER_THREAD * t->n_scratch);
    rows = rows < share ? rows : share;
    attend_runs(p, rows > 1 ? rows : 1);
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
        seen[i] = attend_seen(attn, &p->rows[row + i]);
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
        if (t->apart)
            a.parts += (first - round) * a.n_row * a.n_head * (a.dv + 2);
        p->k->attend(&a, first, end < round_end ? end : round_end);
    }
    if (round_end == blocks.last && (t->merging || !t->apart))
        p->k->attend_end(&a);
}

static void attend_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    sk_attending *t = &p->attending;
    int32_t slot = scratch_take(t);
    for (int64_t tile = first; tile < last; tile++)
        attend_tile(p, step, tile, t->scratch + (size_t)slot * t->scratch_size);
    scratch_give(t, slot);
}

const sk_op sk_op_attend = {attend_begin, attend_run};
