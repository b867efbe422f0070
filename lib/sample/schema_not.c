/* SPDX-License-Identifier: MIT */
/*
 * What is not a schema, as a schema. A grammar has no word for "not", so it is moved inwards until
 * it stands before what has an opposite: not {"minLength": 3} is a string of at most 2 or no
 * string, not
 * {"properties": {"a": S}} an object that has an "a" which is not S, and so on; of several keywords
 * one has to fail, which is a choice. By it if, oneOf and what depends on keys are choices as well.
 *
 * The opposites are values of the schema's arena, made when they are asked for and remembered, so
 * that a schema that refers to itself comes to an end. What has no opposite here (a pattern,
 * uniqueItems, ...) is refused. Words of our own among these values have a `flavour`, which nothing
 * that was read has.
 */
#include "base/portable.h"

#include "sample/schema_not.h"

#include <string.h>

enum { NOT_MOST = 4096, NOT_ONE_OF = 8 };

/* ---- Making values -------------------------------------------------------------------------- */

typedef struct not_pair {
    const char *key;
    sk_json value;
} not_pair;

static const sk_json not_true = {.kind = SK_JSON_BOOL, .as.truth = true};
static const sk_json not_false = {.kind = SK_JSON_BOOL, .as.truth = false};

static sk_json not_text(const char *text, uint8_t flavour)
{
    return (sk_json){
        .kind = SK_JSON_STRING, .flavour = flavour, .n = strlen(text), .as.text = text};
}

static sk_json not_count(uint64_t n)
{
    return (sk_json){.kind = SK_JSON_INT, .as.i = (int64_t)n};
}

static sk_json not_array(schema *s, const sk_json *items, uint64_t n)
{
    sk_json *copy = sk_arena_array(&s->arena, n + 1, sizeof *copy, "a JSON schema", s->error);
    if (!copy) {
        s->b.status = SKALD_E_MEMORY;
        return not_true;
    }
    memcpy(copy, items, (size_t)n * sizeof *copy);
    return (sk_json){.kind = SK_JSON_ARRAY, .n = n, .as.items = copy};
}

static sk_json not_object(schema *s, const not_pair *pairs, uint64_t n)
{
    sk_json_member *members =
        sk_arena_array(&s->arena, n + 1, sizeof *members, "a JSON schema", s->error);
    if (!members) {
        s->b.status = SKALD_E_MEMORY;
        return not_true;
    }
    for (uint64_t i = 0; i < n; i++)
        members[i] = (sk_json_member){not_text(pairs[i].key, 0), pairs[i].value};
    return (sk_json){.kind = SK_JSON_OBJECT, .n = n, .as.members = members};
}

#define NOT_OBJECT(s, ...) \
    not_object(s, (const not_pair[]){__VA_ARGS__}, \
               sizeof((const not_pair[]){__VA_ARGS__}) / sizeof(not_pair))

/* A key's own schema among an object's properties. */
static sk_json not_property(schema *s, const sk_json *key, sk_json value)
{
    sk_json object = NOT_OBJECT(s, {"", value});
    if (schema_ok(s))
        ((sk_json_member *)(uintptr_t)object.as.members)[0].key = *key;
    return object;
}

/* As an array, so that an object's keys are not taken to be all that there are. */
static sk_json not_type(schema *s, const char *type)
{
    sk_json name = not_text(type, 0);
    return not_array(s, &name, 1);
}

static const char *const not_causes[] = {
    "not", "if", "oneOf", "dependentRequired", "dependentSchemas", "dependencies", "contains"};

/* {"not": value}, because of a keyword. */
static sk_json not_wrap(schema *s, sk_json value, const char *cause)
{
    sk_json wrapped = NOT_OBJECT(s, {"not", value});
    for (uint8_t i = 0; i < sizeof not_causes / sizeof *not_causes && schema_ok(s); i++)
        if (strcmp(not_causes[i], cause) == 0)
            ((sk_json_member *)(uintptr_t)wrapped.as.members)[0].key.flavour = i;
    return wrapped;
}

/* ---- Choices -------------------------------------------------------------------------------- */

/* The opposites found so far of one schema. */
typedef struct not_ways {
    schema *s;
    const sk_json *own;
    const char *cause;
    sk_json *items; /* owned, [n] */
    uint64_t n, capacity;
    const char *why; /* NULL, or why there is an opposite that cannot be told */
} not_ways;

