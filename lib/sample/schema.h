/* SPDX-License-Identifier: MIT */
/*
 * JSON Schema, draft 4 to 2020-12, as a grammar (sk_grammar_from_schema in grammar.h).
 *
 * Enforced: type, enum, const; properties, required, additionalProperties, minProperties and
 * maxProperties, dependentRequired, dependentSchemas, dependencies; items, prefixItems,
 * additionalItems, minItems, maxItems, contains with minContains and maxContains, uniqueItems of
 * plain strings; minLength, maxLength, pattern, format; minimum, maximum, exclusiveMinimum,
 * exclusiveMaximum, multipleOf of integers; allOf, anyOf, oneOf, not, if, then, else; $ref within
 * the schema, recursion included, also by an $id or an $anchor within; $defs, definitions;
 * $dynamicRef where but one place can be meant.
 *
 * Refused, unless the host lists them to be ignored (json_schema_ignore):
 *     $ref              to other documents
 *     $dynamicRef       where it depends on where the schema is used; $recursiveRef
 *     uniqueItems       of what is not plain strings, or beside contains
 *     patternProperties but for one pattern beside additionalProperties: false
 *     propertyNames     beside listed keys
 *     unevaluatedProperties, unevaluatedItems   beside $ref, allOf, anyOf, oneOf, not, if, contains
 *     multipleOf        of fractions, of more than 1024, or beside a minimum or maximum
 *     minLength, maxLength, pattern   beside a pattern or format that allows others
 *     format            iri, iri-reference, uri-reference, uri-template, idn-..., regex
 *     contains          twice for one array; where more than 64 items are counted
 *     minProperties     above 1, of keys that are not listed
 *     not, if, oneOf    where they come to the opposite of one of:
 *                       - pattern, format, multipleOf, uniqueItems, propertyNames
 *                       - patternProperties, additionalProperties that are not true
 *                       - an array or object in an enum or const
 *                       - the integers in a range of numbers
 *                       (of a oneOf unless its members are seen to be apart)
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
