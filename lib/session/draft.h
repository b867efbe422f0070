/* SPDX-License-Identifier: MIT */
/*
 * Drafts: tokens that are guessed ahead and evaluated together with the one that is there already,
 * because many rows of a pass cost little more than one. What is generated does not depend on them:
 * the next token is chosen from the logits behind the last one as ever, and where a guess turns out
 * to be what was chosen, its logits are there before they are asked for.
 *
 *     tokens     [0 ............ n_evaluated .. n_tokens)
 *     state      [0 ............ n_evaluated)[ guesses, n_ahead )
 *
 * A guess is taken where a pass would otherwise begin, and not before: until then the context is,
 * for every call, what it would be without guesses. So whatever changes tokens or options between
 * two steps needs to know nothing of them, but that the state holds more than n_evaluated tokens.
 *
 * A guess that was wrong takes those behind it along: the state goes back. Attention forgets the
 * rows; recurrent layers go back to where the guesses began, and what was right of them is
 * evaluated again in the next pass.
 */
#ifndef SK_SESSION_DRAFT_H
#define SK_SESSION_DRAFT_H

#include "model/pass.h"
#include "session/context.h"

typedef struct sk_drafter sk_drafter;

typedef struct sk_draft {
    int64_t max;            /* guesses of a pass at most; 0: none are made */
    int32_t *ids;           /* owned, [max] */
    float *logits;          /* owned, [max][n_vocab]: what follows each guess */
    int64_t n;              /* rows of the pass under way that are guesses: its last */
    int64_t first, n_ahead; /* ids[first, first + n_ahead) are in the state, behind n_evaluated */
    int64_t n_again;        /* tokens that were evaluated before the state went back */
    int64_t barred;         /* nothing is guessed behind so many tokens: it failed there */
    int64_t agreement;      /* tokens that must agree for a look-up */
    int64_t lag;            /* how far back the passage lies that was looked up last; 0: none */
    int64_t length;         /* of the next draft of a model, at most */
    int64_t n_drafted, n_accepted;
    sk_drafter *drafter; /* owned; NULL: guesses are looked up */
} sk_draft;

/* What the options say; a fork's model and its memory are those of `source`. Errors: OPTION,
 * ARGUMENT (another vocabulary), STATE, MEMORY. */
int32_t sk_draft_init(sk_context *ctx, const sk_context *source);
void sk_draft_free(sk_context *ctx);

/* Takes the guesses that came true and lets the state go back from one that did not. For a context
 * with tokens to evaluate that is in no pass. */
void sk_draft_accept(sk_context *ctx);

/* The state goes back to what counts as evaluated. Before it is changed in any other way. */
void sk_draft_drop(sk_context *ctx);

/* Works on guesses behind the tokens that there are: SKALD_DONE when there are all that will be,
 * SKALD_PENDING, or CANCELLED as sk_pass_run. */
int32_t sk_draft_run(sk_context *ctx, int64_t deadline_us, bool (*stop)(void *user), void *user);

/* Puts at most `most` guesses into ids; returns how many. */
int64_t sk_draft_propose(sk_context *ctx, int64_t most);

/* The pass with ctx->draft.n guesses is done: they are ahead, their logits kept. */
void sk_draft_commit(sk_context *ctx, const sk_pass *pass);

/* ---- drafter.c: guesses by a second model -----------------------------------------------------
 */

/* Errors: OPTION (NULL), ARGUMENT, STATE, MEMORY. The model is retained. */
int32_t sk_drafter_new(sk_drafter **out, sk_context *ctx, sk_model *model);
int32_t sk_drafter_fork(sk_drafter **out, sk_context *ctx, sk_drafter *from);
void sk_drafter_free(sk_drafter *drafter);
/* Works on a draft of at most `wanted` tokens. DONE, PENDING or CANCELLED. */
int32_t sk_drafter_run(sk_drafter *drafter, const sk_context *ctx, int64_t wanted,
                       int64_t deadline_us, bool (*stop)(void *user), void *user);
/* The guesses for these tokens; 0: none, or they are for others. */
int64_t sk_drafter_guesses(const sk_drafter *drafter, const sk_context *ctx, const int32_t **ids);
/* For an estimate: makes its workspace. Errors: MEMORY. */
int32_t sk_drafter_warm(sk_drafter *drafter, sk_error *error);
const sk_state *sk_drafter_state(const sk_drafter *drafter);

#endif
