/* SPDX-License-Identifier: MIT */
/* Moving contexts on: see step.c for how, skald.h for what. */
#ifndef SK_SESSION_STEP_H
#define SK_SESSION_STEP_H

#include "session/context.h"

/* The contexts are of one model, all entered, none listed twice. status[i] is set for each. */
void sk_step_many(sk_context *const *ctxs, size_t n, int64_t budget_us, int32_t *status);

/* Steps one context until it is done (skald_generate). */
int32_t sk_generate(sk_context *ctx, int32_t (*callback)(void *user, const char *text, size_t n),
                    void *user);

#endif
