/* SPDX-License-Identifier: MIT */
/*
 * skald bench --slices: by how much slices of 2 ms are passed, what it costs to work in slices, and
 * how long it takes from a cancel to the return. Loading, a prompt behind `depth` tokens, decoding.
 */
#define _DEFAULT_SOURCE
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define SLICE_US 2000
#define SLICE_SAMPLES 100000
#define SLICE_CANCELS 200
#define SLICE_CANCEL_MOST 0.03 /* seconds after which it is cancelled, at most */

typedef struct slices {
    const tool *tool;
    const bench_values *v;
    skald_model *model; /* being loaded, or the tool's */
    skald_context *ctx;
    int64_t budget;               /* microseconds, or -1 */
    double seconds;               /* that the work took in all, and until it is cancelled */
    double sample[SLICE_SAMPLES]; /* milliseconds */
    size_t n_sample;
    _Atomic double cancelled; /* when; 0: not yet */
    uint64_t random;
} slices;

/* A load, a prompt, some tokens: EXIT_DONE, EXIT_INTERRUPTED when it was cancelled. */
typedef int slices_work(slices *s);

static void slices_add(slices *s, double seconds)
{
    if (s->n_sample < SLICE_SAMPLES)
        s->sample[s->n_sample++] = seconds * 1000;
}

/* One call, timed: what its slice was passed by is a sample. */
static int32_t slices_step(slices *s, bool load)
{
    const double start = tool_seconds();
    const int32_t status =
        load ? skald_model_step(s->model, s->budget) : skald_step(s->ctx, s->budget);
    const double seconds = tool_seconds() - start, over = seconds - SLICE_US * 1e-6;
    s->seconds += seconds;
    if (s->budget >= 0)
        slices_add(s, over > 0 ? over : 0);
    return status;
}

static int slices_end(const slices *s, int32_t status, const char *message)
{
    if (status == SKALD_E_CANCELLED)
        return EXIT_INTERRUPTED;
    return status < 0 ? tool_fail(s->tool, "%s", message) : EXIT_DONE;
}

static int slices_load(slices *s)
{
    int32_t status = skald_model_open(s->tool->path, s->tool->options, &s->model);
    if (status < 0)
        return tool_fail(s->tool, "%s", skald_error_message());
    do
        status = slices_step(s, true);
    while (status == SKALD_PENDING);
    return slices_end(s, status, skald_model_message(s->model));
}

/* Keeps the tokens of the depth, and appends `n` arbitrary ones. */
static int slices_prompt_of(slices *s, int64_t n, int64_t n_predict)
{
    const int64_t n_vocab = tool_model_int(s->tool, "n_vocab");
    skald_truncate(s->ctx, s->v->n_depth);
    skald_context_set_int(s->ctx, "n_predict", n_predict);
    for (int64_t i = 0; i < n; i++) {
        const int32_t id = bench_token(&s->random, n_vocab);
        if (skald_append_tokens(s->ctx, &id, 1) < 0)
            return tool_fail(s->tool, "%s", skald_context_message(s->ctx));
    }
    return EXIT_DONE;
}

static int slices_run(slices *s)
{
    int32_t status;
    do
        status = slices_step(s, false);
    while (status == SKALD_PENDING || status == SKALD_TOKEN);
    return slices_end(s, status, skald_context_message(s->ctx));
}

static int slices_prompt(slices *s)
{
    const int code = slices_prompt_of(s, s->v->n_prompt, 0);
    return code == EXIT_DONE ? slices_run(s) : code;
}

static int slices_decode(slices *s)
{
    const int code = slices_prompt_of(s, 1, s->v->n_decode);
    return code == EXIT_DONE ? slices_run(s) : code;
}

static const struct {
    const char *name;
    slices_work *run;
} slices_works[] = {{"load", slices_load}, {"prompt", slices_prompt}, {"decode", slices_decode}};

static void slices_forget(slices *s, slices_work *run)
{
    if (run == slices_load)
        skald_model_release(s->model);
    s->model = NULL;
}

/* ---- Slices --------------------------------------------------------------------------------- */

static int slices_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The median, the 99th percentile, the largest. */
static void slices_print(slices *s, const char *name)
{
    const size_t n = s->n_sample;
    qsort(s->sample, n, sizeof *s->sample, slices_compare);
    printf("%-16s %8zu", name, n);
    if (n > 0)
        printf(" %9.3f %9.3f %9.3f", s->sample[n / 2], s->sample[n * 99 / 100], s->sample[n - 1]);
}

