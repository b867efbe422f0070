/* SPDX-License-Identifier: MIT */
/*
 * Guessing ahead shows in nothing but time: whatever guesses, from whichever source, tokens, text,
 * logits, probabilities, events and the reason of the end are those of a context without, over
 * samplers, seeds, grammars, slices, batches, forks, saved states, edits and full contexts, on
 * every kind of layer. And it does guess, and takes what was right.
 */
#include "base/portable.h"

#include "../model/golden.h"
#include "session_test.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { MOST = 160 };

/* Everything that a host sees of a generation. */
typedef struct seen {
    int32_t tokens[MOST];
    int n;
    int64_t n_drafted, n_accepted;
    char why[16];
    uint64_t hash; /* of logits, texts, bytes, probabilities and events, step by step */
} seen;

static uint64_t mix(uint64_t hash, const void *data, size_t n)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001B3ULL;
    return hash;
}

static void see_probs(seen *s, const skald_context *ctx)
{
    const int32_t *ids;
    const float *logs;
    size_t n;
    for (int after = 0; after < 2; after++)
        if (skald_token_probs(ctx, after, &ids, &logs, &n) == 0) {
            s->hash = mix(s->hash, ids, n * sizeof *ids);
            s->hash = mix(s->hash, logs, n * sizeof *logs);
        }
}

/* What one step brought. */
static void see(seen *s, skald_context *ctx, int32_t status)
{
    const char *text;
    const float *logits;
    size_t n;
    int32_t kind;
    if (status == SKALD_TOKEN && s->n < MOST)
        CHECK_INT(skald_token(ctx, &s->tokens[s->n++]), 0);
    if (skald_text(ctx, &text, &n) == 0)
        s->hash = mix(s->hash, text, n);
    if (skald_bytes(ctx, &text, &n) == 0)
        s->hash = mix(s->hash, text, n);
    if (status == SKALD_TOKEN && skald_logits(ctx, -1, &logits, &n) == 0)
        s->hash = mix(s->hash, logits, n * sizeof *logits);
    while ((kind = skald_event(ctx, &text, &n)) > 0)
        s->hash = mix(mix(s->hash, &kind, sizeof kind), text, n);
    see_probs(s, ctx);
}

static void see_end(seen *s, const skald_context *ctx)
{
    snprintf(s->why, sizeof s->why, "%s", reason(ctx));
    s->n_drafted = figure(ctx, "n_drafted");
    s->n_accepted = figure(ctx, "n_accepted");
}

/* Until it is done or fails, which is part of what is seen. */
static seen go_on(skald_context *ctx, int64_t budget)
{
    seen s = {.hash = 1};
    int32_t status;
    while ((status = skald_step(ctx, budget)) > 0)
        if (status == SKALD_TOKEN)
            see(&s, ctx, status);
    see(&s, ctx, status);
    s.hash = mix(s.hash, &status, sizeof status);
    see_end(&s, ctx);
    return s;
}

static bool alike(const seen *a, const seen *b)
{
    return a->n == b->n && a->hash == b->hash && strcmp(a->why, b->why) == 0 &&
           memcmp(a->tokens, b->tokens, (size_t)a->n * sizeof *a->tokens) == 0;
}

static const char *const drafts[] = {
    "draft=lookup", "draft=model n_draft=3 draft_p_min=0", "draft=model draft_p_min=0.02",
    "draft=lookup n_draft=2 logits_all=1", "draft=lookup n_draft=30"};
enum { N_DRAFTS = sizeof drafts / sizeof *drafts };

static skald_model *drafting; /* the second model */

static skald_context *draft_context(const char *options, const char *draft,
                                    const skald_sampler *host)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    skald_options_new(&o);
    CHECKF(skald_options_parse(o, options) == 0, "%s", skald_error_message());
    CHECKF(skald_options_parse(o, draft) == 0, "%s", skald_error_message());
    skald_options_set_pointer(o, "draft_model", drafting);
    if (host)
        CHECK_INT(skald_options_set_pointer(o, "sampler", host), 0);
    CHECKF(skald_context_new(model, o, &ctx) == 0, "%s", skald_error_message());
    skald_options_free(o);
    return ctx;
}

