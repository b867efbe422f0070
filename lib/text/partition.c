/* SPDX-License-Identifier: MIT */
/*
 * Cutting special tokens out of text. The rule: the longest token is looked for in the whole text
 * and cut out wherever it stands, left to right; then the next shorter one in what is left; and so
 * on. (So a longer token wins even over a shorter one that begins before it.)
 *
 * Done literally that is a pass over the text per token. Here the places where any token begins
 * are found in one pass, and wait in a queue, those of the longest token first, then from left to
 * right. A place whose token runs into one that was cut out already is queued again with the
 * longest that fits. A bit per byte of text says what is taken.
 */
#include "base/portable.h"

#include "text/tokenize_int.h"

typedef struct partition {
    const sk_vocab *vocab;
    sk_heap *heap;
    const uint8_t *text;
    uint32_t n;
    bool parse_special;
    const sk_guard *guard; /* NULL: the whole text is trusted */
    sk_queue places;       /* (longest possible - length) << 32 | start */
    sk_queue starts;       /* start << 32 | index into cuts */
    uint64_t *taken;       /* owned, a bit per byte */
    sk_cut *cuts;          /* owned, in the order in which they were found */
    uint64_t n_cuts, capacity;
    sk_error *error;
} partition;

/* ---- What is taken -------------------------------------------------------------------------- */

static bool is_taken(const partition *part, uint32_t at)
{
    return part->taken[at / 64] >> at % 64 & 1;
}

/* The first byte that is taken in [at, end), or `end`. */
static uint32_t find_taken(const partition *part, uint32_t at, uint32_t end)
{
    while (at < end && !is_taken(part, at)) {
        if (at % 64 == 0 && part->taken[at / 64] == 0)
            at = end - at > 64 ? at + 64 : end;
        else
            at++;
    }
    return at;
}

static void take_fragment(partition *part, uint32_t at, uint32_t end)
{
    for (; at < end; at++)
        part->taken[at / 64] |= UINT64_C(1) << at % 64;
}

/* ---- What stands where ---------------------------------------------------------------------- */

