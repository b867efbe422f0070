/* SPDX-License-Identifier: MIT */
/*
 * The stack machine. Calls of macros, loops and captures are blocks on a stack of their own, so a
 * template that calls itself runs into a limit of blocks and not into the end of C's stack. What a
 * capture collects lies at the end of the output and is taken away when the capture ends.
 */
#include "base/portable.h"
#include "jinja_int.h"

#include <string.h>

enum { BLOCK_LOOP, BLOCK_CAPTURE, BLOCK_CALL, BLOCK_SCOPE, BLOCK_RECURSION };

int32_t sk_jinja_charge(sk_jinja_run *r, uint64_t n)
{
    r->steps += n / 16;
    if (r->steps > SK_JINJA_STEPS)
        return SK_JINJA_FAIL(r, "it takes more than %u steps", SK_JINJA_STEPS);
    return SKALD_OK;
}

void *sk_jinja_alloc(sk_jinja_run *r, uint64_t n, uint64_t size)
{
    return sk_arena_array(&r->arena, n, size, "a template's values", r->error);
}

static int32_t run_push(sk_jinja_run *r, sk_json value)
{
    if (r->n_stack >= SK_JINJA_STACK)
        return SK_JINJA_FAIL(r, "too many values at once");
    void *block = r->stack;
    int32_t status = sk_grow(r->heap, &block, &r->stack_capacity, r->n_stack + 1, sizeof *r->stack,
                             "a template's stack", r->error);
    r->stack = block;
    if (status >= 0)
        r->stack[r->n_stack++] = value;
    return status;
}

static sk_json run_pop(sk_jinja_run *r)
{
    return r->stack[--r->n_stack];
}

static sk_json *run_top(sk_jinja_run *r)
{
    return &r->stack[r->n_stack - 1];
}

/* ---- scopes ------------------------------------------------------------------------------- */

static int32_t run_new_env(sk_jinja_run *r, sk_jinja_env *parent)
{
    sk_jinja_env *env = sk_jinja_alloc(r, 1, sizeof *env);
    if (!env)
        return SKALD_E_MEMORY;
    *env = (sk_jinja_env){.parent = parent};
    r->env = env;
    return SKALD_OK;
}

static sk_json *run_find(sk_jinja_env *env, int32_t name)
{
    for (uint32_t i = 0; i < env->n; i++)
        if (env->vars[i].name == name)
            return &env->vars[i].value;
    return NULL;
}

static int32_t run_store(sk_jinja_run *r, int32_t name, sk_json value)
{
    sk_jinja_env *env = r->env;
    sk_json *found = run_find(env, name);
    int32_t status = sk_jinja_charge(r, env->n);
    if (found)
        *found = value;
    if (status < 0 || found)
        return status;
    if (env->n == env->capacity) {
        uint32_t capacity = env->capacity ? 2 * env->capacity : 4;
        sk_jinja_var *vars = sk_jinja_alloc(r, capacity, sizeof *vars);
        if (!vars)
            return SKALD_E_MEMORY;
        if (env->n)
            memcpy(vars, env->vars, env->n * sizeof *vars);
        env->vars = vars;
        env->capacity = capacity;
    }
    env->vars[env->n++] = (sk_jinja_var){name, value};
    return SKALD_OK;
}

/* Scopes from the inside out, then the caller's variables, then functions. */
static int32_t run_lookup(sk_jinja_run *r, int32_t name, sk_json *out)
{
    int32_t status = SKALD_OK;
    for (sk_jinja_env *env = r->env; env && status >= 0; env = env->parent) {
        sk_json *found = run_find(env, name);
        status = sk_jinja_charge(r, 4 + env->n);
        if (found) {
            *out = *found;
            return status;
        }
    }
    const sk_json *key = &r->t->constants[name], *found = NULL;
    if (status >= 0)
        status = sk_jinja_dict_find(r, r->variables, key, &found);
    if (found)
        *out = *found;
    else if (!sk_jinja_function_find(key, out))
        *out = (sk_json){.kind = SK_J_UNDEFINED, .n = key->n, .as.text = key->as.text};
    return status;
}

