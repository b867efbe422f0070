/* SPDX-License-Identifier: MIT */
/*
 * Stepping. A call goes through rounds: contexts whose tokens are all evaluated choose their next
 * token or end; the others take part in a pass, a batch of rows from all of them. The call returns
 * when a round has brought a token, an end or an error to one of the contexts that were running (a
 * round gives each of them its part in a pass), or when the slice is spent.
 *
 * A pass belongs to one of its contexts, the leader, whose workspace it uses. While it is
 * unfinished its contexts form a group. They may be stepped on only together; a context that is
 * used in other ways (truncated, freed, stepped without the rest) leaves the group, which breaks
 * it: the pass is abandoned, nothing of it was committed, and its work is done again. A group is a
 * counted object of its own with an atomic flag, so that a context can leave it on any thread,
 * whatever has become of the others.
 *
 * How rows are batched never changes a bit of the results, so nothing here needs to be repeated
 * the same way for the sake of reproducibility.
 */
#include "base/portable.h"

#include "base/clock.h"
#include "session/context_int.h"
#include "session/step.h"
#include "text/vocab.h"

#include <string.h>

enum { SHIFT_US = 2000 }; /* between two looks for a cancellation */
enum { LOGIT_ROWS = 16 }; /* of a pass: to how many tokens of several contexts it can give them */

struct sk_group {
    sk_heap *heap; /* the model's */
    _Atomic int references, broken;
    size_t n_members;
};

typedef struct step_set {
    sk_context *const *ctxs;
    size_t n;
    int32_t *status; /* SKALD_PENDING while a context is running */
    int64_t deadline;
} step_set;

/* ---- Groups --------------------------------------------------------------------------------- */

static void group_release(sk_group *group)
{
    if (group && atomic_fetch_sub(&group->references, 1) == 1)
        sk_free(group->heap, group);
}

void sk_context_ungroup(sk_context *ctx)
{
    if (!ctx->group)
        return;
    atomic_store(&ctx->group->broken, 1);
    group_release(ctx->group);
    ctx->group = NULL;
}

void sk_context_disband(sk_context *ctx)
{
    sk_context_ungroup(ctx);
    if (ctx->own_group)
        atomic_store(&ctx->own_group->broken, 1);
    group_release(ctx->own_group);
    ctx->own_group = NULL;
}

/* Makes ctx->own_group an empty, unbroken group that nobody else holds. */
static int32_t renew_group(sk_context *ctx, sk_error *error)
{
    sk_group *group = ctx->own_group;
    if (group && atomic_load(&group->references) > 1) {
        group_release(group);
        group = ctx->own_group = NULL;
    }
    if (!group) {
        sk_heap *heap = sk_model_heap(ctx->model);
        group = ctx->own_group = sk_alloc_zero(heap, sizeof *group, "batch", error);
        if (!group)
            return SKALD_E_MEMORY;
        group->heap = heap;
        atomic_store(&group->references, 1);
    }
    group->n_members = 0;
    atomic_store(&group->broken, 0);
    return SKALD_OK;
}

static void join_group(sk_context *ctx, sk_group *group, int64_t row_first, int64_t n_rows)
{
    atomic_fetch_add(&group->references, 1);
    group->n_members++;
    ctx->group = group;
    ctx->row_first = row_first;
    ctx->n_rows = n_rows;
}

/* The leader of an unfinished group all of whose members are in the set; NULL: there is none.
 * Groups that are not whole any more are left. */
static sk_context *find_whole_group(const step_set *set)
{
    sk_context *found = NULL;
    for (size_t i = 0; i < set->n; i++) {
        sk_group *group = set->ctxs[i]->group;
        sk_context *leader = NULL;
        size_t n_members = 0;
        for (size_t j = 0; group && j < set->n; j++) {
            n_members += set->ctxs[j]->group == group;
            if (set->ctxs[j]->own_group == group)
                leader = set->ctxs[j];
        }
        if (!group)
            continue;
        if (!leader || n_members != group->n_members || atomic_load(&group->broken))
            sk_context_ungroup(set->ctxs[i]);
        else if (!found)
            found = leader;
    }
    return found;
}

