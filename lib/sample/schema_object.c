/* SPDX-License-Identifier: MIT */
/*
 * What a schema says of objects. Listed keys come in the order in which the schema lists them,
 * optional ones may be left out; keys that are not listed may stand anywhere between, where they
 * are allowed at all.
 *
 * An object is a grid of places: how many of the listed keys were passed, and how many members were
 * written, counted only as far as that matters: for the first comma, minProperties, maxProperties.
 */
#include "base/portable.h"

#include "sample/schema_int.h"

#include <string.h>

enum { OBJECT_KEYS = 2000, OBJECT_COUNT = 64 };

typedef struct object_key {
    const sk_json *name;
    bool required;
    uint32_t member; /* the rule of "name": value; 0: no value would do */
} object_key;

typedef struct object_shape {
    object_key *keys; /* [n], of the arena */
    uint64_t n, capacity;
    uint64_t min, max;
    bool open;              /* keys that are not listed are allowed */
    uint32_t other;         /* the rule of a member with such a key */
    const sk_json *pattern; /* which such keys match; NULL: any */
    const sk_json *names;   /* what all keys are, or NULL */
} object_shape;

/* ---- Listed keys ---------------------------------------------------------------------------- */

static object_key *object_find(const object_shape *shape, const sk_json *name)
{
    for (uint64_t i = 0; i < shape->n; i++)
        if (shape->keys[i].name->n == name->n &&
            memcmp(shape->keys[i].name->as.text, name->as.text, (size_t)name->n) == 0)
            return &shape->keys[i];
    return NULL;
}

static object_key *object_list(schema *s, object_shape *shape, const sk_json *name)
{
    object_key *found = object_find(shape, name);
    if (found || !schema_ok(s))
        return found;
    if (shape->n == OBJECT_KEYS) {
        sk_schema_refuse(s, "properties", "more than 2000 keys");
        s->b.status = s->b.status < 0 ? s->b.status : SKALD_E_OPTION; /* there is no room */
        return NULL;
    }
    if (shape->n == shape->capacity) {
        uint64_t capacity = shape->capacity ? 4 * shape->capacity : 16;
        object_key *keys =
            sk_arena_array(&s->arena, capacity, sizeof *keys, "a JSON schema", s->error);
        if (!keys) {
            s->b.status = SKALD_E_MEMORY;
            return NULL;
        }
        if (shape->n)
            memcpy(keys, shape->keys, (size_t)shape->n * sizeof *keys);
        shape->keys = keys;
        shape->capacity = capacity;
    }
    shape->keys[shape->n] = (object_key){.name = name};
    return &shape->keys[shape->n++];
}

static void object_list_all(schema *s, object_shape *shape, const sk_json *own)
{
    const sk_json *properties = sk_schema_get(own, "properties");
    const sk_json *required = sk_schema_get(own, "required");
    if (properties && properties->kind != SK_JSON_OBJECT)
        sk_schema_wrong(s, "properties", "an object");
    else if (properties)
        for (uint64_t i = 0; i < properties->n && schema_ok(s); i++)
            object_list(s, shape, &properties->as.members[i].key);
    if (!required || required->kind == SK_JSON_BOOL) /* draft 3 had a flag of that name */
        return;
    for (uint64_t i = 0; required->kind == SK_JSON_ARRAY && i < required->n && schema_ok(s); i++) {
        const sk_json *name = &required->as.items[i];
        object_key *key = name->kind == SK_JSON_STRING ? object_list(s, shape, name) : NULL;
        if (key)
            key->required = true;
        else
            sk_schema_wrong(s, "required", "a list of keys");
    }
}

/* ---- Keys that are not listed --------------------------------------------------------------- */

/* Where the schema of such keys is: additionalProperties, or what stands in for it. */
static const sk_json *object_rest(const sk_json *own)
{
    const sk_json *rest = sk_schema_get(own, "additionalProperties");
    return rest || sk_schema_evaluates(own) ? rest : sk_schema_get(own, "unevaluatedProperties");
}

static bool object_is_false(const sk_json *value)
{
    return value && value->kind == SK_JSON_BOOL && !value->as.truth;
}

/* The one pattern of an object's keys that counts; those that match it are the only ones beside
 * the listed. */
