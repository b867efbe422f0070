/* SPDX-License-Identifier: MIT */
/*
 * The queue is a heap of four children per node: half the levels of a binary one, and the children
 * of a node share a cache line.
 */
#include "base/portable.h"

#include "text/merge.h"

int32_t sk_queue_push(sk_queue *queue, sk_heap *heap, uint64_t item, sk_error *error)
{
    if (queue->n == queue->capacity) {
        void *items = queue->items;
        int32_t status = sk_grow(heap, &items, &queue->capacity, queue->n + 1, sizeof item,
                                 "queue of merges", error);
        queue->items = items;
        if (status < 0)
            return status;
    }
    uint64_t at = queue->n++;
    for (uint64_t parent; at > 0 && queue->items[parent = (at - 1) / 4] > item; at = parent)
        queue->items[at] = queue->items[parent];
    queue->items[at] = item;
    return SKALD_OK;
}

uint64_t sk_queue_pop(sk_queue *queue)
{
    uint64_t *items = queue->items, first = items[0], moved = items[--queue->n], at = 0;
    for (uint64_t child; (child = 4 * at + 1) < queue->n; at = child) {
        uint64_t last = child + 3 < queue->n ? child + 3 : queue->n - 1;
        for (uint64_t other = child + 1; other <= last; other++)
            if (items[other] < items[child])
                child = other;
        if (items[child] >= moved)
            break;
        items[at] = items[child];
    }
    items[at] = moved;
    return first;
}

void sk_queue_free(sk_queue *queue, sk_heap *heap)
{
    sk_free(heap, queue->items);
    queue->items = NULL;
    queue->n = queue->capacity = 0;
}

int32_t sk_merge_add(sk_merger *merger, uint32_t start, uint32_t symbol, sk_error *error)
{
    if (merger->n + 1 >= merger->capacity) { /* the sentinel will need one more */
        void *symbols = merger->symbols;
        int32_t status = sk_grow(merger->heap, &symbols, &merger->capacity, merger->n + 2,
                                 sizeof *merger->symbols, "symbols of a text", error);
        merger->symbols = symbols;
        if (status < 0)
            return status;
    }
    uint32_t at = (uint32_t)merger->n++;
    merger->symbols[at] =
        (sk_merge_symbol){start, at - 1, at + 1, symbol, SK_MERGE_NONE, SK_MERGE_NONE};
    return SKALD_OK;
}

/* Looks at the pair of `left` and its next, and queues it if it can be merged. */
static int32_t queue_pair(sk_merger *merger, uint32_t left, sk_merge_pair *pair, void *arg,
                          sk_error *error)
{
    sk_merge_symbol *symbol = &merger->symbols[left];
    symbol->priority = SK_MERGE_NONE;
    if (symbol->next >= merger->n)
        return SKALD_OK;
    pair(arg, symbol, &merger->symbols[symbol->next]);
    if (symbol->priority == SK_MERGE_NONE)
        return SKALD_OK;
    return sk_queue_push(&merger->queue, merger->heap, (uint64_t)symbol->priority << 32 | left,
                         error);
}

/* Merges symbols[left] with its next. */
static void join_next(sk_merger *merger, uint32_t left)
{
    sk_merge_symbol *symbols = merger->symbols;
    uint32_t right = symbols[left].next, behind = symbols[right].next;
    symbols[left].symbol = symbols[left].result;
    symbols[left].next = behind;
    symbols[right].priority = SK_MERGE_NONE;
    if (behind < merger->n)
        symbols[behind].prev = left;
}

int32_t sk_merge_run(sk_merger *merger, uint32_t end, sk_merge_pair *pair, void *arg,
                     sk_error *error)
{
    int32_t status = SKALD_OK;
    merger->queue.n = 0;
    merger->symbols[merger->n].start = end;
    for (uint32_t i = 0; i + 1 < merger->n && status == SKALD_OK; i++)
        status = queue_pair(merger, i, pair, arg, error);
    while (merger->queue.n > 0 && status == SKALD_OK) {
        uint64_t item = sk_queue_pop(&merger->queue);
        uint32_t left = (uint32_t)item;
        if (merger->symbols[left].priority != item >> 32)
            continue;
        join_next(merger, left);
        status = queue_pair(merger, left, pair, arg, error);
        if (status == SKALD_OK && merger->symbols[left].prev != SK_MERGE_NONE)
            status = queue_pair(merger, merger->symbols[left].prev, pair, arg, error);
    }
    return status;
}

void sk_merger_free(sk_merger *merger)
{
    sk_free(merger->heap, merger->symbols);
    sk_queue_free(&merger->queue, merger->heap);
    merger->symbols = NULL;
    merger->n = merger->capacity = 0;
}
