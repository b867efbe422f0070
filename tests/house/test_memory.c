/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out: a life of a model is lived with an allocator that fails at its k-th call,
 * for every k until none is left to fail, once ("the once") and from then on ("for good"). Each
 * time the status is MEMORY with a sentence, every block is given back with its size, and after
 * "the once" the same handle does at the second attempt what it could not at the first.
 *
 *     test_memory MODEL
 */
#define _GNU_SOURCE
#include "life.h"

#include <stdatomic.h>

typedef struct pool {
    atomic_long calls, live; /* live: bytes */
    long fail_at;            /* the call that fails, from 1; 0: none */
    bool for_good;
} pool;

/* Blocks carry their size in front; fresh ones are full of noise. */
static void *pool_alloc(void *user, size_t size, size_t align)
{
    pool *p = user;
    long call = atomic_fetch_add(&p->calls, 1) + 1;
    CHECK(align > 0 && align <= 64 && (align & (align - 1)) == 0);
    if (p->fail_at && (p->for_good ? call >= p->fail_at : call == p->fail_at))
        return NULL;
    char *block = aligned_alloc(64, 64 + (size + 63) / 64 * 64);
    if (!block)
        return NULL;
    memcpy(block, &size, sizeof size);
    memset(block + 64, 0xA5, size);
    atomic_fetch_add(&p->live, (long)size);
    return block + 64;
}

static void pool_free(void *user, void *pointer, size_t size)
{
    pool *p = user;
    size_t given;
    memcpy(&given, (char *)pointer - 64, sizeof given);
    CHECK_INT(size, given);
    atomic_fetch_sub(&p->live, (long)size);
    free((char *)pointer - 64);
}

/* A step of the life that may fail: it does so with MEMORY, and can be tried again. */
typedef struct attempt {
    pool *p;
    bool failed; /* some step has failed */
} attempt;

static bool accept(attempt *a, int32_t status, const char *message, const char *where)
{
    if (status >= 0)
        return true;
    CHECKF(status == SKALD_E_MEMORY, "%s failed at call %ld with %s: %s", where, a->p->fail_at,
           skald_status_name(status), message);
    CHECKF(message[0] != 0, "%s has no sentence", where);
    a->failed = true;
    return false;
}

/* Whether the failed step shall be tried again. */
static bool again(const attempt *a)
{
    return !a->p->for_good;
}

/* Loading: a handle that failed can only be released, so the second attempt opens another. */
static skald_model *load(attempt *a, const char *path, const skald_options *o)
{
    skald_model *model = NULL;
    for (int i = 0; i < 2; i++) {
        int32_t status = skald_model_open(path, o, &model);
        if (!accept(a, status, skald_error_message(), "skald_model_open")) {
            CHECK(model == NULL);
        } else {
            while ((status = skald_model_step(model, 50)) == SKALD_PENDING)
                ;
            if (accept(a, status, skald_model_message(model), "skald_model_step"))
                return model;
            skald_model_release(model);
            model = NULL;
        }
        if (!again(a))
            break;
    }
    return NULL;
}

static void tokenise(attempt *a, skald_model *model)
{
    int32_t ids[64];
    size_t n = 0;
    char text[256];
    for (int i = 0; i < 2; i++) {
        int32_t status = skald_tokenize(model, LIFE_PROMPT, -1, 0, ids, 64, &n);
        if (accept(a, status, skald_error_message(), "skald_tokenize") || !again(a))
            break;
    }
    for (int i = 0; i < 2; i++) {
        int32_t status = skald_detokenize(model, ids, n, 0, text, sizeof text, &n);
        if (accept(a, status, skald_error_message(), "skald_detokenize") || !again(a))
            break;
    }
}

static skald_context *begin(attempt *a, skald_model *model, const skald_options *o)
{
    skald_context *ctx = NULL;
    for (int i = 0; i < 2; i++) {
        int32_t status = skald_context_new(model, o, &ctx);
        if (accept(a, status, skald_error_message(), "skald_context_new"))
            return ctx;
        CHECK(ctx == NULL);
        if (!again(a))
            break;
    }
    return NULL;
}

/* Prompt and tokens, in small slices; a failed call is made again. */
static bool generate(attempt *a, skald_context *ctx, life *l)
{
    int32_t status = -1;
    for (int i = 0; i < 2 && status < 0; i++) {
        status = skald_append_text(ctx, LIFE_PROMPT, -1);
        if (!accept(a, status, skald_context_message(ctx), "skald_append_text") && !again(a))
            return false;
    }
    do {
        status = skald_step(ctx, 20);
        if (!accept(a, status, skald_context_message(ctx), "skald_step") && !again(a))
            return false;
        if (status == SKALD_TOKEN)
            life_take(l, ctx);
    } while (status != SKALD_DONE);
    return true;
}

/* Texts that never come, and a grammar that waits for one. */
static void set_stop(attempt *a, skald_context *ctx)
{
    static const char *const keys[] = {"stop", "banned", "grammar_trigger_regex", "grammar"};
    static const char *const values[] = {"no such text at all", "nor this", "never (there)",
                                         "root ::= \"there\""};
    bool done = true;
    for (int k = 0; k < 4 && done; k++) {
        done = false;
        for (int i = 0; i < 2 && !done; i++) {
            int32_t status = skald_context_set_string(ctx, keys[k], values[k]);
            done = accept(a, status, skald_context_message(ctx), "skald_context_set_string");
            if (!done && !again(a))
                break;
        }
    }
}

