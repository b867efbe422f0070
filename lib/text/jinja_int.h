/* SPDX-License-Identifier: MIT */
/*
 * Inside the template interpreter. Text becomes tokens (jinja_lex.c), tokens become code for a
 * stack machine (jinja_parse.c expressions, jinja_stmt.c statements), which jinja_run.c runs.
 * Values are sk_json with more kinds (jinja_value.c: text, truth, comparison, arithmetic); what can
 * be called by name is in tables: filters (jinja_filter.c, jinja_list.c), tests (jinja_test.c),
 * functions (jinja_call.c), methods (jinja_method.c); jinja_string.c works on text.
 *
 * Every function that can fail returns a status; the sentence is without the line, which
 * jinja_run.c puts in front. Work that grows with a value is charged as steps.
 */
#ifndef SK_TEXT_JINJA_INT_H
#define SK_TEXT_JINJA_INT_H

#include "jinja.h"
#include "base/strmap.h"

#define SK_JINJA_TEXT_MAX (4u << 20)   /* bytes of a template */
#define SK_JINJA_STEPS (8u << 20)      /* of one rendering */
#define SK_JINJA_MEMORY (128ull << 20) /* bytes of values of one rendering */
#define SK_JINJA_OUTPUT (32ull << 20)  /* bytes of text */
#define SK_JINJA_BLOCKS 512u           /* open loops, calls and captures */
#define SK_JINJA_STACK 65536u          /* values at work */
#define SK_JINJA_NESTING 48            /* statements inside each other */
#define SK_JINJA_DEPTH 64              /* recursion of the expression parser, two a parenthesis */
#define SK_JINJA_COMPARE 64            /* levels that a comparison goes into */
#define SK_JINJA_RANGE 100000          /* numbers of a range(), as in the sandbox */

/* ---- values: kinds beyond JSON's ---------------------------------------------------------- */

enum {
    SK_J_UNDEFINED = SK_JSON_KINDS, /* text: its name; flavour: 0, or 1 + the kind it is not in */
    SK_J_GENERATOR,                 /* as an array, but not sized and not JSON */
    SK_J_RANGE,                     /* n, pointer to two int64_t: first, step */
    SK_J_NAMESPACE,                 /* pointer to sk_jinja_space */
    SK_J_MACRO,                     /* pointer to sk_jinja_closure */
    SK_J_FUNCTION,                  /* n: index in the table of functions */
    SK_J_METHOD,                    /* pointer to sk_jinja_bound */
    SK_J_LOOP,                      /* pointer to sk_jinja_loop */
    SK_J_CYCLER,                    /* pointer to sk_jinja_cycler; flavour 1: a joiner */
    SK_J_KEYWORD,                   /* an argument: pointer to sk_json_member */
    SK_J_STAR,                      /* an argument: pointer to the sk_json to spread */
    SK_J_STAR_STAR
};

typedef struct sk_jinja_space {
    sk_json_member *members;
    uint64_t n, capacity;
} sk_jinja_space;

typedef struct sk_jinja_var {
    int32_t name; /* index of a constant */
    sk_json value;
} sk_jinja_var;

typedef struct sk_jinja_env {
    struct sk_jinja_env *parent;
    sk_jinja_var *vars;
    uint32_t n, capacity;
} sk_jinja_env;

typedef struct sk_jinja_closure {
    int32_t macro; /* index in the template */
    sk_jinja_env *env;
} sk_jinja_closure;

typedef struct sk_jinja_bound {
    sk_json self;
    const char *name;
    uint64_t n;
} sk_jinja_bound;

typedef struct sk_jinja_cycler {
    sk_json items;
    uint64_t at;
} sk_jinja_cycler;

typedef struct sk_jinja_loop {
    sk_json items;
    uint64_t n, next; /* next: of the item to come; the current one is next - 1 */
    sk_json *collected;
    uint64_t n_collected, capacity;
    sk_json changed; /* what changed() saw last */
    bool has_changed;
    int32_t again; /* where a call of the loop begins; 0: it is not recursive */
    uint32_t depth;
    struct sk_jinja_env *env; /* around it */
} sk_jinja_loop;

/* ---- tokens ------------------------------------------------------------------------------- */

enum {
    SK_JT_END,
    SK_JT_TEXT,
    SK_JT_PRINT_BEGIN,
    SK_JT_PRINT_END,
    SK_JT_BLOCK_BEGIN,
    SK_JT_BLOCK_END,
    SK_JT_NAME,
    SK_JT_STRING, /* between the quotes, escapes as written */
    SK_JT_INT,
    SK_JT_FLOAT,
    SK_JT_OPERATOR
};

