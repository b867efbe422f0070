/* SPDX-License-Identifier: MIT */
/*
 * The life of a model as the house tests live it: load, tokenise, generate, free. Against skald.h
 * alone. Functions return a status, so that a test can watch them fail.
 */
#ifndef SK_LIFE_H
#define SK_LIFE_H

#include "skald.h"
#include "test.h"

#define LIFE_PROMPT "Once upon a time \xE2\x82\xAC"

typedef struct life {
    uint64_t hash; /* over tokens and logits */
    int32_t n_tokens;
} life;

static inline uint64_t life_hash(uint64_t hash, const void *data, size_t n)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 0x100000001B3ULL;
    return hash;
}

/* Options from text, with a host table or NULL under "allocator". */
static inline int32_t life_options(skald_options **out, const char *text,
                                   const skald_allocator *allocator)
{
    int32_t status = skald_options_new(out);
    if (status >= 0)
        status = skald_options_parse(*out, text);
    if (status >= 0 && allocator)
        status = skald_options_set_pointer(*out, "allocator", allocator);
    return status;
}

/* Takes what a step that returned TOKEN brought into the hash. */
static inline void life_take(life *l, const skald_context *ctx)
{
    int32_t token = -1;
    const float *logits = NULL;
    size_t n = 0;
    CHECK(skald_token(ctx, &token) == SKALD_OK);
    CHECK(skald_logits(ctx, -1, &logits, &n) == SKALD_OK && n > 0);
    l->hash = life_hash(l->hash, &token, sizeof token);
    l->hash = life_hash(l->hash, logits, n * sizeof *logits);
    l->n_tokens++;
}

/* Steps in slices until done. */
static inline int32_t life_steps(life *l, skald_context *ctx, int64_t budget_us)
{
    int32_t status;
    while ((status = skald_step(ctx, budget_us)) > 0)
        if (status == SKALD_TOKEN)
            life_take(l, ctx);
    return status;
}

/* A context, a prompt and `n_predict` tokens. */
static inline int32_t life_generate(life *l, skald_model *model, int64_t budget_us)
{
    skald_options *o = NULL;
    skald_context *ctx = NULL;
    *l = (life){.hash = 0xCBF29CE484222325ULL};
    int32_t status = life_options(&o, "n_ctx=128 n_predict=5 temperature=0.8 seed=3", NULL);
    if (status >= 0)
        status = skald_context_new(model, o, &ctx);
    if (status >= 0)
        status = skald_append_text(ctx, LIFE_PROMPT, -1);
    if (status >= 0)
        status = life_steps(l, ctx, budget_us);
    skald_context_free(ctx);
    skald_options_free(o);
    return status;
}

/* All of it. */
static inline int32_t life_whole(life *l, const char *path, const char *options)
{
    skald_options *o = NULL;
    skald_model *model = NULL;
    int32_t ids[64], status = life_options(&o, options, NULL);
    size_t n = 0, size = 0;
    char text[256];
    if (status >= 0)
        status = skald_model_load(path, o, &model);
    if (status >= 0)
        status = skald_tokenize(model, LIFE_PROMPT, -1, SKALD_ADD_SPECIAL, ids, 64, &n);
    if (status >= 0)
        status = skald_detokenize(model, ids, n, SKALD_ADD_SPECIAL, text, sizeof text, &size);
    if (status >= 0)
        status = life_generate(l, model, -1);
    skald_model_release(model);
    skald_options_free(o);
    return status;
}

#endif
