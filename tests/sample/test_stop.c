/* SPDX-License-Identifier: MIT */
/* The stop matcher against a search written plainly, for every way to cut a stream. */
#include "base/portable.h"

#include "heap.h"
#include "sample/stop.h"

enum { MAX_STOPS = 6, MAX_TEXT = 64 };

typedef struct stop_case {
    const char *strings[MAX_STOPS];
    char room[MAX_STOPS][8];
    uint64_t n;
    char text[MAX_TEXT];
    uint64_t n_text;
} stop_case;

/* By definition: the first end at which a string ends, the longest that ends there; and otherwise
 * the longest end of the text that a string begins with. */
static sk_stop_result plain_stop(const stop_case *c)
{
    sk_stop_result r = {-1, c->n_text, 0};
    for (uint64_t end = 1; end <= c->n_text; end++) {
        for (uint64_t i = 0; i < c->n; i++) {
            uint64_t n = strlen(c->strings[i]);
            if (n && n <= end && n > r.n_held && memcmp(c->text + end - n, c->strings[i], n) == 0)
                r = (sk_stop_result){(int64_t)i, end, n};
        }
        if (r.stop >= 0)
            return r;
    }
    for (uint64_t i = 0; i < c->n; i++)
        for (uint64_t k = 1; k < strlen(c->strings[i]) && k <= c->n_text; k++)
            if (k > r.n_held && memcmp(c->text + c->n_text - k, c->strings[i], k) == 0)
                r.n_held = k;
    return r;
}

/* Feeds the text in pieces of `sizes` in turn; also checks that what was once let go stays so. */
static sk_stop_result fed_stop(sk_stops *stops, const stop_case *c, const uint64_t *sizes,
                               uint64_t n_sizes)
{
    sk_stop_result r = {-1, 0, 0};
    uint64_t at = 0, shown = 0;
    sk_stops_reset(stops);
    for (uint64_t i = 0; at < c->n_text && r.stop < 0; i++) {
        uint64_t n = sizes[i % n_sizes] < c->n_text - at ? sizes[i % n_sizes] : c->n_text - at;
        r = sk_stops_feed(stops, c->text + at, n);
        CHECK(r.n_used <= n && (r.stop >= 0 || r.n_used == n));
        at += r.n_used;
        CHECK(r.n_held <= at && r.n_held <= sk_stops_longest(stops));
        CHECKF(at - r.n_held >= shown, "text was let go that had to be held");
        shown = at - r.n_held;
    }
    r.n_used = at;
    return r;
}

static bool same(sk_stop_result a, sk_stop_result b)
{
    return a.stop == b.stop && a.n_used == b.n_used && a.n_held == b.n_held;
}

static void check_case(const stop_case *c, uint64_t *random)
{
    test_memory memory;
    sk_heap heap;
    sk_stops *stops;
    test_heap(&heap, &memory, -1);
    CHECK_INT(sk_stops_new(&stops, &heap, c->strings, c->n, NULL), SKALD_OK);
    int64_t calls = memory.calls;
    sk_stop_result wanted = plain_stop(c);
    for (int cut = 0; cut < 6; cut++) {
        uint64_t sizes[3] = {1, 1, 1};
        for (int i = 0; cut > 0 && i < 3; i++)
            sizes[i] = cut == 1 ? MAX_TEXT : test_random(random) % 4 + (i == 0);
        sk_stop_result found = fed_stop(stops, c, sizes, 3);
        CHECKF(same(found, wanted), "text \"%.*s\" stop \"%s\": %d %d %d, wanted %d %d %d",
               (int)c->n_text, c->text, c->n ? c->strings[0] : "", (int)found.stop,
               (int)found.n_used, (int)found.n_held, (int)wanted.stop, (int)wanted.n_used,
               (int)wanted.n_held);
    }
    CHECK_INT(memory.calls, calls);
    sk_stops_free(stops);
    CHECK_INT(memory.live, 0);
}

