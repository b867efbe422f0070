/* SPDX-License-Identifier: MIT */
/*
 * What a compiled grammar is made of, and the builder that its three front ends share.
 *
 * The builder deals in fragments: a start and an end, where the end is a SK_OP_JUMP whose target is
 * still open. Combining fragments consumes them: each is used once. What is to be used more than
 * once becomes a rule and is called. The builder's first error sticks: from then on everything it
 * returns is the fragment {0, 0}, and finishing reports the error, so that front ends need not look
 * after every step.
 */
#ifndef SK_SAMPLE_GRAMMAR_INT_H
#define SK_SAMPLE_GRAMMAR_INT_H

#include "sample/codeset.h"
#include "sample/grammar.h"

#define SK_OP_NONE UINT32_MAX

enum {
    SK_OP_JUMP,  /* to next; none is left in a finished grammar */
    SK_OP_SPLIT, /* to next, or to arg */
    SK_OP_BYTE,  /* one byte of [low, high], then next */
    SK_OP_CALL,  /* the rule arg, then next */
    SK_OP_TOKEN, /* the token arg as a whole, or any other one if `low` is 1; then next */
    SK_OP_END    /* of the rule: back to the caller */
};

/* Of an operation that completes a string which must differ from its array's earlier ones. */
#define SK_OP_UNIQUE 1

typedef struct sk_gram_op {
    uint8_t kind, low, high, flags;
    uint32_t next, arg;
} sk_gram_op;

typedef struct sk_rule {
    uint32_t start;
    uint32_t rank; /* a rule comes before those that it can call before any byte */
    bool nullable; /* it can match nothing */
} sk_rule;

struct sk_grammar {
    sk_heap *heap; /* borrowed */
    _Atomic int64_t n_users;
    sk_gram_op *ops;   /* [n_ops], owned, like the next */
    sk_rule *rules;    /* [n_rules]; rule 0 is the root */
    uint32_t *by_rank; /* [n_rules] */
    uint32_t n_ops, n_rules;
    bool has_tokens, has_unique;
};

typedef struct sk_frag {
    uint32_t start, end;
} sk_frag;

/* What is said of a rule in sentences: a name, and where it is. */
typedef struct sk_rule_name {
    const char *text; /* borrowed until the builder is freed; NULL: it has none */
    uint32_t n, line;
} sk_rule_name;

typedef struct sk_gram {
    sk_heap *heap;
    sk_error *error; /* of the front end; holds the first error */
    int32_t status;
    sk_gram_op *ops;
    uint64_t n_ops, op_capacity;
    sk_rule *rules;
    uint64_t n_rules, rule_capacity;
    sk_rule_name *names;
    uint64_t name_capacity;
    bool has_tokens, has_unique;
} sk_gram;

void sk_gram_init(sk_gram *b, sk_heap *heap, sk_error *error);
void sk_gram_free(sk_gram *b);

sk_frag sk_build_empty(sk_gram *b);
sk_frag sk_build_never(sk_gram *b); /* matches nothing at all, not even the empty text */
sk_frag sk_build_byte(sk_gram *b, uint8_t low, uint8_t high);
sk_frag sk_build_text(sk_gram *b, const char *text, uint64_t n);
sk_frag sk_build_set(sk_gram *b, const sk_codeset *set); /* one of its characters, in UTF-8 */
sk_frag sk_build_token(sk_gram *b, uint32_t id, bool any_other);
sk_frag sk_build_call(sk_gram *b, uint32_t rule);
sk_frag sk_build_then(sk_gram *b, sk_frag first, sk_frag second);
sk_frag sk_build_either(sk_gram *b, sk_frag one, sk_frag other);
sk_frag sk_build_maybe(sk_gram *b, sk_frag f);
/* At least `min` times and at most `max`; UINT64_MAX: any number. */
sk_frag sk_build_repeat(sk_gram *b, sk_frag f, uint64_t min, uint64_t max);

/* Below fragments: a split of which both ways are known, and where an open end leads to. */
uint32_t sk_build_split(sk_gram *b, uint32_t one, uint32_t other);
void sk_build_patch(sk_gram *b, uint32_t end, uint32_t target);

/* A new rule, without a body until it is given one, which consumes the fragment. */
uint32_t sk_build_rule(sk_gram *b, const char *name, uint64_t n, uint64_t line);
void sk_build_body(sk_gram *b, uint32_t rule, sk_frag f);
bool sk_build_has_body(const sk_gram *b, uint32_t rule);

/* Checks for left recursion and makes the grammar; all rules have bodies. What the front end calls
 * the thing is for sentences. Errors: the builder's own, OPTION, MEMORY. */
int32_t sk_build_finish(sk_gram *b, sk_grammar **out, const char *what);

#endif