/* Saved, and loaded into the same context: nothing is changed by failing. */
static bool save_and_load(attempt *a, skald_context *ctx)
{
    static uint8_t buffer[1 << 20];
    size_t n;
    CHECKF(skald_state_save(ctx, buffer, sizeof buffer, &n) == 0, "%s", skald_context_message(ctx));
    for (int i = 0; i < 2; i++) {
        int32_t status = skald_state_load(ctx, buffer, n);
        if (accept(a, status, skald_context_message(ctx), "skald_state_load"))
            return true;
        if (!again(a))
            break;
    }
    return false;
}

/* A turn of a chat; what it says does not count. */
static bool converse(attempt *a, skald_model *model, skald_context *ctx)
{
    static const char talk[] = "[{\"role\":\"user\",\"content\":\"abc\"}]";
    char text[256];
    const char *view;
    size_t n;
    int32_t status = -1;
    for (int i = 0; i < 2 && status < 0; i++) {
        status = skald_chat_text(model, NULL, talk, -1, text, sizeof text, &n);
        if (!accept(a, status, skald_error_message(), "skald_chat_text") && !again(a))
            return false;
    }
    status = -1;
    for (int i = 0; i < 2 && status < 0; i++) {
        status = skald_set_chat(ctx, talk, -1);
        if (!accept(a, status, skald_context_message(ctx), "skald_set_chat") && !again(a))
            return false;
    }
    do {
        status = skald_step(ctx, 50);
        if (!accept(a, status, skald_context_message(ctx), "skald_step") && !again(a))
            return false;
        while (skald_event(ctx, &view, &n) > 0)
            ;
    } while (status != SKALD_DONE);
    return true;
}

/* The life goes on in a fork, which is given its own tokens anew. */
static skald_context *branch(attempt *a, skald_model *model, skald_context *ctx, life *l)
{
    skald_context *fork = NULL;
    const int32_t *ids;
    size_t n;
    for (int i = 0; i < 2 && !fork; i++) {
        int32_t status = skald_context_fork(ctx, &fork);
        if (!accept(a, status, skald_context_message(ctx), "skald_context_fork") && !again(a))
            return ctx;
    }
    skald_context_free(ctx);
    skald_tokens(fork, &ids, &n);
    CHECK_INT(skald_set_tokens(fork, ids, n), 0);
    if (!converse(a, model, fork))
        return fork;
    for (int i = 0; i < 2; i++) {
        int32_t status = skald_set_text(fork, LIFE_PROMPT " goes on", -1);
        if (accept(a, status, skald_context_message(fork), "skald_set_text"))
            break;
        if (!again(a))
            return fork;
    }
    if (save_and_load(a, fork))
        generate(a, fork, l);
    return fork;
}

/* One life; returns whether an allocation failed in it. */
static bool attempt_life(pool *p, const char *path, const char *draft, life *l)
{
    attempt a = {.p = p};
    skald_options *o = NULL;
    skald_allocator host = {sizeof host, p, pool_alloc, pool_free};
    *l = (life){.hash = 0xCBF29CE484222325ULL};
    CHECK_INT(life_options(&o, "n_threads=2 n_ctx=128 n_batch=16 n_predict=3 seed=3", &host), 0);
    skald_model *model = load(&a, path, o);
    skald_context *ctx = NULL;
    if (model) {
        CHECK_INT(skald_options_parse(o, draft), 0);
        CHECK_INT(skald_options_set_pointer(o, "draft_model", model), 0);
        tokenise(&a, model);
        ctx = begin(&a, model, o);
    }
    if (ctx) {
        set_stop(&a, ctx);
        if (generate(&a, ctx, l))
            ctx = branch(&a, model, ctx, l);
    }
    skald_context_free(ctx);
    skald_model_release(model);
    skald_options_free(o);
    CHECKF(atomic_load(&p->live) == 0, "%ld bytes left after failing at call %ld",
           atomic_load(&p->live), p->fail_at);
    return a.failed;
}

static long walk(const char *path, const char *draft, bool for_good, const life *wanted)
{
    long k = 1;
    for (;; k++) {
        life l;
        pool p = {.fail_at = k, .for_good = for_good};
        bool failed = attempt_life(&p, path, draft, &l);
        if (!for_good)
            CHECKF(l.hash == wanted->hash && l.n_tokens == wanted->n_tokens,
                   "another result after failing once at call %ld", k);
        /* A failure may be borne (a thread fewer), but one that was not reached ends the walk. */
        if (!failed && atomic_load(&p.calls) < k)
            return k - 1;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return fprintf(stderr, "usage: test_memory MODEL\n"), 2;
    life wanted;
    pool p = {0};
    CHECK(!attempt_life(&p, argv[1], "", &wanted));
    CHECK_INT(wanted.n_tokens, 6);
    CHECK(atomic_load(&p.calls) > 0);
    static const char *const drafts[] = {"", "draft=lookup", "draft=model draft_p_min=0"};
    for (int i = 0; i < 3; i++) {
        long once = walk(argv[1], drafts[i], false, &wanted);
        long good = walk(argv[1], drafts[i], true, &wanted);
        printf("%s: %ld calls of the allocator, each failed once and for good\n", drafts[i], once);
        CHECK(once > 0 && good > 0);
    }
    return test_end();
}
