/* SPDX-License-Identifier: MIT */
/*
 * Lower case and canonical decomposition, one code point at a time: what the normalisers of
 * tokenisers need. Sorted tables and a binary search, 18 KB (unicode_data.py --maps writes them):
 * lower case as runs of code points at the same distance from theirs, decompositions in UTF-16.
 * Hangul syllables are decomposed by the standard's arithmetic.
 */
#ifndef SK_TEXT_UNICODE_MAP_H
#define SK_TEXT_UNICODE_MAP_H

#include <stddef.h>
#include <stdint.h>

#define SK_UNICODE_PARTS 4 /* code points of a decomposition at most */

/* Three words a run: the first code point; the last one * 2 + (step - 1); the distance. */
extern const uint32_t sk_unicode_lower_runs[546];
/* Code points with a decomposition, less plane * 65536; those of a plane begin at its index. */
extern const uint16_t sk_unicode_parts_plane[4];
extern const uint16_t sk_unicode_parts_code[2061];
extern const uint16_t sk_unicode_parts_place[2061]; /* in the pool * 8 + units */
extern const uint16_t sk_unicode_parts_pool[3579];  /* UTF-16 */

/* The simple lower case of a code point, itself when it has none. */
uint32_t sk_unicode_lower(uint32_t code);

/* Writes the full canonical decomposition (NFD, of this code point alone) and returns how many
 * code points it has; what has none is itself. */
uint32_t sk_unicode_decompose(uint32_t code, uint32_t parts[SK_UNICODE_PARTS]);

#endif
