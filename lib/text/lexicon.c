/* SPDX-License-Identifier: MIT */
/*
 * Sorting is a merge sort on the first eight bytes as a number, which decides nearly always. Two
 * threads may make a lexicon at once; the second one throws its own away.
 */
#include "base/portable.h"

#include "text/lexicon.h"
#include "text/vocab_int.h"

#include <string.h>

typedef struct lexicon_word {
    uint64_t head; /* the first bytes, most significant first, padded with zeros */
    const char *text;
    uint32_t n;
    int32_t id;
} lexicon_word;

static uint64_t word_head(const char *text, uint64_t n)
{
    uint64_t head = 0;
    for (uint64_t i = 0; i < 8; i++)
        head = head << 8 | (i < n ? (uint8_t)text[i] : 0);
    return head;
}

/* Ids rise among equal words: merging keeps their order. */
static bool word_before(const lexicon_word *a, const lexicon_word *b)
{
    if (a->head != b->head)
        return a->head < b->head;
    uint32_t n = a->n < b->n ? a->n : b->n;
    int order = memcmp(a->text, b->text, n);
    return order < 0 || (order == 0 && a->n < b->n);
}

static void words_merge(const lexicon_word *from, lexicon_word *to, uint64_t left, uint64_t middle,
                        uint64_t right)
{
    uint64_t i = left, j = middle;
    for (uint64_t k = left; k < right; k++) {
        bool second = i >= middle || (j < right && word_before(&from[j], &from[i]));
        to[k] = from[second ? j++ : i++];
    }
}

/* Sorts `words`, with room for as many in `spare`; returns the one that has the result. */
static lexicon_word *words_sort(lexicon_word *words, lexicon_word *spare, uint64_t n)
{
    for (uint64_t width = 1; width < n; width *= 2) {
        for (uint64_t left = 0; left < n; left += 2 * width) {
            uint64_t middle = left + width < n ? left + width : n;
            uint64_t right = left + 2 * width < n ? left + 2 * width : n;
            words_merge(words, spare, left, middle, right);
        }
        lexicon_word *t = words;
        words = spare;
        spare = t;
    }
    return words;
}

static uint32_t words_shared(const lexicon_word *a, const lexicon_word *b)
{
    uint32_t n = 0;
    while (n < a->n && n < b->n && a->text[n] == b->text[n])
        n++;
    return n;
}

/* Allocates for the sorted words. */
static int32_t lexicon_size(sk_lexicon *lexicon, sk_heap *heap, const lexicon_word *words,
                            uint32_t n, sk_error *error)
{
    uint64_t n_nodes = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_nodes += words[i].n - (i ? words_shared(&words[i - 1], &words[i]) : 0);
        if (words[i].n > lexicon->max_depth)
            lexicon->max_depth = words[i].n;
    }
    if (n_nodes >= UINT32_MAX || lexicon->max_depth >= 1u << 24)
        return sk_fail(error, SKALD_E_MEMORY, "the tokens' texts are too long for a grammar");
    lexicon->n_nodes = (uint32_t)n_nodes;
    lexicon->n_tokens = n;
    lexicon->nodes =
        sk_alloc_array(heap, n_nodes + 1, sizeof *lexicon->nodes, "the tokens' texts", error);
    lexicon->order =
        sk_alloc_array(heap, (uint64_t)n + 1, sizeof *lexicon->order, "the tokens' texts", error);
    return lexicon->nodes && lexicon->order ? SKALD_OK : SKALD_E_MEMORY;
}

/* `path` [max_depth + 1]: the node at each depth of the word before. */
static void lexicon_fill(sk_lexicon *lexicon, const lexicon_word *words, uint32_t *path)
{
    uint32_t at = 0, depth = 0;
    for (uint32_t i = 0; i < lexicon->n_tokens; i++) {
        uint32_t shared = i ? words_shared(&words[i - 1], &words[i]) : 0;
        for (; depth > shared; depth--)
            lexicon->nodes[path[depth]].skip = at;
        for (; depth < words[i].n; at++) {
            uint8_t byte = (uint8_t)words[i].text[depth++];
            lexicon->nodes[at] = (sk_lexicon_node){0, i, depth << 8 | byte};
            path[depth] = at;
        }
        lexicon->order[i] = words[i].id;
    }
    for (; depth > 0; depth--)
        lexicon->nodes[path[depth]].skip = at;
    lexicon->nodes[at].first = lexicon->n_tokens;
}

static uint32_t lexicon_gather(const sk_vocab *vocab, lexicon_word *words)
{
    uint32_t n = 0;
    for (int32_t id = 0; id < (int32_t)sk_vocab_n(vocab); id++) {
        uint64_t length;
        const char *text = sk_vocab_piece(vocab, id, false, &length);
        if (length > 0 && !sk_vocab_is_end(vocab, id))
            words[n++] = (lexicon_word){word_head(text, length), text, (uint32_t)length, id};
    }
    return n;
}

/* A node's tokens are those from its own first on: of a word that ends above, the first of its
 * child is behind it. */
static int32_t lexicon_make(sk_lexicon *lexicon, const sk_vocab *vocab, lexicon_word *words,
                            sk_error *error)
{
    uint32_t n_vocab = sk_vocab_n(vocab), n = lexicon_gather(vocab, words);
    lexicon_word *sorted = words_sort(words, words + n_vocab, n);
    int32_t status = lexicon_size(lexicon, vocab->heap, sorted, n, error);
    if (status < 0)
        return status;
    uint32_t *path = sk_alloc_array(vocab->heap, (uint64_t)lexicon->max_depth + 1, sizeof *path,
                                    "the tokens' texts", error);
    if (!path)
        return SKALD_E_MEMORY;
    lexicon_fill(lexicon, sorted, path);
    sk_free(vocab->heap, path);
    return SKALD_OK;
}

void sk_lexicon_free(sk_lexicon *lexicon, sk_heap *heap)
{
    if (!lexicon)
        return;
    sk_free(heap, lexicon->nodes);
    sk_free(heap, lexicon->order);
    sk_free(heap, lexicon);
}

int32_t sk_vocab_lexicon(const sk_vocab *vocab, const sk_lexicon **out, sk_error *error)
{
    sk_lexicon *none = NULL;
    *out = atomic_load(&vocab->lexicon);
    if (*out)
        return SKALD_OK;
    uint64_t n = sk_vocab_n(vocab);
    sk_lexicon *lexicon = sk_alloc_zero(vocab->heap, sizeof *lexicon, "the tokens' texts", error);
    lexicon_word *words =
        sk_alloc_array(vocab->heap, 2 * n + 1, sizeof *words, "the tokens' texts", error);
    int32_t status = lexicon && words ? lexicon_make(lexicon, vocab, words, error) : SKALD_E_MEMORY;
    sk_free(vocab->heap, words);
    if (status < 0) {
        sk_lexicon_free(lexicon, vocab->heap);
        return status;
    }
    /* What is remembered is no part of what never changes: hence the cast. */
    if (!atomic_compare_exchange_strong(&((sk_vocab *)(uintptr_t)vocab)->lexicon, &none, lexicon)) {
        sk_lexicon_free(lexicon, vocab->heap);
        lexicon = none;
    }
    *out = lexicon;
    return SKALD_OK;
}
