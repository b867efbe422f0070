/* SPDX-License-Identifier: MIT */
/*
 * Running a plan in slices.
 *
 * The cursor is a step and a tile. A dispatch hands the next tiles of the step to the executor, as
 * many as should take at most SLICE_US and end before the deadline, by the time that a unit of this
 * operation's cost took lately; too few to be worth waking threads are run by the caller. Between
 * dispatches the deadline and the stop function are looked at. So a pass stops within about a
 * tile's time of its deadline, and within a few milliseconds of a cancel.
 *
 * Each thread at work holds at most one piece of scratch memory, of which there are as many as
 * tasks run at once. A host that runs more of them than it said makes some wait for others that are
 * running, never for one that has not begun.
 *
 * Memory is allocated in sk_pass_new: per row the width of each register, and the activations. How
 * the work is grouped depends on the clock, what it comes to does not: tiles are independent.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include "base/checked.h"
#include "base/clock.h"

#include <string.h>

#define SLICE_US 2000.0 /* what a dispatch should take at most */
#define ALONE_US 15.0   /* below this the caller works alone */
#define FIRST_RATE 5e-4 /* microseconds per unit of cost, before anything was measured */
#define SHORT_US 20.0   /* below this the clock is too coarse to learn from */
#define LARGE_SHARE 4   /* times as much is dealt out at once as is left for later */
#define SMALL_TASKS 2   /* per thread, of what is left */

static const sk_op *const pass_ops[SK_N_OPS] = {
    [SK_OP_EMBED] = &sk_op_embed,       [SK_OP_ANGLES] = &sk_op_angles,
    [SK_OP_NORM] = &sk_op_norm,         [SK_OP_ACT] = &sk_op_act,
    [SK_OP_LINEAR] = &sk_op_linear,     [SK_OP_ROPE] = &sk_op_rope,
    [SK_OP_STORE] = &sk_op_store,       [SK_OP_ATTEND] = &sk_op_attend,
    [SK_OP_GLU] = &sk_op_glu,           [SK_OP_ADD] = &sk_op_add,
    [SK_OP_ROUTE] = &sk_op_route,       [SK_OP_GATHER] = &sk_op_gather,
    [SK_OP_EXPERTS] = &sk_op_experts,   [SK_OP_COMBINE] = &sk_op_combine,
    [SK_OP_POSITION] = &sk_op_position, [SK_OP_GATE] = &sk_op_gate,
    [SK_OP_SCALE] = &sk_op_scale,       [SK_OP_CLAMP] = &sk_op_clamp,
    [SK_OP_CAP] = &sk_op_cap,           [SK_OP_DIVIDE] = &sk_op_divide,
    [SK_OP_TEMPER] = &sk_op_temper,     [SK_OP_WEIGH] = &sk_op_weigh,
    [SK_OP_SELECT] = &sk_op_select,     [SK_OP_CHECK] = &sk_op_check,
    [SK_OP_TAKE] = &sk_op_take,         [SK_OP_L2] = &sk_op_l2,
    [SK_OP_DECAY] = &sk_op_decay,       [SK_OP_CONV] = &sk_op_conv,
    [SK_OP_RECUR] = &sk_op_recur,       [SK_OP_SHIFT] = &sk_op_shift,
    [SK_OP_LERP] = &sk_op_lerp,         [SK_OP_BONUS] = &sk_op_bonus,
    [SK_OP_TIMES] = &sk_op_times,       [SK_OP_BLEND] = &sk_op_blend,
    [SK_OP_HEADS] = &sk_op_heads,       [SK_OP_SPARSE] = &sk_op_sparse,
    [SK_OP_RESIZE] = &sk_op_resize,     [SK_OP_PREDICT] = &sk_op_predict,
    [SK_OP_CORRECT] = &sk_op_correct,   [SK_OP_SPREAD] = &sk_op_spread,
    [SK_OP_TYPE] = &sk_op_position,     [SK_OP_INDEX] = &sk_op_index,
    [SK_OP_POOL] = &sk_op_pool,         [SK_OP_BALANCE] = &sk_op_balance,
    [SK_OP_COLLECT] = &sk_op_collect,   [SK_OP_DEAL] = &sk_op_deal,
    [SK_OP_STEER] = &sk_op_steer,
};

