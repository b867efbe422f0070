/* SPDX-License-Identifier: MIT */
/*
 * A model with an adapter against the same model with the adapter merged into its weights, in
 * double: W + scale * alpha / rank * B A, rounded once. Of every golden model whose weights are
 * F32: each tensor of two or three dimensions is offered to a context in an adapter of its own;
 * what is taken must change the model as merging does, and what is refused must be no matrix.
 */
#include "adapters.h"

#include "tensor/types.h"

#include <dirent.h>
#include <math.h>

#define MERGED_SCALE 0.75

typedef struct merging {
    const char *name;
    uint8_t *data; /* the model's file */
    size_t size;
    sk_gguf *file; /* a view of it */
    skald_model *model;
    int32_t tokens[12];
} merging;

static sk_heap heap;

static sk_gguf *open_view(const void *data, size_t size)
{
    sk_error error = {0, ""};
    sk_source *source;
    sk_gguf *file = NULL;
    if (sk_source_open_memory(&source, &heap, data, size, &error) < 0 ||
        sk_gguf_open(&file, &heap, source, NULL, true, &error) < 0)
        exit(1);
    return file;
}

static float *floats_of(const sk_gguf *file, const sk_gguf_tensor *t)
{
    uint64_t n = t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
    float *floats = calloc(n, sizeof *floats);
    sk_dequantise((int)t->dtype, sk_gguf_tensor_view(file, t), floats, (int64_t)n);
    return floats;
}

/* What the weight is multiplied with besides: the adapter's part is not. */
static double scale_beside(const merging *m, const sk_gguf_tensor *base, uint64_t part)
{
    char name[96];
    snprintf(name, sizeof name, "%.*s.scale", (int)(strlen(base->name) - 7), base->name);
    const sk_gguf_tensor *t = sk_gguf_tensor_find(m->file, name);
    const float *scale = t && t->ne[0] == base->ne[2] ? sk_gguf_tensor_view(m->file, t) : NULL;
    return scale ? scale[part] : 1;
}

/* Adds the products of a pair of tensors to a model's file. */
static void merge_pair(const merging *m, uint8_t *data, const sk_gguf *adapter,
                       const sk_gguf_tensor *base, const sk_gguf_tensor *ta, double factor)
{
    char name[96];
    snprintf(name, sizeof name, "%s.lora_b", base->name);
    const sk_gguf_tensor *tb = sk_gguf_tensor_find(adapter, name);
    bool table = strstr(base->name, "token_embd.weight") != NULL;
    float *a = floats_of(adapter, ta), *b = floats_of(adapter, tb);
    uint64_t in = base->ne[0], out = base->ne[1], r = tb->ne[0];
    for (uint64_t part = 0; part < base->ne[2]; part++)
        for (uint64_t row = 0; row < out; row++)
            for (uint64_t i = 0; i < in; i++) {
                uint8_t *at = data + base->offset + 4 * ((part * out + row) * in + i);
                double sum = 0;
                float w;
                for (uint64_t k = 0; k < r; k++)
                    sum += table ? (double)b[i * r + k] * (double)a[row * r + k]
                                 : (double)b[(part * out + row) * r + k] *
                                       (double)a[(part * r + k) * in + i];
                memcpy(&w, at, 4);
                w = (float)((double)w + factor * sum / scale_beside(m, base, part));
                memcpy(at, &w, 4);
            }
    free(a);
    free(b);
}

static uint8_t *merge(const merging *m, const made_adapter *made, double scale)
{
    uint8_t *data = malloc(m->size);
    sk_gguf *adapter = open_view(made->data, made->size);
    double alpha = 0;
    sk_gguf_get_float(adapter, "adapter.lora.alpha", -1e9, 1e9, &alpha, NULL);
    memcpy(data, m->data, m->size);
    for (uint64_t i = 0; i < sk_gguf_n_tensors(adapter); i++) {
        const sk_gguf_tensor *a = sk_gguf_tensor_at(adapter, i);
        size_t n = strlen(a->name);
        char name[96];
        if (strcmp(a->name + n - 7, ".lora_a") != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)n - 7, a->name);
        const sk_gguf_tensor *base = sk_gguf_tensor_find(m->file, name);
        uint64_t r = strstr(name, "token_embd.weight") ? a->ne[0] : a->ne[1];
        merge_pair(m, data, adapter, base, a, scale * (alpha != 0 ? alpha / (double)r : 1));
    }
    sk_gguf_close(adapter);
    return data;
}

/* Logits or vectors of all tokens. */
static float *run_model(const merging *m, skald_model *model, skald_adapter *adapter, size_t *width)
{
    int64_t has_logits = 0;
    size_t n = sizeof m->tokens / sizeof *m->tokens;
    skald_context *ctx = NULL;
    skald_options *o = NULL;
    skald_model_get_int(model, "has_logits", &has_logits);
    skald_options_new(&o);
    skald_options_parse(o, "n_ctx=64 n_predict=0 add_bos=0 cache_type_k=f32 cache_type_v=f32");
    skald_options_parse(o, has_logits ? "logits_all=1" : "pooling=none normalise=0");
    int32_t status = skald_context_new(model, o, &ctx);
    CHECKF(status == 0, "%s: %s", m->name, skald_error_message());
    if (adapter)
        CHECK_INT(skald_set_adapters(ctx, &adapter, (double[]){MERGED_SCALE}, 1), 0);
    CHECK_INT(skald_append_tokens(ctx, m->tokens, n), 0);
    status = skald_step(ctx, -1);
    CHECKF(status == SKALD_DONE, "%s: %s", m->name, skald_context_message(ctx));
    float *all = NULL;
    for (size_t i = 0; i < n && status == SKALD_DONE; i++) {
        const float *row = NULL;
        status = has_logits ? skald_logits(ctx, (int64_t)i, &row, width)
                            : skald_embedding(ctx, (int64_t)i, &row, width);
        CHECK_INT(status, 0);
        all = all ? all : calloc(n * *width, sizeof *all);
        if (row)
            memcpy(all + i * *width, row, *width * sizeof *all);
    }
    skald_context_free(ctx);
    skald_options_free(o);
    return all;
}

