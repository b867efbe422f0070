/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void json_begin(json *j, FILE *out)
{
    memset(j, 0, sizeof *j);
    j->out = out;
}

static void break_line(json *j)
{
    fprintf(j->out, "\n%*s", 2 * j->depth, "");
}

/* The length of the UTF-8 sequence at `s`, 0 if it is not one (overlong, surrogate, cut off). */
static size_t sequence_length(const unsigned char *s, size_t n)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || length > n)
        return 0;
    uint32_t code = s[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3F);
    }
    bool is_code = code >= least[length] && code <= 0x10FFFF && (code & 0x1FF800) != 0xD800;
    return is_code ? length : 0;
}

static void write_char(FILE *out, unsigned char c)
{
    static const char names[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    for (const char *name = names; *name; name += 2)
        if ((unsigned char)name[0] == c) {
            fprintf(out, "\\%c", name[1]);
            return;
        }
    if (c < 0x20 || c == 0x7F)
        fprintf(out, "\\u%04x", c);
    else
        fputc(c, out);
}

static void write_string(FILE *out, const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    fputc('"', out);
    for (size_t i = 0; i < n;) {
        size_t length = sequence_length(s + i, n - i);
        if (length == 0)
            fputs("\\ufffd", out);
        else if (length == 1)
            write_char(out, s[i]);
        else
            fwrite(s + i, 1, length, out);
        i += length ? length : 1;
    }
    fputc('"', out);
}

/* What goes before a value: comma, line break, key. */
static void write_lead(json *j, const char *key)
{
    if (j->depth > 0) {
        bool lines = j->level[j->depth - 1].lines;
        if (j->level[j->depth - 1].used)
            fputs(lines ? "," : ", ", j->out);
        if (lines)
            break_line(j);
        j->level[j->depth - 1].used = true;
    }
    if (key) {
        write_string(j->out, key, strlen(key));
        fputs(": ", j->out);
    }
}

void json_open(json *j, const char *key, char bracket, bool lines)
{
    write_lead(j, key);
    fputc(bracket, j->out);
    j->level[j->depth].close = bracket == '{' ? '}' : ']';
    j->level[j->depth].lines = lines;
    j->level[j->depth].used = false;
    j->depth++;
}

void json_close(json *j)
{
    j->depth--;
    if (j->level[j->depth].lines && j->level[j->depth].used)
        break_line(j);
    fputc(j->level[j->depth].close, j->out);
    if (j->depth == 0)
        fputc('\n', j->out);
}

void json_bytes(json *j, const char *key, const char *text, size_t n)
{
    write_lead(j, key);
    write_string(j->out, text, n);
}

void json_string(json *j, const char *key, const char *text)
{
    json_bytes(j, key, text, strlen(text));
}

void json_int(json *j, const char *key, int64_t value)
{
    write_lead(j, key);
    fprintf(j->out, "%" PRId64, value);
}

void json_number(json *j, const char *key, double value)
{
    write_lead(j, key);
    if (!isfinite(value)) {
        fputs("null", j->out);
        return;
    }
    char text[32];
    int digits = 6; /* as few as give the number back */
    do
        snprintf(text, sizeof text, "%.*g", digits++, value);
    while (digits <= 17 && strtod(text, NULL) != value);
    fputs(text, j->out);
}

void json_bool(json *j, const char *key, bool value)
{
    write_lead(j, key);
    fputs(value ? "true" : "false", j->out);
}
