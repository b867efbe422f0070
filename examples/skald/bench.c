/* SPDX-License-Identifier: MIT */
/*
 * skald bench: tokens per second. A prompt is evaluated at once; decoding goes token by token, the
 * greedy sampler included, behind one evaluated token. One round that is not counted comes first;
 * the median of the others is the figure, (slowest - fastest) / median its spread.
 */
#include "args.h"
#include "json.h"

#include <stdlib.h>

#define BENCH_ROUNDS 1000

typedef struct bench_values {
    int64_t n_prompt, n_decode, n_round, n_depth;
    bool json;
} bench_values;

typedef struct bench_result {
    const char *name;
    int64_t n_token;
    double rate[BENCH_ROUNDS]; /* tokens per second, sorted at the end */
} bench_result;

static const args_option bench_options[] = {
    ARGS_INT_AT('p', "prompt", "N", bench_values, n_prompt, 0,
                "tokens in the prompt (512; 0: none)"),
    ARGS_INT_AT('n', "decode", "N", bench_values, n_decode, 0, "tokens to decode (64; 0: none)"),
    ARGS_INT_AT('d', "depth", "N", bench_values, n_depth, 0, "tokens in the context before (0)"),
    ARGS_INT_AT('r', "rounds", "N", bench_values, n_round, 1, "rounds that count (5)"),
    ARGS_FLAG_AT(0, "json", bench_values, json, "print JSON"),
    ARGS_END};

/* Appends `n` arbitrary tokens, the same in every run. */
static int append_noise(tool *t, int64_t n)
{
    uint64_t state = 0x9E3779B97F4A7C15u, n_vocab = (uint64_t)tool_model_int(t, "n_vocab");
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        int32_t id = (int32_t)((state >> 33) % n_vocab);
        int32_t status = skald_append_tokens(t->ctx, &id, 1);
        if (status < 0)
            return tool_status(t, status, skald_context_message(t->ctx));
    }
    return EXIT_DONE;
}

/* Begins anew with `n` evaluated tokens, generating nothing. */
static int prepare(tool *t, int64_t n)
{
    skald_truncate(t->ctx, 0);
    skald_context_set_int(t->ctx, "n_predict", 0);
    int code = append_noise(t, n);
    return code == EXIT_DONE && n > 0 ? tool_evaluate(t) : code;
}

static int time_prompt(tool *t, const bench_values *v, double *seconds)
{
    int code = prepare(t, v->n_depth);
    if (code == EXIT_DONE)
        code = append_noise(t, v->n_prompt);
    if (code != EXIT_DONE)
        return code;
    double start = tool_seconds();
    code = tool_evaluate(t);
    *seconds = tool_seconds() - start;
    return code;
}

static int time_decode(tool *t, const bench_values *v, double *seconds)
{
    int code = prepare(t, v->n_depth + 1);
    if (code != EXIT_DONE)
        return code;
    skald_context_set_int(t->ctx, "n_predict", v->n_decode);
    double start = tool_seconds();
    int32_t status;
    int64_t n = 0;
    while ((status = skald_step(t->ctx, -1)) == SKALD_TOKEN)
        n++;
    *seconds = tool_seconds() - start;
    if (status < 0)
        return tool_status(t, status, skald_context_message(t->ctx));
    if (n != v->n_decode)
        return tool_fail(t, "%lld tokens were generated instead of %lld", (long long)n,
                         (long long)v->n_decode);
    return EXIT_DONE;
}

