/* SPDX-License-Identifier: MIT */
/*
 * Setting all tokens of a context: whatever it held before, the outcome is that of a context that
 * was given the same tokens when it was empty, bit for bit, and what both share is not evaluated.
 */
#include "session_test.h"

enum {
    MAX_TOKENS = 400,
    GAP = 16 /* tokens between what recurrent layers keep, at most, at a turn */
};

static const char options[] = "n_predict=8 temperature=0.8 seed=5 ignore_eos=1 n_ctx=512 n_batch=9";

static record alone(const int32_t *ids, size_t n)
{
    skald_context *ctx = new_context(options);
    CHECK_INT(skald_append_tokens(ctx, ids, n), 0);
    record r = run(ctx, -1);
    skald_context_free(ctx);
    return r;
}

/* The tokens that the context holds and the first n share, from the beginning on. */
static int64_t shared_prefix(const skald_context *ctx, const int32_t *ids, size_t n)
{
    const int32_t *old;
    size_t n_old, i = 0;
    CHECK_INT(skald_tokens(ctx, &old, &n_old), 0);
    while (i < n && i < n_old && ids[i] == old[i])
        i++;
    return (int64_t)i;
}

/* Sets, and checks what is said about it. */
static void set_and_check(skald_context *ctx, const int32_t *ids, size_t n)
{
    int64_t shared = shared_prefix(ctx, ids, n), evaluated = figure(ctx, "n_evaluated");
    int64_t n_old = figure(ctx, "n_tokens"), wanted = shared < evaluated ? shared : evaluated;
    if (shared == (int64_t)n && shared < n_old && wanted == shared && shared > 0)
        wanted = shared - 1; /* the last token is evaluated again for its logits */
    CHECK_INT(skald_set_tokens(ctx, ids, n), 0);
    int64_t reused = figure(ctx, "n_reused");
    CHECK(file.recurrent ? reused <= wanted : reused == wanted);
    CHECK_INT(figure(ctx, "n_evaluated"), reused);
    CHECK_INT(figure(ctx, "n_tokens"), n);
    CHECK_STR(reason(ctx), "none");
}

static void check_random_edits(void)
{
    skald_context *ctx = new_context(options);
    uint64_t random = 4;
    int32_t ids[MAX_TOKENS];
    size_t n = 30;
    for (size_t i = 0; i < MAX_TOKENS; i++)
        ids[i] = (int32_t)(3 + test_random(&random) % (TINY_VOCAB - 3));
    for (int round = 0; round < 60; round++) {
        size_t at = test_random(&random) % (n + 1);
        int32_t token = (int32_t)(3 + test_random(&random) % (TINY_VOCAB - 3));
        if (round % 3 == 0 && at < n)
            ids[at] = token;
        else if (round % 3 == 1)
            n = 1 + test_random(&random) % (MAX_TOKENS - 1);
        set_and_check(ctx, ids, n);
        if (round % 7 == 5) { /* set again in the middle of the work */
            for (int i = 0; i < 40; i++)
                skald_step(ctx, 0);
            set_and_check(ctx, ids, n);
        }
        int64_t before = figure(ctx, "n_prompt"), reused = figure(ctx, "n_reused");
        record r = run(ctx, round % 2 ? -1 : 20), wanted = alone(ids, n);
        CHECKF(same(&r, &wanted), "round %d", round);
        CHECK_INT(figure(ctx, "n_prompt") - before, (int64_t)n - reused);
    }
    skald_context_free(ctx);
}

/* The second turn of a chat: prompt, answer and new prompt are given as one. */
static void check_second_turn(void)
{
    skald_context *ctx = new_context(options);
    const int32_t *view;
    int32_t ids[MAX_TOKENS];
    size_t n;
    CHECK_INT(skald_set_text(ctx, prompt, -1), 0);
    CHECK_INT(figure(ctx, "n_reused"), 0);
    run(ctx, -1);
    CHECK_INT(skald_tokens(ctx, &view, &n), 0);
    memcpy(ids, view, n * sizeof *ids);
    int64_t evaluated = figure(ctx, "n_evaluated"), n_prompt = figure(ctx, "n_prompt");
    for (int i = 0; i < 5; i++)
        ids[n++] = 40 + i;
    CHECK_INT(skald_set_tokens(ctx, ids, n), 0);
    CHECK_INT(figure(ctx, "n_reused"), evaluated);
    record r = run(ctx, -1), wanted = alone(ids, n);
    CHECK(same(&r, &wanted));
    CHECK_INT(figure(ctx, "n_prompt") - n_prompt, (int64_t)n - evaluated);
    skald_context_free(ctx);
}

