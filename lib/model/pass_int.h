/* SPDX-License-Identifier: MIT */
/*
 * The inside of a pass, for the files that run steps.
 *
 * A step's work is cut into tiles, numbered from 0, before it runs (sk_op.begin). Tiles write
 * disjoint outputs and divide no sum, so any threads may run them in any order and grouping; each
 * runs exactly once per pass, so a step may work in place.
 */
#ifndef SK_MODEL_PASS_INT_H
#define SK_MODEL_PASS_INT_H

#include "model/model_int.h"
#include "model/pass.h"
#include "model/state_int.h"

/* The tiles of a step. */
typedef struct sk_work {
    int64_t n_tiles;
    int64_t unit; /* how many neighbouring tiles are better run by one thread */
    double cost;  /* of a tile: about the multiply-adds, or so many elements */
    bool again;   /* when these tiles are done, the step begins once more with others, which may
                     read what these wrote */
} sk_work;

typedef struct sk_op {
    /* Cuts up the step, or its next round; called by the thread that runs the pass. */
    void (*begin)(sk_pass *pass, const sk_step *step, sk_work *work);
    /* Tiles [first, last); by any thread. */
    void (*run)(sk_pass *pass, const sk_step *step, int64_t first, int64_t last);
} sk_op;

extern const sk_op sk_op_embed, sk_op_angles, sk_op_norm, sk_op_act, sk_op_linear, sk_op_rope,
    sk_op_store, sk_op_attend, sk_op_glu, sk_op_add, sk_op_route, sk_op_gather, sk_op_experts,
    sk_op_combine, sk_op_select, sk_op_check, sk_op_position, sk_op_gate, sk_op_scale, sk_op_clamp,
    sk_op_cap, sk_op_temper, sk_op_weigh, sk_op_divide, sk_op_take, sk_op_l2, sk_op_decay,
    sk_op_conv, sk_op_recur, sk_op_shift, sk_op_lerp, sk_op_bonus, sk_op_times, sk_op_blend,
    sk_op_heads, sk_op_sparse, sk_op_resize, sk_op_predict, sk_op_correct, sk_op_spread,
    sk_op_index, sk_op_pool, sk_op_balance, sk_op_collect, sk_op_deal, sk_op_steer, sk_op_lowrank;

/* The experts chosen for the rows of a pass. Pair row * n_used + j is a row with its j-th expert.
 */
typedef struct sk_choice {
    int64_t n_used;      /* pairs of a row */
    int32_t *expert;     /* [pair] */
    float *weight;       /* [pair] */
    int32_t *pair_of;    /* [pair] pairs in the order of their experts, then rows */
    int32_t *row_of;     /* [pair] the row of each of those */
    int64_t *first;      /* [n_expert + 1] where each expert's begin */
    int64_t *first_tile; /* [n_expert + 1] of the step that is running */
} sk_choice;

/* How an ATTEND step goes over rows and blocks (attend.c). */
typedef struct sk_attending {
    int32_t *run; /* [n_run + 1] the first row of each run, at most [max_rows + 1] */
    int64_t n_run;
    float *max, *sum; /* of the softmax: [max_rows][n_head], a run's rows in [head][row][head of
                         the group] */
    float *parts;     /* [n_parts]; NULL: there is one thread */
    int64_t n_parts;
    /* The step that is running. */
    double query_cost;                 /* queries of the largest run and a head */
    int64_t n_block;                   /* of the run that sees the most */
    int64_t first_block;               /* of the round, counted from the first that a run sees */
    int64_t round_blocks, tile_blocks; /* of a round, of a tile */
    int64_t n_split;                   /* tiles of a run and head in a round */
    bool apart, merging;               /* blocks are merged later; it is later */
} sk_attending;

/* How an INDEX step goes over keys, and what it chooses (index.c). */
typedef struct sk_indexing {
    int64_t n_list, room; /* lists of a row, units that each has room for */
    int32_t *unit;        /* [max_rows][n_list][room] the units chosen, rising at the end */
    float *score;         /* the same, of each of these */
    int32_t *n;           /* [max_rows][n_list] how many there are so far */
    float *open;          /* [max_rows][n_list] the greatest score of the unit that is under way */
    float *scores;        /* [n_scores] of a round: [row][list][key] */
    int64_t n_scores;

    /* The step that is running. */
    int64_t n_block;                   /* of the row that sees the most */
    int64_t first_block;               /* of the round */
    int64_t round_blocks, tile_blocks; /* of a round, of a tile */
    int64_t n_split;                   /* tiles of a row in a round */
    bool merging;                      /* scores go to lists; else they are made */
} sk_indexing;

/* Scratch memory, a piece for each thread at work. */
typedef struct sk_scratch {
    uint8_t *data; /* [n][size] */
    size_t size;
    _Atomic int32_t *busy; /* [n] */
    int32_t n;             /* threads */
} sk_scratch;

