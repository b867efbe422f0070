/* SPDX-License-Identifier: MIT */
/*
 * The promise "same in, same out", seen from outside: evaluates one prompt and generates from it in
 * every way that may not matter - threads, slices, splits, company, kernel tiers, ways of loading -
 * and prints a line "name hash" for each, the hash being over every bit of the logits along the
 * way and the tokens chosen. test_hash.py builds it against the library and the amalgamation and
 * wants one hash. The line "control", of another prompt, must have another.
 *
 *     hash_logits MODEL "OPTIONS OF EVERY CONTEXT"
 *
 * Written against skald.h alone, in the common part of C and C++.
 */
#include "skald.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_PROMPT = 150, N_GENERATE = 6, N_COMPANY = 3 };

static const char *model_path, *base_options;
static int32_t n_vocab;

static void give_up(const char *where)
{
    fprintf(stderr, "%s: %s\n", where, skald_error_message());
    exit(1);
}

static int32_t checked(int32_t status, const char *where)
{
    if (status < 0)
        give_up(where);
    return status;
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t n)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t i;
    for (i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001B3ULL;
    return hash;
}

static uint64_t hash_logits(uint64_t hash, skald_context *ctx)
{
    const float *logits;
    size_t n;
    checked(skald_logits(ctx, -1, &logits, &n), "skald_logits");
    return hash_bytes(hash, logits, n * sizeof *logits);
}

/* ---- Models and contexts ----------------------------------------------------------------------
 */

static skald_model *load(const char *options)
{
    skald_options *o;
    skald_model *model;
    int64_t n;
    checked(skald_options_new(&o), "skald_options_new");
    if (skald_options_parse(o, options) < 0)
        return skald_options_free(o), (skald_model *)NULL;
    if (skald_model_load(model_path, o, &model) < 0)
        give_up(options);
    skald_options_free(o);
    checked(skald_model_get_int(model, "n_vocab", &n), "n_vocab");
    n_vocab = (int32_t)n;
    return model;
}

static skald_context *context(skald_model *model, const char *options)
{
    skald_options *o;
    skald_context *ctx;
    checked(skald_options_new(&o), "skald_options_new");
    checked(skald_options_parse(o, "n_ctx=256 n_predict=0 temperature=0.9 seed=7"), "options");
    checked(skald_options_parse(o, base_options), base_options);
    checked(skald_options_parse(o, options), options);
    checked(skald_context_new(model, o, &ctx), "skald_context_new");
    skald_options_free(o);
    return ctx;
}

static void make_prompt(int32_t *ids, uint64_t seed)
{
    int i;
    for (i = 0; i < N_PROMPT; i++)
        ids[i] = 3 + (int32_t)(random_next(&seed) % (uint64_t)(n_vocab - 3));
}

/* ---- The ways ---------------------------------------------------------------------------------
 */

static int64_t slice = -1; /* microseconds given to each step */

static void run_prompt(skald_context *ctx)
{
    while (checked(skald_step(ctx, slice), "skald_step") != SKALD_DONE)
        ;
}

static uint64_t generate(uint64_t hash, skald_context *ctx)
{
    int32_t status, token;
    checked(skald_context_set_int(ctx, "n_predict", N_GENERATE), "n_predict");
    while ((status = checked(skald_step(ctx, slice), "skald_step")) != SKALD_DONE)
        if (status == SKALD_TOKEN) {
            checked(skald_token(ctx, &token), "skald_token");
            hash = hash_bytes(hash_logits(hash, ctx), &token, sizeof token);
        }
    return hash;
}

/* The prompt in pieces of at most `piece` tokens; random lengths if `random` is not 0. */
static uint64_t way(skald_model *model, const char *options, int piece, uint64_t random,
                    uint64_t prompt)
{
    int32_t ids[N_PROMPT];
    skald_context *ctx = context(model, options);
    uint64_t hash;
    int done, n;
    make_prompt(ids, prompt);
    for (done = 0; done < N_PROMPT; done += n) {
        n = random ? 1 + (int)(random_next(&random) % (uint64_t)piece) : piece;
        n = n < N_PROMPT - done ? n : N_PROMPT - done;
        checked(skald_append_tokens(ctx, ids + done, (size_t)n), "skald_append_tokens");
        run_prompt(ctx);
    }
    hash = generate(hash_logits(0xCBF29CE484222325ULL, ctx), ctx);
    skald_context_free(ctx);
    return hash;
}

/* After a detour: other tokens, generation, and back to the fork. */
static uint64_t way_back(skald_model *model)
{
    int32_t ids[N_PROMPT], other[N_PROMPT];
    skald_context *ctx = context(model, "");
    uint64_t hash;
    make_prompt(ids, 1);
    make_prompt(other, 2);
    checked(skald_append_tokens(ctx, ids, 70), "skald_append_tokens");
    checked(skald_append_tokens(ctx, other, 60), "skald_append_tokens");
    run_prompt(ctx);
    checked(skald_truncate(ctx, 70), "skald_truncate");
    checked(skald_append_tokens(ctx, ids + 70, N_PROMPT - 70), "skald_append_tokens");
    run_prompt(ctx);
    hash = generate(hash_logits(0xCBF29CE484222325ULL, ctx), ctx);
    skald_context_free(ctx);
    return hash;
}

