/* SPDX-License-Identifier: MIT */
/*
 * A code point of three bytes is below 2^16: E0 to EF lead, two bytes of six bits follow.
 */
#include "base/portable.h"

#include "text/seams.h"

static bool leads_three(uint8_t byte)
{
    return (byte & 0xF0) == 0xE0;
}

static uint32_t code_of_three(const uint8_t *p)
{
    return (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
}

static uint32_t seam_hash(uint32_t first, uint32_t second)
{
    return (first << 16 | second) * 0x9E3779B1u >> 12;
}

static void set_seam_bit(uint8_t *bits, uint32_t at)
{
    bits[at / 8] |= (uint8_t)(1u << at % 8);
}

static bool has_seam_bit(const uint8_t *bits, uint32_t at)
{
    return bits[at / 8] >> at % 8 & 1;
}

void sk_seams_add(sk_seams *seams, const uint8_t *text, uint64_t n)
{
    for (uint64_t at = 1; at < n; at++) {
        if (!leads_three(text[at]) || (text[at - 1] & 0xC0) != 0x80)
            continue;
        bool first = at >= 3, second = n - at >= 3; /* whole */
        if (first && !leads_three(text[at - 3]))
            continue; /* the one before is no code point of three bytes */
        if (first && second)
            set_seam_bit(seams->pairs,
                         seam_hash(code_of_three(text + at - 3), code_of_three(text + at)));
        else if (first)
            set_seam_bit(seams->first, code_of_three(text + at - 3));
        else if (second)
            set_seam_bit(seams->second, code_of_three(text + at));
        else
            set_seam_bit(seams->bytes, (uint32_t)text[at - 1] << 8 | text[at]);
    }
}

const uint8_t *sk_seams_end(const sk_seams *seams, const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (!leads_three(*at)) {
            at++;
            continue;
        }
        const uint8_t *next = at + 3;
        if (next >= end)
            return end;
        if (leads_three(*next)) {
            uint32_t first = code_of_three(at), second = code_of_three(next);
            if (!has_seam_bit(seams->pairs, seam_hash(first, second)) &&
                !has_seam_bit(seams->first, first) && !has_seam_bit(seams->second, second) &&
                !has_seam_bit(seams->bytes, (uint32_t)next[-1] << 8 | *next))
                return next;
        }
        at = next;
    }
    return end;
}
