/* SPDX-License-Identifier: MIT */
/*
 * The engines on vocabularies of a few hundred tokens, against the same rules done the slow way;
 * special tokens in text; back to text; any bytes there and back.
 */
#include "text/tokenize_int.h"
#include "text/utf8.h"
#include "text_data.h"

static sk_heap heap;
static data_vocab spm_data, bpe_data, gemma_data;

#define MARK "\xE2\x96\x81"

static int32_t tokenize(const sk_vocab *vocab, const char *text, size_t n, int32_t flags,
                        int32_t *ids, uint64_t *n_ids)
{
    sk_error error = {0, ""};
    int32_t status = sk_tokenize(vocab, &heap, text, n, flags, ids, 8192, n_ids, &error);
    CHECKF(status == SKALD_OK, "%s", error.text);
    return status;
}

/* The ids of a text as "1 2 3". */
static const char *ids_of(const sk_vocab *vocab, const char *text, int32_t flags)
{
    static char out[4096];
    int32_t ids[8192];
    uint64_t n;
    size_t used = 0;
    tokenize(vocab, text, strlen(text), flags, ids, &n);
    out[0] = 0;
    for (uint64_t i = 0; i < n; i++)
        used += (size_t)sprintf(out + used, "%s%d", i ? " " : "", ids[i]);
    return out;
}

/* ---- Vocabularies --------------------------------------------------------------------------- */

static sk_vocab *make_spm(void)
{
    static const char *const words[] = {
        MARK,       "a",         "b",    "c",      "ab",      "bc",
        "abc",      "aa",        "aaaa", MARK "a", MARK "ab", MARK MARK,
        "\xC3\xA9", "b\xC3\xA9", "ca",   "cab",    MARK "ca", MARK MARK MARK MARK,
        "bb",       "abab"};
    data_init(&spm_data, "llama", NULL);
    data_token(&spm_data, "<unk>", 2, 0);
    data_token(&spm_data, "<s>", 3, 0);
    data_token(&spm_data, "</s>", 3, 0);
    data_bytes(&spm_data); /* 3 to 258 */
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        data_token(&spm_data, words[i], 1, -(float)(i * 7 % 11));
    return data_make(&spm_data, &heap);
}

/* Merges at random among what was merged before. */
static void add_merges(data_vocab *data, const char *const *letters, int n_letters, uint64_t seed)
{
    const char *parts[128];
    char store[128][64];
    int n = 0;
    bool holes = seed >= 1000;
    for (; n < n_letters; n++)
        parts[n] = letters[n];
    for (int i = 0; i < 80; i++) {
        const char *left = parts[test_random(&seed) % (uint64_t)n];
        const char *right = parts[test_random(&seed) % (uint64_t)n];
        char merge[128];
        if (strlen(left) + strlen(right) > 12)
            continue;
        snprintf(merge, sizeof merge, "%s %s", left, right);
        snprintf(store[n], sizeof store[n], "%s%s", left, right);
        data_merge(data, merge);
        bool known = false;
        for (int k = 0; k < n; k++)
            known = known || strcmp(parts[k], store[n]) == 0;
        if (known)
            continue;
        /* With a large seed, every eighth is not a token: it is merged all the same, and then goes
         * byte by byte (in which a blank, that is U+2581, is no longer one). */
        if (i % 8 != 7 || !holes)
            data_token(data, store[n], 1, 0);
        parts[n] = store[n];
        n++;
    }
}

static sk_vocab *make_bpe(const char *pre, uint64_t seed)
{
    static const char *const letters[] = {"a", "b", "c", "\xC4\xA0", "\xC3\x83", "\xC2\xA9"};
    data_init(&bpe_data, "gpt2", pre);
    data_alphabet(&bpe_data);
    add_merges(&bpe_data, letters, 6, seed);
    bpe_data.source.special[SK_SPECIAL_BOS] = bpe_data.source.special[SK_SPECIAL_EOS] = -1;
    return data_make(&bpe_data, &heap);
}

