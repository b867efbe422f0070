/* SPDX-License-Identifier: MIT */
/* References of JSON Schemas; see schema_ref.c. A room's secret: part of schema_int.h's compiler.
 */
#ifndef SK_SAMPLE_SCHEMA_REF_H
#define SK_SAMPLE_SCHEMA_REF_H

#include "sample/schema_int.h"

/* Looks at the whole schema once: its dialect, and whether parts of it have names. */
void sk_schema_ref_init(schema *s);

/* The schema that a $ref, a string, means; NULL after an error or an ignored refusal. */
const sk_json *sk_schema_ref(schema *s, const sk_json *ref);

#endif
