/* SPDX-License-Identifier: MIT */
/*
 * Threads: contexts of one model on several threads at once, cancelled from another at any moment,
 * give what each gives alone; one context on two threads is BUSY, not broken; a load is cancelled
 * from outside; counts are kept; models share a pool. ThreadSanitizer finds nothing to say when
 * built with it.
 *
 *     test_threads MODEL
 */
#define _GNU_SOURCE
#include "life.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { N_THREADS = 4, N_LIVES = 3, N_TOKENS = 100 };

static skald_model *model;
static life wanted;

typedef struct worker {
    pthread_t thread;
    skald_context *ctx;
    _Atomic(bool) done;
    int n_cancelled;
    int32_t status; /* of the first call that failed otherwise */
    int32_t tokens[N_TOKENS];
    int n_tokens;
} worker;

static skald_context *make_context(const char *options)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    CHECK_INT(life_options(&o, options, NULL), 0);
    CHECKF(skald_context_new(model, o, &ctx) == 0, "%s", skald_error_message());
    skald_options_free(o);
    return ctx;
}

/* Steps to the end, through every cancellation. */
static void *work(void *arg)
{
    worker *w = arg;
    int32_t status = SKALD_PENDING;
    while (status != SKALD_DONE) {
        status = skald_step(w->ctx, 30);
        if (status == SKALD_E_CANCELLED)
            w->n_cancelled++;
        else if (status < 0)
            break;
        if (status == SKALD_TOKEN && w->n_tokens < N_TOKENS)
            skald_token(w->ctx, &w->tokens[w->n_tokens++]);
    }
    w->status = status;
    atomic_store(&w->done, true);
    return NULL;
}

static void test_cancelled_work(void)
{
    static const char options[] = "n_ctx=256 n_predict=100 temperature=0 ignore_eos=1";
    worker alone = {.ctx = make_context(options)};
    CHECK_INT(skald_append_text(alone.ctx, LIFE_PROMPT, -1), 0);
    work(&alone);
    CHECK_INT(alone.n_tokens, N_TOKENS);
    worker workers[N_THREADS] = {0};
    for (int i = 0; i < N_THREADS; i++) {
        workers[i].ctx = make_context(options);
        CHECK_INT(skald_append_text(workers[i].ctx, LIFE_PROMPT, -1), 0);
        CHECK_INT(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int left = N_THREADS; left > 0;) {
        left = 0;
        for (int i = 0; i < N_THREADS; i++) {
            skald_cancel(workers[i].ctx);
            left += !atomic_load(&workers[i].done);
        }
        usleep(200);
    }
    int n_cancelled = 0;
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        CHECKF(workers[i].status == SKALD_DONE, "%s", skald_context_message(workers[i].ctx));
        CHECK(memcmp(workers[i].tokens, alone.tokens, sizeof alone.tokens) == 0);
        n_cancelled += workers[i].n_cancelled;
        skald_context_free(workers[i].ctx);
    }
    CHECK(n_cancelled > 0);
    skald_context_free(alone.ctx);
}

/* A cancel with nothing running ends the next step, once. */
static void test_cancel_is_spent(void)
{
    skald_context *ctx = make_context("n_ctx=64 n_predict=2");
    CHECK_INT(skald_append_text(ctx, LIFE_PROMPT, -1), 0);
    skald_cancel(ctx);
    skald_cancel(ctx);
    CHECK_INT(skald_step(ctx, -1), SKALD_E_CANCELLED);
    CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    skald_context_free(ctx);
}

static void *live_lives(void *arg)
{
    worker *w = arg;
    for (int i = 0; i < N_LIVES; i++) {
        life l;
        skald_model_retain(model);
        w->status = life_generate(&l, model, i ? 40 : -1);
        w->n_tokens += l.hash == wanted.hash;
        skald_model_release(model);
    }
    return NULL;
}