static sk_vocab *make_gemma(uint64_t seed)
{
    static const char *const letters[] = {"a", "b", "c", MARK, "\xC3\xA9", "\n"};
    data_init(&gemma_data, "gemma4", NULL);
    data_bytes(&gemma_data);
    for (int i = 0; i < 6; i++)
        data_token(&gemma_data, letters[i], 1, 0);
    data_token(&gemma_data, "\n\n\n", 1, 0);
    add_merges(&gemma_data, letters, 5, seed);
    return data_make(&gemma_data, &heap);
}

/* ---- The slow way --------------------------------------------------------------------------- */

typedef struct slow_text {
    char parts[512][64];
    int n;
} slow_text;

static void slow_join(slow_text *text, int at)
{
    size_t n = strlen(text->parts[at]);
    memmove(text->parts[at] + n, text->parts[at + 1], strlen(text->parts[at + 1]) + 1);
    memmove(text->parts[at + 1], text->parts[at + 2],
            (size_t)(text->n - at - 2) * sizeof text->parts[0]);
    text->n--;
}

/* The rank of a pair, lowest first; negative: none. */
static double slow_rank(const data_vocab *data, bool by_score, const char *left, const char *right)
{
    char joined[160];
    snprintf(joined, sizeof joined, by_score ? "%s%s" : "%s %s", left, right);
    if (by_score) {
        for (uint64_t i = 0; i < data->source.n_tokens; i++)
            if (data->tokens[i].n == strlen(joined) &&
                memcmp(data->tokens[i].text, joined, strlen(joined)) == 0)
                return 1000 - (double)data->scores[i];
        return -1;
    }
    for (uint64_t i = 0; i < data->source.n_merges; i++)
        if (data->merges[i].n == strlen(joined) &&
            memcmp(data->merges[i].text, joined, strlen(joined)) == 0)
            return (double)i;
    return -1;
}

static void slow_merge(const data_vocab *data, bool by_score, slow_text *text)
{
    for (;;) {
        int best = -1;
        double best_rank = 0;
        for (int i = 0; i + 1 < text->n; i++) {
            double rank = slow_rank(data, by_score, text->parts[i], text->parts[i + 1]);
            if (rank >= 0 && (best < 0 || rank < best_rank)) {
                best = i;
                best_rank = rank;
            }
        }
        if (best < 0)
            return;
        slow_join(text, best);
    }
}

static uint64_t slow_ids(const sk_vocab *vocab, const slow_text *text, int32_t *ids)
{
    uint64_t n = 0;
    for (int i = 0; i < text->n; i++) {
        const char *part = text->parts[i];
        int32_t id = sk_vocab_find(vocab, part, strlen(part));
        if (id >= 0) {
            ids[n++] = id;
            continue;
        }
        for (const char *c = part; *c;) {
            char byte[8];
            uint32_t length = sk_utf8_announced((uint8_t)*c);
            snprintf(byte, sizeof byte, "%.*s", (int)length, c);
            if (vocab->encode_bytes) {
                ids[n++] = sk_vocab_find(vocab, byte, strlen(byte));
                c += length;
            } else {
                snprintf(byte, sizeof byte, "<0x%02X>", (uint8_t)*c++);
                ids[n++] = sk_vocab_find(vocab, byte, 6);
            }
        }
    }
    return n;
}

/* Random text of letters for which there are merges, and some for which there are none. */
static size_t random_letters(uint64_t *seed, const char *const *letters, size_t n_letters,
                             char *text, slow_text *slow, size_t max)
{
    size_t n = 0, wanted = test_random(seed) % max + 1;
    text[0] = 0;
    slow->n = 0;
    while ((size_t)slow->n < wanted) {
        const char *letter = letters[test_random(seed) % n_letters];
        strcpy(slow->parts[slow->n++], letter);
        strcpy(text + n, letter);
        n += strlen(letter);
    }
    return n;
}

