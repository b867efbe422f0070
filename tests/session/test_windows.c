/* SPDX-License-Identifier: MIT */
/*
 * Layers with windows in contexts that hold much more than those: the same bits as where all is
 * kept, memory that stops growing, and going back to where turns ended without reading all again.
 */
#include "adapters.h"

#include "session/context_int.h"

enum { MOST = 2000 };

static skald_model *model;
static int32_t text[MOST];

static void open_model(const char *name)
{
    char path[200];
    size_t size;
    int64_t n_vocab = 0;
    static uint8_t *data;
    free(data);
    snprintf(path, sizeof path, "model/golden/%s.head.gguf", name);
    data = golden_expand(test_data(path), 11, &size);
    model = adapter_model(data, size);
    skald_model_get_int(model, "n_vocab", &n_vocab);
    for (int i = 0; i < MOST; i++)
        text[i] = (int32_t)((uint32_t)i * 2654435761u >> 7) % (int32_t)n_vocab;
}

static skald_context *new_context(const char *options)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    skald_options_new(&o);
    CHECK_INT(skald_options_parse(o, "add_bos=0 temperature=0 cache_type_k=f32 cache_type_v=f32"),
              0);
    CHECK_INT(skald_options_parse(o, options), 0);
    int32_t status = skald_context_new(model, o, &ctx);
    CHECKF(status == 0, "%s", skald_error_message());
    skald_options_free(o);
    if (!ctx)
        exit(test_end());
    return ctx;
}

static int64_t figure(const skald_context *ctx, const char *key)
{
    int64_t value = -1;
    CHECK_INT(skald_context_get_int(ctx, key, &value), 0);
    return value;
}

/* Steps to the end; a hash of the tokens and their logits. */
static uint64_t run(skald_context *ctx, int64_t budget)
{
    uint64_t hash = 1;
    int32_t status, token;
    do {
        const float *logits;
        size_t n;
        status = skald_step(ctx, budget);
        if (status != SKALD_TOKEN)
            continue;
        CHECK(skald_token(ctx, &token) == 0 && skald_logits(ctx, -1, &logits, &n) == 0);
        hash = (hash ^ (uint64_t)token) * UINT64_C(0x100000001B3);
        for (size_t i = 0; i < n; i++) {
            uint32_t bits;
            memcpy(&bits, &logits[i], 4);
            hash = (hash ^ bits) * UINT64_C(0x100000001B3);
        }
    } while (status > 0);
    CHECKF(status == SKALD_DONE, "%s", skald_context_message(ctx));
    return hash;
}

static uint64_t fresh(const char *options, const int32_t *ids, size_t n)
{
    skald_context *ctx = new_context(options);
    CHECK_INT(skald_append_tokens(ctx, ids, n), 0);
    uint64_t hash = run(ctx, -1);
    skald_context_free(ctx);
    return hash;
}

/* 544 tokens are no more than two spans, of which all are kept. */
static const char all[] = "n_ctx=544 n_batch=32 n_predict=12";
static const char some[] = "n_ctx=2000 n_batch=32 n_predict=12";

static void test_bits(void)
{
    for (size_t n = 250; n < 532; n += 37) {
        uint64_t wanted = fresh(all, text, n);
        CHECKF(fresh(some, text, n) == wanted, "%d tokens", (int)n);
        CHECKF(fresh("n_ctx=2000 n_batch=512 n_predict=12", text, n) == wanted, "%d at once",
               (int)n);
    }
    CHECK(fresh("n_ctx=2000 n_batch=1 n_predict=12", text, 500) == fresh(all, text, 500));
}

static void test_memory(void)
{
    skald_context *ctx = new_context("n_ctx=2000 n_batch=64 n_predict=0");
    int64_t at[4];
    for (int i = 0; i < 4; i++) {
        CHECK_INT(skald_append_tokens(ctx, text, 490), 0);
        run(ctx, -1);
        at[i] = figure(ctx, "cache_size");
        CHECK(at[i] <= (int64_t)sk_state_cost(ctx->state, 490 * (i + 1), 64));
        CHECK(sk_state_cost(ctx->state, 1990, 64) >= sk_state_cost(ctx->state, 490, 64));
    }
    /* From the second on a part of the layers, or all, grow no more, but for kept turns. */
    CHECK(at[1] > at[0]);
    CHECK(at[3] < 4 * at[0] * 3 / 4);
    skald_context_free(ctx);
}

