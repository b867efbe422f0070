/* SPDX-License-Identifier: MIT */
/*
 * Access to parts of values: iteration, items, attributes, slices. What is missing is an undefined
 * value that remembers its name, as in Jinja2; an error comes when something is done with it.
 */
#include "base/portable.h"
#include "jinja_int.h"
#include "base/options.h"

#include <string.h>

sk_json sk_jinja_at(const sk_json *iterable, uint64_t i)
{
    if (iterable->kind == SK_J_RANGE) {
        const int64_t *range = iterable->as.pointer;
        return sk_jinja_int(range[0] + (int64_t)i * range[1]);
    }
    return iterable->as.items[i];
}

/* One string for each code point. */
static int32_t item_characters(sk_jinja_run *r, const sk_json *s, sk_json *out)
{
    uint64_t n = sk_jinja_code_points(s), at = 0;
    int32_t status = sk_jinja_charge(r, s->n + n);
    sk_json *items = status < 0 ? NULL : sk_jinja_alloc(r, n, sizeof *items);
    if (!items)
        return status < 0 ? status : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n; i++) {
        sk_json rest = sk_jinja_text(s->as.text + at, s->n - at);
        uint64_t size = sk_jinja_offset(&rest, 1);
        items[i] = sk_jinja_text(rest.as.text, size);
        at += size;
    }
    *out = sk_jinja_list(items, n);
    return SKALD_OK;
}

static int32_t item_names(sk_jinja_run *r, const sk_json *dict, sk_json *out)
{
    int32_t status = sk_jinja_charge(r, dict->n);
    sk_json *items = status < 0 ? NULL : sk_jinja_alloc(r, dict->n, sizeof *items);
    if (!items)
        return status < 0 ? status : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < dict->n; i++)
        items[i] = dict->as.members[i].key;
    *out = sk_jinja_list(items, dict->n);
    return SKALD_OK;
}

int32_t sk_jinja_iterable(sk_jinja_run *r, const sk_json *v, sk_json *out)
{
    *out = *v;
    switch (v->kind) {
    case SK_JSON_ARRAY:
    case SK_J_GENERATOR:
    case SK_J_RANGE:
        return SKALD_OK;
    case SK_J_UNDEFINED:
        *out = sk_jinja_list(NULL, 0);
        return SKALD_OK;
    case SK_JSON_STRING:
        return item_characters(r, v, out);
    case SK_JSON_OBJECT:
        return item_names(r, v, out);
    default:
        return SK_JINJA_FAIL(r, "'%s' object is not iterable", sk_jinja_type(v));
    }
}

int32_t sk_jinja_array(sk_jinja_run *r, const sk_json *v, sk_json *out)
{
    int32_t status = sk_jinja_iterable(r, v, out);
    if (status < 0 || out->kind != SK_J_RANGE) {
        out->kind = SK_JSON_ARRAY;
        out->flavour = 0;
        return status;
    }
    status = sk_jinja_charge(r, out->n);
    sk_json *items = status < 0 ? NULL : sk_jinja_alloc(r, out->n, sizeof *items);
    if (!items)
        return status < 0 ? status : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < out->n; i++)
        items[i] = sk_jinja_at(v, i);
    *out = sk_jinja_list(items, out->n);
    return SKALD_OK;
}

int32_t sk_jinja_pairs(sk_jinja_run *r, const sk_json *dict, sk_json *out)
{
    int32_t status = sk_jinja_charge(r, 3 * dict->n);
    sk_json *items = status < 0 ? NULL : sk_jinja_alloc(r, 3 * dict->n, sizeof *items);
    if (!items)
        return status < 0 ? status : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < dict->n; i++) {
        sk_json *pair = items + dict->n + 2 * i;
        pair[0] = dict->as.members[i].key;
        pair[1] = dict->as.members[i].value;
        items[i] = sk_jinja_list(pair, 2);
        items[i].flavour = 1;
    }
    *out = sk_jinja_list(items, dict->n);
    return SKALD_OK;
}

int32_t sk_jinja_length(sk_jinja_run *r, const sk_json *v, uint64_t *out)
{
    *out = 0;
    switch (v->kind) {
    case SK_JSON_STRING:
        *out = sk_jinja_code_points(v);
        return sk_jinja_charge(r, v->n);
    case SK_JSON_ARRAY:
    case SK_JSON_OBJECT:
    case SK_J_RANGE:
        *out = v->n;
        return SKALD_OK;
    case SK_J_UNDEFINED:
        return SKALD_OK;
    default:
        return SK_JINJA_FAIL(r, "object of type '%s' has no len()", sk_jinja_type(v));
    }
}

