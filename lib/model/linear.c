/* SPDX-License-Identifier: MIT */
/*
 * Products with weights, dense and by expert, and what goes before and after them.
 *
 * The outputs of a product, rows of the matrix by columns (rows of the pass), are cut into a grid
 * of tiles of about LINEAR_TILE multiply-adds: a fraction of a millisecond on the slowest CPU, so
 * that a slice ends in time, while a run of tiles that one thread gets is put together to the
 * largest rectangles again, so that a kernel reads weights once for all columns. Tiles go along the
 * columns first.
 */
#include "base/portable.h"

#include "model/pass_int.h"

#include <string.h>

#define LINEAR_TILE 262144.0 /* multiply-adds */
#define LINEAR_READ 3.0      /* columns that take as long as reading the weights */
#define LINEAR_ROWS 32       /* tiles have a multiple of so many rows: kernels' panels */

typedef struct linear_grid {
    int64_t tile_rows, tile_cols; /* of one tile */
    int64_t n_rows, n_cols;       /* of all: outputs, columns */
    int64_t across;               /* tiles from column 0 to the last */
    int64_t n_tiles;
} linear_grid;

static linear_grid linear_cut(const sk_linear *w, int64_t n_cols)
{
    linear_grid g = {.n_rows = w->n_out, .n_cols = n_cols};
    if (n_cols == 0)
        return g;
    double column = (double)w->n_in * LINEAR_ROWS;
    double cols = LINEAR_TILE / column;
    g.tile_cols = cols < 1 ? 1 : cols > 64 ? 64 : (int64_t)cols;
    g.tile_cols = g.tile_cols < n_cols ? g.tile_cols : n_cols;
    double panels = LINEAR_TILE / (column * (double)g.tile_cols);
    g.tile_rows = LINEAR_ROWS * (panels < 1 ? 1 : (int64_t)panels);
    g.tile_rows = g.tile_rows < g.n_rows ? g.tile_rows : g.n_rows;
    g.across = (n_cols + g.tile_cols - 1) / g.tile_cols;
    g.n_tiles = g.across * ((g.n_rows + g.tile_rows - 1) / g.tile_rows);
    return g;
}

/* Of a tile. Weights are read and unpacked once for all columns: that counts like so many more. */
static double linear_cost(const sk_linear *w, const linear_grid *g)
{
    double weights = (double)w->n_in * (double)g->tile_rows;
    double share = g->n_cols > 0 ? LINEAR_READ / (double)g->n_cols : 0;
    return weights * (double)g->tile_cols * (1 + share);
}

/* One product of a step, of one expert or none. */
typedef struct linear_job {
    const sk_kernels *k;
    const sk_linear *w;
    int64_t expert; /* 0 when there are none */
    sk_matmul m;
    linear_grid grid;
} linear_job;

/* (W x) * scale + bias, or (W x + bias) * scale, of outputs [r0, r1) of one column. */
static void linear_finish(const linear_job *job, float *out, int64_t r0, int64_t r1)
{
    const sk_linear *w = job->w;
    float scale = w->scale ? w->scale[job->expert] : 1.0f;
    const float *bias = w->bias ? w->bias + job->expert * w->bias_stride : NULL;
    if (w->scale && !(bias && w->scale_bias))
        job->k->scale(out + r0, scale, r1 - r0);
    if (bias)
        job->k->add(out + r0, bias + r0, r1 - r0);
    if (w->scale && bias && w->scale_bias)
        job->k->scale(out + r0, scale, r1 - r0);
}

/* Outputs [r0, r1) of columns [c0, c1). */
static void linear_rectangle(const linear_job *job, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
    const sk_matmul *m = &job->m;
    r1 = r1 < job->grid.n_rows ? r1 : job->grid.n_rows;
    c1 = c1 < job->grid.n_cols ? c1 : job->grid.n_cols;
    job->k->matmul(m, r0, r1, c0, c1);
    if (!job->w->bias && !job->w->scale)
        return;
    for (int64_t c = c0; c < c1; c++)
        linear_finish(job, m->out + (m->out_col ? m->out_col[c] : c) * m->out_stride, r0, r1);
}

