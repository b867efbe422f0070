/* SPDX-License-Identifier: MIT */
/*
 * From terms to rules: flattening, choices, and the queue of what is still to be compiled. What is
 * said of strings, numbers, arrays and objects is in the files of those names.
 */
#include "base/portable.h"

#include "sample/schema.h"
#include "sample/schema_not.h"

#include <math.h>
#include <string.h>

enum {
    SCHEMA_MAX_COUNT = 1 << 20,
    SCHEMA_ONE_OF_MAX = 64,
    SCHEMA_NEAR_MAX = 6,
    SCHEMA_SETS = 1 << 15
};
#define SCHEMA_ARENA (UINT64_C(256) << 20) /* bytes of a schema's values and of what it becomes */

/* ---- Keywords ------------------------------------------------------------------------------- */

const sk_json *sk_schema_get(const sk_json *value, const char *keyword)
{
    return sk_json_get(value, keyword, strlen(keyword));
}

bool sk_schema_is_text(const sk_json *value, const char *text)
{
    size_t n = strlen(text);
    return value && value->kind == SK_JSON_STRING && value->n == n &&
           memcmp(value->as.text, text, n) == 0;
}

static bool schema_is_ignored(const schema *s, const char *keyword)
{
    size_t n = strlen(keyword);
    for (const char *at = s->ignored; *at;) {
        size_t word = strcspn(at, ", \t\n");
        if ((word == n && memcmp(at, keyword, n) == 0) || (word == 1 && *at == '*'))
            return true;
        at += word;
        at += strspn(at, ", \t\n");
    }
    return false;
}

void sk_schema_refuse(schema *s, const char *keyword, const char *why)
{
    if (schema_ok(s) && !schema_is_ignored(s, keyword))
        s->b.status = sk_fail(s->error, SKALD_E_OPTION,
                              "json_schema: the keyword \"%s\" cannot be enforced here (%s); list "
                              "it in json_schema_ignore to go on without",
                              keyword, why);
}

void sk_schema_wrong(schema *s, const char *keyword, const char *wanted)
{
    if (schema_ok(s))
        s->b.status =
            sk_fail(s->error, SKALD_E_OPTION, "json_schema: \"%s\" is not %s", keyword, wanted);
}

bool sk_schema_count(schema *s, const sk_json *own, const char *keyword, uint64_t *count)
{
    const sk_json *value = sk_schema_get(own, keyword);
    if (!value)
        return false;
    double v = value->kind == SK_JSON_INT      ? (double)value->as.i
               : value->kind == SK_JSON_DOUBLE ? value->as.d
                                               : -1;
    if (!(v >= 0) || (v < 1e15 && v != (double)(uint64_t)v)) {
        sk_schema_wrong(s, keyword, "a whole number");
        return false;
    }
    bool is_max = keyword[1] == 'a';
    if (v > SCHEMA_MAX_COUNT && !is_max)
        sk_schema_refuse(s, keyword, "of more than 1048576");
    *count = v > SCHEMA_MAX_COUNT ? UINT64_MAX : (uint64_t)v; /* nothing gets that long */
    return v <= SCHEMA_MAX_COUNT;
}

static uint32_t schema_type_bit(const sk_json *name)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } types[] = {{"null", SCHEMA_NULL},       {"boolean", SCHEMA_BOOLEAN},
                 {"object", SCHEMA_OBJECT},   {"array", SCHEMA_ARRAY},
                 {"integer", SCHEMA_INTEGER}, {"number", SCHEMA_INTEGER | SCHEMA_NUMBER},
                 {"string", SCHEMA_STRING}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (sk_schema_is_text(name, types[i].name))
            return name->flavour == SCHEMA_NO_INTEGER ? SCHEMA_NUMBER : types[i].bits;
    return 0;
}

const sk_json *sk_schema_other_than(const sk_json *own)
{
    for (uint64_t i = 0; i < own->n; i++)
        if (own->as.members[i].key.flavour == SCHEMA_OTHER_THAN)
            return &own->as.members[i].value;
    return NULL;
}

