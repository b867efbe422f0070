/* SPDX-License-Identifier: MIT */
/*
 * Methods of strings, dicts, loops and cyclers. Those that change a value are known, so that the
 * sentence can say that they are refused, as in Jinja2's immutable sandbox.
 */
#include "base/portable.h"
#include "jinja_int.h"
#include "unicode.h"
#include "utf8.h"

#include <string.h>

typedef int32_t (*method_fn)(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                             sk_json *out);

/* ---- strings ------------------------------------------------------------------------------ */

static int32_t method_strip(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                            sk_json *out)
{
    const sk_json *set = sk_jinja_arg(args, 0, "chars");
    if (set && set->kind == SK_JSON_NULL)
        set = NULL;
    if (set && set->kind != SK_JSON_STRING)
        return SK_JINJA_FAIL(r, "strip arg must be None or str");
    *out = sk_jinja_strip(m->self, set, m->name[0] != 'r', m->name[0] != 'l');
    return sk_jinja_charge(r, m->self.n * (1 + (set ? set->n / 16 : 0)));
}

static int32_t method_case(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                           sk_json *out)
{
    (void)args;
    int how = m->name[0] == 'u'   ? SK_JC_UPPER
              : m->name[0] == 'l' ? SK_JC_LOWER
              : m->name[0] == 't' ? SK_JC_TITLE
                                  : SK_JC_CAPITALIZE;
    return sk_jinja_case(r, m->self, how, out);
}

static int32_t method_split(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                            sk_json *out)
{
    const sk_json *sep = sk_jinja_arg(args, 0, "sep");
    int64_t max;
    int32_t status = sk_jinja_arg_int(r, args, 1, "maxsplit", -1, &max);
    if (sep && sep->kind == SK_JSON_NULL)
        sep = NULL;
    if (sep && sep->kind != SK_JSON_STRING)
        return SK_JINJA_FAIL(r, "must be str or None, not %s", sk_jinja_type(sep));
    if (!sep && m->name[0] == 'r' && max >= 0)
        return SK_JINJA_FAIL(r, "rsplit() at white space with a limit is not supported");
    return status < 0 ? status : sk_jinja_split(r, m->self, sep, max, m->name[0] == 'r', out);
}

static int32_t method_splitlines(sk_jinja_run *r, const sk_jinja_bound *m,
                                 const sk_jinja_args *args, sk_json *out)
{
    (void)args;
    return sk_jinja_splitlines(r, m->self, out);
}

static int32_t method_replace(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                              sk_json *out)
{
    sk_json old, new;
    int64_t count;
    int32_t status = sk_jinja_arg_text(r, args, 0, "old", &old);
    if (status >= 0)
        status = sk_jinja_arg_text(r, args, 1, "new", &new);
    if (status >= 0)
        status = sk_jinja_arg_int(r, args, 2, "count", -1, &count);
    return status < 0 ? status : sk_jinja_replace(r, m->self, old, new, count, out);
}

/* startswith and endswith, of a string or any of a tuple. */
static int32_t method_affix(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                            sk_json *out)
{
    const sk_json *given = sk_jinja_arg(args, 0, "prefix");
    bool start = m->name[0] == 's', found = false;
    if (!given ||
        (given->kind != SK_JSON_STRING && (given->kind != SK_JSON_ARRAY || given->flavour != 1)))
        return SK_JINJA_FAIL(r, "%s first arg must be str or a tuple of str, not %s",
                             start ? "startswith" : "endswith",
                             given ? sk_jinja_type(given) : "nothing");
    sk_json one = *given;
    uint64_t n = given->kind == SK_JSON_STRING ? 1 : given->n;
    for (uint64_t i = 0; i < n && !found; i++) {
        if (given->kind == SK_JSON_ARRAY)
            one = given->as.items[i];
        if (one.kind == SK_JSON_STRING && one.n <= m->self.n)
            found = one.n == 0 || memcmp(m->self.as.text + (start ? 0 : m->self.n - one.n),
                                         one.as.text, one.n) == 0;
    }
    *out = sk_jinja_bool(found);
    return sk_jinja_charge(r, n + one.n);
}

static int32_t method_find(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                           sk_json *out)
{
    sk_json part;
    int32_t status = sk_jinja_arg_text(r, args, 0, "sub", &part);
    if (status < 0)
        return status;
    uint64_t at = sk_jinja_find(m->self, part, 0);
    sk_json before = sk_jinja_text(m->self.as.text, at == UINT64_MAX ? 0 : at);
    *out = sk_jinja_int(at == UINT64_MAX ? -1 : (int64_t)sk_jinja_code_points(&before));
    if (at == UINT64_MAX && m->name[0] == 'i')
        return SK_JINJA_FAIL(r, "substring not found");
    return sk_jinja_charge(r, m->self.n);
}

