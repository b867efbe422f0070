/* SPDX-License-Identifier: MIT */
/*
 * Writes GGUF files, version 3. Put metadata and tensors in any order, then finish: what was put
 * is gathered in memory, the tensors' data is only borrowed, and the whole file goes to the caller
 * in one sequence of writes.
 *
 * The puts return nothing: the first error sticks, later puts do nothing, and finish reports it.
 * So a caller writes a straight line and checks once.
 */
#ifndef SK_FORMAT_GGUF_WRITE_H
#define SK_FORMAT_GGUF_WRITE_H

#include "format/gguf.h"

typedef struct sk_gguf_writer sk_gguf_writer;

/* Errors: MEMORY. */
int32_t sk_gguf_writer_new(sk_gguf_writer **out, sk_heap *heap, sk_error *error);
void sk_gguf_writer_free(sk_gguf_writer *writer); /* NULL does nothing */

/* A number of `type` (any but F32, F64, STRING, ARRAY); it must fit. Numbers of type U64 are
 * given by their bits. "general.alignment" holds for the file that is written. */
void sk_gguf_put_int(sk_gguf_writer *writer, const char *key, uint32_t type, int64_t value);
/* F32 (rounded) or F64. */
void sk_gguf_put_float(sk_gguf_writer *writer, const char *key, uint32_t type, double value);
void sk_gguf_put_bool(sk_gguf_writer *writer, const char *key, bool value);
void sk_gguf_put_string(sk_gguf_writer *writer, const char *key, const char *text, uint64_t n);
/* `n` numbers of any type but STRING and ARRAY, in the host's byte order (bools as bytes 0, 1). */
void sk_gguf_put_array(sk_gguf_writer *writer, const char *key, uint32_t type, const void *data,
                       uint64_t n);
void sk_gguf_put_strings(sk_gguf_writer *writer, const char *key, const sk_gguf_string *strings,
                         uint64_t n);
/* An entry of another file, whatever its type. */
void sk_gguf_put_kv(sk_gguf_writer *writer, const sk_gguf_kv *kv);

/* A tensor of `n_dims` dimensions, `ne[0]` varying fastest. `data` holds its bytes as files have
 * them and is borrowed until finish; their number follows from type and shape. NULL: zeros. */
void sk_gguf_put_tensor(sk_gguf_writer *writer, const char *name, uint32_t dtype, uint32_t n_dims,
                        const uint64_t *ne, const void *data);

/* Writes the file through `write`, which returns 0 or, on failure, anything else. Errors: ARGUMENT
 * (something put was not valid: the message names it), TYPE, MEMORY, IO (`write` failed). */
int32_t sk_gguf_finish(sk_gguf_writer *writer,
                       int32_t (*write)(void *user, const void *data, size_t n), void *user,
                       sk_error *error);

/* The same into memory: `*out` is the caller's, to be freed with sk_free. */
int32_t sk_gguf_finish_memory(sk_gguf_writer *writer, void **out, uint64_t *size, sk_error *error);

#endif
