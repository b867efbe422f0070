/* SPDX-License-Identifier: MIT */
/* What session/ itself knows of a context. */
#ifndef SK_SESSION_CONTEXT_INT_H
#define SK_SESSION_CONTEXT_INT_H

#include "model/pass.h"
#include "model/state.h"
#include "sample/constraint.h"
#include "sample/sampler.h"
#include "session/dialogue.h"
#include "session/draft.h"
#include "session/embed.h"
#include "session/infill.h"
#include "session/context.h"
#include "session/output.h"

enum {
    SK_STOP_NONE,
    SK_STOP_END,
    SK_STOP_STRING,
    SK_STOP_LENGTH,
    SK_STOP_CONTEXT,
    SK_STOP_HOST,
    SK_STOP_TIME
};

/* A token that may not be chosen at a position (that of the context, had none been dropped). */
typedef struct sk_veto {
    int64_t position;
    int32_t token;
} sk_veto;

/* Contexts that share an unfinished pass (step.c). */
typedef struct sk_group sk_group;

/* The memory of a context and of its forks. Blocks of their caches outlive the context that made
 * them, so all of them use one heap, counted, and "max_memory" holds for them together. */
typedef struct sk_shared_heap {
    sk_heap heap;
    _Atomic int64_t n_users;
} sk_shared_heap;

struct skald_context {
    sk_shared_heap *shared; /* counted */
    sk_heap *heap;          /* in it */
    sk_model *model;        /* retained */
    sk_options options;
    sk_error error;
    _Atomic int busy, cancelled;

    int64_t n_ctx, n_batch, n_vocab;
    int32_t *tokens; /* owned, [n_ctx] */
    int64_t n_tokens, n_evaluated;
    int64_t n_reused;      /* tokens that were evaluated already when all were last set */
    sk_state *state;       /* owned */
    sk_adapters *adapters; /* owned: those that the state wears; NULL: none */

    /* Taking tokens out (edit.c). */
    int64_t n_settled; /* tokens that were evaluated when a token was last chosen: what may be moved
                          must not depend on how far a slice came */
    int64_t n_exact;   /* first tokens whose cache was not moved; INT64_MAX: all */
    int64_t n_dropped; /* since all tokens were last set */
    int64_t drop_at, drop_n; /* not yet told as an event; drop_n 0: none */
    char drop_text[64];

    float *logits;        /* owned, [n_logit_rows][n_vocab] */
    int64_t n_logit_rows; /* 1, or n_batch with logits_all */
    int64_t logits_first; /* position of row 0 */
    int64_t n_logits;     /* rows that are valid */

    sk_pooling pooling;
    sk_snippets snippets;
    sk_draft draft;

    sk_sampler *sampler; /* owned */
    sk_bias *bias;       /* owned: what "logit_bias" says */
    uint64_t n_bias;
    sk_dry *dry;               /* owned, or NULL */
    sk_sampler_state sampling; /* behind the turn's last token */
    sk_output output;
    sk_chat_state chat;

    sk_constraint *constraint; /* owned: what binds the text, or NULL */
    int64_t n_turn;            /* the last tokens: generated in this turn, under the constraint */
    bool is_rewound;           /* the constraint has to take these again */
    int32_t forced;            /* the only token that may follow, -1: there are several, or none */
    bool free;                 /* of the last token: another might have been chosen */
    sk_veto *vetoes;           /* owned, [n_vetoes]: see banned.c */
    uint64_t n_vetoes, veto_capacity;
    uint32_t *vetoed; /* owned, scratch: a bit per token; NULL: nothing is banned */
    int64_t turn_us;  /* when this turn's first step was, 0: not yet */

    int32_t token;     /* the last one generated, -1: none */
    const char *bytes; /* its bytes, a view of the vocabulary's */
    uint64_t n_bytes;
    bool ending;         /* a reason to stop was met; the next step says so */
    int32_t stop;        /* SK_STOP_... */
    int64_t n_predicted; /* generated since the last append or change of n_predict */

    /* Batching: see step.c. */
    sk_pass *pass;             /* owned, made when this context first leads a batch; else NULL */
    sk_group *own_group;       /* the group that this context leads, or NULL */
    sk_group *group;           /* the unfinished group that it is in, or NULL */
    int64_t row_first, n_rows; /* its rows of the group's pass */
    bool served;               /* took part in a pass of this round */