static void not_add(not_ways *w, sk_json way)
{
    void *items = w->items;
    schema *s = w->s;
    if (schema_ok(s))
        s->b.status = sk_grow(s->b.heap, &items, &w->capacity, w->n + 1, sizeof way,
                              "a JSON schema", s->error);
    w->items = items;
    if (schema_ok(s))
        w->items[w->n++] = way;
}

/* ---- The opposites of keywords -------------------------------------------------------------- */

static void not_types(not_ways *w, const sk_json *value)
{
    static const struct {
        const char *name;
        uint32_t bits;
        uint8_t flavour;
    } names[] = {{"null", SCHEMA_NULL, 0},
                 {"boolean", SCHEMA_BOOLEAN, 0},
                 {"object", SCHEMA_OBJECT, 0},
                 {"array", SCHEMA_ARRAY, 0},
                 {"string", SCHEMA_STRING, 0},
                 {"integer", SCHEMA_INTEGER, 0},
                 {"number", SCHEMA_NUMBER, SCHEMA_NO_INTEGER}};
    sk_json list[sizeof names / sizeof *names];
    uint64_t n = 0;
    (void)value;
    uint32_t left = SCHEMA_ALL & ~sk_schema_types(w->s, w->own);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (left & names[i].bits)
            list[n++] = not_text(names[i].name, names[i].flavour);
    if (n > 0)
        not_add(w, NOT_OBJECT(w->s, {"type", not_array(w->s, list, n)}));
}

/* A value of another type than those listed, or of theirs but none of them. */
static void not_values(not_ways *w, const sk_json *values, uint64_t n)
{
    schema *s = w->s;
    for (uint64_t i = 0; i < n; i++)
        if (values[i].kind == SK_JSON_ARRAY || values[i].kind == SK_JSON_OBJECT)
            w->why = "arrays and objects that are listed cannot be excluded";
    sk_json way = NOT_OBJECT(s, {"otherThan", not_array(s, values, n)});
    if (schema_ok(s))
        ((sk_json_member *)(uintptr_t)way.as.members)[0].key.flavour = SCHEMA_OTHER_THAN;
    not_add(w, way);
}

static void not_required(not_ways *w, const sk_json *value)
{
    for (uint64_t i = 0; value->kind == SK_JSON_ARRAY && i < value->n; i++)
        not_add(w, NOT_OBJECT(w->s, {"type", not_type(w->s, "object")},
                              {"properties", not_property(w->s, &value->as.items[i], not_false)}));
}

static void not_properties(not_ways *w, const sk_json *value)
{
    for (uint64_t i = 0; value->kind == SK_JSON_OBJECT && i < value->n && schema_ok(w->s); i++) {
        const sk_json_member *m = &value->as.members[i];
        if (!sk_schema_is_true(&m->value))
            not_add(w,
                    NOT_OBJECT(w->s, {"type", not_type(w->s, "object")},
                               {"required", not_array(w->s, &m->key, 1)},
                               {"properties",
                                not_property(w->s, &m->key, not_wrap(w->s, m->value, w->cause))}));
    }
}

/* One of the first places has another value. */
static void not_prefix(not_ways *w, const char *keyword, const sk_json *value)
{
    schema *s = w->s;
    sk_json places[64];
    if (value->n > 64)
        w->why = "more than 64 places";
    for (uint64_t i = 0; i < value->n && i < 64 && schema_ok(s); i++) {
        places[i] = not_wrap(s, value->as.items[i], w->cause);
        if (!sk_schema_is_true(&value->as.items[i]))
            not_add(w, NOT_OBJECT(s, {"type", not_type(s, "array")}, {"minItems", not_count(i + 1)},
                                  {keyword, not_array(s, places, i + 1)}));
        places[i] = not_true;
    }
}

/* An item beyond the places that have schemas of their own. */
static void not_rest(not_ways *w, const sk_json *value, uint64_t n_prefix)
{
    schema *s = w->s;
    if (sk_schema_is_true(value))
        return;
    if (value->kind == SK_JSON_BOOL)
        not_add(w, NOT_OBJECT(s, {"type", not_type(s, "array")},
                              {"minItems", not_count(n_prefix + 1)}));
    else if (n_prefix > 0)
        w->why = "an item behind others that is not as its schema says";
    else
        not_add(w, NOT_OBJECT(s, {"type", not_type(s, "array")},
                              {"contains", not_wrap(s, *value, w->cause)}));
}

