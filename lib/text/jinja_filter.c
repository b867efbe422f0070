/* SPDX-License-Identifier: MIT */
/*
 * Filters of single values, and the look-up of all filters. Those of lists are in jinja_list.c.
 */
#include "base/portable.h"
#include "jinja_int.h"
#include "base/options.h"

#include <math.h>
#include <string.h>

#define FILTER_DEPTH 16 /* of filters that call filters */

static int32_t filter_case(sk_jinja_run *r, const sk_json *v, int how, sk_json *out)
{
    sk_json text;
    int32_t status = sk_jinja_str(r, v, &text);
    return status < 0 ? status : sk_jinja_case(r, text, how, out);
}

static int32_t filter_upper(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                            sk_json *out)
{
    (void)args;
    return filter_case(r, v, SK_JC_UPPER, out);
}

static int32_t filter_lower(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                            sk_json *out)
{
    (void)args;
    return filter_case(r, v, SK_JC_LOWER, out);
}

static int32_t filter_title(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                            sk_json *out)
{
    (void)args;
    return filter_case(r, v, SK_JC_TITLE, out);
}

static int32_t filter_capitalize(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                                 sk_json *out)
{
    (void)args;
    return filter_case(r, v, SK_JC_CAPITALIZE, out);
}

static int32_t filter_trim(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                           sk_json *out)
{
    sk_json text;
    const sk_json *set = sk_jinja_arg(args, 0, "chars");
    int32_t status = sk_jinja_str(r, v, &text);
    if (status < 0)
        return status;
    *out = sk_jinja_strip(text, set && set->kind == SK_JSON_STRING ? set : NULL, true, true);
    return sk_jinja_charge(r, text.n);
}

static int32_t filter_string(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                             sk_json *out)
{
    (void)args;
    return sk_jinja_str(r, v, out);
}

static int32_t filter_replace(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                              sk_json *out)
{
    sk_json text, old, new;
    int64_t count;
    int32_t status = sk_jinja_str(r, v, &text);
    if (status >= 0)
        status = sk_jinja_arg_text(r, args, 0, "old", &old);
    if (status >= 0)
        status = sk_jinja_arg_text(r, args, 1, "new", &new);
    if (status >= 0)
        status = sk_jinja_arg_int(r, args, 2, "count", -1, &count);
    return status < 0 ? status : sk_jinja_replace(r, text, old, new, count, out);
}

static int32_t filter_safe(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                           sk_json *out)
{
    (void)args;
    int32_t status = sk_jinja_str(r, v, out);
    out->flavour = 1;
    return status;
}

static int32_t filter_force_escape(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                                   sk_json *out)
{
    sk_json text;
    (void)args;
    int32_t status = sk_jinja_str(r, v, &text);
    return status < 0 ? status : sk_jinja_escape(r, &text, out);
}

static int32_t filter_escape(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                             sk_json *out)
{
    *out = *v;
    if (v->kind == SK_JSON_STRING && v->flavour == 1)
        return SKALD_OK;
    return filter_force_escape(r, v, args, out);
}

static int32_t filter_indent(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                             sk_json *out)
{
    const sk_json *width = sk_jinja_arg(args, 0, "width");
    bool first = sk_jinja_arg_true(args, 1, "first", false);
    bool blank = sk_jinja_arg_true(args, 2, "blank", false);
    sk_json text;
    int64_t n_spaces = 4;
    bool by_text = width && width->kind == SK_JSON_STRING;
    int32_t status = sk_jinja_str(r, v, &text);
    if (status >= 0 && !by_text)
        status = sk_jinja_arg_int(r, args, 0, "width", 4, &n_spaces);
    sk_jinja_ink_cut(&r->scratch, 0);
    for (uint64_t at = 0; at <= text.n && status >= 0;) {
        const char *p = text.as.text + at;
        const char *newline = at < text.n ? memchr(p, '\n', text.n - at) : NULL;
        uint64_t n = newline ? (uint64_t)(newline - p) : text.n - at;
        if (at == 0 ? first : n > 0 || blank)
            status = by_text ? sk_jinja_put(r, &r->scratch, width->as.text, width->n)
                             : sk_buffer_fill(&r->scratch.text, ' ',
                                              n_spaces > 0 ? (uint64_t)n_spaces : 0, r->error);
        if (status >= 0 && n + (newline != NULL) > 0)
            status = sk_jinja_put(r, &r->scratch, p, n + (newline != NULL));
        at += n + 1;
    }
    return status < 0 ? status : sk_jinja_take_scratch(r, out);
}