/* ---- blocks ------------------------------------------------------------------------------- */

static int32_t run_open(sk_jinja_run *r, uint8_t kind, sk_jinja_block **out)
{
    if (r->n_blocks >= SK_JINJA_BLOCKS)
        return SK_JINJA_FAIL(r, "loops and calls are nested too deeply");
    void *block = r->blocks;
    int32_t status = sk_grow(r->heap, &block, &r->block_capacity, r->n_blocks + 1,
                             sizeof *r->blocks, "a template's blocks", r->error);
    r->blocks = block;
    if (status < 0)
        return status;
    *out = &r->blocks[r->n_blocks++];
    **out = (sk_jinja_block){.kind = kind, .env = r->env, .mark = r->out.text.n};
    return SKALD_OK;
}

static int32_t run_open_scope(sk_jinja_run *r, uint8_t kind)
{
    sk_jinja_block *b;
    int32_t status = run_open(r, kind, &b);
    return status < 0 ? status : run_new_env(r, r->env);
}

/* Closes the innermost block; *text is what was written since it began. */
static int32_t run_capture_end(sk_jinja_run *r, sk_json *text)
{
    sk_jinja_block *b = &r->blocks[--r->n_blocks];
    r->env = b->env;
    return sk_jinja_take(r, &r->out, b->mark, text);
}

static int32_t run_for(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_json iterable = run_pop(r);
    sk_jinja_block *b = r->n_blocks ? &r->blocks[r->n_blocks - 1] : NULL;
    uint32_t depth = b && b->kind == BLOCK_RECURSION ? b->loop->depth + 1 : 0;
    int32_t status = run_open(r, BLOCK_LOOP, &b);
    sk_jinja_loop *loop = status < 0 ? NULL : sk_jinja_alloc(r, 1, sizeof *loop);
    if (!loop)
        return status < 0 ? status : SKALD_E_MEMORY;
    memset(loop, 0, sizeof *loop);
    loop->again = op->a;
    loop->depth = depth;
    loop->env = r->env;
    b->loop = loop;
    status = sk_jinja_iterable(r, &iterable, &loop->items);
    loop->n = loop->items.n;
    return status;
}

static int32_t run_next(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_jinja_block *b = &r->blocks[r->n_blocks - 1];
    sk_jinja_loop *loop = b->loop;
    if (loop->next >= loop->n) {
        r->pc = op->a;
        return SKALD_OK;
    }
    int32_t status = run_new_env(r, b->env);
    sk_json item = sk_jinja_at(&loop->items, loop->next++);
    if (status >= 0 && !op->flag)
        status = run_store(r, r->t->name_loop, (sk_json){.kind = SK_J_LOOP, .as.pointer = loop});
    return status < 0 ? status : run_push(r, item);
}

static int32_t run_collect(sk_jinja_run *r)
{
    sk_jinja_loop *loop = r->blocks[r->n_blocks - 1].loop;
    if (loop->n_collected == loop->capacity) {
        uint64_t capacity = loop->capacity ? 2 * loop->capacity : 8;
        sk_json *items = sk_jinja_alloc(r, capacity, sizeof *items);
        if (!items)
            return SKALD_E_MEMORY;
        if (loop->n_collected)
            memcpy(items, loop->collected, loop->n_collected * sizeof *items);
        loop->collected = items;
        loop->capacity = capacity;
    }
    loop->collected[loop->n_collected++] = sk_jinja_at(&loop->items, loop->next - 1);
    return SKALD_OK;
}

static int32_t run_end_for(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_jinja_block *b = &r->blocks[--r->n_blocks];
    r->env = b->env;
    if (op->flag)
        return run_push(r, sk_jinja_list(b->loop->collected, b->loop->n_collected));
    if (b->loop->n > 0)
        r->pc = op->a;
    return SKALD_OK;
}

/* ---- calls -------------------------------------------------------------------------------- */

