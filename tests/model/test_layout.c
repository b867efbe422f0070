/* SPDX-License-Identifier: MIT */
/*
 * The same weights in other layouts are the same model, bit for bit: projections and experts fused
 * or apart, one tensor per expert. And which of two lists of rope factors counts.
 */
#include "base/portable.h"

#include "golden.h"
#include "test.h"

#include "base/dtype.h"
#include "format/gguf_write.h"

enum { N_RUN = 20, MAX_NEW = 64 };

typedef struct layout {
    sk_heap heap;
    sk_gguf *gguf; /* the model that is changed */
    sk_gguf_writer *writer;
    uint8_t *kept[MAX_NEW]; /* data of new tensors */
    int n_kept;
    void *file;
    uint64_t size;
} layout;

static uint8_t *layout_keep(layout *l, uint64_t n)
{
    return l->kept[l->n_kept++] = malloc(n);
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* NAME with another last part: "blk.0.x.weight" and ".y.weight" make "blk.0.y.weight". */
static void sibling(char *out, size_t size, const char *name, const char *old, const char *part)
{
    snprintf(out, size, "%.*s%s", (int)(strlen(name) - strlen(old)), name, part);
}

static const void *view_of(const layout *l, const sk_gguf_tensor *t)
{
    return sk_gguf_tensor_view(l->gguf, t);
}

/* Puts a tensor that joins the rows of several others of the same block. */
static void put_joined(layout *l, const char *name, const sk_gguf_tensor *const *parts, int n,
                       const uint64_t ne[3], uint32_t n_dims)
{
    uint64_t experts = n_dims == 3 ? ne[2] : 1, size = 0;
    for (int i = 0; i < n; i++)
        size += parts[i]->size;
    uint8_t *data = layout_keep(l, size), *at = data;
    for (uint64_t e = 0; e < experts; e++) {
        for (int i = 0; i < n; i++) {
            uint64_t bytes = parts[i]->size / experts;
            memcpy(at, (const uint8_t *)view_of(l, parts[i]) + e * bytes, bytes);
            at += bytes;
        }
    }
    sk_gguf_put_tensor(l->writer, name, parts[0]->dtype, n_dims, ne, data);
}

/* Each changes one tensor: true when it has put something else, or nothing, in its place. */
typedef bool change(layout *l, const sk_gguf_tensor *t);

static bool drop_scales(layout *l, const sk_gguf_tensor *t)
{
    (void)l;
    return ends_with(t->name, ".scale");
}

static bool fuse_qkv_as(layout *l, const sk_gguf_tensor *t, const char *suffix)
{
    static const char *const parts[] = {".attn_q", ".attn_k", ".attn_v"};
    const sk_gguf_tensor *found[3];
    char q[32], name[64];
    snprintf(q, sizeof q, ".attn_q%s", suffix);
    if (!ends_with(t->name, q))
        return ends_with(t->name, suffix) &&
               (strstr(t->name, ".attn_k.") || strstr(t->name, ".attn_v."));
    uint64_t rows = 0;
    for (int i = 0; i < 3; i++) {
        char part[32];
        snprintf(part, sizeof part, "%s%s", parts[i], suffix);
        sibling(name, sizeof name, t->name, q, part);
        found[i] = sk_gguf_tensor_find(l->gguf, name);
        rows += found[i]->ne[found[i]->n_dims - 1];
    }
    char whole[32];
    snprintf(whole, sizeof whole, ".attn_qkv%s", suffix);
    sibling(name, sizeof name, t->name, q, whole);
    uint64_t ne[3] = {t->n_dims == 2 ? t->ne[0] : rows, rows, 1};
    put_joined(l, name, found, 3, ne, t->n_dims);
    return true;
}

static bool fuse_qkv(layout *l, const sk_gguf_tensor *t)
{
    return drop_scales(l, t) || fuse_qkv_as(l, t, ".weight") || fuse_qkv_as(l, t, ".bias");
}

static bool fuse_experts(layout *l, const sk_gguf_tensor *t)
{
    char name[64];
    if (drop_scales(l, t) || ends_with(t->name, ".ffn_up_exps.weight"))
        return true;
    if (!ends_with(t->name, ".ffn_gate_exps.weight"))
        return false;
    sibling(name, sizeof name, t->name, ".ffn_gate_exps.weight", ".ffn_up_exps.weight");
    const sk_gguf_tensor *parts[2] = {t, sk_gguf_tensor_find(l->gguf, name)};
    sibling(name, sizeof name, t->name, ".ffn_gate_exps.weight", ".ffn_gate_up_exps.weight");
    uint64_t ne[3] = {t->ne[0], 2 * t->ne[1], t->ne[2]};
    put_joined(l, name, parts, 2, ne, 3);
    return true;
}

/* Gate and up of the dense block in one matrix. */
static bool fuse_up(layout *l, const sk_gguf_tensor *t)
{
    char name[64];
    if (drop_scales(l, t) || ends_with(t->name, ".ffn_up.weight") ||
        ends_with(t->name, ".ffn_gate.bias") || ends_with(t->name, ".ffn_up.bias"))
        return true;
    if (!ends_with(t->name, ".ffn_gate.weight"))
        return false;
    sibling(name, sizeof name, t->name, ".ffn_gate.weight", ".ffn_up.weight");
    const sk_gguf_tensor *parts[2] = {t, sk_gguf_tensor_find(l->gguf, name)};
    uint64_t ne[3] = {t->ne[0], 2 * t->ne[1], 1};
    put_joined(l, name, parts, 2, ne, 2);
    return true;
}

static bool drop_up_biases(layout *l, const sk_gguf_tensor *t)
{
    return drop_scales(l, t) || ends_with(t->name, ".ffn_gate.bias") ||
           ends_with(t->name, ".ffn_up.bias");
}

static bool split_experts(layout *l, const sk_gguf_tensor *t)
{
    if (drop_scales(l, t))
        return true;
    if (!ends_with(t->name, "_exps.weight"))
        return false;
    for (uint64_t e = 0; e < t->ne[2]; e++) {
        char name[64], part[32];
        uint64_t bytes = t->size / t->ne[2];
        snprintf(part, sizeof part, ".%d.weight", (int)e);
        sibling(name, sizeof name, t->name, "_exps.weight", part);
        sk_gguf_put_tensor(l->writer, name, t->dtype, 2, t->ne,
                           (const uint8_t *)view_of(l, t) + e * bytes);
    }
    return true;
}

static void put_factors(layout *l, const char *name, uint64_t n, float step)
{
    float *data = (float *)(void *)layout_keep(l, n * sizeof *data);
    for (uint64_t i = 0; i < n; i++)
        data[i] = 1.0f + step * (float)i;
    sk_gguf_put_tensor(l->writer, name, SK_F32, 1, &n, data);
}

/* Both lists of factors: 1 + i / 8 for short contexts, 1 + i for long ones. */
static bool two_lists(layout *l, const sk_gguf_tensor *t)
{
    if (strcmp(t->name, "output_norm.weight") == 0) {
        put_factors(l, "rope_factors_short.weight", 16, 0.125f);
        put_factors(l, "rope_factors_long.weight", 16, 1.0f);
    }
    return strcmp(t->name, "rope_freqs.weight") == 0;
}

static bool short_list(layout *l, const sk_gguf_tensor *t)
{
    if (strcmp(t->name, "output_norm.weight") == 0)
        put_factors(l, "rope_freqs.weight", 16, 0.125f);
    return strcmp(t->name, "rope_freqs.weight") == 0;
}

static bool long_list(layout *l, const sk_gguf_tensor *t)
{
    if (strcmp(t->name, "output_norm.weight") == 0)
        put_factors(l, "rope_freqs.weight", 16, 1.0f);
    return strcmp(t->name, "rope_freqs.weight") == 0;
}

/* ---- Running -----------------------------------------------------------------------------------
 */

static sk_model *layout_model(layout *l, const char *head, change *f)
{
    char path[200];
    size_t size;
    sk_source *source;
    sk_error error = {0};
    memset(l, 0, sizeof *l);
    sk_heap_init(&l->heap, NULL, 0, NULL);
    snprintf(path, sizeof path, "model/golden/%s.head.gguf", head);
    uint8_t *data = golden_expand(test_data(path), 11, &size);
    sk_source_open_memory(&source, &l->heap, data, size, &error);
    CHECK_INT(sk_gguf_open(&l->gguf, &l->heap, source, NULL, true, &error), SKALD_OK);
    sk_gguf_writer_new(&l->writer, &l->heap, &error);
    for (uint64_t i = 0; i < sk_gguf_n_kv(l->gguf); i++)
        sk_gguf_put_kv(l->writer, sk_gguf_kv_at(l->gguf, i));
    for (uint64_t i = 0; i < sk_gguf_n_tensors(l->gguf); i++) {
        const sk_gguf_tensor *t = sk_gguf_tensor_at(l->gguf, i);
        if (!f(l, t))
            sk_gguf_put_tensor(l->writer, t->name, t->dtype, t->n_dims, t->ne, view_of(l, t));
    }
    int32_t status = sk_gguf_finish_memory(l->writer, &l->file, &l->size, &error);
    CHECKF(status == SKALD_OK, "%s", error.text);
    sk_gguf_writer_free(l->writer);
    sk_gguf_close(l->gguf);
    free(data);
    for (int i = 0; i < l->n_kept; i++)
        free(l->kept[i]);
    sk_model *model = golden_model(l->file, (size_t)l->size, "n_threads=1", &error);
    CHECKF(model != NULL, "%s: %s", head, error.text);
    return model;
}

/* Logits of a few tokens in a context of n_ctx. */
static float *layout_run(const char *head, change *f, int64_t n_ctx)
{
    static layout l;
    sk_error error = {0};
    sk_state *state = NULL;
    sk_pass *pass = NULL;
    sk_model *model = layout_model(&l, head, f);
    if (!model)
        return NULL;
    int64_t n_vocab = sk_model_n_vocab(model);
    float *logits = malloc((size_t)(N_RUN * n_vocab) * sizeof *logits);
    sk_state_new(&state, sk_model_heap(model), model, n_ctx, SK_F32, SK_F32, &error);
    sk_state_reserve(state, N_RUN, &error);
    sk_pass_new(&pass, sk_model_heap(model), model, N_RUN, N_RUN, &error);
    for (int i = 0; i < N_RUN; i++)
        sk_pass_rows(pass)[i] = (sk_row){state, i, (i * 37 + 5) % (int32_t)n_vocab, true, false, 0};
    CHECK_INT(sk_pass_begin(pass, N_RUN, &error), SKALD_OK);
    CHECK_INT(sk_pass_run(pass, INT64_MAX, NULL, NULL), SKALD_DONE);
    for (int i = 0; i < N_RUN; i++)
        memcpy(logits + i * n_vocab, sk_pass_logits(pass, i), (size_t)n_vocab * sizeof *logits);
    sk_pass_free(pass);
    sk_state_free(state);
    sk_model_release(model);
    sk_free(&l.heap, l.file);
    return logits;
}

static void check_equal(const char *head, change *a, int64_t a_ctx, change *b, int64_t b_ctx,
                        bool equal, const char *what)
{
    float *one = layout_run(head, a, a_ctx), *other = layout_run(head, b, b_ctx);
    size_t size = (size_t)N_RUN * 128 * sizeof *one; /* both heads have 128 tokens */
    CHECKF(one && other && (memcmp(one, other, size) == 0) == equal, "%s: %s", head, what);
    free(one);
    free(other);
}

/* Rows of all kinds: each way of laying out applies to every architecture. */
static void test_rows(void)
{
    static const char *const dense[] = {"mistral3-dense", "gemma3-dense",  "granite-dense",
                                        "seed_oss-dense", "exaone4-dense", "cohere2-dense"};
    static const char *const moe[] = {"qwen2moe-moe", "granitemoe-moe", "glm4moe-moe",
                                      "deepseek-moe", "minimax-m2-moe", "afmoe-moe"};
    for (int i = 0; i < 6; i++) {
        check_equal(dense[i], drop_scales, 256, fuse_qkv, 256, true, "fused qkv");
        check_equal(dense[i], drop_up_biases, 256, fuse_up, 256, true, "fused gate and up");
        check_equal(moe[i], drop_scales, 256, fuse_experts, 256, true, "fused experts");
        check_equal(moe[i], drop_scales, 256, split_experts, 256, true, "a tensor per expert");
    }
}

int main(void)
{
    test_rows();
    check_equal("llama-dense", drop_scales, 256, fuse_qkv, 256, true, "fused qkv");
    check_equal("llama-moe", drop_scales, 256, fuse_qkv, 256, true, "fused qkv");
    check_equal("llama-moe", drop_scales, 256, fuse_experts, 256, true, "fused experts");
    check_equal("qwen3moe-moe", drop_scales, 256, fuse_experts, 256, true, "fused experts");
    check_equal("llama-moe", drop_scales, 256, split_experts, 256, true, "a tensor per expert");
    /* The original context of these heads is 128. */
    check_equal("llama-dense", two_lists, 128, short_list, 128, true, "short factors");
    check_equal("llama-dense", two_lists, 129, long_list, 129, true, "long factors");
    check_equal("llama-dense", short_list, 128, short_list, 4096, true, "one list");
    check_equal("llama-dense", short_list, 128, long_list, 128, false, "other factors");
    return test_end();
}
