/* SPDX-License-Identifier: MIT */
/*
 * An open model: one GGUF file, or the files of a split set put together.
 *
 * Each file is a part with its own header (gguf_parse.c); the first part's metadata is the
 * model's, and the tensors of all parts stand in one table, found by name. In a split set every
 * file says which one it is (split.no) and of how many (split.count), and the first how many
 * tensors they have together; all three are checked, so that a file of another model or a set
 * with a file missing is not taken for whole.
 *
 * Opening goes in pieces: of a header, or what joins them.
 */
#include "base/portable.h"

#include "gguf_int.h"

#include "base/checked.h"

#include <string.h>

struct sk_gguf {
    sk_heap *heap;       /* borrowed */
    sk_gguf_part *parts; /* [n_parts] */
    uint64_t n_parts, part_capacity;
    sk_gguf_tensor *tensors; /* [n_tensors] those of all parts, in order */
    uint64_t n_tensors, tensor_size;
    sk_strmap names; /* name -> index in tensors */

    /* While it is being opened. */
    sk_gguf_cursor *cursor; /* owned: of the last part, until its header is read */
    const char *path;       /* borrowed, of the first file, or NULL */
    char *sibling;          /* owned: of the last part, when it is not the first */
    uint32_t n_files;       /* that there are to be */
    bool map;
};

/* ---- Opening --------------------------------------------------------------------------------- */

/* Puts the file's path before the message of a failure in it. */
static int32_t gguf_in_file(const char *path, int32_t status, sk_error *e)
{
    if (status >= 0 || !path || !e)
        return status;
    sk_error inner = *e;
    return sk_fail(e, status, "%s: %s", path, inner.text);
}

/* Begins to parse one more file; `source` is transferred, also on failure. */
static int32_t gguf_add_part(sk_gguf *g, sk_source *source, sk_error *e)
{
    void *parts = g->parts;
    int32_t status = sk_grow(g->heap, &parts, &g->part_capacity, g->n_parts + 1, sizeof *g->parts,
                             "files of a model", e);
    g->parts = parts;
    if (status < 0) {
        sk_source_close(source);
        return status;
    }
    sk_gguf_part *part = &g->parts[g->n_parts++];
    *part = (sk_gguf_part){.source = source};
    return sk_gguf_parse_begin(&g->cursor, part, g->heap, e);
}

/* A key about splitting, 0 when it is absent. */
static int32_t gguf_split_key(const sk_gguf_part *part, const char *key, int64_t max, int64_t *out,
                              sk_error *e)
{
    *out = 0;
    int32_t status = sk_gguf_part_int(part, key, 0, max, out, e);
    return status == SKALD_E_NOT_FOUND ? SKALD_OK : status;
}

/* Begins with the next file of a split set. */
static int32_t gguf_add_sibling(sk_gguf *g, sk_error *e)
{
    sk_source *source;
    if (!g->sibling)
        g->sibling = sk_alloc(g->heap, strlen(g->path) + 1, "a path", e);
    if (!g->sibling)
        return SKALD_E_MEMORY;
    if (!sk_gguf_split_path(g->sibling, g->path, (uint32_t)g->n_parts, g->n_files))
        return sk_fail(e, SKALD_E_NOT_FOUND,
                       "%s is the first of %u files, but it is not named like that (the first of "
                       "three is model-00001-of-00003.gguf), so the others cannot be found",
                       g->path, (unsigned)g->n_files);
    int32_t status = sk_source_open_file(&source, g->heap, g->sibling, g->map, e);
    return status < 0 ? status : gguf_in_file(g->sibling, gguf_add_part(g, source, e), e);
}

/* A file of a split set, its header read, is the one that was wanted. */
static int32_t gguf_check_sibling(const sk_gguf *g, sk_error *e)
{
    const sk_gguf_part *part = &g->parts[g->n_parts - 1];
    int64_t no, count;
    int32_t status = gguf_split_key(part, "split.no", UINT16_MAX, &no, e);
    if (status == 0)
        status = gguf_split_key(part, "split.count", UINT16_MAX, &count, e);
    if (status == 0 && (no != (int64_t)g->n_parts - 1 || count != g->n_files))
        status = sk_fail(e, SKALD_E_CORRUPT, "it says it is file %lld of %lld, wanted %u of %u",
                         (long long)no + 1, (long long)count, (unsigned)g->n_parts,
                         (unsigned)g->n_files);
    return status;
}

