/* SPDX-License-Identifier: MIT */
/*
 * Tokens to text one by one, as they are generated. A token can end inside a code point: its bytes
 * are held back (three at most) until the rest has come, so that what is given out ends on a
 * boundary of code points. Bad bytes are given out as they are. All that is given out, the flush
 * included, is what sk_detokenize makes of the same tokens.
 */
#ifndef SK_TEXT_STREAM_H
#define SK_TEXT_STREAM_H

#include "text/vocab.h"

typedef struct sk_stream {
    const sk_vocab *vocab; /* borrowed */
    bool special;          /* control tokens are written out */
    bool at_start;         /* no text yet: the blank that SPM puts in front is dropped */
    uint32_t n_held;
    char held[4]; /* the beginning of a code point */
} sk_stream;

/* `at_start`: whether the stream begins the text, rather than continues one. */
void sk_stream_init(sk_stream *stream, const sk_vocab *vocab, bool special, bool at_start);

/* Bytes that one push can write at most. */
uint64_t sk_stream_max(const sk_vocab *vocab);

/* Writes the text that can be shown now that `id` has come to `out`, which has room for
 * sk_stream_max bytes; returns its length, 0 included. An id that is no token has no text. */
uint64_t sk_stream_push(sk_stream *stream, int32_t id, char *out);

/* Writes what is held back, at most 3 bytes, at the end of a generation; returns its length. */
uint64_t sk_stream_flush(sk_stream *stream, char *out);

/* The bytes of the next token, whole code points or not: a view. (What push is made of; the two are
 * not to be mixed.) */
const char *sk_stream_piece(sk_stream *stream, int32_t id, uint64_t *n);

#endif