/* ---- Choosing a token ----------------------------------------------------------------------- */

/* Generation has met its end; a flush of the output makes sure that the step that says so has
 * nothing left to show. */
static void end_generation(sk_context *ctx, int32_t stop)
{
    ctx->ending = true;
    ctx->stop = stop;
}

static int32_t done(sk_context *ctx, int32_t stop)
{
    end_generation(ctx, stop);
    ctx->token = -1;
    sk_output_clear_text(&ctx->output);
    sk_reply_finish(ctx->chat.reply);
    return SKALD_DONE;
}

/* Whether the turn's time limit is over. */
static bool is_late(const sk_context *ctx)
{
    int64_t limit = sk_opt_int(&ctx->options, SK_OPT_TIME_LIMIT_MS);
    return limit > 0 && sk_clock_us() - ctx->turn_us >= limit * 1000;
}

/* Whether the turn ends when there is no room for another token. */
static bool ends_when_full(const sk_context *ctx)
{
    return strcmp(sk_opt_string(&ctx->options, SK_OPT_WHEN_FULL), "error") != 0 &&
           sk_context_droppable(ctx, 1) == 0;
}

/* Whether the token that was just appended is the last one for now. */
static void check_end(sk_context *ctx, bool at_stop_string)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    int64_t n_predict = sk_opt_int(&ctx->options, SK_OPT_N_PREDICT);
    if (vocab && sk_vocab_is_end(vocab, ctx->token))
        end_generation(ctx, SK_STOP_END);
    else if (at_stop_string)
        end_generation(ctx, SK_STOP_STRING);
    else if (n_predict >= 0 && ctx->n_predicted >= n_predict)
        end_generation(ctx, SK_STOP_LENGTH);
    else if (ctx->n_tokens == ctx->n_ctx && ends_when_full(ctx))
        end_generation(ctx, SK_STOP_CONTEXT);
    else if (is_late(ctx))
        end_generation(ctx, SK_STOP_TIME);
    if (ctx->ending && !at_stop_string)
        sk_output_flush(&ctx->output);
}

/* Appends the token that was chosen when the sampler's state was `before`, and shows its text; DONE
 * when it ends the text and shows nothing, PENDING when it was taken back. */
static int32_t take_token(sk_context *ctx, int32_t token, sk_sampler_state before)
{
    const sk_vocab *vocab = sk_model_vocab(ctx->model);
    sk_fed fed = {.at_stop = false};
    int32_t status = sk_context_reserve_reply(ctx);
    if (status == SKALD_OK && ctx->output.bans)
        status = sk_context_reserve_vetoes(ctx, ctx->n_vetoes + 1);
    if (status < 0)
        return status;
    ctx->tokens[ctx->n_tokens++] = token;
    ctx->token = token;
    ctx->n_generated++;
    ctx->n_predicted++;
    ctx->bytes = "";
    ctx->n_bytes = 0;
    sk_output_clear_text(&ctx->output);
    if (vocab && !sk_vocab_is_end(vocab, token)) {
        ctx->bytes = sk_vocab_piece(vocab, token, ctx->chat.marks != 0, &ctx->n_bytes);
        fed = sk_output_feed(&ctx->output, ctx->bytes, ctx->n_bytes, ctx->free, before);
    }
    if (fed.n_back > 0) {
        sk_context_take_back(ctx, (int64_t)fed.n_back, fed.before);
        return SKALD_PENDING;
    }
    check_end(ctx, fed.at_stop);
    sk_context_feed_reply(ctx, ctx->ending);
    bool silent_end = ctx->ending && ctx->output.n_text == 0 &&
                      (ctx->stop == SK_STOP_END || ctx->stop == SK_STOP_STRING);
    return silent_end ? done(ctx, ctx->stop) : SKALD_TOKEN;
}