/* ---- dicts and namespaces ----------------------------------------------------------------- */

static bool item_same_key(const sk_json *a, const sk_json *b)
{
    int64_t i, j;
    if (a->kind == SK_JSON_STRING || b->kind == SK_JSON_STRING)
        return a->kind == b->kind && a->n == b->n &&
               (a->n == 0 || memcmp(a->as.text, b->as.text, a->n) == 0);
    if (sk_jinja_integer(a, &i) && sk_jinja_integer(b, &j))
        return i == j;
    return a->kind == b->kind &&
           (a->kind == SK_JSON_NULL || (a->kind == SK_JSON_DOUBLE && a->as.d == b->as.d));
}

int32_t sk_jinja_dict_find(sk_jinja_run *r, const sk_json *dict, const sk_json *key,
                           const sk_json **out)
{
    *out = NULL;
    for (uint64_t i = 0; i < dict->n; i++)
        if (item_same_key(&dict->as.members[i].key, key)) {
            *out = &dict->as.members[i].value;
            return sk_jinja_charge(r, 4 * i);
        }
    return sk_jinja_charge(r, 4 * dict->n);
}

int32_t sk_jinja_space_set(sk_jinja_run *r, sk_jinja_space *s, const sk_json *key,
                           const sk_json *value)
{
    int32_t status = sk_jinja_charge(r, 4 * s->n);
    for (uint64_t i = 0; i < s->n && status >= 0; i++)
        if (item_same_key(&s->members[i].key, key)) {
            s->members[i].value = *value;
            return status;
        }
    if (status < 0)
        return status;
    if (s->n == s->capacity) {
        uint64_t capacity = s->capacity ? 2 * s->capacity : 4;
        sk_json_member *members = sk_jinja_alloc(r, capacity, sizeof *members);
        if (!members)
            return SKALD_E_MEMORY;
        if (s->n)
            memcpy(members, s->members, s->n * sizeof *members);
        s->members = members;
        s->capacity = capacity;
    }
    s->members[s->n++] = (sk_json_member){*key, *value};
    return SKALD_OK;
}

/* ---- items and attributes ----------------------------------------------------------------- */

static void item_undefined(const sk_json *in, const sk_json *name, sk_json *out)
{
    *out = (sk_json){.kind = SK_J_UNDEFINED, .flavour = (uint8_t)(1 + in->kind)};
    if (name->kind == SK_JSON_STRING) {
        out->as.text = name->as.text;
        out->n = name->n;
    } else {
        out->as.text = "item";
        out->n = 4;
    }
}

static bool item_by_index(sk_jinja_run *r, const sk_json *v, int64_t index, sk_json *out,
                          int32_t *status)
{
    uint64_t n = 0;
    *status = sk_jinja_length(r, v, &n);
    if (*status < 0)
        return true;
    if (index < 0)
        index += (int64_t)n;
    if (index < 0 || (uint64_t)index >= n)
        return false;
    if (v->kind != SK_JSON_STRING) {
        *out = sk_jinja_at(v, (uint64_t)index);
        return true;
    }
    uint64_t at = sk_jinja_offset(v, (uint64_t)index);
    sk_json rest = sk_jinja_text(v->as.text + at, v->n - at);
    *out = sk_jinja_text(rest.as.text, sk_jinja_offset(&rest, 1));
    return true;
}

/* What is found by key: a dict's member, a namespace's attribute, an element. */
static bool item_lookup(sk_jinja_run *r, const sk_json *v, const sk_json *key, sk_json *out,
                        int32_t *status)
{
    const sk_json *found = NULL;
    int64_t index;
    if (v->kind == SK_JSON_OBJECT) {
        *status = sk_jinja_dict_find(r, v, key, &found);
    } else if (v->kind == SK_J_NAMESPACE) {
        const sk_jinja_space *s = v->as.pointer;
        sk_json dict = {.kind = SK_JSON_OBJECT, .n = s->n, .as.members = s->members};
        *status = sk_jinja_dict_find(r, &dict, key, &found);
    } else if ((v->kind == SK_JSON_ARRAY || v->kind == SK_JSON_STRING || v->kind == SK_J_RANGE) &&
               sk_jinja_integer(key, &index)) {
        return item_by_index(r, v, index, out, status);
    }
    if (found)
        *out = *found;
    return found != NULL;
}