/* Products have another round where adapters add to them. */
static bool pass_multiplies(const sk_step *step)
{
    return step->op == SK_OP_LINEAR || step->op == SK_OP_EXPERTS || step->op == SK_OP_HEADS;
}

/* What the round that is running does. */
static const sk_op *pass_op(const sk_pass *pass, const sk_step *step)
{
    return pass->round > 0 && pass_multiplies(step) ? &sk_op_lowrank : pass_ops[step->op];
}

int64_t sk_pass_count(const sk_pass *pass, int set)
{
    return set == SK_SET_LOGITS    ? pass->n_logits
           : set == SK_SET_OUTPUTS ? pass->n_outputs
           : set == SK_SET_PAIRS   ? pass->n_rows * pass->choice.n_used
           : set == SK_SET_HEADS   ? pass->n_rows * pass->plan->n_head
                                   : pass->n_rows;
}

int64_t sk_pass_row_of(const sk_pass *pass, int set, int64_t i)
{
    return set == SK_SET_LOGITS || set == SK_SET_OUTPUTS ? pass->output_row[i]
           : set == SK_SET_PAIRS                         ? i / pass->choice.n_used
           : set == SK_SET_HEADS                         ? i / pass->plan->n_head
                                                         : i;
}

void sk_pass_fail(sk_pass *pass, int set, int64_t i, int32_t layer)
{
    int32_t none = -1;
    atomic_compare_exchange_strong(&pass->failed[sk_pass_row_of(pass, set, i)], &none, layer);
}

/* ---- Making a pass ----------------------------------------------------------------------------
 */

static int64_t pass_room(const sk_pass *pass, int set)
{
    return set == SK_SET_LOGITS    ? pass->max_logits
           : set == SK_SET_OUTPUTS ? pass->max_outputs
           : set == SK_SET_PAIRS   ? pass->max_rows * pass->plan->n_used
           : set == SK_SET_HEADS   ? pass->max_rows * pass->plan->n_head
                                   : pass->max_rows;
}

static int32_t pass_registers(sk_pass *pass, sk_error *error)
{
    const sk_plan *plan = pass->plan;
    for (int reg = 0; reg < SK_N_REGS; reg++) {
        if (plan->width[reg] == 0)
            continue;
        uint64_t rows = (uint64_t)pass_room(pass, sk_reg_set(reg));
        pass->stride[reg] = (plan->width[reg] + 15) / 16 * 16;
        pass->reg[reg] = sk_alloc_array(pass->heap, rows, (uint64_t)pass->stride[reg] * 4,
                                        "a pass's workspace", error);
        if (!pass->reg[reg])
            return SKALD_E_MEMORY;
    }
    return SKALD_OK;
}

static int32_t pass_activations(sk_pass *pass, sk_error *error)
{
    for (int set = 0; set < SK_N_SETS; set++) {
        for (int kind = 0; kind < 3; kind++) {
            int64_t n = pass->plan->act_n[set][kind];
            if (n == 0)
                continue;
            pass->act[set][kind] =
                sk_alloc_array(pass->heap, (uint64_t)pass_room(pass, set), sk_act_row_size(kind, n),
                               "a pass's workspace", error);
            if (!pass->act[set][kind])
                return SKALD_E_MEMORY;
        }
    }
    return SKALD_OK;
}

static int32_t pass_angles(sk_pass *pass, sk_error *error)
{
    const sk_plan *plan = pass->plan;
    pass->angles =
        sk_alloc_array(pass->heap, plan->n_rope, sizeof *pass->angles, "a pass's workspace", error);
    if (!pass->angles)
        return SKALD_E_MEMORY;
    for (uint64_t i = 0; i < plan->n_rope; i++) {
        uint64_t n = (uint64_t)(plan->ropes[i].rope.n_rot / 2);
        pass->angles[i] = sk_alloc_array(pass->heap, (uint64_t)pass->max_rows, n * 2 * 4,
                                         "a pass's workspace", error);
        if (!pass->angles[i])
            return SKALD_E_MEMORY;
    }
    return SKALD_OK;
}

