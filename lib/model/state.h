/* SPDX-License-Identifier: MIT */
/*
 * What a model remembers of one conversation, of whatever kinds its layers need, behind one
 * interface: a state is a list of parts, each with a few functions. Now the only kind is the cache
 * of keys and values (cache.h); recurrent layers and windows will be others. Checkpoints become
 * more functions of a part.
 *
 * A state belongs to one pass at a time.
 */
#ifndef SK_MODEL_STATE_H
#define SK_MODEL_STATE_H

#include "model/model.h"

typedef struct sk_state sk_state;

/* For at most `n_ctx` tokens, keys and values held as k_dtype and v_dtype (SK_F32 or SK_F16). Only
 * tables are allocated. The model is borrowed and must be loaded. Errors: STATE, ARGUMENT,
 * MEMORY. */
int32_t sk_state_new(sk_state **out, sk_heap *heap, const sk_model *model, int64_t n_ctx,
                     int k_dtype, int v_dtype, sk_error *error);
void sk_state_free(sk_state *state); /* NULL does nothing */

/* Another state that holds the same tokens, from the same heap, which must outlive both; they share
 * memory until one of them writes to it. What was reserved beyond the tokens held is to be reserved
 * again in both. The two may go on in different threads. Errors: MEMORY. */
int32_t sk_state_fork(sk_state **out, sk_state *state, sk_error *error);

/* Commits memory for `n_tokens` tokens in all. Errors: CONTEXT_FULL, MEMORY; what was reserved
 * before stays. */
int32_t sk_state_reserve(sk_state *state, int64_t n_tokens, sk_error *error);

/* Forgets all but the first `n_tokens` tokens, and gives back memory that they do not need. */
void sk_state_truncate(sk_state *state, int64_t n_tokens);

int64_t sk_state_length(const sk_state *state); /* tokens held */
uint64_t sk_state_bytes(const sk_state *state); /* committed for tokens */

#endif