/* There is no room for the next token: room is made, which is work to be done, or this is an end.
 */
static int32_t meet_end_of_room(sk_context *ctx)
{
    int64_t n_drop = sk_context_droppable(ctx, 1);
    if (n_drop > 0) {
        int32_t status = sk_context_drop(ctx, n_drop);
        return status < 0 ? status : SKALD_PENDING;
    }
    return ends_when_full(ctx) ? done(ctx, SK_STOP_CONTEXT)
                               : sk_fail(&ctx->error, SKALD_E_CONTEXT_FULL,
                                         "the context is full: it holds %lld tokens (n_ctx)",
                                         (long long)ctx->n_ctx);
}

/* For a context whose tokens are all evaluated. */
static int32_t choose(sk_context *ctx)
{
    if (ctx->n_evaluated == ctx->n_tokens) {
        ctx->n_settled = ctx->n_tokens;
        sk_state_settle(ctx->state);
    }
    if (ctx->ending)
        return done(ctx, ctx->stop);
    if (ctx->pooling.kind != SK_POOL_OFF)
        return done(ctx, SK_STOP_END);
    if (sk_opt_int(&ctx->options, SK_OPT_N_PREDICT) == 0)
        return done(ctx, SK_STOP_LENGTH);
    if (is_late(ctx))
        return done(ctx, SK_STOP_TIME);
    if (ctx->n_tokens == ctx->n_ctx)
        return meet_end_of_room(ctx);
    const sk_sampler_state before = ctx->sampling;
    int32_t token;
    int32_t status = sk_context_pick(ctx, &token);
    if (status < 0)
        return status;
    return token < 0 ? done(ctx, SK_STOP_END) : take_token(ctx, token, before);
}

/* Nothing has to be evaluated before this context can say how it stands: all is, or the next token
 * is known without it, or it is time to end. */
static bool is_settled(const sk_context *ctx)
{
    return ctx->n_evaluated == ctx->n_tokens || ctx->forced >= 0 ||
           (ctx->ending && ctx->n_evaluated == ctx->n_tokens - 1) ||
           (ctx->turn_us > 0 && is_late(ctx));
}

/* ---- Passes --------------------------------------------------------------------------------- */

static bool is_cancelled(void *user)
{
    const step_set *set = user;
    for (size_t i = 0; i < set->n; i++)
        if (set->status[i] == SKALD_PENDING && atomic_load(&set->ctxs[i]->cancelled))
            return true;
    return false;
}

/* Ends the contexts that were cancelled; the cancellation is spent. */
static void end_cancelled(const step_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        sk_context *ctx = set->ctxs[i];
        if (set->status[i] == SKALD_PENDING && atomic_exchange(&ctx->cancelled, 0)) {
            sk_context_ungroup(ctx);
            set->status[i] = sk_fail(&ctx->error, SKALD_E_CANCELLED, "the step was cancelled");
        }
    }
}

static bool wants_rows(const step_set *set, size_t i)
{
    return set->status[i] == SKALD_PENDING && !is_settled(set->ctxs[i]) && !set->ctxs[i]->group;
}

/* The context that shall lead the next pass: the first that has a workspace, or else the first. */
static sk_context *choose_leader(const step_set *set)
{
    sk_context *leader = NULL;
    for (size_t i = 0; i < set->n; i++) {
        if (!wants_rows(set, i) || set->ctxs[i]->served)
            continue;
        if (!leader || (set->ctxs[i]->pass && !leader->pass))
            leader = set->ctxs[i];
        if (leader->pass)
            break;
    }
    return leader;
}

/* How many rows the leader's pass should have room for: of a model that sees to both sides, all
 * that are to be evaluated, in powers of two. */
static int64_t rows_needed(const sk_context *ctx)
{
    int64_t n = ctx->n_batch, pending = ctx->n_tokens - ctx->n_evaluated;
    while (sk_model_is_whole(ctx->model) && n < pending)
        n = 2 * n < ctx->n_ctx ? 2 * n : ctx->n_ctx;
    return n;
}

