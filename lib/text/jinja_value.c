/* SPDX-License-Identifier: MIT */
/*
 * What values do: their text, truth, equality, order and arithmetic, as Python has them. Values
 * may be nested as deeply as a template cares to nest them, so what goes into them has a limit.
 */
#include "base/portable.h"
#include "jinja_int.h"

#include <math.h>
#include <string.h>

bool sk_jinja_is(const sk_json *v, const char *text)
{
    size_t n = strlen(text);
    return v->kind == SK_JSON_STRING && v->n == n && memcmp(v->as.text, text, n) == 0;
}

static const char *type_of_kind(uint8_t kind, uint8_t flavour)
{
    static const char *const names[] = {"NoneType",  "bool",   "int",         "float",
                                        "str",       "list",   "dict",        "Undefined",
                                        "generator", "range",  "Namespace",   "Macro",
                                        "function",  "method", "LoopContext", "Cycler"};
    if (kind == SK_JSON_ARRAY && flavour == 1)
        return "tuple";
    return kind < sizeof names / sizeof *names ? names[kind] : "object";
}

const char *sk_jinja_type(const sk_json *v)
{
    return type_of_kind(v->kind, v->flavour);
}

int32_t sk_jinja_unknown_name(sk_jinja_run *r, const char *what, const sk_json *name)
{
    if (name->kind != SK_JSON_STRING)
        return SK_JINJA_FAIL(r, "the name of a %s must be a str, found '%s'", what,
                             sk_jinja_type(name));
    return SK_JINJA_FAIL(r, "no %s named '%.*s'", what, name->n < 80 ? (int)name->n : 80,
                         name->as.text);
}

int32_t sk_jinja_undefined_error(sk_jinja_run *r, const sk_json *v)
{
    int n = v->n < 100 ? (int)v->n : 100;
    if (v->flavour == 0)
        return SK_JINJA_FAIL(r, "'%.*s' is undefined", n, v->as.text);
    uint8_t kind = (uint8_t)(v->flavour - 1);
    if (kind == SK_JSON_NULL)
        return SK_JINJA_FAIL(r, "'None' has no attribute '%.*s'", n, v->as.text);
    return SK_JINJA_FAIL(r, "'%s object' has no attribute '%.*s'", type_of_kind(kind, 0), n,
                         v->as.text);
}

bool sk_jinja_truth(const sk_json *v)
{
    switch (v->kind) {
    case SK_JSON_NULL:
    case SK_J_UNDEFINED:
        return false;
    case SK_JSON_BOOL:
        return v->as.truth;
    case SK_JSON_INT:
        return v->as.i != 0;
    case SK_JSON_DOUBLE:
        return v->as.d != 0;
    case SK_JSON_STRING:
    case SK_JSON_ARRAY:
    case SK_JSON_OBJECT:
    case SK_J_RANGE:
        return v->n != 0;
    default:
        return true;
    }
}

bool sk_jinja_integer(const sk_json *v, int64_t *out)
{
    if (v->kind != SK_JSON_INT && v->kind != SK_JSON_BOOL)
        return false;
    *out = v->kind == SK_JSON_INT ? v->as.i : v->as.truth;
    return true;
}

bool sk_jinja_number(const sk_json *v, double *out)
{
    int64_t i;
    if (sk_jinja_integer(v, &i))
        *out = (double)i;
    else if (v->kind == SK_JSON_DOUBLE)
        *out = v->as.d;
    else
        return false;
    return true;
}

/* ---- text --------------------------------------------------------------------------------- */

int32_t sk_jinja_take_scratch(sk_jinja_run *r, sk_json *out)
{
    return sk_jinja_take(r, &r->scratch, 0, out);
}

static int32_t value_write_other(const sk_json *v, sk_buffer *out, sk_error *error)
{
    char text[96];
    if (v->kind == SK_J_UNDEFINED)
        return sk_buffer_add(out, "Undefined", 9, error);
    sk_format(text, sizeof text, "<%s object>", sk_jinja_type(v));
    return sk_buffer_add(out, text, strlen(text), error);
}

int32_t sk_jinja_write(sk_jinja_run *r, sk_jinja_ink *out, const sk_json *v)
{
    sk_json_style style = SK_JSON_REPR;
    uint64_t before = out->text.n;
    style.other = value_write_other;
    if (v->kind == SK_J_UNDEFINED)
        return SKALD_OK;
    int32_t status = v->kind == SK_JSON_STRING ? sk_jinja_put(r, out, v->as.text, v->n)
                                               : sk_json_write(&out->text, v, &style, r->error);
    return status < 0 ? status : sk_jinja_charge(r, out->text.n - before);
}

