/* SPDX-License-Identifier: MIT */
/*
 * The GGUF reader on files that lie. Most of the lies below broke some engine once; then
 * one sound file is cut at every byte, flipped at every bit, read by a reader that fails, and
 * opened while each allocation in turn fails.
 */
#include "gguf_bytes.h"

static bytes file;
static sk_error error;

/* ---- Single lies ----------------------------------------------------------------------------- */

/* A file of one tensor of 64 bytes whose record says what the case wants. */
static void one_tensor(const char *name, uint32_t dtype, uint64_t offset, uint64_t ne0,
                       uint64_t ne1)
{
    put_head(&file, 3, 1, 1);
    put_kv_text(&file, "general.architecture", "llama");
    put_tensor(&file, name, dtype, offset, 2, ne0, ne1);
    put_padding(&file, 32);
    put_zeros(&file, 64);
}

/* A file of one entry, whose key and type are written; the value is to follow. */
static void one_key(const char *key, uint32_t type)
{
    put_head(&file, 3, 0, 1);
    put_key(&file, key, type);
}

static void alignment(uint32_t type, uint64_t value, int size)
{
    put_head(&file, 3, 1, 1);
    put_kv_int(&file, "general.alignment", type, value, size);
    put_tensor(&file, "t", SK_F32, 0, 1, DIM(16));
    put_padding(&file, 32);
    put_zeros(&file, 64);
}

static void two_tensors(const char *first, uint64_t offset, const char *second)
{
    put_head(&file, 3, 2, 0);
    put_tensor(&file, first, SK_F32, offset, 1, DIM(16));
    put_tensor(&file, second, SK_F32, 0, 1, DIM(16));
    put_padding(&file, 32);
    put_zeros(&file, 128);
}

static void name_bytes(const char *bytes_of_name, size_t n)
{
    put_head(&file, 3, 0, 1);
    put_int(&file, n, 8);
    put(&file, bytes_of_name, n);
    put_int(&file, SK_GGUF_U8, 4);
    put_zeros(&file, 64);
}

/* Opens `file`, which has to be refused with this code and these words; then empties it. */
static void refused(sk_heap *heap, const char *what, int32_t wanted, const char *words)
{
    sk_gguf *g;
    uint8_t *copy;
    int32_t code = open_bytes(&g, heap, file.data, file.n, &copy, &error);
    CHECKF(code == wanted && !g, "%s gives %d (%s), wanted %d", what, code, error.text, wanted);
    CHECKF(code == error.code, "%s returns %d but says %d", what, code, error.code);
    CHECKF(strstr(error.text, words), "%s says \"%s\", wanted \"%s\"", what, error.text, words);
    CHECKF(heap->peak < (1 << 20), "%s took %llu bytes", what, (unsigned long long)heap->peak);
    sk_gguf_close(g);
    free(copy);
    file.n = 0;
}

static void check_headers(sk_heap *heap)
{
    refused(heap, "empty", SKALD_E_TRUNCATED, "the header");
    put(&file, "GG", 2);
    refused(heap, "half the magic", SKALD_E_TRUNCATED, "the header");
    put(&file, "GGUF", 4);
    refused(heap, "the magic alone", SKALD_E_TRUNCATED, "the header");
    put(&file, "PK\3\4", 4);
    put_zeros(&file, 92);
    refused(heap, "another kind of file", SKALD_E_NOT_MODEL, "begins with \"PK??\"");

    put_head(&file, 0, 0, 0);
    refused(heap, "version 0", SKALD_E_VERSION, "version 0");
    put_head(&file, 1, 0, 0);
    refused(heap, "version 1", SKALD_E_VERSION, "version 1");
    put_head(&file, 4, 0, 0);
    refused(heap, "version 4", SKALD_E_VERSION, "version 4");
    put_head(&file, 0x03000000, 0, 0);
    refused(heap, "big-endian", SKALD_E_VERSION, "big-endian");
    put_head(&file, 3, UINT64_MAX, 0);
    put_zeros(&file, 72);
    refused(heap, "2^64-1 tensors", SKALD_E_CORRUPT, "tensors; at most 65536");

    put_head(&file, 3, UINT64_MAX / 144 + 1, 0);
    put_zeros(&file, 72);
    refused(heap, "a product of tensors wraps", SKALD_E_CORRUPT, "tensors; at most 65536");

    put_head(&file, 3, 60000, 0);
    put_zeros(&file, 72);
    refused(heap, "more tensors than bytes", SKALD_E_TRUNCATED, "60000 x 25");

    put_head(&file, 3, 0, UINT64_C(1) << 40);
    put_zeros(&file, 72);
    refused(heap, "2^40 keys", SKALD_E_CORRUPT, "keys; at most 65536");

    put_head(&file, 3, 0, 60000);
    put_zeros(&file, 72);
    refused(heap, "more keys than bytes", SKALD_E_TRUNCATED, "60000 x 14");

    put_head(&file, 3, 0, 2);
    put_kv_int(&file, "a", SK_GGUF_U32, 1, 4);
    put_zeros(&file, 10);
    refused(heap, "one key fewer than announced", SKALD_E_TRUNCATED, "the file ends too early");

    put_head(&file, 3, 0, 1);
    put_int(&file, UINT64_MAX, 8);
    put_zeros(&file, 32);
    refused(heap, "key length + 1 wraps", SKALD_E_CORRUPT, "18446744073709551615 bytes");

    put_head(&file, 3, 0, 1);
    put_int(&file, 60000, 8);
    put_zeros(&file, 32);
    refused(heap, "key longer than the file", SKALD_E_TRUNCATED, "metadata entry 0");
}

