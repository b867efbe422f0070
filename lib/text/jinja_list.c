/* SPDX-License-Identifier: MIT */
/*
 * Filters of sequences. Where Jinja2 gives a generator, so does this, with its items made at once:
 * it can be iterated over and turned into a list, but has no length and is not JSON.
 */
#include "base/portable.h"
#include "jinja_int.h"

#include <string.h>

static int32_t list_list(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args, sk_json *out)
{
    (void)args;
    return sk_jinja_array(r, v, out);
}

static int32_t list_end(sk_jinja_run *r, const sk_json *v, bool last, sk_json *out)
{
    sk_json items;
    int32_t status = sk_jinja_iterable(r, v, &items);
    if (status < 0)
        return status;
    if (items.n == 0)
        *out = (sk_json){.kind = SK_J_UNDEFINED, .n = 4, .as.text = "item"};
    else
        *out = sk_jinja_at(&items, last ? items.n - 1 : 0);
    return SKALD_OK;
}

static int32_t list_first(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                          sk_json *out)
{
    (void)args;
    return list_end(r, v, false, out);
}

static int32_t list_last(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args, sk_json *out)
{
    (void)args;
    return list_end(r, v, true, out);
}

static int32_t list_join(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args, sk_json *out)
{
    const sk_json *glue = sk_jinja_arg(args, 0, "d"), *path = sk_jinja_arg(args, 1, "attribute");
    sk_json items, item, between = sk_jinja_text("", 0);
    sk_jinja_ink text;
    sk_jinja_ink_init(&text, r->heap);
    int32_t status = sk_jinja_iterable(r, v, &items);
    if (status >= 0 && glue)
        status = sk_jinja_str(r, glue, &between);
    for (uint64_t i = 0; status >= 0 && i < items.n; i++) {
        sk_json element = sk_jinja_at(&items, i);
        item = element;
        if (path)
            status = sk_jinja_path(r, &element, path, NULL, &item);
        if (status >= 0 && i > 0)
            status = sk_jinja_put(r, &text, between.as.text, between.n);
        if (status >= 0)
            status = sk_jinja_write(r, &text, &item);
    }
    if (status >= 0)
        status = sk_jinja_take(r, &text, 0, out);
    sk_jinja_ink_free(&text);
    return status;
}

/* For map, select and their kin what is false is empty, none included. */
static int32_t list_source(sk_jinja_run *r, const sk_json *v, sk_json *out)
{
    if (sk_jinja_truth(v))
        return sk_jinja_iterable(r, v, out);
    *out = sk_jinja_list(NULL, 0);
    return SKALD_OK;
}

/* ---- map, select -------------------------------------------------------------------------- */

static int32_t list_map_item(sk_jinja_run *r, const sk_json *item, const sk_jinja_args *args,
                             sk_json *out)
{
    const sk_json *path = sk_jinja_arg(args, UINT64_MAX, "attribute");
    const sk_json *usual = sk_jinja_arg(args, UINT64_MAX, "default");
    if (args->n > 0) {
        sk_jinja_args rest = {args->items + 1, args->n - 1, args->keywords, args->n_keywords};
        return sk_jinja_filter(r, &args->items[0], item, &rest, out);
    }
    if (!path)
        return SK_JINJA_FAIL(r, "map requires a filter argument");
    return sk_jinja_path(r, item, path, usual, out);
}

static int32_t list_map(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args, sk_json *out)
{
    sk_json items;
    int32_t status = list_source(r, v, &items);
    sk_json *mapped = status < 0 ? NULL : sk_jinja_alloc(r, items.n, sizeof *mapped);
    if (!mapped)
        return status < 0 ? status : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < items.n && status >= 0; i++) {
        sk_json item = sk_jinja_at(&items, i);
        status = list_map_item(r, &item, args, &mapped[i]);
    }
    *out = sk_jinja_list(mapped, items.n);
    out->kind = SK_J_GENERATOR;
    return status;
}

