/* SPDX-License-Identifier: MIT */
/*
 * Taking tokens out of the middle, by the host and because the context is full. Evaluated again,
 * the logits are those of a fresh context with the same tokens, bit for bit; moved, they are the
 * same however the work was sliced, batched, threaded, on every tier, and across save, load and
 * fork.
 */
#define TINY_N_HEADS 2 /* heads that are whole blocks of q8_0 */
#include "session_test.h"

enum { N_CTX = 150 };

/* The bits of the last logits, as one number. */
static uint64_t logits_hash(const skald_context *ctx)
{
    const float *logits;
    size_t n;
    uint64_t hash = 1;
    CHECKF(skald_logits(ctx, -1, &logits, &n) == 0, "%s", skald_error_message());
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &logits[i], 4);
        hash = (hash ^ bits) * 0x100000001B3ULL;
    }
    return hash;
}

/* What a context that is given these tokens at once makes of them. */
static uint64_t fresh_hash(const int32_t *ids, size_t n)
{
    skald_context *ctx = new_context("n_ctx=512 n_predict=0 n_batch=64");
    CHECK_INT(skald_append_tokens(ctx, ids, n), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_DONE);
    uint64_t hash = logits_hash(ctx);
    skald_context_free(ctx);
    return hash;
}

/* Steps to the next token or end. */
static int32_t advance(skald_context *ctx, int64_t budget)
{
    int32_t status;
    while ((status = skald_step(ctx, budget)) == SKALD_PENDING)
        ;
    return status;
}

/* Each token's logits follow from the tokens that are there: never more than n_ctx, the first kept.
 */
static void check_drop_exact(void)
{
    skald_context *ctx =
        new_context("n_ctx=150 n_predict=400 when_full=drop n_keep=7 ignore_eos=1");
    const int32_t *ids;
    int32_t first[7], before[N_CTX];
    const char *text;
    size_t n, n_text, n_before = 0;
    int64_t at, dropped, told = 0, n_events = 0;
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_tokens(ctx, &ids, &n), 0);
    memcpy(first, ids, sizeof first);
    for (int i = 0; i < 400; i++) {
        CHECK_INT(advance(ctx, i % 3 ? -1 : 30), SKALD_TOKEN);
        CHECK_INT(skald_tokens(ctx, &ids, &n), 0);
        CHECK(n <= N_CTX && memcmp(ids, first, sizeof first) == 0);
        if (i % 16 == 0 || n < n_before)
            CHECK(logits_hash(ctx) == fresh_hash(ids, n - 1));
        int kind = skald_event(ctx, &text, &n_text);
        if (kind == SKALD_EVENT_DROPPED) {
            long long a, b;
            CHECK(sscanf(text, "{\"at\": %lld, \"n\": %lld}", &a, &b) == 2);
            CHECK(n_text == strlen(text));
            at = a;
            dropped = b;
            told += dropped;
            n_events++;
            CHECK(at == 7 && dropped == (N_CTX - 7) / 2);
            CHECK(n_before == N_CTX && n == n_before - (size_t)dropped + 1);
            CHECK(memcmp(ids + at, before + at + dropped, (n - 1 - (size_t)at) * sizeof *ids) == 0);
        } else {
            CHECK_INT(n, i == 0 ? n : n_before + 1);
        }
        memcpy(before, ids, n * sizeof *ids);
        n_before = n;
    }
    CHECK(n_events > 3);
    CHECK_INT(figure(ctx, "n_dropped"), told);
    CHECK_INT(figure(ctx, "n_exact"), figure(ctx, "n_evaluated"));
    CHECK_INT(advance(ctx, -1), SKALD_DONE);
    CHECK_STR(reason(ctx), "length");
    skald_context_free(ctx);
}

