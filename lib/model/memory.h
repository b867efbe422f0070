/* SPDX-License-Identifier: MIT */
/*
 * What recurrent layers remember of a conversation: for each position one array of floats, of a
 * size that the plan knows, whatever the number of tokens. Nothing of it can be taken back, so
 * going back means having kept an array of an earlier position.
 *
 * An array is written by one pass only, and only read from then on. A pass reads the newest one and
 * writes two others: the one before its last row, and the one after it. So a pass that is given up
 * leaves things as they were, the last token can always be taken back (its logits are to be had
 * again), forks share arrays by counting their users, and keeping one for later copies nothing.
 *
 *   now      of the last position held; NULL: nothing was seen, or room is not reserved yet
 *   before   of the position before that, if it is still there
 *   kept     of earlier positions, rising: checkpoints, at most MEMORY_KEPT
 *   next, middle   what the pass under way writes
 *   mark     of the position where guesses began, while there are some
 *   spare    arrays without contents
 *
 * Which checkpoints are kept: memory_keep in memory.c.
 */
#ifndef SK_MODEL_MEMORY_H
#define SK_MODEL_MEMORY_H

#include "model/plan.h"

enum { SK_MEMORY_KEPT = 8, SK_MEMORY_SPARE = 4 };

typedef struct sk_memory_array sk_memory_array;

typedef struct sk_memory {
    sk_heap *heap; /* borrowed */
    int64_t n;     /* floats of an array */
    int64_t n_row; /* of the pass under way */
    sk_memory_array *now, *before, *next, *middle, *mark;
    bool guessing; /* the next passes hold guesses: no prompts, however many their rows */
    sk_memory_array *kept[SK_MEMORY_KEPT];
    bool turn[SK_MEMORY_KEPT]; /* that one lies between prompt and reply, or reply and prompt */
    int n_kept;
    sk_memory_array *spare[SK_MEMORY_SPARE];
    int n_spare;
} sk_memory;

struct sk_part_kind;
extern const struct sk_part_kind sk_memory_kind;

/* For the recurrent layers of a plan that has some. Errors: MEMORY. */
int32_t sk_memory_new(sk_memory **out, sk_heap *heap, const sk_plan *plan, sk_error *error);

/* sk_state_mark. */
void sk_memory_mark(sk_memory *memory, bool guessing);

/* A pass over the next `n_row` tokens begins, giving up an unfinished one; false: room is not
 * reserved. */
bool sk_memory_begin(sk_memory *memory, int64_t n_row);

/* That pass is done: what it wrote is what is held. */
void sk_memory_commit(sk_memory *memory);

/* The floats that the pass reads for a row and writes for it. */
const float *sk_memory_from(const sk_memory *memory, bool first);
float *sk_memory_to(const sk_memory *memory, bool last);

#endif
