/* SPDX-License-Identifier: MIT */
/* One pass, like gbnf.c; open groups wait on a stack of the heap. */
#include "base/portable.h"

#include "sample/regex.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <string.h>

enum { REGEX_DEPTH = 4096, REGEX_COUNT = 2000 };
#define REGEX_TEXT_MAX (UINT64_C(1) << 20) /* bytes */

typedef struct regex_frame {
    sk_frag choices, done, last;
    sk_regex_size choices_size, done_size, last_size;
    bool has_choices, has_last;
    bool is_empty;         /* nothing stands in the alternative yet */
    bool at_start, at_end; /* ^ and $ of the alternative being read */
} regex_frame;

typedef struct regex {
    sk_gram *b;
    const sk_regex_how *how;
    const char *start, *at, *end;
    regex_frame *frames; /* owned */
    uint64_t depth, frame_capacity;
    uint32_t any; /* a rule: any one character; made when it is first wanted */
    bool has_any;
} regex;

static bool regex_ok(const regex *r)
{
    return r->b->status == SKALD_OK;
}

static void regex_fail(regex *r, const char *found)
{
    if (regex_ok(r))
        r->b->status =
            sk_fail(r->b->error, SKALD_E_OPTION, "%s: byte %llu of \"%.*s\": %s", r->how->what,
                    (unsigned long long)(r->at - r->start) + 1,
                    (int)(r->end - r->start < 60 ? r->end - r->start : 60), r->start, found);
}

static bool regex_is(const regex *r, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(r->end - r->at) >= n && memcmp(r->at, word, n) == 0;
}

static char regex_peek(const regex *r)
{
    return r->at < r->end ? *r->at : 0;
}

/* ---- Characters and classes ----------------------------------------------------------------- */

static void regex_add(regex *r, sk_codeset *set, uint32_t first, uint32_t last)
{
    if (regex_ok(r))
        r->b->status = sk_codeset_add(set, first, last, r->b->error);
}

static uint32_t regex_hex(regex *r, int min, int max)
{
    uint32_t code = 0;
    int n = 0;
    for (; n < max && r->at < r->end; n++, r->at++) {
        char c = *r->at;
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 16;
        if (digit == 16)
            break;
        code = code << 4 | digit;
    }
    if (n < min)
        regex_fail(r, "a hexadecimal digit is missing");
    return code;
}

static uint32_t regex_unicode_escape(regex *r)
{
    uint32_t code;
    if (regex_peek(r) == '{') {
        r->at++;
        code = regex_hex(r, 1, 6);
        if (regex_peek(r) != '}')
            regex_fail(r, "wanted } behind the code point");
        r->at += r->at < r->end;
        return code;
    }
    code = regex_hex(r, 4, 4);
    if (code >= 0xD800 && code <= 0xDBFF && regex_is(r, "\\u")) { /* a pair of surrogates */
        r->at += 2;
        uint32_t low = regex_hex(r, 4, 4);
        if (low >= 0xDC00 && low <= 0xDFFF)
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        regex_fail(r, "half a pair of surrogates");
    }
    return code;
}

static const struct {
    char name[24];
    uint32_t mask;
} regex_categories[] = {
    {"L", SK_UC_L},
    {"Letter", SK_UC_L},
    {"Lu", SK_UC_LU},
    {"Uppercase_Letter", SK_UC_LU},
    {"Ll", SK_UC_LL},
    {"Lowercase_Letter", SK_UC_LL},
    {"Lt", SK_UC_LT},
    {"Lm", SK_UC_LM},
    {"Lo", SK_UC_LO},
    {"M", SK_UC_M},
    {"Mark", SK_UC_M},
    {"Mn", SK_UC_MN},
    {"N", SK_UC_N},
    {"Number", SK_UC_N},
    {"Nd", SK_UC_ND},
    {"digit", SK_UC_ND},
    {"Nl", SK_UC_NL},
    {"Decimal_Number", SK_UC_ND},
    {"P", SK_UC_P},
    {"Punctuation", SK_UC_P},
    {"Pc", SK_UC_PC},
    {"S", SK_UC_S},
    {"Symbol", SK_UC_S},
    {"Z", SK_UC_Z},
    {"Separator", SK_UC_Z},
    {"C", SK_UC_C},
    {"White_Space", SK_UC_SPACE},
};

static void regex_category(regex *r, sk_codeset *set)
{
    const char *close = regex_peek(r) == '{' ? memchr(r->at, '}', (size_t)(r->end - r->at)) : NULL;
    size_t n = close ? (size_t)(close - r->at) - 1 : 0;
    uint32_t mask = 0;
    for (size_t i = 0; i < sizeof regex_categories / sizeof *regex_categories; i++)
        if (close && strlen(regex_categories[i].name) == n &&
            memcmp(regex_categories[i].name, r->at + 1, n) == 0)
            mask = regex_categories[i].mask;
    if (!mask) {
        regex_fail(r, "this Unicode property is not known");
        return;
    }
    r->at = close + 1;
    if (regex_ok(r))
        r->b->status = sk_codeset_add_class(set, mask, r->b->error);
}

