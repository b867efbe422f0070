/* SPDX-License-Identifier: MIT */
/*
 * From token bytes to text that can be shown: whole code points only, and nothing that may turn
 * out to be the beginning of a stop string. What is held back is shown later or, when a stop
 * string is complete, never.
 */
#ifndef SK_SESSION_OUTPUT_H
#define SK_SESSION_OUTPUT_H

#include "sample/stop.h"

typedef struct sk_output {
    sk_heap *heap;   /* borrowed */
    sk_stops *stops; /* owned; NULL: none */
    char *held;      /* owned, [capacity]: bytes not shown yet */
    char *text;      /* owned, [capacity + 1]: what the last token made showable, and a NUL */
    uint64_t n_held, n_text, capacity;
} sk_output;

void sk_output_init(sk_output *output, sk_heap *heap);
void sk_output_free(sk_output *output);

/* Sets the stop strings and makes room for tokens of up to `longest_token` bytes; a new stream
 * begins. The old ones stay on failure. Errors: MEMORY. */
int32_t sk_output_set_stops(sk_output *output, const char *const *strings, uint64_t n,
                            uint64_t longest_token, sk_error *error);

/* A new stream begins: nothing is held, nothing is shown. */
void sk_output_reset(sk_output *output);

/* Nothing is shown; what is held stays. */
void sk_output_clear_text(sk_output *output);

/* Takes a token's bytes (at most longest_token); returns whether a stop string is complete. */
bool sk_output_feed(sk_output *output, const char *bytes, uint64_t n);

/* Makes `to` stand where `from` stands in its stream; both have the same stop strings and room. */
void sk_output_copy(sk_output *to, const sk_output *from);

/* Adds all that is held to the text: the stream has ended, and another may begin. */
void sk_output_flush(sk_output *output);

#endif
