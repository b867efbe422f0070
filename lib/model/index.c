/* SPDX-License-Identifier: MIT */
/*
 * Indexers: what chooses the keys that a row's attention sees. An indexer has keys of its own in
 * the cache, one short one per token, which a row's short queries are multiplied with. Two kinds:
 *
 *   lightning (arXiv:2512.02556)   s_j = sum over its heads h of w_h relu(q_h . k_j); the keys of
 *                                  the greatest s are seen by all heads of attention
 *   blocks                         s of a block of keys = the greatest q_g . k_j of its keys; the
 *                                  greatest blocks are seen by the heads of the group g, the last
 *                                  ones before the row always
 *
 * What is chosen are units: single keys, or blocks of so many neighbours, the last of which may be
 * cut off by the row. Ties go to the unit that comes first. A row that sees no more units than
 * would be chosen has no list: it sees all keys, as attention without an indexer does.
 *
 * A step goes over the keys in rounds of as many blocks of the cache as there is room for scores.
 * Each round has two halves: scores, by row and some blocks; then they go to the row's list, which
 * is a heap with its worst unit on top, until the last round leaves it in the order of positions.
 * Its memory does not depend on the context: 8 bytes per row and chosen unit, and a megabyte.
 *
 * Products of queries and keys are those of any matrix (tensor/kernels.h), the cached keys being
 * its rows: where a cache holds blocks of integers, the query becomes integers too.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include <math.h>
#include <string.h>

#define INDEX_COST 4e6            /* multiply-adds of a tile, if it has more than one block */
#define INDEX_SCORES (256 * 1024) /* floats of a round's scores, at least */
#define INDEX_NORM_EPS 1e-6f      /* of the layer norm of keys */

/* ---- The plan -------------------------------------------------------------------------------- */

/* `kv`: a cached layer that has its keys; -1: a new one. */
static sk_index *index_new(sk_builder *b, int32_t kv)
{
    const sk_hparam *hp = b->hp;
    sk_index *x = sk_plan_keep_of(b, 1, sizeof *x);
    if (!x)
        return NULL;
    bool blocks = b->arch->index == SK_INDEX_BLOCKS;
    *x = (sk_index){.kv = kv >= 0 ? kv : sk_plan_kv(b, 1, hp->n_index, 0),
                    .n_head = hp->n_index_head,
                    .n = hp->n_index,
                    .n_list = blocks ? hp->n_index_head : 1,
                    .unit = blocks ? hp->index_unit : 1,
                    .n_unit = hp->n_index_top,
                    .n_local = blocks ? hp->n_index_local : 0,
                    .each = 1,
                    .weighed = !blocks};
    return b->status == SKALD_OK ? x : NULL;
}

/* Rotates the first elements of queries and keys, as `halves` says, and stores keys. */
static void index_turn_and_store(sk_builder *b, const sk_index *x, int rope, bool halves)
{
    sk_plan_turn(b, SK_R_IQ, rope, x->n_head, x->n, 0)->halves = halves;
    sk_plan_turn(b, SK_R_IK, rope, 1, x->n, 0)->halves = halves;
    if (b->status != SKALD_OK)
        return;
    sk_kv *kv = &b->plan->kvs[x->kv];
    kv->turns = true;
    kv->rope = rope;
    kv->halves = halves;
    sk_plan_store(b, x->kv, SK_R_IK);
}

static void index_step(sk_builder *b, const sk_index *x)
{
    sk_step *step = sk_plan_step(b, SK_OP_INDEX, SK_SET_ROWS);
    step->src = SK_R_IQ;
    step->n = x->n;
    step->n_vec = x->n_head;
    step->index = x;
}