/* The same character again and again, where the host says so. */
static int64_t favour(void *user, int32_t *ids, float *logits, int64_t n)
{
    int64_t *calls = user;
    int32_t wanted = 262 + (int32_t)(*calls / 3 % 2);
    for (int64_t i = 0; i < n; i++)
        logits[i] += ids[i] == wanted ? 3.0f : 0.0f;
    ++*calls;
    return n;
}

/* ---- Settings ----------------------------------------------------------------------------------
 */

/* A text that repeats itself has something to look up; a logit bias makes the model do so. */
static const char *const settings[] = {
    "temperature=0 ignore_eos=1",
    "temperature=0.2 seed=3",
    "temperature=0.9 seed=4 n_probs=3",
    "temperature=0.5 seed=5 repeat_penalty=1.1 presence_penalty=0.2 frequency_penalty=0.1",
    "temperature=0.6 seed=6 dry_multiplier=0.8 dry_penalty_last_n=40 logit_bias='262:6,263:5.5'",
    "temperature=0.7 seed=7 logit_bias='262:9,263:8,264:7' stop=bcabab stop=cbcb",
    "temperature=1 seed=8 mirostat=2 logit_bias='262:7,263:8'",
    "temperature=0.8 seed=9 samplers=top_k;adaptive_p adaptive_target=0.6 logit_bias='262:7,263:8'",
    "temperature=0.8 seed=10 xtc_probability=0.5 logit_bias='262:7,263:8'",
    "temperature=0.4 seed=11 regex='(abc|abd){12,60}x'",
    "temperature=0.9 seed=12 grammar='root ::= ([ab]{2,9} \" \"){5,15}' n_probs=2",
    "temperature=0.3 seed=13 json_schema='{\"type\":\"array\",\"items\":{\"enum\":[1,2]},"
    "\"minItems\":9,\"maxItems\":20}'",
    "temperature=0 ignore_eos=1 when_full=drop n_ctx=70 n_keep=3",
    "temperature=0 ignore_eos=1 when_full=drop shift=rotate n_ctx=70",
    "temperature=0.7 seed=1 ignore_eos=1 when_full=drop shift=rotate n_ctx=90 "
    "grammar_trigger=cc regex='(abc|abd){2,30}x'",
    "temperature=0.2 seed=14 when_full=error n_ctx=64 ignore_eos=1",
    "temperature=0.2 seed=15 n_ctx=64 ignore_eos=1",
    "temperature=0.1 seed=16 n_predict=9 cache_type_k=bf16 cache_type_v=f32",
    "temperature=0.5 seed=17 n_batch=1",
    "temperature=0.5 seed=18 n_batch=3 reply_format=all",
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

static const char begun[] = "abcabcabcab the abcabc soothes the abcabc and the abc";

static void with_defaults(char *out, size_t size, const char *setting)
{
    snprintf(out, size, "n_ctx=300 n_batch=40 n_predict=100 %s", setting);
}

static seen told(const char *setting, const char *draft, const skald_sampler *host, int64_t budget)
{
    char options[600];
    with_defaults(options, sizeof options, setting);
    skald_context *ctx = draft_context(options, draft, host);
    CHECK_INT(skald_append_text(ctx, begun, -1), 0);
    seen s = go_on(ctx, budget);
    skald_context_free(ctx);
    return s;
}

/* Every setting with every source, whole and in the smallest slices. */
static void check_settings(void)
{
    int64_t drafted[N_DRAFTS] = {0}, accepted[N_DRAFTS] = {0};
    for (int i = 0; i < N_SETTINGS; i++) {
        seen plain = told(settings[i], "", NULL, -1);
        CHECKF(plain.n > 5 && plain.n_drafted == 0, "%s: %d tokens", settings[i], plain.n);
        for (int j = 0; j < N_DRAFTS; j++) {
            seen s = told(settings[i], drafts[j], NULL, j % 2 || i % 3 == 0 ? -1 : 0);
            CHECKF(alike(&s, &plain), "%s with %s: %d tokens, %s; wanted %d, %s", settings[i],
                   drafts[j], s.n, s.why, plain.n, plain.why);
            CHECK(s.n_accepted <= s.n_drafted);
            drafted[j] += s.n_drafted;
            accepted[j] += s.n_accepted;
        }
    }
    for (int j = 0; j < N_DRAFTS; j++) /* right guesses were made, and wrong ones */
        CHECKF(accepted[j] > 50 && drafted[j] > accepted[j], "%s: %d of %d", drafts[j],
               (int)accepted[j], (int)drafted[j]);
}

/* The host's sampler is asked once for each token, in order. */
static void check_host_sampler(void)
{
    for (int j = 0; j < N_DRAFTS; j++) {
        int64_t calls = 0, plain_calls = 0;
        skald_sampler host = {sizeof host, &plain_calls, favour};
        seen plain = told("temperature=0.6 seed=2", "", &host, -1);
        host.user = &calls;
        seen s = told("temperature=0.6 seed=2", drafts[j], &host, -1);
        CHECKF(alike(&s, &plain) && calls == plain_calls, "%s", drafts[j]);
    }
}

/* ---- Disturbances ------------------------------------------------------------------------------
 */

/* One and the same life of two contexts, one of which guesses: at random points they are cut back,
 * appended to, set anew, spliced, saved and loaded, forked, changed in their options, cancelled. */
static void disturb(skald_context **ctx, uint64_t what, seen *s)
{
    static uint8_t buffer[4 << 20];
    const int32_t *ids, some[] = {262, 263, 264, 262, 263};
    size_t n, n_state;
    CHECK_INT(skald_tokens(*ctx, &ids, &n), 0);
    int64_t at = (int64_t)(what / 16 % n);
    int32_t status = 0;
    skald_context *fork = NULL;
    switch (what % 12) {
    case 0:
        status = skald_truncate(*ctx, n > 9 ? (int64_t)n - (int64_t)(what / 16 % 8) : (int64_t)n);
        break;
    case 1:
        status = skald_append_tokens(*ctx, some, 1 + what / 16 % 5);
        break;
    case 2:
        status = skald_set_tokens(*ctx, ids, n > 9 ? n - what / 16 % 3 : n);
        break;
    case 3:
        status = skald_splice(*ctx, at, 1, some, what / 64 % 3);
        break;
    case 4:
        CHECKF(skald_state_save(*ctx, buffer, sizeof buffer, &n_state) == 0, "%s",
               skald_context_message(*ctx));
        status = skald_state_load(*ctx, buffer, n_state);
        break;
    case 5: /* saving alone disturbs nothing */
        status = skald_state_save(*ctx, buffer, sizeof buffer, &n_state);
        break;
    case 6:
        status = skald_context_fork(*ctx, &fork);
        skald_context_free(fork);
        break;
    case 7:
        status = skald_context_fork(*ctx, &fork);
        skald_context_free(*ctx);
        *ctx = fork;
        break;
    case 8:
        status = skald_context_set_int(*ctx, "seed", (int64_t)(what / 16 % 100));
        break;
    case 9:
        status = skald_context_set_float(*ctx, "temperature", (double)(what / 16 % 10) / 10);
        break;
    case 10:
        skald_cancel(*ctx);
        break;
    default:
        status = skald_context_set_int(*ctx, "n_predict", 200);
    }
    if (status < 0)
        s->hash = mix(s->hash, &status, sizeof status);
}

static seen live(uint64_t seed, const char *options, const char *draft)
{
    seen s = {.hash = 1};
    skald_context *ctx = draft_context(options, draft, NULL);
    CHECK_INT(skald_append_text(ctx, begun, -1), 0);
    for (int event = 0; event < 30; event++) {
        int n_steps = (int)(test_random(&seed) % 7), budget = test_random(&seed) % 2 ? -1 : 0;
        int32_t status = SKALD_PENDING;
        for (int n = 0; n < n_steps && status != SKALD_DONE;) {
            status = skald_step(ctx, budget);
            n += status != SKALD_PENDING;
            if (status == SKALD_TOKEN || status < 0)
                see(&s, ctx, status);
            if (status < 0)
                s.hash = mix(s.hash, &status, sizeof status);
        }
        int64_t n_tokens = figure(ctx, "n_tokens");
        if (test_random(&seed) % 3 == 0 && n_tokens < figure(ctx, "n_ctx") - 1) {
            skald_step(ctx, 0); /* in the middle of a pass, or a token that was guessed */
            CHECK_INT(skald_truncate(ctx, n_tokens), 0);
        }
        disturb(&ctx, test_random(&seed), &s);
    }
    see_end(&s, ctx);
    skald_context_free(ctx);
    return s;
}

static void check_lives(void)
{
    static const char *const kinds[] = {
        "n_ctx=200 n_batch=16 temperature=0.3 ignore_eos=1 n_predict=200",
        "n_ctx=90 n_batch=16 temperature=0.3 ignore_eos=1 n_predict=200 when_full=drop",
        "n_ctx=90 temperature=0.3 ignore_eos=1 n_predict=200 when_full=drop shift=rotate",
    };
    int64_t accepted = 0, drafted = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const char *options = kinds[seed % 3];
        seen plain = live(seed, options, "");
        for (int j = 0; j < N_DRAFTS; j++) {
            seen s = live(seed, options, drafts[j]);
            CHECKF(alike(&s, &plain), "life %d with %s", (int)seed, drafts[j]);
            accepted += s.n_accepted;
            drafted += s.n_drafted;
        }
    }
    CHECKF(drafted > 500 && accepted > 20, "%d of %d", (int)accepted, (int)drafted);
}