uint32_t sk_schema_types(schema *s, const sk_json *own)
{
    const sk_json *type = sk_schema_get(own, "type");
    uint32_t types = 0;
    if (!type) {
        bool is_array = (sk_schema_get(own, "items") || sk_schema_get(own, "prefixItems")) &&
                        (sk_schema_get(own, "minItems") || sk_schema_get(own, "maxItems"));
        return is_array ? SCHEMA_ARRAY : SCHEMA_ALL;
    }
    bool is_list = type->kind == SK_JSON_ARRAY;
    for (uint64_t i = 0; i < (is_list ? type->n : 1) && schema_ok(s); i++) {
        uint32_t bit = schema_type_bit(is_list ? &type->as.items[i] : type);
        types |= bit;
        if (!bit)
            sk_schema_wrong(s, "type", "the name of a type, or a list of such");
    }
    return types;
}

/* Whether a schema holds for everything. */
bool sk_schema_is_true(const sk_json *value)
{
    return value->kind == SK_JSON_BOOL ? value->as.truth
                                       : value->kind == SK_JSON_OBJECT && value->n == 0;
}

/* ---- Terms ---------------------------------------------------------------------------------- */

void sk_schema_add_term(schema *s, schema_terms *terms, const sk_json *json, uint32_t kind)
{
    if (json->kind == SK_JSON_BOOL) {
        terms->never |= !json->as.truth;
        return;
    }
    if (json->kind != SK_JSON_OBJECT) {
        sk_schema_wrong(s, "a schema", "an object, true or false");
        return;
    }
    for (uint32_t i = 0; i < terms->n; i++)
        if (terms->items[i].schema == json && terms->items[i].kind == kind)
            return;
    if (terms->n == SCHEMA_TERMS) {
        if (schema_ok(s))
            s->b.status = sk_fail(s->error, SKALD_E_OPTION,
                                  "json_schema: more than %d schemas bind one value", SCHEMA_TERMS);
        return;
    }
    terms->items[terms->n++] = (schema_term){json, kind};
}

/* Whether a schema says more than what it refers to. */
static bool schema_binds(const sk_json *json)
{
    static const char *const silent[] = {"$ref",
                                         "allOf",
                                         "anyOf",
                                         "oneOf",
                                         "$defs",
                                         "definitions",
                                         "not",
                                         "if",
                                         "then",
                                         "else",
                                         "dependentRequired",
                                         "dependentSchemas",
                                         "dependencies",
                                         "$schema",
                                         "$id",
                                         "title",
                                         "description",
                                         "default",
                                         "examples",
                                         "$comment",
                                         "$anchor",
                                         "deprecated",
                                         "readOnly",
                                         "writeOnly"};
    for (uint64_t i = 0; i < json->n; i++) {
        bool is_silent = false;
        for (size_t k = 0; k < sizeof silent / sizeof *silent; k++)
            is_silent |= sk_schema_is_text(&json->as.members[i].key, silent[k]);
        if (!is_silent)
            return true;
    }
    return false;
}

static const sk_json *schema_list(schema *s, const sk_json *json, const char *keyword)
{
    const sk_json *list = sk_schema_get(json, keyword);
    if (list && (list->kind != SK_JSON_ARRAY || list->n == 0)) {
        sk_schema_wrong(s, keyword, "a list of schemas");
        return NULL;
    }
    return list;
}

/* Whether none of these keywords is there, as in most schemas. */
static bool is_dull(const sk_json *json)
{
    for (uint32_t i = 0; i < SCHEMA_CHOICES; i++)
        if (sk_schema_get(json, sk_schema_choices[i]))
            return false;
    return true;
}

/* Keywords that are other schemas. */
static void schema_turn(schema *s, schema_terms *todo, const sk_json *json)
{
    const sk_json *negated = sk_schema_get(json, "not");
    const char *why = NULL;
    bool dull = is_dull(json);
    for (uint32_t i = 0; i < SCHEMA_CHOICES && schema_ok(s) && !dull; i++) {
        const sk_json *choice = sk_schema_choice(s, json, i);
        if (choice && schema_ok(s))
            sk_schema_add_term(s, todo, choice, SCHEMA_WHOLE);
    }
    const sk_json *opposite =
        negated ? sk_schema_opposite(s, negated, sk_schema_cause(json), &why) : NULL;
    if (why)
        sk_schema_refuse(s, sk_schema_cause(json), why);
    else if (opposite && schema_ok(s))
        sk_schema_add_term(s, todo, opposite, SCHEMA_WHOLE);
}