static int compare_rates(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int measure(tool *t, const bench_values *v, bench_result *r,
                   int (*time)(tool *, const bench_values *, double *))
{
    for (int64_t round = -1; round < v->n_round; round++) {
        term_progress(r->name, (double)(round + 1) / (double)(v->n_round + 1));
        double seconds;
        int code = time(t, v, &seconds);
        if (code != EXIT_DONE)
            return code;
        if (round >= 0)
            r->rate[round] = seconds > 0 ? (double)r->n_token / seconds : 0;
    }
    term_clear();
    qsort(r->rate, (size_t)v->n_round, sizeof *r->rate, compare_rates);
    return EXIT_DONE;
}

static double median(const bench_result *r, int64_t n)
{
    return (r->rate[(n - 1) / 2] + r->rate[n / 2]) / 2;
}

static double spread(const bench_result *r, int64_t n)
{
    double middle = median(r, n);
    return middle > 0 ? (r->rate[n - 1] - r->rate[0]) / middle : 0;
}

static void print_table(const bench_values *v, const bench_result *r, int n)
{
    printf("%-8s %7s %10s %10s %10s %7s\n", "test", "tokens", "median/s", "slowest", "fastest",
           "spread");
    for (int i = 0; i < n; i++)
        printf("%-8s %7lld %10.2f %10.2f %10.2f %6.1f%%\n", r[i].name, (long long)r[i].n_token,
               median(&r[i], v->n_round), r[i].rate[0], r[i].rate[v->n_round - 1],
               100 * spread(&r[i], v->n_round));
}

static void print_json(const tool *t, const bench_values *v, const bench_result *r, int n)
{
    json j;
    json_begin(&j, stdout);
    json_open(&j, NULL, '{', true);
    json_string(&j, "model", t->path);
    json_string(&j, "architecture", tool_model_string(t, "architecture"));
    json_int(&j, "n_parameters", tool_model_int(t, "n_parameters"));
    json_int(&j, "tensor_size", tool_model_int(t, "tensor_size"));
    json_int(&j, "n_threads", tool_context_int(t, "n_threads"));
    json_int(&j, "depth", v->n_depth);
    json_int(&j, "rounds", v->n_round);
    json_open(&j, "tests", '[', true);
    for (int i = 0; i < n; i++) {
        json_open(&j, NULL, '{', false);
        json_string(&j, "test", r[i].name);
        json_int(&j, "n_tokens", r[i].n_token);
        json_number(&j, "median", median(&r[i], v->n_round));
        json_number(&j, "slowest", r[i].rate[0]);
        json_number(&j, "fastest", r[i].rate[v->n_round - 1]);
        json_number(&j, "spread", spread(&r[i], v->n_round));
        json_close(&j);
    }
    json_close(&j);
    json_close(&j);
}

static int bench_run(tool *t, const bench_values *v, bench_result *r)
{
    int n = 0, code = tool_load(t);
    int64_t n_ctx = v->n_depth + (v->n_prompt > v->n_decode ? v->n_prompt : v->n_decode) + 2;
    if (code == EXIT_DONE && skald_options_set_int(t->options, "n_ctx", n_ctx) < 0)
        code = tool_fail(t, "%s", skald_options_message(t->options));
    if (code == EXIT_DONE)
        code = tool_context(t);
    if (code == EXIT_DONE && v->n_prompt > 0) {
        r[n].name = "prompt";
        r[n].n_token = v->n_prompt;
        code = measure(t, v, &r[n++], time_prompt);
    }
    if (code == EXIT_DONE && v->n_decode > 0) {
        r[n].name = "decode";
        r[n].n_token = v->n_decode;
        code = measure(t, v, &r[n++], time_decode);
    }
    if (code == EXIT_DONE && v->json)
        print_json(t, v, r, n);
    else if (code == EXIT_DONE)
        print_table(v, r, n);
    return code;
}

static int bench_main(int argc, char **argv)
{
    bench_values v = {.n_prompt = 512, .n_decode = 64, .n_round = 5};
    tool t;
    int code = args_parse(&command_bench, argc, argv, "temperature=0 ignore_eos=1", &v, &t);
    if (code != ARGS_GO)
        return code;
    if (v.n_round > BENCH_ROUNDS || v.n_prompt + v.n_decode == 0)
        return tool_close(
            &t, args_usage(&t, "give at most %d rounds, and something to measure", BENCH_ROUNDS));
    bench_result *r = calloc(2, sizeof *r);
    code = r ? bench_run(&t, &v, r) : tool_fail(&t, "out of memory");
    free(r);
    return tool_close(&t, code);
}

const command command_bench = {
    "bench", "MODEL [-p 512] [-n 64] [-r 5] [options]",
    "Measures tokens per second.\n"
    "A prompt of arbitrary tokens is evaluated, then tokens are decoded greedily, in several\n"
    "rounds; printed are the median and the spread, (fastest - slowest) / median.\n",
    bench_options, bench_main};
