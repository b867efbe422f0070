/* SPDX-License-Identifier: MIT */
/*
 * What is estimated is what an allocator of the host's then sees, for every way to load and every
 * kind of context; and max_memory set to it is just enough.
 */
#define _GNU_SOURCE
#include "session_test.h"

#include <stdatomic.h>
#include <unistd.h>

typedef struct count {
    atomic_llong live, peak;
} count;

static void *count_alloc(void *user, size_t size, size_t align)
{
    count *c = user;
    long long live = atomic_fetch_add(&c->live, (long long)size) + (long long)size;
    if (live > atomic_load(&c->peak))
        atomic_store(&c->peak, live);
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void count_free(void *user, void *pointer, size_t size)
{
    atomic_fetch_sub(&((count *)user)->live, (long long)size);
    free(pointer);
}

static char path[] = "estimate-XXXXXX.gguf";

static void write_file(void)
{
    int fd = mkstemps(path, 5);
    CHECK(fd >= 0 && write(fd, file.data, file.size) == (ssize_t)file.size);
    close(fd);
}

static skald_options *options_of(const char *text, count *c)
{
    skald_options *o = NULL;
    skald_allocator host = {sizeof host, c, count_alloc, count_free};
    skald_options_new(&o);
    CHECKF(skald_options_parse(o, text) == 0, "%s", skald_error_message());
    if (c)
        CHECK_INT(skald_options_set_pointer(o, "allocator", &host), 0);
    return o;
}

/* Appends and generates in turn until there is no more room. */
static int32_t fill(skald_context *ctx, int64_t n_ctx)
{
    int32_t status = 0;
    for (int32_t i = 0; status >= 0 && figure(ctx, "n_tokens") < n_ctx; i++) {
        CHECK_INT(skald_append_tokens(ctx, &(int32_t){3 + i * 7 % 200}, 1), 0);
        status = skald_step(ctx, i % 3 ? -1 : 0);
    }
    while (status >= 0 && figure(ctx, "n_evaluated") < n_ctx - 1)
        status = skald_step(ctx, -1);
    return status;
}

/* A context, filled to its last token. */
static void check_context(skald_model *of, const char *text, const int64_t *costs)
{
    count c = {0, 0};
    skald_context *ctx = NULL;
    skald_options *o = options_of(text, &c);
    int64_t whole =
        costs[SKALD_COST_CONTEXT] + costs[SKALD_COST_WORKSPACE] + costs[SKALD_COST_CACHE];
    CHECK_INT(skald_options_set_int(o, "max_memory", whole), 0);
    CHECKF(skald_context_new(of, o, &ctx) == 0, "%s", skald_error_message());
    skald_options_free(o);
    if (!ctx)
        return;
    int64_t fresh = atomic_load(&c.live), n_ctx = figure(ctx, "n_ctx");
    CHECK(fresh <= costs[SKALD_COST_CONTEXT] && fresh > costs[SKALD_COST_CONTEXT] - 8192);
    int32_t status = fill(ctx, n_ctx);
    CHECKF(status >= 0, "%s", skald_context_message(ctx));
    int64_t peak = atomic_load(&c.peak);
    CHECK_INT(figure(ctx, "memory_live"), atomic_load(&c.live));
    CHECK_INT(figure(ctx, "memory_peak"), peak);
    if (file.recurrent)
        CHECKF(peak <= whole && peak > whole * 2 / 3, "%lld of %lld", (long long)peak,
               (long long)whole);
    else if (n_ctx > 1)
        CHECK_INT(peak, whole);
    else /* without a token that is generated there is no reply */
        CHECK(peak <= whole && peak > whole - 8192);
    skald_context_free(ctx);
    CHECK_INT(atomic_load(&c.live), 0);
    /* One byte less is too little, wherever it is missed. */
    if (file.recurrent || n_ctx == 1)
        return;
    o = options_of(text, NULL);
    CHECK_INT(skald_options_set_int(o, "max_memory", whole - 1), 0);
    CHECKF(skald_context_new(of, o, &ctx) == 0, "%s", skald_error_message());
    CHECK_INT(fill(ctx, n_ctx), SKALD_E_MEMORY);
    skald_context_free(ctx);
    skald_options_free(o);
}

static void check(const char *text, bool mapped)
{
    count c = {0, 0};
    int64_t costs[SKALD_N_COSTS + 2], value;
    skald_model *loaded = NULL;
    skald_options *o = options_of(text, &c);
    CHECK_INT(skald_options_set_int(o, "max_memory", 1), 0); /* it does not bind an estimate */
    CHECKF(skald_estimate(path, o, costs, SKALD_N_COSTS + 2) == 0, "%s", skald_error_message());
    CHECK(costs[SKALD_N_COSTS] == 0 && costs[SKALD_N_COSTS + 1] == 0);
    CHECK_INT(atomic_load(&c.peak), 0);
    CHECK_INT(skald_options_set_int(o, "max_memory", costs[SKALD_COST_LOADING] - 1), 0);
    CHECK_INT(skald_model_load(path, o, &loaded), SKALD_E_MEMORY);
    CHECK_INT(atomic_load(&c.live), 0);
    CHECK_INT(skald_options_set_int(o, "max_memory", costs[SKALD_COST_LOADING]), 0);
    atomic_store(&c.peak, 0);
    CHECKF(skald_model_load(path, o, &loaded) == 0, "%s", skald_error_message());
    skald_options_free(o);
    if (!loaded)
        return;
    CHECK_INT(skald_model_get_int(loaded, "memory_live", &value), 0);
    CHECK_INT(value, costs[SKALD_COST_MODEL]);
    CHECK_INT(skald_model_get_int(loaded, "memory_peak", &value), 0);
    CHECK_INT(value, costs[SKALD_COST_LOADING]);
    int64_t threads = atomic_load(&c.live) - costs[SKALD_COST_MODEL];
    CHECK(threads > 0 && threads < 4096); /* the pool, which models may share */
    CHECK(atomic_load(&c.peak) <= costs[SKALD_COST_LOADING] + 4096);
    CHECK_INT(costs[SKALD_COST_MAPPED], mapped ? (int64_t)file.size : 0);
    if (!mapped)
        CHECK(costs[SKALD_COST_MODEL] > (int64_t)file.size / 2);
    check_context(loaded, text, costs);
    skald_model_release(loaded);
    CHECK_INT(atomic_load(&c.live), 0);
}

int main(void)
{
    static const char *const kinds[] = {
        "n_threads=2 n_ctx=200 n_predict=1 ignore_eos=1",
        "n_threads=1 n_ctx=1 n_predict=1 ignore_eos=1",
        "n_threads=3 n_ctx=320 n_batch=7 cache_type_k=f32 n_predict=1 ignore_eos=1 temperature=0",
        "n_threads=1 n_ctx=70 n_predict=1 ignore_eos=1 logits_all=1 stop=abcdef dry_multiplier=1",
        "n_threads=1 n_ctx=129 n_predict=1 ignore_eos=1 cache_type_v=bf16 n_probs=5"};
    int64_t costs[2] = {7, 7};
    for (int recurrent = 0; recurrent < 2; recurrent++) {
        open_model(31, recurrent);
        write_file();
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            char text[256];
            check(kinds[i], true);
            snprintf(text, sizeof text, "%s load=read", kinds[i]);
            check(text, false);
        }
        CHECK_INT(skald_estimate("no such file", NULL, costs, 2), SKALD_E_NOT_FOUND);
        CHECK_INT(skald_estimate(path, NULL, NULL, 2), SKALD_E_ARGUMENT);
        CHECK_INT(skald_estimate(path, NULL, costs, 1), 0);
        CHECK(costs[0] == (int64_t)file.size && costs[1] == 0);
        unlink(path);
        memcpy(path, "estimate-XXXXXX", 15);
        close_model();
    }
    return test_end();
}
