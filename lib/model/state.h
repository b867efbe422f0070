/* SPDX-License-Identifier: MIT */
/*
 * What a model remembers of one conversation, of whatever kinds its layers need, behind one
 * interface: a state is a list of parts, each with a few functions: the cache of keys and values
 * (cache.h), and what recurrent layers remember (memory.h), which can go back to some positions
 * only.
 *
 * A state belongs to one pass at a time.
 */
#ifndef SK_MODEL_STATE_H
#define SK_MODEL_STATE_H

#include "model/adapter.h"
#include "model/model.h"

typedef struct sk_state sk_state;

/* For at most `n_ctx` tokens, keys and values held as k_dtype and v_dtype (sk_cache_holds). Only
 * tables are allocated. The model is borrowed and must be loaded. Errors: STATE, ARGUMENT,
 * MEMORY. */
int32_t sk_state_new(sk_state **out, sk_heap *heap, const sk_model *model, int64_t n_ctx,
                     int k_dtype, int v_dtype, sk_error *error);
void sk_state_free(sk_state *state); /* NULL does nothing */

/* Another state that holds the same tokens, from the same heap, which must outlive both; they share
 * memory until one of them writes to it. What was reserved beyond the tokens held is to be reserved
 * again in both. The two may go on in different threads. Errors: MEMORY. */
int32_t sk_state_fork(sk_state **out, sk_state *state, sk_error *error);

/* Whose adapters tokens are evaluated with from now on, a fork's as well, which begins without;
 * borrowed until others are set or the state is freed; NULL: none. What it holds is taken to be of
 * theirs: forget it first where it is not. */
void sk_state_wear(sk_state *state, const sk_adapters *adapters);

/* Commits memory for `n_tokens` tokens in all. Errors: CONTEXT_FULL, MEMORY; what was reserved
 * before stays. */
int32_t sk_state_reserve(sk_state *state, int64_t n_tokens, sk_error *error);

/* The same for tokens [0, n_tokens), all of which are to be written anew; what is held stays until
 * then. */
int32_t sk_state_prepare(sk_state *state, int64_t n_tokens, sk_error *error);

/* The most tokens, `n_tokens` at most, that the state can go back to: all of these, or, where
 * layers are recurrent, those of a position that was kept. */
int64_t sk_state_reach(const sk_state *state, int64_t n_tokens);

/* Rows that may not stay are to follow (`guessing`), or no more of them: the state can go back to
 * where it stands now, whatever its layers, until this is called again. */
void sk_state_mark(sk_state *state, bool guessing);

/* Forgets all but the first `n_tokens` tokens, or as many as it can go back to (sk_state_length
 * tells), and gives back memory that they do not need. */
void sk_state_truncate(sk_state *state, int64_t n_tokens);

/* ---- Moving ---------------------------------------------------------------------------------- */

/* Whether tokens can be taken out of the middle and what follows be kept: each key is tied to its
 * position by a rotation at most, and is held as a float that can be turned. */
bool sk_state_shifts(const sk_state *state);

/* The same for tokens [first, first + n) of so many: of layers with windows of their own caches,
 * all that will be seen must lie behind. */
bool sk_state_shifts_there(const sk_state *state, int64_t n_held, int64_t first, int64_t n);

/* Takes tokens [first, first + n) out, all of them held and sk_state_shifts_there; what follows
 * moves up, its keys turned to their new positions. They are not the keys that evaluating those
 * tokens would give. The moving is begun: the state is not to be read or grown before
 * sk_state_shift_run has returned true. Errors: MEMORY; then nothing is changed. */
int32_t sk_state_shift(sk_state *state, int64_t first, int64_t n, sk_error *error);

/* Moves on until `deadline_us` of sk_clock_us; false: some is left. Calls that change the state
 * bring it to its end themselves. */
bool sk_state_shift_run(sk_state *state, int64_t deadline_us);

/* The tokens held now are a place that can be gone back to exactly, or to the one before, until it
 * is somewhere else. */
void sk_state_settle(sk_state *state);

/* Bytes that it takes at most with so many tokens, n_rows of them at once, beyond its tables; and
 * that a token adds. */
uint64_t sk_state_cost(const sk_state *state, int64_t n_tokens, int64_t n_rows);
uint64_t sk_state_cost_token(const sk_state *state);

int64_t sk_state_length(const sk_state *state); /* tokens held */
uint64_t sk_state_bytes(const sk_state *state); /* committed for tokens */

/* ---- Saving ---------------------------------------------------------------------------------- */

/* What saved bytes depend on beside model, tokens and numeric version: kinds of memory, types,
 * sizes, which of two lists of rope factors holds, adapters. */
uint64_t sk_state_layout(const sk_state *state);

/* Where bytes go, in pieces. */
typedef void sk_put(void *user, const void *bytes, uint64_t n);

/* The first `n_tokens` tokens, which the state can go back to, as so many bytes, the same on every
 * machine. */
uint64_t sk_state_save_size(const sk_state *state, int64_t n_tokens);
void sk_state_save(const sk_state *state, int64_t n_tokens, sk_put *put, void *user);

/* Holds just these tokens from now on: bytes of a state of the same layout, for which there is room
 * (sk_state_prepare). */
void sk_state_load(sk_state *state, int64_t n_tokens, const uint8_t *data);

/* Tells models apart: a hash of what the file says of shapes and tokeniser, and of a piece of each
 * tensor's data. Reads as much of the file. */
uint64_t sk_state_fingerprint(const sk_model *model);

#endif
