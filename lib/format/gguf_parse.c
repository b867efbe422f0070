/* SPDX-License-Identifier: MIT */
/*
 * Reads the header of one GGUF file.
 *
 *     "GGUF", version, number of tensors, number of metadata entries
 *     metadata  key, type, value           type is one of 13; an array has a type and a count
 *     tensors   name, shape, type, offset  relative to the data
 *     padding   to a multiple of the alignment (general.alignment, or 32)
 *     data
 *
 * Numbers are little-endian, strings and arrays begin with a 64-bit count. Versions 2 and 3 differ
 * only in that a file of version 3 may be big-endian, which is recognised and refused.
 *
 * The parser is a cursor with a sticky error: every gguf_take_... after the first failure returns
 * zero, so that a record is read as a straight line and checked once, where a loop or an
 * allocation depends on it. Three rules keep hostile files out: each byte is read once, into
 * memory of our own; nothing is allocated before gguf_have has seen that the file has as many
 * bytes left; sums and products of numbers from the file go through base/checked.h.
 */
#include "base/portable.h"

#include "gguf_int.h"

#include "base/bytes.h"
#include "base/checked.h"

#define GGUF_WINDOW 65536 /* bytes read at once */
#define GGUF_CHUNK 65536  /* bytes of a chunk, unless one item is larger */

/* The smallest records: key of 1 byte, type, value of 1 byte; name of 1 byte, no dimensions. */
#define GGUF_MIN_KV 14
#define GGUF_MIN_TENSOR 25

// clang-format off
static const sk_gguf_type gguf_types[] = {
    [SK_GGUF_U8]   = {"u8", 1},   [SK_GGUF_I8]     = {"i8", 1},
    [SK_GGUF_U16]  = {"u16", 2},  [SK_GGUF_I16]    = {"i16", 2},
    [SK_GGUF_U32]  = {"u32", 4},  [SK_GGUF_I32]    = {"i32", 4},
    [SK_GGUF_U64]  = {"u64", 8},  [SK_GGUF_I64]    = {"i64", 8},
    [SK_GGUF_F32]  = {"f32", 4},  [SK_GGUF_F64]    = {"f64", 8},
    [SK_GGUF_BOOL] = {"bool", 1}, [SK_GGUF_STRING] = {"string", 8},
};
// clang-format on

const sk_gguf_type *sk_gguf_type_get(uint32_t id)
{
    if (id >= sizeof gguf_types / sizeof gguf_types[0] || gguf_types[id].size == 0)
        return NULL;
    return &gguf_types[id];
}

/* ---- Memory that is freed as a whole --------------------------------------------------------- */

struct sk_gguf_chunk {
    sk_gguf_chunk *next;
    uint64_t size, used; /* bytes of `data` */
    _Alignas(8) uint8_t data[];
};

struct sk_gguf_cursor {
    sk_gguf_part *part;
    sk_heap *heap;
    uint64_t at, size; /* the next byte; those of the file */
    uint8_t *window;   /* [GGUF_WINDOW] the file's bytes from window_at on, owned */
    uint64_t window_at, window_n;
    char item[96]; /* what is being read, for messages */
    int32_t status;
    sk_error *error;
    int phase;               /* GGUF_... */
    uint64_t i;              /* the next entry or tensor */
    sk_gguf_string *strings; /* where the next string of an array of them goes */
    uint64_t n_strings;      /* how many are left of it */
};

enum { GGUF_HEADER, GGUF_KVS, GGUF_TENSORS, GGUF_PLACE, GGUF_DONE };

/* `n` bytes aligned to `align`, 1 or 8, which live as long as the part; NULL on failure. */
static void *gguf_keep(sk_gguf_cursor *c, uint64_t n, uint64_t align)
{
    sk_gguf_chunk *chunk = c->part->chunks;
    uint64_t at = chunk ? (chunk->used + align - 1) & ~(align - 1) : 0;
    if (!chunk || !sk_in_range(at, n, chunk->size)) {
        uint64_t size = n > GGUF_CHUNK / 4 ? n : GGUF_CHUNK - sizeof *chunk;
        chunk = sk_alloc(c->heap, sizeof *chunk + size, "metadata", c->error);
        if (!chunk) {
            c->status = SKALD_E_MEMORY;
            return NULL;
        }
        *chunk = (sk_gguf_chunk){.next = c->part->chunks, .size = size};
        c->part->chunks = chunk;
        at = 0;
    }
    chunk->used = at + n;
    return chunk->data + at;
}

