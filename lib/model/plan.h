/* SPDX-License-Identifier: MIT */
/*
 * The plan: a model's computation as a flat program. Opening a model resolves its row of traits,
 * its metadata and its tensors into an array of steps over a few registers; running a pass is
 * walking that array (pass.h). A step holds numbers and pointers only: neither a tensor's name nor
 * an architecture's is asked for again.
 *
 * A register is a row of floats per row of the pass; a step works on all rows of a set: the rows
 * (tokens), the rows of which something is wanted, the first of these, whose logits are wanted, the
 * pairs of a row and an expert chosen for it, or of a row and a head. Products do not read
 * registers but activations: the form of a register that goes with the type of the weights
 * (tensor/kernels.h), made by an ACT step; a set has one activation of each kind, which holds until
 * the next ACT of that set and kind.
 *
 * Each kind of block has a file that both adds its steps to the plan and runs them: attention.c,
 * ffn.c, moe.c, head.c; layer.c puts them together.
 */
#ifndef SK_MODEL_PLAN_H
#define SK_MODEL_PLAN_H

#include "model/arch.h"
#include "model/slot.h"

#include "tensor/rope.h"

enum { SK_SET_ROWS, SK_SET_OUTPUTS, SK_SET_LOGITS, SK_SET_PAIRS, SK_SET_HEADS, SK_N_SETS };

/* Registers: X(ID, name, set). */
#define SK_REGS(X) \
    X(H, "h", ROWS) /* the residual stream */ \
    X(X, "x", ROWS) /* a branch's input, normed, and then its output */ \
    X(Q, "q", ROWS) \
    X(K, "k", ROWS) \
    X(V, "v", ROWS) \
    X(A, "a", ROWS)             /* attention's output, before its projection */ \
    X(INPUTS, "inputs", ROWS)   /* the token's embeddings for each layer */ \
    X(STREAMS, "streams", ROWS) /* all of the residual stream, where it is several */ \
    X(GUESS, "guess", ROWS)     /* what the streams should become, before the layer */ \
    X(MIX, "mix", ROWS)         /* how they are mixed */ \
    X(LAUREL, "laurel", ROWS)   /* a low-rank way around attention */ \
    X(B, "b", ROWS)             /* the output of a branch that waits for another */ \
    X(A_GATE, "a_gate", ROWS)   /* what attention's output is multiplied with */ \
    X(T, "t", ROWS)             /* several things, to be taken apart */ \
    X(U, "u", ROWS)             /* what a recurrent layer's convolution reads */ \
    X(C, "c", ROWS)             /* and what it gives: keys, values and the like */ \
    X(Z, "z", ROWS)             /* the gate of a recurrent layer's output */ \
    X(DT, "dt", ROWS)           /* its steps and decays */ \
    X(BETA, "beta", ROWS) \
    X(FADE, "fade", ROWS) /* how much of each matrix stays */ \
    X(SX, "sx", ROWS)     /* what the token before had more */ \
    X(XC, "xc", ROWS)     /* a mix of both */ \
    X(LOW, "low", ROWS)   /* between the matrices of a low-rank product */ \
    X(V_FIRST, "v_first", ROWS) \
    X(LATENT, "latent", ROWS) /* what experts read and give, where it is narrower */ \
    X(GATE, "gate", ROWS) \
    X(UP, "up", ROWS) \
    X(ROUTER, "router", ROWS) /* logits, then probabilities of the experts */ \
    X(S, "s", ROWS)           /* the output of the expert that all tokens use */ \
    X(S_GATE, "s_gate", ROWS) \
    X(E_GATE, "e_gate", PAIRS) \
    X(E_UP, "e_up", PAIRS) \
    X(E_OUT, "e_out", PAIRS) \
    X(IQ, "iq", ROWS) /* an indexer's queries, its key, and the weights of its heads */ \
    X(IK, "ik", ROWS) \
    X(IW, "iw", ROWS) \
    X(HN, "hn", HEADS) /* what a head's own matrix reads, and gives */ \
    X(HO, "ho", HEADS) \
    X(LAST, "last", OUTPUTS) /* the residual stream of the rows that something is wanted of */ \
    X(WIDE, "wide", OUTPUTS) /* between the dense matrices behind it */ \
    X(LOGITS, "logits", LOGITS)

enum {
#define X(ID, name, set) SK_R_##ID,
    SK_REGS(X)
#undef X
        SK_N_REGS
};

