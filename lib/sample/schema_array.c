/* SPDX-License-Identifier: MIT */
/* What a schema says of arrays: items by place, items beyond, how many, and that none is twice. */
#include "base/portable.h"

#include "sample/schema_not.h"

typedef struct array_shape {
    uint64_t min, max, n_prefix;
    bool unique;
    const sk_json *contains; /* NULL, or what `least` to `most` items are */
    uint64_t least, most;
} array_shape;

enum { ARRAY_GRID = 64 }; /* items that are counted where some are waited for */

/* The schemas of the first places: prefixItems, or until draft 2019 an array of items. */
static const sk_json *array_prefix(const sk_json *own)
{
    const sk_json *prefix = sk_schema_get(own, "prefixItems"), *items = sk_schema_get(own, "items");
    if (prefix && prefix->kind == SK_JSON_ARRAY)
        return prefix;
    return items && items->kind == SK_JSON_ARRAY ? items : NULL;
}

/* The schema of the places beyond, or NULL. */
static const sk_json *array_rest(const sk_json *own)
{
    const sk_json *items = sk_schema_get(own, "items"),
                  *rest = sk_schema_get(own, "unevaluatedItems");
    if (items && items->kind == SK_JSON_ARRAY)
        items = sk_schema_get(own, "additionalItems");
    return items ? items : rest;
}

static void array_add_place(schema *s, schema_terms *terms, const sk_json *own, uint64_t place)
{
    const sk_json *prefix = array_prefix(own);
    const sk_json *at = prefix && place < prefix->n ? &prefix->as.items[place] : array_rest(own);
    if (at)
        sk_schema_add_term(s, terms, at, SCHEMA_WHOLE);
}

/* What an item is waited for, if anything is: of one schema. */
static void array_contains(schema *s, const sk_json *own, array_shape *shape)
{
    const sk_json *contains = sk_schema_get(own, "contains");
    uint64_t least = 1, most = UINT64_MAX;
    bool is_bound = sk_schema_count(s, own, "maxContains", &most);
    sk_schema_count(s, own, "minContains", &least);
    if (!contains || (least == 0 && !is_bound))
        return;
    if (shape->contains)
        sk_schema_refuse(s, "contains", "items of two kinds cannot be waited for");
    if (least > ARRAY_GRID || (is_bound && most > ARRAY_GRID))
        sk_schema_refuse(s, "contains", "of more than 64 items");
    shape->contains = contains;
    shape->least = least;
    shape->most = is_bound ? most : UINT64_MAX;
}

static array_shape array_gather(schema *s, const schema_terms *own)
{
    array_shape shape = {.max = UINT64_MAX};
    for (uint32_t i = 0; i < own->n; i++) {
        const sk_json *at = own->items[i].schema, *prefix = array_prefix(at);
        const sk_json *unique = sk_schema_get(at, "uniqueItems");
        uint64_t count;
        if (sk_schema_count(s, at, "minItems", &count) && count > shape.min)
            shape.min = count;
        if (sk_schema_count(s, at, "maxItems", &count) && count < shape.max)
            shape.max = count;
        if (prefix && prefix->n > shape.n_prefix)
            shape.n_prefix = prefix->n;
        shape.unique |= unique && unique->kind == SK_JSON_BOOL && unique->as.truth;
        array_contains(s, at, &shape);
    }
    return shape;
}

/* The rule for a place, where another schema may hold as well; 0 if nothing may stand there, or,
 * without the other, in any place behind it. */
static uint32_t array_place_with(schema *s, const schema_terms *own, uint64_t place,
                                 const sk_json *more)
{
    schema_terms terms = {.n = 0};
    if (more)
        sk_schema_add_term(s, &terms, more, SCHEMA_WHOLE);
    for (uint32_t i = 0; i < own->n; i++)
        array_add_place(s, &terms, own->items[i].schema, place);
    return terms.never ? 0 : sk_schema_rule(s, &terms);
}

static uint32_t array_place(schema *s, const schema_terms *own, uint64_t place)
{
    return array_place_with(s, own, place, NULL);
}

/* ---- Items that are all different ----------------------------------------------------------- */

