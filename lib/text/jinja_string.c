/* SPDX-License-Identifier: MIT */
/*
 * Work on text by code points, as Python's str does it. Texts are never changed: what can be a
 * part of an old text (strip, split) is one, the rest is a copy in the arena.
 */
#include "base/portable.h"
#include "jinja_int.h"
#include "unicode.h"
#include "utf8.h"

#include <string.h>

static uint32_t string_read(const sk_json *s, uint64_t at, uint32_t *code)
{
    const uint8_t *p = (const uint8_t *)s->as.text;
    return sk_utf8_read(p + at, p + s->n, code);
}

uint64_t sk_jinja_code_points(const sk_json *s)
{
    uint64_t n = 0;
    uint32_t code;
    for (uint64_t at = 0; at < s->n; n++)
        at += (uint8_t)s->as.text[at] < 0x80 ? 1 : string_read(s, at, &code);
    return n;
}

uint64_t sk_jinja_offset(const sk_json *s, uint64_t code_point)
{
    uint64_t at = 0;
    uint32_t code;
    for (; at < s->n && code_point > 0; code_point--)
        at += (uint8_t)s->as.text[at] < 0x80 ? 1 : string_read(s, at, &code);
    return at;
}

bool sk_jinja_is_space(uint32_t code)
{
    return (sk_unicode_class(code) & SK_UC_SPACE) || (code >= 0x1C && code <= 0x1F);
}

/* Whether strip takes this code point. */
static bool string_in_set(const sk_json *set, uint32_t code, const char *bytes, uint32_t n)
{
    if (!set)
        return sk_jinja_is_space(code);
    return sk_jinja_find(*set, sk_jinja_text(bytes, n), 0) != UINT64_MAX;
}

sk_json sk_jinja_strip(sk_json s, const sk_json *set, bool left, bool right)
{
    uint32_t code, n;
    while (left && s.n > 0) {
        n = string_read(&s, 0, &code);
        if (!string_in_set(set, code, s.as.text, n))
            break;
        s.as.text += n;
        s.n -= n;
    }
    while (right && s.n > 0) {
        uint64_t at = s.n - 1;
        while (at > 0 && s.n - at < 4 && ((uint8_t)s.as.text[at] & 0xC0) == 0x80)
            at--;
        n = string_read(&s, at, &code);
        if (at + n != s.n) { /* not UTF-8: the last byte by itself */
            at = s.n - 1;
            code = 0xFFFD;
        }
        if (!string_in_set(set, code, s.as.text + at, (uint32_t)(s.n - at)))
            break;
        s.n = at;
    }
    return s;
}

/* ---- case --------------------------------------------------------------------------------- */

/* Blocks whose lower letter is the upper one plus a distance; pairs: odd behind even. */
static const struct {
    uint16_t first, last; /* upper letters; of pairs: all */
    uint16_t distance;    /* 0: pairs that begin at `first` */
} string_cases[] = {
    {0x41, 0x5A, 32},    {0xC0, 0xD6, 32},     {0xD8, 0xDE, 32},   {0x100, 0x12F, 0},
    {0x132, 0x137, 0},   {0x139, 0x148, 0},    {0x14A, 0x177, 0},  {0x179, 0x17E, 0},
    {0x386, 0x386, 38},  {0x388, 0x38A, 37},   {0x38E, 0x38F, 63}, {0x391, 0x3A1, 32},
    {0x3A3, 0x3AB, 32},  {0x400, 0x40F, 80},   {0x410, 0x42F, 32}, {0x460, 0x481, 0},
    {0x48A, 0x4BF, 0},   {0x4D0, 0x52F, 0},    {0x531, 0x556, 48}, {0x1E00, 0x1E95, 0},
    {0x1EA0, 0x1EFF, 0}, {0xFF21, 0xFF3A, 32},
};

uint32_t sk_jinja_lower_code(uint32_t code)
{
    for (size_t i = 0; i < sizeof string_cases / sizeof *string_cases; i++)
        if (code >= string_cases[i].first && code <= string_cases[i].last)
            return string_cases[i].distance             ? code + string_cases[i].distance
                   : (code - string_cases[i].first) & 1 ? code
                                                        : code + 1;
    return code;
}