static int32_t pass_choice(sk_pass *pass, sk_error *error)
{
    sk_choice *c = &pass->choice;
    sk_heap *heap = pass->heap;
    uint64_t n_pair = (uint64_t)pass_room(pass, SK_SET_PAIRS);
    uint64_t n_expert = (uint64_t)pass->plan->n_expert;
    if (n_expert == 0)
        return SKALD_OK;
    c->expert = sk_alloc_array(heap, n_pair, sizeof *c->expert, "a pass's workspace", error);
    c->weight = sk_alloc_array(heap, n_pair, sizeof *c->weight, "a pass's workspace", error);
    c->pair_of = sk_alloc_array(heap, n_pair, sizeof *c->pair_of, "a pass's workspace", error);
    c->row_of = sk_alloc_array(heap, n_pair, sizeof *c->row_of, "a pass's workspace", error);
    c->first = sk_alloc_array(heap, n_expert + 1, sizeof *c->first, "a pass's workspace", error);
    c->first_tile =
        sk_alloc_array(heap, n_expert + 1, sizeof *c->first_tile, "a pass's workspace", error);
    bool all = c->expert && c->weight && c->pair_of && c->row_of && c->first && c->first_tile;
    return all ? SKALD_OK : SKALD_E_MEMORY;
}

/* Attention, what chooses keys for it, and the scratch memory that either wants. */
static int32_t pass_attention(sk_pass *pass, sk_error *error)
{
    sk_scratch *s = &pass->scratch;
    s->n = sk_executor_width(pass->executor);
    int32_t status = sk_indexing_init(pass, error);
    if (status == SKALD_OK)
        status = sk_attending_init(pass, error);
    if (status != SKALD_OK || s->size == 0)
        return status;
    s->size = (s->size + SK_ALIGN - 1) / SK_ALIGN * SK_ALIGN;
    s->data = sk_alloc_array(pass->heap, (uint64_t)s->n, s->size, "a pass's workspace", error);
    s->busy =
        sk_alloc_array(pass->heap, (uint64_t)s->n, sizeof *s->busy, "a pass's workspace", error);
    return s->data && s->busy ? SKALD_OK : SKALD_E_MEMORY;
}

void *sk_scratch_take(sk_pass *pass, int32_t *slot)
{
    sk_scratch *s = &pass->scratch;
    for (*slot = 0;; *slot = (*slot + 1) % s->n)
        if (atomic_exchange_explicit(&s->busy[*slot], 1, memory_order_acquire) == 0)
            return s->data + (size_t)*slot * s->size;
}

void sk_scratch_give(sk_pass *pass, int32_t slot)
{
    atomic_store_explicit(&pass->scratch.busy[slot], 0, memory_order_release);
}

static int32_t pass_rows(sk_pass *pass, sk_error *error)
{
    sk_heap *heap = pass->heap;
    uint64_t n = (uint64_t)pass->max_rows, n_output = (uint64_t)pass->max_outputs;
    pass->rows = sk_alloc_array(heap, n, sizeof *pass->rows, "a pass's workspace", error);
    pass->output_of = sk_alloc_array(heap, n, sizeof(int32_t), "a pass's workspace", error);
    pass->output_row = sk_alloc_array(heap, n_output, sizeof(int32_t), "a pass's workspace", error);
    pass->failed = sk_alloc_array(heap, n, sizeof *pass->failed, "a pass's workspace", error);
    pass->run = sk_alloc_array(heap, n, sizeof(int32_t), "a pass's workspace", error);
    pass->next_row = sk_alloc_array(heap, n, sizeof(int32_t), "a pass's workspace", error);
    bool all = pass->rows && pass->output_of && pass->output_row && pass->failed && pass->run &&
               pass->next_row;
    return all ? SKALD_OK : SKALD_E_MEMORY;
}

