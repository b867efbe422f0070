/* SPDX-License-Identifier: MIT */
/*
 * From token bytes to text that can be shown: whole code points only, and nothing that may turn
 * out to be the beginning of a stop string. What is held back is shown later or, when a stop
 * string is complete, never.
 *
 * Texts that are banned are looked for too. A token in which one may have begun is held back whole;
 * when it is complete, that token and those behind it are taken back, as if they had not been fed,
 * and it is for the caller to feed others. A token that was not chosen freely cannot be taken back:
 * what begins in it passes.
 */
#ifndef SK_SESSION_OUTPUT_H
#define SK_SESSION_OUTPUT_H

#include "sample/sampler.h"
#include "sample/stop.h"

/* A token whose text is held back, where texts are banned. */
typedef struct sk_held_token {
    uint64_t at;             /* where its text begins among the held bytes */
    bool free;               /* another might have been chosen */
    sk_sampler_state before; /* the sampler's state before it */
} sk_held_token;

typedef struct sk_output {
    sk_heap *heap;   /* borrowed */
    sk_stops *stops; /* owned; NULL: none */
    char *held;      /* owned, [capacity]: bytes not shown yet */
    char *text;      /* owned, [capacity + 1]: what the last token made showable, and a NUL */
    uint64_t n_held, n_text, capacity;
    sk_stops *bans;        /* owned; NULL: none */
    sk_held_token *tokens; /* owned, [n_tokens], room for `capacity`; NULL without bans */
    uint64_t n_tokens;
} sk_output;

/* What a token's bytes bring. */
typedef struct sk_fed {
    bool at_stop;            /* a stop string is complete */
    uint64_t n_back;         /* the last tokens, this one included, that were taken back */
    sk_sampler_state before; /* the first of them */
} sk_fed;

void sk_output_init(sk_output *output, sk_heap *heap);
void sk_output_free(sk_output *output);

/* Sets the stop strings and the banned texts and makes room for tokens of up to `longest_token`
 * bytes; a new stream begins. The old ones stay on failure. Errors: MEMORY. */
int32_t sk_output_set(sk_output *output, const sk_option_value *stops, const sk_option_value *bans,
                      uint64_t longest_token, sk_error *error);

/* A new stream begins: nothing is held, nothing is shown. */
void sk_output_reset(sk_output *output);

/* Nothing is shown; what is held stays. */
void sk_output_clear_text(sk_output *output);

/* Takes a token's bytes (at most longest_token). `free` and `before` are as in sk_held_token. */
sk_fed sk_output_feed(sk_output *output, const char *bytes, uint64_t n, bool free,
                      sk_sampler_state before);

/* Takes held bytes back that were saved, with their tokens, which may be none, into a new stream.
 */
void sk_output_restore(sk_output *output, const char *bytes, uint64_t n,
                       const sk_held_token *tokens, uint64_t n_tokens);

/* Makes `to` stand where `from` stands in its stream; both have the same stop strings and room. */
void sk_output_copy(sk_output *to, const sk_output *from);

/* Adds all that is held to the text: the stream has ended, and another may begin. */
void sk_output_flush(sk_output *output);

#endif
