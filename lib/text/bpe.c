/* SPDX-License-Identifier: MIT */
/*
 * BPE: the text is cut into words (pretok.c), each word into bytes or characters, and neighbours
 * are merged by rank.
 *
 * Most vocabularies write bytes in the byte alphabet; a word is then merged as bytes and never
 * written in it, except to find it whole. The others (gemma4) write characters, and bytes of
 * characters that they lack as <0xHH>.
 *
 * Four things make it fast and change no id: what short words became is kept for the length of the
 * call; words are merged in parts where they fall apart (seams.h); short ones in arrays, only long
 * ones with a queue; the merges of two bytes are a table.
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

static void emit_symbol(sk_encoder *encoder, uint32_t symbol, const uint8_t *bytes, uint32_t n)
{
    if (symbol < encoder->vocab->n)
        sk_emit(encoder, symbol);
    else
        for (uint32_t i = 0; i < n; i++)
            sk_emit_byte(encoder, bytes[i]);
}

static int32_t merge_long(sk_encoder *encoder, const uint8_t *word, uint32_t n)
{
    sk_merger *merger = &encoder->merger;
    merger->n = 0;
    int32_t status = add_symbols(encoder, word, n);
    if (status == SKALD_OK)
        status = sk_merge_run(merger, n, bpe_pair, encoder, encoder->error);
    for (uint32_t i = 0; i < merger->n && status == SKALD_OK; i = merger->symbols[i].next) {
        const sk_merge_symbol *symbol = &merger->symbols[i];
        uint32_t end = merger->symbols[symbol->next].start;
        emit_symbol(encoder, symbol->symbol, word + symbol->start, end - symbol->start);
    }
    return status;
}

/* ---- Short words ---------------------------------------------------------------------------- */

/* A word of few symbols is merged in arrays: looking at all pairs for the first of the lowest rank
 * takes less time than a queue. The order of merges is the same. */
enum { BPE_SHORT = 240, BPE_UNRANKED = INT32_MAX };

typedef struct short_word {
    int32_t rank[BPE_SHORT];    /* of the symbol with the next one; BPE_UNRANKED: none */
    uint32_t symbol[BPE_SHORT]; /* merged away ones stay where they are */
    uint32_t result[BPE_SHORT];
    uint8_t start[BPE_SHORT + 1]; /* the byte */
    uint8_t prev[BPE_SHORT + 1], next[BPE_SHORT];
    uint32_t n;
} short_word;

/* Cuts the word into symbols; false when there are too many. */
static bool cut_short(const sk_vocab *vocab, const uint8_t *bytes, uint32_t n, short_word *word)
{
    uint32_t k = 0;
    if (n > (vocab->encode_bytes ? BPE_SHORT : 255))
        return false;
    for (uint32_t at = 0, code, length = 1; at < n; at += length, k++) {
        if (k == BPE_SHORT)
            return false;
        if (!vocab->encode_bytes)
            length = sk_utf8_read(bytes + at, bytes + n, &code);
        word->symbol[k] = vocab->encode_bytes ? vocab->byte_symbol[bytes[at]]
                                              : sk_vocab_symbol(vocab, bytes + at, length);
        word->start[k] = (uint8_t)at;
        word->prev[k] = (uint8_t)(k - 1);
        word->next[k] = (uint8_t)(k + 1);
    }
    word->n = k;
    word->start[k] = (uint8_t)n;
    return true;
}

static void rank_pair(const sk_vocab *vocab, short_word *word, uint32_t left)
{
    uint32_t right = word->next[left];
    const sk_vocab_merge *merge =
        right < word->n ? sk_vocab_merge_find(vocab, word->symbol[left], word->symbol[right])
                        : NULL;
    word->rank[left] = merge ? (int32_t)merge->rank : BPE_UNRANKED;
    word->result[left] = merge ? merge->result : SK_NO_SYMBOL;
}

