/* SPDX-License-Identifier: MIT */
/*
 * The order of things: BOS; the stretches and the special tokens between them; EOS.
 */
#include "base/portable.h"

#include "text/tokenize_int.h"
#include "text/utf8.h"

#include <string.h>

/* ---- What the engines share ------------------------------------------------------------------ */

int32_t sk_encoder_reserve(sk_encoder *encoder, uint64_t n)
{
    void *text = encoder->text;
    int32_t status =
        sk_grow(encoder->heap, &text, &encoder->text_capacity, n, 1, "text", encoder->error);
    encoder->text = text;
    return status;
}

int32_t sk_encoder_cells(sk_encoder *encoder, uint64_t n)
{
    void *cells = encoder->cells;
    int32_t status = sk_grow(encoder->heap, &cells, &encoder->cell_capacity, n,
                             sizeof *encoder->cells, "ways to cut a text", encoder->error);
    encoder->cells = cells;
    for (uint64_t i = 0; i < n && status == SKALD_OK; i++)
        encoder->cells[i] = (sk_path_cell){0, SK_NO_SYMBOL, SK_NO_SYMBOL};
    return status;
}

uint64_t sk_repair_text(uint8_t *out, const uint8_t *text, uint64_t n)
{
    const uint8_t *end = text + n;
    uint8_t *to = out;
    while (text < end) {
        uint32_t code;
        text += sk_utf8_read(text, end, &code);
        to += sk_utf8_write(to, code);
    }
    return (uint64_t)(to - out);
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

void sk_emit_barred(sk_encoder *encoder, uint32_t id)
{
    const sk_vocab_token *token = &encoder->vocab->tokens[id];
    const char *piece = encoder->vocab->arena + token->piece;
    encoder->in_stretch = false; /* what a byte is written as is no mark */
    for (uint32_t i = 0; i < token->n_piece; i++)
        sk_emit_byte(encoder, (uint8_t)piece[i]);
    encoder->in_stretch = true;
}

/* ---- Tokenising ----------------------------------------------------------------------------- */

static int32_t encode_stretch(sk_encoder *encoder, const uint8_t *text, uint32_t n)
{
    typedef int32_t encode(sk_encoder *, const uint8_t *, uint32_t);
    static encode *const engines[] = {[SK_VOCAB_SPM] = sk_spm_encode,
                                      [SK_VOCAB_BPE] = sk_bpe_encode,
                                      [SK_VOCAB_WORDPIECE] = sk_wordpiece_encode,
                                      [SK_VOCAB_UNIGRAM] = sk_unigram_encode,
                                      [SK_VOCAB_RWKV] = sk_rwkv_encode,
                                      [SK_VOCAB_PLAMO] = sk_plamo_encode};
    encoder->in_stretch = true;
    int32_t status = n ? engines[encoder->vocab->kind](encoder, text, n) : SKALD_OK;
    encoder->in_stretch = false;
    return status;
}

static void emit_special(sk_encoder *encoder, int32_t which, bool wanted)
{
    int32_t id = encoder->vocab->special[which];
    if (wanted && id >= 0)
        sk_emit(encoder, (uint32_t)id);
}

static int32_t encode_text(sk_encoder *encoder, const uint8_t *text, uint32_t n, int32_t flags)
{
    const sk_vocab *vocab = encoder->vocab;
    bool add = (flags & SKALD_ADD_SPECIAL) != 0;
    sk_cut *cuts = NULL;
    uint64_t n_cuts = 0;
    uint32_t at = 0;
    int32_t status = sk_partition(vocab, encoder->heap, text, n, (flags & SKALD_PARSE_SPECIAL) != 0,
                                  encoder->guard, &cuts, &n_cuts, encoder->error);
    emit_special(encoder, SK_SPECIAL_BOS, add && vocab->starts);
    encoder->leads = vocab->add_space_prefix;
    for (uint64_t i = 0; i < n_cuts && status == SKALD_OK; i++) {
        status = encode_stretch(encoder, text + at, cuts[i].start - at);
        sk_emit(encoder, cuts[i].id);
        at = cuts[i].end;
        encoder->leads = vocab->add_space_prefix && !vocab->blank_first;
    }
    if (status == SKALD_OK)
        status = encode_stretch(encoder, text + at, n - at);
    emit_special(encoder, vocab->end_special, add && vocab->ends);
    sk_free(encoder->heap, cuts);
    return status;
}

static int32_t check_vocab(const sk_vocab *vocab, sk_error *error)
{
    return vocab->n ? SKALD_OK : sk_fail(error, SKALD_E_TOKENIZER, "the model has no vocabulary");
}

static int32_t tokenize_text(const sk_vocab *vocab, sk_heap *heap, const char *text, uint64_t n,
                             int32_t flags, const sk_guard *guard, int32_t *ids, uint64_t capacity,
                             uint64_t *needed, sk_error *error)
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
                          .guard = guard,
                          .ids = ids,
                          .capacity = ids ? capacity : 0,
                          .n_text = (uint32_t)n,
                          .merger = {.heap = heap}};
    status = encode_text(&encoder, (const uint8_t *)text, (uint32_t)n, flags);
    sk_merger_free(&encoder.merger);
    sk_free(heap, encoder.text);
    sk_free(heap, encoder.word);
    sk_free(heap, encoder.cells);
    sk_free(heap, encoder.known);
    if (status < 0)
        return status;
    *needed = encoder.n;
    if (encoder.n > encoder.capacity)
        return sk_fail(error, SKALD_E_BUFFER, "the text has %llu tokens, there is room for %llu",
                       (unsigned long long)encoder.n, (unsigned long long)encoder.capacity);
    return SKALD_OK;
}