static void schema_open(schema *s, schema_terms *todo, schema_terms *flat, const sk_json *json)
{
    const sk_json *ref = sk_schema_get(json, "$ref");
    const sk_json *dynamic = sk_schema_get(json, "$dynamicRef");
    if ((dynamic && s->n_dynamic > 1) || sk_schema_get(json, "$recursiveRef"))
        sk_schema_refuse(s, "$dynamicRef", "it depends on where the schema is used");
    else if (dynamic && dynamic->kind == SK_JSON_STRING && !ref)
        ref = dynamic; /* with but one place to lead to it is like any other */
    if (ref && ref->kind == SK_JSON_STRING) {
        const sk_json *target = sk_schema_ref(s, ref);
        if (target)
            sk_schema_add_term(s, todo, target, SCHEMA_WHOLE);
        if (s->ref_alone)
            return;
    }
    const sk_json *all = schema_list(s, json, "allOf");
    for (uint64_t i = 0; all && i < all->n && schema_ok(s); i++)
        sk_schema_add_term(s, todo, &all->as.items[i], SCHEMA_WHOLE);
    schema_turn(s, todo, json);
    if (schema_list(s, json, "anyOf"))
        sk_schema_add_term(s, flat, json, SCHEMA_ANY_OF);
    if (schema_list(s, json, "oneOf"))
        sk_schema_add_term(s, flat, json, SCHEMA_ONE_OF);
    if (schema_binds(json))
        sk_schema_add_term(s, flat, json, SCHEMA_OWN);
}

void sk_schema_flatten(schema *s, const schema_terms *terms, schema_terms *flat)
{
    schema_terms todo = *terms;
    flat->n = 0;
    for (uint32_t i = 0; i < todo.n && schema_ok(s); i++) {
        schema_term term = todo.items[i];
        if (term.kind == SCHEMA_WHOLE)
            schema_open(s, &todo, flat, term.schema);
        else
            sk_schema_add_term(s, flat, term.schema, term.kind);
    }
    flat->never = todo.never;
}

/* ---- The queue ------------------------------------------------------------------------------ */

static void schema_enqueue(schema *s, schema_job job)
{
    void *jobs = s->jobs;
    if (schema_ok(s))
        s->b.status = sk_grow(s->b.heap, &jobs, &s->job_capacity, s->n_jobs + 1, sizeof job,
                              "a JSON schema", s->error);
    s->jobs = jobs;
    if (schema_ok(s))
        s->jobs[s->n_jobs++] = job;
}

/* A set of terms as items: the place of the schema and the kind, in the low bits that places,
 * aligned to 8 bytes, have free. */
static uint32_t schema_set(schema *s, const schema_terms *terms)
{
    sk_item items[SCHEMA_TERMS + 1];
    uint64_t n = 0;
    uint32_t number = 0;
    for (uint32_t i = 0; i < terms->n; i++) {
        uint64_t key = (uint64_t)(uintptr_t)terms->items[i].schema | terms->items[i].kind;
        items[n++] = (sk_item){(uint32_t)(key >> 32), (uint32_t)key};
    }
    if (terms->never)
        items[n++] = (sk_item){UINT32_MAX, UINT32_MAX};
    if (n == 0) /* the empty set has a number of its own kind, too: any value */
        items[n++] = (sk_item){UINT32_MAX, 0};
    if (schema_ok(s))
        s->b.status = sk_itempool_put(&s->sets, items, n, &number, s->error);
    return number;
}