/* The n values on top as arguments, with *lists and **dicts spread. They stay on the stack. */
static int32_t run_arguments(sk_jinja_run *r, uint64_t n, sk_jinja_args *args)
{
    const sk_json *given = n ? r->stack + r->n_stack - n : NULL;
    uint64_t n_items = 0, n_keywords = 0;
    bool plain = true;
    for (uint64_t i = 0; i < n; i++) {
        const sk_json *spread = given[i].as.pointer;
        plain = plain && given[i].kind < SK_J_KEYWORD;
        n_items += given[i].kind == SK_J_STAR ? spread->n : given[i].kind < SK_J_KEYWORD;
        n_keywords += given[i].kind == SK_J_STAR_STAR ? spread->n : given[i].kind == SK_J_KEYWORD;
    }
    *args = (sk_jinja_args){given, n, NULL, 0};
    if (plain)
        return SKALD_OK;
    sk_json *items = sk_jinja_alloc(r, n_items, sizeof *items);
    sk_json_member *keywords = sk_jinja_alloc(r, n_keywords, sizeof *keywords);
    if (!items || !keywords)
        return SKALD_E_MEMORY;
    *args = (sk_jinja_args){items, n_items, keywords, n_keywords};
    for (uint64_t i = 0; i < n; i++) {
        const sk_json *spread = given[i].as.pointer;
        if (given[i].kind == SK_J_KEYWORD) {
            *keywords++ = *(const sk_json_member *)given[i].as.pointer;
        } else if (given[i].kind == SK_J_STAR_STAR) {
            if (spread->n)
                memcpy(keywords, spread->as.members, spread->n * sizeof *keywords);
            keywords += spread->n;
        } else if (given[i].kind == SK_J_STAR) {
            for (uint64_t k = 0; k < spread->n; k++)
                *items++ = sk_jinja_at(spread, k);
        } else {
            *items++ = given[i];
        }
    }
    return sk_jinja_charge(r, n_items + n_keywords);
}

static int32_t run_keyword(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_json_member *member = sk_jinja_alloc(r, 1, sizeof *member);
    if (!member)
        return SKALD_E_MEMORY;
    *member = (sk_json_member){r->t->constants[op->a], *run_top(r)};
    *run_top(r) = (sk_json){.kind = SK_J_KEYWORD, .as.pointer = member};
    return SKALD_OK;
}

static int32_t run_star(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_json *spread = sk_jinja_alloc(r, 1, sizeof *spread), *top = run_top(r);
    if (!spread)
        return SKALD_E_MEMORY;
    *spread = *top;
    if (op->flag == 2 && top->kind != SK_JSON_OBJECT)
        return SK_JINJA_FAIL(r, "argument after ** must be a mapping, not %s", sk_jinja_type(top));
    int32_t status = op->flag == 2 ? SKALD_OK : sk_jinja_iterable(r, top, spread);
    *top = (sk_json){.kind = op->flag == 2 ? SK_J_STAR_STAR : SK_J_STAR, .as.pointer = spread};
    return status;
}

/* Whether a name is a parameter of the macro. */
static bool run_is_parameter(const sk_jinja_run *r, const sk_jinja_macro *m, const sk_json *name,
                             int32_t *parameter)
{
    for (uint64_t i = 0; i < m->n_params; i++) {
        const sk_json *known = &r->t->constants[m->params[i]];
        *parameter = m->params[i];
        if (known->n == name->n && memcmp(known->as.text, name->as.text, name->n) == 0)
            return true;
    }
    *parameter = r->t->name_caller;
    return sk_jinja_is(name, "caller");
}

