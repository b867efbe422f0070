/* SPDX-License-Identifier: MIT */
/*
 * SentencePiece's BPE: neighbours whose text together is a token are merged, the highest score
 * first. What is left that is no token goes byte by byte.
 *
 * In most vocabularies no token has a blank behind something else, so that a stretch falls into
 * words that can be merged by themselves: memory stays small.
 */
#include "base/portable.h"

#include "base/bytes.h"
#include "text/tokenize_int.h"
#include "text/utf8.h"

/* Scores as numbers of which the smallest is the highest score; NaN comes last. */
static uint32_t score_priority(float score)
{
    if (score != score)
        return SK_MERGE_NONE - 1;
    uint32_t bits = sk_f32_bits(score + 0.0f); /* so that -0 equals 0 */
    bits ^= bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31;
    return ~bits < SK_MERGE_NONE - 1 ? ~bits : SK_MERGE_NONE - 1;
}

static void spm_pair(void *arg, sk_merge_symbol *left, const sk_merge_symbol *right)
{
    const sk_encoder *encoder = arg;
    const sk_vocab *vocab = encoder->vocab;
    uint32_t end = encoder->merger.symbols[right->next].start;
    uint32_t symbol = sk_vocab_symbol(vocab, encoder->merging + left->start, end - left->start);
    if (symbol == SK_NO_SYMBOL)
        return;
    left->priority = score_priority(vocab->tokens[symbol].score);
    left->result = symbol;
}

static int32_t spm_word(sk_encoder *encoder, const uint8_t *text, uint32_t n)
{
    sk_merger *merger = &encoder->merger;
    int32_t status = SKALD_OK;
    merger->n = 0;
    encoder->merging = text;
    for (uint32_t at = 0, length; at < n && status == SKALD_OK; at += length) {
        length = sk_utf8_announced(text[at]);
        if (length > n - at)
            length = n - at;
        status = sk_merge_add(merger, at, sk_vocab_symbol(encoder->vocab, text + at, length),
                              encoder->error);
    }
    if (status == SKALD_OK)
        status = sk_merge_run(merger, n, spm_pair, encoder, encoder->error);
    for (uint32_t i = 0; i < merger->n && status == SKALD_OK; i = merger->symbols[i].next) {
        const sk_merge_symbol *symbol = &merger->symbols[i];
        uint32_t end = merger->symbols[symbol->next].start;
        if (symbol->symbol != SK_NO_SYMBOL)
            sk_emit(encoder, symbol->symbol);
        else
            for (uint32_t at = symbol->start; at < end; at++)
                sk_emit_byte(encoder, text[at]);
    }
    return status;
}

int32_t sk_spm_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n)
{
    static const uint8_t blank[1] = {' '};
    int32_t status = sk_encoder_reserve(encoder, 3 * ((uint64_t)n + 1));
    if (status < 0)
        return status;
    uint64_t used = encoder->leads ? sk_escape_blanks(encoder->text, blank, 1) : 0;
    used += sk_escape_blanks(encoder->text + used, text, n);
    const uint8_t *at = encoder->text, *end = at + used;
    while (at < end && status == SKALD_OK) {
        const uint8_t *next = sk_part_end(encoder->vocab, at, end);
        status = spm_word(encoder, at, (uint32_t)(next - at));
        at = next;
    }
    return status;
}
