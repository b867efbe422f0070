/* SPDX-License-Identifier: MIT */
/*
 * Vectors and scores through the public interface: those of the golden encoders, pooled in every
 * way, against what a reference engine pooled; the same bits however the work is sliced, batched
 * and threaded, whatever is stepped beside it, and by the tier "c"; models of text as embedders.
 */
#include "base/portable.h"

#include "../model/golden.h"
#include "test.h"

#include "base/dtype.h"
#include "format/gguf_write.h"

#include <math.h>
#include <skald.h>
#include <stdlib.h>
#include <string.h>

typedef struct encoder {
    const char *name;
    double tolerance;
    bool positions; /* learned: 64 of them */
} encoder;

static const encoder encoders[] = {
    {"bert", 1e-6, true},          {"bert-rank", 1e-6, true},
    {"eurobert", 1e-9, false},     {"gemma-embedding", 1e-7, false},
    {"jina-bert-v2", 1e-6, false}, {"gemma-embedding-dense", 1e-7, false},
    {"jina-bert-v3", 3e-7, false}, {"jina-bert-v2-code", 1e-6, false},
    {"modern-bert", 3e-6, false},  {"neo-bert", 1e-9, false},
    {"nomic-bert", 1e-9, false},   {"nomic-bert-moe", 3e-7, false},
    {"t5encoder", 3e-5, false},
};

typedef struct loaded {
    skald_model *model;
    uint8_t *data;
    golden_logits golden;
} loaded;

static skald_model *open_model(const uint8_t *data, size_t size, const char *options)
{
    skald_options *o = NULL;
    skald_model *model = NULL;
    skald_options_new(&o);
    skald_options_set_pointer(o, "memory", data);
    skald_options_set_int(o, "memory_size", (int64_t)size);
    CHECK_INT(skald_options_parse(o, options), 0);
    CHECKF(skald_model_load(NULL, o, &model) == 0, "%s", skald_error_message());
    skald_options_free(o);
    if (!model)
        exit(test_end());
    return model;
}

static loaded load(const char *name, const char *options)
{
    char path[200];
    size_t size;
    loaded l = {0};
    snprintf(path, sizeof path, "model/golden/%s.head.gguf", name);
    l.data = golden_expand(test_data(path), 11, &size);
    snprintf(path, sizeof path, "model/golden/%s.logits", name);
    l.golden = golden_read(test_data(path));
    l.model = open_model(l.data, size, options);
    return l;
}

static void unload(loaded *l)
{
    skald_model_release(l->model);
    free(l->golden.file);
    free(l->data);
}

static skald_context *new_context(skald_model *model, const char *options)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    skald_options_new(&o);
    CHECKF(skald_options_parse(o, options) == 0, "%s", skald_options_message(o));
    CHECKF(skald_context_new(model, o, &ctx) == 0, "%s", skald_error_message());
    skald_options_free(o);
    if (!ctx)
        exit(test_end());
    return ctx;
}

static void run(skald_context *ctx, int64_t budget_us)
{
    int32_t status = SKALD_PENDING;
    while (status == SKALD_PENDING)
        status = skald_step(ctx, budget_us);
    CHECKF(status == SKALD_DONE, "%d: %s", (int)status, skald_context_message(ctx));
}

/* ---- Against the reference ------------------------------------------------------------------- */

static const char *const ways[] = {"none", "mean", "cls", "last", "rank"};

static void check_vector(const char *name, const char *way, const skald_context *ctx, int64_t index,
                         const float *wanted, double tolerance)
{
    const float *vector;
    size_t n;
    CHECKF(skald_embedding(ctx, index, &vector, &n) == 0, "%s", skald_error_message());
    if (!vector)
        return;
    double error = golden_error(wanted, vector, n);
    CHECKF(error <= tolerance, "%s %s: error %.3g, allowed %.3g", name, way, error, tolerance);
}

