/* SPDX-License-Identifier: MIT */
/*
 * Heads of reranking models in all their parts, against a few lines in double; and edits of models
 * that see to both sides, of which nothing can be kept: what is left is as if it had been given at
 * once.
 */
#include "adapters.h"

#include <math.h>

enum { MAX_LABELS = 4, MAX_EMBD = 512 };

typedef struct ranker {
    const char *name;
    const char *pooling; /* of the vector that the head reads */
    int n_labels;
    bool dense, norm, gelu, softmax;
} ranker;

static const ranker rankers[] = {
    {"bert", "cls", 1, true, false, false, false},
    {"bert", "cls", 3, true, false, false, false},
    {"bert", "cls", 2, false, false, false, false},
    {"modern-bert", "mean", 1, true, true, true, false},
    {"modern-bert", "mean", 4, true, true, true, false},
    {"qwen3-dense", "last", 2, false, false, false, true},
};

static sk_heap heap;

static void put_part(sk_gguf_writer *w, const char *name, uint64_t ne0, uint64_t ne1,
                     float values[])
{
    golden_tensor_fill(name, ne1 ? 2 : 1, ne0, ne0 * (ne1 ? ne1 : 1), SK_F32, 41,
                       (uint8_t *)values);
    sk_gguf_put_tensor(w, name, SK_F32, ne1 ? 2 : 1, (uint64_t[]){ne0, ne1}, values);
}

/* The weights of a head. */
static float cls_w[MAX_EMBD * MAX_EMBD], cls_b[MAX_EMBD], norm_w[MAX_EMBD];
static float out_w[MAX_EMBD * MAX_LABELS], out_b[MAX_LABELS];

/* A golden model with a head. */
static void make_ranker(const ranker *r, const sk_gguf *file, void **data, uint64_t *size)
{
    static const sk_gguf_string labels[MAX_LABELS] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
    const char *arch = sk_gguf_find(file, "general.architecture")->strings[0].text;
    uint64_t n_embd = sk_gguf_tensor_find(file, "token_embd.weight")->ne[0];
    sk_error error = {0, ""};
    sk_gguf_writer *w;
    char key[80];
    sk_gguf_writer_new(&w, &heap, &error);
    for (uint64_t i = 0; i < sk_gguf_n_kv(file); i++)
        if (!strstr(sk_gguf_kv_at(file, i)->key, "pooling_type") &&
            !strstr(sk_gguf_kv_at(file, i)->key, "output_labels"))
            sk_gguf_put_kv(w, sk_gguf_kv_at(file, i));
    snprintf(key, sizeof key, "%s.pooling_type", arch);
    sk_gguf_put_int(w, key, SK_GGUF_U32, 4);
    snprintf(key, sizeof key, "%s.classifier.output_labels", arch);
    sk_gguf_put_strings(w, key, labels, (uint64_t)r->n_labels);
    for (uint64_t i = 0; i < sk_gguf_n_tensors(file); i++) {
        const sk_gguf_tensor *t = sk_gguf_tensor_at(file, i);
        if (strncmp(t->name, "cls", 3) != 0)
            sk_gguf_put_tensor(w, t->name, t->dtype, t->n_dims, t->ne,
                               sk_gguf_tensor_view(file, t));
    }
    if (r->dense) {
        put_part(w, "cls.weight", n_embd, n_embd, cls_w);
        put_part(w, "cls.bias", n_embd, 0, cls_b);
    }
    if (r->norm)
        put_part(w, "cls.norm.weight", n_embd, 0, norm_w);
    put_part(w, "cls.output.weight", n_embd, (uint64_t)r->n_labels, out_w);
    put_part(w, "cls.output.bias", (uint64_t)r->n_labels, 0, out_b);
    int32_t status = sk_gguf_finish_memory(w, data, size, &error);
    CHECKF(status == 0, "%s", error.text);
    sk_gguf_writer_free(w);
}

static double gelu(double g)
{
    return 0.5 * g * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (g + 0.044715 * g * g * g)));
}

