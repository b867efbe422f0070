/* SPDX-License-Identifier: MIT */
/*
 * What contexts with adapters promise: the same bits alone and in company, on any threads, slices
 * and kernels; nothing believed that other adapters computed; forks, saved states and memory as
 * without; and adapter files that are only files.
 */
#include "session_test.h"

#include "adapters.h"

#include <pthread.h>

enum { POET, TERSE, STEER, N_ADAPTERS };
static made_adapter *files[N_ADAPTERS];
static skald_adapter *adapters[N_ADAPTERS];

static const char options[] = "n_ctx=256 n_batch=32 n_predict=12 temperature=0";

static void open_all(bool recurrent)
{
    const adapter_recipe recipes[N_ADAPTERS] = {
        {.rank = 7, .seed = 3, .alpha = 3, .dtype = SK_F32, .every = 1},
        {.rank = 33, .seed = 4, .dtype = SK_F16, .every = 2},
        {.control = true, .seed = 5},
    };
    open_model(5, recurrent);
    for (int i = 0; i < N_ADAPTERS; i++) {
        files[i] = adapter_make(file.data, (size_t)file.size, &recipes[i]);
        adapters[i] = adapter_load(model, files[i], "");
    }
}

static void close_all(void)
{
    for (int i = 0; i < N_ADAPTERS; i++) {
        skald_adapter_release(adapters[i]);
        adapter_unmake(files[i]);
    }
    close_model();
}

/* Scales of the three adapters, which make five ways to be. */
static const double ways[][N_ADAPTERS] = {
    {0, 0, 0}, {1, 0, 0}, {0, -0.5, 0}, {0.3, 0.2, 0}, {0.5, 0.1, 0.8}};
enum { N_WAYS = 5 };

static void wear(skald_context *ctx, int way)
{
    CHECKF(skald_set_adapters(ctx, adapters, ways[way], N_ADAPTERS) == 0, "%s",
           skald_context_message(ctx));
    int64_t n = 0;
    for (int i = 0; i < N_ADAPTERS; i++)
        n += ways[way][i] != 0;
    CHECK_INT(figure(ctx, "n_adapters"), n);
}

static skald_context *wearing(int way, const char *opts)
{
    skald_context *ctx = new_context(opts);
    wear(ctx, way);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    return ctx;
}

static record alone(int way, const char *opts, int64_t budget)
{
    skald_context *ctx = wearing(way, opts);
    record r = run(ctx, budget);
    skald_context_free(ctx);
    return r;
}

/* ---- Bits ------------------------------------------------------------------------------------ */

static void test_ways_differ(record *wanted)
{
    for (int i = 0; i < N_WAYS; i++) {
        wanted[i] = alone(i, options, -1);
        for (int j = 0; j < i; j++)
            CHECKF(wanted[i].hash != wanted[j].hash, "ways %d and %d do not differ", i, j);
    }
}

static void test_splits(const record *wanted)
{
    for (int i = 0; i < N_WAYS; i++) {
        record r = alone(i, "n_ctx=256 n_batch=1 n_predict=12 temperature=0", -1);
        CHECKF(same(&r, &wanted[i]), "way %d, token by token", i);
        r = alone(i, "n_ctx=256 n_batch=200 n_predict=12 temperature=0", 0);
        CHECKF(same(&r, &wanted[i]), "way %d, in the smallest slices", i);
    }
}

/* All ways in one batch, one of them beginning late. */
static void test_company(const record *wanted)
{
    skald_context *ctxs[N_WAYS];
    record r[N_WAYS] = {0};
    int32_t status[N_WAYS];
    int32_t running = N_WAYS;
    for (int i = 0; i < N_WAYS; i++) {
        ctxs[i] = wearing(i, options);
        r[i].hash = 1;
    }
    while (figure(ctxs[0], "n_evaluated") == 0)
        CHECK_INT(skald_step(ctxs[0], 0), SKALD_PENDING);
    while (running > 0) {
        running = skald_step_many(ctxs, N_WAYS, 300, status);
        CHECK(running >= 0);
        for (int i = 0; i < N_WAYS; i++)
            if (status[i] == SKALD_TOKEN)
                note_token(&r[i], ctxs[i]);
    }
    for (int i = 0; i < N_WAYS; i++) {
        CHECKF(same(&r[i], &wanted[i]), "way %d, in company", i);
        skald_context_free(ctxs[i]);
    }
}

/* Another model of the same file, on other kernels or threads. */
static void test_kernels(const record *wanted, const char *how)
{
    skald_model *old = model;
    skald_adapter *old_adapters[N_ADAPTERS];
    model = tiny_load(&file, how);
    for (int i = 0; i < N_ADAPTERS; i++) {
        old_adapters[i] = adapters[i];
        adapters[i] = adapter_load(model, files[i], "");
    }
    for (int i = 0; i < N_WAYS; i++) {
        record r = alone(i, options, -1);
        CHECKF(same(&r, &wanted[i]), "way %d, %s", i, how);
    }
    for (int i = 0; i < N_ADAPTERS; i++) {
        skald_adapter_release(adapters[i]);
        adapters[i] = old_adapters[i];
    }
    skald_model_release(model);
    model = old;
}