int32_t sk_jinja_str(sk_jinja_run *r, const sk_json *v, sk_json *out)
{
    *out = *v;
    if (v->kind == SK_JSON_STRING)
        return SKALD_OK;
    sk_jinja_ink_cut(&r->scratch, 0);
    int32_t status = sk_jinja_write(r, &r->scratch, v);
    return status < 0 ? status : sk_jinja_take_scratch(r, out);
}

/* a's bytes and b's; where a's end is the end of a text that has room behind it, only b's are
 * copied: a is as it was for all that hold it. */
int32_t sk_jinja_concat(sk_jinja_run *r, const sk_json *a, const sk_json *b, sk_json *out)
{
    for (uint32_t i = 0; i < SK_JINJA_TAILS && a->n && b->n; i++) {
        sk_jinja_tail *tail = &r->tails[i];
        if (tail->end != a->as.text + a->n || (uint64_t)(tail->limit - tail->end) < b->n)
            continue;
        sk_jinja_copy(r, (char *)(uintptr_t)tail->end, b->as.text, b->n);
        tail->end += b->n;
        *out = sk_jinja_text(a->as.text, a->n + b->n);
        return sk_jinja_charge(r, b->n);
    }
    uint64_t n = a->n + b->n, room = n < 128 ? n : n * 2;
    char *text = sk_jinja_new_text(r, room);
    if (!text)
        return SKALD_E_MEMORY;
    sk_jinja_copy(r, text, a->as.text, a->n);
    sk_jinja_copy(r, text + a->n, b->as.text, b->n);
    *out = sk_jinja_text(text, n);
    if (room > n)
        r->tails[r->tail++ % SK_JINJA_TAILS] = (sk_jinja_tail){text + n, text + room};
    return sk_jinja_charge(r, n);
}

/* ---- equality and order ------------------------------------------------------------------- */

static int32_t value_equal(sk_jinja_run *r, const sk_json *a, const sk_json *b, int level,
                           bool *out);

static int32_t value_equal_arrays(sk_jinja_run *r, const sk_json *a, const sk_json *b, int level,
                                  bool *out)
{
    int32_t status = SKALD_OK;
    *out = a->n == b->n && (a->kind == SK_J_RANGE || a->flavour == b->flavour);
    for (uint64_t i = 0; i < a->n && *out && status >= 0; i++) {
        sk_json x = sk_jinja_at(a, i), y = sk_jinja_at(b, i);
        status = value_equal(r, &x, &y, level + 1, out);
    }
    return status;
}

static int32_t value_equal_dicts(sk_jinja_run *r, const sk_json *a, const sk_json *b, int level,
                                 bool *out)
{
    int32_t status = SKALD_OK;
    *out = a->n == b->n;
    for (uint64_t i = 0; i < a->n && *out && status >= 0; i++) {
        const sk_json *found;
        status = sk_jinja_dict_find(r, b, &a->as.members[i].key, &found);
        *out = found != NULL;
        if (status >= 0 && found)
            status = value_equal(r, &a->as.members[i].value, found, level + 1, out);
    }
    return status;
}

static int32_t value_equal(sk_jinja_run *r, const sk_json *a, const sk_json *b, int level,
                           bool *out)
{
    double x, y;
    int32_t status = sk_jinja_charge(r, 16);
    if (status < 0)
        return status;
    if (level > SK_JINJA_COMPARE)
        return SK_JINJA_FAIL(r, "the values are nested too deeply to be compared");
    *out = false;
    if (a->kind == SK_JSON_INT && b->kind == SK_JSON_INT)
        *out = a->as.i == b->as.i;
    else if (sk_jinja_number(a, &x) && sk_jinja_number(b, &y))
        *out = x == y;
    else if (a->kind != b->kind)
        return SKALD_OK;
    else if (a->kind == SK_JSON_STRING)
        *out = a->n == b->n && (a->n == 0 || memcmp(a->as.text, b->as.text, a->n) == 0);
    else if (a->kind == SK_JSON_ARRAY || a->kind == SK_J_RANGE)
        return value_equal_arrays(r, a, b, level, out);
    else if (a->kind == SK_JSON_OBJECT)
        return value_equal_dicts(r, a, b, level, out);
    else
        *out = a->kind == SK_JSON_NULL || a->kind == SK_J_UNDEFINED ||
               (a->as.pointer == b->as.pointer && a->n == b->n);
    return a->kind == SK_JSON_STRING ? sk_jinja_charge(r, a->n) : SKALD_OK;
}

