/* SPDX-License-Identifier: MIT */
/*
 * Banned texts ("banned"). The output notices when one is complete and which token it began in
 * (output.h). That token and all behind it are taken back, and it is vetoed at its place, where the
 * sampler then chooses among the others; the random number is the same, as it depends on the
 * position alone. So text is found by going back and trying the next best, in an order that depends
 * on nothing but the tokens before: a saved context, or a fork, finds the same.
 *
 * Vetoes hold for what comes before them. Going back to a place forgets those behind it and keeps
 * those before it, which may be gone back to as well; places whose text was shown are final. A veto
 * more is a way less, so the search ends. Where vetoes leave no token (a grammar wants what is
 * banned, say) they are lifted, and the banned text passes: a dead end would be worse.
 *
 * Memory: a few bytes for each veto at tokens that are held back, and a bit per token.
 */
#include "base/portable.h"

#include "session/context_int.h"

#include <string.h>

static int64_t next_position(const sk_context *ctx)
{
    return ctx->n_dropped + ctx->n_tokens;
}

static uint64_t vetoed_words(const sk_context *ctx)
{
    return ((uint64_t)ctx->n_vocab + 31) / 32;
}

int32_t sk_context_reserve_vetoes(sk_context *ctx, uint64_t n)
{
    void *vetoes = ctx->vetoes;
    if (!ctx->vetoed)
        ctx->vetoed = sk_alloc_array(ctx->heap, vetoed_words(ctx), sizeof *ctx->vetoed,
                                     "banned texts", &ctx->error);
    if (!ctx->vetoed)
        return SKALD_E_MEMORY;
    int32_t status = sk_grow(ctx->heap, &vetoes, &ctx->veto_capacity, n, sizeof *ctx->vetoes,
                             "banned texts", &ctx->error);
    ctx->vetoes = vetoes;
    return status;
}

/* Keeps the vetoes of a range of positions. */
static void keep_vetoes(sk_context *ctx, int64_t first, int64_t last)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < ctx->n_vetoes; i++)
        if (ctx->vetoes[i].position >= first && ctx->vetoes[i].position <= last)
            ctx->vetoes[kept++] = ctx->vetoes[i];
    ctx->n_vetoes = kept;
}

void sk_context_take_back(sk_context *ctx, int64_t n_back, sk_sampler_state before)
{
    int64_t n = ctx->n_tokens - n_back;
    int32_t token = ctx->tokens[n];
    sk_context_unreason(ctx, n_back);
    sk_context_forget(ctx, n, n - 1);
    ctx->n_turn -= n_back < ctx->n_turn ? n_back : ctx->n_turn;
    ctx->n_generated -= n_back < ctx->n_generated ? n_back : ctx->n_generated;
    ctx->n_predicted -= n_back < ctx->n_predicted ? n_back : ctx->n_predicted;
    ctx->is_rewound = true;
    ctx->forced = ctx->token = -1;
    ctx->sampling = before;
    int64_t position = next_position(ctx);
    keep_vetoes(ctx, position - (int64_t)ctx->output.n_tokens, position);
    ctx->vetoes[ctx->n_vetoes++] = (sk_veto){position, token};
}

const uint32_t *sk_context_veto(sk_context *ctx, const uint32_t *banned)
{
    const int64_t position = next_position(ctx);
    bool any = false;
    for (uint64_t i = 0; i < ctx->n_vetoes; i++) {
        const sk_veto *veto = &ctx->vetoes[i];
        if (veto->position != position)
            continue;
        if (!any && banned)
            memcpy(ctx->vetoed, banned, (size_t)vetoed_words(ctx) * sizeof *banned);
        else if (!any)
            memset(ctx->vetoed, 0, (size_t)vetoed_words(ctx) * sizeof *ctx->vetoed);
        any = true;
        ctx->vetoed[veto->token / 32] |= (uint32_t)1 << (veto->token % 32);
    }
    return any ? ctx->vetoed : banned;
}

bool sk_context_lift_vetoes(sk_context *ctx)
{
    const uint64_t n = ctx->n_vetoes;
    keep_vetoes(ctx, 0, next_position(ctx) - 1);
    ctx->free = ctx->free && n == ctx->n_vetoes;
    return n > ctx->n_vetoes;
}

int32_t sk_context_copy_vetoes(sk_context *to, const sk_context *from)
{
    int32_t status = from->n_vetoes ? sk_context_reserve_vetoes(to, from->n_vetoes) : SKALD_OK;
    if (status == SKALD_OK && from->n_vetoes)
        memcpy(to->vetoes, from->vetoes, (size_t)from->n_vetoes * sizeof *to->vetoes);
    to->n_vetoes = status == SKALD_OK ? from->n_vetoes : 0;
    return status;
}