const sk_index *sk_plan_index_lightning(sk_builder *b, int src, int low, int rope)
{
    if (b->arch->index == SK_INDEX_NONE || b->status != SKALD_OK)
        return NULL;
    if (b->hp->index_types[b->layer] == 0)
        return b->index; /* what the layer before has chosen */
    sk_index *x = index_new(b, -1);
    if (!x)
        return NULL;
    sk_linear query = sk_plan_weight(b, SK_T_INDEX_Q);
    sk_linear parts[] = {sk_plan_weight(b, SK_T_INDEX_K), sk_plan_weight(b, SK_T_INDEX_PROJ)};
    sk_plan_linear(b, low, &query, (int[]){SK_R_IQ}, 1);
    sk_plan_linear(b, src, parts, (int[]){SK_R_IK, SK_R_IW}, 2);
    sk_plan_norm_as(b, SK_R_IK, SK_R_IK, SK_T_INDEX_K_NORM, 1, x->n, true, 0)->eps = INDEX_NORM_EPS;
    index_turn_and_store(b, x, rope, b->arch->index == SK_INDEX_LIGHTNING_HALVES);
    sk_plan_scale(b, SK_R_IW, 1 / sqrt((double)(x->n * x->n_head)), x->n_head);
    index_step(b, x);
    b->index = x;
    return x;
}

const sk_index *sk_plan_index_pooled(sk_builder *b, int src, int low, int rope, int32_t kv)
{
    sk_index *x = index_new(b, kv);
    if (!x)
        return NULL;
    x->each = b->plan->kvs[kv].each;
    sk_linear query = sk_plan_weight(b, SK_T_INDEX_Q), weights = sk_plan_weight(b, SK_T_INDEX_PROJ);
    sk_plan_linear(b, low, &query, (int[]){SK_R_IQ}, 1);
    sk_plan_linear(b, src, &weights, (int[]){SK_R_IW}, 1);
    sk_plan_turn(b, SK_R_IQ, rope, x->n_head, x->n, x->n - b->hp->n_rot[b->layer]);
    sk_plan_scale(b, SK_R_IW, 1 / sqrt((double)(x->n * x->n_head)), x->n_head);
    index_step(b, x);
    return x;
}