static int32_t pass_check(const sk_model *model, int64_t max_rows, int64_t max_logits,
                          int64_t max_vectors, sk_error *error)
{
    if (sk_model_runs(model, error) != SKALD_OK)
        return SKALD_E_STATE;
    if (max_rows < 1 || max_rows > 1 << 20 || max_logits < 0 || max_logits > max_rows ||
        max_vectors < 0 || max_vectors > max_rows)
        return sk_fail(error, SKALD_E_ARGUMENT, "a pass of %lld rows, %lld with logits",
                       (long long)max_rows, (long long)max_logits);
    return SKALD_OK;
}

int32_t sk_pass_new(sk_pass **out, sk_heap *heap, const sk_model *model, int64_t max_rows,
                    int64_t max_logit_rows, sk_error *error)
{
    return sk_pass_new_for(out, heap, model, max_rows, max_logit_rows, 0, error);
}

int32_t sk_pass_new_for(sk_pass **out, sk_heap *heap, const sk_model *model, int64_t max_rows,
                        int64_t max_logit_rows, int64_t max_vector_rows, sk_error *error)
{
    *out = NULL;
    int32_t status = pass_check(model, max_rows, max_logit_rows, max_vector_rows, error);
    if (status != SKALD_OK)
        return status;
    sk_pass *pass = sk_alloc_zero(heap, sizeof *pass, "a pass", error);
    if (!pass)
        return SKALD_E_MEMORY;
    pass->heap = heap;
    pass->model = model;
    pass->plan = &model->plan;
    pass->k = model->kernels;
    pass->executor = model->executor;
    pass->max_rows = max_rows;
    pass->max_logits = max_logit_rows;
    pass->max_outputs = max_logit_rows + max_vector_rows;
    for (int op = 0; op < SK_N_OPS; op++)
        pass->rate[op] = FIRST_RATE;
    status = pass_rows(pass, error);
    if (status == SKALD_OK)
        status = pass_registers(pass, error);
    if (status == SKALD_OK)
        status = pass_activations(pass, error);
    if (status == SKALD_OK)
        status = pass_angles(pass, error);
    if (status == SKALD_OK)
        status = pass_choice(pass, error);
    if (status == SKALD_OK)
        status = pass_attention(pass, error);
    if (status != SKALD_OK) {
        sk_pass_free(pass);
        return status;
    }
    *out = pass;
    return SKALD_OK;
}

void sk_pass_free(sk_pass *pass)
{
    if (!pass)
        return;
    sk_heap *heap = pass->heap;
    sk_choice *c = &pass->choice;
    void *blocks[] = {pass->rows,         pass->output_of,
                      pass->output_row,   (void *)pass->failed,
                      c->expert,          c->weight,
                      c->pair_of,         c->row_of,
                      c->first,           c->first_tile,
                      pass->run,          pass->next_row,
                      pass->scratch.data, (void *)pass->scratch.busy};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        sk_free(heap, blocks[i]);
    for (int reg = 0; reg < SK_N_REGS; reg++)
        sk_free(heap, pass->reg[reg]);
    for (int i = 0; i < SK_N_SETS * 3; i++)
        sk_free(heap, pass->act[i / 3][i % 3]);
    for (uint64_t i = 0; pass->angles && i < pass->plan->n_rope; i++)
        sk_free(heap, pass->angles[i]);
    sk_free(heap, pass->angles);
    sk_attending_free(pass);
    sk_indexing_free(pass);
    sk_free(heap, pass);
}

/* ---- Beginning --------------------------------------------------------------------------------
 */

static int32_t begin_check_row(const sk_pass *pass, const sk_row *row, sk_error *error)
{
    sk_state *state = row->state;
    if (!state || state->model != pass->model)
        return sk_fail(error, SKALD_E_ARGUMENT, "a row's state is of another model");
    if (row->logits && !pass->plan->has_logits)
        return sk_fail(error, SKALD_E_ARGUMENT, "a row wants logits, the model gives vectors");
    if (row->type > 0 && row->type >= pass->plan->n_type)
        return sk_fail(error, SKALD_E_ARGUMENT, "a row has type %d of %lld", (int)row->type,
                       (long long)pass->plan->n_type);
    if (row->token < 0 || row->token >= pass->plan->n_vocab)
        return sk_fail(error, SKALD_E_ARGUMENT, "token %d is not in the vocabulary of %lld",
                       (int)row->token, (long long)pass->plan->n_vocab);
    if (row->position != state->n_next)
        return sk_fail(error, SKALD_E_ARGUMENT, "a row has position %lld, wanted %lld",
                       (long long)row->position, (long long)state->n_next);
    if (row->position >= state->n_reserved)
        return sk_fail(error, SKALD_E_ARGUMENT, "position %lld is not reserved",
                       (long long)row->position);
    state->n_next++;
    return SKALD_OK;
}