/* Those items that pass (or fail) a test of themselves or of an attribute. */
static int32_t list_choose(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                           bool attribute, bool keep, sk_json *out)
{
    sk_json items;
    uint64_t n = 0, n_head = attribute ? 1 : 0;
    if (args->n < n_head)
        return SK_JINJA_FAIL(r, "the name of an attribute is wanted");
    int32_t status = list_source(r, v, &items);
    sk_json *chosen = status < 0 ? NULL : sk_jinja_alloc(r, items.n, sizeof *chosen);
    if (!chosen)
        return status < 0 ? status : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < items.n && status >= 0; i++) {
        sk_json item = sk_jinja_at(&items, i), tested = item;
        bool holds = false;
        if (attribute)
            status = sk_jinja_path(r, &item, &args->items[0], NULL, &tested);
        if (status >= 0 && args->n > n_head) {
            sk_jinja_args rest = {args->items + n_head + 1, args->n - n_head - 1, NULL, 0};
            status = sk_jinja_test(r, &args->items[n_head], &tested, &rest, &holds);
        } else {
            holds = sk_jinja_truth(&tested);
        }
        if (status >= 0)
            status = sk_jinja_charge(r, 16);
        if (holds == keep)
            chosen[n++] = item;
    }
    *out = sk_jinja_list(chosen, n);
    out->kind = SK_J_GENERATOR;
    return status;
}

static int32_t list_select(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                           sk_json *out)
{
    return list_choose(r, v, args, false, true, out);
}

static int32_t list_reject(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                           sk_json *out)
{
    return list_choose(r, v, args, false, false, out);
}

static int32_t list_selectattr(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                               sk_json *out)
{
    return list_choose(r, v, args, true, true, out);
}

static int32_t list_rejectattr(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                               sk_json *out)
{
    return list_choose(r, v, args, true, false, out);
}

/* ---- order -------------------------------------------------------------------------------- */

typedef struct list_entry {
    sk_json key, item;
} list_entry;

/* What an item is sorted by: itself or an attribute, in lower case unless case counts. */
static int32_t list_key(sk_jinja_run *r, const sk_json *item, const sk_json *path, bool sensitive,
                        sk_json *key)
{
    int32_t status = SKALD_OK;
    *key = *item;
    if (path && path->kind != SK_JSON_NULL)
        status = sk_jinja_path(r, item, path, NULL, key);
    if (status >= 0 && !sensitive && key->kind == SK_JSON_STRING)
        status = sk_jinja_case(r, *key, SK_JC_LOWER, key);
    return status;
}

static int32_t list_entries(sk_jinja_run *r, const sk_json *v, const sk_json *path, bool sensitive,
                            list_entry **entries, uint64_t *n)
{
    sk_json items;
    int32_t status = sk_jinja_iterable(r, v, &items);
    *entries = status < 0 ? NULL : sk_jinja_alloc(r, items.n, sizeof **entries);
    *n = items.n;
    if (!*entries)
        return status < 0 ? status : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < items.n && status >= 0; i++) {
        (*entries)[i].item = sk_jinja_at(&items, i);
        status = list_key(r, &(*entries)[i].item, path, sensitive, &(*entries)[i].key);
    }
    return status;
}

/* Merges two sorted runs; equal keys keep their order, in reverse too. */
static int32_t list_merge(sk_jinja_run *r, const list_entry *from, list_entry *to, uint64_t start,
                          uint64_t middle, uint64_t end, bool reverse)
{
    uint64_t i = start, j = middle;
    for (uint64_t k = start; k < end; k++) {
        int order = 0;
        if (i < middle && j < end) {
            int32_t status = sk_jinja_order(r, &from[j].key, &from[i].key, &order);
            if (status < 0)
                return status;
            order = reverse ? -order : order;
        }
        bool right = i == middle || (j < end && order < 0);
        to[k] = from[right ? j++ : i++];
    }
    return SKALD_OK;
}

