/* SPDX-License-Identifier: MIT */
/*
 * A vocabulary: what each token id stands for, and everything that turning text into ids and back
 * needs to know. It is made once from what a model file says (an sk_vocab_source, whatever format
 * that came from), keeps copies of all it needs, and never changes: any number of threads may use
 * one.
 *
 * What a source says is not trusted. Contradictions that leave no sense (no tokens, lists of
 * different lengths, a merge without a blank) are errors; oddities that can be lived with (an
 * unknown pre-tokeniser, an id out of range) are tolerated and told in the warning.
 *
 * Memory: about twice the bytes of the token texts, 100 bytes per token and 34 per merge; 700 KB of
 * tables for byte-level BPE; some 25 bytes per node of a trie for the kinds that have one.
 */
#ifndef SK_TEXT_VOCAB_H
#define SK_TEXT_VOCAB_H

#include "base/alloc.h"
#include "format/gguf.h"

typedef struct sk_vocab sk_vocab;

enum {
    SK_SPECIAL_BOS,
    SK_SPECIAL_EOS,
    SK_SPECIAL_EOT, /* end of a turn */
    SK_SPECIAL_EOM, /* end of a message */
    SK_SPECIAL_UNK,
    SK_SPECIAL_SEP,
    SK_SPECIAL_PAD,
    SK_SPECIAL_MASK,
    SK_SPECIAL_FIM_PRE, /* fill-in-the-middle: what is before, after, between */
    SK_SPECIAL_FIM_SUF,
    SK_SPECIAL_FIM_MID,
    SK_SPECIAL_FIM_PAD,
    SK_SPECIAL_FIM_REP, /* name of a repository, of a file */
    SK_SPECIAL_FIM_SEP,
    SK_N_SPECIAL
};

#define SK_VOCAB_UNSAID INT64_MIN /* a special id of which the source says nothing */

/* Any bytes. */
typedef sk_gguf_string sk_vocab_text;

/* What a file says; everything is borrowed until the vocabulary is made. A text that is not said has
 * a NULL pointer; a flag that is not said is -1. */
typedef struct sk_vocab_source {
    sk_vocab_text model;         /* kind of tokeniser, as tokenizer.ggml.model has it */
    sk_vocab_text pre;           /* pre-tokeniser, as tokenizer.ggml.pre has it */
    sk_vocab_text name;          /* of the model */
    sk_vocab_text architecture;  /* of the model */
    const sk_vocab_text *tokens; /* [n_tokens] */
    uint64_t n_tokens;
    const float *scores; /* [n_scores], NULL: none */
    uint64_t n_scores;
    const int32_t *types; /* [n_types], as tokenizer.ggml.token_type has them; NULL: none */
    uint64_t n_types;
    const sk_vocab_text *merges; /* [n_merges], "left right", NULL: none */
    uint64_t n_merges;
    const int64_t *suppress; /* [n_suppress] ids that are never to be chosen */
    uint64_t n_suppress;
    int64_t special[SK_N_SPECIAL]; /* ids, -1 or UINT32_MAX: none, SK_VOCAB_UNSAID */
    int8_t add_bos, add_eos, add_sep, add_space_prefix;
    int8_t lowercase, strip_accents; /* normalisers of WordPiece */
    int8_t remove_extra_whitespaces; /* Unigram */
    int8_t blank_first;              /* 1: add_space_prefix is of the text's beginning alone */
    int8_t ignore_merges;            /* BPE: a word that is a token is that token */
    const uint8_t *strips; /* [n_strips], NULL: none; white space that tokens take along */
    uint64_t n_strips;
    int64_t max_word;        /* WordPiece: characters, a longer word is unknown; 0: any */
    const uint8_t *charsmap; /* [n_charsmap], NULL: none; Unigram's normaliser */
    uint64_t n_charsmap;
} sk_vocab_source;

/* A source that says nothing. */
void sk_vocab_source_init(sk_vocab_source *source);

/* Makes a vocabulary; `heap` must outlive it. Errors: TOKENIZER (an unsupported kind, with its
 * name), CORRUPT, MEMORY. */
int32_t sk_vocab_new(sk_vocab **out, sk_heap *heap, const sk_vocab_source *source, sk_error *error);

/* The same from the metadata of a file. A file that says no_vocab, none or nothing gives a
 * vocabulary of no tokens. */
int32_t sk_vocab_from_gguf(sk_vocab **out, sk_heap *heap, const sk_gguf *gguf, sk_error *error);

/* The same in pieces of a few hundred microseconds: begin, step while it says PENDING, and finish
 * (which does what is left, and frees `build` whatever comes of it). `gguf` must not go before. */
typedef struct sk_vocab_build sk_vocab_build;
int32_t sk_vocab_begin(sk_vocab_build **out, sk_heap *heap, const sk_vocab_source *source,
                       sk_error *error);
int32_t sk_vocab_begin_gguf(sk_vocab_build **out, sk_heap *heap, const sk_gguf *gguf,
                            sk_error *error);
int32_t sk_vocab_step(sk_vocab_build *build, sk_error *error);
int32_t sk_vocab_finish(sk_vocab **out, sk_vocab_build *build, sk_error *error);
void sk_vocab_build_free(sk_vocab_build *build); /* NULL does nothing */

void sk_vocab_free(sk_vocab *vocab); /* NULL does nothing */

uint32_t sk_vocab_n(const sk_vocab *vocab); /* tokens; 0: the model is driven by ids alone */

/* "SPM", "BPE" with its pre-tokeniser in parentheses, "WordPiece", "Unigram", "RWKV", "PLaMo-2", or
 * "none". */
const char *sk_vocab_name(const sk_vocab *vocab);

/* What was odd about the source, a line each; empty when nothing was. */
const char *sk_vocab_warning(const sk_vocab *vocab);

/* The id of a SK_SPECIAL_..., or -1. */
int32_t sk_vocab_special(const sk_vocab *vocab, int32_t which);

bool sk_vocab_add_bos(const sk_vocab *vocab);
bool sk_vocab_add_eos(const sk_vocab *vocab);
bool sk_vocab_add_sep(const sk_vocab *vocab);

/* The ids that are never to be chosen: a view. */
const int32_t *sk_vocab_suppress(const sk_vocab *vocab, uint32_t *n);

/* An id outside [0, n) has no flags, no text and no bytes. */

/* A set of SKALD_FLAG_.... */
int32_t sk_vocab_flags(const sk_vocab *vocab, int32_t id);

/* Whether generation stops at it. */
bool sk_vocab_is_end(const sk_vocab *vocab, int32_t id);

/* The text as the file has it: a view, with a NUL behind it. */
const char *sk_vocab_token_text(const sk_vocab *vocab, int32_t id, uint64_t *n);

/* The bytes that it stands for: a view, with a NUL behind it. They need not be whole code points.
 * A control or unknown token stands for its text if `special`, else for nothing. */
const char *sk_vocab_piece(const sk_vocab *vocab, int32_t id, bool special, uint64_t *n);

/* No piece has more bytes than this. */
uint64_t sk_vocab_longest_piece(const sk_vocab *vocab);

/* The id of the token with this text (as the file has it), or -1. */
int32_t sk_vocab_find(const sk_vocab *vocab, const char *text, uint64_t n);

#endif