const sk_index *sk_plan_index_blocks(sk_builder *b, int src, int rope)
{
    if (b->arch->index != SK_INDEX_BLOCKS || b->layer < b->hp->n_dense_lead)
        return NULL;
    sk_index *x = index_new(b, -1);
    if (!x)
        return NULL;
    sk_linear parts[] = {sk_plan_weight(b, SK_T_INDEX_Q_PROJ),
                         sk_plan_weight(b, SK_T_INDEX_K_PROJ)};
    sk_plan_linear(b, src, parts, (int[]){SK_R_IQ, SK_R_IK}, 2);
    sk_plan_norm_as(b, SK_R_IQ, SK_R_IQ, SK_T_INDEX_Q_NORM, x->n_head, x->n, false, 0);
    sk_plan_norm_as(b, SK_R_IK, SK_R_IK, SK_T_INDEX_K_NORM, 1, x->n, false, 0);
    index_turn_and_store(b, x, rope, false);
    index_step(b, x);
    return x;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static size_t index_scratch(const sk_index *x)
{
    size_t act = 0;
    for (int kind = 0; kind < 3; kind++) {
        size_t size = sk_act_row_size(kind, (x->n + 255) / 256 * 256);
        act = size > act ? size : act;
    }
    return (size_t)x->n_head * (act + SK_KEY_BLOCK * sizeof(float));
}

int32_t sk_indexing_init(sk_pass *pass, sk_error *error)
{
    sk_indexing *t = &pass->indexing;
    const sk_plan *plan = pass->plan;
    for (uint64_t i = 0; i < plan->n_step; i++) {
        const sk_index *x = plan->steps[i].op == SK_OP_INDEX ? plan->steps[i].index : NULL;
        if (!x)
            continue;
        size_t size = index_scratch(x);
        t->n_list = x->n_list > t->n_list ? x->n_list : t->n_list;
        t->room = x->n_unit > t->room ? x->n_unit : t->room;
        pass->scratch.size = size > pass->scratch.size ? size : pass->scratch.size;
    }
    if (t->n_list == 0)
        return SKALD_OK;
    uint64_t n = (uint64_t)(pass->max_rows * t->n_list), room = (uint64_t)t->room;
    t->n_scores = (int64_t)n * SK_KEY_BLOCK;
    t->n_scores = t->n_scores < INDEX_SCORES ? INDEX_SCORES : t->n_scores;
    t->unit = sk_alloc_array(pass->heap, n, room * sizeof *t->unit, "a pass's workspace", error);
    t->score = sk_alloc_array(pass->heap, n, room * sizeof *t->score, "a pass's workspace", error);
    t->n = sk_alloc_array(pass->heap, n, sizeof *t->n, "a pass's workspace", error);
    t->open = sk_alloc_array(pass->heap, n, sizeof *t->open, "a pass's workspace", error);
    t->scores = sk_alloc_array(pass->heap, (uint64_t)t->n_scores, sizeof *t->scores,
                               "a pass's workspace", error);
    return t->unit && t->score && t->n && t->open && t->scores ? SKALD_OK : SKALD_E_MEMORY;
}

void sk_indexing_free(sk_pass *pass)
{
    sk_indexing *t = &pass->indexing;
    void *blocks[] = {t->unit, t->score, t->n, t->open, t->scores};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        sk_free(pass->heap, blocks[i]);
}

/* ---- Lists ----------------------------------------------------------------------------------- */

/* Keys that a row sees without a choice. */
static int64_t index_seen(const sk_index *x, const sk_row *row)
{
    return (row->position + 1) / x->each;
}

bool sk_index_lists(const sk_index *x, const sk_row *row)
{
    return index_seen(x, row) > x->n_unit * x->unit;
}

static int64_t list_of(const sk_pass *p, const sk_index *x, int64_t row, int64_t head)
{
    return row * p->indexing.n_list + (x->n_list > 1 ? head : 0);
}

int64_t sk_index_count(const sk_pass *p, const sk_index *x, int64_t row, int64_t head)
{
    int64_t seen = index_seen(x, &p->rows[row]), own = (seen - 1) / x->unit;
    const int32_t *unit = p->indexing.unit + list_of(p, x, row, head) * p->indexing.room;
    int64_t missing = unit[x->n_unit - 1] == own ? (own + 1) * x->unit - seen : 0;
    return x->n_unit * x->unit - missing;
}

int64_t sk_index_key(const sk_pass *p, const sk_index *x, int64_t row, int64_t head, int64_t j)
{
    const int32_t *unit = p->indexing.unit + list_of(p, x, row, head) * p->indexing.room;
    return unit[j / x->unit] * x->unit + j % x->unit;
}

/* A heap of the units chosen so far, the worst on top: of the lowest score, of equal ones the last.
 */
typedef struct index_heap {
    int32_t *unit;
    float *score;
    int32_t n;
} index_heap;

static bool heap_worse(const index_heap *h, int32_t a, int32_t b)
{
    return h->score[a] < h->score[b] || (h->score[a] == h->score[b] && h->unit[a] > h->unit[b]);
}

static void heap_swap(index_heap *h, int32_t a, int32_t b)
{
    int32_t unit = h->unit[a];
    float score = h->score[a];
    h->unit[a] = h->unit[b];
    h->score[a] = h->score[b];
    h->unit[b] = unit;
    h->score[b] = score;
}

static void heap_down(index_heap *h, int32_t i)
{
    for (;;) {
        int32_t worst = i;
        for (int32_t child = 2 * i + 1; child <= 2 * i + 2 && child < h->n; child++)
            worst = heap_worse(h, child, worst) ? child : worst;
        if (worst == i)
            return;
        heap_swap(h, i, worst);
        i = worst;
    }
}

static void heap_add(index_heap *h, int64_t most, int64_t unit, float score)
{
    if (h->n == most) {
        if (!(score > h->score[0]))
            return;
        h->unit[0] = (int32_t)unit;
        h->score[0] = score;
        heap_down(h, 0);
        return;
    }
    int32_t i = h->n++;
    h->unit[i] = (int32_t)unit;
    h->score[i] = score;
    for (; i > 0 && heap_worse(h, i, (i - 1) / 2); i = (i - 1) / 2)
        heap_swap(h, i, (i - 1) / 2);
}

/* Leaves the units rising: each counts as much as it is early, and the last is taken off the top.
 */
static void heap_sort(index_heap *h)
{
    int32_t n = h->n;
    for (int32_t i = 0; i < n; i++)
        h->score[i] = 0;
    for (int32_t i = n / 2; i-- > 0;)
        heap_down(h, i);
    while (h->n > 1) {
        heap_swap(h, 0, --h->n);
        heap_down(h, 0);
    }
    h->n = n;
}

/* ---- index: the source's queries to lists of keys ----------------------------------------------
 */

/* Keys that lie together in a block of the cache: of single tokens, SK_KEY_BLOCK. */
static int64_t index_per(const sk_index *x)
{
    return x->each < SK_KEY_BLOCK ? SK_KEY_BLOCK / x->each : 1;
}

/* Such blocks that a row's keys lie in, if it chooses. */
static int64_t index_blocks(const sk_pass *p, const sk_index *x, int64_t row)
{
    const sk_row *r = &p->rows[row];
    return sk_index_lists(x, r) ? (index_seen(x, r) - 1) / index_per(x) + 1 : 0;
}

static void index_first_round(sk_pass *p, const sk_index *x)
{
    sk_indexing *t = &p->indexing;
    t->n_block = 0;
    for (int64_t i = 0; i < p->n_rows; i++) {
        int64_t n = index_blocks(p, x, i);
        t->n_block = n > t->n_block ? n : t->n_block;
    }
    for (int64_t i = 0; i < p->n_rows * t->n_list; i++) {
        t->n[i] = 0;
        t->open[i] = -INFINITY;
    }
    double fit = INDEX_COST / (double)(x->n_head * x->n * index_per(x));
    t->first_block = 0;
    t->merging = false;
    t->round_blocks = t->n_scores / (p->n_rows * t->n_list * index_per(x));
    t->round_blocks = t->round_blocks < t->n_block ? t->round_blocks : t->n_block;
    t->tile_blocks = fit < 1 ? 1 : fit < (double)t->round_blocks ? (int64_t)fit : t->round_blocks;
    t->n_split = t->n_block ? (t->round_blocks + t->tile_blocks - 1) / t->tile_blocks : 0;
}

static void index_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    const sk_index *x = step->index;
    sk_indexing *t = &p->indexing;
    if (p->round == 0) {
        index_first_round(p, x);
    } else {
        t->first_block += t->merging ? t->round_blocks : 0;
        t->merging = !t->merging;
    }
    bool last = t->first_block + t->round_blocks >= t->n_block;
    double score = (double)(t->tile_blocks * index_per(x) * x->n_head * x->n);
    double merge = (double)(t->round_blocks * index_per(x) * 4);
    *work = (sk_work){.n_tiles = p->n_rows * (t->merging ? x->n_list : t->n_split),
                      .unit = 1,
                      .cost = t->merging ? merge : score,
                      .again = t->n_block > 0 && !(t->merging && last)};
    work->n_tiles = t->n_block > 0 ? work->n_tiles : 0;
}