static void compare_slow(const sk_vocab *vocab, const data_vocab *data, bool by_score,
                         slow_text *slow, const char *text, size_t n)
{
    int32_t found[8192], wanted[8192];
    uint64_t n_found, n_wanted;
    tokenize(vocab, text, n, 0, found, &n_found);
    slow_merge(data, by_score, slow);
    n_wanted = slow_ids(vocab, slow, wanted);
    CHECKF(n_found == n_wanted && memcmp(found, wanted, n_found * sizeof *found) == 0, "\"%s\"",
           text);
}

static void check_engines(void)
{
    static const char *const spm_letters[] = {"a", "b", "c", "a", MARK, "\xC3\xA9", "d"};
    static const char *const gemma_letters[] = {"a", "b", "c", MARK, "\xC3\xA9", "d"};
    static slow_text slow;
    static char text[4096];
    uint64_t seed = 99;
    sk_vocab *spm = make_spm();
    CHECK(spm->words_apart);
    for (int round = 0; round < 300; round++) {
        size_t n = random_letters(&seed, spm_letters, 7, text, &slow, 40);
        memmove(slow.parts[1], slow.parts[0], (size_t)slow.n * sizeof slow.parts[0]);
        strcpy(slow.parts[0], MARK);
        slow.n++;
        compare_slow(spm, &spm_data, true, &slow, text, n);
    }
    sk_vocab_free(spm);
    for (int which = 0; which < 8; which++) {
        /* The word is merged as a whole: "bloom" cuts at white space and marks only. */
        static const char *const raw[] = {"a", "b", "c", "\xC3\xA9", "d"};
        static const char *const encoded[] = {"a", "b", "c", "\xC3\x83\xC2\xA9", "d"};
        sk_vocab *bpe = make_bpe("bloom", 1000 + (uint64_t)which);
        sk_vocab *gemma = make_gemma(2000 + (uint64_t)which);
        CHECK(bpe->n_symbols > bpe->n);
        for (int round = 0; round < 50; round++) {
            size_t n = 0, wanted = test_random(&seed) % (round == 7 ? 400 : 40) + 1;
            for (slow.n = 0; n < wanted; n++) {
                uint64_t letter = test_random(&seed) % 5;
                strcpy(text + (n ? strlen(text) : 0), raw[letter]);
                if (letter == 3) {
                    strcpy(slow.parts[slow.n++], "\xC3\x83");
                    strcpy(slow.parts[slow.n++], "\xC2\xA9");
                } else {
                    strcpy(slow.parts[slow.n++], encoded[letter]);
                }
            }
            compare_slow(bpe, &bpe_data, false, &slow, text, strlen(text));
            n = random_letters(&seed, gemma_letters, 6, text, &slow, 40);
            compare_slow(gemma, &gemma_data, false, &slow, text, n);
        }
        sk_vocab_free(bpe);
        sk_vocab_free(gemma);
    }
}

/* A text is what its words are one by one: the words that a long text keeps change nothing. Words
 * alone are below the length at which any are kept. */
static void check_known(void)
{
    static const char *const parts[] = {"a",
                                        "ab",
                                        "abc",
                                        " ",
                                        " b",
                                        "\xC3\xA9",
                                        "\n",
                                        "c",
                                        " ca ",
                                        "cab",
                                        "7",
                                        "!",
                                        " abcabcabcabcabcabc",
                                        "\xE4\xB8\xAD"};
    static char text[4096];
    static int32_t found[8192], wanted[8192];
    uint64_t seed = 1234;
    for (int which = 0; which < 12; which++) {
        sk_vocab *vocab = make_bpe(which & 1 ? "llama3" : "gpt-2", (which & 2 ? 1000u : 0u) + 5);
        for (int round = 0; round < 20; round++) {
            size_t n = 0;
            while (n < 300 + (size_t)round * 150) {
                const char *part = parts[test_random(&seed) % 14];
                memcpy(text + n, part, strlen(part));
                n += strlen(part);
            }
            uint64_t n_found, n_wanted = 0, n_piece, n_more;
            const uint8_t *piece;
            sk_pretok_cursor cursor;
            sk_pretok_start(&cursor, vocab->pre, (const uint8_t *)text, n);
            while (sk_pretok_next(&cursor, &piece, &n_piece)) {
                CHECK(n_piece < 256);
                tokenize(vocab, (const char *)piece, n_piece, 0, wanted + n_wanted, &n_more);
                n_wanted += n_more;
            }
            tokenize(vocab, text, n, 0, found, &n_found);
            CHECK_INT(n_found, n_wanted);
            CHECK(memcmp(found, wanted, n_found * sizeof *found) == 0);
        }
        sk_vocab_free(vocab);
    }
}

