/* SPDX-License-Identifier: MIT */
/*
 * The engines that look for the tokens at a place (WordPiece, Unigram, RWKV, PLaMo-2) on small
 * vocabularies, against their rules done the slow way: every token is tried everywhere. And the
 * tables of lower case and decomposition, and the normalisation map, also a broken one.
 */
#include "text/charsmap.h"
#include "text/tokenize_int.h"
#include "text/unicode_map.h"
#include "text/utf8.h"
#include "text_data.h"

#include <math.h>

#define MARK "\xE2\x96\x81"
#define MAX 2048

static sk_heap heap;
static data_vocab data;

typedef struct id_list {
    int32_t ids[MAX];
    uint64_t n;
} id_list;

static void put_id(id_list *list, int32_t id)
{
    list->ids[list->n++] = id;
}

static void compare(const sk_vocab *vocab, const char *text, size_t n, int32_t flags,
                    const id_list *wanted)
{
    int32_t ids[MAX];
    uint64_t found;
    sk_error error = {0, ""};
    int32_t status = sk_tokenize(vocab, &heap, text, n, flags, ids, MAX, &found, &error);
    CHECKF(status == SKALD_OK, "%s", error.text);
    bool same = found == wanted->n && memcmp(ids, wanted->ids, found * sizeof *ids) == 0;
    CHECKF(same, "%s \"%s\": %d ids, wanted %d", sk_vocab_name(vocab), text, (int)found,
           (int)wanted->n);
}

/* Whether token `id` stands at `at`. */
static bool stands(uint64_t id, const char *at, size_t left)
{
    return data.tokens[id].n <= left && memcmp(at, data.tokens[id].text, data.tokens[id].n) == 0;
}

/* The longest token there, or -1. Of equal ones the last. */
static int32_t slow_longest(const char *at, size_t left)
{
    int32_t best = -1;
    for (uint64_t id = 0; id < data.source.n_tokens; id++)
        if (stands(id, at, left) && (best < 0 || data.tokens[id].n >= data.tokens[best].n))
            best = (int32_t)id;
    return best;
}

/* A text of these parts at random; `plain` becomes what is normalised to. */
typedef struct text_part {
    const char *raw, *plain;
} text_part;

static size_t random_parts(uint64_t *seed, const text_part *parts, size_t n_parts, char *raw,
                           char *plain)
{
    raw[0] = plain[0] = 0;
    for (uint64_t n = test_random(seed) % 30; n > 0; n--) {
        const text_part *part = &parts[test_random(seed) % n_parts];
        strcat(raw, part->raw);
        strcat(plain, part->plain);
    }
    return strlen(raw);
}

/* ---- WordPiece ------------------------------------------------------------------------------ */

static const text_part bert_parts[] = {
    {"a", "a"},
    {"B", "b"},
    {"\xC3\x89", "e"},     /* E with acute */
    {"e\xCC\x81", "e"},    /* the same, decomposed */
    {"\xE1\xBB\xAD", "u"}, /* u with horn and hook: two marks */
    {" ", " "},
    {"\xE3\x80\x80", " "},
    {"\n", " "},
    {"\x01", ""},
    {"\xE2\x80\x8B", ""}, /* zero width space: Cf */
    {"\xFF", ""},
    {"!", " ! "},
    {"\xE2\x80\x94", " \xE2\x80\x94 "},           /* em dash */
    {"\xE4\xB8\xAD", " \xE4\xB8\xAD "},           /* an ideograph */
    {"\xEA\xB0\x80", "\xE1\x84\x80\xE1\x85\xA1"}, /* Hangul to jamo */
    {"\xE0\xA4\xBF", "\xE0\xA4\xBF"},             /* a vowel sign of category Mc stays */
    {"ab", "ab"},
    {"^", " ^ "},
};