typedef struct sk_jinja_token {
    uint8_t kind;
    uint16_t code; /* of an operator: its first byte, and its second times 256 */
    uint32_t line, start, n;
} sk_jinja_token;

/* Errors: TEMPLATE, MEMORY. *tokens is owned by the caller (sk_free), NULL on failure. */
int32_t sk_jinja_lex(sk_heap *heap, const char *text, uint32_t n, sk_jinja_token **tokens,
                     uint64_t *n_tokens, sk_error *error);

/* ---- code --------------------------------------------------------------------------------- */

enum {
    SK_JO_TEXT,  /* a: constant; written as it is */
    SK_JO_PRINT, /* pops and writes */
    SK_JO_POP,
    SK_JO_CONST, /* a */
    SK_JO_NAME,  /* a */
    SK_JO_ATTR,  /* a; pops a value */
    SK_JO_ITEM,  /* pops key, value */
    SK_JO_SLICE, /* pops step, stop, start, value */
    SK_JO_LIST,  /* a values; flag 1: a tuple */
    SK_JO_DICT,  /* a pairs */
    SK_JO_NEG,
    SK_JO_POS,
    SK_JO_NOT,
    SK_JO_BINARY, /* flag: a SK_JB_ */
    SK_JO_JOIN,   /* a values as text */
    SK_JO_CHAIN,  /* flag: comparison; pops right, left; false: pushes it, jumps to a; else right */
    SK_JO_JUMP,
    SK_JO_JUMP_FALSE, /* pops */
    SK_JO_AND,        /* jumps to a if the top is false, else pops */
    SK_JO_OR,
    SK_JO_KEYWORD, /* a: name; wraps the top as an argument */
    SK_JO_STAR,    /* flag: stars */
    SK_JO_CALL,    /* a arguments above the callee */
    SK_JO_FILTER,  /* a arguments above the value; b: name */
    SK_JO_TEST,
    SK_JO_STORE,   /* a: name */
    SK_JO_SETATTR, /* a: name of the namespace, b: attribute */
    SK_JO_UNPACK,  /* pops a sequence of a values, pushes them, the first on top */
    SK_JO_FOR,  /* pops an iterable, opens a loop; flag 1: one that collects; a: see loop->again */
    SK_JO_NEXT, /* pushes the next item, or jumps to a */
    SK_JO_COLLECT,
    SK_JO_END_FOR,       /* jumps to a if there were items; flag 1: pushes what was collected */
    SK_JO_END_RECURSION, /* returns from a call of the loop, if it was called */
    SK_JO_CAPTURE,       /* what is written goes to a string; a new scope */
    SK_JO_CAPTURED,
    SK_JO_SCOPE,
    SK_JO_LEAVE,   /* closes a scope or drops a capture */
    SK_JO_MACRO,   /* a: pushes a closure */
    SK_JO_DEFAULT, /* a: name; jumps to b if it is bound in this scope */
    SK_JO_RETURN,
    SK_JO_HALT
};

enum {
    SK_JB_ADD,
    SK_JB_SUB,
    SK_JB_MUL,
    SK_JB_DIV,
    SK_JB_FLOORDIV,
    SK_JB_MOD,
    SK_JB_POW,
    SK_JB_EQ,
    SK_JB_NE,
    SK_JB_LT,
    SK_JB_LE,
    SK_JB_GT,
    SK_JB_GE,
    SK_JB_IN,
    SK_JB_NOT_IN
};

typedef struct sk_jinja_op {
    uint8_t op, flag;
    int32_t a, b;
    uint32_t line;
} sk_jinja_op;

typedef struct sk_jinja_macro {
    int32_t name;    /* constant */
    int32_t *params; /* constants; owned */
    uint64_t n_params, capacity;
    int32_t entry;
    bool varargs, kwargs;
} sk_jinja_macro;

struct sk_template {
    sk_heap *heap;
    sk_arena arena;
    sk_jinja_op *code;
    uint64_t n_code, code_capacity;
    sk_json *constants;
    uint64_t n_constants, constant_capacity;
    sk_jinja_macro *macros;
    uint64_t n_macros, macro_capacity;
    int32_t name_loop, name_caller, name_varargs, name_kwargs;
};