/* A string whose last quote is taken only if the string is new: the reader of the text sees to
 * that (matcher.h). A string that is not can always be made longer. */
static sk_frag array_unique_string(schema *s)
{
    sk_codeset all;
    sk_codeset_init(&all, s->b.heap);
    if (schema_ok(s))
        s->b.status = sk_codeset_negate(&all, s->error);
    sk_frag f = sk_build_repeat(&s->b, sk_schema_emit(NULL, &s->b, &all), 0, UINT64_MAX);
    sk_codeset_free(&all);
    sk_frag quote = sk_build_byte(&s->b, '"', '"');
    if (schema_ok(s))
        s->b.ops[quote.start].flags = SK_OP_UNIQUE;
    s->b.has_unique = true;
    f = sk_build_then(&s->b, sk_build_byte(&s->b, '"', '"'), f);
    return sk_build_then(&s->b, f, quote);
}

/* Whether the items of all places are strings, and nothing else is said of them. */
static bool array_is_of_strings(schema *s, const schema_terms *own)
{
    schema_terms terms = {.n = 0}, flat = {.n = 0};
    uint32_t types = SCHEMA_ALL;
    array_add_place(s, &terms, own->items[0].schema, 0);
    for (uint32_t i = 1; i < own->n; i++)
        array_add_place(s, &terms, own->items[i].schema, 0);
    sk_schema_flatten(s, &terms, &flat);
    for (uint32_t i = 0; i < flat.n; i++) {
        const sk_json *at = flat.items[i].schema;
        static const char *const binding[] = {"enum",      "const",   "minLength",
                                              "maxLength", "pattern", "format"};
        if (flat.items[i].kind != SCHEMA_OWN)
            return false;
        types &= sk_schema_types(s, at);
        for (size_t k = 0; k < sizeof binding / sizeof *binding; k++)
            if (sk_schema_get(at, binding[k]))
                return false;
    }
    return types == SCHEMA_STRING && !flat.never;
}

/* ---- Arrays --------------------------------------------------------------------------------- */

static sk_frag array_item(schema *s, uint32_t rule, bool is_first)
{
    sk_frag f = sk_build_call(&s->b, rule);
    return is_first ? f : sk_build_then(&s->b, sk_schema_separator(s), f);
}

/* Items beyond the prefix: from `min` to `max` of them. */
static sk_frag array_tail(schema *s, uint32_t rule, bool is_first, uint64_t min, uint64_t max)
{
    sk_gram *b = &s->b;
    if (!rule || max == 0)
        return min > 0 ? sk_build_never(b) : sk_build_empty(b);
    if (!is_first)
        return sk_build_repeat(b, array_item(s, rule, false), min, max);
    sk_frag more = sk_build_repeat(b, array_item(s, rule, false), min > 0 ? min - 1 : 0,
                                   max == UINT64_MAX ? max : max - 1);
    sk_frag f = sk_build_then(b, array_item(s, rule, true), more);
    return min > 0 ? f : sk_build_maybe(b, f);
}

/* Items of which some are waited for: a grid of how many there were, counted as far as that
 * matters, and how many of them were of the kind. */