static void check_keys(sk_heap *heap)
{
    name_bytes("", 0);
    refused(heap, "empty key", SKALD_E_CORRUPT, "is empty");
    name_bytes("a\0b", 3);
    refused(heap, "NUL in a key", SKALD_E_CORRUPT, "contains a NUL");
    one_key("k", SK_GGUF_STRING);
    put_int(&file, UINT64_MAX, 8);
    put_zeros(&file, 8);
    refused(heap, "string length + 1 wraps", SKALD_E_CORRUPT, "key k has a text of 18446");

    one_key("k", SK_GGUF_STRING);
    put_int(&file, 1000, 8);
    put_zeros(&file, 8);
    refused(heap, "string longer than the file", SKALD_E_TRUNCATED, "the metadata key k");

    put_head(&file, 3, 0, 2);
    put_kv_int(&file, "twin", SK_GGUF_U32, 1, 4);
    put_kv_int(&file, "twin", SK_GGUF_U8, 1, 1);
    refused(heap, "a key twice", SKALD_E_CORRUPT, "twin occurs twice");

    one_key("k", 13);
    put_zeros(&file, 64);
    refused(heap, "type 13", SKALD_E_CORRUPT, "key k has a value of an unk");

    one_key("k", UINT32_MAX);
    put_zeros(&file, 64);
    refused(heap, "type 2^32-1", SKALD_E_CORRUPT, "unknown type");

    one_key("k", SK_GGUF_BOOL);
    put_int(&file, 2, 8);
    refused(heap, "bool of 2", SKALD_E_CORRUPT, "key k has a bool that is 2");

    put_head(&file, 3, 0, 1);
    put_array(&file, "k", SK_GGUF_BOOL, 3);
    put_int(&file, 0x020100, 8);
    refused(heap, "bool of 2 in an array", SKALD_E_CORRUPT, "key k has a bool that is 2");
}

