/* SPDX-License-Identifier: MIT */
/*
 * JSON as values. The reader is strict (RFC 8259, nothing more) and takes hostile text: no
 * recursion, at most SK_JSON_DEPTH levels, the text must be UTF-8. Its choices where the standard
 * leaves one: a number without fraction and exponent that fits is an int64, else a double, which
 * must be finite; of several members with one name the last value counts, at the first one's
 * place; half a surrogate pair (\ud800 alone) becomes U+FFFD; a byte order mark is an error.
 *
 * A value is 24 bytes and borrows: strings, items and members lie in the arena of the reader (or
 * wherever the maker of the value put them), unchanged for its life. Strings are bytes with a
 * length and may hold NUL. Kinds from SK_JSON_KINDS on are for others to add (the template
 * interpreter does); the writer asks its caller about them.
 *
 * The writer writes as Python's json.dumps does, or as Python's repr does, which templates need
 * because their authors ran them under Python. It does not recurse either.
 */
#ifndef SK_FORMAT_JSON_H
#define SK_FORMAT_JSON_H

#include "base/arena.h"

#define SK_JSON_DEPTH 256

enum {
    SK_JSON_NULL,
    SK_JSON_BOOL,
    SK_JSON_INT,
    SK_JSON_DOUBLE,
    SK_JSON_STRING,
    SK_JSON_ARRAY,
    SK_JSON_OBJECT,
    SK_JSON_KINDS
};

typedef struct sk_json_member sk_json_member;

typedef struct sk_json {
    uint8_t kind;
    uint8_t flavour; /* 0; of an array 1: a tuple (repr only); else for others to use */
    uint64_t n;      /* bytes of a string, items, members */
    union {
        bool truth;
        int64_t i;
        double d;
        const char *text;
        const struct sk_json *items;
        const sk_json_member *members;
        void *pointer;
    } as;
} sk_json;

struct sk_json_member {
    sk_json key; /* of what was read: always a string */
    sk_json value;
};

/* Reads a whole text; *out lives in `arena`. Errors: CORRUPT (the sentence names the byte),
 * MEMORY. */
int32_t sk_json_read(sk_arena *arena, const char *text, uint64_t n, sk_json *out, sk_error *error);

/* The member of an object by its name, or NULL; NULL for what is no object. */
const sk_json *sk_json_get(const sk_json *object, const char *name, uint64_t n);

typedef struct sk_json_style {
    const char *item_separator, *key_separator; /* NULL: Python's; borrowed */
    uint64_t n_item_separator, n_key_separator;
    int64_t indent; /* spaces per level; -1: all on one line */
    bool ensure_ascii, sort_keys;
    bool repr; /* Python's repr: 'text', True, None, (1,) */
    /* Writes a value of a kind that is not JSON's; NULL: an error. */
    int32_t (*other)(const sk_json *value, sk_buffer *out, sk_error *error);
} sk_json_style;

/* json.dumps(value, ensure_ascii=False) */
#define SK_JSON_STYLE ((sk_json_style){.indent = -1})
#define SK_JSON_REPR ((sk_json_style){.indent = -1, .repr = true})

/* Adds the value's text to `out`. Errors: ARGUMENT (nested more than SK_JSON_DEPTH levels, a kind
 * that cannot be written), MEMORY. What was added before an error stays. */
int32_t sk_json_write(sk_buffer *out, const sk_json *value, const sk_json_style *style,
                      sk_error *error);

/* As Python's repr writes a float: "1.0", "1e+16", "inf". `out` has room for 64 bytes. */
uint64_t sk_json_double_text(char *out, double value);

#endif
