/* SPDX-License-Identifier: MIT */
/*
 * Memory between two pages that nothing may touch. A block is laid at the end of its room, where
 * the first byte too far is a fault, or at the beginning, where the first byte in front is one; the
 * rest of the room is filled, so that a stray write shows too. A fault prints what was being done.
 */
#ifndef SK_GUARD_H
#define SK_GUARD_H

#include "test.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_FILL 0xA5

typedef struct guard {
    uint8_t *room;
    size_t room_size;
    uint8_t *block; /* of `size` bytes, in the room */
    size_t size;
} guard;

static char guard_doing[256];

static inline void guard_fault(int number)
{
    (void)number;
    const ssize_t done = write(2, guard_doing, strlen(guard_doing));
    _exit(done < 0 ? 3 : 2);
}

/* A room of at least `size` bytes. The test ends when there is none. */
static inline guard guard_new(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (size + page - 1) / page;
    guard g = {.room_size = pages * page};
    uint8_t *p = mmap(NULL, g.room_size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g.room = p + page;
    if (p == MAP_FAILED || mprotect(g.room, g.room_size, PROT_READ | PROT_WRITE) != 0) {
        fprintf(stderr, "no memory for a guarded room of %zu bytes\n", size);
        exit(1);
    }
    signal(SIGSEGV, guard_fault);
    signal(SIGBUS, guard_fault);
    return g;
}

/* Lays a block of `size` bytes at one end of the room, all of which is filled. */
static inline void *guard_lay(guard *g, size_t size, bool at_end)
{
    if (size > g->room_size) {
        fprintf(stderr, "a guarded room of %zu bytes is too small for %zu\n", g->room_size, size);
        exit(1);
    }
    memset(g->room, GUARD_FILL, g->room_size);
    g->size = size;
    return g->block = at_end ? g->room + g->room_size - size : g->room;
}

/* Whether the room outside of the block is as it was filled. */
static inline bool guard_clean(const guard *g)
{
    for (const uint8_t *p = g->room; p < g->room + g->room_size; p++) {
        if (p == g->block)
            p += g->size;
        if (p < g->room + g->room_size && *p != GUARD_FILL)
            return false;
    }
    return true;
}

#endif
