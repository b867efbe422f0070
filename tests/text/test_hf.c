/* SPDX-License-Identifier: MIT */
/*
 * tokenizer.json: real ones against the ids that their own library gives, and files that are wrong.
 * The expected ids come from ../shared/tokenizers.
 */
#include "test.h"
#include "base/source.h"
#include "format/json.h"
#include "sha256.h"
#include "text/hf_tokenizer.h"
#include "text/tokenize.h"

static sk_heap heap;
static sk_error error;
static sk_arena arena;

static const char config[] = "{\"bos_token\":{\"content\":\"a\"},\"eos_token\":\"b\","
                             "\"chat_template\":\"{{ 1 }}\"}";

static sk_vocab *vocab_of(const char *json, uint64_t n, int32_t *status)
{
    void *bytes;
    uint64_t size;
    sk_source *source;
    sk_gguf *gguf = NULL;
    sk_vocab *vocab = NULL;
    *status = sk_hf_convert(&heap, json, n, config, sizeof config - 1, &bytes, &size, &error);
    if (*status < 0)
        return NULL;
    *status = sk_source_open_memory(&source, &heap, bytes, size, &error);
    if (*status == SKALD_OK)
        *status = sk_gguf_open(&gguf, &heap, source, "tokenizer.json", true, &error);
    if (*status == SKALD_OK)
        *status = sk_vocab_from_gguf(&vocab, &heap, gguf, &error);
    sk_gguf_string template = {"", 0};
    sk_gguf_get_string(gguf, "tokenizer.chat_template", &template, &error);
    CHECK(template.n == 7 && memcmp(template.text, "{{ 1 }}", 7) == 0);
    sk_gguf_close(gguf);
    sk_free(&heap, bytes);
    return vocab;
}

static sk_vocab *shared_tokenizer(const char *name)
{
    char file[128];
    size_t n;
    int32_t status;
    snprintf(file, sizeof file, "tokenizers/%s/tokenizer.json", name);
    const char *path = test_shared(file);
    if (!path)
        return NULL;
    char *json = (char *)test_read(path, &n);
    sk_vocab *vocab = vocab_of(json, n, &status);
    CHECKF(status == SKALD_OK, "%s: %s", name, error.text);
    free(json);
    return vocab;
}

static bool same_ids(const sk_json *wanted, const int32_t *ids, uint64_t n)
{
    bool same = wanted->n == n;
    for (uint64_t i = 0; i < n && same; i++)
        same = wanted->as.items[i].as.i == ids[i];
    return same;
}

static void show_ids(char *out, size_t size, const int32_t *ids, uint64_t n)
{
    *out = 0;
    for (uint64_t i = 0; i < n && i < 30; i++)
        snprintf(out + strlen(out), size - strlen(out), " %d", ids[i]);
}

static int check_text(const sk_vocab *vocab, const char *name, const sk_json *row)
{
    static const char *const keys[] = {"ids", "ids_special"};
    static int32_t ids[4096];
    int wrong = 0;
    const sk_json *text = sk_json_get(row, "text", 4);
    for (int k = 0; k < 2; k++) {
        const sk_json *wanted = sk_json_get(row, keys[k], strlen(keys[k]));
        uint64_t n = 0;
        int32_t flags = SKALD_PARSE_SPECIAL | (k ? SKALD_ADD_SPECIAL : 0);
        int32_t status =
            sk_tokenize(vocab, &heap, text->as.text, text->n, flags, ids, 4096, &n, &error);
        char shown[400];
        show_ids(shown, sizeof shown, ids, n);
        bool good = status == SKALD_OK && same_ids(wanted, ids, n);
        CHECKF(good, "%s, %s: %.*s is%s", name, keys[k], text->n < 60 ? (int)text->n : 60,
               text->as.text, shown);
        wrong += !good;
    }
    return wrong;
}

