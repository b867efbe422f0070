/* SPDX-License-Identifier: MIT */
/*
 * One parallel_for: over the library's own threads, the host's job system, or OpenMP.
 *
 * The own pool starts its threads at creation and puts them to sleep when idle. The caller takes
 * tasks too, so `n_threads` of 1 starts none. A pool that is busy with another caller's loop, or
 * that was inherited through fork, makes the caller do its loop alone: nothing ever waits for a
 * thread that may not exist. Threads that cannot be created are done without. Several models may
 * share a pool: it is counted.
 */
#ifndef SK_BASE_EXECUTOR_H
#define SK_BASE_EXECUTOR_H

#include "alloc.h"

typedef struct sk_executor sk_executor;

/* With a count of one. `host` may be NULL. `n_threads` 0: as many as base/processors.h advises. Its
 * memory comes from the allocator of `heap`, uncounted. Errors: ARGUMENT, MEMORY. */
int32_t sk_executor_new(sk_executor **out, const sk_heap *heap, int32_t n_threads,
                        const skald_executor *host, sk_error *error);
void sk_executor_retain(sk_executor *executor);
void sk_executor_release(sk_executor *executor); /* NULL does nothing; no loop may be running */

/* How many tasks can run at once, the caller's included; at least 1. */
int32_t sk_executor_width(const sk_executor *executor);

/* task(arg, i) once for each i in [0, n), in any order, on any of the threads, with the default
 * floating-point environment; returns when all have returned. */
void sk_executor_run(sk_executor *executor, int64_t n, void (*task)(void *arg, int64_t i),
                     void *arg);

#endif
