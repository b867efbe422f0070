/* SPDX-License-Identifier: MIT */
/*
 * The inside of a vocabulary, for the files of this room.
 *
 * Tokenising works on *symbols*: numbers that stand for texts. A token's symbol is its id; texts
 * that occur only in merges have symbols from n on. Two symbols never have the same text (of
 * tokens with the same text only the last one is found), so that comparing symbols is comparing
 * texts, and a merge is one look-up of a pair of numbers.
 */
#ifndef SK_TEXT_VOCAB_INT_H
#define SK_TEXT_VOCAB_INT_H

#include "base/strmap.h"
#include "text/charsmap.h"
#include "text/pretok.h"
#include "text/seams.h"
#include "text/trie.h"
#include "text/vocab.h"

enum {
    SK_VOCAB_NONE,
    SK_VOCAB_SPM,
    SK_VOCAB_BPE,
    SK_VOCAB_WORDPIECE,
    SK_VOCAB_UNIGRAM,
    SK_VOCAB_RWKV,
    SK_VOCAB_PLAMO
};

/* Token types, as files have them. */
enum {
    SK_TOKEN_UNDEFINED,
    SK_TOKEN_NORMAL,
    SK_TOKEN_UNKNOWN,
    SK_TOKEN_CONTROL,
    SK_TOKEN_USER,
    SK_TOKEN_UNUSED,
    SK_TOKEN_BYTE
};

#define SK_NO_SYMBOL UINT32_MAX

#define SK_SPACE_MARK "\xE2\x96\x81" /* U+2581, which stands for a blank in many vocabularies */

typedef struct sk_vocab_token {
    uint32_t text, n_text;   /* offset into the arena, bytes */
    uint32_t piece, n_piece; /* the same of the bytes that it stands for */
    float score;
    uint8_t type;  /* SK_TOKEN_... */
    uint8_t end;   /* generation stops at it */
    uint8_t strip; /* SK_STRIP_...: white space around it in text belongs to it */
} sk_vocab_token;

#define SK_STRIP_LEFT 1
#define SK_STRIP_RIGHT 2

/* left and right make `result`; the lowest rank goes first. */
typedef struct sk_vocab_merge {
    uint32_t left, right, rank, result;
} sk_vocab_merge;

/* The merge of two bytes: the rank is INT32_MAX when there is none. */
typedef struct sk_byte_merge {
    int32_t rank;
    uint32_t result;
} sk_byte_merge;

/* A token that is cut out of text before the rest is tokenised. */
typedef struct sk_vocab_cut {
    const uint8_t *text;
    uint32_t n, id;
} sk_vocab_cut;

struct sk_vocab {
    sk_heap *heap; /* borrowed */
    uint32_t kind; /* SK_VOCAB_... */
    uint32_t n;    /* tokens */
    char *arena;   /* owned: texts and pieces, a NUL behind each */
    uint64_t arena_size;
    sk_vocab_token *tokens; /* owned, [n] */
    sk_strmap map;          /* text to token id */
    uint32_t max_text;      /* bytes of the longest token */
    bool texts_differ;      /* no two tokens have the same text */

    const sk_pretok *pre; /* BPE: static */
    uint32_t pre_flags;
    bool encode_bytes;          /* texts are in the byte alphabet */
    bool escape;                /* blanks are U+2581 in texts */
    bool words_apart;           /* in no symbol does U+2581 follow something else */
    uint32_t n_symbols;         /* tokens and texts of merges */
    sk_strmap extra;            /* text to symbol, of what is not a token */
    char *extra_arena;          /* owned */
    sk_vocab_merge *merges;     /* owned, open addressing, [merge_mask + 1] */
    uint8_t *merge_tags;        /* owned, the same: 0: empty, else bits of the pair's hash */
    sk_byte_merge *byte_merges; /* owned, [256 * 256]: of the symbols of two bytes; BPE with
                                   encode_bytes, else NULL */
    uint64_t merge_mask;
    uint32_t byte_symbol[256]; /* BPE: symbol of a byte's character; SPM, raw BPE: byte token */

    sk_trie trie;           /* WordPiece, Unigram, RWKV, PLaMo-2: the tokens that text can become */
    sk_charsmap charsmap;   /* Unigram: a view of charsmap_blob */
    uint8_t *charsmap_blob; /* owned */
    float unk_score;        /* Unigram */
    int64_t max_word;       /* WordPiece: characters; 0: any number */
    bool lowercase, strip_accents; /* WordPiece; lowercase: the kind "whitespace" too */
    bool merge_spaces;             /* Unigram: a word has one blank in front, other blanks vanish */

    struct sk_lexicon *_Atomic lexicon; /* owned; NULL until it is asked for */

    sk_seams *seams; /* owned: BPE with encode_bytes, else NULL */

    sk_vocab_cut *cuts;           /* owned: the special tokens, ascending by text */
    uint32_t cut_first[257];      /* of each first byte in `cuts`, and their number */
    uint8_t pair_seen[65536 / 8]; /* bits: the first two bytes of a special token */

    int32_t special[SK_N_SPECIAL];
    bool add_bos, add_eos, add_sep, add_space_prefix;
    bool starts, ends;   /* BOS goes in front of a text, special[end_special] behind it */
    int32_t end_special; /* SK_SPECIAL_EOS or _SEP */
    bool blank_first;    /* with add_space_prefix: no blank behind special tokens in a text */
    bool leads_blank;    /* tokenising puts a blank in front of a text */
    int32_t *suppress;   /* owned */
    uint32_t n_suppress;
    char name[96];
    char warning[1024];
};