/* Adds what \d and its like stand for; false if `c` is no such letter. */
static bool regex_shorthand(regex *r, char c, sk_codeset *out)
{
    sk_codeset set;
    sk_codeset_init(&set, r->b->heap);
    char low = (char)(c | 32);
    if (low == 'd' || low == 'w')
        regex_add(r, &set, '0', '9');
    if (low == 'w') {
        regex_add(r, &set, 'A', 'Z');
        regex_add(r, &set, 'a', 'z');
        regex_add(r, &set, '_', '_');
    }
    if (low == 's') {
        static const uint32_t blanks[] = {9,      13,     32,     32,     0xA0,   0xA0,   0x1680,
                                          0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x202F,
                                          0x205F, 0x205F, 0x3000, 0x3000, 0xFEFF, 0xFEFF};
        for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i += 2)
            regex_add(r, &set, blanks[i], blanks[i + 1]);
    }
    if (low == 'p')
        regex_category(r, &set);
    bool known = set.n > 0;
    if (regex_ok(r) && known)
        r->b->status = sk_codeset_settle(&set, r->b->error);
    if (regex_ok(r) && known && c != low)
        r->b->status = sk_codeset_negate(&set, r->b->error);
    if (regex_ok(r) && known)
        r->b->status = sk_codeset_add_all(out, &set, r->b->error);
    sk_codeset_free(&set);
    return known || low == 'p';
}

/* The character of an escape whose letter, `c`, was read. */
static uint32_t regex_escape(regex *r, char c, bool in_class)
{
    static const char from[] = "tnrfv0", to[] = "\t\n\r\f\v\0";
    const char *found = c ? strchr(from, c) : NULL;
    if (found)
        return (uint8_t)to[found - from];
    if (c == 'x')
        return regex_hex(r, 2, 2);
    if (c == 'u')
        return regex_unicode_escape(r);
    if (c == 'c' && ((regex_peek(r) | 32) >= 'a' && (regex_peek(r) | 32) <= 'z'))
        return (uint32_t)*r->at++ & 31;
    if (c == 'b' && in_class)
        return 8;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || !c)
        regex_fail(r, c >= '1' && c <= '9' ? "back references are not supported"
                                           : "this escape is not supported");
    return (uint8_t)c;
}

/* Adds the character or the class at the cursor. True, with *code, if it was a character. */
static bool regex_unit(regex *r, sk_codeset *set, uint32_t *code, bool in_class)
{
    if (*r->at == '\\') {
        char c = r->at + 1 < r->end ? r->at[1] : 0;
        if ((uint8_t)c < 0x80) {
            r->at += c ? 2 : 1;
            if (regex_shorthand(r, c, set))
                return false;
            *code = regex_escape(r, c, in_class);
            return true;
        }
        r->at++;
    }
    uint32_t n = sk_utf8_read((const uint8_t *)r->at, (const uint8_t *)r->end, code);
    if (n == 1 && *code == SK_UNICODE_BAD)
        regex_fail(r, "this is not UTF-8");
    r->at += n;
    return true;
}

static void regex_class_range(regex *r, sk_codeset *set)
{
    uint32_t first, last;
    if (!regex_unit(r, set, &first, true))
        return;
    last = first;
    if (regex_ok(r) && regex_peek(r) == '-' && r->end - r->at > 1 && r->at[1] != ']') {
        r->at++;
        if (!regex_unit(r, set, &last, true)) {
            regex_add(r, set, '-', '-');
            last = first;
        }
    }
    if (last < first || last > SK_UNICODE_LAST)
        regex_fail(r, "the range ends before it begins, or outside Unicode");
    regex_add(r, set, first, last);
}

static void regex_class(regex *r, sk_codeset *set)
{
    r->at++;
    bool negated = regex_peek(r) == '^';
    r->at += negated;
    while (regex_ok(r) && regex_peek(r) != ']') {
        if (r->at >= r->end)
            regex_fail(r, "the class is not ended");
        else
            regex_class_range(r, set);
    }
    r->at += regex_ok(r);
    if (regex_ok(r))
        r->b->status = sk_codeset_settle(set, r->b->error);
    if (regex_ok(r) && negated)
        r->b->status = sk_codeset_negate(set, r->b->error);
}

static void regex_dot(regex *r, sk_codeset *set)
{
    r->at++;
    regex_add(r, set, '\n', '\n');
    regex_add(r, set, '\r', '\r');
    regex_add(r, set, 0x2028, 0x2029);
    if (regex_ok(r))
        r->b->status = sk_codeset_negate(set, r->b->error);
}

