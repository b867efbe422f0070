/* SPDX-License-Identifier: MIT */
/*
 * Forks: each goes on as a context of its own would, bit for bit, whatever the others do; memory
 * grows by what differs; any order of freeing and any threads will do.
 */
#include "session_test.h"

#include <pthread.h>
#include <stdatomic.h>

static const char options[] =
    "n_predict=24 temperature=0.8 seed=5 ignore_eos=1 n_ctx=256 n_batch=40 stop=qqq";

/* A fork is taken at every point of a life, and both go on; neither shows that there is another. */
static void check_every_point(void)
{
    record wanted = reference(options);
    for (int at = 0;; at++) {
        skald_context *ctx = new_context(options), *fork = NULL;
        record r = {.hash = 1};
        int32_t status = SKALD_PENDING;
        CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
        for (int i = 0; i < at && status != SKALD_DONE; i++) {
            status = skald_step(ctx, at % 2 ? 0 : -1);
            if (status == SKALD_TOKEN)
                note_token(&r, ctx);
        }
        const char *a = "", *b = "";
        size_t n = 0, m = 0;
        CHECKF(skald_context_fork(ctx, &fork) == 0, "%s", skald_error_message());
        CHECK_INT(skald_text(ctx, &a, &n), skald_text(fork, &b, &m));
        CHECK(n == m && memcmp(a, b, n) == 0);
        CHECK_STR(reason(fork), reason(ctx));
        record first = r, second = r;
        for (int who = 0; who < 2; who++) { /* the fork goes first, or the context */
            bool is_fork = (who == 0) == (at % 3 == 0);
            record *mine = is_fork ? &second : &first, rest = run(is_fork ? fork : ctx, -1);
            for (int i = 0; i < rest.n; i++)
                mine->tokens[mine->n++] = rest.tokens[i];
            memcpy(mine->text + mine->n_text, rest.text, rest.n_text);
            mine->n_text += rest.n_text;
            mine->hash = rest.hash;
        }
        CHECKF(same(&first, &second), "point %d", at);
        CHECKF(first.n == wanted.n && memcmp(first.tokens, wanted.tokens, sizeof first.tokens) == 0,
               "point %d", at);
        CHECK(first.n_text == wanted.n_text && memcmp(first.text, wanted.text, first.n_text) == 0);
        skald_context_free(at % 2 ? ctx : fork);
        skald_context_free(at % 2 ? fork : ctx);
        if (status == SKALD_DONE)
            break;
    }
}

enum { N_BRANCHES = 6 };

/* Branches of one trunk say different things; some are cut back, set anew, forked again. */
static void check_branches(void)
{
    skald_context *trunk = new_context(options), *branch[N_BRANCHES];
    record alone[N_BRANCHES];
    CHECK_INT(skald_append_text(trunk, prompt, -1), 0);
    CHECK_INT(skald_context_set_int(trunk, "n_predict", 0), 0);
    run(trunk, -1);
    int64_t n_trunk = figure(trunk, "n_tokens");
    for (int i = 0; i < N_BRANCHES; i++) {
        char more[20];
        snprintf(more, sizeof more, "branch %d says", i);
        skald_context *fresh = new_context(options);
        CHECK_INT(skald_append_text(fresh, prompt, -1), 0);
        CHECK_INT(skald_append_text(fresh, more, -1), 0);
        CHECK_INT(skald_context_set_int(fresh, "seed", i), 0);
        alone[i] = run(fresh, -1);
        skald_context_free(fresh);
        CHECK_INT(skald_context_fork(i == 4 ? branch[2] : trunk, &branch[i]), 0);
        CHECK_INT(skald_context_set_int(branch[i], "n_predict", 24), 0);
        CHECK_INT(skald_context_set_int(branch[i], "seed", i), 0);
        CHECK_INT(skald_truncate(branch[i], n_trunk - (i == 3)), 0);
        if (i == 3) { /* back to where it was, by the last token of the trunk */
            const int32_t *ids;
            size_t n;
            skald_tokens(trunk, &ids, &n);
            CHECK_INT(skald_set_tokens(branch[i], ids, n), 0);
        }
        CHECK_INT(skald_append_text(branch[i], more, -1), 0);
        if (i == 1)
            skald_step(branch[i], 0);
    }
    for (int i = 0; i < N_BRANCHES; i++)
        CHECK_INT(figure(branch[i], "n_prompt"), 0);
    record got[N_BRANCHES];
    bool finished[N_BRANCHES] = {false};
    for (int i = 0; i < N_BRANCHES; i++)
        got[i] = (record){.hash = 1};
    for (int n_left = N_BRANCHES; n_left > 0;) { /* in one batch */
        skald_context *some[N_BRANCHES];
        int32_t status[N_BRANCHES];
        int index[N_BRANCHES], n = 0;
        for (int i = 0; i < N_BRANCHES; i++)
            if (!finished[i]) {
                index[n] = i;
                some[n++] = branch[i];
            }
        CHECK(skald_step_many(some, (size_t)n, 300, status) >= 0);
        for (int i = 0; i < n; i++) {
            if (status[i] == SKALD_TOKEN)
                note_token(&got[index[i]], some[i]);
            finished[index[i]] = status[i] <= 0;
            n_left -= finished[index[i]];
        }
    }
    for (int i = 0; i < N_BRANCHES; i++)
        CHECKF(same(&alone[i], &got[i]), "branch %d", i);
    skald_context_free(trunk);
    for (int i = 0; i < N_BRANCHES; i++)
        skald_context_free(branch[(i + 2) % N_BRANCHES]);
}

