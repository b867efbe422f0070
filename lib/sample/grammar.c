/* SPDX-License-Identifier: MIT */
/*
 * Fragments follow Thompson (Regular Expression Search Algorithm, 1968). A character class becomes
 * a graph of byte ranges: its ranges of code points are cut where the number of bytes changes, and
 * then so that all bytes but the first differing one are either fixed or free.
 *
 * A counted repetition is a rule and many calls of it, never copies: counts that are nested
 * multiply the texts, but only add to the grammar.
 */
#include "base/portable.h"

#include "sample/grammar_int.h"
#include "text/utf8.h"

#include <string.h>

void sk_gram_init(sk_gram *b, sk_heap *heap, sk_error *error)
{
    memset(b, 0, sizeof *b);
    b->heap = heap;
    b->error = error;
}

void sk_gram_free(sk_gram *b)
{
    sk_free(b->heap, b->ops);
    sk_free(b->heap, b->rules);
    sk_free(b->heap, b->names);
    memset(b, 0, sizeof *b);
}

static uint32_t build_op(sk_gram *b, sk_gram_op op)
{
    if (b->status < 0)
        return 0;
    if (b->n_ops == SK_GRAMMAR_MAX_OPS) {
        b->status = sk_fail(b->error, SKALD_E_OPTION,
                            "the grammar takes more than %llu operations: its repetition counts "
                            "are too large",
                            (unsigned long long)SK_GRAMMAR_MAX_OPS);
        return 0;
    }
    void *block = b->ops;
    b->status =
        sk_grow(b->heap, &block, &b->op_capacity, b->n_ops + 1, sizeof op, "a grammar", b->error);
    b->ops = block;
    if (b->status < 0)
        return 0;
    b->ops[b->n_ops] = op;
    return (uint32_t)b->n_ops++;
}

void sk_build_patch(sk_gram *b, uint32_t end, uint32_t target)
{
    if (b->status == SKALD_OK)
        b->ops[end].next = target;
}

static uint32_t build_open(sk_gram *b)
{
    return build_op(b, (sk_gram_op){.kind = SK_OP_JUMP, .next = SK_OP_NONE});
}

uint32_t sk_build_split(sk_gram *b, uint32_t one, uint32_t other)
{
    return build_op(b, (sk_gram_op){.kind = SK_OP_SPLIT, .next = one, .arg = other});
}

static sk_frag build_single(sk_gram *b, sk_gram_op op)
{
    uint32_t end = build_open(b);
    op.next = end;
    return (sk_frag){build_op(b, op), end};
}

sk_frag sk_build_empty(sk_gram *b)
{
    uint32_t end = build_open(b);
    return (sk_frag){end, end};
}

/* A byte range with no byte in it. */
sk_frag sk_build_never(sk_gram *b)
{
    return build_single(b, (sk_gram_op){.kind = SK_OP_BYTE, .low = 1, .high = 0});
}

sk_frag sk_build_byte(sk_gram *b, uint8_t low, uint8_t high)
{
    return build_single(b, (sk_gram_op){.kind = SK_OP_BYTE, .low = low, .high = high});
}

sk_frag sk_build_text(sk_gram *b, const char *text, uint64_t n)
{
    sk_frag all = sk_build_empty(b);
    for (uint64_t i = 0; i < n && b->status == SKALD_OK; i++)
        all = sk_build_then(b, all, sk_build_byte(b, (uint8_t)text[i], (uint8_t)text[i]));
    return all;
}

sk_frag sk_build_token(sk_gram *b, uint32_t id, bool any_other)
{
    b->has_tokens = true;
    return build_single(b, (sk_gram_op){.kind = SK_OP_TOKEN, .low = any_other, .arg = id});
}

sk_frag sk_build_call(sk_gram *b, uint32_t rule)
{
    return build_single(b, (sk_gram_op){.kind = SK_OP_CALL, .arg = rule});
}

sk_frag sk_build_then(sk_gram *b, sk_frag first, sk_frag second)
{
    sk_build_patch(b, first.end, second.start);
    return (sk_frag){first.start, second.end};
}

sk_frag sk_build_either(sk_gram *b, sk_frag one, sk_frag other)
{
    uint32_t end = build_open(b);
    sk_build_patch(b, one.end, end);
    sk_build_patch(b, other.end, end);
    return (sk_frag){sk_build_split(b, one.start, other.start), end};
}

sk_frag sk_build_maybe(sk_gram *b, sk_frag f)
{
    return (sk_frag){sk_build_split(b, f.start, f.end), f.end};
}

static sk_frag build_star(sk_gram *b, sk_frag f)
{
    uint32_t end = build_open(b), split = sk_build_split(b, f.start, end);
    sk_build_patch(b, f.end, split);
    return (sk_frag){split, end};
}

/* Another one like `f`: a copy where that is a single operation, else a call of `rule`. */
static sk_frag build_again(sk_gram *b, const sk_gram_op *single, uint32_t rule)
{
    return single->kind == SK_OP_BYTE ? build_single(b, *single) : sk_build_call(b, rule);
}

