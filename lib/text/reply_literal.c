/* SPDX-License-Identifier: MIT */
/*
 * Literals that are nearly JSON, written anew as JSON and read as such. Python: 'text' and "text",
 * True, False, None, tuples. Gemma's braces: names without quotes, and <|"|> for a quote. Whatever
 * is no literal fails in the reader of JSON.
 */
#include "base/portable.h"

#include "text/reply_int.h"

#include <string.h>

typedef struct literal {
    const char *at, *end;
    bool braces;
    sk_buffer out;
    sk_error *error;
} literal;

static const char literal_quote[] = "<|\"|>";
#define LITERAL_QUOTE_N 5

static int32_t literal_put(literal *l, const char *text, uint64_t n)
{
    return sk_buffer_add(&l->out, text, n, l->error);
}

static bool literal_at_quote(const literal *l)
{
    return l->braces && l->end - l->at >= LITERAL_QUOTE_N &&
           memcmp(l->at, literal_quote, LITERAL_QUOTE_N) == 0;
}

/* One byte of a string as JSON has it. */
static int32_t literal_put_byte(literal *l, char c)
{
    static const char digits[] = "0123456789abcdef";
    if (c == '"' || c == '\\')
        return literal_put(l, c == '"' ? "\\\"" : "\\\\", 2);
    if ((uint8_t)c >= 0x20)
        return literal_put(l, &c, 1);
    const char escape[6] = {'\\', 'u', '0', '0', digits[(uint8_t)c >> 4], digits[c & 15]};
    return literal_put(l, escape, 6);
}

/* What a backslash and this letter stand for in Python; the letter itself where it is none. */
static int32_t literal_put_escape(literal *l, char c)
{
    static const char letters[] = "nrtbf0", bytes[] = "\n\r\t\b\f";
    const char *found = c ? strchr(letters, c) : NULL;
    if (c == 'u' || c == 'x') { /* JSON's own; \xHH is \u00HH */
        int32_t status = literal_put(l, c == 'u' ? "\\u" : "\\u00", c == 'u' ? 2 : 4);
        return status;
    }
    return literal_put_byte(l, found ? bytes[found - letters] : c);
}

static int32_t literal_string(literal *l)
{
    bool marked = literal_at_quote(l);
    char quote = *l->at;
    l->at += marked ? LITERAL_QUOTE_N : 1;
    int32_t status = literal_put(l, "\"", 1);
    while (l->at < l->end && status == SKALD_OK) {
        if (marked ? literal_at_quote(l) : *l->at == quote) {
            l->at += marked ? LITERAL_QUOTE_N : 1;
            return literal_put(l, "\"", 1);
        }
        if (!marked && *l->at == '\\' && l->end - l->at > 1) {
            status = literal_put_escape(l, l->at[1]);
            l->at += 2;
        } else {
            status = literal_put_byte(l, *l->at++);
        }
    }
    return status; /* without its end: the reader of JSON will say so */
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '+' || c == '-' || (uint8_t)c >= 0x80;
}

static int32_t literal_word(literal *l)
{
    static const char *const words[][2] = {{"True", "true"}, {"False", "false"}, {"None", "null"}};
    const char *start = l->at;
    while (l->at < l->end && is_word_byte(*l->at))
        l->at++;
    uint64_t n = (uint64_t)(l->at - start);
    const char *next = l->at;
    while (next < l->end && *next == ' ')
        next++;
    if (l->braces && next < l->end && *next == ':') {
        int32_t status = literal_put(l, "\"", 1);
        for (uint64_t i = 0; i < n && status == SKALD_OK; i++)
            status = literal_put_byte(l, start[i]);
        return status < 0 ? status : literal_put(l, "\"", 1);
    }
    for (int i = 0; i < 3; i++)
        if (strlen(words[i][0]) == n && memcmp(start, words[i][0], (size_t)n) == 0)
            return literal_put(l, words[i][1], strlen(words[i][1]));
    return literal_put(l, start, n);
}

static int32_t literal_write(literal *l)
{
    int32_t status = SKALD_OK;
    while (l->at < l->end && status == SKALD_OK) {
        char c = *l->at;
        if (literal_at_quote(l) || c == '"' || c == '\'') {
            status = literal_string(l);
        } else if (is_word_byte(c)) {
            status = literal_word(l);
        } else {
            /* A comma before the end of a tuple or list is Python's. */
            const char *next = l->at + 1;
            while (c == ',' && next < l->end && *next == ' ')
                next++;
            bool last = c == ',' && next < l->end && (*next == ')' || *next == ']' || *next == '}');
            char out = (char)(c == '(' && !l->braces ? '[' : c == ')' && !l->braces ? ']' : c);
            status = last ? SKALD_OK : literal_put(l, &out, 1);
            l->at++;
        }
    }
    return status;
}

int32_t sk_literal_read(sk_arena *arena, const char *text, uint64_t n, bool braces, sk_json *out,
                        sk_error *error)
{
    literal l = {.at = text, .end = text + n, .braces = braces, .error = error};
    sk_buffer_init(&l.out, arena->heap, arena->limit);
    int32_t status = literal_write(&l);
    if (status == SKALD_OK)
        status = sk_json_read(arena, l.out.data ? l.out.data : "", l.out.n, out, error);
    sk_buffer_free(&l.out);
    return status;
}

#undef LITERAL_QUOTE_N
