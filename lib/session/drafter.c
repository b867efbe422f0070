/* SPDX-License-Identifier: MIT */
/*
 * Guesses by a second, smaller model of the same vocabulary: it reads what the context holds, in a
 * state of its own, and goes on greedily, one token at a time, for as long as it is sure enough. It
 * works in slices like everything else; a draft that is not finished when a slice is spent goes on
 * in the next. Whatever fails here costs a draft and nothing else.
 *
 * Which tokens its state holds is written down beside it, so that no call that changes the
 * context's tokens has to tell it: what they still share is found when the next draft begins.
 *
 * Memory: a cache and a workspace of the second model, from the context's heap. Drafts of contexts
 * that are stepped together are made one after the other.
 */
#include "base/portable.h"

#include "base/dtype.h"
#include "session/context_int.h"
#include "session/draft.h"
#include "tensor/math.h"

#include <string.h>

struct sk_drafter {
    sk_heap *heap;                    /* borrowed */
    sk_model *model;                  /* retained */
    sk_state *state;                  /* owned */
    sk_pass *pass;                    /* owned; NULL until it is needed */
    int64_t n_batch, n_ctx, n_shared; /* tokens, from id 0 on, that both vocabularies have */
    int32_t *tokens;                  /* owned, [n_ctx]: of the state, then of the pass under way */
    int64_t n, n_rows;                /* of the state; of that pass, 0: there is none */
    int64_t n_given;                  /* tokens of the context that the draft is for */
    int32_t *ids;                     /* owned, [max]: the draft */
    int64_t n_ids;
    double p_min;
    bool finished;
};

/* ---- Making -----------------------------------------------------------------------------------
 */

/* Whether a token means the same in both vocabularies. */
static int32_t drafter_same_token(sk_context *ctx, const sk_vocab *a, const sk_vocab *b, int32_t id)
{
    uint64_t n, m;
    const char *text = sk_vocab_piece(a, id, true, &n), *other = sk_vocab_piece(b, id, true, &m);
    if (n == m && memcmp(text, other, (size_t)n) == 0)
        return SKALD_OK;
    return sk_fail(&ctx->error, SKALD_E_ARGUMENT,
                   "draft_model: its token %d is \"%.*s\", the model's is \"%.*s\"; the two must "
                   "have one vocabulary",
                   (int)id, (int)(m < 40 ? m : 40), other, (int)(n < 40 ? n : 40), text);
}

/* Lengths may differ: files are padded, or lack the newest control tokens. */
static int32_t drafter_check_vocabularies(sk_context *ctx, const sk_model *model)
{
    const sk_vocab *a = sk_model_vocab(ctx->model), *b = sk_model_vocab(model);
    int64_t n = sk_model_n_vocab(model);
    if ((!a || !b) && (a || b || n != ctx->n_vocab))
        return sk_fail(&ctx->error, SKALD_E_ARGUMENT,
                       "draft_model: its vocabulary cannot be compared with the model's: %s",
                       a || b ? "one of the two has none" : "they have different lengths");
    int64_t n_a = a ? sk_vocab_n(a) : 0, n_b = b ? sk_vocab_n(b) : 0;
    int32_t status = SKALD_OK;
    for (int32_t id = 0; id < n_a && id < n_b && status == SKALD_OK; id++)
        status = drafter_same_token(ctx, a, b, id);
    return status;
}

static int32_t drafter_check_model(sk_context *ctx, const sk_model *model)
{
    if (!model)
        return sk_fail(&ctx->error, SKALD_E_OPTION,
                       "draft=model needs the option \"draft_model\", a loaded model");
    int32_t status = sk_model_runs(model, &ctx->error);
    if (status < 0)
        return status;
    if (!sk_model_has_logits(model) || sk_model_is_whole(model))
        return sk_fail(&ctx->error, SKALD_E_ARGUMENT,
                       "draft_model: it is an encoder, wanted a model that writes text");
    return drafter_check_vocabularies(ctx, model);
}

