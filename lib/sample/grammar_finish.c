/* SPDX-License-Identifier: MIT */
/*
 * From a builder's operations to a grammar that can be run: jumps are taken out; rules that can
 * match nothing are found; and rules are ranked so that each comes before those which it can call
 * before any byte is read. Left recursion is where that cannot be done. All of it is linear.
 *
 * Which rules match nothing: from each rule's start a walk follows what reads nothing. It stops at
 * a call and waits there; when the called rule turns out to match nothing, the walk goes on behind
 * the call. An operation belongs to one rule, so each is walked at most once. The calls that were
 * met are those before any byte: the edges of the ranking.
 */
#include "base/portable.h"

#include "sample/grammar_int.h"

#include <string.h>

typedef struct finish {
    sk_gram *b;
    uint32_t *owner;   /* [n_ops] 1 + the rule whose walk met the operation, 0: none */
    uint32_t *waiting; /* [n_ops] the next call that waits for the same rule */
    uint32_t *waiters; /* [n_rules] the first of them */
    uint32_t *calls;   /* [n_ops] the next call of the same walk */
    uint32_t *first;   /* [n_rules] the first of them */
    uint32_t *stack;   /* [n_ops + n_rules] */
    uint8_t *colour;   /* [n_rules] 0: not seen, 1: on the stack, 2: ranked */
} finish;

static void finish_free(finish *f)
{
    sk_heap *heap = f->b->heap;
    sk_free(heap, f->owner);
    sk_free(heap, f->waiting);
    sk_free(heap, f->waiters);
    sk_free(heap, f->calls);
    sk_free(heap, f->first);
    sk_free(heap, f->stack);
    sk_free(heap, f->colour);
}

static uint32_t *finish_links(const finish *f, uint64_t n)
{
    uint32_t *links = sk_alloc_array(f->b->heap, n + 1, sizeof *links, "a grammar", f->b->error);
    if (links)
        memset(links, 0xFF, (size_t)(n + 1) * sizeof *links); /* SK_OP_NONE */
    return links;
}

static int32_t finish_init(finish *f, sk_gram *b)
{
    memset(f, 0, sizeof *f);
    f->b = b;
    f->owner = sk_alloc_array(b->heap, b->n_ops + 1, sizeof *f->owner, "a grammar", b->error);
    f->colour = sk_alloc_array(b->heap, b->n_rules + 1, sizeof *f->colour, "a grammar", b->error);
    f->waiting = finish_links(f, b->n_ops);
    f->calls = finish_links(f, b->n_ops);
    f->waiters = finish_links(f, b->n_rules);
    f->first = finish_links(f, b->n_rules);
    f->stack = finish_links(f, b->n_ops + b->n_rules);
    bool ok = f->owner && f->colour && f->waiting && f->calls && f->waiters && f->first && f->stack;
    return ok ? SKALD_OK : SKALD_E_MEMORY;
}

/* Where a chain of jumps leads. Chains end: a fragment's end is patched to what lies ahead, and
 * loops go through a split; the end of a fragment that was not used is open. What is passed is
 * shortened, so that long chains are walked once. */
static uint32_t skip_jumps(sk_gram_op *ops, uint32_t at)
{
    uint32_t to = at;
    while (ops[to].kind == SK_OP_JUMP && ops[to].next != SK_OP_NONE)
        to = ops[to].next;
    while (at != to) {
        uint32_t next = ops[at].next;
        ops[at].next = to;
        at = next;
    }
    return to;
}

static void remove_jumps(sk_gram *b)
{
    for (uint64_t i = 0; i < b->n_ops; i++) {
        sk_gram_op *op = &b->ops[i];
        if (op->kind == SK_OP_JUMP || op->kind == SK_OP_END)
            continue;
        op->next = skip_jumps(b->ops, op->next);
        if (op->kind == SK_OP_SPLIT)
            op->arg = skip_jumps(b->ops, op->arg);
    }
    for (uint64_t r = 0; r < b->n_rules; r++)
        b->rules[r].start = skip_jumps(b->ops, b->rules[r].start);
}

static void meet_call(finish *f, uint32_t at, uint32_t rule)
{
    uint32_t callee = f->b->ops[at].arg;
    f->calls[at] = f->first[rule];
    f->first[rule] = at;
    f->waiting[at] = f->waiters[callee];
    f->waiters[callee] = at;
}

/* Walks on from the operations on the stack, all of `rule`. */
static void walk(finish *f, uint64_t depth, uint32_t rule)
{
    sk_gram *b = f->b;
    while (depth > 0) {
        uint32_t at = f->stack[--depth];
        const sk_gram_op *op = &b->ops[at];
        if (f->owner[at])
            continue;
        f->owner[at] = rule + 1;
        if (op->kind == SK_OP_SPLIT) {
            f->stack[depth++] = op->arg;
            f->stack[depth++] = op->next;
        } else if (op->kind == SK_OP_END) {
            b->rules[rule].nullable = true;
        } else if (op->kind == SK_OP_CALL) {
            meet_call(f, at, rule);
            if (b->rules[op->arg].nullable)
                f->stack[depth++] = op->next;
        }
    }
}