static void make_bert(void)
{
    static const char *const words[] = {MARK "a",
                                        MARK "b",
                                        MARK "ab",
                                        "a",
                                        "b",
                                        "ab",
                                        "aba",
                                        "e",
                                        MARK "e",
                                        MARK "be",
                                        MARK "\xE4\xB8\xAD",
                                        "ba",
                                        "u",
                                        MARK "!",
                                        "ebb",
                                        MARK "^",
                                        MARK "u",
                                        MARK "\xE1\x84\x80\xE1\x85\xA1",
                                        MARK "\xE0\xA4\xBF"};
    data_init(&data, "bert", NULL);
    data_token(&data, "[PAD]", 3, 0);
    data_token(&data, "[UNK]", 2, 0);
    data_token(&data, "[CLS]", 3, 0);
    data_token(&data, "[SEP]", 3, 0);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        data_token(&data, words[i], 1, 0);
    data.source.special[SK_SPECIAL_UNK] = 1;
    data.source.special[SK_SPECIAL_BOS] = 2;
    data.source.special[SK_SPECIAL_SEP] = 3;
}

static void slow_word(const char *word, size_t n, id_list *out)
{
    char text[MAX];
    uint64_t before = out->n;
    size_t length = (size_t)sprintf(text, MARK "%.*s", (int)n, word);
    for (size_t at = 0; at < length;) {
        int32_t id = slow_longest(text + at, length - at);
        if (id < 0) {
            out->n = before;
            put_id(out, 1);
            return;
        }
        put_id(out, id);
        at += data.tokens[id].n;
    }
}

static void check_wordpiece(void)
{
    static char raw[MAX], plain[MAX];
    uint64_t seed = 5;
    make_bert();
    sk_vocab *vocab = data_make(&data, &heap);
    CHECK(sk_vocab_add_bos(vocab) && sk_vocab_add_sep(vocab) && !sk_vocab_add_eos(vocab));
    for (int round = 0; round < 2000; round++) {
        static id_list wanted;
        size_t n =
            random_parts(&seed, bert_parts, sizeof bert_parts / sizeof *bert_parts, raw, plain);
        wanted.n = 0;
        put_id(&wanted, 2);
        for (const char *at = plain; *(at += strspn(at, " "));) {
            size_t length = strcspn(at, " ");
            slow_word(at, length, &wanted);
            at += length;
        }
        put_id(&wanted, 3);
        compare(vocab, raw, n, SKALD_ADD_SPECIAL, &wanted);
    }
    sk_vocab_free(vocab);
    data.source.lowercase = 0; /* accents stay too then */
    vocab = data_make(&data, &heap);
    compare(vocab, "AB e\xCC\x81 ab", 10, 0, &(id_list){{1, 1, 6}, 3});
    sk_vocab_free(vocab);
    data.source.strip_accents = 1;
    vocab = data_make(&data, &heap);
    compare(vocab, "B \xC3\xA9", 4, 0, &(id_list){{1, 12}, 2});
    int32_t ids[] = {2, 4, 9, 6, 3};
    char back[32];
    uint64_t n;
    CHECK(sk_detokenize(vocab, ids, 5, SKALD_ADD_SPECIAL, back, 32, &n, NULL) == SKALD_OK);
    CHECKF(n == 6 && memcmp(back, "aab ab", 6) == 0, "%.*s", (int)n, back);
    sk_vocab_free(vocab);
}

static void check_maps(void)
{
    uint32_t parts[SK_UNICODE_PARTS];
    CHECK_INT(sk_unicode_lower('A'), 'a');
    CHECK_INT(sk_unicode_lower('@'), '@');
    CHECK_INT(sk_unicode_lower(0x130), 'i');
    CHECK_INT(sk_unicode_lower(0x416), 0x436);
    CHECK_INT(sk_unicode_lower(0x1E921), 0x1E943);
    CHECK_INT(sk_unicode_lower(0x10FFFF), 0x10FFFF);
    CHECK_INT(sk_unicode_decompose('a', parts), 1);
    CHECK(sk_unicode_decompose(0x1EED, parts) == 3 && parts[0] == 'u' && parts[2] == 0x309);
    CHECK(sk_unicode_decompose(0xD7A3, parts) == 3 && parts[0] == 0x1112 && parts[2] == 0x11C2);
    CHECK(sk_unicode_decompose(0xD7A4, parts) == 1 && parts[0] == 0xD7A4);
    CHECK(sk_unicode_decompose(0x2FA1D, parts) == 1 && parts[0] == 0x2A600);
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        uint32_t n = sk_unicode_decompose(code, parts), again[SK_UNICODE_PARTS];
        CHECK(n >= 1 && n <= SK_UNICODE_PARTS);
        for (uint32_t i = 0; i < n; i++)
            CHECK(parts[i] <= 0x10FFFF && sk_unicode_decompose(parts[i], again) == 1);
        uint32_t lower = sk_unicode_lower(code);
        CHECK(sk_unicode_lower(lower) == lower);
    }
}

