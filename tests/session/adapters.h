/* SPDX-License-Identifier: MIT */
/*
 * Adapters for tests: made for a model's file, with the weights of golden.c, which are a function
 * of a seed and of names, so that a reference can be given the very same.
 */
#ifndef SK_TEST_ADAPTERS_H
#define SK_TEST_ADAPTERS_H

#include "../model/golden.h"
#include "base/dtype.h"
#include "format/gguf_write.h"
#include "test.h"

typedef struct made_adapter {
    void *data; /* the file */
    uint64_t size;
    void *bytes[2048];
    int n_bytes;
} made_adapter;

typedef struct adapter_recipe {
    bool control; /* a control vector, else a LoRA */
    uint64_t rank, seed;
    double alpha; /* 0: the file has none */
    uint32_t dtype;
    int every;                      /* of the model's matrices, one of so many; 1: all */
    const char *without;            /* a name that is left out, or NULL */
    const char *only;               /* the only name that is not, or NULL */
    bool (*take)(const char *name); /* or which are not; NULL: those that adapter_changes lists */
} adapter_recipe;

/* The matrices that adapters of the wild change, by their names without the block. */
static inline bool adapter_changes(const char *name)
{
    static const char *const names[] = {
        "attn_q",
        "attn_k",
        "attn_v",
        "attn_qkv",
        "attn_gate",
        "attn_output",
        "ffn_gate",
        "ffn_up",
        "ffn_down",
        "ffn_gate_inp",
        "ffn_gate_exps",
        "ffn_up_exps",
        "ffn_down_exps",
        "ffn_gate_shexp",
        "ffn_up_shexp",
        "ffn_down_shexp",
        "ffn_gate_inp_shexp",
        "ffn_gate_up_exps",
        "ssm_in",
        "ssm_out",
        "ssm_alpha",
        "ssm_beta",
        "shortconv.in_proj",
        "shortconv.out_proj",
        "time_mix_key",
        "time_mix_value",
        "time_mix_receptance",
        "time_mix_output",
        "channel_mix_key",
        "channel_mix_value",
        "token_embd",
        "output",
        "inp_gate",
        "proj",
    };
    char text[80];
    if (strncmp(name, "blk.", 4) == 0)
        name += 4 + strcspn(name + 4, ".") + 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "%s.weight", names[i]);
        if (strcmp(name, text) == 0)
            return true;
    }
    return false;
}

/* Feed-forward matrices with a scale: the reference scales what is added to them as well, which is
 * not what it was trained with; in files with such scales it refuses adapters for them. */
static inline bool adapter_is_odd(const sk_gguf *of, const char *name)
{
    char scale[96];
    if (!strstr(name, ".ffn_") || strstr(name, "_exps."))
        return false;
    snprintf(scale, sizeof scale, "%.*s.scale", (int)(strlen(name) - strlen(".weight")), name);
    return sk_gguf_tensor_find(of, scale) != NULL;
}

static inline bool adapter_takes(const adapter_recipe *recipe, const sk_gguf *of, const char *name)
{
    if (recipe->only)
        return strcmp(name, recipe->only) == 0;
    if (recipe->take)
        return recipe->take(name);
    return !(recipe->without && strcmp(name, recipe->without) == 0) && adapter_changes(name) &&
           !adapter_is_odd(of, name);
}

static inline void adapter_put(made_adapter *made, sk_gguf_writer *w, const adapter_recipe *recipe,
                               const char *base, const char *end, const uint64_t ne[3])
{
    char name[96];
    uint64_t n = ne[0] * ne[1] * ne[2];
    uint32_t dtype = recipe->control ? SK_F32 : recipe->dtype;
    uint8_t *bytes = calloc(n, 4);
    snprintf(name, sizeof name, "%s%s", base, end);
    made->bytes[made->n_bytes++] = bytes;
    golden_tensor_fill(name, ne[1] > 1 ? 2 : 1, ne[0], n, dtype, recipe->seed, bytes);
    sk_gguf_put_tensor(w, name, dtype,
                       ne[2] > 1                       ? 3
                       : ne[1] > 1 || !recipe->control ? 2
                                                       : 1,
                       ne, bytes);
}

