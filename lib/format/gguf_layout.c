/* SPDX-License-Identifier: MIT */
/*
 * Where the tensors of one GGUF file lie, and whether they can lie there.
 *
 * A tensor's size follows from its type and shape; its offset counts from the data's beginning,
 * the first multiple of the alignment behind the header. The format's own writers lay tensors out
 * one after the other in the header's order. Nothing here needs that: each must be aligned, inside
 * the file, and apart from the others, which is seen by walking them in the order of offsets.
 */
#include "base/portable.h"

#include "gguf_int.h"

#include "base/checked.h"
#include "base/dtype.h"

/* ---- Shape -------------------------------------------------------------------------------------
 */

/* Bytes of a tensor; false when they, or its elements, are more than 2^63 - 1. */
static bool gguf_tensor_bytes(const sk_gguf_tensor *t, uint64_t *size)
{
    uint64_t n = t->ne[0];
    if (!sk_dtype_row_size(t->dtype, t->ne[0], size))
        return false;
    for (int d = 1; d < 4; d++)
        if (!sk_mul(n, t->ne[d], &n) || !sk_mul(*size, t->ne[d], size))
            return false;
    return n <= INT64_MAX && *size <= INT64_MAX;
}

int32_t sk_gguf_check_shape(sk_gguf_tensor *t, sk_error *e)
{
    const sk_dtype *type = sk_dtype_get(t->dtype);
    if (!type)
        return sk_fail(e, SKALD_E_TYPE, "tensor %s has type %u: %s", t->name, (unsigned)t->dtype,
                       sk_dtype_refusal(t->dtype));
    for (int d = 0; d < 4; d++)
        if (t->ne[d] == 0)
            return sk_fail(e, SKALD_E_CORRUPT, "tensor %s has a dimension of 0", t->name);
    if (t->ne[0] % type->n_elem != 0)
        return sk_fail(e, SKALD_E_CORRUPT,
                       "tensor %s has rows of %llu elements, which %s cannot hold: it has blocks "
                       "of %u",
                       t->name, (unsigned long long)t->ne[0], type->name, (unsigned)type->n_elem);
    if (!gguf_tensor_bytes(t, &t->size))
        return sk_fail(e, SKALD_E_CORRUPT,
                       "tensor %s is impossibly large: %llu x %llu x %llu x %llu", t->name,
                       (unsigned long long)t->ne[0], (unsigned long long)t->ne[1],
                       (unsigned long long)t->ne[2], (unsigned long long)t->ne[3]);
    return SKALD_OK;
}

/* ---- Where the data lies --------------------------------------------------------------------- */

/* Replaces the default in *alignment by what the file says. */
static int32_t gguf_alignment(const sk_gguf_part *part, uint64_t *alignment, sk_error *e)
{
    int64_t a = (int64_t)*alignment;
    int32_t status = sk_gguf_part_int(part, "general.alignment", SK_GGUF_MIN_ALIGNMENT,
                                      SK_GGUF_MAX_ALIGNMENT, &a, e);
    if (status < 0 && status != SKALD_E_NOT_FOUND)
        return status;
    if ((a & (a - 1)) != 0)
        return sk_fail(e, SKALD_E_CORRUPT, "general.alignment is %lld, wanted a power of two",
                       (long long)a);
    *alignment = (uint64_t)a;
    return SKALD_OK;
}

/* Sinks order[i] until the n first entries are a heap again, the farthest tensor on top. */
static void gguf_sift_down(uint32_t *order, uint64_t n, uint64_t i, const sk_gguf_tensor *t)
{
    for (uint64_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && t[order[child + 1]].offset > t[order[child]].offset)
            child++;
        if (t[order[i]].offset >= t[order[child]].offset)
            return;
        uint32_t swap = order[i];
        order[i] = order[child];
        order[child] = swap;
    }
}

/* Heapsort: its worst case is as good as any, and it needs no memory of libc's. */
static void gguf_sort(uint32_t *order, uint64_t n, const sk_gguf_tensor *t)
{
    for (uint64_t i = n / 2; i-- > 0;)
        gguf_sift_down(order, n, i, t);
    for (uint64_t end = n; end-- > 1;) {
        uint32_t last = order[0];
        order[0] = order[end];
        order[end] = last;
        gguf_sift_down(order, end, 0, t);
    }
}

static int32_t gguf_check_apart(const sk_gguf_part *part, sk_heap *heap, sk_error *e)
{
    const sk_gguf_tensor *t = part->tensors;
    uint32_t *order = sk_alloc_array(heap, part->n_tensors, sizeof *order, "tensor order", e);
    int32_t status = order ? SKALD_OK : SKALD_E_MEMORY;
    for (uint64_t i = 0; order && i < part->n_tensors; i++)
        order[i] = (uint32_t)i;
    if (order)
        gguf_sort(order, part->n_tensors, t);
    for (uint64_t i = 1; i < part->n_tensors && status == 0; i++) {
        const sk_gguf_tensor *a = &t[order[i - 1]], *b = &t[order[i]];
        if (b->offset - a->offset < a->size)
            status = sk_fail(e, SKALD_E_CORRUPT, "tensors %s and %s overlap at byte %llu", a->name,
                             b->name, (unsigned long long)b->offset);
    }
    sk_free(heap, order);
    return status;
}

int32_t sk_gguf_place(sk_gguf_part *part, uint64_t end, sk_heap *heap, sk_error *e)
{
    uint64_t alignment = SK_GGUF_DEFAULT_ALIGNMENT, start = end;
    uint64_t size = sk_source_size(part->source);
    int32_t status = gguf_alignment(part, &alignment, e);
    if (status < 0)
        return status;
    sk_align_up(end, alignment, &start); /* the header's size is bounded: it fits */
    for (uint64_t i = 0; i < part->n_tensors; i++) {
        sk_gguf_tensor *t = &part->tensors[i];
        if (t->offset % alignment != 0)
            return sk_fail(e, SKALD_E_CORRUPT,
                           "tensor %s begins at byte %llu of the data, not a multiple of %llu",
                           t->name, (unsigned long long)t->offset, (unsigned long long)alignment);
        if (!sk_add(start, t->offset, &t->offset) || !sk_in_range(t->offset, t->size, size))
            return sk_fail(
                e, SKALD_E_TRUNCATED,
                "the file ends too early: tensor %s has %llu bytes at byte %llu, and the "
                "file has %llu",
                t->name, (unsigned long long)t->size, (unsigned long long)t->offset,
                (unsigned long long)size);
    }
    return gguf_check_apart(part, heap, e);
}