static int32_t begin_check(const sk_pass *pass, int64_t n, sk_error *error)
{
    const sk_row *rows = pass->rows;
    int64_t n_logits = 0, n_vectors = 0;
    if (n < 1 || n > pass->max_rows)
        return sk_fail(error, SKALD_E_ARGUMENT, "a pass over %lld rows, wanted 1 to %lld",
                       (long long)n, (long long)pass->max_rows);
    for (int64_t i = 0; i < n; i++) {
        if (rows[i].state)
            rows[i].state->n_next = rows[i].state->n_held;
        n_logits += rows[i].logits;
        n_vectors += rows[i].vector && !rows[i].logits;
    }
    if (n_logits > pass->max_logits)
        return sk_fail(error, SKALD_E_ARGUMENT, "%lld rows want logits, there is room for %lld",
                       (long long)n_logits, (long long)pass->max_logits);
    if (n_vectors > pass->max_outputs - pass->max_logits)
        return sk_fail(error, SKALD_E_ARGUMENT, "%lld rows want vectors, there is room for %lld",
                       (long long)n_vectors, (long long)(pass->max_outputs - pass->max_logits));
    for (int64_t i = 0; i < n; i++) {
        int32_t status = begin_check_row(pass, &rows[i], error);
        if (status != SKALD_OK)
            return status;
    }
    return SKALD_OK;
}

/* Links the rows of each state, for layers that advance from one to the next. */
static int32_t begin_runs(sk_pass *pass, int64_t n, sk_error *error)
{
    pass->n_runs = pass->longest_run = 0;
    for (int64_t i = 0; i < n; i++)
        pass->rows[i].state->last_row = -1;
    for (int64_t i = 0; i < n; i++) {
        sk_state *state = pass->rows[i].state;
        if (state->last_row < 0)
            pass->run[pass->n_runs++] = (int32_t)i;
        else
            pass->next_row[state->last_row] = (int32_t)i;
        pass->next_row[i] = -1;
        state->last_row = (int32_t)i;
    }
    for (int64_t r = 0; r < pass->n_runs; r++) {
        sk_state *state = pass->rows[pass->run[r]].state;
        int64_t n_row = state->n_next - state->n_held;
        pass->longest_run = n_row > pass->longest_run ? n_row : pass->longest_run;
        if (state->memory && !sk_memory_begin(state->memory, n_row))
            return sk_fail(error, SKALD_E_ARGUMENT, "%lld rows are not reserved", (long long)n_row);
    }
    return SKALD_OK;
}

/* Numbers the rows that something is wanted of. */
static void begin_outputs(sk_pass *pass)
{
    pass->n_logits = pass->n_outputs = 0;
    for (int vectors = 0; vectors < 2; vectors++)
        for (int64_t i = 0; i < pass->n_rows; i++) {
            const sk_row *row = &pass->rows[i];
            if (vectors == 0)
                pass->output_of[i] = -1;
            if (vectors ? row->logits || !row->vector : !row->logits)
                continue;
            pass->output_of[i] = (int32_t)pass->n_outputs;
            pass->output_row[pass->n_outputs++] = (int32_t)i;
            pass->n_logits += vectors == 0;
        }
}

static void begin_adapters(sk_pass *pass)
{
    pass->adapted = false;
    pass->max_rank = 0;
    for (int64_t r = 0; r < pass->n_runs; r++) {
        const sk_adapters *set = pass->rows[pass->run[r]].state->adapters;
        int64_t rank = set ? set->max_rank : 0;
        pass->adapted = pass->adapted || set;
        pass->max_rank = rank > pass->max_rank ? rank : pass->max_rank;
    }
}

