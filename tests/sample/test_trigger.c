/* SPDX-License-Identifier: MIT */
/*
 * Where lazy grammars begin: by hand, and however the stream is cut; random literals against a
 * plain search; that a feed in which a trigger is complete changes nothing.
 */
#include "heap.h"
#include "sample/trigger.h"

static sk_heap heap;
static test_memory memory;
static sk_error error;

/* Feeds in pieces of up to `most`; what the grammar reads up to the end of the piece that completed
 * a trigger, cut to `n_all` bytes of the stream; -1: none did. */
static int found_at(sk_triggers *t, const char *stream, size_t most, uint64_t *random)
{
    size_t n = strlen(stream);
    CHECK_INT(sk_triggers_reset(t, &error), SKALD_OK);
    for (size_t i = 0; i < n;) {
        const char *text;
        uint64_t n_text;
        size_t piece = 1 + test_random(random) % most;
        piece = piece < n - i ? piece : n - i;
        for (int twice = 0; twice < 2; twice++) {
            CHECK_INT(sk_triggers_feed(t, stream + i, piece, &text, &n_text, &error), SKALD_OK);
            if (!text)
                break;
            CHECK(n_text <= i + piece && memcmp(text, stream + i + piece - n_text, n_text) == 0);
        }
        i += piece;
        if (text)
            return (int)(i - n_text);
    }
    return -1;
}

static void check_table(void)
{
    static const struct {
        const char *text, *regex, *stream;
        int wanted; /* where the grammar begins */
    } rows[] = {
        {"<tool>", "", "abc<tool>{}", 3},
        {"<tool>", "", "abc<tool", -1},
        {"aab", "", "aaaab", 2},
        {"", "x+", "abxxx", 2},
        {"", "</think>\\s*(\\{)", "<think>a</think> \n{1", 18},
        {"", "</think>()", "no</think>{", 10},
        {"", "^\\s*(\\{)", "  {", 2},
        {"", "^\\s*(\\{)", "a {", -1},
        {"", "a[(]b(c)d", "xa(bcd", 4},
        {"", "(?:a|b)(c)", "xbc", 2},
        {"", "[a-z]+:(.)", "key:v", 4},
        {"", "(a|b)c", "abc", 1},
        {"ne", "o(n)e", "one", 1},
        {"\xE4\xB8\x96", "", "a\xE4\xB8\x96z", 1},
        {"", "", "abc", -1},
    };
    uint64_t random = 4;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = (char *)(uintptr_t)rows[i].text, *regex = (char *)(uintptr_t)rows[i].regex;
        sk_triggers *t;
        int32_t status =
            sk_triggers_new(&t, test_heap(&heap, &memory, -1), &text, 1, &regex, 1, &error);
        CHECKF(status == SKALD_OK, "%s", error.text);
        CHECK(t || (!*text && !*regex));
        for (size_t most = 1; t && most < 12; most++) {
            int found = found_at(t, rows[i].stream, most, &random);
            CHECKF(found == rows[i].wanted, "%s %s in %s, pieces of %zu: %d, wanted %d", text,
                   regex, rows[i].stream, most, found, rows[i].wanted);
        }
        sk_triggers_free(t);
        CHECK_INT(memory.live, 0);
    }
}

static void check_refused(void)
{
    static const char *const bad[] = {"a|b(c)", "^a|b", "(a", "a(b)\\1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *regex = (char *)(uintptr_t)bad[i];
        sk_triggers *t;
        CHECKF(sk_triggers_new(&t, test_heap(&heap, &memory, -1), NULL, 0, &regex, 1, &error) ==
                   SKALD_E_OPTION,
               "%s", bad[i]);
        CHECK(!t && error.text[0]);
        CHECK_INT(memory.live, 0);
    }
}

/* The text that ends first, and of those that end there the longest. */
static int plain_find(char *const *texts, int n_texts, const char *stream)
{
    for (size_t end = 1; end <= strlen(stream); end++) {
        size_t longest = 0;
        for (int i = 0; i < n_texts; i++) {
            size_t n = strlen(texts[i]);
            if (n > longest && n <= end && memcmp(stream + end - n, texts[i], n) == 0)
                longest = n;
        }
        if (longest > 0)
            return (int)(end - longest);
    }
    return -1;
}

static void check_random(void)
{
    uint64_t random = 9;
    int n_found = 0;
    for (int round = 0; round < 2000; round++) {
        char text[3][6], stream[40], *texts[3];
        int n_texts = 1 + (int)(test_random(&random) % 3);
        for (int i = 0; i < n_texts; i++) {
            size_t n = 1 + test_random(&random) % 5;
            for (size_t k = 0; k < n; k++)
                text[i][k] = (char)('a' + test_random(&random) % 2);
            text[i][n] = 0;
            texts[i] = text[i];
        }
        size_t n = 1 + test_random(&random) % 38;
        for (size_t k = 0; k < n; k++)
            stream[k] = (char)('a' + test_random(&random) % 3);
        stream[n] = 0;
        sk_triggers *t;
        CHECK_INT(sk_triggers_new(&t, test_heap(&heap, &memory, -1), texts, (uint64_t)n_texts, NULL,
                                  0, &error),
                  SKALD_OK);
        int wanted = plain_find(texts, n_texts, stream), found = found_at(t, stream, 7, &random);
        CHECKF(found == wanted, "%s in %s: %d, wanted %d", text[0], stream, found, wanted);
        n_found += found >= 0;
        sk_triggers_free(t);
        CHECK_INT(memory.live, 0);
    }
    CHECK(n_found > 200 && n_found < 1900);
}

int main(void)
{
    check_table();
    check_refused();
    check_random();
    return test_end();
}