typedef struct sk_jinja_parser {
    sk_template *t;
    const char *text;
    const sk_jinja_token *at; /* the next token */
    sk_strmap names;
    sk_error *error;
    int depth, nesting;
    /* Of the innermost loop: its head, the jumps to its end, the blocks opened inside; -1: none. */
    int32_t loop_next, loop_breaks, loop_blocks;
    int32_t macro; /* that is being read; -1: none */
} sk_jinja_parser;

/* A statement's keyword behind {% that ends a body; which one it was is for the caller to see. */
int32_t sk_jinja_parse_template(sk_jinja_parser *p);

int32_t sk_jinja_syntax(const sk_jinja_parser *p, const char *what);
/* Adds an instruction; *at (may be NULL) is its index. */
int32_t sk_jinja_emit(sk_jinja_parser *p, sk_jinja_op op, int32_t *at);
int32_t sk_jinja_constant(sk_jinja_parser *p, sk_json value, int32_t *index);
/* The constant of a name; one for each text. */
int32_t sk_jinja_name(sk_jinja_parser *p, const char *text, uint64_t n, int32_t *index);
bool sk_jinja_is_op(const sk_jinja_parser *p, const char *op);
bool sk_jinja_is_name(const sk_jinja_parser *p, const char *name);
bool sk_jinja_take_op(sk_jinja_parser *p, const char *op);
bool sk_jinja_take_name(sk_jinja_parser *p, const char *name);
int32_t sk_jinja_want_op(sk_jinja_parser *p, const char *op);
/* Code that leaves one value. `tuple`: commas make a tuple. `no_if`: an `if` behind ends it. */
int32_t sk_jinja_expression(sk_jinja_parser *p);
int32_t sk_jinja_tuple(sk_jinja_parser *p, bool no_if);
/* Filters behind a value that is there already, without the first '|'. */
int32_t sk_jinja_filters(sk_jinja_parser *p);

/* ---- running ------------------------------------------------------------------------------ */

typedef struct sk_jinja_block {
    uint8_t kind;
    sk_jinja_env *env;   /* to go back to */
    uint64_t mark;       /* where a capture begins */
    int32_t return_to;   /* of a call */
    sk_jinja_loop *loop; /* of a loop */
} sk_jinja_block;

/* Strings that were made by adding have room behind them: the next addition to the same one is not
 * a copy, and a loop that adds is not quadratic. */
typedef struct sk_jinja_tail {
    const char *end, *limit;
} sk_jinja_tail;
#define SK_JINJA_TAILS 8

/* Text that grows, and the origin of each byte; what is added to the text alone counts as given. */
typedef struct sk_jinja_ink {
    sk_buffer text, origin;
} sk_jinja_ink;

typedef struct sk_jinja_texts sk_jinja_texts; /* jinja_origin.c */

typedef struct sk_jinja_run {
    const sk_template *t;
    sk_heap *heap;
    sk_arena arena;
    sk_jinja_texts *texts; /* in the arena */
    sk_jinja_ink out;
    sk_jinja_ink scratch; /* of functions that make text; empty between them */
    sk_error *error;
    const sk_json *variables;
    const sk_arena *own; /* texts that count as the template's; NULL: none */
    int64_t now;
    sk_json *stack;
    uint64_t n_stack, stack_capacity;
    sk_jinja_block *blocks;
    uint64_t n_blocks, block_capacity;
    sk_jinja_env *env;
    uint64_t steps;
    uint32_t filters; /* that are running, one inside the other */
    int32_t pc;
    sk_jinja_tail tails[SK_JINJA_TAILS];
    uint32_t tail;
} sk_jinja_run;

typedef struct sk_jinja_args {
    const sk_json *items;
    uint64_t n;
    const sk_json_member *keywords;
    uint64_t n_keywords;
} sk_jinja_args;

int32_t sk_jinja_execute(sk_jinja_run *r);

#define SK_JINJA_FAIL(r, ...) sk_fail((r)->error, SKALD_E_TEMPLATE, __VA_ARGS__)

/* Counts work on `n` bytes or values. Errors: TEMPLATE (too many steps). */
int32_t sk_jinja_charge(sk_jinja_run *r, uint64_t n);
void *sk_jinja_alloc(sk_jinja_run *r, uint64_t n, uint64_t size);

static inline sk_json sk_jinja_text(const char *text, uint64_t n)
{
    return (sk_json){.kind = SK_JSON_STRING, .n = n, .as.text = text};
}

