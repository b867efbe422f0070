/* SPDX-License-Identifier: MIT */
/*
 * skald logits: what the model computes, as numbers, to be compared with another engine's. The
 * prefill is one batch, then each further token is a step of its own; the cache is F32.
 *
 * The file, little-endian: i32 magic 0x474f4c44, n_prefill, n_decode, n_vocab; i32 token[n];
 * f32 logits[n][n_vocab], with n = n_prefill + n_decode.
 *
 * Of an encoder, which has no logits: i32 magic 0x474f4c45, n_tokens, n_pooled, n_vector; i32
 * token[n_tokens], then how each pooled row was pooled: -1 mean, -2 first, -3 last, -4 score; f32
 * row[n_tokens + n_pooled][n_vector], none of length 1, scores filled up with zeros.
 */
#include "args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOGITS_MAGIC 0x474f4c44
#define VECTORS_MAGIC 0x474f4c45

typedef struct logits_values {
    const char *like, *out, *tokens;
    int64_t n_prefill, n_ctx;
} logits_values;

typedef struct logits_job {
    tool *t;
    int32_t *ids; /* owned */
    size_t n, n_prefill;
    FILE *out;
} logits_job;

static const args_option logits_options[] = {
    ARGS_TEXT_AT(0, "like", "FILE", logits_values, like,
                 "take tokens and prefill length from FILE"),
    ARGS_TEXT_AT(0, "tokens", "IDS", logits_values, tokens, "the tokens: \"1 2 3\""),
    ARGS_INT_AT(0, "prefill", "N", logits_values, n_prefill, 1,
                "how many of them are the prefill (default: all)"),
    ARGS_INT_AT('c', "ctx", "N", logits_values, n_ctx, 1,
                "tokens that the context holds (default: 256, or as many as there are)"),
    ARGS_TEXT_AT('o', "out", "FILE", logits_values, out, "the file to write"),
    ARGS_ADAPTERS,
    ARGS_END};

static uint32_t get_u32(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_u32(FILE *out, uint32_t value)
{
    for (int shift = 0; shift < 32; shift += 8)
        fputc((int)(value >> shift & 255), out);
}

/* The tokens of a file of this format. */
static bool read_reference(logits_job *job, const char *path)
{
    size_t size;
    char *data = tool_read(job->t, path, &size);
    if (!data)
        return false;
    const unsigned char *p = (const unsigned char *)data;
    uint64_t n_prefill = 0, n_decode = 0;
    if (size >= 16 && (get_u32(p) == LOGITS_MAGIC || get_u32(p) == VECTORS_MAGIC)) {
        n_prefill = get_u32(p + 4);
        n_decode = get_u32(p + 8);
    }
    job->n = (size_t)(n_prefill + n_decode);
    bool good = n_prefill > 0 && job->n <= (size - 16) / 4;
    job->ids = good ? malloc(job->n * sizeof *job->ids) : NULL;
    if (!good)
        tool_fail(job->t, "%s is not a file of logits", path);
    else if (!job->ids)
        tool_fail(job->t, "out of memory");
    for (size_t i = 0; job->ids && i < job->n; i++)
        job->ids[i] = (int32_t)get_u32(p + 16 + 4 * i);
    job->n_prefill = (size_t)n_prefill;
    free(data);
    return job->ids != NULL;
}

static bool read_tokens(logits_job *job, const logits_values *v)
{
    if (v->like)
        return read_reference(job, v->like);
    if (!tool_parse_ids(job->t, v->tokens, strlen(v->tokens), &job->ids, &job->n))
        return false;
    job->n_prefill = v->n_prefill ? (size_t)v->n_prefill : job->n;
    if (job->n_prefill == 0 || job->n_prefill > job->n)
        return tool_fail(job->t, "there are %zu tokens", job->n), false;
    return true;
}

/* A context that holds all tokens and evaluates the prefill in one batch. */
static int make_context(logits_job *job, int64_t n_ctx)
{
    if (n_ctx == 0)
        n_ctx = job->n > 256 ? (int64_t)job->n : 256;
    skald_options *o = job->t->options;
    if (skald_options_set_int(o, "n_ctx", n_ctx) < 0 ||
        skald_options_set_int(o, "n_batch", (int64_t)job->n_prefill) < 0)
        return tool_fail(job->t, "%s", skald_options_message(o));
    return tool_context(job->t);
}

static int write_logits(logits_job *job, size_t position)
{
    const float *logits;
    size_t n;
    int32_t status = skald_logits(job->t->ctx, (int64_t)position, &logits, &n);
    if (status < 0)
        return tool_fail(job->t, "%s", skald_context_message(job->t->ctx));
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &logits[i], 4);
        put_u32(job->out, bits);
    }
    return EXIT_DONE;
}

/* Evaluates tokens [begin, end) and writes what follows each. */
static int evaluate(logits_job *job, size_t begin, size_t end)
{
    tool *t = job->t;
    int32_t status = skald_append_tokens(t->ctx, job->ids + begin, end - begin);
    if (status < 0)
        return tool_status(t, status, skald_context_message(t->ctx));
    int code = tool_evaluate(t);
    for (size_t i = begin; code == EXIT_DONE && i < end; i++)
        code = write_logits(job, i);
    term_progress("logits", (double)end / (double)job->n);
    return code;
}

