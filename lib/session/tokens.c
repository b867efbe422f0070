/* SPDX-License-Identifier: MIT */
/*
 * The tokens of a context: appending, cutting back, and setting all of them at once. Taking some
 * out of the middle, and making room by it, is in edit.c.
 *
 * Setting keeps what the new tokens share with the old ones from the beginning on: that much of
 * the state stays, and only the rest is evaluated. A context that is given its whole prompt anew
 * for every turn costs no more than one that is appended to.
 */
#include "base/portable.h"

#include "session/context_int.h"
#include "text/tokenize.h"

#include <string.h>

void sk_context_begin_turn(sk_context *ctx, const char *text, uint64_t n)
{
    ctx->ending = false;
    ctx->stop = SK_STOP_NONE;
    ctx->n_predicted = ctx->n_turn = 0;
    ctx->is_rewound = true;
    ctx->sampling = (sk_sampler_state){0, 0, 0};
    ctx->turn_us = 0;
    ctx->n_vetoes = 0;
    ctx->token = ctx->forced = -1;
    sk_output_reset(&ctx->output);
    sk_context_begin_reply(ctx, text, n);
}

int32_t sk_context_fail_full(sk_context *ctx, int64_t n_held, uint64_t n)
{
    return sk_fail(&ctx->error, SKALD_E_CONTEXT_FULL,
                   "%llu tokens do not fit: the context holds %lld of at most %lld (n_ctx)",
                   (unsigned long long)n, (long long)n_held, (long long)ctx->n_ctx);
}

int32_t sk_context_check_ids(sk_context *ctx, const int32_t *ids, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= ctx->n_vocab)
            return sk_fail(&ctx->error, SKALD_E_ARGUMENT,
                           "token %llu of the argument is %d, wanted 0 to %lld",
                           (unsigned long long)i, ids[i], (long long)ctx->n_vocab - 1);
    return SKALD_OK;
}

bool sk_context_wants_bos(const sk_context *ctx, const sk_vocab *vocab, int32_t *bos)
{
    int64_t add = sk_opt_int(&ctx->options, SK_OPT_ADD_BOS);
    *bos = sk_vocab_special(vocab, SK_SPECIAL_BOS);
    return *bos >= 0 && (add > 0 || (add < 0 && sk_vocab_add_bos(vocab)));
}

/* Tokenises what shall stand behind the first `n_held` tokens into `out`, which has room for
 * `room`. Errors: CONTEXT_FULL (n_out are too many), TOKENIZER, MEMORY. */
static int32_t text_to_tokens(sk_context *ctx, int64_t n_held, const char *text, uint64_t n,
                              int32_t *out, uint64_t room, uint64_t *n_out)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    if (!vocab)
        return sk_fail(&ctx->error, SKALD_E_TOKENIZER,
                       "the model has no vocabulary: give token ids instead of text");
    int32_t bos = 0,
            flags = sk_opt_int(&ctx->options, SK_OPT_PARSE_SPECIAL) ? SKALD_PARSE_SPECIAL : 0;
    uint64_t n_bos = n_held == 0 && sk_context_wants_bos(ctx, vocab, &bos), needed = 0;
    if (room < n_bos)
        return sk_context_fail_full(ctx, n_held, n_bos);
    int32_t status = sk_tokenize(vocab, ctx->heap, text, n, flags, out + n_bos, room - n_bos,
                                 &needed, &ctx->error);
    *n_out = needed + n_bos;
    if (status == SKALD_E_BUFFER)
        return sk_context_fail_full(ctx, n_held, *n_out);
    if (n_bos && status == SKALD_OK)
        out[0] = bos;
    return status;
}

/* ---- Appending ------------------------------------------------------------------------------ */

/* Counts `n` tokens that lie behind the others already. */
static void add_tokens(sk_context *ctx, uint64_t n, const char *text, uint64_t n_text)
{
    if (n == 0)
        return;
    ctx->n_tokens += (int64_t)n;
    sk_context_begin_turn(ctx, text, n_text);
}

/* Appends what fits only when other tokens are dropped. `ids` is none of the context's own array,
 * which is about to move. */
static int32_t append_dropping(sk_context *ctx, const int32_t *ids, uint64_t n)
{
    int64_t n_drop = n <= (uint64_t)ctx->n_ctx ? sk_context_droppable(ctx, (int64_t)n) : 0;
    int32_t status =
        n_drop == 0 ? sk_context_fail_full(ctx, ctx->n_tokens, n) : sk_context_drop(ctx, n_drop);
    if (status == SKALD_OK)
        memcpy(ctx->tokens + ctx->n_tokens, ids, (size_t)n * sizeof *ids);
    return status;
}

/* Room for the tokens of an argument; NULL: MEMORY. */
static int32_t *new_ids(sk_context *ctx, uint64_t n)
{
    return sk_alloc_array(ctx->heap, n, sizeof(int32_t), "tokens of an argument", &ctx->error);
}

int32_t sk_context_append_tokens(sk_context *ctx, const int32_t *ids, uint64_t n)
{
    int32_t status = sk_context_check_ids(ctx, ids, n);
    if (status < 0 || n == 0)
        return status;
    if (n <= (uint64_t)(ctx->n_ctx - ctx->n_tokens)) {
        memcpy(ctx->tokens + ctx->n_tokens, ids, (size_t)n * sizeof *ids);
    } else {
        int32_t *copy = new_ids(ctx, n);
        if (!copy)
            return SKALD_E_MEMORY;
        memcpy(copy, ids, (size_t)n * sizeof *ids);
        status = append_dropping(ctx, copy, n);
        sk_free(ctx->heap, copy);
    }
    if (status == SKALD_OK)
        add_tokens(ctx, n, "", 0);
    return status;
}

