/* SPDX-License-Identifier: MIT */
/* What the tests of grammars share: compiling and reading in one call, by options as a host does.
 */
#ifndef SK_TEST_GRAMMAR_H
#define SK_TEST_GRAMMAR_H

#include "heap.h"
#include "format/json.h"
#include "sample/constraint.h"

enum { ACCEPTED, REJECTED, REFUSED };

static inline const char *grammar_key(char kind)
{
    return kind == 's' ? "json_schema" : kind == 'g' ? "grammar" : "regex";
}

/* `kind`: s a schema, g GBNF, r a regular expression. The sentence goes to `error`. */
static inline int grammar_try(sk_heap *heap, char kind, const char *grammar, const char *ignore,
                              const char *text, size_t n, sk_error *error)
{
    sk_options options;
    *error = (sk_error){0};
    sk_options_init(&options, heap);
    int32_t status = sk_options_set_string(&options, grammar_key(kind), grammar, false, error);
    if (status == SKALD_OK && ignore)
        status = sk_options_set_string(&options, "json_schema_ignore", ignore, false, error);
    if (status == SKALD_OK)
        status = sk_grammar_check(&options, heap, text, n, error);
    sk_options_clear(&options);
    CHECKF(status == SKALD_OK || error->text[0], "no sentence for %s", grammar);
    CHECKF(status == SKALD_OK || status == SKALD_E_GRAMMAR || status == SKALD_E_OPTION ||
               status == SKALD_E_MEMORY,
           "%s: status %d", grammar, (int)status);
    return status == SKALD_OK ? ACCEPTED : status == SKALD_E_GRAMMAR ? REJECTED : REFUSED;
}

#endif
