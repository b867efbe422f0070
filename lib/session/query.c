/* SPDX-License-Identifier: MIT */
/* Reading a context: views, and figures by key. */
#include "base/portable.h"

#include "session/context_int.h"

#include <string.h>

sk_error *sk_context_error(sk_context *ctx)
{
    return &ctx->error;
}

const sk_model *sk_context_model(const sk_context *ctx)
{
    return ctx->model;
}

int32_t sk_context_text(const sk_context *ctx, const char **text, size_t *n)
{
    *text = ctx->output.text ? ctx->output.text : "";
    *n = (size_t)ctx->output.n_text;
    return ctx->token < 0 ? SKALD_E_NOT_FOUND : SKALD_OK;
}

int32_t sk_context_bytes(const sk_context *ctx, const char **bytes, size_t *n)
{
    *bytes = ctx->token < 0 ? "" : ctx->bytes;
    *n = ctx->token < 0 ? 0 : (size_t)ctx->n_bytes;
    return ctx->token < 0 ? SKALD_E_NOT_FOUND : SKALD_OK;
}

int32_t sk_context_token(const sk_context *ctx, int32_t *token)
{
    *token = ctx->token;
    return ctx->token < 0 ? SKALD_E_NOT_FOUND : SKALD_OK;
}

size_t sk_context_probs(const sk_context *ctx, bool after, const int32_t **ids, const float **logs)
{
    *ids = NULL;
    *logs = NULL;
    return ctx->token < 0 ? 0 : (size_t)sk_sampler_probs(ctx->sampler, after, ids, logs);
}

const int32_t *sk_context_tokens(const sk_context *ctx, size_t *n)
{
    *n = (size_t)ctx->n_tokens;
    return ctx->tokens;
}

const float *sk_context_logits(const sk_context *ctx, int64_t position, size_t *n)
{
    int64_t row = position == -1 ? ctx->n_logits - 1 : position - ctx->logits_first;
    *n = 0;
    if (position < -1 || row < 0 || row >= ctx->n_logits)
        return NULL;
    *n = (size_t)ctx->n_vocab;
    return ctx->logits + row * ctx->n_vocab;
}

enum { F_INT64, F_INT32, F_HEAP }; /* how a figure is kept; F_HEAP: a count of the heap's */

/* Figures that lie in the struct, or in its heap's. */
static const struct {
    const char *key;
    size_t offset;
    int kind;
} figures[] = {
    {"n_batch", offsetof(sk_context, n_batch), F_INT64},
    {"n_tokens", offsetof(sk_context, n_tokens), F_INT64},
    {"n_evaluated", offsetof(sk_context, n_evaluated), F_INT64},
    {"n_reused", offsetof(sk_context, n_reused), F_INT64},
    {"n_dropped", offsetof(sk_context, n_dropped), F_INT64},
    {"n_prompt", offsetof(sk_context, n_prompt), F_INT64},
    {"n_generated", offsetof(sk_context, n_generated), F_INT64},
    {"n_forced", offsetof(sk_context, n_forced), F_INT64},
    {"n_drafted", offsetof(sk_context, draft.n_drafted), F_INT64},
    {"n_accepted", offsetof(sk_context, draft.n_accepted), F_INT64},
    {"prompt_us", offsetof(sk_context, prompt_us), F_INT64},
    {"decode_us", offsetof(sk_context, decode_us), F_INT64},
    {"token_last", offsetof(sk_context, token), F_INT32},
    {"memory_live", offsetof(sk_heap, live), F_HEAP},
    {"memory_peak", offsetof(sk_heap, peak), F_HEAP},
    {"n_alloc", offsetof(sk_heap, count), F_HEAP},
};

static int64_t read_figure(const sk_context *ctx, size_t i)
{
    bool in_heap = figures[i].kind == F_HEAP;
    const char *at = (in_heap ? (const char *)ctx->heap : (const char *)ctx) + figures[i].offset;
    if (in_heap)
        return (int64_t)atomic_load((const _Atomic uint64_t *)(const void *)at);
    if (figures[i].kind == F_INT32)
        return *(const int32_t *)(const void *)at;
    return *(const int64_t *)(const void *)at;
}

int32_t sk_context_get_int(const sk_context *ctx, const char *key, int64_t *value, sk_error *error)
{
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (strcmp(key, figures[i].key) == 0) {
            *value = read_figure(ctx, i);
            return SKALD_OK;
        }
    if (strcmp(key, "n_threads") == 0)
        *value = sk_executor_width(sk_model_executor(ctx->model));
    else if (strcmp(key, "n_exact") == 0)
        *value = ctx->n_exact < ctx->n_evaluated ? ctx->n_exact : ctx->n_evaluated;
    else if (strcmp(key, "n_adapters") == 0)
        *value = ctx->adapters ? ctx->adapters->n : 0;
    else if (strcmp(key, "can_shift") == 0)
        *value = sk_state_shifts(ctx->state);
    else if (strcmp(key, "cache_size") == 0)
        *value = (int64_t)sk_state_bytes(ctx->state);
    else if (sk_options_get_int(&ctx->options, key, value, error) < 0)
        return SKALD_E_NOT_FOUND;
    return SKALD_OK;
}

int32_t sk_context_get_float(const sk_context *ctx, const char *key, double *value, sk_error *error)
{
    int32_t status = sk_options_get_float(&ctx->options, key, value, error);
    return status < 0 ? SKALD_E_NOT_FOUND : SKALD_OK;
}

int32_t sk_context_get_string(const sk_context *ctx, const char *key, const char **value,
                              sk_error *error)
{
    static const char *const reasons[] = {"none",    "end",  "stop", "length",
                                          "context", "host", "time"};
    if (strcmp(key, "stop_reason") == 0) {
        *value = reasons[ctx->stop];
        return SKALD_OK;
    }
    int32_t status = sk_options_get_string(&ctx->options, key, value, error);
    return status < 0 ? SKALD_E_NOT_FOUND : SKALD_OK;
}