int32_t sk_jinja_equal(sk_jinja_run *r, const sk_json *a, const sk_json *b, bool *out)
{
    return value_equal(r, a, b, 0, out);
}

static int32_t value_order(sk_jinja_run *r, const sk_json *a, const sk_json *b, int level, int *out)
{
    double x, y;
    int32_t status = sk_jinja_charge(r, 16);
    if (status < 0)
        return status;
    if (a->kind == SK_JSON_INT && b->kind == SK_JSON_INT) {
        *out = (a->as.i > b->as.i) - (a->as.i < b->as.i);
        return SKALD_OK;
    }
    if (sk_jinja_number(a, &x) && sk_jinja_number(b, &y)) {
        *out = (x > y) - (x < y);
        return SKALD_OK;
    }
    if (a->kind == SK_JSON_STRING && b->kind == SK_JSON_STRING) {
        uint64_t n = a->n < b->n ? a->n : b->n;
        int bytes = n ? memcmp(a->as.text, b->as.text, n) : 0;
        *out = bytes ? bytes : (a->n > b->n) - (a->n < b->n);
        return sk_jinja_charge(r, n);
    }
    if (a->kind == SK_J_UNDEFINED || b->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, a->kind == SK_J_UNDEFINED ? a : b);
    if (a->kind != SK_JSON_ARRAY || b->kind != SK_JSON_ARRAY || level > SK_JINJA_COMPARE)
        return SK_JINJA_FAIL(r, "'<' not supported between instances of '%s' and '%s'",
                             sk_jinja_type(a), sk_jinja_type(b));
    *out = 0;
    for (uint64_t i = 0; i < a->n && i < b->n && *out == 0 && status >= 0; i++)
        status = value_order(r, &a->as.items[i], &b->as.items[i], level + 1, out);
    if (*out == 0)
        *out = (a->n > b->n) - (a->n < b->n);
    return status;
}

int32_t sk_jinja_order(sk_jinja_run *r, const sk_json *a, const sk_json *b, int *out)
{
    return value_order(r, a, b, 0, out);
}

int32_t sk_jinja_contains(sk_jinja_run *r, const sk_json *in, const sk_json *v, bool *out)
{
    *out = false;
    if (in->kind == SK_JSON_STRING) {
        if (v->kind != SK_JSON_STRING)
            return SK_JINJA_FAIL(r, "'in <string>' requires string as left operand, not %s",
                                 sk_jinja_type(v));
        *out = sk_jinja_find(*in, *v, 0) != UINT64_MAX;
        return sk_jinja_charge(r, in->n);
    }
    if (in->kind == SK_JSON_OBJECT) {
        const sk_json *found;
        int32_t status = sk_jinja_dict_find(r, in, v, &found);
        *out = found != NULL;
        return status;
    }
    sk_json items;
    int32_t status = sk_jinja_iterable(r, in, &items);
    for (uint64_t i = 0; status >= 0 && i < items.n && !*out; i++) {
        sk_json item = sk_jinja_at(&items, i);
        status = sk_jinja_equal(r, &item, v, out);
    }
    return status;
}

/* ---- arithmetic --------------------------------------------------------------------------- */

static int32_t value_overflow(sk_jinja_run *r)
{
    return SK_JINJA_FAIL(r, "the integer does not fit into 64 bits");
}

static bool value_mul(int64_t a, int64_t b, int64_t *out)
{
    if (a == 0 || b == 0) {
        *out = 0;
        return true;
    }
    if ((a == -1 && b == INT64_MIN) || (b == -1 && a == INT64_MIN))
        return false;
    if (a > 0 ? (b > 0 ? a > INT64_MAX / b : b < INT64_MIN / a)
              : (b > 0 ? a < INT64_MIN / b : b < INT64_MAX / a))
        return false;
    *out = a * b;
    return true;
}

static bool value_add(int64_t a, int64_t b, int64_t *out)
{
    if (b > 0 ? a > INT64_MAX - b : a < INT64_MIN - b)
        return false;
    *out = a + b;
    return true;
}

