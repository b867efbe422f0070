/* SPDX-License-Identifier: MIT */
/*
 * How to write a GGUF file, in plain C.
 *
 * A file is a header, then tensor data. The header is "GGUF", a u32 version (3), a u64 count of
 * tensors, a u64 count of metadata entries, the entries (key, u32 type, value), and for each
 * tensor its name, u32 number of dimensions, u64 dimensions (the one that varies fastest first),
 * u32 type and u64 offset. The data begins at the next multiple of 32, and each tensor at a
 * multiple of 32 from there. A string is a u64 length and its bytes. All is little-endian.
 *
 * Counts come first in the file, so the header is collected in memory; the data is streamed.
 * An error is remembered: one look at gguf_end tells whether all went well.
 */
#ifndef RANDOM_MODEL_GGUF_H
#define RANDOM_MODEL_GGUF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define GGUF_ALIGNMENT 32

enum { GGUF_U32 = 4, GGUF_I32 = 5, GGUF_F32 = 6, GGUF_BOOL = 7, GGUF_STRING = 8, GGUF_ARRAY = 9 };

typedef struct gguf_part {
    unsigned char *data; /* owned */
    uint64_t n, room, count;
} gguf_part;

typedef struct gguf {
    FILE *file; /* borrowed */
    gguf_part metadata, tensors;
    uint64_t data_size; /* of the tensors so far, each rounded up */
    uint64_t written;   /* bytes of data */
    bool failed;
} gguf;

void gguf_begin(gguf *g, FILE *file);

/* One metadata entry each. */
void gguf_u32(gguf *g, const char *key, uint32_t value);
void gguf_f32(gguf *g, const char *key, float value);
void gguf_bool(gguf *g, const char *key, bool value);
void gguf_string(gguf *g, const char *key, const char *value);

/* An entry that is an array: `n` items follow. */
void gguf_array(gguf *g, const char *key, uint32_t type, uint64_t n);
void gguf_item_i32(gguf *g, int32_t value);
void gguf_item_f32(gguf *g, float value);
void gguf_item_string(gguf *g, const char *value);

/* Announces a tensor of `size` bytes; their data follows gguf_header in the same order. */
void gguf_tensor(gguf *g, const char *name, const uint64_t *shape, uint32_t n_dim, uint32_t type,
                 uint64_t size);
void gguf_header(gguf *g);
void gguf_data(gguf *g, const void *data, uint64_t n);
void gguf_pad(gguf *g); /* after the last byte of each tensor */

/* Frees the collected header; true if everything was written. */
bool gguf_end(gguf *g);

#endif
