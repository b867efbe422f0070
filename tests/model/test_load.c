/* SPDX-License-Identifier: MIT */
/*
 * Loading: in slices, by every kind of source, cancelled, short of memory; and files whose metadata
 * or tensors lie. A file either loads, and then runs, or is refused with a code and a sentence.
 */
#include "base/portable.h"

#include "golden.h"
#include "test.h"

#include "base/dtype.h"
#include "format/gguf_write.h"

#include <math.h>

static uint8_t *small_data; /* llama-tied: 3 blocks, 3 heads of 24, width 72, 131 tokens */
static size_t small_size;

/* ---- Running what has loaded -------------------------------------------------------------------
 */

static void run_some(const sk_model *model)
{
    int32_t tokens[5] = {0, 1, 0, 1, 0};
    if (sk_model_n_vocab(model) < 2)
        tokens[1] = tokens[3] = 0;
    free(golden_run(model, tokens, 5, (int[]){3, 1}, 2, -1));
}

/* ---- Slices ------------------------------------------------------------------------------------
 */

static sk_model *open_with(const char *text, const void *pointer, const char *key)
{
    static sk_heap heap;
    static sk_options o;
    sk_model *model = NULL;
    sk_error error = {0};
    sk_heap_init(&heap, NULL, 0, NULL);
    sk_options_init(&o, &heap);
    CHECK_INT(sk_options_set_pointer(&o, key, pointer, &error), SKALD_OK);
    CHECK_INT(sk_options_parse(&o, text, &error), SKALD_OK);
    CHECKF(sk_model_open(&model, NULL, &o, &error) == SKALD_OK, "%s", error.text);
    sk_options_clear(&o);
    return model;
}

static double progress_of(const sk_model *model)
{
    double progress = -1;
    sk_error error;
    CHECK_INT(sk_model_get_float(model, "progress", &progress, &error), SKALD_OK);
    return progress;
}

static void test_slices(void)
{
    char text[100];
    snprintf(text, sizeof text, "memory_size=%zu load=read n_threads=1", small_size);
    sk_model *model = open_with(text, small_data, "memory");
    sk_error error = {0};
    int64_t value;
    double before = 0;
    int32_t status, pending = 0;
    CHECK_INT(sk_model_runs(model, &error), SKALD_E_STATE);
    CHECK_INT(sk_model_get_int(model, "n_layer", &value, &error), SKALD_E_STATE);
    while ((status = sk_model_step(model, 0)) == SKALD_PENDING) {
        double now = progress_of(model);
        CHECK(now >= before && now <= 1);
        before = now;
        pending++;
    }
    CHECK_INT(status, SKALD_DONE);
    CHECKF(pending > 20, "loading took %d slices", (int)pending);
    CHECK(progress_of(model) == 1);
    CHECK_INT(sk_model_step(model, -1), SKALD_DONE);
    CHECK_INT(sk_model_runs(model, &error), SKALD_OK);
    CHECK_INT(sk_model_get_int(model, "n_layer", &value, &error), SKALD_OK);
    CHECK_INT(value, 3);
    CHECK_INT(sk_model_get_int(model, "n_parameters", &value, &error), SKALD_OK);
    CHECK_INT(value, 131 * 72 + 72 + 3 * (2 * 72 + 4 * 72 * 72 + 3 * 72 * 52));
    CHECK_INT(sk_model_get_int(model, "token_eos", &value, &error), SKALD_OK);
    CHECK_INT(value, -1);
    CHECK_INT(sk_model_get_int(model, "n_layers", &value, &error), SKALD_E_NOT_FOUND);
    CHECK(strstr(error.text, "n_layer\"") != NULL);
    CHECK_INT(sk_model_check(model, &error), SKALD_OK);
    sk_model_retain(model);
    sk_model_release(model);
    run_some(model);
    sk_model_release(model);
}

static void test_cancel(void)
{
    char text[100];
    snprintf(text, sizeof text, "memory_size=%zu load=read n_threads=1", small_size);
    for (int after = 0; after < 12; after++) {
        sk_model *model = open_with(text, small_data, "memory");
        for (int i = 0; i < after; i++)
            CHECK_INT(sk_model_step(model, 0), SKALD_PENDING);
        sk_model_cancel(model);
        CHECK_INT(sk_model_step(model, -1), SKALD_E_CANCELLED);
        CHECK(strstr(sk_model_error(model)->text, "cancelled") != NULL);
        CHECK_INT(sk_model_step(model, -1), SKALD_E_STATE);
        sk_model_release(model);
    }
}

