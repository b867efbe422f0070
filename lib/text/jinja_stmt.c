/* SPDX-License-Identifier: MIT */
/*
 * Statements. A body ends at a {% whose word is one of its enders; which one decides how the
 * statement goes on. Nesting is limited; chains of elif are not nested.
 */
#include "base/portable.h"
#include "jinja_int.h"

#include <string.h>

static int32_t stmt_body(sk_jinja_parser *p, const char *enders);

static int32_t stmt_emit(sk_jinja_parser *p, uint8_t op, int32_t a)
{
    return sk_jinja_emit(p, (sk_jinja_op){.op = op, .a = a}, NULL);
}

static int32_t stmt_end(sk_jinja_parser *p)
{
    if (p->at->kind != SK_JT_BLOCK_END)
        return sk_jinja_syntax(p, "the end of the tag is wanted");
    p->at++;
    return SKALD_OK;
}

static int32_t stmt_here(const sk_jinja_parser *p)
{
    return (int32_t)p->t->n_code;
}

/* A body that opens a block at run time: breaks out of it must close that first. */
static int32_t stmt_inner_body(sk_jinja_parser *p, const char *enders)
{
    p->loop_blocks++;
    int32_t status = stmt_body(p, enders);
    p->loop_blocks--;
    if (status < 0)
        return status;
    p->at++;
    return stmt_end(p);
}

/* Gives the jumps of a list, linked through their targets, their target. */
static void stmt_patch(sk_jinja_parser *p, int32_t list, int32_t target)
{
    while (list >= 0) {
        int32_t next = p->t->code[list].a;
        p->t->code[list].a = target;
        list = next;
    }
}

static int32_t stmt_if(sk_jinja_parser *p)
{
    int32_t ends = -1, past = -1, status;
    for (;;) {
        status = sk_jinja_tuple(p, false);
        if (status >= 0)
            status = stmt_end(p);
        if (status >= 0)
            status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_JUMP_FALSE}, &past);
        if (status >= 0)
            status = stmt_body(p, "elif else endif");
        if (status < 0)
            return status;
        if (!sk_jinja_is_name(p, "endif"))
            status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_JUMP, .a = ends}, &ends);
        if (status < 0)
            return status;
        p->t->code[past].a = stmt_here(p);
        if (!sk_jinja_take_name(p, "elif"))
            break;
    }
    if (sk_jinja_take_name(p, "else")) {
        status = stmt_end(p);
        if (status >= 0)
            status = stmt_body(p, "endif");
    }
    if (status < 0)
        return status;
    p->at++;
    stmt_patch(p, ends, stmt_here(p));
    return stmt_end(p);
}

/* ---- targets of set and for --------------------------------------------------------------- */

static int32_t stmt_target_name(sk_jinja_parser *p)
{
    int32_t name;
    if (p->at->kind != SK_JT_NAME)
        return sk_jinja_syntax(p, "a name is wanted");
    int32_t status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &name);
    p->at++;
    return status < 0 ? status : stmt_emit(p, SK_JO_STORE, name);
}

/* a, b or (a, b): stores the value on the stack. */
static int32_t stmt_targets(sk_jinja_parser *p, int level)
{
    int32_t unpack, n = 0;
    bool tuple = false;
    if (level > 4)
        return sk_jinja_syntax(p, "targets are nested too deeply");
    int32_t status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_UNPACK}, &unpack);
    do {
        if (status >= 0 && sk_jinja_take_op(p, "(")) {
            status = stmt_targets(p, level + 1);
            if (status >= 0)
                status = sk_jinja_want_op(p, ")");
        } else if (status >= 0) {
            status = stmt_target_name(p);
        }
        n++;
        if (status < 0 || !sk_jinja_take_op(p, ","))
            break;
        tuple = true;
    } while ((p->at->kind == SK_JT_NAME && !sk_jinja_is_name(p, "in")) || sk_jinja_is_op(p, "("));
    p->t->code[unpack].a = tuple ? n : -1;
    return status;
}