/* ---- The cursor ------------------------------------------------------------------------------ */

/* Whether the file has `n` more items of at least `size` bytes. */
static bool gguf_have(sk_gguf_cursor *c, uint64_t n, uint64_t size)
{
    if (c->status < 0)
        return false;
    if (n > (c->size - c->at) / size) /* so n * size is no larger than the file */
        c->status = sk_fail(c->error, SKALD_E_TRUNCATED,
                            "the file ends too early: %s needs %llu x %llu bytes from byte %llu "
                            "on, and the file has %llu",
                            c->item, (unsigned long long)n, (unsigned long long)size,
                            (unsigned long long)c->at, (unsigned long long)c->size);
    else if (!sk_in_range(c->at, n * size, SK_GGUF_MAX_HEADER))
        c->status =
            sk_fail(c->error, SKALD_E_CORRUPT, "the metadata is larger than %llu bytes (at %s)",
                    (unsigned long long)SK_GGUF_MAX_HEADER, c->item);
    return c->status == 0;
}

/* Brings the bytes at the cursor into the window. */
static void gguf_fill(sk_gguf_cursor *c)
{
    uint64_t left = c->size - c->at;
    c->window_at = c->at;
    c->window_n = left < GGUF_WINDOW ? left : GGUF_WINDOW;
    c->status = sk_source_read(c->part->source, c->at, c->window, c->window_n, c->error);
}

/* The next `n` bytes, copied to `out`. */
static void gguf_take(sk_gguf_cursor *c, void *out, uint64_t n)
{
    if (!gguf_have(c, n, 1))
        return;
    for (uint8_t *to = out; n > 0 && c->status == 0;) {
        uint64_t skip = c->at - c->window_at;
        uint64_t m = c->window_n - skip;
        if (m > n)
            m = n;
        memcpy(to, c->window + skip, m);
        to += m;
        c->at += m;
        n -= m;
        if (n > 0)
            gguf_fill(c);
    }
}

static uint32_t gguf_take_u32(sk_gguf_cursor *c)
{
    uint8_t bytes[4] = {0};
    gguf_take(c, bytes, sizeof bytes);
    return c->status < 0 ? 0 : sk_le32(bytes);
}

static uint64_t gguf_take_u64(sk_gguf_cursor *c)
{
    uint8_t bytes[8] = {0};
    gguf_take(c, bytes, sizeof bytes);
    return c->status < 0 ? 0 : sk_le64(bytes);
}

static sk_gguf_string gguf_take_string(sk_gguf_cursor *c, uint64_t max)
{
    sk_gguf_string s = {"", 0};
    uint64_t n = gguf_take_u64(c);
    if (n > max && c->status == 0)
        c->status =
            sk_fail(c->error, SKALD_E_CORRUPT, "%s has a text of %llu bytes; at most %llu are read",
                    c->item, (unsigned long long)n, (unsigned long long)max);
    char *text = gguf_have(c, n, 1) ? gguf_keep(c, n + 1, 1) : NULL;
    if (!text)
        return s;
    gguf_take(c, text, n);
    text[n] = 0;
    s.text = text;
    s.n = n;
    return s;
}

/* A key or a tensor's name: a C string. */
static const char *gguf_take_name(sk_gguf_cursor *c, uint64_t max)
{
    sk_gguf_string s = gguf_take_string(c, max);
    if (c->status < 0)
        return "";
    if (s.n == 0 || memchr(s.text, 0, s.n))
        c->status = sk_fail(c->error, SKALD_E_CORRUPT, "%s has a name that %s", c->item,
                            s.n == 0 ? "is empty" : "contains a NUL");
    return s.text;
}

/* How many records follow, of at least `size` bytes each. */
static uint64_t gguf_take_count(sk_gguf_cursor *c, const char *what, uint64_t max)
{
    uint64_t n = gguf_take_u64(c);
    if (n > max && c->status == 0)
        c->status =
            sk_fail(c->error, SKALD_E_CORRUPT, "the file announces %llu %s; at most %llu are read",
                    (unsigned long long)n, what, (unsigned long long)max);
    return n;
}

/* ---- Metadata -------------------------------------------------------------------------------- */

