/* SPDX-License-Identifier: MIT */
/*
 * A context: one conversation. Its tokens, the model's state for those that were evaluated, a
 * sampler, and what is on its way out.
 *
 *     tokens     [0 ............ n_evaluated ............ n_tokens)
 *                 in the state                to be evaluated
 *
 * Stepping (step.c) evaluates until n_evaluated is n_tokens, then chooses one token and appends
 * it. Unfinished work leaves no trace here: n_evaluated moves only when a pass is complete.
 *
 * A context is used by one thread at a time; sk_context_enter notices when it is not so. Only
 * sk_context_cancel may be called beside another call.
 */
#ifndef SK_SESSION_CONTEXT_H
#define SK_SESSION_CONTEXT_H

#include "base/options.h"
#include "model/adapter.h"

typedef struct skald_context sk_context;

/* Errors: MEMORY, OPTION, STATE, ARGUMENT. The model is retained. */
int32_t sk_context_new(sk_context **out, sk_model *model, const sk_options *options,
                       sk_error *error);
/* Another context that goes on where this one stands. Unfinished work of `ctx` is given up. Errors:
 * MEMORY; they are left in the sk_error of `ctx`. */
int32_t sk_context_fork(sk_context **out, sk_context *ctx);
void sk_context_free(sk_context *ctx);

/* Claims the context for a call; BUSY when another call has it. The context's error is cleared. */
int32_t sk_context_enter(sk_context *ctx);
void sk_context_leave(sk_context *ctx);

void sk_context_cancel(sk_context *ctx);

/* The calls of skald.h; the caller has entered. Errors are left in the context's own sk_error. */
int32_t sk_context_append_text(sk_context *ctx, const char *text, uint64_t n);
int32_t sk_context_append_tokens(sk_context *ctx, const int32_t *ids, uint64_t n);
int32_t sk_context_truncate(sk_context *ctx, int64_t n_tokens);
int32_t sk_context_splice(sk_context *ctx, int64_t at, int64_t n_remove, const int32_t *ids,
                          uint64_t n);
int32_t sk_context_set_text(sk_context *ctx, const char *text, uint64_t n);
int32_t sk_context_set_tokens(sk_context *ctx, const int32_t *ids, uint64_t n);

int32_t sk_context_set_adapters(sk_context *ctx, sk_adapter *const *adapters, const double *scales,
                                uint64_t n);

/* Sets a living option, or several: `set` is what it was set from. */
int32_t sk_context_set_int(sk_context *ctx, const char *key, int64_t value);
int32_t sk_context_set_float(sk_context *ctx, const char *key, double value);
int32_t sk_context_set_string(sk_context *ctx, const char *key, const char *value, bool add);

/* Figures by key (skald_context_get_...), options included. Errors: NOT_FOUND, in `error`. */
int32_t sk_context_get_int(const sk_context *ctx, const char *key, int64_t *value, sk_error *error);
int32_t sk_context_get_float(const sk_context *ctx, const char *key, double *value,
                             sk_error *error);
int32_t sk_context_get_string(const sk_context *ctx, const char *key, const char **value,
                              sk_error *error);

sk_error *sk_context_error(sk_context *ctx);
const sk_model *sk_context_model(const sk_context *ctx);

/* Views for skald_text and its like. */
int32_t sk_context_text(const sk_context *ctx, const char **text, size_t *n);
int32_t sk_context_bytes(const sk_context *ctx, const char **bytes, size_t *n);
int32_t sk_context_token(const sk_context *ctx, int32_t *token);
size_t sk_context_probs(const sk_context *ctx, bool after, const int32_t **ids, const float **logs);
const int32_t *sk_context_tokens(const sk_context *ctx, size_t *n);
const float *sk_context_logits(const sk_context *ctx, int64_t position, size_t *n);

/* step.h has what moves a context on. */

#endif