/* ---- The normalisation map ------------------------------------------------------------------ */

static const struct {
    const char *from, *to;
} map_pairs[] = {{"X", "ab"}, {"XY", "c"},           {"\xC3\xA9", "e"},
                 {"Z", ""},   {"\xE3\x80\x80", " "}, {"XYZX", "dd"}};
#define N_PAIRS (sizeof map_pairs / sizeof *map_pairs)

typedef struct map_builder {
    uint32_t entries[4096];
    bool used[4096];
    uint32_t next; /* blocks of 256 entries are given out one per node: no cleverness */
    uint32_t offsets[N_PAIRS];
} map_builder;

/* Lays out the node at `index` for the strings that begin with from[0, depth). */
static void build_node(map_builder *map, uint32_t index, const char *prefix, size_t depth)
{
    uint32_t base = map->next += 256;
    bool leaf = false;
    for (size_t i = 0; i < N_PAIRS; i++)
        if (strlen(map_pairs[i].from) == depth && strncmp(map_pairs[i].from, prefix, depth) == 0) {
            leaf = true;
            map->entries[base] = UINT32_C(1) << 31 | map->offsets[i];
        }
    map->entries[index] |= (index ^ base) << 10 | (leaf ? 256u : 0);
    for (size_t i = 0; i < N_PAIRS; i++) {
        const char *from = map_pairs[i].from;
        uint8_t byte = strlen(from) > depth ? (uint8_t)from[depth] : 0;
        if (!byte || strncmp(from, prefix, depth) != 0 || map->used[base ^ byte])
            continue;
        map->used[base ^ byte] = true;
        map->entries[base ^ byte] = byte;
        build_node(map, base ^ byte, from, depth + 1);
    }
}

static size_t build_map(uint8_t *blob)
{
    static map_builder map;
    memset(&map, 0, sizeof map);
    uint8_t *pool = blob + 4 + sizeof map.entries;
    uint32_t used = 0, size = sizeof map.entries;
    for (size_t i = 0; i < N_PAIRS; i++) {
        map.offsets[i] = used;
        used += (uint32_t)sprintf((char *)pool + used, "%s", map_pairs[i].to) + 1;
    }
    build_node(&map, 0, "", 0);
    for (int i = 0; i < 4; i++)
        blob[i] = (uint8_t)(size >> 8 * i);
    for (uint32_t i = 0; i < size; i++)
        blob[4 + i] = (uint8_t)(map.entries[i / 4] >> 8 * (i % 4));
    return 4 + size + used;
}

static void check_map(void)
{
    static uint8_t blob[20000], copy[20000];
    size_t n = build_map(blob);
    sk_charsmap map;
    const uint8_t *with, text[] = "XYZ-";
    uint32_t n_with;
    CHECK(sk_charsmap_open(&map, blob, n));
    CHECK_INT(sk_charsmap_match(&map, text, text + 4, &with, &n_with), 2);
    CHECK(n_with == 1 && with[0] == 'c');
    CHECK_INT(sk_charsmap_match(&map, text, text + 1, &with, &n_with), 1);
    CHECK(n_with == 2 && memcmp(with, "ab", 2) == 0);
    CHECK_INT(sk_charsmap_match(&map, text + 2, text + 4, &with, &n_with), 1);
    CHECK_INT(n_with, 0);
    CHECK_INT(sk_charsmap_match(&map, text + 3, text + 4, &with, &n_with), 0);
    CHECK(!sk_charsmap_open(&map, blob, 3) && !sk_charsmap_open(&map, blob, 16387));
    CHECK(sk_charsmap_open(&map, blob, 0));
    CHECK_INT(sk_charsmap_match(&map, text, text + 4, &with, &n_with), 0);
    uint64_t seed = 77;
    for (int round = 0; round < 3000; round++) { /* the sanitizers see what is read */
        memcpy(copy, blob, n);
        for (int i = 0; i < 40; i++) {
            uint64_t r = test_random(&seed);
            copy[4 + (r >> 8) % (i & 1 ? 16 : n - 4)] = (uint8_t)r;
        }
        CHECK(sk_charsmap_open(&map, copy, n - (size_t)round % 8));
        for (const char *c = "XYZX\xC3\xA9XY\xE3\x80\x80Z"; *c; c++)
            if (sk_charsmap_match(&map, (const uint8_t *)c, (const uint8_t *)c + strlen(c), &with,
                                  &n_with))
                CHECK(with >= copy && with + n_with < copy + n && n_with <= SK_CHARSMAP_MAX);
    }
}

