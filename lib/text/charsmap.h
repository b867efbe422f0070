/* SPDX-License-Identifier: MIT */
/*
 * The compiled normalisation map of SentencePiece's Unigram models
 * (tokenizer.ggml.precompiled_charsmap): a double-array trie of byte strings, and a pool of
 * NUL-terminated replacements. It comes from a file: every index is checked at each use.
 */
#ifndef SK_TEXT_CHARSMAP_H
#define SK_TEXT_CHARSMAP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct sk_charsmap {
    const uint8_t *trie; /* borrowed: [n_trie] little-endian u32 */
    uint32_t n_trie;
    const uint8_t *pool; /* borrowed */
    uint32_t n_pool;
} sk_charsmap;

/* Bytes of a replacement at most: a longer one (the longest known has 33) counts as none. */
#define SK_CHARSMAP_MAX 255

/* A view of the blob; false when its sizes do not agree. */
bool sk_charsmap_open(sk_charsmap *map, const uint8_t *blob, uint64_t n);

/* The length of the longest string of the map at the start of [p, end), and its replacement; 0
 * when there is none. An empty map (all zero) has none. */
uint64_t sk_charsmap_match(const sk_charsmap *map, const uint8_t *p, const uint8_t *end,
                           const uint8_t **replacement, uint32_t *n);

#endif
