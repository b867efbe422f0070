/* SPDX-License-Identifier: MIT */
/*
 * Making and freeing contexts, and the options of a living one. What a context needs is allocated
 * at its creation, but for the blocks of its state, which are committed as tokens begin, and the
 * workspace of passes, which is made when the context first leads one: of many conversations that
 * are stepped together one needs it.
 */
#include "base/portable.h"

#include "base/dtype.h"
#include "session/context_int.h"
#include "text/vocab.h"

#include <string.h>

/* ---- Options that a living context can change ----------------------------------------------- */

/* What DRY needs to know of the vocabulary. Each change of a sampling option makes it anew. */
static int32_t make_dry(sk_context *ctx, sk_dry **dry)
{
    static const char *const usual[] = {"\n", ":", "\"", "*"};
    const sk_option_value *list = &ctx->options.values[SK_OPT_DRY_BREAKERS];
    bool given = list->n_strings > 0;
    return sk_dry_new(dry, ctx->heap, sk_model_vocab(ctx->model),
                      given ? (const char *const *)list->strings : usual,
                      given ? list->n_strings : 4,
                      (uint64_t)sk_opt_int(&ctx->options, SK_OPT_DRY_LAST_N), &ctx->error);
}

static int32_t apply_sampling(sk_context *ctx)
{
    sk_bias *bias = NULL;
    uint64_t n_bias = 0;
    const char *text = sk_opt_string(&ctx->options, SK_OPT_LOGIT_BIAS);
    int32_t status = sk_bias_parse(&bias, &n_bias, ctx->heap, text, strlen(text),
                                   (uint64_t)ctx->n_vocab, &ctx->error);
    if (status < 0)
        return status;
    sk_sampler_params params;
    sk_dry *dry = NULL;
    sk_sampler_read_options(&params, &ctx->options);
    params.vocab = sk_model_vocab(ctx->model);
    params.bias = bias;
    params.n_bias = n_bias;
    status =
        sk_sampler_read_steps(&params, sk_opt_string(&ctx->options, SK_OPT_SAMPLERS), &ctx->error);
    if (status == SKALD_OK && params.dry_multiplier > 0)
        status = make_dry(ctx, &dry);
    params.dry = dry;
    if (status == SKALD_OK)
        status = sk_sampler_set(ctx->sampler, &params, &ctx->error);
    if (status < 0) {
        sk_free(ctx->heap, bias);
        sk_dry_free(dry);
        return status;
    }
    sk_dry_free(ctx->dry);
    ctx->dry = dry;
    sk_free(ctx->heap, ctx->bias);
    ctx->bias = bias;
    ctx->n_bias = n_bias;
    return SKALD_OK;
}

int32_t sk_context_make_output(sk_context *ctx, const sk_options *options, sk_output *output)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    return sk_output_set(output, &options->values[SK_OPT_STOP], &options->values[SK_OPT_BANNED],
                         vocab ? sk_vocab_longest_piece(vocab) : 0, &ctx->error);
}

static int32_t apply_stops(sk_context *ctx)
{
    return sk_context_make_output(ctx, &ctx->options, &ctx->output);
}

int32_t sk_context_make_constraint(sk_context *ctx, const sk_options *options, sk_constraint **out)
{
    return sk_constraint_new(out, ctx->heap, options, sk_model_vocab(ctx->model),
                             (uint64_t)ctx->n_vocab, &ctx->error);
}

/* The text that the new constraint binds begins here. */
static int32_t apply_constraint(sk_context *ctx)
{
    sk_constraint *fresh;
    int32_t status = sk_context_make_constraint(ctx, &ctx->options, &fresh);
    if (status < 0)
        return status;
    sk_constraint_free(ctx->constraint);
    ctx->constraint = fresh;
    ctx->n_turn = 0;
    ctx->forced = -1;
    return SKALD_OK;
}

int32_t sk_context_swap_options(sk_context *ctx, sk_options *options)
{
    sk_options old = ctx->options;
    ctx->options = *options;
    int32_t status = apply_sampling(ctx);
    if (status < 0)
        ctx->options = old;
    else
        *options = old;
    return status;
}

