/* SPDX-License-Identifier: MIT */
/*
 * The kernels: one table of functions per tier (a named set of CPU features), chosen once when a
 * model is opened. All tiers give the same bits; the tier "c" is the specification, written in
 * the *_impl.h files, and README.md of this folder has the numeric contract in prose.
 *
 * A kernel divides nothing among threads: callers give disjoint outputs to each. No kernel
 * allocates. No sum depends on how many rows or columns a call has.
 */
#ifndef SK_TENSOR_KERNELS_H
#define SK_TENSOR_KERNELS_H

#include "base/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the other factor of a product is held: F32 as it is for F32, F16 and BF16 weights; int8 in
 * blocks of 32 or of 256 elements for quantised weights. */
enum { SK_ACT_F32 = 0, SK_ACT_Q32 = 1, SK_ACT_Q256 = 2 };

/* The kind that goes with a weight type. */
int sk_act_kind(int dtype);

/* Bytes of a row of `n` activations of a kind; rows are 64-byte multiples. `n` need not be whole
 * blocks for F32; for Q32 and Q256 it is. */
size_t sk_act_row_size(int kind, int64_t n);

/* out[oc(c)][r] = sum over i of W[r][i] * x[ic(c)][i], for r in [row0, row1), c in [col0, col1). */
typedef struct sk_matmul {
    int dtype;              /* of W */
    const void *w;          /* [n_row] rows of row_size bytes, any alignment */
    size_t row_size;        /* bytes */
    int64_t n;              /* elements of a row */
    const void *act;        /* rows as `quantise` of the type's kind wrote them, 64-byte aligned */
    size_t act_size;        /* bytes from one to the next */
    const int32_t *in_col;  /* ic(c) = in_col[c], or c when NULL */
    const int32_t *out_col; /* oc(c) = out_col[c], or c when NULL */
    float *out;
    int64_t out_stride; /* elements from one column's outputs to the next's */
} sk_matmul;

#define SK_KEY_BLOCK 64 /* keys per block of attention and of the cache, by absolute position */

typedef struct sk_span {
    int64_t first, last; /* [first, last) */
} sk_span;

/*
 * Attention of rows (tokens) over the cache of one conversation: of the query heads that share one
 * K/V head. Key j lies in block j / 64, row j % 64. What is seen of earlier blocks is kept in
 * `out`, `max` and `sum`, which need no beginning, so that blocks may be taken in several calls.
 */
typedef struct sk_attend {
    const float *q; /* [n_row][q_stride], n_head * dk of a row are these heads' */
    int64_t q_stride;
    int64_t n_row, n_head, dk, dv;
    const sk_span *seen;  /* [n_row] the keys that a row sees */
    const void *const *k; /* [block]: addresses of the cache's blocks */
    const void *const *v;
    size_t k_offset, v_offset; /* bytes from a block's beginning to this K/V head's row 0 */
    int k_dtype, v_dtype;      /* of the cache: those of kv_store */
    size_t k_size, v_size;     /* bytes from one key's row to the next */
    float scale;               /* multiplies q.k */
    float cap;                 /* scores become cap * tanh(score / cap); 0: they do not */
    const float
        *slope; /* [n_head], added times the negative distance of a key (ALiBi); NULL: none */
    /* For slopes and `near`: rows stand at keys `at`, at + 1, ...; else each at the last that it
     * sees.
     */
    bool placed;
    int64_t at;
    const float *near; /* [n_head][2 * SK_NEAR + 1], added to the score of a key by how far behind
                          or ahead of the row it is, SK_NEAR at most; NULL: none */
    const float *sink; /* [n_head], a score without a value that shares the softmax; NULL: none */
    float *out;        /* [n_row][out_stride], n_head * dv of a row are these heads' */
    int64_t out_stride;
    float *max, *sum; /* [n_row * n_head] */
    /* NULL, or where each block's own results go instead, for attend_merge: dv floats of o, m and l
     * for block 0, row 0, head 0, the next head, ... */
    float *parts;
    void *scratch; /* sk_attend_scratch bytes, 64-byte aligned */
} sk_attend;