/* Turns: a prompt of 600 tokens, a reply of 300, and what a chat does with them. */
static void test_turns(void)
{
    int32_t second[1200];
    const int32_t *ids;
    size_t n;
    skald_context *ctx = new_context("n_ctx=2000 n_batch=64 n_predict=300 ignore_eos=1");
    CHECK_INT(skald_set_tokens(ctx, text, 600), 0);
    run(ctx, -1);
    CHECK_INT(skald_tokens(ctx, &ids, &n), 0);
    CHECK_INT(n, 900);
    memcpy(second, ids, n * sizeof *ids);
    memcpy(second + n, text, 100 * sizeof *ids);
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 12), 0);
    CHECK_INT(skald_set_tokens(ctx, second, 1000), 0);
    CHECK(figure(ctx, "n_reused") >= 899);
    CHECK(run(ctx, -1) == fresh(some, second, 1000));
    /* the reply is taken back: only what follows the prompt is read */
    memcpy(second + 600, text + 700, 50 * sizeof *ids);
    CHECK_INT(skald_set_tokens(ctx, second, 650), 0);
    CHECK(figure(ctx, "n_reused") >= 599);
    CHECK(run(ctx, -1) == fresh(some, second, 650));
    /* anywhere else costs more, and gives the same */
    for (int32_t back = 600; back > 0; back -= 151) {
        CHECK_INT(skald_truncate(ctx, back), 0);
        CHECK_INT(skald_append_tokens(ctx, text + 900, 20), 0);
        CHECK(figure(ctx, "n_evaluated") <= back);
        memcpy(second, text, (size_t)back * sizeof *ids);
        memcpy(second + back, text + 900, 20 * sizeof *ids);
        CHECKF(run(ctx, -1) == fresh(some, second, (size_t)back + 20), "back to %d", (int)back);
    }
    skald_context_free(ctx);
}

static void test_forks_and_states(void)
{
    static uint8_t state[1 << 22];
    size_t n;
    uint64_t wanted = fresh(some, text, 1100);
    skald_context *ctx = new_context(some), *fork = NULL, *other = new_context(some);
    CHECK_INT(skald_append_tokens(ctx, text, 1000), 0);
    while (figure(ctx, "n_evaluated") < 900)
        CHECK(skald_step(ctx, 0) == SKALD_PENDING);
    CHECK_INT(skald_context_fork(ctx, &fork), 0);
    CHECKF(skald_state_save(ctx, state, sizeof state, &n) == 0, "%s", skald_context_message(ctx));
    skald_context *all_of[] = {ctx, fork, other};
    CHECK_INT(skald_append_tokens(other, text + 300, 700), 0);
    run(other, -1);
    CHECK_INT(skald_state_load(other, state, n), 0);
    CHECK(figure(other, "n_reused") >= 900);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(skald_append_tokens(all_of[i], text + 1000, 100), 0);
        CHECKF(run(all_of[i], -1) == wanted, "context %d", i);
        CHECK_INT(skald_truncate(all_of[i], 500), 0);
        CHECK_INT(skald_context_set_int(all_of[i], "n_predict", 12), 0);
        CHECKF(run(all_of[i], -1) == fresh(some, text, 500), "context %d, cut", i);
        skald_context_free(all_of[i]);
    }
}

/* Rows that are moved are moved alike however the work is divided. */
static uint64_t drop(const char *options, int64_t budget)
{
    skald_context *mine = new_context(options);
    CHECK_INT(skald_append_tokens(mine, text, 600), 0);
    uint64_t hash = run(mine, budget);
    CHECK(figure(mine, "n_dropped") > 0);
    CHECK_INT(figure(mine, "n_exact"), 4);
    CHECK_INT(skald_append_tokens(mine, text + 600, 300), 0);
    CHECK_INT(skald_context_set_int(mine, "n_predict", 100), 0);
    hash ^= run(mine, budget) * 3;
    CHECK_INT(skald_truncate(mine, 3), 0);
    CHECK_INT(skald_context_set_int(mine, "n_predict", 12), 0);
    CHECK(run(mine, budget) == fresh("n_ctx=700 n_predict=12 ignore_eos=1", text, 3));
    skald_context_free(mine);
    return hash;
}

static void test_moving(void)
{
    uint64_t wanted = drop("n_ctx=700 when_full=drop n_keep=4 shift=rotate n_predict=300 "
                           "ignore_eos=1 n_batch=64",
                           -1);
    CHECK(drop("n_ctx=700 when_full=drop n_keep=4 shift=rotate n_predict=300 ignore_eos=1 "
               "n_batch=64",
               30) == wanted);
    CHECK(drop("n_ctx=700 when_full=drop n_keep=4 shift=rotate n_predict=300 ignore_eos=1 "
               "n_batch=7",
               -1) == wanted);
}

int main(void)
{
    static const char *const names[] = {"gpt-oss-moe", "olmo2-swa-deep"};
    for (int i = 0; i < 2; i++) {
        open_model(names[i]);
        test_bits();
        test_memory();
        test_turns();
        test_forks_and_states();
        test_moving();
        skald_model_release(model);
        model = NULL;
    }
    return test_end();
}
