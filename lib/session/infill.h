/* SPDX-License-Identifier: MIT */
/* Filling in the middle: skald_set_infill and skald_add_snippet. */
#ifndef SK_SESSION_INFILL_H
#define SK_SESSION_INFILL_H

#include "session/context.h"

/* Pieces of other texts, the oldest first, as the tokens that go into the prompt. */
typedef struct sk_snippets {
    int32_t *ids; /* [n_ids] of all, owned */
    uint64_t n_ids, ids_capacity;
    uint64_t *ends; /* [n] where each ends among them, owned */
    uint64_t n, capacity;
} sk_snippets;

void sk_snippets_free(sk_context *ctx);
/* For a fork. Errors: MEMORY. */
int32_t sk_snippets_copy(sk_context *to, const sk_context *from);

int32_t sk_context_add_snippet(sk_context *ctx, const char *name, const char *text, uint64_t n);
int32_t sk_context_set_infill(sk_context *ctx, const char *before, uint64_t n_before,
                              const char *after, uint64_t n_after);

#endif