/* The text that the ids are, as the tokeniser's own decoder writes it. */
static bool check_decoded(const sk_vocab *vocab, const char *name, const sk_json *row)
{
    static int32_t ids[4096];
    static char text[16384];
    const sk_json *list = sk_json_get(row, "ids", 3), *wanted = sk_json_get(row, "decoded", 7);
    uint64_t n = 0;
    /* All but these have it in their configuration: clean_up_tokenization_spaces. */
    static const char *const as_it_is[] = {"llama2", "phi-3", "minimind"};
    int32_t flags = SKALD_PARSE_SPECIAL | SKALD_CLEAN_UP;
    for (int i = 0; i < 3; i++)
        if (strcmp(name, as_it_is[i]) == 0)
            flags = SKALD_PARSE_SPECIAL;
    if (!wanted || wanted->kind != SK_JSON_STRING)
        return true;
    for (uint64_t i = 0; i < list->n && i < 4096; i++)
        ids[i] = (int32_t)list->as.items[i].as.i;
    int32_t status = sk_detokenize(vocab, ids, list->n, flags, text, sizeof text, &n, &error);
    bool good = status == SKALD_OK && n == wanted->n && memcmp(text, wanted->as.text, n) == 0;
    CHECKF(good, "%s: decoded \"%.*s\", wanted \"%.*s\"", name, (int)(n < 80 ? n : 80), text,
           (int)(wanted->n < 80 ? wanted->n : 80), wanted->as.text);
    return good;
}

static void expected_ids(void)
{
    size_t n;
    sk_json expected;
    const char *path = test_shared("tokenizers/expected-huggingface.json");
    if (!path) {
        test_skip("the shared tokenisers are not there");
        return;
    }
    char *json = (char *)test_read(path, &n);
    CHECK_INT(sk_json_read(&arena, json, n, &expected, &error), SKALD_OK);
    free(json);
    for (uint64_t i = 0; i < expected.n; i++) {
        const sk_json_member *m = &expected.as.members[i];
        char *name = strndup(m->key.as.text, m->key.n);
        sk_vocab *vocab = shared_tokenizer(name);
        int wrong = 0;
        for (uint64_t k = 0; vocab && k < m->value.n; k++)
            wrong += check_text(vocab, name, &m->value.as.items[k]) +
                     !check_decoded(vocab, name, &m->value.as.items[k]);
        printf("%s (%s): %d of %d differ\n", name, vocab ? sk_vocab_name(vocab) : "", wrong,
               3 * (int)m->value.n);
        sk_vocab_free(vocab);
        free(name);
    }
}

/* The hash of what a text of many scripts becomes is known for these. */
static void hashes(void)
{
    static const char *const names[] = {"phi-2", "falcon", "bert-bge"};
    static int32_t ids[1024];
    char list[8192], hash[65];
    const char *path = test_shared("tokenizers/llama.cpp-chkhsh.json");
    if (!path)
        return;
    size_t n;
    char *known = (char *)test_read(path, NULL);
    char *text = (char *)test_read(test_shared("tokenizers/llama.cpp-chktxt.txt"), &n);
    for (int i = 0; i < 3; i++) {
        sk_vocab *vocab = shared_tokenizer(names[i]);
        uint64_t n_ids = 0;
        int32_t flags = SKALD_ADD_SPECIAL | SKALD_PARSE_SPECIAL;
        CHECK_INT(sk_tokenize(vocab, &heap, text, n, flags, ids, 1024, &n_ids, &error), 0);
        char *to = list + sprintf(list, "[");
        for (uint64_t k = 0; k < n_ids; k++)
            to += sprintf(to, "%s%d", k ? ", " : "", ids[k]);
        to += sprintf(to, "]");
        sha256_hex(list, (size_t)(to - list), hash);
        CHECKF(strstr(known, hash) != NULL, "%s: %s", names[i], hash);
        sk_vocab_free(vocab);
    }
    free(known);
    free(text);
}

/* ---- files that are wrong ------------------------------------------------------------------- */

static void check_fails(const char *json, int32_t want, const char *part)
{
    int32_t status;
    sk_vocab *vocab = vocab_of(json, strlen(json), &status);
    CHECKF(status == want && strstr(error.text, part), "%s: %d %s", json, status, error.text);
    sk_vocab_free(vocab);
}

static void wrong_files(void)
{
    check_fails("{", SKALD_E_CORRUPT, "byte 1");
    check_fails("{}", SKALD_E_CORRUPT, "no vocabulary");
    check_fails("{\"model\":{\"vocab\":{}}}", SKALD_E_CORRUPT, "no vocabulary");
    check_fails("{\"model\":{\"vocab\":{\"a\":-1}}}", SKALD_E_CORRUPT, "2^24");
    check_fails("{\"model\":{\"vocab\":{\"a\":99999999}}}", SKALD_E_CORRUPT, "2^24");
    check_fails("{\"model\":{\"vocab\":{\"a\":\"b\"}}}", SKALD_E_CORRUPT, "2^24");
    check_fails("{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}}}", SKALD_E_TOKENIZER,
                "WordLevel");
    check_fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", SKALD_E_CORRUPT, "merges");
    check_fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"ab\"]}}",
                SKALD_E_CORRUPT, "two texts");
    check_fails("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]},"
                "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"x\"}},"
                "\"decoder\":{\"type\":\"ByteLevel\"}}",
                SKALD_E_TOKENIZER, "pre-tokeniser");
    check_fails("{\"model\":{\"vocab\":{\"a\":0}},\"added_tokens\":[{\"content\":\"x\"}]}",
                SKALD_E_CORRUPT, "added token");
    check_fails("{\"model\":{\"vocab\":[[\"a\"]]}}", SKALD_E_CORRUPT, "its score");
}

