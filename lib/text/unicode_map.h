/* SPDX-License-Identifier: MIT */
/*
 * Lower case and canonical decomposition, one code point at a time: what the normalisers of
 * tokenisers need. Sorted tables and a binary search (unicode_data.py --maps writes them), 40 KB;
 * Hangul syllables are decomposed by the standard's arithmetic.
 */
#ifndef SK_TEXT_UNICODE_MAP_H
#define SK_TEXT_UNICODE_MAP_H

#include <stddef.h>
#include <stdint.h>

#define SK_UNICODE_PARTS 4 /* code points of a decomposition at most */

extern const uint32_t sk_unicode_lower_pairs[2866];
extern const uint32_t sk_unicode_parts_index[4122]; /* code, place in the pool * 8 + length */
extern const uint32_t sk_unicode_parts_pool[3406];

/* The simple lower case of a code point, itself when it has none. */
uint32_t sk_unicode_lower(uint32_t code);

/* Writes the full canonical decomposition (NFD, of this code point alone) and returns how many
 * code points it has; what has none is itself. */
uint32_t sk_unicode_decompose(uint32_t code, uint32_t parts[SK_UNICODE_PARTS]);

#endif
