/* SPDX-License-Identifier: MIT */
/*
 * Selection without a full sort, in place: binary heaps. One sift serves both directions: the k
 * best are held in a heap whose root is the worst of them, so that most of a vocabulary is turned
 * away with one comparison; ranking on demand pops from a heap whose root is the best.
 * Heaps rather than quick selection because no input, however made, is quadratic for them.
 */
#include "base/portable.h"

#include "sample/candidates.h"
#include "tensor/math.h"

#include <string.h>

enum { REACH_BINS = 512, REACH_FEW = 128 };

#define NEGLIGIBLE 64.0 /* 2^31 * exp(-64) < 2^-54 */

static bool candidate_better(const sk_candidate *a, const sk_candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->id < b->id);
}

static void candidate_swap(sk_candidate *a, sk_candidate *b)
{
    sk_candidate t = *a;
    *a = *b;
    *b = t;
}

/* Moves items[i] down until both its children belong below it. */
static void candidate_sift(sk_candidate *items, uint64_t n, uint64_t i, bool best_first)
{
    sk_candidate moving = items[i];
    for (uint64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && candidate_better(&items[child + 1], &items[child]) == best_first)
            child++;
        if (candidate_better(&items[child], &moving) != best_first)
            break;
        items[i] = items[child];
    }
    items[i] = moving;
}

static void candidate_heapify(sk_candidate *items, uint64_t n, bool best_first)
{
    for (uint64_t i = n / 2; i-- > 0;)
        candidate_sift(items, n, i, best_first);
}

const sk_candidate *sk_candidates_best(const sk_candidates *set)
{
    const sk_candidate *best = set->items;
    for (uint64_t i = 1; i < set->n && !set->ranked; i++)
        if (set->items[i].logit > best->logit)
            best = &set->items[i];
    return best;
}

void sk_candidates_settle(sk_candidates *set)
{
    if (set->due && !set->ranked)
        sk_candidates_rank(set);
    set->due = false;
}

double sk_candidates_weigh(sk_candidates *set)
{
    sk_candidates_settle(set);
    return sk_candidates_weigh_roughly(set);
}

double sk_candidates_weigh_roughly(sk_candidates *set)
{
    double max = sk_candidates_best(set)->logit, total = 0;
    for (uint64_t i = 0; i < set->n; i++) {
        double d = set->items[i].logit - max;
        float weight = d < -NEGLIGIBLE ? 0.0f : sk_expf((float)d);
        set->items[i].weight = weight;
        total += (double)weight;
    }
    return total;
}

void sk_candidates_keep_best(sk_candidates *set, uint64_t k)
{
    sk_candidate *items = set->items;
    uint64_t n = set->n;
    set->n = k;
    set->due = false;
    if (set->ranked)
        return;
    candidate_heapify(items, k, false);
    for (uint64_t i = k; i < n; i++) {
        if (!candidate_better(&items[i], &items[0]))
            continue;
        items[0] = items[i];
        candidate_sift(items, k, 0, false);
    }
    for (uint64_t end = k; end-- > 1;) { /* the worst goes last */
        candidate_swap(&items[0], &items[end]);
        candidate_sift(items, end, 0, false);
    }
    set->ranked = true;
}

void sk_candidates_rank_begin(sk_candidates *set)
{
    set->n_popped = 0;
    if (!set->ranked)
        candidate_heapify(set->items, set->n, true);
}

/* Those popped lie behind the heap, the best last. */
const sk_candidate *sk_candidates_rank_next(sk_candidates *set)
{
    uint64_t rank = set->n_popped++;
    if (set->ranked)
        return &set->items[rank];
    uint64_t last = set->n - 1 - rank;
    candidate_swap(&set->items[0], &set->items[last]);
    candidate_sift(set->items, last, 0, true);
    return &set->items[last];
}

void sk_candidates_rank_end(sk_candidates *set)
{
    uint64_t kept = set->n_popped;
    if (!set->ranked) {
        sk_candidate *first = set->items + (set->n - kept);
        for (uint64_t i = 0; i < kept / 2; i++)
            candidate_swap(&first[i], &first[kept - 1 - i]);
        memmove(set->items, first, kept * sizeof *first);
    }
    set->n = kept;
    set->ranked = true;
    set->due = false;
}