static void check_stop_and_error(void)
{
    skald_context *ctx = new_context("n_ctx=40 ignore_eos=1 temperature=0");
    int32_t ids[41] = {5};
    CHECK_INT(skald_append_tokens(ctx, ids, 30), 0);
    record r = run(ctx, -1);
    CHECK_INT(r.n, 10);
    CHECK_STR(reason(ctx), "context");
    CHECK_INT(skald_append_tokens(ctx, ids, 1), SKALD_E_CONTEXT_FULL);
    CHECK_INT(skald_context_set_string(ctx, "when_full", "error"), 0);
    CHECK_INT(skald_truncate(ctx, 30), 0);
    int n = 0;
    int32_t status;
    while ((status = advance(ctx, -1)) == SKALD_TOKEN)
        n++;
    CHECK_INT(n, 10);
    CHECK_INT(status, SKALD_E_CONTEXT_FULL);
    CHECK(strstr(skald_context_message(ctx), "40") != NULL);
    CHECK_INT(skald_step(ctx, -1), SKALD_E_CONTEXT_FULL);
    /* The same context drops when it is told to; where nothing may go, it stops. */
    CHECK_INT(skald_context_set_string(ctx, "when_full", "drop"), 0);
    CHECK_INT(advance(ctx, -1), SKALD_TOKEN);
    CHECK_INT(figure(ctx, "n_dropped"), 20);
    CHECK_INT(skald_context_set_int(ctx, "n_keep", 100), 0);
    while ((status = advance(ctx, -1)) == SKALD_TOKEN)
        ;
    CHECK_INT(status, SKALD_DONE);
    CHECK_STR(reason(ctx), "context");
    CHECK_INT(figure(ctx, "n_tokens"), 40);
    CHECK_INT(skald_context_set_string(ctx, "when_full", "burn"), SKALD_E_OPTION);
    skald_context_free(ctx);
}

/* Appending drops what is in the way, and refuses what cannot fit. */
static void check_append(const char *shift)
{
    char options[128], text[400];
    snprintf(options, sizeof options, "n_ctx=100 n_predict=2 when_full=drop n_keep=10 shift=%s",
             shift);
    skald_context *ctx = new_context(options);
    int32_t ids[200];
    const int32_t *view;
    size_t n;
    for (int i = 0; i < 200; i++)
        ids[i] = 3 + i;
    CHECK_INT(skald_append_tokens(ctx, ids, 101), SKALD_E_CONTEXT_FULL);
    CHECK_INT(skald_append_tokens(ctx, ids, 90), 0);
    run(ctx, -1);
    CHECK_INT(skald_append_tokens(ctx, ids + 100, 91), SKALD_E_CONTEXT_FULL);
    CHECK_INT(figure(ctx, "n_tokens"), 92);
    CHECK_INT(skald_append_tokens(ctx, ids + 100, 10), 0); /* 41, half of the 82 */
    CHECK_INT(figure(ctx, "n_tokens"), 61);
    CHECK_INT(figure(ctx, "n_dropped"), 41);
    CHECK_INT(skald_append_tokens(ctx, ids + 110, 88), 0); /* 49 are in the way */
    CHECK_INT(figure(ctx, "n_tokens"), 100);
    CHECK_INT(skald_tokens(ctx, &view, &n), 0);
    CHECK(memcmp(view, ids, 10 * sizeof *ids) == 0);
    CHECK(memcmp(view + 12, ids + 110, 88 * sizeof *ids) == 0);
    /* Its own tokens, which move away under the argument. */
    int32_t own[30];
    memcpy(own, view + 60, sizeof own);
    CHECK_INT(skald_append_tokens(ctx, view + 60, 30), 0);
    CHECK_INT(skald_tokens(ctx, &view, &n), 0);
    CHECK(n == 85 && memcmp(view + 55, own, sizeof own) == 0);
    memset(text, 'b', sizeof text);
    CHECK_INT(skald_append_text(ctx, text, 300), SKALD_E_CONTEXT_FULL);
    CHECK_INT(figure(ctx, "n_tokens"), 85);
    CHECK_INT(skald_append_text(ctx, text, 40), 0);
    CHECK(figure(ctx, "n_tokens") < 100);
    CHECK_INT(skald_set_tokens(ctx, ids, 101), SKALD_E_CONTEXT_FULL);
    CHECK_INT(skald_set_tokens(ctx, ids, 50), 0);
    CHECK_INT(figure(ctx, "n_dropped"), 0);
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 0), 0);
    CHECK_INT(advance(ctx, -1), SKALD_DONE);
    CHECK(logits_hash(ctx) == fresh_hash(ids, 50)); /* also where the first had been moved */
    skald_context_free(ctx);
}

