/* SPDX-License-Identifier: MIT */
/*
 * Contexts through the public interface: what a host relies on. That slices, splits, cancels and
 * company change no bit is compared by the logits of every step.
 */
#include "session_test.h"

#include <unistd.h>

enum { N_TEXT = 24 }; /* tokens generated in most cases */

static void check_basics(void)
{
    skald_context *ctx = new_context("n_predict=24 temperature=0 ignore_eos=1 n_ctx=300");
    const char *text;
    size_t n;
    int32_t token;
    CHECK_INT(skald_step(ctx, -1), SKALD_E_STATE);
    CHECK(strstr(skald_context_message(ctx), "empty") != NULL);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_text(ctx, &text, &n), SKALD_E_NOT_FOUND);
    CHECK_INT(n, 0);
    record r = run(ctx, -1);
    CHECK_INT(r.n, N_TEXT);
    CHECK_STR(reason(ctx), "length");
    CHECK_INT(skald_step(ctx, -1), SKALD_DONE);
    CHECK_INT(skald_token(ctx, &token), SKALD_E_NOT_FOUND);
    CHECK_INT(figure(ctx, "n_generated"), N_TEXT);
    CHECK_INT(figure(ctx, "n_prompt") + N_TEXT, figure(ctx, "n_tokens"));
    CHECK_INT(figure(ctx, "n_evaluated"), figure(ctx, "n_tokens") - 1);
    CHECK_INT(figure(ctx, "n_ctx"), 300);
    CHECK(figure(ctx, "cache_size") > 0 && figure(ctx, "memory_live") > 0);
    CHECK_INT(skald_context_get_int(ctx, "n_tokenz", &(int64_t){0}), SKALD_E_NOT_FOUND);
    /* What was streamed is what the tokens say. */
    char whole[8192];
    CHECK_INT(skald_detokenize(model, r.tokens, (size_t)r.n, 0, whole, sizeof whole, &n), 0);
    CHECK(n >= r.n_text && memcmp(whole + n - r.n_text, r.text, r.n_text) == 0);
    /* A new n_predict goes on where the text stopped. */
    CHECK_INT(skald_context_set_int(ctx, "n_predict", 5), 0);
    CHECK_INT(run(ctx, -1).n, 5);
    CHECK_INT(skald_context_set_int(ctx, "n_ctx", 5), SKALD_E_OPTION);
    CHECK_INT(skald_context_set_int(ctx, "temperatur", 5), SKALD_E_OPTION);
    skald_context_free(ctx);
    skald_context_free(NULL);
}

static void check_slices_and_splits(void)
{
    static const char options[] = "n_predict=24 temperature=0.9 seed=7 ignore_eos=1 n_ctx=300";
    record wanted = reference(options);
    record sliced = {0}, f32 = {0};
    skald_context *ctx = new_context(options);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    int64_t n_prompt = figure(ctx, "n_tokens");
    const int32_t *tokens;
    size_t n;
    CHECK(skald_tokens(ctx, &tokens, &n) == 0 && (int64_t)n == n_prompt);
    int32_t ids[512];
    memcpy(ids, tokens, n * sizeof *ids);
    CHECK_INT(skald_step(ctx, 0), SKALD_PENDING);
    sliced = run(ctx, 0);
    CHECK(same(&wanted, &sliced));
    skald_context_free(ctx);
    uint64_t random = 99;
    for (int round = 0; round < 6; round++) {
        ctx = new_context("n_predict=0 temperature=0.9 seed=7 ignore_eos=1 n_ctx=300 n_batch=17");
        for (size_t i = 0; i < n;) {
            size_t piece = round == 0 ? 1 : 1 + test_random(&random) % 20;
            piece = piece > n - i ? n - i : piece;
            CHECK_INT(skald_append_tokens(ctx, ids + i, piece), 0);
            CHECK_INT(run(ctx, round % 2 ? 30 : -1).n, 0);
            i += piece;
        }
        CHECK_INT(skald_context_set_int(ctx, "n_predict", N_TEXT), 0);
        record r = run(ctx, -1);
        CHECKF(same(&wanted, &r), "round %d", round);
        skald_context_free(ctx);
    }
    f32 = reference("n_predict=24 temperature=0.9 seed=7 ignore_eos=1 n_ctx=300 cache_type_k=f32 "
                    "cache_type_v=f32");
    CHECK(f32.hash != wanted.hash); /* the hash does see the cache */
}

