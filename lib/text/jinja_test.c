/* SPDX-License-Identifier: MIT */
/*
 * Tests: what stands behind `is`, and what select, reject and their kin ask by name.
 */
#include "base/portable.h"
#include "jinja_int.h"

#include <string.h>

enum {
    TEST_DEFINED,
    TEST_UNDEFINED,
    TEST_NONE,
    TEST_BOOLEAN,
    TEST_TRUE,
    TEST_FALSE,
    TEST_INTEGER,
    TEST_FLOAT,
    TEST_NUMBER,
    TEST_STRING,
    TEST_MAPPING,
    TEST_ITERABLE,
    TEST_SEQUENCE,
    TEST_CALLABLE,
    TEST_ODD,
    TEST_EVEN,
    TEST_DIVISIBLE,
    TEST_LOWER,
    TEST_UPPER,
    TEST_SAME,
    TEST_IN,
    TEST_FILTER,
    TEST_TEST,
    TEST_EQ, /* from here on in the order of SK_JB_EQ */
    TEST_NE,
    TEST_LT,
    TEST_LE,
    TEST_GT,
    TEST_GE
};

static const struct {
    const char *name;
    int test;
} test_rows[] = {
    {"defined", TEST_DEFINED},
    {"undefined", TEST_UNDEFINED},
    {"none", TEST_NONE},
    {"boolean", TEST_BOOLEAN},
    {"true", TEST_TRUE},
    {"false", TEST_FALSE},
    {"integer", TEST_INTEGER},
    {"float", TEST_FLOAT},
    {"number", TEST_NUMBER},
    {"string", TEST_STRING},
    {"mapping", TEST_MAPPING},
    {"iterable", TEST_ITERABLE},
    {"sequence", TEST_SEQUENCE},
    {"callable", TEST_CALLABLE},
    {"odd", TEST_ODD},
    {"even", TEST_EVEN},
    {"divisibleby", TEST_DIVISIBLE},
    {"lower", TEST_LOWER},
    {"upper", TEST_UPPER},
    {"sameas", TEST_SAME},
    {"in", TEST_IN},
    {"filter", TEST_FILTER},
    {"test", TEST_TEST},
    {"eq", TEST_EQ},
    {"equalto", TEST_EQ},
    {"==", TEST_EQ},
    {"ne", TEST_NE},
    {"!=", TEST_NE},
    {"lt", TEST_LT},
    {"lessthan", TEST_LT},
    {"<", TEST_LT},
    {"le", TEST_LE},
    {"<=", TEST_LE},
    {"gt", TEST_GT},
    {"greaterthan", TEST_GT},
    {">", TEST_GT},
    {"ge", TEST_GE},
    {">=", TEST_GE},
};

static int test_find(const sk_json *name)
{
    for (size_t i = 0; i < sizeof test_rows / sizeof *test_rows; i++)
        if (sk_jinja_is(name, test_rows[i].name))
            return test_rows[i].test;
    return -1;
}

bool sk_jinja_test_exists(const sk_json *name)
{
    return test_find(name) >= 0;
}

static bool test_kind(int test, const sk_json *v)
{
    uint8_t k = v->kind;
    bool sequence = k == SK_JSON_STRING || k == SK_JSON_ARRAY || k == SK_JSON_OBJECT ||
                    k == SK_J_RANGE || k == SK_J_UNDEFINED;
    switch (test) {
    case TEST_DEFINED:
    case TEST_UNDEFINED:
        return (k == SK_J_UNDEFINED) == (test == TEST_UNDEFINED);
    case TEST_NONE:
        return k == SK_JSON_NULL;
    case TEST_BOOLEAN:
        return k == SK_JSON_BOOL;
    case TEST_TRUE:
    case TEST_FALSE:
        return k == SK_JSON_BOOL && v->as.truth == (test == TEST_TRUE);
    case TEST_INTEGER:
        return k == SK_JSON_INT;
    case TEST_FLOAT:
        return k == SK_JSON_DOUBLE;
    case TEST_NUMBER:
        return k == SK_JSON_INT || k == SK_JSON_DOUBLE || k == SK_JSON_BOOL;
    case TEST_STRING:
        return k == SK_JSON_STRING;
    case TEST_MAPPING:
        return k == SK_JSON_OBJECT;
    case TEST_SEQUENCE:
        return sequence;
    case TEST_ITERABLE:
        return sequence || k == SK_J_GENERATOR || k == SK_J_LOOP;
    default: /* TEST_CALLABLE */
        return k == SK_J_MACRO || k == SK_J_FUNCTION || k == SK_J_METHOD ||
               (k == SK_J_CYCLER && v->flavour == 1);
    }
}

