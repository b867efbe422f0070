/* SPDX-License-Identifier: MIT */
/*
 * Running a grammar, a byte at a time: a deterministic automaton that is made as it is walked.
 *
 * Where a reader of a grammar can be is a set of pairs of an operation and a stack, the rules that
 * wait for a return. Stacks that were pushed together are kept together: a stack is itself a set of
 * pairs of where to return to and the stack below, so that an ambiguous text does not multiply
 * them. Both kinds of set are kept once each (itemset.h), so a state is a number, equal situations
 * are equal numbers, and a step that was made before is a look-up.
 *
 * What is remembered is memory: sk_automaton_trim, between uses, forgets all but one state when it
 * has grown too much. Within a use the hard limit ends a grammar that is hopelessly ambiguous with
 * an error. A step that was not made before takes time in proportion to the items of the state,
 * at most AUTOMATON_ITEMS of them.
 *
 * One thread at a time; the grammar is shared.
 */
#ifndef SK_SAMPLE_AUTOMATON_H
#define SK_SAMPLE_AUTOMATON_H

#include "sample/grammar.h"

typedef struct sk_automaton sk_automaton;

#define SK_STATE_DEAD 0u /* nothing can follow, nor end here */

/* The grammar is retained. Errors: MEMORY. */
int32_t sk_automaton_new(sk_automaton **out, sk_heap *heap, sk_grammar *grammar, sk_error *error);
void sk_automaton_free(sk_automaton *a); /* NULL does nothing */

/* The state before any byte. Errors of this and what follows: GRAMMAR (too ambiguous), MEMORY. */
int32_t sk_automaton_start(sk_automaton *a, uint32_t *state, sk_error *error);

/* The state behind a byte. If `repeats`, the string that this byte completes is one that its array
 * has already: operations which want it to be new do not take the byte. */
int32_t sk_automaton_step(sk_automaton *a, uint32_t state, uint8_t byte, bool repeats,
                          uint32_t *next, sk_error *error);

#define SK_STEP_UNKNOWN UINT32_MAX

/* What is remembered of a state's steps, by byte: the next state, or SK_STEP_UNKNOWN; NULL:
 * nothing. A view until the automaton is trimmed. */
const uint32_t *sk_automaton_steps(const sk_automaton *a, uint32_t state);

int32_t sk_automaton_run(sk_automaton *a, uint32_t state, const char *bytes, uint64_t n,
                         uint32_t *next, sk_error *error);

/* The state behind a token that is taken as a whole, not by its bytes; dead if the grammar does not
 * name it here. */
int32_t sk_automaton_step_token(sk_automaton *a, uint32_t state, uint32_t id, uint32_t *next,
                                sk_error *error);

/* The union of two states. */
int32_t sk_automaton_join(sk_automaton *a, uint32_t one, uint32_t other, uint32_t *joined,
                          sk_error *error);

/* Whether the text may end here. */
bool sk_automaton_may_end(const sk_automaton *a, uint32_t state);

/* Calls back for each reference to a token that the state waits for. */
void sk_automaton_tokens(const sk_automaton *a, uint32_t state,
                         void (*each)(void *user, uint32_t id, bool any_other), void *user);

/* A place to remember something about a state: a block of the automaton's heap, which frees it.
 * NULL when there was no memory for it. */
void **sk_automaton_note(sk_automaton *a, uint32_t state);
void sk_automaton_count_note(sk_automaton *a, uint64_t bytes); /* it counts as memory */

/* Forgets what was remembered if that is much; *state goes on living, under another number. */
int32_t sk_automaton_trim(sk_automaton *a, uint32_t *state, sk_error *error);

/* Whether any operation wants its string to be unlike others of its array. */
bool sk_automaton_has_unique(const sk_automaton *a);

#endif
