/* SPDX-License-Identifier: MIT */
/*
 * Expressions, by precedence climbing, straight to code. Loosest first: if-else, or, and, not,
 * comparisons, + -, ~, * / // %, ** and signs, filters and tests. Only `a if b else c` is not met
 * in the order in which it runs: a jump is put before a's code when the `if` is seen.
 */
#include "base/portable.h"
#include "jinja_int.h"
#include "base/options.h"
#include "utf8.h"

#include <string.h>

int32_t sk_jinja_syntax(const sk_jinja_parser *p, const char *what)
{
    return sk_fail(p->error, SKALD_E_TEMPLATE, "template, line %u: %s, found '%.*s'", p->at->line,
                   what, p->at->n < 40 ? (int)p->at->n : 40, p->text + p->at->start);
}

int32_t sk_jinja_emit(sk_jinja_parser *p, sk_jinja_op op, int32_t *at)
{
    sk_template *t = p->t;
    void *block = t->code;
    int32_t status = sk_grow(t->heap, &block, &t->code_capacity, t->n_code + 1, sizeof *t->code,
                             "template code", p->error);
    t->code = block;
    if (status < 0)
        return status;
    if (at)
        *at = (int32_t)t->n_code;
    op.line = p->at->line;
    t->code[t->n_code++] = op;
    return SKALD_OK;
}

static int32_t parse_emit(sk_jinja_parser *p, uint8_t op, int32_t a)
{
    return sk_jinja_emit(p, (sk_jinja_op){.op = op, .a = a}, NULL);
}

int32_t sk_jinja_constant(sk_jinja_parser *p, sk_json value, int32_t *index)
{
    sk_template *t = p->t;
    void *block = t->constants;
    int32_t status = sk_grow(t->heap, &block, &t->constant_capacity, t->n_constants + 1,
                             sizeof *t->constants, "template constants", p->error);
    t->constants = block;
    if (status < 0)
        return status;
    *index = (int32_t)t->n_constants;
    t->constants[t->n_constants++] = value;
    return SKALD_OK;
}

int32_t sk_jinja_name(sk_jinja_parser *p, const char *text, uint64_t n, int32_t *index)
{
    uint32_t found;
    if (sk_strmap_get(&p->names, text, n, &found)) {
        *index = (int32_t)found;
        return SKALD_OK;
    }
    char *copy = sk_arena_copy(&p->t->arena, text, n, "template names", p->error);
    if (!copy)
        return SKALD_E_MEMORY;
    int32_t status = sk_jinja_constant(p, sk_jinja_text(copy, n), index);
    if (status >= 0)
        sk_strmap_put(&p->names, copy, n, (uint32_t)*index, &found);
    return status;
}

bool sk_jinja_is_op(const sk_jinja_parser *p, const char *op)
{
    return p->at->kind == SK_JT_OPERATOR && p->at->code == (uint16_t)(op[0] | op[1] << 8);
}

bool sk_jinja_is_name(const sk_jinja_parser *p, const char *name)
{
    return p->at->kind == SK_JT_NAME && p->at->n == strlen(name) &&
           memcmp(p->text + p->at->start, name, p->at->n) == 0;
}

bool sk_jinja_take_op(sk_jinja_parser *p, const char *op)
{
    bool is = sk_jinja_is_op(p, op);
    p->at += is;
    return is;
}

bool sk_jinja_take_name(sk_jinja_parser *p, const char *name)
{
    bool is = sk_jinja_is_name(p, name);
    p->at += is;
    return is;
}

int32_t sk_jinja_want_op(sk_jinja_parser *p, const char *op)
{
    char text[32];
    sk_format(text, sizeof text, "'%s' is wanted", op);
    return sk_jinja_take_op(p, op) ? SKALD_OK : sk_jinja_syntax(p, text);
}

/* ---- literals ----------------------------------------------------------------------------- */

