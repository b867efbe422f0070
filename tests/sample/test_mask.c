/* SPDX-License-Identifier: MIT */
/*
 * Token masks against asking for each token by itself: on a small vocabulary with tokens that end
 * inside of code points, tokens of equal texts and control tokens, at random places of random texts
 * of many grammars; after much was remembered and forgotten; and on a real vocabulary.
 */
#include "grammar_test.h"
#include "sample/mask.h"

static sk_heap heap;
static sk_error error;

static const char *const words[] = {"<s>",
                                    "</s>",
                                    "<|tool|>",
                                    "a",
                                    "b",
                                    "ab",
                                    "abc",
                                    "c",
                                    "\"",
                                    "\":",
                                    "\": ",
                                    "{",
                                    "{\"",
                                    "}",
                                    "}}",
                                    "[",
                                    "]",
                                    "],",
                                    ",",
                                    ", ",
                                    ":",
                                    " ",
                                    "\n",
                                    "\n\n",
                                    "1",
                                    "12",
                                    "123",
                                    "0",
                                    "-",
                                    ".",
                                    ".5",
                                    "e",
                                    "true",
                                    "false",
                                    "null",
                                    "tr",
                                    "ue",
                                    "\xC3",
                                    "\xA9",
                                    "\xC3\xA9",
                                    "\xF0\x9F",
                                    "\x98\x80",
                                    "\xF0\x9F\x98\x80x",
                                    "\xE2\x82",
                                    "\\",
                                    "\\n",
                                    "\\u",
                                    "00",
                                    "e9",
                                    "a",
                                    "key",
                                    "\"key\"",
                                    "k",
                                    "\"}",
                                    "\"]",
                                    "\",",
                                    "name",
                                    "\"a"};
enum { N_WORDS = sizeof words / sizeof *words, N_BITS = N_WORDS + 37 };

static sk_vocab *small_vocab(void)
{
    static sk_vocab_text texts[N_WORDS];
    static int32_t types[N_WORDS];
    sk_vocab_source source;
    sk_vocab *vocab = NULL;
    sk_vocab_source_init(&source);
    for (size_t i = 0; i < N_WORDS; i++) {
        texts[i] = (sk_vocab_text){words[i], strlen(words[i])};
        types[i] = i < 3 ? 3 : 1; /* control, normal */
    }
    source.model = (sk_vocab_text){"rwkv", 4};
    source.tokens = texts;
    source.n_tokens = N_WORDS;
    source.types = types;
    source.n_types = N_WORDS;
    source.special[SK_SPECIAL_BOS] = 0;
    source.special[SK_SPECIAL_EOS] = 1;
    CHECKF(sk_vocab_new(&vocab, &heap, &source, &error) == SKALD_OK, "%s", error.text);
    return vocab;
}

static int32_t find_token(const void *user, const char *text, uint64_t n)
{
    return sk_vocab_find(user, text, n);
}

/* Every token's bit against a reader that took the same tokens and is asked for this one. */
static void compare(sk_grammar *grammar, const sk_vocab *vocab, const sk_mask *mask,
                    const int32_t *taken, int n_taken, uint32_t step)
{
    int32_t n = (int32_t)sk_vocab_n(vocab), only = -1;
    uint32_t n_allowed = 0;
    for (int32_t id = 0; id < n; id += 1) {
        bool banned = mask->banned[id / 32] >> (id % 32) & 1;
        n_allowed += !banned;
        only = banned ? only : id;
        if ((uint32_t)id % step != 0)
            continue;
        sk_matcher *m;
        uint64_t n_bytes;
        bool wanted = true;
        CHECK(sk_matcher_new(&m, &heap, grammar, &error) == SKALD_OK);
        for (int i = 0; i < n_taken; i++) {
            const char *bytes = sk_vocab_piece(vocab, taken[i], false, &n_bytes);
            CHECK(sk_matcher_take(m, taken[i], bytes, n_bytes, &wanted, &error) == SKALD_OK);
        }
        bool may_end = sk_matcher_may_end(m);
        const char *bytes = sk_vocab_piece(vocab, id, false, &n_bytes);
        sk_matcher_take(m, id, sk_vocab_is_end(vocab, id) ? "" : bytes,
                        sk_vocab_is_end(vocab, id) ? 0 : n_bytes, &wanted, &error);
        if (sk_vocab_is_end(vocab, id) && may_end)
            wanted = true;
        CHECKF(banned != wanted, "token %d (%s) after %d tokens", id, bytes, n_taken);
        sk_matcher_free(m);
    }
    CHECK_INT(mask->n_text + mask->n_ends, n_allowed);
    CHECK_INT(mask->only, n_allowed == 1 ? only : -1);
    for (uint32_t bit = (uint32_t)n; bit < N_BITS && n == N_WORDS; bit++)
        CHECK(mask->banned[bit / 32] >> (bit % 32) & 1);
}

