/* SPDX-License-Identifier: MIT */
/*
 * BPE: the text is cut into words (pretok.c), each word into bytes or characters, and neighbours
 * are merged by rank.
 *
 * Most vocabularies write bytes in the byte alphabet; a word is then merged as bytes and never
 * written in it, except to find it whole. The others (gemma4) write characters, and bytes of
 * characters that they lack as <0xHH>.
 */
#include "base/portable.h"

#include "text/pretok.h"
#include "text/tokenize_int.h"
#include "text/unicode_map.h"
#include "text/utf8.h"

#include <string.h>

static void bpe_pair(void *arg, sk_merge_symbol *left, const sk_merge_symbol *right)
{
    const sk_encoder *encoder = arg;
    const sk_vocab_merge *merge = sk_vocab_merge_find(encoder->vocab, left->symbol, right->symbol);
    if (!merge)
        return;
    left->priority = merge->rank;
    left->result = merge->result;
}

/* The token that is this word, or SK_NO_SYMBOL. */
static uint32_t whole_word(sk_encoder *encoder, const uint8_t *word, uint64_t n)
{
    const sk_vocab *vocab = encoder->vocab;
    if (n > vocab->max_text)
        return SK_NO_SYMBOL;
    if (!vocab->encode_bytes) {
        int32_t id = sk_vocab_find(vocab, (const char *)word, n);
        return id < 0 ? SK_NO_SYMBOL : (uint32_t)id;
    }
    uint64_t used = 0;
    for (uint64_t i = 0; i < n; i++)
        used += sk_utf8_write(encoder->word + used, sk_byte_code(word[i]));
    int32_t id = sk_vocab_find(vocab, (const char *)encoder->word, used);
    return id < 0 ? SK_NO_SYMBOL : (uint32_t)id;
}

static int32_t add_symbols(sk_encoder *encoder, const uint8_t *word, uint32_t n)
{
    const sk_vocab *vocab = encoder->vocab;
    int32_t status = SKALD_OK;
    for (uint32_t at = 0, length; at < n && status == SKALD_OK; at += length) {
        uint32_t code, symbol;
        if (vocab->encode_bytes) {
            length = 1;
            symbol = vocab->byte_symbol[word[at]];
        } else {
            length = sk_utf8_read(word + at, word + n, &code);
            symbol = sk_vocab_symbol(vocab, word + at, length);
        }
        status = sk_merge_add(&encoder->merger, at, symbol, encoder->error);
    }
    return status;
}

static int32_t merge_word(sk_encoder *encoder, const uint8_t *word, uint32_t n)
{
    sk_merger *merger = &encoder->merger;
    merger->n = 0;
    int32_t status = add_symbols(encoder, word, n);
    if (status == SKALD_OK)
        status = sk_merge_run(merger, n, bpe_pair, encoder, encoder->error);
    for (uint32_t i = 0; i < merger->n && status == SKALD_OK; i = merger->symbols[i].next) {
        const sk_merge_symbol *symbol = &merger->symbols[i];
        uint32_t end = merger->symbols[symbol->next].start;
        if (symbol->symbol < encoder->vocab->n)
            sk_emit(encoder, symbol->symbol);
        else
            for (uint32_t at = symbol->start; at < end; at++)
                sk_emit_byte(encoder, word[at]);
    }
    return status;
}

/* Whether this vocabulary looks for the word as a whole before it merges. */
static bool is_looked_up(const sk_vocab *vocab, const uint8_t *word, uint64_t n)
{
    if (vocab->pre_flags & SK_PRE_IGNORE_MERGES)
        return true;
    return (vocab->pre_flags & SK_PRE_NEWLINES) && *word == '\n' &&
           (n == 1 || memcmp(word, word + 1, (size_t)n - 1) == 0);
}

static int32_t encode_word(sk_encoder *encoder, const uint8_t *word, uint64_t n)
{
    const sk_vocab *vocab = encoder->vocab;
    if (is_looked_up(vocab, word, n)) {
        uint32_t symbol = whole_word(encoder, word, n);
        if (symbol != SK_NO_SYMBOL) {
            sk_emit(encoder, symbol);
            return SKALD_OK;
        }
    }
    int32_t status = SKALD_OK;
    for (const uint8_t *at = word, *end = word + n; at < end && status == SKALD_OK;) {
        const uint8_t *next = sk_part_end(vocab, at, end);
        status = merge_word(encoder, at, (uint32_t)(next - at));
        at = next;
    }
    return status;
}

/* ---- The text ------------------------------------------------------------------------------- */

/* Small letters for capitals. U+023A and U+023E grow from two bytes to three, none grows more. */
static uint64_t lower_text(uint8_t *out, const uint8_t *text, uint64_t n)
{
    const uint8_t *end = text + n;
    uint8_t *to = out;
    while (text < end) {
        uint32_t code;
        text += sk_utf8_read(text, end, &code);
        to += sk_utf8_write(to, sk_unicode_lower(code));
    }
    return (uint64_t)(to - out);
}

/* Makes of [*text, *text + *n) what is cut into words: well-formed, blanks escaped or capitals
 * made small. */
static int32_t prepare_text(sk_encoder *encoder, const uint8_t **text, uint64_t *n)
{
    uint64_t n_bad = sk_utf8_count_bad(*text, *n), size = *n + 2 * n_bad;
    bool change = encoder->vocab->escape || encoder->vocab->lowercase;
    if (n_bad == 0 && !change)
        return SKALD_OK;
    /* The repaired text stands behind the room that it takes when it is changed. */
    int32_t status = sk_encoder_reserve(encoder, change ? 4 * size : size);
    if (status < 0)
        return status;
    uint8_t *repaired = encoder->text + (change ? 3 * size : 0);
    *n = sk_repair_text(repaired, *text, *n);
    *text = repaired;
    if (change) {
        *n = encoder->vocab->escape ? sk_escape_blanks(encoder->text, repaired, *n)
                                    : lower_text(encoder->text, repaired, *n);
        *text = encoder->text;
    }
    return SKALD_OK;
}

int32_t sk_bpe_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n)
{
    const sk_vocab *vocab = encoder->vocab;
    uint64_t length = n, n_piece;
    const uint8_t *piece;
    int32_t status = prepare_text(encoder, &text, &length);
    void *word = encoder->word;
    if (status == SKALD_OK && vocab->encode_bytes)
        status = sk_grow(encoder->heap, &word, &encoder->word_capacity,
                         2 * (uint64_t)(vocab->max_text < n ? vocab->max_text : length), 1, "word",
                         encoder->error);
    encoder->word = word;
    sk_pretok_cursor cursor;
    sk_pretok_start(&cursor, vocab->pre, text, length);
    while (status == SKALD_OK && sk_pretok_next(&cursor, &piece, &n_piece)) {
        bool space = (vocab->pre_flags & SK_PRE_DROP_SPACES) && sk_pretok_is_space(piece, n_piece);
        if (!space || whole_word(encoder, piece, n_piece) != SK_NO_SYMBOL)
            status = encode_word(encoder, piece, n_piece);
    }
    return status;
}