/* The rows of a file are the tokens' vectors, and those pooled, each with the way in its id. */
static void check_golden(const encoder *e)
{
    loaded l = load(e->name, "n_threads=2");
    const golden_logits *g = &l.golden;
    for (int row = -1; row < g->n_decode; row++) {
        int way = row < 0 ? 0 : -g->tokens[g->n_prefill + row];
        char options[200];
        snprintf(options, sizeof options,
                 "normalise=0 cache_type_k=f32 cache_type_v=f32 n_batch=5 n_ctx=64 pooling=%s",
                 ways[way]);
        skald_context *ctx = new_context(l.model, options);
        CHECK_INT(skald_set_tokens(ctx, g->tokens, (size_t)g->n_prefill), 0);
        run(ctx, row == 0 ? 0 : -1);
        for (int i = 0; row < 0 && i < g->n_prefill; i++)
            check_vector(e->name, ways[way], ctx, i, g->logits + (int64_t)i * g->n_vocab,
                         e->tolerance * 10);
        if (row >= 0)
            check_vector(e->name, ways[way], ctx, 0,
                         g->logits + (int64_t)(g->n_prefill + row) * g->n_vocab, e->tolerance);
        skald_context_free(ctx);
    }
    unload(&l);
}

/* ---- Equal bits ------------------------------------------------------------------------------ */

enum { N_TEXTS = 5 };

static size_t text_tokens(int i)
{
    return (size_t[]){1, 32, 7, 20, 31}[i];
}

/* The vectors of texts that are parts of the golden tokens, one by one or stepped together. */
static void embed_texts(const loaded *l, skald_model *model, const char *options, int64_t budget_us,
                        bool together, float *out)
{
    skald_context *ctxs[N_TEXTS];
    int32_t status[N_TEXTS];
    for (int i = 0; i < N_TEXTS; i++) {
        ctxs[i] = new_context(model, options);
        CHECK_INT(skald_set_tokens(ctxs[i], l->golden.tokens + (i == 4), text_tokens(i)), 0);
        if (!together)
            run(ctxs[i], budget_us);
    }
    for (size_t n_left = N_TEXTS; together && n_left > 0;) {
        skald_context *left[N_TEXTS];
        n_left = 0;
        for (int i = 0; i < N_TEXTS; i++) {
            int64_t n = 0;
            CHECK_INT(skald_context_get_int(ctxs[i], "n_evaluated", &n), 0);
            if (n < (int64_t)text_tokens(i))
                left[n_left++] = ctxs[i];
        }
        int32_t running = n_left ? skald_step_many(left, n_left, budget_us, status) : 0;
        CHECK(running >= 0);
    }
    for (int i = 0; i < N_TEXTS; i++) {
        const float *vector;
        size_t n;
        run(ctxs[i], -1);
        CHECKF(skald_embedding(ctxs[i], 0, &vector, &n) == 0, "text %d", i);
        memset(out + i * 512, 0, 512 * sizeof *out);
        if (vector)
            memcpy(out + i * 512, vector, n * sizeof *vector);
        skald_context_free(ctxs[i]);
    }
}

static void check_bits(const char *name, const char *options)
{
    static float wanted[N_TEXTS * 512], got[N_TEXTS * 512];
    static const char *const models[] = {"n_threads=3", "n_threads=1", "n_threads=1 cpu=c"};
    char small[300];
    size_t size;
    loaded l = load(name, "n_threads=2");
    snprintf(small, sizeof small, "%s n_batch=3", options);
    embed_texts(&l, l.model, options, -1, false, wanted);
    for (int i = 0; i < 3; i++) {
        char path[200];
        snprintf(path, sizeof path, "model/golden/%s.head.gguf", name);
        uint8_t *data = golden_expand(test_data(path), 11, &size);
        skald_model *model = open_model(data, size, models[i]);
        embed_texts(&l, model, i == 1 ? small : options, i == 0 ? 0 : -1, i != 1, got);
        CHECKF(memcmp(wanted, got, sizeof got) == 0, "%s, %s: other bits", name, models[i]);
        embed_texts(&l, model, small, i == 0 ? 20 : -1, true, got);
        CHECKF(memcmp(wanted, got, sizeof got) == 0, "%s, %s: other bits in batches", name,
               models[i]);
        skald_model_release(model);
        free(data);
    }
    unload(&l);
}

/* ---- What a context is ----------------------------------------------------------------------- */

