/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions, as JSON Schema and most languages write them, to fragments of a grammar.
 *
 * Known: | ( ) (?: ) (?<name> ) * + ? {m} {m,} {m,n} and their lazy forms, which mean the same
 * here; . [a-z] [^a-z] \d \D \w \W \s \S \p{L} \P{Lu} (general categories); \t \n \r \f \v \0 \cX
 * \xHH \uHHHH \u{H}; a backslash before punctuation. ^ stands at the beginning of an alternative
 * that is in no group, $ at the end of one. Refused: look-around, back references, \b, possessive
 * quantifiers, anchors elsewhere.
 */
#ifndef SK_SAMPLE_REGEX_H
#define SK_SAMPLE_REGEX_H

#include "sample/grammar_int.h"

typedef struct sk_regex_how {
    /* How one character of a set is written in the text that the grammar describes. */
    sk_frag (*emit)(void *user, sk_gram *b, const sk_codeset *set);
    void *user;
    bool search;      /* it need match only a part of the text, but for anchors */
    const char *what; /* for sentences: "regex", "pattern" */
} sk_regex_how;

/* The characters of the shortest and the longest text that matches; UINT64_MAX: no limit. */
typedef struct sk_regex_size {
    uint64_t min, max;
} sk_regex_size;

/* `size` may be NULL. Errors stick in the builder: OPTION (the sentence has the place), MEMORY. */
sk_frag sk_build_regex(sk_gram *b, const char *text, uint64_t n, const sk_regex_how *how,
                       sk_regex_size *size);

#endif