static int32_t run_bind_keywords(sk_jinja_run *r, const sk_jinja_macro *m,
                                 const sk_jinja_args *args)
{
    const sk_json *name = &r->t->constants[m->name];
    int32_t status = sk_jinja_charge(r, args->n_keywords * m->n_params), parameter;
    sk_json_member *rest = sk_jinja_alloc(r, args->n_keywords, sizeof *rest);
    uint64_t n_rest = 0;
    if (!rest)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < args->n_keywords && status >= 0; i++) {
        const sk_json_member *given = &args->keywords[i];
        if (given->key.kind != SK_JSON_STRING)
            return SK_JINJA_FAIL(r, "keywords must be strings");
        if (run_is_parameter(r, m, &given->key, &parameter))
            status = run_store(r, parameter, given->value);
        else if (m->kwargs)
            rest[n_rest++] = *given;
        else
            return SK_JINJA_FAIL(r, "macro '%.*s' takes no keyword argument '%.*s'", (int)name->n,
                                 name->as.text, (int)given->key.n, given->key.as.text);
    }
    sk_json kwargs = {.kind = SK_JSON_OBJECT, .n = n_rest, .as.members = rest};
    return status < 0 || !m->kwargs ? status : run_store(r, r->t->name_kwargs, kwargs);
}

static int32_t run_call_macro(sk_jinja_run *r, const sk_jinja_closure *c, const sk_jinja_args *args,
                              uint64_t n_stack)
{
    const sk_jinja_macro *m = &r->t->macros[c->macro];
    const sk_json *name = &r->t->constants[m->name];
    sk_jinja_block *b;
    int32_t status = run_open(r, BLOCK_CALL, &b);
    if (status < 0)
        return status;
    b->return_to = r->pc;
    status = run_new_env(r, c->env);
    if (status < 0)
        return status;
    if (args->n > m->n_params && !m->varargs)
        return SK_JINJA_FAIL(r, "macro '%.*s' takes not more than %llu argument(s)", (int)name->n,
                             name->as.text, (unsigned long long)m->n_params);
    for (uint64_t i = 0; i < args->n && i < m->n_params && status >= 0; i++)
        status = run_store(r, m->params[i], args->items[i]);
    if (status >= 0 && m->varargs) {
        uint64_t n = args->n > m->n_params ? args->n - m->n_params : 0;
        sk_json *rest = sk_jinja_alloc(r, n, sizeof *rest);
        if (!rest)
            return SKALD_E_MEMORY;
        if (n)
            memcpy(rest, args->items + m->n_params, n * sizeof *rest);
        sk_json tuple = sk_jinja_list(rest, n);
        tuple.flavour = 1;
        status = run_store(r, r->t->name_varargs, tuple);
    }
    if (status >= 0 && (args->n_keywords || m->kwargs))
        status = run_bind_keywords(r, m, args);
    r->n_stack = n_stack;
    r->pc = m->entry;
    return status;
}

/* loop(items): the loop anew, with other items; what it writes is the value of the call. */
static int32_t run_call_loop(sk_jinja_run *r, sk_jinja_loop *loop, const sk_jinja_args *args,
                             uint64_t n_stack)
{
    sk_jinja_block *b;
    if (!loop->again)
        return SK_JINJA_FAIL(r, "the loop must have the 'recursive' marker to be called");
    if (args->n != 1 || args->n_keywords)
        return SK_JINJA_FAIL(r, "a loop is called with one iterable");
    sk_json items = args->items[0];
    int32_t status = run_open(r, BLOCK_RECURSION, &b);
    if (status < 0)
        return status;
    b->return_to = r->pc;
    b->loop = loop;
    r->env = loop->env;
    r->n_stack = n_stack;
    r->pc = loop->again;
    return run_push(r, items);
}

static int32_t run_call(sk_jinja_run *r, const sk_jinja_op *op)
{
    uint64_t n = (uint64_t)op->a, base = r->n_stack - n - 1;
    sk_jinja_args args;
    sk_json callee = r->stack[base], result;
    int32_t status = run_arguments(r, n, &args);
    if (status >= 0 && callee.kind == SK_J_MACRO)
        return run_call_macro(r, callee.as.pointer, &args, base);
    if (status >= 0 && callee.kind == SK_J_LOOP)
        return run_call_loop(r, callee.as.pointer, &args, base);
    if (status >= 0)
        status = sk_jinja_call(r, &callee, &args, &result);
    r->n_stack = base;
    return status < 0 ? status : run_push(r, result);
}

