/* SPDX-License-Identifier: MIT */
/*
 * Not a test: prints what a schema costs. Documents of a schema are made at random, tokenised by a
 * real vocabulary, and read token by token; before each token its mask is asked for. The first
 * documents are the warm-up, other documents are measured.
 *
 *     bench_grammar VOCABULARY.gguf
 */
#include "test.h"
#include "sample/mask.h"
#include "text/tokenize.h"

#include <time.h>

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"name\":{\"type\":\"string\"},"
    "\"age\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":150},"
    "\"mood\":{\"enum\":[\"calm\",\"angry\",\"afraid\",\"happy\"]},"
    "\"position\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"number\"},\"y\":{\"type\":"
    "\"number\"}},\"required\":[\"x\",\"y\"]},"
    "\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":"
    "\"integer\"},\"label\":{\"type\":\"string\",\"maxLength\":40},\"worn\":{\"type\":\"boolean\"}}"
    ","
    "\"required\":[\"id\",\"label\"]},\"maxItems\":8},"
    "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"born\":{\"type\":\"string\",\"format\":\"date\"},"
    "\"says\":{\"type\":\"string\"},"
    "\"friend\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/person\"}]}},"
    "\"required\":[\"name\",\"mood\",\"says\"],"
    "\"$defs\":{\"person\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},"
    "\"trust\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1}},\"required\":[\"name\"]}}}";

static uint64_t seed = 5;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int words(char *out, int most)
{
    static const char *const some[] = {
        "the",         "river", "Ann",  "of",  "stone", "fish", "over",  "walked", "quiet",
        "caf\xC3\xA9", "13",    "why?", "I'm", "not",   "sure", "about", "that,",  "friend."};
    int n = 0, count = 1 + (int)(test_random(&seed) % (unsigned)most);
    for (int i = 0; i < count; i++)
        n += sprintf(out + n, "%s%s", i ? " " : "", some[test_random(&seed) % 18]);
    return n;
}

static int chance(unsigned in)
{
    return test_random(&seed) % in == 0;
}

static int document(char *out)
{
    static const char *const moods[] = {"calm", "angry", "afraid", "happy"};
    int n = sprintf(out, "{\"name\": \"");
    n += words(out + n, 3);
    n += sprintf(out + n, "\", \"age\": %d, \"mood\": \"%s\"", (int)(test_random(&seed) % 100),
                 moods[test_random(&seed) % 4]);
    if (!chance(3))
        n += sprintf(out + n, ", \"position\": {\"x\": %d.%d, \"y\": -%d}",
                     (int)(test_random(&seed) % 1000), (int)(test_random(&seed) % 100),
                     (int)(test_random(&seed) % 100));
    n += sprintf(out + n, ", \"items\": [");
    for (int i = 0, count = (int)(test_random(&seed) % 5); i < count; i++) {
        n += sprintf(out + n, "%s{\"id\": %d, \"label\": \"", i ? ", " : "",
                     (int)(test_random(&seed) % 10000));
        n += words(out + n, 3);
        n += sprintf(out + n, "\"%s}", chance(2) ? ", \"worn\": true" : "");
    }
    n += sprintf(out + n, "], \"born\": \"19%02d-0%d-1%d\", \"says\": \"",
                 (int)(test_random(&seed) % 100), 1 + (int)(test_random(&seed) % 9),
                 (int)(test_random(&seed) % 10));
    n += words(out + n, 30);
    n += sprintf(out + n, "\", \"friend\": ");
    if (chance(2))
        return n + sprintf(out + n, "null}");
    n += sprintf(out + n, "{\"name\": \"");
    n += words(out + n, 2);
    return n + sprintf(out + n, "\", \"trust\": 0.%d}}", (int)(test_random(&seed) % 100));
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double times[1 << 16];
static size_t n_times;

static void read_document(sk_heap *heap, const sk_vocab *vocab, sk_masks *masks,
                          sk_matcher *matcher)
{
    static char text[1 << 16];
    static int32_t ids[1 << 14];
    sk_error error = {0};
    uint64_t n;
    int length = document(text);
    sk_tokenize(vocab, heap, text, (uint64_t)length, 0, ids, sizeof ids / sizeof *ids, &n, &error);
    CHECK(sk_matcher_reset(matcher, &error) == SKALD_OK);
    for (uint64_t i = 0; i < n; i++) {
        sk_mask mask;
        bool taken;
        uint64_t n_bytes;
        const char *bytes = sk_vocab_piece(vocab, ids[i], false, &n_bytes);
        double start = now_us();
        int32_t status = sk_masks_get(masks, matcher, &mask, &error);
        if (n_times < sizeof times / sizeof *times)
            times[n_times++] = now_us() - start;
        CHECKF(status == SKALD_OK, "%s", error.text);
        CHECKF(!(mask.banned[ids[i] / 32] >> (ids[i] % 32) & 1), "token %d of %s is banned", (int)i,
               text);
        sk_matcher_take(matcher, ids[i], bytes, n_bytes, &taken, &error);
        CHECK(taken);
    }
    CHECK(sk_matcher_may_end(matcher));
}

static void report(const char *what)
{
    qsort(times, n_times, sizeof *times, by_size);
    printf("%-10s %6zu tokens: median %.2f us, 99%% %.1f us, most %.0f us\n", what, n_times,
           times[n_times / 2], times[n_times * 99 / 100], times[n_times - 1]);
    n_times = 0;
}

int main(int argc, char **argv)
{
    sk_heap heap;
    sk_error error = {0};
    sk_gguf *gguf = NULL;
    sk_source *source = NULL;
    sk_vocab *vocab;
    sk_grammar *grammar;
    sk_matcher *matcher;
    sk_masks *masks;
    sk_heap_init(&heap, NULL, 0, NULL);
    if (argc < 2 || sk_source_open_file(&source, &heap, argv[1], true, &error) < 0 ||
        sk_gguf_open(&gguf, &heap, source, argv[1], true, &error) < 0 ||
        sk_vocab_from_gguf(&vocab, &heap, gguf, &error) < 0) {
        fprintf(stderr, "bench_grammar VOCABULARY.gguf %s\n", error.text);
        return 2;
    }
    double start = now_us();
    int32_t status =
        sk_grammar_from_schema(&grammar, &heap, schema, sizeof schema - 1, NULL, &error);
    CHECKF(status == SKALD_OK, "%s", error.text);
    printf("compile    %.2f ms\n", (now_us() - start) / 1e3);
    start = now_us();
    CHECK(sk_masks_new(&masks, &heap, vocab, sk_vocab_n(vocab), &error) == SKALD_OK);
    printf("lexicon    %.1f ms, %u tokens\n", (now_us() - start) / 1e3, sk_vocab_n(vocab));
    CHECK(sk_matcher_new(&matcher, &heap, grammar, &error) == SKALD_OK);
    read_document(&heap, vocab, masks, matcher);
    report("cold");
    for (int i = 0; i < 30; i++)
        read_document(&heap, vocab, masks, matcher);
    report("warm-up");
    for (int i = 0; i < 200; i++)
        read_document(&heap, vocab, masks, matcher);
    report("warm");
    printf("memory     %.1f MB\n", (double)atomic_load(&heap.peak) / 1e6);
    return test_end();
}