static void object_patterns(schema *s, object_shape *shape, const sk_json *own)
{
    const sk_json *patterns = sk_schema_get(own, "patternProperties");
    if (!patterns || patterns->kind != SK_JSON_OBJECT || patterns->n == 0)
        return;
    if (patterns->n > 1 || shape->pattern || !object_is_false(object_rest(own)))
        sk_schema_refuse(s, "patternProperties",
                         "it is enforced for one pattern, with additionalProperties false");
    else
        shape->pattern = &patterns->as.members[0].key;
}

static void object_names(schema *s, object_shape *shape, const sk_json *own)
{
    const sk_json *names = sk_schema_get(own, "propertyNames");
    if (!names || (names->kind == SK_JSON_BOOL && names->as.truth))
        return;
    if (shape->names || shape->pattern || shape->n > 0)
        sk_schema_refuse(s, "propertyNames", "beside other keywords about keys");
    else
        shape->names = names;
}

/* A schema that says it is an object and lists its properties, and nothing of any others, means
 * these: so are such schemas written where output is wanted. */
static bool object_is_listing(const sk_json *own)
{
    const sk_json *properties = sk_schema_get(own, "properties");
    return sk_schema_is_text(sk_schema_get(own, "type"), "object") && properties &&
           properties->n > 0;
}

static void object_gather(schema *s, const schema_terms *own, object_shape *shape)
{
    bool listing = false, said = false;
    for (uint32_t i = 0; i < own->n; i++)
        object_list_all(s, shape, own->items[i].schema);
    shape->open = true;
    for (uint32_t i = 0; i < own->n && schema_ok(s); i++) {
        const sk_json *at = own->items[i].schema, *rest = object_rest(at);
        uint64_t count;
        if (sk_schema_count(s, at, "minProperties", &count) && count > shape->min)
            shape->min = count;
        if (sk_schema_count(s, at, "maxProperties", &count) && count < shape->max)
            shape->max = count;
        object_patterns(s, shape, at);
        object_names(s, shape, at);
        listing |= object_is_listing(at);
        said |= rest || sk_schema_get(at, "patternProperties");
        shape->open &= !object_is_false(rest) || shape->pattern;
    }
    if (listing && !said)
        shape->open = false;
    if (shape->names && object_is_false(shape->names))
        shape->open = false;
}

/* ---- Members -------------------------------------------------------------------------------- */

static sk_frag object_colon(schema *s)
{
    sk_frag f = sk_build_then(&s->b, sk_schema_space(s), sk_build_byte(&s->b, ':', ':'));
    return sk_build_then(&s->b, f, sk_schema_space(s));
}

/* Whether a listed key is one that the pattern's schema binds as well. */
static void object_check_pattern(schema *s, const object_shape *shape, const sk_json *own,
                                 const sk_json *name)
{
    const sk_json *patterns = sk_schema_get(own, "patternProperties");
    sk_json_member pattern = {.key = {.kind = SK_JSON_STRING, .n = 7, .as.text = "pattern"}};
    if (!shape->pattern || !patterns || patterns->n == 0 || !schema_ok(s))
        return;
    pattern.value = *shape->pattern;
    sk_json probe = {.kind = SK_JSON_OBJECT, .n = 1, .as.members = &pattern};
    if (sk_schema_string_holds(s, &probe, name))
        sk_schema_refuse(s, "patternProperties", "the pattern matches a key that is listed");
}

/* What all schemas say of the value of a key; `name` NULL: of those that are not listed. */
static void object_value_terms(schema *s, const object_shape *shape, const schema_terms *own,
                               const sk_json *name, schema_terms *terms)
{
    for (uint32_t i = 0; i < own->n; i++) {
        const sk_json *at = own->items[i].schema, *rest = object_rest(at);
        const sk_json *properties = sk_schema_get(at, "properties");
        const sk_json *patterns = sk_schema_get(at, "patternProperties");
        const sk_json *listed =
            name && properties ? sk_json_get(properties, name->as.text, name->n) : NULL;
        if (name)
            object_check_pattern(s, shape, at, name);
        if (listed)
            sk_schema_add_term(s, terms, listed, SCHEMA_WHOLE);
        else if (!name && patterns && patterns->n > 0 && shape->pattern)
            sk_schema_add_term(s, terms, &patterns->as.members[0].value, SCHEMA_WHOLE);
        else if (rest)
            sk_schema_add_term(s, terms, rest, SCHEMA_WHOLE);
    }
}

