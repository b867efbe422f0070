/* SPDX-License-Identifier: MIT */
/* skald tokenize: text on stdin, ids on stdout. skald detokenize: the reverse. */
#include "args.h"

#include <stdlib.h>
#include <string.h>

typedef struct tokenize_values {
    bool bos, special, lines, nul;
} tokenize_values;

typedef struct tokenize_job {
    const tool *t;
    int32_t flags;
} tokenize_job;

static const args_option tokenize_options[] = {
    ARGS_FLAG_AT(0, "bos", tokenize_values, bos, "add BOS and EOS as the model wants them"),
    ARGS_FLAG_AT(0, "special", tokenize_values, special, "let the text name control tokens"),
    ARGS_FLAG_AT(0, "lines", tokenize_values, lines, "take each line of the input by itself"),
    ARGS_FLAG_AT('0', "nul", tokenize_values, nul, "take each text that ends in a NUL by itself"),
    ARGS_END};

static const args_option detokenize_options[] = {
    ARGS_FLAG_AT(0, "bos", tokenize_values, bos, "drop the BOS and EOS that tokenize --bos adds"),
    ARGS_FLAG_AT(0, "special", tokenize_values, special, "write control tokens out"),
    ARGS_FLAG_AT(0, "lines", tokenize_values, lines, "take each line of the input by itself"),
    ARGS_FLAG_AT('0', "nul", tokenize_values, nul, "like --lines, but end each text with a NUL"),
    ARGS_END};

static bool print_tokens(const tokenize_job *job, const char *text, size_t n)
{
    int32_t *ids;
    size_t n_ids;
    if (!tool_tokenize(job->t, text, n, job->flags, &ids, &n_ids))
        return false;
    for (size_t i = 0; i < n_ids; i++)
        printf(i ? " %d" : "%d", (int)ids[i]);
    putchar('\n');
    free(ids);
    return true;
}

/* Writes the text of `ids`: first asks for its size, then for its bytes. */
static bool print_bytes(const tokenize_job *job, const int32_t *ids, size_t n_ids)
{
    size_t size = 0;
    int32_t status = skald_detokenize(job->t->model, ids, n_ids, job->flags, NULL, 0, &size);
    if (status < 0 && status != SKALD_E_BUFFER)
        return tool_fail(job->t, "%s", skald_error_message()), false;
    if (size == 0)
        return true;
    char *text = malloc(size);
    if (!text)
        return tool_fail(job->t, "out of memory"), false;
    status = skald_detokenize(job->t->model, ids, n_ids, job->flags, text, size, &size);
    if (status < 0)
        tool_fail(job->t, "%s", skald_error_message());
    else
        fwrite(text, 1, size, stdout);
    free(text);
    return status >= 0;
}

static bool print_text(const tokenize_job *job, const char *text, size_t n)
{
    int32_t *ids;
    size_t n_ids;
    if (!tool_parse_ids(job->t, text, n, &ids, &n_ids))
        return false;
    bool done = print_bytes(job, ids, n_ids);
    free(ids);
    return done;
}

/* Calls `print` for the whole input, or for each stretch that ends in `separator`. */
static bool each_text(const tokenize_job *job, const char *text, size_t n, int separator, int end,
                      bool (*print)(const tokenize_job *, const char *, size_t))
{
    if (separator < 0)
        return print(job, text, n);
    for (size_t at = 0; at < n;) {
        const char *stop = memchr(text + at, separator, n - at);
        size_t length = stop ? (size_t)(stop - text) - at : n - at;
        if (!print(job, text + at, length))
            return false;
        if (end >= 0)
            putchar(end);
        at += length + 1;
    }
    return true;
}

static int tokenize_any(const command *cmd, int argc, char **argv, bool reverse)
{
    tokenize_values v = {0};
    tool t;
    int code = args_parse(cmd, argc, argv, NULL, &v, &t);
    if (code != ARGS_GO)
        return code;
    if (v.lines && v.nul)
        return tool_close(&t, args_usage(&t, "give one of --lines and --nul"));
    tokenize_job job = {&t,
                        (v.bos ? SKALD_ADD_SPECIAL : 0) | (v.special ? SKALD_PARSE_SPECIAL : 0)};
    size_t n = 0;
    char *text = tool_read(&t, NULL, &n);
    code = text ? tool_load(&t) : EXIT_ERROR;
    bool done = true;
    if (code == EXIT_DONE && reverse)
        done = each_text(&job, text, n, v.lines || v.nul ? '\n' : -1, v.nul ? 0 : '\n', print_text);
    else if (code == EXIT_DONE)
        done = each_text(&job, text, n, v.lines ? '\n' : v.nul ? 0 : -1, -1, print_tokens);
    free(text);
    return tool_close(&t, done ? code : EXIT_ERROR);
}

static int tokenize_main(int argc, char **argv)
{
    return tokenize_any(&command_tokenize, argc, argv, false);
}

static int detokenize_main(int argc, char **argv)
{
    return tokenize_any(&command_detokenize, argc, argv, true);
}

const command command_tokenize = {
    "tokenize", "MODEL [--bos] [--special] [--lines] < TEXT",
    "Prints the token ids of a text.\n"
    "The text is read from stdin, its last newline included; the ids of one text stand on one\n"
    "line. Neither BOS nor control tokens come out unless asked for.\n",
    tokenize_options, tokenize_main};

const command command_detokenize = {"detokenize", "MODEL [--bos] [--special] [--lines] < IDS",
                                    "Prints the text of token ids.\n"
                                    "The ids are read from stdin, separated by white space; the "
                                    "bytes of their text are written as\n"
                                    "they are, nothing added.\n",
                                    detokenize_options, detokenize_main};
