/* SPDX-License-Identifier: MIT */
/* The inside of a model, for model/ alone. */
#ifndef SK_MODEL_MODEL_INT_H
#define SK_MODEL_MODEL_INT_H

#include "model/model.h"
#include "model/plan.h"

#include "base/executor.h"

enum { SK_LOAD_HEADER, SK_LOAD_VOCAB, SK_LOAD_PLAN, SK_LOAD_COPY, SK_LOAD_FINISH, SK_LOAD_READY };

struct skald_model {
    sk_heap heap; /* all below is of it, the model itself included */
    _Atomic int64_t n_users;
    _Atomic int cancel, stepping;
    _Atomic int32_t progress; /* in millionths */
    _Atomic int phase;        /* SK_LOAD_... */
    bool broken;              /* loading failed */
    sk_error last_error;

    /* What the options said. */
    char *path; /* owned, NULL: none */
    bool map;   /* weights stay where they are */
    bool empty; /* weights are not copied: the model only counts */
    skald_log log; /* log is NULL when there is none */
    int32_t n_threads;
    skald_executor host_executor; /* parallel_for is NULL when there is none */

    void *converted;   /* owned, NULL: none; the GGUF file that a tokenizer.json became */
    sk_source *source; /* owned until the file's header is read */
    sk_gguf *gguf;
    sk_vocab *vocab;
    sk_vocab_build *vocab_build; /* while it is being made */
    const sk_arch *arch; /* NULL: no weights */
    sk_hparam hp;
    sk_weights weights;
    sk_plan plan;
    const sk_kernels *kernels;
    sk_executor *executor; /* counted: other models may share it */

    /* The copy of the weights, where they are copied. */
    uint8_t *copy; /* owned */
    uint64_t copy_size, copied;
    uint64_t copy_tensor, copy_offset; /* the next bytes: of a tensor, and of it */

    char *plan_text, *warning; /* owned */
    int64_t n_parameters;
};

#endif
