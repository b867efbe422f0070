/* SPDX-License-Identifier: MIT */
/*
 * All memory of a handle comes from one sk_heap: the host's allocator or the C library's, with
 * the live and peak bytes counted and a limit kept. Blocks are aligned to 64 bytes. A heap may be
 * used from several threads. A size of 0 gives a valid block. sk_free(NULL) does nothing.
 */
#ifndef SK_BASE_ALLOC_H
#define SK_BASE_ALLOC_H

#include "status.h"

#include <stdatomic.h>
#include <stdbool.h>

#define SK_ALIGN 64 /* bytes */

typedef struct sk_heap {
    skald_allocator host;
    uint64_t limit;                     /* bytes that may be live; 0: no limit */
    _Atomic uint64_t live, peak, count; /* bytes, bytes, calls of sk_alloc so far */
} sk_heap;

/* `host` may be NULL (the C library). Errors: ARGUMENT (an incomplete table). */
int32_t sk_heap_init(sk_heap *heap, const skald_allocator *host, uint64_t limit, sk_error *error);

/* NULL and a MEMORY error that names the bytes and `what` they were for. */
void *sk_alloc(sk_heap *heap, uint64_t size, const char *what, sk_error *error);
void *sk_alloc_zero(sk_heap *heap, uint64_t size, const char *what, sk_error *error);
/* What a block of so many bytes counts. */
static inline uint64_t sk_alloc_cost(uint64_t size)
{
    return size + SK_ALIGN;
}
/* n elements of `size` bytes, zeroed, with the product checked. */
void *sk_alloc_array(sk_heap *heap, uint64_t n, uint64_t size, const char *what, sk_error *error);
/* Grows a block to hold at least `want` elements (doubling); the old one stays on failure. */
int32_t sk_grow(sk_heap *heap, void **block, uint64_t *capacity, uint64_t want, uint64_t size,
                const char *what, sk_error *error);
void sk_free(sk_heap *heap, void *block);

#endif
