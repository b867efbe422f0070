/* SPDX-License-Identifier: MIT */
/*
 * `tokenizer.json`, the file in which Hugging Face's library keeps a tokeniser, as a GGUF file
 * without tensors: from there on it is a vocabulary like any other. What it says and GGUF has no
 * key for stands under keys that begin with "skald.tokenizer.".
 *
 * The steps of such a file are recognised, not executed: which splitter a regular expression is, is
 * told by its parts (hf_rows in the .c file). Not followed are normalisers to a Unicode form (NFC)
 * and steps that none of the known families has; what is not recognised at all is an error.
 */
#ifndef SK_TEXT_HF_TOKENIZER_H
#define SK_TEXT_HF_TOKENIZER_H

#include "base/alloc.h"

/* Whether a file that begins with these bytes may be one: JSON, an object. */
bool sk_hf_is_tokenizer(const void *data, uint64_t n);

/* *gguf is owned by the caller (sk_free with `heap`). Errors: CORRUPT (no such file; the sentence
 * says what is wrong), TOKENIZER (a kind that is not supported), MEMORY. */
int32_t sk_hf_convert(sk_heap *heap, const char *json, uint64_t n, void **gguf, uint64_t *size,
                      sk_error *error);

#endif
