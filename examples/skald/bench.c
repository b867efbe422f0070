/* SPDX-License-Identifier: MIT */
/*
 * skald bench: tokens per second, and how near that is to what the machine can do. A prompt is
 * evaluated at once; decoding goes token by token, the greedy sampler included, behind one
 * evaluated token. One round that is not counted comes first; the median of the others is the
 * figure, (slowest
 * - fastest) / median its spread.
 *
 * The limit is taken anew before each round, since it changes with what else the machine does: for
 * decoding the time in which the weights could be read, for a prompt that of its multiply-adds in
 * registers. With --against, each round times both libraries, one after the other and in turns
 * first.
 */
#include "args.h"
#include "bench.h"
#include "json.h"
#include "limits.h"

#include <stdlib.h>

#define BENCH_ROUNDS 1000
#define BENCH_TESTS 6

typedef struct bench_result {
    const char *name;
    bench_timing *time;
    int64_t n_token;            /* per round */
    double n_read;              /* how often the weights are read, or 0 */
    double int8, fp32;          /* multiply-adds, when n_read is 0 */
    double rate[BENCH_ROUNDS];  /* tokens per second */
    double share[BENCH_ROUNDS]; /* the limit's time / the time it took */
    double ratio[BENCH_ROUNDS]; /* the other library's time / ours; all sorted at the end */
} bench_result;

typedef struct bench {
    tool *tool;
    const bench_values *v;
    bench_side own, other;
    bench_cost cost;
    limits_memory memory;
    int64_t n_thread;
    int n_test;
    double read, int8, fp32; /* the best limits of all rounds */
    bench_result test[BENCH_TESTS];
} bench;

static const args_option bench_options[] = {
    ARGS_INT_AT('p', "prompt", "N", bench_values, n_prompt, 0,
                "tokens in the prompt (512; 0: none)"),
    ARGS_INT_AT('n', "decode", "N", bench_values, n_decode, 0, "tokens to decode (64; 0: none)"),
    ARGS_INT_AT('d', "depth", "N", bench_values, n_depth, 0, "tokens in the context before (0)"),
    ARGS_INT_AT('r', "rounds", "N", bench_values, n_round, 1, "rounds that count (5)"),
    ARGS_INT_AT(0, "batch", "N", bench_values, n_batch, 0, "decode in N contexts together too (0)"),
    ARGS_FLAG_AT(0, "load", bench_values, load, "time loading to the first token too"),
    ARGS_FLAG_AT(0, "draft", bench_values, draft,
                 "decode a text that repeats its prompt too, with draft=lookup and without"),
    ARGS_INT_AT(0, "edit", "N", bench_values, edit, 0,
                "of that text each N-th token is another (16; 0: none)"),
    ARGS_FLAG_AT(0, "slices", bench_values, slices,
                 "instead: how far slices of 2 ms are passed, and how soon a cancel ends a call"),
    ARGS_TEXT_AT(0, "against", "LIB", bench_values, against,
                 "compare with another build of the library, round by round"),
    ARGS_FLAG_AT(0, "no-limits", bench_values, no_limits, "do not measure what the machine can do"),
    ARGS_FLAG_AT(0, "json", bench_values, json, "print JSON"),
    ARGS_END};

/* ---- Rounds --------------------------------------------------------------------------------- */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Seconds that the test would take at the machine's limits as they are now; 0: unknown. */
static double least_seconds(bench *b, const bench_result *r)
{
    if (b->v->no_limits || r->n_read + r->int8 + r->fp32 <= 0)
        return 0;
    if (r->n_read > 0) {
        const double read = limits_read(&b->memory, (int)b->n_thread);
        b->read = larger(read, b->read);
        return read > 0 ? r->n_read * b->cost.bytes / read : 0;
    }
    const double int8 = limits_int8((int)b->n_thread);
    const double fp32 = limits_fp32((int)b->n_thread);
    b->int8 = larger(int8, b->int8);
    b->fp32 = larger(fp32, b->fp32);
    return int8 > 0 && fp32 > 0 ? r->int8 / int8 + r->fp32 / fp32 : 0;
}

static int measure_round(bench *b, bench_result *r, int64_t round)
{
    double seconds = 0, other = 0;
    const double least = least_seconds(b, r);
    int code = EXIT_DONE;
    for (int turn = 0; turn < 2 && code == EXIT_DONE; turn++)
        if (turn == (round & 1))
            code = r->time(&b->own, b->v, &seconds);
        else if (b->v->against)
            code = r->time(&b->other, b->v, &other);
    if (code != EXIT_DONE || round < 0)
        return code;
    r->rate[round] = seconds > 0 ? (double)r->n_token / seconds : 0;
    r->share[round] = seconds > 0 ? least / seconds : 0;
    r->ratio[round] = seconds > 0 ? other / seconds : 0;
    return EXIT_DONE;
}