/* Operations: X(ID, name). What each does is told in the file that runs it. */
#define SK_OPS(X) \
    X(EMBED, "embed") \
    X(POSITION, "position") \
    X(TYPE, "type") \
    X(ANGLES, "angles") \
    X(NORM, "norm") \
    X(ACT, "act") \
    X(LINEAR, "linear") \
    X(ROPE, "rope") \
    X(STORE, "store") \
    X(POOL, "pool") \
    X(INDEX, "index") \
    X(ATTEND, "attend") \
    X(GLU, "glu") \
    X(GATE, "gate") \
    X(ADD, "add") \
    X(SCALE, "scale") \
    X(CLAMP, "clamp") \
    X(DIVIDE, "divide") \
    X(CAP, "cap") \
    X(TEMPER, "temper") \
    X(WEIGH, "weigh") \
    X(ROUTE, "route") \
    X(GATHER, "gather") \
    X(EXPERTS, "experts") \
    X(HEADS, "heads") \
    X(COMBINE, "combine") \
    X(TAKE, "take") \
    X(L2, "l2") \
    X(DECAY, "decay") \
    X(CONV, "conv") \
    X(RECUR, "recur") \
    X(SHIFT, "shift") \
    X(LERP, "lerp") \
    X(BONUS, "bonus") \
    X(TIMES, "times") \
    X(BLEND, "blend") \
    X(SPARSE, "sparse") \
    X(RESIZE, "resize") \
    X(PREDICT, "predict") \
    X(CORRECT, "correct") \
    X(SPREAD, "spread") \
    X(STEER, "steer") \
    X(BALANCE, "balance") \
    X(COLLECT, "collect") \
    X(DEAL, "deal") \
    X(SELECT, "select") \
    X(CHECK, "check")

enum {
#define X(ID, name) SK_OP_##ID,
    SK_OPS(X)
#undef X
        SK_N_OPS
};

/* A way to rotate. LongRoPE has a second list of factors, for contexts above n_ctx_orig. */
typedef struct sk_rotary {
    sk_rope rope;
    sk_rope longer; /* n_rot 0: there is none */
    int factors;    /* the slot they came from, -1: none; for people */
    bool back;      /* angles are those of minus */
    int64_t plus;   /* the position and so many more */
} sk_rotary;

/* The way that holds in a context of so many tokens. */
static inline const sk_rope *sk_rotary_for(const sk_rotary *rotary, int64_t n_ctx)
{
    bool is_long = rotary->longer.n_rot > 0 && n_ctx > rotary->longer.n_ctx_orig;
    return is_long ? &rotary->longer : &rotary->rope;
}

/* What chooses the keys that attention sees (index.c). */
typedef struct sk_index {
    int32_t kv;      /* which of the plan's cached layers has its keys */
    int64_t n_head;  /* of queries */
    int64_t n;       /* elements of queries and keys */
    int64_t n_list;  /* choices of a row: one for all heads of keys, or one for each */
    int64_t unit;    /* keys that are chosen together */
    int64_t n_unit;  /* how many units are chosen, */
    int64_t n_local; /* the last so many always */
    int64_t each;    /* tokens that a key stands for */
    bool weighed;    /* heads are added up with weights; else each is a choice */
} sk_index;

/* One layer's attention over the cache. */
typedef struct sk_attn {
    int32_t kv;  /* which of the plan's cached layers */
    bool shared; /* an earlier layer fills it */
    int64_t n_head, n_head_kv, dk, dv;
    float scale;
    float cap;             /* of scores; 0: none */
    int64_t window;        /* 0: none */
    bool chunked;          /* it begins at a multiple of its size */
    bool whole;            /* a row sees all rows of its state in the pass, and nothing else */
    const float *slope;    /* [n_head], NULL: none */
    const float *sink;     /* [n_head], NULL: none */
    const float *near;     /* [n_head][2 * SK_NEAR + 1], NULL: none */
    const sk_index *index; /* NULL: all keys are seen */
    int32_t pooled;        /* the cached layer of summaries that are seen too, -1: there is none; */
    int64_t ratio; /* tokens that each stands for; those that the index chooses, if there is one */
    /* Queries are multiplied by 1 + temper * ln(floor((position + offset) / length) + 1). */
    float temper;
    int64_t temper_length, temper_offset;
} sk_attn;