/* ---- Sources -----------------------------------------------------------------------------------
 */

static int32_t read_bytes(void *user, uint64_t offset, void *buffer, size_t n)
{
    int *calls = user;
    if (offset > small_size || n > small_size - offset || --*calls < 0)
        return 1;
    memcpy(buffer, small_data + offset, n);
    return 0;
}

static void test_reader(void)
{
    int calls = 1 << 20;
    skald_reader reader = {sizeof reader, &calls, small_size, read_bytes};
    sk_model *model = open_with("n_threads=1", &reader, "reader");
    CHECK_INT(sk_model_step(model, -1), SKALD_DONE);
    sk_error error = {0};
    sk_model *other = golden_model(small_data, small_size, "n_threads=1", &error);
    int32_t tokens[] = {7, 3, 100, 9};
    float *a = golden_run(model, tokens, 4, (int[]){4}, 1, -1);
    float *b = golden_run(other, tokens, 4, (int[]){4}, 1, -1);
    CHECK(a && b && memcmp(a, b, (size_t)(4 * sk_model_n_vocab(other)) * 4) == 0);
    free(a);
    free(b);
    sk_model_release(other);
    sk_model_release(model);

    int used = (1 << 20) - calls; /* a reader that fails at any call is an error */
    for (int k = 0; k < used; k += 1 + used / 40) {
        calls = k;
        model = open_with("n_threads=1", &reader, "reader");
        CHECK_INT(sk_model_step(model, -1), SKALD_E_IO);
        sk_model_release(model);
    }
}

static void test_options(void)
{
    sk_model *model = NULL;
    sk_error error = {0};
    CHECK_INT(sk_model_open(&model, NULL, NULL, &error), SKALD_E_ARGUMENT);
    CHECK_INT(sk_model_open(&model, "/no/such/file.gguf", NULL, &error), SKALD_E_NOT_FOUND);
    CHECK(golden_model(small_data, small_size, "cpu=abacus", &error) == NULL);
    CHECK_INT(error.code, SKALD_E_OPTION);
    CHECKF(strstr(error.text, "auto, c"), "%s", error.text);
    CHECK(golden_model(small_data, small_size, "load=read max_memory=100000", &error) == NULL);
    CHECK_INT(error.code, SKALD_E_MEMORY);
}

/* ---- Memory that runs out ----------------------------------------------------------------------
 */

typedef struct counted {
    int left;     /* allocations that still succeed */
    int64_t live; /* bytes */
} counted;