uint32_t sk_jinja_upper_code(uint32_t code)
{
    if (code == 0x3C2) /* the final sigma */
        return 0x3A3;
    for (size_t i = 0; i < sizeof string_cases / sizeof *string_cases; i++) {
        uint32_t distance = string_cases[i].distance;
        if (code >= string_cases[i].first + distance && code <= string_cases[i].last + distance)
            return distance                             ? code - distance
                   : (code - string_cases[i].first) & 1 ? code - 1
                                                        : code;
    }
    return code == 0xFF ? 0x178 : code;
}

int32_t sk_jinja_case(sk_jinja_run *r, sk_json s, int how, sk_json *out)
{
    uint8_t bytes[SK_UTF8_MAX];
    bool begin = true;
    int32_t status = sk_jinja_charge(r, 4 * s.n);
    sk_jinja_ink_cut(&r->scratch, 0);
    for (uint64_t at = 0; at < s.n && status >= 0;) {
        uint32_t code, n = string_read(&s, at, &code), sharp = code == 0xDF;
        bool letter = sk_unicode_class(code) & SK_UC_L;
        bool upper = how == SK_JC_UPPER || (begin && how >= SK_JC_TITLE);
        uint32_t n_out =
            sk_utf8_write(bytes, upper ? sk_jinja_upper_code(code) : sk_jinja_lower_code(code));
        if (upper && sharp)
            status = sk_jinja_put(r, &r->scratch, how == SK_JC_UPPER ? "SS" : "Ss", 2);
        else if (n == 1 && code >= 0x80) /* not UTF-8: kept */
            status = sk_jinja_put(r, &r->scratch, s.as.text + at, 1);
        else
            status = sk_jinja_put_as(r, &r->scratch, (char *)bytes, n_out, s.as.text + at);
        begin = how == SK_JC_TITLE && !letter;
        at += n;
    }
    return status < 0 ? status : sk_jinja_take_scratch(r, out);
}

/* ---- find, replace, split ----------------------------------------------------------------- */

uint64_t sk_jinja_find(sk_json s, sk_json part, uint64_t from)
{
    if (part.n == 0)
        return from <= s.n ? from : UINT64_MAX;
    while (s.n >= part.n && from <= s.n - part.n) {
        const char *first = memchr(s.as.text + from, part.as.text[0], s.n - part.n - from + 1);
        if (!first)
            break;
        if (memcmp(first, part.as.text, part.n) == 0)
            return (uint64_t)(first - s.as.text);
        from = (uint64_t)(first - s.as.text) + 1;
    }
    return UINT64_MAX;
}

int32_t sk_jinja_replace(sk_jinja_run *r, sk_json s, sk_json old, sk_json new, int64_t count,
                         sk_json *out)
{
    uint64_t at = 0;
    /* The search looks at every byte of `old` at worst. */
    int32_t status = sk_jinja_charge(r, s.n + s.n / 16 * (old.n < 16 ? 1 : old.n / 16));
    sk_jinja_ink_cut(&r->scratch, 0);
    for (; status >= 0 && count != 0; count--) {
        uint64_t found = sk_jinja_find(s, old, at), stop = found;
        if (found == UINT64_MAX)
            break;
        status = sk_jinja_put(r, &r->scratch, s.as.text + at, found - at);
        if (status >= 0)
            status = sk_jinja_put(r, &r->scratch, new.as.text, new.n);
        if (old.n == 0 && found < s.n) { /* between all code points */
            uint32_t code;
            stop = found + string_read(&s, found, &code);
            if (status >= 0)
                status = sk_jinja_put(r, &r->scratch, s.as.text + found, stop - found);
        }
        at = stop + old.n;
        if (old.n == 0 && found == s.n)
            break;
    }
    if (status >= 0 && at < s.n)
        status = sk_jinja_put(r, &r->scratch, s.as.text + at, s.n - at);
    return status < 0 ? status : sk_jinja_take_scratch(r, out);
}

/* A list that grows. */
typedef struct string_parts {
    sk_json *items;
    uint64_t n, capacity;
} string_parts;

static int32_t string_add_part(sk_jinja_run *r, string_parts *parts, sk_json part)
{
    if (parts->n == parts->capacity) {
        uint64_t capacity = parts->capacity ? 2 * parts->capacity : 8;
        sk_json *items = sk_jinja_alloc(r, capacity, sizeof *items);
        if (!items)
            return SKALD_E_MEMORY;
        if (parts->n)
            memcpy(items, parts->items, parts->n * sizeof *items);
        parts->items = items;
        parts->capacity = capacity;
    }
    parts->items[parts->n++] = part;
    return sk_jinja_charge(r, part.n + 16);
}