int32_t sk_context_append_text(sk_context *ctx, const char *text, uint64_t n)
{
    uint64_t n_ids = 0, room = (uint64_t)(ctx->n_ctx - ctx->n_tokens);
    /* The tokens are written where they belong, and are none of the context's until counted. */
    int32_t status =
        text_to_tokens(ctx, ctx->n_tokens, text, n, ctx->tokens + ctx->n_tokens, room, &n_ids);
    if (status == SKALD_E_CONTEXT_FULL && sk_context_droppable(ctx, 1) > 0) {
        int32_t *ids = new_ids(ctx, n_ids);
        status =
            ids ? text_to_tokens(ctx, ctx->n_tokens, text, n, ids, n_ids, &n_ids) : SKALD_E_MEMORY;
        if (status == SKALD_OK)
            status = append_dropping(ctx, ids, n_ids);
        sk_free(ctx->heap, ids);
    }
    if (status == SKALD_OK)
        add_tokens(ctx, n_ids, text, n);
    return status;
}

/* ---- Cutting and setting -------------------------------------------------------------------- */

void sk_context_forget(sk_context *ctx, int64_t n_tokens, int64_t n_evaluated)
{
    sk_context_ungroup(ctx);
    sk_draft_drop(ctx);
    ctx->n_tokens = n_tokens;
    ctx->n_logits = 0;
    if (ctx->pooling.second > n_tokens)
        ctx->pooling.second = 0;
    if (ctx->n_evaluated > n_evaluated) {
        sk_state_truncate(ctx->state, n_evaluated);
        ctx->n_evaluated = sk_state_length(ctx->state);
    }
    if (ctx->n_settled > ctx->n_evaluated)
        ctx->n_settled = ctx->n_evaluated;
    if (ctx->n_exact >= ctx->n_evaluated)
        ctx->n_exact = INT64_MAX;
}

/* How much of the state is good for `n` tokens when nothing follows them: the last one is evaluated
 * again, because what comes next is chosen from its logits. */
static int64_t all_but_last(int64_t n)
{
    return n > 0 ? n - 1 : 0;
}

int32_t sk_context_truncate(sk_context *ctx, int64_t n_tokens)
{
    if (n_tokens < 0 || n_tokens > ctx->n_tokens)
        return sk_fail(&ctx->error, SKALD_E_ARGUMENT, "n_tokens is %lld, wanted 0 to %lld",
                       (long long)n_tokens, (long long)ctx->n_tokens);
    sk_context_ungroup(ctx);
    sk_context_begin_turn(ctx, "", 0);
    if (n_tokens < ctx->n_tokens)
        sk_context_forget(ctx, n_tokens, all_but_last(n_tokens));
    return SKALD_OK;
}

int32_t sk_context_set_tokens(sk_context *ctx, const int32_t *ids, uint64_t n)
{
    int64_t same = 0, n_ids = (int64_t)n;
    if (n > (uint64_t)ctx->n_ctx)
        return sk_context_fail_full(ctx, 0, n);
    int32_t status = sk_context_check_ids(ctx, ids, n);
    if (status < 0)
        return status;
    /* Where tokens see to both sides, they are another text with each that is added. */
    bool keeps = !sk_model_is_whole(ctx->model);
    ctx->pooling.second = 0;
    while (keeps && same < n_ids && same < ctx->n_tokens && ids[same] == ctx->tokens[same])
        same++;
    /* What was moved is not what these tokens alone give. */
    int64_t good = same < ctx->n_exact ? same : ctx->n_exact;
    if (same < ctx->n_tokens || good < same)
        sk_context_forget(ctx, same, good < n_ids ? good : all_but_last(good));
    /* A host may hand in a part of the context's own array. */
    if (same < n_ids)
        memmove(ctx->tokens + same, ids + same, (size_t)(n_ids - same) * sizeof *ids);
    ctx->n_tokens = n_ids;
    ctx->n_reused = ctx->n_evaluated;
    ctx->n_dropped = ctx->drop_n = 0;
    ctx->chat.chatting = false;
    sk_context_begin_turn(ctx, "", 0);
    return SKALD_OK;
}

int32_t sk_context_set_text(sk_context *ctx, const char *text, uint64_t n)
{
    uint64_t n_ids = 0;
    if (ctx->pooling.kind != SK_POOL_OFF)
        return sk_context_set_pair(ctx, text, n, NULL, 0);
    int32_t *ids = sk_alloc_array(ctx->heap, (uint64_t)ctx->n_ctx, sizeof *ids, "tokens of a text",
                                  &ctx->error);
    if (!ids)
        return SKALD_E_MEMORY;
    int32_t status = text_to_tokens(ctx, 0, text, n, ids, (uint64_t)ctx->n_ctx, &n_ids);
    if (status == SKALD_OK)
        status = sk_context_set_tokens(ctx, ids, n_ids);
    if (status == SKALD_OK)
        sk_context_begin_reply(ctx, text, n);
    sk_free(ctx->heap, ids);
    return status;
}
