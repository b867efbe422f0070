/* SPDX-License-Identifier: MIT */
/* Binary searches in sorted tables. */
#include "base/portable.h"

#include "text/unicode_map.h"

uint32_t sk_unicode_lower(uint32_t code)
{
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + 32 : code;
    size_t low = 0, high = sizeof sk_unicode_lower_runs / sizeof *sk_unicode_lower_runs / 3;
    while (low < high) { /* the first run that ends at `code` or later */
        const size_t middle = low + (high - low) / 2;
        if (sk_unicode_lower_runs[3 * middle + 1] >> 1 < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == sizeof sk_unicode_lower_runs / sizeof *sk_unicode_lower_runs / 3)
        return code;
    const uint32_t *run = &sk_unicode_lower_runs[3 * low];
    const uint32_t off_step = (code - run[0]) & (run[1] & 1);
    return code < run[0] || off_step ? code : code + run[2];
}

/* The Unicode Standard, section 3.12. */
static uint32_t decompose_hangul(uint32_t index, uint32_t *parts)
{
    parts[0] = 0x1100 + index / 588;
    parts[1] = 0x1161 + index % 588 / 28;
    parts[2] = 0x11A7 + index % 28;
    return index % 28 ? 3 : 2;
}

/* The index of `code` in the table of decompositions, or -1. */
static int find_parts(uint32_t code)
{
    const uint32_t plane = code >> 16, key = code & 0xFFFF;
    if (plane > 2)
        return -1;
    int low = sk_unicode_parts_plane[plane], high = sk_unicode_parts_plane[plane + 1];
    while (low < high) {
        const int middle = (low + high) / 2;
        if (sk_unicode_parts_code[middle] == key)
            return middle;
        if (sk_unicode_parts_code[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

uint32_t sk_unicode_decompose(uint32_t code, uint32_t parts[SK_UNICODE_PARTS])
{
    parts[0] = code;
    if (code < 0xC0)
        return 1;
    if (code >= 0xAC00 && code < 0xAC00 + 11172)
        return decompose_hangul(code - 0xAC00, parts);
    const int at = find_parts(code);
    if (at < 0)
        return 1;
    const uint16_t *unit = &sk_unicode_parts_pool[sk_unicode_parts_place[at] >> 3];
    const uint16_t *end = unit + (sk_unicode_parts_place[at] & 7);
    uint32_t n = 0;
    for (; unit < end; unit++) {
        if (*unit >> 10 == 0x36) { /* a high surrogate, and the low one behind it */
            parts[n++] = ((uint32_t)unit[0] << 10) + unit[1] - 0x35FDC00u;
            unit++;
        } else {
            parts[n++] = *unit;
        }
    }
    return n;
}