static double distance(const merging *m, const float *a, const float *b, size_t width)
{
    return a && b ? golden_error(a, b, width * (sizeof m->tokens / sizeof *m->tokens)) : INFINITY;
}

/* Tensors that are no matrices of a product with what the model computes. */
static bool is_no_matrix(const char *name)
{
    static const char *const parts[] = {
        "norm",          "conv",           "bias",       "scale",         "ssm_a",
        "ssm_d",         "lerp",           "sinks",      "rope_",         "token_types",
        "position_embd", "time_mix_first", "attn_rel_b", "altup_proj",    "unembd",
        "time_mix_w2",   "time_mix_r_k",   "cls",        "time_mix_k_",   "time_mix_decay.",
        "probs_b",       "beta.bias",      "exp_probs",  "compressor_ape"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(name, parts[i]))
            return true;
    return false;
}

/* An adapter of all tensors of a model, or of one alone. */
static made_adapter *make_for(const merging *m, const char *only, bool (*take)(const char *name))
{
    adapter_recipe recipe = {
        .rank = 5, .seed = 31, .alpha = 2, .dtype = SK_F32, .every = 1, .only = only, .take = take};
    return adapter_make(m->data, m->size, &recipe);
}

/* Which tensors of the model at hand an adapter may change. */
static const char *taken[1024];
static int n_taken;

static bool is_taken(const char *name)
{
    for (int i = 0; i < n_taken; i++)
        if (strcmp(taken[i], name) == 0)
            return true;
    return false;
}

static void offer_tensor(const merging *m, const sk_gguf_tensor *t)
{
    skald_adapter *adapter = NULL;
    bool tied = !sk_gguf_tensor_find(m->file, "output.weight");
    if (t->n_dims < 2 || n_taken == 1024 || (tied && strcmp(t->name, "token_embd.weight") == 0))
        return;
    made_adapter *made = make_for(m, t->name, NULL);
    skald_options *o = adapter_options(made->data, made->size, "");
    int32_t status = skald_adapter_load(m->model, NULL, o, &adapter);
    if (status == 0)
        taken[n_taken++] = t->name;
    else
        CHECKF(status == SKALD_E_ARGUMENT &&
                   (strstr(skald_error_message(), "changes nothing") || is_no_matrix(t->name)),
               "%s: %s", m->name, skald_error_message());
    skald_adapter_release(adapter);
    skald_options_free(o);
    adapter_unmake(made);
}

static void check_merged(const merging *m)
{
    size_t width = 0;
    made_adapter *made = make_for(m, NULL, is_taken);
    skald_adapter *adapter = adapter_load(m->model, made, "");
    uint8_t *merged = merge(m, made, MERGED_SCALE);
    skald_model *other = adapter_model(merged, m->size);
    float *plain = run_model(m, m->model, NULL, &width);
    float *adapted = run_model(m, m->model, adapter, &width);
    float *wanted = run_model(m, other, NULL, &width);
    double error = distance(m, wanted, adapted, width);
    printf("%-24s %3d tensors, error %.2g, change %.2g\n", m->name, n_taken, error,
           distance(m, wanted, plain, width));
    CHECKF(error < (strstr(m->name, "gemma3n") ? 1e-4 : 1e-8), "%s: error %.3g", m->name, error);
    CHECKF(distance(m, wanted, plain, width) > 1e-4, "%s: nothing is changed", m->name);
    free(plain);
    free(adapted);
    free(wanted);
    skald_model_release(other);
    skald_adapter_release(adapter);
    free(merged);
    adapter_unmake(made);
}

static void check_head(const char *name)
{
    char path[256];
    merging m = {.name = name};
    snprintf(path, sizeof path, "model/golden/%s.head.gguf", name);
    m.data = golden_expand(test_data(path), 11, &m.size);
    m.file = open_view(m.data, m.size);
    bool floats = true;
    for (uint64_t i = 0; i < sk_gguf_n_tensors(m.file); i++)
        floats = floats && sk_gguf_tensor_at(m.file, i)->dtype == SK_F32;
    m.model = floats ? adapter_model(m.data, m.size) : NULL;
    if (m.model) {
        int64_t n_vocab = 0;
        skald_model_get_int(m.model, "n_vocab", &n_vocab);
        for (size_t i = 0; i < sizeof m.tokens / sizeof *m.tokens; i++)
            m.tokens[i] = (int32_t)(i * 37 % (size_t)n_vocab);
        n_taken = 0;
        for (uint64_t i = 0; i < sk_gguf_n_tensors(m.file); i++)
            offer_tensor(&m, sk_gguf_tensor_at(m.file, i));
        check_merged(&m);
    }
    skald_model_release(m.model);
    sk_gguf_close(m.file);
    free(m.data);
}

/* All heads of the folder, or those named. */
int main(int argc, char **argv)
{
    sk_heap_init(&heap, NULL, 0, NULL);
    for (int i = 1; i < argc; i++)
        check_head(argv[i]);
    DIR *folder = argc > 1 ? NULL : opendir(test_data("model/golden"));
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
        char *end = strstr(entry->d_name, ".head.gguf");
        if (!end)
            continue;
        *end = 0;
        if (strcmp(entry->d_name, "qwen2vl-dense") != 0) /* its epsilon of 0 is refused */
            check_head(entry->d_name);
    }
    if (folder)
        closedir(folder);
    return test_end();
}
