/* SPDX-License-Identifier: MIT */
/* What a schema says of strings: lengths, pattern, format. */
#include "base/portable.h"

#include "sample/automaton.h"
#include "sample/regex.h"
#include "sample/schema_int.h"
#include "text/utf8.h"

#include <string.h>

#define MONTH_DAY \
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|" \
    "02-(0[1-9]|1[0-9]|2[0-8]))"
#define YEAR "([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
#define LEAP_YEAR "([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
#define DATE "(" YEAR "-" MONTH_DAY "|" LEAP_YEAR "-02-29)"
#define TIME \
    "((([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,18})?" \
    "([Zz]|[+\\-]([01][0-9]|2[0-3]):[0-5][0-9]))|23:59:60(\\.[0-9]{1,18})?[Zz])"
/* Not with "--" in the third and fourth place: such labels are encoded and have rules of their own.
 */
#define ALNUM "[A-Za-z0-9]"
#define HYPHEN "[A-Za-z0-9\\-]"
#define LABEL \
    ALNUM "(" ALNUM "|" HYPHEN ALNUM "|" HYPHEN HYPHEN ALNUM "|" HYPHEN "(" ALNUM HYPHEN \
          "|-" ALNUM ")" HYPHEN "{0,58}" ALNUM ")?"
#define ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-]"
#define BYTE "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 BYTE "(\\." BYTE "){3}"
#define H16 "[0-9A-Fa-f]{1,4}"
#define LS32 "(" H16 ":" H16 "|" IPV4 ")"
#define IPV6 \
    "((" H16 ":){6}" LS32 "|::(" H16 ":){5}" LS32 "|(" H16 ")?::(" H16 ":){4}" LS32 "|(" H16 \
    "(:" H16 "){0,1})?::(" H16 ":){3}" LS32 "|(" H16 "(:" H16 "){0,2})?::(" H16 ":){2}" LS32 \
    "|(" H16 "(:" H16 "){0,3})?::" H16 ":" LS32 "|(" H16 "(:" H16 "){0,4})?::" LS32 "|(" H16 \
    "(:" H16 "){0,5})?::" H16 "|(" H16 "(:" H16 "){0,6})?::)"
#define PCHAR "([A-Za-z0-9._~!$&'()*+,;=:@\\-]|%[0-9A-Fa-f]{2})"
#define POINTER "(/([^~/]|~[01])*)*"

/* Formats that are enforced; URIs in a form that every reader takes, a subset of the standard's. */
static const struct {
    char name[24];
    const char *regex; /* NULL: known, but cannot be enforced */
} string_formats[] = {
    {"date", DATE},
    {"time", TIME},
    {"date-time", DATE "[Tt]" TIME},
    {"uuid", "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"},
    {"ipv4", IPV4},
    {"ipv6", IPV6},
    {"hostname", LABEL "(\\." LABEL "){0,3}"},
    {"email", ATOM "+(\\." ATOM "+)*@" LABEL "(\\." LABEL "){0,3}"},
    {"uri", "[A-Za-z][A-Za-z0-9+.\\-]*:(//" LABEL "(\\." LABEL "){0,3}(:[0-9]{1,5})?(/" PCHAR
            "*)*|/?" PCHAR "+(/" PCHAR "*)*)(\\?(" PCHAR "|[/?])*)?(#(" PCHAR "|[/?])*)?"},
    {"duration", "P([0-9]+W|([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)"
                 "(T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))?"
                 "|T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S))"},
    {"json-pointer", POINTER},
    {"relative-json-pointer", "(0|[1-9]+0?)(#|" POINTER ")"},
    {"uri-reference", NULL},
    {"uri-template", NULL},
    {"iri", NULL},
    {"iri-reference", NULL},
    {"idn-email", NULL},
    {"idn-hostname", NULL},
    {"regex", NULL},
};

/* Where the text of a string is bound by an expression. */
typedef struct string_rule {
    const char *regex; /* NULL: it is not */
    uint64_t n;
    bool search;
    const char *keyword;
} string_rule;