static void not_items(not_ways *w, const sk_json *value)
{
    const sk_json *prefix = sk_schema_get(w->own, "prefixItems"),
                  *more = sk_schema_get(w->own, "additionalItems");
    if (value->kind != SK_JSON_ARRAY) {
        not_rest(w, value, prefix && prefix->kind == SK_JSON_ARRAY ? prefix->n : 0);
        return;
    }
    not_prefix(w, "items", value);
    if (more)
        not_rest(w, more, value->n);
}

static void not_contains(not_ways *w, const sk_json *value)
{
    schema *s = w->s;
    uint64_t least = 1, most;
    sk_schema_count(s, w->own, "minContains", &least);
    if (least == 1)
        not_add(w, NOT_OBJECT(s, {"type", not_type(s, "array")},
                              {"items", not_wrap(s, *value, w->cause)}));
    else if (least > 1)
        not_add(w,
                NOT_OBJECT(s, {"type", not_type(s, "array")}, {"contains", *value},
                           {"minContains", not_count(0)}, {"maxContains", not_count(least - 1)}));
    if (sk_schema_count(s, w->own, "maxContains", &most))
        not_add(w, NOT_OBJECT(s, {"type", not_type(s, "array")}, {"contains", *value},
                              {"minContains", not_count(most + 1)}));
}

/* Each of a list, or each but two. */
static sk_json not_each(not_ways *w, const sk_json *list)
{
    schema *s = w->s;
    sk_json *all = sk_arena_array(&s->arena, list->n + 1, sizeof *all, "a JSON schema", s->error);
    if (!all) {
        s->b.status = SKALD_E_MEMORY;
        return not_true;
    }
    for (uint64_t i = 0; i < list->n; i++)
        all[i] = not_wrap(s, list->as.items[i], w->cause);
    return NOT_OBJECT(s, {"allOf", not_array(s, all, list->n)});
}

static void not_one_of(not_ways *w, const sk_json *value)
{
    if (value->n > NOT_ONE_OF) {
        w->why = "a oneOf of more than 8 schemas";
        return;
    }
    not_add(w, not_each(w, value));
    for (uint64_t i = 0; i < value->n; i++)
        for (uint64_t k = i + 1; k < value->n; k++) {
            sk_json both[2] = {value->as.items[i], value->as.items[k]};
            not_add(w, NOT_OBJECT(w->s, {"allOf", not_array(w->s, both, 2)}));
        }
}

static void not_if(not_ways *w, const sk_json *value)
{
    schema *s = w->s;
    const sk_json *then = sk_schema_get(w->own, "then"), *other = sk_schema_get(w->own, "else");
    sk_json both[2] = {*value, then ? not_wrap(s, *then, w->cause) : not_false};
    if (then)
        not_add(w, NOT_OBJECT(s, {"allOf", not_array(s, both, 2)}));
    both[0] = not_wrap(s, *value, w->cause);
    both[1] = other ? not_wrap(s, *other, w->cause) : not_false;
    if (other)
        not_add(w, NOT_OBJECT(s, {"allOf", not_array(s, both, 2)}));
}

/* An object with the key, which is not what then is wanted. */
static void not_dependent(not_ways *w, const sk_json *value)
{
    schema *s = w->s;
    for (uint64_t i = 0; value->kind == SK_JSON_OBJECT && i < value->n && schema_ok(s); i++) {
        const sk_json_member *m = &value->as.members[i];
        sk_json wanted = m->value;
        if (wanted.kind == SK_JSON_ARRAY)
            wanted = NOT_OBJECT(s, {"required", wanted});
        not_add(w, NOT_OBJECT(s, {"type", not_type(s, "object")},
                              {"required", not_array(s, &m->key, 1)}, {"not", wanted}));
    }
}

