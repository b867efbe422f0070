/* SPDX-License-Identifier: MIT */
/*
 * The further samplers (typical, top-n-sigma, XTC, dynamic temperature, DRY, Mirostat, adaptive-p,
 * orders) against plain definitions with whole sorts and the C library's functions: draw by draw
 * where a random number decides, in frequencies where many do.
 */
#include "heap.h"
#include "sample/chain.h"
#include "sample/philox.h"

#include <math.h>

enum { MANY = 40 };

typedef struct plain {
    double logit[MANY];
    int id[MANY];
    int n, hidden;
} plain;

static sk_error error;
static test_memory memory;
static sk_heap heap;

static void plain_sort(plain *l)
{
    for (int i = 1; i < l->n; i++)
        for (int j = i; j > 0 && (l->logit[j] > l->logit[j - 1] ||
                                  (l->logit[j] == l->logit[j - 1] && l->id[j] < l->id[j - 1]));
             j--) {
            double t = l->logit[j];
            int k = l->id[j];
            l->logit[j] = l->logit[j - 1], l->id[j] = l->id[j - 1];
            l->logit[j - 1] = t, l->id[j - 1] = k;
        }
}

static void plain_softmax(const plain *l, double *p)
{
    double max = l->logit[0], sum = 0;
    for (int i = 1; i < l->n; i++)
        max = l->logit[i] > max ? l->logit[i] : max;
    for (int i = 0; i < l->n; i++)
        sum += p[i] = exp(l->logit[i] - max);
    for (int i = 0; i < l->n; i++)
        p[i] /= sum;
}

static void plain_keep(plain *l, const bool *keep)
{
    int n = 0;
    for (int i = 0; i < l->n; i++)
        if (keep[i])
            l->logit[n] = l->logit[i], l->id[n++] = l->id[i];
    l->n = n;
}

static double plain_entropy(const double *p, int n)
{
    double h = 0;
    for (int i = 0; i < n; i++)
        h -= p[i] > 0 ? p[i] * log(p[i]) : 0;
    return h;
}

static void plain_typical(plain *l, const sk_sampler_params *s)
{
    double p[MANY], far[MANY], sum = 0;
    bool keep[MANY] = {false};
    if (s->typical_p <= 0 || s->typical_p >= 1)
        return;
    plain_sort(l);
    plain_softmax(l, p);
    double h = plain_entropy(p, l->n);
    for (int i = 0; i < l->n; i++)
        far[i] = fabs(-log(p[i]) - h);
    for (int kept = 0; kept < l->n && (kept < 1 || kept < s->min_keep || sum <= s->typical_p);
         kept++) {
        int best = -1;
        for (int i = 0; i < l->n; i++)
            if (!keep[i] && (best < 0 || far[i] < far[best]))
                best = i;
        keep[best] = true;
        sum += p[best];
    }
    plain_keep(l, keep);
    l->hidden = 0; /* they are the furthest */
}

static void plain_sigma(plain *l, const sk_sampler_params *s)
{
    double mean = 0, square = 0, max = -INFINITY;
    bool keep[MANY];
    if (s->top_n_sigma <= 0 || l->n < 2)
        return;
    for (int i = 0; i < l->n; i++)
        mean += l->logit[i] / l->n;
    for (int i = 0; i < l->n; i++) {
        square += (l->logit[i] - mean) * (l->logit[i] - mean) / l->n;
        max = fmax(max, l->logit[i]);
    }
    for (int i = 0; i < l->n; i++)
        keep[i] = l->logit[i] >= max - s->top_n_sigma * sqrt(square);
    int n = l->n;
    plain_keep(l, keep);
    l->hidden += n - l->n;
}

static void plain_top_k(plain *l, const sk_sampler_params *s)
{
    int k = (int)s->top_k;
    if (k <= 0)
        return;
    plain_sort(l);
    k = k > s->min_keep ? k : (int)s->min_keep;
    l->hidden = k > l->n ? (k - l->n < l->hidden ? k - l->n : l->hidden) : 0;
    l->n = l->n < k ? l->n : k;
}

