/* SPDX-License-Identifier: MIT */
/*
 * Pooling. Of a model that sees to both sides, what is pending is one batch, and its vectors come
 * out of one pass; others may take several, over which the mean is summed up. Sums are in double,
 * in the order of the tokens, so that they are the same whatever the batches were.
 */
#include "base/portable.h"

#include "session/embed.h"

#include "session/context_int.h"
#include "text/tokenize.h"

#include <math.h>
#include <string.h>

/* ---- Making ---------------------------------------------------------------------------------- */

/* The kind that the option names; what is left to the model is as its file says, else the last
 * token of a model of text, and the mean of others. */
static int32_t pooling_kind(sk_context *ctx, int *kind)
{
    static const char *const names[] = {"none", "mean", "cls", "last", "rank"};
    const char *name = sk_opt_string(&ctx->options, SK_OPT_POOLING);
    bool encodes = !sk_model_has_logits(ctx->model);
    *kind = SK_POOL_OFF;
    if (strcmp(name, "off") == 0 && !encodes)
        return SKALD_OK;
    *kind = sk_model_pooling(ctx->model);
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0)
            *kind = i;
    if (*kind == SK_POOL_OFF)
        *kind = sk_model_is_whole(ctx->model) ? SK_POOL_MEAN : SK_POOL_LAST;
    if (*kind == SK_POOL_RANK && sk_model_n_label(ctx->model) == 0)
        return sk_fail(&ctx->error, SKALD_E_OPTION,
                       "option pooling is rank, but the model has no head for scores");
    return SKALD_OK;
}

/* Whether each token's vector is wanted: some must not be missing because a prefix was reused. */
static bool pools_all(const sk_pooling *p)
{
    return p->kind == SK_POOL_NONE || p->kind == SK_POOL_MEAN || p->kind == SK_POOL_CLS ||
           (p->kind == SK_POOL_RANK && !p->of_last);
}

static int32_t pooling_room(sk_context *ctx, int64_t n)
{
    sk_pooling *p = &ctx->pooling;
    if (n <= p->capacity)
        return SKALD_OK;
    float *vectors = sk_alloc_array(ctx->heap, (uint64_t)n, (uint64_t)p->n_out * sizeof *vectors,
                                    "vectors", &ctx->error);
    if (!vectors)
        return SKALD_E_MEMORY;
    if (p->n_vectors > 0)
        memcpy(vectors, p->vectors, (size_t)(p->n_vectors * p->n_out) * sizeof *vectors);
    sk_free(ctx->heap, p->vectors);
    p->vectors = vectors;
    p->capacity = n;
    return SKALD_OK;
}

int32_t sk_pooling_init(sk_context *ctx)
{
    sk_pooling *p = &ctx->pooling;
    int32_t status = pooling_kind(ctx, &p->kind);
    if (status < 0 || p->kind == SK_POOL_OFF)
        return status;
    bool rank = p->kind == SK_POOL_RANK;
    p->normalise = !rank && sk_opt_int(&ctx->options, SK_OPT_NORMALISE) != 0;
    p->of_mean = rank && sk_model_ranks_mean(ctx->model);
    p->of_last = rank && !p->of_mean && !sk_model_is_whole(ctx->model);
    p->n_row = sk_model_n_vector(ctx->model);
    p->n_out = rank ? sk_model_n_label(ctx->model) : p->n_row;
    p->sum = sk_alloc_array(ctx->heap, (uint64_t)p->n_row, sizeof *p->sum, "a vector", &ctx->error);
    if (rank)
        p->scratch =
            sk_alloc(ctx->heap, sk_score_scratch(ctx->model) + (size_t)p->n_row * sizeof(float),
                     "a score", &ctx->error);
    if (!p->sum || (rank && !p->scratch))
        return SKALD_E_MEMORY;
    return pooling_room(ctx, 1);
}

void sk_pooling_free(sk_context *ctx)
{
    sk_free(ctx->heap, ctx->pooling.sum);
    sk_free(ctx->heap, ctx->pooling.vectors);
    sk_free(ctx->heap, ctx->pooling.scratch);
}

