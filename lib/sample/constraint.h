/* SPDX-License-Identifier: MIT */
/*
 * What binds the text that is being generated: the grammar that a set of options asks for
 * (json_schema, grammar or regex, one of them at most), from the first token on, or from a trigger
 * on, or behind a text that is waited for (the end of reasoning); and which tokens may follow.
 *
 * Where it stands follows from the tokens since its beginning, so it is never saved: whoever goes
 * back or elsewhere resets it and has it take the tokens again.
 */
#ifndef SK_SAMPLE_CONSTRAINT_H
#define SK_SAMPLE_CONSTRAINT_H

#include "base/options.h"
#include "sample/mask.h"

/* *out is NULL if none is asked for. `tokens` may be NULL. Errors: OPTION, MEMORY. */
int32_t sk_grammar_from_options(sk_grammar **out, sk_heap *heap, const sk_options *options,
                                const sk_token_finder *tokens, sk_error *error);

/* Whether the whole text is one of the grammar that the options ask for: OK, or GRAMMAR with the
 * byte where it is not. Errors: OPTION (none is asked for, or it is refused), MEMORY. */
int32_t sk_grammar_check(const sk_options *options, sk_heap *heap, const char *text, uint64_t n,
                         sk_error *error);

typedef struct sk_constraint sk_constraint;

/* The constraint of a set of options for logits of `n_logits` tokens; *out is NULL if they ask for
 * none. `vocab` (NULL: there is none, an error if one is needed) and `heap` are borrowed. Errors:
 * OPTION, TOKENIZER, GRAMMAR, MEMORY. */
int32_t sk_constraint_new(sk_constraint **out, sk_heap *heap, const sk_options *options,
                          const sk_vocab *vocab, uint64_t n_logits, sk_error *error);
/* Another one of the same grammar, at its beginning, by the same options. `from` may be NULL: so is
 * *out. Errors: MEMORY. */
int32_t sk_constraint_fork(sk_constraint **out, const sk_constraint *from,
                           const sk_options *options, sk_error *error);
void sk_constraint_free(sk_constraint *c); /* NULL does nothing */

/* Back to the beginning. If `awaited` is not NULL, nothing is bound until that text, white space at
 * its ends aside, has come, but that the text may not end before; the grammar begins behind it, and
 * triggers do not count. The text is borrowed for the call. Errors: MEMORY. */
int32_t sk_constraint_reset(sk_constraint *c, const char *awaited, sk_error *error);

/* What may follow. Where nothing is bound (no trigger yet) `only` is -1 and `banned` NULL, or the
 * ends of text where another is waited for. A view
 * until the next call. Errors: GRAMMAR (too ambiguous), MEMORY. */
int32_t sk_constraint_mask(sk_constraint *c, sk_mask *out, sk_error *error);

/* Takes a token, or does not: then nothing is changed, but that the mask of this place bans it from
 * now on. After an error it has to be reset. Errors: GRAMMAR, MEMORY. */
int32_t sk_constraint_take(sk_constraint *c, int32_t token, bool *taken, sk_error *error);

/* Whether the text may end here. */
bool sk_constraint_may_end(const sk_constraint *c);

#endif