/* ---- for ---------------------------------------------------------------------------------- */

/* The part `if condition` of a loop: collects the items that pass. The targets are read anew from
 * `targets` on. */
static int32_t stmt_for_filter(sk_jinja_parser *p, const sk_jinja_token *targets)
{
    int32_t next, skip, status;
    status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_FOR, .flag = 1}, NULL);
    if (status >= 0)
        status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_NEXT, .flag = 1}, &next);
    if (status < 0)
        return status;
    const sk_jinja_token *condition = p->at;
    p->at = targets;
    status = stmt_targets(p, 0);
    p->at = condition;
    if (status >= 0)
        status = sk_jinja_expression(p);
    if (status >= 0)
        status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_JUMP_FALSE, .a = next}, &skip);
    if (status >= 0)
        status = stmt_emit(p, SK_JO_COLLECT, 0);
    if (status >= 0)
        status = stmt_emit(p, SK_JO_JUMP, next);
    if (status < 0)
        return status;
    p->t->code[next].a = stmt_here(p);
    return sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_END_FOR, .flag = 1}, NULL);
}

/* From FOR to END_FOR; *end_for is the latter. At the body. `again` is where loop(...) begins anew
 * with another iterable; 0: it does not. */
static int32_t stmt_for_body(sk_jinja_parser *p, const sk_jinja_token *targets, int32_t again,
                             int32_t *end_for)
{
    int32_t next, status = stmt_emit(p, SK_JO_FOR, again);
    if (status >= 0)
        status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_NEXT}, &next);
    if (status < 0)
        return status;
    const sk_jinja_token *body = p->at;
    p->at = targets;
    status = stmt_targets(p, 0);
    if (status >= 0 && !sk_jinja_is_name(p, "in"))
        status = sk_jinja_syntax(p, "'in' is wanted");
    p->at = body;
    int32_t outer_next = p->loop_next, outer_breaks = p->loop_breaks, outer = p->loop_blocks;
    p->loop_next = next;
    p->loop_breaks = -1;
    p->loop_blocks = 0;
    if (status >= 0)
        status = stmt_body(p, "else endfor");
    if (status >= 0)
        status = stmt_emit(p, SK_JO_JUMP, next);
    if (status >= 0) {
        p->t->code[next].a = stmt_here(p);
        stmt_patch(p, p->loop_breaks, stmt_here(p));
        status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_END_FOR}, end_for);
    }
    p->loop_next = outer_next;
    p->loop_breaks = outer_breaks;
    p->loop_blocks = outer;
    return status;
}

/* Steps over the targets up to 'in'. */
static int32_t stmt_skip_targets(sk_jinja_parser *p)
{
    while (!sk_jinja_is_name(p, "in")) {
        if (p->at->kind != SK_JT_NAME && p->at->kind != SK_JT_OPERATOR)
            return sk_jinja_syntax(p, "'in' is wanted");
        p->at++;
    }
    p->at++;
    return SKALD_OK;
}

static int32_t stmt_for(sk_jinja_parser *p)
{
    const sk_jinja_token *targets = p->at;
    int32_t end_for = 0, status = stmt_skip_targets(p);
    if (status >= 0)
        status = sk_jinja_tuple(p, true);
    int32_t again = stmt_here(p);
    if (status >= 0 && sk_jinja_take_name(p, "if"))
        status = stmt_for_filter(p, targets);
    bool recursive = status >= 0 && sk_jinja_take_name(p, "recursive");
    if (status >= 0)
        status = stmt_end(p);
    if (status >= 0)
        status = stmt_for_body(p, targets, recursive ? again : 0, &end_for);
    if (status >= 0 && sk_jinja_take_name(p, "else")) {
        status = stmt_end(p);
        if (status >= 0)
            status = stmt_body(p, "endfor");
    }
    if (status < 0)
        return status;
    p->t->code[end_for].a = stmt_here(p);
    p->at++;
    if (recursive)
        status = stmt_emit(p, SK_JO_END_RECURSION, 0);
    return status < 0 ? status : stmt_end(p);
}

