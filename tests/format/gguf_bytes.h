/* SPDX-License-Identifier: MIT */
/*
 * GGUF files for the tests, byte by byte and without the library's writer: hostile ones are made
 * as easily as sound ones. Static memory; a test is one thread.
 */
#ifndef SK_TEST_GGUF_BYTES_H
#define SK_TEST_GGUF_BYTES_H

#include "test.h"

#include "base/dtype.h"
#include "format/gguf.h"

#include <stdarg.h>

typedef struct bytes {
    uint8_t data[16384];
    size_t n;
} bytes;

static inline void put(bytes *b, const void *data, size_t n)
{
    if (n > sizeof b->data - b->n) {
        fprintf(stderr, "the test's file is too large\n");
        exit(1);
    }
    if (n > 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
}

/* A little-endian number of `size` bytes. */
static inline void put_int(bytes *b, uint64_t value, int size)
{
    for (int i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> 8 * i);
        put(b, &byte, 1);
    }
}

static inline void put_text(bytes *b, const char *text)
{
    put_int(b, strlen(text), 8);
    put(b, text, strlen(text));
}

static inline void put_zeros(bytes *b, size_t n)
{
    while (n-- > 0)
        put(b, "", 1);
}

static inline void put_padding(bytes *b, size_t align)
{
    while (b->n % align)
        put(b, "", 1);
}

static inline void put_head(bytes *b, uint32_t version, uint64_t n_tensors, uint64_t n_kv)
{
    b->n = 0;
    put(b, "GGUF", 4);
    put_int(b, version, 4);
    put_int(b, n_tensors, 8);
    put_int(b, n_kv, 8);
}

static inline void put_key(bytes *b, const char *key, uint32_t type)
{
    put_text(b, key);
    put_int(b, type, 4);
}

static inline void put_kv_int(bytes *b, const char *key, uint32_t type, uint64_t value, int size)
{
    put_key(b, key, type);
    put_int(b, value, size);
}

static inline void put_kv_text(bytes *b, const char *key, const char *text)
{
    put_key(b, key, SK_GGUF_STRING);
    put_text(b, text);
}

static inline void put_array(bytes *b, const char *key, uint32_t type, uint64_t n)
{
    put_key(b, key, SK_GGUF_ARRAY);
    put_int(b, type, 4);
    put_int(b, n, 8);
}

/* A tensor's record; the dimensions are uint64_t. */
static inline void put_tensor(bytes *b, const char *name, uint32_t dtype, uint64_t offset,
                              uint32_t n_dims, ...)
{
    va_list dims;
    put_text(b, name);
    put_int(b, n_dims, 4);
    va_start(dims, n_dims);
    for (uint32_t d = 0; d < n_dims; d++)
        put_int(b, va_arg(dims, uint64_t), 8);
    va_end(dims);
    put_int(b, dtype, 4);
    put_int(b, offset, 8);
}

#define DIM(n) ((uint64_t)(n))

/* Opens `n` bytes from an allocation of just that size, so that a sanitizer sees a byte too far. */
static inline int32_t open_bytes(sk_gguf **out, sk_heap *heap, const void *data, size_t n,
                                 uint8_t **copy, sk_error *e)
{
    sk_source *source;
    *out = NULL;
    *copy = malloc(n ? n : 1);
    if (n > 0)
        memcpy(*copy, data, n);
    int32_t status = sk_source_open_memory(&source, heap, *copy, n, e);
    return status < 0 ? status : sk_gguf_open(out, heap, source, NULL, false, e);
}

/* A sound small file with all that a header can hold: every type, arrays, three tensors. */
static inline void put_sample(bytes *b, uint32_t version)
{
    put_head(b, version, 3, 19);
    put_kv_text(b, "general.architecture", "llama");
    put_kv_int(b, "general.alignment", SK_GGUF_U32, 64, 4);
    put_kv_int(b, "t.u8", SK_GGUF_U8, 255, 1);
    put_kv_int(b, "t.i8", SK_GGUF_I8, 0x80, 1);
    put_kv_int(b, "t.u16", SK_GGUF_U16, 65535, 2);
    put_kv_int(b, "t.i16", SK_GGUF_I16, 0x8000, 2);
    put_kv_int(b, "t.u32", SK_GGUF_U32, 0xFFFFFFFF, 4);
    put_kv_int(b, "t.i32", SK_GGUF_I32, 0x80000000, 4);
    put_kv_int(b, "t.f32", SK_GGUF_F32, 0x3FC00000, 4); /* 1.5 */
    put_kv_int(b, "t.bool", SK_GGUF_BOOL, 1, 1);
    put_kv_int(b, "t.u64", SK_GGUF_U64, UINT64_MAX, 8);
    put_kv_int(b, "t.i64", SK_GGUF_I64, (uint64_t)INT64_MIN, 8);
    put_kv_int(b, "t.f64", SK_GGUF_F64, 0xC000000000000000, 8); /* -2 */
    put_kv_text(b, "t.empty", "");
    put_array(b, "a.i16", SK_GGUF_I16, 3);
    put_int(b, 0xFFFF0002FFFD, 6); /* -3, 2, -1 */
    put_array(b, "a.bool", SK_GGUF_BOOL, 2);
    put_int(b, 0x0100, 2);
    put_array(b, "a.f32", SK_GGUF_F32, 2);
    put_int(b, 0x4000000000000000, 8); /* 0, 2 */
    put_array(b, "a.text", SK_GGUF_STRING, 3);
    put_text(b, "one");
    put_text(b, "");
    put_text(b, "three");
    put_array(b, "a.none", SK_GGUF_U64, 0);
    put_tensor(b, "token_embd.weight", SK_F32, 128, 2, DIM(4), DIM(3)); /* not in file order */
    put_tensor(b, "blk.0.q", SK_Q8_0, 0, 2, DIM(32), DIM(2));
    put_tensor(b, "scalar", SK_F16, 256, 0);
    put_padding(b, 64);
    for (int i = 0; i < 128; i++)
        put_int(b, (uint64_t)i, 1);
    for (int i = 0; i < 64; i++)
        put_int(b, (uint64_t)i, 2);
    put_int(b, 0x3C00, 2);
}

/* ---- A heap whose allocations fail ----------------------------------------------------------- */

static int64_t live_blocks, attempts, failing_from, failing_to;

static inline void *failing_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    if (++attempts >= failing_from && attempts <= failing_to)
        return NULL;
    live_blocks++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static inline void counting_free(void *user, void *block, size_t size)
{
    (void)user;
    (void)size;
    live_blocks--;
    free(block);
}

/* A heap whose allocations number `from` to `to` fail, counted from 1. */
static inline void failing_heap(sk_heap *heap, int64_t from, int64_t to)
{
    static const skald_allocator host = {sizeof host, NULL, failing_alloc, counting_free};
    attempts = 0;
    failing_from = from;
    failing_to = to;
    sk_heap_init(heap, &host, 0, NULL);
}

#endif
