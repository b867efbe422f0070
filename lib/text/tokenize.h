/* SPDX-License-Identifier: MIT */
/*
 * Text to ids and back. Any bytes are text.
 *
 * Tokenising: special tokens are cut out of the text first (partition.c), the stretches between
 * them go to the vocabulary's engine (spm.c, bpe.c, wordpiece.c, unigram.c, rwkv.c, plamo.c). SPM
 * and RWKV keep every byte, so that detokenising gives back what was tokenised; BPE and PLaMo-2
 * work on code points, and each bad byte becomes U+FFFD; WordPiece and Unigram normalise, and what
 * comes back is the normalised text.
 *
 * Nothing is kept between calls and a vocabulary never changes: any thread may call these. Scratch
 * memory is taken from the heap and given back; it is proportional to the longest stretch that is
 * merged at once, usually a word, and at worst the text (64 bytes per character of it), and at most
 * 256 KB for words that come again. Time is n log n in the length of the text.
 */
#ifndef SK_TEXT_TOKENIZE_H
#define SK_TEXT_TOKENIZE_H

#include "text/vocab.h"

#define SK_TOKENIZE_MAX (UINT64_C(1) << 30) /* bytes of one text */

/* Tokenises `n` bytes into `ids`, which has room for `capacity`; `*needed` is the number of tokens,
 * also when they did not fit. `flags`: SKALD_ADD_SPECIAL (BOS and EOS where the model wants them),
 * SKALD_PARSE_SPECIAL (texts of control tokens become those tokens; user-defined ones always do).
 * Errors: BUFFER, TOKENIZER (the vocabulary is empty), ARGUMENT (too long), MEMORY. */
int32_t sk_tokenize(const sk_vocab *vocab, sk_heap *heap, const char *text, uint64_t n,
                    int32_t flags, int32_t *ids, uint64_t capacity, uint64_t *needed,
                    sk_error *error);

/* The bytes of `n` tokens into `out` of `size` bytes; `*needed` is the number of bytes, also when
 * they did not fit. No NUL is added. `flags`: SKALD_ADD_SPECIAL (the BOS and EOS that tokenising
 * adds are dropped), SKALD_PARSE_SPECIAL (control tokens are written out). The blank that
 * tokenising put in front of the text is taken away again. Spaces are not cleaned up: the bytes are
 * those that were tokenised. Errors: BUFFER, TOKENIZER, ARGUMENT (no such token). */
int32_t sk_detokenize(const sk_vocab *vocab, const int32_t *ids, uint64_t n, int32_t flags,
                      char *out, uint64_t size, uint64_t *needed, sk_error *error);

#endif