static void check_arrays(sk_heap *heap)
{
    put_head(&file, 3, 0, 1);
    put_array(&file, "k", SK_GGUF_I8, UINT64_C(1) << 40);
    put_zeros(&file, 64);
    refused(heap, "array of 2^40", SKALD_E_TRUNCATED, "1099511627776 x 1 bytes");

    put_head(&file, 3, 0, 1);
    put_array(&file, "k", SK_GGUF_U64, UINT64_C(1) << 61); /* 2^61 * 8 wraps */
    put_zeros(&file, 64);
    refused(heap, "array whose bytes wrap", SKALD_E_TRUNCATED, "x 8 bytes");

    put_head(&file, 3, 0, 1);
    put_array(&file, "k", SK_GGUF_STRING, UINT64_C(1) << 60); /* 2^60 * 16 wraps */
    put_zeros(&file, 64);
    refused(heap, "array whose index wraps", SKALD_E_TRUNCATED, "x 8 bytes");

    put_head(&file, 3, 0, 1);
    put_array(&file, "k", SK_GGUF_ARRAY, 1);
    put_zeros(&file, 64);
    refused(heap, "array of arrays", SKALD_E_CORRUPT, "array of arrays");

    put_head(&file, 3, 0, 1);
    put_array(&file, "k", 77, 1);
    put_zeros(&file, 64);
    refused(heap, "array of type 77", SKALD_E_CORRUPT, "unknown type");

    put_head(&file, 3, 0, 1);
    put_array(&file, "k", SK_GGUF_STRING, 3);
    put_text(&file, "one");
    put_int(&file, 500, 8);
    put_zeros(&file, 64);
    refused(heap, "array whose strings pass the end", SKALD_E_TRUNCATED, "500 x 1 bytes");

    alignment(SK_GGUF_U32, 24, 4);
    refused(heap, "alignment 24", SKALD_E_CORRUPT, "24, wanted a power of two");
    alignment(SK_GGUF_U32, 0, 4);
    refused(heap, "alignment 0", SKALD_E_CORRUPT, "0, wanted 8 to 65536");
    alignment(SK_GGUF_U32, UINT32_C(1) << 31, 4);
    refused(heap, "alignment 2^31", SKALD_E_CORRUPT, "wanted 8 to 65536");
    alignment(SK_GGUF_F32, 0x42000000, 4);
    refused(heap, "alignment as float", SKALD_E_CORRUPT, "type f32, wanted an integer");
    alignment(SK_GGUF_U64, UINT64_C(1) << 63, 8);
    refused(heap, "alignment 2^63", SKALD_E_CORRUPT, "general.alignment");
}

static void check_shapes(sk_heap *heap)
{
    static const char long_name[] =
        "a-name-of-sixty-five-bytes-which-is-more-than-tensors-are-allowed";
    put_head(&file, 3, 1, 0);
    put_int(&file, UINT64_C(1) << 60, 8);
    put_zeros(&file, 64);
    refused(heap, "name of 2^60 bytes", SKALD_E_CORRUPT, "tensor 0 has a text of 1152");

    one_tensor(long_name, SK_F32, 0, 4, 4);
    refused(heap, "name of 65 bytes", SKALD_E_CORRUPT, "a text of 65 bytes");
    one_tensor("", SK_F32, 0, 4, 4);
    refused(heap, "empty name", SKALD_E_CORRUPT, "is empty");
    put_head(&file, 3, 1, 0);
    put_tensor(&file, "t", SK_F32, 0, 5, DIM(2), DIM(2), DIM(2), DIM(2), DIM(1));
    put_padding(&file, 32);
    put_zeros(&file, 64);
    refused(heap, "5 dimensions", SKALD_E_CORRUPT, "tensor t has 5 dimensions");

    put_head(&file, 3, 1, 0);
    put_text(&file, "t");
    put_int(&file, UINT32_MAX, 4);
    put_zeros(&file, 256);
    refused(heap, "2^32-1 dimensions", SKALD_E_CORRUPT, "4294967295 dimensions");

    one_tensor("t", SK_F32, 0, 0, 16);
    refused(heap, "ne[0] is 0", SKALD_E_CORRUPT, "dimension of 0");
    one_tensor("t", SK_F32, 0, 16, 0);
    refused(heap, "ne[1] is 0", SKALD_E_CORRUPT, "dimension of 0");
    one_tensor("t", SK_F32, 0, UINT64_MAX, 1);
    refused(heap, "ne[0] is -1", SKALD_E_CORRUPT, "impossibly large");
    one_tensor("t", SK_I8, 0, INT64_MAX, 2);
    refused(heap, "elements wrap", SKALD_E_CORRUPT, "impossibly large");
    one_tensor("t", SK_F32, 0, (UINT64_C(1) << 42) + 1, UINT64_C(1) << 22);
    refused(heap, "strides wrap", SKALD_E_CORRUPT, "impossibly large");
    one_tensor("t", SK_Q4_0, 0, UINT64_C(1) << 62, 16); /* elements wrap, bytes would not */
    refused(heap, "elements wrap, bytes would not", SKALD_E_CORRUPT, "impossibly large");
    one_tensor("t", SK_Q4_0, 0, 33, 1);
    refused(heap, "a row of broken blocks", SKALD_E_CORRUPT, "rows of 33 elements");
    one_tensor("t", 99, 0, 4, 4);
    refused(heap, "type 99", SKALD_E_TYPE, "tensor t has type 99");
    one_tensor("t", UINT32_MAX, 0, 4, 4);
    refused(heap, "type -1", SKALD_E_TYPE, "tensor t has type 4294967295");
    one_tensor("t", 31, 0, 4, 4);
    refused(heap, "removed type", SKALD_E_TYPE, "Q4_0");
}

