/* SPDX-License-Identifier: MIT */
/*
 * skald run: a prompt in, its continuation out, piece by piece. The loop in generate() is the
 * loop of every host; the rest is options and figures.
 */
#include "args.h"
#include "json.h"

#include <stdlib.h>
#include <string.h>

#define SLICE_US 100000 /* between two looks at the progress of a prompt */

typedef struct run_values {
    const char *prompt, *file, *tokens;
    bool ids, stats, json;
} run_values;

typedef struct run_output {
    bool ids, json;
    bool first;
    char *text; /* owned; all text so far, for --json */
    size_t n, room;
    int32_t *tokens; /* owned */
    size_t n_tokens, token_room;
    bool failed; /* out of memory */
} run_output;

static const args_option run_options[] = {
    ARGS_TEXT_AT('p', "prompt", "TEXT", run_values, prompt, "the prompt (default: stdin)"),
    ARGS_TEXT_AT('f', "file", "FILE", run_values, file, "read the prompt from a file"),
    ARGS_TEXT_AT(0, "tokens", "IDS", run_values, tokens, "the prompt as token ids: \"1 2 3\""),
    ARGS_KEY_OF('n', "predict", "N", "n_predict", "tokens to generate at most (default: no limit)"),
    ARGS_KEY_OF('c', "ctx", "N", "n_ctx", "tokens that the context holds"),
    ARGS_KEY_OF(0, "temp", "X", "temperature", "temperature; 0: always the likeliest token"),
    ARGS_KEY_OF(0, "top-k", "K", "top_k", "keep the K likeliest tokens; 0: all"),
    ARGS_KEY_OF(0, "top-p", "P", "top_p", "keep the likeliest tokens that add up to P"),
    ARGS_KEY_OF(0, "min-p", "P", "min_p", "keep tokens P times as likely as the likeliest"),
    ARGS_KEY_OF(0, "repeat-penalty", "X", "repeat_penalty", "1: off"),
    ARGS_KEY_OF(0, "presence-penalty", "X", "presence_penalty", "0: off"),
    ARGS_KEY_OF(0, "frequency-penalty", "X", "frequency_penalty", "0: off"),
    ARGS_ADAPTERS,
    ARGS_KEY_OF('s', "seed", "N", "seed", "the same seed gives the same text"),
    ARGS_KEY_OF(0, "stop", "TEXT", "stop", "end at this text (may be repeated)"),
    ARGS_KEY_FILE(0, "json-schema", "json_schema", "write JSON that the schema in FILE describes"),
    ARGS_KEY_FILE(0, "grammar", "grammar", "write a text of the grammar in FILE (GBNF)"),
    ARGS_KEY_OF(0, "regex", "TEXT", "regex", "write a text that matches, as a whole"),
    ARGS_KEY_PRESET(0, "ignore-eos", "ignore_eos", "1", "never choose an end-of-text token"),
    ARGS_KEY_PRESET(0, "special", "parse_special", "1", "let the prompt name control tokens"),
    ARGS_FLAG_AT(0, "ids", run_values, ids, "print token ids instead of text"),
    ARGS_FLAG_AT(0, "stats", run_values, stats, "print figures on stderr (default: on a terminal)"),
    ARGS_FLAG_AT(0, "json", run_values, json, "print text, ids and figures as JSON, at the end"),
    ARGS_END};

static int append_ids(tool *t, const char *text, size_t n)
{
    int32_t *ids;
    size_t n_ids;
    if (!tool_parse_ids(t, text, n, &ids, &n_ids))
        return EXIT_ERROR;
    int32_t status = skald_append_tokens(t->ctx, ids, n_ids);
    free(ids);
    return status < 0 ? tool_status(t, status, skald_context_message(t->ctx)) : EXIT_DONE;
}

static int append_prompt(tool *t, const run_values *v, const char *text, size_t n)
{
    if (v->tokens)
        return append_ids(t, v->tokens, strlen(v->tokens));
    int32_t status = skald_append_text(t->ctx, text, (int64_t)n);
    return status < 0 ? tool_status(t, status, skald_context_message(t->ctx)) : EXIT_DONE;
}

/* Makes room for `more` elements of `size` bytes behind `n`. */
static bool grow(void **data, size_t *room, size_t n, size_t more, size_t size)
{
    if (n + more <= *room)
        return true;
    size_t wanted = 2 * (n + more);
    void *grown = realloc(*data, wanted * size);
    if (!grown)
        return false;
    *data = grown;
    *room = wanted;
    return true;
}

static void keep(run_output *out, const char *text, size_t n, int32_t token)
{
    void *bytes = out->text, *ids = out->tokens;
    out->failed |= !grow(&bytes, &out->room, out->n, n, 1);
    out->failed |= !grow(&ids, &out->token_room, out->n_tokens, 1, sizeof *out->tokens);
    out->text = bytes;
    out->tokens = ids;
    if (out->failed)
        return;
    if (n)
        memcpy(out->text + out->n, text, n);
    out->n += n;
    if (token >= 0)
        out->tokens[out->n_tokens++] = token;
}

