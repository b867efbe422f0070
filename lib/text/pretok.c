/* SPDX-License-Identifier: MIT */
/*
 * A matcher looks at one place: it returns true and the end of its match there, or false and how
 * far on no match begins. Matchers look ahead to the end of their piece, never behind its start,
 * as a regular expression applied to the piece would.
 *
 * The order of the alternatives in WORDS, and what each takes, follows the published expressions
 * by backtracking's rules; where greedy matching with backtracking has a simpler equal, that is
 * what is written here.
 */
#include "base/portable.h"

#include "text/pretok.h"

#include "text/unicode.h"
#include "text/utf8.h"

#include <string.h>

/* A code point of the piece: where it ends, what it is. At the end of the piece `length` is 0 and
 * the class empty, so that it is in no set. */
typedef struct pretok_char {
    uint32_t length, code, class;
} pretok_char;

static pretok_char peek_wide_char(const uint8_t *p, const uint8_t *end)
{
    pretok_char c = {0, 0, 0};
    if (p < end) {
        c.length = sk_utf8_read(p, end, &c.code);
        c.class = sk_unicode_class(c.code);
    }
    return c;
}

static inline pretok_char peek_char(const uint8_t *p, const uint8_t *end)
{
    if (p < end && *p < 0x80)
        return (pretok_char){1, *p, sk_unicode_class(*p)};
    return peek_wide_char(p, end);
}

static bool is_newline(pretok_char c)
{
    return c.length && (c.code == '\r' || c.code == '\n');
}

static bool is_white(pretok_char c)
{
    return (c.class & SK_UC_SPACE) != 0;
}

static bool is_blank(const uint8_t *p, const uint8_t *end)
{
    return p < end && *p == ' ';
}

static inline bool in_charset(const sk_charset *set, pretok_char c)
{
    if (c.length == 0)
        return false;
    bool in_class = (c.class & set->classes) != 0, in_range = false;
    for (uint32_t i = 0; i < set->n_ranges && c.code >= set->ranges[i][0] && !in_range; i++)
        in_range = c.code <= set->ranges[i][1];
    if (set->mode == SK_SET_REMOVE)
        return in_class && !in_range;
    return (in_class || in_range) == (set->mode == SK_SET_ADD);
}

/* The end of the run of at most `max` characters of these classes. */
static const uint8_t *skip_classes(const uint8_t *p, const uint8_t *end, uint32_t classes,
                                   uint32_t max)
{
    for (pretok_char c; max > 0 && ((c = peek_char(p, end)).class & classes) != 0; max--)
        p += c.length;
    return p;
}

/* ---- The small passes ----------------------------------------------------------------------- */

/* The end of a run of min to max characters of the set at p; NULL when there are too few. */
static inline const uint8_t *skip_set(const sk_splitter *pass, const uint8_t *p, const uint8_t *end)
{
    uint32_t n = 0;
    for (pretok_char c; n < pass->max && in_charset(&pass->set, c = peek_char(p, end)); n++)
        p += c.length;
    return n < pass->min ? NULL : p;
}

static bool match_run(const sk_splitter *pass, const uint8_t *p, const uint8_t *end,
                      const uint8_t **stop)
{
    pretok_char c = peek_char(p, end);
    const uint8_t *q = NULL;
    if ((pass->lead == SK_LEAD_BLANK && *p == ' ') || (pass->lead == SK_LEAD_SPACE && is_white(c)))
        q = skip_set(pass, p + c.length, end);
    if (!q)
        q = skip_set(pass, p, end);
    *stop = q ? q : p + c.length;
    return q != NULL;
}

/* The digits, and the bytes whose characters in the byte alphabet are \u00B2 \u00B3 \u00B9 and the
 * fractions. */
static bool is_number_byte(uint8_t c)
{
    return (c >= '0' && c <= '9') || c == 0xB2 || c == 0xB3 || c == 0xB9 ||
           (c >= 0xBC && c <= 0xBE);
}

static bool match_bytes(const uint8_t *p, const uint8_t *end, const uint8_t **stop)
{
    *stop = p;
    while (*stop < end && is_number_byte(**stop))
        ++*stop;
    bool found = *stop > p;
    *stop += !found;
    return found;
}

static bool match_aside(const uint8_t *p, const uint8_t *end, const uint8_t **stop)
{
    const uint8_t *q = skip_classes(p, end, SK_UC_SPACE, UINT32_MAX);
    *stop = q > p ? q : p + peek_char(p, end).length;
    return q > p && q == end;
}

