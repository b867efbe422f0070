/* SPDX-License-Identifier: MIT */
/*
 * The sampler against the reference's definitions written plainly, with whole sorts and no heaps.
 * Both share only exp, log and the random numbers.
 */
#include "base/portable.h"

#include "heap.h"
#include "sample/philox.h"
#include "sample/sampler.h"
#include "tensor/math.h"

#include <float.h>
#include <math.h>

/* ---- The plain definition ------------------------------------------------------------------- */

enum { MAX_VOCAB = 2000 };

typedef struct plain_token {
    double logit;
    int32_t id;
} plain_token;

typedef struct plain_list {
    plain_token at[MAX_VOCAB];
    size_t n;
} plain_list;

typedef struct plain_input {
    sk_sampler_params params;
    float logits[MAX_VOCAB];
    size_t n_vocab;
    int32_t history[300];
    size_t n_history;
    uint64_t position;
    bool banned[MAX_VOCAB];
} plain_input;

static int plain_order(const void *a, const void *b)
{
    const plain_token *x = a, *y = b;
    if (x->logit != y->logit)
        return x->logit > y->logit ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static double plain_max(const plain_list *l)
{
    double max = l->at[0].logit;
    for (size_t i = 1; i < l->n; i++)
        max = l->at[i].logit > max ? l->at[i].logit : max;
    return max;
}

static double plain_weight(double logit, double max)
{
    return logit - max < -64 ? 0 : (double)sk_expf((float)(logit - max));
}

static double plain_total(const plain_list *l)
{
    double max = plain_max(l), total = 0;
    for (size_t i = 0; i < l->n; i++)
        total += plain_weight(l->at[i].logit, max);
    return total;
}

static void plain_bias(plain_list *l, const plain_input *in)
{
    for (size_t i = 0; i < l->n; i++) {
        for (uint64_t b = 0; b < in->params.n_bias; b++)
            if (in->params.bias[b].id == l->at[i].id)
                l->at[i].logit += (double)in->params.bias[b].bias;
        if (in->banned[i])
            l->at[i].logit = -INFINITY;
    }
}

static void plain_drop(plain_list *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].logit > -INFINITY)
            l->at[n++] = l->at[i];
    l->n = n;
}

static void plain_penalties(plain_list *l, const plain_input *in)
{
    const sk_sampler_params *p = &in->params;
    for (size_t i = 0; i < l->n; i++) {
        int c = 0;
        for (size_t h = 0; h < in->n_history; h++)
            if ((int64_t)(in->n_history - h) <= p->penalty_last_n && in->history[h] == l->at[i].id)
                c++;
        if (c == 0)
            continue;
        if (l->at[i].logit <= 0)
            l->at[i].logit *= p->repeat_penalty;
        else
            l->at[i].logit /= p->repeat_penalty;
        l->at[i].logit -= c * p->frequency_penalty + (c > 0) * p->presence_penalty;
    }
}

static void plain_truncate(plain_list *l, const plain_input *in)
{
    const sk_sampler_params *p = &in->params;
    if (p->top_k > 0 && p->top_k < (int64_t)l->n) {
        qsort(l->at, l->n, sizeof *l->at, plain_order);
        l->n = (size_t)p->top_k;
    }
    if (p->top_p < 1) {
        double total = plain_total(l), max = plain_max(l), sum = 0;
        qsort(l->at, l->n, sizeof *l->at, plain_order);
        size_t n = 0;
        while (n < l->n && (n == 0 || sum < p->top_p * total))
            sum += plain_weight(l->at[n++].logit, max);
        l->n = n;
    }
    if (p->min_p > 0) {
        double floor = plain_max(l) + sk_log(p->min_p);
        size_t n = 0;
        for (size_t i = 0; i < l->n; i++)
            if (l->at[i].logit >= floor)
                l->at[n++] = l->at[i];
        l->n = n;
    }
}

/* The candidates that are left, with their logits. */
static void plain_chain(plain_list *l, const plain_input *in)
{
    l->n = in->n_vocab;
    for (size_t i = 0; i < l->n; i++)
        l->at[i] = (plain_token){(double)in->logits[i], (int32_t)i};
    plain_bias(l, in);
    plain_drop(l);
    if (l->n == 0)
        return;
    plain_penalties(l, in);
    plain_truncate(l, in);
    if (in->params.temperature <= 0) {
        qsort(l->at, l->n, sizeof *l->at, plain_order);
        l->n = 1;
    }
    for (size_t i = 0; i < l->n && in->params.temperature > 0; i++)
        l->at[i].logit /= in->params.temperature;
}