sk_row *sk_pass_rows(sk_pass *pass)
{
    return pass->rows;
}

int64_t sk_pass_max_rows(const sk_pass *pass)
{
    return pass->max_rows;
}

int64_t sk_pass_max_vectors(const sk_pass *pass)
{
    return pass->max_outputs - pass->max_logits;
}

int64_t sk_pass_max_logits(const sk_pass *pass)
{
    return pass->max_logits;
}

int32_t sk_pass_begin(sk_pass *pass, int64_t n, sk_error *error)
{
    const sk_row *rows = pass->rows;
    pass->active = pass->done = false;
    int32_t status = begin_check(pass, n, error);
    if (status == SKALD_OK)
        status = begin_runs(pass, n, error);
    if (status != SKALD_OK)
        return status;
    pass->n_rows = n;
    pass->last_position = 0;
    for (int64_t i = 0; i < n; i++) {
        atomic_store(&pass->failed[i], -1);
        if (rows[i].position > pass->last_position)
            pass->last_position = rows[i].position;
    }
    begin_outputs(pass);
    begin_adapters(pass);
    pass->step = 0;
    pass->round = 0;
    pass->tile = 0;
    pass->work = (sk_work){.n_tiles = -1};
    pass->active = true;
    return SKALD_OK;
}

/* ---- Running ----------------------------------------------------------------------------------
 */

/* Tiles [first, last) of the current step: a task of `large` of them for each of `width` threads,
 * then tasks of `small`. */
typedef struct pass_tasks {
    sk_pass *pass;
    const sk_step *step;
    int64_t first, last, width, large, small;
} pass_tasks;

static void pass_task(void *arg, int64_t i)
{
    const pass_tasks *t = arg;
    bool early = i < t->width;
    int64_t first = t->first + (early ? i : t->width) * t->large;
    first += early ? 0 : (i - t->width) * t->small;
    int64_t last = first + (early ? t->large : t->small);
    pass_op(t->pass, t->step)->run(t->pass, t->step, first, last < t->last ? last : t->last);
}

/* Whole units, where there are enough. */
static int64_t pass_units(const sk_work *work, int64_t n)
{
    return n < work->unit ? (n < 1 ? 1 : n) : n / work->unit * work->unit;
}

/* Most of the tiles are dealt out in one piece each, since weights are read fastest without a
 * break; the rest goes to whoever is done. */
static void pass_share(sk_pass *pass, const sk_step *step, int64_t n)
{
    int64_t width = sk_executor_width(pass->executor);
    width = width < n ? width : n;
    pass_tasks t = {pass, step, pass->tile, pass->tile + n, width, 0, 0};
    t.large = pass_units(&pass->work, n * LARGE_SHARE / (LARGE_SHARE + 1) / width);
    int64_t rest = n - t.large * width;
    t.small = pass_units(&pass->work, rest / (width * SMALL_TASKS));
    sk_executor_run(pass->executor, width + (rest + t.small - 1) / t.small, pass_task, &t);
}

static void pass_run_tiles(sk_pass *pass, const sk_step *step, int64_t n, bool alone)
{
    if (alone)
        pass_op(pass, step)->run(pass, step, pass->tile, pass->tile + n);
    else
        pass_share(pass, step, n);
}

/*
 * Moves the rate towards what was measured: at most doubling it, since a thread that lost its
 * processor for a while says nothing about the work; half way down. What is too short for the clock
 * and was expected to be is passed over.
 */
static void pass_learn(double *rate, double cost, double us)
{
    double expected = cost * *rate;
    if (cost <= 0 || (us < SHORT_US && expected < SHORT_US))
        return;
    if (us > expected)
        *rate = us > 2 * expected ? 2 * *rate : us / cost;
    else
        *rate = (*rate + us / cost) / 2;
}

/* Runs some tiles of the current step, which has some left, within `budget_us`; returns the time
 * on the clock afterwards. */
