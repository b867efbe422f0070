/* SPDX-License-Identifier: MIT */
/*
 * Linear probing at a load of at most one half. The hash takes eight bytes at a time. It is seeded
 * by where the map happens to lie, so that a file cannot be made whose names all collide; nothing
 * depends on the order of the slots.
 */
#include "base/portable.h"

#include "base/strmap.h"

#include <string.h>

/* The `n` bytes, fewer than eight, as a word of their own among texts of that length: names are
 * short, and a call of memcpy would take longer than the hash. */
static uint64_t hash_tail(const char *text, uint64_t n)
{
    uint32_t low = 0, high = 0;
    if (n >= 4) {
        memcpy(&low, text, 4);
        memcpy(&high, text + n - 4, 4);
    } else if (n > 0) {
        low = (uint32_t)(uint8_t)text[0] | (uint32_t)(uint8_t)text[n / 2] << 8 |
              (uint32_t)(uint8_t)text[n - 1] << 16;
    }
    return (uint64_t)high << 32 | low;
}

static uint32_t hash_text(uint64_t seed, const char *text, uint64_t n)
{
    uint64_t hash = seed ^ n, word;
    for (; n >= 8; n -= 8, text += 8) {
        memcpy(&word, text, 8);
        hash = (hash ^ word) * 0xBF58476D1CE4E5B9ULL;
        hash ^= hash >> 29;
    }
    hash = (hash ^ hash_tail(text, n)) * 0x94D049BB133111EBULL;
    hash ^= hash >> 32;
    return (uint32_t)hash;
}

int32_t sk_strmap_init(sk_strmap *map, sk_heap *heap, uint64_t n, sk_error *error)
{
    uint64_t size = 16;
    while (size < n * 2 && size < (UINT64_MAX >> 8))
        size *= 2;
    map->mask = size - 1;
    map->slots = sk_alloc_array(heap, size, sizeof *map->slots, "index of names", error);
    map->seed = (uint64_t)(uintptr_t)map->slots * 0x9E3779B97F4A7C15ULL;
    map->seed ^= map->seed >> 32;
    return map->slots ? SKALD_OK : SKALD_E_MEMORY;
}

void sk_strmap_free(sk_strmap *map, sk_heap *heap)
{
    sk_free(heap, map->slots);
    map->slots = NULL;
}

/* The slot of the text, or the empty one where it would go. */
static sk_strmap_slot *find_slot(const sk_strmap *map, const char *text, uint64_t n, uint32_t hash)
{
    for (uint64_t i = hash & map->mask;; i = (i + 1) & map->mask) {
        sk_strmap_slot *slot = &map->slots[i];
        if (!slot->used ||
            (slot->hash == hash && slot->n == n && memcmp(slot->text, text, (size_t)n) == 0))
            return slot;
    }
}

bool sk_strmap_put(sk_strmap *map, const char *text, uint64_t n, uint32_t value, uint32_t *old)
{
    uint32_t hash = hash_text(map->seed, text, n);
    sk_strmap_slot *slot = find_slot(map, text, n, hash);
    bool fresh = !slot->used;
    if (!fresh && old)
        *old = slot->value;
    *slot = (sk_strmap_slot){text, (uint32_t)n, hash, value, 1};
    return fresh;
}

bool sk_strmap_get(const sk_strmap *map, const char *text, uint64_t n, uint32_t *value)
{
    if (n > UINT32_MAX)
        return false;
    const sk_strmap_slot *slot = find_slot(map, text, n, hash_text(map->seed, text, n));
    if (slot->used)
        *value = slot->value;
    return slot->used;
}

#if defined(__GNUC__)
#define STRMAP_PREFETCH(p) __builtin_prefetch(p)
#else
#define STRMAP_PREFETCH(p) ((void)(p))
#endif

void sk_strmap_prefetch(const sk_strmap *map, const char *text, uint64_t n, bool of_text)
{
    const sk_strmap_slot *slot = &map->slots[hash_text(map->seed, text, n) & map->mask];
    if (!of_text)
        STRMAP_PREFETCH(slot);
    else if (slot->used)
        STRMAP_PREFETCH(slot->text);
}

#undef STRMAP_PREFETCH
