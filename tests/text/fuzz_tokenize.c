/* SPDX-License-Identifier: MIT */
/*
 * A fuzzing entry (build with clang -fsanitize=fuzzer,address and -DSK_FUZZER; without it, main
 * replays inputs of its own making and the files that are named). The bytes choose a kind and a
 * pre-tokeniser, make a vocabulary of up to 64 tokens and 32 merges, and are tokenised with it;
 * the ids must go back to bytes without a fault, and to the same text where the kind promises it.
 */
#include "text/pretok.h"
#include "text/tokenize.h"
#include "text/utf8.h"
#include "text/vocab_int.h"
#include "text_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

static uint8_t take_byte(fuzz_input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

static sk_vocab_text take_text(fuzz_input *in, size_t max)
{
    size_t n = take_byte(in) % (max + 1);
    n = n < in->left ? n : in->left;
    sk_vocab_text text = {(const char *)in->at, n};
    in->at += n;
    in->left -= n;
    return text;
}

static void take_source(fuzz_input *in, data_vocab *data)
{
    uint8_t kind = take_byte(in);
    const sk_pretok *row = sk_pretok_row(take_byte(in) % 39u);
    static const char *const kinds[] = {"llama", "gpt2", "gemma4",     "bert",
                                        "t5",    "rwkv", "whitespace", "plamo2"};
    const char *model = kinds[kind % 8];
    data_init(data, model, NULL);
    data->source.pre = (sk_vocab_text){row->names, strcspn(row->names, " ")};
    if (strcmp(model, "gpt2") == 0)
        data_alphabet(data);
    else
        data_bytes(data);
    if (kind & 0x10) /* every vocabulary of SentencePiece has it */
        data_token(data, SK_SPACE_MARK, SK_TOKEN_NORMAL, -99);
    data->source.n_charsmap = take_byte(in);
    if (data->source.n_charsmap > in->left)
        data->source.n_charsmap = in->left;
    data->source.charsmap = in->at;
    data->source.remove_extra_whitespaces = (int8_t)(kind & 0x20 ? 1 : -1);
    for (int i = take_byte(in) % 64; i > 0; i--) {
        uint64_t id = data->source.n_tokens++;
        uint8_t how = take_byte(in);
        data->types[id] = kind & 0x10 ? SK_TOKEN_NORMAL : how % 8;
        data->scores[id] = (float)(how / 8) - 16;
        data->tokens[id] = take_text(in, 12);
    }
    data->source.n_types = data->source.n_scores = data->source.n_tokens;
    for (int i = take_byte(in) % 32; i > 0; i--)
        data->merges[data->source.n_merges++] = take_text(in, 12);
    for (int i = 0; i < SK_N_SPECIAL; i++)
        if (kind & 0x40)
            data->source.special[i] = take_byte(in) * 3 - 2;
    data->source.add_space_prefix = (int8_t)(kind & 0x80 ? 1 : -1);
}

/* Of tokens that all stand for their texts the text comes back: SPM's but for U+2581, which is a
 * blank to it, and byte-level BPE's where it was UTF-8. */
static void check_round_trip(const sk_vocab *vocab, const fuzz_input *in, const char *text,
                             uint64_t n)
{
    bool spm = strcmp(sk_vocab_name(vocab), "SPM") == 0;
    uint64_t at = 0;
    if (!spm && sk_utf8_count_bad(in->at, in->left) > 0)
        return;
    for (size_t i = 0; spm && i < in->left; i++)
        if (in->at[i] <= 2) /* the tokens of these bytes are BOS and the like */
            return;
    for (size_t i = 0; i < in->left; i++, at++) {
        bool mark = spm && in->left - i >= 3 && memcmp(in->at + i, "\xE2\x96\x81", 3) == 0;
        CHECKF(at < n && (uint8_t)text[at] == (mark ? ' ' : in->at[i]), "%s, byte %d of %d, %d",
               sk_vocab_name(vocab), (int)i, (int)in->left, (int)at);
        i += mark ? 2 : 0;
    }
    CHECK(at == n);
}

static void tokenise_rest(const sk_vocab *vocab, sk_heap *heap, const fuzz_input *in, int32_t flags,
                          bool tame)
{
    sk_error error = {0, ""};
    uint64_t needed, n_ids, n_bytes, n_piece;
    sk_tokenize(vocab, heap, (const char *)in->at, in->left, flags, NULL, 0, &needed, &error);
    int32_t *ids = malloc((needed + 1) * sizeof *ids);
    int32_t status = sk_tokenize(vocab, heap, (const char *)in->at, in->left, flags, ids, needed,
                                 &n_ids, &error);
    CHECKF(status == SKALD_OK && n_ids == needed, "%s", error.text);
    sk_detokenize(vocab, ids, n_ids, flags, NULL, 0, &n_bytes, &error);
    char *text = malloc(n_bytes + 1);
    CHECK(sk_detokenize(vocab, ids, n_ids, flags, text, n_bytes, &needed, &error) == SKALD_OK);
    for (uint64_t i = 0; i < n_ids; i++) {
        sk_vocab_piece(vocab, ids[i], true, &n_piece);
        CHECK(n_piece <= sk_vocab_longest_piece(vocab));
    }
    if (tame && flags == SKALD_PARSE_SPECIAL)
        check_round_trip(vocab, in, text, n_bytes);
    free(ids);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static data_vocab data;
    fuzz_input in = {bytes, n};
    sk_heap heap;
    sk_error error = {0, ""};
    sk_vocab *vocab;
    sk_heap_init(&heap, NULL, UINT64_C(1) << 28, NULL);
    take_source(&in, &data);
    /* SPM, or BPE that neither escapes blanks nor takes one away in front. */
    bool tame = n > 1 && (bytes[0] & 0x50) == 0x10 &&
                (bytes[0] % 8 == 0 ||
                 (bytes[0] % 8 == 1 && !(bytes[0] & 0x80) &&
                  !(sk_pretok_row(bytes[1] % 39u)->flags & (SK_PRE_ESCAPE | SK_PRE_RAW))));
    int32_t status = sk_vocab_new(&vocab, &heap, &data.source, &error);
    CHECKF(status == SKALD_OK || status == SKALD_E_CORRUPT, "%d %s", status, error.text);
    for (int32_t flags = 0; vocab && flags < 4; flags++)
        tokenise_rest(vocab, &heap, &in, flags, tame);
    sk_vocab_free(vocab);
    CHECK_INT(heap.live, 0);
    if (test_failures)
        abort();
    return 0;
}

#ifndef SK_FUZZER
int main(int argc, char **argv)
{
    uint64_t seed = 11;
    test_replay(argc, argv, LLVMFuzzerTestOneInput);
    for (int round = 0; round < 3000; round++) {
        uint8_t bytes[1500];
        size_t n = test_random(&seed) % sizeof bytes;
        for (size_t i = 0; i < n; i++) {
            uint64_t r = test_random(&seed);
            bytes[i] = r % 3 ? (uint8_t) "abab  \n\xE2\x96\x81\xC4\xA0<>|\xC3\x83'1A"[r / 3 % 20]
                             : (uint8_t)(r >> 8);
        }
        LLVMFuzzerTestOneInput(bytes, n);
    }
    return test_end();
}
#endif