static void test_bits(bool recurrent)
{
    record wanted[N_WAYS];
    open_all(recurrent);
    test_ways_differ(wanted);
    test_splits(wanted);
    test_company(wanted);
    test_kernels(wanted, "n_threads=1 cpu=c");
    test_kernels(wanted, "n_threads=3");
    close_all();
}

/* ---- Changing ---------------------------------------------------------------------------------
 */

/* In the middle of a reply other adapters are put on: what follows is what a fresh context with
 * them says behind the same tokens. */
static void test_switching(void)
{
    skald_context *ctx = wearing(1, options), *fresh = new_context(options);
    const int32_t *tokens;
    size_t n;
    for (int i = 0; i < 4; i++)
        CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    int64_t n_prompt = figure(ctx, "n_prompt");
    wear(ctx, 1);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    CHECK_INT(figure(ctx, "n_prompt"), n_prompt); /* the same: nothing was evaluated again */
    wear(ctx, 4);
    CHECK_INT(figure(ctx, "n_evaluated"), 0);
    CHECK_INT(skald_tokens(ctx, &tokens, &n), 0);
    wear(fresh, 4);
    CHECK_INT(skald_append_tokens(fresh, tokens, n), 0);
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 12), 0);
    record a = run(ctx, -1), b = run(fresh, -1);
    CHECK(a.hash == b.hash && a.n == b.n);
    skald_context_free(ctx);
    skald_context_free(fresh);
}

static void test_prefix(void)
{
    skald_context *ctx = wearing(1, options);
    record first = run(ctx, -1);
    CHECK_INT(skald_set_text(ctx, prompt, -1), 0);
    CHECK(figure(ctx, "n_reused") > 0);
    record again = run(ctx, -1);
    CHECK(same(&first, &again));
    wear(ctx, 2);
    CHECK_INT(skald_set_text(ctx, prompt, -1), 0);
    CHECK_INT(figure(ctx, "n_reused"), 0);
    record other = run(ctx, -1), wanted = alone(2, options, -1);
    CHECK(same(&other, &wanted));
    skald_context_free(ctx);
}

static void test_fork(void)
{
    skald_context *ctx = wearing(3, options), *fork = NULL;
    for (int i = 0; i < 3; i++)
        CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    CHECK_INT(skald_context_fork(ctx, &fork), 0);
    CHECK_INT(figure(fork, "n_adapters"), 2);
    record b = run(fork, -1);
    wear(fork, 0);
    record a = run(ctx, -1);
    CHECK(same(&a, &b));
    skald_context_free(ctx);
    CHECK_INT(skald_set_text(fork, prompt, -1), 0);
    a = run(fork, -1);
    b = alone(0, options, -1);
    CHECK(same(&a, &b));
    skald_context_free(fork);
}

/* ---- Saved states -----------------------------------------------------------------------------
 */

static void check_load(const void *state, size_t n, int way, int64_t n_reused)
{
    skald_context *ctx = new_context(options), *plain = new_context(options);
    const int32_t *tokens;
    size_t n_tokens;
    wear(ctx, way);
    CHECKF(skald_state_load(ctx, state, n) == 0, "%s", skald_context_message(ctx));
    CHECK_INT(figure(ctx, "n_reused"), n_reused);
    CHECK_INT(skald_tokens(ctx, &tokens, &n_tokens), 0);
    wear(plain, way);
    CHECK_INT(skald_append_tokens(plain, tokens, n_tokens), 0);
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 12), 0);
    record a = run(ctx, -1), b = run(plain, -1);
    CHECKF(a.hash == b.hash && a.n == b.n, "way %d", way);
    skald_context_free(ctx);
    skald_context_free(plain);
}

static void test_states(void)
{
    static uint8_t state[1 << 20];
    size_t n;
    skald_context *ctx = wearing(3, options);
    run(ctx, -1);
    int64_t n_tokens = figure(ctx, "n_tokens");
    CHECK_INT(skald_state_save(ctx, state, sizeof state, &n), 0);
    check_load(state, n, 0, 0);
    check_load(state, n, 4, 0);
    check_load(state, n, 3, n_tokens - 1);
    /* The same file, loaded a second time. */
    for (int i = 0; i < N_ADAPTERS; i++) {
        skald_adapter_release(adapters[i]);
        adapters[i] = adapter_load(model, files[i], "");
    }
    check_load(state, n, 3, n_tokens - 1);
    skald_context_free(ctx);
    ctx = wearing(0, options);
    run(ctx, -1);
    CHECK_INT(skald_state_save(ctx, state, sizeof state, &n), 0);
    check_load(state, n, 1, 0);
    check_load(state, n, 0, figure(ctx, "n_tokens") - 1);
    skald_context_free(ctx);
}