uint32_t sk_schema_rule(schema *s, const schema_terms *terms)
{
    uint32_t number = schema_set(s, terms);
    void *rules = s->set_rules;
    uint64_t old = s->set_capacity;
    if (schema_ok(s))
        s->b.status = sk_grow(s->b.heap, &rules, &s->set_capacity, (uint64_t)number + 1,
                              sizeof *s->set_rules, "a JSON schema", s->error);
    s->set_rules = rules;
    if (!schema_ok(s))
        return 0;
    for (uint64_t i = old; i < s->set_capacity; i++)
        s->set_rules[i] = SK_OP_NONE;
    if (s->set_rules[number] != SK_OP_NONE)
        return s->set_rules[number];
    if (number > SCHEMA_SETS) {
        s->b.status = sk_fail(s->error, SKALD_E_OPTION,
                              "json_schema: its schemas combine in more than %d ways", SCHEMA_SETS);
        return 0;
    }
    uint32_t rule = s->set_rules[number] = sk_build_rule(&s->b, NULL, 0, 0);
    schema_term *kept =
        sk_arena_array(&s->arena, (uint64_t)terms->n + 1, sizeof *kept, "a JSON schema", s->error);
    if (!kept) {
        s->b.status = SKALD_E_MEMORY;
        return rule;
    }
    memcpy(kept, terms->items, terms->n * sizeof *kept);
    schema_enqueue(s, (schema_job){rule, kept, terms->never ? SK_OP_NONE : terms->n, NULL});
    return rule;
}

/* ---- Shared parts --------------------------------------------------------------------------- */

sk_frag sk_schema_call(schema *s, uint32_t *rule, sk_frag (*body)(schema *s))
{
    if (*rule == 0) {
        uint32_t fresh = sk_build_rule(&s->b, NULL, 0, 0);
        sk_build_body(&s->b, fresh, body(s));
        *rule = fresh;
    }
    return sk_build_call(&s->b, *rule);
}

static sk_frag schema_blank(schema *s)
{
    return sk_build_either(&s->b, sk_build_byte(&s->b, ' ', ' '), sk_build_byte(&s->b, '\t', '\t'));
}

/* A blank, or one or two line ends and an indent: models that are lost fill what they may with
 * white space. Where any JSON will do, a little more. */
static sk_frag schema_space_body(schema *s)
{
    sk_gram *b = &s->b;
    sk_frag blanks = sk_build_repeat(b, schema_blank(s), 0, s->is_loose ? 4 : 1);
    sk_frag line = sk_build_then(b, sk_build_maybe(b, sk_build_byte(b, '\r', '\r')),
                                 sk_build_byte(b, '\n', '\n'));
    sk_frag lines = sk_build_then(b, sk_build_repeat(b, line, 1, 2),
                                  sk_build_repeat(b, schema_blank(s), 0, 20));
    return sk_build_then(b, blanks, sk_build_maybe(b, lines));
}

sk_frag sk_schema_space(schema *s)
{
    return sk_schema_call(s, &s->shared.space, schema_space_body);
}

static sk_frag schema_separator_body(schema *s)
{
    sk_frag f = sk_build_then(&s->b, sk_schema_space(s), sk_build_byte(&s->b, ',', ','));
    return sk_build_then(&s->b, f, sk_schema_space(s));
}

sk_frag sk_schema_separator(schema *s)
{
    return sk_schema_call(s, &s->shared.separator, schema_separator_body);
}

sk_frag sk_schema_any(schema *s)
{
    schema_terms none;
    none.n = 0;
    none.never = false;
    return sk_build_call(&s->b, sk_schema_rule(s, &none));
}

/* ---- Literals ------------------------------------------------------------------------------- */

static sk_frag literal_number(schema *s, const sk_json *value)
{
    char text[64];
    double v = value->kind == SK_JSON_INT ? (double)value->as.i : value->as.d;
    bool whole = value->kind == SK_JSON_INT || (fabs(v) < 1e15 && v == (double)(int64_t)v);
    if (!whole) {
        uint64_t n = sk_json_double_text(text, v);
        return sk_build_text(&s->b, text, n);
    }
    size_t n = sk_format(text, sizeof text, "%lld",
                         value->kind == SK_JSON_INT ? (long long)value->as.i : (long long)v);
    return sk_build_then(&s->b, sk_build_text(&s->b, text, n),
                         sk_build_maybe(&s->b, sk_build_text(&s->b, ".0", 2)));
}

