/* SPDX-License-Identifier: MIT */
/* Sorting is by heap, because no order of ranges may make it quadratic. */
#include "base/portable.h"

#include "sample/codeset.h"
#include "text/unicode.h"

#include <string.h>

#define SURROGATE_FIRST 0xD800u
#define SURROGATE_LAST 0xDFFFu

void sk_codeset_init(sk_codeset *set, sk_heap *heap)
{
    memset(set, 0, sizeof *set);
    set->heap = heap;
}

void sk_codeset_free(sk_codeset *set)
{
    sk_free(set->heap, set->ranges);
    sk_codeset_init(set, set->heap);
}

int32_t sk_codeset_add(sk_codeset *set, uint32_t first, uint32_t last, sk_error *error)
{
    void *block = set->ranges;
    int32_t status = sk_grow(set->heap, &block, &set->capacity, set->n + 1, sizeof *set->ranges,
                             "a character class", error);
    set->ranges = block;
    if (status == SKALD_OK)
        set->ranges[set->n++] = (sk_range){first, last};
    return status;
}

int32_t sk_codeset_add_all(sk_codeset *set, const sk_codeset *other, sk_error *error)
{
    int32_t status = SKALD_OK;
    for (uint64_t i = 0; i < other->n && status == SKALD_OK; i++)
        status = sk_codeset_add(set, other->ranges[i].first, other->ranges[i].last, error);
    return status;
}

int32_t sk_codeset_add_class(sk_codeset *set, uint32_t mask, sk_error *error)
{
    int32_t status = SKALD_OK;
    uint32_t first = 0;
    bool inside = false;
    for (uint32_t code = 0; code <= SK_UNICODE_LAST + 1 && status == SKALD_OK; code++) {
        bool in = code <= SK_UNICODE_LAST && (sk_unicode_class(code) & mask);
        if (in && !inside)
            first = code;
        if (!in && inside)
            status = sk_codeset_add(set, first, code - 1, error);
        inside = in;
    }
    return status;
}

static void range_sift(sk_range *ranges, uint64_t n, uint64_t i)
{
    sk_range moving = ranges[i];
    for (uint64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && ranges[child + 1].first > ranges[child].first)
            child++;
        if (ranges[child].first <= moving.first)
            break;
        ranges[i] = ranges[child];
    }
    ranges[i] = moving;
}

static void range_sort(sk_range *ranges, uint64_t n)
{
    for (uint64_t i = n / 2; i-- > 0;)
        range_sift(ranges, n, i);
    for (uint64_t end = n; end-- > 1;) {
        sk_range t = ranges[0];
        ranges[0] = ranges[end];
        ranges[end] = t;
        range_sift(ranges, end, 0);
    }
}

/* Merges sorted ranges that touch. */
static void range_merge(sk_codeset *set)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < set->n; i++) {
        sk_range r = set->ranges[i];
        if (kept && r.first <= set->ranges[kept - 1].last + 1) {
            if (r.last > set->ranges[kept - 1].last)
                set->ranges[kept - 1].last = r.last;
        } else {
            set->ranges[kept++] = r;
        }
    }
    set->n = kept;
}

/* Cuts the surrogates out of merged ranges, of which at most one reaches to both sides of them. */
static int32_t range_cut_surrogates(sk_codeset *set, sk_error *error)
{
    uint64_t kept = 0;
    sk_range split = {1, 0};
    for (uint64_t i = 0; i < set->n; i++) {
        sk_range low = set->ranges[i], high = low;
        low.last = low.last < SURROGATE_FIRST ? low.last : SURROGATE_FIRST - 1;
        high.first = high.first > SURROGATE_LAST ? high.first : SURROGATE_LAST + 1;
        if (low.first <= low.last)
            set->ranges[kept++] = low;
        if (low.first <= low.last && high.first <= high.last)
            split = high;
        else if (high.first <= high.last)
            set->ranges[kept++] = high;
    }
    set->n = kept;
    if (split.first > split.last)
        return SKALD_OK;
    int32_t status = sk_codeset_add(set, split.first, split.last, error);
    if (status == SKALD_OK)
        range_sort(set->ranges, set->n);
    return status;
}

int32_t sk_codeset_settle(sk_codeset *set, sk_error *error)
{
    range_sort(set->ranges, set->n);
    range_merge(set);
    return range_cut_surrogates(set, error);
}

int32_t sk_codeset_negate(sk_codeset *set, sk_error *error)
{
    sk_codeset out;
    int32_t status = SKALD_OK;
    uint32_t next = 0;
    sk_codeset_init(&out, set->heap);
    for (uint64_t i = 0; i < set->n && status == SKALD_OK; i++) {
        if (set->ranges[i].first > next)
            status = sk_codeset_add(&out, next, set->ranges[i].first - 1, error);
        next = set->ranges[i].last + 1;
    }
    if (status == SKALD_OK && next <= SK_UNICODE_LAST)
        status = sk_codeset_add(&out, next, SK_UNICODE_LAST, error);
    if (status == SKALD_OK)
        status = sk_codeset_settle(&out, error);
    if (status < 0) {
        sk_codeset_free(&out);
        return status;
    }
    sk_codeset_free(set);
    *set = out;
    return SKALD_OK;
}

int32_t sk_codeset_meet(sk_codeset *out, const sk_codeset *a, const sk_codeset *b, sk_error *error)
{
    int32_t status = SKALD_OK;
    for (uint64_t i = 0, j = 0; i < a->n && j < b->n && status == SKALD_OK;) {
        sk_range x = a->ranges[i], y = b->ranges[j];
        uint32_t first = x.first > y.first ? x.first : y.first;
        uint32_t last = x.last < y.last ? x.last : y.last;
        if (first <= last)
            status = sk_codeset_add(out, first, last, error);
        i += x.last <= y.last;
        j += y.last <= x.last;
    }
    return status;
}

bool sk_codeset_has(const sk_codeset *set, uint32_t code)
{
    for (uint64_t i = 0; i < set->n; i++)
        if (code >= set->ranges[i].first && code <= set->ranges[i].last)
            return true;
    return false;
}

#undef SURROGATE_FIRST
#undef SURROGATE_LAST
