/* SPDX-License-Identifier: MIT */
/*
 * Taking tokens out of the middle of a context: because the host says so (skald_splice), or because
 * the context is full and its oldest tokens are to go ("when_full").
 *
 * What follows is evaluated again: the logits depend on the tokens that are there and on nothing
 * else. With the option "shift" at "rotate" it is moved instead, where the model allows it
 * (model/shift.c); the context then says from which token on (n_exact), and nothing but the turn at
 * hand builds on what was moved: setting all tokens keeps only what is exact.
 *
 * The outcome of a move must not depend on how the work before it was sliced. So what is moved is
 * what was evaluated when a token was last chosen (n_settled), however much more a slice has done
 * since; and the last token is always evaluated again, so that a saved context, which does not hold
 * its logits, goes on to the same bits.
 *
 * How many tokens are dropped follows from counts alone: half of those that may go, or as many as
 * are in the way. What a grammar has read in this turn is never dropped, nor is what is kept.
 */
#include "base/portable.h"

#include "session/context_int.h"

#include <string.h>

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Where the second text of a pair begins, when `n` tokens take the place of `n_remove` from `at`
 * on: what is put across its beginning belongs to the first. */
static void move_second(sk_context *ctx, int64_t at, int64_t n_remove, int64_t n)
{
    int64_t *second = &ctx->pooling.second, end = at + n_remove;
    if (at < *second)
        *second += end < *second ? n - n_remove : at + n - *second;
}

/* Takes tokens [at, at + n) out, which are there. Errors: MEMORY. */
static int32_t take_out(sk_context *ctx, int64_t at, int64_t n)
{
    int64_t n_left = ctx->n_tokens - n, rows = smaller(ctx->n_settled, ctx->n_tokens - 1);
    bool moves = strcmp(sk_opt_string(&ctx->options, SK_OPT_SHIFT), "rotate") == 0 &&
                 at + n < rows && sk_state_shifts_there(ctx->state, rows, at, n);
    if (moves) {
        sk_context_forget(ctx, ctx->n_tokens, rows);
        moves = sk_state_length(ctx->state) == rows;
    }
    if (moves) {
        int32_t status = sk_state_shift(ctx->state, at, n, &ctx->error);
        if (status < 0)
            return status;
        ctx->n_evaluated = ctx->n_settled = sk_state_length(ctx->state);
        ctx->n_exact = smaller(ctx->n_exact, at);
    } else {
        sk_context_forget(ctx, ctx->n_tokens, smaller(at, n_left > 0 ? n_left - 1 : 0));
    }
    move_second(ctx, at, n, 0);
    memmove(ctx->tokens + at, ctx->tokens + at + n, (size_t)(n_left - at) * sizeof *ctx->tokens);
    ctx->n_tokens = n_left;
    return SKALD_OK;
}

/* ---- By the host ---------------------------------------------------------------------------- */

static int32_t check_splice(sk_context *ctx, int64_t at, int64_t n_remove, const int32_t *ids,
                            uint64_t n)
{
    if (at < 0 || at > ctx->n_tokens)
        return sk_fail(&ctx->error, SKALD_E_ARGUMENT, "at is %lld, wanted 0 to %lld", (long long)at,
                       (long long)ctx->n_tokens);
    if (n_remove < 0 || n_remove > ctx->n_tokens - at)
        return sk_fail(&ctx->error, SKALD_E_ARGUMENT, "n_remove is %lld, wanted 0 to %lld",
                       (long long)n_remove, (long long)(ctx->n_tokens - at));
    if (n > (uint64_t)(ctx->n_ctx - ctx->n_tokens + n_remove))
        return sk_context_fail_full(ctx, ctx->n_tokens - n_remove, n);
    return sk_context_check_ids(ctx, ids, n);
}

int32_t sk_context_splice(sk_context *ctx, int64_t at, int64_t n_remove, const int32_t *ids,
                          uint64_t n)
{
    int32_t status = check_splice(ctx, at, n_remove, ids, n);
    if (status < 0)
        return status;
    for (; n > 0 && n_remove > 0 && ids[0] == ctx->tokens[at]; at++, ids++, n--, n_remove--)
        ; /* what stays the same is not touched */
    if (n_remove > 0 && n == 0)
        status = take_out(ctx, at, n_remove);
    if (status < 0)
        return status;
    if (n > 0) {
        int64_t n_behind = ctx->n_tokens - at - n_remove;
        int32_t *place = ctx->tokens + at;
        sk_context_forget(ctx, ctx->n_tokens, at);
        move_second(ctx, at, n_remove, (int64_t)n);
        memmove(place + n, place + n_remove, (size_t)n_behind * sizeof *place);
        memcpy(place, ids, (size_t)n * sizeof *place);
        ctx->n_tokens += (int64_t)n - n_remove;
    }
    ctx->n_reused = ctx->n_evaluated;
    sk_context_begin_turn(ctx, "", 0);
    return SKALD_OK;
}

/* ---- Because it is full --------------------------------------------------------------------- */

/* How many of the first tokens are not to be dropped. */
static int64_t n_kept(const sk_context *ctx)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    int64_t n = smaller(sk_opt_int(&ctx->options, SK_OPT_N_KEEP), ctx->n_tokens);
    bool bos =
        vocab && ctx->n_tokens > 0 && ctx->tokens[0] == sk_vocab_special(vocab, SK_SPECIAL_BOS);
    return n > 0 ? n : bos;
}

int64_t sk_context_droppable(const sk_context *ctx, int64_t n)
{
    int64_t free = ctx->n_ctx - ctx->n_tokens, bound = ctx->constraint ? ctx->n_turn : 0;
    int64_t most = ctx->n_tokens - bound - n_kept(ctx);
    if (strcmp(sk_opt_string(&ctx->options, SK_OPT_WHEN_FULL), "drop") != 0 || most < 2)
        return 0;
    int64_t drop = most / 2 > n - free ? most / 2 : n - free;
    return drop <= most ? drop : 0;
}

int32_t sk_context_drop(sk_context *ctx, int64_t n_drop)
{
    int64_t at = n_kept(ctx);
    int32_t status = take_out(ctx, at, n_drop);
    if (status < 0)
        return status;
    ctx->n_turn = smaller(ctx->n_turn, ctx->n_tokens);
    ctx->n_dropped += n_drop;
    ctx->drop_at = at;
    ctx->drop_n += n_drop;
    return SKALD_OK;
}

int32_t sk_context_drop_event(sk_context *ctx, const char **text, uint64_t *n)
{
    if (ctx->drop_n == 0)
        return 0;
    sk_format(ctx->drop_text, sizeof ctx->drop_text, "{\"at\": %lld, \"n\": %lld}",
              (long long)ctx->drop_at, (long long)ctx->drop_n);
    ctx->drop_n = 0;
    *text = ctx->drop_text;
    *n = strlen(ctx->drop_text);
    return SKALD_EVENT_DROPPED;
}