/* A value inside of another waits in the queue. */
static sk_frag literal_part(schema *s, const sk_json *value)
{
    if (value->kind != SK_JSON_ARRAY && value->kind != SK_JSON_OBJECT)
        return sk_schema_literal(s, value);
    uint32_t rule = sk_build_rule(&s->b, NULL, 0, 0);
    schema_enqueue(s, (schema_job){rule, NULL, 0, value});
    return sk_build_call(&s->b, rule);
}

static sk_frag literal_nested(schema *s, const sk_json *value)
{
    sk_gram *b = &s->b;
    bool array = value->kind == SK_JSON_ARRAY;
    sk_frag f = sk_build_text(b, array ? "[" : "{", 1);
    f = sk_build_then(b, f, sk_schema_space(s));
    for (uint64_t i = 0; i < value->n && schema_ok(s); i++) {
        if (i > 0)
            f = sk_build_then(b, f, sk_schema_separator(s));
        if (!array) {
            const sk_json *key = &value->as.members[i].key;
            f = sk_build_then(b, f, sk_schema_quoted(s, key->as.text, key->n));
            f = sk_build_then(b, f, sk_schema_space(s));
            f = sk_build_then(b, f, sk_build_byte(b, ':', ':'));
            f = sk_build_then(b, f, sk_schema_space(s));
        }
        f = sk_build_then(
            b, f, literal_part(s, array ? &value->as.items[i] : &value->as.members[i].value));
    }
    if (value->n > 0)
        f = sk_build_then(b, f, sk_schema_space(s));
    return sk_build_then(b, f, sk_build_text(b, array ? "]" : "}", 1));
}

sk_frag sk_schema_literal(schema *s, const sk_json *value)
{
    sk_gram *b = &s->b;
    switch (value->kind) {
    case SK_JSON_NULL:
        return sk_build_text(b, "null", 4);
    case SK_JSON_BOOL:
        return value->as.truth ? sk_build_text(b, "true", 4) : sk_build_text(b, "false", 5);
    case SK_JSON_STRING:
        return sk_schema_quoted(s, value->as.text, value->n);
    case SK_JSON_ARRAY:
    case SK_JSON_OBJECT:
        return literal_nested(s, value);
    default:
        return literal_number(s, value);
    }
}

/* ---- Bodies --------------------------------------------------------------------------------- */

typedef struct schema_ways {
    sk_frag f;
    bool any;
} schema_ways;

static void schema_or(schema *s, schema_ways *ways, sk_frag f)
{
    ways->f = ways->any ? sk_build_either(&s->b, ways->f, f) : f;
    ways->any = true;
}

static sk_frag schema_list_values(schema *s, const schema_terms *own, const sk_json *list,
                                  uint64_t n)
{
    schema_ways ways = {.any = false};
    for (uint64_t i = 0; i < n && schema_ok(s); i++) {
        bool holds = true;
        for (uint32_t k = 0; k < own->n && holds && schema_ok(s); k++)
            holds = sk_schema_holds(s, own->items[k].schema, &list[i]);
        if (holds)
            schema_or(s, &ways, sk_schema_literal(s, &list[i]));
    }
    return ways.any ? ways.f : sk_build_never(&s->b);
}

/* Whether a value is none of those that are excluded. */
static bool schema_allows(const schema_terms *own, const sk_json *value)
{
    for (uint32_t i = 0; i < own->n; i++) {
        const sk_json *others = sk_schema_other_than(own->items[i].schema);
        for (uint64_t k = 0; others && k < others->n; k++)
            if (sk_schema_equal(&others->as.items[k], value))
                return false;
    }
    return true;
}

