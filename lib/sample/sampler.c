/* SPDX-License-Identifier: MIT */
/*
 * The sampler's memory and its one loop over the whole vocabulary: filling the set of candidates.
 * What happens to them then is chain.c.
 */
#include "base/portable.h"

#include "sample/chain.h"
#include "tensor/math.h"

#include <math.h>
#include <string.h>

enum { SAMPLER_PROBS = 1000 };

/* Of the token chosen, then of the likeliest. */
typedef struct sampler_probs {
    int32_t ids[SAMPLER_PROBS + 1];
    float logs[SAMPLER_PROBS + 1];
    uint64_t n;
} sampler_probs;

struct sk_sampler {
    sk_heap *heap; /* borrowed */
    sk_sampler_params params;
    uint64_t n_vocab;
    sk_candidate *items; /* [n_vocab] */
    int32_t *count;      /* [n_vocab] all 0 between picks */
    double *scratch;     /* [n_vocab] for typical and adaptive-p, else NULL */
    sk_sampler_state state;
    sk_candidate *spare; /* [n_vocab] for log-probabilities, else NULL */
    int32_t *host_ids;   /* [n_vocab] for the host's sampler, else NULL, like the next */
    float *host_logits;
    sampler_probs *probs; /* [2] before and after the steps, or NULL */
    uint32_t *ends;       /* [n_word] a bit per token of the vocabulary, as the next two */
    uint32_t *suppressed;
    uint32_t *barred; /* suppressed, and the ends if they are ignored */
};

static uint64_t sampler_words(uint64_t n_vocab)
{
    return (n_vocab + 31) / 32;
}

int32_t sk_sampler_new(sk_sampler **out, sk_heap *heap, uint64_t n_vocab, sk_error *error)
{
    *out = NULL;
    if (n_vocab == 0 || n_vocab > INT32_MAX)
        return sk_fail(error, SKALD_E_ARGUMENT,
                       "a sampler cannot choose among %llu tokens, wanted 1 to 2147483647",
                       (unsigned long long)n_vocab);
    const char *what = "the sampler";
    sk_sampler *s = sk_alloc_zero(heap, sizeof *s, what, error);
    if (!s)
        return SKALD_E_MEMORY;
    s->heap = heap;
    s->n_vocab = n_vocab;
    uint64_t n_word = sampler_words(n_vocab);
    if (!(s->items = sk_alloc_array(heap, n_vocab, sizeof *s->items, what, error)) ||
        !(s->count = sk_alloc_array(heap, n_vocab, sizeof *s->count, what, error)) ||
        !(s->ends = sk_alloc_array(heap, n_word, sizeof *s->ends, what, error)) ||
        !(s->suppressed = sk_alloc_array(heap, n_word, sizeof *s->suppressed, what, error)) ||
        !(s->barred = sk_alloc_array(heap, n_word, sizeof *s->barred, what, error))) {
        sk_sampler_free(s);
        return SKALD_E_MEMORY;
    }
    s->params.top_p = 1;
    s->params.repeat_penalty = 1;
    *out = s;
    return SKALD_OK;
}

void sk_sampler_free(sk_sampler *s)
{
    if (!s)
        return;
    sk_free(s->heap, s->barred);
    sk_free(s->heap, s->suppressed);
    sk_free(s->heap, s->ends);
    sk_free(s->heap, s->host_logits);
    sk_free(s->heap, s->host_ids);
    sk_free(s->heap, s->probs);
    sk_free(s->heap, s->spare);
    sk_free(s->heap, s->scratch);
    sk_free(s->heap, s->count);
    sk_free(s->heap, s->items);
    sk_free(s->heap, s);
}

static void sampler_bar(sk_sampler *s)
{
    uint32_t ends = s->params.ignore_eos ? UINT32_MAX : 0;
    for (uint64_t w = 0; w < sampler_words(s->n_vocab); w++)
        s->barred[w] = s->suppressed[w] | (s->ends[w] & ends);
}

static int32_t sampler_check_ids(const sk_sampler *s, const int32_t *ids, uint64_t n,
                                 const char *what, sk_error *error)
{
    for (uint64_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint64_t)ids[i] >= s->n_vocab)
            return sk_fail(error, SKALD_E_ARGUMENT, "%s lists token %d, but ids are 0 to %llu",
                           what, (int)ids[i], (unsigned long long)s->n_vocab - 1);
    return SKALD_OK;
}

