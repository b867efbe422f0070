/* SPDX-License-Identifier: MIT */
/* Most sets have a handful of items and arrive nearly sorted: insertion, and a heap for the rest.
 */
#include "base/portable.h"

#include "sample/itemset.h"

#include <string.h>

enum { ITEMSET_SMALL = 24, ITEMSET_SLOTS = 64 };

static uint64_t item_key(sk_item item)
{
    return (uint64_t)item.op << 32 | item.node;
}

static void item_insert_sort(sk_item *items, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++) {
        sk_item moving = items[i];
        uint64_t j = i;
        for (; j > 0 && item_key(items[j - 1]) > item_key(moving); j--)
            items[j] = items[j - 1];
        items[j] = moving;
    }
}

static void item_sift(sk_item *items, uint64_t n, uint64_t i)
{
    sk_item moving = items[i];
    for (uint64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && item_key(items[child + 1]) > item_key(items[child]))
            child++;
        if (item_key(items[child]) <= item_key(moving))
            break;
        items[i] = items[child];
    }
    items[i] = moving;
}

static void item_sort(sk_item *items, uint64_t n)
{
    if (n <= ITEMSET_SMALL) {
        item_insert_sort(items, n);
        return;
    }
    for (uint64_t i = n / 2; i-- > 0;)
        item_sift(items, n, i);
    for (uint64_t end = n; end-- > 1;) {
        sk_item t = items[0];
        items[0] = items[end];
        items[end] = t;
        item_sift(items, end, 0);
    }
}

static uint64_t item_unique(sk_item *items, uint64_t n)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < n; i++)
        if (i == 0 || item_key(items[i]) != item_key(items[kept - 1]))
            items[kept++] = items[i];
    return kept;
}

static uint32_t item_hash(const sk_item *items, uint64_t n)
{
    uint64_t h = UINT64_C(0x9E3779B97F4A7C15) ^ n;
    for (uint64_t i = 0; i < n; i++) {
        h = (h ^ item_key(items[i])) * UINT64_C(0xBF58476D1CE4E5B9);
        h ^= h >> 29;
    }
    return (uint32_t)(h ^ h >> 32);
}

int32_t sk_itempool_init(sk_itempool *pool, sk_heap *heap, sk_error *error)
{
    memset(pool, 0, sizeof *pool);
    pool->heap = heap;
    pool->slots = sk_alloc_array(heap, ITEMSET_SLOTS, sizeof *pool->slots, "a grammar", error);
    void *sets = NULL;
    int32_t status = pool->slots ? sk_grow(heap, &sets, &pool->set_capacity, 1, sizeof *pool->sets,
                                           "a grammar", error)
                                 : SKALD_E_MEMORY;
    if (status < 0) {
        sk_itempool_free(pool);
        return status;
    }
    pool->n_slots = ITEMSET_SLOTS;
    pool->sets = sets;
    pool->sets[0] = (sk_itemset){0};
    pool->n = 1;
    return SKALD_OK;
}

void sk_itempool_free(sk_itempool *pool)
{
    sk_heap *heap = pool->heap;
    sk_free(heap, pool->items);
    sk_free(heap, pool->sets);
    sk_free(heap, pool->slots);
    memset(pool, 0, sizeof *pool);
    pool->heap = heap;
}

static int32_t pool_grow_slots(sk_itempool *pool, sk_error *error)
{
    uint64_t n_slots = pool->n_slots * 2;
    uint32_t *slots = sk_alloc_array(pool->heap, n_slots, sizeof *slots, "a grammar", error);
    if (!slots)
        return SKALD_E_MEMORY;
    for (uint32_t number = 1; number < pool->n; number++) {
        uint64_t at = pool->sets[number].hash & (n_slots - 1);
        while (slots[at])
            at = (at + 1) & (n_slots - 1);
        slots[at] = number;
    }
    sk_free(pool->heap, pool->slots);
    pool->slots = slots;
    pool->n_slots = n_slots;
    return SKALD_OK;
}

static int32_t pool_add(sk_itempool *pool, const sk_item *items, uint64_t n, sk_error *error)
{
    void *all = pool->items, *sets = pool->sets;
    int32_t status = sk_grow(pool->heap, &all, &pool->item_capacity, pool->n_items + n,
                             sizeof *items, "a grammar", error);
    pool->items = all;
    if (status == SKALD_OK)
        status = sk_grow(pool->heap, &sets, &pool->set_capacity, pool->n + 1, sizeof *pool->sets,
                         "a grammar", error);
    pool->sets = sets;
    if (status < 0)
        return status;
    memcpy(pool->items + pool->n_items, items, (size_t)n * sizeof *items);
    return SKALD_OK;
}

int32_t sk_itempool_put(sk_itempool *pool, sk_item *items, uint64_t n, uint32_t *number,
                        sk_error *error)
{
    *number = 0;
    if (n == 0)
        return SKALD_OK;
    item_sort(items, n);
    n = item_unique(items, n);
    uint32_t hash = item_hash(items, n);
    uint64_t at = hash & (pool->n_slots - 1);
    for (; pool->slots[at]; at = (at + 1) & (pool->n_slots - 1)) {
        const sk_itemset *set = &pool->sets[pool->slots[at]];
        if (set->hash == hash && set->n == n &&
            memcmp(pool->items + set->first, items, (size_t)n * sizeof *items) == 0) {
            *number = pool->slots[at];
            return SKALD_OK;
        }
    }
    int32_t status = pool_add(pool, items, n, error);
    if (status < 0)
        return status;
    pool->sets[pool->n] = (sk_itemset){pool->n_items, (uint32_t)n, hash};
    pool->n_items += n;
    pool->slots[at] = *number = (uint32_t)pool->n++;
    return pool->n * 2 > pool->n_slots ? pool_grow_slots(pool, error) : SKALD_OK;
}

uint64_t sk_itempool_bytes(const sk_itempool *pool)
{
    return pool->item_capacity * sizeof *pool->items + pool->set_capacity * sizeof *pool->sets +
           pool->n_slots * sizeof *pool->slots;
}
