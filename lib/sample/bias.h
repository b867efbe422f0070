/* SPDX-License-Identifier: MIT */
/*
 * The option "logit_bias": what to add to the logits of which tokens.
 */
#ifndef SK_SAMPLE_BIAS_H
#define SK_SAMPLE_BIAS_H

#include "base/alloc.h"

typedef struct sk_bias {
    int32_t id;
    float bias; /* finite, or -inf: the token is never chosen */
} sk_bias;

/* Reads "ID:BIAS,ID:BIAS", blanks around a piece allowed, into a list that is sorted by id; no id
 * is there twice. An empty text gives NULL and 0. The list is the caller's, to be freed with
 * sk_free. Errors: OPTION (the sentence has the piece), MEMORY. */
int32_t sk_bias_parse(sk_bias **out, uint64_t *n_out, sk_heap *heap, const char *text, uint64_t n,
                      uint64_t n_vocab, sk_error *error);

#endif
