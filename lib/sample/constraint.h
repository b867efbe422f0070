/* SPDX-License-Identifier: MIT */
/*
 * The grammar that a set of options asks for: json_schema, grammar or regex, one of them at most.
 */
#ifndef SK_SAMPLE_CONSTRAINT_H
#define SK_SAMPLE_CONSTRAINT_H

#include "base/options.h"
#include "sample/grammar.h"

/* *out is NULL if none is asked for. `tokens` may be NULL. Errors: OPTION, MEMORY. */
int32_t sk_grammar_from_options(sk_grammar **out, sk_heap *heap, const sk_options *options,
                                const sk_token_finder *tokens, sk_error *error);

/* Whether the whole text is one of the grammar that the options ask for: OK, or GRAMMAR with the
 * byte where it is not. Errors: OPTION (none is asked for, or it is refused), MEMORY. */
int32_t sk_grammar_check(const sk_options *options, sk_heap *heap, const char *text, uint64_t n,
                         sk_error *error);

#endif
