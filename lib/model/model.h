/* SPDX-License-Identifier: MIT */
/*
 * A model: a file's weights, vocabulary and plan, immutable once loaded. Opening gives a handle
 * that is still loading; stepping loads it in slices. This is what session/ and api.c know of it.
 */
#ifndef SK_MODEL_MODEL_H
#define SK_MODEL_MODEL_H

#include "base/executor.h"
#include "base/options.h"
#include "format/gguf.h"
#include "text/vocab.h"

typedef struct skald_model sk_model;

/*
 * Opens the file at `path`, or what the options "memory" or "reader" say (which come first), and
 * returns a handle with a count of one. `options` may be NULL; it is not kept. Nothing is read yet.
 * Errors: ARGUMENT, OPTION, NOT_FOUND, IO, MEMORY, STATE (threads_of is still loading).
 */
int32_t sk_model_open(sk_model **out, const char *path, const sk_options *options, sk_error *error);

/* Loads for about `budget_us` microseconds (-1: until ready, 0: the smallest piece). Returns
 * SKALD_DONE, SKALD_PENDING, or an error, after which the handle can only be released: those of
 * sk_gguf_open, sk_vocab_new, sk_hparam_read, sk_plan_make; ARCHITECTURE; CANCELLED; BUSY (another
 * thread is at it; the load goes on). */
int32_t sk_model_step(sk_model *model, int64_t budget_us);

/* Where the handle keeps its last error: sk_model_step's, and what api.c puts there. */
sk_error *sk_model_error(const sk_model *model);

/* From any thread or signal handler: the running step, or else the next, returns CANCELLED. */
void sk_model_cancel(sk_model *model);

void sk_model_retain(sk_model *model);  /* NULL does nothing */
void sk_model_release(sk_model *model); /* NULL does nothing; the last one frees */

/* Before the first step: the weights will not be copied, and the model is good for counting its
 * memory and that of contexts, not for running them. */
void sk_model_leave_weights(sk_model *model);

/* Says a sentence to the host's log, if there is one: SKALD_LOG_... */
void sk_model_log(const sk_model *model, int32_t level, const char *text);

bool sk_model_is_loaded(const sk_model *model);
/* The rest is for a loaded model. */

/* OK, or STATE with a sentence: it has no weights, or is still loading. */
int32_t sk_model_runs(const sk_model *model, sk_error *error);
uint64_t sk_model_mapped(const sk_model *model);  /* bytes of files that are used in place */
int64_t sk_model_n_vocab(const sk_model *model);  /* logits per row; tokens of the vocabulary */
int64_t sk_model_n_layer(const sk_model *model);
int64_t sk_model_n_vector(const sk_model *model); /* floats of a row's vector */
bool sk_model_has_logits(const sk_model *model);
/* How the file says that vectors are pooled, and whether scores are of the mean; scores per text,
 * 0: the model has no head for them; types of tokens, 0: it tells none apart. */
enum { SK_POOL_OFF = -1, SK_POOL_NONE, SK_POOL_MEAN, SK_POOL_CLS, SK_POOL_LAST, SK_POOL_RANK };
int sk_model_pooling(const sk_model *model); /* SK_POOL_... */
bool sk_model_ranks_mean(const sk_model *model);
int64_t sk_model_n_label(const sk_model *model);
int64_t sk_model_n_type(const sk_model *model);
/* labels[n_label] of a vector; false: a value is not finite. `scratch` has sk_score_scratch bytes,
 * a multiple of a float's, and is aligned as sk_alloc does. */
size_t sk_score_scratch(const sk_model *model);
bool sk_score_run(const sk_model *model, const float *vector, float *labels, void *scratch);
bool sk_model_is_whole(const sk_model *model);         /* sees to both sides: a text is one batch */
const sk_vocab *sk_model_vocab(const sk_model *model); /* NULL: it has none */
const sk_gguf *sk_model_gguf(const sk_model *model);
sk_heap *sk_model_heap(const sk_model *model);
sk_executor *sk_model_executor(const sk_model *model);

/* CHANGED when a file is no longer what it was, unless it was copied to memory. */
int32_t sk_model_check(const sk_model *model, sk_error *error);

/* The keys of skald_model_get_... in skald.h. Errors: NOT_FOUND. STATE while it is loading, but for
 * "progress". */
int32_t sk_model_get_int(const sk_model *model, const char *key, int64_t *value, sk_error *error);
int32_t sk_model_get_float(const sk_model *model, const char *key, double *value, sk_error *error);
int32_t sk_model_get_string(const sk_model *model, const char *key, const char **value,
                            sk_error *error);

#endif