/* The first pairs: those of bytes are in a table. */
static void rank_pairs(const sk_vocab *vocab, const uint8_t *bytes, short_word *word)
{
    uint32_t n = word->n, i = 0;
    for (; vocab->encode_bytes && i + 1 < n; i++) {
        const sk_byte_merge *merge = &vocab->byte_merges[bytes[i] << 8 | bytes[i + 1]];
        word->rank[i] = merge->rank;
        word->result[i] = merge->result;
    }
    for (; i < n; i++)
        rank_pair(vocab, word, i);
}

static void merge_short(const sk_vocab *vocab, short_word *word)
{
    for (;;) {
        int32_t lowest = BPE_UNRANKED;
        for (uint32_t i = 0; i < word->n; i++)
            lowest = word->rank[i] < lowest ? word->rank[i] : lowest;
        if (lowest == BPE_UNRANKED)
            return;
        uint32_t left = 0;
        while (word->rank[left] != lowest)
            left++;
        uint32_t right = word->next[left];
        word->symbol[left] = word->result[left];
        word->rank[right] = BPE_UNRANKED;
        word->next[left] = word->next[right];
        word->prev[word->next[right]] = (uint8_t)left;
        rank_pair(vocab, word, left);
        if (left > 0)
            rank_pair(vocab, word, word->prev[left]);
    }
}

static void emit_short(sk_encoder *encoder, const uint8_t *bytes, const short_word *word)
{
    for (uint32_t i = 0, next; i < word->n; i = next) {
        next = word->next[i];
        emit_symbol(encoder, word->symbol[i], bytes + word->start[i],
                    (uint32_t)word->start[next] - word->start[i]);
    }
}

/* ---- Words ---------------------------------------------------------------------------------- */

static int32_t merge_word(sk_encoder *encoder, const uint8_t *word, uint32_t n)
{
    short_word brief;
    if (cut_short(encoder->vocab, word, n, &brief)) {
        rank_pairs(encoder->vocab, word, &brief);
        merge_short(encoder->vocab, &brief);
        emit_short(encoder, word, &brief);
        return SKALD_OK;
    }
    return merge_long(encoder, word, n);
}

/* Whether this vocabulary looks for the word as a whole before it merges. */
static bool is_looked_up(const sk_vocab *vocab, const uint8_t *word, uint64_t n)
{
    if (vocab->pre_flags & SK_PRE_IGNORE_MERGES)
        return true;
    return (vocab->pre_flags & SK_PRE_NEWLINES) && *word == '\n' &&
           (n == 1 || memcmp(word, word + 1, (size_t)n - 1) == 0);
}

/* ---- Words that were met before ------------------------------------------------------------- */

/* Texts repeat their words: a table that lives as long as the call keeps what the last word of
 * each hash became. A word always becomes the same ids, so that nothing else changes. */
enum { BPE_KNOWN_BYTES = 15, BPE_KNOWN_IDS = 3, BPE_PART = 0x80 };

static int32_t make_known(sk_encoder *encoder)
{
    uint64_t size = 64;
    if (encoder->known || encoder->n_text < 256)
        return SKALD_OK;
    while (size < 8192 && size < encoder->n_text / 16)
        size *= 2;
    encoder->known =
        sk_alloc_array(encoder->heap, size, sizeof *encoder->known, "known words", encoder->error);
    encoder->known_mask = size - 1;
    return encoder->known ? SKALD_OK : SKALD_E_MEMORY;
}

/* The word of at most BPE_KNOWN_BYTES as a key; mark: 0 or BPE_PART. */
static inline void make_key(const sk_encoder *encoder, const uint8_t *word, uint64_t n,
                            uint8_t mark, uint64_t key[2])
{
    static const uint8_t masks[31] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                                      0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    uint8_t bytes[16] = {0};
    uint64_t mask[2];
    if (encoder->words_end - word >= 16) {
        memcpy(key, word, 16);
        memcpy(mask, masks + BPE_KNOWN_BYTES - n, 16);
        key[0] &= mask[0];
        key[1] &= mask[1];
    } else {
        memcpy(bytes, word, (size_t)n);
        memcpy(key, bytes, 16);
        memset(bytes, 0, 16);
    }
    bytes[15] = (uint8_t)(n | mark);
    memcpy(mask, bytes, 16);
    key[1] |= mask[1];
}

