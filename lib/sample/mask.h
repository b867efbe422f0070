/* SPDX-License-Identifier: MIT */
/*
 * Which tokens a grammar allows at a state: one walk over the vocabulary's lexicon, remembered with
 * the state, so that the next time costs a look-up.
 *
 * A token is allowed if the grammar can read all its bytes, which may end inside of a code point,
 * or names it as a whole; one that ends generation, where the text may end. Of strings that must
 * be unlike others of their array nothing is known here: a token may turn out not to be taken.
 *
 * Memory: one bit per token for each state that was asked for, counted by the automaton. One thread
 * at a time.
 */
#ifndef SK_SAMPLE_MASK_H
#define SK_SAMPLE_MASK_H

#include "sample/matcher.h"
#include "text/lexicon.h"

typedef struct sk_masks sk_masks;

typedef struct sk_mask {
    uint32_t n_text; /* tokens that add text */
    uint32_t n_ends; /* tokens that end generation and may do so here */
    int32_t only;    /* the one token that is allowed, or -1 */
    const uint32_t
        *banned; /* a bit per token, as sk_sampler_pick wants it; a view until the next */
} sk_mask;

/* Masks of `n_bits` tokens, at least as many as the vocabulary has; `vocab` is borrowed. Errors:
 * MEMORY. */
int32_t sk_masks_new(sk_masks **out, sk_heap *heap, const sk_vocab *vocab, uint64_t n_bits,
                     sk_error *error);
void sk_masks_free(sk_masks *masks); /* NULL does nothing */

/* What may follow where the reader stands. Errors: MEMORY, GRAMMAR (too ambiguous). */
int32_t sk_masks_get(sk_masks *masks, sk_matcher *matcher, sk_mask *out, sk_error *error);

#endif