int32_t sk_pooling_copy(sk_context *to, const sk_context *from)
{
    const sk_pooling *f = &from->pooling;
    sk_pooling *t = &to->pooling;
    if (f->kind == SK_POOL_OFF)
        return SKALD_OK;
    int32_t status = pooling_room(to, f->n_vectors);
    if (status < 0)
        return status;
    memcpy(t->sum, f->sum, (size_t)f->n_row * sizeof *t->sum);
    memcpy(t->vectors, f->vectors, (size_t)(f->n_vectors * f->n_out) * sizeof *t->vectors);
    t->n_sum = f->n_sum;
    t->n_vectors = f->n_vectors;
    t->n_kept = f->n_kept;
    t->second = f->second;
    return SKALD_OK;
}

/* ---- Stepping -------------------------------------------------------------------------------- */

int32_t sk_pooling_begin(sk_context *ctx)
{
    sk_pooling *p = &ctx->pooling;
    bool whole = sk_model_is_whole(ctx->model);
    int64_t pending = ctx->n_tokens - ctx->n_evaluated;
    if (whole && ctx->n_logit_rows > 1 && pending > ctx->n_logit_rows)
        return sk_fail(&ctx->error, SKALD_E_STATE,
                       "%lld tokens are one batch, which with logits_all may have %lld (n_batch)",
                       (long long)pending, (long long)ctx->n_logit_rows);
    if (p->kind == SK_POOL_OFF)
        return SKALD_OK;
    if (!whole && pools_all(p) && p->n_kept != ctx->n_evaluated) {
        sk_context_ungroup(ctx);
        sk_state_truncate(ctx->state, 0);
        ctx->n_evaluated = 0;
    }
    return pooling_room(ctx, p->kind == SK_POOL_NONE ? ctx->n_tokens : 1);
}

bool sk_pooling_wants(const sk_context *ctx, int64_t position)
{
    const sk_pooling *p = &ctx->pooling;
    int64_t first = sk_model_is_whole(ctx->model) ? ctx->n_evaluated : 0;
    bool last = p->kind == SK_POOL_LAST || p->of_last;
    if (p->kind == SK_POOL_NONE || p->kind == SK_POOL_MEAN || p->of_mean)
        return true;
    return p->kind != SK_POOL_OFF && position == (last ? ctx->n_tokens - 1 : first);
}

uint8_t sk_pooling_type(const sk_context *ctx, int64_t position)
{
    return ctx->pooling.second > 0 && position >= ctx->pooling.second;
}

static bool all_finite(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabsf(x[i]) < INFINITY))
            return false;
    return true;
}

static void normalise(float *x, int64_t n)
{
    double square = 0;
    for (int64_t i = 0; i < n; i++)
        square += (double)x[i] * (double)x[i];
    double length = sqrt(square);
    for (int64_t i = 0; i < n && length > 0; i++)
        x[i] = (float)((double)x[i] / length);
}

/* A token's vector joins what the host will get. */
static void pooling_add(sk_pooling *p, const float *vector)
{
    float *out = p->vectors + (p->kind == SK_POOL_NONE ? p->n_vectors++ * p->n_out : 0);
    if (p->kind == SK_POOL_NONE) {
        memcpy(out, vector, (size_t)p->n_row * sizeof *out);
        if (p->normalise)
            normalise(out, p->n_out);
        return;
    }
    bool mean = p->kind == SK_POOL_MEAN || p->of_mean;
    for (int64_t i = 0; i < p->n_row; i++)
        p->sum[i] = (mean && p->n_sum > 0 ? p->sum[i] : 0) + (double)vector[i];
    p->n_sum = mean ? p->n_sum + 1 : 1;
}

/* All are there: the vector, or the score. */
static bool pooling_end(sk_context *ctx)
{
    sk_pooling *p = &ctx->pooling;
    if (p->kind == SK_POOL_NONE || p->n_sum == 0)
        return true;
    bool rank = p->kind == SK_POOL_RANK;
    size_t at = rank ? sk_score_scratch(ctx->model) : 0;
    float *vector = rank ? (float *)(void *)((char *)p->scratch + at) : p->vectors;
    for (int64_t i = 0; i < p->n_row; i++)
        vector[i] = (float)(p->sum[i] / (double)p->n_sum);
    p->n_vectors = 1;
    if (rank && !sk_score_run(ctx->model, vector, p->vectors, p->scratch))
        return false;
    if (p->normalise)
        normalise(p->vectors, p->n_out);
    return true;
}

