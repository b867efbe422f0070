/* SPDX-License-Identifier: MIT */
/*
 * Two ways to hold what grows while it is worked on. An arena gives pieces that are all freed at
 * once: what a JSON text or a template makes has no owner of its own. A buffer is one block of
 * bytes that is added to at its end. Both have a limit, because both grow by what a file says.
 *
 * Pieces of an arena are aligned to 8 bytes and stay where they are. One thread at a time.
 */
#ifndef SK_BASE_ARENA_H
#define SK_BASE_ARENA_H

#include "alloc.h"

typedef struct sk_arena {
    sk_heap *heap;                 /* borrowed */
    struct sk_arena_chunk *chunks; /* owned; the newest first */
    char *at, *end;                /* what is left of the newest */
    uint64_t total, limit;         /* bytes of all chunks; 0: no limit */
} sk_arena;

void sk_arena_init(sk_arena *arena, sk_heap *heap, uint64_t limit);
void sk_arena_free(sk_arena *arena);

/* A piece, not cleared; never NULL for 0 bytes. Errors (NULL): MEMORY, the limit included. */
void *sk_arena_alloc(sk_arena *arena, uint64_t size, const char *what, sk_error *error);
/* n elements of `size` bytes, with the product checked. */
void *sk_arena_array(sk_arena *arena, uint64_t n, uint64_t size, const char *what, sk_error *error);
/* A copy of `n` bytes. */
char *sk_arena_copy(sk_arena *arena, const char *text, uint64_t n, const char *what,
                    sk_error *error);

/* Whether this is the address of a byte in one of its pieces. Time: a look at every chunk. */
bool sk_arena_holds(const sk_arena *arena, const void *at);

typedef struct sk_buffer {
    sk_heap *heap;               /* borrowed */
    char *data;                  /* owned */
    uint64_t n, capacity, limit; /* bytes; limit 0: none */
} sk_buffer;

void sk_buffer_init(sk_buffer *buffer, sk_heap *heap, uint64_t limit);
void sk_buffer_free(sk_buffer *buffer);
/* Errors: MEMORY, the limit included; the buffer then is as it was. */
int32_t sk_buffer_add(sk_buffer *buffer, const char *text, uint64_t n, sk_error *error);
int32_t sk_buffer_fill(sk_buffer *buffer, char byte, uint64_t n, sk_error *error);

#endif
