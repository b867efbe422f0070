/* SPDX-License-Identifier: MIT */
/* A heap whose k-th allocation fails, and that counts what is not freed. */
#ifndef SK_TEST_SAMPLE_HEAP_H
#define SK_TEST_SAMPLE_HEAP_H

#include "test.h"
#include "base/alloc.h"

typedef struct test_memory {
    int64_t left; /* allocations until one fails; negative: none does */
    int64_t live; /* blocks not freed */
    int64_t calls;
} test_memory;

static void *test_memory_alloc(void *user, size_t size, size_t align)
{
    test_memory *m = user;
    m->calls++;
    if (m->left == 0)
        return NULL;
    if (m->left > 0)
        m->left--;
    void *p = aligned_alloc(align, (size + align - 1) / align * align + (size == 0) * align);
    m->live += p != NULL;
    return p;
}

static void test_memory_free(void *user, void *pointer, size_t size)
{
    (void)size;
    ((test_memory *)user)->live--;
    free(pointer);
}

static inline sk_heap *test_heap(sk_heap *heap, test_memory *memory, int64_t left)
{
    *memory = (test_memory){.left = left};
    const skald_allocator host = {sizeof host, memory, test_memory_alloc, test_memory_free};
    CHECK(sk_heap_init(heap, &host, 0, NULL) == SKALD_OK);
    return heap;
}

#endif