typedef struct ledger {
    _Atomic int64_t live, blocks;
} ledger;

static void *ledger_alloc(void *user, size_t size, size_t align)
{
    ledger *l = user;
    atomic_fetch_add(&l->live, (int64_t)size);
    atomic_fetch_add(&l->blocks, 1);
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void ledger_free(void *user, void *pointer, size_t size)
{
    ledger *l = user;
    atomic_fetch_sub(&l->live, (int64_t)size);
    atomic_fetch_sub(&l->blocks, 1);
    free(pointer);
}

static skald_context *counted_context(ledger *l, const char *text)
{
    skald_allocator host = {sizeof host, l, ledger_alloc, ledger_free};
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    skald_options_new(&o);
    CHECK_INT(skald_options_set_pointer(o, "allocator", &host), 0);
    CHECK_INT(skald_options_parse(o, text), 0);
    CHECKF(skald_context_new(model, o, &ctx) == 0, "%s", skald_error_message());
    skald_options_free(o);
    return ctx;
}

/* Bytes of the cache for one token. */
static int64_t token_bytes(void)
{
    return TINY_LAYERS * TINY_KV_HEADS * (TINY_EMBD / TINY_HEADS) * 2 * 2;
}

static void check_memory(void)
{
    ledger l = {0};
    int32_t ids[185];
    for (int i = 0; i < 185; i++)
        ids[i] = 3 + i;
    skald_context *ctx = counted_context(&l, "n_ctx=1000 n_predict=0 n_batch=16"), *fork[3];
    CHECK_INT(skald_append_tokens(ctx, ids, 185), 0);
    run(ctx, -1);
    int64_t block = figure(ctx, "cache_size") / 3, before = l.live;
    CHECK(block >= 64 * token_bytes() && block < 64 * token_bytes() + 1000);
    CHECK_INT(figure(ctx, "memory_live"), before);
    CHECK_INT(skald_context_fork(ctx, &fork[0]), 0);
    int64_t fixed = l.live - before;
    CHECK(fixed > 0 && fixed < 1000 * 4 + TINY_VOCAB * 40 + 8000); /* tokens, logits, sampler */
    CHECK_INT(figure(fork[0], "memory_live"), l.live);
    CHECK_INT(figure(fork[0], "cache_size"), figure(ctx, "cache_size"));
    CHECK_INT(skald_context_fork(ctx, &fork[1]), 0);
    CHECK_INT(skald_context_fork(fork[1], &fork[2]), 0);
    CHECK_INT(l.live, before + 3 * fixed);
    /* The first to write to the last block takes a copy; workspaces come on top, once each. */
    CHECK_INT(skald_append_tokens(fork[0], ids, 1), 0);
    CHECK_INT(skald_append_tokens(fork[1], ids, 10), 0);
    skald_context *pair[] = {ctx, fork[0]};
    int32_t status[2];
    CHECK_INT(skald_append_tokens(ctx, ids, 1), 0);
    CHECK_INT(skald_step_many(pair, 2, -1, status), 0); /* ctx has the workspace */
    CHECK_INT(l.live, before + 3 * fixed + 2 * (block + 64));
    pair[1] = fork[1];
    CHECK_INT(skald_append_tokens(ctx, ids, 1), 0);
    CHECK_INT(skald_step_many(pair, 2, -1, status), 0);
    CHECK_INT(l.live, before + 3 * fixed + 4 * (block + 64)); /* a copy and a new block */
    skald_context_free(ctx);
    skald_context_free(fork[1]);
    CHECK_INT(figure(fork[2], "n_evaluated"), 185);
    CHECK_INT(skald_truncate(fork[2], 100), 0);
    run(fork[2], -1); /* sole user of what it needs, again */
    skald_context_free(fork[0]);
    CHECK(figure(fork[2], "memory_live") == l.live && l.live > 0);
    skald_context_free(fork[2]);
    CHECK_INT(l.live, 0);
    CHECK_INT(l.blocks, 0);
}

/* The limit is that of all forks together, and running into it breaks nothing. */
static void check_limit(void)
{
    ledger l = {0};
    skald_context *ctx = counted_context(&l, "n_ctx=256 n_predict=0"), *fork[40];
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    run(ctx, -1);
    char text[100];
    int64_t used = l.live;
    skald_context_free(ctx);
    snprintf(text, sizeof text, "n_ctx=256 n_predict=0 max_memory=%lld", (long long)used + 60000);
    ctx = counted_context(&l, text);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    run(ctx, -1);
    int n = 0;
    while (n < 40 && skald_context_fork(ctx, &fork[n]) == 0)
        n++;
    CHECK(n > 0 && n < 40 && !fork[n]);
    CHECK(strstr(skald_context_message(ctx), "max_memory") != NULL);
    CHECK_INT(skald_append_text(fork[0], "and more", -1), 0);
    CHECK_INT(skald_step(fork[0], -1), SKALD_E_MEMORY);
    for (int i = 1; i < n; i++)
        skald_context_free(fork[i]);
    skald_context_free(ctx);
    CHECK_INT(skald_step(fork[0], -1), SKALD_DONE);
    skald_context_free(fork[0]);
    CHECK_INT(l.live, 0);
}

enum { N_THREADS = 6 };

typedef struct worker {
    pthread_t thread;
    skald_context *ctx;
    record got;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    skald_context *fork = NULL;
    CHECK_INT(skald_append_text(w->ctx, " goes on", -1), 0);
    CHECK_INT(skald_context_fork(w->ctx, &fork), 0);
    skald_context_free(w->ctx);
    w->got = run(fork, 100);
    skald_context_free(fork);
    return NULL;
}

static void check_threads(void)
{
    static worker workers[N_THREADS];
    skald_context *trunk = new_context(options), *fresh = new_context(options);
    CHECK_INT(skald_append_text(fresh, prompt, -1), 0);
    CHECK_INT(skald_append_text(fresh, " goes on", -1), 0);
    record wanted = run(fresh, -1);
    CHECK_INT(skald_append_text(trunk, prompt, -1), 0);
    skald_step(trunk, -1);
    CHECK_INT(skald_truncate(trunk, figure(trunk, "n_tokens") - 1), 0);
    for (int i = 0; i < N_THREADS; i++)
        CHECK_INT(skald_context_fork(trunk, &workers[i].ctx), 0);
    for (int i = 0; i < N_THREADS; i++)
        CHECK_INT(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    CHECK_INT(skald_append_text(trunk, " goes on", -1), 0);
    record mine = run(trunk, -1);
    skald_context_free(trunk);
    CHECK(same(&mine, &wanted));
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        CHECKF(same(&workers[i].got, &wanted), "thread %d", i);
    }
    skald_context_free(fresh);
}

static void check_arguments(void)
{
    skald_context *ctx = new_context("n_ctx=64"), *fork = ctx;
    CHECK_INT(skald_context_fork(ctx, NULL), SKALD_E_ARGUMENT);
    CHECK_INT(skald_context_fork(NULL, &fork), SKALD_E_ARGUMENT);
    CHECK(fork == NULL);
    CHECK_INT(skald_context_fork(ctx, &fork), 0); /* an empty one is as good */
    CHECK_INT(skald_step(fork, -1), SKALD_E_STATE);
    skald_context_free(ctx);
    skald_context_free(fork);
}

int main(void)
{
    for (int recurrent = 0; recurrent < 2; recurrent++) {
        open_model(77, recurrent);
        check_every_point();
        check_branches();
        check_threads();
        check_arguments();
        if (!recurrent) {
            check_memory();
            check_limit();
        }
        close_model();
    }
    return test_end();
}