static int32_t stmt_break(sk_jinja_parser *p, bool next)
{
    int32_t status = SKALD_OK;
    if (p->loop_next < 0)
        return sk_jinja_syntax(p, "break or continue outside a loop");
    for (int32_t i = 0; i < p->loop_blocks && status >= 0; i++)
        status = stmt_emit(p, SK_JO_LEAVE, 0);
    if (status >= 0 && next)
        status = stmt_emit(p, SK_JO_JUMP, p->loop_next);
    else if (status >= 0)
        status =
            sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_JUMP, .a = p->loop_breaks}, &p->loop_breaks);
    return status < 0 ? status : stmt_end(p);
}

/* ---- set and what captures ---------------------------------------------------------------- */

/* name.attribute = expression */
static int32_t stmt_set_attribute(sk_jinja_parser *p)
{
    int32_t name, attribute = 0;
    int32_t status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &name);
    p->at += 2;
    if (p->at->kind != SK_JT_NAME)
        return sk_jinja_syntax(p, "a name is wanted behind '.'");
    if (status >= 0)
        status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &attribute);
    p->at++;
    if (status >= 0 && p->at->kind == SK_JT_BLOCK_END) {
        p->at++;
        status = stmt_emit(p, SK_JO_CAPTURE, 0);
        if (status >= 0)
            status = stmt_inner_body(p, "endset");
        if (status >= 0)
            status = stmt_emit(p, SK_JO_CAPTURED, 0);
    } else {
        if (status >= 0)
            status = sk_jinja_want_op(p, "=");
        if (status >= 0)
            status = sk_jinja_tuple(p, false);
        if (status >= 0)
            status = stmt_end(p);
    }
    sk_jinja_op op = {.op = SK_JO_SETATTR, .a = name, .b = attribute};
    return status < 0 ? status : sk_jinja_emit(p, op, NULL);
}

/* {% set name | filter %} text {% endset %}. At '|' or the end of the tag. */
static int32_t stmt_set_block(sk_jinja_parser *p, const sk_jinja_token *targets)
{
    const sk_jinja_token *filters = sk_jinja_take_op(p, "|") ? p->at : NULL;
    int32_t status = SKALD_OK;
    while (p->at->kind != SK_JT_BLOCK_END && p->at->kind != SK_JT_END)
        p->at++;
    status = stmt_end(p);
    if (status >= 0)
        status = stmt_emit(p, SK_JO_CAPTURE, 0);
    if (status >= 0)
        status = stmt_inner_body(p, "endset");
    if (status >= 0)
        status = stmt_emit(p, SK_JO_CAPTURED, 0);
    const sk_jinja_token *behind = p->at;
    if (status >= 0 && filters) {
        p->at = filters;
        status = sk_jinja_filters(p);
        if (status >= 0 && p->at->kind != SK_JT_BLOCK_END)
            status = sk_jinja_syntax(p, "the end of the tag is wanted");
    }
    p->at = targets;
    if (status >= 0)
        status = stmt_targets(p, 0);
    if (status >= 0 && p->at->kind != SK_JT_BLOCK_END && !sk_jinja_is_op(p, "|"))
        status = sk_jinja_syntax(p, "the end of the tag is wanted");
    p->at = behind;
    return status;
}

static int32_t stmt_set(sk_jinja_parser *p)
{
    const sk_jinja_token *targets = p->at;
    if (p->at->kind == SK_JT_NAME && p->at[1].kind == SK_JT_OPERATOR && p->at[1].code == '.')
        return stmt_set_attribute(p);
    while (p->at->kind == SK_JT_NAME || sk_jinja_is_op(p, ",") || sk_jinja_is_op(p, "(") ||
           sk_jinja_is_op(p, ")"))
        p->at++;
    if (!sk_jinja_take_op(p, "="))
        return stmt_set_block(p, targets);
    int32_t status = sk_jinja_tuple(p, false);
    const sk_jinja_token *behind = p->at;
    p->at = targets;
    if (status >= 0)
        status = stmt_targets(p, 0);
    if (status >= 0 && !sk_jinja_is_op(p, "="))
        status = sk_jinja_syntax(p, "'=' is wanted");
    if (status < 0)
        return status;
    p->at = behind;
    return stmt_end(p);
}