static void check_threads(void)
{
    static const char options[] = "n_predict=24 temperature=0 ignore_eos=1 n_ctx=300";
    record wanted = reference(options);
    skald_model *first = model;
    static const char *const more[] = {"n_threads=1", "n_threads=2", "n_threads=3", "cpu=c",
                                       "load=read n_threads=2"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        model = tiny_load(&file, more[i]);
        record r = reference(options);
        CHECKF(same(&wanted, &r), "%s", more[i]);
        skald_model_release(model);
    }
    model = first;
}

enum { COMPANY = 7 };

static void make_company(skald_context **ctxs)
{
    for (int i = 0; i < COMPANY; i++) {
        char options[200];
        snprintf(options, sizeof options,
                 "n_predict=%d temperature=%g seed=%d ignore_eos=1 n_ctx=300 n_batch=%d", 10 + i,
                 i % 2 ? 0.8 : 0.0, i, i == 3 ? 5 : 40);
        ctxs[i] = new_context(options);
        CHECK_INT(skald_append_text(ctxs[i], prompt + 5 * i, i % 3 ? -1 : 10 + i), 0);
    }
}

static void check_company(void)
{
    skald_context *ctxs[COMPANY];
    record alone[COMPANY], together[COMPANY];
    int32_t status[COMPANY];
    uint64_t random = 5;
    make_company(ctxs);
    for (int i = 0; i < COMPANY; i++) {
        alone[i] = run(ctxs[i], -1);
        skald_context_free(ctxs[i]);
    }
    for (int round = 0; round < 8; round++) {
        /* Random company and slices: contexts join, leave in the middle of a pass, and finish. */
        make_company(ctxs);
        bool finished[COMPANY] = {false};
        for (int i = 0; i < COMPANY; i++)
            together[i] = (record){.hash = 1};
        for (int n_left = COMPANY; n_left > 0;) {
            skald_context *some[COMPANY];
            int index[COMPANY], n = 0;
            for (int i = 0; i < COMPANY; i++)
                if (!finished[i] && (round == 0 || test_random(&random) % 3)) {
                    index[n] = i;
                    some[n++] = ctxs[i];
                }
            int64_t budget = round < 2 ? -1 : (int64_t)(test_random(&random) % 3) * 40;
            int32_t running = skald_step_many(some, (size_t)n, budget, status);
            CHECK(running >= 0);
            for (int i = 0; i < n; i++) {
                if (status[i] == SKALD_TOKEN)
                    note_token(&together[index[i]], some[i]);
                finished[index[i]] = status[i] == SKALD_DONE;
                n_left -= finished[index[i]];
                CHECKF(status[i] >= 0, "%d", status[i]);
            }
        }
        for (int i = 0; i < COMPANY; i++) {
            CHECKF(same(&alone[i], &together[i]), "context %d, round %d", i, round);
            skald_context_free(ctxs[i]);
        }
    }
    CHECK_INT(skald_step_many(NULL, 0, -1, NULL), 0);
}

/* Freeing, truncating and stepping apart in the middle of a shared slice. */
static void check_parting(void)
{
    record alone[COMPANY];
    skald_context *ctxs[COMPANY];
    int32_t status[COMPANY];
    make_company(ctxs);
    for (int i = 0; i < COMPANY; i++) {
        alone[i] = run(ctxs[i], -1);
        skald_context_free(ctxs[i]);
    }
    for (int leaver = 0; leaver < COMPANY; leaver++) {
        make_company(ctxs);
        CHECK_INT(skald_step_many(ctxs, COMPANY, 0, status), COMPANY);
        skald_context_free(ctxs[leaver]);
        for (int i = COMPANY - 1; i >= 0; i--) {
            if (i == leaver)
                continue;
            record r = run(ctxs[i], 0);
            CHECKF(same(&alone[i], &r), "%d without %d", i, leaver);
            skald_context_free(ctxs[i]);
        }
    }
}

static void check_cancel(void)
{
    static const char options[] = "n_predict=24 temperature=0 ignore_eos=1 n_ctx=300";
    record wanted = reference(options);
    skald_context *ctx = new_context(options);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    skald_cancel(ctx);
    CHECK_INT(skald_step(ctx, -1), SKALD_E_CANCELLED);
    CHECK(strstr(skald_context_message(ctx), "cancelled") != NULL);
    CHECK_INT(skald_step(ctx, 0), SKALD_PENDING);
    skald_cancel(ctx);
    CHECK_INT(skald_step(ctx, 0), SKALD_E_CANCELLED);
    record r = run(ctx, -1);
    CHECK(same(&wanted, &r));
    skald_context_free(ctx);
    skald_cancel(NULL);
}

