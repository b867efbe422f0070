/* SPDX-License-Identifier: MIT */
/*
 * From text to tokens. White space around tags is settled here: a '-' at a tag's side strips all of
 * it; a newline behind %} and #} goes (trim_blocks); blanks between the start of a line and {% or
 * {# go (lstrip_blocks), unless the tag has a '+' there. Line ends are \n by now.
 */
#include "base/portable.h"
#include "jinja_int.h"

#include <string.h>

typedef struct jinja_lexer {
    sk_heap *heap;
    sk_error *error;
    const char *text;
    uint32_t n, at, line;
    sk_jinja_token *tokens; /* owned */
    uint64_t n_tokens, capacity;
} jinja_lexer;

static int32_t lex_fail(const jinja_lexer *x, const char *what)
{
    return sk_fail(x->error, SKALD_E_TEMPLATE, "template, line %u: %s", x->line, what);
}

static int32_t lex_add(jinja_lexer *x, uint8_t kind, uint16_t code, uint32_t start, uint32_t n)
{
    void *block = x->tokens;
    int32_t status = sk_grow(x->heap, &block, &x->capacity, x->n_tokens + 1, sizeof *x->tokens,
                             "template tokens", x->error);
    x->tokens = block;
    if (status < 0)
        return status;
    x->tokens[x->n_tokens++] = (sk_jinja_token){kind, code, x->line, start, n};
    return SKALD_OK;
}

static bool lex_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void lex_advance(jinja_lexer *x, uint32_t to)
{
    for (; x->at < to; x->at++)
        x->line += x->text[x->at] == '\n';
}

static void lex_skip_space(jinja_lexer *x)
{
    while (x->at < x->n && lex_space(x->text[x->at]))
        lex_advance(x, x->at + 1);
}

static bool lex_at(const jinja_lexer *x, uint32_t at, const char *text)
{
    size_t n = strlen(text);
    return x->n - at >= n && memcmp(x->text + at, text, n) == 0;
}

/* Where the next tag begins, or the end. */
static uint32_t lex_next_tag(const jinja_lexer *x)
{
    for (uint32_t i = x->at; i + 1 < x->n; i++)
        if (x->text[i] == '{' &&
            (x->text[i + 1] == '{' || x->text[i + 1] == '%' || x->text[i + 1] == '#'))
            return i;
    return x->n;
}

/* The end of the text [start, end) before a tag that opens with `sign` behind it. */
static uint32_t lex_text_end(const jinja_lexer *x, uint32_t start, uint32_t end, char sign,
                             bool print)
{
    uint32_t i = end;
    if (sign == '-') {
        while (i > start && lex_space(x->text[i - 1]))
            i--;
        return i;
    }
    if (sign == '+' || print)
        return end;
    while (i > start && x->text[i - 1] != '\n' && lex_space(x->text[i - 1]))
        i--;
    bool line_start = i == 0 || x->text[i - 1] == '\n';
    return line_start ? i : end;
}

/* What goes behind a tag's end. */
static void lex_after_tag(jinja_lexer *x, char sign, bool print)
{
    if (sign == '-')
        lex_skip_space(x);
    else if (sign != '+' && !print && x->at < x->n && x->text[x->at] == '\n')
        lex_advance(x, x->at + 1);
}

static int32_t lex_comment(jinja_lexer *x)
{
    for (uint32_t i = x->at + 2; i + 1 < x->n; i++)
        if (x->text[i] == '#' && x->text[i + 1] == '}') {
            char sign = i > x->at + 2 ? x->text[i - 1] : 0;
            lex_advance(x, i + 2);
            lex_after_tag(x, sign, false);
            return SKALD_OK;
        }
    return lex_fail(x, "the comment does not end");
}

/* At a tag: whether it is {% word %}, with where it ends and the sign there. */
static bool lex_word_tag(const jinja_lexer *x, uint32_t at, const char *word, uint32_t *end,
                         char *sign)
{
    at += 2;
    if (at < x->n && (x->text[at] == '-' || x->text[at] == '+'))
        at++;
    while (at < x->n && lex_space(x->text[at]))
        at++;
    if (!lex_at(x, at, word))
        return false;
    at += (uint32_t)strlen(word);
    while (at < x->n && lex_space(x->text[at]))
        at++;
    *sign = at < x->n ? x->text[at] : 0;
    at += *sign == '-' || *sign == '+';
    *end = at + 2;
    return lex_at(x, at, "%}");
}

static int32_t lex_raw(jinja_lexer *x, uint32_t end, char sign)
{
    lex_advance(x, end);
    if (sign == '-')
        lex_skip_space(x);
    for (uint32_t i = x->at; i + 1 < x->n; i++) {
        if (!lex_at(x, i, "{%") || !lex_word_tag(x, i, "endraw", &end, &sign))
            continue;
        uint32_t stop = lex_text_end(x, x->at, i, x->text[i + 2], false);
        int32_t status = lex_add(x, SK_JT_TEXT, 0, x->at, stop - x->at);
        lex_advance(x, end);
        lex_after_tag(x, sign, false);
        return status;
    }
    return lex_fail(x, "{% raw %} without {% endraw %}");
}

/* ---- inside tags -------------------------------------------------------------------------- */

static bool lex_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (uint8_t)c >= 0x80;
}

static bool lex_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int32_t lex_string(jinja_lexer *x)
{
    char quote = x->text[x->at];
    uint32_t start = x->at + 1, i = start;
    while (i < x->n && x->text[i] != quote)
        i += x->text[i] == '\\' ? 2 : 1;
    if (i >= x->n)
        return lex_fail(x, "the string does not end");
    int32_t status = lex_add(x, SK_JT_STRING, 0, start, i - start);
    lex_advance(x, i + 1);
    return status;
}

