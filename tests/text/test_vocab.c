/* SPDX-License-Identifier: MIT */
/*
 * Making vocabularies: special tokens by id and by text, what ends generation, the settings of
 * each kind, hostile sources, and memory that runs out at every allocation.
 */
#include "text_data.h"

static sk_heap heap;
static data_vocab data;

/* A vocabulary of these tokens, "type:text" each. */
static sk_vocab *make(const char *model, const char *pre, const char *const *tokens, int n)
{
    data_init(&data, model, pre);
    for (int i = 0; i < n; i++)
        data_token(&data, tokens[i] + 2, tokens[i][0] - '0', 0);
    return data_make(&data, &heap);
}

#define MAKE(model, pre, ...) \
    make(model, pre, (const char *const[]){__VA_ARGS__}, \
         (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static void check_by_text(void)
{
    sk_vocab *vocab = MAKE("gpt2", "qwen2", "1:a", "4:<|im_end|>", "3:<|endoftext|>",
                           "3:<|fim_prefix|>", "4:<|fim_pad|>", "3:<|file_sep|>", "3:<|x|>");
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_EOT), 1);
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_BOS), -1); /* the default, 11, is no token */
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_FIM_PRE), 3);
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_FIM_SUF), -1);
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_FIM_SEP), 5);
    CHECK_INT(sk_vocab_special(vocab, 99), -1);
    CHECK_INT(sk_vocab_special(vocab, -1), -1);
    CHECK_INT(sk_vocab_flags(vocab, 1), SKALD_FLAG_CONTROL | SKALD_FLAG_END);
    CHECK_INT(sk_vocab_flags(vocab, 4), SKALD_FLAG_CONTROL | SKALD_FLAG_END);
    CHECK_INT(sk_vocab_flags(vocab, 6), SKALD_FLAG_CONTROL); /* control alone ends nothing */
    CHECK_INT(sk_vocab_flags(vocab, 0), 0);
    CHECK_INT(sk_vocab_flags(vocab, 7), 0);
    CHECK(sk_vocab_is_end(vocab, 2) && !sk_vocab_is_end(vocab, 3) && !sk_vocab_is_end(vocab, -1));
    CHECK_STR(sk_vocab_warning(vocab), "");
    CHECK_STR(sk_vocab_name(vocab), "BPE (qwen2)");
    sk_vocab_free(vocab);
}

static void check_families(void)
{
    sk_vocab *vocab = MAKE("gpt2", "gpt-4o", "3:<|return|>", "3:<|call|>", "3:<|end|>",
                           "3:<|channel|>", "3:<|endoftext|>");
    CHECK_INT(sk_vocab_flags(vocab, 2), SKALD_FLAG_USER);
    CHECK_INT(sk_vocab_flags(vocab, 3), SKALD_FLAG_USER);
    CHECK(sk_vocab_is_end(vocab, 0) && sk_vocab_is_end(vocab, 4));
    sk_vocab_free(vocab);
    vocab = MAKE("gpt2", "gpt-4o", "3:<|end|>", "1:<|return|>");
    CHECK(sk_vocab_is_end(vocab, 0));
    CHECK_INT(sk_vocab_flags(vocab, 1), SKALD_FLAG_CONTROL | SKALD_FLAG_END);
    sk_vocab_free(vocab);
    vocab = MAKE("gemma4", NULL, "3:<|tool_response>", "3:</s>", "3:<eos>");
    CHECK_INT(sk_vocab_flags(vocab, 1), 0);
    CHECK(sk_vocab_is_end(vocab, 0) && sk_vocab_is_end(vocab, 2));
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_EOS), -1); /* only by its key */
    sk_vocab_free(vocab);
}

