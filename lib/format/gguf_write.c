/* SPDX-License-Identifier: MIT */
/*
 * The writer: metadata is encoded as it is put, tensors are listed, and finish lays them out one
 * after the other, each at the next multiple of the alignment. What it writes our own reader
 * accepts: names, counts, types and shapes pass the same limits, keys and names are unique.
 */
#include "base/portable.h"

#include "gguf_write.h"

#include "gguf_int.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/dtype.h"

#include <string.h>

typedef struct gguf_bytes {
    void *data; /* [n] bytes, owned */
    uint64_t n, capacity;
} gguf_bytes;

typedef struct gguf_item {
    sk_gguf_tensor tensor; /* offset: from the data's beginning */
    char name[SK_GGUF_MAX_NAME + 1];
    const void *data; /* borrowed */
} gguf_item;

struct sk_gguf_writer {
    sk_heap *heap;   /* borrowed */
    gguf_bytes kvs;  /* encoded */
    gguf_bytes keys; /* uint64_t [n_kv]: where each entry begins in kvs */
    uint64_t n_kv;
    gguf_item *items; /* [n_items], owned */
    uint64_t n_items, item_capacity;
    uint64_t alignment;
    sk_error error; /* the first one sticks */
};

int32_t sk_gguf_writer_new(sk_gguf_writer **out, sk_heap *heap, sk_error *e)
{
    *out = NULL;
    sk_gguf_writer *w = sk_alloc_zero(heap, sizeof *w, "a GGUF writer", e);
    if (!w)
        return SKALD_E_MEMORY;
    w->heap = heap;
    w->alignment = SK_GGUF_DEFAULT_ALIGNMENT;
    *out = w;
    return SKALD_OK;
}

