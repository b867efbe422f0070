/* SPDX-License-Identifier: MIT */
/*
 * Pre-tokenisers: how BPE vocabularies cut text into words before merging, without a regex engine.
 *
 * Published tokenisers describe it by a list of regular expressions applied one after the other:
 * each cuts every piece so far into its matches and the stretches between them. Here each such
 * expression is a *pass*: a few parameters for one of a handful of matchers over Unicode classes.
 *
 *   RUN     a run of characters of a set, maybe after one space: \p{N}{1,3}, \s?\p{L}+, [\r\n]
 *   WORDS   the alternation that GPT-2 began and all others vary:
 *             contraction | letters | numbers | symbols | newlines | spaces
 *   ASIDE   white space at the end of a piece: \s+$
 *   GROUPS  digits in threes, counted from the right
 *   FRAMED  a literal, a run, a literal: <sentinel:[0-9]+>
 *   INDENT  a tab, a newline, four spaces or two
 *   BYTES   bytes that are numbers in the byte alphabet, for a step behind its encoding: pieces need
 *           not be whole code points then
 *
 * A row of the table in pretok_rows.c gives the passes of a `tokenizer.ggml.pre` name and how its
 * vocabulary behaves otherwise. Adding a pre-tokeniser is adding a row.
 *
 * A cursor walks the pieces of a text: nothing is allocated, and the time is linear in the text
 * (each matcher says how far it found nothing, so that no stretch is looked at for every start).
 * The pieces always add up to the text.
 */
#ifndef SK_TEXT_PRETOK_H
#define SK_TEXT_PRETOK_H

#include <stdbool.h>
#include <stdint.h>

#define SK_PRETOK_PASSES 7

/* A set of code points: some classes (SK_UC_...), and ranges that are added to or taken from it. */
enum { SK_SET_ADD, SK_SET_REMOVE, SK_SET_NEGATE /* what is in neither classes nor ranges */ };
typedef struct sk_charset {
    uint32_t classes;
    uint32_t mode; /* SK_SET_... */
    uint32_t n_ranges;
    const uint32_t (*ranges)[2]; /* first, last; ascending */
} sk_charset;

/* What may stand before a run or a word. */
enum {
    SK_LEAD_NONE,
    SK_LEAD_BLANK, /* one U+0020 */
    SK_LEAD_SPACE, /* one White_Space */
    SK_LEAD_CHAR   /* WORDS, before letters: one that is not CR, LF or of the classes not_lead */
};

enum { SK_CONTRACTION_NONE, SK_CONTRACTION_EXACT, SK_CONTRACTION_ANY_CASE, SK_CONTRACTION_SUFFIX };

enum {
    SK_TAIL_NONE,
    SK_TAIL_NEWLINES,
    SK_TAIL_SLASHES /* CR LF / */,
    SK_TAIL_ONE /* one of these */
};

enum {
    SK_PASS_END,
    SK_PASS_RUN,
    SK_PASS_WORDS,
    SK_PASS_ASIDE,
    SK_PASS_GROUPS,
    SK_PASS_FRAMED,
    SK_PASS_INDENT,
    SK_PASS_BYTES
};

typedef struct sk_splitter {
    uint8_t kind;               /* SK_PASS_... */
    uint8_t lead;               /* SK_LEAD_...: RUN, and the letters of WORDS */
    uint32_t min, max;          /* RUN, FRAMED: how many characters */
    sk_charset set;             /* RUN, GROUPS, FRAMED */
    const char *before, *after; /* FRAMED: the literals */
    bool boundary;              /* GROUPS: only if no character of a word follows */
    bool whole; /* GROUPS: one or two digits that are left over go with what is before them */

    /* WORDS, in the order of the alternatives. */
    uint8_t contraction;   /* SK_CONTRACTION_... */
    bool ascii_word;       /* an ASCII punctuation mark and the ASCII letters after it */
    bool han;              /* runs of Han characters, which are then not letters */
    bool spaced;           /* single blanks between letters belong to the word */
    uint32_t not_lead;     /* classes */
    uint32_t letters;      /* classes; 0: `upper` and `lower` are used */
    uint32_t upper, lower; /* classes: UPPER* LOWER+ | UPPER+ LOWER* */
    uint32_t numbers;      /* how many numbers at most; 0: no such alternative */
    bool numbers_blank;    /* a blank may stand before them */
    uint32_t symbols;      /* classes; white space is never among them; a blank may stand before */
    uint8_t tail;          /* SK_TAIL_...: what the symbols take along */
    bool newlines;         /* white space up to its last CR or LF is a word */
    bool powers;           /* white space goes in powers of two, 512 at most */
} sk_splitter;

#define SK_PRE_IGNORE_MERGES 1 /* a word that is a token is that token */
#define SK_PRE_ADD_BOS 2       /* BOS is added unless the file says no */
#define SK_PRE_FORCE_BOS 4     /* BOS is added whatever the file says */
#define SK_PRE_NO_BOS 8        /* there is no default BOS */
#define SK_PRE_ADD_SEP 16
#define SK_PRE_KEEP_SPACES 32  /* the reference does not clean up spaces when detokenising */
#define SK_PRE_ESCAPE 64       /* a blank becomes U+2581, and bytes are not encoded */
#define SK_PRE_NEWLINES 128    /* a word of newlines that is a token is that token */
#define SK_PRE_RAW 256         /* bytes are not encoded */
#define SK_PRE_DROP_SPACES 512 /* white space is dropped */

typedef struct sk_pretok {
    const char *names;     /* of tokenizer.ggml.pre, separated by blanks */
    uint32_t flags;        /* SK_PRE_... */
    const sk_splitter *passes; /* the last one is SK_PASS_END */
} sk_pretok;

/* The row of a name, or NULL. */
const sk_pretok *sk_pretok_find(const char *name, uint64_t n);

/* Row `index` of the table, or NULL behind the last one. */
const sk_pretok *sk_pretok_row(uint32_t index);

typedef struct sk_pretok_cursor {
    const sk_splitter *passes;
    uint32_t n_passes;
    const uint8_t *at;
    const uint8_t
        *ends[SK_PRETOK_PASSES + 1]; /* of the current piece of each pass; [0]: the text */
    const uint8_t *group_end;        /* GROUPS: the end of the run of digits that `at` is in */
    uint64_t group_left;             /* and how many are left of it */
    const uint8_t *run_end;          /* WORDS: the end of the white space that `at` is in */
} sk_pretok_cursor;

/* `text` is well-formed UTF-8 and is borrowed while the cursor is used. */
void sk_pretok_start(sk_pretok_cursor *cursor, const sk_pretok *row, const uint8_t *text,
                     uint64_t n);

/* The next piece, never empty; false at the end of the text. */
bool sk_pretok_next(sk_pretok_cursor *cursor, const uint8_t **piece, uint64_t *n);

/* Whether the piece begins with white space. */
bool sk_pretok_is_space(const uint8_t *piece, uint64_t n);

#endif