static sk_frag array_grid(schema *s, const schema_terms *own, const array_shape *shape)
{
    sk_gram *b = &s->b;
    const sk_json *opposite = NULL;
    const char *why = NULL;
    uint64_t n = shape->n_prefix > shape->min ? shape->n_prefix : shape->min;
    uint64_t n_kind = shape->most < UINT64_MAX ? shape->most : shape->least;
    if (shape->max < UINT64_MAX && shape->max > n)
        n = shape->max;
    n = n > 0 ? n : 1; /* the first item has no comma */
    if (shape->most < UINT64_MAX)
        opposite = sk_schema_opposite(s, shape->contains, "contains", &why);
    if (why)
        sk_schema_refuse(s, "contains", why);
    if (n > ARRAY_GRID)
        sk_schema_refuse(s, "contains", "beside more than 64 items that are counted");
    uint32_t *places = sk_arena_array(&s->arena, (ARRAY_GRID + 1) * (ARRAY_GRID + 1),
                                      sizeof *places, "a JSON schema", s->error);
    if (!places)
        s->b.status = SKALD_E_MEMORY;
    if (!schema_ok(s) || n > ARRAY_GRID || n_kind > ARRAY_GRID)
        return sk_build_never(b);
    sk_frag end = sk_build_empty(b);
    for (uint64_t i = 0; i < (n + 1) * (n_kind + 1); i++)
        places[i] = sk_build_empty(b).start;
    for (uint64_t i = 0; i <= n && schema_ok(s); i++) {
        uint32_t rule = array_place_with(s, own, i, opposite);
        uint32_t of_kind = array_place_with(s, own, i, shape->contains);
        uint64_t i_next = i < n ? i + 1 : n;
        for (uint64_t k = 0; k <= n_kind && schema_ok(s); k++) {
            bool may_add = i < shape->max, may_end = i >= shape->min && k >= shape->least;
            uint64_t k_next = k < n_kind ? k + 1 : n_kind;
            uint32_t start = may_end ? end.start : sk_build_never(b).start;
            for (int kind = 0; kind < 2 && may_add; kind++) {
                uint32_t item_rule = kind ? of_kind : rule;
                if (item_rule == 0 || (kind && k == n_kind && shape->most < UINT64_MAX))
                    continue;
                sk_frag item = array_item(s, item_rule, i == 0);
                sk_build_patch(b, item.end, places[i_next * (n_kind + 1) + (kind ? k_next : k)]);
                start = sk_build_split(b, start, item.start);
            }
            sk_build_patch(b, places[i * (n_kind + 1) + k], start);
        }
    }
    return (sk_frag){places[0], end.end};
}

static sk_frag array_brackets(schema *s, sk_frag inside)
{
    sk_gram *b = &s->b;
    sk_frag f = sk_build_then(b, sk_build_byte(b, '[', '['), sk_schema_space(s));
    f = sk_build_then(b, sk_build_then(b, f, inside), sk_schema_space(s));
    return sk_build_then(b, f, sk_build_byte(b, ']', ']'));
}

sk_frag sk_schema_array(schema *s, const schema_terms *own)
{
    sk_gram *b = &s->b;
    array_shape shape = array_gather(s, own);
    uint32_t rest = 0;
    if (shape.max < shape.min)
        return sk_build_never(b);
    if (shape.contains && schema_ok(s)) {
        if (shape.unique && shape.max > 1)
            sk_schema_refuse(s, "uniqueItems", "beside contains");
        return array_brackets(s, array_grid(s, own, &shape));
    }
    if (shape.unique && shape.max > 1) {
        if (shape.n_prefix == 0 && array_is_of_strings(s, own))
            rest = s->shared.unique_string =
                s->shared.unique_string ? s->shared.unique_string : sk_build_rule(b, NULL, 0, 0);
        else
            sk_schema_refuse(s, "uniqueItems", "of items that are not plain strings");
        if (rest && !sk_build_has_body(b, rest))
            sk_build_body(b, rest, array_unique_string(s));
    }
    sk_frag all = sk_build_empty(b), end = sk_build_empty(b);
    for (uint64_t i = 0; i < shape.n_prefix && i < shape.max && schema_ok(s); i++) {
        uint32_t rule = array_place(s, own, i);
        if (!rule && i < shape.min)
            return sk_build_never(b);
        if (!rule)
            shape.max = i;
        if (!rule)
            break;
        sk_frag item = array_item(s, rule, i == 0);
        uint32_t start = i < shape.min ? item.start : sk_build_split(b, item.start, end.start);
        sk_build_patch(b, all.end, start);
        all.end = item.end;
    }
    if (shape.max > shape.n_prefix) {
        rest = rest ? rest : array_place(s, own, shape.n_prefix);
        uint64_t min = shape.min > shape.n_prefix ? shape.min - shape.n_prefix : 0;
        uint64_t max = shape.max == UINT64_MAX ? UINT64_MAX : shape.max - shape.n_prefix;
        all = sk_build_then(b, all, array_tail(s, rest, shape.n_prefix == 0, min, max));
    }
    sk_build_patch(b, all.end, end.start);
    return array_brackets(s, (sk_frag){all.start, end.end});
}
