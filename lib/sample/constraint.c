/* SPDX-License-Identifier: MIT */
/* Which option asks for a grammar; and reading a text by one, in one go. */
#include "base/portable.h"

#include "sample/constraint.h"
#include "sample/matcher.h"

#include <string.h>

int32_t sk_grammar_from_options(sk_grammar **out, sk_heap *heap, const sk_options *options,
                                const sk_token_finder *tokens, sk_error *error)
{
    const char *schema = sk_opt_string(options, SK_OPT_JSON_SCHEMA);
    const char *gbnf = sk_opt_string(options, SK_OPT_GRAMMAR);
    const char *regex = sk_opt_string(options, SK_OPT_REGEX);
    *out = NULL;
    if ((*schema != 0) + (*gbnf != 0) + (*regex != 0) > 1)
        return sk_fail(error, SKALD_E_OPTION,
                       "%s and %s are both set, wanted one of json_schema, grammar and regex",
                       *schema ? "json_schema" : "grammar", *regex ? "regex" : "grammar");
    if (*schema)
        return sk_grammar_from_schema(out, heap, schema, strlen(schema),
                                      sk_opt_string(options, SK_OPT_JSON_SCHEMA_IGNORE), error);
    if (*gbnf)
        return sk_grammar_from_gbnf(out, heap, gbnf, strlen(gbnf), tokens, error);
    return *regex ? sk_grammar_from_regex(out, heap, regex, strlen(regex), error) : SKALD_OK;
}

int32_t sk_grammar_check(const sk_options *options, sk_heap *heap, const char *text, uint64_t n,
                         sk_error *error)
{
    sk_grammar *grammar;
    sk_matcher *matcher = NULL;
    uint64_t used = 0;
    int32_t status = sk_grammar_from_options(&grammar, heap, options, NULL, error);
    if (status == SKALD_OK && !grammar)
        status = sk_fail(error, SKALD_E_OPTION,
                         "no grammar is set: wanted json_schema, grammar or regex");
    if (status == SKALD_OK)
        status = sk_matcher_new(&matcher, heap, grammar, error);
    if (status == SKALD_OK)
        status = sk_matcher_read(matcher, text, n, &used, error);
    if (status == SKALD_OK && used < n)
        status = sk_fail(error, SKALD_E_GRAMMAR, "byte %llu of %llu is not what the grammar allows",
                         (unsigned long long)used + 1, (unsigned long long)n);
    else if (status == SKALD_OK && !sk_matcher_may_end(matcher))
        status = sk_fail(error, SKALD_E_GRAMMAR,
                         "the text ends after %llu bytes, where the grammar wants more",
                         (unsigned long long)n);
    sk_matcher_free(matcher);
    sk_grammar_release(grammar);
    return status;
}