static void plain_xtc(plain *l, const sk_sampler_params *s, uint64_t position)
{
    double p[MANY];
    bool keep[MANY];
    int n = 0;
    if (l->n < 2 || s->xtc_probability <= 0 || s->xtc_threshold > 0.5 ||
        sk_random_u01((uint64_t)s->seed, position, SK_DRAW_XTC) > s->xtc_probability)
        return;
    plain_sort(l);
    plain_softmax(l, p);
    while (n < l->n && p[n] >= s->xtc_threshold)
        n++;
    if (n < 2 || l->n - (n - 1) < (s->min_keep > 1 ? s->min_keep : 1))
        return;
    for (int i = 0; i < l->n; i++)
        keep[i] = i >= n - 1;
    plain_keep(l, keep);
}

static void plain_heat(plain *l, const sk_sampler_params *s)
{
    double t = s->temperature, p[MANY];
    if (s->dynatemp_range > 0) {
        if (l->n + l->hidden < 2)
            return;
        double low = fmax(0, t - s->dynatemp_range), high = t + s->dynatemp_range;
        plain_softmax(l, p);
        t = low + (high - low) *
                      pow(plain_entropy(p, l->n) / log(l->n + l->hidden), s->dynatemp_exponent);
    }
    if (t <= 0) {
        plain_sort(l);
        l->n = 1;
    }
    for (int i = 0; i < l->n && t > 0; i++)
        l->logit[i] /= t;
}

static void plain_step(plain *l, const sk_sampler_params *s, uint8_t step, uint64_t position)
{
    if (step == SK_STEP_TYPICAL)
        plain_typical(l, s);
    if (step == SK_STEP_TOP_N_SIGMA)
        plain_sigma(l, s);
    if (step == SK_STEP_TOP_K)
        plain_top_k(l, s);
    if (step == SK_STEP_XTC)
        plain_xtc(l, s, position);
    if (step == SK_STEP_TEMPERATURE)
        plain_heat(l, s);
}

static double uniform(uint64_t *seed)
{
    return (double)(test_random(seed) >> 11) * 0x1p-53;
}

static int random_logits(uint64_t *seed, float *logits)
{
    int n = 2 + (int)(test_random(seed) % (MANY - 2));
    for (int i = 0; i < n; i++)
        logits[i] = (float)(uniform(seed) * 8 - 4);
    return n;
}

static void random_params(uint64_t *seed, sk_sampler_params *p)
{
    static const uint8_t all[] = {SK_STEP_TYPICAL, SK_STEP_TOP_N_SIGMA, SK_STEP_TOP_K, SK_STEP_XTC,
                                  SK_STEP_TEMPERATURE};
    *p = (sk_sampler_params){.temperature = 0.5 + uniform(seed), .top_p = 1, .repeat_penalty = 1};
    p->seed = (int64_t)test_random(seed);
    p->typical_p = test_random(seed) % 2 ? uniform(seed) : 1;
    p->top_n_sigma = test_random(seed) % 2 ? uniform(seed) * 3 : -1;
    p->top_k = test_random(seed) % 2 ? (int64_t)(test_random(seed) % 20) : 0;
    p->xtc_probability = test_random(seed) % 2 ? uniform(seed) : 0;
    p->xtc_threshold = uniform(seed) * 0.3;
    p->dynatemp_range = test_random(seed) % 2 ? uniform(seed) * 2 : 0;
    p->dynatemp_exponent = 0.5 + uniform(seed) * 2;
    p->min_keep = test_random(seed) % 3 == 0 ? 4 : 0;
    for (size_t i = 0; i < sizeof all; i++) /* a random order of all five */
        for (;;) {
            uint8_t step = all[test_random(seed) % 5];
            if (!memchr(p->steps, step, p->n_steps)) {
                p->steps[p->n_steps++] = step;
                break;
            }
        }
}

/* The token at which the random number falls, candidates in the order in which the chain has them:
 * ties of order do not matter, as only probabilities are compared. */
