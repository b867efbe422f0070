/* SPDX-License-Identifier: MIT */
/*
 * The table of tensor types: ids and sizes as GGUF files have them (ggml's numbering). The reader
 * checks ranges with it, tensor/ gives the types their meaning.
 */
#ifndef SK_BASE_DTYPE_H
#define SK_BASE_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SK_F32 = 0,
    SK_F16 = 1,
    SK_Q4_0 = 2,
    SK_Q4_1 = 3,
    SK_Q5_0 = 6,
    SK_Q5_1 = 7,
    SK_Q8_0 = 8,
    SK_Q8_1 = 9,
    SK_Q2_K = 10,
    SK_Q3_K = 11,
    SK_Q4_K = 12,
    SK_Q5_K = 13,
    SK_Q6_K = 14,
    SK_Q8_K = 15,
    SK_IQ2_XXS = 16,
    SK_IQ2_XS = 17,
    SK_IQ3_XXS = 18,
    SK_IQ1_S = 19,
    SK_IQ4_NL = 20,
    SK_IQ3_S = 21,
    SK_IQ2_S = 22,
    SK_IQ4_XS = 23,
    SK_I8 = 24,
    SK_I16 = 25,
    SK_I32 = 26,
    SK_I64 = 27,
    SK_F64 = 28,
    SK_IQ1_M = 29,
    SK_BF16 = 30,
    SK_TQ1_0 = 34,
    SK_TQ2_0 = 35,
    SK_MXFP4 = 39,
    SK_NVFP4 = 40,
    SK_Q1_0 = 41,
    SK_Q2_0 = 42,
    SK_DTYPE_END = 43
};

typedef struct sk_dtype {
    const char *name;
    uint32_t n_elem; /* weights per block; 0: no such type */
    uint32_t n_byte; /* bytes per block */
    bool weight;     /* may be the matrix of a product */
} sk_dtype;

/* NULL for an id that is unknown or was removed. */
const sk_dtype *sk_dtype_get(uint64_t id);

/* Why an id is refused: "removed from the format; requantise to Q4_0", ... Never NULL. */
const char *sk_dtype_refusal(uint64_t id);

/* The id of a name ("Q4_K", case ignored), or -1. */
int32_t sk_dtype_find(const char *name);

/* Bytes of a row of `n` elements; false when n is not whole blocks or the size does not fit. */
bool sk_dtype_row_size(uint64_t id, uint64_t n, uint64_t *size);

#endif