/* Turns `n` little-endian numbers of `size` bytes into the host's. */
static void gguf_to_host(void *data, uint64_t n, uint32_t size)
{
    uint8_t *p = data;
    for (uint64_t i = 0; size > 1 && i < n; i++, p += size) {
        uint16_t u16 = sk_le16(p);
        uint32_t u32 = size >= 4 ? sk_le32(p) : 0;
        uint64_t u64 = size == 8 ? sk_le64(p) : 0;
        memcpy(p, size == 2 ? (void *)&u16 : size == 4 ? (void *)&u32 : (void *)&u64, size);
    }
}

static void gguf_take_strings(sk_gguf_cursor *c, sk_gguf_kv *kv)
{
    c->strings = gguf_keep(c, kv->n * sizeof *c->strings, 8);
    c->n_strings = c->status == 0 ? kv->n : 0; /* they are taken in pieces */
    kv->strings = c->strings;
}

static void gguf_take_numbers(sk_gguf_cursor *c, sk_gguf_kv *kv, uint32_t size)
{
    uint8_t *data = gguf_keep(c, kv->n * size, 8);
    if (!data)
        return;
    gguf_take(c, data, kv->n * size);
    gguf_to_host(data, kv->n, size);
    for (uint64_t i = 0; kv->type == SK_GGUF_BOOL && i < kv->n && c->status == 0; i++)
        if (data[i] > 1)
            c->status = sk_fail(c->error, SKALD_E_CORRUPT, "%s has a bool that is %u", c->item,
                                (unsigned)data[i]);
    kv->data = data;
}

static void gguf_take_value(sk_gguf_cursor *c, sk_gguf_kv *kv)
{
    kv->type = gguf_take_u32(c);
    kv->is_array = kv->type == SK_GGUF_ARRAY;
    kv->n = 1;
    if (kv->is_array) {
        kv->type = gguf_take_u32(c);
        kv->n = gguf_take_u64(c);
    }
    const sk_gguf_type *type = sk_gguf_type_get(kv->type);
    if (!type && c->status == 0)
        c->status = sk_fail(c->error, SKALD_E_CORRUPT, "%s has a value of %s", c->item,
                            kv->type == SK_GGUF_ARRAY ? "type array of arrays, which is not read"
                                                      : "an unknown type");
    if (c->status < 0 || !gguf_have(c, kv->n, type->size))
        return;
    sk_format(kv->type_name, sizeof kv->type_name, kv->is_array ? "array of %s[%llu]" : "%s",
              type->name, (unsigned long long)kv->n);
    if (kv->type == SK_GGUF_STRING)
        gguf_take_strings(c, kv);
    else
        gguf_take_numbers(c, kv, type->size);
}

static void gguf_take_kv(sk_gguf_cursor *c)
{
    sk_gguf_part *part = c->part;
    sk_gguf_kv *kv = &part->kvs[c->i];
    uint32_t old;
    sk_format(c->item, sizeof c->item, "metadata entry %llu", (unsigned long long)c->i);
    kv->key = gguf_take_name(c, SK_GGUF_MAX_KEY);
    sk_format(c->item, sizeof c->item, "the metadata key %s", kv->key);
    gguf_take_value(c, kv);
    if (c->status == 0 &&
        !sk_strmap_put(&part->keys, kv->key, strlen(kv->key), (uint32_t)c->i, &old))
        c->status = sk_fail(c->error, SKALD_E_CORRUPT, "%s occurs twice", c->item);
}

/* ---- Tensors --------------------------------------------------------------------------------- */

static void gguf_take_tensor(sk_gguf_cursor *c, sk_gguf_tensor *t)
{
    t->name = gguf_take_name(c, SK_GGUF_MAX_NAME);
    sk_format(c->item, sizeof c->item, "tensor %s", t->name);
    t->n_dims = gguf_take_u32(c);
    if (t->n_dims > 4 && c->status == 0)
        c->status = sk_fail(c->error, SKALD_E_CORRUPT, "%s has %u dimensions; at most 4 are read",
                            c->item, (unsigned)t->n_dims);
    for (uint32_t d = 0; d < 4; d++)
        t->ne[d] = d < t->n_dims ? gguf_take_u64(c) : 1;
    t->dtype = gguf_take_u32(c);
    t->offset = gguf_take_u64(c);
    if (c->status == 0)
        c->status = sk_gguf_check_shape(t, c->error);
}

/* ---- The file -------------------------------------------------------------------------------- */

/* The magic and the version; even a file that is too short is told apart from one of another kind.
 */