static bool item_loop_attr(const sk_jinja_loop *l, const sk_json *name, sk_json *out)
{
    int64_t at = (int64_t)l->next - 1, n = (int64_t)l->n;
    const struct {
        const char *name;
        sk_json value;
    } rows[] = {{"index", sk_jinja_int(at + 1)},
                {"index0", sk_jinja_int(at)},
                {"first", sk_jinja_bool(at == 0)},
                {"last", sk_jinja_bool(at + 1 == n)},
                {"length", sk_jinja_int(n)},
                {"revindex", sk_jinja_int(n - at)},
                {"revindex0", sk_jinja_int(n - at - 1)},
                {"depth", sk_jinja_int((int64_t)l->depth + 1)},
                {"depth0", sk_jinja_int(l->depth)}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (sk_jinja_is(name, rows[i].name)) {
            *out = rows[i].value;
            return true;
        }
    bool previous = sk_jinja_is(name, "previtem"), next = sk_jinja_is(name, "nextitem");
    if (previous ? at > 0 : next && at + 1 < n)
        *out = sk_jinja_at(&l->items, (uint64_t)(previous ? at - 1 : at + 1));
    else
        *out = (sk_json){.kind = SK_J_UNDEFINED, .n = name->n, .as.text = name->as.text};
    return previous || next;
}

/* What Python finds as an attribute: methods, a loop's variables. */
static bool item_attribute(sk_jinja_run *r, const sk_json *v, const sk_json *name, sk_json *out,
                           int32_t *status)
{
    if (v->kind == SK_J_LOOP && item_loop_attr(v->as.pointer, name, out))
        return true;
    if (v->kind == SK_J_MACRO && sk_jinja_is(name, "name")) {
        const sk_jinja_closure *c = v->as.pointer;
        *out = r->t->constants[r->t->macros[c->macro].name];
        return true;
    }
    if (!sk_jinja_method_exists(v, name))
        return false;
    sk_jinja_bound *m = sk_jinja_alloc(r, 1, sizeof *m);
    if (!m) {
        *status = SKALD_E_MEMORY;
        return true;
    }
    *m = (sk_jinja_bound){*v, name->as.text, name->n};
    *out = (sk_json){.kind = SK_J_METHOD, .as.pointer = m};
    return true;
}

static int32_t item_get(sk_jinja_run *r, const sk_json *v, const sk_json *key, bool attribute_first,
                        sk_json *out)
{
    int32_t status = SKALD_OK;
    bool name = key->kind == SK_JSON_STRING;
    if (v->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, v);
    if (attribute_first && name && item_attribute(r, v, key, out, &status))
        return status;
    if (item_lookup(r, v, key, out, &status) || status < 0)
        return status;
    if (!attribute_first && name && item_attribute(r, v, key, out, &status))
        return status;
    item_undefined(v, key, out);
    return SKALD_OK;
}

int32_t sk_jinja_attr(sk_jinja_run *r, const sk_json *v, const sk_json *name, sk_json *out)
{
    return item_get(r, v, name, true, out);
}

int32_t sk_jinja_item(sk_jinja_run *r, const sk_json *v, const sk_json *key, sk_json *out)
{
    return item_get(r, v, key, false, out);
}

int32_t sk_jinja_path(sk_jinja_run *r, const sk_json *v, const sk_json *path, const sk_json *usual,
                      sk_json *out)
{
    bool text = path->kind == SK_JSON_STRING;
    const char *p = text ? path->as.text : "", *end = p + (text ? path->n : 0);
    *out = *v;
    for (int32_t status; p <= end;) {
        const char *dot = p < end ? memchr(p, '.', (size_t)(end - p)) : NULL;
        uint64_t n = (uint64_t)((dot ? dot : end) - p);
        sk_json key = text ? sk_jinja_text(p, n) : *path, from = *out;
        int64_t index;
        if (n > 0 && n < 19 && *p >= '0' && *p <= '9' && sk_parse_int(p, n, &index))
            key = sk_jinja_int(index);
        status = sk_jinja_item(r, &from, &key, out);
        if (status >= 0 && out->kind == SK_J_UNDEFINED && usual)
            *out = *usual;
        if (status < 0 || !dot)
            return status;
        p = dot + 1;
    }
    return SKALD_OK;
}

/* ---- slices ------------------------------------------------------------------------------- */

/* A bound as Python takes it, for a step in this direction. */
static int32_t item_bound(sk_jinja_run *r, const sk_json *v, int64_t n, bool back, int64_t usual,
                          int64_t *out)
{
    *out = usual;
    if (v->kind == SK_JSON_NULL)
        return SKALD_OK;
    if (!sk_jinja_integer(v, out))
        return SK_JINJA_FAIL(r, "slice indices must be integers or None, not '%s'",
                             sk_jinja_type(v));
    int64_t least = back ? -1 : 0, most = back ? n - 1 : n;
    if (*out < 0)
        *out = *out + n < 0 ? least : *out + n;
    if (*out > most)
        *out = most;
    return SKALD_OK;
}

static int32_t item_slice_array(sk_jinja_run *r, const sk_json *v, int64_t start, int64_t step,
                                uint64_t n, sk_json *out)
{
    *out = *v;
    out->n = n;
    if (step == 1) {
        if (n)
            out->as.items = v->as.items + start;
        return SKALD_OK;
    }
    int32_t status = sk_jinja_charge(r, n);
    sk_json *items = status < 0 ? NULL : sk_jinja_alloc(r, n, sizeof *items);
    if (!items)
        return status < 0 ? status : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n; i++)
        items[i] = v->as.items[start + (int64_t)i * step];
    out->as.items = items;
    return SKALD_OK;
}