static void sampler_mark(const sk_sampler *s, uint32_t *set, const int32_t *ids, uint64_t n)
{
    memset(set, 0, sampler_words(s->n_vocab) * sizeof *set);
    for (uint64_t i = 0; i < n; i++)
        set[ids[i] / 32] |= (uint32_t)1 << (ids[i] % 32);
}

int32_t sk_sampler_set_vocab(sk_sampler *s, const int32_t *ends, uint64_t n_ends,
                             const int32_t *suppressed, uint64_t n_suppressed, sk_error *error)
{
    int32_t status = sampler_check_ids(s, ends, n_ends, "the end of generation", error);
    if (status == SKALD_OK)
        status = sampler_check_ids(s, suppressed, n_suppressed, "suppress_tokens", error);
    if (status < 0)
        return status;
    sampler_mark(s, s->ends, ends, n_ends);
    sampler_mark(s, s->suppressed, suppressed, n_suppressed);
    sampler_bar(s);
    return SKALD_OK;
}

void sk_sampler_read_options(sk_sampler_params *params, const sk_options *options)
{
    *params = (sk_sampler_params){
        .temperature = sk_opt_float(options, SK_OPT_TEMPERATURE),
        .top_p = sk_opt_float(options, SK_OPT_TOP_P),
        .min_p = sk_opt_float(options, SK_OPT_MIN_P),
        .repeat_penalty = sk_opt_float(options, SK_OPT_REPEAT_PENALTY),
        .presence_penalty = sk_opt_float(options, SK_OPT_PRESENCE_PENALTY),
        .frequency_penalty = sk_opt_float(options, SK_OPT_FREQUENCY_PENALTY),
        .top_k = sk_opt_int(options, SK_OPT_TOP_K),
        .penalty_last_n = sk_opt_int(options, SK_OPT_PENALTY_LAST_N),
        .seed = sk_opt_int(options, SK_OPT_SEED),
        .ignore_eos = sk_opt_int(options, SK_OPT_IGNORE_EOS) != 0,
        .typical_p = sk_opt_float(options, SK_OPT_TYPICAL_P),
        .top_n_sigma = sk_opt_float(options, SK_OPT_TOP_N_SIGMA),
        .xtc_probability = sk_opt_float(options, SK_OPT_XTC_PROBABILITY),
        .xtc_threshold = sk_opt_float(options, SK_OPT_XTC_THRESHOLD),
        .dynatemp_range = sk_opt_float(options, SK_OPT_DYNATEMP_RANGE),
        .dynatemp_exponent = sk_opt_float(options, SK_OPT_DYNATEMP_EXPONENT),
        .dry_multiplier = sk_opt_float(options, SK_OPT_DRY_MULTIPLIER),
        .dry_base = sk_opt_float(options, SK_OPT_DRY_BASE),
        .dry_allowed_length = sk_opt_int(options, SK_OPT_DRY_ALLOWED_LENGTH),
        .dry_last_n = sk_opt_int(options, SK_OPT_DRY_LAST_N),
        .mirostat = sk_opt_int(options, SK_OPT_MIROSTAT),
        .mirostat_tau = sk_opt_float(options, SK_OPT_MIROSTAT_TAU),
        .mirostat_eta = sk_opt_float(options, SK_OPT_MIROSTAT_ETA),
        .adaptive_target = sk_opt_float(options, SK_OPT_ADAPTIVE_TARGET),
        .adaptive_decay = sk_opt_float(options, SK_OPT_ADAPTIVE_DECAY),
        .min_keep = sk_opt_int(options, SK_OPT_MIN_KEEP),
        .host = sk_opt_pointer(options, SK_OPT_SAMPLER),
        .n_probs = sk_opt_int(options, SK_OPT_N_PROBS),
    };
}

static int32_t sampler_check(const char *name, double value, double min, double max,
                             sk_error *error)
{
    if (value >= min && value <= max)
        return SKALD_OK;
    return sk_fail(error, SKALD_E_OPTION, "%s is %g, wanted %g to %g", name, value, min, max);
}

/* No arithmetic of the chain overflows a double within these bounds: the largest logit is a float
 * plus a float, times 1e30, plus 2^31 * 1e30, all divided by 1e-30. */