static inline sk_json sk_jinja_int(int64_t value)
{
    return (sk_json){.kind = SK_JSON_INT, .as.i = value};
}

static inline sk_json sk_jinja_bool(bool value)
{
    return (sk_json){.kind = SK_JSON_BOOL, .as.truth = value};
}

static inline sk_json sk_jinja_list(const sk_json *items, uint64_t n)
{
    return (sk_json){.kind = SK_JSON_ARRAY, .n = n, .as.items = items};
}

/* jinja_origin.c */
/* A text of `n` bytes to be filled; it counts as given where sk_jinja_copy does not say better. */
char *sk_jinja_new_text(sk_jinja_run *r, uint64_t n);
/* Copies bytes to a part of a new text, with their origins. */
void sk_jinja_copy(sk_jinja_run *r, char *to, const char *from, uint64_t n);
void sk_jinja_ink_init(sk_jinja_ink *ink, sk_heap *heap);
void sk_jinja_ink_free(sk_jinja_ink *ink);
void sk_jinja_ink_cut(sk_jinja_ink *ink, uint64_t n);            /* to its first n bytes */
int32_t sk_jinja_ink_settle(sk_jinja_run *r, sk_jinja_ink *ink); /* an origin for every byte */
/* Adds a text; sk_jinja_put_as one that stands for the byte at `source`. */
int32_t sk_jinja_put(sk_jinja_run *r, sk_jinja_ink *ink, const char *text, uint64_t n);
int32_t sk_jinja_put_as(sk_jinja_run *r, sk_jinja_ink *ink, const char *text, uint64_t n,
                        const char *source);
/* What was added behind the first `from` bytes, as a value; it is cut off. */
int32_t sk_jinja_take(sk_jinja_run *r, sk_jinja_ink *ink, uint64_t from, sk_json *out);

/* jinja_value.c */
const char *sk_jinja_type(const sk_json *v); /* Python's name of its type */
bool sk_jinja_is(const sk_json *v, const char *text);
int32_t sk_jinja_undefined_error(sk_jinja_run *r, const sk_json *v);
/* Fails: there is no such filter or test (`what`). A name may be any value: map([1]). */
int32_t sk_jinja_unknown_name(sk_jinja_run *r, const char *what, const sk_json *name);
bool sk_jinja_truth(const sk_json *v);
bool sk_jinja_number(const sk_json *v, double *out);   /* bool, int, float */
bool sk_jinja_integer(const sk_json *v, int64_t *out); /* bool, int */
int32_t sk_jinja_str(sk_jinja_run *r, const sk_json *v, sk_json *out);
int32_t sk_jinja_write(sk_jinja_run *r, sk_jinja_ink *out, const sk_json *v); /* as str */
int32_t sk_jinja_equal(sk_jinja_run *r, const sk_json *a, const sk_json *b, bool *out);
/* *out < 0, 0, > 0; for values that have an order. */
int32_t sk_jinja_order(sk_jinja_run *r, const sk_json *a, const sk_json *b, int *out);
int32_t sk_jinja_contains(sk_jinja_run *r, const sk_json *in, const sk_json *v, bool *out);
int32_t sk_jinja_binary(sk_jinja_run *r, int op, const sk_json *a, const sk_json *b, sk_json *out);
int32_t sk_jinja_concat(sk_jinja_run *r, const sk_json *a, const sk_json *b, sk_json *out);
/* A text from `scratch`, which is emptied. */
int32_t sk_jinja_take_scratch(sk_jinja_run *r, sk_json *out);

/* jinja_item.c: iteration and access */
/* Something to iterate over as an array or a range: a dict's names, a string's characters. */
int32_t sk_jinja_iterable(sk_jinja_run *r, const sk_json *v, sk_json *out);
/* The same as an array in memory. */
int32_t sk_jinja_array(sk_jinja_run *r, const sk_json *v, sk_json *out);
sk_json sk_jinja_at(const sk_json *iterable, uint64_t i);
int32_t sk_jinja_item(sk_jinja_run *r, const sk_json *v, const sk_json *key, sk_json *out);
int32_t sk_jinja_attr(sk_jinja_run *r, const sk_json *v, const sk_json *name, sk_json *out);
/* By a path as filters take it: 'a.b.0', or a number. `usual` (may be NULL) is taken for a part
 * that is undefined. */
int32_t sk_jinja_path(sk_jinja_run *r, const sk_json *v, const sk_json *path, const sk_json *usual,
                      sk_json *out);