/* Where the opposite of a number's bound begins. */
static bool not_bounds(not_ways *w, const char *name, const sk_json *value)
{
    static const struct {
        const char *name, *opposite, *type;
        int step; /* of a count; 0: the value itself */
    } rows[] = {
        {"minimum", "exclusiveMaximum", "number", 0},
        {"maximum", "exclusiveMinimum", "number", 0},
        {"exclusiveMinimum", "maximum", "number", 0},
        {"exclusiveMaximum", "minimum", "number", 0},
        {"minLength", "maxLength", "string", -1},
        {"maxLength", "minLength", "string", 1},
        {"minItems", "maxItems", "array", -1},
        {"maxItems", "minItems", "array", 1},
        {"minProperties", "maxProperties", "object", -1},
        {"maxProperties", "minProperties", "object", 1},
    };
    schema *s = w->s;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t count;
        if (strcmp(rows[i].name, name) != 0)
            continue;
        sk_json opposite = *value;
        if (value->kind == SK_JSON_BOOL)
            w->why = "an exclusiveMinimum of draft 4";
        if (rows[i].step != 0) {
            if (!sk_schema_count(s, w->own, name, &count) || (rows[i].step < 0 && count == 0))
                return true; /* it never fails */
            opposite = not_count(rows[i].step < 0 ? count - 1 : count + 1);
        }
        not_add(w,
                NOT_OBJECT(s, {"type", not_type(s, rows[i].type)}, {rows[i].opposite, opposite}));
        return true;
    }
    return false;
}

/* Keywords whose failing cannot be told, unless they say nothing. */
static void not_other(not_ways *w, const char *name, const sk_json *value)
{
    static const char *const untold[] = {
        "pattern",           "format",        "multipleOf",           "uniqueItems",
        "patternProperties", "propertyNames", "additionalProperties", "unevaluatedProperties",
        "unevaluatedItems",  "$dynamicRef",   "$recursiveRef"};
    bool is_unique = strcmp(name, "uniqueItems") == 0 && value->kind == SK_JSON_BOOL;
    bool says_nothing = is_unique ? !value->as.truth : sk_schema_is_true(value);
    for (size_t i = 0; i < sizeof untold / sizeof *untold && !says_nothing; i++)
        if (strcmp(untold[i], name) == 0)
            w->why = untold[i];
}

static void not_keyword(not_ways *w, const char *name, const sk_json *value)
{
    schema *s = w->s;
    const bool is_list = value->kind == SK_JSON_ARRAY;
    if (strcmp(name, "type") == 0)
        not_types(w, value);
    else if (strcmp(name, "const") == 0)
        not_values(w, value, 1);
    else if (strcmp(name, "enum") == 0 && is_list)
        not_values(w, value->as.items, value->n);
    else if (strcmp(name, "required") == 0)
        not_required(w, value);
    else if (strcmp(name, "properties") == 0)
        not_properties(w, value);
    else if (strcmp(name, "prefixItems") == 0 && is_list)
        not_prefix(w, "prefixItems", value); /* a text that stays */
    else if (strcmp(name, "items") == 0)
        not_items(w, value);
    else if (strcmp(name, "contains") == 0)
        not_contains(w, value);
    else if (strcmp(name, "allOf") == 0 && is_list)
        for (uint64_t i = 0; i < value->n; i++)
            not_add(w, not_wrap(s, value->as.items[i], w->cause));
    else if (strcmp(name, "anyOf") == 0 && is_list)
        not_add(w, not_each(w, value));
    else if (strcmp(name, "oneOf") == 0 && is_list)
        not_one_of(w, value);
    else if (strcmp(name, "not") == 0)
        not_add(w, *value);
    else if (strcmp(name, "if") == 0)
        not_if(w, value);
    else if (strcmp(name, "$ref") == 0)
        not_add(w, not_wrap(s, NOT_OBJECT(s, {"$ref", *value}), w->cause));
    else if (strncmp(name, "depende", 7) == 0)
        not_dependent(w, value);
    else if (!not_bounds(w, name, value))
        not_other(w, name, value);
}

/* ---- The opposite of a schema --------------------------------------------------------------- */

static const sk_json *not_keep(schema *s, sk_json value)
{
    sk_json *kept = sk_arena_alloc(&s->arena, sizeof *kept, "a JSON schema", s->error);
    if (!kept) {
        s->b.status = SKALD_E_MEMORY;
        return &not_true;
    }
    *kept = value;
    return kept;
}

static const sk_json *not_make(schema *s, const sk_json *own, const char *cause, const char **why)
{
    not_ways w = {.s = s, .own = own, .cause = cause};
    for (uint64_t i = 0; i < own->n && schema_ok(s); i++) {
        const sk_json_member *m = &own->as.members[i];
        char name[32];
        if (m->key.flavour == SCHEMA_OTHER_THAN && m->key.n == 9) {
            not_add(&w, NOT_OBJECT(s, {"enum", m->value}));
            continue;
        }
        if (m->key.n >= sizeof name)
            continue;
        memcpy(name, m->key.as.text, (size_t)m->key.n);
        name[m->key.n] = 0;
        not_keyword(&w, name, &m->value);
    }
    *why = w.why;
    const sk_json *made = &not_false;
    if (w.why)
        made = NULL;
    else if (w.n == 1)
        made = not_keep(s, w.items[0]);
    else if (w.n > 1)
        made = not_keep(s, NOT_OBJECT(s, {"anyOf", not_array(s, w.items, w.n)}));
    sk_free(s->b.heap, w.items);
    return made;
}