/* What the head makes of a vector. */
static void head(const ranker *r, const float *vector, size_t n, double *labels)
{
    double x[MAX_EMBD], mean = 0, square = 0, sum = 0;
    for (size_t i = 0; i < n; i++) {
        double y = r->dense ? cls_b[i] : vector[i];
        for (size_t j = 0; r->dense && j < n; j++)
            y += (double)cls_w[i * n + j] * (double)vector[j];
        x[i] = !r->dense ? y : r->gelu ? gelu(y) : tanh(y);
        mean += x[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; r->norm && i < n; i++)
        x[i] = (x[i] - mean) / sqrt(square + 1e-5) * (double)norm_w[i];
    for (int k = 0; k < r->n_labels; k++) {
        labels[k] = out_b[k];
        for (size_t i = 0; i < n; i++)
            labels[k] += (double)out_w[(size_t)k * n + i] * x[i];
    }
    for (int k = 0; r->softmax && k < r->n_labels; k++)
        sum += labels[k] = exp(labels[k]);
    for (int k = 0; r->softmax && k < r->n_labels; k++)
        labels[k] /= sum;
}

static skald_context *new_context(skald_model *model, const char *text)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    skald_options_new(&o);
    CHECK_INT(skald_options_parse(o, text), 0);
    int32_t status = skald_context_new(model, o, &ctx);
    CHECKF(status == 0, "%s", skald_error_message());
    skald_options_free(o);
    if (!ctx)
        exit(test_end());
    return ctx;
}

static void run(skald_context *ctx)
{
    int32_t status;
    do
        status = skald_step(ctx, -1);
    while (status > 0);
    CHECKF(status == SKALD_DONE, "%s", skald_context_message(ctx));
}

static void open_golden(const char *name, uint8_t **data, size_t *size, sk_gguf **file)
{
    char path[200];
    sk_error error = {0, ""};
    sk_source *source;
    snprintf(path, sizeof path, "model/golden/%s.head.gguf", name);
    *data = golden_expand(test_data(path), 11, size);
    if (sk_source_open_memory(&source, &heap, *data, *size, &error) < 0 ||
        sk_gguf_open(file, &heap, source, NULL, true, &error) < 0)
        exit(1);
}

static const int32_t tokens[] = {3, 14, 15, 9, 2, 6, 5, 35, 8, 9, 7, 9};
enum { N_TOKENS = sizeof tokens / sizeof *tokens };

static void check_ranker(const ranker *r)
{
    uint8_t *data;
    size_t size, n = 0;
    sk_gguf *file;
    void *ranked = NULL;
    uint64_t ranked_size = 0;
    char pooling[64];
    const float *v = NULL, *labels = NULL;
    double wanted[MAX_LABELS];
    int64_t n_label = 0;
    open_golden(r->name, &data, &size, &file);
    make_ranker(r, file, &ranked, &ranked_size);
    skald_model *model = adapter_model(data, size),
                *rank = adapter_model(ranked, (size_t)ranked_size);
    CHECK_INT(skald_model_get_int(rank, "n_label", &n_label), 0);
    CHECK_INT(n_label, r->n_labels);
    snprintf(pooling, sizeof pooling, "n_ctx=64 normalise=0 pooling=%s", r->pooling);
    skald_context *plain = new_context(model, pooling);
    skald_context *ctx = new_context(rank, "n_ctx=64 pooling=rank");
    CHECK_INT(skald_set_tokens(plain, tokens, N_TOKENS), 0);
    CHECK_INT(skald_set_tokens(ctx, tokens, N_TOKENS), 0);
    run(plain);
    run(ctx);
    CHECK_INT(skald_embedding(plain, 0, &v, &n), 0);
    head(r, v, n, wanted);
    CHECK_INT(skald_embedding(ctx, 0, &labels, &n), 0);
    CHECK_INT(n, r->n_labels);
    for (int k = 0; k < r->n_labels; k++)
        CHECKF(fabs(labels[k] - wanted[k]) < 1e-5 * (1 + fabs(wanted[k])),
               "%s, label %d of %d: %.9g, wanted %.9g", r->name, k, r->n_labels, (double)labels[k],
               wanted[k]);
    skald_context_free(plain);
    skald_context_free(ctx);
    skald_model_release(model);
    skald_model_release(rank);
    sk_gguf_close(file);
    sk_free(&heap, ranked);
    free(data);
}

