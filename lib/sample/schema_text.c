/* SPDX-License-Identifier: MIT */
/*
 * Strings as JSON writes them: each character as it is, or escaped in any of the ways that the
 * standard has. (A printable ASCII character that is asked for by itself is not also \u-escaped:
 * nobody writes that.) Half a pair of surrogates is never written.
 */
#include "base/portable.h"

#include "sample/schema_int.h"
#include "text/unicode.h"
#include "text/utf8.h"

#include <string.h>

typedef struct text_choice {
    sk_frag f;
    bool any;
} text_choice;

static void text_or(sk_gram *b, text_choice *all, sk_frag f)
{
    all->f = all->any ? sk_build_either(b, all->f, f) : f;
    all->any = true;
}

/* ---- Hexadecimal numbers -------------------------------------------------------------------- */

static sk_frag text_digit(sk_gram *b, uint32_t low, uint32_t high)
{
    text_choice all = {.any = false};
    if (low < 10)
        text_or(b, &all,
                sk_build_byte(b, (uint8_t)('0' + low), (uint8_t)('0' + (high < 10 ? high : 9))));
    if (high >= 10) {
        uint8_t first = (uint8_t)((low > 10 ? low : 10) - 10), last = (uint8_t)(high - 10);
        text_or(b, &all, sk_build_byte(b, (uint8_t)('a' + first), (uint8_t)('a' + last)));
        text_or(b, &all, sk_build_byte(b, (uint8_t)('A' + first), (uint8_t)('A' + last)));
    }
    return all.f;
}

/* As span_end of grammar.c, in four digits of 4 bits. */
static uint32_t text_span_end(uint32_t first, uint32_t last)
{
    for (uint32_t shift = 12;; shift -= 4) {
        uint32_t mask = (UINT32_C(1) << shift) - 1;
        uint32_t upper = first | ((mask << 4) | 15), reach = upper < last ? upper : last;
        if ((first & mask) == 0 && (reach + 1) >> shift > first >> shift)
            return ((reach + 1) & ~mask) - 1;
        if (shift == 0)
            return first;
    }
}

/* A number of [first, last], below 2^16, as four digits. */
static sk_frag text_hex(sk_gram *b, uint32_t first, uint32_t last)
{
    text_choice all = {.any = false};
    for (uint32_t end; first <= last && b->status == SKALD_OK; first = end + 1) {
        end = text_span_end(first, last);
        sk_frag span = sk_build_empty(b);
        for (uint32_t shift = 16; shift > 0;) {
            shift -= 4;
            span = sk_build_then(b, span, text_digit(b, first >> shift & 15, end >> shift & 15));
        }
        text_or(b, &all, span);
    }
    return all.any ? all.f : sk_build_never(b);
}

/* Behind "\u": a pair of surrogates. */
static sk_frag text_pair(sk_gram *b, uint32_t high, uint32_t high_last, uint32_t low,
                         uint32_t low_last)
{
    sk_frag f = text_hex(b, 0xD800 + high, 0xD800 + high_last);
    f = sk_build_then(b, f, sk_build_text(b, "\\u", 2));
    return sk_build_then(b, f, text_hex(b, 0xDC00 + low, 0xDC00 + low_last));
}

/* Behind "\u": a code point beyond the first plane, of [first, last]. */
static void text_pairs(sk_gram *b, text_choice *all, uint32_t first, uint32_t last)
{
    uint32_t high = (first - 0x10000) >> 10, low = (first - 0x10000) & 0x3FF;
    uint32_t high_end = (last - 0x10000) >> 10, low_end = (last - 0x10000) & 0x3FF;
    if (high == high_end) {
        text_or(b, all, text_pair(b, high, high, low, low_end));
        return;
    }
    if (low > 0)
        text_or(b, all, text_pair(b, high, high, low, 0x3FF));
    high += low > 0;
    if (low_end < 0x3FF)
        text_or(b, all, text_pair(b, high_end, high_end, 0, low_end));
    high_end -= low_end < 0x3FF;
    if (high <= high_end)
        text_or(b, all, text_pair(b, high, high_end, 0, 0x3FF));
}

/* ---- Characters ----------------------------------------------------------------------------- */

static const sk_range text_plain_ranges[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, SK_UNICODE_LAST}};

