/* SPDX-License-Identifier: MIT */
/*
 * The order of things: BOS; the stretches and the special tokens between them; EOS.
 */
#include "base/portable.h"

#include "text/tokenize_int.h"

#include <string.h>

/* ---- What both engines use ------------------------------------------------------------------ */

int32_t sk_encoder_reserve(sk_encoder *encoder, uint64_t n)
{
    void *text = encoder->text;
    int32_t status =
        sk_grow(encoder->heap, &text, &encoder->text_capacity, n, 1, "text", encoder->error);
    encoder->text = text;
    return status;
}

uint64_t sk_escape_blanks(uint8_t *out, const uint8_t *text, uint64_t n)
{
    uint8_t *to = out;
    for (uint64_t i = 0; i < n; i++) {
        if (text[i] == ' ') {
            memcpy(to, SK_SPACE_MARK, 3);
            to += 3;
        } else {
            *to++ = text[i];
        }
    }
    return (uint64_t)(to - out);
}

static bool is_space_mark(const uint8_t *p, const uint8_t *end)
{
    return end - p >= 3 && memcmp(p, SK_SPACE_MARK, 3) == 0;
}

const uint8_t *sk_part_end(const sk_vocab *vocab, const uint8_t *at, const uint8_t *end)
{
    if (!vocab->words_apart)
        return end;
    while (is_space_mark(at, end))
        at += 3;
    while (at < end && !is_space_mark(at, end)) {
        const uint8_t *next = memchr(at + 1, 0xE2, (size_t)(end - at - 1));
        at = next ? next : end;
    }
    return at;
}

/* ---- Tokenising ----------------------------------------------------------------------------- */

static int32_t encode_stretch(sk_encoder *encoder, const uint8_t *text, uint32_t n)
{
    if (n == 0)
        return SKALD_OK;
    if (encoder->vocab->kind == SK_VOCAB_SPM)
        return sk_spm_encode(encoder, text, n);
    return sk_bpe_encode(encoder, text, n);
}

static int32_t encode_text(sk_encoder *encoder, const uint8_t *text, uint32_t n, int32_t flags)
{
    const sk_vocab *vocab = encoder->vocab;
    const int32_t *special = vocab->special;
    sk_cut *cuts = NULL;
    uint64_t n_cuts = 0;
    uint32_t at = 0;
    int32_t status = sk_partition(vocab, encoder->heap, text, n, (flags & SKALD_PARSE_SPECIAL) != 0,
                                  &cuts, &n_cuts, encoder->error);
    if ((flags & SKALD_ADD_SPECIAL) && vocab->add_bos && special[SK_SPECIAL_BOS] >= 0)
        sk_emit(encoder, (uint32_t)special[SK_SPECIAL_BOS]);
    for (uint64_t i = 0; i < n_cuts && status == SKALD_OK; i++) {
        status = encode_stretch(encoder, text + at, cuts[i].start - at);
        sk_emit(encoder, cuts[i].id);
        at = cuts[i].end;
    }
    if (status == SKALD_OK)
        status = encode_stretch(encoder, text + at, n - at);
    if ((flags & SKALD_ADD_SPECIAL) && vocab->add_eos && special[SK_SPECIAL_EOS] >= 0)
        sk_emit(encoder, (uint32_t)special[SK_SPECIAL_EOS]);
    sk_free(encoder->heap, cuts);
    return status;
}

static int32_t check_vocab(const sk_vocab *vocab, sk_error *error)
{
    return vocab->n ? SKALD_OK : sk_fail(error, SKALD_E_TOKENIZER, "the model has no vocabulary");
}

int32_t sk_tokenize(const sk_vocab *vocab, sk_heap *heap, const char *text, uint64_t n,
                    int32_t flags, int32_t *ids, uint64_t capacity, uint64_t *needed,
                    sk_error *error)
{
    *needed = 0;
    int32_t status = check_vocab(vocab, error);
    if (status < 0)
        return status;
    if (n > SK_TOKENIZE_MAX)
        return sk_fail(error, SKALD_E_ARGUMENT, "n is %llu bytes, at most %llu can be tokenised",
                       (unsigned long long)n, (unsigned long long)SK_TOKENIZE_MAX);
    sk_encoder encoder = {.vocab = vocab,
                          .heap = heap,
                          .error = error,
                          .ids = ids,
                          .capacity = ids ? capacity : 0,
                          .merger = {.heap = heap}};
    status = encode_text(&encoder, (const uint8_t *)text, (uint32_t)n, flags);
    sk_merger_free(&encoder.merger);
    sk_free(heap, encoder.text);
    sk_free(heap, encoder.word);
    if (status < 0)
        return status;
    *needed = encoder.n;
    if (encoder.n > encoder.capacity)
        return sk_fail(error, SKALD_E_BUFFER, "the text has %llu tokens, there is room for %llu",
                       (unsigned long long)encoder.n, (unsigned long long)encoder.capacity);
    return SKALD_OK;
}

/* ---- Detokenising --------------------------------------------------------------------------- */

/* The bytes that tokenising put in front of a text which begins with this token. It does so for
 * stretches of text, not for tokens that were cut out of it. */
static uint64_t leading_blank(const sk_vocab *vocab, int32_t id, const char *piece)
{
    return vocab->add_space_prefix && *piece == ' ' && vocab->tokens[id].type == SK_TOKEN_NORMAL;
}

int32_t sk_detokenize(const sk_vocab *vocab, const int32_t *ids, uint64_t n, int32_t flags,
                      char *out, uint64_t size, uint64_t *needed, sk_error *error)
{
    *needed = 0;
    int32_t status = check_vocab(vocab, error);
    if (status < 0)
        return status;
    bool drop = (flags & SKALD_ADD_SPECIAL) != 0;
    uint64_t used = 0;
    bool special = (flags & SKALD_PARSE_SPECIAL) != 0, at_start = true;
    for (uint64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= vocab->n)
            return sk_fail(error, SKALD_E_ARGUMENT, "ids[%llu] is %d, the vocabulary has %u tokens",
                           (unsigned long long)i, ids[i], vocab->n);
        if (drop && i == 0 && vocab->add_bos && ids[i] == vocab->special[SK_SPECIAL_BOS])
            continue;
        if (drop && i == n - 1 && vocab->add_eos && ids[i] == vocab->special[SK_SPECIAL_EOS])
            continue;
        uint64_t length;
        const char *piece = sk_vocab_piece(vocab, ids[i], special, &length);
        if (at_start && length > 0) {
            uint64_t blank = leading_blank(vocab, ids[i], piece);
            piece += blank;
            length -= blank;
            at_start = false;
        }
        if (out && used <= size && length <= size - used)
            memcpy(out + used, piece, (size_t)length);
        used += length;
    }
    *needed = used;
    if (!out || used > size)
        return used == 0 ? SKALD_OK
                         : sk_fail(error, SKALD_E_BUFFER,
                                   "the text has %llu bytes, there is room for %llu",
                                   (unsigned long long)used, (unsigned long long)(out ? size : 0));
    return SKALD_OK;
}