/* What was made of a schema before, by a number of its own for each thing that may be made. */
static schema_made *not_find(const schema *s, const sk_json *own, uint32_t what)
{
    for (uint64_t i = 0; i < s->n_made; i++)
        if (s->made[i].members == own->as.members && s->made[i].what == what)
            return &s->made[i];
    return NULL;
}

static schema_made *not_new(schema *s, const sk_json *own, uint32_t what)
{
    void *made = s->made;
    if (s->n_made == NOT_MOST && schema_ok(s))
        s->b.status = sk_fail(s->error, SKALD_E_OPTION,
                              "json_schema: more than %d schemas are to be turned round", NOT_MOST);
    if (schema_ok(s))
        s->b.status = sk_grow(s->b.heap, &made, &s->made_capacity, s->n_made + 1, sizeof *s->made,
                              "a JSON schema", s->error);
    s->made = made;
    if (!schema_ok(s))
        return NULL;
    s->made[s->n_made] = (schema_made){own->as.members, what, &not_true, NULL};
    return &s->made[s->n_made++];
}

/* The schema that one stands for which is nothing but a reference; a chain of them ends somewhere,
 * or is left to the rules, which see that it has no beginning. */
static const sk_json *not_follow(schema *s, const sk_json *own)
{
    for (int i = 0; i < 64 && own && own->kind == SK_JSON_OBJECT && schema_ok(s); i++) {
        const sk_json *ref = sk_schema_get(own, "$ref");
        if (!ref || ref->kind != SK_JSON_STRING || (own->n > 1 && !s->ref_alone))
            return own;
        own = sk_schema_ref(s, ref);
    }
    return own;
}

const sk_json *sk_schema_opposite(schema *s, const sk_json *own, const char *cause,
                                  const char **why)
{
    *why = NULL;
    own = not_follow(s, own);
    if (!own || !schema_ok(s))
        return &not_true;
    if (own->kind == SK_JSON_BOOL)
        return own->as.truth ? &not_false : &not_true;
    if (own->kind != SK_JSON_OBJECT) {
        sk_schema_wrong(s, "a schema", "an object, true or false");
        return &not_true;
    }
    const schema_made *known = not_find(s, own, 0);
    if (!known) {
        const char *reason;
        const sk_json *made = not_make(s, own, cause, &reason);
        schema_made *fresh = not_new(s, own, 0);
        if (!fresh)
            return &not_true;
        fresh->value = made;
        fresh->why = reason;
        known = fresh;
    }
    *why = known->why;
    return known->value;
}

const char *const sk_schema_choices[] = {
    "if",           "dependentRequired",     "dependentSchemas",
    "dependencies", "unevaluatedProperties", "unevaluatedItems"};
enum { CHOICE_IF = 0, CHOICE_REST = 4 };

/* ---- Keywords that are choices -------------------------------------------------------------- */

static sk_json not_conditional(schema *s, const sk_json *own, const sk_json *condition)
{
    const sk_json *then = sk_schema_get(own, "then"), *other = sk_schema_get(own, "else");
    sk_json holds[2] = {*condition, then ? *then : not_true};
    sk_json fails[2] = {not_wrap(s, *condition, "if"), other ? *other : not_true};
    sk_json ways[2] = {NOT_OBJECT(s, {"allOf", not_array(s, holds, 2)}),
                       NOT_OBJECT(s, {"allOf", not_array(s, fails, 2)})};
    return NOT_OBJECT(s, {"anyOf", not_array(s, ways, 2)});
}

