/* SPDX-License-Identifier: MIT */
/*
 * The writer: an explicit stack of open containers, each with the place it has reached. Sorted
 * members are sorted copies, owned by their frame.
 */
#include "base/portable.h"
#include "json.h"

#include <string.h>

typedef struct json_open_value {
    const sk_json *value;
    const sk_json_member *members; /* in the order of writing */
    sk_json_member *sorted;        /* owned; NULL: none */
    uint64_t next;
} json_open_value;

typedef struct json_writer {
    sk_buffer *out;
    const sk_json_style *style;
    sk_error *error;
    uint64_t depth;
    json_open_value open[SK_JSON_DEPTH];
} json_writer;

static int32_t json_put(json_writer *w, const char *text)
{
    return sk_buffer_add(w->out, text, strlen(text), w->error);
}

/* ---- numbers ------------------------------------------------------------------------------ */

/* The digits of a printed number, without sign, point and leading zeros, and the power of ten that
 * the first of them has. */
static int json_number_parts(const char *text, char *digits, int *power)
{
    int n = 0, point = -1, exponent = 0, seen = 0;
    const char *p = text;
    for (; *p && *p != 'e'; p++) {
        if (*p == '.') {
            point = seen;
            continue;
        }
        seen++;
        if (n == 0 && *p == '0') {
            continue;
        }
        digits[n++] = *p;
    }
    int skipped = seen - n;
    if (point < 0)
        point = seen;
    if (*p == 'e') {
        bool minus = p[1] == '-';
        for (p += p[1] == '-' || p[1] == '+' ? 2 : 1; *p; p++)
            exponent = exponent * 10 + (*p - '0');
        exponent = minus ? -exponent : exponent;
    }
    while (n > 1 && digits[n - 1] == '0')
        n--;
    *power = point - skipped - 1 + exponent;
    return n;
}

static char *json_scientific(char *to, const char *digits, int n, int power)
{
    *to++ = digits[0];
    if (n > 1) {
        *to++ = '.';
        memcpy(to, digits + 1, (size_t)n - 1);
        to += n - 1;
    }
    *to++ = 'e';
    *to++ = power < 0 ? '-' : '+';
    power = power < 0 ? -power : power;
    if (power < 10)
        *to++ = '0';
    return to + sk_format(to, 8, "%d", power);
}

static char *json_positional(char *to, const char *digits, int n, int power)
{
    if (power < 0) {
        *to++ = '0';
        *to++ = '.';
        for (int i = 1; i < -power; i++)
            *to++ = '0';
        memcpy(to, digits, (size_t)n);
        return to + n;
    }
    for (int i = 0; i < n || i <= power + 1; i++) {
        *to++ = i < n ? digits[i] : '0';
        if (i == power)
            *to++ = '.';
    }
    return to;
}

uint64_t sk_json_double_text(char *out, double value)
{
    char text[64], digits[64], *to = out;
    int power;
    if (value - value != 0 || value == 0) {
        bool minus = sk_format_double(text, value) && text[0] == '-';
        return sk_format(out, 64, "%s",
                         value != value ? "nan"
                         : value == 0   ? (minus ? "-0.0" : "0.0")
                         : minus        ? "-inf"
                                        : "inf");
    }
    sk_format_double(text, value);
    bool minus = text[0] == '-';
    if (minus)
        *to++ = '-';
    int n = json_number_parts(text + minus, digits, &power);
    to = power < -4 || power >= 16 ? json_scientific(to, digits, n, power)
                                   : json_positional(to, digits, n, power);
    *to = 0;
    return (uint64_t)(to - out);
}