static int32_t run_return(sk_jinja_run *r)
{
    sk_json text;
    int32_t status = run_capture_end(r, &text);
    r->pc = r->blocks[r->n_blocks].return_to;
    return status < 0 ? status : run_push(r, text);
}

static int32_t run_end_recursion(sk_jinja_run *r)
{
    bool called = r->n_blocks > 0 && r->blocks[r->n_blocks - 1].kind == BLOCK_RECURSION;
    return called ? run_return(r) : SKALD_OK;
}

static int32_t run_default(sk_jinja_run *r, const sk_jinja_op *op)
{
    if (run_find(r->env, op->a))
        r->pc = op->b;
    return SKALD_OK;
}

static int32_t run_named(sk_jinja_run *r, const sk_jinja_op *op)
{
    uint64_t n = (uint64_t)op->a, base = r->n_stack - n - 1;
    const sk_json *name = &r->t->constants[op->b];
    sk_jinja_args args;
    sk_json value = r->stack[base], result;
    bool truth = false;
    int32_t status = run_arguments(r, n, &args);
    if (status >= 0 && op->op == SK_JO_FILTER)
        status = sk_jinja_filter(r, name, &value, &args, &result);
    else if (status >= 0)
        status = sk_jinja_test(r, name, &value, &args, &truth);
    if (op->op == SK_JO_TEST)
        result = sk_jinja_bool(truth);
    r->n_stack = base;
    return status < 0 ? status : run_push(r, result);
}

/* ---- values ------------------------------------------------------------------------------- */

static int32_t run_list(sk_jinja_run *r, const sk_jinja_op *op)
{
    uint64_t n = (uint64_t)op->a;
    sk_json *items = sk_jinja_alloc(r, n, sizeof *items);
    if (!items)
        return SKALD_E_MEMORY;
    if (n)
        memcpy(items, r->stack + r->n_stack - n, n * sizeof *items);
    r->n_stack -= n;
    sk_json list = sk_jinja_list(items, n);
    list.flavour = op->flag;
    return run_push(r, list);
}

static int32_t run_dict(sk_jinja_run *r, const sk_jinja_op *op)
{
    uint64_t n = (uint64_t)op->a;
    const sk_json *given = n ? r->stack + r->n_stack - 2 * n : NULL;
    sk_jinja_space members = {0};
    int32_t status = SKALD_OK;
    for (uint64_t i = 0; i < n && status >= 0; i++) {
        if (given[2 * i].kind >= SK_JSON_ARRAY)
            return SK_JINJA_FAIL(r, "unhashable type: '%s'", sk_jinja_type(&given[2 * i]));
        status = sk_jinja_space_set(r, &members, &given[2 * i], &given[2 * i + 1]);
    }
    r->n_stack -= 2 * n;
    sk_json dict = {.kind = SK_JSON_OBJECT, .n = members.n, .as.members = members.members};
    return status < 0 ? status : run_push(r, dict);
}

static int32_t run_sign(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_json *v = run_top(r), zero = sk_jinja_int(0), value = *v;
    if (v->kind == SK_J_UNDEFINED)
        return sk_jinja_undefined_error(r, v);
    if (v->kind == SK_JSON_DOUBLE) {
        v->as.d = op->op == SK_JO_NEG ? -v->as.d : v->as.d;
        return SKALD_OK;
    }
    if (v->kind != SK_JSON_INT && v->kind != SK_JSON_BOOL)
        return SK_JINJA_FAIL(r, "bad operand type for unary sign: '%s'", sk_jinja_type(v));
    return sk_jinja_binary(r, op->op == SK_JO_NEG ? SK_JB_SUB : SK_JB_ADD, &zero, &value, v);
}

