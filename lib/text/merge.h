/* SPDX-License-Identifier: MIT */
/*
 * Merging neighbours: the loop that SPM and BPE share. A text is a list of symbols; the pair of
 * neighbours that goes first is merged, of equal ones the leftmost, until no pair can be merged.
 *
 * What goes first waits in a queue of (priority, left symbol). An entry is not taken out when its
 * pair changes: each symbol remembers the priority of its pair with the next, and an entry that
 * does not agree is stale. Time is n log n, memory 24 bytes per symbol and 16 per queue entry,
 * whatever the text.
 */
#ifndef SK_TEXT_MERGE_H
#define SK_TEXT_MERGE_H

#include "base/alloc.h"

/* A queue of numbers, smallest first. */
typedef struct sk_queue {
    uint64_t *items; /* owned */
    uint64_t n, capacity;
} sk_queue;

int32_t sk_queue_push(sk_queue *queue, sk_heap *heap, uint64_t item, sk_error *error);
uint64_t sk_queue_pop(sk_queue *queue); /* of a queue that is not empty */
void sk_queue_free(sk_queue *queue, sk_heap *heap);

/* A stretch of the text; the one before and behind by index. The text's end is one more, a
 * sentinel, so that a stretch ends where the next one starts. */
typedef struct sk_merge_symbol {
    uint32_t start;
    uint32_t prev, next; /* prev of the first one: SK_MERGE_NONE */
    uint32_t symbol;     /* of the vocabulary, or SK_NO_SYMBOL */
    uint32_t priority;   /* of the pair with the next, SK_MERGE_NONE: none */
    uint32_t result;     /* its symbol when merged */
} sk_merge_symbol;

#define SK_MERGE_NONE UINT32_MAX

typedef struct sk_merger {
    sk_heap *heap;            /* borrowed */
    sk_merge_symbol *symbols; /* owned, [n + 1]: filled by sk_merge_add, from 0 on */
    uint64_t n, capacity;
    sk_queue queue;
} sk_merger;

/* Fills priority and result of symbols[left], whose pair with its next this is; priority stays
 * SK_MERGE_NONE when the two cannot be merged. */
typedef void sk_merge_pair(void *arg, sk_merge_symbol *left, const sk_merge_symbol *right);

/* Appends a symbol that starts at `start`. Errors: MEMORY. */
int32_t sk_merge_add(sk_merger *merger, uint32_t start, uint32_t symbol, sk_error *error);

/* Merges the symbols that were added; the text ends at `end`. Afterwards they are
 * symbols[0], symbols[symbols[0].next], ... up to index n. Errors: MEMORY. */
int32_t sk_merge_run(sk_merger *merger, uint32_t end, sk_merge_pair *pair, void *arg,
                     sk_error *error);

void sk_merger_free(sk_merger *merger);

#endif
