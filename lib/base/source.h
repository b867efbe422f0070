/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a file behind one interface: a mapped file, a file that is read, memory of the host's,
 * or the host's reader table.
 */
#ifndef SK_BASE_SOURCE_H
#define SK_BASE_SOURCE_H

#include "alloc.h"
#include "options.h"

typedef struct sk_source sk_source;

/* `map`: map the file read-only. Otherwise it is only read. Errors: NOT_FOUND, IO, MEMORY. */
int32_t sk_source_open_file(sk_source **out, sk_heap *heap, const char *path, bool map,
                            sk_error *error);
/* `data` is borrowed until the source is closed. */
int32_t sk_source_open_memory(sk_source **out, sk_heap *heap, const void *data, uint64_t size,
                              sk_error *error);
int32_t sk_source_open_reader(sk_source **out, sk_heap *heap, const skald_reader *reader,
                              sk_error *error);
/* What the options "memory" or "reader" say, the first that is set; `options` may be NULL. Errors:
 * ARGUMENT (neither is set), and those of opening it. */
int32_t sk_source_open_given(sk_source **out, sk_heap *heap, const sk_options *options,
                             sk_error *error);
void sk_source_close(sk_source *source); /* NULL does nothing */

uint64_t sk_source_size(const sk_source *source); /* bytes, fixed at opening */

/* All its bytes at once when they are in memory (mapped or the host's), else NULL. */
const uint8_t *sk_source_view(const sk_source *source);

/* Copies [offset, offset + n). Errors: TRUNCATED (outside the file), IO. */
int32_t sk_source_read(sk_source *source, uint64_t offset, void *out, uint64_t n, sk_error *error);

/* The beginning of a small file of the system's, up to n - 1 bytes and a NUL; "" where there is
 * none or it cannot be read. Bytes, 0 being none. */
size_t sk_source_peek(const char *path, char *text, size_t n);

/* CHANGED when the file's size or time of change is no longer what it was at opening. */
int32_t sk_source_check(const sk_source *source, sk_error *error);

/* Asks the system to bring a mapped range into memory soon. */
void sk_source_prefetch(const sk_source *source, uint64_t offset, uint64_t n);

#endif
