/* SPDX-License-Identifier: MIT */
/*
 * What adapters add while a pass runs. Rows of one pass may be of states with different adapters,
 * so nothing here is known when the plan is made: a step of products, when it is done, begins
 * another round if any row of the pass has an adapter with a companion for one of its matrices.
 *
 *   u = A x;  y += B (u * scale), column after column of B      (CONTRACT.md has the order)
 *
 * x is the step's source as it is, in F32, also where the weights are quantised and read codes of
 * it. A tile is some columns by some rows of the matrix, and works out u for itself: for a matrix
 * much longer than it is wide that is done again for each piece of it, which costs less than a
 * place to keep it would, which would have to grow with every adapter. All of it is on the stack:
 * 12 KiB.
 */
#include "base/portable.h"

#include "model/adapter_int.h"
#include "model/pass_int.h"

#include "tensor/types.h"

#include <string.h>

enum {
    LOWRANK_COLS = 16,    /* columns of a tile, */
    LOWRANK_FEW = 4,      /* or so many where ranks are high, */
    LOWRANK_SUMS = 512,   /* and the more, up to so many elements of u, the lower they are */
    LOWRANK_ROWS = 256,   /* outputs that the columns of B pass by at a time */
    LOWRANK_BLOCK = 1024, /* rows of a tile, at least */
};

/* The products of one matrix: a part of a step, of one expert or head where it has several. */
typedef struct lowrank_job {
    const sk_pass *p;
    const sk_step *step;
    const sk_linear *w;
    int64_t piece;          /* expert or head, 0 */
    int dst;                /* register */
    int64_t n_cols;         /* columns */
    int64_t n_tile, n_rows; /* columns and rows of a tile */
} lowrank_job;

/* Columns with the same adapters: rows of the source and of the output. */
typedef struct lowrank_cols {
    int32_t in[LOWRANK_COLS], out[LOWRANK_COLS];
    const sk_adapters *worn;
    int64_t n;
} lowrank_cols;

static const sk_lowrank *lowrank_of(const lowrank_job *job, const sk_adapter *adapter)
{
    const int32_t *own = job->w->tensor_of;
    return sk_adapter_map(adapter, own ? own[job->piece] : job->w->tensor);
}

/* ---- What there is to do ----------------------------------------------------------------------
 */

/* Whether a row of the pass has something for this matrix, or, where each expert has a tensor, for
 * one of them. */
static bool lowrank_has(const sk_pass *p, const sk_linear *w)
{
    for (int64_t r = 0; r < p->n_runs; r++) {
        const sk_adapters *set = p->rows[p->run[r]].state->adapters;
        for (int64_t i = 0; set && i < set->n; i++) {
            for (int64_t e = 0; w->tensor_of && e < w->n_expert; e++)
                if (sk_adapter_map(set->worn[i].adapter, w->tensor_of[e]))
                    return true;
            if (!w->tensor_of && sk_adapter_map(set->worn[i].adapter, w->tensor))
                return true;
        }
    }
    return false;
}

bool sk_lowrank_wanted(const sk_pass *pass, const sk_step *step)
{
    for (int i = 0; pass->max_rank > 0 && i < step->n_part; i++)
        if (lowrank_has(pass, &step->part[i]))
            return true;
    return false;
}

static int64_t lowrank_pieces(const sk_pass *p, const sk_step *step)
{
    return step->op == SK_OP_EXPERTS ? step->part[0].n_expert
           : step->op == SK_OP_HEADS ? p->plan->n_head
                                     : 1;
}

static int64_t lowrank_n_cols(const sk_pass *p, const sk_step *step, int64_t piece)
{
    if (step->op == SK_OP_EXPERTS)
        return p->choice.first[piece + 1] - p->choice.first[piece];
    return step->op == SK_OP_HEADS ? p->n_rows : sk_pass_count(p, step->set);
}

static lowrank_job lowrank_part(const sk_pass *p, const sk_step *step, int part, int64_t piece)
{
    lowrank_job job = {p, step, &step->part[part], piece, step->part_dst[part], 0, 0, 0};
    int64_t n = LOWRANK_SUMS / (p->max_rank > 0 ? p->max_rank : 1);
    job.n_cols = lowrank_n_cols(p, step, piece);
    job.n_tile = n < LOWRANK_FEW ? LOWRANK_FEW : n > LOWRANK_COLS ? LOWRANK_COLS : n;
    job.n_rows = job.w->n_in > LOWRANK_BLOCK ? (job.w->n_in + 15) / 16 * 16 : LOWRANK_BLOCK;
    return job;
}

