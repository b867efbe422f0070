/* SPDX-License-Identifier: MIT */
/* The held bytes are always a proper beginning of one code point, so that one copy in front of the
 * next piece is all that is needed. */
#include "base/portable.h"

#include "text/stream.h"

#include "text/utf8.h"
#include "text/vocab_int.h"

#include <string.h>

void sk_stream_init(sk_stream *stream, const sk_vocab *vocab, bool special, bool at_start)
{
    memset(stream, 0, sizeof *stream);
    stream->vocab = vocab;
    stream->special = special;
    stream->at_start = at_start;
}

uint64_t sk_stream_max(const sk_vocab *vocab)
{
    return (uint64_t)vocab->max_text + sizeof((sk_stream *)0)->held;
}

const char *sk_stream_piece(sk_stream *stream, int32_t id, uint64_t *n)
{
    const sk_vocab *vocab = stream->vocab;
    const char *piece = sk_vocab_piece(vocab, id, stream->special, n);
    if (*n == 0 || !stream->at_start)
        return piece;
    /* Tokenising puts the blank in front of stretches, not of tokens that were cut out. */
    stream->at_start = false;
    if (!vocab->add_space_prefix || *piece != ' ' || vocab->tokens[id].type != SK_TOKEN_NORMAL)
        return piece;
    --*n;
    return piece + 1;
}

uint64_t sk_stream_push(sk_stream *stream, int32_t id, char *out)
{
    uint64_t n;
    const char *piece = sk_stream_piece(stream, id, &n);
    memcpy(out, stream->held, stream->n_held);
    memcpy(out + stream->n_held, piece, (size_t)n);
    n += stream->n_held;
    uint64_t whole = sk_utf8_whole((const uint8_t *)out, n);
    stream->n_held = (uint32_t)(n - whole);
    memcpy(stream->held, out + whole, stream->n_held);
    return whole;
}

uint64_t sk_stream_flush(sk_stream *stream, char *out)
{
    uint64_t n = stream->n_held;
    memcpy(out, stream->held, (size_t)n);
    stream->n_held = 0;
    return n;
}