/* Random deletions, insertions and replacements, some in the middle of the work. */
static void check_splice(void)
{
    skald_context *ctx = new_context("n_ctx=512 n_predict=0 n_batch=17");
    uint64_t random = 77;
    int32_t ids[512], fresh[40];
    const int32_t *view;
    size_t n = 300, n_view;
    for (size_t i = 0; i < 512; i++)
        ids[i] = (int32_t)(3 + test_random(&random) % (TINY_VOCAB - 3));
    CHECK_INT(skald_append_tokens(ctx, ids, n), 0);
    for (int round = 0; round < 60; round++) {
        if (round % 3 == 0)
            CHECK_INT(advance(ctx, -1), SKALD_DONE);
        else
            skald_step(ctx, 100);
        size_t at = test_random(&random) % (n + 1), gone = test_random(&random) % 30;
        size_t more = round % 2 ? 0 : test_random(&random) % 40;
        gone = gone < n - at ? gone : n - at;
        more = n - gone + more <= 512 ? more : 0;
        for (size_t i = 0; i < more; i++)
            fresh[i] = i == 0 && at < n ? ids[at] : (int32_t)(3 + test_random(&random) % 200);
        CHECK_INT(skald_splice(ctx, (int64_t)at, (int64_t)gone, fresh, more), 0);
        memmove(ids + at + more, ids + at + gone, (n - at - gone) * sizeof *ids);
        memcpy(ids + at, fresh, more * sizeof *ids);
        n = n - gone + more;
        CHECK_INT(skald_tokens(ctx, &view, &n_view), 0);
        CHECK(n_view == n && memcmp(view, ids, n * sizeof *ids) == 0);
        CHECK(figure(ctx, "n_reused") <= (int64_t)at + (more > 0));
        if (n == 0)
            break;
        CHECK_INT(advance(ctx, -1), SKALD_DONE);
        CHECKF(logits_hash(ctx) == fresh_hash(ids, n), "round %d", round);
    }
    CHECK_INT(skald_splice(ctx, -1, 0, NULL, 0), SKALD_E_ARGUMENT);
    CHECK_INT(skald_splice(ctx, (int64_t)n + 1, 0, NULL, 0), SKALD_E_ARGUMENT);
    CHECK_INT(skald_splice(ctx, 0, (int64_t)n + 1, NULL, 0), SKALD_E_ARGUMENT);
    CHECK_INT(skald_splice(ctx, 0, -1, NULL, 0), SKALD_E_ARGUMENT);
    CHECK_INT(skald_splice(ctx, 0, 0, NULL, 1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_splice(ctx, 0, 0, ids, 513 - n), SKALD_E_CONTEXT_FULL);
    fresh[0] = TINY_VOCAB;
    CHECK_INT(skald_splice(ctx, 1, 2, fresh, 1), SKALD_E_ARGUMENT);
    CHECK_INT(figure(ctx, "n_tokens"), n);
    CHECK_INT(skald_splice(ctx, 0, (int64_t)n, NULL, 0), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_E_STATE);
    skald_context_free(ctx);
}

/* ---- Moving ---------------------------------------------------------------------------------- */

/* A long generation that drops several times, with an edit and an appended text between. */
static record moving_life(const char *more, int64_t budget)
{
    char options[256];
    snprintf(options, sizeof options,
             "n_ctx=150 when_full=drop n_keep=7 ignore_eos=1 seed=4 n_predict=200 shift=rotate %s",
             more);
    skald_context *ctx = new_context(options);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    record a = run(ctx, budget);
    CHECK(figure(ctx, "n_dropped") > 0);
    CHECK_INT(skald_splice(ctx, 20, 11, NULL, 0), 0);
    skald_step(ctx, budget); /* perhaps in the middle of the move */
    CHECK_INT(skald_append_text(ctx, "abc the soothes on and on", -1), 0);
    CHECK_INT(skald_append_text(ctx, prompt, 80), 0);
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 130), 0);
    record b = run(ctx, budget);
    b.hash ^= a.hash * 31;
    skald_context_free(ctx);
    return b;
}

