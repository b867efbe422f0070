/* SPDX-License-Identifier: MIT */
/*
 * A trie of byte strings, for tokenisers that look for the tokens which begin at some place.
 *
 * Nodes are numbers, the root is 0. The children of all nodes share one table by open addressing,
 * keyed by parent and byte: 12 bytes per node and 8 to 16 in the table, and a step is one probe.
 * It is built once; walking never allocates.
 */
#ifndef SK_TEXT_TRIE_H
#define SK_TEXT_TRIE_H

#include "base/alloc.h"

#define SK_TRIE_NONE UINT32_MAX

typedef struct sk_trie_node {
    uint32_t parent, byte;
    uint32_t value; /* of the string that ends here, or SK_TRIE_NONE */
} sk_trie_node;

typedef struct sk_trie {
    sk_trie_node *nodes; /* owned */
    uint64_t n, capacity;
    uint32_t *slots; /* owned: nodes, 0: empty */
    uint64_t mask, seed;
} sk_trie;

/* An empty trie. Errors: MEMORY. */
int32_t sk_trie_init(sk_trie *trie, sk_heap *heap, sk_error *error);
void sk_trie_free(sk_trie *trie, sk_heap *heap);

/* Sets the value of a string of at least one byte; an old value is replaced. Errors: MEMORY;
 * CORRUPT (more than 2^31 nodes). */
int32_t sk_trie_put(sk_trie *trie, sk_heap *heap, const uint8_t *text, uint64_t n, uint32_t value,
                    sk_error *error);

/* The child of a node, or 0. */
uint32_t sk_trie_step(const sk_trie *trie, uint32_t node, uint8_t byte);

/* The longest string of at least one byte at the start of [p, end): its length and value, or 0. */
uint64_t sk_trie_longest(const sk_trie *trie, const uint8_t *p, const uint8_t *end,
                         uint32_t *value);

#endif
