/* SPDX-License-Identifier: MIT */
/*
 * The texts that a model can write next: the pieces of all tokens in the order of their bytes, as a
 * trie that is walked by index. A node comes before its children and these before its siblings; so
 * the walk is one loop over an array, and leaving out what begins in a certain way is one jump.
 *
 * Left out are tokens without bytes (control tokens) and those that end generation.
 *
 * Memory: 12 bytes per node, two to three per token, and 4 per token. It is made when it is first
 * asked for, in some tens of milliseconds, and lives as long as the vocabulary.
 */
#ifndef SK_TEXT_LEXICON_H
#define SK_TEXT_LEXICON_H

#include "text/vocab.h"

typedef struct sk_lexicon_node {
    uint32_t skip;       /* index of the next node that is not below this one */
    uint32_t first;      /* its tokens are order[first] up to order[(this + 1)->first] */
    uint32_t depth_byte; /* depth (1: a first byte) * 256 + byte */
} sk_lexicon_node;

typedef struct sk_lexicon {
    sk_lexicon_node *nodes; /* [n_nodes + 1], owned; the last one only has `first` */
    int32_t *order;         /* token ids, owned */
    uint32_t n_nodes, n_tokens;
    uint32_t max_depth;
} sk_lexicon;

/* The lexicon of a vocabulary; from any thread. Errors: MEMORY. */
int32_t sk_vocab_lexicon(const sk_vocab *vocab, const sk_lexicon **out, sk_error *error);

void sk_lexicon_free(sk_lexicon *lexicon, sk_heap *heap); /* NULL does nothing */

#endif
