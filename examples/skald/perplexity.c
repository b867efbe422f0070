/* SPDX-License-Identifier: MIT */
/*
 * skald perplexity: how surprised the model is by a text.
 *
 * The text is cut into chunks of n_ctx tokens, what is left over is not used. Each chunk stands
 * for itself: its first token is replaced by BOS, where the model has one. Scored are the tokens
 * of its second half, each by the logits that precede it, so that every one of them has at least
 * n_ctx / 2 tokens before it: ppl = exp(mean of -log p). Logits are kept for a batch at a time,
 * so tokens are appended a batch at a time.
 */
#include "args.h"
#include "json.h"

#include <math.h>
#include <stdlib.h>

typedef struct perplexity_values {
    const char *file;
    int64_t n_ctx, n_batch, n_chunk;
    bool json;
} perplexity_values;

typedef struct perplexity_job {
    tool *t;
    int32_t *ids; /* owned */
    size_t n_ids, n_ctx, n_batch, n_chunk;
    double sum, square; /* of -log p over the second halves */
    double sum_all;     /* over all tokens */
    size_t n, n_all;
} perplexity_job;

static const args_option perplexity_options[] = {
    ARGS_TEXT_AT('f', "file", "FILE", perplexity_values, file, "the text (default: stdin)"),
    ARGS_INT_AT('c', "ctx", "N", perplexity_values, n_ctx, 2, "tokens in a chunk (default: 512)"),
    ARGS_INT_AT('b', "batch", "N", perplexity_values, n_batch, 1,
                "tokens evaluated at once (default: 128)"),
    ARGS_INT_AT(0, "chunks", "N", perplexity_values, n_chunk, 1, "use the first N chunks only"),
    ARGS_ADAPTERS,
    ARGS_FLAG_AT(0, "json", perplexity_values, json, "print JSON"),
    ARGS_END};

/* -log of the probability that `logits` give to `token`. */
static double surprise(const float *logits, size_t n, int32_t token)
{
    double top = logits[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        top = logits[i] > top ? logits[i] : top;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - top);
    return log(sum) + top - (double)logits[token];
}

/* Scores token `i` of the chunk by the logits behind token i - 1. */
static int score(perplexity_job *job, const int32_t *chunk, size_t i)
{
    const float *logits;
    size_t n;
    if (skald_logits(job->t->ctx, (int64_t)i - 1, &logits, &n) < 0)
        return tool_fail(job->t, "%s", skald_context_message(job->t->ctx));
    double s = surprise(logits, n, chunk[i]);
    job->sum_all += s;
    job->n_all++;
    if (i > job->n_ctx / 2) {
        job->sum += s;
        job->square += s * s;
        job->n++;
    }
    return EXIT_DONE;
}

static int score_chunk(perplexity_job *job, int32_t *chunk)
{
    tool *t = job->t;
    int64_t bos = -1;
    skald_model_get_int(t->model, "token_bos", &bos);
    if (bos >= 0)
        chunk[0] = (int32_t)bos;
    skald_truncate(t->ctx, 0);
    for (size_t at = 0; at < job->n_ctx;) {
        size_t n = job->n_ctx - at < job->n_batch ? job->n_ctx - at : job->n_batch;
        int32_t status = skald_append_tokens(t->ctx, chunk + at, n);
        if (status < 0)
            return tool_status(t, status, skald_context_message(t->ctx));
        int code = tool_evaluate(t);
        at += n;
        for (size_t i = at - n; code == EXIT_DONE && i < at && i + 1 < job->n_ctx; i++)
            code = score(job, chunk, i + 1);
        if (code != EXIT_DONE)
            return code;
    }
    return EXIT_DONE;
}

static void print_result(const perplexity_job *job, bool as_json)
{
    double n = (double)job->n, mean = job->sum / n;
    double variance = n > 1 ? (job->square / n - mean * mean) / (n - 1) : 0;
    double ppl = exp(mean), error = ppl * sqrt(variance > 0 ? variance : 0);
    if (!as_json) {
        printf("perplexity %.4f +- %.4f (%zu tokens scored: %zu chunks of %zu)\n", ppl, error,
               job->n, job->n_chunk, job->n_ctx);
        return;
    }
    json j;
    json_begin(&j, stdout);
    json_open(&j, NULL, '{', true);
    json_string(&j, "model", job->t->path);
    json_int(&j, "n_tokens", (int64_t)job->n_ids);
    json_int(&j, "n_ctx", (int64_t)job->n_ctx);
    json_int(&j, "chunks", (int64_t)job->n_chunk);
    json_int(&j, "n_scored", (int64_t)job->n);
    json_number(&j, "ppl", ppl);
    json_number(&j, "ppl_error", error);
    json_number(&j, "mean_nll", mean);
    json_number(&j, "ppl_all", exp(job->sum_all / (double)job->n_all));
    json_close(&j);
}

static int measure(perplexity_job *job)
{
    for (size_t i = 0; i < job->n_chunk; i++) {
        term_progress("perplexity", (double)i / (double)job->n_chunk);
        int code = score_chunk(job, job->ids + i * job->n_ctx);
        if (code != EXIT_DONE)
            return code;
    }
    term_clear();
    return EXIT_DONE;
}

static int perplexity_run(perplexity_job *job, const perplexity_values *v)
{
    tool *t = job->t;
    size_t n = 0;
    char *text = tool_read(t, v->file, &n);
    int code = text ? tool_load(t) : EXIT_ERROR;
    bool done =
        code == EXIT_DONE && tool_tokenize(t, text, n, SKALD_ADD_SPECIAL, &job->ids, &job->n_ids);
    free(text);
    if (!done)
        return code == EXIT_DONE ? EXIT_ERROR : code;
    job->n_chunk = job->n_ids / job->n_ctx;
    if (v->n_chunk && (size_t)v->n_chunk < job->n_chunk)
        job->n_chunk = (size_t)v->n_chunk;
    if (job->n_chunk == 0)
        return tool_fail(t, "the text has %zu tokens, fewer than one chunk of %zu", job->n_ids,
                         job->n_ctx);
    if (skald_options_set_int(t->options, "n_ctx", (int64_t)job->n_ctx) < 0 ||
        skald_options_set_int(t->options, "n_batch", (int64_t)job->n_batch) < 0)
        return tool_fail(t, "%s", skald_options_message(t->options));
    code = tool_context(t);
    if (code == EXIT_DONE)
        code = measure(job);
    if (code == EXIT_DONE)
        print_result(job, v->json);
    return code;
}

static int perplexity_main(int argc, char **argv)
{
    perplexity_values v = {.n_ctx = 512, .n_batch = 128};
    tool t;
    int code = args_parse(&command_perplexity, argc, argv, "logits_all=1 n_predict=0", &v, &t);
    if (code != ARGS_GO)
        return code;
    perplexity_job job = {.t = &t, .n_ctx = (size_t)v.n_ctx, .n_batch = (size_t)v.n_batch};
    code = perplexity_run(&job, &v);
    free(job.ids);
    return tool_close(&t, code);
}

const command command_perplexity = {
    "perplexity", "MODEL [-f FILE] [-c N_CTX] [options]",
    "Measures how well a model predicts a text.\n"
    "The text is cut into chunks of N_CTX tokens, the first of each replaced by BOS; scored are "
    "the\n"
    "tokens of the second half of each chunk: the exponential of their mean surprise.\n",
    perplexity_options, perplexity_main};