/* Tiles [first, last) of a product, in the largest rectangles. */
static void linear_tiles(const linear_job *job, int64_t first, int64_t last)
{
    const linear_grid *g = &job->grid;
    while (first < last) {
        int64_t down = first / g->across, left = first % g->across, n = last - first;
        int64_t whole = left == 0 ? n / g->across : 0; /* rows of tiles that are complete */
        int64_t right = left + n < g->across ? left + n : g->across;
        if (whole > 0) {
            linear_rectangle(job, down * g->tile_rows, (down + whole) * g->tile_rows, 0, g->n_cols);
            first += whole * g->across;
        } else {
            linear_rectangle(job, down * g->tile_rows, (down + 1) * g->tile_rows,
                             left * g->tile_cols, right * g->tile_cols);
            first += right - left;
        }
    }
}

/* The product of a part of a step with the activations of the step's source. */
static linear_job linear_part(const sk_pass *p, const sk_step *step, int part, int set)
{
    const sk_linear *w = &step->part[part];
    int kind = sk_act_kind(w->dtype), dst = step->part_dst[part];
    linear_job job = {.k = p->k, .w = w};
    job.m = (sk_matmul){.dtype = w->dtype,
                        .w = w->w,
                        .row_size = w->row_size,
                        .n = w->n_in,
                        .act = p->act[set][kind],
                        .act_size = sk_act_row_size(kind, w->n_in),
                        .out = p->reg[dst],
                        .out_stride = p->stride[dst]};
    return job;
}

/* ---- act: the source as activations of each kind that is asked for -----------------------------
 */

static void act_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_begin_rows(p, step, work);
    work->cost *= 2;
}

static void act_row(sk_pass *p, const sk_step *step, int64_t i)
{
    bool finite = true;
    for (int kind = 0; kind < 3; kind++) {
        if (!(step->kinds & 1u << kind))
            continue;
        size_t size = sk_act_row_size(kind, step->n);
        uint8_t *row = p->act[step->set][kind] + (size_t)i * size;
        if (p->k->quantise(kind, sk_pass_reg(p, step->src, i), step->n, row) != 0) {
            memset(row, 0, size); /* what follows of this row is not used, but must be defined */
            finite = false;
        }
    }
    if (!finite)
        sk_pass_fail(p, step->set, i, step->layer);
}

static void act_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        act_row(p, step, i);
}

const sk_op sk_op_act = {act_begin, act_run};

/* ---- linear: part_dst[j] = part[j] * activation, for each part ---------------------------------
 */

static void linear_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    int64_t n_cols = sk_pass_count(p, step->set);
    *work = (sk_work){.unit = 1};
    for (int i = 0; i < step->n_part; i++) {
        linear_grid g = linear_cut(&step->part[i], n_cols);
        double cost = linear_cost(&step->part[i], &g);
        work->n_tiles += g.n_tiles;
        work->unit = g.across > work->unit ? g.across : work->unit;
        work->cost = cost > work->cost ? cost : work->cost;
    }
}

static void linear_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    int64_t n_cols = sk_pass_count(p, step->set), at = 0;
    for (int i = 0; i < step->n_part && at < last; i++) {
        linear_job job = linear_part(p, step, i, step->set);
        job.grid = linear_cut(job.w, n_cols);
        int64_t from = first > at ? first - at : 0, end = last - at;
        linear_tiles(&job, from, end < job.grid.n_tiles ? end : job.grid.n_tiles);
        at += job.grid.n_tiles;
    }
}

const sk_op sk_op_linear = {linear_begin, linear_run};

/*
 * ---- experts: the same for pairs of rows and experts -------------------------------------------
 *
 * The columns of an expert's product are the rows that chose it, so its weights are read once for
 * all of them; experts that no row chose are not touched. The source is a row's activation (shared
 * by its experts) or a pair's; the outputs are the pairs'.
 */

