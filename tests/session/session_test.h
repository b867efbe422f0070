/* SPDX-License-Identifier: MIT */
/*
 * Generations of a tiny model through the public interface, recorded so that two can be compared:
 * by tokens, text, and the bits of all logits. Compiled with TEST_DRAFT, which are options, all
 * contexts guess ahead, which must show in nothing but figures.
 */
#ifndef SK_SESSION_TEST_H
#define SK_SESSION_TEST_H

#include "test.h"
#include "tiny_model.h"

#ifndef TEST_DRAFT
#define TEST_DRAFT ""
#endif

static tiny_model file;
static skald_model *model;

/* The model of a seed, with recurrent layers or without; exits the test when it does not load. */
static inline void open_model(uint64_t seed, bool recurrent)
{
    tiny_make_kind(&file, seed, recurrent);
    model = tiny_load(&file, "n_threads=2");
    CHECK(model != NULL);
    if (!model)
        exit(test_end());
}

static inline void close_model(void)
{
    skald_model_release(model);
    tiny_free(&file);
}

static inline skald_context *new_context(const char *options)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    skald_options_new(&o);
    CHECKF(skald_options_parse(o, options) == 0, "%s", skald_error_message());
    CHECKF(skald_options_parse(o, TEST_DRAFT) == 0, "%s", skald_error_message());
    skald_options_set_pointer(o, "draft_model", model);
    CHECKF(skald_context_new(model, o, &ctx) == 0, "%s", skald_error_message());
    skald_options_free(o);
    return ctx;
}

static inline int64_t figure(const skald_context *ctx, const char *key)
{
    int64_t value = -999;
    CHECKF(skald_context_get_int(ctx, key, &value) == 0, "%s", key);
    return value;
}

static inline const char *reason(const skald_context *ctx)
{
    const char *value = "?";
    skald_context_get_string(ctx, "stop_reason", &value);
    return value;
}

/* A generation: its tokens, its text, and a hash of all logits. */
typedef struct record {
    int32_t tokens[512];
    int n;
    char text[8192];
    size_t n_text;
    uint64_t hash;
} record;

static inline void note_token(record *r, const skald_context *ctx)
{
    const float *logits;
    const char *text;
    size_t n;
    CHECK(skald_token(ctx, &r->tokens[r->n++]) == 0);
    CHECK(skald_text(ctx, &text, &n) == 0 && text[n] == '\0');
    memcpy(r->text + r->n_text, text, n);
    r->n_text += n;
    CHECK(skald_logits(ctx, -1, &logits, &n) == 0 && n == TINY_VOCAB);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &logits[i], 4);
        r->hash = (r->hash ^ bits) * 0x100000001B3ULL;
    }
}

/* Steps until done with the given slice. */
static inline record run(skald_context *ctx, int64_t budget)
{
    record r = {.hash = 1};
    for (;;) {
        int32_t status = skald_step(ctx, budget);
        if (status == SKALD_TOKEN)
            note_token(&r, ctx);
        else if (status != SKALD_PENDING) {
            CHECKF(status == SKALD_DONE, "%d: %s", status, skald_error_message());
            return r;
        }
    }
}

static inline bool same(const record *a, const record *b)
{
    return a->n == b->n && a->hash == b->hash && a->n_text == b->n_text &&
           memcmp(a->tokens, b->tokens, (size_t)a->n * 4) == 0 &&
           memcmp(a->text, b->text, a->n_text) == 0;
}

static const char prompt[] = "the soothes abc on the thesaurus, and then some more text to fill "
                             "more than one block of the cache with tokens";

static inline record reference(const char *options)
{
    skald_context *ctx = new_context(options);
    CHECK(skald_append_text(ctx, prompt, -1) == 0);
    record r = run(ctx, -1);
    skald_context_free(ctx);
    return r;
}

#endif