static int compare_rates(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int measure(bench *b, bench_result *r)
{
    const size_t n = (size_t)b->v->n_round;
    for (int64_t round = -1; round < b->v->n_round; round++) {
        term_progress(r->name, (double)(round + 1) / (double)(b->v->n_round + 1));
        const int code = measure_round(b, r, round);
        if (code != EXIT_DONE)
            return code;
    }
    term_clear();
    qsort(r->rate, n, sizeof *r->rate, compare_rates);
    qsort(r->share, n, sizeof *r->share, compare_rates);
    qsort(r->ratio, n, sizeof *r->ratio, compare_rates);
    return EXIT_DONE;
}

/* ---- Results -------------------------------------------------------------------------------- */

static double median(const bench *b, const double *sorted)
{
    const int64_t n = b->v->n_round;
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

static double spread(const bench *b, const bench_result *r)
{
    double middle = median(b, r->rate);
    return middle > 0 ? (r->rate[b->v->n_round - 1] - r->rate[0]) / middle : 0;
}

/* How many times as fast one test was as another; 0: they were not both made. */
static double gain(const bench *b, bench_timing *from, bench_timing *to)
{
    double before = 0, after = 0;
    for (int i = 0; i < b->n_test; i++) {
        before = b->test[i].time == from ? median(b, b->test[i].rate) : before;
        after = b->test[i].time == to ? median(b, b->test[i].rate) : after;
    }
    return before > 0 ? after / before : 0;
}

/* N contexts together, to one; guesses, to none. */
static double batch_gain(const bench *b)
{
    return gain(b, bench_decode, bench_batch);
}

static double draft_gain(const bench *b)
{
    return gain(b, bench_repeat, bench_draft);
}

static void print_table(const bench *b)
{
    printf("%-7s %7s %9s %10s %10s %10s %7s %8s%s\n", "test", "tokens", "ms", "median/s", "slowest",
           "fastest", "spread", "of limit", b->v->against ? "  against" : "");
    for (int i = 0; i < b->n_test; i++) {
        const bench_result *r = &b->test[i];
        const double rate = median(b, r->rate), share = median(b, r->share);
        printf("%-7s %7lld %9.1f %10.2f %10.2f %10.2f %6.1f%% ", r->name, (long long)r->n_token,
               rate > 0 ? 1000 * (double)r->n_token / rate : 0, rate, r->rate[0],
               r->rate[b->v->n_round - 1], 100 * spread(b, r));
        if (share > 0)
            printf("%7.1f%%", 100 * share);
        else
            printf("%8s", "-");
        if (b->v->against)
            printf(" %8.3f", median(b, r->ratio));
        putchar('\n');
    }
    if (batch_gain(b) > 0)
        printf("%lld contexts together: %.2f times the tokens per second of one\n",
               (long long)b->v->n_batch, batch_gain(b));
    if (draft_gain(b) > 0)
        printf("guessing ahead: %.2f times the tokens per second, the same bits; %lld of %lld "
               "guesses came true\n",
               draft_gain(b), (long long)b->own.n_accepted, (long long)b->own.n_drafted);
    if (b->read + b->int8 + b->fp32 > 0)
        printf("limits of %lld threads: reading %.1f GB/s, products of int8 %.0f G/s, of fp32 %.0f "
               "G/s\n",
               (long long)b->n_thread, b->read * 1e-9, b->int8 * 1e-9, b->fp32 * 1e-9);
}

static void print_json_test(json *j, const bench *b, const bench_result *r)
{
    json_open(j, NULL, '{', false);
    json_string(j, "test", r->name);
    json_int(j, "n_tokens", r->n_token);
    json_number(j, "median", median(b, r->rate));
    json_number(j, "slowest", r->rate[0]);
    json_number(j, "fastest", r->rate[b->v->n_round - 1]);
    json_number(j, "spread", spread(b, r));
    if (median(b, r->share) > 0)
        json_number(j, "of_limit", median(b, r->share));
    if (b->v->against)
        json_number(j, "against", median(b, r->ratio));
    json_close(j);
}

static void print_json(const bench *b)
{
    json j;
    json_begin(&j, stdout);
    json_open(&j, NULL, '{', true);
    json_string(&j, "model", b->tool->path);
    json_string(&j, "architecture", tool_model_string(b->tool, "architecture"));
    json_int(&j, "n_parameters", tool_model_int(b->tool, "n_parameters"));
    json_int(&j, "tensor_size", tool_model_int(b->tool, "tensor_size"));
    json_number(&j, "bytes_per_token", b->cost.bytes);
    json_int(&j, "n_threads", b->n_thread);
    json_int(&j, "depth", b->v->n_depth);
    json_int(&j, "rounds", b->v->n_round);
    if (b->v->against)
        json_string(&j, "against", b->v->against);
    json_open(&j, "limits", '{', false);
    json_number(&j, "read", b->read);
    json_number(&j, "int8", b->int8);
    json_number(&j, "fp32", b->fp32);
    json_close(&j);
    json_open(&j, "tests", '[', true);
    for (int i = 0; i < b->n_test; i++)
        print_json_test(&j, b, &b->test[i]);
    json_close(&j);
    if (batch_gain(b) > 0)
        json_number(&j, "batch_gain", batch_gain(b));
    if (draft_gain(b) > 0) {
        json_number(&j, "draft_gain", draft_gain(b));
        json_int(&j, "n_drafted", b->own.n_drafted);
        json_int(&j, "n_accepted", b->own.n_accepted);
    }
    json_close(&j);
}

/* ---- The command ---------------------------------------------------------------------------- */

static void plan_tests(bench *b)
{
    const bench_values *v = b->v;
    const bench_cost *c = &b->cost;
    const double n = (double)v->n_prompt;
    if (v->n_prompt > 0)
        b->test[b->n_test++] =
            (bench_result){"prompt", bench_prompt, v->n_prompt, .int8 = n * c->int8 + c->head_int8,
                           .fp32 = n * c->fp32 + c->head_fp32};
    if (v->n_decode > 0)
        b->test[b->n_test++] =
            (bench_result){"decode", bench_decode, v->n_decode, .n_read = (double)v->n_decode};
    if (v->n_decode > 0 && v->n_batch > 0)
        b->test[b->n_test++] = (bench_result){"batch", bench_batch, v->n_batch * v->n_decode,
                                              .n_read = (double)v->n_decode};
    if (v->draft) {
        b->test[b->n_test++] =
            (bench_result){"repeat", bench_repeat, v->n_decode, .n_read = (double)v->n_decode};
        b->test[b->n_test++] = (bench_result){"draft", bench_draft, v->n_decode, .n_read = 0};
    }
    if (v->load)
        b->test[b->n_test++] = (bench_result){"load", bench_load, 1, .n_read = 0};
}

/* Loads the model in each library; the tool's own first, which knows what it costs. */
static int bench_begin(bench *b)
{
    const bench_values *v = b->v;
    tool *t = b->tool;
    const int n = v->n_batch > 1 ? (int)v->n_batch : 1;
    int64_t n_new = v->n_prompt > v->n_decode ? v->n_prompt : v->n_decode;
    n_new = v->load && n_new < BENCH_LOAD_PROMPT ? BENCH_LOAD_PROMPT : n_new;
    n_new += v->draft ? v->n_prompt < v->n_decode ? v->n_prompt : v->n_decode : 0;
    int code = tool_load(t);
    if (code == EXIT_DONE && skald_options_set_int(t->options, "n_ctx", v->n_depth + n_new + 2) < 0)
        code = tool_fail(t, "%s", skald_options_message(t->options));
    if (code != EXIT_DONE)
        return code;
    b->cost = bench_cost_of(t);
    plan_tests(b);
    code = bench_open(&b->own, t, NULL, n);
    if (code == EXIT_DONE)
        skald_context_get_int(b->own.ctx[0], "n_threads", &b->n_thread);
    if (code == EXIT_DONE && v->against)
        code = bench_open(&b->other, t, v->against, n);
    if (code == EXIT_DONE && !v->no_limits)
        b->memory = limits_open(t->path);
    return code;
}

static int bench_run(bench *b)
{
    int code = bench_begin(b);
    for (int i = 0; i < b->n_test && code == EXIT_DONE; i++)
        code = measure(b, &b->test[i]);
    if (code == EXIT_DONE && b->v->json)
        print_json(b);
    else if (code == EXIT_DONE)
        print_table(b);
    limits_close(&b->memory);
    bench_close(&b->other);
    bench_close(&b->own);
    return code;
}

static int bench_main(int argc, char **argv)
{
    bench_values v = {.n_prompt = 512, .n_decode = 64, .n_round = 5, .edit = 16};
    tool t;
    int code = args_parse(&command_bench, argc, argv, "temperature=0 ignore_eos=1", &v, &t);
    if (code != ARGS_GO)
        return code;
    if (v.n_round > BENCH_ROUNDS || v.n_prompt + v.n_decode + v.load == 0 ||
        v.n_batch > BENCH_CONTEXTS)
        return tool_close(&t, args_usage(&t,
                                         "give at most %d rounds and %d contexts, and something "
                                         "to measure",
                                         BENCH_ROUNDS, BENCH_CONTEXTS));
    if (v.draft && (v.n_prompt < 1 || v.n_decode < 1))
        return tool_close(&t, args_usage(&t, "--draft needs a prompt and tokens to decode"));
    if (v.slices)
        return tool_close(&t, bench_slices(&t, &v));
    bench *b = calloc(1, sizeof *b);
    if (b) {
        b->tool = &t;
        b->v = &v;
    }
    code = b ? bench_run(b) : tool_fail(&t, "out of memory");
    free(b);
    return tool_close(&t, code);
}

const command command_bench = {
    "bench", "MODEL [-p 512] [-n 64] [-r 5] [options]",
    "Measures tokens per second.\n"
    "A prompt of arbitrary tokens is evaluated, then tokens are decoded greedily, in several\n"
    "rounds; printed are the median, the spread, (fastest - slowest) / median, and how much of "
    "the\n"
    "time the machine would need at its limits: for decoding, reading the weights from memory; "
    "for\n"
    "a prompt, its products in registers. All limits are measured, in the same rounds.\n",
    bench_options, bench_main};
