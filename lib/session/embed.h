/* SPDX-License-Identifier: MIT */
/*
 * Vectors of texts: what a context with the option "pooling" gives in place of text, and any
 * context of a model that has no logits. The vectors of its tokens come out of passes as they are
 * evaluated, and are pooled as they come.
 */
#ifndef SK_SESSION_EMBED_H
#define SK_SESSION_EMBED_H

#include "model/pass.h"
#include "session/context.h"

typedef struct sk_pooling {
    int kind; /* SK_POOL_...; SK_POOL_OFF: the context gives text */
    bool normalise;
    bool of_last; /* a score is of the last token, else of the first or of the mean */
    bool of_mean;
    int64_t n_row, n_out; /* floats of a token's vector, of one that the host gets */
    int64_t n_kept;       /* first tokens whose vectors have come, where all are asked for */
    int64_t second;       /* the first token of a pair's second text; 0: there is none */
    double *sum;          /* [n_row] of the vectors so far */
    int64_t n_sum;
    float *vectors; /* [n_vectors][n_out] */
    int64_t n_vectors, capacity;
    void *scratch; /* of the score's head */
} sk_pooling;

/* What the options say. Errors: OPTION, MEMORY. */
int32_t sk_pooling_init(sk_context *ctx);
void sk_pooling_free(sk_context *ctx);
/* For a fork: `to` has the same options. Errors: MEMORY. */
int32_t sk_pooling_copy(sk_context *to, const sk_context *from);

/* Before stepping: what was evaluated without its vectors being kept is to be evaluated anew.
 * Errors: MEMORY; STATE: more tokens in one batch than it may have logits. */
int32_t sk_pooling_begin(sk_context *ctx);

/* Whether the vector of this token, which is to be evaluated, is wanted; its type. */
bool sk_pooling_wants(const sk_context *ctx, int64_t position);
uint8_t sk_pooling_type(const sk_context *ctx, int64_t position);

/* Takes the vectors of the context's rows of a pass that is done, before they count as evaluated;
 * false: a value is not finite. */
bool sk_pooling_keep(sk_context *ctx, const sk_pass *pass);

/* skald_embedding; skald_set_pair, or with `second` NULL a text of its own with what the model
 * wants at its ends. */
const float *sk_context_embedding(const sk_context *ctx, int64_t index, size_t *n);
int32_t sk_context_set_pair(sk_context *ctx, const char *first, uint64_t n_first,
                            const char *second, uint64_t n_second);

#endif