static uint32_t object_member(schema *s, sk_frag key, const schema_terms *terms)
{
    uint32_t rule = sk_build_rule(&s->b, NULL, 0, 0);
    sk_frag f = sk_build_then(&s->b, key, object_colon(s));
    sk_build_body(&s->b, rule,
                  sk_build_then(&s->b, f, sk_build_call(&s->b, sk_schema_rule(s, terms))));
    return rule;
}

/* A string as one keyword, or a schema, says. */
static sk_frag object_string_of(schema *s, const char *keyword, const sk_json *value)
{
    static const sk_json text = {.kind = SK_JSON_STRING, .n = 6, .as.text = "string"};
    sk_json_member *members =
        sk_arena_array(&s->arena, 2, sizeof *members, "a JSON schema", s->error);
    sk_json *made = sk_arena_alloc(&s->arena, sizeof *made, "a JSON schema", s->error);
    if (!members || !made) {
        s->b.status = SKALD_E_MEMORY;
        return (sk_frag){0, 0};
    }
    members[0] = (sk_json_member){{.kind = SK_JSON_STRING, .n = 4, .as.text = "type"}, text};
    *made = (sk_json){.kind = SK_JSON_OBJECT, .n = 1, .as.members = members};
    schema_terms terms = {.n = 0};
    if (keyword) {
        members[1].key =
            (sk_json){.kind = SK_JSON_STRING, .n = strlen(keyword), .as.text = keyword};
        members[1].value = *value;
        made->n = 2;
    } else {
        sk_schema_add_term(s, &terms, value, SCHEMA_WHOLE);
    }
    sk_schema_add_term(s, &terms, made, SCHEMA_WHOLE);
    return sk_build_call(&s->b, sk_schema_rule(s, &terms));
}

static sk_frag object_other_key(schema *s, const object_shape *shape)
{
    if (shape->pattern)
        return object_string_of(s, "pattern", shape->pattern);
    if (shape->names)
        return object_string_of(s, NULL, shape->names);
    const sk_json **names =
        sk_arena_array(&s->arena, shape->n + 1, sizeof *names, "a JSON schema", s->error);
    if (!names) {
        s->b.status = SKALD_E_MEMORY;
        return (sk_frag){0, 0};
    }
    for (uint64_t i = 0; i < shape->n; i++)
        names[i] = shape->keys[i].name;
    return sk_schema_other_string(s, names, shape->n);
}

static void object_members(schema *s, const schema_terms *own, object_shape *shape)
{
    for (uint64_t i = 0; i < shape->n && schema_ok(s); i++) {
        const sk_json *name = shape->keys[i].name;
        schema_terms terms = {.n = 0};
        object_value_terms(s, shape, own, name, &terms);
        if (!terms.never)
            shape->keys[i].member =
                object_member(s, sk_schema_quoted(s, name->as.text, name->n), &terms);
    }
    if (!shape->open || !schema_ok(s))
        return;
    schema_terms terms = {.n = 0};
    object_value_terms(s, shape, own, NULL, &terms);
    if (terms.never)
        shape->open = false;
    else
        shape->other = object_member(s, object_other_key(s, shape), &terms);
}

/* ---- The grid ------------------------------------------------------------------------------- */

/* How far members are counted: to the last count that differs from the next one. */
static uint64_t object_count_cap(schema *s, const object_shape *shape)
{
    uint64_t n_required = 0, cap = 1, least = shape->min, most = shape->max;
    for (uint64_t i = 0; i < shape->n; i++)
        n_required += shape->keys[i].required;
    if (least <= n_required)
        least = 0;
    if (most != UINT64_MAX && !shape->open && most >= shape->n)
        most = UINT64_MAX;
    /* A key that is not listed may be written twice, and is then one property. */
    if (shape->open && least > 1)
        sk_schema_refuse(s, "minProperties", "of keys that are not listed");
    if (least > OBJECT_COUNT)
        sk_schema_refuse(s, "minProperties", "of more than 64");
    if (most != UINT64_MAX && most > OBJECT_COUNT)
        sk_schema_refuse(s, "maxProperties", "of more than 64");
    if (least > cap && least <= OBJECT_COUNT)
        cap = least;
    if (most >= cap && most <= OBJECT_COUNT)
        cap = most + 1;
    return cap;
}

