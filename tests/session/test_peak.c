/* SPDX-License-Identifier: MIT */
/*
 * A model of 1.5 billion weights and 151,936 tokens, and a context of it, take at most 64 MiB
 * beside the mapped file and the cache. The estimate says so, which test_estimate.c finds exact;
 * the file has the shapes, and holes in place of weights.
 */
#define _GNU_SOURCE
#include "test.h"

#include "base/dtype.h"
#include "format/gguf_write.h"

#include <unistd.h>

enum { PEAK_MIB = 64, LAYERS = 28, EMBD = 1536, KV = 256, FF = 8960, VOCAB = 151936 };

static char path[] = "peak-XXXXXX.gguf";
static int fd;

/* What is zero becomes a hole. */
static int32_t write_sparse(void *user, const void *data, size_t n)
{
    const char *bytes = data;
    bool zero = n > 4096 && bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
    (void)user;
    return zero ? lseek(fd, (off_t)n, SEEK_CUR) < 0 : write(fd, data, n) != (ssize_t)n;
}

/* Letters, then all words of two letters, of three, and of four as far as there are ids: each is
 * the merge of its halves, the first the longer. */
static void put_vocab(sk_gguf_writer *w)
{
    sk_gguf_string *texts = calloc(VOCAB, sizeof *texts), *merges = calloc(VOCAB, sizeof *merges);
    char(*text)[8] = calloc(VOCAB, sizeof *text), (*merge)[8] = calloc(VOCAB, sizeof *merge);
    int32_t *types = calloc(VOCAB, sizeof *types);
    int n = 0, n_merge = 0;
    for (int length = 1, words = 26; length <= 4; length++, words *= 26) {
        for (int i = 0; i < words && n < VOCAB; i++, n++) {
            for (int k = length - 1, rest = i; k >= 0; k--, rest /= 26)
                text[n][k] = (char)('a' + rest % 26);
            texts[n] = (sk_gguf_string){text[n], (uint64_t)length};
            types[n] = 1;
            if (length == 1)
                continue;
            int left = (length + 1) / 2;
            snprintf(merge[n_merge], 8, "%.*s %s", left, text[n], text[n] + left);
            merges[n_merge] = (sk_gguf_string){merge[n_merge], (uint64_t)length + 1};
            n_merge++;
        }
    }
    sk_gguf_put_string(w, "tokenizer.ggml.model", "gpt2", 4);
    sk_gguf_put_string(w, "tokenizer.ggml.pre", "qwen2", 5);
    sk_gguf_put_strings(w, "tokenizer.ggml.tokens", texts, VOCAB);
    sk_gguf_put_array(w, "tokenizer.ggml.token_type", SK_GGUF_I32, types, VOCAB);
    sk_gguf_put_strings(w, "tokenizer.ggml.merges", merges, (uint64_t)n_merge);
    free(texts);
    free(merges);
    free(text);
    free(merge);
    free(types);
}

static void put_hparams(sk_gguf_writer *w)
{
    static const struct {
        const char *key;
        int value;
    } ints[] = {{"qwen2.block_count", LAYERS},      {"qwen2.context_length", 32768},
                {"qwen2.embedding_length", EMBD},   {"qwen2.feed_forward_length", FF},
                {"qwen2.attention.head_count", 12}, {"qwen2.attention.head_count_kv", 2},
                {"qwen2.rope.dimension_count", 128}};
    sk_gguf_put_string(w, "general.architecture", "qwen2", 5);
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++)
        sk_gguf_put_int(w, ints[i].key, SK_GGUF_U32, ints[i].value);
    sk_gguf_put_float(w, "qwen2.attention.layer_norm_rms_epsilon", SK_GGUF_F32, 1e-6);
}

static void put_tensor(sk_gguf_writer *w, int layer, const char *name, uint64_t n_in,
                       uint64_t n_out)
{
    char whole[64];
    if (layer < 0)
        snprintf(whole, sizeof whole, "%s", name);
    else
        snprintf(whole, sizeof whole, "blk.%d.%s", layer, name);
    sk_gguf_put_tensor(w, whole, n_out ? SK_Q4_K : SK_F32, n_out ? 2 : 1, (uint64_t[]){n_in, n_out},
                       NULL);
}

static void put_tensors(sk_gguf_writer *w)
{
    static const struct {
        const char *name;
        uint64_t n_in, n_out;
    } of_layer[] = {{"attn_norm.weight", EMBD, 0}, {"attn_q.weight", EMBD, EMBD},
                    {"attn_q.bias", EMBD, 0},      {"attn_k.weight", EMBD, KV},
                    {"attn_k.bias", KV, 0},        {"attn_v.weight", EMBD, KV},
                    {"attn_v.bias", KV, 0},        {"attn_output.weight", EMBD, EMBD},
                    {"ffn_norm.weight", EMBD, 0},  {"ffn_gate.weight", EMBD, FF},
                    {"ffn_up.weight", EMBD, FF},   {"ffn_down.weight", FF, EMBD}};
    put_tensor(w, -1, "token_embd.weight", EMBD, VOCAB);
    put_tensor(w, -1, "output_norm.weight", EMBD, 0);
    for (int layer = 0; layer < LAYERS; layer++)
        for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer; i++)
            put_tensor(w, layer, of_layer[i].name, of_layer[i].n_in, of_layer[i].n_out);
}

static void write_model(void)
{
    sk_error error = {0, ""};
    sk_heap heap;
    sk_gguf_writer *w = NULL;
    sk_heap_init(&heap, NULL, 0, &error);
    fd = mkstemps(path, 5);
    CHECK(fd >= 0);
    CHECK_INT(sk_gguf_writer_new(&w, &heap, &error), SKALD_OK);
    put_hparams(w);
    put_vocab(w);
    put_tensors(w);
    CHECKF(sk_gguf_finish(w, write_sparse, NULL, &error) == SKALD_OK, "%s", error.text);
    CHECK(ftruncate(fd, lseek(fd, 0, SEEK_CUR)) == 0);
    sk_gguf_writer_free(w);
    close(fd);
}

int main(void)
{
    int64_t cost[SKALD_N_COSTS];
    skald_options *o = NULL;
    write_model();
    CHECK_INT(skald_options_new(&o), 0);
    CHECK_INT(skald_options_parse(o, "n_threads=2 n_ctx=4096"), 0);
    CHECKF(skald_estimate(path, o, cost, SKALD_N_COSTS) == 0, "%s", skald_error_message());
    const int64_t running =
        cost[SKALD_COST_MODEL] + cost[SKALD_COST_CONTEXT] + cost[SKALD_COST_WORKSPACE];
    CHECK(cost[SKALD_COST_MAPPED] > 860000000 && cost[SKALD_COST_CACHE] > 100 << 20);
    CHECKF(running <= (int64_t)PEAK_MIB << 20, "%lld bytes", (long long)running);
    CHECKF(cost[SKALD_COST_LOADING] <= (int64_t)PEAK_MIB << 20, "%lld bytes",
           (long long)cost[SKALD_COST_LOADING]);
    printf("loading %lld bytes, running %lld\n", (long long)cost[SKALD_COST_LOADING],
           (long long)running);
    skald_options_free(o);
    unlink(path);
    return test_end();
}