static void check_ids(void)
{
    static const int64_t suppress[] = {2, -1, 99, 1};
    data_init(&data, "llama", NULL);
    for (int i = 0; i < 4; i++)
        data_token(&data, (const char *const[]){"<unk>", "<s>", "</s>", "x"}[i], i < 3 ? 3 : 1, 0);
    data.source.special[SK_SPECIAL_BOS] = 4;          /* not a token: the default stays */
    data.source.special[SK_SPECIAL_EOS] = 3;          /* another one */
    data.source.special[SK_SPECIAL_UNK] = UINT32_MAX; /* none */
    data.source.special[SK_SPECIAL_PAD] = -5;
    data.source.suppress = suppress;
    data.source.n_suppress = 4;
    sk_vocab *vocab = data_make(&data, &heap);
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_BOS), 1);
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_EOS), 3);
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_UNK), -1);
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_PAD), -1);
    CHECK(strstr(sk_vocab_warning(vocab), "bos token 4") != NULL);
    CHECK(strstr(sk_vocab_warning(vocab), "\nthe padding token -5") != NULL);
    uint32_t n;
    const int32_t *list = sk_vocab_suppress(vocab, &n);
    CHECK(n == 2 && list[0] == 2 && list[1] == 1);
    CHECK(sk_vocab_is_end(vocab, 3) && sk_vocab_is_end(vocab, 2));
    sk_vocab_free(vocab);
}

