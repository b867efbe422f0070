/* SPDX-License-Identifier: MIT */
/*
 * A model file: GGUF version 2 or 3, whole or split over several files.
 *
 * A file is a header (metadata: keys with typed values; then a name, type, shape and offset per
 * tensor) and the tensors' data. Opening reads the header once, checks every number in it, and
 * keeps a copy of its own: nothing that happens to the file later can contradict what was
 * checked. The data is not touched; that every tensor lies inside its file, aligned and apart
 * from the others, is checked.
 *
 * A file is hostile until it is open: lengths and counts are compared with the bytes that are left
 * before anything is allocated for them, so memory stays within about three times the header's
 * size and the tables of at most 65536 keys and tensors. An open sk_gguf never changes; any number
 * of threads may read it.
 */
#ifndef SK_FORMAT_GGUF_H
#define SK_FORMAT_GGUF_H

#include "base/source.h"

/* What is refused although the format allows it. */
#define SK_GGUF_MAX_HEADER (UINT64_C(512) << 20) /* bytes before the tensors' data */
#define SK_GGUF_MAX_STRING (UINT64_C(64) << 20)  /* bytes */
#define SK_GGUF_MAX_KEY 65535                    /* bytes */
#define SK_GGUF_MAX_NAME 63                      /* bytes of a tensor's name */
#define SK_GGUF_MAX_KEYS 65536
#define SK_GGUF_MAX_TENSORS 65536
#define SK_GGUF_MAX_FILES 1024  /* of a split set */
#define SK_GGUF_MIN_ALIGNMENT 8 /* bytes */
#define SK_GGUF_MAX_ALIGNMENT 65536

/* Types of metadata, as files have them. */
enum {
    SK_GGUF_U8 = 0,
    SK_GGUF_I8 = 1,
    SK_GGUF_U16 = 2,
    SK_GGUF_I16 = 3,
    SK_GGUF_U32 = 4,
    SK_GGUF_I32 = 5,
    SK_GGUF_F32 = 6,
    SK_GGUF_BOOL = 7,
    SK_GGUF_STRING = 8,
    SK_GGUF_ARRAY = 9,
    SK_GGUF_U64 = 10,
    SK_GGUF_I64 = 11,
    SK_GGUF_F64 = 12
};

/* Any bytes, and a NUL behind them that is not counted. */
typedef struct sk_gguf_string {
    const char *text;
    uint64_t n; /* bytes */
} sk_gguf_string;

/* One metadata entry: a scalar is held as an array of one. */
typedef struct sk_gguf_kv {
    const char *key; /* as the file has it: printable or not, but no NUL inside */
    uint32_t type;   /* of each value: SK_GGUF_..., never ARRAY */
    bool is_array;
    uint64_t n;       /* values */
    const void *data; /* [n] numbers of the type, in the host's byte order, aligned for it; bools
                         are bytes 0 or 1; NULL for strings */
    const sk_gguf_string *strings; /* [n], NULL for numbers */
    char type_name[32];            /* "u32", "string", "array of f32[32000]" */
} sk_gguf_kv;

typedef struct sk_gguf_tensor {
    const char *name; /* as the file has it: printable or not, but no NUL inside */
    uint32_t dtype;   /* a type that sk_dtype_get knows */
    uint32_t n_dims;  /* 0 to 4 */
    uint64_t ne[4];   /* elements by dimension, the first varies fastest; missing ones are 1 */
    uint64_t offset;  /* bytes from the beginning of its file */
    uint64_t size;    /* bytes */
    uint32_t file;    /* which file of a split set */
} sk_gguf_tensor;

typedef struct sk_gguf sk_gguf;

/*
 * Opens a model file. `source` is transferred, also when opening fails. `path`, where it was
 * opened, may be NULL; it names the file in messages, and the others of a split set are found
 * beside it, and opened mapped or not as `map` says. A split set is opened by its first file; its
 * metadata is the first file's. Views below live as long as the sk_gguf.
 * Errors: NOT_MODEL; VERSION (also: byte order); TRUNCATED; CORRUPT; TYPE; NOT_FOUND (a file of a
 * split set); ARGUMENT (not the first file of a split set); IO; CHANGED; MEMORY.
 */
int32_t sk_gguf_open(sk_gguf **out, sk_heap *heap, sk_source *source, const char *path, bool map,
                     sk_error *error);