static int32_t test_divides(sk_jinja_run *r, const sk_json *v, int64_t by, bool *out)
{
    sk_json divisor = sk_jinja_int(by), rest;
    int32_t status = sk_jinja_binary(r, SK_JB_MOD, v, &divisor, &rest);
    *out = status >= 0 && !sk_jinja_truth(&rest);
    return status;
}

/* Whether the text of a value is as its own lower or upper case, with at least one letter. */
static int32_t test_case(sk_jinja_run *r, const sk_json *v, bool upper, bool *out)
{
    sk_json text, method, result;
    sk_jinja_args none = {0};
    int32_t status = sk_jinja_str(r, v, &text);
    method = sk_jinja_text(upper ? "isupper" : "islower", 7);
    sk_jinja_bound bound = {text, method.as.text, method.n};
    if (status >= 0)
        status = sk_jinja_method(r, &bound, &none, &result);
    *out = status >= 0 && sk_jinja_truth(&result);
    return status;
}

static bool test_same(const sk_json *a, const sk_json *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == SK_JSON_NULL)
        return true;
    if (a->kind == SK_JSON_BOOL)
        return a->as.truth == b->as.truth;
    return a->as.pointer == b->as.pointer && a->n == b->n;
}

int32_t sk_jinja_test(sk_jinja_run *r, const sk_json *name, const sk_json *v,
                      const sk_jinja_args *args, bool *out)
{
    int test = test_find(name);
    int64_t by;
    int32_t status = SKALD_OK;
    sk_json result;
    *out = false;
    if (test < 0)
        return sk_jinja_unknown_name(r, "test", name);
    if (test <= TEST_CALLABLE) {
        *out = test_kind(test, v);
        return SKALD_OK;
    }
    if ((test == TEST_SAME || test == TEST_IN || test >= TEST_EQ) && args->n == 0)
        return SK_JINJA_FAIL(r, "the test '%.*s' wants an argument", (int)name->n, name->as.text);
    switch (test) {
    case TEST_ODD:
    case TEST_EVEN:
        status = test_divides(r, v, 2, out);
        *out = *out == (test == TEST_EVEN);
        return status;
    case TEST_DIVISIBLE:
        status = sk_jinja_arg_int(r, args, 0, "num", 0, &by);
        return status < 0 ? status : test_divides(r, v, by, out);
    case TEST_LOWER:
    case TEST_UPPER:
        return test_case(r, v, test == TEST_UPPER, out);
    case TEST_SAME:
        *out = test_same(v, &args->items[0]);
        return SKALD_OK;
    case TEST_IN:
        return sk_jinja_contains(r, &args->items[0], v, out);
    case TEST_FILTER:
        *out = sk_jinja_filter_exists(v);
        return SKALD_OK;
    case TEST_TEST:
        *out = sk_jinja_test_exists(v);
        return SKALD_OK;
    default:
        status = sk_jinja_binary(r, SK_JB_EQ + test - TEST_EQ, v, &args->items[0], &result);
        *out = status >= 0 && sk_jinja_truth(&result);
        return status;
    }
}
