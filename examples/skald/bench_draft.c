/* SPDX-License-Identifier: MIT */
/*
 * Decoding of a text that repeats its prompt, with guesses and without. What is written must not
 * depend on how good a model is at repeating, so a logit bias that is set before each step dictates
 * it: the prompt again, with another token in each `edit`-th place, as when a text is revised. The
 * library does not know; it evaluates and samples as ever.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

typedef struct bench_script {
    int32_t *ids; /* owned: the prompt, then what is written */
    int64_t n_prompt;
} bench_script;

/* Steps on; the token with index `at` of what is written is the likeliest by far. */
static int32_t step_script(bench_side *s, skald_context *ctx, int64_t at)
{
    char bias[32];
    const bench_script *script = s->script;
    snprintf(bias, sizeof bias, "%d:10000", (int)script->ids[script->n_prompt + at]);
    const int32_t status = s->lib.skald_context_set_string(ctx, "logit_bias", bias);
    return status < 0 ? status : s->lib.skald_step(ctx, -1);
}

static bool write_script(bench_side *s, const bench_values *v)
{
    const int64_t n = v->n_prompt + v->n_decode;
    bench_script *script = s->script = calloc(1, sizeof *script);
    if (!script || !(script->ids = calloc((size_t)n, sizeof *script->ids)))
        return false;
    script->n_prompt = v->n_prompt;
    uint64_t state = 0x9E3779B97F4A7C15u;
    for (int64_t i = 0; i < n; i++) {
        const int64_t written = i - v->n_prompt;
        const bool fresh = written < 0 || (v->edit > 0 && written % v->edit == v->edit - 1);
        const int32_t other = bench_token(&state, s->n_vocab);
        script->ids[i] = fresh ? other : script->ids[written % v->n_prompt];
    }
    return true;
}

/* The contexts: [0] plain, [1] with guesses. */
static int open_pair(bench_side *s, const bench_values *v)
{
    if (!write_script(s, v))
        return tool_fail(s->tool, "out of memory");
    for (int i = 0; i < 2; i++)
        if (s->lib.skald_options_set_string(s->options, "draft", i ? "lookup" : "off") < 0 ||
            s->lib.skald_context_new(s->model, s->options, &s->pair[i]) < 0)
            return bench_fail(s, NULL);
    return EXIT_DONE;
}

void bench_draft_close(bench_side *s)
{
    for (int i = 0; i < 2; i++)
        if (s->pair[i])
            s->lib.skald_context_free(s->pair[i]);
    if (s->script)
        free(s->script->ids);
    free(s->script);
}

/* Evaluates the prompt. */
static int begin_script(bench_side *s, const bench_values *v, skald_context *ctx)
{
    s->lib.skald_truncate(ctx, 0);
    s->lib.skald_context_set_int(ctx, "n_predict", 0);
    if (s->lib.skald_append_tokens(ctx, s->script->ids, (size_t)v->n_prompt) < 0)
        return bench_fail(s, ctx);
    int32_t status;
    while ((status = s->lib.skald_step(ctx, -1)) == SKALD_PENDING)
        ;
    s->lib.skald_context_set_int(ctx, "n_predict", v->n_decode);
    return status == SKALD_DONE ? EXIT_DONE : bench_fail(s, ctx);
}

static int time_script(bench_side *s, const bench_values *v, skald_context *ctx, double *seconds)
{
    int code = begin_script(s, v, ctx);
    if (code != EXIT_DONE)
        return code;
    const double start = tool_seconds();
    int32_t status = SKALD_TOKEN;
    for (int64_t i = 0; i < v->n_decode && status == SKALD_TOKEN; i++)
        status = step_script(s, ctx, i);
    *seconds = tool_seconds() - start;
    return status == SKALD_TOKEN ? EXIT_DONE : bench_fail(s, ctx);
}

/* Both at once, token by token: what they show must be the same. */
static int compare_pair(bench_side *s, const bench_values *v)
{
    int code = begin_script(s, v, s->pair[0]);
    if (code == EXIT_DONE)
        code = begin_script(s, v, s->pair[1]);
    for (int64_t i = 0; i < v->n_decode && code == EXIT_DONE; i++) {
        const float *logits[2];
        int32_t token[2];
        size_t n;
        for (int k = 0; k < 2; k++) {
            if (step_script(s, s->pair[k], i) != SKALD_TOKEN ||
                s->lib.skald_token(s->pair[k], &token[k]) < 0 ||
                s->lib.skald_logits(s->pair[k], -1, &logits[k], &n) < 0)
                return bench_fail(s, s->pair[k]);
        }
        if (token[0] != token[1] || memcmp(logits[0], logits[1], n * sizeof(float)) != 0)
            code = tool_fail(s->tool, "guessing changed token %lld or its logits", (long long)i);
    }
    return code;
}

static int ready(bench_side *s, const bench_values *v)
{
    if (s->pair[0])
        return EXIT_DONE;
    const int code = open_pair(s, v);
    return code == EXIT_DONE ? compare_pair(s, v) : code;
}

int bench_repeat(bench_side *s, const bench_values *v, double *seconds)
{
    const int code = ready(s, v);
    return code == EXIT_DONE ? time_script(s, v, s->pair[0], seconds) : code;
}

int bench_draft(bench_side *s, const bench_values *v, double *seconds)
{
    int64_t drafted = 0, accepted = 0;
    int code = ready(s, v);
    if (code != EXIT_DONE)
        return code;
    s->lib.skald_context_get_int(s->pair[1], "n_drafted", &drafted);
    s->lib.skald_context_get_int(s->pair[1], "n_accepted", &accepted);
    code = time_script(s, v, s->pair[1], seconds);
    s->lib.skald_context_get_int(s->pair[1], "n_drafted", &s->n_drafted);
    s->lib.skald_context_get_int(s->pair[1], "n_accepted", &s->n_accepted);
    s->n_drafted -= drafted;
    s->n_accepted -= accepted;
    return code;
}