/* The first of cuts[low..high), which agree up to `depth`, whose byte there is at least `byte`. */
static uint32_t narrow_cuts(const sk_vocab_cut *cuts, uint32_t low, uint32_t high, uint32_t depth,
                            uint32_t byte)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (cuts[middle].text[depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether a token may be cut out; `own`: all bytes of it are the template's. */
static bool may_cut(const partition *part, uint32_t id, bool own)
{
    bool user = part->vocab->tokens[id].type == SK_TOKEN_USER;
    if (!part->guard)
        return part->parse_special || user;
    return own || (user && !sk_is_barred(part->guard, id));
}

/* The longest token of at most `limit` bytes at `at`, or NULL. */
static const sk_vocab_cut *longest_cut(const partition *part, uint32_t at, uint32_t limit)
{
    const sk_vocab *vocab = part->vocab;
    const sk_vocab_cut *cuts = vocab->cuts, *found = NULL;
    const uint8_t *text = part->text + at;
    const uint8_t *origin = part->guard ? part->guard->origin + at : NULL;
    uint32_t low = vocab->cut_first[text[0]], high = vocab->cut_first[text[0] + 1];
    bool own = true;
    for (uint32_t depth = 1; low < high && depth <= limit; depth++) {
        /* The shortest of those with the same beginning is the first. */
        own = own && (!origin || origin[depth - 1] == SK_FROM_TEMPLATE);
        if (cuts[low].n == depth) {
            if (may_cut(part, cuts[low].id, own))
                found = &cuts[low];
            low++;
        }
        if (depth < limit) {
            low = narrow_cuts(cuts, low, high, depth, text[depth]);
            high = narrow_cuts(cuts, low, high, depth, text[depth] + 1u);
        }
    }
    return found;
}

/* Queues the longest token at `at` of at most `limit` bytes. */
static int32_t queue_place(partition *part, uint32_t at, uint32_t limit)
{
    const sk_vocab_cut *cut = longest_cut(part, at, limit);
    if (!cut)
        return SKALD_OK;
    uint64_t order = part->vocab->max_text - cut->n;
    return sk_queue_push(&part->places, part->heap, order << 32 | at, part->error);
}

static int32_t find_places(partition *part)
{
    const sk_vocab *vocab = part->vocab;
    int32_t status = SKALD_OK;
    for (uint32_t at = 0; at < part->n && status == SKALD_OK; at++) {
        uint32_t left = part->n - at;
        if (left > 1 && !(vocab->pair_seen[part->text[at] * 32u + part->text[at + 1] / 8] >>
                              part->text[at + 1] % 8 &
                          1))
            continue;
        status = queue_place(part, at, left);
    }
    return status;
}

/* ---- Cutting -------------------------------------------------------------------------------- */

static bool is_ascii_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Cuts out `cut` at `at`, with the white space that it takes along. */
static int32_t cut_out(partition *part, const sk_vocab_cut *cut, uint32_t at)
{
    void *cuts = part->cuts;
    int32_t status = sk_grow(part->heap, &cuts, &part->capacity, part->n_cuts + 1,
                             sizeof *part->cuts, "special tokens in a text", part->error);
    part->cuts = cuts;
    if (status < 0)
        return status;
    uint32_t start = at, end = at + cut->n;
    uint8_t strip = part->vocab->tokens[cut->id].strip;
    if (strip & SK_STRIP_LEFT)
        while (start > 0 && is_ascii_space(part->text[start - 1]) && !is_taken(part, start - 1))
            start--;
    if (strip & SK_STRIP_RIGHT)
        while (end < part->n && is_ascii_space(part->text[end]) && !is_taken(part, end))
            end++;
    take_fragment(part, start, end);
    part->cuts[part->n_cuts] = (sk_cut){start, end, cut->id};
    return sk_queue_push(&part->starts, part->heap, (uint64_t)start << 32 | part->n_cuts++,
                         part->error);
}

static int32_t cut_places(partition *part)
{
    int32_t status = SKALD_OK;
    while (part->places.n > 0 && status == SKALD_OK) {
        uint64_t place = sk_queue_pop(&part->places);
        uint32_t at = (uint32_t)place, n = part->vocab->max_text - (uint32_t)(place >> 32);
        uint32_t room = find_taken(part, at, at + n) - at;
        if (room == n)
            status = cut_out(part, longest_cut(part, at, n), at);
        else if (room > 0)
            status = queue_place(part, at, room);
    }
    return status;
}

/* The cuts from left to right, in an array of their own. */
static int32_t order_cuts(partition *part, sk_cut **cuts, uint64_t *n_cuts)
{
    *cuts = sk_alloc_array(part->heap, part->n_cuts, sizeof **cuts, "special tokens in a text",
                           part->error);
    if (!*cuts)
        return SKALD_E_MEMORY;
    while (part->starts.n > 0)
        (*cuts)[(*n_cuts)++] = part->cuts[(uint32_t)sk_queue_pop(&part->starts)];
    return SKALD_OK;
}

int32_t sk_partition(const sk_vocab *vocab, sk_heap *heap, const uint8_t *text, uint32_t n,
                     bool parse_special, const sk_guard *guard, sk_cut **cuts, uint64_t *n_cuts,
                     sk_error *error)
{
    *cuts = NULL;
    *n_cuts = 0;
    partition part = {.vocab = vocab,
                      .heap = heap,
                      .text = text,
                      .n = n,
                      .parse_special = parse_special,
                      .guard = guard,
                      .error = error};
    int32_t status = find_places(&part);
    if (status == SKALD_OK && part.places.n > 0) {
        part.taken = sk_alloc_array(heap, n / 64 + 1, sizeof *part.taken, "map of a text", error);
        status = part.taken ? cut_places(&part) : SKALD_E_MEMORY;
        if (status == SKALD_OK)
            status = order_cuts(&part, cuts, n_cuts);
    }
    sk_free(heap, part.taken);
    sk_free(heap, part.cuts);
    sk_queue_free(&part.places, heap);
    sk_queue_free(&part.starts, heap);
    return status;
}