static int32_t filter_default(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                              sk_json *out)
{
    const sk_json *usual = sk_jinja_arg(args, 0, "default_value");
    bool boolean = sk_jinja_arg_true(args, 1, "boolean", false);
    (void)r;
    *out = *v;
    if (v->kind == SK_J_UNDEFINED || (boolean && !sk_jinja_truth(v)))
        *out = usual ? *usual : sk_jinja_text("", 0);
    return SKALD_OK;
}

static int32_t filter_length(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                             sk_json *out)
{
    uint64_t n;
    (void)args;
    int32_t status = sk_jinja_length(r, v, &n);
    *out = sk_jinja_int((int64_t)n);
    return status;
}

/* ---- numbers ------------------------------------------------------------------------------ */

static bool filter_parse(sk_json text, double *out)
{
    text = sk_jinja_strip(text, NULL, true, true);
    return text.n > 0 && text.n <= 64 && sk_parse_double(text.as.text, text.n, out);
}

static int32_t filter_int(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                          sk_json *out)
{
    const sk_json *usual = sk_jinja_arg(args, 0, "default");
    int64_t value;
    double real;
    sk_json text = *v;
    *out = usual ? *usual : sk_jinja_int(0);
    if (v->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, v);
    if (v->kind == SK_JSON_STRING)
        text = sk_jinja_strip(text, NULL, true, true);
    if (sk_jinja_integer(v, &value) ||
        (text.kind == SK_JSON_STRING && sk_parse_int(text.as.text, text.n, &value)))
        *out = sk_jinja_int(value);
    else if ((sk_jinja_number(v, &real) ||
              (text.kind == SK_JSON_STRING && filter_parse(text, &real))) &&
             real > -9.2e18 && real < 9.2e18)
        *out = sk_jinja_int((int64_t)real);
    return SKALD_OK;
}

static int32_t filter_float(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                            sk_json *out)
{
    const sk_json *usual = sk_jinja_arg(args, 0, "default");
    double value = 0;
    if (v->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, v);
    *out = (sk_json){.kind = SK_JSON_DOUBLE};
    if (sk_jinja_number(v, &value) || (v->kind == SK_JSON_STRING && filter_parse(*v, &value)))
        out->as.d = value;
    else if (usual)
        *out = *usual;
    return SKALD_OK;
}

static int32_t filter_abs(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                          sk_json *out)
{
    sk_json zero = sk_jinja_int(0);
    double value;
    (void)args;
    *out = *v;
    if (v->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, v);
    if (!sk_jinja_number(v, &value))
        return SK_JINJA_FAIL(r, "bad operand type for abs(): '%s'", sk_jinja_type(v));
    return value < 0 ? sk_jinja_binary(r, SK_JB_SUB, &zero, v, out) : SKALD_OK;
}

/* To the nearest, halves to even. */
static double filter_nearest(double value)
{
    double below = floor(value), rest = value - below;
    if (rest != 0.5)
        return rest < 0.5 ? below : below + 1;
    return below - 2 * floor(below / 2) == 0 ? below : below + 1;
}

static int32_t filter_round(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                            sk_json *out)
{
    const sk_json *method = sk_jinja_arg(args, 1, "method");
    int64_t precision;
    double value, scale = 1;
    int32_t status = sk_jinja_arg_int(r, args, 0, "precision", 0, &precision);
    if (status < 0)
        return status;
    if (!sk_jinja_number(v, &value))
        return SK_JINJA_FAIL(r, "type %s cannot be rounded", sk_jinja_type(v));
    for (int64_t i = 0; i < precision && i < 20; i++)
        scale *= 10;
    for (int64_t i = 0; i > precision && i > -20; i--)
        scale /= 10;
    bool ceiling = method && sk_jinja_is(method, "ceil");
    value *= scale;
    value = ceiling                                  ? -floor(-value)
            : method && sk_jinja_is(method, "floor") ? floor(value)
                                                     : filter_nearest(value);
    *out = (sk_json){.kind = SK_JSON_DOUBLE, .as.d = value / scale};
    return SKALD_OK;
}

/* ---- JSON --------------------------------------------------------------------------------- */

static int32_t filter_not_json(const sk_json *v, sk_buffer *out, sk_error *error)
{
    (void)out;
    return sk_fail(error, SKALD_E_TEMPLATE, "Object of type %s is not JSON serializable",
                   sk_jinja_type(v));
}