/* ---- Unigram -------------------------------------------------------------------------------- */

static const text_part t5_parts[] = {{"a", "a"},
                                     {"b", "b"},
                                     {"ab", "ab"},
                                     {"X", "ab"},
                                     {"XY", "c"},
                                     {"c", "c"},
                                     {" ", " "},
                                     {"  ", "  "},
                                     {"\xC3\xA9", "e"},
                                     {"Z", ""},
                                     {"q", "q"},
                                     {"!", "!"},
                                     {"\xE3\x80\x80", " "},
                                     {"\xE4\xB8\xAD", "\xE4\xB8\xAD"},
                                     {"\xFF", "\xEF\xBF\xBD"}};

static void make_t5(uint64_t *seed, const uint8_t *blob, size_t n_blob)
{
    static const char *const words[] = {
        MARK,  "a",        "b",  "c", "ab", "abc",    MARK "a",       MARK "ab",    "ba",
        "bab", MARK "abc", "aa", "e", "ce", "c" MARK, "\xE4\xB8\xAD", "b" MARK "a", "cc"};
    data_init(&data, "t5", NULL);
    data_token(&data, "<pad>", 3, 0);
    data_token(&data, "</s>", 3, 0);
    data_token(&data, "<unk>", 2, 0);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        data_token(&data, words[i], i == 7 ? 5 : 1, -(float)(test_random(seed) % 64) / 4);
    data.source.charsmap = blob;
    data.source.n_charsmap = n_blob;
}

/* The normalised text in the words of the rule. */
static void slow_normal(const char *plain, bool prepend, bool merge, char *out)
{
    *out = 0;
    bool first = true;
    for (const char *at = plain; *at; at++) {
        if (*at == ' ') {
            if (!merge)
                strcat(out, MARK);
            continue;
        }
        bool starts = at == plain || at[-1] == ' ';
        if (starts && (merge || (prepend && first)))
            strcat(out, MARK);
        first = false;
        size_t n = strlen(out);
        out[n] = *at;
        out[n + 1] = 0;
    }
}

static void slow_unigram(const char *text, id_list *out)
{
    static double best[MAX];
    static int32_t token[MAX], from[MAX];
    size_t n = strlen(text);
    float lowest = 0;
    for (uint64_t id = 3; id < data.source.n_tokens; id++)
        if (data.types[id] == 1 && (id == 3 || data.scores[id] < lowest))
            lowest = data.scores[id];
    best[0] = 0;
    for (size_t to = 1; to <= n; to++) {
        best[to] = -INFINITY;
        for (size_t at = 0; at < to; at++) {
            if (best[at] == -INFINITY || ((uint8_t)text[at] & 0xC0) == 0x80)
                continue;
            int32_t found = -1;
            for (uint64_t id = 3; id < data.source.n_tokens; id++)
                if (data.tokens[id].n == to - at && stands(id, text + at, n - at))
                    found = (int32_t)id;
            bool single = sk_utf8_announced((uint8_t)text[at]) == to - at;
            double score =
                best[at] + (found >= 0 ? (double)data.scores[found] : (double)(lowest - 10));
            if ((found >= 0 || single) && score > best[to]) {
                best[to] = score;
                token[to] = found < 0 ? 2 : found;
                from[to] = (int32_t)at;
            }
        }
    }
    id_list back = {{0}, 0};
    for (size_t at = n; at > 0; at = (size_t)from[at])
        put_id(&back, token[at]);
    for (out->n = 0; back.n > 0; back.n--)
        if (back.ids[back.n - 1] != 2 || out->n == 0 || out->ids[out->n - 1] != 2)
            put_id(out, back.ids[back.n - 1]);
}