static void check_chain(void)
{
    uint64_t seed = 17;
    for (int round = 0; round < 120; round++) {
        float logits[MANY];
        int n = random_logits(&seed, logits), count[MANY] = {0};
        double wanted[MANY] = {0};
        sk_sampler_params p;
        sk_sampler *s;
        enum { DRAWS = 6000 };
        random_params(&seed, &p);
        CHECK(sk_sampler_new(&s, test_heap(&heap, &memory, -1), (uint64_t)n, &error) == SKALD_OK);
        CHECKF(sk_sampler_set(s, &p, &error) == SKALD_OK, "%s", error.text);
        for (uint64_t position = 0; position < DRAWS; position++) {
            plain l = {.n = n};
            double probability[MANY];
            int32_t token;
            for (int i = 0; i < n; i++)
                l.logit[i] = (double)logits[i], l.id[i] = i;
            for (uint64_t i = 0; i < p.n_steps; i++)
                plain_step(&l, &p, p.steps[i], position);
            plain_softmax(&l, probability);
            CHECK(sk_sampler_pick(s, logits, NULL, 0, position, NULL, &token, &error) == SKALD_OK);
            count[token]++;
            bool is_left = false;
            for (int i = 0; i < l.n; i++) {
                wanted[l.id[i]] += probability[i];
                is_left |= l.id[i] == token;
            }
            CHECKF(is_left, "round %d, position %d: token %d is not left", round, (int)position,
                   (int)token);
        }
        for (int i = 0; i < n; i++) {
            double q = wanted[i] / DRAWS, sigma = sqrt(q * (1 - q) / DRAWS);
            CHECKF(fabs((double)count[i] / DRAWS - q) < 5 * sigma + 2e-4,
                   "round %d, token %d: %g, wanted %g", round, i, (double)count[i] / DRAWS, q);
        }
        sk_sampler_free(s);
        CHECK_INT(memory.live, 0);
    }
}

/* ---- Mirostat and adaptive-p, draw by draw -------------------------------------------------- */

static int plain_reaching(const double *p, int n, double u)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        if ((sum += p[i]) >= u)
            return i;
    return n - 1;
}

static int plain_mirostat(plain *l, const sk_sampler_params *s, int n_vocab, double *mu, double u)
{
    double p[MANY], products = 0, squares = 0;
    int keep = 1;
    plain_sort(l);
    plain_softmax(l, p);
    if (s->mirostat == 1) {
        for (int i = 0; i < 99 && i + 1 < l->n; i++) {
            double t = log((double)(i + 2) / (double)(i + 1));
            products += t * log(p[i] / p[i + 1]);
            squares += t * t;
        }
        double slope = products / squares, e = slope - 1;
        double k = pow(e * pow(2, *mu) / (1 - pow(n_vocab, -e)), 1 / slope);
        keep = k >= 1 && k < 2147483647.0 ? (k < l->n ? (int)k : l->n) : 1;
    } else {
        while (keep < l->n && -log2(p[keep]) <= *mu)
            keep++;
    }
    l->n = keep;
    plain_softmax(l, p);
    int drawn = l->n == 1 ? 0 : plain_reaching(p, l->n, u);
    *mu -= s->mirostat_eta * (-log2(p[drawn]) - s->mirostat_tau);
    return l->id[drawn];
}

static int plain_adaptive(plain *l, const sk_sampler_params *s, double *ws, double *tw, double u)
{
    double p[MANY], q[MANY];
    plain_softmax(l, p);
    double a = fmin(1, fmax(0, 2 * s->adaptive_target - *ws / *tw));
    for (int i = 0; i < l->n; i++) {
        double d = fabs(p[i] - a) / 0.3;
        l->logit[i] = 5 - 10 * d * d / (1 + d);
    }
    plain_softmax(l, q);
    int drawn = l->n == 1 ? 0 : plain_reaching(q, l->n, u);
    *ws = p[drawn] + s->adaptive_decay * *ws;
    *tw = 1 + s->adaptive_decay * *tw;
    return l->id[drawn];
}

