/* SPDX-License-Identifier: MIT */
/*
 * Chunks double from 4 KiB to 1 MiB; a piece that is more than a quarter of the next chunk gets one
 * of its own, behind the newest, so that the rest of the newest is not lost.
 */
#include "base/portable.h"
#include "arena.h"
#include "checked.h"

#include <string.h>

#define ARENA_CHUNK_FIRST 4096u
#define ARENA_CHUNK_LAST (1u << 20)

typedef struct sk_arena_chunk {
    struct sk_arena_chunk *next;
    uint64_t size; /* bytes behind this head */
} sk_arena_chunk;

void sk_arena_init(sk_arena *arena, sk_heap *heap, uint64_t limit)
{
    memset(arena, 0, sizeof *arena);
    arena->heap = heap;
    arena->limit = limit;
}

void sk_arena_free(sk_arena *arena)
{
    sk_arena_chunk *chunk = arena->chunks;
    while (chunk) {
        sk_arena_chunk *next = chunk->next;
        sk_free(arena->heap, chunk);
        chunk = next;
    }
    sk_arena_init(arena, arena->heap, arena->limit);
}

bool sk_arena_holds(const sk_arena *arena, const void *at)
{
    for (const sk_arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->next)
        if ((uintptr_t)at - (uintptr_t)(chunk + 1) < chunk->size)
            return true;
    return false;
}

static sk_arena_chunk *arena_chunk_new(sk_arena *arena, uint64_t size, const char *what,
                                       sk_error *error)
{
    uint64_t total, whole;
    if (!sk_add(arena->total, size, &total) || !sk_add(size, sizeof(sk_arena_chunk), &whole) ||
        (arena->limit && total > arena->limit)) {
        sk_fail(error, SKALD_E_MEMORY, "%llu bytes for %s are over the limit of %llu",
                (unsigned long long)size, what, (unsigned long long)arena->limit);
        return NULL;
    }
    sk_arena_chunk *chunk = sk_alloc(arena->heap, whole, what, error);
    if (!chunk)
        return NULL;
    chunk->size = size;
    chunk->next = NULL;
    arena->total = total;
    return chunk;
}

static void *arena_alloc_slow(sk_arena *arena, uint64_t size, const char *what, sk_error *error)
{
    uint64_t next = arena->total < ARENA_CHUNK_FIRST  ? ARENA_CHUNK_FIRST
                    : arena->total < ARENA_CHUNK_LAST ? arena->total
                                                      : ARENA_CHUNK_LAST;
    bool alone = size > next / 4;
    sk_arena_chunk *chunk = arena_chunk_new(arena, alone ? size : next, what, error);
    if (!chunk)
        return NULL;
    char *piece = (char *)(chunk + 1);
    if (alone && arena->chunks) {
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
        return piece;
    }
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->at = piece + size;
    arena->end = piece + chunk->size;
    return piece;
}

void *sk_arena_alloc(sk_arena *arena, uint64_t size, const char *what, sk_error *error)
{
    if (!sk_align_up(size, 8, &size)) {
        sk_fail(error, SKALD_E_MEMORY, "%llu bytes for %s are too many", (unsigned long long)size,
                what);
        return NULL;
    }
    if (!arena->at || size > (uint64_t)(arena->end - arena->at))
        return arena_alloc_slow(arena, size, what, error);
    char *piece = arena->at;
    arena->at += size;
    return piece;
}

void *sk_arena_array(sk_arena *arena, uint64_t n, uint64_t size, const char *what, sk_error *error)
{
    uint64_t bytes;
    if (!sk_mul(n, size, &bytes)) {
        sk_fail(error, SKALD_E_MEMORY, "%llu elements for %s are too many", (unsigned long long)n,
                what);
        return NULL;
    }
    return sk_arena_alloc(arena, bytes, what, error);
}

char *sk_arena_copy(sk_arena *arena, const char *text, uint64_t n, const char *what,
                    sk_error *error)
{
    char *copy = sk_arena_alloc(arena, n, what, error);
    if (copy && n)
        memcpy(copy, text, n);
    return copy;
}

void sk_buffer_init(sk_buffer *buffer, sk_heap *heap, uint64_t limit)
{
    memset(buffer, 0, sizeof *buffer);
    buffer->heap = heap;
    buffer->limit = limit;
}

void sk_buffer_free(sk_buffer *buffer)
{
    sk_free(buffer->heap, buffer->data);
    sk_buffer_init(buffer, buffer->heap, buffer->limit);
}

static int32_t buffer_room(sk_buffer *buffer, uint64_t n, sk_error *error)
{
    uint64_t want;
    if (!sk_add(buffer->n, n, &want) || (buffer->limit && want > buffer->limit))
        return sk_fail(error, SKALD_E_MEMORY, "the text is longer than the limit of %llu bytes",
                       (unsigned long long)buffer->limit);
    if (want <= buffer->capacity)
        return SKALD_OK;
    void *block = buffer->data;
    int32_t status = sk_grow(buffer->heap, &block, &buffer->capacity, want, 1, "a text", error);
    buffer->data = block;
    return status;
}

int32_t sk_buffer_add(sk_buffer *buffer, const char *text, uint64_t n, sk_error *error)
{
    int32_t status = buffer_room(buffer, n, error);
    if (status < 0 || n == 0)
        return status;
    memcpy(buffer->data + buffer->n, text, n);
    buffer->n += n;
    return SKALD_OK;
}

int32_t sk_buffer_fill(sk_buffer *buffer, char byte, uint64_t n, sk_error *error)
{
    int32_t status = buffer_room(buffer, n, error);
    if (status < 0 || n == 0)
        return status;
    memset(buffer->data + buffer->n, byte, n);
    buffer->n += n;
    return SKALD_OK;
}