/* Distances that have biases of their own. */
#define SK_NEAR 128

/* Queries that attend works on at once. */
#define SK_ATTEND_QUERIES 128

/* Bytes: one block's keys and values as floats, and the scores of the queries. */
static inline size_t sk_attend_scratch(int64_t dk, int64_t dv)
{
    const size_t n = (size_t)((dk + 15) / 16 * 16 + (dv + 15) / 16 * 16) + SK_ATTEND_QUERIES;
    return n * SK_KEY_BLOCK * sizeof(float);
}

/* Functions of the kernel `apply`, y = f(g) * u: SiLU; GELU by its tanh form; max(g, 0), and that
 * squared; sigmoid; ln(1 + e^g); gpt-oss's, min(g, 7) sigmoid(1.702 g) (clamp(u) + 1), clamped to
 * +-7; min(silu(g), limit) clamp(u, limit); xIELU (arXiv:2411.13010); tanh; g itself; 1 - g;
 * silu(min(g, limit)) clamp(u, limit). */
enum {
    SK_FN_SILU = 0,
    SK_FN_GELU = 1,
    SK_FN_RELU = 2,
    SK_FN_RELU2 = 3,
    SK_FN_SIGMOID = 4,
    SK_FN_SOFTPLUS = 5,
    SK_FN_SWIGLU_OAI = 6,
    SK_FN_SWIGLU_CLAMPED = 7,
    SK_FN_XIELU = 8,
    SK_FN_TANH = 9,
    SK_FN_NONE = 10,
    SK_FN_COMPLEMENT = 11,
    SK_FN_SWIGLU_INSIDE = 12
};

typedef struct sk_fn {
    int kind;
    float limit;                        /* of SWIGLU_CLAMPED, _INSIDE */
    double alpha_p, alpha_n, beta, eps; /* of XIELU, after softplus */
} sk_fn;

/*
 * One token of one head of a recurrence: a matrix s of n_key by n_value is read at `from`, written
 * at `to` (which may be `from`), and asked with q. Both hold panels of sixteen values,
 * [ceil(n_value / 16)][n_key][16]; values may be cut among calls at any panel. Rules:
 *   LINEAR   s = s * decay + k (v beta);  out = sum of q s, the old s if `before`
 *   DELTA    s = s * decay;  s = s + k ((v - sum of k s) beta);  out = sum of q s
 *   REPLACE  s = s * decay + k v + write (sum of erase s);  out = sum of q s
 *   SCAN     s = s * exp(step a) + k (step v);  out = sum of q s + skip v
 */
enum { SK_RULE_LINEAR = 0, SK_RULE_DELTA = 1, SK_RULE_REPLACE = 2, SK_RULE_SCAN = 3 };

typedef struct sk_recur {
    int rule;
    bool before;
    int64_t n_key, n_value;
    const float *from;
    float *to;
    const float *q, *k;         /* [n_key] */
    const float *v;             /* [n_value] */
    const float *decay;         /* [n_key], or one for all keys */
    int64_t decay_step;         /* 1, or 0 */
    float beta;                 /* of LINEAR, DELTA */
    const float *erase, *write; /* [n_key]; of REPLACE */
    const float *step, *a;      /* [n_value], and panels as those of s; of SCAN */
    const float *skip;          /* [n_value]; of SCAN */
    float *out;                 /* [n_value] */
} sk_recur;

/* One token of a causal convolution of each channel: y = sum over t of taps[t] * input[t] (+ bias),
 * the inputs being the last n_tap, x the newest; the n_tap - 1 at `from` are oldest first, `to`
 * gets those that the next token needs and may be `from`. Rows are `stride` apart. */
typedef struct sk_conv {
    int64_t n, n_tap, stride;
    const float *x, *from;
    float *to;
    const float *taps; /* [n_tap] rows */
    const float *bias; /* NULL: none */
    float *y;
} sk_conv;

enum { SK_ROPE_NONE = 0, SK_ROPE_NORM = 1, SK_ROPE_NEOX = 2 };

