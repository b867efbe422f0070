/* SPDX-License-Identifier: MIT */
/*
 * The table of merges of a BPE vocabulary: two symbols to rank and result, by open addressing.
 *
 * Merges of sound vocabularies speak of tokens only, so that three look-ups in the map of texts
 * make an entry. What parts or results are not tokens is counted in a first pass; only when there
 * are any is a second map made for them, and a second pass gone.
 */
#include "base/portable.h"

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

/* `n` merges, of `size` bytes together, have parts or results that are not tokens. */
static int32_t add_extra_merges(sk_vocab *vocab, const sk_vocab_source *source, uint64_t n,
                                uint64_t size, uint8_t *scratch, sk_error *error)
{
    vocab->extra_arena = sk_alloc(vocab->heap, size * 2, "texts of merges", error);
    if (!vocab->extra_arena)
        return SKALD_E_MEMORY;
    int32_t status = sk_strmap_init(&vocab->extra, vocab->heap, n * 3, error);
    if (status < 0)
        return status;
    char *arena = vocab->extra_arena;
    uint32_t last = 0;
    for (uint64_t rank = 0; rank < source->n_merges; rank++) {
        merge_parts parts;
        if (!split_merge(&source->merges[rank], &parts) || parts.n_right == 0 ||
            enter_merge(vocab, &parts, (uint32_t)rank, &last, scratch))
            continue;
        arena += add_symbol(vocab, arena, parts.left, parts.n_left);
        arena += add_symbol(vocab, arena, parts.right, parts.n_right);
        arena += add_symbol(vocab, arena, scratch, join_parts(&parts, scratch));
        enter_merge(vocab, &parts, (uint32_t)rank, &last, scratch);
    }
    return SKALD_OK;
}

/* ---- Loading -------------------------------------------------------------------------------- */

/* Bytes of the longest merge; 0 and an error when one has no separator. */
static int32_t check_merges(const sk_vocab_source *source, uint64_t *longest, sk_error *error)
{
    *longest = 1;
    for (uint64_t rank = 0; rank < source->n_merges; rank++) {
        merge_parts parts;
        if (!split_merge(&source->merges[rank], &parts))
            return sk_fail(error, SKALD_E_CORRUPT, "merge %llu has no two parts",
                           (unsigned long long)rank);
        if (source->merges[rank].n > *longest)
            *longest = source->merges[rank].n;
    }
    return SKALD_OK;
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

int32_t sk_vocab_load_byte_merges(sk_vocab *vocab, sk_error *error)
{
    const uint32_t *symbols = vocab->byte_symbol;
    vocab->byte_merges =
        sk_alloc_array(vocab->heap, 65536, sizeof *vocab->byte_merges, "merges of bytes", error);
    if (!vocab->byte_merges)
        return SKALD_E_MEMORY;
    for (uint32_t i = 0; i < 65536; i++) {
        const sk_vocab_merge *merge = sk_vocab_merge_find(vocab, symbols[i >> 8], symbols[i & 255]);
        vocab->byte_merges[i] = merge ? (sk_byte_merge){(int32_t)merge->rank, merge->result}
                                      : (sk_byte_merge){INT32_MAX, SK_NO_SYMBOL};
    }
    return SKALD_OK;
}

int32_t sk_vocab_load_merges(sk_vocab *vocab, const sk_vocab_source *source, sk_error *error)
{
    uint64_t longest, n_extra = 0, extra_size = 0;
    uint32_t last = 0;
    int32_t status = check_merges(source, &longest, error);
    if (status < 0 || (status = new_merge_table(vocab, source->n_merges, error)) < 0)
        return status;
    uint8_t *scratch = sk_alloc(vocab->heap, longest, "one merge", error);
    if (!scratch)
        return SKALD_E_MEMORY;
    for (uint64_t rank = 0; rank < source->n_merges; rank++) {
        merge_parts parts = {0};
        prefetch_merge(vocab, source, rank);
        split_merge(&source->merges[rank], &parts);
        if (parts.n_right == 0 || enter_merge(vocab, &parts, (uint32_t)rank, &last, scratch))
            continue;
        n_extra++;
        extra_size += source->merges[rank].n;
    }
    if (n_extra)
        status = add_extra_merges(vocab, source, n_extra, extra_size, scratch, error);
    sk_free(vocab->heap, scratch);
    return status;
}