int32_t sk_tokenize(const sk_vocab *vocab, sk_heap *heap, const char *text, uint64_t n,
                    int32_t flags, int32_t *ids, uint64_t capacity, uint64_t *needed,
                    sk_error *error)
{
    return tokenize_text(vocab, heap, text, n, flags, NULL, ids, capacity, needed, error);
}

int32_t sk_tokenize_guarded(const sk_vocab *vocab, sk_heap *heap, const char *text, uint64_t n,
                            const sk_guard *guard, int32_t *ids, uint64_t capacity,
                            uint64_t *needed, sk_error *error)
{
    return tokenize_text(vocab, heap, text, n, SKALD_PARSE_SPECIAL, guard, ids, capacity, needed,
                         error);
}

static bool text_holds(const char *text, uint64_t n, const char *part, uint64_t n_part)
{
    for (uint64_t i = 0; n_part > 0 && n_part <= n && i <= n - n_part; i++)
        if (text[i] == *part && memcmp(text + i, part, (size_t)n_part) == 0)
            return true;
    return false;
}

int32_t sk_guard_bar(uint64_t **barred, sk_heap *heap, const sk_vocab *vocab, const char *marks,
                     uint64_t n_marks, sk_error *error)
{
    uint64_t *bits = sk_alloc_array(heap, vocab->n / 64 + 1, sizeof *bits, "control tokens", error);
    *barred = bits;
    for (uint32_t id = 0; bits && id < vocab->n; id++) {
        const sk_vocab_token *token = &vocab->tokens[id];
        const char *text = vocab->arena + token->text;
        uint64_t n = token->n_text;
        bool mark = token->type == SK_TOKEN_CONTROL;
        if (token->type == SK_TOKEN_USER)
            mark = text_holds(text, n, "<|", 2) || text_holds(text, n, "|>", 2) ||
                   (n > 2 && text_holds(marks, n_marks, text, n));
        bits[id / 64] |= (uint64_t)mark << id % 64;
    }
    return bits ? SKALD_OK : SKALD_E_MEMORY;
}

enum { CLEAN_AHEAD = 5 }; /* bytes by which what to clean up is told */

/* ---- Detokenising --------------------------------------------------------------------------- */

/* The bytes that tokenising put in front of a text which begins with this token. It does so for
 * stretches of text, not for tokens that were cut out of it. */
static uint64_t leading_blank(const sk_vocab *vocab, int32_t id, const char *piece)
{
    return vocab->leads_blank && *piece == ' ' && vocab->tokens[id].type == SK_TOKEN_NORMAL;
}

/* Where text goes; what is cleaned up waits until it is clear what follows. */
typedef struct text_out {
    char *out; /* [size], or NULL */
    uint64_t size, n;
    bool clean;
    char held[CLEAN_AHEAD];
    uint32_t n_held;
} text_out;

