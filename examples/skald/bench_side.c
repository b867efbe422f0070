/* SPDX-License-Identifier: MIT */
/* The timed work, through a table of the library's functions; and what it costs at least. */
#define _GNU_SOURCE
#include "bench.h"

#include <dlfcn.h>
#include <string.h>

/* ---- A library, a model, contexts ----------------------------------------------------------- */

int bench_fail(const bench_side *s, skald_context *ctx)
{
    return tool_fail(s->tool, "%s",
                     ctx ? s->lib.skald_context_message(ctx) : s->lib.skald_error_message());
}

/* RTLD_DEEPBIND: the other library's calls of its own functions stay its own. */
static int open_library(bench_side *s, const char *path)
{
    if (!path) {
#define X(name) s->lib.name = name;
        BENCH_CALLS(X)
#undef X
        return EXIT_DONE;
    }
    s->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (!s->handle)
        return tool_fail(s->tool, "%s", dlerror());
    void *found;
#define X(name) \
    if (!(found = dlsym(s->handle, #name))) \
        return tool_fail(s->tool, "%s: there is no %s in it", path, #name); \
    memcpy(&s->lib.name, &found, sizeof found);
    BENCH_CALLS(X)
#undef X
    return EXIT_DONE;
}

/* Sets what the tool's options say; an older library need not know every key. */
static void copy_options(bench_side *s)
{
    const char *key, *text;
    int32_t type;
    int64_t whole;
    double real;
    for (int32_t i = 0; skald_options_describe(i, &key, &type, NULL, NULL) >= 0; i++)
        if (type == SKALD_TYPE_INT && skald_options_get_int(s->tool->options, key, &whole) >= 0)
            s->lib.skald_options_set_int(s->options, key, whole);
        else if (type == SKALD_TYPE_FLOAT &&
                 skald_options_get_float(s->tool->options, key, &real) >= 0)
            s->lib.skald_options_set_float(s->options, key, real);
        else if (type == SKALD_TYPE_STRING &&
                 skald_options_get_string(s->tool->options, key, &text) >= 0 && text && *text)
            s->lib.skald_options_set_string(s->options, key, text);
}

int bench_open(bench_side *s, const tool *t, const char *path, int n)
{
    s->tool = t;
    s->n_vocab = tool_model_int(t, "n_vocab");
    const int code = open_library(s, path);
    if (code != EXIT_DONE)
        return code;
    if (s->lib.skald_options_new(&s->options) < 0)
        return bench_fail(s, NULL);
    copy_options(s);
    if (path && s->lib.skald_model_load(t->path, s->options, &s->model) < 0)
        return bench_fail(s, NULL);
    if (!path)
        skald_model_retain(s->model = t->model);
    for (; s->n_ctx < n; s->n_ctx++)
        if (s->lib.skald_context_new(s->model, s->options, &s->ctx[s->n_ctx]) < 0)
            return bench_fail(s, NULL);
    return EXIT_DONE;
}

void bench_close(bench_side *s)
{
    bench_draft_close(s);
    while (s->n_ctx > 0)
        s->lib.skald_context_free(s->ctx[--s->n_ctx]);
    if (s->model)
        s->lib.skald_model_release(s->model);
    if (s->options)
        s->lib.skald_options_free(s->options);
    if (s->handle)
        dlclose(s->handle);
}

/* ---- Timings -------------------------------------------------------------------------------- */

/* Appends `n` arbitrary tokens, the same in every run. */
static int append_noise(const bench_side *s, skald_context *ctx, int64_t n)
{
    uint64_t state = 0x9E3779B97F4A7C15u;
    for (int64_t i = 0; i < n; i++) {
        const int32_t id = bench_token(&state, s->n_vocab);
        if (s->lib.skald_append_tokens(ctx, &id, 1) < 0)
            return bench_fail(s, ctx);
    }
    return EXIT_DONE;
}

/* Evaluates all that was appended. */
static int evaluate(const bench_side *s, skald_context *ctx)
{
    int32_t status;
    do
        status = s->lib.skald_step(ctx, -1);
    while (status == SKALD_PENDING);
    return status == SKALD_DONE ? EXIT_DONE : bench_fail(s, ctx);
}

/* Begins anew with `n` evaluated tokens, generating nothing. */
static int prepare(const bench_side *s, skald_context *ctx, int64_t n)
{
    s->lib.skald_truncate(ctx, 0);
    s->lib.skald_context_set_int(ctx, "n_predict", 0);
    const int code = append_noise(s, ctx, n);
    return code == EXIT_DONE && n > 0 ? evaluate(s, ctx) : code;
}

int bench_prompt(bench_side *s, const bench_values *v, double *seconds)
{
    int code = prepare(s, s->ctx[0], v->n_depth);
    if (code == EXIT_DONE)
        code = append_noise(s, s->ctx[0], v->n_prompt);
    if (code != EXIT_DONE)
        return code;
    const double start = tool_seconds();
    code = evaluate(s, s->ctx[0]);
    *seconds = tool_seconds() - start;
    return code;
}

int bench_decode(bench_side *s, const bench_values *v, double *seconds)
{
    skald_context *ctx = s->ctx[0];
    const int code = prepare(s, ctx, v->n_depth + 1);
    if (code != EXIT_DONE)
        return code;
    s->lib.skald_context_set_int(ctx, "n_predict", v->n_decode);
    const double start = tool_seconds();
    int32_t status;
    int64_t n = 0;
    while ((status = s->lib.skald_step(ctx, -1)) == SKALD_TOKEN)
        n++;
    *seconds = tool_seconds() - start;
    if (status < 0)
        return bench_fail(s, ctx);
    if (n != v->n_decode)
        return tool_fail(s->tool, "%lld tokens were generated instead of %lld", (long long)n,
                         (long long)v->n_decode);
    return EXIT_DONE;
}

int bench_batch(bench_side *s, const bench_values *v, double *seconds)
{
    const size_t n = (size_t)v->n_batch;
    int32_t status[BENCH_CONTEXTS], running;
    for (size_t i = 0; i < n; i++) {
        const int code = prepare(s, s->ctx[i], v->n_depth + 1);
        if (code != EXIT_DONE)
            return code;
        s->lib.skald_context_set_int(s->ctx[i], "n_predict", v->n_decode);
    }
    int64_t n_token = 0;
    const double start = tool_seconds();
    do {
        running = s->lib.skald_step_many(s->ctx, n, -1, status);
        for (size_t i = 0; i < n && running >= 0; i++) {
            if (status[i] < 0)
                return bench_fail(s, s->ctx[i]);
            n_token += status[i] == SKALD_TOKEN;
        }
    } while (running > 0);
    *seconds = tool_seconds() - start;
    if (running < 0)
        return bench_fail(s, NULL);
    if (n_token != v->n_batch * v->n_decode)
        return tool_fail(s->tool, "%lld tokens were generated instead of %lld", (long long)n_token,
                         (long long)(v->n_batch * v->n_decode));
    return EXIT_DONE;
}

int bench_load(bench_side *s, const bench_values *v, double *seconds)
{
    (void)v;
    bench_side fresh = {.tool = s->tool, .lib = s->lib, .n_vocab = s->n_vocab};
    int code = EXIT_DONE;
    const double start = tool_seconds();
    if (s->lib.skald_model_load(s->tool->path, s->options, &fresh.model) < 0 ||
        s->lib.skald_context_new(fresh.model, s->options, &fresh.ctx[0]) < 0) {
        code = bench_fail(s, NULL);
    } else {
        fresh.n_ctx = 1;
        s->lib.skald_context_set_int(fresh.ctx[0], "n_predict", 1);
        code = append_noise(&fresh, fresh.ctx[0], BENCH_LOAD_PROMPT);
    }
    if (code == EXIT_DONE && s->lib.skald_step(fresh.ctx[0], -1) != SKALD_TOKEN)
        code = bench_fail(s, fresh.ctx[0]);
    *seconds = tool_seconds() - start;
    bench_close(&fresh);
    return code;
}

/* ---- Costs ---------------------------------------------------------------------------------- */

static void add_products(double *int8, double *fp32, const char *type, double n)
{
    if (strcmp(type, "F32") == 0 || strcmp(type, "F16") == 0 || strcmp(type, "BF16") == 0)
        *fp32 += n;
    else
        *int8 += n;
}

bench_cost bench_cost_of(const tool *t)
{
    bench_cost c = {0};
    const double n_expert = (double)tool_model_int(t, "n_expert");
    const double used = n_expert > 0 ? (double)tool_model_int(t, "n_expert_used") / n_expert : 1;
    const char *name, *type;
    int64_t shape[4], size, n = tool_model_int(t, "n_tensors");
    bool tied = true;
    for (int64_t i = 0; i < n; i++)
        if (skald_model_tensor(t->model, i, &name, NULL, NULL, NULL) >= 0)
            tied = tied && strcmp(name, "output.weight") != 0;
    for (int64_t i = 0; i < n; i++) {
        if (skald_model_tensor(t->model, i, &name, &type, shape, &size) < 0)
            continue;
        const bool table = strstr(name, "_embd.weight") != NULL; /* a row of it is looked up */
        const bool head = strcmp(name, tied ? "token_embd.weight" : "output.weight") == 0;
        if (table && !head)
            continue;
        const double share = strstr(name, "_exps") ? used : 1;
        const double products =
            shape[1] > 1 ? share * (double)shape[0] * (double)shape[1] * (double)shape[2] : 0;
        c.bytes += share * (double)size;
        if (head)
            add_products(&c.head_int8, &c.head_fp32, type, products);
        else
            add_products(&c.int8, &c.fp32, type, products);
    }
    return c;
}