/* Merges as training finds them: neighbours in a text, merged wherever they stand. */
static void train_merges(data_vocab *data, const char *const *letters, uint64_t *seed)
{
    static slow_text slow;
    for (slow.n = 0; slow.n < 240;) {
        uint64_t code = test_random(seed) % 4; /* three letters each */
        for (uint64_t i = 0; i < 3; i++)
            strcpy(slow.parts[slow.n++], letters[code * 3 + i]);
    }
    for (int round = 0; round < 24; round++) {
        int at = (int)(test_random(seed) % (uint64_t)(slow.n - 1));
        char left[64], right[64], merge[160];
        strcpy(left, slow.parts[at]);
        strcpy(right, slow.parts[at + 1]);
        if (strlen(left) + strlen(right) > 18)
            continue;
        snprintf(merge, sizeof merge, "%s %s", left, right);
        data_merge(data, merge);
        snprintf(merge, sizeof merge, "%s%s", left, right);
        data_token(data, merge, 1, 0);
        for (int i = 0; i + 1 < slow.n; i++)
            if (strcmp(slow.parts[i], left) == 0 && strcmp(slow.parts[i + 1], right) == 0)
                slow_join(&slow, i);
    }
}

/* Words that are merged in parts, and parts that are known, against the same vocabulary without
 * seams, word by word. Merges join bytes in every way, also across code points. */
static void check_seams(void)
{
    static const char *const letters[] = {"\xC3\xA4", "\xC2\xB8", "\xC5\x83", "\xC3\xA6",
                                          "\xC4\xB8", "\xC4\xA9", "\xC3\xA3", "\xC4\xA2",
                                          "\xC4\xA4", "\xC3\xA4", "\xC2\xB8", "\xC4\xA9"};
    static const char *const codes[] = {"\xE4\xB8\xAD", "\xE6\x96\x87", "\xE3\x80\x82",
                                        "\xE4\xB8\x87", "a"};
    static int32_t found[8192], wanted[8192];
    static char text[4096];
    uint64_t seed = 4321, n_cut = 0, n_joined = 0;
    for (int which = 0; which < 40; which++) {
        data_init(&bpe_data, "gpt2", "bloom");
        data_alphabet(&bpe_data);
        train_merges(&bpe_data, letters, &seed);
        sk_vocab *vocab = data_make(&bpe_data, &heap), plain = *vocab;
        plain.seams = NULL;
        for (int round = 0; round < 20; round++) {
            size_t n = 0;
            while (n < 40 + (size_t)(round & 1) * 300) {
                const char *code = codes[test_random(&seed) % 5];
                memcpy(text + n, code, strlen(code));
                n += strlen(code);
            }
            const uint8_t *end = (const uint8_t *)text + n;
            for (const uint8_t *at = (const uint8_t *)text; at < end; n_cut++)
                at = sk_seams_end(vocab->seams, at, end);
            n_joined += n / 3;
            uint64_t n_found, n_wanted = 0, n_piece, n_more;
            const uint8_t *piece;
            sk_pretok_cursor cursor;
            sk_pretok_start(&cursor, vocab->pre, (const uint8_t *)text, n);
            while (sk_pretok_next(&cursor, &piece, &n_piece)) {
                tokenize(&plain, (const char *)piece, n_piece, 0, wanted + n_wanted, &n_more);
                n_wanted += n_more;
            }
            tokenize(vocab, text, n, 0, found, &n_found);
            CHECK_INT(n_found, n_wanted);
            CHECK(memcmp(found, wanted, n_found * sizeof *found) == 0);
        }
        sk_vocab_free(vocab);
    }
    CHECKF(n_cut > 1200 && n_cut < n_joined, "%d parts", (int)n_cut);
}