/* Makes the value of an option, just set, take effect. */
static int32_t apply_option(sk_context *ctx, int32_t id)
{
    switch (id) {
    case SK_OPT_STOP:
    case SK_OPT_BANNED:
        return apply_stops(ctx);
    case SK_OPT_N_PREDICT:
    case SK_OPT_TIME_LIMIT_MS: /* counting begins anew */
        ctx->n_predicted = 0;
        ctx->turn_us = 0;
        ctx->ending = false;
        ctx->stop = SK_STOP_NONE;
        return SKALD_OK;
    case SK_OPT_REPLY_FORMAT:
        return sk_context_check_format(ctx);
    case SK_OPT_JSON_SCHEMA:
    case SK_OPT_JSON_SCHEMA_IGNORE:
    case SK_OPT_GRAMMAR:
    case SK_OPT_REGEX:
    case SK_OPT_GRAMMAR_TRIGGER:
    case SK_OPT_GRAMMAR_TRIGGER_REGEX:
    case SK_OPT_GRAMMAR_TRIGGER_TOKEN:
        return apply_constraint(ctx);
    case SK_OPT_PARSE_SPECIAL:
    case SK_OPT_WHEN_FULL:
    case SK_OPT_N_KEEP:
    case SK_OPT_SHIFT:
    case SK_OPT_REASONING_BUDGET:
        return SKALD_OK;
    default:
        return apply_sampling(ctx);
    }
}

/* What a setter has put into `fresh`, a copy of the options, takes the place of the old ones, or
 * nothing is changed. */
static int32_t change_options(sk_context *ctx, sk_options *fresh, int32_t id)
{
    sk_options old = ctx->options;
    ctx->options = *fresh;
    int32_t status = apply_option(ctx, id);
    if (status < 0)
        ctx->options = old;
    else
        *fresh = old;
    return status;
}

/* A value of whichever type. */
typedef struct new_value {
    int32_t type;
    int64_t i;
    double f;
    const char *text;
    bool add;
} new_value;

static int32_t set_value(sk_options *options, const char *key, const new_value *value,
                         sk_error *error)
{
    if (value->type == SKALD_TYPE_INT)
        return sk_options_set_int(options, key, value->i, error);
    if (value->type == SKALD_TYPE_FLOAT)
        return sk_options_set_float(options, key, value->f, error);
    return sk_options_set_string(options, key, value->text, value->add, error);
}

static int32_t set_option(sk_context *ctx, const char *key, const new_value *value)
{
    sk_options *fresh = sk_alloc(ctx->heap, sizeof *fresh, "options", &ctx->error);
    if (!fresh)
        return SKALD_E_MEMORY;
    sk_options_init(fresh, ctx->heap);
    int32_t id = sk_option_find(key), status = sk_options_copy(fresh, &ctx->options, &ctx->error);
    if (status == SKALD_OK)
        status = set_value(fresh, key, value, &ctx->error);
    if (status == SKALD_OK && !(sk_option_info_get(id)->flags & SK_OPTION_LIVE))
        status = sk_fail(&ctx->error, SKALD_E_OPTION,
                         "option \"%s\" cannot be changed while the context lives", key);
    if (status == SKALD_OK)
        status = change_options(ctx, fresh, id);
    sk_options_clear(fresh);
    sk_free(ctx->heap, fresh);
    return status;
}

int32_t sk_context_set_int(sk_context *ctx, const char *key, int64_t value)
{
    return set_option(ctx, key, &(new_value){.type = SKALD_TYPE_INT, .i = value});
}

int32_t sk_context_set_float(sk_context *ctx, const char *key, double value)
{
    return set_option(ctx, key, &(new_value){.type = SKALD_TYPE_FLOAT, .f = value});
}

int32_t sk_context_set_string(sk_context *ctx, const char *key, const char *value, bool add)
{
    return set_option(ctx, key, &(new_value){.type = SKALD_TYPE_STRING, .text = value, .add = add});
}

/* ---- Making and freeing --------------------------------------------------------------------- */

static int32_t make_sampler(sk_context *ctx)
{
    int32_t status = sk_sampler_new(&ctx->sampler, ctx->heap, (uint64_t)ctx->n_vocab, &ctx->error);
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    if (status < 0 || !vocab)
        return status;
    uint32_t n_suppressed;
    const int32_t *suppressed = sk_vocab_suppress(vocab, &n_suppressed);
    int32_t *ends = sk_alloc_array(ctx->heap, (uint64_t)ctx->n_vocab, sizeof *ends,
                                   "end-of-generation tokens", &ctx->error);
    if (!ends)
        return SKALD_E_MEMORY;
    uint64_t n_ends = 0;
    for (int32_t id = 0; id < ctx->n_vocab; id++)
        if (sk_vocab_is_end(vocab, id))
            ends[n_ends++] = id;
    status =
        sk_sampler_set_vocab(ctx->sampler, ends, n_ends, suppressed, n_suppressed, &ctx->error);
    sk_free(ctx->heap, ends);
    return status;
}

static int32_t make_state(sk_context *ctx, sk_context *source)
{
    const sk_options *o = &ctx->options;
    if (source) {
        int32_t status = sk_state_fork(&ctx->state, source->state, &ctx->error);
        return status < 0 ? status : sk_context_copy_adapters(ctx, source);
    }
    return sk_state_new(&ctx->state, ctx->heap, ctx->model, ctx->n_ctx,
                        sk_dtype_find(sk_opt_string(o, SK_OPT_CACHE_TYPE_K)),
                        sk_dtype_find(sk_opt_string(o, SK_OPT_CACHE_TYPE_V)), &ctx->error);
}

