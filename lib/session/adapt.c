/* SPDX-License-Identifier: MIT */
/*
 * The adapters of a context. What its state holds was computed with the ones that it wore, so with
 * others all tokens are evaluated again; they themselves stay. A saved state's cache is told apart
 * by its layout, into which the adapters' contents and scales go.
 */
#include "base/portable.h"

#include "session/context_int.h"

int32_t sk_context_set_adapters(sk_context *ctx, sk_adapter *const *adapters, const double *scales,
                                uint64_t n)
{
    sk_adapters *set;
    int32_t status = sk_adapters_new(&set, ctx->heap, ctx->model, adapters, scales, n, &ctx->error);
    if (status < 0)
        return status;
    if (sk_adapters_same(set, ctx->adapters)) {
        sk_adapters_free(set);
        return SKALD_OK;
    }
    sk_context_forget(ctx, ctx->n_tokens, 0);
    sk_state_wear(ctx->state, set);
    sk_adapters_free(ctx->adapters);
    ctx->adapters = set;
    return SKALD_OK;
}

int32_t sk_context_copy_adapters(sk_context *to, const sk_context *from)
{
    int32_t status = sk_adapters_copy(&to->adapters, to->heap, from->adapters, &to->error);
    sk_state_wear(to->state, to->adapters);
    return status;
}