static sk_frag regex_atom(regex *r)
{
    sk_codeset set;
    uint32_t code;
    sk_codeset_init(&set, r->b->heap);
    if (*r->at == '[')
        regex_class(r, &set);
    else if (*r->at == '.')
        regex_dot(r, &set);
    else if (regex_unit(r, &set, &code, false)) {
        if (code > SK_UNICODE_LAST)
            regex_fail(r, "this number is no code point");
        regex_add(r, &set, code, code);
    }
    if (regex_ok(r))
        r->b->status = sk_codeset_settle(&set, r->b->error);
    sk_frag f = r->how->emit(r->how->user, r->b, &set);
    sk_codeset_free(&set);
    return f;
}

/* Any number of any characters. */
static sk_frag regex_anything(regex *r)
{
    if (!r->has_any) {
        sk_codeset set;
        sk_codeset_init(&set, r->b->heap);
        if (regex_ok(r))
            r->b->status = sk_codeset_negate(&set, r->b->error);
        r->any = sk_build_rule(r->b, NULL, 0, 0);
        sk_build_body(r->b, r->any, r->how->emit(r->how->user, r->b, &set));
        r->has_any = true;
        sk_codeset_free(&set);
    }
    return sk_build_repeat(r->b, sk_build_call(r->b, r->any), 0, UINT64_MAX);
}

/* ---- Structure ------------------------------------------------------------------------------ */

static regex_frame *regex_top(regex *r)
{
    return &r->frames[r->depth - 1];
}

static void regex_push(regex *r)
{
    void *frames = r->frames;
    if (r->depth == REGEX_DEPTH)
        regex_fail(r, "groups are nested too deep, wanted at most 4096 levels");
    if (regex_ok(r))
        r->b->status = sk_grow(r->b->heap, &frames, &r->frame_capacity, r->depth + 1,
                               sizeof *r->frames, "a regular expression", r->b->error);
    r->frames = frames;
    if (regex_ok(r))
        r->frames[r->depth++] = (regex_frame){.done = sk_build_empty(r->b), .is_empty = true};
}