static int write_file(logits_job *job)
{
    put_u32(job->out, LOGITS_MAGIC);
    put_u32(job->out, (uint32_t)job->n_prefill);
    put_u32(job->out, (uint32_t)(job->n - job->n_prefill));
    put_u32(job->out, (uint32_t)tool_model_int(job->t, "n_vocab"));
    for (size_t i = 0; i < job->n; i++)
        put_u32(job->out, (uint32_t)job->ids[i]);
    int code = evaluate(job, 0, job->n_prefill);
    for (size_t i = job->n_prefill; code == EXIT_DONE && i < job->n; i++)
        code = evaluate(job, i, i + 1);
    return code;
}

/* ---- Encoders -------------------------------------------------------------------------------- */

/* A row of n_vector floats: what there is, then zeros. */
static int write_vector(logits_job *job, int64_t index)
{
    const float *vector;
    size_t n, n_row = (size_t)tool_model_int(job->t, "n_vector");
    if (skald_embedding(job->t->ctx, index, &vector, &n) < 0)
        return tool_fail(job->t, "%s", skald_error_message());
    for (size_t i = 0; i < n_row; i++) {
        uint32_t bits = 0;
        if (i < n)
            memcpy(&bits, &vector[i], 4);
        put_u32(job->out, bits);
    }
    return EXIT_DONE;
}

/* The rows of one pooling: 0 none, -1 mean and so on. */
static int write_pooled(logits_job *job, int way)
{
    static const char *const ways[] = {"none", "mean", "cls", "last", "rank"};
    tool *t = job->t;
    skald_context_free(t->ctx);
    t->ctx = NULL;
    if (skald_options_set_string(t->options, "pooling", ways[-way]) < 0)
        return tool_fail(t, "%s", skald_options_message(t->options));
    int code = tool_context(t);
    if (code != EXIT_DONE)
        return code;
    int32_t status = skald_append_tokens(t->ctx, job->ids, job->n_prefill);
    if (status < 0)
        return tool_status(t, status, skald_context_message(t->ctx));
    code = tool_evaluate(t);
    for (size_t i = 0; code == EXIT_DONE && i < (way == 0 ? job->n_prefill : 1); i++)
        code = write_vector(job, (int64_t)i);
    return code;
}

/* The reference's ways of pooling, or those that the model has. */
static int write_vectors(logits_job *job)
{
    bool ranks = tool_model_int(job->t, "n_label") > 0;
    int usual[] = {ranks ? -4 : -1, -2, -3}, code;
    bool given = job->n > job->n_prefill;
    size_t n_pooled = given ? job->n - job->n_prefill : ranks ? 1 : 3;
    put_u32(job->out, VECTORS_MAGIC);
    put_u32(job->out, (uint32_t)job->n_prefill);
    put_u32(job->out, (uint32_t)n_pooled);
    put_u32(job->out, (uint32_t)tool_model_int(job->t, "n_vector"));
    for (size_t i = 0; i < job->n_prefill; i++)
        put_u32(job->out, (uint32_t)job->ids[i]);
    for (size_t i = 0; i < n_pooled; i++) {
        int way = given ? job->ids[job->n_prefill + i] : usual[i];
        if (way < -4 || way > -1)
            return tool_fail(job->t, "an encoder has no steps behind its %zu tokens",
                             job->n_prefill);
        put_u32(job->out, (uint32_t)way);
    }
    code = write_pooled(job, 0);
    for (size_t i = 0; code == EXIT_DONE && i < n_pooled; i++)
        code = write_pooled(job, given ? job->ids[job->n_prefill + i] : usual[i]);
    return code;
}

static int logits_run(logits_job *job, const logits_values *v)
{
    if (!read_tokens(job, v))
        return EXIT_ERROR;
    int code = tool_load(job->t);
    if (code == EXIT_DONE)
        code = make_context(job, v->n_ctx);
    if (code != EXIT_DONE)
        return code;
    job->out = fopen(v->out, "wb");
    if (!job->out)
        return tool_fail(job->t, "cannot write %s: %s", v->out, strerror(errno));
    code = tool_model_int(job->t, "has_logits") ? write_file(job) : write_vectors(job);
    int failed = ferror(job->out);
    if ((fclose(job->out) != 0 || failed) && code == EXIT_DONE)
        code = tool_fail(job->t, "cannot write %s: %s", v->out, strerror(errno));
    if (code != EXIT_DONE)
        remove(v->out);
    return code;
}

static int logits_main(int argc, char **argv)
{
    logits_values v = {0};
    tool t;
    int code = args_parse(&command_logits, argc, argv,
                          "cache_type_k=f32 cache_type_v=f32 logits_all=1 n_predict=0 normalise=0",
                          &v, &t);
    if (code != ARGS_GO)
        return code;
    if (!v.out || (v.like != NULL) + (v.tokens != NULL) != 1)
        return tool_close(&t, args_usage(&t, "give --out, and one of --like and --tokens"));
    logits_job job = {.t = &t};
    code = logits_run(&job, &v);
    free(job.ids);
    return tool_close(&t, code);
}

const command command_logits = {
    "logits", "MODEL (--like REF.logits | --tokens IDS [--prefill N]) -o OUT.logits",
    "Writes the logits of given tokens to a file.\n"
    "The prefill is evaluated as one batch, each token behind it by itself, with a cache in F32.\n"
    "The file: i32 magic 0x474f4c44, n_prefill, n_decode, n_vocab, token[], f32 "
    "logits[][n_vocab]. Of an encoder: vectors, with 0x474f4c45, n_tokens, n_pooled, n_vector.\n",
    logits_options, logits_main};
