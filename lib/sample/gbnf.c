/* SPDX-License-Identifier: MIT */
/*
 * Grammars as llama.cpp's users write them (GBNF):
 *
 *     root ::= "text" [a-z\n] [^x] . rule <[123]> <text> !<text> # comment
 *     rule ::= one | ( two three )* | four+ five? six{2} seven{2,} eight{2,9}
 *
 * A rule ends at its line's end, unless that stands in parentheses, behind "::=" or "|", or before
 * a "|". Escapes in texts and classes: \t \r \n \\ \" \[ \] \- \^ \xHH \uHHHH \UHHHHHHHH.
 *
 * One pass; open parentheses wait on a stack of the heap. Rules may be used before they are
 * defined.
 */
#include "base/portable.h"

#include "base/strmap.h"
#include "sample/grammar_int.h"
#include "text/utf8.h"
#include "text/unicode.h"

#include <string.h>

enum { GBNF_DEPTH = 4096, GBNF_COUNT = 2000 };
#define GBNF_TEXT_MAX (UINT64_C(16) << 20) /* bytes */

/* What stands between two parentheses, as far as it was read. */
typedef struct gbnf_frame {
    sk_frag choices; /* alternatives that are complete */
    sk_frag done;    /* of the alternative being read, but for its last element */
    sk_frag last;    /* which a quantifier may still follow */
    bool has_choices, has_last;
} gbnf_frame;

typedef struct gbnf {
    sk_gram b;
    sk_strmap rules; /* names to numbers */
    const sk_token_finder *tokens;
    const char *start, *at, *end;
    uint64_t line;
    const char *line_start;
    gbnf_frame *frames; /* owned */
    uint64_t depth, frame_capacity;
} gbnf;

static bool gbnf_ok(const gbnf *g)
{
    return g->b.status == SKALD_OK;
}

static void gbnf_fail(gbnf *g, const char *what)
{
    if (gbnf_ok(g))
        g->b.status = sk_fail(g->b.error, SKALD_E_OPTION, "grammar: line %llu, column %llu: %s",
                              (unsigned long long)g->line,
                              (unsigned long long)(g->at - g->line_start) + 1, what);
}

static char gbnf_peek(const gbnf *g)
{
    return g->at < g->end ? *g->at : 0;
}

static bool gbnf_is(const gbnf *g, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(g->end - g->at) >= n && memcmp(g->at, word, n) == 0;
}

static void gbnf_blanks(gbnf *g, bool lines)
{
    for (; g->at < g->end; g->at++) {
        char c = *g->at;
        if (c == '#')
            while (g->at + 1 < g->end && g->at[1] != '\n')
                g->at++;
        else if (c == '\n' && lines)
            g->line++, g->line_start = g->at + 1;
        else if (c != ' ' && c != '\t' && !(c == '\r' && (lines || gbnf_is(g, "\r\n"))))
            return;
    }
}

static bool gbnf_is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static uint64_t gbnf_name(gbnf *g, const char **name)
{
    *name = g->at;
    while (g->at < g->end && gbnf_is_name(*g->at))
        g->at++;
    return (uint64_t)(g->at - *name);
}

static uint32_t gbnf_rule(gbnf *g, const char *name, uint64_t n)
{
    uint32_t rule, old;
    if (n > UINT16_MAX) {
        gbnf_fail(g, "the name of a rule is too long");
        return 0;
    }
    if (sk_strmap_get(&g->rules, name, n, &rule))
        return rule;
    rule = sk_build_rule(&g->b, name, n, g->line);
    if (gbnf_ok(g))
        sk_strmap_put(&g->rules, name, n, rule, &old);
    return rule;
}

/* ---- Characters ----------------------------------------------------------------------------- */

static int gbnf_hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static uint32_t gbnf_hex_digits(gbnf *g, int n)
{
    uint32_t code = 0;
    for (int i = 0; i < n; i++, g->at++) {
        int digit = gbnf_hex(gbnf_peek(g));
        if (digit < 0) {
            gbnf_fail(g, "a hexadecimal digit is missing");
            return 0;
        }
        code = code << 4 | (uint32_t)digit;
    }
    if (code > SK_UNICODE_LAST || (code >= 0xD800 && code <= 0xDFFF))
        gbnf_fail(g, "this number is no code point");
    return code;
}

static uint32_t gbnf_escape(gbnf *g)
{
    char c = gbnf_peek(g);
    static const char from[] = "trn\\\"[]-^", to[] = "\t\r\n\\\"[]-^";
    g->at += g->at < g->end;
    if (c == 'x' || c == 'u' || c == 'U')
        return gbnf_hex_digits(g, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found) {
        gbnf_fail(g, "this escape is not known");
        return 0;
    }
    return (uint8_t)to[found - from];
}