int32_t sk_jinja_slice(sk_jinja_run *r, const sk_json *v, const sk_json bounds[3], sk_json *out);
int32_t sk_jinja_length(sk_jinja_run *r, const sk_json *v, uint64_t *out);
int32_t sk_jinja_dict_find(sk_jinja_run *r, const sk_json *dict, const sk_json *key,
                           const sk_json **out);
int32_t sk_jinja_pairs(sk_jinja_run *r, const sk_json *dict, sk_json *out); /* of (key, value) */
int32_t sk_jinja_space_set(sk_jinja_run *r, sk_jinja_space *s, const sk_json *key,
                           const sk_json *value);

/* Arguments by place or name; NULL: not given. */
const sk_json *sk_jinja_arg(const sk_jinja_args *args, uint64_t place, const char *name);
int32_t sk_jinja_arg_int(sk_jinja_run *r, const sk_jinja_args *args, uint64_t place,
                         const char *name, int64_t usual, int64_t *out);
bool sk_jinja_arg_true(const sk_jinja_args *args, uint64_t place, const char *name, bool usual);
/* A string that must be there. */
int32_t sk_jinja_arg_text(sk_jinja_run *r, const sk_jinja_args *args, uint64_t place,
                          const char *name, sk_json *out);

/* By name: filters, tests, functions, methods. */
int32_t sk_jinja_filter(sk_jinja_run *r, const sk_json *name, const sk_json *v,
                        const sk_jinja_args *args, sk_json *out);
int32_t sk_jinja_test(sk_jinja_run *r, const sk_json *name, const sk_json *v,
                      const sk_jinja_args *args, bool *out);
bool sk_jinja_filter_exists(const sk_json *name);
bool sk_jinja_test_exists(const sk_json *name);
bool sk_jinja_function_find(const sk_json *name, sk_json *out);
int32_t sk_jinja_function(sk_jinja_run *r, const sk_json *f, const sk_jinja_args *args,
                          sk_json *out);
/* What is called and is no macro. */
int32_t sk_jinja_call(sk_jinja_run *r, const sk_json *f, const sk_jinja_args *args, sk_json *out);
bool sk_jinja_method_exists(const sk_json *self, const sk_json *name);
int32_t sk_jinja_method(sk_jinja_run *r, const sk_jinja_bound *m, const sk_jinja_args *args,
                        sk_json *out);

typedef int32_t (*sk_jinja_filter_fn)(sk_jinja_run *r, const sk_json *v, const sk_jinja_args *args,
                                      sk_json *out);
typedef struct sk_jinja_filter_row {
    const char *name;
    sk_jinja_filter_fn run;
} sk_jinja_filter_row;
extern const sk_jinja_filter_row sk_jinja_list_filters[]; /* jinja_list.c; ended by NULL */

/* jinja_string.c. Texts are bytes; what is not UTF-8 counts as a code point for each byte. */
uint64_t sk_jinja_code_points(const sk_json *s);
/* The byte offset of a code point, at most n. */
uint64_t sk_jinja_offset(const sk_json *s, uint64_t code_point);
sk_json sk_jinja_strip(sk_json s, const sk_json *set, bool left, bool right);
enum { SK_JC_UPPER, SK_JC_LOWER, SK_JC_TITLE, SK_JC_CAPITALIZE };
int32_t sk_jinja_case(sk_jinja_run *r, sk_json s, int how, sk_json *out);
uint32_t sk_jinja_lower_code(uint32_t code);
uint32_t sk_jinja_upper_code(uint32_t code);
/* Where `part` is in s at or behind `from`, or UINT64_MAX. */
uint64_t sk_jinja_find(sk_json s, sk_json part, uint64_t from);
int32_t sk_jinja_replace(sk_jinja_run *r, sk_json s, sk_json old, sk_json new, int64_t count,
                         sk_json *out);
/* sep NULL: at white space. max < 0: no limit. */
int32_t sk_jinja_split(sk_jinja_run *r, sk_json s, const sk_json *sep, int64_t max, bool right,
                       sk_json *out);
/* For HTML; what is escaped or declared safe has flavour 1, and adding to it escapes the rest. */
int32_t sk_jinja_escape(sk_jinja_run *r, const sk_json *s, sk_json *out);
int32_t sk_jinja_splitlines(sk_jinja_run *r, sk_json s, sk_json *out);
bool sk_jinja_is_space(uint32_t code);

#endif
