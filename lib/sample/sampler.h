/* SPDX-License-Identifier: MIT */
/*
 * From logits to a token.
 *
 * A sampler runs the steps of a chain over the set of candidates and then draws from what is left:
 *
 *     logit bias    adds to the logits of listed tokens; -inf removes them
 *     penalties     for each token seen c > 0 times among the last penalty_last_n of the history:
 *                   a logit <= 0 is multiplied by repeat_penalty, any other divided by it; then
 *                   c * frequency_penalty + presence_penalty is subtracted
 *     dry           penalises what would go on with a repetition (dry.h)
 *     top-n-sigma   keeps logits of at least the best - n standard deviations
 *     top-k         keeps the k best
 *     typical       keeps those whose surprise is nearest to the entropy, until their probabilities
 *                   exceed p
 *     top-p         keeps the shortest run of the best whose probabilities reach p, at least one
 *     min-p         keeps logits of at least the best + ln(min_p)
 *     xtc           sometimes removes all candidates above a threshold but the least likely of them
 *     temperature   divides the logits; 0 keeps the best only; with a range, by how even they are
 *     infill        ends, or keeps what is sure (gap.c); only where it is listed
 *     draw          Mirostat 1 or 2 or adaptive-p, which have a state; or the first candidate whose
 * running sum of weights exceeds u * their total
 *
 * Probabilities are of the candidates that each step finds, so top-p sees what top-k left, and
 * truncation works on the distribution before temperature. Tokens of equal logits rank by id.
 * Banned tokens and logits of -inf are no candidates at all. Logits of NaN or +inf are refused.
 *
 * The same logits, history, position and parameters give the same token on every machine: the
 * order of every sum is that of the candidates (candidates.h), exp and log are the project's own,
 * and the random number depends on seed and position alone (philox.h). Nothing is carried from one
 * token to the next but the two numbers of Mirostat and adaptive-p.
 *
 * Memory: 20 bytes and 3 bits per token of the vocabulary, all taken at creation. Time of a pick:
 * one pass over the vocabulary where top_k is small, and one evaluation of exp per token where it
 * is off.
 */
#ifndef SK_SAMPLE_SAMPLER_H
#define SK_SAMPLE_SAMPLER_H

#include "base/options.h"
#include "sample/bias.h"
#include "sample/dry.h"

/* The steps between the logit bias, which is always first, and the draw. */
enum {
    SK_STEP_PENALTIES,
    SK_STEP_DRY,
    SK_STEP_TOP_N_SIGMA,
    SK_STEP_TOP_K,
    SK_STEP_TYPICAL,
    SK_STEP_TOP_P,
    SK_STEP_MIN_P,
    SK_STEP_XTC,
    SK_STEP_TEMPERATURE,
    SK_STEP_INFILL,
    SK_STEPS
};

typedef struct sk_sampler_params {
    double temperature;       /* [0, 1e30] */
    double top_p;             /* [0, 1]; 1 is off */
    double min_p;             /* [0, 1]; 0 is off */
    double repeat_penalty;    /* [1e-30, 1e30]; 1 is off */
    double presence_penalty;  /* within +-1e30 */
    double frequency_penalty; /* within +-1e30 */
    int64_t top_k;            /* <= 0 is off */
    int64_t penalty_last_n;   /* tokens; <= 0 is off */
    int64_t seed;
    bool ignore_eos;     /* never choose a token that ends generation */
    const sk_bias *bias; /* [n_bias], sorted by id (sk_bias_parse); borrowed */
    uint64_t n_bias;

    /* All of these are off when 0. */
    double typical_p;         /* [0, 1]; 1 is off too */
    double top_n_sigma;       /* [-1, 1e30]; <= 0 is off */
    double xtc_probability;   /* [0, 1] */
    double xtc_threshold;     /* [0, 1]; above 0.5 is off */
    double dynatemp_range;    /* [0, 1e30] */
    double dynatemp_exponent; /* [0, 1e3] */
    double dry_multiplier;    /* [0, 1e30] */
    double dry_base;          /* [0, 1e30]; below 1 is off */
    int64_t dry_allowed_length;
    int64_t dry_last_n; /* tokens; <= 0 is off */
    const sk_dry *dry;  /* the sequence breakers; borrowed; NULL: none */
    int64_t mirostat;   /* 1 or 2: it takes the place of all steps but bias and temperature */
    double mirostat_tau, mirostat_eta;
    bool adaptive; /* adaptive-p draws; its target below 0: as usual */
    double adaptive_target, adaptive_decay;
    const sk_vocab *vocab;     /* for infill, borrowed; NULL: that does nothing */
    const skald_sampler *host; /* its table, borrowed; NULL: none */
    int64_t n_probs;           /* log-probabilities to keep of each pick, [0, 1000] */
    int64_t min_keep;          /* truncating steps leave so many, if there are */
    uint8_t steps[SK_STEPS];   /* [n_steps] SK_STEP_..., in the order in which they run */
    uint64_t n_steps;          /* 0: the usual order */
} sk_sampler_params;

