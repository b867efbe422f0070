/* SPDX-License-Identifier: MIT */
/*
 * unevaluatedProperties and unevaluatedItems beside schemas that evaluate properties and items of
 * the same value. Which do is known where these hold for sure ($ref, allOf); where they are choices
 * (anyOf, oneOf, if), it is known for each way to choose. So the keyword stands for a choice of
 * these ways, each with what it evaluates listed, and the keyword's schema for all others:
 *
 *     {"properties": {"a": true, "b": true}, "additionalProperties": S}
 *
 * Refused is what is nested deeper than that: choices within choices, two kinds of choices,
 * patterns.
 */
#include "base/portable.h"

#include "sample/schema_not.h"

#include <string.h>

enum { REST_NAMES = 256, REST_OPEN = 64, REST_ANY_OF = 4, REST_WAYS = 64 };

/* What is evaluated. */
typedef struct rest_seen {
    schema *s;
    bool items; /* of items; else of properties */
    bool all;
    const sk_json *names[REST_NAMES];
    uint64_t n; /* names, or first items */
    const char *why;
} rest_seen;

static void rest_name(rest_seen *seen, const sk_json *name)
{
    for (uint64_t i = 0; i < seen->n; i++)
        if (sk_schema_equal(seen->names[i], name))
            return;
    if (seen->n == REST_NAMES)
        seen->why = "beside more than 256 keys";
    else
        seen->names[seen->n++] = name;
}

static void rest_of_object(rest_seen *seen, const sk_json *own)
{
    const sk_json *properties = sk_schema_get(own, "properties"),
                  *patterns = sk_schema_get(own, "patternProperties");
    if (patterns && patterns->n > 0)
        seen->why = "beside patternProperties";
    seen->all |= sk_schema_get(own, "additionalProperties") != NULL;
    for (uint64_t i = 0; properties && properties->kind == SK_JSON_OBJECT && i < properties->n; i++)
        rest_name(seen, &properties->as.members[i].key);
}

static void rest_of_array(rest_seen *seen, const sk_json *own)
{
    const sk_json *prefix = sk_schema_get(own, "prefixItems"), *items = sk_schema_get(own, "items");
    if (sk_schema_get(own, "contains"))
        seen->why = "beside contains";
    if (items && items->kind == SK_JSON_ARRAY) {
        prefix = items;
        items = sk_schema_get(own, "additionalItems");
    }
    seen->all |= items != NULL;
    if (prefix && prefix->kind == SK_JSON_ARRAY && prefix->n > seen->n)
        seen->n = prefix->n;
    if (seen->n > REST_NAMES)
        seen->why = "beside more than 256 items";
}

/* Adds what a schema evaluates, with all that holds because it does; its own choices are the
 * caller's if it is the first. */
static void rest_add(rest_seen *seen, const sk_json *own, bool is_first)
{
    static const char *const choices[] = {"anyOf", "oneOf", "if", "dependentSchemas"};
    const char *again = seen->items ? "unevaluatedItems" : "unevaluatedProperties";
    const sk_json *open[REST_OPEN] = {own};
    uint64_t n = 1;
    for (uint64_t k = 0; k < n && !seen->why && schema_ok(seen->s); k++) {
        own = open[k];
        if (!own || own->kind != SK_JSON_OBJECT)
            continue;
        const sk_json *ref = sk_schema_get(own, "$ref"), *all = sk_schema_get(own, "allOf");
        bool mine = k == 0 && is_first;
        for (int i = 0; i < 4; i++)
            if (sk_schema_get(own, choices[i]) && (!mine || i == 3))
                seen->why = "beside choices of schemas that have choices";
        if (sk_schema_get(own, "$dynamicRef"))
            seen->why = "beside $dynamicRef";
        seen->all |= !mine && sk_schema_get(own, again) != NULL;
        if (seen->items)
            rest_of_array(seen, own);
        else
            rest_of_object(seen, own);
        uint64_t n_all = all && all->kind == SK_JSON_ARRAY ? all->n : 0;
        if (n + n_all + 1 > REST_OPEN) {
            seen->why = "beside more than 64 schemas";
            break;
        }
        for (uint64_t i = 0; i < n_all; i++)
            open[n++] = &all->as.items[i];
        if (ref && ref->kind == SK_JSON_STRING)
            open[n++] = sk_schema_ref(seen->s, ref);
    }
}