static int32_t json_write_double(json_writer *w, double value)
{
    char text[64];
    sk_json_double_text(text, value);
    if (!w->style->repr && value - value != 0)
        return json_put(w, value != value ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
    return json_put(w, text);
}

/* ---- strings ------------------------------------------------------------------------------ */

static const char json_hex[] = "0123456789abcdef";

static uint64_t json_u_escape(char *out, uint32_t unit)
{
    out[0] = '\\';
    out[1] = 'u';
    for (int i = 0; i < 4; i++)
        out[2 + i] = json_hex[unit >> (12 - 4 * i) & 15];
    return 6;
}

/* The code point at p and its length; U+FFFD and 1 for what is not UTF-8. */
static uint32_t json_code(const uint8_t *p, uint64_t n, uint32_t *code)
{
    uint32_t want = *p < 0x80 ? 1 : *p < 0xC0 ? 0 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
    *code = want == 1 ? *p : want == 0 || *p > 0xF4 ? 0xFFFD : *p & (0x7Fu >> want);
    if (want < 2 || *p > 0xF4)
        return 1;
    for (uint32_t i = 1; i < want; i++) {
        if (i >= n || (p[i] & 0xC0) != 0x80) {
            *code = 0xFFFD;
            return 1;
        }
        *code = *code << 6 | (p[i] & 0x3F);
    }
    return want;
}

/* The escape that a code point needs in JSON; 0: none. */
static uint64_t json_escape_of(char *out, uint32_t code, bool ascii)
{
    static const char names[] = "\"\\bfnrt", codes[] = "\"\\\b\f\n\r\t";
    const char *found = code && code < 0x80 ? strchr(codes, (int)code) : NULL;
    if (found) {
        out[0] = '\\';
        out[1] = names[found - codes];
        return 2;
    }
    if (code >= 0x20 && (!ascii || code < 0x7F))
        return 0;
    if (code < 0x10000)
        return json_u_escape(out, code);
    code -= 0x10000;
    json_u_escape(out, 0xD800 + (code >> 10));
    json_u_escape(out + 6, 0xDC00 + (code & 0x3FF));
    return 12;
}

/* The escape in Python's repr of a string between quotes of this kind; 0: none. */
static uint64_t json_repr_escape_of(char *out, uint32_t code, char quote)
{
    static const char names[] = "\\nrt", codes[] = "\\\n\r\t";
    const char *found = code && code < 0x80 ? strchr(codes, (int)code) : NULL;
    out[0] = '\\';
    if (found || code == (uint8_t)quote) {
        out[1] = found ? names[found - codes] : quote;
        return 2;
    }
    if ((code >= 0x20 && code < 0x7F) || (code > 0xA0 && code != 0xAD))
        return 0;
    out[1] = 'x';
    out[2] = json_hex[code >> 4];
    out[3] = json_hex[code & 15];
    return 4;
}

static int32_t json_write_string(json_writer *w, const sk_json *value)
{
    const uint8_t *p = (const uint8_t *)value->as.text, *end = p + value->n, *run = p;
    bool repr = w->style->repr;
    char quote = repr ? '\'' : '"', escape[16];
    if (repr && value->n && memchr(p, '\'', value->n) && !memchr(p, '"', value->n))
        quote = '"';
    int32_t status = sk_buffer_add(w->out, &quote, 1, w->error);
    while (status >= 0 && p < end) {
        uint32_t code, n = json_code(p, (uint64_t)(end - p), &code);
        uint64_t n_escape = repr ? json_repr_escape_of(escape, code, quote)
                                 : json_escape_of(escape, code, w->style->ensure_ascii);
        if (n_escape) {
            status = sk_buffer_add(w->out, (const char *)run, (uint64_t)(p - run), w->error);
            if (status >= 0)
                status = sk_buffer_add(w->out, escape, n_escape, w->error);
            run = p + n;
        }
        p += n;
    }
    if (status >= 0)
        status = sk_buffer_add(w->out, (const char *)run, (uint64_t)(end - run), w->error);
    return status < 0 ? status : sk_buffer_add(w->out, &quote, 1, w->error);
}

/* ---- order of names ----------------------------------------------------------------------- */

static bool json_name_less(const sk_json_member *a, const sk_json_member *b)
{
    if (a->key.kind != SK_JSON_STRING || b->key.kind != SK_JSON_STRING)
        return a->key.kind < b->key.kind ||
               (a->key.kind == b->key.kind && a->key.as.i < b->key.as.i);
    uint64_t n = a->key.n < b->key.n ? a->key.n : b->key.n;
    int order = n ? memcmp(a->key.as.text, b->key.as.text, n) : 0;
    return order ? order < 0 : a->key.n < b->key.n;
}

static void json_sift(sk_json_member *m, uint64_t root, uint64_t n)
{
    for (uint64_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && json_name_less(&m[child], &m[child + 1]))
            child++;
        if (!json_name_less(&m[root], &m[child]))
            return;
        sk_json_member swap = m[root];
        m[root] = m[child];
        m[child] = swap;
    }
}

/* Heap sort: names are different, so stability says nothing. */
static void json_sort(sk_json_member *m, uint64_t n)
{
    for (uint64_t i = n / 2; i-- > 0;)
        json_sift(m, i, n);
    for (uint64_t i = n; i-- > 1;) {
        sk_json_member swap = m[0];
        m[0] = m[i];
        m[i] = swap;
        json_sift(m, 0, i);
    }
}

/* ---- values ------------------------------------------------------------------------------- */

static int32_t json_write_scalar(json_writer *w, const sk_json *value)
{
    char text[32];
    bool repr = w->style->repr;
    switch (value->kind) {
    case SK_JSON_NULL:
        return json_put(w, repr ? "None" : "null");
    case SK_JSON_BOOL:
        return json_put(w, value->as.truth ? (repr ? "True" : "true") : repr ? "False" : "false");
    case SK_JSON_INT:
        sk_format(text, sizeof text, "%lld", (long long)value->as.i);
        return json_put(w, text);
    case SK_JSON_DOUBLE:
        return json_write_double(w, value->as.d);
    case SK_JSON_STRING:
        return json_write_string(w, value);
    default:
        if (w->style->other)
            return w->style->other(value, w->out, w->error);
        return sk_fail(w->error, SKALD_E_ARGUMENT, "the value cannot be written as JSON");
    }
}