/* Merge sort from the bottom up. */
static int32_t list_sort_entries(sk_jinja_run *r, list_entry *entries, uint64_t n, bool reverse,
                                 sk_json *out)
{
    list_entry *other = sk_jinja_alloc(r, n, sizeof *other);
    sk_json *items = sk_jinja_alloc(r, n, sizeof *items);
    int32_t status = SKALD_OK;
    if (!other || !items)
        return SKALD_E_MEMORY;
    for (uint64_t width = 1; width < n && status >= 0; width *= 2) {
        for (uint64_t start = 0; start < n && status >= 0; start += 2 * width) {
            uint64_t middle = n - start < width ? n : start + width;
            uint64_t end = n - middle < width ? n : middle + width;
            status = list_merge(r, entries, other, start, middle, end, reverse);
        }
        list_entry *swap = entries;
        entries = other;
        other = swap;
    }
    for (uint64_t i = 0; i < n && status >= 0; i++)
        items[i] = entries[i].item;
    *out = sk_jinja_list(items, n);
    return status;
}

static int32_t list_sort(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args, sk_json *out)
{
    list_entry *entries;
    uint64_t n;
    int32_t status =
        list_entries(r, v, sk_jinja_arg(args, 2, "attribute"),
                     sk_jinja_arg_true(args, 1, "case_sensitive", false), &entries, &n);
    if (status < 0)
        return status;
    return list_sort_entries(r, entries, n, sk_jinja_arg_true(args, 0, "reverse", false), out);
}

static int32_t list_dictsort(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                             sk_json *out)
{
    const sk_json *by = sk_jinja_arg(args, 1, "by");
    sk_json pairs, place = sk_jinja_int(by && sk_jinja_is(by, "value"));
    list_entry *entries;
    uint64_t n;
    if (v->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, v);
    if (v->kind != SK_JSON_OBJECT)
        return SK_JINJA_FAIL(r, "'%s object' has no attribute 'items'", sk_jinja_type(v));
    int32_t status = sk_jinja_pairs(r, v, &pairs);
    if (status >= 0)
        status = list_entries(r, &pairs, &place,
                              sk_jinja_arg_true(args, 0, "case_sensitive", false), &entries, &n);
    if (status < 0)
        return status;
    return list_sort_entries(r, entries, n, sk_jinja_arg_true(args, 2, "reverse", false), out);
}

static int32_t list_extreme(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args, int sign,
                            sk_json *out)
{
    list_entry *entries;
    uint64_t n, best = 0;
    int32_t status =
        list_entries(r, v, sk_jinja_arg(args, 1, "attribute"),
                     sk_jinja_arg_true(args, 0, "case_sensitive", false), &entries, &n);
    for (uint64_t i = 1; status >= 0 && i < n; i++) {
        int order;
        status = sk_jinja_order(r, &entries[i].key, &entries[best].key, &order);
        if (status >= 0 && order * sign > 0)
            best = i;
    }
    if (status >= 0 && n > 0)
        *out = entries[best].item;
    else
        *out = (sk_json){.kind = SK_J_UNDEFINED, .n = 4, .as.text = "item"};
    return status;
}

static int32_t list_min(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args, sk_json *out)
{
    return list_extreme(r, v, args, -1, out);
}

static int32_t list_max(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args, sk_json *out)
{
    return list_extreme(r, v, args, 1, out);
}

/* ---- the rest ----------------------------------------------------------------------------- */

/* Quadratic, which the steps that each comparison costs keep in bounds. */
static int32_t list_unique(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                           sk_json *out)
{
    list_entry *entries;
    uint64_t n, n_kept = 0;
    int32_t status =
        list_entries(r, v, sk_jinja_arg(args, 1, "attribute"),
                     sk_jinja_arg_true(args, 0, "case_sensitive", false), &entries, &n);
    sk_json *items = status < 0 ? NULL : sk_jinja_alloc(r, n, sizeof *items);
    if (!items)
        return status < 0 ? status : SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n && status >= 0; i++) {
        bool seen = false;
        for (uint64_t k = 0; k < n_kept && !seen && status >= 0; k++)
            status = sk_jinja_equal(r, &entries[k].key, &entries[i].key, &seen);
        if (seen)
            continue;
        items[n_kept] = entries[i].item;
        entries[n_kept++].key = entries[i].key;
    }
    *out = sk_jinja_list(items, n_kept);
    out->kind = SK_J_GENERATOR;
    return status;
}

