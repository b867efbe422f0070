/* SPDX-License-Identifier: MIT */
/*
 * A map from byte strings (which may hold NUL) to 32-bit numbers: open addressing, sized once.
 * The strings are borrowed for the map's life. Lookup never allocates.
 */
#ifndef SK_BASE_STRMAP_H
#define SK_BASE_STRMAP_H

#include "alloc.h"

typedef struct sk_strmap_slot {
    const char *text;
    uint32_t n, value;
} sk_strmap_slot;

typedef struct sk_strmap {
    sk_strmap_slot *slots; /* owned, [mask + 1] */
    uint8_t *tags;         /* behind the slots, [mask + 1] 0: empty, else bits of the hash */
    uint64_t mask, seed;
} sk_strmap;

/* Room for `n` strings. Errors: MEMORY. */
int32_t sk_strmap_init(sk_strmap *map, sk_heap *heap, uint64_t n, sk_error *error);
void sk_strmap_free(sk_strmap *map, sk_heap *heap);

/* Sets the value of a string. Returns false, and sets *old, when it was there already (the new
 * value replaces the old one). At most `n` different strings may be put. */
bool sk_strmap_put(sk_strmap *map, const char *text, uint64_t n, uint32_t value, uint32_t *old);

/* Whether the string is there; then *value is set. */
bool sk_strmap_get(const sk_strmap *map, const char *text, uint64_t n, uint32_t *value);

/* A hint that this string will soon be put or looked up: asks for the memory of its slot, or, when
 * the slot is there, of the text that it points to. Changes nothing. */
void sk_strmap_prefetch(const sk_strmap *map, const char *text, uint64_t n, bool of_text);

#endif