static int32_t method_count(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                            sk_json *out)
{
    sk_json part;
    int64_t n = 0;
    int32_t status = sk_jinja_arg_text(r, args, 0, "sub", &part);
    if (status < 0)
        return status;
    if (part.n == 0)
        n = (int64_t)sk_jinja_code_points(&m->self) + 1;
    else
        for (uint64_t at = 0; (at = sk_jinja_find(m->self, part, at)) != UINT64_MAX; at += part.n)
            n++;
    *out = sk_jinja_int(n);
    return sk_jinja_charge(r, m->self.n);
}

static int32_t method_join(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                           sk_json *out)
{
    const sk_json *given = sk_jinja_arg(args, 0, "iterable");
    sk_json items;
    if (!given)
        return SK_JINJA_FAIL(r, "join() wants one argument");
    int32_t status = sk_jinja_array(r, given, &items);
    sk_jinja_ink_cut(&r->scratch, 0);
    for (uint64_t i = 0; status >= 0 && i < items.n; i++) {
        const sk_json *item = &items.as.items[i];
        if (item->kind != SK_JSON_STRING)
            return SK_JINJA_FAIL(r, "sequence item %llu: expected str instance, %s found",
                                 (unsigned long long)i, sk_jinja_type(item));
        if (i > 0)
            status = sk_jinja_put(r, &r->scratch, m->self.as.text, m->self.n);
        if (status >= 0)
            status = sk_jinja_put(r, &r->scratch, item->as.text, item->n);
    }
    return status < 0 ? status : sk_jinja_take_scratch(r, out);
}

static bool method_class_holds(char name, uint32_t code)
{
    uint32_t c = sk_unicode_class(code);
    switch (name) {
    case 'd': /* isdigit, isdecimal */
    case 'n':
        return c & SK_UC_ND;
    case 's':
        return sk_jinja_is_space(code);
    case 'u': /* isupper, islower: letters without case do not count against it */
        return !(c & (SK_UC_LL | SK_UC_LT));
    case 'l':
        return !(c & (SK_UC_LU | SK_UC_LT));
    default: /* isalpha, isalnum */
        return c & SK_UC_L;
    }
}

static int32_t method_class(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                            sk_json *out)
{
    const uint8_t *p = (const uint8_t *)m->self.as.text, *end = p + m->self.n;
    bool holds = m->self.n > 0, cased = false,
         alnum = m->n == 7 && m->name[2] == 'a' && m->name[4] == 'n';
    char name = m->name[2];
    (void)args;
    while (p < end && holds) {
        uint32_t code;
        p += sk_utf8_read(p, end, &code);
        cased |= (sk_unicode_class(code) & (SK_UC_LU | SK_UC_LL)) != 0;
        holds = method_class_holds(name, code) || (alnum && method_class_holds('d', code));
    }
    *out = sk_jinja_bool(holds && (cased || (name != 'u' && name != 'l')));
    return sk_jinja_charge(r, m->self.n);
}

/* '{}', '{0}' and '{name}'; no conversions and no formats. */
static int32_t method_format(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                             sk_json *out)
{
    sk_jinja_ink text;
    const char *p = m->self.as.text, *end = p + m->self.n;
    uint64_t automatic = 0;
    int32_t status = SKALD_OK;
    sk_jinja_ink_init(&text, r->heap);
    while (p < end && status >= 0) {
        if ((*p != '{' && *p != '}') || (p + 1 < end && p[1] == *p)) {
            status = sk_jinja_put(r, &text, p, 1);
            p += *p == '{' || *p == '}' ? 2 : 1;
            continue;
        }
        const char *close = memchr(p, '}', (size_t)(end - p));
        sk_json name = sk_jinja_text(p + 1, close && close > p ? (uint64_t)(close - p - 1) : 0);
        const sk_json *value = NULL;
        if (!close || close == p) {
            status = SK_JINJA_FAIL(r, "a single brace in a format string");
            break;
        }
        uint64_t place = name.n == 0 ? automatic++ : UINT64_MAX;
        if (name.n > 0 && name.n < 4 && *name.as.text >= '0' && *name.as.text <= '9')
            for (place = 0; name.n > 0; name.n--)
                place = place * 10 + (uint64_t)(*name.as.text++ - '0');
        for (uint64_t i = 0; place == UINT64_MAX && i < args->n_keywords; i++)
            if (args->keywords[i].key.n == name.n &&
                memcmp(args->keywords[i].key.as.text, name.as.text, name.n) == 0)
                value = &args->keywords[i].value;
        if (place < args->n)
            value = &args->items[place];
        status = value ? sk_jinja_write(r, &text, value)
                       : SK_JINJA_FAIL(r, "a format string names what is not given");
        p = close + 1;
    }
    if (status >= 0)
        status = sk_jinja_take(r, &text, 0, out);
    sk_jinja_ink_free(&text);
    return status;
}