static int64_t pass_dispatch(sk_pass *pass, const sk_step *step, int64_t now, double budget_us)
{
    const sk_work *work = &pass->work;
    double *rate = &pass->rate[step->op], tile_us = work->cost * *rate;
    int64_t left = work->n_tiles - pass->tile;
    int64_t width = sk_executor_width(pass->executor);
    width = width < left ? width : left;
    budget_us = budget_us < SLICE_US ? budget_us : SLICE_US;
    double fit = budget_us <= 0 ? 1 : budget_us * (double)width / (tile_us + 1e-9);
    int64_t n = fit < 1 ? 1 : fit < (double)left ? (int64_t)fit : left;
    bool alone = width == 1 || n == 1 || (double)n * tile_us < ALONE_US;
    pass_run_tiles(pass, step, n, alone);
    pass->tile += n;
    int64_t after = sk_clock_us();
    double threads = alone ? 1 : (double)(width < n ? width : n);
    pass_learn(rate, (double)n * work->cost, (double)(after - now) * threads);
    return after;
}

/* Goes on to the next tile that is left, beginning steps on the way; false at the plan's end. */
static bool pass_next(sk_pass *pass)
{
    const sk_plan *plan = pass->plan;
    while (pass->step < plan->n_step) {
        const sk_step *step = &plan->steps[pass->step];
        if (pass->work.n_tiles < 0) {
            pass_op(pass, step)->begin(pass, step, &pass->work);
            if (pass->round == 0 && pass_multiplies(step))
                pass->work.again = sk_lowrank_wanted(pass, step);
            pass->tile = 0;
        }
        if (pass->tile < pass->work.n_tiles)
            return true;
        bool again = pass->work.again;
        pass->work = (sk_work){.n_tiles = -1};
        pass->step += !again;
        pass->round = again ? pass->round + 1 : 0;
    }
    return false;
}

/* The states hold the rows now, but for one with a failed row, whose later rows fail with it. */
static void pass_finish(sk_pass *pass)
{
    for (int64_t r = 0; r < pass->n_runs; r++) {
        sk_state *state = pass->rows[pass->run[r]].state;
        int32_t failed = -1;
        for (int64_t i = pass->run[r]; i >= 0; i = pass->next_row[i]) {
            if (failed < 0)
                failed = atomic_load(&pass->failed[i]);
            sk_pass_fail(pass, SK_SET_ROWS, i, failed);
        }
        if (failed >= 0)
            continue;
        state->n_held = state->n_next;
        if (state->memory)
            sk_memory_commit(state->memory);
    }
    pass->active = false;
    pass->done = true;
}

int32_t sk_pass_run(sk_pass *pass, int64_t deadline_us, bool (*stop)(void *user), void *user)
{
    if (!pass->active)
        return SKALD_DONE;
    bool bounded = deadline_us != INT64_MAX;
    int64_t now = sk_clock_us();
    for (bool worked = false; pass_next(pass); worked = true) {
        const sk_step *step = &pass->plan->steps[pass->step];
        double tile_us = pass->work.cost * pass->rate[step->op];
        double left = bounded ? (double)deadline_us - (double)now : SLICE_US;
        if (stop && stop(user))
            return SKALD_E_CANCELLED;
        if (worked && bounded && left <= tile_us / 2)
            return SKALD_PENDING;
        now = pass_dispatch(pass, step, now, left);
    }
    pass_finish(pass);
    return SKALD_DONE;
}

const float *sk_pass_logits(const sk_pass *pass, int64_t row)
{
    if (!pass->done || row < 0 || row >= pass->n_rows || !pass->rows[row].logits)
        return NULL;
    return sk_pass_reg(pass, SK_R_LOGITS, pass->output_of[row]);
}

const float *sk_pass_vector(const sk_pass *pass, int64_t row)
{
    if (!pass->done || row < 0 || row >= pass->n_rows || pass->output_of[row] < 0)
        return NULL;
    return sk_pass_reg(pass, SK_R_LAST, pass->output_of[row]);
}

int64_t sk_pass_failed_layer(const sk_pass *pass, int64_t row)
{
    return row < 0 || row >= pass->n_rows ? -1 : atomic_load(&pass->failed[row]);
}
