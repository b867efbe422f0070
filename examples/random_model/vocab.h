/* SPDX-License-Identifier: MIT */
/*
 * Made-up vocabularies of any size: one token for each byte, so that every text can be written,
 * and the strings of letters a, b, ... z, aa, ab, ... with and without a space in front.
 */
#ifndef RANDOM_MODEL_VOCAB_H
#define RANDOM_MODEL_VOCAB_H

#include "gguf.h"

/* Writes the metadata of a vocabulary of `n` tokens. `kind`: "spm" (at least 320), "bpe" (at least
 * 320), "none". False: no such kind, or too small. */
bool vocab_write(gguf *g, const char *kind, const char *pre, uint32_t n);

#endif