static int32_t list_reverse(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                            sk_json *out)
{
    sk_json nothing = {.kind = SK_JSON_NULL};
    sk_json bounds[3] = {nothing, nothing, sk_jinja_int(-1)}, items;
    (void)args;
    if (v->kind == SK_JSON_STRING)
        return sk_jinja_slice(r, v, bounds, out);
    int32_t status = sk_jinja_array(r, v, &items);
    if (status >= 0)
        status = sk_jinja_slice(r, &items, bounds, out);
    out->kind = SK_J_GENERATOR;
    return status;
}

static int32_t list_sum(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args, sk_json *out)
{
    const sk_json *path = sk_jinja_arg(args, 0, "attribute"),
                  *start = sk_jinja_arg(args, 1, "start");
    sk_json items, sum = start ? *start : sk_jinja_int(0), item, next;
    int32_t status = sk_jinja_iterable(r, v, &items);
    for (uint64_t i = 0; status >= 0 && i < items.n; i++) {
        sk_json element = sk_jinja_at(&items, i);
        item = element;
        if (path && path->kind != SK_JSON_NULL)
            status = sk_jinja_path(r, &element, path, NULL, &item);
        if (status >= 0)
            status = sk_jinja_binary(r, SK_JB_ADD, &sum, &item, &next);
        if (status >= 0)
            status = sk_jinja_charge(r, 16);
        sum = next;
    }
    *out = sum;
    return status;
}

static int32_t list_batch(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                          sk_json *out)
{
    const sk_json *fill = sk_jinja_arg(args, 1, "fill_with");
    sk_json items;
    int64_t size;
    int32_t status = sk_jinja_arg_int(r, args, 0, "linecount", 0, &size);
    if (status >= 0)
        status = sk_jinja_array(r, v, &items);
    if (status < 0)
        return status;
    if (size < 1 || size > SK_JINJA_RANGE)
        return SK_JINJA_FAIL(r, "batch wants a size from 1 on");
    uint64_t n = (items.n + (uint64_t)size - 1) / (uint64_t)size;
    sk_json *batches = sk_jinja_alloc(r, n, sizeof *batches);
    sk_json *padded = sk_jinja_alloc(r, (uint64_t)size, sizeof *padded);
    if (!batches || !padded)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = i * (uint64_t)size, left = items.n - at;
        batches[i] =
            sk_jinja_list(items.as.items + at, left < (uint64_t)size ? left : (uint64_t)size);
        if (left >= (uint64_t)size || !fill)
            continue;
        for (uint64_t k = 0; k < (uint64_t)size; k++)
            padded[k] = k < left ? items.as.items[at + k] : *fill;
        batches[i] = sk_jinja_list(padded, (uint64_t)size);
    }
    *out = sk_jinja_list(batches, n);
    out->kind = SK_J_GENERATOR;
    return sk_jinja_charge(r, n + (uint64_t)size);
}

const sk_jinja_filter_row sk_jinja_list_filters[] = {
    {"list", list_list},
    {"first", list_first},
    {"last", list_last},
    {"join", list_join},
    {"map", list_map},
    {"select", list_select},
    {"reject", list_reject},
    {"selectattr", list_selectattr},
    {"rejectattr", list_rejectattr},
    {"sort", list_sort},
    {"dictsort", list_dictsort},
    {"min", list_min},
    {"max", list_max},
    {"unique", list_unique},
    {"reverse", list_reverse},
    {"sum", list_sum},
    {"batch", list_batch},
    {NULL, NULL},
};