bool sk_pooling_keep(sk_context *ctx, const sk_pass *pass)
{
    sk_pooling *p = &ctx->pooling;
    bool good = true;
    if (p->kind == SK_POOL_OFF)
        return true;
    if (ctx->n_evaluated == 0 || sk_model_is_whole(ctx->model))
        p->n_vectors = p->n_sum = 0;
    for (int64_t i = 0; i < ctx->n_rows; i++) {
        const float *vector = sk_pass_vector(pass, ctx->row_first + i);
        if (!vector)
            continue;
        good = good && all_finite(vector, p->n_row);
        pooling_add(p, vector);
    }
    p->n_kept = ctx->n_evaluated + ctx->n_rows;
    if (good && p->n_kept == ctx->n_tokens)
        good = pooling_end(ctx);
    p->n_kept = good ? p->n_kept : -1;
    return good;
}

const float *sk_context_embedding(const sk_context *ctx, int64_t index, size_t *n)
{
    const sk_pooling *p = &ctx->pooling;
    bool there = p->kind != SK_POOL_OFF && ctx->n_tokens > 0 && ctx->n_evaluated == ctx->n_tokens &&
                 p->n_kept == ctx->n_tokens;
    index = index == -1 ? p->n_vectors - 1 : index;
    *n = 0;
    if (!there || index < 0 || index >= p->n_vectors)
        return NULL;
    *n = (size_t)p->n_out;
    return p->vectors + index * p->n_out;
}

/* ---- Texts ----------------------------------------------------------------------------------- */

/* A text with what the model wants at its ends, behind `n` tokens of `ids`; behind another text
 * without BOS. Errors: CONTEXT_FULL, TOKENIZER, MEMORY. */
static int32_t pair_add_text(sk_context *ctx, const char *text, uint64_t n_text, int32_t *ids,
                             uint64_t *n)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    bool special = sk_opt_int(&ctx->options, SK_OPT_PARSE_SPECIAL) != 0;
    int32_t flags = SKALD_ADD_SPECIAL | (special ? SKALD_PARSE_SPECIAL : 0);
    uint64_t needed = 0, room = (uint64_t)ctx->n_ctx - *n;
    int32_t status =
        sk_tokenize(vocab, ctx->heap, text, n_text, flags, ids + *n, room, &needed, &ctx->error);
    if (status == SKALD_E_BUFFER)
        return sk_fail(&ctx->error, SKALD_E_CONTEXT_FULL, "the text has %llu tokens, n_ctx is %lld",
                       (unsigned long long)(*n + needed), (long long)ctx->n_ctx);
    if (status < 0)
        return status;
    int32_t bos = sk_vocab_special(vocab, SK_SPECIAL_BOS);
    if (*n > 0 && needed > 0 && bos >= 0 && ids[*n] == bos && ids[0] == bos) {
        needed--;
        memmove(ids + *n, ids + *n + 1, (size_t)needed * sizeof *ids);
    }
    *n += needed;
    return SKALD_OK;
}

/* Between two texts some models want a separator beside the end of the first. */
static int32_t pair_add_separator(sk_context *ctx, int32_t *ids, uint64_t *n)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    int32_t sep = sk_vocab_special(vocab, SK_SPECIAL_SEP);
    if (sep < 0 || !sk_vocab_add_sep(vocab) || (int64_t)*n >= ctx->n_ctx ||
        strcmp(sk_vocab_name(vocab), "WordPiece") == 0)
        return SKALD_OK;
    ids[(*n)++] = sep;
    return SKALD_OK;
}

int32_t sk_context_set_pair(sk_context *ctx, const char *first, uint64_t n_first,
                            const char *second, uint64_t n_second)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    uint64_t n = 0, n_one = 0;
    if (!vocab)
        return sk_fail(&ctx->error, SKALD_E_TOKENIZER,
                       "the model has no vocabulary: give token ids instead of text");
    int32_t *ids = sk_alloc_array(ctx->heap, (uint64_t)ctx->n_ctx, sizeof *ids, "tokens of a text",
                                  &ctx->error);
    if (!ids)
        return SKALD_E_MEMORY;
    int32_t status = pair_add_text(ctx, first, n_first, ids, &n);
    if (status == SKALD_OK && second)
        status = pair_add_separator(ctx, ids, &n);
    n_one = n;
    if (status == SKALD_OK && second)
        status = pair_add_text(ctx, second, n_second, ids, &n);
    if (status == SKALD_OK)
        status = sk_context_set_tokens(ctx, ids, n);
    bool types =
        second && sk_model_n_type(ctx->model) > 1 && strcmp(sk_vocab_name(vocab), "WordPiece") == 0;
    if (status == SKALD_OK && types)
        ctx->pooling.second = (int64_t)n_one;
    sk_free(ctx->heap, ids);
    return status;
}
