/* SPDX-License-Identifier: MIT */
/*
 * What a schema says of numbers. A range is written as digits: a value is inside of it if it is
 * read from the first digit on and is never found below the lower or above the upper bound. As
 * long as the digits read are those of a bound, the number is tight to it, and the next digit must
 * not be on its wrong side; once it is off, that bound is met for good. Values of a range have no
 * exponent. Divisors are remainders, digit by digit.
 *
 * Integers have at most 16 digits unless a bound has more, and may end in ".0", as the standard
 * says; other numbers have at most 60 digits before and after the point.
 */
#include "base/portable.h"

#include "sample/schema_int.h"

#include <string.h>

enum {
    NUMBER_DIGITS = 64,
    NUMBER_CAP = 60,
    INTEGER_CAP = 16,
    FRACTION_CAP = 20,
    DIVISOR_CAP = 1024,
    NUMBER_OTHERS = 64 /* numbers that may be excluded */
};

/* A bound, as a sign and digits, 0 to 9. */
typedef struct bound {
    bool set, strict, negative;
    uint32_t n_whole, n_fraction;
    uint8_t whole[NUMBER_DIGITS], fraction[NUMBER_DIGITS];
} bound;

/* ---- Bounds as digits ----------------------------------------------------------------------- */

static void bound_normalise(bound *b)
{
    uint32_t zeros = 0;
    while (zeros + 1 < b->n_whole && b->whole[zeros] == 0)
        zeros++;
    memmove(b->whole, b->whole + zeros, b->n_whole - zeros);
    b->n_whole -= zeros;
    while (b->n_fraction > 0 && b->fraction[b->n_fraction - 1] == 0)
        b->n_fraction--;
    if (b->n_whole == 1 && b->whole[0] == 0 && b->n_fraction == 0)
        b->negative = false;
}

/* Reads what sk_json_double_text or an integer's text gave; false if it has too many digits. */
static bool bound_read(bound *b, const char *text)
{
    uint8_t digits[NUMBER_DIGITS * 2];
    int32_t n = 0, point = -1, exponent = 0;
    b->negative = *text == '-';
    text += b->negative;
    for (; *text && *text != 'e'; text++) {
        if (*text == '.')
            point = n;
        else if (n < NUMBER_DIGITS)
            digits[n++] = (uint8_t)(*text - '0');
    }
    if (*text == 'e') {
        bool down = text[1] == '-';
        for (text += 1 + (text[1] == '-' || text[1] == '+'); *text; text++)
            exponent = exponent * 10 + (*text - '0');
        exponent = down ? -exponent : exponent;
    }
    point = (point < 0 ? n : point) + exponent; /* digits before the point */
    if (point > NUMBER_CAP || n - point > NUMBER_CAP)
        return false;
    b->n_whole = b->n_fraction = 0;
    for (int32_t i = 0; i < point; i++)
        b->whole[b->n_whole++] = i < n ? digits[i] : 0;
    if (b->n_whole == 0)
        b->whole[b->n_whole++] = 0;
    for (int32_t i = point; i < n; i++)
        b->fraction[b->n_fraction++] = i < 0 ? 0 : digits[i];
    bound_normalise(b);
    return true;
}

static int digits_order(const uint8_t *a, uint32_t n_a, const uint8_t *b, uint32_t n_b)
{
    for (uint32_t i = 0; i < n_a || i < n_b; i++) {
        int x = i < n_a ? a[i] : 0, y = i < n_b ? b[i] : 0;
        if (x != y)
            return x - y;
    }
    return 0;
}

/* -1, 0, 1: a is below, equal to, above b. */
static int bound_order(const bound *a, const bound *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    int order = a->n_whole != b->n_whole ? (int)a->n_whole - (int)b->n_whole
                                         : digits_order(a->whole, a->n_whole, b->whole, b->n_whole);
    if (order == 0)
        order = digits_order(a->fraction, a->n_fraction, b->fraction, b->n_fraction);
    return a->negative ? -order : order;
}

static bool number_is(const sk_json *value)
{
    return value && (value->kind == SK_JSON_INT || value->kind == SK_JSON_DOUBLE);
}

static bool number_bound(const sk_json *value, bound *b)
{
    char text[64];
    if (value->kind == SK_JSON_INT)
        sk_format(text, sizeof text, "%lld", (long long)value->as.i);
    else
        sk_json_double_text(text, value->as.d);
    return bound_read(b, text);
}

typedef struct number_range {
    bound low, high;
    uint64_t divisor; /* 0: none */
} number_range;

