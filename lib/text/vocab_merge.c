/* SPDX-License-Identifier: MIT */
/*
 * The table of merges of a BPE vocabulary: two symbols to rank and result, by open addressing.
 *
 * Merges of sound vocabularies speak of tokens only, so that three look-ups in the map of texts
 * make an entry. What parts or results are not tokens is counted in a first pass; only when there
 * are any is a second map made for them, and a second pass gone.
 */
#include "base/portable.h"

#include "text/utf8.h"
#include "text/vocab_int.h"

#include <string.h>

typedef struct merge_parts {
    const uint8_t *left, *right;
    uint64_t n_left, n_right;
} merge_parts;

/* "left right": cut at the first blank behind the first byte. */
static bool split_merge(const sk_vocab_text *text, merge_parts *parts)
{
    const char *blank = text->n > 1 ? memchr(text->text + 1, ' ', (size_t)text->n - 1) : NULL;
    if (!blank)
        return false;
    parts->left = (const uint8_t *)text->text;
    parts->n_left = (uint64_t)(blank - text->text);
    parts->right = (const uint8_t *)blank + 1;
    parts->n_right = text->n - parts->n_left - 1;
    return true;
}

/* Of a pair that is listed twice, the first rank holds. */
static void put_merge(sk_vocab *vocab, sk_vocab_merge wanted)
{
    uint64_t hash = sk_merge_hash(wanted.left, wanted.right), mask = vocab->merge_mask;
    uint64_t i = hash >> 20 & mask;
    for (; vocab->merge_tags[i]; i = (i + 1) & mask) {
        sk_vocab_merge *merge = &vocab->merges[i];
        if (merge->left != wanted.left || merge->right != wanted.right)
            continue;
        if (wanted.rank < merge->rank)
            *merge = wanted;
        return;
    }
    vocab->merges[i] = wanted;
    vocab->merge_tags[i] = sk_merge_tag(hash);
}

static int32_t new_merge_table(sk_vocab *vocab, uint64_t n, sk_error *error)
{
    uint64_t size = 16;
    while (size < n + n / 2)
        size *= 2;
    vocab->merges = sk_alloc(vocab->heap, size * sizeof *vocab->merges, "table of merges", error);
    vocab->merge_tags = sk_alloc_zero(vocab->heap, size, "table of merges", error);
    vocab->merge_mask = size - 1;
    return vocab->merges && vocab->merge_tags ? SKALD_OK : SKALD_E_MEMORY;
}

/* Writes left and right together to `scratch`; returns their length. */
static uint64_t join_parts(const merge_parts *parts, uint8_t *scratch)
{
    memcpy(scratch, parts->left, (size_t)parts->n_left);
    memcpy(scratch + parts->n_left, parts->right, (size_t)parts->n_right);
    return parts->n_left + parts->n_right;
}

static bool is_token_text(const sk_vocab *vocab, uint32_t id, const uint8_t *text, uint64_t n)
{
    return id < vocab->n && vocab->tokens[id].n_text == n &&
           memcmp(vocab->arena + vocab->tokens[id].text, text, (size_t)n) == 0;
}

/* The symbol of left and right together. Where no two tokens have the same text it is mostly that
 * of the merge before, `last`, or the next one, and need not be looked up. */
static uint32_t joined_symbol(const sk_vocab *vocab, const merge_parts *parts, uint32_t last,
                              uint8_t *scratch)
{
    uint64_t n = join_parts(parts, scratch);
    for (uint32_t guess = last; vocab->texts_differ && guess - last < 2; guess++)
        if (is_token_text(vocab, guess, scratch, n))
            return guess;
    return sk_vocab_symbol(vocab, scratch, n);
}

/* Enters the merge if its three texts have symbols; *last is the result of the one before. */
static bool enter_merge(sk_vocab *vocab, const merge_parts *parts, uint32_t rank, uint32_t *last,
                        uint8_t *scratch)
{
    sk_vocab_merge merge = {sk_vocab_symbol(vocab, parts->left, parts->n_left),
                            sk_vocab_symbol(vocab, parts->right, parts->n_right), rank,
                            SK_NO_SYMBOL};
    if (merge.left == SK_NO_SYMBOL || merge.right == SK_NO_SYMBOL)
        return false;
    merge.result = joined_symbol(vocab, parts, *last, scratch);
    if (merge.result == SK_NO_SYMBOL)
        return false;
    *last = merge.result;
    put_merge(vocab, merge);
    return true;
}

/* ---- Texts that are not tokens -------------------------------------------------------------- */

/* Gives `text` a symbol if it has none; returns how many bytes of the arena it took. */
static uint64_t add_symbol(sk_vocab *vocab, char *arena, const uint8_t *text, uint64_t n)
{
    if (n == 0 || sk_vocab_symbol(vocab, text, n) != SK_NO_SYMBOL)
        return 0;
    memcpy(arena, text, (size_t)n);
    sk_strmap_put(&vocab->extra, arena, n, vocab->n_symbols++, NULL);
    return n;
}