static void *counted_alloc(void *user, size_t size, size_t align)
{
    counted *c = user;
    if (c->left == 0)
        return NULL;
    c->left--;
    c->live += (int64_t)size;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void counted_free(void *user, void *pointer, size_t size)
{
    counted *c = user;
    c->live -= (int64_t)size;
    free(pointer);
}

/* Opens, loads, runs and frees with a heap that gives out; returns the first error. */
static int32_t run_short(counted *memory, const uint8_t *data, size_t size, const char *options)
{
    static sk_options o;
    skald_allocator host = {sizeof host, memory, counted_alloc, counted_free};
    sk_heap heap, work;
    sk_model *model = NULL;
    sk_state *state = NULL;
    sk_pass *pass = NULL;
    sk_error error = {0};
    sk_heap_init(&heap, NULL, 0, NULL);
    sk_heap_init(&work, &host, 0, NULL);
    sk_options_init(&o, &heap);
    sk_options_set_pointer(&o, "memory", data, &error);
    sk_options_set_int(&o, "memory_size", (int64_t)size, &error);
    sk_options_set_pointer(&o, "allocator", &host, &error);
    sk_options_parse(&o, options, &error);
    int32_t status = sk_model_open(&model, NULL, &o, &error);
    sk_options_clear(&o);
    if (status == SKALD_OK && (status = sk_model_step(model, -1)) != SKALD_OK)
        error = *sk_model_error(model);
    if (status == SKALD_OK)
        status = sk_state_new(&state, &work, model, 100, SK_F16, SK_F16, &error);
    if (status == SKALD_OK)
        status = sk_pass_new(&pass, &work, model, 2, 1, &error);
    for (int64_t n = 2; status == SKALD_OK && n <= 80; n += 26)
        status = sk_state_reserve(state, n, &error);
    if (status == SKALD_OK) {
        sk_pass_rows(pass)[0] = (sk_row){state, 0, 1, false, false, 0};
        sk_pass_rows(pass)[1] = (sk_row){state, 1, 1, true, false, 0};
        status = sk_pass_begin(pass, 2, &error);
        int left = memory->left;
        if (status == SKALD_OK)
            status = sk_pass_run(pass, INT64_MAX, NULL, NULL);
        CHECK_INT(memory->left, left); /* running allocates nothing */
    }
    if (status < 0)
        CHECKF(strlen(error.text) > 10, "error %d without a sentence", (int)status);
    sk_pass_free(pass);
    sk_state_free(state);
    sk_model_release(model);
    return status;
}

static void test_short_memory(const uint8_t *data, size_t size, const char *options)
{
    int32_t status = SKALD_E_MEMORY;
    int k = 0;
    for (; k < 5000 && status == SKALD_E_MEMORY; k++) {
        counted memory = {k, 0};
        status = run_short(&memory, data, size, options);
        CHECKF(memory.live == 0, "%d bytes are left after failure %d", (int)memory.live, k);
    }
    CHECK_INT(status, SKALD_OK);
    CHECKF(k > 40, "only %d allocations", k);
}

/* ---- Files that lie ----------------------------------------------------------------------------
 */

/* A change of one entry of a model: `type` -1 leaves it out. */
typedef struct lie {
    const char *key;
    int type; /* SK_GGUF_... */
    double value;
    const char *text; /* a string; or "72,72": the new shape of the tensor `key` */
    int32_t code;     /* wanted; 0: loads, 1: either */
    const char *word; /* that the sentence has */
} lie;

enum { GONE = -1, SHAPE = -2, EXTRA = -3, DTYPE = -4 };

#define U32 SK_GGUF_U32
#define U64 SK_GGUF_U64
#define I64 SK_GGUF_I64
#define F32 SK_GGUF_F32
#define F64 SK_GGUF_F64
#define STR SK_GGUF_STRING
#define BAD SKALD_E_CORRUPT

static const lie lies[] = {
    {"llama.block_count", U32, 3, 0, 0, ""},
    {"llama.block_count", U32, 0, 0, BAD, "llama.block_count"},
    {"llama.block_count", U32, 4, 0, BAD, "blk.3.attn_norm.weight"},
    {"llama.block_count", U32, 513, 0, BAD, "llama.block_count"},
    {"llama.block_count", I64, -1, 0, BAD, "llama.block_count"},
    {"llama.block_count", U64, 1e19, 0, BAD, "llama.block_count"},
    {"llama.block_count", F32, 3, 0, BAD, "llama.block_count"},
    {"llama.block_count", GONE, 0, 0, BAD, "llama.block_count is missing"},
    {"llama.context_length", U64, 9e15, 0, 0, ""},
    {"llama.context_length", GONE, 0, 0, BAD, "llama.context_length is missing"},
    {"llama.embedding_length", U32, 0, 0, BAD, "embedding_length"},
    {"llama.embedding_length", U64, 1e12, 0, BAD, "embedding_length"},
    {"llama.embedding_length", U32, 36, 0, BAD,
     "token_embd.weight has shape [72, 131], wanted [36"},
    {"llama.attention.head_count", U32, 0, 0, BAD, "heads"},
    {"llama.attention.head_count", U32, 4, 0, BAD, "multiple"},
    {"llama.attention.head_count", U32, 6, 0, BAD, "blk.0.attn_q.weight"},
    {"llama.attention.head_count", U32, 4294967295.0, 0, BAD, "head_count"},
    {"llama.attention.head_count", STR, 0, "three", BAD, "head_count"},
    {"llama.attention.head_count_kv", U32, 0, 0, BAD, "heads"},
    {"llama.attention.head_count_kv", U32, 2, 0, BAD, "multiple"},
    {"llama.attention.head_count_kv", U32, 1, 0, BAD,
     "blk.0.attn_k.weight has shape [72, 72], wanted [72, 24]"},
    {"llama.attention.head_count_kv", GONE, 0, 0, 0, ""},
    {"llama.attention.key_length", U32, 0, 0, BAD, "key_length"},
    {"llama.attention.key_length", U64, 1e18, 0, BAD, "key_length"},
    {"llama.attention.key_length", GONE, 0, 0, 0, ""},
    {"llama.attention.value_length", U32, 23, 0, BAD, "blk.0.attn_v.weight"},
    {"llama.rope.dimension_count", U32, 7, 0, BAD, "dimension_count"},
    {"llama.rope.dimension_count", U32, 26, 0, BAD, "dimension_count"},
    {"llama.rope.dimension_count", U32, 0, 0, 0, ""},
    {"llama.rope.dimension_count", U32, 10, 0, 0, ""},
    {"llama.attention.layer_norm_rms_epsilon", F32, NAN, 0, BAD, "epsilon"},
    {"llama.attention.layer_norm_rms_epsilon", F32, INFINITY, 0, BAD, "epsilon"},
    {"llama.attention.layer_norm_rms_epsilon", F32, 0, 0, BAD, "epsilon"},
    {"llama.attention.layer_norm_rms_epsilon", F32, -1e-5, 0, BAD, "epsilon"},
    {"llama.attention.layer_norm_rms_epsilon", GONE, 0, 0, BAD, "epsilon is missing"},
    {"llama.rope.freq_base", F32, 0, 0, BAD, "freq_base"},
    {"llama.rope.freq_base", F32, -5, 0, BAD, "freq_base"},
    {"llama.rope.freq_base", F64, 1e300, 0, BAD, "freq_base"},
    {"llama.rope.freq_base", F32, 1e-29, 0, 1, ""},
    {"llama.rope.freq_base", F32, 1, 0, 0, ""},
    {"llama.rope.scaling.type", STR, 0, "sinister", BAD, "none|linear|yarn|longrope"},
    {"llama.rope.scaling.type", STR, 0, "", BAD, "rope.scaling.type"},
    {"llama.rope.scaling.type", STR, 0, "yarn", 0, ""},
    {"llama.rope.scaling.type", STR, 0, "longrope", 0, ""},
    {"llama.rope.scaling.factor", F32, NAN, 0, BAD, "factor"},
    {"llama.rope.scaling.factor", F32, -2, 0, BAD, "factor"},
    {"llama.rope.scaling.factor", F32, 0, 0, 0, ""},
    {"llama.rope.scaling.factor", F32, 1e-30, 0, 1, ""},
    {"llama.rope.scaling.factor", F32, 1e30, 0, 1, ""},
    {"llama.feed_forward_length", U32, 0, 0, BAD, "blk.0.ffn_gate.weight"},
    {"llama.feed_forward_length", U32, 53, 0, BAD, "blk.0.ffn_gate.weight"},
    {"llama.expert_count", U32, 513, 0, BAD, "expert_count"},
    {"llama.expert_count", U32, 4, 0, BAD, "expert_used_count"},
    {"llama.vocab_size", U32, 132, 0, BAD, "token_embd.weight"},
    {"llama.vocab_size", U32, 7, 0, 0, ""},
    {"llama.vocab_size", U32, 0, 0, BAD, "vocab_size"},
    {"llama.vocab_size", GONE, 0, 0, 0, ""},
    {"llama.attn_logit_softcapping", F32, NAN, 0, 0, ""}, /* llama does not read it */
    {"general.architecture", STR, 0, "lama", SKALD_E_ARCHITECTURE, "\"llama\""},
    {"general.architecture", STR, 0, "\x01\x02", SKALD_E_ARCHITECTURE, "architecture"},
    {"general.architecture", STR, 0, "", SKALD_E_ARCHITECTURE, "architecture"},
    {"general.architecture", STR, 0, "qwen2", BAD, "qwen2.block_count"},
    {"general.architecture", GONE, 0, 0, BAD, "general.architecture"},
    {"general.architecture", U32, 7, 0, BAD, "general.architecture"},
    {"blk.2.ffn_up.weight", GONE, 0, 0, BAD,
     "blk.2.ffn_up.weight is missing, wanted of shape [72, 52]"},
    {"blk.1.ffn_norm.weight", GONE, 0, 0, BAD, "blk.1.ffn_norm.weight is missing"},
    {"output_norm.weight", GONE, 0, 0, BAD, "output_norm.weight is missing"},
    {"token_embd.weight", GONE, 0, 0, BAD, "token_embd.weight is missing"},
    {"blk.0.attn_q.weight", SHAPE, 0, "72,73", BAD, "has shape [72, 73], wanted [72, 72]"},
    {"blk.0.attn_q.weight", SHAPE, 0, "72,72,1,1", 0, ""},
    {"blk.0.attn_q.weight", SHAPE, 0, "72,72,2", BAD, "has shape [72, 72, 2], wanted [72, 72]"},
    {"blk.0.attn_q.weight", SHAPE, 0, "5184", BAD, "has shape [5184, 1], wanted [72, 72]"},
    {"blk.0.attn_norm.weight", SHAPE, 0, "71", BAD, "has shape [71], wanted [72]"},
    {"token_embd.weight", SHAPE, 0, "72,130", BAD, "130 rows"},
    {"token_embd.weight", SHAPE, 0, "72,200", 0, ""},
    {"blk.0.attn_q.weight", DTYPE, SK_I32, 0, SKALD_E_TYPE, "I32"},
    {"blk.0.attn_norm.weight", DTYPE, SK_I32, 0, SKALD_E_TYPE, "F32, F16 or BF16"},
    {"blk.0.attn_norm.weight", DTYPE, SK_F16, 0, 0, ""},
    {"blk.0.attn_norm.weight", DTYPE, SK_BF16, 0, 0, ""},
    {"blk.0.attn_q.weight", DTYPE, SK_BF16, 0, 0, ""},
    {"token_embd.weight", DTYPE, SK_F16, 0, 0, ""},
    {"blk.0.attn_q.bias", EXTRA, 0, "72", 0, ""},
    {"blk.0.attn_q.bias", EXTRA, 0, "71", BAD, "blk.0.attn_q.bias has shape [71], wanted [72]"},
    {"blk.0.attn_q.scale", EXTRA, 0, "1", 0, ""},
    {"blk.0.attn_q.scale", EXTRA, 0, "2", BAD, "blk.0.attn_q.scale"},
    {"rope_freqs.weight", EXTRA, 0, "11", BAD, "rope_freqs.weight"},
    {"rope_freqs.weight", EXTRA, 0, "12", 1, ""}, /* zeros: angles that are no numbers */
    {"output.weight", EXTRA, 0, "72,130", BAD,
     "output.weight has shape [72, 130], wanted [72, 131]"},
    {"output.weight", EXTRA, 0, "72,140", 0, ""},
    {"blk.7.attn_q.weight", EXTRA, 0, "72,72", 0, ""},
};

/* Of deepseek2-yarn1: 4 heads of 48 (16 rotated) and 32, a latent vector of 64 in the cache. */
static const lie latent_lies[] = {
    {"deepseek2.attention.head_count", U32, 0, 0, BAD, "heads"},
    {"deepseek2.attention.head_count", U32, 3, 0, BAD, "blk.0.attn_q_b.weight"},
    {"deepseek2.attention.head_count_kv", U32, 4, 0, BAD, "one head"},
    {"deepseek2.attention.key_length", U32, 81, 0, BAD, "keys of 81"},
    {"deepseek2.attention.value_length", U32, 63, 0, BAD, "values of 63"},
    {"deepseek2.attention.kv_lora_rank", U32, 48, 0, BAD, "wanted 48"},
    {"deepseek2.attention.kv_lora_rank", U32, 0, 0, BAD, "kv_lora_rank"},
    {"deepseek2.attention.kv_lora_rank", GONE, 0, 0, BAD, "kv_lora_rank is missing"},
    {"deepseek2.attention.q_lora_rank", U32, 47, 0, BAD, "wanted [96, 47]"},
    {"deepseek2.attention.q_lora_rank", GONE, 0, 0, BAD, "blk.0.attn_q.weight is missing"},
    {"deepseek2.attention.key_length_mla", U32, 16, 0, BAD, "block 0"},
    {"deepseek2.attention.key_length_mla", U32, 47, 0, BAD, "blk.0.attn_q_b.weight"},
    {"deepseek2.attention.key_length_mla", GONE, 0, 0, BAD, "wanted the same"},
    {"deepseek2.attention.value_length_mla", U32, 31, 0, BAD, "blk.0.attn_v_b.weight"},
    {"deepseek2.rope.dimension_count", U32, 14, 0, BAD, "block 0"},
    {"deepseek2.rope.dimension_count", U32, 0, 0, BAD, "block 0"},
    {"deepseek2.rope.scaling.yarn_log_multiplier", F32, NAN, 0, BAD, "yarn_log_multiplier"},
    {"deepseek2.rope.scaling.yarn_log_multiplier", F32, 1e30, 0, 1, ""},
    {"deepseek2.rope.scaling.factor", F32, 4.54e-5, 0, 1, ""},
    {"deepseek2.attention.temperature_scale", F32, 0.1, 0, BAD, "temperature_length"},
    {"deepseek2.attention.temperature_length", U32, 8, 0, 0, ""},
    {"deepseek2.expert_gating_func", U32, 5, 0, BAD, "expert_gating_func is 5"},
    {"deepseek2.expert_gating_func", U32, 2, 0, 0, ""},
    {"deepseek2.expert_shared_count", GONE, 0, 0, BAD, "blk.1.ffn_gate_shexp.weight"},
    {"blk.0.attn_k_b.weight", SHAPE, 0, "32,64", BAD, "wanted [32, 64, 4]"},
    {"blk.0.attn_kv_a_mqa.weight", SHAPE, 0, "96,64", BAD, "wanted [96, 80]"},
};

static uint32_t parse_shape(const char *text, uint64_t ne[4])
{
    uint32_t n = 0;
    for (const char *p = text; p && n < 4; p = strchr(p, ',')) {
        p += *p == ',';
        ne[n++] = strtoull(p, NULL, 10);
    }
    return n;
}

static void put_lie(sk_gguf_writer *writer, const lie *l)
{
    if (l->type == U32 || l->type == U64)
        sk_gguf_put_int(writer, l->key, (uint32_t)l->type, (int64_t)(uint64_t)l->value);
    else if (l->type == I64)
        sk_gguf_put_int(writer, l->key, (uint32_t)l->type, (int64_t)l->value);
    else if (l->type == F32 || l->type == F64)
        sk_gguf_put_float(writer, l->key, (uint32_t)l->type, l->value);
    else if (l->type == STR)
        sk_gguf_put_string(writer, l->key, l->text, strlen(l->text));
}

static void put_changed_tensor(sk_gguf_writer *writer, const sk_gguf *gguf, const sk_gguf_tensor *t,
                               const lie *l)
{
    uint64_t ne[4] = {t->ne[0], t->ne[1], t->ne[2], t->ne[3]};
    uint32_t n = t->n_dims, dtype = t->dtype;
    const void *data = sk_gguf_tensor_view(gguf, t);
    if (strcmp(t->name, l->key) == 0) {
        if (l->type == GONE)
            return;
        data = NULL;
        if (l->type == SHAPE)
            n = parse_shape(l->text, ne);
        if (l->type == DTYPE)
            dtype = (uint32_t)l->value;
    }
    sk_gguf_put_tensor(writer, t->name, dtype, n, ne, data);
}

/* A model with one lie, in memory of `heap`. */
static void *write_lie(sk_heap *heap, const sk_gguf *gguf, const lie *l, uint64_t *size)
{
    sk_gguf_writer *writer;
    sk_error error = {0};
    void *file = NULL;
    sk_gguf_writer_new(&writer, heap, &error);
    for (uint64_t i = 0; i < sk_gguf_n_kv(gguf); i++) {
        if (strcmp(sk_gguf_kv_at(gguf, i)->key, l->key) != 0)
            sk_gguf_put_kv(writer, sk_gguf_kv_at(gguf, i));
    }
    put_lie(writer, l);
    for (uint64_t i = 0; i < sk_gguf_n_tensors(gguf); i++)
        put_changed_tensor(writer, gguf, sk_gguf_tensor_at(gguf, i), l);
    if (l->type == EXTRA) {
        uint64_t ne[4];
        uint32_t n = parse_shape(l->text, ne);
        sk_gguf_put_tensor(writer, l->key, SK_F32, n, ne, NULL);
    }
    CHECKF(sk_gguf_finish_memory(writer, &file, size, &error) == SKALD_OK, "%s", error.text);
    sk_gguf_writer_free(writer);
    return file;
}

static void check_lie(const void *file, size_t size, const lie *l, const char *options)
{
    sk_error error = {0};
    sk_model *model = golden_model(file, size, options, &error);
    int32_t code = model ? SKALD_OK : error.code;
    CHECKF(code == l->code || l->code == 1, "%s: code %d, wanted %d: %s", l->key, (int)code,
           (int)l->code, error.text);
    if (!model)
        CHECKF(strstr(error.text, l->word), "%s: \"%s\", wanted \"%s\" in it", l->key, error.text,
               l->word);
    if (model)
        run_some(model);
    sk_model_release(model);
}

static void test_lies(const uint8_t *data, size_t n, const lie *all, size_t n_lie)
{
    sk_heap heap;
    sk_source *source;
    sk_gguf *gguf;
    sk_error error = {0};
    sk_heap_init(&heap, NULL, 0, NULL);
    sk_source_open_memory(&source, &heap, data, n, &error);
    CHECK_INT(sk_gguf_open(&gguf, &heap, source, NULL, true, &error), SKALD_OK);
    for (size_t i = 0; i < n_lie; i++) {
        uint64_t size = 0;
        void *file = write_lie(&heap, gguf, &all[i], &size);
        if (!file)
            continue;
        check_lie(file, (size_t)size, &all[i], "n_threads=1");
        check_lie(file, (size_t)size, &all[i], "n_threads=1 load=read");
        sk_free(&heap, file);
    }
    sk_gguf_close(gguf);
    CHECK_INT((int64_t)atomic_load(&heap.live), 0);
}

/* ---- Files of others ----------------------------------------------------------------------------
 */

static void test_malformed(void)
{
    static const char *const names[] = {
        "ok",        "blocks-513",  "heads-0",        "kvheads-0", "kvheads-3", "embd-mismatch",
        "ctx-2e32",  "eos-neg",     "missing-tensor", "embd-rows", "eps-nan",   "types-short",
        "tok-empty", "tok-badbyte", "tok-type99"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char name[100];
        size_t size;
        sk_error error = {0};
        snprintf(name, sizeof name, "malformed/model-%s.gguf", names[i]);
        const char *path = test_shared(name);
        if (!path) {
            test_skip("the malformed files are not there");
            return;
        }
        uint8_t *data = test_read(path, &size);
        sk_model *model = golden_model(data, size, "n_threads=1", &error);
        CHECKF(model || (error.code < 0 && strlen(error.text) > 10), "%s", names[i]);
        CHECKF(model || i > 0, "%s: %s", names[i], error.text);
        if (model)
            run_some(model);
        sk_model_release(model);
        free(data);
    }
}

static void test_vocabulary_only(void)
{
    sk_error error = {0};
    sk_model *model = NULL;
    int64_t value = 0;
    const char *path = test_shared("vocab/ggml-vocab-llama-bpe.gguf");
    if (!path) {
        test_skip("the vocabularies are not there");
        return;
    }
    CHECK_INT(sk_model_open(&model, path, NULL, &error), SKALD_OK);
    CHECKF(sk_model_step(model, -1) == SKALD_DONE, "%s", sk_model_error(model)->text);
    CHECK_INT(sk_model_runs(model, &error), SKALD_E_STATE);
    CHECK(sk_model_vocab(model) != NULL);
    CHECK_INT(sk_model_get_int(model, "n_vocab", &value, &error), SKALD_OK);
    CHECK_INT(value, 128256);
    sk_model_release(model);
}

int main(void)
{
    size_t moe_size, latent_size;
    small_data = golden_expand(test_data("model/golden/llama-tied.head.gguf"), 11, &small_size);
    uint8_t *moe = golden_expand(test_data("model/golden/qwen3moe-moe.head.gguf"), 11, &moe_size);
    uint8_t *latent =
        golden_expand(test_data("model/golden/deepseek2-yarn1.head.gguf"), 11, &latent_size);
    test_slices();
    test_cancel();
    test_reader();
    test_options();
    test_short_memory(small_data, small_size, "n_threads=1 load=read");
    test_short_memory(moe, moe_size, "n_threads=1");
    test_lies(small_data, small_size, lies, sizeof lies / sizeof lies[0]);
    test_lies(latent, latent_size, latent_lies, sizeof latent_lies / sizeof latent_lies[0]);
    test_malformed();
    test_vocabulary_only();
    free(latent);
    free(moe);
    free(small_data);
    return test_end();
}
