/* SPDX-License-Identifier: MIT */
/*
 * Types of the cache, keys and values apart: each gives the same bits however a text is cut, goes
 * through saved states, forks, truncation and prefix reuse, takes the memory it says, and differs
 * from the others.
 */
#define TINY_N_HEADS 2 /* of 32 elements */
#include "state_bytes.h"

static const char *const types[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};
static const double bytes_of[] = {4, 2, 2, 34.0 / 32, 18.0 / 32};

enum { N_TYPES = 5 };

static void put_options(char *out, size_t size, int k, int v, int n_batch)
{
    snprintf(out, size,
             "n_predict=24 temperature=0.8 seed=3 ignore_eos=1 n_ctx=256 n_batch=%d "
             "cache_type_k=%s cache_type_v=%s",
             n_batch, types[k], types[v]);
}

/* The rest of a generation from a saved state, from a fork, and after going back. */
static void check_ways(const char *options, const record *wanted, const char *names)
{
    skald_context *ctx = new_context(options), *other = new_context(options), *fork = NULL;
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    for (int i = 0; i < 5; i++)
        CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    state_bytes s = state_of(ctx);
    CHECKF(skald_state_load(other, s.data, s.n) == 0, "%s", skald_context_message(other));
    CHECK(figure(other, "n_reused") > 60);
    state_bytes again = state_of(other);
    CHECKF(same_state(&s, &again), "%s: a state changed by being loaded", names);
    CHECK_INT(skald_context_fork(ctx, &fork), 0);
    record a = run(ctx, -1), b = run(other, 0), c = run(fork, 30);
    CHECKF(same(&a, &b) && same(&a, &c), "%s: state or fork", names);
    CHECK(memcmp(a.tokens, wanted->tokens + 5, 19 * 4) == 0);
    CHECK_INT(skald_set_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 24), 0);
    b = run(ctx, -1);
    CHECK(figure(ctx, "n_reused") > 50);
    CHECKF(b.n == wanted->n && memcmp(b.tokens, wanted->tokens, 24 * 4) == 0, "%s: reuse", names);
    free(s.data);
    free(again.data);
    skald_context_free(ctx);
    skald_context_free(other);
    skald_context_free(fork);
}

static int64_t cache_size(const char *options)
{
    skald_context *ctx = new_context(options);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    run(ctx, -1);
    int64_t size = figure(ctx, "cache_size");
    skald_context_free(ctx);
    return size;
}

static void check_types(void)
{
    uint64_t hash[N_TYPES * N_TYPES];
    char options[256], small[256];
    put_options(options, sizeof options, 0, 0, 40);
    const double whole = (double)cache_size(options);
    for (int i = 0; i < N_TYPES * N_TYPES; i++) {
        put_options(options, sizeof options, i % N_TYPES, i / N_TYPES, 40);
        put_options(small, sizeof small, i % N_TYPES, i / N_TYPES, 7);
        record wanted = reference(options), other = reference(small);
        CHECKF(same(&wanted, &other), "%s: batches of 7", options);
        check_ways(options, &wanted, options);
        hash[i] = wanted.hash;
        for (int j = 0; j < i; j++)
            CHECKF(hash[i] != hash[j], "%s: as another pair of types", options);
        double share = (bytes_of[i % N_TYPES] + bytes_of[i / N_TYPES]) / 8;
        double size = (double)cache_size(options);
        CHECKF(size >= whole * share && size < whole * (share + 0.02), "%s: %g of %g bytes",
               options, size, whole);
    }
}

/* A state of other types is read but for its cache. */
static void check_other_types(void)
{
    skald_context *ctx = new_context("n_ctx=256 n_predict=3 cache_type_k=q8_0");
    skald_context *other = new_context("n_ctx=256 n_predict=3 cache_type_k=q4_0");
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    run(ctx, -1);
    state_bytes s = state_of(ctx);
    CHECK_INT(skald_state_load(other, s.data, s.n), 0);
    CHECK_INT(figure(other, "n_reused"), 0);
    CHECK_INT(figure(other, "n_tokens"), figure(ctx, "n_tokens"));
    free(s.data);
    skald_context_free(ctx);
    skald_context_free(other);
}

int main(void)
{
    tiny_make(&file, 77);
    model = tiny_load(&file, "n_threads=2");
    CHECK(model != NULL);
    if (!model)
        return test_end();
    check_types();
    check_other_types();
    skald_model_release(model);
    tiny_free(&file);
    return test_end();
}
