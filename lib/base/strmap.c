/* SPDX-License-Identifier: MIT */
/*
 * Linear probing at a load of at most one half. The hash takes eight bytes at a time. It is seeded
 * by where the map happens to lie, so that a file cannot be made whose names all collide; nothing
 * depends on the order of the slots.
 *
 * A byte of each slot says whether it is taken, and whether it may be the one: the bytes stay near
 * when the slots do not, and only they need to be cleared.
 */
#include "base/portable.h"

#include "base/strmap.h"

#include "base/checked.h"

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
    uint64_t size = 16, whole;
    while (size < n * 2 && size < (UINT64_MAX >> 8))
        size *= 2;
    map->mask = size - 1;
    if (!sk_mul(size, sizeof *map->slots + 1, &whole))
        whole = UINT64_MAX;
    map->slots = sk_alloc(heap, whole, "index of names", error);
    if (!map->slots)
        return SKALD_E_MEMORY;
    map->tags = (uint8_t *)(map->slots + size);
    memset(map->tags, 0, (size_t)size);
    map->seed = (uint64_t)(uintptr_t)map->slots * 0x9E3779B97F4A7C15ULL;
    map->seed ^= map->seed >> 32;
    return SKALD_OK;
}

void sk_strmap_free(sk_strmap *map, sk_heap *heap)
{
    sk_free(heap, map->slots);
    map->slots = NULL;
}

static uint8_t tag_of_hash(uint32_t hash)
{
    return (uint8_t)(hash >> 24 | 1);
}

/* The slot of the text, or the empty one where it would go. */
static uint64_t find_slot(const sk_strmap *map, const char *text, uint64_t n, uint32_t hash)
{
    uint8_t tag = tag_of_hash(hash);
    uint64_t i = hash & map->mask;
    for (; map->tags[i]; i = (i + 1) & map->mask) {
        const sk_strmap_slot *slot = &map->slots[i];
        if (map->tags[i] == tag && slot->n == n && memcmp(slot->text, text, (size_t)n) == 0)
            return i;
    }
    return i;
}

bool sk_strmap_put(sk_strmap *map, const char *text, uint64_t n, uint32_t value, uint32_t *old)
{
    uint32_t hash = hash_text(map->seed, text, n);
    uint64_t i = find_slot(map, text, n, hash);
    bool fresh = !map->tags[i];
    if (!fresh && old)
        *old = map->slots[i].value;
    map->slots[i] = (sk_strmap_slot){text, (uint32_t)n, value};
    map->tags[i] = tag_of_hash(hash);
    return fresh;
}

bool sk_strmap_get(const sk_strmap *map, const char *text, uint64_t n, uint32_t *value)
{
    if (n > UINT32_MAX)
        return false;
    uint64_t i = find_slot(map, text, n, hash_text(map->seed, text, n));
    if (map->tags[i])
        *value = map->slots[i].value;
    return map->tags[i] != 0;
}

#if defined(__GNUC__)
#define STRMAP_PREFETCH(p) __builtin_prefetch(p)
#else
#define STRMAP_PREFETCH(p) ((void)(p))
#endif

void sk_strmap_prefetch(const sk_strmap *map, const char *text, uint64_t n, bool of_text)
{
    uint64_t i = hash_text(map->seed, text, n) & map->mask;
    if (of_text) {
        if (map->tags[i])
            STRMAP_PREFETCH(map->slots[i].text);
        return;
    }
    STRMAP_PREFETCH(&map->tags[i]);
    STRMAP_PREFETCH(&map->slots[i]);
}

#undef STRMAP_PREFETCH