static int32_t stmt_filter(sk_jinja_parser *p)
{
    const sk_jinja_token *filters = p->at;
    while (p->at->kind != SK_JT_BLOCK_END && p->at->kind != SK_JT_END)
        p->at++;
    int32_t status = stmt_end(p);
    if (status >= 0)
        status = stmt_emit(p, SK_JO_CAPTURE, 0);
    if (status >= 0)
        status = stmt_inner_body(p, "endfilter");
    if (status >= 0)
        status = stmt_emit(p, SK_JO_CAPTURED, 0);
    const sk_jinja_token *behind = p->at;
    p->at = filters;
    if (status >= 0)
        status = sk_jinja_filters(p);
    if (status >= 0 && p->at->kind != SK_JT_BLOCK_END)
        status = sk_jinja_syntax(p, "the end of the tag is wanted");
    p->at = behind;
    return status < 0 ? status : stmt_emit(p, SK_JO_PRINT, 0);
}

/* {% with a = 1, b = 2 %}: the values are computed outside. */
static int32_t stmt_with(sk_jinja_parser *p)
{
    int32_t names[16], n = 0, status = SKALD_OK;
    while (status >= 0 && p->at->kind == SK_JT_NAME && n < 16) {
        status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &names[n++]);
        p->at++;
        if (status >= 0)
            status = sk_jinja_want_op(p, "=");
        if (status >= 0)
            status = sk_jinja_expression(p);
        if (status < 0 || !sk_jinja_take_op(p, ","))
            break;
    }
    if (status >= 0)
        status = stmt_end(p);
    if (status >= 0)
        status = stmt_emit(p, SK_JO_SCOPE, 0);
    while (status >= 0 && n > 0)
        status = stmt_emit(p, SK_JO_STORE, names[--n]);
    if (status >= 0)
        status = stmt_inner_body(p, "endwith");
    return status < 0 ? status : stmt_emit(p, SK_JO_LEAVE, 0);
}

/* What marks the assistant's tokens for training: a scope, nothing else. */
static int32_t stmt_generation(sk_jinja_parser *p)
{
    int32_t status = stmt_end(p);
    if (status >= 0)
        status = stmt_emit(p, SK_JO_SCOPE, 0);
    if (status >= 0)
        status = stmt_inner_body(p, "endgeneration");
    return status < 0 ? status : stmt_emit(p, SK_JO_LEAVE, 0);
}

/* ---- macros ------------------------------------------------------------------------------- */

static int32_t stmt_new_macro(sk_jinja_parser *p, int32_t name, int32_t *index)
{
    sk_template *t = p->t;
    void *block = t->macros;
    int32_t status = sk_grow(t->heap, &block, &t->macro_capacity, t->n_macros + 1,
                             sizeof *t->macros, "template macros", p->error);
    t->macros = block;
    if (status < 0)
        return status;
    *index = (int32_t)t->n_macros;
    t->macros[t->n_macros++] = (sk_jinja_macro){.name = name};
    return SKALD_OK;
}

/* What was not given is undefined, whatever its name means outside. */
static int32_t stmt_no_default(sk_jinja_parser *p, int32_t name)
{
    int32_t index;
    sk_json value = p->t->constants[name];
    value.kind = SK_J_UNDEFINED;
    int32_t status = sk_jinja_constant(p, value, &index);
    return status < 0 ? status : stmt_emit(p, SK_JO_CONST, index);
}