static bool value_pow(int64_t a, int64_t b, int64_t *out)
{
    int64_t result = 1;
    for (; b > 0; b >>= 1) {
        if ((b & 1) && !value_mul(result, a, &result))
            return false;
        if (b > 1 && !value_mul(a, a, &a))
            return false;
    }
    *out = result;
    return true;
}

static int32_t value_integers(sk_jinja_run *r, int op, int64_t a, int64_t b, sk_json *out)
{
    int64_t value = 0;
    bool fits = true;
    switch (op) {
    case SK_JB_ADD:
        fits = value_add(a, b, &value);
        break;
    case SK_JB_SUB:
        fits = b != INT64_MIN ? value_add(a, -b, &value)
                              : a < 0 && value_add(a + 1, INT64_MAX, &value);
        break;
    case SK_JB_MUL:
        fits = value_mul(a, b, &value);
        break;
    case SK_JB_POW:
        fits = value_pow(a, b, &value);
        break;
    default: /* // and %, towards minus infinity */
        if (b == -1) {
            fits = op == SK_JB_MOD || a != INT64_MIN;
            value = op == SK_JB_MOD || !fits ? 0 : -a;
            break;
        }
        bool down = a % b != 0 && (a < 0) != (b < 0);
        value = op == SK_JB_MOD ? a % b + (down ? b : 0) : a / b - down;
    }
    *out = sk_jinja_int(value);
    return fits ? SKALD_OK : value_overflow(r);
}

/* Only whole powers: others would need a function of libm, whose results differ between hosts. */
static int32_t value_double_pow(sk_jinja_run *r, double a, double b, double *out)
{
    double n = b < 0 ? -b : b, result = 1;
    if (n != floor(n) || n > 1024)
        return SK_JINJA_FAIL(r, "only whole powers up to 1024 are supported");
    for (; n > 0; n--)
        result *= a;
    *out = b < 0 ? 1 / result : result;
    return SKALD_OK;
}

static int32_t value_doubles(sk_jinja_run *r, int op, double a, double b, sk_json *out)
{
    double value = 0;
    int32_t status = SKALD_OK;
    switch (op) {
    case SK_JB_ADD:
        value = a + b;
        break;
    case SK_JB_SUB:
        value = a - b;
        break;
    case SK_JB_MUL:
        value = a * b;
        break;
    case SK_JB_DIV:
        value = a / b;
        break;
    case SK_JB_FLOORDIV:
        value = floor(a / b);
        break;
    case SK_JB_MOD:
        value = a - floor(a / b) * b;
        break;
    default:
        status = value_double_pow(r, a, b, &value);
    }
    *out = (sk_json){.kind = SK_JSON_DOUBLE, .as.d = value};
    return status;
}

static int32_t value_add_arrays(sk_jinja_run *r, const sk_json *a, const sk_json *b, sk_json *out)
{
    uint64_t n = a->n + b->n;
    sk_json *items = sk_jinja_alloc(r, n, sizeof *items);
    if (!items)
        return SKALD_E_MEMORY;
    if (a->n)
        memcpy(items, a->as.items, a->n * sizeof *items);
    if (b->n)
        memcpy(items + a->n, b->as.items, b->n * sizeof *items);
    *out = sk_jinja_list(items, n);
    out->flavour = a->flavour;
    return sk_jinja_charge(r, n);
}

/* text * n, list * n */
static int32_t value_repeat(sk_jinja_run *r, const sk_json *v, int64_t times, sk_json *out)
{
    bool text = v->kind == SK_JSON_STRING;
    uint64_t n = times <= 0 ? 0 : (uint64_t)times;
    *out = *v;
    if (v->n == 0 || n == 0) {
        out->n = 0;
        return SKALD_OK;
    }
    if (n > SK_JINJA_MEMORY / v->n)
        return sk_fail(r->error, SKALD_E_MEMORY, "a repeated value is too large");
    int32_t status = sk_jinja_charge(r, n * v->n);
    if (status < 0)
        return status;
    char *copy = text ? sk_jinja_new_text(r, n * v->n) : NULL;
    sk_json *items = text ? NULL : sk_jinja_alloc(r, n * v->n, sizeof *items);
    if (!copy && !items)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < n; i++) {
        if (text)
            sk_jinja_copy(r, copy + i * v->n, v->as.text, v->n);
        else
            memcpy(items + i * v->n, v->as.items, v->n * sizeof *items);
    }
    out->n = n * v->n;
    if (text)
        out->as.text = copy;
    else
        out->as.items = items;
    return SKALD_OK;
}

