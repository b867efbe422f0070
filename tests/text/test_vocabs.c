/* SPDX-License-Identifier: MIT */
/*
 * Real vocabularies: every text that comes with one, and those of ids.txt (tiktoken's and Hugging
 * Face's ids); and back to the text. They are in the shared folder and skipped where it is absent.
 */
#include "sha256.h"
#include "text_data.h"

static sk_heap heap;

static sk_vocab *open_vocab(const char *path, bool *supported)
{
    sk_error error = {0, ""};
    sk_source *source;
    sk_gguf *gguf = NULL;
    sk_vocab *vocab = NULL;
    int32_t status = sk_source_open_file(&source, &heap, path, true, &error);
    if (status == SKALD_OK)
        status = sk_gguf_open(&gguf, &heap, source, path, true, &error);
    if (status == SKALD_OK)
        status = sk_vocab_from_gguf(&vocab, &heap, gguf, &error);
    *supported = status != SKALD_E_TOKENIZER;
    CHECKF(status == SKALD_OK || !*supported, "%s: %s", path, error.text);
    sk_gguf_close(gguf);
    return vocab;
}

/* `ids` is decimal numbers separated by blanks. */
static void check_text(const sk_vocab *vocab, const char *name, const char *text, size_t n,
                       const char *ids)
{
    static int32_t found[65536];
    static char back[65536], shown[65536];
    uint64_t n_found, n_back;
    sk_error error = {0, ""};
    int32_t status = sk_tokenize(vocab, &heap, text, n, 0, found, 65536, &n_found, &error);
    CHECKF(status == SKALD_OK, "%s", error.text);
    size_t used = 0;
    shown[0] = 0;
    for (uint64_t i = 0; i < n_found && used < 60000; i++)
        used += (size_t)sprintf(shown + used, "%s%d", i ? " " : "", found[i]);
    ids += strspn(ids, " ");
    CHECKF(strcmp(shown, ids) == 0, "%s \"%.80s\": %.150s, wanted %.150s", name, text, shown, ids);
    if (strcmp(sk_vocab_name(vocab), "WordPiece") == 0)
        return; /* it keeps neither case nor white space */
    status = sk_detokenize(vocab, found, n_found, 0, back, sizeof back, &n_back, &error);
    CHECKF(status == SKALD_OK && n_back == n && memcmp(back, text, n) == 0,
           "%s \"%.80s\": back \"%.*s\"", name, text, (int)n_back, back);
}

/* The texts are separated by lines, their ids are one line each. */
static int check_companions(const sk_vocab *vocab, const char *path)
{
    static const char line[] = "\n__ggml_vocab_test__\n";
    char name[1200];
    snprintf(name, sizeof name, "%s.inp", path);
    FILE *f = fopen(name, "rb");
    if (!f)
        return 0;
    fclose(f);
    size_t n;
    char *texts = (char *)test_read(name, &n), *text = texts;
    snprintf(name, sizeof name, "%s.out", path);
    char *data = (char *)test_read(name, NULL), *ids = data;
    int n_checked = 0;
    while (text && ids) {
        char *end = strstr(text, line), *next = data_next_line(ids);
        size_t length = end ? (size_t)(end - text) : n - (size_t)(text - texts);
        check_text(vocab, path, text, length, ids);
        n_checked++;
        text = end ? end + strlen(line) : NULL;
        ids = next;
    }
    /* A separator also ends the last text. */
    CHECKF(text == texts + n && ids == NULL, "%s: unequal numbers of texts and ids", path);
    free(texts);
    free(data);
    return n_checked;
}

static void check_vocabs(void)
{
    static const char *const names[] = {"deepseek-coder",
                                        "deepseek-llm",
                                        "falcon",
                                        "gpt-2",
                                        "llama-bpe",
                                        "llama-spm",
                                        "mpt",
                                        "phi-3",
                                        "qwen2",
                                        "refact",
                                        "starcoder",
                                        "baichuan",
                                        "cl100k",
                                        "gpt-neox",
                                        "hunyuan",
                                        "llama4",
                                        "o200k",
                                        "spm-baichuan2",
                                        "spm-chatglm2",
                                        "spm-grok-1",
                                        "spm-internlm",
                                        "spm-internlm2",
                                        "spm-llama2",
                                        "spm-mistral-v3",
                                        "spm-yuan2",
                                        "bert-bge",
                                        "spm-chatglm1-ice",
                                        "spm-chatglm3",
                                        "spm-chinese-llama2",
                                        "spm-mistral-v1"};
    int n_checked = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[128];
        bool supported;
        snprintf(file, sizeof file, "vocab/ggml-vocab-%s.gguf", names[i]);
        const char *path = test_shared(file);
        if (!path) {
            test_skip(file);
            continue;
        }
        sk_vocab *vocab = open_vocab(path, &supported);
        CHECKF(supported, "%s", names[i]);
        if (vocab)
            n_checked += check_companions(vocab, path);
        sk_vocab_free(vocab);
    }
    if (test_shared("vocab/ggml-vocab-llama-bpe.gguf"))
        CHECK_INT(n_checked, 12 * 46);
}