static int32_t run_join(sk_jinja_run *r, const sk_jinja_op *op)
{
    uint64_t n = (uint64_t)op->a;
    sk_json result, next, joined;
    int32_t status = sk_jinja_str(r, &r->stack[r->n_stack - n], &result);
    for (uint64_t i = 1; i < n && status >= 0; i++) {
        status = sk_jinja_str(r, &r->stack[r->n_stack - n + i], &next);
        if (status >= 0)
            status = sk_jinja_concat(r, &result, &next, &joined);
        result = joined;
    }
    r->n_stack -= n;
    return status < 0 ? status : run_push(r, result);
}

static int32_t run_access(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_json result, value, bounds[3];
    int32_t status;
    if (op->op == SK_JO_SLICE) {
        for (int i = 3; i-- > 0;)
            bounds[i] = run_pop(r);
        value = run_pop(r);
        status = sk_jinja_slice(r, &value, bounds, &result);
    } else if (op->op == SK_JO_ITEM) {
        bounds[0] = run_pop(r);
        value = run_pop(r);
        status = sk_jinja_item(r, &value, &bounds[0], &result);
    } else {
        value = run_pop(r);
        status = sk_jinja_attr(r, &value, &r->t->constants[op->a], &result);
    }
    return status < 0 ? status : run_push(r, result);
}

static int32_t run_binary(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_json b = run_pop(r), a = run_pop(r), result;
    int32_t status = sk_jinja_binary(r, op->flag, &a, &b, &result);
    if (status < 0)
        return status;
    if (op->op == SK_JO_CHAIN && sk_jinja_truth(&result))
        return run_push(r, b);
    if (op->op == SK_JO_CHAIN)
        r->pc = op->a;
    return run_push(r, result);
}

static int32_t run_unpack(sk_jinja_run *r, const sk_jinja_op *op)
{
    if (op->a < 0)
        return SKALD_OK;
    sk_json value = run_pop(r), items;
    int32_t status = sk_jinja_iterable(r, &value, &items);
    if (status >= 0 && items.n != (uint64_t)op->a)
        return SK_JINJA_FAIL(r, "%llu values to unpack, %d wanted", (unsigned long long)items.n,
                             (int)op->a);
    for (uint64_t i = items.n; status >= 0 && i-- > 0;)
        status = run_push(r, sk_jinja_at(&items, i));
    return status;
}

static int32_t run_set_attr(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_json space, value = run_pop(r);
    int32_t status = run_lookup(r, op->a, &space);
    if (status >= 0 && space.kind != SK_J_NAMESPACE)
        return SK_JINJA_FAIL(r, "cannot assign attribute on non-namespace object");
    return status < 0 ? status
                      : sk_jinja_space_set(r, space.as.pointer, &r->t->constants[op->b], &value);
}

static int32_t run_macro(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_jinja_closure *c = sk_jinja_alloc(r, 1, sizeof *c);
    if (!c)
        return SKALD_E_MEMORY;
    *c = (sk_jinja_closure){op->a, r->env};
    return run_push(r, (sk_json){.kind = SK_J_MACRO, .as.pointer = c});
}

/* ---- the machine -------------------------------------------------------------------------- */

static int32_t run_jump(sk_jinja_run *r, const sk_jinja_op *op)
{
    bool jump = true;
    if (op->op == SK_JO_JUMP_FALSE) {
        sk_json value = run_pop(r);
        jump = !sk_jinja_truth(&value);
    } else if (op->op != SK_JO_JUMP) {
        jump = sk_jinja_truth(run_top(r)) == (op->op == SK_JO_OR);
        r->n_stack -= !jump;
    }
    if (jump)
        r->pc = op->a;
    return SKALD_OK;
}

static int32_t run_block(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_json text;
    int32_t status;
    switch (op->op) {
    case SK_JO_CAPTURE:
        return run_open_scope(r, BLOCK_CAPTURE);
    case SK_JO_SCOPE:
        return run_open_scope(r, BLOCK_SCOPE);
    case SK_JO_CAPTURED:
        status = run_capture_end(r, &text);
        return status < 0 ? status : run_push(r, text);
    default: /* LEAVE: a capture that is left is dropped */
        r->n_blocks--;
        r->env = r->blocks[r->n_blocks].env;
        if (r->blocks[r->n_blocks].kind == BLOCK_CAPTURE)
            sk_jinja_ink_cut(&r->out, r->blocks[r->n_blocks].mark);
        return SKALD_OK;
    }
}