static uint64_t regex_plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t regex_times(uint64_t a, uint64_t b)
{
    return a == 0 || b == 0 ? 0 : a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* The last element joins what stands before it. */
static void regex_join(regex *r, regex_frame *top)
{
    if (!top->has_last)
        return;
    top->done = sk_build_then(r->b, top->done, top->last);
    top->done_size.min = regex_plus(top->done_size.min, top->last_size.min);
    top->done_size.max = regex_plus(top->done_size.max, top->last_size.max);
    top->has_last = false;
}

static void regex_element(regex *r, sk_frag f, sk_regex_size size)
{
    regex_frame *top = regex_top(r);
    if (top->at_end)
        regex_fail(r, "something stands behind the $ of this alternative");
    regex_join(r, top);
    top->last = f;
    top->last_size = size;
    top->has_last = true;
    top->is_empty = false;
}

/* What surrounds an alternative that need not match from the first character to the last. */
static void regex_surround(regex *r, regex_frame *top)
{
    if (!r->how->search || r->depth > 1)
        return;
    if (!top->at_start)
        top->done = sk_build_then(r->b, regex_anything(r), top->done);
    if (!top->at_end)
        top->done = sk_build_then(r->b, top->done, regex_anything(r));
    if (!top->at_start || !top->at_end)
        top->done_size.max = UINT64_MAX;
}

static void regex_choice(regex *r)
{
    regex_frame *top = regex_top(r);
    regex_join(r, top);
    regex_surround(r, top);
    sk_regex_size size = top->done_size, *all = &top->choices_size;
    if (top->has_choices) {
        top->choices = sk_build_either(r->b, top->choices, top->done);
        all->min = size.min < all->min ? size.min : all->min;
        all->max = size.max > all->max ? size.max : all->max;
    } else {
        top->choices = top->done;
        *all = size;
    }
    top->has_choices = top->is_empty = true;
    top->at_start = top->at_end = false;
    top->done = sk_build_empty(r->b);
    top->done_size = (sk_regex_size){0, 0};
}

static void regex_open(regex *r)
{
    r->at++;
    if (regex_is(r, "?:"))
        r->at += 2;
    else if (regex_is(r, "?P<") ||
             (regex_is(r, "?<") && !regex_is(r, "?<=") && !regex_is(r, "?<!"))) {
        const char *close = memchr(r->at, '>', (size_t)(r->end - r->at));
        r->at = close ? close + 1 : r->end;
    } else if (regex_peek(r) == '?')
        regex_fail(r, "look-around and flags are not supported");
    regex_push(r);
}

static void regex_close(regex *r)
{
    if (r->depth == 1) {
        regex_fail(r, "this ) closes nothing");
        return;
    }
    r->at++;
    regex_choice(r);
    r->depth--;
    regex_element(r, r->frames[r->depth].choices, r->frames[r->depth].choices_size);
}

static void regex_anchor(regex *r)
{
    regex_frame *top = regex_top(r);
    bool begins = *r->at == '^';
    if (r->depth > 1 || (begins && !top->is_empty))
        regex_fail(r, "an anchor inside a group or in the middle is not supported");
    r->at++;
    if (begins)
        top->at_start = true;
    else
        top->at_end = true;
}

static uint64_t regex_number(regex *r)
{
    uint64_t value = 0;
    while (regex_peek(r) >= '0' && regex_peek(r) <= '9' && regex_ok(r)) {
        value = value * 10 + (uint64_t)(*r->at++ - '0');
        if (value > REGEX_COUNT)
            regex_fail(r, "the count is too large, wanted at most 2000");
    }
    return value;
}

/* Whether "{2", "{2,}" or "{2,3}" stands here, not a { that means itself. */
static bool regex_is_count(const regex *r)
{
    const char *p = r->at + 1;
    const char *digits = p;
    while (p < r->end && *p >= '0' && *p <= '9')
        p++;
    if (p == digits)
        return false;
    if (p < r->end && *p == ',')
        p++;
    while (p < r->end && *p >= '0' && *p <= '9')
        p++;
    return p < r->end && *p == '}';
}

static void regex_quantifier(regex *r)
{
    regex_frame *top = regex_top(r);
    char c = *r->at++;
    uint64_t min = c == '+', max = c == '?' ? 1 : UINT64_MAX;
    if (c == '{') {
        min = max = regex_number(r);
        if (regex_peek(r) == ',') {
            r->at++;
            max = regex_peek(r) == '}' ? UINT64_MAX : regex_number(r);
        }
        r->at++;
    }
    if (!top->has_last)
        regex_fail(r, "there is nothing to repeat");
    if (max < min)
        regex_fail(r, "the count's maximum is below its minimum");
    if (regex_peek(r) == '+')
        regex_fail(r, "possessive quantifiers are not supported");
    if (regex_peek(r) == '?')
        r->at++;
    if (!regex_ok(r))
        return;
    top->last = sk_build_repeat(r->b, top->last, min, max);
    top->last_size.min = regex_times(top->last_size.min, min);
    top->last_size.max = regex_times(top->last_size.max, max);
    regex_join(r, top); /* a second quantifier would apply to nothing */
}

static void regex_step(regex *r)
{
    char c = *r->at;
    if (c == '(')
        regex_open(r);
    else if (c == ')')
        regex_close(r);
    else if (c == '|') {
        r->at++;
        regex_choice(r);
    } else if (c == '^' || c == '$')
        regex_anchor(r);
    else if (c == '*' || c == '+' || c == '?' || (c == '{' && regex_is_count(r)))
        regex_quantifier(r);
    else
        regex_element(r, regex_atom(r), (sk_regex_size){1, 1});
}

sk_frag sk_build_regex(sk_gram *b, const char *text, uint64_t n, const sk_regex_how *how,
                       sk_regex_size *size)
{
    regex r = {.b = b, .how = how, .start = text, .at = text, .end = text + n};
    sk_frag f = {0, 0};
    if (n > REGEX_TEXT_MAX)
        regex_fail(&r, "the expression is longer than 1 MiB");
    regex_push(&r);
    while (regex_ok(&r) && r.at < r.end)
        regex_step(&r);
    if (regex_ok(&r) && r.depth > 1)
        regex_fail(&r, "a group is not closed");
    if (regex_ok(&r)) {
        regex_choice(&r);
        f = regex_top(&r)->choices;
        if (size)
            *size = regex_top(&r)->choices_size;
    }
    sk_free(b->heap, r.frames);
    return f;
}

static sk_frag regex_emit_utf8(void *user, sk_gram *b, const sk_codeset *set)
{
    (void)user;
    return sk_build_set(b, set);
}

int32_t sk_grammar_from_regex(sk_grammar **out, sk_heap *heap, const char *text, uint64_t n,
                              sk_error *error)
{
    const sk_regex_how how = {.emit = regex_emit_utf8, .what = "regex"};
    sk_gram b;
    *out = NULL;
    sk_gram_init(&b, heap, error);
    uint32_t root = sk_build_rule(&b, NULL, 0, 0);
    sk_build_body(&b, root, sk_build_regex(&b, text, n, &how, NULL));
    int32_t status = sk_build_finish(&b, out, "regex");
    sk_gram_free(&b);
    return status;
}

#undef REGEX_TEXT_MAX