/* ---- Together ----------------------------------------------------------------------------------
 */

/* Contexts with and without guesses in one batch, in slices. */
static void check_together(void)
{
    enum { N = 9 };
    skald_context *ctx[N];
    seen alone[N], got[N];
    char options[600];
    bool finished[N] = {false};
    for (int i = 0; i < N; i++) {
        with_defaults(options, sizeof options, settings[i]);
        alone[i] = told(settings[i], "", NULL, -1);
        ctx[i] = draft_context(options, i % 4 == 3 ? "" : drafts[i % N_DRAFTS], NULL);
        CHECK_INT(skald_append_text(ctx[i], begun, -1), 0);
        got[i] = (seen){.hash = 1};
    }
    for (int n_left = N, round = 0; n_left > 0; round++) {
        skald_context *some[N];
        int32_t status[N];
        int index[N], n = 0;
        for (int i = 0; i < N; i++)
            if (!finished[i] && (n_left < 3 || (i + round) % 5)) {
                index[n] = i;
                some[n++] = ctx[i];
            }
        if (n == 0)
            continue;
        CHECK(skald_step_many(some, (size_t)n, round % 2 ? 200 : -1, status) >= 0);
        for (int i = 0; i < n; i++) {
            seen *s = &got[index[i]];
            finished[index[i]] = status[i] <= 0;
            if (status[i] == SKALD_TOKEN || finished[index[i]])
                see(s, some[i], status[i]);
            if (!finished[index[i]])
                continue;
            s->hash = mix(s->hash, &status[i], sizeof status[i]);
            see_end(s, some[i]);
            n_left--;
        }
    }
    for (int i = 0; i < N; i++) {
        CHECKF(alike(&got[i], &alone[i]), "context %d", i);
        skald_context_free(ctx[i]);
    }
}

