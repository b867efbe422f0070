/* SPDX-License-Identifier: MIT */
/*
 * Sets of items, kept once each and known by a number: the stacks and the states of an automaton.
 *
 * An item is a pair of numbers. A set is sorted, without repetitions, and never changes; equal sets
 * have equal numbers. Number 0 is the empty set. Numbers are given in order, and grow.
 */
#ifndef SK_SAMPLE_ITEMSET_H
#define SK_SAMPLE_ITEMSET_H

#include "base/alloc.h"

typedef struct sk_item {
    uint32_t op, node;
} sk_item;

typedef struct sk_itemset {
    uint64_t first; /* in the pool's items */
    uint32_t n, hash;
} sk_itemset;

typedef struct sk_itempool {
    sk_heap *heap;    /* borrowed */
    sk_item *items;   /* owned, like the next */
    sk_itemset *sets; /* [n] */
    uint32_t *slots;  /* a hash table of numbers; 0: free */
    uint64_t n, set_capacity, n_items, item_capacity, n_slots;
} sk_itempool;

/* A pool that holds the empty set. Errors: MEMORY. */
int32_t sk_itempool_init(sk_itempool *pool, sk_heap *heap, sk_error *error);
void sk_itempool_free(sk_itempool *pool);

/* The number of the set of these items, which are sorted in place and lose their repetitions.
 * Errors: MEMORY. */
int32_t sk_itempool_put(sk_itempool *pool, sk_item *items, uint64_t n, uint32_t *number,
                        sk_error *error);

/* A view until the next put. */
static inline const sk_item *sk_itempool_get(const sk_itempool *pool, uint32_t number, uint32_t *n)
{
    *n = pool->sets[number].n;
    return pool->items + pool->sets[number].first;
}

uint64_t sk_itempool_bytes(const sk_itempool *pool);

#endif