static sk_frag schema_by_type(schema *s, const schema_terms *own, uint32_t types)
{
    schema_ways ways = {.any = false};
    if (types & SCHEMA_OBJECT)
        schema_or(s, &ways, sk_schema_object(s, own));
    if (types & SCHEMA_ARRAY)
        schema_or(s, &ways, sk_schema_array(s, own));
    if (types & SCHEMA_STRING)
        schema_or(s, &ways, sk_schema_string(s, own));
    if (types & (SCHEMA_NUMBER | SCHEMA_INTEGER))
        schema_or(s, &ways, sk_schema_number(s, own, types));
    for (int truth = 0; truth < 2 && (types & SCHEMA_BOOLEAN); truth++)
        if (schema_allows(own, &(sk_json){.kind = SK_JSON_BOOL, .as.truth = truth}))
            schema_or(s, &ways, sk_build_text(&s->b, truth ? "true" : "false", truth ? 4 : 5));
    if ((types & SCHEMA_NULL) && schema_allows(own, &(sk_json){.kind = SK_JSON_NULL}))
        schema_or(s, &ways, sk_build_text(&s->b, "null", 4));
    return ways.any ? ways.f : sk_build_never(&s->b);
}

/* The values that one of the terms lists, or NULL. */
static const sk_json *schema_listed(schema *s, const schema_terms *own, uint64_t *n)
{
    const sk_json *found = NULL;
    for (uint32_t i = 0; i < own->n && !found; i++) {
        const sk_json *one = sk_schema_get(own->items[i].schema, "const");
        const sk_json *list = sk_schema_get(own->items[i].schema, "enum");
        if (list && list->kind != SK_JSON_ARRAY)
            sk_schema_wrong(s, "enum", "a list of values");
        *n = one ? 1 : list ? list->n : 0;
        found = one ? one : list && list->kind == SK_JSON_ARRAY ? list->as.items : NULL;
        if (list && list->kind == SK_JSON_ARRAY && list->n == 0)
            found = list; /* none of its values: n is 0 */
    }
    return found;
}

static sk_frag schema_own(schema *s, const schema_terms *own)
{
    uint32_t types = SCHEMA_ALL;
    uint64_t n = 0;
    for (uint32_t i = 0; i < own->n; i++) {
        types &= sk_schema_types(s, own->items[i].schema);
    }
    const sk_json *list = schema_listed(s, own, &n);
    if (!schema_ok(s))
        return (sk_frag){0, 0};
    return list ? schema_list_values(s, own, list, n) : schema_by_type(s, own, types);
}

/* ---- Choices -------------------------------------------------------------------------------- */

static void schema_member_terms(schema *s, const schema_terms *rest, const sk_json *member,
                                schema_terms *terms)
{
    *terms = *rest;
    sk_schema_add_term(s, terms, member, SCHEMA_WHOLE);
}

/* Adds to the terms of a oneOf's member that the value is of none of the others, where that is not
 * seen to be so anyway. */
static void schema_no_other(schema *s, const schema_terms *rest, const sk_json *list, uint64_t at,
                            schema_terms *terms)
{
    schema_terms one = *terms, other, flat_one, flat_other;
    const char *why;
    uint32_t n_near = 0;
    for (uint64_t k = 0; k < list->n && schema_ok(s); k++) {
        if (k == at)
            continue;
        schema_member_terms(s, rest, &list->as.items[k], &other);
        sk_schema_flatten(s, &one, &flat_one);
        sk_schema_flatten(s, &other, &flat_other);
        if (!schema_ok(s) || sk_schema_disjoint(s, &flat_one, &flat_other))
            continue;
        const sk_json *opposite = sk_schema_opposite(s, &list->as.items[k], "oneOf", &why);
        if (++n_near > SCHEMA_NEAR_MAX)
            sk_schema_refuse(s, "oneOf", "a value may be of too many of its schemas at once");
        else if (why)
            sk_schema_refuse(s, "oneOf", why);
        else if (schema_ok(s))
            sk_schema_add_term(s, terms, opposite, SCHEMA_WHOLE);
    }
}

