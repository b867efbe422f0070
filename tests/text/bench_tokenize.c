/* SPDX-License-Identifier: MIT */
/*
 * How fast text becomes ids: prints megabytes per second of English (../shared/texts) and of
 * Chinese on one core, and how long a vocabulary takes to be made. Not a test: nothing is judged.
 *
 * Usage: bench_tokenize [VOCAB.gguf ...]. The Chinese text is made of tokens of the vocabulary that
 * are ideographs, frequent ones (the first) more often, in clauses of some twelve, since the folder
 * has no Chinese.
 */
#include "text/utf8.h"
#include "text_data.h"

#include <time.h>

static sk_heap heap;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static sk_vocab *load(const char *path)
{
    sk_error error = {0, ""};
    sk_source *source;
    sk_gguf *gguf = NULL;
    sk_vocab *vocab = NULL;
    double best = 1e9;
    int32_t status = sk_source_open_file(&source, &heap, path, true, &error);
    if (status == SKALD_OK)
        status = sk_gguf_open(&gguf, &heap, source, path, true, &error);
    for (int i = 0; i < 5 && status == SKALD_OK; i++) {
        sk_vocab_free(vocab);
        double start = seconds();
        status = sk_vocab_from_gguf(&vocab, &heap, gguf, &error);
        if (seconds() - start < best)
            best = seconds() - start;
    }
    sk_gguf_close(gguf);
    if (status < 0) {
        printf("%s: %s\n", path, error.text);
        return NULL;
    }
    const char *name = strrchr(path, '/');
    printf("%-32s %u tokens ready in %.0f ms\n", name ? name + 1 : path, sk_vocab_n(vocab),
           best * 1e3);
    return vocab;
}

static void measure(const sk_vocab *vocab, const char *what, const char *text, size_t n)
{
    int32_t *ids = malloc((n + 8) * sizeof *ids);
    uint64_t n_ids = 0;
    double best = 1e9, start = seconds();
    for (int i = 0; i < 100 && (i < 3 || seconds() - start < 1); i++) {
        double before = seconds();
        sk_tokenize(vocab, &heap, text, n, 0, ids, n + 8, &n_ids, NULL);
        if (seconds() - before < best)
            best = seconds() - before;
    }
    printf("  %-20s %7zu KB, %.2f bytes per token: %6.1f MB/s\n", what, n / 1024,
           (double)n / (double)(n_ids ? n_ids : 1), (double)n / best / 1e6);
    free(ids);
}

static char *read_english(size_t *n)
{
    static const char *const names[] = {"war-and-peace-32k.txt", "wikitext2-test-64k.txt",
                                        "tinyshakespeare-32k.txt"};
    char *text = malloc(1 << 20);
    *n = 0;
    for (int i = 0; i < 3; i++) {
        char file[64];
        snprintf(file, sizeof file, "texts/%s", names[i]);
        const char *path = test_shared(file);
        FILE *f = path ? fopen(path, "rb") : NULL;
        if (f)
            *n += fread(text + *n, 1, (1 << 18), f);
        if (f)
            fclose(f);
    }
    return text;
}

static bool is_chinese(const char *text, uint64_t n)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + n;
    uint32_t code = 0;
    while (p < end && (p == (const uint8_t *)text || (code >= 0x4E00 && code < 0x9FA6)))
        p += sk_utf8_read(p, end, &code);
    return n > 0 && p == end && code >= 0x4E00 && code < 0x9FA6;
}

static char *make_chinese(const sk_vocab *vocab, size_t wanted, size_t *n)
{
    static const char *const marks[] = {"\xEF\xBC\x8C", "\xE3\x80\x82", "\n", "2024"};
    int32_t *known = malloc(sk_vocab_n(vocab) * sizeof *known), n_known = 0;
    char *text = malloc(wanted + 4096);
    uint64_t seed = 8, length;
    for (uint32_t id = 0; id < sk_vocab_n(vocab); id++) {
        const char *piece = sk_vocab_piece(vocab, (int32_t)id, false, &length);
        if (is_chinese(piece, length) && length < 64)
            known[n_known++] = (int32_t)id;
    }
    for (*n = 0; *n < wanted && n_known > 0;) {
        double u = (double)(test_random(&seed) >> 11) / 9007199254740992.0;
        const char *piece =
            sk_vocab_piece(vocab, known[(int32_t)(u * u * u * n_known)], false, &length);
        if (test_random(&seed) % 12 == 0) {
            piece = marks[test_random(&seed) % 4];
            length = strlen(piece);
        }
        memcpy(text + *n, piece, length);
        *n += length;
    }
    free(known);
    return text;
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"vocab/ggml-vocab-qwen2.gguf",
                                        "vocab/ggml-vocab-llama-bpe.gguf"};
    sk_heap_init(&heap, NULL, 0, NULL);
    size_t n_english, n_chinese;
    char *english = read_english(&n_english), path[1024];
    for (int i = 0; i < (argc > 1 ? argc - 1 : 2); i++) {
        const char *shared = argc > 1 ? argv[i + 1] : test_shared(usual[i]);
        snprintf(path, sizeof path, "%s", shared ? shared : usual[i]);
        sk_vocab *vocab = load(path);
        if (!vocab)
            continue;
        char *chinese = make_chinese(vocab, n_english, &n_chinese);
        measure(vocab, "English", english, n_english);
        measure(vocab, "Chinese", chinese, n_chinese);
        free(chinese);
        sk_vocab_free(vocab);
    }
    free(english);
    return 0;
}