static void check_model(uint64_t seed, bool recurrent)
{
    open_model(seed, recurrent);
    tiny_model second;
    tiny_make_kind(&second, seed + 1, !recurrent);
    drafting = model; /* it knows everything; then one that knows nothing, of another kind */
    check_settings();
    check_host_sampler();
    check_together();
    check_lives();
    drafting = tiny_load(&second, "n_threads=1");
    CHECK(drafting != NULL);
    check_lives();
    check_together();
    skald_model_release(drafting);
    tiny_free(&second);
    close_model();
}

/* ---- Every kind of layer -----------------------------------------------------------------------
 */

static const char *const golden[] = {
    "llama-dense", "llama4-moe",          "gemma2-dense",    "gemma3n-dense",
    "gpt-oss-moe", "deepseek2-moe",       "gpt2-dense",      "bloom-dense",
    "mamba-dense", "mamba2-dense",        "kimi-linear-moe", "rwkv6",
    "rwkv7",       "lfm2-dense",          "qwen3next-moe",   "falcon-h1-dense",
    "jamba-dense", "granitehybrid-dense", "cohere2-deep",
};

static skald_model *golden_load(const char *name, uint8_t **data)
{
    char path[200];
    size_t size;
    skald_options *o = NULL;
    skald_model *loaded = NULL;
    snprintf(path, sizeof path, "model/golden/%s.head.gguf", name);
    *data = golden_expand(test_data(path), 11, &size);
    skald_options_new(&o);
    skald_options_set_pointer(o, "memory", *data);
    skald_options_set_int(o, "memory_size", (int64_t)size);
    skald_options_set_int(o, "n_threads", 1);
    CHECKF(skald_model_load(NULL, o, &loaded) == 0, "%s: %s", name, skald_error_message());
    skald_options_free(o);
    return loaded;
}