static void check_settings(void)
{
    static const struct {
        const char *model, *pre;
        int8_t said;
        bool bos;
    } cases[] = {
        {"llama", NULL, -1, true},  {"llama", NULL, 0, false},    {"gpt2", "gpt-2", -1, false},
        {"gpt2", "gpt-2", 1, true}, {"gpt2", "llama3", -1, true}, {"gpt2", "llama3", 0, false},
        {"bert", NULL, -1, true},   {"t5", NULL, -1, false},      {"gpt2", "tekken", -1, true},
        {"gemma4", NULL, 0, true},  {"gpt2", "qwen2", -1, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        data_init(&data, cases[i].model, cases[i].pre);
        data_token(&data, "x", 1, 0);
        data.source.add_bos = cases[i].said;
        sk_vocab *vocab = data_make(&data, &heap);
        CHECKF(sk_vocab_add_bos(vocab) == cases[i].bos, "%s %s", cases[i].model, cases[i].pre);
        CHECK(sk_vocab_add_eos(vocab) == (strcmp(cases[i].model, "t5") == 0));
        CHECK(sk_vocab_add_sep(vocab) == (strcmp(cases[i].model, "bert") == 0));
        sk_vocab_free(vocab);
    }
    sk_vocab *vocab = MAKE("gpt2", "made-up", "1:x");
    CHECK_STR(sk_vocab_name(vocab), "BPE (default)");
    CHECK(strstr(sk_vocab_warning(vocab), "\"made-up\"") != NULL);
    sk_vocab_free(vocab);
    vocab = MAKE("gpt2", NULL, "1:x");
    CHECK(strstr(sk_vocab_warning(vocab), "default") != NULL);
    sk_vocab_free(vocab);
}

static void check_texts(void)
{
    uint64_t n;
    sk_vocab *vocab = MAKE("llama", NULL, "2:<unk>", "3:<s>", "6:<0x0A>", "6:<0x-1>", "6:<0xZZ>",
                           "1:\xE2\x96\x81"
                           "a",
                           "1:", "5:unused", "1:dup", "1:dup", "4:\xE2\x96\x81user", "6:<0x0a>");
    CHECK_STR(sk_vocab_piece(vocab, 2, false, &n), "\n");
    CHECK_INT(n, 1);
    CHECK_STR(sk_vocab_piece(vocab, 3, false, &n), "<0x-1>");
    CHECK_STR(sk_vocab_piece(vocab, 4, false, &n), "<0xZZ>");
    CHECK_INT(sk_vocab_flags(vocab, 2), SKALD_FLAG_BYTE | SKALD_FLAG_END); /* eos is 2 */
    CHECK_INT(sk_vocab_flags(vocab, 3), 0);
    CHECK_STR(sk_vocab_piece(vocab, 5, false, &n), " a");
    CHECK_STR(sk_vocab_token_text(vocab, 5, &n), "\xE2\x96\x81"
                                                 "a");
    CHECK_INT(n, 4);
    CHECK_STR(sk_vocab_token_text(vocab, 6, &n), "[EMPTY_6]");
    CHECK_STR(sk_vocab_piece(vocab, 7, true, &n), "");
    CHECK_INT(sk_vocab_flags(vocab, 7), SKALD_FLAG_UNUSED);
    CHECK_INT(sk_vocab_find(vocab, "dup", 3), 9);
    CHECK_INT(sk_vocab_find(vocab, "dup", 2), -1);
    CHECK_INT(sk_vocab_find(vocab, "", 0), -1);
    CHECK_STR(sk_vocab_piece(vocab, 10, false, &n), "\xE2\x96\x81user");
    CHECK_STR(sk_vocab_piece(vocab, 1, false, &n), "");
    CHECK_STR(sk_vocab_piece(vocab, 1, true, &n), "<s>");
    CHECK_STR(sk_vocab_piece(vocab, 12, true, &n), "");
    CHECK_STR(sk_vocab_piece(vocab, -1, true, &n), "");
    CHECK(strstr(sk_vocab_warning(vocab), "2 byte tokens") != NULL);
    sk_vocab_free(vocab);
    vocab = MAKE("gpt2", "gpt-2", "1:\xC4\xA0x\xC4\x8A", "1:\xE4\xB8\xAD", "3:\xC4\xA0y", "1:\xC4",
                 "1:\xC5\x84");
    CHECK_STR(sk_vocab_piece(vocab, 0, false, &n), " x\n");
    CHECK_STR(sk_vocab_piece(vocab, 1, false, &n), "\xE4\xB8\xAD"); /* not in the alphabet */
    CHECK_STR(sk_vocab_piece(vocab, 2, true, &n), "\xC4\xA0y");     /* control: as it is */
    CHECK_STR(sk_vocab_piece(vocab, 3, true, &n), "\xC4");
    CHECK_STR(sk_vocab_piece(vocab, 4, true, &n), "\xC5\x84");
    sk_vocab_free(vocab);
}

/* ---- Hostile sources ------------------------------------------------------------------------ */

static void check_refused(int32_t wanted, const char *says)
{
    sk_error error = {0, ""};
    sk_vocab *vocab = (sk_vocab *)&data;
    int32_t status = sk_vocab_new(&vocab, &heap, &data.source, &error);
    CHECKF(status == wanted && vocab == NULL && strstr(error.text, says), "%d %s, wanted %d %s",
           status, error.text, wanted, says);
    CHECK_INT(heap.live, 0);
    sk_vocab_free(vocab);
}

static void start(const char *model)
{
    data_init(&data, model, "gpt-2");
    data_token(&data, "a", 1, 0);
    data_token(&data, "b", 1, 0);
}

static void check_hostile(void)
{
    static const char *const later[] = {"hybriddna", "berts", "\x01<>", ""};
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        start(later[i]);
        check_refused(SKALD_E_TOKENIZER, i < 2 ? later[i] : "");
    }
    start("gpt2");
    data.source.n_tokens = 0;
    check_refused(SKALD_E_CORRUPT, "0 tokens");
    data.source.n_tokens = UINT64_MAX;
    check_refused(SKALD_E_CORRUPT, "tokens");
    start("gpt2");
    data.source.n_types = 1;
    check_refused(SKALD_E_CORRUPT, "1 token types for 2 tokens");
    start("llama");
    data.source.n_scores = 3;
    check_refused(SKALD_E_CORRUPT, "3 scores for 2 tokens");
    start("gpt2");
    data.source.merges = NULL;
    check_refused(SKALD_E_CORRUPT, "merges");
    static const char *const merges[] = {"ab", "", " ", " ab", "a"};
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        start("gpt2");
        data_merge(&data, "a b");
        data_merge(&data, merges[i]);
        check_refused(SKALD_E_CORRUPT, "merge 1");
    }
    data_init(&data, "gpt2", "gpt-2");
    data.tokens[0] = (sk_vocab_text){data.store, UINT32_MAX};
    data.tokens[1] = (sk_vocab_text){data.store, UINT64_MAX - 4};
    data.source.n_tokens = data.source.n_types = data.source.n_scores = 2;
    check_refused(SKALD_E_CORRUPT, "2 GiB");

    /* What is odd and tolerated. */
    start("gpt2");
    data.types[0] = INT32_MIN;
    data.types[1] = 7;
    data_merge(&data, "a  b"); /* parts "a" and " b" */
    data_merge(&data, "a ");
    data_merge(&data, "q r");
    data_merge(&data, "q r");
    data_merge(&data, "  b");
    sk_vocab *vocab = data_make(&data, &heap);
    CHECK(strstr(sk_vocab_warning(vocab), "2 tokens have unknown types") != NULL);
    sk_vocab_free(vocab);

    data_init(&data, "none", NULL);
    vocab = data_make(&data, &heap);
    CHECK_INT(sk_vocab_n(vocab), 0);
    CHECK_STR(sk_vocab_name(vocab), "none");
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_BOS), -1);
    CHECK_INT(sk_vocab_flags(vocab, 0), 0);
    int32_t id;
    uint64_t needed;
    CHECK(sk_tokenize(vocab, &heap, "x", 1, 0, &id, 1, &needed, NULL) == SKALD_E_TOKENIZER);
    CHECK(sk_detokenize(vocab, &id, 1, 0, NULL, 0, &needed, NULL) == SKALD_E_TOKENIZER);
    sk_vocab_free(vocab);
    sk_vocab_free(NULL);
}