static int32_t parse_hex(const char *p, uint32_t left, uint32_t want)
{
    int32_t code = 0;
    if (left < want)
        return -1;
    for (uint32_t i = 0; i < want; i++) {
        char c = p[i], lower = (char)(c | 32);
        int32_t digit = c >= '0' && c <= '9'           ? c - '0'
                        : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                       : -1;
        if (digit < 0 || code > 0x10FFFF)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* A Python escape; p is behind the backslash. Returns the bytes it takes, 0: none known. */
static uint32_t parse_escape(const char *p, uint32_t left, char *out, uint32_t *n_out)
{
    static const char names[] = "\\'\"abfnrtv", codes[] = "\\'\"\a\b\f\n\r\t\v";
    const char *found = *p ? strchr(names, *p) : NULL;
    if (found || *p == '\n') {
        *n_out = found ? 1 : 0;
        if (found)
            *out = codes[found - names];
        return 1;
    }
    uint32_t want = *p == 'x' ? 2 : *p == 'u' ? 4 : *p == 'U' ? 8 : 0, n = 0;
    int32_t code = want ? parse_hex(p + 1, left - 1, want) : -1;
    if (want && (code < 0 || code > 0x10FFFF))
        return 0;
    if (!want) {
        for (code = 0; n < 3 && n < left && p[n] >= '0' && p[n] <= '7'; n++)
            code = code * 8 + (p[n] - '0');
        if (n == 0)
            return 0;
    }
    if (code >= 0xD800 && code <= 0xDFFF)
        code = 0xFFFD;
    *n_out = sk_utf8_write((uint8_t *)out, (uint32_t)code);
    return want ? want + 1 : n;
}

/* Adjacent strings are one. */
static int32_t parse_string(sk_jinja_parser *p, int32_t *index)
{
    const sk_jinja_token *first = p->at;
    uint64_t n = 0;
    for (const sk_jinja_token *t = first; t->kind == SK_JT_STRING; t++)
        n += t->n;
    char *text = sk_arena_alloc(&p->t->arena, n, "template strings", p->error), *to = text;
    if (!text)
        return SKALD_E_MEMORY;
    for (; p->at->kind == SK_JT_STRING; p->at++) {
        const char *from = p->text + p->at->start, *end = from + p->at->n;
        while (from < end) {
            uint32_t n_out = 0, taken = 0;
            if (*from == '\\' && from + 1 < end)
                taken = parse_escape(from + 1, (uint32_t)(end - from - 1), to, &n_out);
            if (!taken)
                *to++ = *from;
            to += n_out;
            from += taken + 1;
        }
    }
    return sk_jinja_constant(p, sk_jinja_text(text, (uint64_t)(to - text)), index);
}

static int32_t parse_number(sk_jinja_parser *p, int32_t *index)
{
    char text[64];
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->at->n; i++)
        if (p->text[p->at->start + i] != '_' && n < sizeof text)
            text[n++] = p->text[p->at->start + i];
    sk_json value = {.kind = SK_JSON_DOUBLE};
    bool good = n < sizeof text;
    if (good && p->at->kind == SK_JT_INT) {
        value.kind = SK_JSON_INT;
        good = sk_parse_int(text, n, &value.as.i);
    } else if (good) {
        good = sk_parse_double(text, n, &value.as.d);
    }
    if (!good)
        return sk_jinja_syntax(p, "not a number that can be read");
    p->at++;
    return sk_jinja_constant(p, value, index);
}

/* true, none and so on, as a constant; false if the name is none of them. */
static bool parse_word_constant(const sk_jinja_parser *p, sk_json *value)
{
    *value = (sk_json){.kind = SK_JSON_NULL};
    if (sk_jinja_is_name(p, "none") || sk_jinja_is_name(p, "None"))
        return true;
    bool truth = sk_jinja_is_name(p, "true") || sk_jinja_is_name(p, "True");
    *value = sk_jinja_bool(truth);
    return truth || sk_jinja_is_name(p, "false") || sk_jinja_is_name(p, "False");
}

static int32_t parse_list(sk_jinja_parser *p)
{
    int32_t n = 0;
    while (!sk_jinja_take_op(p, "]")) {
        int32_t status = n ? sk_jinja_want_op(p, ",") : SKALD_OK;
        if (status >= 0 && sk_jinja_take_op(p, "]"))
            break;
        if (status >= 0)
            status = sk_jinja_expression(p);
        if (status < 0)
            return status;
        n++;
    }
    return parse_emit(p, SK_JO_LIST, n);
}

static int32_t parse_dict(sk_jinja_parser *p)
{
    int32_t n = 0;
    while (!sk_jinja_take_op(p, "}")) {
        int32_t status = n ? sk_jinja_want_op(p, ",") : SKALD_OK;
        if (status >= 0 && sk_jinja_take_op(p, "}"))
            break;
        if (status >= 0)
            status = sk_jinja_expression(p);
        if (status >= 0)
            status = sk_jinja_want_op(p, ":");
        if (status >= 0)
            status = sk_jinja_expression(p);
        if (status < 0)
            return status;
        n++;
    }
    return parse_emit(p, SK_JO_DICT, n);
}

static int32_t parse_parentheses(sk_jinja_parser *p)
{
    if (sk_jinja_take_op(p, ")"))
        return sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_LIST, .flag = 1}, NULL);
    int32_t status = sk_jinja_tuple(p, false);
    return status < 0 ? status : sk_jinja_want_op(p, ")");
}