/* A Unigram of a few tokens, its normaliser and its ends. */
static void unigram(void)
{
    static const char json[] =
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"</s>\",0],"
        "[\"\xE2\x96\x81\",-2],[\"\xE2\x96\x81"
        "ab\",-1.5],[\"a\",-3],[\"b\",-3]]},"
        "\"added_tokens\":[{\"id\":1,\"content\":\"</s>\",\"special\":true},"
        "{\"id\":7,\"content\":\"<x>\",\"special\":false,\"rstrip\":true}],"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"add_prefix_space\":true}"
        ","
        "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
        "\"A\"}},"
        "{\"SpecialToken\":{\"id\":\"</s>\"}}]}}";
    static const int32_t want[] = {3, 4, 7, 2, 5, 1};
    int32_t status, ids[16];
    uint64_t n = 0;
    sk_vocab *vocab = vocab_of(json, sizeof json - 1, &status);
    CHECKF(vocab != NULL, "%s", error.text);
    if (!vocab)
        return;
    CHECK_INT(sk_tokenize(vocab, &heap, "aba<x>  b", 9, SKALD_ADD_SPECIAL, ids, 16, &n, &error), 0);
    char shown[200];
    show_ids(shown, sizeof shown, ids, n);
    CHECKF(n == 6 && memcmp(ids, want, sizeof want) == 0, "%s", shown);
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_BOS), 4); /* as the configuration says */
    CHECK_INT(sk_vocab_special(vocab, SK_SPECIAL_EOS), 1); /* as the file says */
    CHECK_INT(sk_vocab_n(vocab), 8);
    CHECK_INT(sk_vocab_flags(vocab, 6), SKALD_FLAG_UNUSED);
    sk_vocab_free(vocab);
}

/* A blank in front of every stretch of text, or of the first alone. */
static void prepend_schemes(void)
{
    static const struct {
        const char *scheme;
        int n;
        int32_t want[8];
    } rows[] = {
        {"always", 5, {2, 3, 0, 2, 3}}, {"first", 4, {2, 3, 0, 3}}, {"never", 3, {3, 0, 3}}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[600], shown[200];
        int32_t status, ids[16];
        uint64_t n = 0;
        snprintf(json, sizeof json,
                 "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"<x>\":0,\"<unk>\":1,\"\xE2\x96\x81\":2,"
                 "\"a\":3},"
                 "\"merges\":[],\"unk_token\":\"<unk>\"},\"added_tokens\":[{\"id\":0,\"content\":"
                 "\"<x>\","
                 "\"special\":true}],\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":"
                 "\"\xE2\x96\x81\","
                 "\"prepend_scheme\":\"%s\",\"split\":false}}",
                 rows[i].scheme);
        sk_vocab *vocab = vocab_of(json, strlen(json), &status);
        CHECKF(vocab != NULL, "%s", error.text);
        if (!vocab)
            return;
        CHECK_INT(sk_tokenize(vocab, &heap, "a<x>a", 5, SKALD_PARSE_SPECIAL, ids, 16, &n, &error),
                  0);
        show_ids(shown, sizeof shown, ids, n);
        CHECKF((int)n == rows[i].n && memcmp(ids, rows[i].want, (size_t)n * sizeof *ids) == 0,
               "%s: %s", rows[i].scheme, shown);
        sk_vocab_free(vocab);
    }
}

int main(void)
{
    CHECK_INT(sk_heap_init(&heap, NULL, 0, &error), SKALD_OK);
    sk_arena_init(&arena, &heap, 0);
    expected_ids();
    hashes();
    wrong_files();
    unigram();
    prepend_schemes();
    sk_arena_free(&arena);
    CHECK_INT(heap.live, 0);
    return test_end();
}