/* For each key: it is not there, or what then is wanted. */
static sk_json not_depending(schema *s, const sk_json *value)
{
    sk_json *all = sk_arena_array(&s->arena, value->n + 1, sizeof *all, "a JSON schema", s->error);
    if (!all) {
        s->b.status = SKALD_E_MEMORY;
        return not_true;
    }
    for (uint64_t i = 0; i < value->n && schema_ok(s); i++) {
        const sk_json_member *m = &value->as.members[i];
        sk_json wanted = m->value;
        if (wanted.kind == SK_JSON_ARRAY)
            wanted = NOT_OBJECT(s, {"required", wanted});
        /* Keys come in the order in which they are named, and here that may be either. */
        sk_json first[2] = {wanted, NOT_OBJECT(s, {"required", not_array(s, &m->key, 1)})};
        sk_json last[2] = {first[1], wanted};
        sk_json ways[3] = {NOT_OBJECT(s, {"properties", not_property(s, &m->key, not_false)}),
                           NOT_OBJECT(s, {"allOf", not_array(s, first, 2)}),
                           NOT_OBJECT(s, {"allOf", not_array(s, last, 2)})};
        all[i] = NOT_OBJECT(s, {"anyOf", not_array(s, ways, 3)});
    }
    return NOT_OBJECT(s, {"allOf", not_array(s, all, value->n)});
}

sk_json sk_schema_all_of(schema *s, const sk_json *list, uint64_t n)
{
    return n ? NOT_OBJECT(s, {"allOf", not_array(s, list, n)}) : not_true;
}

sk_json sk_schema_any_of(schema *s, const sk_json *list, uint64_t n)
{
    return NOT_OBJECT(s, {"anyOf", not_array(s, list, n)});
}

sk_json sk_schema_negated(schema *s, const sk_json *own, const char *cause)
{
    return not_wrap(s, *own, cause);
}

sk_json sk_schema_closing(schema *s, const sk_json *const *names, uint64_t n, const sk_json *rest)
{
    sk_json *items = sk_arena_array(&s->arena, n + 1, sizeof *items, "a JSON schema", s->error);
    sk_json_member *members =
        sk_arena_array(&s->arena, n + 1, sizeof *members, "a JSON schema", s->error);
    if (!items || !members) {
        s->b.status = SKALD_E_MEMORY;
        return not_true;
    }
    for (uint64_t i = 0; i < n; i++) {
        items[i] = not_true;
        if (names)
            members[i] = (sk_json_member){*names[i], not_true};
    }
    if (!names)
        return NOT_OBJECT(s, {"prefixItems", not_array(s, items, n)}, {"items", *rest});
    sk_json properties = {.kind = SK_JSON_OBJECT, .n = n, .as.members = members};
    return NOT_OBJECT(s, {"properties", properties}, {"additionalProperties", *rest});
}

/* Whether a schema evaluates its value beside its own keywords. */
bool sk_schema_evaluates(const sk_json *own)
{
    static const char *const others[] = {"$ref", "$dynamicRef",      "allOf",   "anyOf", "oneOf",
                                         "if",   "dependentSchemas", "contains"};
    for (size_t k = 0; k < sizeof others / sizeof *others; k++)
        if (sk_schema_get(own, others[k]))
            return true;
    return false;
}

/* What a keyword stands for; false: nothing. */
static bool not_translate(schema *s, const sk_json *own, uint32_t what, const char *keyword,
                          sk_json *out)
{
    const sk_json *value = sk_schema_get(own, keyword);
    if (!value)
        return false;
    if (what == CHOICE_IF) {
        if (!sk_schema_get(own, "then") && !sk_schema_get(own, "else"))
            return false;
        *out = not_conditional(s, own, value);
    } else if (what >= CHOICE_REST) {
        return !sk_schema_is_true(value) && sk_schema_evaluates(own) &&
               sk_schema_rest(s, own, keyword, out);
    } else {
        if (value->kind != SK_JSON_OBJECT || value->n == 0)
            return false;
        *out = not_depending(s, value);
    }
    return true;
}

const sk_json *sk_schema_choice(schema *s, const sk_json *own, uint32_t what)
{
    schema_made *made = not_find(s, own, what + 1);
    if (!made) {
        sk_json fresh;
        const sk_json *kept = not_translate(s, own, what, sk_schema_choices[what], &fresh)
                                  ? not_keep(s, fresh)
                                  : NULL;
        made = not_new(s, own, what + 1);
        if (made)
            made->value = kept;
    }
    return made ? made->value : NULL;
}

const char *sk_schema_cause(const sk_json *own)
{
    for (uint64_t i = 0; i < own->n; i++)
        if (sk_schema_is_text(&own->as.members[i].key, "not"))
            return not_causes[own->as.members[i].key.flavour];
    return not_causes[0];
}

#undef NOT_OBJECT