/* A variable; what a macro's body names decides what it takes. */
static int32_t parse_variable(sk_jinja_parser *p)
{
    int32_t name;
    int32_t status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &name);
    if (status < 0)
        return status;
    if (p->macro >= 0) {
        p->t->macros[p->macro].varargs |= name == p->t->name_varargs;
        p->t->macros[p->macro].kwargs |= name == p->t->name_kwargs;
    }
    p->at++;
    return parse_emit(p, SK_JO_NAME, name);
}

static int32_t parse_primary(sk_jinja_parser *p)
{
    int32_t index = 0, status = SKALD_OK;
    sk_json value;
    switch (p->at->kind) {
    case SK_JT_NAME:
        if (!parse_word_constant(p, &value))
            return parse_variable(p);
        p->at++;
        status = sk_jinja_constant(p, value, &index);
        break;
    case SK_JT_STRING:
        status = parse_string(p, &index);
        break;
    case SK_JT_INT:
    case SK_JT_FLOAT:
        status = parse_number(p, &index);
        break;
    default:
        if (sk_jinja_take_op(p, "("))
            return parse_parentheses(p);
        if (sk_jinja_take_op(p, "["))
            return parse_list(p);
        if (sk_jinja_take_op(p, "{"))
            return parse_dict(p);
        return sk_jinja_syntax(p, "an expression is wanted");
    }
    return status < 0 ? status : parse_emit(p, SK_JO_CONST, index);
}

/* ---- what stands behind a value ----------------------------------------------------------- */

/* One argument: an expression, name=expression, *list, **dict. */
static int32_t parse_argument(sk_jinja_parser *p)
{
    uint8_t stars = sk_jinja_is_op(p, "*") ? 1 : sk_jinja_is_op(p, "**") ? 2 : 0;
    int32_t name = -1, status = SKALD_OK;
    p->at += stars != 0;
    if (!stars && p->at->kind == SK_JT_NAME && p->at[1].kind == SK_JT_OPERATOR &&
        p->at[1].code == '=') {
        status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &name);
        p->at += 2;
    }
    if (status >= 0)
        status = sk_jinja_expression(p);
    if (status < 0)
        return status;
    if (name >= 0)
        return parse_emit(p, SK_JO_KEYWORD, name);
    return stars ? sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_STAR, .flag = stars}, NULL)
                 : SKALD_OK;
}