static int64_t vector_rows(const step_set *set, int64_t n_rows)
{
    for (size_t i = 0; i < set->n; i++)
        if (set->ctxs[i]->pooling.kind != SK_POOL_OFF)
            return n_rows;
    return 0;
}

/* In powers of two so that few passes are made while a set grows; its own in any case. A row of
 * logits is as wide as the vocabulary. */
int64_t sk_context_logit_rows(const sk_context *ctx, int64_t n_wanted)
{
    int64_t n = 1, own = 1 + ctx->draft.max;
    if (!sk_model_has_logits(ctx->model))
        return 0;
    own = own < ctx->n_logit_rows ? ctx->n_logit_rows : own;
    while (n < n_wanted && n < LOGIT_ROWS && 2 * n <= ctx->n_batch)
        n *= 2;
    return n < own ? own : n;
}

/* One for each context of the set, and for each guess. */
static int64_t logit_rows(const step_set *set, const sk_context *ctx)
{
    int64_t n = 0;
    for (size_t i = 0; i < set->n; i++)
        n += 1 + set->ctxs[i]->draft.max;
    return sk_context_logit_rows(ctx, n);
}

static int32_t prepare_leader(const step_set *set, sk_context *ctx)
{
    int32_t status = renew_group(ctx, &ctx->error);
    int64_t n = logit_rows(set, ctx), n_rows = rows_needed(ctx),
            n_vectors = vector_rows(set, n_rows);
    if (status < 0 ||
        (ctx->pass && sk_pass_max_logits(ctx->pass) >= n && sk_pass_max_rows(ctx->pass) >= n_rows &&
         sk_pass_max_vectors(ctx->pass) >= n_vectors))
        return status;
    sk_pass_free(ctx->pass);
    return sk_pass_new_for(&ctx->pass, ctx->heap, ctx->model, n_rows, n, n_vectors, &ctx->error);
}

typedef struct batch {
    sk_context *leader;
    sk_row *rows; /* the pass's own */
    int64_t n, n_logits, n_vectors;
    int64_t n_spare; /* rows with logits that are left for guesses */
} batch;

/* How many rows of this context the batch has room for. */
static int64_t room_for(const batch *b, const sk_context *ctx)
{
    const sk_pass *pass = b->leader->pass;
    int64_t n = ctx->n_tokens - ctx->n_evaluated, room = sk_pass_max_rows(pass) - b->n;
    int64_t logits = sk_pass_max_logits(pass) - b->n_logits;
    if (ctx->pooling.kind != SK_POOL_OFF)
        logits = sk_pass_max_vectors(pass) - b->n_vectors;
    if (sk_model_is_whole(ctx->model)) /* all of them or none */
        return n <= room && logits >= (ctx->n_logit_rows > 1 ? n : 1) ? n : 0;
    if (n > room)
        n = room;
    if (n > ctx->n_batch)
        n = ctx->n_batch;
    if (logits < 1 || n < 1)
        return 0;
    return ctx->n_logit_rows > 1 && n > logits ? logits : n;
}

/* Guesses for a context all of whose tokens are in this batch, and room for its rows. Room for
 * guesses is no matter of life and death. */
static int32_t reserve_rows(batch *b, sk_context *ctx, int64_t n)
{
    bool all = n == ctx->n_tokens - ctx->n_evaluated;
    int64_t end = ctx->n_evaluated + n;
    ctx->draft.n = all ? sk_draft_propose(ctx, b->n_spare) : 0;
    sk_state_mark(ctx->state, ctx->draft.n + ctx->draft.n_again > 0);
    if (ctx->draft.n > 0 && sk_state_reserve(ctx->state, end + ctx->draft.n, &ctx->error) < 0) {
        ctx->draft.n = 0;
        ctx->error.code = 0;
        sk_state_mark(ctx->state, false);
    }
    b->n_spare -= ctx->draft.n;
    return sk_state_reserve(ctx->state, end, &ctx->error);
}

