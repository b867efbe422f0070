/* SPDX-License-Identifier: MIT */
/*
 * Golden models for tests: a header without data becomes a whole file in memory, its weights being
 * a function of a seed, each tensor's name and each element's index (golden.c); and the logits that
 * a reference engine computed for it.
 */
#ifndef SK_TEST_GOLDEN_H
#define SK_TEST_GOLDEN_H

#include "model/pass.h"

#include <stddef.h>
#include <stdint.h>

/* The whole file of a header; the caller frees. Exits the test when it cannot be read. */
uint8_t *golden_expand(const char *head_path, uint64_t seed, size_t *size);

/* The weights of one tensor of `type` SK_F32 or SK_F16: n elements of rows of ne0. */
void golden_tensor_fill(const char *name, uint32_t n_dims, uint64_t ne0, uint64_t n, uint32_t type,
                        uint64_t seed, uint8_t *out);

/* The format of *.logits: prefill in one batch, then one token at a time. Of encoders it has
 * vectors in place of logits: of each token, then n_decode pooled ones, with ids of -1 (mean), -2
 * (first), -3 (last), -4 (score). */
typedef struct golden_logits {
    uint8_t *file; /* owned: what the rest lies in */
    int32_t n_prefill, n_decode, n_vocab;
    const int32_t *tokens; /* [n_prefill + n_decode] */
    const float *logits;   /* [n_prefill + n_decode][n_vocab] */
} golden_logits;

golden_logits golden_read(const char *path);

/* sum (a - b)^2 / sum a^2 */
double golden_error(const float *a, const float *b, size_t n);

/* A model of the bytes at `data`, which must outlive it; options as sk_options_parse takes them.
 * NULL and *error when it does not load. */
sk_model *golden_model(const void *data, size_t size, const char *options, sk_error *error);

/* A context of 256 tokens with an F32 cache, as the reference ran. */
sk_state *golden_state(const sk_model *model);

/* Floats of a row: of logits, or of a vector where there are none. */
int64_t golden_width(const sk_model *model);

/* Logits, or vectors, of tokens [0, n): fed in batches of batch[0], batch[1], ... rows, the last
 * size repeating, in slices of `slice_us` (negative: none). The caller frees. NULL on failure. */
float *golden_run(const sk_model *model, const int32_t *tokens, int64_t n, const int *batch,
                  int n_batch, int64_t slice_us);

#endif