static void check_unigram(void)
{
    static uint8_t blob[20000];
    static char raw[MAX], plain[MAX], normal[MAX];
    size_t n_blob = build_map(blob);
    uint64_t seed = 31;
    for (int which = 0; which < 12; which++) {
        make_t5(&seed, blob, n_blob);
        bool prepend = which & 1, merge = which & 2;
        data.source.add_space_prefix = prepend;
        data.source.remove_extra_whitespaces = merge;
        sk_vocab *vocab = data_make(&data, &heap);
        CHECK(sk_vocab_add_eos(vocab));
        for (int round = 0; round < 300; round++) {
            static id_list wanted;
            size_t n =
                random_parts(&seed, t5_parts, sizeof t5_parts / sizeof *t5_parts, raw, plain);
            if (strstr(raw, "XYZX"))
                continue; /* its replacement is not that of its parts */
            slow_normal(plain, prepend, merge, normal);
            slow_unigram(normal, &wanted);
            compare(vocab, raw, n, 0, &wanted);
            put_id(&wanted, 1);
            compare(vocab, raw, n, SKALD_ADD_SPECIAL, &wanted);
        }
        sk_vocab_free(vocab);
    }
}

/* ---- RWKV, PLaMo-2 -------------------------------------------------------------------------- */

static void check_rwkv(void)
{
    static const char *const more[] = {
        "ab", "abab", "b\\n", "\\xe4\\xb8\\xad", "\\\\x", "\\'s", "\\t\\t", "\\xzz", "a\\"};
    static const char *const bytes[] = {"ab", "abab", "b\n", "\xE4\xB8\xAD", "\\x",
                                        "'s", "\t\t", "xzz", "a\\"};
    data_init(&data, "rwkv", NULL);
    data_token(&data, "<s>", 3, 0);
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "\\x%02x", byte);
        data_token(&data, text, 1, 0);
    }
    for (int i = 0; i < 9; i++)
        data_token(&data, more[i], 1, 0);
    sk_vocab *vocab = data_make(&data, &heap);
    uint64_t seed = 3, n_piece;
    for (int i = 0; i < 9; i++)
        CHECK_STR(sk_vocab_piece(vocab, 257 + i, false, &n_piece), bytes[i]);
    for (int i = 0; i < 256; i++) { /* now in the words of the slow way: bytes */
        data.store[i] = (char)i;
        data.tokens[1 + i] = (sk_vocab_text){&data.store[i], 1};
    }
    for (int i = 0; i < 9; i++)
        data.tokens[257 + i] = data_text(bytes[i]);
    data.tokens[0] = data_text("");
    for (int round = 0; round < 500; round++) {
        static id_list wanted;
        char text[512];
        size_t n = 0;
        wanted.n = 0;
        while (n < 200 && test_random(&seed) % 40) {
            uint64_t r = test_random(&seed);
            const char *part = bytes[r % 9];
            if (r & 16) {
                memcpy(text + n, part, strlen(part));
                n += strlen(part);
            } else {
                text[n++] = (char)(r >> 8);
            }
        }
        for (size_t at = 0; at < n; at += data.tokens[wanted.ids[wanted.n - 1]].n)
            put_id(&wanted, slow_longest(text + at, n - at));
        compare(vocab, text, n, 0, &wanted);
        char back[512];
        CHECK(sk_detokenize(vocab, wanted.ids, wanted.n, 0, back, 512, &n_piece, NULL) == SKALD_OK);
        CHECK(n_piece == n && memcmp(back, text, n) == 0);
    }
    sk_vocab_free(vocab);
}