/* The character at the cursor of a text or class; at least one byte is left. */
static uint32_t gbnf_char(gbnf *g)
{
    uint32_t code;
    if (*g->at == '\\') {
        g->at++;
        return gbnf_escape(g);
    }
    if (*g->at == '\n') {
        gbnf_fail(g, "the line ends in a text or class");
        return 0;
    }
    uint32_t n = sk_utf8_read((const uint8_t *)g->at, (const uint8_t *)g->end, &code);
    if (n == 1 && code == SK_UNICODE_BAD)
        gbnf_fail(g, "this is not UTF-8");
    g->at += n;
    return code;
}

static sk_frag gbnf_text(gbnf *g)
{
    sk_frag all = sk_build_empty(&g->b);
    g->at++;
    while (gbnf_ok(g) && gbnf_peek(g) != '"') {
        if (g->at >= g->end) {
            gbnf_fail(g, "the text is not ended");
            break;
        }
        uint8_t bytes[SK_UTF8_MAX];
        uint32_t n = sk_utf8_write(bytes, gbnf_char(g));
        all = sk_build_then(&g->b, all, sk_build_text(&g->b, (const char *)bytes, n));
    }
    g->at += gbnf_ok(g);
    return all;
}

static void gbnf_class_range(gbnf *g, sk_codeset *set)
{
    uint32_t first = gbnf_char(g), last = first;
    if (gbnf_ok(g) && gbnf_peek(g) == '-' && g->end - g->at > 1 && g->at[1] != ']') {
        g->at++;
        last = gbnf_char(g);
    }
    if (last < first)
        gbnf_fail(g, "the range ends before it begins");
    if (gbnf_ok(g))
        g->b.status = sk_codeset_add(set, first, last, g->b.error);
}

static sk_frag gbnf_class(gbnf *g)
{
    sk_codeset set;
    sk_codeset_init(&set, g->b.heap);
    g->at++;
    bool negated = gbnf_peek(g) == '^';
    g->at += negated;
    while (gbnf_ok(g) && gbnf_peek(g) != ']') {
        if (g->at >= g->end)
            gbnf_fail(g, "the class is not ended");
        else
            gbnf_class_range(g, &set);
    }
    g->at += gbnf_ok(g);
    if (gbnf_ok(g))
        g->b.status = sk_codeset_settle(&set, g->b.error);
    if (gbnf_ok(g) && negated)
        g->b.status = sk_codeset_negate(&set, g->b.error);
    sk_frag f = sk_build_set(&g->b, &set);
    sk_codeset_free(&set);
    return f;
}

static sk_frag gbnf_any(gbnf *g)
{
    sk_codeset none;
    sk_codeset_init(&none, g->b.heap);
    g->at++;
    if (gbnf_ok(g))
        g->b.status = sk_codeset_negate(&none, g->b.error);
    sk_frag f = sk_build_set(&g->b, &none);
    sk_codeset_free(&none);
    return f;
}

/* ---- Token references ----------------------------------------------------------------------- */

static uint64_t gbnf_number(gbnf *g, uint64_t max, const char *what)
{
    uint64_t value = 0;
    const char *from = g->at;
    for (; gbnf_peek(g) >= '0' && gbnf_peek(g) <= '9'; g->at++) {
        value = value * 10 + (uint64_t)(*g->at - '0');
        if (value > max) {
            gbnf_fail(g, what);
            return 0;
        }
    }
    if (g->at == from)
        gbnf_fail(g, "a number is missing");
    return value;
}

static sk_frag gbnf_token(gbnf *g)
{
    bool any_other = *g->at == '!';
    const char *text = g->at + any_other;
    const char *close = memchr(text, '>', (size_t)(g->end - text));
    int64_t id = -1;
    g->at = text + 1;
    if (!g->tokens)
        gbnf_fail(g, "a reference to a token needs a model's vocabulary");
    else if (!close)
        gbnf_fail(g, "the reference to a token is not ended by '>'");
    else if (gbnf_peek(g) == '[') {
        g->at++;
        id = (int64_t)gbnf_number(g, INT32_MAX, "there is no such token");
        if (gbnf_ok(g) && id >= g->tokens->n_vocab)
            gbnf_fail(g, "there is no such token");
        if (gbnf_ok(g) && !gbnf_is(g, "]>"))
            gbnf_fail(g, "wanted ]> behind the token's number");
    } else {
        id = g->tokens->find(g->tokens->user, text, (uint64_t)(close + 1 - text));
        if (id < 0)
            gbnf_fail(g, "this text is not exactly one token of the vocabulary");
    }
    if (!gbnf_ok(g))
        return (sk_frag){0, 0};
    g->at = close + 1;
    return sk_build_token(&g->b, (uint32_t)id, any_other);
}

