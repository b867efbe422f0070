/* SPDX-License-Identifier: MIT */
/*
 * Both tables are pairs sorted by code point, so that one search serves them.
 */
#include "base/portable.h"

#include "text/unicode_map.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The second number of the pair that begins with `code`, or UINT32_MAX. */
static uint32_t find_code_pair(const uint32_t *pairs, size_t n, uint32_t code)
{
    size_t low = 0, high = n / 2;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pairs[2 * middle] < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n / 2 && pairs[2 * low] == code ? pairs[2 * low + 1] : UINT32_MAX;
}

uint32_t sk_unicode_lower(uint32_t code)
{
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + 32 : code;
    uint32_t lower = find_code_pair(sk_unicode_lower_pairs, COUNT(sk_unicode_lower_pairs), code);
    return lower == UINT32_MAX ? code : lower;
}

/* The Unicode Standard, section 3.12. */
static uint32_t decompose_hangul(uint32_t index, uint32_t *parts)
{
    parts[0] = 0x1100 + index / 588;
    parts[1] = 0x1161 + index % 588 / 28;
    parts[2] = 0x11A7 + index % 28;
    return index % 28 ? 3 : 2;
}

uint32_t sk_unicode_decompose(uint32_t code, uint32_t parts[SK_UNICODE_PARTS])
{
    parts[0] = code;
    if (code < 0xC0)
        return 1;
    if (code >= 0xAC00 && code < 0xAC00 + 11172)
        return decompose_hangul(code - 0xAC00, parts);
    uint32_t at = find_code_pair(sk_unicode_parts_index, COUNT(sk_unicode_parts_index), code);
    if (at == UINT32_MAX)
        return 1;
    for (uint32_t i = 0; i < (at & 7); i++)
        parts[i] = sk_unicode_parts_pool[(at >> 3) + i];
    return at & 7;
}

#undef COUNT