/* Rounds in slices, and between them whole ones. */
static int slices_measure(slices *s, const char *name, slices_work *run)
{
    double whole = 0, sliced = 0;
    int code = EXIT_DONE;
    s->n_sample = 0;
    for (int64_t i = 0; i < 2 * s->v->n_round && code == EXIT_DONE; i++) {
        s->budget = i & 1 ? SLICE_US : -1;
        s->seconds = 0;
        code = run(s);
        slices_forget(s, run);
        if (i & 1)
            sliced += s->seconds;
        else
            whole += s->seconds;
    }
    if (code != EXIT_DONE)
        return code;
    slices_print(s, name);
    printf(" %7.1f%%\n", whole > 0 ? 100 * (sliced / whole - 1) : 0);
    return EXIT_DONE;
}

/* ---- Cancelling ----------------------------------------------------------------------------- */

static void *slices_canceller(void *arg)
{
    slices *s = arg;
    const long ns = (long)(s->seconds * 1e9 * (double)(s->random >> 11) * 0x1p-53);
    const struct timespec wait = {.tv_nsec = ns};
    nanosleep(&wait, NULL);
    s->cancelled = tool_seconds();
    if (s->ctx)
        skald_cancel(s->ctx);
    else
        skald_model_cancel(s->model);
    return NULL;
}

/* One call that is cancelled at some time; nothing is learnt if it returned before that. */
static int slices_cancel_once(slices *s, slices_work *run, double most)
{
    pthread_t thread;
    skald_context *ctx = s->ctx;
    int code = EXIT_DONE;
    if (run == slices_load && skald_model_open(s->tool->path, s->tool->options, &s->model) < 0)
        return tool_fail(s->tool, "%s", skald_error_message());
    if (run != slices_load)
        code = slices_prompt_of(s, run == slices_prompt ? s->v->n_prompt : 1,
                                run == slices_prompt ? 0 : s->v->n_decode);
    s->ctx = run == slices_load ? NULL : ctx;
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    s->seconds = most;
    s->cancelled = 0;
    if (code == EXIT_DONE && pthread_create(&thread, NULL, slices_canceller, s) != 0)
        code = tool_fail(s->tool, "there is no thread to cancel with");
    if (code != EXIT_DONE)
        return code;
    int32_t status;
    do
        status = s->ctx ? skald_step(s->ctx, -1) : skald_model_step(s->model, -1);
    while (status == SKALD_TOKEN);
    const double end = tool_seconds();
    pthread_join(thread, NULL);
    if (status == SKALD_E_CANCELLED)
        slices_add(s, end - s->cancelled);
    else if (s->ctx)
        skald_step(s->ctx, -1); /* takes the cancel */
    slices_forget(s, run);
    s->ctx = ctx;
    return EXIT_DONE;
}

static int slices_cancel(slices *s, const char *name, slices_work *run)
{
    s->budget = -1;
    s->seconds = 0;
    int code = run(s);
    slices_forget(s, run);
    const double most = s->seconds < SLICE_CANCEL_MOST ? s->seconds : SLICE_CANCEL_MOST;
    s->n_sample = 0;
    for (int i = 0; i < SLICE_CANCELS && code == EXIT_DONE; i++)
        code = slices_cancel_once(s, run, most);
    if (code == EXIT_DONE) {
        slices_print(s, name);
        putchar('\n');
    }
    return code;
}

/* ---- All ------------------------------------------------------------------------------------ */

static int slices_all(slices *s)
{
    const size_t n = sizeof slices_works / sizeof *slices_works;
    int code = EXIT_DONE;
    s->budget = -1;
    if (s->v->n_depth > 0)
        code = slices_prompt_of(s, s->v->n_depth, 0);
    if (s->v->n_depth > 0 && code == EXIT_DONE)
        code = slices_run(s);
    printf("%-16s %8s %9s %9s %9s %8s\n", "slices of 2 ms", "calls", "median", "p99", "longest",
           "cost");
    for (size_t i = 0; i < n && code == EXIT_DONE; i++)
        code = slices_measure(s, slices_works[i].name, slices_works[i].run);
    printf("%-16s\n", "cancel to return");
    for (size_t i = 0; i < n && code == EXIT_DONE; i++)
        code = slices_cancel(s, slices_works[i].name, slices_works[i].run);
    return code;
}

int bench_slices(tool *t, const bench_values *v)
{
    const int64_t n_new = v->n_prompt > v->n_decode ? v->n_prompt : v->n_decode;
    int code = tool_load(t);
    if (code == EXIT_DONE && skald_options_set_int(t->options, "n_ctx", v->n_depth + n_new + 2) < 0)
        code = tool_fail(t, "%s", skald_options_message(t->options));
    if (code == EXIT_DONE)
        code = tool_context(t);
    if (code != EXIT_DONE)
        return code;
    slices *s = calloc(1, sizeof *s);
    if (!s)
        return tool_fail(t, "out of memory");
    s->tool = t;
    s->v = v;
    s->ctx = t->ctx;
    s->random = 88172645463325252u;
    code = slices_all(s);
    free(s);
    return code;
}