static void walk_grammar(sk_grammar *grammar, const sk_vocab *vocab, uint64_t seed, int n_steps,
                         uint32_t step)
{
    sk_masks *masks;
    sk_matcher *m;
    int32_t taken[64];
    int n_taken = 0;
    uint64_t n_bits = sk_vocab_n(vocab) == N_WORDS ? N_BITS : sk_vocab_n(vocab);
    CHECK(sk_masks_new(&masks, &heap, vocab, n_bits, &error) == SKALD_OK);
    CHECK(sk_matcher_new(&m, &heap, grammar, &error) == SKALD_OK);
    for (int i = 0; i < n_steps; i++) {
        sk_mask mask;
        uint64_t n_bytes;
        bool ok = false;
        CHECK(sk_masks_get(masks, m, &mask, &error) == SKALD_OK);
        compare(grammar, vocab, &mask, taken, n_taken, step);
        if (mask.n_text == 0)
            break;
        int32_t id;
        do
            id = (int32_t)(test_random(&seed) % sk_vocab_n(vocab));
        while (mask.banned[id / 32] >> (id % 32) & 1 || sk_vocab_is_end(vocab, id));
        const char *bytes = sk_vocab_piece(vocab, id, false, &n_bytes);
        CHECK(sk_matcher_take(m, id, bytes, n_bytes, &ok, &error) == SKALD_OK);
        CHECKF(ok, "an allowed token is not taken: %s", bytes);
        taken[n_taken++] = id;
    }
    sk_matcher_free(m);
    sk_masks_free(masks);
}

static const struct {
    char kind;
    const char *text;
} grammars[] = {
    {'s', "true"},
    {'s', "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"number\"},\"name\":{}}}"},
    {'s', "{\"type\":\"string\",\"maxLength\":3}"},
    {'s', "{\"type\":\"array\",\"items\":{\"enum\":[\"a\",\"abc\",1,12,true]}}"},
    {'g', "root ::= \"a\"* [\\u00e9-\\uffff]* \"b\""},
    {'g', "root ::= \"a\" <[2]> | !<[3]> root | \"b\""},
    {'g', "root ::= <|tool|> | \"k\" \"ey\" \"1\""},
    {'g', "root ::= \"(\" root \")\" | [^()]"},
    {'r', "(abc|a.c)*\\d{1,3}"},
};

static sk_grammar *compile(char kind, const char *text, const sk_vocab *vocab)
{
    sk_grammar *grammar = NULL;
    const sk_token_finder tokens = {find_token, vocab, sk_vocab_n(vocab)};
    int32_t status =
        kind == 's'   ? sk_grammar_from_schema(&grammar, &heap, text, strlen(text), NULL, &error)
        : kind == 'g' ? sk_grammar_from_gbnf(&grammar, &heap, text, strlen(text), &tokens, &error)
                      : sk_grammar_from_regex(&grammar, &heap, text, strlen(text), &error);
    CHECKF(status == SKALD_OK, "%s: %s", text, error.text);
    return grammar;
}

/* Deep brackets make ever new states, far more than are remembered. */
static void forgetting(const sk_vocab *vocab)
{
    sk_grammar *grammar = compile('s', "true", vocab);
    sk_masks *masks;
    sk_matcher *m;
    uint64_t used;
    CHECK(sk_masks_new(&masks, &heap, vocab, N_BITS, &error) == SKALD_OK);
    CHECK(sk_matcher_new(&m, &heap, grammar, &error) == SKALD_OK);
    enum { DEPTH = 40000 };
    for (int i = 0; i < DEPTH; i++) {
        sk_mask mask;
        CHECK(sk_masks_get(masks, m, &mask, &error) == SKALD_OK);
        CHECK(sk_matcher_read(m, i % 2 ? "[1,{\"a\":" : "[", i % 2 ? 8 : 1, &used, &error) == 0);
    }
    CHECK(atomic_load(&heap.live) < 80u << 20);
    CHECK(sk_matcher_read(m, "null", 4, &used, &error) == SKALD_OK && used == 4);
    for (int i = DEPTH; i-- > 0;) {
        CHECK(!sk_matcher_may_end(m));
        uint64_t n = i % 2 ? 2 : 1;
        CHECK(sk_matcher_read(m, i % 2 ? "}]" : "]", n, &used, &error) == SKALD_OK && used == n);
    }
    CHECK(sk_matcher_may_end(m));
    sk_matcher_free(m);
    sk_masks_free(masks);
    sk_grammar_release(grammar);
}

static void real_vocabulary(void)
{
    const char *path = test_shared("vocab/ggml-vocab-gpt-2.gguf");
    sk_source *source;
    sk_gguf *gguf;
    sk_vocab *vocab;
    if (!path) {
        test_skip("../shared/vocab is absent");
        return;
    }
    if (sk_source_open_file(&source, &heap, path, true, &error) < 0 ||
        sk_gguf_open(&gguf, &heap, source, path, true, &error) < 0 ||
        sk_vocab_from_gguf(&vocab, &heap, gguf, &error) < 0) {
        CHECKF(false, "%s", error.text);
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        sk_grammar *grammar = compile(grammars[i].kind, grammars[i].text, vocab);
        walk_grammar(grammar, vocab, 77 + i, 6, 41);
        sk_grammar_release(grammar);
    }
    sk_vocab_free(vocab);
    sk_gguf_close(gguf);
}

int main(void)
{
    sk_heap_init(&heap, NULL, 0, NULL);
    sk_vocab *vocab = small_vocab();
    if (!vocab)
        return test_end();
    for (size_t i = 0; i < sizeof grammars / sizeof *grammars; i++) {
        sk_grammar *grammar = compile(grammars[i].kind, grammars[i].text, vocab);
        for (uint64_t seed = 1; seed < 8 && grammar; seed++)
            walk_grammar(grammar, vocab, seed * 99, 12, 1);
        sk_grammar_release(grammar);
    }
    forgetting(vocab);
    sk_vocab_free(vocab);
    CHECK_INT(atomic_load(&heap.live), 0);
    real_vocabulary();
    return test_end();
}
