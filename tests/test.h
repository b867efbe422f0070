/* SPDX-License-Identifier: MIT */
/*
 * The tests' few words. A test program calls CHECK and friends, and returns test_end(): 0 when all
 * held, 1 when one did not, 77 (meson: skipped) when test_skip was called and nothing failed.
 */
#ifndef SK_TEST_H
#define SK_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wformat-truncation" /* messages may be cut */
#endif

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic(int) test_checks, test_failures, test_skips; /* tests may have threads */

#define CHECK(condition) test_check((condition) ? 1 : 0, __FILE__, __LINE__, #condition, NULL)

/* The same with a line of printf text that says which case it was. */
#define CHECKF(condition, ...) \
    do { \
        char test_text[512]; \
        snprintf(test_text, sizeof test_text, __VA_ARGS__); \
        test_check((condition) ? 1 : 0, __FILE__, __LINE__, #condition, test_text); \
    } while (0)

#define CHECK_INT(found, wanted) \
    do { \
        long long test_f = (long long)(found), test_w = (long long)(wanted); \
        CHECKF(test_f == test_w, "%s is %lld, wanted %lld", #found, test_f, test_w); \
    } while (0)

#define CHECK_STR(found, wanted) \
    do { \
        const char *test_f = (found), *test_w = (wanted); \
        CHECKF(strcmp(test_f, test_w) == 0, "%s is \"%s\", wanted \"%s\"", #found, test_f, \
               test_w); \
    } while (0)

static inline void test_check(int holds, const char *file, int line, const char *condition,
                              const char *text)
{
    test_checks++;
    if (holds)
        return;
    test_failures++;
    if (test_failures <= 20)
        fprintf(stderr, "%s:%d: %s%s%s\n", file, line, condition, text ? ": " : "",
                text ? text : "");
}

static inline void test_skip(const char *why)
{
    test_skips++;
    printf("skipped: %s\n", why);
}

static inline int test_end(void)
{
    printf("%d checks, %d failed\n", test_checks, test_failures);
    if (test_failures)
        return 1;
    if (test_checks == 0 && test_skips == 0)
        fprintf(stderr, "nothing was checked\n");
    return test_checks ? 0 : test_skips ? 77 : 1;
}

/* A path below the large shared test files, or NULL when that folder is absent. Static buffer. */
static inline const char *test_shared(const char *name)
{
    static char path[1024];
    const char *root = getenv("SKALD_SHARED");
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    fclose(f);
    return path;
}

/* A path below tests/. Static buffer. */
static inline const char *test_data(const char *name)
{
    static char path[1024];
    const char *root = getenv("SKALD_TESTS");
    snprintf(path, sizeof path, "%s/%s", root ? root : "tests", name);
    return path;
}

/* The bytes of a file, with a NUL behind them; the caller frees. Exits the test on failure. */
static inline uint8_t *test_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(1);
    }
    size_t size = 0, capacity = 1 << 16;
    uint8_t *data = malloc(capacity);
    for (size_t got; data && (got = fread(data + size, 1, capacity - size - 1, f)) > 0;) {
        size += got;
        if (capacity - size < 2)
            data = realloc(data, capacity *= 2);
    }
    fclose(f);
    if (!data)
        exit(1);
    data[size] = 0;
    if (n)
        *n = size;
    return data;
}

/* Hands each file named on the command line to a fuzzer's function. */
static inline void test_replay(int argc, char **argv, int (*one)(const uint8_t *data, size_t n))
{
    for (int i = 1; i < argc; i++) {
        size_t n;
        uint8_t *data = test_read(argv[i], &n);
        one(data, n);
        free(data);
    }
}

/* xorshift64*: the tests' random numbers. */
static inline uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}

#endif