/* Behind '('. */
static int32_t parse_arguments(sk_jinja_parser *p, int32_t *n)
{
    *n = 0;
    while (!sk_jinja_take_op(p, ")")) {
        int32_t status = *n ? sk_jinja_want_op(p, ",") : SKALD_OK;
        if (status >= 0 && sk_jinja_take_op(p, ")"))
            break;
        if (status >= 0)
            status = parse_argument(p);
        if (status < 0)
            return status;
        ++*n;
    }
    return SKALD_OK;
}

static int32_t parse_bound(sk_jinja_parser *p)
{
    int32_t none;
    if (!sk_jinja_is_op(p, ":") && !sk_jinja_is_op(p, "]"))
        return sk_jinja_expression(p);
    int32_t status = sk_jinja_constant(p, (sk_json){.kind = SK_JSON_NULL}, &none);
    return status < 0 ? status : parse_emit(p, SK_JO_CONST, none);
}

/* Behind '[': an item or a slice. */
static int32_t parse_subscript(sk_jinja_parser *p)
{
    int32_t status;
    if (!sk_jinja_is_op(p, ":")) {
        status = sk_jinja_tuple(p, false);
        if (status < 0)
            return status;
        if (sk_jinja_take_op(p, "]"))
            return parse_emit(p, SK_JO_ITEM, 0);
    } else {
        status = parse_bound(p);
    }
    for (int i = 0; i < 2 && status >= 0; i++) {
        if (!sk_jinja_take_op(p, ":") && !sk_jinja_is_op(p, "]"))
            return sk_jinja_syntax(p, "':' or ']' is wanted");
        status = parse_bound(p);
    }
    if (status >= 0)
        status = sk_jinja_want_op(p, "]");
    return status < 0 ? status : parse_emit(p, SK_JO_SLICE, 0);
}

/* Behind '.': a name, or a number as an item. */
static int32_t parse_attribute(sk_jinja_parser *p)
{
    int32_t index, status;
    if (p->at->kind == SK_JT_INT) {
        status = parse_number(p, &index);
        if (status >= 0)
            status = parse_emit(p, SK_JO_CONST, index);
        return status < 0 ? status : parse_emit(p, SK_JO_ITEM, 0);
    }
    if (p->at->kind != SK_JT_NAME)
        return sk_jinja_syntax(p, "a name is wanted behind '.'");
    status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &index);
    p->at++;
    return status < 0 ? status : parse_emit(p, SK_JO_ATTR, index);
}

static int32_t parse_call(sk_jinja_parser *p)
{
    int32_t n, status = parse_arguments(p, &n);
    return status < 0 ? status : parse_emit(p, SK_JO_CALL, n);
}

static int32_t parse_postfix(sk_jinja_parser *p)
{
    int32_t status = SKALD_OK;
    while (status >= 0) {
        if (sk_jinja_take_op(p, "."))
            status = parse_attribute(p);
        else if (sk_jinja_take_op(p, "["))
            status = parse_subscript(p);
        else if (sk_jinja_take_op(p, "("))
            status = parse_call(p);
        else
            break;
    }
    return status;
}

static int32_t parse_filter(sk_jinja_parser *p)
{
    int32_t name, n = 0;
    if (p->at->kind != SK_JT_NAME)
        return sk_jinja_syntax(p, "the name of a filter is wanted");
    int32_t status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &name);
    p->at++;
    if (status >= 0 && sk_jinja_take_op(p, "("))
        status = parse_arguments(p, &n);
    return status < 0
               ? status
               : sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_FILTER, .a = n, .b = name}, NULL);
}

int32_t sk_jinja_filters(sk_jinja_parser *p)
{
    int32_t status = parse_filter(p);
    while (status >= 0 && sk_jinja_take_op(p, "|"))
        status = parse_filter(p);
    return status;
}

