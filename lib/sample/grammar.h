/* SPDX-License-Identifier: MIT */
/*
 * A compiled grammar: which texts a model may write.
 *
 * GBNF, regular expressions and JSON Schemas are compiled to the same thing, a pushdown automaton
 * over bytes: rules, each a small graph of operations, which may call one another. It never changes
 * once it is made and is counted, so that contexts and their forks share one. automaton.h runs it.
 *
 * Time and memory of compiling are proportional to the text and to what its repetition counts ask
 * for, and bounded: SK_GRAMMAR_MAX_OPS operations of 12 bytes. Nothing recurses on the text.
 */
#ifndef SK_SAMPLE_GRAMMAR_H
#define SK_SAMPLE_GRAMMAR_H

#include "base/alloc.h"

#define SK_GRAMMAR_MAX_OPS (UINT64_C(1) << 22)

typedef struct sk_grammar sk_grammar;

/* Finds the one token that a text in angle brackets stands for, or -1. */
typedef struct sk_token_finder {
    int32_t (*find)(const void *user, const char *text, uint64_t n);
    const void *user;
    int64_t n_vocab; /* ids are below this */
} sk_token_finder;

/* Compiles GBNF; `tokens` may be NULL, then token references are errors. Errors: OPTION (the
 * sentence has line and column), MEMORY. */
int32_t sk_grammar_from_gbnf(sk_grammar **out, sk_heap *heap, const char *text, uint64_t n,
                             const sk_token_finder *tokens, sk_error *error);

/* Compiles a regular expression, which the whole text has to match. Errors: the same. */
int32_t sk_grammar_from_regex(sk_grammar **out, sk_heap *heap, const char *text, uint64_t n,
                              sk_error *error);

/* Compiles a JSON Schema; schema.h says what is understood. `ignored` lists keywords that need not
 * be enforced, separated by commas or blanks; "*" is all. Errors: OPTION (the sentence names the
 * keyword), MEMORY. */
int32_t sk_grammar_from_schema(sk_grammar **out, sk_heap *heap, const char *text, uint64_t n,
                               const char *ignored, sk_error *error);

void sk_grammar_retain(sk_grammar *grammar);
void sk_grammar_release(sk_grammar *grammar); /* NULL does nothing */

#endif