/* How many files there are, by the first one's header. */
static int32_t gguf_count_files(sk_gguf *g, sk_error *e)
{
    int64_t no, count;
    int32_t status = gguf_split_key(&g->parts[0], "split.no", UINT16_MAX, &no, e);
    if (status == 0)
        status = gguf_split_key(&g->parts[0], "split.count", SK_GGUF_MAX_FILES, &count, e);
    if (status < 0)
        return gguf_in_file(g->path, status, e);
    if (count > 1 && no != 0)
        return sk_fail(e, SKALD_E_ARGUMENT,
                       "%s is file %lld of %lld of a split set; open the first one",
                       g->path ? g->path : "this", (long long)no + 1, (long long)count);
    if (count > 1 && !g->path)
        return sk_fail(e, SKALD_E_NOT_FOUND,
                       "this is the first of %lld files; the others are found only when it is "
                       "opened by its path",
                       (long long)count);
    g->n_files = count > 1 ? (uint32_t)count : 1;
    return SKALD_OK;
}

static int32_t gguf_count_tensors(sk_gguf *g, sk_error *e)
{
    int64_t wanted;
    for (uint64_t i = 0; i < g->n_parts; i++)
        g->n_tensors += g->parts[i].n_tensors;
    if (g->n_tensors > SK_GGUF_MAX_TENSORS)
        return sk_fail(e, SKALD_E_CORRUPT, "the files have %llu tensors; at most %u are read",
                       (unsigned long long)g->n_tensors, (unsigned)SK_GGUF_MAX_TENSORS);
    if (g->n_parts == 1)
        return SKALD_OK;
    int32_t status = gguf_split_key(&g->parts[0], "split.tensors.count", INT64_MAX, &wanted, e);
    if (status == 0 && (uint64_t)wanted != g->n_tensors)
        status =
            sk_fail(e, SKALD_E_CORRUPT, "the files of the split set have %llu tensors, wanted %lld",
                    (unsigned long long)g->n_tensors, (long long)wanted);
    return status;
}

/* Puts the tensors of all parts into one table. */
static int32_t gguf_join(sk_gguf *g, sk_error *e)
{
    int32_t status = gguf_count_tensors(g, e);
    if (status < 0)
        return status;
    g->tensors = sk_alloc_array(g->heap, g->n_tensors, sizeof *g->tensors, "tensors", e);
    if (!g->tensors)
        return SKALD_E_MEMORY;
    status = sk_strmap_init(&g->names, g->heap, g->n_tensors, e);
    uint32_t n = 0, old;
    for (uint32_t p = 0; p < g->n_parts && status == 0; p++) {
        for (uint64_t i = 0; i < g->parts[p].n_tensors && status == 0; i++) {
            sk_gguf_tensor *t = &g->tensors[n];
            *t = g->parts[p].tensors[i];
            t->file = p;
            g->tensor_size += t->size; /* apart in their files: no more than those have */
            if (!sk_strmap_put(&g->names, t->name, strlen(t->name), n++, &old))
                status = sk_fail(e, SKALD_E_CORRUPT, "tensor %s occurs twice", t->name);
        }
        sk_free(g->heap, g->parts[p].tensors);
        g->parts[p].tensors = NULL;
    }
    return status;
}

int32_t sk_gguf_begin(sk_gguf **out, sk_heap *heap, sk_source *source, const char *path, bool map,
                      sk_error *e)
{
    *out = NULL;
    sk_gguf *g = sk_alloc_zero(heap, sizeof *g, "a GGUF file", e);
    if (!g) {
        sk_source_close(source);
        return SKALD_E_MEMORY;
    }
    g->heap = heap;
    g->path = path;
    g->map = map;
    int32_t status = gguf_add_part(g, source, e);
    if (status == 0)
        *out = g;
    else
        sk_gguf_close(g);
    return status;
}

/* A piece of the last part's header. */
static int32_t gguf_read_part(sk_gguf *g, sk_error *e)
{
    bool first = g->n_parts == 1;
    const char *path = first ? g->path : g->sibling;
    int32_t status = gguf_in_file(path, sk_gguf_parse_step(g->cursor, e), e);
    if (status != SKALD_OK)
        return status;
    sk_gguf_parse_end(g->cursor);
    g->cursor = NULL;
    status = first ? gguf_count_files(g, e) : gguf_in_file(path, gguf_check_sibling(g, e), e);
    return status < 0 ? status : SKALD_PENDING;
}

int32_t sk_gguf_step(sk_gguf *g, sk_error *e)
{
    if (g->cursor)
        return gguf_read_part(g, e);
    if (g->n_parts < g->n_files) {
        int32_t status = gguf_add_sibling(g, e);
        return status < 0 ? status : SKALD_PENDING;
    }
    sk_free(g->heap, g->sibling);
    g->sibling = NULL;
    return gguf_in_file(g->path, gguf_join(g, e), e);
}

int32_t sk_gguf_open(sk_gguf **out, sk_heap *heap, sk_source *source, const char *path, bool map,
                     sk_error *e)
{
    int32_t status = sk_gguf_begin(out, heap, source, path, map, e);
    if (status < 0)
        return status;
    do
        status = sk_gguf_step(*out, e);
    while (status == SKALD_PENDING);
    if (status == SKALD_OK)
        return SKALD_OK;
    sk_gguf_close(*out);
    *out = NULL;
    return status;
}

