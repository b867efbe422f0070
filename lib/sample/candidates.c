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

double sk_candidates_weigh(sk_candidates *set)
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
}

void sk_candidates_rank(sk_candidates *set)
{
    set->ranked = false;
    sk_candidates_rank_begin(set);
    for (uint64_t i = 0; i < set->n; i++)
        sk_candidates_rank_next(set);
    sk_candidates_rank_end(set);
}

#undef NEGLIGIBLE