/* One without a state. */
static sk_drafter *drafter_empty(sk_context *ctx, sk_model *model)
{
    sk_drafter *d = sk_alloc_zero(ctx->heap, sizeof *d, "a drafter", &ctx->error);
    if (!d)
        return NULL;
    int64_t n = sk_model_n_vocab(model);
    d->heap = ctx->heap;
    d->model = model;
    sk_model_retain(model);
    d->n_batch = ctx->n_batch;
    d->p_min = sk_opt_float(&ctx->options, SK_OPT_DRAFT_P_MIN);
    d->n_ctx = ctx->n_ctx;
    d->n_shared = n < ctx->n_vocab ? n : ctx->n_vocab;
    d->tokens =
        sk_alloc_array(d->heap, (uint64_t)d->n_ctx, sizeof *d->tokens, "a drafter", &ctx->error);
    d->ids =
        sk_alloc_array(d->heap, (uint64_t)ctx->draft.max, sizeof *d->ids, "a drafter", &ctx->error);
    if (d->tokens && d->ids)
        return d;
    sk_drafter_free(d);
    return NULL;
}

int32_t sk_drafter_new(sk_drafter **out, sk_context *ctx, sk_model *model)
{
    const sk_options *o = &ctx->options;
    *out = NULL;
    int32_t status = drafter_check_model(ctx, model);
    if (status < 0)
        return status;
    sk_drafter *d = *out = drafter_empty(ctx, model);
    return d ? sk_state_new(&d->state, d->heap, model, d->n_ctx,
                            sk_dtype_find(sk_opt_string(o, SK_OPT_CACHE_TYPE_K)),
                            sk_dtype_find(sk_opt_string(o, SK_OPT_CACHE_TYPE_V)), &ctx->error)
             : SKALD_E_MEMORY;
}

/* An unfinished pass of `from` would write to blocks that are shared now: it is begun anew. */
int32_t sk_drafter_fork(sk_drafter **out, sk_context *ctx, sk_drafter *from)
{
    sk_drafter *d = *out = drafter_empty(ctx, from->model);
    if (!d)
        return SKALD_E_MEMORY;
    from->n_rows = 0;
    d->n = from->n;
    memcpy(d->tokens, from->tokens, (size_t)from->n * sizeof *d->tokens);
    return sk_state_fork(&d->state, from->state, &ctx->error);
}

void sk_drafter_free(sk_drafter *d)
{
    if (!d)
        return;
    sk_pass_free(d->pass);
    sk_state_free(d->state);
    sk_free(d->heap, d->ids);
    sk_free(d->heap, d->tokens);
    sk_model_release(d->model);
    sk_free(d->heap, d);
}

int32_t sk_drafter_warm(sk_drafter *d, sk_error *error)
{
    return d->pass ? SKALD_OK : sk_pass_new(&d->pass, d->heap, d->model, d->n_batch, 1, error);
}

const sk_state *sk_drafter_state(const sk_drafter *d)
{
    return d->state;
}

/* ---- Working ----------------------------------------------------------------------------------
 */

/* The first tokens that it holds, or is about to, and the context does too. */
static int64_t drafter_shared(const sk_drafter *d, const sk_context *ctx)
{
    int64_t same = 0, n = d->n + d->n_rows;
    n = n < ctx->n_tokens ? n : ctx->n_tokens;
    while (same < n && d->tokens[same] == ctx->tokens[same])
        same++;
    return same;
}

static bool drafter_is_for(const sk_drafter *d, const sk_context *ctx)
{
    int64_t n = d->n + d->n_rows;
    return d->n_given == ctx->n_tokens &&
           drafter_shared(d, ctx) == (n < ctx->n_tokens ? n : ctx->n_tokens);
}

/* Begins a draft behind the tokens that there are. Of these the last is always read again: what
 * follows it is wanted. */
