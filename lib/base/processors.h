/* SPDX-License-Identifier: MIT */
/*
 * How many threads are worth having: one for each core that this process may run on, and no more
 * than its control group lets run on average. A second thread on a core shares what the kernels
 * need most; and a pool that is stopped for having used up its quota stops in the middle of a loop.
 */
#ifndef SK_BASE_PROCESSORS_H
#define SK_BASE_PROCESSORS_H

#include <stdbool.h>
#include <stdint.h>

/* At least 1. Reads files of the system: call it when a pool is made. */
int32_t sk_processors(void);

/* The parts, with the system's files looked for below `root` ("" for those of the system).
 * Cores among the `n` processors of which usable[i] says whether they may be used. */
int32_t sk_processors_cores(const char *root, const bool *usable, int32_t n);
/* What the control groups of this process, version 1 or 2, allow, rounded down but at least 1;
 * INT32_MAX: there is no limit, or it cannot be read. */
int32_t sk_processors_quota(const char *root);

#endif