/* One way to choose: the schemas that hold then, and which of them evaluate. */
typedef struct rest_way {
    sk_json holds[2 * REST_ANY_OF + 2];
    uint64_t n_holds;
    const sk_json *evaluates[REST_ANY_OF];
    uint64_t n_evaluates;
} rest_way;

typedef struct rest_ways {
    schema *s;
    const sk_json *own, *rest;
    const char *keyword, *why;
    sk_json items[REST_WAYS];
    uint64_t n;
} rest_ways;

/* All of these, and what they leave over is as the keyword says. */
static void rest_put(rest_ways *w, rest_way *way)
{
    rest_seen seen = {.s = w->s, .items = strcmp(w->keyword, "unevaluatedItems") == 0};
    rest_add(&seen, w->own, true);
    for (uint64_t i = 0; i < way->n_evaluates; i++)
        rest_add(&seen, way->evaluates[i], false);
    w->why = seen.why ? seen.why : w->why;
    if (w->n == REST_WAYS)
        w->why = "beside more than 64 ways to choose";
    if (w->why || !schema_ok(w->s))
        return;
    if (!seen.all)
        way->holds[way->n_holds++] =
            sk_schema_closing(w->s, seen.items ? NULL : seen.names, seen.n, w->rest);
    w->items[w->n++] = sk_schema_all_of(w->s, way->holds, way->n_holds);
}

static void rest_any_of(rest_ways *w, const sk_json *list)
{
    if (list->n > REST_ANY_OF) {
        w->why = "beside an anyOf of more than 4 schemas";
        return;
    }
    for (uint32_t chosen = 1; chosen < UINT32_C(1) << list->n; chosen++) {
        rest_way way = {.n_holds = 0};
        for (uint64_t i = 0; i < list->n; i++) {
            const sk_json *member = &list->as.items[i];
            bool holds = chosen >> i & 1;
            way.holds[way.n_holds++] =
                holds ? *member : sk_schema_negated(w->s, member, w->keyword);
            if (holds)
                way.evaluates[way.n_evaluates++] = member;
        }
        rest_put(w, &way);
    }
}

/* A member at a time: that it is but one, the oneOf itself sees to. */
static void rest_one_of(rest_ways *w, const sk_json *list)
{
    for (uint64_t i = 0; i < list->n && !w->why; i++)
        rest_put(w, &(rest_way){.holds = {list->as.items[i]},
                                .n_holds = 1,
                                .evaluates = {&list->as.items[i]},
                                .n_evaluates = 1});
}

static void rest_if(rest_ways *w, const sk_json *condition)
{
    const sk_json *then = sk_schema_get(w->own, "then"), *other = sk_schema_get(w->own, "else");
    rest_way holds = {
        .holds = {*condition}, .n_holds = 1, .evaluates = {condition}, .n_evaluates = 1};
    rest_way fails = {.holds = {sk_schema_negated(w->s, condition, w->keyword)}, .n_holds = 1};
    if (then)
        holds.evaluates[holds.n_evaluates++] = then;
    if (other)
        fails.evaluates[fails.n_evaluates++] = other;
    rest_put(w, &holds);
    rest_put(w, &fails);
}

bool sk_schema_rest(schema *s, const sk_json *own, const char *keyword, sk_json *out)
{
    const sk_json *any = sk_schema_get(own, "anyOf"), *one = sk_schema_get(own, "oneOf");
    const sk_json *condition = sk_schema_get(own, "if");
    rest_ways w = {.s = s, .own = own, .rest = sk_schema_get(own, keyword), .keyword = keyword};
    bool is_any = any && any->kind == SK_JSON_ARRAY, is_one = one && one->kind == SK_JSON_ARRAY;
    if (is_any + is_one + (condition != NULL) > 1)
        w.why = "beside several choices";
    else if (is_any)
        rest_any_of(&w, any);
    else if (is_one)
        rest_one_of(&w, one);
    else if (condition)
        rest_if(&w, condition);
    else
        rest_put(&w, &(rest_way){.n_holds = 0});
    if (w.why)
        sk_schema_refuse(s, keyword, w.why);
    if (w.why || !schema_ok(s))
        return false;
    *out = sk_schema_any_of(s, w.items, w.n);
    return true;
}