static void check_text(void)
{
    skald_context *ctx = new_context(options), *fresh = new_context(options);
    CHECK_INT(skald_append_text(ctx, "something else before", -1), 0);
    run(ctx, -1);
    CHECK_INT(skald_set_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_append_text(fresh, prompt, -1), 0);
    const int32_t *a, *b;
    size_t n, m;
    skald_tokens(ctx, &a, &n);
    skald_tokens(fresh, &b, &m);
    CHECK(n == m && n > 0 && memcmp(a, b, n * sizeof *a) == 0);
    record r = run(ctx, -1), wanted = run(fresh, -1);
    CHECK(same(&r, &wanted));
    /* The same again: all that was evaluated but the last token. */
    CHECK_INT(skald_set_text(ctx, prompt, -1), 0);
    int64_t reused = figure(ctx, "n_reused");
    CHECK(file.recurrent ? reused < (int64_t)n && reused >= (int64_t)n - GAP
                         : reused == (int64_t)n - 1);
    r = run(ctx, -1);
    CHECK(same(&r, &wanted));
    skald_context_free(fresh);
    skald_context_free(ctx);
}

/* Recurrent layers can go back to where turns began: the last message edited, the reply to it made
 * again, the message before. */
static void check_going_back(void)
{
    skald_context *ctx = new_context(options);
    uint64_t random = 9;
    int32_t ids[MAX_TOKENS];
    int64_t turn[4];
    for (size_t i = 0; i < MAX_TOKENS; i++)
        ids[i] = (int32_t)(3 + test_random(&random) % (TINY_VOCAB - 3));
    for (int i = 0; i < 3; i++) {
        turn[i] = figure(ctx, "n_tokens");
        CHECK_INT(skald_append_tokens(ctx, ids + 100 * i, 100), 0);
        run(ctx, -1);
    }
    turn[3] = turn[2] + 100; /* the last reply */
    const int32_t *view;
    size_t n;
    CHECK_INT(skald_tokens(ctx, &view, &n), 0);
    memcpy(ids, view, n * sizeof *ids);
    for (int i = 3; i > 0; i--) {
        ids[turn[i]] = ids[turn[i]] == 7 ? 8 : 7;
        CHECK_INT(skald_set_tokens(ctx, ids, n), 0);
        int64_t reused = figure(ctx, "n_reused");
        CHECKF(reused <= turn[i] && reused >= turn[i] - GAP, "turn %d at %d: %d reused", i,
               (int)turn[i], (int)reused);
        record r = run(ctx, -1), wanted = alone(ids, n);
        CHECK(same(&r, &wanted));
    }
    skald_context_free(ctx);
}

static void check_failures(void)
{
    skald_context *ctx = new_context("n_predict=8 temperature=0 ignore_eos=1 n_ctx=150");
    int32_t ids[MAX_TOKENS] = {0};
    char text[400];
    memset(text, 'b', sizeof text);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    run(ctx, -1);
    int64_t n = figure(ctx, "n_tokens"), evaluated = figure(ctx, "n_evaluated");
    CHECK_INT(skald_set_tokens(ctx, ids, 151), SKALD_E_CONTEXT_FULL);
    CHECK(strstr(skald_context_message(ctx), "150") != NULL);
    ids[20] = TINY_VOCAB;
    CHECK_INT(skald_set_tokens(ctx, ids, 30), SKALD_E_ARGUMENT);
    CHECK_INT(skald_set_text(ctx, text, sizeof text), SKALD_E_CONTEXT_FULL);
    CHECK_INT(skald_set_tokens(ctx, NULL, 1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_set_text(ctx, NULL, 1), SKALD_E_ARGUMENT);
    CHECK_INT(figure(ctx, "n_tokens"), n);
    CHECK_INT(figure(ctx, "n_evaluated"), evaluated);
    CHECK_STR(reason(ctx), "length");
    /* A part of its own tokens moves to the front. */
    const int32_t *view;
    size_t n_view;
    skald_tokens(ctx, &view, &n_view);
    memcpy(ids, view, n_view * sizeof *ids);
    CHECK_INT(skald_set_tokens(ctx, view + 7, n_view - 7), 0);
    skald_tokens(ctx, &view, &n_view);
    CHECK(memcmp(view, ids + 7, n_view * sizeof *ids) == 0);
    CHECK_INT(skald_set_tokens(ctx, NULL, 0), 0);
    CHECK_INT(figure(ctx, "n_tokens"), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_E_STATE);
    skald_context_free(ctx);
}

int main(void)
{
    for (int recurrent = 0; recurrent < 2; recurrent++) {
        open_model(31, recurrent);
        check_random_edits();
        check_second_turn();
        check_text();
        check_failures();
        if (recurrent)
            check_going_back();
        close_model();
    }
    return test_end();
}
