/* SPDX-License-Identifier: MIT */
/* The tool's JSON writer: whatever goes in, what comes out is JSON. */
#include "../../examples/skald/json.h"
#include "test.h"

#include <math.h>

/* What `write` prints, without the newline. Static buffer. */
static const char *written(void (*write)(json *))
{
    static char text[512];
    json j;
    FILE *file = tmpfile();
    if (!file)
        return "no file";
    json_begin(&j, file);
    write(&j);
    size_t n = (size_t)ftell(file);
    rewind(file);
    n = fread(text, 1, n < sizeof text ? n : sizeof text - 1, file);
    text[n] = 0;
    fclose(file);
    return text;
}

static const char *string_in;
static size_t string_n;

static void write_one(json *j)
{
    json_bytes(j, NULL, string_in, string_n);
}

static void check_string(const char *text, size_t n, const char *wanted)
{
    string_in = text;
    string_n = n;
    CHECK_STR(written(write_one), wanted);
}

#define STRING(text, wanted) check_string(text, sizeof(text) - 1, wanted)

static void write_nested(json *j)
{
    json_open(j, NULL, '{', true);
    json_int(j, "a", -9223372036854775807 - 1);
    json_open(j, "b\"", '[', false);
    json_number(j, NULL, 0.1);
    json_number(j, NULL, 1e300);
    json_number(j, NULL, -0.0);
    json_number(j, NULL, (double)NAN);
    json_number(j, NULL, (double)INFINITY);
    json_bool(j, NULL, true);
    json_close(j);
    json_open(j, "c", '{', true);
    json_close(j);
    json_close(j);
}

int main(void)
{
    STRING("", "\"\"");
    STRING("plain", "\"plain\"");
    STRING("\"\\/\b\f\n\r\t", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    STRING("a\0b\x01\x1F\x7F", "\"a\\u0000b\\u0001\\u001f\\u007f\"");
    STRING("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
    STRING("\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF",
           "\"\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF\"");
    STRING("\x80", "\"\\ufffd\"");
    STRING("\xFF\xFE", "\"\\ufffd\\ufffd\"");
    STRING("\xC0\x80", "\"\\ufffd\\ufffd\"");                       /* overlong */
    STRING("\xE0\x9F\xBF", "\"\\ufffd\\ufffd\\ufffd\"");            /* overlong */
    STRING("\xED\xA0\x80", "\"\\ufffd\\ufffd\\ufffd\"");            /* a surrogate */
    STRING("\xF4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""); /* above U+10FFFF */
    STRING("\xE2\x82", "\"\\ufffd\"");                              /* cut off */
    STRING("\xE2\x82x", "\"\\ufffdx\"");
    STRING("\xF0\x9F\x98\xF0\x9F\x98\x80", "\"\\ufffd\xF0\x9F\x98\x80\"");
    CHECK_STR(written(write_nested), "{\n"
                                     "  \"a\": -9223372036854775808,\n"
                                     "  \"b\\\"\": [0.1, 1e+300, -0, null, null, "
                                     "true],\n"
                                     "  \"c\": {}\n"
                                     "}\n");
    return test_end();
}