/* ---- Sequences ------------------------------------------------------------------------------ */

static gbnf_frame *gbnf_top(gbnf *g)
{
    return &g->frames[g->depth - 1];
}

static void gbnf_push(gbnf *g)
{
    if (g->depth == GBNF_DEPTH) {
        gbnf_fail(g, "parentheses are nested too deep, wanted at most 4096 levels");
        return;
    }
    void *frames = g->frames;
    if (gbnf_ok(g))
        g->b.status = sk_grow(g->b.heap, &frames, &g->frame_capacity, g->depth + 1,
                              sizeof *g->frames, "a grammar", g->b.error);
    g->frames = frames;
    if (gbnf_ok(g))
        g->frames[g->depth++] = (gbnf_frame){.done = sk_build_empty(&g->b)};
}

static void gbnf_element(gbnf *g, sk_frag f)
{
    gbnf_frame *top = gbnf_top(g);
    if (top->has_last)
        top->done = sk_build_then(&g->b, top->done, top->last);
    top->last = f;
    top->has_last = true;
}

/* Ends an alternative. */
static void gbnf_choice(gbnf *g)
{
    gbnf_frame *top = gbnf_top(g);
    sk_frag whole = top->has_last ? sk_build_then(&g->b, top->done, top->last) : top->done;
    top->choices = top->has_choices ? sk_build_either(&g->b, top->choices, whole) : whole;
    top->has_choices = true;
    top->has_last = false;
    top->done = sk_build_empty(&g->b);
}

static void gbnf_count(gbnf *g, uint64_t *min, uint64_t *max)
{
    static const char too_many[] = "the count is too large, wanted at most 2000";
    g->at++;
    gbnf_blanks(g, true);
    bool open_below = gbnf_peek(g) == ',';
    *min = open_below ? 0 : gbnf_number(g, GBNF_COUNT, too_many);
    *max = *min;
    gbnf_blanks(g, true);
    if (gbnf_ok(g) && gbnf_peek(g) == ',') {
        g->at++;
        gbnf_blanks(g, true);
        *max = gbnf_peek(g) == '}' ? UINT64_MAX : gbnf_number(g, GBNF_COUNT, too_many);
        gbnf_blanks(g, true);
    }
    if (gbnf_ok(g) && gbnf_peek(g) != '}')
        gbnf_fail(g, "wanted } behind the count");
    else if (gbnf_ok(g) && *max < *min)
        gbnf_fail(g, "the count's maximum is below its minimum");
    g->at += gbnf_ok(g);
}

static void gbnf_quantifier(gbnf *g)
{
    gbnf_frame *top = gbnf_top(g);
    char c = *g->at;
    uint64_t min = c == '+', max = c == '?' ? 1 : UINT64_MAX;
    if (!top->has_last) {
        gbnf_fail(g, "there is nothing to repeat");
        return;
    }
    if (c == '{')
        gbnf_count(g, &min, &max);
    else
        g->at++;
    top->last = sk_build_repeat(&g->b, top->last, min, max);
}

static void gbnf_open(gbnf *g)
{
    g->at++;
    gbnf_push(g);
}

static void gbnf_close(gbnf *g)
{
    if (g->depth == 1) {
        gbnf_fail(g, "this ) closes nothing");
        return;
    }
    g->at++;
    gbnf_choice(g);
    g->depth--;
    gbnf_element(g, g->frames[g->depth].choices);
}

static void gbnf_reference(gbnf *g)
{
    const char *name;
    uint64_t n = gbnf_name(g, &name);
    uint32_t rule = gbnf_rule(g, name, n);
    if (gbnf_ok(g))
        gbnf_element(g, sk_build_call(&g->b, rule));
}

/* Takes what begins at the cursor; false at what ends a rule. */
static bool gbnf_step(gbnf *g)
{
    char c = gbnf_peek(g);
    if (c == '"')
        gbnf_element(g, gbnf_text(g));
    else if (c == '[')
        gbnf_element(g, gbnf_class(g));
    else if (c == '.')
        gbnf_element(g, gbnf_any(g));
    else if (c == '<' || (c == '!' && gbnf_is(g, "!<")))
        gbnf_element(g, gbnf_token(g));
    else if (c == '(')
        gbnf_open(g);
    else if (c == ')')
        gbnf_close(g);
    else if (c == '*' || c == '+' || c == '?' || c == '{')
        gbnf_quantifier(g);
    else if (gbnf_is_name(c))
        gbnf_reference(g);
    else
        return false;
    return gbnf_ok(g);
}