typedef struct sk_moe {
    int64_t n_expert, n_used;
    int64_t n_group, n_group_used; /* n_group <= 1: none */
    int gating;                    /* SK_GATING_... */
    int64_t fold; /* of a second choice: how many experts have one in common; 0: it is the first */
    bool normed, weigh_before;
    float scale;       /* of the weights */
    const float *bias; /* [n_expert], added where experts are chosen; NULL: none */
    const void *table; /* [n_vocab][n_used] little-endian: each token's experts; NULL: none */
} sk_moe;

/* Pooling of blocks of tokens to summaries (pooled.c). */
typedef struct sk_pool {
    int64_t memory; /* where a state's memory has the sums */
    int64_t ratio, n_set;
    const float *places; /* [ratio][n_set * n], added to scores */
} sk_pool;

/* A causal convolution of each channel over its last n_tap inputs. */
typedef struct sk_taps {
    int64_t memory; /* where a state's memory has the earlier ones: [n_tap - 1][n] */
    int64_t n_tap;
    const float *taps; /* [n_tap][n], oldest first */
    const float *bias; /* [n], NULL: none */
} sk_taps;

/* What a recurrence reads for head h: element at + h * step of a register; H: it has no such. */
typedef struct sk_operand {
    int reg;
    int64_t at, step;
} sk_operand;

/* One layer's recurrence: per head a matrix of keys by values (tensor/kernels.h). */
typedef struct sk_mixer {
    int rule;                /* SK_RULE_... */
    bool before;             /* the matrix is asked before it is changed */
    int64_t memory;          /* where a state's memory has the matrices */
    int64_t n_head, n_group; /* heads of values, of keys */
    bool cyclic;             /* head h has keys h % n_group, else neighbours the same */
    int64_t n_key, n_value;
    sk_operand q, k, v, decay, beta, step, erase, write;
    int64_t decay_step; /* 1: each key has its own decay */
    const float *a;     /* of SCAN: as the matrices lie; NULL */
    const float *skip;  /* added: times the values, one per head, of SCAN one per value; NULL */
} sk_mixer;

/* A reranking model's head (score.c). */
typedef struct sk_score {
    sk_linear cls, out; /* cls.w NULL: there is none */
    const float *norm;  /* NULL: none */
    float eps;
    bool gelu, softmax;
} sk_score;

#define SK_MAX_PARTS 4

typedef struct sk_step {
    int op, set;
    int32_t layer;    /* n_layer: the head */
    int dst, src;     /* registers */
    int64_t n, n_vec; /* elements of a vector, vectors in a row */
    unsigned kinds;   /* of activations: bit SK_ACT_... */
    int n_part;       /* products of one activation */
    int part_dst[SK_MAX_PARTS];
    sk_linear part[SK_MAX_PARTS];
    const float *weight; /* of a norm, NULL: none */
    const float *bias;   /* of a norm, NULL: none */
    int64_t weight_step; /* elements from one vector's weights to the next's; 0: the same ones */
    int weight_slot;     /* -1: no weights */
    bool layer_norm;
    float eps;
    float factor;      /* of ADD, SCALE, CLAMP, CAP, L2; of ADD 0: none */
    int64_t at;        /* where in a row L2 and TAKE begin, in each vector ROPE, */
    int64_t stride;    /* how far apart TAKE's vectors lie in the source, */
    int64_t to;        /* and where in a row it puts them, */
    int64_t each;      /* each of them so many times; 0: once; */
    int64_t to_stride; /* and how far apart; 0: n */
    sk_fn fn;          /* of GLU, GATE; GLU with src -1 has no second factor */
    int rope;          /* index in the plan's ropes */
    bool halves;       /* of ROPE: its pairs are i and i + n_rot / 2, whatever its kind */
    const sk_index *index;
    int32_t kv; /* of STORE: which cached layer; values are register v */
    const sk_attn *attn;
    const sk_moe *moe;
    const sk_taps *taps;
    const sk_mixer *mixer;
    const sk_pool *pool;
} sk_step;

/* What a cached layer holds per token. What a key says of its position may be nothing but a
 * rotation: then it can be turned to another position (shift.c). */