    uint64_t fingerprint; /* of the model, 0: not asked for yet */
    int64_t n_prompt, n_generated, n_forced, prompt_us, decode_us;
};

/* Gives an output the stop strings of a set of options; it stays as it is on failure. Errors:
 * MEMORY, in the context's sk_error. */
int32_t sk_context_make_output(sk_context *ctx, const sk_options *options, sk_output *output);

/* Swaps the context's options with others, which take effect for sampling; on failure nothing is
 * changed. Errors: OPTION, MEMORY. */
int32_t sk_context_swap_options(sk_context *ctx, sk_options *options);

/* Whether BOS goes before the first text, and which token it is. */
bool sk_context_wants_bos(const sk_context *ctx, const sk_vocab *vocab, int32_t *bos);

/* Makes the constraint that a set of options asks for. Errors, in the context's sk_error: OPTION,
 * TOKENIZER, GRAMMAR, MEMORY. */
int32_t sk_context_make_constraint(sk_context *ctx, const sk_options *options, sk_constraint **out);

/* Chooses the next token from the last logits, and tells the constraint. Errors: NUMERIC, GRAMMAR,
 * OPTION, MEMORY. */
int32_t sk_context_pick(sk_context *ctx, int32_t *token);

/* Banned texts (banned.c). Makes room for so many vetoes. Errors: MEMORY. */
int32_t sk_context_reserve_vetoes(sk_context *ctx, uint64_t n);
/* Takes the last tokens back, and vetoes the first of them at its place; `before` is the sampler's
 * state there. There is room for the veto. */
void sk_context_take_back(sk_context *ctx, int64_t n_back, sk_sampler_state before);
/* A set of banned tokens, NULL: none, with those that are vetoed for the next pick. */
const uint32_t *sk_context_veto(sk_context *ctx, const uint32_t *banned);
/* They leave no token: there are none any more. False if there were none. */
bool sk_context_lift_vetoes(sk_context *ctx);
int32_t sk_context_copy_vetoes(sk_context *to, const sk_context *from);

/* Takes over what the model's file recommends for sampling, where the options do not say. */
void sk_context_recommend(sk_context *ctx);

/* Forgets all but the first `n_tokens` tokens, and what was evaluated beyond the first
 * `n_evaluated`; recurrent layers may have to go back further, to what they kept. */
void sk_context_forget(sk_context *ctx, int64_t n_tokens, int64_t n_evaluated);

/* A new turn begins behind the tokens that there are, which end with this text. */
void sk_context_begin_turn(sk_context *ctx, const char *text, uint64_t n);

/* Whether these tokens exist. Errors: ARGUMENT. */
int32_t sk_context_check_ids(sk_context *ctx, const int32_t *ids, uint64_t n);

/* CONTEXT_FULL, with the sentence: `n` tokens do not fit behind the first `n_held`. */
int32_t sk_context_fail_full(sk_context *ctx, int64_t n_held, uint64_t n);

/* How many tokens to drop so that `n` more fit: 0 where that is not what the option "when_full"
 * says, or not enough may go. Dropping them: MEMORY, and then nothing is changed. */
int64_t sk_context_droppable(const sk_context *ctx, int64_t n);
int32_t sk_context_drop(sk_context *ctx, int64_t n_drop);

/* The event of tokens that were dropped since it was last asked for: SKALD_EVENT_DROPPED, or 0. */
int32_t sk_context_drop_event(sk_context *ctx, const char **text, uint64_t *n);

/* Gives a fork what the other's state wears. Errors: MEMORY. */
int32_t sk_context_copy_adapters(sk_context *to, const sk_context *from);

/* How many rows of logits a pass that this context leads should have room for, so that there are
 * `n_wanted` or as many as are given to several contexts. */
int64_t sk_context_logit_rows(const sk_context *ctx, int64_t n_wanted);

/* Leaves the group, if any: its unfinished pass is abandoned. */
void sk_context_ungroup(sk_context *ctx);

/* The same, and gives up the group that it leads, if any: the context is being freed. */
void sk_context_disband(sk_context *ctx);

#endif
