/* SPDX-License-Identifier: MIT */
/*
 * The well-formed sequences are those of the Unicode Standard, table 3-7: the range of the second
 * byte depends on the first, which is all it takes to keep out overlong forms, surrogates and what
 * lies beyond U+10FFFF.
 */
#include "base/portable.h"

#include "text/utf8.h"

#include "text/unicode.h"

/* Whether `second` may follow `lead` (a lead byte of two to four bytes). */
static bool utf8_second_fits(uint8_t lead, uint8_t second)
{
    uint8_t low = 0x80, high = 0xBF;
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    return second >= low && second <= high;
}

/* Bytes of a well-formed sequence that begins with `lead`; 0 when none does. */
static uint32_t utf8_length(uint8_t lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* How many of the bytes at `p` are a correct beginning of a code point of `length` bytes. */
static inline uint32_t utf8_prefix(const uint8_t *p, const uint8_t *end, uint32_t length)
{
    uint32_t n = 1;
    if (length < 2 || end - p < 2 || !utf8_second_fits(p[0], p[1]))
        return n;
    for (n = 2; n < length && n < (uint64_t)(end - p) && (p[n] & 0xC0) == 0x80; n++)
        ;
    return n;
}

uint32_t sk_utf8_read(const uint8_t *p, const uint8_t *end, uint32_t *code)
{
    if (p[0] < 0x80) {
        *code = p[0];
        return 1;
    }
    uint32_t length = utf8_length(p[0]);
    if (length == 0 || utf8_prefix(p, end, length) < length) {
        *code = SK_UNICODE_BAD;
        return 1;
    }
    uint32_t c = p[0] & (0x7Fu >> length);
    for (uint32_t i = 1; i < length; i++)
        c = c << 6 | (p[i] & 0x3Fu);
    *code = c;
    return length;
}

uint32_t sk_utf8_write(uint8_t out[SK_UTF8_MAX], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    uint32_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (uint32_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3F));
    out[0] = (uint8_t)((0xF00u >> length) | code);
    return length;
}

uint32_t sk_utf8_announced(uint8_t lead)
{
    return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

uint64_t sk_utf8_whole(const uint8_t *p, uint64_t n)
{
    for (uint64_t back = 1; back <= 3 && back <= n; back++) {
        const uint8_t *lead = p + n - back;
        uint32_t length = utf8_length(*lead);
        if ((*lead & 0xC0) == 0x80)
            continue;
        return length > back && utf8_prefix(lead, p + n, length) == back ? n - back : n;
    }
    return n;
}

uint64_t sk_utf8_count_bad(const uint8_t *p, uint64_t n)
{
    const uint8_t *end = p + n;
    uint64_t bad = 0;
    while (p < end) {
        uint32_t code, length = sk_utf8_read(p, end, &code);
        bad += length == 1 && code == SK_UNICODE_BAD;
        p += length;
    }
    return bad;
}