static void test_contexts_apart(void)
{
    worker workers[N_THREADS] = {0};
    for (int i = 0; i < N_THREADS; i++)
        CHECK_INT(pthread_create(&workers[i].thread, NULL, live_lives, &workers[i]), 0);
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        CHECK_INT(workers[i].status, SKALD_DONE);
        CHECK_INT(workers[i].n_tokens, N_LIVES);
    }
}

static _Atomic(bool) stop_stepping;
static atomic_int n_busy, n_odd;

static void *step_along(void *arg)
{
    while (!atomic_load(&stop_stepping)) {
        int32_t status = skald_step(arg, 200);
        if (status == SKALD_E_BUSY)
            atomic_fetch_add(&n_busy, 1);
        else if (status < 0)
            atomic_fetch_add(&n_odd, 1);
    }
    return NULL;
}

/* Misuse: two threads step one context. */
static void test_busy(void)
{
    pthread_t threads[2];
    skald_context *ctx = make_context("n_ctx=4096 n_predict=-1 ignore_eos=1 n_threads=1");
    CHECK_INT(skald_append_text(ctx, LIFE_PROMPT, -1), 0);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, step_along, ctx), 0);
    for (int i = 0; i < 2000 && atomic_load(&n_busy) == 0; i++)
        usleep(1000);
    atomic_store(&stop_stepping, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&n_busy) > 0);
    CHECK_INT(atomic_load(&n_odd), 0);
    skald_context_free(ctx);
}

static void *cancel_load(void *arg)
{
    skald_model_cancel(arg);
    return NULL;
}

static void test_cancelled_load(const char *path)
{
    pthread_t thread;
    skald_model *loading = NULL;
    int32_t status = skald_model_open(path, NULL, &loading);
    CHECK(status >= 0);
    CHECK_INT(pthread_create(&thread, NULL, cancel_load, loading), 0);
    pthread_join(thread, NULL);
    CHECK_INT(skald_model_step(loading, -1), SKALD_E_CANCELLED);
    skald_model_release(loading);
}

/* How many threads the process has; -1: the system does not say. */
static int count_threads(void)
{
    char text[64];
    int n = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(text, sizeof text, file))
        sscanf(text, "Threads: %d", &n);
    if (file)
        fclose(file);
    return n;
}

/* A second model works with the first one's threads, also when it is the last one left. */
static void test_shared_pool(const char *path)
{
    skald_options *o = NULL;
    skald_model *first = NULL, *second = NULL;
    life l;
    CHECK_INT(life_options(&o, "n_threads=3", NULL), 0);
    CHECK_INT(skald_model_open(path, o, &first), 0);
    CHECK_INT(skald_options_set_pointer(o, "threads_of", first), 0);
    CHECK_INT(skald_model_open(path, o, &second), SKALD_E_STATE); /* the first is still loading */
    CHECK_INT(skald_model_step(first, -1), SKALD_DONE);
    int n = count_threads();
    CHECK_INT(skald_model_load(path, o, &second), 0);
    CHECK_INT(count_threads(), n);
    skald_model_release(first);
    CHECK_INT(life_generate(&l, second, -1), SKALD_DONE);
    CHECK(l.hash == wanted.hash);
    skald_model_release(second);
    skald_options_free(o);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return fprintf(stderr, "usage: test_threads MODEL\n"), 2;
    skald_options *o = NULL;
    CHECK_INT(life_options(&o, "n_threads=2", NULL), 0);
    CHECKF(skald_model_load(argv[1], o, &model) == 0, "%s", skald_error_message());
    skald_options_free(o);
    if (!model)
        return test_end();
    CHECK_INT(life_generate(&wanted, model, -1), SKALD_DONE);
    test_cancel_is_spent();
    test_contexts_apart();
    test_cancelled_work();
    test_busy();
    test_cancelled_load(argv[1]);
    test_shared_pool(argv[1]);
    skald_model_release(model);
    return test_end();
}