static int32_t sampler_check_params(const sk_sampler_params *p, sk_error *error)
{
    const struct {
        const char *name;
        double value, min, max;
    } rows[] = {
        {"temperature", p->temperature, 0, 1e30},
        {"top_p", p->top_p, 0, 1},
        {"min_p", p->min_p, 0, 1},
        {"repeat_penalty", p->repeat_penalty, 1e-30, 1e30},
        {"presence_penalty", p->presence_penalty, -1e30, 1e30},
        {"frequency_penalty", p->frequency_penalty, -1e30, 1e30},
        {"typical_p", p->typical_p, 0, 1},
        {"top_n_sigma", p->top_n_sigma, -1, 1e30},
        {"xtc_probability", p->xtc_probability, 0, 1},
        {"xtc_threshold", p->xtc_threshold, 0, 1},
        {"dynatemp_range", p->dynatemp_range, 0, 1e30},
        {"dynatemp_exponent", p->dynatemp_exponent, 0, 1e3},
        {"dry_multiplier", p->dry_multiplier, 0, 1e30},
        {"dry_base", p->dry_base, 0, 1e30},
        {"mirostat", (double)p->mirostat, 0, 2},
        {"mirostat_tau", p->mirostat_tau, 0, 1e3},
        {"mirostat_eta", p->mirostat_eta, 0, 1e3},
        {"adaptive_target", p->adaptive_target, -1, 1},
        {"adaptive_decay", p->adaptive_decay, 0, 0.99},
        {"n_probs", (double)p->n_probs, 0, SAMPLER_PROBS},
        {"min_keep", (double)p->min_keep, 0, INT32_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int32_t status =
            sampler_check(rows[i].name, rows[i].value, rows[i].min, rows[i].max, error);
        if (status < 0)
            return status;
    }
    return SKALD_OK;
}

static int32_t sampler_check_bias(const sk_bias *list, uint64_t n, sk_error *error)
{
    for (uint64_t i = 0; i < n; i++)
        if (!(list[i].bias < INFINITY) || (i > 0 && list[i].id <= list[i - 1].id))
            return sk_fail(
                error, SKALD_E_OPTION,
                "logit_bias: entry %llu (token %d, bias %g) is out of order or no number",
                (unsigned long long)i, (int)list[i].id, (double)list[i].bias);
    return SKALD_OK;
}

/* Memory that only some parameters want, kept once it is there. */
static int32_t sampler_make_room(sk_sampler *s, const sk_sampler_params *p, sk_error *error)
{
    bool scratch = (p->typical_p > 0 && p->typical_p < 1) || p->adaptive;
    const struct {
        void **block;
        uint64_t n, size;
        bool wanted;
    } rows[] = {
        {(void **)&s->scratch, s->n_vocab, sizeof *s->scratch, scratch},
        {(void **)&s->spare, s->n_vocab, sizeof *s->spare, p->n_probs > 0},
        {(void **)&s->probs, 2, sizeof *s->probs, p->n_probs > 0},
        {(void **)&s->host_ids, s->n_vocab, sizeof *s->host_ids, p->host != NULL},
        {(void **)&s->host_logits, s->n_vocab, sizeof *s->host_logits, p->host != NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].wanted || *rows[i].block)
            continue;
        *rows[i].block = sk_alloc_array(s->heap, rows[i].n, rows[i].size, "the sampler", error);
        if (!*rows[i].block)
            return SKALD_E_MEMORY;
    }
    return SKALD_OK;
}

int32_t sk_sampler_set(sk_sampler *s, const sk_sampler_params *params, sk_error *error)
{
    int32_t status = sampler_check_params(params, error);
    if (status == SKALD_OK)
        status = sampler_check_bias(params->bias, params->n_bias, error);
    if (status == SKALD_OK)
        status = sampler_make_room(s, params, error);
    if (status < 0)
        return status;
    s->params = *params;
    if (s->params.temperature < 1e-30) /* any two floats are then too far apart to both be drawn */
        s->params.temperature = 0;
    sampler_bar(s);
    return SKALD_OK;
}

/* Without a branch on what is kept: a candidate that is not is overwritten by the next. */
static int32_t sampler_fill(const sk_sampler *s, sk_candidates *set, const float *logits,
                            const uint32_t *banned, sk_error *error)
{
    uint64_t kept = 0;
    for (uint64_t id = 0; id < s->n_vocab; id++) {
        float logit = logits[id];
        if (!(logit < INFINITY))
            return sk_fail(error, SKALD_E_NUMERIC, "the logit of token %d is %g", (int)id,
                           (double)logit);
        uint32_t bits = s->barred[id / 32] | (banned ? banned[id / 32] : 0);
        s->items[kept] = (sk_candidate){.logit = (double)logit, .id = (int32_t)id};
        kept += !(bits >> id % 32 & 1) && logit > -INFINITY;
    }
    *set = (sk_candidates){.items = s->items, .n = kept};
    return SKALD_OK;
}

