/* SPDX-License-Identifier: MIT */
/*
 * Where a word of a byte-level BPE vocabulary falls apart. Merging never joins two code points that
 * stand next to each other in no symbol; a word, which in Chinese is a whole clause, can be merged
 * in parts there, and short parts come again.
 *
 * Only code points of three bytes in UTF-8 are looked at. A symbol may hold a part of one or both
 * of two neighbours; then one of them counts as joined with any, or the two bytes that meet do. The
 * pairs are kept as hashed bits: a pair may be taken for joined, never the reverse. 152 KB.
 */
#ifndef SK_TEXT_SEAMS_H
#define SK_TEXT_SEAMS_H

#include "base/alloc.h"

typedef struct sk_seams {
    uint8_t pairs[(1 << 20) / 8];      /* bits by hash of two code points */
    uint8_t first[8192], second[8192]; /* by code point: joined with any behind it, before it */
    uint8_t bytes[8192];               /* by last byte and first byte */
} sk_seams;

/* Enters the bytes of a symbol; `seams` is all zero at first. */
void sk_seams_add(sk_seams *seams, const uint8_t *text, uint64_t n);

/* The end of the first part of [at, end), which is well-formed UTF-8. */
const uint8_t *sk_seams_end(const sk_seams *seams, const uint8_t *at, const uint8_t *end);

#endif
