/* SPDX-License-Identifier: MIT */
/*
 * Fuzzing the GGUF reader. LLVMFuzzerTestOneInput opens any bytes and, when they pass, reads all
 * that the model offers and writes it again: what was accepted must come back the same.
 *
 * By itself this program replays the files given as arguments, then mutates a sound file
 * deterministically: numbers become the edges of their ranges, pieces are cut out, doubled or
 * swapped. With clang it is a libFuzzer target (make a build with -Db_sanitize=address,undefined):
 *     clang -DSKALD_LIBFUZZER -fsanitize=fuzzer,address ... tests/format/fuzz_gguf.c
 */
#include "gguf_bytes.h"

#include "format/gguf_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void fuzz_fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

/* Writes an open file and opens the result, which must say the same. */
static void rewrite(const sk_gguf *g, sk_heap *heap)
{
    sk_gguf_writer *w;
    sk_gguf *again = NULL;
    sk_error error = {0};
    void *data = NULL;
    uint64_t n = 0;
    uint8_t *copy = NULL;
    if (sk_gguf_writer_new(&w, heap, &error) < 0)
        fuzz_fail("out of memory");
    for (uint64_t i = 0; i < sk_gguf_n_kv(g); i++)
        sk_gguf_put_kv(w, sk_gguf_kv_at(g, i));
    for (uint64_t i = 0; i < sk_gguf_n_tensors(g); i++) {
        const sk_gguf_tensor *t = sk_gguf_tensor_at(g, i);
        sk_gguf_put_tensor(w, t->name, t->dtype, t->n_dims, t->ne, sk_gguf_tensor_view(g, t));
    }
    if (sk_gguf_finish_memory(w, &data, &n, &error) < 0 ||
        open_bytes(&again, heap, data, n, &copy, &error) < 0)
        fuzz_fail(error.text);
    for (uint64_t i = 0; i < sk_gguf_n_kv(g); i++) {
        char a[200] = "", b[200] = "";
        if (sk_gguf_kv_text(sk_gguf_kv_at(g, i), a, sizeof a) !=
                sk_gguf_kv_text(sk_gguf_kv_at(again, i), b, sizeof b) ||
            strcmp(a, b) != 0)
            fuzz_fail("metadata changed");
    }
    for (uint64_t i = 0; i < sk_gguf_n_tensors(g); i++) {
        const sk_gguf_tensor *a = sk_gguf_tensor_at(g, i), *b = sk_gguf_tensor_find(again, a->name);
        if (!b || b->size != a->size || memcmp(a->ne, b->ne, sizeof a->ne) != 0 ||
            memcmp(sk_gguf_tensor_view(g, a), sk_gguf_tensor_view(again, b), a->size) != 0)
            fuzz_fail("a tensor changed");
    }
    sk_gguf_close(again);
    sk_gguf_writer_free(w);
    sk_free(heap, data);
    free(copy);
}

/* Returns 1 when the bytes were a model. */
static int open_and_use(const uint8_t *data, size_t n)
{
    sk_heap heap;
    sk_gguf *g;
    sk_error error = {0};
    uint8_t *copy;
    sk_heap_init(&heap, NULL, 0, NULL);
    int32_t code = open_bytes(&g, &heap, data, n, &copy, &error);
    if ((code == 0) != (g != NULL) || (code < 0 && (error.code != code || !error.text[0])))
        fuzz_fail("an error without its sentence");
    if (heap.peak > 4 * (uint64_t)n + (1 << 20))
        fuzz_fail("too much memory for such a file");
    if (g)
        rewrite(g, &heap);
    sk_gguf_close(g);
    free(copy);
    if (heap.live != 0)
        fuzz_fail("memory was left");
    return code == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    open_and_use(data, n);
    return 0;
}

#ifndef SKALD_LIBFUZZER

/* Spoils the file in one place. */
static void mutate(bytes *b, uint64_t *state)
{
    static const uint64_t edges[] = {
        0, 1, 2, 8, 9, 255, 65536, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_C(1) << 61};
    uint64_t at = test_random(state) % b->n, n = 1 + test_random(state) % 16;
    uint64_t edge = edges[test_random(state) % (sizeof edges / sizeof edges[0])];
    if (n > b->n - at)
        n = b->n - at;
    switch (test_random(state) % 6) {
    case 0:
        b->data[at] ^= (uint8_t)(1 << test_random(state) % 8);
        break;
    case 1: /* a number, where numbers are aligned to nothing */
        for (uint64_t i = 0; i < n && i < 8; i++)
            b->data[at + i] = (uint8_t)(edge >> 8 * i);
        break;
    case 2:
        memmove(b->data + at, b->data + at + n, b->n - at - n);
        b->n -= n;
        break;
    case 3:
        if (b->n + n <= sizeof b->data) {
            memmove(b->data + at + n, b->data + at, b->n - at);
            b->n += n;
        }
        break;
    case 4:
        memcpy(b->data + at, b->data + test_random(state) % (b->n - n + 1), 1);
        break;
    default:
        b->data[at] = (uint8_t)(b->data[at] + (test_random(state) % 2 ? 1 : -1));
        break;
    }
}

int main(int argc, char **argv)
{
    static bytes sample, file;
    uint64_t state = 20260801;
    int accepted = 0, rounds = 30000;
    for (int i = 1; i < argc; i++) {
        size_t n;
        uint8_t *data = test_read(argv[i], &n);
        printf("%s: %s\n", argv[i], open_and_use(data, n) ? "accepted" : "refused");
        free(data);
    }
    put_sample(&sample, 3);
    for (int i = 0; i < rounds; i++) {
        file = sample;
        for (uint64_t n = 1 + test_random(&state) % 3; n > 0 && file.n > 0; n--)
            mutate(&file, &state);
        accepted += open_and_use(file.data, file.n);
    }
    printf("%d of %d mutants were accepted\n", accepted, rounds);
    CHECK(accepted > rounds / 50 && accepted < rounds);
    return test_end();
}

#endif
