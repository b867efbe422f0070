/* SPDX-License-Identifier: MIT */
/*
 * RWKV: the longest token at each place, over bytes. Sound vocabularies have a token per byte, so
 * that there is always one.
 */
#include "base/portable.h"

#include "text/tokenize_int.h"

int32_t sk_rwkv_encode(sk_encoder *encoder, const uint8_t *text, uint32_t n)
{
    const sk_vocab *vocab = encoder->vocab;
    int32_t unk = vocab->special[SK_SPECIAL_UNK];
    for (uint32_t at = 0; at < n;) {
        uint32_t id = unk < 0 ? 0 : (uint32_t)unk;
        uint64_t length = sk_trie_longest(&vocab->trie, text + at, text + n, &id);
        sk_emit(encoder, id);
        at += length ? (uint32_t)length : 1;
    }
    return SKALD_OK;
}