/* Digits in threes from the right. The length of the run is counted once and kept. */
static bool match_groups(sk_pretok_cursor *cursor, const sk_splitter *pass, const uint8_t *p,
                         const uint8_t *end, const uint8_t **stop)
{
    if (!cursor->group_end || p >= cursor->group_end) {
        const uint8_t *q = p;
        cursor->group_left = 0;
        for (pretok_char c; in_charset(&pass->set, c = peek_char(q, end)); q += c.length)
            cursor->group_left++;
        cursor->group_end = q;
        uint32_t word = SK_UC_L | SK_UC_M | SK_UC_ND | SK_UC_NL | SK_UC_PC;
        if (pass->boundary && q > p && (peek_char(q, end).class & word)) {
            *stop = q;
            return false;
        }
    }
    *stop = p;
    if (cursor->group_left == 0) {
        *stop += peek_char(p, end).length;
        return false;
    }
    uint64_t n = (cursor->group_left - 1) % 3 + 1;
    bool whole = n == 3 || !pass->whole;
    cursor->group_left -= n;
    for (; n > 0; n--)
        *stop += peek_char(*stop, end).length;
    return whole;
}

static bool match_framed(const sk_splitter *pass, const uint8_t *p, const uint8_t *end,
                         const uint8_t **stop)
{
    size_t before = strlen(pass->before), after = strlen(pass->after);
    *stop = p + peek_char(p, end).length;
    if ((size_t)(end - p) < before || memcmp(p, pass->before, before) != 0)
        return false;
    /* Neither literal begins or ends within its set, so that the greedy run is the only one, but
     * a run that is cut off by `max` can be followed by no literal. */
    const uint8_t *q = skip_set(pass, p + before, end);
    if (!q || (size_t)(end - q) < after || memcmp(q, pass->after, after) != 0)
        return false;
    *stop = q + after;
    return true;
}

static bool match_indent(const uint8_t *p, const uint8_t *end, const uint8_t **stop)
{
    int blanks = 0;
    while (blanks < 4 && is_blank(p + blanks, end))
        blanks++;
    bool found = *p == '\t' || *p == '\n' || blanks >= 2;
    *stop = blanks >= 2 ? p + (blanks & ~1) : p + peek_char(p, end).length;
    return found;
}

/* ---- Words ---------------------------------------------------------------------------------- */