/* Digits, a fraction and an exponent; behind a '.' digits only (a.0.1). */
static int32_t lex_number(jinja_lexer *x)
{
    uint32_t start = x->at, i = start;
    bool whole = start > 0 && x->text[start - 1] == '.', real = false;
    while (i < x->n && (lex_digit(x->text[i]) || x->text[i] == '_'))
        i++;
    if (!whole && i + 1 < x->n && x->text[i] == '.' && lex_digit(x->text[i + 1])) {
        real = true;
        for (i++; i < x->n && (lex_digit(x->text[i]) || x->text[i] == '_');)
            i++;
    }
    uint32_t e = i;
    if (!whole && e < x->n && (x->text[e] | 32) == 'e') {
        e++;
        e += e < x->n && (x->text[e] == '+' || x->text[e] == '-');
        if (e < x->n && lex_digit(x->text[e])) {
            real = true;
            for (i = e; i < x->n && lex_digit(x->text[i]);)
                i++;
        }
    }
    x->at = i;
    return lex_add(x, real ? SK_JT_FLOAT : SK_JT_INT, 0, start, i - start);
}

static int32_t lex_operator(jinja_lexer *x)
{
    static const char *const twos[] = {"==", "!=", "<=", ">=", "//", "**"};
    for (size_t i = 0; i < sizeof twos / sizeof *twos; i++)
        if (lex_at(x, x->at, twos[i])) {
            x->at += 2;
            return lex_add(x, SK_JT_OPERATOR, (uint16_t)(twos[i][0] | twos[i][1] << 8), x->at - 2,
                           2);
        }
    char c = x->text[x->at];
    if (!c || !strchr("+-*/%~<>=.,:|()[]{};", c))
        return lex_fail(x, "an unexpected character in a tag");
    x->at++;
    return lex_add(x, SK_JT_OPERATOR, (uint16_t)c, x->at - 1, 1);
}

static int32_t lex_inner(jinja_lexer *x)
{
    char c = x->text[x->at];
    if (lex_letter(c)) {
        uint32_t start = x->at;
        while (x->at < x->n && (lex_letter(x->text[x->at]) || lex_digit(x->text[x->at])))
            x->at++;
        return lex_add(x, SK_JT_NAME, 0, start, x->at - start);
    }
    if (lex_digit(c))
        return lex_number(x);
    return c == '"' || c == '\'' ? lex_string(x) : lex_operator(x);
}

/* From behind {{ or {% to behind its end, which does not count inside brackets. */
static int32_t lex_tag(jinja_lexer *x, bool print)
{
    const char *close = print ? "}}" : "%}";
    uint32_t open = 0;
    int32_t status = SKALD_OK;
    while (status >= 0) {
        lex_skip_space(x);
        if (x->at >= x->n)
            return lex_fail(x, "the tag does not end");
        char c = x->text[x->at], sign = c == '-' || c == '+' ? c : 0;
        if (open == 0 && lex_at(x, x->at + (sign != 0), close) && !(print && sign == '+')) {
            status = lex_add(x, print ? SK_JT_PRINT_END : SK_JT_BLOCK_END, 0, x->at, 2);
            x->at += sign ? 3 : 2;
            lex_after_tag(x, sign, print);
            return status;
        }
        open += c == '(' || c == '[' || c == '{';
        open -= open > 0 && (c == ')' || c == ']' || c == '}');
        status = lex_inner(x);
    }
    return status;
}

static int32_t lex_all(jinja_lexer *x)
{
    while (x->at < x->n) {
        uint32_t tag = lex_next_tag(x), end;
        char sign = tag + 2 < x->n ? x->text[tag + 2] : 0, kind = tag < x->n ? x->text[tag + 1] : 0;
        uint32_t stop = kind ? lex_text_end(x, x->at, tag, sign, kind == '{') : x->n;
        int32_t status = SKALD_OK;
        if (stop > x->at)
            status = lex_add(x, SK_JT_TEXT, 0, x->at, stop - x->at);
        lex_advance(x, tag);
        if (status < 0 || !kind)
            return status;
        if (kind == '#') {
            status = lex_comment(x);
        } else if (kind == '%' && lex_word_tag(x, tag, "raw", &end, &sign)) {
            status = lex_raw(x, end, sign);
        } else {
            status = lex_add(x, kind == '{' ? SK_JT_PRINT_BEGIN : SK_JT_BLOCK_BEGIN, 0, tag, 2);
            x->at += sign == '-' || (sign == '+' && kind != '{') ? 3 : 2;
            if (status >= 0)
                status = lex_tag(x, kind == '{');
        }
        if (status < 0)
            return status;
    }
    return SKALD_OK;
}

int32_t sk_jinja_lex(sk_heap *heap, const char *text, uint32_t n, sk_jinja_token **tokens,
                     uint64_t *n_tokens, sk_error *error)
{
    jinja_lexer x = {.heap = heap, .error = error, .text = text, .n = n, .line = 1};
    *tokens = NULL;
    *n_tokens = 0;
    int32_t status = lex_all(&x);
    if (status >= 0)
        status = lex_add(&x, SK_JT_END, 0, n, 0);
    if (status < 0) {
        sk_free(heap, x.tokens);
        return status;
    }
    *tokens = x.tokens;
    *n_tokens = x.n_tokens;
    return SKALD_OK;
}
