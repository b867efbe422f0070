/* SPDX-License-Identifier: MIT */
/*
 * What a $ref means: a place in the same text, by the name of the resource that it is in and a
 * path, or an anchor, within. A schema with an $id is a resource of its own, and references in it
 * are relative to that name (RFC 3986). All are found by one walk when a schema is opened; each
 * reference is marked with its resource (its flavour), so that it means the same where it is
 * copied.
 */
#include "base/portable.h"

#include "sample/schema_ref.h"

#include <string.h>

typedef struct ref_place {
    const sk_json *value;
    uint32_t resource;
} ref_place;

typedef struct ref_stack {
    ref_place *items; /* owned */
    uint64_t n, capacity;
} ref_stack;

static void ref_push(schema *s, ref_stack *stack, const sk_json *value, uint32_t resource)
{
    void *items = stack->items;
    if (value->kind != SK_JSON_OBJECT && value->kind != SK_JSON_ARRAY)
        return;
    if (schema_ok(s))
        s->b.status = sk_grow(s->b.heap, &items, &stack->capacity, stack->n + 1,
                              sizeof *stack->items, "a JSON schema", s->error);
    stack->items = items;
    if (schema_ok(s))
        stack->items[stack->n++] = (ref_place){value, resource};
}

static void ref_push_members(schema *s, ref_stack *stack, const sk_json *value, uint32_t resource)
{
    for (uint64_t i = 0; i < value->n && schema_ok(s); i++) {
        if (value->kind == SK_JSON_ARRAY) {
            ref_push(s, stack, &value->as.items[i], resource);
            continue;
        }
        const sk_json *key = &value->as.members[i].key;
        if (!sk_schema_is_text(key, "enum") && !sk_schema_is_text(key, "const"))
            ref_push(s, stack, &value->as.members[i].value, resource);
    }
}

/* ---- Names of resources --------------------------------------------------------------------- */

/* The bytes of a name before its fragment. */
static uint64_t ref_name(const char *text, uint64_t n)
{
    const char *hash = n ? memchr(text, '#', n) : NULL;
    return hash ? (uint64_t)(hash - text) : n;
}

/* The bytes of "scheme:", 0: there is none; and of "scheme://authority". */
static uint64_t ref_scheme(const char *text, uint64_t n, uint64_t *authority)
{
    uint64_t i = 0;
    while (i < n && !strchr(":/?#", text[i]))
        i++;
    uint64_t n_scheme = i < n && text[i] == ':' ? i + 1 : 0;
    *authority = n_scheme;
    if (n_scheme && n - n_scheme >= 2 && memcmp(text + n_scheme, "//", 2) == 0)
        for (*authority += 2; *authority < n && text[*authority] != '/';)
            ++*authority;
    return n_scheme;
}

/* Takes "." and ".." out of the path that begins at `from`. */
static uint64_t ref_tidy(char *text, uint64_t n, uint64_t from)
{
    uint64_t out = from;
    for (uint64_t i = from; i < n;) {
        uint64_t end = i + 1;
        while (end < n && text[end] != '/')
            end++;
        bool up = end - i == 3 && memcmp(text + i, "/..", 3) == 0;
        bool stay = end - i == 2 && memcmp(text + i, "/.", 2) == 0;
        if (up)
            while (out > from && text[--out] != '/')
                ;
        if (!up && !stay) {
            memmove(text + out, text + i, (size_t)(end - i));
            out += end - i;
        }
        i = end;
    }
    return out;
}

/* A name that is relative to a resource's, in full; it lies in the arena. */
static const char *ref_resolve(schema *s, uint32_t resource, const char *text, uint64_t n,
                               uint64_t *n_out)
{
    const schema_resource *base = &s->resources[resource];
    uint64_t authority, base_authority, keep = 0;
    ref_scheme(base->name, base->n, &base_authority);
    if (n == 0)
        keep = base->n;
    else if (ref_scheme(text, n, &authority) == 0)
        for (keep = *text == '/' ? base_authority : base->n;
             keep > base_authority && base->name[keep - 1] != '/';)
            keep--;
    char *full = sk_arena_alloc(&s->arena, keep + n + 1, "a JSON schema", s->error);
    if (!full) {
        s->b.status = SKALD_E_MEMORY;
        return NULL;
    }
    memcpy(full, base->name, (size_t)keep);
    memcpy(full + keep, text, (size_t)n);
    ref_scheme(full, keep + n, &authority);
    bool has_path = authority < keep + n && full[authority] == '/';
    *n_out = has_path ? ref_tidy(full, keep + n, authority) : keep + n;
    return full;
}

