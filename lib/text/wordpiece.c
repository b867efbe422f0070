/* SPDX-License-Identifier: MIT */
/*
 * WordPiece, as BERT has it: the text is normalised and cut into words at white space; punctuation
 * marks and CJK ideographs are words by themselves. Each word, with U+2581 in front, is cut into
 * the longest token at each place; a word with a place at which none begins is unknown as a whole.
 *
 * Normalising is done a code point at a time: bad bytes and control characters vanish, accents are
 * taken off (canonical decomposition without nonspacing marks) and letters become small where the
 * vocabulary wants that. llama.cpp keeps only the first code point of a decomposition and drops all
 * marks; the published tokeniser, which is followed here, does not.
 */
#include "base/portable.h"

#include "text/tokenize_int.h"
#include "text/unicode.h"
#include "text/unicode_map.h"
#include "text/utf8.h"

#include <string.h>

/* The word so far is encoder->text[0, n), its mark included. */
typedef struct wordpiece_word {
    sk_encoder *encoder;
    uint64_t n;
    int64_t n_codes;
} wordpiece_word;

static bool is_ideograph(uint32_t code)
{
    static const uint32_t ranges[][2] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},
                                         {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F},
                                         {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges && code >= ranges[i][0]; i++)
        if (code <= ranges[i][1])
            return true;
    return false;
}

static bool is_lone_mark(uint32_t code, uint32_t class)
{
    return (class & SK_UC_P) || (code < 0x80 && (class & SK_UC_S));
}

/* The word as tokens; the next one is empty. */
static void end_word(wordpiece_word *word)
{
    sk_encoder *encoder = word->encoder;
    const uint8_t *at = encoder->text, *end = at + word->n;
    uint64_t before = encoder->n, length;
    int32_t unk = encoder->vocab->special[SK_SPECIAL_UNK];
    uint32_t id;
    if (word->n <= 3)
        return;
    bool too_long = encoder->vocab->max_word > 0 && word->n_codes > encoder->vocab->max_word;
    length = too_long ? 0 : 1;
    word->n_codes = 0;
    for (; at < end && length > 0; at += length) {
        length = sk_trie_longest(&encoder->vocab->trie, at, end, &id);
        if (length)
            sk_emit(encoder, id);
    }
    if (length == 0) {
        encoder->n = before;
        if (unk >= 0)
            sk_emit(encoder, (uint32_t)unk);
    }
    word->n = 3;
}

static int32_t put_code(wordpiece_word *word, uint32_t code, bool alone)
{
    uint32_t class = sk_unicode_class(code);
    alone = alone || is_lone_mark(code, class);
    if (alone || (class & SK_UC_SPACE))
        end_word(word);
    if (class & SK_UC_SPACE)
        return SKALD_OK;
    int32_t status = sk_encoder_reserve(word->encoder, word->n + SK_UTF8_MAX);
    if (status < 0)
        return status;
    word->n_codes++;
    word->n += sk_utf8_write(word->encoder->text + word->n, code);
    if (alone)
        end_word(word);
    return SKALD_OK;
}

/* One code point of the text as it stands there. */
static int32_t put_raw_code(wordpiece_word *word, uint32_t code)
{
    const sk_vocab *vocab = word->encoder->vocab;
    uint32_t class = sk_unicode_class(code), parts[SK_UNICODE_PARTS] = {code}, n = 1;
    bool white = code == '\t' || code == '\n' || code == '\r';
    if (code == 0 || code == SK_UNICODE_BAD || (!white && (class & SK_UC_C & ~SK_UC_CN)))
        return SKALD_OK;
    if (vocab->strip_accents)
        n = sk_unicode_decompose(code, parts);
    int32_t status = SKALD_OK;
    for (uint32_t i = 0; i < n && status == SKALD_OK; i++)
        if (!vocab->strip_accents || !(sk_unicode_class(parts[i]) & SK_UC_MN))
            status = put_code(word, vocab->lowercase ? sk_unicode_lower(parts[i]) : parts[i],
                              is_ideograph(code));
    return status;
}

int32_t sk_wordpiece_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n)
{
    const uint8_t *end = text + n;
    wordpiece_word word = {encoder, 3, 0};
    int32_t status = sk_encoder_reserve(encoder, 64);
    if (status == SKALD_OK)
        memcpy(encoder->text, SK_SPACE_MARK, 3);
    while (text < end && status == SKALD_OK) {
        uint32_t code;
        text += sk_utf8_read(text, end, &code);
        status = put_raw_code(&word, code);
    }
    if (status == SKALD_OK)
        end_word(&word);
    return status;
}
