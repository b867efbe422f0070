/* SPDX-License-Identifier: MIT */
/* Reading of the option logit_bias. */
#include "base/portable.h"

#include "heap.h"
#include "sample/bias.h"

#include <math.h>

static sk_error error;

static int32_t parse(sk_heap *heap, const char *text, sk_bias **list, uint64_t *n)
{
    memset(&error, 0, sizeof error);
    return sk_bias_parse(list, n, heap, text, strlen(text), 1000, &error);
}

static void check_good(const char *text, const sk_bias *wanted, uint64_t n_wanted)
{
    test_memory memory;
    sk_heap heap;
    test_heap(&heap, &memory, -1);
    sk_bias *list;
    uint64_t n;
    int32_t status = parse(&heap, text, &list, &n);
    CHECKF(status == SKALD_OK && n == n_wanted, "\"%s\": %d, %d entries, %.200s", text, (int)status,
           (int)n, error.text);
    for (uint64_t i = 0; status == SKALD_OK && i < n && i < n_wanted; i++)
        CHECKF(list[i].id == wanted[i].id && list[i].bias == wanted[i].bias, "\"%s\" entry %d",
               text, (int)i);
    sk_free(&heap, list);
    CHECK_INT(memory.live, 0);
}

/* The sentence holds the offending piece. */
static void check_bad(const char *text, const char *piece)
{
    test_memory memory;
    sk_heap heap;
    test_heap(&heap, &memory, -1);
    sk_bias *list = (sk_bias *)(void *)&heap;
    uint64_t n = 9;
    CHECKF(parse(&heap, text, &list, &n) == SKALD_E_OPTION, "\"%s\" was taken", text);
    CHECKF(strstr(error.text, piece), "\"%s\" gives: %.200s", text, error.text);
    CHECK(list == NULL && n == 0);
    CHECK_INT(memory.live, 0);
}

static void check_texts(void)
{
    check_good("", NULL, 0);
    check_good("  ", NULL, 0);
    check_good("5:1.5", (sk_bias[]){{5, 1.5f}}, 1);
    check_good("0:-inf,999:+1.5", (sk_bias[]){{0, -INFINITY}, {999, 1.5f}}, 2);
    check_good("7:-2e1, 3 : 0.25 ,5:0", (sk_bias[]){{3, 0.25f}, {5, 0}, {7, -20}}, 3);
    check_bad("5", "\"5\"");
    check_bad("1:1,,2:2", "\"\"");
    check_bad("1:1,", "\"\"");
    check_bad(",", "\"\"");
    check_bad(":", "\":\"");
    check_bad("x:1", "\"x:1\"");
    check_bad("1:1,2:", "\"2:\"");
    check_bad("1:1,2:abc,3:1", "\"2:abc\"");
    check_bad("2:inf", "\"2:inf\"");
    check_bad("2:+inf", "\"2:+inf\"");
    check_bad("2:nan", "\"2:nan\"");
    check_bad("2:1e39", "\"2:1e39\"");
    check_bad("2:+-1", "\"2:+-1\"");
    check_bad("2:1:1", "\"2:1:1\"");
    check_bad("1000:1", "\"1000:1\" names a token outside");
    check_bad("-1:1", "\"-1:1\"");
    check_bad("99999999999999999999:1", "\"99999999999999999999:1\"");
    check_bad("4294967297:1", "\"4294967297:1\"");
    check_bad("1:1,2:1,1:2", "token 1 is listed twice");
}

/* 1000 pieces in a jumbled order come out sorted. */
static void check_sorted(void)
{
    char text[16000];
    int n_text = 0;
    for (int i = 0; i < 1000; i++)
        n_text += snprintf(text + n_text, sizeof text - (size_t)n_text, "%s%d:%d", i ? "," : "",
                           i * 377 % 1000, i * 377 % 1000 - 500);
    test_memory memory;
    sk_heap heap;
    test_heap(&heap, &memory, -1);
    sk_bias *list;
    uint64_t n;
    CHECK(parse(&heap, text, &list, &n) == SKALD_OK);
    CHECK_INT(n, 1000);
    for (int i = 0; i < 1000 && n == 1000; i++)
        CHECK(list[i].id == i && list[i].bias == (float)(i - 500));
    sk_free(&heap, list);
}

static void check_memory(void)
{
    test_memory memory;
    sk_heap heap;
    sk_bias *list;
    uint64_t n;
    test_heap(&heap, &memory, 0);
    CHECK_INT(parse(&heap, "1:1", &list, &n), SKALD_E_MEMORY);
    CHECK(!list && n == 0);
}

int main(void)
{
    check_texts();
    check_sorted();
    check_memory();
    return test_end();
}