/* A step between an edit and what is appended generates, unless it is cut off at once: so lives
 * that are to be compared all take one of the smallest pieces there. */
static void check_same_bits(void)
{
    static const char *const ways[] = {"n_batch=1", "n_batch=7", "n_batch=150 logits_all=1"};
    record wanted = moving_life("", 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        record r = moving_life(ways[i], 0);
        CHECKF(same(&r, &wanted), "%s", ways[i]);
    }
}

/* A drop in the middle of generation: sliced in any way, on any tier. */
static record dropping(skald_model *of, const char *type, int64_t budget)
{
    char options[200];
    skald_model *kept = model;
    snprintf(options, sizeof options,
             "n_ctx=150 when_full=drop n_keep=7 ignore_eos=1 seed=4 n_predict=300 shift=rotate "
             "cache_type_k=%s cache_type_v=%s n_batch=20",
             type, type);
    model = of;
    skald_context *ctx = new_context(options);
    model = kept;
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    record r = run(ctx, budget);
    CHECK(figure(ctx, "n_dropped") >= 2 * 71);
    if (figure(ctx, "can_shift"))
        CHECK_INT(figure(ctx, "n_exact"), 7);
    else
        CHECK_INT(figure(ctx, "n_exact"), figure(ctx, "n_evaluated"));
    skald_context_free(ctx);
    return r;
}

static void check_tiers(void)
{
    static const char *const types[] = {"f32", "f16", "bf16", "q8_0"};
    static const char *const tiers[] = {"c", "sse2", "avx2"};
    for (size_t t = 0; t < 4; t++) {
        record wanted = dropping(model, types[t], -1), r = dropping(model, types[t], 0);
        CHECKF(same(&r, &wanted), "%s in slices", types[t]);
        for (size_t i = 0; i < 3; i++) {
            char options[64];
            snprintf(options, sizeof options, "n_threads=%d cpu=%s", (int)i + 1, tiers[i]);
            skald_model *other = tiny_load(&file, options);
            if (!other)
                continue; /* not of this machine */
            r = dropping(other, types[t], 50);
            CHECKF(same(&r, &wanted), "%s on %s", types[t], tiers[i]);
            skald_model_release(other);
        }
    }
}

/* What is moved is not evaluated again, and is nearly what evaluating gives. */
static void check_moved(void)
{
    skald_context *ctx =
        new_context("n_ctx=512 n_predict=1 shift=rotate temperature=0 ignore_eos=1");
    int32_t ids[200];
    for (int i = 0; i < 200; i++)
        ids[i] = 3 + i;
    CHECK_INT(skald_append_tokens(ctx, ids, 200), 0);
    CHECK_INT(advance(ctx, -1), SKALD_TOKEN);
    int64_t n_prompt = figure(ctx, "n_prompt");
    CHECK_INT(skald_splice(ctx, 60, 100, NULL, 0), 0);
    int64_t reused = figure(ctx, "n_reused");
    CHECK(file.recurrent ? reused <= 60 : reused == 100);
    CHECK_INT(figure(ctx, "can_shift"), !file.recurrent);
    CHECK_INT(advance(ctx, -1), SKALD_TOKEN);
    CHECK_INT(figure(ctx, "n_prompt") - n_prompt, 101 - reused);
    /* Where nothing is known of a prompt yet, nothing can be moved. */
    CHECK_INT(skald_set_tokens(ctx, ids, 150), 0);
    skald_step(ctx, 0);
    CHECK_INT(skald_splice(ctx, 10, 10, NULL, 0), 0);
    CHECK(figure(ctx, "n_reused") <= 60);
    skald_context_free(ctx);
}