/* Lets all walks go on that waited for a rule which is known to match nothing; the rules that this
 * makes known join the queue (colour 1: they are in it or were). */
static void find_nullable(finish *f)
{
    sk_gram *b = f->b;
    uint32_t *queue = f->stack + b->n_ops;
    uint64_t n = 0;
    for (uint32_t r = 0; r < b->n_rules; r++) {
        f->stack[0] = b->rules[r].start;
        walk(f, 1, r);
    }
    for (uint32_t r = 0; r < b->n_rules; r++)
        if (b->rules[r].nullable) {
            f->colour[r] = 1;
            queue[n++] = r;
        }
    while (n > 0) {
        uint32_t known = queue[--n];
        for (uint32_t at = f->waiters[known]; at != SK_OP_NONE; at = f->waiting[at]) {
            uint32_t rule = f->owner[at] - 1;
            f->stack[0] = b->ops[at].next;
            walk(f, 1, rule);
            if (b->rules[rule].nullable && !f->colour[rule]) {
                f->colour[rule] = 1;
                queue[n++] = rule;
            }
        }
    }
    memset(f->colour, 0, (size_t)b->n_rules);
}

static int32_t fail_recursion(finish *f, uint32_t rule, const char *what)
{
    const sk_rule_name *name = &f->b->names[rule];
    if (!name->text)
        return sk_fail(f->b->error, SKALD_E_OPTION,
                       "%s is left-recursive: a part of it can begin with itself", what);
    return sk_fail(f->b->error, SKALD_E_OPTION,
                   "%s: the rule \"%.*s\" (line %u) is left-recursive: it can begin with itself",
                   what, (int)(name->n < 60 ? name->n : 60), name->text, name->line);
}

/* Depth first; a rule is ranked when all that it calls are, so ranks are given from the last. */
static int32_t rank_from(finish *f, uint32_t rule, uint32_t *rank, const char *what)
{
    uint64_t depth = 0;
    f->stack[depth++] = rule;
    f->colour[rule] = 1;
    while (depth > 0) {
        uint32_t top = f->stack[depth - 1], call = f->first[top];
        if (call == SK_OP_NONE) {
            f->colour[top] = 2;
            f->b->rules[top].rank = --*rank;
            depth--;
            continue;
        }
        uint32_t callee = f->b->ops[call].arg;
        f->first[top] = f->calls[call];
        if (f->colour[callee] == 1)
            return fail_recursion(f, callee, what);
        if (f->colour[callee] == 0) {
            f->colour[callee] = 1;
            f->stack[depth++] = callee;
        }
    }
    return SKALD_OK;
}

static int32_t rank_rules(finish *f, const char *what)
{
    uint32_t rank = (uint32_t)f->b->n_rules;
    int32_t status = SKALD_OK;
    for (uint32_t r = 0; r < f->b->n_rules && status == SKALD_OK; r++)
        if (f->colour[r] == 0)
            status = rank_from(f, r, &rank, what);
    return status;
}

/* The builder's arrays become the grammar's. */
static int32_t make_grammar(sk_gram *b, sk_grammar **out)
{
    sk_grammar *g = sk_alloc_zero(b->heap, sizeof *g, "a grammar", b->error);
    uint32_t *by_rank =
        g ? sk_alloc_array(b->heap, b->n_rules, sizeof *by_rank, "a grammar", b->error) : NULL;
    if (!by_rank) {
        sk_free(b->heap, g);
        return SKALD_E_MEMORY;
    }
    for (uint32_t r = 0; r < b->n_rules; r++)
        by_rank[b->rules[r].rank] = r;
    g->heap = b->heap;
    atomic_init(&g->n_users, 1);
    g->ops = b->ops;
    g->rules = b->rules;
    g->by_rank = by_rank;
    g->n_ops = (uint32_t)b->n_ops;
    g->n_rules = (uint32_t)b->n_rules;
    g->has_tokens = b->has_tokens;
    g->has_unique = b->has_unique;
    b->ops = NULL;
    b->rules = NULL;
    *out = g;
    return SKALD_OK;
}

int32_t sk_build_finish(sk_gram *b, sk_grammar **out, const char *what)
{
    finish f = {.b = b};
    int32_t status = b->status;
    if (status == SKALD_OK)
        status = finish_init(&f, b);
    if (status == SKALD_OK) {
        remove_jumps(b);
        find_nullable(&f);
        status = rank_rules(&f, what);
    }
    finish_free(&f);
    return status == SKALD_OK ? make_grammar(b, out) : status;
}

void sk_grammar_retain(sk_grammar *g)
{
    atomic_fetch_add(&g->n_users, 1);
}

void sk_grammar_release(sk_grammar *g)
{
    if (!g || atomic_fetch_sub(&g->n_users, 1) != 1)
        return;
    sk_heap *heap = g->heap;
    sk_free(heap, g->ops);
    sk_free(heap, g->rules);
    sk_free(heap, g->by_rank);
    sk_free(heap, g);
}