/* Why no candidate is left before the chain. */
static int32_t sampler_none(const sk_sampler *s, const float *logits, const uint32_t *banned,
                            sk_error *error)
{
    bool any = false, any_allowed = false;
    for (uint64_t id = 0; id < s->n_vocab; id++)
        if (logits[id] > -INFINITY) {
            any = true;
            any_allowed |= !(s->barred[id / 32] >> id % 32 & 1);
        }
    if (!any)
        return sk_fail(error, SKALD_E_NUMERIC, "the logits of all %llu tokens are -inf",
                       (unsigned long long)s->n_vocab);
    if (any_allowed && banned)
        return sk_fail(error, SKALD_E_GRAMMAR, "none of the %llu tokens is allowed here",
                       (unsigned long long)s->n_vocab);
    return sk_fail(error, SKALD_E_OPTION,
                   "no token is left to choose: the vocabulary suppresses them, or ignore_eos "
                   "forbids them");
}

void sk_sampler_set_state(sk_sampler *s, sk_sampler_state state)
{
    s->state = state;
}

sk_sampler_state sk_sampler_get_state(const sk_sampler *s)
{
    return s->state;
}

sk_sampler_state sk_sampler_state_forced(const sk_sampler *s, sk_sampler_state state)
{
    return sk_sampler_state_after(&s->params, state);
}

static const uint8_t steps_usual[] = {SK_STEP_PENALTIES, SK_STEP_DRY,     SK_STEP_TOP_N_SIGMA,
                                      SK_STEP_TOP_K,     SK_STEP_TYPICAL, SK_STEP_TOP_P,
                                      SK_STEP_MIN_P,     SK_STEP_XTC,     SK_STEP_TEMPERATURE};
static const uint8_t steps_mirostat[] = {SK_STEP_TEMPERATURE};

/* Hands the candidates to the host's sampler and takes back what it leaves. */
static int32_t sampler_ask_host(sk_sampler *s, sk_candidates *set, sk_error *error)
{
    for (uint64_t i = 0; i < set->n; i++) {
        s->host_ids[i] = set->items[i].id;
        s->host_logits[i] = (float)set->items[i].logit;
    }
    const skald_sampler *host = s->params.host;
    int64_t n = host->apply(host->user, s->host_ids, s->host_logits, (int64_t)set->n);
    uint64_t kept = 0;
    if (n <= 0 || (uint64_t)n > set->n)
        return sk_fail(error, SKALD_E_NUMERIC,
                       "the host's sampler leaves %lld candidates, wanted 1 to %llu", (long long)n,
                       (unsigned long long)set->n);
    for (int64_t i = 0; i < n; i++) {
        int32_t id = s->host_ids[i];
        float logit = s->host_logits[i];
        if (!(logit < INFINITY) || id < 0 || (uint64_t)id >= s->n_vocab)
            return sk_fail(error, SKALD_E_NUMERIC, "the host's sampler gives token %d the logit %g",
                           (int)id, (double)logit);
        if (logit > -INFINITY)
            set->items[kept++] = (sk_candidate){.logit = (double)logit, .id = id};
    }
    set->n = kept;
    sk_candidates_rank(set);
    return kept ? SKALD_OK
                : sk_fail(error, SKALD_E_NUMERIC, "the host's sampler leaves logits of -inf only");
}

/* Runs the logit bias and the steps; the candidates are not empty. */
static int32_t sampler_run(const sk_pick *pick, sk_candidates *set, sk_error *error)
{
    const sk_sampler_params *p = pick->params;
    const uint8_t *steps = p->n_steps ? p->steps : steps_usual;
    uint64_t n = p->n_steps ? p->n_steps : sizeof steps_usual;
    sk_chain_bias(pick, set);
    if (set->n == 0)
        return sk_fail(error, SKALD_E_OPTION, "logit_bias leaves no token to choose");
    if (p->mirostat) {
        steps = steps_mirostat;
        n = sizeof steps_mirostat;
    }
    for (uint64_t i = 0; i < n; i++)
        sk_chain_step_of(steps[i])->apply(pick, set);
    return SKALD_OK;
}

/* ---- Log-probabilities ---------------------------------------------------------------------- */

