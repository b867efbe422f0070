/* SPDX-License-Identifier: MIT */
/*
 * Each block is preceded by a header of SK_ALIGN bytes that holds its size, so that frees need no
 * size from their callers and the counts are exact.
 */
#include "base/portable.h"

#include "base/alloc.h"
#include "base/checked.h"

#include <stdlib.h>
#include <string.h>

static void *libc_alloc(void *user, size_t size, size_t align)
{
    void *block = NULL;
    (void)user;
    return posix_memalign(&block, align, size) == 0 ? block : NULL;
}

static void libc_free(void *user, void *block, size_t size)
{
    (void)user;
    (void)size;
    free(block);
}

int32_t sk_heap_init(sk_heap *heap, const skald_allocator *host, uint64_t limit, sk_error *error)
{
    memset(heap, 0, sizeof *heap);
    heap->host = (skald_allocator){sizeof(skald_allocator), NULL, libc_alloc, libc_free};
    heap->limit = limit;
    if (!host)
        return SKALD_OK;
    if (host->size < sizeof(skald_allocator) || !host->alloc || !host->free)
        return sk_fail(error, SKALD_E_ARGUMENT,
                       "the allocator table lacks alloc, free or its size");
    heap->host = *host;
    return SKALD_OK;
}

/* Counts `size` bytes as live unless that passes the limit. */
static bool take_bytes(sk_heap *heap, uint64_t size)
{
    uint64_t live = atomic_load(&heap->live), now;
    do {
        if (!sk_add(live, size, &now) || (heap->limit && now > heap->limit))
            return false;
    } while (!atomic_compare_exchange_weak(&heap->live, &live, now));
    uint64_t peak = atomic_load(&heap->peak);
    while (peak < now && !atomic_compare_exchange_weak(&heap->peak, &peak, now))
        ;
    return true;
}

void *sk_alloc(sk_heap *heap, uint64_t size, const char *what, sk_error *error)
{
    uint64_t whole;
    if (!sk_add(size, SK_ALIGN, &whole) || whole > SIZE_MAX / 2) {
        sk_fail(error, SKALD_E_MEMORY, "%s: %llu bytes are more than memory can hold", what,
                (unsigned long long)size);
        return NULL;
    }
    if (!take_bytes(heap, whole)) {
        sk_fail(error, SKALD_E_MEMORY,
                "%s: %llu bytes wanted beside %llu in use would pass max_memory, %llu", what,
                (unsigned long long)size, (unsigned long long)atomic_load(&heap->live),
                (unsigned long long)heap->limit);
        return NULL;
    }
    uint8_t *block = heap->host.alloc(heap->host.user, (size_t)whole, SK_ALIGN);
    if (!block) {
        atomic_fetch_sub(&heap->live, whole);
        sk_fail(error, SKALD_E_MEMORY, "%s: out of memory, %llu bytes wanted", what,
                (unsigned long long)size);
        return NULL;
    }
    memcpy(block, &whole, sizeof whole);
    atomic_fetch_add(&heap->count, 1);
    return block + SK_ALIGN;
}

void *sk_alloc_zero(sk_heap *heap, uint64_t size, const char *what, sk_error *error)
{
    void *block = sk_alloc(heap, size, what, error);
    if (block)
        memset(block, 0, (size_t)size);
    return block;
}

void *sk_alloc_array(sk_heap *heap, uint64_t n, uint64_t size, const char *what, sk_error *error)
{
    uint64_t whole;
    if (!sk_mul(n, size, &whole)) {
        sk_fail(error, SKALD_E_MEMORY, "%s: %llu elements of %llu bytes do not fit memory", what,
                (unsigned long long)n, (unsigned long long)size);
        return NULL;
    }
    return sk_alloc_zero(heap, whole, what, error);
}

int32_t sk_grow(sk_heap *heap, void **block, uint64_t *capacity, uint64_t want, uint64_t size,
                const char *what, sk_error *error)
{
    if (want <= *capacity)
        return SKALD_OK;
    uint64_t n = *capacity < 8 ? 8 : *capacity, whole;
    while (n < want && n <= UINT64_MAX / 2)
        n *= 2;
    if (!sk_mul(n, size, &whole))
        return sk_fail(error, SKALD_E_MEMORY, "%s: %llu elements do not fit memory", what,
                       (unsigned long long)want);
    void *grown = sk_alloc(heap, whole, what, error);
    if (!grown)
        return SKALD_E_MEMORY;
    if (*block)
        memcpy(grown, *block, (size_t)(*capacity * size));
    sk_free(heap, *block);
    *block = grown;
    *capacity = n;
    return SKALD_OK;
}

void sk_free(sk_heap *heap, void *block)
{
    if (!block)
        return;
    uint8_t *start = (uint8_t *)block - SK_ALIGN;
    uint64_t whole;
    memcpy(&whole, start, sizeof whole);
    heap->host.free(heap->host.user, start, (size_t)whole);
    atomic_fetch_sub(&heap->live, whole);
}