/* ---- Small cases ---------------------------------------------------------------------------- */

static void check_spm(void)
{
    sk_vocab *vocab = make_spm();
    CHECK_STR(ids_of(vocab, "", 0), "");
    CHECK_STR(ids_of(vocab, "", SKALD_ADD_SPECIAL), "1");
    CHECK_STR(ids_of(vocab, "d", SKALD_ADD_SPECIAL), "1 259 103");
    CHECK_STR(ids_of(vocab, "<s>", SKALD_PARSE_SPECIAL), "1");
    CHECK_STR(ids_of(vocab, "d<s>d", SKALD_PARSE_SPECIAL), "259 103 1 259 103");
    CHECK_STR(ids_of(vocab, "<s>", 0), "259 63 118 65");
    CHECK_STR(ids_of(vocab, "\xF0\x9F", 0), "259 243 162");
    sk_vocab_free(vocab);
}

static void check_gemma(void)
{
    sk_vocab *vocab = make_gemma(1);
    CHECK(sk_vocab_add_bos(vocab));
    CHECK_STR(sk_vocab_name(vocab), "BPE (gemma4)");
    CHECK_STR(ids_of(vocab, "\n\n\n", 0), "262");
    CHECK_STR(ids_of(vocab, "\n\n", 0), "261 261");
    CHECK_STR(ids_of(vocab, "\n\n\n\n", 0), "261 261 261 261");
    CHECK_STR(ids_of(vocab, "\x80", 0), "239 191 189"); /* U+FFFD */
    sk_vocab_free(vocab);
}

static void check_ignore_merges(void)
{
    for (int ignore = 0; ignore < 2; ignore++) {
        data_init(&bpe_data, "gpt2", ignore ? "llama3" : "smaug-bpe");
        data_alphabet(&bpe_data);
        data_token(&bpe_data, "ab", 1, 0);
        data_token(&bpe_data, "\xC4\xA0xyz", 1, 0);
        data_merge(&bpe_data, "a b");
        sk_vocab *vocab = data_make(&bpe_data, &heap);
        CHECK_STR(ids_of(vocab, "ab xyz", 0), ignore ? "256 257" : "256 32 120 121 122");
        sk_vocab_free(vocab);
    }
}

static void check_buffers(void)
{
    sk_vocab *vocab = make_spm();
    int32_t ids[4] = {-7, -7, -7, -7};
    char text[8] = "#######";
    uint64_t needed = 0;
    sk_error error = {0, ""};
    CHECK(sk_tokenize(vocab, &heap, "ddd", 3, 0, NULL, 0, &needed, &error) == SKALD_E_BUFFER);
    CHECK_INT(needed, 4);
    CHECK(sk_tokenize(vocab, &heap, "ddd", 3, 0, ids, 3, &needed, &error) == SKALD_E_BUFFER);
    CHECK_INT(needed, 4);
    CHECK_INT(ids[3], -7);
    CHECK(sk_tokenize(vocab, &heap, "ddd", 3, 0, ids, 4, &needed, &error) == SKALD_OK);
    CHECK(sk_tokenize(vocab, &heap, "", 0, 0, NULL, 0, &needed, &error) == SKALD_OK);
    CHECK(sk_detokenize(vocab, ids, 4, 0, NULL, 0, &needed, &error) == SKALD_E_BUFFER);
    CHECK_INT(needed, 3);
    CHECK(sk_detokenize(vocab, ids, 4, 0, text, 2, &needed, &error) == SKALD_E_BUFFER);
    CHECK(text[2] == '#');
    CHECK(sk_detokenize(vocab, ids, 4, 0, text, 3, &needed, &error) == SKALD_OK);
    CHECK(memcmp(text, "ddd#", 4) == 0);
    ids[1] = 100000;
    CHECK(sk_detokenize(vocab, ids, 4, 0, text, 3, &needed, &error) == SKALD_E_ARGUMENT);
    ids[1] = -1;
    CHECK(sk_detokenize(vocab, ids, 4, 0, text, 3, &needed, &error) == SKALD_E_ARGUMENT);
    CHECK(sk_tokenize(vocab, &heap, NULL, SK_TOKENIZE_MAX + 1, 0, ids, 4, &needed, &error) ==
          SKALD_E_ARGUMENT);
    sk_vocab_free(vocab);
}