static int32_t stmt_parameter(sk_jinja_parser *p, int32_t macro)
{
    int32_t name, bound;
    if (p->at->kind != SK_JT_NAME)
        return sk_jinja_syntax(p, "the name of a parameter is wanted");
    int32_t status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &name);
    sk_jinja_macro *m = &p->t->macros[macro];
    void *block = m->params;
    if (status >= 0)
        status = sk_grow(p->t->heap, &block, &m->capacity, m->n_params + 1, sizeof *m->params,
                         "template parameters", p->error);
    m->params = block;
    if (status < 0)
        return status;
    m->params[m->n_params++] = name;
    p->at++;
    status = sk_jinja_emit(p, (sk_jinja_op){.op = SK_JO_DEFAULT, .a = name}, &bound);
    if (status >= 0)
        status = sk_jinja_take_op(p, "=") ? sk_jinja_expression(p) : stmt_no_default(p, name);
    if (status >= 0)
        status = stmt_emit(p, SK_JO_STORE, name);
    if (status >= 0)
        p->t->code[bound].b = stmt_here(p);
    return status;
}

/* Parameters, if there are parentheses; at run time a macro's code is jumped over. */
static int32_t stmt_macro_head(sk_jinja_parser *p, int32_t macro)
{
    int32_t status = stmt_emit(p, SK_JO_JUMP, 0);
    p->t->macros[macro].entry = stmt_here(p);
    if (status >= 0 && sk_jinja_take_op(p, "(")) {
        while (status >= 0 && !sk_jinja_take_op(p, ")")) {
            status = stmt_parameter(p, macro);
            if (status >= 0 && !sk_jinja_is_op(p, ")"))
                status = sk_jinja_want_op(p, ",");
        }
    }
    return status;
}

static int32_t stmt_macro_body(sk_jinja_parser *p, int32_t macro, const char *ender)
{
    int32_t over = p->t->macros[macro].entry - 1, outer = p->macro, loop = p->loop_next;
    p->macro = macro;
    p->loop_next = -1;
    int32_t status = stmt_end(p);
    if (status >= 0)
        status = stmt_body(p, ender);
    p->macro = outer;
    p->loop_next = loop;
    if (status >= 0)
        status = stmt_emit(p, SK_JO_RETURN, 0);
    if (status < 0)
        return status;
    p->t->code[over].a = stmt_here(p);
    p->at++;
    status = stmt_end(p);
    return status < 0 ? status : stmt_emit(p, SK_JO_MACRO, macro);
}

static int32_t stmt_macro(sk_jinja_parser *p)
{
    int32_t name, macro = 0;
    if (p->at->kind != SK_JT_NAME)
        return sk_jinja_syntax(p, "the name of a macro is wanted");
    int32_t status = sk_jinja_name(p, p->text + p->at->start, p->at->n, &name);
    p->at++;
    if (status >= 0)
        status = stmt_new_macro(p, name, &macro);
    if (status >= 0)
        status = stmt_macro_head(p, macro);
    if (status >= 0)
        status = stmt_macro_body(p, macro, "endmacro");
    return status < 0 ? status : stmt_emit(p, SK_JO_STORE, name);
}

/* {% call(a) f(b) %} text {% endcall %}: a macro named caller, given to f. Its parameters come
 * first in the text, f's call is read next and its last instruction redone behind the macro. */
static int32_t stmt_call(sk_jinja_parser *p)
{
    int32_t macro = 0, status = stmt_new_macro(p, p->t->name_caller, &macro);
    const sk_jinja_token *parameters = p->at;
    uint32_t open = 0;
    if (sk_jinja_is_op(p, "("))
        do {
            open += sk_jinja_is_op(p, "(");
            open -= sk_jinja_is_op(p, ")");
            p->at++;
        } while (open > 0 && p->at->kind != SK_JT_BLOCK_END && p->at->kind != SK_JT_END);
    bool has_parameters = p->at != parameters;
    if (status >= 0)
        status = sk_jinja_expression(p);
    if (status < 0)
        return status;
    if (p->t->code[p->t->n_code - 1].op != SK_JO_CALL)
        return sk_jinja_syntax(p, "a call is wanted");
    int32_t n_arguments = p->t->code[--p->t->n_code].a;
    const sk_jinja_token *behind = p->at;
    if (has_parameters)
        p->at = parameters;
    status = stmt_macro_head(p, macro);
    p->at = behind;
    if (status >= 0)
        status = stmt_macro_body(p, macro, "endcall");
    if (status >= 0)
        status = stmt_emit(p, SK_JO_KEYWORD, p->t->name_caller);
    if (status >= 0)
        status = stmt_emit(p, SK_JO_CALL, n_arguments + 1);
    return status < 0 ? status : stmt_emit(p, SK_JO_PRINT, 0);
}

