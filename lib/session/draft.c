/* SPDX-License-Identifier: MIT */
/*
 * Guesses from the context's own text (prompt look-up): what followed when the last tokens stood
 * there before. As many tokens as agreed are guessed, so that a chance agreement costs little and a
 * passage that is being repeated is soon guessed at full length. How many must agree goes up when a
 * draft was wrong from its first token on, and down when one was right to its end. Where nothing
 * agrees but for the last token, which took the place of another in a long passage, as in a text
 * that is being revised, the passage is gone on with.
 *
 * The search compares each earlier place with the last two tokens first: a few microseconds per
 * thousand tokens, and no memory.
 */
#include "base/portable.h"

#include "session/context_int.h"
#include "session/draft.h"

#include <string.h>

enum {
    DRAFT_AGREE_LEAST = 2,
    DRAFT_AGREE_MOST = 8,
    DRAFT_AGREE_SEEN = 64 /* tokens that are compared at most */
};

/* ---- Making -----------------------------------------------------------------------------------
 */

static int32_t draft_drafter(sk_context *ctx, const sk_context *source)
{
    sk_draft *d = &ctx->draft;
    if (source)
        return sk_drafter_fork(&d->drafter, ctx, source->draft.drafter);
    const void *model = sk_opt_pointer(&ctx->options, SK_OPT_DRAFT_MODEL);
    return sk_drafter_new(&d->drafter, ctx, (sk_model *)(uintptr_t)model);
}

int32_t sk_draft_init(sk_context *ctx, const sk_context *source)
{
    sk_draft *d = &ctx->draft;
    const char *kind = sk_opt_string(&ctx->options, SK_OPT_DRAFT);
    int64_t max = sk_opt_int(&ctx->options, SK_OPT_N_DRAFT);
    max = max < ctx->n_batch - 1 ? max : ctx->n_batch - 1;
    d->barred = -1;
    d->agreement = DRAFT_AGREE_LEAST;
    d->length = max;
    if (strcmp(kind, "off") == 0 || ctx->pooling.kind != SK_POOL_OFF || max < 1)
        return SKALD_OK;
    d->ids = sk_alloc_array(ctx->heap, (uint64_t)max, sizeof *d->ids, "drafts", &ctx->error);
    d->logits = sk_alloc_array(ctx->heap, (uint64_t)(max * ctx->n_vocab), sizeof *d->logits,
                               "logits of drafts", &ctx->error);
    if (!d->ids || !d->logits)
        return SKALD_E_MEMORY;
    d->max = max;
    return strcmp(kind, "model") == 0 ? draft_drafter(ctx, source) : SKALD_OK;
}

void sk_draft_free(sk_context *ctx)
{
    sk_drafter_free(ctx->draft.drafter);
    sk_free(ctx->heap, ctx->draft.logits);
    sk_free(ctx->heap, ctx->draft.ids);
}

/* ---- Taking -----------------------------------------------------------------------------------
 */

void sk_draft_drop(sk_context *ctx)
{
    sk_draft *d = &ctx->draft;
    if (d->n_ahead == 0)
        return;
    int64_t n = ctx->n_evaluated;
    d->n_ahead = 0;
    sk_state_truncate(ctx->state, n);
    ctx->n_evaluated = sk_state_length(ctx->state);
    d->n_again += n - ctx->n_evaluated;
}

/* What a draft that is at its end says about the next ones; `first` of its guesses came true. */
static void draft_learn(sk_draft *d)
{
    bool whole = d->n_ahead == 0;
    if (whole) {
        d->agreement -= d->agreement > DRAFT_AGREE_LEAST;
        d->length = 2 * d->length < d->max ? 2 * d->length : d->max;
    } else {
        d->agreement += d->first == 0 && d->agreement < DRAFT_AGREE_MOST;
        d->length = d->first + 1;
    }
}

void sk_draft_accept(sk_context *ctx)
{
    sk_draft *d = &ctx->draft;
    bool any = false;
    while (d->n_ahead > 0 && ctx->n_evaluated < ctx->n_tokens &&
           d->ids[d->first] == ctx->tokens[ctx->n_evaluated]) {
        ctx->n_evaluated++;
        d->first++;
        d->n_ahead--;
        d->n_accepted++;
        any = true;
    }
    if (any) {
        memcpy(ctx->logits, d->logits + (d->first - 1) * ctx->n_vocab,
               (size_t)ctx->n_vocab * sizeof *ctx->logits);
        ctx->logits_first = ctx->n_evaluated - 1;
        ctx->n_logits = 1;
    }
    bool wrong = d->n_ahead > 0 && ctx->n_evaluated < ctx->n_tokens;
    if (wrong || (any && d->n_ahead == 0))
        draft_learn(d);
    if (wrong)
        sk_draft_drop(ctx);
}