static int32_t string_split_space(sk_jinja_run *r, sk_json s, int64_t max, string_parts *parts)
{
    int32_t status = SKALD_OK;
    s = sk_jinja_strip(s, NULL, true, false);
    while (s.n > 0 && status >= 0) {
        uint64_t at = 0;
        uint32_t code;
        if (max == 0) {
            return string_add_part(r, parts, s);
        }
        while (at < s.n) {
            uint32_t n = string_read(&s, at, &code);
            if (sk_jinja_is_space(code))
                break;
            at += n;
        }
        status = string_add_part(r, parts, sk_jinja_text(s.as.text, at));
        s.as.text += at;
        s.n -= at;
        s = sk_jinja_strip(s, NULL, true, false);
        max -= max > 0;
    }
    return status;
}

/* The last place of `part` in s, or UINT64_MAX. */
static uint64_t string_find_last(sk_json s, sk_json part)
{
    for (uint64_t at = s.n >= part.n ? s.n - part.n + 1 : 0; at-- > 0;)
        if (memcmp(s.as.text + at, part.as.text, part.n) == 0)
            return at;
    return UINT64_MAX;
}

static int32_t string_split_right(sk_jinja_run *r, sk_json s, sk_json sep, int64_t max,
                                  string_parts *parts)
{
    int32_t status = sk_jinja_charge(r, s.n);
    for (uint64_t at; status >= 0 && max != 0 && (at = string_find_last(s, sep)) != UINT64_MAX;
         max--) {
        status = string_add_part(r, parts, sk_jinja_text(s.as.text + at + sep.n, s.n - at - sep.n));
        s.n = at;
    }
    if (status >= 0)
        status = string_add_part(r, parts, s);
    for (uint64_t i = 0; status >= 0 && i < parts->n / 2; i++) {
        sk_json swap = parts->items[i];
        parts->items[i] = parts->items[parts->n - 1 - i];
        parts->items[parts->n - 1 - i] = swap;
    }
    return status;
}

int32_t sk_jinja_split(sk_jinja_run *r, sk_json s, const sk_json *sep, int64_t max, bool right,
                       sk_json *out)
{
    string_parts parts = {0};
    int32_t status = sk_jinja_charge(r, s.n + (sep ? s.n / 16 * (sep->n / 16) : 0));
    if (sep && sep->n == 0)
        return SK_JINJA_FAIL(r, "empty separator");
    if (status >= 0 && sep && right) {
        status = string_split_right(r, s, *sep, max, &parts);
    } else if (status >= 0 && sep) {
        uint64_t at = 0, found;
        for (; status >= 0 && max != 0 && (found = sk_jinja_find(s, *sep, at)) != UINT64_MAX;
             max--) {
            status = string_add_part(r, &parts, sk_jinja_text(s.as.text + at, found - at));
            at = found + sep->n;
        }
        if (status >= 0)
            status = string_add_part(r, &parts, sk_jinja_text(s.as.text + at, s.n - at));
    } else if (status >= 0) {
        status = string_split_space(r, s, max, &parts);
    }
    *out = sk_jinja_list(parts.items, parts.n);
    return status;
}

int32_t sk_jinja_splitlines(sk_jinja_run *r, sk_json s, sk_json *out)
{
    string_parts parts = {0};
    int32_t status = SKALD_OK;
    uint64_t at = 0;
    while (at < s.n && status >= 0) {
        uint64_t end = at;
        while (end < s.n && s.as.text[end] != '\n' && s.as.text[end] != '\r')
            end++;
        status = string_add_part(r, &parts, sk_jinja_text(s.as.text + at, end - at));
        at = end + 1;
        if (end + 1 < s.n && s.as.text[end] == '\r' && s.as.text[end + 1] == '\n')
            at++;
    }
    *out = sk_jinja_list(parts.items, parts.n);
    return status;
}

int32_t sk_jinja_escape(sk_jinja_run *r, const sk_json *s, sk_json *out)
{
    static const char from[] = "&<>'\"";
    static const char *const to[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    int32_t status = SKALD_OK;
    sk_jinja_ink_cut(&r->scratch, 0);
    for (uint64_t i = 0; i < s->n && status >= 0; i++) {
        const char *p = s->as.text + i, *found = *p ? strchr(from, *p) : NULL;
        status = sk_jinja_put(r, &r->scratch, found ? to[found - from] : p,
                              found ? strlen(to[found - from]) : 1);
    }
    if (status >= 0)
        status = sk_jinja_take_scratch(r, out);
    out->flavour = 1;
    return status;
}