/* From tokens that are the beginning of a repetition. */
static seen golden_told(const char *draft, int seed)
{
    char options[200];
    int32_t ids[40];
    int64_t n_vocab = 0;
    CHECK_INT(skald_model_get_int(model, "n_vocab", &n_vocab), 0);
    for (int i = 0; i < 40; i++)
        ids[i] = (int32_t)(5 + (i % 11 * 37 + seed) % (n_vocab - 5));
    snprintf(options, sizeof options, "n_ctx=128 n_predict=50 ignore_eos=1 temperature=%s seed=%d",
             seed % 2 ? "0" : "0.05", seed);
    skald_context *ctx = draft_context(options, draft, NULL);
    CHECK_INT(skald_append_tokens(ctx, ids, 40), 0);
    seen s = go_on(ctx, seed % 3 ? -1 : 0);
    skald_context_free(ctx);
    return s;
}

static void check_golden(void)
{
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        uint8_t *data;
        int64_t accepted = 0;
        drafting = model = golden_load(golden[i], &data);
        if (!model)
            continue;
        for (int seed = 1; seed <= 2; seed++) {
            seen plain = golden_told("", seed);
            for (int j = 0; j < N_DRAFTS - 2; j++) {
                seen s = golden_told(drafts[j], seed);
                CHECKF(alike(&s, &plain), "%s with %s, seed %d", golden[i], drafts[j], seed);
                accepted += s.n_accepted;
            }
        }
        CHECKF(accepted > 0, "%s: nothing was guessed", golden[i]);
        skald_model_release(model);
        free(data);
    }
}

/* ---- Refusals ----------------------------------------------------------------------------------
 */

static void refused(const char *text, const skald_model *second, int32_t wanted, const char *word)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    skald_options_new(&o);
    CHECK_INT(skald_options_parse(o, text), 0);
    skald_options_set_pointer(o, "draft_model", second);
    CHECK_INT(skald_context_new(model, o, &ctx), wanted);
    CHECKF(strstr(skald_error_message(), word) != NULL, "%s", skald_error_message());
    CHECK(ctx == NULL);
    skald_options_free(o);
}

static void check_refusals(void)
{
    uint8_t *data;
    open_model(3, false);
    skald_model *other = golden_load("mamba2-dense", &data), *encoder;
    refused("draft=model draft_p_min=0.02", NULL, SKALD_E_OPTION, "draft_model");
    refused("draft=model draft_p_min=0.02", other, SKALD_E_ARGUMENT, "vocabulary");
    skald_model_release(other);
    free(data);
    encoder = golden_load("bert", &data);
    refused("draft=model draft_p_min=0.02", encoder, SKALD_E_ARGUMENT, "encoder");
    skald_model_release(encoder);
    free(data);
    close_model();
}

int main(void)
{
    check_model(1, false);
    check_model(2, true);
    check_golden();
    check_refusals();
    return test_end();
}
