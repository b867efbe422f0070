/* SPDX-License-Identifier: MIT */
/*
 * Writing a file that takes the place of another in one moment: whoever looks, at any time and
 * after any failure, sees the old file or the new one, whole. Bytes go to a file beside it, which
 * is brought to the disk and then renamed.
 */
#ifndef SK_BASE_REPLACE_H
#define SK_BASE_REPLACE_H

#include "alloc.h"

typedef struct sk_replace sk_replace;

/* Begins; the file of this name stays as it is. Errors: NOT_FOUND (no such folder), IO, MEMORY. */
int32_t sk_replace_open(sk_replace **out, sk_heap *heap, const char *path, sk_error *error);

/* Adds bytes. The first failure stays, and is told at the end. Returns 0 or that. */
int32_t sk_replace_write(sk_replace *file, const void *bytes, size_t n);

/* The new file takes its place; or, where anything failed, is removed. Frees the handle. Errors:
 * IO. */
int32_t sk_replace_close(sk_replace *file, sk_error *error);

#endif