/* Whether the rule goes on: with an alternative, perhaps on a later line. */
static bool gbnf_goes_on(gbnf *g)
{
    gbnf before = *g;
    gbnf_blanks(g, true);
    if (gbnf_peek(g) == '|') {
        g->at++;
        gbnf_choice(g);
        gbnf_blanks(g, true);
        return true;
    }
    g->at = before.at;
    g->line = before.line;
    g->line_start = before.line_start;
    return false;
}

static void gbnf_body(gbnf *g, uint32_t rule)
{
    g->depth = 0;
    gbnf_push(g);
    for (bool more = true; more && gbnf_ok(g);) {
        while (gbnf_step(g))
            gbnf_blanks(g, g->depth > 1);
        more = gbnf_ok(g) && gbnf_goes_on(g);
    }
    if (!gbnf_ok(g))
        return;
    if (g->depth > 1)
        gbnf_fail(g, g->at < g->end ? "wanted an element or )" : "a ( is not closed");
    else if (g->at < g->end && *g->at != '\n')
        gbnf_fail(g, "wanted an element, or the end of the rule");
    gbnf_choice(g);
    if (gbnf_ok(g))
        sk_build_body(&g->b, rule, gbnf_top(g)->choices);
}

static void gbnf_definition(gbnf *g)
{
    const char *name;
    uint64_t n = gbnf_name(g, &name);
    if (n == 0) {
        gbnf_fail(g, "wanted the name of a rule");
        return;
    }
    uint32_t rule = gbnf_rule(g, name, n);
    gbnf_blanks(g, false);
    if (gbnf_ok(g) && !gbnf_is(g, "::="))
        gbnf_fail(g, "wanted ::= behind the rule's name");
    else if (gbnf_ok(g) && sk_build_has_body(&g->b, rule))
        gbnf_fail(g, "this rule is defined already");
    if (!gbnf_ok(g))
        return;
    g->b.names[rule].line = (uint32_t)g->line;
    g->at += 3;
    gbnf_blanks(g, true);
    gbnf_body(g, rule);
}

static void gbnf_check_rules(gbnf *g)
{
    for (uint32_t r = 0; gbnf_ok(g) && r < g->b.n_rules; r++)
        if (!sk_build_has_body(&g->b, r)) {
            const sk_rule_name *name = &g->b.names[r];
            g->b.status =
                r == 0 ? sk_fail(g->b.error, SKALD_E_OPTION, "grammar: there is no rule \"root\"")
                       : sk_fail(g->b.error, SKALD_E_OPTION,
                                 "grammar: line %u: the rule \"%.*s\" is not defined", name->line,
                                 (int)(name->n < 60 ? name->n : 60), name->text);
        }
}

static int32_t gbnf_init(gbnf *g, sk_heap *heap, const char *text, uint64_t n, sk_error *error)
{
    uint64_t n_names = 1;
    sk_gram_init(&g->b, heap, error);
    if (n > GBNF_TEXT_MAX)
        return sk_fail(error, SKALD_E_OPTION,
                       "grammar: %llu bytes are too long, wanted at most %llu",
                       (unsigned long long)n, (unsigned long long)GBNF_TEXT_MAX);
    for (uint64_t i = 1; i < n; i++)
        n_names += gbnf_is_name(text[i]) && !gbnf_is_name(text[i - 1]);
    return sk_strmap_init(&g->rules, heap, n_names + 2, error);
}

int32_t sk_grammar_from_gbnf(sk_grammar **out, sk_heap *heap, const char *text, uint64_t n,
                             const sk_token_finder *tokens, sk_error *error)
{
    gbnf g = {.tokens = tokens,
              .start = text,
              .at = text,
              .end = text + n,
              .line = 1,
              .line_start = text};
    *out = NULL;
    int32_t status = gbnf_init(&g, heap, text, n, error);
    if (status == SKALD_OK) {
        gbnf_rule(&g, "root", 4);
        gbnf_blanks(&g, true);
        while (gbnf_ok(&g) && g.at < g.end) {
            gbnf_definition(&g);
            gbnf_blanks(&g, true);
        }
        gbnf_check_rules(&g);
        status = sk_build_finish(&g.b, out, "grammar");
    }
    sk_strmap_free(&g.rules, heap);
    sk_free(heap, g.frames);
    sk_gram_free(&g.b);
    return status;
}

#undef GBNF_TEXT_MAX