/* ---- Arguments --------------------------------------------------------------------------------
 */

static void test_arguments(void)
{
    skald_context *ctx = new_context(options);
    tiny_model other_file;
    int64_t value = 7;
    const double nan = strtod("nan", NULL);
    tiny_make(&other_file, 77);
    skald_model *other = tiny_load(&other_file, "n_threads=1");
    skald_adapter *foreign = adapter_load(other, files[POET], "");
    wear(ctx, 1);
    CHECK_INT(skald_set_adapters(ctx, &foreign, NULL, 1), SKALD_E_ARGUMENT);
    CHECK_STR(skald_context_message(ctx), "adapter 0 was loaded for another model");
    CHECK_INT(skald_set_adapters(ctx, adapters, &nan, 1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_set_adapters(ctx, NULL, NULL, 1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_set_adapters(NULL, adapters, NULL, 1), SKALD_E_ARGUMENT);
    CHECK_INT(figure(ctx, "n_adapters"), 1);
    CHECK_INT(skald_set_adapters(ctx, NULL, NULL, 0), 0);
    CHECK_INT(figure(ctx, "n_adapters"), 0);
    CHECK_INT(skald_adapter_get_int(adapters[POET], "max_rank", &value), 0);
    CHECK_INT(value, 7);
    CHECK_INT(skald_adapter_get_int(adapters[POET], "n_matrices", &value), 0);
    CHECK_INT(value, 2 + 7 * TINY_LAYERS);
    CHECK_INT(skald_adapter_get_int(adapters[STEER], "n_directions", &value), 0);
    CHECK_INT(value, TINY_LAYERS - 1);
    CHECK_INT(skald_adapter_get_int(adapters[STEER], "colour", &value), SKALD_E_NOT_FOUND);
    skald_adapter *none = adapters[0];
    CHECK_INT(skald_adapter_load(NULL, "x", NULL, &none), SKALD_E_ARGUMENT);
    CHECK(none == NULL);
    CHECK_INT(skald_adapter_load(model, NULL, NULL, &none), SKALD_E_ARGUMENT);
    CHECK_INT(skald_adapter_load(model, "/no/such/file", NULL, &none), SKALD_E_NOT_FOUND);
    skald_adapter_release(foreign);
    skald_adapter_release(NULL);
    skald_model_release(other);
    tiny_free(&other_file);
    skald_context_free(ctx);
}

/* A context and its adapters live on when all else was let go. */
static void test_lifetime(void)
{
    record wanted = alone(4, options, -1);
    skald_context *ctx = wearing(4, options);
    skald_model *held = model;
    for (int i = 0; i < N_ADAPTERS; i++) {
        skald_adapter_release(adapters[i]);
        adapters[i] = NULL;
    }
    skald_model_release(held);
    model = NULL;
    record r = run(ctx, -1);
    CHECK(same(&r, &wanted));
    skald_context_free(ctx);
}

/* With adapters a context takes no more memory, but for the list of them. */
static void test_memory(void)
{
    skald_context *plain = wearing(0, options), *ctx = wearing(4, options);
    int64_t more = figure(ctx, "memory_live") - figure(plain, "memory_live");
    CHECK(more > 0 && more < 512);
    run(plain, -1);
    run(ctx, -1);
    CHECK_INT(figure(ctx, "memory_live") - figure(plain, "memory_live"), more);
    CHECK_INT(figure(ctx, "memory_peak") - figure(plain, "memory_peak"), more);
    int64_t count = figure(ctx, "n_alloc");
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 3), 0);
    int64_t changed = figure(ctx, "n_alloc");
    run(ctx, -1);
    CHECK_INT(figure(ctx, "n_alloc"), changed);
    CHECK(changed > count);
    skald_context_free(plain);
    skald_context_free(ctx);
}

/* Contexts of several threads share adapters, which are let go of while others use them. */
static void *thread_main(void *wanted)
{
    for (int i = 0; i < N_WAYS; i++) {
        record r = alone(i, options, 100);
        CHECKF(same(&r, (const record *)wanted + i), "way %d, beside other threads", i);
    }
    return NULL;
}

static void test_threads(void)
{
    static record wanted[N_WAYS];
    pthread_t threads[3];
    for (int i = 0; i < N_WAYS; i++)
        wanted[i] = alone(i, options, -1);
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, thread_main, wanted), 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
    test_bits(false);
    test_bits(true);
    open_all(false);
    test_switching();
    test_prefix();
    test_fork();
    test_states();
    test_arguments();
    test_memory();
    test_threads();
    test_lifetime();
    close_all();
    return test_end();
}