typedef struct sk_kv {
    int64_t n_head, dk, dv;
    int64_t window; /* tokens that any layer which reads it sees; 0: all */
    int64_t each;   /* tokens that have one row together, which is stored with the last of them */
    bool joint;     /* values are the first elements of keys, and not kept beside them */
    bool turns;     /* it can be turned */
    int rope;       /* by this way to rotate, -1: it needs none, */
    int64_t turn;   /* from this element of each head's key on, */
    bool halves;    /* pairs being i and i + n_rot / 2, whatever its kind */
} sk_kv;

typedef struct sk_plan {
    sk_heap *heap; /* borrowed */
    sk_step *steps;
    uint64_t n_step, step_capacity;
    sk_rotary *ropes;
    uint64_t n_rope, rope_capacity;
    sk_kv *kvs;
    uint64_t n_kv, kv_capacity;
    int64_t width[SK_N_REGS];    /* floats per row; 0: not used */
    int64_t act_n[SK_N_SETS][3]; /* the longest activation by set and kind; 0: none */
    int64_t n_embd, n_vocab, n_layer;
    int64_t n_used, n_expert; /* the most of any layer; 0: none */
    int64_t n_head;   /* of layers whose heads have matrices of their own; 0: there are none */
    int64_t n_memory; /* floats that recurrent layers remember; 0: there are none */
    sk_score score;
    int64_t n_label;  /* of scores; 0: it has none */
    int64_t n_vector; /* floats of a row's vector */
    bool whole;       /* rows see those of their own pass alone */
    bool has_logits;
    int64_t n_type;       /* of tokens; 0: there are none */
    int64_t max_position; /* positions that the model has learned; 0: any */
} sk_plan;

/* Makes the plan. Errors: CORRUPT, TYPE, MEMORY. The plan borrows from the weights. */
int32_t sk_plan_make(sk_plan *plan, sk_heap *heap, const sk_arch *arch, sk_weights *weights,
                     sk_error *error);
void sk_plan_free(sk_plan *plan);

/* The plan as text, a line per step, equal layers together. `*out` is owned by the caller and of
 * `heap`. Errors: MEMORY. */
int32_t sk_plan_explain(const sk_plan *plan, sk_heap *heap, char **out, sk_error *error);

const char *sk_reg_name(int reg);
int sk_reg_set(int reg);
const char *sk_op_name(int op);

/* ---- For the block files: adding steps ------------------------------------------------------- */

/* A plan in the making. The first error stays, and makes all that follows do nothing. */
typedef struct sk_builder {
    sk_plan *plan;
    sk_weights *weights;
    const sk_hparam *hp;
    const sk_arch *arch;
    int32_t layer;
    int32_t status;
    sk_error *error;
    int32_t kv_of[SK_MAX_LAYERS]; /* the cached layer of each layer that has one */
    const sk_index *index;        /* the last layer's that has one */
    sk_step spare;                /* what is written to after an error */
} sk_builder;

/* A new step, to be completed at once; valid until the next. Registers that it names must be
 * announced with sk_plan_width. */
sk_step *sk_plan_step(sk_builder *b, int op, int set);
/* That a register's rows have at least `n` floats. */
void sk_plan_width(sk_builder *b, int reg, int64_t n);

/* dst = norm of n_vec vectors of n of src, with the weights of a slot. */
void sk_plan_norm(sk_builder *b, int dst, int src, int slot, int64_t n_vec, int64_t n);
/* The same as layer norm or not, whatever the architecture's norm is; slot -1: without weights; the
 * step, as of sk_plan_step;
 * `step` is how far one vector's weights lie from the next's. */
sk_step *sk_plan_norm_as(sk_builder *b, int dst, int src, int slot, int64_t n_vec, int64_t n,
                         bool layer_norm, int64_t step);
/* The activations of src that the products in `parts` need. */
void sk_plan_act(sk_builder *b, int src, const sk_linear *parts, int n_part);
/* An ACT, then dst[i] = parts[i] * activation of src. */
void sk_plan_linear(sk_builder *b, int src, const sk_linear *parts, const int *dsts, int n_part);
/* The same for a set that is a part of src's. */
void sk_plan_act_in(sk_builder *b, int set, int src, const sk_linear *parts, int n_part);
void sk_plan_linear_in(sk_builder *b, int set, int src, const sk_linear *parts, const int *dsts,
                       int n_part);