/* ---- Special tokens in text ----------------------------------------------------------------- */

static void check_strips(void)
{
    data_init(&spm_data, "llama", NULL);
    spm_data.source.name = data_text("Phi-3 mini");
    data_token(&spm_data, "<unk>", 2, 0);
    data_token(&spm_data, "<s>", 3, 0);
    data_token(&spm_data, "</s>", 3, 0);
    data_bytes(&spm_data);
    int32_t user = data_token(&spm_data, "<|user|>", 4, 0);
    data_token(&spm_data, MARK, 1, 0);
    sk_vocab *vocab = data_make(&spm_data, &heap);
    CHECK_INT(user, 259);
    CHECK_STR(ids_of(vocab, "<|user|> \n <|user|>d", 0), "259 259 260 103");
    CHECK_STR(ids_of(vocab, "<s> <|user|> ", SKALD_PARSE_SPECIAL), "1 260 260 259");
    sk_vocab_free(vocab);
}

/* The reference's way: each token, the longest first, through every stretch that is left. */
static uint64_t slow_partition(const data_vocab *data, const char *text, size_t n, int32_t *found)
{
    static int32_t at[4096];
    for (size_t i = 0; i < n; i++)
        at[i] = -1;
    for (size_t length = 16; length > 0; length--)
        for (uint64_t id = 0; id < data->source.n_tokens; id++) {
            if (data->types[id] != 4 || data->tokens[id].n != length)
                continue;
            for (size_t i = 0; i + length <= n; i++) {
                bool fits = memcmp(text + i, data->tokens[id].text, length) == 0;
                for (size_t k = 0; k < length; k++)
                    fits = fits && at[i + k] == -1;
                if (!fits)
                    continue;
                for (size_t k = 0; k < length; k++)
                    at[i + k] = -2;
                at[i] = (int32_t)id;
            }
        }
    uint64_t n_found = 0;
    for (size_t i = 0; i < n; i++)
        if (at[i] >= 0) {
            found[n_found++] = (int32_t)i;
            found[n_found++] = at[i];
        }
    return n_found;
}

static void check_partition(void)
{
    /* Of different lengths where they overlap, since the order among equals is not said. */
    static const char *const words[] = {"ab",    "abc",    "bcab",     " ",       "  ", "    ",
                                        "caabb", "bcabca", "a bc a b", "ccccccc", "x"};
    data_init(&bpe_data, "gpt2", "default");
    data_alphabet(&bpe_data);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        data_token(&bpe_data, words[i], 4, 0);
    bpe_data.source.special[SK_SPECIAL_BOS] = bpe_data.source.special[SK_SPECIAL_EOS] = -1;
    sk_vocab *vocab = data_make(&bpe_data, &heap);
    uint64_t seed = 5;
    for (int round = 0; round < 3000; round++) {
        char text[256];
        size_t n = test_random(&seed) % 120;
        for (size_t i = 0; i < n; i++)
            text[i] = "abcabc  x"[test_random(&seed) % 9];
        int32_t wanted[600], found[600];
        uint64_t n_wanted = slow_partition(&bpe_data, text, n, wanted), n_found = 0, n_cuts;
        sk_cut *cuts;
        CHECK(sk_partition(vocab, &heap, (uint8_t *)text, (uint32_t)n, false, NULL, &cuts, &n_cuts,
                           NULL) == SKALD_OK);
        for (uint64_t i = 0; i < n_cuts; i++) {
            found[n_found++] = (int32_t)cuts[i].start;
            found[n_found++] = (int32_t)cuts[i].id;
        }
        sk_free(&heap, cuts);
        CHECKF(n_found == n_wanted && memcmp(found, wanted, n_found * sizeof *found) == 0,
               "\"%.*s\"", (int)n, text);
    }
    sk_vocab_free(vocab);
}

