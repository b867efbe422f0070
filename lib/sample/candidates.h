/* SPDX-License-Identifier: MIT */
/*
 * The tokens that may still be chosen: what the steps of the sampler chain work on.
 *
 * A set is in one of two orders and never in any other: by ascending id, as it begins, or by rank:
 * descending logit, then ascending id. Removing candidates keeps the order. Ranks are total, so
 * a set that was ranked is the same however it was ranked; and since a sum over candidates runs
 * in the order of the set, it has the same bits everywhere. Sorting is put off as long as nothing
 * depends on it (`due`): often most candidates are gone by then.
 *
 * Logits are doubles here, though models give floats: whatever finite bias, penalty or temperature
 * is applied to a finite float cannot overflow, and two different floats stay different.
 */
#ifndef SK_SAMPLE_CANDIDATES_H
#define SK_SAMPLE_CANDIDATES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sk_candidate {
    double logit; /* finite */
    int32_t id;
    float weight; /* exp(logit - the best logit), once sk_candidates_weigh was called */
} sk_candidate;

typedef struct sk_candidates {
    sk_candidate *items; /* [n], borrowed from the sampler */
    uint64_t n;
    bool ranked;       /* by rank; else by id */
    bool due;          /* lies by id, but counts as by rank: to be sorted before order matters */
    uint64_t n_popped; /* of a ranking in progress */
    uint64_t n_hidden; /* removed, but counted where the number of candidates matters */
} sk_candidates;

/* The best candidate, the one of rank 0. n >= 1. */
const sk_candidate *sk_candidates_best(const sk_candidates *set);

/* Sets every weight and returns their sum, in the order of the set; at least 1. A candidate more
 * than 64 below the best has weight 0: 2^31 of them would add less than half a bit to the sum.
 * The weights hold until a logit is changed. n >= 1. */
double sk_candidates_weigh(sk_candidates *set);

/* The same, but the sum is in whichever order the set lies, which is not its own if sorting is due.
 */
double sk_candidates_weigh_roughly(sk_candidates *set);

/* Sorts a set whose sorting is due. n log n. */
void sk_candidates_settle(sk_candidates *set);

/* Finds, without sorting, the end of the shortest run of the best whose weights, just set and added
 * up from the best on, come to more than `wanted`; also if `wanted` is off by the rounding of sums
 * in another order. False if that is too close to tell, or too many candidates lie there: then they
 * have to be ranked. About n. n >= 1, wanted >= 0. */
bool sk_candidates_reach(const sk_candidates *set, double wanted, sk_candidate *last);

/* Keeps those up to a candidate of the set, in rank; the order becomes that of rank, due or done.
 */
void sk_candidates_keep_to(sk_candidates *set, const sk_candidate *last);

/* Keeps the k best, 1 <= k < n, and ranks them. n + (n - k) log k at worst, about n for small k. */
void sk_candidates_keep_best(sk_candidates *set, uint64_t k);

/* Ranks a whole set anew, after logits were changed out of order. n log n. */
void sk_candidates_rank(sk_candidates *set);

/* Ranks a set from the best on, only as far as needed: begin, then next for rank 0, 1, ... (at
 * most n times), then end, which keeps those that next has given (at least one). Between begin and
 * end the items are in disorder. n + m log n for m calls of next. */
void sk_candidates_rank_begin(sk_candidates *set);
const sk_candidate *sk_candidates_rank_next(sk_candidates *set);
void sk_candidates_rank_end(sk_candidates *set);

#endif
