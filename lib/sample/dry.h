/* SPDX-License-Identifier: MIT */
/*
 * DRY ("don't repeat yourself"): a token that would go on with a sequence which the history has
 * already is penalised by multiplier * base^(length - allowed length), where length is that of the
 * sequence. Sequence breakers are texts across which nothing counts as repeated.
 *
 * A breaker is found by tokens: each token that contains it, or ends in the beginning of it and is
 * followed by the tokens of the rest, is a head with a tail. These are made once for a vocabulary.
 */
#ifndef SK_SAMPLE_DRY_H
#define SK_SAMPLE_DRY_H

#include "text/vocab.h"

typedef struct sk_dry_head {
    int32_t token;
    uint32_t tail, n_tail; /* tokens in sk_dry.tails, in the order of the text */
} sk_dry_head;

typedef struct sk_dry {
    sk_heap *heap;      /* borrowed */
    sk_dry_head *heads; /* [n_heads], sorted by token, owned */
    uint64_t n_heads, head_capacity;
    int32_t *tails; /* owned */
    uint64_t n_tails, tail_capacity;
    int32_t *lengths; /* [max_last_n] scratch of the Z algorithm, owned */
    uint64_t max_last_n;
} sk_dry;

/* The heads and tails of breakers. `last_n` is the most tokens that are looked back at. Errors:
 * MEMORY, and those of tokenising. */
int32_t sk_dry_new(sk_dry **out, sk_heap *heap, const sk_vocab *vocab, const char *const *breakers,
                   uint64_t n, uint64_t last_n, sk_error *error);
void sk_dry_free(sk_dry *dry); /* NULL does nothing */

#endif