static void check_state(void)
{
    uint64_t seed = 23;
    for (int kind = 0; kind < 3; kind++) {
        sk_sampler_params p = {.temperature = 0.9, .top_p = 1, .repeat_penalty = 1, .seed = kind};
        p.mirostat = kind < 2 ? kind + 1 : 0;
        p.mirostat_tau = 2;
        p.mirostat_eta = 0.1;
        p.adaptive = kind == 2;
        p.adaptive_target = 0.3;
        p.adaptive_decay = 0.9;
        double mu = 2 * p.mirostat_tau, ws = 0.3 / 0.1, tw = 1 / (1 - 0.9);
        sk_sampler *s;
        CHECK(sk_sampler_new(&s, test_heap(&heap, &memory, -1), MANY, &error) == SKALD_OK);
        CHECK(sk_sampler_set(s, &p, &error) == SKALD_OK);
        for (uint64_t position = 0; position < 400; position++) {
            plain l = {.n = MANY};
            float logits[MANY];
            int32_t token;
            for (int i = 0; i < MANY; i++) {
                logits[i] = (float)(uniform(&seed) * 6);
                l.logit[i] = (double)logits[i] / p.temperature, l.id[i] = i;
            }
            double u = sk_random_u01((uint64_t)p.seed, position,
                                     kind < 2 ? SK_DRAW_MIROSTAT : SK_DRAW_ADAPTIVE);
            int wanted = kind < 2 ? plain_mirostat(&l, &p, MANY, &mu, u)
                                  : plain_adaptive(&l, &p, &ws, &tw, u);
            CHECK(sk_sampler_pick(s, logits, NULL, 0, position, NULL, &token, &error) == SKALD_OK);
            CHECKF(token == wanted, "kind %d, position %d: %d, wanted %d", kind, (int)position,
                   (int)token, wanted);
            sk_sampler_state state = sk_sampler_get_state(s);
            CHECKF(kind == 2 ? fabs(state.weight - ws) < 1e-5 && fabs(state.total - tw) < 1e-9
                             : fabs(state.mu - mu) < 1e-4,
                   "kind %d: state %g %g, wanted %g %g", kind, state.mu, state.weight, mu, ws);
        }
        sk_sampler_free(s);
    }
}

/* ---- DRY ------------------------------------------------------------------------------------ */

static const char *const words[] = {"<s>", "</s>", "a",  "b",  "c",   "d", "\n",
                                    ":",   "x:",   "ST", "OP", "yST", "e", "f"};
enum { N_WORDS = sizeof words / sizeof *words };

static sk_vocab *word_vocab(sk_heap *h)
{
    static sk_vocab_text texts[N_WORDS];
    sk_vocab_source source;
    sk_vocab *vocab = NULL;
    sk_vocab_source_init(&source);
    for (size_t i = 0; i < N_WORDS; i++)
        texts[i] = (sk_vocab_text){words[i], strlen(words[i])};
    source.model = (sk_vocab_text){"rwkv", 4};
    source.tokens = texts;
    source.n_tokens = N_WORDS;
    source.special[SK_SPECIAL_EOS] = 1;
    CHECKF(sk_vocab_new(&vocab, h, &source, &error) == SKALD_OK, "%s", error.text);
    return vocab;
}

/* Breakers "\n", ":" and "STOP" by hand: token 6; 7 and 8; 9 or 11 followed by 10. */
static int plain_limit(const int32_t *h, int n_history, int n)
{
    for (int i = 0; i < n; i++) {
        int32_t t = h[n_history - 1 - i];
        if ((t == 9 || t == 11) && i >= 1 && h[n_history - i] == 10)
            return i - 1;
        if (t == 6 || t == 7 || t == 8)
            return i;
    }
    return n;
}

static void plain_dry(double *logits, const sk_sampler_params *p, const int32_t *h, int n_history)
{
    int n = n_history < p->dry_last_n ? n_history : (int)p->dry_last_n, most[N_WORDS];
    if (n <= p->dry_allowed_length)
        return;
    int limit = plain_limit(h, n_history, n);
    for (int i = 0; i < N_WORDS; i++)
        most[i] = -1;
    for (int k = 1; k < n && limit >= p->dry_allowed_length; k++) {
        int r = 0;
        while (k + r < n && h[n_history - 1 - r] == h[n_history - 1 - k - r])
            r++;
        r = r < limit ? r : limit;
        int32_t next = h[n_history - k];
        if (r >= p->dry_allowed_length && r > most[next] && next != 6 && next != 7 && next != 8)
            most[next] = r;
    }
    for (int i = 0; i < N_WORDS; i++)
        if (most[i] >= 0) {
            double e = most[i] - (double)p->dry_allowed_length,
                   cap = floor(88.72 / log(p->dry_base));
            logits[i] -= p->dry_multiplier * pow(p->dry_base, e < cap ? e : cap);
        }
}