static double length(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* A context of an encoder needs no option; texts follow one another, none sees another. */
static void check_life(void)
{
    loaded l = load("nomic-bert", "n_threads=2");
    float first[96];
    const float *v;
    size_t n;
    skald_context *ctx = new_context(l.model, "n_ctx=64"), *fork = NULL;
    CHECK_INT(skald_embedding(ctx, 0, &v, &n), SKALD_E_NOT_FOUND);
    CHECK_INT(skald_set_text(ctx, "text", -1), SKALD_E_TOKENIZER);
    CHECK_INT(skald_set_tokens(ctx, l.golden.tokens, 20), 0);
    CHECK_INT(skald_embedding(ctx, 0, &v, &n), SKALD_E_NOT_FOUND);
    run(ctx, -1);
    CHECK(skald_embedding(ctx, 0, &v, &n) == 0 && n == 96);
    CHECK(fabs(length(v, n) - 1) < 1e-6);
    memcpy(first, v, sizeof first);
    CHECK_INT(skald_context_fork(ctx, &fork), 0);
    CHECK(skald_embedding(fork, 0, &v, &n) == 0 && memcmp(v, first, sizeof first) == 0);
    /* longer by one: all is evaluated anew; and back */
    CHECK_INT(skald_set_tokens(ctx, l.golden.tokens, 21), 0);
    CHECK_INT(skald_embedding(ctx, 0, &v, &n), SKALD_E_NOT_FOUND);
    run(ctx, -1);
    CHECK(skald_embedding(ctx, 0, &v, &n) == 0 && memcmp(v, first, sizeof first) != 0);
    CHECK_INT(skald_truncate(ctx, 20), 0);
    run(ctx, -1);
    CHECK(skald_embedding(ctx, 0, &v, &n) == 0 && memcmp(v, first, sizeof first) == 0);
    CHECK_INT(skald_set_tokens(ctx, l.golden.tokens, 20), 0);
    run(ctx, -1);
    CHECK(skald_embedding(ctx, 0, &v, &n) == 0 && memcmp(v, first, sizeof first) == 0);
    CHECK_INT(skald_logits(ctx, -1, &v, &n), SKALD_E_NOT_FOUND);
    skald_context_free(ctx);
    run(fork, -1);
    CHECK(skald_embedding(fork, 0, &v, &n) == 0 && memcmp(v, first, sizeof first) == 0);
    skald_context_free(fork);

    ctx = new_context(l.model, "n_ctx=64 pooling=none");
    CHECK_INT(skald_append_tokens(ctx, l.golden.tokens, 20), 0);
    run(ctx, -1);
    CHECK_INT(skald_embedding(ctx, 19, &v, &n), 0);
    CHECK_INT(skald_append_tokens(ctx, l.golden.tokens + 20, 12), 0);
    run(ctx, -1);
    CHECK_INT(skald_embedding(ctx, 11, &v, &n), 0);
    CHECK_INT(skald_embedding(ctx, 12, &v, &n), SKALD_E_NOT_FOUND);
    skald_context_free(ctx);
    unload(&l);
}

/* More positions than the model has learned are refused; no head, no scores. */
static void check_refusals(void)
{
    loaded l = load("bert", "n_threads=1");
    int32_t ids[65] = {0};
    skald_options *o = NULL;
    skald_context *ctx = new_context(l.model, "n_ctx=100"), *other = NULL;
    CHECK_INT(skald_set_tokens(ctx, ids, 65), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_E_CONTEXT_FULL);
    CHECK_INT(skald_set_tokens(ctx, ids, 64), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_DONE);
    skald_context_free(ctx);
    skald_options_new(&o);
    CHECK_INT(skald_options_set_string(o, "pooling", "rank"), 0);
    CHECK_INT(skald_context_new(l.model, o, &other), SKALD_E_OPTION);
    CHECK_INT(skald_options_set_string(o, "pooling", "median"), SKALD_E_OPTION);
    skald_options_free(o);
    unload(&l);
}

/* A model of text: the last token's vector is the same with a prefix reused, the mean whatever the
 * batches were; a context beside it generates. */
static void check_text_model(void)
{
    loaded l = load("qwen3-dense", "n_threads=2");
    float wanted[512], mean[512];
    const float *v;
    size_t n;
    int64_t reused = 0;
    skald_context *ctx = new_context(l.model, "pooling=model n_batch=64");
    skald_context *other = new_context(l.model, "pooling=mean n_batch=64");
    CHECK_INT(skald_set_tokens(ctx, l.golden.tokens, 24), 0);
    CHECK_INT(skald_set_tokens(other, l.golden.tokens, 24), 0);
    run(ctx, -1);
    run(other, -1);
    CHECK(skald_embedding(ctx, 0, &v, &n) == 0 && n == 128);
    memcpy(wanted, v, n * sizeof *v);
    CHECK(skald_embedding(other, 0, &v, &n) == 0 && n == 128);
    memcpy(mean, v, n * sizeof *v);
    CHECK(memcmp(mean, wanted, n * sizeof *v) != 0);
    skald_context_free(other);

    CHECK_INT(skald_set_tokens(ctx, l.golden.tokens, 10), 0);
    run(ctx, 0);
    CHECK_INT(skald_set_tokens(ctx, l.golden.tokens, 24), 0);
    run(ctx, -1);
    CHECK_INT(skald_context_get_int(ctx, "n_reused", &reused), 0);
    CHECK(reused >= 9);
    CHECK(skald_embedding(ctx, 0, &v, &n) == 0 && memcmp(v, wanted, n * sizeof *v) == 0);
    skald_context_free(ctx);

    ctx = new_context(l.model, "pooling=mean n_batch=7");
    other = new_context(l.model, "temperature=0 n_predict=12 n_batch=7");
    skald_context *both[] = {ctx, other};
    int32_t status[2] = {SKALD_PENDING, SKALD_PENDING};
    CHECK_INT(skald_set_tokens(ctx, l.golden.tokens, 24), 0);
    CHECK_INT(skald_set_tokens(other, l.golden.tokens, 24), 0);
    for (int i = 0; i < 100 && (status[0] != SKALD_DONE || status[1] != SKALD_DONE); i++)
        CHECK(skald_step_many(both, 2, 50, status) >= 0);
    CHECK(skald_embedding(ctx, 0, &v, &n) == 0 && memcmp(v, mean, n * sizeof *v) == 0);
    CHECK_INT(skald_embedding(other, 0, &v, &n), SKALD_E_NOT_FOUND);
    /* some tokens' vectors were never asked for: a prefix that is shared is evaluated again */
    CHECK_INT(skald_set_tokens(ctx, l.golden.tokens, 5), 0);
    run(ctx, -1);
    CHECK_INT(skald_set_tokens(ctx, l.golden.tokens, 24), 0);
    run(ctx, -1);
    CHECK(skald_embedding(ctx, 0, &v, &n) == 0 && memcmp(v, mean, n * sizeof *v) == 0);
    skald_context_free(ctx);
    skald_context_free(other);
    unload(&l);
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

enum { PAIR_EMBD = 32, PAIR_VOCAB = 9, CLS = 2, SEP = 3 };

static void put_weights(sk_gguf_writer *w, const char *name, uint64_t ne0, uint64_t ne1)
{
    static float room[1 << 16]; /* borrowed until the file is finished */
    static size_t used;
    size_t n = (size_t)(ne0 * (ne1 ? ne1 : 1));
    used = used + n > sizeof room / sizeof *room ? 0 : used;
    float *data = room + used;
    used += n;
    golden_tensor_fill(name, ne1 ? 2 : 1, ne0, n, SK_F32, 5, (uint8_t *)data);
    sk_gguf_put_tensor(w, name, SK_F32, ne1 ? 2 : 1, (uint64_t[]){ne0, ne1}, data);
}

static void put_layer(sk_gguf_writer *w)
{
    static const char *const square[] = {"attn_q", "attn_k", "attn_v", "attn_output"};
    char name[64];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "blk.0.%s.weight", square[i]);
        put_weights(w, name, PAIR_EMBD, PAIR_EMBD);
    }
    put_weights(w, "blk.0.attn_output_norm.weight", PAIR_EMBD, 0);
    put_weights(w, "blk.0.ffn_up.weight", PAIR_EMBD, 48);
    put_weights(w, "blk.0.ffn_down.weight", 48, PAIR_EMBD);
    put_weights(w, "blk.0.layer_output_norm.weight", PAIR_EMBD, 0);
    put_weights(w, "cls.output.weight", PAIR_EMBD, 0);
}

