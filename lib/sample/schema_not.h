/* SPDX-License-Identifier: MIT */
/* Opposites of schemas, and keywords that are choices by them; see schema_not.c. */
#ifndef SK_SAMPLE_SCHEMA_NOT_H
#define SK_SAMPLE_SCHEMA_NOT_H

#include "sample/schema_int.h"
#include "sample/schema_ref.h"

/* What is not this schema, because of a keyword. NULL if that cannot be told: *why then is a
 * keyword, or a few words. */
const sk_json *sk_schema_opposite(schema *s, const sk_json *own, const char *cause,
                                  const char **why);

/* Keywords that are choices between other schemas, and the schema that such a one of this schema
 * stands for; NULL: it is not there, or says nothing. */
enum { SCHEMA_CHOICES = 6 };
extern const char *const sk_schema_choices[];
const sk_json *sk_schema_choice(schema *s, const sk_json *own, uint32_t what);

/* Makers of schemas: all of these, one of these, not this (because of a keyword); and the named
 * keys, or (names NULL) the first n items, are anything, and the others as `rest` says. */
sk_json sk_schema_all_of(schema *s, const sk_json *list, uint64_t n);
sk_json sk_schema_any_of(schema *s, const sk_json *list, uint64_t n);
sk_json sk_schema_negated(schema *s, const sk_json *own, const char *cause);
sk_json sk_schema_closing(schema *s, const sk_json *const *names, uint64_t n, const sk_json *rest);

/* schema_rest.c: what "unevaluatedProperties" or "unevaluatedItems" says beside schemas that
 * evaluate more, as a schema; false: it is refused. */
bool sk_schema_rest(schema *s, const sk_json *own, const char *keyword, sk_json *out);

/* The keyword because of which there is a "not". */
const char *sk_schema_cause(const sk_json *own);

#endif