typedef struct object_grid {
    schema *s;
    const object_shape *shape;
    uint64_t cap;
    uint32_t *next; /* [cap + 1] places behind the key, by count; a place is an operation */
    uint32_t *here; /* [cap + 1] */
    uint32_t end, never;
} object_grid;

/* A member, with a comma unless it is the first. */
static uint32_t grid_member(const object_grid *g, uint32_t rule, uint64_t count, uint32_t target)
{
    sk_gram *b = &g->s->b;
    sk_frag f = sk_build_call(b, rule);
    if (count > 0)
        f = sk_build_then(b, sk_schema_separator(g->s), f);
    sk_build_patch(b, f.end, target);
    return f.start;
}

static void grid_way(const object_grid *g, uint32_t *start, uint32_t way)
{
    *start = *start == SK_OP_NONE ? way : sk_build_split(&g->s->b, *start, way);
}

/* The ways from each place of row `i`, whose places are open jumps. */
static void grid_row(object_grid *g, uint64_t i)
{
    const object_shape *shape = g->shape;
    for (uint64_t count = 0; count <= g->cap && schema_ok(g->s); count++) {
        uint64_t more = count < g->cap ? count + 1 : count;
        uint32_t start = SK_OP_NONE;
        bool may_add = !(shape->max < UINT64_MAX && count >= shape->max);
        if (i == shape->n && count >= shape->min)
            grid_way(g, &start, g->end);
        if (i < shape->n && !shape->keys[i].required)
            grid_way(g, &start, g->next[count]);
        if (i < shape->n && shape->keys[i].member && may_add)
            grid_way(g, &start, grid_member(g, shape->keys[i].member, count, g->next[more]));
        if (shape->open && may_add)
            grid_way(g, &start, grid_member(g, shape->other, count, g->here[more]));
        sk_build_patch(&g->s->b, g->here[count], start == SK_OP_NONE ? g->never : start);
    }
}

static sk_frag object_grid_frag(schema *s, object_shape *shape)
{
    sk_gram *b = &s->b;
    sk_frag end = sk_build_empty(b);
    object_grid g = {.s = s,
                     .shape = shape,
                     .cap = object_count_cap(s, shape),
                     .end = end.start,
                     .never = sk_build_never(b).start};
    /* What is met anyway need not be counted. */
    if (shape->min > g.cap)
        shape->min = 0;
    if (shape->max > g.cap)
        shape->max = UINT64_MAX;
    g.next = sk_arena_array(&s->arena, g.cap + 1, sizeof *g.next, "a JSON schema", s->error);
    g.here = sk_arena_array(&s->arena, g.cap + 1, sizeof *g.here, "a JSON schema", s->error);
    if (!g.next || !g.here) {
        s->b.status = SKALD_E_MEMORY;
        return end;
    }
    for (uint64_t i = shape->n + 1; i-- > 0 && schema_ok(s);) {
        for (uint64_t count = 0; count <= g.cap; count++)
            g.here[count] = sk_build_empty(b).start;
        grid_row(&g, i);
        memcpy(g.next, g.here, (size_t)(g.cap + 1) * sizeof *g.here);
    }
    return (sk_frag){g.next[0], end.end};
}

sk_frag sk_schema_object(schema *s, const schema_terms *own)
{
    sk_gram *b = &s->b;
    object_shape shape = {.max = UINT64_MAX};
    object_gather(s, own, &shape);
    object_members(s, own, &shape);
    if (!schema_ok(s))
        return (sk_frag){0, 0};
    sk_frag f = sk_build_then(b, sk_build_byte(b, '{', '{'), sk_schema_space(s));
    f = sk_build_then(b, f, object_grid_frag(s, &shape));
    f = sk_build_then(b, f, sk_schema_space(s));
    return sk_build_then(b, f, sk_build_byte(b, '}', '}'));
}