void sk_gguf_close(sk_gguf *g)
{
    if (!g)
        return;
    sk_gguf_parse_end(g->cursor);
    sk_free(g->heap, g->sibling);
    for (uint64_t i = 0; i < g->n_parts; i++)
        sk_gguf_part_clear(&g->parts[i], g->heap);
    sk_strmap_free(&g->names, g->heap);
    sk_free(g->heap, g->tensors);
    sk_free(g->heap, g->parts);
    sk_free(g->heap, g);
}

/* ---- Split sets ------------------------------------------------------------------------------ */

/* Whether `text` begins with `number` as five digits. */
static bool gguf_is_number(const char *text, uint32_t number)
{
    for (int i = 4; i >= 0; i--, number /= 10)
        if (text[i] != (char)('0' + number % 10))
            return false;
    return number == 0;
}

bool sk_gguf_split_path(char *out, const char *first, uint32_t no, uint32_t count)
{
    static const char form[] = "-00000-of-00000.gguf"; /* numbers at 1 and at 10 */
    size_t n = strlen(first), n_form = sizeof form - 1;
    if (n < n_form || no >= count)
        return false;
    const char *end = first + n - n_form;
    if (end[0] != '-' || !gguf_is_number(end + 1, 1) || memcmp(end + 6, form + 6, 4) != 0 ||
        !gguf_is_number(end + 10, count) || memcmp(end + 15, form + 15, 5) != 0)
        return false;
    memcpy(out, first, n + 1);
    char *digit = out + n - n_form + 5;
    for (uint32_t number = no + 1; number > 0; number /= 10)
        *digit-- = (char)('0' + number % 10);
    return true;
}

/* ---- Reading --------------------------------------------------------------------------------- */

int32_t sk_gguf_check(const sk_gguf *g, sk_error *e)
{
    int32_t status = SKALD_OK;
    for (uint64_t i = 0; i < g->n_parts && status == 0; i++)
        status = sk_source_check(g->parts[i].source, e);
    return status;
}

uint32_t sk_gguf_n_files(const sk_gguf *g)
{
    return (uint32_t)g->n_parts;
}

uint64_t sk_gguf_file_size(const sk_gguf *g)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < g->n_parts; i++)
        sum += sk_source_size(g->parts[i].source);
    return sum;
}

uint64_t sk_gguf_tensor_size(const sk_gguf *g)
{
    return g->tensor_size;
}

uint64_t sk_gguf_n_kv(const sk_gguf *g)
{
    return g->parts[0].n_kv;
}

const sk_gguf_kv *sk_gguf_kv_at(const sk_gguf *g, uint64_t index)
{
    return index < g->parts[0].n_kv ? &g->parts[0].kvs[index] : NULL;
}

const sk_gguf_kv *sk_gguf_part_find(const sk_gguf_part *part, const char *key)
{
    uint32_t i;
    return sk_strmap_get(&part->keys, key, strlen(key), &i) ? &part->kvs[i] : NULL;
}

const sk_gguf_kv *sk_gguf_find(const sk_gguf *g, const char *key)
{
    return sk_gguf_part_find(&g->parts[0], key);
}

uint64_t sk_gguf_n_tensors(const sk_gguf *g)
{
    return g->n_tensors;
}

const sk_gguf_tensor *sk_gguf_tensor_at(const sk_gguf *g, uint64_t index)
{
    return index < g->n_tensors ? &g->tensors[index] : NULL;
}

const sk_gguf_tensor *sk_gguf_tensor_find(const sk_gguf *g, const char *name)
{
    uint32_t i;
    return sk_strmap_get(&g->names, name, strlen(name), &i) ? &g->tensors[i] : NULL;
}

const void *sk_gguf_tensor_view(const sk_gguf *g, const sk_gguf_tensor *t)
{
    const uint8_t *view = sk_source_view(g->parts[t->file].source);
    return view ? view + t->offset : NULL;
}

int32_t sk_gguf_tensor_read(const sk_gguf *g, const sk_gguf_tensor *t, uint64_t offset, void *out,
                            uint64_t n, sk_error *e)
{
    if (!sk_in_range(offset, n, t->size))
        return sk_fail(e, SKALD_E_ARGUMENT, "bytes %llu to %llu are not inside tensor %s",
                       (unsigned long long)offset, (unsigned long long)(offset + n), t->name);
    return sk_source_read(g->parts[t->file].source, t->offset + offset, out, n, e);
}

void sk_gguf_tensor_prefetch(const sk_gguf *g, const sk_gguf_tensor *t)
{
    sk_source_prefetch(g->parts[t->file].source, t->offset, t->size);
}