static void check_places(sk_heap *heap)
{
    one_tensor("t", SK_F32, 1 << 20, 4, 4);
    refused(heap, "offset past the end", SKALD_E_TRUNCATED, "tensor t has 64 bytes at");
    one_tensor("t", SK_F32, UINT64_MAX - 31, 4, 4); /* start + offset wraps */
    refused(heap, "offset wraps", SKALD_E_TRUNCATED, "tensor t has 64 bytes at");
    one_tensor("t", SK_F32, 0, 4, 5); /* 80 bytes where 64 are */
    refused(heap, "too few bytes", SKALD_E_TRUNCATED, "tensor t has 80 bytes at");
    one_tensor("t", SK_F32, 8, 2, 2);
    refused(heap, "unaligned", SKALD_E_CORRUPT, "not a multiple of 32");
    two_tensors("a", 32, "b");
    refused(heap, "overlap by half", SKALD_E_CORRUPT, "tensors b and a overlap");
    two_tensors("a", 0, "b");
    refused(heap, "same place", SKALD_E_CORRUPT, "overlap");
    two_tensors("a", 64, "a");
    refused(heap, "same name", SKALD_E_CORRUPT, "tensor a occurs twice");
    put_head(&file, 3, 1, 0);
    put_tensor(&file, "t", SK_F32, 0, 1, DIM(16));
    refused(heap, "no data", SKALD_E_TRUNCATED, "tensor t has 64 bytes at");

    put_head(&file, 3, 0, 2);
    put_kv_int(&file, "split.no", SK_GGUF_U16, 0, 2);
    put_kv_int(&file, "split.count", SK_GGUF_U16, 3, 2);
    refused(heap, "a split set without its path", SKALD_E_NOT_FOUND, "first of 3 files");

    put_head(&file, 3, 0, 2);
    put_kv_int(&file, "split.no", SK_GGUF_U16, 1, 2);
    put_kv_int(&file, "split.count", SK_GGUF_U16, 3, 2);
    refused(heap, "not the first of a split set", SKALD_E_ARGUMENT, "file 2 of 3");

    put_head(&file, 3, 0, 1);
    put_kv_int(&file, "split.count", SK_GGUF_U16, 65535, 2);
    refused(heap, "65535 files", SKALD_E_CORRUPT, "split.count is 65535");

    put_head(&file, 3, 0, 1);
    put_kv_text(&file, "split.count", "three");
    refused(heap, "split.count as text", SKALD_E_CORRUPT, "split.count is of type str");
}

/* ---- One sound file, spoilt in every way ----------------------------------------------------- */

/* Uses all that an open file offers; a sanitizer watches. Returns something of every byte. */
static uint64_t touch(const sk_gguf *g)
{
    uint64_t sum = 0;
    char text[64];
    for (uint64_t i = 0; i < sk_gguf_n_kv(g); i++) {
        const sk_gguf_kv *kv = sk_gguf_kv_at(g, i);
        sum += sk_gguf_kv_text(kv, text, sizeof text) + (sk_gguf_find(g, kv->key) == kv);
    }
    for (uint64_t i = 0; i < sk_gguf_n_tensors(g); i++) {
        const sk_gguf_tensor *t = sk_gguf_tensor_at(g, i);
        const uint8_t *view = sk_gguf_tensor_view(g, t);
        sum += sk_gguf_tensor_find(g, t->name) == t;
        for (uint64_t k = 0; k < t->size; k++)
            sum += view[k];
    }
    return sum;
}

static void check_cuts(sk_heap *heap)
{
    size_t whole = file.n, end = whole; /* the last tensor ends with the file */
    for (size_t n = 0; n < end; n++) {
        sk_gguf *g;
        uint8_t *copy;
        int32_t code = open_bytes(&g, heap, file.data, n, &copy, &error);
        CHECKF(code == SKALD_E_TRUNCATED && !g, "cut at %zu of %zu: %d (%s)", n, whole, code,
               error.text);
        sk_gguf_close(g);
        free(copy);
    }
}