static void range_tighten(schema *s, number_range *range, const char *keyword, const sk_json *value,
                          bool strict, bool is_low)
{
    bound *b = is_low ? &range->low : &range->high, fresh = {.set = true, .strict = strict};
    if (!value || (value->kind == SK_JSON_BOOL && strict)) /* draft 4: see range_gather */
        return;
    if (!number_is(value)) {
        sk_schema_wrong(s, keyword, "a number");
        return;
    }
    if (!number_bound(value, &fresh)) {
        /* More digits than any number here has: it binds nothing, or all. */
        double v = value->kind == SK_JSON_DOUBLE ? value->as.d : (double)value->as.i;
        if ((is_low && v < -1) || (!is_low && v > 1))
            return;
        sk_schema_refuse(s, keyword, "the number has too many digits");
        return;
    }
    int order = b->set ? bound_order(&fresh, b) : 0;
    if (!b->set || (is_low ? order > 0 : order < 0) || (order == 0 && strict))
        *b = fresh;
}

static uint64_t number_common(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* A multiple of several numbers is one of their least common multiple. */
static void range_divisor(schema *s, number_range *range, const sk_json *value)
{
    double v = !number_is(value)            ? 0
               : value->kind == SK_JSON_INT ? (double)value->as.i
                                            : value->as.d;
    if (!value)
        return;
    if (!(v > 0)) {
        sk_schema_wrong(s, "multipleOf", "a number above 0");
        return;
    }
    uint64_t whole = v <= DIVISOR_CAP ? (uint64_t)v : 0,
             known = range->divisor ? range->divisor : 1;
    if (whole == 0 || v != (double)whole ||
        known / number_common(known, whole) * whole > DIVISOR_CAP)
        sk_schema_refuse(s, "multipleOf", "of what is no integer of at most 1024");
    else
        range->divisor = known / number_common(known, whole) * whole;
}

static bool number_true(const sk_json *value)
{
    return value && value->kind == SK_JSON_BOOL && value->as.truth;
}

static void range_gather(schema *s, const sk_json *own, number_range *range)
{
    const sk_json *above = sk_schema_get(own, "exclusiveMinimum");
    const sk_json *below = sk_schema_get(own, "exclusiveMaximum");
    range_tighten(s, range, "minimum", sk_schema_get(own, "minimum"), number_true(above), true);
    range_tighten(s, range, "maximum", sk_schema_get(own, "maximum"), number_true(below), false);
    range_tighten(s, range, "exclusiveMinimum", above, true, true);
    range_tighten(s, range, "exclusiveMaximum", below, true, false);
    range_divisor(s, range, sk_schema_get(own, "multipleOf"));
}

/* ---- Ranges as graphs ----------------------------------------------------------------------- */

/* The graph of a magnitude between two bounds, either of which may be absent. */
typedef struct span_graph {
    sk_gram *b;
    const bound *low, *high; /* NULL: none */
    bool integer;
    uint32_t end, never;
    uint32_t fraction[2][2]; /* where to go on behind the whole part, by tightness */
} span_graph;

/* Ways from one place: a chain of splits. */
static void ways_add(sk_gram *b, uint32_t *start, uint32_t way)
{
    *start = *start == SK_OP_NONE ? way : sk_build_split(b, *start, way);
}

static void ways_byte(sk_gram *b, uint32_t *start, uint8_t low, uint8_t high, uint32_t target)
{
    sk_frag f = sk_build_byte(b, low, high);
    sk_build_patch(b, f.end, target);
    ways_add(b, start, f.start);
}

/* Reads a digit of at least `least`, where the bounds have `low` and `high`; `to` by tightness. */
static uint32_t span_digit(const span_graph *g, bool tight_low, bool tight_high, uint8_t least,
                           uint8_t low, uint8_t high, const uint32_t to[2][2])
{
    uint32_t start = SK_OP_NONE;
    uint8_t first = tight_low && low > least ? low : least, last = tight_high ? high : 9;
    for (uint8_t d = first; d <= last;) {
        bool tl = tight_low && d == low, th = tight_high && d == high;
        uint8_t end = d;
        while (!tl && !th && end < last && !(tight_high && end + 1 == high))
            end++;
        ways_byte(g->b, &start, (uint8_t)('0' + d), (uint8_t)('0' + end), to[tl][th]);
        d = (uint8_t)(end + 1);
    }
    return start == SK_OP_NONE ? g->never : start;
}

/* Whether a number that is tight, with j digits of fraction, may end. */
static bool span_may_end(const span_graph *g, bool tight_low, bool tight_high, uint32_t j)
{
    if (tight_low && (j < g->low->n_fraction || g->low->strict))
        return false;
    return !(tight_high && j >= g->high->n_fraction && g->high->strict);
}

static uint8_t span_fraction_digit(const bound *b, uint32_t j)
{
    return b && j < b->n_fraction ? b->fraction[j] : 0;
}

/* What may follow the whole part: nothing, a fraction, or the ".0" of an integer. */
static void span_fractions(span_graph *g)
{
    uint32_t next[2][2] = {{0}}, here[2][2] = {{0}};
    uint32_t most = FRACTION_CAP;
    if (g->low && g->low->n_fraction + 2 > most)
        most = g->low->n_fraction + 2;
    if (g->high && g->high->n_fraction + 2 > most)
        most = g->high->n_fraction + 2;
    if (g->integer)
        most = 1;
    for (uint32_t j = most + 1; j-- > 0;) {
        for (int k = 0; k < 4; k++) {
            bool tl = k >> 1, th = k & 1;
            here[tl][th] = g->never;
            if ((tl && !g->low) || (th && !g->high))
                continue;
            uint32_t start = SK_OP_NONE, digit = g->never;
            if (j < most && g->integer)
                ways_byte(g->b, &start, '0', '0', next[tl][th]), digit = start;
            else if (j < most)
                digit = span_digit(g, tl, th, 0, span_fraction_digit(g->low, j),
                                   span_fraction_digit(g->high, j), (const uint32_t(*)[2])next);
            start = SK_OP_NONE;
            if (span_may_end(g, tl, th, j))
                ways_add(g->b, &start, g->end);
            if (j == 0)
                ways_byte(g->b, &start, '.', '.', digit);
            else if (digit != g->never)
                ways_add(g->b, &start, digit);
            here[tl][th] = start == SK_OP_NONE ? g->never : start;
        }
        memcpy(next, here, sizeof next);
    }
    memcpy(g->fraction, here, sizeof here);
}

/* Numbers whose whole part has `n` digits. */
static uint32_t span_whole(const span_graph *g, uint32_t n)
{
    bool low = g->low && g->low->n_whole == n, high = g->high && g->high->n_whole == n;
    uint32_t next[2][2], here[2][2];
    memcpy(next, g->fraction, sizeof next);
    for (uint32_t i = n; i-- > 0;) {
        for (int k = 0; k < 4; k++) {
            bool tl = k >> 1, th = k & 1;
            here[tl][th] = g->never;
            if ((!tl || low) && (!th || high) && (i > 0 || (tl == low && th == high)))
                here[tl][th] = span_digit(g, tl, th, i == 0 && n > 1, low ? g->low->whole[i] : 0,
                                          high ? g->high->whole[i] : 9, (const uint32_t(*)[2])next);
        }
        memcpy(next, here, sizeof next);
    }
    return here[low][high];
}

/* Magnitudes between `low` and `high`. */
static sk_frag number_span(sk_gram *b, const bound *low, const bound *high, bool integer)
{
    sk_frag end = sk_build_empty(b);
    span_graph g = {.b = b,
                    .low = low,
                    .high = high,
                    .integer = integer,
                    .end = end.start,
                    .never = sk_build_never(b).start};
    uint32_t first = low ? low->n_whole : 1, last = integer ? INTEGER_CAP : NUMBER_CAP;
    uint32_t start = SK_OP_NONE;
    if (last < first)
        last = first;
    if (high)
        last = high->n_whole;
    span_fractions(&g);
    for (uint32_t n = first; n <= last && b->status == SKALD_OK; n++)
        ways_add(b, &start, span_whole(&g, n));
    return (sk_frag){start == SK_OP_NONE ? g.never : start, end.end};
}

static sk_frag number_range_frag(sk_gram *b, const number_range *range, bool integer)
{
    static const bound zero = {.set = true, .strict = true, .n_whole = 1};
    const bound *low = range->low.set ? &range->low : NULL;
    const bound *high = range->high.set ? &range->high : NULL;
    sk_frag f = sk_build_never(b);
    if (low && high) {
        int order = bound_order(low, high);
        if (order > 0 || (order == 0 && (low->strict || high->strict)))
            return f;
    }
    if (!high || !high->negative)
        f = sk_build_either(b, f,
                            number_span(b, low && !low->negative ? low : NULL, high, integer));
    if (!low || low->negative) {
        const bound *least = high && high->negative ? high : &zero;
        sk_frag minus = sk_build_byte(b, '-', '-');
        f = sk_build_either(b, f, sk_build_then(b, minus, number_span(b, least, low, integer)));
    }
    return f;
}

/* ---- Divisors ------------------------------------------------------------------------------- */

/* A place for each remainder, whose ways are added as they are known. */
static sk_frag number_multiple(schema *s, uint64_t divisor)
{
    sk_gram *b = &s->b;
    sk_frag end = sk_build_empty(b), sign = sk_build_maybe(b, sk_build_byte(b, '-', '-'));
    uint32_t first = SK_OP_NONE;
    uint32_t *place = sk_alloc_array(b->heap, divisor, sizeof *place, "a JSON schema", s->error);
    if (!place) {
        b->status = SKALD_E_MEMORY;
        return end;
    }
    for (uint64_t r = 0; r < divisor; r++)
        place[r] = sk_build_empty(b).start;
    for (uint64_t r = 0; r < divisor && schema_ok(s); r++) {
        uint32_t start = SK_OP_NONE;
        for (uint8_t d = 0; d <= 9; d++)
            ways_byte(b, &start, (uint8_t)('0' + d), (uint8_t)('0' + d),
                      place[(r * 10 + d) % divisor]);
        if (r == 0) {
            sk_frag tail = sk_build_maybe(b, sk_build_text(b, ".0", 2));
            sk_build_patch(b, tail.end, end.start);
            ways_add(b, &start, tail.start);
        }
        sk_build_patch(b, place[r], start);
    }
    for (uint8_t d = 1; d <= 9; d++)
        ways_byte(b, &first, (uint8_t)('0' + d), (uint8_t)('0' + d), place[d % divisor]);
    ways_byte(b, &first, '0', '0', end.start);
    sk_build_patch(b, sign.end, first);
    sk_free(b->heap, place);
    return (sk_frag){sign.start, end.end};
}

/* ---- Numbers that are not bound ------------------------------------------------------------- */

static sk_frag number_whole(schema *s, uint64_t most)
{
    sk_gram *b = &s->b;
    sk_frag more = sk_build_repeat(b, sk_build_byte(b, '0', '9'), 0, most - 1);
    sk_frag f = sk_build_then(b, sk_build_byte(b, '1', '9'), more);
    f = sk_build_either(b, sk_build_byte(b, '0', '0'), f);
    return sk_build_then(b, sk_build_maybe(b, sk_build_byte(b, '-', '-')), f);
}

static sk_frag number_free(schema *s)
{
    sk_gram *b = &s->b;
    sk_frag dot = sk_build_byte(b, '.', '.');
    sk_frag fraction = sk_build_repeat(b, sk_build_byte(b, '0', '9'), 1, 100);
    sk_frag e = sk_build_either(b, sk_build_byte(b, 'e', 'e'), sk_build_byte(b, 'E', 'E'));
    sk_frag sign = sk_build_maybe(
        b, sk_build_either(b, sk_build_byte(b, '+', '+'), sk_build_byte(b, '-', '-')));
    sk_frag power = sk_build_repeat(b, sk_build_byte(b, '0', '9'), 1, 3);
    sk_frag f = number_whole(s, NUMBER_CAP);
    f = sk_build_then(b, f, sk_build_maybe(b, sk_build_then(b, dot, fraction)));
    power = sk_build_then(b, sk_build_then(b, e, sign), power);
    return sk_build_then(b, f, sk_build_maybe(b, power));
}

static sk_frag number_integer(schema *s)
{
    sk_frag f = number_whole(s, INTEGER_CAP);
    return sk_build_then(&s->b, f, sk_build_maybe(&s->b, sk_build_text(&s->b, ".0", 2)));
}

static sk_frag number_broken_of(schema *s, uint64_t n_whole, uint64_t n_fraction)
{
    sk_gram *b = &s->b;
    sk_frag zeros = sk_build_repeat(b, sk_build_byte(b, '0', '0'), 0, n_fraction - 1);
    sk_frag more = sk_build_repeat(b, sk_build_byte(b, '0', '9'), 0, n_fraction - 1);
    sk_frag f = sk_build_then(b, sk_build_byte(b, '.', '.'), zeros);
    f = sk_build_then(b, sk_build_then(b, f, sk_build_byte(b, '1', '9')), more);
    return sk_build_then(b, number_whole(s, n_whole), f);
}

/* One that is no integer, also for a reader who rounds it to a double. */
static sk_frag number_broken(schema *s)
{
    return sk_build_either(&s->b, number_broken_of(s, 6, 9), number_broken_of(s, 12, 3));
}

/* The numbers that are excluded, sorted; *n of them. */
static bound *number_others(schema *s, const schema_terms *own, uint64_t *n)
{
    bound *list = sk_arena_array(&s->arena, NUMBER_OTHERS, sizeof *list, "a JSON schema", s->error);
    *n = 0;
    if (!list)
        s->b.status = SKALD_E_MEMORY;
    for (uint32_t i = 0; i < own->n; i++) {
        const sk_json *others = sk_schema_other_than(own->items[i].schema);
        for (uint64_t k = 0; others && k < others->n && schema_ok(s); k++) {
            bound fresh = {.set = true, .strict = true};
            uint64_t at = *n;
            if (!number_is(&others->as.items[k]))
                continue;
            if (*n == NUMBER_OTHERS || !number_bound(&others->as.items[k], &fresh)) {
                sk_schema_refuse(s, "not", "of many numbers, or of one with too many digits");
                continue;
            }
            for (; at > 0 && bound_order(&fresh, &list[at - 1]) < 0; at--)
                list[at] = list[at - 1];
            list[at] = fresh;
            ++*n;
        }
    }
    return list;
}

/* A range with holes is the ranges between them. */
static sk_frag number_with_holes(schema *s, const number_range *range, const bound *holes,
                                 uint64_t n, bool integer)
{
    sk_gram *b = &s->b;
    number_range part = *range;
    sk_frag f = sk_build_never(b);
    for (uint64_t i = 0; i <= n && schema_ok(s); i++) {
        bool is_in = i < n && (!range->low.set || bound_order(&holes[i], &range->low) >= 0) &&
                     (!range->high.set || bound_order(&holes[i], &range->high) <= 0);
        if (i < n && !is_in)
            continue;
        part.high = i < n ? holes[i] : range->high;
        f = sk_build_either(b, f, number_range_frag(b, &part, integer));
        if (i < n)
            part.low = holes[i];
    }
    return f;
}

sk_frag sk_schema_number(schema *s, const schema_terms *own, uint32_t types)
{
    number_range range = {.divisor = 0};
    uint64_t n_holes;
    for (uint32_t i = 0; i < own->n; i++)
        range_gather(s, own->items[i].schema, &range);
    const bound *holes = number_others(s, own, &n_holes);
    bool bounded = range.low.set || range.high.set || n_holes > 0;
    bool integer = !(types & SCHEMA_NUMBER) || range.divisor > 0;
    if (!schema_ok(s))
        return (sk_frag){0, 0};
    if (integer && !(types & SCHEMA_INTEGER)) /* a multiple that is no integer */
        return sk_build_never(&s->b);
    if (!integer && !(types & SCHEMA_INTEGER)) {
        if (bounded)
            sk_schema_refuse(s, "not",
                             "integers are excluded from numbers that are bound otherwise");
        return number_broken(s);
    }
    if (range.divisor > 1 && bounded)
        sk_schema_refuse(s, "multipleOf", "beside a minimum or maximum");
    else if (range.divisor > 1)
        return number_multiple(s, range.divisor);
    if (bounded)
        return number_with_holes(s, &range, holes, n_holes, integer);
    return integer ? sk_schema_call(s, &s->shared.integer, number_integer)
                   : sk_schema_call(s, &s->shared.number, number_free);
}

/* ---- A number that is known ----------------------------------------------------------------- */

bool sk_schema_number_holds(schema *s, const sk_json *own, const sk_json *value)
{
    number_range range = {.divisor = 0};
    bound v = {.set = true};
    range_gather(s, own, &range);
    if (!range.low.set && !range.high.set && !range.divisor)
        return true;
    if (!number_bound(value, &v)) {
        sk_schema_refuse(s, "enum", "a number has too many digits to compare");
        return true;
    }
    int low = range.low.set ? bound_order(&v, &range.low) : 1;
    int high = range.high.set ? bound_order(&v, &range.high) : -1;
    if (low < 0 || (low == 0 && range.low.strict) || high > 0 || (high == 0 && range.high.strict))
        return false;
    uint64_t remainder = 0;
    for (uint32_t i = 0; range.divisor && i < v.n_whole; i++)
        remainder = (remainder * 10 + v.whole[i]) % range.divisor;
    return !range.divisor || (remainder == 0 && v.n_fraction == 0);
}

bool sk_schema_number_apart(schema *s, const schema_terms *a, const schema_terms *b)
{
    number_range one = {.divisor = 0}, other = {.divisor = 0};
    for (uint32_t i = 0; i < a->n; i++)
        range_gather(s, a->items[i].schema, &one);
    for (uint32_t i = 0; i < b->n; i++)
        range_gather(s, b->items[i].schema, &other);
    for (int k = 0; k < 2; k++) {
        const bound *high = k ? &other.high : &one.high, *low = k ? &one.low : &other.low;
        int order = high->set && low->set ? bound_order(high, low) : 1;
        if (order < 0 || (order == 0 && (high->strict || low->strict)))
            return true;
    }
    return false;
}