/* In JSON a name is always a string; numbers and words as names are put between quotes. */
static int32_t json_write_name(json_writer *w, const sk_json *key)
{
    if (w->style->repr || key->kind == SK_JSON_STRING)
        return json_write_scalar(w, key);
    int32_t status = json_put(w, "\"");
    if (status >= 0)
        status = json_write_scalar(w, key);
    return status < 0 ? status : json_put(w, "\"");
}

static int32_t json_new_line(json_writer *w, uint64_t depth)
{
    if (w->style->indent < 0)
        return SKALD_OK;
    int32_t status = json_put(w, "\n");
    return status < 0 ? status
                      : sk_buffer_fill(w->out, ' ', depth * (uint64_t)w->style->indent, w->error);
}

static const char *json_bracket(const sk_json *value, bool closing)
{
    if (value->kind == SK_JSON_OBJECT)
        return closing ? "}" : "{";
    return closing ? "]" : "[";
}

static int32_t json_write_open(json_writer *w, const sk_json *value)
{
    bool tuple = w->style->repr && value->kind == SK_JSON_ARRAY && value->flavour == 1;
    if (w->depth == SK_JSON_DEPTH)
        return sk_fail(w->error, SKALD_E_ARGUMENT, "the value has more than %d levels",
                       SK_JSON_DEPTH);
    json_open_value *open = &w->open[w->depth];
    *open = (json_open_value){.value = value, .members = value->as.members};
    if (value->kind == SK_JSON_OBJECT && w->style->sort_keys && value->n > 1) {
        open->sorted =
            sk_alloc_array(w->out->heap, value->n, sizeof *open->sorted, "JSON names", w->error);
        if (!open->sorted)
            return SKALD_E_MEMORY;
        memcpy(open->sorted, value->as.members, value->n * sizeof *open->sorted);
        json_sort(open->sorted, value->n);
        open->members = open->sorted;
    }
    w->depth++;
    return json_put(w, tuple ? "(" : json_bracket(value, false));
}

static int32_t json_write_close(json_writer *w)
{
    json_open_value *open = &w->open[--w->depth];
    const sk_json *value = open->value;
    bool tuple = w->style->repr && value->kind == SK_JSON_ARRAY && value->flavour == 1;
    sk_free(w->out->heap, open->sorted);
    int32_t status = value->n ? json_new_line(w, w->depth) : SKALD_OK;
    if (status < 0)
        return status;
    return json_put(w, tuple ? (value->n == 1 ? ",)" : ")") : json_bracket(value, true));
}

static int32_t json_separate(json_writer *w, const char *given, uint64_t n, const char *usual)
{
    return given ? sk_buffer_add(w->out, given, n, w->error) : json_put(w, usual);
}

/* What stands before the next element of the innermost container; *element: that element. */
static int32_t json_write_next(json_writer *w, const sk_json **element)
{
    json_open_value *open = &w->open[w->depth - 1];
    const sk_json_style *s = w->style;
    int32_t status = SKALD_OK;
    if (open->next > 0)
        status =
            json_separate(w, s->item_separator, s->n_item_separator, s->indent < 0 ? ", " : ",");
    if (status >= 0)
        status = json_new_line(w, w->depth);
    if (status < 0)
        return status;
    if (open->value->kind == SK_JSON_ARRAY) {
        *element = &open->value->as.items[open->next++];
        return SKALD_OK;
    }
    const sk_json_member *member = &open->members[open->next++];
    *element = &member->value;
    status = json_write_name(w, &member->key);
    return status < 0 ? status : json_separate(w, s->key_separator, s->n_key_separator, ": ");
}

static int32_t json_write_all(json_writer *w, const sk_json *value)
{
    for (;;) {
        bool container = value->kind == SK_JSON_ARRAY || value->kind == SK_JSON_OBJECT;
        int32_t status = container ? json_write_open(w, value) : json_write_scalar(w, value);
        while (status >= 0 && w->depth > 0 &&
               w->open[w->depth - 1].next == w->open[w->depth - 1].value->n)
            status = json_write_close(w);
        if (status < 0 || w->depth == 0)
            return status;
        status = json_write_next(w, &value);
        if (status < 0)
            return status;
    }
}

int32_t sk_json_write(sk_buffer *out, const sk_json *value, const sk_json_style *style,
                      sk_error *error)
{
    json_writer w = {.out = out, .style = style, .error = error};
    int32_t status = json_write_all(&w, value);
    while (w.depth > 0)
        sk_free(out->heap, w.open[--w.depth].sorted);
    return status;
}