/* dst += src; the step, as of sk_plan_step */
sk_step *sk_plan_add(sk_builder *b, int dst, int src, int64_t n);
/* dst += the vector of a slot; dst *= it */
void sk_plan_add_vector(sk_builder *b, int dst, int slot, int64_t n);
void sk_plan_times(sk_builder *b, int dst, int slot, int64_t n);
/* reg *= factor, unless that is 0 (not given) or 1. */
void sk_plan_scale(sk_builder *b, int reg, double factor, int64_t n);
/* dst = fn(dst) * src, without src when that is -1. */
void sk_plan_glu(sk_builder *b, int dst, int src, sk_fn fn, int64_t n);
/* Vector i of dst, of n elements, *= fn(element i of src). */
void sk_plan_gate(sk_builder *b, int dst, int src, sk_fn fn, int64_t n_vec, int64_t n);

bool sk_plan_has(const sk_builder *b, int slot);
bool sk_plan_fits(const sk_builder *b, int slot);
/* n zeroed things of a size, or floats, that live as long as the plan; NULL after an error. */
void *sk_plan_keep_of(sk_builder *b, int64_t n, size_t size);
float *sk_plan_keep(sk_builder *b, int64_t n);
/* A norm, vector or bias; as it is in the file now, where the plan itself reads it. */
const float *sk_plan_vector(sk_builder *b, int slot);
const float *sk_plan_vector_now(sk_builder *b, int slot);
sk_linear sk_plan_weight(sk_builder *b, int slot);
sk_linear sk_plan_rows(sk_builder *b, const sk_linear *whole, int64_t row, int64_t n_out);

/* The index of the rope of the layer, -1: it does not rotate; of its cached keys and values. */
int sk_plan_rope(sk_builder *b);
/* The same way to rotate by other positions, and back; for those of sk_plan_pooled_ropes. */
int sk_plan_rope_at(sk_builder *b, int rope, bool back, int64_t plus);
/* What latent attention's scores grow by with YaRN, on the side of queries and of keys: the
 * magnitude of the rotation times 1 + 0.1 m ln f; 1 without scaling. */
double sk_plan_rope_growth(const sk_builder *b);
/* Rotates n_head vectors of n elements, from element `at` of each on; rope -1: not at all. The
 * step, as of sk_plan_step. */
sk_step *sk_plan_turn(sk_builder *b, int reg, int rope, int64_t n_head, int64_t n, int64_t at);
/* Queries of n elements grow with their position, where they do. */
void sk_plan_temper(sk_builder *b, const sk_attn *attn, int64_t n);
int32_t sk_plan_kv(sk_builder *b, int64_t n_head, int64_t dk, int64_t dv);
/* Keys, of a register, and values, of v, to the cache. */
void sk_plan_store(sk_builder *b, int32_t kv, int keys);
/* Where n floats of a recurrent layer lie in a state's memory. */
int64_t sk_plan_memory(sk_builder *b, int64_t n);
/* dst = src, n elements */
void sk_plan_copy(sk_builder *b, int dst, int src, int64_t n);
/* For the blocks of recurrent layers (recur.c). n_vec vectors of n elements, each `stride` from the
 * one before, from element `at` of src on, become neighbours in dst from element `to` on. */
sk_step *sk_plan_take(sk_builder *b, int dst, int64_t to, int src, int64_t at, int64_t n_vec,
                      int64_t n, int64_t stride);
/* Each of n_vec vectors of n elements from element `at` of reg on *= factor / its length. */
sk_step *sk_plan_l2(sk_builder *b, int reg, int64_t at, int64_t n_vec, int64_t n, double factor);
/* dst = exp(src * weight), with an element of the slot for each vector. */
void sk_plan_decay(sk_builder *b, int dst, int src, int slot, int64_t n_vec, int64_t n);
/* reg = exp(reg * factor) */
void sk_plan_exp(sk_builder *b, int reg, double factor, int64_t n);
/* dst = the convolution of n channels of src with the taps of a slot, [n_tap, n] in the file, and
 * the bias of another where the file has it; -1: it has none. */
void sk_plan_conv(sk_builder *b, int dst, int src, int slot, int bias, int64_t n);
/* dst = the recurrence of a mixer, which is copied and given room in memory. */
void sk_plan_recur(sk_builder *b, int dst, const sk_mixer *mixer);
/* For the blocks of RWKV (wkv.c): sx = src of the token before - src; xc = src + sx * weight,
 * where it is `own` sx * (xc + weight); dst += v * (sum of q * key * weight), per head; the mixer
 * of its heads, of q, k, v and the decays dt; the norm of each head, where the file has it. */