/* Whether a test's argument may begin here without parentheses. */
static bool parse_begins_argument(const sk_jinja_parser *p)
{
    static const char *const words[] = {"else", "or", "and", "is", "if", "in", "not"};
    if (p->at->kind == SK_JT_STRING || p->at->kind == SK_JT_INT || p->at->kind == SK_JT_FLOAT ||
        sk_jinja_is_op(p, "[") || sk_jinja_is_op(p, "{"))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (sk_jinja_is_name(p, words[i]))
            return false;
    return p->at->kind == SK_JT_NAME;
}

/* Behind 'is'. */
static int32_t parse_test(sk_jinja_parser *p)
{
    int32_t name, n = 0;
    bool negated = sk_jinja_take_name(p, "not");
    if (p->at->kind != SK_JT_NAME)
        return sk_jinja_syntax(p, "the name of a test is wanted");
    int32_t status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &name);
    p->at++;
    if (status >= 0 && sk_jinja_take_op(p, "(")) {
        status = parse_arguments(p, &n);
    } else if (status >= 0 && parse_begins_argument(p)) {
        n = 1;
        status = parse_primary(p);
        if (status >= 0)
            status = parse_postfix(p);
    }
    if (status >= 0)
        status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_TEST, .a = n, .b = name}, NULL);
    return status >= 0 && negated ? parse_emit(p, SK_JO_NOT, 0) : status;
}

static int32_t parse_unary(sk_jinja_parser *p, bool with_filters)
{
    int32_t status;
    if (p->depth >= SK_JINJA_DEPTH)
        return sk_jinja_syntax(p, "the expression is nested too deeply");
    p->depth++;
    bool minus = sk_jinja_take_op(p, "-"), sign = minus || sk_jinja_take_op(p, "+");
    status = sign ? parse_unary(p, false) : parse_primary(p);
    if (status >= 0 && sign)
        status = parse_emit(p, minus ? SK_JO_NEG : SK_JO_POS, 0);
    if (status >= 0)
        status = parse_postfix(p);
    while (status >= 0 && with_filters) {
        if (sk_jinja_take_op(p, "|"))
            status = parse_filter(p);
        else if (sk_jinja_take_name(p, "is"))
            status = parse_test(p);
        else if (sk_jinja_take_op(p, "("))
            status = parse_call(p);
        else
            break;
    }
    p->depth--;
    return status;
}

/* ---- operators ---------------------------------------------------------------------------- */

enum { LEVEL_OR, LEVEL_AND, LEVEL_NOT, LEVEL_COMPARE, LEVEL_ADD, LEVEL_JOIN, LEVEL_MUL, LEVEL_POW };

static const struct {
    char op[3];
    uint8_t level, binary;
} parse_operators[] = {
    {"==", LEVEL_COMPARE, SK_JB_EQ},   {"!=", LEVEL_COMPARE, SK_JB_NE},
    {"<", LEVEL_COMPARE, SK_JB_LT},    {"<=", LEVEL_COMPARE, SK_JB_LE},
    {">", LEVEL_COMPARE, SK_JB_GT},    {">=", LEVEL_COMPARE, SK_JB_GE},
    {"+", LEVEL_ADD, SK_JB_ADD},       {"-", LEVEL_ADD, SK_JB_SUB},
    {"*", LEVEL_MUL, SK_JB_MUL},       {"/", LEVEL_MUL, SK_JB_DIV},
    {"//", LEVEL_MUL, SK_JB_FLOORDIV}, {"%", LEVEL_MUL, SK_JB_MOD},
    {"**", LEVEL_POW, SK_JB_POW},
};