/* Forwards by trying everything: ids from `at` on, tokens longest first. */
static void slow_plamo(const char *text, id_list *out)
{
    static int64_t best[MAX];
    static int32_t token[MAX], step[MAX];
    size_t n = strlen(text);
    best[n] = 0;
    for (size_t at = n; at-- > 0;) {
        if (((uint8_t)text[at] & 0xC0) == 0x80)
            continue;
        best[at] = INT64_MIN;
        for (size_t length = n - at; length > 0; length--)
            for (uint64_t id = 0; id < data.source.n_tokens; id++) {
                if (data.types[id] == 6 || data.tokens[id].n != length ||
                    ((uint8_t)text[at + length] & 0xC0) == 0x80 || !stands(id, text + at, n - at))
                    continue;
                int64_t score = llround((double)data.scores[id] * 10000) + best[at + length];
                if (score > best[at]) {
                    best[at] = score;
                    token[at] = (int32_t)id;
                    step[at] = (int32_t)length;
                }
            }
        int32_t whole = (int32_t)sk_utf8_announced((uint8_t)text[at]);
        if (best[at + (size_t)whole] - 10000000 > best[at]) {
            best[at] = best[at + (size_t)whole] - 10000000;
            token[at] = -1;
            step[at] = whole;
        }
    }
    out->n = 0;
    for (size_t at = 0; at < n; at += (size_t)step[at])
        if (token[at] >= 0)
            put_id(out, token[at]);
        else
            for (int i = 0; i < step[at]; i++)
                put_id(out, 4 + (uint8_t)text[at + (size_t)i]);
}

static void check_plamo(void)
{
    static const char *const words[] = {"a",
                                        "b",
                                        "ab",
                                        "ba",
                                        "aba",
                                        "bb",
                                        "\xE4\xB8\xAD",
                                        "c\n",
                                        "abab",
                                        ("\xE4\xB8\xAD"
                                         "a"),
                                        "\xE4"};
    static const text_part parts[] = {{"a", "a"}, {"b", "b"},   {"\xE4\xB8\xAD", "\xE4\xB8\xAD"},
                                      {"c", "c"}, {"\n", "\n"}, {"\xFE", "\xEF\xBF\xBD"}};
    static char raw[MAX], plain[MAX];
    uint64_t seed = 17;
    for (int which = 0; which < 10; which++) {
        data_init(&data, "plamo2", NULL);
        data_token(&data, "<unk>", 2, 0);
        data_token(&data, "<s>", 3, 0);
        data_token(&data, "</s>", 3, 0);
        data_token(&data, "<pad>", 3, 0);
        data_bytes(&data);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            data_token(&data, words[i], 1, -(float)(test_random(&seed) % 16) / 8);
        sk_vocab *vocab = data_make(&data, &heap);
        CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_PAD), 3);
        for (int round = 0; round < 200; round++) {
            static id_list wanted;
            size_t n = random_parts(&seed, parts, 6, raw, plain);
            slow_plamo(plain, &wanted);
            compare(vocab, raw, n, SKALD_ADD_SPECIAL, &wanted);
        }
        compare(vocab, "\xEF\xBB\xBF", 3, 0, &(id_list){{0}, 0});
        sk_vocab_free(vocab);
    }
}

/* ---- The kind "whitespace" ------------------------------------------------------------------ */

static void check_whitespace(void)
{
    for (int lower = 0; lower < 2; lower++) {
        data_init(&data, "whitespace", "whitespace");
        data_token(&data, "a", 1, 0);
        data_token(&data, "\xC3\xA9", 1, 0);
        data_token(&data, "a\xC3\xA9", 1, 0);
        data_token(&data, "A", 1, 0);
        data_merge(&data, "a \xC3\xA9");
        data.source.lowercase = (int8_t)lower;
        sk_vocab *vocab = data_make(&data, &heap);
        id_list small = {{2, 0, 0}, 3}, as_is = {{2, 3, 0}, 3};
        compare(vocab,
                " a\xC3\xA9 \n A\xE3\x80\x80"
                "a",
                12, 0, lower ? &small : &as_is);
        sk_vocab_free(vocab);
    }
}

int main(void)
{
    sk_heap_init(&heap, NULL, 0, NULL);
    check_maps();
    check_wordpiece();
    check_map();
    check_unigram();
    check_rwkv();
    check_plamo();
    check_whitespace();
    CHECK_INT(heap.live, 0);
    return test_end();
}