static int32_t filter_tojson(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                             sk_json *out)
{
    sk_json_style style = SK_JSON_STYLE;
    bool bare = args->n > 0 && args->items[0].kind == SK_JSON_INT; /* tojson(2) */
    const sk_json *separators = sk_jinja_arg(args, 2, "separators");
    int32_t status = sk_jinja_arg_int(r, args, !bare, "indent", -1, &style.indent);
    style.ensure_ascii = !bare && sk_jinja_arg_true(args, 0, "ensure_ascii", false);
    style.sort_keys = sk_jinja_arg_true(args, 3, "sort_keys", false);
    style.other = filter_not_json;
    if (style.indent > 64)
        return SK_JINJA_FAIL(r, "an indent of more than 64");
    if (separators && separators->kind == SK_JSON_ARRAY && separators->n == 2 &&
        separators->as.items[0].kind == SK_JSON_STRING &&
        separators->as.items[1].kind == SK_JSON_STRING) {
        style.item_separator = separators->as.items[0].as.text;
        style.n_item_separator = separators->as.items[0].n;
        style.key_separator = separators->as.items[1].as.text;
        style.n_key_separator = separators->as.items[1].n;
    }
    sk_jinja_ink_cut(&r->scratch, 0);
    if (status >= 0)
        status = sk_json_write(&r->scratch.text, v, &style, r->error);
    return status < 0 ? status : sk_jinja_take_scratch(r, out);
}

static int32_t filter_from_json(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                                sk_json *out)
{
    (void)args;
    if (v->kind != SK_JSON_STRING)
        return SK_JINJA_FAIL(r, "from_json wants a string, not '%s'", sk_jinja_type(v));
    int32_t status = sk_jinja_charge(r, 4 * v->n);
    if (status >= 0)
        status = sk_json_read(&r->arena, v->as.text, v->n, out, r->error);
    return status == SKALD_E_CORRUPT ? SKALD_E_TEMPLATE : status;
}

/* ---- access ------------------------------------------------------------------------------- */

static int32_t filter_attr(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                           sk_json *out)
{
    sk_json name;
    int32_t status = sk_jinja_arg_text(r, args, 0, "name", &name);
    return status < 0 ? status : sk_jinja_attr(r, v, &name, out);
}

static int32_t filter_items(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                            sk_json *out)
{
    (void)args;
    *out = sk_jinja_list(NULL, 0);
    if (v->kind != SK_JSON_OBJECT && v->kind != SK_J_UNDEFINED)
        return SK_JINJA_FAIL(r, "Can only get item pairs from a mapping.");
    int32_t status = v->kind == SK_JSON_OBJECT ? sk_jinja_pairs(r, v, out) : SKALD_OK;
    out->kind = SK_J_GENERATOR;
    return status;
}

static const sk_jinja_filter_row filter_rows[] = {
    {"upper", filter_upper},
    {"lower", filter_lower},
    {"title", filter_title},
    {"capitalize", filter_capitalize},
    {"trim", filter_trim},
    {"string", filter_string},
    {"safe", filter_safe},
    {"replace", filter_replace},
    {"escape", filter_escape},
    {"e", filter_escape},
    {"forceescape", filter_force_escape},
    {"indent", filter_indent},
    {"default", filter_default},
    {"d", filter_default},
    {"length", filter_length},
    {"count", filter_length},
    {"int", filter_int},
    {"float", filter_float},
    {"abs", filter_abs},
    {"round", filter_round},
    {"tojson", filter_tojson},
    {"from_json", filter_from_json},
    {"fromjson", filter_from_json},
    {"attr", filter_attr},
    {"items", filter_items},
    {NULL, NULL},
};

static sk_jinja_filter_fn filter_find(const sk_json *name)
{
    for (const sk_jinja_filter_row *row = filter_rows; row->name; row++)
        if (sk_jinja_is(name, row->name))
            return row->run;
    for (const sk_jinja_filter_row *row = sk_jinja_list_filters; row->name; row++)
        if (sk_jinja_is(name, row->name))
            return row->run;
    return NULL;
}

bool sk_jinja_filter_exists(const sk_json *name)
{
    return filter_find(name) != NULL;
}

int32_t sk_jinja_filter(sk_jinja_run *r, const sk_json *name, const sk_json *v,
                        const sk_jinja_args *args, sk_json *out)
{
    sk_jinja_filter_fn run = filter_find(name);
    if (!run)
        return sk_jinja_unknown_name(r, "filter", name);
    if (r->filters >= FILTER_DEPTH)
        return SK_JINJA_FAIL(r, "filters are nested too deeply");
    r->filters++;
    int32_t status = sk_jinja_charge(r, 16);
    if (status >= 0)
        status = run(r, v, args, out);
    r->filters--;
    return status;
}