static int32_t item_slice_text(sk_jinja_run *r, const sk_json *v, int64_t start, int64_t step,
                               uint64_t n, sk_json *out)
{
    if (step == 1) {
        uint64_t from = sk_jinja_offset(v, (uint64_t)start);
        sk_json rest = sk_jinja_text(v->as.text + from, v->n - from);
        *out = sk_jinja_text(rest.as.text, n ? sk_jinja_offset(&rest, n) : 0);
        return SKALD_OK;
    }
    sk_json all, some;
    int32_t status = item_characters(r, v, &all);
    if (status >= 0)
        status = item_slice_array(r, &all, start, step, n, &some);
    sk_jinja_ink_cut(&r->scratch, 0);
    for (uint64_t i = 0; status >= 0 && i < n; i++)
        status = sk_jinja_put(r, &r->scratch, some.as.items[i].as.text, some.as.items[i].n);
    return status < 0 ? status : sk_jinja_take_scratch(r, out);
}

int32_t sk_jinja_slice(sk_jinja_run *r, const sk_json *v, const sk_json bounds[3], sk_json *out)
{
    int64_t step = 1, start, stop;
    uint64_t length, n = 0;
    sk_json array;
    if (v->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, v);
    bool text = v->kind == SK_JSON_STRING;
    if (!text && v->kind != SK_JSON_ARRAY && v->kind != SK_J_RANGE) {
        item_undefined(v, &bounds[0], out);
        return SKALD_OK;
    }
    int32_t status = text ? SKALD_OK : sk_jinja_array(r, v, &array);
    if (status >= 0)
        status = sk_jinja_length(r, v, &length);
    if (status < 0)
        return status;
    if (bounds[2].kind != SK_JSON_NULL && !sk_jinja_integer(&bounds[2], &step))
        return SK_JINJA_FAIL(r, "a slice's step must be an integer");
    if (step == 0 || step == INT64_MIN)
        return SK_JINJA_FAIL(r, "a slice's step cannot be zero");
    int64_t size = (int64_t)length;
    status = item_bound(r, &bounds[0], size, step < 0, step < 0 ? size - 1 : 0, &start);
    if (status >= 0)
        status = item_bound(r, &bounds[1], size, step < 0, step < 0 ? -1 : size, &stop);
    if (status < 0)
        return status;
    if (step > 0 ? start < stop : start > stop)
        n = step > 0 ? (uint64_t)((stop - start - 1) / step + 1)
                     : (uint64_t)((start - stop - 1) / -step + 1);
    if (text)
        return item_slice_text(r, v, n ? start : 0, n ? step : 1, n, out);
    status = item_slice_array(r, &array, start, n ? step : 1, n, out);
    out->flavour = v->kind == SK_JSON_ARRAY ? v->flavour : 0;
    return status;
}