static void check_flips(sk_heap *heap)
{
    int refused = 0;
    uint64_t sum = 0;
    for (size_t bit = 0; bit < file.n * 8; bit++) {
        sk_gguf *g;
        uint8_t *copy;
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int32_t code = open_bytes(&g, heap, file.data, file.n, &copy, &error);
        CHECKF((code == 0) == (g != NULL) && (code == 0 || error.text[0]), "bit %zu", bit);
        if (g)
            sum += touch(g);
        refused += code < 0;
        sk_gguf_close(g);
        free(copy);
        file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK(refused > 1000 && sum > 0);
}

/* ---- A machine that fails -------------------------------------------------------------------- */

/* Whether the file could be opened. */
static bool open_failing(int64_t from, int64_t to)
{
    sk_heap heap;
    sk_gguf *g;
    uint8_t *copy;
    failing_heap(&heap, from, to);
    int32_t code = open_bytes(&g, &heap, file.data, file.n, &copy, &error);
    CHECKF(code == 0 || code == SKALD_E_MEMORY, "allocation %lld: %d", (long long)from, code);
    CHECK((code == 0) == (g != NULL));
    sk_gguf_close(g);
    free(copy);
    CHECK(live_blocks == 0 && heap.live == 0);
    return code == 0;
}

static void check_allocations(void)
{
    int64_t k = 1;
    while (!open_failing(k, k) && k < 100) {
        CHECK(!open_failing(k, INT64_MAX));
        k++;
    }
    CHECKF(k > 5 && k < 100, "%lld allocations", (long long)k - 1);
}

/* A reader that gives zeros, or nothing, from the k-th call on. */
static int calls, failing_call;

static int32_t read_or_fail(void *user, uint64_t offset, void *out, size_t n)
{
    (void)user;
    if (++calls >= failing_call)
        return -1;
    /* The tokens are 40000 texts of one byte, 'x'. */
    for (size_t i = 0; i < n; i++) {
        uint64_t at = offset + i, in = (at - 54) % 9;
        ((uint8_t *)out)[i] = at < 54 ? file.data[at] : in == 0 ? 1 : in == 8 ? 'x' : 0;
    }
    return 0;
}

static void check_reads(sk_heap *heap)
{
    int32_t code = -1;
    file.n = 0;
    put_head(&file, 3, 0, 1);
    put_array(&file, "tokens", SK_GGUF_STRING, 40000);
    CHECK_INT(file.n, 54);
    skald_reader reader = {sizeof reader, NULL, 54 + 9 * 40000, read_or_fail};
    for (failing_call = 1; code < 0 && failing_call < 20; failing_call++) {
        sk_source *source;
        sk_gguf *g;
        calls = 0;
        CHECK_INT(sk_source_open_reader(&source, heap, &reader, &error), 0);
        code = sk_gguf_open(&g, heap, source, NULL, false, &error);
        CHECK(code == 0 || (code == SKALD_E_IO && !g));
        CHECK(code < 0 || sk_gguf_find(g, "tokens")->n == 40000);
        sk_gguf_close(g);
    }
    CHECK(code == 0 && failing_call > 4);
}

/* A header may not be larger than memory should be taken for, however large the file is. */
static void check_large_header(sk_heap *heap)
{
    sk_source *source;
    sk_gguf *g;
    put_head(&file, 3, 0, 1);
    put_array(&file, "k", SK_GGUF_U8, SK_GGUF_MAX_HEADER - 10);
    skald_reader reader = {sizeof reader, NULL, UINT64_C(1) << 40, read_or_fail};
    failing_call = 2; /* the first window is all that may be asked for */
    calls = 0;
    CHECK_INT(sk_source_open_reader(&source, heap, &reader, &error), 0);
    CHECK_INT(sk_gguf_open(&g, heap, source, NULL, false, &error), SKALD_E_CORRUPT);
    CHECKF(!g && strstr(error.text, "larger than 536870912 bytes"), "%s", error.text);
}

int main(void)
{
    sk_heap heap;
    sk_heap_init(&heap, NULL, 0, NULL);
    check_headers(&heap);
    check_keys(&heap);
    check_arrays(&heap);
    check_shapes(&heap);
    check_places(&heap);
    put_sample(&file, 3);
    check_cuts(&heap);
    check_flips(&heap);
    check_allocations();
    check_reads(&heap);
    check_large_header(&heap);
    CHECK_INT(heap.live, 0);
    return test_end();
}
