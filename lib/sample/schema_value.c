/* SPDX-License-Identifier: MIT */
/*
 * Values that a schema names: written out, compared, and held against the rest of what is said of
 * their place. What cannot be told is refused, never guessed. Also what tells the members of a
 * oneOf apart.
 */
#include "base/portable.h"

#include "sample/schema_int.h"

#include <string.h>

/* ---- Equality ------------------------------------------------------------------------------- */

static bool value_is_number(const sk_json *v)
{
    return v->kind == SK_JSON_INT || v->kind == SK_JSON_DOUBLE;
}

static double value_number(const sk_json *v)
{
    return v->kind == SK_JSON_INT ? (double)v->as.i : v->as.d;
}

static bool value_equal_scalars(const sk_json *a, const sk_json *b)
{
    if (value_is_number(a) && value_is_number(b))
        return a->kind == b->kind && a->kind == SK_JSON_INT ? a->as.i == b->as.i
                                                            : value_number(a) == value_number(b);
    if (a->kind != b->kind)
        return false;
    if (a->kind == SK_JSON_BOOL)
        return a->as.truth == b->as.truth;
    if (a->kind == SK_JSON_STRING)
        return a->n == b->n && memcmp(a->as.text, b->as.text, (size_t)a->n) == 0;
    return a->n == b->n; /* arrays and objects: what is in them comes next */
}

/* The i-th part of a, and its counterpart in b, or NULL. */
static const sk_json *value_part(const sk_json *a, const sk_json *b, uint64_t i,
                                 const sk_json **other)
{
    if (a->kind == SK_JSON_ARRAY) {
        *other = &b->as.items[i];
        return &a->as.items[i];
    }
    const sk_json_member *member = &a->as.members[i];
    *other = sk_json_get(b, member->key.as.text, member->key.n);
    return &member->value;
}

bool sk_schema_equal(const sk_json *a, const sk_json *b)
{
    struct {
        const sk_json *a, *b;
        uint64_t i;
    } stack[SK_JSON_DEPTH + 1];
    uint32_t depth = 0;
    if (!value_equal_scalars(a, b))
        return false;
    stack[0].a = a, stack[0].b = b, stack[0].i = 0;
    for (;;) {
        const sk_json *x = stack[depth].a, *y = stack[depth].b, *other;
        bool nested = x->kind == SK_JSON_ARRAY || x->kind == SK_JSON_OBJECT;
        if (!nested || stack[depth].i == x->n) {
            if (depth-- == 0)
                return true;
            continue;
        }
        const sk_json *part = value_part(x, y, stack[depth].i++, &other);
        if (!other || !value_equal_scalars(part, other) || depth == SK_JSON_DEPTH)
            return false;
        depth++;
        stack[depth].a = part, stack[depth].b = other, stack[depth].i = 0;
    }
}

/* ---- Holding values against schemas --------------------------------------------------------- */

static uint32_t value_type(const sk_json *value)
{
    switch (value->kind) {
    case SK_JSON_NULL:
        return SCHEMA_NULL;
    case SK_JSON_BOOL:
        return SCHEMA_BOOLEAN;
    case SK_JSON_STRING:
        return SCHEMA_STRING;
    case SK_JSON_ARRAY:
        return SCHEMA_ARRAY;
    case SK_JSON_OBJECT:
        return SCHEMA_OBJECT;
    case SK_JSON_INT:
        return SCHEMA_INTEGER;
    default: /* beyond 2^63 every double is whole */
        return value->as.d >= 9.3e18 || value->as.d <= -9.3e18 ||
                       value->as.d == (double)(int64_t)value->as.d
                   ? SCHEMA_INTEGER
                   : SCHEMA_NUMBER;
    }
}

static bool value_is_listed(const sk_json *own, const sk_json *value)
{
    const sk_json *one = sk_schema_get(own, "const"), *list = sk_schema_get(own, "enum");
    const sk_json *others = sk_schema_other_than(own);
    if (one && !sk_schema_equal(one, value))
        return false;
    for (uint64_t i = 0; others && i < others->n; i++)
        if (sk_schema_equal(&others->as.items[i], value))
            return false;
    if (!list || list->kind != SK_JSON_ARRAY)
        return true;
    for (uint64_t i = 0; i < list->n; i++)
        if (sk_schema_equal(&list->as.items[i], value))
            return true;
    return false;
}

/* Keywords about arrays and objects which would have to be followed into the value. */
static void value_refuse_nested(schema *s, const sk_json *own, const sk_json *value)
{
    static const char *const of_arrays[] = {"items",       "prefixItems", "contains",
                                            "uniqueItems", "minItems",    "maxItems"};
    static const char *const of_objects[] = {
        "properties",    "additionalProperties", "patternProperties", "propertyNames",
        "minProperties", "maxProperties",        "required"};
    bool array = value->kind == SK_JSON_ARRAY;
    size_t n =
        array ? sizeof of_arrays / sizeof *of_arrays : sizeof of_objects / sizeof *of_objects;
    for (size_t i = 0; i < n; i++) {
        const char *keyword = array ? of_arrays[i] : of_objects[i];
        if (sk_schema_get(own, keyword))
            sk_schema_refuse(s, keyword, "beside an enum or const that lists arrays or objects");
    }
}

