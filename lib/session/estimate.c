/* SPDX-License-Identifier: MIT */
/*
 * What things cost is not worked out beside the code that allocates them, where the two would drift
 * apart, but counted: the model is loaded and a context is made with the same options, but for what
 * is large. The weights are not copied (their room is address space only, which is never touched),
 * and of the cache only tables are made; what its blocks will take, the parts of the state say.
 *
 * Memory, for a moment: the model's tables, and a context with its workspace. All of it is the C
 * library's: neither the host's allocator nor its limit is asked.
 */
#include "base/portable.h"

#include "session/estimate.h"
#include "session/context_int.h"

#include <string.h>

static int64_t live_in(const sk_heap *heap)
{
    return (int64_t)atomic_load(&heap->live);
}

static int32_t estimate_context(const sk_options *options, sk_model *model, int64_t *costs,
                                sk_error *error)
{
    sk_context *ctx;
    int32_t status = sk_context_new(&ctx, model, options, error);
    if (status < 0)
        return status;
    status = sk_context_reserve_reply(ctx);
    costs[SKALD_COST_CONTEXT] = live_in(ctx->heap);
    if (status == SKALD_OK)
        status = sk_pass_new(&ctx->pass, ctx->heap, model, ctx->n_batch,
                             sk_context_logit_rows(ctx, 1), &ctx->error);
    if (status == SKALD_OK && ctx->draft.drafter)
        status = sk_drafter_warm(ctx->draft.drafter, &ctx->error);
    costs[SKALD_COST_WORKSPACE] = live_in(ctx->heap) - costs[SKALD_COST_CONTEXT];
    costs[SKALD_COST_CACHE] = (int64_t)sk_state_cost(ctx->state, ctx->n_ctx, ctx->n_batch);
    costs[SKALD_COST_TOKEN] = (int64_t)sk_state_cost_token(ctx->state);
    if (ctx->draft.drafter) {
        const sk_state *other = sk_drafter_state(ctx->draft.drafter);
        costs[SKALD_COST_CACHE] += (int64_t)sk_state_cost(other, ctx->n_ctx, ctx->n_batch);
        costs[SKALD_COST_TOKEN] += (int64_t)sk_state_cost_token(other);
    }
    if (status < 0)
        *error = ctx->error;
    sk_context_free(ctx);
    return status;
}

static int32_t estimate_model(const char *path, const sk_options *options, int64_t *costs,
                              sk_error *error)
{
    sk_model *model;
    int32_t status = sk_model_open(&model, path, options, error);
    if (status < 0)
        return status;
    sk_model_leave_weights(model);
    status = sk_model_step(model, -1);
    if (status < 0)
        *error = *sk_model_error(model);
    costs[SKALD_COST_MODEL] = live_in(sk_model_heap(model));
    costs[SKALD_COST_LOADING] = (int64_t)atomic_load(&sk_model_heap(model)->peak);
    if (status == SKALD_OK)
        costs[SKALD_COST_MAPPED] = (int64_t)sk_model_mapped(model);
    if (status == SKALD_OK && sk_model_runs(model, NULL) == SKALD_OK)
        status = estimate_context(options, model, costs, error);
    sk_model_release(model);
    return status;
}

int32_t sk_estimate(const char *path, const sk_options *options, int64_t *costs, size_t n,
                    sk_error *error)
{
    int64_t all[SKALD_N_COSTS] = {0};
    sk_heap heap;
    sk_heap_init(&heap, NULL, 0, error);
    sk_options *own = sk_alloc(&heap, sizeof *own, "options", error);
    if (!own)
        return SKALD_E_MEMORY;
    sk_options_init(own, &heap);
    int32_t status = sk_options_copy(own, options, error);
    if (status == SKALD_OK) {
        sk_options_unset(own, SK_OPT_ALLOCATOR);
        sk_options_unset(own, SK_OPT_MAX_MEMORY);
        sk_options_unset(own, SK_OPT_LOG);
        status = estimate_model(path, own, all, error);
    }
    if (status == SKALD_OK)
        memcpy(costs, all, (n < SKALD_N_COSTS ? n : SKALD_N_COSTS) * sizeof *costs);
    sk_options_clear(own);
    sk_free(&heap, own);
    return status;
}