static int32_t run_print(sk_jinja_run *r, const sk_jinja_op *op)
{
    if (op->op == SK_JO_TEXT) {
        const sk_json *text = &r->t->constants[op->a];
        return sk_jinja_put(r, &r->out, text->as.text, text->n);
    }
    sk_json value = run_pop(r);
    return sk_jinja_write(r, &r->out, &value);
}

static int32_t run_op(sk_jinja_run *r, const sk_jinja_op *op)
{
    sk_json value;
    int32_t status;
    switch (op->op) {
    case SK_JO_TEXT:
    case SK_JO_PRINT:
        return run_print(r, op);
    case SK_JO_POP:
        r->n_stack--;
        return SKALD_OK;
    case SK_JO_CONST:
        return run_push(r, r->t->constants[op->a]);
    case SK_JO_NAME:
        status = run_lookup(r, op->a, &value);
        return status < 0 ? status : run_push(r, value);
    case SK_JO_ATTR:
    case SK_JO_ITEM:
    case SK_JO_SLICE:
        return run_access(r, op);
    case SK_JO_LIST:
        return run_list(r, op);
    case SK_JO_DICT:
        return run_dict(r, op);
    case SK_JO_NEG:
    case SK_JO_POS:
        return run_sign(r, op);
    case SK_JO_NOT:
        *run_top(r) = sk_jinja_bool(!sk_jinja_truth(run_top(r)));
        return SKALD_OK;
    case SK_JO_BINARY:
    case SK_JO_CHAIN:
        return run_binary(r, op);
    case SK_JO_JOIN:
        return run_join(r, op);
    case SK_JO_JUMP:
    case SK_JO_JUMP_FALSE:
    case SK_JO_AND:
    case SK_JO_OR:
        return run_jump(r, op);
    case SK_JO_KEYWORD:
        return run_keyword(r, op);
    case SK_JO_STAR:
        return run_star(r, op);
    case SK_JO_CALL:
        return run_call(r, op);
    case SK_JO_FILTER:
    case SK_JO_TEST:
        return run_named(r, op);
    case SK_JO_STORE:
        return run_store(r, op->a, run_pop(r));
    case SK_JO_SETATTR:
        return run_set_attr(r, op);
    case SK_JO_UNPACK:
        return run_unpack(r, op);
    case SK_JO_FOR:
        return run_for(r, op);
    case SK_JO_NEXT:
        return run_next(r, op);
    case SK_JO_COLLECT:
        return run_collect(r);
    case SK_JO_END_FOR:
        return run_end_for(r, op);
    case SK_JO_MACRO:
        return run_macro(r, op);
    case SK_JO_DEFAULT:
        return run_default(r, op);
    case SK_JO_RETURN:
        return run_return(r);
    case SK_JO_END_RECURSION:
        return run_end_recursion(r);
    default:
        return run_block(r, op);
    }
}

/* Puts the line in front of the sentence. */
static int32_t run_fail(sk_jinja_run *r, int32_t status, uint32_t line)
{
    char text[SK_MESSAGE_SIZE];
    sk_format(text, sizeof text, "%s", r->error->text);
    if (status == SKALD_E_ARGUMENT) /* a value that cannot be written */
        status = SKALD_E_TEMPLATE;
    return sk_fail(r->error, status, "template, line %u: %s", line, text);
}

int32_t sk_jinja_execute(sk_jinja_run *r)
{
    int32_t status = run_new_env(r, NULL);
    const sk_jinja_op *op = r->t->code;
    while (status >= 0) {
        op = &r->t->code[r->pc++];
        if (op->op == SK_JO_HALT)
            break;
        status = sk_jinja_charge(r, 16);
        if (status >= 0)
            status = run_op(r, op);
    }
    return status < 0 ? run_fail(r, status, op->line) : status;
}