/* A vocabulary that is being made (vocab.c). */
struct sk_vocab_build {
    sk_heap *heap;   /* borrowed */
    sk_vocab *vocab; /* owned, until it is done */
    sk_vocab_source source;
    void *lists[3]; /* owned: what the source refers to and nobody else owns */
    const struct sk_vocab_kind *kind;
    size_t stage;
    uint64_t at;             /* the next item of the stage */
    uint64_t used;           /* bytes of the arena */
    uint32_t n_odd, n_bytes; /* tokens whose types are not taken as they are */

    /* vocab_merge.c */
    uint64_t longest;             /* bytes of the longest merge */
    uint8_t *scratch;             /* owned, [longest] */
    uint32_t last;                /* result of the merge before */
    uint64_t n_extra, extra_size; /* merges that speak of what is no token, and their bytes */
    char *extra_at;               /* in extra_arena */
};

/* vocab_special.c: finds special tokens by their texts, settles types and ends, and indexes what
 * is cut out of text. Errors: MEMORY. */
int32_t sk_vocab_mark_special(sk_vocab *vocab, const sk_vocab_source *source, sk_error *error);

/* Stages, for items [first, last) of what they go over. vocab_merge.c: checks each merge; makes
 * the table; fills it; adds to it what speaks of more than tokens; byte_merges, when byte_symbol
 * and the merges are there, for pairs of bytes; seams, for each merge. vocab_trie.c: the trie, for
 * each token, and what the kinds that have one need besides. Errors: CORRUPT, MEMORY. */
int32_t sk_vocab_check_merges(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error);
int32_t sk_vocab_begin_merges(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error);
int32_t sk_vocab_load_merges(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error);
int32_t sk_vocab_add_merges(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error);
int32_t sk_vocab_load_byte_merges(sk_vocab_build *b, uint64_t first, uint64_t last,
                                  sk_error *error);
int32_t sk_vocab_load_seams(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error);
int32_t sk_vocab_load_trie(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error);
int32_t sk_vocab_finish_trie(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error);

static inline bool sk_vocab_has_trie(const sk_vocab *vocab)
{
    return vocab->kind != SK_VOCAB_BPE && vocab->kind != SK_VOCAB_SPM;
}

/* vocab_trie.c: the bytes of a token of an RWKV vocabulary, whose text is escaped as in Python
 * (\t \n \r \xHH, and a backslash before others); `to` has room for `n`. Returns their number. */
uint32_t sk_vocab_unescape(char *to, const char *text, uint32_t n);

/* Adds a line to the warning, as far as there is room. */
void sk_vocab_warn(sk_vocab *vocab, const char *line);

/* The symbol of a text, or SK_NO_SYMBOL. */
uint32_t sk_vocab_symbol(const sk_vocab *vocab, const uint8_t *text, uint64_t n);

static inline uint64_t sk_merge_hash(uint32_t left, uint32_t right)
{
    uint64_t hash = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 32;
    return hash * 0xBF58476D1CE4E5B9ULL;
}

static inline uint8_t sk_merge_tag(uint64_t hash)
{
    return (uint8_t)(hash >> 56 | 1);
}

/* The merge of two symbols, or NULL. Most pairs have none, and the tags, which are small enough to
 * stay near, mostly say so. */
static inline const sk_vocab_merge *sk_vocab_merge_find(const sk_vocab *vocab, uint32_t left,
                                                        uint32_t right)
{
    if (left == SK_NO_SYMBOL || right == SK_NO_SYMBOL || !vocab->merges)
        return NULL;
    uint64_t hash = sk_merge_hash(left, right), mask = vocab->merge_mask, i = hash >> 20 & mask;
    for (; vocab->merge_tags[i]; i = (i + 1) & mask) {
        const sk_vocab_merge *merge = &vocab->merges[i];
        if (vocab->merge_tags[i] == sk_merge_tag(hash) && merge->left == left &&
            merge->right == right)
            return merge;
    }
    return NULL;
}

/* Whether special tokens of this type are cut out of text. */
static inline bool sk_vocab_is_special(const sk_vocab_token *token)
{
    return token->type == SK_TOKEN_CONTROL || token->type == SK_TOKEN_USER ||
           token->type == SK_TOKEN_UNKNOWN;
}

/*
 * The byte alphabet of GPT-2: each byte is written as a printable code point. Those that are
 * printable in Latin-1 stand for themselves, the other 68 for U+0100 to U+0143 in their order.
 */
static inline uint32_t sk_byte_code(uint8_t byte)
{
    if (byte <= 0x20)
        return 0x100u + byte;
    if (byte >= 0x7F && byte <= 0xA0)
        return 0x121u + (byte - 0x7Fu);
    return byte == 0xAD ? 0x143u : byte;
}

/* The byte of a code point, or -1. */
static inline int32_t sk_byte_of_code(uint32_t code)
{
    if (code >= 0x100 && code <= 0x120)
        return (int32_t)(code - 0x100);
    if (code >= 0x121 && code <= 0x142)
        return (int32_t)(code - 0x121 + 0x7F);
    if (code == 0x143)
        return 0xAD;
    return code < 0x100 && sk_byte_code((uint8_t)code) == code ? (int32_t)code : -1;
}

#endif