static uint64_t hash_key(const uint64_t key[2])
{
    uint64_t hash = (key[0] ^ (key[1] << 23 | key[1] >> 41)) * 0x9E3779B97F4A7C15ULL;
    return (hash ^ hash >> 32) * 0xBF58476D1CE4E5B9ULL >> 32;
}

/* Keeps what the word became, the ids from `before` on, if there is room enough for them. */
static inline void keep_word(const sk_encoder *encoder, sk_known_word *slot, const uint64_t key[2],
                             uint64_t before)
{
    uint64_t n_ids = encoder->n - before;
    if (n_ids > BPE_KNOWN_IDS || encoder->n > encoder->capacity)
        return;
    *slot = (sk_known_word){{key[0], key[1]}, {0}, (uint32_t)n_ids};
    for (uint64_t i = 0; i < n_ids; i++)
        slot->ids[i] = encoder->ids[before + i];
}

/* Emits what the key became if it is known; else sets *slot to where it is to be kept. */
static inline bool emit_known(sk_encoder *encoder, const uint64_t key[2], sk_known_word **slot)
{
    *slot = &encoder->known[hash_key(key) & encoder->known_mask];
    if ((*slot)->key[0] != key[0] || (*slot)->key[1] != key[1])
        return false;
    for (uint32_t i = 0; i < (*slot)->n_ids; i++)
        sk_emit(encoder, (uint32_t)(*slot)->ids[i]);
    return true;
}

/* A part of a word is merged; it is known as another thing than a word of the same bytes, which
 * may be looked up as a whole. */
static int32_t encode_part(sk_encoder *encoder, const uint8_t *part, uint64_t n)
{
    uint64_t key[2], before = encoder->n;
    sk_known_word *slot;
    if (!encoder->known || n > BPE_KNOWN_BYTES)
        return merge_word(encoder, part, (uint32_t)n);
    make_key(encoder, part, n, BPE_PART, key);
    if (emit_known(encoder, key, &slot))
        return SKALD_OK;
    int32_t status = merge_word(encoder, part, (uint32_t)n);
    if (status == SKALD_OK)
        keep_word(encoder, slot, key, before);
    return status;
}

/* The end of the first part of a word that can be merged by itself. */
static const uint8_t *bpe_part_end(const sk_vocab *vocab, const uint8_t *at, const uint8_t *end)
{
    return vocab->seams ? sk_seams_end(vocab->seams, at, end) : sk_part_end(vocab, at, end);
}

static int32_t encode_new_word(sk_encoder *encoder, const uint8_t *word, uint64_t n)
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
        const uint8_t *next = bpe_part_end(vocab, at, end);
        if (at == word && next == end) /* the word is kept as such */
            return merge_word(encoder, word, (uint32_t)n);
        status = encode_part(encoder, at, (uint64_t)(next - at));
        at = next;
    }
    return status;
}

static int32_t encode_word(sk_encoder *encoder, const uint8_t *word, uint64_t n)
{
    uint64_t key[2], before = encoder->n;
    sk_known_word *slot;
    if (!encoder->known || n > BPE_KNOWN_BYTES)
        return encode_new_word(encoder, word, n);
    make_key(encoder, word, n, 0, key);
    if (emit_known(encoder, key, &slot))
        return SKALD_OK;
    int32_t status = encode_new_word(encoder, word, n);
    if (status == SKALD_OK)
        keep_word(encoder, slot, key, before);
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
    if (status == SKALD_OK)
        status = make_known(encoder);
    encoder->words_end = text + length;
    sk_pretok_cursor cursor;
    sk_pretok_start(&cursor, vocab->pre, text, length);
    while (status == SKALD_OK && sk_pretok_next(&cursor, &piece, &n_piece)) {
        bool space = (vocab->pre_flags & SK_PRE_DROP_SPACES) && sk_pretok_is_space(piece, n_piece);
        if (!space || whole_word(encoder, piece, n_piece) != SK_NO_SYMBOL)
            status = encode_word(encoder, piece, n_piece);
    }
    return status;
}