typedef struct sk_kernels {
    const char *name;

    /* Whether the compiler kept to the source: false when it fused products with sums on its own,
     * which clang's -ffp-contract=fast does whatever the source says. Such a tier never runs. */
    bool (*is_exact)(void);

    /* Activations: x[n] to a row of the kind. Returns 0, or -1 when a value is not finite (the row
     * is then unspecified). For F32 it copies and checks too. */
    int (*quantise)(int kind, const float *x, int64_t n, void *row);
    void (*matmul)(const sk_matmul *m, int64_t row0, int64_t row1, int64_t col0, int64_t col1);

    /* y = x / sqrt(mean(x^2) + eps) * w; w may be NULL (ones); y may be x. */
    void (*rms_norm)(float *y, const float *x, const float *w, int64_t n, float eps);
    /* y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * w + b; w and b may be NULL; y may be x. */
    void (*layer_norm)(float *y, const float *x, const float *w, const float *b, int64_t n,
                       float eps);
    void (*add)(float *y, const float *x, int64_t n);          /* y += x */
    void (*scale)(float *y, float s, int64_t n);               /* y *= s */
    void (*fma)(float *y, const float *x, float s, int64_t n); /* y = x * s + y, fused */
    /* y = silu(gate) * up; y may be gate. */
    void (*silu_mul)(float *y, const float *gate, const float *up, int64_t n);
    /* y = f(gate) * up, f(gate) when up is NULL (SWIGLU_OAI: up is needed); y may be either. */
    void (*apply)(const sk_fn *f, float *y, const float *gate, const float *up, int64_t n);
    /* x = exp(x - max) / sum, in place. Returns nothing; n >= 1. */
    void (*softmax)(float *x, int64_t n);
    /* Rotates pairs of x[0, n_rot) in place by cs[i] = {cos, sin} of pair i (magnitude included).
     */
    void (*rope)(int kind, float *x, const float (*cs)[2], int64_t n_rot);
    /* Blocks [block0, block1), which follow those of the call before. */
    void (*attend)(const sk_attend *a, int64_t block0, int64_t block1);
    /* The same from the parts of these blocks; parts[0] is of block0. */
    void (*attend_merge)(const sk_attend *a, int64_t block0, int64_t block1);
    /* After the last block. */
    void (*attend_end)(const sk_attend *a);
    void (*recur)(const sk_recur *r);
    void (*conv)(const sk_conv *c);
    /* y = x * (factor / max(|x|, eps)); y may be x. */
    void (*l2_norm)(float *y, const float *x, int64_t n, float eps, float factor);
    /* y += v * (sum of a b c); y and v have n_value elements, the others n_key. */
    void (*bonus)(float *y, const float *v, int64_t n_value, const float *a, const float *b,
                  const float *c, int64_t n_key);
    /* A row of keys or values for the cache: SK_F32, SK_F16, SK_BF16, or, where n is a multiple of
     * 32, SK_Q8_0 or SK_Q4_0. */
    void (*kv_store)(int dtype, void *row, const float *x, int64_t n);
    void (*to_f16)(uint16_t *y, const float *x, int64_t n);
    void (*from_f16)(float *y, const uint16_t *x, int64_t n);
} sk_kernels;

/* Which tiers of AArch64 there are: registers hold numbers as memory does; clang before 16 compiles
 * the dot product only where it may assume it. */
#if defined(__aarch64__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define SK_TIER_NEON 1
#if defined(__ARM_FEATURE_DOTPROD) || !defined(__clang__) || __clang_major__ >= 16
#define SK_TIER_DOTPROD 1
#else
#define SK_TIER_DOTPROD 0
#endif
#else
#define SK_TIER_NEON 0
#define SK_TIER_DOTPROD 0
#endif

/* The tier of a name, "auto" for the best that this CPU runs; NULL when there is none such, or
 * this CPU cannot run it, or the library was compiled with settings that break the contract. */
const sk_kernels *sk_kernels_get(const char *name);

/* Tier `index`, from 0 ("c") on; NULL past the last, *runs tells whether this CPU can run it. */
const sk_kernels *sk_kernels_at(int index, bool *runs);

#endif
