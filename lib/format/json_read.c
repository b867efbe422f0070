/* SPDX-License-Identifier: MIT */
/*
 * The reader. A container that is not closed yet keeps its members on one stack of pending members,
 * which its own nested containers use above them and leave again; closing copies them to the arena,
 * exactly as many as there are. Memory is linear in the text, and so is time: names are made
 * unique by a hash map when an object is closed.
 */
#include "base/portable.h"
#include "json.h"
#include "base/strmap.h"

#include <string.h>

typedef struct json_frame {
    uint64_t first; /* its first pending member */
    bool object;
} json_frame;

typedef struct json_reader {
    const uint8_t *start, *p, *end;
    sk_arena *arena;
    sk_error *error;
    sk_json_member *pending; /* owned */
    uint64_t n_pending, capacity;
    uint64_t depth;
    json_frame frames[SK_JSON_DEPTH];
} json_reader;

static int32_t json_fail(const json_reader *r, const char *what)
{
    return sk_fail(r->error, SKALD_E_CORRUPT, "JSON, byte %llu: %s",
                   (unsigned long long)(r->p - r->start), what);
}

static void json_skip_space(json_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

/* The next byte that is no white space, or -1; not taken. */
static int json_peek(json_reader *r)
{
    json_skip_space(r);
    return r->p < r->end ? *r->p : -1;
}

/* ---- strings ------------------------------------------------------------------------------ */

/* Length of the well-formed UTF-8 sequence at p, or 0 (table 3-7 of the Unicode standard). */
static uint32_t json_utf8(const uint8_t *p, const uint8_t *end)
{
    uint8_t lead = p[0], low = 0x80, high = 0xBF;
    if (lead < 0x80)
        return 1;
    uint32_t n = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : 4;
    if (lead < 0xC2 || lead > 0xF4 || (uint64_t)(end - p) < n)
        return 0;
    if (lead == 0xE0)
        low = 0xA0;
    if (lead == 0xED)
        high = 0x9F;
    if (lead == 0xF0)
        low = 0x90;
    if (lead == 0xF4)
        high = 0x8F;
    if (p[1] < low || p[1] > high)
        return 0;
    for (uint32_t i = 2; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

static char *json_put_code(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xE0 | code >> 12);
        } else {
            *out++ = (char)(0xF0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 63));
        }
        *out++ = (char)(0x80 | (code >> 6 & 63));
    }
    *out++ = (char)(0x80 | (code & 63));
    return out;
}

/* The four digits behind \u, or -1. */
static int32_t json_hex4(const uint8_t *p, const uint8_t *end)
{
    int32_t code = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i], lower = (uint8_t)(c | 32);
        int32_t digit = c >= '0' && c <= '9'           ? c - '0'
                        : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                       : -1;
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

/* \uXXXX, and its second half where it is the first of a pair. At the 'u'. */
static int32_t json_unicode(json_reader *r, char **out)
{
    int32_t code = json_hex4(r->p + 1, r->end);
    if (code < 0)
        return json_fail(r, "\\u wants four hexadecimal digits");
    r->p += 5;
    if (code >= 0xD800 && code <= 0xDBFF && r->end - r->p >= 6 && r->p[0] == '\\' &&
        r->p[1] == 'u') {
        int32_t low = json_hex4(r->p + 2, r->end);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            r->p += 6;
        }
    }
    if (code >= 0xD800 && code <= 0xDFFF)
        code = 0xFFFD;
    *out = json_put_code(*out, (uint32_t)code);
    return SKALD_OK;
}

static int32_t json_escape(json_reader *r, char **out)
{
    static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
    r->p++; /* the backslash */
    if (r->p < r->end && *r->p == 'u')
        return json_unicode(r, out);
    const char *name = r->p < r->end && *r->p ? strchr(names, *r->p) : NULL;
    if (!name)
        return json_fail(r, "not an escape");
    *(*out)++ = codes[name - names];
    r->p++;
    return SKALD_OK;
}

/* The closing quote of the string whose first byte is at p; NULL if there is none. */
static const uint8_t *json_string_end(const uint8_t *p, const uint8_t *end)
{
    for (; p < end; p++) {
        if (*p == '"')
            return p;
        if (*p == '\\' && ++p == end)
            break;
    }
    return NULL;
}

static int32_t json_string(json_reader *r, sk_json *out)
{
    r->p++; /* the quote */
    const uint8_t *end = json_string_end(r->p, r->end);
    if (!end)
        return json_fail(r, "the string does not end");
    /* No escape is shorter than what it stands for. */
    char *text = sk_arena_alloc(r->arena, (uint64_t)(end - r->p), "JSON text", r->error),
         *to = text;
    if (!text)
        return SKALD_E_MEMORY;
    while (*r->p != '"') {
        if (*r->p == '\\') {
            int32_t status = json_escape(r, &to);
            if (status < 0)
                return status;
            continue;
        }
        uint32_t n = json_utf8(r->p, r->end);
        if (n == 0 || *r->p < 0x20)
            return json_fail(r, n == 0 ? "not UTF-8" : "a control character in a string");
        memcpy(to, r->p, n);
        to += n;
        r->p += n;
    }
    r->p++;
    *out = (sk_json){.kind = SK_JSON_STRING, .n = (uint64_t)(to - text), .as.text = text};
    return SKALD_OK;
}

