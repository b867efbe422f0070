/* SPDX-License-Identifier: MIT */
/*
 * What skald bench is made of: a library (the one that the tool is linked with, or another build of
 * it that was opened beside it), a model and contexts of that library, the timings, and what the
 * timed work costs at least.
 */
#ifndef BENCH_H
#define BENCH_H

#include "tool.h"

/* The functions that a benchmark calls. */
#define BENCH_CALLS(X) \
    X(skald_error_message) \
    X(skald_options_new) \
    X(skald_options_free) \
    X(skald_options_set_int) \
    X(skald_options_set_float) \
    X(skald_options_set_string) \
    X(skald_model_load) \
    X(skald_model_release) \
    X(skald_context_new) \
    X(skald_context_free) \
    X(skald_context_message) \
    X(skald_context_set_int) \
    X(skald_context_set_string) \
    X(skald_context_get_int) \
    X(skald_truncate) \
    X(skald_append_tokens) \
    X(skald_step) \
    X(skald_step_many) \
    X(skald_token) \
    X(skald_logits)

typedef struct bench_library {
#define X(name) __typeof__(&name) name;
    BENCH_CALLS(X)
#undef X
} bench_library;

#define BENCH_CONTEXTS 64
#define BENCH_LOAD_PROMPT 16 /* tokens behind which the first one is timed */

/* One library's half of a comparison. */
typedef struct bench_side {
    const tool *tool; /* for complaints; has the options and n_vocab */
    bench_library lib;
    void *handle;           /* of dlopen; NULL for the tool's own library */
    skald_options *options; /* owned */
    skald_model *model;     /* owned */
    skald_context *ctx[BENCH_CONTEXTS];
    int64_t n_vocab;
    int n_ctx;
    struct bench_script *script;   /* of bench_repeat and bench_draft */
    skald_context *pair[2];        /* owned: plain, with guesses; NULL until they are needed */
    int64_t n_drafted, n_accepted; /* in bench_draft */
} bench_side;

typedef struct bench_values {
    int64_t n_prompt, n_decode, n_round, n_depth, n_batch, edit;
    const char *against;
    bool load, draft, json, no_limits, slices;
} bench_values;

/* Opens the library at `path` (NULL: the tool's own), the tool's model in it, and `n` contexts. A
 * zeroed side is what bench_close takes as well. EXIT_DONE, or the exit code after a complaint. */
int bench_open(bench_side *s, const tool *t, const char *path, int n);
void bench_close(bench_side *s);

/* Seconds that the work took; EXIT_DONE, or the exit code after a complaint. */
typedef int bench_timing(bench_side *s, const bench_values *v, double *seconds);
bench_timing bench_prompt, bench_decode, bench_batch, bench_load, bench_repeat, bench_draft;

/* An arbitrary token, the next after *state, by a linear congruence. */
static inline int32_t bench_token(uint64_t *state, int64_t n_vocab)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (int32_t)((*state >> 33) % (uint64_t)n_vocab);
}

/* Complains with the library's sentence; EXIT_ERROR. */
int bench_fail(const bench_side *s, skald_context *ctx);
void bench_draft_close(bench_side *s);

/* bench_slice.c: `skald bench --slices`; the exit code. */
int bench_slices(tool *t, const bench_values *v);

/* What evaluating costs at least. Routed experts count as far as they are used. */
typedef struct bench_cost {
    double bytes;                /* of weights that one token reads */
    double int8, fp32;           /* multiply-adds of a token, by quantised and by float weights */
    double head_int8, head_fp32; /* and of the last token of a prompt, for its logits */
} bench_cost;

bench_cost bench_cost_of(const tool *t);

#endif