static void add_rows(batch *b, sk_context *ctx, int64_t n)
{
    bool all = ctx->n_logit_rows > 1, pools = ctx->pooling.kind != SK_POOL_OFF;
    int64_t n_guess = ctx->draft.n;
    join_group(ctx, b->leader->own_group, b->n, n + n_guess);
    for (int64_t i = 0; i < n + n_guess; i++) {
        int64_t position = ctx->n_evaluated + i;
        bool logits = !pools && (all || position >= ctx->n_tokens - 1);
        b->rows[b->n++] = (sk_row){.state = ctx->state,
                                   .position = position,
                                   .token = i < n ? ctx->tokens[position] : ctx->draft.ids[i - n],
                                   .logits = logits,
                                   .vector = sk_pooling_wants(ctx, position),
                                   .type = sk_pooling_type(ctx, position)};
        b->n_logits += logits;
        b->n_vectors += b->rows[b->n - 1].vector;
    }
}

/* Rows, and logits, that the batch has beyond what the set's contexts need: guesses shall keep
 * nobody out. */
static int64_t spare_rows(const step_set *set, const batch *b)
{
    const sk_pass *pass = b->leader->pass;
    int64_t rows = sk_pass_max_rows(pass), logits = sk_pass_max_logits(pass);
    for (size_t i = 0; i < set->n; i++) {
        const sk_context *ctx = set->ctxs[i];
        int64_t n = ctx->n_tokens - ctx->n_evaluated;
        if (!wants_rows(set, i) || ctx->served)
            continue;
        rows -= n < ctx->n_batch ? n : ctx->n_batch;
        logits -= ctx->n_logit_rows == 1 ? 1 : n < ctx->n_batch ? n : ctx->n_batch;
    }
    return rows < logits ? rows : logits;
}

/* Adds the set's contexts to the batch: those with one token to evaluate first, so that a long
 * prompt never keeps a conversation waiting. */
static void fill_batch(const step_set *set, batch *b)
{
    b->n_spare = spare_rows(set, b);
    for (int prompts = 0; prompts < 2; prompts++)
        for (size_t i = 0; i < set->n; i++) {
            sk_context *ctx = set->ctxs[i];
            if (!wants_rows(set, i) || ctx->served ||
                (ctx->n_tokens - ctx->n_evaluated > 1) != (prompts == 1))
                continue;
            int64_t n = room_for(b, ctx);
            if (n == 0)
                continue;
            int32_t status = reserve_rows(b, ctx, n);
            if (status < 0)
                set->status[i] = status;
            else
                add_rows(b, ctx, n);
        }
}

/* Begins a pass; false when there is nothing to evaluate (any more). */
static bool begin_pass(const step_set *set, sk_context **leader)
{
    for (;;) {
        *leader = choose_leader(set);
        if (!*leader)
            return false;
        int32_t status = prepare_leader(set, *leader);
        batch b = {*leader, NULL, 0, 0, 0, 0};
        if (status == SKALD_OK) {
            b.rows = sk_pass_rows((*leader)->pass);
            fill_batch(set, &b);
            status = b.n ? sk_pass_begin((*leader)->pass, b.n, &(*leader)->error) : SKALD_OK;
        }
        if (status == SKALD_OK && b.n)
            return true;
        /* The leader cannot lead: it ends with its error, and the others try again. */
        for (size_t i = 0; i < set->n; i++) {
            if (b.n && set->ctxs[i]->group == (*leader)->own_group)
                sk_context_ungroup(set->ctxs[i]);
            if (set->ctxs[i] == *leader && status < 0)
                set->status[i] = status;
        }
    }
}

/* Of the context's rows of a pass, those that are no guesses. */
static int64_t own_rows(const sk_context *ctx)
{
    return ctx->n_rows - ctx->draft.n;
}