static uint8_t lower_ascii(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* 's 't 're 've 'm 'll 'd; ignoring case, U+017F is an s too. The end, or p when there is none. */
static const uint8_t *skip_contraction(const uint8_t *p, const uint8_t *end, bool any_case)
{
    if (end - p < 2 || *p != '\'')
        return p;
    uint8_t a = p[1], b = end - p > 2 ? p[2] : 0;
    if (any_case) {
        if (a == 0xC5 && b == 0xBF)
            return p + 3;
        a = lower_ascii(a);
        b = lower_ascii(b);
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return p + 2;
    bool two = (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l');
    return two ? p + 3 : p;
}

/* \p{Script=Han}. */
static const uint32_t pretok_han[][2] = {
    {0x2E80, 0x2E99},   {0x2E9B, 0x2EF3},   {0x2F00, 0x2FD5},   {0x3005, 0x3005},
    {0x3007, 0x3007},   {0x3021, 0x3029},   {0x3038, 0x303B},   {0x3400, 0x4DBF},
    {0x4E00, 0x9FFF},   {0xF900, 0xFA6D},   {0xFA70, 0xFAD9},   {0x16FE2, 0x16FE3},
    {0x16FF0, 0x16FF1}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B739}, {0x2B740, 0x2B81D},
    {0x2B820, 0x2CEA1}, {0x2CEB0, 0x2EBE0}, {0x2EBF0, 0x2EE5D}, {0x2F800, 0x2FA1D},
    {0x30000, 0x3134A}, {0x31350, 0x323AF},
};

static inline bool is_han(pretok_char c)
{
    static const sk_charset han = {0, SK_SET_ADD, sizeof pretok_han / sizeof *pretok_han,
                                   pretok_han};
    return c.code >= 0x2E80 && in_charset(&han, c);
}

static const uint8_t *skip_han(const uint8_t *p, const uint8_t *end)
{
    for (pretok_char c; is_han(c = peek_char(p, end));)
        p += c.length;
    return p;
}

/* A run of letters, with single blanks between them where the pass says so. */
static const uint8_t *skip_letters(const sk_splitter *pass, const uint8_t *p, const uint8_t *end)
{
    if (!pass->spaced)
        return skip_classes(p, end, pass->letters, UINT32_MAX);
    if (!(peek_char(p, end).class & SK_UC_L))
        return p;
    for (;;) {
        const uint8_t *q = skip_classes(p, end, pass->letters, UINT32_MAX);
        if (is_blank(q, end) && (peek_char(q + 1, end).class & SK_UC_L))
            q++;
        if (q == p)
            return p;
        p = q;
    }
}

static bool is_cased(const sk_splitter *pass, pretok_char c, uint32_t classes)
{
    return (c.class & classes) != 0 && !(pass->han && is_han(c));
}

/* UPPER* LOWER+: a character may be of both classes, and the greedy first run gives back as much
 * as the second needs. The end, or p. */
static const uint8_t *skip_lower_word(const sk_splitter *pass, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *stop = p; /* behind the last one so far that can be LOWER */
    pretok_char c;
    for (; is_cased(pass, c = peek_char(p, end), pass->upper);) {
        p += c.length;
        if (c.class & pass->lower)
            stop = p;
    }
    if (!is_cased(pass, c, pass->lower))
        return stop;
    for (; is_cased(pass, c = peek_char(p, end), pass->lower);)
        p += c.length;
    return p;
}

/* UPPER+ LOWER*. */
static const uint8_t *skip_upper_word(const sk_splitter *pass, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *start = p;
    pretok_char c;
    for (; is_cased(pass, c = peek_char(p, end), pass->upper);)
        p += c.length;
    if (p == start)
        return p;
    for (; is_cased(pass, c = peek_char(p, end), pass->lower);)
        p += c.length;
    return p;
}

/* Letters, with what may stand before them. The end, or p. */
static const uint8_t *match_letters(const sk_splitter *pass, const uint8_t *p, const uint8_t *end)
{
    typedef const uint8_t *skip(const sk_splitter *, const uint8_t *, const uint8_t *);
    skip *const cased[2] = {skip_lower_word, skip_upper_word};
    skip *const plain[1] = {skip_letters};
    skip *const *forms = pass->letters ? plain : cased;

    pretok_char c = peek_char(p, end);
    bool lead = pass->lead == SK_LEAD_BLANK
                    ? is_blank(p, end)
                    : c.length && !is_newline(c) && !(c.class & pass->not_lead);
    for (int i = 0; i < (pass->letters ? 1 : 2); i++) {
        const uint8_t *after = p + c.length, *q = lead ? forms[i](pass, after, end) : p;
        if (lead && q > after)
            return q;
        if ((q = forms[i](pass, p, end)) > p)
            return q;
    }
    return p;
}

static const uint8_t *match_ascii_word(const uint8_t *p, const uint8_t *end)
{
    static const char marks[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    if (*p == 0 || *p > 126 || !strchr(marks, *p))
        return p;
    const uint8_t *q = p + 1;
    while (q < end && lower_ascii(*q) >= 'a' && lower_ascii(*q) <= 'z')
        q++;
    return q > p + 1 ? q : p;
}

static const uint8_t *match_numbers(const sk_splitter *pass, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *start = p + (pass->numbers_blank && is_blank(p, end));
    const uint8_t *q = skip_classes(start, end, SK_UC_N, pass->numbers);
    return q > start ? q : p;
}

static const uint8_t *match_symbols(const sk_splitter *pass, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *start = p + is_blank(p, end), *q = start;
    for (pretok_char c; ((c = peek_char(q, end)).class & pass->symbols) != 0 && !is_white(c);)
        q += c.length;
    if (q == start)
        return p;
    bool slashes = pass->tail == SK_TAIL_SLASHES || pass->tail == SK_TAIL_ONE;
    while (pass->tail && q < end && (*q == '\r' || *q == '\n' || (slashes && *q == '/'))) {
        q++;
        if (pass->tail == SK_TAIL_ONE)
            break;
    }
    return q;
}

/* \s{512}(?!\S) | \s{256}(?!\S) | ... | \s{4}(?!\S) | \s{1,2}(?!\S) | \s on a run that ends at
 * `run_end`. At most 513 characters are looked at. */
static const uint8_t *match_space_power(const uint8_t *p, const uint8_t *run_end,
                                        const uint8_t *end)
{
    uint32_t n = 0, power = 512;
    for (const uint8_t *q = p; q < run_end && n <= power; n++)
        q += peek_char(q, run_end).length;
    uint32_t free = run_end == end ? n : n - 1; /* can be taken without a \S behind them */
    while (power > free && power > 1)
        power /= 2;
    while (power-- > 0)
        p += peek_char(p, run_end).length;
    return p;
}

/* White space: up to the last newline in it; else all but the last before something else (which
 * may belong to what follows); else all. The end of a run without newlines is kept, for passes
 * that take it in parts. */
static const uint8_t *match_spaces(sk_pretok_cursor *cursor, const sk_splitter *pass,
                                   const uint8_t *p, const uint8_t *end)
{
    const uint8_t *q = p, *last = p, *newline = NULL;
    if (!is_white(peek_char(p, end)))
        return p;
    if (pass->powers && cursor->run_end && p < cursor->run_end)
        return match_space_power(p, cursor->run_end, end);
    for (pretok_char c; is_white(c = peek_char(q, end));) {
        last = q;
        q += c.length;
        if (is_newline(c))
            newline = q;
    }
    if (pass->newlines && newline)
        return newline;
    cursor->run_end = q;
    if (pass->powers)
        return match_space_power(p, q, end);
    return q == end || last == p ? q : last;
}

static bool match_words(sk_pretok_cursor *cursor, const sk_splitter *pass, const uint8_t *p,
                        const uint8_t *end, const uint8_t **stop)
{
    const uint8_t *q = p;
    if (pass->contraction == SK_CONTRACTION_EXACT || pass->contraction == SK_CONTRACTION_ANY_CASE)
        q = skip_contraction(p, end, pass->contraction == SK_CONTRACTION_ANY_CASE);
    if (q == p && pass->han)
        q = skip_han(p, end);
    if (q == p && pass->ascii_word)
        q = match_ascii_word(p, end);
    if (q == p) {
        q = match_letters(pass, p, end);
        if (q > p && pass->contraction == SK_CONTRACTION_SUFFIX)
            q = skip_contraction(q, end, true);
    }
    if (q == p && pass->numbers)
        q = match_numbers(pass, p, end);
    if (q == p)
        q = match_symbols(pass, p, end);
    if (q == p)
        q = match_spaces(cursor, pass, p, end);
    *stop = q > p ? q : p + peek_char(p, end).length;
    return q > p;
}

/* ---- The cursor ----------------------------------------------------------------------------- */

static bool match_pass(sk_pretok_cursor *cursor, const sk_splitter *pass, const uint8_t *p,
                       const uint8_t *end, const uint8_t **stop)
{
    switch (pass->kind) {
    case SK_PASS_RUN:
        return match_run(pass, p, end, stop);
    case SK_PASS_WORDS:
        return match_words(cursor, pass, p, end, stop);
    case SK_PASS_ASIDE:
        return match_aside(p, end, stop);
    case SK_PASS_GROUPS:
        return match_groups(cursor, pass, p, end, stop);
    case SK_PASS_BYTES:
        return match_bytes(p, end, stop);
    case SK_PASS_FRAMED:
        return match_framed(pass, p, end, stop);
    default:
        return match_indent(p, end, stop);
    }
}

/* The end of the piece that begins at p: a match, or what lies before the next one. */
static const uint8_t *next_end(sk_pretok_cursor *cursor, const sk_splitter *pass, const uint8_t *p,
                               const uint8_t *end)
{
    const uint8_t *stop;
    if (match_pass(cursor, pass, p, end, &stop))
        return stop;
    const uint8_t *next;
    while (stop < end && !match_pass(cursor, pass, stop, end, &next))
        stop = next;
    if (pass->kind == SK_PASS_GROUPS)
        cursor->group_end = NULL; /* the match will be looked for again: count it anew */
    return stop;
}

void sk_pretok_start(sk_pretok_cursor *cursor, const sk_pretok *row, const uint8_t *text,
                     uint64_t n)
{
    *cursor = (sk_pretok_cursor){.passes = row->passes, .at = text};
    while (row->passes[cursor->n_passes].kind != SK_PASS_END)
        cursor->n_passes++;
    cursor->ends[0] = text + n;
    for (uint32_t i = 1; i <= cursor->n_passes; i++)
        cursor->ends[i] = text;
}

bool sk_pretok_next(sk_pretok_cursor *cursor, const uint8_t **piece, uint64_t *n)
{
    const uint8_t *p = cursor->at;
    if (p >= cursor->ends[0])
        return false;
    uint32_t level = cursor->n_passes;
    while (cursor->ends[level] <= p)
        level--;
    for (; level < cursor->n_passes; level++)
        cursor->ends[level + 1] = next_end(cursor, &cursor->passes[level], p, cursor->ends[level]);
    cursor->at = cursor->ends[cursor->n_passes];
    *piece = p;
    *n = (uint64_t)(cursor->at - p);
    return true;
}

bool sk_pretok_is_space(const uint8_t *piece, uint64_t n)
{
    return is_white(peek_char(piece, piece + n));
}
