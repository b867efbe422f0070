/* SPDX-License-Identifier: MIT */
/*
 * A reader of one text by a grammar: where it stands, and what it has to remember beside that.
 *
 * An automaton forgets what led to a state, so one thing is kept here: the strings of the innermost
 * JSON array that is open, for grammars that want them to be different (uniqueItems). The text is
 * taken for JSON then, which it is.
 */
#ifndef SK_SAMPLE_MATCHER_H
#define SK_SAMPLE_MATCHER_H

#include "sample/automaton.h"

typedef struct sk_matcher sk_matcher;

/* A reader before any byte. Errors: MEMORY, GRAMMAR. */
int32_t sk_matcher_new(sk_matcher **out, sk_heap *heap, sk_grammar *grammar, sk_error *error);
void sk_matcher_free(sk_matcher *m); /* NULL does nothing */

/* Before any byte again. Errors: MEMORY, GRAMMAR (too ambiguous), as in what follows. */
int32_t sk_matcher_reset(sk_matcher *m, sk_error *error);

/* Reads bytes; *used of them were allowed, and it stands behind these. */
int32_t sk_matcher_read(sk_matcher *m, const char *bytes, uint64_t n, uint64_t *used,
                        sk_error *error);

/* Reads all of a token, by its bytes or as a reference to it, or nothing; *taken says which. */
int32_t sk_matcher_take(sk_matcher *m, int32_t token, const char *bytes, uint64_t n, bool *taken,
                        sk_error *error);

/* Whether the text may end here. */
bool sk_matcher_may_end(const sk_matcher *m);

/* The automaton and its state, for masks (mask.h). The automaton is trimmed first. */
int32_t sk_matcher_state(sk_matcher *m, sk_automaton **a, uint32_t *state, sk_error *error);

#endif