/* The expression of a schema's pattern or format; {NULL} if it has none that counts. */
static string_rule string_pattern(schema *s, const sk_json *own)
{
    const sk_json *pattern = sk_schema_get(own, "pattern");
    if (pattern && pattern->kind != SK_JSON_STRING)
        sk_schema_wrong(s, "pattern", "a string");
    else if (pattern)
        return (string_rule){pattern->as.text, pattern->n, true, "pattern"};
    return (string_rule){0};
}

static string_rule string_format(schema *s, const sk_json *own)
{
    const sk_json *format = sk_schema_get(own, "format");
    for (size_t i = 0; format && i < sizeof string_formats / sizeof *string_formats; i++) {
        if (!sk_schema_is_text(format, string_formats[i].name))
            continue;
        const char *regex = string_formats[i].regex;
        if (regex)
            return (string_rule){regex, strlen(regex), false, "format"};
        sk_schema_refuse(s, "format", string_formats[i].name);
    }
    return (string_rule){0};
}

typedef struct string_bounds {
    uint64_t min, max;
    string_rule rule;
} string_bounds;

static void string_add_rule(schema *s, string_bounds *bounds, string_rule rule)
{
    if (!rule.regex)
        return;
    if (bounds->rule.regex &&
        (bounds->rule.n != rule.n || memcmp(bounds->rule.regex, rule.regex, (size_t)rule.n) != 0)) {
        sk_schema_refuse(s, rule.keyword, "a string is bound by two patterns or formats");
        return;
    }
    bounds->rule = rule;
}

static string_bounds string_gather(schema *s, const schema_terms *own)
{
    string_bounds bounds = {0, UINT64_MAX, {0}};
    for (uint32_t i = 0; i < own->n; i++) {
        const sk_json *at = own->items[i].schema;
        uint64_t count;
        if (sk_schema_count(s, at, "minLength", &count) && count > bounds.min)
            bounds.min = count;
        if (sk_schema_count(s, at, "maxLength", &count) && count < bounds.max)
            bounds.max = count;
        string_add_rule(s, &bounds, string_pattern(s, at));
        string_add_rule(s, &bounds, string_format(s, at));
    }
    return bounds;
}

static sk_frag string_character(schema *s)
{
    sk_codeset all;
    sk_codeset_init(&all, s->b.heap);
    if (schema_ok(s))
        s->b.status = sk_codeset_negate(&all, s->error);
    sk_frag f = sk_schema_emit(NULL, &s->b, &all);
    sk_codeset_free(&all);
    return f;
}

static sk_frag string_free(schema *s)
{
    sk_frag f = sk_build_repeat(&s->b, string_character(s), 0, UINT64_MAX);
    f = sk_build_then(&s->b, sk_build_byte(&s->b, '"', '"'), f);
    return sk_build_then(&s->b, f, sk_build_byte(&s->b, '"', '"'));
}

static sk_frag string_matching(schema *s, const string_bounds *bounds)
{
    sk_regex_how how = {
        .emit = sk_schema_emit, .search = bounds->rule.search, .what = bounds->rule.keyword};
    sk_regex_size size = {0, 0};
    sk_frag f = sk_build_regex(&s->b, bounds->rule.regex, bounds->rule.n, &how, &size);
    if (schema_ok(s) && size.min < bounds->min)
        sk_schema_refuse(s, "minLength", "beside a pattern or format that allows shorter strings");
    if (schema_ok(s) && size.max > bounds->max)
        sk_schema_refuse(s, "maxLength", "beside a pattern or format that allows longer strings");
    return f;
}

/* A string that is none of those that are excluded; `n` of them. */
static sk_frag string_other(schema *s, const schema_terms *own, uint64_t n)
{
    const sk_json **texts = sk_arena_array(&s->arena, n, sizeof *texts, "a JSON schema", s->error);
    if (!texts) {
        s->b.status = SKALD_E_MEMORY;
        return (sk_frag){0, 0};
    }
    n = 0;
    for (uint32_t i = 0; i < own->n; i++) {
        const sk_json *others = sk_schema_other_than(own->items[i].schema);
        for (uint64_t k = 0; others && k < others->n; k++)
            if (others->as.items[k].kind == SK_JSON_STRING)
                texts[n++] = &others->as.items[k];
    }
    return sk_schema_other_string(s, texts, n);
}