void sk_plan_shift(sk_builder *b, int src);
sk_step *sk_plan_lerp(sk_builder *b, int src, const float *weight, int slot, bool own);
void sk_plan_bonus(sk_builder *b, int dst, int key, const float *weight, int slot);
sk_mixer sk_plan_wkv(const sk_builder *b, int rule);
void sk_plan_head_norm(sk_builder *b, int reg);

/* The blocks: from a register of rows to another, which may be the same. */
void sk_plan_embed(sk_builder *b);
void sk_plan_layer(sk_builder *b); /* reads H, adds to H */
/* Of tokens with embeddings for each layer (layer_input.c): all of them at once, from h; what a
 * layer gets of its own, for src, in x. */
void sk_plan_layer_inputs(sk_builder *b);
void sk_plan_layer_input(sk_builder *b, int src);
/* Of several residual streams (altup.c): made of h, and h of them at the end; before a layer and
 * after it; beside its attention, of x. */
void sk_plan_altup_begin(sk_builder *b);
void sk_plan_altup_end(sk_builder *b);
void sk_plan_altup_predict(sk_builder *b);
void sk_plan_altup_correct(sk_builder *b);
void sk_plan_laurel(sk_builder *b, int src);
void sk_plan_laurel_add(sk_builder *b);
/* Of several streams that are mixed before each block (hyper.c): made of h, h for attention and
 * feed-forward and the end; src dealt out among them. */
void sk_plan_hyper_begin(sk_builder *b);
void sk_plan_hyper_attn(sk_builder *b);
void sk_plan_hyper_ffn(sk_builder *b);
void sk_plan_hyper_end(sk_builder *b);
void sk_plan_hyper_deal(sk_builder *b, int src);
void sk_plan_attention(sk_builder *b, int src, int dst);
/* Attention to a window and to summaries (pooled.c); the ropes that a layer of it needs. */
void sk_plan_pooled(sk_builder *b, int src, int dst);
void sk_plan_pooled_ropes(sk_builder *b);
void sk_plan_mla(sk_builder *b, int src, int dst);
/* hn = the first elements of n_head parts of a register of rows, ho = each part's product with its
 * own matrix; dst = these, so many elements apart. */
void sk_plan_heads(sk_builder *b, int src, int64_t stride, int slot, int64_t n_head);
void sk_plan_join(sk_builder *b, int dst, int64_t n, int64_t stride, int64_t n_head);
/* The layer's attention, of k and v into the cache and of src into a; `rope` as of sk_plan_rope. */
sk_attn *sk_plan_attn(sk_builder *b, int rope);
/* What chooses the layer's keys, NULL: nothing does. Lightning reads the block's input and the
 * short vector that queries come from. */
const sk_index *sk_plan_index_lightning(sk_builder *b, int src, int low, int rope);
const sk_index *sk_plan_index_pooled(sk_builder *b, int src, int low, int rope, int32_t kv);
const sk_index *sk_plan_index_blocks(sk_builder *b, int src, int rope);
void sk_plan_attend(sk_builder *b, const sk_attn *attn, int src);
void sk_plan_attention_output(sk_builder *b, int src, int dst); /* its last product alone */
void sk_plan_shortconv(sk_builder *b, int src, int dst);
void sk_plan_delta(sk_builder *b, int src, int dst);
void sk_plan_kda(sk_builder *b, int src, int dst);
void sk_plan_mamba(sk_builder *b, int src, int dst);
void sk_plan_mamba2(sk_builder *b, int src, int dst);
void sk_plan_plamo(sk_builder *b, int src, int dst);
void sk_plan_rwkv6(sk_builder *b, int src, int dst);
void sk_plan_rwkv7(sk_builder *b, int src, int dst);
void sk_plan_channel_mix(sk_builder *b, int src, int dst);
void sk_plan_ffn(sk_builder *b, int src, int dst);
bool sk_plan_ffn_gated(const sk_builder *b);
/* The function of the gate; `limit` is the layer's clamp, for those that have one. */
sk_fn sk_plan_ffn_fn(const sk_builder *b, double limit);
void sk_plan_shared(sk_builder *b, int src, int dst);
void sk_plan_router(sk_builder *b, int src);
void sk_plan_moe(sk_builder *b, int src, int dst);
void sk_plan_head(sk_builder *b);
void sk_plan_score(sk_builder *b); /* what follows pooling */

#endif
