/* SPDX-License-Identifier: MIT */
/* Messages and numbers as text: against printf where it agrees, and under an odd locale. */
#include "test.h"

#include "base/status.h"

#include <locale.h>
#include <math.h>

static void check_format(void)
{
    char out[64];
    CHECK_INT(
        sk_format(out, sizeof out, "%s %.*s|%d %u %x %c%%", "abc", 2, "xyz", -7, 8u, 255u, 'q'),
        17);
    CHECK_STR(out, "abc xy|-7 8 ff q%");
    sk_format(out, sizeof out, "%lld %llu %zu %ld", (long long)INT64_MIN,
              (unsigned long long)UINT64_MAX, (size_t)12, -3L);
    CHECK_STR(out, "-9223372036854775808 18446744073709551615 12 -3");
    CHECK_INT(sk_format(out, 4, "%s", "abcdef"), 6);
    CHECK_STR(out, "abc");
    /* Text from files: control bytes and broken UTF-8 become '?', good UTF-8 stays. */
    sk_format(out, sizeof out, "%s", "a\x01\x1b[31m\xff\xc3\xa9\xc3\xed\xa0\x80z");
    CHECK_STR(out, "a??[31m?\xc3\xa9????z");
    /* A code point is never cut. */
    sk_format(out, 4, "%s", "ab\xc3\xa9");
    CHECK_STR(out, "ab");
    CHECK_INT(sk_format(NULL, 0, "%s", "abc"), 3);
}

static void check_doubles(void)
{
    char out[64];
    double back;
    uint64_t state = 42;
    static const double some[] = {0,
                                  1,
                                  -1,
                                  0.1,
                                  1e-5,
                                  123456789,
                                  1e21,
                                  5e-324,
                                  1e308,
                                  3.1415926535897931,
                                  0.30000000000000004,
                                  1e22,
                                  -2.5e-7};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        size_t n = sk_format_double(out, some[i]);
        CHECKF(sk_parse_double(out, n, &back) && back == some[i], "%s", out);
    }
    for (int i = 0; i < 2000; i++) {
        uint64_t bits = test_random(&state);
        double value;
        memcpy(&value, &bits, 8);
        if (!isfinite(value))
            continue;
        size_t n = sk_format_double(out, value);
        CHECKF(sk_parse_double(out, n, &back) && back == value, "%s", out);
    }
    sk_format_double(out, 0.7);
    CHECK_STR(out, "0.7");
    sk_format_double(out, INFINITY);
    CHECK_STR(out, "inf");
    CHECK(!sk_parse_double("", 0, &back) && !sk_parse_double("1x", 2, &back));
    CHECK(!sk_parse_double("0x10", 4, &back) && !sk_parse_double("1 ", 2, &back));
    CHECK(!sk_parse_double("1,5", 3, &back));
    CHECK(sk_parse_double("-inf", 4, &back) && back == -INFINITY);
}

int main(void)
{
    sk_error error = {0, ""};
    check_format();
    check_doubles();
    if (setlocale(LC_ALL, "de_DE.UTF-8") || setlocale(LC_ALL, "de_DE.utf8"))
        check_doubles();
    CHECK_INT(sk_fail(&error, SKALD_E_IO, "tensor %s", "x"), SKALD_E_IO);
    CHECK_INT(error.code, SKALD_E_IO);
    CHECK_STR(error.text, "tensor x");
    CHECK_INT(sk_fail(NULL, SKALD_E_IO, "nobody listens"), SKALD_E_IO);
    sk_error_publish(&error);
    CHECK_STR(sk_error_last(), "tensor x");
    CHECK_STR(sk_status_name(SKALD_E_MEMORY), "SKALD_E_MEMORY");
    CHECK_STR(sk_status_name(-999), "?");
    return test_end();
}