static int32_t stop_at_ten(void *user, const char *text, size_t n)
{
    void **args = user;
    record *r = args[0];
    int32_t ignored;
    memcpy(r->text + r->n_text, text, n);
    r->n_text += n;
    CHECK_INT(skald_append_text(args[1], "x", 1), SKALD_E_BUSY);
    CHECK_INT(skald_step_many((skald_context *const *)&args[1], 1, -1, &ignored), SKALD_E_BUSY);
    return ++r->n == 10;
}

static void check_generate(void)
{
    static const char options[] = "n_predict=24 temperature=0 ignore_eos=1 n_ctx=300";
    record wanted = reference(options), got = {0};
    skald_context *ctx = new_context(options);
    void *args[2] = {&got, ctx};
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_generate(ctx, stop_at_ten, args), SKALD_DONE);
    CHECK_INT(got.n, 10);
    CHECK_STR(reason(ctx), "host");
    CHECK(memcmp(got.text, wanted.text, got.n_text) == 0);
    skald_context_free(ctx);
    ctx = new_context(options);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    CHECK_INT(skald_generate(ctx, NULL, NULL), SKALD_DONE);
    CHECK_INT(figure(ctx, "n_generated"), N_TEXT);
    skald_context_free(ctx);
}

static void check_truncate(void)
{
    static const char options[] = "n_predict=24 temperature=0.7 seed=3 ignore_eos=1 n_ctx=300";
    record wanted = reference(options);
    skald_context *ctx = new_context(options);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    int64_t n = figure(ctx, "n_tokens");
    run(ctx, -1);
    for (int round = 0; round < 2; round++) {
        CHECK_INT(skald_truncate(ctx, n), 0);
        CHECK_INT(figure(ctx, "n_evaluated"), n - 1);
        record r = run(ctx, round ? 0 : -1);
        CHECK(same(&wanted, &r));
    }
    CHECK_INT(skald_truncate(ctx, -1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_truncate(ctx, figure(ctx, "n_tokens") + 1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_truncate(ctx, 0), 0);
    CHECK_INT(skald_step(ctx, -1), SKALD_E_STATE);
    CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
    record again = run(ctx, -1);
    CHECK(same(&wanted, &again));
    skald_context_free(ctx);
}

static void check_full(void)
{
    skald_context *ctx = new_context("temperature=0 ignore_eos=1 n_ctx=64");
    int32_t ids[65] = {0};
    CHECK_INT(skald_append_tokens(ctx, ids, 65), SKALD_E_CONTEXT_FULL);
    CHECK(strstr(skald_context_message(ctx), "64") != NULL);
    CHECK_INT(figure(ctx, "n_tokens"), 0);
    ids[3] = TINY_VOCAB;
    CHECK_INT(skald_append_tokens(ctx, ids, 10), SKALD_E_ARGUMENT);
    ids[3] = -1;
    CHECK_INT(skald_append_tokens(ctx, ids, 10), SKALD_E_ARGUMENT);
    ids[3] = 5;
    CHECK_INT(skald_append_text(ctx, prompt, -1), SKALD_E_CONTEXT_FULL);
    CHECK_INT(figure(ctx, "n_tokens"), 0);
    CHECK_INT(skald_append_tokens(ctx, ids, 60), 0);
    record r = run(ctx, -1);
    CHECK_INT(r.n, 4);
    CHECK_STR(reason(ctx), "context");
    CHECK_INT(skald_append_tokens(ctx, ids, 1), SKALD_E_CONTEXT_FULL);
    skald_context_free(ctx);
}

static void check_stops(void)
{
    static const char options[] = "n_predict=60 temperature=0.9 seed=11 ignore_eos=1 n_ctx=300";
    record whole = reference(options);
    CHECK(whole.n_text > 12);
    for (size_t at = 1; at + 3 < whole.n_text; at++) {
        char stop[4] = {0};
        memcpy(stop, whole.text + at, 3);
        if (strlen(stop) < 3)
            continue;
        skald_context *ctx = new_context(options);
        CHECK_INT(skald_context_set_string(ctx, "stop", stop), 0);
        CHECK_INT(skald_context_add_string(ctx, "stop", "never there"), 0);
        CHECK_INT(skald_append_text(ctx, prompt, -1), 0);
        record r = run(ctx, at % 2 ? -1 : 50);
        const char *first = memmem(whole.text, whole.n_text, stop, 3);
        CHECKF(first && r.n_text == (size_t)(first - whole.text) &&
                   memcmp(r.text, whole.text, r.n_text) == 0,
               "stop at byte %zu: %zu bytes", at, r.n_text);
        CHECK_STR(reason(ctx), "stop");
        CHECK_INT(skald_step(ctx, -1), SKALD_DONE);
        skald_context_free(ctx);
    }
}

static void check_logits_all(void)
{
    skald_context *ctx = new_context("n_predict=0 n_ctx=300 n_batch=32 logits_all=1");
    skald_context *one = new_context("n_predict=0 n_ctx=300");
    int32_t ids[40];
    const float *a, *b;
    size_t n;
    for (int i = 0; i < 40; i++)
        ids[i] = 3 + i * 5;
    for (int start = 0; start < 40; start += 20) {
        CHECK_INT(skald_append_tokens(ctx, ids + start, 20), 0);
        CHECK_INT(skald_step(ctx, -1), SKALD_DONE);
        if (start > 0)
            CHECK_INT(skald_logits(ctx, start - 1, &a, &n), SKALD_E_NOT_FOUND);
        CHECK_INT(skald_logits(ctx, start + 20, &a, &n), SKALD_E_NOT_FOUND);
        for (int i = start; i < start + 20; i++) {
            CHECK_INT(skald_append_tokens(one, ids + i, 1), 0);
            CHECK_INT(skald_step(one, -1), SKALD_DONE);
            CHECK_INT(skald_logits(one, i, &b, &n), 0);
            CHECK_INT(skald_logits(ctx, i, &a, &n), 0);
            CHECK(a && b && memcmp(a, b, n * sizeof *a) == 0);
        }
    }
    skald_context_free(ctx);
    skald_context_free(one);
}

static void check_allocation(void)
{
    skald_context *ctx = new_context("n_predict=50 temperature=0.9 ignore_eos=1 n_ctx=300");
    CHECK_INT(skald_append_text(ctx, "abc", -1), 0);
    int n_warm = TEST_DRAFT[0] ? 8 : 1; /* guesses need room of their own */
    for (int i = 0; i < n_warm; i++)
        CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
    int64_t n_alloc = figure(ctx, "n_alloc");
    CHECK_INT(run(ctx, -1).n, 50 - n_warm);
    CHECK_INT(figure(ctx, "n_alloc"), n_alloc); /* 54 tokens: one block of the cache */
    skald_context_free(ctx);
}

/* A mapped file that is written to ends the step; a copied one does not care. */
static void check_changed_file(void)
{
    char path[] = "/tmp/skald-test-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, file.data, file.size) == (ssize_t)file.size);
    skald_model *kept = model;
    for (int copied = 0; copied < 2; copied++) {
        skald_options *o = NULL;
        skald_options_new(&o);
        CHECK_INT(skald_options_parse(o, copied ? "load=read" : "load=map"), 0);
        CHECK_INT(skald_model_load(path, o, &model), 0);
        skald_options_free(o);
        skald_context *ctx = new_context("n_ctx=64 ignore_eos=1");
        CHECK_INT(skald_append_text(ctx, "abc", -1), 0);
        CHECK_INT(skald_step(ctx, -1), SKALD_TOKEN);
        CHECK(ftruncate(fd, (off_t)file.size + 1 + copied) == 0);
        CHECK_INT(skald_step(ctx, -1), copied ? SKALD_TOKEN : SKALD_E_CHANGED);
        skald_context_free(ctx);
        skald_model_release(model);
    }
    model = kept;
    close(fd);
    unlink(path);
}

static void check_arguments(void)
{
    skald_context *ctx = new_context("n_ctx=64"), *twice[2] = {ctx, ctx}, *null[1] = {NULL};
    int32_t status[2];
    const char *text;
    size_t n;
    CHECK_INT(skald_step(NULL, -1), SKALD_E_ARGUMENT);
    CHECK_STR(skald_error_message(), "ctx is NULL");
    CHECK_INT(skald_append_text(ctx, NULL, 5), SKALD_E_ARGUMENT);
    CHECK_INT(skald_append_text(ctx, "x", -2), SKALD_E_ARGUMENT);
    CHECK_INT(skald_append_text(ctx, NULL, 0), 0);
    CHECK_INT(skald_append_tokens(ctx, NULL, 1), SKALD_E_ARGUMENT);
    CHECK_INT(skald_step_many(twice, 2, -1, status), SKALD_E_ARGUMENT);
    CHECK_INT(skald_step_many(null, 1, -1, status), SKALD_E_ARGUMENT);
    CHECK_INT(skald_step_many(NULL, 1, -1, status), SKALD_E_ARGUMENT);
    CHECK_INT(skald_append_text(ctx, "abc", -1), 0); /* the failures left it free */
    CHECK_INT(skald_text(NULL, &text, &n), SKALD_E_ARGUMENT);
    CHECK_INT(skald_context_new(NULL, NULL, &twice[0]), SKALD_E_ARGUMENT);
    CHECK(!twice[0]);
    CHECK_INT(skald_token_bytes(model, TINY_VOCAB, &text, &n), SKALD_E_ARGUMENT);
    CHECK_INT(skald_tokenize(model, "x", 1, 64, NULL, 0, &n), SKALD_E_ARGUMENT);
    skald_model *other = tiny_load(&file, "n_threads=1"), *kept = model;
    model = other;
    skald_context *stranger = new_context("n_ctx=64"), *mixed[2] = {ctx, stranger};
    CHECK_INT(skald_step_many(mixed, 2, -1, status), SKALD_E_ARGUMENT);
    skald_model_release(other); /* the context keeps it alive */
    CHECK_INT(skald_append_text(stranger, "abc", -1), 0);
    CHECK_INT(skald_step(stranger, -1), SKALD_TOKEN);
    skald_context_free(stranger);
    model = kept;
    skald_context_free(ctx);
}

/* A token whose embedding is infinite: the error repeats, and is over when the token is gone. */
static void check_numeric(void)
{
    static const int32_t ids[] = {5, 6, 50};
    int64_t size, all = 0;
    for (int64_t i = 0; skald_model_tensor(model, i, NULL, NULL, NULL, &size) == 0; i++)
        all += size;
    char *embedding = (char *)file.data + file.size - all; /* of token 0: the first tensor */
    float kept, infinite = 1.0f / 0.0f;
    char *at = embedding + 50 * TINY_EMBD * sizeof kept;
    memcpy(&kept, at, sizeof kept);
    memcpy(at, &infinite, sizeof kept);
    skald_context *ctx = new_context("n_predict=5 temperature=0 ignore_eos=1 n_ctx=64");
    skald_context *fresh = new_context("n_predict=5 temperature=0 ignore_eos=1 n_ctx=64");
    CHECK_INT(skald_append_tokens(ctx, ids, 3), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(skald_step(ctx, -1), SKALD_E_NUMERIC);
        CHECK(strstr(skald_context_message(ctx), "layer 0") != NULL);
    }
    CHECK_INT(skald_truncate(ctx, 2), 0);
    CHECK_INT(skald_append_tokens(fresh, ids, 2), 0);
    record wanted = run(fresh, -1), r = run(ctx, -1);
    CHECK(same(&r, &wanted));
    memcpy(at, &kept, sizeof kept);
    skald_context_free(ctx);
    skald_context_free(fresh);
}

/* Heads of 16 elements are no whole blocks. */
static void check_cache_blocks(void)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    CHECK_INT(skald_options_new(&o), 0);
    CHECK(skald_options_set_string(o, "cache_type_v", "q4_k") < 0);
    CHECK_INT(skald_options_set_string(o, "cache_type_v", "q8_0"), 0);
    CHECK_INT(skald_context_new(model, o, &ctx), SKALD_E_ARGUMENT);
    CHECK(ctx == NULL && strstr(skald_error_message(), "16"));
    CHECK(strstr(skald_error_message(), "values") && strstr(skald_error_message(), "32"));
    skald_options_free(o);
}

int main(void)
{
    for (int recurrent = 0; recurrent < 2; recurrent++) {
        open_model(12, recurrent);
        check_basics();
        check_slices_and_splits();
        check_threads();
        check_company();
        check_parting();
        check_cancel();
        check_generate();
        check_truncate();
        check_full();
        check_stops();
        check_logits_all();
        check_allocation();
        check_changed_file();
        check_arguments();
        check_numeric();
        if (!recurrent)
            check_cache_blocks();
        close_model();
    }
    return test_end();
}
