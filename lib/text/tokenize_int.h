/* SPDX-License-Identifier: MIT */
/*
 * One call of sk_tokenize: where the ids go, and the scratch memory that its parts share.
 */
#ifndef SK_TEXT_TOKENIZE_INT_H
#define SK_TEXT_TOKENIZE_INT_H

#include "text/merge.h"
#include "text/tokenize.h"
#include "text/vocab_int.h"

/* The best way to cut what is before a place of the text (Unigram) or behind it (PLaMo-2). */
typedef struct sk_path_cell {
    double score;
    uint32_t token; /* the last or first one of it, SK_NO_SYMBOL: unknown */
    uint32_t link;  /* its other end in the text, SK_NO_SYMBOL: no way is known yet */
} sk_path_cell;

/* What a word of at most 15 bytes became: half a cache line. */
typedef struct sk_known_word {
    uint64_t key[2]; /* the bytes, zeros, and as the last byte the length, + 128: a part; all zero:
                        empty */
    int32_t ids[3];
    uint32_t n_ids;
} sk_known_word;

typedef struct sk_encoder {
    const sk_vocab *vocab;
    sk_heap *heap;
    sk_error *error;
    int32_t *ids;
    uint32_t n_text;       /* bytes of the whole text */
    const sk_guard *guard; /* NULL: the text is trusted */
    bool leads;            /* a blank goes in front of this stretch of text */
    bool in_stretch;       /* ids come from text, not from special tokens in it */
    uint64_t capacity, n;  /* ids so far, also those for which there was no room */
    sk_merger merger;
    uint8_t *text; /* owned: the stretch as the engine wants it */
    uint64_t text_capacity;
    uint8_t *word; /* owned: a word in the byte alphabet */
    uint64_t word_capacity;
    sk_known_word
        *known; /* owned: BPE's words by hash, [known_mask + 1]; NULL: the text is short */
    uint64_t known_mask;
    const uint8_t *words_end; /* BPE: where the text ends that words are in */
    const uint8_t *merging;   /* the text that merger's offsets are in */
    sk_path_cell *cells;      /* owned: Unigram and PLaMo-2, one per byte of the text */
    uint64_t cell_capacity;
} sk_encoder;

/* A token in the text: [start, end) of it is the token's, white space that it takes along included;
 * what is between two is a stretch. */
typedef struct sk_cut {
    uint32_t start, end, id;
} sk_cut;

/* Finds the special tokens in a text, ascending. `*cuts` is owned by the caller, NULL when there
 * are none. Errors: MEMORY. */
int32_t sk_partition(const sk_vocab *vocab, sk_heap *heap, const uint8_t *text, uint32_t n,
                     bool parse_special, const sk_guard *guard, sk_cut **cuts, uint64_t *n_cuts,
                     sk_error *error);

/* Tokenise a stretch, which is not empty. Each stands at the start of the text or behind a special
 * token, so that SPM puts its blank in front of each. Errors: MEMORY. */
int32_t sk_spm_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n);
int32_t sk_bpe_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n);
int32_t sk_wordpiece_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n);
int32_t sk_unigram_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n);
int32_t sk_rwkv_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n);
int32_t sk_plamo_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n);

/* Room for `n` bytes in encoder->text, whose bytes stay. Errors: MEMORY. */
int32_t sk_encoder_reserve(sk_encoder *encoder, uint64_t n);

/* `n` cells of which no way is known. Errors: MEMORY. */
int32_t sk_encoder_cells(sk_encoder *encoder, uint64_t n);

/* Copies the text with U+FFFD for each of its bad bytes; returns the length, at most 3 `n`. */
uint64_t sk_repair_text(uint8_t *out, const uint8_t *text, uint64_t n);

/* Writes U+2581 for each blank; returns the length, at most three times `n`. */
uint64_t sk_escape_blanks(uint8_t *out, const uint8_t *text, uint64_t n);

/* The end of the first part of [at, end) that can be tokenised by itself: where U+2581 follows
 * something else, if the vocabulary never joins the two. */
const uint8_t *sk_part_end(const sk_vocab *vocab, const uint8_t *at, const uint8_t *end);

static inline bool sk_is_barred(const sk_guard *guard, uint32_t id)
{
    return guard->barred[id / 64] >> id % 64 & 1;
}

/* Writes a token that text must not become as its bytes. */
void sk_emit_barred(sk_encoder *encoder, uint32_t id);

static inline void sk_emit(sk_encoder *encoder, uint32_t id)
{
    if (encoder->guard && encoder->in_stretch && sk_is_barred(encoder->guard, id)) {
        sk_emit_barred(encoder, id);
        return;
    }
    if (encoder->n < encoder->capacity)
        encoder->ids[encoder->n] = (int32_t)id;
    encoder->n++;
}

/* The byte's own token, or unk, or nothing if there is none either. */
static inline void sk_emit_byte(sk_encoder *encoder, uint8_t byte)
{
    uint32_t symbol = encoder->vocab->byte_symbol[byte];
    int32_t unk = encoder->vocab->special[SK_SPECIAL_UNK];
    if (symbol < encoder->vocab->n)
        sk_emit(encoder, symbol);
    else if (unk >= 0)
        sk_emit(encoder, (uint32_t)unk);
}

#endif
