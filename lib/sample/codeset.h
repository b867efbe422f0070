/* SPDX-License-Identifier: MIT */
/*
 * Sets of code points, as sorted ranges: character classes of grammars, patterns and JSON strings.
 *
 * Ranges are added in any order; sk_codeset_settle sorts and merges them, and what reads a set
 * wants it settled. Surrogates are no characters and in no settled set.
 */
#ifndef SK_SAMPLE_CODESET_H
#define SK_SAMPLE_CODESET_H

#include "base/alloc.h"

typedef struct sk_range {
    uint32_t first, last;
} sk_range;

typedef struct sk_codeset {
    sk_heap *heap;    /* borrowed */
    sk_range *ranges; /* owned */
    uint64_t n, capacity;
} sk_codeset;

void sk_codeset_init(sk_codeset *set, sk_heap *heap);
void sk_codeset_free(sk_codeset *set);

/* Errors of all: MEMORY. */
int32_t sk_codeset_add(sk_codeset *set, uint32_t first, uint32_t last, sk_error *error);
int32_t sk_codeset_add_all(sk_codeset *set, const sk_codeset *other, sk_error *error);

/* Every code point whose class (text/unicode.h) has a bit of `mask`. */
int32_t sk_codeset_add_class(sk_codeset *set, uint32_t mask, sk_error *error);

int32_t sk_codeset_settle(sk_codeset *set, sk_error *error);

/* A settled set becomes all other characters. */
int32_t sk_codeset_negate(sk_codeset *set, sk_error *error);

/* What two settled sets have in common goes to `out`, an empty set. */
int32_t sk_codeset_meet(sk_codeset *out, const sk_codeset *a, const sk_codeset *b, sk_error *error);

bool sk_codeset_has(const sk_codeset *set, uint32_t code);

#endif