struct sk_pass {
    sk_heap *heap;         /* borrowed */
    const sk_model *model; /* borrowed */
    const sk_plan *plan;   /* of the model */
    const sk_kernels *k;
    sk_executor *executor; /* of the model */
    int64_t max_rows, max_logits, max_outputs;
    int64_t n_rows, n_logits, n_outputs;
    sk_row *rows;      /* [max_rows] */
    int32_t *run;      /* [max_rows] the first row of each state, n_runs of them */
    int32_t *next_row; /* [max_rows] the state's next row, or -1 */
    int64_t n_runs, longest_run;
    int32_t *output_row;        /* [max_outputs] the rows that something is wanted of, n_logits with
                                   logits, then those with vectors alone */
    int32_t *output_of;         /* [max_rows] their number among these, or -1 */
    _Atomic int32_t *failed;    /* [max_rows] layer, or -1 */
    float *reg[SK_N_REGS];      /* [rows of its set][stride] */
    int64_t stride[SK_N_REGS];  /* elements */
    uint8_t *act[SK_N_SETS][3]; /* by set and kind */
    float (**angles)[2];        /* [n_rope][max_rows * n_rot / 2] */
    sk_choice choice;
    sk_attending attending;
    sk_indexing indexing;
    sk_scratch scratch;
    int64_t last_position; /* the greatest of the rows */
    bool adapted;          /* a row's state has adapters, */
    int64_t max_rank;      /* whose low-rank products have this rank at most; 0: they have none */

    /* The cursor. */
    uint64_t step;
    int64_t round; /* how often the step has begun before */
    int64_t tile;
    sk_work work; /* of the step; n_tiles is -1 before it has begun */
    bool active;  /* begun and not done */
    bool done;

    /* The time that one thread takes for a unit of cost, by operation: microseconds. */
    double rate[SK_N_OPS];
};

/* How many rows a set has in this pass; which row of the pass element `i` of a set belongs to. */
int64_t sk_pass_count(const sk_pass *pass, int set);
int64_t sk_pass_row_of(const sk_pass *pass, int set, int64_t i);

static inline float *sk_pass_reg(const sk_pass *pass, int reg, int64_t i)
{
    return pass->reg[reg] + i * pass->stride[reg];
}

/* The rows of a state one after another, with what its recurrent layers read and write:
 *     for (sk_walk w = sk_walk_begin(p, run); w.row >= 0; w = sk_walk_next(p, w)) */
typedef struct sk_walk {
    int64_t row; /* -1: there are no more */
    const float *from;
    float *to;
} sk_walk;

static inline sk_walk sk_walk_at(const sk_pass *pass, int64_t row, bool first)
{
    const sk_memory *memory = pass->rows[row].state->memory;
    return (sk_walk){row, sk_memory_from(memory, first),
                     sk_memory_to(memory, pass->next_row[row] < 0)};
}

static inline sk_walk sk_walk_begin(const sk_pass *pass, int64_t run)
{
    return sk_walk_at(pass, pass->run[run], true);
}

static inline sk_walk sk_walk_next(const sk_pass *pass, sk_walk walk)
{
    int64_t row = pass->next_row[walk.row];
    return row < 0 ? (sk_walk){-1, NULL, NULL} : sk_walk_at(pass, row, false);
}

/* Marks the row behind element `i` of a set as failed at a layer, unless it is already. */
void sk_pass_fail(sk_pass *pass, int set, int64_t i, int32_t layer);

/* Allocates what `attending` and `indexing` need, and frees it; both say how much scratch memory
 * they want. Errors: MEMORY. */
int32_t sk_attending_init(sk_pass *pass, sk_error *error);
void sk_attending_free(sk_pass *pass);
int32_t sk_indexing_init(sk_pass *pass, sk_error *error);
void sk_indexing_free(sk_pass *pass);

/* A piece of scratch memory, 64-byte aligned, to be given back by its number. */
void *sk_scratch_take(sk_pass *pass, int32_t *slot);
void sk_scratch_give(sk_pass *pass, int32_t slot);

/* Whether a row sees chosen keys only; and then, after the INDEX step, how many for a head of keys,
 * and the position of key j of these. */
bool sk_index_lists(const sk_index *index, const sk_row *row);
int64_t sk_index_count(const sk_pass *pass, const sk_index *index, int64_t row, int64_t head);
int64_t sk_index_key(const sk_pass *pass, const sk_index *index, int64_t row, int64_t head,
                     int64_t j);

/* Whether adapters add anything to a step of products: sk_op_lowrank does it, in a round behind
 * the products'. To row `i` of a table's look-up it is added at once. */
bool sk_lowrank_wanted(const sk_pass *pass, const sk_step *step);
void sk_lowrank_embed(sk_pass *pass, const sk_step *step, int64_t i);

/* A tile per row of the step's set, each of the cost of n * n_vec elements. */
void sk_begin_rows(sk_pass *pass, const sk_step *step, sk_work *work);

/* `n` tiles per state, all rows of it in each, at `cost` per row. */
void sk_begin_runs(sk_pass *pass, int64_t n, double cost, sk_work *work);

#endif