void sk_candidates_rank(sk_candidates *set)
{
    set->ranked = set->due = false;
    sk_candidates_rank_begin(set);
    for (uint64_t i = 0; i < set->n; i++)
        sk_candidates_rank_next(set);
    sk_candidates_rank_end(set);
}

/* ---- Where a run ends ------------------------------------------------------------------------ */

/* A histogram by logit. Buckets are monotone in the logit, so they are in the order of rank. */
typedef struct reach_bins {
    double from, scale;
    double sum[REACH_BINS];
    uint32_t count[REACH_BINS];
} reach_bins;

/* Those far below the best weigh nothing: what is behind the last bucket is in the last one. */
static uint32_t reach_bin(const reach_bins *bins, double logit)
{
    double at = (bins->from - logit) * bins->scale;
    return !(at > 0) ? 0 : at < REACH_BINS ? (uint32_t)at : REACH_BINS - 1;
}

/* Of all candidates, or of those in one bucket of another histogram. */
static void reach_fill(reach_bins *bins, const sk_candidates *set, const reach_bins *outer,
                       uint32_t only)
{
    memset(bins->sum, 0, sizeof bins->sum);
    memset(bins->count, 0, sizeof bins->count);
    for (uint64_t i = 0; i < set->n; i++) {
        const sk_candidate *c = &set->items[i];
        if (outer && reach_bin(outer, c->logit) != only)
            continue;
        uint32_t bin = reach_bin(bins, c->logit);
        bins->sum[bin] += (double)c->weight;
        bins->count[bin]++;
    }
}

/* The bucket in which *sum, that of all before the buckets, comes to be more than wanted; it is
 * REACH_BINS if that is too close to tell, as sums in another order round otherwise. */
static uint32_t reach_find(const reach_bins *bins, double *sum, double wanted, double margin)
{
    for (uint32_t i = 0; i < REACH_BINS && *sum < wanted - margin; i++) {
        if (*sum + bins->sum[i] > wanted + margin)
            return i;
        *sum += bins->sum[i];
    }
    return REACH_BINS;
}

/* Through a coarse histogram, and a fine one of one of its buckets, to a few candidates, which are
 * ranked. */
bool sk_candidates_reach(const sk_candidates *set, double wanted, sk_candidate *last)
{
    reach_bins coarse = {.from = sk_candidates_best(set)->logit, .scale = REACH_BINS / NEGLIGIBLE};
    reach_bins fine = {.scale = coarse.scale * REACH_BINS};
    double sum = 0, margin = wanted * (double)set->n * 0x1p-50;
    reach_fill(&coarse, set, NULL, 0);
    uint32_t bin = reach_find(&coarse, &sum, wanted, margin);
    if (bin == REACH_BINS)
        return false;
    fine.from = coarse.from - (double)bin / coarse.scale;
    reach_fill(&fine, set, &coarse, bin);
    uint32_t part = reach_find(&fine, &sum, wanted, margin);
    if (part == REACH_BINS || fine.count[part] > REACH_FEW)
        return false;
    sk_candidate few[REACH_FEW];
    sk_candidates some = {.items = few};
    for (uint64_t i = 0; i < set->n; i++)
        if (reach_bin(&coarse, set->items[i].logit) == bin &&
            reach_bin(&fine, set->items[i].logit) == part)
            few[some.n++] = set->items[i];
    sk_candidates_rank(&some);
    for (uint64_t i = 0; i < some.n && sum < wanted - margin; i++) {
        sum += (double)few[i].weight;
        *last = few[i];
    }
    return sum > wanted + margin;
}

void sk_candidates_keep_to(sk_candidates *set, const sk_candidate *last)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < set->n; i++) {
        set->items[kept] = set->items[i];
        kept += !candidate_better(last, &set->items[i]);
    }
    set->n = kept;
    set->due = !set->ranked;
}

#undef NEGLIGIBLE