/* Scores that are not numbers do not break the order. */
static void check_scores(void)
{
    static const uint32_t bits[] = {0x7FC00000, 0xFFC00000, 0x7F800000, 0xFF800000, 0x80000000};
    data_init(&data, "llama", NULL);
    data_token(&data, "<unk>", 2, 0);
    static const char *const words[] = {"a", "b", "ab", "ba", "aa", "bb", "abab"};
    for (int i = 0; i < 7; i++) {
        int32_t id = data_token(&data, words[i], 1, 0);
        memcpy(&data.scores[id], &bits[i % 5], 4);
    }
    data.source.add_space_prefix = 0;
    data.source.special[SK_SPECIAL_BOS] = -1;
    sk_vocab *vocab = data_make(&data, &heap);
    int32_t ids[16];
    char text[16];
    uint64_t n, n_text;
    CHECK(sk_tokenize(vocab, &heap, "abbaabab", 8, 0, ids, 16, &n, NULL) == SKALD_OK);
    CHECK(sk_detokenize(vocab, ids, n, 0, text, 16, &n_text, NULL) == SKALD_OK);
    CHECK(n_text == 8 && memcmp(text, "abbaabab", 8) == 0);
    sk_vocab_free(vocab);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static int64_t allocations_left;

static void *failing_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    if (allocations_left-- <= 0)
        return NULL;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void failing_free(void *user, void *block, size_t size)
{
    (void)user;
    (void)size;
    free(block);
}

static int32_t use_memory(sk_heap *small)
{
    sk_error error = {0, ""};
    sk_vocab *vocab;
    int32_t ids[64];
    uint64_t n;
    int32_t status = sk_vocab_new(&vocab, small, &data.source, &error);
    if (status == SKALD_OK)
        status = sk_tokenize(vocab, small, "abab<|x|> ab\x80q", 14, SKALD_PARSE_SPECIAL, ids, 64,
                             &n, &error);
    CHECKF(status == SKALD_OK || error.text[0], "%d without a sentence", status);
    sk_vocab_free(vocab);
    return status;
}

static void check_memory(void)
{
    const skald_allocator table = {sizeof table, NULL, failing_alloc, failing_free};
    static const char *const kinds[] = {"llama", "gpt2", "gemma4", "bert", "t5", "rwkv", "plamo2"};
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        data_init(&data, kinds[kind], "llama3");
        data.source.charsmap = (const uint8_t *)"\x04\0\0\0\0\0\0\0";
        data.source.n_charsmap = 8;
        data_bytes(&data);
        data_token(&data, "a", 1, 0);
        data_token(&data, "b", 1, 0);
        data_token(&data, "ab", 1, 0);
        data_token(&data, "<|x|>", 3, 0);
        data_merge(&data, "a b");
        data_merge(&data, "ab ab");
        int32_t status = SKALD_E_MEMORY;
        int64_t k = 0;
        for (; status == SKALD_E_MEMORY && k < 100; k++) {
            sk_heap small;
            CHECK(sk_heap_init(&small, &table, 0, NULL) == SKALD_OK);
            allocations_left = k;
            status = use_memory(&small);
            CHECK_INT(small.live, 0);
        }
        CHECKF(status == SKALD_OK && k > 8, "%d after %d allocations", status, (int)k);
    }
}

int main(void)
{
    sk_heap_init(&heap, NULL, 0, NULL);
    check_by_text();
    check_families();
    check_ids();
    check_settings();
    check_texts();
    check_hostile();
    check_scores();
    check_memory();
    CHECK_INT(heap.live, 0);
    return test_end();
}