static uint64_t string_count_others(const schema_terms *own)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < own->n; i++) {
        const sk_json *others = sk_schema_other_than(own->items[i].schema);
        for (uint64_t k = 0; others && k < others->n; k++)
            n += others->as.items[k].kind == SK_JSON_STRING;
    }
    return n;
}

sk_frag sk_schema_string(schema *s, const schema_terms *own)
{
    string_bounds bounds = string_gather(s, own);
    uint64_t n_others = string_count_others(own);
    bool is_free = !bounds.rule.regex && bounds.min == 0 && bounds.max == UINT64_MAX;
    if (n_others > 0 && is_free)
        return string_other(s, own, n_others);
    if (n_others > 0)
        sk_schema_refuse(s, "not", "texts are excluded of strings that are bound otherwise");
    if (is_free)
        return sk_schema_call(s, &s->shared.string, string_free);
    if (bounds.max < bounds.min)
        return sk_build_never(&s->b);
    sk_frag f =
        bounds.rule.regex
            ? string_matching(s, &bounds)
            : sk_build_repeat(&s->b, sk_schema_call(s, &s->shared.character, string_character),
                              bounds.min, bounds.max);
    f = sk_build_then(&s->b, sk_build_byte(&s->b, '"', '"'), f);
    return sk_build_then(&s->b, f, sk_build_byte(&s->b, '"', '"'));
}

/* ---- A text that is known ------------------------------------------------------------------- */

static sk_frag string_emit_utf8(void *user, sk_gram *b, const sk_codeset *set)
{
    (void)user;
    return sk_build_set(b, set);
}

static int32_t string_run(schema *s, sk_grammar *grammar, const sk_json *text, bool *holds)
{
    sk_automaton *a;
    uint32_t state;
    int32_t status = sk_automaton_new(&a, s->b.heap, grammar, s->error);
    if (status < 0)
        return status;
    status = sk_automaton_start(a, &state, s->error);
    if (status == SKALD_OK)
        status = sk_automaton_run(a, state, text->as.text, text->n, &state, s->error);
    *holds = status == SKALD_OK && sk_automaton_may_end(a, state);
    sk_automaton_free(a);
    return status;
}

static bool string_matches(schema *s, const string_rule *rule, const sk_json *text)
{
    const sk_regex_how how = {
        .emit = string_emit_utf8, .search = rule->search, .what = rule->keyword};
    sk_grammar *grammar = NULL;
    sk_gram b;
    bool holds = false;
    sk_gram_init(&b, s->b.heap, s->error);
    uint32_t root = sk_build_rule(&b, NULL, 0, 0);
    sk_build_body(&b, root, sk_build_regex(&b, rule->regex, rule->n, &how, NULL));
    int32_t status = sk_build_finish(&b, &grammar, rule->keyword);
    if (status == SKALD_OK)
        status = string_run(s, grammar, text, &holds);
    sk_grammar_release(grammar);
    sk_gram_free(&b);
    if (schema_ok(s) && status < 0)
        s->b.status = status;
    return holds;
}

bool sk_schema_string_holds(schema *s, const sk_json *own, const sk_json *value)
{
    uint64_t n = 0, count;
    for (uint64_t i = 0; i < value->n; n++) {
        uint32_t code;
        i += sk_utf8_read((const uint8_t *)value->as.text + i,
                          (const uint8_t *)value->as.text + value->n, &code);
    }
    if (sk_schema_count(s, own, "minLength", &count) && n < count)
        return false;
    if (sk_schema_count(s, own, "maxLength", &count) && n > count)
        return false;
    string_rule rules[] = {string_pattern(s, own), string_format(s, own)};
    for (int i = 0; i < 2 && schema_ok(s); i++)
        if (rules[i].regex && !string_matches(s, &rules[i], value))
            return false;
    return true;
}

#undef MONTH_DAY
#undef YEAR
#undef LEAP_YEAR
#undef DATE
#undef TIME
#undef LABEL
#undef ATOM
#undef ALNUM
#undef HYPHEN
#undef BYTE
#undef IPV4
#undef H16
#undef LS32
#undef IPV6
#undef PCHAR
#undef POINTER
