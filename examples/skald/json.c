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

/* The length of the UTF-8 sequence at `s`; if it is not a whole, valid one, `*valid` is false and
 * the length is that of its longest beginning that some valid one has, as Unicode advises. */
static size_t sequence_length(const unsigned char *s, size_t n, bool *valid)
{
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4, i = 1;
    unsigned char least = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80; /* not overlong */
    unsigned char most = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;  /* a code point */
    *valid = s[0] < 0x80 || (s[0] >= 0xC2 && s[0] <= 0xF4);
    if (!*valid)
        return 1;
    for (; i < length && i < n && s[i] >= least && s[i] <= most; i++) {
        least = 0x80;
        most = 0xBF;
    }
    *valid = i == length;
    return i;
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
        bool valid;
        size_t length = sequence_length(s + i, n - i, &valid);
        if (!valid)
            fputs("\\ufffd", out);
        else if (length == 1)
            write_char(out, s[i]);
        else
            fwrite(s + i, 1, length, out);
        i += length;
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