static sk_frag schema_choose(schema *s, const schema_terms *flat, uint32_t at)
{
    schema_term choice = flat->items[at];
    bool one = choice.kind == SCHEMA_ONE_OF;
    const sk_json *list = sk_schema_get(choice.schema, one ? "oneOf" : "anyOf");
    schema_terms rest = *flat, terms;
    schema_ways ways = {.any = false};
    memmove(&rest.items[at], &rest.items[at + 1], (flat->n - at - 1) * sizeof *rest.items);
    rest.n--;
    if (one && list->n > SCHEMA_ONE_OF_MAX)
        sk_schema_refuse(s, "oneOf", "of more than 64 schemas");
    for (uint64_t i = 0; i < list->n && schema_ok(s); i++) {
        schema_member_terms(s, &rest, &list->as.items[i], &terms);
        if (one && list->n <= SCHEMA_ONE_OF_MAX)
            schema_no_other(s, &rest, list, i, &terms);
        if (!terms.never)
            schema_or(s, &ways, sk_build_call(&s->b, sk_schema_rule(s, &terms)));
    }
    return ways.any ? ways.f : sk_build_never(&s->b);
}

static sk_frag schema_body(schema *s, const schema_job *job)
{
    schema_terms terms, flat;
    if (job->literal)
        return sk_schema_literal(s, job->literal);
    if (job->n == SK_OP_NONE)
        return sk_build_never(&s->b);
    terms.n = job->n;
    terms.never = false;
    memcpy(terms.items, job->terms, job->n * sizeof *terms.items);
    sk_schema_flatten(s, &terms, &flat);
    if (!schema_ok(s) || flat.never)
        return sk_build_never(&s->b);
    for (uint32_t i = 0; i < flat.n; i++)
        if (flat.items[i].kind != SCHEMA_OWN)
            return schema_choose(s, &flat, i);
    return schema_own(s, &flat);
}

/* ---- The whole ------------------------------------------------------------------------------ */

static sk_frag schema_root(schema *s)
{
    static const sk_json_member type = {{.kind = SK_JSON_STRING, .n = 4, .as.text = "type"},
                                        {.kind = SK_JSON_STRING, .n = 6, .as.text = "object"}};
    schema_terms terms = {.n = 0};
    s->is_loose = sk_schema_is_true(&s->root);
    if (s->root.kind == SK_JSON_OBJECT && s->root.n == 0)
        s->root = (sk_json){.kind = SK_JSON_OBJECT, .n = 1, .as.members = &type};
    sk_schema_add_term(s, &terms, &s->root, SCHEMA_WHOLE);
    sk_frag f = sk_build_call(&s->b, sk_schema_rule(s, &terms));
    if (s->is_loose)
        f = sk_build_then(&s->b, sk_build_then(&s->b, sk_schema_space(s), f), sk_schema_space(s));
    return f;
}

static int32_t schema_compile(schema *s, sk_grammar **out)
{
    uint32_t root = sk_build_rule(&s->b, NULL, 0, 0);
    sk_schema_ref_init(s);
    sk_build_body(&s->b, root, schema_root(s));
    while (schema_ok(s) && s->n_jobs > 0) {
        schema_job job = s->jobs[--s->n_jobs];
        sk_build_body(&s->b, job.rule, schema_body(s, &job));
    }
    return sk_build_finish(&s->b, out, "json_schema");
}

int32_t sk_grammar_from_schema(sk_grammar **out, sk_heap *heap, const char *text, uint64_t n,
                               const char *ignored, sk_error *error)
{
    schema s = {.error = error, .ignored = ignored ? ignored : ""};
    sk_error read;
    *out = NULL;
    sk_gram_init(&s.b, heap, error);
    sk_arena_init(&s.arena, heap, SCHEMA_ARENA);
    int32_t status = sk_json_read(&s.arena, text, n, &s.root, &read);
    if (status < 0)
        status = sk_fail(error, status == SKALD_E_CORRUPT ? SKALD_E_OPTION : status,
                         "json_schema: %s", read.text);
    if (status == SKALD_OK)
        status = sk_itempool_init(&s.sets, heap, error);
    if (status == SKALD_OK)
        status = schema_compile(&s, out);
    sk_itempool_free(&s.sets);
    sk_free(heap, s.set_rules);
    sk_free(heap, s.jobs);
    sk_free(heap, s.made);
    sk_arena_free(&s.arena);
    sk_gram_free(&s.b);
    return status;
}

#undef SCHEMA_ARENA
