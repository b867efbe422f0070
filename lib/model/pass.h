/* SPDX-License-Identifier: MIT */
/*
 * The forward pass: rows of (state, position, token) through a model's plan, in slices.
 *
 * A pass is a cursor into the plan's steps and a workspace, both allocated once. Begin it with the
 * rows of a batch, run it until it is done, read the logits. Running may stop at any tile of any
 * step and go on later: nothing of a pass is on the C stack between two runs. What a row comes to
 * depends on its state, position and token alone, bit for bit: not on the rows beside it, on
 * slices, or on threads.
 */
#ifndef SK_MODEL_PASS_H
#define SK_MODEL_PASS_H

#include "model/model.h"
#include "model/state.h"

typedef struct sk_pass sk_pass;

typedef struct sk_row {
    sk_state *state;  /* borrowed until the pass is done or begun anew */
    int64_t position; /* of the token in its state: 0 is the first */
    int32_t token;
    bool logits;  /* whether the logits that follow this token are wanted */
    bool vector;  /* whether its vector is: the last layer's output, normed */
    uint8_t type; /* of the token, where the model tells them apart */
} sk_row;

/* Room for `max_rows` rows, `max_logit_rows` of which may want logits. The model must be loaded and
 * outlive the pass. Errors: STATE (no weights, or still loading), ARGUMENT, MEMORY. */
int32_t sk_pass_new(sk_pass **out, sk_heap *heap, const sk_model *model, int64_t max_rows,
                    int64_t max_logit_rows, sk_error *error);
/* The same with `max_vector_rows` more rows that may want vectors. */
int32_t sk_pass_new_for(sk_pass **out, sk_heap *heap, const sk_model *model, int64_t max_rows,
                        int64_t max_logit_rows, int64_t max_vector_rows, sk_error *error);
void sk_pass_free(sk_pass *pass); /* NULL does nothing */

/* The pass's array of max_rows rows, which the caller fills before it begins; not to be touched
 * until the pass is done. */
sk_row *sk_pass_rows(sk_pass *pass);
int64_t sk_pass_max_rows(const sk_pass *pass);
int64_t sk_pass_max_logits(const sk_pass *pass);
int64_t sk_pass_max_vectors(const sk_pass *pass);

/*
 * Begins a pass over the first `n` of its rows, giving up what was unfinished. Rows of one state
 * come in the order of their positions, which go on from what the state holds (sk_state_length)
 * without a gap; room is reserved already (sk_state_reserve). A model that sees to both sides takes
 * a state's rows of one pass for a text of its own. Errors: ARGUMENT; then no pass is begun.
 */
int32_t sk_pass_begin(sk_pass *pass, int64_t n, sk_error *error);

/*
 * Works until `deadline_us` of sk_clock_us (INT64_MAX: none; one that is past: one tile), or until
 * `stop`, which may be NULL, returns true; it is asked every few milliseconds at least. Returns
 * SKALD_DONE (the states then hold the rows), SKALD_PENDING, or SKALD_E_CANCELLED, after which the
 * pass may be run further or begun anew.
 */
int32_t sk_pass_run(sk_pass *pass, int64_t deadline_us, bool (*stop)(void *user), void *user);

/* The logits of row `row` of a pass that is done, n_vocab floats, until the next begin; NULL if it
 * wanted none. */
const float *sk_pass_logits(const sk_pass *pass, int64_t row);

/* The vector of a row that wanted it, or logits: sk_model_n_vector floats; else NULL. */
const float *sk_pass_vector(const sk_pass *pass, int64_t row);

/* Of a pass that is done: -1, or the layer where a value of this row, or of an earlier one of its
 * state, became infinite or NaN (n_layer: the head). Its logits mean nothing then, and the state
 * holds what it held before the pass; other states are not touched. */
int64_t sk_pass_failed_layer(const sk_pass *pass, int64_t row);

#endif