/* Merges of which some part or result was no token when they were entered. */
int32_t sk_vocab_add_merges(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    sk_vocab *vocab = b->vocab;
    if (first == 0) {
        b->extra_at = vocab->extra_arena =
            sk_alloc(vocab->heap, b->extra_size * 2, "texts of merges", error);
        if (!vocab->extra_arena ||
            sk_strmap_init(&vocab->extra, vocab->heap, b->n_extra * 3, error) < 0)
            return SKALD_E_MEMORY;
        b->last = 0;
    }
    for (uint64_t rank = first; rank < last; rank++) {
        merge_parts parts;
        if (!split_merge(&b->source.merges[rank], &parts) || parts.n_right == 0 ||
            enter_merge(vocab, &parts, (uint32_t)rank, &b->last, b->scratch))
            continue;
        b->extra_at += add_symbol(vocab, b->extra_at, parts.left, parts.n_left);
        b->extra_at += add_symbol(vocab, b->extra_at, parts.right, parts.n_right);
        b->extra_at += add_symbol(vocab, b->extra_at, b->scratch, join_parts(&parts, b->scratch));
        enter_merge(vocab, &parts, (uint32_t)rank, &b->last, b->scratch);
    }
    return SKALD_OK;
}

/* ---- Loading -------------------------------------------------------------------------------- */

int32_t sk_vocab_check_merges(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    for (uint64_t rank = first; rank < last; rank++) {
        const sk_vocab_text *text = &b->source.merges[rank];
        merge_parts parts;
        if (!split_merge(text, &parts))
            return sk_fail(error, SKALD_E_CORRUPT, "merge %llu has no two parts",
                           (unsigned long long)rank);
        if (text->n > b->longest)
            b->longest = text->n;
    }
    return SKALD_OK;
}

int32_t sk_vocab_begin_merges(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    (void)first, (void)last;
    sk_vocab *vocab = b->vocab;
    if (vocab->kind != SK_VOCAB_BPE)
        return SKALD_OK;
    b->scratch = sk_alloc(b->heap, b->longest + 1, "one merge", error);
    if (vocab->encode_bytes)
        vocab->seams = sk_alloc_zero(vocab->heap, sizeof *vocab->seams, "seams of words", error);
    if (!b->scratch || (vocab->encode_bytes && !vocab->seams))
        return SKALD_E_MEMORY;
    return new_merge_table(vocab, b->source.n_merges, error);
}

/* The maps are larger than the caches: what merges further on will look up is asked for now, its
 * slots first and then the texts that these point to. */
static void prefetch_merge(const sk_vocab *vocab, const sk_vocab_source *source, uint64_t rank)
{
    merge_parts parts;
    if (rank + 12 < source->n_merges && split_merge(&source->merges[rank + 12], &parts)) {
        sk_strmap_prefetch(&vocab->map, (const char *)parts.left, parts.n_left, false);
        sk_strmap_prefetch(&vocab->map, (const char *)parts.right, parts.n_right, false);
    }
    if (rank + 6 < source->n_merges && split_merge(&source->merges[rank + 6], &parts)) {
        sk_strmap_prefetch(&vocab->map, (const char *)parts.left, parts.n_left, true);
        sk_strmap_prefetch(&vocab->map, (const char *)parts.right, parts.n_right, true);
    }
}

int32_t sk_vocab_load_byte_merges(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    sk_vocab *vocab = b->vocab;
    const uint32_t *symbols = vocab->byte_symbol;
    if (first == 0)
        vocab->byte_merges = sk_alloc_array(vocab->heap, 65536, sizeof *vocab->byte_merges,
                                            "merges of bytes", error);
    if (!vocab->byte_merges)
        return SKALD_E_MEMORY;
    for (uint64_t i = first; i < last; i++) {
        const sk_vocab_merge *merge = sk_vocab_merge_find(vocab, symbols[i >> 8], symbols[i & 255]);
        vocab->byte_merges[i] = merge ? (sk_byte_merge){(int32_t)merge->rank, merge->result}
                                      : (sk_byte_merge){INT32_MAX, SK_NO_SYMBOL};
    }
    return SKALD_OK;
}

/* Whether the text, in the byte alphabet, has a byte E0 to EF (U+00E0 to U+00EF there) behind
 * another. */
static bool has_long_code(const sk_vocab_text *text)
{
    const char *at = text->text, *end = at + text->n;
    while ((at = memchr(at, 0xC3, (size_t)(end - at))) != NULL) {
        at++;
        if (at < end && (*at & 0xF0) == 0xA0)
            return true;
    }
    return false;
}

/* The bytes of a merge in the byte alphabet; 0 when it is not in it (and no text becomes it). */
static uint64_t bytes_of_merge(const merge_parts *parts, uint8_t *out)
{
    uint64_t n = join_parts(parts, out), used = 0;
    for (const uint8_t *p = out, *end = out + n; p < end;) {
        uint32_t code;
        p += sk_utf8_read(p, end, &code);
        int32_t byte = sk_byte_of_code(code);
        if (byte < 0)
            return 0;
        out[used++] = (uint8_t)byte; /* never ahead of what is read */
    }
    return used;
}

int32_t sk_vocab_load_seams(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    (void)error;
    for (uint64_t rank = first; rank < last; rank++) {
        const sk_vocab_text *text = &b->source.merges[rank];
        merge_parts parts;
        if (has_long_code(text) && split_merge(text, &parts))
            sk_seams_add(b->vocab->seams, b->scratch, bytes_of_merge(&parts, b->scratch));
    }
    return SKALD_OK;
}

int32_t sk_vocab_load_merges(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    (void)error;
    for (uint64_t rank = first; rank < last; rank++) {
        merge_parts parts = {0};
        prefetch_merge(b->vocab, &b->source, rank);
        split_merge(&b->source.merges[rank], &parts);
        if (parts.n_right == 0 ||
            enter_merge(b->vocab, &parts, (uint32_t)rank, &b->last, b->scratch))
            continue;
        b->n_extra++;
        b->extra_size += b->source.merges[rank].n;
    }
    return SKALD_OK;
}
