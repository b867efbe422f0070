/* SPDX-License-Identifier: MIT */
/* A growing text for people, line by line. The first error stays and is told at the end. */
#ifndef SK_MODEL_LINES_H
#define SK_MODEL_LINES_H

#include "base/alloc.h"

typedef struct sk_lines {
    sk_heap *heap; /* borrowed */
    char *text;    /* owned; NULL while empty */
    uint64_t n, capacity;
    int32_t status;
} sk_lines;

/* Adds text as it is. */
void sk_lines_add(sk_lines *lines, const char *text);

/* The text, "" when empty, transferred to the caller, who frees it; NULL after an error. */
char *sk_lines_take(sk_lines *lines, sk_error *error);

#endif