/* Where the scores of a round begin for a row and a list. */
static float *index_scores(const sk_pass *p, const sk_index *x, int64_t row, int64_t list)
{
    const sk_indexing *t = &p->indexing;
    return t->scores + (row * t->n_list + list) * t->round_blocks * index_per(x);
}

/* The scores of `n` keys, of one block, whose products with all heads are in `out`. */
static void index_finish(const sk_pass *p, const sk_index *x, int64_t row, int64_t at, int64_t n,
                         float *out)
{
    static const sk_fn relu = {.kind = SK_FN_RELU};
    for (int64_t g = 0; !x->weighed && g < x->n_list; g++)
        memcpy(index_scores(p, x, row, g) + at, out + g * SK_KEY_BLOCK, (size_t)n * sizeof *out);
    if (!x->weighed)
        return;
    const float *weight = sk_pass_reg(p, SK_R_IW, row);
    float *score = index_scores(p, x, row, 0) + at;
    memset(score, 0, (size_t)n * sizeof *score);
    for (int64_t h = 0; h < x->n_head; h++, out += SK_KEY_BLOCK) {
        p->k->apply(&relu, out, out, NULL, n);
        p->k->fma(score, out, weight[h], n);
    }
}

/* The activations of a row's queries; false: not all are finite. */
static bool index_queries(const sk_pass *p, const sk_step *step, int64_t row, int kind, size_t size,
                          char *act)
{
    const sk_index *x = step->index;
    const float *q = sk_pass_reg(p, step->src, row);
    for (int64_t h = 0; h < x->n_head; h++)
        if (p->k->quantise(kind, q + h * x->n, x->n, act + (size_t)h * size) != 0)
            return false;
    return true;
}