static void gguf_take_version(sk_gguf_cursor *c)
{
    uint8_t magic[4] = {0};
    uint64_t n = c->size < sizeof magic ? c->size : sizeof magic;
    gguf_take(c, magic, n);
    if (c->status == 0 && memcmp(magic, SK_GGUF_MAGIC, n) != 0)
        c->status = sk_fail(c->error, SKALD_E_NOT_MODEL,
                            "this is not a GGUF file: it begins with \"%.*s\", wanted \"GGUF\"",
                            (int)n, (const char *)magic);
    gguf_have(c, sizeof magic - n, 1);
    uint32_t version = gguf_take_u32(c);
    if (c->status < 0 || version == 2 || version == 3)
        return;
    if (version != 0 && version % 65536 == 0)
        c->status = sk_fail(c->error, SKALD_E_VERSION,
                            "this is a big-endian GGUF file; only little-endian ones are read");
    else
        c->status = sk_fail(c->error, SKALD_E_VERSION,
                            "this is a GGUF file of version %u; versions 2 and 3 are read",
                            (unsigned)version);
}

static void gguf_take_header(sk_gguf_cursor *c)
{
    sk_gguf_part *part = c->part;
    gguf_take_version(c);
    part->n_tensors = gguf_take_count(c, "tensors", SK_GGUF_MAX_TENSORS);
    part->n_kv = gguf_take_count(c, "metadata keys", SK_GGUF_MAX_KEYS);
    if (!gguf_have(c, part->n_tensors, GGUF_MIN_TENSOR) || !gguf_have(c, part->n_kv, GGUF_MIN_KV))
        return;
    part->kvs = sk_alloc_array(c->heap, part->n_kv, sizeof *part->kvs, "metadata", c->error);
    part->tensors =
        sk_alloc_array(c->heap, part->n_tensors, sizeof *part->tensors, "tensors", c->error);
    if (!part->kvs || !part->tensors)
        c->status = SKALD_E_MEMORY;
    else
        c->status = sk_strmap_init(&part->keys, c->heap, part->n_kv, c->error);
}

/* The next record. */
static void gguf_advance(sk_gguf_cursor *c)
{
    sk_gguf_part *part = c->part;
    if (c->n_strings > 0) {
        c->n_strings--;
        *c->strings++ = gguf_take_string(c, SK_GGUF_MAX_STRING);
    } else if (c->phase == GGUF_KVS && c->i < part->n_kv) {
        gguf_take_kv(c);
        c->i++;
    } else if (c->phase == GGUF_TENSORS && c->i < part->n_tensors) {
        sk_format(c->item, sizeof c->item, "tensor %llu", (unsigned long long)c->i);
        gguf_take_tensor(c, &part->tensors[c->i++]);
    } else {
        if (c->phase == GGUF_HEADER)
            gguf_take_header(c);
        else if (c->phase == GGUF_PLACE)
            c->status = sk_gguf_place(part, c->at, c->heap, c->error);
        c->phase++;
        c->i = 0;
    }
}

int32_t sk_gguf_parse_begin(sk_gguf_cursor **out, sk_gguf_part *part, sk_heap *heap, sk_error *e)
{
    sk_gguf_cursor *c = *out = sk_alloc_zero(heap, sizeof *c, "metadata", e);
    if (!c)
        return SKALD_E_MEMORY;
    c->part = part;
    c->heap = heap;
    c->size = sk_source_size(part->source);
    sk_format(c->item, sizeof c->item, "the header");
    c->window = sk_alloc(heap, GGUF_WINDOW, "metadata", e);
    return c->window ? SKALD_OK : SKALD_E_MEMORY;
}

int32_t sk_gguf_parse_step(sk_gguf_cursor *c, sk_error *e)
{
    uint64_t end = c->at + GGUF_WINDOW;
    c->error = e;
    while (c->status == 0 && c->phase != GGUF_DONE && c->at < end)
        gguf_advance(c);
    return c->status < 0 ? c->status : c->phase == GGUF_DONE ? SKALD_OK : SKALD_PENDING;
}

void sk_gguf_parse_end(sk_gguf_cursor *c)
{
    if (!c)
        return;
    sk_free(c->heap, c->window);
    sk_free(c->heap, c);
}

void sk_gguf_part_clear(sk_gguf_part *part, sk_heap *heap)
{
    for (sk_gguf_chunk *next, *chunk = part->chunks; chunk; chunk = next) {
        next = chunk->next;
        sk_free(heap, chunk);
    }
    sk_strmap_free(&part->keys, heap);
    sk_free(heap, part->tensors);
    sk_free(heap, part->kvs);
    sk_source_close(part->source);
    *part = (sk_gguf_part){0};
}