static sk_frag build_count(sk_gram *b, sk_frag f, uint64_t min, uint64_t max)
{
    sk_gram_op op = b->status < 0 ? (sk_gram_op){.kind = SK_OP_BYTE} : b->ops[f.start];
    bool is_single = op.kind == SK_OP_BYTE && op.next == f.end;
    uint32_t rule = 0;
    if (!is_single) {
        op.kind = SK_OP_CALL;
        rule = sk_build_rule(b, NULL, 0, 0);
        sk_build_body(b, rule, f);
    }
    sk_frag all = sk_build_empty(b);
    for (uint64_t i = 0; i < min && b->status == SKALD_OK; i++)
        all = sk_build_then(b, all, build_again(b, &op, rule));
    if (max == UINT64_MAX)
        return sk_build_then(b, all, build_star(b, build_again(b, &op, rule)));
    uint32_t end = build_open(b);
    for (uint64_t i = min; i < max && b->status == SKALD_OK; i++) {
        sk_frag one = build_again(b, &op, rule);
        uint32_t split = sk_build_split(b, one.start, end);
        sk_build_patch(b, all.end, split);
        all.end = one.end;
    }
    sk_build_patch(b, all.end, end);
    return (sk_frag){all.start, end};
}

sk_frag sk_build_repeat(sk_gram *b, sk_frag f, uint64_t min, uint64_t max)
{
    if (min == 1 && max == 1)
        return f;
    if (min == 0 && max == 1)
        return sk_build_maybe(b, f);
    if (min == 0 && max == UINT64_MAX)
        return build_star(b, f);
    if (min == 1 && max == UINT64_MAX) {
        uint32_t end = build_open(b);
        sk_build_patch(b, f.end, sk_build_split(b, f.start, end));
        return (sk_frag){f.start, end};
    }
    return build_count(b, f, min, max);
}

/* ---- Character classes ---------------------------------------------------------------------- */

/* The code points from `first` to `last`, all of `n` bytes, whose bytes before and after the first
 * one that differs are fixed and free. */
static sk_frag build_span(sk_gram *b, uint32_t first, uint32_t last)
{
    uint8_t low[SK_UTF8_MAX], high[SK_UTF8_MAX];
    uint32_t n = sk_utf8_write(low, first);
    sk_utf8_write(high, last);
    sk_frag all = sk_build_byte(b, low[0], high[0]);
    for (uint32_t i = 1; i < n; i++)
        all = sk_build_then(b, all, sk_build_byte(b, low[i], high[i]));
    return all;
}

/* The last code point up to `last` such that [first, it] is a span: with k free bytes at the end
 * for the largest k at which `first` is aligned and the span still fits. */
static uint32_t span_end(uint32_t first, uint32_t last)
{
    static const uint32_t ends[] = {0x7F, 0x7FF, 0xFFFF, 0x10FFFF};
    uint32_t length = 0;
    while (first > ends[length])
        length++;
    uint32_t limit = last < ends[length] ? last : ends[length];
    for (uint32_t shift = 6 * length;; shift -= 6) {
        uint32_t mask = (UINT32_C(1) << shift) - 1; /* the free bits */
        if ((first & mask) == 0) {
            /* Blocks of the free bits, as many as fit under one value of the bytes before. */
            uint32_t upper = shift + 6 > 6 * length ? limit : first | ((mask << 6) | 0x3F);
            uint32_t reach = upper < limit ? upper : limit;
            uint32_t end = ((reach + 1) & ~mask) - 1;
            if ((reach + 1) >> shift > first >> shift)
                return end;
        }
        if (shift == 0)
            return first;
    }
}

sk_frag sk_build_set(sk_gram *b, const sk_codeset *set)
{
    sk_frag all = {0, 0};
    bool any = false;
    for (uint64_t i = 0; i < set->n && b->status == SKALD_OK; i++)
        for (uint32_t first = set->ranges[i].first, end; first <= set->ranges[i].last;
             first = end + 1) {
            end = span_end(first, set->ranges[i].last);
            sk_frag span = build_span(b, first, end);
            all = any ? sk_build_either(b, all, span) : span;
            any = true;
        }
    return any ? all : sk_build_never(b);
}

/* ---- Rules ---------------------------------------------------------------------------------- */

uint32_t sk_build_rule(sk_gram *b, const char *name, uint64_t n, uint64_t line)
{
    if (b->status < 0)
        return 0;
    void *rules = b->rules, *names = b->names;
    b->status = sk_grow(b->heap, &rules, &b->rule_capacity, b->n_rules + 1, sizeof *b->rules,
                        "rules of a grammar", b->error);
    b->rules = rules;
    if (b->status == SKALD_OK)
        b->status = sk_grow(b->heap, &names, &b->name_capacity, b->n_rules + 1, sizeof *b->names,
                            "rules of a grammar", b->error);
    b->names = names;
    if (b->status < 0)
        return 0;
    b->rules[b->n_rules] = (sk_rule){.start = SK_OP_NONE};
    b->names[b->n_rules] = (sk_rule_name){name, (uint32_t)n, (uint32_t)line};
    return (uint32_t)b->n_rules++;
}

void sk_build_body(sk_gram *b, uint32_t rule, sk_frag f)
{
    sk_build_patch(b, f.end, build_op(b, (sk_gram_op){.kind = SK_OP_END}));
    if (b->status == SKALD_OK)
        b->rules[rule].start = f.start;
}

bool sk_build_has_body(const sk_gram *b, uint32_t rule)
{
    return b->status < 0 || b->rules[rule].start != SK_OP_NONE;
}