/* In one batch with contexts of other lengths, which come and go. Context 0 has the prompt. */
static uint64_t way_together(skald_model *model, int64_t budget)
{
    int32_t ids[N_PROMPT], status[1 + N_COMPANY], token;
    skald_context *ctxs[1 + N_COMPANY];
    uint64_t hash = 0xCBF29CE484222325ULL;
    int i, prompted = 0, running;
    for (i = 0; i <= N_COMPANY; i++) {
        ctxs[i] = context(model, i ? "n_predict=9" : "");
        make_prompt(ids, (uint64_t)i + 1);
        checked(skald_append_tokens(ctxs[i], ids, (size_t)(i ? 40 * i : N_PROMPT)), "append");
    }
    do {
        running = checked(skald_step_many(ctxs, 1 + N_COMPANY, budget, status), "step_many");
        for (i = 0; i <= N_COMPANY; i++)
            checked(status[i], "skald_step_many's status");
        if (status[0] == SKALD_TOKEN) {
            checked(skald_token(ctxs[0], &token), "skald_token");
            hash = hash_bytes(hash_logits(hash, ctxs[0]), &token, sizeof token);
        } else if (status[0] == SKALD_DONE && !prompted) {
            prompted = running = 1;
            hash = hash_logits(hash, ctxs[0]);
            checked(skald_context_set_int(ctxs[0], "n_predict", N_GENERATE), "n_predict");
        }
    } while (running > 0);
    for (i = 0; i <= N_COMPANY; i++)
        skald_context_free(ctxs[i]);
    return hash;
}

/* A job system that works backwards, in threes. */
static void backwards(void *user, int64_t n, void (*task)(void *arg, int64_t i), void *arg)
{
    int64_t first, i;
    (void)user;
    for (first = (n - 1) / 3 * 3; first >= 0; first -= 3)
        for (i = first; i < first + 3 && i < n; i++)
            task(arg, i);
}

static skald_model *load_with_executor(void)
{
    skald_executor jobs;
    skald_options *o;
    skald_model *model;
    memset(&jobs, 0, sizeof jobs);
    jobs.size = sizeof jobs;
    jobs.n_threads = 5;
    jobs.parallel_for = backwards;
    checked(skald_options_new(&o), "skald_options_new");
    checked(skald_options_set_pointer(o, "executor", &jobs), "executor");
    checked(skald_model_load(model_path, o, &model), "skald_model_load");
    skald_options_free(o);
    return model;
}

static void show(const char *name, uint64_t hash)
{
    printf("%s %016llx\n", name, (unsigned long long)hash);
}

static void tell_whole(const char *name, skald_model *model)
{
    if (!model) /* a tier that this machine does not have */
        return;
    show(name, way(model, "", N_PROMPT, 0, 1));
    skald_model_release(model);
}

static void tell_shapes(skald_model *model)
{
    show("whole", way(model, "", N_PROMPT, 0, 1));
    show("control", way(model, "", N_PROMPT, 0, 9));
    show("token-by-token", way(model, "", 1, 0, 1));
    show("pieces-of-7", way(model, "", 7, 0, 1));
    show("random-pieces-1", way(model, "", 60, 11, 1));
    show("random-pieces-2", way(model, "", 90, 12, 1));
    show("n_batch-1", way(model, "n_batch=1", N_PROMPT, 0, 1));
    show("n_batch-13", way(model, "n_batch=13", N_PROMPT, 0, 1));
    show("n_batch-64", way(model, "n_batch=64", N_PROMPT, 0, 1));
    show("logits_all", way(model, "logits_all=1", N_PROMPT, 0, 1));
    show("n_ctx", way(model, "n_ctx=512", N_PROMPT, 0, 1));
    show("detour", way_back(model));
    show("together", way_together(model, -1));
    show("together-sliced", way_together(model, 200));
    slice = 0;
    show("slices-of-0", way(model, "", N_PROMPT, 0, 1));
    slice = 100;
    show("slices-of-100us", way(model, "", 50, 13, 1));
    slice = -1;
}

int main(int argc, char **argv)
{
    skald_model *model;
    if (argc != 3 && argc != 4)
        return fprintf(stderr, "usage: hash_logits MODEL OPTIONS [one]\n"), 2;
    model_path = argv[1];
    base_options = argv[2];
    if (argc == 4) { /* one way is enough */
        tell_whole("whole", load("n_threads=1"));
        return 0;
    }
    model = load("n_threads=2");
    tell_shapes(model);
    skald_model_release(model);
    tell_whole("threads-1", load("n_threads=1"));
    tell_whole("threads-2", load("n_threads=2"));
    tell_whole("threads-3", load("n_threads=3"));
    tell_whole("cpu-c", load("cpu=c"));
    tell_whole("load-read", load("load=read"));
    tell_whole("executor", load_with_executor());
    return 0;
}