static void check_dry(void)
{
    static const char *const breakers[] = {"\n", ":", "STOP", ""};
    uint64_t seed = 31;
    sk_heap h;
    sk_heap_init(&h, NULL, 0, NULL);
    sk_vocab *vocab = word_vocab(&h);
    sk_dry *dry;
    if (!vocab)
        return;
    CHECK(sk_dry_new(&dry, &h, vocab, breakers, 4, 200, &error) == SKALD_OK);
    for (int round = 0; round < 4000; round++) {
        int32_t history[300], count[N_WORDS] = {0};
        int n = (int)(test_random(&seed) % 300), n_changed = 0;
        for (int i = 0; i < n; i++) {
            int from = i > 12 ? i - 1 - (int)(test_random(&seed) % 12) : 0;
            history[i] = test_random(&seed) % 4 && i > 12
                             ? history[from]
                             : (int32_t)(2 + test_random(&seed) % (N_WORDS - 2));
        }
        sk_sampler_params p = {.dry_multiplier = 0.8, .dry_base = 1.75, .dry = dry};
        p.dry_allowed_length = (int64_t)(test_random(&seed) % 4);
        p.dry_last_n = (int64_t)(test_random(&seed) % 200);
        sk_candidate items[N_WORDS];
        double logits[N_WORDS] = {0};
        for (int i = 0; i < N_WORDS; i++)
            items[i] = (sk_candidate){.logit = 0, .id = i};
        sk_candidates set = {.items = items, .n = N_WORDS};
        sk_pick pick = {.params = &p,
                        .history = history,
                        .n_history = (uint64_t)n,
                        .n_vocab = N_WORDS,
                        .count = count};
        sk_chain_dry(&pick, &set);
        plain_dry(logits, &p, history, n);
        for (int i = 0; i < N_WORDS; i++) {
            CHECKF(fabs(items[i].logit - logits[i]) <= 1e-6 * fabs(logits[i]),
                   "round %d, token %s: %g, wanted %g", round, words[i], items[i].logit, logits[i]);
            CHECK_INT(count[i], 0);
            n_changed += logits[i] < 0;
        }
    }
    sk_dry_free(dry);
    sk_vocab_free(vocab);
    CHECK_INT(atomic_load(&h.live), 0);
}

/* ---- Infill ---------------------------------------------------------------------------------- */

/* As the reference describes it, on tokens of one text each. */
static void plain_infill(plain *l, const sk_vocab *vocab)
{
    double p[MANY], ends = 0, text = 0, sum = 0;
    bool keep[MANY], is_end[MANY];
    int n_text = 0;
    plain_sort(l);
    plain_softmax(l, p);
    for (int i = 0; i < l->n; i++) {
        is_end[i] = sk_vocab_is_end(vocab, l->id[i]);
        *(is_end[i] ? &ends : &text) += p[i];
    }
    bool ending = 3 * ends * l->n > text;
    for (int i = 0; i < l->n && !ending; i++)
        for (int k = 0; k < l->n && p[i] > 0; k++) {
            const char *a = words[l->id[i]], *b = words[l->id[k]];
            bool begins = !is_end[i] && strncmp(a, b, strlen(a)) == 0;
            if (k == i || p[k] == 0 || is_end[k] || !begins)
                continue;
            int into = p[k] > p[i] ? k : i, from = p[k] > p[i] ? i : k;
            p[into] += p[from];
            p[from] = 0;
        }
    for (int i = 0; i < l->n; i++) {
        keep[i] = is_end[i] || (!ending && p[i] >= 0.2);
        sum += keep[i] ? p[i] : 0;
        n_text += keep[i] && !is_end[i];
    }
    if (!ending && n_text == 0) {
        l->n = 1;
        l->id[0] = sk_vocab_special(vocab, SK_SPECIAL_EOS);
        return;
    }
    for (int i = 0; i < l->n; i++)
        keep[i] &= is_end[i] || p[i] / sum >= 1.0 / (n_text + 1);
    plain_keep(l, keep);
}