/* Makes all that the options ask for; with the state of `source`, if there is one. */
static int32_t fill(sk_context *ctx, sk_context *source)
{
    const sk_options *o = &ctx->options;
    ctx->n_ctx = sk_opt_int(o, SK_OPT_N_CTX);
    ctx->n_batch = sk_opt_int(o, SK_OPT_N_BATCH);
    ctx->n_batch = ctx->n_batch > ctx->n_ctx ? ctx->n_ctx : ctx->n_batch;
    ctx->n_vocab = sk_model_n_vocab(ctx->model);
    ctx->n_logit_rows = sk_opt_int(o, SK_OPT_LOGITS_ALL) ? ctx->n_batch : 1;
    ctx->tokens = sk_alloc_array(ctx->heap, (uint64_t)ctx->n_ctx, sizeof *ctx->tokens,
                                 "tokens of the context", &ctx->error);
    ctx->logits = ctx->tokens
                      ? sk_alloc_array(ctx->heap, (uint64_t)(ctx->n_logit_rows * ctx->n_vocab),
                                       sizeof *ctx->logits, "logits", &ctx->error)
                      : NULL;
    if (!ctx->logits)
        return SKALD_E_MEMORY;
    int32_t status = sk_reply_new(&ctx->chat.reply, ctx->heap, &ctx->error);
    if (status == SKALD_OK)
        status = sk_context_check_format(ctx);
    if (status == SKALD_OK)
        status = make_state(ctx, source);
    if (status == SKALD_OK)
        status = sk_pooling_init(ctx);
    if (status == SKALD_OK)
        status = make_sampler(ctx);
    if (status == SKALD_OK)
        status = apply_sampling(ctx);
    if (status == SKALD_OK)
        status = sk_draft_init(ctx, source);
    if (status == SKALD_OK && source)
        status = sk_constraint_fork(&ctx->constraint, source->constraint, o, &ctx->error);
    else if (status == SKALD_OK)
        status = apply_constraint(ctx);
    return status == SKALD_OK ? apply_stops(ctx) : status;
}

/* The heap comes from the host's allocator too, through one on the stack that then moves into it.
 */
static int32_t new_heap(sk_shared_heap **out, const sk_options *options, sk_error *error)
{
    sk_heap heap;
    const skald_allocator *host = sk_opt_pointer(options, SK_OPT_ALLOCATOR);
    uint64_t limit = (uint64_t)sk_opt_int(options, SK_OPT_MAX_MEMORY);
    int32_t status = sk_heap_init(&heap, host, limit, error);
    if (status < 0)
        return status;
    sk_shared_heap *shared = sk_alloc_zero(&heap, sizeof *shared, "context", error);
    if (!shared)
        return SKALD_E_MEMORY;
    shared->heap = heap;
    atomic_init(&shared->n_users, 1);
    *out = shared;
    return SKALD_OK;
}

static void release_heap(sk_shared_heap *shared)
{
    if (atomic_fetch_sub(&shared->n_users, 1) != 1)
        return;
    sk_heap heap = shared->heap;
    sk_free(&heap, shared);
}

/* Says which options have no effect on this model. */
static void tell_useless(const sk_context *ctx)
{
    if (strcmp(sk_opt_string(&ctx->options, SK_OPT_SHIFT), "rotate") == 0 &&
        !sk_state_shifts(ctx->state))
        sk_model_log(ctx->model, SKALD_LOG_WARNING,
                     "shift=rotate has no effect: keys of this model, or of this cache_type_k, "
                     "cannot be turned");
}

/* A context on one count of the heap, which it takes over, also when it fails. */
static int32_t make_context(sk_context **out, sk_shared_heap *shared, sk_model *model,
                            const sk_options *options, sk_context *source, sk_error *error)
{
    sk_context *ctx = sk_alloc_zero(&shared->heap, sizeof *ctx, "context", error);
    if (!ctx) {
        release_heap(shared);
        return SKALD_E_MEMORY;
    }
    ctx->shared = shared;
    ctx->heap = &shared->heap;
    sk_options_init(&ctx->options, ctx->heap);
    sk_output_init(&ctx->output, ctx->heap);
    ctx->token = ctx->forced = -1;
    ctx->n_exact = INT64_MAX;
    sk_model_retain(model);
    ctx->model = model;
    int32_t status = sk_options_copy(&ctx->options, options, &ctx->error);
    if (status == SKALD_OK && !source)
        sk_context_recommend(ctx);
    if (status == SKALD_OK)
        status = fill(ctx, source);
    if (status < 0) {
        *error = ctx->error;
        sk_context_free(ctx);
        return status;
    }
    if (!source)
        tell_useless(ctx);
    *out = ctx;
    return SKALD_OK;
}