/* Takes a binary operator of this level; false: there is none. */
static bool parse_take_operator(sk_jinja_parser *p, int level, uint8_t *binary)
{
    for (size_t i = 0; i < sizeof parse_operators / sizeof *parse_operators; i++)
        if (parse_operators[i].level == level && sk_jinja_take_op(p, parse_operators[i].op)) {
            *binary = parse_operators[i].binary;
            return true;
        }
    if (level != LEVEL_COMPARE)
        return false;
    *binary = SK_JB_IN;
    if (sk_jinja_take_name(p, "in"))
        return true;
    if (!sk_jinja_is_name(p, "not") || p->at[1].kind != SK_JT_NAME || p->at[1].n != 2 ||
        memcmp(p->text + p->at[1].start, "in", 2) != 0)
        return false;
    p->at += 2;
    *binary = SK_JB_NOT_IN;
    return true;
}

static int32_t parse_level(sk_jinja_parser *p, int level);

/* a < b < c: each comparison but the last keeps its right side for the next one. */
static int32_t parse_compare(sk_jinja_parser *p)
{
    int32_t chain = -1, status = parse_level(p, LEVEL_ADD);
    uint8_t binary = 0, before = 0;
    bool one = false;
    while (status >= 0 && parse_take_operator(p, LEVEL_COMPARE, &binary)) {
        if (one) {
            /* The jumps to the end form a list through their targets. */
            sk_jinja_op op = {.op = SK_JO_CHAIN, .flag = before, .a = chain};
            status = sk_jinja_emit(p, op, &chain);
        }
        if (status >= 0)
            status = parse_level(p, LEVEL_ADD);
        one = true;
        before = binary;
    }
    if (status >= 0 && one)
        status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_BINARY, .flag = before}, NULL);
    while (status >= 0 && chain >= 0) {
        sk_jinja_op *op = &p->t->code[chain];
        chain = op->a;
        op->a = (int32_t)p->t->n_code;
    }
    return status;
}

static int32_t parse_join(sk_jinja_parser *p)
{
    int32_t n = 1, status = parse_level(p, LEVEL_MUL);
    for (; status >= 0 && sk_jinja_take_op(p, "~"); n++)
        status = parse_level(p, LEVEL_MUL);
    return status >= 0 && n > 1 ? parse_emit(p, SK_JO_JOIN, n) : status;
}

static int32_t parse_arithmetic(sk_jinja_parser *p, int level)
{
    uint8_t binary;
    int32_t status = parse_level(p, level + 1);
    while (status >= 0 && parse_take_operator(p, level, &binary)) {
        status = parse_level(p, level + 1);
        if (status >= 0)
            status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_BINARY, .flag = binary}, NULL);
    }
    return status;
}

static int32_t parse_logic(sk_jinja_parser *p, int level)
{
    bool is_or = level == LEVEL_OR;
    int32_t status = parse_level(p, level + 1);
    while (status >= 0 && sk_jinja_take_name(p, is_or ? "or" : "and")) {
        int32_t jump;
        status = sk_jinja_emit(p, (sk_jinja_op){.op = is_or ? SK_JO_OR : SK_JO_AND}, &jump);
        if (status >= 0)
            status = parse_level(p, level + 1);
        if (status >= 0)
            p->t->code[jump].a = (int32_t)p->t->n_code;
    }
    return status;
}

static int32_t parse_not(sk_jinja_parser *p)
{
    uint32_t n = 0;
    while (sk_jinja_take_name(p, "not"))
        n++;
    int32_t status = parse_level(p, LEVEL_COMPARE);
    for (; status >= 0 && n > 0; n--)
        status = parse_emit(p, SK_JO_NOT, 0);
    return status;
}

static int32_t parse_level(sk_jinja_parser *p, int level)
{
    switch (level) {
    case LEVEL_OR:
    case LEVEL_AND:
        return parse_logic(p, level);
    case LEVEL_NOT:
        return parse_not(p);
    case LEVEL_COMPARE:
        return parse_compare(p);
    case LEVEL_JOIN:
        return parse_join(p);
    case LEVEL_ADD:
    case LEVEL_MUL:
    case LEVEL_POW:
        return parse_arithmetic(p, level);
    default:
        return parse_unary(p, true);
    }
}