static void check_infill(void)
{
    uint64_t seed = 8;
    int n_ended = 0, n_cut = 0;
    sk_heap h;
    sk_heap_init(&h, NULL, 0, NULL);
    sk_vocab *vocab = word_vocab(&h);
    for (int round = 0; vocab && round < 4000; round++) {
        uint32_t barred[N_WORDS / 32 + 1] = {0};
        sk_sampler_params p = {.vocab = vocab};
        sk_candidate items[N_WORDS];
        sk_candidates set = {.items = items, .n = 0};
        plain l = {.n = 0};
        double spread = 1 + uniform(&seed) * 9;
        for (int i = 0; i < N_WORDS; i++) {
            double logit = uniform(&seed) * spread - (i == 1 ? 6 : 0);
            if (test_random(&seed) % 3 == 0)
                continue;
            items[set.n++] = (sk_candidate){.logit = logit, .id = i};
            l.logit[l.n] = logit, l.id[l.n++] = i;
        }
        if (l.n == 0)
            continue;
        sk_pick pick = {.params = &p, .n_vocab = N_WORDS, .barred = barred};
        sk_chain_infill(&pick, &set);
        plain_infill(&l, vocab);
        CHECKF((int)set.n == l.n, "round %d: %d are left, wanted %d", round, (int)set.n, l.n);
        for (int i = 0; i < l.n && (int)set.n == l.n; i++)
            CHECKF(items[i].id == l.id[i], "round %d: %d is token %d, wanted %d", round, i,
                   (int)items[i].id, l.id[i]);
        n_ended += l.n == 1 && sk_vocab_is_end(vocab, l.id[0]);
        n_cut += l.n < 4 && !sk_vocab_is_end(vocab, l.id[0]);
    }
    CHECKF(n_ended > 100 && n_cut > 100, "%d ended, %d were cut", n_ended, n_cut);
    sk_vocab_free(vocab);
}

/* ---- Orders --------------------------------------------------------------------------------- */

static void check_orders(void)
{
    static const struct {
        const char *text;
        int n; /* -1: refused */
        uint8_t first, last;
        bool adaptive;
    } rows[] = {
        {"", 0, 0, 0, false},
        {"top_k;temperature", 2, SK_STEP_TOP_K, SK_STEP_TEMPERATURE, false},
        {" top-k , typ-p;temp ", 3, SK_STEP_TOP_K, SK_STEP_TEMPERATURE, false},
        {"edskypmxt", 9, SK_STEP_PENALTIES, SK_STEP_TEMPERATURE, false},
        {"kti", 3, SK_STEP_TOP_K, SK_STEP_INFILL, false},
        {"kta", 2, SK_STEP_TOP_K, SK_STEP_TEMPERATURE, true},
        {"adaptive_p", 0, 0, 0, true},
        {"top_k;top_k", -1, 0, 0, false},
        {"top_q", -1, 0, 0, false},
        {"kk", -1, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sk_sampler_params p = {0};
        int32_t status = sk_sampler_read_steps(&p, rows[i].text, &error);
        CHECKF((status == SKALD_OK) == (rows[i].n >= 0), "%s: %d", rows[i].text, (int)status);
        if (rows[i].n < 0 || status < 0)
            continue;
        CHECK_INT(p.n_steps, rows[i].n);
        CHECK(p.adaptive == rows[i].adaptive);
        CHECK(!p.n_steps ||
              (p.steps[0] == rows[i].first && p.steps[p.n_steps - 1] == rows[i].last));
    }
}

int main(void)
{
    check_chain();
    check_state();
    check_dry();
    check_infill();
    check_orders();
    return test_end();
}