static int32_t plain_pick(const plain_input *in)
{
    static plain_list l;
    plain_chain(&l, in);
    double wanted =
        sk_random_u01((uint64_t)in->params.seed, in->position, SK_DRAW_DIST) * plain_total(&l);
    double max = plain_max(&l), sum = 0;
    for (size_t i = 0; i < l.n; i++)
        if ((sum += plain_weight(l.at[i].logit, max)) > wanted)
            return l.at[i].id;
    return -1;
}

/* ---- Help ----------------------------------------------------------------------------------- */

static sk_error error;
static test_memory memory;
static sk_heap heap;

static sk_sampler *sampler_new(size_t n_vocab)
{
    sk_sampler *s;
    CHECK_INT(sk_sampler_new(&s, test_heap(&heap, &memory, -1), n_vocab, &error), SKALD_OK);
    return s;
}

static void sampler_end(sk_sampler *s)
{
    sk_sampler_free(s);
    CHECK_INT(memory.live, 0);
}

static const sk_sampler_params plain_params = {
    .temperature = 1, .top_p = 1, .repeat_penalty = 1, .seed = 1};

/* Sets, and picks with no history at a position. */
static int32_t pick(sk_sampler *s, const sk_sampler_params *p, const float *logits,
                    uint64_t position)
{
    int32_t token = -7;
    CHECKF(sk_sampler_set(s, p, &error) == SKALD_OK, "%.200s", error.text);
    int32_t status = sk_sampler_pick(s, logits, NULL, 0, position, NULL, &token, &error);
    CHECKF(status == SKALD_OK, "%.200s", error.text);
    return token;
}

static double uniform(uint64_t *random)
{
    return (double)(test_random(random) >> 11) * 0x1p-53;
}

/* ---- Against the plain definition ----------------------------------------------------------- */

static double one_of(uint64_t *random, const double *values, size_t n)
{
    return values[test_random(random) % n];
}