/* Whether an instruction's operand a (or b) is a place in the code. */
static bool parse_is_jump(uint8_t op)
{
    return op == SK_JO_CHAIN || op == SK_JO_JUMP || op == SK_JO_JUMP_FALSE || op == SK_JO_AND ||
           op == SK_JO_OR;
}

/* Puts a jump before the code from `start` on. */
static int32_t parse_insert_jump(sk_jinja_parser *p, int32_t start)
{
    int32_t status = parse_emit(p, SK_JO_JUMP, 0);
    if (status < 0)
        return status;
    sk_jinja_op *code = p->t->code, last = code[p->t->n_code - 1];
    int32_t n = (int32_t)p->t->n_code - 1;
    memmove(code + start + 1, code + start, (size_t)(n - start) * sizeof *code);
    code[start] = last;
    for (int32_t i = start + 1; i <= n; i++)
        if (parse_is_jump(code[i].op))
            code[i].a++;
    return SKALD_OK;
}

/* `a if b else c` becomes: jump B; A: a; jump END; B: b; jump-false C; jump A; C: c; END. */
static int32_t parse_condition(sk_jinja_parser *p, int32_t start)
{
    int32_t end, past, undefined, status = parse_insert_jump(p, start);
    if (status >= 0)
        status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_JUMP}, &end);
    if (status < 0)
        return status;
    p->t->code[start].a = (int32_t)p->t->n_code;
    status = parse_level(p, LEVEL_OR);
    if (status >= 0)
        status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_JUMP_FALSE}, &past);
    if (status >= 0)
        status = parse_emit(p, SK_JO_JUMP, start + 1);
    if (status < 0)
        return status;
    p->t->code[past].a = (int32_t)p->t->n_code;
    if (sk_jinja_take_name(p, "else")) {
        status = sk_jinja_expression(p);
    } else {
        sk_json value = {.kind = SK_J_UNDEFINED, .n = 6, .as.text = "inline"};
        status = sk_jinja_constant(p, value, &undefined);
        if (status >= 0)
            status = parse_emit(p, SK_JO_CONST, undefined);
    }
    p->t->code[end].a = (int32_t)p->t->n_code;
    return status;
}

static int32_t parse_whole(sk_jinja_parser *p, bool no_if)
{
    int32_t start = (int32_t)p->t->n_code, depth = p->depth;
    if (p->depth >= SK_JINJA_DEPTH)
        return sk_jinja_syntax(p, "the expression is nested too deeply");
    p->depth++;
    int32_t status = parse_level(p, LEVEL_OR);
    while (status >= 0 && !no_if && sk_jinja_take_name(p, "if")) {
        if (p->depth++ >= SK_JINJA_DEPTH)
            return sk_jinja_syntax(p, "too many conditions in a row");
        status = parse_condition(p, start);
    }
    p->depth = depth;
    return status;
}

int32_t sk_jinja_expression(sk_jinja_parser *p)
{
    return parse_whole(p, false);
}

/* Whether an expression cannot go on here. */
static bool parse_ends(const sk_jinja_parser *p)
{
    return p->at->kind == SK_JT_PRINT_END || p->at->kind == SK_JT_BLOCK_END ||
           sk_jinja_is_op(p, ")") || sk_jinja_is_op(p, "]") || sk_jinja_is_op(p, "=");
}

int32_t sk_jinja_tuple(sk_jinja_parser *p, bool no_if)
{
    int32_t n = 1, status = parse_whole(p, no_if);
    bool tuple = false;
    while (status >= 0 && sk_jinja_take_op(p, ",")) {
        tuple = true;
        if (parse_ends(p))
            break;
        status = parse_whole(p, no_if);
        n++;
    }
    if (status < 0 || !tuple)
        return status;
    return sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_LIST, .flag = 1, .a = n}, NULL);
}