bool sk_schema_holds(schema *s, const sk_json *own, const sk_json *value)
{
    if (!(sk_schema_types(s, own) & value_type(value)) || !value_is_listed(own, value))
        return false;
    if (value->kind == SK_JSON_STRING)
        return sk_schema_string_holds(s, own, value);
    if (value_is_number(value))
        return sk_schema_number_holds(s, own, value);
    if (value->kind == SK_JSON_ARRAY || value->kind == SK_JSON_OBJECT)
        value_refuse_nested(s, own, value);
    return true;
}

/* ---- Telling schemas apart ------------------------------------------------------------------ */

/* The values that a set of terms lists: an array, or one value; NULL: it lists none. */
static const sk_json *value_list(const schema_terms *terms, uint64_t *n)
{
    for (uint32_t i = 0; i < terms->n; i++) {
        const sk_json *one = sk_schema_get(terms->items[i].schema, "const");
        const sk_json *list = sk_schema_get(terms->items[i].schema, "enum");
        if (terms->items[i].kind != SCHEMA_OWN)
            continue;
        if (one) {
            *n = 1;
            return one;
        }
        if (list && list->kind == SK_JSON_ARRAY) {
            *n = list->n;
            return list->as.items;
        }
    }
    return NULL;
}

/* Whether some term is sure not to hold for the value: by type or by what is listed. */
static bool value_fails(schema *s, const schema_terms *terms, const sk_json *value)
{
    for (uint32_t i = 0; i < terms->n; i++) {
        const sk_json *own = terms->items[i].schema;
        if (terms->items[i].kind == SCHEMA_OWN &&
            (!(sk_schema_types(s, own) & value_type(value)) || !value_is_listed(own, value)))
            return true;
    }
    return false;
}

static uint32_t value_types(schema *s, const schema_terms *terms)
{
    uint32_t types = SCHEMA_ALL;
    for (uint32_t i = 0; i < terms->n; i++)
        if (terms->items[i].kind == SCHEMA_OWN)
            types &= sk_schema_types(s, terms->items[i].schema);
    return types;
}

/* By what is listed, by type and by range, without looking into objects. */
static bool value_apart(schema *s, const schema_terms *a, const schema_terms *b, uint32_t *common)
{
    uint64_t n;
    const sk_json *list = value_list(a, &n);
    const schema_terms *other = b;
    *common = value_types(s, a) & value_types(s, b);
    if (a->never || b->never || *common == 0)
        return true;
    if (!list) {
        list = value_list(b, &n);
        other = a;
    }
    for (uint64_t i = 0; list && i < n; i++)
        if (!value_fails(s, other, &list[i]))
            return false;
    if (list)
        return true;
    uint32_t numbers = SCHEMA_NUMBER | SCHEMA_INTEGER;
    return (*common & ~numbers) == 0 && sk_schema_number_apart(s, a, b);
}

static bool value_requires(const schema_terms *terms, const sk_json *name)
{
    for (uint32_t i = 0; i < terms->n; i++) {
        const sk_json *required = sk_schema_get(terms->items[i].schema, "required");
        for (uint64_t k = 0; required && required->kind == SK_JSON_ARRAY && k < required->n; k++)
            if (required->as.items[k].kind == SK_JSON_STRING &&
                sk_schema_equal(&required->as.items[k], name))
                return true;
    }
    return false;
}

/* What is said of the value of a key, where it is listed. */
static void value_of_key(schema *s, const schema_terms *terms, const sk_json *name,
                         schema_terms *flat)
{
    schema_terms whole = {.n = 0};
    for (uint32_t i = 0; i < terms->n; i++) {
        const sk_json *properties = sk_schema_get(terms->items[i].schema, "properties");
        const sk_json *listed = properties ? sk_json_get(properties, name->as.text, name->n) : NULL;
        const sk_json *rest = sk_schema_get(terms->items[i].schema, "additionalProperties");
        if (listed || rest)
            sk_schema_add_term(s, &whole, listed ? listed : rest, SCHEMA_WHOLE);
    }
    sk_schema_flatten(s, &whole, flat);
}

/* Whether a key that both want tells objects apart: its values differ, or one side forbids it. */
static bool value_key_apart(schema *s, const schema_terms *a, const schema_terms *b,
                            const sk_json *name)
{
    schema_terms in_a = {.n = 0}, in_b = {.n = 0};
    uint32_t common;
    value_of_key(s, a, name, &in_a);
    value_of_key(s, b, name, &in_b);
    bool needed_a = value_requires(a, name), needed_b = value_requires(b, name);
    if ((needed_a && in_b.never) || (needed_b && in_a.never))
        return true;
    return needed_a && needed_b && value_apart(s, &in_a, &in_b, &common);
}

bool sk_schema_disjoint(schema *s, const schema_terms *a, const schema_terms *b)
{
    uint32_t common;
    if (value_apart(s, a, b, &common))
        return true;
    if (common != SCHEMA_OBJECT)
        return false;
    for (int side = 0; side < 2; side++) {
        const schema_terms *from = side ? b : a;
        for (uint32_t i = 0; i < from->n; i++) {
            const sk_json *required = sk_schema_get(from->items[i].schema, "required");
            uint64_t n = required && required->kind == SK_JSON_ARRAY ? required->n : 0;
            for (uint64_t k = 0; k < n && k < 64 && schema_ok(s); k++)
                if (required->as.items[k].kind == SK_JSON_STRING &&
                    value_key_apart(s, a, b, &required->as.items[k]))
                    return true;
        }
    }
    return false;
}