static uint32_t ref_add_resource(schema *s, const sk_json *root, const char *name, uint64_t n)
{
    if (s->n_resources == SCHEMA_RESOURCES) {
        sk_schema_refuse(s, "$id", "in more than 250 schemas");
        return 0;
    }
    s->resources[s->n_resources] = (schema_resource){name, n, root};
    return s->n_resources++;
}

/* The resource that a schema is in: its own, if it has a name. */
static uint32_t ref_resource(schema *s, const sk_json *value, uint32_t outer)
{
    const sk_json *id = sk_schema_get(value, "$id");
    if (value == &s->root || !id || id->kind != SK_JSON_STRING ||
        ref_name(id->as.text, id->n) == 0 || (s->ref_alone && sk_schema_get(value, "$ref")))
        return outer;
    uint64_t n = 0;
    const char *name = ref_resolve(s, outer, id->as.text, ref_name(id->as.text, id->n), &n);
    return schema_ok(s) ? ref_add_resource(s, value, name, n) : outer;
}

/* ---- The walk ------------------------------------------------------------------------------- */

static void ref_mark(const sk_json *value, const char *keyword, uint32_t resource)
{
    sk_json *ref = (sk_json *)(uintptr_t)sk_schema_get(value, keyword);
    if (ref && ref->kind == SK_JSON_STRING)
        ref->flavour = (uint8_t)(resource + 1); /* it lies in the schema's own arena */
}

/* Finds all resources, and marks all references. */
static void ref_walk(schema *s)
{
    ref_stack stack = {0};
    const sk_json *id = sk_schema_get(&s->root, "$id");
    bool named = id && id->kind == SK_JSON_STRING;
    ref_add_resource(s, &s->root, named ? id->as.text : "",
                     named ? ref_name(id->as.text, id->n) : 0);
    ref_push(s, &stack, &s->root, 0);
    while (stack.n > 0 && schema_ok(s)) {
        ref_place at = stack.items[--stack.n];
        uint32_t resource = ref_resource(s, at.value, at.resource);
        ref_mark(at.value, "$ref", resource);
        ref_mark(at.value, "$dynamicRef", resource);
        const sk_json *anchor = sk_schema_get(at.value, "$dynamicAnchor");
        s->n_dynamic += anchor && anchor->kind == SK_JSON_STRING;
        ref_push_members(s, &stack, at.value, resource);
    }
    sk_free(s->b.heap, stack.items);
}

static bool ref_is_anchor(const sk_json *value, const char *name, uint64_t n)
{
    static const char *const keywords[] = {"$anchor", "$dynamicAnchor"};
    const sk_json *id = sk_schema_get(value, "$id");
    for (int i = 0; i < 2; i++) {
        const sk_json *anchor = sk_schema_get(value, keywords[i]);
        if (anchor && anchor->kind == SK_JSON_STRING && anchor->n == n &&
            memcmp(anchor->as.text, name, (size_t)n) == 0)
            return true;
    }
    return id && id->kind == SK_JSON_STRING && id->n == n + 1 && id->as.text[0] == '#' &&
           memcmp(id->as.text + 1, name, (size_t)n) == 0;
}

/* The schema of a resource with an anchor, but not of resources within. */
static const sk_json *ref_anchor(schema *s, uint32_t resource, const char *name, uint64_t n)
{
    ref_stack stack = {0};
    const sk_json *found = NULL;
    ref_push(s, &stack, s->resources[resource].root, resource);
    while (stack.n > 0 && schema_ok(s) && !found) {
        const sk_json *value = stack.items[--stack.n].value;
        bool is_other = false;
        for (uint32_t i = 0; i < s->n_resources; i++)
            is_other |= i != resource && s->resources[i].root == value;
        if (is_other)
            continue;
        if (ref_is_anchor(value, name, n))
            found = value;
        ref_push_members(s, &stack, value, resource);
    }
    sk_free(s->b.heap, stack.items);
    return found;
}