static void put_bytes(text_out *to, const char *bytes, uint64_t n)
{
    if (to->out && to->n <= to->size && n <= to->size - to->n)
        memcpy(to->out + to->n, bytes, (size_t)n);
    to->n += n;
}

static bool held_has(const text_out *to, uint32_t at, const char *text)
{
    size_t n = strlen(text);
    return at + n <= to->n_held && memcmp(to->held + at, text, n) == 0;
}

/* Whether the blank that is held in front goes: before a mark, an apostrophe between blanks (*both:
 * the one behind it goes too), or the end of a word that was taken apart. */
static bool blank_goes(const text_out *to, bool *both)
{
    static const char *const rests[] = {"n't", "'m", "'s", "'ve", "'re"};
    const char *marks = ".?!,";
    *both = held_has(to, 1, "' ") && !(to->n_held > 3 && strchr(marks, to->held[3]));
    bool goes = *both || (to->n_held > 1 && to->held[1] && strchr(marks, to->held[1]));
    for (int i = 0; i < 5; i++)
        goes = goes || held_has(to, 1, rests[i]);
    return goes;
}

/* Decides about the first byte that is held. */
static void put_held(text_out *to)
{
    bool both = false;
    uint32_t n_gone = 1;
    if (to->held[0] == ' ' && blank_goes(to, &both)) {
        if (both)
            put_bytes(to, "'", 1);
        n_gone = both ? 3 : 1;
    } else {
        put_bytes(to, to->held, 1);
    }
    to->n_held -= n_gone;
    memmove(to->held, to->held + n_gone, to->n_held);
}

static void put_text(text_out *to, const char *bytes, uint64_t n)
{
    if (!to->clean) {
        put_bytes(to, bytes, n);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        to->held[to->n_held++] = bytes[i];
        if (to->n_held == CLEAN_AHEAD)
            put_held(to);
    }
}

/* Whether a token's text wants a blank before it that it does not have: tokens of WordPiece are
 * words, special ones as well. */
static bool lacks_blank(const sk_vocab *vocab, int32_t id, const char *piece)
{
    uint8_t type = vocab->tokens[id].type;
    return vocab->kind == SK_VOCAB_WORDPIECE && *piece != ' ' &&
           (type == SK_TOKEN_CONTROL || type == SK_TOKEN_UNKNOWN);
}

int32_t sk_detokenize(const sk_vocab *vocab, const int32_t *ids, uint64_t n, int32_t flags,
                      char *out, uint64_t size, uint64_t *needed, sk_error *error)
{
    *needed = 0;
    int32_t status = check_vocab(vocab, error);
    if (status < 0)
        return status;
    bool drop = (flags & SKALD_ADD_SPECIAL) != 0;
    text_out to = {.out = out, .size = size, .clean = (flags & SKALD_CLEAN_UP) != 0};
    bool special = (flags & SKALD_PARSE_SPECIAL) != 0, at_start = true;
    for (uint64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= vocab->n)
            return sk_fail(error, SKALD_E_ARGUMENT, "ids[%llu] is %d, the vocabulary has %u tokens",
                           (unsigned long long)i, ids[i], vocab->n);
        if (drop && i == 0 && vocab->starts && ids[i] == vocab->special[SK_SPECIAL_BOS])
            continue;
        if (drop && i == n - 1 && vocab->ends && ids[i] == vocab->special[vocab->end_special])
            continue;
        uint64_t length;
        const char *piece = sk_vocab_piece(vocab, ids[i], special, &length);
        if (at_start && length > 0) {
            uint64_t blank = leading_blank(vocab, ids[i], piece);
            piece += blank;
            length -= blank;
            at_start = false;
        } else if (length > 0 && lacks_blank(vocab, ids[i], piece)) {
            put_text(&to, " ", 1);
        }
        put_text(&to, piece, length);
    }
    while (to.n_held > 0)
        put_held(&to);
    *needed = to.n;
    if (!out || to.n > size)
        return to.n == 0 ? SKALD_OK
                         : sk_fail(error, SKALD_E_BUFFER,
                                   "the text has %llu bytes, there is room for %llu",
                                   (unsigned long long)to.n, (unsigned long long)(out ? size : 0));
    return SKALD_OK;
}