/* What a step brought: its text, and its token if it is one (at the end there may be text alone).
 */
static void emit(tool *t, run_output *out, bool is_token)
{
    const char *text = "";
    size_t n = 0;
    int32_t token = -1;
    skald_text(t->ctx, &text, &n);
    if (is_token)
        skald_token(t->ctx, &token);
    if (out->json) {
        keep(out, text, n, token);
    } else if (!out->ids) {
        fwrite(text, 1, n, stdout);
    } else if (token >= 0) {
        printf(out->first ? "%d" : " %d", (int)token);
        out->first = false;
    }
    fflush(stdout);
}

static int generate(tool *t, run_output *out)
{
    int64_t budget = term_is_shown() ? SLICE_US : -1;
    for (;;) {
        int32_t status = skald_step(t->ctx, budget);
        if (status == SKALD_PENDING) {
            double all = (double)tool_context_int(t, "n_tokens");
            if (tool_context_int(t, "n_generated") == 0)
                term_progress("prompt", (double)tool_context_int(t, "n_evaluated") / all);
            continue;
        }
        term_clear();
        if (status < 0)
            return tool_status(t, status, skald_context_message(t->ctx));
        emit(t, out, status == SKALD_TOKEN);
        if (status == SKALD_DONE)
            return EXIT_DONE;
    }
}

static double per_second(int64_t n, int64_t us)
{
    return us > 0 ? 1e6 * (double)n / (double)us : 0;
}

static const char *stop_reason(const tool *t)
{
    const char *reason = "none";
    skald_context_get_string(t->ctx, "stop_reason", &reason);
    return term_interrupted() ? "interrupted" : reason;
}

static void print_stats(const tool *t)
{
    int64_t n_prompt = tool_context_int(t, "n_prompt"), prompt = tool_context_int(t, "prompt_us");
    int64_t n_decode = tool_context_int(t, "n_generated"),
            decode = tool_context_int(t, "decode_us");
    fprintf(stderr, "prompt %lld tokens, %.1f/s; generated %lld tokens, %.1f/s; stopped: %s\n",
            (long long)n_prompt, per_second(n_prompt, prompt), (long long)n_decode,
            per_second(n_decode, decode), stop_reason(t));
}

static void print_json(const tool *t, const run_output *out)
{
    json j;
    json_begin(&j, stdout);
    json_open(&j, NULL, '{', true);
    json_bytes(&j, "text", out->text ? out->text : "", out->n);
    json_open(&j, "tokens", '[', false);
    for (size_t i = 0; i < out->n_tokens; i++)
        json_int(&j, NULL, out->tokens[i]);
    json_close(&j);
    json_string(&j, "stop_reason", stop_reason(t));
    json_int(&j, "n_prompt", tool_context_int(t, "n_prompt"));
    json_int(&j, "n_generated", tool_context_int(t, "n_generated"));
    json_int(&j, "prompt_us", tool_context_int(t, "prompt_us"));
    json_int(&j, "decode_us", tool_context_int(t, "decode_us"));
    json_close(&j);
}

static int run_context(tool *t, const run_values *v, const char *text, size_t n)
{
    run_output out = {
        .ids = v->ids || tool_model_int(t, "has_vocab") == 0, .json = v->json, .first = true};
    int code = tool_context(t);
    if (code == EXIT_DONE)
        code = append_prompt(t, v, text, n);
    if (code != EXIT_DONE)
        return code;
    code = generate(t, &out);
    bool ended = code == EXIT_DONE || code == EXIT_INTERRUPTED;
    if (ended && out.failed)
        code = tool_fail(t, "out of memory");
    else if (ended && v->json)
        print_json(t, &out);
    else if (ended && out.ids)
        putchar('\n');
    else if (ended)
        term_end_line();
    if (ended && (v->stats || term_is_shown()))
        print_stats(t);
    free(out.text);
    free(out.tokens);
    return code;
}

static int run_main(int argc, char **argv)
{
    run_values v = {0};
    tool t;
    int code = args_parse(&command_run, argc, argv, NULL, &v, &t);
    if (code != ARGS_GO)
        return code;
    if ((v.prompt != NULL) + (v.file != NULL) + (v.tokens != NULL) > 1)
        return tool_close(&t, args_usage(&t, "give one of --prompt, --file and --tokens"));
    size_t n = v.prompt ? strlen(v.prompt) : 0;
    bool reads = !v.prompt && !v.tokens;
    char *read = reads ? tool_read(&t, v.file, &n) : NULL;
    code = reads && !read ? EXIT_ERROR : tool_load(&t);
    if (code == EXIT_DONE)
        code = run_context(&t, &v, read ? read : v.prompt, n);
    free(read);
    return tool_close(&t, code);
}

const command command_run = {
    "run", "MODEL [-p TEXT | -f FILE | --tokens IDS] [options]",
    "Continues a prompt.\n"
    "The continuation is streamed to stdout, its bytes unchanged. A model without a vocabulary is\n"
    "driven by --tokens, and token ids are printed. Ctrl-C stops generation (exit code 130).\n",
    run_options, run_main};