static void check_random(void)
{
    uint64_t random = 5, n_found = 0;
    for (int i = 0; i < 4000; i++) {
        stop_case c = {.n = test_random(&random) % MAX_STOPS,
                       .n_text = test_random(&random) % MAX_TEXT};
        uint64_t letters = 2 + test_random(&random) % 2;
        for (uint64_t k = 0; k < c.n; k++) {
            uint64_t n = test_random(&random) % 8;
            for (uint64_t j = 0; j < n; j++)
                c.room[k][j] = (char)('a' + (int)(test_random(&random) % letters));
            c.strings[k] = c.room[k];
        }
        for (uint64_t k = 0; k < c.n_text; k++)
            c.text[k] = (char)('a' + (int)(test_random(&random) % letters));
        n_found += plain_stop(&c).stop >= 0;
        check_case(&c, &random);
    }
    CHECKF(n_found > 500 && n_found < 3500, "%d texts of 4000 stop", (int)n_found);
}

static void check_one(const char *text, const char *a, const char *b, sk_stop_result wanted)
{
    stop_case c = {.strings = {a, b}, .n = 2, .n_text = strlen(text)};
    memcpy(c.text, text, c.n_text);
    uint64_t random = 1;
    CHECKF(same(plain_stop(&c), wanted), "\"%s\"", text);
    check_case(&c, &random);
}

static void check_known(void)
{
    check_one("Hello\nUser", "\nUser:", "###", (sk_stop_result){-1, 10, 5});
    check_one("Hello\nUser: x", "\nUser:", "###", (sk_stop_result){0, 11, 6});
    check_one("a##", "\nUser:", "###", (sk_stop_result){-1, 3, 2});
    check_one("a##b", "\nUser:", "###", (sk_stop_result){-1, 4, 0});
    check_one("aaab", "aab", "", (sk_stop_result){0, 4, 3});
    check_one("xab", "ab", "xab", (sk_stop_result){1, 3, 3});
    check_one("abcd", "c", "bcd", (sk_stop_result){0, 3, 1});
    check_one("caf\xc3\xa9", "\xc3\xa9", "z", (sk_stop_result){0, 5, 2});
    check_one("caf\xc3", "\xc3\xa9", "z", (sk_stop_result){-1, 4, 1});
}

/* The state follows from the last longest - 1 bytes: as the header says, to go back, feed these. */
static void check_rewind(void)
{
    const char *strings[] = {"abab", "bb"};
    test_memory memory;
    sk_heap heap;
    sk_stops *stops;
    test_heap(&heap, &memory, -1);
    CHECK_INT(sk_stops_new(&stops, &heap, strings, 2, NULL), SKALD_OK);
    CHECK_INT(sk_stops_longest(stops), 4);
    CHECK_INT(sk_stops_feed(stops, "xxaba", 5).n_held, 3);
    sk_stops_reset(stops);
    CHECK_INT(sk_stops_feed(stops, "aba", 3).n_held, 3);
    CHECK_INT(sk_stops_feed(stops, "b", 1).stop, 0);
    sk_stops_free(stops);
}

static void check_memory(void)
{
    const char *strings[] = {"one", "two"};
    test_memory memory;
    sk_heap heap;
    sk_stops *stops;
    int32_t status = SKALD_E_MEMORY;
    int64_t k = 0;
    for (; status == SKALD_E_MEMORY && k < 100; k++) {
        status = sk_stops_new(&stops, test_heap(&heap, &memory, k), strings, 2, NULL);
        CHECK(status == SKALD_OK || stops == NULL);
        sk_stops_free(stops);
        CHECK_INT(memory.live, 0);
    }
    CHECK_INT(status, SKALD_OK);
    CHECK(k > 2);
    sk_stops_free(NULL);
}

int main(void)
{
    check_known();
    check_random();
    check_rewind();
    check_memory();
    return test_end();
}