/* A reranking BERT of nine tokens; `types`: of its tokens. */
static void make_pair_model(sk_heap *heap, int types, void **data, uint64_t *size)
{
    static const char *const words[PAIR_VOCAB] = {
        "[PAD]",  "[UNK]",           "[CLS]",           "[SEP]",
        "[MASK]", "\xe2\x96\x81one", "\xe2\x96\x81two", "\xe2\x96\x81three",
        "s"};
    sk_gguf_string strings[PAIR_VOCAB];
    sk_error error = {0};
    sk_gguf_writer *w = NULL;
    CHECK_INT(sk_gguf_writer_new(&w, heap, &error), 0);
    sk_gguf_put_string(w, "general.architecture", "bert", 4);
    sk_gguf_put_int(w, "bert.block_count", SK_GGUF_U32, 1);
    sk_gguf_put_int(w, "bert.context_length", SK_GGUF_U32, 32);
    sk_gguf_put_int(w, "bert.embedding_length", SK_GGUF_U32, PAIR_EMBD);
    sk_gguf_put_int(w, "bert.feed_forward_length", SK_GGUF_U32, 48);
    sk_gguf_put_int(w, "bert.attention.head_count", SK_GGUF_U32, 2);
    sk_gguf_put_int(w, "bert.pooling_type", SK_GGUF_U32, 4);
    sk_gguf_put_float(w, "bert.attention.layer_norm_epsilon", SK_GGUF_F32, 1e-5);
    sk_gguf_put_int(w, "tokenizer.ggml.token_type_count", SK_GGUF_U32, types);
    sk_gguf_put_string(w, "tokenizer.ggml.model", "bert", 4);
    sk_gguf_put_int(w, "tokenizer.ggml.unknown_token_id", SK_GGUF_U32, 1);
    sk_gguf_put_int(w, "tokenizer.ggml.bos_token_id", SK_GGUF_U32, CLS);
    sk_gguf_put_int(w, "tokenizer.ggml.seperator_token_id", SK_GGUF_U32, SEP);
    for (int i = 0; i < PAIR_VOCAB; i++)
        strings[i] = (sk_gguf_string){words[i], strlen(words[i])};
    sk_gguf_put_strings(w, "tokenizer.ggml.tokens", strings, PAIR_VOCAB);
    put_weights(w, "token_embd.weight", PAIR_EMBD, PAIR_VOCAB);
    put_weights(w, "token_types.weight", PAIR_EMBD, 2);
    put_weights(w, "position_embd.weight", PAIR_EMBD, 32);
    put_weights(w, "token_embd_norm.weight", PAIR_EMBD, 0);
    put_layer(w);
    CHECKF(sk_gguf_finish_memory(w, data, size, &error) == 0, "%s", error.text);
    sk_gguf_writer_free(w);
}

