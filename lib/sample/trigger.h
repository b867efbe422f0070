/* SPDX-License-Identifier: MIT */
/*
 * Where a lazy grammar begins: at the first place in a stream of bytes where one of some texts, or
 * a match of one of some regular expressions, becomes complete.
 *
 * The grammar then reads the text from the trigger's beginning on; of an expression with a group,
 * from the first group's beginning on: "</think>\s*(\{)" begins with the brace. That group stands
 * in no other and in no alternative; an empty one, "</think>()", means behind the match. With ^ in
 * front an expression matches at the beginning of the stream alone. Of several places at once the
 * leftmost counts.
 *
 * An expression is walked from every byte on at once: of walks that are at the same place of the
 * same automaton the earliest stands for all, so there are never more of them than the automaton
 * has states. Memory: these, and the text from the earliest walk on.
 */
#ifndef SK_SAMPLE_TRIGGER_H
#define SK_SAMPLE_TRIGGER_H

#include "sample/grammar.h"

typedef struct sk_triggers sk_triggers;

/* Without any: *out is NULL. Empty ones never trigger. Errors: OPTION (an expression is refused),
 * MEMORY. */
int32_t sk_triggers_new(sk_triggers **out, sk_heap *heap, char *const *texts, uint64_t n_texts,
                        char *const *expressions, uint64_t n_expressions, sk_error *error);
void sk_triggers_free(sk_triggers *t); /* NULL does nothing */

/* A new stream begins. Errors: MEMORY, GRAMMAR. */
int32_t sk_triggers_reset(sk_triggers *t, sk_error *error);

/* Takes bytes. If a trigger becomes complete, *text is what the grammar has to read, up to the end
 * of these bytes, a view until the next call; then they are not taken: other bytes may be tried.
 * Else NULL. Errors: MEMORY, GRAMMAR (too ambiguous); then it has to be reset. */
int32_t sk_triggers_feed(sk_triggers *t, const char *bytes, uint64_t n, const char **text,
                         uint64_t *n_text, sk_error *error);

#endif