/* ---- Edits ------------------------------------------------------------------------------------
 */

/* The pooled vector, or the last logits, of what is there are those of the same tokens at once. */
static void check_same(skald_model *model, skald_context *ctx, const char *options)
{
    const int32_t *ids;
    const float *v = NULL, *wanted = NULL;
    size_t n, n_v = 0, n_wanted = 0;
    int64_t has_logits = 0;
    skald_model_get_int(model, "has_logits", &has_logits);
    run(ctx);
    CHECK_INT(skald_tokens(ctx, &ids, &n), 0);
    skald_context *fresh = new_context(model, options);
    CHECK_INT(skald_set_tokens(fresh, ids, n), 0);
    run(fresh);
    if (has_logits) {
        CHECK_INT(skald_logits(ctx, -1, &v, &n_v), 0);
        CHECK_INT(skald_logits(fresh, -1, &wanted, &n_wanted), 0);
    } else {
        CHECK_INT(skald_embedding(ctx, 0, &v, &n_v), 0);
        CHECK_INT(skald_embedding(fresh, 0, &wanted, &n_wanted), 0);
    }
    CHECK(v && wanted && n_v == n_wanted && memcmp(v, wanted, n_v * sizeof *v) == 0);
    skald_context_free(fresh);
}

static int64_t figure(const skald_context *ctx, const char *key)
{
    int64_t value = -1;
    CHECK_INT(skald_context_get_int(ctx, key, &value), 0);
    return value;
}

static void check_edits(const char *name, const char *options)
{
    uint8_t *data;
    size_t size;
    sk_gguf *file;
    open_golden(name, &data, &size, &file);
    skald_model *model = adapter_model(data, size);
    skald_context *ctx = new_context(model, options);
    CHECK_INT(figure(ctx, "can_shift"), 0);
    CHECK_INT(skald_set_tokens(ctx, tokens, N_TOKENS), 0);
    check_same(model, ctx, options);
    CHECK_INT(skald_splice(ctx, 3, 2, NULL, 0), 0);
    CHECK_INT(figure(ctx, "n_evaluated"), 0);
    check_same(model, ctx, options);
    CHECK_INT(skald_splice(ctx, 5, 0, tokens + 2, 3), 0);
    check_same(model, ctx, options);
    CHECK_INT(skald_splice(ctx, figure(ctx, "n_tokens") - 1, 1, tokens, 1), 0);
    check_same(model, ctx, options);
    CHECK_INT(skald_truncate(ctx, 7), 0);
    check_same(model, ctx, options);
    for (int i = 0; i < 3; i++) { /* 16 tokens fit */
        CHECKF(skald_append_tokens(ctx, tokens, 6) == 0, "%s", skald_context_message(ctx));
        int64_t n_dropped = figure(ctx, "n_dropped");
        CHECK((i == 0) == (n_dropped == 0));
        if (i > 0)
            check_same(model, ctx, options);
    }
    skald_context_free(ctx);
    skald_model_release(model);
    sk_gguf_close(file);
    free(data);
}

int main(void)
{
    sk_heap_init(&heap, NULL, 0, NULL);
    for (size_t i = 0; i < sizeof rankers / sizeof *rankers; i++)
        check_ranker(&rankers[i]);
    check_edits("nomic-bert", "n_ctx=16 n_batch=8 when_full=drop n_keep=1");
    check_edits("bert", "n_ctx=16 n_batch=8 when_full=drop n_keep=2 shift=rotate");
    check_edits("dream-dense", "n_ctx=16 n_batch=8 when_full=drop n_keep=1 n_predict=0 add_bos=0");
    check_edits("dream-dense", "n_ctx=16 when_full=drop shift=rotate n_predict=0 add_bos=0");
    return test_end();
}
