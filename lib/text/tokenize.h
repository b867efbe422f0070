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

/* Where a byte of a text comes from: what was given to a template, or the template itself. */
enum { SK_FROM_GIVEN, SK_FROM_TEMPLATE };

/*
 * What may become special tokens in a text of which parts are not to be trusted. A token that is
 * barred is found only where all of its bytes are the template's; it never comes out of other text,
 * whatever that says and however the vocabulary could merge it. Unknown tokens are found like
 * those that are barred; other user-defined ones everywhere.
 */
typedef struct sk_guard {
    const uint8_t *origin;  /* [n] SK_FROM_..., of each byte of the text */
    const uint64_t *barred; /* a bit per token of the vocabulary */
} sk_guard;

/* Bars all control tokens and those user-defined tokens whose texts look like marks of a chat: they
 * hold "<|" or "|>", or stand in `marks`. *barred is owned by the caller (sk_free). */
int32_t sk_guard_bar(uint64_t **barred, sk_heap *heap, const sk_vocab *vocab, const char *marks,
                     uint64_t n_marks, sk_error *error);

/* sk_tokenize with SKALD_PARSE_SPECIAL, as far as the guard allows. */
int32_t sk_tokenize_guarded(const sk_vocab *vocab, sk_heap *heap, const char *text, uint64_t n,
                            const sk_guard *guard, int32_t *ids, uint64_t capacity,
                            uint64_t *needed, sk_error *error);

/* The bytes of `n` tokens into `out` of `size` bytes; `*needed` is the number of bytes, also when
 * they did not fit. No NUL is added. `flags`: SKALD_ADD_SPECIAL (the BOS and EOS that tokenising
 * adds are dropped), SKALD_PARSE_SPECIAL (control tokens are written out). The blank that
 * tokenising put in front of the text is taken away again. SKALD_CLEAN_UP: blanks before . ? ! , and
 * around a lone apostrophe, and before n't 'm 's 've 're, go; else the bytes are those that were
 * tokenised. Errors: BUFFER, TOKENIZER, ARGUMENT (no such token). */
int32_t sk_detokenize(const sk_vocab *vocab, const int32_t *ids, uint64_t n, int32_t flags,
                      char *out, uint64_t size, uint64_t *needed, sk_error *error);

#endif