static int32_t method_remove_affix(sk_jinja_run *r, const sk_jinja_bound *m,
                                   const sk_jinja_args *args, sk_json *out)
{
    sk_json part;
    bool start = m->name[6] == 'p';
    int32_t status = sk_jinja_arg_text(r, args, 0, "affix", &part);
    *out = m->self;
    if (status < 0 || part.n > out->n || part.n == 0 ||
        memcmp(out->as.text + (start ? 0 : out->n - part.n), part.as.text, part.n) != 0)
        return status;
    out->as.text += start ? part.n : 0;
    out->n -= part.n;
    return sk_jinja_charge(r, part.n);
}

/* ---- dicts -------------------------------------------------------------------------------- */

static int32_t method_get(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                          sk_json *out)
{
    const sk_json *key = sk_jinja_arg(args, 0, "key"), *usual = sk_jinja_arg(args, 1, "default");
    const sk_json *found = NULL;
    if (!key)
        return SK_JINJA_FAIL(r, "get() wants a key");
    int32_t status = sk_jinja_dict_find(r, &m->self, key, &found);
    *out = found ? *found : usual ? *usual : (sk_json){.kind = SK_JSON_NULL};
    return status;
}

static int32_t method_items(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                            sk_json *out)
{
    (void)args;
    return sk_jinja_pairs(r, &m->self, out);
}

static int32_t method_keys(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                           sk_json *out)
{
    (void)args;
    return sk_jinja_array(r, &m->self, out);
}

static int32_t method_values(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                             sk_json *out)
{
    (void)args;
    sk_json *items = sk_jinja_alloc(r, m->self.n, sizeof *items);
    if (!items)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < m->self.n; i++)
        items[i] = m->self.as.members[i].value;
    *out = sk_jinja_list(items, m->self.n);
    return sk_jinja_charge(r, m->self.n);
}

/* ---- lists, loops, cyclers ---------------------------------------------------------------- */

static int32_t method_list_find(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                                sk_json *out)
{
    const sk_json *wanted = sk_jinja_arg(args, 0, "value");
    int64_t n = 0;
    int32_t status = SKALD_OK;
    if (!wanted)
        return SK_JINJA_FAIL(r, "a value is wanted");
    for (uint64_t i = 0; i < m->self.n && status >= 0; i++) {
        bool equal;
        status = sk_jinja_equal(r, &m->self.as.items[i], wanted, &equal);
        if (status >= 0 && equal && m->name[0] == 'i') {
            *out = sk_jinja_int((int64_t)i);
            return SKALD_OK;
        }
        n += status >= 0 && equal;
    }
    if (status >= 0 && m->name[0] == 'i')
        return SK_JINJA_FAIL(r, "the value is not in the list");
    *out = sk_jinja_int(n);
    return status;
}

static int32_t method_cycle(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                            sk_json *out)
{
    const sk_jinja_loop *loop = m->self.as.pointer;
    if (args->n == 0)
        return SK_JINJA_FAIL(r, "no items for cycling given");
    *out = args->items[(loop->next - 1) % args->n];
    return SKALD_OK;
}

static int32_t method_changed(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                              sk_json *out)
{
    sk_jinja_loop *loop = m->self.as.pointer;
    sk_json *items = sk_jinja_alloc(r, args->n, sizeof *items);
    bool equal = false;
    if (!items)
        return SKALD_E_MEMORY;
    if (args->n)
        memcpy(items, args->items, args->n * sizeof *items);
    sk_json now = sk_jinja_list(items, args->n);
    int32_t status = loop->has_changed ? sk_jinja_equal(r, &now, &loop->changed, &equal) : SKALD_OK;
    loop->has_changed = true;
    loop->changed = now;
    *out = sk_jinja_bool(!equal);
    return status;
}

static int32_t method_next(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                           sk_json *out)
{
    (void)args;
    sk_jinja_cycler *c = m->self.as.pointer;
    *out = c->items.as.items[c->at % c->items.n];
    c->at = m->name[0] == 'n' ? c->at + 1 : 0;
    return sk_jinja_charge(r, 1);
}