/* The characters of the set that need no escape. */
static void text_plain(sk_gram *b, text_choice *all, const sk_codeset *set)
{
    sk_codeset plain, raw = {.ranges = (sk_range *)(uintptr_t)text_plain_ranges, .n = 3};
    sk_codeset_init(&plain, b->heap);
    if (b->status == SKALD_OK)
        b->status = sk_codeset_meet(&plain, set, &raw, b->error);
    if (plain.n > 0)
        text_or(b, all, sk_build_set(b, &plain));
    sk_codeset_free(&plain);
}

/* Behind a backslash: the letters of those that have one. */
static void text_letters(sk_gram *b, text_choice *all, const sk_codeset *set)
{
    static const char letters[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
    for (size_t i = 0; letters[i]; i++)
        if (sk_codeset_has(set, (uint8_t)codes[i]))
            text_or(b, all, sk_build_byte(b, (uint8_t)letters[i], (uint8_t)letters[i]));
}

static bool text_is_plain(const sk_codeset *set)
{
    return set->n == 1 && set->ranges[0].first == set->ranges[0].last &&
           set->ranges[0].first >= 0x20 && set->ranges[0].first < 0x7F;
}

static void text_numbers(sk_gram *b, text_choice *all, const sk_codeset *set)
{
    text_choice numbers = {.any = false};
    if (text_is_plain(set))
        return;
    for (uint64_t i = 0; i < set->n; i++) {
        uint32_t first = set->ranges[i].first, last = set->ranges[i].last;
        if (first < 0x10000)
            text_or(b, &numbers, text_hex(b, first, last < 0x10000 ? last : 0xFFFF));
        if (last >= 0x10000)
            text_pairs(b, &numbers, first < 0x10000 ? 0x10000 : first, last);
    }
    if (numbers.any)
        text_or(b, all, sk_build_then(b, sk_build_byte(b, 'u', 'u'), numbers.f));
}

static sk_frag text_emit(sk_gram *b, const sk_codeset *set, bool by_number)
{
    text_choice all = {.any = false}, escapes = {.any = false};
    text_plain(b, &all, set);
    text_letters(b, &escapes, set);
    if (by_number)
        text_numbers(b, &escapes, set);
    if (escapes.any)
        text_or(b, &all, sk_build_then(b, sk_build_byte(b, '\\', '\\'), escapes.f));
    return all.any ? all.f : sk_build_never(b);
}

sk_frag sk_schema_emit(void *user, sk_gram *b, const sk_codeset *set)
{
    (void)user;
    return text_emit(b, set, true);
}

static sk_frag text_emit_code(schema *s, uint32_t code)
{
    sk_range range = {code, code};
    sk_codeset one = {.ranges = &range, .n = 1};
    return text_emit(&s->b, &one, true);
}

sk_frag sk_schema_emit_text(schema *s, const char *text, uint64_t n)
{
    sk_frag all = sk_build_empty(&s->b);
    for (uint64_t i = 0; i < n && schema_ok(s);) {
        uint32_t code;
        i += sk_utf8_read((const uint8_t *)text + i, (const uint8_t *)text + n, &code);
        all = sk_build_then(&s->b, all, text_emit_code(s, code));
    }
    return all;
}

sk_frag sk_schema_quoted(schema *s, const char *text, uint64_t n)
{
    sk_frag f =
        sk_build_then(&s->b, sk_build_byte(&s->b, '"', '"'), sk_schema_emit_text(s, text, n));
    return sk_build_then(&s->b, f, sk_build_byte(&s->b, '"', '"'));
}

/* ---- A string that is none of a list -------------------------------------------------------- */

/* A run of the sorted list whose texts agree up to byte `depth`. */
typedef struct other_run {
    uint64_t from, to, depth;
    uint32_t start; /* the open end that leads here */
} other_run;

typedef struct other_list {
    const sk_json **texts; /* sorted, owned */
    other_run *runs;       /* owned; a stack */
    uint64_t n_runs, run_capacity;
    uint32_t end;  /* behind the closing quote */
    uint32_t free; /* where the string is another already */
} other_list;

static bool other_before(const sk_json *a, const sk_json *b)
{
    size_t n = (size_t)(a->n < b->n ? a->n : b->n);
    int order = n ? memcmp(a->as.text, b->as.text, n) : 0;
    return order < 0 || (order == 0 && a->n < b->n);
}

static void other_sort(const sk_json **texts, uint64_t n)
{
    for (uint64_t i = 1; i < n; i++) {
        const sk_json *moving = texts[i];
        uint64_t j = i;
        for (; j > 0 && other_before(moving, texts[j - 1]); j--)
            texts[j] = texts[j - 1];
        texts[j] = moving;
    }
}

static void other_push(schema *s, other_list *o, other_run run)
{
    void *runs = o->runs;
    if (schema_ok(s))
        s->b.status = sk_grow(s->b.heap, &runs, &o->run_capacity, o->n_runs + 1, sizeof *o->runs,
                              "a JSON schema", s->error);
    o->runs = runs;
    if (schema_ok(s))
        o->runs[o->n_runs++] = run;
}

/* Takes the fragment as one more way from the run's start. */
static void other_way(schema *s, text_choice *all, sk_frag f, uint32_t target)
{
    sk_build_patch(&s->b, f.end, target);
    if (all->any)
        all->f.start = sk_build_split(&s->b, all->f.start, f.start);
    else
        all->f.start = f.start;
    all->any = true;
}

static void other_children(schema *s, other_list *o, const other_run *run, text_choice *ways)
{
    sk_codeset children;
    sk_codeset_init(&children, s->b.heap);
    for (uint64_t i = run->from, next; i < run->to && schema_ok(s); i = next) {
        const uint8_t *text = (const uint8_t *)o->texts[i]->as.text;
        uint32_t code, n = sk_utf8_read(text + run->depth, text + o->texts[i]->n, &code);
        for (next = i + 1; next < run->to; next++)
            if (memcmp(o->texts[next]->as.text + run->depth, text + run->depth, n) != 0)
                break;
        sk_frag f = text_emit_code(s, code);
        other_way(s, ways, f, SK_OP_NONE);
        other_push(s, o, (other_run){i, next, run->depth + n, f.end});
        if (schema_ok(s))
            s->b.status = sk_codeset_add(&children, code, code, s->error);
    }
    if (schema_ok(s))
        s->b.status = sk_codeset_settle(&children, s->error);
    if (schema_ok(s))
        s->b.status = sk_codeset_negate(&children, s->error);
    if (schema_ok(s))
        other_way(s, ways, text_emit(&s->b, &children, false), o->free);
    sk_codeset_free(&children);
}

static void other_expand(schema *s, other_list *o, other_run run)
{
    text_choice ways = {.any = false};
    bool is_listed = false;
    for (; run.from < run.to && o->texts[run.from]->n == run.depth; run.from++)
        is_listed = true;
    if (!is_listed)
        other_way(s, &ways, sk_build_byte(&s->b, '"', '"'), o->end);
    other_children(s, o, &run, &ways);
    sk_build_patch(&s->b, run.start, ways.f.start);
}

sk_frag sk_schema_other_string(schema *s, const sk_json *const *texts, uint64_t n)
{
    other_list o = {.texts = NULL};
    sk_frag open = sk_build_byte(&s->b, '"', '"'), end = sk_build_empty(&s->b);
    sk_codeset all;
    sk_codeset_init(&all, s->b.heap);
    o.end = end.start;
    if (schema_ok(s))
        s->b.status = sk_codeset_negate(&all, s->error);
    sk_frag rest = sk_build_repeat(&s->b, text_emit(&s->b, &all, true), 0, UINT64_MAX);
    rest = sk_build_then(&s->b, rest, sk_build_byte(&s->b, '"', '"'));
    sk_build_patch(&s->b, rest.end, o.end);
    o.free = rest.start;
    sk_codeset_free(&all);
    if (schema_ok(s)) {
        o.texts = sk_alloc_array(s->b.heap, n, sizeof *o.texts, "a JSON schema", s->error);
        s->b.status = o.texts ? SKALD_OK : SKALD_E_MEMORY;
    }
    if (schema_ok(s)) {
        memcpy(o.texts, texts, (size_t)n * sizeof *texts);
        other_sort(o.texts, n);
        other_push(s, &o, (other_run){0, n, 0, open.end});
    }
    while (schema_ok(s) && o.n_runs > 0)
        other_expand(s, &o, o.runs[--o.n_runs]);
    sk_free(s->b.heap, o.texts);
    sk_free(s->b.heap, o.runs);
    return (sk_frag){open.start, end.end};
}
