/* SPDX-License-Identifier: MIT */
/* UTF-8 and the classes of code points. */
#include "test.h"
#include "text/unicode.h"
#include "text/utf8.h"

static void check_every_code_point(void)
{
    for (uint32_t code = 0; code <= SK_UNICODE_LAST; code++) {
        if (code >= 0xD800 && code <= 0xDFFF)
            continue;
        uint8_t bytes[SK_UTF8_MAX];
        uint32_t n = sk_utf8_write(bytes, code), back = 0;
        bool same = sk_utf8_read(bytes, bytes + n, &back) == n && back == code &&
                    sk_utf8_announced(bytes[0]) == n && sk_utf8_whole(bytes, n) == n;
        for (uint32_t cut = 1; cut < n; cut++)
            same = same && sk_utf8_whole(bytes, cut) == 0 &&
                   sk_utf8_read(bytes, bytes + cut, &back) == 1 && back == SK_UNICODE_BAD;
        CHECKF(same, "U+%x", code);
    }
}

static void check_bad(const char *bytes, uint64_t n_bad, uint64_t whole)
{
    uint64_t n = strlen(bytes);
    CHECK_INT(sk_utf8_count_bad((const uint8_t *)bytes, n), n_bad);
    CHECK_INT(sk_utf8_whole((const uint8_t *)bytes, n), whole);
}

static void check_bad_bytes(void)
{
    check_bad("\xC0\x80", 2, 2);         /* overlong */
    check_bad("\xE0\x80\x80", 3, 3);     /* overlong */
    check_bad("\xED\xA0\x80", 3, 3);     /* a surrogate */
    check_bad("\xF4\x90\x80\x80", 4, 4); /* beyond the last */
    check_bad("\xF5\x80\x80\x80", 4, 4);
    check_bad("\x80", 1, 1);
    check_bad("\xE2\x82", 2, 0); /* may yet become a euro sign */
    check_bad("a\xE2\x82", 2, 1);
    check_bad("\xE2\x82x", 2, 3);
    check_bad("\xE2\xE2", 2, 1);
    check_bad("\xF0\x9F\x98", 3, 0);
    check_bad("\xF0\x9F\x98\x80", 0, 4);
    check_bad("\xF0\x8F\x98", 3, 3); /* overlong already */
    check_bad("\xED\xA0", 2, 2);
}

/* How many code points each class has in Unicode 15.1 (DerivedGeneralCategory, PropList). */
static void check_classes(void)
{
    static const struct {
        uint32_t mask, n;
    } wanted[] = {{SK_UC_LU, 1831},   {SK_UC_LL, 2233},  {SK_UC_LT, 31},   {SK_UC_LM, 397},
                  {SK_UC_LO, 132234}, {SK_UC_L, 136726}, {SK_UC_M, 2450},  {SK_UC_ND, 680},
                  {SK_UC_NL, 236},    {SK_UC_N, 1831},   {SK_UC_PC, 10},   {SK_UC_P, 842},
                  {SK_UC_S, 7775},    {SK_UC_Z, 19},     {SK_UC_SPACE, 25}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        uint32_t n = 0;
        for (uint32_t code = 0; code <= SK_UNICODE_LAST; code++)
            n += (sk_unicode_class(code) & wanted[i].mask) != 0;
        CHECKF(n == wanted[i].n, "class %x: %u code points, wanted %u", wanted[i].mask, n,
               wanted[i].n);
    }
    CHECK(sk_unicode_class('a') == SK_UC_LL);
    CHECK(sk_unicode_class('A') == SK_UC_LU);
    CHECK(sk_unicode_class('7') == SK_UC_ND);
    CHECK(sk_unicode_class('_') == SK_UC_PC);
    CHECK(sk_unicode_class(0x2EBF0) == SK_UC_LO); /* new in 15.1 */
    CHECK(sk_unicode_class(0x378) == SK_UC_CN);
    CHECK(sk_unicode_class(UINT32_MAX) == SK_UC_CN);
}

int main(void)
{
    check_every_code_point();
    check_bad_bytes();
    check_classes();
    return test_end();
}
