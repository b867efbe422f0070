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

/* The schema that a keyword of this one stands for ("if", "dependentRequired", "dependentSchemas",
 * "dependencies"), or NULL: it says nothing. */
const sk_json *sk_schema_choice(schema *s, const sk_json *own, const char *keyword);

/* The keyword because of which there is a "not". */
const char *sk_schema_cause(const sk_json *own);

#endif