/* ---- There and back ------------------------------------------------------------------------- */

static void check_back(const sk_vocab *vocab, const char *text, size_t n)
{
    int32_t ids[8192];
    char back[8192];
    uint64_t n_ids, n_back, n_piece;
    sk_error error = {0, ""};
    int32_t flags = (n & 1) ? SKALD_ADD_SPECIAL : 0;
    tokenize(vocab, text, n, flags, ids, &n_ids);
    CHECK(sk_detokenize(vocab, ids, n_ids, flags, back, sizeof back, &n_back, &error) == SKALD_OK);
    CHECKF(n_back == n && memcmp(back, text, n) == 0, "%s: \"%.*s\" comes back as \"%.*s\"",
           sk_vocab_name(vocab), (int)n, text, (int)n_back, back);
    for (uint64_t i = 0; i < n_ids; i++) {
        sk_vocab_piece(vocab, ids[i], false, &n_piece);
        CHECK(n_piece <= sk_vocab_longest_piece(vocab));
    }
}

static void check_round_trips(void)
{
    sk_vocab *vocabs[5] = {make_spm(), make_gemma(3), make_bpe("llama3", 3), make_bpe("default", 4),
                           make_bpe("deepseek-v3", 5)};
    uint64_t seed = 31;
    for (int round = 0; round < 200; round++) {
        char bytes[300], text[900];
        size_t n = test_random(&seed) % 200, n_text = 0;
        for (size_t i = 0; i < n; i++) {
            uint64_t r = test_random(&seed);
            bytes[i] = r & 1 ? "ab c\xC3\xA9\xE2\x96"[r / 2 % 9] : (char)(r >> 8);
            uint32_t code =
                r & 1 ? (uint8_t) "abc  e\n'7"[r / 2 % 9] : (uint32_t)(r >> 8) % 0x11000;
            if ((code < 0xD800 || code > 0xDFFF) && code != 0x2581)
                n_text += sk_utf8_write((uint8_t *)text + n_text, code);
        }
        /* U+2581 becomes a blank: it is the one text that cannot come back. */
        bool marked = false;
        for (size_t i = 0; i + 2 < n; i++)
            marked = marked || memcmp(bytes + i, MARK, 3) == 0;
        if (!marked)
            check_back(vocabs[0], bytes, n);
        for (int i = 1; i < 5; i++)
            check_back(vocabs[i], text, n_text);
    }
    for (int i = 0; i < 5; i++)
        sk_vocab_free(vocabs[i]);
}

/* A quarter of a megabyte in one word: n log n, or this takes for ever. */
static void check_long(void)
{
    size_t n = 1 << 18;
    char *text = malloc(n);
    int32_t *ids = malloc((n + 8) * sizeof *ids);
    for (int which = 0; which < 3; which++) {
        sk_vocab *vocab = which == 0   ? make_spm()
                          : which == 1 ? make_bpe("llama3", 1)
                                       : make_gemma(1);
        for (const char *c = "a b\n"; *c; c++) {
            uint64_t n_ids;
            sk_error error = {0, ""};
            memset(text, *c, n);
            CHECK(sk_tokenize(vocab, &heap, text, n, 0, ids, n + 8, &n_ids, &error) == SKALD_OK);
            uint64_t n_bytes = 0, length;
            for (uint64_t i = 0; i < n_ids; i++) {
                sk_vocab_piece(vocab, ids[i], false, &length);
                n_bytes += length;
            }
            CHECK_INT(n_bytes, n + (which == 0));
        }
        sk_vocab_free(vocab);
    }
    free(text);
    free(ids);
}

int main(void)
{
    sk_heap_init(&heap, NULL, 0, NULL);
    check_spm();
    check_gemma();
    check_ignore_merges();
    check_buffers();
    check_engines();
    check_known();
    check_seams();
    check_strips();
    check_partition();
    check_round_trips();
    check_long();
    CHECK_INT(heap.live, 0);
    return test_end();
}
