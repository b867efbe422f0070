/* SPDX-License-Identifier: MIT */
/* What the subcommands share; see tool.h. */
#define _POSIX_C_SOURCE 200809L
#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE_US 50000 /* between two looks at the progress bar */

int tool_fail(const tool *t, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    term_clear();
    fflush(stdout);
    fprintf(stderr, "skald %s: ", t->command->name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    return EXIT_ERROR;
}

int tool_status(const tool *t, int32_t status, const char *message)
{
    if (status == SKALD_E_CANCELLED && term_interrupted()) {
        term_clear();
        return EXIT_INTERRUPTED;
    }
    return tool_fail(t, "%s", message);
}

int tool_load(tool *t)
{
    int32_t status = skald_model_open(t->path, t->options, &t->model);
    if (status < 0)
        return tool_status(t, status, skald_error_message());
    term_interrupts(t->model, NULL);
    while ((status = skald_model_step(t->model, SLICE_US)) == SKALD_PENDING) {
        double progress = 0;
        skald_model_get_float(t->model, "progress", &progress);
        term_progress("loading", progress);
    }
    term_interrupts(NULL, NULL);
    term_clear();
    if (status < 0)
        return tool_status(t, status, skald_model_message(t->model));
    return EXIT_DONE;
}

/* FILE, or FILE=SCALE where a number follows the last '='. */
static int load_adapter(tool *t, const char *word, skald_adapter **adapter, double *scale)
{
    const char *equals = strrchr(word, '=');
    char *end = NULL, path[4096];
    *scale = equals ? strtod(equals + 1, &end) : 1;
    bool scaled = equals && equals[1] && *end == 0;
    size_t n = scaled ? (size_t)(equals - word) : strlen(word);
    if (n >= sizeof path)
        return tool_fail(t, "%s: the path is too long", word);
    memcpy(path, word, n);
    path[n] = 0;
    *scale = scaled ? *scale : 1;
    int32_t status = skald_adapter_load(t->model, path, t->options, adapter);
    return status < 0 ? tool_fail(t, "%s: %s", path, skald_error_message()) : EXIT_DONE;
}

static int wear_adapters(tool *t)
{
    skald_adapter *adapters[TOOL_ADAPTERS] = {NULL};
    double scales[TOOL_ADAPTERS];
    int code = EXIT_DONE;
    for (int i = 0; i < t->n_adapters && code == EXIT_DONE; i++)
        code = load_adapter(t, t->adapters[i], &adapters[i], &scales[i]);
    if (code == EXIT_DONE &&
        skald_set_adapters(t->ctx, adapters, scales, (size_t)t->n_adapters) < 0)
        code = tool_fail(t, "%s", skald_context_message(t->ctx));
    for (int i = 0; i < t->n_adapters; i++)
        skald_adapter_release(adapters[i]);
    return code;
}

int tool_context(tool *t)
{
    int32_t status = skald_context_new(t->model, t->options, &t->ctx);
    if (status < 0)
        return tool_fail(t, "%s", skald_error_message());
    int code = wear_adapters(t);
    if (code != EXIT_DONE)
        return code;
    term_interrupts(NULL, t->ctx);
    return term_interrupted() ? EXIT_INTERRUPTED : EXIT_DONE;
}

int tool_evaluate(tool *t)
{
    int32_t status;
    do
        status = skald_step(t->ctx, -1);
    while (status == SKALD_PENDING);
    if (status == SKALD_DONE)
        return EXIT_DONE;
    if (status > 0)
        return tool_fail(t, "a token was generated though n_predict is 0");
    return tool_status(t, status, skald_context_message(t->ctx));
}

int tool_close(tool *t, int code)
{
    term_clear();
    term_interrupts(NULL, NULL);
    skald_context_free(t->ctx);
    skald_model_release(t->model);
    skald_options_free(t->options);
    t->ctx = NULL;
    t->model = NULL;
    t->options = NULL;
    if (fflush(stdout) != 0 || ferror(stdout))
        return tool_fail(t, "cannot write the output: %s", strerror(errno));
    return code;
}

int64_t tool_model_int(const tool *t, const char *key)
{
    int64_t value;
    return skald_model_get_int(t->model, key, &value) < 0 ? 0 : value;
}

const char *tool_model_string(const tool *t, const char *key)
{
    const char *value;
    return skald_model_get_string(t->model, key, &value) < 0 ? "" : value;
}

int64_t tool_context_int(const tool *t, const char *key)
{
    int64_t value;
    return skald_context_get_int(t->ctx, key, &value) < 0 ? 0 : value;
}

/* All that is left in `file`; NULL if memory or the file fails. */
static char *read_rest(FILE *file, size_t *n)
{
    size_t room = 1 << 16, got;
    char *data = malloc(room);
    *n = 0;
    while (data && (got = fread(data + *n, 1, room - *n - 1, file)) > 0) {
        *n += got;
        if (room - *n > 1)
            continue;
        char *more = realloc(data, room *= 2);
        if (!more)
            free(data);
        data = more;
    }
    if (data && ferror(file)) {
        free(data);
        data = NULL;
    }
    if (data)
        data[*n] = 0;
    return data;
}

char *tool_read(const tool *t, const char *path, size_t *n)
{
    bool is_stdin = !path || strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    errno = 0;
    char *data = file ? read_rest(file, n) : NULL;
    if (!data)
        tool_fail(t, "cannot read %s: %s", is_stdin ? "stdin" : path,
                  strerror(errno ? errno : ENOENT));
    if (file && !is_stdin)
        fclose(file);
    return data;
}

static bool is_separator(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',';
}

bool tool_parse_ids(const tool *t, const char *text, size_t n, int32_t **ids, size_t *n_ids)
{
    *n_ids = 0;
    *ids = malloc((n / 2 + 1) * sizeof **ids); /* an id and its separator are two bytes at least */
    if (!*ids)
        return tool_fail(t, "out of memory"), false;
    for (size_t i = 0; i < n;) {
        if (is_separator(text[i])) {
            i++;
            continue;
        }
        size_t start = i;
        int64_t id = 0;
        for (; i < n && text[i] >= '0' && text[i] <= '9' && id <= INT32_MAX; i++)
            id = id * 10 + (text[i] - '0');
        if (i == start || id > INT32_MAX || (i < n && !is_separator(text[i]))) {
            int shown = n - start < 20 ? (int)(n - start) : 20;
            free(*ids);
            *ids = NULL;
            return tool_fail(t, "'%.*s' does not begin with a token id", shown, text + start),
                   false;
        }
        (*ids)[(*n_ids)++] = (int32_t)id;
    }
    return true;
}

bool tool_tokenize(const tool *t, const char *text, size_t n, int32_t flags, int32_t **ids,
                   size_t *n_ids)
{
    size_t room = n + 2; /* a token is a byte at least, BOS and EOS aside: nearly always enough */
    *ids = malloc(room * sizeof **ids);
    int32_t status = SKALD_E_MEMORY;
    if (*ids)
        status = skald_tokenize(t->model, text, (int64_t)n, flags, *ids, room, n_ids);
    if (status == SKALD_E_BUFFER) {
        room = *n_ids;
        free(*ids);
        *ids = malloc(room * sizeof **ids);
        if (*ids)
            status = skald_tokenize(t->model, text, (int64_t)n, flags, *ids, room, n_ids);
    }
    if (status >= 0)
        return true;
    tool_fail(t, "%s", *ids ? skald_error_message() : "out of memory");
    free(*ids);
    *ids = NULL;
    return false;
}

double tool_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