static void drafter_begin(sk_drafter *d, const sk_context *ctx)
{
    int64_t keep = drafter_shared(d, ctx);
    keep = keep < d->n ? keep : d->n;
    keep = keep < ctx->n_tokens ? keep : ctx->n_tokens - 1;
    d->n_rows = d->n_ids = 0;
    d->n_given = ctx->n_tokens;
    d->finished = sk_model_check(d->model, &(sk_error){0}) < 0;
    if (keep < d->n)
        sk_state_truncate(d->state, keep);
    d->n = sk_state_length(d->state);
}

/* Begins a pass: over what it has not read, or over its last guess. */
static int32_t drafter_begin_rows(sk_drafter *d, const sk_context *ctx)
{
    sk_error ignored;
    bool reading = d->n < d->n_given;
    int64_t left = reading ? d->n_given - d->n : 1, n = left < d->n_batch ? left : d->n_batch;
    int32_t status = sk_drafter_warm(d, &ignored);
    if (status == SKALD_OK && d->n_ids <= 1) /* what guesses follow can be gone back to */
        sk_state_mark(d->state, left <= 1 + ctx->draft.max);
    if (status == SKALD_OK)
        status = sk_state_reserve(d->state, d->n + n, &ignored);
    if (status < 0)
        return status;
    memcpy(d->tokens + d->n, reading ? ctx->tokens + d->n : d->ids + d->n_ids - 1,
           (size_t)n * sizeof *d->tokens);
    sk_row *rows = sk_pass_rows(d->pass);
    for (int64_t i = 0; i < n; i++)
        rows[i] = (sk_row){.state = d->state,
                           .position = d->n + i,
                           .token = d->tokens[d->n + i],
                           .logits = i == n - 1 && n == left};
    d->n_rows = n;
    return sk_pass_begin(d->pass, n, &ignored);
}

/* The likeliest token, if it is likely enough; -1: it is not. */
static int32_t drafter_best(const sk_drafter *d, const float *logits)
{
    int32_t best = 0;
    for (int32_t id = 1; id < d->n_shared; id++)
        best = logits[id] > logits[best] ? id : best;
    double sum = 0;
    if (d->p_min == 0)
        return best;
    for (int32_t id = 0; id < d->n_shared; id++)
        sum += (double)sk_expf(logits[id] - logits[best]);
    return sum * d->p_min <= 1 ? best : -1;
}

/* Takes what a pass that is done brought. */
static void drafter_end_rows(sk_drafter *d, int64_t wanted)
{
    int64_t last = d->n_rows - 1;
    bool failed = sk_pass_failed_layer(d->pass, last) >= 0;
    const float *logits = sk_pass_logits(d->pass, last);
    int32_t guess = failed || !logits ? -1 : drafter_best(d, logits);
    d->n_rows = 0;
    d->n = sk_state_length(d->state);
    if (guess >= 0)
        d->ids[d->n_ids++] = guess;
    d->finished = failed || (logits && guess < 0) || d->n_ids >= wanted;
}

int32_t sk_drafter_run(sk_drafter *d, const sk_context *ctx, int64_t wanted, int64_t deadline_us,
                       bool (*stop)(void *user), void *user)
{
    if (!drafter_is_for(d, ctx))
        drafter_begin(d, ctx);
    while (!d->finished) {
        if (d->n_rows == 0 && drafter_begin_rows(d, ctx) < 0) {
            d->n_rows = 0;
            d->finished = true;
            break;
        }
        int32_t status = sk_pass_run(d->pass, deadline_us, stop, user);
        if (status != SKALD_DONE)
            return status;
        drafter_end_rows(d, wanted);
    }
    return SKALD_DONE;
}

int64_t sk_drafter_guesses(const sk_drafter *d, const sk_context *ctx, const int32_t **ids)
{
    *ids = d->ids;
    return drafter_is_for(d, ctx) ? d->n_ids : 0;
}
