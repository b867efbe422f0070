/* SPDX-License-Identifier: MIT */
/*
 * Messages. Formatting is our own but for the digits of floating-point numbers, because printf
 * writes them as the host's locale has it. Texts that come from files are made printable on the
 * way, since hosts show messages to people.
 */
#include "base/portable.h"

#include "base/status.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The library's only mutable static object. */
static _Thread_local char sk_last_message[SK_MESSAGE_SIZE];

typedef struct sk_out {
    char *text;
    size_t size; /* of the buffer */
    size_t used; /* bytes written */
    size_t n;    /* length of the whole text; once it passes `used` nothing more is written */
} sk_out;

/* A code point: written whole or, when it does not fit, not at all. */
static void out_bytes(sk_out *out, const char *bytes, size_t n)
{
    if (out->used == out->n && out->used + n < out->size) {
        memcpy(out->text + out->used, bytes, n);
        out->used += n;
    }
    out->n += n;
}

static void out_char(sk_out *out, char c)
{
    out_bytes(out, &c, 1);
}

/* Length of the UTF-8 code point at s (1 to 4), or 0 when it is no printable text. */
static size_t printable_length(const unsigned char *s, size_t n)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xC0 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (length == 1)
        return s[0] >= 0x20 && s[0] != 0x7F;
    if (length == 0 || s[0] >= 0xF8 || length > n)
        return 0;
    uint32_t code = s[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3F);
    }
    if (code < smallest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ||
        code < 0xA0)
        return 0;
    return length;
}

static void out_text(sk_out *out, const char *text, size_t n)
{
    if (!text) {
        text = "(null)";
        n = 6;
    }
    for (size_t i = 0; i < n;) {
        size_t length = printable_length((const unsigned char *)text + i, n - i);
        out_bytes(out, length ? text + i : "?", length ? length : 1);
        i += length ? length : 1;
    }
}

static void out_unsigned(sk_out *out, uint64_t value, unsigned base)
{
    char digits[24];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (n)
        out_char(out, digits[--n]);
}

static void out_signed(sk_out *out, int64_t value)
{
    if (value < 0)
        out_char(out, '-');
    out_unsigned(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

/* What stands between 0 and 5 when the C library prints a half: the host's decimal point, which
 * may be any text of its locale. */
static size_t decimal_point(char *out)
{
    char half[32];
    int n = snprintf(half, sizeof half, "%.1f", 0.5);
    if (n < 3 || n >= (int)sizeof half)
        return 0;
    memcpy(out, half + 1, (size_t)n - 2);
    out[n - 2] = 0;
    return (size_t)n - 2;
}

bool sk_parse_double(const char *text, uint64_t n, double *value)
{
    char copy[128], point[32], *end;
    size_t length = 0, point_length = decimal_point(point);
    if (n == 0 || n > 64 || point_length == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!(text[i] >= '0' && text[i] <= '9') && !strchr("+-.eEinfaINFA", text[i]))
            return false;
        if (text[i] == '.') {
            if (length + point_length + 66 > sizeof copy)
                return false;
            memcpy(copy + length, point, point_length);
            length += point_length;
        } else {
            copy[length++] = text[i];
        }
    }
    copy[length] = 0;
    double found = strtod(copy, &end);
    if (end != copy + length)
        return false;
    *value = found;
    return true;
}

/* From `precision` digits on, until they read back as `value`; `single`: as the same float. */
static size_t format_shortest(char *out, double value, int precision, bool single)
{
    char text[64];
    int n = 0;
    for (; precision <= 17; precision++) {
        n = snprintf(text, sizeof text, "%.*g", precision, value);
        if (n < 0 || n >= (int)sizeof text)
            n = 0;
        double back;
        char *end;
        back = strtod(text, &end);
        if (value != value || back == value || (single && (float)back == (float)value))
            break;
    }
    size_t length = 0;
    bool point = false;
    for (int i = 0; i < n; i++) {
        bool plain = strchr("0123456789+-einfa", text[i]) != NULL;
        if (plain || !point)
            out[length++] = plain ? text[i] : '.';
        point = point || !plain;
    }
    out[length] = 0;
    return length;
}

size_t sk_format_double(char *out, double value)
{
    return format_shortest(out, value, 1, false);
}

size_t sk_format_float(char *out, float value)
{
    return format_shortest(out, (double)value, 6, true);
}

static void out_double(sk_out *out, double value)
{
    char text[64];
    out_text(out, text, sk_format_double(text, value));
}

typedef struct format_spec {
    int precision; /* -1: none */
    int longs;     /* l's, 2 also for j */
    bool size;     /* z */
    char kind;
} format_spec;

static const char *read_spec(const char *f, format_spec *spec, va_list *args)
{
    *spec = (format_spec){.precision = -1};
    if (f[0] == '.' && f[1] == '*') {
        spec->precision = va_arg(*args, int);
        f += 2;
    }
    for (;; f++) {
        if (*f == 'l')
            spec->longs++;
        else if (*f == 'j')
            spec->longs = 2;
        else if (*f == 'z')
            spec->size = true;
        else
            break;
    }
    spec->kind = *f;
    return f;
}

static uint64_t read_unsigned(const format_spec *spec, va_list *args)
{
    if (spec->size)
        return va_arg(*args, size_t);
    if (spec->longs >= 2)
        return va_arg(*args, unsigned long long);
    return spec->longs ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);
}