static int64_t lowrank_across(const lowrank_job *job)
{
    return (job->n_cols + job->n_tile - 1) / job->n_tile;
}

static int64_t lowrank_tiles(const lowrank_job *job)
{
    return lowrank_across(job) * ((job->w->n_out + job->n_rows - 1) / job->n_rows);
}

static void lowrank_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    int64_t n_pieces = lowrank_pieces(p, step);
    *work = (sk_work){.unit = 1};
    for (int part = 0; part < step->n_part; part++) {
        if (!lowrank_has(p, &step->part[part]))
            continue;
        for (int64_t piece = 0; piece < n_pieces; piece++) {
            lowrank_job job = lowrank_part(p, step, part, piece);
            double cols = (double)(job.n_cols < job.n_tile ? job.n_cols : job.n_tile);
            double cost = cols * (double)p->max_rank * (double)(job.w->n_in + job.n_rows);
            work->n_tiles += lowrank_tiles(&job);
            work->cost = cost > work->cost ? cost : work->cost;
        }
    }
}

/* ---- Doing it ---------------------------------------------------------------------------------
 */

/* Column c of a job: its row of the source, of the output, and of the pass. */
static int64_t lowrank_column(const lowrank_job *job, int64_t c, int32_t *in, int32_t *out)
{
    const sk_pass *p = job->p;
    if (job->step->op == SK_OP_EXPERTS) {
        int64_t at = p->choice.first[job->piece] + c;
        *out = p->choice.pair_of[at];
        *in = sk_reg_set(job->step->src) == SK_SET_PAIRS ? *out : p->choice.row_of[at];
        return p->choice.row_of[at];
    }
    int64_t i = job->step->op == SK_OP_HEADS ? c * p->plan->n_head + job->piece : c;
    *in = *out = (int32_t)i;
    return sk_pass_row_of(p, job->step->set, i);
}

/* The next columns from c on, at most up to `end`, whose adapters are the same. */
static lowrank_cols lowrank_gather(const lowrank_job *job, int64_t c, int64_t end)
{
    lowrank_cols cols = {.n = 0};
    for (; c < end; c++, cols.n++) {
        int64_t row = lowrank_column(job, c, &cols.in[cols.n], &cols.out[cols.n]);
        const sk_adapters *worn = job->p->rows[row].state->adapters;
        if (cols.n == 0)
            cols.worn = worn;
        else if (!sk_adapters_same(worn, cols.worn))
            break;
    }
    return cols;
}

/* u of n columns: [n][rank]. */
static void lowrank_down(const lowrank_job *job, const sk_lowrank *map, int64_t piece,
                         const int32_t *in, int64_t n, float *low)
{
    const sk_pass *p = job->p;
    int src = job->step->src;
    sk_matmul m = {.dtype = map->a_dtype,
                   .w = map->a + (size_t)(piece * map->rank) * map->a_size,
                   .row_size = map->a_size,
                   .n = map->n_in,
                   .act = p->reg[src],
                   .act_size = (size_t)p->stride[src] * sizeof(float),
                   .in_col = in,
                   .out = low,
                   .out_stride = map->rank};
    p->k->matmul(&m, 0, map->rank, 0, n);
}

/* Elements [at, at + n) of B as floats, where they are or in `room`. */
static const float *lowrank_b(const sk_pass *p, const sk_lowrank *map, int64_t at, int64_t n,
                              float *room)
{
    if (!map->b_half)
        return (const float *)map->b + at;
    p->k->from_f16(room, (const uint16_t *)map->b + at, n);
    return room;
}