void sk_gguf_close(sk_gguf *gguf); /* NULL does nothing */

/* The same in pieces, of some 64 KiB of a header: sk_gguf_step returns PENDING until it returns OK
 * or an error, after either of which it is not called again. Before it has returned OK the handle
 * can only be closed. `path` must last until then. */
int32_t sk_gguf_begin(sk_gguf **out, sk_heap *heap, sk_source *source, const char *path, bool map,
                      sk_error *error);
int32_t sk_gguf_step(sk_gguf *gguf, sk_error *error);

/* CHANGED when one of the files is no longer what it was when it was opened. */
int32_t sk_gguf_check(const sk_gguf *gguf, sk_error *error);

uint32_t sk_gguf_n_files(const sk_gguf *gguf);
uint64_t sk_gguf_file_size(const sk_gguf *gguf);   /* bytes of all files */
uint64_t sk_gguf_tensor_size(const sk_gguf *gguf); /* bytes of all tensors, padding not counted */

/* The path of file `no` (0 is the first) of the `count` that a split set has, given that of the
 * first, "...-00001-of-00003.gguf"; just as long, `out` has room for it and its NUL. False when
 * the first is not named so. */
bool sk_gguf_split_path(char *out, const char *first, uint32_t no, uint32_t count);

/* ---- Metadata --------------------------------------------------------------------------------*/

uint64_t sk_gguf_n_kv(const sk_gguf *gguf);
const sk_gguf_kv *sk_gguf_kv_at(const sk_gguf *gguf, uint64_t index); /* NULL past the last */
const sk_gguf_kv *sk_gguf_find(const sk_gguf *gguf, const char *key); /* NULL: no such key */

/*
 * One value by key. Any integer type will do for an integer, and for a float; a bool counts as 0
 * or 1, and an integer 0 or 1 as a bool. A number outside [min, max], or NaN, is refused.
 * Errors: NOT_FOUND (no such key; *out is left alone, so it may hold the default beforehand),
 * CORRUPT (of another type, or out of range).
 */
int32_t sk_gguf_get_int(const sk_gguf *gguf, const char *key, int64_t min, int64_t max,
                        int64_t *out, sk_error *error);
int32_t sk_gguf_get_float(const sk_gguf *gguf, const char *key, double min, double max, double *out,
                          sk_error *error);
int32_t sk_gguf_get_bool(const sk_gguf *gguf, const char *key, bool *out, sk_error *error);
int32_t sk_gguf_get_string(const sk_gguf *gguf, const char *key, sk_gguf_string *out,
                           sk_error *error);

/* Value `i` of an entry as a number, as above; false when there is no such value, or it is a
 * string, or (for an integer) a float or above INT64_MAX. */
bool sk_gguf_int_at(const sk_gguf_kv *kv, uint64_t i, int64_t *out);
bool sk_gguf_float_at(const sk_gguf_kv *kv, uint64_t i, double *out);

/* The entry as text for people, arrays as "[a, b, ...]", cut to what `size` bytes hold with the
 * NUL; returns the length of the whole text. `buffer` may be NULL when `size` is 0. */
uint64_t sk_gguf_kv_text(const sk_gguf_kv *kv, char *buffer, uint64_t size);

/* ---- Tensors ---------------------------------------------------------------------------------*/

uint64_t sk_gguf_n_tensors(const sk_gguf *gguf);
const sk_gguf_tensor *sk_gguf_tensor_at(const sk_gguf *gguf, uint64_t index); /* NULL past last */
const sk_gguf_tensor *sk_gguf_tensor_find(const sk_gguf *gguf, const char *name); /* or NULL */

/* A tensor's bytes where they lie (no alignment is promised), or NULL when its file is not in
 * memory. */
const void *sk_gguf_tensor_view(const sk_gguf *gguf, const sk_gguf_tensor *tensor);

/* Copies bytes [offset, offset + n) of a tensor. Errors: ARGUMENT (outside it), TRUNCATED, IO. */
int32_t sk_gguf_tensor_read(const sk_gguf *gguf, const sk_gguf_tensor *tensor, uint64_t offset,
                            void *out, uint64_t n, sk_error *error);

/* Asks the system to bring a mapped tensor into memory soon. */
void sk_gguf_tensor_prefetch(const sk_gguf *gguf, const sk_gguf_tensor *tensor);

#endif