static void index_score(sk_pass *p, const sk_step *step, int64_t row, int64_t split, char *scratch)
{
    const sk_index *x = step->index;
    const sk_indexing *t = &p->indexing;
    const sk_cache *cache = p->rows[row].state->cache;
    int64_t first = t->first_block + split * t->tile_blocks, end = first + t->tile_blocks;
    int64_t round_end = t->first_block + t->round_blocks, last = index_blocks(p, x, row);
    int64_t seen = index_seen(x, &p->rows[row]), per = index_per(x);
    end = end < round_end ? end : round_end;
    end = end < last ? end : last;
    if (first >= end)
        return;
    int kind = sk_act_kind(cache->k_dtype);
    size_t size = sk_act_row_size(kind, x->n);
    float *out = (float *)(void *)(scratch + (size_t)x->n_head * size);
    if (!index_queries(p, step, row, kind, size, scratch)) {
        sk_pass_fail(p, SK_SET_ROWS, row, step->layer);
        for (int64_t g = 0; g < x->n_list; g++)
            memset(index_scores(p, x, row, g) + (first - t->first_block) * per, 0,
                   (size_t)((end - first) * per) * sizeof(float));
        return;
    }
    sk_matmul m = {.dtype = cache->k_dtype,
                   .row_size = cache->layers[x->kv].k_row,
                   .n = x->n,
                   .act = scratch,
                   .act_size = size,
                   .out = out,
                   .out_stride = SK_KEY_BLOCK};
    for (int64_t b = first; b < end; b++) {
        sk_cache_place at = sk_cache_find(cache, x->kv, b * per);
        int64_t n = seen - b * per < per ? seen - b * per : per;
        m.w = (const char *)cache->blocks[at.block] + sk_cache_k_offset(cache, x->kv, 0);
        p->k->matmul(&m, 0, n, 0, x->n_head);
        index_finish(p, x, row, (b - t->first_block) * per, n, out);
    }
}

static void index_merge(const sk_pass *p, const sk_step *step, int64_t row, int64_t list)
{
    const sk_index *x = step->index;
    const sk_indexing *t = &p->indexing;
    int64_t which = row * t->n_list + list, seen = index_seen(x, &p->rows[row]);
    int64_t own = (seen - 1) / x->unit, first = t->first_block * index_per(x);
    int64_t end = first + t->round_blocks * index_per(x);
    const float *score = index_scores(p, x, row, list);
    index_heap heap = {t->unit + which * t->room, t->score + which * t->room, t->n[which]};
    if (!sk_index_lists(x, &p->rows[row]) || first >= seen)
        return;
    end = end < seen ? end : seen;
    for (int64_t j = first; j < end; j++) {
        float *open = &t->open[which];
        *open = score[j - first] > *open ? score[j - first] : *open;
        if ((j + 1) % x->unit != 0 && j + 1 < seen)
            continue;
        int64_t unit = j / x->unit;
        heap_add(&heap, x->n_unit, unit, own - unit < x->n_local ? INFINITY : *open);
        *open = -INFINITY;
    }
    if (end == seen)
        heap_sort(&heap);
    t->n[which] = heap.n;
}

static void index_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_indexing *t = &p->indexing;
    int32_t slot;
    char *scratch = t->merging ? NULL : sk_scratch_take(p, &slot);
    for (int64_t tile = first; tile < last; tile++) {
        if (t->merging)
            index_merge(p, step, tile / step->index->n_list, tile % step->index->n_list);
        else
            index_score(p, step, tile / t->n_split, tile % t->n_split, scratch);
    }
    if (scratch)
        sk_scratch_give(p, slot);
}

const sk_op sk_op_index = {index_begin, index_run};