/* Keeps those of the best of a set, which is in the spare and is ranked; entry 0 waits. */
static void probs_keep(sk_sampler *s, bool after, sk_candidates *set)
{
    sampler_probs *out = &s->probs[after];
    double best = sk_candidates_best(set)->logit, total = sk_log(sk_candidates_weigh(set));
    uint64_t n = (uint64_t)s->params.n_probs < set->n ? (uint64_t)s->params.n_probs : set->n;
    if (n < set->n)
        sk_candidates_keep_best(set, n);
    else
        sk_candidates_rank(set);
    for (uint64_t i = 0; i < n; i++) {
        out->ids[i + 1] = set->items[i].id;
        out->logs[i + 1] = (float)(set->items[i].logit - best - total);
    }
    out->n = n + 1;
    out->logs[0] = (float)(best + total); /* what to subtract: see probs_choose */
}

/* The model's own distribution, over all tokens. */
static void probs_before(sk_sampler *s, const float *logits)
{
    uint64_t n = 0;
    for (uint64_t id = 0; id < s->n_vocab; id++)
        if (logits[id] > -INFINITY)
            s->spare[n++] = (sk_candidate){.logit = (double)logits[id], .id = (int32_t)id};
    probs_keep(s, false, &(sk_candidates){.items = s->spare, .n = n});
}

static void probs_after(sk_sampler *s, const sk_candidates *set)
{
    memcpy(s->spare, set->items, (size_t)set->n * sizeof *s->spare);
    probs_keep(s, true, &(sk_candidates){.items = s->spare, .n = set->n});
}

static void probs_choose(sk_sampler *s, bool after, int32_t token, double logit)
{
    sampler_probs *out = &s->probs[after];
    out->ids[0] = token;
    out->logs[0] = (float)(logit - (double)out->logs[0]);
    for (uint64_t i = 1; i < out->n; i++) /* the same number where it is among the best */
        if (out->ids[i] == token)
            out->logs[0] = out->logs[i];
}

uint64_t sk_sampler_probs(const sk_sampler *s, bool after, const int32_t **ids, const float **logs)
{
    bool any = s->probs && s->params.n_probs > 0;
    *ids = any ? s->probs[after].ids : NULL;
    *logs = any ? s->probs[after].logs : NULL;
    return any ? s->probs[after].n : 0;
}

void sk_sampler_probs_forced(sk_sampler *s, int32_t token)
{
    if (!s->probs)
        return;
    s->probs[0].n = 0; /* the model was not asked */
    s->probs[1].n = 1;
    s->probs[1].ids[0] = token;
    s->probs[1].logs[0] = 0;
}

/* ---- A pick --------------------------------------------------------------------------------- */

/* The logit that the steps left to the token drawn; adaptive-p puts others in their place. */
static double sampler_logit(const sk_pick *pick, const sk_candidates *set, int32_t token)
{
    const sk_sampler_params *p = pick->params;
    if (!p->mirostat && p->adaptive && p->adaptive_target >= 0)
        return pick->scratch[token];
    for (uint64_t i = 0; i < set->n; i++)
        if (set->items[i].id == token)
            return set->items[i].logit;
    return -INFINITY;
}

int32_t sk_sampler_pick(sk_sampler *s, const float *logits, const int32_t *history,
                        uint64_t n_history, uint64_t position, const uint32_t *banned,
                        int32_t *token, sk_error *error)
{
    *token = -1;
    const sk_pick pick = {
        .params = &s->params,
        .history = history,
        .n_history = n_history,
        .position = position,
        .n_vocab = s->n_vocab,
        .count = s->count,
        .scratch = s->scratch,
        .banned = banned,
        .barred = s->barred,
        .state = &s->state,
    };
    sk_candidates set;
    int32_t status = sampler_fill(s, &set, logits, banned, error);
    if (status < 0)
        return status;
    if (set.n == 0)
        return sampler_none(s, logits, banned, error);
    bool keeps_probs = s->probs && s->params.n_probs > 0;
    status = sampler_run(&pick, &set, error);
    if (status == SKALD_OK && s->params.host)
        status = sampler_ask_host(s, &set, error);
    if (status < 0)
        return status;
    if (keeps_probs)
        probs_after(s, &set);
    *token = sk_chain_draw(&pick, &set);
    if (keeps_probs) {
        probs_choose(s, true, *token, sampler_logit(&pick, &set, *token));
        probs_before(s, logits);
        probs_choose(s, false, *token, (double)logits[*token]);
    }
    return status;
}