/* Steps by the smallest piece; whether tokens were dropped, and perhaps are being moved. */
static bool step_into_drop(skald_context *ctx, record *r, int32_t *status)
{
    int64_t before = figure(ctx, "n_dropped");
    *status = skald_step(ctx, 0);
    if (*status == SKALD_TOKEN)
        note_token(r, ctx);
    return figure(ctx, "n_dropped") > before;
}

/* Saved and loaded, or forked, at every token and in the middle of a drop, a life goes on as it
 * would.
 */
static void check_save_and_fork(void)
{
    static uint8_t buffer[1 << 20];
    const char *options = "n_ctx=100 when_full=drop n_keep=3 ignore_eos=1 seed=9 n_predict=150 "
                          "shift=rotate n_batch=16";
    skald_context *ctx = new_context(options), *other = new_context(options);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    record wanted = run(ctx, -1), r = {.hash = 1};
    CHECK_INT(skald_set_text(ctx, prompt, -1), 0);
    int32_t status;
    do {
        bool dropped = step_into_drop(ctx, &r, &status);
        if (!dropped && status != SKALD_TOKEN)
            continue;
        size_t n;
        skald_context *next = other;
        if (figure(ctx, "n_tokens") % 2) {
            CHECK_INT(skald_state_save(ctx, buffer, sizeof buffer, &n), 0);
            CHECK_INT(skald_state_load(next, buffer, n), 0);
            other = ctx;
        } else {
            CHECK_INT(skald_context_fork(ctx, &next), 0);
            skald_step(ctx, 0);
            skald_context_free(ctx);
        }
        ctx = next;
    } while (status != SKALD_DONE);
    CHECK(same(&r, &wanted));
    CHECK(figure(ctx, "n_dropped") > 48);
    skald_context_free(ctx);
    skald_context_free(other);
}

/* A cancellation in the middle of a drop. */
static void check_cancel(void)
{
    skald_context *ctx =
        new_context("n_ctx=100 when_full=drop ignore_eos=1 seed=9 n_predict=150 shift=rotate");
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    record wanted = run(ctx, -1), r = {.hash = 1};
    int32_t status;
    CHECK_INT(skald_set_text(ctx, prompt, -1), 0);
    do {
        if (step_into_drop(ctx, &r, &status) || status == SKALD_TOKEN) {
            skald_cancel(ctx);
            CHECK_INT(skald_step(ctx, -1), SKALD_E_CANCELLED);
        }
    } while (status != SKALD_DONE);
    CHECK(same(&r, &wanted));
    skald_context_free(ctx);
}

/* What a grammar has read is not dropped. */
static void check_grammar(void)
{
    skald_context *ctx =
        new_context("n_ctx=100 when_full=drop n_keep=5 seed=9 grammar='root ::= [abc]{300}'");
    int32_t ids[60];
    for (int i = 0; i < 60; i++)
        ids[i] = 3 + i;
    CHECK_INT(skald_append_tokens(ctx, ids, 60), 0);
    record r = run(ctx, -1);
    int64_t dropped = figure(ctx, "n_dropped");
    CHECK_STR(reason(ctx), "context");
    CHECK(dropped > 50 && dropped <= 55); /* all but the last of the prompt behind the kept */
    CHECK_INT(r.n, 100 - 60 + dropped);
    CHECK_INT(strspn(r.text, "abc"), r.n_text);
    skald_context_free(ctx);
}

int main(void)
{
    for (int recurrent = 0; recurrent < 2; recurrent++) {
        open_model(31, recurrent);
        check_drop_exact();
        check_stop_and_error();
        check_append("recompute");
        check_append("rotate");
        check_splice();
        check_same_bits();
        check_tiers();
        check_moved();
        check_save_and_fork();
        check_cancel();
        check_grammar();
        close_model();
    }
    return test_end();
}
