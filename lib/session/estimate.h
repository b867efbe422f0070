/* SPDX-License-Identifier: MIT */
/* What a model file and a context will cost, before there are any. */
#ifndef SK_SESSION_ESTIMATE_H
#define SK_SESSION_ESTIMATE_H

#include "base/options.h"

/* skald_estimate: the first `n` of the SKALD_COST_... into `costs`. Errors: those of loading a
 * model and of making a context. */
int32_t sk_estimate(const char *path, const sk_options *options, int64_t *costs, size_t n,
                    sk_error *error);

#endif