int32_t sk_context_new(sk_context **out, sk_model *model, const sk_options *options,
                       sk_error *error)
{
    *out = NULL;
    sk_shared_heap *shared = NULL;
    int32_t status = sk_model_runs(model, error);
    if (status == SKALD_OK)
        status = new_heap(&shared, options, error);
    return status < 0 ? status : make_context(out, shared, model, options, NULL, error);
}

/* What a context has come to, but for its state and its statistics. */
static void copy_progress(sk_context *to, const sk_context *from)
{
    memcpy(to->tokens, from->tokens, (size_t)from->n_tokens * sizeof *to->tokens);
    to->n_tokens = from->n_tokens;
    to->n_evaluated = from->n_evaluated;
    to->n_settled = from->n_settled;
    to->n_exact = from->n_exact;
    to->n_dropped = from->n_dropped;
    memcpy(to->logits, from->logits, (size_t)(from->n_logits * from->n_vocab) * sizeof *to->logits);
    to->logits_first = from->logits_first;
    to->n_logits = from->n_logits;
    to->draft.n_ahead = from->draft.n_ahead; /* the state has them too */
    to->token = from->token;
    to->bytes = from->bytes;
    to->n_bytes = from->n_bytes;
    to->ending = from->ending;
    to->stop = from->stop;
    to->n_predicted = from->n_predicted;
    to->n_turn = from->n_turn;
    to->turn_us = from->turn_us;
    to->forced = from->forced;
    to->is_rewound = true;
    to->sampling = from->sampling;
    sk_output_copy(&to->output, &from->output);
}

/* The reply that is being read; the template is read anew when it is needed. */
static int32_t copy_reply(sk_context *to, const sk_context *from)
{
    sk_chat_state chat = from->chat;
    chat.chat = to->chat.chat;
    chat.reply = to->chat.reply;
    to->chat = chat;
    return sk_reply_copy(chat.reply, from->chat.reply, &to->error);
}

int32_t sk_context_fork(sk_context **out, sk_context *ctx)
{
    *out = NULL;
    /* An unfinished pass would write to blocks that are shared now. */
    sk_context_ungroup(ctx);
    atomic_fetch_add(&ctx->shared->n_users, 1);
    int32_t status = make_context(out, ctx->shared, ctx->model, &ctx->options, ctx, &ctx->error);
    if (status < 0)
        return status;
    copy_progress(*out, ctx);
    sk_draft_drop(*out);
    status = copy_reply(*out, ctx);
    if (status == SKALD_OK)
        status = sk_pooling_copy(*out, ctx);
    if (status == SKALD_OK)
        status = sk_context_copy_vetoes(*out, ctx);
    if (status == SKALD_OK)
        status = sk_snippets_copy(*out, ctx);
    if (status < 0) {
        ctx->error = (*out)->error;
        sk_context_free(*out);
        *out = NULL;
    }
    return status;
}

void sk_context_free(sk_context *ctx)
{
    if (!ctx)
        return;
    sk_context_disband(ctx);
    sk_pass_free(ctx->pass);
    sk_state_free(ctx->state);
    sk_adapters_free(ctx->adapters);
    sk_pooling_free(ctx);
    sk_snippets_free(ctx);
    sk_draft_free(ctx);
    sk_sampler_free(ctx->sampler);
    sk_output_free(&ctx->output);
    sk_reply_free(ctx->chat.reply);
    sk_chat_free(ctx->chat.chat);
    sk_options_clear(&ctx->options);
    sk_constraint_free(ctx->constraint);
    sk_dry_free(ctx->dry);
    sk_free(ctx->heap, ctx->vetoed);
    sk_free(ctx->heap, ctx->vetoes);
    sk_free(ctx->heap, ctx->bias);
    sk_free(ctx->heap, ctx->logits);
    sk_free(ctx->heap, ctx->tokens);
    sk_model_release(ctx->model);
    sk_shared_heap *shared = ctx->shared;
    sk_free(ctx->heap, ctx);
    release_heap(shared);
}

int32_t sk_context_enter(sk_context *ctx)
{
    if (atomic_exchange(&ctx->busy, 1))
        return SKALD_E_BUSY;
    ctx->error.code = 0;
    return SKALD_OK;
}

void sk_context_leave(sk_context *ctx)
{
    atomic_store(&ctx->busy, 0);
}

void sk_context_cancel(sk_context *ctx)
{
    atomic_store(&ctx->cancelled, 1);
}