static void keep_logits(sk_context *ctx, const sk_pass *pass)
{
    ctx->n_logits = 0;
    for (int64_t i = 0; i < own_rows(ctx); i++) {
        const float *logits = sk_pass_logits(pass, ctx->row_first + i);
        if (!logits)
            continue;
        if (ctx->n_logits == 0)
            ctx->logits_first = ctx->n_evaluated + i;
        memcpy(ctx->logits + ctx->n_logits++ * ctx->n_vocab, logits,
               (size_t)ctx->n_vocab * sizeof *logits);
    }
}

/* The layer where one of the context's first `n` rows went wrong; -1: none did. */
static int64_t failed_layer(const sk_context *ctx, const sk_pass *pass, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t layer = sk_pass_failed_layer(pass, ctx->row_first + i);
        if (layer >= 0)
            return layer;
    }
    return -1;
}

/* What is new among its rows of the pass is but the token that was generated last. */
static bool is_decoding(const sk_context *ctx)
{
    return ctx->token >= 0 && own_rows(ctx) - ctx->draft.n_again <= 1;
}

/* Takes over the results of a complete pass; returns the layer where a value was not finite, or -1.
 * One that is a guess's costs the guesses, and the rows are evaluated again without them. */
static int64_t commit_rows(sk_context *ctx, const sk_pass *pass)
{
    int64_t n = own_rows(ctx), layer = failed_layer(ctx, pass, n);
    if (layer < 0 && failed_layer(ctx, pass, ctx->n_rows) >= 0) {
        ctx->draft.barred = ctx->n_tokens;
        sk_state_truncate(ctx->state, ctx->n_evaluated);
        return -1;
    }
    if (layer < 0 && !sk_pooling_keep(ctx, pass))
        layer = sk_model_n_layer(ctx->model); /* the head */
    if (layer >= 0)
        return layer;
    keep_logits(ctx, pass);
    ctx->n_prompt += is_decoding(ctx) ? 0 : n;
    ctx->n_evaluated += n;
    sk_draft_commit(ctx, pass);
    ctx->served = true;
    return -1;
}

static void commit(const step_set *set, sk_context *leader)
{
    sk_group *group = leader->own_group;
    for (size_t i = 0; i < set->n; i++) {
        sk_context *ctx = set->ctxs[i];
        if (ctx->group != group)
            continue;
        int64_t layer = commit_rows(ctx, leader->pass);
        if (layer >= 0) {
            set->status[i] =
                sk_fail(&ctx->error, SKALD_E_NUMERIC, "layer %lld: a value became infinite or NaN",
                        (long long)layer);
            sk_state_truncate(ctx->state, ctx->n_evaluated);
        }
        group_release(ctx->group);
        ctx->group = NULL;
    }
}

static void count_time(const step_set *set, const sk_group *group, int64_t us)
{
    for (size_t i = 0; i < set->n; i++) {
        sk_context *ctx = set->ctxs[i];
        if (ctx->group != group)
            continue;
        *(is_decoding(ctx) ? &ctx->decode_us : &ctx->prompt_us) += us;
    }
}

/* Runs the leader's pass; false when the slice is spent or the pass was abandoned. */
static bool run_pass(step_set *set, sk_context *leader)
{
    int64_t start = sk_clock_us();
    int32_t status = sk_pass_run(leader->pass, set->deadline, is_cancelled, set);
    count_time(set, leader->own_group, sk_clock_us() - start);
    if (status == SKALD_DONE)
        commit(set, leader);
    else if (status == SKALD_E_CANCELLED)
        end_cancelled(set);
    return status != SKALD_PENDING;
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static void begin_step(const step_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        sk_context *ctx = set->ctxs[i];
        int32_t status = sk_model_check(ctx->model, &ctx->error);
        if (status == SKALD_OK && ctx->n_tokens == 0)
            status = sk_fail(&ctx->error, SKALD_E_STATE,
                             "the context is empty: append text or tokens before stepping");
        if (status == SKALD_OK)
            status = sk_pooling_begin(ctx);
        if (ctx->turn_us == 0)
            ctx->turn_us = sk_clock_us();
        set->status[i] = status < 0 ? status : SKALD_PENDING;
    }
    end_cancelled(set);
}

