/* SPDX-License-Identifier: MIT */
/*
 * The next token: the sampler's choice among what the constraint allows. Where the constraint
 * stands follows from the tokens of the turn; after a turn's beginning, a fork or a load it takes
 * them again. A token that alone may follow is taken without the model; what the sampler would have
 * chosen is the same, as it had no choice.
 */
#include "base/portable.h"

#include "session/context_int.h"

static int32_t catch_up(sk_context *ctx)
{
    int32_t status = sk_constraint_reset(ctx->constraint, ctx->chat.awaited, &ctx->error);
    for (int64_t i = ctx->n_tokens - ctx->n_turn; i < ctx->n_tokens && status == SKALD_OK; i++) {
        bool taken;
        status = sk_constraint_take(ctx->constraint, ctx->tokens[i], &taken, &ctx->error);
        if (status == SKALD_OK && !taken)
            status = sk_fail(&ctx->error, SKALD_E_GRAMMAR,
                             "token %lld is not what the grammar allows", (long long)i);
    }
    ctx->is_rewound = status < 0;
    return status;
}

/* The one token that may follow, if there is but one. */
static void look_ahead(sk_context *ctx)
{
    sk_mask mask;
    sk_error ignored; /* the next pick will meet it too */
    ctx->forced = -1;
    if (sk_constraint_mask(ctx->constraint, &mask, &ignored) == SKALD_OK)
        ctx->forced = mask.only;
    else
        ctx->is_rewound = true;
}

static int32_t pick_from(sk_context *ctx, const uint32_t *banned, int32_t *token)
{
    const float *logits = ctx->logits + (ctx->n_logits - 1) * ctx->n_vocab;
    int32_t status;
    do {
        sk_sampler_set_state(ctx->sampler, ctx->sampling);
        status = sk_sampler_pick(ctx->sampler, logits, ctx->tokens, (uint64_t)ctx->n_tokens,
                                 (uint64_t)(ctx->n_dropped + ctx->n_tokens),
                                 sk_context_veto(ctx, banned), token, &ctx->error);
    } while ((status == SKALD_E_GRAMMAR || status == SKALD_E_OPTION) &&
             sk_context_lift_vetoes(ctx));
    return status;
}

/* What the constraint does not take after all is banned at this place, and another is chosen. */
static int32_t pick_constrained(sk_context *ctx, int32_t *token)
{
    bool taken = false;
    int32_t status = ctx->is_rewound ? catch_up(ctx) : SKALD_OK;
    while (status == SKALD_OK && !taken) {
        sk_mask mask;
        status = sk_constraint_mask(ctx->constraint, &mask, &ctx->error);
        if (status < 0)
            break;
        if (mask.banned && mask.n_text + mask.n_ends == 0 &&
            sk_constraint_may_end(ctx->constraint)) {
            *token = -1; /* all is said, and no token could say so */
            return SKALD_OK;
        }
        bool forced = ctx->forced >= 0;
        *token = ctx->forced;
        ctx->forced = -1;
        if (!forced)
            status = pick_from(ctx, mask.banned, token);
        if (status == SKALD_OK)
            status = sk_constraint_take(ctx->constraint, *token, &taken, &ctx->error);
        if (status == SKALD_OK && forced && !taken && sk_context_unforce(ctx))
            continue; /* the grammar does not let the reasoning end here */
        if (status == SKALD_OK && forced && !taken)
            status = sk_fail(&ctx->error, SKALD_E_GRAMMAR,
                             "token %d, which must follow, is not allowed", (int)*token);
        ctx->n_forced += forced && taken;
    }
    if (status == SKALD_OK)
        look_ahead(ctx);
    else
        ctx->is_rewound = true;
    return status;
}

int32_t sk_context_pick(sk_context *ctx, int32_t *token)
{
    const int64_t n_forced = ctx->n_forced;
    int32_t status = SKALD_OK, ending = sk_context_forced_token(ctx); /* of too long a thought */
    *token = ending;
    ctx->free = true;
    if (ctx->constraint) {
        ctx->forced = ending >= 0 ? ending : ctx->forced;
        status = pick_constrained(ctx, token);
    } else if (ending < 0) {
        status = pick_from(ctx, NULL, token);
    }
    if (status < 0)
        return status;
    if (ending >= 0 || ctx->n_forced > n_forced) { /* the sampler had no part in it */
        ctx->free = false;
        sk_sampler_probs_forced(ctx->sampler, *token);
        ctx->sampling = sk_sampler_state_forced(ctx->sampler, ctx->sampling);
    } else {
        ctx->sampling = sk_sampler_get_state(ctx->sampler);
    }
    ctx->n_turn += *token >= 0;
    return SKALD_OK;
}
