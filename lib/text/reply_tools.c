/* SPDX-License-Identifier: MIT */
/*
 * What the tools' schemas say about arguments that models write without quotes: which of them are
 * texts, so that a name like "123" or "true" stays one. They are kept as a list of pairs, the tool
 * and the argument, each ended by a NUL; there are few, and they are looked through.
 */
#include "base/portable.h"

#include "text/reply_int.h"

#include <string.h>

static const sk_json *tool_get(const sk_json *object, const char *name)
{
    return object ? sk_json_get(object, name, strlen(name)) : NULL;
}

static bool tool_is_text(const sk_json *value, const char *text)
{
    return value && value->kind == SK_JSON_STRING && value->n == strlen(text) &&
           memcmp(value->as.text, text, (size_t)value->n) == 0;
}

/* Whether a schema describes nothing but texts. */
static bool tool_wants_text(const sk_json *schema)
{
    const sk_json *type = tool_get(schema, "type"), *values = tool_get(schema, "enum");
    bool all = values && values->kind == SK_JSON_ARRAY && values->n > 0;
    for (uint64_t i = 0; all && i < values->n; i++)
        all = values->as.items[i].kind == SK_JSON_STRING;
    if (type && type->kind == SK_JSON_ARRAY && type->n == 1)
        type = type->as.items;
    return tool_is_text(type, "string") || (!type && all);
}

static int32_t tool_add(sk_buffer *pairs, const sk_json *tool, const sk_json *key, sk_error *error)
{
    const sk_json *both[2] = {tool, key};
    int32_t status = SKALD_OK;
    for (int i = 0; i < 2; i++)
        if (memchr(both[i]->as.text, 0, (size_t)both[i]->n))
            return SKALD_OK; /* no model calls it */
    for (int i = 0; i < 2 && status == SKALD_OK; i++) {
        status = sk_buffer_add(pairs, both[i]->as.text, both[i]->n, error);
        if (status == SKALD_OK)
            status = sk_buffer_add(pairs, "", 1, error);
    }
    return status;
}

/* {"function": {"name": ..., "parameters": {...}}}, or what is in it. */
static int32_t tool_read(sk_buffer *pairs, const sk_json *tool, sk_error *error)
{
    const sk_json *inner = tool_get(tool, "function");
    const sk_json *from = inner && inner->kind == SK_JSON_OBJECT ? inner : tool;
    const sk_json *name = tool_get(from, "name"), *schema = tool_get(from, "parameters");
    const sk_json *keys = tool_get(schema ? schema : tool_get(from, "input_schema"), "properties");
    int32_t status = SKALD_OK;
    if (!name || name->kind != SK_JSON_STRING || !keys || keys->kind != SK_JSON_OBJECT)
        return SKALD_OK;
    for (uint64_t i = 0; i < keys->n && status == SKALD_OK; i++)
        if (tool_wants_text(&keys->as.members[i].value))
            status = tool_add(pairs, name, &keys->as.members[i].key, error);
    return status;
}

int32_t sk_reply_find_texts(sk_buffer *pairs, const sk_json *tools, sk_error *error)
{
    int32_t status = SKALD_OK;
    for (uint64_t i = 0; tools && tools->kind == SK_JSON_ARRAY && i < tools->n; i++)
        if (status == SKALD_OK)
            status = tool_read(pairs, &tools->as.items[i], error);
    return status;
}

bool sk_reply_is_text(const char *pairs, uint64_t n, const sk_json *tool, const sk_json *key)
{
    for (uint64_t i = 0; i < n;) { /* pairs is NULL where there are none */
        const char *at = pairs + i;
        uint64_t n_tool = strlen(at), n_key = strlen(at + n_tool + 1);
        if (n_tool == tool->n && n_key == key->n && memcmp(at, tool->as.text, n_tool) == 0 &&
            memcmp(at + n_tool + 1, key->as.text, n_key) == 0)
            return true;
        i += n_tool + n_key + 2;
    }
    return false;
}