static int32_t method_unsafe(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                             sk_json *out)
{
    (void)args;
    *out = (sk_json){.kind = SK_JSON_NULL};
    return SK_JINJA_FAIL(r, "access to attribute '%.*s' of '%s' object is unsafe", (int)m->n,
                         m->name, sk_jinja_type(&m->self));
}

static const struct {
    uint8_t kind;
    const char *name;
    method_fn run;
} method_rows[] = {
    {SK_JSON_STRING, "strip", method_strip},
    {SK_JSON_STRING, "lstrip", method_strip},
    {SK_JSON_STRING, "rstrip", method_strip},
    {SK_JSON_STRING, "upper", method_case},
    {SK_JSON_STRING, "lower", method_case},
    {SK_JSON_STRING, "title", method_case},
    {SK_JSON_STRING, "capitalize", method_case},
    {SK_JSON_STRING, "split", method_split},
    {SK_JSON_STRING, "rsplit", method_split},
    {SK_JSON_STRING, "splitlines", method_splitlines},
    {SK_JSON_STRING, "replace", method_replace},
    {SK_JSON_STRING, "startswith", method_affix},
    {SK_JSON_STRING, "endswith", method_affix},
    {SK_JSON_STRING, "find", method_find},
    {SK_JSON_STRING, "index", method_find},
    {SK_JSON_STRING, "count", method_count},
    {SK_JSON_STRING, "join", method_join},
    {SK_JSON_STRING, "format", method_format},
    {SK_JSON_STRING, "removeprefix", method_remove_affix},
    {SK_JSON_STRING, "removesuffix", method_remove_affix},
    {SK_JSON_STRING, "isdigit", method_class},
    {SK_JSON_STRING, "isdecimal", method_class},
    {SK_JSON_STRING, "isnumeric", method_class},
    {SK_JSON_STRING, "isspace", method_class},
    {SK_JSON_STRING, "isupper", method_class},
    {SK_JSON_STRING, "islower", method_class},
    {SK_JSON_STRING, "isalpha", method_class},
    {SK_JSON_STRING, "isalnum", method_class},
    {SK_JSON_OBJECT, "get", method_get},
    {SK_JSON_OBJECT, "items", method_items},
    {SK_JSON_OBJECT, "keys", method_keys},
    {SK_JSON_OBJECT, "values", method_values},
    {SK_JSON_OBJECT, "copy", NULL},
    {SK_JSON_OBJECT, "pop", method_unsafe},
    {SK_JSON_OBJECT, "popitem", method_unsafe},
    {SK_JSON_OBJECT, "update", method_unsafe},
    {SK_JSON_OBJECT, "setdefault", method_unsafe},
    {SK_JSON_OBJECT, "clear", method_unsafe},
    {SK_JSON_ARRAY, "count", method_list_find},
    {SK_JSON_ARRAY, "index", method_list_find},
    {SK_JSON_ARRAY, "copy", NULL},
    {SK_JSON_ARRAY, "append", method_unsafe},
    {SK_JSON_ARRAY, "extend", method_unsafe},
    {SK_JSON_ARRAY, "insert", method_unsafe},
    {SK_JSON_ARRAY, "pop", method_unsafe},
    {SK_JSON_ARRAY, "remove", method_unsafe},
    {SK_JSON_ARRAY, "reverse", method_unsafe},
    {SK_JSON_ARRAY, "sort", method_unsafe},
    {SK_JSON_ARRAY, "clear", method_unsafe},
    {SK_J_LOOP, "cycle", method_cycle},
    {SK_J_LOOP, "changed", method_changed},
    {SK_J_CYCLER, "next", method_next},
    {SK_J_CYCLER, "reset", method_next},
};

/* Its row, or -1. */
static int method_row(uint8_t kind, const sk_json *name)
{
    for (size_t i = 0; i < sizeof method_rows / sizeof *method_rows; i++)
        if (method_rows[i].kind == kind && sk_jinja_is(name, method_rows[i].name))
            return (int)i;
    return -1;
}

bool sk_jinja_method_exists(const sk_json *self, const sk_json *name)
{
    return method_row(self->kind, name) >= 0;
}

int32_t sk_jinja_method(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                        sk_json *out)
{
    sk_json name = sk_jinja_text(m->name, m->n);
    int row = method_row(m->self.kind, &name);
    if (row < 0 || !method_rows[row].run) { /* copy: values do not change */
        *out = m->self;
        return SKALD_OK;
    }
    return method_rows[row].run(r, m, args, out);
}
