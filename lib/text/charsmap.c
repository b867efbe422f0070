/* SPDX-License-Identifier: MIT */
/*
 * An entry of the trie, 32 bits: 0-7 the byte that led here; 8 whether a string ends here; 9 and
 * 10-31 where the children are, relative to this entry by exclusive or; of a value (bit 31 set) the
 * lower 31 are the offset of the replacement.
 */
#include "base/portable.h"

#include "text/charsmap.h"

#include "base/bytes.h"

bool sk_charsmap_open(sk_charsmap *map, const uint8_t *blob, uint64_t n)
{
    *map = (sk_charsmap){0};
    if (n == 0)
        return true;
    if (n < 4 || n > UINT32_MAX)
        return false;
    uint32_t size = sk_le32(blob);
    if (size % 4 != 0 || size > n - 4)
        return false;
    map->trie = blob + 4;
    map->n_trie = size / 4;
    map->pool = blob + 4 + size;
    map->n_pool = (uint32_t)n - 4 - size;
    return true;
}

static uint32_t charsmap_base(uint32_t entry)
{
    return (entry >> 10) << ((entry & (1u << 9)) >> 6);
}

/* Entry `index`, or one that no byte leads to. */
static uint32_t charsmap_entry(const sk_charsmap *map, uint32_t index)
{
    return index < map->n_trie ? sk_le32(map->trie + 4 * (uint64_t)index) : UINT32_C(1) << 31;
}

/* Whether the pool has a whole replacement at `at`. */
static bool find_replacement(const sk_charsmap *map, uint32_t at, const uint8_t **text, uint32_t *n)
{
    if (at >= map->n_pool)
        return false;
    uint32_t left = map->n_pool - at, length = 0;
    while (length < left && length <= SK_CHARSMAP_MAX && map->pool[at + length])
        length++;
    if (length == left || length > SK_CHARSMAP_MAX)
        return false;
    *text = map->pool + at;
    *n = length;
    return true;
}

uint64_t sk_charsmap_match(const sk_charsmap *map, const uint8_t *p, const uint8_t *end,
                           const uint8_t **replacement, uint32_t *n)
{
    uint64_t longest = 0;
    if (map->n_trie == 0)
        return 0;
    uint32_t at = charsmap_base(charsmap_entry(map, 0));
    for (const uint8_t *q = p; q < end && *q; q++) {
        at ^= *q;
        uint32_t entry = charsmap_entry(map, at);
        if ((entry & 0x800000FFu) != *q)
            break;
        at ^= charsmap_base(entry);
        if ((entry >> 8 & 1) && at < map->n_trie &&
            find_replacement(map, charsmap_entry(map, at) & 0x7FFFFFFFu, replacement, n))
            longest = (uint64_t)(q - p) + 1;
    }
    return longest;
}