/* ---- bodies ------------------------------------------------------------------------------- */

static int32_t stmt_do(sk_jinja_parser *p)
{
    int32_t status = sk_jinja_tuple(p, false);
    if (status >= 0)
        status = stmt_emit(p, SK_JO_POP, 0);
    return status < 0 ? status : stmt_end(p);
}

static int32_t stmt_statement(sk_jinja_parser *p)
{
    static const struct {
        const char *word;
        int32_t (*parse)(sk_jinja_parser *p);
    } rows[] = {{"if", stmt_if},     {"for", stmt_for},
                {"set", stmt_set},   {"macro", stmt_macro},
                {"call", stmt_call}, {"filter", stmt_filter},
                {"with", stmt_with}, {"generation", stmt_generation},
                {"do", stmt_do}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (sk_jinja_take_name(p, rows[i].word))
            return rows[i].parse(p);
    if (sk_jinja_take_name(p, "break"))
        return stmt_break(p, false);
    if (sk_jinja_take_name(p, "continue"))
        return stmt_break(p, true);
    return sk_jinja_syntax(p, "not a statement that is known here");
}

static int32_t stmt_print(sk_jinja_parser *p)
{
    int32_t status = sk_jinja_tuple(p, false);
    if (status >= 0 && p->at->kind != SK_JT_PRINT_END)
        status = sk_jinja_syntax(p, "the end of the print tag is wanted");
    p->at += status >= 0;
    return status < 0 ? status : stmt_emit(p, SK_JO_PRINT, 0);
}

static int32_t stmt_text(sk_jinja_parser *p)
{
    int32_t index;
    char *copy =
        sk_arena_copy(&p->t->arena, p->text + p->at->start, p->at->n, "template text", p->error);
    if (!copy)
        return SKALD_E_MEMORY;
    int32_t status = sk_jinja_constant(p, sk_jinja_text(copy, p->at->n), &index);
    p->at++;
    return status < 0 ? status : stmt_emit(p, SK_JO_TEXT, index);
}

/* Whether the name here is one of the words. */
static bool stmt_ends(const sk_jinja_parser *p, const char *enders)
{
    if (p->at->kind != SK_JT_NAME)
        return false;
    for (const char *word = enders; *word;) {
        size_t n = strcspn(word, " ");
        if (n == p->at->n && memcmp(word, p->text + p->at->start, n) == 0)
            return true;
        word += n + (word[n] == ' ');
    }
    return false;
}

/* Up to the word that ends it, which is not taken. `enders` "": up to the end of the text. */
static int32_t stmt_body(sk_jinja_parser *p, const char *enders)
{
    int32_t status = SKALD_OK;
    if (p->nesting >= SK_JINJA_NESTING)
        return sk_jinja_syntax(p, "statements are nested too deeply");
    p->nesting++;
    while (status >= 0) {
        if (p->at->kind == SK_JT_END) {
            status = *enders ? sk_jinja_syntax(p, "the template ends inside a statement") : status;
            break;
        }
        uint8_t kind = p->at->kind;
        if (kind == SK_JT_TEXT) {
            status = stmt_text(p);
            continue;
        }
        p->at++;
        if (kind == SK_JT_PRINT_BEGIN)
            status = stmt_print(p);
        else if (stmt_ends(p, enders))
            break;
        else
            status = stmt_statement(p);
    }
    p->nesting--;
    return status;
}

int32_t sk_jinja_parse_template(sk_jinja_parser *p)
{
    int32_t status = stmt_body(p, "");
    return status < 0 ? status : stmt_emit(p, SK_JO_HALT, 0);
}
