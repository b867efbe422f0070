/* SPDX-License-Identifier: MIT */
/*
 * What the files of the GGUF reader and writer know of each other: one file's parsed header.
 */
#ifndef SK_FORMAT_GGUF_INT_H
#define SK_FORMAT_GGUF_INT_H

#include "base/strmap.h"
#include "format/gguf.h"

#define SK_GGUF_MAGIC "GGUF"
#define SK_GGUF_DEFAULT_ALIGNMENT 32 /* bytes */

typedef struct sk_gguf_type {
    const char *name;
    uint32_t size; /* bytes in the file; of a string, those of its length */
} sk_gguf_type;

/* NULL for an id that is unknown or is that of an array. */
const sk_gguf_type *sk_gguf_type_get(uint32_t id);

/* Memory that is only ever given back as a whole: strings and arrays lie in its chunks. */
typedef struct sk_gguf_chunk sk_gguf_chunk;

/* One file of a model. All zeros is an empty one. */
typedef struct sk_gguf_part {
    sk_source *source; /* owned */
    sk_gguf_kv *kvs;
    uint64_t n_kv;
    sk_strmap keys;          /* key -> index in kvs */
    sk_gguf_tensor *tensors; /* offsets absolute and checked, file 0 */
    uint64_t n_tensors;
    sk_gguf_chunk *chunks; /* hold every name, string and array above */
} sk_gguf_part;

/* Reads the header of `part->source` in pieces: PENDING, OK or an error. `part` stays where it is
 * meanwhile; on failure it is to be cleared all the same. */
typedef struct sk_gguf_cursor sk_gguf_cursor;
int32_t sk_gguf_parse_begin(sk_gguf_cursor **out, sk_gguf_part *part, sk_heap *heap,
                            sk_error *error);
int32_t sk_gguf_parse_step(sk_gguf_cursor *cursor, sk_error *error);
void sk_gguf_parse_end(sk_gguf_cursor *cursor);             /* NULL does nothing */
void sk_gguf_part_clear(sk_gguf_part *part, sk_heap *heap); /* closes the source too */

/* The two steps of parsing that are about layout (gguf_layout.c). The first checks type and shape
 * and sets the size; the second, given that the header ends at byte `end`, makes the offsets
 * absolute and checks them. Errors: TYPE, CORRUPT, TRUNCATED, MEMORY. */
int32_t sk_gguf_check_shape(sk_gguf_tensor *tensor, sk_error *error);
int32_t sk_gguf_place(sk_gguf_part *part, uint64_t end, sk_heap *heap, sk_error *error);

/* Entries of one file: as sk_gguf_find and sk_gguf_get_int. */
const sk_gguf_kv *sk_gguf_part_find(const sk_gguf_part *part, const char *key);
int32_t sk_gguf_part_int(const sk_gguf_part *part, const char *key, int64_t min, int64_t max,
                         int64_t *out, sk_error *error);

#endif