/* Lets the contexts that need no pass choose a token or end. */
static void settle_contexts(const step_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        sk_context *ctx = set->ctxs[i];
        if (set->status[i] != SKALD_PENDING || ctx->group)
            continue;
        if (!is_settled(ctx))
            sk_draft_accept(ctx);
        if (is_settled(ctx))
            set->status[i] = choose(ctx);
    }
}

/* Finishes the moves of what lies behind tokens that were taken out; false: the slice is spent. */
static bool shift_states(const step_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        sk_context *ctx = set->ctxs[i];
        bool moved = false;
        while (set->status[i] == SKALD_PENDING && !moved) {
            int64_t until = sk_clock_us() + SHIFT_US;
            moved = sk_state_shift_run(ctx->state, until < set->deadline ? until : set->deadline);
            if (is_cancelled((void *)(uintptr_t)set))
                end_cancelled(set);
            else if (!moved && sk_clock_us() >= set->deadline)
                return false;
        }
    }
    return true;
}

/* Makes the guesses that take work; false: the slice is spent. */
static bool make_drafts(step_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        sk_context *ctx = set->ctxs[i];
        int32_t status = SKALD_PENDING;
        int64_t start = sk_clock_us();
        while (wants_rows(set, i) && !ctx->served && status != SKALD_DONE) {
            status = sk_draft_run(ctx, set->deadline, is_cancelled, set);
            if (status == SKALD_E_CANCELLED)
                end_cancelled(set);
            else if (status == SKALD_PENDING)
                break;
        }
        ctx->decode_us += ctx->draft.drafter ? sk_clock_us() - start : 0;
        if (status == SKALD_PENDING && wants_rows(set, i) && !ctx->served)
            return false;
    }
    return true;
}

/* Every context that is still running has had its part in a pass. Returns whether one of them has
 * come to something that its host should hear of; if none has, another round begins. */
static bool end_round(const step_set *set)
{
    bool news = false;
    for (size_t i = 0; i < set->n; i++) {
        sk_context *ctx = set->ctxs[i];
        news = news || set->status[i] == SKALD_TOKEN ||
               (set->status[i] != SKALD_PENDING && ctx->served);
        ctx->served = false;
    }
    return news;
}

static bool any_pending(const step_set *set)
{
    bool pending = false;
    for (size_t i = 0; i < set->n; i++)
        pending = pending || set->status[i] == SKALD_PENDING;
    return pending;
}

void sk_step_many(sk_context *const *ctxs, size_t n, int64_t budget_us, int32_t *status)
{
    int64_t now = sk_clock_us();
    step_set set = {ctxs, n, status, INT64_MAX};
    if (budget_us >= 0 && budget_us < INT64_MAX - now)
        set.deadline = now + budget_us;
    begin_step(&set);
    sk_context *leader = find_whole_group(&set);
    settle_contexts(&set);
    for (bool first = true; any_pending(&set); first = false) {
        if (!first && sk_clock_us() >= set.deadline)
            return;
        if (!shift_states(&set) || (!leader && !make_drafts(&set)))
            return;
        if (leader || begin_pass(&set, &leader)) {
            if (!run_pass(&set, leader))
                return;
            settle_contexts(&set);
            leader = find_whole_group(&set);
        } else if (end_round(&set)) {
            return;
        }
    }
    end_round(&set);
}

int32_t sk_generate(sk_context *ctx, int32_t (*callback)(void *user, const char *text, size_t n),
                    void *user)
{
    for (;;) {
        int32_t status;
        sk_step_many(&ctx, 1, -1, &status);
        if (status == SKALD_PENDING)
            continue;
        if (status != SKALD_TOKEN)
            return status;
        if (callback && ctx->output.n_text &&
            callback(user, ctx->output.text, (size_t)ctx->output.n_text) != 0)
            return done(ctx, SK_STOP_HOST);
    }
}
