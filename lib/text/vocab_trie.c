/* SPDX-License-Identifier: MIT */
/*
 * The kinds that look for the tokens which begin at a place (WordPiece, Unigram, RWKV, PLaMo-2):
 * their tokens as a trie, and Unigram's score of what is unknown and its normalisation map.
 */
#include "base/portable.h"

#include "text/vocab_int.h"

#include <string.h>

static int32_t hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

uint32_t sk_vocab_unescape(char *to, const char *text, uint32_t n)
{
    uint32_t out = 0;
    for (uint32_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '\\' && n - i > 1) {
            c = text[++i];
            bool hex =
                c == 'x' && n - i > 2 && hex_of(text[i + 1]) >= 0 && hex_of(text[i + 2]) >= 0;
            if (hex) {
                c = (char)(hex_of(text[i + 1]) * 16 + hex_of(text[i + 2]));
                i += 2;
            } else {
                c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
            }
        }
        to[out++] = c;
    }
    return out;
}

/* Whether text, as opposed to special tokens in it, can become this token. */
static bool is_matched(const sk_vocab *vocab, const sk_vocab_token *token)
{
    switch (vocab->kind) {
    case SK_VOCAB_UNIGRAM:
        return token->type == SK_TOKEN_NORMAL || token->type == SK_TOKEN_USER ||
               token->type == SK_TOKEN_UNUSED;
    case SK_VOCAB_PLAMO:
        return token->type != SK_TOKEN_BYTE;
    default:
        return true;
    }
}

/* The lowest score of a normal token, less 10. */
static float unknown_score(const sk_vocab *vocab)
{
    float lowest = 0;
    bool found = false;
    for (uint32_t id = 0; id < vocab->n; id++) {
        const sk_vocab_token *token = &vocab->tokens[id];
        if (token->type != SK_TOKEN_NORMAL || !(!found || token->score < lowest))
            continue;
        lowest = token->score;
        found = true;
    }
    return lowest - 10.0f;
}

static int32_t copy_charsmap(sk_vocab *vocab, const sk_vocab_source *source, sk_error *error)
{
    if (!source->charsmap || source->n_charsmap == 0)
        return SKALD_OK;
    vocab->charsmap_blob = sk_alloc(vocab->heap, source->n_charsmap, "normalisation map", error);
    if (!vocab->charsmap_blob)
        return SKALD_E_MEMORY;
    memcpy(vocab->charsmap_blob, source->charsmap, (size_t)source->n_charsmap);
    if (!sk_charsmap_open(&vocab->charsmap, vocab->charsmap_blob, source->n_charsmap))
        return sk_fail(error, SKALD_E_CORRUPT,
                       "the normalisation map of %llu bytes says it is longer than that",
                       (unsigned long long)source->n_charsmap);
    return SKALD_OK;
}

int32_t sk_vocab_load_trie(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    sk_vocab *vocab = b->vocab;
    int32_t status = first > 0 ? SKALD_OK : sk_trie_init(&vocab->trie, vocab->heap, error);
    for (uint64_t id = first; id < last && status == SKALD_OK; id++) {
        const sk_vocab_token *token = &vocab->tokens[id];
        if (!is_matched(vocab, token))
            continue;
        bool by_piece = vocab->kind == SK_VOCAB_RWKV;
        status =
            sk_trie_put(&vocab->trie, vocab->heap,
                        (const uint8_t *)vocab->arena + (by_piece ? token->piece : token->text),
                        by_piece ? token->n_piece : token->n_text, (uint32_t)id, error);
    }
    return status;
}

int32_t sk_vocab_finish_trie(sk_vocab_build *b, uint64_t first, uint64_t last, sk_error *error)
{
    (void)first, (void)last;
    if (b->vocab->kind != SK_VOCAB_UNIGRAM)
        return SKALD_OK;
    b->vocab->unk_score = unknown_score(b->vocab);
    return copy_charsmap(b->vocab, &b->source, error);
}
