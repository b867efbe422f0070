/* SPDX-License-Identifier: MIT */
/*
 * Adapters: what is added to a model's computation without touching its weights. One file, one
 * object, loaded once and used by any number of contexts of its model, each with a scale of its
 * own:
 *
 *   LoRA      (arXiv:2106.09685) for some of the linear maps y = W x two thin matrices:
 *             y += scale * B (A x)
 *   control   (arXiv:2310.01405) for some layers a vector: what the layer gives += scale * v
 *   vector
 *
 * An adapter is immutable and counted; any thread may use it. It is read into memory of its own and
 * checked as a whole, so its file is not needed afterwards. lowrank.c applies it.
 */
#ifndef SK_MODEL_ADAPTER_H
#define SK_MODEL_ADAPTER_H

#include "model/model.h"

typedef struct skald_adapter sk_adapter;

/*
 * Loads the adapter at `path`, or, where that is NULL, from what the options "memory" or "reader"
 * say. The model is retained. Errors: those of opening a file; ARGUMENT (it does not fit the model,
 * or is none); ARCHITECTURE (a kind of adapter that is not known); CORRUPT, MEMORY, STATE.
 */
int32_t sk_adapter_load(sk_adapter **out, sk_model *model, const char *path,
                        const sk_options *options, sk_error *error);
void sk_adapter_retain(sk_adapter *adapter);  /* NULL does nothing */
void sk_adapter_release(sk_adapter *adapter); /* NULL does nothing; the last one frees */

/* The keys of skald_adapter_get_int. Errors: NOT_FOUND. */
int32_t sk_adapter_get_int(const sk_adapter *adapter, const char *key, int64_t *value,
                           sk_error *error);

/* Several, each with its scale: what a state's tokens are evaluated with. They are added in this
 * order. */
typedef struct sk_worn {
    sk_adapter *adapter; /* counted */
    double scale;        /* not 0 */
} sk_worn;

typedef struct sk_adapters {
    sk_heap *heap;    /* borrowed */
    int64_t n;        /* not 0 */
    int64_t max_rank; /* of a low-rank product; 0: there are none */
    sk_worn worn[];
} sk_adapters;

/* A set of those whose scale is not 0; *out is NULL when none is left. `scales` may be NULL: 1.
 * Errors: ARGUMENT (of another model, a scale that is not finite), MEMORY. */
int32_t sk_adapters_new(sk_adapters **out, sk_heap *heap, const sk_model *model,
                        sk_adapter *const *adapters, const double *scales, uint64_t n,
                        sk_error *error);
/* Another set of the same. Errors: MEMORY. */
int32_t sk_adapters_copy(sk_adapters **out, sk_heap *heap, const sk_adapters *set, sk_error *error);
void sk_adapters_free(sk_adapters *set); /* NULL does nothing */

/* Whether both, which may be NULL, change a model in the same way, and a hash of that. */
bool sk_adapters_same(const sk_adapters *a, const sk_adapters *b);
uint64_t sk_adapters_hash(const sk_adapters *set, uint64_t hash);

#endif