void sk_draft_commit(sk_context *ctx, const sk_pass *pass)
{
    sk_draft *d = &ctx->draft;
    int64_t row = ctx->row_first + ctx->n_rows - d->n;
    for (int64_t i = 0; i < d->n; i++)
        memcpy(d->logits + i * ctx->n_vocab, sk_pass_logits(pass, row + i),
               (size_t)ctx->n_vocab * sizeof *d->logits);
    d->n_drafted += d->n;
    d->n_ahead = d->n;
    d->first = d->n = d->n_again = 0;
}

/* ---- Guessing ---------------------------------------------------------------------------------
 */

/* How many tokens before `at` are those before the end. */
static int64_t draft_agreement(const int32_t *tokens, int64_t n, int64_t at)
{
    int64_t same = 0, most = at < DRAFT_AGREE_SEEN ? at : DRAFT_AGREE_SEEN;
    while (same < most && tokens[at - 1 - same] == tokens[n - 1 - same])
        same++;
    return same;
}

/* The place where the longest run of the last tokens stood before, the latest of several: the index
 * of what followed; 0: there is none. */
static int64_t draft_find(const int32_t *tokens, int64_t n, int64_t *agreement)
{
    int64_t found = 0;
    *agreement = 0;
    for (int64_t at = n - 1; at >= DRAFT_AGREE_LEAST && *agreement < DRAFT_AGREE_SEEN; at--) {
        if (tokens[at - 1] != tokens[n - 1] || tokens[at - 2] != tokens[n - 2])
            continue;
        int64_t same = draft_agreement(tokens, n, at);
        if (same > *agreement) {
            *agreement = same;
            found = at;
        }
    }
    return found;
}

static int64_t draft_look_up(sk_context *ctx, int32_t *ids, int64_t most)
{
    sk_draft *d = &ctx->draft;
    int64_t agreement, n = 0, at = draft_find(ctx->tokens, ctx->n_tokens, &agreement);
    if (at == 0 || agreement < d->agreement) {
        at = ctx->n_tokens - d->lag;
        agreement =
            d->lag > 0 && at > 0 ? draft_agreement(ctx->tokens, ctx->n_tokens - 1, at - 1) : 0;
        if (agreement < DRAFT_AGREE_MOST)
            return 0;
    }
    d->lag = ctx->n_tokens - at;
    most = most < agreement ? most : agreement;
    for (; n < most; n++, at++) /* what is repeated may reach into the guesses themselves */
        ids[n] = at < ctx->n_tokens ? ctx->tokens[at] : ids[at - ctx->n_tokens];
    return n;
}

/* How many guesses may be of use. Behind a prompt none are made: where it ends, recurrent layers
 * are to keep what they remember. */
static int64_t draft_room(const sk_context *ctx)
{
    const sk_draft *d = &ctx->draft;
    int64_t room = d->max, n_predict = sk_opt_int(&ctx->options, SK_OPT_N_PREDICT);
    if (d->max == 0 || ctx->token < 0 || ctx->ending || d->barred == ctx->n_tokens)
        return 0;
    if (n_predict >= 0 && room > n_predict - ctx->n_predicted - 1)
        room = n_predict - ctx->n_predicted - 1;
    return room < ctx->n_ctx - ctx->n_tokens ? room : ctx->n_ctx - ctx->n_tokens;
}

int32_t sk_draft_run(sk_context *ctx, int64_t deadline_us, bool (*stop)(void *user), void *user)
{
    const sk_draft *d = &ctx->draft;
    int64_t wanted = draft_room(ctx);
    if (!d->drafter || wanted < 1)
        return SKALD_DONE;
    wanted = wanted < d->length ? wanted : d->length;
    return sk_drafter_run(d->drafter, ctx, wanted, deadline_us, stop, user);
}

/* Nothing follows a token that ends generation. */
static int64_t draft_until_end(const sk_context *ctx, const int32_t *ids, int64_t n)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    for (int64_t i = 0; vocab && i < n; i++)
        if (sk_vocab_is_end(vocab, ids[i]))
            return i;
    return n;
}

int64_t sk_draft_propose(sk_context *ctx, int64_t most)
{
    sk_draft *d = &ctx->draft;
    int64_t room = draft_room(ctx);
    most = most < room ? most : room;
    if (most < 1)
        return 0;
    if (!d->drafter)
        return draft_until_end(ctx, d->ids, draft_look_up(ctx, d->ids, most));
    const int32_t *ids;
    int64_t n = sk_drafter_guesses(d->drafter, ctx, &ids);
    n = n < most ? n : most;
    memcpy(d->ids, ids, (size_t)n * sizeof *ids);
    return draft_until_end(ctx, d->ids, n);
}
