/* SPDX-License-Identifier: MIT */
/* What a $ref means: a place in the same schema, by its path, its anchor, or the root's own name.
 */
#include "base/portable.h"

#include "sample/schema_ref.h"

#include <string.h>

typedef struct ref_stack {
    const sk_json **items; /* owned */
    uint64_t n, capacity;
} ref_stack;

static void ref_push(schema *s, ref_stack *stack, const sk_json *value)
{
    void *items = stack->items;
    if (value->kind != SK_JSON_OBJECT && value->kind != SK_JSON_ARRAY)
        return;
    if (schema_ok(s))
        s->b.status = sk_grow(s->b.heap, &items, &stack->capacity, stack->n + 1,
                              sizeof *stack->items, "a JSON schema", s->error);
    stack->items = items;
    if (schema_ok(s))
        stack->items[stack->n++] = value;
}

static void ref_push_members(schema *s, ref_stack *stack, const sk_json *value)
{
    for (uint64_t i = 0; i < value->n && schema_ok(s); i++) {
        if (value->kind == SK_JSON_ARRAY) {
            ref_push(s, stack, &value->as.items[i]);
            continue;
        }
        const sk_json *key = &value->as.members[i].key;
        if (!sk_schema_is_text(key, "enum") && !sk_schema_is_text(key, "const"))
            ref_push(s, stack, &value->as.members[i].value);
    }
}

static bool ref_is_anchor(const sk_json *value, const char *name, uint64_t n)
{
    const sk_json *anchor = sk_schema_get(value, "$anchor"), *id = sk_schema_get(value, "$id");
    if (!anchor)
        anchor = sk_schema_get(value, "$dynamicAnchor");
    if (anchor && anchor->kind == SK_JSON_STRING && anchor->n == n &&
        memcmp(anchor->as.text, name, (size_t)n) == 0)
        return true;
    return id && id->kind == SK_JSON_STRING && id->n == n + 1 && id->as.text[0] == '#' &&
           memcmp(id->as.text + 1, name, (size_t)n) == 0;
}

/* Whether a schema other than the root names itself, which changes what references in it mean. */
static bool ref_renames(const schema *s, const sk_json *value)
{
    const sk_json *id = sk_schema_get(value, "$id");
    return value != &s->root && id && id->kind == SK_JSON_STRING && id->n > 0 &&
           id->as.text[0] != '#';
}

/* Walks all that may be a schema; the one with the anchor, if a name is given. */
static const sk_json *ref_walk(schema *s, const char *name, uint64_t n)
{
    ref_stack stack = {0};
    const sk_json *found = NULL;
    ref_push(s, &stack, &s->root);
    while (stack.n > 0 && schema_ok(s) && !found) {
        const sk_json *value = stack.items[--stack.n];
        if (!name && ref_renames(s, value))
            s->has_ids = true;
        if (name && ref_is_anchor(value, name, n))
            found = value;
        ref_push_members(s, &stack, value);
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
    ref_walk(s, NULL, 0);
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

/* The place at "/a/b" below the root. */
static const sk_json *ref_path(schema *s, const char *path, uint64_t n)
{
    const sk_json *at = &s->root;
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
    const sk_json *id = sk_schema_get(&s->root, "$id"), *found = NULL;
    const char *text = ref->as.text;
    uint64_t n = ref->n, n_id = id && id->kind == SK_JSON_STRING ? id->n : 0;
    if (s->has_ids) {
        sk_schema_refuse(s, "$ref", "beside an $id in a part of the schema");
        return NULL;
    }
    if (n_id > 0 && id->as.text[n_id - 1] == '#')
        n_id--;
    if (n_id > 0 && n >= n_id && memcmp(text, id->as.text, (size_t)n_id) == 0 &&
        (n == n_id || text[n_id] == '#')) {
        text += n_id;
        n -= n_id;
    } else if (n > 0 && *text != '#') {
        sk_schema_refuse(s, "$ref", "to another document");
        return NULL;
    }
    text += n > 0;
    n -= n > 0;
    if (n == 0 || *text == '/')
        found = ref_path(s, text, n);
    else
        found = ref_walk(s, text, n);
    if (!found && schema_ok(s))
        s->b.status = sk_fail(s->error, SKALD_E_OPTION, "json_schema: $ref \"%.*s\" leads nowhere",
                              (int)(ref->n < 100 ? ref->n : 100), ref->as.text);
    return found;
}