/* Outputs [r0, r1) of n columns += B (u * scale); `row` is the first output's row of B. */
static void lowrank_up(const lowrank_job *job, const sk_lowrank *map, int64_t piece, int64_t row,
                       double scale, const float *low, const int32_t *out, int64_t n, int64_t r0,
                       int64_t r1)
{
    _Alignas(64) float room[LOWRANK_ROWS];
    const sk_pass *p = job->p;
    float s = (float)(scale * map->factor);
    for (int64_t r = r0; r < r1; r += LOWRANK_ROWS) {
        int64_t n_row = r1 - r < LOWRANK_ROWS ? r1 - r : LOWRANK_ROWS;
        for (int64_t k = 0; k < map->rank; k++) {
            int64_t at = (piece * map->rank + k) * map->n_out + row + r;
            const float *b = lowrank_b(p, map, at, n_row, room);
            for (int64_t c = 0; c < n; c++)
                p->k->fma(sk_pass_reg(p, job->dst, out[c]) + r, b, low[c * map->rank + k] * s,
                          n_row);
        }
    }
}

/* One adapter's part of a tile. */
static void lowrank_apply(const lowrank_job *job, const sk_worn *worn, const lowrank_cols *cols,
                          int64_t r0, int64_t r1)
{
    _Alignas(64) float low[SK_MAX_RANK];
    const sk_lowrank *map = lowrank_of(job, worn->adapter);
    if (!map)
        return;
    int64_t piece = job->w->tensor_of ? 0 : job->piece, step = SK_MAX_RANK / map->rank;
    for (int64_t c = 0; c < cols->n; c += step) {
        int64_t n = cols->n - c < step ? cols->n - c : step;
        lowrank_down(job, map, piece, cols->in + c, n, low);
        lowrank_up(job, map, piece, job->w->row, worn->scale, low, cols->out + c, n, r0, r1);
    }
}

static void lowrank_tile(const lowrank_job *job, int64_t tile)
{
    int64_t across = lowrank_across(job), c = tile % across * job->n_tile;
    int64_t r0 = tile / across * job->n_rows, r1 = r0 + job->n_rows, end = c + job->n_tile;
    r1 = r1 < job->w->n_out ? r1 : job->w->n_out;
    end = end < job->n_cols ? end : job->n_cols;
    while (c < end) {
        lowrank_cols cols = lowrank_gather(job, c, end);
        for (int64_t i = 0; cols.worn && i < cols.worn->n; i++)
            lowrank_apply(job, &cols.worn->worn[i], &cols, r0, r1);
        c += cols.n;
    }
}

static void lowrank_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n_pieces = lowrank_pieces(p, step), at = 0;
    for (int part = 0; part < step->n_part && at < last; part++) {
        if (!lowrank_has(p, &step->part[part]))
            continue;
        for (int64_t piece = 0; piece < n_pieces && at < last; piece++) {
            lowrank_job job = lowrank_part(p, step, part, piece);
            int64_t n = lowrank_tiles(&job), from = first > at ? first - at : 0;
            for (int64_t tile = from; tile < n && at + tile < last; tile++)
                lowrank_tile(&job, tile);
            at += n;
        }
    }
}

const sk_op sk_op_lowrank = {lowrank_begin, lowrank_run};

/* A token's u is its row of A. */
void sk_lowrank_embed(sk_pass *p, const sk_step *step, int64_t i)
{
    _Alignas(64) float low[SK_MAX_RANK];
    const sk_adapters *set = p->rows[i].state->adapters;
    lowrank_job job = {.p = p, .step = step, .w = &step->part[0], .dst = step->dst};
    for (int64_t k = 0; set && k < set->n; k++) {
        const sk_lowrank *map = lowrank_of(&job, set->worn[k].adapter);
        if (!map)
            continue;
        sk_dequantise(map->a_dtype, map->a + (size_t)p->rows[i].token * map->a_size, low,
                      map->rank);
        lowrank_up(&job, map, 0, 0, set->worn[k].scale, low, &(int32_t){(int32_t)i}, 1, 0, step->n);
    }
}

/* ---- steer: each vector of dst += the layer's direction * scale --------------------------------
 */

static void steer_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    if (!p->adapted)
        work->n_tiles = 0;
}

static void steer_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        const sk_adapters *set = p->rows[i].state->adapters;
        for (int64_t k = 0; set && k < set->n; k++) {
            const float **of = set->worn[k].adapter->direction;
            for (int64_t v = 0; of && of[step->layer] && v < step->n_vec; v++)
                p->k->fma(sk_pass_reg(p, step->dst, i) + v * step->n, of[step->layer],
                          (float)set->worn[k].scale, step->n);
        }
    }
}

const sk_op sk_op_steer = {steer_begin, steer_run};