static int64_t read_signed(const format_spec *spec, va_list *args)
{
    if (spec->size)
        return (int64_t)va_arg(*args, size_t);
    if (spec->longs >= 2)
        return va_arg(*args, long long);
    return spec->longs ? va_arg(*args, long) : va_arg(*args, int);
}

static void out_string(sk_out *out, const char *text, int precision)
{
    size_t n = 0;
    while (text && (precision < 0 || n < (size_t)precision) && (precision >= 0 || text[n]))
        n++;
    out_text(out, text, n);
}

static size_t format_list(char *text, size_t size, const char *f, va_list *args)
{
    sk_out out = {text, size, 0, 0};
    for (; *f; f++) {
        if (*f != '%') {
            out_char(&out, *f);
            continue;
        }
        format_spec spec;
        f = read_spec(f + 1, &spec, args);
        if (spec.kind == 's')
            out_string(&out, va_arg(*args, const char *), spec.precision);
        else if (spec.kind == 'c')
            out_text(&out, (char[1]){(char)va_arg(*args, int)}, 1);
        else if (spec.kind == 'd' || spec.kind == 'i')
            out_signed(&out, read_signed(&spec, args));
        else if (spec.kind == 'u' || spec.kind == 'x')
            out_unsigned(&out, read_unsigned(&spec, args), spec.kind == 'x' ? 16 : 10);
        else if (spec.kind == 'g')
            out_double(&out, va_arg(*args, double));
        else if (spec.kind == '%')
            out_char(&out, '%');
        else
            break; /* not a format of ours: nothing after it can be read */
    }
    if (size)
        text[out.used] = 0;
    return out.n;
}

size_t sk_format(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t n = format_list(out, size, format, &args);
    va_end(args);
    return n;
}

int32_t sk_fail(sk_error *error, int32_t code, const char *format, ...)
{
    if (error) {
        va_list args;
        va_start(args, format);
        error->code = code;
        format_list(error->text, sizeof error->text, format, &args);
        va_end(args);
    }
    return code;
}

void sk_error_publish(const sk_error *error)
{
    memcpy(sk_last_message, error->text, sizeof sk_last_message);
    sk_last_message[SK_MESSAGE_SIZE - 1] = 0;
}

const char *sk_error_last(void)
{
    return sk_last_message;
}

const char *sk_status_name(int32_t status)
{
    static const struct {
        int32_t code;
        const char *name;
    } names[] = {
#define SK_NAME(code) {code, #code},
        SK_NAME(SKALD_OK) SK_NAME(SKALD_TOKEN) SK_NAME(SKALD_PENDING) SK_NAME(SKALD_E_NOT_FOUND)
            SK_NAME(SKALD_E_IO) SK_NAME(SKALD_E_NOT_MODEL) SK_NAME(SKALD_E_VERSION)
                SK_NAME(SKALD_E_TRUNCATED) SK_NAME(SKALD_E_CORRUPT) SK_NAME(SKALD_E_ARCHITECTURE)
                    SK_NAME(SKALD_E_TYPE) SK_NAME(SKALD_E_TOKENIZER) SK_NAME(SKALD_E_MEMORY)
                        SK_NAME(SKALD_E_ARGUMENT) SK_NAME(SKALD_E_OPTION) SK_NAME(SKALD_E_BUSY)
                            SK_NAME(SKALD_E_CANCELLED) SK_NAME(SKALD_E_CONTEXT_FULL)
                                SK_NAME(SKALD_E_GRAMMAR) SK_NAME(SKALD_E_NUMERIC)
                                    SK_NAME(SKALD_E_CHANGED) SK_NAME(SKALD_E_STATE)
                                        SK_NAME(SKALD_E_BUFFER) SK_NAME(SKALD_E_TEMPLATE)
#undef SK_NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == status)
            return names[i].name;
    return "?";
}