static linear_job expert_job(const sk_pass *p, const sk_step *step, int part, int64_t expert)
{
    const sk_choice *choice = &p->choice;
    int set = sk_reg_set(step->src);
    int64_t first = choice->first[expert];
    linear_job job = linear_part(p, step, part, set);
    job.expert = expert;
    job.m.w = job.w->w_of[expert];
    job.m.in_col = (set == SK_SET_PAIRS ? choice->pair_of : choice->row_of) + first;
    job.m.out_col = choice->pair_of + first;
    job.grid = linear_cut(job.w, choice->first[expert + 1] - first);
    return job;
}

static void experts_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    sk_choice *choice = &p->choice;
    int64_t n_expert = step->part[0].n_expert;
    *work = (sk_work){.unit = 1};
    for (int64_t e = 0; e < n_expert; e++) {
        choice->first_tile[e] = work->n_tiles;
        for (int i = 0; i < step->n_part; i++) {
            linear_grid g = linear_cut(&step->part[i], choice->first[e + 1] - choice->first[e]);
            double cost = linear_cost(&step->part[i], &g);
            work->n_tiles += g.n_tiles;
            work->unit = g.across > work->unit ? g.across : work->unit;
            work->cost = cost > work->cost ? cost : work->cost;
        }
    }
    choice->first_tile[n_expert] = work->n_tiles;
}

/* The expert that tile `tile` belongs to: the last whose tiles begin at or before it and that has
 * any. */
static int64_t expert_of_tile(const sk_choice *choice, int64_t n_expert, int64_t tile)
{
    int64_t low = 0, high = n_expert; /* first_tile[low] <= tile < first_tile[high] */
    while (high - low > 1) {
        int64_t mid = low + (high - low) / 2;
        if (choice->first_tile[mid] <= tile)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static void experts_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    const sk_choice *choice = &p->choice;
    int64_t n_expert = step->part[0].n_expert;
    for (int64_t e = expert_of_tile(choice, n_expert, first); e < n_expert; e++) {
        int64_t at = choice->first_tile[e];
        if (at >= last)
            return;
        for (int i = 0; i < step->n_part && at < choice->first_tile[e + 1]; i++) {
            linear_job job = expert_job(p, step, i, e);
            int64_t from = first > at ? first - at : 0, end = last - at;
            linear_tiles(&job, from, end < job.grid.n_tiles ? end : job.grid.n_tiles);
            at += job.grid.n_tiles;
        }
    }
}

const sk_op sk_op_experts = {experts_begin, experts_run};

/*
 * ---- heads: part_dst = each head's own matrix * activation of the source -----------------------
 *
 * A head's columns are its rows, which lie n_head apart; the matrices one after another.
 */

static linear_job heads_job(const sk_pass *p, const sk_step *step, int64_t head)
{
    linear_job job = linear_part(p, step, 0, SK_SET_HEADS);
    size_t size = job.m.act_size;
    int64_t n_head = p->plan->n_head;
    job.m.w = (const uint8_t *)job.w->w + (size_t)(head * job.w->n_out) * job.w->row_size;
    job.m.act = (const uint8_t *)job.m.act + (size_t)head * size;
    job.m.act_size = size * (size_t)n_head;
    job.m.out += head * job.m.out_stride;
    job.m.out_stride *= n_head;
    job.grid = linear_cut(job.w, p->n_rows);
    return job;
}

static void heads_begin(sk_pass *p, const sk_step *step, sk_work *work)
{
    linear_grid g = linear_cut(&step->part[0], p->n_rows);
    *work = (sk_work){.n_tiles = g.n_tiles * p->plan->n_head, .unit = g.across};
    work->cost = linear_cost(&step->part[0], &g);
}

static void heads_run(sk_pass *p, const sk_step *step, int64_t first, int64_t last)
{
    while (first < last) {
        int64_t n = linear_cut(&step->part[0], p->n_rows).n_tiles, head = first / n;
        int64_t end = (head + 1) * n < last ? (head + 1) * n : last;
        linear_job job = heads_job(p, step, head);
        linear_tiles(&job, first - head * n, end - head * n);
        first = end;
    }
}

const sk_op sk_op_heads = {heads_begin, heads_run};