static float score(skald_context *ctx)
{
    const float *v = NULL;
    size_t n = 0;
    run(ctx, -1);
    CHECK(skald_embedding(ctx, 0, &v, &n) == 0 && n == 1);
    return v ? v[0] : 0;
}

/* The marks around two texts; the second one's tokens are of the second type, where there is one.
 */
static void check_pairs(int types)
{
    static const int32_t wanted[] = {CLS, 5, 6, SEP, 7, SEP};
    sk_heap heap;
    void *data = NULL;
    uint64_t size = 0;
    const int32_t *ids;
    size_t n;
    sk_heap_init(&heap, NULL, 0, NULL);
    make_pair_model(&heap, types, &data, &size);
    skald_model *model = open_model(data, (size_t)size, "n_threads=1");
    skald_context *ctx = new_context(model, "n_ctx=32");
    CHECK_INT(skald_set_pair(ctx, "one two", -1, "three", -1), 0);
    CHECK(skald_tokens(ctx, &ids, &n) == 0 && n == 6 && memcmp(ids, wanted, sizeof wanted) == 0);
    float both = score(ctx);
    CHECK_INT(skald_set_tokens(ctx, wanted, 6), 0);
    CHECK((score(ctx) == both) == (types < 2));
    CHECK_INT(skald_set_pair(ctx, "one two", -1, "three", -1), 0);
    CHECK(score(ctx) == both);
    CHECK_INT(skald_set_text(ctx, "one two", -1), 0);
    CHECK(skald_tokens(ctx, &ids, &n) == 0 && n == 4 && memcmp(ids, wanted, 4 * 4) == 0);
    CHECK_INT(skald_set_pair(ctx, "one", -1, NULL, -1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_set_pair(ctx, "one one one one one one one one one one one one one one one one",
                             -1, "two two two two two two two two two two two two two two", -1),
              SKALD_E_CONTEXT_FULL);
    CHECK(skald_tokens(ctx, &ids, &n) == 0 && n == 4);
    skald_context_free(ctx);
    skald_model_release(model);
    sk_free(&heap, data);
}

/* Where the second text begins goes with the tokens: through forks, saved states and edits. */
static void check_pair_kept(void)
{
    static uint8_t state[1 << 16], plain_state[1 << 16];
    sk_heap heap;
    void *data = NULL;
    uint64_t size = 0;
    size_t n, n_plain;
    const int32_t two = 6;
    sk_heap_init(&heap, NULL, 0, NULL);
    make_pair_model(&heap, 2, &data, &size);
    skald_model *model = open_model(data, (size_t)size, "n_threads=1");
    skald_context *ctx = new_context(model, "n_ctx=32"), *other = new_context(model, "n_ctx=32");
    skald_context *fork = NULL;
    CHECK_INT(skald_set_text(other, "one two three", -1), 0);
    float plain = score(other);
    CHECK_INT(skald_state_save(other, plain_state, sizeof plain_state, &n_plain), 0);
    CHECK_INT(skald_set_pair(ctx, "one two", -1, "three s", -1), 0);
    CHECK_INT(skald_context_fork(ctx, &fork), 0);
    CHECK_INT(skald_state_save(ctx, state, sizeof state, &n), 0);
    float both = score(ctx);
    CHECK(both != plain);
    CHECK(score(fork) == both);
    CHECKF(skald_state_load(other, state, n) == 0, "%s", skald_context_message(other));
    CHECK(score(other) == both);
    CHECK_INT(skald_state_save(ctx, state, sizeof state, &n), 0);
    CHECK_INT(skald_state_load(other, plain_state, n_plain), 0);
    CHECK(score(other) == plain);
    CHECK_INT(skald_state_load(other, state, n), 0);
    CHECK(score(other) == both);
    /* [CLS] one two [SEP] three s [SEP]: a word more in the first text, then one fewer in each */
    CHECK_INT(skald_set_pair(fork, "one two two", -1, "three s", -1), 0);
    float more = score(fork);
    CHECK_INT(skald_splice(ctx, 3, 0, &two, 1), 0);
    CHECK(score(ctx) == more);
    CHECK_INT(skald_splice(ctx, 2, 2, NULL, 0), 0);
    CHECK_INT(skald_splice(ctx, 4, 1, NULL, 0), 0);
    CHECK_INT(skald_set_pair(fork, "one", -1, "three", -1), 0);
    CHECK(score(ctx) == score(fork));
    CHECK_INT(skald_truncate(ctx, 2), 0);
    CHECK_INT(skald_append_tokens(ctx, (const int32_t[]){6, SEP, 7}, 3), 0);
    CHECK_INT(skald_set_tokens(fork, (const int32_t[]){CLS, 5, 6, SEP, 7}, 5), 0);
    CHECK(score(ctx) == score(fork));
    skald_context_free(ctx);
    skald_context_free(fork);
    skald_context_free(other);
    skald_model_release(model);
    sk_free(&heap, data);
}

int main(void)
{
    check_pairs(1);
    check_pair_kept();
    check_pairs(2);
    for (size_t i = 0; i < sizeof encoders / sizeof *encoders; i++) {
        check_golden(&encoders[i]);
        check_bits(encoders[i].name, "n_ctx=64");
    }
    check_bits("qwen3-dense", "n_ctx=64 pooling=mean");
    check_life();
    check_refusals();
    check_text_model();
    return test_end();
}
