/* SPDX-License-Identifier: MIT */
/*
 * The GGUF reader on files that we did not write: the malformed ones, by what their index expects,
 * and real vocabularies and models. They lie outside the project; without them this is skipped.
 */
#include "gguf_bytes.h"

#include <time.h>

static sk_error error;

static int32_t open_shared(sk_gguf **g, sk_heap *heap, const char *path, bool map)
{
    sk_source *source;
    *g = NULL;
    error.code = 0;
    int32_t status = sk_source_open_file(&source, heap, path, map, &error);
    return status < 0 ? status : sk_gguf_open(g, heap, source, path, map, &error);
}

/* The text between quotes that follows `"key": ` before `end`, into `out`. */
static const char *field(const char *at, const char *key, char *out, size_t size)
{
    char pattern[32];
    snprintf(pattern, sizeof pattern, "\"%s\": \"", key);
    const char *begin = strstr(at, pattern);
    if (!begin)
        return NULL;
    begin += strlen(pattern);
    size_t n = strcspn(begin, "\"");
    snprintf(out, size, "%.*s", (int)n, begin);
    return begin + n;
}

/* A file about the container is refused when its entry says so; a "model-..." is a sound container,
 * whatever its metadata says. */
static void check_malformed(sk_heap *heap)
{
    const char *index = test_shared("malformed/index.json");
    if (!index) {
        test_skip("no ../shared/malformed");
        return;
    }
    char *text = (char *)test_read(index, NULL);
    char name[128], expect[64], path[256];
    int n = 0;
    for (const char *at = text; (at = field(at, "file", name, sizeof name)) != NULL;) {
        sk_gguf *g = NULL;
        if (!strstr(name, ".gguf") || !(at = field(at, "expect", expect, sizeof expect)))
            continue;
        snprintf(path, sizeof path, "malformed/%s", name);
        const char *found = test_shared(path);
        int32_t code = found ? open_shared(&g, heap, found, n % 2) : SKALD_E_NOT_FOUND;
        bool model = strncmp(name, "model-", 6) == 0;
        if (model)
            CHECKF(code == 0, "%s: %d %s", name, code, error.text);
        else if (strcmp(expect, "reject") == 0)
            CHECKF(code <= SKALD_E_NOT_MODEL && code >= SKALD_E_TYPE && strlen(error.text) > 20,
                   "%s: %d %s", name, code, error.text);
        printf("%-32s %s\n", name, code < 0 ? error.text : "accepted");
        sk_gguf_close(g);
        n++;
    }
    CHECKF(n >= 50, "%d files in the index", n);
    free(text);
}

/* Opens a sound file and looks at all of it. */
static void check_sound(sk_heap *heap, const char *name, uint64_t n_kv, uint64_t n_tensors,
                        uint64_t n_tokens)
{
    const char *path = test_shared(name);
    sk_gguf *g;
    if (!path) {
        test_skip(name);
        return;
    }
    clock_t start = clock();
    CHECKF(open_shared(&g, heap, path, true) == 0, "%s", error.text);
    double ms = (double)(clock() - start) * 1000 / CLOCKS_PER_SEC;
    if (!g)
        return;
    const sk_gguf_kv *tokens = sk_gguf_find(g, "tokenizer.ggml.tokens");
    printf("%s: %.1f ms, %llu bytes of memory for %llu\n", name, ms, (unsigned long long)heap->live,
           (unsigned long long)sk_gguf_file_size(g));
    CHECK_INT(sk_gguf_n_kv(g), n_kv);
    CHECK_INT(sk_gguf_n_tensors(g), n_tensors);
    CHECKF(tokens && tokens->n == n_tokens && tokens->strings, "%s: %llu tokens", name,
           (unsigned long long)(tokens ? tokens->n : 0));
    CHECK(heap->live < 3 * sk_gguf_file_size(g) + (1 << 16) || n_tensors > 0);
    sk_gguf_close(g);
}

int main(void)
{
    sk_heap heap;
    sk_heap_init(&heap, NULL, 0, NULL);
    check_malformed(&heap);
    check_sound(&heap, "vocab/ggml-vocab-llama-spm.gguf", 22, 0, 32000);
    check_sound(&heap, "vocab/ggml-vocab-llama4.gguf", 17, 0, 200002);
    check_sound(&heap, "models/stories260K.gguf", 23, 47, 512);
    check_sound(&heap, "models/stories260K-f16.gguf", 23, 47, 512);
    CHECK_INT(heap.live, 0);
    return test_end();
}
