/* SPDX-License-Identifier: MIT */
/*
 * A small random llama with a byte vocabulary, made in memory by the library's own writer, so that
 * tests of contexts stand alone; and the same with a recurrence beside attention (Falcon H1). The
 * weights are wild enough that greedy text wanders.
 */
#ifndef SK_TINY_MODEL_H
#define SK_TINY_MODEL_H

#include "test.h"

#include "base/dtype.h"
#include "format/gguf_write.h"

#ifndef TINY_N_HEADS /* a test may want others */
#define TINY_N_HEADS 4
#endif

enum {
    TINY_LAYERS = 3,
    TINY_EMBD = 64,
    TINY_HEADS = TINY_N_HEADS,
    TINY_KV_HEADS = 2,
    TINY_FF = 96,
    TINY_INNER = 48, /* of the recurrence: 3 heads, 10 states each */
    TINY_STATES = 10,
    TINY_RANK = 3,
    TINY_WORDS = 20,
    TINY_VOCAB = 3 + 256 + TINY_WORDS
};

typedef struct tiny_tensor {
    char name[64];
    uint64_t ne[2];
    uint32_t n_dims;
    float *data;
} tiny_tensor;

typedef struct tiny_model {
    void *data; /* the file; free with tiny_free */
    uint64_t size;
    sk_heap heap;
    tiny_tensor tensors[3 + 16 * TINY_LAYERS];
    int n_tensors;
    uint64_t random;
    bool recurrent;
} tiny_model;

static inline void tiny_put(tiny_model *m, sk_gguf_writer *w, const char *name, int layer,
                            uint64_t ne0, uint64_t ne1)
{
    tiny_tensor *t = &m->tensors[m->n_tensors++];
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s.weight", name);
    else
        snprintf(t->name, sizeof t->name, "blk.%d.%s%s", layer, name,
                 strchr(name, '.') ? "" : ".weight");
    t->ne[0] = ne0;
    t->ne[1] = ne1;
    t->n_dims = ne1 ? 2 : 1;
    uint64_t n = ne0 * (ne1 ? ne1 : 1);
    t->data = malloc(n * sizeof(float));
    for (uint64_t i = 0; t->data && i < n; i++) {
        float u = (float)(test_random(&m->random) >> 40) / 16777216.0f - 0.5f;
        t->data[i] = strcmp(name, "ssm_a") == 0 ? u - 0.75f : ne1 ? u * 0.6f : 1.0f + u;
    }
    sk_gguf_put_tensor(w, t->name, SK_F32, t->n_dims, t->ne, t->data);
}

static inline void tiny_put_recurrence(tiny_model *m, sk_gguf_writer *w, int layer)
{
    uint64_t wide = TINY_INNER + 2 * TINY_STATES;
    tiny_put(m, w, "ssm_in", layer, TINY_EMBD, TINY_INNER + wide + TINY_RANK);
    tiny_put(m, w, "ssm_conv1d", layer, 4, wide);
    tiny_put(m, w, "ssm_dt.bias", layer, TINY_RANK, 0);
    tiny_put(m, w, "ssm_a", layer, 1, TINY_RANK);
    tiny_put(m, w, "ssm_d", layer, 1, TINY_RANK);
    tiny_put(m, w, "ssm_out", layer, TINY_INNER, TINY_EMBD);
}

static inline void tiny_put_tensors(tiny_model *m, sk_gguf_writer *w)
{
    uint64_t kv = TINY_EMBD / TINY_HEADS * TINY_KV_HEADS;
    tiny_put(m, w, "token_embd", -1, TINY_EMBD, TINY_VOCAB);
    for (int i = 0; i < TINY_LAYERS; i++) {
        tiny_put(m, w, "attn_norm", i, TINY_EMBD, 0);
        tiny_put(m, w, "attn_q", i, TINY_EMBD, TINY_EMBD);
        tiny_put(m, w, "attn_k", i, TINY_EMBD, kv);
        tiny_put(m, w, "attn_v", i, TINY_EMBD, kv);
        tiny_put(m, w, "attn_output", i, TINY_EMBD, TINY_EMBD);
        tiny_put(m, w, "ffn_norm", i, TINY_EMBD, 0);
        tiny_put(m, w, "ffn_gate", i, TINY_EMBD, TINY_FF);
        tiny_put(m, w, "ffn_up", i, TINY_EMBD, TINY_FF);
        tiny_put(m, w, "ffn_down", i, TINY_FF, TINY_EMBD);
        if (m->recurrent)
            tiny_put_recurrence(m, w, i);
    }
    tiny_put(m, w, "output_norm", -1, TINY_EMBD, 0);
    tiny_put(m, w, "output", -1, TINY_EMBD, TINY_VOCAB);
}

