/* SPDX-License-Identifier: MIT */
/* The table of marks, and how calls are written. For the files of the reply reader. */
#ifndef SK_TEXT_REPLY_INT_H
#define SK_TEXT_REPLY_INT_H

#include "text/reply.h"

enum {
    SK_MARK_THINK, /* reasoning up to `close` */
    SK_MARK_CALL,  /* calls up to `close`; without one, up to the end of a JSON value */
    SK_MARK_BARE,  /* the same, of calls that begin with `open` at the very start of a reply */
    SK_MARK_HEAD,  /* a header of harmony, up to <|message|> */
    SK_MARK_DROP   /* stands by itself and says nothing */
};

/* How calls are written between the marks. */
#define SK_CALL_JSON 1     /* {"name": ..., "arguments": {...}}, or a list of them */
#define SK_CALL_KEYED 2    /* {NAME: {...}}, or a list of them */
#define SK_CALL_FUNCTION 4 /* <function=NAME><parameter=KEY>VALUE</parameter></function> */
#define SK_CALL_INVOKE \
    8                      /* <invoke name="NAME"><parameter name="KEY">VALUE</parameter></invoke> \
                            */
#define SK_CALL_ARG_KEY 16 /* NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value> */
#define SK_CALL_SEPARATED \
    32                    /* names, ids and JSON with separators: Kimi, DeepSeek, Mistral, Solar */
#define SK_CALL_PYTHON 64 /* [name(key=value), ...] */
#define SK_CALL_RECIPIENT 256 /* NAME, a line end, and JSON of the arguments: Functionary */
#define SK_CALL_BRACES 128    /* call:NAME{key:value} with <|"|> for quotes */

typedef struct sk_mark {
    const char *format; /* its name in the option */
    const char *sign;   /* what a template that uses it says; NULL: `open` */
    const char *open, *close;
    uint8_t kind;
    uint16_t calls;     /* SK_CALL_... */
    const char *finish; /* of THINK: what a model writes to end it */
} sk_mark;

extern const sk_mark sk_marks[];
extern const uint32_t sk_n_marks; /* at most 64 */

typedef struct sk_call {
    sk_json name, arguments, id; /* id: null when the model gave none */
} sk_call;

typedef struct sk_call_list {
    sk_arena *arena; /* borrowed: all values lie in it */
    sk_call *items;
    uint64_t n, capacity;
    sk_error *error;
    const char *texts; /* [n_texts] pairs: sk_reply_find_texts */
    uint64_t n_texts;
} sk_call_list;

/* Whether a tool and its argument are one of the pairs. */
bool sk_reply_is_text(const char *pairs, uint64_t n, const sk_json *tool, const sk_json *key);

/* Reads calls in one of the ways that `calls` has. 1: they are in the list; 0: the text is none.
 * Errors: MEMORY. */
int32_t sk_calls_read(sk_call_list *list, uint16_t calls, const char *text, uint64_t n);

/* Adds a call. Errors: MEMORY. */
int32_t sk_calls_add(sk_call_list *list, sk_call call);

/* reply_literal.c: a literal of Python, or of Gemma's braces, as JSON text. false: it is none. */
int32_t sk_literal_read(sk_arena *arena, const char *text, uint64_t n, bool braces, sk_json *out,
                        sk_error *error);

#endif