static int32_t value_no_operator(sk_jinja_run *r, int op, const sk_json *a, const sk_json *b)
{
    static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (a->kind == SK_J_UNDEFINED || b->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, a->kind == SK_J_UNDEFINED ? a : b);
    if (op == SK_JB_ADD && (a->kind == SK_JSON_STRING || a->kind == SK_JSON_ARRAY))
        return SK_JINJA_FAIL(r, "can only concatenate %s (not \"%s\") to %s", sk_jinja_type(a),
                             sk_jinja_type(b), sk_jinja_type(a));
    return SK_JINJA_FAIL(r, "unsupported operand types for %s: '%s' and '%s'", signs[op],
                         sk_jinja_type(a), sk_jinja_type(b));
}

/* Text and text; one that is safe for HTML makes the other so. */
static int32_t value_add_texts(sk_jinja_run *r, const sk_json *a, const sk_json *b, sk_json *out)
{
    sk_json safe_a = *a, safe_b = *b;
    int32_t status = SKALD_OK;
    if (a->flavour == b->flavour) {
        status = sk_jinja_concat(r, a, b, out);
    } else {
        status = a->flavour ? sk_jinja_escape(r, b, &safe_b) : sk_jinja_escape(r, a, &safe_a);
        if (status >= 0)
            status = sk_jinja_concat(r, &safe_a, &safe_b, out);
    }
    out->flavour = a->flavour | b->flavour;
    return status;
}

static int32_t value_arithmetic(sk_jinja_run *r, int op, const sk_json *a, const sk_json *b,
                                sk_json *out)
{
    int64_t i = 0, j = 0;
    double x, y;
    bool whole = sk_jinja_integer(a, &i), whole_b = sk_jinja_integer(b, &j);
    if (sk_jinja_number(a, &x) && sk_jinja_number(b, &y)) {
        if (y == 0 && (op == SK_JB_DIV || op == SK_JB_FLOORDIV || op == SK_JB_MOD))
            return SK_JINJA_FAIL(r, "division by zero");
        if (whole && whole_b && op != SK_JB_DIV && !(op == SK_JB_POW && j < 0))
            return value_integers(r, op, i, j, out);
        return value_doubles(r, op, x, y, out);
    }
    if (op == SK_JB_ADD && a->kind == b->kind) {
        if (a->kind == SK_JSON_STRING)
            return value_add_texts(r, a, b, out);
        if (a->kind == SK_JSON_ARRAY && a->flavour == b->flavour)
            return value_add_arrays(r, a, b, out);
    }
    if (op == SK_JB_MUL && whole_b && (a->kind == SK_JSON_STRING || a->kind == SK_JSON_ARRAY))
        return value_repeat(r, a, j, out);
    if (op == SK_JB_MUL && whole && (b->kind == SK_JSON_STRING || b->kind == SK_JSON_ARRAY))
        return value_repeat(r, b, i, out);
    return value_no_operator(r, op, a, b);
}

int32_t sk_jinja_binary(sk_jinja_run *r, int op, const sk_json *a, const sk_json *b, sk_json *out)
{
    int32_t status;
    bool truth = false;
    int order = 0;
    switch (op) {
    case SK_JB_EQ:
    case SK_JB_NE:
        status = sk_jinja_equal(r, a, b, &truth);
        *out = sk_jinja_bool(truth == (op == SK_JB_EQ));
        return status;
    case SK_JB_IN:
    case SK_JB_NOT_IN:
        status = sk_jinja_contains(r, b, a, &truth);
        *out = sk_jinja_bool(truth == (op == SK_JB_IN));
        return status;
    case SK_JB_LT:
    case SK_JB_LE:
    case SK_JB_GT:
    case SK_JB_GE:
        status = sk_jinja_order(r, a, b, &order);
        *out = sk_jinja_bool(op == SK_JB_LT   ? order < 0
                             : op == SK_JB_LE ? order <= 0
                             : op == SK_JB_GT ? order > 0
                                              : order >= 0);
        return status;
    default:
        return value_arithmetic(r, op, a, b, out);
    }
}