void sk_gguf_writer_free(sk_gguf_writer *w)
{
    if (!w)
        return;
    sk_free(w->heap, w->kvs.data);
    sk_free(w->heap, w->keys.data);
    sk_free(w->heap, w->items);
    sk_free(w->heap, w);
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static void gguf_append(sk_gguf_writer *w, gguf_bytes *to, const void *data, uint64_t n)
{
    uint64_t want;
    if (w->error.code < 0 || n == 0)
        return;
    if (!sk_add(to->n, n, &want)) {
        sk_fail(&w->error, SKALD_E_MEMORY, "the file is too large");
        return;
    }
    if (sk_grow(w->heap, &to->data, &to->capacity, want, 1, "a file to write", &w->error) < 0)
        return;
    memcpy((uint8_t *)to->data + to->n, data, n);
    to->n = want;
}

/* The low `size` bytes of a number. */
static void gguf_append_int(sk_gguf_writer *w, gguf_bytes *to, uint64_t value, uint32_t size)
{
    uint8_t bytes[8];
    sk_put_le64(bytes, value);
    gguf_append(w, to, bytes, size);
}

static void gguf_append_string(sk_gguf_writer *w, gguf_bytes *to, const char *text, uint64_t n)
{
    if (n > SK_GGUF_MAX_STRING && w->error.code == 0)
        sk_fail(&w->error, SKALD_E_ARGUMENT, "a text of %llu bytes; at most %llu are written",
                (unsigned long long)n, (unsigned long long)SK_GGUF_MAX_STRING);
    gguf_append_int(w, to, n, 8);
    gguf_append(w, to, text, n);
}

/* ---- Metadata -------------------------------------------------------------------------------- */

/* Begins an entry. */
static void gguf_put_key(sk_gguf_writer *w, const char *key, uint32_t type)
{
    size_t n = strlen(key);
    if (w->error.code < 0)
        return;
    if (n == 0 || n > SK_GGUF_MAX_KEY || w->n_kv == SK_GGUF_MAX_KEYS) {
        sk_fail(&w->error, SKALD_E_ARGUMENT,
                "metadata key %s: it is empty, too long or one too many", key);
        return;
    }
    gguf_append(w, &w->keys, &w->kvs.n, sizeof w->kvs.n);
    gguf_append_string(w, &w->kvs, key, n);
    gguf_append_int(w, &w->kvs, type, 4);
    w->n_kv++;
}

/* The type of numbers, or NULL and a sticky error. */
static const sk_gguf_type *gguf_number_type(sk_gguf_writer *w, const char *key, uint32_t type,
                                            bool fits)
{
    const sk_gguf_type *info = sk_gguf_type_get(type);
    if (info && type != SK_GGUF_STRING && fits && w->error.code == 0)
        return info;
    if (w->error.code == 0)
        sk_fail(&w->error, SKALD_E_ARGUMENT, "metadata key %s: its value does not fit type %s", key,
                info ? info->name : "array");
    return NULL;
}

static bool gguf_int_fits(uint32_t type, int64_t value)
{
    switch (type) {
    case SK_GGUF_U8:
        return value >= 0 && value <= UINT8_MAX;
    case SK_GGUF_I8:
        return value >= INT8_MIN && value <= INT8_MAX;
    case SK_GGUF_U16:
        return value >= 0 && value <= UINT16_MAX;
    case SK_GGUF_I16:
        return value >= INT16_MIN && value <= INT16_MAX;
    case SK_GGUF_U32:
        return value >= 0 && value <= UINT32_MAX;
    case SK_GGUF_I32:
        return value >= INT32_MIN && value <= INT32_MAX;
    case SK_GGUF_BOOL:
        return value == 0 || value == 1;
    default:
        return type == SK_GGUF_U64 || type == SK_GGUF_I64;
    }
}

void sk_gguf_put_int(sk_gguf_writer *w, const char *key, uint32_t type, int64_t value)
{
    const sk_gguf_type *info = gguf_number_type(w, key, type, gguf_int_fits(type, value));
    if (!info)
        return;
    if (strcmp(key, "general.alignment") == 0) {
        if (value < SK_GGUF_MIN_ALIGNMENT || value > SK_GGUF_MAX_ALIGNMENT || value & (value - 1))
            sk_fail(&w->error, SKALD_E_ARGUMENT, "general.alignment cannot be %lld",
                    (long long)value);
        w->alignment = (uint64_t)value;
    }
    gguf_put_key(w, key, type);
    gguf_append_int(w, &w->kvs, (uint64_t)value, info->size);
}

void sk_gguf_put_float(sk_gguf_writer *w, const char *key, uint32_t type, double value)
{
    bool single = type == SK_GGUF_F32;
    const sk_gguf_type *info = gguf_number_type(w, key, type, single || type == SK_GGUF_F64);
    if (!info)
        return;
    gguf_put_key(w, key, type);
    gguf_append_int(w, &w->kvs, single ? sk_f32_bits((float)value) : sk_f64_bits(value),
                    info->size);
}

void sk_gguf_put_bool(sk_gguf_writer *w, const char *key, bool value)
{
    sk_gguf_put_int(w, key, SK_GGUF_BOOL, value);
}

void sk_gguf_put_string(sk_gguf_writer *w, const char *key, const char *text, uint64_t n)
{
    gguf_put_key(w, key, SK_GGUF_STRING);
    gguf_append_string(w, &w->kvs, text, n);
}

/* One of an array's numbers, in the host's order, by its bits. */
static uint64_t gguf_bits_at(const void *data, uint32_t size, uint64_t i)
{
    const uint8_t *p = (const uint8_t *)data + i * size;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (size) {
    case 1:
        return *p;
    case 2:
        memcpy(&u16, p, 2);
        return u16;
    case 4:
        memcpy(&u32, p, 4);
        return u32;
    default:
        memcpy(&u64, p, 8);
        return u64;
    }
}

void sk_gguf_put_array(sk_gguf_writer *w, const char *key, uint32_t type, const void *data,
                       uint64_t n)
{
    const sk_gguf_type *info = gguf_number_type(w, key, type, true);
    if (!info)
        return;
    gguf_put_key(w, key, SK_GGUF_ARRAY);
    gguf_append_int(w, &w->kvs, type, 4);
    gguf_append_int(w, &w->kvs, n, 8);
    for (uint64_t i = 0; i < n && w->error.code == 0; i++) {
        uint64_t bits = gguf_bits_at(data, info->size, i);
        if (type == SK_GGUF_BOOL && bits > 1)
            sk_fail(&w->error, SKALD_E_ARGUMENT, "metadata key %s: a bool is %llu", key,
                    (unsigned long long)bits);
        gguf_append_int(w, &w->kvs, bits, info->size);
    }
}

void sk_gguf_put_strings(sk_gguf_writer *w, const char *key, const sk_gguf_string *strings,
                         uint64_t n)
{
    gguf_put_key(w, key, SK_GGUF_ARRAY);
    gguf_append_int(w, &w->kvs, SK_GGUF_STRING, 4);
    gguf_append_int(w, &w->kvs, n, 8);
    for (uint64_t i = 0; i < n && w->error.code == 0; i++)
        gguf_append_string(w, &w->kvs, strings[i].text, strings[i].n);
}

void sk_gguf_put_kv(sk_gguf_writer *w, const sk_gguf_kv *kv)
{
    double number = 0;
    int64_t integer = 0;
    if (kv->strings && kv->is_array)
        sk_gguf_put_strings(w, kv->key, kv->strings, kv->n);
    else if (kv->strings)
        sk_gguf_put_string(w, kv->key, kv->strings[0].text, kv->strings[0].n);
    else if (kv->is_array)
        sk_gguf_put_array(w, kv->key, kv->type, kv->data, kv->n);
    else if (kv->type == SK_GGUF_U64)
        sk_gguf_put_int(w, kv->key, kv->type, (int64_t)gguf_bits_at(kv->data, 8, 0));
    else if (sk_gguf_int_at(kv, 0, &integer))
        sk_gguf_put_int(w, kv->key, kv->type, integer);
    else if (sk_gguf_float_at(kv, 0, &number))
        sk_gguf_put_float(w, kv->key, kv->type, number);
}

/* ---- Tensors --------------------------------------------------------------------------------- */

void sk_gguf_put_tensor(sk_gguf_writer *w, const char *name, uint32_t dtype, uint32_t n_dims,
                        const uint64_t *ne, const void *data)
{
    size_t n = strlen(name);
    if (w->error.code < 0)
        return;
    if (n == 0 || n > SK_GGUF_MAX_NAME || n_dims > 4 || w->n_items == SK_GGUF_MAX_TENSORS) {
        sk_fail(&w->error, SKALD_E_ARGUMENT,
                "tensor %s: its name is empty or longer than %d bytes, it has more than 4 "
                "dimensions, or it is one too many",
                name, SK_GGUF_MAX_NAME);
        return;
    }
    void *items = w->items;
    if (sk_grow(w->heap, &items, &w->item_capacity, w->n_items + 1, sizeof *w->items,
                "tensors to write", &w->error) < 0)
        return;
    w->items = items;
    gguf_item *item = &w->items[w->n_items++];
    *item = (gguf_item){.data = data};
    memcpy(item->name, name, n);
    item->tensor = (sk_gguf_tensor){.name = name, .dtype = dtype, .n_dims = n_dims};
    for (uint32_t d = 0; d < 4; d++)
        item->tensor.ne[d] = d < n_dims ? ne[d] : 1;
    if (sk_gguf_check_shape(&item->tensor, &w->error) == SKALD_E_CORRUPT)
        w->error.code = SKALD_E_ARGUMENT;
}

/* ---- The file -------------------------------------------------------------------------------- */

/* Refuses names that were put twice: those of `n` texts that `text_at` gives. */
static void gguf_check_unique(sk_gguf_writer *w, uint64_t n,
                              sk_gguf_string (*text_at)(const sk_gguf_writer *w, uint64_t i))
{
    sk_strmap map;
    uint32_t old;
    if (w->error.code < 0 || sk_strmap_init(&map, w->heap, n, &w->error) < 0)
        return;
    for (uint64_t i = 0; i < n && w->error.code == 0; i++) {
        sk_gguf_string s = text_at(w, i);
        if (!sk_strmap_put(&map, s.text, s.n, (uint32_t)i, &old))
            sk_fail(&w->error, SKALD_E_ARGUMENT, "%.*s was put twice", (int)s.n, s.text);
    }
    sk_strmap_free(&map, w->heap);
}

static sk_gguf_string gguf_key_text(const sk_gguf_writer *w, uint64_t i)
{
    uint64_t at;
    memcpy(&at, (const uint8_t *)w->keys.data + i * sizeof at, sizeof at);
    const char *entry = (const char *)w->kvs.data + at;
    return (sk_gguf_string){entry + 8, sk_le64(entry)};
}

static sk_gguf_string gguf_name_text(const sk_gguf_writer *w, uint64_t i)
{
    return (sk_gguf_string){w->items[i].name, strlen(w->items[i].name)};
}

static void gguf_append_item(sk_gguf_writer *w, gguf_bytes *head, const gguf_item *item)
{
    const sk_gguf_tensor *t = &item->tensor;
    gguf_append_string(w, head, item->name, strlen(item->name));
    gguf_append_int(w, head, t->n_dims, 4);
    for (uint32_t d = 0; d < t->n_dims; d++)
        gguf_append_int(w, head, t->ne[d], 8);
    gguf_append_int(w, head, t->dtype, 4);
    gguf_append_int(w, head, t->offset, 8);
}

/* Sets the tensors' offsets and builds all that goes before their data, unpadded. */
static void gguf_build_head(sk_gguf_writer *w, gguf_bytes *head)
{
    uint64_t offset = 0;
    gguf_append(w, head, SK_GGUF_MAGIC, 4);
    gguf_append_int(w, head, 3, 4);
    gguf_append_int(w, head, w->n_items, 8);
    gguf_append_int(w, head, w->n_kv, 8);
    gguf_append(w, head, w->kvs.data, w->kvs.n);
    for (uint64_t i = 0; i < w->n_items && w->error.code == 0; i++) {
        gguf_item *item = &w->items[i];
        item->tensor.offset = offset;
        gguf_append_item(w, head, item);
        if (!sk_add(offset, item->tensor.size, &offset) ||
            !sk_align_up(offset, w->alignment, &offset))
            sk_fail(&w->error, SKALD_E_ARGUMENT, "the tensors are larger than any file");
    }
    if (head->n > SK_GGUF_MAX_HEADER && w->error.code == 0)
        sk_fail(&w->error, SKALD_E_ARGUMENT, "the metadata is larger than %llu bytes",
                (unsigned long long)SK_GGUF_MAX_HEADER);
}

typedef struct gguf_output {
    int32_t (*write)(void *user, const void *data, size_t n);
    void *user;
} gguf_output;

/* `data` NULL: zeros. */
static void gguf_write(sk_gguf_writer *w, const gguf_output *output, const void *data, uint64_t n)
{
    static const uint8_t zeros[4096];
    while (n > 0 && w->error.code == 0) {
        uint64_t m = data || n < sizeof zeros ? n : sizeof zeros;
        int32_t failed = output->write(output->user, data ? data : zeros, (size_t)m);
        if (failed && w->error.code == 0)
            sk_fail(&w->error, SKALD_E_IO, "writing the file failed with %d", failed);
        n -= m;
    }
}

static void gguf_write_padded(sk_gguf_writer *w, const gguf_output *output, const void *data,
                              uint64_t n)
{
    gguf_write(w, output, data, n);
    gguf_write(w, output, NULL, (0 - n) & (w->alignment - 1));
}

int32_t sk_gguf_finish(sk_gguf_writer *w, int32_t (*write)(void *user, const void *data, size_t n),
                       void *user, sk_error *e)
{
    gguf_bytes head = {0};
    gguf_output output = {write, user};
    gguf_check_unique(w, w->n_kv, gguf_key_text);
    gguf_check_unique(w, w->n_items, gguf_name_text);
    gguf_build_head(w, &head);
    gguf_write_padded(w, &output, head.data, head.n);
    sk_free(w->heap, head.data);
    for (uint64_t i = 0; i < w->n_items; i++)
        gguf_write_padded(w, &output, w->items[i].data, w->items[i].tensor.size);
    if (e && w->error.code < 0)
        *e = w->error;
    return w->error.code;
}

typedef struct gguf_memory {
    sk_gguf_writer *writer;
    gguf_bytes bytes;
} gguf_memory;

static int32_t gguf_write_memory(void *user, const void *data, size_t n)
{
    gguf_memory *memory = user;
    gguf_append(memory->writer, &memory->bytes, data, n);
    return memory->writer->error.code;
}

int32_t sk_gguf_finish_memory(sk_gguf_writer *w, void **out, uint64_t *size, sk_error *e)
{
    gguf_memory memory = {w, {0}};
    *out = NULL;
    *size = 0;
    int32_t status = sk_gguf_finish(w, gguf_write_memory, &memory, e);
    if (status < 0) {
        sk_free(w->heap, memory.bytes.data);
        return status;
    }
    *out = memory.bytes.data;
    *size = memory.bytes.n;
    return SKALD_OK;
}