/* "[1, 2, 3]", as Python writes a list. */
static size_t write_list(const int32_t *ids, uint64_t n, char *out)
{
    size_t used = 0;
    for (uint64_t i = 0; i < n; i++)
        used += (size_t)sprintf(out + used, "%s%d", i ? ", " : "[", ids[i]);
    return used + (size_t)sprintf(out + used, "]");
}

/* The hash that llama.cpp's converter knows tokenisers by: of the ids, those that the tokeniser
 * adds included, of one text that is made to tell them apart. */
static void check_hash(const char *name, const char *pre, const char *text, size_t n,
                       const char *hashes)
{
    char file[128], hash[65], entry[160];
    static int32_t ids[8192];
    static char list[65536];
    bool supported;
    snprintf(file, sizeof file, "vocab/ggml-vocab-%s.gguf", name);
    sk_vocab *vocab = open_vocab(test_shared(file), &supported);
    uint64_t n_ids;
    CHECK(sk_tokenize(vocab, &heap, text, n, SKALD_ADD_SPECIAL, ids, 8192, &n_ids, NULL) ==
          SKALD_OK);
    sha256_hex(list, write_list(ids, n_ids, list), hash);
    const char *at = strstr(hashes, hash);
    snprintf(entry, sizeof entry, "\"pre\": \"%s\"", pre);
    CHECKF(at != NULL, "%s: %s", name, hash);
    const char *found = at ? strstr(at, "\"pre\"") : NULL;
    CHECKF(found && strncmp(found, entry, strlen(entry)) == 0, "%s: %.40s", name,
           found ? found : "");
    sk_vocab_free(vocab);
}

static void check_hashes(void)
{
    static const char *const known[][2] = {{"bert-bge", "bert-bge"},
                                           {"cl100k", "dbrx"},
                                           {"deepseek-coder", "deepseek-coder"},
                                           {"deepseek-llm", "deepseek-llm"},
                                           {"falcon", "falcon"},
                                           {"gpt-2", "gpt-2"},
                                           {"hunyuan", "hunyuan"},
                                           {"llama-bpe", "llama-bpe"},
                                           {"llama4", "llama4"},
                                           {"mpt", "mpt"},
                                           {"o200k", "gpt-4o"},
                                           {"qwen2", "qwen2"},
                                           {"refact", "refact"},
                                           {"starcoder", "starcoder"}};
    char hash[65];
    sha256_hex("abc", 3, hash);
    CHECK_STR(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *path = test_shared("tokenizers/llama.cpp-chkhsh.json");
    if (!path) {
        test_skip("tokenizers/llama.cpp-chkhsh.json");
        return;
    }
    size_t n;
    char *hashes = (char *)test_read(path, NULL);
    char *text = (char *)test_read(test_shared("tokenizers/llama.cpp-chktxt.txt"), &n);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        check_hash(known[i][0], known[i][1], text, n, hashes);
    free(hashes);
    free(text);
}

static void check_ids(void)
{
    char *data = (char *)test_read(test_data("text/ids.txt"), NULL), *line = data, *next, *rest;
    sk_vocab *vocab = NULL;
    const char *name = "";
    bool supported;
    for (; line; line = next) {
        next = data_next_line(line);
        if (line[0] == '\\' && line[1] == 'V') {
            char file[128];
            name = line + 3;
            snprintf(file, sizeof file, "vocab/ggml-vocab-%s.gguf", name);
            const char *path = test_shared(file);
            sk_vocab_free(vocab);
            vocab = path ? open_vocab(path, &supported) : NULL;
            if (!path)
                test_skip(file);
            continue;
        }
        size_t n = data_unescape(line, &rest);
        if (vocab)
            check_text(vocab, name, line, n, rest);
    }
    sk_vocab_free(vocab);
    free(data);
}

int main(void)
{
    sk_heap_init(&heap, NULL, 0, NULL);
    check_vocabs();
    check_ids();
    check_hashes();
    CHECK_INT(heap.live, 0);
    return test_end();
}