static inline void tiny_put_vocab(sk_gguf_writer *w)
{
    static char text[TINY_VOCAB][16];
    static float scores[TINY_VOCAB];
    static int32_t types[TINY_VOCAB];
    static sk_gguf_string strings[TINY_VOCAB];
    static const char *const words[TINY_WORDS] = {"\xe2\x96\x81",
                                                  "a",
                                                  "b",
                                                  "c",
                                                  "t",
                                                  "h",
                                                  "e",
                                                  "th",
                                                  "the",
                                                  "\xe2\x96\x81the",
                                                  ("\xe2\x96\x81"
                                                   "a"),
                                                  "ab",
                                                  "abc",
                                                  "s",
                                                  "o",
                                                  "n",
                                                  "on",
                                                  "\xe2\x96\x81s",
                                                  "es",
                                                  "so"};
    for (int i = 0; i < TINY_VOCAB; i++) {
        if (i < 3)
            snprintf(text[i], 16, "%s", i == 0 ? "<unk>" : i == 1 ? "<s>" : "</s>");
        else if (i < 259)
            snprintf(text[i], 16, "<0x%02X>", (unsigned)(i - 3));
        else
            snprintf(text[i], 16, "%s", words[i - 259]);
        types[i] = i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1;
        scores[i] = (float)-i;
        strings[i] = (sk_gguf_string){text[i], strlen(text[i])};
    }
    sk_gguf_put_string(w, "tokenizer.ggml.model", "llama", 5);
    sk_gguf_put_strings(w, "tokenizer.ggml.tokens", strings, TINY_VOCAB);
    sk_gguf_put_array(w, "tokenizer.ggml.scores", SK_GGUF_F32, scores, TINY_VOCAB);
    sk_gguf_put_array(w, "tokenizer.ggml.token_type", SK_GGUF_I32, types, TINY_VOCAB);
    sk_gguf_put_int(w, "tokenizer.ggml.bos_token_id", SK_GGUF_U32, 1);
    sk_gguf_put_int(w, "tokenizer.ggml.eos_token_id", SK_GGUF_U32, 2);
}

static inline void tiny_put_int(tiny_model *m, sk_gguf_writer *w, const char *key, int value)
{
    char name[80];
    snprintf(name, sizeof name, "%s.%s", m->recurrent ? "falcon-h1" : "llama", key);
    sk_gguf_put_int(w, name, SK_GGUF_U32, value);
}

static inline void tiny_put_hparams(tiny_model *m, sk_gguf_writer *w)
{
    const char *arch = m->recurrent ? "falcon-h1" : "llama";
    char name[80];
    sk_gguf_put_string(w, "general.architecture", arch, strlen(arch));
    sk_gguf_put_string(w, "general.name", "tiny", 4);
    tiny_put_int(m, w, "block_count", TINY_LAYERS);
    tiny_put_int(m, w, "context_length", 512);
    tiny_put_int(m, w, "embedding_length", TINY_EMBD);
    tiny_put_int(m, w, "feed_forward_length", TINY_FF);
    tiny_put_int(m, w, "attention.head_count", TINY_HEADS);
    tiny_put_int(m, w, "attention.head_count_kv", TINY_KV_HEADS);
    snprintf(name, sizeof name, "%s.attention.layer_norm_rms_epsilon", arch);
    sk_gguf_put_float(w, name, SK_GGUF_F32, 1e-5);
    if (!m->recurrent)
        return;
    tiny_put_int(m, w, "ssm.conv_kernel", 4);
    tiny_put_int(m, w, "ssm.inner_size", TINY_INNER);
    tiny_put_int(m, w, "ssm.state_size", TINY_STATES);
    tiny_put_int(m, w, "ssm.time_step_rank", TINY_RANK);
    tiny_put_int(m, w, "ssm.group_count", 1);
}

/* Makes the model, with more metadata if `more` puts some; exits the test when it cannot. */
static inline void tiny_make_with(tiny_model *m, uint64_t seed, bool recurrent,
                                  void (*more)(sk_gguf_writer *w))
{
    sk_error error = {0, ""};
    sk_gguf_writer *w;
    memset(m, 0, sizeof *m);
    m->random = seed * 2 + 1;
    m->recurrent = recurrent;
    sk_heap_init(&m->heap, NULL, 0, &error);
    if (sk_gguf_writer_new(&w, &m->heap, &error) < 0)
        exit(1);
    tiny_put_hparams(m, w);
    tiny_put_vocab(w);
    if (more)
        more(w);
    tiny_put_tensors(m, w);
    if (sk_gguf_finish_memory(w, &m->data, &m->size, &error) < 0) {
        fprintf(stderr, "tiny model: %s\n", error.text);
        exit(1);
    }
    sk_gguf_writer_free(w);
    for (int i = 0; i < m->n_tensors; i++)
        free(m->tensors[i].data);
}

static inline void tiny_make_kind(tiny_model *m, uint64_t seed, bool recurrent)
{
    tiny_make_with(m, seed, recurrent, NULL);
}

static inline void tiny_make(tiny_model *m, uint64_t seed)
{
    tiny_make_kind(m, seed, false);
}

static inline void tiny_free(tiny_model *m)
{
    sk_free(&m->heap, m->data);
}

/* Loads it with more options ("n_threads=2"); NULL on failure. */
static inline skald_model *tiny_load(const tiny_model *m, const char *more)
{
    skald_options *o = NULL;
    skald_model *model = NULL;
    skald_options_new(&o);
    skald_options_set_pointer(o, "memory", m->data);
    skald_options_set_int(o, "memory_size", (int64_t)m->size);
    if (skald_options_parse(o, more) < 0 || skald_model_load(NULL, o, &model) < 0)
        fprintf(stderr, "tiny model: %s\n", skald_error_message());
    skald_options_free(o);
    return model;
}

#endif
