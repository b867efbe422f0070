/* SPDX-License-Identifier: MIT */
/*
 * All strings lie end to end in one block, their border tables in another: entry i of a string's
 * table is the length of the longest proper prefix of its first i + 1 bytes that also ends them.
 */
#include "base/portable.h"

#include "sample/stop.h"
#include "base/checked.h"

#include <string.h>

typedef struct stop_string {
    const uint8_t *text;    /* [n] */
    const uint64_t *border; /* [n] */
    uint64_t n;
    uint64_t matched; /* bytes of it that the stream's end is; < n between feeds */
} stop_string;

struct sk_stops {
    sk_heap *heap;        /* borrowed */
    stop_string *strings; /* [n] */
    uint8_t *text;        /* [all bytes] */
    uint64_t *border;     /* [all bytes] */
    uint64_t n, longest;
};

/* How far the match goes with one byte more, coming from `matched` < n. */
static uint64_t stop_advance(const stop_string *s, uint64_t matched, uint8_t byte)
{
    while (matched > 0 && s->text[matched] != byte)
        matched = s->border[matched - 1];
    return s->text[matched] == byte ? matched + 1 : 0;
}

static void stop_prepare(stop_string *s, uint8_t *text, uint64_t *border, const char *string)
{
    *s = (stop_string){.text = text, .border = border, .n = strlen(string)};
    memcpy(text, string, s->n);
    for (uint64_t i = 0; i < s->n; i++)
        border[i] = i ? stop_advance(s, border[i - 1], text[i]) : 0;
}

int32_t sk_stops_new(sk_stops **out, sk_heap *heap, const char *const *strings, uint64_t n,
                     sk_error *error)
{
    *out = NULL;
    uint64_t total = 0;
    for (uint64_t i = 0; i < n; i++)
        if (!sk_add(total, strlen(strings[i]), &total))
            return sk_fail(error, SKALD_E_MEMORY, "the stop strings are too long");
    const char *what = "the stop strings";
    sk_stops *s = sk_alloc_zero(heap, sizeof *s, what, error);
    if (!s)
        return SKALD_E_MEMORY;
    s->heap = heap;
    if (!(s->strings = sk_alloc_array(heap, n, sizeof *s->strings, what, error)) ||
        !(s->text = sk_alloc_array(heap, total, 1, what, error)) ||
        !(s->border = sk_alloc_array(heap, total, sizeof *s->border, what, error))) {
        sk_stops_free(s);
        return SKALD_E_MEMORY;
    }
    s->n = n;
    uint64_t at = 0;
    for (uint64_t i = 0; i < n; i++) {
        stop_prepare(&s->strings[i], s->text + at, s->border + at, strings[i]);
        at += s->strings[i].n;
        if (s->strings[i].n > s->longest)
            s->longest = s->strings[i].n;
    }
    *out = s;
    return SKALD_OK;
}

void sk_stops_free(sk_stops *s)
{
    if (!s)
        return;
    sk_free(s->heap, s->border);
    sk_free(s->heap, s->text);
    sk_free(s->heap, s->strings);
    sk_free(s->heap, s);
}

uint64_t sk_stops_longest(const sk_stops *s)
{
    return s->longest;
}

void sk_stops_reset(sk_stops *s)
{
    for (uint64_t i = 0; i < s->n; i++)
        s->strings[i].matched = 0;
}

/* One byte for all strings; the index of the longest that it completes, or -1. */
static int64_t stop_byte(sk_stops *stops, uint8_t byte)
{
    int64_t found = -1;
    for (uint64_t i = 0; i < stops->n; i++) {
        stop_string *s = &stops->strings[i];
        if (s->n == 0)
            continue;
        s->matched = stop_advance(s, s->matched, byte);
        if (s->matched < s->n)
            continue;
        if (found < 0 || s->n > stops->strings[found].n)
            found = (int64_t)i;
        s->matched = s->border[s->n - 1];
    }
    return found;
}

sk_stop_result sk_stops_feed(sk_stops *stops, const void *bytes, uint64_t n)
{
    const uint8_t *b = bytes;
    for (uint64_t i = 0; i < n; i++) {
        int64_t found = stop_byte(stops, b[i]);
        if (found >= 0)
            return (sk_stop_result){found, i + 1, stops->strings[found].n};
    }
    uint64_t held = 0;
    for (uint64_t i = 0; i < stops->n; i++)
        if (stops->strings[i].matched > held)
            held = stops->strings[i].matched;
    return (sk_stop_result){-1, n, held};
}