/* What Mirostat and adaptive-p carry from token to token of a turn. */
typedef struct sk_sampler_state {
    double mu;            /* 0: at the beginning, 2 tau */
    double weight, total; /* 0: at the beginning */
} sk_sampler_state;

typedef struct sk_sampler sk_sampler;

/* A sampler for `n_vocab` tokens, which chooses the best one until it is set otherwise; `heap` is
 * borrowed until it is freed. Errors: MEMORY, ARGUMENT (no vocabulary, or more than 2^31 - 1). */
int32_t sk_sampler_new(sk_sampler **out, sk_heap *heap, uint64_t n_vocab, sk_error *error);
void sk_sampler_free(sk_sampler *sampler); /* NULL does nothing */

/* What the vocabulary says: the tokens that end generation, and those that are never generated
 * (tokenizer.ggml.suppress_tokens). Copied. Errors: ARGUMENT (an id outside the vocabulary; nothing
 * is changed). */
int32_t sk_sampler_set_vocab(sk_sampler *sampler, const int32_t *ends, uint64_t n_ends,
                             const int32_t *suppressed, uint64_t n_suppressed, sk_error *error);

/* The values that a set of options has, but for the bias, which is left empty. */
void sk_sampler_read_options(sk_sampler_params *params, const sk_options *options);

/* Reads the order of the steps: names separated by ';', ',' or blanks, or letters (edskypmxtia):
 * `steps`, `n_steps` and `adaptive` of the parameters. An empty text is the usual order. Errors:
 * OPTION (a name that is not known or there twice). */
int32_t sk_sampler_read_steps(sk_sampler_params *params, const char *text, sk_error *error);

/* Sets all parameters; they hold for the next pick on. The bias list and dry are borrowed until the
 * next set or the sampler's end. Errors: OPTION (a value out of range), MEMORY; the old ones stay.
 */
int32_t sk_sampler_set(sk_sampler *sampler, const sk_sampler_params *params, sk_error *error);

/* The state that the next pick begins with, and the one behind the last pick. */
void sk_sampler_set_state(sk_sampler *sampler, sk_sampler_state state);
sk_sampler_state sk_sampler_get_state(const sk_sampler *sampler);

/* The state behind a token that had to be chosen, after `state`. */
sk_sampler_state sk_sampler_state_forced(const sk_sampler *sampler, sk_sampler_state state);

/* Log-probabilities of the last pick: of the token chosen, then of the n_probs likeliest, as the
 * model had them (`after` false), or as the steps had left them before the draw. Views until the
 * next pick; 0 of them if n_probs is 0. */
uint64_t sk_sampler_probs(const sk_sampler *sampler, bool after, const int32_t **ids,
                          const float **logs);

/* What there is to say of a token that had to be chosen: afterwards its probability is 1. */
void sk_sampler_probs_forced(sk_sampler *sampler, int32_t token);

/*
 * Chooses the token at index `position` of the context.
 *   logits   [n_vocab], not changed
 *   history  [n_history] the tokens so far, prompt included, the newest last; values outside the
 *            vocabulary (items that are no tokens) count for nothing. NULL when empty
 *   banned   [(n_vocab + 31) / 32] bit i % 32 of word i / 32 set: token i may not be chosen; NULL:
 *            none. (For grammars, and whatever else looks at the whole vocabulary.)
 * Allocates nothing. Errors, with *token = -1: NUMERIC (a logit is NaN or +inf, or all are -inf),
 * GRAMMAR (`banned` leaves no token), OPTION (logit_bias, ignore_eos and the vocabulary leave no
 * token).
 */
int32_t sk_sampler_pick(sk_sampler *sampler, const float *logits, const int32_t *history,
                        uint64_t n_history, uint64_t position, const uint32_t *banned,
                        int32_t *token, sk_error *error);

#endif