static inline void adapter_put_lora(made_adapter *made, sk_gguf_writer *w,
                                    const adapter_recipe *recipe, const sk_gguf *of)
{
    const char *arch = sk_gguf_find(of, "general.architecture")->strings[0].text;
    int count = 0;
    sk_gguf_put_string(w, "general.type", "adapter", 7);
    sk_gguf_put_string(w, "general.architecture", arch, strlen(arch));
    sk_gguf_put_string(w, "adapter.type", "lora", 4);
    if (recipe->alpha != 0)
        sk_gguf_put_float(w, "adapter.lora.alpha", SK_GGUF_F32, recipe->alpha);
    for (uint64_t i = 0; i < sk_gguf_n_tensors(of); i++) {
        const sk_gguf_tensor *t = sk_gguf_tensor_at(of, i);
        if (!adapter_takes(recipe, of, t->name) || count++ % recipe->every != 0)
            continue;
        uint64_t r = recipe->rank, in = t->ne[0], out = t->ne[1], k = t->ne[2];
        bool table = strstr(t->name, "token_embd.weight") != NULL;
        adapter_put(made, w, recipe, t->name, ".lora_a",
                    (uint64_t[]){table ? r : in, table ? out : r, k});
        adapter_put(made, w, recipe, t->name, ".lora_b", (uint64_t[]){r, table ? in : out, k});
    }
}

static inline void adapter_put_control(made_adapter *made, sk_gguf_writer *w,
                                       const adapter_recipe *recipe, const sk_gguf *of)
{
    uint64_t n_embd = sk_gguf_tensor_find(of, "token_embd.weight")->ne[0];
    sk_gguf_put_string(w, "general.architecture", "controlvector", 13);
    for (int layer = 1;; layer++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%d.ffn_down.weight", layer);
        const sk_gguf_tensor *one = sk_gguf_tensor_find(of, name);
        snprintf(name, sizeof name, "blk.%d.ffn_down_exps.weight", layer);
        bool experts = sk_gguf_tensor_find(of, name) != NULL;
        snprintf(name, sizeof name, "blk.%d.channel_mix_key.weight", layer);
        if (!one && !experts && !sk_gguf_tensor_find(of, name))
            break;
        snprintf(name, sizeof name, "direction.%d", layer);
        adapter_put(made, w, recipe, name, "", (uint64_t[]){n_embd, 1, 1});
    }
}

/* An adapter for the model file at `data`. */
static inline made_adapter *adapter_make(const void *data, size_t size,
                                         const adapter_recipe *recipe)
{
    static sk_heap heap;
    sk_error error = {0, ""};
    sk_source *source;
    sk_gguf *of;
    sk_gguf_writer *w;
    made_adapter *made = calloc(1, sizeof *made);
    sk_heap_init(&heap, NULL, 0, NULL);
    if (sk_source_open_memory(&source, &heap, data, size, &error) < 0 ||
        sk_gguf_open(&of, &heap, source, NULL, true, &error) < 0 ||
        sk_gguf_writer_new(&w, &heap, &error) < 0)
        exit(1);
    if (recipe->control)
        adapter_put_control(made, w, recipe, of);
    else
        adapter_put_lora(made, w, recipe, of);
    if (sk_gguf_finish_memory(w, &made->data, &made->size, &error) < 0) {
        fprintf(stderr, "adapter: %s\n", error.text);
        exit(1);
    }
    sk_gguf_writer_free(w);
    sk_gguf_close(of);
    for (int i = 0; i < made->n_bytes; i++)
        free(made->bytes[i]);
    return made;
}

static inline void adapter_unmake(made_adapter *made)
{
    sk_heap heap;
    sk_heap_init(&heap, NULL, 0, NULL);
    sk_free(&heap, made->data);
    free(made);
}

/* A file in memory for skald_model_load and skald_adapter_load; the caller frees. */
static inline skald_options *adapter_options(const void *data, size_t size, const char *more)
{
    skald_options *o = NULL;
    skald_options_new(&o);
    skald_options_set_pointer(o, "memory", data);
    skald_options_set_int(o, "memory_size", (int64_t)size);
    CHECKF(skald_options_parse(o, more) == 0, "%s", skald_error_message());
    return o;
}

/* A model of a file in memory; the test ends where there is none. */
static inline skald_model *adapter_model(const void *data, size_t size)
{
    skald_model *loaded = NULL;
    skald_options *o = adapter_options(data, size, "n_threads=2");
    CHECKF(skald_model_load(NULL, o, &loaded) == 0, "%s", skald_error_message());
    skald_options_free(o);
    if (!loaded)
        exit(test_end());
    return loaded;
}

static inline skald_adapter *adapter_load(skald_model *for_model, const made_adapter *made,
                                          const char *more)
{
    skald_adapter *adapter = NULL;
    skald_options *o = adapter_options(made->data, made->size, more);
    int32_t status = skald_adapter_load(for_model, NULL, o, &adapter);
    CHECKF(status == 0, "%s", skald_error_message());
    skald_options_free(o);
    return adapter;
}

#endif
