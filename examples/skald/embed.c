/* SPDX-License-Identifier: MIT */
/*
 * skald embed: lines of text on stdin, their vectors on stdout; with --query how well each line
 * answers it, by a reranking model. Lines are taken in groups that are stepped together.
 */
#include "args.h"

#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 16 };

typedef struct embed_values {
    const char *query, *pooling;
    int64_t n_ctx;
} embed_values;

static const args_option embed_options[] = {
    ARGS_TEXT_AT(0, "query", "TEXT", embed_values, query,
                 "print the score of each line as an answer to TEXT"),
    ARGS_TEXT_AT(0, "pooling", "WAY", embed_values, pooling,
                 "mean, cls or last (default: as the model says)"),
    ARGS_INT_AT('c', "ctx", "N", embed_values, n_ctx, 1,
                "tokens that a text may have (default: 512)"),
    ARGS_END};

typedef struct embed_job {
    tool *t;
    const char *query;
    skald_context *ctxs[AT_ONCE]; /* owned */
} embed_job;

static int embed_fail(const embed_job *job, const skald_context *ctx, int32_t status)
{
    return tool_status(job->t, status, skald_context_message(ctx));
}

/* Gives a context a line, making it first where there is none yet. */
static int give_line(embed_job *job, size_t i, const char *line, size_t n)
{
    if (!job->ctxs[i]) {
        int code = tool_context(job->t);
        if (code != EXIT_DONE)
            return code;
        job->ctxs[i] = job->t->ctx;
        job->t->ctx = NULL;
    }
    skald_context *ctx = job->ctxs[i];
    int32_t status = job->query ? skald_set_pair(ctx, job->query, -1, line, (int64_t)n)
                                : skald_set_text(ctx, line, (int64_t)n);
    return status < 0 ? embed_fail(job, ctx, status) : EXIT_DONE;
}

static int print_vector(const embed_job *job, const skald_context *ctx)
{
    const float *vector;
    size_t n;
    if (skald_embedding(ctx, 0, &vector, &n) < 0)
        return tool_fail(job->t, "%s", skald_error_message());
    for (size_t i = 0; i < n; i++)
        printf(i ? " %.9g" : "%.9g", (double)vector[i]);
    putchar('\n');
    return EXIT_DONE;
}

/* Steps the first `n` contexts together until all are done, and prints what they have come to. */
static int embed_group(const embed_job *job, size_t n)
{
    skald_context *left[AT_ONCE];
    int32_t status[AT_ONCE];
    size_t n_left = n;
    memcpy(left, job->ctxs, sizeof left);
    while (n_left > 0) {
        int32_t code = skald_step_many(left, n_left, -1, status);
        size_t n_running = 0;
        if (code < 0)
            return tool_status(job->t, code, skald_error_message());
        for (size_t i = 0; i < n_left; i++) {
            if (status[i] < 0)
                return embed_fail(job, left[i], status[i]);
            if (status[i] != SKALD_DONE)
                left[n_running++] = left[i];
        }
        n_left = n_running;
    }
    int code = EXIT_DONE;
    for (size_t i = 0; code == EXIT_DONE && i < n; i++)
        code = print_vector(job, job->ctxs[i]);
    return code;
}

static int embed_lines(embed_job *job, const char *text, size_t n)
{
    int code = EXIT_DONE;
    size_t n_group = 0;
    for (size_t at = 0; at < n && code == EXIT_DONE;) {
        const char *stop = memchr(text + at, '\n', n - at);
        size_t length = stop ? (size_t)(stop - text) - at : n - at;
        code = give_line(job, n_group++, text + at, length);
        at += length + 1;
        if (code == EXIT_DONE && (n_group == AT_ONCE || at >= n)) {
            code = embed_group(job, n_group);
            n_group = 0;
        }
    }
    return code;
}

static int embed_main(int argc, char **argv)
{
    embed_values v = {0};
    tool t;
    int code = args_parse(&command_embed, argc, argv, "n_ctx=512 pooling=model", &v, &t);
    if (code != ARGS_GO)
        return code;
    const char *pooling = v.pooling ? v.pooling : v.query ? "rank" : NULL;
    if ((pooling && skald_options_set_string(t.options, "pooling", pooling) < 0) ||
        (v.n_ctx && skald_options_set_int(t.options, "n_ctx", v.n_ctx) < 0))
        return tool_close(&t, args_usage(&t, "%s", skald_options_message(t.options)));
    embed_job job = {.t = &t, .query = v.query};
    size_t n = 0;
    char *text = tool_read(&t, NULL, &n);
    code = text ? tool_load(&t) : EXIT_ERROR;
    if (code == EXIT_DONE)
        code = embed_lines(&job, text, n);
    for (size_t i = 0; i < AT_ONCE; i++)
        skald_context_free(job.ctxs[i]);
    free(text);
    return tool_close(&t, code);
}

const command command_embed = {
    "embed", "MODEL [--query TEXT] < LINES",
    "Prints the vector of each line of stdin, or with --query its score.\n"
    "One line of numbers for each line of text. The model is an encoder, a reranking model "
    "(--query)\n"
    "or any model of text.\n",
    embed_options, embed_main};