#define ONE_OF(random, ...) \
    one_of(random, (const double[]){__VA_ARGS__}, \
           sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void random_logits(plain_input *in, uint64_t *random)
{
    double spread = ONE_OF(random, 0, 1, 5, 30, 1e30);
    bool ties = test_random(random) % 3 == 0;
    for (size_t i = 0; i < in->n_vocab; i++) {
        double x = (uniform(random) + uniform(random) + uniform(random) - 1.5) * spread;
        in->logits[i] = (float)(ties && spread < 100 ? rint(x) : x);
        if (test_random(random) % 50 == 0)
            in->logits[i] = test_random(random) % 2 ? -0.0f : -INFINITY;
    }
    in->logits[test_random(random) % in->n_vocab] = 1;
}

static void random_params(plain_input *in, sk_bias *bias, uint64_t *random)
{
    double n = (double)in->n_vocab;
    in->params = (sk_sampler_params){
        .temperature = ONE_OF(random, 0, 0.1, 0.8, 1, 3, 1e30, 1e-20),
        .top_p = ONE_OF(random, 0, 0.3, 0.95, 0.999999999, 1, 1),
        .min_p = ONE_OF(random, 0, 0, 0.05, 1e-300, 0.5, 1),
        .repeat_penalty = ONE_OF(random, 1, 1, 1.3, 0.7, 100),
        .presence_penalty = ONE_OF(random, 0, 0, 0.5, -2),
        .frequency_penalty = ONE_OF(random, 0, 0, 0.25, -0.5),
        .top_k = (int64_t)ONE_OF(random, 0, 0, 1, 2, 40, n - 1, n, n + 5, -1),
        .penalty_last_n = (int64_t)ONE_OF(random, -1, 0, 1, 64, 1000),
        .seed = (int64_t)test_random(random),
        .bias = bias,
    };
    for (size_t i = 0; i < in->n_vocab && in->params.n_bias < 20; i++)
        if (test_random(random) % 30 == 0 && i != 3)
            bias[in->params.n_bias++] =
                (sk_bias){(int32_t)i, (float)ONE_OF(random, -INFINITY, -1, 0.5, 8, 3e38)};
}

static void random_rest(plain_input *in, uint32_t *bits, uint64_t *random)
{
    in->n_history = test_random(random) % 300;
    for (size_t i = 0; i < in->n_history; i++)
        in->history[i] = (int32_t)(test_random(random) % (in->n_vocab + 2)) - 1;
    in->position = in->n_history;
    memset(bits, 0, (in->n_vocab + 31) / 32 * sizeof *bits);
    for (size_t i = 0; i < in->n_vocab; i++) {
        in->banned[i] = test_random(random) % 20 == 0;
        bits[i / 32] |= (uint32_t)in->banned[i] << i % 32;
    }
}

static void check_plain(void)
{
    static plain_input in;
    static uint32_t bits[MAX_VOCAB / 32 + 1];
    sk_bias bias[20];
    uint64_t random = 11;
    for (int i = 0; i < 3000; i++) {
        in.n_vocab = 1 + (size_t)(test_random(&random) % (i % 10 ? 120 : MAX_VOCAB));
        random_logits(&in, &random);
        random_params(&in, bias, &random);
        random_rest(&in, bits, &random);
        static plain_list l;
        plain_chain(&l, &in);
        if (l.n == 0)
            continue;
        int32_t wanted = plain_pick(&in), token;
        sk_sampler *s = sampler_new(in.n_vocab);
        CHECKF(sk_sampler_set(s, &in.params, &error) == SKALD_OK, "%.200s", error.text);
        for (int again = 0; again < 2; again++) {
            int32_t status = sk_sampler_pick(s, in.logits, in.history, in.n_history, in.position,
                                             bits, &token, &error);
            CHECKF(status == SKALD_OK && token == wanted, "case %d: %d %d, wanted %d", i,
                   (int)status, (int)token, (int)wanted);
        }
        sampler_end(s);
    }
}

/* ---- Each sampler, by hand ------------------------------------------------------------------ */

/* Which of up to 32 tokens are ever chosen in 3000 draws, as bits. */
static uint32_t support(sk_sampler *s, const sk_sampler_params *p, const float *logits)
{
    uint32_t seen = 0;
    for (uint64_t i = 0; i < 3000; i++)
        seen |= (uint32_t)1 << pick(s, p, logits, i);
    return seen;
}

static void check_truncation(void)
{
    /* Probabilities 0.3 0.1 0.1 0.2 0.3, so ranks 0 4 3 1 2. */
    float logits[5];
    const double p[5] = {0.3, 0.1, 0.1, 0.2, 0.3};
    for (int i = 0; i < 5; i++)
        logits[i] = (float)log(p[i]) + 3;
    logits[4] = logits[0];
    logits[2] = logits[1];
    sk_sampler *s = sampler_new(5);
    const struct {
        int64_t top_k;
        double top_p, min_p;
        uint32_t wanted;
    } rows[] = {
        {0, 1, 0, 0x1f},      {1, 1, 0, 0x01},   {2, 1, 0, 0x11},    {3, 1, 0, 0x19},
        {4, 1, 0, 0x1b},      {5, 1, 0, 0x1f},   {0, 0, 0, 0x01},    {0, 0.29, 0, 0x01},
        {0, 0.31, 0, 0x11},   {0, 0.7, 0, 0x19}, {0, 0.85, 0, 0x1b}, {0, 0.95, 0, 0x1f},
        {2, 0.49, 0, 0x01},   {0, 1, 1, 0x11},   {0, 1, 0.6, 0x19},  {0, 1, 0.3, 0x1f},
        {0, 0.85, 0.6, 0x19},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sk_sampler_params params = plain_params;
        params.top_k = rows[i].top_k;
        params.top_p = rows[i].top_p;
        params.min_p = rows[i].min_p;
        uint32_t found = support(s, &params, logits);
        CHECKF(found == rows[i].wanted, "row %zu chooses %x, wanted %x", i, (unsigned)found,
               (unsigned)rows[i].wanted);
        params.temperature = 1e6; /* comes last: does not change what is kept */
        CHECKF(support(s, &params, logits) == rows[i].wanted, "row %zu, hot", i);
    }
    sampler_end(s);
    const float equal[4] = {2, 2, 2, 2}; /* exactly p is enough */
    sk_sampler_params params = plain_params;
    s = sampler_new(4);
    params.top_p = 0.5;
    CHECK_INT(support(s, &params, equal), 3);
    sampler_end(s);
}

static void check_greedy(void)
{
    const float ties[6] = {-1, 2, 0, 2, 2, 1};
    const float zeros[3] = {-0.0f, 0.0f, -0.0f};
    sk_sampler *s = sampler_new(6);
    int32_t token;
    CHECK_INT(sk_sampler_pick(s, ties, NULL, 0, 0, NULL, &token, &error), SKALD_OK);
    CHECK_INT(token, 1); /* as it was made */
    sk_sampler_params params = plain_params;
    params.temperature = 0;
    CHECK_INT(support(s, &params, ties), 1 << 1);
    params.top_p = 0.5;
    CHECK_INT(support(s, &params, ties), 1 << 1);
    params.temperature = 1e-300;
    CHECK_INT(support(s, &params, ties), 1 << 1);
    params = plain_params;
    params.temperature = 1e-29; /* not 0: ties are drawn among, but nothing else */
    CHECK_INT(support(s, &params, ties), 1 << 1 | 1 << 3 | 1 << 4);
    sampler_end(s);
    s = sampler_new(3);
    params.temperature = 0;
    CHECK_INT(pick(s, &params, zeros, 0), 0); /* the two zeros tie */
    sampler_end(s);
    const float extremes[4] = {-FLT_MAX, FLT_MAX, 0, -INFINITY};
    s = sampler_new(4);
    params.temperature = 1e-30;
    CHECK_INT(support(s, &params, extremes), 1 << 1);
    params.temperature = 1e30;
    CHECK_INT(support(s, &params, extremes), 1 << 1);
    sampler_end(s);
}

/* Penalties as the reference defines them, seen through the arg-max. */
static void check_penalties(void)
{
    const float logits[4] = {2.0f, 1.8f, -0.5f, 1.2f};
    const int32_t history[6] = {3, 0, 0, 0, 1, -1};
    sk_sampler *s = sampler_new(4);
    const struct {
        double repeat, presence, frequency;
        int64_t last_n;
        int32_t wanted;
    } rows[] = {
        {1, 0, 0, 64, 0},   {1.2, 0, 0, 64, 0}, {1.2, 0, 0, 2, 0},  {0.9, 0, 0, 2, 0},
        {0.85, 0, 0, 2, 1}, {1, 0, 0.1, 64, 0}, {1, 0, 0.4, 64, 1}, {1, 0, 1, 64, 1},
        {1, 1.0, 0, 5, 3},  {1, 1.0, 0, 64, 0}, {1, 0.5, 0, 2, 0},  {1, 0.5, 0, 0, 0},
        {1, 0.5, 0, -1, 0}, {100, 0, 0, 64, 0}, {1, 3, 0, 64, 2},   {1, -9, 0, 2, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sk_sampler_params params = plain_params;
        int32_t token;
        params.temperature = 0;
        params.repeat_penalty = rows[i].repeat;
        params.presence_penalty = rows[i].presence;
        params.frequency_penalty = rows[i].frequency;
        params.penalty_last_n = rows[i].last_n;
        CHECK_INT(sk_sampler_set(s, &params, &error), SKALD_OK);
        CHECK_INT(sk_sampler_pick(s, logits, history, 6, 6, NULL, &token, &error), SKALD_OK);
        CHECKF(token == rows[i].wanted, "row %zu chooses %d, wanted %d", i, (int)token,
               (int)rows[i].wanted);
    }
    sampler_end(s);
}

/* ---- Bans ----------------------------------------------------------------------------------- */

static int32_t pick_banned(sk_sampler *s, const float *logits, const uint32_t *banned,
                           int32_t *token)
{
    memset(&error, 0, sizeof error);
    return sk_sampler_pick(s, logits, NULL, 0, 0, banned, token, &error);
}

static void check_bans(void)
{
    float logits[70];
    for (int i = 0; i < 70; i++)
        logits[i] = (float)i;
    sk_sampler *s = sampler_new(70);
    const int32_t ends[2] = {69, 64}, suppressed[1] = {68}, outside[2] = {1, 70};
    const sk_bias bias[3] = {{5, 100}, {66, -INFINITY}, {67, -INFINITY}};
    const uint32_t banned[3] = {0, 0, 3u << (65 - 64)};
    sk_sampler_params params = plain_params;
    int32_t token;
    params.temperature = 0;
    CHECK_INT(pick(s, &params, logits, 0), 69);
    CHECK_INT(sk_sampler_set_vocab(s, ends, 2, suppressed, 1, &error), SKALD_OK);
    CHECK_INT(pick(s, &params, logits, 0), 69);
    params.ignore_eos = true;
    CHECK_INT(pick(s, &params, logits, 0), 67);
    params.bias = bias;
    params.n_bias = 3;
    CHECK_INT(pick(s, &params, logits, 0), 5);
    params.bias = bias + 1;
    params.n_bias = 2;
    CHECK_INT(pick(s, &params, logits, 0), 65);
    CHECK_INT(pick_banned(s, logits, banned, &token), SKALD_OK);
    CHECK_INT(token, 63);
    params.ignore_eos = false;
    CHECK_INT(pick(s, &params, logits, 0), 69);
    CHECK_INT(sk_sampler_set_vocab(s, outside, 2, NULL, 0, &error), SKALD_E_ARGUMENT);
    CHECK_INT(sk_sampler_set_vocab(s, NULL, 0, outside, 2, &error), SKALD_E_ARGUMENT);
    CHECK(strstr(error.text, "70"));
    params.ignore_eos = true;
    params.n_bias = 0;
    CHECK_INT(pick(s, &params, logits, 0), 67);
    CHECK_INT(sk_sampler_set_vocab(s, NULL, 0, NULL, 0, &error), SKALD_OK);
    CHECK_INT(pick(s, &params, logits, 0), 69);
    sampler_end(s);
}

static void check_refused_logits(void)
{
    sk_sampler *s = sampler_new(3);
    const float nan_one[3] = {0, NAN, 1}, inf_one[3] = {0, 1, INFINITY};
    const float none[3] = {-INFINITY, -INFINITY, -INFINITY}, good[3] = {-INFINITY, 1, 2};
    const uint32_t banned = 6, all_banned = 7;
    const sk_bias bias[2] = {{1, -INFINITY}, {2, -INFINITY}};
    const int32_t ends[2] = {1, 2};
    sk_sampler_params params = plain_params;
    int32_t token;
    CHECK_INT(sk_sampler_set(s, &params, &error), SKALD_OK);
    CHECK_INT(pick_banned(s, nan_one, NULL, &token), SKALD_E_NUMERIC);
    CHECK(token == -1 && strstr(error.text, "token 1 is nan"));
    CHECK_INT(pick_banned(s, nan_one, &all_banned, &token), SKALD_E_NUMERIC);
    CHECK_INT(pick_banned(s, inf_one, NULL, &token), SKALD_E_NUMERIC);
    CHECK(strstr(error.text, "token 2 is inf"));
    CHECK_INT(pick_banned(s, none, NULL, &token), SKALD_E_NUMERIC);
    CHECK_INT(pick_banned(s, none, &banned, &token), SKALD_E_NUMERIC);
    CHECK_INT(pick_banned(s, good, &banned, &token), SKALD_E_GRAMMAR);
    params.bias = bias;
    params.n_bias = 2;
    CHECK_INT(sk_sampler_set(s, &params, &error), SKALD_OK);
    CHECK_INT(pick_banned(s, good, NULL, &token), SKALD_E_OPTION);
    CHECK(strstr(error.text, "logit_bias"));
    params.n_bias = 0;
    params.ignore_eos = true;
    CHECK_INT(sk_sampler_set_vocab(s, ends, 2, NULL, 0, &error), SKALD_OK);
    CHECK_INT(sk_sampler_set(s, &params, &error), SKALD_OK);
    CHECK_INT(pick_banned(s, good, NULL, &token), SKALD_E_OPTION);
    CHECK(strstr(error.text, "ignore_eos"));
    params.ignore_eos = false;
    CHECK_INT(pick(s, &params, good, 0) > 0, 1); /* still usable */
    sampler_end(s);
}

/* ---- Parameters ----------------------------------------------------------------------------- */

static void check_refused_params(void)
{
    sk_sampler *s = sampler_new(3);
    const sk_bias twice[2] = {{1, 0}, {1, 0}}, infinite[1] = {{0, INFINITY}};
    const struct {
        size_t field;
        double good, bad;
        const char *name;
    } rows[] = {
#define FIELD(name) offsetof(sk_sampler_params, name)
        {FIELD(temperature), 0, -1, "temperature"},
        {FIELD(temperature), 1e30, INFINITY, "temperature"},
        {FIELD(temperature), 1, NAN, "temperature"},
        {FIELD(top_p), 0, -0.1, "top_p"},
        {FIELD(top_p), 1, 1.1, "top_p"},
        {FIELD(top_p), 1, NAN, "top_p"},
        {FIELD(min_p), 1, 1.5, "min_p"},
        {FIELD(min_p), 0, NAN, "min_p"},
        {FIELD(repeat_penalty), 0.5, 0, "repeat_penalty"},
        {FIELD(presence_penalty), -3, -INFINITY, "presence_penalty"},
        {FIELD(frequency_penalty), -3, NAN, "frequency_penalty"},
#undef FIELD
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sk_sampler_params params = plain_params;
        memcpy((char *)&params + rows[i].field, &rows[i].good, sizeof(double));
        CHECKF(sk_sampler_set(s, &params, &error) == SKALD_OK, "row %zu", i);
        memcpy((char *)&params + rows[i].field, &rows[i].bad, sizeof(double));
        CHECKF(sk_sampler_set(s, &params, &error) == SKALD_E_OPTION, "row %zu", i);
        CHECKF(strstr(error.text, rows[i].name), "%.200s", error.text);
    }
    sk_sampler_params params = plain_params;
    params.bias = twice;
    params.n_bias = 2;
    CHECK_INT(sk_sampler_set(s, &params, &error), SKALD_E_OPTION);
    params.bias = infinite;
    params.n_bias = 1;
    CHECK_INT(sk_sampler_set(s, &params, &error), SKALD_E_OPTION);
    sampler_end(s);
}

static void check_options(void)
{
    sk_sampler_params p;
    static sk_options options;
    sk_options_init(&options, test_heap(&heap, &memory, -1));
    sk_sampler_read_options(&p, &options);
    CHECK(p.temperature == 0.8 && p.top_k == 40 && p.top_p == 0.95 && p.min_p == 0.05);
    CHECK(p.repeat_penalty == 1 && p.presence_penalty == 0 && p.frequency_penalty == 0);
    CHECK(p.penalty_last_n == 64 && p.seed == 0 && !p.ignore_eos && p.n_bias == 0);
    CHECK_INT(sk_options_parse(&options,
                               "temperature=0.5 top_k=3 top_p=0.25 min_p=0.125 repeat_penalty=1.5 "
                               "presence_penalty=2 frequency_penalty=-3 penalty_last_n=7 seed=-8 "
                               "ignore_eos=1",
                               &error),
              SKALD_OK);
    sk_sampler_read_options(&p, &options);
    CHECK(p.temperature == 0.5 && p.top_k == 3 && p.top_p == 0.25 && p.min_p == 0.125);
    CHECK(p.repeat_penalty == 1.5 && p.presence_penalty == 2 && p.frequency_penalty == -3);
    CHECK(p.penalty_last_n == 7 && p.seed == -8 && p.ignore_eos);
    sk_options_clear(&options);
}

/* ---- Distribution --------------------------------------------------------------------------- */

/* Chi-square of n draws over positions against probabilities. */
static double chi_square(sk_sampler *s, const sk_sampler_params *p, const float *logits,
                         const double *probability, int n_vocab, int n)
{
    int count[16] = {0};
    for (int i = 0; i < n; i++)
        count[pick(s, p, logits, (uint64_t)i)]++;
    double chi = 0;
    for (int i = 0; i < n_vocab; i++) {
        double expected = probability[i] * n;
        if (expected == 0)
            CHECK_INT(count[i], 0);
        else
            chi += (count[i] - expected) * (count[i] - expected) / expected;
    }
    return chi;
}

/* Chi-square above 29.6 with 10 or fewer degrees of freedom has probability 0.001. */
static void check_distribution(void)
{
    enum { N = 11, DRAWS = 20000 };
    float logits[N];
    double p[N], flat[N], cut[N], total = 0, kept = 0;
    sk_sampler *s = sampler_new(N);
    sk_sampler_params params = plain_params;
    for (int i = 0; i < N; i++) {
        logits[i] = (float)(i * 7 % N) * 0.3f - 2;
        total += exp((double)logits[i] / 0.7);
    }
    for (int i = 0; i < N; i++) {
        p[i] = exp((double)logits[i] / 0.7) / total;
        flat[i] = 1.0 / N;
        kept += logits[i] > -0.3f ? p[i] : 0;
    }
    for (int i = 0; i < N; i++)
        cut[i] =
            logits[i] > -0.3f ? p[i] / kept : 0; /* the best 5: logits of 1, 0.7, 0.4, 0.1, -0.2 */
    params.temperature = 0.7;
    for (int64_t seed = -2; seed < 3; seed++) {
        params.seed = seed;
        params.top_k = 0;
        double chi = chi_square(s, &params, logits, p, N, DRAWS);
        CHECKF(chi < 29.6, "seed %d: %g", (int)seed, chi);
        chi = chi_square(s, &params, logits, flat, N, DRAWS);
        CHECKF(chi > 1000, "seed %d against a wrong distribution: %g", (int)seed, chi);
        params.top_k = 5;
        chi = chi_square(s, &params, logits, cut, N, DRAWS);
        CHECKF(chi < 29.6, "seed %d, top_k 5: %g", (int)seed, chi);
    }
    sampler_end(s);
}

/* Another position or seed gives another draw; the same gives the same, whatever came between. */
static void check_determinism(void)
{
    float logits[64] = {0};
    sk_sampler *s = sampler_new(64);
    sk_sampler_params params = plain_params, other = plain_params;
    other.seed = 2;
    other.top_k = 7;
    int32_t first[200];
    int n_same = 0;
    for (uint64_t i = 0; i < 200; i++)
        first[i] = pick(s, &params, logits, i);
    for (uint64_t i = 200; i-- > 0;) {
        pick(s, &other, logits, i);
        CHECK_INT(pick(s, &params, logits, i), first[i]);
        params.seed = 3;
        n_same += pick(s, &params, logits, i) == first[i];
        params.seed = 1;
        n_same += i > 0 && first[i] == first[i - 1];
    }
    CHECKF(n_same < 20, "%d of 400 are the same", n_same);
    /* What a seed means may not change: u of (1, 0), (1, 1), ... times 64. */
    for (uint64_t i = 0; i < 200; i++)
        CHECK_INT(first[i], (int)(sk_random_u01(1, i, SK_DRAW_DIST) * 64));
    sampler_end(s);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static void check_memory(void)
{
    sk_sampler *s;
    int32_t status = SKALD_E_MEMORY;
    int64_t k = 0;
    for (; status == SKALD_E_MEMORY && k < 100; k++) {
        status = sk_sampler_new(&s, test_heap(&heap, &memory, k), 1000, &error);
        CHECK((status == SKALD_OK) == (s != NULL));
        sk_sampler_free(s);
        CHECK_INT(memory.live, 0);
    }
    CHECK_INT(status, SKALD_OK);
    CHECK(k > 3);
    CHECK_INT(sk_sampler_new(&s, &heap, 0, &error), SKALD_E_ARGUMENT);
    CHECK_INT(sk_sampler_new(&s, &heap, (uint64_t)1 << 31, &error), SKALD_E_ARGUMENT);
    CHECK(s == NULL);
    sk_sampler_free(NULL);

    float logits[100] = {0};
    const int32_t history[3] = {1, 2, 3};
    s = sampler_new(100);
    int64_t calls = memory.calls;
    sk_sampler_params params = plain_params;
    params.repeat_penalty = 1.1;
    params.penalty_last_n = 64;
    params.top_p = 0.5;
    int32_t token;
    CHECK_INT(sk_sampler_set(s, &params, &error), SKALD_OK);
    CHECK_INT(sk_sampler_pick(s, logits, history, 3, 3, NULL, &token, &error), SKALD_OK);
    CHECK_INT(memory.calls, calls);
    sampler_end(s);
}

int main(void)
{
    check_truncation();
    check_greedy();
    check_penalties();
    check_bans();
    check_refused_logits();
    check_refused_params();
    check_options();
    check_distribution();
    check_determinism();
    check_memory();
    check_plain();
    return test_end();
}