void sk_schema_ref_init(schema *s)
{
    static const char *const old[] = {"draft-03", "draft-04", "draft-06", "draft-07"};
    const sk_json *dialect = sk_schema_get(&s->root, "$schema");
    if (!dialect)
        s->ref_alone = sk_schema_get(&s->root, "definitions") && !sk_schema_get(&s->root, "$defs");
    for (size_t k = 0; dialect && dialect->kind == SK_JSON_STRING && k < 4; k++)
        for (uint64_t i = 0; i + 8 <= dialect->n; i++)
            s->ref_alone |= memcmp(dialect->as.text + i, old[k], 8) == 0;
    ref_walk(s);
}

/* One piece of a path, with %XX, ~0 and ~1 replaced. */
static uint64_t ref_piece(const char *text, uint64_t n, char *out)
{
    uint64_t n_out = 0;
    for (uint64_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '%' && i + 2 < n) {
            uint32_t code = 0;
            for (int k = 1; k <= 2; k++) {
                char h = (char)(text[i + (uint64_t)k] | 32);
                code = code * 16 + (uint32_t)(h >= 'a' ? h - 'a' + 10 : h - '0') % 16;
            }
            c = (char)code;
            i += 2;
        }
        if (c == '~' && i + 1 < n && (text[i + 1] == '0' || text[i + 1] == '1'))
            c = text[++i] == '0' ? '~' : '/';
        out[n_out++] = c;
    }
    return n_out;
}

static const sk_json *ref_step(const sk_json *at, const char *piece, uint64_t n)
{
    if (at->kind == SK_JSON_OBJECT)
        return sk_json_get(at, piece, n);
    uint64_t index = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (piece[i] < '0' || piece[i] > '9' || index > at->n)
            return NULL;
        index = index * 10 + (uint64_t)(piece[i] - '0');
    }
    return at->kind == SK_JSON_ARRAY && n > 0 && index < at->n ? &at->as.items[index] : NULL;
}

/* The place at "/a/b" below a resource's root. */
static const sk_json *ref_path(schema *s, uint32_t resource, const char *path, uint64_t n)
{
    const sk_json *at = s->resources[resource].root;
    char *piece = sk_arena_alloc(&s->arena, n + 1, "a JSON schema", s->error);
    if (!piece) {
        s->b.status = SKALD_E_MEMORY;
        return NULL;
    }
    for (uint64_t i = 0; i < n && at;) {
        uint64_t end = ++i;
        while (end < n && path[end] != '/')
            end++;
        at = ref_step(at, piece, ref_piece(path + i, end - i, piece));
        i = end;
    }
    return at;
}

const sk_json *sk_schema_ref(schema *s, const sk_json *ref)
{
    uint64_t n_name = ref_name(ref->as.text, ref->n), n_full = 0;
    uint32_t resource = ref->flavour ? ref->flavour - 1u : 0, from = 0;
    const char *full = ref_resolve(s, resource, ref->as.text, n_name, &n_full);
    if (!schema_ok(s))
        return NULL;
    for (from = 0; from < s->n_resources; from++)
        if (s->resources[from].n == n_full && memcmp(s->resources[from].name, full, n_full) == 0)
            break;
    if (from == s->n_resources) {
        sk_schema_refuse(s, "$ref", "to another document");
        return NULL;
    }
    const char *fragment = ref->as.text + n_name;
    uint64_t n = ref->n - n_name;
    fragment += n > 0;
    n -= n > 0;
    const sk_json *found = n == 0 || *fragment == '/' ? ref_path(s, from, fragment, n)
                                                      : ref_anchor(s, from, fragment, n);
    if (!found && schema_ok(s))
        s->b.status = sk_fail(s->error, SKALD_E_OPTION, "json_schema: $ref \"%.*s\" leads nowhere",
                              (int)(ref->n < 100 ? ref->n : 100), ref->as.text);
    return found;
}