/* ---- numbers ------------------------------------------------------------------------------ */

static bool json_digit(const json_reader *r)
{
    return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

/* At least one digit. */
static bool json_digits(json_reader *r)
{
    if (!json_digit(r))
        return false;
    while (json_digit(r))
        r->p++;
    return true;
}

static bool json_int64(const uint8_t *p, const uint8_t *end, int64_t *out)
{
    bool negative = *p == '-';
    uint64_t value = 0;
    for (p += negative; p < end; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* A number of any length as at most 64 bytes: 40 significant digits, one more that says whether
 * others followed (which is all that rounding asks of them), and the exponent. */
static uint64_t json_short_number(const uint8_t *p, const uint8_t *end, char *out)
{
    char *to = out;
    int64_t exponent = 0, given = 0;
    uint32_t n_digits = 0;
    bool fraction = false, sticky = false;
    if (*p == '-')
        *to++ = (char)*p++;
    for (; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        exponent -= fraction;
        if (n_digits == 0 && *p == '0')
            continue;
        if (n_digits < 40) {
            *to++ = (char)*p;
            n_digits++;
        } else {
            sticky |= *p != '0';
            exponent++;
        }
    }
    if (n_digits == 0)
        *to++ = '0';
    if (sticky) {
        *to++ = '1';
        exponent--;
    }
    if (p < end) {
        bool minus = p[1] == '-';
        for (p += p[1] == '-' || p[1] == '+' ? 2 : 1; p < end; p++)
            if (given < 1000000000000)
                given = given * 10 + (*p - '0');
        exponent += minus ? -given : given;
    }
    /* What is out of every double's range by far may as well be a little less far. */
    exponent = exponent > 99999 ? 99999 : exponent < -99999 ? -99999 : exponent;
    if (n_digits == 0)
        exponent = 0;
    return (uint64_t)(to - out) + sk_format(to, 16, "e%d", (int)exponent);
}

static int32_t json_number(json_reader *r, sk_json *out)
{
    const uint8_t *start = r->p;
    bool integral = true;
    if (*r->p == '-')
        r->p++;
    if (r->p < r->end && *r->p == '0')
        r->p++;
    else if (!json_digits(r))
        return json_fail(r, "not a value");
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        integral = false;
        if (!json_digits(r))
            return json_fail(r, "digits are wanted behind the point");
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        r->p++;
        integral = false;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        if (!json_digits(r))
            return json_fail(r, "digits are wanted in the exponent");
    }
    *out = (sk_json){.kind = SK_JSON_INT};
    if (integral && json_int64(start, r->p, &out->as.i))
        return SKALD_OK;
    char text[80];
    *out = (sk_json){.kind = SK_JSON_DOUBLE};
    if (!sk_parse_double(text, json_short_number(start, r->p, text), &out->as.d) ||
        out->as.d - out->as.d != 0)
        return json_fail(r, "the number is too large");
    return SKALD_OK;
}

/* ---- values ------------------------------------------------------------------------------- */

static int32_t json_word(json_reader *r, const char *word, sk_json value, sk_json *out)
{
    size_t n = strlen(word);
    if ((uint64_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return json_fail(r, "not a value");
    r->p += n;
    *out = value;
    return SKALD_OK;
}

static int32_t json_scalar(json_reader *r, sk_json *out)
{
    if (r->p >= r->end)
        return json_fail(r, "a value is wanted, the text ends");
    switch (*r->p) {
    case '"':
        return json_string(r, out);
    case 't':
        return json_word(r, "true", (sk_json){.kind = SK_JSON_BOOL, .as.truth = true}, out);
    case 'f':
        return json_word(r, "false", (sk_json){.kind = SK_JSON_BOOL}, out);
    case 'n':
        return json_word(r, "null", (sk_json){.kind = SK_JSON_NULL}, out);
    default:
        return json_number(r, out);
    }
}

/* Room for the next member of the innermost container, and its name. */
static int32_t json_begin_member(json_reader *r, bool object)
{
    void *block = r->pending;
    int32_t status = sk_grow(r->arena->heap, &block, &r->capacity, r->n_pending + 1,
                             sizeof *r->pending, "JSON values", r->error);
    r->pending = block;
    if (status < 0)
        return status;
    sk_json_member *member = &r->pending[r->n_pending++];
    memset(member, 0, sizeof *member);
    if (!object)
        return SKALD_OK;
    if (json_peek(r) != '"')
        return json_fail(r, "a name in quotes is wanted");
    status = json_string(r, &member->key);
    if (status < 0)
        return status;
    if (json_peek(r) != ':')
        return json_fail(r, "':' is wanted behind a name");
    r->p++;
    return SKALD_OK;
}

/* Keeps the first place and the last value of each name; returns how many are left. */
static int32_t json_unique(json_reader *r, sk_json_member *members, uint64_t *n)
{
    sk_strmap map;
    uint64_t kept = 0;
    int32_t status = sk_strmap_init(&map, r->arena->heap, *n, r->error);
    if (status < 0)
        return status;
    for (uint64_t i = 0; i < *n; i++) {
        uint32_t place;
        const sk_json *key = &members[i].key;
        if (sk_strmap_get(&map, key->as.text, key->n, &place)) {
            members[place].value = members[i].value;
            continue;
        }
        sk_strmap_put(&map, key->as.text, key->n, (uint32_t)kept, &place);
        members[kept++] = members[i];
    }
    sk_strmap_free(&map, r->arena->heap);
    *n = kept;
    return SKALD_OK;
}

/* The innermost container is complete. */
static int32_t json_close(json_reader *r, sk_json *out)
{
    json_frame frame = r->frames[--r->depth];
    sk_json_member *members = r->pending ? r->pending + frame.first : NULL;
    uint64_t n = r->n_pending - frame.first;
    r->n_pending = frame.first;
    r->p++;
    if (n > UINT32_MAX)
        return json_fail(r, "too many values");
    if (frame.object && n > 1) {
        int32_t status = json_unique(r, members, &n);
        if (status < 0)
            return status;
    }
    *out = (sk_json){.kind = frame.object ? SK_JSON_OBJECT : SK_JSON_ARRAY, .n = n};
    if (n == 0)
        return SKALD_OK;
    size_t size = frame.object ? sizeof(sk_json_member) : sizeof(sk_json);
    void *copy = sk_arena_array(r->arena, n, size, "JSON values", r->error);
    if (!copy)
        return SKALD_E_MEMORY;
    if (frame.object)
        memcpy(copy, members, n * size);
    else
        for (uint64_t i = 0; i < n; i++)
            ((sk_json *)copy)[i] = members[i].value;
    out->as.pointer = copy;
    return SKALD_OK;
}

/* At '[' or '{'. *complete: it was closed at once. */
static int32_t json_open(json_reader *r, sk_json *out, bool *complete)
{
    bool object = *r->p == '{';
    if (r->depth == SK_JSON_DEPTH)
        return json_fail(r, "more than 256 levels");
    r->p++;
    r->frames[r->depth++] = (json_frame){r->n_pending, object};
    *complete = json_peek(r) == (object ? '}' : ']');
    return *complete ? json_close(r, out) : json_begin_member(r, object);
}

/* A value is complete: puts it where it belongs and closes what ends behind it. *done: it was the
 * outermost; else the next value begins. */
static int32_t json_complete(json_reader *r, sk_json *value, bool *done)
{
    while (r->depth > 0) {
        bool object = r->frames[r->depth - 1].object;
        r->pending[r->n_pending - 1].value = *value;
        int c = json_peek(r);
        if (c == ',') {
            r->p++;
            return json_begin_member(r, object);
        }
        if (c != (object ? '}' : ']'))
            return json_fail(r, object ? "',' or '}' is wanted" : "',' or ']' is wanted");
        int32_t status = json_close(r, value);
        if (status < 0)
            return status;
    }
    *done = true;
    return SKALD_OK;
}

static int32_t json_document(json_reader *r, sk_json *out)
{
    sk_json value;
    for (bool done = false; !done;) {
        int c = json_peek(r);
        bool complete = true;
        int32_t status =
            c == '[' || c == '{' ? json_open(r, &value, &complete) : json_scalar(r, &value);
        if (status >= 0 && complete)
            status = json_complete(r, &value, &done);
        if (status < 0)
            return status;
    }
    if (json_peek(r) >= 0)
        return json_fail(r, "more text behind the value");
    *out = value;
    return SKALD_OK;
}

int32_t sk_json_read(sk_arena *arena, const char *text, uint64_t n, sk_json *out, sk_error *error)
{
    json_reader r = {.arena = arena, .error = error};
    r.start = r.p = (const uint8_t *)text;
    r.end = r.start + n;
    *out = (sk_json){.kind = SK_JSON_NULL};
    int32_t status = json_document(&r, out);
    sk_free(arena->heap, r.pending);
    return status;
}

const sk_json *sk_json_get(const sk_json *object, const char *name, uint64_t n)
{
    if (object->kind != SK_JSON_OBJECT)
        return NULL;
    for (uint64_t i = 0; i < object->n; i++) {
        const sk_json *key = &object->as.members[i].key;
        if (key->kind == SK_JSON_STRING && key->n == n && memcmp(key->as.text, name, n) == 0)
            return &object->as.members[i].value;
    }
    return NULL;
}
