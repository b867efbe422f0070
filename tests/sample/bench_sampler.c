/* SPDX-License-Identifier: MIT */
/* Not a test: prints what a pick costs, by sampler, on 150,000 logits of a plausible shape. */
#include "test.h"
#include "sample/sampler.h"

#include <math.h>
#include <time.h>

enum { N_VOCAB = 150000, ROUNDS = 101, ROWS = 4 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static float logits[ROWS][N_VOCAB];
static int32_t history[64];

static void measure(const char *name, const sk_sampler_params *params)
{
    static double times[ROUNDS];
    sk_heap heap;
    sk_sampler *s;
    sk_error error = {0};
    sk_heap_init(&heap, NULL, 0, NULL);
    CHECK(sk_sampler_new(&s, &heap, N_VOCAB, &error) == SKALD_OK);
    CHECKF(sk_sampler_set(s, params, &error) == SKALD_OK, "%s", error.text);
    for (int i = 0; i < ROUNDS; i++) {
        int32_t token;
        double start = now_us();
        CHECK(sk_sampler_pick(s, logits[i % ROWS], history, 64, (uint64_t)i, NULL, &token,
                              &error) == 0);
        times[i] = now_us() - start;
    }
    qsort(times, ROUNDS, sizeof *times, by_size);
    printf("%-14s %7.1f us\n", name, times[ROUNDS / 2]);
    sk_sampler_free(s);
}

int main(void)
{
    uint64_t seed = 3;
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < N_VOCAB; i++) {
            double u = (double)((test_random(&seed) >> 11) + 1) * 0x1p-53;
            double v = (double)(test_random(&seed) >> 11) * 0x1p-53;
            logits[r][i] = (float)(2.2 * sqrt(-2 * log(u)) * cos(6.283185307 * v));
        }
    for (int i = 0; i < 64; i++)
        history[i] = (int32_t)(test_random(&seed) % N_VOCAB);
    const sk_sampler_params usual = {.temperature = 0.8,
                                     .top_p = 0.95,
                                     .min_p = 0.05,
                                     .repeat_penalty = 1,
                                     .top_k = 40,
                                     .seed = 1};
    sk_sampler_params p = usual;
    measure("default", &p);
    p.repeat_penalty = 1.1;
    p.penalty_last_n = 64;
    measure("penalties", &p);
    p = usual;
    p.top_k = 0;
    measure("no top-k", &p);
    p.top_p = 1;
    p.min_p = 0;
    measure("temperature", &p);
    p.typical_p = 0.9;
    measure("typical", &p);
    p.typical_p = 1;
    p.top_n_sigma = 1;
    measure("top-n-sigma", &p);
    p.top_n_sigma = -1;
    p.mirostat = 2;
    p.mirostat_tau = 5;
    p.mirostat_eta = 0.1;
    measure("mirostat 2", &p);
    p = usual;
    p.temperature = 0;
    measure("greedy", &p);
    return test_end();
}
