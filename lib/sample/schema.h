/* SPDX-License-Identifier: MIT */
/*
 * JSON Schema, draft 4 to 2020-12, as a grammar (sk_grammar_from_schema in grammar.h).
 *
 * Enforced: type, enum, const; properties, required, additionalProperties, minProperties and
 * maxProperties; items, prefixItems, additionalItems, minItems, maxItems, uniqueItems of plain
 * strings; minLength, maxLength, pattern, format; minimum, maximum, exclusiveMinimum,
 * exclusiveMaximum, multipleOf of integers; allOf, anyOf, oneOf whose members are seen to be apart;
 * not of types; $ref within the schema, recursion included; $defs, definitions, $anchor.
 *
 * Refused, unless the host lists them to be ignored (json_schema_ignore):
 *     not, if           but for what types alone decide
 *     oneOf             whose members may overlap
 *     dependentRequired, dependentSchemas, dependencies
 *     contains          with minContains above 0
 *     uniqueItems       of what is not plain strings
 *     patternProperties but for one pattern beside additionalProperties: false
 *     propertyNames     beside listed keys
 *     unevaluatedProperties, unevaluatedItems   beside $ref, allOf, anyOf, oneOf
 *     multipleOf        of fractions, or beside a minimum or maximum
 *     minLength, maxLength   beside a pattern that allows others
 *     format            iri, iri-reference, uri-reference, uri-template, idn-..., regex
 *     $ref              to other documents, or beside a nested $id; $dynamicRef
 *
 * How the standard is read where output is to be made rather than judged:
 *     - keys come in the order of the schema;
 *     - "type": "object" with properties and no word about others means: no others;
 *     - items with minItems or maxItems is an array, also without "type"; the empty schema {} at
 *       the root is an object (true is any value);
 *     - format binds; one that is not known says nothing;
 *     - integers have at most 16 digits unless a bound has more; numbers at most 60 before the
 *       point and 100 behind;
 *     - white space between tokens is one blank (4 under true), or one or two line ends and an
 *       indent of 20;
 *     - strings of arrays with uniqueItems are told apart when their last quote comes: a token that
 *       would complete one a second time is not taken.
 */
#ifndef SK_SAMPLE_SCHEMA_H
#define SK_SAMPLE_SCHEMA_H

#include "sample/grammar.h"

#endif
